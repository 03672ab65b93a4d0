/*
 * A model of the library trained by several processes: each has its part of every batch, martlet_model_differentiate leaves
 * the part's gradients in one flat buffer, MPI adds these up there, and martlet_model_step takes the step that one process
 * would take on the whole batch. Process 0 saves the model, compares it with one that it trains by itself, and fails where
 * the two are not within rounding.
 *
 * What is the same to the bit: all processes' parameters, at any time, and one process's with and without MPI. What is not:
 * sums of the parts, which round where they are cut.
 *
 * What MPI does not see stays a process's own. Batch normalization takes means and variances of a process's part alone, so
 * that such a model is not one process's; its moving ones are to be averaged before the model is saved: MPI_Allreduce over
 * MARTLET_BUFFER_STATISTICS, divided by the number of processes. Dropout draws by the model's seed, the step and the place in
 * the batch: with one seed the same places in each part.
 *
 *     mpicc mpi_model.c -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -lm -o mpi_model
 *     mpirun -n 2 ./mpi_model
 */
#include <martlet.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES 1797
#define TESTS ((IMAGES + 4) / 5) /* every fifth, kept behind the others */
#define TRAINS (IMAGES - TESTS)
#define PIXELS 64
#define CLASSES 10
#define BATCH 100
#define EPOCHS 15
#define STEPS (EPOCHS * TRAINS / BATCH)

static float pixels[IMAGES][PIXELS];
static int32_t digits[IMAGES];

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
    if (file == NULL) fail("digits.csv cannot be read: it lies beside mpi_model.c, or say where as the first argument");
    char line[512];
    for (int i = 0; i < IMAGES;) {
        if (fgets(line, sizeof line, file) == NULL) fail("digits.csv has too few lines");
        if (line[0] == '#') continue;
        const int place = i % 5 == 0 ? TRAINS + i / 5 : i - i / 5 - 1;
        char *at = line;
        for (int k = 0; k < PIXELS; k++, at++) pixels[place][k] = strtof(at, &at) / 16;
        digits[place] = atoi(at);
        i++;
    }
    fclose(file);
}

static martlet_array images_from(int first, int count) {
    martlet_array a = {0};
    a.data = pixels[first], a.count = (int64_t)count * PIXELS, a.dtype = MARTLET_FP32;
    return a;
}

static martlet_array digits_from(int first, int count) {
    martlet_array a = {0};
    a.data = digits + first, a.count = count, a.dtype = MARTLET_INT32;
    return a;
}

static void add_dense(martlet_model *model, int64_t units, int32_t activation) {
    martlet_layer layer;
    check(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE));
    layer.units = units, layer.activation = activation;
    check(martlet_model_add(model, &layer, NULL, 0, NULL));
}

/* The same seed gives every process the same start. Machines of different instruction sets may round initial values
 * differently, so they are sent to all. */
static martlet_model *make_network(MPI_Comm all) {
    martlet_model *model;
    martlet_training how;
    martlet_config adam;
    float *values;
    int64_t count;
    const int64_t sizes[] = {PIXELS};
    check(martlet_model_create(&model, sizes, 1, 2026));
    add_dense(model, 48, MARTLET_ACTIVATION_TANH); /* smooth: rounding cannot flip it, as it can a ReLU at 0 */
    add_dense(model, CLASSES, MARTLET_ACTIVATION_LINEAR);
    check(martlet_training_init(&how, sizeof how, MARTLET_LOSS_CROSS_ENTROPY));
    how.metrics = 1u << MARTLET_METRIC_ACCURACY, how.batch_size = BATCH;
    check(martlet_config_init(&adam, sizeof adam, MARTLET_ADAM));
    adam.lr = 0.005;
    adam.eps = 1e-6;   /* more than rounding leaves of a sum that is 0: Adam would make a step of that */
    adam.max_norm = 5; /* each process clips by the norm of the sum, which all have */
    check(martlet_model_compile(model, &how, &adam));
    check(martlet_model_buffer_get(model, &values, &count, MARTLET_BUFFER_PARAMETERS));
    MPI_Bcast(values, (int)count, MPI_FLOAT, 0, all);
    return model;
}

/* One step on images first to first + BATCH, of which this process has a part; returns the batch's mean loss. */
static double train_on(martlet_model *model, MPI_Comm all, int first) {
    int rank, size;
    int64_t count, rows[BATCH];
    float *gradients;
    martlet_result result;
    MPI_Comm_rank(all, &rank);
    MPI_Comm_size(all, &size);
    const int begin = BATCH * rank / size, samples = BATCH * (rank + 1) / size - begin;
    for (int k = 0; k < samples; k++) rows[k] = (first + begin + k) % TRAINS;
    const martlet_array x = images_from(0, TRAINS), y = digits_from(0, TRAINS);
    check(martlet_result_init(&result, sizeof result));
    check(martlet_model_differentiate(model, &result, &x, &y, rows, samples));
    check(martlet_model_buffer_get(model, &gradients, &count, MARTLET_BUFFER_GRADIENTS));
    /* The gradient is that of the part's mean, which counts by how much of the batch the part is. */
    for (int64_t k = 0; k < count; k++) gradients[k] *= (float)samples / BATCH;
    MPI_Allreduce(MPI_IN_PLACE, gradients, (int)count, MPI_FLOAT, MPI_SUM, all);
    check(martlet_model_step(model));
    double loss = result.loss * samples / BATCH;
    MPI_Allreduce(MPI_IN_PLACE, &loss, 1, MPI_DOUBLE, MPI_SUM, all);
    return loss;
}

static martlet_model *train(MPI_Comm all, double *loss) {
    martlet_model *model = make_network(all);
    for (int step = 0; step < STEPS; step++) *loss = train_on(model, all, step * BATCH);
    return model;
}

/* The largest difference between two models' parameters. */
static double apart(martlet_model *one, martlet_model *other) {
    float *a, *b;
    int64_t count;
    double largest = 0;
    check(martlet_model_buffer_get(one, &a, &count, MARTLET_BUFFER_PARAMETERS));
    check(martlet_model_buffer_get(other, &b, NULL, MARTLET_BUFFER_PARAMETERS));
    for (int64_t k = 0; k < count; k++) largest = fmax(largest, fabs((double)a[k] - (double)b[k]));
    return largest;
}

/* MPI asks that a sum has the same bits in every process, without demanding it; a program that must know looks. */
static void check_alike(martlet_model *model) {
    float *values;
    int64_t count;
    check(martlet_model_buffer_get(model, &values, &count, MARTLET_BUFFER_PARAMETERS));
    float *first = malloc((size_t)count * sizeof *first);
    if (first == NULL) fail("there is no memory");
    memcpy(first, values, (size_t)count * sizeof *first);
    MPI_Bcast(first, (int)count, MPI_FLOAT, 0, MPI_COMM_WORLD);
    if (memcmp(first, values, (size_t)count * sizeof *first) != 0) fail("the parameters are not those of process 0");
    free(first);
}

int main(int argc, char **argv) {
    int rank, size;
    double loss = 0, ignored;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size > BATCH) fail("there are more processes than samples in a batch");
    read_images(argc > 1 ? argv[1] : "digits.csv");
    martlet_model *model = train(MPI_COMM_WORLD, &loss);
    check_alike(model);
    if (rank == 0) {
        martlet_result result;
        const martlet_array x = images_from(TRAINS, TESTS), y = digits_from(TRAINS, TESTS);
        check(martlet_model_save(model, "mpi_model.safetensors"));
        check(martlet_result_init(&result, sizeof result));
        check(martlet_model_evaluate(model, &result, &x, &y, NULL));
        martlet_model *alone = train(MPI_COMM_SELF, &ignored);
        const double difference = apart(model, alone);
        printf("%d processes: loss %.4f, %.1f%% of the test images are read right; one process with the whole batches ends %g "
               "from there\n", size, loss, 100 * result.metrics[MARTLET_METRIC_ACCURACY], difference);
        if (result.metrics[MARTLET_METRIC_ACCURACY] < 0.9 || !(difference <= (size == 1 ? 0 : 2e-5))) fail("that is not the same training");
        check(martlet_model_destroy(alone));
    }
    check(martlet_model_destroy(model));
    MPI_Finalize();
    return 0;
}
