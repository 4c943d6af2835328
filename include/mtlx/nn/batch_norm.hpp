// SPDX-License-Identifier: MIT
// Why there is no BatchNorm here. It normalises a channel over all samples of a batch (Ioffe and Szegedy, "Batch
// Normalization", ICML 2015), so that a sample's result depends on the samples beside it.
//
// - A batch runs slice by slice, forward and backward at once, to stay in the cache; statistics of the whole batch need
//   every slice's forward pass before any may go on.
// - Layers promise that a sample's result doesn't depend on the batch around it. With its statistics, the bits would
//   depend on the batch size, on the last and smaller batch of an epoch, and on how a batch is cut over threads or ranks.
// - Tasks with inputs of their own go through a shared trunk in batches of their own. Joint statistics would leak from one
//   task to another; statistics for each would make the trunk another function for each task, and one of them would have
//   to be chosen to predict.
// - Multi-task batches are often small, where its estimates are poor: GroupNorm was made for that (Wu and He, "Group
//   Normalization", ECCV 2018).
#pragma once

#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// Refused for every input, with a sentence. See the head of this file; use `GroupNorm` or `LayerNorm`.
struct BatchNorm {
  static constexpr std::string_view name = "BatchNorm";
  static constexpr Shape output(Shape in) { return in; }

  template <Shape In>
  static consteval bool check() {
    static_assert(In.size() == 0,
                  "mtlx: BatchNorm couples the samples of a batch, so that a result would depend on its neighbours and "
                  "tasks would leak into each other: use GroupNorm or LayerNorm");
    return false;
  }
};

/// PyTorch's names for it.
using BatchNorm1d = BatchNorm;
using BatchNorm2d = BatchNorm;

}  // namespace mtlx::nn
