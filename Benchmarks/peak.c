/*
 * peak.c - how many fp32 multiply-adds this machine does in a second: sums in registers, and no memory.
 *
 * A worker of compare.py: it reads commands on standard input and answers each with one line of JSON.
 * Build: gcc -O3 -march=native -pthread peak.c. The argument is the number of threads, 1 or 2. The answer is
 * the time that the case's operations would take at that rate, a multiply-add being two. It is a yardstick: it
 * uses the widest lanes that gcc was told of, and enough sums to hide the latency of any of them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined __AVX512F__
#define WIDTH 16
#elif defined __AVX__
#define WIDTH 8
#else
#define WIDTH 4
#endif

typedef float lanes __attribute__((vector_size(WIDTH * sizeof(float))));

/* Two units with a latency of four or five need ten; with AVX there are sixteen registers, two hold the factors.
 * Twelve variables and no array, which gcc would keep in memory. */
#define SUMS 12
#define EACH(DO) DO(a) DO(b) DO(c) DO(d) DO(e) DO(f) DO(g) DO(h) DO(i) DO(j) DO(k) DO(l)
/* What each begins with is hidden from gcc, which would else see that they are one and the same. */
#define DECLARE(sum) lanes sum = term; __asm__("" : "+x"(sum));
#define ADVANCE(sum) sum = sum * factor + term;
#define COLLECT(sum) term += sum;
#define TURNS 20000

/* What one thread is told, and what it found. */
struct share {
    double wanted, rate;
    float sum;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *multiply_add(void *argument) {
    struct share *share = argument;
    lanes zero = {0}, factor = zero + 0.5f, term = zero + 1;
    EACH(DECLARE)
    double start = now(), seconds;
    long blocks = 0;
    do {
        for (int turn = 0; turn < TURNS; turn++) {
            EACH(ADVANCE)
        }
        blocks++;
        seconds = now() - start;
    } while (seconds < share->wanted);
    EACH(COLLECT)
    share->sum = term[0];
    share->rate = (double)blocks * TURNS * SUMS * WIDTH * 2 / seconds;
    return NULL;
}

/* Operations a second, all threads together, after a tenth of the time to warm up. */
static double rate(double seconds, int threads) {
    double found = 0;
    for (int turn = 0; turn < 2; turn++) {
        struct share own = {seconds * (turn ? 0.9 : 0.1), 0, 0}, others = own;
        pthread_t helper = pthread_self();
        if (threads == 2 && pthread_create(&helper, NULL, multiply_add, &others) != 0) exit(1);
        multiply_add(&own);
        if (threads == 2) pthread_join(helper, NULL);
        found = own.rate + others.rate;
        if (own.sum < 0) exit(1); /* never; the sums have to be somebody's */
    }
    return found;
}

int main(int count, char **arguments) {
    int threads = count > 1 && strcmp(arguments[1], "2") == 0 ? 2 : 1;
    char line[256];
    double operations = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        double seconds, gap;
        if (sscanf(line, "load %*127s %lf", &operations) == 1)
            printf("{\"ready\": \"gcc -O3 -march=native\"}\n");
        else if (sscanf(line, "burst %lf %lf", &seconds, &gap) == 2)
            printf("{\"seconds\": %.9g}\n", operations / rate(seconds, threads));
        else
            return 0;
        fflush(stdout);
    }
    return 0;
}
