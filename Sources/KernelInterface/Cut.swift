// How work is cut into pieces. What is summed together is cut by its size alone, so that results depend neither on
// threads nor on what else runs.
// Who does which piece is Compute's business.

/// Numbered things, cut into runs of one size; the last may be shorter.
package struct Cut: BitwiseCopyable {
    package let count: Int
    /// Things in each piece but the last.
    package let size: Int
    package let pieces: Int

    @inline(__always)
    private init(_ count: Int, size: Int) {
        self.count = count
        self.size = size
        pieces = (count + size - 1) / size
    }

    /// - Parameters:
    ///   - size: things in a piece, more where there would be too many pieces to share.
    ///   - most: the most pieces there may be.
    @inline(__always)
    package init(_ count: Int, by size: Int, most: Int = 4096) {
        self.init(count, size: max(size, (count + most - 1) / most, 1))
    }

    /// Rows of so many columns each, about `elements` elements in a piece. Rows of nothing are no rows.
    @inline(__always)
    package init(_ rows: Int, of columns: Int, about elements: Int) {
        self.init(columns == 0 ? 0 : rows, by: elements / max(columns, 1))
    }

    /// As few pieces as hold at most `most` things each, as even as they go where their sizes are multiples of `grain`,
    /// which `most` is too.
    @inline(__always)
    package init(_ count: Int, evenlyBy most: Int, grain: Int = 1) {
        let pieces = max((count + most - 1) / most, 1)
        let each = max((count + pieces - 1) / pieces, 1)
        self.init(count, size: (each + grain - 1) / grain * grain)
    }

    @inline(__always)
    package func start(_ piece: Int) -> Int { piece * size }

    /// The place behind the piece's last thing.
    @inline(__always)
    package func end(_ piece: Int) -> Int { min((piece + 1) * size, count) }

    @inline(__always)
    package func range(_ piece: Int) -> Range<Int> { start(piece)..<end(piece) }
}
