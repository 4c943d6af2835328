// SPDX-License-Identifier: MIT
// y = Wᵀ x + b;  dx = W dy,  dW += x dyᵀ,  db += dy.
#pragma once

#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// A fully connected layer. x : (in, batch) -> y : (Outputs, batch); the input's shape is read as a vector.
/// weight : (in, Outputs), bias : (Outputs).
template <int Outputs, Initialiser Weight = he_normal>
struct Dense {
  static constexpr std::string_view name = "Dense";

  static constexpr Shape output(Shape) { return {Outputs, 1, 1}; }

  static constexpr std::array<Parameter, 2> parameters(Shape in) {
    const int inputs = static_cast<int>(in.size());
    return {Parameter{"weight", {inputs, Outputs}, Role::weight, double(inputs), double(Outputs), Weight, true, 1},
            Parameter{"bias", {Outputs}, Role::bias, double(inputs), double(Outputs), zeros}};
  }

  static constexpr double multiply_adds(Shape in) { return static_cast<double>(in.size()) * Outputs; }

  template <Shape In>
  static consteval bool check() {
    static_assert(Outputs > 0, "mtlx: Dense needs at least one output");
    return Outputs > 0;
  }

  template <Shape In, class Pass>
  static void forward(const Pass& pass) {
    constexpr int inputs = static_cast<int>(In.size());
    Pass::Slice::template dense_forward<inputs, Outputs>(pass.parameters, pass.parameters + inputs * Outputs, pass.x,
                                                         pass.y);
  }

  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    constexpr int inputs = static_cast<int>(In.size());
    Pass::Slice::template dense_backward_parameters<inputs, Outputs>(pass.x, pass.dy, pass.dparameters,
                                                                     pass.dparameters + inputs * Outputs);
    if constexpr (NeedInput)
      Pass::Slice::template dense_backward_input<inputs, Outputs>(pass.parameters, pass.dy, pass.dx);
  }
};

}  // namespace mtlx::nn
