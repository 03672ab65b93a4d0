// How a run of any number of elements comes to a rule's loop, which takes whole grains, and in fp64 arrays of that type
// alone: others go by blocks there, fetched into scratch and put back while they are in the first-level cache. Such
// combinations are rare enough that a loop of their own would be code that nobody runs. Compiled once for all rules.

import MartletKernelInterface

/// Runs a rule's loop over every element.
func walk(_ loop: RuleLoop, _ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    var run: Run = value(at: run)
    let rest = run.count & (grain - 1)
    run.count -= rest
    withUnsafePointer(to: run) { run in
        if run.pointee.count > 0 { walkGrains(loop, run, coefficients) }
        if rest > 0 { walkRest(loop, run, coefficients, rest) }
    }
}

@inline(__always)
private func walkGrains(_ loop: RuleLoop, _ run: UnsafePointer<Run>, _ coefficients: UnsafeRawPointer) {
    if isBounded(coefficients) {
        walkBounded(loop, run, coefficients)
    } else {
        walkUnbounded(loop, run, coefficients)
    }
}

@inline(never)
private func walkBounded(_ loop: RuleLoop, _ run: UnsafePointer<Run>, _ coefficients: UnsafeRawPointer) {
    let arrays = operands(of: run)
    var part = run.pointee
    let (isDouble, count) = (part.isDouble, part.count)
    withUnsafeMutablePointer(to: &part) { part in
        let parts = operands(of: part)
        eachBounded((arrays + gradientPlace).pointee, isDouble: isDouble, count: count, coefficients) {
            first, length, gradient, plain in
            for place in 0..<part.pointee.arrayCount {
                put(place == gradientPlace ? gradient : (arrays + place).pointee.advanced(by: first), at: parts + place)
            }
            part.pointee.count = length
            walkUnbounded(loop, part, plain)
        }
    }
}

@inline(__always)
private func walkUnbounded(_ loop: RuleLoop, _ run: UnsafePointer<Run>, _ coefficients: UnsafeRawPointer) {
    let converted = run.pointee.isDouble ? convertedCount(run) : 0
    if converted == 0 {
        loop(run, coefficients)
    } else {
        walkBlocks(loop, run, coefficients, converted)
    }
}

/// How many arrays are stored as another type than the one computed in.
@inline(never)
func convertedCount(_ run: UnsafePointer<Run>) -> Int {
    let native: ElementType = run.pointee.isDouble ? .fp64 : .fp32
    let arrays = operands(of: run)
    var converted = 0
    for place in 0..<run.pointee.arrayCount where !isSame((arrays + place).pointee.type, native) { converted += 1 }
    return converted
}

/// By blocks of as many elements as scratch holds of the arrays that are converted.
@inline(never)
private func walkBlocks(
    _ loop: RuleLoop, _ run: UnsafePointer<Run>, _ coefficients: UnsafeRawPointer, _ converted: Int
) {
    let (arrays, arrayCount, count) = (operands(of: run), run.pointee.arrayCount, run.pointee.count)
    let most = ConversionScratch.byteCount / (converted * 8) & ~(grain - 1)
    var block = run.pointee
    var scratch = ConversionScratch()
    scratch.withAddress { scratch in
        withUnsafeMutablePointer(to: &block) { block in
            let parts = operands(of: block)
            var first = 0
            while first < count {
                let length = min(most, count - first)
                var room = scratch
                for place in 0..<arrayCount {
                    var part = (arrays + place).pointee.advanced(by: first)
                    if !isSame(part.type, .fp64) {
                        let fetched = Operand(base: room, type: .fp64)
                        convert(part, to: fetched, count: length)
                        room += most * 8
                        part = fetched
                    }
                    put(part, at: parts + place)
                }
                block.pointee.count = length
                loop(block, coefficients)
                for place in 0..<arrayCount where place != gradientPlace {
                    let array = (arrays + place).pointee.advanced(by: first)
                    if !isSame(array.type, .fp64) { convert((parts + place).pointee, to: array, count: length) }
                }
                first += length
            }
        }
    }
}

/// The last few elements stand among padding, so that the same vector code gives the same bits.
@inline(never)
private func walkRest(
    _ loop: RuleLoop, _ run: UnsafePointer<Run>, _ coefficients: UnsafeRawPointer, _ rest: Int
) {
    let (arrays, arrayCount, whole) = (operands(of: run), run.pointee.arrayCount, run.pointee.count)
    var padded = run.pointee
    padded.count = grain
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        withUnsafeMutablePointer(to: &padded) { padded in
            let parts = operands(of: padded)
            for place in 0..<arrayCount {
                let array = (arrays + place).pointee.advanced(by: whole)
                let part = Operand(base: scratch + place * GrainScratch.stride, type: array.type)
                copy(array.base, to: part.base, bytes: rest * array.type.size)
                put(part, at: parts + place)
            }
            walkGrains(loop, padded, coefficients)
            for place in 0..<arrayCount where place != gradientPlace {
                let array = (arrays + place).pointee.advanced(by: whole)
                copy((parts + place).pointee.base, to: array.base, bytes: rest * array.type.size)
            }
        }
    }
}

/// Whether two types are the same: `==` would be a generic function of the standard library.
@inline(__always)
func isSame(_ a: ElementType, _ b: ElementType) -> Bool {
    switch (a, b) {
    case (.fp64, .fp64), (.fp32, .fp32), (.bf16, .bf16), (.fp16, .fp16): true
    default: false
    }
}
