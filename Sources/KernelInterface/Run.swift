// What a rule works on: a run of consecutive elements of a parameter, its gradient and its state, each with its own
// storage type, and the numbers that every rule has beside its own. Only addresses and types: shapes, strides and
// ownership end above the kernels.

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
@unsafe package struct Run: BitwiseCopyable {
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

    /// Whether some array is stored in another type than the one computed in.
    package var converts: Bool {
        let native = unsafe isDouble ? ElementType.fp64 : .fp32
        for array in unsafe 0..<arrayCount where unsafe arrays[array].type != native { return true }
        return false
    }
}

/// The numbers of one step that belong to no rule in particular:
/// ```
/// g <- gradientScale * grad, kept within +-bound  [+ l2 * p]
/// s <- what the rule makes of g, p and the state
/// p <- decay * p - s                             (not decayed where s and p have opposite signs, if isCautious)
/// ```
/// Like every struct of coefficients it has fields of Double and Int alone.
package struct RunTerms: BitwiseCopyable {
    /// 1, less where gradients are clipped by a norm or were scaled up; negative to maximize.
    package var gradientScale = 1.0
    /// The largest size of a scaled gradient's elements; those of a Double have none.
    package var bound = RunTerms.unbounded
    /// Weight decay that is added to the gradient; 0 computes no such term.
    package var l2 = 0.0
    /// Factor of the parameter: 1 without decoupled weight decay.
    package var decay = 1.0
    /// 1: no decay where the step moves an element away from 0.
    package var isCautious = 0
    /// Which arrays the rule reads and writes, where it has a choice: a number of the rule's own.
    package var variant = 0

    package init() {}

    /// The bound of numbers that have none.
    package static var unbounded: Double {
        @inline(__always) get { .greatestFiniteMagnitude }
    }
}

/// A step's coefficients in memory: `RunTerms`, then the rule's own struct.
package enum StepCoefficients {
    /// Where the rule's own struct begins.
    package static var ruleOffset: Int {
        @inline(__always) get { 64 }
    }

    /// Bytes that the coefficients of any rule fit in.
    package static var capacity: Int { 256 }
}
