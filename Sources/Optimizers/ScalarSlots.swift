// The scalars that a parameter keeps between steps, and what a step makes of them: worked out before anything is
// written, like its counter.
import MartletCompute
import MartletKernelInterface

/// The scalar slots of one parameter.
@unsafe struct ScalarSlots {
    private var arrays: InlineArray<7, Operand>
    /// As stored, before the step and after it. Bits are compared and stored as such, so that the host's rounding and
    /// traps have no say.
    private var before = InlineArray<7, UInt64>(repeating: 0)
    private var after = InlineArray<7, UInt64>(repeating: 0)
    private(set) var count = 0

    /// None: for a parameter that has not been looked at.
    init() {
        unsafe arrays = InlineArray(
            repeating: Operand(base: UnsafeMutableRawPointer(bitPattern: 8)!, type: .fp64))
    }

    /// Reads those of a parameter that has been checked.
    init(_ parameter: UnsafePointer<ParameterView>, _ slots: Slots) {
        unsafe self.init()
        for slot in slots.firstScalar..<slots.count {
            let array = unsafe parameter.pointee.state[slot]
            unsafe arrays[count] = Operand(base: array.base!, type: array.type)
            unsafe before[count] = ScalarSlots.bits(arrays[count])
            unsafe count += 1
        }
    }

    /// Whether a step makes the same of both.
    func isAlike(_ other: ScalarSlots) -> Bool {
        for index in unsafe 0..<count {
            if unsafe arrays[index].type != other.arrays[index].type || before[index] != other.before[index] {
                return false
            }
        }
        return true
    }

    /// Takes what a step made of a parameter that is alike.
    mutating func follow(_ other: ScalarSlots) { unsafe after = other.after }

    /// Before the step, as numbers. To be called in a floating-point mode of our own, like `take`.
    func read(into progress: inout Progress, _ slots: Slots) {
        for index in unsafe 0..<count {
            let number = unsafe number(index)
            progress.scalars[index] =
                progress.isFirst && number == 0 ? slots[slots.firstScalar + index].start : number
        }
    }

    /// Takes what the step has made of them, rounded once.
    mutating func take(_ progress: Progress) { unsafe take(progress.scalars, count) }

    /// The same for the first ones alone.
    mutating func take(_ numbers: InlineArray<7, Double>, _ count: Int) {
        for index in 0..<count { unsafe take(numbers[index], at: index) }
    }

    /// Takes one alone; the others stay as they are.
    mutating func take(_ number: Double, of index: Int) {
        unsafe after = before
        unsafe take(number, at: index)
    }

    private mutating func take(_ number: Double, at index: Int) {
        unsafe after[index] = arrays[index].type == .fp64 ? number.bitPattern : UInt64(Float(number).bitPattern)
    }

    /// One of them, before the step.
    subscript(index: Int) -> Double { unsafe number(index) }

    private func number(_ index: Int) -> Double {
        let bits = unsafe before[index]
        return unsafe arrays[index].type == .fp64
            ? Double(bitPattern: bits) : Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    }

    /// The last one before the step, and what the step makes of it.
    var last: Double { unsafe number(count - 1) }
    mutating func takeLast(_ number: Double) { unsafe take(number, at: count - 1) }

    /// The place of one that the step would leave NaN in; nil: none.
    var notANumber: Int? {
        for index in unsafe 0..<count {
            let bits = unsafe after[index]
            let isNaN =
                unsafe arrays[index].type == .fp64
                ? Double(bitPattern: bits).isNaN : Float(bitPattern: UInt32(truncatingIfNeeded: bits)).isNaN
            if isNaN { return index }
        }
        return nil
    }

    /// Stores what `take` took.
    func write() {
        for index in unsafe 0..<count {
            if unsafe arrays[index].type == .fp64 {
                unsafe arrays[index].base.storeBytes(of: after[index], as: UInt64.self)
            } else {
                unsafe arrays[index].base.storeBytes(of: UInt32(truncatingIfNeeded: after[index]), as: UInt32.self)
            }
        }
    }

    /// A double among floats is aligned as they are.
    private static func bits(_ array: Operand) -> UInt64 {
        unsafe array.type == .fp64
            ? array.base.loadUnaligned(as: UInt64.self) : UInt64(array.base.loadUnaligned(as: UInt32.self))
    }
}
