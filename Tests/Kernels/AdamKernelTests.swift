// Adam's kernels against the scalar reference, bit for bit: every combination of storage types, every variant of the
// rule, sizes around the lanes' width, and numbers of every kind, at addresses aligned to the element alone.

import CMachine
import MartletKernelInterface
import Testing

@Suite struct AdamKernelTests {
    static let sizes = [0, 1, 15, 16, 17, 255, 256, 257, 1031]

    /// The eight variants of the loop, the other coefficients taking turns.
    static let variants: [AdamCoefficients] = (0..<8).map { variant in
        var c = AdamCoefficients()
        let beta1 = variant & 1 == 0 ? 0.9 : 0.3
        c.gradientScale = variant & 2 == 0 ? 1 : -1
        c.l2 = variant & 2 == 0 ? 0 : 0.0123
        c.decay = variant & 1 == 0 ? 1 : 0.99877
        (c.beta1, c.oneMinusBeta1) = (beta1, 1 - beta1)
        (c.beta2, c.oneMinusBeta2) = (0.997, 1 - 0.997)
        c.amsgrad = variant & 4 != 0
        c.maxScale = variant & 1 == 0 ? 1 : 1.7320508
        c.stepSize = 0.00713
        c.eps = variant & 2 == 0 ? 1e-8 : 1e-3
        return c
    }

    /// The types of value, gradient and two moments; the third state's type goes round.
    static func types(_ combination: Int) -> [ElementType] {
        let all = ElementType.allCases
        let four = [combination, combination / 4, combination / 16, combination / 64].map { all[$0 % 4] }
        return four + [all[(combination + combination / 4 + combination / 16) % 4]]
    }

    /// Bits of one input: ordinary numbers, and every eleventh or so one of the special ones.
    static func input(_ type: ElementType, place: Int, index: Int, seed: Int) -> UInt64 {
        let specials: [Double] = [
            .nan, .infinity, -.infinity, 0, -0.0, 1e-40, -1e-41, 0x1p-1030, 0x1p-1074, 6e-8, -3e-7, 1e-5, 1e-20,
            1, 65_519, 65_520, 3e38, -1e300,
        ]
        let bits = random(UInt64(seed * 8 + place), index)
        let unit = Double(Int64(bitPattern: bits) >> 11) * 0x1p-52
        var number = place == 1 ? unit : unit * 0.25
        if bits % 11 == 0 { number = specials[Int(bits >> 32) % specials.count] }
        if place >= 3 { number = number.magnitude * (bits % 7 == 0 ? 1 : 1e-2) }
        return type.encode(number)
    }

    @Test(arguments: variants.indices)
    func agreesWithTheScalarReference(variant: Int) {
        let c = Self.variants[variant]
        for combination in 0..<256 {
            let types = Array(Self.types(combination).prefix(c.amsgrad ? 5 : 4))
            check(types, c, seed: combination * 8 + variant)
        }
    }

    /// In the mode that flushes denormals there is no scalar reference, since that would be arithmetic of the test's
    /// own in that mode: the twins are held against each other, on numbers around the smallest normal one.
    @Test(arguments: variants.indices, [ElementType.fp32, .fp64])
    func twinsAgreeWhileFlushing(variant: Int, type: ElementType) {
        let count = 20_001
        let c = Self.variants[variant]
        let least = type == .fp32 ? -126 : -1022
        let places = c.amsgrad ? 5 : 4
        let results = Twin.here.map { twin in
            let arrays = (0..<places).map { place in
                let array = StoredArray(type, count: count, shift: place)
                for index in 0..<count {
                    let bits = random(UInt64(variant * 8 + place), index)
                    // Gradients also where their squares are on the edge.
                    let exponent = (place == 1 && bits & 1 == 0 ? least / 2 : least) + Int((bits >> 8) % 40) - 26
                    let significand = 1 + Double(bits >> 32) * 0x1p-32
                    let sign: FloatingPointSign = place < 3 && bits & 2 == 0 ? .minus : .plus
                    array[index] = type.encode(Double(sign: sign, exponent: exponent, significand: significand))
                }
                return array
            }
            Self.whileFlushing { twin.adam(arrays, count: count, isDouble: type == .fp64, c) }
            return arrays
        }
        for (twin, arrays) in zip(Twin.here, results).dropFirst() {
            let wrong = (0..<count).first { index in
                !(0..<places).allSatisfy { type.isSame(arrays[$0][index], results[0][$0][index]) }
            }
            if let wrong {
                Issue.record(
                    """
                    \(twin.rawValue), \(c), element \(wrong): \(arrays.map { $0[wrong] }), but \
                    \(Twin.here[0].rawValue): \(results[0].map { $0[wrong] })
                    """)
            }
        }
    }

    @inline(never)
    private static func whileFlushing(_ body: () -> Void) {
        let before = machine_float_mode_get()
        machine_float_mode_set(machine_float_mode_flush())
        body()
        machine_float_mode_set(before)
    }

    /// One combination of types: all sizes, each twin, one reference, since elements do not depend on each other.
    private func check(_ types: [ElementType], _ c: AdamCoefficients, seed: Int) {
        let longest = Self.sizes.max() ?? 0
        let inputs = types.indices.map { place in
            (0..<longest).map { Self.input(types[place], place: place, index: $0, seed: seed) }
        }
        let expected = (0..<longest).map { index in
            let bits = inputs.map { $0[index] }
            return types.contains(where: { $0 == .fp64 })
                ? step(types, bits, c, as: Double.self) : step(types, bits, c, as: Float.self)
        }
        for twin in Twin.here {
            for size in Self.sizes {
                let arrays = types.indices.map { place in
                    let array = StoredArray(types[place], count: size, shift: seed + 5 * place + 1)
                    for index in 0..<size { array[index] = inputs[place][index] }
                    return array
                }
                twin.adam(arrays, count: size, isDouble: types.contains(where: { $0 == .fp64 }), c)
                let wrong = (0..<size).first { index in
                    !types.indices.allSatisfy { types[$0].isSame(arrays[$0][index], expected[index][$0]) }
                }
                if let wrong {
                    Issue.record(
                        """
                        \(twin.rawValue), \(types), \(c), size \(size), element \(wrong): inputs \
                        \(inputs.map { $0[wrong] }), got \(arrays.map { $0[wrong] }), wanted \(expected[wrong])
                        """)
                    return
                }
                let guardsStand = arrays.allSatisfy(\.guardsStand)
                #expect(guardsStand, "\(twin.rawValue), \(types), size \(size): a guard byte changed")
            }
        }
    }

    /// The reference on one element: decode, step, encode. The gradient is not written.
    private func step<Number: BinaryFloatingPoint>(
        _ types: [ElementType], _ bits: [UInt64], _ c: AdamCoefficients, as number: Number.Type
    ) -> [UInt64] {
        let inputs = types.indices.map { Number(types[$0].decode(bits[$0])) }
        var element = AdamElement(
            p: inputs[0], g: inputs[1], m: inputs[2], v: inputs[3], max: inputs.count > 4 ? inputs[4] : 0)
        element.step(c)
        let outputs = [element.p, 0, element.m, element.v, element.max]
        return types.indices.map { $0 == 1 ? bits[1] : types[$0].encode(Double(outputs[$0])) }
    }
}
