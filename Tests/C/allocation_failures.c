/*
 * Memory that is refused: the n-th allocation of a call made to fail, for n = 1, 2, ... until the call gets
 * by without: a failure is MARTLET_ERROR_MEMORY, changes nothing, and the call works when repeated.
 * malloc_count.c must be preloaded. Memory that is mapped and not malloc'ed is not seen here.
 */
#include <sys/wait.h>

#include "malloc_count.h"

#define PARAMETERS 1000
#define GROUPS 50
#define GROWN 1000 /* parameters, and a tenth as many groups, that are added one by one */

/* What the calls below work on; `path` holds a saved file where one is loaded. */
struct scene {
    martlet_optimizer *optimizer, *made;
    martlet_optimizer *grown, *other; /* for call_grow; of other parameters, for call_refused_load */
    int64_t parameters;               /* of `optimizer`, PARAMETERS at most */
    int64_t added, groups_added;      /* by call_grow so far */
    int64_t wanted;                   /* parameters that it adds, GROWN at most */
    float value[300], grad[300], state[900], more[300];
    int64_t step;
    martlet_array slots[3];
    martlet_parameter parameter;
    martlet_config config;
    float many[PARAMETERS][1];
    martlet_array grads[PARAMETERS];
    char path[64], name[500];
};

/* One element, which no other parameter has, for the k-th parameter of call_grow. */
static float grown_values[GROWN];

static void scene_start(struct scene *s, int64_t parameters, int groups) {
    s->optimizer = s->made = NULL;
    s->parameters = parameters;
    s->step = 0;
    s->config = check_config(MARTLET_ADAM);
    check_fill(s->value, 300, 1), check_fill(s->grad, 300, 2), check_fill(s->more, 300, 3);
    memset(s->state, 0, sizeof s->state);
    for (int k = 0; k < 3; k++) s->slots[k] = check_array(s->state + 300 * k, 300, MARTLET_FP32);
    s->parameter = (martlet_parameter){.value = check_array(s->value, 300, MARTLET_FP32),
                                       .grad = check_array(s->grad, 300, MARTLET_FP32),
                                       .state = s->slots,
                                       .state_count = 2,
                                       .step = &s->step};
    const martlet_parameter lent = {.value = s->parameter.value, .name = "first"};
    CHECK_OK(martlet_optimizer_create(&s->optimizer, &s->config));
    CHECK_OK(martlet_optimizer_add(s->optimizer, NULL, &lent));
    s->grads[0] = s->parameter.grad;
    memset(s->name, 'n', sizeof s->name - 1);
    for (int k = 1; k < groups; k++) CHECK_OK(martlet_optimizer_group_add(s->optimizer, NULL, &s->config));
    for (int k = 1; k < parameters; k++) { /* with long names, so that what grows with them is large */
        for (int digit = 0, rest = k; digit < 4; digit++, rest /= 10) s->name[digit] = (char)('0' + rest % 10);
        const martlet_parameter one = {.value = check_array(s->many[k], 1, MARTLET_FP32), .name = s->name};
        s->grads[k] = check_array(s->many[0], 1, MARTLET_FP32);
        CHECK_OK(martlet_optimizer_add(s->optimizer, NULL, &one));
    }
    CHECK_OK(martlet_optimizer_step(s->optimizer, NULL, s->grads, parameters));
    CHECK_OK(martlet_optimizer_create(&s->grown, &s->config));
    CHECK_OK(martlet_optimizer_create(&s->other, &s->config));
    for (int k = 1; k < groups; k++) CHECK_OK(martlet_optimizer_group_add(s->other, NULL, &s->config));
    CHECK_OK(martlet_optimizer_add(s->other, NULL, &lent));
    s->name[1] = '!';
    const martlet_parameter alien = {.value = check_array(s->more, 300, MARTLET_FP32), .name = s->name};
    CHECK_OK(martlet_optimizer_add(s->other, NULL, &alien));
}

static martlet_status call_create(struct scene *s) { return martlet_optimizer_create(&s->made, &s->config); }
static martlet_status call_clone(struct scene *s) { return martlet_optimizer_clone(s->optimizer, &s->made); }
static martlet_status call_group_add(struct scene *s) { return martlet_optimizer_group_add(s->optimizer, NULL, &s->config); }
static martlet_status call_reset(struct scene *s) { return martlet_optimizer_reset(s->optimizer); }
static martlet_status call_destroy(struct scene *s) { return martlet_optimizer_destroy(s->optimizer); }
static martlet_status call_save(struct scene *s) { return martlet_optimizer_save(s->optimizer, s->path); }
static martlet_status call_load(struct scene *s) { return martlet_optimizer_load(s->optimizer, s->path); }
static martlet_status call_step(struct scene *s) { return martlet_step(NULL, &s->parameter, 1, &s->config, 1); }
static martlet_status call_set(struct scene *s) { return martlet_optimizer_set(s->optimizer, 0, MARTLET_LR, 0.5); }
static martlet_status call_array_step(struct scene *s) {
    return martlet_array_step(s->value, s->grad, s->state, 300, &s->step, NULL);
}
static martlet_status call_handle_step(struct scene *s) {
    return martlet_optimizer_step(s->optimizer, NULL, s->grads, s->parameters);
}

/* A refusal is what these expect, and is passed on as OK; MEMORY is passed on, and all else is wrong. */
static martlet_status refusal(martlet_status status, martlet_status wanted) {
    if (status == wanted) return MARTLET_OK;
    return status == MARTLET_ERROR_MEMORY ? status : MARTLET_ERROR_ARGUMENT;
}
static martlet_status call_refused_step(struct scene *s) {
    const martlet_array gradient = s->grads[s->parameters - 1];
    s->grads[s->parameters - 1].count = 7;
    const martlet_status status = martlet_optimizer_step(s->optimizer, NULL, s->grads, s->parameters);
    s->grads[s->parameters - 1] = gradient;
    return refusal(status, MARTLET_ERROR_SHAPE);
}
static martlet_status call_overlapping_step(struct scene *s) {
    const martlet_array gradient = s->grads[s->parameters - 1];
    s->grads[s->parameters - 1] = check_array(s->many[s->parameters - 2], 1, MARTLET_FP32);
    const martlet_status status = martlet_optimizer_step(s->optimizer, NULL, s->grads, s->parameters);
    s->grads[s->parameters - 1] = gradient;
    return refusal(status, MARTLET_ERROR_OVERLAP);
}
static martlet_status call_refused_load(struct scene *s) {
    return refusal(martlet_optimizer_load(s->other, s->path), MARTLET_ERROR_FORMAT);
}
/* A file whose metadata is 2 MB long, where a word of some letters should stand. */
static martlet_status call_hostile_load(struct scene *s) {
    return refusal(martlet_optimizer_load(s->optimizer, s->path), MARTLET_ERROR_FORMAT);
}
/* Goes on where it was refused, and leaves what it has done. */
static martlet_status call_grow(struct scene *s) {
    for (; s->added < s->wanted; s->added++) {
        char name[32];
        snprintf(name, sizeof name, "parameter %d", (int)s->added);
        const martlet_parameter one = {.value = check_array(grown_values + s->added, 1, MARTLET_FP32), .name = name};
        const martlet_status status = martlet_optimizer_add(s->grown, NULL, &one);
        if (status != MARTLET_OK) return status;
    }
    for (; s->groups_added < s->wanted / 10; s->groups_added++) {
        const martlet_status status = martlet_optimizer_group_add(s->grown, NULL, &s->config);
        if (status != MARTLET_OK) return status;
    }
    return MARTLET_OK;
}
static martlet_status call_strided_step(struct scene *s) {
    static const int64_t sizes[2] = {10, 15}, strides[2] = {30, 2};
    martlet_array *arrays[2] = {&s->parameter.value, &s->parameter.grad};
    for (int k = 0; k < 2; k++)
        arrays[k]->count = 150, arrays[k]->rank = 2, arrays[k]->sizes = sizes, arrays[k]->strides = strides;
    for (int k = 0; k < 2; k++) s->slots[k].count = 150;
    return call_step(s);
}
static martlet_status call_add(struct scene *s) {
    const martlet_parameter lent = {.value = check_array(s->more, 300, MARTLET_FP32), .name = "second"};
    return martlet_optimizer_add(s->optimizer, NULL, &lent);
}
static martlet_status call_bad(struct scene *s) {
    return martlet_optimizer_add(s->optimizer, NULL, &s->parameter) == MARTLET_OK ? MARTLET_ERROR_ARGUMENT : MARTLET_OK;
}
static martlet_status call_threads(struct scene *s) {
    (void)s; /* grows the pool: more threads than before, and a call long enough to wake them */
    static float long_arrays[4 * 600000];
    int64_t step = 0;
    martlet_status status = martlet_threads_set(5);
    if (status != MARTLET_OK) return status;
    return martlet_array_step(long_arrays, long_arrays + 600000, long_arrays + 1200000, 600000, &step, NULL);
}

static uint64_t scene_hash(struct scene *s) {
    uint64_t hash = check_hash(0, s->value, sizeof s->value);
    hash = check_hash(hash, s->state, sizeof s->state);
    hash = check_hash(hash, &s->step, sizeof s->step);
    int64_t numbers[3] = {-1, -1, -1};
    CHECK_OK(martlet_optimizer_count(s->optimizer, &numbers[0]));
    CHECK_OK(martlet_optimizer_group_count(s->optimizer, &numbers[1]));
    CHECK_OK(martlet_optimizer_step_get(s->optimizer, &numbers[2], 0));
    hash = check_hash(hash, numbers, sizeof numbers);
    CHECK_OK(martlet_optimizer_count(s->grown, &numbers[0]));
    CHECK_OK(martlet_optimizer_group_count(s->grown, &numbers[1]));
    CHECK(numbers[0] == s->added && numbers[1] == s->groups_added + 1);
    for (int32_t slot = 0; slot < 2; slot++) {
        martlet_array view = {0};
        CHECK_OK(martlet_optimizer_state_get(s->optimizer, &view, 0, slot));
        hash = check_hash(hash, view.data, (size_t)view.count * 4);
    }
    return hash;
}

/* Allocations that grow with what the caller passes must be answered: with many parameters and groups, each
 * one of LARGE bytes and more. The Swift runtime makes objects and texts of less as well, and ends the process
 * where it cannot: those are counted and printed, with fewer parameters, and the calls that a training loop
 * makes (`sturdy`) may have none. The header leaves more room, 4 KB. */
#define LARGE 1024
#define FEW 100

static const struct call {
    martlet_status (*call)(struct scene *);
    const char *name;
    bool sturdy;
    bool ends; /* nothing to compare afterwards */
} calls[] = {
    {call_create, "create", false, false},
    {call_clone, "clone", false, false},
    {call_group_add, "group_add", false, false},
    {call_add, "add", false, false},
    {call_bad, "a refused add", false, false},
    {call_reset, "reset", true, false},
    {call_set, "set", true, false},
    {call_destroy, "destroy", true, true},
    {call_save, "save", false, false},
    {call_load, "load", false, false},
    {call_refused_load, "a refused load", false, false},
    {call_hostile_load, "a hostile load", false, false},
    {call_step, "step", true, false},
    {call_strided_step, "a strided step", true, false},
    {call_array_step, "array_step", true, false},
    {call_handle_step, "a handle's step", true, false},
    {call_refused_step, "a refused step", false, false},
    {call_overlapping_step, "an overlapping step", false, false},
    {call_threads, "a step with new threads", false, false},
    {call_grow, "growth", false, false},
};

/* The beginning of what a child printed. */
static const char *said(int output) {
    static char text[512];
    const ssize_t size = pread(output, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = 0;
    return text;
}

/* The file that a call loads. */
static void write_file(const struct call *c, struct scene *s) {
    if (c->call == call_load || c->call == call_refused_load) CHECK_OK(call_save(s));
    if (c->call != call_hostile_load) return;
    static const char start[] = "{\"__metadata__\":{\"format\":\"", end[] = "\"}}";
    static char word[2000000];
    memset(word, 'w', sizeof word);
    const uint64_t length = sizeof start + sizeof word + sizeof end - 2;
    FILE *file = fopen(s->path, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(&length, 8, 1, file) == 1 && fwrite(start, sizeof start - 1, 1, file) == 1);
    REQUIRE(fwrite(word, sizeof word, 1, file) == 1 && fwrite(end, sizeof end - 1, 1, file) == 1);
    REQUIRE(fclose(file) == 0);
}

/* One process for each n. 0: the call got by; 1: failed as promised; 2: wrong; 3: the process ended. */
static int attempt(const struct call *c, long n, size_t least) {
    static int output = -1; /* a child's stderr: traces of the Swift runtime are of no interest */
    if (output < 0) output = memfd_create("output", 0);
    REQUIRE(output >= 0 && ftruncate(output, 0) == 0 && lseek(output, 0, SEEK_SET) == 0);
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child != 0) {
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        if (WIFSIGNALED(status)) return 3;
        CHECK_SAYING(WEXITSTATUS(status) < 2, "%s, allocation %ld fails: wrong: %s", c->name, n, said(output));
        return WEXITSTATUS(status);
    }
    alarm(20);
    REQUIRE(dup2(output, 2) == 2);
    check_failures = 0;
    struct scene s;
    memset(&s, 0, sizeof s);
    scene_start(&s, least > 0 ? PARAMETERS : FEW, least > 0 ? GROUPS : 2);
    snprintf(s.path, sizeof s.path, "allocation-%ld", (long)getpid());
    write_file(c, &s);
    s.wanted = least > 0 ? GROWN : 40;
    const uint64_t before = scene_hash(&s);
    malloc_count_start(n, least);
    const martlet_status status = c->call(&s);
    const long seen = malloc_count_stop();
    unlink(s.path);
    if (status == MARTLET_OK && seen < n) _exit(check_failures != 0 ? 2 : 0);
    if (status == MARTLET_OK) _exit(check_failures != 0 ? 2 : 1); /* did without what it was refused */
    CHECK_SAYING(status == MARTLET_ERROR_MEMORY, "%s: %s", martlet_status_name(status), martlet_last_error());
    CHECK(strlen(martlet_last_error()) > 0);
    CHECK(s.made == NULL);
    if (!c->ends) CHECK(scene_hash(&s) == before);
    write_file(c, &s);
    CHECK_OK(c->call(&s));
    unlink(s.path);
    _exit(check_failures != 0 ? 2 : 1);
}

/* Every n for one call; how many of them ended the process. */
static long every(const struct call *c, size_t least, long *total) {
    long n = 1, ended = 0;
    for (int verdict; n < 2000 && (verdict = attempt(c, n, least)) != 0; n++) ended += verdict == 3;
    CHECK_SAYING(n < 2000, "%s never got by", c->name);
    *total += n - 1;
    return ended;
}

static void injections(void) {
    long total = 0, small = 0, ended = 0;
    for (int k = 0; k < LENGTH(calls); k++) {
        const long large_ended = every(&calls[k], LARGE, &total);
        CHECK_SAYING(large_ended == 0, "%s: %ld failing allocations of %d bytes and more end the process", calls[k].name,
                     large_ended, LARGE);
        const long small_ended = every(&calls[k], 0, &small);
        CHECK_SAYING(small_ended == 0 || !calls[k].sturdy, "%s: %ld failing allocations end the process", calls[k].name,
                     small_ended);
        ended += small_ended;
    }
    printf("%ld large allocations failed one by one in %d calls, all answered; ", total, LENGTH(calls));
    printf("of %ld of any size %ld ended the process in the Swift runtime\n", small, ended);
}

int main(void) {
    if (!malloc_count_works()) return 1;
    injections(); /* this process has not called the library yet, nor does it before the forks */
    return check_end();
}
