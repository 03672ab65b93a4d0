// The sizes of one sample: what a node gives for each element of a batch.
import MartletPlatform

/// 1 to 8 sizes, each 1 or more, outermost first; the batch is not among them.
public struct Shape: Sendable, Equatable, CustomStringConvertible {
    public static var maximumRank: Int { 8 }
    /// The most elements of a sample, far below what could overflow when batches and bytes come in.
    static var mostElements: Int { 1 << 40 }

    public private(set) var rank: Int
    private var sizes: InlineArray<8, Int>
    /// The product of the sizes.
    public private(set) var elementCount: Int

    /// Throws `.shape`; `subject` is what the message calls the sizes.
    public init(_ sizes: [Int], _ subject: @autoclosure () -> String = "sizes") throws(MartletError) {
        guard sizes.count >= 1 && sizes.count <= Shape.maximumRank else {
            throw MartletError(.shape, "\(subject()) has rank \(sizes.count); expected 1 to \(Shape.maximumRank)")
        }
        self.sizes = InlineArray(repeating: 1)
        rank = sizes.count
        elementCount = 1
        for (place, size) in sizes.enumerated() {
            let (product, overflow) = elementCount.multipliedReportingOverflow(by: size)
            guard size >= 1, !overflow, product <= Shape.mostElements else {
                throw MartletError(
                    .shape,
                    "\(subject()) is \(Shape.text(sizes)); expected sizes of 1 or more, and 2^40 elements at most")
            }
            self.sizes[place] = size
            elementCount = product
        }
    }

    public subscript(dimension: Int) -> Int {
        precondition(dimension >= 0 && dimension < rank, "a dimension is within its shape")
        return sizes[dimension]
    }

    /// The size of the last dimension: features, or an image's channels.
    public var last: Int { self[rank - 1] }

    /// Elements for each element of the last dimension.
    var outerCount: Int { elementCount / last }

    /// The sizes as an array.
    public var list: [Int] { (0..<rank).map { self[$0] } }

    /// The same sizes but the last.
    func replacingLast(with size: Int, _ subject: @autoclosure () -> String) throws(MartletError) -> Shape {
        var changed = list
        changed[rank - 1] = size
        return try Shape(changed, subject())
    }

    public static func == (one: Shape, other: Shape) -> Bool { one.list == other.list }

    public var description: String { Shape.text(list) }

    static func text(_ sizes: [Int]) -> String { "(" + sizes.map { "\($0)" }.joined(separator: ", ") + ")" }
}
