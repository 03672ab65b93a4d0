/*
 * The header alone: compiled under every language standard that it promises, C and C++, with all
 * warnings as errors, and nothing included before it. Sizes and offsets that are fixed for good stand
 * here as array types, since C99 has no static assertion.
 */
#include "martlet.h"

typedef char array_is_64_bytes[sizeof(martlet_array) == 64 ? 1 : -1];
typedef char parameter_is_256_bytes[sizeof(martlet_parameter) == 256 ? 1 : -1];
typedef char config_is_80_bytes[sizeof(martlet_config) == 80 ? 1 : -1];
typedef char report_is_32_bytes[sizeof(martlet_report) == 32 ? 1 : -1];
typedef char machine_is_40_bytes[sizeof(martlet_machine) == 40 ? 1 : -1];

typedef char data_is_at_0[offsetof(martlet_array, data) == 0 ? 1 : -1];
typedef char count_is_at_8[offsetof(martlet_array, count) == 8 ? 1 : -1];
typedef char dtype_is_at_16[offsetof(martlet_array, dtype) == 16 ? 1 : -1];
typedef char rank_is_at_20[offsetof(martlet_array, rank) == 20 ? 1 : -1];
typedef char sizes_is_at_24[offsetof(martlet_array, sizes) == 24 ? 1 : -1];
typedef char strides_is_at_32[offsetof(martlet_array, strides) == 32 ? 1 : -1];
typedef char grad_is_at_64[offsetof(martlet_parameter, grad) == 64 ? 1 : -1];
typedef char state_is_at_128[offsetof(martlet_parameter, state) == 128 ? 1 : -1];
typedef char step_is_at_144[offsetof(martlet_parameter, step) == 144 ? 1 : -1];
typedef char name_is_at_192[offsetof(martlet_parameter, name) == 192 ? 1 : -1];
typedef char lr_is_at_24[offsetof(martlet_config, lr) == 24 ? 1 : -1];
typedef char momentum_is_at_72[offsetof(martlet_config, momentum) == 72 ? 1 : -1];

typedef char version_is_one_number[MARTLET_VERSION == MARTLET_VERSION_MAJOR * 10000 + MARTLET_VERSION_MINOR * 100 +
                                                           MARTLET_VERSION_PATCH ? 1 : -1];
typedef char status_is_32_bits[sizeof(martlet_status) == 4 ? 1 : -1];

int main(void) {
    martlet_config config;
    if (martlet_version_get() != MARTLET_VERSION || martlet_abi_get() != MARTLET_ABI) return 1;
    return martlet_config_init(&config, sizeof config, MARTLET_ADAM) == MARTLET_OK ? 0 : 1;
}
