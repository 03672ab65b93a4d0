// The request that moves images by parts of pixels, each by random numbers of its own. The arithmetic is in
// Kernels/ImageMove.swift.

/// What stands around an image: one number, or the image again, mirrored or from its other end, or its border.
package enum Surround: Int32, BitwiseCopyable {
    case number
    case reflected
    case wrapped
    case nearest
}

/// Along one direction: the least move, in pixels, and how much more it may be.
package struct Move: BitwiseCopyable {
    package let least: Float
    package let span: Float

    package init(least: Float, most: Float) { (self.least, span) = (least, most - least) }
}

/// [batch, height, width, channels], and the same again.
@unsafe package struct ImageMoveRequest: PieceRequest {
    package static var kernel: Kernel { .imageMove }
    package let height: Int
    package let width: Int
    package let channels: Int
    package let down: Move
    package let right: Move
    package let surround: Surround
    /// That of `.number`.
    package let number: Float
    /// Between two pixels the mean of both, by how near they are; else the nearer.
    package let isBilinear: Bool
    /// Of the random numbers, of which each image has those of its place in the batch.
    package let key: UInt64
    package let step: UInt64
    /// Whether `from` is the gradient of what was made, and `to` that of the images.
    package let isBackward: Bool
    package let from: UnsafePointer<Float>
    package let to: UnsafeMutablePointer<Float>
    /// Runs of images.
    package let cut: Cut

    package init(
        batch: Int, height: Int, width: Int, channels: Int, down: Move, right: Move, surround: Surround, number: Float,
        isBilinear: Bool, key: UInt64, step: UInt64, isBackward: Bool, from: UnsafePointer<Float>,
        to: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.height, self.width, self.channels) = (height, width, channels)
        unsafe (self.down, self.right, self.surround, self.number) = (down, right, surround, number)
        unsafe (self.isBilinear, self.key, self.step, self.isBackward) = (isBilinear, key, step, isBackward)
        unsafe (self.from, self.to) = unsafe (from, to)
        unsafe cut = Cut(batch, of: height * width * channels, about: 4096)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * height * width * (channels * 4 + 20) }
}
