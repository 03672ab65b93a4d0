// Adam on one number in Double, as the papers and the other libraries write it, to be met within rounding. It shares no
// code with the library. The order of operations to the last bit is the kernels' affair, and tested there.

import Glibc
import MartletOptimizers

/// The textbook form, in Double, from the equations of each library.
struct Textbook {
    var value: Double
    var m = 0.0
    var v = 0.0
    var largest = 0.0

    /// One step, with the corrections 1 - beta1^t and 1 - beta2^t given.
    mutating func step(_ gradient: Double, _ c: Configuration, _ c1: Double, _ c2: Double) {
        let amsgrad = c.flags.contains(.amsgrad)
        var g = c.flags.contains(.maximize) ? -gradient : gradient
        if c.algorithm == .adam && c.semantics != .keras { g += c.weightDecay * value }
        let old = value
        m = c.beta1 * m + (1 - c.beta1) * g
        v = c.beta2 * v + (1 - c.beta2) * g * g
        let (mHat, vHat) = (m / c1, v / c2)
        switch c.semantics {
        case .torch:
            largest = max(largest, v)
            value -=
                c.lr * mHat / (amsgrad ? largest.squareRoot() / c2.squareRoot() + c.eps : vHat.squareRoot() + c.eps)
        case .keras:
            largest = max(largest, v)
            value -= c.lr * c2.squareRoot() / c1 * m / ((amsgrad ? largest : v).squareRoot() + c.eps)
        case .optax:
            largest = max(largest, vHat)
            value -= c.lr * mHat / ((amsgrad ? largest : vHat).squareRoot() + c.eps)
        case .paper:
            largest = max(largest, v)
            value -= amsgrad ? c.lr * m / (largest.squareRoot() + c.eps) : c.lr * mHat / (vHat.squareRoot() + c.eps)
        }
        if c.algorithm == .adamW {
            value -= (c.semantics == .paper ? 1 : c.lr) * c.weightDecay * old
        } else if c.semantics == .keras {
            value -= c.lr * c.weightDecay * old
        }
    }
}

/// 1 - base^exponent by the C library's expm1 and log1p: correct to a few units of the last place.
func oneMinusPower(_ base: Double, _ exponent: Int) -> Double {
    base == 0 ? 1 : -expm1(Double(exponent) * log1p(base - 1))
}
