// The part of a step plan that steps parameters by rows: work over the rows that gradients name, and before a parameter's
// first step work over all of its rows, where their state does not begin as zeros.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// What is done with every row before the first step of a parameter that is stepped by rows.
enum RowsBeginning {
    /// The first slot becomes as the value.
    case copy
    /// A step without gradients, for which the first slot, which is zero, stands.
    case stepOfZeros
}

extension Surroundings {
    /// What is done around a step that sees more than rows; nil: nothing.
    fileprivate var problemOfRows: String? {
        if accumulation != nil { return "ACCUMULATE keeps a mean of every row" }
        if lookahead != nil { return "LOOKAHEAD_STEPS moves every row" }
        if average != nil { return "EMA_DECAY averages every row" }
        if zeroesGradients { return "ZERO_GRADS is for gradients of all elements" }
        return measuresChange ? "MEASURE_UPDATE looks at every row" : nil
    }
}

extension StepGroup {
    /// Why a parameter of these sizes cannot be stepped by rows; nil: it can.
    ///
    /// - Parameter areInPlace: whether the gradient has all rows, so that its norm is found as that of any.
    func problemOfRows(_ shape: ParameterShape, copies: Bool, areInPlace: Bool) -> String? {
        if let problem = surroundings.problemOfRows { return problem }
        if clipping.measures && !areInPlace { return "norms are of gradients of all elements" }
        if copies { return "its copy is of every row" }
        if configuration.flags.contains(.cautiousUpdate) { return "CAUTIOUS_UPDATE counts every row" }
        return rule(for: shape) == nil ? "\(configuration.algorithm.name) sees the parameter as a whole" : nil
    }

    /// How the state of every row begins, whichever rows the first step names; nil: as zeros.
    var beginning: RowsBeginning? {
        switch configuration.algorithm {
        case .asgd, .scheduleFreeSGD, .scheduleFreeAdamW, .scheduleFreeRAdam: .copy
        case .rprop: .stepOfZeros
        default: nil
        }
    }
}

extension Configuration {
    /// Why a parameter of these sizes, with state in these types, cannot be stepped by rows of a gradient that has all of them;
    /// nil: it can.
    package func problemOfRows(sizes: [Int], types: [StateType]) -> String? {
        if LowPrecision(flags) != nil { return "low precision rounds the value" }
        if flags.contains(.deferRows), zip(slots, types).contains(where: { $0.use == .divisor && $1 == .bf16 }) {
            return "DEFER_ROWS takes no state of bf16 that values are divided by, which is rounded at random"
        }
        return StepGroup(self).problemOfRows(ParameterShape(sizes: sizes), copies: false, areInPlace: true)
    }
}

/// The rows of a plan's parameters, in its memory.
@unsafe struct RowSteps {
    /// What comes before the first steps.
    private(set) var beginnings: WorkList
    /// One for each parameter.
    private let touched: UnsafeMutablePointer<TouchedRows>
    private var memory: UnsafeMutableRawPointer
    /// Of a copy; and for each parameter.
    private let copying, coefficients: UnsafeMutableRawPointer

    init(_ room: StepRoom, memory: UnsafeMutableRawPointer) {
        unsafe beginnings = WorkList(memory: memory + room.beginnings)
        unsafe touched = (memory + room.touched).assumingMemoryBound(to: TouchedRows.self)
        unsafe self.memory = memory + room.rows
        unsafe copying = memory + room.copying
        unsafe coefficients = memory + room.coefficients
    }

    /// The work of a parameter, `index` of the plan. `whole` is that of all its rows, but for the gradient, in whose place
    /// the value is. Returns the coefficients that the step is by; nil: it is of no row.
    mutating func add(
        _ rows: SparseRows, _ parameter: UnsafePointer<ParameterView>, _ index: Int,
        _ group: UnsafeMutablePointer<StepGroup>,
        isFirst: Bool, _ whole: WorkItem, numbers: inout UnsafeMutablePointer<Int>, _ describe: (Role) -> String,
        to work: inout WorkList
    ) throws(MartletError) -> UnsafeRawPointer? {
        let touched = try unsafe order(rows, index, by: parameter.pointee.gradient, numbers: &numbers, describe)
        if isFirst, let beginning = unsafe group.pointee.beginning { unsafe begin(beginning, whole) }
        guard var item = unsafe whole.over(touched, parameter.pointee.gradient) else { return nil }
        if unsafe group.pointee.configuration.algorithm == .adagrad {
            unsafe item.coefficients = unsafe startingSums(index, item.coefficients)
        }
        unsafe work.add(item)
        return unsafe item.coefficients
    }

    /// Puts the rows of a parameter in order.
    mutating func order(
        _ rows: SparseRows, _ index: Int, by gradient: ArrayView, numbers: inout UnsafeMutablePointer<Int>,
        _ describe: (Role) -> String
    ) throws(MartletError) -> UnsafePointer<TouchedRows> {
        let place = unsafe touched + index
        unsafe place.initialize(to: try rows.touched(by: gradient, memory: &memory, numbers: &numbers, describe))
        return unsafe UnsafePointer(place)
    }

    private mutating func begin(_ beginning: RowsBeginning, _ whole: WorkItem) {
        var item = unsafe whole
        unsafe item.mode = .exact
        switch beginning {
        case .copy:
            unsafe copying.storeBytes(of: RunTerms(), as: RunTerms.self)
            unsafe (copying + StepCoefficients.ruleOffset).storeBytes(
                of: InterpolationCoefficients(), as: InterpolationCoefficients.self)
            unsafe (item.rule, item.coefficients, item.run.arrayCount) = (
                .copy, UnsafeRawPointer(copying), Run.state + 1
            )
        case .stepOfZeros:
            unsafe item.run.arrays[Run.gradient] = unsafe item.run.arrays[Run.state]
        }
        unsafe beginnings.add(item)
    }

    /// A copy of Adagrad's coefficients by which sums of 0, which have seen nothing, start at any step.
    private func startingSums(_ index: Int, _ latest: UnsafeRawPointer) -> UnsafeRawPointer {
        let own = unsafe coefficients + index * StepCoefficients.capacity
        unsafe own.copyMemory(from: latest, byteCount: StepCoefficients.capacity)
        let place = unsafe own + StepCoefficients.ruleOffset
        var terms = unsafe place.load(as: AdagradCoefficients.self)
        terms.isFirst = 1
        unsafe place.storeBytes(of: terms, as: AdagradCoefficients.self)
        return UnsafeRawPointer(own)
    }
}

extension WorkItem {
    /// The same over rows alone, by their gradient; nil where that is of none.
    func over(_ rows: UnsafePointer<TouchedRows>, _ gradient: ArrayView) -> WorkItem? {
        guard let base = unsafe gradient.base else { return nil }
        var item = unsafe self
        unsafe item.run.arrays[Run.gradient] = unsafe Operand(base: base, type: gradient.type)
        unsafe item.run.count = unsafe rows.pointee.elements
        unsafe item.rows = unsafe rows
        return unsafe item
    }
}
