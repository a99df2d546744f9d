#include "data/stream/jpeg_decoder.h"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <new>

#include "core/error.h"

namespace earlybird {
namespace {

std::atomic<const eb_jpeg_interface*> plugin{nullptr};  // its table of functions; owned by the plugin

bool ran_out(const char* reason) { return std::strcmp(reason, EB_JPEG_NO_MEMORY) == 0; }

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
    throw Error(
        "ERR_NOT_BUILT",
        "JPEG files cannot be read, because no JPEG decoder was loaded: run `earlybird doctor`, which says why.");
  char reason[256] = "";
  decoder_ = library_->create(reason, sizeof reason);
  if (decoder_) return;
  if (ran_out(reason)) throw std::bad_alloc();
  throw Error("ERR_NOT_BUILT", std::string("The JPEG decoder was built for another libjpeg than the one it finds (") +
                                   reason + "): run `npm run setup` to build it again.");
}

JpegDecoder::~JpegDecoder() {
  if (decoder_) library_->destroy(decoder_);
}

bool JpegDecoder::open(const uint8_t* data, size_t size, eb_jpeg_header& header) {
  if (library_->open(decoder_, data, size, &header) != 0) return true;
  if (ran_out(library_->error(decoder_))) throw std::bad_alloc();
  return false;
}

bool JpegDecoder::decode(int left, int top, int width, int height, int denominator, bool whole,
                         eb_jpeg_pixels& pixels) {
  if (library_->decode(decoder_, left, top, width, height, denominator, whole, &pixels) != 0) return true;
  if (ran_out(library_->error(decoder_))) throw std::bad_alloc();
  return false;
}

bool JpegDecoder::pack(const uint8_t* data, size_t size, std::vector<uint8_t>& packed) {
  const uint8_t* bytes = nullptr;
  size_t count = 0;
  if (library_->pack(decoder_, data, size, &bytes, &count) != 0) {
    packed.assign(bytes, bytes + count);
    return true;
  }
  if (ran_out(library_->error(decoder_))) throw std::bad_alloc();
  return false;
}

std::string JpegDecoder::error() const { return library_->error(decoder_); }

}  // namespace earlybird
