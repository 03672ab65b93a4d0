// How the walk of a convolution is cut: which taps and channels at a time, and which positions make a piece, so that the
// part of the images that a piece sees stays in the fast caches. All of it follows from shapes alone.
import MartletKernelInterface

/// The cutting of one `SlidingWindow`.
struct StripPlan {
    /// Channels, rows of taps and columns of taps at a time.
    var depth: Int
    var tapsDown: Int
    var tapsAcross: Int
    /// Positions of a piece.
    var images = 1
    var height: Int
    var width: Int

    /// Bytes of images that stay in the second-level cache beside the weights.
    private static var comfortableBytes: Int { 256 << 10 }

    /// - Parameters:
    ///   - positions: the most positions of a piece.
    ///   - columns: results of each position, for the work that a piece is.
    init(_ window: SlidingWindow, positions: Int, columns: Int) {
        depth = unsafe min(window.depth, 512)
        tapsDown = unsafe window.tapsDown.count
        tapsAcross = unsafe window.tapsAcross.count
        height = 1
        width = unsafe min(window.outWidth, positions)
        // As much of the kernel at a time as goes, and rows of positions that are not too short.
        for (down, across) in [(tapsDown, tapsAcross), (1, tapsAcross), (1, 1)] {
            (tapsDown, tapsAcross) = (min(down, tapsDown), min(across, tapsAcross))
            width = unsafe min(window.outWidth, positions)
            let least = tapsDown <= 1 && tapsAcross <= 1 ? 1 : 16
            while width > least, unsafe !isPossible(window) { width = (width + 1) / 2 }
            if unsafe isPossible(window) { break }
        }
        height = unsafe window.outHeight
        let share = unsafe max(window.batch, 1)
        while height > 1, unsafe !isGood(window, positions) || isCoarse(window, columns, images: share) {
            height = (height + 1) / 2
        }
        guard unsafe height == window.outHeight && width == window.outWidth else { return }
        while unsafe images * 2 <= window.batch {
            images *= 2
            if unsafe isGood(window, positions) && !isCoarse(window, columns, images: share) { continue }
            images /= 2
            break
        }
    }

    private func bytes(_ window: SlidingWindow) -> Int {
        let down = unsafe window.tapsDown.part(0, count: tapsDown).span(height)
        let across = unsafe window.tapsAcross.part(0, count: tapsAcross).span(width)
        let (pixels, tooMany) = down.multipliedReportingOverflow(by: across)
        let (bytes, tooLarge) = pixels.multipliedReportingOverflow(by: depth * 4 * images)
        return tooMany || tooLarge ? .max : bytes
    }

    /// Whether a piece fits in the scratch, its weights in the shared one, and its taps in a list.
    private func isPossible(_ window: SlidingWindow) -> Bool {
        unsafe bytes(window) <= ConvolutionLimits.stripBytes
            && tapsDown * tapsAcross <= ConvolutionLimits.segments
            && ProductLimits.panelBytes(inner: tapsDown * tapsAcross * depth) <= Execution.sharedByteCount
    }

    private func isGood(_ window: SlidingWindow, _ positions: Int) -> Bool {
        unsafe bytes(window) <= (height == 1 ? ConvolutionLimits.stripBytes : StripPlan.comfortableBytes)
            && images * height * width <= positions && images * height <= ConvolutionLimits.segments
    }

    /// Whether there are few pieces, each of which is much work.
    private func isCoarse(_ window: SlidingWindow, _ columns: Int, images all: Int) -> Bool {
        let work = images * height * width * tapsDown * tapsAcross * depth * columns
        let pieces = unsafe all / images * ((window.outHeight + height - 1) / height)
        return work > 4_000_000 && pieces < 16
    }
}

extension TapLine {
    /// The taps of a convolution, forward.
    init(kernel: Int, stride: Int, dilation: Int, pad: Int) {
        self.init(count: kernel, firstIndex: 0, indexStep: 1, firstOffset: -pad, offsetStep: dilation, stride: stride)
    }

    /// The taps through which pixels `phase`, `phase + stride`, ... of the image reached a result, in the order of the
    /// results: tap k of pixel p belongs to result (p + pad - k * dilation) / stride, where that is a whole number. There
    /// is a line for each pair of phases, so the taps are solved for and not searched for.
    init(backwardOf kernel: Int, stride: Int, dilation: Int, pad: Int, phase: Int) {
        self.init(count: 0, firstIndex: 0, indexStep: 0, firstOffset: 0, offsetStep: 0, stride: 1)
        let (divisor, factor) = Self.divide(dilation, stride)
        let (period, distance) = (stride / divisor, phase + pad)
        guard distance % divisor == 0 else { return }
        let least = distance / divisor % period * factor % period
        guard least < kernel else { return }
        count = (kernel - 1 - least) / period + 1
        firstIndex = least + (count - 1) * period
        firstOffset = (distance - firstIndex * dilation) / stride
        if count > 1 { (indexStep, offsetStep) = (-period, period * dilation / stride) }
    }

    /// The greatest common divisor of two numbers over 0, and the factor from 0 up to b / divisor that makes a the divisor
    /// and multiples of b (Euclid).
    private static func divide(_ a: Int, _ b: Int) -> (divisor: Int, factor: Int) {
        var (old, new) = ((rest: a, factor: 1), (rest: b, factor: 0))
        while new.rest != 0 {
            let quotient = old.rest / new.rest
            (old, new) = (new, (old.rest - quotient * new.rest, old.factor - quotient * new.factor))
        }
        let period = b / old.rest
        return (old.rest, (old.factor % period + period) % period)
    }
}
