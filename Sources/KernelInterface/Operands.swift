// What a rule works on: a run of consecutive elements of a parameter, its gradient and its state, each with its own
// storage type. Only addresses and types: shapes, strides and ownership end above the kernels.

/// One array of a run: where its first element is and how it is stored.
@unsafe package struct Operand: BitwiseCopyable {
    package var base: UnsafeMutableRawPointer
    package var type: ElementType

    @inline(__always)
    package init(base: UnsafeMutableRawPointer, type: ElementType) {
        unsafe self.base = base
        unsafe self.type = type
    }

    /// The same array, `count` elements further on.
    @inline(__always)
    package func advanced(by count: Int) -> Operand {
        unsafe Operand(base: base + count * type.size, type: type)
    }
}

/// The arrays of one run of elements, in the order value, gradient, state slots.
@unsafe package struct Operands: BitwiseCopyable {
    /// As many as any algorithm needs: value, gradient and four state slots.
    package static var capacity: Int { 6 }
    /// The places of the value, of the gradient (the one array that is only read) and of the first state slot.
    package static var value: Int { 0 }
    package static var gradient: Int { 1 }
    package static var state: Int { 2 }

    package var arrays: InlineArray<6, Operand>
    /// Arrays in use.
    package var arrayCount: Int
    /// Elements in the run.
    package var count: Int
    /// Whether the arithmetic is in fp64: some array is fp64.
    package var isDouble: Bool

    @inline(__always)
    package init(arrays: InlineArray<6, Operand>, arrayCount: Int, count: Int, isDouble: Bool) {
        unsafe self.arrays = arrays
        unsafe self.arrayCount = arrayCount
        unsafe self.count = count
        unsafe self.isDouble = isDouble
    }
}
