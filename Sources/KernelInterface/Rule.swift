// The update rules by number, and what the loop of one is. What it works on stands in Run.swift; the twins of
// Rules name the loops in their Table.swift.

/// The update rules that kernels implement.
package enum Rule: CaseIterable {
    case adam, sgd, rmsprop, adagrad, adadelta, rprop, asgd, adamax, nadam, radam, adaBound, adaBelief, adan, lion
    case adEMAMix, simplifiedAdEMAMix, adopt, laProp, scheduleFree, interpolation
}

/// A rule's loop over one run of elements: reads a `Run`, and coefficients as `StepCoefficients` says.
///
/// A C function pointer: calling it retains nothing.
package typealias Sweep = @convention(c) (_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void
