// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdio>
#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mtlx::training {

/// What a model is made of, as numbers and as a table.
struct Summary {
  struct Layer {
    std::string owner;  ///< the tasks that it serves
    std::string name;
    Shape in, out;
    std::size_t parameters = 0;
    double multiply_adds = 0;  ///< a sample, forward
  };

  std::vector<Layer> layers;
  std::size_t networks = 1;      ///< one for each group of tasks
  std::string groups{};          ///< where there are several: which tasks (grouping::plan_text)
  std::size_t parameters = 0;    ///< in all networks
  std::size_t shared = 0;        ///< of them, those that several tasks own
  double multiply_adds = 0;      ///< a sample, forward, all tasks
  std::size_t bytes_sample = 0;  ///< of activations and gradients, for one sample in training
  std::size_t bytes_model = 0;   ///< of what training keeps: parameters, the policies' numbers, masks
  int slice = 0;                 ///< samples that are computed side by side

  /// The table, a line a layer.
  [[gnu::cold]] std::string text() const {
    std::string out;
    char buffer[160];
    std::snprintf(buffer, sizeof buffer, "%-16s %-12s %-13s %-13s %12s %16s\n", "serves", "layer", "in", "out",
                  "parameters", "multiply-adds");
    out += buffer;
    const auto kibibytes = [](std::size_t bytes) { return (bytes + 1023) / 1024; };
    for (const Layer& layer : layers) {
      std::snprintf(buffer, sizeof buffer, "%-16s %-12s %-13s %-13s %12zu %16lld\n", layer.owner.c_str(),
                    layer.name.c_str(), join(layer.in).c_str(), join(layer.out).c_str(), layer.parameters,
                    static_cast<long long>(layer.multiply_adds));
      out += buffer;
    }
    out += join("parameters: ", parameters, " (", shared, " shared, ", parameters - shared, " of one task)");
    if (networks > 1) out += join(" in ", networks, " networks: ", groups);
    out += join("\nmultiply-adds a sample, forward: ", static_cast<long long>(multiply_adds),
                "\nmemory: ", kibibytes(bytes_model), " KiB of parameters and optimizer state, ",
                kibibytes(bytes_sample), " KiB a sample in training, slices of ", slice, "\n");
    return out;
  }
};

}  // namespace mtlx::training
