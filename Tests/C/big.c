/*
 * Index arithmetic past 2^31 and 2^32. Arrays of 2^31 + 8 bf16 elements, 4 GB each, whose middle is one
 * small piece of memory mapped over and over, so that only the ends are memory of their own: the ends
 * must have moved exactly once, which an index that wraps would not do. And a few elements with strides
 * of 2^31 + 1. The middle's bits mean nothing, since every element there is stepped many times over.
 */
#include "reference.h"

#define PIECE ((int64_t)4 << 20)
#define WRAPS (((int64_t)1 << 32) / PIECE)
#define END 4096

/* END bytes of own memory, then the repeated middle, then END bytes. */
static void *repeated(void) {
    const int file = memfd_create("piece", 0);
    REQUIRE(file >= 0 && ftruncate(file, PIECE) == 0);
    const size_t size = (size_t)(WRAPS * PIECE);
    unsigned char *base = mmap(NULL, size + 2 * (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(base != MAP_FAILED);
    /* The first and the last page stay as they are; the middle is covered. */
    for (int64_t at = END; at < (int64_t)size;) {
        const int64_t length = at + PIECE <= (int64_t)size ? PIECE : (int64_t)size - at;
        REQUIRE(mmap(base + at, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == base + at);
        at += length;
    }
    close(file);
    return base;
}

static void long_arrays(void) {
    const int64_t count = (int64_t)WRAPS * PIECE / 2 + 8, tail = count - 8;
    martlet_config config = check_config(MARTLET_ADAM);
    uint16_t *data[4];
    uint16_t plain[5][END / 2] = {{0}};
    int32_t dtype[5] = {MARTLET_BF16, MARTLET_BF16, MARTLET_BF16, MARTLET_BF16, MARTLET_BF16};
    for (int k = 0; k < 4; k++) {
        data[k] = repeated();
        if (k >= 2) continue;
        for (int64_t i = 0; i < END / 2; i++) reference_store(data[k], i, MARTLET_BF16, check_number((uint64_t)k, (uint64_t)i));
        for (int64_t i = 0; i < 8; i++) reference_store(data[k], tail + i, MARTLET_BF16, check_number((uint64_t)k + 7, (uint64_t)i));
    }
    martlet_array slots[2] = {check_array(data[2], count, MARTLET_BF16), check_array(data[3], count, MARTLET_BF16)};
    int64_t step = 0;
    const martlet_parameter parameter = {.value = check_array(data[0], count, MARTLET_BF16),
                                         .grad = check_array(data[1], count, MARTLET_BF16),
                                         .state = slots,
                                         .state_count = 2,
                                         .step = &step};
    CHECK_OK(martlet_step(NULL, &parameter, 1, &config, 1));
    CHECK(step == 1);
    void *const wanted[5] = {plain[0], plain[1], plain[2], plain[3], plain[4]};
    for (int end = 0; end < 2; end++) {
        const int64_t elements = end ? 8 : END / 2, from = end ? tail : 0;
        for (int k = 0; k < 2; k++)
            for (int64_t i = 0; i < elements; i++)
                reference_store(plain[k], i, MARTLET_BF16, check_number((uint64_t)(k + 7 * end), (uint64_t)i));
        memset(plain[2], 0, sizeof plain[2]), memset(plain[3], 0, sizeof plain[3]);
        reference_step(wanted, dtype, elements, 1, &config);
        for (int k = 0; k < 4; k++)
            CHECK_SAYING(memcmp(data[k] + from, plain[k], (size_t)elements * 2) == 0, "array %d, %s end", k, end ? "far" : "near");
    }
    printf("%ld bf16 elements in one array\n", (long)count);
    for (int k = 0; k < 4; k++) munmap(data[k], (size_t)(WRAPS * PIECE) + 2 * (size_t)sysconf(_SC_PAGESIZE));
}

/* Five fp32 elements, 2^31 + 1 elements from each other, the last first; the handle's moments are dense. */
static void long_strides(int64_t stride) {
    enum { count = 5 };
    const int64_t distance = stride < 0 ? -stride : stride;
    const size_t size = (size_t)(distance * (count - 1) + 1) * 4;
    float *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(base != MAP_FAILED);
    float *first = stride < 0 ? base + distance * (count - 1) : base, grad[count], value[count], state[2 * count] = {0};
    const martlet_config config = check_config(MARTLET_ADAM);
    check_fill(grad, count, 2), check_fill(value, count, 3);
    for (int64_t i = 0; i < count; i++) first[i * stride] = value[i];
    const int64_t sizes[2] = {count, 1}, strides[2] = {stride, INT64_MAX / 16};
    martlet_parameter lent = {.value = check_array(first, count, MARTLET_FP32)};
    lent.value.rank = 2, lent.value.sizes = sizes, lent.value.strides = strides;
    const martlet_array gradient = check_array(grad, count, MARTLET_FP32);
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
    for (int t = 1; t <= 3; t++) {
        CHECK_OK(martlet_optimizer_step(optimizer, NULL, &gradient, 1));
        reference_array_step(value, grad, state, count, t, &config);
    }
    for (int64_t i = 0; i < count; i++) CHECK_SAYING(first[i * stride] == value[i], "stride %ld, element %ld", (long)stride, (long)i);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    munmap(base, size);
}

/* Counts whose bytes, or whose end, lie past 64 bits: refused, and nothing is touched. */
static void impossible(void) {
    static const int64_t counts[] = {INT64_MAX, INT64_MAX / 2, INT64_MAX / 4, INT64_MAX / 4 + 1, (int64_t)1 << 62, (int64_t)1 << 61};
    float value[4] = {1, 2, 3, 4}, grad[4] = {0}, state[8] = {0};
    for (int k = 0; k < LENGTH(counts); k++) {
        int64_t step = 0;
        CHECK(martlet_array_step(value, grad, state, counts[k], &step, NULL) < 0);
        CHECK(step == 0 && value[0] == 1 && value[3] == 4);
    }
}

int main(void) {
    impossible();
    long_strides(((int64_t)1 << 31) + 1);
    long_strides(-(((int64_t)1 << 31) + 1));
    long_strides((int64_t)1 << 33);
    long_arrays();
    return check_end();
}
