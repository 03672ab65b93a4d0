// How work is cut into pieces. What is summed together is cut by its size alone, so that results depend neither on
// threads nor on what else runs.
// Who does which piece is Compute's business.

/// Numbered things, cut into runs of one size; the last may be shorter.
package struct Cut: BitwiseCopyable {
    package var count: Int
    /// Things in each piece but the last.
    package var size: Int

    /// - Parameters:
    ///   - size: things in a piece, more where there would be too many pieces to share.
    ///   - most: the most pieces there may be.
    @inline(__always)
    package init(_ count: Int, by size: Int, most: Int = 4096) {
        self.count = count
        self.size = max(size, (count + most - 1) / most, 1)
    }

    /// As few pieces as hold at most `most` things each, as even as they go where their sizes are multiples of `grain`,
    /// which `most` is too.
    @inline(__always)
    package init(_ count: Int, evenlyBy most: Int, grain: Int = 1) {
        self.count = count
        let pieces = max((count + most - 1) / most, 1)
        let each = max((count + pieces - 1) / pieces, 1)
        size = (each + grain - 1) / grain * grain
    }

    @inline(__always)
    package var pieces: Int { (count + size - 1) / size }

    @inline(__always)
    package func start(_ piece: Int) -> Int { piece * size }

    /// The place behind the piece's last thing.
    @inline(__always)
    package func end(_ piece: Int) -> Int { min((piece + 1) * size, count) }

    @inline(__always)
    package func range(_ piece: Int) -> Range<Int> { start(piece)..<end(piece) }
}
