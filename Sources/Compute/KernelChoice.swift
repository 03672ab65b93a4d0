// Which twin of the kernels runs. Nothing is kept: a table is a few pointers, and a variable that is filled at its first
// use would bring a lock that a forked child could inherit locked. A debug build has one, and warns.
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

package enum KernelChoice {
    /// What a debug build says once: nobody should take its speed for the library's.
    static let debugWarning = """
        Martlet was built for debugging, without the flags that make its kernels fast: some 60 times slower. \
        Build with -c release.

        """

    #if DEBUG
        private static let hasWarned: Void = {
            let text = Array(debugWarning.utf8)
            _ = unsafe write(2, text, text.count)
        }()
    #endif

    /// The kernels compiled for an instruction set; which of them this machine can run, Platform knows.
    package static func table(for isa: InstructionSet) -> KernelTable {
        #if DEBUG
            hasWarned
        #endif
        #if arch(x86_64)
            switch isa {
            case .baseline: unsafe MartletKernels.kernelTable()
            case .avx2: unsafe MartletKernelsAVX2.kernelTable()
            case .avx512: unsafe MartletKernelsAVX512.kernelTable()
            }
        #else
            unsafe MartletKernels.kernelTable()
        #endif
    }
}
