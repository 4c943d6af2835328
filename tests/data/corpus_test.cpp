// SPDX-License-Identifier: MIT
#include <mtlx/data/corpus.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <mtlx/data/conllu.hpp>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

// A sentence a string, its tokens as form/tag.
Corpus corpus_of(const std::vector<std::string>& sentences, const std::string& name = "train") {
  std::string text;
  for (std::string sentence : sentences) {
    for (char& sign : sentence) sign = sign == ' ' ? '\n' : sign == '/' ? ' ' : sign;
    text += sentence + "\n\n";
  }
  return parse_columns(text, name, {"form", "tag"});
}

std::vector<float> window(const Inputs& inputs, std::size_t token) {
  const auto numbers = inputs.floats(token);
  return {numbers.begin(), numbers.end()};
}

const Corpus train = corpus_of({"the/D cat/N saw/V the/D dog/N", "a/D dog/N ran/V", "the/D B/X", "b/_"});

}  // namespace

TEST_CASE("a vocabulary numbers words by frequency, then by their bytes") {
  const Vocabulary all(train);
  using Words = std::vector<std::string>;
  CHECK(all.words() == Words{"the", "dog", "B", "a", "b", "cat", "ran", "saw"});
  CHECK(all.size() == 10);
  CHECK(all.number("the") == 2);
  CHECK(all.number("saw") == 9);
  CHECK(all.number("never") == Vocabulary::unknown);
  CHECK(all.number("") == Vocabulary::unknown);
  CHECK(all.number("thee") == Vocabulary::unknown);
  CHECK(all.number("th") == Vocabulary::unknown);

  CHECK(Vocabulary(train, {.minimum_count = 2}).words() == Words{"the", "dog"});
  CHECK(Vocabulary(train, {.minimum_count = 3}).words() == Words{"the"});
  CHECK(Vocabulary(train, {.minimum_count = 9}).size() == 2);
  CHECK(Vocabulary(train, {.minimum_count = 0}).words() == all.words());
  CHECK(Vocabulary(train, {.most = 5}).words() == Words{"the", "dog", "B"});
  CHECK(Vocabulary(train, {.most = 2}).size() == 2);
  CHECK(Vocabulary(train, {.most = 100}).words() == all.words());
  CHECK(Vocabulary(train, {.column = "tag"}).words() == Words{"D", "N", "V", "X", "_"});
  CHECK(error_of([] { Vocabulary(train, {.most = 1}); }) == Contains("at most 1 number, expected at least 2"));
  CHECK(error_of([] { Vocabulary(train, {.column = "lemma"}); }) ==
        "mtlx: train has no column \"lemma\", it has form, tag");

  const Corpus more = corpus_of({"b/_ b/_ b/_"});
  CHECK(Vocabulary({&train, &more}, {.minimum_count = 2}).words() == Words{"b", "the", "dog"});
}

TEST_CASE("a vocabulary can be made again from its words") {
  const Vocabulary all(train);
  const Vocabulary again(all.words());
  CHECK(again.words() == all.words());
  for (const std::string& word : all.words()) CHECK(again.number(word) == all.number(word));
  CHECK(error_of([] { Vocabulary(std::vector<std::string>{"a", "b", "a"}); }) ==
        "mtlx: vocabulary: \"a\" is there twice");
  CHECK(error_of([] { Vocabulary(std::vector<std::string>{"a", ""}); }) == Contains("number 1 is empty"));
}

TEST_CASE("windows show each token with its neighbours in the sentence") {
  const Vocabulary words(train, {.minimum_count = 2});  // the 2, dog 3
  const Inputs one = windows(train, words, 1);
  CHECK(one.size() == 11);
  CHECK(one.shape() == Shape{3, 1, 1});
  using Floats = std::vector<float>;
  CHECK(window(one, 0) == Floats{1, 2, 0});  // |the cat
  CHECK(window(one, 1) == Floats{2, 0, 0});  // the cat saw
  CHECK(window(one, 3) == Floats{0, 2, 3});
  CHECK(window(one, 4) == Floats{2, 3, 1});  // the dog|
  CHECK(window(one, 5) == Floats{1, 0, 3});  // the next sentence begins anew
  CHECK(window(one, 10) == Floats{1, 0, 1});

  const Inputs three = windows(train, words, 3);
  CHECK(three.shape() == Shape{7, 1, 1});
  CHECK(window(three, 1) == Floats{1, 1, 2, 0, 0, 2, 3});
  CHECK(window(three, 6) == Floats{1, 1, 0, 3, 0, 1, 1});
  CHECK(window(windows(train, words, 0), 4) == Floats{3});

  // Any radius is the same text seen through another window.
  for (const int radius : {2, 5, 40}) {
    const Inputs wide = windows(train, words, radius);
    for (std::size_t token = 0; token < train.size(); ++token) {
      const auto middle = static_cast<std::size_t>(radius);
      CHECK(wide.floats(token)[middle] == one.floats(token)[1]);
      CHECK(wide.floats(token)[middle - 1] == one.floats(token)[0]);
      CHECK(wide.floats(token)[middle + 1] == one.floats(token)[2]);
    }
  }
  CHECK(error_of([&] { windows(train, words, -1); }) == Contains("the radius is -1"));
  CHECK(error_of([&] { windows(train, words, 40000); }) == Contains("the radius is 40000"));
  CHECK(error_of([&] { windows(train, words, 1, "lemma"); }) == Contains("no column \"lemma\""));
}

TEST_CASE("a tagset has the tags in the order of their bytes") {
  const Tagset tagset(train, "tag");
  CHECK(tagset.names() == std::vector<std::string>{"D", "N", "V", "X"});
  CHECK(tagset.size() == 4);
  CHECK(tagset.number("V") == 2);
  CHECK(tagset.number("_") == missing_label);
  CHECK(tagset.number("d") == missing_label);
  CHECK(error_of([] { Tagset(corpus_of({"a/_ b/_"}), "tag"); }) ==
        "mtlx: train has no tag in \"tag\": every token has _ there");
  CHECK(error_of([] { Tagset(train, "pos"); }) == Contains("no column \"pos\""));
  CHECK(error_of([] { Tagset(std::vector<std::string>{"A", "A"}); }) == "mtlx: tagset: \"A\" is there twice");
  CHECK(Tagset(std::vector<std::string>{"V", "N"}).number("N") == 1);
}

TEST_CASE("tags are classes, missing where there is none") {
  const Tagset tagset(train, "tag");
  const Targets targets = tags(train, "tag", tagset);
  REQUIRE(targets.size() == 11);
  CHECK(targets.width() == 1);
  CHECK(targets.value(0) == 0);
  CHECK(targets.value(2) == 2);
  CHECK(targets.value(9) == 3);
  CHECK(targets.present(9));
  CHECK_FALSE(targets.present(10));

  const Corpus valid = corpus_of({"the/D cat/N", "oh/I my/_"}, "valid");
  CHECK(error_of([&] { tags(valid, "tag", tagset); }) ==
        "mtlx: valid, row 4: tag \"I\" in \"tag\" is not one of the tagset's 4 tags (D, N, V, X); UnknownTag::missing "
        "would leave it out");
  const Targets some = tags(valid, "tag", tagset, UnknownTag::missing);
  CHECK(some.value(1) == 1);
  CHECK_FALSE(some.present(2));
  CHECK_FALSE(some.present(3));
  CHECK(error_of([&] { tags(valid, "pos", tagset); }) == Contains("valid has no column \"pos\""));
}

TEST_CASE("spans have O first, then B and I of each type, and sentences are sequences") {
  const Corpus text = corpus_of({"in/O New/B-place York/I-place", "Ann/I-person ,/_", "we/O"});
  const Tagset spans = Tagset::spans(text, "tag");
  CHECK(spans.names() == std::vector<std::string>{"O", "B-person", "I-person", "B-place", "I-place"});
  const Targets targets = tags(text, "tag", spans);
  CHECK(targets.value(1) == 3);
  CHECK(targets.value(3) == 2);
  CHECK_FALSE(targets.present(4));
  std::vector<bool> on;
  for (std::size_t i = 0; i < targets.size(); ++i) on.push_back(targets.goes_on(i));
  CHECK(on == std::vector<bool>{false, true, true, false, true, false});

  CHECK(Tagset::spans(corpus_of({"a/O"}), "tag").size() == 1);
  CHECK(error_of([] { Tagset::spans(corpus_of({"a/O b/S-place"}), "tag"); }) ==
        "mtlx: train, row 2: tag \"S-place\" in \"tag\", expected O, B-TYPE or I-TYPE");
  CHECK(error_of([] { Tagset::spans(corpus_of({"a/B-"}), "tag"); }) == Contains("row 1: tag \"B-\""));
  CHECK(error_of([] { Tagset::spans(corpus_of({"a/_"}), "tag"); }) == Contains("every token has _ there"));
}
