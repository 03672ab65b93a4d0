// The request for one number that all elements of an array give: a sum, or a sum of squares.
// The arithmetic is in Kernels/Sums.swift.

@unsafe package struct SumRequest: BitwiseCopyable {
    package enum What: Int32, BitwiseCopyable { case sum, squares }

    package var what: What
    package var x: UnsafePointer<Float>
    /// One number for each block.
    package var partial: UnsafeMutablePointer<Double>
    package var cut: Cut

    package init(_ what: What, count: Int, x: UnsafePointer<Float>, partial: UnsafeMutablePointer<Double>) {
        unsafe self.what = what
        unsafe self.x = unsafe x
        unsafe self.partial = unsafe partial
        unsafe cut = Cut(count, by: 16_384)
    }
}
