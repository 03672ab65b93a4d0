// A model's outputs, and the loss and metrics of each.
import CMartlet
import MartletModels
import MartletOptimizers
import MartletPlatform

/// An array of numbers by metric, as the header has it.
typealias MetricNumbers = (
    Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double, Double,
    Double, Double
)

let noMetrics: MetricNumbers = (
    .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan, .nan
)

extension Score {
    var numbers: MetricNumbers {
        (
            self[.accuracy], self[.topAccuracy], self[.mse], self[.mae], self[.rmse], self[.r2], self[.precision],
            self[.recall], self[.f1], self[.auc], self[.perplexity], .nan, .nan, .nan, .nan, .nan
        )
    }
}

@implementation @_cdecl("martlet_metric_name")
public func martlet_metric_name(_ metric: Int32) -> UnsafePointer<CChar>! {
    guard let metric = Metric(rawValue: Int(metric)) else { return nil }
    return unsafe UnsafeRawPointer(metric.name.utf8Start).assumingMemoryBound(to: CChar.self)
}

@implementation @_cdecl("martlet_model_outputs_set")
public func martlet_model_outputs_set(_ model: OpaquePointer!, _ nodes: UnsafePointer<Int32>!, _ count: Int64)
    -> martlet_status
{
    unsafe withModel("martlet_model_outputs_set", model) { model throws(MartletError) in
        guard count >= 1 && count <= Int64(Model.mostOutputs) else {
            throw MartletError(.argument, "count is \(count); expected 1 to \(Model.mostOutputs) outputs")
        }
        let nodes = try unsafe required(nodes, "nodes")
        try model.setOutputs((0..<Int(count)).map { unsafe Int(nodes[$0]) })
    }
}

@implementation @_cdecl("martlet_model_sizes_set")
public func martlet_model_sizes_set(_ model: OpaquePointer!, _ sizes: UnsafePointer<Int64>!, _ count: Int64)
    -> martlet_status
{
    unsafe withModel("martlet_model_sizes_set", model) { model throws(MartletError) in
        let ranks = (0..<model.inputCount).map { model.inputShape($0).rank }
        let wanted = ranks.reduce(0, +)
        guard count == Int64(wanted) else {
            throw MartletError(.argument, "count is \(count); expected \(wanted), the sizes of all inputs")
        }
        let sizes = try unsafe required(sizes, "sizes")
        var start = 0
        var shapes: [Shape] = []
        for rank in ranks {
            shapes.append(try Shape((start..<start + rank).map { unsafe Int(sizes[$0]) }, "sizes"))
            start += rank
        }
        try model.resize(shapes)
    }
}

@implementation @_cdecl("martlet_model_output_count")
public func martlet_model_output_count(_ model: OpaquePointer!, _ out_count: UnsafeMutablePointer<Int64>!)
    -> martlet_status
{
    unsafe withModel("martlet_model_output_count", model, reads: true, mayBeInside: true) {
        model throws(MartletError) in
        let target = try unsafe required(out_count, "out_count")
        unsafe target.pointee = Int64(model.outputCount)
    }
}

@implementation @_cdecl("martlet_model_output_get")
public func martlet_model_output_get(
    _ model: OpaquePointer!, _ out_node: UnsafeMutablePointer<Int32>!, _ output: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_output_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_node, "out_node")
        unsafe target.pointee = Int32(model.outputNodes[try model.checked(output)])
    }
}

extension Model {
    /// The number of an output. Throws `.argument` where there is none.
    func checked(_ output: Int32) throws(MartletError) -> Int {
        guard output >= 0 && output < outputCount else {
            throw MartletError(.argument, "output is \(output); expected 0 ..< \(outputCount), the model's outputs")
        }
        return Int(output)
    }
}

@implementation @_cdecl("martlet_model_score_get")
public func martlet_model_score_get(
    _ model: OpaquePointer!, _ out_score: UnsafeMutablePointer<martlet_score>!, _ struct_size: Int, _ output: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_score_get", model, mayBeInside: true) { model throws(MartletError) in
        let number = try model.checked(output)
        let training = try model.score(ofOutput: number, in: .training)
        let evaluation = try model.score(ofOutput: number, in: .evaluation)
        var raw = martlet_score()
        (raw.loss, raw.metrics) = (training.meanLoss, training.numbers)
        (raw.evaluation_loss, raw.evaluation_metrics) = (evaluation.meanLoss, evaluation.numbers)
        try unsafe martlet_score.fill(out_score, "out_score", size: struct_size, with: raw)
    }
}

@implementation @_cdecl("martlet_model_confusion_get")
public func martlet_model_confusion_get(
    _ model: OpaquePointer!, _ out_counts: UnsafeMutablePointer<Int64>!, _ count: Int64, _ output: Int32,
    _ mode: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_confusion_get", model, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_counts, "out_counts")
        let counts = try model.confusion(ofOutput: try model.checked(output), in: OptimizerMode(number: mode))
        guard count == Int64(counts.count) else {
            throw MartletError(
                .shape, "count is \(count); expected \(counts.count), the square of the number of classes")
        }
        for (place, number) in counts.enumerated() { unsafe target[place] = number }
    }
}

@implementation @_cdecl("martlet_model_tally_set")
public func martlet_model_tally_set(_ model: OpaquePointer!, _ mode: Int32, _ keeps: Int32) -> martlet_status {
    unsafe withModel("martlet_model_tally_set", model) { model throws(MartletError) in
        guard keeps == 0 || keeps == 1 else {
            throw MartletError(.argument, "keeps is \(keeps); expected 0 or 1")
        }
        try model.setTally(in: OptimizerMode(number: mode), keeps: keeps == 1)
    }
}
