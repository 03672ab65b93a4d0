// The operations of a model in the order in which they run, and which values they pass on. Value 0 is the input; each
// operation gives one more.
import MartletKernelInterface

/// An operation in its place.
struct GraphStep {
    let operation: Operation
    /// The value it reads; what it gives is the value after its own number.
    let input: Int
    /// Where its arrays begin in the flat buffers; set when the model is built.
    var firstParameter = 0
    var firstStatistic = 0
}

struct Graph {
    var steps: [GraphStep] = []

    /// The number of the last value, the model's output.
    var output: Int { steps.count }

    /// Adds an operation that reads a value; returns the number of the one it gives. Training serves values that one
    /// operation reads: gradients of several are not added up.
    mutating func append(_ operation: Operation, reading value: Int) -> Int {
        steps.append(GraphStep(operation: operation, input: value))
        return steps.count
    }

    /// For each value the last operation that reads it; for the output the loss, which comes after all.
    var lastReaders: [Int] {
        var readers = Array(repeating: -1, count: steps.count + 1)
        for (index, step) in steps.enumerated() { readers[step.input] = index }
        readers[output] = steps.count
        return readers
    }

    /// What an activation is applied to, where the output is what that gives, or a view of it; else nil.
    func input(of activation: Activation) -> (value: Int, shape: Shape)? {
        var value = output
        while value > 0, steps[value - 1].operation.isView { value = steps[value - 1].input }
        guard value > 0, let last = steps[value - 1].operation as? Activating, last.activation == activation else {
            return nil
        }
        return (steps[value - 1].input, last.input)
    }

    /// For each value whether training needs its gradient: some operation before it has parameters.
    var needsGradient: [Bool] {
        var needs = [false]
        for step in steps { needs.append(needs[step.input] || !step.operation.parameters.isEmpty) }
        return needs
    }
}
