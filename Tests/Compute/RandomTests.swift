// Random words against the generator's published answers and a plain form of it, dropout, noise and random frames of images
// against those words, and the operations that only move numbers.

import Glibc
import MartletKernelInterface
import MartletCompute
import MartletTestSupport
import Testing

@Suite struct RandomTests {
    /// Threefry-2x32 with 20 rounds as its paper states it.
    static func threefry(_ key: (UInt32, UInt32), _ counter: (UInt32, UInt32)) -> (UInt32, UInt32) {
        let rotations: [UInt32] = [13, 15, 26, 6, 17, 29, 16, 24]
        let keys = [key.0, key.1, 0x1BD1_1BDA ^ key.0 ^ key.1]
        var (a, b) = (counter.0 &+ keys[0], counter.1 &+ keys[1])
        for round in 0..<20 {
            let rotation = rotations[round % 8]
            a = a &+ b
            b = ((b << rotation) | (b >> (32 - rotation))) ^ a
            if round % 4 == 3 {
                let number = round / 4 + 1
                a = a &+ keys[number % 3]
                b = b &+ keys[(number + 1) % 3] &+ UInt32(number)
            }
        }
        return (a, b)
    }

    static func word(key: UInt64, stream: UInt64, _ index: UInt64) -> UInt32 {
        func halves(_ number: UInt64) -> (UInt32, UInt32) { (UInt32(truncatingIfNeeded: number), UInt32(number >> 32)) }
        let counter = (index >> 5) &* 16 &+ (index & 15)
        let (a, b) = threefry(threefry(halves(key), halves(stream)), halves(counter))
        return index & 16 == 0 ? a : b
    }

    /// The known answers of Random123 (its file kat_vectors, "threefry2x32 20").
    @Test func plainFormGivesTheKnownAnswers() {
        #expect(Self.threefry((0, 0), (0, 0)) == (0x6b20_0159, 0x99ba_4efe))
        #expect(Self.threefry((.max, .max), (.max, .max)) == (0x1cb9_96fc, 0xbb00_2be7))
        #expect(Self.threefry((0x1319_8a2e, 0x0370_7344), (0x243f_6a88, 0x85a3_08d3)) == (0xc492_3a9c, 0x483d_f7a0))
    }

    @Test(arguments: [0, 1, 31, 32, 1000, 1 << 37 - 40, .max - 50] as [UInt64]) func words(first: UInt64) throws {
        for (key, stream): (UInt64, UInt64) in [(0, 0), (0x0123_4567_89ab_cdef, 1 << 40 + 3)] {
            for count in [0, 1, 31, 32, 33, 100, 20_000] {
                let wanted = (0..<UInt64(count)).map { Self.word(key: key, stream: stream, first &+ $0) }
                try Twins.each { execution in
                    let out = Fenced<UInt32>(repeating: 7, count: count)
                    execution.run(
                        RandomWordsRequest(key: key, stream: stream, first: first, count: count, out: out.pointer))
                    let isSame = out.numbers == wanted
                    #expect(isSame, "\(execution.isa.name), \(count) words from \(first)")
                }
            }
        }
    }

    @Test(arguments: [0, 0.25, 0.5, 0.9] as [Float]) func dropout(rate: Float) throws {
        for count in [0, 1, 15, 16, 17, 31, 32, 33, 100_001] {
            let x = randomFloats(count, seed: 3)
            let wanted = x.indices.map { index in
                let number = Float(Self.word(key: 11, stream: 5, UInt64(index)) >> 9) * 0x1p-23
                return number >= rate ? x[index] * (1 / (1 - rate)) : 0
            }
            let kept = Double(wanted.filter { $0 != 0 }.count)
            let spread = 5 * (Double(count) * Double(rate) * Double(1 - rate)).squareRoot()
            #expect(abs(kept - Double(count) * Double(1 - rate)) <= spread + 1)
            try Twins.each { execution in
                let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: count))
                execution.run(
                    DropoutRequest(count: count, rate: rate, key: 11, step: 5, x: input.pointer, y: y.pointer))
                #expect(y.numbers == wanted, "\(execution.isa.name), \(count)")
                execution.run(
                    DropoutRequest(count: count, rate: rate, key: 11, step: 5, x: input.pointer, y: input.pointer))
                #expect(input.numbers == wanted)
            }
        }
    }

    /// Numbers of the normal distribution by its own words in fp64, their moments, and each on its own place.
    @Test func noise() throws {
        for count in [0, 1, 15, 16, 17, 31, 32, 33, 100_001] {
            let x = randomFloats(count, seed: 3)
            let normal = x.indices.map { index in
                let (q, lane) = (UInt64(index) / 16, UInt64(index) % 16)
                let u = 1 - Double(Self.word(key: 11, stream: 5, 32 * q + lane) >> 9) * 0x1p-23
                let w = Double(Self.word(key: 11, stream: 5, 32 * q + 16 + lane) >> 9) * 0x1p-23 - 0.5
                return (-2 * log(u)).squareRoot() * sin(Double.pi * w)
            }
            if count > 1000 {
                for (power, wanted, spread) in [(1, 0.0, 1.0), (2, 1, 1.5), (3, 0, 4), (4, 3, 10)] {
                    let moment = normal.reduce(0) { $0 + pow($1, Double(power)) } / Double(count)
                    #expect(abs(moment - wanted) < 4 * spread / Double(count).squareRoot())
                }
            }
            try Twins.each { execution in
                let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: count))
                func run(_ from: FencedFloats, _ to: FencedFloats) {
                    execution.run(
                        NoiseRequest(
                            count: count, deviation: 0.25, key: 11, step: 5, x: from.pointer, y: to.pointer))
                }
                run(input, y)
                let exact = zip(x, normal).map { Double($0) + 0.25 * $1 }
                expectClose(y.numbers, exact, relative: 2e-7, absolute: 4e-7, "\(execution.isa.name), \(count)")
                run(input, input)
                #expect(input.numbers == y.numbers)
            }
        }
    }

    /// Images in another frame, and the gradients of that, pixel by pixel.
    @Test func shiftsImages() throws {
        struct Case {
            var rows = Shift()
            var columns = Shift()
            var height = 5
            var width = 7
        }
        let (height, width, batch) = (5, 7, 40)
        for channels in [1, 3, 20] {
            for one in [
                Case(rows: Shift(mirrors: true), columns: Shift(mirrors: true)),
                Case(columns: Shift(mirrors: true)),
                Case(rows: Shift(first: -2, choices: 5), columns: Shift(first: -8, choices: 17)),
                Case(rows: Shift(choices: 3), columns: Shift(choices: 5), height: 3, width: 3),
                Case(rows: Shift(first: -1), columns: Shift(first: -3), height: 9, width: 10),
            ] {
                let x = (0..<batch * height * width * channels).map { Float($0 + 1) }
                let g = (0..<batch * one.height * one.width * channels).map { Float($0 + 1) }
                var wanted = [Float](repeating: 0, count: g.count)
                var back = [Float](repeating: 0, count: x.count)
                var seen: Set<[Int]> = []
                func source(_ shift: Shift, _ size: Int, _ image: Int, _ word: Int) -> (Int) -> Int {
                    func drawn(_ number: Int) -> UInt64 {
                        UInt64(Self.word(key: 9, stream: 2, UInt64(32 * image + number)))
                    }
                    let isTurned = shift.mirrors && drawn(word) >= 1 << 31
                    let offset = shift.first + Int((drawn(word + 1) * UInt64(shift.choices)) >> 32)
                    seen.insert([word, isTurned ? 1 : 0, offset])
                    return { isTurned ? size - 1 - $0 - offset : $0 + offset }
                }
                for image in 0..<batch {
                    let (down, across) = (source(one.rows, height, image, 0), source(one.columns, width, image, 2))
                    for row in 0..<one.height where (0..<height).contains(down(row)) {
                        for column in 0..<one.width where (0..<width).contains(across(column)) {
                            for channel in 0..<channels {
                                let place =
                                    ((image * one.height + row) * one.width + column) * channels + channel
                                let from =
                                    ((image * height + down(row)) * width + across(column)) * channels + channel
                                wanted[place] = x[from]
                                back[from] = g[place]
                            }
                        }
                    }
                }
                let ways = (one.rows.mirrors ? 2 : 1) * one.rows.choices
                #expect(seen.count { $0[0] == 0 } == ways)
                try Twins.each { execution in
                    let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: wanted.count))
                    let (gradient, out) = (FencedFloats(g), FencedFloats(repeating: 7, count: x.count))
                    execution.run(
                        ImageShiftRequest(
                            batch: batch, channels: channels, rows: one.rows, columns: one.columns, key: 9, step: 2,
                            isBackward: false, from: input.pointer, height: height, width: width, to: y.pointer,
                            toHeight: one.height, toWidth: one.width))
                    #expect(y.numbers == wanted)
                    execution.run(
                        ImageShiftRequest(
                            batch: batch, channels: channels, rows: one.rows, columns: one.columns, key: 9, step: 2,
                            isBackward: true, from: gradient.pointer, height: one.height, width: one.width,
                            to: out.pointer, toHeight: height, toWidth: width))
                    #expect(out.numbers == back)
                }
            }
        }
    }

    @Test func threadsDoNotChangeBits() throws {
        let x = randomFloats(300_000, seed: 8)
        try Twins.expectSameBits { execution in
            let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
            execution.run(DropoutRequest(count: x.count, rate: 0.3, key: 1, step: 2, x: input.pointer, y: y.pointer))
            let noisy = FencedFloats(repeating: 7, count: x.count)
            execution.run(
                NoiseRequest(count: x.count, deviation: 2, key: 1, step: 2, x: input.pointer, y: noisy.pointer))
            return [y.numbers, noisy.numbers]
        }
    }

    @Test(arguments: [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
    func permutes(order: (Int, Int, Int)) throws {
        let (batch, sizes) = (3, [4, 5, 18])
        let x = (0..<batch * 360).map { Float($0) }
        let orders = [order.0, order.1, order.2]
        var wanted: [Float] = []
        for image in 0..<batch {
            for i in 0..<sizes[orders[0]] {
                for j in 0..<sizes[orders[1]] {
                    for k in 0..<sizes[orders[2]] {
                        var place = [0, 0, 0]
                        (place[orders[0]], place[orders[1]], place[orders[2]]) = (i, j, k)
                        wanted.append(Float(image * 360 + (place[0] * sizes[1] + place[1]) * sizes[2] + place[2]))
                    }
                }
            }
        }
        try Twins.each { execution in
            let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
            execution.run(
                PermuteRequest(
                    batch: batch, sizes: (sizes[0], sizes[1], sizes[2]), order: order, x: input.pointer, y: y.pointer))
            #expect(y.numbers == wanted)
        }
    }

    @Test(arguments: [(0, 4), (5, 0), (7, 1), (100, 12), (3, 70_001)]) func gathers(count: Int, bytes: Int) throws {
        let table = (0..<20 * bytes).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        let rows = (0..<count).map { Int64(($0 * 13 + 5) % 20) }
        let wanted = rows.flatMap { Array(table[Int($0) * bytes..<(Int($0) + 1) * bytes]) }
        try Twins.each { execution in
            let (from, to) = (Fenced<UInt8>(table), Fenced<UInt8>(repeating: 7, count: count * bytes))
            let chosen = Fenced<Int64>(rows)
            execution.run(
                GatherRequest(
                    rows: chosen.pointer, count: count, bytesPerRow: bytes, from: from.pointer, to: to.pointer))
            let isSame = to.numbers == wanted
            #expect(isSame)
        }
    }
}
