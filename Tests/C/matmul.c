/*
 * martlet_matmul against sums in fp64: shapes around every blocking (one row, one column, odd remainders,
 * thousands), all eight flags, every thread count and instruction set, factors that share memory, and
 * guard pages at the end of all three matrices. How near is near: a sum of n products of fp32 may be off by
 * a few sqrt(n) units, never by n.
 */
#include "check.h"

struct shape {
    int64_t rows, inner, columns;
};

static int products;

/* A matrix whose last element touches a page that may not be touched. */
static float *matrix(int64_t count, uint64_t seed) {
    float *elements = check_guarded((size_t)count * sizeof *elements, true);
    check_fill(elements, count, seed);
    return elements;
}

static void release(float *elements, int64_t count) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = ((size_t)count * sizeof *elements + page - 1) / page * page;
    unsigned char *end = (unsigned char *)(elements + count);
    REQUIRE(munmap(end - room - page, room + 2 * page) == 0);
}

/* One product in fp64, and how far from it a sum of fp32 may be. */
static void expect(double *out, double *room, const float *before, const float *left, const float *right, struct shape s, uint32_t flags) {
    for (int64_t i = 0; i < s.rows; i++)
        for (int64_t j = 0; j < s.columns; j++) {
            double sum = flags & MARTLET_ACCUMULATE ? (double)before[i * s.columns + j] : 0, size = fabs(sum);
            for (int64_t k = 0; k < s.inner; k++) {
                const float a = left[flags & MARTLET_TRANSPOSE_LEFT ? k * s.rows + i : i * s.inner + k];
                const float b = right[flags & MARTLET_TRANSPOSE_RIGHT ? j * s.inner + k : k * s.columns + j];
                sum += (double)a * (double)b, size += fabs((double)a * (double)b);
            }
            out[i * s.columns + j] = sum;
            room[i * s.columns + j] = size * 1.2e-7 * (2 + sqrt((double)s.inner));
        }
}

static void one(struct shape s, uint32_t flags) {
    const int64_t count = s.rows * s.columns;
    float *left = matrix(s.rows * s.inner, 1), *right = matrix(s.inner * s.columns, 2), *out = matrix(count, 3);
    float *first = malloc((size_t)(count + 1) * sizeof *first);
    double *wanted = malloc((size_t)(count + 1) * 2 * sizeof *wanted), *room = wanted + count;
    REQUIRE(first != NULL && wanted != NULL);
    expect(wanted, room, out, left, right, s, flags);
    static const int32_t threads[] = {1, 2, 3, 7, 64};
    for (int t = 0; t < LENGTH(threads); t++) {
        CHECK_OK(martlet_threads_set(threads[t]));
        check_fill(out, count, 3);
        if (!(flags & MARTLET_ACCUMULATE))
            for (int64_t i = 0; i < count; i++) out[i] = NAN; /* what stood there must not count */
        CHECK_OK(martlet_matmul(out, left, right, s.rows, s.inner, s.columns, flags));
        if (t == 0) memcpy(first, out, (size_t)count * sizeof *out);
        CHECK_SAYING(memcmp(first, out, (size_t)count * sizeof *out) == 0, "%d threads: other bits", threads[t]);
    }
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; i++) wrong += !(fabs((double)first[i] - wanted[i]) <= room[i]);
    CHECK_SAYING(wrong == 0, "%ld x %ld x %ld, flags %u: %ld of %ld wrong", (long)s.rows, (long)s.inner, (long)s.columns, flags,
                 (long)wrong, (long)count);
    products++;
    release(left, s.rows * s.inner), release(right, s.inner * s.columns), release(out, count);
    free(first), free(wanted);
}

static void shapes(void) {
    static const struct shape some[] = {{1, 1, 1}, {1, 7, 1}, {5, 1, 3}, {1, 300, 17}, {17, 300, 1}, {2, 2, 2}, {3, 5, 7},
                                        {6, 16, 16}, {7, 17, 33}, {12, 32, 48}, {13, 64, 31}, {31, 127, 65}, {64, 784, 10},
                                        {33, 1000, 10}, {128, 256, 64}, {97, 259, 131}, {1, 1024, 1024}, {1024, 3, 5}, {5, 3, 1025},
                                        {256, 600, 256}, {14, 5000, 15}, {33, 70, 1030}, {80, 300, 1100}, {513, 260, 291},
                                        {64, 9000, 100}, {70, 40, 80}, {30, 300, 112}, {13, 20, 60}, {7, 353, 20}, {257, 353, 1024}};
    for (int k = 0; k < LENGTH(some); k++)
        for (uint32_t flags = 0; flags < 8; flags++) one(some[k], flags);
    for (int64_t n = 1; n <= 40; n++) one((struct shape){n, (n * 7) % 41 + 1, (n * 11) % 43 + 1}, (uint32_t)n % 8);
    /* few rows, which read the last columns where they lie, up to the matrix's end */
    for (int64_t n = 1; n <= 135; n++) one((struct shape){n % 7 + 1, (n * 97) % 750 + 1, n}, n % 2 ? 0 : MARTLET_ACCUMULATE);
}

/* No rows or columns: nothing is touched. Nothing within: zeros, or what was there. */
static void empty(void) {
    float out[6] = {1, 2, 3, 4, 5, 6}, factor[6] = {0};
    CHECK_OK(martlet_matmul(NULL, NULL, NULL, 0, 0, 0, 0));
    CHECK_OK(martlet_matmul(NULL, factor, NULL, 2, 3, 0, 0));
    CHECK_OK(martlet_matmul(NULL, NULL, factor, 0, 3, 2, 0));
    CHECK_OK(martlet_matmul(out, NULL, NULL, 2, 0, 3, MARTLET_ACCUMULATE));
    for (int i = 0; i < 6; i++) CHECK(out[i] == (float)(i + 1));
    CHECK_OK(martlet_matmul(out, NULL, NULL, 2, 0, 3, 0));
    for (int i = 0; i < 6; i++) CHECK(out[i] == 0);
    CHECK_STATUS(martlet_matmul(NULL, factor, factor, 2, 3, 2, 0), MARTLET_ERROR_NULL);
}

static void specials(void) {
    static const float numbers[] = {NAN, INFINITY, -INFINITY, 3e38f, 0};
    float left[20 * 20], right[20 * 20], out[20 * 20];
    for (int k = 0; k < LENGTH(numbers); k++) {
        for (int i = 0; i < 400; i++) left[i] = right[i] = 1;
        left[7 * 20 + 13] = numbers[k];
        CHECK_OK(martlet_matmul(out, left, right, 20, 20, 20, 0));
        for (int i = 0; i < 400; i++) {
            const float wanted = i / 20 == 7 ? numbers[k] + 19 : 20;
            CHECK_SAYING(out[i] == wanted || (isnan(out[i]) && isnan(wanted)), "[%d] is %g", i, (double)out[i]);
        }
    }
    left[0] = INFINITY, right[0] = 0; /* is NaN, not 0 */
    CHECK_OK(martlet_matmul(out, left, right, 1, 1, 1, 0));
    CHECK(isnan(out[0]));
}

/* Overlaps: by one element at either end, in every place; and the neighbours that do not. */
static void overlaps(void) {
    float memory[300];
    check_fill(memory, 300, 5);
    float copy[300];
    memcpy(copy, memory, sizeof memory);
    for (int shift = -31; shift <= 31; shift++) {
        const bool apart = shift <= -30 || shift >= 20; /* out has 30 elements, each factor 20 */
        float *factor = memory + 100, *out = factor + shift, other[24] = {0};
        const martlet_status wanted = apart ? MARTLET_OK : MARTLET_ERROR_OVERLAP;
        CHECK_STATUS(martlet_matmul(out, factor, other, 5, 4, 6, 0), wanted);
        if (!apart) CHECK(memcmp(memory, copy, sizeof memory) == 0);
        memcpy(memory, copy, sizeof memory);
        CHECK_STATUS(martlet_matmul(out, other, factor, 6, 4, 5, 0), wanted);
        memcpy(memory, copy, sizeof memory);
    }
    double wanted[400], room[400];
    float out[400];
    expect(wanted, room, out, memory, memory + 10, (struct shape){9, 12, 9}, 0);
    CHECK_OK(martlet_matmul(out, memory, memory + 10, 9, 12, 9, 0)); /* factors may share memory */
    for (int i = 0; i < 81; i++) CHECK(fabs((double)out[i] - wanted[i]) <= room[i]);
}

int main(void) {
    alarm(110);
    martlet_machine machine = {0};
    REQUIRE(martlet_machine_get(&machine, sizeof machine) == MARTLET_OK);
    for (int32_t isa = MARTLET_ISA_BASELINE; isa <= machine.isa_best; isa++) {
        CHECK_OK(martlet_isa_set(isa));
        shapes();
        empty();
        specials();
        overlaps();
    }
    printf("%d products on %d instruction sets and with five thread counts\n", products, machine.isa_best);
    return check_end();
}
