// SPDX-License-Identifier: MIT
// Two tasks of one kind: pairs of Fashion-MNIST pictures, and a small LeNet.
#include "methods.hpp"

namespace methods {

study::Study fashion(const Arguments& arguments) {
  using Trunk = nn::Sequential<nn::Conv2d<6, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<12, 5>, nn::MaxPool2d<2>,
                               nn::Relu, nn::Dense<32>, nn::Relu>;
  using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
  const std::size_t samples = arguments.samples > 0 ? arguments.samples : 10000;
  const data::MultiFashion data = data::multi_fashion(
      arguments.data.empty() ? "/usr/share/datasets/fashion-mnist" : arguments.data, {.limit = samples});
  study::Options options{.title = "Balancers on Multi-Fashion", .seeds = arguments.seeds};
  options.epochs = arguments.epochs > 0 ? arguments.epochs : 5;
  options.batch_size = 128;
  options.splits = {.normalise = true};
  options.jobs = arguments.jobs;
  options.directory = arguments.keep;
  study::Progress progress;
  options.observer = &progress;
  return compare_all<Input<1, 36, 36>, Pair, Trunk>({.name = "Multi-Fashion", .train = &data.train, .test = &data.test},
                                                    options);
}

}  // namespace methods
