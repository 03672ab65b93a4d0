// State of 16, 8 and 4 bits, there and back, against numbers worked out in fp64 from what the formats are: every code, every
// decision between two, blocks of any length, and blocks of zeros, denormals, infinities and NaN.

import CMachine
import Glibc
import MartletKernelInterface
import MartletRules
import Testing

#if arch(x86_64)
    import MartletRulesAVX2
    import MartletRulesAVX512
#endif

/// A format as a list: 1, then fractions of so many steps to each halving.
private struct Reference {
    let type: SmallType
    let top: Int
    let steps: Int
    /// The magnitude of each code, in order.
    private let magnitudes: [Double]

    init(_ type: SmallType) {
        self.type = type
        top = 1 << (type.isUnsigned ? type.bits : type.bits - 1) - 1
        let steps = [16: 1024, 8: 8, 4: 2][type.bits]!
        var found = [1.0]
        for place in 0..<top - 1 {
            let (halvings, step) = place.quotientAndRemainder(dividingBy: steps)
            found.append(Double(2 * steps - 1 - step) / Double(2 * steps) * exp2(Double(-halvings)))
        }
        magnitudes = [0] + found.reversed()
        self.steps = steps
    }

    /// The magnitude of a code.
    func magnitude(_ code: Int) -> Double { magnitudes[code] }

    /// What a code stands for under a scale of 1.
    func number(_ code: Int) -> Double {
        code > top ? -magnitude(code - top - 1) : magnitude(code)
    }

    /// The codes on both sides of a number, which are one where it is a code's but for the last bits of fp32.
    func codes(_ number: Double, scale: Double) -> Set<Int> {
        let size = min(abs(number) / scale, 1)
        func signed(_ code: Int) -> Int { number < 0 && code > 0 ? code + top + 1 : code }
        if size == 0 { return [0] }
        let quiet = min(magnitude(1), 1.0 / 128) * (1 - 4e-7)
        if size < magnitude(1) * (1 - 4e-7) { return type.isUnsigned ? [1] : size < quiet ? [0] : [0, signed(1)] }
        return [signed(first { $0 > size * (1 + 4e-7) } - 1), signed(first { $0 >= size * (1 - 4e-7) })]
    }

    /// The first code whose magnitude is large enough.
    private func first(_ isEnough: (Double) -> Bool) -> Int {
        var (low, high) = (0, top + 1)
        while low < high {
            let middle = (low + high) / 2
            if isEnough(magnitudes[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// Codes and scales between bytes that nothing may touch.
private final class SmallArray {
    let type: SmallType
    let count: Int
    private var bytes: [UInt8]
    private var numbers: [Float]

    init(_ type: SmallType, count: Int) {
        self.type = type
        self.count = count
        bytes = Array(repeating: 0xa7, count: type.byteCount(count) + 64)
        numbers = Array(repeating: 12345, count: type.scaleCount(count) + 2)
    }

    var isIntact: Bool {
        let end = 32 + type.byteCount(count)
        return bytes[..<32].allSatisfy { $0 == 0xa7 } && bytes[end...].allSatisfy { $0 == 0xa7 }
            && numbers.first == 12345 && numbers.last == 12345
    }

    subscript(code index: Int) -> Int {
        get {
            switch type.bits {
            case 16: Int(bytes[32 + 2 * index]) | Int(bytes[33 + 2 * index]) << 8
            case 8: Int(bytes[32 + index])
            default: Int(bytes[32 + index / 2] >> (index % 2 == 0 ? 0 : 4)) & 15
            }
        }
        set {
            if type.bits == 16 {
                (bytes[32 + 2 * index], bytes[33 + 2 * index]) = (UInt8(newValue & 255), UInt8(newValue >> 8))
            } else if type.bits == 8 {
                bytes[32 + index] = UInt8(newValue)
            } else {
                let place = 32 + index / 2
                bytes[place] =
                    index % 2 == 0
                    ? bytes[place] & 0xf0 | UInt8(newValue) : bytes[place] & 0x0f | UInt8(newValue) << 4
            }
        }
    }

    var scales: [Float] {
        get { Array(numbers.dropFirst().dropLast()) }
        set { numbers.replaceSubrange(1..<numbers.count - 1, with: newValue) }
    }

    /// All codes and scales as numbers, by a twin.
    func decoded(_ twin: Twin) -> [Float] {
        var out = [Float](repeating: 0, count: (count + 63) / 64 * 64 + 64)
        run(&out) { twin.codec(Coding(type)).fetch($0) }
        return Array(out.prefix(count))
    }

    func encode(_ twin: Twin, _ values: [Float], stream: UInt64 = 0x0123_4567_89ab_cdef) {
        var values = values
        run(&values, stream) { twin.codec(Coding(type)).put($0) }
    }

    private func run(_ values: inout [Float], _ stream: UInt64 = 0, _ kernel: (UnsafeRawPointer) -> Void) {
        let count = count
        values.withUnsafeMutableBytes { values in
            bytes.withUnsafeMutableBytes { bytes in
                numbers.withUnsafeMutableBytes { numbers in
                    var block = CodedBlock(
                        stored: bytes.baseAddress! + 32, beside: numbers.baseAddress! + 4,
                        numbers: values.baseAddress!, count: count, place: 0, stream: stream)
                    kernel(&block)
                }
            }
        }
    }
}

extension Twin {
    fileprivate func codec(_ coding: Coding) -> Codec {
        #if arch(x86_64)
            switch self {
            case .baseline: MartletRules.codec(coding)
            case .avx2: MartletRulesAVX2.codec(coding)
            case .avx512: MartletRulesAVX512.codec(coding)
            }
        #else
            MartletRules.codec(coding)
        #endif
    }
}

@Suite struct SmallStateTests {
    private static let counts = [1, 2, 3, 15, 16, 17, 31, 32, 33, 127, 128, 129, 200, 255, 256, 257, 511, 1000]

    @Test(arguments: Twin.here, SmallType.allCases)
    func everyCodeHasItsNumber(twin: Twin, type: SmallType) {
        let reference = Reference(type)
        let codes = 1 << type.bits
        for scale in [Float(1), 3, 0x1p-100, 1e-38, 3e38] {
            let array = SmallArray(type, count: codes)
            array.scales = array.scales.map { _ in scale }
            for code in 0..<codes { array[code: code] = code }
            let found = array.decoded(twin)
            let wanted = (0..<codes).map { Float(reference.number($0) * Double(scale)) }
            let wrong = (0..<codes).filter { found[$0] != wanted[$0] }
            #expect(wrong.isEmpty, "\(twin) \(type) code \(wrong.first ?? -1) times \(scale)")
        }
    }

    @Test(arguments: Twin.here, SmallType.allCases)
    func numbersTakeACodeBesideThem(twin: Twin, type: SmallType) {
        let reference = Reference(type)
        for (round, count) in Self.counts.enumerated() {
            for spread in [0.5, 3, 12] {
                let values = (0..<count).map { index in
                    let size = exp(spread * (Double(random(UInt64(round), index) % 2001) / 500 - 2))
                    let isZero = random(UInt64(round) + 50, index) % 7 == 0
                    let sign = !type.isUnsigned && random(UInt64(round) + 90, index) % 2 == 0 ? -1.0 : 1
                    return Float(isZero ? 0 : sign * size)
                }
                let array = SmallArray(type, count: count)
                array.encode(twin, values)
                #expect(array.isIntact)
                for (block, scale) in array.scales.enumerated() {
                    let range = block * type.block..<min((block + 1) * type.block, count)
                    let most = range.map { abs(values[$0]) }.max()!
                    #expect(scale == most)
                    for index in range where most > 0 {
                        let wanted = reference.codes(Double(values[index]), scale: Double(most))
                        #expect(
                            wanted.contains(array[code: index]),
                            "\(twin) \(type): \(values[index]) beside \(most) takes \(array[code: index]), not \(wanted)"
                        )
                    }
                }
            }
        }
    }

    /// Numbers of each kind of place between two codes, in many streams: on average they are what they were, to four
    /// deviations, and neighbours in one block do not round alike.
    @Test(arguments: Twin.here, SmallType.allCases)
    func roundsEvenly(twin: Twin, type: SmallType) {
        let reference = Reference(type)
        let places = [(1, 0.5), (2, 0.02), (2, 0.9), (reference.top - 1, 0.3), (reference.top / 2, 0.75)]
        for (code, part) in type == .float4 ? places + [(0, 0.3), (0, 0.07)] : places {
            let (low, high) = (reference.magnitude(code), reference.magnitude(code + 1))
            let number = Float(low + (high - low) * part)
            var (ups, repeats, count) = (0, 0, 0)
            for stream in 0..<64 as Range<UInt64> {
                let array = SmallArray(type, count: type.block)
                let values = [1] + Array(repeating: number, count: type.block - 1)
                array.encode(twin, values, stream: stream &* 0x9e37_79b9_7f4a_7c15)
                for index in 1..<type.block {
                    #expect(array[code: index] == code || array[code: index] == code + 1)
                    ups += array[code: index] - code
                    repeats += array[code: index] == array[code: index - 1] ? 1 : 0
                    count += 1
                }
            }
            let deviation = (part * (1 - part) * Double(count)).squareRoot()
            #expect(
                abs(Double(ups) - part * Double(count)) < 4 * deviation,
                "\(twin) \(type) \(code) \(part): \(ups) of \(count)")
            let alike = part * part + (1 - part) * (1 - part)
            #expect(abs(Double(repeats) / Double(count) - alike) < 0.03, "\(twin) \(type) \(code) \(part): \(repeats)")
        }
    }

    /// A step's draws depend on its stream and on the element's place alone: every twin takes the same codes.
    @Test(arguments: SmallType.allCases)
    func sameCodesOnEverySet(type: SmallType) {
        let values = (0..<777).map { index in
            let sign = type.isUnsigned ? 1 : Int(random(1, index) % 3) - 1
            return Float(sign) * exp(Float(random(2, index) % 100) / 10)
        }
        let arrays = Twin.here.map { twin in
            let array = SmallArray(type, count: values.count)
            array.encode(twin, values)
            return (0..<values.count).map { array[code: $0] }
        }
        #expect(arrays.allSatisfy { $0 == arrays[0] })
    }

    /// What a step leaves alone stays as it is, but for numbers under a scale that has become another.
    @Test(arguments: Twin.here, SmallType.allCases)
    func everyCodeComesBack(twin: Twin, type: SmallType) {
        let reference = Reference(type)
        for flushes in [false, true] {
            for scale in [Float(1), 0.7, type == .ufloat16 ? 1e-18 : 1e-28, 3e38] {
                let array = SmallArray(type, count: type.block * 2 + 5)
                array.scales = array.scales.map { _ in scale }
                // A code that is its block's largest, and all others.
                for index in 0..<array.count {
                    let isLargest = index % type.block == 1 || index == array.count - 1
                    array[code: index] = isLargest ? reference.top : (index * 127 + 1) % (1 << type.bits)
                }
                let before = (0..<array.count).map { reference.number(array[code: $0]) == 0 ? 0 : array[code: $0] }
                withMode(flushes: flushes) { array.encode(twin, array.decoded(twin)) }
                let after = (0..<array.count).map { array[code: $0] }
                #expect(after == before, "\(twin) \(type), scale \(scale), flushes \(flushes)")
                #expect(array.scales.allSatisfy { $0 == scale })
                #expect(array.isIntact)
            }
        }
    }

    @Test(arguments: Twin.here, SmallType.allCases)
    func hostileBlocks(twin: Twin, type: SmallType) {
        let top = Reference(type).top
        func stored(_ values: [Float], flushes: Bool = false) -> (codes: [Int], scale: Float) {
            let array = SmallArray(type, count: values.count)
            withMode(flushes: flushes) { array.encode(twin, values) }
            #expect(array.isIntact)
            return ((0..<values.count).map { array[code: $0] }, array.scales[0])
        }
        #expect(stored([0, -0.0, 0]).codes == [0, 0, 0])
        #expect(stored([0, -0.0, 0]).scale.bitPattern == 0)
        // A NaN, of any bits and place, makes all of the block NaN, in the same bits everywhere.
        for (place, bits) in [0x7fc0_0000, 0xffff_ffff, 0x7f80_0001, 0x7fff_1234].enumerated() {
            var values = [Float](repeating: 1, count: 33)
            values[place * 10] = Float(bitPattern: UInt32(bits))
            let found = stored(values)
            #expect(found.scale.isNaN && found.scale.bitPattern == Float.nan.bitPattern)
            #expect(found.codes.allSatisfy { $0 == 0 })
        }
        let infinite = stored([1, .infinity, 0])
        #expect(infinite.codes == [type.isUnsigned ? 1 : 0, top, 0])
        #expect(infinite.scale == .greatestFiniteMagnitude)
        // Denormals count while they are kept, and not while they are flushed.
        let tiny = Float.leastNonzeroMagnitude * 64
        #expect(stored([tiny, 0, tiny / 2]).codes == [top, 0, top - Reference(type).steps])
        #expect(stored([tiny, 0, tiny / 2]).scale == tiny)
        let flushed = stored([tiny, 0, tiny], flushes: true)
        #expect(flushed.codes == [0, 0, 0] && flushed.scale == 0)
        // The largest and the least normal scale.
        for scale in [Float.greatestFiniteMagnitude, .leastNormalMagnitude] {
            for flushes in [false, true] {
                let found = stored([scale, 0, scale], flushes: flushes)
                #expect(found.codes == [top, 0, top] && found.scale == scale)
            }
        }
        // Scales that no step leaves give what arithmetic makes of them, and touch nothing else.
        for scale in [Float.nan, .infinity, -1, -0.0] {
            let array = SmallArray(type, count: 40)
            array.scales = [scale]
            for index in 0..<40 { array[code: index] = index % (1 << type.bits) }
            let decoded = array.decoded(twin)
            #expect(decoded.count == 40 && (!scale.isNaN || decoded.allSatisfy(\.isNaN)))
            #expect(array.isIntact)
        }
    }

    private func withMode(flushes: Bool, _ body: () -> Void) {
        let before = machine_float_mode_get()
        if flushes { machine_float_mode_set(machine_float_mode_flush()) }
        body()
        machine_float_mode_set(before)
    }
}
