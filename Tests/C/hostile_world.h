/*
 * The memory behind a hostile call, and what the spoiling statements of hostile_values.py use. The C file
 * that hostile.py writes includes this before its cases and hostile_run.h after them.
 */
#ifndef HOSTILE_WORLD_H
#define HOSTILE_WORLD_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "hostile_model_world.h"
#include "reference.h"

#define COUNT 64 /* elements; even */

/* Everything that a call can reach of the caller's memory. Its bytes are compared after a failure. */
struct world {
    struct {
        martlet_config config;
        unsigned char tail[4096];
    } config;
    struct {
        martlet_report report;
        unsigned char tail[4096];
    } report;
    struct {
        martlet_machine machine;
        unsigned char tail[4096];
    } machine;
    struct {
        martlet_schedule schedule;
        unsigned char tail[4096];
    } schedule;
    struct {
        martlet_plateau plateau;
        unsigned char tail[4096];
    } plateau;
    martlet_schedule schedules[2];
    martlet_config groups[2];
    float value[2][COUNT], grad[2][COUNT], state[2][3 * COUNT], more[COUNT], scratch[8 * COUNT];
    martlet_array slots[2][3], grads[2], array, out_array;
    martlet_slot out_slot;
    martlet_parameter parameters[2], added;
    martlet_rows given[2];
    int64_t rows[COUNT], steps[2], sizes[64], strides[64], out_int64;
    int32_t out_int32;
    double out_double;
    char path[32];
    martlet_question questions[2];
    void *objects[3];
    int64_t answers[6];
    martlet_optimizer *optimizer, *gone, *gone_clone, *out_optimizer;
    struct model_world m;
};

struct hostile_case {
    const char *function, *parameter, *value, *expected;
    void (*prepare)(struct world *w, void *arguments);
    martlet_status (*invoke)(void *arguments);
    void (*spoil)(struct world *w, void *arguments);
    size_t size;
};

/* ---- what the spoiling statements use ---- */

/* Two questions, of which the second has no answer. */
UNUSED static int32_t own_address(void *object, void *out_answer) {
    memcpy(out_answer, &object, sizeof object);
    return 0;
}

UNUSED static int32_t no_answer(void *object, void *out_answer) {
    (void)object, (void)out_answer;
    return INT32_MIN;
}

UNUSED static martlet_status text_status(const char *text) {
    return text == NULL ? MARTLET_ERROR_ARGUMENT : strlen(text) < 1024 ? MARTLET_OK : MARTLET_ERROR_FORMAT;
}

/* Lays an array of COUNT elements out as 2 by COUNT / 2. */
UNUSED static void shape(struct world *w, martlet_array *array) {
    array->rank = 2;
    array->sizes = w->sizes;
    array->strides = w->strides;
    w->sizes[0] = 2, w->sizes[1] = COUNT / 2;
    w->strides[0] = COUNT / 2, w->strides[1] = 1;
}

UNUSED static void shape_64(struct world *w, martlet_array *array) {
    array->rank = 64;
    array->sizes = w->sizes;
    array->strides = w->strides;
    for (int d = 0; d < 64; d++) w->sizes[d] = w->strides[d] = 1;
    w->sizes[10] = 2, w->strides[10] = COUNT / 2, w->sizes[50] = COUNT / 2;
}

/* COUNT row numbers, of 64 rows. */
UNUSED static int64_t *number_rows(struct world *w, int64_t each) {
    for (int k = 0; k < COUNT; k++) w->rows[k] = each < 0 ? k % 7 : each;
    return w->rows;
}

UNUSED static void empty(martlet_parameter *parameter) {
    parameter->value.count = parameter->grad.count = 0;
    parameter->value.data = parameter->grad.data = NULL;
    for (int64_t s = 0; s < parameter->state_count; s++) parameter->state[s].count = 0, parameter->state[s].data = NULL;
}

UNUSED static char *long_text(size_t length) {
    char *text = malloc(length + 1);
    REQUIRE(text != NULL);
    memset(text, 'n', length);
    text[length] = 0;
    return text;
}

/* `size` bytes (with the text, if any) that end where a page that may not be touched begins. */
UNUSED static void *at_page_end(const char *text, size_t size) {
    unsigned char *bytes = check_guarded(size, true);
    if (text != NULL) memcpy(bytes, text, size);
    return bytes;
}

#endif
