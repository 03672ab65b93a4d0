// The element types that a safetensors file can name. Which of them an optimizer or a model can use is decided there.
import MartletPlatform

/// An element type of the format. The order is the format's own, from narrow to wide: a file's tensors stand widest
/// first, so that each starts at a multiple of its element's size.
package enum TensorType: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case bool, f4, f6e2m3, f6e3m2, u8, i8, f8e5m2, f8e4m3, f8e8m0, f8e4m3fnuz, f8e5m2fnuz
    case i16, u16, f16, bf16
    case i32, u32, f32, c64
    case f64, i64, u64

    /// The type with this name in a header; nil where there is none.
    package init?(name: UnsafeRawBufferPointer) {
        for type in TensorType.allCases where unsafe Bytes.areEqual(name, type.name) {
            self = type
            return
        }
        return nil
    }

    /// How a header names it.
    package var name: StaticString {
        switch self {
        case .bool: "BOOL"
        case .f4: "F4"
        case .f6e2m3: "F6_E2M3"
        case .f6e3m2: "F6_E3M2"
        case .u8: "U8"
        case .i8: "I8"
        case .f8e5m2: "F8_E5M2"
        case .f8e4m3: "F8_E4M3"
        case .f8e8m0: "F8_E8M0"
        case .f8e4m3fnuz: "F8_E4M3FNUZ"
        case .f8e5m2fnuz: "F8_E5M2FNUZ"
        case .i16: "I16"
        case .u16: "U16"
        case .f16: "F16"
        case .bf16: "BF16"
        case .i32: "I32"
        case .u32: "U32"
        case .f32: "F32"
        case .c64: "C64"
        case .f64: "F64"
        case .i64: "I64"
        case .u64: "U64"
        }
    }

    /// Bits in one element.
    package var bitCount: Int {
        switch self {
        case .f4: 4
        case .f6e2m3, .f6e3m2: 6
        case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
        case .i16, .u16, .f16, .bf16: 16
        case .i32, .u32, .f32: 32
        case .c64, .f64, .i64, .u64: 64
        }
    }

    /// The bytes that a tensor of this type and shape takes; nil where they cannot be counted, a size is negative or
    /// the last byte would not be full. A size of 0 leaves none, whatever stands before it.
    package func byteCount(shape: UnsafeBufferPointer<Int>) -> Int? {
        var bits = bitCount
        var (isEmpty, isTooLarge) = (false, false)
        for index in 0..<shape.count {
            let size = unsafe shape[index]
            if size < 0 { return nil }
            let (product, overflow) = bits.multipliedReportingOverflow(by: size)
            isEmpty = isEmpty || size == 0
            isTooLarge = isTooLarge || overflow
            bits = product
        }
        if isEmpty { return 0 }
        return !isTooLarge && bits % 8 == 0 ? bits / 8 : nil
    }
}
