// The activations and their gradients, element by element. What they are made of stands in Exponential.swift; softmax,
// which looks at whole rows, in Softmax.swift. Each is a type, so that each is a loop of its own.

import MartletKernelInterface

/// A function and its gradient. `saved` is the output, or the input where the gradient needs that.
private protocol ElementFunction {
    func value(_ x: Floats) -> Floats
    func gradient(_ gradient: Floats, _ saved: Floats) -> Floats
}

private struct Linear: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats { x }
    @inline(__always)
    func gradient(_ gradient: Floats, _ saved: Floats) -> Floats { gradient }
}

/// 0 below 0, where NaN is not.
private struct Rectifier: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats { x.replacing(with: 0, where: x .< 0) }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats { gradient.replacing(with: 0, where: y .<= 0) }
}

private struct LeakyRectifier: ElementFunction {
    let slope: Floats
    @inline(__always)
    func value(_ x: Floats) -> Floats { x.replacing(with: x * slope, where: x .< 0) }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats {
        gradient.replacing(with: gradient * slope, where: y .<= 0)
    }
}

/// Beyond 20 the normal distribution is 0 or 1 and its density 0, and infinity must not meet it.
private struct NormalUnit: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats {
        let low = x.replacing(with: -20, where: x .< -20)
        return low * normal(low.replacing(with: 20, where: low .> 20)).below
    }
    @inline(__always)
    func gradient(_ gradient: Floats, _ x: Floats) -> Floats {
        let x = clamp(x, -20, 20)
        let (below, bell) = normal(x)
        return gradient * multiplyAdd(below, x, bell * 0.398_942_28)
    }
}

/// The same for the logistic function, beyond 200.
private struct LogisticUnit: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats { x.replacing(with: -200, where: x .< -200) * logistic(x) }
    @inline(__always)
    func gradient(_ gradient: Floats, _ x: Floats) -> Floats {
        let x = clamp(x, -200, 200)
        let s = logistic(x)
        return gradient * (s * multiplyAdd(Floats(repeating: 1), x, 1 - s))
    }
}

private struct Tangent: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats { hyperbolicTangent(x) }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats { gradient * ((1 - y) * (1 + y)) }
}

private struct Logistic: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats { logistic(x) }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats { gradient * (y * (1 - y)) }
}

/// scale x, or scale alpha (e^x - 1) below 0. ELU's scale and alpha are 1: Clevert, Unterthiner, Hochreiter: Fast and
/// accurate deep network learning by exponential linear units, ICLR 2016. SELU's: Klambauer et al.: Self-normalizing neural
/// networks, NeurIPS 2017.
private struct ExponentialUnit: ElementFunction {
    let scale: Float
    /// scale alpha
    let low: Float

    @inline(__always)
    init(isScaled: Bool) { (scale, low) = isScaled ? (1.050_700_99, 1.758_099_34) : (1, 1) }

    @inline(__always)
    func value(_ x: Floats) -> Floats {
        (x * scale).replacing(with: exponentialLessOne(x.replacing(with: 0, where: x .> 0)) * low, where: x .< 0)
    }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats {
        gradient * Floats(repeating: scale).replacing(with: y + low, where: y .< 0)
    }
}

/// log(1 + e^x), whose slope is the logistic function, 1 - e^-y.
private struct SoftPlus: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats {
        x.replacing(with: 0, where: x .< 0) + logarithm(onePlus: exponential(-magnitude(x)))
    }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats { -gradient * exponentialLessOne(-y) }
}

/// (x + 3) / 6, from 0 to 1.
private struct HardLogistic: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats { clamp(x + 3, 0, 6) / 6 }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats {
        (gradient * (1 / 6)).replacing(with: 0, where: (y .<= 0) .| (y .>= 1))
    }
}

/// x tanh(log(1 + e^x)) (Misra, 2019): with e = e^x and n = e (e + 2), the second factor is n / (n + 2), and its slope
/// 4 e (e + 1) / (n + 2)^2. Beyond 20 it is 1, and infinity must not meet it.
private struct MishUnit: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats {
        let low = x.replacing(with: -200, where: x .< -200)
        let e = exponential(low.replacing(with: 20, where: low .> 20))
        let n = e * (e + 2)
        return low * (n / (n + 2))
    }
    @inline(__always)
    func gradient(_ gradient: Floats, _ x: Floats) -> Floats {
        let x = clamp(x, -200, 20)
        let e = exponential(x)
        let n = e * (e + 2)
        let share = 1 / (n + 2)
        return gradient * multiplyAdd(n * share, x, 4 * e * (e + 1) * share * share)
    }
}

private struct Exponential: ElementFunction {
    @inline(__always)
    func value(_ x: Floats) -> Floats { exponential(x) }
    @inline(__always)
    func gradient(_ gradient: Floats, _ y: Floats) -> Floats { gradient * y }
}

/// y = f(x) on one piece.
func activation(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ActivationRequest = value(at: request)
    activate(request.activation, slope: request.slope, request.x, request.y, request.cut.range(piece))
}

/// out = gradient * f' on one piece.
func activationBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ActivationBackwardRequest = value(at: request)
    goBack(
        through: request.activation, slope: request.slope, saved: request.saved, request.gradient, request.out,
        request.cut.range(piece))
}

/// y = f(x) for some elements of two arrays, which may be one.
@inline(never)
func activate(
    _ activation: Activation, slope: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ elements: Range<Int>
) {
    switch activation {
    case .linear, .softmax: values(Linear(), x, y, elements)
    case .relu: values(Rectifier(), x, y, elements)
    case .leakyReLU: values(LeakyRectifier(slope: Floats(repeating: slope)), x, y, elements)
    case .gelu: values(NormalUnit(), x, y, elements)
    case .silu: values(LogisticUnit(), x, y, elements)
    case .tanh: values(Tangent(), x, y, elements)
    case .sigmoid: values(Logistic(), x, y, elements)
    case .elu, .selu: values(ExponentialUnit(isScaled: activation == .selu), x, y, elements)
    case .softplus: values(SoftPlus(), x, y, elements)
    case .hardSigmoid: values(HardLogistic(), x, y, elements)
    case .mish: values(MishUnit(), x, y, elements)
    case .exponential: values(Exponential(), x, y, elements)
    }
}

/// out = gradient * f' for some elements of three arrays, of which any may be one.
@inline(never)
func goBack(
    through activation: Activation, slope: Float, saved: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>,
    _ out: UnsafeMutablePointer<Float>, _ elements: Range<Int>
) {
    switch activation {
    case .linear, .softmax: values(Linear(), gradient, out, elements)
    case .relu: gradients(Rectifier(), saved, gradient, out, elements)
    case .leakyReLU: gradients(LeakyRectifier(slope: Floats(repeating: slope)), saved, gradient, out, elements)
    case .gelu: gradients(NormalUnit(), saved, gradient, out, elements)
    case .silu: gradients(LogisticUnit(), saved, gradient, out, elements)
    case .tanh: gradients(Tangent(), saved, gradient, out, elements)
    case .sigmoid: gradients(Logistic(), saved, gradient, out, elements)
    case .elu, .selu: gradients(ExponentialUnit(isScaled: activation == .selu), saved, gradient, out, elements)
    case .softplus: gradients(SoftPlus(), saved, gradient, out, elements)
    case .hardSigmoid: gradients(HardLogistic(), saved, gradient, out, elements)
    case .mish: gradients(MishUnit(), saved, gradient, out, elements)
    case .exponential: gradients(Exponential(), saved, gradient, out, elements)
    }
}

@inline(never)
private func values<Function: ElementFunction>(
    _ function: Function, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ elements: Range<Int>
) {
    var index = elements.lowerBound
    while index < elements.upperBound {
        let count = min(elements.upperBound - index, grain)
        prefetch(.fp32, in: x, at: index)
        store(count, function.value(load(count, x + index)), to: y + index)
        index += grain
    }
}

@inline(never)
private func gradients<Function: ElementFunction>(
    _ function: Function, _ saved: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>,
    _ out: UnsafeMutablePointer<Float>, _ elements: Range<Int>
) {
    var index = elements.lowerBound
    while index < elements.upperBound {
        let count = min(elements.upperBound - index, grain)
        prefetch(.fp32, in: gradient, at: index)
        prefetch(.fp32, in: saved, at: index)
        store(count, function.gradient(load(count, gradient + index), load(count, saved + index)), to: out + index)
        index += grain
    }
}
