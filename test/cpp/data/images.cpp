// Resampling against the definition of the filter in double precision, the sampler, and rectangles of JPEG files
// against the same rectangles of whole decodings.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include "check.h"
#include "core/cancel.h"
#include "core/error.h"
#include "data/sampler.h"
#include "data/stream/image_files.h"
#include "data/stream/image_reader.h"
#include "data/stream/jpeg_decoder.h"
#include "data/stream/resample.h"
#include "data/stream/resized_crop.h"
#include "data/stream/slot_ring.h"

namespace {

using Bytes = std::vector<uint8_t>;
constexpr size_t kSlack = 64;

/// Pseudo-random bytes.
Bytes noise(size_t count, uint32_t seed) {
  Bytes out(count);
  for (uint8_t& byte : out) {
    seed = seed * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(seed >> 24);
  }
  return out;
}

struct Stretch {
  double start, length;
  int inputs;
  int64_t outputs, from;
  int count;
  bool mirrored;
};

/// One output of one axis: the triangle filter, by its definition.
template <typename Input>
double filtered(const Stretch& s, int position, Input input) {
  const int64_t o = s.from + (s.mirrored ? s.count - 1 - position : position);
  const double scale = s.length / s.outputs, width = std::max(1.0, scale), centre = s.start + (o + 0.5) * scale;
  double sum = 0, total = 0;
  for (int i = 0; i < s.inputs; ++i) {
    const double weight = std::max(0.0, 1 - std::abs(i + 0.5 - centre) / width);
    sum += weight * input(i);
    total += weight;
  }
  return sum / total;
}

void compare_resampling(const Stretch& x, const Stretch& y, const std::string& what) {
  const size_t stride = static_cast<size_t>(x.inputs) * 3 + 5;
  const Bytes pixels = noise(stride * y.inputs + kSlack, 7);
  earlybird::ResampleAxis across, down;
  across.set(x.start, x.length, x.inputs, x.outputs, x.from, x.count, x.mirrored);
  down.set(y.start, y.length, y.inputs, y.outputs, y.from, y.count, y.mirrored);
  Bytes got(static_cast<size_t>(x.count) * y.count * 3), plain(got.size());
  earlybird::ResampleScratch scratch;
  earlybird::resample(pixels.data(), stride, across, down, got.data(), scratch);
  earlybird::resample_parts::resample_plain(pixels.data(), stride, across, down, plain.data(), scratch);
  check(got == plain, what + ", vector and plain code agree", 0);

  double worst = 0, sum = 0;
  for (int c = 0; c < 3; ++c) {
    std::vector<double> between(static_cast<size_t>(y.inputs) * x.count);
    for (int row = 0; row < y.inputs; ++row)
      for (int i = 0; i < x.count; ++i)
        between[row * x.count + i] =
            std::floor(filtered(x, i, [&](int k) { return pixels[row * stride + k * 3 + c]; }) + 0.5);
    for (int i = 0; i < x.count; ++i)
      for (int j = 0; j < y.count; ++j) {
        const double truth = std::floor(filtered(y, j, [&](int k) { return between[k * x.count + i]; }) + 0.5);
        const double off = std::abs(truth - got[(static_cast<size_t>(j) * x.count + i) * 3 + c]);
        worst = std::max(worst, off);
        sum += off;
      }
  }
  check(worst <= 1, what + ", largest difference", worst);
  check(sum / static_cast<double>(got.size()) < 0.05, what + ", mean difference",
        sum / static_cast<double>(got.size()));
}

Bytes contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void compare_rectangles(const std::filesystem::path& path) {
  const Bytes file = contents(path);
  earlybird::JpegDecoder decoder;
  eb_jpeg_header header;
  eb_jpeg_pixels pixels;
  for (const int denominator : {1, 2, 4, 8}) {
    const std::string what = path.filename().string() + " at 1/" + std::to_string(denominator);
    if (!decoder.open(file.data(), file.size(), header)) return check(false, what + ": " + decoder.error(), 0);
    const int width = (header.width + denominator - 1) / denominator;
    const int height = (header.height + denominator - 1) / denominator;
    if (!decoder.decode(0, 0, width, height, denominator, true, pixels))
      return check(false, what + ": " + decoder.error(), 0);
    Bytes whole(static_cast<size_t>(width) * height * 3);
    for (int y = 0; y < height; ++y)
      std::copy_n(pixels.data + y * pixels.stride, width * 3, &whole[static_cast<size_t>(y) * width * 3]);
    int64_t wrong = 0;
    for (uint64_t i = 0; i < 40; ++i) {
      const auto box = earlybird::draw_resized_crop(width, height, 9, 0, i);
      if (!decoder.open(file.data(), file.size(), header) ||
          !decoder.decode(box.left, box.top, box.width, box.height, denominator, true, pixels))
        return check(false, what + ": " + decoder.error(), 0);
      for (int y = 0; y < box.height; ++y)
        wrong += !std::equal(pixels.data + y * pixels.stride, pixels.data + y * pixels.stride + box.width * 3,
                             &whole[(static_cast<size_t>(box.top + y) * width + box.left) * 3]);
    }
    check(wrong == 0, what + ", rows of rectangles that differ from the whole", static_cast<double>(wrong));
  }
}

/// Rows of random rectangles of one file that differ from those of another; -1 where one does not decode.
int64_t rows_that_differ(const Bytes& file, const Bytes& other, int denominator) {
  earlybird::JpegDecoder decoders[2];
  eb_jpeg_header headers[2];
  const Bytes* files[2] = {&file, &other};
  int64_t wrong = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    eb_jpeg_pixels pixels[2];
    earlybird::CropBox box = {};
    for (int k : {0, 1}) {
      if (!decoders[k].open(files[k]->data(), files[k]->size(), headers[k])) return -1;
      box = earlybird::draw_resized_crop((headers[k].width + denominator - 1) / denominator,
                                         (headers[k].height + denominator - 1) / denominator, 5, 1, i);
      if (!decoders[k].decode(box.left, box.top, box.width, box.height, denominator, i % 2 == 0, pixels[k])) return -1;
    }
    for (int y = 0; y < box.height; ++y)
      wrong += !std::equal(pixels[0].data + y * pixels[0].stride, pixels[0].data + y * pixels[0].stride + box.width * 3,
                           pixels[1].data + y * pixels[1].stride);
  }
  return wrong;
}

/// Fixtures of the kinds that are packed; progressive ones and those in inks stay JPEG, as images elsewhere may.
const std::vector<std::string> kPacked = {"411.jpg", "420.jpg", "422.jpg", "444.jpg", "gray.jpg", "restart.jpg"};

/// A packed image has the pixels of its JPEG, names a changed byte, and harms nothing where it is not checked.
void compare_packed(const std::filesystem::path& path) {
  const Bytes file = contents(path);
  const std::string what = path.filename().string();
  earlybird::JpegDecoder decoder;
  Bytes packed;
  if (!decoder.pack(file.data(), file.size(), packed)) return check(false, what + ": " + decoder.error(), 0);
  if (packed.empty()) {
    const bool may = std::find(kPacked.begin(), kPacked.end(), what) == kPacked.end();
    return check(may, what + " stays a JPEG", 0);
  }
  for (const int denominator : {1, 2, 4, 8})
    check(rows_that_differ(file, packed, denominator) == 0,
          what + " packed has the pixels of the JPEG at 1/" + std::to_string(denominator), 0);
  const Bytes seeds = noise(4 * 400, 3);
  int64_t unnoticed = 0;
  for (size_t i = 0; i < 400; ++i) {
    Bytes damaged = packed;
    const size_t place = 8 + (seeds[4 * i] << 16 | seeds[4 * i + 1] << 8 | seeds[4 * i + 2]) % (packed.size() - 8);
    damaged[place] = static_cast<uint8_t>(damaged[place] ^ (1 + seeds[4 * i + 3] % 255));
    if (i % 8 == 0) damaged.resize(place);
    for (const bool whole : {true, false}) {
      eb_jpeg_header header;
      eb_jpeg_pixels pixels;
      const bool good = decoder.open(damaged.data(), damaged.size(), header) &&
                        decoder.decode(0, 0, std::min(header.width, 64), header.height, 1, whole, pixels);
      unnoticed += good && whole;
    }
  }
  check(unnoticed == 0, what + ", damaged copies that are taken for good", static_cast<double>(unnoticed));
}

}  // namespace

EB_TEST("data: resampling against the definition of its filter") {
  compare_resampling({0, 300, 300, 224, 0, 224, false}, {0, 257, 257, 224, 0, 224, false}, "smaller");
  compare_resampling({0, 91, 91, 224, 0, 224, true}, {0, 60, 60, 224, 0, 224, false}, "larger, mirrored");
  compare_resampling({0.5, 63.25, 65, 37, 0, 37, true}, {0.75, 40, 42, 11, 0, 11, false}, "a part of a pixel");
  compare_resampling({-20, 500, 460, 341, 58, 224, false}, {-20, 375, 340, 256, 16, 224, false}, "the centre");
  compare_resampling({0, 1, 1, 32, 0, 32, false}, {0, 1, 1, 32, 0, 32, false}, "one pixel");
  compare_resampling({0, 900, 900, 5, 0, 5, false}, {0, 400, 400, 3, 0, 3, false}, "very much smaller");
  compare_resampling({0, 32, 32, 32, 0, 32, false}, {0, 32, 32, 32, 0, 32, false}, "the same size");
  compare_resampling({-32748, 65500, 4, 65500ll * 65535, 65500ll * 65535 / 2 - 16, 32, false},
                     {0, 1, 1, 65535, 32751, 32, false}, "a strip beyond 2^31 outputs");

  earlybird::ResampleAxis axis;
  axis.set(0, 777, 777, 224, 0, 224, false);
  bool whole = true;
  for (int i = 0; i < 224; ++i) {
    const auto first = axis.weights.begin() + static_cast<ptrdiff_t>(i) * axis.taps;
    whole &= std::accumulate(first, first + axis.taps, 0) == 1 << earlybird::ResampleAxis::kBits;
    whole &= axis.first[i] >= 0 && axis.first[i] + axis.taps <= 777;
  }
  check(whole, "weights sum to one and stay inside", 0);
}

EB_TEST("data: random resized crops") {
  double area = 0, flips = 0;
  bool inside = true, same = true, shapes = true;
  constexpr int kCount = 20000;
  for (int i = 0; i < kCount; ++i) {
    const auto box = earlybird::draw_resized_crop(500, 375, 1, 3, i);
    const auto again = earlybird::draw_resized_crop(500, 375, 1, 3, i);
    inside &= box.left >= 0 && box.top >= 0 && box.width > 0 && box.height > 0 && box.left + box.width <= 500 &&
              box.top + box.height <= 375;
    same &= box.left == again.left && box.top == again.top && box.width == again.width && box.flip == again.flip;
    const double ratio = static_cast<double>(box.width) / box.height;
    shapes &= ratio > 0.74 && ratio < 1.36;
    area += static_cast<double>(box.width) * box.height / (500.0 * 375.0) / kCount;
    flips += box.flip ? 1.0 / kCount : 0;
  }
  check(inside && same && shapes, "crops lie inside, are repeatable and of an allowed shape", 0);
  // Large crops do not always fit, and are drawn again: torchvision's mean for this size is 0.432.
  check(area > 0.42 && area < 0.444, "mean area of the crops", area);
  check(flips > 0.49 && flips < 0.51, "flips", flips);
  const auto strip = earlybird::draw_resized_crop(2000, 10, 1, 0, 0), dot = earlybird::draw_resized_crop(1, 1, 1, 0, 0);
  check(strip.height == 10 && strip.width == 13, "a strip falls back to its centre", strip.width);
  check(dot.width == 1 && dot.height == 1, "one pixel", dot.width);
}

EB_TEST("data: ranks share out every batch, each image once, whatever their number") {
  const auto order = earlybird::shuffled(23, 5, 2);
  for (const int64_t world_size : {1, 2, 3, 4, 9}) {
    for (const int64_t from : {0, 2}) {
      std::vector<earlybird::RankShare> shares;
      for (int64_t rank = 0; rank < world_size; ++rank)
        shares.push_back(earlybird::share_of(order, 6, from, rank, world_size));
      std::vector<size_t> next(world_size, 0);
      bool whole = true;
      for (int64_t batch = from; batch < 4; ++batch) {
        const int64_t first = batch * 6, last = std::min<int64_t>(23, first + 6);
        std::vector<int64_t> taken;
        for (int64_t rank = 0; rank < world_size; ++rank) {
          // All but the last batch of a rank are equally large.
          const auto& share = shares[rank];
          const int64_t count = batch < 3 ? (world_size == 9 && rank >= 6 ? 0 : share.batch_size)
                                          : static_cast<int64_t>(share.order.size() - next[rank]);
          for (int64_t i = 0; i < count; ++i) taken.push_back(share.order[next[rank]++]);
        }
        whole = whole && taken == std::vector<int64_t>(order.begin() + first, order.begin() + last);
      }
      bool all = true;
      for (int64_t rank = 0; rank < world_size; ++rank)
        all = all && next[rank] == shares[rank].order.size() && shares[rank].batches == 4 - from;
      check(whole && all, "batches of " + std::to_string(world_size) + " ranks from " + std::to_string(from), 0);
    }
  }
  const auto after = earlybird::share_of(order, 6, 4);
  check(after.order.empty() && after.batches == 0, "nothing is left behind the last batch, which was not full", 0);
  bool refused = false;
  try {
    (void)earlybird::share_of(order, 6, 5);
  } catch (const earlybird::Error& error) {
    refused = error.code() == "ERR_CHECKPOINT";
  }
  check(refused, "a position behind the end is refused", 0);
}

/// Loads the decoder of this build; false where it has none.
bool has_decoder() {
#ifdef EB_TEST_DECODER
  earlybird::load_jpeg_plugin(EB_TEST_DECODER);
  return true;
#else
  return false;
#endif
}

// EB_TEST_JPEGS may name another folder of images.
EB_TEST("data: rectangles of JPEG files against whole decodings") {
  if (!has_decoder()) return check(true, "skipped: no decoder was built", 0);
  const char* folder = std::getenv("EB_TEST_JPEGS");
  for (const auto& entry : std::filesystem::directory_iterator(folder ? folder : EB_TEST_FIXTURES "/jpeg")) {
    const std::string extension = entry.path().extension();
    if (extension != ".jpg" && extension != ".JPEG") continue;
    compare_rectangles(entry.path());
    compare_packed(entry.path());
  }
}

EB_TEST("data: a bad image is left out, any other failure ends the pass") {
  const earlybird::CancelToken never;
  for (const bool memory : {true, false}) {
    std::vector<uint8_t> slots(2 * 4);
    earlybird::SlotRing ring({slots.data(), slots.data() + 4}, 1, 400, 4, 3, [&](int, int64_t item, uint8_t*) {
      if (item == 50 && memory) throw std::bad_alloc();
      if (item == 50) throw earlybird::Error("ERR_FILE", "the disk");
      return item == 3 ? "bad" : "";
    });
    int64_t bad = 0;
    std::string what = "nothing";
    try {
      for (earlybird::SlotRing::Filled filled; ring.take(true, never, filled); ring.release())
        for (const std::string& reason : *filled.reasons) bad += !reason.empty();
    } catch (const std::bad_alloc&) {
      what = "memory";
    } catch (const earlybird::Error& error) {
      what = error.code();
    }
    check(what == (memory ? "memory" : "ERR_FILE"), "a pass ends with what a worker threw, not " + what, 0);
    check(bad == 1, "bad images before that", static_cast<double>(bad));
  }

  const std::string there = EB_TEST_FIXTURES "/jpeg/420.jpg";
  const earlybird::ImageFiles files({{there, there + ".none"}, {0, 1, 0}, {0, 0, 0}, {-1, -1, 0}});
  std::vector<uint8_t> buffer;
  earlybird::ImageFiles::Bytes bytes;
  check(files.read(0, buffer, bytes).empty() && bytes.size > 1000, "a whole file", static_cast<double>(bytes.size));
  check(files.read(1, buffer, bytes).find("No such file") != std::string::npos, "a missing file is a bad image", 0);
  check(files.read(2, buffer, bytes) == "empty", "an entry of no bytes is a bad image", 0);
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none = {0, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  std::string code;
  try {
    files.read(0, buffer, bytes);
  } catch (const earlybird::Error& error) {
    code = error.code();
  }
  setrlimit(RLIMIT_NOFILE, &before);
  check(code == "ERR_FILE", "without a descriptor the pass ends", 0);
}

EB_TEST("data: threads that share images and their faults make the pixels of one") {
  if (!has_decoder()) return check(true, "skipped: no decoder was built", 0);
  constexpr int kSide = 24, kImages = 48;
  constexpr size_t kBytes = size_t{3} * kSide * kSide;
  const std::string folder = EB_TEST_FIXTURES "/jpeg/";
  // Each image several times: a thread then learns from another that it is sound.
  earlybird::ImagePlaces places{{folder + "420.jpg", folder + "progressive.jpg", folder + "make.py"}, {}, {}, {}};
  for (int i = 0; i < kImages; ++i) places.file.push_back(i % 3);
  places.offsets.assign(kImages, 0);
  places.lengths.assign(kImages, earlybird::kWholeFile);
  const earlybird::ImageFiles files(std::move(places));

  const auto read_all = [&](int workers) {
    earlybird::SoundImages sound(kImages);
    std::vector<Bytes> slots(3, Bytes(kBytes * 4));
    std::vector<std::unique_ptr<earlybird::ImageReader>> readers;
    for (int i = 0; i < workers; ++i)
      readers.push_back(
          std::make_unique<earlybird::ImageReader>(files, earlybird::ImageTransform{true, kSide, 0}, sound));
    Bytes out;
    int64_t bad = 0;
    for (uint32_t epoch = 0; epoch < 2; ++epoch) {
      earlybird::SlotRing ring({slots[0].data(), slots[1].data(), slots[2].data()}, kBytes, kImages, 4, workers,
                               [&](int worker, int64_t item, uint8_t* to) {
                                 std::fill_n(to, kBytes, uint8_t{0});
                                 return readers[static_cast<size_t>(worker)]->read(item, 1, epoch, to);
                               });
      const earlybird::CancelToken never;
      for (earlybird::SlotRing::Filled filled; ring.take(true, never, filled); ring.release()) {
        const uint8_t* made = slots[filled.slot].data();
        out.insert(out.end(), made, made + kBytes * static_cast<size_t>(filled.size));
        for (const std::string& reason : *filled.reasons) bad += !reason.empty();
      }
    }
    check(bad == 2 * kImages / 3, "what is no image is bad in each epoch", static_cast<double>(bad));
    return out;
  };
  check(read_all(4) == read_all(1), "pixels of four threads are those of one", 0);
}
