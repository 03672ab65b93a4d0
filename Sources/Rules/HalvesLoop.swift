// The loop of a rule over parameters of bf16 that are rounded at random, by groups of as many elements as the generator
// gives draws at a time: the bits of Codings.swift's way by blocks, in half of the time.

import CMachine
import MartletKernelInterface

#if MARTLET_FMA

    /// Runs a rule of two slots over whole groups of a run whose terms are plain and whose arrays are all bf16, and returns how
    /// many elements those have: none where no group begins with the first.
    /// draws: whether the second slot is rounded at random, too.
    @inline(__always)
    func halvesLoop<Rule: UpdateRule, Draws: Switch>(
        _ type: Rule.Type, draws: Draws.Type, _ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer
    ) -> Int where Rule.Value == FloatLanes {
        let run: CodedRun = value(at: run)
        if run.place & 63 != 0 { return 0 }
        let terms = Terms<FloatLanes, Plain<Off>>(value(at: coefficients))
        let rule = Rule(value(at: coefficients + StepCoefficients.ruleOffset))
        let key = pair(run.stream)
        let count = run.count & ~63
        var stateDraws = StateDraws(key, run.place, 0)
        stateDraws.order()

        // Words stand in the set's own order.
        @inline(__always)
        func load(_ array: UnsafeRawPointer, _ index: Int) -> FloatLanes {
            FloatLanes(lanes: floats(machine_upper_words_in_order(read(array + index * 2))))
        }
        @inline(__always)
        func store(_ words: SIMD16<UInt32>, _ array: UnsafeMutableRawPointer, _ index: Int) {
            write(machine_halves_in_order(words), to: array + index * 2)
        }
        @inline(__always)
        func step(_ index: Int, _ draw: SIMD16<UInt32>) {
            let old = load(run.value, index)
            var place = Place(
                value: old, gradient: terms.gradient(load(run.gradient, index), of: old), first: load(run.first, index),
                second: load(run.second, index), third: FloatLanes(0), fourth: FloatLanes(0))
            let new = terms.value(old, after: rule.update(&place))
            store(randomBF16(new.lanes, draw), run.value, index)
            store(nearestBF16(place.first.lanes), run.first, index)
            let second = place.second.lanes
            store(
                Draws.isOn ? randomBF16(second, stateDraws.next() &>> 16) : nearestBF16(second), run.second, index)
        }

        var pad = DrawScratch()
        pad.withAddress { pad in
            var index = 0
            while index < count {
                let (first, second) = drawnOf(key, (run.place &+ UInt64(truncatingIfNeeded: index)) >> 6, isShort: true)
                write(machine_order(first), to: pad)
                write(machine_order(second), to: pad + 64)
                var part = 0
                while part < 2 {
                    prefetch(.bf16, in: run.value, at: index, count: 2 * grain)
                    prefetch(.bf16, in: run.gradient, at: index, count: 2 * grain)
                    prefetch(.bf16, in: run.first, at: index, count: 2 * grain)
                    prefetch(.bf16, in: run.second, at: index, count: 2 * grain)
                    let draws: SIMD16<UInt32> = read(pad + part * 64)
                    step(index, draws & 0xffff)
                    step(index + grain, draws &>> 16)
                    index += 2 * grain
                    part += 1
                }
            }
        }
        return count
    }

#endif
