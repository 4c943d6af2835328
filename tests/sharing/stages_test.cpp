// SPDX-License-Identifier: MIT
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/cross_stitch.hpp>
#include <mtlx/sharing/mtan.hpp>
#include <mtlx/sharing/sluice.hpp>
#include <mtlx/sharing/stages.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include "../training/small.hpp"

using namespace mtlx;

namespace {

using Stage = nn::Sequential<nn::Dense<6>, nn::Tanh>;
using Staged = sharing::Stages<Stage, Stage>;

// A layer like any other.
static_assert(nn::Layer<Staged> && nn::check<Staged, Shape{4}>());
static_assert(nn::parameter_count<Staged>(Shape{4}) == 30 + 42);
static_assert(SharingStrategy<sharing::Hard<Staged>>);

/// Trains on data of which one task has no labels: the others' losses fall, and what is that task's own keeps its bits.
template <class Sharing>
auto trained(sharing::StrategyOf<typename Sharing::template Network<small::shape, small::Kinds>> options = {}) {
  using Model = MultiTask<Input<4>, small::Kinds, Sharing, optim::Sgd>;
  Model model{{.sharing = options, .optimizer = {.learning_rate = 0.1}, .backend = {.threads = 2}, .seed = 3}};
  const std::vector<float> start = small::copy(model.parameters());
  const data::Column none{"kind", data::Targets::classes(std::vector<int>(37, data::missing_label))};
  const data::DataSet data(small::inputs(37), {none, small::flags(37, 0.3), small::place(37, 0.3)});
  const auto before = model.evaluate(data);
  model.fit(data, {.epochs = 10, .batch_size = 10});
  const auto after = model.evaluate(data);
  for (std::size_t t = 1; t < 3; ++t)
    CHECK(after.value(small::Kinds::names[t], "loss") < before.value(small::Kinds::names[t], "loss"));
  const Segment absent = Model::Network::segments[1];
  REQUIRE(absent.owners == TaskSet::only(0));
  const auto own = [&](const auto& all) { return std::span(all).subspan(absent.offset, absent.size); };
  CHECK(small::same_bits(own(start), own(model.parameters())));
  return small::copy(model.parameters());
}

}  // namespace

TEST_CASE("CrossStitch, Sluice and Mtan train in MultiTask") {
  trained<sharing::CrossStitch<Staged>>();
  trained<sharing::Mtan<Staged>>();
  // The more orthogonality counts, the less subspaces overlap.
  using Sluice = sharing::Sluice<Staged, 2>;
  using Network = Sluice::Network<small::shape, small::Kinds>;
  const auto omega = [](const std::vector<float>& parameters) {
    return Sluice{.orthogonality = 1}.penalty<Network>(std::span<const float>(parameters), TaskSet::first(3));
  };
  const double without = omega(trained<Sluice>({.orthogonality = 0})),
               with = omega(trained<Sluice>({.orthogonality = 0.5}));
  CHECK(with < 0.1 * without);
}
