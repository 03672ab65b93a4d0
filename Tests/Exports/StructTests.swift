// Structs that may grow: every size that a header had or may have, bytes that no call may touch, and fields that this
// version does not serve.

import CMartlet
import MartletTestSupport
import Testing

/// A struct that an init function fills, by its size and the function.
private struct Sized: Sendable {
    let name: String
    let firstSize: Int
    let size: Int
    let fill: @Sendable (UnsafeMutableRawPointer, Int) -> martlet_status

    static let all = [
        Sized(name: "config", firstSize: 80, size: MemoryLayout<martlet_config>.size) {
            martlet_config_init($0.assumingMemoryBound(to: martlet_config.self), $1, MARTLET_ADAMW)
        },
        Sized(name: "report", firstSize: 32, size: MemoryLayout<martlet_report>.size) {
            martlet_report_init($0.assumingMemoryBound(to: martlet_report.self), $1)
        },
        Sized(name: "schedule", firstSize: 96, size: MemoryLayout<martlet_schedule>.size) {
            martlet_schedule_init(
                $0.assumingMemoryBound(to: martlet_schedule.self), $1, MARTLET_SCHEDULE_ONE_CYCLE)
        },
        Sized(name: "plateau", firstSize: 96, size: MemoryLayout<martlet_plateau>.size) {
            martlet_plateau_init($0.assumingMemoryBound(to: martlet_plateau.self), $1, MARTLET_SEMANTICS_KERAS)
        },
        Sized(name: "machine", firstSize: 40, size: MemoryLayout<martlet_machine>.size) {
            martlet_machine_get($0.assumingMemoryBound(to: martlet_machine.self), $1)
        },
    ]
}

/// A config with `tail` bytes behind the fields that this version knows.
private func longConfig(_ tail: Int, _ change: (inout martlet_config) -> Void = { _ in }) -> Memory {
    let size = MemoryLayout<martlet_config>.size + tail
    let memory = Memory(byteCount: size)
    var config = makeConfig(MARTLET_ADAM, change)
    config.struct_size = UInt32(size)
    memory.base.storeBytes(of: config, as: martlet_config.self)
    return memory
}

@Suite struct StructTests {
    @Test func sizes() {
        #expect(MemoryLayout<martlet_array>.size == 64 && MemoryLayout<martlet_parameter>.size == 256)
        #expect(MemoryLayout<martlet_config>.size == 424 && MemoryLayout<martlet_report>.size == 40)
        #expect(MemoryLayout<martlet_machine>.size == 40 && MemoryLayout<martlet_slot>.size == 32)
    }

    /// A config's doubles stand in the order of the hyperparameters' numbers, which a name each stands for.
    @Test func hyperparametersInOrder() {
        let fields: [(Int32, String, PartialKeyPath<martlet_config>)] = [
            (MARTLET_LR, "lr", \.lr), (MARTLET_BETA1, "beta1", \.beta1), (MARTLET_BETA2, "beta2", \.beta2),
            (MARTLET_BETA3, "beta3", \.beta3), (MARTLET_EPS, "eps", \.eps),
            (MARTLET_WEIGHT_DECAY, "weight_decay", \.weight_decay), (MARTLET_MOMENTUM, "momentum", \.momentum),
            (MARTLET_DAMPENING, "dampening", \.dampening), (MARTLET_ALPHA, "alpha", \.alpha),
            (MARTLET_RHO, "rho", \.rho), (MARTLET_LR_DECAY, "lr_decay", \.lr_decay),
            (
                MARTLET_INITIAL_ACCUMULATOR_VALUE, "initial_accumulator_value", \.initial_accumulator_value
            ),
            (MARTLET_ETAMINUS, "etaminus", \.etaminus), (MARTLET_ETAPLUS, "etaplus", \.etaplus),
            (MARTLET_STEP_SIZE_MIN, "step_size_min", \.step_size_min),
            (MARTLET_STEP_SIZE_MAX, "step_size_max", \.step_size_max), (MARTLET_LAMBD, "lambd", \.lambd),
            (MARTLET_T0, "t0", \.t0), (MARTLET_MOMENTUM_DECAY, "momentum_decay", \.momentum_decay),
            (MARTLET_FINAL_LR, "final_lr", \.final_lr), (MARTLET_GAMMA, "gamma", \.gamma),
            (MARTLET_EPS_ROOT, "eps_root", \.eps_root), (MARTLET_EPS2, "eps2", \.eps2),
            (MARTLET_BETA2_DECAY, "beta2_decay", \.beta2_decay),
            (MARTLET_CLIPPING_THRESHOLD, "clipping_threshold", \.clipping_threshold), (MARTLET_R, "r", \.r),
            (MARTLET_WEIGHT_LR_POWER, "weight_lr_power", \.weight_lr_power),
            (MARTLET_WARMUP_STEPS, "warmup_steps", \.warmup_steps),
            (MARTLET_ALPHA_WARMUP, "alpha_warmup", \.alpha_warmup),
            (MARTLET_BETA3_WARMUP, "beta3_warmup", \.beta3_warmup),
            (MARTLET_TRUST_COEFFICIENT, "trust_coefficient", \.trust_coefficient),
            (MARTLET_D0, "d0", \.d0), (MARTLET_D_COEF, "d_coef", \.d_coef),
            (MARTLET_GROWTH_RATE, "growth_rate", \.growth_rate), (MARTLET_NS_STEPS, "ns_steps", \.ns_steps),
            (MARTLET_NS_A, "ns_a", \.ns_a), (MARTLET_NS_B, "ns_b", \.ns_b), (MARTLET_NS_C, "ns_c", \.ns_c),
            (MARTLET_BLOCKS, "blocks", \.blocks),
            (MARTLET_PRECONDITION_FREQUENCY, "precondition_frequency", \.precondition_frequency),
            (MARTLET_MAX_PRECOND_DIM, "max_precond_dim", \.max_precond_dim),
            (MARTLET_BLOCK_SIZE, "block_size", \.block_size),
            (MARTLET_LOOKAHEAD_STEPS, "lookahead_steps", \.lookahead_steps),
            (MARTLET_LOOKAHEAD_ALPHA, "lookahead_alpha", \.lookahead_alpha),
            (MARTLET_LOSS_SCALE, "loss_scale", \.loss_scale), (MARTLET_MAX_NORM, "max_norm", \.max_norm),
            (MARTLET_CLIP_NORM, "clip_norm", \.clip_norm), (MARTLET_CLIP_VALUE, "clip_value", \.clip_value),
            (MARTLET_EMA_DECAY, "ema_decay", \.ema_decay),
            (MARTLET_ACCUMULATE_STEPS, "accumulate", \.accumulate),
        ]
        for (place, (number, name, field)) in fields.enumerated() {
            #expect(number == place + 1 && text(martlet_hyperparameter_name(number)) == name)
            #expect(MemoryLayout<martlet_config>.offset(of: field) == 24 + 8 * place)
        }
        #expect(MemoryLayout<martlet_config>.size == 24 + 8 * fields.count)
        for number in [0, -1, Int32(fields.count) + 1, .max, .min] {
            #expect(martlet_hyperparameter_name(number) == nil)
        }
    }

    /// Fields as they should be, zeros behind them, and not a byte past struct_size.
    @Test(arguments: [0, 1, 2, 3, 4, 8, 20, 183, 184, 185, 500, 4016])
    func initWritesItsSize(tail: Int) {
        for sized in Sized.all {
            let size = sized.firstSize + tail
            if size > 4096 { continue }
            let (plain, memory) = (Memory(byteCount: sized.size), Memory(byteCount: 5000, filledWith: 0xAA))
            #expect(sized.fill(plain.base, sized.size) == MARTLET_OK)
            #expect(sized.fill(memory.base, size) == MARTLET_OK, "\(sized.name) of \(size)")
            let (bytes, known) = (memory.bytes, min(size, sized.size))
            #expect(bytes[4..<known] == plain.bytes[4..<known], "\(sized.name) of \(size)")
            #expect(withExtendedLifetime(memory) { memory.base.load(as: UInt32.self) } == UInt32(size))
            #expect(bytes[known..<size].allSatisfy { $0 == 0 })
            #expect(bytes[size...].allSatisfy { $0 == 0xAA }, "\(sized.name) of \(size): written past its size")
        }
    }

    @Test func initRefusesOtherSizes() {
        for sized in Sized.all {
            for size in [0, 1, sized.firstSize - 1, 4097, 1 << 32, 1 << 32 + sized.firstSize, -1, .min, .max] {
                let memory = Memory(byteCount: 5000, filledWith: 0xAA)
                #expect(sized.fill(memory.base, size) == MARTLET_ERROR_STRUCT, "\(sized.name) of \(size)")
                #expect(lastError.contains("struct_size is \(size)") && lastError.contains("\(sized.size)"))
                #expect(memory.bytes.allSatisfy { $0 == 0xAA })
            }
        }
    }

    @Test func initDefaults() {
        for (algorithm, decay) in [(MARTLET_ADAM, 0.0), (MARTLET_ADAMW, 0.01)] {
            let config = makeConfig(algorithm)
            #expect(config.struct_size == 424 && config.algorithm == algorithm)
            #expect(config.semantics == MARTLET_SEMANTICS_TORCH && config.seed == 0)
            #expect(config.flags == (algorithm == MARTLET_ADAM ? 0 : MARTLET_DECOUPLED_DECAY))
            #expect(config.lr == 1e-3 && config.beta1 == 0.9 && config.beta2 == 0.999 && config.eps == 1e-8)
            #expect(config.weight_decay == decay && config.beta3.isNaN && config.momentum.isNaN)
        }
        var report = martlet_report()
        #expect(martlet_report_init(&report, MemoryLayout<martlet_report>.size) == MARTLET_OK)
        #expect(report.struct_size == 40 && report.skipped == 0 && report.nonfinite_parameter == -1)
        #expect(report.grad_norm.isNaN && report.update_norm.isNaN)
        for algorithm in [0, -1, 1000, .max, .min] as [Int32] {
            var config = martlet_config()
            #expect(martlet_config_init(&config, 80, algorithm) == MARTLET_ERROR_ARGUMENT)
            #expect(lastError.contains("algorithm is \(algorithm)") && config.struct_size == 0)
        }
    }

    /// A struct from a newer header: accepted when what this version does not know is zero.
    @Test(arguments: [1, 4, 8, 100, 3672])
    func longConfigs(tail: Int) {
        let memory = longConfig(tail)
        let config: UnsafeMutablePointer<martlet_config> = memory.pointer()
        defer { extendLifetime(memory) }
        var (count, token): (Int64, OpaquePointer?) = (0, nil)
        #expect(martlet_algorithm_slot_count(&count, config) == MARTLET_OK && count == 2)
        #expect(martlet_optimizer_create(&token, config) == MARTLET_OK)
        #expect(martlet_optimizer_group_add(token, nil, config) == MARTLET_OK)
        for offset in Set([424, 424 + tail / 2, 424 + tail - 1]) {
            memory.base.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
            var other: OpaquePointer?
            #expect(martlet_optimizer_create(&other, config) == MARTLET_ERROR_STRUCT && other == nil)
            #expect(lastError.contains("offset \(offset)"))
            #expect(martlet_optimizer_group_add(token, nil, config) == MARTLET_ERROR_STRUCT)
            #expect(martlet_algorithm_slot_count(&count, config) == MARTLET_ERROR_STRUCT)
            memory.base.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
        }
        #expect(martlet_optimizer_group_count(token, &count) == MARTLET_OK && count == 2)
        martlet_optimizer_destroy(token)
    }

    @Test func shortConfigs() {
        for size in [0, 1, 79, 4097, .max] as [UInt32] {
            var config = makeConfig { $0.struct_size = size }
            var token: OpaquePointer?
            #expect(martlet_optimizer_create(&token, &config) == MARTLET_ERROR_STRUCT && token == nil)
            #expect(lastError.contains("config->struct_size is \(size)"))
        }
    }

    /// What a struct of the first header has no room for is what the algorithm has by default, whatever lies there.
    @Test func fieldsBeyondTheStruct() {
        for (size, etaminus) in [(80, 0.5), (120, 0.5), (128, 0.25)] as [(UInt32, Double)] {
            let handle = Handle(
                makeConfig(MARTLET_RPROP) { ($0.struct_size, $0.lr, $0.etaminus, $0.etaplus) = (size, 0.1, 0.25, .nan) }
            )
            defer { extendLifetime(handle) }
            let wanted = [
                (MARTLET_LR, 0.1), (MARTLET_ETAMINUS, etaminus), (MARTLET_ETAPLUS, 1.2), (MARTLET_STEP_SIZE_MAX, 50),
            ]
            for (hyperparameter, value) in wanted {
                var found = 0.0
                #expect(martlet_optimizer_get(handle.token, &found, 0, hyperparameter) == MARTLET_OK && found == value)
            }
        }
    }

    /// Configs of a longer struct stand one behind the other by their own size.
    @Test func longGroups() {
        func values(_ size: Int, _ changes: [(inout martlet_config) -> Void], status: martlet_status) -> [[Float]] {
            // A whole struct is written where the last one begins, however short it says it is.
            let memory = Memory(byteCount: size * changes.count + MemoryLayout<martlet_config>.size)
            for (index, change) in changes.enumerated() {
                var config = makeConfig(MARTLET_ADAM) { $0.struct_size = UInt32(size) }
                change(&config)
                memory.base.storeBytes(of: config, toByteOffset: index * size, as: martlet_config.self)
            }
            let parameters = changes.indices.map { _ in (Floats(8, seed: 1), Floats(8, seed: 2), Floats(8), Floats(8)) }
            var (states, steps) = ([martlet_array](), [Int64](repeating: 0, count: changes.count))
            for parameter in parameters { states += [parameter.2.array, parameter.3.array] }
            let found = states.withUnsafeMutableBufferPointer { states in
                steps.withUnsafeMutableBufferPointer { steps in
                    let items = parameters.enumerated().map { index, parameter in
                        var item = makeParameter(parameter.0)
                        item.grad = parameter.1.array
                        (item.state, item.state_count) = (states.baseAddress! + 2 * index, 2)
                        (item.step, item.group) = (steps.baseAddress! + index, Int32(index))
                        return item
                    }
                    return martlet_step(nil, items, Int64(items.count), memory.pointer(), Int64(changes.count))
                }
            }
            extendLifetime(memory)
            #expect(found == status, "\(lastError)")
            return parameters.map { $0.0.numbers }
        }
        let rates: [(inout martlet_config) -> Void] = [{ $0.lr = 0.1 }, { $0.lr = 0.2 }, { $0.lr = 0.3 }]
        let plain = values(376, rates, status: MARTLET_OK)
        #expect(Set(plain).count == 3)
        #expect(values(368, rates, status: MARTLET_OK) == plain)
        #expect(values(4096, rates, status: MARTLET_OK) == plain)
        let untouched = Floats(8, seed: 1).numbers
        for size in [353, 356] {
            #expect(values(size, rates, status: MARTLET_ERROR_STRUCT).allSatisfy { $0 == untouched })
        }
        _ = values(376, [{ _ in }, { $0.struct_size = 80 }], status: MARTLET_ERROR_STRUCT)
        #expect(lastError.contains("groups[1].struct_size is 80"))
    }

    /// A report of any size is filled to its size; a wrong one is refused before anything is written.
    @Test func reports() {
        let handle = Handle()
        defer { extendLifetime(handle) }
        let values = Floats(4, seed: 1)
        var (parameter, none) = (makeParameter(values), martlet_array())
        martlet_optimizer_add(handle.token, nil, &parameter)
        for size in [32, 33, 40, 4096] {
            let memory = Memory(byteCount: 5000, filledWith: 0xAA)
            let report: UnsafeMutablePointer<martlet_report> = memory.pointer()
            report.pointee.struct_size = UInt32(size)
            #expect(martlet_optimizer_step(handle.token, report, &none, 1) == MARTLET_OK)
            #expect(report.pointee.struct_size == UInt32(size) && report.pointee.skipped == 1)
            #expect(report.pointee.grad_norm.isNaN && report.pointee.nonfinite_parameter == -1)
            #expect(memory.bytes[32..<size].allSatisfy { $0 == 0 } && memory.bytes[size...].allSatisfy { $0 == 0xAA })
        }
        let gradient = Floats(4, seed: 2)
        var array = gradient.array
        for size in [0, 31, 4097] as [UInt32] {
            var report = martlet_report()
            report.struct_size = size
            #expect(martlet_optimizer_step(handle.token, &report, &array, 1) == MARTLET_ERROR_STRUCT)
            #expect(lastError.contains("out_report->struct_size is \(size)"))
            #expect(martlet_step(&report, nil, 0, nil, 0) == MARTLET_ERROR_STRUCT)
        }
        #expect(values.numbers == Floats(4, seed: 1).numbers)
        extendLifetime(gradient)
    }

    @Test func misalignedStructs() {
        let memory = Memory(byteCount: 200)
        let config = memory.pointer(martlet_config.self, at: 4)
        defer { extendLifetime(memory) }
        var token: OpaquePointer?
        #expect(martlet_config_init(config, 80, MARTLET_ADAM) == MARTLET_ERROR_ALIGNMENT)
        #expect(martlet_optimizer_create(&token, config) == MARTLET_ERROR_ALIGNMENT)
        #expect(martlet_report_init(memory.pointer(at: 4), 32) == MARTLET_ERROR_ALIGNMENT)
        #expect(martlet_machine_get(memory.pointer(at: 1), 40) == MARTLET_ERROR_ALIGNMENT)
        #expect(memory.bytes.allSatisfy { $0 == 0 })
    }

    @Test func configFields() {
        let cases: [(martlet_status, String, (inout martlet_config) -> Void)] = [
            (MARTLET_ERROR_ARGUMENT, "config.algorithm is 99", { $0.algorithm = 99 }),
            (MARTLET_ERROR_ARGUMENT, "config.semantics is 4", { $0.semantics = 4 }),
            (MARTLET_ERROR_ARGUMENT, "config.semantics is -1", { $0.semantics = -1 }),
            (MARTLET_ERROR_ARGUMENT, "config.flags is 2147483648", { $0.flags = 1 << 31 }),
            (MARTLET_ERROR_ARGUMENT, "config.flags", { $0.flags = MARTLET_FLUSH_DENORMALS | MARTLET_KEEP_DENORMALS }),
            (MARTLET_ERROR_ARGUMENT, "config.lr is nan", { $0.lr = .nan }),
            (MARTLET_ERROR_ARGUMENT, "config.beta1 is 1.0", { $0.beta1 = 1 }),
            (MARTLET_ERROR_ARGUMENT, "config.beta2 is -0.5", { $0.beta2 = -0.5 }),
            (MARTLET_ERROR_ARGUMENT, "config.beta3 is 0.9", { $0.beta3 = 0.9 }),
            (MARTLET_ERROR_ARGUMENT, "config.eps is inf", { $0.eps = .infinity }),
            (MARTLET_ERROR_ARGUMENT, "config.weight_decay is -1.0", { $0.weight_decay = -1 }),
            (MARTLET_ERROR_ARGUMENT, "config.momentum is 0.0", { $0.momentum = 0 }),
        ]
        for (status, words, change) in cases {
            var config = makeConfig(MARTLET_ADAM, change)
            var token: OpaquePointer?
            #expect(martlet_optimizer_create(&token, &config) == status && token == nil, "\(words)")
            #expect(lastError.hasPrefix("martlet_optimizer_create: ") && lastError.contains(words), "\(lastError)")
            #expect(lastError.contains("expected"), "\(lastError)")
        }
    }

    /// Fields that later versions will use are refused by name, in a parameter and in each of its arrays.
    @Test func fieldsOfTheFuture() {
        let one = Memory(byteCount: 8)
        let address: UnsafeMutableRawPointer = one.base
        defer { extendLifetime(one) }
        let cases: [(martlet_status, String, (inout martlet_parameter) -> Void)] = [
            (MARTLET_ERROR_UNSUPPORTED, "flags is 4", { $0.flags = 4 }),
            (MARTLET_ERROR_STRUCT, "reserved", { $0.reserved.0 = 1 }),
            (MARTLET_ERROR_STRUCT, "reserved", { $0.reserved.2 = 1 << 63 }),
            (MARTLET_ERROR_STRUCT, "reserved", { $0.step_reserved = 1 }),
            (MARTLET_ERROR_STRUCT, "value.reserved is 3", { $0.value.reserved = 3 }),
            (MARTLET_ERROR_UNSUPPORTED, "value has scales", { $0.value.scales = address }),
            (MARTLET_ERROR_UNSUPPORTED, "value has scales", { $0.value.block = 64 }),
            (MARTLET_ERROR_UNSUPPORTED, "value has scales", { $0.value.scale_dtype = 2 }),
            (MARTLET_ERROR_TYPE, "value.dtype is 0", { $0.value.dtype = 0 }),
            (MARTLET_ERROR_TYPE, "value.dtype is -2", { $0.value.dtype = -2 }),
            (MARTLET_ERROR_TYPE, "value.dtype is 7", { $0.value.dtype = MARTLET_INT32 }),
            (MARTLET_ERROR_TYPE, "value.dtype is 14", { $0.value.dtype = 14 }),
            (MARTLET_ERROR_TYPE, "value.dtype is 10", { $0.value.dtype = MARTLET_FLOAT8 }),
            (MARTLET_ERROR_TYPE, "value.dtype is 13", { $0.value.dtype = MARTLET_UFLOAT4 }),
        ]
        let handle = Handle()
        defer { extendLifetime(handle) }
        let values = Floats(4, seed: 1)
        defer { extendLifetime(values) }
        for (status, words, change) in cases {
            var parameter = makeParameter(values)
            change(&parameter)
            var index: Int64 = -5
            #expect(martlet_optimizer_add(handle.token, &index, &parameter) == status, "\(words)")
            #expect(lastError.contains("parameter") && lastError.contains(words), "\(lastError)")
            #expect(lastError.contains("expected") && index == -5, "\(lastError)")
            parameter.step = one.pointer()
            var config = makeConfig()
            #expect(martlet_step(nil, &parameter, 1, &config, 1) == status, "\(words)")
        }
    }
}
