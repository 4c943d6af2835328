// SPDX-License-Identifier: MIT
// What a grouping rule finds out, as bytes; and the file of a search for a plan that is under way, so that one which was
// interrupted goes on. Numbers are u64 in the machine's byte order; a text, a list or a block has its length before it.
//   head     "mtlxfind", format version, what decides how trainings go (text), checksum of all that
//   record   its length and that number's complement; what was asked for (text) and what came of it; a checksum of that
// A record is added behind each training. One that is cut at the file's end was being written when the program ended: it is
// dropped. Anything else that is amiss is an error. Nothing in a file is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mtlx/core/checksum.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/workshop.hpp>
#include <mtlx/training/checkpoint.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::training {

namespace detail {

[[gnu::cold, gnu::noinline]] inline void write_list(CheckpointWriter& writer, std::span<const double> numbers) {
  writer.number(numbers.size());
  for (const double number : numbers) writer.real(number);
}
[[gnu::cold, gnu::noinline]] inline std::vector<double> read_list(CheckpointReader& reader) {
  std::vector<double> numbers;
  for (std::uint64_t n = reader.count(8); n > 0; --n) numbers.push_back(reader.real());
  return numbers;
}

}  // namespace detail

/// What a rule found out, as the bytes that a checkpoint keeps; none where it found nothing.
[[gnu::cold, gnu::noinline]] inline std::string evidence_bytes(const grouping::Evidence& evidence) {
  if (evidence.text.empty() && evidence.tables.empty() && evidence.steps == 0) return {};
  detail::CheckpointWriter writer;
  writer.text(evidence.text);
  writer.real(evidence.value);
  writer.number(evidence.steps);
  writer.number(evidence.tables.size());
  for (const grouping::Table& table : evidence.tables) {
    writer.text(table.title);
    writer.number(table.tasks.size());
    for (const std::string& task : table.tasks) writer.text(task);
    for (const auto* numbers : {&table.values, &table.lower, &table.upper, &table.p})
      detail::write_list(writer, *numbers);
  }
  return std::move(writer.bytes());
}

/// Reads them again; `file` names where they are from. Throws `Error` if they are none.
[[gnu::cold, gnu::noinline]] inline grouping::Evidence parse_evidence(std::string_view bytes, const std::string& file) {
  grouping::Evidence evidence;
  if (bytes.empty()) return evidence;
  detail::CheckpointReader reader(bytes, file);
  evidence.text = reader.text();
  evidence.value = reader.real();
  evidence.steps = reader.number();
  for (std::uint64_t n = reader.count(48); n > 0; --n) {
    grouping::Table& table = evidence.tables.emplace_back();
    table.title = reader.text();
    for (std::uint64_t tasks = reader.count(8); tasks > 0; --tasks) table.tasks.push_back(reader.text());
    const std::size_t cells = table.tasks.size() * table.tasks.size();
    for (auto* numbers : {&table.values, &table.lower, &table.upper, &table.p}) {
      *numbers = detail::read_list(reader);
      if (numbers->size() != cells && (numbers == &table.values || !numbers->empty()))
        fail(file, " is no sound checkpoint");
    }
  }
  reader.end();
  return evidence;
}

namespace detail {

/// A training that a search asked for, and what came of it.
struct Kept {
  std::string asked;  ///< what decides it, but for what the head says
  grouping::Trained trained;
  std::size_t steps = 0;                ///< that it took, with those of searches within it
  std::vector<std::size_t> look_steps;  ///< of the looks in it (grouping::Affinities)
  std::vector<double> look_values;
};

/// The looks of a training among all that a watch keeps: those from `first` on.
[[gnu::cold, gnu::noinline]] inline void keep_looks(const grouping::Affinities& seen, std::size_t first, Kept& kept) {
  const auto from = [](const auto& all, std::size_t begin) {
    return std::decay_t<decltype(all)>(all.begin() + static_cast<std::ptrdiff_t>(begin), all.end());
  };
  kept.look_steps = from(seen.steps, first);
  kept.look_values = from(seen.values, first * seen.tasks * seen.tasks);
}
/// Puts them in again.
[[gnu::cold, gnu::noinline]] inline void give_back(const Kept& kept, std::size_t tasks, grouping::Affinities& seen) {
  if (!kept.look_steps.empty()) seen.tasks = tasks;
  seen.steps.insert(seen.steps.end(), kept.look_steps.begin(), kept.look_steps.end());
  seen.values.insert(seen.values.end(), kept.look_values.begin(), kept.look_values.end());
}

inline constexpr std::string_view journal_magic = "mtlxfind";
inline constexpr std::uint64_t journal_version = 1;

/// The file of a search.
class SearchJournal {
 public:
  /// Begins a file, or goes on with the one that is there. Throws `Error` if it can't be gone on with: it is of another
  /// search, damaged, or none.
  [[gnu::cold, gnu::noinline]] SearchJournal(std::string file, std::string_view head, std::size_t tasks, bool resumes)
      : file_(std::move(file)), tasks_(tasks) {
    CheckpointWriter writer;
    writer.bytes() += journal_magic;
    writer.number(journal_version);
    writer.text(head);
    writer.number(checksum(writer.bytes()));
    if (!resumes || !file_exists(file_)) {
      write_file(file_, writer.bytes());
      return;
    }
    const std::string bytes = read_file(file_);
    const std::string_view all = bytes;
    if (all.substr(0, journal_magic.size()) != journal_magic) fail(file_, " is no search for groups by mtlx");
    CheckpointReader front(all.substr(journal_magic.size()), file_, what);
    if (const std::uint64_t version = front.number(); version != journal_version)
      fail(file_, " has version ", version, " of the format of searches, and this program reads version ",
           journal_version);
    const std::string theirs = front.text();
    const std::size_t begin = journal_magic.size() + 2 * sizeof(std::uint64_t) + theirs.size();
    if (front.number() != checksum(all.substr(0, begin))) damaged();
    if (theirs != head) {
      const auto [a, b] = first_difference(theirs, head);
      fail(file_, " is of a search with ", a, ", and this one has ", b,
           ": a search is resumed with the options it had");
    }
    std::size_t end = begin + sizeof(std::uint64_t);
    while (const std::size_t size = record_at(all.substr(end))) end += size;
    if (end < all.size()) write_file(file_, all.substr(0, end));
  }

  /// Hands out what came of a training, if it was made. What was asked for twice was made twice, and is handed out in that
  /// order: a watch's options are not in what was asked.
  [[gnu::cold, gnu::noinline]] bool take(std::string_view asked, Kept& kept) {
    for (auto next = all_.begin(); next != all_.end(); ++next)
      if (next->asked == asked) {
        kept = std::move(*next);
        all_.erase(next);
        return true;
      }
    return false;
  }
  /// Trainings that were found and not handed out.
  std::size_t size() const { return all_.size(); }

  /// Throws `Error` if it can't be written.
  [[gnu::cold, gnu::noinline]] void add(const Kept& kept) {
    CheckpointWriter content, record;
    content.text(kept.asked);
    write_list(content, kept.trained.losses);
    write_list(content, kept.trained.scores);
    content.number(kept.trained.states.size());
    for (const std::string& state : kept.trained.states) content.text(state);
    content.number(kept.trained.steps);
    content.number(kept.steps);
    content.number(kept.look_steps.size());
    for (const std::size_t step : kept.look_steps) content.number(step);
    write_list(content, kept.look_values);
    record.number(content.bytes().size());
    record.number(~std::uint64_t{content.bytes().size()});
    record.bytes() += content.bytes();
    record.number(checksum(content.bytes()));
    append_file(file_, record.bytes());
  }

 private:
  static constexpr const char* what = "search for groups";

  [[noreturn, gnu::cold, gnu::noinline]] void damaged() const {
    fail(file_, " is damaged: a checksum does not match; delete it to search anew");
  }
  // Keeps the record that a text begins with and gives its size; 0 where it is cut, or there is none.
  [[gnu::cold, gnu::noinline]] std::size_t record_at(std::string_view bytes) {
    constexpr std::size_t number = sizeof(std::uint64_t);
    if (bytes.size() < 2 * number) return 0;
    CheckpointReader front(bytes, file_, what);
    const std::uint64_t size = front.number();
    if (front.number() != ~size) damaged();
    if (bytes.size() < 3 * number || bytes.size() - 3 * number < size) return 0;
    const std::string_view content = bytes.substr(2 * number, size);
    if (CheckpointReader(bytes.substr(2 * number + size), file_, what).number() != checksum(content)) damaged();
    CheckpointReader reader(content, file_, what);
    Kept kept;
    kept.asked = reader.text();
    kept.trained.losses = read_list(reader);
    kept.trained.scores = read_list(reader);
    for (std::uint64_t n = reader.count(number); n > 0; --n) kept.trained.states.push_back(reader.text());
    kept.trained.steps = reader.number();
    kept.steps = reader.number();
    for (std::uint64_t n = reader.count(number); n > 0; --n) kept.look_steps.push_back(reader.number());
    kept.look_values = read_list(reader);
    reader.end();
    if (kept.trained.losses.size() != tasks_ || kept.trained.scores.size() != tasks_ ||
        kept.look_values.size() != kept.look_steps.size() * tasks_ * tasks_)
      fail(file_, " is no sound ", what);
    all_.push_back(std::move(kept));
    return 3 * number + size;
  }

  std::string file_;
  std::size_t tasks_;
  std::vector<Kept> all_;
};

/// What decides a training, on samples of which `held_out` are set aside, beside what the file's head says.
[[gnu::cold, gnu::noinline]] inline std::string asked_for(const grouping::Training& training, std::size_t epochs,
                                                          double held_out) {
  std::string text = join("tasks ", training.members.bits(), ", run ", training.run, ", ");
  text += training.steps > 0 ? join(training.steps, " steps in ", epochs, " epochs") : join(epochs, " epochs");
  if (training.from != nullptr) text += join(", from state ", checksum(*training.from));
  CheckpointWriter exact;  // to the bit
  exact.real(held_out);
  for (const double share : training.snapshots) exact.real(share);
  text += join(", ", training.snapshots.size(), " snapshots and set aside ", checksum(exact.bytes()));
  if (training.watch != nullptr)
    text += join(", watched by ", training.watch->record()->measure, " with losses ",
                 static_cast<int>(training.watch->evaluation()), " and steps ",
                 static_cast<int>(training.watch->step_kind()));
  return text;
}

}  // namespace detail

}  // namespace mtlx::training
