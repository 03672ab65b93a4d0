/*
 * How much stack a call takes: every kind of work on every instruction set, errors too, as a process's first calls and
 * as later ones, on a thread of as much stack as martlet.h says that one needs, painted before. No more than half of it
 * may be touched: the other half is for the caller, for signals, and for other C libraries.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "checkpoint.h"
#include "network.h"

#define STATED (64 * 1024) /* "Stack" in section 1 of martlet.h */
#define PAINT 0xA5

/* ---- what is done ---- */

static struct network_data *data;

static void steps(void) {
    static _Alignas(8) unsigned char memory[4][6][8 * 600];
    static float grad[600];
    static int64_t step[6];
    static const int32_t types[] = {MARTLET_FP32, MARTLET_FP64, MARTLET_BF16, MARTLET_FP16};
    const int64_t sizes[] = {3, 200}, strides[] = {1, 3};
    martlet_config configs[2] = {check_config(MARTLET_ADAM), check_config(MARTLET_ADAMW)};
    martlet_parameter parameters[6] = {{.group = 0}};
    martlet_array states[6][3];
    configs[0].flags = configs[1].flags = MARTLET_AMSGRAD;
    for (int k = 0; k < 6; k++) {
        for (int a = 0; a < 3; a++) states[k][a] = check_array(memory[a][k], 600, types[(k + a) % 4]);
        parameters[k].value = check_array(memory[3][k], 600, types[k % 4]);
        parameters[k].grad = check_array(grad, 600, MARTLET_FP32);
        if (k % 2 == 1) parameters[k].value.rank = 2, parameters[k].value.sizes = sizes, parameters[k].value.strides = strides;
        parameters[k].state = states[k], parameters[k].state_count = 3;
        parameters[k].step = &step[k], parameters[k].group = k % 2;
    }
    CHECK_OK(martlet_step(NULL, parameters, 6, configs, 2));
    parameters[5].grad.count = 7;
    CHECK_STATUS(martlet_step(NULL, parameters, 6, configs, 2), MARTLET_ERROR_SHAPE);
}

static void one_array(void) {
    static float value[100000], grad[100000], state[200000];
    int64_t step = 0;
    CHECK_OK(martlet_array_step(value, grad, state, 100000, &step, NULL));
    CHECK_STATUS(martlet_array_step(value, grad, state, -1, &step, NULL), MARTLET_ERROR_SHAPE);
}

static void optimizer(void) {
    martlet_optimizer *made = checkpoint_create(), *copy = NULL;
    checkpoint_train(made, 2);
    CHECK_OK(martlet_optimizer_clone(made, &copy));
    CHECK_OK(martlet_optimizer_save(made, "state"));
    CHECK_OK(martlet_optimizer_load(copy, "state"));
    CHECK_STATUS(martlet_optimizer_load(copy, "missing"), MARTLET_ERROR_FILE);
    checkpoint_write("wrong", "\10\0\0\0\0\0\0\0{\"a\":{}}", 16);
    CHECK_STATUS(martlet_optimizer_load(copy, "wrong"), MARTLET_ERROR_FORMAT);
    CHECK_STATUS(martlet_optimizer_save(made, "missing/file"), MARTLET_ERROR_FILE);
    CHECK_STATUS(martlet_optimizer_set(made, 0, MARTLET_LR, -1), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_optimizer_destroy(made));
    CHECK_OK(martlet_optimizer_destroy(copy));
    CHECK_STATUS(martlet_optimizer_reset(made), MARTLET_ERROR_HANDLE);
}

/* Every algorithm over matrices and vectors whose first dimension is the nearest, of each type. */
static void family(void) {
    static _Alignas(8) unsigned char memory[4][8 * 3300];
    static float grad[4][3300];
    static const int32_t types[] = {MARTLET_FP32, MARTLET_FP64, MARTLET_BF16, MARTLET_FP16};
    static const int64_t sizes[4][3] = {{3, 1100, 1}, {24, 30, 1}, {40, 3, 3}, {1200, 1, 1}};
    static const int64_t strides[4][3] = {{1, 3, 3300}, {1, 24, 720}, {1, 40, 120}, {2, 1, 1}};
    static const int32_t ranks[] = {2, 2, 3, 1};
    for (int32_t algorithm = 1; martlet_algorithm_name(algorithm) != NULL; algorithm++)
        for (int turn = 0; turn < LENGTH(types); turn++) {
            martlet_config config = check_config(algorithm);
            if (turn % 2 == 1) {
                config.flags |= martlet_algorithm_flags(algorithm) & (MARTLET_NORMUON | MARTLET_HYPERBALL);
                if (config.flags & MARTLET_HYPERBALL) config.weight_decay = 0;
                config.lookahead_steps = 1;
                config.max_norm = 1, config.accumulate = algorithm % 3 ? 0 : 2;
                config.flags |= MARTLET_SKIP_NONFINITE | MARTLET_ZERO_GRADS | MARTLET_MEASURE_UPDATE;
                config.flags |= turn == 1 ? MARTLET_KAHAN : MARTLET_STOCHASTIC_ROUNDING;
            }
            martlet_optimizer *made = NULL;
            martlet_array grads[4];
            CHECK_OK(martlet_optimizer_create(&made, &config));
            for (int k = 0; k < 4; k++) {
                const int64_t count = sizes[k][0] * sizes[k][1] * sizes[k][2];
                martlet_parameter lent = {.value = check_array(memory[k], count, types[(k + turn) % 4])};
                lent.value.rank = ranks[k] > 1 || check_takes_vectors(&config) ? ranks[k] : 2;
                lent.value.sizes = sizes[k], lent.value.strides = strides[k];
                CHECK_OK(martlet_optimizer_add(made, NULL, &lent));
                grads[k] = check_array(grad[k], count, MARTLET_FP32);
            }
            CHECK_OK(martlet_optimizer_step(made, NULL, grads, 4));
            CHECK_OK(martlet_optimizer_destroy(made));
        }
}

static int32_t progress(void *user, const martlet_progress *progress) {
    (void)progress;
    network_output(user, data);
    return 0;
}

static void train(martlet_model *model) {
    martlet_model *loaded = NULL;
    martlet_loop loop;
    martlet_result result;
    network_compile(model, 16);
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.validation_x = &data->x, loop.validation_y = &data->y;
    loop.progress = progress, loop.user = model;
    CHECK_OK(martlet_model_fit(model, &result, &data->x, &data->y, &loop));
    CHECK_OK(martlet_model_train(model, &result, &data->x, &data->y, NULL, 0));
    CHECK_OK(martlet_model_evaluate(model, &result, &data->x, &data->y, NULL));
    CHECK_OK(martlet_model_save(model, "model"));
    CHECK_OK(martlet_model_export(model, "model.c"));
    CHECK_OK(martlet_model_load(&loaded, "model"));
    CHECK(network_output(loaded, data) == network_output(model, data));
    CHECK_STATUS(martlet_model_load(&loaded, "missing"), MARTLET_ERROR_FILE);
    data->labels[NETWORK_SAMPLES - 1] = NETWORK_CLASSES;
    CHECK_STATUS(martlet_model_fit(model, &result, &data->x, &data->y, &loop), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_reset(model));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
}

static void dense(void) {
    data = network_data(8);
    train(network_dense(8, 300, 1));
    network_data_free(data);
}

static void images(void) {
    data = network_data(NETWORK_PIXELS(NETWORK_SHARED_SIDE));
    train(network_image_of(NETWORK_SHARED_SIDE, 1));
    network_data_free(data);
}

/* As many names, dimensions and layers as nothing may grow deeper with. */
static void many(void) {
    static float values[1000];
    martlet_optimizer *made = NULL;
    martlet_model *model = NULL, *loaded = NULL;
    int64_t sizes[64], strides[64];
    for (int k = 0; k < 64; k++) sizes[k] = strides[k] = 1;
    const martlet_config config = check_config(MARTLET_ADAM);
    CHECK_OK(martlet_optimizer_create(&made, &config));
    for (int k = 0; k < LENGTH(values); k++) {
        martlet_parameter parameter = {.value = check_array(&values[k], 1, MARTLET_FP32)};
        parameter.value.rank = 64, parameter.value.sizes = sizes, parameter.value.strides = strides;
        CHECK_OK(martlet_optimizer_add(made, NULL, &parameter));
    }
    CHECK_OK(martlet_optimizer_save(made, "many"));
    CHECK_OK(martlet_optimizer_load(made, "many"));
    CHECK_OK(martlet_optimizer_destroy(made));
    CHECK_OK(martlet_model_create(&model, (int64_t[]){2}, 1, 1));
    for (int k = 0; k < 1023; k++) network_add(model, MARTLET_LAYER_DENSE, 2, MARTLET_ACTIVATION_RELU);
    network_compile(model, 4);
    CHECK_OK(martlet_model_save(model, "deep"));
    CHECK_OK(martlet_model_export(model, "deep.c"));
    CHECK_OK(martlet_model_load(&loaded, "deep"));
    const martlet_array x = check_array(values, 8, MARTLET_FP32);
    CHECK_OK(martlet_model_train(loaded, NULL, &x, &x, NULL, 0));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
}

static void product(void) {
    static float out[200 * 300], left[200 * 100], right[100 * 300];
    CHECK_OK(martlet_matmul(out, left, right, 200, 100, 300, 0));
    CHECK_OK(martlet_matmul(out, left, right, 200, 100, 300, MARTLET_TRANSPOSE_LEFT | MARTLET_TRANSPOSE_RIGHT));
    CHECK_STATUS(martlet_matmul(out, out, right, 200, 100, 300, 0), MARTLET_ERROR_OVERLAP);
}

static const struct work {
    const char *name;
    void (*run)(void);
} works[] = {{"steps", steps}, {"one array", one_array}, {"optimizer", optimizer}, {"family", family}, {"dense", dense}, {"images", images}, {"product", product}, {"many", many}};

/* ---- on what stack ---- */

static void *twice(void *work) {
    for (int k = 0; k < 2; k++) ((const struct work *)work)->run();
    return NULL;
}

/* Bytes of stack that the work touched, thread-local memory of the C library included. */
static long depth(const struct work *work) {
    const size_t size = STATED, page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *guard = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *stack = guard + page;
    pthread_attr_t attributes;
    pthread_t thread;
    REQUIRE(guard != MAP_FAILED && mprotect(guard, page, PROT_NONE) == 0);
    memset(stack, PAINT, size);
    REQUIRE(pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, stack, size) == 0);
    REQUIRE(pthread_create(&thread, &attributes, twice, (void *)(uintptr_t)work) == 0 && pthread_join(thread, NULL) == 0);
    size_t first = 0;
    while (first < size && stack[first] == PAINT) first++;
    return (long)(size - first);
}

int main(void) {
    alarm(110);
    martlet_machine machine = {0};
    long deepest = 0;
    REQUIRE(martlet_machine_get(&machine, sizeof machine) == MARTLET_OK);
    for (int32_t isa = MARTLET_ISA_BASELINE; isa <= machine.isa_best; isa++)
        for (int k = 0; k < LENGTH(works); k++) {
            int ends[2];
            REQUIRE(pipe(ends) == 0);
            fflush(NULL);
            const pid_t child = fork(); /* whose calls are its first */
            REQUIRE(child >= 0);
            if (child == 0) {
                check_failures = 0;
                CHECK_OK(martlet_isa_set(isa));
                const long bytes = depth(&works[k]);
                _exit(check_failures != 0 || write(ends[1], &bytes, sizeof bytes) != sizeof bytes);
            }
            int status = 0;
            long bytes = 0;
            REQUIRE(waitpid(child, &status, 0) == child);
            CHECK(status == 0 && read(ends[0], &bytes, sizeof bytes) == sizeof bytes);
            CHECK_SAYING(bytes <= STATED / 2, "isa %d, %s: %ld bytes of stack", isa, works[k].name, bytes);
            if (bytes > deepest) deepest = bytes;
            close(ends[0]), close(ends[1]);
        }
    printf("%ld bytes of stack at most, of the %d stated; ", deepest, STATED);
    return check_end();
}
