// SPDX-License-Identifier: MIT
// Shows the device's part on this machine: its camera is mounted the other way round, so that every picture comes
// mirrored; it learns that from some samples and is asked about others.
#include "device.hpp"
#include "samples.hpp"  // made by host.cpp

#include <cstdio>

namespace {

int right(int first, int count) {
  int hits = 0;
  for (int i = first; i < first + count; ++i) hits += device::predict(samples::pictures[i]) == samples::labels[i];
  return hits;
}

}  // namespace

int main() {
  constexpr int known = samples::count / 2, asked = samples::count - known;
  device::start();
  const int before = right(known, asked);
  for (int round = 0; round < 20; ++round)
    for (int i = 0; i < known; ++i) device::learn(samples::pictures[i], samples::labels[i]);
  const int after = right(known, asked);
  std::printf("right of %d mirrored pictures: %d before, %d after training the last layer on %d others\n", asked,
              before, after, known);
  return after > before ? 0 : 1;
}
