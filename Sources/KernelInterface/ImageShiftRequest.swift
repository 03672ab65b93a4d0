// The request that gives images another frame: zeros around them, a part of them, moved or mirrored, each image by random
// numbers of its own where it is asked for. The arithmetic is in Kernels/ImageShift.swift.

/// Along one direction: pixel i of what is made is pixel i + offset of the image, counted from its end where it is mirrored,
/// or 0 where there is none.
package struct Shift: BitwiseCopyable {
    /// The least offset, and how many there are to draw from.
    package var first: Int
    package var choices: Int
    /// Whether every other image, by chance, is mirrored.
    package var mirrors: Bool

    package init(first: Int = 0, choices: Int = 1, mirrors: Bool = false) {
        (self.first, self.choices, self.mirrors) = (first, choices, mirrors)
    }
}

/// [batch, height, width, channels], and the same with another height and width. Choices are less than 2^32.
@unsafe package struct ImageShiftRequest: PieceRequest {
    package static var kernel: Kernel { .imageShift }
    package let channels: Int
    package let rows: Shift
    package let columns: Shift
    /// Of the random numbers, of which each image has those of its place in the batch.
    package let key: UInt64
    package let step: UInt64
    /// Whether `from` is the gradient of what was made, and `to` that of the images.
    package let isBackward: Bool
    package let from: UnsafePointer<Float>
    package let height: Int
    package let width: Int
    package let to: UnsafeMutablePointer<Float>
    package let toHeight: Int
    package let toWidth: Int
    /// Runs of images.
    package let cut: Cut

    package init(
        batch: Int, channels: Int, rows: Shift, columns: Shift, key: UInt64, step: UInt64, isBackward: Bool,
        from: UnsafePointer<Float>, height: Int, width: Int, to: UnsafeMutablePointer<Float>, toHeight: Int,
        toWidth: Int
    ) {
        unsafe (self.channels, self.rows, self.columns) = (channels, rows, columns)
        unsafe (self.key, self.step, self.isBackward) = (key, step, isBackward)
        unsafe (self.from, self.height, self.width) = unsafe (from, height, width)
        unsafe (self.to, self.toHeight, self.toWidth) = unsafe (to, toHeight, toWidth)
        unsafe cut = Cut(batch, of: toHeight * toWidth * channels, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (toHeight * toWidth * channels / 8 + 100) }
}
