// SPDX-License-Identifier: MIT
// expect: mtlx: a task lacks something of the concept Task: see nn/task.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Right {
  static constexpr auto name = Name("right");
  static constexpr int outputs = 2;
  using Loss = nn::MeanSquaredError;
  using Metric = nn::RootMeanSquaredError;
  static constexpr std::string_view targets_are = "numbers";
  static constexpr bool accepts(float) { return true; }
  using Prediction = Answers<2>;
};
#else
struct Right {
  static constexpr auto name = Name("right");
  static constexpr int outputs = 2;
  using Loss = nn::MeanSquaredError;
  using Metric = nn::RootMeanSquaredError;
  static constexpr std::string_view targets_are = "numbers";
  static constexpr bool accepts(float) { return true; }
};
#endif

using Model = MultiTask<Input<8>, Tasks<Classification<"left", 3>, Right>, sharing::Hard<Trunk>>;

#include "use_model.inc"
