// SPDX-License-Identifier: MIT
// What mixtures of experts have in common: Mmoe, Cgc, Ple and DSelectK are this network with other levels and gates.
//
// An expert E is one of several copies of the same layers. A gate is a layer whose output is one weight g_e for each
// expert that it mixes; a mixture is m = sum_e g_e(x) E_e(x). At each level, x is what the level reads:
//   m_t = sum over the shared experts and task t's own       read by task t's own experts and gates of the next level
//   m_s = sum over the shared experts and every task's own   read by the next level's shared experts and gate; there is
//                                                            one only where shared experts follow
//   z_t = head_t(m_t) after the last level, and all x are the input before the first.
// Backward, with dm at a mixture: dg_e = <dm, E_e>, dE_e = sum over its mixtures of g_e dm.
//
// Who owns what. A parameter belongs to all tasks if its output reaches m_s of some level, for that is read by all; else
// to one. So own experts before the last level with shared ones serve every task.
#pragma once

#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/parts.hpp>
#include <mtlx/sharing/sharing.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

namespace mtlx::sharing {

/// A level of `Ple`: `Shared` copies of the layers for all tasks, and `Own` for each task.
template <class Expert, int Shared, int Own>
struct PleLevel {
  using Layer = Expert;
  static constexpr int shared = Shared, own = Own;
};

/// Among the heads of a mixture of experts: gates read the output of these layers, each gate with copies of its own,
/// instead of the flattened input. For images, where a Dense layer on every pixel has many weights:
/// `GateOn<nn::AvgPool2d<4>>`.
template <class... Layers>
struct GateOn {};

namespace detail {

// Levels, heads and the gates' layers are told apart.
template <class F, class... L, class... H, class Expert, int shared, int own, class... Rest>
struct Sorted<F, List<L...>, List<H...>, PleLevel<Expert, shared, own>, Rest...>
    : Sorted<F, List<L..., PleLevel<Expert, shared, own>>, List<H...>, Rest...> {};
template <class... L, class... H, class... Layers, class... Rest>
struct Sorted<void, List<L...>, List<H...>, GateOn<Layers...>, Rest...>
    : Sorted<GateOn<Layers...>, List<L...>, List<H...>, Rest...> {};
template <class Part>
inline constexpr bool is_gate = false;
template <class... Layers>
inline constexpr bool is_gate<GateOn<Layers...>> = true;
template <class Part>
inline constexpr bool is_ple_level = requires { Part::own; };

/// Whether there are heads, at most one GateOn, and levels only for a strategy that takes them.
template <bool takes_levels, class... Parts>
inline constexpr bool parts_fit =
    ((is_head<Parts> || is_gate<Parts> || (takes_levels && is_ple_level<Parts>)) && ...) &&
    (0 + ... + static_cast<int>(is_gate<Parts>)) <= 1;

/// If not, one sentence says so.
template <bool fit>
consteval bool check_parts() {
  static_assert(fit, "mtlx: a part is given that is no head and nothing else that the sharing strategy takes");
  return fit;
}

/// Calls function.operator()<i>() for every i below count.
template <std::size_t count, class Function>
constexpr void for_each_index(Function&& function) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (function.template operator()<i>(), ...);
  }(std::make_index_sequence<count>{});
}

/// y_i = e^(x_i) / sum_j e^(x_j);  dx_i = y_i (dy_i - sum_j y_j dy_j).
struct Softmax {
  static constexpr std::string_view name = "Softmax";
  static constexpr bool in_place = true;
  static constexpr bool reads_output = true;
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Number largest = s.x[0];
    for (std::size_t i = 1; i < In.size(); ++i) largest = maximum(largest, s.x[i]);
    Number total(0);
    for (std::size_t i = 0; i < In.size(); ++i) {
      const Number power = exponential(s.x[i] - largest);
      s.y[i] = power;
      total += power;
    }
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.y[i] / total;
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Number mean(0);
    for (std::size_t i = 0; i < In.size(); ++i) mean += s.y[i] * s.dy[i];
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.y[i] * (s.dy[i] - mean);
  }
};

/// Gates by a softmax over a Dense layer of the input, or of what the layers of a GateOn make of it.
template <class Front>
struct SoftmaxGate {
  template <std::size_t experts>
  using Layer = nn::Sequential<nn::Dense<static_cast<int>(experts), nn::glorot_uniform>, Softmax>;
};
template <class... Layers>
struct SoftmaxGate<GateOn<Layers...>> {
  template <std::size_t experts>
  using Layer = nn::Sequential<Layers..., nn::Dense<static_cast<int>(experts), nn::glorot_uniform>, Softmax>;
};

/// y = sum_e weights[e] experts[e]
template <std::size_t size, class S, std::size_t n>
void mix(typename S::ConstView weights, const std::array<typename S::ConstView, n>& experts, typename S::View y) {
  using Number = typename S::Number;
  S::for_each_lane([&](const typename S::Lane& lane) {
    std::array<backend::ConstLaneView<S>, n> from{};
    std::array<Number, n> weight{};
    for (std::size_t e = 0; e < n; ++e) from[e] = lane.at(experts[e]), weight[e] = lane.at(weights)[e];
    const auto to = lane.at(y);
    for (std::size_t i = 0; i < size; ++i) {
      Number sum = weight[0] * from[0][i];
      for (std::size_t e = 1; e < n; ++e) sum += weight[e] * from[e][i];
      to[i] = sum;
    }
  });
}

/// <dy, experts[e]> of one lane's sample, for each e.
template <std::size_t size, class S, std::size_t n>
std::array<typename S::Number, n> inner_products(const std::array<typename S::ConstView, n>& experts,
                                                 typename S::ConstView dy, const typename S::Lane& lane) {
  using Number = typename S::Number;
  std::array<backend::ConstLaneView<S>, n> from{};
  std::array<Number, n> sum{};
  for (std::size_t e = 0; e < n; ++e) from[e] = lane.at(experts[e]), sum[e] = Number(0);
  const auto slope = lane.at(dy);
  for (std::size_t i = 0; i < size; ++i) {
    const Number at = slope[i];
    for (std::size_t e = 0; e < n; ++e) sum[e] += at * from[e][i];
  }
  return sum;
}

/// dweights[e] = <dy, experts[e]>
template <std::size_t size, class S, std::size_t n>
void mix_backward_weights(const std::array<typename S::ConstView, n>& experts, typename S::ConstView dy,
                          typename S::View dweights) {
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto sum = inner_products<size, S>(experts, dy, lane);
    for (std::size_t e = 0; e < n; ++e) lane.at(dweights)[e] = sum[e];
  });
}

/// dexpert = weight dy, or += if `add`.
template <std::size_t size, class S>
void mix_backward_expert(typename S::ConstView weight, typename S::ConstView dy, typename S::View dexpert, bool add) {
  using Number = typename S::Number;
  S::for_each_lane([&](const typename S::Lane& lane) {
    const Number factor = lane.at(weight)[0];
    const auto from = lane.at(dy);
    const auto to = lane.at(dexpert);
    if (add)
      for (std::size_t i = 0; i < size; ++i) to[i] += factor * from[i];
    else
      for (std::size_t i = 0; i < size; ++i) to[i] = factor * from[i];
  });
}

/// How many experts there are, what runs for which tasks, and how parameters follow each other. A group is a task, or
/// `common` for what is shared.
template <std::size_t task_count, class... Levels>
struct ExpertCounts {
  static constexpr std::size_t tasks = task_count, common = tasks, depth = sizeof...(Levels);
  static constexpr std::array<std::size_t, depth> shared_experts{static_cast<std::size_t>(Levels::shared)...};
  static constexpr std::array<std::size_t, depth> own_experts{static_cast<std::size_t>(Levels::own)...};

  /// The last level with shared experts. Before it, levels have a common mixture.
  static constexpr std::size_t deepest = [] {
    std::size_t last = 0;
    for (std::size_t l = 0; l < depth; ++l)
      if (shared_experts[l] > 0) last = l;
    return last;
  }();

  /// Experts of a group.
  static constexpr std::size_t count(std::size_t l, std::size_t group) {
    return group == common ? shared_experts[l] : own_experts[l];
  }
  /// The place of a group's first expert among those of its level.
  static constexpr std::size_t first(std::size_t l, std::size_t group) {
    return group == common ? 0 : shared_experts[l] + group * own_experts[l];
  }
  static constexpr std::size_t all(std::size_t l) { return shared_experts[l] + tasks * own_experts[l]; }
  /// Experts that a group's gate mixes, and the place of the e-th of them.
  static constexpr std::size_t mixed(std::size_t l, std::size_t group) {
    return group == common ? all(l) : shared_experts[l] + own_experts[l];
  }
  static constexpr std::size_t place(std::size_t l, std::size_t group, std::size_t e) {
    return group == common || e < shared_experts[l] ? e : first(l, group) + e - shared_experts[l];
  }

  /// Whether there is a mixture of a group.
  static constexpr bool mixes(std::size_t l, std::size_t group) { return group != common || l < deepest; }
  /// Whether a group's experts, or its gate, reach all tasks.
  static constexpr bool experts_for_all(std::size_t l, std::size_t group) { return group == common || l < deepest; }
  static constexpr bool gate_for_all(std::size_t l, std::size_t group) {
    if (group == common) return true;
    for (std::size_t next = l + 1; next < deepest; ++next)
      if (own_experts[next] > 0) return true;
    return false;
  }
  /// Whether a group's experts, or its mixture, are needed for these tasks.
  static constexpr bool experts_run(std::size_t l, std::size_t group, TaskSet set) {
    return experts_for_all(l, group) || set.has(group);
  }
  static constexpr bool mixture_runs(std::size_t l, std::size_t group, TaskSet set) {
    return mixes(l, group) && (gate_for_all(l, group) || set.has(group));
  }

  /// Random draws are named by group and part: a level's experts, then its gate; the head is part(depth).
  static constexpr std::size_t part(std::size_t l) {
    std::size_t parts = 0;
    for (std::size_t before = 0; before < l; ++before)
      parts += std::max(shared_experts[before], own_experts[before]) + 1;
    return parts;
  }

  /// Calls experts.operator()<l>(group) and gate.operator()<l>(group) for what belongs to all, or to one task, in the
  /// order of the parameters.
  template <class Experts, class Gate>
  static constexpr void walk(bool for_all, std::size_t task, const Experts& experts, const Gate& gate) {
    for_each_index<depth>([&]<std::size_t l>() {
      for (std::size_t i = 0; i <= tasks; ++i) {
        const std::size_t group = i == 0 ? common : i - 1;
        const bool asked = for_all || group == task;
        if (asked && experts_for_all(l, group) == for_all) experts.template operator()<l>(group);
        if (asked && mixes(l, group) && gate_for_all(l, group) == for_all) gate.template operator()<l>(group);
      }
    });
  }
};

template <Shape In, class TaskList, class Gate, class LevelList, class HeadList>
struct ExpertNetwork;

template <Shape In, class... Task, class Gate, class... Levels, class... Heads>
struct ExpertNetwork<In, Tasks<Task...>, Gate, List<Levels...>, List<Heads...>> {
  static constexpr Shape in = In;
  static constexpr std::size_t tasks = sizeof...(Task);

 private:
  using Counts = ExpertCounts<tasks, Levels...>;
  static constexpr std::size_t depth = Counts::depth, common = Counts::common, groups = tasks + 1;

  template <std::size_t l>
  using Expert = typename std::tuple_element_t<l, std::tuple<Levels...>>::Layer;
  template <std::size_t l, bool is_common>
  using GateAt = typename Gate::template Layer<Counts::mixed(l, is_common ? common : 0)>;
  template <std::size_t t>
  using HeadAt = HeadLayer<std::tuple_element_t<t, std::tuple<Task...>>, Heads...>;

  // shape[l] goes into level l.
  static constexpr std::array<Shape, depth + 1> shape = [] {
    std::array<Shape, depth + 1> all{In};
    std::size_t l = 0;
    ((all[l + 1] = Levels::Layer::output(all[l]), ++l), ...);
    return all;
  }();
  static constexpr Shape hidden = shape[depth];

  template <class T>
  using PerGroup = std::array<std::array<T, groups>, depth>;

  struct Plan {
    // Parameters: a group's first expert, its gate, the heads.
    PerGroup<std::size_t> expert{}, gate{};
    std::array<std::size_t, tasks> head{};
    std::array<Segment, groups> segments{};
    // Memory: a level's experts, one after the other; a group's weights, its mixture and the gradient there; heads.
    std::array<std::size_t, depth> saved{}, out{};
    PerGroup<std::size_t> gate_saved{}, weight{}, mixture{}, gradient{};
    std::array<std::size_t, tasks> head_saved{}, output{}, output_gradient{};
    std::size_t weight_gradient = 0, expert_gradient = 0, input_gradient = 0, scratch = 0, size = 0;
  };

  static constexpr Plan plan = [] {
    Plan p{};
    std::size_t at = 0;
    const auto take = [&at](std::size_t numbers) { return std::exchange(at, at + numbers); };
    const auto experts = [&]<std::size_t l>(std::size_t group) {
      p.expert[l][group] = take(Counts::count(l, group) * nn::parameter_count<Expert<l>>(shape[l]));
    };
    const auto gate = [&]<std::size_t l>(std::size_t group) {
      p.gate[l][group] = take(group == common ? nn::parameter_count<GateAt<l, true>>(shape[l])
                                              : nn::parameter_count<GateAt<l, false>>(shape[l]));
    };
    Counts::walk(true, 0, experts, gate);
    p.segments[0] = {0, at, TaskSet::first(tasks)};
    for_each_index<tasks>([&]<std::size_t t>() {
      const std::size_t begin = at;
      Counts::walk(false, t, experts, gate);
      p.head[t] = take(nn::parameter_count<HeadAt<t>>(hidden));
      p.segments[t + 1] = {begin, at - begin, TaskSet::only(t)};
    });

    at = In.size();
    std::size_t weights = 0, numbers = 0, inner = 0, scratch = 0;
    for_each_index<depth>([&]<std::size_t l>() {
      using Common = GateAt<l, true>;
      using Own = GateAt<l, false>;
      p.saved[l] = take(Counts::all(l) * nn::saved<Expert<l>>(shape[l]));
      p.out[l] = take(Counts::all(l) * shape[l + 1].size());
      scratch = std::max({scratch, nn::scratch<Expert<l>>(shape[l]), nn::scratch<Own>(shape[l])});
      if (Counts::mixes(l, common)) scratch = std::max(scratch, nn::scratch<Common>(shape[l]));
      for (std::size_t group = 0; group < groups; ++group) {
        if (!Counts::mixes(l, group)) continue;
        p.gate_saved[l][group] = take(group == common ? nn::saved<Common>(shape[l]) : nn::saved<Own>(shape[l]));
        p.weight[l][group] = take(Counts::mixed(l, group));
        p.mixture[l][group] = take(shape[l + 1].size());
        p.gradient[l][group] = take(shape[l + 1].size());
        weights = std::max(weights, Counts::mixed(l, group));
      }
      numbers = std::max(numbers, shape[l + 1].size());
      if (l > 0) inner = std::max(inner, shape[l].size());
    });
    for_each_index<tasks>([&]<std::size_t t>() {
      p.head_saved[t] = take(nn::saved<HeadAt<t>>(hidden));
      p.output[t] = take(HeadAt<t>::output(hidden).size());
      p.output_gradient[t] = take(HeadAt<t>::output(hidden).size());
      scratch = std::max(scratch, nn::scratch<HeadAt<t>>(hidden));
    });
    p.weight_gradient = take(weights);
    p.expert_gradient = take(numbers);
    p.input_gradient = take(inner);
    p.scratch = take(scratch);
    p.size = at;
    return p;
  }();

 public:
  static constexpr std::array<Segment, groups> segments = plan.segments;
  static constexpr std::size_t parameters = segments[tasks].offset + segments[tasks].size;
  static constexpr std::size_t shared = tasks > 1 ? segments[0].size : 0;
  static constexpr std::size_t memory = plan.size;
  static constexpr std::size_t input = 0;
  static constexpr std::array<std::size_t, tasks> output = plan.output;
  static constexpr std::array<std::size_t, tasks> output_gradient = plan.output_gradient;

  /// Where the parameters of task t's gate of the first level begin.
  static constexpr std::size_t gate_of(std::size_t t) { return plan.gate[0][t]; }

  template <class S>
  static void forward(const NetworkPass<S>& pass) {
    for_each_index<depth>([&]<std::size_t l>() {
      const auto m = pass.memory;
      for_each_expert<l>(pass, [&](std::size_t group, std::size_t i, std::size_t at) {
        nn::forward<Expert<l>, shape[l]>(nn::Forward<S>{
            pass.parameters + expert_parameters<l>(group, i), m.at(input_of<l>(group)), m.at(expert_output<l>(at)),
            m.at(expert_saved<l>(at)), draws<l>(pass, group, i), pass.training});
      });
      for_each_mixture<l>(pass, [&]<bool is_common>(std::size_t group) {
        using Layer = GateAt<l, is_common>;
        const auto weight = m.at(plan.weight[l][group]);
        nn::forward<Layer, shape[l]>(nn::Forward<S>{pass.parameters + plan.gate[l][group], m.at(input_of<l>(group)),
                                                    weight, m.at(plan.gate_saved[l][group]), gate_draws<l>(pass, group),
                                                    pass.training});
        mix<shape[l + 1].size(), S>(weight, mixed_experts<l, is_common>(pass, group), m.at(plan.mixture[l][group]));
      });
    });
    for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
      const auto m = pass.memory;
      nn::forward<HeadAt<t>, hidden>(nn::Forward<S>{pass.parameters + plan.head[t], m.at(plan.mixture[depth - 1][t]),
                                                    m.at(plan.output[t]), m.at(plan.head_saved[t]), head_draws(pass, t),
                                                    pass.training});
    });
  }

  template <class S>
  static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
    for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
      const auto m = pass.memory;
      nn::backward<HeadAt<t>, hidden, true>(
          nn::Backward<S>{pass.parameters + plan.head[t], m.at(plan.mixture[depth - 1][t]), m.at(plan.output[t]),
                          m.at(plan.head_saved[t]), m.at(plan.output_gradient[t]), m.at(plan.gradient[depth - 1][t]),
                          to.own + plan.head[t], m.at(plan.scratch), head_draws(pass, t), pass.training});
    });
    for_each_index<depth>([&]<std::size_t back>() { backward_level<depth - 1 - back>(pass, to); });
  }

  template <class Function>
  static void for_each_parameter(Function&& function) {
    const auto part = [&]<class Layer>(std::type_identity<Layer>, Shape from, const nn::Path& path, std::size_t begin) {
      nn::for_each_parameter<Layer>(from, path, [&](const nn::Path& at, const nn::Parameter& p, std::size_t offset) {
        function(at, p, begin + offset);
      });
    };
    // "experts.1" and "gate", of a task "a.experts.1" and "a.gate"; with several levels "levels.0.experts.1" and so on.
    const auto within = [&]<std::size_t l>(std::size_t group, const auto& use) {
      const nn::Path task{nullptr, group == common ? std::string_view() : Tasks<Task...>::names[group % tasks]};
      const nn::Path* const top = group == common ? nullptr : &task;
      const nn::Path all{top, "levels"}, level{&all, {}, l};
      use(depth > 1 ? &level : top);
    };
    const auto experts = [&]<std::size_t l>(std::size_t group) {
      within.template operator()<l>(group, [&](const nn::Path* above) {
        const nn::Path all{above, "experts"};
        for (std::size_t i = 0; i < Counts::count(l, group); ++i)
          part(std::type_identity<Expert<l>>{}, shape[l], nn::Path{&all, {}, i}, expert_parameters<l>(group, i));
      });
    };
    const auto gate = [&]<std::size_t l>(std::size_t group) {
      within.template operator()<l>(group, [&](const nn::Path* above) {
        const nn::Path path{above, "gate"};
        if (group != common)
          part(std::type_identity<GateAt<l, false>>{}, shape[l], path, plan.gate[l][group]);
        else if constexpr (Counts::mixes(l, common))
          part(std::type_identity<GateAt<l, true>>{}, shape[l], path, plan.gate[l][group]);
      });
    };
    Counts::walk(true, 0, experts, gate);
    for_each_index<tasks>([&]<std::size_t t>() {
      Counts::walk(false, t, experts, gate);
      part(std::type_identity<HeadAt<t>>{}, hidden, nn::Path{nullptr, Tasks<Task...>::names[t]}, plan.head[t]);
    });
  }

  template <class Function>
  static void for_each_layer(Function&& function) {
    TaskSet owners = TaskSet::first(tasks);
    const auto owned = [&](const auto&... layer) { function(owners, layer...); };
    const auto experts = [&]<std::size_t l>(std::size_t group) {
      for (std::size_t i = 0; i < Counts::count(l, group); ++i) nn::for_each_layer<Expert<l>>(shape[l], owned);
    };
    const auto gate = [&]<std::size_t l>(std::size_t group) {
      if (group != common)
        nn::for_each_layer<GateAt<l, false>>(shape[l], owned);
      else if constexpr (Counts::mixes(l, common))
        nn::for_each_layer<GateAt<l, true>>(shape[l], owned);
    };
    Counts::walk(true, 0, experts, gate);
    for_each_index<tasks>([&]<std::size_t t>() {
      owners = TaskSet::only(t);
      Counts::walk(false, t, experts, gate);
      nn::for_each_layer<HeadAt<t>>(hidden, owned);
    });
  }

 private:
  // What a group's experts and gate of a level read.
  template <std::size_t l>
  static constexpr std::size_t input_of(std::size_t group) {
    if constexpr (l == 0)
      return input;
    else
      return plan.mixture[l - 1][group];
  }
  template <std::size_t l>
  static constexpr std::size_t expert_parameters(std::size_t group, std::size_t i) {
    return plan.expert[l][group] + i * nn::parameter_count<Expert<l>>(shape[l]);
  }
  template <std::size_t l>
  static constexpr std::size_t expert_output(std::size_t place) {
    return plan.out[l] + place * shape[l + 1].size();
  }
  template <std::size_t l>
  static constexpr std::size_t expert_saved(std::size_t place) {
    return plan.saved[l] + place * nn::saved<Expert<l>>(shape[l]);
  }

  template <std::size_t l, class S>
  static backend::Draws draws(const NetworkPass<S>& pass, std::size_t group, std::size_t i) {
    return pass.draws.child(group).child(Counts::part(l) + i);
  }
  template <std::size_t l, class S>
  static backend::Draws gate_draws(const NetworkPass<S>& pass, std::size_t group) {
    return draws<l>(pass, group, Counts::part(l + 1) - Counts::part(l) - 1);
  }
  template <class S>
  static backend::Draws head_draws(const NetworkPass<S>& pass, std::size_t t) {
    return pass.draws.child(t).child(Counts::part(depth));
  }

  // function(group, number in the group, place in the level) for every expert that the pass's tasks need.
  template <std::size_t l, class S, class Function>
  static void for_each_expert(const NetworkPass<S>& pass, Function&& function) {
    for (std::size_t group = 0; group < groups; ++group) {
      if (!Counts::experts_run(l, group, pass.tasks)) continue;
      for (std::size_t i = 0; i < Counts::count(l, group); ++i) function(group, i, Counts::first(l, group) + i);
    }
  }
  // function.operator()<is_common>(group) for every mixture that the pass's tasks need.
  template <std::size_t l, class S, class Function>
  static void for_each_mixture(const NetworkPass<S>& pass, Function&& function) {
    for (std::size_t t = 0; t < tasks; ++t)
      if (Counts::mixture_runs(l, t, pass.tasks)) function.template operator()<false>(t);
    if constexpr (Counts::mixes(l, common)) function.template operator()<true>(common);
  }
  template <std::size_t l, bool is_common, class S>
  static auto mixed_experts(const NetworkPass<S>& pass, std::size_t group) {
    std::array<typename S::ConstView, Counts::mixed(l, is_common ? common : 0)> views{};
    for (std::size_t e = 0; e < views.size(); ++e)
      views[e] = pass.memory.at(expert_output<l>(Counts::place(l, group, e)));
    return views;
  }

  template <std::size_t l, class S>
  static void backward_level(const NetworkPass<S>& pass, const Gradients<S>& to) {
    const auto m = pass.memory;
    constexpr bool inner = l > 0;
    const auto gradient = [&](bool for_all) { return for_all && tasks > 1 ? to.shared : to.own; };
    // The first gradient at a mixture of the level before is put there, the others are added.
    std::array<bool, groups> begun{};
    const auto at_input = [&](std::size_t group) {
      return !inner ? typename S::View{}
                    : m.at(begun[group] ? plan.input_gradient : plan.gradient[inner ? l - 1 : 0][group]);
    };
    const auto passed_on = [&](std::size_t group) {
      if (inner && begun[group])
        S::add(m.at(plan.input_gradient), m.at(plan.gradient[inner ? l - 1 : 0][group]), shape[l].size());
      begun[group] = true;
    };
    for_each_mixture<l>(pass, [&]<bool is_common>(std::size_t group) {
      const auto slope = m.at(plan.weight_gradient);
      mix_backward_weights<shape[l + 1].size(), S>(mixed_experts<l, is_common>(pass, group),
                                                   m.at(plan.gradient[l][group]), slope);
      nn::backward<GateAt<l, is_common>, shape[l], inner>(
          nn::Backward<S>{pass.parameters + plan.gate[l][group], m.at(input_of<l>(group)), m.at(plan.weight[l][group]),
                          m.at(plan.gate_saved[l][group]), slope, at_input(group),
                          gradient(Counts::gate_for_all(l, group)) + plan.gate[l][group], m.at(plan.scratch),
                          gate_draws<l>(pass, group), pass.training});
      passed_on(group);
    });
    for_each_expert<l>(pass, [&](std::size_t group, std::size_t i, std::size_t at) {
      bool first = true;
      const auto add = [&](std::size_t reader, std::size_t e) {
        mix_backward_expert<shape[l + 1].size(), S>(m.at(plan.weight[l][reader] + e), m.at(plan.gradient[l][reader]),
                                                    m.at(plan.expert_gradient), !first);
        first = false;
      };
      for (std::size_t t = 0; t < tasks; ++t)
        if ((group == common || group == t) && Counts::mixture_runs(l, t, pass.tasks))
          add(t, group == common ? i : Counts::shared_experts[l] + i);
      if (Counts::mixes(l, common)) add(common, at);
      nn::backward<Expert<l>, shape[l], inner>(
          nn::Backward<S>{pass.parameters + expert_parameters<l>(group, i), m.at(input_of<l>(group)),
                          m.at(expert_output<l>(at)), m.at(expert_saved<l>(at)), m.at(plan.expert_gradient),
                          at_input(group), gradient(Counts::experts_for_all(l, group)) + expert_parameters<l>(group, i),
                          m.at(plan.scratch), draws<l>(pass, group, i), pass.training});
      passed_on(group);
    });
  }
};

/// Whether levels, gates and heads fit; if not, one sentence has said why.
template <class TaskList, class Gate, class HeadList>
struct ExpertCheck;
template <class TaskList, class Gate, class... Heads>
struct ExpertCheck<TaskList, Gate, List<Heads...>> {
  template <Shape In, class First, class... Rest>
  static consteval bool run() {
    constexpr bool counts = First::shared >= 0 && First::own >= 0 && First::shared + First::own > 0;
    static_assert(counts, "mtlx: a level of experts needs at least one for each task, shared or its own");
    if constexpr (!counts)
      return false;
    else if constexpr (!nn::check<typename First::Layer, In>())
      return false;
    else if constexpr (!nn::check<typename Gate::template Layer<static_cast<std::size_t>(First::shared + First::own)>,
                                  In>())
      return false;
    else if constexpr (sizeof...(Rest) == 0)
      return HeadCheck<First::Layer::output(In), TaskList, Heads...>::run();
    else
      return run<First::Layer::output(In), Rest...>();
  }
};

/// Sharing policy: these levels of experts with these gates.
template <template <class> class GateOf, class Parts, bool fit>
struct ExpertStrategy;
template <template <class> class GateOf, class Front, class... Levels, class HeadList, bool fit>
struct ExpertStrategy<GateOf, Sorted<Front, List<Levels...>, HeadList>, fit> {
  static constexpr auto kind = Kind::sharing;
  using Gate = GateOf<Front>;

  template <Shape In, class TaskList>
  static consteval bool check() {
    if constexpr (check_parts<fit>())
      return check_levels<In, TaskList>();
    else
      return false;
  }

  template <Shape In, class TaskList>
  using Network = ExpertNetwork<In, TaskList, Gate, List<Levels...>, HeadList>;

 private:
  template <Shape In, class TaskList>
  static consteval bool check_levels() {
    // More would not get random streams of their own: see backend::Draws.
    constexpr bool number = sizeof...(Levels) > 0 && (0 + ... + (std::max(Levels::shared, Levels::own) + 1)) <= 66;
    static_assert(number, "mtlx: Ple needs at least one PleLevel, and at most 66 levels and experts of a kind");
    if constexpr (number)
      return ExpertCheck<TaskList, Gate, HeadList>::template run<In, Levels...>();
    else
      return false;
  }
};

/// The same, with the parts that a user gave besides the levels; with levels, where there are none yet.
template <template <class> class GateOf, class Levels, class... Parts>
using ExpertsOf = ExpertStrategy<GateOf, typename Sorted<void, Levels, List<>, Parts...>::type,
                                 parts_fit<std::is_same_v<Levels, List<>>, Parts...>>;

}  // namespace detail

}  // namespace mtlx::sharing
