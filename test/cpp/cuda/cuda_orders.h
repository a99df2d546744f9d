#pragma once

#include "cuda_emulator.h"

/// Calls `work` with the name of each order of blocks and threads, under that order.
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
