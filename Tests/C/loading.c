/*
 * What opening the library does to the process: nothing that can be seen. Every signal's handler, the
 * alternate stack, threads, floating-point control, locale, umask, environment and output are compared
 * before and after dlopen, and again after a step on one thread. The library's path is the argument;
 * the program itself is not linked with it.
 */
#include <dlfcn.h>
#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>

#include "check.h"

extern char **environ;

struct surroundings {
    struct sigaction actions[65];
    sigset_t mask;
    stack_t stack;
    int threads;
    uint64_t mode;
    int rounding;
    uint16_t x87;
    char locale[256];
    mode_t umask;
    char **environment;
    uint64_t environment_hash;
    char directory[4096];
};

static int thread_count(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    REQUIRE(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void look(struct surroundings *s) {
    memset(s, 0, sizeof *s);
    for (int number = 1; number <= 64; number++) sigaction(number, NULL, &s->actions[number]);
    REQUIRE(sigprocmask(SIG_SETMASK, NULL, &s->mask) == 0);
    REQUIRE(sigaltstack(NULL, &s->stack) == 0);
    s->threads = thread_count();
    s->mode = check_mode_get();
    s->rounding = fegetround();
#if defined(__x86_64__)
    __asm__ volatile("fnstcw %0" : "=m"(s->x87));
#endif
    snprintf(s->locale, sizeof s->locale, "%s", setlocale(LC_ALL, NULL));
    s->umask = umask(0);
    umask(s->umask);
    s->environment = environ;
    for (char **entry = environ; *entry != NULL; entry++)
        s->environment_hash = check_hash(s->environment_hash, *entry, strlen(*entry) + 1);
    REQUIRE(getcwd(s->directory, sizeof s->directory) != NULL);
}

/* glibc leaves rubbish past the signals that exist, so masks are compared signal by signal. */
static bool same_mask(const sigset_t *a, const sigset_t *b) {
    bool same = true;
    for (int number = 1; number <= 64; number++) same = same && sigismember(a, number) == sigismember(b, number);
    return same;
}

static void compare(const struct surroundings *before, const char *moment) {
    struct surroundings now;
    look(&now);
    for (int number = 1; number <= 64; number++) {
        const struct sigaction *a = &before->actions[number], *b = &now.actions[number];
        const bool same = a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
        CHECK_SAYING(same && same_mask(&a->sa_mask, &b->sa_mask), "signal %d, %s", number, moment);
    }
    CHECK_SAYING(same_mask(&before->mask, &now.mask), "%s", moment);
    CHECK_SAYING(memcmp(&before->stack, &now.stack, sizeof now.stack) == 0, "%s", moment);
    CHECK_SAYING(before->threads == now.threads, "%d threads, %s", now.threads, moment);
    CHECK_SAYING(before->mode == now.mode, "%llx, %s", (unsigned long long)now.mode, moment);
    CHECK_SAYING(before->rounding == now.rounding && before->x87 == now.x87, "%s", moment);
    CHECK_SAYING(strcmp(before->locale, now.locale) == 0, "%s, %s", now.locale, moment);
    CHECK_SAYING(before->umask == now.umask, "%o, %s", (unsigned)now.umask, moment);
    CHECK_SAYING(before->environment == now.environment, "%s", moment);
    CHECK_SAYING(before->environment_hash == now.environment_hash, "%s", moment);
    CHECK_SAYING(strcmp(before->directory, now.directory) == 0, "%s", moment);
}

/* Sends both streams into a file; `finish` puts them back and says how much was written. */
struct capture {
    int out, err, file;
};

static struct capture capture_start(void) {
    fflush(NULL);
    struct capture c = {dup(1), dup(2), memfd_create("output", 0)};
    REQUIRE(c.out >= 0 && c.err >= 0 && c.file >= 0 && dup2(c.file, 1) == 1 && dup2(c.file, 2) == 2);
    return c;
}

static off_t capture_finish(struct capture c) {
    fflush(NULL);
    const off_t size = lseek(c.file, 0, SEEK_END);
    REQUIRE(dup2(c.out, 1) == 1 && dup2(c.err, 2) == 2);
    close(c.out), close(c.err), close(c.file);
    return size;
}

typedef martlet_status (*step_function)(float *, const float *, float *, int64_t, int64_t *, const martlet_config *);

/* `setting` is put into the environment first, or NULL. */
static void load(const char *path, const char *setting) {
    struct surroundings before;
    if (setting != NULL) putenv((char *)(uintptr_t)setting);
    look(&before);
    struct capture capture = capture_start();
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    off_t written = capture_finish(capture);
    CHECK_SAYING(library != NULL, "%s", dlerror());
    CHECK_SAYING(written == 0, "%ld bytes printed at load", (long)written);
    compare(&before, "after loading");
    if (library == NULL) return;

    step_function step;
    *(void **)&step = dlsym(library, "martlet_array_step");
    CHECK(step != NULL);
    float value[8] = {1}, grad[8] = {1}, state[16] = {0};
    int64_t taken = 0;
    capture = capture_start();
    for (int i = 0; i < 100; i++) CHECK(step(value, grad, state, 8, &taken, NULL) == MARTLET_OK);
    CHECK(step(NULL, grad, state, 8, &taken, NULL) == MARTLET_ERROR_NULL);
    written = capture_finish(capture);
    CHECK_SAYING(written == 0, "%ld bytes printed by steps", (long)written);
    compare(&before, "after a hundred small steps");
    CHECK(dlclose(library) == 0);
    compare(&before, "after dlclose");
}

int main(int argc, char **argv) {
    REQUIRE(argc == 2);
    umask(027);
    load(argv[1], NULL);
    if (check_failures == 0) {
        /* What the host had set itself stays too: a handler, a stack, a rounding mode. */
        static char room[1 << 16];
        const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
        REQUIRE(sigaltstack(&stack, NULL) == 0);
        signal(SIGUSR1, SIG_IGN);
        fesetround(FE_UPWARD);
        load(argv[1], "SWIFT_BACKTRACE=enable=yes");
    }
    return check_end();
}
