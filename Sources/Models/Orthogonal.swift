// Random matrices made orthogonal: the columns of a tall one, or the rows of a wide one, each less what it has of those before
// it, which is taken off twice, so that rounding leaves nothing of it (Giraud, Langou, Rozloznik, 2005: The loss of
// orthogonality in the Gram-Schmidt orthogonalization process). In fp64, the same on every instruction set.
import MartletCompute

/// A matrix, and memory to work in. Rows are read as they lie, so that columns are taken off row by row.
@unsafe struct Orthogonal {
    private let memory: UnsafeMutablePointer<Float>
    private let rows, columns: Int
    /// How much a vector has of each before it, 4,096 at most; and a part of a row.
    private let shares, sums: UnsafeMutablePointer<Double>
    private static var mostVectors: Int { 4096 }
    private static var partSize: Int { 2048 }

    init(_ memory: UnsafeMutablePointer<Float>, _ array: ArrayDescription, _ execution: Execution) {
        unsafe self.memory = unsafe memory
        unsafe (rows, columns) = (array.shape.outerCount, array.shape.last)
        unsafe shares = unsafe execution.shared.assumingMemoryBound(to: Double.self)
        unsafe sums = unsafe shares + Orthogonal.mostVectors
    }

    /// Makes the vectors orthogonal, and this long.
    func fill(length: Float) {
        let isTall = unsafe rows >= columns
        for vector in unsafe 0..<min(rows, columns) {
            for _ in 0..<2 { unsafe isTall ? takeFromColumn(vector) : takeFromRow(vector) }
            let first = unsafe memory + (isTall ? vector : vector * columns)
            let (count, step) = unsafe isTall ? (rows, columns) : (columns, 1)
            var squares = 0.0
            for place in 0..<count { unsafe squares += Double(first[place * step]) * Double(first[place * step]) }
            let own = squares.squareRoot()
            for place in 0..<count { unsafe first[place * step] = unsafe Float(Double(first[place * step]) / own) }
        }
        // What one has of another is by vectors of length 1.
        if length != 1 { for place in unsafe 0..<rows * columns { unsafe memory[place] *= length } }
    }

    /// Of a row what it has of the rows before it.
    private func takeFromRow(_ row: Int) {
        let own = unsafe memory + row * columns
        for other in 0..<row { unsafe shares[other] = unsafe dot(own, memory + other * columns, columns) }
        for first in unsafe stride(from: 0, to: columns, by: Orthogonal.partSize) {
            let count = unsafe min(columns - first, Orthogonal.partSize)
            for place in 0..<count { unsafe sums[place] = unsafe Double(own[first + place]) }
            for other in 0..<row {
                unsafe take(shares[other], of: memory + other * columns + first, from: sums, count)
            }
            for place in 0..<count { unsafe own[first + place] = unsafe Float(sums[place]) }
        }
    }

    /// Of a column what it has of the columns before it.
    private func takeFromColumn(_ column: Int) {
        unsafe shares.update(repeating: 0, count: column)
        for row in unsafe 0..<rows {
            let numbers = unsafe memory + row * columns
            unsafe take(-Double(numbers[column]), of: numbers, from: shares, column)
        }
        for row in unsafe 0..<rows {
            let numbers = unsafe memory + row * columns
            var part = 0.0
            var place = 0
            while place + 8 <= column {
                unsafe part += (eight(shares + place) * eight(numbers + place)).sum()
                place += 8
            }
            while place < column {
                unsafe part += shares[place] * Double(numbers[place])
                place += 1
            }
            unsafe numbers[column] = unsafe Float(Double(numbers[column]) - part)
        }
    }

    private func dot(_ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ count: Int) -> Double {
        var sums = SIMD8<Double>()
        var place = 0
        while place + 8 <= count {
            unsafe sums += eight(left + place) * eight(right + place)
            place += 8
        }
        var sum = sums.sum()
        while place < count {
            unsafe sum += Double(left[place]) * Double(right[place])
            place += 1
        }
        return sum
    }

    /// sums -= share numbers
    private func take(
        _ share: Double, of numbers: UnsafePointer<Float>, from sums: UnsafeMutablePointer<Double>, _ count: Int
    ) {
        var place = 0
        while place + 8 <= count {
            let rest = unsafe eight(sums + place) - eight(numbers + place) * share
            unsafe UnsafeMutableRawPointer(sums + place).storeBytes(of: rest, as: SIMD8<Double>.self)
            place += 8
        }
        while place < count {
            unsafe sums[place] -= share * Double(numbers[place])
            place += 1
        }
    }

    @inline(__always)
    private func eight(_ numbers: UnsafePointer<Float>) -> SIMD8<Double> {
        let all = unsafe UnsafeRawPointer(numbers).loadUnaligned(as: SIMD8<Float>.self)
        return SIMD8(
            Double(all[0]), Double(all[1]), Double(all[2]), Double(all[3]), Double(all[4]), Double(all[5]),
            Double(all[6]), Double(all[7]))
    }

    @inline(__always)
    private func eight(_ numbers: UnsafePointer<Double>) -> SIMD8<Double> {
        unsafe UnsafeRawPointer(numbers).loadUnaligned(as: SIMD8<Double>.self)
    }
}
