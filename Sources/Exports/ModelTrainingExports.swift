// Compile, train, fit, evaluate and predict of the model behind a handle.
import CMartlet
import MartletCompute
import MartletModels
import MartletOptimizers
import MartletPlatform

@implementation @_cdecl("martlet_training_init")
public func martlet_training_init(
    _ out_training: UnsafeMutablePointer<martlet_training>!, _ struct_size: Int, _ loss: Int32
) -> martlet_status {
    report("martlet_training_init") { () throws(MartletError) in
        let loss: LossKind = try choice(loss, "loss", "MARTLET_LOSS_CROSS_ENTROPY or another of its kind")
        try unsafe martlet_training.fill(
            out_training, "out_training", size: struct_size, with: martlet_training(Training(loss)))
    }
}

@implementation @_cdecl("martlet_result_init")
public func martlet_result_init(_ out_result: UnsafeMutablePointer<martlet_result>!, _ struct_size: Int)
    -> martlet_status
{
    report("martlet_result_init") { () throws(MartletError) in
        try unsafe martlet_result.fill(out_result, "out_result", size: struct_size, with: .nothing)
    }
}

@implementation @_cdecl("martlet_loop_init")
public func martlet_loop_init(_ out_loop: UnsafeMutablePointer<martlet_loop>!, _ struct_size: Int) -> martlet_status {
    report("martlet_loop_init") { () throws(MartletError) in
        try unsafe martlet_loop.fill(out_loop, "out_loop", size: struct_size, with: .standard)
    }
}

extension martlet_result {
    static var nothing: martlet_result {
        var result = martlet_result()
        result.struct_size = UInt32(MemoryLayout<martlet_result>.size)
        (result.loss, result.validation_loss) = (.nan, .nan)
        (result.metrics, result.validation_metrics) = (noMetrics, noMetrics)
        return result
    }

    init(_ outcome: Outcome) {
        self = .nothing
        epochs = Int32(outcome.epochs)
        samples = Int64(outcome.score.samples)
        batches = Int64(outcome.score.batches)
        (loss, metrics) = (outcome.score.meanLoss, outcome.score.numbers)
        guard let held = outcome.validation else { return }
        (validation_loss, validation_metrics) = (held.meanLoss, held.numbers)
    }
}

extension martlet_loop {
    fileprivate static var standard: martlet_loop {
        var loop = unsafe martlet_loop()
        unsafe loop.struct_size = UInt32(MemoryLayout<martlet_loop>.size)
        unsafe loop.epochs = 1
        return unsafe loop
    }

    /// A caller's loop, or the defaults.
    fileprivate static func reading(_ loop: UnsafePointer<martlet_loop>?) throws(MartletError) -> martlet_loop {
        guard unsafe loop != nil else { return unsafe .standard }
        let raw = unsafe try martlet_loop.reading(loop, "loop") { _ throws(MartletError) in unsafe .standard }
        guard unsafe raw.flags & ~UInt32(MARTLET_KEEP_ORDER) == 0 else {
            throw unsafe MartletError(.argument, "loop.flags is \(raw.flags); expected MARTLET_KEEP_ORDER or 0")
        }
        return unsafe raw
    }
}

/// Whom a progress function belongs to: the model's handle, and the floating-point mode of the host.
@unsafe private struct ProgressCaller {
    let token: OpaquePointer?
    let mode: FloatingPointMode.Host
}

extension Loop {
    /// What a caller's loop says to a walk over `model`.
    fileprivate init(_ raw: martlet_loop, _ model: Model, _ caller: ProgressCaller) {
        self.init()
        epochs = unsafe Int(raw.epochs)
        batchSize = unsafe Int(raw.batch_size)
        keepsOrder = unsafe raw.flags & UInt32(MARTLET_KEEP_ORDER) != 0
        guard let function = unsafe raw.progress else { return }
        let user = unsafe raw.user
        let object = unsafe Unmanaged.passUnretained(model).toOpaque()
        let bits = unsafe UInt(bitPattern: caller.token)
        progress = { progress in
            var report = martlet_progress()
            report.struct_size = UInt32(MemoryLayout<martlet_progress>.size)
            report.epoch = Int32(progress.epoch)
            report.epochs = Int32(progress.epochs)
            report.batch = Int64(progress.batch)
            report.batches = Int64(progress.batches)
            report.samples = Int64(progress.samples)
            (report.loss, report.accuracy, report.seconds) = (progress.loss, progress.accuracy, progress.seconds)
            let record = ThreadRecord.current
            let visit = unsafe ThreadRecord.Visit(token: bits, object: object, before: record?.visit)
            return unsafe withUnsafePointer(to: visit) { visit in
                unsafe record?.visit = unsafe visit
                unsafe caller.mode.restore()
                let answer = unsafe function(user, &report)
                _ = FloatingPointMode.exact.enter()
                unsafe record?.visit = unsafe visit.pointee.before
                return answer == 0
            }
        }
    }
}

/// What a stopped walk answers.
private var stopped: MartletError { MartletError(.stopped, "the progress function asked to stop") }

@implementation @_cdecl("martlet_model_compile")
public func martlet_model_compile(
    _ model: OpaquePointer!, _ training: UnsafePointer<martlet_training>!, _ optimizer: UnsafePointer<martlet_config>!
) -> martlet_status {
    unsafe withModel("martlet_model_compile", model) { model throws(MartletError) in
        let training = try unsafe Training.reading(training, outputs: model.outputCount)
        let configuration = try unsafe optimizer == nil ? Configuration(.adam) : Configuration(optimizer)
        try model.compile(training, optimizer: configuration)
    }
}

@implementation @_cdecl("martlet_model_copy_set")
public func martlet_model_copy_set(_ model: OpaquePointer!, _ copy: UnsafePointer<martlet_array>!) -> martlet_status {
    unsafe withModel("martlet_model_copy_set", model) { model throws(MartletError) in
        guard let copy = unsafe copy else { return try unsafe model.setCopy(.none) }
        let array = try unsafe ArrayView(required(copy, "copy").pointee) { "copy" }
        guard unsafe array.base != nil else {
            throw MartletError(.null, "copy.data is NULL; expected the address of a copy")
        }
        try unsafe model.setCopy(array)
    }
}

/// What a model does with a batch of samples that the caller names.
private typealias BatchWork = (Model, SampleArrays, SampleArrays, UnsafePointer<Int64>?, Int) throws(MartletError) ->
    Score

/// Does it with what the two functions of one batch are given.
private func withBatch(
    _ name: StaticString, _ model: OpaquePointer?, _ out_result: UnsafeMutablePointer<martlet_result>?,
    _ x: UnsafePointer<martlet_array>?, _ y: UnsafePointer<martlet_array>?, _ rows: UnsafePointer<Int64>?,
    _ row_count: Int64, _ work: BatchWork
) -> martlet_status {
    unsafe withModel(name, model) { model throws(MartletError) in
        let target = try unsafe OptionalTarget(out_result, "out_result")
        guard unsafe rows != nil || row_count == 0 else {
            throw MartletError(.null, "rows is NULL; expected \(row_count) rows")
        }
        let rows = try unsafe rows == nil ? nil : required(UnsafePointer(rows!), "rows")
        let score = try unsafe model.reading(x, "x", y, "y") { (x, y) throws(MartletError) in
            try unsafe work(model, x, y, rows, Int(row_count))
        }
        unsafe target.write(martlet_result(Outcome(score: score)))
    }
}

@implementation @_cdecl("martlet_model_train")
public func martlet_model_train(
    _ model: OpaquePointer!, _ out_result: UnsafeMutablePointer<martlet_result>!, _ x: UnsafePointer<martlet_array>!,
    _ y: UnsafePointer<martlet_array>!, _ rows: UnsafePointer<Int64>!, _ row_count: Int64
) -> martlet_status {
    unsafe withBatch("martlet_model_train", model, out_result, x, y, rows, row_count) {
        (model, x, y, rows, count) throws(MartletError) in try unsafe model.train(x, y, rows: rows, rowCount: count)
    }
}

@implementation @_cdecl("martlet_model_weighted_train")
public func martlet_model_weighted_train(
    _ model: OpaquePointer!, _ out_result: UnsafeMutablePointer<martlet_result>!, _ x: UnsafePointer<martlet_array>!,
    _ y: UnsafePointer<martlet_array>!, _ weights: UnsafePointer<martlet_array>!, _ rows: UnsafePointer<Int64>!,
    _ row_count: Int64
) -> martlet_status {
    unsafe withBatch("martlet_model_weighted_train", model, out_result, x, y, rows, row_count) {
        (model, x, y, rows, count) throws(MartletError) in
        let weights = try unsafe Samples(optional: weights, "weights")
        return try unsafe model.train(x, y, weights: weights, rows: rows, rowCount: count)
    }
}

@implementation @_cdecl("martlet_model_differentiate")
public func martlet_model_differentiate(
    _ model: OpaquePointer!, _ out_result: UnsafeMutablePointer<martlet_result>!, _ x: UnsafePointer<martlet_array>!,
    _ y: UnsafePointer<martlet_array>!, _ rows: UnsafePointer<Int64>!, _ row_count: Int64
) -> martlet_status {
    unsafe withBatch("martlet_model_differentiate", model, out_result, x, y, rows, row_count) {
        (model, x, y, rows, count) throws(MartletError) in
        try unsafe model.differentiate(x, y, rows: rows, rowCount: count)
    }
}

@implementation @_cdecl("martlet_model_step")
public func martlet_model_step(_ model: OpaquePointer!) -> martlet_status {
    unsafe withModel("martlet_model_step", model) { model throws(MartletError) in try model.step() }
}

@implementation @_cdecl("martlet_model_fit")
public func martlet_model_fit(
    _ model: OpaquePointer!, _ out_result: UnsafeMutablePointer<martlet_result>!, _ x: UnsafePointer<martlet_array>!,
    _ y: UnsafePointer<martlet_array>!, _ loop: UnsafePointer<martlet_loop>!
) -> martlet_status {
    let caller = unsafe ProgressCaller(token: model, mode: FloatingPointMode.host())
    return unsafe withModel("martlet_model_fit", model) { model throws(MartletError) in
        let target = try unsafe OptionalTarget(out_result, "out_result")
        let raw = unsafe try martlet_loop.reading(loop)
        let outcome = try unsafe model.reading(x, "x", y, "y") { (x, y) throws(MartletError) in
            let loop = unsafe Loop(raw, model, caller)
            let weights = try unsafe Samples(optional: raw.weights, "loop.weights")
            guard unsafe raw.validation_x != nil || raw.validation_y != nil else {
                return try unsafe model.fit(x, y, weights: weights, loop)
            }
            return try unsafe model.reading(
                raw.validation_x, "loop.validation_x", raw.validation_y, "loop.validation_y"
            ) { (heldX, heldY) throws(MartletError) in
                let heldWeights = try unsafe Samples(optional: raw.validation_weights, "loop.validation_weights")
                return try unsafe model.fit(x, y, weights: weights, validation: (heldX, heldY, heldWeights), loop)
            }
        }
        unsafe target.write(martlet_result(outcome))
        if outcome.isStopped { throw stopped }
    }
}

@implementation @_cdecl("martlet_model_evaluate")
public func martlet_model_evaluate(
    _ model: OpaquePointer!, _ out_result: UnsafeMutablePointer<martlet_result>!, _ x: UnsafePointer<martlet_array>!,
    _ y: UnsafePointer<martlet_array>!, _ loop: UnsafePointer<martlet_loop>!
) -> martlet_status {
    let caller = unsafe ProgressCaller(token: model, mode: FloatingPointMode.host())
    return unsafe withModel("martlet_model_evaluate", model) { model throws(MartletError) in
        let target = try unsafe OptionalTarget(out_result, "out_result")
        let raw = unsafe try martlet_loop.reading(loop)
        let outcome = try unsafe model.reading(x, "x", y, "y") { (x, y) throws(MartletError) in
            try unsafe model.evaluate(
                x, y, weights: Samples(optional: raw.weights, "loop.weights"), Loop(raw, model, caller))
        }
        unsafe target.write(martlet_result(outcome))
        if outcome.isStopped { throw stopped }
    }
}

@implementation @_cdecl("martlet_model_predict")
public func martlet_model_predict(
    _ model: OpaquePointer!, _ out: UnsafeMutablePointer<Float>!, _ out_count: Int64,
    _ x: UnsafePointer<martlet_array>!, _ loop: UnsafePointer<martlet_loop>!
) -> martlet_status {
    let caller = unsafe ProgressCaller(token: model, mode: FloatingPointMode.host())
    return unsafe withModel("martlet_model_predict", model, reads: true, mayBeInside: true) {
        model throws(MartletError) in
        let out = try unsafe outputs(out, out_count)
        let raw = unsafe try martlet_loop.reading(loop)
        let isStopped = try unsafe model.reading(x, "x") { x throws(MartletError) in
            try unsafe model.predict(x, into: out, Loop(raw, model, caller))
        }
        if isStopped { throw stopped }
    }
}

@implementation @_cdecl("martlet_model_sequence_reset")
public func martlet_model_sequence_reset(_ model: OpaquePointer!, _ count: Int64) -> martlet_status {
    unsafe withModel("martlet_model_sequence_reset", model) { model throws(MartletError) in
        try model.beginSequences(Int(count))
    }
}

@implementation @_cdecl("martlet_model_sequence_predict")
public func martlet_model_sequence_predict(
    _ model: OpaquePointer!, _ out: UnsafeMutablePointer<Float>!, _ out_count: Int64,
    _ x: UnsafePointer<martlet_array>!
) -> martlet_status {
    unsafe withModel("martlet_model_sequence_predict", model) { model throws(MartletError) in
        let out = try unsafe outputs(out, out_count)
        try unsafe model.reading(x, "x") { x throws(MartletError) in try unsafe model.predictSteps(x, into: out) }
    }
}

/// Where outputs go.
private func outputs(
    _ out: UnsafeMutablePointer<Float>?, _ count: Int64
) throws(MartletError) -> UnsafeMutableBufferPointer<Float> {
    let target = try unsafe required(out, "out")
    guard count >= 0 && count <= 1 << 56 else {
        throw MartletError(.shape, "out_count is \(count); expected 0 to 2^56")
    }
    return unsafe UnsafeMutableBufferPointer(start: target, count: Int(count))
}

@implementation @_cdecl("martlet_model_set")
public func martlet_model_set(_ model: OpaquePointer!, _ hyperparameter: Int32, _ value: Double) -> martlet_status {
    unsafe withModel("martlet_model_set", model) { model throws(MartletError) in
        try model.set(Hyperparameter(number: hyperparameter), to: value)
    }
}

@implementation @_cdecl("martlet_model_mode_set")
public func martlet_model_mode_set(_ model: OpaquePointer!, _ mode: Int32) -> martlet_status {
    unsafe withModel("martlet_model_mode_set", model, reads: mode == OptimizerMode.evaluation.rawValue) {
        model throws(MartletError) in
        try model.setMode(OptimizerMode(number: mode))
    }
}

@implementation @_cdecl("martlet_model_get")
public func martlet_model_get(
    _ model: OpaquePointer!, _ out_value: UnsafeMutablePointer<Double>!, _ hyperparameter: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_value, "out_value")
        unsafe target.pointee = try model.get(Hyperparameter(number: hyperparameter))
    }
}

@implementation @_cdecl("martlet_model_step_get")
public func martlet_model_step_get(_ model: OpaquePointer!, _ out_step: UnsafeMutablePointer<Int64>!) -> martlet_status
{
    unsafe withModel("martlet_model_step_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_step, "out_step")
        unsafe target.pointee = try model.stepCount()
    }
}

@implementation @_cdecl("martlet_model_grad_norm_get")
public func martlet_model_grad_norm_get(_ model: OpaquePointer!, _ out_norm: UnsafeMutablePointer<Double>!)
    -> martlet_status
{
    unsafe withModel("martlet_model_grad_norm_get", model, reads: true, mayBeInside: true) {
        model throws(MartletError) in
        let target = try unsafe required(out_norm, "out_norm")
        unsafe target.pointee = try model.gradientNorm()
    }
}
