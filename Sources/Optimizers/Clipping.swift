// How a group clips its gradients, and what is asked of their norms. Conventions: torch's clip_grad_norm_ divides by the norm
// and 1e-6 more; Keras and optax by the norm alone.
import MartletKernelInterface

/// What a group asks.
struct Clipping {
    /// What the loss, and so each gradient, was multiplied by.
    let lossScale: Double
    /// The largest norm of all gradients together, and of each; infinity: any.
    private let maxNorm, clipNorm: Double
    private let clipValue: Double
    /// What is added to a norm before it is divided by.
    private let added: Double
    let skipsNonfinite: Bool
    /// Whether gradients are looked at before the step.
    let measures: Bool

    init(_ configuration: Configuration) {
        lossScale = configuration[.lossScale]
        (maxNorm, clipNorm) = (configuration[.maxNorm], configuration[.clipNorm])
        clipValue = configuration[.clipValue]
        added = configuration.semantics == .torch ? 1e-6 : 0
        skipsNonfinite = configuration.flags.contains(.skipNonfinite)
        measures =
            maxNorm < .infinity || clipNorm < .infinity
            || !configuration.flags.isDisjoint(with: [.skipNonfinite, .measure])
    }

    /// Whether each parameter is looked at by itself.
    var isByParameter: Bool { clipNorm < .infinity }

    /// What is wrong with the numbers together; nil: nothing.
    var problem: String? {
        let (byAll, byEach, byValue) = (maxNorm < .infinity, clipNorm < .infinity, clipValue < .infinity)
        if !(byAll && byEach || byAll && byValue || byEach && byValue) { return nil }
        return "\(byAll ? "max_norm is \(maxNorm)" : "clip_norm is \(clipNorm)") beside "
            + "\(byValue ? "a clip_value of \(clipValue)" : "a clip_norm of \(clipNorm)"); expected infinity for one of them, "
            + "since gradients are clipped in one way"
    }

    /// What a gradient is to be multiplied by, by its norm and that of all. One that is NaN makes it NaN, as in torch.
    func scale(norm: Double, of all: Double) -> Double {
        let (most, found) = isByParameter ? (clipNorm, norm) : (maxNorm, all)
        if most == .infinity || found + added <= most { return 1 }
        return most / (found + added)
    }
}
