/*
 * Counters at and around every bound that a number of steps may meet: 2^53, 2^62, 2^63 - 1. What an optimizer or a model
 * holds is what it saves, what it saves it loads, and what it loads it saves again; a step at 2^63 - 1, and a fit that
 * would go past it, are refused before anything has changed. Files that are damaged are in corrupt.c and model_files.c.
 */
#include "checkpoint.h"
#include "network.h"

#define PATH "counters.safetensors"

static const int64_t counts[] = {
    0, ((int64_t)1 << 53) - 1, (int64_t)1 << 53, ((int64_t)1 << 53) + 1, ((int64_t)1 << 62) - 1, (int64_t)1 << 62, INT64_MAX - 1, INT64_MAX,
};

/* ---- optimizers ---- */

/* Saves, and loads into another one, which then holds this count. */
static martlet_optimizer *optimizer_again(martlet_optimizer *optimizer, int64_t count) {
    martlet_optimizer *loaded = checkpoint_create();
    CHECK_OK(martlet_optimizer_save(optimizer, PATH));
    CHECK_OK(martlet_optimizer_load(loaded, PATH));
    for (int64_t k = 0; k < CHECKPOINT_PARAMETERS; k++) {
        int64_t step = -1;
        CHECK_OK(martlet_optimizer_step_get(loaded, &step, k));
        CHECK_SAYING(step == count, "%lld steps, not %lld", (long long)step, (long long)count);
    }
    CHECK(checkpoint_hash(loaded) == checkpoint_hash(optimizer));
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    return loaded;
}

static void optimizers(int64_t count) {
    martlet_optimizer *optimizer = checkpoint_create();
    checkpoint_train(optimizer, 1);
    for (int64_t k = 0; k < CHECKPOINT_PARAMETERS; k++) CHECK_OK(martlet_optimizer_step_set(optimizer, k, count));
    optimizer = optimizer_again(optimizer_again(optimizer, count), count);
    if (count < INT64_MAX) {
        checkpoint_train(optimizer, 1);
        optimizer = optimizer_again(optimizer, count + 1);
    } else {
        const uint64_t before = checkpoint_hash(optimizer);
        float grad[5] = {0};
        const martlet_array grads[CHECKPOINT_PARAMETERS] = {check_array(grad, 5, MARTLET_FP32), check_array(grad, 3, MARTLET_FP32)};
        CHECK_STATUS(martlet_optimizer_step(optimizer, NULL, grads, CHECKPOINT_PARAMETERS), MARTLET_ERROR_ARGUMENT);
        CHECK_SAYING(strstr(martlet_last_error(), "9223372036854775807") != NULL, "%s", martlet_last_error());
        CHECK(checkpoint_hash(optimizer) == before);
        optimizer = optimizer_again(optimizer, count);
    }
    CHECK_STATUS(martlet_optimizer_step_set(optimizer, 0, -1), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
}

/* Every algorithm by every convention takes the last step that there is, or refuses to; none goes past it. */
static void last_steps(void) {
    for (int32_t algorithm = MARTLET_ADAM; martlet_algorithm_name(algorithm) != NULL; algorithm++)
        for (int32_t semantics = MARTLET_SEMANTICS_TORCH; semantics <= MARTLET_SEMANTICS_PAPER; semantics++) {
            martlet_config config = check_config(algorithm);
            config.semantics = semantics;
            float value[4] = {1, 2, 3, 4}, grad[4] = {1, 1, 1, 1}, state[64] = {0};
            int64_t step = INT64_MAX - 2;
            const martlet_status first = martlet_array_step(value, grad, state, 4, &step, &config);
            CHECK(first == MARTLET_OK || first == MARTLET_ERROR_ARGUMENT || !check_takes_vectors(&config));
            if (first != MARTLET_OK) continue;
            CHECK_OK(martlet_array_step(value, grad, state, 4, &step, &config));
            CHECK(step == INT64_MAX);
            CHECK_STATUS(martlet_array_step(value, grad, state, 4, &step, &config), MARTLET_ERROR_ARGUMENT);
        }
}

/* ---- many parameters that share counters ---- */

/* So many that nobody would wait for a look at each pair of them. */
static void shared(void) {
    enum { COUNT = 200000 };
    martlet_parameter *parameters = calloc(COUNT, sizeof *parameters);
    martlet_array *state = calloc(2 * COUNT, sizeof *state);
    float *memory = calloc(4 * COUNT, sizeof *memory), shown = 0;
    int64_t steps[2] = {0};
    const martlet_config config = check_config(MARTLET_ADAM);
    REQUIRE(parameters != NULL && state != NULL && memory != NULL);
    for (int64_t k = 0; k < COUNT; k++) {
        martlet_parameter *parameter = &parameters[k];
        for (int slot = 0; slot < 2; slot++) state[2 * k + slot] = check_array(&memory[4 * k + slot], 1, MARTLET_FP32);
        parameter->value = check_array(&memory[4 * k + 2], 1, MARTLET_FP32);
        parameter->grad = check_array(&memory[4 * k + 3], 1, MARTLET_FP32);
        parameter->state = &state[2 * k], parameter->state_count = 2;
        parameter->step = &steps[k % 2], parameter->step_shown = &shown, parameter->step_shown_dtype = MARTLET_FP32;
    }
    CHECK_OK(martlet_step(NULL, parameters, COUNT, &config, 1));
    CHECK(steps[0] == 1 && steps[1] == 1 && shown == 1);
    parameters[0].grad.data = &shown;
    CHECK_STATUS(martlet_step(NULL, parameters, COUNT, &config, 1), MARTLET_ERROR_OVERLAP);
    parameters[0].grad.data = steps;
    CHECK_STATUS(martlet_step(NULL, parameters, COUNT, &config, 1), MARTLET_ERROR_OVERLAP);
    CHECK(steps[0] == 1 && steps[1] == 1 && shown == 1);
    free(parameters), free(state), free(memory);
}

/* ---- models: no call sets their counters, a file does ---- */

/* The file's counters, as they stand in it, replaced. */
static void edit(const char *from, const char *to) {
    static unsigned char old[1 << 14], fresh[1 << 14];
    const long size = checkpoint_read(PATH, old, sizeof old);
    uint64_t header = 0;
    memcpy(&header, old, 8);
    const unsigned char *place = memmem(old + 8, (size_t)header, from, strlen(from));
    CHECK_SAYING(place != NULL, "no %s", from);
    if (place == NULL) return;
    const size_t before = (size_t)(place - old), after = before + strlen(from);
    memcpy(fresh, old, before);
    memcpy(fresh + before, to, strlen(to));
    size_t end = before + strlen(to);
    memcpy(fresh + end, old + after, 8 + (size_t)header - after);
    end += 8 + (size_t)header - after;
    while (end % 8 != 0) fresh[end++] = ' ';
    const uint64_t length = end - 8;
    memcpy(fresh, &length, 8);
    memcpy(fresh + end, old + 8 + header, (size_t)size - 8 - (size_t)header);
    checkpoint_write(PATH, fresh, end + (size_t)size - 8 - (size_t)header);
}

static martlet_model *model_again(martlet_model *model, int64_t count) {
    martlet_model *loaded = NULL;
    int64_t step = -1;
    CHECK_OK(martlet_model_save(model, PATH));
    REQUIRE(martlet_model_load(&loaded, PATH) == MARTLET_OK);
    CHECK_OK(martlet_model_step_get(loaded, &step));
    CHECK_SAYING(step == count, "%lld steps, not %lld", (long long)step, (long long)count);
    CHECK(network_hash(loaded, false) == network_hash(model, false));
    CHECK_OK(martlet_model_destroy(model));
    return loaded;
}

/* What asks for more steps or epochs than can be counted is refused, and nothing has changed. */
static void refuse(martlet_model *model, const struct network_data *data, int64_t epochs) {
    const uint64_t before = network_hash(model, true);
    CHECK_STATUS(network_fit(model, data, epochs, 0), MARTLET_ERROR_ARGUMENT);
    CHECK_SAYING(strstr(martlet_last_error(), "2^63 - 1") != NULL, "%s", martlet_last_error());
    CHECK(network_hash(model, true) == before);
}

static void models(const struct network_data *data, int64_t steps, int64_t epochs, int64_t taken) {
    martlet_model *model = network_dense(8, 6, 7), *loaded = NULL;
    char from[128], to[128];
    network_compile(model, NETWORK_SAMPLES);
    CHECK_OK(network_fit(model, data, 1, 0));
    CHECK_OK(martlet_model_save(model, PATH));
    CHECK_OK(martlet_model_destroy(model));
    snprintf(from, sizeof from, "step=1 epoch=1 optimizer_step=1");
    snprintf(to, sizeof to, "step=%lld epoch=%lld optimizer_step=%lld", (long long)steps, (long long)epochs, (long long)taken);
    edit(from, to);
    REQUIRE(martlet_model_load(&loaded, PATH) == MARTLET_OK);
    model = model_again(model_again(loaded, steps), steps);
    const int64_t left = INT64_MAX - (steps > taken ? steps : taken);
    if (left == 0) {
        const uint64_t before = network_hash(model, true);
        CHECK_STATUS(martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0), MARTLET_ERROR_ARGUMENT);
        CHECK(network_hash(model, true) == before);
    }
    if (left < 2 || INT64_MAX - epochs < 2) refuse(model, data, 2);
    if (left > 0 && epochs < INT64_MAX) {
        CHECK_OK(network_fit(model, data, 1, 0));
        model = model_again(model, steps + 1);
    } else {
        refuse(model, data, 1);
        model = model_again(model, steps);
    }
    CHECK_OK(martlet_model_destroy(model));
}

int main(void) {
    alarm(60);
    struct network_data *data = network_data(8);
    last_steps();
    shared();
    for (int k = 0; k < LENGTH(counts); k++) {
        optimizers(counts[k]);
        models(data, counts[k], counts[k], counts[k]);
        models(data, counts[k], 0, 0), models(data, 0, counts[k], 0), models(data, 0, 0, counts[k]);
    }
    network_data_free(data);
    return check_end();
}
