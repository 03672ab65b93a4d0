// Images moved by parts of pixels, which training does by chance, each image by its own.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The gradient goes the same way back, by the same random numbers.
final class Translating: Operation {
    private let layer: Layer
    private let stream: UInt64

    init(_ layer: Layer, input: Shape, stream: Int, _ subject: String) throws(MartletError) {
        self.layer = layer
        self.stream = UInt64(stream)
        super.init(inputs: [try layer.images(input, subject)], output: input)
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.copy, [input.elementCount])]
    }

    override func forward(_ pass: ForwardPass) { unsafe run(pass, isBackward: false, pass.input, to: pass.output) }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        unsafe run(pass.forward, isBackward: true, UnsafePointer(pass.gradient), to: out)
    }

    private func run(
        _ pass: ForwardPass, isBackward: Bool, _ from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>
    ) {
        func move(_ first: Int) -> Move {
            let scale = unsafe pass.isTraining ? Float(0x1p-16) : 0
            return Move(least: Float(layer.pads[first]) * scale, most: Float(layer.pads[first + 1]) * scale)
        }
        unsafe pass.execution.run(
            ImageMoveRequest(
                batch: pass.batch, height: input[0], width: input[1], channels: input[2], down: move(0), right: move(2),
                surround: layer.flags.surround, number: Float(layer.offset),
                isBilinear: layer.flags.contains(.bilinear), key: pass.key(stream), step: pass.step,
                isBackward: isBackward, from: from, to: to))
    }
}

extension LayerFlags {
    fileprivate var surround: Surround {
        if contains(.fillReflected) { return .reflected }
        if contains(.fillWrapped) { return .wrapped }
        return contains(.fillNearest) ? .nearest : .number
    }
}
