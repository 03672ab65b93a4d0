// The caller's memory, as the engines see it: an address, a count, a type, and for arrays that are not contiguous
// their sizes and strides. It owns nothing, and is checked by the step plan before anything is read.
public import MartletKernelInterface
public import MartletPlatform

/// The element types of arrays.
public typealias ElementType = MartletKernelInterface.ElementType
/// The types of 16, 8 and 4 bits that state may be kept in.
public typealias SmallType = MartletKernelInterface.SmallType
/// What every throwing function of this module throws.
public typealias MartletError = MartletPlatform.MartletError

/// An array in memory that someone else owns.
@frozen
@unsafe public struct ArrayView {
    /// The first element; nil only where `count` is 0, or for a gradient or a copy that is missing.
    public var base: UnsafeMutableRawPointer?
    /// Elements in all.
    public var count: Int
    /// The type of its numbers: fp32, where they are stored as codes.
    public var type: ElementType
    /// Dimensions described by `sizes` and `strides`; 0 for a contiguous array.
    public var rank: Int
    /// Elements along each dimension, outermost first.
    public var sizes: UnsafePointer<Int64>?
    /// Elements between neighbours along each dimension; may be negative.
    public var strides: UnsafePointer<Int64>?
    /// How numbers of state are stored in few bits, nil: they are not. `base` is then the first code's address, and `scales`
    /// that of the first scale, of fp32.
    public var small: SmallType?
    public var scales: UnsafeMutableRawPointer?

    public init(
        base: UnsafeMutableRawPointer?, count: Int, type: ElementType, rank: Int = 0,
        sizes: UnsafePointer<Int64>? = nil, strides: UnsafePointer<Int64>? = nil
    ) {
        unsafe self.base = base
        unsafe self.count = count
        unsafe self.type = type
        unsafe self.rank = rank
        unsafe self.sizes = sizes
        unsafe self.strides = strides
        unsafe small = nil
        unsafe scales = nil
    }

    /// State of 16, 8 or 4 bits: `count` codes, and a scale for each block.
    public init(
        codes: UnsafeMutableRawPointer?, scales: UnsafeMutableRawPointer?, count: Int, small: SmallType
    ) {
        unsafe self.init(base: codes, count: count, type: .fp32)
        unsafe self.small = small
        unsafe self.scales = scales
    }

    /// How its numbers are stored.
    package var stored: StateType { unsafe small.map(StateType.small) ?? .wide(type) }

    /// A contiguous array of Float.
    public init(_ elements: UnsafeMutableBufferPointer<Float>) {
        unsafe self.init(base: UnsafeMutableRawPointer(elements.baseAddress), count: elements.count, type: .fp32)
    }

    /// A contiguous array of Double.
    public init(_ elements: UnsafeMutableBufferPointer<Double>) {
        unsafe self.init(base: UnsafeMutableRawPointer(elements.baseAddress), count: elements.count, type: .fp64)
    }

    /// One like another, contiguous, in memory that is still to be found.
    static func contiguous(_ other: ArrayView) -> ArrayView {
        unsafe ArrayView(base: other.base, count: other.count, type: other.type)
    }

    /// No array: a gradient or a copy that is missing.
    public static var none: ArrayView { unsafe ArrayView(base: nil, count: 0, type: .fp32) }
}

/// A parameter with everything that one step of it reads and writes.
@frozen
@unsafe public struct ParameterView {
    /// The most state slots of any algorithm.
    public static var maximumStateCount: Int { 15 }

    public var value: ArrayView
    public var gradient: ArrayView
    /// The rows that `gradient` is of, as many as it has; nil: it is of all elements.
    public var rows: GradientRows?
    /// The algorithm's slots in order; as many as `stateCount` says.
    public var state: InlineArray<15, ArrayView>
    public var stateCount: Int
    /// A copy of the value for other uses, in a type of its own, written behind each step; `.none` where there is none.
    public var copy: ArrayView
    /// What rows have not seen yet, where steps of rows are deferred: `backlogByteCount` bytes, zero before the first such
    /// step; nil: every row has seen every step.
    public var backlog: UnsafeMutableRawPointer?
    /// Steps taken. Read, and one more after the step. Parameters may share a counter.
    public var step: UnsafeMutablePointer<Int64>
    /// A number that shows the count; nil: none. Where a step finds another number there than the count, somebody has
    /// changed it, and the step goes on from it: over -1, under 2^63, fractions included. Parameters may share one.
    public var shownStep: ShownStep?
    /// Index among the configurations of the call.
    public var group: Int
    /// Its identity and the place of its first element, where it is a part of a parameter, for what is drawn at random.
    public var key: UInt64 = 0
    public var offset: UInt64 = 0
    /// For messages; may be nil.
    public var name: UnsafePointer<CChar>?

    public init(
        value: ArrayView, gradient: ArrayView, step: UnsafeMutablePointer<Int64>, group: Int = 0,
        name: UnsafePointer<CChar>? = nil
    ) {
        unsafe self.value = value
        unsafe self.gradient = gradient
        unsafe self.rows = nil
        unsafe self.state = InlineArray(repeating: .none)
        unsafe self.stateCount = 0
        unsafe self.copy = .none
        unsafe self.backlog = nil
        unsafe self.step = step
        unsafe self.shownStep = nil
        unsafe self.group = group
        unsafe self.name = name
    }
}
