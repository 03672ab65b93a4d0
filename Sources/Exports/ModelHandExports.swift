// A batch of a model's led forward and backward by its caller, whose the loss is.
import CMartlet
import MartletModels
import MartletPlatform

@implementation @_cdecl("martlet_model_forward")
public func martlet_model_forward(
    _ model: OpaquePointer!, _ out_result: UnsafeMutablePointer<martlet_result>!, _ out: UnsafeMutablePointer<Float>!,
    _ out_count: Int64, _ x: UnsafePointer<martlet_array>!, _ y: UnsafePointer<martlet_array>!,
    _ weights: UnsafePointer<martlet_array>!, _ rows: UnsafePointer<Int64>!, _ row_count: Int64
) -> martlet_status {
    unsafe withModel("martlet_model_forward", model) { model throws(MartletError) in
        let result = try unsafe OptionalTarget(out_result, "out_result")
        let target = try unsafe required(out, "out")
        guard out_count >= 0 && out_count <= 1 << 56 else {
            throw MartletError(.shape, "out_count is \(out_count); expected 0 to 2^56")
        }
        guard unsafe rows != nil || row_count == 0 else {
            throw MartletError(.null, "rows is NULL; expected \(row_count) rows")
        }
        let rows = try unsafe rows == nil ? nil : required(UnsafePointer(rows!), "rows")
        let out = unsafe UnsafeMutableBufferPointer(start: target, count: Int(out_count))
        let weights = try unsafe Samples(optional: weights, "weights")
        func forward(_ x: SampleArrays, _ y: SampleArrays?) throws(MartletError) -> Score? {
            try unsafe model.forward(x, y, weights: weights, rows: rows, rowCount: Int(row_count), into: out)
        }
        let score =
            if unsafe y == nil {
                try unsafe model.reading(x, "x") { x throws(MartletError) in try forward(x, nil) }
            } else {
                try unsafe model.reading(x, "x", y, "y") { (x, y) throws(MartletError) in try forward(x, y) }
            }
        unsafe result.write(score.map { martlet_result(Outcome(score: $0)) } ?? .nothing)
    }
}

@implementation @_cdecl("martlet_model_backward")
public func martlet_model_backward(
    _ model: OpaquePointer!, _ slopes: UnsafePointer<Float>!, _ slope_count: Int64,
    _ input_slopes: UnsafePointer<martlet_array>!
) -> martlet_status {
    unsafe withModel("martlet_model_backward", model) { model throws(MartletError) in
        let source = try unsafe required(slopes, "slopes")
        guard slope_count >= 0 && slope_count <= 1 << 56 else {
            throw MartletError(.shape, "slope_count is \(slope_count); expected 0 to 2^56")
        }
        let slopes = unsafe UnsafeBufferPointer(start: source, count: Int(slope_count))
        guard unsafe input_slopes != nil else { return try unsafe model.backward(slopes) }
        try unsafe model.reading(input_slopes, "input_slopes") { inputs throws(MartletError) in
            try unsafe model.backward(slopes, inputs: inputs)
        }
    }
}
