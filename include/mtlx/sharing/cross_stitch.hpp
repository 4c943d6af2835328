// SPDX-License-Identifier: MIT
// Cross-stitch networks: a trunk for each of the T tasks, and behind every stage, for each channel c,
//   x~_t[c] = sum_j A_tj[c] x_j[c],                       A_tt = own, A_tj = (1 - own) / (T - 1) at first;
// x~_t goes into the next stage of task t's trunk, the last one into its head. Where A is the identity, that is single-task
// learning; where all of A is 1 / T, all trunks see the same.
// Reference: Misra, Shrivastava, Gupta and Hebert, "Cross-stitch Networks for Multi-task Learning", CVPR 2016, eq. 1:
// alpha_S is own, alpha_D the others; 0.9 and 0.1 are theirs for two tasks.
// Deviation: the paper trains A with a learning rate 100 to 1000 times the trunks'; here it is the same.
#pragma once

#include <mtlx/sharing/stitching.hpp>

namespace mtlx::sharing {

/// Sharing policy: a trunk for each task, joined behind every stage of `Stages<...>`; how, is part of the type.
/// `CrossStitchWith<Trunk, Stitching{.own = 0.5, .per_channel = false}>`.
template <class Trunk, Stitching how, class... Heads>
struct CrossStitchWith {
  static constexpr auto kind = Kind::sharing;

 private:
  using Staged = typename detail::AsStages<Trunk>::type;
  static constexpr detail::StitchedBy by{how, 1, false};

 public:
  template <Shape In, class TaskList>
  static consteval bool check() {
    return detail::check_stitched<by, Staged, In, TaskList, Heads...>();
  }

  template <Shape In, class TaskList>
  struct Network : detail::StitchedNetwork<In, Staged, by, TaskList, Heads...> {};
};

/// The paper's: an A for each channel, 0.9 own at first.
template <class Trunk, class... Heads>
using CrossStitch = CrossStitchWith<Trunk, Stitching{}, Heads...>;

}  // namespace mtlx::sharing
