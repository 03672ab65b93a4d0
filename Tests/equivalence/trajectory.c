/*
 * The trajectory of trajectory.h from C, with the header and the library and nothing else: `handles`
 * (the library owns the moments) or `memory` (they are the program's). Prints the lines that run.py
 * compares, and on stderr how many threads worked together.
 */
#include "trajectory.h"

static void run_memory(char *text, int run) {
    static struct trajectory_memory m;
    memory_start(&m, run);
    for (int t = 1; t <= STEPS; t++) memory_step(&m, t);
    memory_describe(text, &m, run);
}

static void run_handles(char *text, int run) {
    static float value[TENSORS][LARGEST], grad[TENSORS][LARGEST];
    martlet_optimizer *optimizer;
    martlet_config groups[2];
    martlet_array grads[TENSORS];
    trajectory_groups(groups, run);
    check(martlet_optimizer_create(&optimizer, &groups[0]));
    check(martlet_optimizer_group_add(optimizer, NULL, &groups[1]));
    for (int k = 0; k < TENSORS; k++) {
        martlet_parameter parameter;
        memset(&parameter, 0, sizeof parameter);
        trajectory_fill(value[k], k, 0);
        parameter.value = trajectory_array(value[k], tensor_sizes[k]);
        parameter.group = k % 2;
        grads[k] = trajectory_array(grad[k], tensor_sizes[k]);
        check(martlet_optimizer_add(optimizer, NULL, &parameter));
    }
    for (int t = 1; t <= STEPS; t++) {
        for (int k = 0; k < TENSORS; k++) trajectory_fill(grad[k], k, t);
        check(martlet_optimizer_step(optimizer, NULL, grads, TENSORS));
        trajectory_threads();
    }
    for (int k = 0; k < TENSORS; k++) {
        martlet_array views[3];
        const float *slots[3] = {NULL, NULL, NULL};
        for (int s = 0; s < 2 + run_amsgrad(run); s++) {
            check(martlet_optimizer_state_get(optimizer, &views[s], k, s));
            slots[s] = (const float *)views[s].data;
        }
        trajectory_describe(text, run, k, value[k], slots);
    }
    check(martlet_optimizer_destroy(optimizer));
}

int main(int argc, char **argv) {
    static char text[DESCRIPTION_ROOM];
    if (argc != 2 || (strcmp(argv[1], "handles") != 0 && strcmp(argv[1], "memory") != 0)) {
        fprintf(stderr, "usage: trajectory handles|memory\n");
        return 2;
    }
    check(martlet_chunk_set(CHUNK));
    for (int run = 0; run < RUNS; run++) (argv[1][0] == 'h' ? run_handles : run_memory)(text, run);
    fprintf(stderr, "threads %d\n", (int)trajectory_threads());
    fputs(text, stdout);
    return 0;
}
