// A copy of a model's parameters in another type, which each training step leaves behind: the caller's memory, part of it
// lent to each of the optimizer's parameters.
import MartletOptimizers
import MartletPlatform

extension Model {
    /// Borrows a contiguous array until compile, `reset`, the model's end or another call: each training step writes the
    /// parameters to it, in the order of their buffer, rounded. `.none` ends that. Throws `.order` before compile.
    public func setCopy(_ array: ArrayView) throws(MartletError) {
        let trainer = try compiled()
        guard unsafe array.base != nil || array.count > 0 else { return unsafe try trainer.setCopy(nil) }
        try unsafe checkCopy(array, trainer)
        try unsafe trainer.setCopy(array)
    }

    private func checkCopy(_ array: ArrayView, _ trainer: Trainer) throws(MartletError) {
        guard unsafe array.type != .fp64 else {
            throw MartletError(.type, "copy.dtype is fp64; expected fp32, bf16 or fp16")
        }
        guard unsafe array.rank == 0 && array.count == trainer.gradients.count else {
            throw unsafe MartletError(
                .shape,
                "copy.count is \(array.count) and its rank \(array.rank); expected \(trainer.gradients.count), the count of "
                    + "parameters, and 0: it is contiguous")
        }
        guard trainer.tables.isEmpty else {
            throw MartletError(
                .unsupported,
                "the model has a sparse table, which is trained by rows, and a copy is of every row; expected none")
        }
        guard let base = unsafe array.base else {
            throw unsafe MartletError(.null, "copy.data is NULL; expected \(array.count) elements")
        }
        let (low, size) = unsafe (UInt(bitPattern: base), array.type.size)
        guard low % UInt(size) == 0 else { throw MartletError.misaligned("copy.data", at: low, to: size) }
        let (high, over) = unsafe low.addingReportingOverflow(UInt(array.count * size))
        guard !over else {
            throw MartletError(
                .shape, "copy reaches past the end of the address space; expected elements that do not")
        }
        for buffer in [built?.parameters, built?.statistics, trainer.gradients] {
            guard let buffer else { continue }
            let start = unsafe UInt(bitPattern: buffer.base)
            guard buffer.count == 0 || high <= start || start + UInt(4 * buffer.count) <= low else {
                throw MartletError(.overlap, "copy overlaps the model's own numbers; expected memory of its own")
            }
        }
    }
}

extension Trainer {
    /// Lends each of the optimizer's parameters its part of an array that has been checked; nil: of none. Throws `.memory`,
    /// and then no parameter has any.
    func setCopy(_ array: ArrayView?) throws(MartletError) {
        for index in 0..<optimizer.count {
            do throws(MartletError) {
                try unsafe optimizer.setCopy(array.map { unsafe part(index, of: $0) } ?? .none, of: index)
            } catch {
                if unsafe array != nil { unsafe try setCopy(nil) }
                throw error
            }
        }
    }
}
