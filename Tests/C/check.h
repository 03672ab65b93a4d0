/*
 * What the C programs share: checks that count failures, exact test data, buffers between guard pages,
 * and the floating-point control word. Included once by each program; it knows the header alone and
 * holds no expectation about any result: reference.h does.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "martlet.h"

#define UNUSED __attribute__((unused))
#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

static int check_failures;
static int check_count;

/* Counts a check; says where it failed, and goes on. */
#define CHECK(condition) CHECK_SAYING(condition, "%s", "")
#define CHECK_SAYING(condition, ...)                                             \
    do {                                                                         \
        __atomic_add_fetch(&check_count, 1, __ATOMIC_RELAXED);                   \
        if (!(condition)) {                                                      \
            if (__atomic_add_fetch(&check_failures, 1, __ATOMIC_RELAXED) < 25) { \
                fprintf(stderr, "%s:%d: %s ", __FILE__, __LINE__, #condition);   \
                fprintf(stderr, __VA_ARGS__);                                    \
                fputc('\n', stderr);                                             \
            }                                                                    \
        }                                                                        \
    } while (0)

#define CHECK_STATUS(call, wanted)                                                                             \
    do {                                                                                                       \
        martlet_status check_status_ = (call);                                                                 \
        CHECK_SAYING(check_status_ == (wanted), "gave %s, wanted %s: %s", martlet_status_name(check_status_), \
                     martlet_status_name(wanted), martlet_last_error());                                       \
    } while (0)
#define CHECK_OK(call) CHECK_STATUS(call, MARTLET_OK)

/* For what the test itself cannot go on without. */
#define REQUIRE(condition)                                                                          \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno)); \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

/* The last line of a program, and its exit status. */
UNUSED static int check_end(void) {
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures != 0;
}

/* ---- data ---- */

__extension__ typedef _Float16 half; /* not in ISO C11, but in both compilers */

/* Counter-based bits: the same in every language that has 64-bit unsigned integers. */
UNUSED static uint64_t check_bits(uint64_t seed, uint64_t index) {
    uint64_t x = seed * 0x9E3779B97F4A7C15u + index * 0xD1B54A32D192ED03u + 0x2545F4914F6CDD1Du;
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* A number in -2 ..< 2 with seven significant bits: exact in each of the four types. */
UNUSED static double check_number(uint64_t seed, uint64_t index) {
    return (double)((int)(check_bits(seed, index) >> 56) - 128) / 64.0;
}

/* Writes such a number as an element of a type. */
UNUSED static void check_set(void *array, int64_t index, int32_t dtype, double number) {
    if (dtype == MARTLET_FP64) ((double *)array)[index] = number;
    else if (dtype == MARTLET_FP32) ((float *)array)[index] = (float)number;
    else if (dtype == MARTLET_FP16) ((half *)array)[index] = (half)number;
    else {
        const float exact = (float)number;
        uint32_t bits;
        memcpy(&bits, &exact, 4);
        ((uint16_t *)array)[index] = (uint16_t)(bits >> 16);
    }
}

UNUSED static void check_fill(float *array, int64_t count, uint64_t seed) {
    for (int64_t i = 0; i < count; i++) array[i] = (float)check_number(seed, (uint64_t)i);
}

/* A step so large that all threads take part in it: the pool starts them when there is enough to do, and that allocates. */
UNUSED static void check_start_threads(void) {
    enum { COUNT = 1 << 20 };
    static float value[COUNT], grad[COUNT], state[2 * COUNT];
    int64_t step = 0;
    CHECK_OK(martlet_array_step(value, grad, state, COUNT, &step, NULL));
}

/* FNV-1a over bytes, to carry on from `hash` (0 to begin). */
UNUSED static uint64_t check_hash(uint64_t hash, const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    if (hash == 0) hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ p[i]) * 0x100000001B3u;
    return hash;
}

UNUSED static int check_element_size(int32_t dtype) {
    return dtype == MARTLET_FP64 ? 8 : dtype == MARTLET_FP32 ? 4 : 2;
}

UNUSED static martlet_array check_array(const void *data, int64_t count, int32_t dtype) {
    martlet_array array = {.data = (void *)(uintptr_t)data, .count = count, .dtype = dtype};
    return array;
}

UNUSED static martlet_config check_config(int32_t algorithm) {
    martlet_config config;
    REQUIRE(martlet_config_init(&config, sizeof config, algorithm) == MARTLET_OK);
    return config;
}

/* Whether an algorithm steps parameters of one dimension too. */
UNUSED static bool check_takes_vectors(const martlet_config *config) {
    return !(martlet_algorithm_needs(config->algorithm) & MARTLET_NEEDS_MATRICES);
}

/* ---- threads ---- */

/* Seconds that all other threads of the process have worked, those that have ended too. */
UNUSED static double check_worker_seconds(void) {
    struct timespec all = {0, 0}, own = {0, 0};
    REQUIRE(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all) == 0 && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own) == 0);
    return (double)(all.tv_sec - own.tv_sec) + (double)(all.tv_nsec - own.tv_nsec) * 1e-9;
}

/* ---- memory ---- */

/* `size` bytes whose last (or first) one touches a page that may not be read or written. */
UNUSED static void *check_guarded(size_t size, bool at_end) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
    unsigned char *base = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(base != MAP_FAILED);
    if (room != 0) REQUIRE(mprotect(base + page, room, PROT_READ | PROT_WRITE) == 0);
    return base + page + (at_end ? room - size : 0);
}

/* ---- the floating-point control word ---- */

#if defined(__x86_64__)
#include <xmmintrin.h>
UNUSED static uint64_t check_mode_get(void) { return _mm_getcsr(); }
UNUSED static void check_mode_set(uint64_t mode) { _mm_setcsr((uint32_t)mode); }
#define CHECK_MODE_EXACT 0x1F80u /* to nearest, exceptions masked, denormals kept */
#define CHECK_MODE_FLUSH 0x8040u /* denormal results and operands count as zero */
#define CHECK_MODE_STICKY 0x003Fu
#elif defined(__aarch64__)
UNUSED static uint64_t check_mode_get(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
UNUSED static void check_mode_set(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#define CHECK_MODE_EXACT 0u
#define CHECK_MODE_FLUSH (1u << 24)
#define CHECK_MODE_STICKY 0u
#endif

#endif
