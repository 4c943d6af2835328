// SPDX-License-Identifier: MIT
// Hard parameter sharing: one trunk for all tasks, a head for each; z_t = head_t(trunk(x)), and the trunk's gradient is
// the sum of the tasks'.
// Reference: Caruana, "Multitask Learning", Machine Learning 28, 1997.
#pragma once

#include <mtlx/sharing/sharing.hpp>

#include <algorithm>

namespace mtlx::sharing {

/// Sharing policy: one trunk, and for each task the head given by name or else a Dense layer.
template <class Trunk, class... Heads>
struct Hard {
  static constexpr auto kind = Kind::sharing;

  template <Shape In, class TaskList>
  static consteval bool check() {
    if constexpr (!nn::check<Trunk, In>())
      return false;
    else
      return detail::HeadCheck<Trunk::output(In), TaskList, Heads...>::run();
  }

  template <Shape In, class TaskList>
  struct Network;

  template <Shape In, class... Task>
  struct Network<In, Tasks<Task...>> {
    static constexpr Shape in = In;
    static constexpr std::size_t tasks = sizeof...(Task);
    static constexpr Shape hidden = Trunk::output(In);

   private:
    template <std::size_t t>
    using HeadAt = detail::HeadLayer<std::tuple_element_t<t, std::tuple<Task...>>, Heads...>;

    static constexpr std::size_t trunk_parameters = nn::parameter_count<Trunk>(In);
    static constexpr std::array<std::size_t, tasks> head_parameters{
        nn::parameter_count<detail::HeadLayer<Task, Heads...>>(hidden)...};
    static constexpr std::array<std::size_t, tasks> head_saved{nn::saved<detail::HeadLayer<Task, Heads...>>(hidden)...};
    static constexpr std::array<std::size_t, tasks> head_outputs{static_cast<std::size_t>(Task::outputs)...};

   public:
    // A trunk of one task's own is not shared.
    static constexpr std::size_t shared = tasks > 1 ? nn::parameter_count<Trunk>(In) : 0;
    static constexpr std::array<Segment, tasks + 1> segments = [] {
      std::array<Segment, tasks + 1> all{Segment{0, trunk_parameters, TaskSet::first(tasks)}};
      for (std::size_t t = 0; t < tasks; ++t)
        all[t + 1] = {all[t].offset + all[t].size, head_parameters[t], TaskSet::only(t)};
      return all;
    }();
    static constexpr std::size_t parameters = segments[tasks].offset + segments[tasks].size;

   private:
    // A slice's memory: x, the trunk's saved numbers and output, each head's, the gradients at the trunk's output, and
    // room for backward.
    struct Plan {
      std::size_t trunk_saved, hidden, hidden_gradient, head_gradient, scratch, size;
      std::array<std::size_t, tasks> saved, output, output_gradient;
    };
    static constexpr Plan plan = [] {
      Plan p{};
      std::size_t at = In.size();
      const auto take = [&at](std::size_t numbers) { return std::exchange(at, at + numbers); };
      p.trunk_saved = take(nn::saved<Trunk>(In));
      p.hidden = take(hidden.size());
      for (std::size_t t = 0; t < tasks; ++t) {
        p.saved[t] = take(head_saved[t]);
        p.output[t] = take(head_outputs[t]);
        p.output_gradient[t] = take(head_outputs[t]);
      }
      p.hidden_gradient = take(hidden.size());
      p.head_gradient = take(hidden.size());
      p.scratch = take(std::max({nn::scratch<Trunk>(In), nn::scratch<detail::HeadLayer<Task, Heads...>>(hidden)...}));
      p.size = at;
      return p;
    }();

   public:
    static constexpr std::size_t memory = plan.size;
    static constexpr std::size_t input = 0;
    static constexpr std::array<std::size_t, tasks> output = plan.output;
    static constexpr std::array<std::size_t, tasks> output_gradient = plan.output_gradient;
    static constexpr Representation representation{plan.hidden_gradient, trunk_parameters > 0 ? hidden.size() : 0};

    template <class S>
    static void forward(const NetworkPass<S>& pass) {
      forward_with(pass, pass.parameters);
    }
    // With the trunk's parameters from elsewhere.
    template <class S>
    static void forward_with(const NetworkPass<S>& pass, const typename S::Scalar* trunk) {
      const auto m = pass.memory;
      nn::forward<Trunk, In>(nn::Forward<S>{trunk, m.at(input), m.at(plan.hidden), m.at(plan.trunk_saved),
                                            pass.draws.child(0), pass.training});
      detail::for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
        nn::forward<HeadAt<t>, hidden>(nn::Forward<S>{pass.parameters + segments[t + 1].offset, m.at(plan.hidden),
                                                      m.at(plan.output[t]), m.at(plan.saved[t]),
                                                      pass.draws.child(t + 1), pass.training});
      });
    }

    template <class S>
    static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
      backward_to_representation(pass, to);
      backward_from_representation(pass, to);
    }

    template <class S>
    static void backward_to_representation(const NetworkPass<S>& pass, const Gradients<S>& to) {
      const auto m = pass.memory;
      bool first = true;
      detail::for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
        constexpr bool needed = trunk_parameters > 0;
        const auto dx = m.at(first ? plan.hidden_gradient : plan.head_gradient);
        nn::backward<HeadAt<t>, hidden, needed>(
            nn::Backward<S>{pass.parameters + segments[t + 1].offset, m.at(plan.hidden), m.at(plan.output[t]),
                            m.at(plan.saved[t]), m.at(plan.output_gradient[t]), dx, to.own + segments[t + 1].offset,
                            m.at(plan.scratch), pass.draws.child(t + 1), pass.training});
        if (needed && !first) S::add(m.at(plan.head_gradient), m.at(plan.hidden_gradient), hidden.size());
        first = false;
      });
    }

    template <class S>
    static void backward_from_representation(const NetworkPass<S>& pass, const Gradients<S>& to) {
      backward_with(pass, pass.parameters, tasks > 1 ? to.shared : to.own);
    }
    template <class S>
    static void backward_with(const NetworkPass<S>& pass, const typename S::Scalar* trunk, typename S::Scalar* to) {
      const auto m = pass.memory;
      if constexpr (trunk_parameters > 0)
        nn::backward<Trunk, In, false>(nn::Backward<S>{trunk,
                                                       m.at(input),
                                                       m.at(plan.hidden),
                                                       m.at(plan.trunk_saved),
                                                       m.at(plan.hidden_gradient),
                                                       {},
                                                       to,
                                                       m.at(plan.scratch),
                                                       pass.draws.child(0),
                                                       pass.training});
    }

    template <class Function>
    static void for_each_parameter(Function&& function) {
      nn::for_each_parameter<Trunk>(In, nn::Path{nullptr, "trunk"}, function);
      std::size_t t = 0;
      ((nn::for_each_parameter<detail::HeadLayer<Task, Heads...>>(
            hidden, nn::Path{nullptr, Task::name.view()},
            [&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
              function(path, p, segments[t + 1].offset + offset);
            }),
        ++t),
       ...);
    }

    template <class Function>
    static void for_each_layer(Function&& function) {
      nn::for_each_layer<Trunk>(In, [&](const auto&... layer) { function(TaskSet::first(tasks), layer...); });
      std::size_t t = 0;
      ((nn::for_each_layer<detail::HeadLayer<Task, Heads...>>(
            hidden, [&](const auto&... layer) { function(TaskSet::only(t), layer...); }),
        ++t),
       ...);
    }
  };
};

}  // namespace mtlx::sharing
