// SPDX-License-Identifier: MIT
// Streams that are drawn by chances, and what a rule may ask for that sets them.
#include <mtlx/grouping/drawing.hpp>
#include <mtlx/grouping/together.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "data/temporary.hpp"
#include "small.hpp"

using namespace mtlx;
using grouping::Drawing;
using training::Sampler;
using training::Sampling;

namespace {

/// What a test wants to do when the rule looks; a rule is const.
void (*ask)(Drawing&) = nullptr;
std::vector<double> heard;

/// At steps 0 and 3 and 7 it does what the test wants, or raises chances by what it measures.
struct Asking {
  static constexpr auto kind = Kind::grouping;
  static constexpr bool keeps_weights = true;
  bool measures = false;
  std::vector<grouping::Group> plan(std::size_t tasks) const { return grouping::Together{}.plan(tasks); }
  std::size_t memory(std::size_t streams) const { return streams + 1; }
  void look(Drawing& now) const {
    now.memory()[0] += 1;
    if (now.steps() < 7) now.look_again_at(now.steps() == 0 ? 3 : 7);
    if (ask != nullptr) ask(now);
    if (!measures) return;
    if (now.steps() == 0) now.keep();
    for (std::size_t s = 0; s < now.streams(); ++s) {
      std::vector<double> only(now.streams());
      only[s] = 1;
      const std::size_t judged[] = {s};
      const grouping::Tried tried = now.try_out({.chances = only, .steps = 3, .run = s, .last = 2, .judged = judged});
      std::array<double, 5> sketch;
      const grouping::Pull pull = now.pull(s, 6, s, sketch);
      now.memory()[1 + s] += tried.before - tried.after + tried.judged.mean(0) + pull.product + sketch[4];
      now.chances()[s] = 1 + std::abs(now.memory()[1 + s]);
    }
    if (now.steps() == 7) now.go_back();
    now.set_groups({{0, 2}}, false);
  }
};

/// At each fifth step, and after the last one of a fit: how often, and whether that was the last.
struct Late {
  static constexpr auto kind = Kind::grouping;
  static constexpr bool looks_last = true;
  std::vector<grouping::Group> plan(std::size_t tasks) const { return grouping::Together{}.plan(tasks); }
  std::size_t memory(std::size_t) const { return 3; }
  void look(Drawing& now) const {
    now.memory()[0] += 1;
    now.memory()[1] += now.last() ? 1 : 0;
    now.memory()[2] = static_cast<double>(now.steps());
    now.look_again_at(now.steps() + 5);
  }
};

using Trunk = nn::Sequential<nn::Dense<5>, nn::Tanh>;
template <class... Policies>
using Of = MultiTask<Input<4>, Tasks<Regression<"y", 1>>, sharing::Hard<Trunk>, Policies...>;
using Model = Of<optim::Adam, Asking>;
using Plain = Of<optim::Adam>;

// Streams with a slope each; sizes 9, 6, 12, ...
data::DataSet streams(std::size_t count, std::uint64_t seed = 1) {
  data::DataSet data;
  for (std::size_t s = 0; s < count; ++s) {
    const std::size_t size = 3 * (2 + (s + 1) % 3);
    Random random(seed, Purpose::user, s);
    std::vector<float> x, y;
    for (std::size_t i = 0; i < size; ++i) {
      double sum = 0;
      for (std::size_t f = 0; f < 4; ++f) sum += x.emplace_back(static_cast<float>(random.normal()));
      y.push_back(static_cast<float>(sum * (static_cast<double>(s) - 1)));
    }
    data.add(data::Inputs({4, 1, 1}, x), {{"y", data::Targets::values(1, y)}});
  }
  return data;
}

Model::FitOptions drawn(const data::DataSet& valid, std::size_t epochs = 2) {
  return {.epochs = epochs,
          .batch_size = 4,
          .validation = &valid,
          .sampling = Sampling::drawn,
          .drawn = {.draws = 2, .steps = 5}};
}

std::vector<float> numbers(const auto& model) { return small::copy(model.parameters()); }

std::vector<std::vector<std::pair<std::size_t, std::vector<std::uint32_t>>>> deal(Sampler& sampler, std::size_t epoch) {
  sampler.begin(epoch);
  std::vector<std::vector<std::pair<std::size_t, std::vector<std::uint32_t>>>> all(sampler.steps());
  for (auto& step : all)
    for (const auto& part : sampler.next()) step.push_back({part.stream, {part.samples.begin(), part.samples.end()}});
  return all;
}

}  // namespace

TEST_CASE("drawn: chances, no sample twice in a batch, nothing hangs on what came before") {
  const std::vector<std::size_t> sizes{5, 1, 40, 7};
  const Sampler::Options options{
      .batch_size = 6, .sampling = Sampling::drawn, .seed = 9, .drawn = {{1, 0, 2, 1}, 3, 4000}};
  Sampler sampler(sizes, options);
  REQUIRE(sampler.steps() == 4000);
  REQUIRE(sampler.most_parts() == 4);
  const auto first = deal(sampler, 0);
  std::array<double, 4> counts{};
  std::vector<double> samples(40);
  bool sound = true;
  for (const auto& step : first) {
    sound = sound && step.size() == 3;
    for (const auto& [stream, of] : step) {
      counts[stream] += 1;
      sound = sound && of.size() == std::min<std::size_t>(6, sizes[stream]) &&
              std::set<std::uint32_t>(of.begin(), of.end()).size() == of.size() && of.back() < sizes[stream];
      if (stream == 2)
        for (const std::uint32_t i : of) samples[i] += 1;
    }
  }
  CHECK(sound);
  // Standard errors are about 55 and 30.
  CHECK(std::abs(counts[0] - 3000) < 220);
  CHECK(counts[1] == 0);
  CHECK(std::abs(counts[2] - 6000) < 220);
  for (const double count : samples) CHECK(std::abs(count - 6000.0 * 6 / 40) < 150);
  // Step 17 again, by another sampler that came there another way.
  Sampler other(sizes, options);
  deal(other, 3);
  other.begin(0);
  for (int i = 0; i < 17; ++i) other.next();
  const auto again = other.next();
  for (std::size_t p = 0; p < 3; ++p) {
    CHECK(again[p].stream == first[17][p].first);
    CHECK(std::vector<std::uint32_t>(again[p].samples.begin(), again[p].samples.end()) == first[17][p].second);
  }
  CHECK(deal(other, 1) != first);
  Sampler by_size(sizes, {.batch_size = 6, .sampling = Sampling::drawn, .drawn = {.draws = 2}});
  CHECK(by_size.steps() == 6);  // 1 + 1 + 7 + 2 batches
  CHECK_THROWS_WITH_AS(Sampler(sizes, {.sampling = Sampling::drawn, .drawn = {{1, 2}}}),
                       "mtlx: sampling: 2 chances for 4 streams", Error);
  CHECK_THROWS_WITH_AS(Sampler(sizes, {.sampling = Sampling::drawn, .drawn = {{1, -1, 1, 1}}}),
                       "mtlx: sampling: the chance of stream 1 is -1, expected a number from 0 on", Error);
  CHECK_THROWS_WITH_AS(Sampler(sizes, {.sampling = Sampling::drawn, .drawn = {{0, 0, 0, 0}}}),
                       "mtlx: sampling: the chances of the streams have the sum 0", Error);
  CHECK_THROWS_AS(Sampler(sizes, {.sampling = Sampling::drawn, .drawn = {{1, NAN, 1, 1}}}), Error);
  // So little that a random place would be rounded up to the end.
  CHECK_THROWS_AS(Sampler(sizes, {.sampling = Sampling::drawn, .drawn = {{5e-324, 0, 0, 0}}}), Error);
  CHECK_THROWS_AS(Sampler(sizes, {.sampling = Sampling::drawn, .drawn = {.draws = 0}}), Error);
}

TEST_CASE("chances of groups: a group, then one of its streams") {
  const std::vector<double> found = grouping::chances_of({{1}, {2, 3}, {}, {0, 1, 2, 3}}, 4);
  const std::vector<double> expected{1.0 / 12, 1.0 / 3 + 1.0 / 12, 1.0 / 6 + 1.0 / 12, 1.0 / 6 + 1.0 / 12};
  for (std::size_t s = 0; s < 4; ++s) CHECK(found[s] == doctest::Approx(expected[s]).epsilon(1e-14));
  CHECK_THROWS_AS(grouping::chances_of({{}, {}}, 3), Error);
  CHECK_THROWS_WITH_AS(grouping::chances_of({{0}, {3}}, 3), "mtlx: chances_of: group 1 has stream 3, and there are 3",
                       Error);
  CHECK_THROWS_AS(grouping::chances_of({{1, 1}}, 3), Error);
}

TEST_CASE("a rule that measures changes nothing; chances alone do") {
  const auto data = streams(3), valid = streams(3, 2);
  Plain plain({.seed = 5});
  plain.fit(data, drawn(valid));
  Model model({.seed = 5});
  heard.clear();
  ask = [](Drawing& now) {
    heard.push_back(static_cast<double>(now.steps()));
    const std::size_t judged[] = {2, 0};
    const auto before = now.judge(judged);
    const std::vector<double> equal(3, 2);
    now.try_out({.chances = equal, .steps = 4, .judged = judged});
    std::array<double, 3> sketch;
    now.pull(1, 100, 0, sketch);
    const auto after = now.judge(judged);
    CHECK(small::same_bits(before.values, after.values));
    CHECK(before.clusters == 12);  // samples of the largest stream
    CHECK(before.numbers == 2);
    CHECK(is_nan(before.at(1, 9)));  // stream 0 has 9
    CHECK(!is_nan(before.at(1, 8)));
    CHECK(now.judged_by()[0] == "rmse");
    CHECK(now.judged_by()[1] == "loss");
  };
  model.fit(data, drawn(valid));
  ask = nullptr;
  CHECK(heard == std::vector<double>{0, 3, 7});
  CHECK(small::same_bits(numbers(model), numbers(plain)));
  const grouping::Drawn found = model.drawn();
  CHECK(found.steps == 10);
  CHECK(found.measuring == 12);
  CHECK(found.chances == std::vector<double>(3, 1.0 / 3));
  CHECK(found.memory == std::vector<double>{3, 0, 0, 0});
  CHECK(found.groups.empty());

  // A stream that is never drawn doesn't train: the same as with chances given.
  ask = [](Drawing& now) { now.chances()[1] = 0; };
  Model without({.seed = 5});
  without.fit(data, drawn(valid));
  ask = nullptr;
  auto options = drawn(valid);
  options.drawn.chances = {1, 0, 1};
  Plain given({.seed = 5});
  given.fit(data, options);
  CHECK(small::same_bits(numbers(without), numbers(given)));
  CHECK(!small::same_bits(numbers(without), numbers(plain)));
}

TEST_CASE("trials and judgements are what trainings and evaluations of one's own say") {
  const auto data = streams(2), valid = streams(2, 2);
  Model model({.seed = 5});
  data::Clusters photos{{7, 7, 3, 3, 3, 9, 9, 9, 9}, {3, 3, 9, 9, 9, 9, 9, 9, 9, 9, 3, 9}};
  auto options = drawn(valid, 1);
  options.validation_clusters = &photos;
  heard.clear();
  ask = [](Drawing& now) {
    if (now.steps() != 3) return;
    for (const double value : now.judge().values) heard.push_back(value);
    const double chances[] = {0, 3};
    const grouping::Tried one = now.try_out({.chances = chances, .steps = 1, .run = 4, .last = 1});
    heard.push_back(one.after - one.before);
    const grouping::Tried more = now.try_out({.chances = chances, .steps = 40, .last = 10});
    heard.push_back(more.before - more.after);
    const grouping::Tried same = now.try_out({.chances = chances, .steps = 40, .last = 10});
    CHECK(same.after == more.after);
    CHECK(now.try_out({.chances = chances, .steps = 40, .run = 1}).after != more.after);
    now.keep();
  };
  options.drawn.steps = 3;  // so that this model ends where the rule looks
  Plain plain({.seed = 5});
  plain.fit(data, options);
  options.drawn.steps = 5;
  model.fit(data, options);
  ask = nullptr;
  REQUIRE(heard.size() == 2 * 3 * 2 + 2);
  for (std::size_t s = 0; s < 2; ++s)
    for (std::size_t c = 0; c < 3; ++c) {  // clusters 3, 7, 9
      std::vector<std::size_t> samples;
      for (std::size_t i = 0; i < photos[s].size(); ++i)
        if (photos[s][i] == std::array<std::size_t, 3>{3, 7, 9}[c]) samples.push_back(i);
      const double* const found = heard.data() + (s * 3 + c) * 2;
      if (samples.empty()) {
        CHECK(is_nan(found[0]));
        CHECK(is_nan(found[1]));
        continue;
      }
      data::DataSet part;
      data::detail::add_part(part, valid.streams()[s], samples);
      const auto scores = plain.evaluate(part);
      // Few samples are predicted by another path, which may round otherwise.
      CHECK(found[0] == doctest::Approx(-scores.get<0>().rmse).epsilon(1e-6));
      CHECK(found[1] == doctest::Approx(-scores.get<0>().loss).epsilon(1e-6));
    }
  CHECK(heard[12] == 0);  // before the first update nothing has changed
  CHECK(heard[13] > 0);   // more steps on one stream lower its loss
}

TEST_CASE("an optimizer's average is judged, kept and gone back to, and the mean of a trial's second half") {
  const auto data = streams(2), valid = streams(2, 2);
  const data::Clusters photos{std::vector<std::size_t>(9), std::vector<std::size_t>(12)};
  auto options = drawn(valid);
  options.validation_clusters = &photos;
  heard.clear();
  ask = [](Drawing& now) {
    const std::size_t judged[] = {0};
    const double chances[] = {1, 0};
    const auto score = [&](std::size_t steps) {
      return now.try_out({.chances = chances, .steps = steps, .judged = judged}).judged.mean(0);
    };
    if (now.steps() == 0) heard.insert(heard.end(), {score(1), score(2), score(3)});
  };
  options.drawn.steps = 1;
  Model({.seed = 5}).fit(data, options);
  using Averaged = Of<optim::Averaged<optim::Adam>, Asking>;
  Averaged({.seed = 5}).fit(data, options);
  REQUIRE(heard.size() == 6);
  CHECK(heard[3] == heard[0]);
  CHECK(heard[4] == heard[1]);
  CHECK(std::abs(heard[2] - heard[1]) > 1e-4);
  CHECK(std::abs(heard[5] - (heard[1] + heard[2]) / 2) < 1e-5);

  ask = nullptr;
  const auto make = [] { return Averaged({.optimizer = {.decay = 0.9}, .seed = 5}); };
  Averaged three = make();
  options.epochs = 1, options.drawn.steps = 3;
  three.fit(data, options);
  heard.clear();
  ask = [](Drawing& now) {
    if (now.steps() == 0) return;
    if (now.steps() == 3) now.keep();
    if (now.steps() == 7) now.go_back();
    for (std::size_t s = 0; s < 2; ++s) heard.push_back(now.judge().mean(s));
  };
  Averaged model = make();
  options.epochs = 2, options.drawn.steps = 5;
  model.fit(data, options);
  ask = nullptr;
  REQUIRE(heard.size() == 4);
  for (std::size_t s = 0; s < 2; ++s) {
    data::DataSet part;
    data::detail::add_part(part, valid.streams()[s], data::detail::counted(s == 0 ? 9 : 12));
    CHECK(heard[s] == -three.averaged().evaluate(part).get<0>().rmse);
    CHECK(heard[s] != -three.evaluate(part).get<0>().rmse);
    CHECK(heard[2 + s] == heard[s]);  // and not what the average has come to since
  }
}

TEST_CASE("a trial holds the same augmented samples against each other") {
  const auto data = streams(2), valid = streams(2, 2);
  struct Ten {
    void operator()(std::span<float> x, const Shape&, Random& random) const {
      for (float& number : x) number *= static_cast<float>(10 + random.uniform());
    }
  };
  const Ten ten;
  heard.clear();
  ask = [](Drawing& now) {
    const double chances[] = {1, 0};
    const grouping::Tried one = now.try_out({.chances = chances, .steps = 1, .run = 1, .last = 1});
    CHECK(one.before == one.after);
    heard.push_back(one.before);
  };
  auto options = drawn(valid, 1);
  for (const bool augmented : {false, true}) {
    if (augmented) options.augment = &ten;
    Model model({.seed = 5});
    model.fit(data, options);
  }
  ask = nullptr;
  REQUIRE(heard.size() == 4);
  CHECK(heard[0] != heard[2]);
}

TEST_CASE("a pull is the loss's fall by a plain step, and the noise of the samples adds nothing to it") {
  // Stream 0: one sample, eight times. Stream 1: targets that are noise.
  data::DataSet data;
  std::vector<float> x, y, noise;
  Random random(3, Purpose::user);
  for (std::size_t i = 0; i < 8 * 4; ++i) x.push_back(0.5F - static_cast<float>(i % 4) / 3);
  data.add(data::Inputs({4, 1, 1}, x), {{"y", data::Targets::values(1, std::vector<float>(8, 2))}});
  x.clear();
  for (std::size_t i = 0; i < 400 * 4; ++i) x.push_back(static_cast<float>(random.normal()));
  for (std::size_t i = 0; i < 400; ++i) y.push_back(static_cast<float>(random.normal()));
  data.add(data::Inputs({4, 1, 1}, x), {{"y", data::Targets::values(1, y)}});
  Of<optim::Sgd, Asking> model({.optimizer = {.learning_rate = 1e-3F, .momentum = 0.9F}, .seed = 2});
  heard.clear();
  ask = [](Drawing& now) {
    if (now.steps() != 3) return;
    std::array<double, 64> sketch;
    const auto squares = [&] {
      double sum = 0;
      for (const double number : sketch) sum += number * number;
      return sum;
    };
    const grouping::Pull same = now.pull(0, 8, 0, sketch);
    const double whole = squares();
    double product = 0, of_mean = 0;
    for (std::uint64_t run = 0; run < 100; ++run) {
      product += now.pull(1, 8, run, sketch).product / 100;
      of_mean += squares() / 100;
    }
    heard = {same.product, whole, same.loss, product, of_mean, now.pull(1, 9, 3).product, now.pull(1, 9, 3).product};
    heard.push_back(now.pull(1, 9, 4).product);
    heard.push_back(-now.judge().mean(0, 1));
  };
  auto options = drawn(data, 1);
  options.batch_size = 8;
  model.fit(data, options);
  ask = nullptr;
  REQUIRE(heard.size() == 9);
  // The same step by a training of the model's own: two steps of stream 0, from the same weights without momentum.
  Of<optim::Sgd> other({.optimizer = {.learning_rate = 1e-3F}, .seed = 2});
  options.drawn.steps = 3;
  Of<optim::Sgd, Asking> at_three({.optimizer = {.learning_rate = 1e-3F, .momentum = 0.9F}, .seed = 2});
  at_three.fit(data, options);
  std::copy(at_three.parameters().begin(), at_three.parameters().end(), other.parameters().begin());
  data::DataSet first;
  data::detail::add_part(first, data.streams()[0], data::detail::counted(8));
  const double before = other.evaluate(first).get<0>().loss;
  other.fit(first, {.batch_size = 8});
  const double after = other.evaluate(first).get<0>().loss;
  CHECK(heard[2] == doctest::Approx(before).epsilon(1e-5));
  CHECK(heard[8] == doctest::Approx(before).epsilon(1e-5));
  CHECK(heard[0] == doctest::Approx(before - after).epsilon(0.03));  // second order: a step of 1e-3
  CHECK(heard[0] / 1e-3 == doctest::Approx(heard[1]).epsilon(0.6));  // 64 dimensions: 18 % standard error
  // Of noise the mean gradient of 8 samples has much, the product of halves little.
  CHECK(heard[3] / 1e-3 < 0.5 * heard[4]);
  CHECK(heard[5] == heard[6]);
  CHECK(heard[5] != heard[7]);
}

TEST_CASE("a rule that asks for it looks after a fit's last step") {
  const auto data = streams(3);
  using LateModel = Of<optim::Adam, Late>;
  LateModel model{{.seed = 3}};
  const auto fit = [&](std::size_t epochs, std::size_t steps) {
    model.fit(
        data,
        LateModel::FitOptions{
            .epochs = epochs, .batch_size = 4, .sampling = Sampling::drawn, .drawn = {.draws = 2, .steps = steps}});
    return model.drawn().memory;
  };
  CHECK(fit(2, 5) == std::vector<double>{3, 1, 10});  // before steps 0 and 5, and after step 10
  CHECK(fit(1, 4) == std::vector<double>{3, 1, 10});  // was seen at 10, and 15 is not reached
  CHECK(fit(1, 1) == std::vector<double>{4, 2, 15});
  CHECK(fit(2, 10) == std::vector<double>{8, 3, 35});
}

TEST_CASE("interrupted and loaded, threads: the same bits") {
  const auto data = streams(3), valid = streams(3, 2);
  const auto make = [](int threads = 1) {
    return Model{{.grouping = {.measures = true}, .backend = {.threads = threads}, .seed = 8}};
  };
  Model whole = make();
  whole.fit(data, drawn(valid, 3));
  const grouping::Drawn expected = whole.drawn();
  CHECK(expected.measuring == 3 * 3 * 3);
  CHECK(expected.groups == grouping::StreamGroups{{0, 2}});
  CHECK(expected.changes == 1);
  Model two = make(2);
  two.fit(data, drawn(valid, 3));
  CHECK(small::same_bits(numbers(two), numbers(whole)));
  CHECK(two.drawn().memory == expected.memory);

  const Temporary folder;
  struct Stop : training::Observer {
    std::size_t left;
    explicit Stop(std::size_t steps) : left(steps) {}
    void on_step(const training::Step&) override {
      if (left-- == 0) throw 0;
    }
  };
  for (const std::size_t steps : std::initializer_list<std::size_t>{2, 4, 9, 12}) {
    CAPTURE(steps);
    auto options = drawn(valid, 3);
    Stop stop(steps);
    options.observers = {&stop};
    const training::Checkpointing files{.directory = folder.path(), .every_steps = 1};
    Model first = make();
    CHECK_THROWS_AS(first.fit(data, options, files), int);
    options.observers = {};
    Model second = make();
    second.fit(data, options, {.directory = folder.path(), .every_steps = 1, .resume = true});
    CHECK(small::same_bits(numbers(second), numbers(whole)));
    CHECK(second.drawn().memory == expected.memory);
  }
  // A model of no streams yet takes them from the file, and goes on as the saved one does; and the other way round.
  const std::string file = folder.path() + "/saved.mtlx", empty = folder.path() + "/empty.mtlx";
  whole.save(file);
  Model loaded = make(), fresh = make();
  fresh.save(empty);
  loaded.load(file);
  CHECK(loaded.drawn().memory == expected.memory);
  whole.fit(data, drawn(valid, 1));
  loaded.fit(data, drawn(valid, 1));
  CHECK(small::same_bits(numbers(loaded), numbers(whole)));
  CHECK_THROWS_WITH_AS(
      loaded.fit(streams(2), drawn(valid)),
      "mtlx: the model was trained on 3 streams, and its grouping rule knows them by number: the data have 2", Error);
  loaded.load(empty);
  CHECK(loaded.drawn().chances.empty());
  CHECK(small::same_bits(numbers(loaded), numbers(fresh)));
}

TEST_CASE("a file is not believed in what it says of streams") {
  const auto data = streams(2), valid = streams(2, 2);
  const Temporary folder;
  const std::string file = folder.path() + "/m";
  Model model({.seed = 5});
  model.fit(data, drawn(valid, 0));
  CHECK(model.drawn().chances.empty());  // training has not begun
  model.fit(data, drawn(valid, 1));
  model.save(file);
  const training::Checkpoint sound = training::parse_checkpoint(read_file(file), "f");
  // Steps, the next look, trials, changes, begun, streams; chances; groups.
  const std::array<double, 10> notes{5, 8, 0, 0, 1, 2, 1, 1, 0, 0};
  const std::size_t at = sound.states[0].find(std::string(reinterpret_cast<const char*>(notes.data()), sizeof notes));
  REQUIRE(at != std::string::npos);
  const std::vector<float> before = numbers(model);
  for (const auto& change : std::initializer_list<std::pair<std::size_t, double>>{
           {0, -1}, {2, 1e300}, {5, 1000}, {5, 1}, {6, -1}, {7, NAN}, {8, 1e17}, {9, -1}}) {
    const auto [place, number] = change;
    CAPTURE(change.first);
    training::Checkpoint other = sound;
    std::memcpy(other.states[0].data() + at + place * sizeof number, &number, sizeof number);
    write_file(file, training::checkpoint_bytes(other));
    CHECK_THROWS_WITH_AS(model.load(file), doctest::Contains("is no sound checkpoint: what it says of streams"), Error);
    CHECK(model.drawn().steps == 5);
    CHECK(small::same_bits(numbers(model), before));
    Model fresh({.seed = 5});
    CHECK_THROWS_AS(fresh.load(file), Error);
    CHECK(fresh.drawn().chances.empty());
  }
}

TEST_CASE("a study of a rule that draws streams trains as fit does, and judges by the clusters that were drawn") {
  const auto data = streams(2), valid = streams(2, 2), test = streams(2, 3);
  ask = [](Drawing& now) { now.chances()[1] = 3; };
  study::Options options{.seeds = 1, .first_seed = 5, .epochs = 1, .batch_size = 4, .sampling = Sampling::drawn};
  options.drawn = {.draws = 2, .steps = 8};
  const study::Study found =
      study::compare<Plain, Model>({.train = &data, .test = &test, .validation = &valid}, options);
  auto same = drawn(valid, 1);
  same.drawn = options.drawn;
  Plain plain({.seed = 5});
  plain.fit(data, same);
  Model model({.seed = 5});
  model.fit(data, same);
  REQUIRE(found.runs.size() == 2);
  CHECK(found.runs[0].losses.at(0) == plain.evaluate(test).get<0>().loss);
  CHECK(found.runs[1].losses.at(0) == model.evaluate(test).get<0>().loss);
  CHECK(found.runs[0].losses != found.runs[1].losses);

  data::Clusters photos(2);
  for (std::size_t s = 0; s < 2; ++s)
    for (std::size_t i = 0; i < data.streams()[s].inputs.size(); ++i) photos[s].push_back(i % 3);
  heard.clear();
  ask = [](Drawing& now) { heard.push_back(static_cast<double>(now.judge().clusters)); };
  options.splits = {.test = 0.33, .validation = 0.5};
  const study::Study drawn_anew = study::compare<Plain, Model>({.train = &data, .clusters = &photos}, options);
  ask = nullptr;
  CHECK(drawn_anew.runs[1].error.empty());
  CHECK(heard == std::vector<double>{1, 1, 1});  // one photo of three, of three or four samples
}

TEST_CASE("what a rule can't have is said") {
  const auto data = streams(3), two = streams(2);
  Model model({.seed = 5});
  auto options = drawn(two);
  options.sampling = Sampling::together;
  CHECK_THROWS_AS(model.fit(data, options), Error);
  const auto says = [&](void (*what)(Drawing&), const char* sentence) {
    ask = what;
    Model one({.seed = 5});
    CHECK_THROWS_WITH_AS(one.fit(data, drawn(two)), sentence, Error);
    ask = nullptr;
  };
  says([](Drawing& now) { now.judge(); },
       "mtlx: grouping: the rule judges streams on validation data, which have 2 streams; expected as many as the "
       "training data, 3");
  says([](Drawing& now) { now.chances()[0] = -1; },
       "mtlx: sampling: the chance of stream 0 is -1, expected a number from 0 on");
  says([](Drawing& now) { now.try_out({.chances = now.chances().first(2)}); },
       "mtlx: sampling: 2 chances for 3 streams");
  says([](Drawing& now) { now.pull(3, 4, 0); }, "mtlx: grouping: a rule asked for the pull of stream 3 of 3");
  says([](Drawing& now) { now.set_groups({{0}, {0}}); }, "mtlx: set_groups: stream 0 is in two groups");
  says([](Drawing& now) { now.groups()[1] = 1e17; },
       "mtlx: grouping: a rule's groups of streams have numbers from 0 to 2^20");
  const data::Clusters clusters{{1, 2}};
  options = drawn(two);
  options.validation_clusters = &clusters;
  CHECK_THROWS_WITH_AS(model.fit(data, options),
                       "mtlx: clusters: there are lists for 1 streams, and the data set has 2", Error);
}
