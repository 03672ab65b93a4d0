// The trajectory of trajectory.h from Swift, through the MartletOptimizers product: `handles` (an Optimizer owns the
// moments) or `memory` (they are the program's own). Prints the lines that run.py compares. `network` is Network.swift's.
import Glibc
import MartletOptimizers
import MartletPlatform

let sizes = [1, 7, 64, 129, 40009]
let stepCount: Int32 = 200
let slotNames = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"]

typealias Array1 = UnsafeMutableBufferPointer<Float>

/// An integer of at most 2^23 in size times a power of two: exact in Float.
func number(stream: Int, index: Int) -> Float {
    var x = UInt64(stream) << 32 &+ UInt64(index) &+ 0x9E37_79B9_7F4A_7C15
    x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
    x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
    x ^= x >> 31
    let integer = Float(Int(x >> 40) - 1 << 23)
    return integer * Float(sign: .plus, exponent: -22 - Int(x & 15), significand: 1)
}

func makeArray(_ count: Int) -> Array1 {
    let array = Array1.allocate(capacity: count)
    unsafe array.initialize(repeating: 0)
    return unsafe array
}

func fill(_ array: Array1, tensor: Int, step: Int32) {
    for index in 0..<sizes[tensor] { unsafe array[index] = number(stream: 8 * Int(step) + tensor, index: index) }
}

/// The two groups of a run: 0 and 1 are Adam, 2 and 3 AdamW; AMSGrad is on in 1 and 3.
func groups(_ run: Int) -> [Configuration] {
    var first = Configuration(run < 2 ? .adam : .adamW)
    if run % 2 == 1 { first.flags = .amsgrad }
    var second = first
    second.lr = 0.02
    second.beta1 = 0.8
    second.beta2 = 0.99
    second.eps = 1e-6
    second.weightDecay = 0.05
    return [first, second]
}

func hash(_ bytes: UnsafeRawBufferPointer) -> String {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in bytes.indices { value = unsafe (value ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

func describe(_ run: Int, _ tensor: Int, _ value: Array1, _ slots: [UnsafeRawBufferPointer]) {
    var line = unsafe "run \(run) tensor \(tensor) value \(hash(UnsafeRawBufferPointer(value)))"
    for slot in slots.indices { line += unsafe " \(slotNames[slot]) \(hash(slots[slot]))" }
    print(line)
}

func runHandles(_ run: Int) throws {
    let configurations = groups(run)
    let optimizer = try Optimizer(configurations[0])
    _ = try optimizer.addGroup(configurations[1])
    let values = unsafe sizes.map { unsafe makeArray($0) }
    let gradients = unsafe sizes.map { unsafe makeArray($0) }
    for tensor in sizes.indices {
        unsafe fill(values[tensor], tensor: tensor, step: 0)
        _ = try unsafe optimizer.add(ArrayView(values[tensor]), group: tensor % 2)
    }
    let views = unsafe gradients.map { unsafe ArrayView($0) }
    for step in 1...stepCount {
        for tensor in sizes.indices { unsafe fill(gradients[tensor], tensor: tensor, step: step) }
        try unsafe views.withUnsafeBufferPointer { try unsafe _ = optimizer.step($0) }
    }
    for tensor in sizes.indices {
        let slots = try unsafe (0..<2 + run % 2).map { slot in
            let view = try unsafe optimizer.state(of: tensor, slot: slot)
            return unsafe UnsafeRawBufferPointer(start: view.base, count: 4 * view.count)
        }
        unsafe describe(run, tensor, values[tensor], slots)
    }
}

func runMemory(_ run: Int) throws {
    let slotCount = 2 + run % 2
    let values = unsafe sizes.map { unsafe makeArray($0) }
    let gradients = unsafe sizes.map { unsafe makeArray($0) }
    let states = unsafe sizes.map { size in unsafe (0..<slotCount).map { _ in unsafe makeArray(size) } }
    let counters = UnsafeMutableBufferPointer<Int64>.allocate(capacity: sizes.count)
    unsafe counters.initialize(repeating: 0)
    var parameters: [ParameterView] = unsafe []
    for tensor in sizes.indices {
        unsafe fill(values[tensor], tensor: tensor, step: 0)
        var parameter = unsafe ParameterView(
            value: ArrayView(values[tensor]), gradient: ArrayView(gradients[tensor]),
            step: counters.baseAddress! + tensor, group: tensor % 2)
        for slot in 0..<slotCount { unsafe parameter.state[slot] = ArrayView(states[tensor][slot]) }
        unsafe parameter.stateCount = slotCount
        unsafe parameters.append(parameter)
    }
    let configurations = groups(run)
    for number in 1...stepCount {
        for tensor in sizes.indices { unsafe fill(gradients[tensor], tensor: tensor, step: number) }
        try unsafe parameters.withUnsafeBufferPointer { parameters in
            try unsafe configurations.withUnsafeBufferPointer { try unsafe _ = step(parameters, $0) }
        }
    }
    for tensor in sizes.indices {
        unsafe describe(run, tensor, values[tensor], states[tensor].map { UnsafeRawBufferPointer($0) })
    }
}

@main
struct Trajectory {
    static func main() {
        do {
            if CommandLine.arguments.last == "network" { return try runNetwork() }
            try Settings.setChunk(64)
            for run in 0..<4 {
                if CommandLine.arguments.last == "memory" { try runMemory(run) } else { try runHandles(run) }
            }
        } catch let error as MartletError {
            print(error.message)
            exit(1)
        } catch {
            exit(1)
        }
    }
}
