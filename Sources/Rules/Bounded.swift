// Gradients whose elements are kept within a bound: scaled and bounded in scratch, block by block, where a loop then finds
// them as gradients that need neither. Few runs ask for it, and in the loops themselves it would be code of every rule.

import MartletKernelInterface

/// Whether a run's terms keep gradients within a bound.
@inline(__always)
func isBounded(_ coefficients: UnsafeRawPointer) -> Bool {
    let terms: RunTerms = value(at: coefficients)
    return terms.bound < RunTerms.unbounded
}

/// Calls `body` for one block of whole grains after the other: with its first element and its length, its gradients, bounded
/// and in the type computed in, and coefficients whose terms leave these as they are.
@inline(never)
func eachBounded(
    _ gradient: Operand, isDouble: Bool, count: Int, _ coefficients: UnsafeRawPointer,
    _ body: (Int, Int, Operand, UnsafeRawPointer) -> Void
) {
    let terms: RunTerms = value(at: coefficients)
    var plain = terms
    (plain.gradientScale, plain.bound) = (1, RunTerms.unbounded)
    var copied: CoefficientCopy = value(at: coefficients)
    let most = ConversionScratch.byteCount / (isDouble ? 8 : 4)
    withUnsafeMutablePointer(to: &copied) { copied in
        let copied = UnsafeMutableRawPointer(copied)
        put(plain, at: copied)
        var scratch = ConversionScratch()
        scratch.withAddress { scratch in
            var first = 0
            while first < count {
                let length = min(most, count - first)
                if isDouble {
                    bound(DoubleLanes.self, gradient.advanced(by: first), terms, to: scratch, count: length)
                } else {
                    bound(FloatLanes.self, gradient.advanced(by: first), terms, to: scratch, count: length)
                }
                body(first, length, Operand(base: scratch, type: isDouble ? .fp64 : .fp32), copied)
                first += length
            }
        }
    }
}

/// As many bytes as `StepCoefficients.capacity` says.
private typealias CoefficientCopy = InlineArray<32, Double>

@inline(__always)
private func bound<Value: Lanes>(
    _ type: Value.Type, _ gradient: Operand, _ terms: RunTerms, to scratch: UnsafeMutableRawPointer, count: Int
) {
    let (scale, low, high) = (Value(terms.gradientScale), Value(-terms.bound), Value(terms.bound))
    var index = 0
    while index < count {
        let scaled = Value(gradient.type, in: gradient.base, at: index) * scale
        scaled.between(low, high).store(Value.native, in: scratch, at: index)
        index += grain
    }
}
