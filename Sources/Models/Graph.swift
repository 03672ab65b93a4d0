// The operations of a model in the order in which they run, and the values that they pass on: each is a model's input, or
// what one operation gives, and any number of operations read it.
import MartletKernelInterface
import MartletPlatform

/// What the elements of a value are.
enum ValueKind {
    case numbers
    /// Rows of a table: whole numbers, in 32 bits.
    case indices
}

/// A value: an array of one shape for each sample of a batch.
struct Value {
    let shape: Shape
    /// Of an input that nothing reads yet numbers, which the first reader may make indices.
    var kind = ValueKind.numbers
    /// The operation that gives it; nil for an input.
    let maker: Int?
}

/// An operation in its place.
struct GraphStep {
    let operation: Operation
    /// The values that it reads, and the one that it gives.
    let inputs: [Int]
    let output: Int
    /// Whether training leaves its parameters alone.
    let isFrozen: Bool
    /// Whether its arrays are its own, and not another's that it reads too.
    let ownsArrays: Bool
    /// Elements of its parameters.
    let parameterCount: Int
    /// Where its arrays begin in the flat buffers.
    let firstParameter: Int
    let firstStatistic: Int

    var isTrained: Bool { !isFrozen && parameterCount > 0 }
}

struct Graph {
    private(set) var values: [Value] = []
    /// The values that are a model's inputs, in the order in which they were added.
    private(set) var inputs: [Int] = []
    private(set) var steps: [GraphStep] = []
    /// Elements of all parameters and statistics so far.
    private var counts = (parameters: 0, statistics: 0)
    /// The values that are the model's outputs, and masks of these, which losses read.
    var outputs = [0]
    var masks: [Int] = []
    var read: [Int] { outputs + masks }

    mutating func addInput(_ shape: Shape) -> Int {
        inputs.append(values.count)
        values.append(Value(shape: shape, maker: nil))
        return values.count - 1
    }

    /// Adds an operation that reads some values; returns the number of the one it gives.
    ///
    /// - Parameter first: the operation whose arrays it has; nil where it has its own.
    mutating func append(_ operation: Operation, reading inputs: [Int], isFrozen: Bool, first: Int? = nil) -> Int {
        for value in inputs { values[value].kind = operation.reads }
        // A model has a few thousand arrays of 2^40 elements at most.
        let parameters = operation.parameters.reduce(0) { $0 + $1.shape.elementCount }
        steps.append(
            GraphStep(
                operation: operation, inputs: inputs, output: values.count, isFrozen: isFrozen,
                ownsArrays: first == nil, parameterCount: parameters,
                firstParameter: first.map { steps[$0].firstParameter } ?? counts.parameters,
                firstStatistic: first.map { steps[$0].firstStatistic } ?? counts.statistics))
        if first == nil {
            counts.parameters += parameters
            counts.statistics += operation.statistics.reduce(0) { $0 + $1.shape.elementCount }
        }
        values.append(Value(shape: operation.output, maker: steps.count - 1))
        return values.count - 1
    }

    /// Whether some operation reads a value.
    func isRead(_ value: Int) -> Bool { steps.contains { $0.inputs.contains(value) } }

    /// For each value whether some of these are made of it, or it is one of them.
    func leading(to some: [Int]) -> [Bool] {
        var leads = [Bool](repeating: false, count: values.count)
        for value in some { leads[value] = true }
        for step in steps.reversed() where leads[step.output] {
            for value in step.inputs { leads[value] = true }
        }
        return leads
    }

    /// For each value whether its gradient is needed: some operation before it has parameters that are trained, or, where the
    /// gradients of inputs are wanted, it is made of numbers that come in.
    func needsGradient(ofInputs: Bool) -> [Bool] {
        var needs = [Bool](repeating: false, count: values.count)
        if ofInputs { for value in inputs where values[value].kind == .numbers { needs[value] = true } }
        for step in steps {
            let isReached = step.isTrained || step.inputs.contains { needs[$0] }
            needs[step.output] = isReached && !step.operation.stopsGradient
        }
        return needs
    }

    /// What an activation is applied to, where a value is what that gives, or a view of it; else nil.
    func input(of activation: Activation, giving value: Int) -> (value: Int, shape: Shape)? {
        var value = value
        while let maker = values[value].maker, steps[maker].operation.isView { value = steps[maker].inputs[0] }
        guard let maker = values[value].maker, let last = steps[maker].operation as? Activating,
            last.activation == activation
        else { return nil }
        return (steps[maker].inputs[0], last.input)
    }

    /// For each maximum over whole sequences that alone reads what a convolution gives, or its ReLU: that convolution. Its
    /// gradients are those of a few of its outputs, and what is between the two computes nothing backward.
    var peaks: [Int: (convolution: Int, between: Int?)] {
        var readers = [Int](repeating: 0, count: values.count)
        for step in steps { for value in step.inputs { readers[value] += 1 } }
        for output in outputs { readers[output] += 1 }
        var found: [Int: (convolution: Int, between: Int?)] = [:]
        for (index, step) in steps.enumerated() {
            guard let pool = step.operation as? MaxPooling, pool.isOfSequences, readers[step.inputs[0]] == 1,
                var maker = values[step.inputs[0]].maker
            else { continue }
            var between: Int?
            if let activating = steps[maker].operation as? Activating, activating.isFused {
                let value = steps[maker].inputs[0]
                guard readers[value] == 1, let before = values[value].maker else { continue }
                (between, maker) = (maker, before)
            }
            guard let convolution = steps[maker].operation as? Convolution, convolution.takesPeaks else { continue }
            found[index] = (maker, between)
        }
        return found
    }
}
