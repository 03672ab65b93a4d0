// Arrays of other types than the one computed in, block by block: fetched into scratch as that type, run by the plain
// loop, and put back. For combinations that are rare enough that a loop of their own would be code that nobody runs.

import MartletKernelInterface

/// Runs a rule over every element by way of scratch on the stack.
@inline(__always)
func walkBlocks<Rule: UpdateRule>(_ rule: Rule.Type, _ coefficients: UnsafeRawPointer, _ run: Run)
where Rule.Value == DoubleLanes {
    var scratch = DoubleScratch()
    scratch.withAddress { scratch in
        var block = run.arrays
        for place in 0..<arrayCount(rule) {
            block[place] = Operand(base: scratch + place * DoubleScratch.stride, type: .fp64)
        }
        var first = 0
        while first < run.count {
            let count = min(DoubleScratch.count, run.count - first)
            for place in 0..<arrayCount(rule) {
                convert(DoubleLanes.self, run.arrays[place].advanced(by: first), to: block[place], count: count)
            }
            walk(rule, General<On>.self, coefficients, block, count: count)
            for place in 0..<arrayCount(rule) where place != gradientPlace {
                convert(DoubleLanes.self, block[place], to: run.arrays[place].advanced(by: first), count: count)
            }
            first += count
        }
    }
}

/// Copies elements from one type to another, by way of the type computed in, which is one of them or holds both.
@inline(never)
func convert<Value: Lanes>(_ lanes: Value.Type, _ source: Operand, to target: Operand, count: Int) {
    let rest = count & (grain - 1)
    var index = 0
    while index < count - rest {
        prefetch(source.type, in: source.base, at: index)
        Value(source.type, in: source.base, at: index).store(target.type, in: target.base, at: index)
        index += grain
    }
    if rest == 0 { return }
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        let padded = scratch + GrainScratch.stride
        copy(source.base + index * source.type.size, to: scratch, bytes: rest * source.type.size)
        Value(source.type, in: scratch, at: 0).store(target.type, in: padded, at: 0)
        copy(padded, to: target.base + index * target.type.size, bytes: rest * target.type.size)
    }
}
