// Where a window that slides over an image fits: the geometry that convolution and pooling share.
import MartletKernelInterface
import MartletPlatform

extension ImageWindow {
    /// The geometry of a layer over images of a shape (height, width, channels), for a batch of 0.
    /// Throws `.shape` where the input is no image, or the window fits nowhere in it.
    ///
    /// A sequence is an image of height 1.
    init(_ layer: Layer, input sequenceOrImage: Shape, _ subject: String) throws(MartletError) {
        let input = try layer.images(sequenceOrImage, subject)
        let layer = layer.overImages(input)
        let isConvolution = layer.kind.isConvolution
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

    /// The geometry of a transposed convolution, whose output the window slides over. Throws `.shape`.
    init(transposed layer: Layer, input sequenceOrImage: Shape, _ subject: String) throws(MartletError) {
        let input = try layer.images(sequenceOrImage, subject)
        let rows = try Span(
            transposed: layer, input[0], layer.kernel.height, layer.stride.height, layer.dilation.height,
            layer.outputPadding.height, before: layer.pads[0], after: layer.pads[1], subject)
        let columns = try Span(
            transposed: layer, input[1], layer.kernel.width, layer.stride.width, layer.dilation.width,
            layer.outputPadding.width, before: layer.pads[2], after: layer.pads[3], subject)
        self.init(
            batch: 0, height: rows.count, width: columns.count, channels: layer.units, outHeight: input[0],
            outWidth: input[1], kernelHeight: layer.kernel.height, kernelWidth: layer.kernel.width,
            strideHeight: layer.stride.height, strideWidth: layer.stride.width, dilationHeight: layer.dilation.height,
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

    /// Of a transposed convolution: as many pixels as its output has, and how many are cut off before them. With output
    /// padding as Keras has it, and where there is none asked for (-1) as it chooses then.
    init(
        transposed layer: Layer, _ size: Int, _ window: Int, _ stride: Int, _ dilation: Int, _ outputPadding: Int,
        before: Int, after: Int, _ subject: String
    ) throws(MartletError) {
        let reach = (window - 1) * dilation + 1
        let between = (size - 1) * stride
        let more = max(outputPadding, 0)
        switch layer.padding {
        case .valid: (self.before, count) = (0, between + (outputPadding < 0 ? max(reach, stride) : reach + more))
        case .explicit: (self.before, count) = (before, between + reach - before - after + more)
        case .same:
            count = between + (outputPadding < 0 ? stride : reach % 2 + more)
            // What the kernel spans more than its share of the output, half of it at either end.
            self.before = max((between + reach - count) / 2, 0)
        }
        guard count >= 1 else {
            throw MartletError(.shape, "\(subject)'s output has \(count) rows or columns; expected 1 or more")
        }
    }

    private static func places(_ size: Int, _ reach: Int, _ stride: Int) -> Int {
        size < reach ? 0 : (size - reach) / stride + 1
    }
}

extension Layer {
    /// The input as an image: of a sequence one of height 1. Throws `.shape` where it is neither.
    func images(_ input: Shape, _ subject: String) throws(MartletError) -> Shape {
        if kind.isOneDimensional && input.rank == 2 { return try Shape([1] + input.list, subject) }
        guard input.rank == 3 && !kind.isOneDimensional else {
            let wanted = kind.isOneDimensional ? "sequences: (length, channels)" : "images: (height, width, channels)"
            throw MartletError(.shape, "\(subject)'s input is \(input); expected \(wanted)")
        }
        return input
    }

    /// The sizes, along which the window slides, of a kernel or an output that is so high and so wide as an image.
    func windowSizes(_ height: Int, _ width: Int) -> [Int] { kind.isOneDimensional ? [width] : [height, width] }

    /// The layer with the numbers of one that slides over images: the first of each pair is of a sequence's length. A window
    /// of a global pool is the whole image.
    fileprivate func overImages(_ input: Shape) -> Layer {
        var layer = self
        if kind == .globalMaxPool1D || kind == .globalMaxPool2D {
            // Whatever else the layer says, which a global pool does not read.
            (layer.kernel, layer.stride, layer.dilation) = (Pair(input[0], input[1]), Pair(1, 1), Pair(1, 1))
            (layer.padding, layer.pads) = (.valid, [0, 0, 0, 0])
        } else if kind.isOneDimensional {
            layer.kernel = Pair(1, kernel.height)
            layer.stride = Pair(min(stride.height, 1), stride.height)
            layer.dilation = Pair(1, dilation.height)
            layer.pads = [0, 0, pads[0], pads[1]]
        }
        return layer
    }
}
