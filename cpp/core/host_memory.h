#pragma once

#include <cstddef>

namespace earlybird {

/// Installs our host allocator in LibTorch: it counts live bytes exactly and keeps large blocks for reuse, because a
/// training step asks for the same sizes again and again and fresh pages cost a fault each. Large blocks ask for huge
/// pages. Call before the first tensor.
void install_host_allocator();

/// Bytes of live CPU tensors.
size_t host_bytes();

/// Gives cached blocks back to the operating system.
void empty_host_cache();

}  // namespace earlybird
