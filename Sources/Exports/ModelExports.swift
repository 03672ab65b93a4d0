// The model behind a handle: its life, its layers, and what lies where. Training is in ModelTrainingExports.swift.
import CMartlet
import MartletCompute
import MartletModels
import MartletPlatform

/// Enters a model's handle for the length of `body`.
///
/// - Parameters:
///   - reads: whether the call leaves the model as it is, so that others which do may be inside too.
///   - mayBeInside: whether it may come from a progress function that this model calls.
///
/// Not optimized: else there would be a copy of it in each of the functions that call it, of 600 bytes.
@_optimize(none)
func withModel(
    _ function: StaticString, _ handle: OpaquePointer?, reads: Bool = false, mayBeInside: Bool = false,
    _ body: (Model) throws(MartletError) -> Void
) -> martlet_status {
    reportExactly(function) { () throws(MartletError) in
        if let object = unsafe visited(handle) {
            guard mayBeInside else { throw duringProgress }
            try body(unsafe Unmanaged<Model>.fromOpaque(object).takeUnretainedValue())
            return
        }
        let entry = try unsafe HandleTable.enter(handle, "model", reads: reads)
        defer { HandleTable.leave(entry) }
        guard let model = entry.object as? Model else {
            throw HandleTable.wrongKind("model")
        }
        try body(model)
    }
}

/// The model behind a handle, where this thread is in a progress function that it calls, at whatever depth.
private func visited(_ handle: OpaquePointer?) -> UnsafeMutableRawPointer? {
    unsafe ThreadRecord.current?.visited(token: UInt(bitPattern: handle))
}

private var duringProgress: MartletError {
    MartletError(
        .order, "the model is calling a progress function; expected a call that only looks at it, or predicts")
}

/// `report`, in a floating-point mode of our own: models compute a little outside of kernels, too.
private func reportExactly(_ function: StaticString, _ body: () throws(MartletError) -> Void) -> martlet_status {
    let host = FloatingPointMode.exact.enter()
    defer { host.restore() }
    return report(function, body)
}

@implementation @_cdecl("martlet_layer_init")
public func martlet_layer_init(_ out_layer: UnsafeMutablePointer<martlet_layer>!, _ struct_size: Int, _ kind: Int32)
    -> martlet_status
{
    report("martlet_layer_init") { () throws(MartletError) in
        let kind: LayerKind = try choice(kind, "kind", "MARTLET_LAYER_DENSE or another of its kind")
        try unsafe martlet_layer.fill(out_layer, "out_layer", size: struct_size, with: martlet_layer(Layer(kind)))
    }
}

@implementation @_cdecl("martlet_model_create")
public func martlet_model_create(
    _ out_model: UnsafeMutablePointer<OpaquePointer?>!, _ sizes: UnsafePointer<Int64>!, _ rank: Int64, _ seed: UInt64
) -> martlet_status {
    reportExactly("martlet_model_create") { () throws(MartletError) in
        let target = try unsafe required(out_model, "out_model")
        guard rank >= 1 && rank <= Int64(Shape.maximumRank) else {
            throw MartletError(.shape, "rank is \(rank); expected 1 to \(Shape.maximumRank)")
        }
        let sizes = try unsafe required(sizes, "sizes")
        let shape = try Shape((0..<Int(rank)).map { unsafe Int(sizes[$0]) }, "sizes")
        unsafe target.pointee = try HandleTable.add(try Model(input: shape, seed: seed))
    }
}

@implementation @_cdecl("martlet_model_destroy")
public func martlet_model_destroy(_ model: OpaquePointer!) -> martlet_status {
    report("martlet_model_destroy") { () throws(MartletError) in
        if unsafe model == nil { return }
        guard unsafe visited(model) == nil else { throw duringProgress }
        try unsafe HandleTable.remove(model, "model", kind: Model.self)
    }
}

@implementation @_cdecl("martlet_model_reset")
public func martlet_model_reset(_ model: OpaquePointer!) -> martlet_status {
    unsafe withModel("martlet_model_reset", model) { model throws(MartletError) in try model.reset() }
}

@implementation @_cdecl("martlet_model_add")
public func martlet_model_add(
    _ model: OpaquePointer!, _ layer: UnsafePointer<martlet_layer>!, _ inputs: UnsafePointer<Int32>!,
    _ input_count: Int64, _ out_node: UnsafeMutablePointer<Int32>!
) -> martlet_status {
    unsafe withModel("martlet_model_add", model) { model throws(MartletError) in
        let target = try unsafe out_node == nil ? nil : required(out_node, "out_node")
        let node = try model.add(try unsafe Layer(layer), inputs: try unsafe nodes(inputs, input_count))
        unsafe target?.pointee = Int32(node)
    }
}

@implementation @_cdecl("martlet_model_apply")
public func martlet_model_apply(
    _ model: OpaquePointer!, _ node: Int32, _ inputs: UnsafePointer<Int32>!, _ input_count: Int64,
    _ out_node: UnsafeMutablePointer<Int32>!
) -> martlet_status {
    unsafe withModel("martlet_model_apply", model) { model throws(MartletError) in
        let target = try unsafe out_node == nil ? nil : required(out_node, "out_node")
        let made = try model.add(again: Int(node), inputs: try unsafe nodes(inputs, input_count))
        unsafe target?.pointee = Int32(made)
    }
}

/// The nodes that a caller names; nil where it names none.
private func nodes(_ inputs: UnsafePointer<Int32>?, _ count: Int64) throws(MartletError) -> [Int]? {
    guard count >= 0 && count <= Int64(Model.mostNodes) else {
        throw MartletError(.argument, "input_count is \(count); expected 0 to \(Model.mostNodes)")
    }
    if count == 0 { return nil }
    let inputs = try unsafe required(inputs, "inputs")
    return (0..<Int(count)).map { unsafe Int(inputs[$0]) }
}

// MARK: - What lies where

private enum BufferKind: Int32 {
    case parameters = 0
    case gradients = 1
    case statistics = 2

    init(number: Int32) throws(MartletError) {
        self = try choice(number, "buffer", "MARTLET_BUFFER_PARAMETERS, _GRADIENTS or _STATISTICS")
    }
}

extension Model {
    fileprivate func memory(_ kind: BufferKind) throws(MartletError) -> UnsafeMutableBufferPointer<Float> {
        switch kind {
        case .parameters: try unsafe parameterMemory()
        case .gradients: try unsafe gradientMemory()
        case .statistics: try unsafe statisticMemory()
        }
    }

    /// Calls `body` with a buffer's views; where that throws, a model that had no buffers has none.
    fileprivate func withViews(
        _ kind: BufferKind, _ body: ([View]) throws(MartletError) -> Void
    ) throws(MartletError) {
        if kind == .gradients { _ = unsafe try gradientMemory() }
        try build { (built) throws(MartletError) in
            try body(kind == .statistics ? built.statisticViews : built.parameterViews)
        }
    }
}

@implementation @_cdecl("martlet_model_buffer_get")
public func martlet_model_buffer_get(
    _ model: OpaquePointer!, _ out_data: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>!,
    _ out_count: UnsafeMutablePointer<Int64>!, _ buffer: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_buffer_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let data = try unsafe out_data == nil ? nil : required(out_data, "out_data")
        let count = try unsafe out_count == nil ? nil : required(out_count, "out_count")
        let memory = unsafe try model.memory(BufferKind(number: buffer))
        unsafe data?.pointee = memory.baseAddress
        unsafe count?.pointee = Int64(memory.count)
    }
}

@implementation @_cdecl("martlet_model_view_count")
public func martlet_model_view_count(
    _ model: OpaquePointer!, _ out_count: UnsafeMutablePointer<Int64>!, _ buffer: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_view_count", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_count, "out_count")
        try model.withViews(BufferKind(number: buffer)) { unsafe target.pointee = Int64($0.count) }
    }
}

@implementation @_cdecl("martlet_model_view_get")
public func martlet_model_view_get(
    _ model: OpaquePointer!, _ out_view: UnsafeMutablePointer<martlet_view>!, _ buffer: Int32, _ index: Int64
) -> martlet_status {
    unsafe withModel("martlet_model_view_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_view, "out_view")
        let kind = try BufferKind(number: buffer)
        try model.withViews(kind) { (views) throws(MartletError) in
            guard index >= 0 && index < Int64(views.count) else {
                throw MartletError(.argument, "index is \(index); expected 0 ..< \(views.count)")
            }
            let view = views[Int(index)]
            var raw = unsafe martlet_view()
            unsafe raw.name = unsafe UnsafePointer(view.name.start)
            unsafe raw.node = Int32(view.node)
            unsafe raw.rank = Int32(view.shape.rank)
            unsafe raw.sizes = numbers(view.shape.list)
            unsafe raw.offset = Int64(view.offset)
            unsafe raw.count = Int64(view.shape.elementCount)
            unsafe raw.group = kind == .statistics ? 0 : Int32(model.group(ofView: Int(index)))
            unsafe target.pointee = unsafe raw
        }
    }
}

@implementation @_cdecl("martlet_model_node_count")
public func martlet_model_node_count(_ model: OpaquePointer!, _ out_count: UnsafeMutablePointer<Int64>!)
    -> martlet_status
{
    unsafe withModel("martlet_model_node_count", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        unsafe try required(out_count, "out_count").pointee = Int64(model.nodes.count)
    }
}

extension Model {
    /// A node. Throws `.argument` where there is none.
    func node(_ index: Int64) throws(MartletError) -> Node {
        guard index >= 0 && index < Int64(nodes.count) else {
            throw MartletError(.argument, "index is \(index); expected 0 ..< \(nodes.count)")
        }
        return nodes[Int(index)]
    }
}

@implementation @_cdecl("martlet_model_node_get")
public func martlet_model_node_get(
    _ model: OpaquePointer!, _ out_node: UnsafeMutablePointer<martlet_node>!, _ index: Int64
) -> martlet_status {
    unsafe withModel("martlet_model_node_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_node, "out_node")
        let node = try model.node(index)
        let counts = model.elementCounts(of: node)
        var raw = unsafe martlet_node()
        unsafe raw.name = unsafe UnsafePointer(node.name.start)
        unsafe raw.kind = node.layer.kind.rawValue
        unsafe raw.rank = Int32(node.output.rank)
        unsafe raw.sizes = numbers(node.output.list)
        unsafe raw.parameter_count = Int64(counts.parameters)
        unsafe raw.statistics_count = Int64(counts.statistics)
        unsafe raw.inputs = node.inputs.isEmpty ? nil : UnsafePointer(node.inputList)
        unsafe raw.input_count = Int32(node.inputs.count)
        unsafe raw.first = Int32(node.first ?? -1)
        let makers = model.maskMakers(of: node)
        unsafe raw.reads_mask = Int32(makers.read ?? -1)
        unsafe raw.mask = Int32(makers.given ?? -1)
        unsafe target.pointee = unsafe raw
    }
}

// MARK: - Files

@implementation @_cdecl("martlet_model_save")
public func martlet_model_save(_ model: OpaquePointer!, _ path: UnsafePointer<CChar>!) -> martlet_status {
    unsafe withModel("martlet_model_save", model, mayBeInside: true) { model throws(MartletError) in
        try unsafe model.save(to: required(path, "path"))
    }
}

@implementation @_cdecl("martlet_model_export")
public func martlet_model_export(_ model: OpaquePointer!, _ path: UnsafePointer<CChar>!) -> martlet_status {
    unsafe withModel("martlet_model_export", model, mayBeInside: true) { model throws(MartletError) in
        try unsafe model.export(to: required(path, "path"))
    }
}

@implementation @_cdecl("martlet_model_load")
public func martlet_model_load(
    _ out_model: UnsafeMutablePointer<OpaquePointer?>!, _ path: UnsafePointer<CChar>!
) -> martlet_status {
    reportExactly("martlet_model_load") { () throws(MartletError) in
        let target = try unsafe required(out_model, "out_model")
        unsafe target.pointee = try HandleTable.add(try Model.load(from: required(path, "path")))
    }
}
