// This instruction set's rules and passes by their numbers: the two symbols that other modules see. Which set a machine
// can run is Compute's choice.

import MartletKernelInterface

/// A rule, compiled for the instruction set that this module's name says.
@inline(never)
package func sweep(_ rule: Rule) -> Sweep { Sweep(walk: walk, loop: loop(of: rule)) }

private func loop(of rule: Rule) -> RuleLoop {
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
    case .lambDirection: lambDirection
    case .lambUpdate: lambUpdate
    case .larsNorms: larsNorms
    case .larsUpdate: larsUpdate
    case .stableAdamWAverages: stableAdamWAverages
    case .stableAdamWUpdate: stableAdamWUpdate
    case .muonMomentum: muonMomentum
    case .matrixGradient: matrixGradient
    case .matrixNorm: matrixNorm
    case .matrixUpdate: matrixUpdate
    case .soapAverages: soapAverages
    case .soapUpdate: soapUpdate
    case .soapMoment: soapMoment
    case .shampooAverage: shampooAverage
    case .shampooGraft: shampooGraft
    case .prodigyAverages: prodigyAverages
    case .prodigyUpdate: prodigyUpdate
    case .marsNorm: marsNorm
    case .marsUpdate: marsUpdate
    }
}
