// The runs of a convolution's kernels: some taps and channels after others where not all go at once, weights first
// copied into panels, positions then dealt out in pieces.
import MartletKernelInterface

extension Execution {
    /// Does a walk with weights from `source`; the request's own say nothing yet.
    func slide(_ request: SlideRequest, _ source: WeightSource) {
        let whole = unsafe request.window
        let plan = unsafe StripPlan(whole, positions: 1 << 20, columns: request.columns)
        var request = unsafe request
        unsafe request.window.pieceImages = plan.images
        unsafe request.window.pieceHeight = plan.height
        unsafe request.window.pieceWidth = plan.width
        guard unsafe whole.inner > 0 else {
            unsafe run(request)
            return
        }
        unsafe request.weights = UnsafePointer(shared.assumingMemoryBound(to: Float.self))
        let epilogue = unsafe request.epilogue
        let out = unsafe request.out
        let bias = unsafe request.bias
        let columns = unsafe request.columns
        unsafe forEachPart(of: whole, plan) { window, channel, isFirst, isLast in
            unsafe request.window = window
            unsafe request.accumulates = !isFirst
            unsafe request.epilogue = isLast ? epilogue : .none
            var column = 0
            let most =
                unsafe Execution.sharedByteCount / ProductLimits.panelBytes(inner: window.inner)
                * ProductLimits.panelColumns
            while column < columns {
                let count = min(columns - column, most)
                unsafe request.columns = count
                unsafe request.out = out + column
                unsafe request.bias = bias.map { unsafe $0 + column }
                let start = unsafe source.base + channel * source.depth + column * source.column
                unsafe copyPanels(request, start, source)
                unsafe run(request)
                column += count
            }
        }
    }

    /// Copies the weights of a walk into panels, in the shared scratch.
    private func copyPanels(_ request: SlideRequest, _ base: UnsafePointer<Float>, _ source: WeightSource) {
        let window = unsafe request.window
        unsafe run(
            WeightPanelsRequest(
                weights: base, tapsDown: window.tapsDown, tapsAcross: window.tapsAcross, rowStride: source.row,
                tapStride: source.tap, depth: window.depth, columns: request.columns, depthStride: source.depth,
                columnStride: source.column, panels: shared.assumingMemoryBound(to: Float.self)))
    }

    /// Does the gradient of weights; the request's pieces say nothing yet.
    func addUpWeights(_ request: WeightGradientRequest) {
        let whole = unsafe request.window
        let plan = unsafe StripPlan(whole, positions: ConvolutionLimits.positions, columns: request.columns)
        var request = unsafe request
        unsafe request.window.pieceImages = plan.images
        unsafe request.window.pieceHeight = plan.height
        unsafe request.window.pieceWidth = plan.width
        let target = unsafe request
        unsafe forEachPart(of: whole, plan) { window, channel, _, _ in
            unsafe request = unsafe target
            unsafe request.window = window
            let down = unsafe (window.tapsDown.firstIndex, window.tapsAcross.firstIndex)
            unsafe request.out += down.0 * target.outRow + down.1 * target.outTap + channel * target.outChannel
            unsafe addUpPart(&request)
        }
    }

    /// Does the gradient of the weights of some taps and channels.
    private func addUpPart(_ request: inout WeightGradientRequest) {
        let window = unsafe request.window
        let weights = unsafe window.inner * request.columns
        let wanted = unsafe min(max(request.work / 2_000_000, 1), 16)
        let out = unsafe request.out
        let (outRow, outTap, outChannel) = unsafe (request.outRow, request.outTap, request.outChannel)
        // Results of their own for some positions each, as many as there is room for, and added up at the end.
        let room = unsafe Execution.sharedByteCount / (weights * 4)
        unsafe request.partials = max(min(wanted, window.pieces, room), 1)
        if unsafe request.partials > 1 {
            unsafe request.out = shared.assumingMemoryBound(to: Float.self)
            unsafe request.partialStride = weights
            unsafe request.outChannel = request.columns
            unsafe request.outTap = window.depth * request.columns
            unsafe request.outRow = unsafe window.tapsAcross.count * request.outTap
        }
        unsafe request.pieceColumns = min(request.pieceColumns, ConvolutionLimits.columns)
        // Else pieces that see all positions, for some of the weights each.
        if unsafe request.partials < min(wanted, 8) {
            unsafe request.pieceTapRows = 1
            if unsafe request.partials * request.tapRowPieces < wanted {
                unsafe request.pieceColumns = min(request.pieceColumns, ProductLimits.panelColumns)
            }
        }
        unsafe run(request)
        guard unsafe request.partials > 1 else { return }
        for y in 0..<(unsafe window.tapsDown.count) {
            for x in 0..<(unsafe window.tapsAcross.count) {
                let from = unsafe request.out + y * request.outRow + x * request.outTap
                unsafe addPartials(
                    from, partials: request.partials, partialStride: weights, rows: window.depth,
                    columns: request.columns, to: out + y * outRow + x * outTap, outStride: outChannel)
            }
        }
    }

    /// Adds up results in order.
    private func addPartials(
        _ partials: UnsafeMutablePointer<Float>, partials count: Int, partialStride: Int, rows: Int, columns: Int,
        to out: UnsafeMutablePointer<Float>, outStride: Int
    ) {
        let nothing = unsafe Factor(base: partials, rowStride: 1, columnStride: 1)
        let product = unsafe MatrixProduct(
            rows: rows, inner: 0, columns: columns, left: nothing, right: nothing, out: out, outStride: outStride)
        unsafe run(
            ProductSumRequest(
                product, partials: partials, count: count, stride: partialStride, isFirst: true, isLast: true))
    }

    /// Calls `body` for all taps and channels of a walk, as many at a time as the plan says: with the window of these,
    /// their first channel, and whether they are the first and the last.
    private func forEachPart(
        of whole: SlidingWindow, _ plan: StripPlan, _ body: (SlidingWindow, Int, Bool, Bool) -> Void
    ) {
        var part = unsafe whole
        unsafe part.pieceImages = plan.images
        unsafe part.pieceHeight = plan.height
        unsafe part.pieceWidth = plan.width
        var y = 0
        while unsafe y < whole.tapsDown.count {
            unsafe part.tapsDown = whole.tapsDown.part(y, count: min(plan.tapsDown, whole.tapsDown.count - y))
            var x = 0
            while unsafe x < whole.tapsAcross.count {
                let across = unsafe min(plan.tapsAcross, whole.tapsAcross.count - x)
                unsafe part.tapsAcross = whole.tapsAcross.part(x, count: across)
                var channel = 0
                while unsafe channel < whole.depth {
                    unsafe part.depth = unsafe min(plan.depth, whole.depth - channel)
                    unsafe part.image = unsafe whole.image + channel
                    let isFirst = y == 0 && x == 0 && channel == 0
                    let isLast =
                        unsafe y + plan.tapsDown >= whole.tapsDown.count
                        && x + plan.tapsAcross >= whole.tapsAcross.count && channel + plan.depth >= whole.depth
                    unsafe body(part, channel, isFirst, isLast)
                    channel += plan.depth
                }
                x += plan.tapsAcross
            }
            y += plan.tapsDown
        }
    }
}
