// SPDX-License-Identifier: MIT
#include <mtlx/data/word_parts.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <mtlx/data/conllu.hpp>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

// A blank ends a word, a bar a sentence.
Corpus corpus_of(std::string_view text, const std::string& name = "train") {
  std::string lines;
  for (const char c : text) lines += c == ' ' ? "\n" : c == '|' ? "\n\n" : std::string(1, c);
  return parse_columns(lines + "\n", name, {"word"});
}

// The numbers of a token as text: kind (S, P, X, W) and what has that number, with 0 for unknown and 1 for padding.
std::vector<std::string> told(const WordParts& parts, const Inputs& inputs, std::size_t token) {
  std::vector<std::string> all;
  for (const float value : inputs.floats(token)) {
    auto number = static_cast<std::size_t>(value);
    std::size_t kind = 0;
    while (number >= parts.vocabularies()[kind].size()) number -= parts.vocabularies()[kind++].size();
    const auto& words = parts.vocabularies()[kind].words();
    all.push_back(std::string(1, "SPXW"[kind]) + (number < 2 ? std::to_string(number) : words[number - 2]));
  }
  return all;
}

using Told = std::vector<std::string>;

const Corpus train = corpus_of("The cat|a Cat 3.5");
constexpr WordPartOptions small{
    .radius = 1, .part_radius = 0, .prefixes = 2, .suffixes = 2, .minimum_count = 1, .most = 100, .column = "word"};

}  // namespace

TEST_CASE("a token is seen as words around it and parts of words") {
  const WordParts parts(train, small);
  CHECK(parts.vocabularies()[WordParts::words].words() == Told{"cat", "3.5", "a", "the"});
  CHECK(parts.vocabularies()[WordParts::shapes].words() == Told{"Xx", "x", "d.d"});
  CHECK(parts.vocabularies()[WordParts::prefixes].words() == Told{"c", "ca", "3", "3.", "a", "t", "th"});
  CHECK(parts.size() == 4 + 3 + 7 + 7 + 4 * 2);  // suffixes: t, at, 5, .5, a, e, he

  const Inputs inputs = parts.inputs(train);
  static_assert(small.columns() == 3 + 5);
  CHECK(inputs.shape() == Shape{8, 1, 1});
  REQUIRE(inputs.size() == 5);
  CHECK(told(parts, inputs, 0) == Told{"W1", "Wthe", "Wcat", "Pt", "Pth", "Xe", "Xhe", "SXx"});
  CHECK(told(parts, inputs, 2) == Told{"W1", "Wa", "Wcat", "Pa", "P1", "Xa", "X1", "Sx"});
  CHECK(told(parts, inputs, 3) == Told{"Wa", "Wcat", "W3.5", "Pc", "Pca", "Xt", "Xat", "SXx"});
  CHECK(told(parts, inputs, 4) == Told{"Wcat", "W3.5", "W1", "P3", "P3.", "X5", "X.5", "Sd.d"});

  // Words that training did not have, in another corpus.
  const Inputs other = parts.inputs(corpus_of("theatre X!", "other"));
  CHECK(told(parts, other, 0) == Told{"W1", "W0", "W0", "Pt", "Pth", "Xe", "X0", "Sx"});
  CHECK(told(parts, other, 1) == Told{"W0", "W0", "W1", "P0", "P0", "X0", "X0", "S0"});
}

TEST_CASE("windows of parts have padding beyond the sentence") {
  WordPartOptions options = small;
  options.part_radius = 2, options.prefixes = 0, options.suffixes = 1, options.radius = 0;
  const WordParts parts(train, options);
  const Inputs inputs = parts.inputs(train);
  CHECK(inputs.shape() == Shape{11, 1, 1});
  CHECK(told(parts, inputs, 0) == Told{"Wthe", "X1", "S1", "X1", "S1", "Xe", "SXx", "Xt", "Sx", "X1", "S1"});
  CHECK(told(parts, inputs, 3) == Told{"Wcat", "X1", "S1", "Xa", "Sx", "Xt", "SXx", "X5", "Sd.d", "X1", "S1"});
}

TEST_CASE("characters are code points, and only A to Z have a lower case here") {
  WordPartOptions options = small;
  options.radius = 0;
  const Corpus text = corpus_of("\xC3\x89T\xC3\x89 \xC3\x89");  // É, T and É in UTF-8
  const WordParts parts(text, options);
  CHECK(told(parts, parts.inputs(text), 0) ==
        Told{"W\xC3\x89t\xC3\x89", "P\xC3\x89", "P\xC3\x89t", "X\xC3\x89", "Xt\xC3\x89", "SuXu"});
  options.lower_case = false;
  const WordParts exact(text, options);
  CHECK(told(exact, exact.inputs(text), 0)[2] == "P\xC3\x89T");
  // What is no UTF-8 is taken as it comes.
  const Corpus broken = corpus_of("\x80\x81 \xFF");
  CHECK(told(exact, exact.inputs(broken), 0) == Told{"W0", "P0", "P1", "X0", "X1", "Su"});
}

TEST_CASE("rare words are unknown, and vocabularies keep to their share") {
  WordPartOptions options = small;
  options.minimum_count = 2;
  CHECK(WordParts(train, options).vocabularies()[WordParts::words].words() == Told{"cat"});
  options = small;
  options.most = 16;
  const WordParts parts(train, options);
  CHECK(parts.size() == 16);
  CHECK(parts.vocabularies()[WordParts::prefixes].words() == Told{"c", "ca"});
  CHECK(parts.vocabularies()[WordParts::words].words() == Told{"cat", "3.5"});

  // The same again from what was kept.
  const WordParts again(parts.vocabularies(), options);
  CHECK(told(again, again.inputs(train), 3) == told(parts, parts.inputs(train), 3));
  options.most = 17;
  options.column = "form";
  CHECK(error_of([&] { WordParts(train, options); }) == Contains("train has no column \"form\", it has word"));
  CHECK(error_of([&] { WordParts(parts.vocabularies(), options).inputs(train); }) == Contains("no column \"form\""));
  options.most = 15;
  CHECK(error_of([&] { WordParts(train, options); }) == Contains("most is 15, expected a number from 16"));
  options.most = 16, options.radius = -1;
  CHECK(error_of([&] { WordParts(train, options); }) == Contains("the radius is -1"));
  options.radius = 0, options.suffixes = 2000;
  CHECK(error_of([&] { WordParts(train, options); }) == Contains("suffixes of up to 2000"));
  CHECK(error_of([&] { WordParts(WordParts(train, small).vocabularies(), {.most = 16}); }) ==
        Contains("numbers are in use, and most is 16"));
}
