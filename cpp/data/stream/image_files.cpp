#include "data/stream/image_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

#ifndef MADV_POPULATE_READ  // glibc before 2.35
#define MADV_POPULATE_READ 22
#endif

namespace earlybird {
namespace {

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::string why() { return std::string("cannot be read: ") + std::strerror(errno); }

/// A missing file is a bad image. A disk or server that fails and a lack of descriptors are errors: they would make
/// every image a bad one.
std::string missing_or_throw(const std::string& path) {
  if (errno == ENOENT || errno == ENOTDIR) return why();
  const bool descriptors = errno == EMFILE || errno == ENFILE;
  throw Error("ERR_FILE",
              path + " " + why() +
                  (descriptors ? "; raise `ulimit -n`, or lower --workers." : "; check the disk and your rights."));
}

}  // namespace

ImageFiles::ImageFiles(ImagePlaces places) : places_(std::move(places)), mappings_(places_.files.size()) {
  try {
    for (size_t i = 0; i < places_.file.size(); ++i) {
      const int64_t file = places_.file[i], offset = places_.offsets[i], length = places_.lengths[i];
      if (file < 0 || file >= static_cast<int64_t>(places_.files.size()) || offset < 0 || length < kWholeFile ||
          (length == kWholeFile && offset != 0))
        throw Error("ERR_DATASET", "The place of image " + std::to_string(i) + " is not in any file.");
      if (length <= 0) continue;
      Mapping& mapping = mappings_[file];
      if (!mapping.data) map(file);
      if (static_cast<uint64_t>(offset) + static_cast<uint64_t>(length) > mapping.size)
        throw Error("ERR_DATASET", places_.files[file] +
                                       " is shorter than its index says: write it and its index "
                                       "again with `earlybird data pack`.");
    }
  } catch (...) {
    unmap();
    throw;
  }
}

ImageFiles::~ImageFiles() { unmap(); }

void ImageFiles::unmap() {
  for (Mapping& mapping : mappings_)
    if (mapping.data) munmap(const_cast<uint8_t*>(mapping.data), mapping.size);
  mappings_.clear();
}

void ImageFiles::map(size_t file) {
  const std::string& path = places_.files[file];
  const Descriptor descriptor(path);
  struct stat status = {};
  if (descriptor.number() < 0 || fstat(descriptor.number(), &status) != 0)
    throw Error("ERR_DATASET", "The shard " + path + " " + why() + ".");
  if (status.st_size == 0) throw Error("ERR_DATASET", "The shard " + path + " is empty.");
  const auto size = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor.number(), 0);
  if (data == MAP_FAILED) throw Error("ERR_DATASET", "The shard " + path + " " + why() + ".");
  // Images are read in random order, so reading ahead is of no use; read() asks for the bytes of each image.
  madvise(data, size, MADV_RANDOM);
  mappings_[file] = {static_cast<const uint8_t*>(data), size};
}

std::string ImageFiles::read(int64_t index, std::vector<uint8_t>& buffer, Bytes& out) const {
  const auto file = static_cast<size_t>(places_.file[index]);
  if (places_.lengths[index] == 0) return "empty";
  if (places_.lengths[index] != kWholeFile) {
    out = {mappings_[file].data + places_.offsets[index], static_cast<size_t>(places_.lengths[index])};
    static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t begin = reinterpret_cast<uintptr_t>(out.data) & ~(page - 1);
    const size_t size = reinterpret_cast<uintptr_t>(out.data) + out.size - begin;
    // One request to the disk instead of one a page; a refusal does no harm.
    madvise(reinterpret_cast<void*>(begin), size, MADV_WILLNEED);
    // A file that became shorter and a disk that fails are errors here, where to read their memory would end the
    // process, as it does where that happens between this call and the decoding, and on Linux before 5.14, which does
    // not know the advice.
    if (madvise(reinterpret_cast<void*>(begin), size, MADV_POPULATE_READ) != 0 &&
        (errno == EFAULT || errno == EHWPOISON))
      throw Error("ERR_FILE", places_.files[file] + " cannot be read at byte " +
                                  std::to_string(places_.offsets[index]) +
                                  ": it became shorter while it was in use, or its disk failed; check both.");
    return "";
  }
  const Descriptor descriptor(places_.files[file]);
  struct stat status = {};
  if (descriptor.number() < 0 || fstat(descriptor.number(), &status) != 0) return missing_or_throw(places_.files[file]);
  if (!S_ISREG(status.st_mode)) return "not a file";
  const auto size = static_cast<size_t>(status.st_size);
  if (buffer.size() < size) buffer.resize(size);
  size_t got = 0;
  while (got < size) {
    const ssize_t some = ::read(descriptor.number(), buffer.data() + got, size - got);
    if (some < 0 && errno == EINTR) continue;
    if (some < 0) return missing_or_throw(places_.files[file]);
    if (some == 0) break;  // the file became shorter
    got += static_cast<size_t>(some);
  }
  out = {buffer.data(), got};
  return "";
}

std::string ImageFiles::name(int64_t index) const {
  const std::string& path = places_.files[places_.file[index]];
  if (places_.lengths[index] == kWholeFile) return path;
  return path + " (image at byte " + std::to_string(places_.offsets[index]) + ")";
}

}  // namespace earlybird
