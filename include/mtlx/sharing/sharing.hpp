// SPDX-License-Identifier: MIT
// The concept of a sharing strategy: which parameters serve which tasks.
//
// A strategy is a type with `kind = Kind::sharing`. For an input shape and a list of tasks it makes a network type:
//   template <Shape In, class TaskList> static consteval bool check();      one sentence if they don't fit
//   template <Shape In, class TaskList> struct Network;
// A network is stateless and works on the flat parameter vector and a slice's memory, for any set of tasks that is
// chosen at run time:
//   static constexpr Shape in;                           of one sample
//   static constexpr std::array<Segment, n> segments;   they cover the vector in order; those with more than one owner
//                                                        come first
//   static constexpr std::size_t parameters, shared;     numbers in the vector; in the segments with several owners
//   static constexpr std::size_t memory;                 numbers a sample of a slice's memory
//   static constexpr std::size_t input;                  where in it x lies, and each task's output and its gradient:
//   static constexpr std::array<std::size_t, tasks> output, output_gradient;
//   template <class S> static void forward(const NetworkPass<S>&);
//   template <class S> static void backward(const NetworkPass<S>&, gradients);
//   static void for_each_parameter(function);            function(nn::Path, nn::Parameter, offset); no path twice
//   static void for_each_layer(function);                function(owners, layer name, in, out, parameters, multiply-adds)
//
// forward sets the output of every task in the pass. backward, given the output gradients of the pass's tasks, ADDS the
// gradient of the sum of their losses: to `shared_gradient` for shared segments, to `own_gradient` for the others, both
// indexed as the whole vector. So per-task gradients are calls with sets of one task and a row for each as
// `shared_gradient`.
//
// Optional, where all tasks' outputs are made from one hidden layer (the shared representation):
//   static constexpr Representation representation;      where backward keeps the gradient at it
//   template <class S> static void backward_to_representation(const NetworkPass<S>&, gradients);    sets that gradient
//   template <class S> static void backward_from_representation(const NetworkPass<S>&, gradients);  goes on from it
// One after the other they are backward; the second needs what forward left with any tasks, or with none.
//
// A strategy is also an aggregate of hyper-parameters, `{.sharing = {...}}` of the model's options; its network then says
//   using Strategy = ...;                                the policy; without it there is nothing to ask it
// and the policy may have
//   void validate() const;                               throws `Error` if an option is out of range
//   template <class Network> double penalty(std::span<const S> parameters, TaskSet present) const;
//   template <class Network> void regularise(std::span<const S> parameters, TaskSet present, std::span<S> gradient) const;
//                                                        what is added to the losses of a step with these tasks, and
//                                                        adds its gradient; both spans are the whole vector
//   template <class Network> void project(std::span<S> parameters, TaskSet present, double learning_rate) const;
//                                                        changes the parameters after an update (a proximal step)
// regularise and project leave alone what no present task owns. Instead of a TaskSet they may take an Attendance, which also
// says which tasks train at all.
//
// Optional, for masks (see sharing/masks.hpp):
//   static constexpr bool masked = true;                 a task's pass reads the shared parameters at
//                                                        pass.shared_of<Network>(t); `shared` segments come first, and
//                                                        backward gives the gradient there, as if there was no mask;
//                                                        passes that go backward have one task
//   using Rule = ...;  Rule rule;                        of the policy: where masks come from
//
// Laws: only the segments of present tasks are read or added to; the gradient of a set is the sum of its tasks'.
#pragma once

#include <mtlx/backend/sample.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/name.hpp>
#include <mtlx/core/segment.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/layer.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mtlx::sharing {

/// Where training stands: epochs that are over, with the fraction, and those planned in all. 0 of 0 elsewhere.
struct Time {
  double epoch = 0;
  double epochs = 0;
};

/// One pass of a network over one slice.
template <class S>
struct NetworkPass {
  const typename S::Scalar* parameters;
  typename S::View memory;
  TaskSet tasks;
  backend::Draws draws;
  bool training;
  Time time{};
  const typename S::Scalar* masked = nullptr;  ///< each task's shared parameters under its mask : (tasks, shared)

  /// The shared parameters as task t sees them.
  template <class Network>
  const typename S::Scalar* shared_of(std::size_t t) const {
    return masked + t * Network::shared;
  }
};

/// Where a backward pass adds gradients; both are indexed as the flat parameter vector.
template <class S>
struct Gradients {
  typename S::Scalar* shared;
  typename S::Scalar* own;
};

/// Where the gradient at the shared representation lies in a slice's memory, and its numbers a sample.
struct Representation {
  std::size_t gradient, size;
};

/// A head of one task, by the task's name: `Head<"left", nn::Sequential<...>>`. Its last layer must put out as many
/// numbers as the task has outputs.
template <Name TaskName, class Layers>
struct Head {
  static constexpr auto name = TaskName;
  using Layer = Layers;
};

/// The tasks of a step, and those that the training has labels of at all.
struct Attendance {
  TaskSet present, trained = TaskSet::first(TaskSet::capacity);

  constexpr Attendance(TaskSet now) : present(now) {}  // NOLINT: where nobody says more, all train
  constexpr Attendance(TaskSet now, TaskSet ever) : present(now), trained(ever) {}
  constexpr operator TaskSet() const { return present; }  // NOLINT: for who needs no more
};

/// The options of a strategy that has none.
struct NoOptions {};

namespace detail {

template <class Network>
struct StrategyOf {
  using type = NoOptions;
};
template <class Network>
  requires requires { typename Network::Strategy; }
struct StrategyOf<Network> {
  using type = typename Network::Strategy;
};

}  // namespace detail

/// The policy that a network belongs to, or an empty type if the network does not name it.
template <class Network>
using StrategyOf = typename detail::StrategyOf<Network>::type;

/// Whether a strategy adds a penalty to the losses.
template <class P, class Network, class S>
concept Regularises = requires(const P policy, std::span<const S> parameters, std::span<S> gradient) {
  policy.template regularise<Network>(parameters, Attendance(TaskSet()), gradient);
};
/// Whether it changes the parameters after an update.
template <class P, class Network, class S>
concept Projects = requires(const P policy, std::span<S> parameters) {
  policy.template project<Network>(parameters, Attendance(TaskSet()), 0.0);
};

/// Whether each task sees the shared parameters through a mask of its own.
template <class Network>
inline constexpr bool masked = requires { requires Network::masked; };

namespace detail {

/// Calls function.operator()<i>() for every i below count that is in the set.
template <std::size_t count, class Function>
constexpr void for_each_task(TaskSet set, Function&& function) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    ((set.has(i) ? function.template operator()<i>() : void()), ...);
  }(std::make_index_sequence<count>{});
}

template <class Task, class... Heads>
struct HeadOf {
  using type = nn::Dense<Task::outputs, nn::glorot_uniform>;
};
template <class Task, class First, class... Rest>
struct HeadOf<Task, First, Rest...> {
  using type = typename std::conditional_t<First::name.view() == Task::name.view(),
                                           std::type_identity<typename First::Layer>, HeadOf<Task, Rest...>>::type;
};

/// The layers of a task's head: those given for its name, or one Dense layer.
template <class Task, class... Heads>
using HeadLayer = typename HeadOf<Task, Heads...>::type;

/// Checks that every head is for a task, and that none is doubled.
template <class TaskList, class... Heads>
consteval bool check_head_names() {
  constexpr bool known = ((TaskList::index(Heads::name.view()) < TaskList::count) && ...);
  static_assert(known, "mtlx: a head is given for a task that the model does not have");
  if constexpr (known) {
    constexpr bool single = [] {
      std::array<int, TaskList::count> heads{};
      ((++heads[TaskList::index(Heads::name.view())]), ...);
      for (const int n : heads)
        if (n > 1) return false;
      return true;
    }();
    static_assert(single, "mtlx: two heads are given for one task");
    return single;
  }
  return false;
}

/// Checks that a task's head fits the shape `From` before it.
template <Shape From, class Task, class... Heads>
consteval bool check_head() {
  using Layer = HeadLayer<Task, Heads...>;
  if constexpr (!nn::check<Layer, From>()) {
    return false;
  } else {
    constexpr bool matches = Layer::output(From).size() == static_cast<std::size_t>(Task::outputs);
    static_assert(matches, "mtlx: a head must put out as many numbers as its task has outputs");
    return matches;
  }
}

/// Checks that every head is for a task, that none is doubled, and that each fits the shape `From` before it.
template <Shape From, class TaskList, class... Heads>
struct HeadCheck {
  static consteval bool run() {
    if constexpr (check_head_names<TaskList, Heads...>())
      return [&]<std::size_t... i>(std::index_sequence<i...>) {
        return (check_head<From, typename TaskList::template At<i>, Heads...>() && ...);
      }(std::make_index_sequence<TaskList::count>{});
    else
      return false;
  }
};

}  // namespace detail

}  // namespace mtlx::sharing

namespace mtlx {

/// A sharing strategy; see the head of this file.
template <class P>
concept SharingStrategy = Policy<P> && P::kind == Kind::sharing && requires {
  typename P::template Network<Shape{1, 1, 1}, Tasks<>>;
  { P::template check<Shape{1, 1, 1}, Tasks<>>() } -> std::convertible_to<bool>;
};

}  // namespace mtlx
