// What comes of a pass's sums before the next: each algorithm's coefficients, once for all where parameters share scalars, and
// the terms of updates that are masked or keep a norm. On the calling thread, in a floating-point mode of our own.
import MartletCompute
import MartletKernelInterface

extension StepPasses {
    @inline(never)
    func prepare(_ pass: Int, _ items: Range<Int>) {
        for index in items {
            let algorithm = unsafe owners[index].algorithm
            guard algorithm.sharedScalars == 0, let start = unsafe start(of: pass, index) else { continue }
            unsafe algorithm.prepare(start, list[index].coefficients)
        }
        var rest = unsafe sharing
        while rest != 0 {
            if let algorithm = Algorithm(rawValue: Int32(rest.trailingZeroBitCount)) {
                unsafe prepareTogether(algorithm, pass, items)
            }
            rest &= rest - 1
        }
        for index in items {
            unsafe prepareMask(pass, index)
            unsafe prepareMove(pass, index)
        }
    }

    /// What makes an item's updates is not to see its terms, which the mask and the last pass have; that one divides by what
    /// the mask has left.
    private func prepareMask(_ pass: Int, _ index: Int) {
        guard var caution = unsafe list[index].caution else { return }
        let item = unsafe list[index]
        let place = unsafe item.coefficients + StepCoefficients.ruleOffset
        if unsafe pass == item.passes.updatePass {
            let isUpdate = unsafe caution.rule == nil && item.passes[pass] == .caution
            unsafe caution.prepare(
                item.coefficients.load(as: RunTerms.self),
                stepSize: isUpdate ? place.load(as: MatrixUpdateCoefficients.self).stepSize : nil)
            unsafe item.coefficients.storeBytes(of: caution.makersTerms, as: RunTerms.self)
            unsafe list[index].caution = caution
        } else if unsafe pass == item.passes.count - 1 && owners[index].move == nil {
            let masked = unsafe sums(of: index)
            let share = max(masked.sums.0 / masked.elements, Caution.leastShare)
            var update = MatrixUpdateCoefficients()
            update.stepSize = caution.stepSize / share
            unsafe item.coefficients.storeBytes(of: caution.terms, as: RunTerms.self)
            unsafe place.storeBytes(of: update, as: MatrixUpdateCoefficients.self)
        }
    }

    /// The passes of a move along a sphere, which take the place of the algorithm's own coefficients. The radius is kept once
    /// it is a number, and is the last of the parameter's scalars.
    private func prepareMove(_ pass: Int, _ index: Int) {
        let behind = unsafe list[index].passes.count - pass
        guard behind == 1 || behind == 2, var move = unsafe owners[index].move else { return }
        let place = unsafe list[index].coefficients + StepCoefficients.ruleOffset
        let sums = unsafe sums(of: index).sums
        var coefficients: HyperballCoefficients
        if behind == 2 {
            coefficients = unsafe move.start(sums, known: owners[index].scalars?.pointee.last ?? 0)
            unsafe owners[index].move = move
            if move.radius.isFinite { unsafe owners[index].scalars?.pointee.takeLast(move.radius) }
        } else {
            coefficients = unsafe move.end(sums.0, after: place.load(as: HyperballCoefficients.self))
        }
        unsafe place.storeBytes(of: coefficients, as: HyperballCoefficients.self)
    }

    /// The parameters of an algorithm that share scalars, which become those of each.
    @inline(never)
    private func prepareTogether(_ algorithm: Algorithm, _ pass: Int, _ items: Range<Int>) {
        var shared = SharedScalars()
        var first: Int?
        for index in items where unsafe owners[index].algorithm == algorithm {
            guard let start = unsafe start(of: pass, index) else { continue }
            unsafe algorithm.join(start, list[index].coefficients, &shared)
            first = first ?? index
        }
        if let first, let start = unsafe start(of: pass, first) {
            unsafe algorithm.settle(start, list[first].coefficients, &shared)
        }
        for index in items where unsafe owners[index].algorithm == algorithm {
            guard let start = unsafe start(of: pass, index, shared) else { continue }
            unsafe algorithm.prepare(start, list[index].coefficients)
            unsafe owners[index].scalars?.pointee.take(shared.scalars, algorithm.sharedScalars)
        }
    }

    /// What an item's pass begins with; nil where it has no more.
    private func start(of pass: Int, _ index: Int, _ shared: SharedScalars = SharedScalars()) -> PassStart? {
        let item = unsafe list[index]
        let count = unsafe owners[index].ownPassCount
        if pass >= count { return nil }
        var start = unsafe PassStart(
            pass: pass, passCount: count, shape: owners[index].shape,
            parameter: owners[index].parameter, type: item.tensor.run.arrays[Run.value].type, shared: shared)
        if pass > 0 { (start.sums, start.elements) = unsafe sums(of: index) }
        return start
    }
}
