/*
 * A preloaded malloc: counts allocations of a given size and more while it is told to, in every thread,
 * and can make the n-th of them fail. Outside the counted windows it only passes calls on to libc's own names.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_int counting;
static atomic_long allocations, fail_at;
static atomic_size_t least_size;

/* What they do, malloc_count.h says. */
void malloc_count_start(long at, size_t least);
long malloc_count_stop(void);

void malloc_count_start(long at, size_t least) {
    allocations = 0;
    least_size = least;
    fail_at = at;
    counting = 1;
}

long malloc_count_stop(void) {
    counting = 0;
    return allocations;
}

static int refused(size_t size) {
    if (!counting || size < least_size) return 0;
    if (++allocations != fail_at) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return refused(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refused(count * size) ? NULL : __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) { return refused(size) ? NULL : __libc_realloc(memory, size); }
void *memalign(size_t alignment, size_t size) { return refused(size) ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return refused(size) ? NULL : __libc_memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *memory = refused(size) ? NULL : __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *out = memory;
    return 0;
}
