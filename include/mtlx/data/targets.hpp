// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/data/detail/checks.hpp>
#include <mtlx/data/inputs.hpp>

namespace mtlx::data {

/// The class label that says "not known" (any other negative label is a mistake).
inline constexpr int missing_label = -1;

/// What one task should answer: `(n, width)` numbers, row-major, each present or missing. A class is its index. Numbers are
/// kept as floats of its own, or as bytes that copies, subsets and other targets share.
class Targets {
 public:
  /// One class index per sample, `missing_label` where it isn't known. Throws `Error` naming the row if a label is
  /// negative otherwise, or above 2^24 (the largest that a float holds exactly).
  static Targets classes(std::span<const int> labels) {
    constexpr int largest = 1 << 24;
    std::vector<float> values(labels.size());
    std::vector<std::uint8_t> mask(labels.size());
    for (std::size_t row = 0; row < labels.size(); ++row) {
      const int label = labels[row];
      if ((label < 0 && label != missing_label) || label > largest)
        fail("targets: row ", row, " has label ", label, ", expected a class from 0 on, or ", missing_label,
             " where the label is missing");
      mask[row] = label != missing_label;
      values[row] = static_cast<float>(label);
    }
    return Targets(1, std::move(values), std::move(mask));
  }

  /// `width` numbers per sample, NaN where one is missing. Throws `Error` if the width is 0, the count no multiple of
  /// it, or a number infinite (naming the row).
  static Targets values(std::size_t width, std::vector<float> values) {
    std::vector<std::uint8_t> mask(values.size(), 1);
    return Targets::values(width, std::move(values), std::move(mask));
  }

  /// The same with a mask of the values' size, 0 where a number is missing (whatever stands there). A NaN is missing
  /// even where the mask is not 0. Throws `Error` as above, and if the mask's size differs.
  static Targets values(std::size_t width, std::vector<float> values, std::vector<std::uint8_t> mask) {
    if (width == 0) fail("targets: width 0, expected at least one value per sample");
    if (values.size() % width != 0)
      fail("targets: ", values.size(), " values, expected a multiple of ", width, ", the width");
    if (mask.size() != values.size())
      fail("targets: a mask of ", mask.size(), " for ", values.size(), " values, expected one for each");
    for (std::size_t i = 0; i < values.size(); ++i) {
      mask[i] = mask[i] != 0 && !is_nan(values[i]);
      if (mask[i] != 0 && !is_finite(values[i]))
        fail("targets: row ", i / width, " has value ", i % width, " infinite; write NaN for a missing value");
    }
    return Targets(width, std::move(values), std::move(mask));
  }

  /// The bytes of inputs, a byte b as b / 255, none missing: pictures that a network is to make. The bytes are shared with
  /// the inputs, with copies and with subsets, so that many streams may have the same targets for the memory of one. How the
  /// inputs are normalised doesn't show. Throws `Error` if they hold floats.
  [[gnu::cold, gnu::noinline]] static Targets bytes(Inputs numbers) {
    if (!numbers.holds_bytes()) fail("targets: bytes are to be shared, and the inputs hold floats");
    Targets targets(numbers.shape().size(), {}, {});
    targets.bytes_ = std::make_shared<const Inputs>(std::move(numbers));
    return targets;
  }

  /// The same with samples that belong together, as the tokens of a sentence do: the first `lengths[0]` samples are one
  /// sequence, the next `lengths[1]` another, and so on. Without, each sample is a sequence of its own. Training doesn't
  /// look at it; metrics of sequences do (nn::SpanF1). Throws `Error` if a length is 0 or their sum is not `size()`.
  [[gnu::cold]] Targets in_sequences(std::span<const std::size_t> lengths) const {
    Targets marked = *this;
    marked.goes_on_.assign(size(), 1);
    std::size_t first = 0;
    for (const std::size_t length : lengths) {
      if (length == 0 || length > size() - first)
        fail("targets: a sequence of ", length, " samples where ", size() - first, " are left");
      marked.goes_on_[first] = 0;
      first += length;
    }
    if (first != size()) fail("targets: the sequences have ", first, " samples in all, and the targets ", size());
    return marked;
  }
  /// Whether a sample belongs to the sequence of the sample before it.
  bool goes_on(std::size_t sample) const {
    assert(sample < size());
    return !goes_on_.empty() && goes_on_[sample] != 0;
  }

  // Out of line: they are large, and in every container of data sets.
  [[gnu::noinline]] Targets(const Targets&) = default;
  [[gnu::noinline]] Targets(Targets&&) noexcept = default;
  [[gnu::noinline]] Targets& operator=(const Targets&) = default;
  [[gnu::noinline]] Targets& operator=(Targets&&) noexcept = default;
  [[gnu::noinline]] ~Targets() = default;

  /// Numbers per sample.
  std::size_t width() const { return width_; }
  /// Samples.
  std::size_t size() const { return bytes_ ? bytes_->size() : values_.size() / width_; }
  /// Whether bytes are stored; if not, floats are.
  bool holds_bytes() const { return bytes_ != nullptr; }

  /// Writes the numbers of one sample, `width()` of them; 0 where one is missing.
  template <class T>
  void copy(std::size_t sample, T* row) const {
    assert(sample < size());
    if (bytes_) {
      const std::span<const std::uint8_t> from = bytes_->bytes(sample);
      for (std::size_t i = 0; i < width_; ++i) row[i] = static_cast<T>(from_byte(from[i]));
      return;
    }
    const float* from = values_.data() + sample * width_;
    for (std::size_t i = 0; i < width_; ++i) row[i] = static_cast<T>(from[i]);
  }
  /// The stored floats of one sample, `width()` of them; 0 where one is missing. Throws `Error` if bytes are stored: `copy`
  /// reads either.
  const float* row(std::size_t sample) const {
    assert(sample < size());
    if (bytes_) refuse_row();
    return values_.data() + sample * width_;
  }
  /// The stored bytes of one sample, `width()` of them; empty if floats are stored.
  std::span<const std::uint8_t> bytes(std::size_t sample) const {
    assert(sample < size());
    if (!bytes_) return {};
    return bytes_->bytes(sample);
  }
  /// The mask of one sample, `width()` bytes, 1 where a number is present; nullptr if nothing at all is missing.
  const std::uint8_t* mask(std::size_t sample) const {
    assert(sample < size());
    return mask_.empty() ? nullptr : mask_.data() + sample * width_;
  }
  /// One number; 0 if it is missing.
  float value(std::size_t sample, std::size_t i = 0) const {
    assert(sample < size() && i < width_);
    return bytes_ ? from_byte(bytes_->bytes(sample)[i]) : values_[sample * width_ + i];
  }
  /// Whether the number is known.
  bool present(std::size_t sample, std::size_t i = 0) const {
    assert(sample < size() && i < width_);
    return mask_.empty() || mask_[sample * width_ + i] != 0;
  }
  /// Whether nothing at all is missing.
  bool complete() const { return mask_.empty(); }
  /// How many numbers of one sample are known.
  std::size_t present_count(std::size_t sample) const {
    assert(sample < size());
    if (mask_.empty()) return width_;
    std::size_t count = 0;
    for (std::size_t i = 0; i < width_; ++i) count += mask_[sample * width_ + i];
    return count;
  }

  /// The targets of the named samples, in that order; a sequence goes on where its next sample follows. Floats are copied,
  /// bytes shared. Throws `Error` if an index is not below `size()`.
  Targets subset(std::span<const std::size_t> samples) const {
    detail::check_samples("targets", samples, size());
    std::vector<std::uint8_t> mask;
    if (!mask_.empty()) mask = detail::gather_rows(mask_, width_, samples);
    Targets part = bytes_ ? bytes(bytes_->subset(samples))
                          : Targets(width_, detail::gather_rows(values_, width_, samples), std::move(mask));
    if (!goes_on_.empty()) part.goes_on_.resize(samples.size());
    for (std::size_t i = 1; i < samples.size() && !goes_on_.empty(); ++i)
      part.goes_on_[i] = goes_on_[samples[i]] != 0 && samples[i - 1] + 1 == samples[i];
    return part;
  }

 private:
  // The mask holds 0 and 1, one per value, or is empty if all are present.
  Targets(std::size_t width, std::vector<float> values, std::vector<std::uint8_t> mask)
      : width_(width), values_(std::move(values)) {
    bool complete = true;
    for (std::size_t i = 0; i < mask.size(); ++i)
      if (mask[i] == 0) {
        complete = false;
        values_[i] = 0;  // nothing computed from a missing value, however wrongly, can turn into NaN
      }
    if (!complete) mask_ = std::move(mask);
  }

  static float from_byte(std::uint8_t byte) { return static_cast<float>(byte) / 255.0F; }

  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_row() {
    fail("targets: row() points to floats, and bytes are stored; copy() reads either");
  }

  std::size_t width_;
  std::shared_ptr<const Inputs> bytes_;  // or the two below
  std::vector<float> values_;
  std::vector<std::uint8_t> mask_;
  std::vector<std::uint8_t> goes_on_;  // of each sample, or empty if each is a sequence of its own
};

}  // namespace mtlx::data
