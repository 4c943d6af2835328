// SPDX-License-Identifier: MIT
// Transforms that vary a training sample a little each time it is seen. A transform is any callable
//   void operator()(std::span<T> sample, const Shape& shape, Random& random) const;
// that changes the sample in place: shape.size() numbers of float or double, `(channels, height, width)`, after
// normalisation. What it does depends on the sample and the random stream alone. It is called for every sample in the
// threads that train, so it allocates nothing and changes nothing else.
//
// Labels are not changed: a transform is right only where the label stays true (no flips for digits, say, nor for
// targets that are images).
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numbers>
#include <span>
#include <tuple>

#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/shape.hpp>

namespace mtlx::data {

/// A transform of samples of numbers T; see the head of this file.
template <class Transform, class T = float>
concept SampleTransform = requires(const Transform& transform, std::span<T> sample, const Shape& shape,
                                   Random& random) { transform(sample, shape, random); };

namespace detail {

[[noreturn, gnu::cold, gnu::noinline]] inline void bad_option(const char* option, double value, const char* expected) {
  fail("augmentation: ", option, " is ", value, ", expected ", expected);
}

// A shift between -most and most, each equally likely.
inline std::ptrdiff_t random_shift(int most, Random& random) {
  return static_cast<std::ptrdiff_t>(random.below(2 * static_cast<std::uint32_t>(most) + 1)) - most;
}

// to[x] = from[x + shift] for x below width, 0 where there is none. The rows may be one, but then the shift isn't 0.
template <class T>
void shift_row(const T* from, T* to, std::ptrdiff_t width, std::ptrdiff_t shift) {
  const std::ptrdiff_t lost = std::min(std::abs(shift), width);
  if (shift >= 0) {
    std::copy(from + lost, from + width, to);
    std::fill(to + width - lost, to + width, T(0));
  } else {
    std::copy_backward(from, from + width - lost, to + width);
    std::fill(to, to + lost, T(0));
  }
}

}  // namespace detail

/// Mirrors the sample, each way with its own coin.
struct RandomFlip {
  bool horizontal = true;    ///< left and right change places
  bool vertical = false;     ///< top and bottom change places
  double probability = 0.5;  ///< 0 to 1, of each way that is on

  /// Throws `Error` if the probability is not between 0 and 1.
  template <class T>
  void operator()(std::span<T> sample, const Shape& shape, Random& random) const {
    assert(sample.size() == shape.size());
    if (!is_finite(probability) || probability < 0 || probability > 1)
      detail::bad_option("a flip's probability", probability, "a number from 0 to 1");
    const std::ptrdiff_t height = shape.height, width = shape.width;
    if (horizontal && random.uniform() < probability)
      for (T* row = sample.data(); row != sample.data() + sample.size(); row += width) std::reverse(row, row + width);
    if (vertical && random.uniform() < probability)
      for (T* plane = sample.data(); plane != sample.data() + sample.size(); plane += height * width)
        for (std::ptrdiff_t top = 0, bottom = height - 1; top < bottom; ++top, --bottom)
          std::swap_ranges(plane + top * width, plane + (top + 1) * width, plane + bottom * width);
  }
};

/// Pads the sample with zeros on every side and cuts a window of the old size out of it at random: a shift by up to
/// `padding` up or down and left or right, each equally likely. (A zero is the mean where inputs are normalised.)
/// Reference: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.
struct RandomCrop {
  int padding = 4;  ///< pixels, from 0 on

  /// Throws `Error` if the padding is negative, or above 2^30.
  template <class T>
  void operator()(std::span<T> sample, const Shape& shape, Random& random) const {
    assert(sample.size() == shape.size());
    if (padding < 0 || padding > 1 << 30) detail::bad_option("a crop's padding", padding, "pixels from 0 to 2^30");
    // Where the window lies in the sample.
    const std::ptrdiff_t top = detail::random_shift(padding, random), left = detail::random_shift(padding, random);
    if (top == 0 && left == 0) return;
    const std::ptrdiff_t height = shape.height, width = shape.width;
    for (T* plane = sample.data(); plane != sample.data() + sample.size(); plane += height * width)
      for (std::ptrdiff_t i = 0; i < height; ++i) {
        // From the side that the pixels move to, so that none is overwritten before it has moved.
        const std::ptrdiff_t y = top >= 0 ? i : height - 1 - i;
        T* row = plane + y * width;
        if (y + top < 0 || y + top >= height)
          std::fill(row, row + width, T(0));
        else
          detail::shift_row(plane + (y + top) * width, row, width, left);
      }
  }
};

/// Adds to every number a normal random number of its own, with mean 0. (The dearest of these transforms: a logarithm
/// and two turns for each two numbers.)
struct GaussianNoise {
  double deviation = 0.1;  ///< from 0 on, in the unit of the inputs as they are read

  /// Throws `Error` if the deviation is negative or not finite.
  template <class T>
  void operator()(std::span<T> sample, const Shape& shape, Random& random) const {
    assert(sample.size() == shape.size());
    static_cast<void>(shape);
    if (!is_finite(deviation) || deviation < 0)
      detail::bad_option("the noise's deviation", deviation, "a number from 0 on");
    // Box-Muller, both numbers of each pair, in float and from 32 bits each: exact enough for noise, and much faster.
    const auto scale = static_cast<float>(deviation);
    for (std::size_t i = 0; i < sample.size(); i += 2) {
      const float unit = (static_cast<float>(random.bits()) + 0.5F) * 0x1.0p-32F;
      const float angle = static_cast<float>(random.bits()) * (0x1.0p-31F * std::numbers::pi_v<float>);
      const float radius = scale * std::sqrt(-2 * std::log(unit));
      sample[i] += static_cast<T>(radius * std::cos(angle));
      if (i + 1 < sample.size()) sample[i + 1] += static_cast<T>(radius * std::sin(angle));
    }
  }
};

/// Sets a square of pixels to 0 in all channels. Its centre is anywhere in the image, each pixel equally likely, so
/// that part of the square may lie outside.
/// Reference: DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017, section 3.
struct Cutout {
  int size = 8;  ///< the square's side in pixels, from 0 on

  /// Throws `Error` if the size is negative.
  template <class T>
  void operator()(std::span<T> sample, const Shape& shape, Random& random) const {
    assert(sample.size() == shape.size());
    if (size < 0) detail::bad_option("a cutout's size", size, "pixels from 0 on");
    const std::ptrdiff_t height = shape.height, width = shape.width;
    const std::ptrdiff_t top = static_cast<std::ptrdiff_t>(random.below(static_cast<std::uint32_t>(height))) - size / 2;
    const std::ptrdiff_t left = static_cast<std::ptrdiff_t>(random.below(static_cast<std::uint32_t>(width))) - size / 2;
    const std::ptrdiff_t from = std::max<std::ptrdiff_t>(left, 0), to = std::min(left + size, width);
    if (to <= from) return;
    for (T* plane = sample.data(); plane != sample.data() + sample.size(); plane += height * width)
      for (std::ptrdiff_t y = std::max<std::ptrdiff_t>(top, 0); y < std::min(top + size, height); ++y)
        std::fill(plane + y * width + from, plane + y * width + to, T(0));
  }
};

/// Several transforms, one after the other, drawing from one stream: `Compose{RandomFlip{}, RandomCrop{.padding = 2}}`.
template <class... Transforms>
class Compose {
 public:
  constexpr explicit Compose(Transforms... transforms) : transforms_(transforms...) {}

  /// Throws what its parts throw.
  template <class T>
  void operator()(std::span<T> sample, const Shape& shape, Random& random) const {
    constexpr bool callable = (SampleTransform<Transforms, T> && ...);
    static_assert(callable,
                  "mtlx: every part of a Compose must be a transform, called as transform(std::span<T> sample, const "
                  "Shape& shape, Random& random) const");
    if constexpr (callable)
      std::apply([&](const Transforms&... transform) { (transform(sample, shape, random), ...); }, transforms_);
  }

 private:
  std::tuple<Transforms...> transforms_;
};

}  // namespace mtlx::data
