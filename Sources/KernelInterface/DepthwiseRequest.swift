// The requests for a convolution of each channel by itself, and its gradients: [batch, height, width, channels] and weights
// [kernelHeight, kernelWidth, channels]. The arithmetic is in Kernels/Depthwise.swift.

/// Which pixels one direction of a kernel sees: tap t at position p pixel (p * stride + first + t * step) / division, where
/// that is a whole number from 0 to below `count`.
package struct TapWay: BitwiseCopyable {
    package var taps: Int
    package var stride: Int
    package var first: Int
    package var step: Int
    package var division: Int
    /// Pixels, and positions.
    package var count: Int
    package var positions: Int

    /// - Parameter isBackward: whether the positions are the image's pixels, and the pixels the window's positions.
    package init(
        taps: Int, stride: Int, dilation: Int, pad: Int, count: Int, positions: Int, isBackward: Bool
    ) {
        (self.taps, self.stride, division) = isBackward ? (taps, 1, stride) : (taps, stride, 1)
        (first, step) = isBackward ? (pad, -dilation) : (-pad, dilation)
        (self.count, self.positions) = isBackward ? (positions, count) : (count, positions)
    }

    /// The pixel, or nil.
    @inline(__always)
    package func pixel(_ position: Int, _ tap: Int) -> Int? {
        let place = position * stride + first + tap * step
        if place < 0 || (division > 1 && place % division != 0) { return nil }
        let pixel = division > 1 ? place / division : place
        return pixel < count ? pixel : nil
    }
}

/// out = epilogue(bias + the sum over the taps of image weights), or the image's gradient from that of the results.
@unsafe package struct DepthwiseRequest: PieceRequest {
    /// The most taps.
    @inline(__always)
    package static var mostTaps: Int { 4096 }

    package static var kernel: Kernel { .depthwise }
    package let channels: Int
    package let down: TapWay
    package let across: TapWay
    package let image: UnsafePointer<Float>
    package let weights: UnsafePointer<Float>
    package let bias: UnsafePointer<Float>?
    package let epilogue: Epilogue
    package let out: UnsafeMutablePointer<Float>
    /// Runs of rows of all results.
    package let cut: Cut

    package init(
        _ window: ImageWindow, isBackward: Bool, image: UnsafePointer<Float>, weights: UnsafePointer<Float>,
        bias: UnsafePointer<Float>?, epilogue: Epilogue, out: UnsafeMutablePointer<Float>
    ) {
        unsafe channels = window.channels
        unsafe (down, across) = (window.down(isBackward: isBackward), window.across(isBackward: isBackward))
        unsafe (self.image, self.weights, self.bias) = unsafe (image, weights, bias)
        unsafe (self.epilogue, self.out) = unsafe (epilogue, out)
        unsafe cut = Cut(window.batch * down.positions, of: across.positions * channels, about: 4096)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int {
        unsafe cut.count * across.positions * ((channels + 15) / 16) * (down.taps * across.taps + 4)
    }
}

/// weightGradient = the sum over all positions of image gradient, for each tap and channel.
@unsafe package struct DepthwiseWeightsRequest: PieceRequest {
    package static var kernel: Kernel { .depthwiseWeights }
    package let batch: Int
    package let channels: Int
    package let down: TapWay
    package let across: TapWay
    package let image: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>
    package let weightGradient: UnsafeMutablePointer<Float>

    package init(
        _ window: ImageWindow, image: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>
    ) {
        unsafe (batch, channels) = (window.batch, window.channels)
        unsafe (down, across) = (window.down(isBackward: false), window.across(isBackward: false))
        unsafe (self.image, self.gradient, self.weightGradient) = unsafe (image, gradient, weightGradient)
    }

    /// Sixteen channels of a tap.
    package var pieces: Int { unsafe down.taps * across.taps * ((channels + 15) / 16) }
    package var nanoseconds: Int { unsafe pieces * batch * down.positions * (across.positions + 4) }
}

extension ImageWindow {
    fileprivate func down(isBackward: Bool) -> TapWay {
        TapWay(
            taps: kernelHeight, stride: strideHeight, dilation: dilationHeight, pad: padTop, count: height,
            positions: outHeight, isBackward: isBackward)
    }

    fileprivate func across(isBackward: Bool) -> TapWay {
        TapWay(
            taps: kernelWidth, stride: strideWidth, dilation: dilationWidth, pad: padLeft, count: width,
            positions: outWidth, isBackward: isBackward)
    }
}
