// SPDX-License-Identifier: MIT
// Several strategies on the same data: every candidate sees the same samples in the same batches, starts from the same
// streams of random numbers, may try the same number of options on validation samples, and is judged once on test
// samples. The first candidate is the baseline, single-task learning.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/name.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/nn/metric.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <mtlx/study/describe.hpp>
#include <mtlx/study/engine.hpp>
#include <mtlx/study/options.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/recorder.hpp>
#include <mtlx/study/splits.hpp>
#include <mtlx/training/bound_data.hpp>
#include <mtlx/training/multi_task.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::study {

/// A model with a name for the report: `study::Named<"hard sharing", Model>`.
template <Name name, class Model>
struct Named : Model {
  using Model::Model;
  using Candidate = Model;
  static constexpr std::string_view candidate_name = name.view();
};

/// A strategy that takes part: a model's type, and what is not in the type.
template <class Model>
struct Candidate {
  std::string name{};  ///< none: the type's, or the names of its policies
  /// Options to choose among on validation samples, the same number for all candidates; none: the type's defaults. The
  /// seed in them is the study's to set.
  std::vector<typename Model::Options> tries{};
  /// Added to each run's seed: another start, another order of batches. For a study of what chance alone does: the same
  /// type twice, one with a shift.
  std::uint64_t seed_shift = 0;
};

namespace detail {

template <class M>
struct Plain {
  using type = M;
};
template <class M>
  requires requires { M::candidate_name; }
struct Plain<M> {
  using type = typename M::Candidate;
};

template <class M>
concept IsModel = requires {
  typename M::Options;
  typename M::FitOptions;
  typename M::Scalar;
};
// Whether the compiler has accepted the model; if not, it has said why.
template <class M>
concept Accepted = IsModel<M> && requires { typename M::TaskList; };

/// The names of the policies in a model's type, such as "Hard + PcGrad".
[[gnu::cold, gnu::noinline]] inline std::string policy_names(std::string_view type) {
  std::string names;
  std::size_t depth = 0, argument = 0, begin = 0;
  for (std::size_t i = 0; i < type.size(); ++i) {
    const char c = type[i];
    const bool opens = c == '<' || c == '(' || c == '{', closes = c == '>' || c == ')' || c == '}';
    if (depth == 1 && (closes || c == ',')) {
      // The first two are the input and the tasks.
      if (argument++ > 1) names += (names.empty() ? "" : " + ") + short_name(type.substr(begin, i - begin));
      begin = i + (i + 1 < type.size() && type[i + 1] == ' ' ? 2 : 1);
    }
    depth += opens ? 1 : 0;
    depth -= closes ? 1 : 0;
    if (opens && depth == 1) begin = i + 1;
  }
  return names.empty() ? short_name(type) : names;
}

/// The median time of a prediction for the first sample, in microseconds.
template <class M>
[[gnu::cold]] double latency(M& model, const data::DataSet& data) {
  const std::array<std::size_t, 1> first{0};
  const data::Inputs one = data.streams().front().inputs.subset(first).compact();
  static_cast<void>(model.predict(one));  // makes its buffers
  std::vector<double> times;
  const auto start = std::chrono::steady_clock::now();
  while (times.size() < 3 || (times.size() < 101 && seconds_since(start) < 0.5)) {
    const auto now = std::chrono::steady_clock::now();
    static_cast<void>(model.predict(one));
    times.push_back(1e6 * seconds_since(now));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

template <class Listed>
class EntryOf final : public Entry {
  using M = typename Plain<Listed>::type;
  using ModelOptions = typename M::Options;
  static constexpr bool finds = grouping::Finds<decltype(ModelOptions::grouping)>;

 public:
  explicit EntryOf(const Candidate<Listed>& candidate) : candidate_(candidate) {}

  [[gnu::cold]] CandidateRecord record(const Parts& parts, const Options& study, bool baseline) const override {
    CandidateRecord record;
    record.type = type_name<M>();
    record.name = candidate_.name;
    if constexpr (requires { Listed::candidate_name; })
      if (record.name.empty()) record.name = Listed::candidate_name;
    if (record.name.empty()) record.name = policy_names(record.type);
    if constexpr (!std::is_same_v<typename M::Scalar, float>)
      if (study.augment) fail("study: augment is for models of float, and \"", record.name, "\" is none");
    const data::DataSet some = data::take(parts.train, 1);
    for (std::size_t i = 0; i < tries(); ++i) {
      M model(options(i, 0, false));
      static_cast<void>(model.evaluate(some));
      if (i > 0) continue;
      training::BoundData<typename M::TaskList>(parts.train, parts.train.shape(), TaskSet::first(M::tasks));
      for (const data::DataSet* part : {&parts.validation, &parts.test})
        if (!part->streams().empty()) training::BoundData<typename M::TaskList>(*part, parts.train.shape(), TaskSet());
      const training::Summary summary = model.summary();
      bool apart = summary.shared == 0;
      if (!apart)
        apart = std::all_of(model.plan().begin(), model.plan().end(),
                            [](const grouping::Group& group) { return group.members.count() == 1; });
      if (baseline && !apart)
        fail("study: the first candidate is the baseline, single-task learning such as sharing::Single, and \"",
             record.name, "\" shares ", summary.shared, " parameters");
      record.parameters = summary.parameters;
      record.multiply_adds = summary.multiply_adds * static_cast<double>(summary.networks);
      record.bytes = summary.bytes_model;
      if (model.plan().size() > 1)
        for (const grouping::Group& group : model.plan()) {
          std::vector<std::string>& names = record.groups.emplace_back();
          for (std::size_t t = 0; t < M::tasks; ++t)
            if (group.members.has(t)) names.emplace_back(M::TaskList::names[t]);
        }
      record.predict_microseconds = latency(model, some);
    }
    return record;
  }
  [[gnu::cold]] std::string layout() const override {
    return join("on ", type_name<typename M::Learner::Slice>(), ", seeds shifted by ", candidate_.seed_shift);
  }
  bool finds_groups() const override { return finds; }
  [[gnu::cold]] void recount(CandidateRecord& record, const Parts& parts, double networks) const override {
    if constexpr (finds) {
      // All tasks were one group when the rest was measured.
      record.parameters = static_cast<std::size_t>(static_cast<double>(record.parameters) * networks + 0.5);
      record.multiply_adds *= networks;
      record.bytes = static_cast<std::size_t>(static_cast<double>(record.bytes) * networks + 0.5);
      const TaskSet all = TaskSet::first(M::tasks);
      std::vector<grouping::Group> plan(static_cast<std::size_t>(networks + 0.5), {all, {}});
      for (std::size_t t = 0; t < M::tasks; ++t) plan[t % plan.size()].serves = plan[t % plan.size()].serves.with(t);
      M model(options(0, 0, false));
      model.set_plan(std::move(plan));
      record.predict_microseconds = latency(model, data::take(parts.train, 1));
    }
  }
  std::size_t tries() const override { return std::max<std::size_t>(candidate_.tries.size(), 1); }
  [[gnu::cold]] Settings settings(std::size_t attempt) const override {
    Settings all;
    const ModelOptions options = candidate_.tries.empty() ? ModelOptions{} : candidate_.tries[attempt];
    describe_policy(all, "optimizer", options.optimizer);
    describe_policy(all, "balancer", options.balancer);
    describe_policy(all, "grouping", options.grouping);
    // A strategy's own options, where it has any.
    if constexpr (!std::is_same_v<decltype(ModelOptions::sharing), sharing::NoOptions>)
      describe_policy(all, "sharing", options.sharing);
    describe(all, "backend", options.backend);
    // Their number changes no bit.
    std::erase_if(all, [](const auto& setting) { return setting.first == "backend.threads"; });
    return all;
  }
  [[gnu::cold]] void run(const Parts& parts, const Options& study, std::size_t attempt, bool tests, bool alone,
                         RunRecord& run) const override {
    M model(options(attempt, run.seed, alone));
    Recorder recorder(run.epochs, model.plan(), M::tasks);
    typename M::FitOptions how;
    how.epochs = study.epochs;
    how.batch_size = study.batch_size;
    how.sampling = study.sampling;
    how.drawn = study.drawn;
    how.shuffle = study.shuffle;
    how.early_stopping = study.early_stopping;
    const bool validates = !parts.validation.streams().empty();
    if (validates) how.validation = &parts.validation, how.monitor = study.monitor;
    if (!parts.validation_clusters.empty()) how.validation_clusters = &parts.validation_clusters;
    if constexpr (std::is_same_v<typename M::Scalar, float>) how.augment = study.augment;
    how.observers = {&recorder};
    const auto start = std::chrono::steady_clock::now();
    model.fit(parts.train, how);
    run.train_seconds = seconds_since(start);
    if (model.evidence().steps > 0) {
      run.groups = grouping::plan_text(model.plan(), M::TaskList::names);
      run.grouping_steps = static_cast<double>(model.evidence().steps);
      run.networks = model.plan().size();
    }
    const auto copy = [](const auto& numbers) { return std::vector<double>(numbers.begin(), numbers.end()); };
    if (validates) {
      const auto scores = model.evaluate(parts.validation);
      run.validation_losses = copy(scores.losses());
      run.validation_metrics = copy(scores.metrics());
    }
    if (!tests) return;
    const auto scores = model.evaluate(parts.test);
    run.metrics = copy(scores.metrics());
    run.losses = copy(scores.losses());
    for (const data::DataSet& cluster : parts.test_clusters)
      for (const double metric : model.evaluate(cluster).metrics()) run.cluster_metrics.push_back(metric);
    // All of a task stand together, its primary one first.
    std::size_t last = M::tasks;
    for (const training::MetricScore& score : scores.all_metrics())
      if (const std::size_t t = M::TaskList::index(score.task); t == std::exchange(last, t))
        run.more_metrics.push_back(score.value);
  }

 private:
  [[gnu::cold]] ModelOptions options(std::size_t attempt, std::uint64_t seed, bool alone) const {
    ModelOptions options = candidate_.tries.empty() ? ModelOptions{} : candidate_.tries[attempt];
    options.seed = seed + candidate_.seed_shift;
    if constexpr (requires { options.backend.threads = 1; })
      if (!alone) options.backend.threads = 1;
    return options;
  }

  const Candidate<Listed>& candidate_;
};

template <class Task>
[[gnu::cold]] TaskRecord task_record() {
  using All = nn::MetricsOf<typename Task::Metric>;
  TaskRecord task{std::string(Task::name.view()), std::string(All::name), All::higher_is_better};
  for (std::size_t i = 1; i < All::count; ++i) task.more.push_back({std::string(All::names[i]), All::directions[i]});
  return task;
}
template <class... Task>
[[gnu::cold]] std::vector<TaskRecord> task_records(Tasks<Task...>) {
  return {task_record<Task>()...};
}

// What a study compares: names, metrics and which way they are better.
template <class A, class B>
inline constexpr bool same_tasks = false;
template <class A, class B>
consteval bool same_metrics() {
  if constexpr (A::count != B::count)
    return false;
  else
    return A::names == B::names && A::directions == B::directions;
}
template <class... A, class... B>
  requires(sizeof...(A) == sizeof...(B))
inline constexpr bool same_tasks<Tasks<A...>, Tasks<B...>> =
    ((A::name.view() == B::name.view() &&
      same_metrics<nn::MetricsOf<typename A::Metric>, nn::MetricsOf<typename B::Metric>>()) &&
     ...);

/// Whether these can be compared; if not, one sentence has said why.
template <class Baseline, class... Other>
consteval bool check_candidates() {
  constexpr bool models = IsModel<Baseline> && (IsModel<Other> && ...);
  static_assert(models, "mtlx: a candidate of a study is a model, such as MultiTask<...>");
  if constexpr (models && Accepted<Baseline> && (Accepted<Other> && ...)) {
    constexpr bool same = (same_tasks<typename Baseline::TaskList, typename Other::TaskList> && ...);
    static_assert(same, "mtlx: all candidates of a study have the same tasks with the same metrics");
    return same;
  }
  return false;
}

}  // namespace detail

/// Trains every candidate with every seed, and gives what came out:
///   const study::Study study = study::compare<Single, Hard>(
///       {.name = "flowers", .train = &train, .test = &test}, {.seeds = 10, .epochs = 20, .jobs = 2},
///       {.name = "single-task", .tries = {{.optimizer = {.learning_rate = 1e-3}}}},
///       {.name = "hard sharing", .tries = {{.optimizer = {.learning_rate = 1e-3}}}});
/// A training that fails is among the runs, with its error, and the others go on. The tables are the same bits for any
/// number of jobs, and whether a study with a folder was killed on its way or not; times are apart. Throws `Error` if
/// options, data and candidates do not fit each other, or the folder has runs of another study.
template <class... Model>
  requires(sizeof...(Model) > 0)
[[gnu::cold]] Study compare(const Data& data, const Options& options, const Candidate<Model>&... candidates) {
  if constexpr (detail::check_candidates<Model...>()) {
    const std::tuple<detail::EntryOf<Model>...> all{detail::EntryOf<Model>(candidates)...};
    const auto entries = std::apply(
        [](const auto&... entry) { return std::array<const detail::Entry*, sizeof...(Model)>{&entry...}; }, all);
    using Tasks = typename std::tuple_element_t<0, std::tuple<Model...>>::TaskList;
    return detail::Engine(data, options, entries, detail::task_records(Tasks())).run();
  } else {
    return {};
  }
}

/// The same with each type's default options: `study::compare<Single, study::Named<"hard sharing", Hard>>(data)`.
template <class Baseline, class... Other>
[[gnu::cold]] Study compare(const Data& data, const Options& options = {}) {
  if constexpr (detail::check_candidates<Baseline, Other...>())
    return compare<Baseline, Other...>(data, options, Candidate<Baseline>{}, Candidate<Other>{}...);
  else
    return {};
}

}  // namespace mtlx::study
