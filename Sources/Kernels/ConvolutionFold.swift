// The gradient of images of few channels: each position's parts, which a product has worked out for all taps together,
// are added to the pixels that the taps saw. Which convolutions go this way, Compute decides.

import MartletKernelInterface

/// One image of a `FoldRequest`. Each pixel adds up its taps in their order.
@inline(never)
func fold(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: FoldRequest = value(at: request)
    let window = request.window
    let columns = window.partCount
    let parts = request.parts + piece * window.outHeight * window.outWidth * columns
    for y in 0..<window.height {
        let row = request.imageGradient + (piece * window.height + y) * window.width * window.channels
        clearNumbers(row, count: window.width * window.channels)
        for down in 0..<window.kernelHeight {
            let distance = y + window.padTop - down * window.dilationHeight
            let position = distance / window.strideHeight
            if distance < 0 || distance % window.strideHeight != 0 || position >= window.outHeight { continue }
            let line = parts + position * window.outWidth * columns + down * window.kernelWidth * window.channels
            for across in 0..<window.kernelWidth { addTap(window, across, line, columns, to: row) }
        }
    }
}

/// Adds what one tap hands from a row of positions to a row of pixels.
@inline(__always)
private func addTap(
    _ window: ImageWindow, _ across: Int, _ line: UnsafePointer<Float>, _ columns: Int,
    to row: UnsafeMutablePointer<Float>
) {
    let (stride, channels) = (window.strideWidth, window.channels)
    let offset = across * window.dilationWidth - window.padLeft
    // Positions whose pixel is in the image.
    let first = offset >= 0 ? 0 : (stride - 1 - offset) / stride
    let last = window.width - 1 - offset
    if last < 0 { return }
    let end = min(window.outWidth, last / stride + 1)
    var position = first
    while position < end {
        let from = line + position * columns + across * channels
        let pixel = row + (position * stride + offset) * channels
        for channel in 0..<channels { put(number(pixel + channel) + number(from + channel), at: pixel + channel) }
        position += 1
    }
}
