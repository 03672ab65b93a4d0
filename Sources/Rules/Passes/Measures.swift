// The passes that measure a step: the sums of the gradient's squares before it, and behind it those of what the value has
// changed by, with the value as it was in the gradient's place. Each square is in fp64.

import MartletKernelInterface

struct GradientSquaresRule<Value: Lanes>: PassRule {
    @inline(__always)
    init(_ coefficients: MatrixUpdateCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.sums.0 = place.gradient.square }
}

struct ChangeSquaresRule<Value: Lanes>: PassRule {
    @inline(__always)
    init(_ coefficients: MatrixUpdateCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.sums.0 = (place.value - place.gradient).square }
}

func gradientSquares(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(GradientSquaresRule<FloatLanes>.self, GradientSquaresRule<DoubleLanes>.self, call, coefficients)
}

func changeSquares(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(ChangeSquaresRule<FloatLanes>.self, ChangeSquaresRule<DoubleLanes>.self, call, coefficients)
}

/// A walk of the squares of gradients: those of fp32 as they are go through a loop without a call between two blocks, in the
/// order of the walk that others have, and so to its bits.
func walkSquares(_ loop: PassLoop, _ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let whole: GridPart = value(at: part)
    let gradient = whole.run.arrays[gradientPlace]
    if whole.run.isDouble || isConverted(gradient, false) || isBounded(coefficients) {
        walkPart(loop, part, coefficients)
        return
    }
    let terms = AnyTerms<FloatLanes>(value(at: coefficients))
    for row in 0..<whole.rows {
        var place = UnsafeRawPointer(gradient.base) + row * whole.rowStride * 4
        let end = place + whole.run.count * 4
        while place < end {
            let blockEnd = min(place + Grid.blockCount * 4, end)
            addTo(whole.sums, sum(squares(from: &place, to: blockEnd, terms)))
        }
    }
}

@inline(__always)
private func squares(
    from place: inout UnsafeRawPointer, to end: UnsafeRawPointer, _ terms: AnyTerms<FloatLanes>
) -> SIMD16<Double> {
    var sums = SIMD16<Double>.zero
    while place + grain * 4 <= end {
        prefetch(.fp32, in: place, at: 0, bytesAhead: 4096)
        sums += terms.scaled(FloatLanes(lanes: read(place))).square
        place += grain * 4
    }
    if place < end {
        var few = GrainPair()
        few.withAddress { few in
            copy(place, to: few, bytes: end - place)
            sums += terms.scaled(FloatLanes(lanes: read(few))).square
        }
        place = end
    }
    return sums
}
