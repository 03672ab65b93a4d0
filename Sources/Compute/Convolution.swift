// Convolution over images in the order batch, height, width, channels, forward and both gradients.
import MartletKernelInterface

extension Execution {
    /// out[n, y, x, f] = epilogue(bias[f] + the sum over the window of image · weights[i, j, c, f]), where filter f of
    /// `filters` sees the channels of its group. Pixels outside the image count as zeros.
    package func convolve(
        _ window: ImageWindow, filters: Int, groups: Int, image: UnsafePointer<Float>, weights: UnsafePointer<Float>,
        bias: UnsafePointer<Float>?, epilogue: Epilogue, out: UnsafeMutablePointer<Float>
    ) {
        let pixels = window.batch * window.outHeight * window.outWidth
        for place in 0..<pixels * filters {
            let bias = unsafe bias?[place % filters] ?? 0
            unsafe out[place] = bias
        }
        unsafe visit(window, filters: filters, groups: groups) { image_, weight, result in
            unsafe out[result] += image[image_] * weights[weight]
        }
        guard epilogue == .relu else { return }
        for place in 0..<pixels * filters where unsafe out[place] < 0 { unsafe out[place] = 0 }
    }

    /// The gradient of a convolution's image from the gradient of what it put out.
    package func convolveBackward(
        inputOf window: ImageWindow, filters: Int, groups: Int, gradient: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, imageGradient: UnsafeMutablePointer<Float>
    ) {
        let count = window.batch * window.height * window.width * window.channels
        unsafe imageGradient.update(repeating: 0, count: count)
        unsafe visit(window, filters: filters, groups: groups) { image, weight, result in
            unsafe imageGradient[image] += gradient[result] * weights[weight]
        }
    }

    /// The gradient of a convolution's weights from its image and the gradient of what it put out.
    package func convolveBackward(
        weightsOf window: ImageWindow, filters: Int, groups: Int, image: UnsafePointer<Float>,
        gradient: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>
    ) {
        let count = window.kernelHeight * window.kernelWidth * (window.channels / groups) * filters
        unsafe weightGradient.update(repeating: 0, count: count)
        unsafe visit(window, filters: filters, groups: groups) { image_, weight, result in
            unsafe weightGradient[weight] += image[image_] * gradient[result]
        }
    }

    private func visit(
        _ w: ImageWindow, filters: Int, groups: Int, _ body: (_ image: Int, _ weight: Int, _ result: Int) -> Void
    ) {
        let depth = w.channels / groups
        for n in 0..<w.batch {
            for oy in 0..<w.outHeight {
                for ox in 0..<w.outWidth {
                    for ky in 0..<w.kernelHeight {
                        for kx in 0..<w.kernelWidth {
                            let y = oy * w.strideHeight - w.padTop + ky * w.dilationHeight
                            let x = ox * w.strideWidth - w.padLeft + kx * w.dilationWidth
                            guard y >= 0, y < w.height, x >= 0, x < w.width else { continue }
                            for c in 0..<depth {
                                for f in 0..<filters {
                                    let group = f / (filters / groups)
                                    body(
                                        ((n * w.height + y) * w.width + x) * w.channels + group * depth + c,
                                        ((ky * w.kernelWidth + kx) * depth + c) * filters + f,
                                        ((n * w.outHeight + oy) * w.outWidth + ox) * filters + f)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
