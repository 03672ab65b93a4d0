// Settings, the environment and the machine. Whatever changes the process's environment or settings runs in a child.

import Glibc
import MartletPlatform
import MartletTestSupport
import Testing

@Suite struct SettingsTests {
    /// The default that `martlet.h` states.
    private let chunk = 2048

    /// Whether `body` throws an `.argument` error that names `text`.
    private func refuses(_ text: String, _ body: () throws(MartletError) -> Void) -> Bool {
        do throws(MartletError) {
            try body()
            return false
        } catch {
            return error.kind == .argument && error.message.utf8.count < 200 && contains(error.message, text)
        }
    }

    private func contains(_ text: String, _ part: String) -> Bool {
        text.utf8.indices.contains { text.utf8[$0...].starts(with: part.utf8) }
    }

    @Test func kindsAreTheHeadersNumbers() {
        #expect(MartletError.Kind.allCases.map(\.rawValue) == Array(-16 ... -1).reversed())
    }

    @Test func defaults() {
        let code = inChild {
            for name in ["MARTLET_NUM_THREADS", "MARTLET_ISA", "OMP_NUM_THREADS"] { unsetenv(name) }
            guard let threads = try? Settings.threads, let isa = try? Settings.isa else { return 1 }
            if threads != Settings.defaultThreads || threads < 1 || threads > 1024 { return 2 }
            if isa != .best || !isa.isSupported { return 3 }
            return Settings.chunk == chunk ? 0 : 4
        }
        #expect(code == 0)
    }

    @Test func settingAndReturning() {
        let code = inChild {
            guard let first = try? Settings.threads else { return 1 }
            for count in [1, 5, 1024] {
                guard (try? Settings.setThreads(count)) != nil, (try? Settings.threads) == count else { return 2 }
            }
            guard (try? Settings.setThreads(0)) != nil, (try? Settings.threads) == first else { return 3 }
            for isa in InstructionSet.allCases where isa.isSupported {
                guard (try? Settings.setISA(isa)) != nil, (try? Settings.isa) == isa else { return 4 }
            }
            guard (try? Settings.setISA(nil)) != nil, (try? Settings.isa) == .best else { return 5 }
            for size in [64, 1 << 40] {
                guard (try? Settings.setChunk(size)) != nil, Settings.chunk == size else { return 6 }
            }
            guard (try? Settings.setChunk(0)) != nil, Settings.chunk == chunk else { return 7 }
            return 0
        }
        #expect(code == 0)
    }

    @Test func refusedValuesChangeNothing() {
        for count in [-1, 1025, .max, .min] {
            #expect(refuses("\(count)") { () throws(MartletError) in try Settings.setThreads(count) })
        }
        for size in [-1, 1, 63, 1 << 40 + 1, .max, .min] {
            #expect(refuses("\(size)") { () throws(MartletError) in try Settings.setChunk(size) })
        }
        #expect(Settings.chunk == chunk)
    }

    @Test(arguments: ["0", "-1", "1025", "two", "2x", "1.5", "99999999999999999999999", " "])
    func unknownThreadCountInTheEnvironment(value: String) {
        let code = inChild {
            setenv("MARTLET_NUM_THREADS", value, 1)
            for _ in 0..<2 where !refuses(value, { () throws(MartletError) in _ = try Settings.threads }) { return 1 }
            // What is set by a call needs no environment.
            guard (try? Settings.setThreads(2)) != nil, (try? Settings.threads) == 2 else { return 2 }
            return 0
        }
        #expect(code == 0)
    }

    @Test(arguments: ["AVX2", "avx", "sse2", "avx512f", "best"]) func unknownISAInTheEnvironment(value: String) {
        let code = inChild {
            setenv("MARTLET_ISA", value, 1)
            return refuses(value) { () throws(MartletError) in _ = try Settings.isa } ? 0 : 1
        }
        #expect(code == 0)
    }

    @Test func environmentIsReadOnce() {
        let code = inChild {
            setenv("MARTLET_NUM_THREADS", "3", 1)
            setenv("MARTLET_ISA", "baseline", 1)
            if (try? Settings.threads) != 3 || (try? Settings.isa) != .baseline { return 1 }
            setenv("MARTLET_NUM_THREADS", "5", 1)
            setenv("MARTLET_ISA", "nonsense", 1)
            guard (try? Settings.setThreads(0)) != nil, (try? Settings.setISA(nil)) != nil else { return 2 }
            return (try? Settings.threads) == 3 && (try? Settings.isa) == .baseline ? 0 : 3
        }
        #expect(code == 0)
    }

    @Test func openMPThreads() {
        let cases: [(String, Int?)] = [
            ("4", 4), ("4,2,1", 4), (" 4 , 2", 4), ("\t7", 7), ("", nil), ("nonsense", nil), ("4x", nil), ("0", nil),
            ("-2", nil), (",4", nil), ("100000", 1024), ("99999999999999999999", 1024),
        ]
        for (text, wanted) in cases {
            let code = inChild {
                setenv("OMP_NUM_THREADS", text, 1)
                return Environment.openMPThreads() == wanted ? 0 : 1
            }
            #expect(code == 0, "\(text)")
        }
    }

    @Test func affinity() {
        #expect(Machine.processorCount() >= 1)
        let code = inChild {
            // The child keeps to one processor: the first that it may use.
            var set = [UInt8](repeating: 0, count: 1 << 13)
            typealias Affinity = @convention(c) (pid_t, Int, UnsafeMutableRawPointer) -> Int32
            let get = unsafeBitCast(dlsym(nil, "sched_getaffinity"), to: Affinity.self)
            let put = unsafeBitCast(dlsym(nil, "sched_setaffinity"), to: Affinity.self)
            if get(0, set.count, &set) != 0 { return 1 }
            if Machine.affinityCount() != set.reduce(0, { $0 + $1.nonzeroBitCount }) { return 2 }
            guard let first = set.firstIndex(where: { $0 != 0 }) else { return 3 }
            let bit = set[first] & (~set[first] &+ 1)
            set = set.indices.map { $0 == first ? bit : 0 }
            if put(0, set.count, &set) != 0 { return 4 }
            return Machine.affinityCount() == 1 && Settings.defaultThreads == 1 ? 0 : 5
        }
        #expect(code == 0)
    }
}

/// Quotas as containers set them, in a made-up tree.
@Suite struct CgroupQuotaTests {
    private func mountinfo(_ lines: String...) -> String {
        (["22 1 8:1 / / rw - ext4 /dev/sda rw", "23 22 0:20 / /proc rw,nosuid shared:5 - proc proc rw"] + lines)
            .joined(separator: "\n") + "\n"
    }

    private let v2 = "31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
    private let v1 = "32 22 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"

    private func processors(_ groups: String, _ mounts: String, _ files: [String: String]) -> Int? {
        let folder = Folder()
        folder.write("proc/self/cgroup", groups)
        folder.write("proc/self/mountinfo", mounts)
        for (name, text) in files { folder.write("sys/fs/cgroup/" + name, text) }
        return CgroupQuota.processors(root: folder.path)
    }

    @Test func version2() {
        #expect(processors("0::/\n", mountinfo(v2), ["cpu.max": "200000 100000\n"]) == 2)
        #expect(processors("0::/\n", mountinfo(v2), ["cpu.max": "150000 100000\n"]) == 2)
        #expect(processors("0::/\n", mountinfo(v2), ["cpu.max": "1000 100000\n"]) == 1)
        #expect(processors("0::/\n", mountinfo(v2), ["cpu.max": "max 100000\n"]) == nil)
        #expect(processors("0::/\n", mountinfo(v2), [:]) == nil)
    }

    @Test func leastOfAllAncestors() {
        let files = ["a/b/cpu.max": "800000 100000", "a/cpu.max": "300000 100000", "cpu.max": "max 100000"]
        #expect(processors("0::/a/b\n", mountinfo(v2), files) == 3)
        #expect(processors("0::/a\n", mountinfo(v2), files) == 3)
        #expect(processors("0::/c\n", mountinfo(v2), files) == nil)
        let wideTop = files.merging(["cpu.max": "500000 100000"]) { $1 }
        #expect(processors("0::/a/b\n", mountinfo(v2), wideTop) == 3)
        #expect(processors("0::/c\n", mountinfo(v2), wideTop) == 5)
    }

    @Test func version1() {
        let files = ["cpu,cpuacct/g/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/g/cpu.cfs_period_us": "100000\n"]
        #expect(processors("3:cpu,cpuacct:/g\n1:name=systemd:/x\n0::/\n", mountinfo(v1), files) == 3)
        let none = ["cpu,cpuacct/g/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/g/cpu.cfs_period_us": "100000\n"]
        #expect(processors("3:cpu,cpuacct:/g\n", mountinfo(v1), none) == nil)
    }

    /// A container without a cgroup namespace: the group's path counts from the host's root.
    @Test func mountOfAPart() {
        let part = "31 22 0:28 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw"
        #expect(processors("0::/docker/1f/in\n", mountinfo(part), ["cpu.max": "400000 100000"]) == 4)
        #expect(processors("0::/docker/1f\n", mountinfo(part), ["cpu.max": "400000 100000"]) == 4)
        #expect(processors("0::/docker/1f2\n", mountinfo(part), ["cpu.max": "400000 100000"]) == 4)
        #expect(processors("0::/../other\n", mountinfo(v2), ["cpu.max": "400000 100000"]) == 4)
    }

    @Test func nonsenseIsNoLimit() {
        for text in ["", "\n", "0 100000", "-5 100000", "100000", "100000 0", "x y", "1 2 3", "9223372036854775808 1"] {
            #expect(processors("0::/\n", mountinfo(v2), ["cpu.max": text]) == nil, "\(text)")
        }
        #expect(processors("", mountinfo(v2), ["cpu.max": "100000 100000"]) == nil)
        #expect(processors("nonsense\n:::\n", "nonsense\n - \n", [:]) == nil)
        #expect(CgroupQuota.processors(root: "/nonexistent") == nil)
    }
}
