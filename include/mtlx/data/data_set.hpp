// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/checks.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// The targets of one task, by the task's name.
struct Column {
  std::string task;
  Targets targets;
};

/// Inputs and what some tasks should answer to them. Sample i of every column belongs to sample i of the inputs.
struct Stream {
  Inputs inputs;
  std::vector<Column> columns;

  /// The targets of a task, or nullptr if this stream has none for it.
  const Targets* find(std::string_view task) const {
    for (const Column& column : columns)
      if (column.task == task) return &column.targets;
    return nullptr;
  }
};

/// What a model learns from: one stream with inputs that all tasks share, or several, where tasks (or groups of tasks)
/// have inputs of their own. No stream is empty, and all have inputs of one shape.
class DataSet {
 public:
  /// A data set without streams yet; `add` them.
  DataSet() = default;

  /// A data set of one stream: `DataSet train(images, {{"left", left}, {"right", right}})`. Throws as `add` does.
  DataSet(Inputs inputs, std::vector<Column> columns) { add(std::move(inputs), std::move(columns)); }

  /// Adds a stream. Throws `Error` (and adds nothing) if it has no samples or no columns, targets differ from the
  /// inputs in size, a task has no name or is named twice, or the shape (or a task's width) differs from an earlier
  /// stream's.
  [[gnu::cold, gnu::noinline]] DataSet& add(Inputs inputs, std::vector<Column> columns) {
    Stream stream{std::move(inputs), std::move(columns)};
    check(stream);
    streams_.push_back(std::move(stream));
    return *this;
  }

  /// The streams, in the order in which they were added.
  const std::vector<Stream>& streams() const { return streams_; }

  /// Samples over all streams.
  std::size_t size() const {
    std::size_t sum = 0;
    for (const Stream& stream : streams_) sum += stream.inputs.size();
    return sum;
  }

  /// The shape of one input. Throws `Error` if there is no stream.
  const Shape& shape() const {
    if (streams_.empty()) fail("data set: it has no stream, so it has no shape");
    return streams_.front().inputs.shape();
  }

  /// Has all inputs read through this normalisation (see `Inputs::normalise`, which says what throws).
  [[gnu::cold]] void normalise(const Normalisation& by) {
    for (Stream& stream : streams_) stream.inputs.normalise(by);
  }

 private:
  [[gnu::cold]] void check(const Stream& stream) const {
    const std::string where = join("data set: stream ", streams_.size());
    const std::size_t size = stream.inputs.size();
    if (size == 0) fail(where, " has no samples");
    if (stream.columns.empty()) fail(where, " has no columns, expected the targets of at least one task");
    if (!streams_.empty() && stream.inputs.shape() != shape())
      fail(where, " has inputs of ", stream.inputs.shape(), ", expected ", shape(), " as in stream 0");
    for (const Column& column : stream.columns) {
      if (column.task.empty()) fail(where, " has a column whose task has no name");
      if (column.targets.size() != size)
        fail(where, " has ", column.targets.size(), " targets for task \"", column.task, "\", expected ", size,
             ", one for each input");
      if (stream.find(column.task) != &column.targets) fail(where, " names task \"", column.task, "\" twice");
      for (const Stream& earlier : streams_)
        if (const Targets* targets = earlier.find(column.task); targets && targets->width() != column.targets.width())
          fail(where, " has ", column.targets.width(), " values per sample for task \"", column.task, "\", expected ",
               targets->width(), " as in an earlier stream");
    }
  }

  std::vector<Stream> streams_;
};

namespace detail {

inline void add_part(DataSet& to, const Stream& stream, std::span<const std::size_t> samples) {
  std::vector<Column> columns;
  for (const Column& column : stream.columns) columns.push_back({column.task, column.targets.subset(samples)});
  to.add(stream.inputs.subset(samples), std::move(columns));
}

inline std::vector<std::size_t> counted(std::size_t size) {
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

inline std::vector<std::size_t> permutation(std::size_t size, Random random) {
  if (size > std::numeric_limits<std::uint32_t>::max()) fail("data set: ", size, " samples are too many to shuffle");
  std::vector<std::size_t> order = counted(size);
  random.shuffle(std::span(order));
  return order;
}

}  // namespace detail

// The parts that these functions make share the inputs with the whole, and targets that are bytes; targets that are floats,
// which are small, are copied.

/// Splits at random in two, stream by stream: round(`first_fraction` * samples) of a stream go to the first part.
/// Inside a part samples keep their order. Throws `Error` if the fraction is not between 0 and 1, or a part of some
/// stream would be empty.
inline std::pair<DataSet, DataSet> split(const DataSet& data, double first_fraction, std::uint64_t seed) {
  // As integers, the bits of the doubles in (0, 1) lie between those of 0 and 1, and those of NaN don't.
  const auto bits = std::bit_cast<std::uint64_t>(first_fraction);
  if (bits == 0 || bits >= std::bit_cast<std::uint64_t>(1.0))
    fail("split: the first part's fraction is ", first_fraction, ", expected a number between 0 and 1");
  std::pair<DataSet, DataSet> parts;
  for (std::size_t s = 0; s < data.streams().size(); ++s) {
    const Stream& stream = data.streams()[s];
    const std::size_t size = stream.inputs.size();
    const auto first = static_cast<std::size_t>(first_fraction * static_cast<double>(size) + 0.5);
    if (first == 0 || first >= size)
      fail("split: stream ", s, " of ", size, " samples can't be split at ", first_fraction, ": a part would be empty");
    std::vector<std::size_t> order = detail::permutation(size, Random(seed, Purpose::split, s));
    const auto middle = order.begin() + static_cast<std::ptrdiff_t>(first);
    std::sort(order.begin(), middle);
    std::sort(middle, order.end());
    detail::add_part(parts.first, stream, std::span(order).first(first));
    detail::add_part(parts.second, stream, std::span(order).subspan(first));
  }
  return parts;
}

/// The same samples in random order, stream by stream.
inline DataSet shuffled(const DataSet& data, std::uint64_t seed) {
  DataSet result;
  for (std::size_t s = 0; s < data.streams().size(); ++s) {
    const Stream& stream = data.streams()[s];
    // Counted from the far end, so that these streams don't meet those of training's epochs.
    detail::add_part(result, stream, detail::permutation(stream.inputs.size(), Random(seed, Purpose::shuffle, ~s)));
  }
  return result;
}

/// The first `count` samples of each stream (all, if it has fewer). Throws `Error` if `count` is 0.
inline DataSet take(const DataSet& data, std::size_t count) {
  DataSet result;
  for (const Stream& stream : data.streams())
    detail::add_part(result, stream, detail::counted(std::min(count, stream.inputs.size())));
  return result;
}

/// Measures the inputs of `train`, all streams together, and has them and those of the others read through it; returns
/// it, for inputs that are predicted later. Throws `Error` (and changes nothing) if `train` has no stream or another
/// has a different number of channels.
[[gnu::cold, gnu::noinline]] inline Normalisation normalise(DataSet& train,
                                                            std::initializer_list<DataSet*> others = {}) {
  const int channels = train.shape().channels;
  for (const DataSet* other : others)
    if (!other->streams().empty() && other->shape().channels != channels)
      fail("normalise: another data set has ", other->shape().channels, " channels, expected ", channels,
           " as in training");
  std::vector<detail::Moments> all = detail::moments(train.streams().front().inputs);
  for (const Stream& stream : std::span(train.streams()).subspan(1)) {
    const std::vector<detail::Moments> one = detail::moments(stream.inputs);
    for (std::size_t c = 0; c < all.size(); ++c) all[c] = detail::merged(all[c], one[c]);
  }
  const Normalisation found = detail::normalisation(all);
  train.normalise(found);
  for (DataSet* other : others) other->normalise(found);
  return found;
}

}  // namespace mtlx::data
