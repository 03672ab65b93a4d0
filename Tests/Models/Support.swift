// What the tests of this room share: models made from a list of layers, and data. No formulas.

import MartletModels
import MartletOptimizers
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

/// Expects that a model of three classes has the gradients of its loss over 6 samples: those of central differences.
func expectSlopes(_ model: Model, _ x: [Float], _ name: String) throws {
    let y = labels(6, classes: 3, seed: 4)
    try expectSlopes(model, name) { try model.train(x, y).meanLoss }
}

/// The same of what `step` trains on.
func expectSlopes(_ model: Model, _ name: String, step: () throws -> Double) throws {
    var training = Training(.crossEntropy)
    training.batchSize = 7
    var still = Configuration(.adam)
    still.lr = 0
    // Compiling anew sets the step counter back, so that dropout draws the same mask again.
    func loss() throws -> Double {
        try model.compile(training, optimizer: still)
        return try step()
    }
    _ = try loss()
    let gradients = try model.gradients
    let parameters = try model.parameterMemory()
    for view in try model.made().parameterViews {
        // The lengths of what is wrong and of the whole, over the places of one array.
        var (wrong, length) = (0.0, 0.0)
        let count = view.shape.elementCount
        let places = stride(from: view.offset, to: view.offset + count, by: max(1, count / 60))
        for place in places {
            let kept = parameters[place]
            let width: Float = 2e-3
            parameters[place] = kept + width
            let above = try loss()
            parameters[place] = kept - width
            let below = try loss()
            parameters[place] = kept
            let slope = (above - below) / Double((kept + width) - (kept - width))
            wrong += (slope - Double(gradients[place])) * (slope - Double(gradients[place]))
            length += slope * slope
        }
        // A loss of 1 in fp32 is right to 1e-7, so a slope over 4e-3 to some 4e-5.
        let room = 0.05 * length.squareRoot() + 8e-5 * Double(Array(places).count).squareRoot()
        #expect(
            wrong.squareRoot() <= room,
            "\(name), \(view.name.string): off by \(wrong.squareRoot()) of \(length.squareRoot())")
    }
}
