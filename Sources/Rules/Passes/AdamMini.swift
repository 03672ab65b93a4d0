// Adam-mini (Zhang, Chen, Li, Ding, Wu, Kingma, Ye, Luo and Sun, arXiv:2406.16793, algorithm 1), as arithmetic on lanes, with
// one v for each block, which is a row to the passes:
//     m = m + (1 - beta1) (g - m),  v = v + (1 - beta2) (mean of g^2 over the block - v)
//     p = decay p - stepSize / (sqrt(v) + eps) m
// The first pass moves m on and sums the squares, the second makes a factor for each row of v, in fp64, and the third takes
// the step by what is stored of m.

import MartletKernelInterface

struct AdamMiniAverageRule<Value: Lanes>: PassRule {
    private let average: Average<Value>

    @inline(__always)
    init(_ coefficients: AdamMiniCoefficients, _ terms: AnyTerms<Value>) { average = Average(coefficients.beta1) }

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    static var sumsRows: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.first = average.next(place.first, place.gradient)
        place.square = place.gradient.square
    }
}

struct AdamMiniUpdateRule<Value: Lanes>: ValueUpdate {
    private let terms: AnyTerms<Value>

    @inline(__always)
    init(_ coefficients: AdamMiniCoefficients, _ terms: AnyTerms<Value>) { self.terms = terms }

    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    static var usesRows: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.value = terms.value(place.value, after: place.factor * place.first)
    }
}

func adamMiniAverage(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdamMiniAverageRule<FloatLanes>.self, AdamMiniAverageRule<DoubleLanes>.self, call, coefficients)
}

func adamMiniUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdamMiniUpdateRule<FloatLanes>.self, AdamMiniUpdateRule<DoubleLanes>.self, call, coefficients)
}

/// Moves v on, and puts each row's factor where its sums were.
func adamMiniFactors(_ tensor: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let tensor: GridTensor = value(at: tensor)
    let terms: AdamMiniCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
    let (grid, sums) = (tensor.grid, tensor.memory.rowSums)
    let (eps, stepSize) = (DoubleLanes(terms.eps), DoubleLanes(terms.stepSize))
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        moveOn(
            tensor.rowState, grid.rows,
            MeanSums(sums, step: grid.rows, tiles: grid.columnTiles, of: grid.columns, 0), terms.weight
        ) { average, row in
            write((stepSize / (average.squareRoot() + eps)).lanes, to: scratch)
            let count = min(grain, grid.rows - row)
            for tile in 0..<grid.columnTiles {
                copy(scratch, to: UnsafeMutableRawPointer(sums + tile * grid.rows + row), bytes: count * 8)
            }
        }
    }
}
