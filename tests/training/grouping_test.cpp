// SPDX-License-Identifier: MIT
// A model whose rule finds its plan by training, end to end: four tasks of which two and two are the same but for noise.
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/task_affinity.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "interrupted.hpp"

using namespace mtlx;
using interrupted::Folder;

namespace {

using Four = Tasks<Regression<"a", 1>, Regression<"b", 1>, Regression<"c", 1>, Regression<"d", 1>>;
using Model = MultiTask<Input<4>, Four, sharing::Hard<nn::Sequential<nn::Dense<8>, nn::Dropout<5>, nn::Tanh>>,
                        grouping::TaskAffinity<grouping::Lookahead>>;

// a and c go by one direction, b and d by another.
data::DataSet four_tasks(std::size_t samples, std::uint64_t stream) {
  Random random(17, Purpose::user, stream);
  std::vector<float> x(4 * samples);
  std::array<std::vector<float>, 4> y;
  for (std::size_t i = 0; i < samples; ++i) {
    for (std::size_t k = 0; k < 4; ++k) x[4 * i + k] = static_cast<float>(random.normal());
    const float one = x[4 * i] + x[4 * i + 1], other = x[4 * i + 2] - x[4 * i + 3];
    for (std::size_t t = 0; t < 4; ++t)
      y[t].push_back((t % 2 == 0 ? one : other) + static_cast<float>(0.2 * random.normal()));
  }
  std::vector<data::Column> columns;
  for (std::size_t t = 0; t < 4; ++t) columns.push_back({std::string(Four::names[t]), data::Targets::values(1, y[t])});
  return {data::Inputs({4}, x), columns};
}

Model make(int threads = 1, grouping::Evaluation evaluation = grouping::Evaluation::held_out) {
  return Model{{.optimizer = {.learning_rate = 2e-2},
                .grouping = {.groups = 2,
                             .runs = 2,
                             .measure = {.every = 2},
                             .evaluation = evaluation,
                             .step_kind = grouping::StepKind::gradient},
                .backend = {.threads = threads},
                .seed = 3}};
}

// What the model gives its rule.
template <class... P>
auto workshop_of(const training::Model<P...>& model, const data::DataSet& data, const Model::FitOptions& options) {
  return training::detail::WorkshopOf<training::Model<P...>>(model, data, options);
}

struct Networks : training::Observer {
  std::vector<TaskSet> members;
  void on_begin(const training::Run& run) override { members.push_back(run.members); }
};

}  // namespace

TEST_CASE("TaskAffinity finds out which tasks are alike, and the model keeps to it") {
  const data::DataSet train = four_tasks(400, 0), test = four_tasks(60, 1);
  const TaskSet ac = TaskSet::only(0).with(2), bd = TaskSet::only(1).with(3);
  const std::vector<grouping::Group> expected{{ac, ac}, {bd, bd}};
  const auto options = [&](std::size_t epochs) {
    return Model::FitOptions{.epochs = epochs, .batch_size = 16, .validation = &test};
  };

  Model model = make();
  CHECK(model.plan() == std::vector<grouping::Group>{{TaskSet::first(4), TaskSet::first(4)}});
  CHECK(model.evidence().text.empty());
  Networks networks;
  auto looked_on = options(3);
  looked_on.observers = {&networks};
  model.fit(train, looked_on);
  CHECK(model.plan() == expected);
  CHECK(networks.members == std::vector<TaskSet>{ac, bd});  // observers hear of the plan's networks alone
  CHECK(model.summary().networks == 2);
  const grouping::Evidence& evidence = model.evidence();
  // Two joint trainings on nine tenths of 400 samples, 16 at a time, 3 epochs each.
  CHECK(evidence.steps == 2 * 3 * 23);
  REQUIRE(evidence.tables.size() == 2);
  const grouping::Table& table = evidence.tables[0];
  CHECK(table.at(0, 2) > table.at(0, 1));
  CHECK(table.at(3, 1) > table.at(3, 2));
  CHECK(table.at(0, 2) > 0);
  CHECK(evidence.text.find("138 steps") != std::string::npos);
  CHECK(evidence.text.find("no cause") != std::string::npos);

  // Threads change nothing, and neither does when the plan is found.
  const std::string bytes = interrupted::bytes_of(model);
  Model threaded = make(2);
  threaded.find_plan(train, options(3));
  CHECK(threaded.plan() == expected);
  CHECK(threaded.evidence().text == evidence.text);
  CHECK(threaded.evidence().tables[0].values == table.values);
  threaded.fit(train, options(3));
  CHECK(interrupted::bytes_of(threaded) == bytes);

  // A model that was told the plan trains to the same bits, without a training to find it.
  Model told = make();
  told.set_plan(expected);
  told.fit(train, options(3));
  CHECK(told.evidence().steps == 0);
  CHECK(interrupted::bytes_of(told) == bytes);

  // A file brings its plan with it; what is loaded goes on as the original would.
  const Folder folder;
  model.save(folder.path() + "/model");
  Model loaded = make();
  loaded.load(folder.path() + "/model");
  CHECK(loaded.plan() == expected);
  CHECK(small::same_bits(loaded.predict(test.streams()[0].inputs).get<"d">().values(),
                         model.predict(test.streams()[0].inputs).get<"d">().values()));
  loaded.fit(train, options(1));
  Model copy = model;
  CHECK(copy.evidence().text == evidence.text);
  copy.fit(train, options(1));
  CHECK(copy.plan() == expected);
  CHECK(interrupted::bytes_of(loaded) == interrupted::bytes_of(copy));
  CHECK(interrupted::bytes_of(copy) != bytes);

  // Interrupted in the second network's second epoch, and resumed by a model that knows no plan.
  const Folder whole, half;
  Model alone = make();
  alone.fit(train, options(3), {.directory = whole.path()});
  CHECK(interrupted::bytes_of(alone) == bytes);
  interrupted::Crasher crasher;
  crasher.step = 3 * 25 + 25 + 4;
  auto fatal = options(3);
  fatal.observers = {&crasher};
  Model first = make();
  CHECK_THROWS_AS(first.fit(train, fatal, {.directory = half.path(), .every_steps = 5}), interrupted::Crash);
  Model second = make(2);
  second.fit(train, options(3), {.directory = half.path(), .every_steps = 5, .resume = true});
  CHECK(second.plan() == expected);
  CHECK(interrupted::bytes_of(second) == bytes);

  // On the step's own batch nothing need be set aside to measure; it is the tenth that judges.
  Model same_batch = make(1, grouping::Evaluation::same_batch);
  same_batch.find_plan(train, options(3));
  CHECK(same_batch.plan() == expected);
  CHECK(same_batch.evidence().text.find("the step's own batch") != std::string::npos);

  // Nothing to find where no epoch is asked for; what was saved before a plan was found finds it later.
  const Folder early;
  Model none = make();
  none.fit(train, options(0), {.directory = early.path()});
  CHECK(none.plan().size() == 1);
  none.save(early.path() + "/model");
  for (Model* before : {&loaded, &none}) {
    before->load(early.path() + "/model");
    CHECK(before->plan().size() == 1);
    before->fit(train, options(3));
    CHECK(interrupted::bytes_of(*before) == bytes);
  }
  const std::string unharmed = interrupted::bytes_of(none);
  CHECK_THROWS_WITH_AS(none.fit(train, options(3), {.directory = early.path(), .resume = true}),
                       doctest::Contains("this run was asked for no epochs, so that no groups were found"), Error);
  CHECK(interrupted::bytes_of(none) == unharmed);
}

TEST_CASE("what a rule is given: states to go on with, and gradients of single samples") {
  const data::DataSet train = four_tasks(60, 0);
  const std::size_t sample = 7;
  const data::Stream& stream = train.streams()[0];
  data::DataSet one;
  one.add(stream.inputs.subset(std::span(&sample, 1)), {{"b", stream.find("b")->subset(std::span(&sample, 1))},
                                                        {"c", stream.find("c")->subset(std::span(&sample, 1))}});
  const Model model = make();
  const Model::FitOptions options{.epochs = 4, .batch_size = 16, .validation = &one};
  auto workshop = workshop_of(model, train, options);
  workshop.hold_out(0);
  const TaskSet abc = TaskSet::first(3);

  // Two halves are the whole, whether the first is a snapshot or a training of so many steps.
  const double middle[] = {0.5};
  const grouping::Trained whole = workshop.train({.members = abc, .run = 1, .snapshots = middle});
  const grouping::Trained first = workshop.train({.members = abc, .run = 1, .steps = 8});
  CHECK(workshop.steps_in_epoch() == 4);
  CHECK(whole.steps == 16);
  REQUIRE(whole.states.size() == 2);
  CHECK(first.states[0] == whole.states[0]);
  const grouping::Trained second = workshop.train({.members = abc, .run = 1, .steps = 8, .from = &first.states[0]});
  CHECK(second.states[0] == whole.states[1]);
  CHECK(workshop.steps() == 32);

  // On the sample that judges a sketch is the slope of the loss along the rows of the projection.
  grouping::Still& still = workshop.still(whole.states[1], abc);
  CHECK(still.samples(2) == 60);
  std::vector<double> sketch(3), along(3);
  for (const std::size_t t : {1U, 2U}) {
    const double loss = still.sketch(t, sample, 5, sketch);
    CHECK(loss == doctest::Approx(still.losses_along(5, along)[t]));
    CHECK(loss == doctest::Approx(whole.losses[t]));
    for (std::size_t d = 0; d < 3; ++d) {
      constexpr double little = 1e-2;
      along[d] = little;
      const double ahead = still.losses_along(5, along)[t];
      along[d] = -little;
      CHECK(sketch[d] == doctest::Approx((ahead - still.losses_along(5, along)[t]) / (2 * little)).epsilon(0.01));
      along[d] = 0;
    }
  }
}
