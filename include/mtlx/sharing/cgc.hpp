// SPDX-License-Identifier: MIT
// Customized gate control: z_t = head_t(sum_e g_te(x) E_e(x)), where e goes over the shared experts and task t's own,
// and g_t = softmax(W_t x + b_t).
// Reference: Tang, Liu, Zhao and Gong, "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model for
// Personalized Recommendations", RecSys 2020, section 4.1.
#pragma once

#include <mtlx/sharing/experts.hpp>

namespace mtlx::sharing {

/// Sharing policy: `Shared` experts that all tasks train and `Own` more for each task, mixed by a gate for each task as
/// in `Mmoe`. Parts are heads, and at most one `GateOn<Layers...>`. Without own experts it is `Mmoe`, with one own and
/// none shared `Single`.
template <class Expert, int Shared, int Own, class... Parts>
struct Cgc : detail::ExpertsOf<detail::SoftmaxGate, detail::List<PleLevel<Expert, Shared, Own>>, Parts...> {};

}  // namespace mtlx::sharing
