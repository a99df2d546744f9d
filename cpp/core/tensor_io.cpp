#include "core/tensor_io.h"

#include <ATen/ATen.h>

#include <cstdlib>
#include <new>

#include "core/error.h"

namespace earlybird {
namespace {

at::ScalarType scalar_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat64:
      return at::kDouble;
    case Dtype::kFloat32:
      return at::kFloat;
    case Dtype::kFloat16:
      return at::kHalf;
    case Dtype::kBFloat16:
      return at::kBFloat16;
    case Dtype::kInt64:
      return at::kLong;
    case Dtype::kInt32:
      return at::kInt;
    case Dtype::kInt16:
      return at::kShort;
    case Dtype::kInt8:
      return at::kChar;
    case Dtype::kUInt8:
      return at::kByte;
    case Dtype::kBool:
      return at::kBool;
  }
  throw Error("ERR_DTYPE", "Unknown element type.");
}

Dtype dtype_of(at::ScalarType type) {
  for (const DtypeRow& row : kDtypes)
    if (scalar_type(row.dtype) == type) return row.dtype;
  throw Error("ERR_DTYPE", std::string("A tensor of type ") + c10::toString(type) + " cannot be passed to JavaScript.");
}

}  // namespace

HostTensor to_host(const at::Tensor& tensor) {
  at::NoGradGuard no_grad;
  HostTensor host;
  host.dtype = dtype_of(tensor.scalar_type());
  host.shape = tensor.sizes().vec();
  host.bytes = tensor.nbytes();
  auto* memory = static_cast<uint8_t*>(std::malloc(host.bytes ? host.bytes : 1));
  if (!memory)
    throw Error("ERR_OUT_OF_MEMORY", "Not enough host memory for a copy of " + std::to_string(host.bytes) + " bytes.");
  host.owner.reset(memory, std::free);
  host.data = memory;
  at::from_blob(memory, tensor.sizes(), tensor.scalar_type()).copy_(tensor.detach());
  return host;
}

at::Tensor view_of(const HostTensor& tensor) {
  // from_blob wants a mutable pointer; nothing here writes through it.
  return at::from_blob(const_cast<uint8_t*>(tensor.data), tensor.shape, scalar_type(tensor.dtype));
}

}  // namespace earlybird
