// Convolution over images in the order batch, height, width, channels, forward and both gradients. Each is turned into
// walks of one kind: the gradient of the image is a convolution of the results' gradient with the kernel turned round,
// one for each phase of the stride. Sums and copies are the kernels' business, cutting is ConvolutionPlan.swift's.
import MartletKernelInterface

extension Execution {
    /// out[n, y, x, f] = epilogue(bias[f] + the sum over the window of image · weights[i, j, c, f]), where filter f of
    /// `filters` sees the channels of its group. Pixels outside the image count as zeros.
    package func convolve(
        _ window: ImageWindow, filters: Int, groups: Int, image: UnsafePointer<Float>, weights: UnsafePointer<Float>,
        bias: UnsafePointer<Float>?, epilogue: Epilogue, out: UnsafeMutablePointer<Float>
    ) {
        guard window.positions > 0, filters > 0, groups > 0 else { return }
        if window.isPointwise && groups == 1 {
            unsafe multiply(
                MatrixProduct(
                    rows: window.positions, inner: window.channels, columns: filters,
                    left: Factor(base: image, rowStride: window.channels, columnStride: 1),
                    right: Factor(base: weights, rowStride: filters, columnStride: 1), out: out, outStride: filters,
                    bias: bias, epilogue: epilogue))
            return
        }
        let (depth, columns) = (window.channels / groups, filters / groups)
        for group in 0..<groups {
            unsafe slide(
                SlideRequest(
                    window: SlidingWindow(window, image + group * depth, depth: depth), weights: weights,
                    columns: columns, out: out + group * columns,
                    outImage: window.outHeight * window.outWidth * filters, outRow: window.outWidth * filters,
                    outPixel: filters, bias: bias.map { unsafe $0 + group * columns }, accumulates: false,
                    epilogue: epilogue),
                WeightSource(
                    base: weights + group * columns, row: window.kernelWidth * depth * filters, tap: depth * filters,
                    depth: filters, column: 1))
        }
    }

    /// The gradient of a convolution's image from the gradient of its results.
    package func convolveBackward(
        inputOf window: ImageWindow, filters: Int, groups: Int, gradient: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, imageGradient: UnsafeMutablePointer<Float>
    ) {
        guard window.batch * window.height * window.width * window.channels > 0, groups > 0 else { return }
        if window.isPointwise && groups == 1 {
            unsafe multiply(
                MatrixProduct(
                    rows: window.positions, inner: filters, columns: window.channels,
                    left: Factor(base: gradient, rowStride: filters, columnStride: 1),
                    right: Factor(base: weights, rowStride: 1, columnStride: filters), out: imageGradient,
                    outStride: window.channels))
            return
        }
        if groups == 1, let images = window.foldedImages(filters: filters) {
            unsafe fold(
                window, images: images, filters: filters, gradient: gradient, weights: weights,
                imageGradient: imageGradient)
            return
        }
        let (depth, columns) = (filters / groups, window.channels / groups)
        for phaseDown in 0..<min(window.strideHeight, window.height) {
            for phaseAcross in 0..<min(window.strideWidth, window.width) {
                let walk = unsafe SlidingWindow(backwardOf: window, gradient, filters, phaseDown, phaseAcross)
                for group in 0..<groups {
                    var walk = unsafe walk
                    unsafe walk.image += group * depth
                    unsafe walk.depth = depth
                    let pixel = phaseDown * window.width + phaseAcross
                    unsafe slide(
                        SlideRequest(
                            window: walk, weights: weights, columns: columns,
                            out: imageGradient + pixel * window.channels + group * columns,
                            outImage: window.height * window.width * window.channels,
                            outRow: window.strideHeight * window.width * window.channels,
                            outPixel: window.strideWidth * window.channels, bias: nil, accumulates: false,
                            epilogue: .none),
                        WeightSource(
                            base: weights + group * depth, row: window.kernelWidth * columns * filters,
                            tap: columns * filters, depth: 1, column: filters))
                }
            }
        }
    }

    /// The same for few channels, which would leave most lanes of a walk idle: some images at a time, a product works out
    /// what each position hands to all taps and channels, and each image collects it.
    private func fold(
        _ window: ImageWindow, images: Int, filters: Int, gradient: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, imageGradient: UnsafeMutablePointer<Float>
    ) {
        // Sums over so few filters are not cut, so the product leaves this memory to its results.
        let parts = unsafe shared.assumingMemoryBound(to: Float.self)
        var part = window
        var image = 0
        while image < window.batch {
            part.batch = min(images, window.batch - image)
            unsafe multiply(
                MatrixProduct(
                    rows: part.positions, inner: filters, columns: window.partCount,
                    left: Factor(
                        base: gradient + image * window.outHeight * window.outWidth * filters, rowStride: filters,
                        columnStride: 1),
                    right: Factor(base: weights, rowStride: 1, columnStride: filters), out: parts,
                    outStride: window.partCount))
            let pixels = window.height * window.width * window.channels
            unsafe run(FoldRequest(window: part, parts: parts, imageGradient: imageGradient + image * pixels))
            image += part.batch
        }
    }

    /// The gradient of a convolution's weights from its image and the gradient of its results.
    package func convolveBackward(
        weightsOf window: ImageWindow, filters: Int, groups: Int, image: UnsafePointer<Float>,
        gradient: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>
    ) {
        guard groups > 0 else { return }
        let (depth, columns) = (window.channels / groups, filters / groups)
        guard window.positions > 0 else {
            let count = window.kernelHeight * window.kernelWidth * depth * filters
            unsafe weightGradient.update(repeating: 0, count: count)
            return
        }
        if window.isPointwise && groups == 1 {
            unsafe multiply(
                MatrixProduct(
                    rows: window.channels, inner: window.positions, columns: filters,
                    left: Factor(base: image, rowStride: 1, columnStride: window.channels),
                    right: Factor(base: gradient, rowStride: filters, columnStride: 1), out: weightGradient,
                    outStride: filters))
            return
        }
        for group in 0..<groups {
            unsafe addUpWeights(
                WeightGradientRequest(
                    window: SlidingWindow(window, image + group * depth, depth: depth),
                    gradient: gradient + group * columns, gradientPixel: filters, columns: columns,
                    out: weightGradient + group * columns, outRow: window.kernelWidth * depth * filters,
                    outTap: depth * filters, outChannel: filters))
        }
    }
}

extension ImageWindow {
    /// How many images are folded at a time: as many as there is shared memory for the parts of, where channels are few
    /// and the product that makes the parts is worth it; else nil.
    fileprivate func foldedImages(filters: Int) -> Int? {
        guard positions > 0, channels <= 8, partCount >= 16, partCount <= 512, filters >= 16, filters <= 1024 else {
            return nil
        }
        let images = unsafe Execution.sharedByteCount / 4 / (partCount * outHeight * outWidth)
        return images == 0 ? nil : images
    }

    /// Whether each position sees the one pixel that it stands on.
    fileprivate var isPointwise: Bool {
        kernelHeight == 1 && kernelWidth == 1 && strideHeight == 1 && strideWidth == 1 && padTop == 0 && padLeft == 0
            && outHeight == height && outWidth == width
    }
}

extension SlidingWindow {
    /// The walk of a convolution over some channels of its image.
    fileprivate init(_ window: ImageWindow, _ image: UnsafePointer<Float>, depth: Int) {
        unsafe self.init(
            image: image, batch: window.batch, height: window.height, width: window.width, depth: depth,
            pixelStride: window.channels,
            tapsDown: TapLine(
                kernel: window.kernelHeight, stride: window.strideHeight, dilation: window.dilationHeight,
                pad: window.padTop),
            tapsAcross: TapLine(
                kernel: window.kernelWidth, stride: window.strideWidth, dilation: window.dilationWidth,
                pad: window.padLeft),
            outHeight: window.outHeight, outWidth: window.outWidth)
    }

    /// The walk over a gradient for the pixels of one phase of the stride.
    fileprivate init(
        backwardOf window: ImageWindow, _ gradient: UnsafePointer<Float>, _ filters: Int, _ phaseDown: Int,
        _ phaseAcross: Int
    ) {
        unsafe self.init(
            image: gradient, batch: window.batch, height: window.outHeight, width: window.outWidth, depth: filters,
            pixelStride: filters,
            tapsDown: TapLine(
                backwardOf: window.kernelHeight, stride: window.strideHeight, dilation: window.dilationHeight,
                pad: window.padTop, phase: phaseDown),
            tapsAcross: TapLine(
                backwardOf: window.kernelWidth, stride: window.strideWidth, dilation: window.dilationWidth,
                pad: window.padLeft, phase: phaseAcross),
            outHeight: (window.height - phaseDown + window.strideHeight - 1) / window.strideHeight,
            outWidth: (window.width - phaseAcross + window.strideWidth - 1) / window.strideWidth)
    }
}

/// Where weights are: numbers from one kernel row, tap, row of weights and column to the next.
@unsafe struct WeightSource {
    var base: UnsafePointer<Float>
    var row: Int
    var tap: Int
    var depth: Int
    var column: Int
}
