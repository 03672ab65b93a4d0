// Gradients of some rows: through the Swift interface, with rows beside one another, and what is refused. Every algorithm,
// type and layout is in Tests/C/rows.c.

import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct RowTests {
    private static let sizes = [10, 3]

    /// A matrix whose gradient is of these rows, with numbers of its own for each place.
    private func matrix(_ configuration: Configuration = Configuration(.adam), rows: [Int]) -> Parameter {
        let parameter = Parameter(for: configuration, sizes: RowTests.sizes)
        let count = rows.count * RowTests.sizes[1]
        parameter.view.gradient = ArrayView(base: parameter.view.gradient.base, count: count, type: .fp32)
        parameter.view.rows = GradientRows(numbers: parameter.numbers(rows), count: rows.count)
        return parameter
    }

    /// Adam's first step goes by the rate against the sign of the gradient, whatever its size.
    @Test(arguments: [[3], [4, 5, 6], [6, 5, 4], [0, 9], [2, 2, 2], [9, 2, 9, 3, 4, 2]])
    func namedRowsMove(rows: [Int]) throws {
        let parameter = matrix(rows: rows)
        let before = parameter.values
        let gradient = (0..<rows.count * 3).map { parameter.view.gradient.get($0) }
        try step([parameter])
        let after = parameter.values
        for element in 0..<30 {
            let places = rows.indices.filter { rows[$0] == element / 3 }
            let sum = places.reduce(0) { $0 + gradient[$1 * 3 + element % 3] }
            let moved = before[element] - after[element]
            let wanted = places.isEmpty ? 0 : sum > 0 ? 1e-3 : -1e-3
            #expect(places.isEmpty ? moved == 0 : abs(moved - wanted) < 1e-6, "element \(element)")
        }
        #expect(parameter.counter == 1)
    }

    @Test func anOptimizerTakesRowsBesideDenseGradients() throws {
        let configuration = Configuration(.adamW)
        let (sparse, dense) = (matrix(configuration, rows: [7, 1]), Parameter())
        let (sparseTwin, denseTwin) = (matrix(configuration, rows: [7, 1]), Parameter())
        let optimizer = try Optimizer(configuration)
        try optimizer.add(sparse)
        try optimizer.add(dense)
        for _ in 0..<3 {
            try optimizer.step([sparse.view.gradient, dense.view.gradient], rows: [sparse.view.rows, nil])
            try step([sparseTwin, denseTwin], [configuration])
        }
        #expect(sparse.values == sparseTwin.values)
        #expect(dense.values == denseTwin.values)
        expectFailure(.argument, ["1 gradients and 1 rows"]) { () throws(MartletError) in
            try optimizer.step([dense.view.gradient], rows: [nil])
        }
        extendLifetime((sparse, dense))
    }

    @Test func rowsOutOfRange() {
        expectRefusal(.argument, ["parameters[0].rows[0] is 10; expected 0 ..< 10"], [matrix(rows: [10])])
        expectRefusal(.argument, ["parameters[0].rows[1] is -1; expected 0 ..< 10"], [matrix(rows: [3, -1])])
        let second = matrix(rows: [3, 4, 10])
        expectRefusal(.argument, ["parameters[1].rows[2] is 10"], [matrix(rows: [1]), second])
    }

    @Test func valuesThatDoNotFit() {
        func refused(_ kind: MartletError.Kind, _ words: String, _ change: (Parameter) -> Void) {
            let parameter = matrix(rows: [1, 2])
            change(parameter)
            expectRefusal(kind, [words], [parameter])
        }
        refused(.shape, "parameters[0].grad.count is 5; expected 6, 2 rows of 3") { $0.view.gradient.count = 5 }
        refused(.null, "parameters[0].rows is NULL; expected the address of 2 row") { $0.view.rows?.numbers = nil }
        refused(.null, "parameters[0].grad.data is NULL") { $0.view.gradient.base = nil }
        refused(.shape, "parameters[0].row_count is -1; expected 0 to 2^56") { $0.view.rows?.count = -1 }
        refused(.shape, "parameters[0].grad.sizes are [3, 2]; expected 2 and then the value's") {
            $0.view.gradient = $0.view.gradient.shaped([3, 2], [2, 1], in: $0)
        }
        refused(.overlap, "parameters[0].value and parameters[0].grad overlap") {
            $0.view.gradient.base = $0.view.value.base
        }
    }

    @Test func whatSeesAParameterAsAWhole() {
        for (configuration, words) in [
            (Configuration(.lamb), "lamb sees the parameter as a whole"),
            (Configuration(.adam) { $0.flags.insert(.cautiousUpdate) }, "CAUTIOUS_UPDATE counts every row"),
            (Configuration(.adam) { $0[.lookaheadSteps] = 5 }, "LOOKAHEAD_STEPS moves every row"),
        ] {
            let wanted = ["parameters[0].grad is of rows, and \(words); expected one of all elements"]
            expectRefusal(.unsupported, wanted, [matrix(configuration, rows: [1])], [configuration])
        }
    }

    /// Deferred, steps by rows leave the bits of dense ones with zeros in the other rows, once these have caught up.
    @Test(arguments: [Algorithm.sgd, .adam, .adamW, .adagrad, .rmsprop])
    func deferredRowsCatchUp(algorithm: Algorithm) throws {
        let dense = Configuration(algorithm) { if algorithm == .sgd { $0.momentum = 0.9 } }
        var deferring = dense
        deferring.flags.insert(.deferRows)
        let (whole, other) = (matrix(dense, rows: [0]), matrix(deferring, rows: [0]))
        let (optimizer, twin) = (try Optimizer(dense), try Optimizer(deferring))
        try optimizer.add(whole)
        try twin.add(other)
        var wasBehind = false
        for step in 0..<30 {
            let row = step % 4
            let named = GradientRows(numbers: other.numbers([row]), count: 1)
            var zeros = [Float](repeating: 0, count: 30)
            for column in 0..<3 { zeros[row * 3 + column] = Float(other.view.gradient.get(column)) }
            try zeros.withUnsafeMutableBufferPointer { zeros throws(MartletError) in
                _ = try optimizer.step([ArrayView(zeros)])
            }
            // What a model reads next.
            try twin.finish(rows: [named])
            _ = try twin.step([other.view.gradient], rows: [named])
            #expect(whole.values[row * 3] == other.values[row * 3])
            wasBehind = wasBehind || whole.values != other.values
        }
        #expect(wasBehind || algorithm == .adagrad || algorithm == .rmsprop)
        try twin.finish()
        #expect(whole.values == other.values)
        expectFailure(.argument, ["0 rows are given; expected 1"]) { () throws(MartletError) in
            try twin.finish(rows: [])
        }
        expectFailure(.argument, ["rows is -1; expected 0 to 2^56"]) { () throws(MartletError) in
            _ = try backlogByteCount(rows: -1)
        }
        extendLifetime((whole, other))
    }
}
