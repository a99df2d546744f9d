#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace earlybird {

/// A length. (0 is that of an empty image: a bad one.)
constexpr int64_t kWholeFile = -1;

/// Where the bytes of each image lie: in a file of its own, or in a shard with others.
struct ImagePlaces {
  std::vector<std::string> files;
  std::vector<int32_t> file;     // of each image
  std::vector<int64_t> offsets;  // in its file
  std::vector<int64_t> lengths;  // or kWholeFile
};

/// The bytes of encoded images. Shards are mapped into memory for as long as this lives; other files are opened only
/// while they are read. Safe to use from many threads.
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

  /// The bytes of an image: in `buffer`, or in the mapping. Returns what is wrong with the image, or "". Throws
  /// ERR_FILE where it may be good, but the system does not let it be read.
  std::string read(int64_t index, std::vector<uint8_t>& buffer, Bytes& out) const;

  /// How an image is called in messages.
  std::string name(int64_t index) const;

 private:
  struct Mapping {
    const uint8_t* data = nullptr;
    size_t size = 0;
  };

  void map(size_t file);
  void unmap();

  ImagePlaces places_;
  std::vector<Mapping> mappings_;  // of each file; none for those that are read whole
};

}  // namespace earlybird
