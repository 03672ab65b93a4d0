/*
 * Data-parallel training with MPI: each process works out the gradient of its part of every batch, MPI adds the parts up,
 * and each takes the step. Three ways, over the digits of digits.csv and a classifier that is one flat array:
 *
 *     whole     every process has all moments; the step that follows is clipped by the norm of the sum
 *     shards    a process has the moments of its part of the array alone and steps that part, by an algorithm that sums
 *               over the array: MPI_Reduce_scatter, martlet_step_sharded, MPI_Allgatherv
 *     bf16      values and gradients are bf16, which MPI does not know: it adds them up in fp32
 *
 * Each ends where one process with the whole batch ends, within what rounding does: partial sums round where they are cut,
 * so only one process has one process's bits. Between the processes there is no difference at all, since all step by the
 * same sum, and a step has the same bits on every machine.
 *
 *     mpicc mpi_optimizer.c -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -lm -o mpi_optimizer
 *     mpirun -n 2 ./mpi_optimizer
 */
#include <martlet.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES 1797
#define PIXELS 64
#define CLASSES 10
#define COUNT ((PIXELS + 1) * CLASSES) /* a row of weights for each pixel, and one of biases */
#define BATCH 150
#define STEPS 120

enum way { WHOLE, SHARDS, BF16, WAYS };
static const char *const names[WAYS] = {"whole", "shards", "bf16"};
/* How far from one process's values, of which the largest is about 1, the end may be. */
static const double allowed[WAYS] = {2e-5, 2e-5, 5e-2};

static float pixels[IMAGES][PIXELS];
static int digits[IMAGES];

/* A process that cannot go on ends all: the others wait in a collective, where they would wait for ever. */
static void fail(const char *what) {
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fprintf(stderr, "process %d: %s\n", rank, what);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void check(martlet_status status) {
    if (status != MARTLET_OK) fail(martlet_last_error());
}

static void read_images(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) fail("digits.csv cannot be read: it lies beside mpi_optimizer.c, or say where as the first argument");
    char line[512];
    for (int i = 0; i < IMAGES;) {
        if (fgets(line, sizeof line, file) == NULL) fail("digits.csv has too few lines");
        if (line[0] == '#') continue;
        char *at = line;
        for (int k = 0; k < PIXELS; k++, at++) pixels[i][k] = strtof(at, &at) / 16;
        digits[i++] = atoi(at);
    }
    fclose(file);
}

/* Adds the gradient of images first to end to `grad`, each with its share of the batch's mean; returns their part of the
 * loss. */
static double differentiate(const float *value, float *grad, int first, int end) {
    double loss = 0, sums[COUNT] = {0};
    for (int i = first; i < end; i++) {
        const float *image = pixels[i % IMAGES];
        const int digit = digits[i % IMAGES];
        double chance[CLASSES], total = 0;
        for (int c = 0; c < CLASSES; c++) {
            chance[c] = value[PIXELS * CLASSES + c];
            for (int k = 0; k < PIXELS; k++) chance[c] += image[k] * value[k * CLASSES + c];
            total += chance[c] = exp(chance[c]);
        }
        loss -= log(chance[digit] / total) / BATCH;
        for (int c = 0; c < CLASSES; c++) {
            const double error = (chance[c] / total - (c == digit)) / BATCH;
            for (int k = 0; k < PIXELS; k++) sums[k * CLASSES + c] += error * image[k];
            sums[PIXELS * CLASSES + c] += error;
        }
    }
    for (int k = 0; k < COUNT; k++) grad[k] = (float)sums[k];
    return loss;
}

/* bf16 is the upper half of fp32: rounded to the nearest, ties to even. */
static uint16_t narrow(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static float widen(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* What martlet_step_sharded asks for in the middle of a step. */
static int32_t add_up(void *communicator, double *sums, int64_t count) {
    return MPI_Allreduce(MPI_IN_PLACE, sums, (int)count, MPI_DOUBLE, MPI_SUM, *(MPI_Comm *)communicator);
}

static martlet_array array(void *data, int64_t count, int32_t dtype) {
    martlet_array a = {0};
    a.data = data, a.count = count, a.dtype = dtype;
    return a;
}

/* What a process keeps, and where its part of the flat array lies. */
struct trainer {
    enum way way;
    MPI_Comm all;
    int rank, size, counts[64], starts[64];
    float value[COUNT], grad[COUNT], moments[2][COUNT];
    uint16_t halves[COUNT]; /* the values, where they are bf16 */
    int64_t step;
    martlet_config config;
};

static void begin(struct trainer *t, enum way way, MPI_Comm all) {
    memset(t, 0, sizeof *t);
    t->way = way, t->all = all;
    MPI_Comm_rank(all, &t->rank);
    MPI_Comm_size(all, &t->size);
    if (t->size > 64) fail("this example counts to 64 processes");
    for (int r = 0; r < t->size; r++) {
        t->starts[r] = COUNT * r / t->size;
        t->counts[r] = COUNT * (r + 1) / t->size - t->starts[r];
    }
    check(martlet_config_init(&t->config, sizeof t->config, way == SHARDS ? MARTLET_STABLE_ADAMW : MARTLET_ADAMW));
    t->config.lr = 0.01;
    t->config.eps = 1e-6; /* more than rounding leaves of a sum that is 0: Adam would make a step of that */
    t->config.max_norm = 0.5; /* of the whole gradient, in every way */
    if (way == BF16) t->config.flags |= MARTLET_STOCHASTIC_ROUNDING; /* a step's small change is not lost */
}

static void take_step(struct trainer *t) {
    const int is_part = t->way == SHARDS, first = is_part ? t->starts[t->rank] : 0, count = is_part ? t->counts[t->rank] : COUNT;
    void *value = t->way == BF16 ? (void *)t->halves : t->value + first;
    martlet_array state[] = {array(t->moments[0], count, MARTLET_FP32), array(t->moments[1], count, MARTLET_FP32)};
    martlet_parameter p = {0};
    p.value = array(value, count, t->way == BF16 ? MARTLET_BF16 : MARTLET_FP32);
    p.grad = array(t->grad + first, count, MARTLET_FP32);
    p.state = state, p.state_count = 2;
    p.step = &t->step;
    p.offset = (uint64_t)first;
    if (!is_part) {
        check(martlet_step(NULL, &p, 1, &t->config, 1));
        return;
    }
    check(martlet_step_sharded(NULL, &p, 1, &t->config, 1, add_up, &t->all));
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, t->value, t->counts, t->starts, MPI_FLOAT, t->all);
}

/* Trains with all processes of a communicator; with MPI_COMM_SELF this one has the whole batch. */
static double train(struct trainer *t, enum way way, MPI_Comm all) {
    double loss = 0;
    begin(t, way, all);
    for (int step = 0; step < STEPS; step++) {
        const int first = step * BATCH + BATCH * t->rank / t->size, end = step * BATCH + BATCH * (t->rank + 1) / t->size;
        loss = differentiate(t->value, t->grad, first, end);
        if (way == BF16)
            for (int k = 0; k < COUNT; k++) t->grad[k] = widen(narrow(t->grad[k]));
        if (way == SHARDS) { /* each needs the sum of its own part alone */
            float part[COUNT];
            MPI_Reduce_scatter(t->grad, part, t->counts, MPI_FLOAT, MPI_SUM, all);
            memcpy(t->grad + t->starts[t->rank], part, (size_t)t->counts[t->rank] * sizeof *part);
        } else {
            MPI_Allreduce(MPI_IN_PLACE, t->grad, COUNT, MPI_FLOAT, MPI_SUM, all);
        }
        take_step(t);
        if (way == BF16)
            for (int k = 0; k < COUNT; k++) t->value[k] = widen(t->halves[k]);
    }
    MPI_Allreduce(MPI_IN_PLACE, &loss, 1, MPI_DOUBLE, MPI_SUM, all);
    return loss;
}

/* MPI asks that a sum has the same bits in every process, without demanding it; a program that must know looks. */
static void check_alike(const struct trainer *t) {
    float first[COUNT];
    memcpy(first, t->value, sizeof first);
    MPI_Bcast(first, COUNT, MPI_FLOAT, 0, t->all);
    if (memcmp(first, t->value, sizeof first) != 0) fail("the values are not those of process 0");
}

int main(int argc, char **argv) {
    static struct trainer joint, alone;
    MPI_Init(&argc, &argv);
    read_images(argc > 1 ? argv[1] : "digits.csv");
    for (enum way way = 0; way < WAYS; way++) {
        const double loss = train(&joint, way, MPI_COMM_WORLD);
        check_alike(&joint);
        if (joint.rank == 0) {
            double apart = 0;
            train(&alone, way, MPI_COMM_SELF);
            for (int k = 0; k < COUNT; k++) apart = fmax(apart, fabs((double)joint.value[k] - (double)alone.value[k]));
            printf("%-6s  %d processes, loss %.4f; one process with the whole batch ends %g from there\n", names[way], joint.size,
                   loss, apart);
            if (!(loss < 0.5) || !(apart <= (joint.size == 1 ? 0 : allowed[way]))) fail("that is not the same training");
        }
    }
    MPI_Finalize();
    return 0;
}
