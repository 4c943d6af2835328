// SPDX-License-Identifier: MIT
// usage: bench/grouping/affinity.sh [--data DIR] [--pictures N] [--epochs N] [--seed N] [--rounds N] [--only along|cost|groups]
//
// Are cheap measures of affinity as good as the dear one? Fashion-MNIST's nine attributes (DIR has its four files) on
// LeNet28, equal weights, batches of 128; docs/affinity.md has the tables.
//
//   along   at EVERY step of whole trainings: the exact lookahead A, first order F of the same step, on the batch and on
//           held-out samples; what estimators make of it that see only some of that, against the mean of all A
//   cost    epochs with a measure looking on, in turns with epochs without, as shares of a step with gradients of each task
//   groups  how much of what partners do to a task's loss is no sum of what each of them does, after 1, 20, 200 steps
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <mtlx/data/fashion_attributes.hpp>
#include <mtlx/grouping/affinity/corrected.hpp>
#include <mtlx/grouping/affinity/cosine.hpp>
#include <mtlx/grouping/affinity/first_order.hpp>
#include <mtlx/grouping/affinity/gain.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/affinity/odd.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/statistics.hpp>
#include <mtlx/training/affinity.hpp>
#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;
using grouping::Evaluation;
using grouping::StepKind;

namespace {

/// Equal weights, and the gradient of each task all the same: what measures are compared with is a step that has them.
struct EqualGradients {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::gradients;
  void weights(const balancing::Problem&, NoState&, std::span<double> w) const { std::fill(w.begin(), w.end(), 1.0); }
};

template <Name name>
using Yes = BinaryLabels<name, 1>;
using Nine = Tasks<Classification<"region", 4>, Classification<"shoe", 3>, Yes<"long_sleeves">, Yes<"opens">,
                   Yes<"ink">, Yes<"bright">, Yes<"left">, Yes<"tall">, Yes<"textured">>;
using Five = Tasks<Classification<"region", 4>, Yes<"long_sleeves">, Yes<"ink">, Yes<"tall">, Yes<"textured">>;
using LeNet28 = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                               nn::Relu, nn::Dense<50>, nn::Relu>;
template <class Optimizing>
using Model = MultiTask<Input<1, 28, 28>, Nine, sharing::Hard<LeNet28>, EqualGradients, Optimizing>;
constexpr std::size_t tasks = Nine::count, cells = tasks * tasks, batch = 128, parts = 8, block = 10;

struct Settings {
  std::string data = "/usr/share/datasets/fashion-mnist", only;
  std::size_t pictures = 0, epochs = 3, rounds = 5;
  std::uint64_t seed = 1;
};

/// Everything that can be seen of a moment, at every step.
struct Everything final : grouping::Watch {
  Evaluation on;
  StepKind kind;
  bool dear;                                             // first order where losses are evaluated
  std::vector<std::vector<double>> exact, first, cheap;  // a table each look: A, F, F on the step's batch

  Everything(Evaluation where, StepKind steps, bool all) : on(where), kind(steps), dear(all) {}
  Evaluation evaluation() const override { return on; }
  StepKind step_kind() const override { return kind; }
  bool wants(std::size_t) const override { return true; }
  void look(grouping::Moment& moment) override {
    const std::vector<double> nothing(cells, std::numeric_limits<double>::quiet_NaN());
    for (auto* tables : {&exact, &first, &cheap}) tables->push_back(nothing);
    grouping::Lookahead{}.look(moment, exact.back());
    grouping::Corrected{.block = std::numeric_limits<std::uint32_t>::max()}.look(moment, cheap.back());
    if (dear) grouping::FirstOrder{}.look(moment, first.back());
  }
};

// Pairs of two tasks that were there at every step.
std::vector<std::size_t> usable(const Everything& all) {
  std::vector<std::size_t> found;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    bool good = cell / tasks != cell % tasks;
    for (const auto* tables : {&all.exact, &all.cheap})
      for (const auto& table : *tables) good = good && !is_nan(table[cell]);
    if (good) found.push_back(cell);
  }
  return found;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mx += x[i] / n, my += y[i] / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx), yy += (y[i] - my) * (y[i] - my), xy += (x[i] - mx) * (y[i] - my);
  }
  return xy / std::sqrt(xx * yy);
}

// A mean over the parts of a run, with its t interval.
std::string told(const std::vector<double>& numbers, const char* form) {
  const auto i = study::t_interval(numbers);
  std::array<char, 3 * 32> text{};
  std::array<char, 64> all{};
  std::snprintf(all.data(), all.size(), "%s (%s to %s)", form, form, form);
  std::snprintf(text.data(), text.size(), all.data(), i.estimate, i.lower, i.upper);
  return text.data();
}

using Series = std::vector<std::vector<double>>;  // (steps, cells)

double mean_of(const Series& s, std::size_t cell, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += s[i][cell];
  return sum / static_cast<double>(end - begin);
}

// Squared error of what an estimator says of the mean of A over steps [begin, end), in the mean over its random choices and
// over the pairs.
struct Errors {
  double lookahead = 0, first = 0, corrected = 0;
};
Errors errors(const Series& exact, const Series& control, const std::vector<std::size_t>& pairs, std::size_t begin,
              std::size_t end) {
  Errors sum;
  const auto count = static_cast<double>(pairs.size()), blocks = static_cast<double>(end - begin) / block;
  for (const std::size_t cell : pairs) {
    const double truth = mean_of(exact, cell, begin, end), first = mean_of(control, cell, begin, end);
    sum.first += (first - truth) * (first - truth) / count;
    for (std::size_t phase = 0; phase < block; ++phase) {
      double some = 0;
      for (std::size_t i = begin + phase; i < end; i += block) some += exact[i][cell] / blocks;
      sum.lookahead += (some - truth) * (some - truth) / block / count;
    }
    for (std::size_t b = begin; b < end; b += block) {
      double mean = 0, square = 0;
      for (std::size_t i = b; i < b + block; ++i) {
        const double apart = exact[i][cell] - control[i][cell];
        mean += apart / block, square += apart * apart / block;
      }
      sum.corrected += (square - mean * mean) / blocks / blocks / count;
    }
  }
  return sum;
}

void print_along(const char* name, const Everything& all) {
  const std::vector<std::size_t> pairs = usable(all);
  const std::size_t length = all.exact.size() / parts / block * block;
  if (length == 0 || pairs.empty()) fail("bench: too few steps for ", parts, " parts of ", block);
  std::vector<double> exact, bias, each, of_rows;
  std::array<std::vector<double>, 6> error;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t begin = part * length, end = begin + length;
    std::vector<double> a, f, row_a, row_f;
    for (std::size_t i = begin; i < end; ++i) {
      std::array<double, tasks> mean_a{}, mean_f{}, number{};
      for (const std::size_t cell : pairs) {
        a.push_back(all.exact[i][cell]), f.push_back(all.cheap[i][cell]);
        mean_a[cell / tasks] += a.back(), mean_f[cell / tasks] += f.back(), number[cell / tasks] += 1;
      }
      for (const std::size_t cell : pairs) {
        const std::size_t row = cell / tasks;
        row_a.push_back(all.exact[i][cell] - mean_a[row] / number[row]);
        row_f.push_back(all.cheap[i][cell] - mean_f[row] / number[row]);
      }
    }
    each.push_back(correlation(a, f));
    of_rows.push_back(correlation(row_a, row_f));
    double sum_a = 0, sum_f = 0;
    for (const std::size_t cell : pairs) {
      sum_a += mean_of(all.exact, cell, begin, end) / static_cast<double>(pairs.size());
      sum_f += mean_of(all.cheap, cell, begin, end) / static_cast<double>(pairs.size());
    }
    exact.push_back(1e3 * sum_a), bias.push_back(1e3 * (sum_f - sum_a));
    const Errors e = errors(all.exact, all.cheap, pairs, begin, end);
    error[0].push_back(1e6 * e.lookahead), error[1].push_back(1e6 * e.first), error[2].push_back(1e6 * e.corrected);
    error[3].push_back(e.lookahead / e.corrected);
    if (!all.dear) continue;
    const Errors d = errors(all.exact, all.first, pairs, begin, end);
    error[4].push_back(1e6 * d.first), error[5].push_back(1e6 * d.corrected);
  }
  // Of the whole run: which pair is better than which?
  std::vector<double> truth, first;
  for (const std::size_t cell : pairs) {
    truth.push_back(mean_of(all.exact, cell, 0, parts * length));
    first.push_back(mean_of(all.cheap, cell, 0, parts * length));
  }
  double lookahead = 0, corrected = 0;
  constexpr std::size_t draws = 50;
  for (std::size_t draw = 0; draw < draws; ++draw) {
    std::vector<double> some, put_right;
    Random random(draw, Purpose::user);
    std::vector<std::size_t> chosen;
    for (std::size_t b = 0; b < parts * length; b += block) chosen.push_back(b + random.below(block));
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      double sum = 0, apart = 0;
      for (const std::size_t i : chosen) {
        sum += all.exact[i][pairs[p]];
        apart += all.exact[i][pairs[p]] - all.cheap[i][pairs[p]];
      }
      const auto m = static_cast<double>(chosen.size());
      some.push_back(sum / m);
      put_right.push_back(first[p] + apart / m);
    }
    lookahead += correlation(some, truth) / draws;
    corrected += correlation(put_right, truth) / draws;
  }
  std::printf("\n### %s: %zu steps, %zu pairs\n\n", name, all.exact.size(), pairs.size());
  std::printf("- mean of A, thousandths: %s; bias of F: %s\n", told(exact, "%.3f").c_str(), told(bias, "%.3f").c_str());
  std::printf("- correlation of F with A, step by step: %s; of their row contrasts: %s\n", told(each, "%.3f").c_str(),
              told(of_rows, "%.3f").c_str());
  std::printf(
      "- correlation over pairs with the mean of A over the run: F %.4f, A every %zuth step %.4f, corrected %.4f\n",
      correlation(first, truth), block, lookahead, corrected);
  std::printf("- mean squared error of an eighth's mean, millionths: A every %zuth step %s, F %s, corrected %s\n",
              block, told(error[0], "%.4f").c_str(), told(error[1], "%.4f").c_str(), told(error[2], "%.4f").c_str());
  std::printf("- A every %zuth step over corrected: %s times\n", block, told(error[3], "%.1f").c_str());
  if (all.dear)
    std::printf("- with F on the held-out samples: F %s, corrected %s\n", told(error[4], "%.4f").c_str(),
                told(error[5], "%.4f").c_str());
  std::fflush(stdout);
}

template <class Optimizing>
void along(const char* name, const Optimizing& optimizer, const data::Parts& data, const Settings& s) {
  Model<Optimizing> model{{.optimizer = optimizer, .seed = s.seed}};
  Everything same(Evaluation::same_batch, StepKind::optimizer, false),
      plain(Evaluation::same_batch, StepKind::gradient, false), held(Evaluation::held_out, StepKind::optimizer, true),
      held_plain(Evaluation::held_out, StepKind::gradient, true);
  training::AffinityProbe<float> a(same), b(plain), c(held, &data.validation), d(held_plain, &data.validation);
  std::vector<training::Probe<float>*> probes{&a, &c};
  if (optimizer.states == 1) probes = {&a, &b, &c, &d};
  model.fit(data.train, {.epochs = s.epochs, .batch_size = batch, .probes = probes});
  std::printf("\n## %s\n", name);
  print_along("the optimizer's step, the step's own batch", same);
  print_along("the optimizer's step, held-out samples", held);
  if (plain.exact.empty()) return;
  print_along("plain gradient steps, the step's own batch", plain);
  print_along("plain gradient steps, held-out samples", held_plain);
}

template <class Optimizing>
void cost(const char* name, const Optimizing& optimizer, const data::Parts& data, const Settings& s) {
  const data::DataSet little = data::take(data.train, 6000);
  std::vector<std::pair<std::string, std::vector<double>>> rows;
  const auto spent = [&](std::vector<training::Probe<float>*> probes) {
    Model<Optimizing> model{{.optimizer = optimizer, .backend = {.threads = 1}, .seed = s.seed}};
    // The processor's time, not the wall's: others may be at work on the machine.
    const std::clock_t begin = std::clock();
    model.fit(little, {.epochs = 1, .batch_size = batch, .probes = std::move(probes)});
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  std::vector<double> base;
  for (std::size_t round = 0; round < s.rounds; ++round) {
    std::size_t row = 0;
    const auto entry = [&](auto measure, Evaluation on, StepKind kind, const char* what) {
      grouping::Watching watch(measure, on, kind);
      training::AffinityProbe<float> probe(watch, &data.validation);
      const double without = spent({}), with = spent({&probe});
      base.push_back(without);
      if (row == rows.size()) {
        rows.push_back({std::string(watch.seen().measure) + what, {}});
        if (on == Evaluation::held_out) rows.back().first += ", held out";
        if (kind == StepKind::gradient) rows.back().first += ", plain gradient";
      }
      rows[row++].second.push_back(100 * (with / without - 1));
    };
    for (const StepKind kind : {StepKind::optimizer, StepKind::gradient})
      for (const Evaluation on : {Evaluation::same_batch, Evaluation::held_out}) {
        entry(grouping::Lookahead{.every = 1}, on, kind, " every step");
        entry(grouping::Lookahead{.every = 10}, on, kind, " every 10th step");
        entry(grouping::FirstOrder{.every = 1}, on, kind, " every step");
        entry(grouping::FirstOrder{.every = 10}, on, kind, " every 10th step");
        entry(grouping::Corrected{.every = 1, .block = 10}, on, kind, " every step, 1 of 10 exact");
        entry(grouping::Corrected{.every = 5, .block = 2}, on, kind, " every 5th step, 1 of 2 exact");
      }
    entry(grouping::Odd{.every = 10}, Evaluation::held_out, StepKind::optimizer, " every 10th step");
    entry(grouping::Gain{.every = 10}, Evaluation::held_out, StepKind::optimizer, " every 10th step");
    entry(grouping::Cosine{.every = 1}, Evaluation::same_batch, StepKind::gradient, " every step");
  }
  std::printf("\n## Cost, %s, one thread: on top of a step with gradients of each task, %%\n\n", name);
  std::printf("| measure | median | least to most |\n|---|---|---|\n");
  for (auto& [what, times] : rows) {
    std::sort(times.begin(), times.end());
    std::printf("| %s | %.0f | %.0f to %.0f |\n", what.c_str(), times[times.size() / 2], times.front(), times.back());
  }
  std::sort(base.begin(), base.end());
  std::printf("\nA step takes %.2f ms (median of %zu).\n",
              1e3 * base[base.size() / 2] / std::ceil(static_cast<double>(little.size()) / batch), base.size());
  std::fflush(stdout);
}

/// Trains all sets of tasks from some states of a joint training, on the same batches.
struct Rollouts {
  static constexpr auto kind = Kind::grouping;

  grouping::Plan find(grouping::Workshop& workshop) const {
    constexpr std::size_t n = Five::count, sets = std::size_t{1} << n;
    workshop.hold_out(0);
    const std::array shares{0.1, 0.5, 0.9};
    const grouping::Trained joint = workshop.train({.members = TaskSet::first(n), .snapshots = shares});
    std::printf("\n| steps | single partners | pairs | triples | all four |\n|---|---|---|---|---|\n");
    for (const std::size_t steps : {1, 20, 200}) {
      std::array<std::vector<double>, n> of_order;  // shares of the variance : (states x tasks)
      for (std::size_t state = 0; state < shares.size(); ++state) {
        std::array<std::vector<double>, sets> losses;
        for (std::size_t bits = 1; bits < sets; ++bits) {
          const TaskSet set = TaskSet::of_bits(bits);
          losses[bits] =
              workshop.train({.members = set, .run = 1, .steps = steps, .from = &joint.states[state]}).losses;
        }
        for (std::size_t t = 0; t < n; ++t) add(losses, t, of_order);
      }
      std::printf("| %zu ", steps);
      for (std::size_t order = 1; order < n; ++order) {
        std::sort(of_order[order].begin(), of_order[order].end());
        double mean = 0;
        for (const double share : of_order[order]) mean += 100 * share / static_cast<double>(of_order[order].size());
        std::printf("| %.1f (%.1f to %.1f) ", mean, 100 * of_order[order].front(), 100 * of_order[order].back());
      }
      std::printf("|\n");
      std::fflush(stdout);
    }
    return {{{TaskSet::first(n), TaskSet::first(n)}}};
  }

 private:
  // The partners' effect on task t, as sums and interactions of partners that are there (+1) or not (-1): the terms don't
  // overlap, and their squares add up to the variance over all sets.
  template <std::size_t sets, std::size_t n>
  static void add(const std::array<std::vector<double>, sets>& losses, std::size_t t,
                  std::array<std::vector<double>, n>& of_order) {
    std::array<double, n> sum{};
    double all = 0;
    for (std::size_t term = 0; term < sets; ++term) {
      if ((term >> t & 1) != 0) continue;
      double effect = 0;
      for (std::size_t set = 0; set < sets; ++set) {
        if ((set >> t & 1) != 0) continue;
        const double sign = std::popcount(term & ~set) % 2 == 0 ? 1 : -1;
        effect += sign * -std::log(losses[set | std::size_t{1} << t][t]) / (sets / 2);
      }
      const auto order = static_cast<std::size_t>(std::popcount(term));
      if (order == 0) continue;
      sum[order] += effect * effect, all += effect * effect;
    }
    for (std::size_t order = 1; order < n; ++order) of_order[order].push_back(sum[order] / all);
  }
};

template <class Optimizing>
void groups(const char* name, const Optimizing& optimizer, const data::Parts& data, const Settings& s) {
  using Joint =
      MultiTask<Input<1, 28, 28>, Five, sharing::Hard<LeNet28>, balancing::EqualWeights, Optimizing, Rollouts>;
  const auto train = data::select(data.train, Five::names), validation = data::select(data.validation, Five::names);
  Joint model{{.optimizer = optimizer, .seed = s.seed}};
  std::printf("\n## Groups, %s: shares of the variance over sets of partners, %% (least to most task and state)\n",
              name);
  model.find_plan(train, {.epochs = s.epochs, .batch_size = batch, .validation = &validation});
}

Settings settings_of(int count, char** words) {
  Settings s;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (i + 1 == count) fail("bench: \"", word, "\" needs a value");
    const char* value = words[++i];
    if (word == "--data")
      s.data = value;
    else if (word == "--pictures")
      s.pictures = std::strtoull(value, nullptr, 10);
    else if (word == "--epochs")
      s.epochs = std::strtoull(value, nullptr, 10);
    else if (word == "--seed")
      s.seed = std::strtoull(value, nullptr, 10);
    else if (word == "--rounds")
      s.rounds = std::strtoull(value, nullptr, 10);
    else if (word == "--only")
      s.only = value;
    else
      fail("bench: no option \"", word, "\"");
  }
  return s;
}

}  // namespace

int main(int count, char** words) try {
  const Settings s = settings_of(count, words);
  data::Parts data = data::fashion_attribute_parts(0.1, s.data, s.pictures);
  data::normalise(data.train, {&data.validation, &data.test});
  const optim::Sgd sgd{.learning_rate = 0.02, .momentum = 0.9};
  const optim::Adam adam{.learning_rate = 1e-3};
  if (s.only.empty() || s.only == "along") {
    along("SGD, momentum 0.9, learning rate 0.02", sgd, data, s);
    along("Adam, learning rate 0.001", adam, data, s);
  }
  if (s.only.empty() || s.only == "cost") {
    cost("SGD with momentum", sgd, data, s);
    cost("Adam", adam, data, s);
  }
  if (s.only.empty() || s.only == "groups") {
    groups("SGD", sgd, data, s);
    groups("Adam", adam, data, s);
  }
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
