// SPDX-License-Identifier: MIT
// Balancers that ask for more than one Gram matrix: MoCo, MoDo, SDMGrad, GradDrop, and the mask of sparse training. The
// training loop's part is in tests/training/balancing_test.cpp.
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/balancing/mo_co.hpp>
#include <mtlx/balancing/mo_do.hpp>
#include <mtlx/balancing/sdm_grad.hpp>
#include <mtlx/balancing/sparse_training.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/nn/conv_transpose2d.hpp>
#include <mtlx/nn/dense.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "vectors.inc"

using namespace mtlx;
using namespace mtlx::balancing;

namespace {

const std::vector<double> conflict{18, -22, -22, 38};  // of (-4, 1, 1) and (6, 1, 1)

template <class P>
std::vector<double> weigh(const P& policy, const std::vector<double>& gram, PolicyState<P>& state, TaskSet tasks) {
  std::vector<double> w(tasks.count());
  policy.weights(Problem{.tasks = tasks, .losses = {}, .gram = gram}, state, w);
  return w;
}
template <class P>
std::vector<double> weigh(const P& policy, const std::vector<double>& gram) {
  PolicyState<P> state{};
  const auto tasks = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(gram.size()))));
  return weigh(policy, gram, state, TaskSet::first(tasks));
}
bool near(const std::vector<double>& a, const std::vector<double>& b, double bound = 1e-12) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) same = std::abs(a[i] - b[i]) <= bound;
  return same;
}

}  // namespace

TEST_CASE("MoDo: the published sequence; absent tasks stand still") {
  const MoDo policy{.gamma = 0.01, .rho = 0.1};
  MoDo::State state;
  for (const auto& expected : mo_do)
    CHECK(near(weigh(policy, conflict, state, TaskSet::first(2)), {expected[0], expected[1]}, 1e-9));
  state.reset();
  // Rows of two batches: (G lambda)_i goes by the second's columns.
  CHECK(near(weigh(policy, {0, 4, 0, 0}, state, TaskSet::first(2)), {0.49, 0.51}));
  state.reset();
  const TaskSet outer = TaskSet::only(1).with(5);
  CHECK(near(weigh(policy, conflict, state, outer), {0.55, 0.45}));
  // Task 3 still has a third; the others share the rest as they did. Gram matrix 0, and rho 0 leaves them.
  const auto three = weigh(MoDo{.gamma = 1, .rho = 0}, std::vector<double>(9), state, outer.with(3));
  CHECK(near(three, {0.55 * 2 / 3, 1.0 / 3, 0.45 * 2 / 3}));
  // However large: a weight of 1 in all.
  CHECK(near(weigh(policy, {18e30, -22e30, -22e30, 38e30}), {1, 0}));
}

TEST_CASE("SDMGrad: the exact inner solution, where steps of rate 10 end at a corner") {
  // Public code ends at w = (0, 1), weights (0.115, 0.885); the shortest v = w + 0.15 has 1.3 (0.6, 0.4).
  CHECK(near(weigh(SdmGrad{}, conflict), {0.6, 0.4}));
  CHECK(near(weigh(SdmGrad{.lambda = 0}, conflict), {0.6, 0.4}));
  // diag(1, 1/4, 0): v = (0.2, 0.8) 1.2 and 0.1 of the third. (TorchJD, test_sdmgrad.py, gives the third all that it can.)
  CHECK(near(weigh(SdmGrad{}, {1, 0, 0, 0, 0.25, 0, 0, 0, 0}), {0.24 / 1.3, 0.96 / 1.3, 0.1 / 1.3}));
  CHECK(near(weigh(SdmGrad{.lambda = 0}, {0, 0, 0, 4}), {0, 1}));
  CHECK(near(weigh(SdmGrad{}, {1, 0, 0, 0, 1, 0, 0, 0, 1}), {1 / 3.0, 1 / 3.0, 1 / 3.0}));
  // The conditions: no task can take weight from another with profit. v = (1 + lambda) weights.
  const std::vector<double> g{4, 1, -2, 1, 9, 0.5, -2, 0.5, 2};
  for (const double lambda : {0.0, 0.3, 2.0, 1e6}) {
    const auto w = weigh(SdmGrad{.lambda = lambda}, g);
    CHECK(std::abs(w[0] + w[1] + w[2] - 1) < 1e-12);
    std::vector<double> slope(3);
    double least = 1e9;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) slope[i] += g[3 * i + j] * w[j];
      least = std::min(least, slope[i]);
    }
    for (std::size_t i = 0; i < 3; ++i)
      CHECK((w[i] * (1 + lambda) - lambda / 3 < 1e-9 * (1 + lambda) || slope[i] - least < 1e-12));
  }
  CHECK(near(weigh(SdmGrad{}, std::vector<double>(4)), {0.5, 0.5}));
  CHECK_THROWS_AS(SdmGrad{.lambda = -1}.validate(), Error);
}

TEST_CASE("MoCo: three steps of its recurrence, by hand") {
  for (const bool normalise : {true, false}) {
    const MoCo policy{.beta = 0.4, .gamma = 0.02, .sigma = 0.5, .rho = 0.1, .normalise = normalise};
    MoCo::State state;
    const std::vector<double> losses{2, 0.5};
    std::vector<std::vector<double>> y{{0, 0, 0}, {0, 0, 0}};
    std::vector<float> memory(6);
    std::vector<double> lambda{0.5, 0.5};
    for (int t = 1; t <= 3; ++t) {
      const std::vector<std::vector<double>> j{{-4.0 / t, 1, 1}, {6, 1, static_cast<double>(t)}};
      const auto gram_of = [](const auto& rows) {
        std::vector<double> g(4);
        for (std::size_t i = 0; i < 4; ++i)
          for (std::size_t k = 0; k < 3; ++k)
            g[i] += static_cast<double>(rows[i / 2][k]) * static_cast<double>(rows[i % 2][k]);
        return g;
      };
      const auto raw = gram_of(j);
      std::vector<std::vector<float>> rows;
      for (std::size_t i = 0; i < 2; ++i) {
        const double c = normalise ? losses[i] / std::sqrt(raw[3 * i]) : 1;
        for (std::size_t k = 0; k < 3; ++k) y[i][k] -= 0.4 / std::sqrt(t) * (y[i][k] - c * j[i][k]);
        rows.emplace_back(j[i].begin(), j[i].end());
        const Problem problem{.tasks = TaskSet::first(2), .losses = losses, .gram = raw};
        // In two ranges, as the training loop may cut it.
        policy.absorb<float>(problem, state, i, std::span(rows[i]).first(2), std::span(memory).subspan(3 * i, 2));
        policy.absorb<float>(problem, state, i, std::span(rows[i]).last(1), std::span(memory).subspan(3 * i + 2, 1));
        CHECK(near({rows[i].begin(), rows[i].end()}, y[i], 1e-6));
      }
      const auto g = gram_of(y);
      const double step = 0.02 / std::sqrt(t);
      const double v0 = lambda[0] - step * (g[0] * lambda[0] + g[1] * lambda[1] + 0.1 * lambda[0]);
      const double v1 = lambda[1] - step * (g[2] * lambda[0] + g[3] * lambda[1] + 0.1 * lambda[1]);
      lambda[0] = std::min(1.0, std::max(0.0, 0.5 + (v0 - v1) / 2));
      lambda[1] = 1 - lambda[0];
      CHECK(near(weigh(policy, gram_of(rows), state, TaskSet::first(2)), lambda, 1e-6));
      CHECK(std::abs(lambda[0] - 0.5) > 1e-3);
    }
  }
  // A gradient of zeros has no direction.
  std::vector<double> zeros(2), memory(2, 1.0);
  const std::vector<double> one{1}, none{0}, negative{-1};
  MoCo{}.absorb<double>(Problem{.tasks = TaskSet::first(1), .losses = one, .gram = none}, {}, 0, zeros, memory);
  CHECK(memory == std::vector<double>{0.5, 0.5});
  CHECK_THROWS_AS(
      MoCo{}.absorb<double>(Problem{.tasks = TaskSet::first(1), .losses = negative, .gram = one}, {}, 0, zeros, memory),
      Error);
}

TEST_CASE("a loss below 0 leaves every task's memory as it was") {
  const std::vector<double> losses{1, 2, -1}, gram{1, 0, 0, 0, 1, 0, 0, 0, 1};
  const Problem problem{.tasks = TaskSet::first(3), .losses = losses, .gram = gram};
  std::vector<double> rows{1, 2}, memory{3, 4};
  CHECK_THROWS_WITH_AS(MoCo{}.absorb<double>(problem, {}, 0, rows, memory),
                       "mtlx: MoCo: the loss of task 2 (the first is 0) is -1, and must be at least 0", Error);
  CHECK_THROWS_AS(DbMtl{}.absorb<double>(problem, {}, 0, rows, memory), Error);
  CHECK(rows == std::vector<double>{1, 2});
  CHECK(memory == std::vector<double>{3, 4});
  MoCo{.normalise = false}.absorb<double>(problem, {}, 0, rows, memory);  // goes by no loss
  CHECK(memory == std::vector<double>{2, 3});
}

TEST_CASE("DbMtl: three steps with a falling beta, by hand; a gradient that becomes 0 fades out") {
  const DbMtl policy{.beta = 0.8, .sigma = 0.5};
  DbMtl::State state;
  const std::vector<double> losses{2, 0.5};
  std::vector<double> memory(4), m(4);
  for (int t = 1; t <= 3; ++t) {
    std::vector<double> rows{3.0 / t, -1, 1, 2.0 * t}, g(4);
    const Problem problem{.tasks = TaskSet::first(2), .losses = losses, .gram = g};
    const double keep = 0.8 / std::sqrt(t);
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t k = 2 * i; k < 2 * i + 2; ++k) m[k] = keep * m[k] + (1 - keep) * rows[k] / (losses[i] + 1e-8);
      policy.absorb<double>(problem, state, i, std::span(rows).subspan(2 * i, 2), std::span(memory).subspan(2 * i, 2));
    }
    CHECK(near(rows, m));
    CHECK(near(memory, m));
    g = {m[0] * m[0] + m[1] * m[1], 0, 0, m[2] * m[2] + m[3] * m[3]};
    const double longest = std::sqrt(std::max(g[0], g[3]));
    CHECK(near(weigh(policy, g, state, TaskSet::first(2)), {longest / std::sqrt(g[0]), longest / std::sqrt(g[3])}));
  }
  // One task's gradient is 0 from now on.
  std::vector<double> w;
  for (int t = 4; t < 3000; ++t) {
    std::vector<float> rows{3, -1, 0, 0}, kept(memory.begin(), memory.end());
    const std::vector<double> none(4);
    for (std::size_t i = 0; i < 2; ++i)
      DbMtl{}.absorb<float>(Problem{.tasks = TaskSet::first(2), .losses = losses, .gram = none}, state, i,
                            std::span(rows).subspan(2 * i, 2), std::span(kept).subspan(2 * i, 2));
    memory.assign(kept.begin(), kept.end());
    w = weigh(DbMtl{},
              {memory[0] * memory[0] + memory[1] * memory[1], 0, 0, memory[2] * memory[2] + memory[3] * memory[3]},
              state, TaskSet::first(2));
    REQUIRE(w[1] <= 1e8 * (1 + 1e-12));
  }
  CHECK(std::abs(w[1] * memory[3]) < 1e-30);
  CHECK(near(weigh(DbMtl{}, std::vector<double>(4), state, TaskSet::first(2)), {0, 0}));
}

TEST_CASE("GradDrop: ranges in any order; columns of zeros; the leak") {
  std::vector<float> a(37), b(37);
  for (std::size_t k = 0; k < 37; ++k) a[k] = static_cast<float>(k % 3) - 1, b[k] = static_cast<float>(k % 5) - 2;
  a[4] = b[4] = 0;
  const Problem problem{.tasks = TaskSet::first(2), .losses = {}, .gram = {}, .random = Random(3, Purpose::balance, 9)};
  const auto run = [&](const GradDrop& policy, std::size_t first, std::size_t count) {
    const float* const rows[] = {a.data() + first, b.data() + first};
    std::vector<float> d(count, 99.0F);
    policy.combine(problem, {}, std::span<const float* const>(rows), first, std::span(d));
    return d;
  };
  Random words = problem.random;
  for (std::uint32_t n = 0; n < 3; ++n)
    for (const std::uint32_t word : problem.random.block(n)) CHECK(word == words.bits());
  const auto whole = run({}, 0, 37);
  for (const std::size_t cut : {1UL, 2UL, 3UL, 16UL, 36UL}) {
    auto parts = run({}, 0, cut);
    for (const float x : run({}, cut, 37 - cut)) parts.push_back(x);
    CHECK(parts == whole);
  }
  CHECK(whole[4] == 0);
  const auto leaky = run({.leak = 0.25}, 0, 37);
  for (std::size_t k = 0; k < 37; ++k) CHECK(leaky[k] == 0.75F * whole[k] + 0.25F * (a[k] + b[k]));
  // All of one sign are kept, whatever is drawn.
  for (std::size_t k = 0; k < 37; ++k)
    if (a[k] * b[k] >= 0) CHECK(whole[k] == a[k] + b[k]);
  CHECK_THROWS_AS(GradDrop{.leak = 1.5}.validate(), Error);
}

TEST_CASE("sparse training: the largest weights into each neuron, of every kind of layer") {
  using Sparse = SparseTraining<EqualWeights>;
  const auto mask = [](const nn::Parameter& parameter, const std::vector<float>& values, double share) {
    std::vector<float> result(values.size(), 7.0F);
    Sparse{.share = share}.mask(parameter, std::span(values), std::span(result));
    return result;
  };
  using Flags = std::vector<float>;
  // weight : (inputs 3, neurons 2), so that a neuron is a column.
  const auto dense = nn::Dense<2>::parameters({3});
  CHECK(mask(dense[0], {1, -9, -5, 2, 3, 3}, 0.5) == Flags{0, 1, 1, 0, 1, 1});
  CHECK(mask(dense[0], {1, -9, -5, 2, 3, 3}, 0.01) == Flags{0, 1, 1, 0, 0, 0});
  CHECK(mask(dense[0], {1, 1, 1, 1, 1, 1}, 0.34) == Flags{1, 1, 1, 1, 0, 0});
  CHECK(mask(dense[1], {0, 0}, 0.5) == Flags{1, 1});
  // weight : (filters 2, channels 1, 1, 2) as a plain parameter; and (channels 2, filters 2, 1, 1) of a transposed one.
  const nn::Parameter convolution{"weight", {2, 1, 1, 2}};
  CHECK(mask(convolution, {1, 2, 4, 3}, 0.5) == Flags{0, 1, 1, 0});
  const auto transposed = nn::ConvTranspose2d<2, 1>::parameters({2, 5, 5});
  CHECK(mask(transposed[0], {1, 4, 2, 3}, 0.5) == Flags{0, 1, 1, 0});
  CHECK(mask({"weight", {2, 2}, nn::Role::embedding}, {1, 2, 3, 4}, 0.5) == Flags{1, 1, 1, 1});
  CHECK_THROWS_AS(Sparse{.share = 1.5}.validate(), Error);
}
