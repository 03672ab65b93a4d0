// The work of a step: every element once, however it is cut and whoever does it, and the same bits each time.

import MartletCompute
import MartletKernelInterface
import MartletPlatform
import MartletTestSupport
import Testing

private let instructionSets = InstructionSet.allCases.filter(\.isSupported)

@Suite struct WorkListTests {
    /// Runs items whose second moments count visits, and returns how often each element was visited.
    private func visits(_ arrays: Arrays, _ items: [WorkItem], threads: Int, leastPiece: Int) -> [Float] {
        arrays.startCounting()
        let count = arrays.run(items, threads: threads, leastPiece: leastPiece)
        #expect(count >= 1 && count <= threads)
        return arrays.visits
    }

    /// One item, with room before and behind it, of sizes around the bounds of pieces.
    @Test(arguments: [1, 2, 3, 7, 16]) func oneItemOnce(threads: Int) {
        let bounds = [1, 16, 63, 64, 65, 128, 255, 256, 257, 2047, 2048, 2049, 4096, 64 * 32, 64 * 33, 66 * 32, 10_000]
        for bound in bounds {
            for count in [bound - 1, bound, bound + 1] where count > 0 {
                let arrays = Arrays(count: count + 40)
                let items = [arrays.item(20..<20 + count, arrays.keep(.counting))]
                for leastPiece in [64, 65, 100, 2048] {
                    let expected = (0..<count + 40).map { Float($0 >= 20 && $0 < 20 + count ? 1 : 0) }
                    let isRight = visits(arrays, items, threads: threads, leastPiece: leastPiece) == expected
                    #expect(isRight, "\(count) elements, pieces of \(leastPiece)")
                }
            }
        }
    }

    /// Items of one to a few elements, many to a piece, with a gap between neighbours.
    @Test(arguments: [1, 2, 3, 7]) func manyTinyItems(threads: Int) {
        var generator = Generator(seed: UInt64(threads))
        let arrays = Arrays(count: 40_000)
        let coefficients = arrays.keep(.counting)
        var items: [WorkItem] = []
        var expected = [Float](repeating: 0, count: arrays.count)
        var place = 0
        while place < arrays.count - 10 {
            let count = Int.random(in: 0...4, using: &generator)
            items.append(arrays.item(place..<place + count, coefficients))
            for element in place..<place + count { expected[element] = 1 }
            place += count + 1
        }
        #expect(items.count > 10_000)
        for leastPiece in [64, 2048] {
            let isRight = visits(arrays, items, threads: threads, leastPiece: leastPiece) == expected
            #expect(isRight, "pieces of \(leastPiece)")
        }
    }

    /// Small and large, contiguous and strided items in one list.
    @Test(arguments: [1, 2, 3, 7]) func mixedItems(threads: Int) {
        var generator = Generator(seed: UInt64(100 + threads))
        for _ in 0..<40 {
            let arrays = Arrays(count: 30_000)
            let coefficients = arrays.keep(.counting)
            var items: [WorkItem] = []
            var expected = [Float](repeating: 0, count: arrays.count)
            var place = 0
            while place < arrays.count {
                let most = Bool.random(using: &generator) ? 70 : 6000
                let width = min(arrays.count - place, Int.random(in: 1...most, using: &generator))
                let stride = Int.random(in: 1...3, using: &generator)
                items.append(arrays.item(place..<place + width, stride: stride, coefficients))
                for element in Swift.stride(from: place, to: place + width, by: stride) { expected[element] = 1 }
                place += width
            }
            let isRight = visits(arrays, items, threads: threads, leastPiece: 64) == expected
            #expect(isRight)
        }
    }

    @Test func nothingToDo() {
        let arrays = Arrays(count: 8)
        #expect(arrays.run([], threads: 4, leastPiece: 64) == 0)
        #expect(arrays.run([arrays.item(3..<3, arrays.keep(.ordinary))], threads: 4, leastPiece: 64) == 0)
    }

    /// The same bits for every thread count, piece size and instruction set of this machine, and really a step.
    @Test(arguments: [FloatingPointMode.exact, .flush]) func sameBits(mode: FloatingPointMode) {
        func run(_ isa: InstructionSet, _ threads: Int, _ leastPiece: Int) -> [[UInt8]] {
            let arrays = Arrays(count: 20_011)
            arrays.randomize(seed: 5)
            // Gradients and moments below the normal range too.
            for index in 1..<4 {
                arrays.memories[index].withElements(Float.self) { elements in
                    for place in stride(from: index, to: arrays.count, by: 97) {
                        elements[place] = Float(bitPattern: UInt32(place))
                    }
                }
            }
            let ordinary = arrays.keep(.ordinary)
            let items = [
                arrays.item(0..<1, ordinary, mode: mode), arrays.item(1..<6000, ordinary, mode: mode),
                arrays.item(6000..<13_001, stride: 2, ordinary, mode: mode),
                arrays.item(13_001..<20_011, ordinary, mode: mode),
            ]
            _ = arrays.run(items, isa: isa, threads: threads, leastPiece: leastPiece)
            return arrays.bytes
        }
        let untouched = Arrays(count: 20_011)
        untouched.randomize(seed: 5)
        let reference = run(.baseline, 1, 1 << 30)
        let isUntouched = reference == untouched.bytes
        #expect(!isUntouched)
        for isa in instructionSets {
            for threads in [1, 2, 3, 7] {
                for leastPiece in [64, 65, 777, 2048] {
                    let isSame = run(isa, threads, leastPiece) == reference
                    #expect(isSame, "\(isa), \(threads) threads, pieces of \(leastPiece)")
                }
            }
        }
    }

    /// Several threads run lists of their own at once.
    @Test func listsAtOnce() {
        let failures = Failures()
        let threads = (0..<3).map { number in
            TestThread {
                let arrays = Arrays(count: 9000)
                let coefficients = arrays.keep(.counting)
                for round in 0..<100 {
                    let count = 8000 - 7 * round - number
                    arrays.startCounting()
                    _ = arrays.run([arrays.item(0..<count, coefficients)], threads: 3, leastPiece: 64)
                    let found = arrays.visits
                    let isRight = found[..<count].allSatisfy { $0 == 1 } && found[count...].allSatisfy { $0 == 0 }
                    if !isRight { failures.count.add(1, ordering: .relaxed) }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.count.load(ordering: .relaxed) == 0)
    }
}
