// SPDX-License-Identifier: MIT
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include "small.hpp"

using namespace mtlx;

namespace {

using Two = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Small = nn::Sequential<nn::Dense<5>, nn::Relu>;

template <int Kernel>
using LeNetTrunk = nn::Sequential<nn::Conv2d<10, Kernel>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>,
                                  nn::MaxPool2d<2>, nn::Relu, nn::Dense<50>, nn::Relu>;
template <int Size, int Kernel>
using LeNet = MultiTask<Input<1, Size, Size>, Tasks<Classification<"left", 10>, Classification<"right", 10>>,
                        sharing::Hard<LeNetTrunk<Kernel>>>;

}  // namespace

TEST_CASE("Hard: numbers by hand") {
  const MultiTask<Input<8>, Two, sharing::Hard<Small>, optim::Sgd, backend::Reference> model;
  const auto s = model.summary();
  const std::size_t trunk = 8 * 5 + 5, left = 5 * 3 + 3, right = 5 * 2 + 2;
  CHECK(s.networks == 1);
  CHECK(s.parameters == trunk + left + right);
  CHECK(s.parameters == model.parameter_count());
  CHECK(s.parameters == model.parameters().size());
  CHECK(s.shared == trunk);
  CHECK(s.multiply_adds == 8 * 5 + 5 * 3 + 5 * 2);
  CHECK(s.bytes_model == 2 * sizeof(double) * s.parameters);  // Sgd keeps a velocity
  CHECK(s.slice == 1);
  REQUIRE(s.layers.size() == 4);
  CHECK(s.layers[0].owner == "all");
  CHECK(s.layers[0].name == "Dense");
  CHECK(s.layers[0].in == Shape{8});
  CHECK(s.layers[0].out == Shape{5});
  CHECK(s.layers[0].parameters == trunk);
  CHECK(s.layers[1].name == "Relu");
  CHECK(s.layers[1].parameters == 0);
  CHECK(s.layers[2].owner == "left");
  CHECK(s.layers[2].parameters == left);
  CHECK(s.layers[2].multiply_adds == 15);
  CHECK(s.layers[3].owner == "right");

  const std::string text = s.text();
  CHECK(text.find("parameters: 75 (45 shared, 30 of one task)\n") != std::string::npos);
  CHECK(text.find("multiply-adds a sample, forward: 65\n") != std::string::npos);
  CHECK(text.find("slices of 1\n") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1 + 4 + 3);
}

TEST_CASE("Single: nothing is shared, every task pays for a trunk") {
  const MultiTask<Input<8>, Two, sharing::Single<Small>, optim::Sgd, backend::Reference> model;
  const auto s = model.summary();
  CHECK(s.parameters == 2 * 45 + 18 + 12);
  CHECK(s.shared == 0);
  CHECK(s.multiply_adds == 2 * 40 + 15 + 10);
  REQUIRE(s.layers.size() == 6);
  CHECK(s.layers[0].owner == "left");
  CHECK(s.layers[3].owner == "right");
}

TEST_CASE("the LeNets of the MultiMNIST papers") {
  const LeNet<28, 5> small{{.backend = {.threads = 1}}};
  // conv 260, conv 5,020, dense 16,050, heads 510 each.
  CHECK(small.parameter_count() == 22350);
  CHECK(small.summary().shared == 260 + 5020 + 16050);
  CHECK(small.summary().multiply_adds == 24 * 24 * 250 + 8 * 8 * 5000 + 320 * 50 + 2 * 500);
  CHECK(small.summary().layers[0].out == Shape{10, 24, 24});
  CHECK(small.summary().layers[0].in == Shape{1, 28, 28});

  const LeNet<36, 9> large{{.backend = {.threads = 1}}};
  // Pareto MTL's: conv 820, conv 5,020, dense 25,050, heads 510 each.
  CHECK(large.parameter_count() == 31910);
  CHECK(large.summary().shared == 820 + 5020 + 25050);
}
