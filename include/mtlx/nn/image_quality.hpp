// SPDX-License-Identifier: MIT
// How much a picture is like the true one, without any learnt weights. x and y are two pictures in [0, 1], p a pixel:
//
// PSNR     10 log10(1 / mean (x - y)²), at most 100
// SSIM     mean of l cs,  l = (2 mx my + C1) / (mx² + my² + C1),  cs = (2 sxy + C2) / (sx² + sy² + C2), moments under a
//          Gaussian window of 11 x 11, sigma 1.5, wholly inside;  C1 = 0.01², C2 = 0.03²
// MS-SSIM  prod_i max(mean cs_i, 0)^w_i over five scales, each half the one before, the last with l cs
// GMSD     standard deviation of GMS(p) = (2 a b + T) / (a² + b² + T), a and b the gradients by Prewitt, T = 170 / 255²
// MDSI     (mean |g(p) - mean g|)^(1/4), g = (0.6 GS + 0.4 CS)^(1/4), GS from gradients of the luma, CS from two chromatic
//          channels
// HaarPSI  (logit(sum w s(h) / sum w) / a)², h the similarity of Haar wavelets at two scales, w those at the third,
//          s(h) = 1 / (1 + e^(-a h)), a = 4.2
// DSS      sum over the low frequencies of an 8 x 8 DCT, with Gaussian weights, of the mean of the worst 5 % of the
//          similarities of their local variances
//
// References: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", TIP 2004; Wang et
// al., "Multi-scale Structural Similarity for Image Quality Assessment", Asilomar 2003; Xue et al., "Gradient Magnitude
// Similarity Deviation", TIP 2014; Ziaei Nafchi et al., "Mean Deviation Similarity Index", IEEE Access 2016; Reisenhofer et
// al., "A Haar Wavelet-Based Perceptual Similarity Index for Image Quality Assessment", SPIC 2018; Balanov et al., "Image
// Quality Assessment Based on DCT Subband Similarity", ICIP 2015.
//
// Everything is computed in double by one thread, in an order that never changes. Pads, pools and roundings are those of
// piq 0.8 (Kastryulin et al.); see docs/image_quality.md for the conventions and for how far each follows people.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <string_view>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/nn/metric.hpp>

namespace mtlx::nn {

/// Somebody's picture: one channel (grey, or Y alone) or three (red, green, blue), channel by channel, row by row, numbers in
/// [0, 1]. data::Image converts to it.
struct PictureView {
  std::span<const float> values;
  Shape shape;

  PictureView(std::span<const float> numbers, Shape of) : values(numbers), shape(of) {}
  template <class P>
    requires requires(const P& picture) {
      { picture.shape } -> std::convertible_to<Shape>;
      std::span<const float>(picture.values);
    }
  PictureView(const P& picture) : values(picture.values), shape(picture.shape) {}  // NOLINT: stands for a picture
};

/// What PSNR, SSIM and MS-SSIM look at.
struct QualityOptions {
  bool luma = true;  ///< Y of BT.601 as data::luma has it; else the three channels. One channel is taken as it is.
  int border = 0;    ///< pixels left out on each side; papers on super-resolution leave out as many as their scale
};

/// The PSNR of equal pictures, in dB, and of all that are closer than that: infinity would not survive -ffast-math.
inline constexpr double psnr_limit = 100;

namespace detail {

// One channel in double.
struct Plane {
  std::size_t height = 0, width = 0;
  std::vector<double> values;

  Plane(std::size_t rows, std::size_t columns) : height(rows), width(columns), values(rows * columns) {}
  double& at(std::size_t row, std::size_t column) { return values[row * width + column]; }
  double at(std::size_t row, std::size_t column) const { return values[row * width + column]; }
};

[[gnu::cold, gnu::noinline]] inline void check_view(std::string_view what, const PictureView& picture) {
  const Shape& shape = picture.shape;
  if ((shape.channels != 1 && shape.channels != 3) || shape.height < 1 || shape.width < 1)
    fail(what, ": a picture of shape ", shape.channels, " x ", shape.height, " x ", shape.width,
         ", expected 1 or 3 channels and at least one pixel");
  if (picture.values.size() != shape.size())
    fail(what, ": ", picture.values.size(), " numbers, expected ", shape.size(), " for the shape ", shape);
  for (std::size_t i = 0; i < picture.values.size(); ++i)
    if (is_nan(picture.values[i]) || picture.values[i] < 0 || picture.values[i] > 1)
      fail(what, ": number ", i, " of a picture is ", picture.values[i], ", expected 0 to 1");
}

// Throws unless the pictures can be compared and have `least` pixels on each side within the border.
[[gnu::cold, gnu::noinline]] inline void check_pictures(std::string_view what, const PictureView& x,
                                                        const PictureView& y, int least, int border = 0) {
  check_view(what, x);
  check_view(what, y);
  if (!(x.shape == y.shape)) fail(what, ": pictures of the shapes ", x.shape, " and ", y.shape, ", expected the same");
  if (border < 0) fail(what, ": a border of ", border, ", expected at least 0");
  const int side = std::min(x.shape.height, x.shape.width);
  if (border > side / 2 || side - 2 * border < least)
    fail(what, ": pictures of ", x.shape.height, " x ", x.shape.width, " pixels with a border of ", border,
         ", expected at least ", least, " on each side within it");
}

// A sum of the channels' numbers, times `by` and plus `plus`, without a border; a grey picture counts as three equal
// channels.
inline Plane mixed(const PictureView& picture, const std::array<double, 3>& by, double plus = 0,
                   std::size_t border = 0) {
  const Shape& shape = picture.shape;
  const auto width = static_cast<std::size_t>(shape.width), height = static_cast<std::size_t>(shape.height);
  const std::size_t area = width * height, step = shape.channels == 3 ? area : 0;
  Plane plane(height - 2 * border, width - 2 * border);
  for (std::size_t row = 0; row < plane.height; ++row)
    for (std::size_t column = 0; column < plane.width; ++column) {
      const float* at = picture.values.data() + (row + border) * width + column + border;
      plane.at(row, column) = by[0] * static_cast<double>(at[0]) + by[1] * static_cast<double>(at[step]) +
                              by[2] * static_cast<double>(at[2 * step]) + plus;
    }
  return plane;
}

inline constexpr std::array<double, 3> rec601 = {0.299, 0.587, 0.114};

// The grey of YIQ; one channel is that already.
inline Plane grey(const PictureView& picture, double scale) {
  if (picture.shape.channels == 1) return mixed(picture, {scale, 0, 0});
  return mixed(picture, {scale * rec601[0], scale * rec601[1], scale * rec601[2]});
}

// What the options ask for: one plane or three.
inline std::vector<Plane> measured(const PictureView& picture, const QualityOptions& options) {
  const auto border = static_cast<std::size_t>(options.border);
  std::vector<Plane> planes;
  if (picture.shape.channels == 1) {
    planes.push_back(mixed(picture, {1, 0, 0}, 0, border));
  } else if (options.luma) {
    planes.push_back(mixed(picture, {65.481 / 255, 128.553 / 255, 24.966 / 255}, 16.0 / 255, border));
  } else {
    planes.push_back(mixed(picture, {1, 0, 0}, 0, border));
    planes.push_back(mixed(picture, {0, 1, 0}, 0, border));
    planes.push_back(mixed(picture, {0, 0, 1}, 0, border));
  }
  return planes;
}

// The plane correlated with down[i] across[j], after `before` rows and columns of zeros were put before it and `after` after.
[[gnu::noinline]] inline Plane correlated(const Plane& x, std::span<const double> down, std::span<const double> across,
                                          std::size_t before, std::size_t after) {
  Plane rows(x.height, x.width + before + after + 1 - across.size());
  for (std::size_t r = 0; r < rows.height; ++r)
    for (std::size_t c = 0; c < rows.width; ++c) {
      double total = 0;
      for (std::size_t j = 0; j < across.size(); ++j) {
        const std::size_t from = c + j;
        if (from >= before && from < x.width + before) total += across[j] * x.at(r, from - before);
      }
      rows.at(r, c) = total;
    }
  Plane y(x.height + before + after + 1 - down.size(), rows.width);
  for (std::size_t i = 0; i < down.size(); ++i)
    for (std::size_t r = 0; r < y.height; ++r) {
      const std::size_t from = r + i;
      if (from < before || from >= x.height + before) continue;
      for (std::size_t c = 0; c < y.width; ++c) y.at(r, c) += down[i] * rows.at(from - before, c);
    }
  return y;
}

// Means of squares of `size` x `size` pixels, after `before` rows and columns of zeros were put before, and after it as many
// as the last square wants. With `copies`, copies of the first row and column instead, and nothing after it: pixels of an
// unfinished square are left out.
inline Plane pooled(const Plane& x, std::size_t size, std::size_t before, bool copies = false) {
  const std::size_t fill = copies ? before : before + size / 2;
  Plane y((x.height + fill) / size, (x.width + fill) / size);
  const double share = 1.0 / static_cast<double>(size * size);
  for (std::size_t r = 0; r < y.height; ++r)
    for (std::size_t c = 0; c < y.width; ++c) {
      double total = 0;
      for (std::size_t i = r * size; i < (r + 1) * size; ++i)
        for (std::size_t j = c * size; j < (c + 1) * size; ++j) {
          const bool inside = i >= before && j >= before && i < x.height + before && j < x.width + before;
          if (copies || inside) total += x.at(i < before ? 0 : i - before, j < before ? 0 : j - before);
        }
      y.at(r, c) = share * total;
    }
  return y;
}

inline Plane product(const Plane& x, const Plane& y) {
  Plane z(x.height, x.width);
  for (std::size_t i = 0; i < z.values.size(); ++i) z.values[i] = x.values[i] * y.values[i];
  return z;
}

inline double mean(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total / static_cast<double>(values.size());
}

template <std::size_t size>
std::array<double, size> gaussian(double sigma) {
  std::array<double, size> taps{};
  double total = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double from = static_cast<double>(i) - static_cast<double>(size - 1) / 2;
    total += taps[i] = std::exp(-from * from / (2 * sigma * sigma));
  }
  for (double& tap : taps) tap /= total;
  return taps;
}

inline double similarity(double a, double b, double constant) {
  return (2 * a * b + constant) / (a * a + b * b + constant);
}

// Means of SSIM and of its part without the luminance.
struct Structure {
  double ssim = 0, contrast = 0;
};

[[gnu::noinline]] inline Structure structure(const Plane& x, const Plane& y) {
  constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  const auto window = gaussian<11>(1.5);
  const auto blurred = [&](const Plane& plane) { return correlated(plane, window, window, 0, 0).values; };
  const std::vector<double> mx = blurred(x), my = blurred(y), xx = blurred(product(x, x)), yy = blurred(product(y, y)),
                            xy = blurred(product(x, y));
  Structure total;
  for (std::size_t i = 0; i < mx.size(); ++i) {
    const double squares = mx[i] * mx[i] + my[i] * my[i], both = mx[i] * my[i];
    const double contrast = (2 * (xy[i] - both) + c2) / (xx[i] + yy[i] - squares + c2);
    total.ssim += contrast * (2 * both + c1) / (squares + c1);
    total.contrast += contrast;
  }
  const auto count = static_cast<double>(mx.size());
  return {total.ssim / count, total.contrast / count};
}

// Sizes of the gradient by Prewitt, with zeros outside.
inline Plane gradient(const Plane& x) {
  static constexpr double side[] = {-1.0 / 3, 0, 1.0 / 3}, flat[] = {1, 1, 1};
  Plane across = correlated(x, flat, side, 1, 1);
  const Plane down = correlated(x, side, flat, 1, 1);
  for (std::size_t i = 0; i < across.values.size(); ++i) {
    double& value = across.values[i];
    value = std::sqrt(value * value + down.values[i] * down.values[i]);
  }
  return across;
}

// Haar wavelets of `size` pixels, for edges between rows and between columns, without their signs.
inline std::array<Plane, 2> haar(const Plane& x, std::size_t size) {
  double flat[8], edge[8];
  for (std::size_t i = 0; i < size; ++i) {
    flat[i] = 1;
    edge[i] = (i < size / 2 ? 1.0 : -1.0) / static_cast<double>(size);
  }
  const std::span<const double> mean(flat, size), step(edge, size);
  std::array<Plane, 2> both{correlated(x, step, mean, size / 2 - 1, size / 2),
                            correlated(x, mean, step, size / 2 - 1, size / 2)};
  for (Plane& plane : both)
    for (double& value : plane.values) value = std::abs(value);
  return both;
}

// The coefficient (m, n) of each whole block of 8 x 8 pixels.
inline Plane dct_band(const Plane& x, std::size_t m, std::size_t n) {
  double down[8], across[8];
  for (std::size_t i = 0; i < 8; ++i) {
    const double place = std::numbers::pi * static_cast<double>(2 * i + 1) / 16;
    down[i] = std::cos(place * static_cast<double>(m)) * (m == 0 ? std::sqrt(0.125) : 0.5);
    across[i] = std::cos(place * static_cast<double>(n)) * (n == 0 ? std::sqrt(0.125) : 0.5);
  }
  Plane band(x.height / 8, x.width / 8);
  for (std::size_t r = 0; r < band.height; ++r)
    for (std::size_t c = 0; c < band.width; ++c) {
      double total = 0;
      for (std::size_t i = 0; i < 8; ++i)
        for (std::size_t j = 0; j < 8; ++j) total += down[i] * across[j] * x.at(8 * r + i, 8 * c + j);
      band.at(r, c) = total;
    }
  return band;
}

// How many of the blocks the worst 5 % are; half of a block goes to the even number.
inline std::size_t worst_blocks(std::size_t blocks) {
  return static_cast<std::size_t>(std::nearbyint(0.05 * static_cast<double>(blocks)));
}

inline double mean_of_worst(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  values.resize(worst_blocks(values.size()));
  return mean(values);
}

[[gnu::noinline]] inline double band_similarity(const Plane& x, const Plane& y, bool constant_band) {
  const double c = constant_band ? 1000 : 300;
  const auto window = gaussian<3>(1.5);
  const auto blurred = [&](const Plane& plane) { return correlated(plane, window, window, 1, 1).values; };
  const std::vector<double> mx = blurred(x), my = blurred(y), xx = blurred(product(x, x)), yy = blurred(product(y, y)),
                            xy = blurred(product(x, y));
  std::vector<double> left(mx.size()), right(mx.size());
  for (std::size_t i = 0; i < mx.size(); ++i) {
    const double vx = std::max(xx[i] - mx[i] * mx[i], 0.0), vy = std::max(yy[i] - my[i] * my[i], 0.0);
    const double both = std::sqrt(vx * vy);
    left[i] = (2 * both + c) / (vx + vy + c);
    right[i] = (xy[i] - mx[i] * my[i] + c) / (both + c);
  }
  return mean_of_worst(left) * (constant_band ? mean_of_worst(right) : 1);
}

}  // namespace detail

/// Peak signal to noise ratio in dB, from 0 to `psnr_limit`; higher is better. With three channels, of the squared error's
/// mean over all of them. Throws `Error` unless the shapes are the same, all numbers are in [0, 1], and the border leaves a
/// pixel.
[[gnu::noinline]] inline double psnr(const PictureView& x, const PictureView& y, const QualityOptions& options = {}) {
  detail::check_pictures("psnr", x, y, 1, options.border);
  const auto a = detail::measured(x, options), b = detail::measured(y, options);
  double total = 0, count = 0;
  for (std::size_t c = 0; c < a.size(); ++c)
    for (std::size_t i = 0; i < a[c].values.size(); ++i, ++count) {
      const double error = a[c].values[i] - b[c].values[i];
      total += error * error;
    }
  const double noise = total / count;
  return noise <= 1e-10 ? psnr_limit : -10 * std::log10(noise);
}

/// Structural similarity, from -1 to 1; higher is better. With three channels, their mean. The pictures are not made
/// smaller first. Throws `Error` as `psnr`, and below 11 x 11 pixels.
[[gnu::noinline]] inline double ssim(const PictureView& x, const PictureView& y, const QualityOptions& options = {}) {
  detail::check_pictures("ssim", x, y, 11, options.border);
  const auto a = detail::measured(x, options), b = detail::measured(y, options);
  double total = 0;
  for (std::size_t c = 0; c < a.size(); ++c) total += detail::structure(a[c], b[c]).ssim;
  return total / static_cast<double>(a.size());
}

/// Structural similarity at five scales, from 0 to 1; higher is better. With three channels, the mean of their products.
/// Throws `Error` as `psnr`, and below 161 x 161 pixels.
[[gnu::noinline]] inline double ms_ssim(const PictureView& x, const PictureView& y,
                                        const QualityOptions& options = {}) {
  static constexpr double weights[] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  detail::check_pictures("ms_ssim", x, y, 161, options.border);
  auto a = detail::measured(x, options), b = detail::measured(y, options);
  double total = 0;
  for (std::size_t c = 0; c < a.size(); ++c) {
    double value = 1;
    for (std::size_t scale = 0; scale < 5; ++scale) {
      if (scale > 0) {
        const std::size_t before = a[c].height % 2 == 1 || a[c].width % 2 == 1 ? 1 : 0;
        a[c] = detail::pooled(a[c], 2, before, true);
        b[c] = detail::pooled(b[c], 2, before, true);
      }
      const detail::Structure is = detail::structure(a[c], b[c]);
      value *= std::pow(std::max(scale < 4 ? is.contrast : is.ssim, 0.0), weights[scale]);
    }
    total += value;
  }
  return total / static_cast<double>(a.size());
}

/// Gradient magnitude similarity deviation, from 0 for equal pictures on; lower is better. Of the grey 0.299 R + 0.587 G +
/// 0.114 B at half the size. Throws `Error` unless the shapes are the same and all numbers are in [0, 1].
[[gnu::noinline]] inline double gmsd(const PictureView& x, const PictureView& y) {
  detail::check_pictures("gmsd", x, y, 1);
  const auto slopes = [](const PictureView& picture) {
    return detail::gradient(detail::pooled(detail::grey(picture, 1), 2, 0)).values;
  };
  std::vector<double> a = slopes(x);
  const std::vector<double> b = slopes(y);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = detail::similarity(a[i], b[i], 170.0 / (255 * 255));
  const double middle = detail::mean(a);
  for (double& value : a) value = (value - middle) * (value - middle);
  return std::sqrt(detail::mean(a));
}

/// Mean deviation similarity index, from 0 for equal pictures on; lower is better. Pictures whose shorter side is 384 pixels
/// or more are averaged down until it is about 256. A grey picture counts as three equal channels. Throws `Error` as
/// `gmsd`.
[[gnu::noinline]] inline double mdsi(const PictureView& x, const PictureView& y) {
  detail::check_pictures("mdsi", x, y, 1);
  const int side = std::min(x.shape.height, x.shape.width);
  const auto size = static_cast<std::size_t>(std::max(std::nearbyint(side / 256.0), 1.0));
  const auto channel = [&](const PictureView& picture, double red, double green, double blue) {
    return detail::pooled(detail::mixed(picture, {255 * red, 255 * green, 255 * blue}), size, (size - 1) / 2);
  };
  const auto luma = [&](const PictureView& picture) { return channel(picture, 0.2989, 0.587, 0.114); };
  const auto h = [&](const PictureView& picture) { return channel(picture, 0.3, 0.04, -0.35).values; };
  const auto m = [&](const PictureView& picture) { return channel(picture, 0.34, -0.6, 0.17).values; };
  const detail::Plane lx = luma(x), ly = luma(y);
  detail::Plane both(lx.height, lx.width);
  for (std::size_t i = 0; i < both.values.size(); ++i) both.values[i] = (lx.values[i] + ly.values[i]) / 2;
  const std::vector<double> gx = detail::gradient(lx).values, gy = detail::gradient(ly).values,
                            ga = detail::gradient(both).values, hx = h(x), hy = h(y), mx = m(x), my = m(y);
  // The root of a number below 0 is complex.
  std::vector<double> real(gx.size()), imaginary(gx.size());
  for (std::size_t i = 0; i < gx.size(); ++i) {
    const double gradients = detail::similarity(gx[i], gy[i], 140) + detail::similarity(gx[i], ga[i], 55) -
                             detail::similarity(gy[i], ga[i], 55);
    const double colours = (2 * (hx[i] * hy[i] + mx[i] * my[i]) + 550) /
                           (hx[i] * hx[i] + hy[i] * hy[i] + mx[i] * mx[i] + my[i] * my[i] + 550);
    const double value = 0.6 * gradients + 0.4 * colours, root = std::sqrt(std::sqrt(std::abs(value)));
    real[i] = value < 0 ? root * std::numbers::sqrt2 / 2 : root;
    imaginary[i] = value < 0 ? root * std::numbers::sqrt2 / 2 : 0;
  }
  const double at = detail::mean(real), beside = detail::mean(imaginary);
  for (std::size_t i = 0; i < real.size(); ++i) real[i] = std::hypot(real[i] - at, imaginary[i] - beside);
  return std::sqrt(std::sqrt(detail::mean(real)));
}

/// Haar wavelet-based perceptual similarity, from 0 to 1; higher is better. At half the size; two black pictures have 1.
/// Throws `Error` as `gmsd`, and below 16 x 16 pixels.
[[gnu::noinline]] inline double haarpsi(const PictureView& x, const PictureView& y) {
  constexpr double alpha = 4.2, c = 30;
  detail::check_pictures("haarpsi", x, y, 16);
  const auto half = [](const detail::Plane& plane) { return detail::pooled(plane, 2, 0); };
  const detail::Plane a = half(detail::grey(x, 255)), b = half(detail::grey(y, 255));
  const std::array<detail::Plane, 2> x1 = detail::haar(a, 2), y1 = detail::haar(b, 2), x2 = detail::haar(a, 4),
                                     y2 = detail::haar(b, 4), x3 = detail::haar(a, 8), y3 = detail::haar(b, 8);
  double total = 0, weights = 0;
  const auto add = [&](double likeness, double weight) {
    total += weight / (1 + std::exp(-alpha * likeness));
    weights += weight;
  };
  const auto weight = [&](std::size_t way, std::size_t i) { return std::max(x3[way].values[i], y3[way].values[i]); };
  for (std::size_t way = 0; way < 2; ++way)
    for (std::size_t i = 0; i < a.values.size(); ++i)
      add((detail::similarity(x1[way].values[i], y1[way].values[i], c) +
           detail::similarity(x2[way].values[i], y2[way].values[i], c)) /
              2,
          weight(way, i));
  if (x.shape.channels == 3) {
    static constexpr double two[] = {0.5, 0.5};
    const auto colour = [&](const PictureView& picture, double red, double green, double blue) {
      const detail::Plane plane = half(detail::mixed(picture, {255 * red, 255 * green, 255 * blue}));
      std::vector<double> means = detail::correlated(plane, two, two, 0, 1).values;
      for (double& value : means) value = std::abs(value);
      return means;
    };
    const std::vector<double> xi = colour(x, 0.5959, -0.2746, -0.3213), yi = colour(y, 0.5959, -0.2746, -0.3213),
                              xq = colour(x, 0.2115, -0.5227, 0.3112), yq = colour(y, 0.2115, -0.5227, 0.3112);
    for (std::size_t i = 0; i < xi.size(); ++i)
      add((detail::similarity(xi[i], yi[i], c) + detail::similarity(xq[i], yq[i], c)) / 2,
          (weight(0, i) + weight(1, i)) / 2);
  }
  if (!(weights > 0)) return 1;
  const double score = total / weights, logit = std::log(score / (1 - score)) / alpha;
  return logit * logit;
}

/// DCT subband similarity, from about 0 to 1; higher is better. Of the grey 0.299 R + 0.587 G + 0.114 B; what is beside the
/// last whole block of 8 x 8 pixels is left out. Throws `Error` as `gmsd`, and below 11 whole blocks.
[[gnu::noinline]] inline double dss(const PictureView& x, const PictureView& y) {
  detail::check_pictures("dss", x, y, 8);
  const detail::Plane a = detail::grey(x, 255), b = detail::grey(y, 255);
  const std::size_t blocks = (a.height / 8) * (a.width / 8);
  if (detail::worst_blocks(blocks) == 0)
    fail("dss: pictures of ", x.shape.height, " x ", x.shape.width, " pixels have ", blocks,
         " blocks of 8 x 8, expected at least 11");
  double total = 0, weights = 0;
  for (std::size_t m = 0; m < 8; ++m)
    for (std::size_t n = 0; n < 8; ++n) {
      const double down = static_cast<double>(m) + 0.5, across = static_cast<double>(n) + 0.5;
      const double weight = std::exp(-(down * down + across * across) / (2 * 1.55 * 1.55));
      if (weight < 0.01) continue;
      total += weight * detail::band_similarity(detail::dct_band(a, m, n), detail::dct_band(b, m, n), m == 0 && n == 0);
      weights += weight;
    }
  return total / weights;
}

namespace detail {

// The mean over samples, each a picture of that shape, of a measure of the outputs, clipped to [0, 1], and the targets. A
// sample counts if all of its targets are present.
template <Shape shape, QualityOptions options,
          double (*measure)(const PictureView&, const PictureView&, const QualityOptions&)>
class MeanQuality {
 public:
  static constexpr bool higher_is_better = true;
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int) { return static_cast<int>(shape.size()); }

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    if (std::find(present.begin(), present.end(), 0) != present.end()) return;
    std::vector<float> clipped(z.begin(), z.end());
    bool valid = true;
    for (float& number : clipped) {
      valid = valid && !is_nan(number);
      number = number < 0 ? 0.0F : number > 1 ? 1.0F : number;
    }
    values_.add(valid ? measure({clipped, shape}, {target, shape}, options) : std::numeric_limits<double>::quiet_NaN());
  }
  double value() const { return values_.value(); }

 private:
  Mean values_;
};

}  // namespace detail

/// Mean PSNR of a task whose outputs are pictures of a shape: `Psnr<Shape{3, 64, 64}>`. Outputs are clipped to [0, 1],
/// targets must lie there; a sample counts if all of its targets are present.
template <Shape shape, QualityOptions options = QualityOptions{}>
class Psnr : public detail::MeanQuality<shape, options, psnr> {
 public:
  static constexpr std::string_view name = "psnr";
  struct Value {
    double psnr = 0;
  };
};

/// Mean SSIM of a task whose outputs are pictures of a shape; as `Psnr`.
template <Shape shape, QualityOptions options = QualityOptions{}>
class Ssim : public detail::MeanQuality<shape, options, ssim> {
 public:
  static constexpr std::string_view name = "ssim";
  struct Value {
    double ssim = 0;
  };
};

}  // namespace mtlx::nn
