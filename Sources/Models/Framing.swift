// Images in another frame: zeros around them, a part of them, moved or mirrored, which training does by chance, each image
// by its own; and every pixel several times.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// What happens to rows and columns is no one's to learn: the gradient goes the same way back, by the same random numbers.
final class Framing: Operation {
    /// Rows and columns, in training and otherwise.
    private let training: (rows: Shift, columns: Shift)
    private let still: (rows: Shift, columns: Shift)
    private let stream: UInt64

    init(_ layer: Layer, input: Shape, stream: Int, _ subject: String) throws(MartletError) {
        let image = try layer.images(input, subject)
        self.stream = UInt64(stream)
        var sizes = image.list
        var training = (rows: Shift(), columns: Shift())
        var still = training
        switch layer.kind {
        case .randomFlip:
            training.rows.mirrors = layer.flags.contains(.flipVertical)
            training.columns.mirrors = layer.flags.contains(.flipHorizontal)
        case .randomTranslation:
            training.rows = Shift(first: -layer.kernel.height, choices: 2 * layer.kernel.height + 1)
            training.columns = Shift(first: -layer.kernel.width, choices: 2 * layer.kernel.width + 1)
        case .randomCrop:
            let (down, across) = (image[0] - layer.kernel.height, image[1] - layer.kernel.width)
            // Offsets are drawn by 32 bits.
            guard down >= 0 && across >= 0 && max(down, across) < 1 << 31 else {
                throw MartletError(
                    .shape,
                    "\(subject)'s input is \(input); expected images of at least \(layer.kernel.height) x "
                        + "\(layer.kernel.width) pixels, and less than 2^31 more")
            }
            training = (Shift(choices: down + 1), Shift(choices: across + 1))
            still = (Shift(first: down / 2), Shift(first: across / 2))
            (sizes[0], sizes[1]) = (layer.kernel.height, layer.kernel.width)
        default:
            training = (Shift(first: -layer.pads[0]), Shift(first: -layer.pads[2]))
            still = training
            sizes[0] += layer.pads[0] + layer.pads[1]
            sizes[1] += layer.pads[2] + layer.pads[3]
        }
        (self.training, self.still) = (training, still)
        super.init(inputs: [input], output: try Shape(sizes, "\(subject)'s output"))
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let frame = [still.rows.first, still.columns.first, 1, 1]
        return [CCall(.frame, [input[0], input[1], input[2], output[0], output[1]] + frame)]
    }

    override func forward(_ pass: ForwardPass) {
        let shifts = unsafe pass.isTraining ? training : still
        unsafe pass.execution.run(
            ImageShiftRequest(
                batch: pass.batch, channels: input[2], rows: shifts.rows, columns: shifts.columns,
                key: pass.key(stream),
                step: pass.step, isBackward: false, from: pass.input, height: input[0], width: input[1],
                to: pass.output, toHeight: output[0], toWidth: output[1]))
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            ImageShiftRequest(
                batch: forward.batch, channels: input[2], rows: training.rows, columns: training.columns,
                key: forward.key(stream), step: forward.step, isBackward: true, from: pass.gradient, height: output[0],
                width: output[1], to: out, toHeight: input[0], toWidth: input[1]))
    }
}

/// Each pixel as many times as factors say, one beside the other: the backward pass of a pool of sums, and its gradient the
/// forward one.
final class UpSampling: Operation {
    private let window: ImageWindow

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        let image = try layer.images(input, subject)
        let factors = layer.kernel
        let output = try Shape(
            [image[0] * factors.height, image[1] * factors.width, image[2]], "\(subject)'s output")
        window = ImageWindow(
            batch: 0, height: output[0], width: output[1], channels: image[2], outHeight: image[0], outWidth: image[1],
            kernelHeight: factors.height, kernelWidth: factors.width, strideHeight: factors.height,
            strideWidth: factors.width)
        super.init(inputs: [input], output: output)
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let frame = [0, 0, window.kernelHeight, window.kernelWidth]
        return [CCall(.frame, [input[0], input[1], input[2], output[0], output[1]] + frame)]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            AveragePoolBackwardRequest(
                window.over(pass.batch), countsPadding: false, isSum: true, gradient: pass.input,
                imageGradient: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            AveragePoolRequest(
                window.over(forward.batch), countsPadding: false, isSum: true, image: pass.gradient, out: out))
    }
}
