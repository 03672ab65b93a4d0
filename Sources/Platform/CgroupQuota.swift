// How much processor time the process's control group allows, as containers limit it: cgroup v2 (cpu.max) and v1
// (cpu.cfs_quota_us). The group and every ancestor that can be seen count; the least wins. Text files of the kernel
// are read into plain memory; whatever cannot be read or understood is no limit.

import Glibc

package enum CgroupQuota {
    /// The quota in processors, rounded up, at least 1; nil where there is none. `root` is put before every path, so
    /// that a test can show a tree of its own.
    package static func processors(root: String = "") -> Int? {
        guard let groups = KernelText(root, "/proc/self/cgroup"), let mounts = KernelText(root, "/proc/self/mountinfo")
        else { return nil }
        var least: Int?
        for mount in mounts.lines {
            guard let mounted = Mount(mount), let group = mounted.group(among: groups) else { continue }
            // From the group's own folder up to the mount point.
            var path = group
            while true {
                if let limit = mounted.limit(root: root, group: path) { least = min(least ?? limit, limit) }
                guard let slash = path.lastIndex(of: "/") else { break }
                path = path[..<slash]
            }
        }
        return least
    }

    /// A mounted hierarchy that can hold processor quotas.
    private struct Mount {
        let isV2: Bool
        let root: Substring
        let point: Substring

        /// A line of mountinfo: id, parent, device, root, mount point, options, ..., "-", type, source, options.
        init?(_ line: Substring) {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { return nil }
            isV2 = fields[dash + 1] == "cgroup2"
            guard isV2 || (fields[dash + 1] == "cgroup" && fields[dash + 3].split(separator: ",").contains("cpu"))
            else { return nil }
            root = fields[3]
            point = fields[4]
        }

        /// The process's group in this hierarchy, relative to the mount point: "" or "/a/b".
        func group(among groups: KernelText) -> Substring? {
            for line in groups.lines {
                let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                guard fields.count == 3 else { continue }
                let isThis =
                    isV2 ? fields[0] == "0" && fields[1].isEmpty : fields[1].split(separator: ",").contains("cpu")
                guard isThis else { continue }
                let path = fields[2] == "/" ? "" : fields[2]
                if root == "/" { return path.hasPrefix("/..") ? "" : path }
                // A container may see only its own part of the tree; a group outside of it is taken as its top.
                guard path.hasPrefix(root), path.dropFirst(root.count).first ?? "/" == "/" else { return "" }
                return path.dropFirst(root.count)
            }
            return nil
        }

        func limit(root: String, group: Substring) -> Int? {
            func numbers(_ file: String) -> [Int?] {
                guard let text = KernelText(root, "\(point)\(group)/\(file)"), let line = text.lines.first else {
                    return []
                }
                return line.split(separator: " ").map { Int($0) }
            }
            // v2: "max 100000" or "150000 100000"; v1: a file each, -1 for no limit.
            let pair = isV2 ? numbers("cpu.max") : numbers("cpu.cfs_quota_us") + numbers("cpu.cfs_period_us")
            guard pair.count == 2, let quota = pair[0], let period = pair[1], quota > 0, period > 0 else { return nil }
            return max(1, quota / period + (quota % period > 0 ? 1 : 0))
        }
    }
}

/// A small text file of the kernel.
private struct KernelText {
    let lines: [Substring]

    /// nil where it cannot be read, or is longer than a megabyte.
    init?(_ root: String, _ path: String) {
        let file = unsafe open(root + path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let capacity = 1 << 20
        guard let buffer = unsafe malloc(capacity) else { return nil }
        defer { unsafe free(buffer) }
        var length = 0
        while length < capacity {
            let count = unsafe read(file, buffer + length, capacity - length)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            length += count
        }
        guard length < capacity else { return nil }
        let bytes = unsafe UnsafeRawBufferPointer(start: buffer, count: length)
        let text = unsafe String(decoding: bytes, as: UTF8.self)
        lines = text.split(separator: "\n")
    }
}
