// Which twin of the kernels runs. Nothing is kept: a table is a few pointers, and a variable that is filled at its first
// use would bring a lock that a forked child could inherit locked.
import MartletKernelInterface
import MartletKernels
import MartletPlatform

#if arch(x86_64)
    import MartletKernelsAVX2
    import MartletKernelsAVX512
#endif

package enum KernelChoice {
    /// The kernels compiled for an instruction set; which of them this machine can run, Platform knows.
    package static func table(for isa: InstructionSet) -> KernelTable {
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
