// A model's parameters and statistics: two flat buffers with a view for each array of each layer, made by the first call
// that needs them.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension Model {
    /// The parameters and statistics, or initialised ones that the model does not have before they are kept: a call that
    /// fails between the two leaves it as it was.
    package func made() throws(MartletError) -> Built {
        if let built { return built }
        try checkLayers()
        let laid = try laidOut()
        let parameters = try FlatBuffer(count: laid.parameters.count)
        let statistics = try FlatBuffer(count: laid.statistics.count)
        let execution = try unsafe Execution(mode: .exact)
        unsafe fill(parameters, laid.parameters.views, execution, streams: 0)
        unsafe fill(statistics, laid.statistics.views, execution, streams: 1 << 32)
        return Built(
            parameters: parameters, statistics: statistics, parameterViews: laid.parameters.views,
            statisticViews: laid.statistics.views)
    }

    /// Where each array of each layer lies, and under which name: worked out before there is memory for them. Throws
    /// `.shape` and `.memory`.
    func laidOut() throws(MartletError) -> (parameters: ViewList, statistics: ViewList) {
        var laid = (parameters: ViewList(), statistics: ViewList())
        for (index, node) in nodes.enumerated() {
            for step in node.operations where graph.steps[step].ownsArrays {
                let operation = graph.steps[step].operation
                let isFrozen = graph.steps[step].isFrozen
                for array in operation.parameters {
                    try laid.parameters.append(
                        array, of: index, named: node.name, isFrozen: isFrozen,
                        isOfRows: operation.givesRows && !isFrozen)
                }
                for array in operation.statistics { try laid.statistics.append(array, of: index, named: node.name) }
            }
        }
        return laid
    }

    /// Makes them the model's.
    package func keep(_ built: Built) {
        kept = built
        building.finish()
    }

    /// Makes and initialises parameters and statistics, where there are none yet: of several threads one does.
    ///
    /// - Parameter use: what is done with them; where that throws, those that are new are not the model's.
    @discardableResult
    package func build(_ use: (Built) throws(MartletError) -> Void = { _ in }) throws(MartletError) -> Built {
        var fresh: Built?
        try building.perform { () throws(MartletError) in
            let built = try made()
            try use(built)
            (kept, fresh) = (built, built)
        }
        if let fresh { return fresh }
        let built = try made()
        try use(built)
        return built
    }

    /// Parameters and statistics as in the beginning, and nothing left of training but its settings.
    public func reset() throws(MartletError) {
        guard let built else { return }
        let fresh = try trainer.map { trainer throws(MartletError) in
            try Trainer(self, built, trainer.settings, trainer.groups)
        }
        let execution = try unsafe Execution(mode: .exact)
        unsafe fill(built.parameters, built.parameterViews, execution, streams: 0)
        unsafe fill(built.statistics, built.statisticViews, execution, streams: 1 << 32)
        trainer = fresh
    }

    /// Initial values, worked out in a floating-point mode of our own.
    private func fill(_ buffer: FlatBuffer, _ views: [View], _ execution: Execution, streams: UInt64) {
        var filling = unsafe Filling(buffer: buffer, views: views, execution: execution, key: seed, streams: streams)
        unsafe withUnsafeMutablePointer(to: &filling) { filling in
            unsafe FloatingPointMode.exact.call(
                { unsafe $0.assumingMemoryBound(to: Filling.self).pointee.run() }, UnsafeMutableRawPointer(filling))
        }
    }

    /// The parameters' memory, the model's own. Throws `.order` and `.memory` where it cannot be made yet.
    public func parameterMemory() throws(MartletError) -> UnsafeMutableBufferPointer<Float> {
        unsafe try build().parameters.elements
    }

    /// The statistics' memory: moving means and the like, which no gradient changes.
    public func statisticMemory() throws(MartletError) -> UnsafeMutableBufferPointer<Float> {
        unsafe try build().statistics.elements
    }

    /// Elements of a node's own parameters and statistics.
    package func elementCounts(of node: Node) -> (parameters: Int, statistics: Int) {
        var counts = (parameters: 0, statistics: 0)
        for step in node.operations where graph.steps[step].ownsArrays {
            for array in graph.steps[step].operation.parameters { counts.parameters += array.shape.elementCount }
            for array in graph.steps[step].operation.statistics { counts.statistics += array.shape.elementCount }
        }
        return counts
    }
}

/// A buffer that is given its initial values, each array from random numbers of its own.
@unsafe private struct Filling {
    let buffer: FlatBuffer
    let views: [View]
    let execution: Execution
    let key: UInt64
    let streams: UInt64

    func run() {
        for (index, view) in unsafe views.enumerated() {
            unsafe Initializer.fill(
                buffer.base + view.offset, view.array, execution, key: key, stream: streams + UInt64(index))
            for place in view.array.ones { unsafe buffer.base[view.offset + place] = 1 }
        }
    }
}

/// The flat buffers of a model, and what lies where in them.
package final class Built {
    let parameters: FlatBuffer
    let statistics: FlatBuffer
    package let parameterViews: [View]
    package let statisticViews: [View]

    init(parameters: FlatBuffer, statistics: FlatBuffer, parameterViews: [View], statisticViews: [View]) {
        self.parameters = parameters
        self.statistics = statistics
        self.parameterViews = parameterViews
        self.statisticViews = statisticViews
    }
}
