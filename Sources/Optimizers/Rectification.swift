// How far the variance of an adaptive rate can be trusted while the second moment has seen few gradients: Liu, Jiang, He,
// Chen, Liu, Gao and Han: On the variance of the adaptive learning rate and beyond, arXiv:1908.03265, algorithm 2.

/// The length of the average of the second moment at a step, and the factor that rectifies the rate there.
struct Rectification {
    /// rho_t: the approximated length of the simple moving average.
    let length: Double
    /// r_t; of use where the length is over 4.
    let factor: Double

    /// - Parameter correction: 1 - beta2^t.
    init(beta2: Double, t: Double, correction: Double) {
        let most = 2 / (1 - beta2) - 1
        length = most - 2 * t * (1 - correction) / correction
        factor =
            ((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)).squareRoot()
    }
}
