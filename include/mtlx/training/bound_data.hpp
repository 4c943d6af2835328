// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/data/data_set.hpp>
#include <vector>

namespace mtlx::training {

/// One stream of a data set, its columns in the order of a model's tasks.
template <std::size_t tasks>
struct BoundStream {
  const data::Inputs* inputs;
  std::array<const data::Targets*, tasks> targets;  ///< nullptr where the stream has nothing for the task
  TaskSet labelled;                                 ///< the tasks that it has something for
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline void check_targets(const data::Targets& targets, std::string_view task,
                                                       std::size_t width, std::string_view targets_are,
                                                       bool (*accepts)(float)) {
  if (targets.width() != width)
    fail("the task \"", task, "\" takes ", width, " targets a sample, and the data set has ", targets.width());
  // Pictures are many bytes, and mostly all bytes are accepted.
  bool any_byte = targets.holds_bytes();
  for (int byte = 0; byte < 256 && any_byte; ++byte) any_byte = accepts(static_cast<float>(byte) / 255.0F);
  if (any_byte) return;
  for (std::size_t row = 0; row < targets.size(); ++row)
    for (std::size_t i = 0; i < width; ++i)
      if (targets.present(row, i) && !accepts(targets.value(row, i)))
        fail("the task \"", task, "\" takes ", targets_are, ", and row ", row, " has ", targets.value(row, i));
}

}  // namespace detail

/// A data set as one model sees it: checked once, so that training need not.
template <class TaskList>
class BoundData;

template <class... Task>
class BoundData<Tasks<Task...>> {
 public:
  static constexpr std::size_t tasks = sizeof...(Task);

  /// Throws `Error` if the inputs' shape is not the model's, a column belongs to none of its tasks, a task of `needed`
  /// has no column, a column has the wrong width, or a target is not what its task accepts (naming task and row).
  [[gnu::cold]] BoundData(const data::DataSet& data, Shape shape, TaskSet needed) {
    if (data.streams().empty()) fail("the data set has no samples");
    if (!(data.shape() == shape)) fail("the data set's inputs are ", data.shape(), ", and the model takes ", shape);
    TaskSet found;
    for (const data::Stream& stream : data.streams()) {
      BoundStream<tasks> bound{&stream.inputs, {}, {}};
      for (const data::Column& column : stream.columns) {
        const std::size_t t = Tasks<Task...>::index(column.task);
        if (t == tasks) fail("the data set has targets for a task \"", column.task, "\" that the model does not have");
        bound.targets[t] = &column.targets;
        bound.labelled = bound.labelled.with(t);
      }
      std::size_t t = 0;
      ((bound.targets[t] != nullptr ? check<Task>(*bound.targets[t]) : void(), ++t), ...);
      found = found | bound.labelled;
      streams_.push_back(bound);
    }
    for (std::size_t t = 0; t < tasks; ++t)
      if (needed.has(t) && !found.has(t))
        fail("the data set has no targets for the task \"", Tasks<Task...>::names[t], "\"");
  }

  /// No data.
  BoundData() = default;

  const std::vector<BoundStream<tasks>>& streams() const { return streams_; }
  /// Another number for each binding: whoever keeps a copy of the data elsewhere knows it by that.
  std::uint64_t id() const { return id_; }

  /// Samples of each stream.
  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> all;
    for (const auto& stream : streams_) all.push_back(stream.inputs->size());
    return all;
  }
  /// The tasks that have a label at all.
  TaskSet labelled() const {
    TaskSet set;
    for (const auto& stream : streams_)
      for (std::size_t t = 0; t < tasks; ++t)
        for (std::size_t row = 0; stream.targets[t] != nullptr && !set.has(t) && row < stream.targets[t]->size(); ++row)
          if (stream.targets[t]->present_count(row) > 0) set = set.with(t);
    return set;
  }
  /// Samples over all streams.
  std::size_t size() const {
    std::size_t samples = 0;
    for (const auto& stream : streams_) samples += stream.inputs->size();
    return samples;
  }

 private:
  template <class T>
  static void check(const data::Targets& targets) {
    detail::check_targets(targets, T::name.view(), static_cast<std::size_t>(T::Loss::targets(T::outputs)),
                          T::targets_are, [](float target) { return bool(T::accepts(target)); });
  }

  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  std::vector<BoundStream<tasks>> streams_;
  std::uint64_t id_ = next_id();
};

}  // namespace mtlx::training
