#pragma once

#include "data/stream/jpeg_stream.h"
#include "data/resident/resident_dataset.h"
#include "handle.h"

namespace earlybird {

/// Any dataset, resident or streamed.
class DatasetWrap : public Handle<DatasetWrap, Dataset> {
 public:
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value count(const Napi::CallbackInfo& info);
  Napi::Value batch(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
};

/// DatasetSpec of src/native/types.ts; images and labels are views of JavaScript memory.
DatasetSpec dataset_spec_of(const Napi::Object& object);

/// StreamSpec of src/native/types.ts, copied.
StreamSpec stream_spec_of(const Napi::Object& object);

}  // namespace earlybird
