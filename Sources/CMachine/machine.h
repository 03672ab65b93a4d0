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
typedef int8_t machine_signed_bytes16 __attribute__((ext_vector_type(16)));
typedef uint8_t machine_bytes8 __attribute__((ext_vector_type(8)));
typedef uint8_t machine_bytes16 __attribute__((ext_vector_type(16)));
typedef uint16_t machine_halves16 __attribute__((ext_vector_type(16)));
typedef uint32_t machine_words2 __attribute__((ext_vector_type(2)));
typedef uint32_t machine_words8 __attribute__((ext_vector_type(8)));
typedef uint32_t machine_words16 __attribute__((ext_vector_type(16)));
typedef int32_t machine_integers16 __attribute__((ext_vector_type(16)));
typedef uint16_t machine_halves8 __attribute__((ext_vector_type(8)));
typedef float machine_floats16 __attribute__((ext_vector_type(16)));
#define MACHINE_CONVERSION(name, from, to) \
    static inline __attribute__((always_inline)) to name(from x) { return __builtin_convertvector(x, to); }
MACHINE_CONVERSION(machine_words_of_bytes, machine_bytes16, machine_words16)
MACHINE_CONVERSION(machine_integers_of_signed_bytes, machine_signed_bytes16, machine_integers16)
MACHINE_CONVERSION(machine_words_of_halves, machine_halves16, machine_words16)
MACHINE_CONVERSION(machine_halves_of_words, machine_words16, machine_halves16)
MACHINE_CONVERSION(machine_floats_of_integers, machine_integers16, machine_floats16)
static inline __attribute__((always_inline)) machine_words16 machine_larger(machine_words16 a, machine_words16 b) {
    return a > b ? a : b;
}
/* x where y is not 0, else 0. */
static inline __attribute__((always_inline)) machine_words16 machine_where_set(machine_words16 x, machine_words16 y) {
    return x & (machine_words16)(y != 0);
}
static inline __attribute__((always_inline)) uint32_t machine_largest(machine_words16 x) { return __builtin_reduce_max(x); }
#pragma clang diagnostic pop

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"
/* The sixteen halves of eight bytes, the lower one of each first: each the lowest bits of a word, under others. */
static inline __attribute__((always_inline)) machine_words16 machine_nibbles(machine_bytes8 x) {
    const machine_words2 pair = (machine_words2)x;
    const machine_words16 places = {0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28};
    return __builtin_shufflevector(pair, pair, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1) >> places;
}
/* Words under 2^8 and under 2^16, as bytes and halves; sixteen words in an order of the set's own, halves as the upper ones of
 * words in that order, and back, which saves AVX2 moves between the parts of its registers; and the numbers of a table that the lowest four bits of words are the
 * places of. With AVX2 by name: of a conversion, what was done to the words before it is done behind it, to parts that are
 * packed one by one. */
#if defined(__AVX2__) && !defined(__AVX512F__)
#define MACHINE_LOW(x) __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7)
#define MACHINE_HIGH(x) __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15)
static inline __attribute__((always_inline)) __m256 machine_chosen8(machine_floats16 table, __m256i places) {
    return _mm256_blendv_ps(
        _mm256_permutevar8x32_ps((__m256)MACHINE_LOW(table), places),
        _mm256_permutevar8x32_ps((__m256)MACHINE_HIGH(table), places),
        _mm256_castsi256_ps(_mm256_slli_epi32(places, 28)));
}
static inline __attribute__((always_inline)) machine_floats16 machine_chosen(machine_floats16 table, machine_words16 places) {
    typedef float floats8 __attribute__((ext_vector_type(8)));
    const floats8 low = (floats8)machine_chosen8(table, (__m256i)MACHINE_LOW(places));
    const floats8 high = (floats8)machine_chosen8(table, (__m256i)MACHINE_HIGH(places));
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
static inline __attribute__((always_inline)) __m256i machine_packed(machine_words16 x) {
    return _mm256_packus_epi32((__m256i)MACHINE_LOW(x), (__m256i)MACHINE_HIGH(x));
}
static inline __attribute__((always_inline)) machine_halves16 machine_halves_of_small_words(machine_words16 x) {
    return (machine_halves16)_mm256_permute4x64_epi64(machine_packed(x), 0xd8);
}
#define MACHINE_BOTH(x, y) \
    __builtin_shufflevector((machine_words8)(x), (machine_words8)(y), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
static inline __attribute__((always_inline)) machine_words16 machine_order(machine_words16 x) {
    const __m256i low = (__m256i)MACHINE_LOW(x), high = (__m256i)MACHINE_HIGH(x);
    return MACHINE_BOTH(_mm256_permute2x128_si256(low, high, 0x20), _mm256_permute2x128_si256(low, high, 0x31));
}
static inline __attribute__((always_inline)) machine_words16 machine_upper_words_in_order(machine_halves16 x) {
    const __m256i none = _mm256_setzero_si256();
    return MACHINE_BOTH(_mm256_unpacklo_epi16(none, (__m256i)x), _mm256_unpackhi_epi16(none, (__m256i)x));
}
static inline __attribute__((always_inline)) machine_halves16 machine_halves_in_order(machine_words16 x) {
    return (machine_halves16)machine_packed(x);
}
static inline __attribute__((always_inline)) machine_bytes16 machine_bytes_of_small_words(machine_words16 x) {
    const __m256i halves = machine_packed(x);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
    return (machine_bytes16)_mm_shuffle_epi32(bytes, 0xd8);
}
#else
MACHINE_CONVERSION(machine_halves_of_small_words, machine_words16, machine_halves16)
MACHINE_CONVERSION(machine_bytes_of_small_words, machine_words16, machine_bytes16)
static inline __attribute__((always_inline)) machine_words16 machine_order(machine_words16 x) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(x)); /* as one: the compiler takes to working out what is stored next by parts */
#endif
    return x;
}
static inline __attribute__((always_inline)) machine_words16 machine_upper_words_in_order(machine_halves16 x) {
    return __builtin_convertvector(x, machine_words16) << 16;
}
static inline __attribute__((always_inline)) machine_halves16 machine_halves_in_order(machine_words16 x) {
    return machine_halves_of_small_words(x);
}
#if defined(__AVX512F__)
static inline __attribute__((always_inline)) machine_floats16 machine_chosen(machine_floats16 table, machine_words16 places) {
    return (machine_floats16)_mm512_permutexvar_ps((__m512i)places, (__m512)table);
}
#else
static inline __attribute__((always_inline)) machine_floats16 machine_chosen(machine_floats16 table, machine_words16 places) {
    machine_floats16 chosen;
    for (int lane = 0; lane < 16; lane++) chosen[lane] = table[places[lane] & 15];
    return chosen;
}
#endif
#endif
/* Words under 16, two in a byte, the first in its lower half. */
static inline __attribute__((always_inline)) machine_bytes8 machine_pairs(machine_words16 x) {
#if defined(__AVX2__)
    const __m128i bytes = (__m128i)machine_bytes_of_small_words(x);
    const __m128i pairs = _mm_maddubs_epi16(bytes, _mm_set1_epi16(0x1001));
    const machine_bytes16 packed = (machine_bytes16)_mm_packus_epi16(pairs, pairs);
    return __builtin_shufflevector(packed, packed, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    const machine_halves8 pairs = (machine_halves8)machine_bytes_of_small_words(x);
    return __builtin_convertvector(pairs | pairs >> 4, machine_bytes8);
#endif
}
#pragma clang diagnostic pop

#if defined(__x86_64__)
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
