// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/checks.hpp>

namespace mtlx::data {

/// Mean and standard deviation of each channel, in the inputs' raw unit (bytes count as b / 255).
struct Normalisation {
  std::vector<double> mean, deviation;
};

/// The inputs of n samples of one shape: `(n, channels, height, width)`, row-major, kept as float or as bytes. A byte b
/// reads as b / 255. Numbers are kept raw; `normalise` changes how they are read, not what is stored.
class Inputs {
 public:
  /// Inputs from numbers, `(n, channels, height, width)`. Throws `Error` if the shape has a side below 1, the count is
  /// no multiple of the shape's size, or a number is NaN or infinite (an input can't be missing).
  Inputs(Shape shape, std::vector<float> values) : Inputs(shape, values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!is_finite(values[i]))
        fail("inputs: sample ", i / shape.size(), " has feature ", i % shape.size(),
             is_nan(values[i]) ? " not a number" : " infinite", "; inputs must be finite");
    floats_ = std::move(values);
  }

  /// Inputs from bytes, `(n, channels, height, width)`. Throws `Error` as above.
  Inputs(Shape shape, std::vector<std::uint8_t> values) : Inputs(shape, values.size()) {
    unit_ = 1.0 / 255;
    bytes_ = std::move(values);
    reset();
  }

  /// Samples.
  std::size_t size() const { return size_; }
  /// The shape of one sample.
  const Shape& shape() const { return shape_; }
  /// The raw numbers, all samples in a row; empty if bytes are stored.
  std::span<const float> floats() const { return floats_; }
  /// The raw bytes, all samples in a row; empty if floats are stored.
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  /// What `copy` subtracts and divides by; means 0 and deviations 1 until `normalise` is called.
  const Normalisation& normalisation() const { return normalisation_; }

  /// Writes the normalised values of one sample, `shape().size()` numbers. `sample` is below `size()`.
  template <class T>
  [[gnu::noinline]] void copy(std::size_t sample, T* row) const {
    assert(sample < size_);
    const std::size_t first = sample * shape_.size();
    if (bytes_.empty())
      scaled(floats_.data() + first, row);
    else
      scaled(bytes_.data() + first, row);
  }

  /// The named samples, in that order, read in the same way. Throws `Error` if an index is not below `size()`.
  Inputs subset(std::span<const std::size_t> samples) const {
    detail::check_samples("inputs", samples, size_);
    Inputs part(shape_, samples.size() * shape_.size());
    part.unit_ = unit_;
    if (bytes_.empty())
      part.floats_ = detail::gather_rows(floats_, shape_.size(), samples);
    else
      part.bytes_ = detail::gather_rows(bytes_, shape_.size(), samples);
    part.normalise(normalisation_);
    return part;
  }

  /// From now on reads (raw - mean) / deviation, channel by channel. Replaces an earlier normalisation: two calls don't
  /// add up. Throws `Error` if there isn't one mean and one deviation per channel, a mean is not finite, or a
  /// deviation is not positive (and at least the smallest normal float).
  void normalise(Normalisation by) {
    const auto channels = static_cast<std::size_t>(shape_.channels);
    if (by.mean.size() != channels || by.deviation.size() != channels)
      fail("inputs: normalisation by ", by.mean.size(), " means and ", by.deviation.size(), " deviations, expected ",
           channels, " of each, one per channel");
    for (std::size_t c = 0; c < channels; ++c) {
      if (!is_finite(by.mean[c])) fail("inputs: normalisation of channel ", c, ": the mean is not finite");
      if (!is_finite(by.deviation[c]) || by.deviation[c] < std::numeric_limits<float>::min())
        fail("inputs: normalisation of channel ", c, ": the deviation is ", by.deviation[c],
             ", expected a positive number");
    }
    normalisation_ = std::move(by);
    for (std::size_t c = 0; c < channels; ++c) {
      scale_[c] = unit_ / normalisation_.deviation[c];
      shift_[c] = -normalisation_.mean[c] / normalisation_.deviation[c];
    }
  }

 private:
  Inputs(Shape shape, std::size_t numbers) : shape_(shape) {
    if (shape.channels < 1 || shape.height < 1 || shape.width < 1)
      fail("inputs: shape ", shape, ", expected every side to be at least 1");
    const auto row = static_cast<std::size_t>(shape.width);
    const auto rows = static_cast<std::size_t>(shape.channels) * static_cast<std::size_t>(shape.height);
    if (rows > std::numeric_limits<std::size_t>::max() / row) fail("inputs: shape ", shape, " is too large");
    if (numbers % shape.size() != 0)
      fail("inputs: ", numbers, " values, expected a multiple of ", shape.size(), " (shape ", shape, ")");
    size_ = numbers / shape.size();
    reset();
  }

  void reset() {
    const auto channels = static_cast<std::size_t>(shape_.channels);
    normalisation_ = {std::vector<double>(channels, 0.0), std::vector<double>(channels, 1.0)};
    scale_.assign(channels, unit_);
    shift_.assign(channels, 0.0);
  }

  template <class Raw, class T>
  void scaled(const Raw* raw, T* row) const {
    const auto channels = static_cast<std::size_t>(shape_.channels);
    const std::size_t plane = shape_.size() / channels;
    if (plane == 1) {  // plain features: vectorise over the channels instead
      for (std::size_t c = 0; c < channels; ++c)
        row[c] = static_cast<T>(raw[c]) * static_cast<T>(scale_[c]) + static_cast<T>(shift_[c]);
      return;
    }
    for (std::size_t c = 0; c < channels; ++c, raw += plane, row += plane) {
      const auto scale = static_cast<T>(scale_[c]);
      const auto shift = static_cast<T>(shift_[c]);
      for (std::size_t p = 0; p < plane; ++p) row[p] = static_cast<T>(raw[p]) * scale + shift;
    }
  }

  Shape shape_;
  std::size_t size_ = 0;
  double unit_ = 1;  // what a stored 1 is worth
  std::vector<float> floats_;
  std::vector<std::uint8_t> bytes_;
  Normalisation normalisation_;
  std::vector<double> scale_, shift_;  // per channel: read = stored * scale + shift
};

namespace detail {

// Count, mean and sum of squared distances from the mean, of one channel.
struct Moments {
  double count = 0, mean = 0, squares = 0;
};

// Moments of two sets as one (Chan, Golub, LeVeque, "Updating formulae", 1979, eq. 2.1).
inline Moments merged(const Moments& a, const Moments& b) {
  const double count = a.count + b.count;
  const double apart = b.mean - a.mean;
  return {count, a.mean + apart * (b.count / count), a.squares + b.squares + apart * apart * a.count * b.count / count};
}

template <class Raw>
std::vector<Moments> raw_moments(std::span<const Raw> raw, Shape shape, double unit) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t plane = shape.size() / channels;
  const std::size_t size = raw.size() / shape.size();
  // Sums are of distances from each channel's first value: a constant channel then comes out exactly.
  std::vector<double> origin(channels), mean(channels), squares(channels);
  for (std::size_t c = 0; c < channels; ++c) origin[c] = static_cast<double>(raw[c * plane]);
  const auto add_up = [&](std::vector<double>& sums, auto&& term) {
    const Raw* at = raw.data();
    for (std::size_t n = 0; n < size; ++n)
      for (std::size_t c = 0; c < channels; ++c, at += plane) {
        double sum = 0;
        for (std::size_t p = 0; p < plane; ++p) sum += term(static_cast<double>(at[p]) - origin[c], c);
        sums[c] += sum;
      }
  };
  const auto count = static_cast<double>(size * plane);
  add_up(mean, [](double value, std::size_t) { return value; });
  for (double& value : mean) value /= count;
  add_up(squares, [&](double value, std::size_t c) { return (value - mean[c]) * (value - mean[c]); });

  std::vector<Moments> moments(channels);
  for (std::size_t c = 0; c < channels; ++c)
    moments[c] = {count, (origin[c] + mean[c]) * unit, squares[c] * unit * unit};
  return moments;
}

inline std::vector<Moments> moments(const Inputs& inputs) {
  if (inputs.size() == 0) fail("measure: the inputs have no samples");
  return inputs.bytes().empty() ? raw_moments(inputs.floats(), inputs.shape(), 1.0)
                                : raw_moments(inputs.bytes(), inputs.shape(), 1.0 / 255);
}

inline Normalisation normalisation(const std::vector<Moments>& moments) {
  Normalisation found;
  for (const Moments& channel : moments) {
    const double deviation = std::sqrt(channel.squares / channel.count);
    found.mean.push_back(channel.mean);
    found.deviation.push_back(deviation < std::numeric_limits<float>::min() ? 1.0 : deviation);
  }
  return found;
}

}  // namespace detail

/// Mean and (population) standard deviation of each channel over all its pixels and samples, of the raw numbers: an
/// earlier `normalise` doesn't show. A channel that never varies gets deviation 1. Throws `Error` if there is no
/// sample.
inline Normalisation measure(const Inputs& inputs) { return detail::normalisation(detail::moments(inputs)); }

}  // namespace mtlx::data
