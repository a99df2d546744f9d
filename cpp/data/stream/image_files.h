#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace earlybird {

/// A length that means the whole file. A length of 0 means an empty, hence bad image.
constexpr int64_t kWholeFile = -1;

/// The location of each image: a file of its own, or a part of a shard.
struct ImagePlaces {
  std::vector<std::string> files;
  std::vector<int32_t> file;     // per image: index into `files`
  std::vector<int64_t> offsets;  // per image: in its file
  std::vector<int64_t> lengths;  // per image, or kWholeFile
};

/// The bytes of encoded images. Shards stay mapped into memory; other files are opened only while they are read. Safe
/// to use from many threads.
class ImageFiles {
 public:
  /// Throws ERR_DATASET for a shard that is missing or shorter than the index says.
  explicit ImageFiles(ImagePlaces places);
  ~ImageFiles();
  ImageFiles(const ImageFiles&) = delete;
  ImageFiles& operator=(const ImageFiles&) = delete;

  struct Bytes {
    const uint8_t* data = nullptr;
    size_t size = 0;
  };

  /// Sets `out` to the bytes of an image, in `buffer` or in the mapping. Returns the fault of the image, or "". Throws
  /// ERR_FILE where the system cannot read an image that may be good.
  std::string read(int64_t index, std::vector<uint8_t>& buffer, Bytes& out) const;

  /// The name of an image in messages.
  std::string name(int64_t index) const;

 private:
  struct Mapping {
    const uint8_t* data = nullptr;
    size_t size = 0;
  };

  void map(size_t file);
  void unmap();

  ImagePlaces places_;
  std::vector<Mapping> mappings_;  // per file; empty for files that are read whole
};

}  // namespace earlybird
