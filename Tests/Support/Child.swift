// Forked children for tests.

import Glibc

/// Runs `body` in a forked child and returns its exit code; 1000 plus the signal where one ended it, -1 after 60 s.
package func inChild(_ body: () -> Int32) -> Int32 {
    // Swift marks fork as unavailable, since children of Swift programs rarely survive; being able to is what is tested.
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)
    let child = fork()
    if child == 0 { _exit(body()) }
    var status: Int32 = 0
    for _ in 0..<60_000 {
        if waitpid(child, &status, WNOHANG) == child {
            return status & 0x7F == 0 ? (status >> 8) & 0xFF : 1000 + status & 0x7F
        }
        usleep(1000)
    }
    kill(child, SIGKILL)
    waitpid(child, &status, 0)
    return -1
}
