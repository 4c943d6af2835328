// SPDX-License-Identifier: MIT
// Hierarchical sharing: one trunk in levels, h_l = level_l(h_{l-1}) with h_{-1} = x, and each task reads the level that it
// is supervised at, z_t = head_t(h_{d(t)}): low-level tasks early, so that deeper ones build on what they have formed. A
// level serves the tasks that read it and all deeper ones.
// References: Søgaard and Goldberg, "Deep multi-task learning with low level tasks supervised at lower layers", ACL 2016;
// Hashimoto et al., "A Joint Many-Task Model", EMNLP 2017. As masks of one trunk (Sun et al., AAAI 2020): task t's is 1 up to
// level d(t) and 0 above.
#pragma once

#include <mtlx/sharing/parts.hpp>
#include <mtlx/sharing/sharing.hpp>

#include <algorithm>

namespace mtlx::sharing {

/// A level of `Hierarchical`: its layers, and the names of the tasks that are supervised at its output.
/// `Level<nn::Sequential<...>, "pos">`. A level without names is one that only deeper tasks read.
template <class Layers, Name... TaskNames>
struct Level {
  using Layer = Layers;
  static constexpr std::size_t supervised = sizeof...(TaskNames);

  /// How often it names the task.
  static constexpr int names([[maybe_unused]] std::string_view task) {
    return (0 + ... + static_cast<int>(TaskNames.view() == task));
  }
  /// Whether every name is a task's.
  template <class TaskList>
  static constexpr bool known = ((TaskList::index(TaskNames.view()) < TaskList::count) && ...);
};

namespace detail {

template <class Part>
inline constexpr bool is_level = false;
template <class Layers, Name... names>
inline constexpr bool is_level<Level<Layers, names...>> = true;
template <class F, class... L, class... H, class Layers, Name... names, class... Rest>
struct Sorted<F, List<L...>, List<H...>, Level<Layers, names...>, Rest...>
    : Sorted<F, List<L..., Level<Layers, names...>>, List<H...>, Rest...> {};

template <Shape In, class TaskList, class LevelList, class HeadList>
struct HierarchicalNetwork;

/// The network of `Hierarchical`; see sharing.hpp.
template <Shape In, class... Task, class... L, class... H>
struct HierarchicalNetwork<In, Tasks<Task...>, List<L...>, List<H...>> {
  static constexpr Shape in = In;
  static constexpr std::size_t tasks = sizeof...(Task), levels = sizeof...(L);

 private:
  template <std::size_t l>
  using LayerAt = typename std::tuple_element_t<l, std::tuple<L...>>::Layer;
  template <std::size_t t>
  using HeadAt = HeadLayer<std::tuple_element_t<t, std::tuple<Task...>>, H...>;

  // The level that each task reads.
  static constexpr std::array<std::size_t, tasks> depth{[](std::string_view task) {
    std::size_t level = 0, found = 0;
    ((found = L::names(task) > 0 ? level : found, ++level), ...);
    return found;
  }(Task::name.view())...};
  // shape[l] goes into level l.
  static constexpr std::array<Shape, levels + 1> shape = [] {
    std::array<Shape, levels + 1> all{In};
    std::size_t l = 0;
    ((all[l + 1] = L::Layer::output(all[l]), ++l), ...);
    return all;
  }();
  template <std::size_t t>
  static constexpr Shape read = shape[depth[t] + 1];

  // function.operator()<l>() for each level, first or last one first.
  template <class Function>
  static constexpr void for_each_level(Function&& function) {
    [&]<std::size_t... l>(std::index_sequence<l...>) {
      (function.template operator()<l>(), ...);
    }(std::make_index_sequence<levels>{});
  }
  template <class Function>
  static constexpr void for_each_level_back(Function&& function) {
    [&]<std::size_t... l>(std::index_sequence<l...>) {
      (function.template operator()<levels - 1 - l>(), ...);
    }(std::make_index_sequence<levels>{});
  }
  // Tasks that need level l: the deeper a level, the fewer.
  static constexpr TaskSet needs(std::size_t l) {
    TaskSet set;
    for (std::size_t t = 0; t < tasks; ++t)
      if (depth[t] >= l) set = set.with(t);
    return set;
  }

 public:
  // The levels, and then the heads: what several tasks own comes first by itself.
  static constexpr std::array<Segment, levels + tasks> segments = [] {
    std::array<Segment, levels + tasks> all{};
    std::size_t offset = 0;
    const auto take = [&](std::size_t i, std::size_t size, TaskSet owners) {
      all[i] = {offset, size, owners};
      offset += size;
    };
    for_each_level([&]<std::size_t l>() { take(l, nn::parameter_count<LayerAt<l>>(shape[l]), needs(l)); });
    for_each_task<tasks>(TaskSet::first(tasks), [&]<std::size_t t>() {
      take(levels + t, nn::parameter_count<HeadAt<t>>(read<t>), TaskSet::only(t));
    });
    return all;
  }();
  static constexpr std::size_t parameters = segments.back().offset + segments.back().size;
  static constexpr std::size_t shared = [] {
    std::size_t sum = 0;
    for (const Segment& s : segments) sum += s.owners.count() > 1 ? s.size : 0;
    return sum;
  }();

 private:
  // A slice's memory: x, each level's saved numbers, output and the gradient there, each head's, room for the gradient from
  // another reader of a level, and for backward.
  struct Plan {
    std::size_t more, scratch, size;
    std::array<std::size_t, levels> level_saved, hidden, gradient;
    std::array<std::size_t, tasks> saved, output, output_gradient;
  };
  static constexpr Plan plan = [] {
    Plan p{};
    std::size_t at = In.size(), largest = 0, scratch = 0;
    const auto take = [&at](std::size_t numbers) { return std::exchange(at, at + numbers); };
    for_each_level([&]<std::size_t l>() {
      p.level_saved[l] = take(nn::saved<LayerAt<l>>(shape[l]));
      p.hidden[l] = take(shape[l + 1].size());
      p.gradient[l] = take(shape[l + 1].size());
      largest = std::max(largest, shape[l + 1].size());
      scratch = std::max(scratch, nn::scratch<LayerAt<l>>(shape[l]));
    });
    for_each_task<tasks>(TaskSet::first(tasks), [&]<std::size_t t>() {
      p.saved[t] = take(nn::saved<HeadAt<t>>(read<t>));
      p.output[t] = take(HeadAt<t>::output(read<t>).size());
      p.output_gradient[t] = take(HeadAt<t>::output(read<t>).size());
      scratch = std::max(scratch, nn::scratch<HeadAt<t>>(read<t>));
    });
    p.more = take(largest);
    p.scratch = take(scratch);
    p.size = at;
    return p;
  }();
  // Where level l's input lies.
  static constexpr std::size_t from(std::size_t l) { return l == 0 ? 0 : plan.hidden[l - 1]; }

 public:
  static constexpr std::size_t memory = plan.size;
  static constexpr std::size_t input = 0;
  static constexpr std::array<std::size_t, tasks> output = plan.output;
  static constexpr std::array<std::size_t, tasks> output_gradient = plan.output_gradient;

  template <class S>
  static void forward(const NetworkPass<S>& pass) {
    const auto m = pass.memory;
    for_each_level([&]<std::size_t l>() {
      if (pass.tasks.meets(segments[l].owners))
        nn::forward<LayerAt<l>, shape[l]>(nn::Forward<S>{pass.parameters + segments[l].offset, m.at(from(l)),
                                                         m.at(plan.hidden[l]), m.at(plan.level_saved[l]),
                                                         pass.draws.child(l), pass.training});
    });
    for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
      constexpr std::size_t part = levels + t;
      nn::forward<HeadAt<t>, read<t>>(nn::Forward<S>{pass.parameters + segments[part].offset,
                                                     m.at(plan.hidden[depth[t]]), m.at(plan.output[t]),
                                                     m.at(plan.saved[t]), pass.draws.child(part), pass.training});
    });
  }

  template <class S>
  static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
    const auto m = pass.memory;
    for_each_level_back([&]<std::size_t l>() {
      // The gradient at level l's output is the next level's, if that is needed, and those of the tasks that read it.
      constexpr bool needed = segments[l].offset + segments[l].size > 0;  // there are parameters before
      bool first = true;
      if constexpr (l + 1 < levels) first = !pass.tasks.meets(segments[l + 1].owners);
      for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
        if constexpr (depth[t] == l) {
          constexpr std::size_t part = levels + t;
          nn::backward<HeadAt<t>, read<t>, needed>(nn::Backward<S>{
              pass.parameters + segments[part].offset, m.at(plan.hidden[l]), m.at(plan.output[t]), m.at(plan.saved[t]),
              m.at(plan.output_gradient[t]), m.at(first ? plan.gradient[l] : plan.more), to.own + segments[part].offset,
              m.at(plan.scratch), pass.draws.child(part), pass.training});
          if (needed && !first) S::add(m.at(plan.more), m.at(plan.gradient[l]), shape[l + 1].size());
          first = false;
        }
      });
      if constexpr (needed) {
        if (!pass.tasks.meets(segments[l].owners)) return;
        constexpr bool several = segments[l].owners.count() > 1;
        nn::backward<LayerAt<l>, shape[l], (segments[l].offset > 0)>(nn::Backward<S>{
            pass.parameters + segments[l].offset, m.at(from(l)), m.at(plan.hidden[l]), m.at(plan.level_saved[l]),
            m.at(plan.gradient[l]), m.at(l == 0 ? 0 : plan.gradient[l == 0 ? 0 : l - 1]),
            (several ? to.shared : to.own) + segments[l].offset, m.at(plan.scratch), pass.draws.child(l),
            pass.training});
      }
    });
  }

  template <class Function>
  static void for_each_parameter(Function&& function) {
    const nn::Path trunk{nullptr, "levels"};
    const auto within = [&](std::size_t segment) {
      return [&function, segment](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
        function(path, p, segments[segment].offset + offset);
      };
    };
    for_each_level(
        [&]<std::size_t l>() { nn::for_each_parameter<LayerAt<l>>(shape[l], nn::Path{&trunk, {}, l}, within(l)); });
    for_each_task<tasks>(TaskSet::first(tasks), [&]<std::size_t t>() {
      nn::for_each_parameter<HeadAt<t>>(read<t>, nn::Path{nullptr, Tasks<Task...>::names[t]}, within(levels + t));
    });
  }

  template <class Function>
  static void for_each_layer(Function&& function) {
    const auto owned = [&](TaskSet owners) {
      return [&function, owners](const auto&... layer) { function(owners, layer...); };
    };
    for_each_level([&]<std::size_t l>() { nn::for_each_layer<LayerAt<l>>(shape[l], owned(segments[l].owners)); });
    for_each_task<tasks>(TaskSet::first(tasks),
                         [&]<std::size_t t>() { nn::for_each_layer<HeadAt<t>>(read<t>, owned(TaskSet::only(t))); });
  }
};

/// Checks levels and heads, one thing after the other.
template <Shape In, class TaskList, class LevelList, class HeadList>
struct HierarchicalCheck;
template <Shape In, class... Task, class... L, class... H>
struct HierarchicalCheck<In, Tasks<Task...>, List<L...>, List<H...>> {
  static consteval bool run() {
    constexpr bool known = (L::template known<Tasks<Task...>> && ...);
    static_assert(known, "mtlx: a level names a task that the model does not have");
    if constexpr (known) {
      constexpr bool once = (std::max({named<Task>()...}) <= 1);
      static_assert(once, "mtlx: a task is named twice by levels: it has one head, at one level");
      if constexpr (once) return supervision();
    }
    return false;
  }

 private:
  static consteval bool supervision() {
    constexpr bool everyone = (std::min({named<Task>()...}) == 1);
    static_assert(everyone,
                  "mtlx: a task is supervised at no level: one sharing::Level<Layers, \"task\", ...> must name it");
    if constexpr (everyone) {
      constexpr std::array<std::size_t, sizeof...(L)> supervised{L::supervised...};
      constexpr bool last = supervised.back() > 0;
      static_assert(last, "mtlx: the last level supervises no task: nothing would read it");
      if constexpr (last && check_head_names<Tasks<Task...>, H...>()) return fit<In, L...>();
    }
    return false;
  }
  template <class T>
  static constexpr int named() {
    return (0 + ... + L::names(T::name.view()));
  }
  template <Shape From, class First, class... Rest>
  static consteval bool fit() {
    if constexpr (!nn::check<typename First::Layer, From>()) {
      return false;
    } else {
      constexpr Shape to = First::Layer::output(From);
      if constexpr (!(head_fits<Task, First, to>() && ...))
        return false;
      else if constexpr (sizeof...(Rest) == 0)
        return true;
      else
        return fit<to, Rest...>();
    }
  }
  template <class T, class AtLevel, Shape From>
  static consteval bool head_fits() {
    if constexpr (AtLevel::names(T::name.view()) > 0)
      return check_head<From, T, H...>();
    else
      return true;
  }
};

}  // namespace detail

/// Sharing policy: a trunk in levels, each task's head at the level that names it. `Parts` are a `Level` for each level, in
/// order, and a `Head` for each task that shall have another than a Dense layer. What one task alone needs is that task's
/// own; only the levels that a step's tasks need are computed.
template <class... Parts>
struct Hierarchical {
  static constexpr auto kind = Kind::sharing;

 private:
  using Sorted = detail::Sorted<void, detail::List<>, detail::List<>, Parts...>;

 public:
  template <Shape In, class TaskList>
  static consteval bool check() {
    constexpr bool parts = ((detail::is_level<Parts> || detail::is_head<Parts>) && ...);
    static_assert(parts,
                  "mtlx: the parts of sharing::Hierarchical are sharing::Level<Layers, \"task\", ...> and "
                  "sharing::Head<\"task\", Layers>");
    if constexpr (parts)
      return detail::HierarchicalCheck<In, TaskList, typename Sorted::LevelList, typename Sorted::HeadList>::run();
    else
      return false;
  }

  template <Shape In, class TaskList>
  using Network = detail::HierarchicalNetwork<In, TaskList, typename Sorted::LevelList, typename Sorted::HeadList>;
};

}  // namespace mtlx::sharing
