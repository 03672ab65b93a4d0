// The half cosine of schedules. The C library's cos may round differently from one processor to the next; this one uses
// only operations that IEEE 754 fixes. Nothing beyond its range of 0 to 1 is served.

/// (1 + cos(pi x)) / 2 for x in 0 ... 1, within a few units of the last place: exactly 1 at 0, and 0 at 1.
///
/// It is the square of cos(pi x / 2), so that nothing is cancelled where it is small.
func halfCosine(_ x: Double) -> Double {
    let root = x <= 0.5 ? cosine(Double.pi / 2 * x) : sine(Double.pi / 2 * (1 - x))
    return root * root
}

/// cos(x) for x in 0 ... pi/4: the Taylor series, whose next term is under 2^-60.
private func cosine(_ x: Double) -> Double { series(x * x, from: 18) }

/// sin(x) for x in 0 ... pi/4.
private func sine(_ x: Double) -> Double { x * series(x * x, from: 19) }

/// 1 - y/(n(n-1)) (1 - ...), from the innermost factor outwards.
private func series(_ y: Double, from last: Int) -> Double {
    var sum = 1.0
    for n in stride(from: last, to: 1, by: -2) { sum = 1 - y / Double(n * (n - 1)) * sum }
    return sum
}
