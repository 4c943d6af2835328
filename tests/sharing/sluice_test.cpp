// SPDX-License-Identifier: MIT
#include <mtlx/core/error.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/sharing/cross_stitch.hpp>
#include <mtlx/sharing/sluice.hpp>

#include "fusion_oracle.hpp"

using namespace mtlx;
using namespace network_laws;

namespace {

using Staged = sharing::Stages<nn::Sequential<nn::Conv2d<2, 3, 1, 1>, nn::Tanh, nn::MaxPool2d<2>>,
                               nn::Sequential<nn::Dense<4>, nn::Tanh>, nn::Sequential<nn::Dense<4>, nn::Tanh>>;
using Sluice = sharing::Sluice<Staged, 2, HeadB>;
using Net = Sluice::Network<fusion_oracle::shape, Three>;
constexpr std::size_t trunk = (9 + 1) * 2 + 8 * 4 + 4 + 4 * 4 + 4;

}  // namespace

static_assert(SharingStrategy<Sluice>);
static_assert(std::is_same_v<sharing::StrategyOf<Net>, Sluice>);
// Two stages have the last one's shape, and make the mixture.
static_assert(Net::shared == 3 * trunk + 2 * 36);
static_assert(Net::segments[1].size == 2 * 6 + 2 + (4 * 3 + 3));

TEST_CASE("Sluice: the laws, of its penalty too") {
  const auto report = testing::check_sharing<Sluice, fusion_oracle::shape, Three>();
  INFO(report.text());
  CHECK(report.ok());
}

TEST_CASE("Sluice agrees with PyTorch") {
  fusion_oracle::agrees<Net>(fusion_oracle::sluice_output, fusion_oracle::sluice_gradient);
}

TEST_CASE("Sluice: the penalty agrees with PyTorch, times what it counts") {
  const auto parameters = fusion_oracle::parameters(Net::parameters);
  const std::span<const double> p(parameters);
  const Sluice policy{.orthogonality = 0.5};
  std::vector<double> gradient(Net::parameters), doubled;
  policy.regularise<Net>(p, TaskSet::only(2), std::span(gradient));
  const double omega = policy.penalty<Net>(p, TaskSet::only(2)) / 0.5;
  CHECK(omega == doctest::Approx(fusion_oracle::sluice_omega[0]).epsilon(1e-13));
  for (std::size_t i = 0; i < gradient.size(); ++i) doubled.push_back(2 * gradient[i]);
  fusion_oracle::near(fusion_oracle::sluice_omega_gradient, std::span(doubled).first(3 * trunk));
  for (std::size_t i = 3 * trunk; i < gradient.size(); ++i) CHECK(gradient[i] == 0);
  // With no task, or no weight, there is nothing.
  CHECK(policy.penalty<Net>(p, TaskSet()) == 0);
  CHECK(Sluice{.orthogonality = 0}.penalty<Net>(p, TaskSet::first(3)) == 0);
  CHECK_THROWS_WITH_AS(Sluice{.orthogonality = -1}.validate(),
                       "mtlx: Sluice: orthogonality must be a number of at least 0, and is -1", Error);
}

TEST_CASE("Sluice begins with 0.9 of each subspace's own, and equal parts of the stages") {
  std::size_t blocks = 0;
  Net::for_each_parameter([&](const nn::Path& path, const nn::Parameter& p, std::size_t) {
    const std::string_view name = path.name;
    if (name != "own" && name != "others" && name != "beta") return;
    Random random(1, Purpose::user, 0);
    CHECK(p.initialiser(random, p.fan_in, p.fan_out) == doctest::Approx(name == "own"      ? 0.9
                                                                        : name == "others" ? 0.1 / 5
                                                                                           : 0.5)
                                                            .epsilon(1e-15));
    CHECK(p.role == nn::Role::norm);
    ++blocks;
  });
  CHECK(blocks == 2 * 2 + 3 * 3);
}

TEST_CASE("Sluice of one subspace, from the last stage alone, is a CrossStitch with one A for a stage, bit for bit") {
  using One = sharing::Sluice<Staged, 1, HeadB>::Network<fusion_oracle::shape, Three>;
  using Other =
      sharing::CrossStitchWith<Staged, sharing::Stitching{0.9, false}, HeadB>::Network<fusion_oracle::shape, Three>;
  const auto weights = fusion_oracle::parameters(Other::parameters);
  std::vector<double> parameters(One::parameters);
  const auto each = [](auto function) {
    function(0, 0, Other::shared);
    for (std::size_t t = 1; t <= 3; ++t) {
      const Segment other = Other::segments[t], one = One::segments[t];
      function(other.offset, one.offset, 3);
      function(other.offset + 3, one.offset + 3 + 2, other.size - 3);
    }
  };
  each([&](std::size_t from, std::size_t to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) parameters[to + i] = weights[from + i];
  });
  for (std::size_t t = 1; t <= 3; ++t) parameters[One::segments[t].offset + 4] = 1;
  const auto expected = fusion_oracle::run<Other>(weights), got = fusion_oracle::run<One>(parameters);
  CHECK(expected.output == got.output);
  each([&](std::size_t from, std::size_t to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) CHECK(expected.gradient[from + i] == got.gradient[to + i]);
  });
}
