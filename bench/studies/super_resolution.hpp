// SPDX-License-Identifier: MIT
// What the study of super-resolution (super_resolution.cpp) measures and what it says of that: scores of every picture in a
// CSV file, and tables of them, which can be made anew without training.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/drawing.hpp>
#include <mtlx/study/statistics.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "resumable.hpp"

namespace super_resolution_study {

using namespace mtlx;

// How much is trained, and on what.
struct Settings {
  std::string folder = "build/super_resolution", photos = "build/photos";
  std::size_t tasks = 100, seeds = 3, large_seeds = 1, ablated_seeds = 1, jobs = 2;
  std::size_t joint_steps = 20000, steps = 5000, own_steps = 1000, long_steps = 10000, long_tasks = 10;
  std::size_t indicator_steps = 100, group_steps = 10000, random_draws = 5;
  std::size_t batch = 16, draws = 1, pieces = 16, patches = 4, validation_pieces = 2;
  double rate = 1e-4;  // of fine-tuning; joint training begins with ten times as much
  bool made = false, tables = false;
};

constexpr const char* usage =
    "  --folder DIR        everything goes there, and is gone on with (build/super_resolution)\n"
    "  --photos DIR        of scripts/data/photos.sh (build/photos); --made: pictures that are made up, to try the "
    "program\n"
    "  --quick             20 tasks, one seed, short trainings: within 5 minutes\n"
    "  --tables            no training: the tables and pictures of what is there\n"
    "  --jobs N            trainings at a time (2), a thread each\n"
    "  --tasks N --seeds N --large-seeds N --ablated-seeds N    (100, 3, 1, 1)\n"
    "  --joint-steps N --steps N              joint training; fine-tuning of each method (20000, 5000)\n"
    "  --own-steps N --long-steps N --long-tasks N    fine-tuning of each task alone (1000); of some, the first seed "
    "(10000, 10)\n"
    "  --indicator-steps N --group-steps N    of TGSR (100, 10000)\n"
    "  --random-draws N    of random groups (5)\n"
    "  --batch N --draws N --rate R           samples of a stream, streams a step, Adam's rate of fine-tuning (16, 1, "
    "1e-4)\n"
    "  --pieces N --patches N --validation-pieces N    pieces of each photo, patches of each piece (16, 4); (2)\n";

inline Settings settings_of(int count, char** words) {
  Settings s;
  const std::pair<const char*, std::size_t Settings::*> numbers[] = {
      {"--jobs", &Settings::jobs},
      {"--tasks", &Settings::tasks},
      {"--seeds", &Settings::seeds},
      {"--large-seeds", &Settings::large_seeds},
      {"--ablated-seeds", &Settings::ablated_seeds},
      {"--joint-steps", &Settings::joint_steps},
      {"--steps", &Settings::steps},
      {"--own-steps", &Settings::own_steps},
      {"--long-steps", &Settings::long_steps},
      {"--long-tasks", &Settings::long_tasks},
      {"--indicator-steps", &Settings::indicator_steps},
      {"--group-steps", &Settings::group_steps},
      {"--random-draws", &Settings::random_draws},
      {"--batch", &Settings::batch},
      {"--draws", &Settings::draws},
      {"--pieces", &Settings::pieces},
      {"--patches", &Settings::patches},
      {"--validation-pieces", &Settings::validation_pieces}};
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--quick") {
      s.tasks = 20, s.seeds = 1, s.large_seeds = 1, s.ablated_seeds = 0, s.joint_steps = 4000, s.steps = 1000,
      s.own_steps = 300;
      s.long_steps = 2000, s.long_tasks = 2, s.group_steps = 1000, s.random_draws = 2, s.pieces = 8;
      continue;
    }
    if (word == "--made" || word == "--tables") {
      (word == "--made" ? s.made : s.tables) = true;
      continue;
    }
    if (i + 1 == count) fail("the option ", word, " is unknown or lacks a value\n", usage);
    const std::string value = words[++i];
    const auto known =
        std::find_if(std::begin(numbers), std::end(numbers), [&](const auto& n) { return n.first == word; });
    char* end = nullptr;
    if (word == "--folder")
      s.folder = value;
    else if (word == "--photos")
      s.photos = value;
    else if (word == "--rate") {
      s.rate = std::strtod(value.c_str(), &end);
      if (value.empty() || *end != '\0') fail("--rate ", value, ": expected a number");
    } else if (known != std::end(numbers)) {
      s.*known->second = std::strtoull(value.c_str(), &end, 10);
      if (value.empty() || value[0] == '-' || *end != '\0') fail(word, " ", value, ": expected a number");
    } else
      fail("unknown option ", word, "\n", usage);
  }
  for (const std::size_t least : {s.jobs, s.tasks, s.seeds, s.joint_steps, s.steps, s.own_steps, s.batch, s.draws})
    if (least == 0) fail("jobs, tasks, seeds, steps, batch and draws must be at least 1\n", usage);
  s.long_tasks = std::min(s.long_tasks, s.tasks);
  s.large_seeds = std::min(s.large_seeds, s.seeds);
  s.ablated_seeds = std::min(s.ablated_seeds, s.seeds);
  return s;
}

// What runs must agree in to be of one study.
inline std::string settings_text(const Settings& s) {
  return join("tasks ", s.tasks, ", joint steps ", s.joint_steps, ", steps ", s.steps, ", own steps ", s.own_steps,
              ", long steps ", s.long_steps, ", indicator steps ", s.indicator_steps, ", group steps ", s.group_steps,
              ", batch ", s.batch, ", draws ", s.draws) +
         join(", rate ", s.rate, ", pieces ", s.pieces, ", patches ", s.patches, ", validation pieces ",
              s.validation_pieces, s.made ? ", made up" : "");
}

inline constexpr std::array<const char*, 4> metrics{"psnr", "ssim", "mdsi", "haarpsi"};
using Quality = std::array<double, 4>;
inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// Which training.
struct RunName {
  std::string network, arm;
  std::size_t seed = 0;
  auto operator<=>(const RunName&) const = default;
  std::string text() const { return join(network, ",", arm, ",", seed); }
};

// What a training cost.
struct RunCost {
  std::size_t steps = 0, measuring = 0;
  double seconds = 0;
};

// What a rule found: groups, and a line for each stream.
struct Grouped {
  grouping::StreamGroups groups;
  std::vector<double> chances;
};

// What is kept in a folder: scores.csv (a line for each run, task and photo), runs.csv (a line for each part of a run, when its
// scores are written), groups.csv.
class Kept {
 public:
  Kept(const Settings& s, std::size_t photos)
      : tasks_(s.tasks),
        photos_(photos),
        scores_((resumable::open_folder(s.folder, settings_text(s)), s.folder + "/scores.csv"), score_header()),
        runs_(s.folder + "/runs.csv", "network,arm,seed,part,steps,measuring,seconds"),
        groups_(s.folder + "/groups.csv", "rule,seed,task,group,chance") {
    for (const auto& cells : scores_.found())
      if (cells.size() == 9)
        note({cells[0], cells[1], std::stoull(cells[2])}, std::stoull(cells[3]), std::stoull(cells[4]),
             {std::stod(cells[5]), std::stod(cells[6]), std::stod(cells[7]), std::stod(cells[8])});
    for (const auto& cells : runs_.found())
      if (cells.size() == 7)
        note_run({cells[0], cells[1], std::stoull(cells[2])}, cells[3],
                 {std::stoull(cells[4]), std::stoull(cells[5]), std::stod(cells[6])});
    for (const auto& cells : groups_.found())
      if (cells.size() == 5)
        note_group(cells[0], std::stoull(cells[1]), std::stoull(cells[2]), std::stoull(cells[3]), std::stod(cells[4]));
  }

  std::size_t tasks() const { return tasks_; }
  std::size_t photos() const { return photos_; }
  bool has(const RunName& run, const std::string& part = "all") const {
    const std::lock_guard lock(mutex_);
    return parts_.contains({run, part});
  }
  const std::map<RunName, RunCost>& costs() const { return costs_; }
  // A finished training, or a part of it. scores : (tasks named, photos).
  void add(const RunName& run, const std::string& part, const std::vector<std::size_t>& tasks,
           const std::vector<Quality>& scores, const RunCost& cost) {
    std::string lines;
    double mean = 0;
    for (std::size_t i = 0; i < tasks.size(); ++i)
      for (std::size_t p = 0; p < photos_; ++p) {
        const Quality& q = scores[i * photos_ + p];
        lines += join(lines.empty() ? "" : "\n", run.text(), ",", tasks[i], ",", p, ",", exact(q[0]), ",", exact(q[1]),
                      ",", exact(q[2]), ",", exact(q[3]));
        mean += q[0] / static_cast<double>(scores.size());
      }
    const std::lock_guard lock(mutex_);
    scores_.add(lines);
    runs_.add(join(run.text(), ",", part, ",", cost.steps, ",", cost.measuring, ",", exact(cost.seconds)));
    for (std::size_t i = 0; i < tasks.size(); ++i)
      for (std::size_t p = 0; p < photos_; ++p) note(run, tasks[i], p, scores[i * photos_ + p]);
    note_run(run, part, cost);
    std::fprintf(stderr, "%s, %s, seed %zu, %s: %.3f dB (%zu steps, %zu of measuring, %.0f s)\n", run.network.c_str(),
                 run.arm.c_str(), run.seed, part.c_str(), mean, cost.steps, cost.measuring, cost.seconds);
  }
  void add_groups(const std::string& rule, std::size_t seed, const grouping::Drawn& drawn) {
    std::vector<std::size_t> label(tasks_);
    for (std::size_t g = 0; g < drawn.groups.size(); ++g)
      for (const std::size_t t : drawn.groups[g]) label[t] = g + 1;
    std::string lines;
    const std::lock_guard lock(mutex_);
    for (std::size_t t = 0; t < tasks_; ++t) {
      lines += join(t > 0 ? "\n" : "", rule, ",", seed, ",", t, ",", label[t], ",", exact(drawn.chances[t]));
      note_group(rule, seed, t, label[t], drawn.chances[t]);
    }
    groups_.add(lines);
  }
  // Of a rule; none if it has not run.
  std::vector<std::size_t> labels(const std::string& rule, std::size_t seed) const {
    const std::lock_guard lock(mutex_);
    const auto found = labels_.find({rule, seed});
    return found == labels_.end() ? std::vector<std::size_t>() : found->second;
  }
  grouping::StreamGroups groups(const std::string& rule, std::size_t seed) const {
    grouping::StreamGroups groups;
    const auto label = labels(rule, seed);
    for (std::size_t t = 0; t < label.size(); ++t) {
      if (label[t] > groups.size()) groups.resize(label[t]);
      if (label[t] > 0) groups[label[t] - 1].push_back(t);
    }
    return groups;
  }

  // NaN where it was not measured.
  double at(const RunName& run, std::size_t task, std::size_t photo, std::size_t metric) const {
    const auto found = values_.find(run);
    return found == values_.end() ? unknown : found->second[task * photos_ + photo][metric];
  }
  bool knows(const RunName& run) const { return values_.contains(run); }

 private:
  static std::string exact(double number) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.9g", number);
    return digits;
  }
  static std::string score_header() {
    std::string header = "network,arm,seed,task,photo";
    for (const char* metric : metrics) header += join(",", metric);
    return header;
  }
  void note(const RunName& run, std::size_t task, std::size_t photo, const Quality& q) {
    auto& all = values_[run];
    if (all.empty()) all.assign(tasks_ * photos_, {unknown, unknown, unknown, unknown});
    if (task < tasks_ && photo < photos_) all[task * photos_ + photo] = q;
  }
  void note_run(const RunName& run, const std::string& part, const RunCost& cost) {
    if (!parts_.emplace(std::pair{run, part}, true).second) return;
    RunCost& all = costs_[run];
    all.steps += cost.steps, all.measuring += cost.measuring, all.seconds += cost.seconds;
  }
  void note_group(const std::string& rule, std::size_t seed, std::size_t task, std::size_t label, double) {
    auto& all = labels_[{rule, seed}];
    all.resize(tasks_);
    if (task < tasks_) all[task] = label;
  }

  std::size_t tasks_, photos_;
  resumable::Lines scores_, runs_, groups_;
  std::map<RunName, std::vector<Quality>> values_;
  std::map<std::pair<RunName, std::string>, bool> parts_;
  std::map<RunName, RunCost> costs_;
  std::map<std::pair<std::string, std::size_t>, std::vector<std::size_t>> labels_;
  mutable std::mutex mutex_;
};

// The adaptive rule with something changed.
inline constexpr std::array<const char*, 8> ablated_arms{
    "adaptive: gradients' clusters", "adaptive: bands and clusters", "adaptive: one group", "adaptive: slopes not used",
    "adaptive: all streams alike",   "adaptive: alike and no guard", "adaptive: no guard",  "adaptive: pulls indicate"};

// A line of the tables: one way of training, of which there may be several draws.
struct Arm {
  std::string name;
  std::vector<std::string> runs;
};

inline std::vector<Arm> arms_of(const Settings& s) {
  std::vector<Arm> arms;
  for (const char* name : {"bicubic", "joint", "joint continued", "by loss", "up-weighted"})
    arms.push_back({name, {name}});
  arms.push_back({"random groups", {}});
  for (std::size_t d = 1; d <= s.random_draws; ++d) arms.back().runs.push_back(join("random ", d));
  for (const char* name : {"TGSR", "adaptive", "own"}) arms.push_back({name, {name}});
  return arms;
}

// The tables.
class Tables {
 public:
  Tables(const Settings& s, const Kept& kept) : s_(s), kept_(kept), arms_(arms_of(s)) {}

  std::string text() const {
    return scores() + "\n" + won() + "\n" + by_group() + "\n" + ablated() + "\n" + behind() + "\n" + longer() + "\n" +
           costs();
  }

  // Of a network, the mean over an arm's draws and over seeds; NaN where it was not measured.
  double value(const std::string& network, const std::string& arm, std::size_t task, std::size_t photo,
               std::size_t metric = 0, std::size_t only_seed = 0) const {
    double sum = 0, count = 0;
    for (const Arm& a : arms_)
      if (a.name == arm)
        for (const std::string& run : a.runs)
          for (std::size_t seed = 1; seed <= s_.seeds; ++seed) {
            if (only_seed != 0 && seed != only_seed) continue;
            const double found = arm == "bicubic" ? kept_.at({"none", run, 0}, task, photo, metric)
                                                  : kept_.at({network, run, seed}, task, photo, metric);
            if (!is_nan(found)) sum += found, count += 1;
          }
    return count > 0 ? sum / count : unknown;
  }
  // One arm less another, the mean over seeds that have both; NaN where none has.
  double less(const std::string& network, const std::string& a, const std::string& b, std::size_t task,
              std::size_t photo, std::size_t metric = 0) const {
    double sum = 0, count = 0;
    for (std::size_t seed = 1; seed <= s_.seeds; ++seed) {
      const double found = value(network, a, task, photo, metric, seed) - value(network, b, task, photo, metric, seed);
      if (!is_nan(found)) sum += found, count += 1;
    }
    return count > 0 ? sum / count : unknown;
  }
  // How far a task's own network is ahead of the joint one, over all photos but one.
  double gap(const std::string& network, std::size_t task, std::size_t without) const {
    double sum = 0, count = 0;
    for (std::size_t p = 0; p < kept_.photos(); ++p) {
      const double found = less(network, "own", "joint", task, p);
      if (p != without && !is_nan(found)) sum += found, count += 1;
    }
    return count > 0 ? sum / count : unknown;
  }
  // The tenth of the tasks that the joint network leaves farthest behind, as the other photos say: by its own, their gap would
  // in part be chance.
  std::vector<bool> worst_tenth(const std::string& network, std::size_t photo) const {
    std::vector<std::pair<double, std::size_t>> all;
    for (std::size_t t = 0; t < kept_.tasks(); ++t)
      if (const double g = gap(network, t, photo); !is_nan(g)) all.emplace_back(-g, t);
    std::sort(all.begin(), all.end());
    std::vector<bool> chosen(kept_.tasks());
    for (std::size_t i = 0; i < (all.size() + 9) / 10; ++i) chosen[all[i].second] = true;
    return chosen;
  }
  enum class Which { all, worst };
  // One arm less another, photo by photo.
  std::vector<double> apart(const std::string& a, const std::string& b, Which which, std::size_t metric = 0,
                            const std::string& network = "small") const {
    std::vector<double> photos;
    for (std::size_t p = 0; p < kept_.photos(); ++p) {
      const auto chosen = which == Which::worst ? worst_tenth(network, p) : std::vector<bool>(kept_.tasks(), true);
      double sum = 0, count = 0;
      for (std::size_t t = 0; t < kept_.tasks(); ++t) {
        if (!chosen[t]) continue;
        const double found = b.empty() ? value(network, a, t, p, metric) : less(network, a, b, t, p, metric);
        if (!is_nan(found)) sum += found, count += 1;
      }
      if (count > 0) photos.push_back(sum / count);
    }
    return photos;
  }

 private:
  static std::string fixed(double x, int digits, bool sign = false) {
    if (!is_finite(x)) return "-";
    char text[48];
    std::snprintf(text, sizeof text, sign ? "%+.*f" : "%.*f", digits, x);
    return text;
  }
  // A mean over photos with the half width of its 95 % t interval.
  static std::string interval(const std::vector<double>& photos, int digits = 3) {
    if (photos.empty()) return "-";
    const study::Interval i = study::t_interval(photos);
    return fixed(i.estimate, digits, true) + (i.known() ? " ± " + fixed(i.upper - i.estimate, digits) : std::string());
  }
  static double mean(const std::vector<double>& x) {
    double sum = 0;
    for (const double number : x) sum += number;
    return x.empty() ? unknown : sum / static_cast<double>(x.size());
  }
  std::string head(const char* what) const { return join("## ", what, "\n\n"); }

  std::string scores() const {
    std::string out = head("Scores on the test photos") +
                      join("Means over ", kept_.tasks(), " tasks, ", kept_.photos(), " photos and ", s_.seeds,
                           " seeds, of luma; MDSI: lower is better. Intervals are 95 % t intervals over photos.\n\n");
    out +=
        "| | PSNR, dB | SSIM | MDSI | HaarPSI | PSNR less joint continued | SSIM | MDSI | HaarPSI |\n"
        "|---|---|---|---|---|---|---|---|---|\n";
    for (const Arm& arm : arms_) {
      out += join("| ", arm.name, " |");
      for (std::size_t m = 0; m < metrics.size(); ++m)
        out += join(" ", fixed(mean(apart(arm.name, "", Which::all, m)), m == 0 ? 3 : 4), " |");
      for (std::size_t m = 0; m < metrics.size(); ++m)
        out += join(" ",
                    arm.name == "joint continued"
                        ? std::string()
                        : interval(apart(arm.name, "joint continued", Which::all, m), m == 0 ? 3 : 5),
                    " |");
      out += "\n";
    }
    return out;
  }

  std::string won() const {
    std::string out =
        head("What is won back") +
        join("PSNR less that of the joint network, in dB, and in percent of what fine-tuning each task alone for ",
             s_.own_steps,
             " steps gains. The worst tenth are the tasks with the largest such gains, for each photo as the "
             "other photos say. Losers: tasks whose mean over photos and seeds is more than 0.1 dB below the joint "
             "network's.\n\n");
    out += "| | all tasks | won back | worst tenth | won back | losers | worst task |\n|---|---|---|---|---|---|---|\n";
    const double all = mean(apart("own", "joint", Which::all)), worst = mean(apart("own", "joint", Which::worst));
    const auto share = [&](double gain, double of) {
      return of > 0 ? fixed(100 * gain / of, 0) + " %" : std::string("-");
    };
    for (const Arm& arm : arms_) {
      if (arm.name == "joint" || arm.name == "bicubic") continue;
      const auto mine = apart(arm.name, "joint", Which::all), mine_worst = apart(arm.name, "joint", Which::worst);
      std::size_t losers = 0;
      double least = unknown;
      for (std::size_t t = 0; t < kept_.tasks(); ++t) {
        std::vector<double> photos;
        for (std::size_t p = 0; p < kept_.photos(); ++p) {
          if (const double found = less("small", arm.name, "joint", t, p); !is_nan(found)) photos.push_back(found);
        }
        const double task = mean(photos);
        if (is_nan(task)) continue;
        losers += task < -0.1 ? 1 : 0;
        if (is_nan(least) || task < least) least = task;
      }
      out += join("| ", arm.name, " | ", interval(mine), " | ", share(mean(mine), all), " | ", interval(mine_worst),
                  " | ", share(mean(mine_worst), worst), " | ", losers, " | ", fixed(least, 2, true), " |\n");
    }
    return out;
  }

  // Groups differ from seed to seed: each seed's tasks with its own trainings.
  std::string by_group() const {
    std::size_t most = 0;
    for (std::size_t seed = 1; seed <= s_.seeds; ++seed)
      for (const std::size_t label : kept_.labels("TGSR", seed)) most = std::max(most, label);
    std::string out = head("By TGSR's groups") +
                      "PSNR less that of the joint network, each seed by its own groups; in brackets how many tasks, "
                      "over all seeds.\n\n| |";
    std::vector<std::size_t> sizes(most + 1);
    for (std::size_t seed = 1; seed <= s_.seeds; ++seed)
      for (const std::size_t label : kept_.labels("TGSR", seed)) sizes[label] += 1;
    for (std::size_t g = 1; g <= most; ++g) out += join(" group ", g, " (", sizes[g], ") |");
    out += join(" in none (", sizes[0], ") |\n|---|");
    for (std::size_t g = 0; g <= most; ++g) out += "---|";
    out += "\n";
    for (const Arm& arm : arms_) {
      if (arm.name == "joint" || arm.name == "bicubic") continue;
      out += join("| ", arm.name, " |");
      for (std::size_t i = 1; i <= most + 1; ++i) {
        const std::size_t g = i <= most ? i : 0;
        std::vector<double> photos;
        for (std::size_t p = 0; p < kept_.photos(); ++p) {
          double sum = 0, count = 0;
          for (std::size_t seed = 1; seed <= s_.seeds; ++seed) {
            const auto labels = kept_.labels("TGSR", seed);
            for (std::size_t t = 0; t < labels.size(); ++t) {
              if (labels[t] != g) continue;
              const double found = value("small", arm.name, t, p, 0, seed) - value("small", "joint", t, p, 0, seed);
              if (!is_nan(found)) sum += found, count += 1;
            }
          }
          if (count > 0) photos.push_back(sum / count);
        }
        out += join(" ", interval(photos), " |");
      }
      out += "\n";
    }
    return out;
  }

  // Only seeds that all of a line's trainings have.
  std::string ablated() const {
    std::string out;
    for (std::size_t i = 0; i <= ablated_arms.size(); ++i) {
      const std::string arm = i == 0 ? "adaptive" : ablated_arms[i - 1];
      std::array<std::vector<double>, 4> all;
      std::vector<double> worst;
      for (std::size_t p = 0; p < kept_.photos(); ++p) {
        const auto chosen = worst_tenth("small", p);
        std::array<double, 4> sum{};
        double low = 0, count = 0, low_count = 0;
        for (std::size_t seed = 1; seed <= s_.ablated_seeds; ++seed)
          for (std::size_t t = 0; t < kept_.tasks(); ++t) {
            std::array<double, 4> gain{};
            for (std::size_t m = 0; m < 4; ++m)
              gain[m] = kept_.at({"small", arm, seed}, t, p, m) - kept_.at({"small", "joint continued", seed}, t, p, m);
            if (is_nan(gain[0])) continue;
            for (std::size_t m = 0; m < 4; ++m) sum[m] += gain[m];
            count += 1;
            if (chosen[t]) low += gain[0], low_count += 1;
          }
        for (std::size_t m = 0; m < 4 && count > 0; ++m) all[m].push_back(sum[m] / count);
        if (low_count > 0) worst.push_back(low / low_count);
      }
      if (all[0].empty() || (i > 0 && out.empty())) continue;
      if (out.empty())
        out =
            head("What the adaptive rule's parts bring") +
            join("Less joint continued, seed 1", s_.ablated_seeds > 1 ? join(" to ", s_.ablated_seeds) : std::string(),
                 ".\n\n| | PSNR, dB | SSIM | MDSI | HaarPSI | PSNR of the worst tenth |\n|---|---|---|---|---|---|\n");
      out += join("| ", arm, " |");
      for (std::size_t m = 0; m < 4; ++m) out += join(" ", interval(all[m], m == 0 ? 3 : 5), " |");
      out += join(" ", interval(worst), " |\n");
    }
    return out;
  }

  // Tasks that the joint network leaves behind their own, for both sizes.
  std::string behind() const {
    std::string out = head("Tasks that the joint network leaves behind") +
                      join("Tasks whose own network, fine-tuned for ", s_.own_steps,
                           " steps, is more than 0.4 (0.2, 0.1) dB better, in percent; the first interval is by a "
                           "bootstrap over photos, which takes the tasks as they are.\n\n"
                           "| network | seeds | mean gain, dB | > 0.4 dB | > 0.2 dB | > 0.1 dB | largest |\n"
                           "|---|---|---|---|---|---|---|\n");
    for (const char* network : {"small", "large"}) {
      std::size_t seeds = 0;
      for (std::size_t seed = 1; seed <= s_.seeds; ++seed) seeds += kept_.knows({network, "own", seed}) ? 1 : 0;
      if (seeds == 0) continue;
      // gains : (tasks, photos)
      std::vector<std::vector<double>> gains;
      for (std::size_t t = 0; t < kept_.tasks(); ++t) {
        std::vector<double> photos;
        for (std::size_t p = 0; p < kept_.photos(); ++p) {
          double sum = 0, count = 0;
          for (std::size_t seed = 1; seed <= s_.seeds; ++seed) {
            const double found =
                kept_.at({network, "own", seed}, t, p, 0) - kept_.at({network, "joint", seed}, t, p, 0);
            if (!is_nan(found)) sum += found, count += 1;
          }
          if (count > 0) photos.push_back(sum / count);
        }
        if (photos.size() == kept_.photos()) gains.push_back(photos);
      }
      if (gains.empty()) continue;
      const auto share = [&](const std::vector<std::size_t>& photos, double bound) {
        double above = 0;
        for (const auto& task : gains) {
          double sum = 0;
          for (const std::size_t p : photos) sum += task[p];
          above += sum / static_cast<double>(photos.size()) > bound ? 1 : 0;
        }
        return 100 * above / static_cast<double>(gains.size());
      };
      std::vector<std::size_t> photos(kept_.photos()), drawn(kept_.photos());
      for (std::size_t p = 0; p < photos.size(); ++p) photos[p] = p;
      Random random(1, Purpose::user);
      std::vector<double> shares;
      for (int draw = 0; draw < 2000; ++draw) {
        for (std::size_t& p : drawn) p = random.below(static_cast<std::uint32_t>(photos.size()));
        shares.push_back(share(drawn, 0.4));
      }
      std::sort(shares.begin(), shares.end());
      double total = 0, largest = -1e30;
      for (const auto& task : gains) total += mean(task), largest = std::max(largest, mean(task));
      out += join("| ", network, " | ", seeds, " | ", fixed(total / static_cast<double>(gains.size()), 3, true), " | ",
                  fixed(share(photos, 0.4), 0), " (", fixed(shares[50], 0), " to ", fixed(shares[1949], 0), ") | ") +
             join(fixed(share(photos, 0.2), 0), " | ", fixed(share(photos, 0.1), 0), " | ", fixed(largest, 2, true),
                  " |\n");
    }
    return out;
  }

  std::string longer() const {
    std::vector<double> near, far;
    for (std::size_t p = 0; p < kept_.photos(); ++p) {
      double a = 0, b = 0, count = 0;
      for (std::size_t t = 0; t < s_.long_tasks; ++t) {
        const double joint = kept_.at({"small", "joint", 1}, t, p, 0);
        const double one = kept_.at({"small", "own", 1}, t, p, 0) - joint;
        const double other = kept_.at({"small", "own long", 1}, t, p, 0) - joint;
        if (!is_nan(one) && !is_nan(other)) a += one, b += other, count += 1;
      }
      if (count > 0) near.push_back(a / count), far.push_back(b / count);
    }
    if (near.empty()) return "";
    return head("What a longer fine-tuning of a task alone adds") +
           join("Of the first ", s_.long_tasks, " tasks, seed 1, less the joint network: ", s_.own_steps, " steps ",
                interval(near), " dB, ", s_.long_steps, " steps ", interval(far), " dB.\n");
  }

  std::string costs() const {
    std::string out = head("What it cost") +
                      "Means over seeds. Seconds are of training and measuring (own and bicubic: scoring too), with "
                      "whatever else the "
                      "machine did.\n\n| network | | steps | of measuring | seconds |\n|---|---|---|---|---|\n";
    std::map<std::pair<std::string, std::string>, std::pair<RunCost, double>> all;
    for (const auto& [run, cost] : kept_.costs()) {
      auto& [sum, count] = all[{run.network, run.arm.starts_with("random") ? "random groups" : run.arm}];
      sum.steps += cost.steps, sum.measuring += cost.measuring, sum.seconds += cost.seconds, count += 1;
    }
    double seconds = 0;
    for (const auto& [name, entry] : all) {
      const auto& [sum, count] = entry;
      seconds += sum.seconds;
      out += join("| ", name.first, " | ", name.second, " | ", fixed(static_cast<double>(sum.steps) / count, 0), " | ",
                  fixed(static_cast<double>(sum.measuring) / count, 0), " | ", fixed(sum.seconds / count, 1), " |\n");
    }
    return out + join("\nAll trainings and tests took ", fixed(seconds / 60, 1), " minutes of one core.\n");
  }

  const Settings& s_;
  const Kept& kept_;
  std::vector<Arm> arms_;
};

}  // namespace super_resolution_study
