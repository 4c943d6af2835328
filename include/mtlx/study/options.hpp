// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/splits.hpp>
#include <mtlx/training/options.hpp>
#include <string>
#include <string_view>

namespace mtlx::study {

/// Hears of a study while it goes on. One call at a time, from any of its threads. What it throws ends the study; finished
/// runs stay in its folder.
class Observer {
 public:
  virtual ~Observer() = default;
  /// What is going to be done: runs, multiply-adds, and what a folder has already.
  virtual void on_begin(std::string_view /*plan*/) {}
  /// A run is over; a try (of options, on validation data) has no test metrics. `line` says it in words.
  virtual void on_run(const RunRecord& /*run*/, std::string_view /*line*/) {}
};

/// Writes what it hears, a line each.
class Progress : public Observer {
 public:
  explicit Progress(std::FILE* out = stderr) : out_(out) {}
  void on_begin(std::string_view plan) override { print(plan); }
  void on_run(const RunRecord&, std::string_view line) override { print(line); }

 private:
  void print(std::string_view line) {
    std::fprintf(out_, "%.*s\n", static_cast<int>(line.size()), line.data());
    std::fflush(out_);
  }
  std::FILE* out_;
};

/// How a study is made. What trains a model is the same for all candidates; what is a model's own stands in
/// Candidate::tries.
struct Options {
  std::string title{};
  std::size_t seeds = 10;        ///< runs of each candidate, each with a seed of its own, from `first_seed` on
  std::uint64_t first_seed = 1;  ///< at most 2^63
  std::size_t epochs = 10;
  std::size_t batch_size = 64;
  Splits splits{};
  training::EarlyStopping early_stopping{};
  /// What says how good a model is on validation samples, lower is better: early stopping goes by it, and the choice
  /// among options. Without one, the mean of the tasks' validation losses.
  double (*monitor)(const training::Epoch&) = nullptr;
  training::Sampling sampling = training::Sampling::together;  ///< where tasks have inputs of their own
  training::DrawOptions drawn{};                               ///< for Sampling::drawn
  bool shuffle = true;
  training::Augmentation<float> augment{};  ///< of training samples; for models of float
  std::size_t tuning_seeds = 1;             ///< runs of each try, where there are several; others than the study's
  double margin = 0;             ///< in percent of delta_m, fixed beforehand: what loses surely less is "no worse"
  int jobs = 1;                  ///< trainings side by side, each on one thread if more than 1; 0: as many as cores
  std::string directory{};       ///< keeps finished runs, so that a killed study goes on; made if it alone is missing
  bool discard_stale = false;    ///< runs in the folder that were made with other data or options are made anew
  double budget_seconds = 0;     ///< after which no run begins; 0: none. What is missing is among the runs, as failed
  Observer* observer = nullptr;  ///< not owned
};

namespace detail {

/// Tuning's seeds are so far from the study's.
inline constexpr std::uint64_t tuning_offset = std::uint64_t{1} << 32;

[[gnu::cold, gnu::noinline]] inline void check_options(const Data& data, const Options& options) {
  check_data(data, options.splits);
  const bool validates = data.validation != nullptr || options.splits.validation > 0;
  if (options.seeds == 0) fail("study: seeds must be at least 1, and is 0");
  if (options.seeds >= tuning_offset || options.tuning_seeds >= tuning_offset || options.first_seed >> 63 != 0)
    fail("study: there are ", options.seeds, " seeds from ", options.first_seed, " on, and ", options.tuning_seeds,
         " to tune with; at most 2^32, from at most 2^63 on, are possible");
  if (options.epochs == 0) fail("study: epochs must be at least 1, and is 0");
  if (options.batch_size == 0) fail("study: batch_size must be at least 1, and is 0");
  if (options.tuning_seeds == 0) fail("study: tuning_seeds must be at least 1, and is 0");
  check_option("study: margin", options.margin);
  check_option("study: budget_seconds", options.budget_seconds);
  check_option("study: early_stopping.minimum_improvement", options.early_stopping.minimum_improvement);
  if (!validates && options.early_stopping.patience > 0)
    fail("study: early stopping needs validation samples, and splits.validation is 0");
  if (!validates && options.monitor != nullptr)
    fail("study: a monitor needs validation samples, and splits.validation is 0");
}

}  // namespace detail

}  // namespace mtlx::study
