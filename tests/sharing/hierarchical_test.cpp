// SPDX-License-Identifier: MIT
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/hierarchical.hpp>
#include <mtlx/sharing/sparse.hpp>

#include "network_laws.hpp"

#include <algorithm>
#include <cmath>

using namespace mtlx;
using namespace network_laws;
using sharing::Hierarchical;
using sharing::Level;

namespace {

// b early, a and c late; the middle level is for nobody alone, and parts come in any order.
using Middle = nn::Sequential<nn::Dense<4>, nn::Tanh, nn::Dropout<20>>;
using Late = nn::Sequential<nn::Dense<3>, nn::Tanh>;
using Deep = Hierarchical<HeadB, Level<Trunk, "b">, Level<Middle>, Level<Late, "a", "c">>;
using Net = Deep::Network<Shape{4}, Three>;
// Each task at a level of its own: the last level is a's alone. The first one has no parameters.
using Steps = Hierarchical<Level<nn::Tanh>, Level<Trunk, "c">, Level<Middle, "b">, Level<Late, "a">>;
using StepsNet = Steps::Network<Shape{4}, Three>;
// Images, and a last level without parameters.
using Images = Hierarchical<Level<nn::Conv2d<2, 3>, "c">, Level<nn::MaxPool2d<2>, "a", "b">>;

/// Equal to rounding: the compiler may fuse products and sums of one network otherwise than the other's.
bool close(const std::vector<double>& a, const std::vector<double>& b) {
  double scale = 0, apart = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    scale = std::max(scale, std::abs(a[i]));
    apart = std::max(apart, std::abs(a[i] - b[i]));
  }
  return a.size() == b.size() && scale > 0 && apart <= 1e-14 * scale;
}

constexpr TaskSet set_of(std::initializer_list<std::size_t> tasks) {
  TaskSet set;
  for (const std::size_t t : tasks) set = set.with(t);
  return set;
}
struct NoRule {
  [[maybe_unused]] static constexpr std::size_t memory = 0;
};

}  // namespace

static_assert(SharingStrategy<Deep>);
static_assert(Deep::check<Shape{4}, Three>());
static_assert(Net::shared == 25 + (5 * 4 + 4) + (4 * 3 + 3));
static_assert(StepsNet::shared == 25 + (5 * 4 + 4));

TEST_CASE("Hierarchical: the laws") {
  std::string broken = testing::check_sharing<Deep, Shape{4}, Three>().text();
  broken += testing::check_sharing<Steps, Shape{4}, Three, backend::Reference>().text();
  const auto images = testing::check_sharing<Images, Shape{1, 6, 6}, Three, backend::Reference>();
  CHECK(broken + images.text() == "");
  CHECK(images.checks() > 1000);
}

TEST_CASE("Hierarchical: a level belongs to its tasks and all deeper ones") {
  REQUIRE(Net::segments.size() == 6);
  CHECK(Net::segments[0].owners == TaskSet::first(3));
  CHECK(Net::segments[1].owners == set_of({0, 2}));
  CHECK(Net::segments[2].owners == set_of({0, 2}));
  CHECK(StepsNet::segments[0].size == 0);
  CHECK(StepsNet::segments[1].owners == TaskSet::first(3));
  CHECK(StepsNet::segments[2].owners == set_of({0, 1}));
  CHECK(StepsNet::segments[3].owners == set_of({0}));
  CHECK(layers<Net>() == std::vector<std::string>{"abc:Dense", "abc:Tanh", "ac:Dense", "ac:Tanh", "ac:Dropout",
                                                  "ac:Dense", "ac:Tanh", "a:Dense", "b:Dense", "b:Tanh", "b:Dense",
                                                  "c:Dense"});
  CHECK(parameters<Net>() == std::vector<std::string>{"levels.0.0.weight", "levels.0.0.bias", "levels.1.0.weight",
                                                      "levels.1.0.bias", "levels.2.0.weight", "levels.2.0.bias",
                                                      "a.weight", "a.bias", "b.0.weight", "b.0.bias", "b.2.weight",
                                                      "b.2.bias", "c.weight", "c.bias"});
}

TEST_CASE("Hierarchical: one level for all is Hard") {
  using One = Hierarchical<Level<Trunk, "c", "a", "b">, HeadB>::Network<Shape{4}, Three>;
  using Hard = sharing::Hard<Trunk, HeadB>::Network<Shape{4}, Three>;
  REQUIRE(One::parameters == Hard::parameters);
  const auto p = numbers(One::parameters, 7);
  for (const TaskSet set : {TaskSet::first(3), set_of({1}), set_of({0, 2})}) {
    const auto one = pass<One>(p, set);
    const auto hard = pass<Hard>(p, set);
    CHECK(close(one.shared, hard.shared));
    CHECK(close(one.own, hard.own));
    CHECK(close({phi<One>(p, set)}, {phi<Hard>(p, set)}));
  }
}

// Sun et al.: hierarchical sharing is a pattern of masks, 0 above the level of a task. A masked chain that adds nothing to
// its input hands on what the level before it has formed: b, whose mask is 0 there, reads the first level.
TEST_CASE("Hierarchical: a pattern of masks whose heads read at their own depth") {
  using Second = nn::Residual<nn::Dense<5>, nn::Tanh>;
  using Levels = Hierarchical<Level<Trunk, "b">, Level<Second, "a", "c">>::Network<Shape{4}, Three>;
  using Masked = sharing::Sparse<nn::Sequential<Trunk, Second>, NoRule>::Network<Shape{4}, Three>;
  REQUIRE(Masked::parameters == Levels::parameters);
  REQUIRE(Masked::shared == 25 + 30);
  auto p = numbers(Levels::parameters, 8);
  std::fill_n(p.begin() + 25 + 25, 5, 0.0);  // the second level's biases, which no mask covers
  std::vector<double> masked;
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t i = 0; i < Masked::shared; ++i) {
      const std::size_t level = i < 25 ? 0 : 1;
      masked.push_back(Levels::segments[level].owners.has(t) ? p[i] : 0);
    }
  const auto x = numbers(4, 100);
  for (std::size_t t = 0; t < 3; ++t) {
    CAPTURE(t);
    std::vector<double> at_levels(Levels::memory), at_masks(Masked::memory);
    std::copy(x.begin(), x.end(), at_levels.begin());
    std::copy(x.begin(), x.end(), at_masks.begin());
    const sharing::NetworkPass<Slice> levels{p.data(), {at_levels.data()}, TaskSet::only(t), {}, true};
    sharing::NetworkPass<Slice> masks{p.data(), {at_masks.data()}, TaskSet::only(t), {}, true};
    masks.masked = masked.data();
    Levels::forward(levels);
    Masked::forward(masks);
    const int outputs[] = {3, 2, 1};
    std::vector<double> z, other_z;
    for (std::size_t i = 0; i < static_cast<std::size_t>(outputs[t]); ++i) {
      z.push_back(at_levels[Levels::output[t] + i]);
      other_z.push_back(at_masks[Masked::output[t] + i]);
      at_levels[Levels::output_gradient[t] + i] = at_masks[Masked::output_gradient[t] + i] = 1 + double(i);
    }
    CHECK(close(z, other_z));
    std::vector<double> shared(p.size()), own(p.size()), other_shared(p.size()), other_own(p.size());
    Levels::backward<Slice>(levels, {shared.data(), own.data()});
    Masked::backward<Slice>(masks, {other_shared.data(), other_own.data()});
    CHECK(close(own, other_own));
    // What a mask covers gets no update; what it leaves gets the same.
    if (t == 1) std::fill_n(other_shared.begin() + 25, 30, 0.0);
    CHECK(close(shared, other_shared));
  }
}

TEST_CASE("Hierarchical: levels that no present task needs are not computed") {
  const auto p = numbers(Net::parameters, 9);
  std::vector<double> memory(Net::memory, network_laws::nan);
  std::fill_n(memory.begin(), 4, 0.5);
  Net::forward(sharing::NetworkPass<Slice>{p.data(), {memory.data()}, set_of({1}), {}, true});
  // x, the first level's 5 outputs, 4 numbers within b's head, and its 2 outputs.
  CHECK(std::count_if(memory.begin(), memory.end(), [](double x) { return x == x; }) == 4 + 5 + 4 + 2);
}
