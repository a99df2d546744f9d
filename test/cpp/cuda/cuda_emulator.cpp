#include "cuda_emulator.h"

#include <ucontext.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cuda_emulator {
namespace {

constexpr size_t kStack = 128 << 10;
constexpr unsigned kMostThreads = 1024;

enum class State { kReady, kAtBlock, kAtWarp, kDone };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  uint3 index;
  State state;
  Where where;
  uint32_t mask;
  uint64_t given;
  Lanes seen;
};

struct Machine {
  Order order = Order::kForward;
  std::mt19937 random{1};
  int64_t launches = 0;

  ucontext_t scheduler;
  std::vector<Fiber> fibers;
  size_t threads = 0, current = 0;
  const std::function<void()>* kernel = nullptr;
  std::exception_ptr thrown;
  std::vector<uint4> shared;

  Fiber& running() { return fibers[current]; }
};

Machine machine;

std::vector<size_t> in_order(size_t count) {
  std::vector<size_t> out(count);
  std::iota(out.begin(), out.end(), 0);
  if (machine.order == Order::kReverse) std::reverse(out.begin(), out.end());
  if (machine.order == Order::kShuffled) std::shuffle(out.begin(), out.end(), machine.random);
  return out;
}

uint3 position(size_t number, const dim3& in) {
  const size_t rest = number / in.x;
  return {static_cast<unsigned>(number % in.x), static_cast<unsigned>(rest % in.y), static_cast<unsigned>(rest / in.y)};
}

void enter() {
  try {
    (*machine.kernel)();
  } catch (...) {
    machine.thrown = std::current_exception();
  }
  machine.running().state = State::kDone;
  setcontext(&machine.scheduler);
}

void prepare(size_t thread) {
  Fiber& fiber = machine.fibers[thread];
  fiber.state = State::kReady;
  fiber.index = position(thread, blockDim);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
}

void resume(size_t thread) {
  machine.current = thread;
  threadIdx = machine.fibers[thread].index;
  swapcontext(&machine.scheduler, &machine.fibers[thread].context);
  if (machine.thrown) std::rethrow_exception(std::exchange(machine.thrown, nullptr));
}

void pause(State state, const Where& where) {
  Fiber& fiber = machine.running();
  fiber.state = state;
  fiber.where = where;
  swapcontext(&fiber.context, &machine.scheduler);
}

bool same_place(const Where& a, const Where& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

/// Resumes the lanes of a warp whose operation all lanes of the mask have reached.
bool release_warp(size_t first) {
  bool released = false;
  const size_t lanes = std::min<size_t>(32, machine.threads - first);
  for (size_t lane = 0; lane < lanes; ++lane) {
    const Fiber& one = machine.fibers[first + lane];
    if (one.state != State::kAtWarp) continue;
    const uint32_t mask = one.mask;
    bool met = lanes == 32 || mask >> lanes == 0;
    for (size_t i = 0; met && i < lanes; ++i)
      if (mask >> i & 1) {
        const Fiber& other = machine.fibers[first + i];
        met = other.state == State::kAtWarp && other.mask == mask && same_place(other.where, one.where);
      }
    if (!met) continue;
    Lanes given{};
    for (size_t i = 0; i < lanes; ++i)
      if (mask >> i & 1) given[i] = machine.fibers[first + i].given;
    for (size_t i = 0; i < lanes; ++i)
      if (mask >> i & 1) {
        machine.fibers[first + i].seen = given;
        machine.fibers[first + i].state = State::kReady;
      }
    released = true;
  }
  return released;
}

[[noreturn]] void report_divergence() {
  std::string text = "Block " + std::to_string(blockIdx.x) + ", " + std::to_string(blockIdx.y) +
                     ": threads wait for others that never come:";
  std::string last;
  for (size_t t = 0; t < machine.threads; ++t) {
    const Fiber& fiber = machine.fibers[t];
    std::string line = "ended";
    if (fiber.state != State::kDone)
      line = std::string(fiber.state == State::kAtBlock ? "at a barrier of the block, " : "at a warp operation, ") +
             fiber.where.file_name() + ":" + std::to_string(fiber.where.line());
    if (line != last) text += "\n  from thread " + std::to_string(t) + ": " + line;
    last = line;
  }
  throw std::runtime_error(text);
}

bool all_at_one_barrier() {
  const Fiber& first = machine.fibers[0];
  for (size_t t = 0; t < machine.threads; ++t)
    if (machine.fibers[t].state != State::kAtBlock || !same_place(machine.fibers[t].where, first.where)) return false;
  return true;
}

bool all_done() {
  return std::all_of(machine.fibers.begin(), machine.fibers.begin() + static_cast<ptrdiff_t>(machine.threads),
                     [](const Fiber& fiber) { return fiber.state == State::kDone; });
}

void run_block() {
  // All bits set: a float that is read before it is written is NaN.
  if (!machine.shared.empty()) std::memset(machine.shared.data(), 0xFF, machine.shared.size() * sizeof(uint4));
  for (size_t t = 0; t < machine.threads; ++t) prepare(t);
  while (true) {
    for (const size_t t : in_order(machine.threads))
      if (machine.fibers[t].state == State::kReady) resume(t);
    bool released = false;
    for (size_t first = 0; first < machine.threads; first += 32) released |= release_warp(first);
    if (released) continue;
    if (all_done()) return;
    if (!all_at_one_barrier()) report_divergence();
    for (size_t t = 0; t < machine.threads; ++t) machine.fibers[t].state = State::kReady;
  }
}

}  // namespace

void set_order(Order order, uint32_t seed) {
  machine.order = order;
  machine.random.seed(seed);
}

int64_t launches() { return machine.launches; }

void run(dim3 blocks, dim3 threads, size_t shared_bytes, const std::function<void()>& kernel) {
  const size_t count = size_t{threads.x} * threads.y * threads.z, block_count = size_t{blocks.x} * blocks.y * blocks.z;
  if (count == 0 || count > kMostThreads || block_count == 0 || blocks.y > 65535 || blocks.z > 65535 ||
      blocks.x > 0x7FFFFFFF || shared_bytes > 48 << 10)
    throw std::runtime_error("A launch of " + std::to_string(block_count) + " blocks of " + std::to_string(count) +
                             " threads with " + std::to_string(shared_bytes) + " bytes: no GPU takes that.");
  ++machine.launches;
  machine.kernel = &kernel;
  machine.threads = count;
  machine.shared.resize((shared_bytes + 15) / 16);
  while (machine.fibers.size() < count) machine.fibers.emplace_back().stack.reset(new char[kStack]);
  gridDim = blocks;
  blockDim = threads;
  for (const size_t block : in_order(block_count)) {
    blockIdx = position(block, blocks);
    run_block();
  }
}

void* dynamic_shared() { return machine.shared.data(); }

void wait_for_block(const Where& where) { pause(State::kAtBlock, where); }

int lane() { return static_cast<int>(machine.current % 32); }

const Lanes& exchange(uint32_t mask, uint64_t value, const Where& where) {
  if (!(mask >> lane() & 1))
    throw std::runtime_error("A thread takes part in a warp operation whose mask leaves it out.");
  machine.running().mask = mask;
  machine.running().given = value;
  pause(State::kAtWarp, where);
  return machine.running().seen;
}

}  // namespace cuda_emulator
