// What messages call the parts of a step: "parameters[3].grad ("fc1.weight")" in a call that takes parameters,
// "grads[3] ("fc1.weight")" in a call on an optimizer that owns the rest.
import MartletPlatform

/// An array of a parameter, its step counter, or the number that shows it.
enum Role: Equatable {
    case value
    case gradient
    /// The rows that the gradient is of, one of them, and how many they are.
    case rows
    case row(Int)
    case rowCount
    case state(Int)
    case copy
    case step
    case shownStep
    /// The memory of what rows have not seen.
    case backlog
}

/// How the caller's arguments are spelled in messages.
package enum Spelling {
    /// An array of parameters, each with all its parts.
    case parameters
    /// Gradients alone; the parameters were added before.
    case gradients
    /// One array, its gradient and its state as arguments of their own.
    case oneArray

    /// What the address of a scalar must be a multiple of; nil: its size. Among the floats of one array it lies as they do.
    var scalarAlignment: Int? { self == .oneArray ? MemoryLayout<Float>.alignment : nil }

    func describe(_ role: Role, parameter: Int, name: UnsafePointer<CChar>?) -> String {
        let suffix = unsafe name.map { unsafe " (\"\(Bytes.excerpt($0))\")" } ?? ""
        let part =
            switch role {
            case .value: "value"
            case .gradient: "grad"
            case .rows: "rows"
            case .row(let place): "rows[\(place)]"
            case .rowCount: "row_count"
            case .state(let slot): "state[\(slot)]"
            case .copy: "copy"
            case .step: "step"
            case .shownStep: "step_shown"
            case .backlog: "backlog"
            }
        return switch self {
        case .parameters: "parameters[\(parameter)].\(part)\(suffix)"
        case .oneArray: part
        case .gradients:
            switch role {
            case .gradient: "grads[\(parameter)]\(suffix)"
            case .rows: "rows[\(parameter)].rows\(suffix)"
            case .row(let place): "rows[\(parameter)].rows[\(place)]\(suffix)"
            case .rowCount: "rows[\(parameter)].count\(suffix)"
            default: "parameter \(parameter)'s \(part)\(suffix)"
            }
        }
    }
}
