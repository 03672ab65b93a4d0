// The requests for images, or sequences, of which each group of neighbouring channels is brought to mean 0 and deviation 1,
// scaled and shifted; and the gradients of that: [batch, places, channels]. The arithmetic is in Kernels/GroupNorm.swift.

/// What is normalised together.
package struct ChannelGroups: BitwiseCopyable {
    /// The most groups.
    @inline(__always)
    package static var most: Int { 65_536 }

    package let places: Int
    package let channels: Int
    package let groups: Int

    package init(places: Int, channels: Int, groups: Int) {
        (self.places, self.channels, self.groups) = (places, channels, groups)
    }

    /// Channels of a group.
    @inline(__always)
    package var width: Int { channels / groups }
    /// Numbers of an image.
    @inline(__always)
    package var size: Int { places * channels }

    /// Runs of images.
    fileprivate func cut(_ batch: Int) -> Cut { Cut(batch, of: size, about: 8192) }

    fileprivate var nanoseconds: Int { size / 3 + channels * 2 }
}

/// y = (x - mean) / sqrt(variance + epsilon) scale + shift, with the mean and variance of each image's group. x and y may be
/// one array.
@unsafe package struct GroupNormRequest: PieceRequest {
    package static var kernel: Kernel { .groupNorm }
    package let shape: ChannelGroups
    package let epsilon: Float
    package let x: UnsafePointer<Float>
    /// One for each channel. nil: ones; nil: zeros.
    package let scale: UnsafePointer<Float>?
    package let shift: UnsafePointer<Float>?
    /// Two numbers for each image's group, its mean and 1 / sqrt(variance + epsilon).
    package let saved: UnsafeMutablePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        batch: Int, _ shape: ChannelGroups, epsilon: Float, x: UnsafePointer<Float>, scale: UnsafePointer<Float>?,
        shift: UnsafePointer<Float>?, saved: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.shape, self.epsilon) = (shape, epsilon)
        unsafe (self.x, self.scale, self.shift, self.saved, self.y) = unsafe (x, scale, shift, saved, y)
        unsafe cut = shape.cut(batch)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * shape.nanoseconds }
}

/// With n = (x - mean) / sqrt(variance + epsilon): gradient n, which the scale's gradient is the sum of; or the input's
/// gradient, (g - mean of g - n mean of g n) / sqrt(variance + epsilon) with g = gradient scale.
@unsafe package struct GroupNormBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .groupNormBackward }
    package let shape: ChannelGroups
    package let givesProducts: Bool
    package let x: UnsafePointer<Float>
    package let scale: UnsafePointer<Float>?
    package let saved: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        batch: Int, _ shape: ChannelGroups, givesProducts: Bool, x: UnsafePointer<Float>,
        scale: UnsafePointer<Float>?, saved: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.shape, self.givesProducts) = (shape, givesProducts)
        unsafe (self.x, self.scale, self.saved) = unsafe (x, scale, saved)
        unsafe (self.gradient, self.out) = unsafe (gradient, out)
        unsafe cut = shape.cut(batch)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * shape.nanoseconds }
}
