#pragma once

namespace earlybird {

struct DeviceBackend;

/// Makes c10d's backend of NCCL, which works on the GPU of the tensors that it is given. Throws ERR_NOT_BUILT without
/// NCCL.
void make_nccl(DeviceBackend& backend);

}  // namespace earlybird
