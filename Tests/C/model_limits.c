/*
 * Models at the edge of what can be: sizes no machine has memory for, more classes than labels can name, windows and
 * strides far larger than their images, and outputs times taps past 64 bits. Each is refused or served, and none ends
 * the process or goes on for ever.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "network.h"

/* More than a machine has: refused, and the model goes on as it was. */
static void huge(void) {
    static const int64_t inputs[] = {784, 1 << 20, (int64_t)1 << 30, (int64_t)1 << 40};
    static const int64_t units[] = {1 << 24, 1 << 28, 1 << 30};
    int refused = 0;
    for (int k = 0; k < LENGTH(inputs); k++)
        for (int u = 0; u < LENGTH(units); u++) {
            martlet_model *model = NULL;
            int64_t count = 0;
            CHECK_OK(martlet_model_create(&model, &inputs[k], 1, 0));
            const martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, units[u], MARTLET_ACTIVATION_LINEAR);
            const martlet_status added = martlet_model_add(model, &layer, NULL, 0, NULL);
            CHECK(added == MARTLET_OK || added == MARTLET_ERROR_SHAPE || added == MARTLET_ERROR_MEMORY);
            if (added == MARTLET_OK) {
                martlet_training training;
                CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
                CHECK_STATUS(martlet_model_compile(model, &training, NULL), MARTLET_ERROR_MEMORY);
                CHECK_STATUS(martlet_model_buffer_get(model, NULL, NULL, MARTLET_BUFFER_PARAMETERS), MARTLET_ERROR_MEMORY);
                CHECK_STATUS(martlet_model_save(model, "huge.safetensors"), MARTLET_ERROR_MEMORY);
                CHECK_STATUS(martlet_model_step_get(model, &count), MARTLET_ERROR_ORDER);
            }
            refused += added != MARTLET_OK;
            CHECK_OK(martlet_model_node_count(model, &count));
            CHECK(count == 1 + (added == MARTLET_OK));
            CHECK_OK(martlet_model_destroy(model));
        }
    CHECK(refused > 0);
}

static martlet_model *huge_windows(int64_t side, int average) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (int64_t[]){side, side, 1}, 3, 0));
    martlet_layer layer = network_layer(average ? MARTLET_LAYER_AVERAGE_POOL2D : MARTLET_LAYER_MAX_POOL2D, 0, MARTLET_ACTIVATION_LINEAR);
    layer.kernel[0] = layer.kernel[1] = 1 << 20, layer.stride[0] = layer.stride[1] = 1;
    layer.padding = MARTLET_PADDING_SAME;
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    return model;
}

/* Windows far larger than their image see all of it wherever they stand, in no time. */
static void windows(void) {
    float x[8 * 8], out[8 * 8];
    double sum = 0, largest = -INFINITY;
    check_fill(x, LENGTH(x), 3);
    for (int k = 0; k < LENGTH(x); k++) sum += (double)x[k], largest = fmax(largest, (double)x[k]);
    const martlet_array image = check_array(x, LENGTH(x), MARTLET_FP32);
    for (int average = 0; average < 2; average++) {
        martlet_model *model = huge_windows(8, average);
        CHECK_OK(martlet_model_predict(model, out, LENGTH(out), &image, NULL));
        const double wanted = average ? sum / LENGTH(x) : largest;
        for (int k = 0; k < LENGTH(out); k++) CHECK_SAYING(fabs((double)out[k] - wanted) < 1e-5, "%g, wanted %g", (double)out[k], wanted);
        CHECK_OK(martlet_model_destroy(model));
    }
    /* Outputs times taps that no number holds: slow, and never the end of the process but by the alarm. */
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const int64_t side = 4096;
        float *large = calloc((size_t)(side * side), 2 * sizeof *large);
        const martlet_array samples = check_array(large, side * side, MARTLET_FP32);
        martlet_model *model = large == NULL ? NULL : huge_windows(side, 1);
        if (model == NULL) _exit(1);
        alarm(1);
        _exit(martlet_model_predict(model, large + side * side, side * side, &samples, NULL) != MARTLET_OK);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_SAYING(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM), "status %d", status);
    /* A max-pool keeps places in 32 bits. */
    for (int64_t channels = 1; channels <= 2; channels++) {
        martlet_model *model = NULL;
        const martlet_layer layer = network_layer(MARTLET_LAYER_MAX_POOL2D, 0, MARTLET_ACTIVATION_LINEAR);
        CHECK_OK(martlet_model_create(&model, (int64_t[]){1 << 16, 1 << 15, channels}, 3, 0));
        CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), channels == 1 ? MARTLET_OK : MARTLET_ERROR_SHAPE);
        CHECK_OK(martlet_model_destroy(model));
    }
}

/* One label of 64 bits for more classes than labels of 32 bits can name. Takes addresses, and hardly any memory. */
static void classes(void) {
    const int64_t count = ((int64_t)1 << 31) + 64;
    int64_t label = ((int64_t)1 << 31) + 5;
    martlet_model *model = NULL;
    martlet_training training;
    float *samples = mmap(NULL, (size_t)count * sizeof *samples, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK_OK(martlet_model_create(&model, &count, 1, 0));
    network_add(model, MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    training.batch_size = 1;
    const martlet_status compiled = martlet_model_compile(model, &training, NULL);
    if (samples == MAP_FAILED || compiled == MARTLET_ERROR_MEMORY) {
        printf("no room for 2^31 classes; ");
    } else {
        CHECK_STATUS(compiled, MARTLET_OK);
        const martlet_array x = check_array(samples, count, MARTLET_FP32), y = check_array(&label, 1, MARTLET_INT64);
        CHECK_STATUS(martlet_model_train(model, NULL, &x, &y, NULL, 0), MARTLET_ERROR_UNSUPPORTED);
        CHECK_STATUS(martlet_model_fit(model, NULL, &x, &y, NULL), MARTLET_ERROR_UNSUPPORTED);
        CHECK_STATUS(martlet_model_evaluate(model, NULL, &x, &y, NULL), MARTLET_ERROR_UNSUPPORTED);
    }
    if (samples != MAP_FAILED) munmap(samples, (size_t)count * sizeof *samples);
    CHECK_OK(martlet_model_destroy(model));
}

/* A kernel and a stride far larger than the image: the image's gradient, which has a walk for each of 65,536 phases, asks
 * of each which of a million taps reach it. Batch normalisation before makes that gradient wanted. */
static void strides(void) {
    const int64_t side = 256;
    martlet_model *model = NULL;
    martlet_training training;
    float *x = calloc((size_t)(side * side), sizeof *x), *gradients = NULL, y = 1;
    REQUIRE(x != NULL);
    check_fill(x, side * side, 3);
    CHECK_OK(martlet_model_create(&model, (int64_t[]){side, side, 1}, 3, 0));
    network_add(model, MARTLET_LAYER_BATCH_NORM, 0, MARTLET_ACTIVATION_LINEAR);
    martlet_layer layer = network_layer(MARTLET_LAYER_CONV2D, 1, MARTLET_ACTIVATION_LINEAR);
    layer.kernel[0] = 1 << 20, layer.kernel[1] = 1, layer.stride[0] = layer.stride[1] = side;
    layer.padding = MARTLET_PADDING_SAME;
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    training.batch_size = 1;
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    const martlet_array samples = check_array(x, side * side, MARTLET_FP32), targets = check_array(&y, 1, MARTLET_FP32);
    CHECK_OK(martlet_model_train(model, NULL, &samples, &targets, NULL, 0));
    CHECK_OK(martlet_model_buffer_get(model, &gradients, NULL, MARTLET_BUFFER_GRADIENTS));
    CHECK(gradients[0] != 0); /* of the scale: what the image's gradient comes to */
    CHECK_OK(martlet_model_destroy(model));
    free(x);
}

int main(void) {
    alarm(110);
    classes();
    strides();
    const struct rlimit room = {(rlim_t)4 << 30, (rlim_t)4 << 30}; /* what is out of proportion fails */
    REQUIRE(setrlimit(RLIMIT_AS, &room) == 0);
    huge();
    windows();
    return check_end();
}
