/*
 * Where a checkpoint is written: modes and links that are kept, paths that cannot be written (missing
 * folder, folder, FIFO, device, too long a name), a disk that ends half way (by RLIMIT_FSIZE). Each
 * refusal leaves the old file and no other. Kills are save_kill.c's business.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "checkpoint.h"

static int file_count(void) {
    int count = 0;
    DIR *folder = opendir(".");
    REQUIRE(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(folder);
    return count;
}

static unsigned mode_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (unsigned)status.st_mode & 07777 : 0;
}

static void modes_and_links(martlet_optimizer *optimizer) {
    umask(027);
    CHECK_OK(martlet_optimizer_save(optimizer, "fresh"));
    CHECK_SAYING(mode_of("fresh") == 0640, "%o", mode_of("fresh"));
    REQUIRE(chmod("fresh", 0604) == 0);
    CHECK_OK(martlet_optimizer_save(optimizer, "fresh"));
    CHECK_SAYING(mode_of("fresh") == 0604, "%o", mode_of("fresh"));
    umask(022);

    REQUIRE(symlink("fresh", "link") == 0);
    REQUIRE(truncate("fresh", 0) == 0);
    CHECK_OK(martlet_optimizer_save(optimizer, "link"));
    struct stat status;
    REQUIRE(lstat("link", &status) == 0);
    CHECK_SAYING(S_ISLNK(status.st_mode), "%s", "the link was replaced by a file");
    CHECK_OK(martlet_optimizer_load(optimizer, "fresh"));
    CHECK_OK(martlet_optimizer_load(optimizer, "link"));

    REQUIRE(mkdir("folder", 0755) == 0);
    char path[4096];
    REQUIRE(getcwd(path, sizeof path - 100) != NULL);
    strcat(path, "/folder/../folder/./\xC3\xA4 b'\"\\\n.safetensors");
    CHECK_OK(martlet_optimizer_save(optimizer, path));
    CHECK_OK(martlet_optimizer_load(optimizer, path));
    CHECK(unlink(path) == 0);
    CHECK(rmdir("folder") == 0);

    char name[300];
    memset(name, 'n', sizeof name);
    name[255] = 0; /* the longest name that a folder takes */
    CHECK_OK(martlet_optimizer_save(optimizer, name));
    CHECK_OK(martlet_optimizer_load(optimizer, name));
    CHECK(unlink(name) == 0);
    CHECK(unlink("link") == 0 && unlink("fresh") == 0);
    CHECK(file_count() == 0);
}

/* Refused by both calls, with nothing left behind. */
static void refused(martlet_optimizer *optimizer, const char *path, martlet_status wanted) {
    const int before = file_count();
    const uint64_t hash = checkpoint_hash(optimizer);
    CHECK_STATUS(martlet_optimizer_save(optimizer, path), wanted);
    CHECK_SAYING(strstr(martlet_last_error(), "martlet_optimizer_save") != NULL, "%s", martlet_last_error());
    martlet_status status = martlet_optimizer_load(optimizer, path);
    CHECK_SAYING(status == MARTLET_ERROR_FILE || status == MARTLET_ERROR_FORMAT || status == wanted, "%s: %s", path,
                 martlet_status_name(status));
    CHECK(file_count() == before);
    CHECK(checkpoint_hash(optimizer) == hash);
}

static void refusals(martlet_optimizer *optimizer) {
    static char longest[8192];
    refused(optimizer, "", MARTLET_ERROR_FILE);
    refused(optimizer, ".", MARTLET_ERROR_FILE);
    refused(optimizer, "..", MARTLET_ERROR_FILE);
    refused(optimizer, "/", MARTLET_ERROR_FILE);
    refused(optimizer, "missing/file", MARTLET_ERROR_FILE);
    refused(optimizer, "missing/", MARTLET_ERROR_FILE);
    refused(optimizer, "/proc/self/nothing", MARTLET_ERROR_FILE);
    memset(longest, 'n', 256);
    refused(optimizer, longest, MARTLET_ERROR_FILE);
    for (int i = 0; i < 8190; i++) longest[i] = i % 100 == 99 ? '/' : 'n';
    refused(optimizer, longest, MARTLET_ERROR_FILE);
    REQUIRE(mkdir("folder", 0755) == 0);
    refused(optimizer, "folder", MARTLET_ERROR_FILE);
    refused(optimizer, "folder/", MARTLET_ERROR_FILE);
    CHECK(rmdir("folder") == 0);
    checkpoint_write("file", "x", 1);
    refused(optimizer, "file/below", MARTLET_ERROR_FILE);
    CHECK(unlink("file") == 0);
    REQUIRE(symlink("loop", "loop") == 0);
    refused(optimizer, "loop", MARTLET_ERROR_FILE);
    CHECK(unlink("loop") == 0);

    /* Renaming over something that is no plain file would destroy it, and opening a FIFO would wait. */
    REQUIRE(mkfifo("fifo", 0644) == 0);
    refused(optimizer, "fifo", MARTLET_ERROR_FILE);
    struct stat status;
    const bool stays = lstat("fifo", &status) == 0 && S_ISFIFO(status.st_mode);
    CHECK_SAYING(stays, "%s", "the FIFO was replaced by a file");
    if (stays) {
        refused(optimizer, "/dev/full", MARTLET_ERROR_FILE);
        refused(optimizer, "/dev/null", MARTLET_ERROR_FILE);
        CHECK(lstat("/dev/full", &status) == 0 && S_ISCHR(status.st_mode));
    }
    CHECK(unlink("fifo") == 0);
}

/* The disk that ends after `limit` bytes: the old file stays, and nothing else. */
static void full_disk(martlet_optimizer *optimizer) {
    static unsigned char before[1 << 16], after[1 << 16];
    struct rlimit room;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &room) == 0);
    CHECK_OK(martlet_optimizer_save(optimizer, "old"));
    const long size = checkpoint_read("old", before, sizeof before);
    CHECK(size > 100 && size < (long)sizeof before);
    signal(SIGXFSZ, SIG_IGN);
    for (long limit = 0; limit < size; limit += limit < 16 || limit > size - 16 ? 1 : 37) {
        const struct rlimit small = {(rlim_t)limit, room.rlim_max};
        checkpoint_train(optimizer, 1);
        const uint64_t hash = checkpoint_hash(optimizer);
        REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
        const martlet_status onto = martlet_optimizer_save(optimizer, "old"), fresh = martlet_optimizer_save(optimizer, "new");
        REQUIRE(setrlimit(RLIMIT_FSIZE, &room) == 0);
        CHECK_SAYING(onto == MARTLET_ERROR_FILE && fresh == MARTLET_ERROR_FILE, "limit %ld of %ld: %s, %s", limit, size,
                     martlet_status_name(onto), martlet_status_name(fresh));
        CHECK(checkpoint_hash(optimizer) == hash);
        CHECK_SAYING(file_count() == 1, "%d files", file_count());
        CHECK(checkpoint_read("old", after, sizeof after) == size && memcmp(before, after, (size_t)size) == 0);
    }
    CHECK(unlink("old") == 0);
}

/* No file can be opened at all. */
static void no_descriptors(martlet_optimizer *optimizer) {
    struct rlimit room;
    CHECK_OK(martlet_optimizer_save(optimizer, "old"));
    REQUIRE(getrlimit(RLIMIT_NOFILE, &room) == 0);
    const struct rlimit none = {3, room.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const martlet_status save = martlet_optimizer_save(optimizer, "old"), load = martlet_optimizer_load(optimizer, "old");
    REQUIRE(setrlimit(RLIMIT_NOFILE, &room) == 0);
    CHECK_STATUS(save, MARTLET_ERROR_FILE);
    CHECK_STATUS(load, MARTLET_ERROR_FILE);
    CHECK_OK(martlet_optimizer_load(optimizer, "old"));
    CHECK(file_count() == 1 && unlink("old") == 0);
}

int main(void) {
    martlet_optimizer *optimizer = checkpoint_create();
    checkpoint_train(optimizer, 3);
    modes_and_links(optimizer);
    refusals(optimizer);
    full_disk(optimizer);
    no_descriptors(optimizer);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    return check_end();
}
