/*
 * Early stopping: a network that is too large for twenty noisy points of a curve is stopped where it begins to learn the
 * noise. At the end of each epoch the progress function predicts points that were kept back; where they are met
 * better than ever it saves the model, and where they have not been for PATIENCE epochs it ends the fit.
 *
 *     cc stopping.c -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -lm -o stopping && ./stopping
 */
#include <martlet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define POINTS 20
#define PATIENCE 100
#define BEST "best.safetensors"

struct points {
    float x[POINTS], y[POINTS];
};

/* What the progress function is told through `user`, and what it remembers. */
struct watch {
    martlet_model *model;
    const struct points *kept_back;
    double best;
    int32_t best_epoch, last_epoch;
};

static void check(martlet_status status) {
    if (status == MARTLET_OK) return;
    fprintf(stderr, "%s\n", martlet_last_error());
    exit(1);
}

/* Points about sin(x), with noise from a little generator of our own. */
static void make_points(struct points *points, double offset, unsigned seed) {
    for (int i = 0; i < POINTS; i++) {
        double noise = 0;
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            noise += (seed >> 8) / 16777216.0 - 0.5;
        }
        points->x[i] = (float)(-3 + 6 * (i + offset) / POINTS);
        points->y[i] = (float)(sin((double)points->x[i]) + 0.6 * noise);
    }
}

static martlet_array array_of(const float *values) {
    martlet_array array = {0};
    array.data = (void *)(uintptr_t)values;
    array.count = POINTS;
    array.dtype = MARTLET_FP32;
    return array;
}

/* Mean squared error on points that the model is not trained on. */
static double error_on(martlet_model *model, const struct points *points) {
    float out[POINTS];
    const martlet_array x = array_of(points->x);
    double sum = 0;
    check(martlet_model_predict(model, out, POINTS, &x, NULL));
    for (int i = 0; i < POINTS; i++) sum += pow((double)out[i] - (double)points->y[i], 2);
    return sum / POINTS;
}

/* Called after each batch. What it may do with the model is to look at it, predict and save. */
static int32_t watch_error(void *user, const martlet_progress *progress) {
    struct watch *watch = user;
    if (progress->batch < progress->batches) return 0;
    const double error = error_on(watch->model, watch->kept_back);
    watch->last_epoch = progress->epoch + 1;
    if (watch->last_epoch % 25 == 1)
        printf("    epoch %3d   error %.4f, on points kept back %.4f\n", watch->last_epoch, progress->loss, error);
    if (error < watch->best) {
        watch->best = error;
        watch->best_epoch = watch->last_epoch;
        check(martlet_model_save(watch->model, BEST));
    }
    return watch->last_epoch - watch->best_epoch >= PATIENCE; /* nonzero ends the fit */
}

static martlet_model *make_network(void) {
    martlet_model *model;
    martlet_layer layer;
    martlet_training how;
    const int64_t sizes[] = {1};
    check(martlet_model_create(&model, sizes, 1, 7));
    check(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE));
    layer.units = 64;
    layer.activation = MARTLET_ACTIVATION_TANH;
    check(martlet_model_add(model, &layer, NULL, 0, NULL));
    check(martlet_model_add(model, &layer, NULL, 0, NULL));
    layer.units = 1;
    layer.activation = MARTLET_ACTIVATION_LINEAR;
    check(martlet_model_add(model, &layer, NULL, 0, NULL));
    check(martlet_training_init(&how, sizeof how, MARTLET_LOSS_MSE));
    check(martlet_model_compile(model, &how, NULL));
    check(martlet_model_set(model, MARTLET_LR, 0.01));
    return model;
}

int main(void) {
    struct points training, kept_back;
    make_points(&training, 0.25, 1), make_points(&kept_back, 0.75, 2);
    martlet_model *model = make_network(), *best;
    struct watch watch = {model, &kept_back, INFINITY, 0, 0};
    const martlet_array x = array_of(training.x), y = array_of(training.y);
    martlet_loop loop;
    printf("martlet %s: a network of two layers of 64 on %d points\n\n", martlet_version_name(), POINTS);
    check(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = 4000;
    loop.progress = watch_error;
    loop.user = &watch;
    const martlet_status status = martlet_model_fit(model, NULL, &x, &y, &loop);
    if (status != MARTLET_STOPPED) check(status);
    check(martlet_model_load(&best, BEST));
    const double error = error_on(best, &kept_back);
    printf("\n    %s after epoch %d: the model of epoch %d is kept, whose error on points kept back is %.4f\n",
           status == MARTLET_STOPPED ? "stopped" : "done", watch.last_epoch, watch.best_epoch, error);
    check(martlet_model_destroy(model));
    check(martlet_model_destroy(best));
    return status == MARTLET_STOPPED && error <= watch.best ? 0 : 1;
}
