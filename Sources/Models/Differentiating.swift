// The gradients of a batch: forward with its losses, and backward over what led to them.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension Trainer {
    /// The gradients of the batch that `rows` picks out of `data`, which is added to the training's tallies: a step's first
    /// half. Throws before anything but the mode has changed, and gradients where a caller's function fails.
    ///
    /// - Parameter beginsTally: whether the batch is all that a call looks at.
    func differentiate(
        _ model: Model, _ built: Built, _ data: LabelledSamples, _ rows: Rows, _ machine: ExecutionSettings,
        beginsTally: Bool = false
    ) throws(MartletError) {
        let count = unsafe rows.count
        let plan = try plan(model, batch: count)
        let scores = try scores(batch: count)
        let inputs = try inputs(model, batch: count)
        let gathering = try unsafe Execution(mode: .flush, machine)
        try unsafe take(data, rows, scores, gathering)
        try unsafe inputs.take(data.x, rows, model, gathering, for: plan)
        try enter(.training)
        if beginsTally { try training.begin(samples: count) }
        try takeRows(plan, batch: count)
        try catchUp(tables)
        // Another one, as that may have moved the thread's scratch memory, which an execution holds.
        let execution = try unsafe Execution(mode: .flush, machine)
        let pass = unsafe BatchPass(model, built, plan, execution, batch: count, trainingStep: UInt64(step))
        try keepingStatistics(built) { () throws(MartletError) in
            try unsafe score(model, built, plan, pass, scores, into: training)
            try unsafe backward(model, plan, pass)
        }
        unsafe addPenalties(built, execution)
        hasGradients = true
    }

    /// Does what may fail in the middle, as the functions of callers' layers may, and puts statistics back where it does.
    func keepingStatistics(_ built: Built, _ body: () throws(MartletError) -> Void) throws(MartletError) {
        guard let before = statisticsBefore else { return try body() }
        unsafe before.base.update(from: built.statistics.base, count: before.count)
        do {
            try body()
        } catch {
            unsafe built.statistics.base.update(from: before.base, count: before.count)
            throw error
        }
    }

    /// Takes what each output should give for a batch. Throws `.argument`.
    func take(
        _ data: LabelledSamples, _ rows: Rows, _ scores: [BatchScores], _ execution: Execution
    ) throws(MartletError) {
        for number in scores.indices { try unsafe scores[number].take(data, output: number, rows, execution) }
    }

    /// Runs a batch forward, and adds its losses and metrics to the tallies; writes the gradients of its mean losses where the
    /// plan has places for them. Throws `.memory`, and not within the samples that the walk began with, and where a caller's
    /// function fails.
    ///
    /// - Parameter byHand: whether the plan is a ``HandBatch``'s, all of whose outputs are read.
    func score(
        _ model: Model, _ built: Built, _ plan: Plan, _ pass: BatchPass, _ scores: [BatchScores],
        into tallies: Tallies, byHand: Bool = false
    ) throws(MartletError) {
        var done = 0
        var loss = 0.0
        let first = byHand ? model.outputCount : 0
        for number in order where scores[number].isScored {
            let scoring = scorings[number]
            let behind = max(done, (model.graph.values[scoring.value].maker ?? -1) + 1)
            try unsafe model.forward(plan, pass, done..<behind)
            done = behind
            let mask = unsafe scoring.mask.map { unsafe UnsafePointer(plan.value($0)) }
            let mean = unsafe scores[number].loss(
                plan.value(scoring.value), mask: mask, batch: pass.batch, gradient: plan.lossGradient(first + number),
                pass.execution)
            unsafe tallies.outputs[number].add(loss: mean, samples: pass.batch)
            loss += scoring.settings.weight * mean
        }
        unsafe tallies.add(loss: loss + penalty(built, pass.execution), samples: pass.batch)
        // What is behind the last loss, metrics alone read.
        if !hasMetrics && !byHand { return }
        try unsafe model.forward(plan, pass, done..<model.graph.steps.count)
        for number in scores.indices where scores[number].isScored {
            let mask = unsafe scorings[number].mask.map { unsafe UnsafePointer(plan.value($0)) }
            try unsafe scores[number].measure(
                plan.value(scorings[number].output), mask: mask, batch: pass.batch, into: tallies.outputs[number],
                pass.execution)
        }
    }

    /// Throws where a caller's function fails.
    func backward(_ model: Model, _ plan: Plan, _ pass: BatchPass) throws(MartletError) {
        unsafe add(plan, from: 0, plan.firstAdditionCount, pass)
        let steps = model.graph.steps
        for index in steps.indices.reversed() {
            let place = unsafe plan.place(index)
            guard let gradient = unsafe place.pointee.gradient else { continue }
            if unsafe place.pointee.runsBackward && steps[index].operation.givesRows {
                for table in tables {
                    unsafe table.add(
                        pass.memory.address(gradient), of: index, batch: pass.batch, to: gradients.base, pass.execution)
                }
            } else if unsafe place.pointee.runsBackward {
                let forward = unsafe pass.forward(place, steps[index].firstParameter, steps[index].firstStatistic)
                let own = unsafe place.pointee.parameterGradients.map { unsafe pass.memory.address($0) }
                let all = unsafe steps[index].isFrozen ? nil : gradients.base + steps[index].firstParameter
                try unsafe steps[index].operation.backward(
                    BackwardPass(
                        forward: forward, gradient: pass.memory.address(gradient), parameterGradients: own ?? all))
                if let own = unsafe own, let all = unsafe all {
                    unsafe pass.execution.run(
                        CombinationRequest(.sum, count: steps[index].parameterCount, all, own, out: all))
                }
            }
            unsafe add(plan, from: place.pointee.firstAddition, place.pointee.additionCount, pass)
        }
    }

    /// Adds up gradients that have met.
    private func add(_ plan: Plan, from first: Int, _ count: Int, _ pass: BatchPass) {
        for index in first..<first + count {
            let addition = plan.additions[index]
            unsafe pass.execution.run(
                CombinationRequest(
                    .sum, count: pass.batch * addition.perSample, pass.memory.address(addition.left),
                    pass.memory.address(addition.right), out: pass.memory.address(addition.out)))
        }
    }
}

extension Model {
    /// Runs some operations over a batch, whose values before them are there. Throws where a caller's function fails.
    func forward(_ plan: Plan, _ pass: BatchPass, _ range: Range<Int>) throws(MartletError) {
        let steps = graph.steps
        for index in range {
            let place = unsafe plan.place(index)
            if unsafe !place.pointee.runsForward { continue }
            try unsafe steps[index].operation.forward(
                pass.forward(place, steps[index].firstParameter, steps[index].firstStatistic))
        }
    }
}
