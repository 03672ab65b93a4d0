// The list of algorithms. What each one is stands in a file of its own, as a conformance to `AlgorithmDefinition`; a
// new algorithm adds a case and a definition here, and nothing else in this room changes.
import MartletKernelInterface

/// An algorithm; the raw values are those of martlet.h.
@frozen
public enum Algorithm: Int32, Sendable, CaseIterable {
    case adam = 1
    case adamW = 2

    private var definition: any AlgorithmDefinition.Type {
        switch self {
        case .adam: Adam.self
        case .adamW: AdamW.self
        }
    }

    /// The name in messages and files.
    public var name: StaticString { definition.name }

    /// The names of all state slots, those that only some flags ask for last.
    public var slotNames: [StaticString] { definition.slotNames }

    /// The default of a hyperparameter; nil where the algorithm does not read it.
    public func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        definition.defaultValue(hyperparameter)
    }

    /// State arrays that a parameter needs under these flags.
    public func slotCount(flags: Flags) -> Int {
        definition.slotCount(flags: flags)
    }

    /// The rule that carries the algorithm out.
    var rule: Rule { definition.rule }

    /// Writes the rule's coefficient struct for one step, and says whether all of it are finite numbers. `memory` holds
    /// at least `maximumCoefficientBytes`.
    func writeCoefficients(
        _ configuration: Configuration, step: StepNumber, to memory: UnsafeMutableRawPointer
    ) -> Bool {
        unsafe definition.writeCoefficients(configuration, step: step, to: memory)
    }

    /// Room that the coefficients of any algorithm fit in.
    static var maximumCoefficientBytes: Int { 128 }
}

/// What an algorithm says about itself.
protocol AlgorithmDefinition {
    associatedtype Coefficients: BitwiseCopyable

    static var name: StaticString { get }
    static var slotNames: [StaticString] { get }
    static var rule: Rule { get }
    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double?
    static func slotCount(flags: Flags) -> Int
    /// The numbers of one step, counted from 1, formed in Double.
    static func coefficients(_ configuration: Configuration, step: StepNumber) -> Coefficients
    static func areFinite(_ coefficients: Coefficients) -> Bool
}

extension AlgorithmDefinition {
    static func writeCoefficients(
        _ configuration: Configuration, step: StepNumber, to memory: UnsafeMutableRawPointer
    ) -> Bool {
        let coefficients = coefficients(configuration, step: step)
        unsafe memory.storeBytes(of: coefficients, as: Coefficients.self)
        return areFinite(coefficients)
    }
}
