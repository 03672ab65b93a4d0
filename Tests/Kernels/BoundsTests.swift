// Kernels stay inside the run: arrays that begin or end at a page which ends the process when it is read or written.
// That guard bytes stand and that gradients are not written is looked at in AdamKernelTests.

import MartletKernelInterface
import Testing

@Suite struct BoundsTests {
    @Test(arguments: Twin.here)
    func touchesNothingOutsideTheRun(twin: Twin) throws {
        let pages = try (0..<5).map { _ in try #require(FencedPage()) }
        var terms = RunTerms()
        terms.variant = 1
        let all = ElementType.allCases
        for rotation in 0..<8 {
            // All of one type, then mixed.
            let types = (0..<5).map { all[(rotation + (rotation < 4 ? 0 : $0)) % 4] }
            for atEnd in [false, true] {
                for count in 0...130 {
                    let nowhere = Operand(base: pages[0].place(0, atEnd: true), type: .fp32)
                    var arrays = InlineArray<6, Operand>(repeating: nowhere)
                    for (place, type) in types.enumerated() {
                        let base = pages[place].place(count * type.size, atEnd: atEnd)
                        for index in 0..<count { StoredArray.set(base, type, index, type.encode(0.25)) }
                        arrays[place] = Operand(base: base, type: type)
                    }
                    let run = Run(
                        arrays: arrays, arrayCount: 5, count: count, isDouble: types.contains(where: { $0 == .fp64 }))
                    twin.sweep(.adam, run, terms, AdamCoefficients())
                    for index in 0..<count {
                        #expect(StoredArray.bits(arrays[1].base, types[1], index) == types[1].encode(0.25))
                    }
                }
            }
        }
    }
}
