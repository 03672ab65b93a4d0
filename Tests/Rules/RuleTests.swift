// Update rules against their scalar references, bit for bit: every variant, what surrounds rules, combinations of
// storage types, sizes around the lanes' width and a block's, and numbers of every kind, at addresses aligned to the
// element alone.

import CMachine
import MartletKernelInterface
import Testing

@Suite struct RuleTests {
    static let sizes = [0, 1, 15, 16, 17, 255, 256, 257, 1031]

    /// Decoupled decay and none, L2 decay and none, cautious decay, and gradients scaled and turned round.
    static let terms: [RunTerms] = (0..<5).map { index in
        var terms = RunTerms()
        terms.gradientScale = [1, 1, -1, -0.37, 1][index]
        terms.l2 = [0, 0, 0.0123, 0.3, 0][index]
        terms.decay = [1, 0.99877, 1, 0.9, 0.75][index]
        terms.isCautious = index < 3 ? 0 : 1
        return terms
    }

    /// All arrays of one type; then types drawn for each array, every other time without fp64, which decides what is
    /// computed in.
    static func types(_ count: Int, seed: UInt64) -> [[ElementType]] {
        let (all, narrow) = (ElementType.allCases, ElementType.allCases.filter { $0 != .fp64 })
        return all.map { Array(repeating: $0, count: count) }
            + (0..<32).map { drawn in
                let choice = drawn % 2 == 0 ? all : narrow
                return (0..<count).map { choice[Int(random(seed, drawn * 8 + $0) >> 33) % choice.count] }
            }
    }

    /// Bits of one input: ordinary numbers, and every eleventh or so one of the special ones.
    static func input(_ type: ElementType, _ row: RuleRow, place: Int, index: Int, seed: Int) -> UInt64 {
        let specials: [Double] = [
            .nan, .infinity, -.infinity, 0, -0.0, 1e-40, -1e-41, 0x1p-1030, 0x1p-1074, 6e-8, -3e-7, 1e-5, 1e-20,
            1, 65_519, 65_520, 3e38, -1e300,
        ]
        let bits = random(UInt64(seed * 8 + place), index)
        let unit = Double(Int64(bitPattern: bits) >> 11) * 0x1p-52
        var number = place == 1 ? unit : unit * 0.25
        if bits % 11 == 0 { number = specials[Int(bits >> 32) % specials.count] }
        if place >= 2, row.slots[place - 2] == .positive { number = number.magnitude * (bits % 7 == 0 ? 1 : 1e-2) }
        return type.encode(number)
    }

    @Test func everyRuleHasARow() {
        #expect(Set(ruleTable.map(\.rule)) == Set(Rule.allCases))
    }

    @Test(arguments: ruleTable.indices, terms.indices)
    func agreesWithTheScalarReference(row: Int, terms: Int) {
        let seed = row * Self.terms.count + terms
        for (index, types) in Self.types(ruleTable[row].arrayCount, seed: UInt64(seed)).enumerated() {
            check(ruleTable[row], types, Self.terms[terms], seed: seed * 64 + index)
        }
    }

    /// One combination of types: all sizes, each twin, one reference, since elements do not depend on each other.
    private func check(_ row: RuleRow, _ types: [ElementType], _ terms: RunTerms, seed: Int) {
        let longest = Self.sizes.max() ?? 0
        let inputs = types.indices.map { place in
            (0..<longest).map { Self.input(types[place], row, place: place, index: $0, seed: seed) }
        }
        let expected = (0..<longest).map { index in row.step(types, inputs.map { $0[index] }, terms) }
        for twin in Twin.here {
            for size in Self.sizes {
                let arrays = types.indices.map { place in
                    let array = StoredArray(types[place], count: size, shift: seed + 5 * place + 1)
                    for index in 0..<size { array[index] = inputs[place][index] }
                    return array
                }
                row.sweep(twin, arrays, count: size, terms)
                let wrong = (0..<size).first { index in
                    !types.indices.allSatisfy { types[$0].isSame(arrays[$0][index], expected[index][$0]) }
                }
                if let wrong {
                    Issue.record(
                        """
                        \(twin.rawValue), \(row.testDescription), \(types), \(terms), size \(size), element \(wrong): \
                        inputs \(inputs.map { $0[wrong] }), got \(arrays.map { $0[wrong] }), wanted \(expected[wrong])
                        """)
                    return
                }
                let guardsStand = arrays.allSatisfy(\.guardsStand)
                #expect(guardsStand, "\(twin.rawValue), \(types), size \(size): a guard byte changed")
            }
        }
    }

    /// In the mode that flushes denormals there is no scalar reference, since that would be arithmetic of the test's
    /// own in that mode: the twins are held against each other, on numbers around the smallest normal one.
    @Test(arguments: ruleTable.indices, [ElementType.fp32, .fp64])
    func twinsAgreeWhileFlushing(row index: Int, type: ElementType) {
        let (row, count) = (ruleTable[index], 20_001)
        let results = Twin.here.map { twin in
            let arrays = (0..<row.arrayCount).map { place in
                let array = StoredArray(type, count: count, shift: place)
                for element in 0..<count {
                    array[element] = Self.small(type, row, place: place, index: element, seed: index)
                }
                return array
            }
            Self.whileFlushing { row.sweep(twin, arrays, count: count, Self.terms[index % Self.terms.count]) }
            return arrays
        }
        for (twin, arrays) in zip(Twin.here, results).dropFirst() {
            let wrong = (0..<count).first { index in
                !arrays.indices.allSatisfy { type.isSame(arrays[$0][index], results[0][$0][index]) }
            }
            if let wrong {
                Issue.record(
                    """
                    \(twin.rawValue), \(row.testDescription), element \(wrong): \(arrays.map { $0[wrong] }), but \
                    \(Twin.here[0].rawValue): \(results[0].map { $0[wrong] })
                    """)
            }
        }
    }

    /// Bits of a number around the smallest normal one; gradients also where their squares are.
    private static func small(_ type: ElementType, _ row: RuleRow, place: Int, index: Int, seed: Int) -> UInt64 {
        let least = type == .fp32 ? -126 : -1022
        let bits = random(UInt64(seed * 8 + place), index)
        let exponent = (place == 1 && bits & 1 == 0 ? least / 2 : least) + Int((bits >> 8) % 40) - 26
        let significand = 1 + Double(bits >> 32) * 0x1p-32
        let isPositive = place >= 2 && row.slots[place - 2] == .positive
        let sign: FloatingPointSign = !isPositive && bits & 2 == 0 ? .minus : .plus
        return type.encode(Double(sign: sign, exponent: exponent, significand: significand))
    }

    @inline(never)
    private static func whileFlushing(_ body: () -> Void) {
        let before = machine_float_mode_get()
        machine_float_mode_set(machine_float_mode_flush())
        body()
        machine_float_mode_set(before)
    }
}
