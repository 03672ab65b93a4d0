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
    }

    /// What is known of a kept step beside its coefficients: numbers, which any bytes are.
    private struct Note: BitwiseCopyable {
        private var flags: Int32
        /// The first of the still steps alike that this one follows.
        var since: Int32

        /// stillRate: see below.
        init(stillRate: Double?, isDouble: Bool, mode: FloatingPointMode, since: Int) {
            flags = isDouble ? 1 : 0
            if mode == .flush { flags |= 2 }
            if let stillRate { flags |= stillRate.sign == .minus ? 12 : 4 }
            self.since = Int32(truncatingIfNeeded: since)
        }

        var isDouble: Bool { flags & 1 != 0 }
        var mode: FloatingPointMode { flags & 2 != 0 ? .flush : .exact }
        /// Whether a zero gradient changes nothing that another step alike has not changed before.
        var isStill: Bool { flags & 4 != 0 }
        func isAlike(_ other: Note) -> Bool { isStill && flags == other.flags }
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
        unsafe (memory + Backlog.headerBytes + Backlog.capacity * Backlog.stepBytes).assumingMemoryBound(to: UInt32.self)
    }

    /// Forgets all steps, which every row has seen.
    package func clear() {
        unsafe header = Header(kept: 0, rule: 0, slots: 0)
        unsafe counts.update(repeating: 0, count: rowCount)
    }

    /// Keeps one more step, for which there is room.
    package func keep(
        _ coefficients: UnsafeRawPointer, _ rule: Rule, slots: Int, isDouble: Bool, mode: FloatingPointMode
    ) {
        let count = unsafe kept
        let place = unsafe coefficientsPlace(count)
        unsafe place.copyMemory(from: coefficients, byteCount: Backlog.noteOffset)
        var note = unsafe Note(
            stillRate: Backlog.stillRate(coefficients, rule), isDouble: isDouble, mode: mode, since: count)
        if count > 0, unsafe self.note(count - 1).isAlike(note) { note.since = unsafe self.note(count - 1).since }
        unsafe (place + Backlog.noteOffset).storeBytes(of: note, as: Note.self)
        unsafe header = unsafe Header(kept: Int64(count + 1), rule: Backlog.number(rule), slots: Int32(slots))
    }

    /// What multiplies zeros in a step that does nothing but take them off; nil: it does more.
    private static func stillRate(_ coefficients: UnsafeRawPointer, _ rule: Rule) -> Double? {
        let terms = unsafe coefficients.load(as: RunTerms.self)
        let own = unsafe coefficients + StepCoefficients.ruleOffset
        guard terms.l2 == 0 && terms.decay == 1 && terms.bound > 0 else { return nil }
        switch rule {
        case .sgd:
            return unsafe terms.variant == 0 ? own.load(as: SGDCoefficients.self).outer * terms.gradientScale : nil
        case .adagrad:
            let adagrad = unsafe own.load(as: AdagradCoefficients.self)
            return adagrad.isFirst == 0 ? adagrad.rate * terms.gradientScale : nil
        default:
            return nil
        }
    }

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

    /// The first of so many steps behind one that leaves elements otherwise than that one did.
    func next(after step: Int, of kept: Int) -> Int {
        let last = unsafe note(kept - 1)
        return last.isStill && Int(last.since) <= step ? kept : step + 1
    }
}
