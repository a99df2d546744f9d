#pragma once

// The widest variant of a function that the processor has is chosen when the addon is loaded. Builds with a sanitizer
// have one variant, since the code that chooses runs before the sanitizer is ready.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define EB_HAS_VARIANTS 1
#endif

/// Compiles a kernel for each of these instruction sets.
#ifdef EB_HAS_VARIANTS
#define EB_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EB_EVERY_CPU
#endif

/// Marks functions that such kernels call: they must be inlined into each variant.
#define EB_ALWAYS __attribute__((always_inline))
#define EB_INLINE inline EB_ALWAYS
