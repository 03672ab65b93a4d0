// Pooling and its gradients against plain loops in Double, over windows of many kinds: strides, gaps, padding on either
// side, windows that overlap, that leave places out, or lie in the padding; numbers of channels about the lanes' width.

import MartletCompute
import MartletKernelInterface
import MartletTestSupport
import Testing

@Suite struct PoolingTests {
    static let windows: [ImageWindow] = {
        var windows: [ImageWindow] = []
        for channels in [1, 3, 6, 15, 16, 17, 40] {
            for (kernel, stride, dilation, pad) in [
                ((2, 2), (2, 2), (1, 1), (0, 0)), ((3, 3), (2, 2), (1, 1), (1, 1)), ((3, 2), (1, 1), (1, 2), (1, 0)),
                ((1, 1), (3, 2), (1, 1), (0, 0)), ((2, 2), (1, 2), (2, 3), (1, 1)),
            ] {
                let (height, width) = (7, 9)
                let reach = (dilation.0 * (kernel.0 - 1) + 1, dilation.1 * (kernel.1 - 1) + 1)
                windows.append(
                    ImageWindow(
                        batch: 3, height: height, width: width, channels: channels,
                        outHeight: (height + 2 * pad.0 - reach.0) / stride.0 + 1,
                        outWidth: (width + 2 * pad.1 - reach.1) / stride.1 + 1, kernelHeight: kernel.0,
                        kernelWidth: kernel.1, strideHeight: stride.0, strideWidth: stride.1,
                        dilationHeight: dilation.0, dilationWidth: dilation.1, padTop: pad.0, padLeft: pad.1))
            }
        }
        // A pixel whose windows see padding alone.
        windows.append(
            ImageWindow(
                batch: 1, height: 1, width: 1, channels: 2, outHeight: 1, outWidth: 1, kernelHeight: 2, kernelWidth: 2,
                dilationHeight: 2, dilationWidth: 2, padTop: 1, padLeft: 1))
        return windows
    }()

    /// The places of the image that one output sees, in order.
    static func taps(_ window: ImageWindow, _ row: Int, _ column: Int) -> [Int] {
        var taps: [Int] = []
        for i in 0..<window.kernelHeight {
            for j in 0..<window.kernelWidth {
                let y = row * window.strideHeight - window.padTop + i * window.dilationHeight
                let x = column * window.strideWidth - window.padLeft + j * window.dilationWidth
                if (0..<window.height).contains(y) && (0..<window.width).contains(x) {
                    taps.append(y * window.width + x)
                }
            }
        }
        return taps
    }

    /// Calls `body` for every output: its number, the start of its image, and its elements there.
    static func each(_ window: ImageWindow, _ body: (_ output: Int, _ image: Int, _ elements: [Int]) -> Void) {
        var output = 0
        for image in 0..<window.batch {
            for row in 0..<window.outHeight {
                for column in 0..<window.outWidth {
                    let places = taps(window, row, column)
                    for channel in 0..<window.channels {
                        body(
                            output, image * window.height * window.width * window.channels,
                            places.map { $0 * window.channels + channel })
                        output += 1
                    }
                }
            }
        }
    }

    static func sizes(_ window: ImageWindow) -> (image: Int, out: Int) {
        let pixels = window.batch * window.channels
        return (pixels * window.height * window.width, pixels * window.outHeight * window.outWidth)
    }

    @Test(arguments: windows.indices) func largest(index: Int) throws {
        let window = Self.windows[index]
        let (size, outSize) = Self.sizes(window)
        // Whole numbers, so that there are equals.
        var image = randomFloats(size, seed: UInt64(index), scale: 6).map { $0.rounded() }
        image[size / 2] = .nan
        image[size / 3] = -.infinity
        let upstream = randomFloats(outSize, seed: 77)
        var (wanted, places) = ([Float](repeating: -.infinity, count: outSize), [Int32](repeating: -1, count: outSize))
        var gradients = [Double](repeating: 0, count: size)
        Self.each(window) { output, start, elements in
            for (number, element) in elements.enumerated() {
                let value = image[start + element]
                if number == 0 || value > wanted[output] || value.isNaN {
                    (wanted[output], places[output]) = (value, Int32(element))
                }
            }
            if places[output] >= 0 { gradients[start + Int(places[output])] += Double(upstream[output]) }
        }
        try Twins.each { execution in
            let (x, y) = (FencedFloats(image), FencedFloats(repeating: 7, count: outSize))
            let winners = Fenced<Int32>(repeating: 7, count: outSize)
            execution.run(MaxPoolRequest(window, image: x.pointer, out: y.pointer, places: winners.pointer))
            let isSame = zip(y.numbers, wanted).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
            #expect(isSame, "\(execution.isa.name), \(window)")
            #expect(winners.numbers == places, "\(execution.isa.name), \(window)")
            let (gradient, out) = (FencedFloats(upstream), FencedFloats(repeating: 7, count: size))
            execution.run(
                MaxPoolBackwardRequest(
                    window, gradient: gradient.pointer, places: winners.pointer, imageGradient: out.pointer))
            expectClose(out.numbers, gradients, "\(execution.isa.name), \(window)")
        }
    }

    @Test(arguments: windows.indices, [false, true]) func averages(index: Int, countsPadding: Bool) throws {
        let window = Self.windows[index]
        let (size, outSize) = Self.sizes(window)
        let (image, upstream) = (randomFloats(size, seed: UInt64(index)), randomFloats(outSize, seed: 78))
        var wanted = [Double](repeating: 0, count: outSize)
        var gradients = [Double](repeating: 0, count: size)
        Self.each(window) { output, start, elements in
            let count = countsPadding ? window.kernelHeight * window.kernelWidth : max(elements.count, 1)
            for element in elements {
                wanted[output] += Double(image[start + element]) / Double(count)
                gradients[start + element] += Double(upstream[output]) / Double(count)
            }
        }
        try Twins.each { execution in
            let (x, y) = (FencedFloats(image), FencedFloats(repeating: 7, count: outSize))
            execution.run(AveragePoolRequest(window, countsPadding: countsPadding, image: x.pointer, out: y.pointer))
            expectClose(y.numbers, wanted, "\(execution.isa.name), \(window)")
            let (gradient, out) = (FencedFloats(upstream), FencedFloats(repeating: 7, count: size))
            execution.run(
                AveragePoolBackwardRequest(
                    window, countsPadding: countsPadding, gradient: gradient.pointer, imageGradient: out.pointer))
            expectClose(out.numbers, gradients, "\(execution.isa.name), \(window)")
        }
    }

    @Test(arguments: [(1, 1, 1), (5, 64, 1), (3, 49, 17), (2, 600, 3), (40, 16, 64), (2, 2, 9000), (0, 4, 4)])
    func averagesOfWholeImages(batch: Int, places: Int, channels: Int) throws {
        let image = randomFloats(batch * places * channels, seed: 4)
        let upstream = randomFloats(batch * channels, seed: 5)
        let wanted = (0..<batch * channels).map { index in
            (0..<places).map { Double(image[((index / channels) * places + $0) * channels + index % channels]) }
                .reduce(0, +) / Double(places)
        }
        let gradients = image.indices.map { index in
            Double(upstream[index / (places * channels) * channels + index % channels]) / Double(places)
        }
        try Twins.each { execution in
            let (x, y) = (FencedFloats(image), FencedFloats(repeating: 7, count: batch * channels))
            execution.run(
                GlobalAverageRequest(
                    batch: batch, places: places, channels: channels, image: x.pointer, out: y.pointer))
            expectClose(y.numbers, wanted, "\(execution.isa.name)")
            let (gradient, out) = (FencedFloats(upstream), FencedFloats(repeating: 7, count: image.count))
            execution.run(
                GlobalAverageBackwardRequest(
                    batch: batch, places: places, channels: channels, gradient: gradient.pointer,
                    imageGradient: out.pointer))
            expectClose(out.numbers, gradients, absolute: 1e-9, "\(execution.isa.name)")
        }
    }

    @Test func threadsDoNotChangeBits() throws {
        let window = ImageWindow(
            batch: 30, height: 40, width: 40, channels: 9, outHeight: 20, outWidth: 20, kernelHeight: 3, kernelWidth: 3,
            strideHeight: 2, strideWidth: 2, padTop: 1, padLeft: 1)
        let (size, outSize) = Self.sizes(window)
        let image = randomFloats(size, seed: 1)
        try Twins.expectSameBits { execution in
            let (x, y) = (FencedFloats(image), FencedFloats(repeating: 7, count: outSize))
            let (winners, out) = (Fenced<Int32>(repeating: 7, count: outSize), FencedFloats(repeating: 7, count: size))
            execution.run(MaxPoolRequest(window, image: x.pointer, out: y.pointer, places: winners.pointer))
            execution.run(
                MaxPoolBackwardRequest(
                    window, gradient: y.pointer, places: winners.pointer, imageGradient: out.pointer))
            let largest = [y.numbers, out.numbers]
            execution.run(AveragePoolRequest(window, countsPadding: false, image: x.pointer, out: y.pointer))
            execution.run(
                AveragePoolBackwardRequest(
                    window, countsPadding: false, gradient: y.pointer, imageGradient: out.pointer))
            return largest + [y.numbers, out.numbers]
        }
    }
}
