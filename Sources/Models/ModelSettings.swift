// What can be looked at, and changed, between a model's training steps: the hyperparameters of its groups, counters, and
// the gradients.
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

extension Model {
    /// Sets a hyperparameter of the optimizer's group 0. Where that is the learning rate, those of other groups move in
    /// proportion, as by a schedule: they keep the shares of it that `compile`, or `set` with a group, gave them; where
    /// group 0's rate was 0 then, they stay. Throws `.order` before compile.
    public func set(_ hyperparameter: Hyperparameter, to value: Double) throws(MartletError) {
        let trainer = try compiled()
        if hyperparameter == .lr { return try trainer.setRates(to: value) }
        try trainer.set(hyperparameter, to: value, group: 0)
    }

    /// Sets a hyperparameter of one group alone. Throws `.order` before compile.
    public func set(_ hyperparameter: Hyperparameter, to value: Double, group: Int) throws(MartletError) {
        try compiled().set(hyperparameter, to: value, group: group)
    }

    /// Moves the parameters of a Schedule-Free optimizer's model to where gradients are taken or to the trained point. Calls
    /// do so by themselves; this is for who reads or writes `parameterMemory` after `train`.
    public func setMode(_ mode: OptimizerMode) throws(MartletError) { try trainer?.enter(mode) }

    /// A hyperparameter of a group of the optimizer's. Throws `.order` before compile.
    public func get(_ hyperparameter: Hyperparameter, group: Int = 0) throws(MartletError) -> Double {
        try compiled().optimizer.get(hyperparameter, group: group)
    }

    /// How many groups there are. Throws `.order` before compile.
    public func groupCount() throws(MartletError) -> Int { try compiled().optimizer.groupCount }

    /// The algorithm and all hyperparameters of a group. Throws `.order` before compile.
    package func configuration(group: Int) throws(MartletError) -> Configuration {
        let optimizer = try compiled().optimizer
        guard group >= 0 && group < optimizer.groupCount else {
            throw MartletError(
                .argument, "group is \(group); expected 0 ..< \(optimizer.groupCount), the count of groups")
        }
        return optimizer.configurations[group]
    }

    /// The group of a parameter's view; 0 before compile.
    package func group(ofView index: Int) -> Int { trainer?.group(ofView: index) ?? 0 }

    /// Training steps done since compile.
    public func stepCount() throws(MartletError) -> Int64 { try compiled().step }

    /// The Euclidean norm of the latest training step's gradient; NaN before the first.
    public func gradientNorm() throws(MartletError) -> Double { try compiled().gradientNorm() }

    /// The gradients' memory, in the order of the parameters'. From here on tables that are trained by rows are looked over as
    /// wholes, for rows that the caller has written. Throws `.order` before compile.
    public func gradientMemory() throws(MartletError) -> UnsafeMutableBufferPointer<Float> {
        let trainer = try compiled()
        trainer.gradientsAreShared = true
        return unsafe trainer.gradients.elements
    }
}

extension Trainer {
    /// The groups with the numbers that they have now.
    var groups: ParameterGroups {
        ParameterGroups(
            (0..<optimizer.groupCount).map { optimizer.configurations[$0] }, ofViews: viewGroups, shares: shares)
    }

    /// The group of a view; 0 where there is no such view.
    func group(ofView index: Int) -> Int { viewGroups.indices.contains(index) ? viewGroups[index] : 0 }

    /// Sets a hyperparameter of one group. A rate is then what the group's share of group 0's follows from.
    func set(_ hyperparameter: Hyperparameter, to value: Double, group: Int) throws(MartletError) {
        if group >= 0 && group < optimizer.groupCount {
            var changed = optimizer.configurations[group]
            changed[hyperparameter] = value
            try changed.checkEvaluationPoint(optimizer.groupCount == 1 ? "optimizer" : "a group")
            if changed.interpolation != optimizer.configurations[group].interpolation { try enter(.training) }
        }
        try optimizer.set(hyperparameter, to: value, group: group)
        if hyperparameter != .lr { return }
        for place in shares.indices where group == 0 || place == group {
            shares[place] = ParameterGroups.share(
                of: optimizer.configurations[place], beside: optimizer.configurations[0])
        }
    }

    /// Sets group 0's rate, and the others' in proportion; all or none.
    func setRates(to value: Double) throws(MartletError) {
        for (group, share) in shares.enumerated().dropFirst() where !share.isNaN {
            try optimizer.configurations[group].check(.lr, value * share, "groups[\(group)]")
        }
        try optimizer.set(.lr, to: value)
        for (group, share) in shares.enumerated().dropFirst() where !share.isNaN {
            try optimizer.set(.lr, to: value * share, group: group)
        }
    }
}
