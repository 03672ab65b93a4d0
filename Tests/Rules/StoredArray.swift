// Arrays as a caller holds them, in memory of the test's own choosing: at an address aligned to the element and no
// more, between guard bytes, or against a page that nothing may touch.

import Glibc
import MartletKernelInterface

/// `count` elements of a type between two guards. The owner is the test; memory goes with the object.
final class StoredArray {
    let type: ElementType
    let count: Int
    let base: UnsafeMutableRawPointer
    private let memory: UnsafeMutableRawPointer
    private let memoryBytes: Int
    private static let guardBytes = 192
    private static let guardByte: UInt8 = 0xa7

    /// `shift` elements past an address that is a multiple of 64.
    init(_ type: ElementType, count: Int, shift: Int) {
        self.type = type
        self.count = count
        memoryBytes = count * type.size + 2 * Self.guardBytes
        memory = .allocate(byteCount: memoryBytes, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: Self.guardByte, count: memoryBytes)
        base = memory + 64 + shift % 16 * type.size
    }

    deinit { memory.deallocate() }

    var operand: Operand { Operand(base: base, type: type) }

    /// The bits of element `index`, in the low end of the word.
    subscript(index: Int) -> UInt64 {
        get { StoredArray.bits(base, type, index) }
        set { StoredArray.set(base, type, index, newValue) }
    }

    /// Whether every byte outside the elements is as it was.
    var guardsStand: Bool {
        let bytes = UnsafeRawBufferPointer(start: memory, count: memoryBytes)
        let elements = (base - memory)..<(base - memory + count * type.size)
        return bytes.indices.allSatisfy { elements.contains($0) || bytes[$0] == Self.guardByte }
    }

    static func bits(_ base: UnsafeRawPointer, _ type: ElementType, _ index: Int) -> UInt64 {
        switch type {
        case .fp64: base.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
        case .fp32: UInt64(base.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
        case .bf16, .fp16: UInt64(base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        }
    }

    static func set(_ base: UnsafeMutableRawPointer, _ type: ElementType, _ index: Int, _ bits: UInt64) {
        switch type {
        case .fp64: base.storeBytes(of: bits, toByteOffset: index * 8, as: UInt64.self)
        case .fp32: base.storeBytes(of: UInt32(bits), toByteOffset: index * 4, as: UInt32.self)
        case .bf16, .fp16: base.storeBytes(of: UInt16(bits), toByteOffset: index * 2, as: UInt16.self)
        }
    }
}

/// Memory between two pages that end the process when touched.
final class FencedPage {
    private let memory: UnsafeMutableRawPointer
    private let page = Int(sysconf(Int32(_SC_PAGESIZE)))

    init?() {
        let size = 3 * Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let memory = mmap(nil, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), memory != MAP_FAILED,
            mprotect(memory + size / 3, size / 3, PROT_READ | PROT_WRITE) == 0
        else { return nil }
        self.memory = memory
    }

    deinit { munmap(memory, 3 * page) }

    /// Where `bytes` bytes touch the first page, or the last one.
    func place(_ bytes: Int, atEnd: Bool) -> UnsafeMutableRawPointer { memory + (atEnd ? 2 * page - bytes : page) }
}

/// A number for each (seed, index): the finalizer of SplitMix64 on a counter.
func random(_ seed: UInt64, _ index: Int) -> UInt64 {
    var z = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(index) &* 0xd1b5_4a32_d192_ed03
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
}
