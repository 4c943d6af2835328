// SPDX-License-Identifier: MIT
#include <mtlx/data/xtensor.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <vector>

#include <mtlx/data/npy.hpp>

#if MTLX_XTENSOR_NEW_LAYOUT
#include <xtensor/containers/xarray.hpp>
#include <xtensor/core/xvectorize.hpp>
#include <xtensor/io/xnpy.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xarray.hpp>
#include <xtensor/xnpy.hpp>
#include <xtensor/xvectorize.hpp>
#include <xtensor/xview.hpp>
#endif

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

std::vector<float> raw(const Inputs& inputs) { return {inputs.floats().begin(), inputs.floats().end()}; }

}  // namespace

TEST_CASE("inputs come from two or four dimensions") {
  const xt::xtensor<float, 2> table{{1, 2, 3}, {4, 5, 6}};
  const Inputs features = inputs_from(table);
  CHECK(features.size() == 2);
  CHECK(features.shape() == Shape{3, 1, 1});
  CHECK(raw(features) == std::vector<float>{1, 2, 3, 4, 5, 6});

  xt::xarray<float> pictures = xt::zeros<float>({2, 3, 2, 2});
  pictures(1, 2, 0, 1) = 8;
  const Inputs images = inputs_from(pictures);
  CHECK(images.size() == 2);
  CHECK(images.shape() == Shape{3, 2, 2});
  CHECK(images.floats()[12 + 8 + 1] == 8);
}

TEST_CASE("inputs come from bytes and doubles") {
  const xt::xtensor<std::uint8_t, 2> bytes{{1, 255}, {0, 7}};
  const Inputs inputs = inputs_from(bytes);
  CHECK(inputs.floats().empty());
  CHECK(inputs.bytes()[1] == 255);
  CHECK(inputs.bytes()[3] == 7);
  CHECK(raw(inputs_from(xt::xtensor<double, 2>{{0.1, 0.2}})) == std::vector<float>{.1F, .2F});
}

TEST_CASE("layout and laziness don't matter") {
  xt::xarray<float, xt::layout_type::column_major> columns = xt::zeros<float>({2, 3});
  for (std::size_t i = 0; i < 6; ++i) columns(i / 3, i % 3) = static_cast<float>(i);
  CHECK(raw(inputs_from(columns)) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(raw(inputs_from(2.0F * columns + 1.0F)) == std::vector<float>{1, 3, 5, 7, 9, 11});
  CHECK(raw(inputs_from(xt::view(columns, xt::all(), xt::range(1, 3)))) == std::vector<float>{1, 2, 4, 5});

  int calls = 0;
  const auto counted = xt::vectorize([&calls](float value) { return ++calls, value; });
  CHECK(raw(inputs_from(counted(columns))) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(calls == 6);
}

TEST_CASE("inputs of other dimensions are refused") {
  CHECK(error_of([] { inputs_from(xt::xarray<float>(xt::zeros<float>({4}))); }) ==
        Contains("1 dimensions, expected 2"));
  CHECK(error_of([] { inputs_from(xt::xarray<float>(xt::zeros<float>({4, 2, 2}))); }) == Contains("3 dimensions"));
  CHECK(error_of([] { inputs_from(xt::xarray<float>(xt::zeros<float>({4, 0}))); }) == Contains("shape 0, expected"));
  const xt::xtensor<float, 2> bad{{1, 2}, {std::bit_cast<float>(0x7F800000U), 4}};
  CHECK(error_of([&] { inputs_from(bad); }) == Contains("sample 1 has feature 0 infinite"));
}

TEST_CASE("classes come from whole numbers of any type") {
  const Targets targets = classes_from(xt::xtensor<std::int64_t, 1>{3, -1, 0});
  CHECK(targets.size() == 3);
  CHECK(targets.value(0) == 3);
  CHECK_FALSE(targets.present(1));
  CHECK(classes_from(xt::xtensor<std::uint8_t, 1>{200}).value(0) == 200);
  CHECK(error_of([] { classes_from(xt::xtensor<std::int64_t, 1>{0, std::int64_t{1} << 40}); }) ==
        Contains("row 1 has label 1099511627776"));
  CHECK(error_of([] { classes_from(xt::xtensor<std::uint64_t, 1>{~std::uint64_t{0}}); }) ==
        Contains("row 0 has label"));
  CHECK(error_of([] { classes_from(xt::xtensor<int, 1>{0, -3}); }) == Contains("row 1 has label -3"));
  CHECK(error_of([] { classes_from(xt::xtensor<int, 2>{{0, 1}}); }) == Contains("2 dimensions, expected 1"));
}

TEST_CASE("values come from one or two dimensions, NaN is missing") {
  const float nan = std::bit_cast<float>(0x7FC00000U);
  const Targets wide = values_from(xt::xtensor<float, 2>{{1, nan, 3}, {4, 5, 6}});
  CHECK(wide.width() == 3);
  CHECK(wide.size() == 2);
  CHECK_FALSE(wide.present(0, 1));
  CHECK(wide.value(1, 2) == 6);
  const double wide_nan = std::bit_cast<double>(std::uint64_t{0x7FF8000000000000});
  const Targets column = values_from(xt::xtensor<double, 1>{1.5, wide_nan});
  CHECK(column.width() == 1);
  CHECK(column.value(0) == 1.5F);
  CHECK_FALSE(column.present(1));
  CHECK(error_of([] { values_from(xt::xarray<float>(xt::zeros<float>({2, 2, 2}))); }) == Contains("3 dimensions"));
  CHECK(error_of([] { values_from(xt::xarray<float>(xt::zeros<float>({2, 0}))); }) == Contains("width 0"));
}

TEST_CASE("numbers go back to an xtensor") {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const xt::xtensor<float, 2> table = to_xtensor(values, 2, 3);
  CHECK(table.shape(0) == 2);
  CHECK(table.shape(1) == 3);
  CHECK(table(1, 0) == 4);
  CHECK(table(0, 2) == 3);
  CHECK(to_xtensor({}, 0, 3).size() == 0);
  CHECK(to_xtensor({}, 4, 0).size() == 0);
  CHECK(error_of([&] { to_xtensor(values, 2, 2); }) == Contains("6 values for 2 rows of 2"));
  CHECK(error_of([&] { to_xtensor(values, 3, 0); }) == Contains("6 values for 3 rows of 0"));
}

TEST_CASE("xtensor and data/npy.hpp read what the other writes") {
  const Temporary folder;
  const std::string path = folder.path() + "/a.npy";
  const std::vector<float> values{1, -2, 3, 4, 5, 0.5F};
  write_npy(path, {2, 3}, values);
  const auto array = xt::load_npy<float>(path);
  CHECK(array == xt::xarray<float>{{1, -2, 3}, {4, 5, 0.5F}});
  xt::dump_npy(path, array);
  CHECK(read_npy(path).shape == std::vector<std::size_t>{2, 3});
  CHECK(read_npy(path).floats == values);

  const xt::xarray<int, xt::layout_type::column_major> columns{{1, 2, 3}, {-4, 5, 6}};
  xt::dump_npy(path, columns);
  CHECK(read_npy(path).integers == std::vector<std::int64_t>{1, 2, 3, -4, 5, 6});
  write_npy(path, {3}, std::vector<std::uint8_t>{7, 0, 255});
  CHECK(xt::load_npy<std::uint8_t>(path) == xt::xarray<std::uint8_t>{7, 0, 255});
}
