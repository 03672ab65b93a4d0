// How a window slides over a batch of images: what convolution and pooling share. Sizes and steps only; whether they fit
// each other is checked where layers are built, and what is computed in a window is the kernels' business.

/// A window over images in the order batch, height, width, channels. Output (y, x) sees the image's pixels
/// `(y * strideHeight - padTop + i * dilationHeight, x * strideWidth - padLeft + j * dilationWidth)` for i and j below
/// the kernel's sizes; those outside the image do not count, or count as zeros.
package struct ImageWindow: BitwiseCopyable {
    package var batch: Int
    package var height: Int
    package var width: Int
    package var channels: Int
    package var outHeight: Int
    package var outWidth: Int
    package var kernelHeight: Int
    package var kernelWidth: Int
    package var strideHeight: Int
    package var strideWidth: Int
    package var dilationHeight: Int
    package var dilationWidth: Int
    package var padTop: Int
    package var padLeft: Int

    @inline(__always)
    package init(
        batch: Int, height: Int, width: Int, channels: Int, outHeight: Int, outWidth: Int,
        kernelHeight: Int, kernelWidth: Int, strideHeight: Int = 1, strideWidth: Int = 1,
        dilationHeight: Int = 1, dilationWidth: Int = 1, padTop: Int = 0, padLeft: Int = 0
    ) {
        self.batch = batch
        self.height = height
        self.width = width
        self.channels = channels
        self.outHeight = outHeight
        self.outWidth = outWidth
        self.kernelHeight = kernelHeight
        self.kernelWidth = kernelWidth
        self.strideHeight = strideHeight
        self.strideWidth = strideWidth
        self.dilationHeight = dilationHeight
        self.dilationWidth = dilationWidth
        self.padTop = padTop
        self.padLeft = padLeft
    }

    /// Positions in all images.
    @inline(__always)
    package var positions: Int { batch * outHeight * outWidth }
    /// Numbers that a position sees.
    @inline(__always)
    package var partCount: Int { kernelHeight * kernelWidth * channels }
}
