/*
 * Parameters of bf16 that take steps smaller than half of their last place: what is rounded at random has the draws that the
 * header says, of seed, step, key, offset and place alone; what is kept beside a value makes it fp32, or nearly; and the same
 * from a handle. Every algorithm, thread count, set and layout is family.c's.
 */
#include "check.h"

#define COUNT 3000

struct state {
    uint16_t value[COUNT], first[COUNT], second[COUNT], beside[COUNT], grad[COUNT];
    int64_t step;
};

static uint16_t bf16(float number) {
    uint32_t bits;
    memcpy(&bits, &number, 4);
    return (uint16_t)(bits >> 16);
}

static float number(uint32_t bits) {
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

static void begin(struct state *s) {
    memset(s, 0, sizeof *s);
    for (int i = 0; i < COUNT; i++) s->value[i] = bf16(0.5f + (float)i / 8192), s->grad[i] = bf16((float)(i % 5 - 1));
}

/* One step of some of the elements. */
static martlet_status step(struct state *s, int64_t first, int64_t count, const martlet_config *config, uint64_t key) {
    martlet_array slots[3] = {check_array(s->first + first, count, MARTLET_BF16),
                              check_array(s->second + first, count, MARTLET_BF16),
                              check_array(s->beside + first, count, MARTLET_BF16)};
    const martlet_parameter parameter = {
        .value = check_array(s->value + first, count, MARTLET_BF16),
        .grad = check_array(s->grad + first, count, MARTLET_BF16),
        .state = slots,
        .state_count = config->flags & (MARTLET_KAHAN | MARTLET_SPLIT) ? 3 : 2,
        .step = &s->step,
        .key = key,
        .offset = (uint64_t)first};
    return martlet_step(NULL, &parameter, 1, config, 1);
}

static martlet_config configured(uint32_t flags, uint64_t seed) {
    martlet_config config = check_config(MARTLET_ADAM);
    config.flags |= flags;
    config.seed = seed;
    config.lr = 1e-5;
    return config;
}

/* Threefry-2x32 with 13 rounds, from the paper. */
static void threefry(const uint32_t key[2], uint32_t words[2], int rounds) {
    static const int turns[8] = {13, 15, 26, 6, 17, 29, 16, 24};
    const uint32_t keys[3] = {key[0], key[1], 0x1BD11BDA ^ key[0] ^ key[1]};
    words[0] += keys[0], words[1] += keys[1];
    for (int r = 0; r < rounds; r++) {
        words[0] += words[1];
        words[1] = (words[1] << turns[r % 8] | words[1] >> (32 - turns[r % 8])) ^ words[0];
        if (r % 4 != 3) continue;
        const uint32_t i = (uint32_t)r / 4 + 1;
        words[0] += keys[i % 3], words[1] += keys[(i + 1) % 3] + i;
    }
}

static void under(uint32_t key[2], uint64_t stream) {
    uint32_t words[2] = {(uint32_t)stream, (uint32_t)(stream >> 32)};
    threefry(key, words, 20);
    key[0] = words[0], key[1] = words[1];
}

/* What is drawn for an element: the q-th group of 64 has words of the counters 16 q to 16 q + 15. */
static uint32_t draw(uint64_t seed, uint64_t key, uint64_t at, uint64_t place) {
    uint32_t own[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    under(own, key), under(own, at);
    const uint64_t counter = place / 64 * 16 + place % 16;
    uint32_t words[2] = {(uint32_t)counter, (uint32_t)(counter >> 32)};
    threefry(own, words, 13);
    const uint32_t word = words[place / 32 % 2];
    return place / 16 % 2 ? word >> 16 : word & 0xffff;
}

/* A rate of -1 makes p + g of a value and a gradient in SGD: the sum in fp32, with its draw, is what is stored. */
static void draws(void) {
    static uint16_t value[COUNT];
    static float grad[COUNT];
    martlet_config config = check_config(MARTLET_SGD);
    config.flags |= MARTLET_STOCHASTIC_ROUNDING | MARTLET_MAXIMIZE;
    config.lr = 1;
    config.seed = 0x123456789ABCDEF0u;
    for (int shift = 0; shift < 70; shift += 23) {
        int64_t taken = 6;
        for (int i = 0; i < COUNT; i++) value[i] = bf16(1 + (float)(i % 100) / 128), grad[i] = (float)i * 1e-6f;
        const martlet_parameter parameter = {.value = check_array(value, COUNT, MARTLET_BF16),
                                             .grad = check_array(grad, COUNT, MARTLET_FP32),
                                             .step = &taken,
                                             .key = 99,
                                             .offset = (uint64_t)shift};
        CHECK_OK(martlet_step(NULL, &parameter, 1, &config, 1));
        for (int i = 0; i < COUNT; i++) {
            const float sum = number((uint32_t)bf16(1 + (float)(i % 100) / 128) << 16) + grad[i];
            uint32_t bits;
            memcpy(&bits, &sum, 4);
            const uint32_t wanted = (bits + draw(config.seed, 99, 7, (uint64_t)(i + shift))) >> 16;
            CHECK_SAYING(value[i] == wanted, "element %d, shift %d", i, shift);
        }
    }
}

/* In parts, each with its offset, as whole; another seed or key is another matter. */
static void shards(void) {
    static struct state whole, parts, other;
    const martlet_config config = configured(MARTLET_STOCHASTIC_ROUNDING, 5), second = configured(config.flags, 6);
    begin(&whole), begin(&parts), begin(&other);
    for (int t = 0; t < 5; t++) {
        CHECK_OK(step(&whole, 0, COUNT, &config, 1));
        CHECK_OK(step(&parts, 0, 777, &config, 1));
        parts.step--;
        CHECK_OK(step(&parts, 777, COUNT - 777, &config, 1));
        CHECK_OK(step(&other, 0, COUNT, &second, 1));
    }
    CHECK(memcmp(&whole, &parts, sizeof whole) == 0);
    CHECK(memcmp(whole.value, other.value, sizeof whole.value) != 0);
    begin(&other);
    for (int t = 0; t < 5; t++) CHECK_OK(step(&other, 0, COUNT, &config, 2));
    CHECK(memcmp(whole.value, other.value, sizeof whole.value) != 0);
}

/* Four hundred steps of 1e-5 are a last place: to nearest nothing moves. */
static void moves(void) {
    static const uint32_t ways[] = {0, MARTLET_STOCHASTIC_ROUNDING, MARTLET_KAHAN, MARTLET_SPLIT};
    static struct state s, start;
    for (int w = 0; w < LENGTH(ways); w++) {
        const martlet_config config = configured(ways[w], 1);
        begin(&s), begin(&start);
        for (int i = 0; i < COUNT; i++) s.grad[i] = bf16(1);
        for (int t = 0; t < 400; t++) CHECK_OK(step(&s, 0, COUNT, &config, 0));
        double moved = 0;
        for (int i = 0; i < COUNT; i++)
            moved += number((uint32_t)s.value[i] << 16) - number((uint32_t)start.value[i] << 16);
        moved /= COUNT;
        /* 0.5 itself has smaller places below it. */
        CHECK_SAYING(ways[w] == 0 ? fabs(moved) < 3e-5 : fabs(moved + 4e-3) < 2e-4, "way %d moved %g", w, moved);
    }
}

/* Second moments of one gradient at every step come to what fp64 makes of it where values are not rounded to nearest, and
 * where they are stay behind: by then a step adds less than half of a place. */
static void second_moments(void) {
    static const uint32_t ways[] = {0, MARTLET_STOCHASTIC_ROUNDING, MARTLET_KAHAN, MARTLET_SPLIT};
    static struct state s;
    for (int w = 0; w < LENGTH(ways); w++) {
        const martlet_config config = configured(ways[w], 1);
        double wanted = 0, mean = 0;
        begin(&s);
        for (int i = 0; i < COUNT; i++) s.grad[i] = bf16(1);
        for (int t = 0; t < 600; t++) {
            CHECK_OK(step(&s, 0, COUNT, &config, 0));
            wanted = 0.999 * wanted + 0.001;
        }
        for (int i = 0; i < COUNT; i++) mean += number((uint32_t)s.second[i] << 16) / COUNT;
        const double off = mean / wanted - 1;
        CHECK_SAYING(ways[w] == 0 ? off < -0.2 : fabs(off) < 2e-3, "way %d is %g off", w, off);
    }
}

/* A handle steps as martlet_step does with the index for a key, and goes on from a file. */
static void handles(void) {
    static const uint32_t ways[] = {MARTLET_STOCHASTIC_ROUNDING, MARTLET_KAHAN, MARTLET_SPLIT};
    static struct state plain, held;
    char path[] = "low_precision.safetensors";
    for (int w = 0; w < LENGTH(ways); w++) {
        const martlet_config config = configured(ways[w], 9);
        martlet_config loaded = configured(ways[w], 0);
        begin(&plain), begin(&held);
        const martlet_parameter lent = {.value = check_array(held.value, COUNT, MARTLET_BF16)};
        const martlet_array grad = check_array(held.grad, COUNT, MARTLET_BF16);
        martlet_optimizer *optimizer = NULL;
        CHECK_OK(martlet_optimizer_create(&optimizer, &config));
        CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
        for (int t = 0; t < 6; t++) {
            CHECK_OK(step(&plain, 0, COUNT, &config, 0));
            if (t == 3) {
                CHECK_OK(martlet_optimizer_save(optimizer, path));
                CHECK_OK(martlet_optimizer_destroy(optimizer));
                CHECK_OK(martlet_optimizer_create(&optimizer, &loaded));
                CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
                CHECK_OK(martlet_optimizer_load(optimizer, path));
                CHECK_OK(martlet_optimizer_config_get(optimizer, &loaded, sizeof loaded, 0));
                CHECK(loaded.seed == 9 && loaded.flags == config.flags);
            }
            CHECK_OK(martlet_optimizer_step(optimizer, NULL, &grad, 1));
        }
        CHECK_SAYING(memcmp(plain.value, held.value, sizeof plain.value) == 0, "way %d", w);
        CHECK_OK(martlet_optimizer_destroy(optimizer));
    }
    unlink(path);
}

static void refusals(void) {
    static struct state s, before;
    static half halves[COUNT];
    begin(&s), begin(&before);
    martlet_config config = configured(MARTLET_KAHAN | MARTLET_SPLIT, 0);
    CHECK_STATUS(step(&s, 0, COUNT, &config, 0), MARTLET_ERROR_ARGUMENT);
    CHECK(strstr(martlet_last_error(), "KAHAN and SPLIT") != NULL);
    config = configured(MARTLET_SPLIT, 0);
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    const martlet_parameter lent = {.value = check_array(halves, COUNT, MARTLET_FP16)};
    CHECK_STATUS(martlet_optimizer_add(optimizer, NULL, &lent), MARTLET_ERROR_TYPE);
    CHECK(strstr(martlet_last_error(), "expected bf16") != NULL);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    CHECK(memcmp(&s, &before, sizeof s) == 0);
}

int main(void) {
    draws();
    shards();
    moves();
    second_moments();
    handles();
    refusals();
    return check_end();
}
