// The requests for the gradients of a convolution over sequences of which each filter's largest output alone is read: of
// every sample and filter, one place of the window has a gradient. The arithmetic is in Kernels/Peaks.swift.

/// Where the outputs that are read lie, and their gradients: [batch, filters].
@unsafe package struct Peaks: BitwiseCopyable {
    /// Of the convolution: images of height 1, windows whose taps are neighbours.
    package let window: ImageWindow
    package let filters: Int
    package let gradient: UnsafePointer<Float>
    /// The outputs themselves, of which those of 0 or less have no gradient; nil: all have.
    package let rectified: UnsafePointer<Float>?
    /// Each one's element of its sample's outputs; negative where there is none.
    package let places: UnsafePointer<Int32>

    package init(
        _ window: ImageWindow, filters: Int, gradient: UnsafePointer<Float>, rectified: UnsafePointer<Float>?,
        places: UnsafePointer<Int32>
    ) {
        unsafe (self.window, self.filters) = (window, filters)
        unsafe (self.gradient, self.rectified, self.places) = unsafe (gradient, rectified, places)
    }
}

/// The gradients of the weights, [taps, channels, filters], and of the bias. Both are overwritten.
@unsafe package struct PeakWeightsRequest: PieceRequest {
    package static var kernel: Kernel { .peakWeights }
    package let peaks: Peaks
    package let image: UnsafePointer<Float>
    package let weightGradient: UnsafeMutablePointer<Float>
    package let biasGradient: UnsafeMutablePointer<Float>?
    /// Runs of filters.
    package let cut: Cut

    /// Those of a piece.
    private static var filters: Int { 16 }

    /// Whether the sums of a piece's filters have room in its scratch.
    package static func fits(_ window: ImageWindow, filters: Int) -> Bool {
        let perFilter = 4 * window.partCount
        return unsafe filters <= 4096 * Self.filters && perFilter * Self.filters <= PieceScratch.byteCount
    }

    package init(
        _ peaks: Peaks, image: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>,
        biasGradient: UnsafeMutablePointer<Float>?
    ) {
        unsafe (self.peaks, self.image) = unsafe (peaks, image)
        unsafe (self.weightGradient, self.biasGradient) = unsafe (weightGradient, biasGradient)
        unsafe cut = Cut(peaks.filters, by: PeakWeightsRequest.filters)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe peaks.nanoseconds }
}

/// The gradient of the images, which is overwritten. `weights` are [filters, taps, channels].
@unsafe package struct PeakImageRequest: PieceRequest {
    package static var kernel: Kernel { .peakImage }
    package let peaks: Peaks
    package let weights: UnsafePointer<Float>
    package let imageGradient: UnsafeMutablePointer<Float>
    /// Runs of samples.
    package let cut: Cut

    package init(_ peaks: Peaks, weights: UnsafePointer<Float>, imageGradient: UnsafeMutablePointer<Float>) {
        unsafe (self.peaks, self.weights, self.imageGradient) = unsafe (peaks, weights, imageGradient)
        unsafe cut = Cut(peaks.window.batch, by: 2)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe peaks.nanoseconds }
}

extension Peaks {
    fileprivate var nanoseconds: Int { unsafe window.batch * filters * (window.partCount / 16 + 10) }
}
