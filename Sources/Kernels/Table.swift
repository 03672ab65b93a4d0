// The table of this instruction set's kernels: the one symbol that other modules see. Which table a machine can run is
// Compute's choice.

import MartletKernelInterface

/// The kernels, compiled for the instruction set that this module's name says.
@inline(never)
package func kernelTable() -> KernelTable {
    KernelTable(
        adam: { adam($0, $1) },
        activate: { activate($0, $1, $2) },
        activateBackward: { activateBackward($0, $1, $2) },
        softmax: { softmax($0, $1, $2) },
        softmaxBackward: { softmaxBackward($0, $1, $2) },
        columnSums: { columnSums($0, $1, $2) },
        columnTotals: { columnTotals($0, $1, $2) },
        normalize: { normalize($0, $1, $2) },
        dropout: { dropout($0, $1, $2) },
        randomWords: { randomWords($0, $1, $2) },
        sums: { sums($0, $1, $2) },
        total: { total($0, $1, $2) },
        maxPool: { maxPool($0, $1, $2) },
        maxPoolBackward: { maxPoolBackward($0, $1, $2) },
        averagePool: { averagePool($0, $1, $2) },
        averagePoolBackward: { averagePoolBackward($0, $1, $2) },
        globalAverage: { globalAverage($0, $1, $2) },
        globalAverageBackward: { globalAverageBackward($0, $1, $2) },
        permute: { permute($0, $1, $2) },
        gather: { gather($0, $1, $2) },
        batchNormMoments: { batchNormMoments($0, $1, $2) },
        batchNormStatistics: { batchNormStatistics($0, $1, $2) },
        batchNormApply: { batchNormApply($0, $1, $2) },
        batchNormInference: { batchNormInference($0, $1, $2) },
        batchNormGradientSums: { batchNormGradientSums($0, $1, $2) },
        batchNormGradientTotals: { batchNormGradientTotals($0, $1, $2) },
        batchNormBackward: { batchNormBackward($0, $1, $2) },
        loss: { loss($0, $1, $2) },
        rowAccuracy: { rowAccuracy($0, $1, $2) },
        rowErrors: { rowErrors($0, $1, $2) },
        product: { productPiece($0, $1, $2) },
        productSum: { productSum($0, $1, $2) },
        productTurned: { productTurned($0, $1, $2) },
        fold: { foldPiece($0, $1, $2) },
        slide: { slidePiece($0, $1, $2) },
        weightPanels: { weightPanelPiece($0, $1, $2) },
        weightGradient: { weightGradientPiece($0, $1, $2) })
}
