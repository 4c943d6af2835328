// SPDX-License-Identifier: MIT
// Sharing strategies on one data set, over seeds: what bench/studies/sharing_fashion.cpp and sharing_gum.cpp have in
// common. Every training is a line of runs.csv in a folder; a study that was killed goes on after the last whole line.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/di_sparse.hpp>
#include <mtlx/sharing/dynamic_sparse.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/hierarchical.hpp>
#include <mtlx/sharing/iterative_magnitude.hpp>
#include <mtlx/sharing/random_masks.hpp>
#include <mtlx/sharing/snip.hpp>
#include <mtlx/sharing/soft.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/study/statistics.hpp>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "resumable.hpp"

namespace sharing_study {

using namespace mtlx;

// What one training came to.
struct Run {
  std::string strategy;
  std::uint64_t seed = 0;
  std::vector<double> scores;     // on test samples, a task each, in percent, higher is better
  std::vector<double> densities;  // of the trunk's weights, a task each; 1 without masks
  double alive = 1;               // share of them that some task has
  std::size_t parameters = 0;     // in all, heads and embeddings too
  double find_passes = 0,
         train_passes = 0;  // samples through the trunk, in millions: for masks, and in the joint training
  double find_seconds = 0, train_seconds = 0;
};

// The part of `fit` that observers hear of is the training; what comes before finds masks.
struct Watch : training::Observer {
  std::chrono::steady_clock::time_point begin{}, end{};
  double passes = 0;
  bool apart = false;
  void on_begin(const training::Run&) override { begin = std::chrono::steady_clock::now(); }
  void on_end() override { end = std::chrono::steady_clock::now(); }
  void on_step(const training::Step& step) override {
    passes += static_cast<double>(step.samples) * (apart ? static_cast<double>(step.present.count()) : 1) / 1e6;
  }
};

class Study {
 public:
  // `settings` says how much is trained: runs of other settings are refused, not gone on with.
  Study(const std::string& folder, std::vector<std::string> tasks, const std::string& settings)
      : tasks_(std::move(tasks)), lines_((resumable::open_folder(folder, settings), folder + "/runs.csv"), header()) {
    for (const auto& cells : lines_.found())
      if (const Run run = parsed(cells); !run.strategy.empty()) runs_.push_back(run);
  }

  bool has(const std::string& strategy, std::uint64_t seed) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](const Run& run) { return run.strategy == strategy && run.seed == seed; });
  }
  void add(const Run& run) {
    const std::lock_guard lock(mutex_);
    runs_.push_back(run);
    std::ostringstream out;
    out.precision(9);
    out << run.strategy << "," << run.seed << "," << run.parameters << "," << run.alive << "," << run.find_passes << ","
        << run.train_passes << "," << run.find_seconds << "," << run.train_seconds;
    for (std::size_t t = 0; t < tasks_.size(); ++t) out << "," << run.scores[t] << "," << run.densities[t];
    lines_.add(out.str());
    std::fprintf(stderr, "%s, seed %llu:", run.strategy.c_str(), static_cast<unsigned long long>(run.seed));
    for (const double score : run.scores) std::fprintf(stderr, " %.2f", score);
    std::fprintf(stderr, "  (%.0f s)\n", run.find_seconds + run.train_seconds);
  }

  // Means with 95 % t intervals, and differences to the first strategy in the table (and between two that are named) by
  // the seeds that both have.
  std::string table(const std::vector<std::string>& order, std::string_view worse = {},
                    std::string_view than = {}) const {
    std::ostringstream out;
    out.precision(2);
    out << std::fixed << "| strategy | seeds |";
    for (const std::string& task : tasks_) out << " " << task << " |";
    out << " mean | minus " << order.front() << " |";
    for (const std::string& task : tasks_) out << " density " << task << " |";
    out << " alive | passes to find, to train (million) | seconds |\n|---|---|";
    for (std::size_t i = 0; i < 2 * tasks_.size() + 5; ++i) out << "---|";
    out << "\n";
    for (const std::string& name : order) {
      const auto mine = of(name);
      if (mine.empty()) continue;
      const auto mean = [&](auto&& get) {
        double sum = 0;
        for (const auto& [seed, run] : mine) sum += get(*run);
        return sum / static_cast<double>(mine.size());
      };
      out << "| " << name << " | " << mine.size() << " |";
      for (std::size_t t = 0; t < tasks_.size(); ++t) out << " " << interval(values(mine, t)) << " |";
      out << " " << interval(values(mine, tasks_.size())) << " | " << difference(name, order.front()) << " |";
      for (std::size_t t = 0; t < tasks_.size(); ++t)
        out << " " << mean([&](const Run& r) { return r.densities[t]; }) << " |";
      out << " " << mean([](const Run& r) { return r.alive; }) << " | "
          << mean([](const Run& r) { return r.find_passes; }) << ", "
          << mean([](const Run& r) { return r.train_passes; }) << " | "
          << mean([](const Run& r) { return r.find_seconds; }) << ", "
          << mean([](const Run& r) { return r.train_seconds; }) << " |\n";
    }
    if (!worse.empty()) {
      const std::vector<double> apart = paired(std::string(worse), std::string(than));
      if (apart.size() >= 2) {
        const auto found = study::t_interval(apart, 0.90);  // its lower end bounds one side at 95 %
        out << "\n"
            << worse << " minus " << than << ": " << found.estimate << ", lower one-sided 95 % bound " << found.lower
            << " (" << apart.size() << " seeds): "
            << (found.lower > -0.5 ? "no worse than by 0.5 points" : "not shown to be no worse than by 0.5 points")
            << "\n";
      }
    }
    return out.str();
  }

 private:
  std::string header() const {
    std::string header = "strategy,seed,parameters,alive,find_passes,train_passes,find_seconds,train_seconds";
    for (const std::string& task : tasks_) header += join(",score ", task, ",density ", task);
    return header;
  }
  Run parsed(const std::vector<std::string>& cells) const {
    if (cells.size() != 8 + 2 * tasks_.size() || cells[1] == "seed") return {};
    Run run;
    run.strategy = cells[0];
    run.seed = std::stoull(cells[1]);
    run.parameters = std::stoull(cells[2]);
    run.alive = std::stod(cells[3]);
    run.find_passes = std::stod(cells[4]);
    run.train_passes = std::stod(cells[5]);
    run.find_seconds = std::stod(cells[6]);
    run.train_seconds = std::stod(cells[7]);
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      run.scores.push_back(std::stod(cells[8 + 2 * t]));
      run.densities.push_back(std::stod(cells[9 + 2 * t]));
    }
    return run;
  }
  std::map<std::uint64_t, const Run*> of(const std::string& name) const {
    std::map<std::uint64_t, const Run*> found;
    for (const Run& run : runs_)
      if (run.strategy == name) found[run.seed] = &run;
    return found;
  }
  double value(const Run& run, std::size_t task) const {
    if (task < tasks_.size()) return run.scores[task];
    double sum = 0;
    for (const double score : run.scores) sum += score;
    return sum / static_cast<double>(tasks_.size());
  }
  std::vector<double> values(const std::map<std::uint64_t, const Run*>& runs, std::size_t task) const {
    std::vector<double> all;
    for (const auto& [seed, run] : runs) all.push_back(value(*run, task));
    return all;
  }
  std::vector<double> paired(const std::string& a, const std::string& b) const {
    const auto one = of(a), other = of(b);
    std::vector<double> all;
    for (const auto& [seed, run] : one)
      if (const auto found = other.find(seed); found != other.end())
        all.push_back(value(*run, tasks_.size()) - value(*found->second, tasks_.size()));
    return all;
  }
  static std::string interval(const std::vector<double>& x) {
    std::ostringstream out;
    out.precision(2);
    out << std::fixed;
    if (x.size() < 2)
      out << x.front();
    else {
      const auto found = study::t_interval(x);
      out << found.estimate << " ± " << found.upper - found.estimate;
    }
    return out.str();
  }
  std::string difference(const std::string& a, const std::string& b) const {
    const auto apart = paired(a, b);
    return a == b || apart.empty() ? "" : interval(apart);
  }

  std::vector<std::string> tasks_;
  resumable::Lines lines_;
  std::vector<Run> runs_;
  mutable std::mutex mutex_;
};

// Density of each task's mask over the weights that may be masked, and what is alive for any.
inline void note_masks(Run& run, const sharing::Masks& masks) {
  double all = 0, alive = 0;
  std::vector<double> count(masks.tasks.size());
  for (const auto& block : masks.blocks) {
    if (!block.prunable()) continue;
    for (std::size_t i = block.offset; i < block.offset + block.parameter.size(); ++i) {
      all += 1;
      alive += masks.owners[i].empty() ? 0 : 1;
      for (std::size_t t = 0; t < count.size(); ++t) count[t] += masks.owners[i].has(t) ? 1 : 0;
    }
  }
  run.alive = alive / all;
  for (std::size_t t = 0; t < count.size(); ++t) run.densities[t] = count[t] / all;
}

// One training. `before` may change the model first; `trainings` is how many single-task and joint ones its rule makes
// before.
template <class Model, class Before>
Run train(const std::string& name, typename Model::Options options, const typename Model::FitOptions& how,
          std::uint64_t seed, const data::DataSet& train_set, const data::DataSet& test, double find_passes,
          Before&& before, sharing::Masks* masks_found = nullptr) {
  options.seed = seed;
  if constexpr (requires { options.backend.threads; }) options.backend.threads = 1;
  Model model(options);
  before(model);
  Watch watch;
  // A pass through a trunk for each task, where each has its own or its own mask.
  watch.apart = sharing::masked<typename Model::Network> || Model::Network::shared == 0;
  auto with = how;
  with.observers.push_back(&watch);
  const auto start = std::chrono::steady_clock::now();
  model.fit(train_set, with);
  Run run;
  run.strategy = name;
  run.seed = seed;
  run.parameters = model.parameter_count();
  run.find_passes = find_passes;
  run.train_passes = watch.passes;
  run.find_seconds = std::chrono::duration<double>(watch.begin - start).count();
  run.train_seconds = std::chrono::duration<double>(watch.end - watch.begin).count();
  const auto scores = model.evaluate(test).metrics();
  for (const double score : scores) run.scores.push_back(100 * score);
  run.densities.assign(scores.size(), 1);
  if constexpr (requires { model.masks(); }) {
    const sharing::Masks masks = model.masks();
    note_masks(run, masks);
    if (masks_found != nullptr) *masks_found = masks;
  }
  return run;
}

// How much is trained.
struct Settings {
  std::string folder = "sharing";
  std::vector<std::string> only{};  // strategies; all if empty
  std::size_t seeds = 3, first_seed = 1, epochs = 5, prunes = 20, warm_up = 1, jobs = 2, limit = 0;
  double final_density = 0.1;  // of iterative magnitude pruning
  double density = 0.3162;     // of what is compared at equal densities: the 10th prune of 20
  bool own = false;            // tasks with data of their own
};

constexpr const char* usage =
    "  --folder DIR      runs.csv goes there, and is gone on with (sharing)\n"
    "  --seeds N --first-seed N --epochs N --jobs N\n"
    "  --prunes N --final-density D   of iterative magnitude pruning (20, 0.1)\n"
    "  --density D       of the masks that are compared at equal densities (0.3162)\n"
    "  --warm-up N       epochs of all tasks together before pruning, where a strategy says so (1)\n"
    "  --limit N         training samples (all)\n"
    "  --own             tasks have data of their own, and take turns\n"
    "  --only NAME,...   strategies to train\n";

inline Settings settings_of(int count, char** words, int first) {
  Settings s;
  for (int i = first; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--own") {
      s.own = true;
      continue;
    }
    if (i + 1 == count) fail("the option ", word, " is unknown or lacks a value\n", usage);
    const std::string value = words[++i];
    const auto number = [&] {
      char* end = nullptr;
      const auto found = std::strtoull(value.c_str(), &end, 10);
      if (value.empty() || value[0] == '-' || *end != '\0') fail(word, " ", value, ": expected a number");
      return static_cast<std::size_t>(found);
    };
    const auto real = [&] {
      char* end = nullptr;
      const double found = std::strtod(value.c_str(), &end);
      if (value.empty() || *end != '\0') fail(word, " ", value, ": expected a number");
      return found;
    };
    if (word == "--folder")
      s.folder = value;
    else if (word == "--seeds")
      s.seeds = number();
    else if (word == "--first-seed")
      s.first_seed = number();
    else if (word == "--epochs")
      s.epochs = number();
    else if (word == "--jobs")
      s.jobs = number();
    else if (word == "--prunes")
      s.prunes = number();
    else if (word == "--warm-up")
      s.warm_up = number();
    else if (word == "--limit")
      s.limit = number();
    else if (word == "--density")
      s.density = real();
    else if (word == "--final-density")
      s.final_density = real();
    else if (word == "--only")
      for (std::size_t at = 0; at <= value.size();) {
        const std::size_t end = std::min(value.find(',', at), value.size());
        s.only.push_back(value.substr(at, end - at));
        at = end + 1;
      }
    else
      fail("unknown option ", word, "\n", usage);
  }
  if (s.seeds == 0 || s.epochs == 0 || s.jobs == 0) fail("seeds, epochs and jobs must be at least 1\n", usage);
  return s;
}

// Every task gets the mask of the next.
inline void swap_masks(sharing::Masks& masks) {
  const std::size_t tasks = masks.tasks.size();
  for (TaskSet& owners : masks.owners) {
    TaskSet moved;
    for (std::size_t t = 0; t < tasks; ++t)
      if (owners.has((t + 1) % tasks)) moved = moved.with(t);
    owners = moved;
  }
}

// A control: what the weights' sizes tell after some epochs that each task trains alone. Its largest weights are the task's mask,
// and all weights begin anew; or, with `merge`, stay: heads as they are, what several tasks have as the mean of theirs.
struct MagnitudeAlone {
  static constexpr std::size_t memory = 0;

  double density = 0.3;
  std::size_t epochs = 1;  // alone
  bool merge = false;

  template <class S, class Train>
  sharing::FoundMasks<S> find(const sharing::MaskSearch<S>& search, Train&& train) const {
    const auto places = sharing::detail::prunable(search.blocks);
    const std::size_t count = sharing::detail::share_of(density, places.size());
    std::size_t shared = 0;
    for (const auto& block : search.blocks) shared += block.parameter.size();
    sharing::FoundMasks<S> found{std::vector<TaskSet>(shared, TaskSet::first(search.tasks)),
                                 {search.start.begin(), search.start.end()}};
    const std::vector<TaskSet> full = found.owners;
    std::vector<double> sums(found.start.size()), parts(found.start.size());
    for (std::size_t t = 0; t < search.tasks; ++t) {
      if (!search.labelled.has(t)) continue;
      const auto trained = train(TaskSet::only(t), search.start, std::span<const TaskSet>(full), epochs).parameters;
      ++found.trainings;
      std::vector<double> sizes(shared);
      for (const std::size_t i : places) sizes[i] = static_cast<double>(sharing::detail::size_of(trained[i]));
      auto order = places;
      sharing::detail::highest_first(order, count, sizes);
      sharing::detail::own_first(found.owners, TaskSet::only(t), order, count);
      for (std::size_t i = 0; i < trained.size(); ++i) {
        // A head is moved by the training of its own task alone.
        const bool has = i < shared ? found.owners[i].has(t) : std::abs(trained[i] - search.start[i]) > 0;
        sums[i] += has ? static_cast<double>(trained[i]) : 0;
        parts[i] += has ? 1 : 0;
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      if (merge && parts[i] > 0) found.start[i] = static_cast<S>(sums[i] / parts[i]);
      if (i < shared && found.owners[i].empty()) found.start[i] = S(0);
    }
    return found;
  }
};

// What a problem is made of: its `Problem` has these, the types, and `turns`, how tasks with data of their own take turns.
struct Parts {
  data::DataSet train, validation, test;
};

// All strategies. `Problem` says the model for a strategy, the trunk, levels for the hierarchy, data and how to train.
template <class Problem>
void compare(const Problem& problem, const Settings& s) {
  using Trunk = typename Problem::Trunk;
  using Rule = sharing::IterativeMagnitude;
  const std::vector<std::string> tasks(Problem::TaskList::names.begin(), Problem::TaskList::names.end());
  Study study(s.folder, tasks,
              join("epochs ", s.epochs, ", prunes ", s.prunes, ", final density ", s.final_density, ", density ",
                   s.density, ", warm-up ", s.warm_up, ", limit ", s.limit, s.own ? ", own data" : ""));
  const auto options_of = []<class Model>() ->
      typename Model::Options { return {.optimizer = {.learning_rate = 1e-3}}; };
  const training::FitOptions<float> how{.epochs = s.epochs,
                                        .batch_size = 256,
                                        .validation = &problem.validation,
                                        .sampling = s.own ? Problem::turns : training::Sampling::together};
  std::vector<std::string> order;
  std::vector<std::function<void()>> jobs;
  const double pass = static_cast<double>(problem.train.size()) / (s.own ? static_cast<double>(tasks.size()) : 1) *
                      static_cast<double>(s.epochs) / 1e6;  // one task, all epochs
  const double all = static_cast<double>(tasks.size());
  const auto wanted = [&](const std::string& name) {
    const bool in = s.only.empty() || std::find(s.only.begin(), s.only.end(), name) != s.only.end();
    if (in && std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
    return in;
  };
  for (std::uint64_t seed = s.first_seed; seed < s.first_seed + s.seeds; ++seed) {
    // One training of a strategy, in the order in which they are listed; as many epochs together as all have, or fewer.
    const auto job = [&]<class Sharing>(const std::string& name, Sharing sharing, double find_passes = 0,
                                        std::size_t epochs = 0) {
      if (!wanted(name) || study.has(name, seed)) return;
      jobs.push_back([&, name, sharing, find_passes, epochs, seed] {
        using Model = typename Problem::template Model<Sharing>;
        auto options = options_of.template operator()<Model>();
        static_cast<void>(sharing);  // where the strategy has no options
        if constexpr (requires { options.sharing = sharing; }) options.sharing = sharing;
        auto its = how;
        if (epochs > 0) its.epochs = epochs;
        study.add(train<Model>(name, options, its, seed, problem.train, problem.test, find_passes, [](auto&) {}));
      });
    };
    // The same with masks that another training found: kept, and swapped between tasks.
    const auto controls = [&]<class FindRule>(const std::string& name, FindRule rule) {
      const std::string kept = name + " masks from the start", swapped = name + " masks swapped";
      const bool keep = wanted(kept) && !study.has(kept, seed), swap = wanted(swapped) && !study.has(swapped, seed);
      if (!keep && !swap) return;
      jobs.push_back([&, kept, swapped, rule, seed, keep, swap] {
        using Finding = sharing::Sparse<Trunk, FindRule>;
        using Given = sharing::Sparse<Trunk, sharing::GivenMasks>;
        auto options = options_of.template operator()<typename Problem::template Model<Finding>>();
        options.sharing.rule = rule;
        sharing::Masks masks;
        train<typename Problem::template Model<Finding>>(
            "", options, how, seed, problem.train, problem.test, 0, [](auto&) {}, &masks);
        for (const bool turn : {false, true}) {
          if (turn) swap_masks(masks);
          if (!(turn ? swap : keep)) continue;
          study.add(train<typename Problem::template Model<Given>>(
              turn ? swapped : kept, options_of.template operator()<typename Problem::template Model<Given>>(), how,
              seed, problem.train, problem.test, 0, [&](auto& model) { model.set_masks(masks); }));
        }
      });
    };
    job("single", sharing::Single<Trunk>{});
    job("hard", sharing::Hard<Trunk>{});
    job("soft", sharing::Soft<Trunk, sharing::ToMean>{.pull = {.strength = 1e-3}});
    job("hierarchical", typename Problem::Hierarchical{});
    const auto dynamic = [&](auto&& change) {
      sharing::DynamicSparse rule{.density = s.density};
      change(rule);
      return sharing::Sparse<Trunk, sharing::DynamicSparse>{.rule = rule};
    };
    using D = sharing::DynamicSparse;
    job("dynamic", dynamic([](D&) {}));
    job("dynamic from full masks", dynamic([](D& d) { d.start = D::Start::dense; }));
    job("dynamic without regrowth", dynamic([](D& d) { d.regrow = false; }));
    job("dynamic by magnitude", dynamic([](D& d) { d.score = D::Score::magnitude; }));
    job("dynamic without un-sharing", dynamic([](D& d) { d.unshare = false; }));
    job("dynamic with one common mask", dynamic([](D& d) { d.common = true; }));
    job("random", sharing::Sparse<Trunk, sharing::RandomMasks>{.rule = {.density = s.density}});
    job("random with one common mask",
        sharing::Sparse<Trunk, sharing::RandomMasks>{.rule = {.density = s.density, .common = true}});
    job("snip", sharing::Sparse<Trunk, sharing::Snip>{.rule = {.density = s.density}});
    job("disparse", sharing::Sparse<Trunk, sharing::DiSparse>{.rule = {.density = s.density}});
    controls("dynamic", sharing::DynamicSparse{.density = s.density});
    // Each task alone for so many epochs, then all together: from the start, or from there.
    const auto alone = [&](const std::string& name, std::size_t epochs, std::size_t together = 0) {
      job(name,
          sharing::Sparse<Trunk, MagnitudeAlone>{
              .rule = {.density = s.density, .epochs = epochs, .merge = together > 0}},
          all * pass * static_cast<double>(epochs) / static_cast<double>(s.epochs), together);
    };
    for (const auto& [name, share] : {std::pair("magnitude after an eighth alone", 0.125),
                                      {"magnitude after a quarter alone", 0.25},
                                      {"magnitude after half alone", 0.5},
                                      {"magnitude after all alone", 1.0}})
      alone(name, static_cast<std::size_t>(std::max(1.0, share * static_cast<double>(s.epochs) + 0.5)));
    // 5/4 of the epochs in all.
    const std::size_t most = std::max<std::size_t>(s.epochs * 7 / 8, 1);
    alone("cut and merge", most, std::max<std::size_t>(s.epochs * 5 / 4 - most, 1));
    const Rule at{.iterations = s.prunes,
                  .final_density = s.final_density,
                  .select = Rule::Select::density,
                  .density = s.density};
    const double to_density = all * pass * static_cast<double>(at.prunes_to_density());
    const double candidates = all * pass * static_cast<double>(s.prunes + 1);
    const double warm_up = all * pass * static_cast<double>(s.warm_up) / static_cast<double>(s.epochs);
    const auto magnitude = [&](const std::string& name, Rule::Select select, bool warm, double passes) {
      Rule rule = at;
      rule.select = select;
      rule.warm_up_epochs = warm ? s.warm_up : 0;
      job(name, sharing::Sparse<Trunk, Rule>{.rule = rule}, passes + (warm ? warm_up : 0));
    };
    magnitude("iterative magnitude at density", Rule::Select::density, false, to_density);
    magnitude("iterative magnitude at density with warm-up", Rule::Select::density, true, to_density);
    controls("iterative magnitude", at);
    magnitude("iterative magnitude", Rule::Select::single, false, candidates);
    magnitude("iterative magnitude with warm-up", Rule::Select::single, true, candidates);
    // And every number of prunes together.
    magnitude("iterative magnitude joint", Rule::Select::joint, false,
              candidates + all * pass * static_cast<double>(s.prunes + 1));
  }
  for (const std::string& name : s.only)
    if (std::find(order.begin(), order.end(), name) == order.end())
      fail("--only: no strategy is called \"", name, "\"");
  resumable::run_all(std::move(jobs), s.jobs);
  std::printf("%s", study.table(order, "dynamic", "iterative magnitude at density").c_str());
}

}  // namespace sharing_study
