// SPDX-License-Identifier: MIT
// What a tagger sees of a token: the words around it, and what they are made of. Prefixes, suffixes and the shape of a word
// say much of a word that training never showed.
//
// All numbers are in one table (nn::Embedding), each kind in a range of its own that begins with its "unknown" and its
// "padding" (Vocabulary): shapes, prefixes, suffixes, words.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/corpus.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/inputs.hpp>

namespace mtlx::data {

/// What is seen of a token and its neighbours. As a constant it gives a model its sizes:
///   constexpr data::WordPartOptions seen{.radius = 2, .most = 20000};
///   Input<seen.columns()>, nn::Embedding<seen.most, 32>
struct WordPartOptions {
  int radius = 2;                    ///< neighbours on each side whose words are seen
  int part_radius = 1;               ///< neighbours on each side whose prefixes, suffixes and shapes are seen
  int prefixes = 3;                  ///< prefixes of 1 to so many characters (UTF-8 code points); 0: none
  int suffixes = 3;                  ///< suffixes of 1 to so many characters; 0: none
  bool shape = true;                 ///< McDonald: XxXx, 1,250: d,d
  bool lower_case = true;            ///< words, prefixes and suffixes in lower case: A to Z alone, other letters stay
  std::size_t minimum_count = 2;     ///< what occurs less often in training is unknown
  int most = 20000;                  ///< numbers in all: a quarter at most for each other kind, what is left for words
  std::string_view column = "form";  ///< see `Corpus::field`; not owned

  /// Prefixes, suffixes and shape of one token.
  constexpr int parts() const { return prefixes + suffixes + (shape ? 1 : 0); }
  /// Numbers that stand for a token.
  constexpr int columns() const { return 2 * radius + 1 + (2 * part_radius + 1) * parts(); }
};

namespace detail {

// A to Z in lower case, bytes of other letters as they are.
inline std::string lower_case(std::string_view word) {
  std::string lower(word);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

// X for capitals, x for small letters, d for digits, u for what is not ASCII, other signs as they are; runs as one.
inline std::string word_shape(std::string_view word) {
  std::string shape;
  for (const char c : word) {
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    const char sign = !ascii                 ? 'u'
                      : c >= 'A' && c <= 'Z' ? 'X'
                      : c >= 'a' && c <= 'z' ? 'x'
                      : c >= '0' && c <= '9' ? 'd'
                                             : c;
    if (shape.empty() || shape.back() != sign) shape += sign;
  }
  return shape;
}

// Where a word's characters begin, and its end.
inline void find_characters(std::string_view word, std::vector<std::size_t>& begins) {
  begins.clear();
  for (std::size_t i = 0; i < word.size(); ++i)
    if (i == 0 || (static_cast<unsigned char>(word[i]) & 0xC0) != 0x80) begins.push_back(i);
  begins.push_back(word.size());
}

[[gnu::cold]] inline void check_word_parts(const WordPartOptions& options) {
  constexpr int largest = 1 << 10;
  const auto in_range = [](int number) { return number >= 0 && number <= largest; };
  if (!in_range(options.radius) || !in_range(options.part_radius))
    fail("word parts: the radius is ", options.radius, " for words and ", options.part_radius,
         " for their parts, expected numbers of neighbours from 0 to ", largest);
  if (!in_range(options.prefixes) || !in_range(options.suffixes))
    fail("word parts: prefixes of up to ", options.prefixes, " and suffixes of up to ", options.suffixes,
         " characters, expected numbers from 0 to ", largest);
  if (options.most < 16 || options.most > 1 << 24)
    fail("word parts: most is ", options.most, ", expected a number from 16 to ", 1 << 24);
}

}  // namespace detail

/// The numbers of words and of their parts, learnt from training data, and the windows of them that a tagger takes.
class WordParts {
 public:
  /// Vocabularies by kind.
  enum Kind { shapes, prefixes, suffixes, words };
  using Vocabularies = std::array<Vocabulary, 4>;

  /// What a corpus has; take the one that the model is trained on. Throws `Error` if an option is out of range, or there
  /// is no such column.
  [[gnu::cold]] explicit WordParts(const Corpus& training, const WordPartOptions& options = {})
      : WordParts(found(training, options), options) {}

  /// The same again, from vocabularies that were kept with a model (`Vocabulary::words`).
  [[gnu::cold]] WordParts(Vocabularies vocabularies, const WordPartOptions& options)
      : options_(options), column_(options.column), vocabularies_(std::move(vocabularies)) {
    detail::check_word_parts(options);
    options_.column = {};
    for (std::size_t kind = 0; kind < vocabularies_.size(); ++kind) {
      first_[kind] = size_;
      size_ += vocabularies_[kind].size();
    }
    if (size_ > static_cast<std::size_t>(options.most))
      fail("word parts: ", size_, " numbers are in use, and most is ", options.most);
  }

  /// Numbers in use, at most `WordPartOptions::most`: what an embedding must have rows for.
  std::size_t size() const { return size_; }
  /// Of shapes, prefixes, suffixes and words.
  const Vocabularies& vocabularies() const { return vocabularies_; }

  /// For every token of a corpus `(columns)` numbers: the words of its window from left to right, then prefixes from the
  /// shortest on, suffixes and shape of each token in the smaller window. Beyond the sentence's ends, and for prefixes
  /// and suffixes longer than the word, there is padding. Throws `Error` if there is no such column.
  [[gnu::cold]] Inputs inputs(const Corpus& corpus) const {
    const auto parts = static_cast<std::size_t>(options_.parts()), each = 1 + parts;
    std::vector<float> known, values;
    detail::resize(known, corpus.size() * each, corpus.name());
    const Field field = corpus.field(column_);
    for (std::size_t token = 0; token < corpus.size(); ++token)
      describe(corpus.value(token, field), known.data() + token * each);
    const std::vector<float> beyond = padding();

    const auto columns = static_cast<std::size_t>(options_.columns());
    detail::resize(values, corpus.size() * columns, corpus.name());
    float* to = values.data();
    for (std::size_t s = 0; s < corpus.sentences(); ++s) {
      const Sentence sentence = corpus.sentence(s);
      // Numbers `from` to `until` of what is known of the tokens around one.
      const auto window = [&](std::size_t i, int radius, std::size_t from, std::size_t until) {
        const auto reach = static_cast<std::size_t>(radius);
        for (std::size_t j = i; j <= i + 2 * reach; ++j) {
          const bool inside = j >= reach && j - reach < sentence.size;
          const float* token = inside ? known.data() + (sentence.first + j - reach) * each : beyond.data();
          to = std::copy(token + from, token + until, to);
        }
      };
      for (std::size_t i = 0; i < sentence.size; ++i) {
        window(i, options_.radius, 0, 1);
        window(i, options_.part_radius, 1, each);
      }
    }
    return Inputs(Shape{options_.columns(), 1, 1}, std::move(values));
  }

 private:
  using Texts = std::array<std::vector<std::string>, 4>;

  // function(kind, text) for the word and each of its parts, in the order of the numbers; an empty text where the word is
  // too short.
  template <class Function>
  static void for_each_part(std::string_view word, const WordPartOptions& options, Function&& function) {
    const std::string text = options.lower_case ? detail::lower_case(word) : std::string(word);
    const std::string_view all(text);
    std::vector<std::size_t> begins;
    detail::find_characters(all, begins);
    const std::size_t characters = begins.size() - 1;
    function(words, all);
    for (std::size_t n = 1; n <= static_cast<std::size_t>(options.prefixes); ++n)
      function(prefixes, n <= characters ? all.substr(0, begins[n]) : std::string_view());
    for (std::size_t n = 1; n <= static_cast<std::size_t>(options.suffixes); ++n)
      function(suffixes, n <= characters ? all.substr(begins[characters - n]) : std::string_view());
    if (options.shape) function(shapes, std::string_view(detail::word_shape(word)));
  }

  [[gnu::cold]] static Vocabularies found(const Corpus& training, const WordPartOptions& options) {
    detail::check_word_parts(options);
    Texts texts;
    const Field field = training.field(options.column);
    for (std::size_t token = 0; token < training.size(); ++token)
      for_each_part(training.value(token, field), options, [&](Kind kind, std::string_view text) {
        if (!text.empty()) texts[kind].emplace_back(text);
      });
    std::size_t used = 0;
    const auto most = static_cast<std::size_t>(options.most);
    const auto take = [&](Kind kind) {
      const std::size_t all = kind == words ? most - used : most / 4;
      Vocabulary some(detail::most_frequent({texts[kind].begin(), texts[kind].end()}, options.minimum_count, all - 2));
      used += some.size();
      return some;
    };
    // In braces the calls are made in this order.
    return {take(shapes), take(prefixes), take(suffixes), take(words)};
  }

  float number(Kind kind, std::size_t within) const { return static_cast<float>(first_[kind] + within); }

  void describe(std::string_view word, float* to) const {
    for_each_part(word, options_, [&](Kind kind, std::string_view text) {
      *to++ =
          number(kind, static_cast<std::size_t>(text.empty() ? Vocabulary::padding : vocabularies_[kind].number(text)));
    });
  }

  std::vector<float> padding() const {
    std::vector<float> all;
    for_each_part({}, options_, [&](Kind kind, std::string_view) { all.push_back(number(kind, Vocabulary::padding)); });
    return all;
  }

  WordPartOptions options_;
  std::string column_;
  Vocabularies vocabularies_;
  std::array<std::size_t, 4> first_{};
  std::size_t size_ = 0;
};

}  // namespace mtlx::data
