// SPDX-License-Identifier: MIT
// Masks in training: what sharing::Sparse says of who sees and moves what.
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/sparse_training.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/optim/adam_w.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

using namespace mtlx;

namespace {

// A dense layer without a bias: only what is masked is shared.
template <int outputs>
struct Linear {
  static constexpr Shape output(Shape) { return {1, 1, outputs}; }
  static constexpr auto parameters(Shape in) {
    return std::array{nn::Parameter{.name = "weight",
                                    .shape = {outputs, static_cast<int>(in.size())},
                                    .fan_in = static_cast<double>(in.size()),
                                    .fan_out = outputs,
                                    .initialiser = nn::glorot_uniform}};
  }
  template <Shape In>
  static void forward_sample(const auto& s) {
    for (std::size_t o = 0; o < outputs; ++o) {
      auto sum = s.p[o * In.size()] * s.x[0];
      for (std::size_t i = 1; i < In.size(); ++i) sum = sum + s.p[o * In.size() + i] * s.x[i];
      s.y[o] = sum;
    }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) {
      auto sum = s.p[i] * s.dy[0];
      for (std::size_t o = 1; o < outputs; ++o) sum = sum + s.p[o * In.size() + i] * s.dy[o];
      s.dx[i] = sum;
      for (std::size_t o = 0; o < outputs; ++o) s.dp[o * In.size() + i] += s.dy[o] * s.x[i];
    }
  }
};

using Trunk = nn::Sequential<Linear<6>, nn::Tanh, Linear<5>, nn::Tanh>;
constexpr std::size_t shared = 6 * 4 + 5 * 6;
using Two = Tasks<Regression<"a", 1>, Regression<"b", 1>>;
using Given = sharing::Sparse<Trunk, sharing::GivenMasks>;
template <class... Policies>
using Model = MultiTask<Input<1, 1, 4>, Two, Policies...>;
using Masked = Model<Given, optim::AdamW>;

// Tasks that are not in `which` have no label.
data::DataSet data_of(std::size_t size, TaskSet which = TaskSet::first(2), bool streams = false) {
  Random random(5, Purpose::user, 1);
  std::vector<float> x(4 * size);
  std::array<std::vector<float>, 2> y{std::vector<float>(size), std::vector<float>(size)};
  for (float& v : x) v = static_cast<float>(random.normal());
  for (std::size_t i = 0; i < size; ++i) {
    y[0][i] = x[4 * i] * x[4 * i + 1];
    y[1][i] = x[4 * i + 2] - x[4 * i + 3];
  }
  const data::Inputs inputs(Shape{1, 1, 4}, x);
  std::vector<data::Column> columns;
  data::DataSet apart;
  for (std::size_t t = 0; t < 2; ++t) {
    columns.push_back(
        {t == 0 ? "a" : "b", data::Targets::values(1, y[t], std::vector<std::uint8_t>(size, which.has(t) ? 1 : 0))});
    if (streams) apart.add(inputs, {columns.back()});
  }
  return streams ? apart : data::DataSet(inputs, columns);
}

// Every second weight is a's, every second b's; or every third both tasks'.
sharing::Masks masks_of(const auto& model, bool disjoint) {
  sharing::Masks masks = model.masks();
  for (std::size_t i = 0; i < masks.owners.size(); ++i)
    masks.owners[i] = !disjoint && i % 3 == 0 ? TaskSet::first(2) : TaskSet::only(i % 2);
  return masks;
}

std::vector<float> numbers_of(const auto& model) { return {model.parameters().begin(), model.parameters().end()}; }

std::string error_of(auto&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
  return most;
}

// Looks on in two steps, then gives each task every second weight; before `fit` it may train to see what that does.
struct Trying {
  static constexpr std::size_t memory = 1;
  struct State {
    std::size_t seen = 0;
  };
  bool* searched = nullptr;

  template <class S>
  void begin(const sharing::MaskStep<S>& step) const {
    step.memory[0] = 7;
  }
  bool holds(std::size_t, const State& state) const { return state.seen <= 2; }
  template <class S>
  void step(const sharing::MaskStep<S>& step, State& state) const {
    CHECK(step.memory[0] == 7);
    CHECK(step.labelled == TaskSet::first(2));
    CHECK(step.gradients.size() == 2);
    for (std::size_t t = 0; t < 2; ++t) CHECK((step.gradients[t] != nullptr) == step.present.has(t));
    if (++state.seen == 2)
      for (std::size_t i = 0; i < step.owners.size(); ++i) step.owners[i] = TaskSet::only(i % 2);
  }
  template <class S, class Train>
  sharing::FoundMasks<S> find(const sharing::MaskSearch<S>& search, Train&& train) const {
    sharing::FoundMasks<S> found;
    found.start.assign(search.start.begin(), search.start.end());
    found.owners.assign(shared, TaskSet::first(2));
    if (searched == nullptr) return found;
    auto owners = found.owners;
    for (std::size_t i = 0; i < shared; i += 2) owners[i] = TaskSet::only(1);
    const auto result = train(TaskSet::only(0), search.start, owners);
    CHECK(search.epochs == 3);
    CHECK(search.blocks.size() == 2);
    bool moved = false;
    // The heads come after the trunk: six numbers each.
    for (std::size_t i = 0; i < result.parameters.size(); ++i) {
      if ((i < shared && i % 2 == 0) || i >= shared + 6) CHECK(result.parameters[i] == search.start[i]);
      moved = moved || result.parameters[i] != search.start[i];
    }
    CHECK(moved);
    CHECK(result.scores.size() == 2);
    CHECK(result.scores[0] < 0);  // minus a mean squared error
    // Of the network that was trained, also where another one serves the task.
    CHECK(train(TaskSet::only(0), search.start, found.owners).scores[0] != result.scores[0]);
    found.start = result.parameters;
    *searched = true;
    return found;
  }
};

// One network for both tasks, or one for each that both train.
struct OneOrTwo {
  static constexpr auto kind = Kind::grouping;
  bool two = false;
  std::vector<grouping::Group> plan(std::size_t tasks) const {
    const TaskSet all = TaskSet::first(tasks);
    if (!two) return {{all, all}};
    return {{all, TaskSet::only(0)}, {all, TaskSet::only(1)}};
  }
};

}  // namespace

TEST_CASE("Sparse: full masks are hard sharing, to rounding") {
  Model<sharing::Hard<Trunk>, optim::AdamW> hard({.seed = 2});
  Masked sparse({.seed = 2});
  CHECK(numbers_of(hard) == numbers_of(sparse));
  for (const bool streams : {false, true}) {
    hard.fit(data_of(83, TaskSet::first(2), streams), {.epochs = 3, .batch_size = 32});
    sparse.fit(data_of(83, TaskSet::first(2), streams), {.epochs = 3, .batch_size = 32});
    CHECK(largest_difference(numbers_of(hard), numbers_of(sparse)) < 1e-5);
  }
  CHECK(sparse.summary().shared == shared);
}

TEST_CASE("Sparse: masks that never meet are separate networks, bit for bit") {
  Masked both({.seed = 2}), alone({.seed = 2});
  for (Masked* model : {&both, &alone}) model->set_masks(masks_of(*model, true));
  both.fit(data_of(83), {.epochs = 3, .batch_size = 32});
  alone.fit(data_of(83, TaskSet::only(0)), {.epochs = 3, .batch_size = 32});
  const auto together = numbers_of(both), single = numbers_of(alone), start = numbers_of(Masked({.seed = 2}));
  bool others_moved = false;
  for (std::size_t i = 0; i < shared; ++i) {
    if (i % 2 == 0) CHECK(together[i] == single[i]);
    if (i % 2 == 1) CHECK(single[i] == start[i]);
    others_moved = others_moved || (i % 2 == 1 && together[i] != start[i]);
  }
  CHECK(others_moved);
  const auto inputs = data_of(17).streams()[0].inputs;
  const auto one = both.predict(inputs), other = alone.predict(inputs);
  const auto left = one.get<"a">().values(), right = other.get<"a">().values();
  CHECK(std::equal(left.begin(), left.end(), right.begin(), right.end()));
  // The path for a single sample sees the same masks.
  const auto few = both.predict(inputs.subset(std::vector<std::size_t>{3}));
  CHECK(few.get<"a">().values()[0] == doctest::Approx(left[3]).epsilon(1e-6));
}

TEST_CASE("Sparse: a private weight keeps its bits while other tasks train, whatever the optimizer remembers") {
  const auto check = [](auto model) {
    model.set_masks(masks_of(model, false));
    model.fit(data_of(64, TaskSet::first(2), true),
              {.epochs = 3, .batch_size = 16, .sampling = training::Sampling::round_robin});
    const auto before = numbers_of(model);
    model.fit(data_of(64, TaskSet::only(1)), {.epochs = 2, .batch_size = 16});
    const auto after = numbers_of(model);
    const auto owners = model.masks().owners;
    std::size_t moved = 0, kept = 0;
    for (std::size_t i = 0; i < shared; ++i) {
      if (!owners[i].has(1)) CHECK(after[i] == before[i]);
      kept += owners[i].has(1) ? 0 : 1;
      moved += after[i] != before[i] ? 1 : 0;
    }
    CHECK(kept == 18);
    CHECK(moved == shared - kept);
  };
  check(Masked({.optimizer = {.weight_decay = 0.1}, .seed = 4}));
  check(Model<Given, optim::Averaged<optim::Sgd>>(
      {.optimizer = {.optimizer = {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 0.1}}, .seed = 4}));
}

TEST_CASE("Sparse: averaged weights are those of what was trained") {
  Model<Given, optim::Averaged<optim::Sgd>> model({.seed = 4});
  sharing::Masks masks = masks_of(model, false);
  masks.owners[5] = TaskSet();  // nobody's
  model.set_masks(masks);
  const auto start = numbers_of(model);
  model.fit(data_of(64, TaskSet::only(1)), {.epochs = 2, .batch_size = 16});
  const auto average = numbers_of(model.averaged());
  for (std::size_t i = 0; i < shared; ++i)
    if (!masks.owners[i].has(1)) CHECK(average[i] == start[i]);
  CHECK(average[1] != start[1]);

  // What moves for the first time after other weights did is averaged from where it was.
  Model<Given, optim::Averaged<optim::Sgd>> turns({.optimizer = {.optimizer = {.learning_rate = 1e-4}}, .seed = 4});
  turns.set_masks(masks_of(turns, true));
  turns.fit(data_of(64, TaskSet::first(2), true),
            {.epochs = 1, .batch_size = 16, .sampling = training::Sampling::round_robin});
  const auto last = numbers_of(turns), mean = numbers_of(turns.averaged());
  for (std::size_t i = 0; i < shared; ++i) CHECK(std::abs(mean[i] - last[i]) < 0.01F * std::abs(last[i]) + 1e-3F);
}

TEST_CASE("Sparse: balancers see gradients under the masks") {
  // Gradients that never meet don't conflict, so that nothing is projected.
  Model<Given, optim::AdamW, balancing::PcGrad> projected({.seed = 2});
  Masked plain({.seed = 2});
  projected.set_masks(masks_of(projected, true));
  plain.set_masks(masks_of(plain, true));
  projected.fit(data_of(83), {.epochs = 3, .batch_size = 32});
  plain.fit(data_of(83), {.epochs = 3, .batch_size = 32});
  CHECK(largest_difference(numbers_of(projected), numbers_of(plain)) < 1e-6);
}

TEST_CASE("Sparse: what a balancer holds still stays so under masks") {
  std::vector<std::size_t> moved[2];
  for (const bool masked : {false, true}) {
    Model<Given, balancing::SparseTraining<balancing::EqualWeights>> model({.balancer = {.share = 0.5}, .seed = 2});
    if (masked) model.set_masks(masks_of(model, true));
    const auto start = numbers_of(model);
    model.fit(data_of(64), {.epochs = 2, .batch_size = 16});
    const auto end = numbers_of(model);
    for (std::size_t i = 0; i < shared; ++i)
      if (end[i] != start[i]) moved[masked].push_back(i);
    CHECK(end[shared] != start[shared]);
  }
  CHECK(moved[0].size() == 6 * 2 + 5 * 3);  // half of each neuron's incoming weights
  CHECK(moved[1].size() > 10);
  CHECK(std::includes(moved[0].begin(), moved[0].end(), moved[1].begin(), moved[1].end()));
}

TEST_CASE("Sparse: a rule looks on, remembers, and goes on from a checkpoint with the same bits") {
  using Tried = Model<sharing::Sparse<Trunk, Trying>, optim::Sgd, OneOrTwo>;
  const data::DataSet data = data_of(64), valid = data_of(40);
  Tried one({.seed = 3});
  const auto start = numbers_of(one);
  CHECK(error_of([&] { one.fit(data, {.epochs = 1, .batch_size = 32}); }) ==
        "mtlx: the mask rule only looked on in all 2 steps, so that nothing was trained: let it look on for fewer, or "
        "train for more");
  CHECK(numbers_of(one) == start);
  CHECK(one.masks().owners[1] == TaskSet::only(1));
  const std::string file = "masks_test.mtlx";
  one.save(file);
  one.fit(data, {.epochs = 1, .batch_size = 32});
  CHECK(numbers_of(one) != start);
  Tried two({.backend = {.threads = 2}, .seed = 3});
  two.load(file);
  std::remove(file.c_str());
  CHECK(two.masks().owners == std::vector(one.masks().owners));
  two.fit(data, {.epochs = 1, .batch_size = 32});
  CHECK(numbers_of(two) == numbers_of(one));

  bool searched = false;
  Tried three({.sharing = {.rule = {.searched = &searched}}, .grouping = {.two = true}, .seed = 3});
  three.fit(data, {.epochs = 0});
  CHECK_FALSE(searched);  // for no training
  three.fit(data, {.epochs = 3, .batch_size = 32, .validation = &valid});
  CHECK(searched);
  CHECK(numbers_of(three) != start);
  CHECK(three.masks().owners[0] == TaskSet::only(0));
}

TEST_CASE("Sparse: masks that are not the network's") {
  Masked model({.seed = 1});
  const sharing::Masks right = masks_of(model, false);
  sharing::Masks masks = right;
  masks.tasks[1] = "c";
  CHECK(error_of([&] { model.set_masks(masks); }) == "mtlx: masks: they are of the tasks a, c, expected a, b");
  masks = right;
  masks.owners.pop_back();
  CHECK(error_of([&] { model.set_masks(masks); }) == "mtlx: masks: they have owners of 53 parameters, expected 54");
  masks = right;
  masks.blocks.pop_back();
  CHECK(error_of([&] { model.set_masks(masks); }) == "mtlx: masks: they are of 1 blocks of parameters, expected 2");
  masks = right;
  std::swap(masks.blocks[0], masks.blocks[1]);
  CHECK(error_of([&] { model.set_masks(masks); }) ==
        "mtlx: masks: block 0 is trunk.2.weight, expected trunk.0.weight of the network's shape and place");
  masks = right;
  masks.owners[30] = TaskSet::only(2);
  CHECK(error_of([&] { model.set_masks(masks); }) ==
        "mtlx: masks: number 6 of trunk.2.weight has an owner that is no task");
  CHECK(model.masks().owners[30] == TaskSet::first(2));
  masks = right;
  masks.blocks[0].parameter.role = nn::Role::bias;
  sharing::Masks own = right;
  own.blocks[0].parameter.role = nn::Role::bias;
  CHECK(error_of([&] { sharing::check_masks(masks, own); }) ==
        "mtlx: masks: trunk.0.weight is no weight, and must be every task's");
}
