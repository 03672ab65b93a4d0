/*
 * Models put together at random: layers of every kind with random windows, strides, dilations, groups, sizes and
 * activations, most of which do not suit what is before them and are refused. What stands is trained: its
 * gradient must be the slope of its loss along itself and along a random direction (by central differences, so
 * only to a few parts in a hundred), its predictions must not depend on batches, and a file must carry them.
 * An argument is the seed to begin with; a failure names its own.
 */
#include "network.h"

#define DEFAULT_SEEDS 1500
#define BATCH 6
#define FILE_NAME "model_fuzz.safetensors"
#define MOST 4000 /* elements of a sample at the end, and parameters in all: no test of speed */

static uint64_t seed, counter;
static int refused, built, sloped, kinked_slopes, kinked_off;
static bool kinked; /* whether the model has a max-pool or a ReLU */

/* The next number of the seed. One to a statement: C leaves open in which order two would be drawn. */
static int64_t pick(int64_t least, int64_t most) {
    return least + (int64_t)(check_bits(seed, counter++) % (uint64_t)(most - least + 1));
}

static int32_t pick_activation(void) {
    static const int32_t some[] = {MARTLET_ACTIVATION_LINEAR, MARTLET_ACTIVATION_GELU, MARTLET_ACTIVATION_SILU, MARTLET_ACTIVATION_TANH,
                                   MARTLET_ACTIVATION_SIGMOID, MARTLET_ACTIVATION_SOFTMAX, MARTLET_ACTIVATION_RELU,
                                   MARTLET_ACTIVATION_LEAKY_RELU, MARTLET_ACTIVATION_ELU, MARTLET_ACTIVATION_SELU, MARTLET_ACTIVATION_SOFTPLUS,
                                   MARTLET_ACTIVATION_HARD_SIGMOID, MARTLET_ACTIVATION_MISH};
    return some[pick(0, LENGTH(some) - 1)];
}

static martlet_layer pick_layer(void) {
    int32_t kind = (int32_t)pick(MARTLET_LAYER_DENSE, MARTLET_LAYER_RMS_NORM);
    if (kind == MARTLET_LAYER_RANDOM_CROP) kind = MARTLET_LAYER_UP_SAMPLING2D; /* as with dropout below */
    if (kind == MARTLET_LAYER_EMBEDDING) kind = MARTLET_LAYER_DENSE; /* the samples here are numbers */
    if (pick(0, 19) == 0) kind = MARTLET_LAYER_CROPPING1D;
    const bool activates = kind == MARTLET_LAYER_DENSE || kind == MARTLET_LAYER_CONV2D || kind == MARTLET_LAYER_BATCH_NORM || kind == MARTLET_LAYER_ACTIVATION ||
                           kind == MARTLET_LAYER_CONV1D || kind == MARTLET_LAYER_DEPTHWISE_CONV2D || kind == MARTLET_LAYER_CONV2D_TRANSPOSE;
    const int32_t activation = activates ? pick_activation() : MARTLET_ACTIVATION_LINEAR;
    martlet_layer layer = network_layer(kind, pick(1, 9), activation);
    const bool groups = kind == MARTLET_LAYER_CONV2D || kind == MARTLET_LAYER_CONV1D;
    const bool convolves = groups || kind == MARTLET_LAYER_DEPTHWISE_CONV2D || kind == MARTLET_LAYER_CONV2D_TRANSPOSE;
    const bool averages = kind == MARTLET_LAYER_AVERAGE_POOL2D || kind == MARTLET_LAYER_AVERAGE_POOL1D;
    const bool is_long = kind == MARTLET_LAYER_CONV1D || kind == MARTLET_LAYER_MAX_POOL1D || kind == MARTLET_LAYER_AVERAGE_POOL1D;
    if (convolves || averages || kind == MARTLET_LAYER_MAX_POOL2D || kind == MARTLET_LAYER_MAX_POOL1D) {
        for (int k = 0; k < 2; k++) {
            layer.kernel[k] = pick(1, 4);
            layer.stride[k] = convolves ? pick(1, 3) : pick(1, 4);
            if (convolves && pick(0, 3) == 0) layer.dilation[k] = pick(1, 3);
        }
        layer.padding = (int32_t)pick(0, 2);
        if (layer.padding == MARTLET_PADDING_EXPLICIT)
            for (int k = 0; k < (is_long ? 2 : 4); k++) layer.pads[k] = pick(0, (layer.kernel[k / 2] - 1) * layer.dilation[k / 2]);
        if (groups && pick(0, 2) == 0) layer.groups = pick(1, 4), layer.units = layer.groups * pick(1, 3);
        if (averages && pick(0, 1)) layer.flags = MARTLET_COUNT_PADDING;
    }
    if (kind == MARTLET_LAYER_DENSE || convolves) layer.flags = pick(0, 3) == 0 ? MARTLET_NO_BIAS : 0;
    if (kind == MARTLET_LAYER_DEPTHWISE_CONV2D) layer.units = pick(0, 2) ? 1 : pick(2, 3);
    if (kind == MARTLET_LAYER_CONV2D_TRANSPOSE)
        for (int k = 0; k < 2; k++) layer.output_padding[k] = pick(-1, 2);
    if (kind == MARTLET_LAYER_GROUP_NORM) layer.groups = pick(1, 4);
    if (kind == MARTLET_LAYER_LAYER_NORM || kind == MARTLET_LAYER_GROUP_NORM) layer.flags = (uint32_t)pick(0, 3), layer.epsilon = 0.05;
    if (kind >= MARTLET_LAYER_LSTM && kind <= MARTLET_LAYER_SIMPLE_RNN) {
        static const int32_t some[] = {MARTLET_ACTIVATION_TANH, MARTLET_ACTIVATION_SIGMOID, MARTLET_ACTIVATION_LINEAR, MARTLET_ACTIVATION_ELU};
        layer.activation = some[pick(0, LENGTH(some) - 1)], layer.recurrent_activation = some[pick(0, 1)];
        layer.flags = (pick(0, 1) ? MARTLET_RETURN_SEQUENCES : 0) | (pick(0, 1) ? MARTLET_GO_BACKWARDS : 0) | (pick(0, 3) == 0 ? MARTLET_NO_BIAS : 0);
        if ((layer.flags & MARTLET_RETURN_SEQUENCES) && pick(0, 1)) layer.flags |= MARTLET_ZERO_HIDDEN;
        if ((layer.flags & MARTLET_RETURN_SEQUENCES) && (layer.flags & MARTLET_GO_BACKWARDS) && pick(0, 1)) layer.flags |= MARTLET_INPUT_ORDER;
        if (pick(0, 2) == 0) layer.flags |= MARTLET_RETURN_STATE;
    }
    if (kind == MARTLET_LAYER_RMS_NORM) layer.flags = pick(0, 1) ? MARTLET_NO_SCALE : 0, layer.epsilon = 0.05;
    if (kind == MARTLET_LAYER_CONCATENATE) layer.axis = (int32_t)pick(-3, 2);
    if (layer.kind == MARTLET_LAYER_BATCH_NORM) layer.flags = (uint32_t)pick(0, 7), layer.epsilon = 0.05;
    if (kind == MARTLET_LAYER_ZERO_PADDING2D)
        for (int k = 0; k < 4; k++) layer.pads[k] = pick(0, 3);
    if (kind == MARTLET_LAYER_CROPPING1D)
        for (int k = 0; k < 2; k++) layer.pads[k] = pick(0, 3);
    if (kind == MARTLET_LAYER_UP_SAMPLING2D)
        for (int k = 0; k < 2; k++) layer.kernel[k] = pick(1, 3);
    if (kind == MARTLET_LAYER_RESCALING) layer.scale = check_number(seed, counter++), layer.offset = check_number(seed, counter++);
    if (kind == MARTLET_LAYER_RANDOM_FLIP) layer.flags = 0;
    if (kind == MARTLET_LAYER_GAUSSIAN_NOISE) layer.rate = 0;
    if (layer.kind == MARTLET_LAYER_DROPOUT) layer.rate = 0; /* or each step would be another function */
    if (layer.kind == MARTLET_LAYER_PERMUTE || layer.kind == MARTLET_LAYER_RESHAPE) {
        layer.rank = (int32_t)pick(1, 4);
        for (int k = 0; k < layer.rank; k++) layer.sizes[k] = k;
        for (int k = layer.rank - 1; k > 0; k--) {
            const int64_t other = pick(0, k), size = layer.sizes[k];
            layer.sizes[k] = layer.sizes[other], layer.sizes[other] = size;
        }
        if (layer.kind == MARTLET_LAYER_RESHAPE)
            for (int k = 0; k < layer.rank; k++) layer.sizes[k] = layer.sizes[k] == 0 ? -1 : pick(1, 4);
    }
    layer.kernel_initializer = (int32_t)pick(MARTLET_INITIALIZER_GLOROT_UNIFORM, MARTLET_INITIALIZER_LECUN_NORMAL);
    /* Zeros around images, or between those that are transposed, would stand at a ReLU's kink without. */
    layer.bias_initializer = MARTLET_INITIALIZER_UNIFORM, layer.bias_value = 0.3;
    if (pick(0, 2) == 0) layer.kernel_initializer = (int32_t)pick(MARTLET_INITIALIZER_ORTHOGONAL, MARTLET_INITIALIZER_FAN_AVERAGE_UNIFORM), layer.kernel_value = 1;
    if ((kind == MARTLET_LAYER_DENSE || convolves) && pick(0, 3) == 0) layer.l1 = pick(0, 1) ? 0.01 : 0, layer.l2 = 0.05;
    return layer;
}

/* NULL where the seed gave nothing worth training. */
static martlet_model *make(int64_t *elements, int64_t *outputs) {
    const int64_t rank = pick(0, 3) == 0 ? 3 : pick(1, 3);
    int64_t sizes[3];
    for (int d = 0; d < 3; d++) sizes[d] = pick(1, d < 2 ? 11 : 7);
    martlet_model *model = NULL;
    martlet_node node;
    int64_t parameters = 0, layers = 0;
    kinked = false;
    CHECK_OK(martlet_model_create(&model, sizes, rank, seed));
    for (int64_t k = 0, tries = pick(3, 14); k < tries; k++) {
        const martlet_layer layer = pick_layer();
        const bool merges = layer.kind == MARTLET_LAYER_ADD || layer.kind == MARTLET_LAYER_MULTIPLY || layer.kind == MARTLET_LAYER_CONCATENATE;
        /* The node added last, any, or of what puts nodes together three. */
        int32_t nodes[3] = {(int32_t)layers};
        const int64_t count = merges ? pick(2, 3) : 1;
        for (int64_t i = merges ? 1 : 0; i < count; i++)
            if (merges || pick(0, 3) == 0) nodes[i] = (int32_t)pick(0, layers);
        const bool again = layers > 0 && pick(0, 7) == 0;
        const martlet_status status = again ? martlet_model_apply(model, (int32_t)pick(1, layers), nodes, count, NULL)
                                            : martlet_model_add(model, &layer, nodes, count, NULL);
        const bool expected = status == MARTLET_OK || status == MARTLET_ERROR_SHAPE || status == MARTLET_ERROR_UNSUPPORTED ||
                              (status == MARTLET_ERROR_ARGUMENT &&
                               (again || layer.kind == MARTLET_LAYER_CONCATENATE));
        CHECK_SAYING(expected, "seed %llu: %s: %s", (unsigned long long)seed, martlet_status_name(status), martlet_last_error());
        refused += status != MARTLET_OK;
        layers += status == MARTLET_OK;
        const bool bends = layer.kind == MARTLET_LAYER_MAX_POOL2D || layer.kind == MARTLET_LAYER_MAX_POOL1D ||
                           layer.kind == MARTLET_LAYER_GLOBAL_MAX_POOL1D || layer.kind == MARTLET_LAYER_GLOBAL_MAX_POOL2D || layer.activation == MARTLET_ACTIVATION_RELU || layer.activation == MARTLET_ACTIVATION_LEAKY_RELU ||
                           layer.activation == MARTLET_ACTIVATION_SELU || layer.activation == MARTLET_ACTIVATION_HARD_SIGMOID;
        if (status == MARTLET_OK) kinked |= bends || layer.l1 > 0;
    }
    *elements = 1;
    for (int64_t d = 0; d < rank; d++) *elements *= sizes[d];
    *outputs = 1;
    for (int64_t k = 0; k <= layers; k++) {
        CHECK_OK(martlet_model_node_get(model, &node, k));
        parameters += node.parameter_count;
    }
    for (int d = 0; d < node.rank; d++) *outputs *= node.sizes[d];
    if (layers > 0 && *outputs <= MOST && parameters <= MOST) return model;
    CHECK_OK(martlet_model_destroy(model));
    return NULL;
}

/* The loss in training of a batch with some parameters, by a step of length 0. */
static double loss_at(martlet_model *model, float *parameters, const float *values, int64_t count, const martlet_array *x, const martlet_array *y) {
    martlet_result result;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    if (count > 0) memcpy(parameters, values, (size_t)count * sizeof *values);
    CHECK_OK(martlet_model_train(model, &result, x, y, NULL, 0));
    return result.loss;
}

/* How far the loss's slope along a direction of length 1 is from the gradient's word for it, by the best of four
 * widths: a wide one for slopes that rounding drowns, a narrow one where a kink is near. */
static double miss(martlet_model *model, float *parameters, const float *start, float *moved, int64_t count, const double *direction, double along,
                   const martlet_array *x, const martlet_array *y) {
    static const double widths[] = {0.01, 0.03, 0.002, 0.0003};
    double best = INFINITY;
    for (int width = 0; width < LENGTH(widths); width++) {
        double sides[2];
        for (int side = 0; side < 2; side++) {
            const double h = side == 0 ? widths[width] : -widths[width];
            for (int64_t i = 0; i < count; i++) moved[i] = (float)((double)start[i] + h * direction[i]);
            sides[side] = loss_at(model, parameters, moved, count, x, y);
        }
        best = fmin(best, fabs((sides[0] - sides[1]) / (2 * widths[width]) - along));
    }
    return best;
}

/* Along the gradient itself, where there is a slope to see whatever else is small; and along a direction that knows
 * nothing of it. A gradient of softmax after softmax, of a dead unit or of nearly nothing drowns in rounding, and one
 * beside a kink of a max-pool or a ReLU has no slope; there must be enough others. */
static void slope(martlet_model *model, const martlet_array *x, const martlet_array *y) {
    float *parameters = NULL, *gradients = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(model, &parameters, &count, MARTLET_BUFFER_PARAMETERS));
    CHECK_OK(martlet_model_buffer_get(model, &gradients, NULL, MARTLET_BUFFER_GRADIENTS));
    if (count == 0) return;
    float *start = malloc((size_t)count * 2 * sizeof *start), *moved = start + count;
    double *directions[2] = {malloc((size_t)count * sizeof(double)), malloc((size_t)count * sizeof(double))};
    REQUIRE(start != NULL && directions[0] != NULL && directions[1] != NULL);
    memcpy(start, parameters, (size_t)count * sizeof *start);
    const double loss = loss_at(model, parameters, start, count, x, y);
    double lengths[2] = {0, 0}, along[2] = {0, 0};
    for (int64_t i = 0; i < count; i++) {
        directions[0][i] = (double)gradients[i], directions[1][i] = check_number(seed + 1, (uint64_t)i);
        for (int k = 0; k < 2; k++) lengths[k] += directions[k][i] * directions[k][i];
    }
    const double norm = sqrt(lengths[0]);
    CHECK_SAYING(isfinite(loss) && isfinite(norm), "seed %llu: loss %g, gradient %g", (unsigned long long)seed, loss, norm);
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < count; i++) along[k] += (directions[k][i] /= fmax(sqrt(lengths[k]), 1e-30)) * (double)gradients[i];
    for (int k = 0; k < 2 && norm > 1e-3; k++) {
        const double off = miss(model, parameters, start, moved, count, directions[k], along[k], x, y);
        const bool right = off <= 0.05 * fabs(along[k]) + 2e-4 * (1 + fabs(loss));
        CHECK_SAYING(right || kinked, "seed %llu: slope %d is off by %g, by the gradient %g", (unsigned long long)seed, k, off, along[k]);
        *(kinked ? &kinked_slopes : &sloped) += 1;
        if (!right) kinked_off++;
    }
    memcpy(parameters, start, (size_t)count * sizeof *start);
    free(start), free(directions[0]), free(directions[1]);
}

/* Predictions one by one, in batches and from a file. */
static void predictions(martlet_model *model, int64_t outputs, const martlet_array *x) {
    const size_t size = (size_t)(BATCH * outputs) * sizeof(float);
    float *first = malloc(size), *other = malloc(size);
    martlet_loop loop;
    martlet_model *loaded = NULL;
    REQUIRE(first != NULL && other != NULL);
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    CHECK_OK(martlet_model_predict(model, first, BATCH * outputs, x, &loop));
    for (int64_t batch = 1; batch <= 4; batch += 3) {
        loop.batch_size = batch;
        CHECK_OK(martlet_model_predict(model, other, BATCH * outputs, x, &loop));
        CHECK_SAYING(memcmp(first, other, size) == 0, "seed %llu: other bits in batches of %ld", (unsigned long long)seed, (long)batch);
    }
    CHECK_OK(martlet_model_save(model, FILE_NAME));
    CHECK_OK(martlet_model_load(&loaded, FILE_NAME));
    CHECK_OK(martlet_model_predict(loaded, other, BATCH * outputs, x, NULL));
    CHECK_SAYING(memcmp(first, other, size) == 0, "seed %llu: other bits from a file", (unsigned long long)seed);
    CHECK_OK(martlet_model_destroy(loaded));
    free(first), free(other);
}

static void one(void) {
    int64_t elements = 0, outputs = 0;
    martlet_model *model = make(&elements, &outputs);
    if (model == NULL) return;
    martlet_training training;
    martlet_config config = check_config(MARTLET_ADAM);
    float *numbers = malloc((size_t)(BATCH * (elements + outputs)) * sizeof *numbers), *targets = numbers + BATCH * elements;
    REQUIRE(numbers != NULL);
    for (int64_t i = 0; i < BATCH * elements; i++) numbers[i] = (float)check_number(seed + 2, (uint64_t)i) * 0.5f;
    for (int64_t i = 0; i < BATCH * outputs; i++) targets[i] = (float)check_number(seed + 3, (uint64_t)i);
    const martlet_array x = check_array(numbers, BATCH * elements, MARTLET_FP32), y = check_array(targets, BATCH * outputs, MARTLET_FP32);
    CHECK_OK(martlet_training_init(&training, sizeof training, pick(0, 2) ? MARTLET_LOSS_MSE : MARTLET_LOSS_HUBER));
    training.batch_size = pick(1, BATCH);
    config.lr = 0;
    /* No loss is of a sequence with hidden steps. */
    const martlet_status compiled = martlet_model_compile(model, &training, &config);
    CHECK_SAYING(compiled == MARTLET_OK || compiled == MARTLET_ERROR_UNSUPPORTED, "seed %llu: %s", (unsigned long long)seed, martlet_last_error());
    if (compiled != MARTLET_OK) {
        CHECK_OK(martlet_model_destroy(model));
        free(numbers);
        return;
    }
    slope(model, &x, &y);
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 0.01));
    for (int k = 0; k < 3; k++) CHECK(isfinite(loss_at(model, NULL, NULL, 0, &x, &y)));
    predictions(model, outputs, &x);
    CHECK_OK(martlet_model_destroy(model));
    free(numbers);
    built++;
}

int main(int argc, char **argv) {
    const uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, count = argc > 1 ? 1 : DEFAULT_SEEDS;
    alarm(110);
    martlet_machine machine = {0};
    REQUIRE(martlet_machine_get(&machine, sizeof machine) == MARTLET_OK);
    CHECK_OK(martlet_threads_set(1));
    for (seed = first; seed < first + count; seed++) {
        counter = 0;
        CHECK_OK(martlet_isa_set(1 + (int32_t)(seed % (uint64_t)machine.isa_best)));
        one();
    }
    unlink(FILE_NAME);
    CHECK(argc > 1 || (built > DEFAULT_SEEDS / 3 && sloped > DEFAULT_SEEDS / 5 && kinked_slopes > DEFAULT_SEEDS / 5));
    CHECK(argc > 1 || kinked_off * 50 <= kinked_slopes);
    printf("%d layers refused, %d models trained, %d slopes, %d beside kinks, of which %d are off; ", refused, built, sloped, kinked_slopes, kinked_off);
    return check_end();
}
