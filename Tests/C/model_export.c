/*
 * Models written as files of C: each is compiled by the strictest C99, loaded, and gives what the library predicts, within
 * rounding. So does a model that is exported in the midst of its training, of the parameters that it has then. What cannot
 * be written leaves what was there.
 */
#include <dlfcn.h>
#include <sys/stat.h>

#include "network.h"

#define MEMORY 65536

static void (*compiled(const char *name, int number))(const float *, float *, float *) {
    static void (*predict)(const float *, float *, float *);
    char line[400];
    snprintf(line, sizeof line, "cc -std=c99 -Wall -Wextra -pedantic -Werror -O1 -fPIC -shared -Wl,-z,defs %s.c -lm -o ./%s%d.so", name,
             name, number);
    REQUIRE(system(line) == 0);
    snprintf(line, sizeof line, "./%s%d.so", name, number);
    void *const library = dlopen(line, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(library != NULL);
    snprintf(line, sizeof line, "%s_predict", name);
    void *const found = dlsym(library, line);
    REQUIRE(found != NULL);
    memcpy(&predict, &found, sizeof found);
    return predict;
}

static void same_predictions(martlet_model *model, const struct network_data *data, int64_t elements, int number) {
    static float right[NETWORK_SAMPLES * NETWORK_CLASSES], out[NETWORK_CLASSES], memory[MEMORY];
    CHECK_OK(martlet_model_export(model, "written.c"));
    CHECK_OK(martlet_model_predict(model, right, LENGTH(right), &data->x, NULL));
    void (*const predict)(const float *, float *, float *) = compiled("written", number);
    float most = 0, apart = 0;
    for (int k = 0; k < LENGTH(right); k++) most = fmaxf(most, fabsf(right[k]));
    for (int k = 0; k < NETWORK_SAMPLES; k++) {
        predict(data->inputs + k * elements, out, memory);
        for (int c = 0; c < NETWORK_CLASSES; c++) apart = fmaxf(apart, fabsf(out[c] - right[k * NETWORK_CLASSES + c]));
    }
    CHECK_SAYING(most > 0 && apart <= 1e-5f * most, "model %d: %g apart of %g", number, (double)apart, (double)most);
}

static void trained(martlet_model *model, int64_t elements, int number) {
    struct network_data *data = network_data(elements);
    same_predictions(model, data, elements, number);
    network_compile(model, 8);
    CHECK_OK(network_fit(model, data, 2, 0));
    const uint64_t before = network_hash(model, true);
    same_predictions(model, data, elements, number + 1);
    CHECK(network_hash(model, true) == before);
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

static void refused(void) {
    martlet_model *model = network_dense(20, 12, 3), *empty = NULL;
    CHECK_OK(martlet_model_create(&empty, (const int64_t[]){3}, 1, 1));
    CHECK_STATUS(martlet_model_export(empty, "written.c"), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_export(model, "missing/folder/written.c"), MARTLET_ERROR_FILE);
    CHECK_STATUS(martlet_model_export(model, NULL), MARTLET_ERROR_NULL);
    struct stat status;
    CHECK(stat("written.c", &status) == 0 && status.st_size > 1000);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(empty));
}

int main(void) {
    trained(network_dense(30, 20, 1), 30, 0);
    trained(network_image(2), NETWORK_PIXELS(NETWORK_SIDE), 2);
    refused();
    return check_end();
}
