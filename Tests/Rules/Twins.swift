// The twins of the rules as the tests call them: through their switches, where the machine can run them.

import CMachine
import MartletKernelInterface
import MartletRules
import Testing

#if arch(x86_64)
    import MartletRulesAVX2
    import MartletRulesAVX512
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
            case .baseline: MartletRules.sweep(rule)
            case .avx2: MartletRulesAVX2.sweep(rule)
            case .avx512: MartletRulesAVX512.sweep(rule)
            }
        #else
            MartletRules.sweep(rule)
        #endif
    }

    /// One step of a rule on the first `count` elements of some arrays, in the order value, gradient, slots.
    func sweep<Coefficients: BitwiseCopyable>(
        _ rule: Rule, _ arrays: [StoredArray], count: Int, _ terms: RunTerms, _ coefficients: Coefficients
    ) {
        withExtendedLifetime(arrays) { sweep(rule, Run(arrays.map(\.operand), count: count), terms, coefficients) }
    }

    /// One step of a rule over a run.
    func sweep<Coefficients: BitwiseCopyable>(
        _ rule: Rule, _ run: Run, _ terms: RunTerms, _ coefficients: Coefficients
    ) {
        withUnsafeTemporaryAllocation(byteCount: StepCoefficients.capacity, alignment: 64) { memory in
            let start = memory.baseAddress!
            start.storeBytes(of: terms, as: RunTerms.self)
            (start + StepCoefficients.ruleOffset).storeBytes(of: coefficients, as: Coefficients.self)
            withUnsafePointer(to: run) { sweep(rule)($0, start) }
        }
    }
}

extension Run {
    /// Arrays in the order value, gradient, slots.
    init(_ operands: [Operand], count: Int) {
        var arrays = InlineArray<6, Operand>(repeating: operands[0])
        for (place, operand) in operands.enumerated() { arrays[place] = operand }
        let isDouble = operands.contains { $0.type == .fp64 }
        self.init(arrays: arrays, arrayCount: operands.count, count: count, isDouble: isDouble)
    }
}

@Suite struct TwinTests {
    @Test func saysWhichTwinsRun() {
        for twin in Twin.allCases where !twin.isHere {
            print("rules: this machine has no \(twin.rawValue), so its tests are left out")
        }
        #expect(Twin.here.contains(.baseline))
    }
}
