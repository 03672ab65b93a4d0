// The losses. Their arithmetic is in Kernels/Loss.swift and Kernels/ElementLoss.swift; which names of Keras and torch they
// stand for is decided where a model is built.

package enum Loss: Int32, BitwiseCopyable, Sendable, CaseIterable {
    /// From logits, by log-sum-exp.
    case crossEntropy = 1
    /// -log of p / sum p, clipped to 1e-7 from 0 and 1, as Keras does.
    case crossEntropyFromProbabilities = 2
    /// From log-probabilities.
    case nll = 3
    /// From logits; the mean over the columns, as the others from here on.
    case binaryCrossEntropy = 4
    /// Of p clipped to 1e-7 from 0 and 1, as Keras does.
    case binaryCrossEntropyFromProbabilities = 5
    case mse = 6
    case mae = 7
    case huber = 8
    /// The sum of q log(q / p), both kept within 1e-7 and 1, as Keras does: of whole rows, as the cosine.
    case kullbackLeibler = 9
    case hinge = 10
    case logCosh = 11
    case poisson = 12
    /// Minus the cosine of the angle between output and target.
    case cosine = 13
    /// Cross-entropies whose terms count (1 - p)^gamma: of whole rows from logits, and from probabilities clipped as above;
    /// of single elements from logits, and from probabilities.
    case focal = 14
    case focalFromProbabilities = 15
    case binaryFocal = 16
    case binaryFocalFromProbabilities = 17
}
