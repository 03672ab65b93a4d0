// Where the elements of non-contiguous arrays are. The arrays of one parameter share their sizes and differ in their
// strides. Dimensions are sorted and merged first, so that a transposed or channels-last parameter whose arrays all
// lie alike becomes contiguous, and the rest needs as few dimensions as it can.
//
// Element-wise rules do not depend on the order of elements, so the order of dimensions is free for them.
import MartletKernelInterface

/// Sizes, and one row of strides for each array, in memory that the owner of the layout provides.
@unsafe package struct Layout {
    /// The most dimensions that a caller may describe.
    package static var maximumRank: Int { 64 }

    /// `rank` sizes, then `rank` strides for each array in turn, all in elements, outermost dimension first.
    private let numbers: UnsafeMutablePointer<Int>
    package private(set) var rank: Int
    private let arrayCount: Int
    /// Numbers between the rows of strides: the rank at first.
    private let pitch: Int

    /// How many numbers `init` needs for a rank and a count of arrays.
    package static func numberCount(rank: Int, arrayCount: Int) -> Int {
        rank * (arrayCount + 1)
    }

    /// A layout over `numberCount(rank:arrayCount:)` numbers, all of them still to be set.
    package init(numbers: UnsafeMutablePointer<Int>, rank: Int, arrayCount: Int) {
        unsafe self.numbers = numbers
        unsafe self.rank = rank
        unsafe self.pitch = rank
        unsafe self.arrayCount = arrayCount
    }

    package subscript(size dimension: Int) -> Int {
        get { unsafe numbers[dimension] }
        nonmutating set { unsafe numbers[dimension] = newValue }
    }

    package subscript(stride dimension: Int, array: Int) -> Int {
        get { unsafe numbers[pitch * (array + 1) + dimension] }
        nonmutating set { unsafe numbers[pitch * (array + 1) + dimension] = newValue }
    }

    /// Gives an array the strides of a contiguous one, last dimension innermost.
    package func setContiguous(array: Int) {
        var stride = 1
        for dimension in unsafe (0..<rank).reversed() {
            unsafe self[stride: dimension, array] = stride
            unsafe stride *= max(self[size: dimension], 1)
        }
    }

    /// Drops dimensions of size 1, sorts the rest by the first array's strides, outermost first, and merges neighbours
    /// that every array runs through without a gap. Afterwards a layout of contiguous arrays has rank 0 or 1.
    ///
    /// - Parameter sorts: false where the order of elements matters.
    package mutating func simplify(sorts: Bool = true) {
        var kept = 0
        for dimension in unsafe 0..<rank where unsafe self[size: dimension] != 1 {
            unsafe move(dimension, to: kept)
            kept += 1
        }
        unsafe rank = kept
        for end in unsafe 1..<max(rank, 1) where sorts {
            var place = end
            while place > 0, unsafe self[stride: place - 1, 0].magnitude < self[stride: place, 0].magnitude {
                unsafe exchange(place - 1, place)
                place -= 1
            }
        }
        kept = 0
        for dimension in unsafe 1..<max(rank, 1) {
            let merges = unsafe (0..<arrayCount).allSatisfy { array in
                unsafe self[stride: kept, array] == self[stride: dimension, array] * self[size: dimension]
            }
            if merges {
                let size = unsafe self[size: kept] * self[size: dimension]
                unsafe move(dimension, to: kept)
                unsafe self[size: kept] = size
            } else {
                kept += 1
                unsafe move(dimension, to: kept)
            }
        }
        unsafe rank = unsafe min(rank, kept + 1)
    }

    /// Whether every array is one contiguous run. Meant for a simplified layout.
    package var isContiguous: Bool {
        unsafe rank == 0 || (rank == 1 && (0..<arrayCount).allSatisfy { unsafe self[stride: 0, $0] == 1 })
    }

    private func move(_ source: Int, to target: Int) {
        if source == target { return }
        for row in unsafe 0...arrayCount { unsafe numbers[pitch * row + target] = numbers[pitch * row + source] }
    }

    private func exchange(_ a: Int, _ b: Int) {
        for row in unsafe 0...arrayCount {
            unsafe swap(&numbers[pitch * row + a], &numbers[pitch * row + b])
        }
    }
}
