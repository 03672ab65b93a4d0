// An optimizer's rows that catch up with steps that were deferred. What looks at state, saves or copies it does so first.
import MartletPlatform

extension Optimizer {
    /// Lets every row catch up with the steps that were deferred, in groups with `.deferRows`: parameters and state are then
    /// what dense steps with zeros in the other rows' gradients would have made of them, to the bit. Throws `.memory`, and has
    /// then changed nothing.
    public func finish() throws(MartletError) {
        if (0..<count).contains(where: { parameters[$0].isBehind }) { try unsafe finish { _ in nil } }
    }

    /// The same of these rows, for each parameter, nil: of all that it has. Rows that a model reads next are so made ready.
    public func finish(rows: [GradientRows?]) throws(MartletError) {
        guard unsafe rows.count == count else {
            throw unsafe MartletError(
                .argument, "\(rows.count) rows are given; expected \(count), one for each parameter")
        }
        try unsafe finish { unsafe rows[$0] }
    }

    /// The same of the rows that a function says of each parameter.
    @inline(never)
    package func finish(_ rows: (Int) -> GradientRows?) throws(MartletError) {
        var totalRows = 0
        for index in 0..<count { unsafe StepPlan.addRoom(forNamed: rows(index), to: &totalRows) }
        let plan = try unsafe makePlan(totalRank: 0, totalRows: totalRows, mode: nil, catchesUp: true)
        for index in 0..<count { try unsafe add(index, gradient: .none, rows: rows(index), to: plan) }
        _ = try unsafe plan.pointee.run()
    }
}
