// SPDX-License-Identifier: MIT
// What studies are made of, without a model: options as text, splits of data, epochs' records, files.
#include <doctest/doctest.h>

#include <mtlx/grouping/together.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/study/describe.hpp>
#include <mtlx/study/recorder.hpp>
#include <mtlx/study/splits.hpp>
#include <mtlx/study/store.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/temporary.hpp"

using namespace mtlx;
namespace inside = study::detail;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

enum class Mode { slow, fast };
struct Inner {
  float rate = 0.1F;
  bool on = true;
};
struct Many {
  int a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12, m = 13, n = 14, o = 15,
      p = 16;
};
struct Rich {
  Inner inner{};
  std::array<double, 2> pair{0.1, 1e-300};
  std::vector<Inner> list{Inner{}};
  std::string text = "so";
  Mode mode = Mode::fast;
  TaskSet set = TaskSet::only(2);
};
class Closed {
 public:
  study::Settings settings() const { return {{"depth", "3"}}; }
};
template <std::size_t>
struct Wrapped {
  Closed closed{};
};

std::string described(const auto& policy) {
  study::Settings settings;
  study::describe_policy(settings, "it", policy);
  std::string text;
  for (const auto& [name, value] : settings) text += join(name, "=", value, " ");
  return text;
}

/// `size` samples of one feature, the sample's number, with the same number as target.
data::DataSet numbered(std::size_t size) {
  std::vector<float> x(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = static_cast<float>(i);
  return {data::Inputs(Shape{1}, x), {{"t", data::Targets::values(1, x)}}};
}
std::set<float> numbers_of(const data::DataSet& data) {
  std::set<float> all;
  for (const data::Stream& stream : data.streams())
    for (std::size_t i = 0; i < stream.inputs.size(); ++i) all.insert(stream.columns[0].targets.value(i));
  return all;
}

study::RunRecord some_run() {
  study::RunRecord run;
  run.candidate = 1;
  run.seed = 7;
  run.error = "so it is";
  run.metrics = {0.5, none};
  run.more_metrics = {0.25};
  run.losses = {1, -0.0};
  run.validation_losses = {3};
  run.train_seconds = 0.25;
  run.groups = "a, (b); b";
  run.grouping_steps = 12;
  run.networks = 2;
  run.epochs = {{1, {1, 2}, {}, {none}, {1, 0.5, 0.5, 1}, {}, {0.5, 1.5}, {none, 3}}, {2, {3}, {4}, {5}, {}, {}}};
  return run;
}

}  // namespace

TEST_CASE("options are written down by their members' names") {
  CHECK(described(optim::Clipped<optim::Adam>{.optimizer = {.learning_rate = 0.3}, .norm = 1}) ==
        "it=Clipped it.optimizer.learning_rate=0.3 it.optimizer.beta1=0.9 it.optimizer.beta2=0.999 "
        "it.optimizer.epsilon=1e-08 it.optimizer.weight_decay=0 it.norm=1 it.value=0 ");
  CHECK(described(Rich{}) ==
        "it=Rich it.inner.rate=0.10000000149011612 it.inner.on=true it.pair=0.1, 1e-300 "
        "it.list=1 items it.list[0].rate=0.10000000149011612 it.list[0].on=true it.text=so it.mode=fast it.set=4 ");
  CHECK(described(grouping::Together{}) == "it=Together ");
  CHECK(described(Wrapped<3>{}) == "it=Wrapped it.closed.depth=3 ");
  CHECK(described(Many{}).find(" it.o=15 it.p=16 ") != std::string::npos);
  CHECK(inside::enumerator(Mode::slow) == "slow");
  CHECK(inside::enumerator(static_cast<Mode>(7)) == "7");
  CHECK(inside::enumerator(static_cast<Mode>(-1)) == "-1");
  CHECK(inside::numbers_text({}) == "");
  CHECK(inside::numbers_text({1, 2, 0, 0, 0, 1}) == "1, 2, 3 times 0, 1");
  CHECK(inside::shortest(1.0 / 3) == "0.3333333333333333");
}

TEST_CASE("random splits are disjoint, differ by seed, and hold everything") {
  const data::DataSet all = numbered(50);
  const study::Data data{.train = &all};
  const study::Splits splits{.test = 0.2, .validation = 0.25};
  std::set<std::set<float>> tests;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const study::Parts parts = inside::parts_of(data, splits, seed);
    CHECK(parts.test.size() == 10);
    CHECK(parts.validation.size() == 10);
    CHECK(parts.train.size() == 30);
    std::set<float> union_of = numbers_of(parts.train);
    union_of.merge(numbers_of(parts.validation));
    union_of.merge(numbers_of(parts.test));
    CHECK(union_of.size() == 50);
    tests.insert(numbers_of(parts.test));
  }
  CHECK(tests.size() == 5);
  CHECK(inside::data_text(data, inside::parts_of(data, splits, 1)) ==
        "30 samples to train on, 10 to validate, 10 to test, drawn anew for each seed");
}

TEST_CASE("random splits by clusters keep each on one side") {
  // 30 samples of 12 clusters of 1 to 4; a second stream with samples of some of them, and of two of its own.
  const std::vector<std::size_t> sizes{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4};
  data::Clusters clusters(2);
  for (std::size_t c = 0; c < sizes.size(); ++c) clusters[0].insert(clusters[0].end(), sizes[c], 100 - c);
  for (std::size_t i = 0; i < 14; ++i) clusters[1].push_back(102 - i);
  data::DataSet all = numbered(30);
  all.add(data::take(numbered(30), 14).streams()[0].inputs, data::take(numbered(30), 14).streams()[0].columns);
  const study::Data data{.train = &all, .clusters = &clusters};
  CHECK(data::distinct(clusters, all).size() == 14);
  std::set<std::set<float>> tests;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const study::Parts parts = inside::parts_of(data, {.test = 0.25, .validation = 0.2}, seed);
    std::map<std::size_t, std::set<int>> sides;
    std::size_t samples = 0;
    for (const auto& [part, side] : {std::pair{&parts.train, 0}, {&parts.validation, 1}, {&parts.test, 2}})
      for (std::size_t s = 0; s < 2; ++s)
        for (std::size_t i = 0; i < part->streams()[s].inputs.size(); ++i, ++samples)
          sides[clusters[s][static_cast<std::size_t>(part->streams()[s].columns[0].targets.value(i))]].insert(side);
    CHECK(samples == 44);
    std::array<int, 3> count{};
    for (const auto& [cluster, of] : sides) {
      CHECK(of.size() == 1);
      ++count[static_cast<std::size_t>(*of.begin())];
    }
    CHECK(count == std::array{9, 2, 3});  // round(0.75 x 14) = 11 stay, round(0.8 x 11) = 9 train
    tests.insert(numbers_of(parts.test));
    CHECK(inside::test_to_train(data, {.test = 0.25, .validation = 0.2}, parts) == 3.0 / 9);
  }
  CHECK(tests.size() == 5);
  CHECK(inside::data_text(data, inside::parts_of(data, {}, 1)).find(", drawn anew for each seed, by whole clusters") !=
        std::string::npos);
  data::Clusters other = clusters;
  other[1][3] = 7;
  CHECK(inside::data_checksum(data, nullptr) !=
        inside::data_checksum(study::Data{.train = &all, .clusters = &other}, nullptr));

  const auto refused = [](const study::Data& wrong, const study::Splits& by = {}) {
    return error_of([&] { inside::check_data(wrong, by), inside::parts_of(wrong, by, 1); });
  };
  other[1].pop_back();
  CHECK(refused({.train = &all, .clusters = &other}) ==
        "mtlx: clusters: stream 1 has 14 samples, and its list 13 entries");
  other.pop_back();
  CHECK(refused({.train = &all, .clusters = &other}) ==
        "mtlx: clusters: there are lists for 1 streams, and the data set has 2");
  CHECK(refused({.train = &all, .test = &all, .clusters = &clusters}, {.validation = 0}) ==
        "mtlx: study: clusters are for samples that are drawn at random, and here none are");
  other = {std::vector<std::size_t>(30, 1), std::vector<std::size_t>(14, 2)};
  CHECK(refused({.train = &all, .clusters = &other}, {.test = 0.5}) ==
        "mtlx: split: all clusters of stream 0 would be on one side of a split at 0.5 with seed 1: it has too few");
  other[1].assign(14, 1);
  CHECK(refused({.train = &all, .clusters = &other}) ==
        "mtlx: split: 1 clusters can't be split at 0.8: a part would be empty");
}

TEST_CASE("a test set is shared by all seeds, and preparation sees training samples alone") {
  const data::DataSet train = numbered(20), test = numbered(5), validation = numbered(4);
  const study::Data data{.name = "numbers", .train = &train, .test = &test};
  const study::Splits splits{.validation = 0.1, .normalise = true};
  const study::Parts one = inside::parts_of(data, splits, 1), two = inside::parts_of(data, splits, 2);
  CHECK(numbers_of(one.validation) == numbers_of(two.validation));
  CHECK(one.test.size() == 5);
  // Mean and deviation of the 18 samples that train.
  double mean = 0, squares = 0;
  for (const float x : numbers_of(one.train)) mean += static_cast<double>(x) / 18;
  for (const float x : numbers_of(one.train))
    squares += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
  for (const data::DataSet* part : {&one.train, &one.validation, &one.test}) {
    const data::Normalisation& by = part->streams()[0].inputs.normalisation();
    CHECK(by.mean[0] == doctest::Approx(mean));
    CHECK(by.deviation[0] == doctest::Approx(std::sqrt(squares / 18)));
  }
  CHECK(train.streams()[0].inputs.normalisation().mean[0] == 0);

  const study::Parts given = inside::parts_of({.train = &train, .test = &test, .validation = &validation}, {}, 1);
  CHECK(given.validation.size() == 4);
  CHECK(given.train.size() == 20);
  const study::Parts unheld = inside::parts_of(data, {.validation = 0}, 1);
  CHECK(unheld.validation.streams().empty());
  CHECK(unheld.train.size() == 20);
  CHECK(inside::data_text(data, unheld) == "numbers: 20 samples to train on, 0 to validate, 5 to test");
  const study::Parts prepared = inside::parts_of(
      data, {.prepare = [](study::Parts& parts, std::uint64_t) { parts.train = data::take(parts.train, 3); }}, 1);
  CHECK(prepared.train.size() == 3);
  CHECK(error_of([&] {
          inside::parts_of(data, {.prepare = [](study::Parts& parts, std::uint64_t) { parts.test = {}; }}, 1);
        }) == "mtlx: study: splits.prepare has left no samples to train or to test on");

  const auto refused = [](const study::Data& wrong, const study::Splits& by = {}) {
    return error_of([&] { inside::check_data(wrong, by); });
  };
  const data::DataSet empty;
  CHECK(refused({}) == "mtlx: study: there are no training data");
  CHECK(refused({.train = &empty}) == "mtlx: study: there are no training data");
  CHECK(refused({.train = &train, .test = &empty}) == "mtlx: study: the test set has no samples");
  CHECK(refused({.train = &train, .test = &test, .validation = &empty}) ==
        "mtlx: study: the validation set has no samples");
  CHECK(refused({.train = &train, .validation = &validation}).size() > 0);
  CHECK(refused({.train = &train}, {.test = 0}) == "mtlx: study: without a test set, splits.test must be more than 0");
}

TEST_CASE("a checksum sees every part of the data") {
  std::set<std::string> sums;
  const auto add = [&](const data::DataSet& set) {
    sums.insert(inside::data_checksum(study::Data{.train = &set}, nullptr));
  };
  const auto set = [](float x, float y, const char* task, int label, Shape shape = Shape{2}) {
    const std::vector<int> labels(shape.size() == 2 ? 2 : 1, label);
    return data::DataSet(data::Inputs(shape, std::vector<float>{0, 1, x, y}), {{task, data::Targets::classes(labels)}});
  };
  add(set(2, 3, "a", 0));
  add(set(3, 2, "a", 0));
  add(set(2, 3, "b", 0));
  add(set(2, 3, "a", 1));
  add(set(2, 3, "a", data::missing_label));
  add(set(2, 3, "a", 0, Shape{4}));
  add(set(2, 3, "a", 0, Shape{1, 2, 1}));
  data::DataSet normal = set(2, 3, "a", 0);
  normal.normalise({{0, 1}, {1, 1}});
  add(normal);
  const data::DataSet bytes(data::Inputs(Shape{2}, std::vector<std::uint8_t>{0, 1, 2, 3}),
                            {{"a", data::Targets::classes(std::vector<int>{0, 0})}});
  add(bytes);
  data::DataSet two = set(2, 3, "a", 0);
  two.add(two.streams()[0].inputs, two.streams()[0].columns);
  add(two);
  CHECK(sums.size() == 10);
  add(set(2, 3, "a", 0));
  CHECK(sums.size() == 10);
  const data::DataSet a = set(2, 3, "a", 0), b = set(2, 3, "a", 1);
  CHECK(inside::data_checksum(study::Data{.train = &a, .test = &b}, nullptr) !=
        inside::data_checksum(study::Data{.train = &b, .test = &a}, nullptr));
}

TEST_CASE("a recorder keeps each task's epochs from the network that serves it, and what gradients do to each other") {
  std::vector<study::EpochRecord> epochs;
  const TaskSet all = TaskSet::first(3), last = TaskSet::only(2);
  const std::vector<grouping::Group> plan{{TaskSet::first(2), TaskSet::first(2)}, {all, last}};
  inside::Recorder recorder(epochs, plan, 3);
  training::Run run;
  recorder.on_begin(run);
  training::Step step;
  std::vector<double> weights{1, 1, 1};
  step.present = TaskSet::first(2);
  const std::vector<double> agree{4, 3, 3, 9}, against{1, -2, -2, 16}, zero{0, 0, 0, 1};
  for (const auto* gram : {&agree, &against, &zero}) {
    step.gram = *gram;
    step.weights = weights;
    recorder.on_step(step);
    weights[0] += 1;
  }
  const std::vector<double> losses{1, 2, none}, others{7, 8, 9};
  training::Epoch epoch;
  epoch.losses = losses;
  epoch.validation_losses = others;
  recorder.on_epoch(epoch);
  epoch.epoch = 1;
  recorder.on_epoch(epoch);
  run.network = 1;
  recorder.on_begin(run);
  epoch.epoch = 0;
  epoch.losses = others;
  epoch.validation_losses = losses;
  step.present = last;
  step.gram = std::span(agree).first(1);
  recorder.on_step(step);
  recorder.on_epoch(epoch);

  REQUIRE(epochs.size() == 2);
  CHECK(epochs[0].epoch == 1);
  CHECK(epochs[0].losses == std::vector<double>{1, 2, 9});
  CHECK(epochs[0].validation_losses[1] == 8);
  CHECK(is_nan(epochs[0].validation_losses[2]));
  CHECK(epochs[0].validation_metrics.empty());
  REQUIRE(epochs[0].cosines.size() == 9);
  CHECK(epochs[0].cosines[1] == doctest::Approx((0.5 - 0.5) / 2));
  CHECK(epochs[0].cosines[3] == epochs[0].cosines[1]);
  CHECK(epochs[0].cosines[0] == 1);
  CHECK(epochs[0].cosines[8] == 1);
  CHECK(is_nan(epochs[0].cosines[2]));
  CHECK(epochs[0].conflicts[1] == 0.5);
  CHECK(epochs[0].conflicts[4] == 0);
  // Of the tasks that a network serves, in the steps in which they were there; of the lengths 2, 1, 0 and 3, 4, 1.
  CHECK(epochs[0].weights == std::vector<double>{2, 1, 1});
  CHECK(epochs[0].lengths == std::vector<double>{1, 8.0 / 3, 2});
  CHECK(epochs[1].cosines.empty());
  CHECK(epochs[1].lengths.empty());
  CHECK(is_nan(epochs[1].losses[2]));
}

TEST_CASE("a run's file gives back every bit, and nothing in it is believed") {
  const study::RunRecord run = some_run();
  const std::string bytes = inside::run_bytes(run, 42);
  study::RunRecord found;
  found.candidate = 3;
  REQUIRE(inside::parse_run(bytes, "file", 42, found));
  CHECK(found.candidate == 3);
  CHECK(found.error == run.error);
  CHECK(found.more_metrics == run.more_metrics);
  CHECK(found.groups == "a, (b); b");
  CHECK(found.grouping_steps == 12);
  CHECK(found.networks == 2);
  CHECK(inside::run_bytes(found, 42) == bytes);
  study::RunRecord untouched;
  CHECK_FALSE(inside::parse_run(bytes, "file", 43, untouched));
  CHECK(untouched.error.empty());

  CHECK(error_of([&] { inside::parse_run("", "file", 42, found); }) == "mtlx: file is no run of a study");
  training::detail::CheckpointWriter older;
  older.bytes() = bytes.substr(0, bytes.size() - 8);
  older.bytes()[7] = '2';
  older.number(checksum(older.bytes()));
  CHECK_FALSE(inside::parse_run(older.bytes(), "file", 42, untouched));
  // Cut anywhere, or with any one bit changed: never read, never worse than an error.
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK_THROWS_AS(inside::parse_run(bytes.substr(0, i), "file", 42, found), Error);
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    CHECK_THROWS_AS(inside::parse_run(damaged, "file", 42, found), Error);
    // The same by someone who knows the checksum: an error, or a run of some numbers, but no crash.
    training::detail::CheckpointWriter writer;
    writer.bytes() = damaged.substr(0, damaged.size() - 8);
    writer.number(checksum(writer.bytes()));
    try {
      inside::parse_run(writer.bytes(), "file", 42, found);
    } catch (const Error&) {
    }
  }
}

TEST_CASE("what decides results is written once, and a change is named") {
  const Temporary folder;
  const std::string file = folder.path() + "/study.txt";
  inside::settle(file, "a: 1\nb: 2\n", false);
  inside::settle(file, "a: 1\nb: 2\n", false);
  CHECK(error_of([&] { inside::settle(file, "a: 1\nb: 3\n", false); }) ==
        ("mtlx: " + file +
         " has \"b: 2\" where this study has \"b: 3\": its finished runs are stale; discard_stale has them made anew, "
         "another directory keeps them")
            .c_str());
  CHECK(read_file(file) == "a: 1\nb: 2\n");
  inside::settle(file, "a: 1\nb: 3\n", true);
  CHECK(read_file(file) == "a: 1\nb: 3\n");
}
