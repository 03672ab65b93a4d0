// What messages call the parts of a step: "parameters[3].grad ("fc1.weight")" in a call that takes parameters,
// "grads[3] ("fc1.weight")" in a call on an optimizer that owns the rest.
import MartletPlatform

/// An array of a parameter, its step counter, or the number that shows it.
enum Role: Equatable {
    case value
    case gradient
    case state(Int)
    case copy
    case step
    case shownStep
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
            case .state(let slot): "state[\(slot)]"
            case .copy: "copy"
            case .step: "step"
            case .shownStep: "step_shown"
            }
        return switch self {
        case .parameters: "parameters[\(parameter)].\(part)\(suffix)"
        case .oneArray: part
        case .gradients:
            role == .gradient ? "grads[\(parameter)]\(suffix)" : "parameter \(parameter)'s \(part)\(suffix)"
        }
    }
}
