// The number that shows a step counter: written at each step, taken up where somebody has changed it, and refused where
// it is no count. Bias corrections to the power of a fraction are held against the C library's pow.

import Glibc
import MartletOptimizers
import Testing

/// A parameter with a number that shows its steps, in memory of its own.
private func shownParameter(_ count: Int64, _ shown: Double, isFloat: Bool = true) -> (Parameter, () -> Double) {
    let parameter = Parameter(count: 5)
    parameter.counter = count
    let place = UnsafeMutablePointer(mutating: parameter.numbers([0]))
    if isFloat {
        let address = UnsafeMutableRawPointer(place).assumingMemoryBound(to: Float.self)
        address.pointee = Float(shown)
        parameter.view.shownStep = .float(address)
        return (parameter, { withExtendedLifetime(parameter) { Double(address.pointee) } })
    }
    let address = UnsafeMutableRawPointer(place).assumingMemoryBound(to: Double.self)
    address.pointee = shown
    parameter.view.shownStep = .double(address)
    return (parameter, { withExtendedLifetime(parameter) { address.pointee } })
}

@Suite struct StepCounterTests {
    /// The counter stays exact; the number is the counter's, rounded.
    @Test(arguments: [0, 1, 7, 1 << 24, 1 << 53, 1 << 62, .max - 4] as [Int64], [-1, 0, 1, 3] as [Int64])
    func unchangedItShowsTheCount(base: Int64, more: Int64) throws {
        let count = max(base + more, 0)
        for isFloat in [true, false] {
            let (parameter, shown) = shownParameter(
                count, isFloat ? Double(Float(count)) : Double(count), isFloat: isFloat)
            let plain = Parameter(count: 5)
            plain.counter = count
            try step([parameter], [Configuration(.adam)])
            try step([plain], [Configuration(.adam)])
            #expect(parameter.counter == count + 1)
            #expect(shown() == (isFloat ? Double(Float(count + 1)) : Double(count + 1)))
            #expect(parameter.bytes == plain.bytes)
        }
    }

    /// Whole numbers set the counter, which counts on from there.
    @Test func changedToAWholeNumber() throws {
        for isFloat in [true, false] {
            for (before, set) in [(7, 3), (3, 7), (1 << 30, 0), (5, 1 << 24), (9, 1 << 40)] as [(Int64, Int64)] {
                let (parameter, shown) = shownParameter(before, Double(set), isFloat: isFloat)
                let plain = Parameter(count: 5)
                plain.counter = set
                for _ in 0..<3 {
                    try step([parameter], [Configuration(.adam)])
                    try step([plain], [Configuration(.adam)])
                }
                #expect(parameter.counter == set + 3 && parameter.bytes == plain.bytes, "\(before), \(set)")
                #expect(shown() == (isFloat ? Double(Float(set + 3)) : Double(set + 3)))
            }
        }
    }

    /// Fractions stay in the number, in its own arithmetic, and go into the bias corrections: with m = v = g = 1, eps 0
    /// and lr 1, a step moves the parameter by sqrt(1 - beta2^t) / (1 - beta1^t).
    @Test func changedToAFraction() throws {
        for isFloat in [true, false] {
            for set in [-0.999, -0.75, -1e-6, 1e-12, 1e-3, 0.5, 2.75, 41.3, 1e5 + 0.125, 8_388_607.5] {
                for (beta1, beta2) in [(0.9, 0.999), (0, 0.5), (0.25, 0), (0.999999, 0x1p-1074), (0.5, 0.9)] {
                    let parameter = Parameter(count: 1, .fp64)
                    for array in [parameter.view.gradient, parameter.view.state[0], parameter.view.state[1]] {
                        array.set(0, 1)
                    }
                    parameter.view.value.set(0, 0)
                    parameter.counter = 3
                    let place = UnsafeMutableRawPointer(mutating: parameter.numbers([0]))
                    var t: Double
                    if isFloat {
                        let address = place.assumingMemoryBound(to: Float.self)
                        (address.pointee, t) = (Float(set), Double(Float(set) + 1))
                        parameter.view.shownStep = .float(address)
                    } else {
                        let address = place.assumingMemoryBound(to: Double.self)
                        (address.pointee, t) = (set, set + 1)
                        parameter.view.shownStep = .double(address)
                    }
                    let group = Configuration(.adam) {
                        ($0.lr, $0.beta1, $0.beta2, $0.eps) = (1, beta1, beta2, 0)
                    }
                    try step([parameter], [group])
                    // expm1 and log1p keep what 1 - pow would cancel.
                    func correction(_ beta: Double) -> Double {
                        beta == 0 ? 1 : -expm1(t * (beta < 0.5 ? log(beta) : log1p(-(1 - beta))))
                    }
                    let expected = correction(beta2).squareRoot() / correction(beta1)
                    let found = withExtendedLifetime(parameter) { -parameter.view.value.get(0) }
                    #expect((found - expected).magnitude <= 1e-13 * expected, "\(set), \(beta1), \(beta2)")
                    #expect(parameter.counter == Int64(t.rounded(.down)))
                    let shown =
                        isFloat
                        ? Double(place.load(as: Float.self)) : place.load(as: Double.self)
                    #expect(shown == t)
                    t = isFloat ? Double(Float(t) + 1) : t + 1
                    try step([parameter], [group])
                    #expect((isFloat ? Double(place.load(as: Float.self)) : place.load(as: Double.self)) == t)
                }
            }
        }
    }

    @Test func changedToNoCount() {
        for isFloat in [true, false] {
            for wrong in [-1, -1.5, 0x1p63, 1e30, .infinity, -.infinity, .nan] {
                let (parameter, _) = shownParameter(3, wrong, isFloat: isFloat)
                expectRefusal(.argument, ["parameters[1].step_shown is", "2^63"], [Parameter(), parameter])
                // Without a gradient the parameter is left alone.
                parameter.view.gradient = .none
                #expect(throws: Never.self) { try step([parameter], [Configuration(.adam)]) }
                #expect(parameter.counter == 3)
            }
        }
    }

    /// Its memory is written, so it may lie in nothing else; but parameters may share one.
    @Test func overlaps() throws {
        let (first, shown) = shownParameter(0, 0)
        let (second, _) = shownParameter(0, 0)
        second.view.shownStep = first.view.shownStep
        try step([first, second], [Configuration(.adam)])
        #expect(first.counter == 1 && second.counter == 1 && shown() == 1)
        second.view.step = first.view.step
        try step([first, second], [Configuration(.adam)])
        #expect(first.counter == 2 && shown() == 2)

        for array in [first.view.value, first.view.gradient, first.view.state[1]] {
            let (other, _) = shownParameter(0, 0)
            other.view.shownStep = .float(array.base!.assumingMemoryBound(to: Float.self) + 1)
            expectFailure(.overlap, ["step_shown"]) { () throws(MartletError) in
                try step([first, other], [Configuration(.adam)])
            }
        }
        let (alone, _) = shownParameter(0, 0)
        alone.view.shownStep = .double(UnsafeMutableRawPointer(alone.view.step).assumingMemoryBound(to: Double.self))
        expectRefusal(.overlap, ["step_shown", "parameters[0].step "], [alone])
    }
}
