/*
 * What opening the library does to the process: nothing that can be seen. Every signal's handler, the
 * alternate stack, threads, floating-point control, locale, umask, environment and output are compared
 * before and after dlopen, and again after a hundred small steps. The library is loaded once in each of
 * several children, since it is never unloaded and so opens but once in a process: in a plain host, in
 * one that has set things itself, and with the variables set that make a Swift runtime install handlers
 * for crashes, or say that it cannot. This program is not linked with the library, and not with Swift.
 *
 *   loading LIBRARY ROOT    ROOT holds what the runtime looks for there: libexec/swift/linux/swift-backtrace
 */
#include <dlfcn.h>
#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

static void load(const char *path) {
    struct surroundings before;
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

/* What a host may have set itself: handlers, a stack for them, a rounding mode. */
static void host_handler(int number) { (void)number; }

static void host_settings(void) {
    static char room[1 << 16];
    const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    REQUIRE(sigaltstack(&stack, NULL) == 0);
    struct sigaction action = {.sa_handler = host_handler, .sa_flags = SA_ONSTACK | SA_RESTART};
    sigemptyset(&action.sa_mask);
    REQUIRE(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGFPE, &action, NULL) == 0);
    signal(SIGUSR1, SIG_IGN);
    fesetround(FE_UPWARD);
}

/* A host: the two variables that the Swift runtime reads (NULL: not set), and whether it sets things itself. */
struct host {
    const char *name, *root, *backtrace;
    bool settings;
};

static void set(const char *variable, const char *value) {
    REQUIRE((value == NULL ? unsetenv(variable) : setenv(variable, value, 1)) == 0);
}

/* In a child that has not loaded the library yet. */
static int child(const struct host *host, const char *library) {
    check_failures = check_count = 0;
    set("SWIFT_ROOT", host->root);
    set("SWIFT_BACKTRACE", host->backtrace);
    if (host->settings) host_settings();
    load(library);
    if (check_failures != 0) fprintf(stderr, "those were in %s\n", host->name);
    printf("%s: %d checks, %d failed\n", host->name, check_count, check_failures);
    fflush(NULL);
    return check_failures != 0;
}

int main(int argc, char **argv) {
    REQUIRE(argc == 3);
    umask(027);
    const char *root = argv[2];
    const struct host hosts[] = {
        {"a plain host", NULL, NULL, false},
        {"a host with handlers, a stack and a rounding mode of its own", NULL, NULL, true},
        {"a host that knows a Swift toolchain", root, NULL, false},
        {"the same with settings of its own", root, NULL, true},
        {"a host that asks for backtraces", NULL, "enable=yes", false},
        {"a host that asks for them and knows a toolchain", root, "enable=yes", false},
        {"a host that asks for none", root, "enable=no", false},
    };
    for (int k = 0; k < LENGTH(hosts); k++) {
        fflush(NULL);
        const pid_t process = fork();
        REQUIRE(process >= 0);
        if (process == 0) _exit(child(&hosts[k], argv[1]));
        int status = 0;
        REQUIRE(waitpid(process, &status, 0) == process);
        CHECK_SAYING(status == 0, "%s", hosts[k].name);
    }
    printf("%d hosts, ", LENGTH(hosts));
    return check_end();
}
