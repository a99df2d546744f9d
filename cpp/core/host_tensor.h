#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace earlybird {

/// Element types that cross to TypeScript; the names are those of src/tensor.ts.
enum class Dtype { kFloat64, kFloat32, kFloat16, kBFloat16, kInt64, kInt32, kInt16, kInt8, kUInt8, kBool };

struct DtypeRow {
  Dtype dtype;
  const char* name;
  size_t bytes;
};

/// The one table of dtypes of the binding; a test compares it with DTYPE_BYTES in src/tensor.ts.
inline constexpr DtypeRow kDtypes[] = {
    {Dtype::kFloat64, "float64", 8},   {Dtype::kFloat32, "float32", 4}, {Dtype::kFloat16, "float16", 2},
    {Dtype::kBFloat16, "bfloat16", 2}, {Dtype::kInt64, "int64", 8},     {Dtype::kInt32, "int32", 4},
    {Dtype::kInt16, "int16", 2},       {Dtype::kInt8, "int8", 1},       {Dtype::kUInt8, "uint8", 1},
    {Dtype::kBool, "bool", 1},
};

/// A dense row-major tensor in plain host memory, outside LibTorch's allocator. `owner` keeps `data` alive; a view into
/// JavaScript memory has no owner and lives as long as the job that reads it.
struct HostTensor {
  Dtype dtype = Dtype::kFloat32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  std::shared_ptr<uint8_t> owner;
};

/// Keys in PyTorch's state_dict order.
using HostState = std::vector<std::pair<std::string, HostTensor>>;

}  // namespace earlybird
