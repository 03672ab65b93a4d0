/*
 * Numbers that are not everyday ones: arrays of random bit patterns (NaN, infinities, denormals, zeros of
 * both signs, the largest), and arrays of numbers just above and under the smallest normal one, through
 * every algorithm, instruction set and treatment of denormals, against reference.h. A NaN must be a NaN;
 * everything else must have the same bits.
 */
#include "reference.h"

#define COUNT 5003

static const int32_t types[] = {MARTLET_FP32, MARTLET_FP64, MARTLET_BF16, MARTLET_FP16};

/* Exponents of `small` numbers, of 0 for the denormal ones on; in fp16 that is all of them. */
#define SMALL 80

/* Random bits; second moments are not negative, and every eighth number is one of the corners unless all are small. */
static void fill(void *data, int32_t dtype, uint64_t seed, bool positive, bool small) {
    static const double corners[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1, -1, 1e-40, -1e-45, 3.4e38, 65504, 6e-8};
    const int size = check_element_size(dtype);
    for (int i = 0; i < COUNT; i++) {
        uint64_t bits = check_bits(seed, (uint64_t)i);
        if (positive) bits &= size == 8 ? UINT64_MAX >> 1 : size == 4 ? 0x7FFFFFFFu : 0x7FFFu;
        if (small && dtype != MARTLET_FP16) {
            const int place = size == 8 ? 52 : size == 4 ? 23 : 7;
            const uint64_t all = size == 8 ? 2047 : 255;
            bits = (bits & ~(all << place)) | (check_bits(seed + 1000, (uint64_t)i) % SMALL) << place;
        }
        memcpy((char *)data + i * size, &bits, (size_t)size);
        double corner = corners[(bits >> 20) % LENGTH(corners)];
        if (!small && bits >> 60 < 2) reference_store(data, i, dtype, positive ? fabs(corner) : corner);
    }
}

static bool same(const void *a, const void *b, int i, int32_t dtype) {
    const double x = reference_load(a, i, dtype), y = reference_load(b, i, dtype);
    const int size = check_element_size(dtype);
    return (isnan(x) && isnan(y)) || memcmp((const char *)a + i * size, (const char *)b + i * size, (size_t)size) == 0;
}

static void compare(const martlet_config *config, int32_t dtype, bool small) {
    static double ours[5][COUNT], theirs[5][COUNT];
    const int slots = config->flags & MARTLET_AMSGRAD ? 3 : 2;
    martlet_array arrays[5];
    void *wanted[5];
    int32_t types_of[5];
    for (int k = 0; k < 5; k++) {
        fill(ours[k], dtype, (uint64_t)k + 100, k > 2, small);
        memcpy(theirs[k], ours[k], sizeof ours[k]);
        arrays[k] = check_array(ours[k], COUNT, dtype);
        wanted[k] = theirs[k], types_of[k] = dtype;
    }
    int64_t step = 2;
    const martlet_parameter parameter = {
        .value = arrays[0], .grad = arrays[1], .state = &arrays[2], .state_count = slots, .step = &step};
    CHECK_OK(martlet_step(NULL, &parameter, 1, config, 1));
    reference_step(wanted, types_of, COUNT, 3, config);
    for (int k = 0; k < 2 + slots; k++)
        for (int i = 0; i < COUNT; i++)
            CHECK_SAYING(same(ours[k], theirs[k], i, dtype), "type %d, array %d, element %d: %a, wanted %a; flags %u", dtype, k,
                         i, reference_load(ours[k], i, dtype), reference_load(theirs[k], i, dtype), config->flags);
}

int main(void) {
    martlet_machine machine = {0};
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    for (int32_t isa = MARTLET_ISA_BASELINE; isa <= machine.isa_best; isa++) {
        CHECK_OK(martlet_isa_set(isa));
        for (int t = 0; t < LENGTH(types); t++)
            for (uint32_t amsgrad = 0; amsgrad <= MARTLET_AMSGRAD; amsgrad++)
                for (int flush = 0; flush < 2; flush++)
                    for (int shape = 0; shape < 3; shape++) {
                        martlet_config config = check_config(shape == 2 ? MARTLET_ADAMW : MARTLET_ADAM);
                        config.flags = amsgrad | (flush ? MARTLET_FLUSH_DENORMALS : MARTLET_KEEP_DENORMALS);
                        if (shape == 1) config.weight_decay = 0.5, config.beta1 = 0.25, config.beta2 = 0, config.eps = 0;
                        for (int small = 0; small < 2; small++) compare(&config, types[t], small);
                    }
        if (check_failures != 0) fprintf(stderr, "on instruction set %d\n", isa);
    }
    return check_end();
}
