/*
 * A batch led forward and backward through images and sequences: maxima that hand their slopes to a convolution, values that
 * are views of an input, recurrent layers, several outputs, images of bytes, batches that grow and shrink. Slopes, of inputs
 * and of parameters, are central differences of a weighted sum of all outputs.
 */
#include "network.h"

#define SIDE 6
#define PIXELS (SIDE * SIDE * 2)
#define MOST 9 /* samples */

static float images[MOST * PIXELS], weights[4096];

static int32_t add(martlet_model *model, martlet_layer layer, int32_t from) {
    int32_t node = 0;
    CHECK_OK(martlet_model_add(model, &layer, &from, 1, &node));
    return node;
}

static int32_t convolve(martlet_model *model, int32_t kind, int64_t filters, int32_t from) {
    martlet_layer layer = network_layer(kind, filters, MARTLET_ACTIVATION_TANH);
    layer.kernel[0] = layer.kernel[1] = 3;
    return add(model, layer, from);
}

static martlet_model *finished(martlet_model *model, const int32_t *outputs, int64_t count) {
    martlet_training training[4];
    CHECK_OK(martlet_model_outputs_set(model, outputs, count));
    for (int64_t k = 0; k < count; k++) {
        CHECK_OK(martlet_training_init(&training[k], sizeof training[k], MARTLET_LOSS_MSE));
        training[k].batch_size = 2;
    }
    CHECK_OK(martlet_model_compile(model, training, NULL));
    return model;
}

/* Maxima over windows and over whole images, two readers of the images, and outputs of three shapes. */
static martlet_model *pooled(void) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){SIDE, SIDE, 2}, 3, 5));
    const int32_t first = convolve(model, MARTLET_LAYER_CONV2D, 3, 0);
    const int32_t pool = add(model, network_layer(MARTLET_LAYER_MAX_POOL2D, 0, 0), first);
    const int32_t flat = add(model, network_layer(MARTLET_LAYER_FLATTEN, 0, 0), pool);
    const int32_t second = convolve(model, MARTLET_LAYER_CONV2D, 4, 0);
    const int32_t most = add(model, network_layer(MARTLET_LAYER_GLOBAL_MAX_POOL2D, 0, 0), second);
    const int32_t classes = add(model, network_layer(MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_SOFTMAX), most);
    return finished(model, (const int32_t[]){flat, classes, first}, 3);
}

/* A maximum over a sequence that alone reads what its convolution gives. */
static martlet_model *peaks(void) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){SIDE * SIDE, 2}, 2, 6));
    const int32_t wide = convolve(model, MARTLET_LAYER_CONV1D, 4, 0);
    const int32_t most = add(model, network_layer(MARTLET_LAYER_GLOBAL_MAX_POOL1D, 0, 0), wide);
    const int32_t out = add(model, network_layer(MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_SIGMOID), most);
    return finished(model, (const int32_t[]){most, out}, 2);
}

/* Views of the images, of which one is an output, and a maximum over one. */
static martlet_model *views(void) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){SIDE, SIDE, 2}, 3, 7));
    const int32_t flat = add(model, network_layer(MARTLET_LAYER_FLATTEN, 0, 0), 0);
    const int32_t out = add(model, network_layer(MARTLET_LAYER_DENSE, 2, MARTLET_ACTIVATION_GELU), flat);
    martlet_layer shape = network_layer(MARTLET_LAYER_RESHAPE, 0, 0);
    shape.rank = 2, shape.sizes[0] = SIDE * SIDE, shape.sizes[1] = 2;
    const int32_t sequence = add(model, shape, flat);
    const int32_t pool = add(model, network_layer(MARTLET_LAYER_GLOBAL_MAX_POOL1D, 0, 0), sequence);
    return finished(model, (const int32_t[]){out, flat, pool}, 3);
}

/* Recurrent layers, one over all steps of the other. */
static martlet_model *recurrent(void) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){SIDE * SIDE, 2}, 2, 8));
    martlet_layer layer = network_layer(MARTLET_LAYER_LSTM, 3, MARTLET_ACTIVATION_TANH);
    layer.flags |= MARTLET_RETURN_SEQUENCES;
    const int32_t all = add(model, layer, 0);
    const int32_t last = add(model, network_layer(MARTLET_LAYER_GRU, 2, MARTLET_ACTIVATION_TANH), all);
    return finished(model, (const int32_t[]){all, last}, 2);
}

static int64_t elements(martlet_model *model) {
    int64_t count = 0, sum = 0;
    CHECK_OK(martlet_model_output_count(model, &count));
    for (int64_t k = 0; k < count; k++) {
        martlet_node node;
        int32_t number = 0;
        int64_t product = 1;
        CHECK_OK(martlet_model_output_get(model, &number, (int32_t)k));
        CHECK_OK(martlet_model_node_get(model, &node, number));
        for (int32_t size = 0; size < node.rank; size++) product *= node.sizes[size];
        sum += product;
    }
    return sum;
}

/* What the slopes are those of. */
static double sum_of(martlet_model *model, const martlet_array *x, int64_t count) {
    static float out[LENGTH(weights)];
    double sum = 0;
    CHECK_OK(martlet_model_forward(model, NULL, out, count, x, NULL, NULL, NULL, 0));
    for (int64_t k = 0; k < count; k++) sum += (double)out[k] * (double)weights[k];
    return sum;
}

/* NaN where a maximum changes hands within the step, so that there is none. */
static double difference(martlet_model *model, const martlet_array *x, int64_t count, float *at) {
    const float kept = *at, step = 4e-3f;
    const double here = sum_of(model, x, count);
    *at = kept + step;
    const double above = (sum_of(model, x, count) - here) / (double)step;
    *at = kept - step;
    const double below = (here - sum_of(model, x, count)) / (double)step;
    *at = kept;
    return fabs(above - below) < 0.02 * (1 + fabs(above)) ? (above + below) / 2 : NAN;
}

static int compared, bent;

static void compare(const char *what, int64_t place, double given, double wanted) {
    compared++;
    if (isnan(wanted)) bent++;
    else CHECK_SAYING(fabs(wanted - given) < 5e-3 * (1 + fabs(wanted)), "%s %ld: %g, wanted %g", what, (long)place, given, wanted);
}

static void slopes(martlet_model *model) {
    enum { SAMPLES = 3 };
    static float gradients[SAMPLES * PIXELS], of_parameters[4096];
    const martlet_array x = check_array(images, SAMPLES * PIXELS, MARTLET_FP32);
    const martlet_array into = check_array(gradients, SAMPLES * PIXELS, MARTLET_FP32);
    const int64_t count = SAMPLES * elements(model);
    float *parameters = NULL, *found = NULL;
    int64_t parameter_count = 0;
    sum_of(model, &x, count);
    CHECK_OK(martlet_model_backward(model, weights, count, &into));
    CHECK_OK(martlet_model_buffer_get(model, &found, &parameter_count, MARTLET_BUFFER_GRADIENTS));
    CHECK_OK(martlet_model_buffer_get(model, &parameters, NULL, MARTLET_BUFFER_PARAMETERS));
    memcpy(of_parameters, found, (size_t)parameter_count * sizeof *found);
    for (int64_t k = 0; k < parameter_count; k++)
        compare("parameter", k, (double)of_parameters[k], difference(model, &x, count, parameters + k));
    for (int64_t k = 0; k < SAMPLES * PIXELS; k++)
        compare("input", k, (double)gradients[k], difference(model, &x, count, images + k));
    CHECK_OK(martlet_model_destroy(model));
}

/* The bits of one call do not depend on those before, of more samples and of fewer. */
static void sizes(martlet_model *(*make)(void)) {
    static float out[2][LENGTH(weights)], gradients[2][MOST * PIXELS];
    martlet_model *model = make();
    const int64_t counts[] = {1, 4, 9, 2, 9, 3};
    const int64_t each = elements(model);
    for (int k = 0; k < LENGTH(counts); k++) {
        martlet_model *fresh = make(), *both[] = {model, fresh};
        const martlet_array x = check_array(images, counts[k] * PIXELS, MARTLET_FP32);
        const int64_t count = counts[k] * each;
        float *of[2];
        int64_t parameters = 0;
        for (int which = 0; which < 2; which++) {
            const martlet_array into = check_array(gradients[which], counts[k] * PIXELS, MARTLET_FP32);
            CHECK_OK(martlet_model_forward(both[which], NULL, out[which], count, &x, NULL, NULL, NULL, 0));
            CHECK_OK(martlet_model_backward(both[which], weights, count, &into));
            CHECK_OK(martlet_model_buffer_get(both[which], &of[which], &parameters, MARTLET_BUFFER_GRADIENTS));
        }
        CHECK(memcmp(out[0], out[1], (size_t)count * sizeof(float)) == 0);
        CHECK(memcmp(of[0], of[1], (size_t)parameters * sizeof(float)) == 0);
        CHECK(memcmp(gradients[0], gradients[1], (size_t)(counts[k] * PIXELS) * sizeof(float)) == 0);
        CHECK_OK(martlet_model_destroy(fresh));
    }
    CHECK_OK(martlet_model_destroy(model));
}

/* Bytes are the fp32 numbers that they stand for, and may be written over before the way back. */
static void bytes(void) {
    static float out[2][LENGTH(weights)], gradients[2][2 * PIXELS], numbers[2 * PIXELS];
    uint8_t pixels[2 * PIXELS];
    martlet_model *model = pooled();
    const int64_t count = 2 * elements(model);
    for (int k = 0; k < LENGTH(pixels); k++) {
        pixels[k] = (uint8_t)(check_bits(3, (uint64_t)k) % 7);
        numbers[k] = (float)pixels[k];
    }
    const martlet_array kinds[] = {check_array(numbers, LENGTH(numbers), MARTLET_FP32), check_array(pixels, LENGTH(pixels), MARTLET_UINT8)};
    for (int kind = 0; kind < 2; kind++) {
        const martlet_array into = check_array(gradients[kind], 2 * PIXELS, MARTLET_FP32);
        CHECK_OK(martlet_model_forward(model, NULL, out[kind], count, &kinds[kind], NULL, NULL, NULL, 0));
        memset(kind == 0 ? (void *)numbers : (void *)pixels, 1, kind == 0 ? sizeof numbers : sizeof pixels);
        CHECK_OK(martlet_model_backward(model, weights, count, &into));
    }
    CHECK(memcmp(out[0], out[1], (size_t)count * sizeof(float)) == 0);
    CHECK(memcmp(gradients[0], gradients[1], sizeof gradients[0]) == 0);
    CHECK_OK(martlet_model_destroy(model));
}

int main(void) {
    check_fill(images, LENGTH(images), 1), check_fill(weights, LENGTH(weights), 2);
    slopes(pooled()), slopes(peaks()), slopes(views()), slopes(recurrent());
    CHECK_SAYING(bent * 20 < compared, "%d of %d had no slope", bent, compared);
    sizes(pooled), sizes(peaks), sizes(views), sizes(recurrent);
    bytes();
    return check_end();
}
