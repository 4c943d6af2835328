// SPDX-License-Identifier: MIT
// A trunk in stages, for strategies that join tasks' features between them: CrossStitch, Sluice, Mtan. Here is also what
// their networks share: where a trunk's stages lie, and the tasks' heads behind features that every task has of its own.
#pragma once

#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/sharing.hpp>

#include <algorithm>

namespace mtlx::sharing {

/// A trunk in stages, each any layer: `Stages<nn::Sequential<nn::Conv2d<10, 5>, nn::Relu>, nn::Dense<50>>`. A layer too, so
/// that every strategy takes it as its trunk; for those that join features, another trunk is one stage.
template <class... Stage>
struct Stages : nn::Sequential<Stage...> {};

namespace detail {

template <class Trunk>
struct AsStages {
  using type = Stages<Trunk>;
};
template <class... Stage>
struct AsStages<Stages<Stage...>> {
  using type = Stages<Stage...>;
};

/// Where the stages of one trunk lie.
template <class Trunk, Shape In>
struct StagePlan;
template <class... Stage, Shape In>
struct StagePlan<Stages<Stage...>, In> {
  static constexpr std::size_t count = sizeof...(Stage), last = count - 1;
  template <std::size_t k>
  using At = std::tuple_element_t<k, std::tuple<Stage...>>;

  /// shape[k] goes into stage k, shape[k + 1] comes out.
  static constexpr std::array<Shape, count + 1> shape = [] {
    std::array<Shape, count + 1> all{In};
    std::size_t k = 0;
    ((all[k + 1] = Stage::output(all[k]), ++k), ...);
    return all;
  }();
  /// Offset of each stage's parameters; at the end, how many there are.
  static constexpr std::array<std::size_t, count + 1> weights = [] {
    std::array<std::size_t, count + 1> all{};
    std::size_t k = 0;
    ((all[k + 1] = all[k] + nn::parameter_count<Stage>(shape[k]), ++k), ...);
    return all;
  }();
  static constexpr std::size_t parameters = weights[count];
  static constexpr std::array<std::size_t, count> saved = [] {
    std::array<std::size_t, count> all{};
    std::size_t k = 0;
    ((all[k] = nn::saved<Stage>(shape[k]), ++k), ...);
    return all;
  }();
  static constexpr std::size_t scratch = [] {
    std::size_t most = 0, k = 0;
    ((most = std::max(most, nn::scratch<Stage>(shape[k])), ++k), ...);
    return most;
  }();
  /// Numbers that come out of stage k.
  static constexpr std::size_t size(std::size_t k) { return shape[k + 1].size(); }
  static constexpr std::size_t widest = [] {
    std::size_t most = 0;
    for (std::size_t k = 0; k < count; ++k) most = std::max(most, size(k));
    return most;
  }();

  /// Calls function.operator()<k>() for every stage, from the first or from the last.
  template <class Function>
  static constexpr void for_each(Function&& function) {
    [&]<std::size_t... k>(std::index_sequence<k...>) {
      (function.template operator()<k>(), ...);
    }(std::make_index_sequence<count>{});
  }
  template <class Function>
  static constexpr void for_each_back(Function&& function) {
    [&]<std::size_t... k>(std::index_sequence<k...>) {
      (function.template operator()<last - k>(), ...);
    }(std::make_index_sequence<count>{});
  }
};

/// The tasks' heads on features of this shape: their part of the parameters and of a slice's memory, and their passes. The
/// vector begins with `common` numbers that serve all tasks; then each task has `extra` of its own and its head's.
template <Shape Hidden, class TaskList, class... Heads>
struct TaskHeads;
template <Shape Hidden, class... Task, class... Heads>
struct TaskHeads<Hidden, Tasks<Task...>, Heads...> {
  static constexpr std::size_t count = sizeof...(Task);
  template <std::size_t t>
  using At = HeadLayer<std::tuple_element_t<t, std::tuple<Task...>>, Heads...>;

  static constexpr std::size_t scratch = std::max({nn::scratch<HeadLayer<Task, Heads...>>(Hidden)...});

  static constexpr std::array<Segment, count + 1> segments(std::size_t common, std::size_t extra) {
    constexpr std::array<std::size_t, count> numbers{nn::parameter_count<HeadLayer<Task, Heads...>>(Hidden)...};
    std::array<Segment, count + 1> all{Segment{0, common, TaskSet::first(count)}};
    for (std::size_t t = 0; t < count; ++t)
      all[t + 1] = {all[t].offset + all[t].size, extra + numbers[t], TaskSet::only(t)};
    return all;
  }

  struct Places {
    std::array<std::size_t, count> saved{}, output{}, output_gradient{};
  };
  /// From `at` on, which is moved behind them.
  static constexpr Places places(std::size_t& at) {
    constexpr std::array<std::size_t, count> saves{nn::saved<HeadLayer<Task, Heads...>>(Hidden)...};
    constexpr std::array<std::size_t, count> outputs{static_cast<std::size_t>(Task::outputs)...};
    Places p;
    for (std::size_t t = 0; t < count; ++t) {
      p.saved[t] = std::exchange(at, at + saves[t]);
      p.output[t] = std::exchange(at, at + outputs[t]);
      p.output_gradient[t] = std::exchange(at, at + outputs[t]);
    }
    return p;
  }

  /// Head t, with its parameters at `weights`.
  template <std::size_t t, class S>
  static void forward(const NetworkPass<S>& pass, const Places& at, std::size_t weights, typename S::ConstView x) {
    const auto m = pass.memory;
    nn::forward<At<t>, Hidden>(nn::Forward<S>{pass.parameters + weights, x, m.at(at.output[t]), m.at(at.saved[t]),
                                              pass.draws.child(t + 1), pass.training});
  }
  template <std::size_t t, class S>
  static void backward(const NetworkPass<S>& pass, const Gradients<S>& to, const Places& at, std::size_t weights,
                       typename S::ConstView x, typename S::View dx, typename S::View scribble) {
    const auto m = pass.memory;
    nn::backward<At<t>, Hidden, true>(nn::Backward<S>{
        pass.parameters + weights, x, m.at(at.output[t]), m.at(at.saved[t]), m.at(at.output_gradient[t]), dx,
        to.own + weights, scribble, pass.draws.child(t + 1), pass.training});
  }

  /// Calls own(task's path, t), then function for the parameters of head t, which begin `extra` numbers behind the
  /// segment's offset.
  template <class Own, class Function>
  static void for_each_parameter(const std::array<Segment, count + 1>& all, std::size_t extra, Own&& own,
                                 Function&& function) {
    std::size_t t = 0;
    const auto one = [&]<class T>(std::type_identity<T>) {
      const nn::Path at{nullptr, T::name.view()};
      own(at, t);
      const std::size_t first = all[++t].offset + extra;
      nn::for_each_parameter<HeadLayer<T, Heads...>>(
          Hidden, at,
          [&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) { function(path, p, first + offset); });
    };
    (one(std::type_identity<Task>{}), ...);
  }
  /// Calls own(t), then function for the layers of head t.
  template <class Own, class Function>
  static void for_each_layer(Own&& own, Function&& function) {
    std::size_t t = 0;
    ((own(t),
      nn::for_each_layer<HeadLayer<Task, Heads...>>(
          Hidden, [&](const auto&... layer) { function(TaskSet::only(t), layer...); }),
      ++t),
     ...);
  }
};

}  // namespace detail

}  // namespace mtlx::sharing
