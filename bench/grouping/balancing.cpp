// SPDX-License-Identifier: MIT
// usage: bench/grouping/truth.sh balancing --glyphs FOLDER --gum FOLDER --yeast FILE [OPTION...]
//
// Does a balancer add to grouping, or grouping to a balancer? Three sets of five tasks; all together, in two networks by
// TaskAffinity (TAG's setting) and in two by ValidatedAffinity; each with equal weights, PCGrad and UPGrad, whose plans are
// found with that balancer. Gains are those over a network for each task with equal weights and the same seed, on test
// samples. Every training is a line of runs.csv: what was ended goes on.
#include <memory>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/core/csv.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/separate.hpp>
#include <mtlx/grouping/task_affinity.hpp>
#include <mtlx/grouping/validated_affinity.hpp>
#include <mtlx/study/statistics.hpp>
#include <mtlx/training/workshop.hpp>

#include <functional>
#include <map>
#include <mutex>

#include "../studies/resumable.hpp"
#include "sets.hpp"

using namespace mtlx;
using namespace grouping_sets;

namespace {

constexpr std::array<const char*, 3> plans{"together", "TAG", "ValidatedAffinity"};
constexpr std::array<const char*, 3> balancers{"EqualWeights", "PcGrad", "UpGrad"};

class Study {
 public:
  explicit Study(const Settings& settings)
      : s(settings),
        lines_((resumable::open_folder(s.folder, text_of(s)), s.folder + "/runs.csv"),
               "set,seed,plan,balancer,networks,score 1,score 2,score 3,score 4,score 5") {
    for (const auto& cells : lines_.found()) note(cells);
  }

  template <std::size_t set>
  void add() {
    if (!wanted<set>(s)) return;
    const std::string name(grouping_data::sets[set].name);
    std::fprintf(stderr, "reading %s\n", name.c_str());
    const auto parts = std::make_shared<grouping_data::Parts>(read<set>(s));
    const auto add_jobs = [&]<class Balancing>(std::type_identity<Balancing>, const char* balancer, bool alone) {
      using Model = ModelOf<set, Balancing>;
      const typename Model::FitOptions options{.epochs = epochs_of<set>(s), .batch_size = s.batch};
      const auto job = [&](const char* plan, std::uint64_t seed) {
        if (scores_.count({name, seed, plan, balancer}) > 0) return;
        jobs_.push_back([this, name, parts, options, balancer, plan = std::string(plan), seed] {
          Model model = make<Model>(seed);
          if (plan == "alone")
            model.set_plan(grouping::Separate{}.plan(5));
          else if (plan == "TAG")
            model.set_plan(
                found<Model>(*parts, options, model,
                             grouping::TaskAffinity<grouping::Lookahead>{.evaluation = grouping::Evaluation::same_batch,
                                                                         .step_kind = grouping::StepKind::gradient}));
          else if (plan == "ValidatedAffinity")
            model.set_plan(found<Model>(*parts, options, model, grouping::ValidatedAffinity<>{}));
          model.fit(parts->train, options);
          std::string line = join(name, ",", seed, ",", plan, ",", balancer, ",", model.plan().size());
          std::vector<std::string> cells{name, join(seed), plan, balancer, join(model.plan().size())};
          for (const double score : higher_is_better<Model>(model.evaluate(parts->test)))
            cells.push_back(csv_number(score)), line += "," + cells.back();
          lines_.add(line);
          std::fprintf(stderr, "%s\n", line.c_str());
          const std::lock_guard lock(mutex_);
          note(cells);
        });
      };
      for (std::uint64_t seed = s.first_seed; seed < s.first_seed + s.seeds; ++seed) {
        if (alone) job("alone", seed);
        for (const char* plan : plans) job(plan, seed);
      }
    };
    add_jobs(std::type_identity<balancing::EqualWeights>{}, balancers[0], true);
    add_jobs(std::type_identity<balancing::PcGrad>{}, balancers[1], false);
    add_jobs(std::type_identity<balancing::UpGrad>{}, balancers[2], false);
    names_.push_back(name);
  }

  void run() { resumable::run_all(std::move(jobs_), s.jobs); }

  // Gains in percent, their means over tasks and sets a seed, with t intervals over seeds.
  std::string text() const {
    std::string text = "| gain over single tasks, % |";
    for (const char* balancer : balancers) text += join(" ", balancer, " |");
    text += "\n|---|---|---|---|\n";
    for (const char* plan : plans) {
      text += join("| ", plan, " |");
      for (const char* balancer : balancers) {
        std::vector<double> gains;
        for (std::uint64_t seed = s.first_seed; seed < s.first_seed + s.seeds; ++seed) {
          double sum = 0, count = 0;
          for (const std::string& name : names_) {
            const auto alone = scores_.find({name, seed, "alone", balancers[0]});
            const auto mine = scores_.find({name, seed, plan, balancer});
            if (alone == scores_.end() || mine == scores_.end()) continue;
            for (std::size_t t = 0; t < 5; ++t) {
              const double unit = std::abs(alone->second[t]);
              sum += 100 * (mine->second[t] - alone->second[t]) / (unit > 0 ? unit : 1);
              count += 1;
            }
          }
          if (count == static_cast<double>(5 * names_.size())) gains.push_back(sum / count);
        }
        if (gains.empty()) {
          text += " |";
          continue;
        }
        const auto found = study::t_interval(gains);
        char cell[80];
        if (gains.size() > 1)
          std::snprintf(cell, sizeof cell, " %+.2f (%+.2f to %+.2f) |", found.estimate, found.lower, found.upper);
        else
          std::snprintf(cell, sizeof cell, " %+.2f |", found.estimate);
        text += cell;
      }
      text += "\n";
    }
    return text + join("\nMeans over ", names_.size(), " sets of five tasks; 95 % t intervals over seeds.\n");
  }

 private:
  using Key = std::tuple<std::string, std::uint64_t, std::string, std::string>;

  template <class Model, class Rule>
  static std::vector<grouping::Group> found(const grouping_data::Parts& parts, typename Model::FitOptions options,
                                            const Model& model, const Rule& rule) {
    options.validation = &parts.validation;
    training::detail::WorkshopOf<typename Model::Base> workshop(model, parts.train, options);
    return rule.find(workshop).groups;
  }
  void note(const std::vector<std::string>& cells) {
    if (cells.size() != 10) return;
    std::vector<double>& scores = scores_[{cells[0], std::stoull(cells[1]), cells[2], cells[3]}];
    scores.clear();
    for (std::size_t t = 0; t < 5; ++t) scores.push_back(std::stod(cells[5 + t]));
  }

  const Settings& s;
  resumable::Lines lines_;
  std::vector<std::string> names_;
  std::map<Key, std::vector<double>> scores_;
  std::vector<std::function<void()>> jobs_;
  std::mutex mutex_;
};

}  // namespace

int main(int count, char** words) try {
  Settings settings = settings_of(count, words);
  if (settings.folder.empty()) settings.folder = "balancing";
  Study study(settings);
  // The first set of each source.
  study.add<0>();
  study.add<3>();
  study.add<6>();
  study.run();
  std::printf("%s", study.text().c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
