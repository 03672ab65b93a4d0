// The metrics that a model's outputs may be measured by, and what each asks of them.

/// A metric; the raw values are those of martlet.h, and the places of its numbers there.
@frozen
public enum Metric: Int, Sendable, CaseIterable {
    case accuracy = 0
    case topAccuracy = 1
    case mse = 2
    case mae = 3
    case rmse = 4
    case r2 = 5
    case precision = 6
    case recall = 7
    case f1 = 8
    case auc = 9
    case perplexity = 10

    /// As in Keras and scikit-learn.
    package var name: StaticString {
        switch self {
        case .accuracy: "accuracy"
        case .topAccuracy: "top_accuracy"
        case .mse: "mse"
        case .mae: "mae"
        case .rmse: "rmse"
        case .r2: "r2"
        case .precision: "precision"
        case .recall: "recall"
        case .f1: "f1"
        case .auc: "auc"
        case .perplexity: "perplexity"
        }
    }
}

/// Metrics that are asked for: bit n is that of the metric n.
@frozen
public struct Metrics: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public init(_ metrics: Metric...) { self.init(rawValue: metrics.reduce(0) { $0 | 1 << UInt32($1.rawValue) }) }

    package static var all: Metrics { Metrics(rawValue: 1 << UInt32(Metric.allCases.count) - 1) }

    func has(_ metric: Metric) -> Bool { rawValue & 1 << UInt32(metric.rawValue) != 0 }

    /// Whether some are worked out of how often each class was taken for each.
    var needCounts: Bool { has(.precision) || has(.recall) || has(.f1) }
    /// Whether some look at numbers wanted, and know no labels.
    var needTargets: Bool { has(.mse) || has(.mae) || has(.rmse) || has(.r2) }
}
