// The same elements with other sizes (flatten, reshape: nothing moves), or in another order (permute).
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Reshaping: Operation {
    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        let output =
            layer.kind == .flatten
            ? try Shape([input.elementCount], subject) : try Reshaping.output(of: layer.sizes, input, subject)
        super.init(inputs: [input], output: output)
    }

    override var isView: Bool { true }

    /// The sizes, with what is left in place of -1.
    private static func output(of wanted: [Int], _ input: Shape, _ subject: String) throws(MartletError) -> Shape {
        var sizes = wanted
        let open = sizes.indices.filter { sizes[$0] == -1 }
        if open.count == 1 {
            var known = 1
            for size in sizes where size > 0 {
                let (product, overflow) = known.multipliedReportingOverflow(by: size)
                known = overflow ? Int.max : product
            }
            sizes[open[0]] = input.elementCount % known == 0 ? input.elementCount / known : 0
        }
        guard let shape = try? Shape(sizes), shape.elementCount == input.elementCount else {
            throw MartletError(
                .shape,
                "\(subject)'s sizes are \(Shape.text(wanted)); expected sizes, of which one may be -1, "
                    + "of \(input.elementCount) elements, those of its input \(input)")
        }
        return shape
    }
}

/// Moves at most three groups of neighbouring dimensions past one another.
final class Permutation: Operation {
    /// The dimensions that the permutation tells apart, merged to three, and their order in the output.
    private let sizes: (Int, Int, Int)
    private let order: (Int, Int, Int)
    private let backSizes: (Int, Int, Int)
    private let backOrder: (Int, Int, Int)

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        let wanted = layer.sizes
        guard wanted.sorted() == Array(0..<input.rank) else {
            throw MartletError(
                .shape,
                "\(subject)'s sizes are \(Shape.text(wanted)); expected each of 0 ..< \(input.rank) once, "
                    + "the dimensions of its input \(input)")
        }
        // Dimensions that stay neighbours count as one.
        var runs: [[Int]] = []
        for dimension in wanted {
            if let last = runs.last?.last, last + 1 == dimension {
                runs[runs.count - 1].append(dimension)
            } else {
                runs.append([dimension])
            }
        }
        guard runs.count <= 3 else {
            throw MartletError(
                .unsupported,
                "\(subject)'s sizes are \(Shape.text(wanted)), which moves \(runs.count) groups of dimensions past "
                    + "one another; expected 3 at most")
        }
        let sorted = runs.sorted { $0[0] < $1[0] }
        var merged = sorted.map { $0.reduce(1) { $0 * input[$1] } }
        var places = runs.map { run in sorted.firstIndex { $0[0] == run[0] } ?? 0 }
        while merged.count < 3 {
            merged.append(1)
            places.append(places.count)
        }
        sizes = (merged[0], merged[1], merged[2])
        order = (places[0], places[1], places[2])
        backSizes = (merged[places[0]], merged[places[1]], merged[places[2]])
        func back(_ place: Int) -> Int { places.firstIndex(of: place) ?? 0 }
        backOrder = (back(0), back(1), back(2))
        super.init(inputs: [input], output: try Shape(wanted.map { input[$0] }, subject))
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let steps = [sizes.1 * sizes.2, sizes.2, 1]
        let (out, places) = (backSizes, order)
        return [CCall(.permute, [out.0, out.1, out.2, steps[places.0], steps[places.1], steps[places.2]])]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            PermuteRequest(batch: pass.batch, sizes: sizes, order: order, x: pass.input, y: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        unsafe pass.forward.execution.run(
            PermuteRequest(batch: pass.forward.batch, sizes: backSizes, order: backOrder, x: pass.gradient, y: out))
    }
}
