// SPDX-License-Identifier: MIT
// What a study does, whatever its models' types.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <limits>
#include <mtlx/core/checksum.hpp>
#include <mtlx/core/crew.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/version.hpp>
#include <mtlx/study/describe.hpp>
#include <mtlx/study/options.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/splits.hpp>
#include <mtlx/study/store.hpp>
#include <mtlx/study/text.hpp>
#include <mtlx/training/run.hpp>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::study::detail {

/// A candidate without its type.
class Entry {
 public:
  /// Name, type and costs. Throws `Error` if options are out of range, the data do not fit, or (for the first of a study)
  /// it is no single-task learning.
  virtual CandidateRecord record(const Parts& parts, const Options& options, bool baseline) const = 0;
  /// What decides the results besides type and options.
  virtual std::string layout() const = 0;
  /// Whether each run finds its own groups of tasks, so that costs are known when runs are over.
  virtual bool finds_groups() const { return false; }
  /// Puts in the costs of so many networks, a mean over runs.
  virtual void recount(CandidateRecord&, const Parts&, double) const {}
  virtual std::size_t tries() const = 0;
  virtual Settings settings(std::size_t attempt) const = 0;
  /// Trains, judges on validation samples and, if `tests`, on test samples.
  /// `alone`: on as many threads as its options say; else on one.
  virtual void run(const Parts& parts, const Options& options, std::size_t attempt, bool tests, bool alone,
                   RunRecord& run) const = 0;

 protected:
  ~Entry() = default;
};

/// A training that has to be done: a run of the study, or a try.
struct Job {
  std::size_t attempt = 0;
  bool tuning = false;
  RunRecord run{};
  double score = std::numeric_limits<double>::quiet_NaN();  ///< of a try
  std::string file{};                                       ///< where it is kept
  std::uint64_t key = 0;
  bool done = false;
  bool unfinished = false;  ///< failed, but may go better another time
};

[[gnu::cold, gnu::noinline]] inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// How good a model is on validation samples, lower is better.
[[gnu::cold, gnu::noinline]] inline double score_of(const RunRecord& run, double (*monitor)(const training::Epoch&)) {
  if (run.failed() || run.validation_losses.empty() || run.epochs.empty())
    return std::numeric_limits<double>::quiet_NaN();
  if (monitor != nullptr) {
    training::Epoch epoch;
    epoch.losses = run.epochs.back().losses;
    epoch.validation_losses = run.validation_losses;
    epoch.validation_metrics = run.validation_metrics;
    return monitor(epoch);
  }
  double sum = 0, count = 0;
  for (const double loss : run.validation_losses)
    if (!is_nan(loss)) sum += loss, count += 1;
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

class Engine {
 public:
  Engine(const Data& data, const Options& options, std::span<const Entry* const> entries, std::vector<TaskRecord> tasks)
      : data_(data), options_(options), entries_(entries), crew_(options.jobs) {
    study_.title = options.title;
    study_.margin = options.margin;
    study_.tasks = std::move(tasks);
  }

  [[gnu::cold]] Study run() {
    prepare();
    std::vector<Job> tries = tuning_jobs(), runs;
    load(tries);
    const bool tuned = std::all_of(tries.begin(), tries.end(), [](const Job& job) { return job.done; });
    runs = study_jobs(tries);
    announce(tries, runs);
    perform(tries);
    if (!tuned) runs = study_jobs(tries);
    perform(runs);
    for (Job& job : runs) study_.runs.push_back(std::move(job.run));
    recount();
    study_.seconds = seconds_since(start_);
    return std::move(study_);
  }

 private:
  // What is known before anything is trained; throws what would be wrong with every run.
  [[gnu::cold]] void prepare() {
    check_options(data_, options_);
    shared_ = parts_of(data_, options_.splits, options_.first_seed);
    const Parts& parts = shared_;
    study_.data = data_text(data_, parts);
    study_.test_to_train = test_to_train(data_, options_.splits, parts);
    for (std::size_t c = 0; c < entries_.size(); ++c) {
      study_.candidates.push_back(entries_[c]->record(parts, options_, c == 0));
      CandidateRecord& now = study_.candidates.back();
      now.tries = entries_[c]->tries();
      for (std::size_t other = 0; other < c; ++other)
        if (folder_name(study_.candidates[other].name) == folder_name(now.name))
          fail("study: the candidates \"", study_.candidates[other].name, "\" and \"", now.name,
               "\" have names too much alike: give each a name of its own");
      if (now.tries != study_.candidates[0].tries)
        fail("study: \"", study_.candidates[0].name, "\" has ", study_.candidates[0].tries, " options to try and \"",
             now.name, "\" ", now.tries, ": the same number for all, or what is better tuned looks better");
    }
    if (study_.candidates[0].tries > 1 && parts.validation.streams().empty())
      fail("study: options are chosen on validation samples, and splits.validation is 0");
    describe_study();
    if (!options_.directory.empty()) {
#if MTLX_CORE_POSIX
      make_folder(options_.directory);
#endif
      settle(options_.directory + "/study.txt", text_, options_.discard_stale);
    }
    for (std::size_t c = 0; c < entries_.size(); ++c) {
      texts_.push_back(candidate_text(c));
      if (!options_.directory.empty())
        settle(join(options_.directory, "/candidate-", folder_name(study_.candidates[c].name), ".txt"), texts_[c],
               options_.discard_stale);
    }
  }

  // The settings in the report, and all that decides the results.
  [[gnu::cold]] void describe_study() {
    const auto set = [&](const char* name, const std::string& value) { study_.settings.emplace_back(name, value); };
    const bool differ = splits_differ(data_);
    const training::EarlyStopping& stopping = options_.early_stopping;
    set("seeds", join(options_.seeds, " from ", options_.first_seed, " on"));
    set("epochs", join(options_.epochs));
    set("batch size", join(options_.batch_size));
    set("early stopping",
        stopping.patience == 0 ? "none" : join("after ", stopping.patience, " epochs without a better one"));
    set("test samples", differ ? join(shortest(options_.splits.test), " of all, drawn anew for each seed")
                               : std::string("a set of their own"));
    set("validation samples", data_.validation != nullptr ? std::string("a set of their own")
                              : options_.splits.validation > 0
                                  ? join(shortest(options_.splits.validation), " of the others, at random")
                                  : std::string("none"));
    if (data_.clusters != nullptr)
      set("drawn at random", join("whole clusters, of ", data::distinct(*data_.clusters, *data_.train).size()));
    set("inputs", options_.splits.normalise ? "normalised by each run's training samples" : "as given");
    if (study_.candidates[0].tries > 1)
      set("tuning", join(study_.candidates[0].tries, " options for each candidate, on ", options_.tuning_seeds,
                         " other seed", options_.tuning_seeds == 1 ? "" : "s", " and ",
                         differ ? "the first seed's" : "the", " validation samples, by ",
                         options_.monitor == nullptr ? "the mean validation loss" : "a monitor of its own"));
    const std::size_t samples = shared_.train.size() + shared_.validation.size() + shared_.test.size();
    if (samples < 10000 && (!differ || options_.seeds < 10))
      set("note", join(samples, " samples: under 10000, at least 10 random splits are advised"));
    set("data checksum", data_checksum(data_, options_.splits.prepare != nullptr ? &shared_ : nullptr));
    set("mtlx", join(MTLX_VERSION_MAJOR, ".", MTLX_VERSION_MINOR, ".", MTLX_VERSION_PATCH));
    set("compiler", __VERSION__);

    text_ = "a study by mtlx, format 3\n";
    // These say how many runs there are, or are said again below; a changed number makes no run stale.
    for (const auto& [name, value] : study_.settings)
      if (name != "seeds" && name != "note" && name != "tuning") text_ += join(name, ": ", value, "\n");
#if defined(__FAST_MATH__)
    text_ += "built with -ffast-math\n";
#endif
    const auto sizes = [](const data::DataSet& part) {
      std::vector<std::size_t> all;
      for (const data::Stream& stream : part.streams()) all.push_back(stream.inputs.size());
      return all;
    };
    text_ += training::detail::fit_text(options_.batch_size, options_.sampling, options_.shuffle, sizes(shared_.train),
                                        sizes(shared_.validation), options_.monitor != nullptr, bool(options_.augment),
                                        stopping, options_.drawn);
    text_ += join("minimum improvement ", shortest(stopping.minimum_improvement), "\n",
                  options_.splits.prepare != nullptr ? "a preparation of its own\n" : "");
    for (const TaskRecord& task : study_.tasks) {
      text_ +=
          join("task ", task.name, ": ", task.metric, task.higher_is_better ? ", higher" : ", lower", " is better");
      for (const MetricRecord& more : task.more)
        text_ += join("; ", more.name, more.higher_is_better ? ", higher" : ", lower", " is better");
      text_ += '\n';
    }
  }

  [[gnu::cold]] static std::string lines(const Settings& settings) {
    std::string text;
    for (const auto& [name, value] : settings) text += join(name, ": ", value, "\n");
    return text;
  }
  [[gnu::cold]] std::string candidate_text(std::size_t c) const {
    const CandidateRecord& candidate = study_.candidates[c];
    std::string text = join("candidate ", candidate.name, "\ntype ", candidate.type, "\n", entries_[c]->layout(), "\n");
    if (candidate.tries > 1)
      text += join("tuned with ", options_.tuning_seeds, " seeds from ", options_.first_seed, " on\n");
    for (std::size_t i = 0; i < candidate.tries; ++i)
      text += join(candidate.tries > 1 ? join("try ", i + 1, "\n") : "", lines(entries_[c]->settings(i)));
    return text;
  }

  Job job(std::size_t candidate, std::size_t attempt, std::size_t i, bool tuning) const {
    Job job;
    job.attempt = attempt;
    job.tuning = tuning;
    job.run.candidate = candidate;
    job.run.split = !tuning && splits_differ(data_) ? i : 0;
    job.run.seed = options_.first_seed + i + (tuning ? tuning_offset : 0);
    const std::string name = folder_name(study_.candidates[candidate].name);
    job.file = tuning ? join(options_.directory, "/try-", name, "-", attempt + 1, "-", i + 1, ".mtlx")
                      : join(options_.directory, "/run-", name, "-", job.run.seed, ".mtlx");
    job.key = checksum(join(text_, texts_[candidate], tuning ? "try " : "run ", attempt, " with seed ", job.run.seed));
    return job;
  }
  [[gnu::cold]] std::vector<Job> tuning_jobs() const {
    std::vector<Job> jobs;
    if (study_.candidates[0].tries < 2) return jobs;
    for (std::size_t i = 0; i < options_.tuning_seeds; ++i)
      for (std::size_t c = 0; c < entries_.size(); ++c)
        for (std::size_t attempt = 0; attempt < study_.candidates[c].tries; ++attempt)
          jobs.push_back(job(c, attempt, i, true));
    return jobs;
  }
  // The study's own runs, once a candidate's tries are over: seed after seed, so that what a budget leaves can be compared.
  [[gnu::cold]] std::vector<Job> study_jobs(const std::vector<Job>& tries) {
    std::vector<Job> jobs;
    std::vector<std::size_t> attempts;
    std::vector<std::string> errors(entries_.size());
    std::vector<bool> open(entries_.size());
    for (const Job& job : tries) open[job.run.candidate] = open[job.run.candidate] || !job.done;
    for (std::size_t c = 0; c < entries_.size(); ++c) attempts.push_back(open[c] ? 0 : choose(c, tries, errors[c]));
    for (std::size_t i = 0; i < options_.seeds; ++i)
      for (std::size_t c = 0; c < entries_.size(); ++c) {
        if (open[c]) continue;
        jobs.push_back(job(c, attempts[c], i, false));
        if (errors[c].empty()) continue;
        jobs.back().run.error = errors[c];
        finish(jobs.back());
      }
    load(jobs);
    return jobs;
  }

  // Takes what the folder has.
  [[gnu::cold]] void load(std::vector<Job>& jobs) const {
    if (options_.directory.empty()) return;
    for (Job& job : jobs)
      if (!job.done && file_exists(job.file) && parse_run(read_file(job.file), job.file, job.key, job.run)) {
        check_run(job);
        finish(job);
      }
  }

  // A file's lists must be as long as those of a run of this study.
  [[gnu::cold]] void check_run(const Job& job) const {
    const RunRecord& run = job.run;
    const std::size_t tasks = study_.tasks.size(), more = further_metrics(study_);
    const auto sound = [](std::size_t size, const auto&... lists) {
      return ((lists.empty() || lists.size() == size) && ...);
    };
    bool good = run.failed() || job.tuning ||
                (run.metrics.size() == tasks && run.losses.size() == tasks && run.more_metrics.size() == more);
    good = good && sound(tasks, run.metrics, run.losses, run.validation_losses, run.validation_metrics) &&
           sound(more, run.more_metrics);
    good = good && sound(job.tuning ? 0 : shared_.test_clusters.size() * tasks, run.cluster_metrics);
    for (const EpochRecord& epoch : run.epochs)
      good =
          good &&
          sound(tasks, epoch.losses, epoch.validation_losses, epoch.validation_metrics, epoch.weights, epoch.lengths) &&
          sound(tasks * tasks, epoch.cosines, epoch.conflicts);
    if (!good) fail(job.file, " is no sound run of this study");
  }

  // What every job that is over looks like.
  [[gnu::cold]] void finish(Job& job) const {
    job.done = true;
    if (job.run.failed()) {
      job.run.metrics.assign(study_.tasks.size(), std::numeric_limits<double>::quiet_NaN());
      job.run.losses = job.run.metrics;
      job.run.more_metrics.assign(further_metrics(study_), std::numeric_limits<double>::quiet_NaN());
    }
    if (job.tuning) job.score = score_of(job.run, options_.monitor);
  }
  [[gnu::cold]] void perform(std::vector<Job>& jobs) {
    std::vector<Job*> open;
    for (Job& job : jobs)
      if (job.done)
        ++finished_;
      else
        open.push_back(&job);
    std::atomic<bool> ended{false};
    crew_.run(open.size(), [&](std::size_t i, std::size_t) {
      if (ended) return;
      try {
        perform(*open[i]);
      } catch (...) {
        ended = true;
        throw;
      }
    });
  }

  [[gnu::cold]] void perform(Job& job) {
    RunRecord& run = job.run;
    if (options_.budget_seconds > 0 && seconds_since(start_) > options_.budget_seconds) {
      run.error = join("not begun: the budget of ", options_.budget_seconds, " seconds was used up");
      job.unfinished = true;
    } else {
      try {
        // Tuning is on the first split.
        Parts own;
        const bool first = run.split == 0;
        if (!first) own = parts_of(data_, options_.splits, run.seed);
        entries_[run.candidate]->run(first ? shared_ : own, options_, job.attempt, !job.tuning, crew_.size() == 1, run);
      } catch (const NotFinite& error) {  // the training's own verdict, and so it will be again
        run.error = error.what();
      } catch (const std::exception& error) {  // such as want of memory, or a GPU that is lost
        run.error = error.what();
        job.unfinished = true;
      } catch (...) {
        run.error = "an exception that says nothing";
        job.unfinished = true;
      }
      if (run.failed() && run.error.empty()) run.error = "an exception that says nothing";
    }
    if (!job.unfinished && !options_.directory.empty()) write_file(job.file, run_bytes(run, job.key));
    finish(job);
    const std::lock_guard<std::mutex> one_at_a_time(mutex_);
    ++finished_;
    ++trained_;
    if (options_.observer != nullptr) options_.observer->on_run(run, line(job));
  }

  [[gnu::cold]] std::string line(const Job& job) const {
    const RunRecord& run = job.run;
    std::string text = join(finished_, " of ", total_, ": ", study_.candidates[run.candidate].name);
    if (job.tuning)
      text += join(", try ", job.attempt + 1, " of ", study_.candidates[run.candidate].tries);
    else
      text += join(", seed ", run.seed);
    text += ": ";
    if (run.failed())
      text += run.error;
    else if (job.tuning)
      text += join("validation ", job.score);
    else
      for (std::size_t t = 0; t < run.metrics.size(); ++t)
        text += join(t == 0 ? "" : ", ", study_.tasks[t].name, " ", study_.tasks[t].metric, " ", run.metrics[t]);
    const double each = seconds_since(start_) / static_cast<double>(trained_);
    char times[80];
    std::snprintf(times, sizeof times, " (%.1f s; about %.0f s left)", run.train_seconds,
                  each * static_cast<double>(total_ - finished_));
    return text + times;
  }

  // What a candidate costs whose runs found their groups.
  [[gnu::cold]] void recount() {
    for (std::size_t c = 0; c < entries_.size(); ++c) {
      double networks = 0, runs = 0;
      for (const RunRecord& run : study_.runs)
        if (run.candidate == c && run.networks > 0) networks += static_cast<double>(run.networks), runs += 1;
      if (runs > 0) entries_[c]->recount(study_.candidates[c], shared_, networks / runs);
    }
  }

  // The options that were best on validation data; says in `error` if there are none.
  [[gnu::cold]] std::size_t choose(std::size_t c, const std::vector<Job>& tries, std::string& error) {
    CandidateRecord& candidate = study_.candidates[c];
    std::size_t best = 0;
    if (!tries.empty()) {
      std::string failed = "their validation loss is not finite";
      std::vector<double>& scores = candidate.try_scores;
      scores.assign(candidate.tries, 0);
      for (const Job& job : tries) {
        if (job.run.candidate != c) continue;
        scores[job.attempt] += job.score / static_cast<double>(options_.tuning_seeds);
        if (job.run.failed()) failed = job.run.error;
        // Those that are left would be fewer tries than others had.
        if (job.unfinished) error = join("no options were chosen, for a try was not finished: ", job.run.error);
      }
      for (std::size_t i = 0; i < scores.size(); ++i) {
        if (!is_finite(scores[i])) scores[i] = std::numeric_limits<double>::quiet_NaN();
        if (!is_nan(scores[i]) && (is_nan(scores[best]) || scores[i] < scores[best])) best = i;
      }
      if (error.empty() && is_nan(scores[best])) error = join("no options were chosen, for none could be: ", failed);
    }
    if (error.empty()) candidate.settings = entries_[c]->settings(best);
    return best;
  }

  [[gnu::cold]] void announce(const std::vector<Job>& tries, const std::vector<Job>& runs) {
    total_ = tries.size() + options_.seeds * entries_.size();
    // A backward pass is two products where a forward pass is one.
    double all = 0;
    const double each = 3 * static_cast<double>(shared_.train.size()) * static_cast<double>(options_.epochs);
    const std::size_t times = options_.seeds + (tries.empty() ? 0 : study_.candidates[0].tries * options_.tuning_seeds);
    for (const CandidateRecord& candidate : study_.candidates)
      all += each * candidate.multiply_adds * static_cast<double>(times);
    char adds[40];
    std::snprintf(adds, sizeof adds, "%.2g", all);
    const bool finds = std::any_of(entries_.begin(), entries_.end(), [](const Entry* e) { return e->finds_groups(); });
    const char* but = finds ? ", but for strategies that find groups: those count as one network here" : "";
    study_.settings.emplace_back("multiply-adds", join(adds, " to train all, at most", but));
    if (options_.observer == nullptr) return;
    std::string plan =
        join(total_ - tries.size(), " runs of ", options_.epochs, options_.epochs == 1 ? " epoch" : " epochs");
    if (!tries.empty()) plan += join(" and ", tries.size(), " to choose options");
    plan += join(", ", adds, " multiply-adds", options_.early_stopping.patience > 0 ? " at most" : "");
    std::size_t there = 0;
    for (const std::vector<Job>* jobs : {&tries, &runs})
      for (const Job& job : *jobs) there += job.done;
    if (there > 0) plan += join("; ", there, " are done already");
    options_.observer->on_begin(plan);
  }

  const Data& data_;
  const Options& options_;
  std::span<const Entry* const> entries_;
  Crew crew_;
  Study study_;
  Parts shared_;  // of all runs, or of the first seed's
  std::string text_;
  std::vector<std::string> texts_;  // each candidate's
  std::mutex mutex_;
  std::size_t finished_ = 0, trained_ = 0, total_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace mtlx::study::detail
