// An optimizer's file: a run that is saved, loaded into a fresh optimizer and continued gives the bits of one that was
// never interrupted, and files for other optimizers are refused. The file format itself is tested with Checkpoints.

import Glibc
import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct CheckpointTests {
    /// A run's parameters: fp32, and bf16 with moments of other types, the first one strided.
    private static func parameters() -> [Parameter] {
        let parameters = [Parameter(count: 24, seed: 1), Parameter(count: 9, .bf16, moments: [.fp32, .fp64], seed: 2)]
        parameters[0].view.value = parameters[0].view.value.shaped([4, 6], [1, 4], in: parameters[0])
        return parameters
    }

    private static func optimizer(_ parameters: [Parameter], names: [String] = ["a", "b"]) throws -> Optimizer {
        let optimizer = try Optimizer(Configuration(.adamW) { $0.lr = 0.1 })
        _ = try optimizer.addGroup(Configuration(.adamW))
        _ = try optimizer.add(parameters[0].view.value, name: names[0])
        _ = try optimizer.add(parameters[1].view.value, name: names[1], group: 1, stateTypes: [.fp32, .fp64])
        return optimizer
    }

    @Test func continuedRun() throws {
        let folder = Folder()
        let (whole, halves) = (Self.parameters(), Self.parameters())
        defer { extendLifetime((whole, halves)) }
        let first = try Self.optimizer(whole)
        var second = try Self.optimizer(halves)
        for t in 0..<20 {
            if t == 10 {
                try second.set(.lr, to: 0.03, group: 1)
                try first.set(.lr, to: 0.03, group: 1)
                try second.save(to: folder["file"])
                second = try Self.optimizer(halves)
                try second.load(from: folder["file"])
                #expect(try second.get(.lr, group: 1) == 0.03 && second.stepCount(of: 1) == 10)
            }
            for parameters in [whole, halves] {
                for (index, parameter) in parameters.enumerated() {
                    parameter.randomizeGradient(seed: UInt64(t * 2 + index))
                }
            }
            try first.step(whole.map(\.view.gradient))
            try second.step(halves.map(\.view.gradient))
        }
        #expect(whole.map(\.bytes) == halves.map(\.bytes))
    }

    @Test func otherOptimizers() throws {
        let folder = Folder()
        let parameters = Self.parameters()
        defer { extendLifetime(parameters) }
        let saved = try Self.optimizer(parameters)
        try saved.step(parameters.map(\.view.gradient))
        try saved.save(to: folder["file"])
        func refuse(_ words: [String], _ other: Optimizer, sourceLocation: SourceLocation = #_sourceLocation) throws {
            let error = failure { () throws(MartletError) in try other.load(from: folder["file"]) }
            #expect(error?.kind == .format, sourceLocation: sourceLocation)
            for word in words {
                #expect(
                    error?.message.contains(word) == true, "\(error?.message ?? "")", sourceLocation: sourceLocation)
            }
            for index in 0..<other.count {
                #expect(try other.stepCount(of: index) == 0, sourceLocation: sourceLocation)
            }
            #expect(try other.get(.lr) != 0.1 || other.groupCount == 2, sourceLocation: sourceLocation)
        }
        try refuse(["\"c.exp_avg\""], Self.optimizer(parameters, names: ["a", "c"]))
        try refuse(["groups", "\"2\""], Optimizer(Configuration(.adamW)))
        try refuse(["algorithm", "adamw"], Optimizer(Configuration(.adam)))
        let fewer = try Optimizer(Configuration(.adamW))
        _ = try fewer.addGroup(Configuration(.adamW))
        _ = try fewer.add(parameters[0].view.value, name: "a")
        try refuse(["6 tensors", "3"], fewer)
        let typed = try Optimizer(Configuration(.adamW))
        _ = try typed.addGroup(Configuration(.adamW))
        _ = try typed.add(parameters[0].view.value, name: "a", stateTypes: [.fp64, .fp32])
        _ = try typed.add(parameters[1].view.value, name: "b", stateTypes: [.fp32, .fp64])
        try refuse(["\"a.exp_avg\"", "F32", "F64"], typed)
    }

    @Test func pathsThatFail() throws {
        let optimizer = try Optimizer(Configuration(.adam))
        for path in ["", "/no/such/folder/file", "/"] {
            #expect(failure { () throws(MartletError) in try optimizer.save(to: path) }?.kind == .file)
            #expect(failure { () throws(MartletError) in try optimizer.load(from: path) }?.kind == .file)
        }
    }

    /// The system would read them to the zero character, and write the file "a".
    @Test func namesThatNoFileCanHave() throws {
        let folder = Folder()
        let optimizer = try Optimizer(Configuration(.adam))
        let error = failure { () throws(MartletError) in try optimizer.save(to: folder["a\0b"]) }
        #expect(error?.kind == .argument && error?.message.contains("zero character") == true)
        #expect(failure { () throws(MartletError) in try optimizer.load(from: folder["a\0b"]) }?.kind == .argument)
        #expect(failure { () throws(MartletError) in try optimizer.load(from: folder["a"]) }?.kind == .file)
    }
}
