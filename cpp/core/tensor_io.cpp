#include "core/tensor_io.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <cstring>
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

HostTensor room_for(const at::Tensor& tensor) {
  HostTensor host;
  host.dtype = dtype_of(tensor.scalar_type());
  host.shape = tensor.sizes().vec();
  host.bytes = tensor.nbytes();
  auto* memory = static_cast<uint8_t*>(std::malloc(host.bytes ? host.bytes : 1));
  if (!memory)
    throw Error("ERR_OUT_OF_MEMORY", "Not enough host memory for a copy of " + std::to_string(host.bytes) + " bytes.");
  host.owner.reset(memory, std::free);
  host.data = memory;
  return host;
}

}  // namespace

HostTensor to_host(const at::Tensor& tensor) {
  at::NoGradGuard no_grad;
  HostTensor host = room_for(tensor);
  at::from_blob(host.owner.get(), tensor.sizes(), tensor.scalar_type()).copy_(tensor.detach());
  return host;
}

HostState to_host(const NamedTensors& tensors) {
  at::NoGradGuard no_grad;
  HostState out;
  if (tensors.empty() || tensors.front().second.is_cpu()) {
    for (const auto& [key, tensor] : tensors) out.emplace_back(key, to_host(tensor));
    return out;
  }
  // Starts all copies at once, into pinned memory: one wait instead of one a tensor.
  constexpr int64_t kAlignment = 64;
  std::vector<int64_t> starts{0};
  for (const auto& [key, tensor] : tensors)
    starts.push_back(starts.back() +
                     (static_cast<int64_t>(tensor.nbytes()) + kAlignment - 1) / kAlignment * kAlignment);
  at::Tensor staging = at::empty({starts.back()}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& tensor = tensors[i].second;
    staging.narrow(0, starts[i], static_cast<int64_t>(tensor.nbytes()))
        .view(tensor.scalar_type())
        .view(tensor.sizes())
        .copy_(tensor.detach(), /*non_blocking=*/true);
  }
  const at::Device device = tensors.front().second.device();
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeStream(guard.getStream(device));
  for (size_t i = 0; i < tensors.size(); ++i) {
    out.emplace_back(tensors[i].first, room_for(tensors[i].second));
    const HostTensor& host = out.back().second;
    std::memcpy(host.owner.get(), staging.const_data_ptr<uint8_t>() + starts[i], host.bytes);
  }
  return out;
}

at::Tensor view_of(const HostTensor& tensor) {
  // from_blob takes a mutable pointer; nothing writes through it.
  return at::from_blob(const_cast<uint8_t*>(tensor.data), tensor.shape, scalar_type(tensor.dtype));
}

}  // namespace earlybird
