// A product of two matrices of fp32, as a caller states it. Where memory lies and what happens to the sums, not how the
// work is cut: Compute plans that.

/// A factor of a product: its rows and columns lie apart by strides, counted in numbers, one of which is 1.
@unsafe package struct Factor: BitwiseCopyable {
    package var base: UnsafePointer<Float>
    package var rowStride: Int
    package var columnStride: Int

    @inline(__always)
    package init(base: UnsafePointer<Float>, rowStride: Int, columnStride: Int) {
        unsafe self.base = unsafe base
        unsafe self.rowStride = rowStride
        unsafe self.columnStride = columnStride
    }
}

/// What happens to a sum before it is stored.
package enum Epilogue: Int32, BitwiseCopyable {
    case none
    case relu
}

/// out = epilogue(left · right + bias), or out += left · right where it accumulates. `out` overlaps nothing that is read.
@unsafe package struct MatrixProduct: BitwiseCopyable {
    /// Any of the sizes may be 0; sums of nothing are 0.
    package var rows: Int
    package var inner: Int
    package var columns: Int
    /// rows x inner
    package var left: Factor
    /// inner x columns
    package var right: Factor
    package var out: UnsafeMutablePointer<Float>
    /// From one row of `out` to the next; columns lie side by side.
    package var outStride: Int
    /// One number for each column. Not used where the product accumulates, and neither is the epilogue.
    package var bias: UnsafePointer<Float>?
    package var epilogue: Epilogue
    package var accumulates: Bool

    @inline(__always)
    package init(
        rows: Int, inner: Int, columns: Int, left: Factor, right: Factor,
        out: UnsafeMutablePointer<Float>, outStride: Int,
        bias: UnsafePointer<Float>? = nil, epilogue: Epilogue = .none, accumulates: Bool = false
    ) {
        unsafe self.rows = rows
        unsafe self.inner = inner
        unsafe self.columns = columns
        unsafe self.left = unsafe left
        unsafe self.right = unsafe right
        unsafe self.out = unsafe out
        unsafe self.outStride = outStride
        unsafe self.bias = unsafe bias
        unsafe self.epilogue = epilogue
        unsafe self.accumulates = accumulates
    }
}

/// How products are cut beyond pieces. All of it is the same for any product, so that every result is the same sum in the
/// same order, however the rest of the work is cut.
package enum ProductLimits {
    /// The most of the inner index that is added up in registers.
    @inline(__always)
    package static var inner: Int { 352 }
    /// The blocks of an inner index. Every result is the sum of its blocks' sums, one after another.
    @inline(__always)
    package static func blocks(of inner: Int) -> Cut { Cut(inner, evenlyBy: ProductLimits.inner) }
    /// The most rows of a transposed left factor that are copied together.
    @inline(__always)
    package static var rows: Int { 96 }
    /// The columns of a right factor that stay in the second-level cache, for one block of the inner index.
    @inline(__always)
    package static var columns: Int { 512 }
    /// The most rows of a product that is worked out as its transpose, and the columns that are worked out together.
    @inline(__always)
    package static var turnedRows: Int { 96 }

    /// The columns of the widest panel of a copied right factor; instruction sets with fewer registers have narrower ones.
    /// Wherever columns are cut, it is at a multiple of this.
    @inline(__always)
    @inlinable package static var panelColumns: Int { 64 }
    /// The columns of as many of the widest panels as hold so many.
    @inline(__always)
    package static func wholePanels(_ columns: Int) -> Int {
        (columns + panelColumns - 1) / panelColumns * panelColumns
    }
    /// The bytes of the widest panel over so much of the inner index.
    @inline(__always)
    package static func panelBytes(inner: Int) -> Int { inner * panelColumns * 4 }
}
