// SPDX-License-Identifier: MIT
#include <mtlx/data/multi_fashion.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

// Pictures of one pixel: picture i has byte i + 1 and class i % 10, so that every pair tells of whom it is.
Idx dots(std::size_t n) {
  Idx pictures{{n, 1, 1}, std::vector<std::uint8_t>(n)};
  std::iota(pictures.bytes.begin(), pictures.bytes.end(), std::uint8_t{1});
  return pictures;
}

std::vector<int> classes(std::size_t n) {
  std::vector<int> labels(n);
  for (std::size_t i = 0; i < n; ++i) labels[i] = static_cast<int>(i % 10);
  return labels;
}

const std::uint8_t* image(const DataSet& data, std::size_t pair) {
  const Inputs& inputs = data.streams()[0].inputs;
  return inputs.bytes().data() + pair * inputs.shape().size();
}

int label(const DataSet& data, const char* task, std::size_t pair) {
  return static_cast<int>(data.streams()[0].find(task)->value(pair));
}

std::vector<std::size_t> right_dots(const DataSet& data) {
  std::vector<std::size_t> found;
  for (std::size_t pair = 0; pair < data.size(); ++pair)
    found.push_back(image(data, pair)[6 * 36 + 6] - std::size_t{1});
  return found;
}

// The byte of a picture at a place of the canvas, 0 outside of it.
int at(const Idx& pictures, std::size_t picture, std::ptrdiff_t y, std::ptrdiff_t x) {
  const auto height = static_cast<std::ptrdiff_t>(pictures.dimensions[1]),
             width = static_cast<std::ptrdiff_t>(pictures.dimensions[2]);
  if (y < 0 || x < 0 || y >= height || x >= width) return 0;
  return pictures.bytes[static_cast<std::size_t>((static_cast<std::ptrdiff_t>(picture) * height + y) * width + x)];
}

// How many pixels of a pair are not what they should be, pixel by pixel from the definition.
int wrong_pixels(const Idx& pictures, std::size_t left, std::size_t right, const std::uint8_t* pair,
                 std::ptrdiff_t side) {
  int wrong = 0;
  for (std::ptrdiff_t i = 0; i < side; ++i)
    for (std::ptrdiff_t j = 0; j < side; ++j) {
      const auto scale = 36.0 / static_cast<double>(side);
      const auto y = static_cast<std::ptrdiff_t>(std::floor(static_cast<double>(i) * scale + 1e-9));
      const auto x = static_cast<std::ptrdiff_t>(std::floor(static_cast<double>(j) * scale + 1e-9));
      wrong += pair[i * side + j] != std::max(at(pictures, left, y, x), at(pictures, right, y - 6, x - 6));
    }
  return wrong;
}

}  // namespace

TEST_CASE("every picture is left once a round, with another one on the right") {
  const DataSet data = pair_up(dots(40), classes(40), 0, {.partners = 3});
  REQUIRE(data.size() == 120);
  CHECK(data.shape() == Shape{1, 36, 36});
  CHECK(data.streams()[0].columns.size() == 2);
  const std::vector<std::size_t> right = right_dots(data);
  for (std::size_t pair = 0; pair < 120; ++pair) {
    const std::size_t left = pair % 40;
    CHECK(image(data, pair)[0] == left + 1);
    CHECK(right[pair] < 40);
    CHECK(right[pair] != left);
    CHECK(label(data, "left", pair) == static_cast<int>(left % 10));
    CHECK(label(data, "right", pair) == static_cast<int>(right[pair] % 10));
    CHECK(std::count(image(data, pair), image(data, pair) + 1296, 0) == 1294);
  }
}

TEST_CASE("partners are drawn uniformly from the others") {
  constexpr int rounds = 4000;
  const DataSet data = pair_up(dots(6), classes(6), 0, {.partners = rounds});
  std::vector<int> count(36);
  const std::vector<std::size_t> right = right_dots(data);
  for (std::size_t pair = 0; pair < data.size(); ++pair) ++count[pair % 6 * 6 + right[pair]];
  for (std::size_t left = 0; left < 6; ++left)
    for (std::size_t other = 0; other < 6; ++other) {
      if (left == other)
        CHECK(count[left * 6 + other] == 0);
      else
        CHECK(std::abs(count[left * 6 + other] - rounds / 5) < 130);  // five standard deviations of 25
    }
}

TEST_CASE("pairs come from the seed, and differ between splits and rounds") {
  const auto pairs = [](std::uint64_t seed, std::uint64_t split) {
    return right_dots(pair_up(dots(100), classes(100), split, {.seed = seed}));
  };
  CHECK(pairs(1, 0) == pairs(1, 0));
  CHECK(pairs(1, 0) != pairs(2, 0));
  CHECK(pairs(1, 0) != pairs(1, 1));
  const std::vector<std::size_t> both = pairs(1, 0);
  CHECK_FALSE(std::equal(both.begin(), both.begin() + 100, both.begin() + 100));
  // Published numbers rest on these pairs: they must stay.
  CHECK(std::vector<std::size_t>(both.begin(), both.begin() + 8) ==
        std::vector<std::size_t>{94, 35, 32, 86, 38, 48, 62, 11});
}

TEST_CASE("pictures lie over each other, the larger byte wins") {
  Idx pictures{{3, 30, 20}, std::vector<std::uint8_t>(1800)};
  Random random(4, Purpose::user);
  for (std::uint8_t& byte : pictures.bytes) byte = static_cast<std::uint8_t>(random.below(256));
  const std::vector<int> labels{4, 7, 9};
  for (const int size : {36, 28}) {
    const DataSet data = pair_up(pictures, labels, 0, {.size = size});
    CHECK(data.shape() == Shape{1, size, size});
    for (std::size_t pair = 0; pair < data.size(); ++pair) {
      const auto right = static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label(data, "right", pair)) -
                                                  labels.begin());
      CHECK(wrong_pixels(pictures, pair % 3, right, image(data, pair), size) == 0);
    }
  }
}

TEST_CASE("a limit uses the first pictures only") {
  const DataSet data = pair_up(dots(50), classes(50), 0, {.partners = 20, .limit = 4});
  CHECK(data.size() == 80);
  for (const std::size_t right : right_dots(data)) CHECK(right < 4);
  CHECK(pair_up(dots(5), classes(5), 0, {.limit = 70}).size() == 10);
}

TEST_CASE("pairs that can't be built say why") {
  const auto error = [](const Idx& pictures, const std::vector<int>& labels, const MultiFashionOptions& options = {}) {
    return error_of([&] { pair_up(pictures, labels, 0, options); });
  };
  CHECK(error(dots(3), classes(3)) == "");
  CHECK(error(dots(3), classes(3), {.size = 32}) == Contains("size 32, expected 36 or 28"));
  CHECK(error(dots(3), classes(3), {.partners = 0}) == Contains("0 partners"));
  CHECK(error(dots(3), classes(3), {.limit = 1}) == Contains("1 pictures to pair, expected at least 2"));
  CHECK(error(dots(1), classes(1)) == Contains("at least 2"));
  CHECK(error(dots(3), classes(4)) == Contains("4 labels, expected 3"));
  CHECK(error(dots(3), {1, 10, 2}) == Contains("picture 1 has label 10"));
  CHECK(error(dots(3), {1, 2, -1}) == Contains("picture 2 has label -1"));
  CHECK(error({{3, 1}, {1, 2, 3}}, classes(3)) == Contains("2 dimensions, expected 3"));
  CHECK(error({{2, 31, 1}, std::vector<std::uint8_t>(62)}, classes(2)) == Contains("31 x 1, expected at most 30 x 30"));
  CHECK(error({{2, 1, 31}, std::vector<std::uint8_t>(62)}, classes(2)) == Contains("1 x 31, expected at most 30 x 30"));
  CHECK(error({{2, 0, 3}, {}}, classes(2)) == Contains("0 x 3"));
  CHECK(error({{2, 2, 2}, std::vector<std::uint8_t>(9)}, classes(2)) == Contains("9 bytes for 2 pictures of 2 x 2"));
  CHECK(error({{2, 2, 2}, std::vector<std::uint8_t>(7)}, classes(2)) == Contains("7 bytes for 2 pictures of 2 x 2"));
}

TEST_CASE("a directory of four files becomes two data sets") {
  const Temporary folder;
  folder.file("train-images-idx3-ubyte", idx_file({6, 1, 1}, dots(6).bytes));
  folder.file("train-labels-idx1-ubyte", idx_file({6}, {0, 1, 2, 3, 4, 5}));
  folder.file("t10k-images-idx3-ubyte", idx_file({3, 1, 1}, {101, 102, 103}));
  CHECK(error_of([&] { multi_fashion(folder.path()); }) == Contains("t10k-labels-idx1-ubyte.gz is not there"));
  folder.file("t10k-labels-idx1-ubyte", idx_file({3}, {7, 8, 9}));
  const MultiFashion data = multi_fashion(folder.path(), {.seed = 3});
  CHECK(data.train.size() == 12);
  CHECK(data.test.size() == 6);
  CHECK(right_dots(data.train) == right_dots(pair_up(dots(6), classes(6), 0, {.seed = 3})));
  for (std::size_t pair = 0; pair < 6; ++pair) {
    CHECK(image(data.test, pair)[0] == 101 + pair % 3);
    CHECK(label(data.test, "left", pair) == static_cast<int>(7 + pair % 3));
  }
  CHECK(right_dots(data.test) != [&] {  // the test split has a random stream of its own
    std::vector<std::size_t> same = right_dots(pair_up(dots(3), classes(3), 0, {.seed = 3}));
    for (std::size_t& dot : same) dot += 100;
    return same;
  }());

  // A third of the pictures to train on is paired apart; the training pairs and the test pairs are as ever.
  const MultiFashionParts parts = multi_fashion_parts(0.3, folder.path(), {.seed = 3});
  CHECK(right_dots(parts.train) == right_dots(pair_up(dots(4), classes(4), 0, {.seed = 3})));
  CHECK(right_dots(parts.validation) == std::vector<std::size_t>{5, 4, 5, 4});
  CHECK(image(parts.validation, 0)[0] == 5);
  CHECK(label(parts.validation, "left", 1) == 5);
  CHECK(right_dots(parts.test) == right_dots(data.test));
  CHECK(multi_fashion_parts(0.5, folder.path(), {.limit = 4}).validation.size() == 4);
  CHECK(error_of([&] { multi_fashion_parts(0.1, folder.path()); }) == Contains("1 pictures to pair"));
  CHECK(error_of([&] { multi_fashion_parts(0.9, folder.path()); }) == Contains("1 pictures to pair"));
  CHECK(error_of([&] { multi_fashion_parts(1, folder.path()); }) == Contains("validation must be"));
  CHECK(error_of([&] { multi_fashion(folder.path() + "/none"); }) == Contains("apt-get install dataset-fashion-mnist"));
}

#if MTLX_DATA_ZLIB
TEST_CASE("the real Multi-Fashion") {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) FAIL(folder << " is missing: apt-get install dataset-fashion-mnist");
  const MultiFashion data = multi_fashion();
  CHECK(data.train.size() == 120000);
  CHECK(data.test.size() == 20000);
  CHECK(data.train.shape() == Shape{1, 36, 36});

  std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
  for (std::size_t pair = 0; pair < 120000; pair += 100)
    for (std::size_t i = 0; i < 1296; ++i) hash = (hash ^ image(data.train, pair)[i]) * 0x100000001B3;
  CHECK(hash == 10569046066539849212U);

  const Idx pictures = read_idx(folder + "/t10k-images-idx3-ubyte.gz");
  const std::vector<int> labels = read_idx_labels(folder + "/t10k-labels-idx1-ubyte.gz");
  const DataSet small = multi_fashion(folder, {.size = 28, .limit = 10000}).test;
  Random random(1, Purpose::build, 1);
  for (std::size_t pair = 0; pair < 20000; ++pair) {
    const std::size_t left = pair % 10000;
    const std::size_t draw = random.below(9999);
    const std::size_t right = draw < left ? draw : draw + 1;
    CHECK(label(data.test, "left", pair) == labels[left]);
    CHECK(label(data.test, "right", pair) == labels[right]);
    if (pair % 997 != 0) continue;
    CHECK(wrong_pixels(pictures, left, right, image(data.test, pair), 36) == 0);
    CHECK(wrong_pixels(pictures, left, right, image(small, pair), 28) == 0);
  }
}
#endif
