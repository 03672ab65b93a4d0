/*
 * Files that are not what they should be, for martlet_optimizer_load: a good small file truncated at
 * every byte, with every bit flipped, and headers that lie (huge, overlapping, duplicated, deeply nested,
 * of wrong types). Each is refused, or loads into something within bounds; a refusal leaves the optimizer
 * as it was; none ends the process or takes memory out of proportion to the file.
 */
#include <sys/resource.h>

#include "checkpoint.h"

/* The damaged files are in memory: truncating one on a disk fifteen thousand times would wait for the disk. */
static char path[64];
static int file_number;

static unsigned char good[1 << 14], bytes[1 << 14];
static long good_size;
static martlet_optimizer *optimizer;
static int refused_count, loaded_count;

static void put(const void *file, size_t size) {
    REQUIRE(ftruncate(file_number, 0) == 0);
    REQUIRE(size == 0 || pwrite(file_number, file, size, 0) == (ssize_t)size);
}

/* Loads `size` bytes. `must_refuse`: nothing else will do; otherwise it may also load, within bounds. */
static void offer(const void *file, size_t size, bool must_refuse, const char *what, long where) {
    put(file, size);
    const uint64_t before = checkpoint_hash(optimizer);
    const martlet_status status = martlet_optimizer_load(optimizer, path);
    const uint64_t after = checkpoint_hash(optimizer);
    if (status == MARTLET_OK) {
        loaded_count++;
        CHECK_SAYING(!must_refuse, "%s (%ld) was loaded", what, where);
        CHECK_SAYING(after != 0, "%s (%ld) loaded numbers out of range", what, where);
        put(good, (size_t)good_size);
        CHECK_OK(martlet_optimizer_load(optimizer, path));
        CHECK(checkpoint_hash(optimizer) == before);
    } else {
        refused_count++;
        CHECK_SAYING(status == MARTLET_ERROR_FORMAT, "%s (%ld): %s: %s", what, where, martlet_status_name(status),
                     martlet_last_error());
        CHECK_SAYING(strlen(martlet_last_error()) > 20, "%s", martlet_last_error());
        CHECK_SAYING(after == before, "%s (%ld) changed the optimizer", what, where);
    }
}

static void damage(void) {
    for (long size = 0; size < good_size; size++) offer(good, (size_t)size, true, "truncated", size);
    memcpy(bytes, good, (size_t)good_size);
    for (long extra = 1; extra <= 9; extra++) offer(bytes, (size_t)(good_size + extra), true, "bytes past the end", extra);
    for (long bit = 0; bit < good_size * 8; bit++) {
        memcpy(bytes, good, (size_t)good_size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        offer(bytes, (size_t)good_size, bit < 64, "bit flipped", bit);
    }
    static const unsigned char odd[] = {0x00, 0x0A, 0x20, 0x22, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0x2C, 0x3A, 0x2D, 0x65, 0x80, 0xC0, 0xFF};
    uint64_t header = 0;
    memcpy(&header, good, 8);
    for (long at = 8; at < (long)header + 8; at++)
        for (int k = 0; k < LENGTH(odd); k++) {
            memcpy(bytes, good, (size_t)good_size);
            bytes[at] = odd[k];
            if (odd[k] != good[at]) offer(bytes, (size_t)good_size, false, "byte replaced", at * 256 + odd[k]);
        }
    memset(bytes, 0, sizeof bytes);
    offer(bytes, 4096, true, "zeros", 0);
    memset(bytes, 0xFF, sizeof bytes);
    offer(bytes, 4096, true, "ones", 0);
    static const uint64_t lengths[] = {0, 1, 2, 7, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, 1u << 31, 100000001,
                                       (uint64_t)1 << 32, (uint64_t)1 << 40, UINT64_MAX - 7};
    for (int k = 0; k < LENGTH(lengths); k++) {
        memcpy(bytes, good, (size_t)good_size);
        memcpy(bytes, &lengths[k], 8);
        offer(bytes, (size_t)good_size, true, "header length", k);
    }
}

/* ---- headers made by hand ---- */

static char metadata[4096]; /* the good file's own "__metadata__":{...} */

/* A file from a header's text and as many bytes of data as the good one has, or `data`. */
static void offer_text(const char *text, size_t length, long data, bool must_refuse, const char *what) {
    static unsigned char file[3 << 20];
    const uint64_t size = length;
    REQUIRE(8 + length + (size_t)data < sizeof file);
    memcpy(file, &size, 8);
    memcpy(file + 8, text, length);
    memset(file + 8 + length, 0, (size_t)data);
    offer(file, 8 + length + (size_t)data, must_refuse, what, (long)length);
}

/* Six entries, of which one may be given in place of its own, and one more at the end. */
struct entry {
    const char *name, *dtype, *shape;
    long from, to;
};

static void offer_entries(const struct entry *entries, int count, long data, bool must_refuse, const char *what) {
    static char text[8192];
    int n = snprintf(text, sizeof text, "{%s", metadata);
    for (int k = 0; k < count; k++)
        n += snprintf(text + n, sizeof text - (size_t)n, ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%ld,%ld]}",
                      entries[k].name, entries[k].dtype, entries[k].shape, entries[k].from, entries[k].to);
    n += snprintf(text + n, sizeof text - (size_t)n, "}");
    while (n % 8 != 0) text[n++] = ' ';
    offer_text(text, (size_t)n, data, must_refuse, what);
}

#define ENTRIES 6
static const struct entry plain[ENTRIES] = {
    {"a.exp_avg", "F32", "[5]", 0, 20},  {"a.exp_avg_sq", "F32", "[5]", 20, 40}, {"a.step", "I64", "[]", 40, 48},
    {"b.exp_avg", "F32", "[3]", 48, 60}, {"b.exp_avg_sq", "F32", "[3]", 60, 72}, {"b.step", "I64", "[]", 72, 80},
};

static void headers(void) {
    const int before = loaded_count;
    offer_entries(plain, ENTRIES, 80, false, "a plain file");
    CHECK_SAYING(loaded_count == before + 1, "%s", "the plain file must load, or the others prove nothing");
    offer_entries(plain, ENTRIES - 1, 72, true, "a counter missing");
    offer_entries(plain + 1, ENTRIES - 1, 80, true, "a moment missing");
    offer_entries(plain, 0, 0, true, "no tensor");
    static const struct {
        const char *what;
        int place;
        struct entry entry;
    } lies[] = {
        {"another name", 0, {"c.exp_avg", "F32", "[5]", 0, 20}},
        {"a duplicate name", 0, {"a.exp_avg_sq", "F32", "[5]", 0, 20}},
        {"an empty name", 0, {"", "F32", "[5]", 0, 20}},
        {"another type", 0, {"a.exp_avg", "I32", "[5]", 0, 20}},
        {"half the type", 0, {"a.exp_avg", "F16", "[5]", 0, 20}},
        {"an unknown type", 0, {"a.exp_avg", "F33", "[5]", 0, 20}},
        {"an empty type", 0, {"a.exp_avg", "", "[5]", 0, 20}},
        {"another shape", 0, {"a.exp_avg", "F32", "[4]", 0, 20}},
        {"a zero dimension", 0, {"a.exp_avg", "F32", "[0]", 0, 20}},
        {"a negative dimension", 0, {"a.exp_avg", "F32", "[-5]", 0, 20}},
        {"two negative dimensions", 0, {"a.exp_avg", "F32", "[-5,-1]", 0, 20}},
        {"a fraction", 0, {"a.exp_avg", "F32", "[5.5]", 0, 20}},
        {"a text dimension", 0, {"a.exp_avg", "F32", "[\"5\"]", 0, 20}},
        {"dimensions that overflow", 0, {"a.exp_avg", "F32", "[9223372036854775807,9223372036854775807,5]", 0, 20}},
        {"dimensions that wrap to 5", 0, {"a.exp_avg", "F32", "[4611686018427387904,4,5]", 0, 20}},
        {"a dimension past 64 bits", 0, {"a.exp_avg", "F32", "[18446744073709551621]", 0, 20}},
        {"no list of dimensions", 0, {"a.exp_avg", "F32", "5", 0, 20}},
        {"null for a shape", 0, {"a.exp_avg", "F32", "null", 0, 20}},
        {"an overlap", 1, {"a.exp_avg_sq", "F32", "[5]", 16, 36}},
        {"the same bytes twice", 1, {"a.exp_avg_sq", "F32", "[5]", 0, 20}},
        {"offsets the wrong way", 0, {"a.exp_avg", "F32", "[5]", 20, 0}},
        {"negative offsets", 0, {"a.exp_avg", "F32", "[5]", -20, 0}},
        {"offsets past the end", 5, {"b.step", "I64", "[]", 73, 81}},
        {"huge offsets", 5, {"b.step", "I64", "[]", INT64_MAX - 8, INT64_MAX}},
        {"short offsets", 0, {"a.exp_avg", "F32", "[5]", 0, 16}},
        {"a counter of another type", 2, {"a.step", "F64", "[]", 40, 48}},
        {"a counter with two elements", 2, {"a.step", "I32", "[2]", 40, 48}},
    };
    for (int k = 0; k < LENGTH(lies); k++) {
        struct entry entries[ENTRIES];
        memcpy(entries, plain, sizeof plain);
        entries[lies[k].place] = lies[k].entry;
        offer_entries(entries, ENTRIES, 80, true, lies[k].what);
    }
    struct entry more[ENTRIES + 1];
    memcpy(more, plain, sizeof plain);
    more[ENTRIES] = (struct entry){"a.exp_avg", "F32", "[5]", 80, 100};
    offer_entries(more, ENTRIES + 1, 100, true, "a name given twice");
    offer_entries(plain, ENTRIES, 88, true, "data that belongs to no tensor");
    more[ENTRIES] = (struct entry){"a.hole", "F32", "[1]", 84, 88};
    offer_entries(more, ENTRIES + 1, 88, true, "a hole");
}

/* The plain file with one piece of its metadata replaced, which must not load. */
static void replaced(const char *piece, const char *by) {
    char whole[sizeof metadata], rest[sizeof metadata];
    char *place = strstr(metadata, piece);
    CHECK_SAYING(place != NULL, "no %s in %s", piece, metadata);
    if (place == NULL) return;
    strcpy(whole, metadata);
    strcpy(rest, place + strlen(piece));
    strcpy(place, by);
    strcat(place, rest);
    offer_entries(plain, ENTRIES, 80, true, by);
    strcpy(metadata, whole);
}

/* A counter below 0, and hyperparameters that no config would accept. */
static void numbers(void) {
    static char text[8192];
    long at = 0;
    uint64_t header = 0;
    memcpy(&header, good, 8);
    REQUIRE(header < sizeof text);
    for (long k = 8 + (long)header; k + 8 <= good_size; k++) {
        int64_t number;
        memcpy(&number, good + k, 8);
        if (number == 3) at = k;
    }
    CHECK(at > 0);
    static const int64_t steps[] = {-1, INT64_MIN, INT64_MAX};
    for (int k = 0; k < LENGTH(steps); k++) {
        memcpy(bytes, good, (size_t)good_size);
        memcpy(bytes + at, &steps[k], 8);
        offer(bytes, (size_t)good_size, steps[k] < 0, "a counter", k);
    }
    /* The learning rate as text and as bits, 0.001, in the metadata. */
    static const char *const wrong_text[] = {"nan", "inf", "-1.0", "", "x", "1e999", "0x", "1.0 ", "1,0"};
    static const char *const wrong_bits[] = {"7ff8000000000000", "7ff0000000000000", "bf50624dd2f1a9fc", "", "x", "-1",
                                             "3f50624dd2f1a9fc0", "3f50624dd2f1a9f ", "0x3f50624dd2f1a9"};
    for (int k = 0; k < LENGTH(wrong_text); k++) replaced("0.001", wrong_text[k]);
    for (int k = 0; k < LENGTH(wrong_bits); k++) replaced("3f50624dd2f1a9fc", wrong_bits[k]);
}

/* Text that a parser may trip over. */
static void texts(void) {
    static char text[2 << 20];
    static const char *const bad[] = {"", "{", "}", "[]", "{}", "null", "1", "\"a\"", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}",
                                      "{\"a\":{}}", "{\"\\ud800\":{}}", "{\"\\u00\":1}", "{\"\\x\":1}", "{\"a\":1}{}", "{a:1}",
                                      "{\"__metadata__\":1}", "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":{\"a\":{}}}",
                                      "{\"__metadata__\":{\"format\":\"martlet\"}}", "{\"__metadata__\":{\"format\":\"pt\"}}",
                                      "{\"a\":tru}", "{\"a\":nul", "{\"a\":-}", "{\"a\":1e}", "{\"a\":01}", "{\"a\":\"\n\"}",
                                      "{\"a\":\"\x80\"}", "{\"a\":\"\xC0\x80\"}", "{\"a\":\"\xED\xA0\x80\"}", "{\"a\":\"\xF5\x80\x80\x80\"}"};
    for (int k = 0; k < LENGTH(bad); k++) offer_text(bad[k], strlen(bad[k]), 80, true, bad[k]);
    static const struct {
        const char *open, *what;
    } deep[] = {{"[", "nested lists"}, {"{\"a\":", "nested objects"}, {"{\"a\":[", "nested both"}, {" ", "spaces"},
                {"\"", "quotes"}, {"{\"a", "a long name"}, {"9", "a long number"}, {"\\", "backslashes"}};
    for (int k = 0; k < LENGTH(deep); k++) {
        size_t length = 0;
        const size_t step = strlen(deep[k].open);
        while (length + step < 1000000) memcpy(text + length, deep[k].open, step), length += step;
        offer_text(text, length, 80, true, deep[k].what);
        memmove(text + 5, text, length);
        memcpy(text, "{\"a\":", 5);
        offer_text(text, length + 5, 80, true, deep[k].what);
    }
    memset(text, 'x', 900000);
    memcpy(text, "{\"", 2);
    int n = 900000 + sprintf(text + 900000, "\":");
    offer_text(text, (size_t)n, 0, true, "a name without its value");
    n = 1;
    for (int k = 0; k < 20000; k++)
        n += sprintf(text + n, "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", k ? "," : "", k);
    text[0] = '{';
    text[n++] = '}';
    offer_text(text, (size_t)n, 0, true, "20,000 empty tensors");
}

int main(void) {
    alarm(110);
    const struct rlimit room = {(rlim_t)2 << 30, (rlim_t)2 << 30}; /* what is out of proportion fails */
    REQUIRE(setrlimit(RLIMIT_AS, &room) == 0);
    optimizer = checkpoint_create();
    checkpoint_train(optimizer, 3);
    CHECK_OK(martlet_optimizer_save(optimizer, "good.safetensors"));
    good_size = checkpoint_read("good.safetensors", good, sizeof good);
    file_number = memfd_create("corrupt", 0);
    REQUIRE(file_number >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file_number);
    REQUIRE(good_size > 100 && good_size < (long)sizeof good - 16);
    uint64_t header = 0;
    memcpy(&header, good, 8);
    CHECK(header % 8 == 0 && (long)header + 8 + 80 == good_size);
    const char *start = strstr((const char *)good + 8, "\"__metadata__\"");
    REQUIRE(start != NULL && strchr(start, '}') != NULL);
    snprintf(metadata, sizeof metadata, "%.*s", (int)(strchr(start, '}') - start + 1), start);
    damage();
    headers();
    numbers();
    texts();
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    printf("%d files refused, %d loaded within bounds\n", refused_count, loaded_count);
    return check_end();
}
