// Operations of models on images, channels-last: pooling, averages over all places, dimensions that change places, and
// the choice of rows that makes a batch. Reads and writes do not overlap. Nothing is checked.
import MartletKernelInterface

extension Execution {
    /// The largest element of each window. `places` takes, for each output, which element of its image that is: the
    /// first of equals, and a NaN where there is one.
    package func maxPool(
        _ window: ImageWindow, image: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>,
        places: UnsafeMutablePointer<Int32>
    ) {
        let request = unsafe PoolRequest(
            window, countsPadding: false, x: image, y: out, places: places, isBackward: false)
        unsafe pool(.maxPool, request)
    }

    /// Adds each output's gradient to the element that it came from. `imageGradient` is overwritten.
    package func maxPoolBackward(
        _ window: ImageWindow, gradient: UnsafePointer<Float>, places: UnsafePointer<Int32>,
        imageGradient: UnsafeMutablePointer<Float>
    ) {
        let request = unsafe PoolRequest(
            window, countsPadding: false, x: gradient, y: imageGradient, places: UnsafeMutablePointer(mutating: places),
            isBackward: true)
        unsafe pool(.maxPoolBackward, request)
    }

    /// The average of each window; places in the padding are 0, and counted or not.
    package func averagePool(
        _ window: ImageWindow, countsPadding: Bool, image: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>
    ) {
        let request = unsafe PoolRequest(
            window, countsPadding: countsPadding, x: image, y: out, places: nil, isBackward: false)
        unsafe pool(.averagePool, request)
    }

    /// Spreads each output's gradient over its window. `imageGradient` is overwritten.
    package func averagePoolBackward(
        _ window: ImageWindow, countsPadding: Bool, gradient: UnsafePointer<Float>,
        imageGradient: UnsafeMutablePointer<Float>
    ) {
        let request = unsafe PoolRequest(
            window, countsPadding: countsPadding, x: gradient, y: imageGradient, places: nil, isBackward: true)
        unsafe pool(.averagePoolBackward, request)
    }

    private func pool(_ kernel: Kernel, _ request: PoolRequest) {
        var request = unsafe request
        let pieces = unsafe request.cut.pieces
        let window = unsafe request.window
        let outputs = window.batch * window.outHeight * window.outWidth
        let groups = (window.channels + 15) / 16
        // At most every output with every place of the image, which may be more than a number can hold.
        let taps = min(window.kernelHeight, window.height) * min(window.kernelWidth, window.width)
        let (nanoseconds, isBeyond) = (outputs * groups).multipliedReportingOverflow(by: taps + 4)
        unsafe run(kernel, on: &request, pieces: pieces, nanoseconds: isBeyond ? .max : nanoseconds)
    }

    /// The average over the `places` (height x width) of each image: [batch, places, channels] to [batch, channels].
    package func globalAverage(
        batch: Int, places: Int, channels: Int, image: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe GlobalAverageRequest(batch: batch, places: places, channels: channels, x: image, y: out)
        let pieces = unsafe request.cut.pieces
        unsafe run(
            .globalAverage, on: &request, pieces: pieces, nanoseconds: batch * places * (channels / 16 + 1))
    }

    /// Gives each place its share of the image's gradient. `imageGradient` is overwritten.
    package func globalAverageBackward(
        batch: Int, places: Int, channels: Int, gradient: UnsafePointer<Float>,
        imageGradient: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe GlobalAverageRequest(
            batch: batch, places: places, channels: channels, x: gradient, y: imageGradient)
        let pieces = unsafe request.cut.pieces
        unsafe run(
            .globalAverageBackward, on: &request, pieces: pieces,
            nanoseconds: batch * places * (channels / 16 + 1))
    }

    /// Dimension `d` of each of the batch that comes out is dimension `order[d]` of what goes in, whose sizes are
    /// given: (1, 2, 0) makes channels-last of channels-first.
    package func permute(
        batch: Int, sizes: (Int, Int, Int), order: (Int, Int, Int), x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe PermuteRequest(batch: batch, sizes: sizes, order: order, x: x, y: y)
        let pieces = unsafe request.cut.pieces
        unsafe run(
            .permute, on: &request, pieces: pieces, nanoseconds: batch * sizes.0 * sizes.1 * sizes.2)
    }

    /// Row `i` of `to` becomes row `rows[i]` of `from`.
    package func gather(
        rows: UnsafePointer<Int64>, count: Int, bytesPerRow: Int, from: UnsafeRawPointer, to: UnsafeMutableRawPointer
    ) {
        var request = unsafe GatherRequest(rows: rows, count: count, bytesPerRow: bytesPerRow, from: from, to: to)
        let pieces = unsafe request.cut.pieces
        unsafe run(.gather, on: &request, pieces: pieces, nanoseconds: count * (bytesPerRow / 8 + 20))
    }
}
