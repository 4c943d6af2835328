// SPDX-License-Identifier: MIT
// A model whose rule finds its plan by training, end to end: four tasks of which two and two are the same but for noise.
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/exhaustive.hpp>
#include <mtlx/grouping/gradient_surrogate.hpp>
#include <mtlx/grouping/task_affinity.hpp>
#include <mtlx/grouping/validated_affinity.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>
#include <type_traits>
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

grouping::TaskAffinity<grouping::Lookahead> model_rule(
    std::size_t runs = 2, grouping::Evaluation evaluation = grouping::Evaluation::held_out) {
  return {.groups = 2,
          .runs = runs,
          .measure = {.every = 2},
          .evaluation = evaluation,
          .step_kind = grouping::StepKind::gradient};
}
Model make(int threads = 1, grouping::Evaluation evaluation = grouping::Evaluation::held_out) {
  return Model{{.optimizer = {.learning_rate = 2e-2},
                .grouping = model_rule(2, evaluation),
                .backend = {.threads = threads},
                .seed = 3}};
}

// What the model gives its rule.
template <class... P>
auto workshop_of(const training::Model<P...>& model, const data::DataSet& data, const Model::FitOptions& options,
                 training::detail::SearchJournal* journal = nullptr) {
  return training::detail::WorkshopOf<training::Model<P...>>(model, data, options, journal);
}

std::string evidence_of(const Model& model) { return training::evidence_bytes(model.evidence()); }
// A file's bytes, but for what the rule found out.
std::string without_evidence(const std::string& bytes) {
  training::Checkpoint file = training::parse_checkpoint(bytes, "f");
  file.evidence.clear();
  return training::checkpoint_bytes(file);
}

// An augmentation that changes nothing, counts samples, and crashes behind some.
struct Counter {
  mutable std::size_t samples = 0;
  std::size_t fatal = static_cast<std::size_t>(-1);
  void operator()(std::span<float>, const Shape&, Random&) const {
    if (samples++ == fatal) throw interrupted::Crash{};
  }
};

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
  CHECK(without_evidence(interrupted::bytes_of(told)) == without_evidence(bytes));
  CHECK(interrupted::bytes_of(told) != bytes);

  // A file brings its plan with it; what is loaded goes on as the original would.
  const Folder folder;
  model.save(folder.path() + "/model");
  Model loaded = make();
  loaded.load(folder.path() + "/model");
  CHECK(loaded.plan() == expected);
  CHECK(evidence_of(loaded) == evidence_of(model));
  CHECK(loaded.evidence().text == evidence.text);
  // Evidence that is none is refused, whatever the checksum says, and nothing changes; no bit of it does harm.
  const std::string kept = evidence_of(model);
  for (std::size_t i = 1; i < kept.size(); ++i) {
    CHECK_THROWS_AS(training::parse_evidence(kept.substr(0, i), "f"), Error);
    std::string other = kept;
    other[i] = static_cast<char>(other[i] ^ (1 << i % 8));
    try {
      training::parse_evidence(other, "f");
    } catch (const Error&) {
    }
  }
  training::Checkpoint cut = training::parse_checkpoint(read_file(folder.path() + "/model"), "f");
  cut.evidence.pop_back();
  write_file(folder.path() + "/cut", training::checkpoint_bytes(cut));
  Model untouched = make();
  CHECK_THROWS_WITH_AS(untouched.load(folder.path() + "/cut"), doctest::Contains("cut is no sound checkpoint"), Error);
  CHECK(untouched.plan().size() == 1);
  CHECK(evidence_of(untouched).empty());
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
  Model best = make();
  best.load(half.path() + "/best.mtlx");
  CHECK(evidence_of(best) == evidence_of(model));

  // On the step's own batch nothing need be set aside to measure, and validation samples judge.
  Model same_batch = make(1, grouping::Evaluation::same_batch);
  same_batch.find_plan(train, options(3));
  CHECK(same_batch.plan() == expected);
  CHECK(same_batch.evidence().text.find("the step's own batch") != std::string::npos);
  CHECK(same_batch.evidence().steps == 2 * 3 * 25);

  // Nothing to find where no epoch is asked for; what was saved before a plan was found finds it later.
  const Folder early;
  Model none = make();
  none.fit(train, options(0), {.directory = early.path()});
  CHECK(none.plan().size() == 1);
  CHECK(error_of([&] { none.load_weights(early.path() + "/model"); }) ==
        "mtlx: load_weights: the groups of tasks are yet to be found, and networks begin anew then: call find_plan, "
        "set_plan or load before");
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
  const double middle[] = {0.5, 1}, end[] = {1};
  const grouping::Trained whole = workshop.train({.members = abc, .run = 1, .snapshots = middle});
  const grouping::Trained first = workshop.train({.members = abc, .run = 1, .steps = 8, .snapshots = end});
  CHECK(workshop.steps_in_epoch() == 4);
  CHECK(whole.steps == 16);
  REQUIRE(whole.states.size() == 2);
  CHECK(first.states[0] == whole.states[0]);
  const grouping::Trained second =
      workshop.train({.members = abc, .run = 1, .steps = 8, .from = &first.states[0], .snapshots = end});
  CHECK(second.states[0] == whole.states[1]);
  CHECK(workshop.steps() == 32);
  CHECK(workshop.train({.members = abc, .epochs = 1}).states.empty());
  const double beyond[] = {0.5, 1.5};
  CHECK_THROWS_AS(workshop.train({.members = abc, .epochs = 1, .snapshots = beyond}), Error);

  // Chances of streams are of all streams, whichever a network's tasks are in.
  data::DataSet apart;
  for (std::size_t t = 0; t < 4; ++t) apart.add(stream.inputs, {stream.columns[t]});
  std::vector<std::string> states;
  for (const auto& chances : {std::vector<double>{2, 1, 0, 0}, {4, 2, 9, 1}, {1, 2, 0, 0}, {1, 2, 1}}) {
    const Model::FitOptions drawn{.epochs = 1,
                                  .batch_size = 4,
                                  .validation = &one,
                                  .sampling = training::Sampling::drawn,
                                  .drawn = {.chances = chances, .steps = 4}};
    auto shop = workshop_of(model, apart, drawn);
    const auto train_two = [&] { return shop.train({.members = TaskSet::first(2), .snapshots = end}).states[0]; };
    if (chances.size() == 4)
      states.push_back(train_two());
    else
      CHECK(error_of(train_two) == "mtlx: sampling: 3 chances for 4 streams");
  }
  CHECK(states[0] == states[1]);
  CHECK(states[0] != states[2]);

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

TEST_CASE("samples are set aside where something needs them") {
  const data::DataSet train = four_tasks(160, 0), test = four_tasks(30, 1);
  const Model model = make();
  const grouping::Exhaustive all{.groups = 2};
  const grouping::GradientSurrogate surrogate{.dimensions = 10, .samples = 10, .links = {4, grouping::Link::root}};
  const grouping::ValidatedAffinity<> own{
      .runs = 2, .rollouts = 1, .states = 1, .steps = 5, .draws = 20, .evaluation = grouping::Evaluation::same_batch};
  const auto steps = [&](const auto& rule, bool validated) {
    const Model::FitOptions options{.epochs = 2, .batch_size = 16, .validation = validated ? &test : nullptr};
    auto workshop = workshop_of(model, train, options);
    CHECK(workshop.validates() == validated);
    const std::string text = rule.find(workshop).evidence.text;
    if (std::is_same_v<decltype(rule), const grouping::Exhaustive&>)
      CHECK(text.find(validated ? "on validation samples:" : "on training samples that were set aside:") !=
            std::string::npos);
    return workshop.steps();
  };
  // 160 samples are 10 steps of 16, and nine tenths are 9.
  CHECK(steps(all, true) == 15 * 2 * 10);
  CHECK(steps(all, false) == 15 * 2 * 9);
  CHECK(steps(surrogate, true) == 2 * 10);
  CHECK(steps(surrogate, false) == 2 * 9);
  // Measures want samples that neither train nor judge.
  CHECK(steps(model_rule(), true) == 2 * 2 * 9);
  CHECK(steps(model_rule(), false) == 2 * 2 * 9);
  const Model::FitOptions options{.epochs = 2, .batch_size = 16, .validation = &test};
  auto workshop = workshop_of(model, train, options);
  static_cast<void>(own.find(workshop));
  CHECK(workshop.steps_in_epoch() == 10);
}

TEST_CASE("a search that is interrupted anywhere goes on: the same plan and evidence, bit for bit") {
  const data::DataSet train = four_tasks(120, 0), test = four_tasks(30, 1);
  const Model model = make();
  const auto options = [&](const Counter& counter) {
    return Model::FitOptions{.epochs = 2, .batch_size = 16, .validation = &test, .augment = &counter};
  };
  const auto check = [&](const auto& rule, std::size_t crashes) {
    const Folder folder;
    const Counter whole;
    const auto watched = options(whole);
    auto alone = workshop_of(model, train, watched);
    const grouping::Plan expected = rule.find(alone);
    std::size_t samples = 0;
    for (std::size_t crash = 1; crash <= crashes; ++crash) {
      Counter counter;
      counter.fatal = whole.samples / (crashes + 1);
      const auto fatal = options(counter);
      training::detail::SearchJournal journal(folder.path() + "/j", "head", 4, true);
      auto workshop = workshop_of(model, train, fatal, &journal);
      CHECK_THROWS_AS(rule.find(workshop), interrupted::Crash);
      samples += counter.samples;
    }
    const Counter last;
    const auto rest = options(last);
    training::detail::SearchJournal journal(folder.path() + "/j", "head", 4, true);
    CHECK(journal.size() > 0);
    auto workshop = workshop_of(model, train, rest, &journal);
    const grouping::Plan found = rule.find(workshop);
    CHECK(found.groups == expected.groups);
    CHECK(training::evidence_bytes(found.evidence) == training::evidence_bytes(expected.evidence));
    CHECK(workshop.steps() == alone.steps());
    // A training that was under way begins anew, and no other.
    CHECK(last.samples < whole.samples);
    CHECK(samples + last.samples >= whole.samples);
  };
  check(model_rule(3), 2);
  check(grouping::Exhaustive{.groups = 2, .runs = 2}, 3);
  check(grouping::GradientSurrogate{.runs = 3, .dimensions = 20, .samples = 20, .links = {4, grouping::Link::root}}, 2);
  check(grouping::ValidatedAffinity<>{.runs = 3, .rollouts = 2, .states = 1, .steps = 5, .draws = 20}, 3);

  // What a watch keeps for itself is looked at again.
  struct Own final : grouping::Watch {
    std::size_t looks = 0;
    grouping::Evaluation evaluation() const override { return grouping::Evaluation::same_batch; }
    grouping::StepKind step_kind() const override { return grouping::StepKind::gradient; }
    bool wants(std::size_t step) const override { return step == 3; }
    void look(grouping::Moment&) override { ++looks; }
  };
  const Folder folder;
  const Counter counter;
  const auto counted = options(counter);
  training::detail::SearchJournal journal(folder.path() + "/j", "head", 4, true);
  auto workshop = workshop_of(model, train, counted, &journal);
  Own own;
  for (std::size_t times = 1; times <= 2; ++times) {
    workshop.train({.members = TaskSet::first(4), .watch = &own});
    CHECK(own.looks == times);
  }
  CHECK(training::detail::SearchJournal(folder.path() + "/j", "head", 4, true).size() == 0);
  // The same training twice, with watches of other options: each gets its own again.
  std::vector<std::vector<double>> seen;
  for (std::size_t times = 1; times <= 2; ++times) {
    training::detail::SearchJournal again(folder.path() + "/j", "head", 4, true);
    CHECK(again.size() == (times == 1 ? 0 : 2));
    auto shop = workshop_of(model, train, counted, &again);
    shop.hold_out(0.1);
    const std::size_t before = counter.samples;
    for (const std::size_t every : {2U, 5U}) {
      grouping::Watching<grouping::Lookahead> watch({.every = every});
      shop.train({.members = TaskSet::first(4), .watch = &watch});
      CHECK(watch.seen().looks() == (every == 2 ? 7 : 3));
      seen.push_back(watch.seen().values);
    }
    CHECK((counter.samples > before) == (times == 1));
  }
  CHECK(seen[0] == seen[2]);
  CHECK(seen[1] == seen[3]);
}

TEST_CASE("fit goes on with a search, and believes nothing in its file") {
  const data::DataSet train = four_tasks(120, 0), test = four_tasks(30, 1);
  const auto options = [&](const Counter& counter, std::size_t epochs = 2) {
    return Model::FitOptions{.epochs = epochs, .batch_size = 16, .validation = &test, .augment = &counter};
  };
  Model expected = make();
  const Counter whole;
  expected.fit(train, options(whole));
  const std::string bytes = interrupted::bytes_of(expected);
  REQUIRE(expected.plan().size() == 2);
  // Samples in one of the two joint trainings (where it is looked at, some are asked for twice).
  const std::size_t training = (whole.samples - std::size_t{2} * 2 * 120) / 2;

  const Folder folder;
  const training::Checkpointing anew{.directory = folder.path()}, resume{.directory = folder.path(), .resume = true};
  const std::string file = folder.path() + "/search.mtlx", last = folder.path() + "/last.mtlx";
  const auto interrupt = [&](const training::Checkpointing& files, std::size_t samples) {
    Counter counter;
    counter.fatal = samples;
    Model model = make();
    CHECK_THROWS_AS(model.fit(train, options(counter), files), interrupted::Crash);
  };
  const auto go_on = [&](std::size_t samples) {
    const Counter counter;
    Model model = make();
    model.fit(train, options(counter), resume);
    CHECK(interrupted::bytes_of(model) == bytes);
    CHECK(counter.samples == samples);
    CHECK_FALSE(file_exists(file));
    CHECK(file_exists(last));
  };
  interrupt(anew, training / 2);
  CHECK_FALSE(file_exists(last));
  go_on(whole.samples);
  // An older run in the folder is not gone on with, for this search began after it.
  interrupt(anew, training + 5);
  const std::string one = read_file(file);
  interrupt(resume, training - 3);
  CHECK(read_file(file) == one);
  go_on(whole.samples - training);
  interrupt(anew, 2 * training + 5);  // in the training of the plan's networks: the search is over
  CHECK_FALSE(file_exists(file));

  // Cut where a program was killed that wrote it: the record is dropped. Begun anew without `resume`.
  interrupt(anew, 2 * training - 1);
  CHECK(read_file(file) == one);
  for (const std::size_t cut : {1U, 9U, 60U}) {
    write_file(file, one.substr(0, one.size() - cut));
    go_on(whole.samples);
  }
  write_file(file, one + std::string(one.substr(one.size() - 7)));
  go_on(whole.samples - training);

  const auto refusal = [&](const std::string& content, std::size_t epochs = 2) {
    write_file(file, content);
    const Counter counter;
    Model model = make();
    const std::string before = interrupted::bytes_of(model);
    const doctest::String message = error_of([&] { model.fit(train, options(counter, epochs), resume); });
    CHECK(interrupted::bytes_of(model) == before);
    CHECK(counter.samples == 0);
    return std::string(message.c_str()).substr(0, 6) + std::string(message.c_str()).substr(6 + file.size());
  };
  CHECK(refusal(one, 3) ==
        "mtlx:  is of a search with \"2 epochs\", and this one has \"3 epochs\": a search is resumed with the options "
        "it had");
  CHECK(refusal("mtlxfound") == "mtlx:  is no search for groups by mtlx");
  // Every flipped bit is noticed.
  std::uint64_t head = 0;
  std::memcpy(&head, one.data() + 16, sizeof head);
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::string other = one;
    other[i] = static_cast<char>(other[i] ^ (1 << i % 8));
    write_file(file, other);
    CHECK_THROWS_AS(training::detail::SearchJournal(file, one.substr(24, head), 4, true), Error);
  }
}
