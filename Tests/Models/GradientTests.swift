// Whole models' gradients against central differences of their own loss: that every layer's backward pass belongs to its
// forward pass, and that no number is overwritten in the plan of memory while it is still needed. The kernels' precise
// errors are Compute's tests; torch's are Python's.

import MartletModels
import MartletOptimizers
import Testing

@Suite struct GradientTests {
    private static let stacks: [(String, [Int], [Layer])] = [
        ("dense", [5], [.dense(7), .dense(3)]),
        ("relu", [5], [.dense(16, activation: .relu), .dense(16, activation: .relu), .dense(3)]),
        (
            "other activations", [6],
            [
                .dense(8, activation: .tanh), .dense(8, activation: .gelu), .dense(8, activation: .sigmoid),
                .dense(8, activation: .silu),
                layer(.dense) { ($0.units, $0.activation, $0.slope) = (8, .leakyReLU, 0.2) },
                .dense(3),
            ]
        ),
        (
            "activations of exponentials", [6],
            [
                .dense(8, activation: .elu), .dense(8, activation: .selu), .dense(8, activation: .softplus),
                .dense(8, activation: .hardSigmoid), .dense(8, activation: .mish), .dense(8, activation: .exponential),
                .dense(3),
            ]
        ),
        ("softmax within", [6], [.dense(8, activation: .softmax), .dense(3)]),
        ("softmax under its loss", [5], [.dense(7, activation: .relu), .dense(3, activation: .softmax)]),
        (
            "softmax as a layer under its loss", [2, 3],
            [
                .dense(3, activation: .relu), layer(.flatten), .dense(3, activation: .relu),
                layer(.activation) { $0.activation = .softmax }, layer(.reshape) { $0.sizes = [3] },
                layer(.dropout) { $0.rate = 0 }, layer(.activation),
            ]
        ),
        ("softmax that is dropped", [5], [.dense(3, activation: .softmax), layer(.dropout) { $0.rate = 0.3 }]),
        (
            "gelu before dropout", [6],
            [
                .dense(8, activation: .gelu), layer(.dropout) { $0.rate = 0.3 }, .dense(8, activation: .relu),
                layer(.dropout) { $0.rate = 0.3 }, .dense(3),
            ]
        ),
        (
            "batch norm", [6],
            [
                .dense(8), layer(.batchNorm) { $0.activation = .relu }, .dense(8), layer(.batchNorm),
                layer(.activation) { $0.activation = .tanh }, .dense(3),
            ]
        ),
        ("normalization", [6], [.dense(8), layer(.normalization), .dense(3)]),
        ("dense over the last size", [3, 4], [.dense(5, activation: .tanh), layer(.flatten), .dense(3)]),
        (
            "images", [7, 6, 2],
            [
                .conv2D(5, Pair(3, 3), padding: .same, activation: .relu), layer(.maxPool2D),
                .conv2D(4, Pair(2, 3), activation: .tanh), layer(.flatten), .dense(3),
            ]
        ),
        (
            "strides, groups, dilation", [9, 8, 4],
            [
                layer(.conv2D) {
                    ($0.units, $0.kernel, $0.stride, $0.groups) = (6, Pair(3, 2), Pair(2, 2), 2)
                    ($0.padding, $0.pads) = (.explicit, [1, 2, 0, 1])
                },
                layer(.conv2D) { ($0.units, $0.kernel, $0.dilation, $0.padding) = (5, Pair(2, 2), Pair(2, 1), .same) },
                layer(.batchNorm), layer(.globalAveragePool2D), .dense(3),
            ]
        ),
        (
            "pools", [8, 8, 3],
            [
                .conv2D(4, Pair(3, 3), padding: .same),
                layer(.averagePool2D) { ($0.kernel, $0.stride, $0.padding) = (Pair(3, 3), Pair(2, 2), .same) },
                layer(.maxPool2D) { ($0.kernel, $0.stride) = (Pair(2, 2), Pair(1, 1)) },
                layer(.reshape) { $0.sizes = [-1] }, .dense(3),
            ]
        ),
        (
            "group norms", [4, 3, 6],
            [
                .conv2D(20, Pair(1, 1), activation: .tanh), layer(.groupNorm) { $0.groups = 4 },
                .conv2D(6, Pair(2, 2), activation: .tanh),
                layer(.groupNorm) { ($0.groups, $0.flags) = (3, .noScale) },
                layer(.groupNorm) { ($0.groups, $0.flags) = (6, .noBias) }, layer(.flatten), .dense(3),
            ]
        ),
        (
            "RMS norms", [3, 20],
            [
                .dense(17, activation: .tanh), layer(.rmsNorm) { $0.epsilon = 0.05 }, .dense(6),
                layer(.rmsNorm) { $0.flags = .noScale }, layer(.flatten), .dense(3),
            ]
        ),
        (
            "depthwise", [7, 6, 3],
            [
                layer(.depthwiseConv2D) { ($0.kernel, $0.padding, $0.activation) = (Pair(3, 2), .same, .relu) },
                layer(.depthwiseConv2D) { ($0.kernel, $0.stride, $0.units) = (Pair(2, 2), Pair(2, 1), 2) },
                layer(.depthwiseConv2D) {
                    ($0.kernel, $0.stride, $0.dilation) = (Pair(2, 3), Pair(1, 2), Pair(2, 1))
                    ($0.padding, $0.pads, $0.activation) = (.explicit, [1, 2, 0, 1], .tanh)
                },
                layer(.flatten), .dense(3),
            ]
        ),
        (
            "transposed", [3, 2, 4],
            [
                layer(.conv2DTranspose) {
                    ($0.units, $0.kernel, $0.stride, $0.padding) = (5, Pair(3, 4), Pair(2, 3), .same)
                    $0.activation = .relu
                },
                layer(.conv2DTranspose) {
                    ($0.units, $0.kernel, $0.dilation, $0.padding) = (2, Pair(2, 3), Pair(2, 1), .explicit)
                    ($0.pads, $0.outputPadding, $0.flags) = ([1, 0, 2, 1], Pair(1, 0), .noBias)
                },
                layer(.conv2DTranspose) { ($0.units, $0.kernel, $0.stride) = (20, Pair(1, 2), Pair(2, 1)) },
                layer(.globalAveragePool2D), .dense(3),
            ]
        ),
        (
            "frames", [4, 5, 3],
            [
                .conv2D(3, Pair(2, 2), padding: .same, activation: .tanh),
                layer(.zeroPadding2D) { $0.pads = [1, 0, 2, 3] },
                layer(.rescaling) { ($0.scale, $0.offset) = (-1.5, 0.25) },
                layer(.randomTranslation) { $0.kernel = Pair(2, 1) }, layer(.randomFlip),
                layer(.upSampling2D) { $0.kernel = Pair(2, 3) }, layer(.gaussianNoise) { $0.rate = 0.1 },
                layer(.randomCrop) { $0.kernel = Pair(7, 11) }, .conv2D(2, Pair(3, 3), activation: .tanh),
                layer(.flatten), .dense(3),
            ]
        ),
        (
            "permute", [4, 3, 5],
            [
                .dense(4), layer(.permute) { $0.sizes = [2, 0, 1] }, .dense(6, activation: .tanh),
                layer(.permute) { $0.sizes = [1, 0, 2] }, layer(.flatten), .dense(3),
            ]
        ),
    ]

    /// Steps behind one another, whole sequences and last states, units that are no whole sixteens and more than fit at once.
    private static let recurrent: [(String, [Int], [Layer])] = [
        (
            "LSTM", [5, 3],
            [
                .dense(4), layer(.lstm) { ($0.units, $0.flags) = (6, [.returnSequences, .unitForgetBias]) },
                layer(.lstm) { ($0.units, $0.flags) = (19, [.returnSequences, .goBackwards]) },
                layer(.lstm) { ($0.units, $0.flags) = (5, .noBias) }, .dense(3),
            ]
        ),
        (
            "GRU", [5, 3],
            [
                .dense(4), layer(.gru) { ($0.units, $0.flags) = (6, .returnSequences) },
                layer(.gru) { ($0.units, $0.flags) = (19, [.returnSequences, .goBackwards]) },
                layer(.gru) { ($0.units, $0.flags) = (5, .noBias) }, .dense(3),
            ]
        ),
        (
            "GRU that resets first", [5, 3],
            [
                .dense(4), layer(.gru) { ($0.units, $0.flags) = (6, [.returnSequences, .resetFirst]) },
                layer(.gru) { ($0.units, $0.flags) = (19, [.returnSequences, .goBackwards, .resetFirst]) },
                layer(.gru) { ($0.units, $0.flags) = (5, [.noBias, .resetFirst]) }, .dense(3),
            ]
        ),
        (
            "simple RNN", [5, 3],
            [
                .dense(4), layer(.simpleRNN) { ($0.units, $0.flags) = (6, .returnSequences) },
                layer(.simpleRNN) { ($0.units, $0.flags) = (19, [.returnSequences, .goBackwards]) },
                layer(.simpleRNN) { ($0.units, $0.flags) = (5, .noBias) }, .dense(3),
            ]
        ),
        (
            "other activations over steps", [4, 3],
            [
                layer(.lstm) {
                    ($0.units, $0.activation, $0.recurrentActivation) = (17, .elu, .hardSigmoid)
                    $0.flags = .returnSequences
                },
                layer(.gru) {
                    ($0.units, $0.activation, $0.recurrentActivation) = (7, .linear, .tanh)
                    $0.flags = .returnSequences
                },
                layer(.simpleRNN) { ($0.units, $0.activation, $0.slope) = (6, .leakyReLU, 0.3) }, .dense(3),
            ]
        ),
        ("one step", [1, 3], [layer(.lstm) { $0.units = 4 }, .dense(3)]),
        (
            "many units", [2, 2],
            [layer(.lstm) { ($0.units, $0.recurrentInitializer) = (1100, .glorotUniform) }, .dense(3)]
        ),
        (
            "many units, reset first", [2, 2],
            [
                layer(.gru) {
                    ($0.units, $0.recurrentInitializer, $0.flags) = (1100, .glorotUniform, .resetFirst)
                }, .dense(3),
            ]
        ),
    ]

    @Test(arguments: recurrent.indices)
    func agreeOverSteps(stack: Int) throws {
        let (name, input, layers) = GradientTests.recurrent[stack]
        let model = try model(input, layers)
        try expectSlopes(model, numbers(6 * model.input.elementCount, seed: 3), name)
    }

    @Test(arguments: stacks.indices)
    func agreeWithCentralDifferences(stack: Int) throws {
        let (name, input, layers) = GradientTests.stacks[stack]
        let model = try model(input, layers)
        try expectSlopes(model, numbers(6 * model.input.elementCount, seed: 3), name)
    }

    /// A small batch in the memory of a large one, neighbours in a batch, and the whole at once give the same mean.
    @Test func addUpOverBatches() throws {
        let model = try model([7, 6, 2], GradientTests.stacks.first { $0.0 == "images" }?.2 ?? [])
        var training = Training(.crossEntropy)
        var still = Configuration(.adam)
        still.lr = 0
        let (x, y) = (numbers(8 * 84, seed: 5), labels(8, classes: 3, seed: 6))
        training.batchSize = 8
        try model.compile(training, optimizer: still)
        try model.train(x, y)
        let whole = try model.gradients
        training.batchSize = 64
        try model.compile(training, optimizer: still)
        try model.train(Array(x[..<(3 * 84)]), Array(y[..<3]))
        let front = try model.gradients
        try model.train(Array(x[(3 * 84)...]), Array(y[3...]))
        let back = try model.gradients
        for place in whole.indices {
            let mean = (3 * front[place] + 5 * back[place]) / 8
            #expect(abs(mean - whole[place]) <= 1e-5 * max(1, abs(whole[place])))
        }
    }
}
