// The codecs, through a step of Adam that changes nothing: every bf16 and fp16 number there and back, and rounding at
// and beside every halfway point, from fp32 and from fp64, against exact arithmetic.

import CMachine
import MartletKernelInterface
import Testing

@Suite struct CodecTests {
    static let formats: [(type: ElementType, format: SmallFormat)] = [(.bf16, .bf16), (.fp16, .fp16)]

    /// Coefficients of a step of size 0, which leaves the value and both moments as they are.
    private static var stillness: AdamCoefficients {
        var c = AdamCoefficients()
        (c.beta1, c.oneMinusBeta1) = (1, 0)
        (c.beta2, c.oneMinusBeta2) = (1, 0)
        (c.stepSize, c.eps) = (0, 1)
        return c
    }

    /// Every number of a type as the value, its own inverse through decode and encode.
    @Test(arguments: Twin.here, [0, 1])
    func every16BitNumberComesBack(twin: Twin, format: Int) {
        for other in [ElementType.fp32, .fp64] {
            #expect(Self.unreturned(twin, Self.formats[format].type, other) == [])
        }
    }

    /// In the mode that flushes denormals fp16 keeps its own, which are normal in fp32; bf16's are denormal there.
    @Test(arguments: Twin.here)
    func everyFp16NumberComesBackWhileFlushing(twin: Twin) {
        let before = machine_float_mode_get()
        machine_float_mode_set(machine_float_mode_flush())
        let unreturned = [ElementType.fp32, .fp64].map { Self.unreturned(twin, .fp16, $0) }
        machine_float_mode_set(before)
        #expect(unreturned == [[], []])
    }

    /// The first few numbers of a type that a step of size 0 changes.
    @inline(never)
    private static func unreturned(_ twin: Twin, _ type: ElementType, _ other: ElementType) -> [Int] {
        let all = 0..<0x10000
        let value = StoredArray(type, count: all.count, shift: 3)
        for bits in all { value[bits] = UInt64(bits) }
        let rest = (0..<3).map { StoredArray(other, count: all.count, shift: $0) }
        for array in rest { for index in all { array[index] = 0 } }
        twin.sweep(.adam, [value] + rest, count: all.count, RunTerms(), stillness)
        return Array(all.filter { !type.isSame(value[$0], UInt64($0)) }.prefix(4))
    }

    /// Decoded numbers in full width: the first moment, 0 and stored as fp32 or fp64, becomes the gradient.
    @Test(arguments: Twin.here, [0, 1])
    func every16BitNumberHasItsValue(twin: Twin, format: Int) {
        let (type, format) = Self.formats[format]
        var c = Self.stillness
        (c.beta1, c.oneMinusBeta1, c.stepSize) = (0, 1, 0)
        let all = 0..<0x10000
        for other in [ElementType.fp32, .fp64] {
            let arrays = [other, type, other, other].map { StoredArray($0, count: all.count, shift: 1) }
            for index in all {
                for array in arrays { array[index] = 0 }
                arrays[1][index] = UInt64(index)
            }
            twin.sweep(.adam, arrays, count: all.count, RunTerms(), c)
            let wrong = all.first { index in
                // g - 0 * (g - m): an infinity becomes NaN, and -0 becomes 0.
                let exact = format.decode(UInt16(index))
                return !other.isSame(arrays[2][index], other.encode(exact.isInfinite ? .nan : exact + 0))
            }
            #expect(wrong == nil, "\(twin.rawValue) decodes \(type) to \(other) wrongly")
        }
    }

    /// Numbers at which rounding to a format is decided: each number of it, the midpoint to the next, and what lies
    /// just beside both; then numbers of every size, and NaN of several kinds.
    static func decisions(_ format: SmallFormat) -> [Float] {
        var numbers: [Float] = []
        for bits in 0..<UInt16(format.infinity) {
            let here = Float(format.decode(bits))
            let next = bits + 1 == format.infinity ? here * 2 : Float(format.decode(bits + 1))
            for middle in [here, here + (next - here) / 2] {
                for number in [middle, middle.nextUp, middle.nextDown] { numbers += [number, -number] }
            }
        }
        for index in 0..<100_000 { numbers.append(Float(bitPattern: UInt32(truncatingIfNeeded: random(7, index)))) }
        let corners: [UInt32] = [
            0x7fff_ffff, 0x7f80_0001, 0xffff_ffff, 0xff80_0001, 0x7fc0_0000, 0xffc0_0000, 0x7fbf_ffff, 0x7fff_8000,
            0x7f80_8000, 0x7f80_0000, 0x7f7f_ffff, 0xff7f_ffff, 0x7f7f_7fff, 0x7f7f_8000, 0x477f_efff, 0x477f_f000,
            0x3300_0000, 0x3300_0001, 0x32ff_ffff, 0x0000_0001, 0x0000_8000, 0x0000_8001, 0x0001_8000, 0x007f_ffff,
        ]
        return numbers + corners.map { Float(bitPattern: $0) }
    }

    @Test(arguments: Twin.here, [0, 1])
    func fp32RoundsAsExactArithmeticDoes(twin: Twin, format: Int) {
        let (type, format) = Self.formats[format]
        let numbers = Self.decisions(format)
        let bits = numbers.map { UInt64($0.bitPattern) }
        check(twin, type, format, from: .fp32, bits, numbers.map { Double($0) })
    }

    @Test(arguments: Twin.here, [0, 1])
    func fp64RoundsOnce(twin: Twin, format: Int) {
        let (type, format) = Self.formats[format]
        // Beside each fp32 number the nearest fp64 ones, which fp32 would swallow; and numbers beyond fp32.
        let numbers =
            Self.decisions(format).flatMap { [Double($0), Double($0).nextUp, Double($0).nextDown] }
            + [1e-300, -1e300, 1e39, 3.4e38, 0x1p-1074, 1e-45, 0x1p-150, 0x1.8p-150]
        check(twin, type, format, from: .fp64, numbers.map(\.bitPattern), numbers)
    }

    @Test(arguments: Twin.here)
    func fp64RoundsToFp32(twin: Twin) {
        let numbers =
            (0..<100_000).map { Double(bitPattern: random(9, $0)) }
            + (0..<100_000).flatMap { index in
                // Between two neighbouring fp32 numbers, at the midpoint and beside it.
                let low = Float(bitPattern: UInt32(truncatingIfNeeded: random(10, index)))
                let middle = (Double(low) + Double(low.nextUp)) / 2
                return [middle, middle.nextUp, middle.nextDown]
            }
        let got = rounded(twin, .fp32, from: .fp64, numbers.map(\.bitPattern))
        let wrong = numbers.indices.first {
            !ElementType.fp32.isSame(got[$0], UInt64(Float(numbers[$0] + 0).bitPattern))
        }
        if let wrong { Issue.record("\(twin.rawValue): \(numbers[wrong]) became fp32 \(got[wrong])") }
    }

    private func check(
        _ twin: Twin, _ type: ElementType, _ format: SmallFormat, from wide: ElementType, _ bits: [UInt64],
        _ numbers: [Double]
    ) {
        let got = rounded(twin, type, from: wide, bits)
        // The sum v + 0 makes +0 of -0.
        let wrong = numbers.indices.first { !type.isSame(got[$0], UInt64(format.encode(numbers[$0] + 0))) }
        if let wrong {
            Issue.record(
                """
                \(twin.rawValue): \(numbers[wrong]) (bits \(bits[wrong])) became \(type) \(got[wrong]), not \
                \(format.encode(numbers[wrong]))
                """)
        }
    }

    /// Rounds numbers to a type: as the maximum of AMSGrad, which starts at minus infinity, of second moments that a
    /// gradient of 0 leaves alone.
    private func rounded(_ twin: Twin, _ type: ElementType, from wide: ElementType, _ bits: [UInt64]) -> [UInt64] {
        var terms = RunTerms()
        terms.variant = 1
        let arrays = [wide, wide, wide, wide, type].map { StoredArray($0, count: bits.count, shift: 2) }
        for index in bits.indices {
            for place in 0..<3 { arrays[place][index] = 0 }
            arrays[3][index] = bits[index]
            arrays[4][index] = type.encode(-.infinity)
        }
        twin.sweep(.adam, arrays, count: bits.count, terms, Self.stillness)
        return bits.indices.map { arrays[4][$0] }
    }
}
