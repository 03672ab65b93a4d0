/*
 * Every function of the header used as it is meant to be, and what it then must answer: versions,
 * settings, the three ways to step (equal bits, and equal to reference.h), handles from create to
 * destroy, clone, state, save and load. Wrong use is hostile.py's business.
 */
#include "reference.h"

#define COUNT 77
#define STEPS 12

static void versions(void) {
    CHECK(martlet_version_get() == MARTLET_VERSION);
    CHECK(martlet_abi_get() == MARTLET_ABI);
    CHECK(strcmp(martlet_version_name(), "0.1.0") == 0);
    static const char *const names[] = {
        "MARTLET_OK", "MARTLET_ERROR_ARGUMENT", "MARTLET_ERROR_NULL", "MARTLET_ERROR_STRUCT",
        "MARTLET_ERROR_HANDLE", "MARTLET_ERROR_TYPE", "MARTLET_ERROR_SHAPE", "MARTLET_ERROR_OVERLAP",
        "MARTLET_ERROR_ALIGNMENT", "MARTLET_ERROR_UNSUPPORTED", "MARTLET_ERROR_MEMORY", "MARTLET_ERROR_FILE",
        "MARTLET_ERROR_FORMAT", "MARTLET_ERROR_BUSY", "MARTLET_ERROR_INTERRUPTED", "MARTLET_STOPPED", "MARTLET_ERROR_ORDER",
        "MARTLET_ERROR_?"};
    for (int i = 0; i < LENGTH(names); i++) CHECK(strcmp(martlet_status_name(-i), names[i]) == 0);
    CHECK(strcmp(martlet_status_name(1), "MARTLET_ERROR_?") == 0);
    CHECK(strcmp(martlet_last_error(), "") == 0);
    CHECK_STATUS(martlet_threads_get(NULL), MARTLET_ERROR_NULL);
    CHECK(strstr(martlet_last_error(), "martlet_threads_get") != NULL);
    CHECK(strstr(martlet_last_error(), "out_count") != NULL);
}

static void settings(void) {
    martlet_machine machine = {0};
    int32_t threads = -1;
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    CHECK(machine.struct_size == sizeof machine && machine.reserved == 0);
    CHECK(machine.isa_best >= MARTLET_ISA_BASELINE && machine.isa_best <= MARTLET_ISA_AVX512);
    CHECK(machine.isa >= MARTLET_ISA_BASELINE && machine.isa <= machine.isa_best);
    CHECK(machine.threads >= 1 && machine.threads_default >= 1);
    CHECK(machine.last_isa == 0 && machine.last_threads == 0);
    CHECK_OK(martlet_threads_get(&threads));
    CHECK(threads == machine.threads);
    const int32_t threads_before = threads;
    const int64_t chunk_before = machine.chunk;

    CHECK_OK(martlet_threads_set(3));
    CHECK_OK(martlet_threads_get(&threads));
    CHECK(threads == 3);
    CHECK_OK(martlet_threads_set(0));
    CHECK_OK(martlet_threads_get(&threads));
    CHECK(threads == threads_before);

    CHECK_OK(martlet_isa_set(MARTLET_ISA_BASELINE));
    CHECK_OK(martlet_chunk_set(64));
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    CHECK(machine.isa == MARTLET_ISA_BASELINE && machine.chunk == 64);
    CHECK_OK(martlet_isa_set(MARTLET_ISA_AUTO));
    CHECK_OK(martlet_chunk_set(0));
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    CHECK(machine.isa == machine.isa_best || getenv("MARTLET_ISA") != NULL);
    CHECK(machine.chunk == chunk_before && machine.chunk == 2048);
}

/* How many numbers each kind of slot has, by an algorithm that has it. */
static void slot_counts(void) {
    static const int64_t sizes[] = {6, 4, 5};
    const struct { int32_t algorithm, slot, rank; double block_size; int64_t count; } cases[] = {
        {MARTLET_ADAM, 0, 3, 0, 120}, {MARTLET_ADAM, 0, 0, 0, 1}, {MARTLET_ASGD, 1, 3, 0, 1},
        {MARTLET_ADAFACTOR, 1, 3, 0, 24}, {MARTLET_ADAFACTOR, 2, 3, 0, 30}, {MARTLET_ADAFACTOR, 0, 3, 0, 0},
        {MARTLET_ADAFACTOR, 1, 1, 0, 0}, {MARTLET_ADAFACTOR, 0, 1, 0, 6},
        {MARTLET_ADAM_MINI, 1, 3, 0, 6}, {MARTLET_ADAM_MINI, 1, 3, 2, 3}, {MARTLET_ADAM_MINI, 1, 1, 3, 2},
        {MARTLET_ADAM_MINI, 1, 0, 0, 1}, {MARTLET_ADAM_MINI, 0, 3, 2, 120},
        {MARTLET_SOAP, 2, 3, 0, 36}, {MARTLET_SOAP, 4, 3, 0, 400}, {MARTLET_SOAP, 2, 1, 0, 0},
        /* rows of 4 and 2, columns of 4 five times */
        {MARTLET_SOAP, 3, 3, 4, 5 * (16 + 4)}, {MARTLET_SOAP, 5, 3, 4, 2 * 5 * 16},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        martlet_config config = check_config(cases[i].algorithm);
        if (cases[i].block_size != 0) config.block_size = cases[i].block_size;
        int64_t count = -1;
        CHECK_OK(martlet_slot_count(&count, &config, cases[i].slot, sizes, cases[i].rank));
        CHECK_SAYING(count == cases[i].count, "case %zu: %lld", i, (long long)count);
    }
    static const int64_t none[] = {0, INT64_MAX}, many[] = {(int64_t)1 << 40, (int64_t)1 << 40}, negative[] = {2, -1};
    martlet_config config = check_config(MARTLET_SOAP);
    int64_t count = -1;
    CHECK_OK(martlet_slot_count(&count, &config, 2, none, 2));
    CHECK(count == 0);
    CHECK(martlet_slot_count(&count, &config, 2, many, 2) == MARTLET_ERROR_SHAPE);
    CHECK(martlet_slot_count(&count, &config, 2, negative, 2) == MARTLET_ERROR_SHAPE);
    CHECK(martlet_slot_count(&count, &config, 2, NULL, 2) == MARTLET_ERROR_NULL);
    CHECK(martlet_slot_count(&count, &config, 6, none, 2) == MARTLET_ERROR_ARGUMENT);
    CHECK(count == 0);
}

static void configs(void) {
    for (int32_t algorithm = MARTLET_ADAM; algorithm <= MARTLET_ADAMW; algorithm++) {
        struct {
            martlet_config config;
            unsigned char tail[16];
        } room;
        memset(&room, 0xAB, sizeof room);
        CHECK_OK(martlet_config_init(&room.config, sizeof room.config, algorithm));
        for (int i = 0; i < 16; i++) CHECK(room.tail[i] == 0xAB);
        const martlet_config *c = &room.config;
        CHECK(c->struct_size == sizeof(martlet_config) && c->algorithm == algorithm && c->semantics == MARTLET_SEMANTICS_TORCH);
        CHECK(c->flags == (algorithm == MARTLET_ADAM ? 0 : MARTLET_DECOUPLED_DECAY) && c->seed == 0);
        CHECK(c->lr == 1e-3 && c->beta1 == 0.9 && c->beta2 == 0.999 && c->eps == 1e-8);
        CHECK(c->weight_decay == (algorithm == MARTLET_ADAM ? 0 : 0.01));
        CHECK(isnan(c->beta3) && isnan(c->momentum));
        /* A longer struct, from a later header: the bytes past the ones known are zero. */
        memset(&room, 0xAB, sizeof room);
        CHECK_OK(martlet_config_init(&room.config, sizeof room, algorithm));
        CHECK(c->struct_size == sizeof room);
        for (int i = 0; i < 16; i++) CHECK(room.tail[i] == 0);

        int64_t slots = -1;
        CHECK_OK(martlet_algorithm_slot_count(&slots, c));
        CHECK(slots == 2);
        room.config.flags = MARTLET_AMSGRAD;
        CHECK_OK(martlet_algorithm_slot_count(&slots, c));
        CHECK(slots == 3);
        const char *const names[3] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
        for (int32_t s = 0; s < 3; s++) {
            martlet_slot slot;
            memset(&slot, 0xAB, sizeof slot);
            CHECK_OK(martlet_slot_get(&slot, c, s));
            CHECK(strcmp(slot.name, names[s]) == 0 && slot.kind == MARTLET_SLOT_ELEMENTS && slot.dtype == 0);
            CHECK(slot.dtype_8bit == (s == 0 ? MARTLET_FLOAT8 : MARTLET_UFLOAT8));
            CHECK(slot.dtype_4bit == (s == 0 ? MARTLET_FLOAT4 : MARTLET_UFLOAT4));
            CHECK(slot.dtype_16bit == (s == 0 ? MARTLET_FLOAT16 : MARTLET_UFLOAT16) && slot.reserved == 0);
        }
    }
    CHECK(strcmp(martlet_algorithm_name(MARTLET_ADAM), "adam") == 0);
    CHECK(strcmp(martlet_algorithm_name(MARTLET_ADAMW), "adamw") == 0);
    CHECK(martlet_algorithm_name(0) == NULL && martlet_algorithm_flags(0) == 0);
    CHECK(martlet_algorithm_flags(MARTLET_ADAM) & MARTLET_AMSGRAD);
    CHECK(martlet_algorithm_needs(0) == 0 && martlet_algorithm_needs(MARTLET_ADAM) == 0);
    CHECK(martlet_algorithm_needs(MARTLET_LAMB) == MARTLET_NEEDS_WHOLE);
    CHECK(martlet_algorithm_needs(MARTLET_ADAM_MINI) == MARTLET_NEEDS_WHOLE);
    CHECK(martlet_algorithm_needs(MARTLET_MUON) == (MARTLET_NEEDS_WHOLE | MARTLET_NEEDS_MATRICES));
    CHECK(martlet_algorithm_needs(MARTLET_SOAP) == (MARTLET_NEEDS_WHOLE | MARTLET_NEEDS_MATRICES));
    CHECK(strcmp(martlet_hyperparameter_name(MARTLET_BLOCK_SIZE), "block_size") == 0);
    slot_counts();

    martlet_report report;
    memset(&report, 0xAB, sizeof report);
    CHECK_OK(martlet_report_init(&report, sizeof report));
    CHECK(report.struct_size == sizeof report && report.skipped == 0);
    CHECK(isnan(report.grad_norm) && isnan(report.update_norm) && report.nonfinite_parameter == -1);
}

/* One array by martlet_array_step, martlet_step, a handle and the reference: the same bits in all four. */
static void three_ways(const martlet_config *config) {
    const int slots = config->flags & MARTLET_AMSGRAD ? 3 : 2;
    float value[4][COUNT], grad[COUNT], state[3][3 * COUNT] = {{0}};
    int64_t step[2] = {0, 0}, index = -1, taken = -1;
    for (int k = 0; k < 4; k++) check_fill(value[k], COUNT, 1);
    martlet_array arrays[3];
    for (int s = 0; s < 3; s++) arrays[s] = check_array(state[1] + s * COUNT, COUNT, MARTLET_FP32);
    martlet_parameter parameter = {.value = check_array(value[1], COUNT, MARTLET_FP32),
                                   .grad = check_array(grad, COUNT, MARTLET_FP32),
                                   .state = arrays,
                                   .state_count = slots,
                                   .step = &step[1]};
    martlet_parameter lent = {.value = check_array(value[2], COUNT, MARTLET_FP32), .name = "w"};
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, config));
    CHECK_OK(martlet_optimizer_add(optimizer, &index, &lent));
    CHECK(index == 0);
    for (int t = 1; t <= STEPS; t++) {
        check_fill(grad, COUNT, (uint64_t)t + 10);
        grad[3] = 0;
        CHECK_OK(martlet_array_step(value[0], grad, state[0], COUNT, &step[0], config));
        CHECK_OK(martlet_step(NULL, &parameter, 1, config, 1));
        const martlet_array gradient = check_array(grad, COUNT, MARTLET_FP32);
        martlet_report report;
        CHECK_OK(martlet_report_init(&report, sizeof report));
        CHECK_OK(martlet_optimizer_step(optimizer, &report, &gradient, 1));
        CHECK(report.skipped == 0);
        reference_array_step(value[3], grad, state[2], COUNT, t, config);
    }
    CHECK(step[0] == STEPS && step[1] == STEPS);
    CHECK_OK(martlet_optimizer_step_get(optimizer, &taken, 0));
    CHECK(taken == STEPS);
    CHECK(memcmp(value[0], value[3], sizeof value[0]) == 0);
    CHECK(memcmp(value[1], value[3], sizeof value[0]) == 0);
    CHECK(memcmp(value[2], value[3], sizeof value[0]) == 0);
    CHECK(memcmp(state[0], state[2], sizeof(float) * COUNT * (size_t)slots) == 0);
    CHECK(memcmp(state[1], state[2], sizeof(float) * COUNT * (size_t)slots) == 0);
    for (int32_t s = 0; s < slots; s++) {
        martlet_array view = {0};
        CHECK_OK(martlet_optimizer_state_get(optimizer, &view, 0, s));
        CHECK(view.count == COUNT && view.dtype == MARTLET_FP32 && view.rank == 0 && view.reserved == 0);
        CHECK(view.data != NULL && memcmp(view.data, state[2] + s * COUNT, sizeof(float) * COUNT) == 0);
    }
    CHECK_OK(martlet_optimizer_destroy(optimizer));
}

static void every_config(void) {
    for (int32_t algorithm = MARTLET_ADAM; algorithm <= MARTLET_ADAMW; algorithm++)
        for (int32_t semantics = 0; semantics <= MARTLET_SEMANTICS_PAPER; semantics++)
            for (uint32_t flags = 0; flags < 4; flags++) {
                martlet_config config = check_config(algorithm);
                config.semantics = semantics;
                config.flags = flags;
                three_ways(&config);
                config.weight_decay = 0.25;
                config.lr = 0.03125;
                config.beta1 = 0.3;
                three_ways(&config);
            }
    float value[3] = {1, 2, 3}, other[3] = {1, 2, 3}, grad[3] = {0.5f, -1, 4}, state[6] = {0}, more[6] = {0};
    int64_t step = 0, other_step = 0;
    const martlet_config config = check_config(MARTLET_ADAM);
    CHECK_OK(martlet_array_step(value, grad, state, 3, &step, NULL));
    CHECK_OK(martlet_array_step(other, grad, more, 3, &other_step, &config));
    CHECK(memcmp(value, other, sizeof value) == 0);
    CHECK_OK(martlet_array_step(NULL, NULL, NULL, 0, &step, &config));
    CHECK(step == 2);
    CHECK_OK(martlet_step(NULL, NULL, 0, &config, 1));
}

/* Two parameters, two groups, one of them half precision with fp32 moments; hands the handle's life on. */
struct model {
    float weight[COUNT], weight_grad[COUNT];
    half bias[5], bias_grad[5];
    martlet_optimizer *optimizer;
};

static void model_values(struct model *m) {
    check_fill(m->weight, COUNT, 5);
    for (int i = 0; i < 5; i++) m->bias[i] = (half)check_number(6, (uint64_t)i);
}

static void model_create(struct model *m, bool amsgrad) {
    martlet_config config = check_config(MARTLET_ADAMW);
    config.flags = amsgrad ? MARTLET_AMSGRAD : 0;
    model_values(m);
    m->optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&m->optimizer, &config));
    CHECK(m->optimizer != NULL);
    int32_t group = -1;
    config.lr = 0.125;
    CHECK_OK(martlet_optimizer_group_add(m->optimizer, &group, &config));
    CHECK(group == 1);
    int64_t index = -1;
    martlet_parameter weight = {.value = check_array(m->weight, COUNT, MARTLET_FP32), .name = "dense.weight"};
    CHECK_OK(martlet_optimizer_add(m->optimizer, &index, &weight));
    CHECK(index == 0);
    martlet_array wide[3];
    for (int s = 0; s < 3; s++) wide[s] = check_array(NULL, 5, MARTLET_FP32);
    martlet_parameter bias = {.value = check_array(m->bias, 5, MARTLET_FP16),
                              .state = wide,
                              .state_count = amsgrad ? 3 : 2,
                              .group = 1};
    CHECK_OK(martlet_optimizer_add(m->optimizer, NULL, &bias));
}

static void model_step(struct model *m, int t) {
    check_fill(m->weight_grad, COUNT, (uint64_t)t + 20);
    for (int i = 0; i < 5; i++) m->bias_grad[i] = (half)check_number((uint64_t)t + 30, (uint64_t)i);
    const martlet_array grads[2] = {check_array(m->weight_grad, COUNT, MARTLET_FP32),
                                    check_array(m->bias_grad, 5, MARTLET_FP16)};
    CHECK_OK(martlet_optimizer_step(m->optimizer, NULL, grads, 2));
}

static uint64_t model_hash(const struct model *m) {
    uint64_t hash = check_hash(0, m->weight, sizeof m->weight);
    hash = check_hash(hash, m->bias, sizeof m->bias);
    for (int64_t p = 0; p < 2; p++) {
        int64_t taken = -1;
        CHECK_OK(martlet_optimizer_step_get(m->optimizer, &taken, p));
        hash = check_hash(hash, &taken, sizeof taken);
        for (int32_t s = 0; s < 2; s++) {
            martlet_array view = {0};
            CHECK_OK(martlet_optimizer_state_get(m->optimizer, &view, p, s));
            CHECK(view.dtype == MARTLET_FP32);
            hash = check_hash(hash, view.data, (size_t)view.count * 4);
        }
    }
    return hash;
}

static void handles(void) {
    struct model m;
    model_create(&m, false);
    int64_t number = -1;
    CHECK_OK(martlet_optimizer_count(m.optimizer, &number));
    CHECK(number == 2);
    CHECK_OK(martlet_optimizer_group_count(m.optimizer, &number));
    CHECK(number == 2);
    CHECK_OK(martlet_optimizer_size(m.optimizer, &number));
    CHECK(number >= 2 * 4 * (COUNT + 5));
    double value = 0;
    CHECK_OK(martlet_optimizer_get(m.optimizer, &value, 1, MARTLET_LR));
    CHECK(value == 0.125);
    static const int32_t read[] = {MARTLET_LR, MARTLET_BETA1, MARTLET_BETA2, MARTLET_EPS, MARTLET_WEIGHT_DECAY};
    for (int i = 0; i < LENGTH(read); i++) {
        CHECK_OK(martlet_optimizer_set(m.optimizer, 0, read[i], 0.5 + i / 64.0));
        CHECK_OK(martlet_optimizer_get(m.optimizer, &value, 0, read[i]));
        CHECK(value == 0.5 + i / 64.0);
    }
    model_step(&m, 1);
    model_step(&m, 2);

    /* A clone has the same bits, and goes its own way. */
    struct model copy = m;
    CHECK_OK(martlet_optimizer_clone(m.optimizer, &copy.optimizer));
    CHECK(copy.optimizer != m.optimizer && model_hash(&copy) == model_hash(&m));
    CHECK_OK(martlet_optimizer_set(copy.optimizer, 0, MARTLET_LR, 0.75));
    CHECK_OK(martlet_optimizer_get(m.optimizer, &value, 0, MARTLET_LR));
    CHECK(value == 0.5);
    CHECK_OK(martlet_optimizer_step_set(copy.optimizer, 0, 1000000007));
    CHECK_OK(martlet_optimizer_step_get(copy.optimizer, &number, 0));
    CHECK(number == 1000000007);
    CHECK_OK(martlet_optimizer_step_get(m.optimizer, &number, 0));
    CHECK(number == 2);

    /* State goes in and comes out. */
    float moment[COUNT];
    check_fill(moment, COUNT, 40);
    const martlet_array from = check_array(moment, COUNT, MARTLET_FP32);
    martlet_array view = {0};
    CHECK_OK(martlet_optimizer_state_set(copy.optimizer, 0, 1, &from));
    CHECK_OK(martlet_optimizer_state_get(copy.optimizer, &view, 0, 1));
    CHECK(memcmp(view.data, moment, sizeof moment) == 0);
    CHECK_OK(martlet_optimizer_state_get(m.optimizer, &view, 0, 1));
    CHECK(memcmp(view.data, moment, sizeof moment) != 0);

    /* No gradient: left as it is, and counted. */
    martlet_report report;
    CHECK_OK(martlet_report_init(&report, sizeof report));
    martlet_array grads[2] = {check_array(NULL, 0, MARTLET_FP32), check_array(m.bias_grad, 5, MARTLET_FP16)};
    const uint64_t weight = check_hash(0, m.weight, sizeof m.weight), bias = check_hash(0, m.bias, sizeof m.bias);
    CHECK_OK(martlet_optimizer_step(m.optimizer, &report, grads, 2));
    CHECK(report.skipped == 1);
    CHECK(check_hash(0, m.weight, sizeof m.weight) == weight && check_hash(0, m.bias, sizeof m.bias) != bias);
    CHECK_OK(martlet_optimizer_step_get(m.optimizer, &number, 0));
    CHECK(number == 2);

    /* Reset forgets parameters, keeps groups, and takes parameters again. */
    CHECK_OK(martlet_optimizer_reset(m.optimizer));
    CHECK_OK(martlet_optimizer_count(m.optimizer, &number));
    CHECK(number == 0);
    CHECK_OK(martlet_optimizer_group_count(m.optimizer, &number));
    CHECK(number == 2);
    martlet_parameter again = {.value = check_array(m.weight, COUNT, MARTLET_FP32), .name = "dense.weight"};
    CHECK_OK(martlet_optimizer_add(m.optimizer, &number, &again));
    CHECK(number == 0);

    CHECK_OK(martlet_optimizer_destroy(copy.optimizer));
    CHECK_OK(martlet_optimizer_destroy(m.optimizer));
    CHECK_STATUS(martlet_optimizer_destroy(m.optimizer), MARTLET_ERROR_HANDLE);
    CHECK_OK(martlet_optimizer_destroy(NULL));
}

/* Training that is cut by save and load ends with the bits of training that is not. */
static void files(bool amsgrad) {
    char path[64];
    snprintf(path, sizeof path, "lifecycle-%ld.safetensors", (long)getpid());
    struct model whole, cut;
    model_create(&whole, amsgrad);
    model_create(&cut, amsgrad);
    for (int t = 1; t <= 20; t++) {
        model_step(&whole, t);
        if (t <= 10) model_step(&cut, t);
    }
    CHECK_OK(martlet_optimizer_set(cut.optimizer, 1, MARTLET_LR, 0.25));
    CHECK_OK(martlet_optimizer_save(cut.optimizer, path));
    CHECK_OK(martlet_optimizer_destroy(cut.optimizer));
    struct model resumed = cut, fresh;
    model_create(&fresh, amsgrad);
    CHECK_OK(martlet_optimizer_destroy(fresh.optimizer));
    model_create(&resumed, amsgrad);
    memcpy(resumed.weight, cut.weight, sizeof cut.weight);
    memcpy(resumed.bias, cut.bias, sizeof cut.bias);
    CHECK_OK(martlet_optimizer_load(resumed.optimizer, path));
    double lr = 0;
    CHECK_OK(martlet_optimizer_get(resumed.optimizer, &lr, 1, MARTLET_LR));
    CHECK(lr == 0.25);
    martlet_config loaded;
    memset(&loaded, 0xFF, sizeof loaded);
    CHECK_OK(martlet_optimizer_config_get(resumed.optimizer, &loaded, sizeof loaded, 1));
    CHECK(loaded.lr == 0.25 && loaded.struct_size == sizeof loaded && ((loaded.flags & MARTLET_AMSGRAD) != 0) == amsgrad);
    CHECK_OK(martlet_optimizer_set(resumed.optimizer, 1, MARTLET_LR, 0.125));
    for (int t = 11; t <= 20; t++) model_step(&resumed, t);
    CHECK(model_hash(&resumed) == model_hash(&whole));
    CHECK_OK(martlet_optimizer_destroy(resumed.optimizer));
    CHECK_OK(martlet_optimizer_destroy(whole.optimizer));
    CHECK(unlink(path) == 0);
}

int main(void) {
    versions();
    settings();
    configs();
    every_config();
    handles();
    files(false);
    files(true);
    martlet_machine machine = {0};
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    CHECK(machine.last_isa >= MARTLET_ISA_BASELINE && machine.last_isa <= machine.isa && machine.last_threads >= 1);
    return check_end();
}
