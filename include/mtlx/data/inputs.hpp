// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
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
///
/// The numbers never change, and copies and subsets share them: both are cheap, however large the data. They may lie in
/// a mapped file that is larger than memory (data/mapped.hpp). Any number of threads may read.
class Inputs {
 public:
  /// Inputs from numbers, `(n, channels, height, width)`. Throws `Error` if the shape has a side below 1, the count is
  /// no multiple of the shape's size, or a number is NaN or infinite (an input can't be missing).
  [[gnu::cold]] Inputs(Shape shape, std::vector<float> values) : Inputs(shape, values.size(), false) {
    detail::check_finite("inputs", values, 0, shape.size());
    auto kept = std::make_shared<const Kept>(Kept{std::move(values), {}, {}});
    floats_ = kept->floats.data();
    kept_ = std::move(kept);
  }

  /// Inputs from bytes, `(n, channels, height, width)`. Throws `Error` as above.
  [[gnu::cold]] Inputs(Shape shape, std::vector<std::uint8_t> values) : Inputs(shape, values.size(), true) {
    auto kept = std::make_shared<const Kept>(Kept{{}, std::move(values), {}});
    bytes_ = kept->bytes.data();
    kept_ = std::move(kept);
  }

  /// Inputs from numbers in memory that is not copied: `kept` keeps it alive and unchanged as long as these inputs, a
  /// copy or a subset need it. Throws `Error` for shape and count as above, but doesn't look at the numbers: that they
  /// are finite is the caller's promise.
  Inputs(Shape shape, std::span<const float> values, std::shared_ptr<const void> kept)
      : Inputs(shape, values.size(), false) {
    floats_ = values.data();
    kept_ = std::move(kept);
  }

  /// The same for bytes.
  Inputs(Shape shape, std::span<const std::uint8_t> values, std::shared_ptr<const void> kept)
      : Inputs(shape, values.size(), true) {
    bytes_ = values.data();
    kept_ = std::move(kept);
  }

  // Out of line: they are large, and in every container of data sets.
  [[gnu::noinline]] Inputs(const Inputs&) = default;
  [[gnu::noinline]] Inputs(Inputs&&) noexcept = default;
  [[gnu::noinline]] Inputs& operator=(const Inputs&) = default;
  [[gnu::noinline]] Inputs& operator=(Inputs&&) noexcept = default;
  [[gnu::noinline]] ~Inputs() = default;

  /// Samples.
  std::size_t size() const { return size_; }
  /// The shape of one sample.
  const Shape& shape() const { return shape_; }
  /// Whether bytes are stored; if not, floats are.
  bool holds_bytes() const { return holds_bytes_; }
  /// The raw numbers of one sample; empty if bytes are stored. `sample` is below `size()`.
  std::span<const float> floats(std::size_t sample) const {
    if (holds_bytes_) return {};
    return {floats_ + first(sample), shape_.size()};
  }
  /// The raw bytes of one sample; empty if floats are stored. `sample` is below `size()`.
  std::span<const std::uint8_t> bytes(std::size_t sample) const {
    if (!holds_bytes_) return {};
    return {bytes_ + first(sample), shape_.size()};
  }
  /// The raw numbers, all samples in a row; empty if bytes are stored. Throws `Error` if they don't lie in a row, as in
  /// most subsets: `compact` makes inputs that do.
  std::span<const float> floats() const {
    if (holds_bytes_) return {};
    check_in_a_row();
    return {floats_, size_ * shape_.size()};
  }
  /// The raw bytes, all samples in a row; empty if floats are stored. Throws `Error` as above.
  std::span<const std::uint8_t> bytes() const {
    if (!holds_bytes_) return {};
    check_in_a_row();
    return {bytes_, size_ * shape_.size()};
  }
  /// What `copy` subtracts and divides by; means 0 and deviations 1 until `normalise` is called.
  const Normalisation& normalisation() const { return normalisation_; }

  /// Writes the normalised values of one sample, `shape().size()` numbers. `sample` is below `size()`.
  template <class T>
  [[gnu::noinline]] void copy(std::size_t sample, T* row) const {
    const std::size_t at = first(sample);
    if (holds_bytes_)
      scaled(bytes_ + at, row);
    else
      scaled(floats_ + at, row);
  }

  /// The named samples, in that order, read in the same way. Shares the numbers (and keeps all of them: `compact` lets
  /// the rest go). Throws `Error` if an index is not below `size()`.
  [[gnu::noinline]] Inputs subset(std::span<const std::size_t> samples) const {
    detail::check_samples("inputs", samples, size_);
    Inputs part = *this;
    part.size_ = samples.size();
    part.rows_.reset();
    bool in_a_row = true;
    for (std::size_t i = 1; i < samples.size(); ++i) in_a_row = in_a_row && samples[i] == samples[0] + i;
    if (samples.empty() || (in_a_row && !rows_)) {
      const std::size_t skipped = samples.empty() ? 0 : first(samples[0]);
      if (holds_bytes_)
        part.bytes_ += skipped;
      else
        part.floats_ += skipped;
    } else {
      std::vector<std::size_t> rows(samples.begin(), samples.end());
      if (rows_)
        for (std::size_t& row : rows) row = rows_->rows[row];
      part.rows_ = std::make_shared<const Kept>(Kept{{}, {}, std::move(rows)});
    }
    return part;
  }

  /// The same inputs with numbers of their own, copied to lie in a row.
  [[gnu::noinline]] Inputs compact() const {
    Inputs own = holds_bytes_ ? Inputs(shape_, gathered(bytes_)) : Inputs(shape_, gathered(floats_));
    own.normalise(normalisation_);
    return own;
  }

  /// From now on reads (raw - mean) / deviation, channel by channel. Replaces an earlier normalisation: two calls don't
  /// add up. Throws `Error` if there isn't one mean and one deviation per channel, a mean is not finite, or a
  /// deviation is not positive (and at least the smallest normal float).
  [[gnu::cold, gnu::noinline]] void normalise(Normalisation by) {
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
  // What is shared, one of them: a single type, since each that shared_ptr is made for takes its time to compile.
  struct Kept {
    std::vector<float> floats;
    std::vector<std::uint8_t> bytes;
    std::vector<std::size_t> rows;
  };

  [[gnu::cold, gnu::noinline]] Inputs(Shape shape, std::size_t numbers, bool bytes)
      : shape_(shape), holds_bytes_(bytes), unit_(bytes ? 1.0 / 255 : 1.0) {
    detail::check_shape("inputs", shape);
    if (numbers % shape.size() != 0)
      fail("inputs: ", numbers, " values, expected a multiple of ", shape.size(), " (shape ", shape, ")");
    size_ = numbers / shape.size();
    const auto channels = static_cast<std::size_t>(shape_.channels);
    normalisation_ = {std::vector<double>(channels, 0.0), std::vector<double>(channels, 1.0)};
    scale_.assign(channels, unit_);
    shift_.assign(channels, 0.0);
  }

  // Where a sample's numbers start.
  std::size_t first(std::size_t sample) const {
    assert(sample < size_);
    return (rows_ ? rows_->rows[sample] : sample) * shape_.size();
  }

  void check_in_a_row() const {
    if (rows_) fail("inputs: the samples of this subset don't lie in a row; compact() makes inputs whose samples do");
  }

  template <class Raw>
  std::vector<Raw> gathered(const Raw* numbers) const {
    std::vector<Raw> row(size_ * shape_.size());
    for (std::size_t i = 0; i < size_; ++i)
      std::copy_n(numbers + first(i), shape_.size(), row.data() + i * shape_.size());
    return row;
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
  bool holds_bytes_;
  double unit_;  // what a stored 1 is worth
  const float* floats_ = nullptr;
  const std::uint8_t* bytes_ = nullptr;
  std::shared_ptr<const void> kept_;  // keeps the numbers
  std::shared_ptr<const Kept> rows_;  // where each sample lies; none if they lie in a row
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

// Adds each channel's distances from its origin to the sums; with means of them, their squared distances from these.
template <class Raw>
[[gnu::noinline]] void add_up(const Raw* at, std::size_t plane, std::span<const double> origin, const double* mean,
                              double* sums) {
  for (std::size_t c = 0; c < origin.size(); ++c, at += plane) {
    double sum = 0;
    for (std::size_t p = 0; p < plane; ++p) {
      const double value = static_cast<double>(at[p]) - origin[c];
      sum += mean == nullptr ? value : (value - mean[c]) * (value - mean[c]);
    }
    sums[c] += sum;
  }
}

[[gnu::cold, gnu::noinline]] inline std::vector<Moments> moments(const Inputs& inputs) {
  if (inputs.size() == 0) fail("measure: the inputs have no samples");
  const auto channels = static_cast<std::size_t>(inputs.shape().channels);
  const std::size_t plane = inputs.shape().size() / channels;
  const bool bytes = inputs.holds_bytes();
  // Sums are of distances from each channel's first value: a constant channel then comes out exactly.
  std::vector<double> origin(channels), mean(channels), squares(channels);
  for (std::size_t c = 0; c < channels; ++c)
    origin[c] =
        bytes ? static_cast<double>(inputs.bytes(0)[c * plane]) : static_cast<double>(inputs.floats(0)[c * plane]);
  const auto add_all = [&](const double* from, double* sums) {
    for (std::size_t n = 0; n < inputs.size(); ++n)
      if (bytes)
        add_up(inputs.bytes(n).data(), plane, origin, from, sums);
      else
        add_up(inputs.floats(n).data(), plane, origin, from, sums);
  };
  const auto count = static_cast<double>(inputs.size() * plane);
  add_all(nullptr, mean.data());
  for (double& value : mean) value /= count;
  add_all(mean.data(), squares.data());

  const double unit = bytes ? 1.0 / 255 : 1.0;
  std::vector<Moments> moments(channels);
  for (std::size_t c = 0; c < channels; ++c)
    moments[c] = {count, (origin[c] + mean[c]) * unit, squares[c] * unit * unit};
  return moments;
}

[[gnu::cold, gnu::noinline]] inline Normalisation normalisation(const std::vector<Moments>& moments) {
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
