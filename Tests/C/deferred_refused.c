/*
 * What deferred steps of rows refuse, by name, with nothing changed; and backlogs that hold anything at all.
 */
#include "deferred_table.h"

/* What is refused, by name, with nothing changed. */
static void refused(void) {
    int64_t rows[NAMED] = {1, 2};
    static float grad[2 * WIDTH];
    martlet_config config = check_config(MARTLET_ADAM);
    config.flags |= MARTLET_DEFER_ROWS;
    struct table *t = new_table(&config, &plain), before;
    martlet_array slots[SLOTS];
    martlet_parameter one = parameter(t, slots, &plain);
    one.grad = check_array(grad, 2 * WIDTH, MARTLET_FP32), one.rows = rows, one.row_count = 2;
    check_fill(grad, 2 * WIDTH, 5);
    CHECK_OK(martlet_step(NULL, &one, 1, &config, 1));
    memcpy(&before, t, sizeof before);
#define REFUSED(status, words)                                                                            \
    do {                                                                                                  \
        CHECK_STATUS(martlet_step(NULL, &one, 1, &config, 1), status);                                    \
        CHECK_SAYING(strstr(martlet_last_error(), words) != NULL, "%s", martlet_last_error());            \
        CHECK(memcmp(&before, t, sizeof before) == 0);                                                    \
    } while (0)
    one.backlog = NULL;
    REFUSED(MARTLET_ERROR_NULL, "parameters[0].backlog is NULL");
    one.backlog = (char *)t->backlog + 4;
    REFUSED(MARTLET_ERROR_ALIGNMENT, "parameters[0].backlog");
    one.backlog = (void *)(intptr_t)-64;
    REFUSED(MARTLET_ERROR_SHAPE, "parameters[0].backlog");
    one.backlog = t->value;
    REFUSED(MARTLET_ERROR_ARGUMENT, "parameters[0].backlog does not hold");
    one.backlog = t->backlog;
    for (int64_t kept = -1; kept <= KEPT + 1; kept += KEPT + 2) {
        const int64_t held = ((int64_t *)t->backlog)[0];
        ((int64_t *)t->backlog)[0] = kept;
        REFUSED(MARTLET_ERROR_ARGUMENT, "parameters[0].backlog does not hold");
        ((int64_t *)t->backlog)[0] = held;
    }
    one.value.rank = 0, slots[0].rank = slots[1].rank = 0;
    REFUSED(MARTLET_ERROR_SHAPE, "parameters[0].backlog is for another number of rows");
    one.value.rank = 2;
    one.value.data = t->backlog;
    REFUSED(MARTLET_ERROR_OVERLAP, "backlog");
    one.value.data = t->value;
    slots[1].dtype = MARTLET_BF16;
    REFUSED(MARTLET_ERROR_UNSUPPORTED, "those round what divides in bf16 state at random");
    slots[1].dtype = MARTLET_FP32;
    config.ema_decay = 0.9;
    one.state_count = 4, slots[2] = check_array(t->state[2], ROWS * WIDTH, MARTLET_FP32);
    slots[3] = check_array(&t->scalars[3], 1, MARTLET_FP64);
    REFUSED(MARTLET_ERROR_UNSUPPORTED, "EMA_DECAY averages every row");
    config.ema_decay = 0, one.state_count = 2;
    config.max_norm = 1;
    REFUSED(MARTLET_ERROR_UNSUPPORTED, "norms are of gradients of all elements");
    config.max_norm = INFINITY;
    config.flags |= MARTLET_CAUTIOUS_UPDATE;
    REFUSED(MARTLET_ERROR_UNSUPPORTED, "CAUTIOUS_UPDATE counts every row");
    config.flags &= ~MARTLET_CAUTIOUS_UPDATE;
    rows[1] = ROWS;
    REFUSED(MARTLET_ERROR_ARGUMENT, "parameters[0].rows[1] is 90; expected 0 ..< 90");
    CHECK_STATUS(martlet_finish(&one, 1, &config, 1), MARTLET_ERROR_ARGUMENT);
    one.backlog = NULL;
    CHECK_STATUS(martlet_finish(&one, 1, &config, 1), MARTLET_ERROR_ARGUMENT);
    rows[1] = 2, one.backlog = t->backlog;
    CHECK_OK(martlet_step(NULL, &one, 1, &config, 1));
    config = check_config(MARTLET_NADAM);
    config.flags |= MARTLET_DEFER_ROWS;
    CHECK_STATUS(martlet_step(NULL, &one, 1, &config, 1), MARTLET_ERROR_ARGUMENT);
    CHECK_SAYING(strstr(martlet_last_error(), "flags sets DEFER_ROWS; expected only flags that nadam reads") != NULL, "%s",
                 martlet_last_error());
    int64_t bytes = 7;
    CHECK_STATUS(martlet_backlog_size(&bytes, -1), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_backlog_size(&bytes, INT64_MAX), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_backlog_size(NULL, 1), MARTLET_ERROR_NULL);
    CHECK(bytes == 7);
    release(t);
}

/* Whatever stands in a backlog, the caller's other memory is left alone, and nothing ends the process. */
static void garbage(void) {
    int64_t rows[NAMED];
    for (int a = 0; a < LENGTH(algorithms); a++)
        for (uint64_t seed = 0; seed < 40; seed++) {
            martlet_config config = check_config(algorithms[a]);
            config.flags |= MARTLET_DEFER_ROWS;
            struct table *t = new_table(&config, &plain);
            int64_t bytes = 0;
            CHECK_OK(martlet_backlog_size(&bytes, ROWS));
            unsigned char *wild = check_guarded((size_t)bytes, seed % 2);
            for (int64_t i = 0; i < bytes / 8; i++) ((uint64_t *)(void *)wild)[i] = check_bits(seed, (uint64_t)i);
            ((int64_t *)(void *)wild)[0] = 1 + (int64_t)(seed * 100 % KEPT);
            ((int64_t *)(void *)wild)[2] = ROWS;
            ((int32_t *)(void *)wild)[2] = 1 + (int32_t)(seed % 4), ((int32_t *)(void *)wild)[3] = (int32_t)(seed % 3);
            martlet_array slots[SLOTS];
            martlet_parameter one = parameter(t, slots, &plain);
            one.backlog = wild;
            one.rows = rows, one.row_count = name_rows(rows, 1);
            const martlet_status status = martlet_finish(&one, 1, &config, 1);
            CHECK(status == MARTLET_OK || status == MARTLET_ERROR_UNSUPPORTED);
            release(t);
        }
}

int main(void) {
    refused();
    garbage();
    return check_end();
}
