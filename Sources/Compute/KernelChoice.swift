// Which twin of the kernels and of the rules runs. Nothing is kept: a variable that is filled at its first use would
// bring a lock that a forked child could inherit locked. A debug build has one, and warns.
#if DEBUG
    import Glibc
#endif
import MartletKernelInterface
import MartletKernels
import MartletPlatform
import MartletRules

#if arch(x86_64)
    import MartletKernelsAVX2
    import MartletKernelsAVX512
    import MartletRulesAVX2
    import MartletRulesAVX512
#endif

/// What is compiled for an instruction set; which of them this machine can run, Platform knows.
extension InstructionSet {
    #if arch(x86_64)
        package func kernel(_ kernel: Kernel) -> PieceKernel {
            unsafe own(MartletKernels.kernel, MartletKernelsAVX2.kernel, MartletKernelsAVX512.kernel, kernel)
        }

        package func sweep(_ rule: Rule) -> Sweep {
            unsafe own(MartletRules.sweep, MartletRulesAVX2.sweep, MartletRulesAVX512.sweep, rule)
        }

        package func pass(_ pass: Pass) -> PassKernel {
            unsafe own(MartletRules.pass, MartletRulesAVX2.pass, MartletRulesAVX512.pass, pass)
        }

        func codec(_ coding: Coding) -> Codec {
            unsafe own(MartletRules.codec, MartletRulesAVX2.codec, MartletRulesAVX512.codec, coding)
        }

        func codedSweep(_ kind: CodedSweepKind) -> CodedSweep? {
            unsafe own(MartletRules.codedSweep, MartletRulesAVX2.codedSweep, MartletRulesAVX512.codedSweep, kind)
        }

        func roundingStream(_ seed: RoundingSeed) -> UInt64 {
            own(
                MartletRules.roundingStream, MartletRulesAVX2.roundingStream, MartletRulesAVX512.roundingStream, seed)
        }

        /// What this set's table has at a number.
        @inline(__always)
        private func own<Number, Function>(
            _ baseline: (Number) -> Function, _ avx2: (Number) -> Function, _ avx512: (Number) -> Function,
            _ number: Number
        ) -> Function {
            DebugBuild.warn()
            return switch self {
            case .baseline: baseline(number)
            case .avx2: avx2(number)
            case .avx512: avx512(number)
            }
        }
    #else
        package func kernel(_ kernel: Kernel) -> PieceKernel { unsafe own(MartletKernels.kernel, kernel) }
        package func sweep(_ rule: Rule) -> Sweep { unsafe own(MartletRules.sweep, rule) }
        package func pass(_ pass: Pass) -> PassKernel { unsafe own(MartletRules.pass, pass) }
        func codec(_ coding: Coding) -> Codec { unsafe own(MartletRules.codec, coding) }
        func codedSweep(_ kind: CodedSweepKind) -> CodedSweep? { unsafe own(MartletRules.codedSweep, kind) }
        func roundingStream(_ seed: RoundingSeed) -> UInt64 { own(MartletRules.roundingStream, seed) }

        /// What the only table has at a number.
        @inline(__always)
        private func own<Number, Function>(_ only: (Number) -> Function, _ number: Number) -> Function {
            DebugBuild.warn()
            return only(number)
        }
    #endif
}

/// What a debug build says once: nobody should take its speed for the library's.
enum DebugBuild {
    static let warning = """
        Martlet was built for debugging, without the flags that make its kernels fast: some 60 times slower. \
        Build with -c release.

        """

    @inline(__always)
    static func warn() {
        #if DEBUG
            warned
        #endif
    }

    #if DEBUG
        private static let warned: Void = {
            let text = Array(warning.utf8)
            _ = unsafe write(2, text, text.count)
        }()
    #endif
}
