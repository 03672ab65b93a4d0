/*
 * A graph of two inputs, numbers and rows of a table, with layers that are there twice, that are frozen, and that nobody reads:
 * the same bits for any threads, from a file, and predicted within fit; steps that allocate nothing, where malloc_count.c is
 * preloaded.
 */
#include "malloc_count.h"
#include "network.h"

#define FEATURES 40
#define WORDS 24
#define VOCABULARY 300
#define FILE_NAME "model_graph.safetensors"

struct inputs {
    float numbers[NETWORK_SAMPLES * FEATURES], weights[NETWORK_SAMPLES];
    int32_t words[NETWORK_SAMPLES * WORDS], labels[NETWORK_SAMPLES];
    martlet_array x[2], y, w;
};

static struct inputs *inputs_make(void) {
    static struct inputs i;
    check_fill(i.numbers, NETWORK_SAMPLES * FEATURES, 1);
    for (int k = 0; k < NETWORK_SAMPLES * WORDS; k++) i.words[k] = (int32_t)(check_bits(2, (uint64_t)k) % VOCABULARY);
    for (int k = 0; k < NETWORK_SAMPLES; k++) {
        i.labels[k] = (int32_t)(check_bits(3, (uint64_t)k) % NETWORK_CLASSES);
        i.weights[k] = (float)(k % 3) / 2;
    }
    i.x[0] = check_array(i.numbers, NETWORK_SAMPLES * FEATURES, MARTLET_FP32);
    i.x[1] = check_array(i.words, NETWORK_SAMPLES * WORDS, MARTLET_INT32);
    i.y = check_array(i.labels, NETWORK_SAMPLES, MARTLET_INT32);
    i.w = check_array(i.weights, NETWORK_SAMPLES, MARTLET_FP32);
    return &i;
}

static int32_t add(martlet_model *model, martlet_layer layer, int64_t count, const int32_t *nodes) {
    int32_t node = -1;
    REQUIRE(martlet_model_add(model, &layer, nodes, count, &node) == MARTLET_OK);
    return node;
}

static martlet_layer frozen(martlet_layer layer) {
    layer.flags |= MARTLET_FROZEN;
    return layer;
}

/* Those of the table. */
static uint32_t table_flags;

static martlet_model *graph(void) {
    martlet_model *model = NULL;
    const int64_t features = FEATURES;
    REQUIRE(martlet_model_create(&model, &features, 1, 8) == MARTLET_OK);
    martlet_layer layer = network_layer(MARTLET_LAYER_INPUT, 0, MARTLET_ACTIVATION_LINEAR);
    layer.rank = 1, layer.sizes[0] = WORDS;
    int32_t last = add(model, layer, 0, NULL);
    layer = network_layer(MARTLET_LAYER_EMBEDDING, 20, MARTLET_ACTIVATION_LINEAR);
    layer.vocabulary = VOCABULARY, layer.flags = table_flags;
    const int32_t table = add(model, layer, 1, &last);
    layer = network_layer(MARTLET_LAYER_CONV1D, 32, MARTLET_ACTIVATION_RELU);
    layer.kernel[0] = 3;
    add(model, layer, 1, &table);
    const int32_t most = add(model, network_layer(MARTLET_LAYER_GLOBAL_MAX_POOL1D, 0, MARTLET_ACTIVATION_LINEAR), 0, NULL);
    const int32_t mean = add(model, network_layer(MARTLET_LAYER_GLOBAL_AVERAGE_POOL1D, 0, MARTLET_ACTIVATION_LINEAR), 1, &table);
    const int32_t zero = 0;
    const int32_t wide = add(model, network_layer(MARTLET_LAYER_DENSE, 32, MARTLET_ACTIVATION_GELU), 1, &zero);
    const int32_t shared = add(model, network_layer(MARTLET_LAYER_DENSE, 32, MARTLET_ACTIVATION_TANH), 1, &wide);
    int32_t again = -1;
    REQUIRE(martlet_model_apply(model, shared, &most, 1, &again) == MARTLET_OK);
    add(model, network_layer(MARTLET_LAYER_DENSE, 7, MARTLET_ACTIVATION_RELU), 1, &wide); /* nobody reads it */
    const int32_t sum = add(model, network_layer(MARTLET_LAYER_ADD, 0, MARTLET_ACTIVATION_LINEAR), 3, (int32_t[]){shared, again, wide});
    const int32_t held = add(model, frozen(network_layer(MARTLET_LAYER_DENSE, 32, MARTLET_ACTIVATION_TANH)), 1, &sum);
    const int32_t both = add(model, network_layer(MARTLET_LAYER_MULTIPLY, 0, MARTLET_ACTIVATION_LINEAR), 2, (int32_t[]){held, sum});
    add(model, network_layer(MARTLET_LAYER_CONCATENATE, 0, MARTLET_ACTIVATION_LINEAR), 2, (int32_t[]){both, mean});
    network_add(model, MARTLET_LAYER_LAYER_NORM, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    return model;
}

static void predict(martlet_model *model, const struct inputs *i, float *out) {
    CHECK_OK(martlet_model_predict(model, out, NETWORK_SAMPLES * NETWORK_CLASSES, i->x, NULL));
}

/* Predicts within fit, as often as there are batches. */
struct looker {
    martlet_model *model;
    const struct inputs *inputs;
    int calls;
};

static int32_t look(void *user, const martlet_progress *progress) {
    struct looker *looker = user;
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    predict(looker->model, looker->inputs, out);
    looker->calls += progress->batch > 0;
    return 0;
}

/* Two epochs in small batches with weights, and with validation; the hash of all that there is behind them. */
static uint64_t trained(const struct inputs *i, bool looks) {
    martlet_model *model = graph(), *loaded = NULL;
    struct looker looker = {model, i, 0};
    float out[2][NETWORK_SAMPLES * NETWORK_CLASSES];
    network_compile(model, 16);
    martlet_loop loop;
    martlet_result result;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    CHECK_OK(martlet_result_init(&result, sizeof result));
    loop.epochs = 2, loop.batch_size = 16, loop.weights = &i->w, loop.validation_x = i->x, loop.validation_y = &i->y;
    if (looks) loop.progress = look, loop.user = &looker;
    CHECK_OK(martlet_model_fit(model, &result, i->x, &i->y, &loop));
    CHECK(isfinite(result.loss) && isfinite(result.validation_loss) && looker.calls == (looks ? 6 : 0));
    const uint64_t hash = network_hash(model, true);
    predict(model, i, out[0]);
    CHECK_OK(martlet_model_save(model, FILE_NAME));
    CHECK_OK(martlet_model_load(&loaded, FILE_NAME));
    predict(loaded, i, out[1]);
    CHECK(memcmp(out[0], out[1], sizeof out[0]) == 0);
    /* Both go on alike. */
    CHECK_OK(martlet_model_fit(model, NULL, i->x, &i->y, NULL));
    CHECK_OK(martlet_model_fit(loaded, NULL, i->x, &i->y, NULL));
    CHECK(network_hash(model, false) == network_hash(loaded, false));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
    return hash;
}

static void quiet(const struct inputs *i) {
    if (malloc_count_start == NULL || malloc_count_stop == NULL) return;
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    martlet_model *model = graph();
    network_compile(model, NETWORK_SAMPLES);
    check_start_threads();
    for (int k = 0; k < 20; k++) {
        if (k == 3) malloc_count_start(0, 0);
        CHECK_OK(martlet_model_weighted_train(model, NULL, i->x, &i->y, &i->w, NULL, 0));
        predict(model, i, out);
    }
    const long seen = malloc_count_stop();
    CHECK_SAYING(seen == 0, "%ld allocations in 17 steps and predictions", seen);
    CHECK_OK(martlet_model_destroy(model));
}

/* What a wrong array says, and that nothing has changed then. */
static void refused(struct inputs *i) {
    martlet_model *model = graph();
    network_compile(model, 8);
    const uint64_t before = network_hash(model, true);
    i->words[5] = VOCABULARY;
    CHECK_STATUS(martlet_model_train(model, NULL, i->x, &i->y, NULL, 0), MARTLET_ERROR_ARGUMENT);
    CHECK_SAYING(strstr(martlet_last_error(), "x[1][5] is 300; expected 0 ..< 300") != NULL, "%s", martlet_last_error());
    i->words[5] = -1;
    CHECK_STATUS(martlet_model_fit(model, NULL, i->x, &i->y, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_evaluate(model, NULL, i->x, &i->y, NULL), MARTLET_ERROR_ARGUMENT);
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    CHECK_STATUS(martlet_model_predict(model, out, NETWORK_SAMPLES * NETWORK_CLASSES, i->x, NULL), MARTLET_ERROR_ARGUMENT);
    i->words[5] = 0;
    i->x[1].dtype = MARTLET_FP32;
    CHECK_STATUS(martlet_model_train(model, NULL, i->x, &i->y, NULL, 0), MARTLET_ERROR_TYPE);
    i->x[1].dtype = MARTLET_INT32, i->x[1].count -= WORDS;
    CHECK_STATUS(martlet_model_train(model, NULL, i->x, &i->y, NULL, 0), MARTLET_ERROR_SHAPE);
    CHECK_SAYING(strstr(martlet_last_error(), "x[1] has 39 samples; expected 40") != NULL, "%s", martlet_last_error());
    i->x[1].count += WORDS;
    CHECK(network_hash(model, true) == before);
    CHECK_OK(martlet_model_destroy(model));
}

/* A prediction that cannot be made plans for the layers that there are; more may come behind it. */
static void stale(void) {
    float out[NETWORK_CLASSES], x[FEATURES] = {0};
    const int64_t features = FEATURES;
    const martlet_array sample = check_array(x, FEATURES, MARTLET_FP32);
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, &features, 1, 8));
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_threads_set(0));
    setenv("MARTLET_NUM_THREADS", "none", 1);
    CHECK_STATUS(martlet_model_predict(model, out, NETWORK_CLASSES, &sample, NULL), MARTLET_ERROR_ARGUMENT);
    unsetenv("MARTLET_NUM_THREADS");
    for (int k = 0; k < 5; k++) network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_TANH);
    CHECK_OK(martlet_model_predict(model, out, NETWORK_CLASSES, &sample, NULL));
    CHECK_OK(martlet_model_destroy(model));
}

int main(void) {
    alarm(60);
    stale();
    struct inputs *i = inputs_make();
    uint64_t hashes[2] = {0};
    for (int sparse = 0; sparse < 2; sparse++) {
        table_flags = sparse ? MARTLET_SPARSE : 0;
        quiet(i);
        for (int32_t threads = 1; threads <= 4; threads += 3) {
            CHECK_OK(martlet_threads_set(threads));
            const uint64_t plain = trained(i, false);
            if (hashes[sparse] == 0) hashes[sparse] = plain;
            CHECK(plain == hashes[sparse] && trained(i, true) == plain);
        }
        refused(i);
    }
    CHECK(hashes[0] != hashes[1]);
    return check_end();
}
