// What an operation is in C: calls of functions, with numbers and arrays.
import MartletKernelInterface

/// A call of a function of C.
struct CCall {
    var function: CFunction
    /// Which of the operation's inputs it reads; -1: what the call before gave; nil: nothing, a null pointer.
    var reads: [Int?] = [0]
    /// Sizes and steps, as the function takes them.
    var numbers: [Int]
    var arrays: [CArray] = []
    /// Numbers that it works with, in memory that it leaves nothing in.
    var room = 0
    /// Of products: how many sums are worked out at once.
    var width = 0

    init(_ function: CFunction, reads: [Int?] = [0], _ numbers: [Int], _ arrays: [CArray] = [], room: Int = 0) {
        (self.function, self.reads, self.numbers, self.arrays) = (function, reads, numbers, arrays)
        self.room = room
    }

    /// Sums over a window for each of some filters: the kernel's columns in runs, one behind the other, as they are summed.
    ///
    /// - Parameters:
    ///   - window: height, width, channels, rows, columns, and so on, as C's `place` has them.
    ///   - kernel: the kernel's number of a tap, a channel of the group, and a filter.
    init(
        window: [Int], filters: Int, groups: Int = 1, isTransposed: Bool = false, bias: UnsafePointer<Float>?,
        kernel: @escaping (Int, Int, Int) -> Float
    ) {
        let (own, each, taps) = (window[2] / groups, filters / groups, window[5] * window[6])
        let width = CCall.width(each)
        let blocks = (each + width - 1) / width
        /// The filter of a column; nil for one that fills up.
        func filter(_ column: Int) -> Int? {
            let (block, place) = column.quotientAndRemainder(dividingBy: width)
            let within = block % blocks * width + place
            return within < each ? block / blocks * each + within : nil
        }
        let columns = groups * blocks * width
        self.init(
            .convolve, window + [filters, groups, isTransposed ? 1 : 0],
            [
                CArray(columns * taps * own) { number in
                    let (row, place) = number.quotientAndRemainder(dividingBy: width)
                    let (block, term) = row.quotientAndRemainder(dividingBy: taps * own)
                    return filter(block * width + place).map { kernel(term / own, term % own, $0) } ?? 0
                },
                CArray(columns) { column in
                    filter(column).flatMap { filter in unsafe bias.map { unsafe $0[filter] } } ?? 0
                },
            ])
        self.width = width
    }

    /// How many sums are worked out at once: all of a few, else as many as leave no more than a third of the columns empty.
    private static func width(_ filters: Int) -> Int {
        for width in [1, 2, 4, 8, 16] where filters <= width { return width }
        for width in [32, 16] where (filters + width - 1) / width * width * 2 <= filters * 3 { return width }
        return 8
    }
}

/// An array of a file of C: numbers one by one, since what is written is in another order than what there is.
struct CArray {
    var count: Int
    var value: (Int) -> Float

    init(_ count: Int, _ value: @escaping (Int) -> Float) { (self.count, self.value) = (count, value) }

    /// Numbers as they lie; the same one everywhere where there are none.
    init(_ base: UnsafePointer<Float>?, _ count: Int, otherwise: Float = 0) {
        self.init(count) { place in unsafe base.map { unsafe $0[place] } ?? otherwise }
    }

    init(_ values: [Float]) { self.init(values.count) { values[$0] } }
}

extension ImageWindow {
    /// As C's `place` has it.
    var numbers: [Int] {
        [
            height, width, channels, outHeight, outWidth, kernelHeight, kernelWidth, strideHeight, strideWidth,
            dilationHeight, dilationWidth, padTop, padLeft,
        ]
    }
}
