// The two points of Schedule-Free parameters: the way there and back, what is refused at the trained point, and what
// becomes of the mode in copies, files and groups. Against the equation in Double.

import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct EvaluationTests {
    /// Two groups, of which the second has one point only, after nine steps: RAdam's rate is 0 in the first five.
    private static func trained(
        _ parameters: [Parameter], _ configuration: Configuration = Configuration(.scheduleFreeSGD) { $0.lr = 0.3 }
    ) throws -> Optimizer {
        let optimizer = try Optimizer(configuration)
        _ = try optimizer.addGroup(Configuration(.adam))
        for (index, parameter) in parameters.enumerated() { try optimizer.add(parameter, group: index) }
        for t in 0..<9 {
            for parameter in parameters { parameter.randomizeGradient(seed: UInt64(t)) }
            try optimizer.step(parameters.map(\.view.gradient))
        }
        return optimizer
    }

    private static func pair() -> [Parameter] { (0..<2).map { Parameter(.fp64, seed: UInt64($0)) } }

    /// x = y + (1 - 1 / beta) (z - y), and back; the group without another point stays where it is.
    @Test(arguments: [Algorithm.scheduleFreeSGD, .scheduleFreeAdamW, .scheduleFreeRAdam])
    func thereAndBack(algorithm: Algorithm) throws {
        let parameters = Self.pair()
        defer { extendLifetime(parameters) }
        let beta = 0.75
        let optimizer = try Self.trained(
            parameters,
            Configuration(algorithm) { $0[algorithm == .scheduleFreeSGD ? .momentum : .beta1] = beta })
        let (y, other, z) = (parameters[0].values, parameters[1].values, try optimizer.moments(0, 0))
        try optimizer.setMode(.evaluation)
        #expect(optimizer.mode == .evaluation)
        for index in y.indices {
            let x = y[index] + (1 - 1 / beta) * (z[index] - y[index])
            #expect((parameters[0].values[index] - x).magnitude < 1e-14)
        }
        #expect(parameters[0].values != y && parameters[1].values == other)
        let before = parameters[0].values
        try optimizer.setMode(.evaluation)
        #expect(parameters[0].values == before)
        try optimizer.setMode(.training)
        for index in y.indices { #expect((parameters[0].values[index] - y[index]).magnitude < 1e-14) }
        try optimizer.step(parameters.map(\.view.gradient))
    }

    /// Neither a step nor another beta of a group that has two points; both again once the way back was taken.
    @Test func whatIsRefused() throws {
        let parameters = Self.pair()
        defer { extendLifetime(parameters) }
        let optimizer = try Self.trained(parameters)
        try optimizer.setMode(.evaluation)
        let before = parameters.map(\.bytes)
        expectFailure(.order, ["evaluation", "training"]) { () throws(MartletError) in
            try optimizer.step(parameters.map(\.view.gradient))
        }
        expectFailure(.order, ["evaluation", "training"]) { () throws(MartletError) in
            try optimizer.set(.momentum, to: 0.5)
        }
        #expect(try parameters.map(\.bytes) == before && optimizer.get(.momentum) == 0.9)
        try optimizer.setMode(.training)
        try optimizer.set(.momentum, to: 0.5)
        try optimizer.step(parameters.map(\.view.gradient))
        let (y, z) = (parameters[0].values, try optimizer.moments(0, 0))
        try optimizer.setMode(.evaluation)
        for index in y.indices {
            #expect((parameters[0].values[index] - (y[index] - (z[index] - y[index]))).magnitude < 1e-14)
        }
    }

    /// A group without an average is an error before the other one has moved.
    @Test func withoutMomentum() throws {
        let parameters = Self.pair()
        defer { extendLifetime(parameters) }
        let optimizer = try Self.trained(parameters)
        _ = try optimizer.addGroup(Configuration(.scheduleFreeAdamW) { $0.beta1 = 0 })
        let before = parameters.map(\.bytes)
        expectFailure(.argument, ["schedule_free_adamw", "beta1 of 0"]) { () throws(MartletError) in
            try optimizer.setMode(.evaluation)
        }
        #expect(optimizer.mode == .training && parameters.map(\.bytes) == before)
    }

    /// A copy is at the point that the original is at, and goes back by itself; both borrow the parameters.
    @Test func copies() throws {
        let parameters = Self.pair()
        defer { extendLifetime(parameters) }
        let optimizer = try Self.trained(parameters)
        let y = parameters[0].values
        try optimizer.setMode(.evaluation)
        let copy = try optimizer.clone()
        #expect(copy.mode == .evaluation)
        expectFailure(.order, ["evaluation"]) { () throws(MartletError) in
            try copy.step(parameters.map(\.view.gradient))
        }
        try copy.setMode(.training)
        for index in y.indices { #expect((parameters[0].values[index] - y[index]).magnitude < 1e-14) }
        #expect(copy.mode == .training && optimizer.mode == .evaluation)
        try copy.step(parameters.map(\.view.gradient))
    }

    /// A file has the mode, whichever the loading optimizer was in.
    @Test(arguments: [OptimizerMode.training, .evaluation])
    func files(mode: OptimizerMode) throws {
        let folder = Folder()
        let (first, second) = (Self.pair(), Self.pair())
        defer { extendLifetime((first, second)) }
        let saved = try Self.trained(first)
        try saved.setMode(mode)
        try saved.save(to: folder["file"])
        let loaded = try Self.trained(second)
        try loaded.setMode(mode == .training ? .evaluation : .training)
        try loaded.load(from: folder["file"])
        #expect(loaded.mode == mode)
        if mode == .training {
            try loaded.step(second.map(\.view.gradient))
        } else {
            expectFailure(.order, ["evaluation"]) { () throws(MartletError) in
                try loaded.step(second.map(\.view.gradient))
            }
        }
    }

    /// What is forgotten leaves nothing to go back to.
    @Test func reset() throws {
        let parameters = Self.pair()
        defer { extendLifetime(parameters) }
        let optimizer = try Self.trained(parameters)
        try optimizer.setMode(.evaluation)
        let x = parameters[0].values
        try optimizer.reset()
        #expect(optimizer.mode == .training && parameters[0].values == x)
        try optimizer.add(parameters[0])
        try optimizer.setMode(.evaluation)
        #expect(parameters[0].values == x)
        try optimizer.setMode(.training)
        try optimizer.step([parameters[0].view.gradient])
        #expect(parameters[0].values != x)
    }
}
