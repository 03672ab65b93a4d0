// Memory that the library owns: zero-filled, aligned for any vector, and failable: where the system gives none, the
// caller gets an error instead of a trap. Memory that belongs to the caller never passes through here.

import Glibc

/// Owns a block of zero-filled memory, aligned to 64 bytes; freed when the owner goes.
@safe package struct ZeroedMemory: ~Copyable {
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int
    /// Whether the block is pages of its own; else it is the allocator's.
    private let isMapped: Bool

    /// Throws `.memory` when the system gives none, or `byteCount` is negative.
    package init(byteCount: Int) throws(MartletError) {
        guard byteCount >= 0, byteCount <= ZeroedMemory.most else {
            throw MartletError(.memory, "a size is beyond what a machine can address")
        }
        let isMapped = byteCount >= ZeroedMemory.hugePage
        guard let base = unsafe isMapped ? ZeroedMemory.map(byteCount) : ZeroedMemory.allocate(byteCount) else {
            throw MartletError(.memory, "the system gave no memory for \(byteCount) bytes")
        }
        unsafe self.base = base
        self.byteCount = byteCount
        self.isMapped = isMapped
    }

    /// `count` elements of `stride` bytes; throws `.memory` too when their product overflows.
    package init(count: Int, stride: Int) throws(MartletError) {
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: stride)
        try self.init(byteCount: overflow ? -1 : byteCount)
    }

    deinit {
        if isMapped {
            unsafe munmap(base, ZeroedMemory.pages(byteCount))
        } else {
            unsafe free(base)
        }
    }

    /// From this size on a block is mapped, so that the system may back it by huge pages: the first touch of
    /// 500 MB is then a few hundred faults instead of 120,000.
    private static var hugePage: Int { 2 << 20 }

    /// Beyond any address space, and far enough from overflow to be rounded up.
    private static var most: Int { 1 << 60 }

    /// Up to whole pages, which have at most 64 KB.
    private static func pages(_ byteCount: Int) -> Int { (byteCount + 0xFFFF) & ~0xFFFF }

    private static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        var block: UnsafeMutableRawPointer?
        guard unsafe posix_memalign(&block, 64, max(byteCount, 64)) == 0, let block = unsafe block else { return nil }
        unsafe memset(block, 0, max(byteCount, 64))
        return unsafe block
    }

    /// Pages that start at a multiple of a huge page: more is mapped, and both ends are given back.
    private static func map(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        let length = pages(byteCount)
        let start = unsafe mmap(nil, length + hugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let start = unsafe start, unsafe start != MAP_FAILED else { return nil }
        let base = unsafe start.alignedUp(toMultipleOf: hugePage)
        let before = unsafe base - start
        let behind = hugePage - before
        if before > 0 { unsafe munmap(start, before) }
        if behind > 0 { unsafe munmap(base + length, behind) }
        unsafe madvise(base, length, Int32(MADV_HUGEPAGE))
        return unsafe base
    }
}
