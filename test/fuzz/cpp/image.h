#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "data/stream/image_reader.h"

/// Ends the program: the code breaks a promise for this input.
[[noreturn]] inline void broken(const std::string& promise) {
  std::fprintf(stderr, "BROKEN: %s\n", promise.c_str());
  std::abort();
}

/// Reads one image as StreamPass does for each image of a training loader.
class Loader {
 public:
  Loader() {
    // build.mjs compiles it with the same sanitizers.
    earlybird::load_jpeg_plugin(EB_FUZZ_PLUGIN);
    memory_ = memfd_create("image", MFD_CLOEXEC);
    path_ = "/proc/self/fd/" + std::to_string(memory_);
  }

  struct Result {
    std::string fault;
    std::vector<uint8_t> pixels;
    bool operator==(const Result& other) const {
      return fault == other.fault && (!fault.empty() || pixels == other.pixels);
    }
  };

  /// `epoch` decides the crop; `known` means that the image was read to its end before.
  Result read(const uint8_t* data, size_t size, bool train, uint32_t epoch, bool known = false,
              int resize = kSide + 8) const {
    if (ftruncate(memory_, 0) != 0 || pwrite(memory_, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
    const earlybird::ImageFiles files({{path_}, {0}, {0}, {earlybird::kWholeFile}});
    earlybird::SoundImages sound(1);
    if (known) sound.add(0);
    earlybird::ImageReader reader(files, {train, kSide, resize}, sound);
    Result out{"", std::vector<uint8_t>(kSide * kSide * 3)};
    out.fault = reader.read(0, /*seed=*/1, epoch, out.pixels.data());
    return out;
  }

  /// The pixels of an image, by its header; 0 where that does not open. The decoder gets no byte more than there is.
  static double pixels_of(const uint8_t* data, size_t size) {
    earlybird::JpegDecoder decoder;
    eb_jpeg_header header;
    if (!decoder.open(data, size, header)) return 0;
    if (header.width < 1 || header.height < 1) broken("an image that opens has pixels");
    return static_cast<double>(header.width) * header.height;
  }

  /// Does all that a loader does with an image. With `same_fault` a damaged one must be left out of every epoch,
  /// whatever its crop and its use.
  Result check(const uint8_t* data, size_t size, bool same_fault = true) const {
    const Result evaluated = read(data, size, false, 0);
    const Result trained = read(data, size, true, 0);
    if (same_fault && evaluated.fault != trained.fault)
      broken("\"" + evaluated.fault + "\" is \"" + trained.fault + "\" to train");
    if (evaluated.fault.empty() && !(read(data, size, false, 0, true) == evaluated))
      broken("an image has the same pixels whether or not it is read to its end");
    read(data, size, true, 1, true);
    read(data, size, false, 0, true, kMostResize);
    return evaluated;
  }

  static constexpr int kSide = 16;
  /// The limit in binding/dataset_wrap.cpp.
  static constexpr int kMostResize = 65535;

 private:
  int memory_;
  std::string path_;
};

inline const Loader& loader() {
  static const Loader loader;
  return loader;
}

/// Pixels cost time and memory, and a header of a few bytes can promise 178 million, which are then decoded. Images of
/// more pixels than this are opened, not decoded, so that the limits of build.mjs are those of the bytes.
constexpr double kMostPixels = 1 << 20;
