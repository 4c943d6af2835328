// SPDX-License-Identifier: MIT
// Pictures made larger or smaller. Two conventions are in use, and both are here. With s = out / in (each side its own) and the
// pixel i of the result at u = (i + 1/2) / s - 1/2 of the picture:
//   plain        the filter as it is, the nearest pixel where there is none: PyTorch's F.interpolate(size=...,
//                align_corners=False) and OpenCV's resize. Bicubic is Keys' with a = -0.75. A picture made smaller has aliases.
//   antialiased  a picture made smaller is filtered by f(s x) s, so that all its pixels count; mirrored at its borders, weights
//                normalised: MATLAB's imresize, with which nearly all papers on super-resolution make their low resolution.
//                Bicubic is Keys' with a = -0.5.
// Area is the plain mean of all pixels that a pixel of the result touches, floor(i / s) to ceil((i + 1) / s) - 1: PyTorch's
// mode="area". (OpenCV's INTER_AREA weighs those that it touches in part; where in / out is whole, the two are the same.)
// Reference: Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29 (1981), equation 4.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/image.hpp>

namespace mtlx::data {

/// How pixels between pixels are found.
enum class Interpolation { nearest, area, bilinear, bicubic };

/// How a picture is resized.
struct ResizeOptions {
  Interpolation interpolation = Interpolation::bicubic;
  /// Which convention holds, see the head of this file. Nearest and area have one only.
  bool antialias = false;
};

namespace detail {

// The pixels of one side that each pixel of the result is a weighted sum of: `count` for each, one after the other.
struct Taps {
  int count = 0;
  std::vector<std::size_t> from = {};
  std::vector<float> weights = {};
};

// Keys' cubic at x.
constexpr double keys(double x, double a) {
  const double t = x < 0 ? -x : x;
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}

// The pixel that stands for one outside: the nearest, or its mirror image.
constexpr long long inside(long long at, long long size, bool mirror) {
  if (!mirror) return at < 0 ? 0 : at >= size ? size - 1 : at;
  const long long period = 2 * size;
  at = (at % period + period) % period;
  return at < size ? at : period - 1 - at;
}

// Every pixel of the result as the plain mean of those it touches, weight 0 where fewer than `count` are.
inline void area_taps(int in, int out, Taps& taps) {
  const auto first = [&](long long i) { return i * in / out; };
  const auto end = [&](long long i) { return ((i + 1) * in + out - 1) / out; };
  for (int i = 0; i < out; ++i) taps.count = std::max(taps.count, static_cast<int>(end(i) - first(i)));
  for (int i = 0; i < out; ++i)
    for (long long k = 0; k < taps.count; ++k) {
      const bool there = first(i) + k < end(i);
      taps.from.push_back(static_cast<std::size_t>(there ? first(i) + k : first(i)));
      taps.weights.push_back(there ? 1 / static_cast<float>(end(i) - first(i)) : 0.0F);
    }
}

[[gnu::cold, gnu::noinline]] inline Taps taps(int in, int out, const ResizeOptions& options) {
  Taps result;
  if (options.interpolation == Interpolation::area) {
    area_taps(in, out, result);
    return result;
  }
  if (options.interpolation == Interpolation::nearest) {
    result.count = 1;
    for (long long i = 0; i < out; ++i) result.from.push_back(static_cast<std::size_t>(i * in / out));
    result.weights.assign(static_cast<std::size_t>(out), 1.0F);
    return result;
  }
  const bool cubic = options.interpolation == Interpolation::bicubic;
  const double a = options.antialias ? -0.5 : -0.75;
  // How much wider than its pixels the filter is.
  const double stretch = options.antialias && in > out ? static_cast<double>(in) / out : 1.0;
  const double reach = (cubic ? 2 : 1) * stretch;
  result.count = static_cast<int>(std::ceil(2 * reach)) + 1;
  std::vector<double> weights(static_cast<std::size_t>(result.count));
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * in / out - 0.5;
    const auto first = static_cast<long long>(std::ceil(centre - reach));
    double sum = 0;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const double x = (static_cast<double>(first) + static_cast<double>(k) - centre) / stretch;
      weights[k] = cubic ? keys(x, a) : std::fmax(1 - std::fabs(x), 0.0);
      sum += weights[k];
    }
    for (std::size_t k = 0; k < weights.size(); ++k) {
      result.from.push_back(static_cast<std::size_t>(inside(first + static_cast<long long>(k), in, options.antialias)));
      result.weights.push_back(static_cast<float>(weights[k] / sum));
    }
  }
  return result;
}

// Rows of one plane out of rows.
inline void resize_rows(const float* from, float* to, std::size_t width, const Taps& taps) {
  const auto count = static_cast<std::size_t>(taps.count);
  for (std::size_t at = 0; at < taps.from.size(); at += count, to += width) {
    for (std::size_t x = 0; x < width; ++x) to[x] = 0;
    for (std::size_t k = at; k < at + count; ++k) {
      const float* row = from + taps.from[k] * width;
      const float weight = taps.weights[k];
      if (weight == 0) continue;
      for (std::size_t x = 0; x < width; ++x) to[x] += weight * row[x];
    }
  }
}

// One row out of one row.
inline void resize_row(const float* from, float* to, const Taps& taps) {
  const auto count = static_cast<std::size_t>(taps.count);
  for (std::size_t at = 0; at < taps.from.size(); at += count, ++to) {
    float sum = 0;
    for (std::size_t k = at; k < at + count; ++k) sum += taps.weights[k] * from[taps.from[k]];
    *to = sum;
  }
}

}  // namespace detail

/// The picture with other sides. Bicubic overshoots at edges: the result may lie outside of [0, 1]. With the same sides the
/// picture is the same, bit for bit. Throws `Error` if a side is below 1 or above 2^20.
[[gnu::noinline]] inline Image resize(const Image& image, int height, int width, const ResizeOptions& options = {}) {
  check_picture("resize", image);
  constexpr int most = 1 << 20;
  if (height < 1 || width < 1 || height > most || width > most)
    fail("resize: to ", height, " x ", width, ", expected sides from 1 to ", most);
  if (height == image.shape.height && width == image.shape.width) return image;
  const detail::Taps rows = detail::taps(image.shape.height, height, options);
  const detail::Taps columns = detail::taps(image.shape.width, width, options);
  const Shape between{1, height, image.shape.width};
  std::vector<float> plane(between.size());
  Image result{{image.shape.channels, height, width}, {}};
  result.values.resize(result.shape.size());
  for (int c = 0; c < image.shape.channels; ++c) {
    detail::resize_rows(image.values.data() + image.shape.at(c, 0, 0), plane.data(),
                        static_cast<std::size_t>(image.shape.width), rows);
    for (int y = 0; y < height; ++y)
      detail::resize_row(plane.data() + between.at(0, y, 0), result.values.data() + result.shape.at(c, y, 0), columns);
  }
  return result;
}

/// The picture made smaller by a whole number, as low resolution is made in papers: bicubic, antialiased. Throws `Error` if a
/// side is no multiple of it.
[[gnu::noinline]] inline Image downscaled(const Image& image, int scale) {
  check_picture("downscaled", image);
  if (scale < 1 || image.shape.height % scale != 0 || image.shape.width % scale != 0)
    fail("downscaled: a picture of ", image.shape.height, " x ", image.shape.width, " by ", scale,
         ", expected sides that are multiples of it (crop_to_multiple)");
  return resize(image, image.shape.height / scale, image.shape.width / scale, {.antialias = true});
}

}  // namespace mtlx::data
