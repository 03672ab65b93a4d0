// Which twin of the kernels runs. The tables are filled once, at the first use, and never change.
import MartletKernelInterface
import MartletKernels
import MartletPlatform

#if arch(x86_64)
    import MartletKernelsAVX2
    import MartletKernelsAVX512
#endif

package enum KernelChoice {
    private static let baseline = unsafe MartletKernels.kernelTable()
    #if arch(x86_64)
        private static let avx2 = unsafe MartletKernelsAVX2.kernelTable()
        private static let avx512 = unsafe MartletKernelsAVX512.kernelTable()
    #endif

    /// The kernels compiled for an instruction set; which of them this machine can run, Platform knows.
    package static func table(for isa: InstructionSet) -> KernelTable {
        #if arch(x86_64)
            switch isa {
            case .baseline: unsafe baseline
            case .avx2: unsafe avx2
            case .avx512: unsafe avx512
            }
        #else
            baseline
        #endif
    }
}
