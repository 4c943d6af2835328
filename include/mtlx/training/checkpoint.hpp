// SPDX-License-Identifier: MIT
// The file of a checkpoint. Numbers are u64 in the machine's byte order; a text or a block has its length before it.
//   head     "mtlxckpt", format version, bytes in the whole file
//   content  the model's layout (text), seed, epochs done before, number of networks, a block for each with its state;
//            the fit's options (text, empty if none is under way), number of positions, each network's position in it;
//            from version 2 on, what the grouping rule found out (a block, empty if nothing)
//   end      checksum (core/checksum.hpp) of everything before
// Nothing in a file is believed: lengths are held against what is left of it before memory is asked for.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <mtlx/core/checksum.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::training {

/// Where one network is in a fit, and what early stopping remembers.
struct Position {
  std::uint64_t epoch = 0;        ///< epochs of this fit that are over
  std::uint64_t step = 0;         ///< steps of the next one that are done
  std::vector<double> sums{};     ///< each task's losses over these steps, summed; then in how many it was present
  std::uint64_t best_epochs = 0;  ///< epochs that were over when the monitor was best; 0 if it was not yet finite
  double best = std::numeric_limits<double>::max();  ///< the monitor then
  std::string best_state{};                          ///< the network's state then
};

/// What a checkpoint holds.
struct Checkpoint {
  std::string model{};  ///< what decides the layout, a line each
  std::uint64_t seed = 0;
  std::uint64_t epochs_done = 0;      ///< before the fit that is under way
  std::vector<std::string> states{};  ///< each network's
  std::string fit{};                  ///< the options of the fit that is under way, a line each; empty if none is
  std::vector<Position> positions{};
  std::string evidence{};  ///< what the grouping rule found out (evidence_bytes, search_journal.hpp); empty if nothing
};

namespace detail {

inline constexpr std::string_view checkpoint_magic = "mtlxckpt";
inline constexpr std::uint64_t checkpoint_version = 2;
inline constexpr std::uint64_t oldest_checkpoint_version = 1;

// What training changes, as memory: trivially copyable, and nothing for an empty type.
template <class T>
inline constexpr std::size_t size_in_file = std::is_empty_v<T> ? 0 : sizeof(T);
template <class T>
auto bytes_of(T* first, std::size_t count = 1) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return std::span<Byte>(reinterpret_cast<Byte*>(first), count * size_in_file<T>);
}

[[gnu::cold, gnu::noinline]] inline std::string packed(std::span<const std::span<const char>> blocks) {
  std::string bytes;
  for (const auto block : blocks) bytes.append(block.data(), block.size());
  return bytes;
}
[[gnu::cold, gnu::noinline]] inline void unpack(std::string_view bytes, std::span<const std::span<char>> blocks) {
  for (const auto block : blocks) {
    if (!block.empty()) std::memcpy(block.data(), bytes.data(), block.size());
    bytes.remove_prefix(block.size());
  }
}

class CheckpointWriter {
 public:
  void number(std::uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void real(double value) { number(std::bit_cast<std::uint64_t>(value)); }
  void text(std::string_view text) {
    number(text.size());
    bytes_ += text;
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

class CheckpointReader {
 public:
  CheckpointReader(std::string_view left, const std::string& file, const char* what = "checkpoint")
      : left_(left), file_(file), what_(what) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  double real() { return std::bit_cast<double>(number()); }
  std::string text() { return std::string(take(number())); }
  /// How many items of at least `bytes` bytes follow.
  std::uint64_t count(std::size_t bytes) {
    const std::uint64_t items = number();
    if (items > left_.size() / bytes) unsound();
    return items;
  }
  void end() const {
    if (!left_.empty()) unsound();
  }

 private:
  [[noreturn, gnu::cold, gnu::noinline]] void unsound() const { fail(file_, " is no sound ", what_); }
  std::string_view take(std::uint64_t count) {
    if (count > left_.size()) unsound();
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  std::string_view left_;
  const std::string& file_;
  const char* what_;
};

// The first line in which two texts differ, theirs and ours; "nothing" where one has ended.
[[gnu::cold, gnu::noinline]] inline std::pair<std::string, std::string> first_difference(std::string_view theirs,
                                                                                         std::string_view ours) {
  const auto line = [](std::string_view& text) {
    const std::string_view first = text.substr(0, text.find('\n'));
    text.remove_prefix(first.size() + (first.size() < text.size() ? 1 : 0));
    return first.empty() ? std::string("nothing") : "\"" + std::string(first) + "\"";
  };
  for (;;) {
    auto a = line(theirs), b = line(ours);
    if (a != b || (theirs.empty() && ours.empty())) return {std::move(a), std::move(b)};
  }
}

}  // namespace detail

/// The bytes of a checkpoint's file.
[[gnu::cold, gnu::noinline]] inline std::string checkpoint_bytes(const Checkpoint& checkpoint) {
  detail::CheckpointWriter writer;
  std::string& bytes = writer.bytes();
  std::size_t size = 4096;
  for (const std::string& state : checkpoint.states) size += state.size();
  size += checkpoint.evidence.size();
  for (const Position& position : checkpoint.positions) size += position.best_state.size();
  bytes.reserve(size);
  bytes += detail::checkpoint_magic;
  writer.number(detail::checkpoint_version);
  writer.number(0);  // the size, when it is known
  writer.text(checkpoint.model);
  writer.number(checkpoint.seed);
  writer.number(checkpoint.epochs_done);
  writer.number(checkpoint.states.size());
  for (const std::string& state : checkpoint.states) writer.text(state);
  writer.text(checkpoint.fit);
  writer.number(checkpoint.positions.size());
  for (const Position& position : checkpoint.positions) {
    writer.number(position.epoch);
    writer.number(position.step);
    writer.number(position.sums.size());
    for (const double sum : position.sums) writer.real(sum);
    writer.number(position.best_epochs);
    writer.real(position.best);
    writer.text(position.best_state);
  }
  writer.text(checkpoint.evidence);
  const std::uint64_t whole = bytes.size() + sizeof whole;
  std::memcpy(bytes.data() + 16, &whole, sizeof whole);
  writer.number(checksum(bytes));
  return std::move(bytes);
}

/// Reads a checkpoint that lies in memory; `file` names it in errors. Throws `Error` if it is none, has another format
/// version, is cut or damaged.
[[gnu::cold, gnu::noinline]] inline Checkpoint parse_checkpoint(std::string_view bytes, const std::string& file) {
  constexpr std::string_view magic = detail::checkpoint_magic;
  constexpr std::size_t head = 24;
  if (bytes.substr(0, magic.size()) != magic.substr(0, bytes.size())) fail(file, " is no checkpoint of mtlx");
  if (bytes.size() < head + 8) fail(file, " is cut: it holds ", bytes.size(), " bytes, not even a checkpoint's head");
  detail::CheckpointReader front(bytes.substr(magic.size()), file);
  const std::uint64_t version = front.number(), size = front.number();
  if (version < detail::oldest_checkpoint_version || version > detail::checkpoint_version)
    fail(file, " has version ", version, " of the checkpoint format, and this program reads ",
         detail::oldest_checkpoint_version, " to ", detail::checkpoint_version);
  if (size != bytes.size())
    fail(file, size > bytes.size() ? " is cut: it holds " : " goes on after its end: it holds ", bytes.size(),
         " bytes, expected ", size);
  const std::string_view content = bytes.substr(0, bytes.size() - 8);
  if (detail::CheckpointReader(bytes.substr(content.size()), file).number() != checksum(content))
    fail(file, " is damaged: its checksum does not match its content");

  detail::CheckpointReader reader(content.substr(head), file);
  Checkpoint checkpoint;
  checkpoint.model = reader.text();
  checkpoint.seed = reader.number();
  checkpoint.epochs_done = reader.number();
  for (std::uint64_t n = reader.count(8); n > 0; --n) checkpoint.states.push_back(reader.text());
  checkpoint.fit = reader.text();
  for (std::uint64_t n = reader.count(48); n > 0; --n) {
    Position position;
    position.epoch = reader.number();
    position.step = reader.number();
    for (std::uint64_t sums = reader.count(8); sums > 0; --sums) position.sums.push_back(reader.real());
    position.best_epochs = reader.number();
    position.best = reader.real();
    position.best_state = reader.text();
    checkpoint.positions.push_back(std::move(position));
  }
  if (version > 1) checkpoint.evidence = reader.text();
  reader.end();
  return checkpoint;
}

namespace detail {

/// Throws `Error` unless a checkpoint is of this model: layout, seed, and a state of `size` bytes for each network.
[[gnu::cold, gnu::noinline]] inline void check_checkpoint(const Checkpoint& found, const Checkpoint& model,
                                                          const std::string& file) {
  if (found.model != model.model) {
    const auto [theirs, ours] = first_difference(found.model, model.model);
    fail(file, " is of another model: it has ", theirs, " where this one has ", ours);
  }
  if (found.seed != model.seed)
    fail(file, " is of a model with seed ", found.seed, ", and this one has seed ", model.seed);
  bool sound = found.states.size() == model.states.size() &&
               (found.fit.empty() ? found.positions.empty() : found.positions.size() == found.states.size());
  for (std::size_t g = 0; sound && g < found.states.size(); ++g) {
    sound = found.states[g].size() == model.states[g].size();
    if (!sound || found.fit.empty()) continue;
    const Position& position = found.positions[g];
    sound = position.sums.size() == model.positions[g].sums.size() && position.best_epochs <= position.epoch &&
            is_finite(position.best) &&
            (position.best_state.empty() || position.best_state.size() == found.states[g].size());
  }
  if (!sound) fail(file, " is no sound checkpoint");
}

}  // namespace detail

}  // namespace mtlx::training
