// SPDX-License-Identifier: MIT
// One step with Sgd of rate 1 moves the parameters by the gradient: p_before - p_after = g.
#include <mtlx/training/learner.hpp>

#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/single.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "small.hpp"

using namespace mtlx;
using small::Kinds;

namespace {

using Hard = sharing::Hard<small::Trunk, small::FlagsHead>::Network<small::shape, Kinds>;
using Single = sharing::Single<small::Trunk, small::FlagsHead>::Network<small::shape, Kinds>;

template <class Net, class Back, class Balancing = balancing::EqualWeights, class Optimizing = optim::Sgd>
using LearnerOf = training::Learner<Net, Kinds, Balancing, Optimizing, Back>;

constexpr optim::Sgd unit{.learning_rate = 1};
const TaskSet everything = TaskSet::first(3);

template <class Learner>
Learner make(TaskSet members, optim::Sgd optimizer = unit) {
  Learner learner(members, 3, 0, {}, optimizer);
  // Biases begin at 0: shake them, so that nothing hides there.
  const auto shake = small::numbers(learner.parameters().size(), 77);
  for (std::size_t i = 0; i < shake.size(); ++i) learner.parameters()[i] += 0.1 * shake[i];
  return learner;
}

// The gradient of the sum of the members' losses.
template <class Learner, class Back>
std::vector<double> gradient(Back& backend, const data::DataSet& data, TaskSet members = everything) {
  auto learner = make<Learner>(members);
  const auto before = small::copy(learner.parameters());
  learner.step(backend, {data, small::shape, members}, small::Batch(data).parts(), {});
  auto g = before;
  for (std::size_t i = 0; i < g.size(); ++i) g[i] -= learner.parameters()[i];
  return g;
}

template <class N, class B>
struct Case {
  using Net = N;
  using Back = B;
};

}  // namespace

TYPE_TO_STRING_AS("Hard, Reference", Case<Hard, backend::Reference>);
TYPE_TO_STRING_AS("Single, Reference", Case<Single, backend::Reference>);
TYPE_TO_STRING_AS("Hard, Cpu<double>", Case<Hard, backend::Cpu<double>>);
TYPE_TO_STRING_AS("Single, Cpu<double>", Case<Single, backend::Cpu<double>>);

using HardReference = Case<Hard, backend::Reference>;
using SingleReference = Case<Single, backend::Reference>;
using HardCpu = Case<Hard, backend::Cpu<double>>;
using SingleCpu = Case<Single, backend::Cpu<double>>;

TEST_CASE_TEMPLATE("the network's gradient agrees with finite differences", C, HardReference, SingleReference, HardCpu,
                   SingleCpu) {
  using Learner = LearnerOf<typename C::Net, typename C::Back>;
  typename C::Back backend{{}};
  for (const double missing : {0.0, 0.4}) {
    CAPTURE(missing);
    for (const auto& data : {small::shared(11, missing), small::own(5, 9, missing)}) {
      const auto g = gradient<Learner>(backend, data);
      const typename Learner::Data bound(data, small::shape, everything);
      const small::Batch batch(data);
      const auto loss = [&](std::size_t i, double shift) {
        auto learner = make<Learner>(everything);
        learner.parameters()[i] += shift;
        const auto step = learner.step(backend, bound, batch.parts(), {});
        return step.losses[0] + step.losses[1] + step.losses[2];
      };
      double worst = 0, largest = 0;
      for (std::size_t i = 0; i < g.size(); ++i) {
        constexpr double h = 1e-5;
        worst = std::max(worst, std::abs((loss(i, h) - loss(i, -h)) / (2 * h) - g[i]));
        largest = std::max(largest, std::abs(g[i]));
      }
      CHECK(worst < 1e-9);
      CHECK(largest > 0.01);
    }
  }
}

TEST_CASE_TEMPLATE("a set's gradient is the sum of its tasks', and touches their segments alone", C, HardReference,
                   SingleReference, HardCpu, SingleCpu) {
  using Learner = LearnerOf<typename C::Net, typename C::Back>;
  typename C::Back backend{{}};
  const auto data = small::shared(37, 0.3);
  std::vector<std::vector<double>> one;
  for (std::size_t t = 0; t < 3; ++t) one.push_back(gradient<Learner>(backend, data, TaskSet::only(t)));
  for (const TaskSet set : {everything, TaskSet::only(0).with(2), TaskSet::only(1).with(2), TaskSet::only(1)}) {
    auto sum = std::vector<double>(one[0].size());
    for (std::size_t t = 0; t < 3; ++t)
      for (std::size_t i = 0; i < sum.size() && set.has(t); ++i) sum[i] += one[t][i];
    const auto g = gradient<Learner>(backend, data, set);
    CHECK(small::distance(g, sum) < 1e-14);
    for (const Segment& segment : C::Net::segments) {
      const auto part = std::span(g).subspan(segment.offset, segment.size);
      const bool touched = std::any_of(part.begin(), part.end(), [](double x) { return x != 0; });
      CHECK(touched == segment.owners.meets(set));
    }
  }
}

TEST_CASE_TEMPLATE("every backend gives Reference's gradients", C, HardCpu, SingleCpu) {
  typename C::Back backend{{}};
  backend::Reference reference{{}};
  for (const auto& data : {small::shared(150, 0.3), small::own(70, 20, 0.2)})
    CHECK(small::distance(gradient<LearnerOf<typename C::Net, typename C::Back>>(backend, data),
                          gradient<LearnerOf<typename C::Net, backend::Reference>>(reference, data)) < 1e-13);
}

TEST_CASE("a loss is the mean over the present targets") {
  using Learner = LearnerOf<Hard, backend::Reference>;
  backend::Reference backend;
  const auto data = small::shared(23, 0.4);
  auto learner = make<Learner>(everything);
  const data::Inputs& x = data.streams()[0].inputs;
  std::array<std::vector<double>, 3> z{std::vector<double>(23 * 3), std::vector<double>(23 * 3),
                                       std::vector<double>(23 * 2)};
  learner.predict(backend, x, 0, 23, everything, {z[0].data(), z[1].data(), z[2].data()});
  std::array<double, 3> sum{}, count{};
  const auto& columns = data.streams()[0].columns;
  for (std::size_t s = 0; s < 23; ++s) {
    if (columns[0].targets.present(s)) {
      double total = 0;
      for (std::size_t i = 0; i < 3; ++i) total += std::exp(z[0][3 * s + i]);
      sum[0] += std::log(total) - z[0][3 * s + static_cast<std::size_t>(columns[0].targets.value(s))];
      count[0] += 1;
    }
    for (std::size_t i = 0; i < 3; ++i)
      if (columns[1].targets.present(s, i)) {
        const double p = 1 / (1 + std::exp(-z[1][3 * s + i]));
        sum[1] -= columns[1].targets.value(s, i) > 0.5F ? std::log(p) : std::log(1 - p);
        count[1] += 1;
      }
    for (std::size_t i = 0; i < 2; ++i)
      if (columns[2].targets.present(s, i)) {
        sum[2] += std::pow(z[2][2 * s + i] - static_cast<double>(columns[2].targets.value(s, i)), 2);
        count[2] += 1;
      }
  }
  const auto step = learner.step(backend, {data, small::shape, everything}, small::Batch(data).parts(), {});
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(count[t] < (t == 0 ? 23 : t == 1 ? 69 : 46));
    CHECK(step.losses[t] == doctest::Approx(sum[t] / count[t]).epsilon(1e-12));
    CHECK(step.weights[t] == 1);
  }
  CHECK(step.samples == 23);
  CHECK(step.present == everything);
}

TEST_CASE("a missing target counts as little as a sample that isn't there") {
  using Learner = LearnerOf<Single, backend::Reference>;
  backend::Reference backend;
  const std::size_t n = 12, gone = 5;
  auto places = small::numbers(2 * n, 9);
  auto labels = std::vector<int>(n, 1);
  places[2 * gone] = places[2 * gone + 1] = small::nan;
  labels[gone] = data::missing_label;
  const data::DataSet whole(small::inputs(n),
                            {{"kind", data::Targets::classes(labels)}, {"place", data::Targets::values(2, places)}});
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < n; ++i)
    if (i != gone) rest.push_back(i);
  const auto& stream = whole.streams()[0];
  const data::DataSet without(stream.inputs.subset(rest), {{"kind", stream.columns[0].targets.subset(rest)},
                                                           {"place", stream.columns[1].targets.subset(rest)}});
  const TaskSet two = TaskSet::only(0).with(2);
  const auto g = gradient<Learner>(backend, whole, two);
  CHECK(small::distance(g, gradient<Learner>(backend, without, two)) < 1e-15);
  // Whatever number stands where a mask says that none is there.
  std::vector<std::uint8_t> mask(2 * n, 1);
  mask[2 * gone] = mask[2 * gone + 1] = 0;
  places[2 * gone] = 1e30F, places[2 * gone + 1] = -3;
  const data::DataSet masked(stream.inputs, {stream.columns[0], {"place", data::Targets::values(2, places, mask)}});
  CHECK(small::same_bits(g, gradient<Learner>(backend, masked, two)));
}

namespace {

// Samples 0 to 7 have labels of all tasks, 8 to 15 none of "flags", 16 to 23 none at all.
data::DataSet gaps() {
  const std::size_t n = 24;
  auto kinds = std::vector<int>(n, 2);
  auto flags = std::vector<float>(3 * n, 1);
  auto places = small::numbers(2 * n, 4);
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 3 == 0) kinds[i] = 0;
    if (i >= 16) kinds[i] = data::missing_label, places[2 * i] = places[2 * i + 1] = small::nan;
    if (i >= 8) flags[3 * i] = flags[3 * i + 1] = flags[3 * i + 2] = small::nan;
  }
  return {small::inputs(n),
          {{"kind", data::Targets::classes(kinds)},
           {"flags", data::Targets::values(3, flags)},
           {"place", data::Targets::values(2, places)}}};
}

const small::Batch all_labels({0, 1, 2, 3, 4, 5, 6, 7}), no_flags({8, 9, 10, 11, 12, 13, 14, 15}),
    no_labels({16, 17, 18, 19, 20, 21, 22, 23});

template <class Learner>
auto segment(const Learner& learner, const Segment& s) {
  return small::copy(learner.parameters().subspan(s.offset, s.size));
}

}  // namespace

TEST_CASE_TEMPLATE("an absent task's head rests, with its optimizer", Optimizing, optim::Adam, optim::Sgd) {
  using Net = Hard;
  const auto optimizer = [] {
    if constexpr (std::is_same_v<Optimizing, optim::Adam>)
      return optim::Adam{.learning_rate = 0.05, .weight_decay = 0.1};
    else
      return optim::Sgd{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.1};
  }();
  backend::Cpu<float> backend({.threads = 1});
  const auto data = gaps();
  using Learner = LearnerOf<Net, backend::Cpu<float>, balancing::EqualWeights, Optimizing>;
  const typename Learner::Data bound(data, small::shape, everything);
  Learner learner(everything, 3, 0, {}, optimizer);
  learner.step(backend, bound, all_labels.parts(), {});
  CHECK(learner.segment_steps()[2] == 1);
  for (int i = 0; i < 3; ++i) {
    std::vector<std::vector<float>> before;
    for (const Segment& s : Net::segments) before.push_back(segment(learner, s));
    const auto step = learner.step(backend, bound, no_flags.parts(), {});
    CHECK(step.present == TaskSet::only(0).with(2));
    CHECK(step.losses[1] == 0);
    CHECK(step.weights[1] == 0);
    for (std::size_t s = 0; s < Net::segments.size(); ++s)
      CHECK(small::same_bits(before[s], segment(learner, Net::segments[s])) == (s == 2));
  }
  CHECK(small::copy(learner.segment_steps()) == std::vector<std::uint64_t>{4, 4, 1, 4});

  // Nobody present: nothing moves, not even by momentum or decay.
  const auto before = small::copy(learner.parameters());
  const auto step = learner.step(backend, bound, no_labels.parts(), {});
  CHECK(step.present.empty());
  CHECK(small::same_bits(before, learner.parameters()));
  CHECK(small::copy(learner.segment_steps()) == std::vector<std::uint64_t>{4, 4, 1, 4});
}

TEST_CASE_TEMPLATE("a task that was absent goes on as if it had not been away", Optimizing, optim::Adam, optim::Sgd) {
  const auto optimizer = [] {
    if constexpr (std::is_same_v<Optimizing, optim::Adam>)
      return optim::Adam{.learning_rate = 0.05, .weight_decay = 0.1};
    else
      return optim::Sgd{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.1};
  }();
  backend::Cpu<float> backend({.threads = 1});
  const auto data = gaps();
  using Learner = LearnerOf<Single, backend::Cpu<float>, balancing::EqualWeights, Optimizing>;
  const typename Learner::Data bound(data, small::shape, everything);
  Learner away(everything, 3, 0, {}, optimizer), steady = away;
  away.step(backend, bound, all_labels.parts(), {});
  for (int i = 0; i < 3; ++i) away.step(backend, bound, no_flags.parts(), {});
  away.step(backend, bound, no_labels.parts(), {});
  away.step(backend, bound, all_labels.parts(), {});
  steady.step(backend, bound, all_labels.parts(), {});
  steady.step(backend, bound, all_labels.parts(), {});
  CHECK(small::same_bits(segment(away, Single::segments[1]), segment(steady, Single::segments[1])));
  CHECK_FALSE(small::same_bits(segment(away, Single::segments[0]), segment(steady, Single::segments[0])));
}

TEST_CASE("per-task gradients: the shared part follows the weights, a task's own its gradient") {
  using Learner = LearnerOf<Hard, backend::Reference, balancing::PcGrad>;
  using Plain = LearnerOf<Hard, backend::Reference>;
  backend::Reference backend;
  const auto data = small::shared(9, 0.2, 3);
  std::vector<std::vector<double>> one;
  for (std::size_t t = 0; t < 3; ++t) one.push_back(gradient<Plain>(backend, data, TaskSet::only(t)));

  bool conflict = false;
  for (const TaskSet set :
       {TaskSet::only(0).with(1), TaskSet::only(0).with(2), TaskSet::only(1).with(2), everything, TaskSet::only(1)}) {
    auto learner = make<Learner>(set);
    const auto before = small::copy(learner.parameters());
    const auto step = learner.step(backend, {data, small::shape, set}, small::Batch(data).parts(), {});
    std::vector<std::size_t> tasks;
    for (std::size_t t = 0; t < 3; ++t)
      if (set.has(t)) tasks.push_back(t);
    const auto inner = [&](std::size_t a, std::size_t b) {
      double sum = 0;
      for (std::size_t i = 0; i < Hard::shared; ++i) sum += one[a][i] * one[b][i];
      return sum;
    };
    REQUIRE(step.gram.size() == tasks.size() * tasks.size());
    for (std::size_t a = 0; a < tasks.size(); ++a)
      for (std::size_t b = 0; b < tasks.size(); ++b) {
        CHECK(step.gram[a * tasks.size() + b] == doctest::Approx(inner(tasks[a], tasks[b])).epsilon(1e-10));
        conflict = conflict || inner(tasks[a], tasks[b]) < 0;
      }
    std::vector<double> expected(before.size());
    if (tasks.size() == 2) {
      // By hand: each gradient less its projection on the other, where they conflict.
      const std::size_t a = tasks[0], b = tasks[1];
      const double c = std::min(0.0, inner(a, b));
      for (std::size_t i = 0; i < Hard::shared; ++i)
        expected[i] = one[a][i] - c / inner(b, b) * one[b][i] + one[b][i] - c / inner(a, a) * one[a][i];
    } else {
      for (const std::size_t t : tasks)
        for (std::size_t i = 0; i < Hard::shared; ++i) expected[i] += step.weights[t] * one[t][i];
    }
    for (const std::size_t t : tasks)
      for (std::size_t i = Hard::shared; i < expected.size(); ++i) expected[i] += one[t][i];
    auto g = before;
    for (std::size_t i = 0; i < g.size(); ++i) g[i] -= learner.parameters()[i];
    CHECK(small::distance(g, expected) < 1e-13);
    for (std::size_t t = 0; t < 3; ++t)
      if (!set.has(t)) CHECK(step.weights[t] == 0);
  }
  CHECK(conflict);
}

TEST_CASE("a loss that is not finite stops before the update, and says where") {
  backend::Cpu<float> backend({.threads = 1});
  const auto data = small::shared(8);
  using Learner = LearnerOf<Hard, backend::Cpu<float>>;
  Learner learner(everything, 3, 0, {}, optim::Sgd{.momentum = 0.9});
  const Learner::Data bound(data, small::shape, everything);
  // The bias of "place", the last task.
  learner.parameters().back() = std::numeric_limits<float>::infinity();
  const auto before = small::copy(learner.parameters());
  training::Step where;
  where.epoch = 2, where.step = 6;
  CHECK_THROWS_WITH_AS(learner.step(backend, bound, small::Batch(data).parts(), where),
                       "mtlx: the loss of the task \"place\" is not finite in epoch 3, step 7; training stops before "
                       "the update (a smaller learning rate may help)",
                       Error);
  CHECK(small::same_bits(before, learner.parameters()));
  CHECK(small::copy(learner.segment_steps()) == std::vector<std::uint64_t>{0, 0, 0, 0});
}

TEST_CASE("other seeds and other networks of a model begin elsewhere, the same ones alike") {
  using Learner = LearnerOf<Hard, backend::Cpu<float>>;
  const auto first = [](std::uint64_t seed, std::uint64_t stream) {
    return small::copy(Learner(everything, seed, stream, {}, {}).parameters());
  };
  CHECK(small::same_bits(first(1, 0), first(1, 0)));
  CHECK_FALSE(small::same_bits(first(1, 0), first(2, 0)));
  CHECK_FALSE(small::same_bits(first(1, 0), first(1, 1)));
}
