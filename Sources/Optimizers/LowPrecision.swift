// How parameters of 16 bits take steps that are smaller than half of their last place, of which rounding to nearest leaves
// nothing. What each way does to a block: Rules/Codings.swift.
import MartletCompute
import MartletKernelInterface

/// The ways; a group has one at most, and it concerns its parameters of bf16 and fp16 alone.
enum LowPrecision {
    /// Values are rounded at random, up with the chance that what goes stands for.
    case stochastic
    /// What rounding takes is kept, and added at the next step.
    case kahan
    /// The other half of fp32 is kept.
    case split

    /// What a group asks for; nil: values are rounded to nearest.
    init?(_ flags: Flags) {
        let ways: [(Flags, LowPrecision)] = [
            (.stochasticRounding, .stochastic), (.kahan, .kahan), (.split, .split),
        ]
        guard let way = ways.first(where: { flags.contains($0.0) }) else { return nil }
        self = way.1
    }

    /// How a value of a type is stored; nil: as it is.
    func coding(of type: ElementType) -> Coding? {
        switch (self, type) {
        case (.stochastic, .bf16): .randomBF16
        case (.stochastic, .fp16): .randomFP16
        case (.kahan, .bf16): .kahanBF16
        case (.kahan, .fp16): .kahanFP16
        case (.split, .bf16): .split
        case (.split, .fp16), (_, .fp32), (_, .fp64): nil
        }
    }

    /// What is wrong with a value of a type, in words to follow its name; nil: nothing.
    func problem(_ type: ElementType) -> String? {
        self == .split && type == .fp16
            ? ".dtype is fp16; expected bf16 with SPLIT, since a half of fp32 is no fp16: KAHAN takes both" : nil
    }

    /// The slot of what stands beside a value of a type; nil: nothing does.
    func besideSlot(of type: ElementType, in slots: Slots) -> Int? {
        (coding(of: type)?.besideSize ?? 0) > 0 ? slots.ofStages.last : nil
    }

    private var slotName: StaticString? {
        switch self {
        case .stochastic: nil
        case .kahan: "kahan_comp"
        case .split: "remainder"
        }
    }

    func addSlot(to slots: inout Slots) {
        if let slotName { slots.add(ofStage: slotName) }
    }
}
