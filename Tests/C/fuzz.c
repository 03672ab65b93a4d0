/*
 * Bytes become a sequence of calls on handles, right ones and wrong ones, and a model of every handle in
 * plain C says what each call must answer and which bits must be there. A program of its own that makes
 * up the bytes (fuzz [count [seed]]); with -DFUZZ_TARGET a target for libFuzzer, best with a library that
 * was built with -sanitize=address:
 *
 *     clang -DFUZZ_TARGET -fsanitize=fuzzer,address -ffp-contract=off -D_GNU_SOURCE -I../../include fuzz.c -lmartlet -lm
 */
#include "reference.h"

enum { ARRAYS = 6, MOST = 33, HANDLES = 5, GROUPS = 4 };

/* A parameter as the model sees it: which array is lent, and the handle's state for it. */
struct parameter {
    int array, group;
    int64_t step;
    float state[3 * MOST];
};

struct handle {
    martlet_optimizer *token;
    bool live;
    bool amsgrad;
    int parameters, groups;
    struct parameter parameter[ARRAYS];
    martlet_config group[GROUPS];
};

static struct model {
    float value[ARRAYS][MOST], wanted[ARRAYS][MOST], grad[ARRAYS][MOST];
    struct handle handle[HANDLES];
} model;

static int64_t count_of(int array) { return array * 7 % MOST; }

/* ---- bytes ---- */

static const uint8_t *input;
static size_t input_left;

static int next(int below) {
    if (input_left == 0) return 0;
    input_left--;
    return *input++ % below;
}

/* A number that may be out of range; in range it is below `below`. */
static int64_t wild(int below) {
    static const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 32, 1000};
    return next(8) == 0 ? wrong[next(LENGTH(wrong))] : below > 0 ? next(below) : 0;
}

/* ---- the model ---- */

static bool in_range(int32_t number, double value) {
    if (number == MARTLET_BETA1 || number == MARTLET_BETA2) return value >= 0 && value < 1;
    return value >= 0 && value < INFINITY;
}

static double *field(martlet_config *config, int32_t number) {
    switch (number) {
    case MARTLET_LR: return &config->lr;
    case MARTLET_BETA1: return &config->beta1;
    case MARTLET_BETA2: return &config->beta2;
    case MARTLET_EPS: return &config->eps;
    case MARTLET_WEIGHT_DECAY: return &config->weight_decay;
    default: return NULL;
    }
}

static martlet_config random_config(bool amsgrad) {
    martlet_config config = check_config(MARTLET_ADAM);
    config.lr = next(256) / 256.0;
    config.weight_decay = next(4) == 0 ? 0.25 : 0;
    config.flags = amsgrad ? MARTLET_AMSGRAD : 0;
    return config;
}

static bool lends(const struct handle *h, int array) {
    for (int p = 0; p < h->parameters; p++)
        if (h->parameter[p].array == array && count_of(array) > 0) return true;
    return false;
}

/* Every array that can be seen has the model's bits. */
static void compare(void) {
    CHECK(memcmp(model.value, model.wanted, sizeof model.value) == 0);
    for (int k = 0; k < HANDLES; k++) {
        const struct handle *h = &model.handle[k];
        if (!h->live) continue;
        int64_t parameters = -1, groups = -1;
        CHECK_OK(martlet_optimizer_count(h->token, &parameters));
        CHECK_OK(martlet_optimizer_group_count(h->token, &groups));
        CHECK(parameters == h->parameters && groups == h->groups);
        for (int p = 0; p < h->parameters; p++) {
            const int64_t count = count_of(h->parameter[p].array);
            int64_t step = -1;
            CHECK_OK(martlet_optimizer_step_get(h->token, &step, p));
            CHECK(step == h->parameter[p].step);
            for (int32_t s = 0; s < (h->amsgrad ? 3 : 2); s++) {
                martlet_array view = {0};
                CHECK_OK(martlet_optimizer_state_get(h->token, &view, p, s));
                CHECK(view.count == count);
                CHECK(count == 0 || memcmp(view.data, h->parameter[p].state + s * count, (size_t)count * 4) == 0);
            }
        }
    }
}

/* ---- calls ---- */

static void call_create(struct handle *h) {
    if (h->live) return;
    const bool amsgrad = next(2);
    const martlet_config config = random_config(amsgrad);
    CHECK_OK(martlet_optimizer_create(&h->token, &config));
    h->live = true, h->amsgrad = amsgrad, h->parameters = 0, h->groups = 1, h->group[0] = config;
}

static void call_destroy(struct handle *h) {
    CHECK_STATUS(martlet_optimizer_destroy(h->token), h->live || h->token == NULL ? MARTLET_OK : MARTLET_ERROR_HANDLE);
    h->live = false;
}

static void call_clone(struct handle *h) {
    struct handle *other = &model.handle[next(HANDLES)];
    martlet_optimizer *clone = NULL;
    if (other->live) return;
    CHECK_STATUS(martlet_optimizer_clone(h->token, &clone), h->live ? MARTLET_OK : MARTLET_ERROR_HANDLE);
    if (!h->live) return;
    *other = *h;
    other->token = clone;
}

static void call_group_add(struct handle *h) {
    const martlet_config config = random_config(h->amsgrad);
    if (h->groups == GROUPS) return;
    CHECK_STATUS(martlet_optimizer_group_add(h->token, NULL, &config), h->live ? MARTLET_OK : MARTLET_ERROR_HANDLE);
    if (h->live) h->group[h->groups++] = config;
}

static void call_add(struct handle *h) {
    const int array = next(ARRAYS);
    const int64_t group = wild(h->live ? h->groups : 1);
    const martlet_parameter lent = {.value = check_array(model.value[array], count_of(array), MARTLET_FP32), .group = (int32_t)group};
    if (h->parameters == ARRAYS) return;
    martlet_status wanted = MARTLET_OK;
    if (!h->live) wanted = MARTLET_ERROR_HANDLE;
    else if ((int32_t)group < 0 || (int32_t)group >= h->groups) wanted = MARTLET_ERROR_ARGUMENT;
    else if (lends(h, array)) wanted = MARTLET_ERROR_OVERLAP;
    CHECK_STATUS(martlet_optimizer_add(h->token, NULL, &lent), wanted);
    if (wanted != MARTLET_OK) return;
    struct parameter *p = &h->parameter[h->parameters++];
    memset(p, 0, sizeof *p);
    p->array = array, p->group = (int32_t)group;
}

static void call_step(struct handle *h) {
    martlet_array grads[ARRAYS];
    const int mask = next(64), extra = next(16) == 0;
    bool at_the_end = false; /* a counter that cannot count this step */
    for (int p = 0; p < ARRAYS; p++) {
        const int array = p < h->parameters ? h->parameter[p].array : 0;
        check_fill(model.grad[p], MOST, (uint64_t)next(256));
        const bool counts = p < h->parameters && (mask >> p & 1 || count_of(array) == 0);
        at_the_end = at_the_end || (counts && h->parameter[p].step == INT64_MAX);
        grads[p] = check_array(mask >> p & 1 ? model.grad[p] : NULL, count_of(array), MARTLET_FP32);
    }
    const martlet_status status = martlet_optimizer_step(h->token, NULL, grads, h->parameters + extra);
    if (!h->live) CHECK(status == MARTLET_ERROR_HANDLE);
    else if (extra) CHECK(status == MARTLET_ERROR_ARGUMENT || status == MARTLET_ERROR_SHAPE);
    else CHECK_SAYING(status == (at_the_end ? MARTLET_ERROR_ARGUMENT : MARTLET_OK), "%s", martlet_last_error());
    for (int p = 0; p < h->parameters && status == MARTLET_OK; p++) {
        struct parameter *parameter = &h->parameter[p];
        /* An empty parameter has nothing that could be missing. */
        if (!(mask >> p & 1) && count_of(parameter->array) > 0) continue;
        if (!(mask >> p & 1)) {
            CHECK_OK(martlet_optimizer_step_get(h->token, &parameter->step, p));
            continue;
        }
        reference_array_step(model.wanted[parameter->array], model.grad[p], parameter->state, count_of(parameter->array),
                             ++parameter->step, &h->group[parameter->group]);
    }
}

static void call_set(struct handle *h) {
    static const double values[] = {0, 0.5, 0.25, 1, 2, -1, NAN, INFINITY, -0.0, 1e-3};
    const int64_t group = wild(h->live ? h->groups : 1), number = wild(8);
    double value = values[next(LENGTH(values))], found = 0;
    double *place = h->live && (int32_t)group >= 0 && (int32_t)group < h->groups ? field(&h->group[(int32_t)group], (int32_t)number) : NULL;
    const bool good = place != NULL && in_range((int32_t)number, value);
    martlet_status wanted = !h->live ? MARTLET_ERROR_HANDLE : good ? MARTLET_OK : MARTLET_ERROR_ARGUMENT;
    CHECK_STATUS(martlet_optimizer_set(h->token, (int32_t)group, (int32_t)number, value), wanted);
    if (good) *place = value;
    wanted = !h->live ? MARTLET_ERROR_HANDLE : place != NULL ? MARTLET_OK : MARTLET_ERROR_ARGUMENT;
    CHECK_STATUS(martlet_optimizer_get(h->token, &found, (int32_t)group, (int32_t)number), wanted);
    if (place != NULL) CHECK(found == *place);
}

static void call_step_set(struct handle *h) {
    const int64_t parameter = wild(h->live ? h->parameters : 1), step = wild(100);
    martlet_status wanted = MARTLET_OK;
    if (!h->live) wanted = MARTLET_ERROR_HANDLE;
    else if (parameter < 0 || parameter >= h->parameters || step < 0) wanted = MARTLET_ERROR_ARGUMENT;
    CHECK_STATUS(martlet_optimizer_step_set(h->token, parameter, step), wanted);
    if (wanted == MARTLET_OK) h->parameter[parameter].step = step;
}

static void call_state_set(struct handle *h) {
    const int64_t parameter = wild(h->live ? h->parameters : 1), slot = wild(3);
    float moment[MOST];
    check_fill(moment, MOST, (uint64_t)next(256));
    for (int i = 0; i < MOST; i++) moment[i] = fabsf(moment[i]);
    const bool known = h->live && parameter >= 0 && parameter < h->parameters && (int32_t)slot >= 0 &&
                       (int32_t)slot < (h->amsgrad ? 3 : 2);
    const int64_t count = known ? count_of(h->parameter[parameter].array) : 1, extra = next(8) == 0;
    const martlet_array from = check_array(moment, count + extra, MARTLET_FP32);
    const martlet_status wanted = !h->live ? MARTLET_ERROR_HANDLE : !known ? MARTLET_ERROR_ARGUMENT : extra ? MARTLET_ERROR_SHAPE : MARTLET_OK;
    CHECK_STATUS(martlet_optimizer_state_set(h->token, parameter, (int32_t)slot, &from), wanted);
    if (wanted == MARTLET_OK) memcpy(h->parameter[parameter].state + (int32_t)slot * count, moment, (size_t)count * 4);
}

static void call_reset(struct handle *h) {
    CHECK_STATUS(martlet_optimizer_reset(h->token), h->live ? MARTLET_OK : MARTLET_ERROR_HANDLE);
    if (h->live) h->parameters = 0;
}

static void run(const uint8_t *bytes, size_t size) {
    static void (*const calls[])(struct handle *) = {call_create, call_create, call_destroy, call_clone,    call_group_add,
                                                     call_add,    call_add,    call_add,     call_step,     call_step,
                                                     call_step,   call_set,    call_step_set, call_state_set, call_reset};
    input = bytes, input_left = size;
    memset(&model, 0, sizeof model);
    for (int k = 0; k < ARRAYS; k++) {
        check_fill(model.value[k], MOST, (uint64_t)k);
        check_fill(model.wanted[k], MOST, (uint64_t)k);
    }
    while (input_left > 0) {
        struct handle *h = &model.handle[next(HANDLES)];
        calls[next(LENGTH(calls))](h);
    }
    compare();
    for (int k = 0; k < HANDLES; k++)
        if (model.handle[k].live) CHECK_OK(martlet_optimizer_destroy(model.handle[k].token));
}

#ifdef FUZZ_TARGET
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    run(bytes, size);
    if (check_failures != 0) abort();
    return 0;
}
#else
int main(int argc, char **argv) {
    const long count = argc > 1 ? atol(argv[1]) : 4000;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint8_t bytes[600];
    for (long k = 0; k < count && check_failures == 0; k++) {
        const size_t size = check_bits(seed, (uint64_t)k) % sizeof bytes;
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(check_bits(seed + (uint64_t)k, i) >> 24);
        run(bytes, size);
        if (check_failures != 0) fprintf(stderr, "sequence %ld of seed %llu\n", k, (unsigned long long)seed);
    }
    printf("%ld sequences of calls\n", count);
    return check_end();
}
#endif
