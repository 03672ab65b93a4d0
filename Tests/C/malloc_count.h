/*
 * What malloc_count.c, which must be preloaded, offers programs. NULL where it is not: a program without it says so.
 */
#ifndef MALLOC_COUNT_H
#define MALLOC_COUNT_H

#include "check.h"

/* Starts a window: allocations of at least `least` bytes count from 0, number `at` (0: none) fails, and
 * those after it succeed. */
extern void malloc_count_start(long at, size_t least) __attribute__((weak));
/* Ends the window and tells how many allocations were asked for in it. */
extern long malloc_count_stop(void) __attribute__((weak));

/* Whether it is there, and counts. */
UNUSED static bool malloc_count_works(void) {
    if (malloc_count_start == NULL || malloc_count_stop == NULL) {
        fprintf(stderr, "malloc_count.so is not preloaded\n");
        return false;
    }
    malloc_count_start(0, 0);
    void *volatile memory = malloc(10);
    free(memory);
    CHECK(malloc_count_stop() == 1);
    return true;
}

#endif
