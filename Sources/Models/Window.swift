// Where a window that slides over an image fits: the geometry that convolution and pooling share.
import MartletKernelInterface
import MartletPlatform

extension ImageWindow {
    /// The geometry of a layer over images of a shape (height, width, channels), for a batch of 0.
    /// Throws `.shape` where the input is no image, or the window fits nowhere in it.
    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        guard input.rank == 3 else {
            throw MartletError(
                .shape, "\(subject)'s input is \(input); expected images: (height, width, channels)")
        }
        let isConvolution = layer.kind == .conv2D
        let stride = layer.stride == Pair(0, 0) && !isConvolution ? layer.kernel : layer.stride
        guard stride.height > 0 && stride.width > 0 else {
            throw MartletError(
                .argument, "\(subject)'s stride is \(stride.height), \(stride.width); expected 1 or more, or 0, 0")
        }
        let rows = try Span(
            size: input[0], window: layer.kernel.height, stride: stride.height, dilation: layer.dilation.height,
            padding: layer.padding, before: layer.pads[0], after: layer.pads[1], "\(subject)'s window is higher")
        let columns = try Span(
            size: input[1], window: layer.kernel.width, stride: stride.width, dilation: layer.dilation.width,
            padding: layer.padding, before: layer.pads[2], after: layer.pads[3], "\(subject)'s window is wider")
        self.init(
            batch: 0, height: input[0], width: input[1], channels: input[2], outHeight: rows.count,
            outWidth: columns.count, kernelHeight: layer.kernel.height, kernelWidth: layer.kernel.width,
            strideHeight: stride.height, strideWidth: stride.width, dilationHeight: layer.dilation.height,
            dilationWidth: layer.dilation.width, padTop: rows.before, padLeft: columns.before)
    }

    /// The same geometry for a batch.
    func over(_ batch: Int) -> ImageWindow {
        var window = self
        window.batch = batch
        return window
    }
}

/// One direction of a window's way.
private struct Span {
    /// Places of the window.
    var count: Int
    /// Zeros before the image.
    var before: Int

    init(
        size: Int, window: Int, stride: Int, dilation: Int, padding: Padding, before: Int, after: Int,
        _ tooLarge: String
    ) throws(MartletError) {
        let reach = (window - 1) * dilation + 1
        // Pads count where they are asked for; elsewhere they are any numbers.
        let padded = padding == .explicit ? size + before + after : size
        switch padding {
        case .valid: (self.before, count) = (0, Span.places(size, reach, stride))
        case .explicit: (self.before, count) = (before, Span.places(padded, reach, stride))
        case .same:
            count = (size - 1) / stride + 1
            self.before = max((count - 1) * stride + reach - size, 0) / 2
        }
        guard count >= 1 else {
            throw MartletError(.shape, "\(tooLarge) (\(reach)) than its padded input (\(padded))")
        }
    }

    private static func places(_ size: Int, _ reach: Int, _ stride: Int) -> Int {
        size < reach ? 0 : (size - reach) / stride + 1
    }
}
