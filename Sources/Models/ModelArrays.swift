// A model's calls over Swift arrays: samples and labels are read where they lie, and what is worked out comes back as an
// array. What each computes, throws and promises is said at the call of the same name over Samples. Memory for what comes
// back is Swift's own, of which it is asked first whether there is any.
import MartletPlatform

/// A number that an array of samples, labels or targets may hold: Float for samples and targets, an integer for labels and
/// for rows of tables.
public protocol SampleNumber: BitwiseCopyable, Sendable {
    static var sampleType: SampleType { get }
}

extension Float: SampleNumber { public static var sampleType: SampleType { .fp32 } }
extension UInt8: SampleNumber { public static var sampleType: SampleType { .uint8 } }
extension Int32: SampleNumber { public static var sampleType: SampleType { .int32 } }
extension Int64: SampleNumber { public static var sampleType: SampleType { .int64 } }
extension Int: SampleNumber { public static var sampleType: SampleType { .int64 } }

extension Model {
    /// One training step on one batch, which is all of x. Returns its score.
    @discardableResult
    public func train<Target: SampleNumber>(_ x: [Float], _ y: [Target]) throws(MartletError) -> Score {
        try withSamples(x, y) { (x, y) throws(MartletError) in try unsafe train(x, y) }
    }

    /// Trains for some epochs. Returns what it came to.
    ///
    /// - Parameter validation: samples that are evaluated after each epoch; nil for none.
    @discardableResult
    public func fit<Target: SampleNumber>(
        _ x: [Float], _ y: [Target], validation: (x: [Float], y: [Target])? = nil, _ loop: Loop = Loop()
    ) throws(MartletError) -> Outcome {
        try withSamples(x, y) { (x, y) throws(MartletError) in
            guard let held = validation else { return try unsafe fit(x, y, loop) }
            return try withSamples(held.x, held.y) { (heldX, heldY) throws(MartletError) in
                try unsafe fit(x, y, validation: (heldX, heldY, nil), loop)
            }
        }
    }

    /// Loss and metrics over all samples.
    public func evaluate<Target: SampleNumber>(
        _ x: [Float], _ y: [Target], _ loop: Loop = Loop()
    ) throws(MartletError) -> Outcome {
        try withSamples(x, y) { (x, y) throws(MartletError) in try unsafe evaluate(x, y, loop) }
    }

    /// The output of every sample, one behind the other; where the loop's progress function stops the walk, what was not
    /// reached is NaN.
    public func predict(_ x: [Float], _ loop: Loop = Loop()) throws(MartletError) -> [Float] { try outputs(x, loop) }

    private func outputs<Number: SampleNumber>(_ x: [Number], _ loop: Loop) throws(MartletError) -> [Float] {
        // An output of no element, or a count that is no multiple, is refused below.
        let (count, overflow) = (x.count / max(1, input.elementCount)).multipliedReportingOverflow(
            by: outputElementCount)
        var out = try results(overflow ? 0 : count)
        try withSamples(x, [Float]()) { (x, _) throws(MartletError) in
            try unsafe out.withUnsafeMutableBufferPointer { (target) throws(MartletError) in
                _ = try unsafe predict(x, into: target, loop)
            }
        }
        return out
    }

    // MARK: - Whole numbers

    /// One training step on one batch of whole numbers: rows of tables, or bytes, which count as numbers.
    @discardableResult
    public func train<Number: SampleNumber & FixedWidthInteger, Target: SampleNumber>(
        integers x: [Number], _ y: [Target]
    ) throws(MartletError) -> Score {
        try withSamples(x, y) { (x, y) throws(MartletError) in try unsafe train(x, y) }
    }

    /// Trains for some epochs on whole numbers. Returns what it came to.
    @discardableResult
    public func fit<Number: SampleNumber & FixedWidthInteger, Target: SampleNumber>(
        integers x: [Number], _ y: [Target], _ loop: Loop = Loop()
    ) throws(MartletError) -> Outcome {
        try withSamples(x, y) { (x, y) throws(MartletError) in try unsafe fit(x, y, loop) }
    }

    /// Loss and metrics over all samples of whole numbers.
    public func evaluate<Number: SampleNumber & FixedWidthInteger, Target: SampleNumber>(
        integers x: [Number], _ y: [Target], _ loop: Loop = Loop()
    ) throws(MartletError) -> Outcome {
        try withSamples(x, y) { (x, y) throws(MartletError) in try unsafe evaluate(x, y, loop) }
    }

    /// The output of every sample of whole numbers.
    public func predict<Number: SampleNumber & FixedWidthInteger>(
        integers x: [Number], _ loop: Loop = Loop()
    ) throws(MartletError) -> [Float] { try outputs(x, loop) }
}

/// Two arrays as samples, for as long as `body` runs.
private func withSamples<Number: SampleNumber, Target: SampleNumber, Result>(
    _ x: [Number], _ y: [Target], _ body: (_ x: SampleArrays, _ y: SampleArrays) throws(MartletError) -> Result
) throws(MartletError) -> Result {
    try unsafe x.withUnsafeBufferPointer { (x) throws(MartletError) in
        try unsafe y.withUnsafeBufferPointer { (y) throws(MartletError) in
            try unsafe body(try SampleArrays(Samples(x)), try SampleArrays(Samples(y), name: "y"))
        }
    }
}

/// Room for what comes back, NaN throughout. Throws `.memory` where the system gives none: an array would end the process.
private func results(_ count: Int) throws(MartletError) -> [Float] {
    _ = try ZeroedMemory(count: count, stride: MemoryLayout<Float>.stride)
    return [Float](repeating: .nan, count: count)
}

/// The matrix product of arrays, row after row: left is rows x inner, right inner x columns, and the result rows x columns.
///
/// Throws `.shape` where an array has another count than its sizes say, and `.memory`.
public func multiply(_ left: [Float], _ right: [Float], rows: Int, inner: Int, columns: Int) throws(MartletError)
    -> [Float]
{
    for (name, array, (size, other)) in [("left", left, (rows, inner)), ("right", right, (inner, columns))] {
        let (count, overflow) = size.multipliedReportingOverflow(by: other)
        guard size >= 0, other >= 0, !overflow, array.count == count else {
            throw MartletError(.shape, "\(name) has \(array.count) elements; expected \(size) x \(other)")
        }
    }
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard !overflow, count <= 1 << 56 else {
        throw MartletError(.shape, "out is \(rows) x \(columns); expected 2^56 elements at most")
    }
    var out = try results(count)
    try unsafe left.withUnsafeBufferPointer { (left) throws(MartletError) in
        try unsafe right.withUnsafeBufferPointer { (right) throws(MartletError) in
            try unsafe out.withUnsafeMutableBufferPointer { (out) throws(MartletError) in
                try unsafe multiply(
                    out.baseAddress, left.baseAddress, right.baseAddress, rows: rows, inner: inner, columns: columns)
            }
        }
    }
    return out
}
