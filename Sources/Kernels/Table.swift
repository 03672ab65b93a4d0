// This instruction set's kernels of models' operations by their numbers: the one symbol that other modules see. Which
// set a machine can run is Compute's choice.

import MartletKernelInterface

/// The kernel of an operation, compiled for the instruction set that this module's name says.
@inline(never)
package func kernel(_ kernel: Kernel) -> PieceKernel {
    switch kernel {
    case .activation: activation
    case .activationBackward: activationBackward
    case .softmax: softmax
    case .softmaxBackward: softmaxBackward
    case .normalization: normalization
    case .dropout: dropout
    case .noise: noise
    case .randomWords: randomWords
    case .sums: sums
    case .total: total
    case .columnSums: columnSums
    case .columnTotals: columnTotals
    case .batchNormMoments: batchNormMoments
    case .batchNormStatistics: batchNormStatistics
    case .batchNormApply: batchNormApply
    case .batchNormGradientSums: batchNormGradientSums
    case .batchNormGradientTotals: batchNormGradientTotals
    case .batchNormBackward: batchNormBackward
    case .maxPool: maxPool
    case .maxPoolBackward: maxPoolBackward
    case .averagePool: averagePool
    case .averagePoolBackward: averagePoolBackward
    case .globalAverage: globalAverage
    case .globalAverageBackward: globalAverageBackward
    case .layerNorm: layerNorm
    case .layerNormProducts: layerNormProducts
    case .layerNormBackward: layerNormBackward
    case .groupNorm: groupNorm
    case .groupNormBackward: groupNormBackward
    case .permute: permute
    case .gather: gather
    case .imageShift: imageShift
    case .imageMove: imageMove
    case .combination: combination
    case .rowCopy: rowCopy
    case .embedding: embedding
    case .embeddingBackward: embeddingBackward
    case .embeddingRows: embeddingRows
    case .loss: loss
    case .rowAccuracy: rowAccuracy
    case .rowErrors: rowErrors
    case .product: product
    case .productSum: productSum
    case .productTurned: productTurned
    case .slide: slide
    case .weightPanels: weightPanels
    case .weightGradient: weightGradient
    case .fold: fold
    case .peakWeights: peakWeights
    case .peakImage: peakImage
    case .depthwise: depthwise
    case .depthwiseWeights: depthwiseWeights
    case .attentionWeights: attentionWeights
    case .attentionSteps: attentionSteps
    case .recurrence: recurrence
    case .turn: turn
    case .symmetric: symmetric
    case .rowSquares: rowSquares
    case .reflect: reflect
    case .tridiagonal: tridiagonal
    case .rotate: rotate
    }
}
