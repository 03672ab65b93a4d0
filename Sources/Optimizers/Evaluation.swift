// Parameters at either of two points. Those with an average are exchanged for it; Schedule-Free has y, where gradients are
// taken, and x, the average that training is for:
//   x = y + (1 - 1 / beta1) (z - y),  y = x + (1 - beta1) (z - x),  with momentum for beta1 in gradient descent
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// What an optimizer's parameters are ready for; the raw values are those of martlet.h.
@frozen
public enum OptimizerMode: Int32, Sendable {
    /// To be trained.
    case training = 0
    /// To be evaluated, saved and used.
    case evaluation = 1
}

extension Configuration {
    /// Whether parameters have another point than the one where gradients are taken: Schedule-Free's, or an average.
    package var hasEvaluationPoint: Bool { algorithm.hasEvaluationPoint || self[.emaDecay] > 0 }

    /// Where between z and x gradients are taken; nil where there is one point alone.
    package var interpolation: Double? {
        guard algorithm.hasEvaluationPoint else { return nil }
        return self[readsMomentum ? .momentum : .beta1]
    }

    /// How far the way to z is for parameters that a mode moves; nil where they do not move.
    func weight(to mode: OptimizerMode) throws(MartletError) -> Double? {
        guard let beta = interpolation else { return nil }
        if mode == .training { return 1 - beta }
        try checkEvaluationPoint("a group")
        return 1 - 1 / beta
    }

    /// With less, no bit of the average is in the parameters.
    private static var leastInterpolation: Double { 0x1p-24 }

    private var readsMomentum: Bool { algorithm.defaultValue(.momentum) != nil }

    /// Throws where the trained point cannot be told from what is kept: the way to it is 1 / beta1 times as long, and with
    /// it what rounding z and y to fp32 has lost.
    package func checkEvaluationPoint(_ subject: StaticString) throws(MartletError) {
        guard let beta = interpolation, beta < Self.leastInterpolation else { return }
        throw MartletError(
            .argument,
            "\(subject) of \(algorithm.name) has a \(readsMomentum ? "momentum" : "beta1") of \(beta); expected 2^-24 or "
                + "more: its average is not kept")
    }
}

extension Optimizer {
    /// Moves the parameters of Schedule-Free groups from one point to the other, and exchanges those with an average for it;
    /// others stay as they are, and so do those that were never stepped. Nothing happens where the mode is the present one.
    /// Throws `.memory` and `.argument` before anything has changed.
    public func setMode(_ mode: OptimizerMode) throws(MartletError) {
        if mode == self.mode { return }
        for index in 0..<configurations.count { _ = try configurations[index].weight(to: mode) }
        let plan = try unsafe makePlan(totalRank: 0, mode: mode)
        for index in 0..<count { try unsafe add(index, gradient: .none, to: plan) }
        _ = try unsafe plan.pointee.run()
        self.mode = mode
    }
}
