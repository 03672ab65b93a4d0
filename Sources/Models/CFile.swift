// A model as one file of C99: its weights as constant arrays, and a function that computes what it gives for one sample, with
// the functions that this calls. What each operation is says the operation itself.
import Glibc
import MartletOptimizers
import MartletPlatform

extension Model {
    /// Writes what the model predicts by as one file of C99. A kill at any moment leaves the old file or the new one whole.
    public func export(to path: String) throws(MartletError) {
        try unsafe path.withFileName { path throws(MartletError) in try unsafe export(to: path) }
    }

    package func export(to path: UnsafePointer<CChar>) throws(MartletError) {
        try build { (built) throws(MartletError) in
            try trainer?.enter(.evaluation)
            let program = try unsafe CProgram(self, built, name: CText.name(path))
            var text = try unsafe CText(path)
            program.write(to: &text)
            try text.commit()
        }
    }
}

/// A call in its place.
private struct CEntry {
    var call: CCall
    /// Where what it reads and gives lies.
    var reads: [Int?]
    var gives: Int
    /// Where the room is that it works with; nil: it needs none.
    var room: Int?
    /// The number of its first array.
    var firstArray: Int
    /// Whether its arrays are there already, as another call's of the same layer.
    var isAgain: Bool
}

/// The calls of a model.
private struct CProgram {
    private let model: Model
    private let name: String
    private var entries: [CEntry] = []
    private let lifetimes: Lifetimes
    private let placement: Lifetimes.Placement

    /// Throws `.unsupported` where an operation has no C, or where there are more numbers than an int of C counts.
    init(_ model: Model, _ built: Built, name: String) throws(MartletError) {
        (self.model, self.name) = (model, name)
        let graph = model.graph
        let isNeeded = graph.leading(to: graph.outputs)
        let made = graph.steps.map { step -> [CCall]? in
            if !isNeeded[step.output] || step.operation.isView { return [] }
            return unsafe step.operation.calls(
                parameters: built.parameters.base + step.firstParameter,
                statistics: built.statistics.base + step.firstStatistic)
        }
        let rooms = made.map { calls in calls?.map(\.room).max() ?? 0 }
        lifetimes = Lifetimes(graph, scored: [], ofInputs: false, rooms: rooms)
        placement = try lifetimes.placed(batch: 1)
        // By where a layer's parameters begin: the number of its first array.
        var known: [Int: Int] = [:]
        var (arrays, numbers) = (0, placement.count)
        for (index, step) in graph.steps.enumerated() {
            guard let calls = made[index] else {
                let layer = model.nodes.first { $0.operations.contains(index) }?.name.string ?? ""
                throw MartletError(.unsupported, "layer \"\(layer)\" \(step.operation.lackOfCalls)")
            }
            let gives = lifetimes.place(ofValue: step.output, placement)
            for call in calls {
                let again = step.parameterCount > 0 ? known[step.firstParameter] : nil
                entries.append(
                    CEntry(
                        call: call,
                        reads: call.reads.map { read in
                            read.map { $0 < 0 ? gives : lifetimes.place(ofValue: step.inputs[$0], placement) }
                        },
                        gives: gives, room: call.room > 0 ? lifetimes.place(ofRoom: index, placement) : nil,
                        firstArray: again ?? arrays, isAgain: again != nil))
                if again != nil { continue }
                if step.parameterCount > 0 { known[step.firstParameter] = arrays }
                arrays += call.arrays.count
                for array in call.arrays { numbers = max(numbers, array.count) }
            }
        }
        guard numbers <= Int(Int32.max) else {
            throw MartletError(.unsupported, "an array of \(numbers) numbers is more than C's int counts, 2^31 - 1")
        }
    }

    func write(to text: inout CText) {
        writeHead(to: &text)
        var isWritten = [Bool](repeating: false, count: 192)
        define(.copy, 0, &isWritten, &text)
        for entry in entries {
            for function in entry.call.function.needs + [entry.call.function] {
                define(function, entry.call.width, &isWritten, &text)
            }
        }
        for (number, entry) in entries.enumerated() {
            text.add("static const int g@[] = {", number)
            for value in entry.call.numbers { text.add("@, ", value) }
            text.add("};\n")
            for (place, array) in entry.call.arrays.enumerated() where !entry.isAgain {
                text.add("static const float a@[] = {", entry.firstArray + place)
                for value in 0..<array.count { text.add(array.value(value), endsLine: value % 10 == 9) }
                text.add("};\n")
            }
        }
        text.add("\n")
        writeSignature(to: &text)
        text.add("\n{\n")
        for number in model.graph.inputs.indices where !isRead(-1 - number) { text.add("    (void)x@;\n", number) }
        if placement.count == 0 { text.add("    (void)m;\n") }
        for (number, entry) in entries.enumerated() {
            text.add("    ")
            text.add(entry.call.function.parts.name, entry.call.width)
            text.add("(g@", number)
            for place in entry.reads { text.add(place: place) }
            for place in entry.call.arrays.indices { text.add(", a@", entry.firstArray + place) }
            if let room = entry.room { text.add(place: room) }
            text.add(place: entry.gives)
            text.add(");\n")
        }
        for (number, value) in model.graph.outputs.enumerated() {
            text.add("    const int n@", number)
            text.add(" = @;\n", model.graph.values[value].shape.elementCount)
            text.add("    copy(&n@", number)
            text.add(place: lifetimes.place(ofValue: value, placement))
            text.add(", y@);\n", number)
        }
        text.add("}\n")
    }

    /// Whether anything reads what lies at a place.
    private func isRead(_ place: Int) -> Bool {
        entries.contains { $0.reads.contains(place) }
            || model.graph.outputs.contains { lifetimes.place(ofValue: $0, placement) == place }
    }

    /// Writes a function, unless it is there.
    private func define(_ function: CFunction, _ width: Int, _ isWritten: inout [Bool], _ text: inout CText) {
        let place = function == .add ? 64 + width : function == .convolve ? 128 + width : function.rawValue
        if isWritten[place] { return }
        isWritten[place] = true
        let (name, body, isExpression) = function.parts
        text.add(function == .place ? "static int " : function == .activate ? "static float " : "static void ")
        text.add(name, width)
        if isExpression {
            text.add("(const int *g, const float *x, float *y)\n{\n    for (int i = 0; i < g[0]; ++i) y[i] = ")
        }
        text.add(body, width)
        text.add(isExpression ? ";\n}\n\n" : "\n\n")
    }

    private func writeHead(to text: inout CText) {
        text.add("/* What a model of Martlet's predicts by, for one sample; it needs libm, and nothing else.\n *\n")
        for (number, value) in model.graph.inputs.enumerated() {
            text.add(" * x@: ", number)
            describe(model.nodes.first { $0.value == value }, to: &text)
        }
        for (number, node) in model.outputNodes.enumerated() {
            text.add(" * y@: ", number)
            describe(model.nodes[node], to: &text)
        }
        text.add(
            " * m: room for @ numbers, which it leaves nothing in: each thread has its own\n", placement.count)
        let constants = entries.filter { !$0.isAgain }.flatMap(\.call.arrays).reduce(0) { $0 + $1.count }
        text.add(" * constants: @ numbers\n */\n", constants)
        text.add("#include <math.h>\n\n")
        writeSignature(to: &text)
        text.add(";\n\n")
    }

    private func describe(_ node: Node?, to text: inout CText) {
        text.add("@ numbers, ", node?.output.elementCount ?? 0)
        text.add(CText.word(Array((node?.name.string ?? "").utf8)))
        text.add("\n")
    }

    private func writeSignature(to text: inout CText) {
        text.add("void ")
        text.add(name)
        text.add("_predict(")
        for (number, value) in model.graph.inputs.enumerated() {
            text.add(model.graph.values[value].kind == .indices ? "const int *x@, " : "const float *x@, ", number)
        }
        for number in model.graph.outputs.indices { text.add("float *y@, ", number) }
        text.add("float *m)")
    }
}

/// A file being written. What goes wrong first is what ``commit()`` throws.
@safe private struct CText: ~Copyable {
    private var file: DurableFile
    private var error: MartletError?

    init(_ path: UnsafePointer<CChar>) throws(MartletError) { file = try unsafe DurableFile(replacing: path) }

    consuming func commit() throws(MartletError) {
        if let error { throw error }
        try file.commit()
    }

    private mutating func add(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        if error != nil { return }
        do throws(MartletError) { try unsafe file.write(bytes, byteCount: count) } catch { self.error = error }
    }

    /// Text, with a number wherever it has "@".
    mutating func add(_ text: StaticString, _ number: Int = 0) {
        var start = 0
        for place in 0..<text.utf8CodeUnitCount where unsafe text.utf8Start[place] == UInt8(ascii: "@") {
            unsafe add(text.utf8Start + start, place - start)
            add(number.description)
            start = place + 1
        }
        unsafe add(text.utf8Start + start, text.utf8CodeUnitCount - start)
    }

    mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { bytes in if let base = bytes.baseAddress { unsafe add(base, bytes.count) } }
    }

    /// The shortest decimals that are the number.
    mutating func add(_ value: Float, endsLine: Bool) {
        add(value.isFinite ? value.description : value.isNaN ? "NAN" : value < 0 ? "-INFINITY" : "INFINITY")
        if value.isFinite { add("f") }
        add(endsLine ? ",\n" : ",")
    }

    /// An argument that is a value; nil: a null pointer.
    mutating func add(place: Int?) {
        guard let place else { return add(", 0") }
        if place < 0 { add(", x@", -1 - place) } else { add(", m + @", place) }
    }

    /// Letters, digits and _ as they are, and _ for anything else, which might end a comment or be no name.
    static func word(_ bytes: [UInt8]) -> String {
        let plain = bytes.map { byte in
            let letter = byte | 0x20
            let isPlain =
                (letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z"))
                || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
            return isPlain ? byte : UInt8(ascii: "_")
        }
        return String(decoding: plain, as: UTF8.self)
    }

    /// What a file's functions begin with: its name up to the first dot, behind "model" where that begins with no letter.
    static func name(_ path: UnsafePointer<CChar>) -> String {
        let bytes = unsafe UnsafeRawBufferPointer(start: path, count: strlen(path))
        let last = unsafe bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        let name = word(unsafe Array(bytes[last...].prefix { $0 != UInt8(ascii: ".") }))
        guard let first = name.utf8.first, first >= UInt8(ascii: "A") else { return "model" + name }
        return first == UInt8(ascii: "_") ? "model" + name : name
    }
}
