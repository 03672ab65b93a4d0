// Averages of the means of rows or columns, moved on by what tiles have summed; in fp64, whatever they are stored as.

import MartletKernelInterface

/// Means from the sums of several tiles, and something added.
struct MeanSums {
    private let sums: UnsafePointer<Double>
    private let step, tiles: Int
    private let count, added: DoubleLanes

    @inline(__always)
    init(_ sums: UnsafePointer<Double>, step: Int, tiles: Int, of count: Int, _ added: Double) {
        self.sums = sums
        self.step = step
        self.tiles = tiles
        self.count = DoubleLanes(Double(count))
        self.added = DoubleLanes(added)
    }

    @inline(__always)
    subscript(index: Int) -> DoubleLanes {
        var total: SIMD16<Double> = read(sums + index)
        var tile = 1
        while tile < tiles {
            total += read(sums + tile * step + index)
            tile += 1
        }
        return DoubleLanes(lanes: total) / count + added
    }
}

/// An average of a weight for what is new, by the shorter way from one of the two, so that a weight of 1 leaves nothing of
/// the old.
private struct ShortWay {
    private let isShort: Choice<DoubleLanes>
    private let part: DoubleLanes

    @inline(__always)
    init(_ weight: Double) {
        isShort = Choice(weight < 0.5)
        part = DoubleLanes(weight < 0.5 ? weight : weight - 1)
    }

    @inline(__always)
    func next(_ old: DoubleLanes, _ new: DoubleLanes) -> DoubleLanes {
        DoubleLanes.choose(isShort, old, new) + part * (new - old)
    }
}

/// Moves averages on and hands them to `body`, sixteen at a time, with the number of the first; behind the last there may
/// be any numbers.
@inline(__always)
func moveOn(
    _ state: Operand, _ count: Int, _ means: MeanSums, _ weight: Double, _ body: (DoubleLanes, Int) -> Void
) {
    let way = ShortWay(weight)
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        var index = 0
        while index < count {
            let bytes = min(grain, count - index) * state.type.size
            let stored = state.base + index * state.type.size
            copy(stored, to: scratch, bytes: bytes)
            let average = way.next(DoubleLanes(state.type, in: scratch, at: 0), means[index])
            average.store(state.type, in: scratch, at: 0)
            copy(scratch, to: stored, bytes: bytes)
            body(average, index)
            index += grain
        }
    }
}
