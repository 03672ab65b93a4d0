// The three ways to take a step from C, which compute the same bits, and the optimizer's functions beside them.

import CMartlet
import MartletTestSupport
import Testing

/// A parameter with gradient, moments and counter in memory of its own.
private final class Stateless {
    let value: Floats
    let gradient: Floats
    let state: Floats
    var step: Int64 = 0

    init(_ count: Int, seed: UInt32, slots: Int = 2) {
        (value, gradient, state) = (Floats(count, seed: seed), Floats(count), Floats(count * slots))
    }

    /// One step through `martlet_step`, with each moment an array of its own.
    func stepList(_ config: martlet_config) -> martlet_status {
        let count = value.count
        var config = config
        var slots = (0..<state.count / count).map { slot in
            var array = state.array
            array.data = UnsafeMutableRawPointer(state.base + slot * count)
            array.count = Int64(count)
            return array
        }
        return slots.withUnsafeMutableBufferPointer { slots in
            withUnsafeMutablePointer(to: &step) { step in
                var parameter = makeParameter(value)
                parameter.grad = gradient.array
                (parameter.state, parameter.state_count, parameter.step) = (slots.baseAddress, Int64(slots.count), step)
                return martlet_step(nil, &parameter, 1, &config, 1)
            }
        }
    }

    func stepArray(_ config: martlet_config) -> martlet_status {
        var config = config
        return martlet_array_step(value.base, gradient.base, state.base, Int64(value.count), &step, &config)
    }
}

@Suite struct StepTests {
    private static let configs = [
        makeConfig(), makeConfig(MARTLET_ADAMW), makeConfig { ($0.flags, $0.weight_decay) = (MARTLET_AMSGRAD, 0.1) },
        makeConfig { ($0.semantics, $0.flags) = (MARTLET_SEMANTICS_OPTAX, MARTLET_MAXIMIZE | MARTLET_AMSGRAD) },
    ]

    @Test(arguments: [1, 17, 3001])
    func threeWays(count: Int) {
        for (index, config) in Self.configs.enumerated() {
            let slots = config.flags & MARTLET_AMSGRAD != 0 ? 3 : 2
            let (list, array) = (Stateless(count, seed: 1, slots: slots), Stateless(count, seed: 1, slots: slots))
            let (value, handle) = (Floats(count, seed: 1), Handle(config))
            defer { extendLifetime((value, handle)) }
            var parameter = makeParameter(value)
            #expect(martlet_optimizer_add(handle.token, nil, &parameter) == MARTLET_OK)
            for round in 0..<60 as Range<UInt32> {
                list.gradient.randomize(round)
                array.gradient.randomize(round)
                var gradient = array.gradient.array
                #expect(list.stepList(config) == MARTLET_OK)
                #expect(array.stepArray(config) == MARTLET_OK)
                #expect(martlet_optimizer_step(handle.token, nil, &gradient, 1) == MARTLET_OK)
            }
            let areSame = list.value.numbers == array.value.numbers && list.value.numbers == value.numbers
            #expect(areSame, "config \(index)")
            let isUntouched = list.value.numbers == Floats(count, seed: 1).numbers
            let areStatesSame = list.state.numbers == array.state.numbers
            #expect(!isUntouched && areStatesSame && list.step == 60 && array.step == 60)
            for slot in 0..<slots {
                var view = martlet_array()
                #expect(martlet_optimizer_state_get(handle.token, &view, 0, Int32(slot)) == MARTLET_OK)
                #expect(view.count == Int64(count) && view.dtype == MARTLET_FP32 && view.rank == 0)
                let moments = UnsafeBufferPointer(
                    start: view.data.assumingMemoryBound(to: Float.self), count: count)
                let isSame = moments.elementsEqual(list.state.numbers[slot * count..<(slot + 1) * count])
                #expect(isSame, "config \(index), slot \(slot)")
            }
        }
    }

    @Test func arrayStepDefaults() {
        let (plain, explicit) = (Stateless(9, seed: 1), Stateless(9, seed: 1))
        plain.gradient.randomize(2)
        explicit.gradient.randomize(2)
        #expect(
            martlet_array_step(plain.value.base, plain.gradient.base, plain.state.base, 9, &plain.step, nil)
                == MARTLET_OK)
        #expect(explicit.stepArray(makeConfig()) == MARTLET_OK)
        #expect(plain.value.numbers == explicit.value.numbers && plain.step == 1)
        #expect(martlet_array_step(nil, nil, nil, 0, &plain.step, nil) == MARTLET_OK && plain.step == 2)
    }

    /// Each bad argument by its own name, and nothing changed.
    @Test func arrayStepRefusals() {
        let one = Stateless(9, seed: 1)
        one.gradient.randomize(2)
        let (value, gradient, state) = (one.value.base, one.gradient.base, one.state.base)
        func refuse(_ status: martlet_status, _ words: [String], _ found: martlet_status, line: Int = #line) {
            #expect(found == status, "line \(line)")
            for word in ["martlet_array_step: "] + words {
                #expect(lastError.contains(word), "line \(line): \(lastError)")
            }
            #expect(one.step == 0 && one.value.numbers == Floats(9, seed: 1).numbers, "line \(line)")
            #expect(one.state.numbers.allSatisfy { $0 == 0 }, "line \(line)")
        }
        refuse(MARTLET_ERROR_NULL, ["value"], martlet_array_step(nil, gradient, state, 9, &one.step, nil))
        refuse(MARTLET_ERROR_NULL, ["grad is NULL", "9"], martlet_array_step(value, nil, state, 9, &one.step, nil))
        refuse(
            MARTLET_ERROR_NULL, ["state is NULL", "18 elements"],
            martlet_array_step(value, gradient, nil, 9, &one.step, nil))
        refuse(MARTLET_ERROR_NULL, ["step is NULL"], martlet_array_step(value, gradient, state, 9, nil, nil))
        for count in [-1, .min, .max, 1 << 56 + 1] as [Int64] {
            refuse(
                MARTLET_ERROR_SHAPE, ["count is \(count)"],
                martlet_array_step(value, gradient, state, count, &one.step, nil))
        }
        refuse(
            MARTLET_ERROR_OVERLAP, ["value", "grad"], martlet_array_step(value, value + 3, state, 9, &one.step, nil))
        // In memory of their own, where the gradient cannot lie between them.
        let room = Floats(64, seed: 3)
        refuse(
            MARTLET_ERROR_OVERLAP, ["state[1]", "value"],
            martlet_array_step(room.base + 32, gradient, room.base + 15, 9, &one.step, nil))
        extendLifetime(room)
        let misaligned = UnsafeMutableRawPointer(value) + 2
        refuse(
            MARTLET_ERROR_ALIGNMENT, ["value", "4"],
            martlet_array_step(misaligned.assumingMemoryBound(to: Float.self), gradient, state, 4, &one.step, nil))
        var config = makeConfig { $0.beta1 = 2 }
        refuse(
            MARTLET_ERROR_ARGUMENT, ["config.beta1 is 2.0"],
            martlet_array_step(value, gradient, state, 9, &one.step, &config))
        one.step = -1
        #expect(one.stepArray(makeConfig()) == MARTLET_ERROR_ARGUMENT && lastError.contains("step is -1"))
        extendLifetime(one)
    }

    @Test func listRefusals() {
        var config = makeConfig()
        let value = Floats(3, seed: 1)
        defer { extendLifetime(value) }
        var parameter = makeParameter(value)
        for count in [-1, .min, .max, 1 << 24 + 1] as [Int64] {
            #expect(martlet_step(nil, &parameter, count, &config, 1) == MARTLET_ERROR_ARGUMENT)
            #expect(lastError.contains("count is \(count)"))
            #expect(martlet_step(nil, &parameter, 1, &config, count) == MARTLET_ERROR_ARGUMENT)
            #expect(lastError.contains("group_count is \(count)"))
        }
        #expect(martlet_step(nil, nil, 1, &config, 1) == MARTLET_ERROR_NULL && lastError.contains("parameters is NULL"))
        #expect(martlet_step(nil, &parameter, 1, nil, 1) == MARTLET_ERROR_NULL && lastError.contains("groups is NULL"))
        #expect(martlet_step(nil, &parameter, 1, &config, 1) == MARTLET_ERROR_NULL)
        #expect(lastError.contains("parameters[0].step is NULL"))
        var step: Int64 = 0
        withUnsafeMutablePointer(to: &step) { step in
            parameter.step = step
            parameter.state_count = 2
            #expect(martlet_step(nil, &parameter, 1, &config, 1) == MARTLET_ERROR_NULL)
            #expect(lastError.contains("parameters[0].state is NULL"))
            for count in [-1, 16, .max] as [Int64] {
                parameter.state_count = count
                #expect(martlet_step(nil, &parameter, 1, &config, 1) == MARTLET_ERROR_ARGUMENT)
                #expect(lastError.contains("parameters[0].state_count is \(count)"))
            }
        }
        #expect(martlet_step(nil, nil, 0, nil, 0) == MARTLET_OK)
    }

    /// The life of an optimizer, with a name, a second group and moments of another type.
    @Test func optimizerCalls() {
        let handle = Handle(makeConfig { $0.lr = 0.5 })
        defer { extendLifetime(handle) }
        var (group, index, count, number): (Int32, Int64, Int64, Double) = (-1, -1, -1, -1)
        var config = makeConfig { $0.lr = 0.25 }
        #expect(martlet_optimizer_group_add(handle.token, &group, &config) == MARTLET_OK && group == 1)
        config = makeConfig(MARTLET_ADAMW)
        #expect(martlet_optimizer_group_add(handle.token, &group, &config) == MARTLET_OK && group == 2)
        let value = Floats(6, seed: 1)
        var slots = [martlet_array(), martlet_array()]
        (slots[0].dtype, slots[1].dtype) = (MARTLET_BF16, MARTLET_FP64)
        slots.withUnsafeMutableBufferPointer { slots in
            "weight".withCString { name in
                var parameter = makeParameter(value, name: name)
                (parameter.state, parameter.state_count, parameter.group) = (slots.baseAddress, 2, 1)
                #expect(martlet_optimizer_add(handle.token, &index, &parameter) == MARTLET_OK && index == 0)
            }
        }
        #expect(martlet_optimizer_size(handle.token, &count) == MARTLET_OK && count == 6 * 2 + 6 * 8 + 8)
        #expect(martlet_optimizer_get(handle.token, &number, 1, MARTLET_LR) == MARTLET_OK && number == 0.25)
        #expect(martlet_optimizer_set(handle.token, 1, MARTLET_LR, 2) == MARTLET_OK)
        #expect(martlet_optimizer_get(handle.token, &number, 1, MARTLET_LR) == MARTLET_OK && number == 2)
        #expect(martlet_optimizer_get(handle.token, &number, 0, MARTLET_LR) == MARTLET_OK && number == 0.5)
        for (group, which) in [
            (3, MARTLET_LR), (-1, MARTLET_LR), (0, 0), (0, 31), (0, MARTLET_DAMPENING), (0, MARTLET_BETA3),
            (0, MARTLET_MOMENTUM),
        ] as [(Int32, Int32)] {
            #expect(martlet_optimizer_set(handle.token, group, which, 0.1) == MARTLET_ERROR_ARGUMENT)
            #expect(
                martlet_optimizer_get(handle.token, &number, group, which) == MARTLET_ERROR_ARGUMENT && number == 0.5)
        }
        #expect(martlet_optimizer_set(handle.token, 0, MARTLET_BETA1, 1) == MARTLET_ERROR_ARGUMENT)
        #expect(lastError.contains("groups[0].beta1 is 1.0"))
        let gradient = Floats(6, seed: 2)
        var array = gradient.array
        var report = martlet_report()
        martlet_report_init(&report, 32)
        #expect(martlet_optimizer_step(handle.token, &report, &array, 1) == MARTLET_OK && report.skipped == 0)
        #expect(martlet_optimizer_step_get(handle.token, &count, 0) == MARTLET_OK && count == 1)
        #expect(martlet_optimizer_step_set(handle.token, 0, 41) == MARTLET_OK)
        #expect(martlet_optimizer_step(handle.token, nil, &array, 1) == MARTLET_OK)
        #expect(martlet_optimizer_step_get(handle.token, &count, 0) == MARTLET_OK && count == 42)
        #expect(martlet_optimizer_step_set(handle.token, 0, -1) == MARTLET_ERROR_ARGUMENT)
        for index in [-1, 1, .max] as [Int64] {
            #expect(martlet_optimizer_step_get(handle.token, &count, index) == MARTLET_ERROR_ARGUMENT && count == 42)
        }
        #expect(martlet_optimizer_step(handle.token, nil, &array, 2) == MARTLET_ERROR_ARGUMENT)
        #expect(martlet_optimizer_step(handle.token, nil, nil, 1) == MARTLET_ERROR_NULL)
        // Memory of the handle's own is read and written through a view of it.
        var view = martlet_array()
        #expect(martlet_optimizer_state_get(handle.token, &view, 0, 1) == MARTLET_OK && view.dtype == MARTLET_FP64)
        let doubles = Memory(byteCount: 48)
        (array.data, array.dtype) = (doubles.base, MARTLET_FP64)
        doubles.base.storeBytes(of: 2.5, toByteOffset: 40, as: Double.self)
        #expect(martlet_optimizer_state_set(handle.token, 0, 1, &array) == MARTLET_OK)
        #expect(view.data.load(fromByteOffset: 40, as: Double.self) == 2.5)
        #expect(martlet_optimizer_state_set(handle.token, 0, 0, &array) == MARTLET_ERROR_TYPE)
        #expect(martlet_optimizer_state_get(handle.token, &view, 0, 2) == MARTLET_ERROR_ARGUMENT)
        #expect(martlet_optimizer_reset(handle.token) == MARTLET_OK)
        #expect(martlet_optimizer_count(handle.token, &count) == MARTLET_OK && count == 0)
        #expect(martlet_optimizer_group_count(handle.token, &count) == MARTLET_OK && count == 3)
        extendLifetime((value, gradient, doubles))
    }

    /// What add does not take: gradients, counters and state memory come from elsewhere.
    @Test func addRefusals() {
        let handle = Handle()
        defer { extendLifetime(handle) }
        let (value, other) = (Floats(4, seed: 1), Floats(4))
        defer { extendLifetime((value, other)) }
        var parameter = makeParameter(value)
        parameter.grad = other.array
        #expect(martlet_optimizer_add(handle.token, nil, &parameter) == MARTLET_ERROR_ARGUMENT)
        parameter = makeParameter(value)
        var states = [other.array, other.array]
        states.withUnsafeMutableBufferPointer { states in
            (parameter.state, parameter.state_count) = (states.baseAddress, 2)
            #expect(martlet_optimizer_add(handle.token, nil, &parameter) == MARTLET_ERROR_ARGUMENT)
            #expect(lastError.contains("parameter.state[0].data"))
            for count in [-1, 1, 5, .min] as [Int64] {
                parameter.state_count = count
                #expect(martlet_optimizer_add(handle.token, nil, &parameter) == MARTLET_ERROR_ARGUMENT)
            }
        }
        #expect(martlet_optimizer_add(handle.token, nil, nil) == MARTLET_ERROR_NULL)
        var count: Int64 = -1
        #expect(martlet_optimizer_count(handle.token, &count) == MARTLET_OK && count == 0)
    }
}
