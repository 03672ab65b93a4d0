// Arrays of a run that are stored in another form than numbers one by one: rules and passes are given them as fp32, block by
// block, and what they make of it is put back. A coding is a pair of kernels; no rule knows of any.

/// The forms that kernels implement.
package enum Coding: CaseIterable, BitwiseCopyable {
    /// bf16 or fp16 that is rounded at random when it is put back.
    case randomBF16, randomFP16
    /// The same rounded to nearest, with what that has lost beside it.
    case kahanBF16, kahanFP16
    /// The upper half of fp32, rounded to nearest, as bf16, and the lower one beside it.
    case split

    /// Bytes of an element, and of what stands beside it in an array of its own; 0: nothing does.
    package var storedSize: Int { 2 }
    package var besideSize: Int {
        switch self {
        case .randomBF16, .randomFP16: 0
        case .kahanBF16, .kahanFP16, .split: 2
        }
    }

    package var roundsAtRandom: Bool {
        switch self {
        case .randomBF16, .randomFP16: true
        case .kahanBF16, .kahanFP16, .split: false
        }
    }
}

/// One block of a coded array, and the numbers that stand for it.
@unsafe package struct CodedBlock: BitwiseCopyable {
    /// The block's first element, and what stands beside it; nil: nothing does.
    package var stored: UnsafeMutableRawPointer
    package var beside: UnsafeMutableRawPointer?
    /// Room for a multiple of 64 numbers.
    package var numbers: UnsafeMutableRawPointer
    package var count: Int
    /// The place of the first element among the parameter's, and the stream that its draws are taken from.
    package var place: UInt64
    package var stream: UInt64

    package init(
        stored: UnsafeMutableRawPointer, beside: UnsafeMutableRawPointer?, numbers: UnsafeMutableRawPointer, count: Int,
        place: UInt64, stream: UInt64
    ) {
        unsafe self.stored = stored
        unsafe self.beside = unsafe beside
        unsafe self.numbers = numbers
        unsafe self.count = count
        unsafe self.place = place
        unsafe self.stream = stream
    }
}

/// What a coding does to a block: fills in the numbers, or stores them. C function pointers: calling one retains nothing.
@unsafe package struct Codec {
    package typealias Kernel = @convention(c) (_ block: UnsafeRawPointer) -> Void

    package let fetch, put: Kernel

    @inline(__always)
    package init(fetch: Kernel, put: Kernel) {
        unsafe self.fetch = fetch
        unsafe self.put = put
    }
}

/// What random rounding depends on beside the place of an element.
package struct RoundingSeed: BitwiseCopyable {
    package var seed, step, parameter: UInt64

    package init(seed: UInt64 = 0, step: UInt64 = 0, parameter: UInt64 = 0) {
        (self.seed, self.step, self.parameter) = (seed, step, parameter)
    }
}
