// The gradients of a convolution over sequences of which each filter's largest output alone is read: for each sample and
// filter one window, times one number.

import MartletKernelInterface

/// One window of a sample: the elements of its image that taps lie on, neighbours, and those of the weights.
private struct Span {
    let image, weights, count: Int

    /// - Parameter place: the output's element, of so many filters, in its sample.
    @inline(__always)
    init(_ window: ImageWindow, place: Int, filters: Int) {
        let start = place / filters * window.strideWidth - window.padLeft
        let first = start < 0 ? -start : 0
        let taps = min(window.kernelWidth, window.width - start) - first
        image = (start + first) * window.channels
        weights = first * window.channels
        count = max(taps, 0) * window.channels
    }
}

/// A peak's place and gradient; nil where it has none.
@_transparent
private func peak(_ peaks: Peaks, _ sample: Int, _ filter: Int) -> (span: Span, gradient: Float)? {
    let index = sample * peaks.filters + filter
    let place: Int32 = value(at: peaks.places + index)
    if place < 0 { return nil }
    if let rectified = peaks.rectified, number(rectified + index) <= 0 { return nil }
    return (Span(peaks.window, place: Int(place), filters: peaks.filters), number(peaks.gradient + index))
}

/// out += x factor, of neighbours.
@inline(__always)
private func add(_ count: Int, _ x: UnsafePointer<Float>, _ factor: Float, to out: UnsafeMutablePointer<Float>) {
    let factors = Floats(repeating: factor)
    var index = 0
    while index < count {
        let few = min(count - index, grain)
        store(few, multiplyAdd(load(few, out + index), load(few, x + index), factors), to: out + index)
        index += grain
    }
}

/// The gradients of one piece's filters: sums over all samples, in their order.
func peakWeights(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: PeakWeightsRequest = value(at: request)
    let peaks = request.peaks
    let (window, filters) = (peaks.window, peaks.filters)
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let size = window.partCount
    let sums = scratch.assumingMemoryBound(to: Float.self)
    clearNumbers(sums, count: (end - start) * size)
    for filter in start..<end {
        let own = sums + (filter - start) * size
        var total: Float = 0
        for sample in 0..<window.batch {
            guard let (span, gradient) = peak(peaks, sample, filter) else { continue }
            total += gradient
            let image = request.image + sample * window.width * window.channels
            add(span.count, image + span.image, gradient, to: own + span.weights)
        }
        if let bias = request.biasGradient { put(total, at: bias + filter) }
    }
    for part in 0..<size {
        for filter in start..<end {
            put(number(sums + (filter - start) * size + part), at: request.weightGradient + part * filters + filter)
        }
    }
}

/// The gradients of one piece's samples.
func peakImage(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: PeakImageRequest = value(at: request)
    let peaks = request.peaks
    let window = peaks.window
    let (size, image) = (window.partCount, window.width * window.channels)
    for sample in request.cut.start(piece)..<request.cut.end(piece) {
        let out = request.imageGradient + sample * image
        clearNumbers(out, count: image)
        for filter in 0..<peaks.filters {
            guard let (span, gradient) = peak(peaks, sample, filter) else { continue }
            add(span.count, request.weights + filter * size + span.weights, gradient, to: out + span.image)
        }
    }
}
