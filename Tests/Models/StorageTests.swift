// What a model keeps in other types, as Swift says it. Bits, files and bad input are tested in C and Python.

import MartletModels
import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct StorageTests {
    private func trained(_ type: StateType, _ body: (Model) throws -> Void = { _ in }) throws -> [Float] {
        let model = try model([80], [.dense(64, activation: .tanh), .dense(3)])
        var training = Training(.crossEntropy)
        training.stateType = type
        try model.compile(training)
        try body(model)
        for step in 0..<3 {
            try model.train(numbers(80 * 5, seed: UInt64(step)), labels(5, classes: 3, seed: 4))
        }
        return try model.parameters
    }

    @Test func momentsAreKeptAsTrainingSays() throws {
        let found = try [StateType.fp32, .bf16, .fp16, .float16, .float8, .float4].map { try trained($0) }
        #expect(Set(found).count == found.count)
        for type in [StateType.fp64, .ufloat16, .ufloat8, .ufloat4] {
            #expect { try trained(type) } throws: { error in
                (error as? MartletError)?.message.contains("state_dtype is") == true
            }
        }
    }

    @Test func aCopyHasTheParametersBehindEachStep() throws {
        let count = 80 * 64 + 64 + 64 * 3 + 3
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { unsafe memory.deallocate() }
        unsafe memory.initialize(repeating: -7)
        let found = try trained(.float8) { model in try unsafe model.setCopy(ArrayView(memory)) }
        #expect(unsafe Array(memory) == found)
        #expect(try trained(.float8) == found)
    }
}
