/*
 * What Swift has no words for: CPUID, the floating-point control register, hints to the processor, and a
 * function of the C library that its Swift module leaves out. Static inline functions and declarations
 * only, so no C object is built. No policy: Platform, Kernels and Compute decide.
 */
#ifndef MARTLET_MACHINE_H
#define MARTLET_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* The C library declares sched_getaffinity for _GNU_SOURCE alone. process 0 is the calling thread. */
int32_t machine_affinity_get(int32_t process, size_t byte_count, void *set) __asm__("sched_getaffinity");

/* The Swift runtime's settings for crash reports, all off, in place of the object that would read SWIFT_BACKTRACE and
 * SWIFT_ROOT when the library is loaded, and install signal handlers. It stands in an object, as a weak definition,
 * only where machine_backtraces is used: in the module Martlet. 128 bytes: more than the runtime's own. */
__attribute__((weak)) const int32_t _swift_backtraceSettings[32] = {0};
static inline int32_t machine_backtraces(void) { return _swift_backtraceSettings[1]; }

/* The originals of what the linker replaces in the library: Martlet/RuntimeLocks.swift. */
int32_t machine_mutex_lock(void *mutex) __asm__("__real_pthread_mutex_lock");
int32_t machine_mutex_unlock(void *mutex) __asm__("__real_pthread_mutex_unlock");
int32_t machine_guard_acquire(void *guarded) __asm__("__real___cxa_guard_acquire");
void machine_guard_release(void *guarded) __asm__("__real___cxa_guard_release");

/* Asks for a cache line to be fetched; any address will do, also one behind an array's end. */
static inline __attribute__((always_inline)) void machine_prefetch(const void *address) { __builtin_prefetch(address); }

/* The address itself, of which the compiler knows nothing more. */
static inline __attribute__((always_inline)) uintptr_t machine_opaque(uintptr_t address) {
    __asm__("" : "+r"(address));
    return address;
}

/* Vectors of more lanes than a set has are passed in memory, which does not matter to functions that are always inlined. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"
/* Lanes that change their width, and the largest of some: each one instruction, or a few, where loops over lanes in Swift may
 * become code lane by lane. */
typedef uint8_t machine_bytes8 __attribute__((ext_vector_type(8)));
typedef uint8_t machine_bytes16 __attribute__((ext_vector_type(16)));
typedef uint16_t machine_halves16 __attribute__((ext_vector_type(16)));
typedef uint32_t machine_words16 __attribute__((ext_vector_type(16)));
typedef int32_t machine_integers16 __attribute__((ext_vector_type(16)));
typedef uint16_t machine_halves8 __attribute__((ext_vector_type(8)));
typedef float machine_floats16 __attribute__((ext_vector_type(16)));
#define MACHINE_CONVERSION(name, from, to) \
    static inline __attribute__((always_inline)) to name(from x) { return __builtin_convertvector(x, to); }
MACHINE_CONVERSION(machine_words_of_bytes, machine_bytes16, machine_words16)
MACHINE_CONVERSION(machine_bytes_of_words, machine_words16, machine_bytes16)
MACHINE_CONVERSION(machine_words_of_halves, machine_halves16, machine_words16)
MACHINE_CONVERSION(machine_halves_of_words, machine_words16, machine_halves16)
MACHINE_CONVERSION(machine_halves_of_bytes, machine_bytes8, machine_halves8)
MACHINE_CONVERSION(machine_bytes_of_halves, machine_halves8, machine_bytes8)
MACHINE_CONVERSION(machine_floats_of_integers, machine_integers16, machine_floats16)
static inline __attribute__((always_inline)) machine_words16 machine_larger(machine_words16 a, machine_words16 b) {
    return a > b ? a : b;
}
static inline __attribute__((always_inline)) uint32_t machine_largest(machine_words16 x) { return __builtin_reduce_max(x); }
#pragma clang diagnostic pop

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

/* 1 where processor and system support x86-64-v3 (what the AVX2 kernels may use), else 0. */
static inline int32_t machine_has_avx2(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const uint32_t wanted1 = bit_FMA | bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_MOVBE | bit_POPCNT | bit_OSXSAVE | bit_AVX | bit_F16C;
    if ((c & wanted1) != wanted1) return 0;
    uint32_t xcr0, high;
    __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    if ((xcr0 & 0x6) != 0x6) return 0; /* the system saves xmm and ymm */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const uint32_t wanted7 = bit_BMI | bit_AVX2 | bit_BMI2;
    if ((b & wanted7) != wanted7) return 0;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d)) return 0;
    return (c & bit_LZCNT) != 0;
}

/* 1 where processor and system support x86-64-v4 (what the AVX-512 kernels may use), else 0. */
static inline int32_t machine_has_avx512(void) {
    if (!machine_has_avx2()) return 0;
    uint32_t a, b, c, d, xcr0, high;
    __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    if ((xcr0 & 0xe6) != 0xe6) return 0; /* the system saves mask registers and zmm too */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const uint32_t wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
    return (b & wanted) == wanted;
}

static inline uint64_t machine_float_mode_get(void) { return _mm_getcsr(); }
static inline void machine_float_mode_set(uint64_t mode) { _mm_setcsr((uint32_t)mode); }
/* Round to nearest, every exception masked, no sticky bits; the second also flushes denormals. */
static inline uint64_t machine_float_mode_exact(void) { return 0x1f80; }
static inline uint64_t machine_float_mode_flush(void) { return 0x1f80 | 0x8040; }
static inline void machine_pause(void) { _mm_pause(); }

#elif defined(__aarch64__)

static inline int32_t machine_has_avx2(void) { return 0; }
static inline int32_t machine_has_avx512(void) { return 0; }
static inline uint64_t machine_float_mode_get(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void machine_float_mode_set(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
static inline uint64_t machine_float_mode_exact(void) { return 0; }
static inline uint64_t machine_float_mode_flush(void) { return 1u << 24; }
static inline void machine_pause(void) { __asm__ volatile("yield"); }

#else
#error "Martlet knows x86-64 and arm64."
#endif

#endif
