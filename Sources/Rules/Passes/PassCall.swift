// What passes the time between a pass's loop and what brings arrays to it: a call, which says where they are, and answers what
// the loop reads, writes and sums. The loop itself and blocks that do not suit it are in PassBlock.swift.

import MartletKernelInterface

/// Sums of sixteen neighbours each, as they grow: by row, and two over all elements.
struct RunningSums {
    var row = SIMD16<Double>.zero
    var first = SIMD16<Double>.zero
    var second = SIMD16<Double>.zero
}

/// What a pass says of itself.
struct PassShape {
    /// A bit for each array that is read, and for each that is written.
    var reads = 0
    var writes = 0
    var sumsGrid = false
    var sumsRows = false
    var sumCount = 0
    var usesFactors = false
    var usesRows = false
    var leavesFactors = false
    var rowScale = 1.0

    @inline(__always)
    init() {}

    @inline(__always)
    init<Rule: PassRule>(_ rule: Rule) {
        // What is written is read, too.
        reads = (Rule.readsValue ? 1 : 0) | (Rule.readsGradient ? 2 : 0) | ((1 << Rule.slotCount) - 1) << 2
        writes = (Rule.writesValue ? 1 : 0) | ((1 << rule.writtenSlots) - 1) << 2
        sumsGrid = Rule.sumsGrid
        sumsRows = Rule.sumsRows
        sumCount = Rule.sumCount
        usesFactors = Rule.usesFactors
        usesRows = Rule.usesRows
        leavesFactors = Rule.leavesFactors
        rowScale = rule.rowScale
    }

    @inline(__always)
    func reads(_ place: Int) -> Bool { reads >> place & 1 != 0 }

    @inline(__always)
    func writes(_ place: Int) -> Bool { writes >> place & 1 != 0 }
}

/// What a pass's loop is asked to do: its shape where there are no elements, else whole grains.
struct PassCall {
    var arrays: Arrays
    var count = 0
    /// Elements of each grain that count.
    var valid = grain
    /// What the factors of the row are.
    var row = 1.0
    var columnFactors: UnsafeRawPointer
    var columnSums: UnsafeMutableRawPointer
    var running: UnsafeMutablePointer<RunningSums>
    let isDouble: Bool
    var shape: PassShape

    /// Over any arrays; factors and sums are still to be named.
    @inline(__always)
    init(_ run: Run, _ shape: PassShape, _ running: UnsafeMutablePointer<RunningSums>) {
        arrays = run.arrays
        isDouble = run.isDouble
        columnFactors = UnsafeRawPointer(running)
        columnSums = UnsafeMutableRawPointer(running)
        self.running = running
        self.shape = shape
    }

    /// How many of the arrays that are read are stored as another type than the one computed in.
    @inline(never)
    mutating func convertedCount() -> Int {
        let (isDouble, shape) = (isDouble, shape)
        var converted = 0
        withOperands { arrays in
            for place in 0..<6 where shape.reads(place) && isConverted((arrays + place).pointee, isDouble) {
                converted += 1
            }
        }
        return converted
    }

    @inline(__always)
    mutating func withOperands(_ body: (UnsafeMutablePointer<Operand>) -> Void) {
        withUnsafeMutablePointer(to: &arrays) { body(operands(of: $0)) }
    }
}

/// What a pass says of itself for these coefficients.
@inline(never)
func shape(of loop: PassLoop, _ coefficients: UnsafeRawPointer) -> PassShape {
    var running = RunningSums()
    var shape = PassShape()
    withUnsafeMutablePointer(to: &running) { running in
        let nothing = Operand(base: UnsafeMutableRawPointer(running), type: .fp32)
        var call = PassCall(
            Run(
                arrays: [nothing, nothing, nothing, nothing, nothing, nothing], arrayCount: 0, count: 0,
                isDouble: false), shape, running)
        withUnsafeMutablePointer(to: &call) { loop($0, coefficients) }
        shape = call.shape
    }
    return shape
}
