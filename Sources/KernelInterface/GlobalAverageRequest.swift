// The requests for the average of each channel over the places (height x width) of each image, and its gradient:
// [batch, places, channels] and [batch, channels]. The arithmetic is in Kernels/GlobalAverage.swift.

@unsafe package struct GlobalAverageRequest: PieceRequest {
    package static var kernel: Kernel { .globalAverage }
    package let places: Int
    package let channels: Int
    package let image: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    /// Runs of images.
    package let cut: Cut

    package init(
        batch: Int, places: Int, channels: Int, image: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.places, self.channels, self.image, self.out) = unsafe (places, channels, image, out)
        unsafe cut = Cut(batch, of: places * channels, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * places * (channels / 16 + 1) }
}

/// Gives each place its share of the image's gradient. `imageGradient` is overwritten.
@unsafe package struct GlobalAverageBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .globalAverageBackward }
    package let places: Int
    package let channels: Int
    package let gradient: UnsafePointer<Float>
    package let imageGradient: UnsafeMutablePointer<Float>
    /// Runs of images.
    package let cut: Cut

    package init(
        batch: Int, places: Int, channels: Int, gradient: UnsafePointer<Float>,
        imageGradient: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.places, self.channels) = (places, channels)
        unsafe (self.gradient, self.imageGradient) = unsafe (gradient, imageGradient)
        unsafe cut = Cut(batch, of: places * channels, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * places * (channels / 16 + 1) }
}
