// Logarithm, exponential and powers in Double. The C library's may round differently from one processor to the next; these
// use only operations that IEEE 754 fixes, so that every machine forms the same coefficients.

/// ln 2 in two parts, the first of few enough bits that a multiple by an exponent is exact.
private var ln2High: Double { 0x1.62e42fefa38p-1 }
private var ln2Low: Double { 0x1.ef35793c7673p-45 }

/// The natural logarithm of a positive number, to a unit or two of the last place; -inf of 0, NaN below.
func logarithm(_ x: Double) -> Double {
    if !(x > 0) { return x == 0 ? -.infinity : .nan }
    if !x.isFinite { return x }
    var (power, rest) = (Double(x.exponent), x.significand)
    if rest > 1.414 { (power, rest) = (power + 1, rest / 2) }
    // ln m = 2 atanh((m - 1) / (m + 1)), whose series converges fast: the argument is under 0.172.
    let s = (rest - 1) / (rest + 1)
    let square = s * s
    var series = 0.0
    for k in (1...12).reversed() { series = (series + 1 / Double(2 * k + 1)) * square }
    return power * ln2High + (2 * s + (2 * s * series + power * ln2Low))
}

/// e^x, to a unit or two of the last place.
func exponential(_ x: Double) -> Double {
    if !(x > -745) { return x.isNaN ? x : 0 }
    if x > 709.7 { return .infinity }
    let power = (x / (ln2High + ln2Low)).rounded()
    let rest = (x - power * ln2High) - power * ln2Low
    var series = 1.0
    for k in (1...14).reversed() { series = 1 + series * rest / Double(k) }
    // In two steps, since the power alone may be out of range.
    let half = (power / 2).rounded(.down)
    return series * Double(sign: .plus, exponent: Int(half), significand: 1)
        * Double(sign: .plus, exponent: Int(power - half), significand: 1)
}

/// base^exponent for a base of 0 or more.
func power(_ base: Double, _ exponent: Double) -> Double {
    switch exponent {
    case 0: 1
    case 1: base
    case 2: base * base
    case 0.5: base.squareRoot()
    default: base == 0 ? (exponent > 0 ? 0 : .infinity) : exponential(exponent * logarithm(base))
    }
}
