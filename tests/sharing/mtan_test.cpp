// SPDX-License-Identifier: MIT
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/mtan.hpp>

#include "fusion_oracle.hpp"

using namespace mtlx;
using namespace network_laws;

namespace {

// Images, then vectors; stages in two parts, and one of one.
using Staged = sharing::Stages<sharing::MtanStage<nn::Sequential<nn::Conv2d<3, 3, 1, 1>, nn::Relu>,
                                                  nn::Sequential<nn::Conv2d<2, 3, 1, 1>, nn::Tanh>>,
                               sharing::MtanStage<nn::Sequential<nn::MaxPool2d<2>, nn::Conv2d<3, 1>>, nn::Tanh>,
                               nn::Sequential<nn::Dense<4>, nn::Tanh>>;
using Mtan = sharing::Mtan<Staged, HeadB>;
using Net = Mtan::Network<fusion_oracle::shape, Three>;
constexpr std::size_t trunk = (9 + 1) * 3 + (27 + 1) * 2 + (2 + 1) * 3 + 12 * 4 + 4, passing = (2 + 1) * 3 + 12 * 4 + 4;
constexpr std::size_t masks = (3 + 1) * 2 + (2 + 1) * 2 + (6 + 1) * 3 + (3 + 1) * 3 + (8 + 1) * 4 + (4 + 1) * 4;

}  // namespace

static_assert(SharingStrategy<Mtan>);
static_assert(Net::shared == trunk + passing);
static_assert(Net::segments[3].size == masks + 4 + 1);

TEST_CASE("Mtan: the laws") {
  const auto report = testing::check_sharing<Mtan, fusion_oracle::shape, Three>();
  INFO(report.text());
  CHECK(report.ok());
}

TEST_CASE("Mtan agrees with PyTorch") {
  fusion_oracle::agrees<Net>(fusion_oracle::mtan_output, fusion_oracle::mtan_gradient);
}

TEST_CASE("Mtan whose masks are all 1 is Hard, bit for bit") {
  using Hard = sharing::Hard<Staged, HeadB>::Network<fusion_oracle::shape, Three>;
  auto parameters = fusion_oracle::parameters(Net::parameters);
  std::vector<double> weights(parameters.begin(), parameters.begin() + trunk);
  for (std::size_t t = 0; t < 3; ++t) {
    const Segment own = Net::segments[t + 1];
    weights.insert(weights.end(), parameters.begin() + static_cast<std::ptrdiff_t>(own.offset + masks),
                   parameters.begin() + static_cast<std::ptrdiff_t>(own.offset + own.size));
  }
  REQUIRE(weights.size() == Hard::parameters);
  // sigmoid(100) is 1, and its derivative 0.
  std::size_t biases = 0;
  Net::for_each_parameter([&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
    if (path.parent->place != 2 || path.text().find("attention") == std::string::npos) return;
    const bool bias = p.role == nn::Role::bias;
    std::fill_n(parameters.begin() + static_cast<std::ptrdiff_t>(offset), p.size(), bias ? 100.0 : 0.0);
    biases += bias ? 1 : 0;
  });
  REQUIRE(biases == 9);
  for (const TaskSet set : {TaskSet::first(3), TaskSet::only(1)}) {
    const auto expected = fusion_oracle::run<Hard>(weights, set), got = fusion_oracle::run<Net>(parameters, set);
    CHECK(expected.output == got.output);
    for (std::size_t i = 0; i < trunk; ++i) CHECK(expected.gradient[i] == got.gradient[i]);
    for (std::size_t t = 0; t < 3; ++t) {
      const Segment own = Net::segments[t + 1];
      for (std::size_t i = masks; i < own.size; ++i)
        CHECK(expected.gradient[Hard::segments[t + 1].offset + i - masks] == got.gradient[own.offset + i]);
    }
  }
}

TEST_CASE("Mtan: paths, and the trunk's are those of Hard") {
  using Small = Mtan::Network<fusion_oracle::shape, Some<1>>;
  CHECK(Small::shared == 0);
  const auto all = parameters<Small>();
  const std::vector<std::string> expected{
      "trunk.0.0.0.weight", "trunk.0.0.0.bias", "trunk.0.1.0.weight",    "trunk.0.1.0.bias",   "trunk.1.0.1.weight",
      "trunk.1.0.1.bias",   "trunk.2.0.weight", "trunk.2.0.bias",        "passing.1.1.weight", "passing.1.1.bias",
      "passing.2.0.weight", "passing.2.0.bias", "a.attention.0.0.weight"};
  REQUIRE(all.size() == 12 + 12 + 2);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(all[i] == expected[i]);
  CHECK(all.back() == "a.bias");
}
