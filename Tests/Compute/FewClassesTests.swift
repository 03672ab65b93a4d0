// Cross-entropy of few classes: sixteen rows at a time give the bits that each gives by itself.

import MartletKernelInterface
import MartletTestSupport
import Testing

@Suite struct FewClassesTests {
    /// 64 rows, of which all but the last sixteen or so are done together; by itself a row has a 64th of the weight.
    @Test(arguments: 1...17, [false, true]) func rowsHaveTheBitsOfOne(columns: Int, weighted: Bool) throws {
        let rows = 64
        var asked = LossTests.make(.crossEntropy, rows, columns, labels: true)
        (asked.weight, asked.weights) = (0.75, weighted ? (0..<rows).map { [0.5, 2, 0, 0.3][$0 % 4] } : nil)
        for (row, odd) in [-Float.infinity, .infinity, .nan, -0.0, 1e30, -1e30].enumerated() {
            asked.output[row * 7 * columns + row % columns] = odd
        }
        try Twins.each { execution in
            let (together, slopes) = asked.run(execution)
            #expect(asked.run(execution, wantsGradient: false).loss.map(\.bitPattern) == together.map(\.bitPattern))
            for row in 0..<rows {
                var one = asked
                let range = row * columns..<(row + 1) * columns
                (one.rows, one.output, one.labels) = (1, Array(asked.output[range]), [asked.labels![row]])
                (one.weight, one.weights) = (asked.weight / 64, asked.weights.map { [$0[row]] })
                let (loss, slope) = one.run(execution)
                let place: Comment = "\(execution.isa.name), row \(row) of \(columns)"
                #expect(isSame(loss[0], together[row]), place)
                #expect(zip(slope, slopes[range]).allSatisfy(isSame), place)
            }
        }
    }

    /// Two NaN are the same whatever their bits.
    private func isSame(_ a: Float, _ b: Float) -> Bool { a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN) }
}
