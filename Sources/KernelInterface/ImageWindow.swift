// How a window slides over images: the shape that convolution and pooling share. Images are channels-last, [batch,
// height, width, channels]. No strides in memory and no checks: sizes have been checked where a model is built.

/// A window's sizes and steps over images, and the size of what comes out.
package struct ImageWindow: BitwiseCopyable {
    package var batch = 0
    package var height = 0
    package var width = 0
    package var channels = 0
    package var outHeight = 0
    package var outWidth = 0
    package var kernelHeight = 1
    package var kernelWidth = 1
    package var strideHeight = 1
    package var strideWidth = 1
    package var dilationHeight = 1
    package var dilationWidth = 1
    /// Rows and columns of padding before the image; what is needed behind it follows from the sizes.
    package var padTop = 0
    package var padLeft = 0

    package init() {}
}
