// Which twin of the kernels runs. Nothing is kept: a variable that is filled at its first use would bring a lock that a
// forked child could inherit locked. A debug build has one, and warns.
#if DEBUG
    import Glibc
#endif
import MartletKernelInterface
import MartletKernels
import MartletPlatform

#if arch(x86_64)
    import MartletKernelsAVX2
    import MartletKernelsAVX512
#endif

/// The kernels compiled for an instruction set; which of them this machine can run, Platform knows.
extension InstructionSet {
    package func kernel(_ kernel: Kernel) -> PieceKernel {
        #if DEBUG
            DebugBuild.warn
        #endif
        #if arch(x86_64)
            return switch self {
            case .baseline: unsafe MartletKernels.kernel(kernel)
            case .avx2: unsafe MartletKernelsAVX2.kernel(kernel)
            case .avx512: unsafe MartletKernelsAVX512.kernel(kernel)
            }
        #else
            return unsafe MartletKernels.kernel(kernel)
        #endif
    }

    package func sweep(_ rule: Rule) -> Sweep {
        #if DEBUG
            DebugBuild.warn
        #endif
        #if arch(x86_64)
            return switch self {
            case .baseline: unsafe MartletKernels.sweep(rule)
            case .avx2: unsafe MartletKernelsAVX2.sweep(rule)
            case .avx512: unsafe MartletKernelsAVX512.sweep(rule)
            }
        #else
            return unsafe MartletKernels.sweep(rule)
        #endif
    }

    package func pass(_ pass: Pass) -> PassKernel {
        #if DEBUG
            DebugBuild.warn
        #endif
        #if arch(x86_64)
            return switch self {
            case .baseline: unsafe MartletKernels.pass(pass)
            case .avx2: unsafe MartletKernelsAVX2.pass(pass)
            case .avx512: unsafe MartletKernelsAVX512.pass(pass)
            }
        #else
            return unsafe MartletKernels.pass(pass)
        #endif
    }
}

/// What a debug build says once: nobody should take its speed for the library's.
enum DebugBuild {
    static let warning = """
        Martlet was built for debugging, without the flags that make its kernels fast: some 60 times slower. \
        Build with -c release.

        """

    #if DEBUG
        static let warn: Void = {
            let text = Array(warning.utf8)
            _ = unsafe write(2, text, text.count)
        }()
    #endif
}
