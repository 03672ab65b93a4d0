// How products are cut: that pieces cover all results, and keep threads busy. What they compute, MatrixProductTests
// checks.

import MartletCompute
import MartletKernelInterface
import Testing

@Suite struct ProductPlanTests {

    private static func plan(rows: Int, inner: Int, columns: Int, threads: Int) -> ProductPlan {
        let place = UnsafeMutablePointer<Float>(bitPattern: 4096)!
        return ProductPlan(
            MatrixProduct(
                rows: rows, inner: inner, columns: columns,
                left: Factor(base: place, rowStride: inner, columnStride: 1),
                right: Factor(base: place, rowStride: columns, columnStride: 1), out: place, outStride: columns),
            threads: threads)
    }

    private static let sizes = [1, 5, 9, 16, 33, 64, 100, 256, 257, 300, 512, 784, 1000, 1024, 1100, 2048, 3000]

    /// The share of `threads` threads that works, on average, until the last piece is done, if each takes the next piece
    /// when it is free and needs time for what the piece computes.
    private static func busy(_ plan: ProductPlan, threads: Int) -> Double {
        var ends = [Int](repeating: 0, count: threads)
        var all = 0
        for _ in 0..<max(plan.inner.pieces, 1) {
            for row in 0..<plan.rows.pieces {
                for column in 0..<plan.columns.pieces {
                    let work = plan.rows.range(row).count * plan.columns.range(column).count
                    let next = ends.indices.min { ends[$0] < ends[$1] }!
                    ends[next] += work
                    all += work
                }
            }
        }
        return Double(all) / Double(ends.max()! * threads)
    }

    @Test func coversAllResultsAndSums() {
        for rows in Self.sizes {
            for columns in Self.sizes {
                for inner in [1, 300, 3000] {
                    for threads in [1, 2, 3, 16, 64] {
                        let plan = Self.plan(rows: rows, inner: inner, columns: columns, threads: threads)
                        #expect(plan.rows.end(plan.rows.pieces - 1) == rows)
                        #expect(plan.columns.end(plan.columns.pieces - 1) == columns)
                        #expect(plan.inner.end(plan.inner.pieces - 1) == inner)
                        #expect(plan.columns.pieces == 1 || plan.columns.size % ProductLimits.panelColumns == 0)
                    }
                }
            }
        }
    }

    /// Each piece of rows would copy the right factor anew.
    @Test func oneThreadTakesAllRows() {
        for rows in Self.sizes {
            for columns in Self.sizes {
                for inner in [1, 32, 300, 3000] {
                    let plan = Self.plan(rows: rows, inner: inner, columns: columns, threads: 1)
                    #expect(plan.rows.pieces == 1, "\(rows) x \(inner) x \(columns)")
                }
            }
        }
    }

    @Test func sumsAreCutBetweenBlocksAndFitIntoMemory() {
        for rows in Self.sizes {
            for columns in Self.sizes {
                for inner in [2047, 2048, 9000, 100_000] {
                    for threads in [1, 2, 7, 64] {
                        let plan = Self.plan(rows: rows, inner: inner, columns: columns, threads: threads)
                        guard plan.inner.pieces > 1 else { continue }
                        let blocks = ProductLimits.blocks(of: inner)
                        let blocksAtOnce = plan.innerAtOnce * plan.inner.size / blocks.size
                        #expect(plan.inner.size % blocks.size == 0, "\(rows) x \(inner) x \(columns)")
                        #expect(plan.innerAtOnce >= 1)
                        #expect(blocksAtOnce * rows * columns * 4 <= Execution.sharedByteCount)
                    }
                }
            }
        }
    }

    @Test func keepsThreadsBusy() {
        for rows in Self.sizes {
            for columns in Self.sizes {
                for inner in [300, 784, 3000] {
                    for (threads, least) in [(1, 1.0), (2, 0.75), (4, 0.6), (8, 0.6)] {
                        guard rows * columns * inner >= threads * 4_000_000, rows >= 16 * threads else { continue }
                        let plan = Self.plan(rows: rows, inner: inner, columns: columns, threads: threads)
                        let busy = Self.busy(plan, threads: threads)
                        #expect(
                            busy >= least,
                            "\(rows) x \(inner) x \(columns), \(threads) threads: \(plan.rows), \(plan.columns)")
                    }
                }
            }
        }
    }
}
