// Handles: tokens that are never given out twice, unknown ones that are always recognised, and one thread at a time.

import CMartlet
import Glibc
import MartletTestSupport
import Testing

/// Every function that takes a handle, called with good arguments beside it.
private func callAll(_ token: OpaquePointer?) -> [(name: String, status: martlet_status)] {
    var config = makeConfig()
    var other: OpaquePointer?
    let values = Floats(3, seed: 1)
    var parameter = makeParameter(values)
    var (group, index, count, number) = (Int32(0), Int64(0), Int64(0), 0.0)
    var array = martlet_array()
    let slot = Floats(3)
    var source = slot.array
    defer { extendLifetime((values, slot)) }
    return [
        ("martlet_optimizer_clone", martlet_optimizer_clone(token, &other)),
        ("martlet_optimizer_reset", martlet_optimizer_reset(token)),
        ("martlet_optimizer_group_add", martlet_optimizer_group_add(token, &group, &config)),
        ("martlet_optimizer_add", martlet_optimizer_add(token, &index, &parameter)),
        ("martlet_optimizer_step", martlet_optimizer_step(token, nil, nil, 0)),
        ("martlet_optimizer_set", martlet_optimizer_set(token, 0, MARTLET_LR, 0.1)),
        ("martlet_optimizer_get", martlet_optimizer_get(token, &number, 0, MARTLET_LR)),
        (
            "martlet_optimizer_config_get",
            martlet_optimizer_config_get(token, &config, MemoryLayout<martlet_config>.size, 0)
        ),
        ("martlet_optimizer_count", martlet_optimizer_count(token, &count)),
        ("martlet_optimizer_group_count", martlet_optimizer_group_count(token, &count)),
        ("martlet_optimizer_size", martlet_optimizer_size(token, &count)),
        ("martlet_optimizer_state_get", martlet_optimizer_state_get(token, &array, 0, 0)),
        ("martlet_optimizer_state_set", martlet_optimizer_state_set(token, 0, 0, &source)),
        ("martlet_optimizer_step_get", martlet_optimizer_step_get(token, &count, 0)),
        ("martlet_optimizer_step_set", martlet_optimizer_step_set(token, 0, 0)),
        ("martlet_optimizer_save", martlet_optimizer_save(token, "/no/such/folder")),
        ("martlet_optimizer_load", martlet_optimizer_load(token, "/no/such/folder")),
    ]
}

/// How many parameters a handle says it has; nil where it answers with an error.
private func count(_ token: OpaquePointer?) -> Int64? {
    var count: Int64 = -1
    return martlet_optimizer_count(token, &count) == MARTLET_OK ? count : nil
}

@Suite struct HandleTests {
    @Test func tokensAreNeverReused() {
        var config = makeConfig()
        var seen: Set<UInt> = []
        var failures = 0
        for _ in 0..<100_000 {
            var token: OpaquePointer?
            if martlet_optimizer_create(&token, &config) != MARTLET_OK { failures += 1 }
            if !seen.insert(UInt(bitPattern: token)).inserted { failures += 1 }
            if martlet_optimizer_destroy(token) != MARTLET_OK { failures += 1 }
            if martlet_optimizer_destroy(token) != MARTLET_ERROR_HANDLE { failures += 1 }
        }
        #expect(failures == 0)
        #expect(seen.count == 100_000 && !seen.contains(0))
        // Any of them is recognised as gone.
        for bits in seen where count(OpaquePointer(bitPattern: bits)) != nil { failures += 1 }
        #expect(failures == 0)
    }

    /// Many at a time, destroyed in another order than made.
    @Test func manyAtATime() {
        var config = makeConfig()
        var tokens: [OpaquePointer?] = []
        for _ in 0..<5000 {
            var token: OpaquePointer?
            martlet_optimizer_create(&token, &config)
            tokens.append(token)
        }
        #expect(Set(tokens).count == 5000)
        var order = Array(tokens.indices)
        var state: UInt32 = 1
        for index in order.indices {
            state = state &* 1_664_525 &+ 1_013_904_223
            order.swapAt(index, Int(state >> 4) % order.count)
        }
        var failures = 0
        for (done, index) in order.enumerated() {
            if count(tokens[index]) != 0 { failures += 1 }
            if martlet_optimizer_destroy(tokens[index]) != MARTLET_OK { failures += 1 }
            if count(tokens[index]) != nil { failures += 1 }
            if done + 1 < order.count, count(tokens[order[done + 1]]) != 0 { failures += 1 }
        }
        #expect(failures == 0)
    }

    @Test func unknownHandles() {
        let live = Handle()
        defer { extendLifetime(live) }
        let destroyed = Handle().bits
        // None of these can be a handle that another test holds: they name slots or generations not yet reached.
        let foreign: [UInt] = [
            0, 1, 2, 5, 0xFFFFF, 0xDEAD_BEEF, UInt(Int.max), .max, destroyed, live.bits + 1 << 20,
            live.bits - 1 << 20, live.bits ^ 0x80000, live.bits | 1 << 62, UInt(bitPattern: malloc(1)),
        ]
        for bits in foreign {
            for (name, status) in callAll(OpaquePointer(bitPattern: bits)) {
                #expect(status == MARTLET_ERROR_HANDLE, "\(name), \(bits)")
            }
            let isNull = bits == 0
            #expect(
                martlet_optimizer_destroy(OpaquePointer(bitPattern: bits))
                    == (isNull ? MARTLET_OK : MARTLET_ERROR_HANDLE))
        }
        #expect(count(live.token) == 0)
        for (name, status) in callAll(live.token) {
            #expect(status != MARTLET_ERROR_HANDLE && status != MARTLET_ERROR_BUSY, "\(name)")
        }
    }

    @Test func messagesNameTheFunction() {
        let destroyed = OpaquePointer(bitPattern: Handle().bits)
        for (token, word) in [(nil, "NULL"), (destroyed, "destroyed")] as [(OpaquePointer?, String)] {
            var value: Int64 = 77
            #expect(martlet_optimizer_size(token, &value) == MARTLET_ERROR_HANDLE)
            #expect(lastError.hasPrefix("martlet_optimizer_size: optimizer"))
            #expect(lastError.contains(word) && lastError.contains("expected"))
            #expect(value == 77)
            #expect(martlet_optimizer_reset(token) == MARTLET_ERROR_HANDLE)
            #expect(lastError.hasPrefix("martlet_optimizer_reset: optimizer"))
        }
    }

    /// A failing create or clone leaves the out-parameter alone.
    @Test func failingCreation() {
        var token = OpaquePointer(bitPattern: 0x1234)
        var config = makeConfig { $0.lr = -1 }
        #expect(martlet_optimizer_create(&token, &config) == MARTLET_ERROR_ARGUMENT)
        #expect(martlet_optimizer_create(&token, nil) == MARTLET_ERROR_NULL)
        #expect(martlet_optimizer_clone(nil, &token) == MARTLET_ERROR_HANDLE)
        #expect(martlet_optimizer_create(nil, &config) == MARTLET_ERROR_NULL)
        #expect(token == OpaquePointer(bitPattern: 0x1234))
    }

    @Test func clonesOutliveTheOriginal() {
        let values = Floats(10, seed: 3)
        defer { extendLifetime(values) }
        var (clone, index): (OpaquePointer?, Int64) = (nil, -1)
        do {
            let original = Handle()
            defer { extendLifetime(original) }
            var parameter = makeParameter(values, name: nil)
            #expect(martlet_optimizer_add(original.token, &index, &parameter) == MARTLET_OK)
            #expect(martlet_optimizer_clone(original.token, &clone) == MARTLET_OK)
            #expect(clone != original.token && clone != nil)
        }
        #expect(index == 0 && count(clone) == 1)
        #expect(martlet_optimizer_destroy(clone) == MARTLET_OK)
    }

    /// A thread that steps a large parameter until it is told to stop or the handle is gone.
    private final class Stepping: Sendable {
        let handle: Handle
        let (steps, busy, gone, wrong, isOver) = (Counter(), Counter(), Counter(), Counter(), Counter())

        init(_ handle: Handle) { self.handle = handle }

        /// Adds a parameter of a million elements and steps it on a thread of its own while `body` runs.
        func run(while body: () -> Void) {
            let values = Floats(1 << 20, seed: 4)
            var parameter = makeParameter(values)
            if martlet_optimizer_add(handle.token, nil, &parameter) != MARTLET_OK { wrong.add() }
            let thread = TestThread {
                let gradient = Floats(1 << 20, seed: 5)
                var array = gradient.array
                while self.isOver.value == 0 && self.gone.value == 0 {
                    switch martlet_optimizer_step(self.handle.token, nil, &array, 1) {
                    case MARTLET_OK: self.steps.add()
                    case MARTLET_ERROR_BUSY: self.busy.add()
                    case MARTLET_ERROR_HANDLE: self.gone.add()
                    default: self.wrong.add()
                    }
                    // Room for others to enter between two steps.
                    usleep(500)
                }
                extendLifetime(gradient)
            }
            body()
            isOver.add()
            thread.join()
            extendLifetime(values)
        }
    }

    /// While one thread steps, another that enters is told so, and both go on.
    @Test func secondThread() {
        let stepping = Stepping(Handle())
        defer { extendLifetime(stepping) }
        var (wasBusy, wasEntered, wrong) = (0, 0, 0)
        stepping.run {
            let end = time(nil) + 60
            while time(nil) < end, wasBusy < 100 || wasEntered < 1 || stepping.steps.value < 5 {
                var value = 77.0
                switch martlet_optimizer_get(stepping.handle.token, &value, 0, MARTLET_LR) {
                case MARTLET_OK:
                    wasEntered += 1
                    if value != 1e-3 { wrong += 1 }
                case MARTLET_ERROR_BUSY:
                    wasBusy += 1
                    if value != 77 || !lastError.contains("another thread is inside optimizer") { wrong += 1 }
                default: wrong += 1
                }
            }
        }
        #expect(wasBusy >= 100 && wasEntered >= 1 && wrong == 0 && stepping.wrong.value == 0)
        var taken: Int64 = 0
        #expect(martlet_optimizer_step_get(stepping.handle.token, &taken, 0) == MARTLET_OK)
        #expect(Int(taken) == stepping.steps.value)
    }

    /// A handle that another thread is inside cannot be destroyed; between two steps it can.
    @Test func destroyedBetweenSteps() {
        var (wasBusy, rounds) = (0, 0)
        let end = time(nil) + 60
        while wasBusy < 3, time(nil) < end {
            rounds += 1
            let stepping = Stepping(Handle())
            defer { extendLifetime(stepping) }
            var status = MARTLET_ERROR_BUSY
            stepping.run {
                // A step that is seen under way has most of its time before it.
                var lr = 0.0
                while martlet_optimizer_get(stepping.handle.token, &lr, 0, MARTLET_LR) == MARTLET_OK, time(nil) < end {}
                while status == MARTLET_ERROR_BUSY, time(nil) < end {
                    status = martlet_optimizer_destroy(stepping.handle.token)
                    if status == MARTLET_ERROR_BUSY { wasBusy += 1 }
                }
                while stepping.gone.value == 0, time(nil) < end { sched_yield() }
            }
            #expect(status == MARTLET_OK && stepping.gone.value == 1 && stepping.wrong.value == 0)
        }
        #expect(wasBusy >= 3, "\(rounds) rounds")
    }

    /// Two threads on two handles never meet.
    @Test func differentHandles() {
        let wrong = Counter()
        let threads = (0..<3).map { number in
            TestThread {
                let handle = Handle()
                defer { extendLifetime(handle) }
                let (values, gradient) = (Floats(5000, seed: 6), Floats(5000, seed: 7))
                var (parameter, array) = (makeParameter(values), gradient.array)
                if martlet_optimizer_add(handle.token, nil, &parameter) != MARTLET_OK { wrong.add() }
                for _ in 0..<300 where martlet_optimizer_step(handle.token, nil, &array, 1) != MARTLET_OK {
                    wrong.add()
                }
                extendLifetime((values, gradient))
            }
        }
        for thread in threads { thread.join() }
        #expect(wrong.value == 0)
    }

    /// Four threads make, use and destroy handles at once: no token twice, none lost, none mistaken.
    @Test func registryUnderThreads() {
        let wrong = Counter()
        let (perThread, threadCount) = (20_000, 4)
        let tokens = Memory(byteCount: perThread * threadCount * 8)
        let address = UInt(bitPattern: tokens.base)
        let threads = (0..<threadCount).map { number in
            TestThread {
                guard let base = UnsafeMutablePointer<UInt>(bitPattern: address) else { return }
                let own = base + number * perThread
                var (config, kept): (martlet_config, [OpaquePointer?]) = (makeConfig(), [])
                for round in 0..<perThread {
                    var token: OpaquePointer?
                    if martlet_optimizer_create(&token, &config) != MARTLET_OK { wrong.add() }
                    own[round] = UInt(bitPattern: token)
                    kept.append(token)
                    if count(kept[round / 2 % kept.count]) != 0 { wrong.add() }
                    if kept.count > 16 {
                        let gone = kept.remove(at: round % 16)
                        if martlet_optimizer_destroy(gone) != MARTLET_OK { wrong.add() }
                        if martlet_optimizer_destroy(gone) != MARTLET_ERROR_HANDLE { wrong.add() }
                        if count(gone) != nil { wrong.add() }
                    }
                }
                for token in kept where martlet_optimizer_destroy(token) != MARTLET_OK { wrong.add() }
            }
        }
        for thread in threads { thread.join() }
        let all = withExtendedLifetime(tokens) {
            Array(UnsafeBufferPointer(start: tokens.pointer(UInt.self), count: perThread * threadCount))
        }
        #expect(wrong.value == 0)
        #expect(Set(all).count == all.count && !all.contains(0))
        for bits in all where count(OpaquePointer(bitPattern: bits)) != nil { wrong.add() }
        #expect(wrong.value == 0)
    }

    /// Several threads destroy one handle: one of them does.
    @Test func destroyedOnce() {
        for _ in 0..<200 {
            var config = makeConfig()
            var token: OpaquePointer?
            martlet_optimizer_create(&token, &config)
            let bits = UInt(bitPattern: token)
            let (done, refused, ready) = (Counter(), Counter(), Counter())
            let threads = (0..<3).map { _ in
                TestThread {
                    ready.add()
                    while ready.value < 3 { sched_yield() }
                    switch martlet_optimizer_destroy(OpaquePointer(bitPattern: bits)) {
                    case MARTLET_OK: done.add()
                    case MARTLET_ERROR_HANDLE, MARTLET_ERROR_BUSY: refused.add()
                    default: break
                    }
                }
            }
            for thread in threads { thread.join() }
            #expect(done.value == 1 && refused.value == 2)
        }
    }
}
