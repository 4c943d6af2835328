// SPDX-License-Identifier: MIT
// What the training loop does for balancers that ask for more than weights. One step with Sgd of rate 1 moves the
// parameters by the direction.
#include <mtlx/backend/cpu.hpp>
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/balancing/on_representation.hpp>
#include <mtlx/balancing/per_layer.hpp>
#include <mtlx/balancing/sparse_training.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/training/learner.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "small.hpp"

using namespace mtlx;
using balancing::Needs;
using balancing::Problem;
using small::Kinds;

namespace {

// Weights that are given; everything that the policy is told is written down.
struct Told {
  std::vector<double> gram, losses, observed, after;
  std::vector<std::size_t> epochs;
};
struct Given {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  std::array<double, 3> given{1, 1, 1};
  Told* told = nullptr;
  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = given[problem.task(i)];
    if (told == nullptr) return;
    told->gram = small::copy(problem.gram);
    told->losses = small::copy(problem.losses);
    told->epochs.push_back(problem.epoch);
  }
};
struct OwnToo : Given {
  static constexpr bool weighs_own = true;
};
struct Three : Given {
  static constexpr std::size_t batches = 3;
};
struct LooksBack : Given {
  static constexpr Needs needs = Needs::losses;
  void observe(const Problem& problem, NoState&) const {
    CHECK(told->after.size() == told->observed.size());  // before the update
    told->observed = small::copy(problem.losses);
    told->after.clear();
  }
  void after(const Problem& problem, NoState&) const {
    CHECK(problem.gram.empty());
    told->after = small::copy(problem.losses);
  }
};
// Every task's gradient has length 1.
struct UnitLength {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  struct State {
    std::size_t calls = 0;
  };
  void weights(const Problem& problem, State& state, std::span<double> w) const {
    ++state.calls;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = 1 / std::sqrt(problem.g(i, i));
  }
};

static_assert(balancing::blocks<balancing::SparseTraining<balancing::PerLayer<Given>>>() == balancing::Blocks::layers);
static_assert(std::is_same_v<balancing::Core<balancing::SparseTraining<balancing::PerLayer<Given>>>, Given>);
static_assert(Balancer<Given> && Balancer<UnitLength> && Balancer<balancing::SparseTraining<UnitLength>>);
static_assert(balancing::has_weights_alone<Given>() && !balancing::has_weights_alone<OwnToo>());

using Trunk = nn::Sequential<nn::Dense<6>, nn::Tanh, nn::Dense<5>, nn::Tanh>;
template <class Balancing, class Layers = Trunk, class Optimizing = optim::Sgd>
using LearnerOf =
    training::Learner<typename sharing::Hard<Layers, small::FlagsHead>::template Network<small::shape, Kinds>, Kinds,
                      Balancing, Optimizing, backend::Cpu<double>>;
constexpr std::size_t shared_numbers = 4 * 6 + 6 + 6 * 5 + 5;
const TaskSet everything = TaskSet::first(3);
constexpr optim::Sgd unit{.learning_rate = 1};

struct Looker : training::Probe<double> {
  std::vector<std::vector<double>> rows;
  bool wants(const training::Step&) override { return true; }
  void look(training::ProbeSession<double>& session) override {
    rows.clear();
    for (std::size_t t = 0; t < 3; ++t) rows.push_back(small::copy(session.gradient(t)));
  }
};

// What one step makes of the parameters, and of the tasks' rows.
struct Move {
  std::vector<double> by, gram, weights, losses;
  std::vector<std::vector<double>> rows;
};
template <class Balancing, class Layers = Trunk>
Move move(const data::DataSet& data, const Balancing& balancer, int threads = 1) {
  backend::Cpu<double> backend{{.threads = threads}};
  LearnerOf<Balancing, Layers> learner(everything, 3, 0, balancer, unit);
  Move result;
  result.by = small::copy(learner.parameters());
  Looker looker;
  training::Probe<double>* const probes[] = {&looker};
  training::Step where;
  where.epoch = 7;
  const auto step = learner.step(backend, {data, small::shape, everything}, small::Batch(data).parts(), where, probes);
  for (std::size_t i = 0; i < result.by.size(); ++i) result.by[i] -= learner.parameters()[i];
  result.gram = small::copy(step.gram);
  result.weights = small::copy(step.weights);
  result.losses = small::copy(step.losses);
  result.rows = looker.rows;
  return result;
}

double inner(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
// Jᵀ w
std::vector<double> combined(const std::vector<std::vector<double>>& rows, const std::vector<double>& w) {
  std::vector<double> sum(rows[0].size());
  for (std::size_t t = 0; t < rows.size(); ++t)
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += w[t] * rows[t][k];
  return sum;
}
template <class T>
std::vector<double> first(const std::vector<T>& all, std::size_t count) {
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}
template <class T>
std::vector<double> rest(const std::vector<T>& all, std::size_t count) {
  return {all.begin() + static_cast<std::ptrdiff_t>(count), all.end()};
}

data::DataSet some(const data::DataSet& data, std::size_t begin, std::size_t end) {
  const auto& stream = data.streams()[0];
  std::vector<float> x;
  std::vector<std::vector<float>> y(3);
  for (std::size_t s = begin; s < end; ++s) {
    std::vector<float> sample(4);
    stream.inputs.copy(s, sample.data());
    x.insert(x.end(), sample.begin(), sample.end());
    for (std::size_t t = 0; t < 3; ++t)
      for (std::size_t j = 0; j < stream.columns[t].targets.width(); ++j)
        y[t].push_back(stream.columns[t].targets.present(s, j) ? stream.columns[t].targets.value(s, j) : small::nan);
  }
  std::vector<int> kinds;
  for (const float label : y[0]) kinds.push_back(is_nan(label) ? data::missing_label : static_cast<int>(label));
  return {{small::shape, x},
          {{"kind", data::Targets::classes(kinds)},
           {"flags", data::Targets::values(3, y[1])},
           {"place", data::Targets::values(2, y[2])}}};
}

}  // namespace

using Dropping = nn::Sequential<nn::Dense<6>, nn::Dropout<30>, nn::Tanh, nn::Dense<5>, nn::Tanh>;

TEST_CASE("on the representation: the same direction from one backward pass, and the Gram matrix there") {
  const Given given{.given = {0.5, 2, -1}};
  const std::vector<double> w(given.given.begin(), given.given.end());
  for (const auto& data : {small::shared(37, 0.3), small::own(21, 40, 0.2), small::shared(1)}) {
    const Move plain = move<Given, Dropping>(data, given);
    const Move there = move<balancing::OnRepresentation<Given>, Dropping>(data, {given});
    CHECK(small::distance(plain.by, there.by) < 1e-14);
    CHECK(small::distance(first(plain.by, plain.rows[0].size()), combined(plain.rows, w)) < 1e-14);
    CHECK(there.rows[0].empty());
    CHECK(there.weights == w);
    CHECK(small::same_bits(there.by, move<balancing::OnRepresentation<Given>, Dropping>(data, {given}, 2).by));
    // Within another wrapper: the same but for what stands still.
    using Both = balancing::SparseTraining<balancing::OnRepresentation<Given>>;
    const Move both = move<Both, Dropping>(data, {.method = {given}, .share = 0.5});
    CHECK(both.gram == there.gram);
    std::size_t still = 0;
    for (std::size_t k = 0; k < both.by.size(); ++k) {
      CHECK((both.by[k] == there.by[k] || both.by[k] == 0));
      still += both.by[k] != there.by[k] ? 1 : 0;
    }
    CHECK(still > 10);
    CHECK(still <= 27);  // half of 4 x 6 and of 6 x 5
  }
  // One sample through one Dense layer h = W x + b: dW = x ⊗ dh and db = dh.
  const auto data = small::shared(5);
  std::vector<double> sum(9);
  for (std::size_t s = 0; s < 5; ++s) {
    const auto one = some(data, s, s + 1);
    std::vector<float> x(4);
    one.streams()[0].inputs.copy(0, x.data());
    double scale = 1;
    for (const float number : x) scale += static_cast<double>(number) * static_cast<double>(number);
    const auto at_parameters = move<Given, nn::Dense<5>>(one, given).gram;
    const auto there = move<balancing::OnRepresentation<Given>, nn::Dense<5>>(one, {given}).gram;
    for (std::size_t i = 0; i < 9; ++i) {
      CHECK(there[i] == doctest::Approx(at_parameters[i] / scale).epsilon(1e-12));
      sum[i] += there[i] / 25;  // a mean of 5 losses has a fifth of each gradient
    }
  }
  CHECK(small::distance(move<balancing::OnRepresentation<Given>, nn::Dense<5>>(data, {given}).gram, sum) < 1e-14);
}

TEST_CASE("by layers: each has its own Gram matrix and weights; observers see sum and mean") {
  const auto data = small::shared(37, 0.3);
  const auto move_layers = move(data, balancing::PerLayer<UnitLength>{});
  const auto& rows = move_layers.rows;
  const std::size_t shared = rows[0].size(), cut = 4 * 6 + 6;
  std::vector<double> expected, mean(3);
  for (const auto& [begin, end] : {std::pair{std::size_t{0}, cut}, std::pair{cut, shared}}) {
    std::vector<std::vector<double>> part;
    std::vector<double> w;
    for (std::size_t t = 0; t < 3; ++t) {
      part.push_back(first(rest(rows[t], begin), end - begin));
      w.push_back(1 / std::sqrt(inner(part[t], part[t])));
      mean[t] += w[t] / 2;
    }
    const auto d = combined(part, w);
    expected.insert(expected.end(), d.begin(), d.end());
  }
  CHECK(small::distance(first(move_layers.by, shared), expected) < 1e-13);
  CHECK(small::distance(move_layers.weights, mean) < 1e-12);
  for (std::size_t i = 0; i < 9; ++i)
    CHECK(move_layers.gram[i] == doctest::Approx(inner(rows[i / 3], rows[i % 3])).epsilon(1e-12));
  // One layer is the whole.
  using One = nn::Dense<5>;
  CHECK(small::same_bits(move<UnitLength, One>(data, {}).by, move<balancing::PerLayer<UnitLength>, One>(data, {}).by));
}

TEST_CASE("where nothing is shared there is nothing to balance; the tasks' own weights still count") {
  using Net = sharing::Single<nn::Dense<3>>::Network<small::shape, Kinds>;
  using Layered = balancing::PerLayer<balancing::DbMtl>;
  backend::Cpu<double> backend{{.threads = 1}};
  training::Learner<Net, Kinds, Layered, optim::Sgd, backend::Cpu<double>> learner(everything, 3, 0, {}, unit);
  const auto before = small::copy(learner.parameters());
  const auto data = small::shared(9);
  const auto step = learner.step(backend, {data, small::shape, everything}, small::Batch(data).parts(), {});
  CHECK(small::copy(step.gram) == std::vector<double>(9));
  CHECK(small::copy(learner.parameters()) != before);
}

TEST_CASE("a direction by coordinates: one sign each, the same bits on any number of threads") {
  const auto data = small::shared(150, 0.3);
  const auto drop = move(data, balancing::GradDrop{}), other = move(data, balancing::GradDrop{}, 2);
  CHECK(small::same_bits(drop.by, other.by));
  std::size_t kept = 0;
  for (std::size_t k = 0; k < drop.rows[0].size(); ++k) {
    double positive = 0, negative = 0;
    for (const auto& row : drop.rows) (row[k] > 0 ? positive : negative) += row[k];
    const bool up = std::abs(drop.by[k] - positive) < 1e-14;
    CHECK((up || std::abs(drop.by[k] - negative) < 1e-14));
    kept += up ? 1 : 0;
  }
  CHECK(kept > 10);
  CHECK(kept + 10 < drop.rows[0].size());
  // All that passes is the sum; without shared conflicts of its own the head's parameters follow their task.
  const auto leaky = move(data, balancing::GradDrop{.leak = 1}), plain = move(data, Given{});
  CHECK(small::distance(leaky.by, plain.by) < 1e-14);
}

TEST_CASE("weights for the tasks' own parameters too, where the balancer says so") {
  const auto data = small::shared(37, 0.3);
  const auto plain = move(data, Given{.given = {3, 0.5, 2}}), own = move(data, OwnToo{{.given = {3, 0.5, 2}}});
  const std::size_t shared = plain.rows[0].size();
  CHECK(first(plain.by, shared) == first(own.by, shared));
  using Net = sharing::Hard<Trunk, small::FlagsHead>::Network<small::shape, Kinds>;
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t k = 0; k < Net::segments[t + 1].size; ++k) {
      const std::size_t at = Net::segments[t + 1].offset + k;
      CHECK(std::abs(own.by[at] - std::array{3.0, 0.5, 2.0}[t] * plain.by[at]) < 1e-14);
    }
  // DB-MTL: those of the log losses.
  const auto log = move(data, balancing::DbMtl{});
  const Segment& head = Net::segments[3];
  for (std::size_t at = head.offset; at < head.offset + head.size; ++at)
    CHECK(std::abs(log.by[at] - plain.by[at] / (plain.losses[2] + 1e-8)) < 1e-13);
  // In the first step a tenth of it, all of the length of the longest.
  std::vector<double> w(3);
  double longest = 0;
  for (std::size_t t = 0; t < 3; ++t) {
    const double length = std::sqrt(inner(plain.rows[t], plain.rows[t]));
    longest = std::max(longest, 0.1 * length / (plain.losses[t] + 1e-8));
    w[t] = 1 / length;
  }
  for (double& weight : w) weight *= longest;
  CHECK(small::distance(first(log.by, shared), combined(plain.rows, w)) < 1e-13);
}

TEST_CASE("a batch cut into three: Gram matrix of the first two, direction of the last, heads by the whole") {
  const auto data = small::shared(20, 0.4);
  Told told;
  const Three given{{.given = {0.5, 2, -1}, .told = &told}};
  const Move cut = move(data, given);
  std::vector<Move> parts;
  for (const auto& [begin, end] : {std::pair{0, 6}, std::pair{6, 13}, std::pair{13, 20}})
    parts.push_back(move(some(data, static_cast<std::size_t>(begin), static_cast<std::size_t>(end)), Given{}));
  const auto whole = move(data, Given{});
  const std::size_t shared = whole.rows[0].size();
  CHECK(told.epochs == std::vector<std::size_t>{7});
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(told.gram[i] == doctest::Approx(inner(parts[0].rows[i / 3], parts[1].rows[i % 3])).epsilon(1e-12));
    CHECK(cut.gram[i] == doctest::Approx(inner(parts[0].rows[i / 3], parts[0].rows[i % 3])).epsilon(1e-12));
  }
  CHECK(small::distance(first(cut.by, shared), combined(parts[2].rows, {0.5, 2, -1})) < 1e-14);
  CHECK(small::distance(rest(cut.by, shared), rest(whole.by, shared)) < 1e-14);
  CHECK(small::distance(cut.losses, whole.losses) < 1e-14);
  CHECK(small::distance(cut.rows[1], parts[2].rows[1]) < 1e-14);
  // A part in which nobody has a label pulls at nothing.
  const Move one = move(small::shared(1), given);
  CHECK(told.gram == std::vector<double>(9));
  CHECK(small::distance(first(one.by, shared), combined(move(small::shared(1), Given{}).rows, {0.5, 2, -1})) < 1e-14);
}

TEST_CASE("losses after the step are those of the same batch and draws at the new parameters") {
  using Learner = LearnerOf<LooksBack, Dropping>;
  struct Ahead : training::Probe<double> {
    std::vector<double> to, losses;
    bool wants(const training::Step&) override { return !to.empty(); }
    void look(training::ProbeSession<double>& session) override {
      losses = small::copy(session.losses_at(
          [&](std::span<double> parameters) { std::copy(to.begin(), to.end(), parameters.begin()); }));
    }
  };
  const auto data = small::shared(37, 0.3);
  backend::Cpu<double> backend{{.threads = 1}};
  Told told;
  Learner learner(everything, 3, 0, LooksBack{{.told = &told}}, unit);
  const small::Batch batch(data);
  const Learner::Data bound(data, small::shape, everything);
  for (int step = 0; step < 2; ++step) {
    Learner before = learner;
    const auto now = learner.step(backend, bound, batch.parts(), {});
    const auto told_losses = small::copy(now.losses), told_after = told.after;
    CHECK(told_losses == told.losses);
    CHECK(told_losses == told.observed);
    Ahead ahead;
    ahead.to = small::copy(learner.parameters());
    training::Probe<double>* const probes[] = {&ahead};
    before.step(backend, bound, batch.parts(), {}, probes);
    CHECK(ahead.losses == told_after);
    CHECK(told_after != told_losses);
    CHECK(before.state() == learner.state());
  }
}

TEST_CASE(
    "a balancer's memory of rows is in the state: what is restored goes on to the bit; absent tasks' stands still") {
  using Learner = LearnerOf<balancing::DbMtl>;
  const auto own = small::own(20, 9);
  const Learner::Data bound(own, small::shape, everything);
  const small::Batch batch(own);
  backend::Cpu<double> backend{{.threads = 2}};
  const auto step = [&](Learner& learner, std::size_t stream) {
    learner.step(backend, bound, batch.parts().subspan(stream, 1), {});
  };
  const balancing::DbMtl policy{.beta = 0.5, .sigma = 0.1};
  const optim::Sgd slow{.learning_rate = 0.1};
  Learner all(everything, 3, 0, policy, slow), other(everything, 4, 0, policy, slow);
  for (const std::size_t stream : {0UL, 1UL, 0UL}) step(all, stream);
  Learner copied = all;
  other.restore(all.state());
  // Without the memory the next step is another one.
  const auto blank = [&] {
    Learner fresh(everything, 3, 0, policy, slow);
    std::string bytes = all.state();
    std::fill(bytes.end() - static_cast<std::ptrdiff_t>(3 * shared_numbers * sizeof(double)), bytes.end(), '\0');
    fresh.restore(bytes);
    return fresh;
  };
  Learner forgets = blank();
  const std::string rows_before = all.state().substr(all.state().size() - shared_numbers * sizeof(double));
  for (Learner* learner : {&all, &copied, &other, &forgets}) step(*learner, 0);
  // The last row is the task "place"'s, which has no labels in that stream.
  CHECK(all.state().substr(all.state().size() - shared_numbers * sizeof(double)) == rows_before);
  CHECK(all.state() == copied.state());
  CHECK(small::same_bits(all.parameters(), other.parameters()));
  CHECK(!small::same_bits(all.parameters(), forgets.parameters()));
}

TEST_CASE("sparse training: what doesn't move keeps its bits, whatever momentum and decay want") {
  using Sparse = balancing::SparseTraining<Given>;
  using Net = sharing::Hard<Trunk, small::FlagsHead>::Network<small::shape, Kinds>;
  const auto train = [&](auto balancer) {
    LearnerOf<decltype(balancer)> learner(everything, 3, 0, balancer,
                                          {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 0.1});
    backend::Cpu<double> backend{{.threads = 2}};
    const auto data = small::shared(37, 0.3);
    const small::Batch batch(data);
    for (int step = 0; step < 3; ++step) learner.step(backend, {data, small::shape, everything}, batch.parts(), {});
    return small::copy(learner.parameters());
  };
  const auto sparse = train(Sparse{.share = 0.4});
  backend::Cpu<double> backend{{.threads = 1}};
  const LearnerOf<Given> fresh(everything, 3, 0, {}, unit);
  const auto start = small::copy(fresh.parameters());
  // Dense<6> on 4 numbers, weight : (4, 6): each neuron moves the larger 2 of 4; Dense<5> : (6, 5) 3 of 6.
  const auto check = [&](std::size_t offset, std::size_t inputs, std::size_t outputs, std::size_t moving) {
    for (std::size_t o = 0; o < outputs; ++o) {
      double least_moved = 1e9, most_kept = 0;
      std::size_t moved = 0;
      for (std::size_t i = 0; i < inputs; ++i) {
        const std::size_t at = offset + i * outputs + o;
        const double size = std::abs(start[at]);
        if (sparse[at] != start[at]) {
          ++moved;
          least_moved = std::min(least_moved, size);
        } else {
          most_kept = std::max(most_kept, size);
        }
      }
      CHECK(moved == moving);
      CHECK(least_moved > most_kept);
    }
    for (std::size_t o = 0; o < outputs; ++o)
      CHECK(sparse[offset + (inputs * outputs) + o] != start[offset + (inputs * outputs) + o]);
  };
  check(0, 4, 6, 2);
  check(30, 6, 5, 3);
  for (std::size_t at = Net::shared; at < Net::parameters; ++at) CHECK(sparse[at] != start[at]);
  CHECK(small::same_bits(train(Sparse{.share = 1}), train(Given{})));

  // No part of the problem: a method that goes by G sees rows without what doesn't move.
  const auto data = small::shared(37, 0.3);
  const Move there = move(data, balancing::SparseTraining<UnitLength>{.share = 0.4});
  auto rows = move(data, Given{}).rows;
  std::vector<double> w;
  for (auto& row : rows) {
    for (std::size_t k = 0; k < row.size(); ++k)
      if (sparse[k] == start[k]) row[k] = 0;
    w.push_back(1 / std::sqrt(inner(row, row)));
  }
  for (std::size_t i = 0; i < 9; ++i)
    CHECK(there.gram[i] == doctest::Approx(inner(rows[i / 3], rows[i % 3])).epsilon(1e-12));
  CHECK(small::distance(first(there.by, rows[0].size()), combined(rows, w)) < 1e-13);

  // The optimizer's average of what doesn't move is itself.
  LearnerOf<Sparse, Trunk, optim::Averaged<optim::Sgd>> learner(everything, 3, 0, {.share = 0.4},
                                                                {.optimizer = {.learning_rate = 0.01}, .decay = 0.5});
  const small::Batch batch(data);
  for (int step = 0; step < 2; ++step) learner.step(backend, {data, small::shape, everything}, batch.parts(), {});
  const auto last = small::copy(learner.parameters());
  learner.use_average();
  for (std::size_t k = 0; k < last.size(); ++k) {
    if (last[k] == start[k])
      CHECK(learner.parameters()[k] == start[k]);
    else
      CHECK(std::abs(learner.parameters()[k] - (start[k] + last[k]) / 2) < std::abs(last[k] - start[k]));
  }
}
