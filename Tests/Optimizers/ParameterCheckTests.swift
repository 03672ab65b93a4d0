// Every refusal of a parameter's arrays: its kind, a message that names the argument, the value and what was expected,
// and not a byte changed, neither in that parameter nor in the good one before it.

import MartletOptimizers
import Testing

/// The arrays of a parameter by the name that messages give them.
private enum Part: String, CaseIterable {
    case value
    case grad
    case first = "state[0]"
    case second = "state[1]"
}

extension Parameter {
    fileprivate subscript(part: Part) -> ArrayView {
        get {
            switch part {
            case .value: view.value
            case .grad: view.gradient
            case .first: view.state[0]
            case .second: view.state[1]
            }
        }
        set {
            switch part {
            case .value: view.value = newValue
            case .grad: view.gradient = newValue
            case .first: view.state[0] = newValue
            case .second: view.state[1] = newValue
            }
        }
    }
}

/// Expects a step to refuse parameter 1 of two, after `change`.
private func expectRefusal(
    _ kind: MartletError.Kind, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (Parameter) -> Void
) {
    let parameters = [Parameter(seed: 1), Parameter(seed: 2).named("fc1.weight")]
    change(parameters[1])
    expectRefusal(kind, ["parameters[1]"] + words, parameters, sourceLocation: sourceLocation)
}

@Suite struct ParameterCheckTests {
    /// The good case that every other differs from.
    @Test func goodParametersStep() throws {
        let parameters = [Parameter(seed: 1), Parameter(seed: 2).named("fc1.weight")]
        let before = parameters.map(\.bytes)
        let report = try step(parameters)
        #expect(report.skipped == 0)
        #expect(parameters.map(\.counter) == [1, 1])
        for (parameter, bytes) in zip(parameters, before) { #expect(parameter.bytes != bytes) }
    }

    @Test(arguments: [-1, .min, 1 << 56 + 1, .max])
    func countOutOfRange(count: Int) {
        for part in Part.allCases {
            expectRefusal(.shape, ["\(part.rawValue) (\"fc1.weight\").count is \(count)"]) { $0[part].count = count }
        }
    }

    @Test(arguments: [0, 11, 13, 1 << 56])
    func countsThatDiffer(count: Int) {
        for part in Part.allCases where part != .value {
            expectRefusal(.shape, ["\(part.rawValue) (\"fc1.weight\").count is \(count)", "12"]) {
                $0[part].count = count
            }
        }
    }

    @Test func missingMemory() {
        for part in Part.allCases where part != .grad {
            expectRefusal(.null, ["\(part.rawValue) (\"fc1.weight\").data is NULL", "12 elements"]) {
                $0[part].base = nil
            }
        }
    }

    @Test(arguments: ElementType.allCases)
    func misalignment(type: ElementType) {
        for part in Part.allCases {
            for offset in 1..<type.size {
                expectRefusal(.alignment, ["\(part.rawValue) (\"fc1.weight\").data", "multiple of \(type.size)"]) {
                    $0[part].type = type
                    $0[part].base = $0[part].base.map { $0 + offset }
                }
            }
        }
    }

    @Test(arguments: [-1, 65, .min, .max])
    func rankOutOfRange(rank: Int) {
        for part in Part.allCases {
            expectRefusal(.shape, ["\(part.rawValue) (\"fc1.weight\").rank is \(rank)", "64"]) {
                $0[part] = $0[part].shaped([12], [1], in: $0)
                $0[part].rank = rank
            }
        }
    }

    @Test func missingShapes() {
        for part in Part.allCases {
            expectRefusal(.null, ["\(part.rawValue) (\"fc1.weight\").sizes is NULL"]) {
                $0[part] = $0[part].shaped([3, 4], [4, 1], in: $0)
                $0[part].sizes = nil
            }
            expectRefusal(.null, ["\(part.rawValue) (\"fc1.weight\").strides is NULL"]) {
                $0[part] = $0[part].shaped([3, 4], [4, 1], in: $0)
                $0[part].strides = nil
            }
        }
    }

    @Test func misalignedShapes() {
        for part in Part.allCases {
            for isSizes in [true, false] {
                expectRefusal(.alignment, ["\(part.rawValue) (\"fc1.weight\").s", "multiple of 8"]) {
                    $0[part] = $0[part].shaped([3, 4], [4, 1], in: $0)
                    let moved = UnsafeRawPointer($0.numbers([3, 4, 3])) + 4
                    let address = UnsafePointer<Int64>(bitPattern: UInt(bitPattern: moved))
                    if isSizes { $0[part].sizes = address } else { $0[part].strides = address }
                }
            }
        }
    }

    @Test func sizes() {
        for part in Part.allCases {
            let name = "\(part.rawValue) (\"fc1.weight\")"
            func refuse(_ words: String, _ sizes: [Int], sourceLocation: SourceLocation = #_sourceLocation) {
                expectRefusal(.shape, ["\(name).sizes", words], sourceLocation: sourceLocation) {
                    let count = $0.count
                    $0[part] = $0[part].shaped(sizes.map { max($0, 0) % 100 }, sizes.map { _ in 1 }, in: $0)
                    $0[part].count = count
                    $0[part].sizes = $0.numbers(sizes)
                }
            }
            refuse("[0] is -3", [-3, -4])
            refuse("[1] is \(Int.min)", [12, .min])
            refuse("product 20", [4, 5])
            refuse("product 0", [12, 0])
            refuse("expected 12", [1 << 32, 1 << 32])
            refuse("expected 12", [1 << 62, 4, 3])
            refuse("expected 12", [.max, .max, 12])
        }
    }

    /// Arrays with a shape must have the same one; arrays without one go with any.
    @Test func shapesThatDiffer() throws {
        expectRefusal(
            .shape,
            [
                "grad (\"fc1.weight\").sizes are [4, 3]; expected [3, 4], those of parameters[1].value (\"fc1.weight\")"
            ]
        ) {
            $0.view.value = $0.view.value.shaped([3, 4], [4, 1], in: $0)
            $0.view.gradient = $0.view.gradient.shaped([4, 3], [3, 1], in: $0)
        }
        expectRefusal(.shape, ["state[1] (\"fc1.weight\").sizes are [12]; expected [3, 4]", "state[0]"]) {
            $0.view.state[0] = $0.view.state[0].shaped([3, 4], [4, 1], in: $0)
            $0.view.state[1] = $0.view.state[1].shaped([12], [1], in: $0)
        }
        let parameter = Parameter()
        parameter.view.gradient = parameter.view.gradient.shaped([3, 4], [1, 3], in: parameter)
        try step([parameter])
    }

    @Test(arguments: [Int.max, .min, 1 << 60, -(1 << 60), 1 << 56, 1 << 55 + 1])
    func stridesTooLong(stride: Int) {
        for part in Part.allCases {
            expectRefusal(.shape, ["\(part.rawValue) (\"fc1.weight\")", "address space"]) {
                $0[part] = $0[part].shaped([4, 3], [stride, 1], in: $0)
            }
        }
    }

    @Test func addressesThatEnd() {
        for part in Part.allCases {
            expectRefusal(.shape, ["\(part.rawValue) (\"fc1.weight\")", "address space"]) {
                $0[part].base = UnsafeMutableRawPointer(bitPattern: UInt.max - 31)
            }
            expectRefusal(.shape, ["\(part.rawValue) (\"fc1.weight\")", "address space"]) {
                $0[part] = $0[part].shaped([12], [-1], in: $0)
                $0[part].base = UnsafeMutableRawPointer(bitPattern: 32)
            }
        }
    }

    /// Written arrays hold each element once; gradients may repeat elements.
    @Test func elementsThatShareMemory() throws {
        for part in Part.allCases where part != .grad {
            let name = "\(part.rawValue) (\"fc1.weight\").strides"
            expectRefusal(.overlap, [name + "[0] is 0", "each element once"]) {
                $0[part] = $0[part].shaped([3, 4], [0, 1], in: $0)
            }
            expectRefusal(.overlap, [name + "[0] is 3"]) { $0[part] = $0[part].shaped([3, 4], [3, 1], in: $0) }
            expectRefusal(.overlap, [name + "[1] is -1"]) { $0[part] = $0[part].shaped([3, 4], [1, -1], in: $0) }
        }
        let parameter = Parameter()
        defer { extendLifetime(parameter) }
        parameter.view.gradient = parameter.view.gradient.shaped([3, 4], [0, 1], in: parameter)
        parameter.view.value = parameter.view.value.shaped([3, 4], [4, 1], in: parameter)
        for index in 0..<12 { parameter.view.value.set(index, 0) }
        try step([parameter])
        for index in 0..<8 { #expect(parameter.view.value.get(index) == parameter.view.value.get(index + 4)) }
    }

    /// The strides of dimensions of size 1 are of no account.
    @Test func stridesOfSingleElements() throws {
        for stride in [0, -5, .max, .min] {
            let (parameter, plain) = (Parameter(), Parameter())
            parameter.view.value = parameter.view.value.shaped([1, 12, 1], [stride, 1, stride], in: parameter)
            try step([parameter])
            try step([plain])
            #expect(parameter.bytes == plain.bytes)
        }
    }

    @Test(arguments: [-1, 1, .min, .max])
    func groupOutOfRange(group: Int) {
        expectRefusal(.argument, [".group is \(group)", "0 ..< 1"]) { $0.view.group = group }
    }

    @Test func noGroups() {
        expectRefusal(.argument, ["parameters[0].group is 0"], [Parameter()], [])
    }

    @Test(arguments: [-1, 0, 1, 3, 4, 5, .min, .max])
    func stateCount(count: Int) {
        expectRefusal(.argument, [".state_count is \(count)", "2 for adam"]) { $0.view.stateCount = count }
    }

    @Test(arguments: [-1, .min, .max] as [Int64])
    func stepOutOfRange(taken: Int64) {
        expectRefusal(.argument, ["step (\"fc1.weight\") is \(taken)"]) { $0.counter = taken }
    }

    /// All refusals come before any work, also those of the last of many.
    @Test func nothingBeforeTheLastIsChecked() {
        let parameters = (0..<100).map { Parameter(seed: UInt64($0)) }
        parameters[99].view.state[1].count = 5
        expectRefusal(.shape, ["parameters[99].state[1].count is 5"], parameters)
    }

    @Test func namesOfAnyLength() {
        let long = String(repeating: "é", count: 5000)
        let parameter = Parameter().named(long)
        parameter.view.gradient.count = 5
        let message = failure { () throws(MartletError) in try step([parameter]) }?.message
        #expect(message?.contains("(\"é") == true)
        #expect((message ?? long).utf8.count < 600)
    }

    /// Empty parameters need no memory, and their counter goes on.
    @Test func emptyParameters() throws {
        for sizes in [[], [0], [3, 0, 4], [0, 1 << 40, 1 << 40]] as [[Int]] {
            let parameter = Parameter(count: 0)
            for part in Part.allCases {
                parameter[part] = ArrayView(base: nil, count: 0, type: .fp32)
                if !sizes.isEmpty {
                    parameter[part].rank = sizes.count
                    (parameter[part].sizes, parameter[part].strides) = (
                        parameter.numbers(sizes), parameter.numbers(sizes)
                    )
                }
            }
            let other = Parameter()
            #expect(try step([parameter, other]).skipped == 0)
            #expect(parameter.counter == 1 && other.counter == 1)
        }
    }

    @Test func noParameters() throws {
        #expect(try step([]).skipped == 0)
        #expect(try step([], []).skipped == 0)
    }
}
