/*
 * program.c - the smallest program that uses an installed library: one step of Adam on one number.
 * It is built by run.sh through pkg-config and through cmake, and prints a line that run.sh knows.
 */
#include <martlet.h>
#include <stdio.h>

int main(void) {
    float weight = 1, grad = 1, state[2] = {0, 0};
    int64_t step = 0;
    martlet_config config;
    if (martlet_config_init(&config, sizeof config, MARTLET_ADAM) != MARTLET_OK) return 1;
    config.lr = 0.01;
    if (martlet_array_step(&weight, &grad, state, 1, &step, &config) != MARTLET_OK) {
        puts(martlet_last_error());
        return 1;
    }
    printf("martlet %s, weight %f\n", martlet_version_name(), (double)weight);
    return 0;
}
