// What becomes of a parameter's updates between the rule or pass that makes them and the value: the cautious mask, which the
// last pass divides by what it leaves of, and a move along the sphere of the value's first norm.
import MartletCompute
import MartletKernelInterface

/// What a group asks to be done with updates.
struct UpdateChange {
    let masks: Bool
    /// How far they go along the sphere, as a part of its radius; nil: they are taken off as they are.
    let sphereRate: Double?

    var isAny: Bool { masks || sphereRate != nil }
}

/// The move of one parameter along its sphere. Equation and source: Rules/Passes/Hyperball.swift.
struct SphereMove {
    /// The radius; 0: not known yet.
    private(set) var radius = 0.0
    /// Times the radius, what an update of norm 1 is multiplied by, and the least norm that is divided by.
    private let rate, floor: Double

    /// isMade: whether a rule or pass makes updates as what it adds to a value of 0, with the rate in them.
    init(rate: Double, isMade: Bool) {
        self.rate = isMade ? rate.magnitude : -rate
        floor = SphereMove.leastNorm * (isMade ? rate.magnitude : 1)
    }

    /// An update that is shorter makes a shorter step, so that noise makes none.
    private static var leastNorm: Double { 1e-12 }

    /// Toward w, by the sums of the squares of the value and of the update. `known`: the radius in the state, or 0. Where a
    /// norm is 0, or too large for a number, the value stays.
    mutating func start(_ sums: (value: Double, update: Double), known: Double) -> HyperballCoefficients {
        radius = known == 0 ? sums.value.squareRoot() : known
        let norm = sums.update.squareRoot()
        var result = HyperballCoefficients()
        result.stands = radius == 0 || radius == .infinity || norm == 0 || norm == .infinity ? 1 : 0
        if result.stands == 0 { result.scale = rate * radius / (norm < floor ? floor : norm) }
        return result
    }

    /// Back to the sphere, by the sum of the squares of w.
    func end(_ sum: Double, after start: HyperballCoefficients) -> HyperballCoefficients {
        var result = start
        if sum == 0 || sum == .infinity { result.stands = 1 }
        result.scale = result.stands == 0 ? radius / sum.squareRoot() : 0
        return result
    }
}
