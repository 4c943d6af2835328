// SPDX-License-Identifier: MIT
// How MultiTask finds its policies among its template arguments, and what it says when they are wrong: one sentence,
// once. Every check runs only where those before it held, so that one mistake is one error.
#pragma once

#include <cstddef>
#include <mtlx/backend/backend.hpp>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/grouping/drawing.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/regrouping.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/optim/optimizer.hpp>
#include <mtlx/sharing/masks.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <mtlx/training/options.hpp>
#include <mtlx/training/scores.hpp>
#include <mtlx/training/summary.hpp>
#include <span>
#include <type_traits>
#include <vector>

namespace mtlx::training {

namespace detail {

template <class P, Kind kind>
inline constexpr bool is_of_kind = requires { requires P::kind == kind; };

template <Kind kind, class Default, class... Policies>
struct Pick {
  using type = Default;
};
template <Kind kind, class Default, class First, class... Rest>
struct Pick<kind, Default, First, Rest...> {
  using type = typename std::conditional_t<is_of_kind<First, kind>, std::type_identity<First>,
                                           Pick<kind, Default, Rest...>>::type;
};

}  // namespace detail

/// The policy of that kind among the arguments, or the default.
template <Kind kind, class Default, class... Policies>
using PickOr = typename detail::Pick<kind, Default, Policies...>::type;

namespace detail {

template <class T>
inline constexpr bool is_input = false;
template <int c, int h, int w>
inline constexpr bool is_input<Input<c, h, w>> = true;

template <Kind kind, class... Policies>
inline constexpr int number_of = (0 + ... + (is_of_kind<Policies, kind> ? 1 : 0));

template <class... Policies>
consteval bool check_numbers() {
  constexpr int sharings = number_of<Kind::sharing, Policies...>, balancers = number_of<Kind::balancer, Policies...>,
                optimizers = number_of<Kind::optimizer, Policies...>, rules = number_of<Kind::grouping, Policies...>,
                backends = number_of<Kind::backend, Policies...>;
  static_assert(sharings > 0,
                "mtlx: MultiTask needs a sharing strategy, such as sharing::Hard<Trunk>, and none is given");
  static_assert(sharings < 2, "mtlx: MultiTask takes one sharing strategy, and more than one is given");
  static_assert(balancers < 2, "mtlx: MultiTask takes one balancer, and more than one is given");
  static_assert(optimizers < 2, "mtlx: MultiTask takes one optimizer, and more than one is given");
  static_assert(rules < 2, "mtlx: MultiTask takes one grouping rule, and more than one is given");
  static_assert(backends < 2, "mtlx: MultiTask takes one backend, and more than one is given");
  return sharings == 1 && balancers < 2 && optimizers < 2 && rules < 2 && backends < 2;
}

/// Whether a policy keeps to the concept of its kind.
template <class P>
consteval bool check_concept() {
  if constexpr (P::kind == Kind::sharing) {
    static_assert(SharingStrategy<P>,
                  "mtlx: a sharing strategy needs `check<In, Tasks>()` and `Network<In, Tasks>`: see "
                  "sharing/sharing.hpp");
    return SharingStrategy<P>;
  } else if constexpr (P::kind == Kind::balancer) {
    return balancing::check<P>();
  } else if constexpr (P::kind == Kind::optimizer) {
    return optim::check<P>();
  } else if constexpr (P::kind == Kind::grouping) {
    static_assert(GroupingRule<P>,
                  "mtlx: a grouping rule must be an aggregate with `std::vector<Group> plan(std::size_t) const`: see "
                  "grouping/grouping.hpp");
    return GroupingRule<P>;
  } else {
    static_assert(Backend<P>, "mtlx: a backend lacks a primitive of the concept: see backend/backend.hpp");
    return Backend<P>;
  }
}

template <class... Policies>
consteval bool check_concepts() {
  return (check_concept<Policies>() && ...);
}

}  // namespace detail

namespace detail {

// Whether a grouping rule that names tasks finds them.
template <class Rule, class TaskList>
consteval bool check_rule() {
  if constexpr (requires { Rule::template check<TaskList>(); })
    return Rule::template check<TaskList>();
  else
    return true;
}

template <class N, class S>
concept NetworkOn = requires(const sharing::NetworkPass<S>& pass, const sharing::Gradients<S>& to) {
  { N::in } -> std::convertible_to<Shape>;
  { N::segments[0] } -> std::convertible_to<Segment>;
  { N::parameters + N::shared + N::memory + N::input + N::output[0] + N::output_gradient[0] } -> std::integral;
  N::template forward<S>(pass);
  N::template backward<S>(pass, to);
  N::for_each_parameter([](const nn::Path&, const nn::Parameter&, std::size_t) {});
  N::for_each_layer([](TaskSet, std::string_view, Shape, Shape, std::size_t, double) {});
};

template <class Sharing, class Back, Shape In, class TaskList>
consteval bool check_network() {
  if constexpr (!Sharing::template check<In, TaskList>()) {
    return false;
  } else {
    constexpr bool network =
        NetworkOn<typename Sharing::template Network<In, TaskList>, typename Back::template Slice<1>>;
    static_assert(network, "mtlx: the network of a sharing strategy lacks something: see sharing/sharing.hpp");
    return network;
  }
}

template <class N, class S>
concept RepresentationOn = requires(const sharing::NetworkPass<S>& pass, const sharing::Gradients<S>& to) {
  { N::representation } -> std::convertible_to<sharing::Representation>;
  N::template backward_to_representation<S>(pass, to);
  N::template backward_from_representation<S>(pass, to);
};

// Whether network and backend can do what the balancer asks for, if one is named.
template <class Balancing, class Sharing, class Back, Shape In, class TaskList>
consteval bool check_balanced() {
  if constexpr (std::is_void_v<Balancing>) {
    return true;
  } else if constexpr (balancing::has_weights_alone<Balancing>()) {
    return true;
  } else {
    static_assert(backend::OnHost<Back>,
                  "mtlx: on a device a balancer can have weights alone: see balancing/balancer.hpp");
    if constexpr (backend::OnHost<Back> && balancing::on_representation<Balancing>()) {
      constexpr bool there =
          RepresentationOn<typename Sharing::template Network<In, TaskList>, typename Back::template Slice<1>>;
      static_assert(there,
                    "mtlx: OnRepresentation needs a sharing strategy that has one representation for all tasks, such "
                    "as sharing::Hard<Trunk>");
      return there;
    } else {
      return backend::OnHost<Back>;
    }
  }
}

// Whether the rest of the policies can do what the network asks for.
template <class Balancing, class Network, class Back>
consteval bool check_asked() {
  using Strategy = sharing::StrategyOf<Network>;
  using Scalar = typename Back::Scalar;
  constexpr bool plain = !sharing::masked<Network> && !sharing::Regularises<Strategy, Network, Scalar> &&
                         !sharing::Projects<Strategy, Network, Scalar> && !requires { requires Network::uses_time; };
  constexpr bool here = plain || backend::OnHost<Back>;
  static_assert(here,
                "mtlx: on a device a sharing strategy can have no masks, no penalty and no use of the time: see "
                "sharing/sharing.hpp");
  if constexpr (here && sharing::masked<Network> && !std::is_void_v<Balancing>) {
    constexpr bool one = balancing::batches<balancing::Core<Balancing>> == 1;
    static_assert(one, "mtlx: under masks a balancer works on one batch a step, and this one asks for several");
    return one;
  } else {
    return here;
  }
}

// Whether a network can be regrouped while it trains, if the rule does that.
template <class Grouping, class TaskList, class Network, class Back>
consteval bool check_regrouped() {
  if constexpr (std::is_void_v<Grouping>) {
    return true;
  } else {
    constexpr bool whole = grouping::Regroups<Grouping> || !(requires { &Grouping::turns; });
    static_assert(whole,
                  "mtlx: a rule that regroups while training needs `memory(std::size_t)` and `turns(Regrouping&, "
                  "std::span<TaskSet>) const`: see grouping/regrouping.hpp");
    constexpr bool can =
        !whole || !grouping::Regroups<Grouping> || (!sharing::masked<Network> && backend::OnHost<Back>);
    static_assert(can,
                  "mtlx: a rule that regroups while training works on the processor and without masks: see "
                  "grouping/regrouping.hpp");
    constexpr bool draws =
        !grouping::Draws<Grouping> || (TaskList::count == 1 && !sharing::masked<Network> && backend::OnHost<Back>);
    static_assert(draws,
                  "mtlx: a rule that draws streams works with one task, on the processor and without masks: see "
                  "grouping/drawing.hpp");
    return whole && can && draws;
  }
}

}  // namespace detail

/// Whether the template arguments make a model; if not, one sentence has said why. `DefaultBack` is the backend where
/// none is named.
template <class DefaultBack, class In, class TaskList, class... Policies>
consteval bool check_model() {
  constexpr bool input = detail::is_input<In>;
  static_assert(input, "mtlx: the first template argument of MultiTask is the shape of a sample, Input<...>");
  if constexpr (input) {
    if constexpr (check_tasks<TaskList>()) {
      constexpr bool tasks = check_each_task<TaskList>();
      constexpr bool policies = (Policy<Policies> && ...);
      static_assert(policies, "mtlx: a template argument of MultiTask is no policy: it has no `kind`");
      if constexpr (tasks && policies)
        if constexpr (detail::check_numbers<Policies...>())
          if constexpr (detail::check_concepts<Policies...>() &&
                        detail::check_rule<PickOr<Kind::grouping, void, Policies...>, TaskList>())
            if constexpr (detail::check_network<PickOr<Kind::sharing, void, Policies...>,
                                                PickOr<Kind::backend, DefaultBack, Policies...>, In::shape, TaskList>())
              if constexpr (detail::check_balanced<
                                PickOr<Kind::balancer, void, Policies...>, PickOr<Kind::sharing, void, Policies...>,
                                PickOr<Kind::backend, DefaultBack, Policies...>, In::shape, TaskList>())
                if constexpr (detail::check_asked<PickOr<Kind::balancer, void, Policies...>,
                                                  typename PickOr<Kind::sharing, void,
                                                                  Policies...>::template Network<In::shape, TaskList>,
                                                  PickOr<Kind::backend, DefaultBack, Policies...>>())
                  return detail::check_regrouped<
                      PickOr<Kind::grouping, void, Policies...>, TaskList,
                      typename PickOr<Kind::sharing, void, Policies...>::template Network<In::shape, TaskList>,
                      PickOr<Kind::backend, DefaultBack, Policies...>>();
    }
  }
  return false;
}

namespace detail {

template <class Back>
struct BackendOptions {
  struct type {};
};
template <class Back>
  requires requires { typename Back::Options; }
struct BackendOptions<Back> {
  using type = typename Back::Options;
};

// What a refused model's answers are: the real ones where the tasks are in order.
template <class TaskList>
struct RefusedAnswers {
  using Scores = Anything;
  using Predictions = Anything;
};
template <class... T>
  requires(sizeof...(T) > 0 && (Task<T> && ...))
struct RefusedAnswers<Tasks<T...>> {
  using Scores = training::Scores<Tasks<T...>>;
  using Predictions = training::Predictions<Tasks<T...>>;
};

// Options of a wrong policy can be set as long as it is an aggregate; of any other, those of the default.
template <class P, class Default>
using RefusedOptions = std::conditional_t<std::is_aggregate_v<P> && std::is_default_constructible_v<P>, P, Default>;

template <class Back>
struct ScalarOf {
  using type = float;
};
template <class Back>
  requires std::is_floating_point_v<typename Back::Scalar>
struct ScalarOf<Back> {
  using type = typename Back::Scalar;
};

}  // namespace detail

/// What a refused model is: it takes what a model takes and does nothing, so that nothing echoes the one error.
template <class TaskList, class Sharing, class Balancing, class Optimizing, class Grouping, class Back>
struct Refused {
  using Scalar = typename detail::ScalarOf<Back>::type;
  using Options = ModelOptions<Balancing, Optimizing, Grouping, typename detail::BackendOptions<Back>::type, Sharing>;
  using FitOptions = training::FitOptions<Scalar>;

  explicit Refused(Options = {}) {}
  void fit(auto&&, const FitOptions& = {}) {}
  typename detail::RefusedAnswers<TaskList>::Scores evaluate(auto&&) const;
  typename detail::RefusedAnswers<TaskList>::Predictions predict(auto&&) const;
  void save(auto&&) const {}
  void load(auto&&) {}
  void save_weights(auto&&) const {}
  void load_weights(auto&&) {}
  Summary summary() const;
  std::size_t parameter_count() const;
  void use_average() const {}
  std::span<Scalar> parameters(std::size_t = 0) const;
  const std::vector<grouping::Group>& plan() const;
  grouping::GroupHistory groups(std::size_t = 0) const;
  grouping::Drawn drawn(std::size_t = 0) const;
  sharing::Masks masks(std::size_t = 0) const;
  void set_masks(auto&&, std::size_t = 0) {}
};

}  // namespace mtlx::training
