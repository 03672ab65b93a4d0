// Sixteen numbers of fp32 by themselves, and lanes folded into one number in a fixed order. What rules compute on is in
// Lanes.swift; no memory (Memory.swift).

/// Sixteen neighbouring elements of an array of fp32.
typealias Floats = SIMD16<Float>

/// Each lane's number.
@_transparent
var laneNumbers: Floats { Floats(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }

/// sum + a * b. In models, where each set of instructions has bits of its own, the baseline rounds twice.
@inline(__always)
func multiplyAdd(_ sum: SIMD16<Float>, _ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
    #if MARTLET_FMA
        sum.addingProduct(a, b)
    #else
        sum + a * b
    #endif
}

/// The lanes, with those from `count` on replaced.
@_transparent
func keep(_ count: Int, _ lanes: Floats, otherwise rest: Float) -> Floats {
    if count >= grain { return lanes }
    return lanes.replacing(with: rest, where: laneNumbers .>= Floats(repeating: Float(count)))
}

/// The sum of all lanes, in a fixed order. Halves are put together lane by lane, here and below: the standard library's
/// may become functions of their own.
@_transparent
func sum(_ x: Floats) -> Float {
    let eight =
        SIMD8(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
        + SIMD8(x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15])
    let four = SIMD4(eight[0], eight[1], eight[2], eight[3]) + SIMD4(eight[4], eight[5], eight[6], eight[7])
    return (four[0] + four[2]) + (four[1] + four[3])
}

/// The sum of all lanes, in a fixed order.
@_transparent
func sum(_ x: SIMD16<Double>) -> Double {
    let four =
        SIMD4(x[0], x[1], x[2], x[3]) + SIMD4(x[4], x[5], x[6], x[7]) + SIMD4(x[8], x[9], x[10], x[11])
        + SIMD4(x[12], x[13], x[14], x[15])
    return (four[0] + four[2]) + (four[1] + four[3])
}

/// The largest of all lanes; a NaN may count or not.
@_transparent
func largest(_ x: Floats) -> Float {
    let low = SIMD8(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
    let high = SIMD8(x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15])
    let eight = low.replacing(with: high, where: high .> low)
    let left = SIMD4(eight[0], eight[1], eight[2], eight[3])
    let right = SIMD4(eight[4], eight[5], eight[6], eight[7])
    let four = left.replacing(with: right, where: right .> left)
    let one = four[2] > four[0] ? four[2] : four[0]
    let two = four[3] > four[1] ? four[3] : four[1]
    return two > one ? two : one
}
