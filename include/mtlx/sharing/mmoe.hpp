// SPDX-License-Identifier: MIT
// Multi-gate mixture of experts: z_t = head_t(sum_e g_te(x) E_e(x)) with g_t = softmax(W_t x + b_t).
// Reference: Ma, Zhao, Yi, Chen, Hong and Chi, "Modeling Task Relationships in Multi-task Learning with Multi-gate
// Mixture-of-Experts", KDD 2018, section 4.2 (without the gates' bias, which is 0 at first here).
#pragma once

#include <mtlx/sharing/experts.hpp>

namespace mtlx::sharing {

/// Sharing policy: `Experts` copies of the layers that all tasks train, and for each task a gate that mixes their
/// outputs, and a head. A gate is a softmax over a Dense layer (Glorot uniform) on the flattened input. Parts are heads,
/// and at most one `GateOn<Layers...>`. One expert is `Hard`.
template <class Expert, int Experts, class... Parts>
struct Mmoe : detail::ExpertsOf<detail::SoftmaxGate, detail::List<PleLevel<Expert, Experts, 0>>, Parts...> {};

}  // namespace mtlx::sharing
