// How many steps a parameter has taken: a counter, and perhaps a floating-point number beside it that shows the count
// to others, who may change it. What a step makes of the two is worked out before anything is written.
import MartletCompute
import MartletPlatform

/// Where a floating-point number shows how many steps a parameter has taken.
@frozen
@unsafe public enum ShownStep {
    case float(UnsafeMutablePointer<Float>)
    case double(UnsafeMutablePointer<Double>)

    /// The number's bits. They are compared and stored as such, so that the host's rounding and traps have no say.
    fileprivate var bits: UInt64 {
        switch unsafe self {
        case .float(let address): unsafe UInt64(address.pointee.bitPattern)
        case .double(let address): unsafe address.pointee.bitPattern
        }
    }

    fileprivate func store(_ bits: UInt64) {
        switch unsafe self {
        case .float(let address): unsafe address.pointee = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
        case .double(let address): unsafe address.pointee = Double(bitPattern: bits)
        }
    }

    /// What bits stand for.
    fileprivate func value(_ bits: UInt64) -> Double {
        switch unsafe self {
        case .float: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case .double: Double(bitPattern: bits)
        }
    }

    /// What a count is shown as.
    fileprivate func bits(of count: Int64) -> UInt64 {
        switch unsafe self {
        case .float: UInt64(Float(count).bitPattern)
        case .double: Double(count).bitPattern
        }
    }

    /// A number in this one's type, rounded.
    fileprivate func bits(of value: Double) -> UInt64 {
        switch unsafe self {
        case .float: UInt64(Float(value).bitPattern)
        case .double: value.bitPattern
        }
    }

    /// The first byte of the number, and how many it takes.
    var bytes: (low: UInt, count: Int) {
        switch unsafe self {
        case .float(let address): (UInt(bitPattern: address), 4)
        case .double(let address): (UInt(bitPattern: address), 8)
        }
    }
}

/// The number of a step, counted from 1; it has a fraction where a number that shows the count was set to one.
struct StepNumber: Equatable {
    var whole: Int64
    /// 0 or more and less than 1.
    var fraction = 0.0
}

/// A parameter's counter, the number that shows it, and what a step makes of them.
@unsafe struct StepCounter {
    let address: UnsafeMutablePointer<Int64>
    let shown: ShownStep?
    private(set) var next: StepNumber
    private var nextBits: UInt64 = 0

    /// Every count up to this one is a number of each type, so that showing it rounds nothing.
    private static var mostExact: Int64 { 1 << 24 }

    /// Reads both; throws where one is not what it may be.
    init(_ parameter: UnsafePointer<ParameterView>, _ describe: (Role) -> String) throws(MartletError) {
        unsafe address = parameter.pointee.step
        unsafe shown = parameter.pointee.shownStep
        let taken = unsafe address.pointee
        guard taken >= 0 && taken < .max else {
            throw MartletError(.argument, "\(describe(.step)) is \(taken); expected 0 ..< 2^63 - 1 steps taken")
        }
        unsafe next = StepNumber(whole: taken + 1)
        guard let shown = unsafe shown else { return }
        let bits = unsafe shown.bits
        if unsafe taken < StepCounter.mostExact && bits == shown.bits(of: taken) {
            unsafe nextBits = shown.bits(of: taken + 1)
            return
        }
        var reading = unsafe Reading(shown: shown, bits: bits, taken: taken, next: next)
        unsafe FloatingPointMode.exact.call(Reading.serve, &reading)
        guard unsafe reading.isValid else {
            throw MartletError(
                .argument,
                unsafe "\(describe(.shownStep)) is \(reading.value); expected the number of steps taken, over -1 and under 2^63"
            )
        }
        unsafe next = reading.next
        unsafe nextBits = reading.nextBits
    }

    /// Counts the step.
    func write() {
        unsafe address.pointee = next.whole
        if let shown = unsafe shown { unsafe shown.store(nextBits) }
    }

    /// Whether two parameters keep their count in the same place, and show it in the same one.
    func isSame(as other: StepCounter) -> Bool {
        unsafe address == other.address && (shown?.bytes ?? (0, 0)) == (other.shown?.bytes ?? (0, 0))
    }
}

/// What a shown number says, to be worked out in a floating-point mode of our own.
@unsafe private struct Reading {
    let shown: ShownStep
    let bits: UInt64
    let taken: Int64
    var next: StepNumber
    var nextBits: UInt64 = 0
    var value = 0.0
    var isValid = true

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        unsafe context.assumingMemoryBound(to: Reading.self).pointee.read()
    }

    private mutating func read() {
        let value = unsafe shown.value(bits)
        unsafe self.value = value
        if unsafe value == shown.value(shown.bits(of: taken)) {
            unsafe nextBits = shown.bits(of: next.whole)
            return
        }
        unsafe isValid = value > -1 && value < 0x1p63
        if unsafe !isValid { return }
        if value == value.rounded(.down) {
            unsafe next = StepNumber(whole: Int64(value) + 1)
            unsafe nextBits = shown.bits(of: next.whole)
        } else {
            unsafe nextBits = shown.bits(of: value + 1)
            let sum = unsafe shown.value(nextBits)
            unsafe next = StepNumber(whole: Int64(sum.rounded(.down)), fraction: sum - sum.rounded(.down))
        }
    }
}
