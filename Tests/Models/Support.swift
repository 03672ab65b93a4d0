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
    /// One training step on all of x.
    @discardableResult
    func train(_ x: [Float], _ y: [Int32]) throws -> Score {
        try x.withUnsafeBufferPointer { x in
            try y.withUnsafeBufferPointer { y in try train(Samples(x), Samples(y), rows: nil, rowCount: 0) }
        }
    }

    @discardableResult
    func train(_ x: [Float], targets: [Float]) throws -> Score {
        try x.withUnsafeBufferPointer { x in
            try targets.withUnsafeBufferPointer { y in try train(Samples(x), Samples(y), rows: nil, rowCount: 0) }
        }
    }

    @discardableResult
    func fit(_ x: [Float], _ y: [Int32], _ loop: Loop = Loop()) throws -> Outcome {
        try x.withUnsafeBufferPointer { x in
            try y.withUnsafeBufferPointer { y in try fit(Samples(x), Samples(y), validation: nil, loop) }
        }
    }

    func predict(_ x: [Float], _ loop: Loop = Loop()) throws -> [Float] {
        var out = [Float](repeating: .nan, count: x.count / input.elementCount * output.elementCount)
        try x.withUnsafeBufferPointer { x in
            try out.withUnsafeMutableBufferPointer { out in _ = try predict(Samples(x), into: out, loop) }
        }
        return out
    }

    var parameters: [Float] {
        get throws { Array(try parameterMemory()) }
    }

    var gradients: [Float] {
        get throws { Array(try gradientMemory()) }
    }
}
