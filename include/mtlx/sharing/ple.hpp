// SPDX-License-Identifier: MIT
// Progressive layered extraction: levels of experts as in Cgc. Between two levels a shared gate mixes all experts,
// those of every task too, into what the next level's shared experts and gate read; task t's gate mixes the shared
// experts and its own into what its experts and gate of the next level read. experts.hpp has the formulas.
// Reference: Tang, Liu, Zhao and Gong, "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model for
// Personalized Recommendations", RecSys 2020, section 4.2.
#pragma once

#include <mtlx/sharing/experts.hpp>

namespace mtlx::sharing {

/// Sharing policy: parts are at least one `PleLevel<Expert, shared, own>`, in order, heads, and at most one
/// `GateOn<Layers...>`, which must fit what each level reads. One level is `Cgc`. An expert of a level before the last
/// is trained by all tasks, also where it is one task's own: the shared gate reads it.
template <class... Parts>
struct Ple : detail::ExpertsOf<detail::SoftmaxGate, detail::List<>, Parts...> {};

}  // namespace mtlx::sharing
