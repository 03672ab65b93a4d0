/*
 * A save that is killed: a child is stopped by ptrace at each system call of martlet_optimizer_save and of
 * martlet_model_save, before it and after it, and killed there, once onto no file and once onto an existing
 * one. What is left must be no file or the old one, or the new one whole; and the next save must work beside
 * what the killed one left. The order write, sync, rename, sync of the folder is looked at too, since a kill
 * does not lose what a power failure would.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "checkpoint.h"
#include "network.h"

#define PATH "kill.safetensors"

/* ---- what is saved: an optimizer, or a model, after some steps ---- */

static bool of_model;

union subject {
    martlet_optimizer *optimizer;
    martlet_model *model;
};

static union subject subject_create(int steps) {
    union subject subject;
    if (!of_model) {
        subject.optimizer = checkpoint_create();
        checkpoint_train(subject.optimizer, steps);
        return subject;
    }
    struct network_data *data = network_data(8);
    subject.model = network_dense(8, 5, 1);
    network_compile(subject.model, 16);
    CHECK_OK(network_fit(subject.model, data, steps, 0));
    network_data_free(data);
    return subject;
}

static martlet_status subject_save(union subject subject) {
    return of_model ? martlet_model_save(subject.model, PATH) : martlet_optimizer_save(subject.optimizer, PATH);
}

static uint64_t subject_hash(union subject subject) {
    return of_model ? network_hash(subject.model, false) : checkpoint_hash(subject.optimizer);
}

static void subject_destroy(union subject subject) {
    CHECK_OK(of_model ? martlet_model_destroy(subject.model) : martlet_optimizer_destroy(subject.optimizer));
}

/* Trains, and saves if told to; the hash. */
static uint64_t trained(int steps, bool saves) {
    const union subject subject = subject_create(steps);
    const uint64_t hash = subject_hash(subject);
    if (saves) CHECK_OK(subject_save(subject));
    subject_destroy(subject);
    return hash;
}

/* The hash of what the file holds; 0 where there is none, which leaves an optimizer as it was. */
static uint64_t file_hash(void) {
    union subject subject = {NULL};
    if (!of_model) subject = subject_create(1);
    const uint64_t before = of_model ? 0 : subject_hash(subject);
    const martlet_status status = of_model ? martlet_model_load(&subject.model, PATH) : martlet_optimizer_load(subject.optimizer, PATH);
    CHECK_SAYING(status == MARTLET_OK || status == MARTLET_ERROR_FILE, "%s", martlet_last_error());
    const uint64_t after = status != MARTLET_OK && of_model ? 0 : subject_hash(subject);
    if (status != MARTLET_OK) CHECK(after == before);
    if (!of_model || status == MARTLET_OK) subject_destroy(subject);
    return status == MARTLET_OK ? after : 0;
}

/* ---- kills ---- */

/* The child: everything ready, then one save under the parent's eye. */
static pid_t start_save(int steps) {
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child != 0) return child;
    alarm(20);
    const union subject subject = subject_create(steps);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(90);
    raise(SIGSTOP);
    _exit(subject_save(subject) == MARTLET_OK ? 0 : 91);
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

/* Kills at every stop. Returns how many there were. */
static int kill_everywhere(bool existing) {
    const uint64_t old = trained(3, false), new = trained(7, false);
    int n = 1;
    bool old_seen = false, new_seen = false;
    for (;; n++) {
        clean();
        if (existing) trained(3, true);
        const bool killed = save_until(7, n, NULL, NULL);
        const bool there = access(PATH, F_OK) == 0;
        const uint64_t hash = file_hash();
        CHECK_SAYING(there || !existing, "stop %d: the old file is gone", n);
        CHECK_SAYING(there ? hash == new || (existing && hash == old) : hash == 0, "stop %d: neither the old nor the new file", n);
        old_seen = old_seen || !there || hash == old;
        new_seen = new_seen || hash == new;
        CHECK(trained(5, true) == file_hash());
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
    for (int kind = 0; kind < 2; kind++) {
        of_model = kind == 1;
        order();
        const int fresh = kill_everywhere(false), existing = kill_everywhere(true);
        clean();
        printf("%s: killed at %d stops onto no file and at %d onto an old one; ", of_model ? "a model" : "an optimizer", fresh, existing);
    }
    return check_end();
}
