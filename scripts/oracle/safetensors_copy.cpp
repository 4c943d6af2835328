// SPDX-License-Identifier: MIT
// usage: safetensors_copy FROM TO   reads a safetensors file and writes it anew, for safetensors_check.py
//        safetensors_copy MODEL     writes a model's weights, then each task's answers for one picture, a line each, to stdout
#include <cstdio>
#include <exception>
#include <mtlx/data/safetensors.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/training/multi_task.hpp>
#include <string>
#include <vector>

using namespace mtlx;

using Model =
    MultiTask<Input<1, 6, 6>, Tasks<Classification<"left", 3>, Regression<"right", 1>>,
              sharing::Hard<nn::Sequential<nn::Conv2d<2, 3>, nn::Relu, nn::Residual<nn::Conv2d<2, 1>>, nn::Dense<4>>>,
              backend::Cpu<float>>;

int main(int count, char** arguments) try {
  if (count == 3) {
    data::write_safetensors(arguments[2], data::read_safetensors(arguments[1]));
  } else if (count == 2) {
    Model model{{.seed = 3}};
    model.save_weights(arguments[1]);
    std::vector<float> picture(36);
    for (std::size_t i = 0; i < 36; ++i) picture[i] = static_cast<float>(static_cast<int>(i) * 7 % 11 - 5) / 4;
    const auto answers = model.predict(data::Inputs({1, 6, 6}, picture));
    const auto left = answers.get<"left">()[0];
    std::printf("%.9g %.9g %.9g\n%.9g\n", static_cast<double>(left[0]), static_cast<double>(left[1]),
                static_cast<double>(left[2]), static_cast<double>(answers.get<"right">()[0][0]));
  } else {
    std::fprintf(stderr, "usage: safetensors_copy FROM TO | MODEL\n");
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "safetensors_copy: %s\n", error.what());
  return 1;
}
