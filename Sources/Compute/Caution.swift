// Updates as part of a pass: any rule or last pass makes a block's in memory of theirs, and while they are in the cache the
// cautious mask may be put on them. How much that leaves, and what becomes of the updates, is the optimizers' affair.
import MartletKernelInterface

/// What makes an item's updates, or masks them, for passes to take off. They lie where passes leave numbers for each element.
package struct Caution {
    /// The rule that makes them; nil: the pass does, or they lie there already.
    package let rule: Rule?
    /// Whether they are masked.
    package let masks: Bool
    /// What they are multiplied by to be taken off: -1 where they are made as what is added.
    package private(set) var stepSize = -1.0
    /// The item's own.
    package private(set) var terms = RunTerms()
    /// What the mask's pass is handed, as `StepCoefficients` says.
    fileprivate var coefficients = InlineArray<32, Double>(repeating: 0)

    package init(rule: Rule?, masks: Bool) { (self.rule, self.masks) = (rule, masks) }

    /// Takes what the mask of this step depends on: the item's terms, and the step size where updates are made as what is
    /// taken off.
    package mutating func prepare(_ terms: RunTerms, stepSize: Double?) {
        self.terms = terms
        if let stepSize { self.stepSize = stepSize }
        var own = CautionCoefficients()
        own.direction = self.stepSize > 0 ? -1 : 1
        unsafe withUnsafeMutableBytes(of: &coefficients) { place in
            unsafe place.storeBytes(of: terms, as: RunTerms.self)
            unsafe place.storeBytes(of: own, toByteOffset: StepCoefficients.ruleOffset, as: CautionCoefficients.self)
        }
    }

    /// The share of elements that the last pass divides by at least.
    package static var leastShare: Double { 1e-3 }

    /// The terms of what makes updates, which sees no value. Decay in the gradient is in it already.
    package var makersTerms: RunTerms {
        var result = terms
        (result.l2, result.decay, result.isCautious) = (0, 1, 0)
        if addsDecay { (result.gradientScale, result.bound) = (1, RunTerms.unbounded) }
        return result
    }

    fileprivate var addsDecay: Bool { terms.l2 != 0 }
}

extension PassPiece {
    /// Makes a block's updates, where that is left to do, and masks them, where they are. A rule or a pass makes them as what
    /// it adds to a value of 0; where weight decay is in the gradient it is added before, since the rule does not see the
    /// value.
    func makeUpdates(_ block: GridPart, gradients: UnsafeMutableRawPointer) {
        guard let caution = unsafe item.pointee.caution else { return }
        let type = unsafe block.run.isDouble ? ElementType.fp64 : .fp32
        let updates = unsafe Operand(base: block.columnFactors, type: type)
        // Several rows lie one behind the other, and what is left for them too.
        var masked = unsafe block
        unsafe masked.run.count *= block.rows
        unsafe masked.rows = 1
        unsafe masked.run.arrays[Run.state] = unsafe updates
        unsafe masked.run.arrayCount = Run.state + 1
        unsafe masked.columnFactors = gradients
        let made = unsafe pass != .caution || caution.rule != nil
        if made {
            unsafe updates.base.initializeMemory(as: UInt8.self, repeating: 0, count: masked.run.count * type.size)
            if caution.addsDecay { unsafe mask(&masked, caution) }
            var maker = unsafe block
            unsafe maker.run.arrays[Run.value] = unsafe updates
            if caution.addsDecay {
                unsafe maker.run.arrays[Run.gradient] = Operand(base: gradients, type: type)
            }
            if let rule = caution.rule {
                unsafe isa.sweep(rule)(&maker.run, item.pointee.coefficients)
            } else {
                unsafe kernel(&maker, item.pointee.coefficients)
            }
        }
        if !caution.masks { return }
        // The value is read for its decay alone.
        if !caution.addsDecay { unsafe masked.run.arrays[Run.value] = unsafe updates }
        unsafe mask(&masked, caution)
    }

    private func mask(_ part: inout GridPart, _ caution: Caution) {
        unsafe withUnsafeBytes(of: caution.coefficients) { coefficients in
            if let place = coefficients.baseAddress { unsafe isa.pass(.caution)(&part, place) }
        }
    }
}
