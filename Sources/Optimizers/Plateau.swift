// A learning rate that is lowered where a metric has stopped getting better. The one schedule with state, which lies with
// the numbers in one value: a copy of it is a checkpoint. Rates that the step alone decides are Schedule.swift's.
import MartletCompute
import MartletPlatform

/// Reduce on plateau, as torch's ReduceLROnPlateau or Keras's callback of that name.
///
/// ```swift
/// var plateau = Plateau(.torch)
/// plateau.rate = 1e-3
/// try plateau.step(loss)  // after each evaluation
/// try optimizer.set(.lr, to: plateau.rate, group: 0)
/// ```
@frozen
public struct Plateau: Sendable, Equatable {
    /// Switches; the raw values are those of martlet.h.
    @frozen
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Larger is better.
        public static let climb = Flags(rawValue: 1)
        /// `threshold` is a share of the best so far.
        public static let relative = Flags(rawValue: 2)

        package static let all: Flags = [.climb, .relative]
    }

    /// Whose counting is followed: torch's or Keras's.
    public var semantics: Semantics
    public var flags: Flags
    /// The learning rate, which steps lower.
    public var rate = Double.nan
    public var factor = 0.1
    public var minRate = 0.0
    /// What counts as better is better by more than this.
    public var threshold = 1e-4
    /// Torch: a rate that would fall by no more than this stays.
    public var eps: Double
    /// Torch: so many steps that are not better are borne, and at the next one the rate falls. Keras: at the last one.
    public var patience = 10
    /// So many steps after the rate fell are not counted.
    public var cooldown = 0
    /// The best so far; NaN: none yet.
    public var best = Double.nan
    /// Steps that were not better since the best one.
    public var bad = 0
    /// Steps of cooldown that are left.
    public var cooling = 0

    /// The library's defaults, and no step yet; torch's for what is neither's.
    public init(_ semantics: Semantics) {
        self.semantics = semantics
        flags = semantics == .keras ? [] : .relative
        eps = semantics == .keras ? 0 : 1e-8
    }

    /// Takes a metric, NaN among them, which is never better, and lowers the rate where it is time. Throws `.argument`
    /// where a number is out of range.
    public mutating func step(_ metric: Double) throws(MartletError) {
        try check("plateau")
        var request = PlateauRequest(plateau: self, metric: metric)
        unsafe FloatingPointMode.exact.call(PlateauRequest.serve, &request)
        self = request.plateau
    }

    /// Throws where a number is out of range. `subject` is what messages call this plateau.
    package func check(_ subject: @autoclosure () -> String) throws(MartletError) {
        guard semantics == .torch || semantics == .keras else {
            throw MartletError(
                .argument,
                "\(subject()).semantics is \(semantics.rawValue); expected MARTLET_SEMANTICS_TORCH or _KERAS")
        }
        guard factor >= 0 && factor < 1 else {
            throw MartletError(.argument, "\(subject()).factor is \(factor); expected 0 or more and less than 1")
        }
        func fits(_ name: StaticString, _ value: Double) throws(MartletError) {
            if value >= 0 && value.isFinite { return }
            throw MartletError(.argument, "\(subject()).\(name) is \(value); expected a finite number, 0 or more")
        }
        func counts(_ name: StaticString, _ value: Int) throws(MartletError) {
            if value >= 0 { return }
            throw MartletError(.argument, "\(subject()).\(name) is \(value); expected 0 or more")
        }
        try fits("rate", rate)
        try fits("min_rate", minRate)
        try fits("threshold", threshold)
        try fits("eps", eps)
        try counts("patience", patience)
        try counts("cooldown", cooldown)
        try counts("bad", bad)
        try counts("cooling", cooling)
    }
}

/// A step, to be taken in a floating-point mode of our own.
private struct PlateauRequest {
    var plateau: Plateau
    let metric: Double

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        let request = unsafe context.assumingMemoryBound(to: PlateauRequest.self)
        let metric = unsafe request.pointee.metric
        unsafe request.pointee.plateau.take(metric)
    }
}

extension Plateau {
    fileprivate mutating func take(_ metric: Double) {
        let isBetter = betters(metric)
        if isBetter { best = metric }
        if semantics == .keras { countAsKeras(isBetter) } else { countAsTorch(isBetter) }
    }

    private func betters(_ metric: Double) -> Bool {
        if best.isNaN { return !metric.isNaN && (semantics == .keras || metric != worst) }
        let sign = flags.contains(.climb) ? 1.0 : -1.0
        if flags.contains(.relative) {
            let bar = best * (1 + sign * threshold)
            return sign > 0 ? metric > bar : metric < bar
        }
        // Which side the threshold stands on decides how it is rounded.
        let (value, bar) =
            semantics == .keras ? (metric - sign * threshold, best) : (metric, best + sign * threshold)
        return sign > 0 ? value > bar : value < bar
    }

    /// What torch begins with as the best.
    private var worst: Double { flags.contains(.climb) ? -.infinity : .infinity }

    private mutating func countAsTorch(_ isBetter: Bool) {
        bad = isBetter ? 0 : counted
        if cooling > 0 { (cooling, bad) = (cooling - 1, 0) }
        guard bad > patience else { return }
        let lower = max(rate * factor, minRate)
        if rate - lower > eps { rate = lower }
        (cooling, bad) = (cooldown, 0)
    }

    private mutating func countAsKeras(_ isBetter: Bool) {
        if cooling > 0 { (cooling, bad) = (cooling - 1, 0) }
        if isBetter { bad = 0 }
        guard !isBetter && cooling == 0 else { return }
        bad = counted
        guard bad >= patience && rate > minRate else { return }
        rate = max(rate * factor, minRate)
        (cooling, bad) = (cooldown, 0)
    }

    /// One more step that was not better.
    private var counted: Int { bad == .max ? bad : bad + 1 }
}
