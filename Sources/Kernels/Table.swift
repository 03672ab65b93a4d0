// This instruction set's kernels by their numbers: the three symbols that other modules see. Which set a machine can run is
// Compute's choice.

import MartletKernelInterface

/// A rule's loop, compiled for the instruction set that this module's name says.
@inline(never)
package func sweep(_ rule: Rule) -> Sweep {
    switch rule {
    case .adam: adam
    case .sgd: sgd
    case .rmsprop: rmsprop
    case .adagrad: adagrad
    case .adadelta: adadelta
    case .rprop: rprop
    case .asgd: asgd
    case .adamax: adamax
    case .nadam: nadam
    case .radam: radam
    case .adaBound: adaBound
    case .adaBelief: adaBelief
    case .adan: adan
    case .lion: lion
    case .adEMAMix: adEMAMix
    case .simplifiedAdEMAMix: simplifiedAdEMAMix
    case .adopt: adopt
    case .laProp: laProp
    case .scheduleFree: scheduleFree
    case .interpolation: interpolation
    }
}

/// A pass of an algorithm that has several, likewise.
@inline(never)
package func pass(_ pass: Pass) -> PassKernel {
    switch pass {
    case .adafactorSums: adafactorSums
    case .adafactorFactors: adafactorFactors
    case .adafactorNorm: adafactorNorm
    case .adafactorUpdate: adafactorUpdate
    case .adafactorSmallSums: adafactorSmallSums
    case .adafactorSmallUpdate: adafactorSmallUpdate
    case .adafactorVariance: adafactorVariance
    case .adafactorVectorUpdate: adafactorVectorUpdate
    }
}

/// The kernel of an operation, likewise.
@inline(never)
package func kernel(_ kernel: Kernel) -> PieceKernel {
    switch kernel {
    case .activation: activation
    case .activationBackward: activationBackward
    case .softmax: softmax
    case .softmaxBackward: softmaxBackward
    case .normalization: normalization
    case .dropout: dropout
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
    case .permute: permute
    case .gather: gather
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
    }
}
