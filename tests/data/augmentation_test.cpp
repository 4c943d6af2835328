// SPDX-License-Identifier: MIT
#include <mtlx/data/augmentation.hpp>

#include "support/allocation_counter.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;

namespace {

static_assert(SampleTransform<RandomFlip>);
static_assert(SampleTransform<RandomCrop, double>);
static_assert(SampleTransform<GaussianNoise>);
static_assert(SampleTransform<Cutout, double>);
static_assert(SampleTransform<Compose<RandomFlip, RandomFlip, Cutout>>);
static_assert(!SampleTransform<int>);

const Shape shapes[] = {{1, 1, 1}, {3, 1, 1}, {1, 1, 4}, {2, 5, 1}, {2, 3, 5}, {1, 8, 8}, {3, 7, 16}};

Random stream(std::uint64_t number) { return Random(5, Purpose::augment, number); }

// 1, 2, 3, ...: no two pixels alike, none zero.
template <class T>
std::vector<T> counting(const Shape& shape) {
  std::vector<T> sample(shape.size());
  for (std::size_t i = 0; i < sample.size(); ++i) sample[i] = static_cast<T>(i + 1);
  return sample;
}

template <class T, class Transform>
std::vector<T> applied(const Transform& transform, std::vector<T> sample, const Shape& shape, Random& random) {
  transform(std::span<T>(sample), shape, random);
  return sample;
}

template <class T, class Transform>
std::vector<T> applied(const Transform& transform, std::vector<T> sample, const Shape& shape, Random&& random) {
  return applied(transform, std::move(sample), shape, random);
}

// What comes out where output (c, y, x) is input (c, y + top, x + left), or 0 outside.
template <class T>
std::vector<T> shifted(const std::vector<T>& sample, const Shape& shape, int top, int left) {
  std::vector<T> result;
  for (int c = 0; c < shape.channels; ++c)
    for (int y = 0; y < shape.height; ++y)
      for (int x = 0; x < shape.width; ++x) {
        const int from_y = y + top, from_x = x + left;
        const bool inside = from_y >= 0 && from_y < shape.height && from_x >= 0 && from_x < shape.width;
        const int at = (c * shape.height + from_y) * shape.width + from_x;
        result.push_back(inside ? sample[static_cast<std::size_t>(at)] : T(0));
      }
  return result;
}

}  // namespace

TEST_CASE("a flip mirrors rows or columns, in every channel") {
  const Shape shape{2, 2, 3};
  const std::vector<float> sample = counting<float>(shape);
  const auto flipped = [&](const RandomFlip& flip) { return applied(flip, sample, shape, stream(0)); };
  using Floats = std::vector<float>;
  CHECK(flipped({.probability = 1}) == Floats{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10});
  CHECK(flipped({.horizontal = false, .vertical = true, .probability = 1}) ==
        Floats{4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9});
  CHECK(flipped({.vertical = true, .probability = 1}) == Floats{6, 5, 4, 3, 2, 1, 12, 11, 10, 9, 8, 7});
  CHECK(flipped({.vertical = true, .probability = 0}) == sample);
  CHECK(flipped({.horizontal = false, .probability = 1}) == sample);
  // An odd height keeps its middle row; a plain vector of features has nothing to mirror.
  CHECK(applied(RandomFlip{.horizontal = false, .vertical = true, .probability = 1}, counting<double>({1, 3, 1}),
                {1, 3, 1}, stream(0)) == std::vector<double>{3, 2, 1});
  CHECK(applied(RandomFlip{.vertical = true, .probability = 1}, counting<float>({3}), {3}, stream(0)) ==
        counting<float>({3}));
}

TEST_CASE("each way of a flip has a coin of its own") {
  const Shape shape{1, 2, 2};
  int none = 0, horizontal = 0, vertical = 0, both = 0;
  for (std::uint64_t s = 0; s < 4000; ++s) {
    const std::vector<float> result =
        applied(RandomFlip{.vertical = true, .probability = 0.25}, counting<float>(shape), shape, stream(s));
    ++(result[0] == 1 ? none : result[0] == 2 ? horizontal : result[0] == 3 ? vertical : both);
  }
  // Five standard deviations are 157 for 9/16, 123 for 3/16 and 77 for 1/16.
  CHECK(std::abs(none - 2250) < 157);
  CHECK(std::abs(horizontal - 750) < 123);
  CHECK(std::abs(vertical - 750) < 123);
  CHECK(std::abs(both - 250) < 77);
}

TEST_CASE("a row shifts in place") {
  using data::detail::shift_row;
  const auto shifted_row = [](std::ptrdiff_t by) {
    std::vector<int> row{1, 2, 3, 4};
    shift_row(row.data(), row.data(), 4, by);
    return row;
  };
  CHECK(shifted_row(1) == std::vector<int>{2, 3, 4, 0});
  CHECK(shifted_row(3) == std::vector<int>{4, 0, 0, 0});
  CHECK(shifted_row(4) == std::vector<int>{0, 0, 0, 0});
  CHECK(shifted_row(9) == std::vector<int>{0, 0, 0, 0});
  CHECK(shifted_row(-1) == std::vector<int>{0, 1, 2, 3});
  CHECK(shifted_row(-3) == std::vector<int>{0, 0, 0, 1});
  CHECK(shifted_row(-7) == std::vector<int>{0, 0, 0, 0});
}

TEST_CASE("a crop is a window of the padded sample") {
  for (const Shape& shape : shapes)
    for (const int padding : {0, 1, 2, 9})
      for (std::uint64_t s = 0; s < 60; ++s) {
        CAPTURE(padding);
        CAPTURE(s);
        Random draws = stream(s);
        const int top = static_cast<int>(draws.below(static_cast<std::uint32_t>(2 * padding + 1))) - padding;
        const int left = static_cast<int>(draws.below(static_cast<std::uint32_t>(2 * padding + 1))) - padding;
        CHECK(applied(RandomCrop{padding}, counting<float>(shape), shape, stream(s)) ==
              shifted(counting<float>(shape), shape, top, left));
        CHECK(applied(RandomCrop{padding}, counting<double>(shape), shape, stream(s)) ==
              shifted(counting<double>(shape), shape, top, left));
      }
}

TEST_CASE("a crop's shifts are equally likely") {
  const Shape shape{1, 3, 3};
  std::vector<int> at(9);  // where the middle of the sample, the 5, comes to lie
  for (std::uint64_t s = 0; s < 9000; ++s) {
    const std::vector<float> result = applied(RandomCrop{1}, counting<float>(shape), shape, stream(s));
    for (std::size_t i = 0; i < 9; ++i) at[i] += result[i] == 5;
  }
  for (const int hits : at) CHECK(std::abs(hits - 1000) < 150);  // five standard deviations of 30
}

TEST_CASE("noise is normal, with mean 0 and the deviation asked for") {
  const Shape shape{1, 200, 201};
  const std::vector<double> noise =
      applied(GaussianNoise{.deviation = 3}, std::vector<double>(shape.size(), 7.0), shape, stream(1));
  double sum = 0, squares = 0, inside = 0, neighbours = 0;
  for (std::size_t i = 0; i < noise.size(); ++i) {
    const double value = (noise[i] - 7) / 3;
    sum += value, squares += value * value, inside += std::fabs(value) < 1;
    if (i > 0) neighbours += value * (noise[i - 1] - 7) / 3;
  }
  const auto count = static_cast<double>(noise.size());
  const double five = 5 / std::sqrt(count);
  CHECK(std::fabs(sum / count) < five);
  CHECK(std::fabs(squares / count - 1) < five * std::numbers::sqrt2);
  CHECK(std::fabs(inside / count - 0.6827) < five * 0.47);
  CHECK(std::fabs(neighbours / count) < five);
}

TEST_CASE("noise takes the draws in pairs") {
  Random draws = stream(4);
  const double unit = (draws.bits() + 0.5) / 4294967296.0, angle = draws.bits() / 4294967296.0 * 2 * std::numbers::pi;
  const double radius = 0.5 * std::sqrt(-2 * std::log(unit));
  const std::vector<double> noise = applied(GaussianNoise{.deviation = 0.5}, counting<double>({3}), {3}, stream(4));
  CHECK(std::fabs(noise[0] - (1 + radius * std::cos(angle))) < 1e-6);
  CHECK(std::fabs(noise[1] - (2 + radius * std::sin(angle))) < 1e-6);
  CHECK(noise[2] != 3);
  CHECK(applied(GaussianNoise{.deviation = 0}, counting<float>({3}), {3}, stream(4)) == counting<float>({3}));
}

TEST_CASE("a cutout is one square, cut where it leaves the image") {
  for (const Shape& shape : shapes)
    for (const int size : {0, 1, 2, 3, 8, 100})
      for (std::uint64_t s = 0; s < 30; ++s) {
        Random draws = stream(s);
        const int top = static_cast<int>(draws.below(static_cast<std::uint32_t>(shape.height))) - size / 2;
        const int left = static_cast<int>(draws.below(static_cast<std::uint32_t>(shape.width))) - size / 2;
        std::vector<float> expected = counting<float>(shape);
        std::size_t at = 0;
        for (int c = 0; c < shape.channels; ++c)
          for (int y = 0; y < shape.height; ++y)
            for (int x = 0; x < shape.width; ++x, ++at)
              if (y >= top && y < top + size && x >= left && x < left + size) expected[at] = 0;
        CHECK(applied(Cutout{size}, counting<float>(shape), shape, stream(s)) == expected);
      }
  // Size 3 with its centre on a corner leaves two rows of two.
  std::vector<int> zeros(10);
  for (std::uint64_t s = 0; s < 100; ++s) {
    std::size_t count = 0;
    for (const float value : applied(Cutout{3}, counting<float>({1, 3, 3}), {1, 3, 3}, stream(s))) count += value == 0;
    ++zeros.at(count);
  }
  CHECK(zeros[4] + zeros[6] + zeros[9] == 100);
  CHECK(zeros[4] > 20);
  CHECK(zeros[9] > 0);
}

TEST_CASE("a composition applies its parts in order, from one stream") {
  const Shape shape{2, 4, 6};
  const Compose all{RandomCrop{.padding = 2}, RandomFlip{}, GaussianNoise{}, RandomFlip{.vertical = true}, Cutout{2}};
  for (std::uint64_t s = 0; s < 20; ++s) {
    Random one = stream(s), other = stream(s);
    std::vector<float> expected = applied(RandomCrop{.padding = 2}, counting<float>(shape), shape, other);
    expected = applied(RandomFlip{}, expected, shape, other);
    expected = applied(GaussianNoise{}, expected, shape, other);
    expected = applied(RandomFlip{.vertical = true}, expected, shape, other);
    expected = applied(Cutout{2}, expected, shape, other);
    CHECK(applied(all, counting<float>(shape), shape, one) == expected);
    CHECK(one.bits() == other.bits());
  }
  CHECK(applied(Compose{}, counting<float>(shape), shape, stream(0)) == counting<float>(shape));
}

TEST_CASE("what is drawn depends on the stream alone") {
  const Shape shape{1, 6, 6};
  const Compose all{RandomCrop{.padding = 2}, RandomFlip{}, GaussianNoise{}};
  const std::vector<double> first = applied(all, counting<double>(shape), shape, stream(1));
  CHECK(applied(all, counting<double>(shape), shape, stream(2)) != first);
  CHECK(applied(all, counting<double>(shape), shape, stream(1)) == first);
}

TEST_CASE("a transform allocates nothing") {
  const Shape shape{3, 9, 9};
  const Compose all{RandomCrop{}, RandomFlip{.vertical = true}, GaussianNoise{}, Cutout{}};
  std::vector<float> sample = counting<float>(shape);
  Random random = stream(3);
  CHECK(support::count_allocations([&] {
          for (int i = 0; i < 100; ++i) all(std::span<float>(sample), shape, random);
        }) == 0);
}

TEST_CASE("options that make no sense are refused") {
  const auto error = [](const auto& transform) {
    return error_of([&] { applied(transform, counting<float>({1, 2, 2}), {1, 2, 2}, stream(0)); });
  };
  const double nan = std::bit_cast<double>(std::uint64_t{0x7FF8000000000000}),
               infinity = std::bit_cast<double>(std::uint64_t{0x7FF0000000000000});
  CHECK(error(RandomFlip{.probability = 1.5}) ==
        "mtlx: augmentation: a flip's probability is 1.5, expected a number from 0 to 1");
  CHECK(error(RandomFlip{.probability = -0.1}) == doctest::Contains("-0.1"));
  CHECK(error(RandomFlip{.probability = nan}) == doctest::Contains("a flip's probability is nan"));
  CHECK(error(RandomCrop{-1}) == "mtlx: augmentation: a crop's padding is -1, expected pixels from 0 to 2^30");
  CHECK(error(RandomCrop{2147483647}) == doctest::Contains("padding"));
  CHECK(error(RandomCrop{1 << 30}) == "");
  CHECK(error(GaussianNoise{-1}) == "mtlx: augmentation: the noise's deviation is -1, expected a number from 0 on");
  CHECK(error(GaussianNoise{infinity}) == doctest::Contains("deviation is inf"));
  CHECK(error(Cutout{-2}) == "mtlx: augmentation: a cutout's size is -2, expected pixels from 0 on");
  CHECK(error(Cutout{2147483647}) == "");
  CHECK(error(Compose{RandomFlip{}, Cutout{-2}}) == doctest::Contains("cutout"));
}
