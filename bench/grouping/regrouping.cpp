// SPDX-License-Identifier: MIT
// usage: regrouping fashion|yeast [--data PATH] [--samples N] [--passes N] [--seeds N] [--every N] [--looks N] [--rate X]
//
// Does regrouping while training help? One network is trained by turns of groups, for as many passes in each method:
//   together    all tasks in every step
//   selective   SelectiveUpdates
//   dynamic     DynamicGroups
//   always      the same without its test: the candidate after every block
//   random      groups of the sizes that `dynamic` had with that seed, from the same batches on, of tasks drawn at random
//   rash        the same of `always`
//   apart       each task in a turn of its own
// A pass is forward and backward over one batch. A look of DynamicGroups takes the gradients of T tasks on the batch and on as
// many held-out samples and counts 2 (1 + 2 T) / 3 passes; a forward pass of SelectiveUpdates a third; the samples that are set
// aside are not trained on. Each method's test metrics are those after the epoch, within its passes, whose mean validation loss
// was lowest: many passes on few samples would else favour who moves least. Printed is by how many percent they are better than
// those of `together` with the same seed, in the mean over tasks, with a 95 % t interval over seeds.
//
// fashion: nine questions about pictures (data/fashion_attributes.hpp), LeNet. yeast: fourteen labels of the file that
// scripts/data/yeast.sh makes, an MLP.
//
//   g++ -std=c++20 -O3 -DNDEBUG -march=native -DMTLX_USE_ZLIB -Iinclude -isystem /usr/include/eigen3
//     bench/grouping/regrouping.cpp -o build/regrouping -pthread -lz
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/fashion_attributes.hpp>
#include <mtlx/data/multi_label.hpp>
#include <mtlx/data/parts.hpp>
#include <mtlx/grouping/dynamic_groups.hpp>
#include <mtlx/grouping/selective_updates.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/statistics.hpp>
#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;
using grouping::GroupHistory;
using grouping::Regrouping;

namespace {

enum class Method { together, selective, dynamic, always, random, rash, apart };
constexpr std::array names{"together", "selective", "dynamic", "always", "random", "rash", "apart"};

/// All methods as one rule, so that a model is compiled once.
struct Rule {
  static constexpr auto kind = Kind::grouping;
  Method method = Method::together;
  grouping::SelectiveUpdates selective{};
  grouping::DynamicGroups dynamic{};
  std::vector<grouping::GroupChange> script{};  // of `random` and `rash`
  double held_out = 0;

  bool looks_on() const { return method == Method::dynamic || method == Method::always; }
  std::vector<grouping::Group> plan(std::size_t tasks) const { return dynamic.plan(tasks); }
  static constexpr std::size_t memory(std::size_t tasks) {
    return std::max(grouping::SelectiveUpdates::memory(tasks), grouping::DynamicGroups::memory(tasks));
  }
  void begin(Regrouping& now) const {
    if (looks_on()) dynamic.begin(now);
    if (method == Method::selective || method == Method::apart) selective.begin(now);
  }
  std::size_t turns(Regrouping& now, std::span<TaskSet> to) const {
    if (method == Method::selective) return selective.turns(now, to);
    if (method == Method::random || method == Method::rash)
      for (const grouping::GroupChange& change : script)
        if (change.batch == now.batches()) {
          std::vector<std::size_t> labels(now.tasks());
          for (std::size_t g = 0; g < change.groups.size(); ++g)
            for (std::size_t t = 0; t < labels.size(); ++t)
              if (change.groups[g].has(t)) labels[t] = g;
          Random random = now.random();
          random.shuffle(std::span(labels));
          now.regroup(labels);
        }
    return now.deal_shuffled(to);
  }
  bool looks_after(const Regrouping& now) const { return method == Method::selective && selective.looks_after(now); }
  void took(Regrouping& now, const grouping::GroupStep& step) const {
    if (method == Method::selective) selective.took(now, step);
  }
  bool wants(const Regrouping& now) const { return looks_on() && dynamic.wants(now); }
  void look(Regrouping& now, grouping::Moment& moment) const { dynamic.look(now, moment); }
};

struct Options {
  std::string source, data;
  std::size_t samples = 0, passes = 4000, seeds = 5, every = 32, looks = 2;
  float rate = 1e-3F;
};

/// Ends a training when its passes are spent.
struct Spent {};
template <class Model>
struct Budget : training::Observer {
  Model* model = nullptr;
  const data::DataSet* test = nullptr;
  double best = std::numeric_limits<double>::max(), after = 0;
  std::array<double, Model::tasks> values{}, losses{};
  const Rule* rule = nullptr;
  double budget = 0, look = 0;

  double spent() const {
    const GroupHistory now = model->groups();
    double extra = 0;
    if (rule->looks_on())
      extra = look * static_cast<double>((now.batches + rule->dynamic.every - 1) / rule->dynamic.every);
    // While all tasks are one group, a batch of SelectiveUpdates takes one more forward pass.
    if (rule->method == Method::selective && now.groups.size() == 1) alone += 1;
    return static_cast<double>(now.passes) + extra + alone / 3;
  }
  void on_step(const training::Step&) override {
    if (spent() >= budget) throw Spent{};
  }
  void on_epoch(const training::Epoch& epoch) override {
    if (!(epoch.monitor < best)) return;
    best = epoch.monitor;
    after = spent();
    const auto scores = model->evaluate(*test);
    values = scores.metrics();
    losses = scores.losses();
  }
  mutable double alone = 0;
};

template <class Model>
void compare(const data::Parts& parts, const Options& options) {
  constexpr std::size_t tasks = Model::tasks;
  std::vector<std::vector<double>> gains(names.size()), losses(names.size());
  std::vector<double> batches(names.size()), changes(names.size()), best(names.size());
  for (std::uint64_t seed = 1; seed <= options.seeds; ++seed) {
    std::array<double, tasks> base{};
    GroupHistory dynamic, always;
    for (std::size_t m = 0; m < names.size(); ++m) {
      Rule rule{.method = static_cast<Method>(m)};
      rule.dynamic = {.every = options.every, .looks = options.looks};
      if (rule.method == Method::always) rule.dynamic.when = grouping::DynamicGroups::When::always;
      if (rule.looks_on()) rule.held_out = rule.dynamic.held_out;
      if (rule.method == Method::random) rule.script = dynamic.log;
      if (rule.method == Method::rash) rule.script = always.log;
      Model model{
          {.optimizer = {.learning_rate = options.rate}, .grouping = rule, .backend = {.threads = 1}, .seed = seed}};
      Budget<Model> budget;
      budget.model = &model;
      budget.test = &parts.test;
      budget.rule = &rule;
      budget.budget = static_cast<double>(options.passes);
      budget.look = 2 * (1 + 2.0 * tasks) / 3;
      try {
        model.fit(parts.train,
                  {.epochs = 100000, .batch_size = 64, .validation = &parts.validation, .observers = {&budget}});
      } catch (const Spent&) {
      }
      double gain = 0, loss = 0;
      for (std::size_t t = 0; t < tasks; ++t) {
        if (m == 0) base[t] = budget.values[t];
        gain += 100 * (budget.values[t] / base[t] - 1) / tasks;
        loss += budget.losses[t] / tasks;
      }
      const GroupHistory now = model.groups();
      gains[m].push_back(gain);
      losses[m].push_back(loss);
      batches[m] += static_cast<double>(now.batches) / static_cast<double>(options.seeds);
      changes[m] += static_cast<double>(now.changes) / static_cast<double>(options.seeds);
      best[m] += budget.after / static_cast<double>(options.seeds);
      if (rule.method == Method::dynamic) dynamic = now;
      if (rule.method == Method::always) always = now;
      std::fprintf(stderr, "seed %d, %s: %+.3f %%, loss %.4f, %s", static_cast<int>(seed), names[m], gain, loss,
                   now.text(Model::TaskList::names).substr(0, now.text(Model::TaskList::names).find('\n') + 1).c_str());
    }
  }
  std::printf("%zu training samples, %zu tasks, %zu passes, %zu seeds, looks every %zu batches, %zu a block\n",
              parts.train.size(), tasks, options.passes, options.seeds, options.every, options.looks);
  std::printf("%-10s %8s %8s %8s %10s   %s\n", "method", "batches", "changes", "best at", "test loss",
              "metrics against together, %");
  for (std::size_t m = 0; m < names.size(); ++m) {
    double loss = 0;
    for (const double l : losses[m]) loss += l / static_cast<double>(options.seeds);
    std::printf("%-10s %8.0f %8.1f %8.0f %10.4f   ", names[m], batches[m], changes[m], best[m], loss);
    if (m == 0) {
      std::printf("0\n");
      continue;
    }
    const study::Interval interval = study::t_interval(gains[m]);
    std::printf("%+.2f", interval.estimate);
    if (interval.known()) std::printf(" [%+.2f, %+.2f]", interval.lower, interval.upper);
    std::printf("\n");
  }
}

template <Name name>
using Yes = BinaryLabels<name, 1, nn::BinaryCrossEntropy, nn::RocAuc>;

using Fashion = MultiTask<Input<1, 28, 28>,
                          Tasks<Classification<"region", 4>, Classification<"shoe", 3>, Yes<"long_sleeves">,
                                Yes<"opens">, Yes<"ink">, Yes<"bright">, Yes<"left">, Yes<"tall">, Yes<"textured">>,
                          sharing::Hard<nn::Sequential<nn::Conv2d<6, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<12, 5>,
                                                       nn::MaxPool2d<2>, nn::Relu, nn::Dense<32>, nn::Relu>>,
                          Rule>;
using Yeast = MultiTask<
    Input<103>,
    Tasks<Yes<"label1">, Yes<"label2">, Yes<"label3">, Yes<"label4">, Yes<"label5">, Yes<"label6">, Yes<"label7">,
          Yes<"label8">, Yes<"label9">, Yes<"label10">, Yes<"label11">, Yes<"label12">, Yes<"label13">, Yes<"label14">>,
    sharing::Hard<nn::Sequential<nn::Dense<64>, nn::Relu, nn::Dropout<25>, nn::Dense<32>, nn::Relu, nn::Dropout<25>>>,
    Rule>;

}  // namespace

int main(int count, char** arguments) {
  try {
    Options options;
    if (count > 1) options.source = arguments[1];
    for (int i = 2; i + 1 < count; i += 2) {
      const std::string_view name = arguments[i];
      const char* const value = arguments[i + 1];
      const auto number = [&] { return static_cast<std::size_t>(std::strtoul(value, nullptr, 10)); };
      if (name == "--data")
        options.data = value;
      else if (name == "--samples")
        options.samples = number();
      else if (name == "--passes")
        options.passes = number();
      else if (name == "--seeds")
        options.seeds = number();
      else if (name == "--every")
        options.every = number();
      else if (name == "--looks")
        options.looks = number();
      else if (name == "--rate")
        options.rate = std::strtof(value, nullptr);
      else
        fail("regrouping: there is no option ", name);
    }
    if (options.source == "fashion") {
      const std::string folder = options.data.empty() ? "/usr/share/datasets/fashion-mnist" : options.data;
      compare<Fashion>(data::fashion_attribute_parts(0.1, folder, options.samples), options);
    } else if (options.source == "yeast") {
      if (options.data.empty()) fail("yeast needs its file: --data FILE.csv (scripts/data/yeast.sh makes it)");
      const data::Table table = data::read_csv(options.data);
      data::Parts parts = data::split_in_three(data::multi_label(table, data::names_with(table, "label")), 0.3, 0.1, 1);
      data::normalise(parts.train, {&parts.validation, &parts.test});
      compare<Yeast>(parts, options);
    } else {
      fail(
          "usage: regrouping fashion|yeast [--data PATH] [--samples N] [--passes N] [--seeds N] [--every N] [--looks "
          "N] [--rate X]");
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
