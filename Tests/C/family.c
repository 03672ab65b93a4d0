/*
 * Every algorithm that the library names, with each of its flags: the same bits on every instruction set (but for those
 * that multiply matrices), by 1, 2, 3 and 7 threads, in contiguous and in strided arrays, straight through and from a
 * file half-way; for values, gradients and moments of several types. No step changes a gradient, and once at work none
 * allocates (malloc_count.c, which must be preloaded). It names no algorithm: a new one is tested because it is there.
 */
#include "malloc_count.h"

#define PARAMETERS 5
#define STEPS 6
#define ROOM 8192 /* elements of the largest parameter, with all that lies between them */

static const struct shape {
    int32_t rank;
    int64_t sizes[3];
} plain[PARAMETERS] = {{2, {61, 65}}, {1, {517}}, {3, {21, 3, 5}}, {0, {1}}, {2, {7, 0}}},
  /* for algorithms that take no vectors */
  matrices[PARAMETERS] = {{2, {61, 65}}, {2, {11, 47}}, {3, {21, 3, 5}}, {2, {1, 1}}, {2, {7, 0}}};
static const struct shape *shapes = plain;

static const struct types {
    int32_t value, grad, state; /* 0: what the library gives it by itself */
} types[] = {
    {MARTLET_FP32, MARTLET_FP32, 0},           {MARTLET_FP64, MARTLET_FP64, 0},
    {MARTLET_BF16, MARTLET_BF16, MARTLET_FP32}, {MARTLET_FP16, MARTLET_FP32, MARTLET_BF16},
};

/* How one run is done. */
struct way {
    int32_t isa, threads;
    bool strided, from_file, counted;
};

/* Memory of one run. The places of a strided array's elements are given by strides that no other array of it has. */
struct run {
    unsigned char value[PARAMETERS][ROOM * 8], grad[PARAMETERS][ROOM * 8];
    int64_t strides[2][PARAMETERS][3];
    martlet_array values[PARAMETERS], grads[PARAMETERS];
};

static struct run run;
static char path[64];

static int64_t count_of(const struct shape *shape) {
    int64_t count = 1;
    for (int32_t d = 0; d < shape->rank; d++) count *= shape->sizes[d];
    return count;
}

/* The k-th parameter's value, or gradient: in its own order, or strided, the first dimension fastest, with one element
 * left out between two. */
static martlet_array laid_out(void *memory, int k, int32_t dtype, int64_t *strides, bool strided) {
    const struct shape *shape = &shapes[k];
    martlet_array array = check_array(memory, count_of(shape), dtype);
    array.rank = shape->rank, array.sizes = shape->sizes, array.strides = strides;
    int64_t next = strided ? 2 : 1;
    for (int32_t i = 0; i < shape->rank; i++) {
        const int32_t d = strided ? i : shape->rank - 1 - i;
        strides[d] = next, next *= shape->sizes[d];
    }
    if (shape->rank == 0) array.sizes = array.strides = NULL;
    return array;
}

static void store(unsigned char *place, int32_t dtype, double number) {
    const float single = (float)number;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    if (dtype == MARTLET_FP64) memcpy(place, &number, 8);
    else if (dtype == MARTLET_FP32) memcpy(place, &single, 4);
    else if (dtype == MARTLET_BF16) memcpy(place, (unsigned char *)&bits + 2, 2); /* exact: check_number */
    else memcpy(place, &(half){(half)number}, 2);
}

/* Where an element lies, counted in the order of the sizes. */
static unsigned char *element(const martlet_array *array, int64_t index) {
    int64_t place = array->rank == 0 ? index : 0;
    for (int32_t d = array->rank - 1; d >= 0; d--) {
        place += index % array->sizes[d] * array->strides[d];
        index /= array->sizes[d];
    }
    return (unsigned char *)array->data + place * check_element_size(array->dtype);
}

static void fill(const martlet_array *array, uint64_t seed) {
    for (int64_t i = 0; i < array->count; i++)
        store(element(array, i), array->dtype, check_number(seed, (uint64_t)i) / 4);
}

static uint64_t hash_of(uint64_t hash, const martlet_array *array) {
    for (int64_t i = 0; i < array->count; i++)
        hash = check_hash(hash, element(array, i), (size_t)check_element_size(array->dtype));
    return hash;
}

/* A handle over the run's values. */
#define SLOTS 10 /* the most that a parameter may have */

static martlet_optimizer *created(const martlet_config *config, const struct types *kind) {
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, config));
    int64_t slots = 0;
    CHECK_OK(martlet_algorithm_slot_count(&slots, config));
    martlet_array state[SLOTS] = {0};
    for (int32_t s = 0; s < slots; s++) {
        martlet_slot slot;
        CHECK_OK(martlet_slot_get(&slot, config, s));
        const bool beside = strcmp(slot.name, "kahan_comp") == 0 || strcmp(slot.name, "remainder") == 0;
        state[s].dtype = slot.dtype != 0 ? slot.dtype : beside ? kind->value : kind->state;
    }
    for (int k = 0; k < PARAMETERS; k++) {
        const char name[] = {(char)('a' + k), 0};
        const martlet_parameter lent = {
            .value = run.values[k], .name = name, .state = state, .state_count = kind->state == 0 ? 0 : slots};
        CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
    }
    return optimizer;
}

/* Trains and returns a hash of values, moments and counters. */
static uint64_t trained(const martlet_config *config, const struct types *kind, const struct way *way) {
    const char *name = martlet_algorithm_name(config->algorithm);
    CHECK_OK(martlet_isa_set(way->isa));
    CHECK_OK(martlet_threads_set(way->threads));
    if (way->counted) check_start_threads();
    for (int k = 0; k < PARAMETERS; k++) {
        run.values[k] = laid_out(run.value[k], k, kind->value, run.strides[0][k], way->strided);
        run.grads[k] = laid_out(run.grad[k], k, kind->grad, run.strides[1][k], way->strided);
        fill(&run.values[k], (uint64_t)k + 1);
    }
    martlet_optimizer *optimizer = created(config, kind);
    double rate = config->lr;
    for (int t = 1; t <= STEPS; t++) {
        uint64_t before = 0, after = 0;
        for (int k = 0; k < PARAMETERS; k++) {
            fill(&run.grads[k], (uint64_t)(100 * t + k));
            before = hash_of(before, &run.grads[k]);
        }
        if (way->from_file && t == STEPS / 2) {
            CHECK_OK(martlet_optimizer_save(optimizer, path));
            CHECK_OK(martlet_optimizer_destroy(optimizer));
            optimizer = created(config, kind);
            CHECK_OK(martlet_optimizer_load(optimizer, path));
        }
        CHECK_OK(martlet_optimizer_set(optimizer, 0, MARTLET_LR, rate *= t == 3 ? 0.5 : 1));
        const bool counted = way->counted && t > 2 && malloc_count_start != NULL;
        if (counted) malloc_count_start(0, 0);
        CHECK_OK(martlet_optimizer_step(optimizer, NULL, run.grads, PARAMETERS));
        if (counted) {
            const long seen = malloc_count_stop();
            CHECK_SAYING(seen == 0, "%s: %ld allocations in step %d", name, seen, t);
        }
        for (int k = 0; k < PARAMETERS; k++) after = hash_of(after, &run.grads[k]);
        CHECK_SAYING(before == after, "%s changed a gradient", name);
    }
    uint64_t hash = 0;
    int64_t slots = 0;
    CHECK_OK(martlet_algorithm_slot_count(&slots, config));
    for (int k = 0; k < PARAMETERS; k++) {
        hash = hash_of(hash, &run.values[k]);
        for (int32_t s = 0; s < slots; s++) {
            martlet_array state = {0};
            CHECK_OK(martlet_optimizer_state_get(optimizer, &state, k, s));
            hash = hash_of(hash, &state);
        }
        int64_t step = 0;
        CHECK_OK(martlet_optimizer_step_get(optimizer, &step, k));
        CHECK(step == STEPS);
    }
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    return hash;
}

/* ---- steps over the caller's own state ---- */

#define SIDE 12 /* of a matrix that is a parameter */

/* One parameter, a matrix or a vector, with state for any algorithm. */
struct stepped {
    float value[SIDE * SIDE], grad[SIDE * SIDE];
    double state[SLOTS][SIDE * SIDE + 1];
    martlet_array slots[SLOTS];
    int64_t sizes[2], strides[2], step;
    martlet_parameter parameter;
};

static void stepped_make(struct stepped *s, const martlet_config *config, bool is_matrix, int32_t group) {
    memset(s, 0, sizeof *s);
    s->sizes[0] = is_matrix ? SIDE - 3 : SIDE * (SIDE - 3), s->sizes[1] = SIDE;
    s->strides[0] = is_matrix ? SIDE : 1, s->strides[1] = 1;
    const int64_t count = SIDE * (SIDE - 3);
    check_fill(s->value, count, 1), check_fill(s->grad, count, 2);
    martlet_array value = check_array(s->value, count, MARTLET_FP32);
    value.rank = is_matrix ? 2 : 1, value.sizes = s->sizes, value.strides = s->strides;
    int64_t slots = 0;
    CHECK_OK(martlet_algorithm_slot_count(&slots, config));
    for (int32_t k = 0; k < slots; k++) {
        martlet_slot slot;
        CHECK_OK(martlet_slot_get(&slot, config, k));
        int64_t numbers = 0;
        CHECK_OK(martlet_slot_count(&numbers, config, k, s->sizes, is_matrix ? 2 : 1));
        s->slots[k] = check_array(s->state[k], numbers, slot.dtype != 0 ? slot.dtype : MARTLET_FP32);
    }
    s->parameter = (martlet_parameter){.value = value,
                                       .grad = check_array(s->grad, count, MARTLET_FP32),
                                       .state = s->slots,
                                       .state_count = slots,
                                       .step = &s->step,
                                       .group = group};
}

/* Each slot with a wrong count, type or address: refused, and nothing is changed. */
static void refusals(const martlet_config *config) {
    static struct stepped good, spoiled;
    for (int is_matrix = !check_takes_vectors(config); is_matrix < 2; is_matrix++) {
        stepped_make(&good, config, is_matrix, 0);
        CHECK_OK(martlet_step(NULL, &good.parameter, 1, config, 1));
        for (int k = 0; k < good.parameter.state_count; k++)
            for (int way = 0; way < 7; way++) {
                stepped_make(&spoiled, config, is_matrix, 0);
                martlet_array *slot = &spoiled.slots[k];
                const int64_t count = slot->count;
                if (way == 0) slot->count = count + 1;
                if (way == 1) slot->count = count == 0 ? 7 : count - 1;
                if (way == 2) slot->count = INT64_MAX;
                if (way == 3) slot->dtype = MARTLET_INT8;
                if (way == 4) slot->data = (char *)slot->data + 1;
                if (way == 5) slot->data = count == 0 ? slot->data : spoiled.value;
                if (way == 6) slot->data = count == 0 ? slot->data : NULL;
                if (count == 0 && way >= 5) continue;
                const uint64_t before = check_hash(0, &spoiled, sizeof spoiled);
                CHECK_SAYING(martlet_step(NULL, &spoiled.parameter, 1, config, 1) != MARTLET_OK, "%s, slot %d, way %d",
                             martlet_algorithm_name(config->algorithm), k, way);
                CHECK(check_hash(0, &spoiled, sizeof spoiled) == before);
            }
    }
}

/* A group of each algorithm in one call gives what each gives alone. */
static void together(const martlet_config *configs, int32_t count) {
    static struct stepped alone[64], mixed[64];
    static martlet_parameter parameters[64];
    REQUIRE(count <= 64);
    for (int32_t k = 0; k < count; k++) {
        const bool is_matrix = k % 3 != 0 || !check_takes_vectors(&configs[k]);
        stepped_make(&alone[k], &configs[k], is_matrix, 0);
        stepped_make(&mixed[k], &configs[k], is_matrix, k);
        parameters[k] = mixed[k].parameter;
    }
    for (int t = 0; t < STEPS; t++) {
        for (int32_t k = 0; k < count; k++) CHECK_OK(martlet_step(NULL, &alone[k].parameter, 1, &configs[k], 1));
        CHECK_OK(martlet_step(NULL, parameters, count, configs, count));
        for (int32_t k = 0; k < count; k++)
            CHECK_SAYING(memcmp(alone[k].value, mixed[k].value, sizeof mixed[k].value) == 0
                             && memcmp(alone[k].state, mixed[k].state, sizeof mixed[k].state) == 0,
                         "%s among others", martlet_algorithm_name(configs[k].algorithm));
    }
}

/* All ways of one config. */
static void alike(const martlet_config *config, int32_t best) {
    const char *name = martlet_algorithm_name(config->algorithm);
    for (int i = 0; i < LENGTH(types); i++) {
        if ((config->flags & MARTLET_SPLIT) && types[i].value == MARTLET_FP16) continue; /* a TYPE error */
        const struct way first = {best, 1, false, false, false};
        const uint64_t wanted = trained(config, &types[i], &first);
        CHECK_SAYING(wanted != 0, "%s", name);
        const struct way ways[] = {
            {best, 2, false, false, true},
            {best, 3, true, false, false},
            {best, 7, false, true, false},
            {best, 1, true, true, false},
            {MARTLET_ISA_AVX2, 2, true, false, false},
            {MARTLET_ISA_BASELINE, 3, false, true, false},
        };
        for (int w = 0; w < LENGTH(ways); w++) {
            if (ways[w].isa > best) continue;
            /* Products, which those that take matrices alone are made of, have bits of their own on each instruction set. */
            if (ways[w].isa != best && !check_takes_vectors(config)) continue;
            CHECK_SAYING(trained(config, &types[i], &ways[w]) == wanted,
                         "%s with flags %u, types %d: isa %d, %d threads, strided %d, from a file %d", name,
                         config->flags, i, ways[w].isa, ways[w].threads, ways[w].strided, ways[w].from_file);
        }
    }
}

int main(void) {
    snprintf(path, sizeof path, "family-%d.safetensors", (int)getpid());
    martlet_machine machine;
    memset(&machine, 0, sizeof machine);
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    CHECK_OK(martlet_chunk_set(256)); /* so that these few elements are shared */
    static martlet_config usual_ones[64];
    int32_t algorithm = 1;
    for (; martlet_algorithm_name(algorithm) != NULL; algorithm++) {
        martlet_config config = check_config(algorithm);
        if (config.weight_decay == config.weight_decay) config.weight_decay = 0.01;
        if (config.momentum == 0) config.momentum = 0.9;
        if (config.precondition_frequency > 0) config.precondition_frequency = 2;
        usual_ones[algorithm - 1] = config;
        shapes = check_takes_vectors(&config) ? plain : matrices;
        refusals(&config);
        const uint32_t usual = config.flags;
        /* Gradients are read by all that follow, and stay as they are. */
        const uint32_t flags =
            martlet_algorithm_flags(algorithm) & ~(uint32_t)(MARTLET_WIDE_RANGES | MARTLET_ZERO_GRADS);
        alike(&config, machine.isa_best);
        for (uint32_t bit = 1; bit != 0 && bit <= flags; bit <<= 1) {
            if (!(flags & bit)) continue;
            int64_t slots;
            config.flags = usual ^ bit;
            config.weight_decay = bit == MARTLET_HYPERBALL ? 0 : usual_ones[algorithm - 1].weight_decay;
            /* Flags that exclude one another are refused. */
            if (martlet_algorithm_slot_count(&slots, &config) == MARTLET_OK) alike(&config, machine.isa_best);
        }
    }
    CHECK(algorithm > 22);
    together(usual_ones, algorithm - 1);
    unlink(path);
    return check_end();
}
