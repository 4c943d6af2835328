// SPDX-License-Identifier: MIT
// compile with -ffast-math
// A loss that is not finite stops training with the task's name; parameters and the last checkpoint are as they were.
// Users build with -ffast-math, where a compiler takes NaN and infinity for impossible: it must be seen all the same.
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <string>

#include "interrupted.hpp"

using namespace interrupted;

namespace {

// Types of this file alone: code of other files, made without -ffast-math, must not stand in for it.
struct ThisTrunk : nn::Sequential<nn::Dense<7>, nn::Tanh> {};
template <class Balancing>
using Fast = MultiTask<Input<4>, small::Kinds, sharing::Hard<ThisTrunk>, Balancing, optim::Sgd>;

float from_bits(std::uint32_t bits) {
  volatile std::uint32_t hidden = bits;
  return std::bit_cast<float>(std::uint32_t{hidden});
}

// The parameters after each step.
template <class M>
struct Steps : training::Observer {
  const M* model = nullptr;
  std::vector<float> last;
  std::size_t steps = 0;
  void on_begin(const training::Run&) override { last = small::copy(model->parameters()); }
  void on_step(const training::Step&) override {
    last = small::copy(model->parameters());
    ++steps;
  }
};

}  // namespace

TEST_CASE_TEMPLATE("training that blows up stops before the update", M, Fast<balancing::EqualWeights>,
                   Fast<balancing::PcGrad>) {
  const auto data = small::shared(60, 0.2);
  const Folder folder;
  // Regression with such a rate runs away; the other tasks' losses stay finite much longer.
  M model{{.optimizer = {.learning_rate = 50}, .seed = 1}};
  Steps<M> steps;
  steps.model = &model;
  typename M::FitOptions options{.epochs = 100, .batch_size = 10, .observers = {&steps}};
  const training::Checkpointing files{.directory = folder.path(), .every_steps = 1};
  const std::string message = error_of([&] { model.fit(data, options, files); }).c_str();
  CAPTURE(message);
  CHECK(message.starts_with("mtlx: the loss of the task \"place\" is not finite in epoch "));
  REQUIRE(steps.steps > 0);
  CHECK(message.find(", step " + std::to_string(steps.steps % 6 + 1) + ";") != std::string::npos);
  CHECK(small::same_bits(model.parameters(), steps.last));
  for (const float parameter : steps.last) CHECK(is_finite(parameter));
  // The file is the step before: it loads, and has these parameters.
  M loaded{{.optimizer = {.learning_rate = 50}, .seed = 1}};
  loaded.load(folder.path() + "/last.mtlx");
  CHECK(small::same_bits(loaded.parameters(), steps.last));
}

TEST_CASE("an update that blows up is seen before it is kept, and never passed over") {
  const auto data = small::shared(9, 0.2);
  using Model = Fast<balancing::EqualWeights>;
  // One step an epoch: no later loss of the fit tells.
  for (const bool files : {false, true}) {
    const Folder folder;
    Model model{{.optimizer = {.learning_rate = 1e39}, .seed = 1}};
    const std::string directory = files ? folder.path() : "";
    const std::string message =
        error_of([&] { model.fit(data, {.epochs = 1, .batch_size = 9}, {.directory = directory}); }).c_str();
    CAPTURE(message);
    CHECK(message.starts_with("mtlx: a parameter of the task \""));
    CHECK(message.find(" is not finite after step 1") != std::string::npos);
    if (!files) continue;
    Model loaded{{.optimizer = {.learning_rate = 1e39}, .seed = 1}};
    loaded.load(folder.path() + "/last.mtlx");
    for (const float parameter : loaded.parameters()) CHECK(is_finite(parameter));
  }
}

TEST_CASE("a validation loss that is not finite stops by the task's name") {
  // Labels so far off that the squared error of the validation data overflows, and that of training does not.
  const auto data = small::shared(9);
  auto columns = data.streams()[0].columns;
  columns[2].targets = data::Targets::values(2, std::vector<float>(18, 3e38F));
  const data::DataSet far(data.streams()[0].inputs, columns);
  using Wide = MultiTask<Input<4>, small::Kinds, sharing::Hard<ThisTrunk>, optim::Sgd, backend::Cpu<float>>;
  Wide model;
  CHECK_NOTHROW(model.fit(data, {.validation = &far}));  // judged in double: large, and finite
  for (float& parameter : model.parameters()) parameter = 1e38F;
  CHECK_THROWS_AS(model.fit(data, {.validation = &far}), Error);
}

TEST_CASE("NaN and infinity among the parameters stop the first step") {
  const auto data = small::shared(9);
  for (const std::uint32_t bits : {0x7FC00000U, 0x7F800000U, 0xFF800000U}) {
    Fast<balancing::PcGrad> model;
    model.parameters().back() = from_bits(bits);  // the last task's bias
    const auto before = small::copy(model.parameters());
    CHECK(error_of([&] { model.fit(data); }) ==
          "mtlx: the loss of the task \"place\" is not finite in epoch 1, step 1; training stops before the update (a "
          "smaller learning rate may help)");
    CHECK(small::same_bits(model.parameters(), before));
  }
}
