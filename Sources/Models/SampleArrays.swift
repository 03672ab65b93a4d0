// A caller's arrays for a model: the samples of each of its inputs, or what each of its outputs should give. Samples are
// gathered batch by batch into what operations read: numbers of fp32, or rows of a table as whole numbers of 32 bits.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// An array for each of a model's inputs, in the order of their nodes, or for each of its outputs.
@safe public final class SampleArrays {
    /// One call's at a time, so the runtime need not look at each use whether there is another.
    @exclusivity(unchecked) private var arrays = unsafe RawList<Samples>()
    /// What messages call them.
    private(set) var name: StaticString

    /// The first of them, to which more may be added. Throws `.memory`.
    public convenience init(_ samples: Samples, name: StaticString = "x") throws(MartletError) {
        self.init(name: name)
        try unsafe append(samples)
    }

    package init(name: StaticString) { self.name = name }

    /// Adds the next. Throws `.memory`.
    public func append(_ samples: Samples) throws(MartletError) { try unsafe arrays.append(samples) }

    /// Is there for another call.
    package func begin(name: StaticString) {
        unsafe arrays.removeAll()
        self.name = name
    }

    public var count: Int { unsafe arrays.count }
    subscript(number: Int) -> Samples { unsafe arrays[number] }

    /// What messages call one of them.
    func subject(_ number: Int) -> String { count == 1 ? "\(name)" : "\(name)[\(number)]" }

    /// Whether some of them, neighbours too, have to be gathered, since they are not numbers of fp32.
    var isGathered: Bool {
        for number in 0..<count where unsafe arrays[number].type != .fp32 { return true }
        return false
    }

    /// How many samples these are: as many of each input. Throws `.type`, `.shape`, `.null` and `.alignment`.
    func sampleCount(of model: Model) throws(MartletError) -> Int {
        guard count == model.inputCount else {
            throw MartletError(
                .argument, "\(name) has \(count) arrays; expected \(model.inputCount), one for each input")
        }
        var first = 0
        for number in 0..<count {
            let isTable = model.table(ofInput: number) != nil
            let found = try unsafe self[number].sampleCount(
                of: model.inputShape(number), subject(number),
                types: isTable ? [.int32, .int64, .uint8] : [.fp32, .uint8],
                sequences: model.course?.sequences)
            if number == 0 { first = found }
            guard found == first else {
                throw MartletError(
                    .shape, "\(subject(number)) has \(found) samples; expected \(first), as many as \(subject(0))")
            }
        }
        return first
    }

    /// Throws `.argument` where a row is none of its table's, of these samples or of all.
    func checkIndices(_ model: Model, _ rows: Rows? = nil) throws(MartletError) {
        for number in 0..<count {
            guard let table = model.table(ofInput: number) else { continue }
            let (samples, elements) = unsafe (self[number], model.inputShape(number).elementCount)
            let rows = unsafe rows ?? .range(start: 0, count: samples.count / elements)
            for index in unsafe 0..<rows.count {
                let first = unsafe rows.place(index) * elements
                for place in first..<first + elements {
                    try unsafe table.check(samples.integer(place), subject(number), place)
                }
            }
        }
    }

    /// Throws `.overlap` where some of them lie in what training writes.
    func checkApart(from model: Model, _ trainer: Trainer) throws(MartletError) {
        for number in 0..<count { try unsafe model.checkApart(self[number], subject(number), trainer) }
    }
}

/// The table that an input names rows of, or how many whole numbers it may hold: the smallest, where there are several.
struct Table {
    let rows: Int
    /// What a number is to the layer that reads it.
    let what: StaticString
    let layer: String

    func check(_ row: Int, _ subject: @autoclosure () -> String, _ place: Int) throws(MartletError) {
        guard row >= 0 && row < rows else {
            throw MartletError(
                .argument, "\(subject())[\(place)] is \(row); expected 0 ..< \(rows), \(what) layer \"\(layer)\"")
        }
    }
}

/// Memory to gather one batch of each input.
final class BatchInputs {
    /// The most samples.
    let batch: Int
    private let buffers: [FlatBuffer]

    /// Throws `.memory`, also where sizes overflow.
    init(_ model: Model, batch: Int) throws(MartletError) {
        self.batch = batch
        var buffers: [FlatBuffer] = []
        for number in 0..<model.inputCount {
            let (count, overflow) = model.inputShape(number).elementCount.multipliedReportingOverflow(by: batch)
            guard !overflow else {
                throw MartletError(.memory, "a batch of \(batch) samples is beyond what a machine can address")
            }
            buffers.append(try FlatBuffer(count: count))
        }
        self.buffers = buffers
    }

    /// Tells a plan where the batch's samples are: where they lie, if they are neighbours in fp32, else gathered here.
    /// Throws `.argument` for a row that is none of its table's.
    ///
    /// - Parameter copies: whether all are gathered, to be read again in another call.
    func take(
        _ inputs: SampleArrays, _ rows: Rows, _ model: Model, _ execution: Execution, for plan: Plan,
        copies: Bool = false
    ) throws(MartletError) {
        for number in buffers.indices {
            let samples = unsafe inputs[number]
            guard let base = unsafe samples.base else { continue }
            let elements = model.inputShape(number).elementCount
            if unsafe samples.type != .fp32 {
                let table = model.table(ofInput: number)
                try unsafe convert(samples, rows, elements, table, inputs.subject(number), to: buffers[number])
            } else if case .range(let start, _) = unsafe rows, !copies {
                unsafe plan.setInput(number, to: base.assumingMemoryBound(to: Float.self) + start * elements)
                continue
            } else {
                unsafe rows.gather(base, bytesPerRow: elements * 4, to: buffers[number].base, execution)
            }
            unsafe plan.setInput(number, to: UnsafePointer(buffers[number].base))
        }
    }

    /// Gathers whole numbers: as numbers of fp32, or as rows of a table.
    private func convert(
        _ samples: Samples, _ rows: Rows, _ elements: Int, _ table: Table?, _ subject: @autoclosure () -> String,
        to buffer: FlatBuffer
    ) throws(MartletError) {
        let numbers = unsafe buffer.base
        let indices = unsafe UnsafeMutableRawPointer(numbers).assumingMemoryBound(to: Int32.self)
        for index in unsafe 0..<rows.count {
            let (from, to) = unsafe (rows.place(index) * elements, index * elements)
            for element in 0..<elements {
                let number = unsafe samples.integer(from + element)
                if let table {
                    try table.check(number, subject(), from + element)
                    unsafe indices[to + element] = Int32(number)
                } else {
                    unsafe numbers[to + element] = Float(number)
                }
            }
        }
    }
}
