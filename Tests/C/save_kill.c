/*
 * A save that is killed: a child is stopped by ptrace at each system call of martlet_optimizer_save,
 * before it and after it, and killed there, once onto no file and once onto an existing one. What is
 * left must be no file or the old one, or the new one whole; and the next save must work beside what the
 * killed one left. The order write, sync, rename, sync of the folder is looked at too, since a kill does
 * not lose what a power failure would.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "checkpoint.h"

#define PATH "kill.safetensors"

/* The child: everything ready, then one save under the parent's eye. */
static pid_t start_save(int steps) {
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child != 0) return child;
    alarm(20);
    martlet_optimizer *optimizer = checkpoint_create();
    checkpoint_train(optimizer, steps);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(90);
    raise(SIGSTOP);
    _exit(martlet_optimizer_save(optimizer, PATH) == MARTLET_OK ? 0 : 91);
}

/* Lets the save run to its n-th stop and kills it there. False when it ended first. `calls` (may be NULL)
 * receives the numbers of the system calls in order. */
static bool save_until(int steps, int n, long *calls, int *call_count) {
    const pid_t child = start_save(steps);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    REQUIRE(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
    for (int stop = 0;;) {
        REQUIRE(ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0);
        REQUIRE(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status)) {
            CHECK_SAYING(WEXITSTATUS(status) == 0, "the child gave %d", WEXITSTATUS(status));
            return false;
        }
        REQUIRE(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
        struct { /* the kernel's ptrace_syscall_info, whose name depends on the libc */
            uint8_t op, pad[3];
            uint32_t arch;
            uint64_t ip, sp, number, arguments[6], more[2];
        } info = {0};
        REQUIRE(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) > 0);
        if (calls != NULL && info.op == PTRACE_SYSCALL_INFO_ENTRY && *call_count < 256)
            calls[(*call_count)++] = (long)info.number;
        if (++stop == n) {
            REQUIRE(kill(child, SIGKILL) == 0);
            REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
            return true;
        }
    }
}

/* Files in this folder, and all of them removed. */
static int clean(void) {
    int count = 0;
    DIR *folder = opendir(".");
    REQUIRE(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_type == DT_REG) {
            count++;
            unlink(entry->d_name);
        }
    closedir(folder);
    return count;
}

static uint64_t hash_after(int steps) {
    martlet_optimizer *optimizer = checkpoint_create();
    checkpoint_train(optimizer, steps);
    const uint64_t hash = checkpoint_hash(optimizer);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    return hash;
}

/* Kills at every stop. Returns how many there were. */
static int kill_everywhere(bool existing) {
    const uint64_t old = hash_after(3), new = hash_after(7);
    int n = 1;
    bool old_seen = false, new_seen = false;
    for (;; n++) {
        clean();
        martlet_optimizer *optimizer = checkpoint_create();
        checkpoint_train(optimizer, 3);
        if (existing) CHECK_OK(martlet_optimizer_save(optimizer, PATH));
        const bool killed = save_until(7, n, NULL, NULL);
        const uint64_t untouched = checkpoint_hash(optimizer);
        const bool there = access(PATH, F_OK) == 0;
        CHECK_SAYING(there || !existing, "stop %d: the old file is gone", n);
        if (there) {
            CHECK_OK(martlet_optimizer_load(optimizer, PATH));
            const uint64_t hash = checkpoint_hash(optimizer);
            CHECK_SAYING(hash == new || (existing && hash == old), "stop %d: neither the old nor the new file", n);
            old_seen = old_seen || hash == old;
            new_seen = new_seen || hash == new;
        } else {
            CHECK_STATUS(martlet_optimizer_load(optimizer, PATH), MARTLET_ERROR_FILE);
            CHECK(checkpoint_hash(optimizer) == untouched);
            old_seen = true;
        }
        CHECK_OK(martlet_optimizer_save(optimizer, PATH));
        CHECK_OK(martlet_optimizer_load(optimizer, PATH));
        CHECK_OK(martlet_optimizer_destroy(optimizer));
        if (!killed) break;
    }
    CHECK(old_seen && new_seen);
    CHECK_SAYING(n > 8, "only %d stops", n);
    return n - 1;
}

static bool is_write(long call) {
    return call == SYS_write || call == SYS_pwrite64 || call == SYS_writev || call == SYS_pwritev || call == SYS_ftruncate;
}

static bool is_rename(long call) {
#if defined(SYS_rename)
    if (call == SYS_rename) return true;
#endif
    return call == SYS_renameat || call == SYS_renameat2;
}

static void order(void) {
    long calls[256];
    int count = 0, last_write = -1, sync = -1, rename = -1, folder_sync = -1;
    clean();
    CHECK(!save_until(7, 1 << 20, calls, &count));
    for (int i = 0; i < count; i++) {
        const bool syncs = calls[i] == SYS_fsync || calls[i] == SYS_fdatasync;
        if (is_write(calls[i])) last_write = i;
        if (syncs && rename < 0) sync = i;
        if (is_rename(calls[i])) rename = i;
        if (syncs && rename >= 0) folder_sync = i;
    }
    CHECK_SAYING(0 <= last_write && last_write < sync && sync < rename && rename < folder_sync,
                 "write %d, sync %d, rename %d, sync of the folder %d", last_write, sync, rename, folder_sync);
    CHECK_SAYING(clean() == 1, "%s", "a save left more than its file");
}

int main(void) {
    order();
    const int fresh = kill_everywhere(false), existing = kill_everywhere(true);
    clean();
    printf("killed at %d stops onto no file and at %d onto an old one\n", fresh, existing);
    return check_end();
}
