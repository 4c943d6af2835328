// SPDX-License-Identifier: MIT
#include <mtlx/data/ngram.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <iterator>
#include <string_view>
#include <vector>

#include <mtlx/data/csv.hpp>

#include "ngram_oracle.inc"

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

template <std::size_t Features>
void compare(const float (&expected)[std::size(ngram_texts)][Features], std::size_t shortest, std::size_t longest,
             bool sign) {
  CAPTURE(Features);
  const Inputs found =
      ngrams(ngram_texts, {.features = Features, .shortest = shortest, .longest = longest, .alternate_sign = sign});
  REQUIRE(found.size() == std::size(ngram_texts));
  REQUIRE(found.shape() == Shape{static_cast<int>(Features), 1, 1});
  for (std::size_t text = 0; text < found.size(); ++text)
    for (std::size_t f = 0; f < Features; ++f) {
      CAPTURE(ngram_texts[text]);
      CHECK(found.floats(text)[f] == expected[text][f]);
    }
}

}  // namespace

TEST_CASE("hashes and features are those of scikit-learn") {
  for (std::size_t i = 0; i < std::size(ngram_texts); ++i) {
    CAPTURE(ngram_texts[i]);
    CHECK(data::detail::murmur3(ngram_texts[i]) == ngram_hashes[i][0]);
    CHECK(data::detail::murmur3(ngram_texts[i], 42) == ngram_hashes[i][1]);
  }
  compare(ngrams_7, 1, 1, true);
  compare(ngrams_16, 1, 3, true);
  compare(ngrams_13, 2, 4, false);
  compare(ngrams_1, 1, 2, true);
}

TEST_CASE("a logarithm keeps the sign and takes weight from what comes often") {
  for (const bool sign : {false, true}) {
    const NgramOptions counted{.features = 5, .alternate_sign = sign};
    NgramOptions scaled = counted;
    scaled.scale = NgramScale::logarithm;
    const Inputs counts = ngrams(ngram_texts, counted), logarithms = ngrams(ngram_texts, scaled);
    for (std::size_t i = 0; i < counts.floats().size(); ++i) {
      const double c = counts.floats()[i];
      const double expected = c < 0 ? -std::log(1 - c) : std::log(1 + c);
      CHECK(logarithms.floats()[i] == doctest::Approx(expected).epsilon(1e-6));
    }
  }
}

TEST_CASE("bytes that are no UTF-8, and no texts at all") {
  const std::vector<std::string_view> odd{"\x80\x80", "\xFF", std::string_view("\0x", 2)};
  const Inputs found = ngrams(odd, {.features = 1, .longest = 2, .alternate_sign = false});
  CHECK(found.floats(0)[0] == 1);  // two bytes that continue nothing are one character
  CHECK(found.floats(1)[0] == 1);
  CHECK(found.floats(2)[0] == 3);  // "\0", "x" and both
  CHECK(ngrams({}).size() == 0);
}

TEST_CASE("a column of a table, and what is refused") {
  const Table table = parse_csv("smiles,n\nCCO,1\n,2\n", "file.csv");
  const Table whole = parse_csv("smiles\nCCO\nC\n", "file.csv");
  const std::vector<std::string_view> texts{"CCO", "C"};
  const Inputs from_column = ngrams_from(whole, "smiles", {.features = 9}), from_texts = ngrams(texts, {.features = 9});
  CHECK(std::vector<float>(from_column.floats().begin(), from_column.floats().end()) ==
        std::vector<float>(from_texts.floats().begin(), from_texts.floats().end()));

  CHECK_THROWS_WITH_AS(ngrams_from(table, "smiles"), Contains("file.csv, row 3, column \"smiles\": a missing text"),
                       Error);
  CHECK_THROWS_WITH_AS(ngrams_from(table, "n"), Contains("row 2, column \"n\": a number, expected text"), Error);
  CHECK_THROWS_WITH_AS(ngrams_from(table, "no"), Contains("has no column \"no\""), Error);
  CHECK_THROWS_WITH_AS(ngrams(texts, {.features = 0}), Contains("0 features"), Error);
  CHECK_THROWS_WITH_AS(ngrams(texts, {.features = std::size_t{1} << 31}), Contains("features"), Error);
  CHECK_THROWS_WITH_AS(ngrams(texts, {.shortest = 0}), Contains("0 to 3"), Error);
  CHECK_THROWS_WITH_AS(ngrams(texts, {.shortest = 3, .longest = 2}), Contains("3 to 2"), Error);
}
