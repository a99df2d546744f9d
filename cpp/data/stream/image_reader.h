#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "data/stream/image_files.h"
#include "data/stream/jpeg_decoder.h"
#include "data/stream/resample.h"

namespace earlybird {

struct ImageTransform {
  bool train;  // random resized crop and flip; otherwise the shorter side becomes `resize` and the centre is cropped
  int size;    // side of the result
  int resize;
};

/// Images that were once read to their end and were sound: later only the part that a crop needs is read.
class SoundImages {
 public:
  explicit SoundImages(size_t count) : sound_(count) {}
  bool has(int64_t index) const { return sound_[static_cast<size_t>(index)].load(std::memory_order_relaxed); }
  void add(int64_t index) { sound_[static_cast<size_t>(index)].store(true, std::memory_order_relaxed); }

 private:
  std::vector<std::atomic<bool>> sound_;  // false at first
};

/// Makes the square RGB input of one encoded image at a time. It decodes only the rectangle that is needed, except the
/// first time: a damaged image is bad in every epoch, whatever its crop. Each thread has a reader of its own, which
/// keeps its buffers.
class ImageReader {
 public:
  ImageReader(const ImageFiles& files, const ImageTransform& transform, SoundImages& sound)
      : files_(files), transform_(transform), sound_(sound) {}

  /// Writes size * size * 3 bytes. Returns the fault of the image, or "". Throws ERR_FILE and ERR_OUT_OF_MEMORY, which
  /// are not faults of the image.
  std::string read(int64_t index, uint64_t seed, uint32_t epoch, uint8_t* out);

 private:
  std::string train(const eb_jpeg_header& header, uint64_t seed, uint32_t epoch, int64_t index, uint8_t* out);
  std::string evaluate(const eb_jpeg_header& header, int64_t index, uint8_t* out);

  const ImageFiles& files_;
  ImageTransform transform_;
  SoundImages& sound_;
  JpegDecoder decoder_;
  std::vector<uint8_t> bytes_;
  ResampleAxis across_, down_;
  ResampleScratch scratch_;
};

}  // namespace earlybird
