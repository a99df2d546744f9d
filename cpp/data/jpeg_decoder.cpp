#include "data/jpeg_decoder.h"

#include <dlfcn.h>

#include <atomic>
#include <new>

#include "core/error.h"

namespace earlybird {
namespace {

std::atomic<const eb_jpeg_interface*> plugin{nullptr};  // its table of functions; owned by the plugin

}  // namespace

void load_jpeg_plugin(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw Error("ERR_NOT_BUILT", "The JPEG decoder " + path + " does not load: " + dlerror() + ".");
  auto entry = reinterpret_cast<eb_jpeg_entry>(dlsym(handle, EB_JPEG_ENTRY_NAME));
  if (!entry) throw Error("ERR_NOT_BUILT", "The JPEG decoder " + path + " is of another version than the addon.");
  plugin = entry();
}

std::string jpeg_plugin_version() {
  const eb_jpeg_interface* library = plugin;
  return library ? library->version : "";
}

JpegDecoder::JpegDecoder() : library_(plugin), decoder_(nullptr) {
  if (!library_)
    throw Error("ERR_NOT_BUILT",
                "JPEG files cannot be read, because libjpeg-turbo was not found when earlybird was built: install its "
                "development package (`apt-get install libjpeg-dev`, or `dnf install libjpeg-turbo-devel`), then run "
                "`npm run setup`.");
  decoder_ = library_->create();
  if (!decoder_) throw std::bad_alloc();
}

JpegDecoder::~JpegDecoder() {
  if (decoder_) library_->destroy(decoder_);
}

bool JpegDecoder::open(const uint8_t* data, size_t size, eb_jpeg_header& header) {
  return library_->open(decoder_, data, size, &header) != 0;
}

bool JpegDecoder::decode(int left, int top, int width, int height, int denominator, eb_jpeg_pixels& pixels) {
  return library_->decode(decoder_, left, top, width, height, denominator, &pixels) != 0;
}

std::string JpegDecoder::error() const { return library_->error(decoder_); }

}  // namespace earlybird
