// The loop of a rule whose two slots are codes, block after block in one go: what a loop of its own saves beside fetching
// blocks, running the rule and putting them back (Compute/CodedArrays.swift) is a third of the time, and the bits are the
// same. Only the rule that most steps are of has one.

import CMachine
import MartletKernelInterface

/// Runs a rule over whole blocks of a run whose terms are plain, and returns how many elements those have. A block's codes
/// are written behind the next one's updates: by then the processor has its scales, and need not wait.
@inline(__always)
private func codedLoop<Rule: UpdateRule, First: SmallFloat, Second: SmallFloat>(
    _ type: Rule.Type, _ first: First.Type, _ second: Second.Type, _ run: UnsafeRawPointer,
    _ coefficients: UnsafeRawPointer
) -> Int where Rule.Value == FloatLanes {
    let run: CodedRun = value(at: run)
    guard let firstScales = run.firstScales, let secondScales = run.secondScales else { return 0 }
    let terms = Terms<FloatLanes, Plain<Off>>(value(at: coefficients))
    let rule = Rule(value(at: coefficients + StepCoefficients.ruleOffset))
    let size = First.type.block
    let count = run.count / size * size
    var scratch = CodeScratch()
    scratch.withAddress { scratch in
        var (firstMost, secondMost) = (SIMD16<UInt32>(), SIMD16<UInt32>())

        /// Steps the block, and leaves its new state as numbers.
        @inline(__always)
        func update(_ start: Int, _ numbers: UnsafeMutableRawPointer) {
            let firstNumbers = BlockNumbers<First>(number(firstScales + start / size * 4))
            let secondNumbers = BlockNumbers<Second>(number(secondScales + start / size * 4))
            (firstMost, secondMost) = (SIMD16(), SIMD16())
            var index = 0
            while index < size {
                let at = start + index
                prefetch(.fp32, in: run.value, at: at, bytesAhead: 2048)
                prefetch(.fp32, in: run.gradient, at: at, bytesAhead: 2048)
                let old = FloatLanes(lanes: read(run.value + at * 4))
                var place = Place(
                    value: old, gradient: terms.gradient(FloatLanes(lanes: read(run.gradient + at * 4)), of: old),
                    first: FloatLanes(lanes: readNumbers(firstNumbers, run.first, at)),
                    second: FloatLanes(lanes: readNumbers(secondNumbers, run.second, at)),
                    third: FloatLanes(0), fourth: FloatLanes(0))
                let new = terms.value(old, after: rule.update(&place))
                write(new.lanes, to: run.value + at * 4)
                write(place.first.lanes, to: numbers + index * 4)
                write(place.second.lanes, to: numbers + (size + index) * 4)
                firstMost = machine_larger(firstMost, words(place.first.lanes) & 0x7fff_ffff)
                secondMost = machine_larger(secondMost, words(place.second.lanes) & 0x7fff_ffff)
                index += grain
            }
        }

        /// Writes its codes.
        @inline(__always)
        func code(_ start: Int, _ numbers: UnsafeMutableRawPointer, _ firstMost: Float, _ secondMost: Float) {
            let seconds = numbers + size * 4
            let scales = (firstScales + start / size * 4, secondScales + start / size * 4)
            if !(isPlainScale(firstMost) && isPlainScale(secondMost)) {
                encodeBlock(First.self, numbers, run.first, scales.0, start, size, run.place, run.stream)
                encodeBlock(Second.self, seconds, run.second, scales.1, start, size, run.place, run.stream)
                return
            }
            put(firstMost, at: scales.0)
            put(secondMost, at: scales.1)
            let factors = (1 / firstMost, 1 / secondMost)
            var draws = StateDraws(pair(run.stream), run.place, start)
            var index = 0
            while index < size {
                let (at, drawn) = (start + index, draws.next())
                writeCodes(First.self, First.encode(read(numbers + index * 4), factors.0, drawn), run.first, at)
                writeCodes(Second.self, Second.encode(read(seconds + index * 4), factors.1, drawn), run.second, at)
                index += grain
            }
        }

        var (start, mosts) = (0, (Float(0), Float(0)))
        while start < count + size {
            let before = mosts
            if start < count {
                update(start, scratch + (start & size) * 8)
                mosts = (largest(firstMost), largest(secondMost))
            }
            if start > 0 { code(start - size, scratch + ((start - size) & size) * 8, before.0, before.1) }
            start += size
        }
    }
    return count
}

/// What there is of loops over arrays as they are stored; nil: none. It runs whole blocks, and returns how many elements it
/// has done: 0, and it has written nothing, where terms or coefficients are not of the common kind.
@inline(never)
package func codedSweep(_ kind: CodedSweepKind) -> CodedSweep? {
    #if MARTLET_FMA
        guard case .adam = kind.rule else { return nil }
        return switch kind.storage {
        case .float16: adamFloat16
        case .float8: adamFloat8
        case .float4: adamFloat4
        case .halves: adamHalves
        case .halvesDrawn: adamHalvesDrawn
        }
    #else
        return nil
    #endif
}

#if MARTLET_FMA

    private typealias CommonAdam = AdamRule<FloatLanes, Off, On>

    private func adamFloat16(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Int {
        isCommonAdam(coefficients) ? codedLoop(CommonAdam.self, SFloat16.self, UFloat16.self, run, coefficients) : 0
    }

    private func adamFloat8(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Int {
        isCommonAdam(coefficients) ? codedLoop(CommonAdam.self, Float8.self, UFloat8.self, run, coefficients) : 0
    }

    private func adamFloat4(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Int {
        isCommonAdam(coefficients) ? codedLoop(CommonAdam.self, Float4.self, UFloat4.self, run, coefficients) : 0
    }

    private func adamHalves(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Int {
        isCommonAdam(coefficients) ? halvesLoop(CommonAdam.self, draws: Off.self, run, coefficients) : 0
    }

    private func adamHalvesDrawn(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Int {
        isCommonAdam(coefficients) ? halvesLoop(CommonAdam.self, draws: On.self, run, coefficients) : 0
    }

    @inline(never)
    private func isCommonAdam(_ coefficients: UnsafeRawPointer) -> Bool {
        let terms: RunTerms = value(at: coefficients)
        let own: AdamCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
        let isPlain = terms.isCautious == 0 && !(terms.bound < RunTerms.unbounded) && terms.l2 == 0
        return isPlain && terms.variant == 0 && own.oneMinusBeta1 < 0.5
    }

#endif
