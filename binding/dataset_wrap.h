#pragma once

#include "data/dataset.h"
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

/// The dataset that `options.dataset` is a handle of.
std::shared_ptr<Dataset> dataset_in(const Napi::Object& options);

Napi::Value create_dataset_js(const Napi::CallbackInfo& info);
Napi::Value create_stream_js(const Napi::CallbackInfo& info);
Napi::Value filter_images_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
