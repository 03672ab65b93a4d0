// How a slot of state is stored: as numbers of an element type, or as codes of 16, 8 or 4 bits with scales.
import MartletKernelInterface

/// The types of state.
public enum StateType: Equatable, Sendable {
    case wide(ElementType)
    case small(SmallType)

    public static let fp64 = StateType.wide(.fp64)
    public static let fp32 = StateType.wide(.fp32)
    public static let bf16 = StateType.wide(.bf16)
    public static let fp16 = StateType.wide(.fp16)
    public static let float16 = StateType.small(.float16)
    public static let ufloat16 = StateType.small(.ufloat16)
    public static let float8 = StateType.small(.float8)
    public static let ufloat8 = StateType.small(.ufloat8)
    public static let float4 = StateType.small(.float4)
    public static let ufloat4 = StateType.small(.ufloat4)

    /// The type of a number of martlet.h; fp32 for none. Nil where there is no such type.
    package init?(_ number: Int?) {
        let number = Int32(clamping: number ?? Int(ElementType.fp32.rawValue))
        if let type = ElementType(rawValue: number) {
            self = .wide(type)
        } else if let type = SmallType(rawValue: number) {
            self = .small(type)
        } else {
            return nil
        }
    }

    /// The number of martlet.h.
    package var rawValue: Int32 {
        switch self {
        case .wide(let type): type.rawValue
        case .small(let type): type.rawValue
        }
    }

    /// Bytes of so many elements, and of the scales beside them.
    func byteCount(_ count: Int) -> Int {
        switch self {
        case .wide(let type): count * type.size
        case .small(let type): type.byteCount(count)
        }
    }

    func scaleCount(_ count: Int) -> Int {
        if case .small(let type) = self { type.scaleCount(count) } else { 0 }
    }

    package var isSmall: Bool { if case .small = self { true } else { false } }

    /// For messages.
    package var name: String {
        switch self {
        case .wide(let type): "\(type)"
        case .small(let type): "\(type)"
        }
    }
}
