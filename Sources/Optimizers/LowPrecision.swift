// How parameters of 16 bits take steps that are smaller than half of their last place, of which rounding to nearest leaves
// nothing. What each way does to a block: Rules/Codings.swift.
import MartletCompute
import MartletKernelInterface

/// The ways; a group has one at most, and it concerns its parameters of bf16 and fp16 alone.
enum LowPrecision {
    /// Values are rounded at random, up with the chance that what goes stands for.
    case stochastic

    /// What a group asks for; nil: values are rounded to nearest.
    init?(_ flags: Flags) {
        if flags.contains(.stochasticRounding) { self = .stochastic } else { return nil }
    }

    /// How a value of a type is stored; nil: as it is.
    func coding(of type: ElementType) -> Coding? {
        switch (self, type) {
        case (.stochastic, .bf16): .randomBF16
        case (.stochastic, .fp16): .randomFP16
        case (_, .fp32), (_, .fp64): nil
        }
    }
}
