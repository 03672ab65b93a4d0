// Powers of decay rates. The C library's pow may round differently from one processor to the next; this one uses only
// operations that IEEE 754 fixes, so that every machine forms the same bias corrections.

/// 1 - base^exponent, for an exponent over 0, correct to a few units of 2^-53 for a base in 0 ..< 1. Not a number where
/// the power is none, or beyond Double's range.
///
/// Squares and multiplies with an error term beside each product (Dekker: A floating-point technique for extending the
/// available precision, 1971), since repeated rounding would show for exponents in the thousands.
func oneMinusPower(_ base: Double, _ exponent: StepNumber) -> Double {
    var result = (high: 1.0, low: 0.0)
    if exponent.fraction != 0 { result = power(base, fraction: exponent.fraction) }
    var square = (high: base, low: 0.0)
    var rest = exponent.whole
    while true {
        if rest & 1 == 1 { result = product(result, square) }
        rest >>= 1
        if rest == 0 { return (1 - result.high) - result.low }
        square = product(square, square)
        // What is left to multiply by is smaller than half of the last place of 1.
        if square.high < 0x1p-60 { return 1 }
    }
}

/// base^fraction: the product of the roots, each the square root of the one before, that the fraction's bits name.
private func power(_ base: Double, fraction: Double) -> (high: Double, low: Double) {
    var result = (high: 1.0, low: 0.0)
    if base == 0 { return (0, 0) }
    var root = (high: base, low: 0.0)
    var rest = fraction
    while rest != 0 {
        let high = root.high.squareRoot()
        root = (high, (root.high.addingProduct(-high, high) + root.low) / (2 * high))
        rest *= 2
        if rest >= 1 {
            result = product(result, root)
            rest -= 1
        }
    }
    return result
}

/// base^exponent for a base of 0 or more and a finite exponent of 0 or more, correct to a few units of 2^-53; infinite
/// beyond Double's range.
func raised(_ base: Double, to exponent: Double) -> Double {
    let whole = exponent.rounded(.down)
    guard whole < 0x1p63 else { return base > 1 ? .infinity : base == 1 ? 1 : 0 }
    let fraction = exponent - whole
    let result = raised(base, to: UInt64(whole))
    return rounded(fraction == 0 ? result : bounded(result, power(base, fraction: fraction)))
}

/// base^exponent - 1 for a base of 1 or more, correct to a few units of 2^-53 also where it is small.
func raisedMinusOne(_ base: Double, to exponent: UInt64) -> Double {
    let power = raised(base, to: exponent)
    return rounded((power.high - 1, power.low))
}

private func raised(_ base: Double, to exponent: UInt64) -> (high: Double, low: Double) {
    var result = (high: 1.0, low: 0.0)
    var square = (high: base, low: 0.0)
    var rest = exponent
    while rest != 0 {
        if rest & 1 == 1 { result = bounded(result, square) }
        rest >>= 1
        if rest != 0 { square = bounded(square, square) }
    }
    return result
}

/// The product, infinite with no error term where it is beyond Double's range.
private func bounded(_ a: (high: Double, low: Double), _ b: (high: Double, low: Double)) -> (high: Double, low: Double)
{
    (a.high * b.high).isFinite ? product(a, b) : (.infinity, 0)
}

private func rounded(_ number: (high: Double, low: Double)) -> Double {
    number.high.isFinite ? number.high + number.low : number.high
}

private func product(_ a: (high: Double, low: Double), _ b: (high: Double, low: Double)) -> (high: Double, low: Double)
{
    let high = a.high * b.high
    let low = (-high).addingProduct(a.high, b.high) + (a.high * b.low + a.low * b.high)
    let sum = high + low
    return (sum, low - (sum - high))
}
