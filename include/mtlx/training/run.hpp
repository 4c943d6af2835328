// SPDX-License-Identifier: MIT
// What fit does besides training: early stopping, and the files that a run is resumed from.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/training/checkpoint.hpp>
#include <mtlx/training/options.hpp>
#include <string>
#include <vector>

#if MTLX_CORE_POSIX
#include <sys/stat.h>
#endif

namespace mtlx::training::detail {

/// Throws `Error` if the options do not fit each other.
[[gnu::cold, gnu::noinline]] inline void check_options(std::size_t batch_size, const EarlyStopping& stopping,
                                                       bool monitor, bool validation) {
  // Sampler says so too, but only when files have been written.
  if (batch_size == 0) fail("the batch size must be at least 1, and is 0");
  check_option("early_stopping.minimum_improvement", stopping.minimum_improvement);
  if (stopping.patience > 0 && !validation) fail("early stopping needs validation data, and none are given");
  if (monitor && !validation) fail("a monitor needs validation data, and none are given");
}
/// Whether there are files to write. Throws `Error` if there are none, and something asks for them.
[[gnu::cold, gnu::noinline]] inline bool writes_files(const Checkpointing& files) {
  if (files.directory.empty() && (files.resume || files.every_steps > 0))
    fail("checkpointing: ", files.resume ? "resume" : "every_steps", " needs a directory, and none is given");
  return !files.directory.empty();
}

/// Keeps in mind how good the epoch was that has just ended, and says whether it was the best.
inline bool note(Position& at, double monitor, const EarlyStopping& stopping) {
  if (!is_finite(monitor) || !(monitor < at.best - stopping.minimum_improvement)) return false;
  at.best = monitor;
  at.best_epochs = at.epoch;
  return true;
}
/// Whether the patience is used up.
inline bool stops(const Position& at, const EarlyStopping& stopping) {
  return stopping.patience > 0 && at.epoch - at.best_epochs >= stopping.patience;
}
/// Whether the model ends as it was after the best epoch.
inline bool restores_best(const EarlyStopping& stopping) { return stopping.patience > 0 && stopping.restore_best; }

inline std::string last_file(const Checkpointing& files) { return files.directory + "/last.mtlx"; }
inline std::string best_file(const Checkpointing& files) { return files.directory + "/best.mtlx"; }
inline std::string search_file(const Checkpointing& files) { return files.directory + "/search.mtlx"; }

/// The best of an earlier run is none of the one that begins.
[[gnu::cold, gnu::noinline]] inline void remove_best(const Checkpointing& files) {
  std::remove(best_file(files).c_str());
}

/// Whether there is a run to go on with. Makes the directory.
[[gnu::cold, gnu::noinline]] inline bool resumes(const Checkpointing& files) {
#if MTLX_CORE_POSIX
  mkdir(files.directory.c_str(), 0777);  // if that fails, writing does, and says why
#endif
  return files.resume && file_exists(last_file(files));
}

/// Everything that decides how a fit goes, but for the number of epochs: a line each.
[[gnu::cold, gnu::noinline]] inline std::string fit_text(std::size_t batch_size, Sampling sampling, bool shuffle,
                                                         const std::vector<std::size_t>& sizes,
                                                         const std::vector<std::size_t>& validation, bool monitor,
                                                         bool augment, const EarlyStopping& stopping,
                                                         const DrawOptions& drawn) {
  std::string how = sampling == Sampling::together      ? "together"
                    : sampling == Sampling::round_robin ? "round_robin"
                    : sampling == Sampling::drawn       ? "drawn"
                                                        : "proportional";
  if (sampling == Sampling::drawn) {
    how += join(", ", drawn.draws, " streams a step, ", drawn.steps, " steps an epoch, chances");
    for (const double chance : drawn.chances) how += join(" ", chance);
  }
  std::string text = join("batch size ", batch_size, "\nsampling ", how, "\nshuffle ", shuffle ? "on" : "off", "\n");
  for (const std::size_t size : sizes) text += join(size, " training samples\n");
  for (const std::size_t size : validation) text += join(size, " validation samples\n");
  return text + join(monitor ? "a monitor of its own\n" : "the usual monitor\n",
                     augment ? "augmentation\n" : "no augmentation\n", "early stopping with patience ",
                     stopping.patience, ", minimum improvement ", stopping.minimum_improvement,
                     stopping.restore_best ? " and the best restored\n" : "\n");
}

/// Throws `Error` unless a fit can go on with a checkpoint.
[[gnu::cold, gnu::noinline]] inline void check_run(const Checkpoint& found, const Checkpoint& run, std::size_t epochs,
                                                   const std::string& file) {
  if (found.fit.empty()) fail(file, " holds a model between two fits, and no run to resume");
  if (found.fit != run.fit) {
    const auto [theirs, ours] = first_difference(found.fit, run.fit);
    fail(file, " is of a fit with ", theirs, ", and this one has ", ours, ": a run is resumed with the options it had");
  }
  if (found.epochs_done != run.epochs_done)
    fail(file, " is of a fit that began after ", found.epochs_done, " epochs, and this model has done ",
         run.epochs_done);
  for (const Position& position : found.positions)
    if (position.epoch > epochs || (position.epoch == epochs && position.step > 0))
      fail(file, " is of a fit that has trained ", position.epoch, " epochs, more than the ", epochs, " asked for");
}

/// The most epochs of a fit that any network has trained: as they are, or each after its best epoch.
[[gnu::cold]] inline std::uint64_t epochs_over(const Checkpoint& run, bool best = false) {
  std::uint64_t most = 0;
  for (const Position& position : run.positions)
    most = std::max(most, best && !position.best_state.empty() ? position.best_epochs : position.epoch);
  return most;
}

}  // namespace mtlx::training::detail
