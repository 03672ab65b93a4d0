// What the tests of this room share: Adam items over memory, and coefficients that count visits. No expectations.

import Glibc
import MartletCompute
import MartletKernelInterface
import MartletPlatform
import MartletTestSupport
import Synchronization

/// Memory for work items: one array of Float each for value, gradient and two moments, all of one length; with it, what
/// items refer to by address. It must outlive the run of its items, which `run` sees to.
final class Arrays {
    let count: Int
    let memories: [Memory]
    private var kept: [Memory] = []

    init(count: Int) {
        self.count = count
        memories = (0..<4).map { _ in Memory(byteCount: count * 4) }
    }

    /// Values, gradients and moments as a run in training might hold them.
    func randomize(seed: UInt64) {
        var generator = Generator(seed: seed)
        for (index, memory) in memories.enumerated() {
            memory.withElements(Float.self) { elements in
                for place in elements.indices {
                    let number = Float.random(in: -1...1, using: &generator)
                    elements[place] = index == 3 ? number * number : number
                }
            }
        }
    }

    /// Gradients of 1 and second moments of 0, for `AdamCoefficients.counting`.
    func startCounting() {
        memories[1].fill(Float(1))
        memories[3].fill(Float(0))
    }

    /// How often each element was visited since.
    var visits: [Float] { memories[3].contents(Float.self) }

    var bytes: [[UInt8]] { memories.map(\.bytes) }

    /// A place for coefficients that lives as long as the arrays.
    func keep(_ coefficients: AdamCoefficients) -> UnsafeRawPointer {
        let memory = Memory(byteCount: StepCoefficients.capacity)
        memory.base.storeBytes(of: RunTerms(), as: RunTerms.self)
        (memory.base + StepCoefficients.ruleOffset).storeBytes(of: coefficients, as: AdamCoefficients.self)
        kept.append(memory)
        return UnsafeRawPointer(memory.base)
    }

    /// An item over `range`, or over every `stride`-th element of it.
    func item(
        _ range: Range<Int>, stride: Int = 1, _ coefficients: UnsafeRawPointer, mode: FloatingPointMode = .exact
    ) -> WorkItem {
        let count = (range.count + stride - 1) / stride
        var arrays = InlineArray<6, Operand>(repeating: Operand(base: memories[0].base, type: .fp32))
        for index in 0..<4 {
            arrays[index] = Operand(base: memories[index].base + range.lowerBound * 4, type: .fp32)
        }
        var layout: Layout?
        if stride != 1 {
            let numbers = Memory(byteCount: Layout.numberCount(rank: 1, arrayCount: 4) * 8)
            kept.append(numbers)
            let start = numbers.base.bindMemory(to: Int.self, capacity: Layout.numberCount(rank: 1, arrayCount: 4))
            let made = Layout(numbers: start, rank: 1, arrayCount: 4)
            made[size: 0] = count
            for array in 0..<4 { made[stride: 0, array] = stride }
            layout = made
        }
        return WorkItem(
            run: Run(arrays: arrays, arrayCount: 4, count: count, isDouble: false), rule: .adam,
            coefficients: coefficients, mode: mode, layout: layout)
    }

    /// Runs items of these arrays, and returns how many threads worked.
    func run(_ items: [WorkItem], isa: InstructionSet = .best, threads: Int, leastPiece: Int) -> Int {
        let memory = Memory(byteCount: max(items.count, 1) * WorkList.bytesPerItem)
        var list = WorkList(memory: memory.base)
        for item in items { list.add(item) }
        return withExtendedLifetime((self, memory)) {
            list.run(isa: isa, threads: threads, leastPiece: leastPiece)
        }
    }
}

extension AdamCoefficients {
    /// The second moment grows by the square of the gradient at each visit; nothing else changes.
    static var counting: AdamCoefficients {
        var result = AdamCoefficients()
        result.beta1 = 1
        result.oneMinusBeta1 = 0
        result.beta2 = 1
        result.oneMinusBeta2 = 1
        return result
    }

    /// An ordinary step.
    static var ordinary: AdamCoefficients {
        var result = AdamCoefficients()
        result.beta1 = 0.9
        result.oneMinusBeta1 = 1 - 0.9
        result.beta2 = 0.999
        result.oneMinusBeta2 = 1 - 0.999
        result.stepSize = 0.003
        result.eps = 1e-8
        return result
    }
}

/// What went wrong on other threads, where expectations belong to no test.
final class Failures: Sendable {
    let count = Atomic<Int>(0)
}
