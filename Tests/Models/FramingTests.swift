// Images in other frames through whole models: what predictions see, and what training draws. Pixel by pixel they are held in
// Compute's RandomTests, their gradients in GradientTests.

import MartletModels
import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct FramingTests {
    /// 2 x 3 pixels of one channel.
    private let x: [Float] = [1, 2, 3, 4, 5, 6]

    private func predicted(_ layer: Layer) throws -> [Float] {
        try MartletModelsTests.model([2, 3, 1], [layer]).predict(x)
    }

    @Test func predictionsSeeNoChance() throws {
        #expect(
            try predicted(layer(.zeroPadding2D) { $0.pads = [0, 1, 1, 0] }) == [0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0])
        #expect(try predicted(layer(.upSampling2D) { $0.kernel = Pair(1, 2) }) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
        #expect(try predicted(layer(.upSampling2D) { $0.kernel = Pair(2, 1) }) == [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
        #expect(try predicted(layer(.rescaling) { ($0.scale, $0.offset) = (0.5, -1) }) == [-0.5, 0, 0.5, 1, 1.5, 2])
        #expect(try predicted(layer(.randomCrop) { $0.kernel = Pair(2, 1) }) == [2, 5])
        #expect(try predicted(layer(.randomCrop) { $0.kernel = Pair(1, 2) }) == [1, 2])
        #expect(try predicted(layer(.randomFlip)) == x)
        #expect(try predicted(layer(.randomTranslation) { $0.kernel = Pair(1, 1) }) == x)
        #expect(try predicted(layer(.gaussianNoise)) == x)
    }

    /// The mean squares of what training makes of a picture, step by step.
    private func steps(_ layer: Layer, seed: UInt64 = 1) throws -> [Double] {
        let model = try MartletModelsTests.model([2, 3, 1], [layer, MartletModelsTests.layer(.flatten)], seed: seed)
        try model.compile(Training(.mse))
        let weights: [Float] = [1, 10, 100, 1000, 10_000, 100_000]
        let targets = Array(weights.prefix(model.output.elementCount))
        return try (0..<40).map { _ in try model.train(x, targets).meanLoss }
    }

    @Test func trainingDrawsByItsSeedAndStep() throws {
        let both = layer(.randomFlip)
        #expect(try Set(steps(both)).count == 4)
        #expect(try Set(steps(layer(.randomFlip) { $0.flags = .flipVertical })).count == 2)
        #expect(try Set(steps(layer(.randomCrop) { $0.kernel = Pair(1, 2) })).count == 4)
        let moved = layer(.randomTranslation) { $0.kernel = Pair(1, 0) }
        #expect(try Set(steps(moved)).count == 3)
        #expect(try Set(steps(layer(.gaussianNoise))).count == 40)
        #expect(try steps(both) == steps(both) && steps(both) != steps(both, seed: 2))
    }
}
