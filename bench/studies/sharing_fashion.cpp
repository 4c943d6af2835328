// SPDX-License-Identifier: MIT
// usage: bench/studies/sharing.sh fashion [OPTION...]
//
// Sharing strategies on Multi-Fashion: two pictures that lie over each other, a task for each. docs/sharing.md has the
// table; the options are those of sharing.hpp. With --own each task has the half of the pairs for itself.
#include "sharing.hpp"

#include <mtlx/data/multi_fashion.hpp>

using namespace mtlx;

namespace {

using Conv =
    nn::Sequential<nn::Conv2d<10, 9>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>, nn::Relu>;
using Dense = nn::Sequential<nn::Dense<50>, nn::Relu>;

struct Problem : sharing_study::Parts {
  using TaskList = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
  using Trunk = nn::Sequential<nn::Conv2d<10, 9>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                               nn::Relu, nn::Dense<50>, nn::Relu>;
  using Hierarchical = sharing::Hierarchical<sharing::Level<Conv, "left">, sharing::Level<Dense, "right">>;
  template <class Sharing>
  using Model = MultiTask<Input<1, 36, 36>, TaskList, Sharing, optim::Adam>;
  static constexpr auto turns = training::Sampling::round_robin;
};

}  // namespace

int main(int count, char** words) try {
  const auto s = sharing_study::settings_of(count, words, 1);
  auto parts = data::multi_fashion_parts(0.1, "/usr/share/datasets/fashion-mnist", {.limit = s.limit});
  data::normalise(parts.train, {&parts.validation, &parts.test});
  Problem problem{{parts.train, parts.validation, parts.test}};
  if (s.own) {
    const auto halves = data::split(parts.train, 0.5, 1);
    const auto one = [](const data::DataSet& half, std::size_t t) {
      const auto& stream = half.streams().front();
      return std::pair(stream.inputs, std::vector<data::Column>{stream.columns[t]});
    };
    data::DataSet own;
    const auto left = one(halves.first, 0), right = one(halves.second, 1);
    own.add(left.first, left.second);
    own.add(right.first, right.second);
    problem.train = own;
  }
  sharing_study::compare(problem, s);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
