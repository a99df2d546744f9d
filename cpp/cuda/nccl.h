#pragma once

namespace earlybird {

struct DeviceBackend;

/// Makes c10d's backend of NCCL for the current device. Throws ERR_NOT_BUILT without NCCL.
void make_nccl(DeviceBackend& backend);

}  // namespace earlybird
