// The graphs whose gradients are held against central differences: values with several readers, layers that are there twice,
// and what a plan makes of each.

import MartletModels

extension GraphTests {
    /// A graph on an input, node 0: how it is put together, layer by layer.
    struct Case: Sendable {
        let name: String
        let input: [Int]
        let build: @Sendable (Model) throws -> Void

        init(_ name: String, _ input: [Int] = [5], _ build: @escaping @Sendable (Model) throws -> Void) {
            (self.name, self.input, self.build) = (name, input, build)
        }
    }

    static let cases: [Case] = [
        Case("a residual") { model in
            let start = try model.add(.dense(8, activation: .relu))
            try model.add(.dense(8, activation: .relu))
            let branch = try model.add(.dense(8))
            try model.add(layer(.add), inputs: [start, branch])
            try model.add(layer(.activation) { $0.activation = .relu })
            try model.add(.dense(3))
        },
        Case("residuals one in another") { model in
            let start = try model.add(.dense(6, activation: .tanh))
            let first = try model.add(.dense(6, activation: .tanh))
            let inner = try model.add(layer(.add), inputs: [first, start])
            let second = try model.add(.dense(6, activation: .relu))
            try model.add(layer(.add), inputs: [second, inner, start])
            try model.add(.dense(3))
        },
        Case("a residual of convolutions and batch norms", [6, 5, 2]) { model in
            let start = try model.add(.conv2D(4, Pair(3, 3), padding: .same, activation: .relu))
            try model.add(.conv2D(4, Pair(3, 3), padding: .same))
            try model.add(layer(.batchNorm) { $0.activation = .relu })
            try model.add(.conv2D(4, Pair(3, 3), padding: .same))
            let branch = try model.add(layer(.batchNorm))
            try model.add(layer(.add), inputs: [branch, start])
            try model.add(layer(.activation) { $0.activation = .relu })
            try model.add(layer(.globalAveragePool2D))
            try model.add(.dense(3))
        },
        Case("one value added to itself, thrice") { model in
            let start = try model.add(.dense(5, activation: .tanh))
            try model.add(layer(.add), inputs: [start, start, start])
            try model.add(.dense(3))
        },
        Case("an addition of the input") { model in
            let branch = try model.add(.dense(5, activation: .relu))
            try model.add(layer(.add), inputs: [0, branch])
            try model.add(layer(.batchNorm))
            try model.add(.dense(3))
        },
        Case("attention, positions and masks", [5, 4]) { model in
            let seen = try model.add(layer(.masking) { $0.offset = 0.25 })
            let start = try model.add(.dense(6, activation: .tanh))
            let placed = try model.add(layer(.position))
            let all = try model.add(layer(.add), inputs: [start, placed])
            let queries = try model.add(.dense(8), inputs: [all])
            let keys = try model.add(.dense(8), inputs: [seen])
            let values = try model.add(.dense(20), inputs: [all])
            let given = try model.add(
                layer(.attention) { ($0.groups, $0.flags) = (4, .causal) }, inputs: [queries, keys, values])
            let own = try model.add(layer(.attention), inputs: [given, given, all])
            let forward = try model.add(
                layer(.lstm) { ($0.units, $0.flags) = (5, [.returnSequences, .zeroHidden]) }, inputs: [own])
            let back = try model.add(
                layer(.gru) { ($0.units, $0.flags) = (5, [.returnSequences, .goBackwards, .inputOrder]) },
                inputs: [given])
            try model.add(layer(.concatenate), inputs: [forward, back])
            try model.add(layer(.gru) { ($0.units, $0.flags) = (7, [.returnSequences, .resetFirst]) })
            try model.add(layer(.simpleRNN) { $0.units = 6 })
            try model.add(.dense(3))
        },
        Case("an encoder and decoders, states as values", [5, 4]) { model in
            let seen = try model.add(layer(.masking) { $0.offset = 0.25 })
            let read = try model.add(.dense(6, activation: .tanh), inputs: [seen])
            let code = try model.add(layer(.lstm) { ($0.units, $0.flags) = (7, .returnState) }, inputs: [read])
            var states: [Int] = []
            for state in 0..<2 {
                try model.add(layer(.cropping1D) { $0.pads = [state, 1 - state, 0, 0] }, inputs: [code])
                states.append(try model.add(layer(.reshape) { $0.sizes = [7] }))
            }
            let rows = try model.add(
                layer(.lstm) { ($0.units, $0.flags) = (7, [.returnSequences, .returnState, .goBackwards]) },
                inputs: [read] + states)
            let steps = try model.add(layer(.cropping1D) { $0.pads[1] = 2 })
            let last = try model.add(layer(.cropping1D) { $0.pads[0] = 5 }, inputs: [rows])
            let first = try model.add(
                layer(.gru) { ($0.units, $0.flags) = (7, [.returnState, .resetFirst]) }, inputs: [steps, states[0]])
            let single = try model.add(layer(.gru) { $0.units = 7 }, inputs: [steps, states[1]])
            let simple = try model.add(layer(.simpleRNN) { $0.units = 7 }, inputs: [last, single])
            let ended = try model.add(layer(.reshape) { $0.sizes = [7] }, inputs: [first])
            try model.add(layer(.add), inputs: [simple, states[0], ended])
            try model.add(.dense(3))
        },
        Case("recurrent layers that drop, by step and by sample", [5, 4]) { model in
            func cell(_ kind: LayerKind, _ flags: LayerFlags) -> Layer {
                layer(kind) { ($0.units, $0.flags, $0.rate, $0.recurrentRate) = (7, flags, 0.3, 0.4) }
            }
            let start = try model.add(.dense(6, activation: .tanh))
            let first = try model.add(cell(.gru, []), inputs: [start])
            try model.add(cell(.lstm, .returnSequences), inputs: [start, first, first])
            let both = try model.add(cell(.gru, [.returnSequences, .goBackwards]))
            let last = try model.add(cell(.simpleRNN, []), inputs: [both, first])
            let reset = try model.add(cell(.gru, [.goBackwards, .resetFirst]), inputs: [start, first])
            try model.add(layer(.add), inputs: [last, first, reset])
            try model.add(.dense(3))
        },
        Case("products") { model in
            let start = try model.add(.dense(6))
            let gate = try model.add(.dense(6, activation: .sigmoid), inputs: [0])
            let gated = try model.add(layer(.multiply), inputs: [start, gate])
            try model.add(layer(.multiply), inputs: [gated, start, gated])
            try model.add(.dense(3))
        },
        Case("beside one another", [4, 3]) { model in
            let first = try model.add(.dense(5, activation: .relu))
            let second = try model.add(.dense(2, activation: .tanh), inputs: [0])
            let wide = try model.add(layer(.concatenate), inputs: [first, 0, second])
            let narrow = try model.add(.dense(10, activation: .relu))
            try model.add(layer(.concatenate) { $0.axis = 0 }, inputs: [wide, narrow, wide])
            try model.add(layer(.flatten))
            try model.add(.dense(3))
        },
        Case("a view that two read", [4, 3]) { model in
            let flat = try model.add(layer(.flatten))
            let first = try model.add(.dense(4, activation: .relu))
            let second = try model.add(.dense(4, activation: .gelu), inputs: [flat])
            let sum = try model.add(layer(.add), inputs: [first, second])
            let shaped = try model.add(layer(.reshape) { $0.sizes = [2, 2] })
            let last = try model.add(.dense(2, activation: .relu), inputs: [shaped])
            let long = try model.add(layer(.flatten), inputs: [last])
            try model.add(layer(.add), inputs: [long, sum])
            try model.add(.dense(3))
        },
        Case("dropout on both ways") { model in
            let start = try model.add(.dense(8, activation: .tanh))
            let left = try model.add(layer(.dropout) { $0.rate = 0.3 }, inputs: [start])
            let right = try model.add(layer(.dropout) { $0.rate = 0.3 }, inputs: [start])
            try model.add(layer(.add), inputs: [left, right, start])
            try model.add(.dense(3))
        },
        Case("a batch norm beside the input") { model in
            let normal = try model.add(layer(.batchNorm))
            try model.add(layer(.add), inputs: [normal, 0])
            try model.add(.dense(3))
        },
        Case("layer norms", [3, 5]) { model in
            let start = try model.add(layer(.layerNorm))
            try model.add(.dense(20, activation: .relu))
            try model.add(layer(.layerNorm) { $0.flags = .noBias })
            try model.add(.dense(5))
            let last = try model.add(layer(.layerNorm) { $0.flags = .noScale })
            try model.add(layer(.add), inputs: [last, start])
            try model.add(layer(.flatten))
            try model.add(.dense(3))
        },
        Case("sequences", [9, 3]) { model in
            try model.add(layer(.conv1D) { ($0.units, $0.kernel, $0.padding) = (4, Pair(3, 0), .same) })
            let start = try model.add(
                layer(.maxPool1D) { ($0.kernel, $0.stride) = (Pair(2, 0), Pair(1, 0)) })
            try model.add(
                layer(.conv1D) {
                    ($0.units, $0.kernel, $0.dilation, $0.padding) = (4, Pair(2, 0), Pair(2, 1), .explicit)
                    $0.pads = [2, 0, 0, 0]
                    $0.activation = .relu
                })
            let pooled = try model.add(layer(.globalMaxPool1D))
            let mean = try model.add(layer(.globalAveragePool1D), inputs: [start])
            let average = try model.add(layer(.averagePool1D) { $0.kernel = Pair(3, 0) }, inputs: [start])
            let flat = try model.add(layer(.flatten), inputs: [average])
            try model.add(layer(.concatenate), inputs: [pooled, mean, flat])
            try model.add(.dense(3))
        },
        Case("the greatest of each filter", [20, 3]) { model in
            let start = try model.add(.dense(5, activation: .tanh))
            var ends: [Int] = []
            for (width, step, rectifies, padding) in [
                (3, 1, true, Padding.valid), (4, 2, false, .same), (5, 1, true, .same),
            ] {
                let filters = layer(.conv1D) {
                    ($0.units, $0.kernel, $0.stride) = (18, Pair(width, 0), Pair(step, 1))
                    ($0.activation, $0.padding) = (rectifies ? .relu : .linear, padding)
                }
                try model.add(filters, inputs: [start])
                ends.append(try model.add(layer(.globalMaxPool1D)))
            }
            try model.add(layer(.concatenate), inputs: ends)
            try model.add(layer(.dropout) { $0.rate = 0.3 })
            try model.add(.dense(3))
        },
        Case("two greatest of each filter", [1, 12, 3]) { model in
            try model.add(.conv2D(5, Pair(1, 3), activation: .relu))
            try model.add(
                layer(.maxPool2D) {
                    ($0.kernel, $0.stride) = (Pair(2, 10), Pair(1, 1))
                    ($0.padding, $0.pads) = (.explicit, [1, 1, 0, 0])
                })
            try model.add(layer(.flatten))
            try model.add(.dense(3))
        },
        Case("the greatest of filters that others read too", [20, 3]) { model in
            let filters = try model.add(
                layer(.conv1D) { ($0.units, $0.kernel, $0.activation) = (6, Pair(3, 0), .relu) })
            let most = try model.add(layer(.globalMaxPool1D))
            let mean = try model.add(layer(.globalAveragePool1D), inputs: [filters])
            try model.add(layer(.concatenate), inputs: [most, mean])
            try model.add(.dense(3))
        },
        Case("images at their greatest", [4, 5, 2]) { model in
            try model.add(.conv2D(20, Pair(2, 2)))
            try model.add(layer(.globalMaxPool2D))
            try model.add(.dense(3))
        },
        Case("penalties", [5]) { model in
            let first = try model.add(layer(.dense) { ($0.units, $0.activation, $0.l2) = (5, .tanh, 0.03) })
            try model.add(layer(.dense) { ($0.units, $0.l1, $0.l2) = (5, 0.02, 0.01) })
            try model.add(again: first)
            try model.add(.dense(3))
        },
        Case("a layer that is there twice", [5]) { model in
            let first = try model.add(.dense(5, activation: .tanh))
            let second = try model.add(again: first)
            let third = try model.add(again: second)
            try model.add(layer(.add), inputs: [second, third])
            try model.add(.dense(3))
        },
        Case("a batch norm that is there twice", [5]) { model in
            let shared = try model.add(layer(.batchNorm))
            try model.add(.dense(5, activation: .tanh))
            let again = try model.add(again: shared)
            try model.add(layer(.add), inputs: [shared, again])
            try model.add(.dense(3))
        },
    ]
}
