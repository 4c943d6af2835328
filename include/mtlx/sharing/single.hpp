// SPDX-License-Identifier: MIT
// Single-task learning: a network of its own for each task, z_t = head_t(trunk_t(x)). The baseline that every shared
// network is measured against.
#pragma once

#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/sharing.hpp>

#include <algorithm>

namespace mtlx::sharing {

/// Sharing policy: nothing is shared. Trunk and heads are written as for `Hard`; each task gets a trunk of its own.
template <class Trunk, class... Heads>
struct Single {
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

   private:
    template <class T>
    using Branch = nn::Sequential<Trunk, detail::HeadLayer<T, Heads...>>;
    template <std::size_t t>
    using BranchAt = Branch<std::tuple_element_t<t, std::tuple<Task...>>>;

    static constexpr std::array<std::size_t, tasks> branch_parameters{nn::parameter_count<Branch<Task>>(In)...};
    static constexpr std::array<std::size_t, tasks> branch_saved{nn::saved<Branch<Task>>(In)...};
    static constexpr std::array<std::size_t, tasks> branch_outputs{static_cast<std::size_t>(Task::outputs)...};

   public:
    // One task alone owns each segment, also where there is only one task: nothing is shared then either.
    static constexpr std::size_t shared = 0;
    static constexpr std::array<Segment, tasks> segments = [] {
      std::array<Segment, tasks> all{};
      std::size_t offset = 0;
      for (std::size_t t = 0; t < tasks; ++t) {
        all[t] = {offset, branch_parameters[t], TaskSet::only(t)};
        offset += branch_parameters[t];
      }
      return all;
    }();
    static constexpr std::size_t parameters = segments[tasks - 1].offset + segments[tasks - 1].size;

   private:
    struct Plan {
      std::size_t scratch, size;
      std::array<std::size_t, tasks> saved, output, output_gradient;
    };
    static constexpr Plan plan = [] {
      Plan p{};
      std::size_t at = In.size();
      const auto take = [&at](std::size_t numbers) { return std::exchange(at, at + numbers); };
      for (std::size_t t = 0; t < tasks; ++t) {
        p.saved[t] = take(branch_saved[t]);
        p.output[t] = take(branch_outputs[t]);
        p.output_gradient[t] = take(branch_outputs[t]);
      }
      p.scratch = take(std::max({nn::scratch<Branch<Task>>(In)...}));
      p.size = at;
      return p;
    }();

   public:
    static constexpr std::size_t memory = plan.size;
    static constexpr std::size_t input = 0;
    static constexpr std::array<std::size_t, tasks> output = plan.output;
    static constexpr std::array<std::size_t, tasks> output_gradient = plan.output_gradient;

    template <class S>
    static void forward(const NetworkPass<S>& pass) {
      const auto m = pass.memory;
      detail::for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
        nn::forward<BranchAt<t>, In>(nn::Forward<S>{pass.parameters + segments[t].offset, m.at(input),
                                                    m.at(plan.output[t]), m.at(plan.saved[t]), pass.draws.child(t),
                                                    pass.training});
      });
    }

    template <class S>
    static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
      const auto m = pass.memory;
      detail::for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
        nn::backward<BranchAt<t>, In, false>(nn::Backward<S>{pass.parameters + segments[t].offset,
                                                             m.at(input),
                                                             m.at(plan.output[t]),
                                                             m.at(plan.saved[t]),
                                                             m.at(plan.output_gradient[t]),
                                                             {},
                                                             to.own + segments[t].offset,
                                                             m.at(plan.scratch),
                                                             pass.draws.child(t),
                                                             pass.training});
      });
    }

    template <class Function>
    static void for_each_parameter(Function&& function) {
      std::size_t t = 0;
      ((nn::for_each_parameter<Branch<Task>>(In, nn::Path{nullptr, Task::name.view()},
                                             [&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
                                               function(path, p, segments[t].offset + offset);
                                             }),
        ++t),
       ...);
    }

    template <class Function>
    static void for_each_layer(Function&& function) {
      std::size_t t = 0;
      ((nn::for_each_layer<Branch<Task>>(In, [&](const auto&... layer) { function(TaskSet::only(t), layer...); }), ++t),
       ...);
    }
  };
};

}  // namespace mtlx::sharing
