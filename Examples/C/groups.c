/*
 * A small training program with everything that a handle offers: a network of two layers learns to tell
 * two spirals apart; weights and biases are in different groups, since biases are not decayed; the
 * learning rate follows a cosine; and the training is cut in half by a save and a load, which changes no
 * bit of the result.
 *
 *     cc groups.c -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -lm -o groups && ./groups
 */
#include <martlet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 200
#define HIDDEN 48
#define STEPS 800
#define CHECKPOINT "groups.safetensors"

/* The network: parameters and their gradients, as plain float arrays. */
struct network {
    float weight1[HIDDEN * 2], bias1[HIDDEN], weight2[HIDDEN], bias2[1];
};

static float points[POINTS][2], labels[POINTS];

static void check(martlet_status status) {
    if (status == MARTLET_OK) return;
    fprintf(stderr, "%s\n", martlet_last_error());
    exit(1);
}

static float uniform(void) {
    static unsigned seed = 12345;
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1;
}

static void make_spirals(void) {
    for (int i = 0; i < POINTS; i++) {
        const double turn = 0.3 + 2.7 * (i / 2) / (POINTS / 2), angle = turn * 2.2 + (i % 2) * 3.14159265;
        points[i][0] = (float)(turn / 3 * cos(angle));
        points[i][1] = (float)(turn / 3 * sin(angle));
        labels[i] = (float)(i % 2);
    }
}

static void start(struct network *n) {
    memset(n, 0, sizeof *n);
    for (int i = 0; i < HIDDEN * 2; i++) n->weight1[i] = 4 * uniform();
    for (int i = 0; i < HIDDEN; i++) n->bias1[i] = uniform(), n->weight2[i] = 0.3f * uniform();
}

/* The probability of label 1; `hidden` receives the hidden layer. */
static double predict(const struct network *n, const float point[2], double hidden[HIDDEN]) {
    double logit = n->bias2[0];
    for (int h = 0; h < HIDDEN; h++) {
        hidden[h] = tanh(n->weight1[2 * h] * point[0] + n->weight1[2 * h + 1] * point[1] + n->bias1[h]);
        logit += n->weight2[h] * hidden[h];
    }
    return 1 / (1 + exp(-logit));
}

/* Mean cross-entropy over all points, and its gradient. */
static double loss_and_gradient(const struct network *n, struct network *grad) {
    double loss = 0, hidden[HIDDEN];
    memset(grad, 0, sizeof *grad);
    for (int i = 0; i < POINTS; i++) {
        const double p = predict(n, points[i], hidden), error = (p - labels[i]) / POINTS;
        loss -= log(labels[i] > 0.5f ? p : 1 - p) / POINTS;
        grad->bias2[0] += (float)error;
        for (int h = 0; h < HIDDEN; h++) {
            const double back = error * n->weight2[h] * (1 - hidden[h] * hidden[h]);
            grad->weight2[h] += (float)(error * hidden[h]);
            grad->bias1[h] += (float)back;
            grad->weight1[2 * h] += (float)(back * points[i][0]);
            grad->weight1[2 * h + 1] += (float)(back * points[i][1]);
        }
    }
    return loss;
}

static martlet_array array(float *data, int64_t count) {
    martlet_array a = {0};
    a.data = data;
    a.count = count;
    a.dtype = MARTLET_FP32;
    return a;
}

static void lend(martlet_optimizer *optimizer, const char *name, float *data, int64_t count, int32_t group) {
    martlet_parameter p = {0};
    p.value = array(data, count);
    p.name = name;
    p.group = group;
    check(martlet_optimizer_add(optimizer, NULL, &p));
}

/* An optimizer over the network: group 0 decays, group 1 (biases) does not. */
static martlet_optimizer *optimizer_for(struct network *n) {
    martlet_optimizer *optimizer;
    martlet_config config;
    int32_t biases;
    check(martlet_config_init(&config, sizeof config, MARTLET_ADAMW));
    config.weight_decay = 1e-4;
    check(martlet_optimizer_create(&optimizer, &config));
    config.weight_decay = 0;
    check(martlet_optimizer_group_add(optimizer, &biases, &config));
    lend(optimizer, "layer1.weight", n->weight1, HIDDEN * 2, 0);
    lend(optimizer, "layer1.bias", n->bias1, HIDDEN, biases);
    lend(optimizer, "layer2.weight", n->weight2, HIDDEN, 0);
    lend(optimizer, "layer2.bias", n->bias2, 1, biases);
    return optimizer;
}

static void train(struct network *n, martlet_optimizer *optimizer, int from, int to, int talk) {
    struct network grad;
    const martlet_array grads[4] = {array(grad.weight1, HIDDEN * 2), array(grad.bias1, HIDDEN), array(grad.weight2, HIDDEN),
                                    array(grad.bias2, 1)};
    martlet_schedule cosine;
    check(martlet_schedule_init(&cosine, sizeof cosine, MARTLET_SCHEDULE_COSINE));
    cosine.rate = 0.03, cosine.steps = STEPS;
    for (int step = from; step < to; step++) {
        double lr;
        check(martlet_schedule_get(&lr, &cosine, 1, step));
        check(martlet_optimizer_set(optimizer, 0, MARTLET_LR, lr));
        check(martlet_optimizer_set(optimizer, 1, MARTLET_LR, lr));
        const double loss = loss_and_gradient(n, &grad);
        if (talk && step % 100 == 0) printf("    step %3d   lr %.4f   loss %.4f\n", step, lr, loss);
        check(martlet_optimizer_step(optimizer, NULL, grads, 4));
    }
}

static double accuracy(const struct network *n) {
    double hidden[HIDDEN];
    int right = 0;
    for (int i = 0; i < POINTS; i++) right += (predict(n, points[i], hidden) > 0.5) == (labels[i] > 0.5f);
    return (double)right / POINTS;
}

/* What the network says about each place; the points themselves as o and x. */
static void draw(const struct network *n) {
    double hidden[HIDDEN];
    for (int row = 0; row < 21; row++) {
        printf("    ");
        for (int column = 0; column < 56; column++) {
            const float at[2] = {(float)(-1.1 + 2.2 * column / 55), (float)(1.1 - 2.2 * row / 20)};
            char shown = predict(n, at, hidden) > 0.5 ? '.' : ' ';
            for (int i = 0; i < POINTS; i++)
                if (fabsf(points[i][0] - at[0]) < 0.02f && fabsf(points[i][1] - at[1]) < 0.055f) shown = i % 2 ? 'x' : 'o';
            putchar(shown);
        }
        putchar('\n');
    }
}

int main(void) {
    struct network whole, cut;
    make_spirals();
    start(&whole);
    cut = whole;

    printf("martlet %s: two spirals, two layers, two groups\n\n", martlet_version_name());
    martlet_optimizer *optimizer = optimizer_for(&whole);
    train(&whole, optimizer, 0, STEPS, 1);
    check(martlet_optimizer_destroy(optimizer));

    /* The same once more: half of it, a checkpoint, and the rest with another optimizer. */
    optimizer = optimizer_for(&cut);
    train(&cut, optimizer, 0, STEPS / 2, 0);
    check(martlet_optimizer_save(optimizer, CHECKPOINT));
    check(martlet_optimizer_destroy(optimizer));
    optimizer = optimizer_for(&cut);
    check(martlet_optimizer_load(optimizer, CHECKPOINT));
    train(&cut, optimizer, STEPS / 2, STEPS, 0);
    check(martlet_optimizer_destroy(optimizer));
    remove(CHECKPOINT);

    printf("\n");
    draw(&whole);
    const int same = memcmp(&whole, &cut, sizeof whole) == 0;
    printf("\n    %.1f%% of the points are right; training that was saved, loaded and resumed %s\n", 100 * accuracy(&whole),
           same ? "ends with the same bits" : "ENDS WITH OTHER BITS");
    return same && accuracy(&whole) >= 0.98 ? 0 : 1;
}
