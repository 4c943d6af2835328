// SPDX-License-Identifier: MIT
#include <mtlx/data/fashion_attributes.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

constexpr std::array tasks{"region", "shoe", "long_sleeves", "opens", "ink", "bright", "left", "tall", "textured"};

// One sample's answers, -1 where one is missing.
std::vector<int> answers(const DataSet& data, std::size_t sample) {
  std::vector<int> all;
  for (const char* task : tasks) {
    const Targets* targets = data.streams()[0].find(task);
    REQUIRE(targets != nullptr);
    all.push_back(targets->present(sample) ? static_cast<int>(targets->value(sample)) : -1);
  }
  return all;
}

// The last five answers to one picture.
std::vector<int> seen(std::size_t height, std::size_t width, std::vector<std::uint8_t> pixels) {
  const std::vector<int> all = answers(fashion_attributes({{1, height, width}, std::move(pixels)}, std::array{8}), 0);
  return {all.begin() + 4, all.end()};
}

}  // namespace

TEST_CASE("what a class says of a picture") {
  const std::vector<int> labels{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const DataSet data = fashion_attributes({{10, 1, 1}, std::vector<std::uint8_t>(10)}, labels);
  CHECK(data.streams()[0].columns.size() == tasks.size());
  using Classes = std::initializer_list<std::size_t>;
  // Fashion-MNIST's classes: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.
  std::array<std::array<int, 4>, 10> expected;
  expected.fill({-1, -1, -1, -1});
  for (const std::size_t top : Classes{0, 2, 4, 6}) expected[top] = {0, -1, 0, 0};
  for (const std::size_t trouser_or_dress : Classes{1, 3}) expected[trouser_or_dress][0] = 1;
  for (const std::size_t shoe : Classes{5, 7, 9}) expected[shoe] = {2, static_cast<int>(shoe - 5) / 2, -1, -1};
  expected[8][0] = 3;
  for (const std::size_t long_sleeved : Classes{2, 4}) expected[long_sleeved][2] = 1;
  for (const std::size_t opening : Classes{4, 6}) expected[opening][3] = 1;
  expected[6][2] = -1;  // a shirt's sleeves may be of either length
  for (std::size_t i = 0; i < 10; ++i)
    for (std::size_t t = 0; t < 4; ++t) CHECK(answers(data, i)[t] == expected[i][t]);
}

TEST_CASE("what its pixels say: ink, bright, left, tall, textured") {
  CHECK(seen(2, 2, {0, 0, 0, 0}) == std::vector{0, 0, 0, 0, 0});
  // Ink is more than 45 % of 32 or more: 9 of 20 are not enough.
  std::vector<std::uint8_t> some(20, 31);
  for (std::size_t i = 0; i < 9; ++i) some[i] = 32;
  CHECK(seen(1, 20, some)[0] == 0);
  some[9] = 32;
  CHECK(seen(1, 20, some)[0] == 1);
  // Bright: pixels of 0 don't count.
  CHECK(seen(1, 3, {0, 150, 150})[1] == 0);
  CHECK(seen(1, 3, {0, 150, 151})[1] == 1);
  // Left: the middle column is in neither half, and equal halves are no yes.
  CHECK(seen(1, 3, {5, 200, 5})[2] == 0);
  CHECK(seen(1, 3, {6, 200, 5})[2] == 1);
  CHECK(seen(1, 4, {1, 2, 0, 2})[2] == 1);
  // Tall: the box around what is 32 or more; a square is not.
  CHECK(seen(3, 3, {0, 32, 0, 0, 99, 0, 31, 31, 31})[3] == 1);
  CHECK(seen(3, 3, {0, 32, 0, 31, 31, 31, 0, 0, 0})[3] == 0);
  CHECK(seen(3, 3, {32, 0, 0, 0, 0, 0, 0, 0, 32})[3] == 0);
  // Textured: 54 is 0.54 of 100, and 55 more; below counts as right does.
  CHECK(seen(1, 2, {77, 23})[4] == 0);
  CHECK(seen(2, 1, {78, 22})[4] == 1);
}

TEST_CASE("Fashion-MNIST's files in three parts") {
  const Temporary folder;
  for (const std::string split : {"train", "t10k"}) {
    const std::uint32_t n = split == "train" ? 10 : 3;
    std::vector<std::uint8_t> pixels(n * 4), labels(n);
    for (std::size_t i = 0; i < n; ++i)
      pixels[i * 4] = static_cast<std::uint8_t>(i + 1), labels[i] = static_cast<std::uint8_t>(i);
    folder.file(split + "-images-idx3-ubyte", idx_file({n, 2, 2}, pixels));
    folder.file(split + "-labels-idx1-ubyte", idx_file({n}, labels));
  }
  const Parts parts = fashion_attribute_parts(0.3, folder.path());
  CHECK(parts.train.size() == 7);
  CHECK(parts.validation.size() == 3);
  CHECK(parts.test.size() == 3);
  CHECK(parts.train.shape() == Shape{1, 2, 2});
  CHECK(parts.validation.streams()[0].inputs.bytes(0)[0] == 8);
  CHECK(answers(parts.validation, 0)[1] == 1);  // class 7, a sneaker
  CHECK(fashion_attribute_parts(0.5, folder.path(), 4).validation.size() == 2);
  CHECK(error_of([&] { fashion_attribute_parts(0, folder.path()); }) == Contains("a part would be empty"));
  CHECK(error_of([&] { fashion_attribute_parts(1.5, folder.path()); }) == Contains("validation"));
  CHECK(error_of([&] { fashion_attribute_parts(0.1, folder.path() + "/none"); }) == Contains("is not there"));
  const auto error = [](const Idx& pictures, const std::vector<int>& labels) {
    return error_of([&] { fashion_attributes(pictures, labels); });
  };
  CHECK(error({{1, 1}, {0}}, {0}) == Contains("2 dimensions, expected 3"));
  CHECK(error({{1, 1, 1}, {0}}, {0, 1}) == Contains("2 labels, expected 1"));
  CHECK(error({{1, 1, 1}, {0}}, {10}) == Contains("picture 0 has label 10"));
  CHECK(error({{1, 2, 1}, {0}}, {0}) == Contains("1 bytes for 1 pictures of 2 x 1"));
}
