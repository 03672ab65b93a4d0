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

private func product(_ a: (high: Double, low: Double), _ b: (high: Double, low: Double)) -> (high: Double, low: Double)
{
    let high = a.high * b.high
    let low = (-high).addingProduct(a.high, b.high) + (a.high * b.low + a.low * b.high)
    let sum = high + low
    return (sum, low - (sum - high))
}
