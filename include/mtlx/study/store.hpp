// SPDX-License-Identifier: MIT
// The folder of a study, so that a killed one goes on. Every file is written whole or not at all.
//   study.txt             what decides the results of all runs, a line each
//   candidate-NAME.txt    what decides those of one candidate: its type, its options
//   run-NAME-SEED.mtlx    a finished run; try-NAME-TRY-RUN.mtlx one that tried options on validation data
// A run's file holds, in the machine's byte order, texts and lists with their length before them:
//   "mtlxrun" and the format version, the run's key, then the members of RunRecord, then a checksum of everything before
// The key is a checksum of the texts, the options and the seed that the run belongs to: a file with another key is not
// this run's. Nothing in a file is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mtlx/core/checksum.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/training/checkpoint.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::study::detail {

inline constexpr std::string_view run_magic = "mtlxrun5";
inline constexpr std::string_view older_run_magic = "mtlxrun4";  // without the number of networks

/// The bytes of a run's file.
[[gnu::cold, gnu::noinline]] inline std::string run_bytes(const RunRecord& run, std::uint64_t key) {
  training::detail::CheckpointWriter writer;
  const auto list = [&](const std::vector<double>& numbers) {
    writer.number(numbers.size());
    for (const double number : numbers) writer.real(number);
  };
  writer.bytes() += run_magic;
  writer.number(key);
  writer.text(run.error);
  for (const auto* numbers : {&run.metrics, &run.more_metrics, &run.losses, &run.validation_losses,
                              &run.validation_metrics, &run.cluster_metrics})
    list(*numbers);
  writer.real(run.train_seconds);
  writer.text(run.groups);
  writer.real(run.grouping_steps);
  writer.number(run.networks);
  writer.number(run.epochs.size());
  for (const EpochRecord& epoch : run.epochs) {
    writer.number(epoch.epoch);
    for (const auto* numbers : {&epoch.losses, &epoch.validation_losses, &epoch.validation_metrics, &epoch.cosines,
                                &epoch.conflicts, &epoch.weights, &epoch.lengths})
      list(*numbers);
  }
  writer.number(checksum(writer.bytes()));
  return std::move(writer.bytes());
}

/// Reads what `run_bytes` wrote into `run`, but for candidate, split and seed. Gives false, with nothing changed, if it is
/// of another key or format. Throws `Error` if it is no such file, cut or damaged.
[[gnu::cold, gnu::noinline]] inline bool parse_run(std::string_view bytes, const std::string& file, std::uint64_t key,
                                                   RunRecord& run) {
  using Reader = training::detail::CheckpointReader;
  constexpr const char* what = "run of a study";
  const std::string_view name = run_magic.substr(0, run_magic.size() - 1);
  if (bytes.size() < run_magic.size() + 16 || bytes.substr(0, name.size()) != name) fail(file, " is no run of a study");
  const std::string_view content = bytes.substr(0, bytes.size() - 8);
  if (Reader(bytes.substr(content.size()), file, what).number() != checksum(content))
    fail(file, " is cut or damaged: its checksum does not match its content; delete it to have the run made anew");
  const bool older = content.substr(0, run_magic.size()) == older_run_magic;
  if (!older && content.substr(0, run_magic.size()) != run_magic) return false;
  Reader reader(content.substr(run_magic.size()), file, what);
  if (reader.number() != key) return false;
  const auto list = [&](std::vector<double>& numbers) {
    numbers.clear();
    for (std::uint64_t n = reader.count(8); n > 0; --n) numbers.push_back(reader.real());
  };
  RunRecord found = run;
  found.error = reader.text();
  for (auto* numbers : {&found.metrics, &found.more_metrics, &found.losses, &found.validation_losses,
                        &found.validation_metrics, &found.cluster_metrics})
    list(*numbers);
  found.train_seconds = reader.real();
  found.groups = reader.text();
  found.grouping_steps = reader.real();
  found.networks = older ? 0 : reader.number();
  if (older && !found.groups.empty()) return false;
  found.epochs.clear();
  for (std::uint64_t n = reader.count(64); n > 0; --n) {
    EpochRecord& epoch = found.epochs.emplace_back();
    epoch.epoch = reader.number();
    for (auto* numbers : {&epoch.losses, &epoch.validation_losses, &epoch.validation_metrics, &epoch.cosines,
                          &epoch.conflicts, &epoch.weights, &epoch.lengths})
      list(*numbers);
  }
  reader.end();
  run = std::move(found);
  return true;
}

/// Writes what decides results, unless it is there already. Throws `Error`, naming the first difference, if something
/// else is there, and may not be given up.
[[gnu::cold, gnu::noinline]] inline void settle(const std::string& file, const std::string& text, bool discard) {
  if (file_exists(file)) {
    const std::string found = read_file(file);
    if (found == text) return;
    if (!discard) {
      const auto [theirs, ours] = training::detail::first_difference(found, text);
      fail(file, " has ", theirs, " where this study has ", ours,
           ": its finished runs are stale; discard_stale has them made anew, another directory keeps them");
    }
  }
  write_file(file, text);
}

}  // namespace mtlx::study::detail
