// SPDX-License-Identifier: MIT
// Texts as inputs of a fixed width: every run of n characters is hashed to one of the features, which counts it. Nothing
// is learned, so there is no vocabulary to keep and no text is unknown; runs that meet in one feature can't be told apart,
// and with signs their counts cancel in the mean rather than add up.
//
// Feature and sign of a run, with h = MurmurHash3_x86_32(the run's UTF-8 bytes, seed 0) as a number from -2^31 on:
//   feature = |h| mod features,   sign = h >= 0 ? 1 : -1
// as in scikit-learn's HashingVectorizer(analyzer="char", lowercase=False, norm=None), but for its treatment of blanks:
// that one takes two or more in a row as one.
// References: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009, section 2; Appleby's
// MurmurHash3 (2011, public domain).
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/table.hpp>

namespace mtlx::data {

/// What a feature's count c, signed or not, becomes.
enum class NgramScale {
  count,      ///< c
  logarithm,  ///< sign(c) ln(1 + |c|): a run that comes ten times does not weigh ten times as much
};

/// Which runs of characters are counted, and how.
struct NgramOptions {
  std::size_t features = 1024;  ///< numbers a text becomes
  std::size_t shortest = 1;     ///< characters of the shortest run; a character is a UTF-8 code point
  std::size_t longest = 3;      ///< characters of the longest
  bool alternate_sign = true;   ///< half of the runs count as -1
  NgramScale scale = NgramScale::count;
};

namespace detail {

/// MurmurHash3_x86_32.
constexpr std::uint32_t murmur3(std::string_view bytes, std::uint32_t seed = 0) {
  const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[i])}; };
  const auto mixed = [](std::uint32_t k) { return std::rotl(k * 0xCC9E2D51U, 15) * 0x1B873593U; };
  std::uint32_t h = seed;
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    h ^= mixed(byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24);
    h = std::rotl(h, 13) * 5 + 0xE6546B64U;
  }
  std::uint32_t last = 0;
  for (std::size_t j = i; j < bytes.size(); ++j) last |= byte(j) << (8 * (j - i));
  h ^= mixed(last);  // of nothing 0
  h ^= static_cast<std::uint32_t>(bytes.size());
  h = (h ^ h >> 16) * 0x85EBCA6BU;
  h = (h ^ h >> 13) * 0xC2B2AE35U;
  return h ^ h >> 16;
}

[[gnu::cold]] inline void check_ngrams(const NgramOptions& options) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<int>::max());
  if (options.features < 1 || options.features > most)
    fail("n-grams: ", options.features, " features, expected a number from 1 to ", most);
  if (options.shortest < 1 || options.longest < options.shortest)
    fail("n-grams: of ", options.shortest, " to ", options.longest,
         " characters, expected at least 1, and the longest no shorter than the shortest");
}

// Adds the runs of one text to its features.
inline void count_ngrams(std::string_view text, const NgramOptions& options, float* features) {
  std::vector<std::size_t> begins;  // of the characters, and the end
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 0 || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) begins.push_back(i);
  const std::size_t characters = begins.size();
  begins.push_back(text.size());
  for (std::size_t n = options.shortest; n <= options.longest && n <= characters; ++n)
    for (std::size_t first = 0; first + n <= characters; ++first) {
      const std::uint32_t h = murmur3(text.substr(begins[first], begins[first + n] - begins[first]));
      const bool negative = h >> 31 != 0;
      const std::uint32_t size = negative ? 0 - h : h;  // 2^31 at most
      features[size % options.features] += negative && options.alternate_sign ? -1.0F : 1.0F;
    }
  if (options.scale == NgramScale::logarithm)
    for (std::size_t f = 0; f < options.features; ++f)
      features[f] = std::copysign(std::log1p(std::abs(features[f])), features[f]);
}

}  // namespace detail

/// The n-grams of texts as inputs, `(texts, features)`. A text without a run has zeros. Bytes that are no UTF-8 are taken
/// as they come. Throws `Error` if the options are out of range.
[[gnu::cold]] inline Inputs ngrams(std::span<const std::string_view> texts, const NgramOptions& options = {}) {
  detail::check_ngrams(options);
  std::vector<float> values;
  if (texts.size() > std::numeric_limits<std::size_t>::max() / options.features)
    fail("n-grams: ", texts.size(), " texts with ", options.features, " features are too many");
  detail::resize(values, texts.size() * options.features, "n-grams");
  for (std::size_t i = 0; i < texts.size(); ++i)
    detail::count_ngrams(texts[i], options, values.data() + i * options.features);
  return Inputs(Shape{static_cast<int>(options.features), 1, 1}, std::move(values));
}

/// The n-grams of a column of text, `(rows, features)`. Throws `Error` as above, if the column is absent or has numbers,
/// or a cell is missing (naming the row).
[[gnu::cold]] inline Inputs ngrams_from(const Table& table, std::string_view column, const NgramOptions& options = {}) {
  const TableColumn& from = table.column(column);
  std::vector<std::string_view> texts(table.rows());
  for (std::size_t row = 0; row < texts.size(); ++row) {
    if (from.missing(row)) fail(detail::place(table, from, row), "a missing text");
    if (from.numeric)
      fail(detail::place(table, from, row), "a number, expected text (CsvOptions::text_columns reads it as such)");
    texts[row] = from.texts[static_cast<std::size_t>(from.codes[row])];
  }
  return ngrams(texts, options);
}

}  // namespace mtlx::data
