// The operations of a model in the order in which they run, and which values they pass on. Value 0 is the input; each
// operation gives one more.

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

    /// An operation that reads what the last one gives.
    mutating func append(_ operation: Operation) {
        steps.append(GraphStep(operation: operation, input: output))
    }

    /// For each value whether training needs its gradient: some operation before it has parameters.
    var needsGradient: [Bool] {
        var needs = [false]
        for step in steps { needs.append(needs[step.input] || !step.operation.parameters.isEmpty) }
        return needs
    }
}
