#pragma once

#include "cuda_emulator.h"

/// Calls `work` under each order of blocks and threads, with its name.
template <class Work>
void in_every_order(const Work& work) {
  using cuda_emulator::Order;
  const std::pair<Order, const char*> orders[] = {
      {Order::kForward, "forward"}, {Order::kReverse, "backward"}, {Order::kShuffled, "shuffled"}};
  for (const auto& [order, name] : orders) {
    cuda_emulator::set_order(order);
    work(name);
  }
  cuda_emulator::set_order(Order::kForward);
}
