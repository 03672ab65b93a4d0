// States that recurrent layers keep from batch to batch, as statistics of a row for each sample: whose turn it is to change
// them, and what batches suit them.
import MartletPlatform

/// What a model with such layers knows of them.
final class StateKeeper {
    /// The most samples of a batch.
    static var most: Int { 1 << 20 }

    /// The samples of a batch, and a layer that says so.
    let batch: Int
    private let layer: String
    private let turns: Spares<Turn>

    private final class Turn {}

    /// Throws `.memory`.
    init(batch: Int, layer: String) throws(MartletError) {
        (self.batch, self.layer) = (batch, layer)
        turns = try Spares()
        turns.give(Turn())
    }

    /// Throws `.shape` where samples are no batches of as many as states are kept of.
    func check(_ count: Int, batch size: Int) throws(MartletError) {
        guard size == batch && count % batch == 0 else {
            throw MartletError(
                .shape,
                "\(count) samples come in batches of \(size); expected whole batches of \(batch): \(layer) keeps the states of "
                    + "as many")
        }
    }

    /// Calls `body` while no other thread does. Throws `.busy` where one is.
    func inTurn<Result>(_ body: () throws(MartletError) -> Result) throws(MartletError) -> Result {
        guard let turn = turns.take() else {
            throw MartletError(.busy, "another thread predicts, and \(layer) keeps one state; expected one at a time")
        }
        defer { turns.give(turn) }
        return try body()
    }
}

extension Model {
    /// Takes note of a layer that keeps states. Throws `.argument` where another one keeps those of other batches.
    func keepStates(of layer: Layer, _ prefix: String, _ subject: String) throws(MartletError) {
        guard layer.flags.contains(.stateful) else { return }
        if let stateKeeper, stateKeeper.batch != layer.groups {
            throw MartletError(
                .argument,
                "\(prefix)groups is \(layer.groups); expected \(stateKeeper.batch), the batch of all layers that keep states"
            )
        }
        if stateKeeper == nil { stateKeeper = try StateKeeper(batch: layer.groups, layer: subject) }
    }
}
