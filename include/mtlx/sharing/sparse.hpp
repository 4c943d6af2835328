// SPDX-License-Identifier: MIT
// Sparse sharing: one trunk, of which each task trains and uses a part, z_t = head_t(trunk(x; theta * m_t)) with a mask m_t
// of 0 and 1 for each weight. All masks full is hard sharing, masks that never meet are networks of their own. A weight
// moves in the steps of the tasks that own it, and else keeps its bits.
// Reference: Sun et al., "Learning Sparse Sharing Architectures for Multiple Tasks", AAAI 2020.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/masks.hpp>
#include <mtlx/sharing/sharing.hpp>

#include <algorithm>

namespace mtlx::sharing {

/// Sharing policy: one trunk with a mask for each task, which a rule finds (see masks.hpp). Trunk and heads are written as
/// for `Hard`; biases, norms, embeddings and heads are never masked.
template <class Trunk, class R, class... Heads>
struct Sparse {
  static constexpr auto kind = Kind::sharing;
  using Rule = R;

  Rule rule{};

  [[gnu::cold]] void validate() const { mtlx::validate(rule); }

  template <Shape In, class TaskList>
  static consteval bool check() {
    static_assert(MaskRule<Rule>,
                  "mtlx: a mask rule must be an aggregate with `static constexpr std::size_t memory`: see "
                  "sharing/masks.hpp");
    if constexpr (!MaskRule<Rule>)
      return false;
    else
      return Hard<Trunk, Heads...>::template check<In, TaskList>();
  }

  template <Shape In, class TaskList>
  struct Network;

  // The tasks go through the trunk one after the other, and have its memory in turns.
  template <Shape In, class... Task>
  struct Network<In, Tasks<Task...>> {
    using Strategy = Sparse;
    using Plain = typename Hard<Trunk, Heads...>::template Network<In, Tasks<Task...>>;
    static constexpr bool masked = true;
    static constexpr Shape in = In;
    static constexpr std::size_t tasks = Plain::tasks;
    static constexpr auto segments = Plain::segments;
    // Also the trunk of one task is masked.
    static constexpr std::size_t shared = segments[0].size, parameters = Plain::parameters;
    static constexpr std::size_t memory = Plain::memory, input = Plain::input;
    static constexpr auto output = Plain::output, output_gradient = Plain::output_gradient;

    template <class S>
    static void forward(const NetworkPass<S>& pass) {
      for_each(pass, [](const NetworkPass<S>& one, std::size_t t) {
        Plain::forward_with(one, one.template shared_of<Network>(t));
      });
    }
    template <class S>
    static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
      for_each(pass, [&](const NetworkPass<S>& one, std::size_t t) {
        Plain::backward_to_representation(one, to);
        Plain::backward_with(one, one.template shared_of<Network>(t), to.shared);
      });
    }

    template <class Function>
    static void for_each_parameter(Function&& function) {
      Plain::for_each_parameter(function);
    }
    // The trunk's multiply-adds are each task's.
    template <class Function>
    static void for_each_layer(Function&& function) {
      Plain::for_each_layer(
          [&](TaskSet owners, std::string_view name, Shape from, Shape to, std::size_t numbers, double multiply_adds) {
            function(owners, name, from, to, numbers, multiply_adds * static_cast<double>(owners.count()));
          });
    }

   private:
    template <class S, class Function>
    static void for_each(const NetworkPass<S>& pass, Function&& function) {
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!pass.tasks.has(t)) continue;
        auto one = pass;
        one.tasks = TaskSet::only(t);
        function(one, t);
      }
    }
  };
};

}  // namespace mtlx::sharing
