// Images in other frames through whole models: what predictions see, and what training draws; and the frames of transposed
// convolutions. Pixel by pixel they are held in
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
        #expect(try predicted(layer(.randomTranslation) { ($0.pads, $0.flags) = ([9, 9, 9, 9], .bilinear) }) == x)
        #expect(try predicted(layer(.gaussianNoise)) == x)
    }

    /// What Keras's Conv2DTranspose gives (3.15.1 on JAX): images of one column, whose pixels are 1, 100, 10,000 ..., and a
    /// kernel of 1, 2, 3 ...
    private static let transposed:
        [(size: Int, kernel: Int, stride: Int, dilation: Int, Padding, padding: Int, [Float])] = [
            (3, 3, 1, 1, .valid, -1, [1, 102, 10203, 20300, 30000]),
            (3, 3, 2, 1, .valid, -1, [1, 2, 103, 200, 10300, 20000, 30000]),
            (3, 2, 4, 1, .valid, -1, [1, 2, 0, 0, 100, 200, 0, 0, 10000, 20000, 0, 0]),
            (3, 3, 2, 1, .valid, 1, [1, 2, 103, 200, 10300, 20000, 30000, 0]),
            (3, 3, 2, 1, .same, -1, [1, 2, 103, 200, 10300, 20000]),
            (4, 4, 2, 1, .same, -1, [2, 103, 204, 10300, 20400, 1030000, 2040000, 3000000]),
            (3, 5, 2, 1, .same, -1, [2, 103, 204, 10305, 20400, 30500]),
            (3, 3, 2, 1, .same, 1, [1, 2, 103, 200, 10300, 20000]),
            (4, 4, 3, 1, .same, 0, [3, 104, 200, 300, 10400, 20000, 30000, 1040000, 2000000]),
            (3, 4, 2, 1, .same, 1, [2, 103, 204, 10300, 20400]),
            (3, 2, 3, 1, .same, -1, [1, 2, 0, 100, 200, 0, 10000, 20000, 0]),
            (4, 3, 1, 2, .same, -1, [10002, 1000200, 20003, 2000300]),
        ]

    @Test(arguments: transposed.indices) func transposedConvolutionsAreKerass(row: Int) throws {
        let one = FramingTests.transposed[row]
        let layer = layer(.conv2DTranspose) {
            ($0.units, $0.kernel, $0.flags) = (1, Pair(one.kernel, 1), .noBias)
            ($0.stride, $0.dilation, $0.padding) = (Pair(one.stride, 1), Pair(one.dilation, 1), one.4)
            $0.outputPadding = Pair(one.padding, one.padding < 0 ? -1 : 0)
        }
        let model = try MartletModelsTests.model([one.size, 1, 1], [layer])
        let kernel = try model.parameterMemory()
        for place in 0..<one.kernel { kernel[place] = Float(place + 1) }
        let x = (0..<one.size).reduce(into: [Float]()) { x, _ in x.append((x.last ?? 0.01) * 100) }
        #expect(try model.predict(x) == one.6, "\(one)")
    }

    /// torch's padding=1, output_padding=1 for a kernel of 3 and a stride of 2.
    @Test func transposedConvolutionsTakePadsAsTorchDoes() throws {
        let layer = layer(.conv2DTranspose) {
            ($0.units, $0.kernel, $0.flags, $0.stride) = (1, Pair(3, 1), .noBias, Pair(2, 1))
            ($0.padding, $0.pads, $0.outputPadding) = (.explicit, [1, 1, 0, 0], Pair(1, 0))
        }
        let model = try MartletModelsTests.model([3, 1, 1], [layer])
        let kernel = try model.parameterMemory()
        for place in 0..<3 { kernel[place] = Float(place + 1) }
        #expect(try model.predict([1, 100, 10_000]) == [2, 103, 200, 10_300, 20_000, 30_000])
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
        // By up to one pixel, of which the nearer is shown; and by any part of one.
        let nearer = layer(.randomTranslation) { ($0.pads, $0.flags) = ([0, 1 << 16, 0, 0], .fillWrapped) }
        #expect(try Set(steps(nearer)).count == 2)
        #expect(try Set(steps(layer(.randomTranslation) { ($0.pads, $0.flags) = (nearer.pads, .bilinear) })).count > 30)
        // Losses of some 10^9 in fp32, of which a few may be the same.
        #expect(try Set(steps(layer(.gaussianNoise))).count > 20)
        #expect(try steps(both) == steps(both) && steps(both) != steps(both, seed: 2))
    }
}
