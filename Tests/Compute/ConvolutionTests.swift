// Convolution, forward and both gradients, against a loop over its definition in Double: strides, paddings, dilations,
// groups and sizes that are no multiple of anything, on every instruction set, with the same bits for any threads.

import MartletCompute
import MartletKernelInterface
import MartletPlatform
import MartletTestSupport
import Testing

/// One convolution with numbers to work on.
private struct Trial {
    let window: ImageWindow
    let filters: Int
    let groups: Int
    /// Whether it runs as a convolution of each channel by itself, not as one of groups.
    var isDepthwise = false
    let image: Memory
    let weights: Memory
    let bias: Memory
    let gradient: Memory

    var depth: Int { window.channels / groups }

    init(_ window: ImageWindow, filters: Int, groups: Int, seed: UInt64) {
        (self.window, self.filters, self.groups) = (window, filters, groups)
        var generator = Generator(seed: seed)
        func numbers(_ count: Int) -> Memory {
            let memory = Memory(byteCount: count * 4)
            memory.withElements(Float.self) {
                for place in $0.indices { $0[place] = Float.random(in: -1...1, using: &generator) }
            }
            return memory
        }
        let w = window
        image = numbers(w.batch * w.height * w.width * w.channels)
        weights = numbers(w.kernelHeight * w.kernelWidth * w.channels / groups * filters)
        bias = numbers(filters)
        gradient = numbers(w.batch * w.outHeight * w.outWidth * filters)
    }

    /// Calls `body` for each product of the definition, with the places of its pixel, weight and result.
    func forEach(_ body: (_ pixel: Int, _ weight: Int, _ result: Int) -> Void) {
        let w = window
        let perGroup = filters / groups
        for n in 0..<w.batch {
            for oy in 0..<w.outHeight {
                for ox in 0..<w.outWidth {
                    for i in 0..<w.kernelHeight {
                        for j in 0..<w.kernelWidth {
                            let y = oy * w.strideHeight - w.padTop + i * w.dilationHeight
                            let x = ox * w.strideWidth - w.padLeft + j * w.dilationWidth
                            guard y >= 0, y < w.height, x >= 0, x < w.width else { continue }
                            let pixel = ((n * w.height + y) * w.width + x) * w.channels
                            let result = ((n * w.outHeight + oy) * w.outWidth + ox) * filters
                            for c in 0..<depth {
                                let weight = ((i * w.kernelWidth + j) * depth + c) * filters
                                for f in 0..<filters { body(pixel + f / perGroup * depth + c, weight + f, result + f) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Results, image gradient and weight gradient, by the definition.
    func reference(isReLU: Bool) -> [[Double]] {
        func doubles(_ memory: Memory) -> [Double] { memory.contents(Float.self).map(Double.init) }
        let (pixels, factors, gradients) = (doubles(image), doubles(weights), doubles(gradient))
        let biases = doubles(bias)
        var results = gradients.indices.map { isReLU ? biases[$0 % filters] : 0 }
        var imageGradient = pixels.map { _ in 0.0 }
        var weightGradient = factors.map { _ in 0.0 }
        forEach { pixel, weight, result in
            results[result] += pixels[pixel] * factors[weight]
            imageGradient[pixel] += gradients[result] * factors[weight]
            weightGradient[weight] += pixels[pixel] * gradients[result]
        }
        if isReLU { results = results.map { max($0, 0) } }
        return [results, imageGradient, weightGradient]
    }

    /// The same by the engine. What it writes to held NaN.
    func run(_ isa: InstructionSet, threads: Int, isReLU: Bool) throws -> [[Float]] {
        let outputs = [gradient, image, weights].map { Memory(byteCount: $0.byteCount) }
        for output in outputs { output.fill(Float.nan) }
        let execution = try Execution(mode: .exact, isa: isa, threads: threads, sharesAll: true)
        if isDepthwise {
            execution.run(
                DepthwiseRequest(
                    window, isBackward: false, image: image.pointer(), weights: weights.pointer(),
                    bias: isReLU ? UnsafePointer(bias.pointer()) : nil, epilogue: isReLU ? .relu : .none,
                    out: outputs[0].pointer()))
            execution.run(
                DepthwiseRequest(
                    window, isBackward: true, image: gradient.pointer(), weights: weights.pointer(), bias: nil,
                    epilogue: .none, out: outputs[1].pointer()))
            execution.run(
                DepthwiseWeightsRequest(
                    window, image: image.pointer(), gradient: gradient.pointer(), weightGradient: outputs[2].pointer()))
            return outputs.map { $0.contents(Float.self) }
        }
        execution.convolve(
            window, filters: filters, groups: groups, image: image.pointer(), weights: weights.pointer(),
            bias: isReLU ? UnsafePointer(bias.pointer()) : nil, epilogue: isReLU ? .relu : .none,
            out: outputs[0].pointer())
        execution.convolveBackward(
            inputOf: window, filters: filters, groups: groups, gradient: gradient.pointer(),
            weights: weights.pointer(), imageGradient: outputs[1].pointer())
        execution.convolveBackward(
            weightsOf: window, filters: filters, groups: groups, image: image.pointer(),
            gradient: gradient.pointer(), weightGradient: outputs[2].pointer())
        return outputs.map { $0.contents(Float.self) }
    }
}

@Suite struct ConvolutionTests {
    private static let names = ["results", "image gradient", "weight gradient"]

    private static func trial(
        _ batch: Int, _ size: (Int, Int), _ channels: Int, filters: Int, kernel: (Int, Int),
        stride: (Int, Int) = (1, 1),
        dilation: (Int, Int) = (1, 1), pad: (Int, Int, Int, Int) = (0, 0, 0, 0), groups: Int = 1
    ) -> Trial {
        let height = size.0 + pad.0 + pad.1 - (kernel.0 - 1) * dilation.0 - 1
        let width = size.1 + pad.2 + pad.3 - (kernel.1 - 1) * dilation.1 - 1
        let window = ImageWindow(
            batch: batch, height: size.0, width: size.1, channels: channels, outHeight: height / stride.0 + 1,
            outWidth: width / stride.1 + 1, kernelHeight: kernel.0, kernelWidth: kernel.1, strideHeight: stride.0,
            strideWidth: stride.1, dilationHeight: dilation.0, dilationWidth: dilation.1, padTop: pad.0, padLeft: pad.2)
        return Trial(window, filters: filters, groups: groups, seed: UInt64(batch + channels + filters))
    }

    /// A convolution of each channel by itself.
    private static func depthwise(
        _ batch: Int, _ size: (Int, Int), _ channels: Int, kernel: (Int, Int), stride: (Int, Int) = (1, 1),
        dilation: (Int, Int) = (1, 1), pad: (Int, Int, Int, Int) = (0, 0, 0, 0)
    ) -> Trial {
        var trial = trial(
            batch, size, channels, filters: channels, kernel: kernel, stride: stride, dilation: dilation, pad: pad,
            groups: channels)
        trial.isDepthwise = true
        return trial
    }

    /// Pads are top, bottom, left, right.
    private static var trials: [Trial] {
        [
            depthwise(2, (8, 8), 5, kernel: (3, 3), pad: (1, 1, 1, 1)),
            depthwise(3, (16, 12), 48, kernel: (3, 3), pad: (1, 1, 1, 1)),
            depthwise(2, (13, 12), 33, kernel: (3, 2), stride: (2, 3), dilation: (2, 3), pad: (2, 1, 3, 0)),
            depthwise(1, (30, 33), 3, kernel: (5, 7), stride: (6, 5), dilation: (4, 3), pad: (7, 3, 2, 9)),
            depthwise(1, (31, 26), 17, kernel: (9, 2), stride: (4, 12), dilation: (6, 8), pad: (11, 30, 0, 1)),
            depthwise(1, (30, 30), 2, kernel: (3, 3), pad: (40, 0, 0, 17)),
            trial(2, (8, 8), 5, filters: 7, kernel: (3, 3), pad: (1, 1, 1, 1)),
            trial(2, (16, 32), 16, filters: 32, kernel: (3, 3), pad: (1, 1, 1, 1)),
            trial(2, (13, 12), 3, filters: 16, kernel: (3, 2), stride: (2, 3), dilation: (2, 3), pad: (2, 1, 3, 0)),
            trial(11, (64, 64), 3, filters: 16, kernel: (3, 3), pad: (1, 1, 1, 1)),
            trial(3, (9, 11), 3, filters: 64, kernel: (3, 3), pad: (1, 1, 1, 1)),
            trial(2, (12, 10), 6, filters: 8, kernel: (3, 2), stride: (2, 3), pad: (1, 1, 0, 1)),
            trial(2, (13, 13), 8, filters: 12, kernel: (3, 3), stride: (2, 2), dilation: (2, 1), pad: (2, 2, 1, 1)),
            trial(1, (7, 7), 4, filters: 4, kernel: (5, 5), pad: (2, 2, 2, 2), groups: 4),
            trial(2, (10, 10), 8, filters: 6, kernel: (3, 3), stride: (2, 2), pad: (1, 1, 1, 1), groups: 2),
            trial(2, (6, 6), 40, filters: 33, kernel: (1, 1)),
            trial(2, (6, 7), 5, filters: 100, kernel: (3, 3), pad: (1, 1, 1, 1)),
            trial(2, (5, 5), 18, filters: 300, kernel: (2, 3)),
            trial(1, (5, 4), 20, filters: 160, kernel: (3, 3), pad: (1, 1, 1, 1), groups: 2),
            trial(2, (9, 9), 12, filters: 20, kernel: (1, 1), stride: (2, 2)),
            trial(1, (16, 16), 4, filters: 6, kernel: (3, 3), dilation: (4, 3), pad: (4, 4, 3, 3)),
            trial(1, (5, 5), 3, filters: 3, kernel: (7, 7), pad: (3, 3, 3, 3)),
            trial(2, (6, 5), 3, filters: 4, kernel: (2, 2), stride: (3, 3)),
            // Strides and dilations with one divisor in common, and with none.
            trial(2, (30, 33), 3, filters: 5, kernel: (5, 7), stride: (6, 5), dilation: (4, 3), pad: (7, 3, 2, 9)),
            trial(2, (31, 26), 3, filters: 5, kernel: (9, 2), stride: (4, 12), dilation: (6, 8), pad: (11, 30, 0, 1)),
            trial(40, (4, 4), 8, filters: 8, kernel: (3, 3), pad: (1, 1, 1, 1)),
            // Images that fit only part by part, channels in two parts, and padding larger than the image.
            trial(1, (3, 700), 300, filters: 5, kernel: (3, 5), stride: (1, 2), dilation: (1, 2), pad: (1, 1, 1, 1)),
            trial(1, (5, 5), 600, filters: 20, kernel: (3, 3), pad: (1, 1, 1, 1)),
            trial(1, (30, 30), 2, filters: 3, kernel: (3, 3), pad: (40, 0, 0, 17)),
            trial(1, (40, 36), 1, filters: 2, kernel: (36, 33)),
        ]
    }

    @Test(arguments: Twins.here) func agreesWithTheDefinitionInDouble(isa: InstructionSet) throws {
        for (number, trial) in Self.trials.enumerated() {
            let isReLU = number & 1 == 1
            let results = try trial.run(isa, threads: 1, isReLU: isReLU)
            for (place, (result, expected)) in zip(results, trial.reference(isReLU: isReLU)).enumerated() {
                let largest = expected.map(\.magnitude).max() ?? 0
                let wrong = zip(result, expected).enumerated().first {
                    !((Double($1.0) - $1.1).magnitude <= largest * 4e-6)
                }
                #expect(wrong == nil, "\(isa) trial \(number), \(Self.names[place]) \(String(describing: wrong))")
            }
        }
    }

    @Test(arguments: Twins.here) func threadsDoNotChangeABit(isa: InstructionSet) throws {
        let more = [Self.trial(24, (16, 16), 32, filters: 48, kernel: (3, 3), pad: (1, 1, 1, 1))]
        for (number, trial) in (Self.trials + more).enumerated() {
            let expected = try trial.run(isa, threads: 1, isReLU: false).map { $0.map(\.bitPattern) }
            for threads in [1, 2, 3, 7] {
                let isSame =
                    try trial.run(isa, threads: threads, isReLU: false).map { $0.map(\.bitPattern) } == expected
                #expect(isSame, "\(isa) trial \(number) on \(threads) threads")
            }
        }
    }

    /// A NaN outside the windows leaves no trace, and one inside reaches just the results that see it.
    @Test(arguments: Twins.here) func specialNumbersStayInTheirWindows(isa: InstructionSet) throws {
        let trial = Self.trial(1, (9, 9), 3, filters: 5, kernel: (2, 2), stride: (3, 3))
        let pixel = (4 * 9 + 4) * 3
        trial.image.pointer(Float.self)[pixel + 2] = .nan
        trial.image.pointer(Float.self)[(2 * 9 + 8) * 3] = .infinity
        let results = try trial.run(isa, threads: 1, isReLU: false)[0]
        for (place, result) in results.enumerated() {
            #expect(result.isNaN == (place / 5 == 4), "\(isa) result \(place) is \(result)")
            #expect(!result.isInfinite)
        }
    }
}
