// Memory for tests to work on.

/// Bytes, zeros unless another value is given, at an address of 64-byte alignment, freed with their owner.
package final class Memory {
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int

    package init(byteCount: Int, filledWith byte: UInt8 = 0) {
        self.byteCount = byteCount
        base = .allocate(byteCount: max(byteCount, 1), alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
    }

    deinit { base.deallocate() }

    package var bytes: [UInt8] { contents(UInt8.self) }

    /// A copy of the elements.
    package func contents<Element: BitwiseCopyable>(_ type: Element.Type) -> [Element] {
        withElements(type) { Array($0) }
    }

    package func fill<Element: BitwiseCopyable>(_ element: Element) {
        withElements(Element.self) { $0.update(repeating: element) }
    }

    package func withElements<Element: BitwiseCopyable, Result>(
        _: Element.Type, _ body: (UnsafeMutableBufferPointer<Element>) -> Result
    ) -> Result {
        let count = byteCount / MemoryLayout<Element>.stride
        return withExtendedLifetime(self) {
            body(UnsafeMutableBufferPointer(start: base.bindMemory(to: Element.self, capacity: count), count: count))
        }
    }

    package func pointer<Element>(_: Element.Type = Element.self, at offset: Int = 0) -> UnsafeMutablePointer<Element> {
        (base + offset).assumingMemoryBound(to: Element.self)
    }
}
