/*
 * Runs the cases that hostile.py writes out of the header, each in a process of its own. A case makes a
 * good call, spoils one argument, and calls. Then: the process lives; the status is one that the header
 * promises; on failure no byte of the caller's memory has changed, nor the handle, and the message names
 * the function; and good calls in the same process give the reference's bits. With an argument, only
 * cases whose text contains it are run.
 */
#ifndef HOSTILE_RUN_H
#define HOSTILE_RUN_H

#include "hostile_model_run.h"
#include "hostile_world.h"

/* ---- good calls ---- */

static void world_create(struct world *w) {
    memset(w, 0, sizeof *w);
    w->config.config = check_config(MARTLET_ADAM);
    w->groups[0] = w->groups[1] = w->config.config;
    w->groups[1].lr = 0.25;
    w->report.report.struct_size = sizeof w->report.report;
    for (int k = 0; k < 2; k++) {
        check_fill(w->value[k], COUNT, (uint64_t)k);
        check_fill(w->grad[k], COUNT, (uint64_t)k + 2);
        for (int s = 0; s < 3; s++) w->slots[k][s] = check_array(w->state[k] + s * COUNT, COUNT, MARTLET_FP32);
        w->grads[k] = check_array(w->grad[k], COUNT, MARTLET_FP32);
        w->parameters[k] = (martlet_parameter){.value = check_array(w->value[k], COUNT, MARTLET_FP32),
                                               .grad = w->grads[k],
                                               .state = w->slots[k],
                                               .state_count = 2,
                                               .step = &w->steps[k],
                                               .group = k};
    }
    strcpy(w->path, "good.safetensors");
    w->array = check_array(w->scratch, COUNT, MARTLET_FP32);
    w->added = (martlet_parameter){.value = check_array(w->more, COUNT, MARTLET_FP32), .name = "third"};

    /* Two handles that are gone, and one that has two parameters and has taken a step. */
    REQUIRE(martlet_optimizer_create(&w->gone, &w->config.config) == MARTLET_OK);
    REQUIRE(martlet_optimizer_clone(w->gone, &w->gone_clone) == MARTLET_OK);
    REQUIRE(martlet_optimizer_destroy(w->gone) == MARTLET_OK);
    REQUIRE(martlet_optimizer_create(&w->optimizer, &w->config.config) == MARTLET_OK);
    REQUIRE(martlet_optimizer_destroy(w->gone_clone) == MARTLET_OK);
    REQUIRE(martlet_optimizer_group_add(w->optimizer, NULL, &w->groups[1]) == MARTLET_OK);
    for (int k = 0; k < 2; k++) {
        const martlet_parameter lent = {.value = w->parameters[k].value, .group = k, .name = k == 0 ? "first" : "second"};
        REQUIRE(martlet_optimizer_add(w->optimizer, NULL, &lent) == MARTLET_OK);
    }
    REQUIRE(martlet_optimizer_step(w->optimizer, NULL, w->grads, 2) == MARTLET_OK);
    models_create(&w->m);
}

GOOD(version_get) {}
GOOD(version_name) {}
GOOD(abi_get) {}
GOOD(last_error) {}
GOOD(status_name) { a->status = MARTLET_ERROR_FILE; }
GOOD(machine_get) { a->out_machine = &w->machine.machine, a->struct_size = sizeof(martlet_machine); }
GOOD(threads_set) { a->count = 2; }
GOOD(threads_get) { a->out_count = &w->out_int32; }
GOOD(isa_set) { a->isa = MARTLET_ISA_BASELINE; }
GOOD(chunk_set) { a->elements = 64; }
GOOD(config_init) { a->out_config = &w->config.config, a->struct_size = sizeof(martlet_config), a->algorithm = MARTLET_ADAMW; }
GOOD(algorithm_name) { a->algorithm = MARTLET_ADAM; }
GOOD(algorithm_slot_count) { a->out_count = &w->out_int64, a->config = &w->config.config; }
GOOD(algorithm_flags) { a->algorithm = MARTLET_ADAM; }
GOOD(algorithm_needs) { a->algorithm = MARTLET_MUON; }
GOOD(hyperparameter_name) { a->hyperparameter = MARTLET_RHO; }
GOOD(slot_count) {
    w->sizes[0] = 3, w->sizes[1] = 4;
    a->out_count = &w->out_int64, a->config = &w->config.config, a->slot = 1, a->sizes = w->sizes, a->rank = 2;
}
GOOD(slot_get) { a->out_slot = &w->out_slot, a->config = &w->config.config, a->slot = 1; }
GOOD(report_init) { a->out_report = &w->report.report, a->struct_size = sizeof(martlet_report); }
GOOD(step) {
    a->out_report = &w->report.report;
    a->parameters = w->parameters, a->count = 2;
    a->groups = w->groups, a->group_count = 2;
}
static int32_t adds_nothing(void *context, double *sums, int64_t count) {
    return context == NULL || sums == NULL || count != 6;
}
GOOD(step_sharded) {
    a->out_report = &w->report.report;
    a->parameters = w->parameters, a->count = 2;
    a->groups = w->groups, a->group_count = 2;
    a->reduce = adds_nothing, a->context = w;
}
GOOD(measure) { a->out_squares = &w->out_double, a->arrays = &w->array, a->count = 1; }
GOOD(mode_set) {
    a->parameters = w->parameters, a->count = 2;
    a->groups = w->groups, a->group_count = 2, a->mode = MARTLET_EVALUATION;
}
GOOD(finish) {
    a->parameters = w->parameters, a->count = 2;
    a->groups = w->groups, a->group_count = 2;
}
GOOD(backlog_size) { a->out_bytes = &w->out_int64, a->rows = COUNT; }
GOOD(array_step) {
    a->value = w->value[0], a->grad = w->grad[0], a->state = w->state[0];
    a->count = COUNT, a->step = &w->steps[0], a->config = &w->config.config;
}
GOOD(answers_get) {
    w->questions[0] = w->questions[1] = own_address;
    a->out_answers = w->answers, a->questions = w->questions, a->question_count = 2;
    a->objects = w->objects, a->object_count = 3;
}
GOOD(schedule_init) {
    a->out_schedule = &w->schedule.schedule, a->struct_size = sizeof(martlet_schedule), a->kind = MARTLET_SCHEDULE_LINEAR;
}
GOOD(schedule_name) { a->kind = MARTLET_SCHEDULE_COSINE; }
GOOD(schedule_get) {
    for (int k = 0; k < 2; k++) {
        martlet_schedule *s = &w->schedules[k];
        REQUIRE(martlet_schedule_init(s, sizeof *s, k == 0 ? MARTLET_SCHEDULE_LINEAR : MARTLET_SCHEDULE_COSINE) == MARTLET_OK);
        s->rate = 1e-3, s->steps = 100;
    }
    w->schedules[0].end = w->schedules[1].begin = 100;
    a->out_rate = &w->out_double, a->schedules = w->schedules, a->count = 2, a->step = 120;
}
GOOD(plateau_init) {
    a->out_plateau = &w->plateau.plateau, a->struct_size = sizeof(martlet_plateau), a->semantics = MARTLET_SEMANTICS_KERAS;
}
GOOD(plateau_step) {
    REQUIRE(martlet_plateau_init(&w->plateau.plateau, sizeof(martlet_plateau), MARTLET_SEMANTICS_TORCH) == MARTLET_OK);
    w->plateau.plateau.rate = 1e-3;
    a->plateau = &w->plateau.plateau, a->metric = 0.5;
}
GOOD(optimizer_create) { a->out_optimizer = &w->out_optimizer, a->config = &w->config.config; }
GOOD(optimizer_destroy) { a->optimizer = w->optimizer; }
GOOD(optimizer_clone) { a->optimizer = w->optimizer, a->out_clone = &w->out_optimizer; }
GOOD(optimizer_reset) { a->optimizer = w->optimizer; }
GOOD(optimizer_group_add) { a->optimizer = w->optimizer, a->out_group = &w->out_int32, a->config = &w->config.config; }
GOOD(optimizer_add) { a->optimizer = w->optimizer, a->out_index = &w->out_int64, a->parameter = &w->added; }
GOOD(optimizer_step) {
    a->optimizer = w->optimizer, a->out_report = &w->report.report;
    a->grads = w->grads, a->count = 2;
}
GOOD(optimizer_copy_set) { a->optimizer = w->optimizer, a->index = 1, a->copy = &w->array; }
GOOD(optimizer_sparse_step) {
    for (int k = 0; k < 2; k++) w->given[k] = (martlet_rows){.rows = number_rows(w, -1), .count = COUNT};
    a->optimizer = w->optimizer, a->out_report = &w->report.report;
    a->grads = w->grads, a->rows = w->given, a->count = 2;
}
GOOD(optimizer_finish) {
    for (int k = 0; k < 2; k++) w->given[k] = (martlet_rows){.rows = number_rows(w, -1), .count = COUNT};
    a->optimizer = w->optimizer, a->rows = w->given, a->count = 2;
}
GOOD(optimizer_mode_set) { a->optimizer = w->optimizer, a->mode = MARTLET_EVALUATION; }
GOOD(optimizer_set) { a->optimizer = w->optimizer, a->group = 1, a->hyperparameter = MARTLET_LR, a->value = 0.5; }
GOOD(optimizer_get) { a->optimizer = w->optimizer, a->out_value = &w->out_double, a->group = 1, a->hyperparameter = MARTLET_LR; }
GOOD(optimizer_config_get) {
    a->optimizer = w->optimizer, a->out_config = &w->config.config, a->struct_size = sizeof(martlet_config), a->group = 1;
}
GOOD(optimizer_count) { a->optimizer = w->optimizer, a->out_count = &w->out_int64; }
GOOD(optimizer_group_count) { a->optimizer = w->optimizer, a->out_count = &w->out_int64; }
GOOD(optimizer_size) { a->optimizer = w->optimizer, a->out_bytes = &w->out_int64; }
GOOD(optimizer_state_get) { a->optimizer = w->optimizer, a->out_array = &w->out_array, a->parameter = 1, a->slot = 1; }
GOOD(optimizer_state_set) { a->optimizer = w->optimizer, a->parameter = 0, a->slot = 0, a->array = &w->array; }
GOOD(optimizer_step_get) { a->optimizer = w->optimizer, a->out_step = &w->out_int64, a->parameter = 1; }
GOOD(optimizer_step_set) { a->optimizer = w->optimizer, a->parameter = 1, a->step = 7; }
GOOD(optimizer_save) { a->optimizer = w->optimizer, a->path = w->path; }
GOOD(optimizer_load) {
    REQUIRE(martlet_optimizer_save(w->optimizer, w->path) == MARTLET_OK);
    a->optimizer = w->optimizer, a->path = w->path;
}

/* ---- before and after ---- */

/* Everything that can be read of a handle. */
static uint64_t handle_hash(martlet_optimizer *optimizer) {
    int64_t count = -1, groups = -1, bytes = -1;
    CHECK_OK(martlet_optimizer_count(optimizer, &count));
    CHECK_OK(martlet_optimizer_group_count(optimizer, &groups));
    CHECK_OK(martlet_optimizer_size(optimizer, &bytes));
    uint64_t hash = check_hash(0, &count, sizeof count);
    hash = check_hash(hash, &groups, sizeof groups);
    hash = check_hash(hash, &bytes, sizeof bytes);
    for (int64_t k = 0; k < count; k++) {
        int64_t step = -1;
        CHECK_OK(martlet_optimizer_step_get(optimizer, &step, k));
        hash = check_hash(hash, &step, sizeof step);
        for (int32_t slot = 0; slot < 2; slot++) {
            martlet_array view = {0};
            CHECK_OK(martlet_optimizer_state_get(optimizer, &view, k, slot));
            hash = check_hash(hash, view.data, (size_t)view.count * (size_t)check_element_size(view.dtype));
        }
    }
    for (int32_t g = 0; g < groups; g++)
        for (int32_t number = MARTLET_LR; number <= MARTLET_WEIGHT_DECAY; number++) {
            double value = 0;
            if (number == MARTLET_BETA3) continue;
            CHECK_OK(martlet_optimizer_get(optimizer, &value, g, number));
            hash = check_hash(hash, &value, sizeof value);
        }
    return hash;
}

/* Good calls in a process that has seen a hostile one: right bits from an array and from a handle. */
static void good_calls(void) {
    static float value[3][COUNT], grad[COUNT], state[2][2 * COUNT];
    const martlet_config config = check_config(MARTLET_ADAM);
    int64_t step = 0;
    for (int k = 0; k < 3; k++) check_fill(value[k], COUNT, 50);
    martlet_optimizer *optimizer = NULL;
    const martlet_parameter lent = {.value = check_array(value[1], COUNT, MARTLET_FP32)};
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
    for (int64_t t = 1; t <= 3; t++) {
        check_fill(grad, COUNT, (uint64_t)t + 60);
        const martlet_array gradient = check_array(grad, COUNT, MARTLET_FP32);
        CHECK_OK(martlet_array_step(value[0], grad, state[0], COUNT, &step, &config));
        CHECK_OK(martlet_optimizer_step(optimizer, NULL, &gradient, 1));
        reference_array_step(value[2], grad, state[1], COUNT, t, &config);
    }
    CHECK(memcmp(value[0], value[2], sizeof value[0]) == 0);
    CHECK(memcmp(value[1], value[2], sizeof value[0]) == 0);
    CHECK(memcmp(state[0], state[1], sizeof state[0]) == 0);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    models_work();
}

static bool expects(const char *expected, martlet_status status) {
    if (strcmp(expected, "ANY") == 0) return true;
    if (strcmp(expected, "ERROR") == 0) return status != MARTLET_OK;
    const char *name = martlet_status_name(status);
    if (strncmp(name, "MARTLET_ERROR_", 14) == 0) name += 14;
    else if (strcmp(name, "MARTLET_OK") == 0) name = "OK";
    const size_t length = strlen(name);
    for (const char *word = expected; word != NULL; word = strchr(word, '|')) {
        if (*word == '|') word++;
        if (strncmp(word, name, length) == 0 && (word[length] == 0 || word[length] == '|')) return true;
    }
    return false;
}

static bool is_utf8(const char *text) {
    for (const unsigned char *p = (const unsigned char *)text; *p != 0;) {
        const int more = *p < 0x80 ? 0 : (*p & 0xE0) == 0xC0 && *p >= 0xC2 ? 1 : (*p & 0xF0) == 0xE0 ? 2 : (*p & 0xF8) == 0xF0 ? 3 : -1;
        if (more < 0) return false;
        p++;
        for (int k = 0; k < more; k++)
            if ((*p++ & 0xC0) != 0x80) return false;
    }
    return true;
}

/* One case, in its own process. */
static void run_case(const struct hostile_case *c) {
    static struct world w, before, other;
    static max_align_t arguments[16];
    REQUIRE(c->size <= sizeof arguments);
    if (strstr(c->function, "model") != NULL || strstr(c->function, "matmul") != NULL) models_limit_memory();
    world_create(&w);
    c->prepare(&w, arguments);
    if (c->spoil != NULL) c->spoil(&w, arguments);
    const uint64_t handle_before = handle_hash(w.optimizer), models_before = models_hash(&w.m);
    memcpy(&before, &w, sizeof w);
    const martlet_status status = c->invoke(arguments);
    char message[2048];
    snprintf(message, sizeof message, "%s", martlet_last_error());
    CHECK_SAYING(expects(c->expected, status), "gave %s, wanted %s: %s", martlet_status_name(status), c->expected, message);
    if (status != MARTLET_OK) {
        CHECK_SAYING(memcmp(&w, &before, sizeof w) == 0, "%s", "the caller's memory was changed by a refused call");
        CHECK(handle_hash(w.optimizer) == handle_before);
        CHECK_SAYING(models_hash(&w.m) == models_before, "%s", "a model was changed by a refused call");
        if (strstr(c->function, "name") == NULL) { /* those give NULL, not a message */
            CHECK_SAYING(strncmp(message, c->function, strlen(c->function)) == 0, "the message is: %s", message);
            CHECK_SAYING(is_utf8(message) && strlen(message) < 1024 && strlen(message) > strlen(c->function) + 10, "%s", message);
        }
    }
    good_calls();
    /* The same call done right, on fresh memory. */
    world_create(&other);
    c->prepare(&other, arguments);
    CHECK_OK(c->invoke(arguments));
    /* What an accepted call left in the handle can be saved and loaded, and stepped without harm. */
    const bool keeps = strstr(c->function, "optimizer_") != NULL && strcmp(c->function, "martlet_optimizer_destroy") != 0;
    if (status == MARTLET_OK && keeps) {
        CHECK_OK(martlet_optimizer_save(w.optimizer, "after.safetensors"));
        CHECK_OK(martlet_optimizer_load(w.optimizer, "after.safetensors"));
    }
    if (status == MARTLET_OK && strstr(c->function, "model_") != NULL && strcmp(c->function, "martlet_model_destroy") != 0) {
        martlet_model *loaded = NULL;
        CHECK_OK(martlet_model_save(w.m.model, "after.safetensors"));
        CHECK_OK(martlet_model_load(&loaded, "after.safetensors"));
        CHECK_OK(martlet_model_train(loaded, NULL, &other.m.x, &other.m.y, other.m.rows, BATCH));
        CHECK_OK(martlet_model_destroy(loaded));
    }
}

static bool passes(const struct hostile_case *c) {
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(20);
        run_case(c);
        fflush(NULL);
        _exit(check_failures != 0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (status == 0) return true;
    printf("%s(%s): %s", c->function, c->parameter, c->value);
    if (WIFSIGNALED(status)) printf(": ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else printf("\n");
    return false;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    unlink("fifo");
    REQUIRE(mkfifo("fifo", 0644) == 0);
    for (int k = 0; k < LENGTH(cases); k++) {
        char text[1024];
        snprintf(text, sizeof text, "%s(%s): %s", cases[k].function, cases[k].parameter, cases[k].value);
        if (argc > 1 && strstr(text, argv[1]) == NULL) continue;
        if (passes(&cases[k])) passed++;
        else failed++;
    }
    printf("%d processes passed, %d failed\n", passed, failed);
    return failed != 0 || passed == 0;
}

#endif
