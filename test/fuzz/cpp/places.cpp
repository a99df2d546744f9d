// The places of images in shards, as an index gives them: each image lies in its file, or the index is refused.
// sources: data/stream/{image_files}.cpp
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <numeric>

#include "core/error.h"
#include "data/stream/image_files.h"

using earlybird::ImageFiles;

namespace {

constexpr int kFiles = 3;

std::string file_of(size_t bytes) {
  const int memory = memfd_create("shard", MFD_CLOEXEC);
  const std::vector<uint8_t> content(bytes, 1);
  if (pwrite(memory, content.data(), bytes, 0) != static_cast<ssize_t>(bytes)) std::abort();
  return "/proc/self/fd/" + std::to_string(memory);
}

/// Mostly a place that could be, else any number.
int64_t number(FuzzedDataProvider& from) {
  return from.ConsumeBool() ? from.ConsumeIntegralInRange<int64_t>(-2, 5000) : from.ConsumeIntegral<int64_t>();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::string> names = {file_of(0), file_of(100), file_of(4096 + 7), "/absent"};
  FuzzedDataProvider from(data, size);
  earlybird::ImagePlaces places{names, {}, {}, {}};
  while (from.remaining_bytes() > 0 && places.file.size() < 64) {
    places.file.push_back(from.ConsumeBool() ? from.ConsumeIntegralInRange<int32_t>(-1, kFiles + 1)
                                             : from.ConsumeIntegral<int32_t>());
    places.offsets.push_back(number(from));
    places.lengths.push_back(number(from));
  }
  const size_t images = places.file.size();
  try {
    const ImageFiles files(std::move(places));
    for (size_t i = 0; i < images; ++i) {
      std::vector<uint8_t> buffer;
      ImageFiles::Bytes bytes;
      if (files.read(static_cast<int64_t>(i), buffer, bytes).empty()) {
        // Every byte is there, and was written by this program.
        const size_t sum = std::accumulate(bytes.data, bytes.data + bytes.size, size_t{0});
        if (sum != bytes.size) std::abort();
      }
      if (files.name(static_cast<int64_t>(i)).empty()) std::abort();
    }
  } catch (const earlybird::Error& error) {
    if (error.code() != "ERR_DATASET") std::abort();
  }
  return 0;
}
