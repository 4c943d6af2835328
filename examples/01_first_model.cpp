// SPDX-License-Identifier: MIT
// A first model: two pictures of clothes lie over each other, and one network names both.
#include <cstdio>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

// clang-format off: a line a policy
using Trunk = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu,
                             nn::Conv2d<20, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Dense<50>, nn::Relu>;

using Model = MultiTask<Input<1, 28, 28>,
                        Tasks<Classification<"left", 10>, Classification<"right", 10>>,
                        sharing::Hard<Trunk>,
                        balancing::PcGrad,
                        optim::Adam>;
// clang-format on

int main() try {
  // Real pictures: Debian's package dataset-fashion-mnist, here the first 5,000 of them in pairs.
  auto [train, test] = data::multi_fashion("/usr/share/datasets/fashion-mnist", {.size = 28, .limit = 5000});
  data::normalise(train, {&test});

  Model model{{.optimizer = {.learning_rate = 1e-3}, .seed = 7}};
  std::printf("%s\n", model.summary().text().c_str());

  training::Progress progress;
  model.fit(train, {.epochs = 5, .validation = &test, .observers = {&progress}});

  const auto scores = model.evaluate(test);
  std::printf("left %.3f, right %.3f\n", scores.get<"left">().accuracy, scores.value("right", "accuracy"));

  const auto answers = model.predict(test.streams()[0].inputs);
  std::printf("the first pair shows class %d and class %d\n", answers.get<"left">().label(0),
              answers.get<"right">().label(0));
  return scores.get<"left">().accuracy > 0.5 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
