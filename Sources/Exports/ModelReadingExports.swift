// What was said of a model, read back: layers, training, the seed, the order of samples; and notes, which it carries for
// others.
import CMartlet
import Glibc
import MartletModels
import MartletPlatform

@implementation @_cdecl("martlet_model_layer_get")
public func martlet_model_layer_get(
    _ model: OpaquePointer!, _ out_layer: UnsafeMutablePointer<martlet_layer>!, _ struct_size: Int, _ index: Int64
) -> martlet_status {
    unsafe withModel("martlet_model_layer_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let node = try model.node(index)
        var layer = node.layer
        if layer.kind == .input { layer.sizes = node.output.list }
        var raw = unsafe martlet_layer(layer)
        unsafe raw.name = unsafe UnsafePointer(node.name.start)
        try unsafe martlet_layer.fill(out_layer, "out_layer", size: struct_size, with: raw)
    }
}

@implementation @_cdecl("martlet_model_training_get")
public func martlet_model_training_get(
    _ model: OpaquePointer!, _ out_training: UnsafeMutablePointer<martlet_training>!, _ struct_size: Int,
    _ output: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_training_get", model, reads: true, mayBeInside: true) {
        model throws(MartletError) in
        let training = martlet_training(try model.training(ofOutput: model.checked(output)))
        try unsafe martlet_training.fill(out_training, "out_training", size: struct_size, with: training)
    }
}

@implementation @_cdecl("martlet_model_seed_get")
public func martlet_model_seed_get(_ model: OpaquePointer!, _ out_seed: UnsafeMutablePointer<UInt64>!) -> martlet_status
{
    unsafe withModel("martlet_model_seed_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        unsafe try required(out_seed, "out_seed").pointee = model.seed
    }
}

// MARK: - Epochs

@implementation @_cdecl("martlet_model_order_get")
public func martlet_model_order_get(
    _ model: OpaquePointer!, _ out_rows: UnsafeMutablePointer<Int64>!, _ count: Int64, _ epoch: Int64
) -> martlet_status {
    unsafe withModel("martlet_model_order_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let rows = try unsafe required(out_rows, "out_rows")
        guard count >= 0 && count <= 1 << 40 else {
            throw MartletError(.argument, "count is \(count); expected 0 to 2^40")
        }
        try unsafe model.order(
            ofEpoch: UInt64(checkedEpoch(epoch)), into: UnsafeMutableBufferPointer(start: rows, count: Int(count)))
    }
}

private func checkedEpoch(_ epoch: Int64) throws(MartletError) -> Int64 {
    guard epoch >= 0 else { throw MartletError(.argument, "epoch is \(epoch); expected 0 or more") }
    return epoch
}

@implementation @_cdecl("martlet_model_epoch_get")
public func martlet_model_epoch_get(_ model: OpaquePointer!, _ out_epoch: UnsafeMutablePointer<Int64>!)
    -> martlet_status
{
    unsafe withModel("martlet_model_epoch_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_epoch, "out_epoch")
        unsafe target.pointee = try model.epochCount()
    }
}

@implementation @_cdecl("martlet_model_epoch_set")
public func martlet_model_epoch_set(_ model: OpaquePointer!, _ epoch: Int64) -> martlet_status {
    unsafe withModel("martlet_model_epoch_set", model) { model throws(MartletError) in
        try model.setEpochCount(checkedEpoch(epoch))
    }
}

// MARK: - Notes

/// A caller's C string as bytes, no further than one past the most that may be.
private func bytes(_ text: UnsafePointer<CChar>, most: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: text, count: strnlen(text, most + 1))
}

@implementation @_cdecl("martlet_model_note_set")
public func martlet_model_note_set(
    _ model: OpaquePointer!, _ key: UnsafePointer<CChar>!, _ text: UnsafePointer<CChar>!
) -> martlet_status {
    unsafe withModel("martlet_model_note_set", model) { model throws(MartletError) in
        let key = try unsafe bytes(required(key, "key"), most: Notes.longestKey)
        try unsafe model.notes.set(key, text.map { unsafe bytes($0, most: Notes.longestText) })
    }
}

@implementation @_cdecl("martlet_model_note_get")
public func martlet_model_note_get(
    _ model: OpaquePointer!, _ out_text: UnsafeMutablePointer<UnsafePointer<CChar>?>!, _ key: UnsafePointer<CChar>!
) -> martlet_status {
    unsafe withModel("martlet_model_note_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_text, "out_text")
        unsafe target.pointee = try unsafe model.notes.text(bytes(required(key, "key"), most: Notes.longestKey))
    }
}
