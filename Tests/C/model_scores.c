/*
 * Losses and metrics against fp64: every loss, from logits and from probabilities, of labels and of targets,
 * with label smoothing, over one output, several, and rows of several; and the loss's gradient against
 * differences of the reference. The model is a dense layer whose kernel is the unit matrix, so that its output
 * is the activation of its input plus the bias, and the bias's gradient is that of the output. The reference
 * knows no bounds where an activation is under its own cross-entropy, and outputs lead by up to thousands.
 */
#include "network.h"

#define SAMPLES 23
#define MOST_CLASSES 19

struct setting {
    int32_t loss, from, activation;
    bool labels;
    int64_t rows, classes; /* of a sample's output */
    double smoothing, delta;
    uint32_t metrics;
    int32_t top;
    bool apart; /* the activation is a layer of its own, with views behind it */
    float scale; /* of the inputs */
};

static float inputs[SAMPLES * 3 * MOST_CLASSES], targets[SAMPLES * 3 * MOST_CLASSES];
static int32_t labels[SAMPLES * 3];
static int settings;

/* ---- the reference ---- */

static void activate(double *x, int64_t count, int32_t activation) {
    double sum = 0;
    for (int64_t k = 0; k < count; k++) {
        if (activation == MARTLET_ACTIVATION_SIGMOID) x[k] = 1 / (1 + exp(-x[k]));
        if (activation == MARTLET_ACTIVATION_SOFTMAX) sum += exp(x[k]);
    }
    for (int64_t k = 0; k < count && activation == MARTLET_ACTIVATION_SOFTMAX; k++) x[k] = exp(x[k]) / sum;
}

static double clamp(double p) { return fmin(fmax(p, 1e-7), 1 - 1e-7); }

/* Whether the loss is that of the activation's own logarithm. */
static bool is_whole(const struct setting *s) {
    const int32_t own = s->loss == MARTLET_LOSS_CROSS_ENTROPY ? MARTLET_ACTIVATION_SOFTMAX : MARTLET_ACTIVATION_SIGMOID;
    return s->activation == own && s->from != MARTLET_FROM_LOGITS && (s->loss == MARTLET_LOSS_CROSS_ENTROPY || s->loss == MARTLET_LOSS_BINARY_CROSS_ENTROPY);
}

/* The loss of `count` outputs against as many targets. */
static double row_loss(const struct setting *s, const double *out, const double *target, int64_t count, bool probabilities) {
    double loss = 0, sum = 0, largest = -INFINITY;
    for (int64_t k = 0; k < count; k++) largest = fmax(largest, out[k]);
    for (int64_t k = 0; k < count; k++) sum += probabilities ? out[k] : exp(out[k] - largest);
    for (int64_t k = 0; k < count; k++) {
        const double d = out[k] - target[k];
        double t = target[k];
        switch (s->loss) {
        case MARTLET_LOSS_CROSS_ENTROPY:
            t = (1 - s->smoothing) * t + s->smoothing / (double)count;
            loss -= t * (probabilities ? log(clamp(out[k] / sum)) : out[k] - largest - log(sum));
            break;
        case MARTLET_LOSS_NLL: loss -= t * out[k]; break;
        case MARTLET_LOSS_BINARY_CROSS_ENTROPY: {
            t = (1 - s->smoothing) * t + s->smoothing / 2;
            const double p = clamp(out[k]);
            if (probabilities) loss -= (t * log(p) + (1 - t) * log1p(-p)) / (double)count;
            else loss += (fmax(out[k], 0) - t * out[k] + log1p(exp(-fabs(out[k])))) / (double)count;
            break;
        }
        case MARTLET_LOSS_MSE: loss += d * d / (double)count; break;
        case MARTLET_LOSS_MAE: loss += fabs(d) / (double)count; break;
        default: loss += (fabs(d) <= s->delta ? d * d / 2 : s->delta * (fabs(d) - s->delta / 2)) / (double)count; break;
        }
    }
    return loss;
}

struct reference {
    double loss, accuracy, top, mse, mae;
};

/* Everything over all samples, with a bias. */
static struct reference reckon(const struct setting *s, const double *bias) {
    struct reference r = {0, 0, 0, 0, 0};
    const bool categorical = s->loss == MARTLET_LOSS_CROSS_ENTROPY || s->loss == MARTLET_LOSS_NLL;
    const bool probabilities = s->from == MARTLET_FROM_AUTO ? s->activation != MARTLET_ACTIVATION_LINEAR : s->from == MARTLET_FROM_PROBABILITIES;
    const bool binary = s->loss == MARTLET_LOSS_BINARY_CROSS_ENTROPY;
    const int64_t elements = s->rows * s->classes;
    for (int64_t n = 0; n < SAMPLES; n++) {
        double out[3 * MOST_CLASSES], logits[3 * MOST_CLASSES], target[3 * MOST_CLASSES];
        for (int64_t row = 0; row < s->rows; row++) {
            for (int64_t c = 0; c < s->classes; c++) {
                const int64_t k = row * s->classes + c;
                out[k] = logits[k] = (double)inputs[n * elements + k] + bias[c];
                target[k] = s->labels ? (s->classes == 1 && binary ? labels[n * s->rows + row] : labels[n * s->rows + row] == c) : (double)targets[n * elements + k];
            }
            activate(out + row * s->classes, s->classes, s->activation);
        }
        const int64_t loss_rows = categorical ? s->rows : 1, accuracy_classes = binary ? 1 : s->classes, accuracy_rows = elements / accuracy_classes;
        const double *scored = is_whole(s) ? logits : out;
        for (int64_t row = 0; row < loss_rows; row++)
            r.loss += row_loss(s, scored + row * (elements / loss_rows), target + row * (elements / loss_rows), elements / loss_rows,
                               probabilities && !is_whole(s)) /
                      (double)(loss_rows * SAMPLES);
        for (int64_t row = 0; row < accuracy_rows; row++) {
            const double *o = out + row * accuracy_classes, *t = target + row * accuracy_classes, share = 1 / (double)(accuracy_rows * SAMPLES);
            int64_t best = 0, larger = 0;
            if (accuracy_classes == 1) {
                const double threshold = probabilities || !binary ? 0.5 : 0;
                r.accuracy += (o[0] > threshold) == (t[0] > 0.5) ? share : 0;
                r.top += share;
                continue;
            }
            for (int64_t c = 1; c < accuracy_classes; c++) best = t[c] > t[best] ? c : best;
            for (int64_t c = 0; c < accuracy_classes; c++) larger += o[c] > o[best];
            r.accuracy += larger == 0 ? share : 0;
            r.top += larger < s->top ? share : 0;
        }
        for (int64_t k = 0; k < elements; k++) {
            r.mse += (out[k] - target[k]) * (out[k] - target[k]) / (double)(elements * SAMPLES);
            r.mae += fabs(out[k] - target[k]) / (double)(elements * SAMPLES);
        }
    }
    return r;
}

/* ---- the model ---- */

static void near(const struct setting *s, const char *what, double given, double wanted, double room) {
    CHECK_SAYING(fabs(given - wanted) <= room * (1 + fabs(wanted)), "loss %d, from %d, activation %d, %s, %ld x %ld, smoothing %g: %s is %.8g, wanted %.8g",
                 s->loss, s->from, s->activation, s->labels ? "labels" : "targets", (long)s->rows, (long)s->classes, s->smoothing, what, given, wanted);
}

static martlet_model *make(const struct setting *s, const double *bias) {
    martlet_model *model = NULL;
    martlet_training training;
    float *parameters = NULL;
    CHECK_OK(martlet_model_create(&model, (int64_t[]){s->rows, s->classes}, 2, 0));
    network_add(model, MARTLET_LAYER_DENSE, s->classes, s->apart ? MARTLET_ACTIVATION_LINEAR : s->activation);
    if (s->apart) {
        martlet_layer shape = network_layer(MARTLET_LAYER_RESHAPE, 0, MARTLET_ACTIVATION_LINEAR), dropout = network_layer(MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
        shape.rank = 2, shape.sizes[0] = -1, shape.sizes[1] = s->classes, dropout.rate = 0;
        network_add(model, MARTLET_LAYER_ACTIVATION, 0, s->activation);
        CHECK_OK(martlet_model_add(model, &shape, NULL, 0, NULL));
        network_add(model, MARTLET_LAYER_ACTIVATION, 0, MARTLET_ACTIVATION_LINEAR);
        CHECK_OK(martlet_model_add(model, &dropout, NULL, 0, NULL));
    }
    CHECK_OK(martlet_model_buffer_get(model, &parameters, NULL, MARTLET_BUFFER_PARAMETERS));
    for (int64_t i = 0; i < s->classes; i++) {
        for (int64_t j = 0; j < s->classes; j++) parameters[i * s->classes + j] = i == j;
        parameters[s->classes * s->classes + i] = (float)bias[i];
    }
    CHECK_OK(martlet_training_init(&training, sizeof training, s->loss));
    training.from = s->from, training.metrics = s->metrics, training.top = s->top, training.batch_size = SAMPLES;
    training.label_smoothing = s->smoothing, training.delta = s->delta;
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    return model;
}

static void one(const struct setting *s) {
    double bias[MOST_CLASSES], moved[MOST_CLASSES];
    const int64_t elements = s->rows * s->classes;
    for (int c = 0; c < MOST_CLASSES; c++) bias[c] = moved[c] = check_number(8, (uint64_t)c) / 4;
    check_fill(inputs, LENGTH(inputs), 1);
    for (int k = 0; k < LENGTH(inputs); k++) inputs[k] = (inputs[k] + (float)k * 1e-6f) * s->scale; /* no two alike: who comes first is not asked */
    for (int k = 0; k < LENGTH(labels); k++) labels[k] = (int32_t)(check_bits(2, (uint64_t)k) % (uint64_t)(s->classes == 1 ? 2 : s->classes));
    for (int64_t row = 0; row < SAMPLES * s->rows; row++) { /* distributions for cross-entropies, numbers for the others */
        float sum = 0, *t = targets + row * s->classes;
        for (int64_t c = 0; c < s->classes; c++) sum += t[c] = (float)(check_number(3, (uint64_t)(row * s->classes + c)) + 2.1) / 4.2f;
        for (int64_t c = 0; c < s->classes && s->loss == MARTLET_LOSS_CROSS_ENTROPY; c++) t[c] /= sum;
    }
    martlet_model *model = make(s, bias);
    const martlet_array x = check_array(inputs, SAMPLES * elements, MARTLET_FP32);
    const martlet_array y = s->labels ? check_array(labels, SAMPLES * s->rows, MARTLET_INT32) : check_array(targets, SAMPLES * elements, MARTLET_FP32);
    martlet_result result, trained;
    martlet_loop loop;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_result_init(&trained, sizeof trained));
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.batch_size = 5; /* the last batch is smaller, and counts less */
    CHECK_OK(martlet_model_evaluate(model, &result, &x, &y, &loop));
    const struct reference wanted = reckon(s, bias);
    near(s, "the loss", result.loss, wanted.loss, is_whole(s) ? 1e-6 : 2e-5);
    if (s->metrics >> MARTLET_METRIC_ACCURACY & 1) near(s, "accuracy", result.metrics[MARTLET_METRIC_ACCURACY], wanted.accuracy, 1e-6);
    if (s->metrics >> MARTLET_METRIC_TOP_ACCURACY & 1) near(s, "top accuracy", result.metrics[MARTLET_METRIC_TOP_ACCURACY], wanted.top, 1e-6);
    if (s->metrics >> MARTLET_METRIC_MSE & 1) near(s, "mse", result.metrics[MARTLET_METRIC_MSE], wanted.mse, 1e-5);
    if (s->metrics >> MARTLET_METRIC_MAE & 1) near(s, "mae", result.metrics[MARTLET_METRIC_MAE], wanted.mae, 1e-5);
    CHECK(isnan(result.metrics[MARTLET_METRIC_ACCURACY]) == !(s->metrics & 1) && isnan(result.metrics[MARTLET_METRIC_TOP_ACCURACY]) == !(s->metrics & 2));
    CHECK(isnan(result.metrics[MARTLET_METRIC_MSE]) == !(s->metrics & 4) && isnan(result.metrics[MARTLET_METRIC_MAE]) == !(s->metrics & 8));
    CHECK_OK(martlet_model_train(model, &trained, &x, &y, NULL, 0));
    near(s, "the loss in training", trained.loss, wanted.loss, 2e-5);
    float *gradients = NULL;
    CHECK_OK(martlet_model_buffer_get(model, &gradients, NULL, MARTLET_BUFFER_GRADIENTS));
    for (int64_t c = 0; c < s->classes; c++) {
        moved[c] = bias[c] + 1e-6;
        const double above = reckon(s, moved).loss;
        moved[c] = bias[c] - 1e-6;
        const double slope = (above - reckon(s, moved).loss) / 2e-6;
        moved[c] = bias[c];
        near(s, "a gradient", (double)gradients[s->classes * s->classes + c], slope, 1e-4);
    }
    CHECK_OK(martlet_model_destroy(model));
    settings++;
}

static void every(void) {
    static const int64_t classes[] = {2, 5, 10, 16, 17, MOST_CLASSES};
    static const double smoothings[] = {0, 0.1};
    const uint32_t both = (1u << MARTLET_METRIC_ACCURACY) | (1u << MARTLET_METRIC_TOP_ACCURACY), all = both | (1u << MARTLET_METRIC_MSE) | (1u << MARTLET_METRIC_MAE);
    for (int k = 0; k < LENGTH(classes); k++)
        for (int64_t rows = 1; rows <= 3; rows += 2)
            for (int as_labels = 0; as_labels < 2; as_labels++) {
                struct setting s = {MARTLET_LOSS_CROSS_ENTROPY, MARTLET_FROM_AUTO, 0, as_labels, rows, classes[k], 0, 1, as_labels ? both : all, 2, false, 1};
                for (int smooth = 0; smooth < 2; smooth++) {
                    s.smoothing = smoothings[smooth];
                    s.activation = MARTLET_ACTIVATION_LINEAR, one(&s);
                    s.activation = MARTLET_ACTIVATION_SOFTMAX, one(&s);
                    s.from = MARTLET_FROM_LOGITS, one(&s); /* of what softmax gave */
                    s.activation = MARTLET_ACTIVATION_SIGMOID, s.from = MARTLET_FROM_PROBABILITIES, one(&s); /* whose sum is not 1 */
                    s.from = MARTLET_FROM_AUTO;
                }
                s.smoothing = 0, s.loss = MARTLET_LOSS_NLL, s.activation = MARTLET_ACTIVATION_LINEAR, one(&s);
                if (as_labels) continue;
                for (s.loss = MARTLET_LOSS_MSE; s.loss <= MARTLET_LOSS_HUBER; s.loss++) {
                    s.delta = s.loss == MARTLET_LOSS_HUBER ? 0.5 + (double)k / 4 : 1;
                    s.activation = MARTLET_ACTIVATION_LINEAR, one(&s);
                    s.activation = MARTLET_ACTIVATION_SIGMOID, one(&s);
                }
                s.delta = 1;
                s.loss = MARTLET_LOSS_BINARY_CROSS_ENTROPY, s.metrics = all & ~(1u << MARTLET_METRIC_TOP_ACCURACY);
                for (int smooth = 0; smooth < 2; smooth++) {
                    s.smoothing = smoothings[smooth];
                    s.activation = MARTLET_ACTIVATION_LINEAR, one(&s);
                    s.activation = MARTLET_ACTIVATION_SIGMOID, one(&s);
                }
            }
    for (int as_labels = 0; as_labels < 2; as_labels++) { /* one output that says yes or no */
        struct setting s = {MARTLET_LOSS_BINARY_CROSS_ENTROPY, MARTLET_FROM_AUTO, 0, as_labels, 1, 1, 0, 1, 1u << MARTLET_METRIC_ACCURACY, 1, false, 1};
        s.activation = MARTLET_ACTIVATION_LINEAR, one(&s);
        s.activation = MARTLET_ACTIVATION_SIGMOID, one(&s);
        s.smoothing = 0.2, one(&s);
        s.loss = MARTLET_LOSS_MSE, s.smoothing = 0;
        if (!as_labels) one(&s);
    }
}

/* Wrong answers of every degree, from slightly to by thousands: the gradient never vanishes, and the loss has no bound. */
static void wrong(void) {
    static const float scales[] = {1, 4, 10, 100, 1000};
    static const int32_t froms[] = {MARTLET_FROM_AUTO, MARTLET_FROM_PROBABILITIES};
    for (int k = 0; k < 2 * 2 * 2 * 2 * LENGTH(scales); k++) {
        struct setting s = {0};
        s.apart = k & 1, s.labels = k & 2, s.smoothing = k & 4 ? 0.1 : 0, s.from = froms[k >> 3 & 1], s.scale = scales[k >> 4];
        s.rows = 3, s.delta = 1, s.top = 1;
        s.loss = MARTLET_LOSS_CROSS_ENTROPY, s.activation = MARTLET_ACTIVATION_SOFTMAX, s.classes = 10, one(&s);
        s.loss = MARTLET_LOSS_BINARY_CROSS_ENTROPY, s.activation = MARTLET_ACTIVATION_SIGMOID;
        if (s.labels) s.rows = s.classes = 1;
        one(&s);
    }
}

/* Probabilities that are given as such are kept within 1e-7 of 0 and 1, and there the gradient is 0. */
static void bounded(void) {
    for (int kind = 0; kind < 2; kind++) {
        const double none[MOST_CLASSES] = {0};
        const int32_t loss = kind ? MARTLET_LOSS_BINARY_CROSS_ENTROPY : MARTLET_LOSS_CROSS_ENTROPY;
        const struct setting s = {loss, MARTLET_FROM_PROBABILITIES, MARTLET_ACTIVATION_LINEAR, false, 1, 2, 0, 1, 0, 1, false, 1};
        float output[] = {0, 1}, target[] = {1, 0}, *gradients = NULL;
        const martlet_array x = check_array(output, 2, MARTLET_FP32), y = check_array(target, 2, MARTLET_FP32);
        martlet_model *model = make(&s, none);
        martlet_result result;
        CHECK_OK(martlet_result_init(&result, sizeof result));
        CHECK_OK(martlet_model_train(model, &result, &x, &y, NULL, 0));
        near(&s, "the loss at a bound", result.loss, -log(1e-7), 1e-2); /* 1 - 1e-7 is no number of fp32 */
        CHECK_OK(martlet_model_buffer_get(model, &gradients, NULL, MARTLET_BUFFER_GRADIENTS));
        CHECK(gradients[4] == 0 && gradients[5] == 0);
        CHECK_OK(martlet_model_destroy(model));
    }
}

/* What the output is to a cross-entropy does not change with layers behind the last activation that move, drop or pool
 * elements, or are linear: each of these keeps a 1 x 1 image of three channels as it is. Any other layer counts. */
static void moved(void) {
    static const struct {
        int32_t kind;
        bool counts;
    } behind[] = {{MARTLET_LAYER_FLATTEN, false},        {MARTLET_LAYER_RESHAPE, false},
                  {MARTLET_LAYER_PERMUTE, false},        {MARTLET_LAYER_DROPOUT, false},
                  {MARTLET_LAYER_MAX_POOL2D, false},     {MARTLET_LAYER_AVERAGE_POOL2D, false},
                  {MARTLET_LAYER_GLOBAL_AVERAGE_POOL2D, false}, {MARTLET_LAYER_ACTIVATION, false},
                  {MARTLET_LAYER_NORMALIZATION, true}};
    check_fill(inputs, LENGTH(inputs), 1);
    memset(labels, 0, sizeof labels);
    const martlet_array x = check_array(inputs, 6, MARTLET_FP32), y = check_array(labels, 2, MARTLET_INT32);
    for (int activation = MARTLET_ACTIVATION_SIGMOID; activation <= MARTLET_ACTIVATION_SOFTMAX; activation++) {
        double alone = 0;
        for (int k = -1; k < LENGTH(behind); k++) {
            martlet_model *model = NULL;
            martlet_training training;
            martlet_result result;
            CHECK_OK(martlet_model_create(&model, (int64_t[]){1, 1, 3}, 3, 0));
            network_add(model, MARTLET_LAYER_DENSE, 3, activation);
            const int32_t kind = k < 0 ? 0 : behind[k].kind;
            for (int layers = 0; layers < (kind == MARTLET_LAYER_GLOBAL_AVERAGE_POOL2D ? 1 : 2) && k >= 0; layers++) {
                martlet_layer layer = network_layer(kind, 0, MARTLET_ACTIVATION_LINEAR);
                if (kind == MARTLET_LAYER_MAX_POOL2D || kind == MARTLET_LAYER_AVERAGE_POOL2D) layer.kernel[0] = layer.kernel[1] = 1;
                if (kind == MARTLET_LAYER_RESHAPE) layer.rank = 1, layer.sizes[0] = 3;
                if (kind == MARTLET_LAYER_PERMUTE) layer.rank = 3, layer.sizes[0] = 1, layer.sizes[2] = 2;
                CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
            }
            CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
            CHECK_OK(martlet_model_compile(model, &training, NULL));
            CHECK_OK(martlet_result_init(&result, sizeof result));
            CHECK_OK(martlet_model_evaluate(model, &result, &x, &y, NULL));
            if (k < 0) alone = result.loss;
            else CHECK_SAYING((fabs(result.loss - alone) < 1e-6) != behind[k].counts, "kind %d: %g, alone %g", kind, result.loss, alone);
            CHECK_OK(martlet_model_destroy(model));
        }
    }
}

int main(void) {
    alarm(110);
    martlet_machine machine = {0};
    REQUIRE(martlet_machine_get(&machine, sizeof machine) == MARTLET_OK);
    for (int32_t isa = MARTLET_ISA_BASELINE; isa <= machine.isa_best; isa++) {
        CHECK_OK(martlet_isa_set(isa));
        every();
        wrong();
    }
    bounded();
    moved();
    printf("%d settings on %d instruction sets; ", settings, machine.isa_best);
    return check_end();
}
