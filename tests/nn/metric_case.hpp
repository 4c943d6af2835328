// SPDX-License-Identifier: MIT
// The samples of scripts/oracle/metrics.py, and a metric's value there.
#pragma once

#include <mtlx/nn/metric.hpp>

#include <array>
#include <cstddef>

#include "metric_oracle.inc"

namespace metric_case {

inline constexpr std::size_t samples = 60, outputs = 4;

using Number = float (*)(std::size_t s, std::size_t i);
using Choice = bool (*)(std::size_t s, std::size_t i);

inline float z(std::size_t s, std::size_t i) {
  return (static_cast<float>((s * 37 + i * 17 + s * s * 3 % 13) % 29) - 14) / 8;
}
inline float of_class(std::size_t s, std::size_t) { return static_cast<float>((s * s + s / 3) % outputs); }
inline float label(std::size_t s, std::size_t i) { return (s * 11 + i * 7 + s * s % 5) % 3 == 0 ? 1 : 0; }
inline float number(std::size_t s, std::size_t i) {
  return (static_cast<float>((s * 5 + i * 3) % 17) - 8) / 4 + static_cast<float>(i * 100);
}
inline float fit(std::size_t s, std::size_t i) { return number(s, i) + z(s, i); }
inline bool some(std::size_t s, std::size_t i) { return (s * 5 + i * 3) % 7 != 0; }
inline bool all(std::size_t, std::size_t) { return true; }

/// What a metric says of the samples; missing targets are spoilt.
template <class M, std::size_t count = outputs>
double value(Number output, Number target, Choice present) {
  constexpr auto width = static_cast<std::size_t>(M::targets(static_cast<int>(count)));
  M metric;
  for (std::size_t s = 0; s < samples; ++s) {
    std::array<float, count> outputs_of{};
    std::array<float, width> targets{};
    std::array<unsigned char, width> mask{};
    for (std::size_t i = 0; i < count; ++i) outputs_of[i] = output(s, i);
    for (std::size_t i = 0; i < width; ++i) {
      mask[i] = present(s, i) ? 1 : 0;
      targets[i] = present(s, i) ? target(s, i) : 1e30F;
    }
    metric.add(outputs_of, targets, mask);
  }
  return metric.value();
}

}  // namespace metric_case
