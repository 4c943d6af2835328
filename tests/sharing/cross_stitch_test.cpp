// SPDX-License-Identifier: MIT
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/sharing/cross_stitch.hpp>
#include <mtlx/sharing/single.hpp>

#include "fusion_oracle.hpp"

using namespace mtlx;
using namespace network_laws;

namespace {

using Staged = sharing::Stages<nn::Sequential<nn::Conv2d<3, 3, 1, 1>, nn::Tanh, nn::MaxPool2d<2>>,
                               nn::Sequential<nn::Dense<5>, nn::Tanh>>;
using CrossStitch = sharing::CrossStitch<Staged, HeadB>;
using Net = CrossStitch::Network<fusion_oracle::shape, Three>;
using Single = sharing::Single<Staged, HeadB>::Network<fusion_oracle::shape, Three>;
constexpr std::size_t trunk = (9 + 1) * 3 + 12 * 5 + 5;

/// First values.
template <class N>
std::vector<double> initial() {
  std::vector<double> all;
  N::for_each_parameter([&](const nn::Path&, const nn::Parameter& p, std::size_t) {
    Random random(1, Purpose::user, all.size());
    for (std::size_t i = 0; i < p.size(); ++i) all.push_back(p.initialiser(random, p.fan_in, p.fan_out));
  });
  return all;
}

}  // namespace

static_assert(SharingStrategy<CrossStitch>);
static_assert(Net::shared == 3 * trunk + 9 * 3);
static_assert(Net::segments[0].owners == TaskSet::first(3));
static_assert(Net::segments[2].size == 3 * 5 + (5 * 4 + 4 + 4 * 2 + 2));

TEST_CASE("CrossStitch: the laws, for three tasks and for one") {
  const auto three = testing::check_sharing<CrossStitch, fusion_oracle::shape, Three>();
  INFO(three.text());
  CHECK(three.ok());
  // A trunk that is no Stages is one stage. One task alone shares nothing, and its stitch does nothing at first.
  using Alone = sharing::CrossStitch<Trunk>::Network<Shape{4}, Some<1>>;
  check_passes<Alone>();
  static_assert(Alone::shared == 0 && Alone::parameters == 25 + 5 + 18);
  const auto start = initial<Alone>();
  for (std::size_t i = 0; i < 5; ++i) CHECK(start[25 + i] == 1);
}

TEST_CASE("CrossStitch agrees with PyTorch") {
  fusion_oracle::agrees<Net>(fusion_oracle::cross_stitch_output, fusion_oracle::cross_stitch_gradient);
}

TEST_CASE("CrossStitch begins with 0.9 of its own and a sum of 1, or as its type says") {
  const auto start = initial<Net>();
  const std::size_t first = 3 * trunk;
  for (std::size_t i = 0; i < 9; ++i) CHECK(start[first + i] == 0.9);
  for (std::size_t i = 9; i < 27; ++i) CHECK(start[first + i] == doctest::Approx(0.05));
  constexpr sharing::Stitching equal{.own = 0.25, .per_channel = false};
  using Other = sharing::CrossStitchWith<Staged, equal>::Network<fusion_oracle::shape, Three>;
  static_assert(Other::shared == 3 * trunk + 9);
  const auto other = initial<Other>();
  for (std::size_t i = 0; i < 3; ++i) CHECK(other[first + i] == 0.25);
  for (std::size_t i = 3; i < 9; ++i) CHECK(other[first + i] == 0.375);
}

TEST_CASE("CrossStitch with the identity is Single, bit for bit") {
  const auto weights = fusion_oracle::parameters(Single::parameters);
  std::vector<double> parameters(Net::parameters);
  for (std::size_t i = 0; i < 9; ++i) parameters[3 * trunk + i] = 1;
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t i = 0; i < 5; ++i) parameters[Net::segments[t + 1].offset + i] = 1;
  const auto each = [](auto function) {
    for (std::size_t t = 0; t < 3; ++t) {
      const Segment single = Single::segments[t], own = Net::segments[t + 1];
      function(single.offset, t * trunk, trunk);
      function(single.offset + trunk, own.offset + 15, single.size - trunk);
    }
  };
  each([&](std::size_t from, std::size_t to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) parameters[to + i] = weights[from + i];
  });
  for (const TaskSet set : {TaskSet::first(3), TaskSet::only(1)}) {
    const auto expected = fusion_oracle::run<Single>(weights, set), got = fusion_oracle::run<Net>(parameters, set);
    CHECK(expected.output == got.output);
    each([&](std::size_t from, std::size_t to, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) CHECK(expected.gradient[from + i] == got.gradient[to + i]);
    });
  }
}

TEST_CASE("CrossStitch: each trunk drops units of its own") {
  using Dropping = sharing::CrossStitch<nn::Dropout<50>>::Network<Shape{16}, Some<2>>;
  std::vector<double> parameters(Dropping::parameters), memory(Dropping::memory), found;
  for (std::size_t i = 0; i < 16; ++i) memory[Dropping::input + i] = 1;
  const int outputs[] = {3, 2};
  for (std::size_t t = 0; t < 2; ++t) {
    // The identity, then heads that tell which of their inputs are there.
    double* const own = parameters.data() + Dropping::segments[t + 1].offset;
    std::fill_n(own, 16, 1.0);
    for (int i = 0; i < 16; ++i)
      for (int n = 0; n < outputs[t]; ++n) own[32 + i * outputs[t] + n] = 1 << i;
  }
  Dropping::forward<Slice>({parameters.data(), {memory.data()}, TaskSet::first(2), {{1, 2}, 3, 4, 0}, true});
  for (const std::size_t at : Dropping::output) found.push_back(memory[at]);
  CHECK(found[0] != found[1]);
  CHECK(found[0] > 0);
}

TEST_CASE("CrossStitch: paths and layers") {
  using Small = sharing::CrossStitch<sharing::Stages<nn::Dense<2>, nn::Tanh>>::Network<Shape{4}, Some<2>>;
  CHECK(parameters<Small>() == std::vector<std::string>{"a.trunk.0.weight", "a.trunk.0.bias", "b.trunk.0.weight",
                                                        "b.trunk.0.bias", "stitch.0.own", "stitch.0.others",
                                                        "a.stitch.own", "a.stitch.others", "a.weight", "a.bias",
                                                        "b.stitch.own", "b.stitch.others", "b.weight", "b.bias"});
  CHECK(layers<Small>() == std::vector<std::string>{"ab:Dense", "ab:Dense", "ab:Stitch", "ab:Tanh", "ab:Tanh",
                                                    "a:Stitch", "a:Dense", "b:Stitch", "b:Dense"});
}
