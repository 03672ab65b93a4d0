// Group normalization and its gradients against its definition in fp64.

import Glibc
import MartletCompute
import MartletKernelInterface
import MartletTestSupport
import Testing

@Suite struct GroupNormTests {
    private static let epsilon: Float = 1e-3

    /// Batch, places, channels, groups.
    private static let shapes = [
        (1, 1, 1, 1), (3, 5, 6, 3), (2, 1, 20, 4), (2, 300, 16, 1), (3, 64, 33, 11), (2, 9, 40, 40), (1, 1000, 64, 32),
        (2, 7, 100, 5), (4, 16, 34, 2),
    ]

    /// y, gradient n, and the input's gradient.
    private static func exact(
        _ shape: ChannelGroups, _ x: [Float], _ gradient: [Float], scale: [Float]?, shift: [Float]?
    ) -> [[Double]] {
        var results = [[Double]](repeating: [Double](repeating: 0, count: x.count), count: 3)
        for image in 0..<x.count / shape.size {
            for group in 0..<shape.groups {
                let places = (0..<shape.places).flatMap { place in
                    (group * shape.width..<(group + 1) * shape.width).map {
                        image * shape.size + place * shape.channels + $0
                    }
                }
                func mean(_ value: (Int) -> Double) -> Double {
                    places.reduce(0) { $0 + value($1) } / Double(places.count)
                }
                let center = mean { Double(x[$0]) }
                let variance = mean { (Double(x[$0]) - center) * (Double(x[$0]) - center) }
                let factor = 1 / (variance + Double(epsilon)).squareRoot()
                func scaled(_ place: Int) -> Double { scale.map { Double($0[place % shape.channels]) } ?? 1 }
                func normal(_ place: Int) -> Double { (Double(x[place]) - center) * factor }
                func g(_ place: Int) -> Double { Double(gradient[place]) * scaled(place) }
                let (first, second) = (mean(g), mean { g($0) * normal($0) })
                for place in places {
                    results[0][place] =
                        normal(place) * scaled(place) + (shift.map { Double($0[place % shape.channels]) } ?? 0)
                    results[1][place] = Double(gradient[place]) * normal(place)
                    results[2][place] = (g(place) - first - normal(place) * second) * factor
                }
            }
        }
        return results
    }

    private static func run(
        _ execution: Execution, _ batch: Int, _ shape: ChannelGroups, _ x: [Float], _ gradient: [Float],
        scale: [Float]?, shift: [Float]?
    ) -> [[Float]] {
        let (input, upstream) = (FencedFloats(x), FencedFloats(gradient))
        let (scales, shifts) = (scale.map { FencedFloats($0) }, shift.map { FencedFloats($0) })
        let saved = FencedFloats(repeating: 7, count: 2 * batch * shape.groups)
        let outs = (0..<3).map { _ in FencedFloats(repeating: 7, count: x.count) }
        execution.run(
            GroupNormRequest(
                batch: batch, shape, epsilon: epsilon, x: input.pointer, scale: scales?.pointer,
                shift: shifts?.pointer, saved: saved.pointer, y: outs[0].pointer))
        for (place, givesProducts) in [(1, true), (2, false)] {
            execution.run(
                GroupNormBackwardRequest(
                    batch: batch, shape, givesProducts: givesProducts, x: input.pointer, scale: scales?.pointer,
                    saved: saved.pointer, gradient: upstream.pointer, out: outs[place].pointer))
        }
        return outs.map(\.numbers)
    }

    @Test(arguments: shapes) func agreesWithItsDefinition(batch: Int, places: Int, channels: Int, groups: Int) throws {
        let shape = ChannelGroups(places: places, channels: channels, groups: groups)
        let x = randomFloats(batch * shape.size, seed: 3, scale: 3).map { $0 + 5 }
        let gradient = randomFloats(x.count, seed: 4)
        for isPlain in [false, true] {
            let scale = isPlain ? nil : randomFloats(channels, seed: 5)
            let shift = isPlain ? nil : randomFloats(channels, seed: 6)
            let wanted = Self.exact(shape, x, gradient, scale: scale, shift: shift)
            try Twins.each { execution in
                let results = Self.run(execution, batch, shape, x, gradient, scale: scale, shift: shift)
                for (place, name) in ["y", "products", "gradient"].enumerated() {
                    // Of one number alone nothing is left but rounding, times 1 / sqrt(epsilon).
                    expectClose(
                        results[place], wanted[place], relative: 2e-5, absolute: 2e-5,
                        "\(execution.isa.name), \(name) of \(shape)")
                }
            }
        }
    }

    @Test func threadsDoNotChangeBits() throws {
        let shape = ChannelGroups(places: 100, channels: 40, groups: 5)
        let (x, gradient) = (randomFloats(50 * shape.size, seed: 3), randomFloats(50 * shape.size, seed: 4))
        let scale = randomFloats(40, seed: 5)
        try Twins.expectSameBits { execution in
            Self.run(execution, 50, shape, x, gradient, scale: scale, shift: scale)
        }
    }
}
