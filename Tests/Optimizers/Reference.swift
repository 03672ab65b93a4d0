// Adam on one number, twice: in the order of operations that the library promises, to be met bit for bit, and as the
// papers and the other libraries write it, to be met within rounding. Neither shares code with the library.

import Glibc
import MartletOptimizers

/// A number with its moments.
struct Element<Scalar: BinaryFloatingPoint> {
    var value: Scalar
    var first: Scalar = 0
    var second: Scalar = 0
    var largest: Scalar = 0

    /// One step, with the corrections 1 - beta^t given. Each product, sum and quotient is rounded on its own.
    mutating func step(_ gradient: Scalar, _ c: Configuration, correction1: Double, correction2: Double) {
        let amsgrad = c.flags.contains(.amsgrad)
        var stepSize = c.lr * correction2.squareRoot() / correction1
        var eps = c.eps * correction2.squareRoot()
        var scale = 1.0
        switch (c.semantics, amsgrad) {
        case (.keras, _): eps = c.eps
        case (.optax, true): (stepSize, eps, scale) = (c.lr / correction1, c.eps, 1 / correction2)
        case (.paper, true): (stepSize, eps) = (c.lr, c.eps)
        default: break
        }
        let isDecoupled = c.algorithm == .adamW || c.semantics == .keras
        let decayScale = c.algorithm == .adamW && c.semantics == .paper ? 1 : c.lr
        let decay = isDecoupled ? 1 - decayScale * c.weightDecay : 1
        var g = gradient * (c.flags.contains(.maximize) ? -1 : 1)
        if !isDecoupled && c.weightDecay != 0 { g = g + Scalar(c.weightDecay) * value }
        let w = 1 - c.beta1
        first = w < 0.5 ? first + Scalar(w) * (g - first) : g - Scalar(c.beta1) * (g - first)
        second = Scalar(c.beta2) * second + Scalar(1 - c.beta2) * g * g
        var r = second
        if amsgrad {
            largest = max(largest, Scalar(scale) * second)
            r = largest
        }
        value = Scalar(decay) * value - Scalar(stepSize) * (first / (r.squareRoot() + Scalar(eps)))
    }
}

/// The textbook form, in Double, from the equations of each library.
struct Textbook {
    var value: Double
    var m = 0.0
    var v = 0.0
    var largest = 0.0

    mutating func step(_ gradient: Double, _ c: Configuration, t: Int) {
        let amsgrad = c.flags.contains(.amsgrad)
        let c1 = oneMinusPower(c.beta1, t)
        let c2 = oneMinusPower(c.beta2, t)
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
