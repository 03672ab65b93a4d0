/*
 * Sequences that a model is run along some steps at a time: each step gives the bits that the whole sequence gives there, with
 * keys, values and states that are kept; a step allocates nothing, where malloc_count.c is preloaded; and what cannot be run so is said.
 */
#include "malloc_count.h"
#include "network.h"

#define SEQUENCES 3
#define STEPS 37
#define VOCABULARY 19
#define WIDTH 24
#define EACH (STEPS * VOCABULARY)

static int32_t add(martlet_model *model, martlet_layer layer, int32_t first, int32_t second, int32_t third) {
    const int32_t inputs[] = {first, second, third};
    int32_t node = -1;
    REQUIRE(martlet_model_add(model, &layer, inputs, third >= 0 ? 3 : second >= 0 ? 2 : 1, &node) == MARTLET_OK);
    return node;
}

static martlet_layer of(int32_t kind, int64_t units) { return network_layer(kind, units, MARTLET_ACTIVATION_LINEAR); }

/* Two blocks of attention over ids, and a head with a kernel of its own, or with the table. */
static martlet_model *language_model(uint32_t flags, bool tied) {
    martlet_model *model = NULL;
    REQUIRE(martlet_model_create(&model, (const int64_t[]){STEPS}, 1, 5) == MARTLET_OK);
    martlet_layer table = of(MARTLET_LAYER_EMBEDDING, WIDTH), attention = of(MARTLET_LAYER_ATTENTION, 0);
    table.vocabulary = VOCABULARY, attention.groups = 3, attention.flags = flags;
    martlet_layer head = of(tied ? MARTLET_LAYER_TIED_DENSE : MARTLET_LAYER_DENSE, VOCABULARY);
    int32_t x = add(model, table, 0, -1, -1);
    head.table = x;
    martlet_layer places = of(MARTLET_LAYER_POSITION, 0);
    places.kernel_initializer = MARTLET_INITIALIZER_NORMAL, places.kernel_value = 1;
    x = add(model, of(MARTLET_LAYER_ADD, 0), x, add(model, places, x, -1, -1), -1);
    for (int k = 0; k < 2; k++) {
        const int32_t normal = add(model, of(MARTLET_LAYER_LAYER_NORM, 0), x, -1, -1);
        int32_t parts[3];
        for (int part = 0; part < 3; part++) parts[part] = add(model, of(MARTLET_LAYER_DENSE, WIDTH), normal, -1, -1);
        const int32_t taken = add(model, attention, parts[0], parts[1], parts[2]);
        x = add(model, of(MARTLET_LAYER_ADD, 0), x, add(model, of(MARTLET_LAYER_DENSE, WIDTH), taken, -1, -1), -1);
        const int32_t wide = add(model, network_layer(MARTLET_LAYER_DENSE, 4 * WIDTH, MARTLET_ACTIVATION_GELU), x, -1, -1);
        x = add(model, of(MARTLET_LAYER_ADD, 0), x, add(model, of(MARTLET_LAYER_DENSE, WIDTH), wide, -1, -1), -1);
    }
    add(model, head, x, -1, -1);
    return model;
}

/* Two recurrent layers over ids. */
static martlet_model *character_model(int32_t kind, uint32_t flags) {
    martlet_model *model = NULL;
    REQUIRE(martlet_model_create(&model, (const int64_t[]){STEPS}, 1, 5) == MARTLET_OK);
    martlet_layer table = of(MARTLET_LAYER_EMBEDDING, WIDTH);
    table.vocabulary = VOCABULARY, table.kernel_initializer = MARTLET_INITIALIZER_NORMAL, table.kernel_value = 1;
    int32_t x = add(model, table, 0, -1, -1);
    for (int k = 0; k < 2; k++) {
        martlet_layer layer = of(kind, 21 + k);
        layer.flags = flags, layer.activation = MARTLET_ACTIVATION_TANH;
        layer.recurrent_activation = MARTLET_ACTIVATION_SIGMOID;
        x = add(model, layer, x, -1, -1);
    }
    add(model, of(MARTLET_LAYER_DENSE, VOCABULARY), x, -1, -1);
    return model;
}

static int32_t ids[SEQUENCES * STEPS];
static float whole[SEQUENCES * EACH];

/* So many steps of each sequence from one on. */
static martlet_status next(martlet_model *model, int first, int steps, float *out) {
    int32_t some[SEQUENCES * STEPS];
    for (int k = 0; k < SEQUENCES; k++) memcpy(some + k * steps, ids + k * STEPS + first, (size_t)steps * sizeof *some);
    const martlet_array x = check_array(some, SEQUENCES * steps, MARTLET_INT32);
    return martlet_model_sequence_predict(model, out, SEQUENCES * steps * VOCABULARY, &x);
}

static void check_steps(const float *out, int first, int steps) {
    for (int k = 0; k < SEQUENCES; k++) {
        const float *wanted = whole + k * EACH + first * VOCABULARY;
        CHECK_SAYING(memcmp(out + k * steps * VOCABULARY, wanted, (size_t)(steps * VOCABULARY) * sizeof *out) == 0,
                     "sequence %d, steps %d to %d differ", k, first, first + steps - 1);
    }
}

static void steps_are_those_of_the_whole(martlet_model *model, int32_t threads) {
    static const int cuts[][4] = {{1, 1, 1, 1}, {5, 1, 12, 3}, {STEPS, 1, 1, 1}, {2, 30, 1, 1}};
    static float out[SEQUENCES * EACH];
    const martlet_array x = check_array(ids, SEQUENCES * STEPS, MARTLET_INT32);
    CHECK_OK(martlet_threads_set(threads));
    CHECK_OK(martlet_model_predict(model, whole, LENGTH(whole), &x, NULL));
    CHECK_STATUS(next(model, 0, 1, out), MARTLET_ERROR_ORDER);
    for (int k = 0; k < LENGTH(cuts); k++) {
        CHECK_OK(martlet_model_sequence_reset(model, SEQUENCES));
        for (int done = 0, turn = 0; done < STEPS; turn++) {
            const int left = STEPS - done, steps = cuts[k][turn % 4] < left ? cuts[k][turn % 4] : left;
            if (turn == 3 && malloc_count_start != NULL) malloc_count_start(0, 0);
            CHECK_OK(next(model, done, steps, out));
            check_steps(out, done, steps);
            done += steps;
        }
        if (malloc_count_stop != NULL && k < 2) CHECK_SAYING(malloc_count_stop() == 0, "steps allocate, cut %d", k);
    }
    CHECK_OK(martlet_model_destroy(model));
}

/* Without attention and positions more steps than the input has may follow one another, as many as that in a call. */
static void states_know_no_end(void) {
    static float out[SEQUENCES * EACH], last[SEQUENCES * EACH];
    martlet_model *model = character_model(MARTLET_LAYER_LSTM, MARTLET_RETURN_SEQUENCES);
    CHECK_OK(martlet_model_sequence_reset(model, SEQUENCES));
    for (int turn = 0; turn < 40; turn++) {
        CHECK_OK(next(model, 0, STEPS, turn == 0 ? out : last));
        if (turn > 0) CHECK(memcmp(out, last, sizeof out) != 0);
    }
    const martlet_array x = check_array(ids, SEQUENCES * STEPS, MARTLET_INT32);
    CHECK_OK(martlet_model_sequence_reset(model, 1));
    CHECK_STATUS(martlet_model_sequence_predict(model, out, SEQUENCES * EACH, &x), MARTLET_ERROR_SHAPE);
    CHECK_OK(martlet_model_destroy(model));
}

/* What is refused leaves sequences where they are. */
static void refusals(void) {
    static float out[SEQUENCES * EACH];
    martlet_model *model = language_model(MARTLET_CAUSAL, false);
    CHECK_OK(martlet_model_sequence_reset(model, SEQUENCES));
    CHECK_OK(next(model, 0, 4, out));
    for (int64_t count = -1; count <= 0; count++) CHECK_STATUS(martlet_model_sequence_reset(model, count), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_sequence_reset(model, INT64_MAX), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_sequence_reset(model, (int64_t)1 << 31), MARTLET_ERROR_MEMORY);
    CHECK_STATUS(next(model, 0, STEPS - 3, out), MARTLET_ERROR_SHAPE);
    const int64_t two[] = {2, 2}, strides[] = {2, 1};
    martlet_array x = check_array(ids, 4, MARTLET_INT32);
    CHECK_STATUS(martlet_model_sequence_predict(model, out, 4 * VOCABULARY, &x), MARTLET_ERROR_SHAPE);
    x = check_array(ids, SEQUENCES * 2, MARTLET_INT32);
    x.rank = 2, x.sizes = two, x.strides = strides;
    CHECK_STATUS(martlet_model_sequence_predict(model, out, SEQUENCES * 2 * VOCABULARY, &x), MARTLET_ERROR_SHAPE);
    const int32_t kept = ids[STEPS + 4];
    ids[STEPS + 4] = VOCABULARY;
    CHECK_STATUS(next(model, 4, 3, out), MARTLET_ERROR_ARGUMENT);
    ids[STEPS + 4] = kept;
    CHECK_OK(next(model, 4, 3, out));
    check_steps(out, 4, 3);
    CHECK_OK(martlet_model_destroy(model));
    model = language_model(0, false);
    CHECK_STATUS(martlet_model_sequence_reset(model, 1), MARTLET_ERROR_UNSUPPORTED);
    CHECK(strstr(martlet_last_error(), "sees steps behind") != NULL);
    CHECK_OK(martlet_model_destroy(model));
    static const struct {
        uint32_t flags;
        const char *says;
    } bad[] = {{0, "last state alone"},
               {MARTLET_RETURN_SEQUENCES | MARTLET_GO_BACKWARDS, "from their end"},
               {MARTLET_RETURN_SEQUENCES | MARTLET_RETURN_STATE, "last states behind"}};
    for (int k = 0; k < LENGTH(bad); k++) {
        CHECK_OK(martlet_model_create(&model, (const int64_t[]){STEPS, WIDTH}, 2, 5));
        martlet_layer layer = of(MARTLET_LAYER_LSTM, 7);
        layer.flags = bad[k].flags;
        add(model, layer, 0, -1, -1);
        CHECK_STATUS(martlet_model_sequence_reset(model, 1), MARTLET_ERROR_UNSUPPORTED);
        CHECK(strstr(martlet_last_error(), bad[k].says) != NULL);
        CHECK(strstr(martlet_last_error(), "lstm") != NULL);
        CHECK_OK(martlet_model_destroy(model));
    }
    model = network_image(3);
    CHECK_STATUS(martlet_model_sequence_reset(model, 1), MARTLET_ERROR_UNSUPPORTED);
    CHECK_OK(martlet_model_destroy(model));
    model = network_dense(8, 6, 1);
    CHECK_STATUS(martlet_model_sequence_reset(model, 1), MARTLET_ERROR_UNSUPPORTED);
    CHECK_OK(martlet_model_destroy(model));
}

/* A prediction has room for the weights of attention, and none for what a backward pass does with them. */
static void room_of_a_prediction(void) {
    static float x[8 * 64 * 8], out[8 * 64 * 8];
    if (malloc_count_start == NULL) return;
    const martlet_array given = check_array(x, LENGTH(x), MARTLET_FP32);
    for (int k = 0; k < 2; k++) {
        martlet_model *model = NULL;
        CHECK_OK(martlet_model_create(&model, (const int64_t[]){64, 8}, 2, 5));
        martlet_layer attention = of(MARTLET_LAYER_ATTENTION, 0);
        attention.groups = 4;
        add(model, attention, 0, 0, 0);
        /* 512 KB of weights; the first time there is the thread's scratch too. */
        malloc_count_start(0, 900 << 10);
        CHECK_OK(martlet_model_predict(model, out, LENGTH(out), &given, NULL));
        const long seen = malloc_count_stop();
        if (k > 0) CHECK_SAYING(seen == 0, "%ld allocations of 900 KB and more", seen);
        CHECK_OK(martlet_model_destroy(model));
    }
}

int main(void) {
    alarm(60);
    room_of_a_prediction();
    for (int k = 0; k < LENGTH(ids); k++) ids[k] = (int32_t)(check_bits(7, (uint64_t)k) % VOCABULARY);
    static const int32_t kinds[] = {MARTLET_LAYER_LSTM, MARTLET_LAYER_GRU, MARTLET_LAYER_SIMPLE_RNN};
    for (int32_t threads = 1; threads <= 2; threads++) {
        for (int k = 0; k < LENGTH(kinds); k++) {
            steps_are_those_of_the_whole(character_model(kinds[k], MARTLET_RETURN_SEQUENCES), threads);
        }
        steps_are_those_of_the_whole(language_model(MARTLET_CAUSAL, true), threads);
        steps_are_those_of_the_whole(language_model(MARTLET_CAUSAL, false), threads);
    }
    states_know_no_end();
    refusals();
    return check_end();
}
