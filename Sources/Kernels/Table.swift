// The table of this instruction set's kernels: the one symbol that other modules see. Which table a machine can run is
// Compute's choice.

import MartletKernelInterface

/// The kernels, compiled for the instruction set that this module's name says.
@inline(never)
package func kernelTable() -> KernelTable {
    KernelTable(
        adam: { adam($0, $1) },
        product: { productPiece($0, $1, $2) },
        productSum: { productSum($0, $1, $2) },
        slide: { slidePiece($0, $1, $2) },
        weightPanels: { weightPanelPiece($0, $1, $2) },
        weightGradient: { weightGradientPiece($0, $1, $2) })
}
