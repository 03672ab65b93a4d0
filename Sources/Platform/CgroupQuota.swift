// How much processor time the process's control group allows, as containers limit it: cgroup v2 (cpu.max) and v1
// (cpu.cfs_quota_us). The group and every ancestor that can be seen count; the least wins. Whatever cannot be read or
// understood is no limit. Bytes all the way, in KernelText.swift: the library's first call comes here, and a String cut
// to pieces would ask the Swift runtime for types that it makes behind a lock, which a forked child could inherit.

package enum CgroupQuota {
    /// The quota in processors, rounded up, at least 1; nil where there is none. `root` is put before every path, so
    /// that a test can show a tree of its own.
    package static func processors(root: String = "") -> Int? {
        unsafe root.withCString { unsafe processors(root: KernelText($0)) }
    }

    private static func processors(root: KernelText) -> Int? {
        unsafe KernelFile.withText(root, "/proc/self/cgroup") { groups in
            unsafe KernelFile.withText(root, "/proc/self/mountinfo") { mounts in
                unsafe least(root: root, groups: groups, mounts: mounts)
            }
        }
    }

    private static func least(root: KernelText, groups: KernelText, mounts: KernelText) -> Int? {
        var least: Int?
        var lines = unsafe mounts
        while let line = unsafe lines.next("\n") {
            guard let mount = unsafe Mount(line), var group = unsafe mount.group(among: groups) else { continue }
            // From the group's own folder up to the mount point.
            while true {
                if let limit = unsafe mount.limit(root, group) { least = min(least ?? limit, limit) }
                guard let slash = unsafe group.lastPlace(of: "/") else { break }
                unsafe group = group.prefix(slash)
            }
        }
        return least
    }

    /// A mounted hierarchy that can hold processor quotas.
    @unsafe private struct Mount {
        let isV2: Bool
        let root: KernelText
        let point: KernelText

        /// A line of mountinfo: id, parent, device, root, mount point, options, ..., "-", type, source, options.
        init?(_ line: KernelText) {
            var fields = unsafe line
            for _ in 0..<3 where unsafe fields.next(" ") == nil { return nil }
            guard let root = unsafe fields.next(" "), let point = unsafe fields.next(" "),
                unsafe fields.next(" ") != nil
            else { return nil }
            while let field = unsafe fields.next(" "), unsafe !(field == "-") {}
            guard let type = unsafe fields.next(" "), unsafe fields.next(" ") != nil,
                let options = unsafe fields.next(" ")
            else { return nil }
            unsafe isV2 = unsafe type == "cgroup2"
            guard unsafe isV2 || (type == "cgroup" && options.lists("cpu")) else { return nil }
            unsafe self.root = unsafe root
            unsafe self.point = unsafe point
        }

        /// The process's group in this hierarchy, relative to the mount point: "" or "/a/b". A line is "0::/a/b" in v2
        /// and "4:cpu,cpuacct:/a/b" in v1.
        func group(among groups: KernelText) -> KernelText? {
            var lines = unsafe groups
            while var path = unsafe lines.next("\n") {
                guard let number = unsafe path.next(":"), let controllers = unsafe path.next(":") else { continue }
                guard unsafe isV2 ? number == "0" && controllers.isEmpty : controllers.lists("cpu") else { continue }
                if unsafe path == "/" { unsafe path = path.prefix(0) }
                if unsafe root == "/" { return unsafe path.starts(with: "/..") ? path.prefix(0) : path }
                // A container may see only its own part of the tree; a group outside of it is taken as its top.
                guard unsafe path.starts(with: root) else { return unsafe path.prefix(0) }
                let rest = unsafe path.dropFirst(root.count)
                return unsafe rest.isEmpty || rest.starts(with: "/") ? rest : rest.prefix(0)
            }
            return nil
        }

        /// v2: "max 100000" or "150000 100000"; v1: a file each, -1 for no limit.
        func limit(_ root: KernelText, _ group: KernelText) -> Int? {
            func number(_ file: KernelText) -> Int? {
                unsafe KernelFile.withText(root, point, group, file) { unsafe $0.firstLine.number }
            }
            var pair: (quota: Int?, period: Int?)?
            if unsafe isV2 {
                pair = unsafe KernelFile.withText(root, point, group, "/cpu.max") { text in
                    var line = unsafe text.firstLine
                    let quota = unsafe line.next(" ")?.number
                    return unsafe (quota, line.number)
                }
            } else {
                pair = unsafe (number("/cpu.cfs_quota_us"), number("/cpu.cfs_period_us"))
            }
            guard let quota = pair?.quota, let period = pair?.period, quota > 0, period > 0 else { return nil }
            return max(1, quota / period + (quota % period > 0 ? 1 : 0))
        }
    }
}
