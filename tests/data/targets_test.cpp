// SPDX-License-Identifier: MIT
#include <mtlx/data/targets.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

using namespace mtlx::data;

namespace {

float nan() { return std::bit_cast<float>(0x7FC00000U); }
float infinity() { return std::bit_cast<float>(0x7F800000U); }

}  // namespace

TEST_CASE("classes are one number a sample, -1 is missing") {
  const Targets targets = Targets::classes(std::vector<int>{3, missing_label, 0});
  CHECK(targets.width() == 1);
  CHECK(targets.size() == 3);
  CHECK(targets.value(0) == 3);
  CHECK(targets.present(0));
  CHECK_FALSE(targets.present(1));
  CHECK(targets.value(1) == 0);
  CHECK(targets.present(2));
  CHECK(targets.value(2) == 0);
  CHECK(targets.present_count(0) == 1);
  CHECK(targets.present_count(1) == 0);
  REQUIRE(targets.mask(0) != nullptr);
  CHECK(*targets.mask(0) == 1);
  CHECK(*targets.mask(1) == 0);
}

TEST_CASE("targets without a gap have no mask") {
  CHECK(Targets::classes(std::vector<int>{0, 1}).mask(0) == nullptr);
  CHECK(Targets::values(1, {0, 1}).mask(1) == nullptr);
  CHECK(Targets::values(2, {0, 1}, {1, 255}).mask(0) == nullptr);
  CHECK(Targets::values(2, {0, 1}).present_count(0) == 2);
  CHECK(Targets::classes({}).size() == 0);
}

TEST_CASE("classes refuse other negative labels and labels that no float holds") {
  CHECK(error_of([] { Targets::classes(std::vector<int>{1, -1, -2}); }) == doctest::Contains("row 2 has label -2"));
  CHECK(error_of([] { Targets::classes(std::vector<int>{(1 << 24) + 1}); }) ==
        doctest::Contains("row 0 has label 16777217"));
  CHECK(Targets::classes(std::vector<int>{1 << 24}).value(0) == 16777216.0F);
}

TEST_CASE("values are missing where they are not a number") {
  const Targets targets = Targets::values(2, {1, nan(), -3, 4, std::bit_cast<float>(0xFF800001U), nan()});
  CHECK(targets.width() == 2);
  CHECK(targets.size() == 3);
  CHECK(targets.present(0, 0));
  CHECK_FALSE(targets.present(0, 1));
  CHECK_FALSE(targets.present(2, 0));
  CHECK(targets.present_count(0) == 1);
  CHECK(targets.present_count(1) == 2);
  CHECK(targets.present_count(2) == 0);
  CHECK(targets.row(0)[0] == 1);
  CHECK(std::bit_cast<std::uint32_t>(targets.row(0)[1]) == 0);
  CHECK(targets.value(1, 0) == -3);
  CHECK(targets.row(1)[1] == 4);
}

TEST_CASE("values take a mask, and what it hides may be anything") {
  const Targets targets = Targets::values(2, {7, 2, infinity(), nan(), 5, nan()}, {0, 1, 0, 0, 9, 1});
  CHECK_FALSE(targets.present(0, 0));
  CHECK(targets.value(0, 0) == 0);
  CHECK(targets.present(0, 1));
  CHECK(std::bit_cast<std::uint32_t>(targets.value(1, 0)) == 0);
  CHECK(targets.present_count(1) == 0);
  CHECK(targets.present_count(2) == 1);
  CHECK(targets.mask(2)[0] == 1);  // any other number than 0 counts as 1
  CHECK_FALSE(targets.present(2, 1));
}

TEST_CASE("values refuse infinity and counts that don't fit") {
  CHECK(error_of([] { Targets::values(3, {1, 2, 3, 4, infinity(), 6}); }) ==
        doctest::Contains("row 1 has value 1 infinite"));
  CHECK(error_of([] { Targets::values(1, {-infinity()}); }) == doctest::Contains("row 0"));
  CHECK(error_of([] { Targets::values(0, {1}); }) == doctest::Contains("width 0"));
  CHECK(error_of([] { Targets::values(2, {1, 2, 3}); }) == doctest::Contains("3 values, expected a multiple of 2"));
  CHECK(error_of([] { Targets::values(1, {1, 2}, {1}); }) == doctest::Contains("a mask of 1 for 2 values"));
}

TEST_CASE("a subset keeps values and gaps") {
  const Targets targets = Targets::values(2, {1, nan(), 3, 4, nan(), 6});
  const std::array<std::size_t, 3> samples{2, 1, 2};
  const Targets part = targets.subset(samples);
  CHECK(part.size() == 3);
  CHECK(part.value(0, 1) == 6);
  CHECK_FALSE(part.present(0, 0));
  CHECK(part.value(1, 0) == 3);
  CHECK(part.present_count(1) == 2);
  CHECK(part.present_count(2) == 1);

  const std::array<std::size_t, 1> whole{1};
  CHECK(targets.subset(whole).mask(0) == nullptr);
  CHECK(targets.subset(std::span<const std::size_t>{}).size() == 0);
  const std::array<std::size_t, 1> outside{3};
  CHECK(error_of([&] { targets.subset(outside); }) == doctest::Contains("names sample 3, but there are only 3"));
  CHECK(Targets::classes(std::vector<int>{4, 5}).subset(whole).value(0) == 5);
}

TEST_CASE("bytes are shared with copies, subsets and other targets, and read as b / 255") {
  std::vector<std::uint8_t> all(256 * 3);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i % 256);
  const Inputs pictures({3, 1, 2}, all);
  const Targets targets = Targets::bytes(pictures);
  CHECK(targets.width() == 6);
  CHECK(targets.size() == 128);
  CHECK(targets.holds_bytes());
  CHECK(targets.complete());
  CHECK(targets.mask(127) == nullptr);
  CHECK(targets.present(127, 5));
  CHECK(targets.present_count(0) == 6);
  CHECK(targets.bytes(5).data() == pictures.bytes(5).data());
  CHECK(Targets::values(1, {1}).bytes(0).empty());
  CHECK_FALSE(Targets::values(1, {1}).holds_bytes());

  // The same numbers as floats that were divided beforehand, to the bit, in both types.
  std::vector<float> divided;
  for (const std::uint8_t byte : all) divided.push_back(static_cast<float>(byte) / 255.0F);
  const Targets floats = Targets::values(6, divided);
  CHECK(floats.value(42, 3) == targets.value(42, 3));
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    std::array<float, 6> one{}, other{};
    std::array<double, 6> precise{};
    targets.copy(i, one.data());
    floats.copy(i, other.data());
    targets.copy(i, precise.data());
    for (std::size_t j = 0; j < 6; ++j)
      wrong += one[j] != divided[i * 6 + j] || other[j] != one[j] || targets.value(i, j) != one[j] ||
               precise[j] != static_cast<double>(one[j]);
  }
  CHECK(wrong == 0);
  CHECK(targets.value(42, 3) == 1);  // byte 255
  CHECK(error_of([&] { static_cast<void>(targets.row(0)); }) ==
        "mtlx: targets: row() points to floats, and bytes are stored; copy() reads either");

  // Whatever is made of them has the same bytes, and keeps them alive.
  const auto subset = [&] {
    const Targets copied = Targets::bytes(pictures);
    const std::array<std::size_t, 4> samples{7, 2, 3, 7};
    return copied.in_sequences(std::array<std::size_t, 2>{100, 28}).subset(samples);
  };
  const Targets part = subset();
  CHECK(part.size() == 4);
  CHECK(part.bytes(0).data() == pictures.bytes(7).data());
  CHECK(part.bytes(3).data() == pictures.bytes(7).data());
  CHECK(part.goes_on(2));
  CHECK_FALSE(part.goes_on(1));
  const Targets again = part.subset(std::array<std::size_t, 2>{2, 1});
  CHECK(again.bytes(0).data() == pictures.bytes(3).data());
  CHECK(again.value(1, 1) == targets.value(2, 1));
  CHECK(part.subset(std::span<const std::size_t>{}).size() == 0);
  CHECK(error_of([&] { part.subset(std::array<std::size_t, 1>{4}); }) == doctest::Contains("there are only 4"));
  CHECK(Targets::bytes(pictures.subset(std::array<std::size_t, 1>{9})).bytes(0).data() == pictures.bytes(9).data());

  // How inputs are normalised is no matter of the targets; floats are refused.
  Inputs normalised = pictures;
  normalised.normalise({{1, 2, 3}, {4, 5, 6}});
  CHECK(Targets::bytes(normalised).value(42, 3) == 1);
  CHECK(error_of([] { Targets::bytes(Inputs({1}, std::vector<float>{1})); }) ==
        "mtlx: targets: bytes are to be shared, and the inputs hold floats");
}

TEST_CASE("samples go on with a sequence") {
  const Targets alone = Targets::classes(std::vector<int>{4, 5, missing_label, 7, 8});
  CHECK_FALSE(alone.goes_on(1));
  const auto marks = [](const Targets& targets) {
    std::vector<bool> all;
    for (std::size_t i = 0; i < targets.size(); ++i) all.push_back(targets.goes_on(i));
    return all;
  };
  const Targets targets = alone.in_sequences(std::vector<std::size_t>{3, 2});
  CHECK(marks(targets) == std::vector<bool>{false, true, true, false, true});
  CHECK(targets.value(4) == 8);
  CHECK_FALSE(targets.present(2));
  // In a part, where the next sample is the next one there too.
  const std::array<std::size_t, 6> samples{1, 2, 3, 4, 1, 0};
  CHECK(marks(targets.subset(samples)) == std::vector<bool>{false, true, false, true, false, false});
  CHECK(marks(targets.subset(samples).subset(std::array<std::size_t, 3>{2, 3, 4})) ==
        std::vector<bool>{false, true, false});
  CHECK(marks(alone.subset(samples)) == std::vector<bool>(6, false));
  CHECK(targets.subset(std::span<const std::size_t>{}).in_sequences({}).size() == 0);

  const auto refused = [&](std::vector<std::size_t> lengths) { return error_of([&] { alone.in_sequences(lengths); }); };
  CHECK(refused({3, 3}) == doctest::Contains("a sequence of 3 samples where 2 are left"));
  CHECK(refused({5, 0}) == doctest::Contains("a sequence of 0 samples where 0 are left"));
  CHECK(refused({3, 1}) == "mtlx: targets: the sequences have 4 samples in all, and the targets 5");
  CHECK(refused({}) == doctest::Contains("have 0 samples in all"));
}
