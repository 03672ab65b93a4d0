// The steps that rows of a parameter have not seen, whose gradients were zeros there: their coefficients, and for each row how
// many of them it has seen. In memory that the caller provides, zero at first, in which numbers are trusted as those of state
// are: whatever stands there, nothing but the parameter's own arrays is written.
import MartletKernelInterface

/// A parameter's steps from the latest one on that every row has seen.
@unsafe package struct Backlog {
    private struct Header: BitwiseCopyable {
        var kept: Int64
        /// Whose coefficients they are, and the state slots that they are for.
        var rule: Int32
        var slots: Int32
        /// Those that it is for.
        var rows: Int64
    }

    /// What is known of a kept step beside its coefficients: numbers, which any bytes are.
    private struct Note: BitwiseCopyable {
        private var flags: Int32
        /// The first of the steps that leave still what this one leaves still, as which it is the last of a run.
        var since: Int32

        init(_ stillness: Stillness, isNegative: Bool, isDouble: Bool, mode: FloatingPointMode, since: Int) {
            flags = isDouble ? 1 : 0
            if mode == .flush { flags |= 2 }
            if isNegative { flags |= 4 }
            switch stillness {
            case .never: break
            case .withoutState: flags |= 8
            case .always: flags |= 16
            }
            self.since = Int32(truncatingIfNeeded: since)
        }

        var isDouble: Bool { flags & 1 != 0 }
        var mode: FloatingPointMode { flags & 2 != 0 ? .flush : .exact }
        var stillness: Stillness { flags & 16 != 0 ? .always : flags & 8 != 0 ? .withoutState : .never }
        func isAlike(_ other: Note) -> Bool { stillness != .never && flags == other.flags }
    }

    /// Whether a gradient of zeros changes nothing that another one, of a step like it, has not changed before.
    enum Stillness {
        case never, withoutState, always
    }

    /// The most steps that are kept.
    package static var capacity: Int { 4096 }
    /// The most state slots of a rule here.
    package static var mostSlots: Int { 3 }
    private static var headerBytes: Int { 64 }
    /// Of a step: as much of `StepCoefficients` as the rules here have, and the note.
    private static var stepBytes: Int { 128 }
    private static var noteOffset: Int { 120 }

    private let memory: UnsafeMutableRawPointer
    private let rowCount: Int

    /// Bytes for so many rows; nil: more than there are.
    package static func byteCount(rows: Int) -> Int? {
        let (counts, tooMany) = rows.multipliedReportingOverflow(by: MemoryLayout<UInt32>.stride)
        let (all, tooFar) = unsafe counts.addingReportingOverflow(headerBytes + capacity * stepBytes)
        return tooMany || tooFar ? nil : all
    }

    package init(memory: UnsafeMutableRawPointer, rows: Int) {
        unsafe self.memory = memory
        unsafe rowCount = rows
    }

    private var header: Header {
        get { unsafe memory.load(as: Header.self) }
        nonmutating set { unsafe memory.storeBytes(of: newValue, as: Header.self) }
    }

    /// Steps that are kept, or a number that none can be.
    package var kept: Int { unsafe Int(header.kept) }

    /// Whether it is for as many rows, or has never been used.
    package var fits: Bool { unsafe header.rows == Int64(rowCount) || header.rows == 0 && header.kept == 0 }

    /// State slots that the kept steps are for.
    package var slots: Int { unsafe Int(header.slots) }

    /// That of the kept steps; nil where the memory holds none.
    package var rule: Rule? {
        switch unsafe header.rule {
        case 1: .adam
        case 2: .sgd
        case 3: .rmsprop
        case 4: .adagrad
        default: nil
        }
    }

    private static func number(_ rule: Rule) -> Int32 {
        switch rule {
        case .adam: 1
        case .sgd: 2
        case .rmsprop: 3
        case .adagrad: 4
        default: 0
        }
    }

    /// Steps that a row has seen.
    package func seen(_ row: Int) -> Int { unsafe min(Int(counts[row]), Backlog.capacity) }

    /// Says that a row has seen so many.
    package func setSeen(_ row: Int, _ count: Int) { unsafe counts[row] = UInt32(truncatingIfNeeded: count) }

    /// Where a row's count is.
    func place(_ row: Int) -> UnsafeRawPointer { unsafe UnsafeRawPointer(counts + row) }

    private var counts: UnsafeMutablePointer<UInt32> {
        unsafe (memory + Backlog.headerBytes + Backlog.capacity * Backlog.stepBytes).assumingMemoryBound(
            to: UInt32.self)
    }

    /// Forgets all steps, which every row has seen.
    package func clear() {
        unsafe header = Header(kept: 0, rule: 0, slots: 0, rows: Int64(rowCount))
        unsafe counts.update(repeating: 0, count: rowCount)
    }

    /// Keeps one more step, for which there is room.
    package func keep(
        _ coefficients: UnsafeRawPointer, _ rule: Rule, slots: Int, isDouble: Bool, mode: FloatingPointMode
    ) {
        let count = unsafe kept
        let place = unsafe coefficientsPlace(count)
        unsafe place.copyMemory(from: coefficients, byteCount: Backlog.noteOffset)
        let terms = unsafe coefficients.load(as: RunTerms.self)
        var note = unsafe Note(
            Backlog.stillness(terms, coefficients + StepCoefficients.ruleOffset, rule),
            isNegative: terms.gradientScale < 0, isDouble: isDouble, mode: mode, since: count)
        if count > 0, unsafe self.note(count - 1).isAlike(note) { note.since = unsafe self.note(count - 1).since }
        unsafe (place + Backlog.noteOffset).storeBytes(of: note, as: Note.self)
        unsafe header = unsafe Header(
            kept: Int64(count + 1), rule: Backlog.number(rule), slots: Int32(slots), rows: Int64(rowCount))
    }

    /// Without decay a step takes off zeros where nothing is left of earlier gradients, but by a divisor of 0.
    private static func stillness(_ terms: RunTerms, _ own: UnsafeRawPointer, _ rule: Rule) -> Stillness {
        guard terms.l2 == 0 && terms.decay == 1 && terms.bound > 0 else { return .never }
        switch rule {
        case .sgd:
            let sgd = unsafe own.load(as: SGDCoefficients.self)
            if sgd.outer < 0 || sgd.isFirst != 0 && terms.variant != 0 { return .never }
            return terms.variant == 0 ? .always : .withoutState
        case .adagrad:
            let adagrad = unsafe own.load(as: AdagradCoefficients.self)
            return adagrad.isFirst == 0 && adagrad.rate >= 0 ? .always : .never
        case .adam:
            let adam = unsafe own.load(as: AdamCoefficients.self)
            return unsafe adam.stepSize >= 0 && adam.eps > leastDivisor ? .withoutState : .never
        case .rmsprop:
            let rmsprop = unsafe own.load(as: RMSpropCoefficients.self)
            let isUpward = rmsprop.outer < 0 || rmsprop.inner < 0
            return unsafe !isUpward && rmsprop.eps > leastDivisor ? .withoutState : .never
        default:
            return .never
        }
    }

    /// More than 0 in fp32 too, and its root.
    private static var leastDivisor: Double { 1e-30 }

    private func coefficientsPlace(_ step: Int) -> UnsafeMutableRawPointer {
        unsafe memory + Backlog.headerBytes + step * Backlog.stepBytes
    }

    private func note(_ step: Int) -> Note {
        unsafe (coefficientsPlace(step) + Backlog.noteOffset).load(as: Note.self)
    }

    /// A kept step's coefficients.
    func coefficients(_ step: Int) -> UnsafeRawPointer { unsafe UnsafeRawPointer(coefficientsPlace(step)) }

    /// Whether a kept step was computed in fp64, and in which mode.
    func way(_ step: Int) -> (isDouble: Bool, mode: FloatingPointMode) {
        let note = unsafe note(step)
        return (note.isDouble, note.mode)
    }

    /// From which of so many steps on, one at least, the last one stands for all: of any elements, or of those whose state is
    /// zeros.
    func stillness(of kept: Int) -> (since: Int, of: Stillness) {
        let last = unsafe note(kept - 1)
        return last.stillness == .never ? (kept, .never) : (Int(last.since), last.stillness)
    }
}
