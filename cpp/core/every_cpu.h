#pragma once

// A kernel marked so is compiled for each of these; the widest that the processor has is taken when the addon is
// loaded.
#if defined(__x86_64__)
#define EB_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EB_EVERY_CPU
#endif

/// For what such kernels are made of: it must become part of each of them.
#define EB_ALWAYS __attribute__((always_inline))
#define EB_INLINE inline EB_ALWAYS
