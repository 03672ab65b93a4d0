// The table of update rules that RuleTests and BoundsTests go through. A new rule adds a row.

import MartletKernelInterface
import Testing

let ruleTable: [RuleRow] = [
    rows(of: AdamReference.self),
    rows(of: SGDReference.self),
    rows(of: RMSpropReference.self),
    rows(of: AdagradReference.self),
    rows(of: AdadeltaReference.self),
    rows(of: RpropReference.self),
    rows(of: ASGDReference.self),
    rows(of: AdamaxReference.self),
    rows(of: NAdamReference.self),
    rows(of: RAdamReference.self),
    rows(of: AdaBoundReference.self),
    rows(of: AdaBeliefReference.self),
    rows(of: AdanReference.self),
    rows(of: LionReference.self),
    rows(of: AdEMAMixReference.self),
    rows(of: SimplifiedAdEMAMixReference.self),
    rows(of: ADOPTReference.self),
    rows(of: LaPropReference.self),
    rows(of: ScheduleFreeReference.self),
    rows(of: InterpolationReference.self),
    rows(of: LookaheadReference.self),
    rows(of: CopyReference.self),
].flatMap { $0 }

/// A rule's reference with one of its cases, of which the types are hidden.
struct RuleRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let rule: Rule
    let variant: Int
    let slots: [SlotNumbers]
    /// One step of the kernels.
    let sweep: @Sendable (Twin, Run, RunTerms) -> Void
    /// One step of the reference on an element's bits.
    let step: @Sendable ([ElementType], [UInt64], RunTerms) -> [UInt64]

    var arrayCount: Int { 2 + slots.count }

    /// One step of the kernels on the first `count` elements of some arrays, in the order value, gradient, slots.
    func sweep(_ twin: Twin, _ arrays: [StoredArray], count: Int, _ terms: RunTerms) {
        withExtendedLifetime(arrays) { sweep(twin, Run(arrays.map(\.operand), count: count), terms) }
    }
}

private func rows<Reference: RuleReference>(of reference: Reference.Type) -> [RuleRow] {
    Reference.cases.enumerated().map { index, one in
        let (variant, coefficients) = (one.variant, one.coefficients)
        @Sendable func chosen(_ terms: RunTerms) -> RunTerms {
            var terms = terms
            terms.variant = variant
            return terms
        }
        return RuleRow(
            testDescription: "\(Reference.rule), variant \(variant), case \(index)", rule: Reference.rule,
            variant: variant, slots: one.slots,
            sweep: { $0.sweep(Reference.rule, $1, chosen($2), coefficients) },
            step: { Reference.step($0, $1, chosen($2), coefficients) })
    }
}
