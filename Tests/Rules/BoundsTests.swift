// Kernels stay inside the run: arrays that begin or end at a page which ends the process when it is read or written.
// That guard bytes stand is looked at in RuleTests.

import MartletKernelInterface
import Testing

@Suite struct BoundsTests {
    /// Up to eight lanes and two, and around a block's end.
    private static let counts = Array(0...130) + Array(254...258)

    @Test(arguments: ruleTable.indices, Twin.here)
    func touchesNothingOutsideTheRun(row: Int, twin: Twin) throws {
        let row = ruleTable[row]
        let pages = try (0..<row.arrayCount).map { _ in try #require(FencedPage()) }
        let all = ElementType.allCases
        for rotation in 0..<8 {
            // All of one type, then mixed.
            let types = pages.indices.map { all[(rotation + (rotation < 4 ? 0 : $0)) % 4] }
            let quarters = types.map { $0.encode(0.25) }
            for atEnd in [false, true] {
                for count in Self.counts {
                    let arrays = types.indices.map { place in
                        let base = pages[place].place(count * types[place].size, atEnd: atEnd)
                        for index in 0..<count { StoredArray.set(base, types[place], index, quarters[place]) }
                        return Operand(base: base, type: types[place])
                    }
                    row.sweep(twin, Run(arrays, count: count), RunTerms())
                    let isUnread = (0..<count).allSatisfy {
                        StoredArray.bits(arrays[1].base, types[1], $0) == quarters[1]
                    }
                    #expect(isUnread, "the gradient was written: \(types), \(count)")
                }
            }
        }
    }
}
