// SPDX-License-Identifier: MIT
// Do affinities tell the truth? What bench/grouping/truth.cpp trains is here turned into answers, from numbers alone: true
// gains of all groups of five tasks over seeds, what each measure and rule says of them, and how far a perfect one could get.
//
// A gain is (score of a task in a group - score alone) / |score alone|, of the same seed: same first weights, same batches.
// Whatever chooses or predicts has one seed, and is judged by the mean of the other seeds on test samples; every seed chooses
// in turn.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <mtlx/core/name.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/exhaustive.hpp>
#include <mtlx/grouping/higher_order.hpp>
#include <mtlx/grouping/random_groups.hpp>
#include <mtlx/grouping/search.hpp>
#include <mtlx/grouping/surrogate.hpp>
#include <mtlx/grouping/workshop.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace grouping_truth {

using namespace mtlx;

inline constexpr std::size_t five = 5, all_groups = 32;  // by the bits of a group, 0 unused
inline constexpr double missing = std::numeric_limits<double>::quiet_NaN();

/// Of one seed: (group, task), higher is better.
struct Scores {
  std::array<std::array<double, five>, all_groups> validation{}, test{};
  std::size_t groups = 0;  // that were trained

  double gain(const std::array<std::array<double, five>, all_groups>& of, std::size_t group, std::size_t task) const {
    const double alone = of[std::size_t{1} << task][task], unit = std::abs(alone);
    return (of[group][task] - alone) / (unit > 0 ? unit : 1);
  }
  double true_gain(std::size_t group, std::size_t task) const { return gain(test, group, task); }
};

/// What a rule came to that trained for itself, with one seed.
struct FoundPlan {
  std::vector<grouping::Group> groups;
  double trainings = 0;         // steps in units of one training of all tasks
  std::vector<double> effects;  // of single partners, (affected, acting), or none
};

/// Five tasks.
struct FiveTasks {
  std::string name;
  std::map<std::uint64_t, Scores> seeds;
  std::map<std::string, std::map<std::uint64_t, std::vector<double>>> tables;               // measure, seed
  std::map<std::pair<std::string, std::size_t>, std::map<std::uint64_t, FoundPlan>> found;  // (rule, networks), seed
};

/// Trainings that were made already, on which rules may work.
class Replay final : public grouping::Workshop {
 public:
  Replay(const Scores& scores, std::uint64_t seed) : scores_(scores), seed_(seed) {}
  std::size_t tasks() const override { return five; }
  std::span<const std::string_view> names() const override { return names_; }
  std::uint64_t seed() const override { return seed_; }
  std::size_t epochs() const override { return 1; }
  std::size_t steps_in_epoch() const override { return 1; }
  void hold_out(double) override {}
  grouping::Trained train(const grouping::Training& training) override {
    grouping::Trained trained;
    const auto group = static_cast<std::size_t>(training.members.bits());
    for (std::size_t t = 0; t < five; ++t)
      trained.scores.push_back(training.members.has(t) ? scores_.validation[group][t] : missing);
    ++steps_;
    return trained;
  }
  grouping::Still& still(const std::string&, TaskSet) override { fail("no network is kept"); }
  std::size_t steps() const override { return steps_; }  // trainings

 private:
  static constexpr std::array<std::string_view, five> names_{"1", "2", "3", "4", "5"};
  const Scores& scores_;
  std::uint64_t seed_;
  std::size_t steps_ = 0;
};

/// A score of every task in every group of two or more: (group, task).
using GroupScores = std::array<std::array<double, five>, all_groups>;

template <class Score>
GroupScores scores_by(const Score& score) {
  GroupScores scores{};
  for (std::size_t group = 1; group < all_groups; ++group)
    for (std::size_t t = 0; t < five; ++t)
      if ((group >> t & 1) != 0) scores[group][t] = score(t, TaskSet::of_bits(group));
  return scores;
}
inline GroupScores by_mean(const std::vector<double>& table) {
  return scores_by([&](std::size_t i, TaskSet group) {
    double sum = 0;
    for (std::size_t j = 0; j < five; ++j)
      if (group.has(j) && j != i) sum += table[i * five + j];
    return group.count() > 1 ? sum / static_cast<double>(group.count() - 1) : 0;
  });
}
inline GroupScores by_sum(const std::vector<double>& table) {
  return scores_by([&](std::size_t i, TaskSet group) {
    double sum = 0;
    for (std::size_t j = 0; j < five; ++j)
      if (group.has(j) && j != i) sum += table[i * five + j];
    return sum;
  });
}

inline std::vector<double> ranks(const std::vector<double>& x) {
  std::vector<double> r(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    for (const double other : x) r[i] += other < x[i] ? 1 : (other > x[i] ? 0 : 0.5);
  return r;
}
/// 0 where one of the two doesn't vary.
inline double spearman(const std::vector<double>& x, const std::vector<double>& y) {
  const std::vector<double> a = ranks(x), b = ranks(y);
  double ab = 0, aa = 0, bb = 0;
  const double middle = static_cast<double>(x.size()) / 2;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - middle) * (b[i] - middle);
    aa += (a[i] - middle) * (a[i] - middle);
    bb += (b[i] - middle) * (b[i] - middle);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

/// Mean over tasks of the rank correlation over the groups of two or more that hold the task.
inline double by_task(const GroupScores& scores, const GroupScores& truth) {
  double sum = 0;
  for (std::size_t t = 0; t < five; ++t) {
    std::vector<double> x, y;
    for (std::size_t group = 1; group < all_groups; ++group)
      if ((group >> t & 1) != 0 && group != std::size_t{1} << t) {
        x.push_back(scores[group][t]);
        y.push_back(truth[group][t]);
      }
    sum += spearman(x, y) / five;
  }
  return sum;
}
/// The rank correlation of the members' means over all groups of two or more.
inline double by_group(const GroupScores& scores, const GroupScores& truth) {
  std::vector<double> x, y;
  for (std::size_t group = 1; group < all_groups; ++group) {
    const auto members = static_cast<double>(TaskSet::of_bits(group).count());
    if (members < 2) continue;
    double a = 0, b = 0;
    for (std::size_t t = 0; t < five; ++t) a += scores[group][t] / members, b += truth[group][t] / members;
    x.push_back(a);
    y.push_back(b);
  }
  return spearman(x, y);
}

/// Mean true gains over some seeds, one after the other (a seed may come twice).
inline GroupScores mean_truth(const FiveTasks& tasks, const std::vector<std::uint64_t>& seeds) {
  GroupScores mean{};
  for (const std::uint64_t seed : seeds)
    for (std::size_t group = 1; group < all_groups; ++group)
      for (std::size_t t = 0; t < five; ++t)
        if ((group >> t & 1) != 0)
          mean[group][t] += tasks.seeds.at(seed).true_gain(group, t) / static_cast<double>(seeds.size());
  return mean;
}
inline double value_of(const std::vector<grouping::Group>& plan, const GroupScores& truth) {
  double sum = 0;
  for (const grouping::Group& group : plan)
    for (std::size_t t = 0; t < five; ++t)
      if (group.serves.has(t)) sum += truth[static_cast<std::size_t>(group.members.bits())][t] / five;
  return sum;
}
inline std::vector<grouping::Group> best_plan(const GroupScores& scores, std::size_t networks) {
  return grouping::best_groups(
             [&](std::size_t t, TaskSet group) { return scores[static_cast<std::size_t>(group.bits())][t]; }, five,
             networks)
      .plan();
}

/// What predicts gains, and what chooses plans, with one seed.
struct Predictor {
  std::string name;
  std::function<std::optional<GroupScores>(const FiveTasks&, std::uint64_t)> scores;
};
struct Chooser {
  std::string name;
  /// No plan where there are no numbers for it.
  std::function<std::vector<grouping::Group>(const FiveTasks&, std::uint64_t, std::size_t networks)> plan;
  std::function<double(const FiveTasks&)> trainings;
};

/// A set, with the seeds that were drawn for it.
struct Drawn {
  const FiveTasks* tasks;
  std::vector<std::uint64_t> seeds;
};
/// The seeds that are not the choosing one.
inline std::vector<std::uint64_t> others(const std::vector<std::uint64_t>& seeds, std::uint64_t seed) {
  std::vector<std::uint64_t> rest;
  for (const std::uint64_t s : seeds)
    if (s != seed) rest.push_back(s);
  return rest;
}

using Statistic = std::function<double(const Drawn&)>;  // of one set; NaN where there is none

/// Means over sets, with the 2.5 % and 97.5 % points of the same of whole sets and seeds within them drawn with replacement.
/// With fewer than 3 sets the sets stay, and the interval is one over seeds alone.
struct Estimate {
  double mean = missing, lower = missing, upper = missing;
  std::size_t sets = 0;
};
inline double mean_over(const std::vector<Drawn>& sets, const Statistic& statistic, std::size_t* count = nullptr) {
  double sum = 0, n = 0;
  for (const Drawn& set : sets)
    if (const double x = statistic(set); !is_nan(x)) sum += x, n += 1;
  if (count != nullptr) *count = static_cast<std::size_t>(n);
  return n > 0 ? sum / n : missing;
}
inline Estimate estimate(const std::vector<FiveTasks>& all, const Statistic& statistic, std::size_t draws = 400) {
  std::vector<Drawn> sets;
  for (const FiveTasks& tasks : all) {
    Drawn drawn{&tasks, {}};
    for (const auto& [seed, scores] : tasks.seeds) drawn.seeds.push_back(seed);
    sets.push_back(drawn);
  }
  Estimate found;
  found.mean = mean_over(sets, statistic, &found.sets);
  std::vector<double> means;
  for (std::size_t b = 0; b < draws; ++b) {
    Random random(b, Purpose::sample);
    const auto draw = [&](std::size_t n) { return random.below(static_cast<std::uint32_t>(n)); };
    std::vector<Drawn> again;
    for (std::size_t s = 0; s < sets.size(); ++s) {
      const Drawn& from = sets[sets.size() >= 3 ? draw(sets.size()) : s];
      Drawn to{from.tasks, {}};
      // At least two different seeds, or nothing could be judged.
      do {
        to.seeds.clear();
        for (std::size_t i = 0; i < from.seeds.size(); ++i) to.seeds.push_back(from.seeds[draw(from.seeds.size())]);
      } while (others(to.seeds, to.seeds[0]).empty());
      again.push_back(std::move(to));
    }
    if (const double mean = mean_over(again, statistic); !is_nan(mean)) means.push_back(mean);
  }
  std::sort(means.begin(), means.end());
  if (means.size() >= 40) {
    found.lower = means[means.size() / 40];
    found.upper = means[means.size() - 1 - means.size() / 40];
  }
  return found;
}

/// A statistic of a seed that chooses and the truth of the others, as a mean over seeds.
inline Statistic over_seeds(std::function<double(const FiveTasks&, std::uint64_t, const GroupScores&)> of) {
  return [of](const Drawn& drawn) {
    double sum = 0, n = 0;
    for (const std::uint64_t seed : drawn.seeds)
      if (const double x = of(*drawn.tasks, seed, mean_truth(*drawn.tasks, others(drawn.seeds, seed))); !is_nan(x))
        sum += x, n += 1;
    return n > 0 ? sum / n : missing;
  };
}

/// How far a perfect predictor would get: correlations of halves of the seeds, stepped up to all but one seed
/// (Spearman and Brown), and their square root.
inline Statistic ceiling(double (*correlation)(const GroupScores&, const GroupScores&)) {
  return [correlation](const Drawn& drawn) {
    std::vector<std::uint64_t> seeds;
    for (const auto& [seed, scores] : drawn.tasks->seeds) seeds.push_back(seed);
    if (seeds.size() < 2) return missing;
    double sum = 0, n = 0;
    for (std::uint64_t half = 1; half < std::uint64_t{1} << seeds.size(); ++half) {
      std::vector<std::uint64_t> one, other;
      for (std::size_t s = 0; s < seeds.size(); ++s) ((half >> s & 1) != 0 ? one : other).push_back(seeds[s]);
      if (one.size() != seeds.size() / 2) continue;
      sum += correlation(mean_truth(*drawn.tasks, one), mean_truth(*drawn.tasks, other));
      n += 1;
    }
    const double r = std::max(0.0, sum / n),
                 factor = (static_cast<double>(seeds.size()) - 1) / (static_cast<double>(seeds.size()) / 2);
    return std::sqrt(factor * r / (1 + (factor - 1) * r));
  };
}

inline std::string number(double x, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return is_nan(x) ? "" : text;
}
inline std::string cell(const Estimate& e, int digits, double unit = 1) {
  if (is_nan(e.mean)) return "";
  std::string text = number(unit * e.mean, digits);
  if (!is_nan(e.lower)) text += " (" + number(unit * e.lower, digits) + " to " + number(unit * e.upper, digits) + ")";
  return text;
}

/// Plans by a table of pairs, as TAG has it: a task is never alone if that can be helped.
inline std::vector<grouping::Group> plan_by_pairs(const std::vector<double>& table, std::size_t networks) {
  return grouping::best_groups(std::span<const double>(table), five, networks).plan();
}

/// The tables of docs/grouping.md.
inline std::string report(const std::vector<FiveTasks>& all, const std::vector<std::string>& measures,
                          const std::vector<std::string>& rules) {
  std::vector<Predictor> predictors;
  std::vector<Chooser> choosers;
  // A control: where sharing costs, the size of a group tells much, and a mean over partners knows nothing of it.
  predictors.push_back({"the smaller the better", [](const FiveTasks&, std::uint64_t) -> std::optional<GroupScores> {
                          return scores_by(
                              [](std::size_t, TaskSet group) { return -static_cast<double>(group.count()); });
                        }});
  choosers.push_back({"a network for each task",
                      [](const FiveTasks&, std::uint64_t, std::size_t) {
                        std::vector<grouping::Group> plan;
                        for (std::size_t t = 0; t < five; ++t) plan.push_back({TaskSet::only(t), TaskSet::only(t)});
                        return plan;
                      },
                      [](const FiveTasks&) { return 0.0; }});
  choosers.push_back({"all together",
                      [](const FiveTasks&, std::uint64_t, std::size_t) {
                        return std::vector<grouping::Group>{{TaskSet::first(five), TaskSet::first(five)}};
                      },
                      [](const FiveTasks&) { return 0.0; }});
  choosers.push_back({"at random",
                      [](const FiveTasks&, std::uint64_t seed, std::size_t networks) {
                        return grouping::RandomGroups{.groups = networks, .seed = seed}.plan(five);
                      },
                      [](const FiveTasks&) { return 0.0; }});
  for (const std::string& measure : measures) {
    const auto table = [measure](const FiveTasks& tasks, std::uint64_t seed) -> const std::vector<double>* {
      const auto found = tasks.tables.find(measure);
      if (found == tasks.tables.end() || found->second.count(seed) == 0) return nullptr;
      const std::vector<double>& numbers = found->second.at(seed);
      for (std::size_t cell = 0; cell < numbers.size(); ++cell)
        if (cell % (five + 1) != 0 && !is_finite(numbers[cell])) return nullptr;
      return &numbers;
    };
    predictors.push_back({measure, [table](const FiveTasks& tasks, std::uint64_t seed) -> std::optional<GroupScores> {
                            const auto* found = table(tasks, seed);
                            return found == nullptr ? std::nullopt : std::optional(by_mean(*found));
                          }});
    choosers.push_back({"TaskAffinity, " + measure,
                        [table](const FiveTasks& tasks, std::uint64_t seed, std::size_t networks) {
                          const auto* found = table(tasks, seed);
                          return found == nullptr ? std::vector<grouping::Group>() : plan_by_pairs(*found, networks);
                        },
                        [](const FiveTasks&) { return 1.0; }});
  }
  for (const std::string& rule : rules) {
    const auto of = [rule](const FiveTasks& tasks, std::uint64_t seed, std::size_t networks) -> const FoundPlan* {
      const auto found = tasks.found.find({rule, networks});
      return found == tasks.found.end() || found->second.count(seed) == 0 ? nullptr : &found->second.at(seed);
    };
    predictors.push_back({rule, [of](const FiveTasks& tasks, std::uint64_t seed) -> std::optional<GroupScores> {
                            const FoundPlan* plan = of(tasks, seed, 2);
                            if (plan == nullptr || plan->effects.empty()) return std::nullopt;
                            return by_sum(plan->effects);
                          }});
    choosers.push_back({rule,
                        [of](const FiveTasks& tasks, std::uint64_t seed, std::size_t networks) {
                          // With one network there is one plan.
                          if (networks == 1) return plan_by_pairs(std::vector<double>(five * five), 1);
                          const FoundPlan* plan = of(tasks, seed, networks);
                          return plan == nullptr ? std::vector<grouping::Group>() : plan->groups;
                        },
                        [rule](const FiveTasks& tasks) {
                          const auto found = tasks.found.find({rule, 2});
                          if (found == tasks.found.end()) return missing;
                          double sum = 0;
                          for (const auto& [seed, plan] : found->second) sum += plan.trainings;
                          return sum / static_cast<double>(found->second.size());
                        }});
  }
  // Kept: intervals ask for the same plans again and again.
  std::map<std::tuple<std::string, const FiveTasks*, std::uint64_t>, grouping::Plan> kept;
  const auto replayed = [&kept](const FiveTasks& tasks, std::uint64_t seed, const auto& rule) -> const grouping::Plan& {
    const auto key = std::tuple(join(type_name<decltype(rule)>(), rule.groups), &tasks, seed);
    auto found = kept.find(key);
    if (found == kept.end()) {
      Replay replay(tasks.seeds.at(seed), seed);
      found = kept.emplace(key, rule.find(replay)).first;
    }
    return found->second;
  };
  // As many trainings as there are tasks and pairs of them.
  constexpr std::size_t subsets = five * (five - 1) / 2;
  predictors.push_back({"HigherOrder", [&](const FiveTasks& tasks, std::uint64_t seed) -> std::optional<GroupScores> {
                          return by_mean(replayed(tasks, seed, grouping::HigherOrder{}).evidence.tables[0].values);
                        }});
  predictors.push_back({"Surrogate", [&](const FiveTasks& tasks, std::uint64_t seed) -> std::optional<GroupScores> {
                          return by_sum(
                              replayed(tasks, seed, grouping::Surrogate{.subsets = subsets}).evidence.tables[0].values);
                        }});
  predictors.push_back({"the gains themselves, one seed on validation samples",
                        [](const FiveTasks& tasks, std::uint64_t seed) -> std::optional<GroupScores> {
                          const Scores& scores = tasks.seeds.at(seed);
                          return scores_by([&](std::size_t t, TaskSet group) {
                            return scores.gain(scores.validation, static_cast<std::size_t>(group.bits()), t);
                          });
                        }});
  const auto constant = [](double x) { return [x](const FiveTasks&) { return x; }; };
  choosers.push_back({"HigherOrder",
                      [&](const FiveTasks& tasks, std::uint64_t seed, std::size_t networks) {
                        return replayed(tasks, seed, grouping::HigherOrder{.groups = networks}).groups;
                      },
                      constant(five + subsets)});
  choosers.push_back(
      {"Surrogate",
       [&](const FiveTasks& tasks, std::uint64_t seed, std::size_t networks) {
         return replayed(tasks, seed, grouping::Surrogate{.groups = networks, .subsets = subsets}).groups;
       },
       constant(five + subsets)});
  choosers.push_back({"Exhaustive",
                      [&](const FiveTasks& tasks, std::uint64_t seed, std::size_t networks) {
                        return replayed(tasks, seed, grouping::Exhaustive{.groups = networks}).groups;
                      },
                      constant(all_groups - 1)});

  std::string text =
      "| predictor, from one seed | correlation with true gains, by task | by group | sets |\n|---|---|---|---|\n";
  for (const Predictor& predictor : predictors) {
    const auto of = [&](double (*correlation)(const GroupScores&, const GroupScores&)) {
      return estimate(all, over_seeds([&predictor, correlation](const FiveTasks& tasks, std::uint64_t seed,
                                                                const GroupScores& truth) {
                        const auto scores = predictor.scores(tasks, seed);
                        return scores ? correlation(*scores, truth) : missing;
                      }));
    };
    const Estimate task = of(by_task), group = of(by_group);
    if (task.sets > 0)
      text += join("| ", predictor.name, " | ", cell(task, 2), " | ", cell(group, 2), " | ", task.sets, " |\n");
  }
  text += join("| *a perfect predictor (split half)* | ", number(estimate(all, ceiling(by_task), 0).mean, 2), " | ",
               number(estimate(all, ceiling(by_group), 0).mean, 2), " | ", all.size(), " |\n\n");

  text += "| rule, from one seed | trainings | regret with up to 1 network, % | 2 | 3 |\n|---|---|---|---|---|\n";
  for (const Chooser& chooser : choosers) {
    text += "| " + chooser.name + " |";
    double trainings = 0, n = 0;
    for (const FiveTasks& tasks : all)
      if (const double x = chooser.trainings(tasks); !is_nan(x)) trainings += x, n += 1;
    text += n > 0 ? " " + number(trainings / n, 1) + " |" : " |";
    for (std::size_t networks = 1; networks <= 3; ++networks) {
      const Estimate regret = estimate(
          all, over_seeds([&](const FiveTasks& tasks, std::uint64_t seed, const GroupScores& truth) {
            const auto plan = chooser.plan(tasks, seed, networks);
            return plan.empty() ? missing : value_of(best_plan(truth, networks), truth) - value_of(plan, truth);
          }));
      text += " " + cell(regret, 2, 100) + " |";
    }
    text += "\n";
  }
  text += "| *gain of the best plan over tasks alone, %* | |";
  for (std::size_t networks = 1; networks <= 3; ++networks)
    text += " " +
            cell(estimate(all, over_seeds([&](const FiveTasks&, std::uint64_t, const GroupScores& truth) {
                            return value_of(best_plan(truth, networks), truth);
                          })),
                 2, 100) +
            " |";
  return text + "\n";
}

}  // namespace grouping_truth
