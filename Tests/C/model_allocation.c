/*
 * Memory of models: a steady training step, evaluation and prediction allocate nothing, with any labels, with
 * one and with two threads; and the n-th allocation of LARGE bytes and more of a call made to fail, for
 * n = 1, 2, ... until the call gets by without: a failure is MARTLET_ERROR_MEMORY, changes nothing, and the
 * call works when repeated. malloc_count.c must be preloaded. What is mapped and not malloc'ed fails under limits on
 * the process's addresses, in which a larger batch is refused and a batch like the one before is not.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "malloc_count.h"
#include "network.h"

/* ---- no allocation in steady state ---- */

enum way { TRAIN, TRAIN_ROWS, TRAIN_LAID, TRAIN_TARGETS, TRAIN_LONG, HALVES, BY_HAND, PREDICT, PREDICT_BATCH, EVALUATE, SET, WAYS };
static const char *const way_names[WAYS] = {"train", "train rows", "train with sizes", "train on targets", "train on INT64",
                                            "train by halves", "train by hand", "predict", "predict in batches", "evaluate", "set"};

static martlet_status call(enum way way, martlet_model *model, const struct network_data *data, int64_t elements) {
    static float out[NETWORK_SAMPLES * NETWORK_CLASSES], targets[NETWORK_SAMPLES * NETWORK_CLASSES];
    static int64_t labels[NETWORK_SAMPLES], rows[] = {3, 1, 4, 1, 5, 9, 2, 6};
    martlet_array x = data->x, y = data->y;
    martlet_result result;
    martlet_loop loop;
    martlet_status status = martlet_result_init(&result, sizeof result);
    if (status == MARTLET_OK) status = martlet_loop_init(&loop, sizeof loop);
    if (status != MARTLET_OK) return status;
    const int64_t sizes[] = {NETWORK_SAMPLES, elements}, strides[] = {elements, 1};
    switch ((int)way) {
    case TRAIN_ROWS: return martlet_model_train(model, &result, &x, &y, rows, LENGTH(rows));
    case TRAIN_LAID:
        if (elements == 8) x.rank = 2, x.sizes = sizes, x.strides = strides; /* images have more sizes */
        break;
    case TRAIN_TARGETS: y = check_array(targets, LENGTH(targets), MARTLET_FP32); break;
    case TRAIN_LONG: y = check_array(labels, LENGTH(labels), MARTLET_INT64); break;
    case HALVES:
        status = martlet_model_differentiate(model, &result, &x, &y, NULL, 0);
        return status == MARTLET_OK ? martlet_model_step(model) : status;
    case BY_HAND:
        status = martlet_model_forward(model, NULL, out, LENGTH(out), &x, NULL, NULL, NULL, 0);
        if (status == MARTLET_OK) status = martlet_model_backward(model, out, LENGTH(out), NULL);
        return status == MARTLET_OK ? martlet_model_step(model) : status;
    case PREDICT: return martlet_model_predict(model, out, LENGTH(out), &x, NULL);
    case PREDICT_BATCH: loop.batch_size = 7; return martlet_model_predict(model, out, LENGTH(out), &x, &loop);
    case EVALUATE: return martlet_model_evaluate(model, &result, &x, &y, &loop);
    case SET: return martlet_model_set(model, MARTLET_LR, 1e-3);
    default: break;
    }
    return martlet_model_train(model, &result, &x, &y, NULL, 0);
}

enum form { DENSE, IMAGES, SEQUENCES, FORMS };
static const char *const form_names[FORMS] = {"dense", "images", "sequences"};

static void quiet(int32_t threads, enum form form) {
    const int64_t side = threads == 1 ? NETWORK_SIDE : NETWORK_SHARED_SIDE;
    const int64_t elements = form == DENSE ? 8 : form == IMAGES ? NETWORK_PIXELS(side) : NETWORK_STEPS * NETWORK_FEATURES;
    struct network_data *data = network_data(elements);
    martlet_model *model = form == DENSE ? network_dense(8, 6, 1) : form == IMAGES ? network_image_of(side, 1) : network_sequence(threads == 1 ? 9 : 100, 1);
    const double before = check_worker_seconds();
    CHECK_OK(martlet_threads_set(threads));
    network_compile(model, NETWORK_SAMPLES);
    for (enum way way = 0; way < WAYS; way++) {
        for (int k = 0; k < 50; k++) {
            if (k == 3) malloc_count_start(0, 0);
            const martlet_status status = call(way, model, data, elements);
            if (status != MARTLET_OK) malloc_count_stop();
            CHECK_OK(status);
        }
        const long seen = malloc_count_stop();
        CHECK_SAYING(seen == 0, "%s, %d threads, %s: %ld allocations in 47 calls", way_names[way], threads, form_names[form], seen);
    }
    CHECK_SAYING(threads == 1 || form == DENSE || check_worker_seconds() > before + 1e-4, "%d threads, and no worker worked", threads);
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

/* ---- injected failures ---- */

#define LARGE 4096 /* the header's word for what is answered */

struct scene {
    martlet_model *model, *made;
    struct network_data *data;
    martlet_training training;
    char path[64];
};

static martlet_status call_compile(struct scene *s) { return martlet_model_compile(s->model, &s->training, NULL); }
static martlet_status call_fit(struct scene *s) { return network_fit(s->model, s->data, 1, 0); }
/* With more samples in a batch than compile was told of, and validation: nothing may fail once a step was made. */
static martlet_status call_fit_validating(struct scene *s) {
    martlet_loop loop;
    REQUIRE(martlet_loop_init(&loop, sizeof loop) == MARTLET_OK);
    loop.batch_size = 20, loop.validation_x = &s->data->x, loop.validation_y = &s->data->y;
    return martlet_model_fit(s->model, NULL, &s->data->x, &s->data->y, &loop);
}
static martlet_status call_train(struct scene *s) { return martlet_model_train(s->model, NULL, &s->data->x, &s->data->y, NULL, 0); }
static martlet_status call_differentiate(struct scene *s) {
    return martlet_model_differentiate(s->model, NULL, &s->data->x, &s->data->y, NULL, 0);
}
static martlet_status call_forward(struct scene *s) {
    static float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    return martlet_model_forward(s->model, NULL, out, LENGTH(out), &s->data->x, NULL, NULL, NULL, 0);
}
static martlet_status call_step(struct scene *s) { return martlet_model_step(s->model); }
static martlet_status call_evaluate(struct scene *s) { return martlet_model_evaluate(s->model, NULL, &s->data->x, &s->data->y, NULL); }
static martlet_status call_save(struct scene *s) { return martlet_model_save(s->model, s->path); }
static martlet_status call_export(struct scene *s) { return martlet_model_export(s->model, "allocation.c"); }
static martlet_status call_load(struct scene *s) { return martlet_model_load(&s->made, s->path); }
static martlet_status call_reset(struct scene *s) { return martlet_model_reset(s->model); }
static martlet_status call_predict(struct scene *s) {
    static float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    return martlet_model_predict(s->model, out, LENGTH(out), &s->data->x, NULL);
}
/* A model from nothing to its parameters; given back where that fails. */
static martlet_status call_create(struct scene *s) {
    const int64_t features = 2000;
    const martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, 300, MARTLET_ACTIVATION_RELU);
    martlet_model *model = NULL;
    martlet_status status = martlet_model_create(&model, &features, 1, 1);
    for (int k = 0; k < 4 && status == MARTLET_OK; k++) status = martlet_model_add(model, &layer, NULL, 0, NULL);
    if (status == MARTLET_OK) status = martlet_model_buffer_get(model, NULL, NULL, MARTLET_BUFFER_PARAMETERS);
    if (status == MARTLET_OK) s->made = model;
    else if (model != NULL) CHECK_OK(martlet_model_destroy(model));
    return status;
}

static const struct {
    martlet_status (*call)(struct scene *);
    const char *name;
    bool compiled; /* before the call */
} calls[] = {{call_create, "create", false}, {call_compile, "compile", false}, {call_predict, "predict", false},
             {call_compile, "another compile", true}, {call_fit, "fit", true}, {call_fit_validating, "fit with validation", true},
             {call_train, "train", true}, {call_differentiate, "differentiate", true}, {call_forward, "forward", true},
             {call_step, "step", true}, {call_evaluate, "evaluate", true}, {call_predict, "predict", true}, {call_save, "save", true},
             {call_export, "export", true},
             {call_load, "load", true}, {call_reset, "reset", true}};

static uint64_t scene_hash(const struct scene *s, bool compiled) { return network_hash(s->model, compiled); }

/* Forks: -1 in the child; in the parent, which waits for it, its exit status, or 3 where a signal ended it. */
static int forked(void) {
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) return -1;
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? 3 : WEXITSTATUS(status);
}

/* One process for each n. 0: the call got by; 1: failed as promised; 2: wrong; 3: the process ended; 4: the call did
 * without what it was refused. */
static int attempt(int number, long n) {
    const int ended = forked();
    if (ended >= 0) return ended;
    alarm(20);
    check_failures = 0;
    struct scene s = {.model = network_image(1), .data = network_data(12 * 12 * 2)};
    const bool compiled = calls[number].compiled;
    snprintf(s.path, sizeof s.path, "model-%ld", (long)getpid());
    CHECK_OK(martlet_training_init(&s.training, sizeof s.training, MARTLET_LOSS_CROSS_ENTROPY));
    if (compiled) CHECK_OK(call_compile(&s));
    if (compiled) CHECK_OK(call_save(&s));
    const uint64_t before = scene_hash(&s, compiled);
    malloc_count_start(n, LARGE);
    const martlet_status status = calls[number].call(&s);
    const long seen = malloc_count_stop();
    unlink(s.path);
    if (status == MARTLET_OK) _exit(check_failures != 0 ? 2 : seen < n ? 0 : 4);
    CHECK_STATUS(status, MARTLET_ERROR_MEMORY);
    CHECK(strlen(martlet_last_error()) > 0 && s.made == NULL);
    CHECK_SAYING(scene_hash(&s, compiled) == before, "%s, allocation %ld: the model was changed", calls[number].name, n);
    if (calls[number].call == call_load) CHECK_OK(call_save(&s));
    CHECK_OK(calls[number].call(&s));
    unlink(s.path);
    _exit(check_failures != 0 ? 2 : 1);
}

static void injections(void) {
    long total = 0;
    for (int k = 0; k < LENGTH(calls); k++) {
        int verdict = 1;
        long n = 1;
        for (; n < 200 && (verdict = attempt(k, n)) != 0; n++)
            CHECK_SAYING(verdict == 1, "%s: allocation %ld of %d bytes or more %s", calls[k].name, n, LARGE,
                         verdict == 3 ? "ends the process" : verdict == 4 ? "is answered with OK" : "is answered wrongly");
        CHECK_SAYING(n < 200, "%s never got by", calls[k].name);
        total += n - 1;
    }
    printf("%ld large allocations failed one by one in %d calls\n", total, LENGTH(calls));
}

/* ---- no more addresses ---- */

#define WIDE 250
#define PLANNED 4000 /* samples of a batch that memory is planned for: several MB, which are mapped */
#define LARGER 16000

static martlet_model *wide;
static float wide_x[LARGER * WIDE], wide_y[LARGER * WIDE];

/* From here on the process gets so many bytes of addresses more, at most. */
static void limit_to(long more) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    REQUIRE(file != NULL && fscanf(file, "%ld", &pages) == 1 && fclose(file) == 0);
    struct rlimit room;
    REQUIRE(getrlimit(RLIMIT_AS, &room) == 0);
    room.rlim_cur = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + more);
    REQUIRE(setrlimit(RLIMIT_AS, &room) == 0);
}

/* train, evaluate or predict, with so many samples in the batch. */
static martlet_status wide_call(int way, int64_t samples) {
    static float out[LARGER * WIDE];
    const martlet_array x = check_array(wide_x, samples * WIDE, MARTLET_FP32), y = check_array(wide_y, samples * WIDE, MARTLET_FP32);
    martlet_loop loop;
    REQUIRE(martlet_loop_init(&loop, sizeof loop) == MARTLET_OK);
    loop.batch_size = samples;
    return way == 0   ? martlet_model_train(wide, NULL, &x, &y, NULL, 0)
           : way == 1 ? martlet_model_evaluate(wide, NULL, &x, &y, &loop)
                      : martlet_model_predict(wide, out, samples * WIDE, &x, &loop);
}

/* Inside a fit that validates: no addresses are left, a larger prediction fails, and a thread count is set that would need
 * more scratch. What the fit needs it has. */
static int32_t exhaust(void *user, const martlet_progress *progress) {
    int *batches = user;
    CHECK(progress->samples > 0);
    if ((*batches)++ > 0) return 0;
    limit_to(0);
    CHECK_STATUS(wide_call(2, LARGER), MARTLET_ERROR_MEMORY);
    CHECK_OK(martlet_threads_set(1000));
    return 0;
}

static int exhausted_fit(void) {
    const martlet_array x = check_array(wide_x, PLANNED * WIDE, MARTLET_FP32), y = check_array(wide_y, PLANNED * WIDE, MARTLET_FP32);
    martlet_loop loop;
    int batches = 0;
    int64_t steps = 0;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = 2, loop.batch_size = PLANNED / 2, loop.progress = exhaust, loop.user = &batches;
    loop.validation_x = &x, loop.validation_y = &y;
    CHECK_OK(martlet_model_fit(wide, NULL, &x, &y, &loop));
    CHECK_OK(martlet_model_step_get(wide, &steps));
    CHECK(batches == 4 && steps == 4);
    return 0;
}

/* 0: the larger batch got by; 1: it was refused, and the call that worked before works again. */
static int exhausted_call(int way, long more) {
    CHECK_OK(wide_call(way, PLANNED));
    limit_to(more);
    const martlet_status status = wide_call(way, LARGER);
    if (status == MARTLET_OK) return 0;
    CHECK_STATUS(status, MARTLET_ERROR_MEMORY);
    limit_to(0);
    CHECK_OK(wide_call(way, PLANNED));
    return 1;
}

/* One of the two in a process of its own. */
static int exhausted(int way, long more) {
    const int ended = forked();
    if (ended >= 0) return ended;
    martlet_training training;
    check_failures = 0;
    alarm(20);
    CHECK_OK(martlet_threads_set(1));
    CHECK_OK(martlet_model_create(&wide, (int64_t[]){WIDE}, 1, 0));
    network_add(wide, MARTLET_LAYER_DENSE, WIDE, MARTLET_ACTIVATION_TANH);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    training.batch_size = PLANNED;
    CHECK_OK(martlet_model_compile(wide, &training, NULL));
    void *volatile memory = malloc(100000); /* small things need no addresses after this */
    free(memory);
    const int verdict = more < 0 ? exhausted_fit() : exhausted_call(way, more);
    _exit(check_failures != 0 ? 2 : verdict);
}

static void no_addresses(void) {
    static const char *const names[] = {"train", "evaluate", "predict"};
    CHECK(exhausted(0, -1) == 0);
    for (int way = 0; way < LENGTH(names); way++) {
        int refused = 0, verdict = 1;
        for (long more = 0; verdict == 1 && more < 256l << 20; more += 12l << 20, refused++) {
            verdict = exhausted(way, more);
            CHECK_SAYING(verdict <= 1, "%s with %ld MB: %s", names[way], more >> 20, verdict == 3 ? "the process ended" : "answered wrongly");
        }
        CHECK_SAYING(verdict == 0 && refused >= 3, "%s was refused %d times", names[way], refused);
    }
}

int main(void) {
    if (!malloc_count_works()) return 1;
    alarm(110);
    malloc_count_start(0, 0);
    void *volatile memory = malloc(10);
    free(memory);
    CHECK(malloc_count_stop() == 1);
    no_addresses();
    injections(); /* first: this process has not called the library yet, nor does it before the forks */
    for (int32_t threads = 1; threads <= 2; threads++) {
        for (enum form form = 0; form < FORMS; form++) quiet(threads, form);
    }
    return check_end();
}
