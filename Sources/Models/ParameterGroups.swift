// Groups of a model's parameters, each with an algorithm and hyperparameters of its own, and what the optimizer sees as
// one parameter: a run of views of one group, or a view by itself where the algorithm looks at a parameter as a whole.
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

/// What steps each of a model's parameters.
struct ParameterGroups {
    /// The most of them.
    static var most: Int { 1024 }

    let configurations: [Configuration]
    /// The group of each view.
    let ofViews: [Int]
    /// What each group's rate is of group 0's, with which it moves; NaN where that says nothing, as of a rate of 0.
    private(set) var shares: [Double]

    init(_ configurations: [Configuration], ofViews: [Int], shares: [Double]? = nil) {
        self.configurations = configurations
        self.ofViews = ofViews
        self.shares = shares ?? configurations.map { ParameterGroups.share(of: $0, beside: configurations[0]) }
    }

    /// The share that a group's rate is of group 0's.
    static func share(of configuration: Configuration, beside first: Configuration) -> Double {
        let share = configuration.lr / first.lr
        return share.isFinite ? share : .nan
    }

    /// One group of all views.
    init(_ configuration: Configuration, viewCount: Int) {
        self.init([configuration], ofViews: [Int](repeating: 0, count: viewCount))
    }

    /// Throws `.argument` where a configuration or a view's group cannot be.
    func check(_ views: [View]) throws(MartletError) {
        guard !configurations.isEmpty && configurations.count <= Self.most else {
            throw MartletError(.argument, "group_count is \(configurations.count); expected 1 to \(Self.most)")
        }
        for (index, configuration) in configurations.enumerated() {
            try configuration.check("groups[\(index)]")
            try configuration.checkEvaluationPoint(configurations.count == 1 ? "optimizer" : "a group")
        }
        guard ofViews.count == views.count else {
            throw MartletError(
                .argument, "view_count is \(ofViews.count); expected \(views.count), the views of the parameters")
        }
        for (view, group) in zip(views, ofViews) where !configurations.indices.contains(group) {
            throw MartletError(
                .argument,
                "the group of \"\(view.name.string)\" is \(group); expected 0 ..< \(configurations.count), the count of "
                    + "groups")
        }
    }

    /// Whether one of them trains another point than that where gradients are taken.
    var haveEvaluationPoint: Bool { configurations.contains(where: \.hasEvaluationPoint) }

    /// Throws `.unsupported` where a table that is trained by rows is of a group, or has state, that cannot be.
    func checkRows(_ views: [View], _ type: StateType) throws(MartletError) {
        for parameter in parameters(views, type) where views[parameter.views.lowerBound].isOfRows {
            let configuration = configurations[parameter.group]
            guard
                let problem = configuration.problemOfRows(
                    sizes: views[parameter.views.lowerBound].shape.list, types: parameter.types)
            else { continue }
            throw MartletError(
                .unsupported,
                "\"\(parameter.name)\" is trained by rows, since its layer is sparse, and \(problem); expected a layer that is "
                    + "not, or a group that steps each element by itself, as those of SGD and Adam do")
        }
    }

    /// The optimizer's parameters, in its order, without those of frozen layers. Where their state is to be in few bits, a
    /// view that is large enough for that is one by itself, so that no block has numbers of two; in bf16 every view is, by
    /// whose place draws go; and so is a table that is trained by rows.
    func parameters(_ views: [View], _ type: StateType) -> [SteppedParameter] {
        func isAlone(_ index: Int) -> Bool {
            if views[index].isOfRows { return true }
            return type.isSmall ? SteppedParameter.mayBeSmall(views[index].shape) : type == .wide(.bf16)
        }
        var found: [SteppedParameter] = []
        var first = 0
        while first < views.count {
            if views[first].isFrozen {
                first += 1
                continue
            }
            let group = ofViews[first]
            let configuration = configurations[group]
            var end = first + 1
            if !configuration.takesWholeParameters {
                while end < views.count, ofViews[end] == group, !views[end].isFrozen, !isAlone(first), !isAlone(end) {
                    end += 1
                }
            }
            found.append(SteppedParameter(views, first..<end, group, configuration, type))
            first = end
        }
        return found
    }
}

/// What is one parameter to the optimizer.
struct SteppedParameter {
    let group: Int
    let views: Range<Int>
    /// The first view's.
    let name: String
    let offset: Int
    let count: Int
    /// How its elements lie; none where they are a run, in which no size matters.
    let sizes: [Int]
    let strides: [Int]
    /// What each slot of its state is kept in.
    let types: [StateType]

    fileprivate init(
        _ views: [View], _ range: Range<Int>, _ group: Int, _ configuration: Configuration, _ type: StateType
    ) {
        let (first, last) = (views[range.lowerBound], views[range.upperBound - 1])
        self.group = group
        self.views = range
        name = first.name.string
        offset = first.offset
        count = last.offset + last.shape.elementCount - first.offset
        (sizes, strides) =
            configuration.takesWholeParameters || first.isOfRows
            ? Self.layout(first.shape, configuration.algorithm) : ([], [])
        // Rows that an algorithm sees, or that are stepped by themselves, are not to cut a block.
        let cutsBlocks = first.isOfRows || sizes.count > 1 && sizes[sizes.count - 1] % 256 != 0
        let isWide = !Self.mayBeSmall(first.shape) || cutsBlocks
        types = configuration.slots.map { slot in
            if case .wide(let type) = type { return .wide(slot.usualType(beside: type)) }
            if case .small(let type) = type, !isWide, let own = slot.small(bits: type.bits) { return .small(own) }
            return .wide(slot.usualType(beside: .fp32))
        }
    }

    /// Whether state of few bits saves anything.
    fileprivate static func mayBeSmall(_ shape: Shape) -> Bool { shape.elementCount >= 4096 }

    /// A view's own sizes. To an algorithm of matrices or of their rows it is one matrix, whose rows are the outputs: the last
    /// size of every kernel here.
    private static func layout(_ shape: Shape, _ algorithm: Algorithm) -> (sizes: [Int], strides: [Int]) {
        if algorithm.seesOutputs && shape.rank > 1 {
            return ([shape.last, shape.outerCount], [1, shape.last])
        }
        var strides = [Int](repeating: 1, count: shape.rank)
        for dimension in strides.indices.dropLast().reversed() {
            strides[dimension] = strides[dimension + 1] * shape[dimension + 1]
        }
        return (shape.list, strides)
    }
}
