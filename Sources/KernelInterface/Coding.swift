// Arrays of a run that are stored in another form than numbers one by one: rules and passes are given them as fp32, block by
// block, and what they make of it is put back. A coding is a pair of kernels; no rule knows of any.

/// The forms that kernels implement.
package enum Coding: CaseIterable, BitwiseCopyable {
    /// bf16 or fp16 that is rounded at random when it is put back.
    case randomBF16, randomFP16
    /// bf16 of state, rounded at random by cheaper draws.
    case drawnBF16
    /// Values rounded to nearest, with what that has lost beside it.
    case kahanBF16, kahanFP16
    /// The upper half of fp32, rounded to nearest, as bf16, and the lower one beside it.
    case split
    /// Codes of 16, 8 or 4 bits, with scales beside them.
    case float16, ufloat16, float8, ufloat8, float4, ufloat4

    package init(_ type: SmallType) {
        switch type {
        case .float16: self = .float16
        case .ufloat16: self = .ufloat16
        case .float8: self = .float8
        case .ufloat8: self = .ufloat8
        case .float4: self = .float4
        case .ufloat4: self = .ufloat4
        }
    }

    /// The type whose codes it has, in blocks that have a scale each, one behind the other whatever the parameter's layout;
    /// nil: elements are coded one by one, and lie as the parameter's do.
    package var small: SmallType? {
        switch self {
        case .randomBF16, .randomFP16, .drawnBF16, .kahanBF16, .kahanFP16, .split: nil
        case .float16: .float16
        case .ufloat16: .ufloat16
        case .float8: .float8
        case .ufloat8: .ufloat8
        case .float4: .float4
        case .ufloat4: .ufloat4
        }
    }

    /// Bytes of so many elements, the first ones of a block or whole blocks, and of what stands beside them.
    package func storedBytes(_ count: Int) -> Int { small?.byteCount(count) ?? count * 2 }
    package func besideBytes(_ count: Int) -> Int { small.map { count / $0.block * 4 } ?? count * besideSize }

    /// Bytes of what stands beside an element in an array of its own; 0: nothing does, or for whole blocks.
    package var besideSize: Int {
        switch self {
        case .kahanBF16, .kahanFP16, .split: 2
        default: 0
        }
    }

    package var roundsAtRandom: Bool {
        switch self {
        case .kahanBF16, .kahanFP16, .split: false
        default: true
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
    /// An array of which as many elements are asked for while these are put, so that memory does not rest meanwhile.
    package var ahead: Operand

    /// ahead: nil: nothing is.
    package init(
        stored: UnsafeMutableRawPointer, beside: UnsafeMutableRawPointer?, numbers: UnsafeMutableRawPointer, count: Int,
        place: UInt64, stream: UInt64, ahead: Operand? = nil
    ) {
        unsafe self.stored = stored
        unsafe self.beside = unsafe beside
        unsafe self.numbers = numbers
        unsafe self.count = count
        unsafe self.place = place
        unsafe self.stream = stream
        unsafe self.ahead = unsafe ahead ?? Operand(base: numbers, type: .fp32)
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

/// Elements of a parameter with two slots of state, all of whose arrays a loop of the rule's own takes as they are stored.
@unsafe package struct CodedRun: BitwiseCopyable {
    /// How they are stored.
    package enum Storage {
        /// Values and gradients of fp32, and state in codes, of an average and of a divisor.
        case float16, float8, float4
        /// All bf16, the value rounded at random, and where it says so the second slot too.
        case halves, halvesDrawn

        /// The storage of a run whose value, first and second slot are coded so; nil: none of these.
        package init?(value: Coding?, first: Coding?, second: Coding?) {
            switch (value, first, second) {
            case (nil, .float16, .ufloat16): self = .float16
            case (nil, .float8, .ufloat8): self = .float8
            case (nil, .float4, .ufloat4): self = .float4
            case (.randomBF16, nil, nil): self = .halves
            case (.randomBF16, nil, .drawnBF16): self = .halvesDrawn
            default: return nil
            }
        }

        /// The type of the arrays that are not coded.
        package var type: ElementType {
            switch self {
            case .float16, .float8, .float4: .fp32
            case .halves, .halvesDrawn: .bf16
            }
        }
    }

    package var value: UnsafeMutableRawPointer
    package var gradient: UnsafeRawPointer
    /// Of codes from the beginning of a block on, and what stands beside them.
    package var first, second: UnsafeMutableRawPointer
    package var firstScales, secondScales: UnsafeMutableRawPointer?
    package var count: Int
    /// As in `CodedBlock`.
    package var place: UInt64
    package var stream: UInt64

    package init(
        value: UnsafeMutableRawPointer, gradient: UnsafeRawPointer, first: UnsafeMutableRawPointer,
        second: UnsafeMutableRawPointer, firstScales: UnsafeMutableRawPointer?, secondScales: UnsafeMutableRawPointer?,
        count: Int, place: UInt64, stream: UInt64
    ) {
        unsafe (self.value, self.gradient) = unsafe (value, gradient)
        unsafe (self.first, self.second) = unsafe (first, second)
        unsafe (self.firstScales, self.secondScales) = unsafe (firstScales, secondScales)
        unsafe (self.count, self.place, self.stream) = (count, place, stream)
    }
}

/// A rule's loop over a `CodedRun`; returns how many elements it has done, of whole blocks.
package typealias CodedSweep = @convention(c) (_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Int

/// Which one.
package struct CodedSweepKind {
    package let rule: Rule
    package let storage: CodedRun.Storage

    package init(rule: Rule, storage: CodedRun.Storage) { (self.rule, self.storage) = (rule, storage) }
}

/// What random rounding depends on beside the place of an element.
package struct RoundingSeed: BitwiseCopyable {
    package var seed, step, parameter: UInt64

    package init(seed: UInt64 = 0, step: UInt64 = 0, parameter: UInt64 = 0) {
        (self.seed, self.step, self.parameter) = (seed, step, parameter)
    }
}
