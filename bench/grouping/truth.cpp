// SPDX-License-Identifier: MIT
// usage: bench/grouping/truth.sh --glyphs FOLDER --gum FOLDER --yeast FILE [OPTION...]
//
// Do affinities tell the truth? Sets of five tasks from glyphs, GUM and yeast (data.hpp); in each, all 31 groups are trained with
// some seeds, which gives true gains. Beside them one joint training a seed with every measure looking on, and
// ValidatedAffinity. HigherOrder, Surrogate and Exhaustive work on the trained groups. truth.hpp says what is made of it;
// docs/grouping.md has the tables. Every training is a line of a CSV file: what was ended goes on.
#include <memory>
#include <mtlx/core/csv.hpp>
#include <mtlx/grouping/affinity/corrected.hpp>
#include <mtlx/grouping/affinity/cosine.hpp>
#include <mtlx/grouping/affinity/first_order.hpp>
#include <mtlx/grouping/affinity/gain.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/affinity/odd.hpp>
#include <mtlx/grouping/validated_affinity.hpp>
#include <mtlx/training/affinity.hpp>
#include <mtlx/training/workshop.hpp>

#include <set>

#include "../studies/resumable.hpp"
#include "sets.hpp"
#include "truth.hpp"

using namespace mtlx;
using namespace grouping_sets;
using namespace grouping_truth;

namespace {

// The labels of the members alone.
data::DataSet only(const data::DataSet& all, TaskSet members) {
  const data::Stream& stream = all.streams()[0];
  std::vector<data::Column> columns = stream.columns;
  for (std::size_t t = 0; t < columns.size(); ++t)
    if (!members.has(t)) {
      const std::size_t width = columns[t].targets.width();
      columns[t].targets = data::Targets::values(
          width, std::vector<float>(stream.inputs.size() * width, std::numeric_limits<float>::quiet_NaN()));
    }
  return {stream.inputs, columns};
}

std::string numbers_text(const auto& numbers) {
  std::string text;
  for (const double x : numbers) text += "," + csv_number(x);
  return text;
}
double number_of(const std::string& cell) { return cell.empty() ? missing : std::stod(cell); }

std::string numbered(const std::string& name, std::size_t count) {
  std::string text;
  for (std::size_t i = 1; i <= count; ++i) text += join(",", name, " ", i);
  return text;
}

std::string plan_bits(const std::vector<grouping::Group>& plan) {
  std::string text;
  for (const grouping::Group& group : plan) text += join(group.members.bits(), "/", group.serves.bits(), ";");
  return text;
}
std::vector<grouping::Group> plan_of(const std::string& text) {
  std::vector<grouping::Group> plan;
  for (std::size_t at = 0; at < text.size(); at = text.find(';', at) + 1)
    plan.push_back({set_of(std::stoul(text.substr(at))), set_of(std::stoul(text.substr(text.find('/', at) + 1)))});
  return plan;
}

// All that is known, and what is yet to be trained.
class Study {
 public:
  explicit Study(const Settings& settings)
      : s(settings),
        runs_((resumable::open_folder(s.folder, text_of(s)), s.folder + "/runs.csv"),
              "set,seed,group" + numbered("validation", five) + numbered("test", five) +
                  numbered("validation loss", five) + numbered("test loss", five)),
        tables_(s.folder + "/tables.csv", "set,seed,measure" + numbered("affected and acting", five * five)),
        plans_(s.folder + "/plans.csv",
               "set,seed,rule,networks,trainings,plan" + numbered("affected and acting", five * five)) {
    for (const auto& cells : runs_.found()) note_run(cells);
    for (const auto& cells : tables_.found()) note_table(cells);
    for (const auto& cells : plans_.found()) note_plan(cells);
  }

  // Adds a set's jobs.
  template <std::size_t set>
  void add() {
    using Model = ModelOf<set, balancing::EqualWeights>;
    const auto& about = grouping_data::sets[set];
    const std::string name(about.name);
    if (!wanted<set>(s)) return;
    std::fprintf(stderr, "reading %s\n", name.c_str());
    const auto parts = std::make_shared<grouping_data::Parts>(read<set>(s));
    const std::size_t epochs = epochs_of<set>(s);
    const auto start = [this, name](const std::string& what, std::uint64_t seed) {
      std::fprintf(stderr, "%s, seed %llu: %s\n", name.c_str(), static_cast<unsigned long long>(seed), what.c_str());
    };
    const auto options = [epochs, this] { return typename Model::FitOptions{.epochs = epochs, .batch_size = s.batch}; };
    for (std::uint64_t seed = s.first_seed; seed < s.first_seed + s.seeds; ++seed) {
      for (std::size_t group = 1; group < all_groups; ++group) {
        if (done_.count(join(name, ",", seed, ",", group)) > 0) continue;
        jobs_.push_back([this, name, parts, options, seed, group] {
          Model model = make<Model>(seed);
          model.fit(only(parts->train, set_of(group)), options());
          const auto validation = model.evaluate(parts->validation), test = model.evaluate(parts->test);
          std::string line = join(name, ",", seed, ",", group);
          line += numbers_text(higher_is_better<Model>(validation)) + numbers_text(higher_is_better<Model>(test)) +
                  numbers_text(validation.losses()) + numbers_text(test.losses());
          runs_.add(line);
          note(line, &Study::note_run);
        });
      }
      if (done_.count(join(name, ",", seed, ",joint")) == 0)
        jobs_.push_back([this, name, parts, options, seed, start] {
          start("measures", seed);
          measure<Model>(name, *parts, options(), seed);
        });
      for (const std::size_t networks : {2, 3}) {
        if (done_.count(join(name, ",", seed, ",ValidatedAffinity,", networks)) > 0) continue;
        jobs_.push_back([this, name, parts, options, seed, networks, start] {
          start(join("ValidatedAffinity, ", networks, " networks"), seed);
          auto how = options();
          how.validation = &parts->validation;
          const Model model = make<Model>(seed);
          training::detail::WorkshopOf<typename Model::Base> workshop(model, parts->train, how);
          const grouping::Plan plan = grouping::ValidatedAffinity<>{.groups = networks}.find(workshop);
          std::vector<double> effects;
          for (const grouping::Table& table : plan.evidence.tables)
            if (table.title.starts_with("effect of a single partner")) effects = table.values;
          const double one = static_cast<double>(how.epochs * workshop.steps_in_epoch());
          const std::string line = join(name, ",", seed, ",ValidatedAffinity,", networks, ",",
                                        static_cast<double>(workshop.steps()) / one, ",", plan_bits(plan.groups)) +
                                   numbers_text(effects);
          plans_.add(line);
          note(line, &Study::note_plan);
        });
      }
    }
    names_.push_back(name);
  }

  void run() {
    std::fprintf(stderr, "%zu trainings and more to do\n", jobs_.size());
    resumable::run_all(std::move(jobs_), s.jobs);
  }
  std::string text() {
    std::vector<FiveTasks> all;
    for (const std::string& name : names_) {
      FiveTasks tasks = sets_[name];
      tasks.name = name;
      std::erase_if(tasks.seeds, [](const auto& seed) { return seed.second.groups + 1 < all_groups; });
      if (tasks.seeds.size() >= 2) all.push_back(std::move(tasks));
    }
    if (all.empty()) fail("no set has all its groups trained with two seeds");
    return report(all, {measures.begin(), measures.end()}, {"ValidatedAffinity"});
  }

 private:
  static constexpr std::array<const char*, 7> measures{
      "lookahead on the step's batch (TAG)", "lookahead", "first order", "corrected", "odd", "cosine", "gain"};

  // One joint training with all measures looking on, on nine tenths of the training samples.
  template <class Model>
  void measure(const std::string& name, const grouping_data::Parts& parts, typename Model::FitOptions how,
               std::uint64_t seed) {
    using namespace grouping;
    const auto [aside, seen] = data::split(parts.train, 0.1, seed);
    const std::size_t steps = how.epochs * ((seen.streams()[0].inputs.size() + how.batch_size - 1) / how.batch_size);
    // Some 100 looks in a training.
    const std::size_t every = std::max<std::size_t>(1, steps / 100);
    Watching<Lookahead> tag({.every = every}, Evaluation::same_batch, StepKind::gradient), lookahead({.every = every});
    Watching<FirstOrder> first({.every = every});
    Watching<Corrected> corrected({.every = every});
    Watching<Odd> odd({.every = every});
    Watching<Cosine> cosine({.every = every});
    Watching<Gain> gain({.every = every});
    const std::array<Watch*, measures.size()> watches{&tag, &lookahead, &first, &corrected, &odd, &cosine, &gain};
    std::vector<training::AffinityProbe<typename Model::Scalar>> probes;
    for (Watch* watch : watches) probes.emplace_back(*watch, &aside);
    for (auto& probe : probes) how.probes.push_back(&probe);
    Model model = make<Model>(seed);
    model.fit(seen, how);
    const std::array<std::vector<double>, measures.size()> means{
        tag.seen().mean(), lookahead.seen().mean(), first.seen().mean(), corrected.seen().mean(),
        odd.seen().mean(), cosine.seen().mean(),    gain.seen().mean()};
    for (std::size_t m = 0; m < measures.size(); ++m) {
      const std::string line = join(name, ",", seed, ",", measures[m]) + numbers_text(means[m]);
      tables_.add(line);
      note(line, &Study::note_table);
    }
  }

  using Cells = std::vector<std::string>;
  void note(const std::string& line, void (Study::*how)(const Cells&)) {
    Cells cells(1);
    for (const char c : line)
      if (c == ',')
        cells.emplace_back();
      else
        cells.back() += c;
    const std::lock_guard lock(mutex_);
    (this->*how)(cells);
  }
  void note_run(const Cells& cells) {
    if (cells.size() != 3 + 4 * five) return;
    const std::size_t group = std::stoul(cells[2]);
    Scores& scores = sets_[cells[0]].seeds[std::stoull(cells[1])];
    for (std::size_t t = 0; t < five; ++t) {
      const std::size_t at = 3 + t + (s.loss ? 2 * five : 0);
      const double sign = s.loss ? -1 : 1;
      scores.validation[group][t] = sign * number_of(cells[at]);
      scores.test[group][t] = sign * number_of(cells[at + five]);
    }
    ++scores.groups;
    done_.insert(join(cells[0], ",", cells[1], ",", cells[2]));
  }
  void note_table(const Cells& cells) {
    if (cells.size() != 3 + five * five) return;
    std::vector<double> table;
    for (std::size_t i = 3; i < cells.size(); ++i) table.push_back(number_of(cells[i]));
    sets_[cells[0]].tables[cells[2]][std::stoull(cells[1])] = table;
    // The last of a training's lines.
    if (cells[2] == measures.back()) done_.insert(join(cells[0], ",", cells[1], ",joint"));
  }
  void note_plan(const Cells& cells) {
    if (cells.size() < 6) return;
    FoundPlan plan{plan_of(cells[5]), number_of(cells[4]), {}};
    for (std::size_t i = 6; i < cells.size(); ++i) plan.effects.push_back(number_of(cells[i]));
    sets_[cells[0]].found[{cells[2], std::stoul(cells[3])}][std::stoull(cells[1])] = std::move(plan);
    done_.insert(join(cells[0], ",", cells[1], ",", cells[2], ",", cells[3]));
  }

  const Settings& s;
  resumable::Lines runs_, tables_, plans_;
  std::vector<std::string> names_;
  std::map<std::string, FiveTasks> sets_;
  std::set<std::string> done_;
  std::vector<std::function<void()>> jobs_;
  std::mutex mutex_;
};

}  // namespace

int main(int count, char** words) try {
  Settings settings = settings_of(count, words);
  if (settings.folder.empty()) settings.folder = "truth";
  Study study(settings);
  [&]<std::size_t... set>(std::index_sequence<set...>) {
    (study.add<set>(), ...);
  }(std::make_index_sequence<grouping_data::sets.size()>{});
  study.run();
  std::printf("%s", study.text().c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
