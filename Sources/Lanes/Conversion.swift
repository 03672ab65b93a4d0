// Arrays of one storage type copied into arrays of another, with a loop for each pair of types: a rule or a pass runs on
// what these leave in scratch, so that no loop of theirs looks at types.

import MartletKernelInterface

/// Copies elements to an array of another type, which is the one computed in or the one that is stored: of fp32 and fp64
/// to any, of any to them, each rounded once. Between arrays of one type it copies bits.
@inline(never)
func convert(_ source: Operand, to target: Operand, count: Int) {
    let rest = count & (grain - 1)
    let whole = count - rest
    convertGrains(source, to: target, count: whole)
    if rest == 0 { return }
    var padded = GrainPair()
    padded.withAddress { padded in
        let stored = Operand(base: padded, type: source.type)
        let converted = Operand(base: padded + GrainPair.stride, type: target.type)
        copy(source.advanced(by: whole).base, to: stored.base, bytes: rest * source.type.size)
        convertGrains(stored, to: converted, count: grain)
        copy(converted.base, to: target.advanced(by: whole).base, bytes: rest * target.type.size)
    }
}

/// Each pair of types has a loop of its own, chosen once.
@inline(never)
private func convertGrains(_ source: Operand, to target: Operand, count: Int) {
    let (from, to) = (source.base, target.base)
    switch (source.type, target.type) {
    case (.bf16, .fp32): fetch(.bf16, from, count) { FloatLanes(.bf16, in: from, at: $0).store(.fp32, in: to, at: $0) }
    case (.fp16, .fp32): fetch(.fp16, from, count) { FloatLanes(.fp16, in: from, at: $0).store(.fp32, in: to, at: $0) }
    case (.bf16, .fp64): fetch(.bf16, from, count) { DoubleLanes(.bf16, in: from, at: $0).store(.fp64, in: to, at: $0) }
    case (.fp16, .fp64): fetch(.fp16, from, count) { DoubleLanes(.fp16, in: from, at: $0).store(.fp64, in: to, at: $0) }
    case (.fp32, .fp64): fetch(.fp32, from, count) { DoubleLanes(.fp32, in: from, at: $0).store(.fp64, in: to, at: $0) }
    case (.fp32, .bf16): putBack(count) { FloatLanes(.fp32, in: from, at: $0).store(.bf16, in: to, at: $0) }
    case (.fp32, .fp16): putBack(count) { FloatLanes(.fp32, in: from, at: $0).store(.fp16, in: to, at: $0) }
    case (.fp64, .bf16): putBack(count) { DoubleLanes(.fp64, in: from, at: $0).store(.bf16, in: to, at: $0) }
    case (.fp64, .fp16): putBack(count) { DoubleLanes(.fp64, in: from, at: $0).store(.fp16, in: to, at: $0) }
    case (.fp64, .fp32): putBack(count) { DoubleLanes(.fp64, in: from, at: $0).store(.fp32, in: to, at: $0) }
    default: copy(from, to: to, bytes: count * source.type.size)
    }
}

/// Whole grains, two at a time: half as many requests for memory where elements are of two bytes.
@inline(__always)
private func fetch(_ type: ElementType, _ source: UnsafeRawPointer, _ count: Int, _ move: (_ index: Int) -> Void) {
    var index = 0
    while index + 2 * grain <= count {
        prefetch(type, in: source, at: index, count: 2 * grain)
        move(index)
        move(index + grain)
        index += 2 * grain
    }
    if index < count { move(index) }
}

/// The same to memory that is at hand.
@inline(__always)
private func putBack(_ count: Int, _ move: (_ index: Int) -> Void) {
    var index = 0
    while index + 2 * grain <= count {
        move(index)
        move(index + grain)
        index += 2 * grain
    }
    if index < count { move(index) }
}
