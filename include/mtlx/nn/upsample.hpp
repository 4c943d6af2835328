// SPDX-License-Identifier: MIT
// Upsample: y[c][h][w] = x[c][h / f][w / f] with f = Factor, rounded down;  dx = the sum of dy over the f x f copies.
// UpsampleBilinear: y[c][h][w] = sum_{a,b} k(h, a) k(w, b) x[c][a][b], k(h, a) = max(0, 1 - |z - a|) at the place
// z = (h + 1/2) / f - 1/2, moved to the nearest pixel where it lies outside;  dx is its adjoint.
#pragma once

#include <mtlx/nn/layer.hpp>

#include <algorithm>

namespace mtlx::nn {

/// Each pixel Factor x Factor times (PyTorch's mode "nearest"). x : (channels, height, width, batch) -> y : (channels,
/// height Factor, width Factor, batch).
template <int Factor>
struct Upsample {
  static constexpr std::string_view name = "Upsample";
  static constexpr Shape output(Shape in) { return {in.channels, in.height * Factor, in.width * Factor}; }

  template <Shape In>
  static consteval bool check() {
    static_assert(Factor > 0, "mtlx: Upsample needs a positive factor");
    return Factor > 0;
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    constexpr std::size_t f = Factor, rows = output(In).size() / (In.width * f), width = In.width;
    for (std::size_t r = 0, to = 0; r < rows; ++r)
      for (std::size_t w = 0; w < width * f; ++w, ++to) s.y[to] = s.x[r / f * width + w / f];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr std::size_t f = Factor, rows = In.size() / In.width, width = In.width;
    for (std::size_t r = 0, to = 0; r < rows; ++r)
      for (std::size_t w = 0; w < width; ++w, ++to) {
        Number total(0);
        for (std::size_t a = 0; a < f; ++a)
          for (std::size_t b = 0; b < f; ++b) total += s.dy[(r * f + a) * width * f + w * f + b];
        s.dx[to] = total;
      }
  }
};

/// Pixels between pixels by straight lines (PyTorch's mode "bilinear" with align_corners = False; its
/// UpsamplingBilinear2d aligns corners and is another). x : (channels, height, width, batch) -> y : (channels,
/// height Factor, width Factor, batch).
template <int Factor>
struct UpsampleBilinear {
  static constexpr std::string_view name = "UpsampleBilinear";
  static constexpr Shape output(Shape in) { return {in.channels, in.height * Factor, in.width * Factor}; }
  static constexpr double multiply_adds(Shape in) { return 4.0 * static_cast<double>(output(in).size()); }

  template <Shape In>
  static consteval bool check() {
    static_assert(Factor > 0, "mtlx: UpsampleBilinear needs a positive factor");
    return Factor > 0;
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr Shape out = output(In);
    for (int i = 0; i < In.channels; ++i)
      for (int h = 0; h < out.height; ++h)
        for (int w = 0; w < out.width; ++w) {
          const Between row = axis<In.height>.between[h], column = axis<In.width>.between[w];
          const auto along = [&](int r) {
            const Number left = s.x[In.at(i, r, column.first)], right = s.x[In.at(i, r, column.second)];
            return Number(1 - column.share) * left + Number(column.share) * right;
          };
          s.y[out.at(i, h, w)] = Number(1 - row.share) * along(row.first) + Number(row.share) * along(row.second);
        }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr Shape out = output(In);
    for (int i = 0; i < In.channels; ++i)
      for (int h = 0; h < In.height; ++h)
        for (int w = 0; w < In.width; ++w) {
          const Part &rows = axis<In.height>.part[h], &columns = axis<In.width>.part[w];
          Number total(0);
          for (int r = 0; r < rows.count; ++r) {
            Number along(0);
            for (int c = 0; c < columns.count; ++c)
              along += Number(columns.weight[c]) * s.dy[out.at(i, rows.first + r, columns.first + c)];
            total += Number(rows.weight[r]) * along;
          }
          s.dx[In.at(i, h, w)] = total;
        }
  }

 private:
  /// Where a fine pixel lies: between two coarse ones, `share` of the way.
  struct Between {
    int first = 0, second = 0;
    double share = 0;
  };
  /// The fine pixels that a coarse one has a part in: those less than one coarse pixel away.
  struct Part {
    int first = 0, count = 0;
    double weight[2 * Factor] = {};

    constexpr void add(int fine, double by) {
      if (by == 0) return;
      if (count == 0) first = fine;
      count = fine - first + 1;
      weight[fine - first] += by;
    }
  };
  /// One side of the image, Extent coarse pixels long.
  template <int Extent>
  struct Axis {
    Between between[Extent * Factor];
    Part part[Extent];

    constexpr Axis() {
      for (int fine = 0; fine < Extent * Factor; ++fine) {
        const int place = std::max(2 * fine + 1 - Factor, 0);  // in units of 1 / (2 Factor)
        const int first = place / (2 * Factor), second = std::min(first + 1, Extent - 1);
        between[fine] = {first, second, (place - 2 * Factor * first) / (2.0 * Factor)};
        part[first].add(fine, 1 - between[fine].share);
        part[second].add(fine, between[fine].share);
      }
    }
  };
  template <int Extent>
  static constexpr Axis<Extent> axis{};
};

}  // namespace mtlx::nn
