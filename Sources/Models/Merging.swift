// Several values made one: added, multiplied, or put beside one another; and one by itself, scaled.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// Values of one shape, element by element: the first two, then each of the others with what there is.
class Merging: Operation {
    private let combination: Combination

    fileprivate init(_ combination: Combination, _ inputs: [Shape], _ subject: String) throws(MartletError) {
        self.combination = combination
        for (place, shape) in inputs.enumerated() where shape != inputs[0] {
            throw MartletError(
                .shape, "\(subject)'s inputs[\(place)] is \(shape); expected \(inputs[0]), the shape of its first")
        }
        super.init(inputs: inputs, output: inputs[0])
    }

    override var runsInPlace: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let function: CFunction = combination == .sum ? .sum : .product
        return inputs.indices.dropFirst().map { place in
            CCall(function, reads: [place == 1 ? 0 : -1, place], [output.elementCount])
        }
    }

    override func forward(_ pass: ForwardPass) {
        unsafe combine(pass.execution, pass.batch, pass.input(0), pass.input(1), pass.output)
        for place in inputs.indices.dropFirst(2) {
            unsafe combine(pass.execution, pass.batch, UnsafePointer(pass.output), pass.input(place), pass.output)
        }
    }

    fileprivate func combine(
        _ execution: Execution, _ batch: Int, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
        _ out: UnsafeMutablePointer<Float>
    ) {
        unsafe execution.run(CombinationRequest(combination, count: batch * output.elementCount, x, y, out: out))
    }
}

final class Adding: Merging {
    init(_ inputs: [Shape], _ subject: String) throws(MartletError) { try super.init(.sum, inputs, subject) }

    override var passesGradientOn: Bool { true }
}

final class Multiplying: Merging {
    init(_ inputs: [Shape], _ subject: String) throws(MartletError) { try super.init(.product, inputs, subject) }

    override var needsInput: Bool { true }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        for place in inputs.indices {
            guard let out = unsafe pass.inputGradient(place) else { continue }
            var product = unsafe UnsafePointer(pass.gradient)
            for other in inputs.indices where other != place {
                unsafe combine(forward.execution, forward.batch, product, forward.input(other), out)
                unsafe product = unsafe UnsafePointer(out)
            }
        }
    }
}

/// Values beside one another along one dimension, in which alone they may differ.
final class Concatenating: Operation {
    /// Elements in each input, and in the output, from the dimension on; and how often these follow one another.
    private let widths: [Int]
    private let width: Int
    private let outer: Int

    init(_ layer: Layer, inputs: [Shape], _ subject: String) throws(MartletError) {
        let first = inputs[0]
        let axis = layer.axis < 0 ? layer.axis + first.rank : layer.axis
        guard axis >= 0 && axis < first.rank else {
            throw MartletError(
                .argument, "\(subject)'s axis is \(layer.axis); expected \(-first.rank) ..< \(first.rank) of \(first)")
        }
        var sizes = first.list
        var total = 0
        for (place, shape) in inputs.enumerated() {
            var alike = shape.list
            if shape.rank == first.rank { alike[axis] = sizes[axis] }
            guard alike == sizes else {
                throw MartletError(
                    .shape,
                    "\(subject)'s inputs[\(place)] is \(shape); expected \(first), the shape of its first, but for the size "
                        + "of dimension \(axis)")
            }
            total += shape[axis]
        }
        outer = sizes[..<axis].reduce(1, *)
        widths = inputs.map { [outer] in $0.elementCount / outer }
        sizes[axis] = total
        let output = try Shape(sizes, "\(subject)'s output")
        width = output.elementCount / outer
        super.init(inputs: inputs, output: output)
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        var start = 0
        return widths.enumerated().map { (place, part) in
            defer { start += part }
            return CCall(.put, reads: [place], [outer, part, width, start])
        }
    }

    override func forward(_ pass: ForwardPass) {
        var start = 0
        for (place, part) in widths.enumerated() {
            unsafe pass.execution.run(
                RowCopyRequest(
                    rows: pass.batch * outer, width: part, from: pass.input(place), fromStride: part,
                    to: pass.output + start, toStride: width))
            start += part
        }
    }

    override func backward(_ pass: BackwardPass) {
        var start = 0
        for (place, part) in widths.enumerated() {
            if let out = unsafe pass.inputGradient(place) {
                unsafe pass.forward.execution.run(
                    RowCopyRequest(
                        rows: pass.forward.batch * outer, width: part, from: pass.gradient + start, fromStride: width,
                        to: out, toStride: part))
            }
            start += part
        }
    }
}

/// y = x scale + offset.
final class Rescaling: Operation {
    private let scale: Float
    private let offset: Float

    init(_ layer: Layer, input: Shape) {
        (scale, offset) = (Float(layer.scale), Float(layer.offset))
        super.init(inputs: [input], output: input)
    }

    override var runsInPlace: Bool { true }
    override var gradientRunsInPlace: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.rescale, [input.elementCount], [CArray([scale, offset])])]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            CombinationRequest(
                .affine, count: pass.batch * input.elementCount, pass.input, pass.input, out: pass.output, first: scale,
                second: offset))
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        let gradient = unsafe UnsafePointer(pass.gradient)
        unsafe pass.forward.execution.run(
            CombinationRequest(
                .affine, count: pass.forward.batch * input.elementCount, gradient, gradient, out: out, first: scale))
    }
}
