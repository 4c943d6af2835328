// SPDX-License-Identifier: MIT
#include <mtlx/data/inputs.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;

namespace {

template <class T>
std::vector<T> read(const Inputs& inputs, std::size_t sample) {
  std::vector<T> row(inputs.shape().size(), T{-99});
  inputs.copy(sample, row.data());
  return row;
}

// Bit patterns, since under -ffast-math the compiler may take NaN and infinity for numbers that don't occur.
float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace

TEST_CASE("inputs keep floats as they are") {
  const Inputs inputs({1, 2, 2}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, -8});
  CHECK(inputs.size() == 2);
  CHECK(inputs.shape() == Shape{1, 2, 2});
  CHECK(inputs.bytes().empty());
  CHECK(inputs.floats().size() == 8);
  CHECK(read<float>(inputs, 0) == std::vector<float>{1, 2, 3, 4});
  CHECK(read<double>(inputs, 1) == std::vector<double>{5, 6, 7, -8});
}

TEST_CASE("a byte reads as a 255th") {
  std::vector<std::uint8_t> all(256);
  for (std::size_t b = 0; b < 256; ++b) all[b] = static_cast<std::uint8_t>(b);
  for (const Shape shape : {Shape{1, 16, 16}, Shape{256, 1, 1}, Shape{4, 8, 8}}) {
    const Inputs inputs(shape, all);
    CHECK(inputs.size() == 1);
    CHECK(inputs.floats().empty());
    const std::vector<double> row = read<double>(inputs, 0);
    const std::vector<float> single = read<float>(inputs, 0);
    for (std::size_t b = 0; b < 256; ++b) {
      CHECK(row[b] == doctest::Approx(static_cast<double>(b) / 255).epsilon(1e-14));
      CHECK(std::fabs(static_cast<double>(single[b]) - static_cast<double>(b) / 255) < 1e-7);
    }
  }
}

TEST_CASE("inputs refuse shapes and counts that don't fit") {
  using Floats = std::vector<float>;
  CHECK(error_of([] { Inputs({2, 2, 1}, Floats(6)); }) ==
        "mtlx: inputs: 6 values, expected a multiple of 4 (shape 2 x 2 x 1)");
  CHECK(error_of([] { Inputs({3}, std::vector<std::uint8_t>(4)); }) ==
        doctest::Contains("4 values, expected a multiple of 3"));
  CHECK(error_of([] { Inputs({0, 2, 2}, Floats(4)); }) == doctest::Contains("shape 0 x 2 x 2"));
  CHECK(error_of([] { Inputs({2, -1, 2}, Floats(4)); }) == doctest::Contains("at least 1"));
  CHECK(error_of([] { Inputs({2, 2, 0}, Floats(4)); }) == doctest::Contains("at least 1"));
  constexpr int large = 2147483647;
  CHECK(error_of([] { Inputs({large, large, large}, Floats(4)); }) == doctest::Contains("too large"));
  CHECK(Inputs({3}, Floats{}).size() == 0);
}

TEST_CASE("inputs refuse what is not finite, and say where") {
  for (const auto& [bits, word] : {std::pair{0x7FC00000U, "not a number"}, std::pair{0xFF800001U, "not a number"},
                                   std::pair{0x7F800000U, "infinite"}, std::pair{0xFF800000U, "infinite"}}) {
    std::vector<float> values(12, 1.0F);
    values[7] = from_bits(bits);
    const doctest::String message = error_of([&] { Inputs({1, 2, 2}, values); });
    CHECK(message == doctest::Contains("sample 1 has feature 3"));
    CHECK(message == doctest::Contains(word));
  }
  const std::vector<float> edge{from_bits(0x7F7FFFFF), from_bits(0xFF7FFFFF), from_bits(1), -0.0F};
  CHECK(Inputs({4}, edge).size() == 1);  // the largest, the least, a denormal: all finite
}

TEST_CASE("measure finds mean and deviation of each channel") {
  // Channel 0: 1 2 3 4 and 5 6 7 8; channel 1 is constant, and 0.1 is no sum of powers of two.
  const Inputs inputs({2, 2, 2}, std::vector<float>{1, 2, 3, 4, .1F, .1F, .1F, .1F, 5, 6, 7, 8, .1F, .1F, .1F, .1F});
  const Normalisation found = measure(inputs);
  REQUIRE(found.mean.size() == 2);
  REQUIRE(found.deviation.size() == 2);
  CHECK(found.mean[0] == doctest::Approx(4.5).epsilon(1e-14));
  CHECK(found.deviation[0] == doctest::Approx(std::sqrt(5.25)).epsilon(1e-14));
  CHECK(found.mean[1] == static_cast<double>(.1F));
  CHECK(found.deviation[1] == 1);
  CHECK(error_of([] { measure(Inputs({3}, std::vector<float>{})); }) == doctest::Contains("no samples"));
}

TEST_CASE("measure counts bytes as 255ths") {
  const Normalisation found = measure(Inputs({1, 1, 2}, std::vector<std::uint8_t>{0, 255, 51, 102}));
  CHECK(found.mean[0] == doctest::Approx(0.4).epsilon(1e-14));
  CHECK(found.deviation[0] == doctest::Approx(std::sqrt((0.16 + 0.36 + 0.04 + 0) / 4)).epsilon(1e-14));
  const Normalisation constant = measure(Inputs({1, 1, 2}, std::vector<std::uint8_t>(6, 77)));
  CHECK(constant.mean[0] == doctest::Approx(77.0 / 255));
  CHECK(constant.deviation[0] == 1);
}

TEST_CASE("a constant channel has deviation 1, however its sum rounds") {
  for (std::size_t count = 1; count < 200; ++count) {
    const Normalisation found = measure(Inputs({1}, std::vector<float>(count, 1.1e10F)));
    CHECK(found.mean[0] == static_cast<double>(1.1e10F));
    CHECK(found.deviation[0] == 1);
  }
}

TEST_CASE("measure is accurate far from zero") {
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) values.push_back(1.0e6F + static_cast<float>(i % 2));
  const Normalisation found = measure(Inputs({1, 10, 10}, values));
  CHECK(found.mean[0] == doctest::Approx(1.0e6 + 0.5).epsilon(1e-14));
  CHECK(found.deviation[0] == doctest::Approx(0.5).epsilon(1e-12));
}

TEST_CASE("normalised inputs have mean 0 and deviation 1 in each channel") {
  std::vector<float> values;
  for (std::size_t i = 0; i < 60; ++i)
    values.push_back(static_cast<float>(i * i % 17) + (i / 6 % 2 == 0 ? 100.0F : 0.0F));
  std::vector<std::uint8_t> bytes;
  for (const float value : values) bytes.push_back(static_cast<std::uint8_t>(value));
  for (const Shape shape : {Shape{2, 2, 3}, Shape{6, 1, 1}})
    for (Inputs inputs : {Inputs(shape, values), Inputs(shape, bytes)}) {
      inputs.normalise(measure(inputs));
      const auto channels = static_cast<std::size_t>(shape.channels);
      const std::size_t plane = shape.size() / channels;
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0, squares = 0;
        for (std::size_t n = 0; n < inputs.size(); ++n) {
          const std::vector<double> row = read<double>(inputs, n);
          for (std::size_t p = 0; p < plane; ++p)
            sum += row[c * plane + p], squares += row[c * plane + p] * row[c * plane + p];
        }
        const auto count = static_cast<double>(inputs.size() * plane);
        CHECK(std::fabs(sum / count) < 1e-12);
        CHECK(squares / count == doctest::Approx(1).epsilon(1e-12));
      }
    }
}

TEST_CASE("normalise replaces, measure sees raw numbers, the stored numbers stay") {
  Inputs inputs({1, 1, 2}, std::vector<float>{1, 3, 5, 7});
  inputs.normalise({{1}, {2}});
  CHECK(read<float>(inputs, 1) == std::vector<float>{2, 3});
  CHECK(measure(inputs).mean[0] == doctest::Approx(4));
  inputs.normalise({{1}, {2}});
  CHECK(read<float>(inputs, 1) == std::vector<float>{2, 3});
  CHECK(inputs.normalisation().deviation == std::vector<double>{2});
  inputs.normalise({{0}, {1}});
  CHECK(read<float>(inputs, 1) == std::vector<float>{5, 7});
  CHECK(inputs.floats()[3] == 7);

  Inputs bytes({1, 1, 2}, std::vector<std::uint8_t>{0, 255});
  bytes.normalise({{0.5}, {0.25}});
  CHECK(read<double>(bytes, 0)[0] == doctest::Approx(-2));
  CHECK(read<double>(bytes, 0)[1] == doctest::Approx(2));
}

TEST_CASE("normalise refuses what it can't divide by, and changes nothing") {
  Inputs inputs({2, 1, 1}, std::vector<float>{1, 2});
  CHECK(error_of([&] { inputs.normalise({{0}, {1}}); }) == doctest::Contains("expected 2 of each"));
  CHECK(error_of([&] { inputs.normalise({{0, 0}, {1}}); }) == doctest::Contains("2 means and 1 deviations"));
  CHECK(error_of([&] { inputs.normalise({{0, 0}, {1, 0}}); }) == doctest::Contains("channel 1: the deviation is 0"));
  CHECK(error_of([&] { inputs.normalise({{0, 0}, {-1, 1}}); }) == doctest::Contains("channel 0: the deviation is -1"));
  const double nan = std::bit_cast<double>(std::uint64_t{0x7FF8000000000000}),
               infinity = std::bit_cast<double>(std::uint64_t{0x7FF0000000000000});
  CHECK(error_of([&] { inputs.normalise({{0, 0}, {1, nan}}); }) == doctest::Contains("channel 1: the deviation"));
  CHECK(error_of([&] { inputs.normalise({{0, 0}, {infinity, 1}}); }) == doctest::Contains("channel 0: the deviation"));
  CHECK(error_of([&] { inputs.normalise({{nan, 0}, {1, 1}}); }) ==
        doctest::Contains("channel 0: the mean is not finite"));
  CHECK(read<float>(inputs, 0) == std::vector<float>{1, 2});
}

TEST_CASE("a subset has the named samples, in that order, read in the same way") {
  Inputs inputs({1, 1, 2}, std::vector<float>{1, 2, 3, 4, 5, 6});
  inputs.normalise({{1}, {2}});
  const std::array<std::size_t, 4> samples{2, 0, 0, 1};
  const Inputs part = inputs.subset(samples);
  CHECK(part.size() == 4);
  const Inputs own = part.compact();
  CHECK(std::vector<float>(own.floats().begin(), own.floats().end()) == std::vector<float>{5, 6, 1, 2, 1, 2, 3, 4});
  CHECK(read<float>(own, 2) == read<float>(part, 2));
  CHECK(read<float>(part, 0) == read<float>(inputs, 2));
  CHECK(read<float>(part, 3) == read<float>(inputs, 1));
  CHECK(inputs.subset(std::span<const std::size_t>{}).size() == 0);

  Inputs bytes({1, 1, 2}, std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
  bytes.normalise({{.1}, {.2}});
  const Inputs some = bytes.subset(samples);
  CHECK(some.bytes(0)[0] == 5);
  CHECK(some.compact().bytes()[0] == 5);
  CHECK(read<float>(some, 3) == read<float>(bytes, 1));

  const std::array<std::size_t, 2> outside{1, 3};
  CHECK(error_of([&] { inputs.subset(outside); }) == "mtlx: inputs: index 1 names sample 3, but there are only 3");
}

TEST_CASE("copies and subsets share the numbers") {
  Inputs inputs({2}, std::vector<float>{0, 1, 10, 11, 20, 21, 30, 31, 40, 41});
  const float* numbers = inputs.floats().data();
  const Inputs copy = inputs;
  CHECK(copy.floats().data() == numbers);

  // Samples in a row stay so, and a part of a part leads to the same numbers.
  const std::array<std::size_t, 3> run{1, 2, 3}, mixed{4, 0, 3};
  const std::array<std::size_t, 2> later{1, 2}, one{2, 2};
  const Inputs middle = inputs.subset(run);
  CHECK(middle.floats().data() == numbers + 2);
  CHECK(middle.floats().size() == 6);
  CHECK(middle.subset(later).floats().data() == numbers + 4);
  const Inputs scattered = inputs.subset(mixed);
  CHECK(scattered.floats(0).data() == numbers + 8);
  CHECK(scattered.subset(later).floats(1).data() == numbers + 6);
  CHECK(read<float>(scattered.subset(later), 0) == std::vector<float>{0, 1});
  CHECK(read<float>(middle.subset(one), 1) == std::vector<float>{30, 31});
  CHECK(measure(scattered).mean[0] == doctest::Approx((40 + 0 + 30) / 3.0));

  CHECK(error_of([&] { (void)scattered.floats(); }) ==
        "mtlx: inputs: the samples of this subset don't lie in a row; compact() makes inputs whose samples do");
  CHECK(scattered.bytes().empty());
  CHECK(scattered.bytes(0).empty());
  CHECK(scattered.compact().floats()[0] == 40);
  CHECK(scattered.compact().floats().data() != numbers);

  const Inputs none = scattered.subset(std::span<const std::size_t>{});
  CHECK(none.size() == 0);
  CHECK(none.floats().empty());
  CHECK(none.compact().size() == 0);
  CHECK(none.subset(std::span<const std::size_t>{}).size() == 0);
  CHECK_FALSE(none.holds_bytes());
}

TEST_CASE("the numbers live as long as anyone reads them") {
  const std::array<std::size_t, 2> samples{2, 0};
  Inputs part({1}, std::vector<float>{});
  {
    const Inputs whole({1, 1, 2}, std::vector<std::uint8_t>{0, 1, 2, 3, 4, 255});
    part = whole.subset(samples);
  }
  CHECK(part.holds_bytes());
  CHECK(read<double>(part, 0)[1] == doctest::Approx(1));
  CHECK(part.bytes(1)[1] == 1);
}

TEST_CASE("inputs over memory that someone else keeps") {
  struct Watch {
    int* released;
    std::array<float, 4> numbers{1, 2, 3, 4};
    ~Watch() { ++*released; }
  };
  int released = 0;
  {
    auto kept = std::make_shared<const Watch>(Watch{&released});
    released = 0;
    const std::span<const float> numbers(kept->numbers);
    const Inputs inputs({2}, numbers, std::move(kept));
    CHECK(inputs.floats().data() == numbers.data());
    CHECK(read<float>(inputs, 1) == std::vector<float>{3, 4});
    const Inputs copy = inputs;
    CHECK(error_of([&] { Inputs({3}, numbers, nullptr); }) == doctest::Contains("4 values, expected a multiple of 3"));
    CHECK(released == 0);
  }
  CHECK(released == 1);
  const std::array<std::uint8_t, 2> bytes{51, 255};
  CHECK(read<double>(Inputs({1}, std::span<const std::uint8_t>(bytes), nullptr), 0)[0] == doctest::Approx(0.2));
}
