// Moves elements between a strided array and a contiguous block, a run of the innermost dimension at a time. It copies
// bits: types and rounding are the kernels' affair.
import MartletKernelInterface

extension Layout {
    package enum Direction { case gather, scatter }

    /// Copies elements `first ..< first + count` of an array, counted in the layout's order, to or from a block.
    package func copy(
        _ direction: Direction, array: Int, _ operand: Operand, first: Int, count: Int, block: UnsafeMutableRawPointer
    ) {
        switch unsafe operand.type.size {
        case 8: unsafe copy(direction, array, operand.base, UInt64.self, first, count, block)
        case 4: unsafe copy(direction, array, operand.base, UInt32.self, first, count, block)
        default: unsafe copy(direction, array, operand.base, UInt16.self, first, count, block)
        }
    }

    @inline(__always)
    private func copy<Bits: FixedWidthInteger>(
        _ direction: Direction, _ array: Int, _ base: UnsafeMutableRawPointer, _: Bits.Type, _ first: Int, _ count: Int,
        _ block: UnsafeMutableRawPointer
    ) {
        let elements = unsafe base.assumingMemoryBound(to: Bits.self)
        let packed = unsafe block.assumingMemoryBound(to: Bits.self)
        let inner = unsafe rank - 1
        let step = unsafe self[stride: inner, array]
        var done = 0
        while done < count {
            // The odometer is worked out afresh for each run: one division a dimension, and no state to keep.
            var rest = first + done
            let start = unsafe rest % self[size: inner]
            let length = unsafe min(self[size: inner] - start, count - done)
            var offset = start * step
            unsafe rest /= self[size: inner]
            for dimension in (0..<inner).reversed() {
                unsafe offset += rest % self[size: dimension] * self[stride: dimension, array]
                unsafe rest /= self[size: dimension]
            }
            switch direction {
            case .gather:
                for index in 0..<length { unsafe packed[done + index] = elements[offset + index * step] }
            case .scatter:
                for index in 0..<length { unsafe elements[offset + index * step] = packed[done + index] }
            }
            done += length
        }
    }
}
