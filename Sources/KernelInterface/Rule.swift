// The update rules by number, and what the loop of one is. What it works on stands in Run.swift; the twins of
// Rules name the loops in their Table.swift.

/// The update rules that kernels implement.
package enum Rule: CaseIterable {
    case adam, sgd, rmsprop, adagrad, adadelta, rprop, asgd, adamax, nadam, radam, adaBound, adaBelief, adan, lion
    case adEMAMix, simplifiedAdEMAMix, adopt, laProp, scheduleFree
    // Of stages, which are no algorithm's.
    case interpolation, lookahead, copy
}

/// A rule's loop over whole grains of sixteen elements, all of them of fp64 where that is computed in: reads a `Run`, and
/// coefficients as `StepCoefficients` says.
///
/// A C function pointer: calling it retains nothing.
package typealias RuleLoop = @convention(c) (_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

/// A rule over any run.
@unsafe package struct Sweep {
    /// Brings a run of any number of elements, stored as any types, to a rule's loop.
    package typealias Walk =
        @convention(c) (_ loop: RuleLoop, _ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

    private let walk: Walk
    private let loop: RuleLoop

    @inline(__always)
    package init(walk: Walk, loop: RuleLoop) {
        unsafe self.walk = walk
        unsafe self.loop = loop
    }

    @inline(__always)
    package func callAsFunction(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
        unsafe walk(loop, run, coefficients)
    }
}
