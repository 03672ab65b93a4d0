// The requests for pooling over images, channels-last, and its gradients. The arithmetic is in Kernels/Pooling.swift.

/// The largest element of each window.
@unsafe package struct MaxPoolRequest: PieceRequest {
    package static var kernel: Kernel { .maxPool }
    package let window: ImageWindow
    package let image: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    /// For each output which element of its image it is: the first of equals, and a NaN where there is one; -1 for a
    /// window wholly in the padding.
    package let places: UnsafeMutablePointer<Int32>
    package let cut: Cut

    package init(
        _ window: ImageWindow, image: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>,
        places: UnsafeMutablePointer<Int32>
    ) {
        unsafe (self.window, self.image, self.out, self.places) = unsafe (window, image, out, places)
        unsafe cut = window.outputRows
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe window.nanoseconds }
}

/// Adds each output's gradient to the element that it came from. `imageGradient` is overwritten.
@unsafe package struct MaxPoolBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .maxPoolBackward }
    package let window: ImageWindow
    package let gradient: UnsafePointer<Float>
    package let places: UnsafePointer<Int32>
    package let imageGradient: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        _ window: ImageWindow, gradient: UnsafePointer<Float>, places: UnsafePointer<Int32>,
        imageGradient: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.window, self.gradient, self.places) = unsafe (window, gradient, places)
        unsafe self.imageGradient = unsafe imageGradient
        unsafe cut = window.images
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe window.nanoseconds }
}

/// The average of each window, whose places in the padding are 0, and counted or not; or the sum.
@unsafe package struct AveragePoolRequest: PieceRequest {
    package static var kernel: Kernel { .averagePool }
    package let window: ImageWindow
    package let countsPadding: Bool
    package let isSum: Bool
    package let image: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        _ window: ImageWindow, countsPadding: Bool, isSum: Bool = false, image: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.window, self.countsPadding, self.isSum) = (window, countsPadding, isSum)
        unsafe (self.image, self.out) = unsafe (image, out)
        unsafe cut = window.outputRows
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe window.nanoseconds }
}

/// Spreads each output's gradient over its window. `imageGradient` is overwritten.
@unsafe package struct AveragePoolBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .averagePoolBackward }
    package let window: ImageWindow
    package let countsPadding: Bool
    package let isSum: Bool
    package let gradient: UnsafePointer<Float>
    package let imageGradient: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        _ window: ImageWindow, countsPadding: Bool, isSum: Bool = false, gradient: UnsafePointer<Float>,
        imageGradient: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.window, self.countsPadding, self.isSum) = (window, countsPadding, isSum)
        unsafe self.gradient = unsafe gradient
        unsafe self.imageGradient = unsafe imageGradient
        unsafe cut = window.images
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe window.nanoseconds }
}

extension ImageWindow {
    /// Runs of rows of all outputs.
    fileprivate var outputRows: Cut { Cut(batch * outHeight, by: 8192 / max(outWidth * channels, 1)) }

    /// Runs of images.
    fileprivate var images: Cut { Cut(batch, by: 16_384 / max(height * width * channels, 1)) }

    /// About how long pooling takes: at most every output with every place of the image, which may be more than a number
    /// can hold.
    fileprivate var nanoseconds: Int {
        let taps = min(kernelHeight, height) * min(kernelWidth, width)
        let groups = batch * outHeight * outWidth * ((channels + 15) / 16)
        let (nanoseconds, isBeyond) = groups.multipliedReportingOverflow(by: taps + 4)
        return isBeyond ? .max : nanoseconds
    }
}
