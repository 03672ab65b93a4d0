/*
 * Arrays that begin or end at a page that may not be touched: every element type, sizes 0 to 130, with
 * and without AMSGrad, contiguous and strided, by martlet_step and through a handle. A read or write
 * past an array ends the program; the bits are held against reference.h, and what lies between the
 * elements of a strided array must stay as it was.
 */
#include "reference.h"

#define MOST 130

static const int32_t types[] = {MARTLET_FP64, MARTLET_FP32, MARTLET_BF16, MARTLET_FP16};

/* Five arrays, each in room of its own between two guard pages, and plain copies for the reference. */
struct arrays {
    void *guarded[2][5]; /* touching the page before, touching the page after */
    void *plain[5];
    int32_t dtype[5];
};

/* Rooms for the longest array are made once for each end; shorter arrays move towards the page. */
static void *placed(const struct arrays *a, int end, int k, int64_t elements) {
    const int size = check_element_size(a->dtype[k]);
    unsigned char *base = a->guarded[end][k];
    return end == 0 ? base : base + 8 * (2 * MOST) - elements * size;
}

static void fill(const struct arrays *a, int end, int64_t count, int64_t stride) {
    const int64_t extent = count == 0 ? 0 : (count - 1) * stride + 1;
    for (int k = 0; k < 5; k++) {
        void *data = placed(a, end, k, extent);
        for (int64_t i = 0; i < extent; i++) reference_store(data, i, a->dtype[k], 0.5);
        for (int64_t i = 0; i < count; i++) {
            double number = check_number((uint64_t)k, (uint64_t)i);
            if (k > 2) number = fabs(number);
            reference_store(data, i * stride, a->dtype[k], number);
            reference_store(a->plain[k], i, a->dtype[k], number);
        }
    }
}

static void compare(const struct arrays *a, int end, int64_t count, int64_t stride, int arrays) {
    const int64_t extent = count == 0 ? 0 : (count - 1) * stride + 1;
    for (int k = 0; k < arrays; k++) {
        const unsigned char *data = placed(a, end, k, extent), *plain = a->plain[k];
        const int size = check_element_size(a->dtype[k]);
        double half_one = 0.5;
        unsigned char gap[8];
        reference_store(gap, 0, a->dtype[k], half_one);
        for (int64_t i = 0; i < extent; i++) {
            const void *wanted = i % stride == 0 ? plain + i / stride * size : gap;
            CHECK_SAYING(memcmp(data + i * size, wanted, (size_t)size) == 0,
                         "type %d, array %d, element %ld of %ld, stride %ld", a->dtype[k], k, (long)i, (long)count, (long)stride);
        }
    }
}

static void step(const struct arrays *a, int end, int64_t count, int64_t stride, const martlet_config *config) {
    const int slots = config->flags & MARTLET_AMSGRAD ? 3 : 2;
    const int64_t extent = count == 0 ? 0 : (count - 1) * stride + 1;
    fill(a, end, count, stride);
    martlet_array arrays[5];
    for (int k = 0; k < 5; k++) {
        arrays[k] = check_array(placed(a, end, k, extent), count, a->dtype[k]);
        if (stride != 1) arrays[k].rank = 1, arrays[k].sizes = &arrays[k].count, arrays[k].strides = &stride;
    }
    int64_t taken = 4;
    const martlet_parameter parameter = {
        .value = arrays[0], .grad = arrays[1], .state = &arrays[2], .state_count = slots, .step = &taken};
    CHECK_OK(martlet_step(NULL, &parameter, 1, config, 1));
    CHECK(taken == 5);
    reference_step(a->plain, a->dtype, count, 5, config);
    compare(a, end, count, stride, 2 + slots);
}

/* Through a handle the moments are the library's own; the value and the gradient still have their pages. */
static void handle(const struct arrays *a, int end, int64_t count, int64_t stride, const martlet_config *config) {
    const int64_t extent = count == 0 ? 0 : (count - 1) * stride + 1;
    fill(a, end, count, stride);
    martlet_array arrays[2];
    for (int k = 0; k < 2; k++) {
        arrays[k] = check_array(placed(a, end, k, extent), count, a->dtype[k]);
        if (stride != 1) arrays[k].rank = 1, arrays[k].sizes = &arrays[k].count, arrays[k].strides = &stride;
    }
    martlet_optimizer *optimizer = NULL;
    const martlet_parameter lent = {.value = arrays[0]};
    CHECK_OK(martlet_optimizer_create(&optimizer, config));
    CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
    CHECK_OK(martlet_optimizer_step(optimizer, NULL, &arrays[1], 1));
    for (int k = 2; k < 5; k++) memset(a->plain[k], 0, 8 * MOST);
    reference_step(a->plain, a->dtype, count, 1, config);
    compare(a, end, count, stride, 2);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
}

int main(void) {
    static const int64_t strides[] = {1, 2};
    struct arrays a;
    for (int k = 0; k < 5; k++) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        REQUIRE(8 * 2 * MOST <= page);
        a.guarded[0][k] = check_guarded(8 * 2 * MOST, false);
        a.guarded[1][k] = check_guarded(8 * 2 * MOST, true);
        a.plain[k] = calloc(MOST, 8);
        REQUIRE(a.plain[k] != NULL);
    }
    /* Every type for all; bf16 and fp16 parameters with fp32 state; fp64 parameters with an fp32 gradient. */
    for (int t = 0; t < LENGTH(types) + 3; t++) {
        for (int k = 0; k < 5; k++)
            a.dtype[k] = t < 4    ? types[t]
                         : t == 4 ? (k < 2 ? MARTLET_BF16 : MARTLET_FP32)
                         : t == 5 ? (k < 1 ? MARTLET_FP16 : MARTLET_FP32)
                                  : (k == 1 ? MARTLET_FP32 : MARTLET_FP64);
        for (uint32_t flags = 0; flags <= MARTLET_AMSGRAD; flags++) {
            martlet_config config = check_config(MARTLET_ADAM);
            config.flags = flags;
            config.weight_decay = 0.125;
            for (int s = 0; s < LENGTH(strides); s++)
                for (int end = 0; end < 2; end++)
                    for (int64_t count = 0; count <= MOST; count++) {
                        step(&a, end, count, strides[s], &config);
                        if (t < 4) handle(&a, end, count, strides[s], &config);
                    }
        }
    }
    return check_end();
}
