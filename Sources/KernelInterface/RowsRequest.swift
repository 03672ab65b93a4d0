// Requests over a matrix of rows x columns, contiguous by rows: softmax and its gradient, normalisation by
// column, averages over an image. Each operation says which fields it reads; their arithmetic is in Kernels. Sums of
// columns are in ColumnSumsRequest.swift.

@unsafe package struct RowsRequest: BitwiseCopyable {
    package var rows: Int
    package var columns: Int
    package var x: UnsafePointer<Float>
    /// softmaxBackward: the gradient. normalize: one mean for each column.
    package var second: UnsafePointer<Float>
    /// normalize: whether there are means; 0 otherwise.
    package var hasSecond = true
    /// normalize: one factor for each column.
    package var third: UnsafePointer<Float>
    package var y: UnsafeMutablePointer<Float>
    /// Pieces are runs of rows.
    package var cut: Cut

    /// - Parameter elements: about how many make a piece.
    package init(
        rows: Int, columns: Int, x: UnsafePointer<Float>, second: UnsafePointer<Float>, third: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, elements: Int
    ) {
        unsafe self.rows = rows
        unsafe self.columns = columns
        unsafe self.x = unsafe x
        unsafe self.second = unsafe second
        unsafe self.third = unsafe third
        unsafe self.y = unsafe y
        unsafe cut = Cut(columns == 0 ? 0 : rows, by: elements / max(columns, 1))
    }
}

/// The average over the places of each image, or its gradient: [batch, places, channels] and [batch, channels].
@unsafe package struct GlobalAverageRequest: BitwiseCopyable {
    package var places: Int
    package var channels: Int
    package var x: UnsafePointer<Float>
    package var y: UnsafeMutablePointer<Float>
    /// Pieces are runs of images.
    package var cut: Cut

    package init(batch: Int, places: Int, channels: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe self.places = places
        unsafe self.channels = channels
        unsafe self.x = unsafe x
        unsafe self.y = unsafe y
        unsafe cut = Cut(places * channels == 0 ? 0 : batch, by: 16_384 / max(places * channels, 1))
    }
}
