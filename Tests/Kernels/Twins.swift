// The twins of the kernels as the tests call them: through their switches, where the machine can run them.

import CMachine
import MartletKernelInterface
import MartletKernels
import Testing

#if arch(x86_64)
    import MartletKernelsAVX2
    import MartletKernelsAVX512
#endif

enum Twin: String, CaseIterable, Sendable {
    case baseline, avx2, avx512

    /// Those that this machine can run.
    static let here = allCases.filter(\.isHere)

    var isHere: Bool {
        switch self {
        case .baseline: true
        case .avx2: machine_has_avx2() == 1
        case .avx512: machine_has_avx512() == 1
        }
    }

    private func sweep(_ rule: Rule) -> Sweep {
        #if arch(x86_64)
            switch self {
            case .baseline: MartletKernels.sweep(rule)
            case .avx2: MartletKernelsAVX2.sweep(rule)
            case .avx512: MartletKernelsAVX512.sweep(rule)
            }
        #else
            MartletKernels.sweep(rule)
        #endif
    }

    /// One step of Adam on the first `count` elements of some arrays, in the order value, gradient, states.
    func adam(_ arrays: [StoredArray], count: Int, isDouble: Bool, _ coefficients: AdamCoefficients) {
        var places = InlineArray<6, Operand>(repeating: arrays[0].operand)
        for (place, array) in arrays.enumerated() { places[place] = array.operand }
        adam(Operands(arrays: places, arrayCount: arrays.count, count: count, isDouble: isDouble), coefficients)
    }

    func adam(_ operands: Operands, _ coefficients: AdamCoefficients) {
        withUnsafePointer(to: operands) { operands in
            withUnsafePointer(to: coefficients) { sweep(.adam)(operands, $0) }
        }
    }
}

@Suite struct TwinTests {
    @Test func saysWhichTwinsRun() {
        for twin in Twin.allCases where !twin.isHere {
            print("kernels: this machine has no \(twin.rawValue), so its tests are left out")
        }
        #expect(Twin.here.contains(.baseline))
    }
}
