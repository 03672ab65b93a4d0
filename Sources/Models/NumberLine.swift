// Numbers with names on one line of a file's metadata: "kind=1 units=64 kernel=3,3 rate=0x3fe0000000000000". Integers
// stand in decimals; numbers of fp64 by their bits, since reading decimals depends on the host's rounding mode.
import MartletPlatform

struct NumberLine {
    /// No line that is written is longer; a file's may be of any length.
    private static var longest: Int { 8000 }

    private var fields: [(key: String, values: [UInt64])] = []
    private(set) var text = ""

    init() {}

    mutating func add(_ key: String, _ values: Int...) { add(key, values) }

    mutating func add(_ key: String, _ values: [Int]) {
        add(key, values.map { "\($0)" }.joined(separator: ","))
    }

    mutating func add(_ key: String, bits value: Double) {
        add(key, "0x" + String(value.bitPattern, radix: 16))
    }

    private mutating func add(_ key: String, _ value: String) {
        text += (text.isEmpty ? "" : " ") + key + "=" + value
    }

    /// Reads what `add` wrote; nil for anything else.
    init?(parsing bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= NumberLine.longest else { return nil }
        text = unsafe String(decoding: bytes, as: UTF8.self)
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            var values: [UInt64] = []
            for number in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
                if number.hasPrefix("0x") {
                    guard let bits = UInt64(number.dropFirst(2), radix: 16) else { return nil }
                    values.append(bits)
                } else {
                    guard let value = Int64(number) else { return nil }
                    values.append(UInt64(bitPattern: value))
                }
            }
            fields.append((String(parts[0]), values))
        }
    }

    /// The integers under a key; nil where there are none.
    func integers(_ key: String) -> [Int]? {
        fields.first { $0.key == key }?.values.map { Int(Int64(bitPattern: $0)) }
    }

    /// The one integer under a key.
    func integer(_ key: String) -> Int? {
        guard let values = integers(key), values.count == 1 else { return nil }
        return values[0]
    }

    func pair(_ key: String) -> Pair? {
        guard let values = integers(key), values.count == 2 else { return nil }
        return Pair(values[0], values[1])
    }

    /// The integer under a key as a raw value.
    func choice<Choice: RawRepresentable<Int32>>(_ key: String) -> Choice? {
        integer(key).flatMap(Int32.init(exactly:)).flatMap(Choice.init(rawValue:))
    }

    /// The number of fp64 whose bits stand under a key.
    func double(_ key: String) -> Double? {
        integer(key).map { Double(bitPattern: UInt64(bitPattern: Int64($0))) }
    }
}
