// What the tests of this room share: models made from a list of layers, and data. No formulas.

import MartletModels
import MartletTestSupport
import Testing

/// Numbers of the normal distribution's rough shape, the same for the same seed.
func numbers(_ count: Int, seed: UInt64, scale: Double = 1) -> [Float] {
    var generator = Generator(seed: seed)
    return (0..<count).map { _ in
        Float(scale * (0..<4).reduce(0.0) { sum, _ in sum + Double.random(in: -0.87...0.87, using: &generator) })
    }
}

func labels(_ count: Int, classes: Int, seed: UInt64) -> [Int32] {
    var generator = Generator(seed: seed)
    return (0..<count).map { _ in Int32.random(in: 0..<Int32(classes), using: &generator) }
}

func model(_ input: [Int], _ layers: [Layer], seed: UInt64 = 1) throws -> Model {
    let model = try Model(input: Shape(input), seed: seed)
    for layer in layers { try model.add(layer) }
    return model
}

/// A layer of a kind with some fields set.
func layer(_ kind: LayerKind, _ change: (inout Layer) -> Void = { _ in }) -> Layer {
    var layer = Layer(kind)
    change(&layer)
    return layer
}

extension Model {
    var parameters: [Float] {
        get throws { Array(try parameterMemory()) }
    }

    var gradients: [Float] {
        get throws { Array(try gradientMemory()) }
    }
}
