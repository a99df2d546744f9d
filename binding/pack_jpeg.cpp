#include "pack_jpeg.h"

#include <vector>

#include "core/error.h"
#include "data/stream/jpeg_decoder.h"
#include "errors.h"
#include "job.h"
#include "read_values.h"
#include "to_js.h"

namespace earlybird {

Napi::Value pack_jpeg_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Bytes jpeg = bytes_of(info[0], "jpeg");
    return Job::start(info.Env(),
                      [jpeg](Job&) -> Job::Finish {
                        JpegDecoder decoder;
                        std::vector<uint8_t> packed;
                        if (!decoder.pack(jpeg.data, jpeg.size, packed))
                          throw Error("ERR_DATASET", decoder.error() + ".");
                        return [packed = std::move(packed)](Napi::Env env) -> Napi::Value {
                          return packed.empty() ? env.Null() : to_js(env, packed);
                        };
                      },
                      {}, {info[0]});
  });
}

}  // namespace earlybird
