/*
 * A text classifier: words become rows of a table, windows of three, four and five words are matched, and of each filter the
 * best match of a sentence counts (Kim: Convolutional neural networks for sentence classification. EMNLP 2014). Which of two
 * forecasts is it: "will ... not ... rain" and "will ... rain ... not" hold the same words, so their order has to be read.
 *
 *     cc text.c -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -lm -o text && ./text
 */
#include <martlet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH 16      /* words of a sentence; shorter ones end in row 0 */
#define VOCABULARY 512 /* rows of the table; 0 is no word's */
#define SENTENCES 2400
#define HELD 400 /* of these, which training does not see */

static const char *const fillers[] = {"the", "sky", "over", "our", "old", "town", "today", "and", "then", "later", "some", "wind"};

static void check(martlet_status status) {
    if (status == MARTLET_OK) return;
    fprintf(stderr, "%s\n", martlet_last_error());
    exit(1);
}

static unsigned draw(unsigned *seed, unsigned below) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

/* The row of a word, by a hash (FNV-1a): no list of words has to be kept. */
static int32_t row_of(const char *word) {
    uint32_t hash = 2166136261u;
    for (; *word != 0; word++) hash = (hash ^ (uint8_t)*word) * 16777619u;
    return (int32_t)(1 + hash % (VOCABULARY - 1));
}

/* A sentence of 9 to LENGTH words; returns whether it promises rain. */
static int32_t write_sentence(int32_t *rows, unsigned *seed) {
    const char *words[LENGTH] = {0};
    const unsigned count = 9 + draw(seed, LENGTH - 8);
    for (unsigned k = 0; k < count; k++) words[k] = fillers[draw(seed, sizeof fillers / sizeof fillers[0])];
    const unsigned start = draw(seed, count - 3);
    const int32_t rains = (int32_t)draw(seed, 2);
    words[start] = "will";
    words[start + 1] = rains ? "rain" : "not";
    words[start + 2] = rains ? "not" : "rain";
    for (int k = 0; k < LENGTH; k++) rows[k] = words[k] == NULL ? 0 : row_of(words[k]);
    return rains;
}

static int32_t add(martlet_model *model, const martlet_layer *layer, const int32_t *inputs, int64_t count) {
    int32_t node = 0;
    check(martlet_model_add(model, layer, inputs, count, &node));
    return node;
}

static martlet_layer layer_of(int32_t kind, int64_t units) {
    martlet_layer layer;
    check(martlet_layer_init(&layer, sizeof layer, kind));
    layer.units = units;
    return layer;
}

static martlet_model *make(void) {
    martlet_model *model = NULL;
    const int64_t length = LENGTH;
    check(martlet_model_create(&model, &length, 1, 1));
    martlet_layer layer = layer_of(MARTLET_LAYER_EMBEDDING, 16);
    layer.vocabulary = VOCABULARY;
    const int32_t words = add(model, &layer, NULL, 0);
    int32_t best[3];
    for (int k = 0; k < 3; k++) {
        layer = layer_of(MARTLET_LAYER_CONV1D, 24);
        layer.kernel[0] = 3 + k;
        layer.activation = MARTLET_ACTIVATION_RELU;
        add(model, &layer, &words, 1);
        layer = layer_of(MARTLET_LAYER_GLOBAL_MAX_POOL1D, 0);
        best[k] = add(model, &layer, NULL, 0);
    }
    layer = layer_of(MARTLET_LAYER_CONCATENATE, 0);
    add(model, &layer, best, 3);
    layer = layer_of(MARTLET_LAYER_DROPOUT, 0);
    add(model, &layer, NULL, 0);
    layer = layer_of(MARTLET_LAYER_DENSE, 2);
    add(model, &layer, NULL, 0);
    return model;
}

static martlet_array array_of(const int32_t *numbers, int64_t count) {
    martlet_array array = {0};
    array.data = (void *)(uintptr_t)numbers;
    array.count = count;
    array.dtype = MARTLET_INT32;
    return array;
}

int main(void) {
    static int32_t rows[SENTENCES * LENGTH], rains[SENTENCES];
    unsigned seed = 1;
    for (int k = 0; k < SENTENCES; k++) rains[k] = write_sentence(rows + k * LENGTH, &seed);

    martlet_model *model = make();
    martlet_training training;
    check(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    training.metrics = 1u << MARTLET_METRIC_ACCURACY;
    check(martlet_model_compile(model, &training, NULL));

    const int seen = SENTENCES - HELD;
    const martlet_array x = array_of(rows, (int64_t)seen * LENGTH), y = array_of(rains, seen);
    const martlet_array held_x = array_of(rows + seen * LENGTH, HELD * LENGTH), held_y = array_of(rains + seen, HELD);
    martlet_loop loop;
    martlet_result result;
    check(martlet_loop_init(&loop, sizeof loop));
    check(martlet_result_init(&result, sizeof result));
    loop.epochs = 8;
    check(martlet_model_fit(model, &result, &x, &y, &loop));
    printf("    loss %.4f after %d epochs of %d sentences\n", result.loss, result.epochs, seen);
    check(martlet_model_evaluate(model, &result, &held_x, &held_y, NULL));
    printf("    %.1f%% of %d other sentences are read right\n", 100 * result.metrics[MARTLET_METRIC_ACCURACY], HELD);
    check(martlet_model_destroy(model));
    return result.metrics[MARTLET_METRIC_ACCURACY] > 0.97 ? 0 : 1;
}
