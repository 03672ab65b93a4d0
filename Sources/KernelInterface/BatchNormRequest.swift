// The requests for batch normalisation over rows x channels and its gradient: sums over parts of the rows, what follows
// from them for each channel, and the elements. Means and deviations are two arrays of `channels` numbers, one behind the
// other. The arithmetic is in Kernels/BatchNorm.swift, and of the gradient in Kernels/BatchNormGradient.swift.

/// Mean and sum of squared differences from it, of each part of the rows.
@unsafe package struct BatchNormMomentsRequest: PieceRequest {
    package static var kernel: Kernel { .batchNormMoments }
    package let slab: ColumnSlab
    package let x: UnsafePointer<Float>

    package init(_ slab: ColumnSlab, x: UnsafePointer<Float>) {
        unsafe (self.slab, self.x) = unsafe (slab, x)
    }

    package var pieces: Int { unsafe slab.parts.pieces }
    package var nanoseconds: Int { unsafe slab.rows * slab.count / 6 }
}

/// The parts put together: writes what is saved and moves the moving statistics.
@unsafe package struct BatchNormStatisticsRequest: PieceRequest {
    package static var kernel: Kernel { .batchNormStatistics }
    package let slab: ColumnSlab
    package let momentum: Double
    package let epsilon: Float
    /// Whether the moving variance is that of n - 1.
    package let unbiased: Bool
    /// Means and variances.
    package let moving: UnsafeMutablePointer<Float>
    /// Means and 1 / sqrt(variance + epsilon).
    package let saved: UnsafeMutablePointer<Float>

    package init(
        _ slab: ColumnSlab, momentum: Double, epsilon: Float, unbiased: Bool, moving: UnsafeMutablePointer<Float>,
        saved: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.slab, self.momentum, self.epsilon, self.unbiased) = unsafe (slab, momentum, epsilon, unbiased)
        unsafe (self.moving, self.saved) = unsafe (moving, saved)
    }

    package var pieces: Int { 1 }
    package var nanoseconds: Int { unsafe slab.count * slab.parts.pieces / 4 }
}

/// y = (x - mean) / deviation * scale + shift.
@unsafe package struct BatchNormApplyRequest: PieceRequest {
    package static var kernel: Kernel { .batchNormApply }
    package let channels: Int
    /// Means and 1 / deviation, or where there is an epsilon, means and variances.
    package let statistics: UnsafePointer<Float>
    package let epsilon: Float?
    package let x: UnsafePointer<Float>
    package let scale: UnsafePointer<Float>?
    package let shift: UnsafePointer<Float>?
    package let y: UnsafeMutablePointer<Float>
    /// Runs of rows.
    package let cut: Cut

    package init(
        rows: Int, channels: Int, statistics: UnsafePointer<Float>, epsilon: Float?, x: UnsafePointer<Float>,
        scale: UnsafePointer<Float>?, shift: UnsafePointer<Float>?, y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.channels, self.statistics, self.epsilon) = unsafe (channels, statistics, epsilon)
        unsafe (self.x, self.scale, self.shift, self.y) = unsafe (x, scale, shift, y)
        unsafe cut = Cut(rows, of: channels, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * channels / 6 }
}

/// Sums of dy and of dy * (x - mean), of each part of the rows.
@unsafe package struct BatchNormGradientSumsRequest: PieceRequest {
    package static var kernel: Kernel { .batchNormGradientSums }
    package let slab: ColumnSlab
    package let x: UnsafePointer<Float>
    package let saved: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>

    package init(
        _ slab: ColumnSlab, x: UnsafePointer<Float>, saved: UnsafePointer<Float>, gradient: UnsafePointer<Float>
    ) {
        unsafe (self.slab, self.x, self.saved, self.gradient) = unsafe (slab, x, saved, gradient)
    }

    package var pieces: Int { unsafe slab.parts.pieces }
    package var nanoseconds: Int { unsafe slab.rows * slab.count / 6 }
}

/// The gradients of scale and shift; leaves the sums of all rows in the first part's place.
@unsafe package struct BatchNormGradientTotalsRequest: PieceRequest {
    package static var kernel: Kernel { .batchNormGradientTotals }
    package let slab: ColumnSlab
    package let saved: UnsafePointer<Float>
    package let scaleGradient: UnsafeMutablePointer<Float>?
    package let shiftGradient: UnsafeMutablePointer<Float>?

    package init(
        _ slab: ColumnSlab, saved: UnsafePointer<Float>, scaleGradient: UnsafeMutablePointer<Float>?,
        shiftGradient: UnsafeMutablePointer<Float>?
    ) {
        unsafe (self.slab, self.saved) = unsafe (slab, saved)
        unsafe (self.scaleGradient, self.shiftGradient) = unsafe (scaleGradient, shiftGradient)
    }

    package var pieces: Int { 1 }
    package var nanoseconds: Int { unsafe slab.count * slab.parts.pieces / 4 }
}

/// The gradient of the elements of some channels, whose sums of all rows stand in the first part's place. `out` may be
/// `gradient`.
@unsafe package struct BatchNormBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .batchNormBackward }
    package let slab: ColumnSlab
    package let x: UnsafePointer<Float>
    package let scale: UnsafePointer<Float>?
    package let saved: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    /// Runs of rows.
    package let cut: Cut

    package init(
        _ slab: ColumnSlab, x: UnsafePointer<Float>, scale: UnsafePointer<Float>?, saved: UnsafePointer<Float>,
        gradient: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.slab, self.x, self.scale, self.saved) = unsafe (slab, x, scale, saved)
        unsafe (self.gradient, self.out) = unsafe (gradient, out)
        unsafe cut = Cut(slab.rows, of: slab.columns, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe slab.rows * slab.count / 5 }
}
