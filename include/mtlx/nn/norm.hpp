// SPDX-License-Identifier: MIT
// Over the n numbers of a group: m = mean x, v = mean (x - m)² (of the population), r = 1 / sqrt(v + 1e-5), h = (x - m) r;
//   y = h w + b
//   dw += dy h,  db += dy  (summed where numbers share them),  dx = r (w dy - mean(w dy) - h mean(w dy h))
// References: Ba, Kiros and Hinton, "Layer Normalization", arXiv 1607.06450, eqs. 3 and 4; Wu and He, "Group
// Normalization", ECCV 2018, eqs. 1, 2 and 7.
//
// Large offsets. m comes as a rounded number c and what was left over, d = mean (x - c), and h = (x - c) r - d r: numbers
// of 1e4 +- 1 in float lose nothing to the mean, and equal numbers give exactly b. Where a square of x - c overflows (from
// 1e19 in float), r is 0, but not under -ffast-math, nor where a sum of the x - x[0] themselves overflows (near the
// largest number): there y may be NaN.
#pragma once

#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

namespace detail {

/// Adds add(i, a, b) for every i below `count` up in {a, b}: in four parts, so that sums round less and wait less.
template <class Number, std::size_t count, class Add>
std::array<Number, 2> two_sums(const Add& add) {
  constexpr std::size_t parts = 4, even = count / parts * parts;
  Number a[parts] = {Number(0), Number(0), Number(0), Number(0)};
  Number b[parts] = {Number(0), Number(0), Number(0), Number(0)};
  for (std::size_t i = 0; i < even; i += parts)
    for (std::size_t part = 0; part < parts; ++part) add(i + part, a[part], b[part]);
  for (std::size_t part = 0; part < count - even; ++part) add(even + part, a[part], b[part]);
  return {(a[0] + a[1]) + (a[2] + a[3]), (b[0] + b[1]) + (b[2] + b[3])};
}

/// The norm of `Groups` groups of `Units` units of `Plane` numbers. A unit has a weight and a bias.
template <std::size_t Groups, std::size_t Units, std::size_t Plane>
struct Norm {
  static constexpr std::size_t size = Units * Plane;  // of a group
  static constexpr std::size_t biases = Groups * Units;

  static void forward(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    const Number count(static_cast<float>(size));
    for (std::size_t group = 0; group < Groups; ++group) {
      const std::size_t first = group * size;
      const Number start = s.x[first];
      const auto [offset, unused] =
          two_sums<Number, size>([&](std::size_t i, Number& a, Number&) { a += s.x[first + i] - start; });
      const Number c = start + offset / count;
      const auto [sum, squares] = two_sums<Number, size>([&](std::size_t i, Number& a, Number& b) {
        const Number deviation = s.x[first + i] - c;
        a += deviation;
        b += deviation * deviation;
      });
      const Number d = sum / count;
      // Never below 0, however sums round under -ffast-math.
      const Number variance = maximum(squares / count - d * d, Number(0));
      const Number r = Number(1) / square_root(variance + Number(1e-5));
      const Number rest = d * r;
      s.saved[3 * group] = c;
      s.saved[3 * group + 1] = r;
      s.saved[3 * group + 2] = rest;
      for (std::size_t unit = group * Units; unit < (group + 1) * Units; ++unit) {
        const Number weight = s.p[unit], bias = s.p[biases + unit];
        for (std::size_t i = unit * Plane; i < (unit + 1) * Plane; ++i)
          s.y[i] = ((s.x[i] - c) * r - rest) * weight + bias;
      }
    }
  }

  static void backward(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    const Number count(static_cast<float>(size));
    for (std::size_t group = 0; group < Groups; ++group) {
      const Number c = s.saved[3 * group], r = s.saved[3 * group + 1], rest = s.saved[3 * group + 2];
      Number mean(0), slope(0);  // of w dy, and of w dy h
      for (std::size_t unit = group * Units; unit < (group + 1) * Units; ++unit) {
        const auto [dbias, dweight] = two_sums<Number, Plane>([&](std::size_t i, Number& a, Number& b) {
          const Number delta = s.dy[unit * Plane + i];
          a += delta;
          b += delta * ((s.x[unit * Plane + i] - c) * r - rest);
        });
        s.dp[unit] += dweight;
        s.dp[biases + unit] += dbias;
        mean += s.p[unit] * dbias;
        slope += s.p[unit] * dweight;
      }
      mean = mean / count;
      slope = slope / count;
      for (std::size_t unit = group * Units; unit < (group + 1) * Units; ++unit) {
        const Number weight = s.p[unit];
        for (std::size_t i = unit * Plane; i < (unit + 1) * Plane; ++i)
          s.dx[i] = r * (weight * s.dy[i] - mean - ((s.x[i] - c) * r - rest) * slope);
      }
    }
  }
};

/// Whether a group of so many numbers can be normalised.
template <std::size_t size>
consteval bool check_norm() {
  static_assert(size > 1, "mtlx: a norm needs groups of at least two numbers: one number less its mean is 0");
  return size > 1;
}

}  // namespace detail

/// Normalises all features of a sample together. x : (channels, height, width, batch) -> y : the same.
/// weight and bias : (channels, height, width), a pair for each feature; for a vector (channels).
struct LayerNorm {
  static constexpr std::string_view name = "LayerNorm";
  static constexpr Shape output(Shape in) { return in; }
  /// The statistics.
  static constexpr std::size_t saved(Shape) { return 3; }

  static constexpr std::array<Parameter, 2> parameters(Shape in) {
    const bool plain = in.height == 1 && in.width == 1;
    const std::array<int, 4> shape{in.channels, plain ? 0 : in.height, plain ? 0 : in.width};
    return {Parameter{"weight", shape, Role::norm, 1, 1, ones}, Parameter{"bias", shape, Role::norm, 1, 1, zeros}};
  }

  template <Shape In>
  static consteval bool check() {
    return detail::check_norm<In.size()>();
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    detail::Norm<1, In.size(), 1>::forward(s);
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    detail::Norm<1, In.size(), 1>::backward(s);
  }
};

/// Normalises each of `Groups` groups of neighbouring channels, with all their pixels. x : (channels, height, width,
/// batch) -> y : the same. weight and bias : (channels). As many groups as channels make an instance norm.
template <int Groups>
struct GroupNorm {
  static constexpr std::string_view name = "GroupNorm";
  static constexpr Shape output(Shape in) { return in; }
  /// The statistics of each group.
  static constexpr std::size_t saved(Shape) { return 3 * static_cast<std::size_t>(Groups); }

  static constexpr std::array<Parameter, 2> parameters(Shape in) {
    const std::array<int, 4> shape{in.channels};
    return {Parameter{"weight", shape, Role::norm, 1, 1, ones}, Parameter{"bias", shape, Role::norm, 1, 1, zeros}};
  }

  template <Shape In>
  static consteval bool check() {
    constexpr bool divides = Groups > 0 && In.channels % (Groups > 0 ? Groups : 1) == 0;
    static_assert(divides, "mtlx: the groups of a GroupNorm must divide the channels of its input");
    if constexpr (divides)
      return detail::check_norm<In.size() / Groups>();
    else
      return false;
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    NormOf<In>::forward(s);
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    NormOf<In>::backward(s);
  }

 private:
  template <Shape In>
  using NormOf = detail::Norm<static_cast<std::size_t>(Groups), static_cast<std::size_t>(In.channels / Groups),
                              static_cast<std::size_t>(In.height) * static_cast<std::size_t>(In.width)>;
};

}  // namespace mtlx::nn
