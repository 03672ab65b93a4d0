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
    case .lookahead: lookahead
    case .copy: copyRun
    }
}

/// A pass of an algorithm that has several, likewise.
@inline(never)
package func pass(_ pass: Pass) -> PassKernel {
    switch pass {
    case .adafactorSums: walked(adafactorSums)
    case .adafactorFactors: alone(adafactorFactors)
    case .adafactorNorm: walked(adafactorNorm)
    case .adafactorUpdate: walked(adafactorUpdate)
    case .adafactorSmallSums: alone(adafactorSmallSums)
    case .adafactorSmallUpdate: alone(adafactorSmallUpdate)
    case .adafactorVariance: walked(adafactorVariance)
    case .adafactorVectorUpdate: walked(adafactorVectorUpdate)
    case .lambDirection: walked(lambDirection)
    case .lambUpdate: walked(lambUpdate)
    case .larsNorms: walked(larsNorms)
    case .larsUpdate: walked(larsUpdate)
    case .stableAdamWAverages: walked(stableAdamWAverages)
    case .stableAdamWUpdate: walked(stableAdamWUpdate)
    case .muonMomentum: walked(muonMomentum)
    case .matrixGradient: walked(matrixGradient)
    case .matrixNorm: walked(matrixNorm)
    case .matrixUpdate: walked(matrixUpdate)
    case .soapAverages: walked(soapAverages)
    case .soapUpdate: walked(soapUpdate)
    case .soapMoment: walked(soapMoment)
    case .shampooAverage: walked(shampooAverage)
    case .shampooGraft: walked(shampooGraft)
    case .prodigyAverages: walked(prodigyAverages)
    case .prodigyUpdate: walked(prodigyUpdate)
    case .marsNorm: walked(marsNorm)
    case .marsUpdate: walked(marsUpdate)
    case .adamMiniAverage: walked(adamMiniAverage)
    case .adamMiniFactors: alone(adamMiniFactors)
    case .adamMiniUpdate: walked(adamMiniUpdate)
    case .caution: walked(caution)
    case .gradientSquares: PassKernel(walk: walkSquares, loop: gradientSquares)
    case .changeSquares: walked(changeSquares)
    case .hyperballNorms: walked(hyperballNorms)
    case .hyperballMove: walked(hyperballMove)
    case .hyperballUpdate: walked(hyperballUpdate)
    }
}

/// A pass that is a loop over elements.
@inline(__always)
private func walked(_ loop: @escaping PassLoop) -> PassKernel { PassKernel(walk: walkPart, loop: loop) }

/// A pass that sees to what it is handed by itself.
@inline(__always)
private func alone(_ kernel: @escaping PassLoop) -> PassKernel {
    PassKernel(walk: { kernel, part, coefficients in kernel(part, coefficients) }, loop: kernel)
}
