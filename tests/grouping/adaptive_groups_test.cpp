// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <mtlx/grouping/adaptive_groups.hpp>
#include <mtlx/grouping/statistics/bands.hpp>
#include <mtlx/grouping/statistics/isotonic.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;
using namespace mtlx::grouping;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
using Numbers = std::vector<double>;
using By = AdaptiveGroups::By;

/// What is true of the streams of a network that is made up. All gains in dB.
struct Truth {
  Numbers gain;      // what each has to gain by being drawn alone, over what all bring
  Numbers way = {};  // the direction in which it pulls: an angle
  std::size_t photos = 8;
  double photo_noise = 0.03;     // of a score, from photo to photo
  double jitter = 0.005;         // of all photos' scores alike, from weights to weights
  double indicator_noise = 0.2;  // of a pull, in parts
  double common = 0.1;           // what every stream gains in 300 steps on all
  Numbers falls = {};            // dB that a stream loses in 1000 steps while others are drawn more than it
};

/// A network whose streams gain as they are drawn: what is left of a gain halves in 6 steps at a chance of 1.
struct MadeUp final : Drawing {
  Numbers& numbers;
  Truth truth;
  Numbers level, kept;  // of each stream, over the joint network's
  Numbers left;         // of its gain
  Numbers kept_left;
  std::size_t judgings = 0, trials = 0, pulls = 0, backs = 0;

  MadeUp(Numbers& all, const AdaptiveGroups& rule, Truth of, std::uint64_t seed)
      : Drawing(all, of.gain.size(), rule.memory(of.gain.size()), seed),
        numbers(all),
        truth(std::move(of)),
        level(truth.gain.size()),
        left(truth.gain) {}

  void step(const AdaptiveGroups& rule) {
    if (!begun() || due()) {
      if (!begun()) std::fill(chances().begin(), chances().end(), 1.0);
      note_begin(), note_look(false);
      rule.look(*this);
    }
    train(chances(), level, left, 1);
    note_step();
  }
  void finish(const AdaptiveGroups& rule) {
    if (!due()) return;
    note_look(true);
    rule.look(*this);
  }

  Judged judge(std::span<const std::size_t> which) override { return judged(which, level, 1000 + judgings++); }
  std::span<const std::string_view> judged_by() const override {
    static constexpr std::array<std::string_view, 2> names{"psnr", "loss"};
    return names;
  }
  Tried try_out(const Trial& trial) override {
    note_measuring(trial.steps);
    ++trials;
    Numbers there = level, rest = left;
    for (std::size_t step = 0; step < trial.steps; ++step) train(trial.chances, there, rest, 1);
    return {1, 1, judged(trial.judged, there, 1'000'000 * (1 + steps()) + trial.run)};
  }
  Pull pull(std::size_t stream, std::size_t, std::uint64_t run, std::span<double> sketch) override {
    ++pulls;
    Random noise(seed(), Purpose::user, 77'000 + 100 * stream + run);
    const double loss = 0.05 + 0.001 * static_cast<double>(stream);
    const double part = 0.01 + 0.1 * truth.gain[stream];
    for (std::size_t d = 0; d < sketch.size(); ++d)
      sketch[d] = (d == 0   ? std::cos(truth.way[stream])
                   : d == 1 ? std::sin(truth.way[stream])
                            : 0) +
                  0.05 * noise.normal();
    return {loss, loss * part * (1 + truth.indicator_noise * noise.normal())};
  }
  void keep() override { kept = level, kept_left = left; }
  void go_back() override { level = kept, left = kept_left, ++backs; }

 private:
  void train(std::span<const double> chance, Numbers& there, Numbers& rest, double steps_done) const {
    double sum = 0;
    for (const double c : chance) sum += c;
    const auto n = static_cast<double>(streams());
    for (std::size_t s = 0; s < streams(); ++s) {
      const double p = chance[s] / sum;
      const double gained = rest[s] * (1 - std::exp2(-std::max(0.0, p - 1 / n) * steps_done / 6));
      there[s] += gained + truth.common * steps_done / 300, rest[s] -= gained;
      if (!truth.falls.empty() && p < 0.9 / n) there[s] -= truth.falls[s] * steps_done / 1000;
    }
  }
  // PSNR, and a loss that goes with it on a scale of its own. Photo 0 has no sample of stream 1.
  Judged judged(std::span<const std::size_t> which, const Numbers& there, std::uint64_t draw) const {
    Judged result{{which.begin(), which.end()}, truth.photos, 2, {}};
    for (std::size_t s = 0; which.empty() && s < streams(); ++s) result.streams.push_back(s);
    for (const std::size_t s : result.streams) {
      Random noise(seed(), Purpose::user, 10'000 * draw + s);
      const double off = truth.jitter * noise.normal();
      for (std::size_t c = 0; c < truth.photos; ++c) {
        const double db = 25 + 0.1 * static_cast<double>(s) + 3 * std::sin(static_cast<double>(c)) + there[s] + off +
                          truth.photo_noise * noise.normal();
        result.values.push_back(s == 1 && c == 0 ? none : db);
        result.values.push_back(s == 1 && c == 0 ? none : -0.2 + 0.004 * db);
      }
    }
    return result;
  }
};

struct Run {
  AdaptiveGroups rule;
  Numbers numbers;
  MadeUp now;

  Run(const AdaptiveGroups& of, const Truth& truth, std::uint64_t seed = 1)
      : rule(of),
        numbers(Drawing::size(truth.gain.size(), of.memory(truth.gain.size()), 0)),
        now(numbers, of, truth, seed) {
    rule.validate();
  }
  void steps(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) now.step(rule);
  }
  Drawn drawn() const { return Drawing::drawn(numbers, rule.memory(now.streams())); }
  AdaptiveGroups::Found found() const { return AdaptiveGroups::found(drawn()); }
};

// 24 streams: 6 to gain 1.2 dB, 6 0.5, the others nothing.
Truth planted() {
  Truth truth{Numbers(24), Numbers(24)};
  for (std::size_t s = 0; s < 24; ++s) {
    truth.gain[s] = s % 4 == 0 ? 1.2 : s % 4 == 1 ? 0.5 : 0;
    truth.way[s] = s % 8 < 4 ? 0.2 : 2;
  }
  return truth;
}

double least_cost(const Numbers& x, const Numbers& w, std::size_t count, const std::vector<std::size_t>& labels) {
  double cost = 0;
  for (std::size_t k = 0; k < count; ++k) {
    double sum = 0, weight = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (labels[i] == k) sum += w[i] * x[i], weight += w[i];
    for (std::size_t i = 0; i < x.size() && weight > 0; ++i)
      if (labels[i] == k) cost += w[i] * (x[i] - sum / weight) * (x[i] - sum / weight);
  }
  return cost;
}

}  // namespace

TEST_CASE("isotonic: by hand, and the least squares of all rising steps") {
  const Numbers x{3, 1, 2, 4, 2}, y{1, 0, 4, 5, 2}, weights{1, 1, 1, 2, 3};
  const Isotonic hand = isotonic(x, y, weights);  // at 2: (4 + 3 * 2) / 4 = 2.5, above the 1 at 3: (10 + 1) / 5
  CHECK(hand.x == Numbers{1, 2, 3, 4});
  CHECK(hand.y == Numbers{0, 2.2, 2.2, 5});
  CHECK(hand.at(-7) == 0);
  CHECK(hand.at(1.5) == doctest::Approx(1.1));
  CHECK(hand.at(3) == 2.2);
  CHECK(hand.at(3.5) == doctest::Approx(3.6));
  CHECK(hand.at(9) == 5);

  Random random(1, Purpose::user);
  for (std::size_t trial = 0; trial < 60; ++trial) {
    const std::size_t n = 1 + trial % 9;
    Numbers place, value, weight;
    for (std::size_t i = 0; i < n; ++i)
      place.push_back(static_cast<double>(i)), value.push_back(random.normal()),
          weight.push_back(0.1 + random.uniform());
    const Isotonic found = isotonic(place, value, weight);
    double cost = 0, least = 1e9;
    for (std::size_t i = 0; i < n; ++i) {
      cost += weight[i] * (value[i] - found.y[i]) * (value[i] - found.y[i]);
      if (i > 0) CHECK(found.y[i] >= found.y[i - 1]);
    }
    for (std::size_t cuts = 0; cuts < std::size_t{1} << (n - 1); ++cuts) {  // a cut before number i + 1, or none
      std::vector<std::size_t> labels(n);
      for (std::size_t i = 1; i < n; ++i) labels[i] = labels[i - 1] + (cuts >> (i - 1) & 1);
      Numbers sums(n), all(n);
      for (std::size_t i = 0; i < n; ++i) sums[labels[i]] += weight[i] * value[i], all[labels[i]] += weight[i];
      bool rises = true;
      for (std::size_t k = 1; k <= labels.back(); ++k) rises = rises && sums[k] / all[k] >= sums[k - 1] / all[k - 1];
      if (rises) least = std::min(least, least_cost(value, weight, n, labels));
    }
    CHECK(cost == doctest::Approx(least));
  }
  CHECK_THROWS_AS(isotonic(Numbers{}, Numbers{}), Error);
  CHECK_THROWS_AS(isotonic(Numbers{1}, Numbers{none}), Error);
  CHECK_THROWS_AS(isotonic(Numbers{1, 2}, Numbers{1, 2}, Numbers{1, 0}), Error);
}

TEST_CASE("bands: the least cost of all partitions, and as few as errors allow") {
  Random random(2, Purpose::user);
  for (std::size_t trial = 0; trial < 60; ++trial) {
    const std::size_t n = 1 + trial % 8, count = 1 + trial % 4;
    Numbers x, w;
    for (std::size_t i = 0; i < n; ++i)
      x.push_back(1000 + std::round(4 * random.normal()) / 2), w.push_back(0.2 + random.uniform());
    const Bands found = bands(x, w, count);
    CHECK(found.cost == doctest::Approx(least_cost(x, w, found.count(), found.labels)));
    double least = 1e9;
    std::vector<std::size_t> labels(n);
    std::size_t all = 1;
    for (std::size_t i = 0; i < n; ++i) all *= count;
    for (std::size_t code = 0; code < all; ++code) {
      for (std::size_t i = 0, rest = code; i < n; ++i, rest /= count) labels[i] = rest % count;
      least = std::min(least, least_cost(x, w, count, labels));
    }
    CHECK(found.cost == doctest::Approx(least));
    CHECK(std::is_sorted(found.means.begin(), found.means.end()));
  }
  CHECK(bands(Numbers{2, 1, 2}, Numbers{1, 1, 1}, 3).labels == std::vector<std::size_t>{1, 0, 1});
  CHECK(bands(Numbers{}, Numbers{}, 2).count() == 0);
  CHECK_THROWS_AS(bands(Numbers{1}, Numbers{1}, 0), Error);
  CHECK_THROWS_AS(bands(Numbers{none}, Numbers{1}, 1), Error);

  const Numbers x{0, 0.1, 1, 1.1, 3, 3.1};
  const auto apart = [&](double error) { return bands_apart(x, Numbers(6, error), 4).labels; };
  CHECK(apart(0.3) == std::vector<std::size_t>{0, 0, 1, 1, 2, 2});
  CHECK(apart(0.6) == std::vector<std::size_t>{0, 0, 0, 0, 1, 1});
  CHECK(apart(2) == std::vector<std::size_t>(6));
  CHECK(bands_apart(Numbers{}, Numbers{}, 3).count() == 0);
}

TEST_CASE("AdaptiveGroups: planted groups, what they cost, and that they are left") {
  const AdaptiveGroups of{.joint_steps = 20, .relative = 0};
  Run run(of, planted());
  run.steps(20);
  run.now.finish(run.rule);  // nothing is measured for steps that don't come
  CHECK(run.now.trials == 0);
  CHECK_FALSE(run.found().grouped);
  CHECK(run.drawn().chances == Numbers(24, 1.0 / 24));
  CHECK(run.rule.text(run.drawn(), {}) ==
        "AdaptiveGroups: no groups yet; they are looked for after 20 steps on all streams alike.\n");
  run.steps(1);
  const AdaptiveGroups::Found first = run.found();
  CHECK(first.at == 20);
  CHECK(first.measured == 10);
  CHECK(first.correlation > 0.7);
  CHECK(first.measuring == 24 * 51 + 12 * 250);
  CHECK(first.measuring <= run.rule.measuring_steps(24));
  // A tenth of TGSR's at any number of streams.
  for (const std::size_t streams : {1UL, 20UL, 100UL, 4000UL})
    CHECK(run.rule.measuring_steps(streams) <= (100 * streams + 40000) / 10);
  CHECK(run.now.trials == 12 + 24);

  Drawn drawn = run.drawn();
  REQUIRE(drawn.groups.size() == 2);
  CHECK(drawn.groups[0] == std::vector<std::size_t>{0, 4, 8, 12, 16, 20});
  CHECK(drawn.groups[1] == std::vector<std::size_t>{1, 5, 9, 13, 17, 21});
  for (std::size_t s = 0; s < 24; ++s) {
    CHECK(drawn.chances[s] == doctest::Approx(0.2 / 24 + (s % 4 < 2 ? 0.4 / 6 : 0)));
    CHECK(first.gain[s] == doctest::Approx(run.now.truth.gain[s]).epsilon(0.1).scale(1));
  }
  const std::vector<std::string> names(24, "blur");
  CHECK(run.rule.text(drawn, names).find("Unsatisfied were 12 streams") != std::string::npos);

  // The same numbers, the same groups; a copy of what is kept goes on the same.
  Run again(of, planted());
  again.steps(21);
  CHECK(std::equal(again.numbers.begin(), again.numbers.end(), run.numbers.begin(), [](double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  }));

  run.steps(250);
  CHECK(run.found().looks == 1);
  CHECK(run.found().share == 0.8);
  run.now.truth.common = 0;  // no stream gains any more but by what it has left
  run.now.truth.photo_noise = 0.01;
  run.steps(4000);
  drawn = run.drawn();
  CHECK(drawn.groups.empty());
  CHECK(run.found().left[0]);
  CHECK(run.found().went_back == 0);
  for (const double chance : drawn.chances) CHECK(chance == doctest::Approx(1.0 / 24));
  // One of them loses again, and comes back.
  run.now.level[4] -= 0.3;
  run.steps(250);
  drawn = run.drawn();
  REQUIRE(drawn.groups.size() == 1);
  CHECK(drawn.groups[0] == std::vector<std::size_t>{4});
  CHECK(run.rule.text(drawn, {}).find("have left their groups") != std::string::npos);
}

TEST_CASE("AdaptiveGroups: by where streams pull, by both, by none") {
  const auto groups = [](By by, const Truth& truth) {
    Run run({.by = by, .sketch = 32}, truth);
    run.steps(1);
    return run.drawn().groups;
  };
  const StreamGroups clusters = groups(By::clusters, planted());
  REQUIRE(clusters.size() == 2);
  CHECK(clusters[0] == std::vector<std::size_t>{0, 1, 8, 9, 16, 17});
  CHECK(clusters[1] == std::vector<std::size_t>{4, 5, 12, 13, 20, 21});
  CHECK(groups(By::both, planted()).size() == 4);
  CHECK(groups(By::none, planted()).size() == 1);
  Truth one_way = planted();
  std::fill(one_way.way.begin(), one_way.way.end(), 0.3);
  CHECK(groups(By::clusters, one_way).size() == 1);
}

TEST_CASE("AdaptiveGroups: few are called unsatisfied who are not, and who is, is found") {
  // In the first 200 runs no stream gains more than is not worth it, in the others 6 do.
  std::size_t wrong = 0, found = 0;
  double false_share = 0;
  for (std::uint64_t seed = 1; seed <= 260; ++seed) {
    Truth truth{Numbers(20, 0.05)};
    for (std::size_t s = 2; seed > 200 && s < 20; s += 3) truth.gain[s] = 0.8;
    truth.jitter = 0.02;
    truth.photo_noise = 0.1;
    Run run({}, truth, seed);
    run.steps(1);
    double falsely = 0, called = 0;
    const Drawn drawn = run.drawn();
    for (const auto& group : drawn.groups)
      for (const std::size_t s : group)
        (truth.gain[s] > 0.1 ? found : wrong) += seed > 200 ? 1 : 0, called += 1,
            falsely += truth.gain[s] > 0.1 ? 0 : 1;
    if (seed <= 200) false_share += called > 0 ? 1.0 / 200 : 0;
    if (seed == 200) {
      MESSAGE("none: in a share of ", false_share, " of 200 runs somebody");
      CHECK(false_share <= 0.1);
      false_share = 0;
    }
    if (seed > 200 && called > 0) false_share += falsely / called / 60;
  }
  MESSAGE("six: found ", found, " of 360, wrongly ", wrong, ", a share of ", false_share);
  CHECK(false_share <= 0.1);
  CHECK(found >= 200);
}

TEST_CASE("AdaptiveGroups: the guard goes back, and draws who lost more often") {
  Truth truth = planted();
  truth.falls.assign(24, 0);
  truth.falls[7] = 4;
  Run run({}, truth);
  run.steps(251);
  CHECK(run.now.backs == 1);
  CHECK(run.found().went_back == 1);
  CHECK(run.found().went_for_all == 0);
  CHECK(run.found().raised[7] == 2);  // in the first metric, and in the score
  CHECK(run.found().share == 0.4);
  CHECK(run.drawn().chances[7] > 1.5 / 24);
  CHECK(run.rule.text(run.drawn(), {})
            .find("Stream 7 lost against the joint network and is drawn more often than there") != std::string::npos);
  run.steps(2000);
  CHECK(run.now.backs == 1);
  CHECK(run.now.level[7] > -0.1);

  Run alone({.guard = false}, truth);
  alone.steps(1000);
  CHECK(alone.now.backs == 0);
  CHECK(alone.now.level[7] < -1);
}

TEST_CASE("AdaptiveGroups: what streams lose together, after the last step too, costs the groups their share") {
  Truth truth = planted();
  truth.common = 0;
  truth.falls.assign(24, 0.1);  // 0.025 from look to look: too little to be seen in any of them
  Run run({.relative = 0}, truth);
  run.steps(250);
  CHECK(run.now.backs == 0);
  run.now.finish(run.rule);
  CHECK(run.now.backs == 1);
  CHECK(run.found().went_for_all == 1);
  CHECK(run.found().share == doctest::Approx(0.2));
  for (const std::size_t raised : run.found().raised) CHECK(raised == 0);
  run.steps(3000);  // with a twentieth for the groups nobody falls any more
  CHECK(run.now.backs == 2);
  CHECK(run.found().share == doctest::Approx(0.05));
  CHECK(run.rule.text(run.drawn(), {}).find("2 of them because the streams in no group had lost together") !=
        std::string::npos);
  for (double& fall : run.now.truth.falls) fall = 2;
  run.now.truth.common = -0.1;  // lost whatever is drawn
  run.steps(1000);
  CHECK(run.found().share == 0);
  CHECK(run.rule.text(run.drawn(), {}).find("All streams are drawn alike now") != std::string::npos);

  Run alone({.relative = 0, .guard = false}, truth);
  alone.steps(1000);
  alone.now.finish(alone.rule);
  CHECK(alone.now.backs == 0);
}

TEST_CASE("AdaptiveGroups: all streams by their losses, and nobody too often for a group's sake") {
  Truth truth{Numbers(24)};
  truth.gain[3] = 2;
  truth.photo_noise = truth.jitter = 0;
  Run run({}, truth);
  run.steps(1);
  const Drawn drawn = run.drawn();
  REQUIRE(drawn.groups == StreamGroups{{3}});
  // Losses are 0.2 - 0.004 dB with 25 + 0.1 s dB and what photos add.
  const auto loss = [&](std::size_t s) {
    double sum = 0, count = 0;
    for (std::size_t c = s == 1 ? 1 : 0; c < truth.photos; ++c)
      sum += 0.2 - 0.004 * (25 + 0.1 * static_cast<double>(s) + 3 * std::sin(static_cast<double>(c))), count += 1;
    return sum / count;
  };
  for (const std::size_t s : {0UL, 1UL, 10UL, 23UL}) {
    CHECK(drawn.chances[s] / drawn.chances[5] == doctest::Approx(loss(5) / loss(s)));
    CHECK(drawn.chances[3] - drawn.chances[s] * loss(s) / loss(3) == doctest::Approx(4.0 / 24));
  }
}

TEST_CASE("AdaptiveGroups: odd streams and options") {
  Run one({}, Truth{{1}});  // nobody to go with, and as good as measured
  one.steps(600);
  CHECK(one.drawn().chances == Numbers{1});
  Run two({}, Truth{{0, 1, 1}});  // less than are fine-tuned
  two.steps(1);
  CHECK(two.found().measured == 3);
  Truth single{{1, 1}};
  single.photos = 1;
  CHECK_THROWS_WITH_AS(Run({}, single).steps(1),
                       "mtlx: AdaptiveGroups: no stream could be measured; it takes validation samples of two photos "
                       "(clusters) or more",
                       Error);
  // More photos than slots.
  Truth many = planted();
  many.photos = 40;
  Run photos({}, many);
  photos.steps(1);
  CHECK(photos.found().unsatisfied == 12);
  for (const AdaptiveGroups& wrong :
       {AdaptiveGroups{.samples = 1}, AdaptiveGroups{.fine_tunes = 3}, AdaptiveGroups{.every = 0},
        AdaptiveGroups{.false_share = 0}, AdaptiveGroups{.uniform = 0}, AdaptiveGroups{.rho = -1},
        AdaptiveGroups{.relative = -1}, AdaptiveGroups{.at_most = none}, AdaptiveGroups{.guard_alpha = 1},
        AdaptiveGroups{.delta = none}, AdaptiveGroups{.most = 0}})
    CHECK_THROWS_AS(wrong.validate(), Error);
}
