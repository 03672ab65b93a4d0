/*
 * The smallest use of Martlet: one array, one call a step. Fits a straight line to forty noisy points by
 * gradient descent with Adam and draws what came of it.
 *
 *     cc adam.c -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -lm -o adam && ./adam
 */
#include <martlet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define POINTS 40
#define WIDTH 64
#define HEIGHT 17

static double x[POINTS], y[POINTS];

/* Points about y = 1.5 x - 0.5, with noise from a little generator of our own. */
static void make_points(void) {
    unsigned seed = 2026;
    for (int i = 0; i < POINTS; i++) {
        seed = seed * 1103515245u + 12345u;
        x[i] = -1 + 2.0 * i / (POINTS - 1);
        y[i] = 1.5 * x[i] - 0.5 + ((seed >> 16 & 0x7FFF) / 32767.0 - 0.5) * 0.8;
    }
}

/* Mean squared error of the line, and its gradient. */
static double loss_and_gradient(const float line[2], float grad[2]) {
    double loss = 0, slope = 0, height = 0;
    for (int i = 0; i < POINTS; i++) {
        const double error = line[0] * x[i] + line[1] - y[i];
        loss += error * error / POINTS;
        slope += 2 * error * x[i] / POINTS;
        height += 2 * error / POINTS;
    }
    grad[0] = (float)slope;
    grad[1] = (float)height;
    return loss;
}

static void draw(const float line[2]) {
    char picture[HEIGHT][WIDTH + 1];
    memset(picture, ' ', sizeof picture);
    for (int row = 0; row < HEIGHT; row++) picture[row][WIDTH] = 0;
    for (int column = 0; column < WIDTH; column++) {
        const double at = -1 + 2.0 * column / (WIDTH - 1);
        const int row = (int)lround((1.5 - (line[0] * at + line[1])) / 4 * (HEIGHT - 1));
        if (row >= 0 && row < HEIGHT) picture[row][column] = '-';
    }
    for (int i = 0; i < POINTS; i++) {
        const int column = (int)lround((x[i] + 1) / 2 * (WIDTH - 1)), row = (int)lround((1.5 - y[i]) / 4 * (HEIGHT - 1));
        if (row >= 0 && row < HEIGHT) picture[row][column] = 'o';
    }
    for (int row = 0; row < HEIGHT; row++) printf("    |%s\n", picture[row]);
}

int main(void) {
    float line[2] = {0, 0};   /* slope and height: what is learned */
    float grad[2];            /* the loss's gradient with respect to them */
    float state[2 * 2] = {0}; /* Adam's two moments of each */
    int64_t step = 0;         /* steps taken so far */
    martlet_config config;

    if (martlet_config_init(&config, sizeof config, MARTLET_ADAM) != MARTLET_OK) return 1;
    config.lr = 0.05;

    make_points();
    printf("martlet %s: a line through %d points, by Adam\n\n", martlet_version_name(), POINTS);
    double loss = 0;
    for (int i = 0; i <= 200; i++) {
        loss = loss_and_gradient(line, grad);
        if (i % 25 == 0) printf("    step %3d   loss %.4f   %.*s\n", i, loss, (int)(loss * 40), "########################################");
        if (martlet_array_step(line, grad, state, 2, &step, &config) != MARTLET_OK) {
            fprintf(stderr, "%s\n", martlet_last_error());
            return 1;
        }
    }
    printf("\n");
    draw(line);
    printf("\n    y = %.3f x %c %.3f after %ld steps; the points were made from y = 1.5 x - 0.5 and noise\n", line[0],
           line[1] < 0 ? '-' : '+', fabs(line[1]), (long)step);
    return loss < 0.07 && fabs(line[0] - 1.5) < 0.2 && fabs(line[1] + 0.5) < 0.1 ? 0 : 1;
}
