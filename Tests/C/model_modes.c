/*
 * The host's floating-point mode and models: unchanged by every call, whatever it was, and without effect on
 * initial values, training, scores, predictions, products and files. Four rounding directions, flushing on
 * and off, exceptions unmasked (a fault would end the program), and no exception flag left behind. The
 * progress function runs in the host's mode, not in ours. Which bits are right is not asked here.
 */
#include <fenv.h>

#include "network.h"

struct outcome {
    uint64_t start, numbers, output, product;
    martlet_result result, evaluated;
};

static uint64_t host_mode;
static int progress_calls;

static int32_t look(void *user, const martlet_progress *progress) {
    (void)user;
    CHECK_SAYING((check_mode_get() & ~(uint64_t)CHECK_MODE_STICKY) == (host_mode & ~(uint64_t)CHECK_MODE_STICKY),
                 "the progress function runs under %llx", (unsigned long long)check_mode_get());
    CHECK(progress->samples > 0);
    progress_calls++;
    return 0;
}

/* Makes, trains, scores, saves and loads a model, and multiplies. */
static void run(struct outcome *outcome, bool image) {
    static const int32_t initializers[] = {MARTLET_INITIALIZER_GLOROT_UNIFORM, MARTLET_INITIALIZER_HE_NORMAL, MARTLET_INITIALIZER_NORMAL};
    struct network_data *data = network_data(image ? NETWORK_PIXELS(NETWORK_SHARED_SIDE) : 8);
    martlet_model *model = image ? network_image_of(NETWORK_SHARED_SIDE, 5) : NULL, *loaded = NULL;
    martlet_training training;
    martlet_loop loop;
    float product[20];
    memset(outcome, 0, sizeof *outcome);
    if (!image) {
        CHECK_OK(martlet_model_create(&model, (int64_t[]){8}, 1, 5));
        for (int k = 0; k < LENGTH(initializers); k++) {
            martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, k == 2 ? NETWORK_CLASSES : 9, MARTLET_ACTIVATION_LEAKY_RELU);
            layer.kernel_initializer = initializers[k], layer.kernel_value = 0.3;
            CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
        }
    }
    outcome->start = network_hash(model, false);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    training.metrics = (1u << MARTLET_METRIC_ACCURACY) | (1u << MARTLET_METRIC_TOP_ACCURACY);
    training.top = 2, training.label_smoothing = 0.1, training.batch_size = 7;
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = 2, loop.progress = look, loop.validation_x = &data->x, loop.validation_y = &data->y;
    CHECK_OK(martlet_result_init(&outcome->result, sizeof outcome->result));
    CHECK_OK(martlet_result_init(&outcome->evaluated, sizeof outcome->evaluated));
    CHECK_OK(martlet_model_fit(model, &outcome->result, &data->x, &data->y, &loop));
    CHECK_OK(martlet_model_save(model, "modes.safetensors"));
    CHECK_OK(martlet_model_load(&loaded, "modes.safetensors"));
    CHECK(network_hash(model, false) == network_hash(loaded, false));
    CHECK_OK(martlet_model_evaluate(loaded, &outcome->evaluated, &data->x, &data->y, NULL));
    outcome->numbers = network_hash(model, true);
    outcome->output = network_output(loaded, data);
    CHECK_OK(martlet_matmul(product, data->inputs, data->inputs + 9, 4, 17, 5, 0));
    outcome->product = check_hash(0, product, sizeof product);
    CHECK_OK(martlet_model_reset(model));
    CHECK(network_hash(model, false) == outcome->start);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
    network_data_free(data);
}

static void under(const char *name, bool image, const struct outcome *wanted, uint64_t sticky) {
    struct outcome outcome;
    host_mode = check_mode_get();
    run(&outcome, image);
    const uint64_t after = check_mode_get();
    CHECK_SAYING(after == host_mode, "%s: control word %llx became %llx", name, (unsigned long long)host_mode, (unsigned long long)after);
    check_mode_set(CHECK_MODE_EXACT);
    CHECK_SAYING((after & CHECK_MODE_STICKY) == sticky, "%s: flags %llx left behind", name, (unsigned long long)(after & CHECK_MODE_STICKY));
    CHECK_SAYING(outcome.start == wanted->start, "%s: other initial values", name);
    CHECK_SAYING(outcome.numbers == wanted->numbers, "%s: other parameters", name);
    CHECK_SAYING(outcome.output == wanted->output, "%s: another prediction", name);
    CHECK_SAYING(outcome.product == wanted->product, "%s: another product", name);
    CHECK_SAYING(memcmp(&outcome.result, &wanted->result, sizeof outcome.result) == 0, "%s: another result of fit", name);
    CHECK_SAYING(memcmp(&outcome.evaluated, &wanted->evaluated, sizeof outcome.result) == 0, "%s: another result of evaluate", name);
    fesetenv(FE_DFL_ENV);
}

static void every_mode(bool image) {
    static const struct {
        int mode;
        const char *name;
    } roundings[] = {{FE_TONEAREST, "to nearest"}, {FE_UPWARD, "upward"}, {FE_DOWNWARD, "downward"}, {FE_TOWARDZERO, "to zero"}};
    struct outcome wanted;
    fesetenv(FE_DFL_ENV);
    host_mode = check_mode_get();
    run(&wanted, image);
    fesetenv(FE_DFL_ENV);
    under("default", image, &wanted, 0);
    for (int r = 0; r < LENGTH(roundings); r++)
        for (int flush = 0; flush < 2; flush++) {
            REQUIRE(fesetround(roundings[r].mode) == 0);
            if (flush) check_mode_set(check_mode_get() | CHECK_MODE_FLUSH);
            under(roundings[r].name, image, &wanted, 0);
        }
#if defined(__x86_64__)
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_ALL_EXCEPT);
    under("exceptions unmasked", image, &wanted, 0);
    for (int bit = 0; bit < 6; bit++) { /* a flag that the host had raised stays raised, alone */
        check_mode_set(CHECK_MODE_EXACT | 1u << bit);
        under("a sticky bit", image, &wanted, 1u << bit);
    }
#endif
}

int main(void) {
    alarm(110);
    for (int32_t threads = 1; threads <= 2; threads++) {
        CHECK_OK(martlet_threads_set(threads));
        every_mode(false);
        const double before = check_worker_seconds();
        every_mode(true);
        CHECK_SAYING(threads == 1 || check_worker_seconds() > before + 1e-4, "%d threads, and no worker worked", threads);
    }
    CHECK(progress_calls > 0);
    return check_end();
}
