// SPDX-License-Identifier: MIT
#include <mtlx/training/subnet.hpp>

#include <doctest/doctest.h>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/nn/norm.hpp>
#include <mtlx/nn/upsample.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/mask_analysis.hpp>
#include <mtlx/study/mask_figure.hpp>
#include <mtlx/training/multi_task.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

using namespace mtlx;
using training::Favour;
using training::SubnetLayer;

namespace {

/// The layers with these parameters, pruned.
template <class Layers, Shape In, class T>
training::detail::PrunedNetwork<T> pruned(const std::vector<T>& parameters, Favour favour = Favour::latency,
                                          int threads = 1) {
  using Slice = backend::CpuSlice<T, 16>;
  training::detail::Chain<T, Slice> chain{{}, parameters.data()};
  chain.template add<Layers, In>();
  REQUIRE(chain.parameters == parameters.data() + parameters.size());
  return {chain.layers, In, Slice::width, favour, threads};
}

/// What the layers put out by plain loops in double.
template <class Layers, Shape In>
std::vector<double> outputs(std::span<const double> parameters, std::span<const float> sample) {
  using Slice = backend::PlainSlice<double>;
  std::vector<double> x(sample.begin(), sample.end()), y(Layers::output(In).size());
  std::vector<double> saved(nn::saved<Layers>(In));
  nn::forward<Layers, In>(nn::Forward<Slice>{parameters.data(), {x.data()}, {y.data()}, {saved.data()}, {}, false});
  return y;
}

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
  std::vector<float> numbers(count);
  Random random(seed, Purpose::user);
  for (float& number : numbers) number = static_cast<float>(random.normal());
  return numbers;
}

/// Random parameters; of the weights a share is left, unless that is all, and of the units' weights, coming
/// and going, some go wholly.
template <class Layers, Shape In, class T>
std::vector<T> masked_parameters(double density, std::uint64_t seed) {
  std::vector<T> parameters(nn::parameter_count<Layers>(In));
  Random random(seed, Purpose::user);
  nn::for_each_parameter<Layers>(In, nn::Path{}, [&](const nn::Path&, const nn::Parameter& p, std::size_t offset) {
    const std::size_t outputs = static_cast<std::size_t>(p.shape[static_cast<std::size_t>(p.neurons_at)]);
    std::vector<char> dead(outputs), unread(static_cast<std::size_t>(p.shape[p.turned ? 0 : 1]));
    for (char& out : dead) out = random.uniform() < 0.25;
    for (char& in : unread) in = random.uniform() < 0.2;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const std::size_t o = p.turned ? i % outputs : i / (p.size() / outputs);
      const bool masked = p.role == nn::Role::weight && density < 1 &&
                          (random.uniform() >= density || dead[o] || (p.turned && unread[i / outputs]) ||
                           (!p.turned && unread[i / (p.size() / outputs / unread.size()) % unread.size()]));
      parameters[offset + i] = masked ? T(0) : static_cast<T>(0.5 * random.normal());
    }
  });
  return parameters;
}

/// The pruned layers put out what the layers do, whatever is masked, for any number of samples and in any form.
template <class T, class Layers, Shape In>
void check_chain() {
  CAPTURE(std::string(typeid(Layers).name()));
  const std::size_t outs = Layers::output(In).size();
  const auto samples = normals(37 * In.size(), 7);
  const data::Inputs all(In, samples);
  const double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-6;  // outputs are float
  for (const double density : {1.0, 0.9, 0.5, 0.1, 0.0})
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const auto parameters = masked_parameters<Layers, In, T>(density, seed);
      const std::vector<double> exact(parameters.begin(), parameters.end());
      std::vector<double> expected;
      for (std::size_t s = 0; s < 37; ++s) {
        const auto y = outputs<Layers, In>(exact, std::span(samples).subspan(s * In.size(), In.size()));
        expected.insert(expected.end(), y.begin(), y.end());
      }
      for (const Favour favour : {Favour::latency, Favour::throughput, Favour::memory}) {
        auto network = pruned<Layers, In, T>(parameters, favour, seed == 1 ? 2 : 1);
        // The odd last slice, and one after another.
        for (const std::size_t count : {std::size_t{37}, std::size_t{3}}) {
          std::vector<float> found(count * outs, 99.0F);
          const std::vector<std::size_t> first{0, 1, 2};
          network.predict(count == 37 ? all : all.subset(first), found);
          double largest = 1, difference = 0;
          for (std::size_t i = 0; i < found.size(); ++i) {
            largest = std::max(largest, std::abs(expected[i]));
            difference = std::max(difference, std::abs(expected[i] - static_cast<double>(found[i])));
          }
          CAPTURE(density);
          CAPTURE(seed);
          CAPTURE(count);
          CAPTURE(static_cast<int>(favour));
          CHECK(difference <= tolerance * largest);
        }
      }
    }
}

using LeNet = nn::Sequential<nn::Conv2d<5, 3>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<7, 3>, nn::Relu, nn::Dense<9>,
                             nn::Relu, nn::Dense<3>>;
// A padding beside constants that are not 0, pools of both kinds, strides, layers within layers.
using Padded = nn::Sequential<nn::Conv2d<6, 3, 1, 1>, nn::Sigmoid, nn::Conv2d<5, 3, 2, 1>, nn::Relu,
                              nn::Sequential<nn::MaxPool2d<3, 2, 1>, nn::Conv2d<6, 2, 1, 1>>, nn::AvgPool2d<2, 2, 1>,
                              nn::Gelu, nn::Dropout<50>, nn::GlobalAvgPool, nn::Dense<4>>;
// Layers that must stay as they are, and that take all they read with them.
using Others = nn::Sequential<nn::Conv2d<6, 1>, nn::Tanh, nn::GroupNorm<2>, nn::PRelu, nn::Conv2d<4, 3, 2>,
                              nn::Residual<nn::Conv2d<4, 3, 1, 1>, nn::Relu>, nn::Upsample<2>, nn::Conv2d<3, 2>,
                              nn::Flatten, nn::LeakyRelu<10>, nn::Dense<5>>;
using Mlp =
    nn::Sequential<nn::Relu, nn::Flatten, nn::Tanh, nn::Dense<37>, nn::Softplus, nn::Dense<33>, nn::Silu, nn::Dense<2>>;

}  // namespace

TEST_CASE("a pruned network puts out what the layers do") {
  check_chain<float, LeNet, Shape{2, 11, 9}>();
  check_chain<float, Padded, Shape{2, 12, 9}>();
  check_chain<float, Others, Shape{3, 9, 8}>();
  check_chain<float, Mlp, Shape{3, 7, 5}>();
  check_chain<double, Padded, Shape{2, 12, 9}>();
}

TEST_CASE("what goes, by hand") {
  using Layers = nn::Sequential<nn::Dense<4>, nn::Relu, nn::Dense<2>>;
  constexpr Shape in{3, 1, 1};
  // Unit 1 is the constant relu(2), unit 2 the constant relu(-1), nothing reads unit 3, and so input 2.
  const std::vector<float> parameters{1, 0, 0, 0,   //
                                      -1, 0, 0, 0,  //
                                      0, 0, 0, 5,   //
                                      0.5F, 2, -1, 4,
                                      // the second layer
                                      3, 0,         //
                                      1, -1, 7, 7,  //
                                      0, 0,         //
                                      0.25F, 0.125F};
  auto network = pruned<Layers, in>(parameters);
  const auto& layers = network.layers();
  REQUIRE(layers.size() == 3);
  CHECK(layers[0].in == Shape{2, 1, 1});
  CHECK(layers[0].out == Shape{1, 1, 1});
  CHECK(layers[1].in == Shape{1, 1, 1});
  CHECK(layers[2].in == Shape{1, 1, 1});
  CHECK(layers[2].out == Shape{2, 1, 1});
  CHECK(layers[0].weights == 2);
  CHECK(layers[0].full_weights == 12);
  std::vector<float> found(4);
  network.predict(data::Inputs(in, std::vector<float>{3, 1, 9, 0, 7, 9}), found);
  // relu(3 - 1 + 0.5) = 2.5; 3 * 2.5 + 2 + 0.25; -2 + 0.125.
  CHECK(found == std::vector<float>{9.75F, -1.875F, 2.25F, -1.875F});

  // Everything is dead: the answer is a bias, and nothing is read.
  std::vector<float> none(parameters.size(), 0.0F);
  std::copy(parameters.end() - 2, parameters.end(), none.end() - 2);
  auto constant = pruned<Layers, in>(none);
  constant.predict(data::Inputs(in, std::vector<float>{3, 1, 9, 0, 7, 9}), found);
  CHECK(found == std::vector<float>{0.25F, 0.125F, 0.25F, 0.125F});
  CHECK(constant.layers()[0].in.channels == 0);
  CHECK(constant.bytes() == 2 * sizeof(float));
}

TEST_CASE("a constant beside a padding stays, one of zero goes") {
  using Layers = nn::Sequential<nn::Conv2d<2, 1>, nn::Relu, nn::Conv2d<1, 3, 1, 1>>;
  constexpr Shape in{1, 3, 3};
  std::vector<float> parameters(nn::parameter_count<Layers>(in), 1.0F);
  parameters[1] = 0;   // the second filter has no weight
  parameters[3] = -1;  // and a bias that Relu takes away
  CHECK(pruned<Layers, in>(parameters).layers()[0].out.channels == 1);
  parameters[3] = 0.5F;  // or not
  CHECK(pruned<Layers, in>(parameters).layers()[0].out.channels == 2);
}

TEST_CASE("weights as rows where that is wanted") {
  using Layers = nn::Sequential<nn::Conv2d<8, 3>, nn::Relu, nn::Dense<64>>;
  constexpr Shape in{4, 8, 8};
  const auto bytes = [&](double density, Favour favour) {
    Random random(1, Purpose::user);
    std::vector<float> parameters(nn::parameter_count<Layers>(in));
    for (float& number : parameters) number = random.uniform() < density ? 1.0F : 0.0F;
    return pruned<Layers, in>(parameters, favour);
  };
  const auto kept = [&](double density, Favour favour) {
    const auto network = bytes(density, favour);
    return std::pair(network.layers()[0].rows, network.layers()[2].rows);
  };
  for (const Favour favour : {Favour::latency, Favour::throughput, Favour::memory}) {
    CHECK(kept(1, favour) == std::pair(false, false));
    CHECK(kept(0.02, favour) == std::pair(true, true));
    CHECK(bytes(0.02, favour).bytes() < bytes(1, favour).bytes() / 4);
  }
  CHECK(kept(0.3, Favour::latency) == std::pair(true, false));
  CHECK(kept(0.3, Favour::throughput) == std::pair(true, true));
  CHECK(kept(0.3, Favour::memory) == std::pair(true, true));
}

TEST_CASE("a task's subnet answers as the model does under its mask") {
  using In = Input<1, 9, 9>;
  using Both = Tasks<Regression<"left", 2>, Classification<"right", 3>>;
  using Trunk = nn::Sequential<nn::Conv2d<6, 3>, nn::MaxPool2d<2>, nn::Relu, nn::Dense<20>, nn::Tanh>;
  using Model =
      MultiTask<In, Both,
                sharing::Sparse<Trunk, sharing::GivenMasks,
                                sharing::Head<"right", nn::Sequential<nn::Dense<7>, nn::Relu, nn::Dense<3>>>>>;
  Model model{{.backend = {.threads = 1}, .seed = 3}};
  auto masks = model.masks();
  Random random(5, Purpose::user);
  for (const auto& block : masks.blocks)
    for (std::size_t i = 0; i < block.parameter.size() && block.prunable(); ++i) {
      TaskSet& owners = masks.owners[block.offset + i];
      owners = {};
      for (std::size_t t = 0; t < 2; ++t)
        if (random.uniform() < 0.2) owners = owners.with(t);
    }
  for (std::size_t i = 0; i < 9; ++i) masks.owners[2 * 9 + i] = TaskSet::only(0);  // a filter of the first task alone
  model.set_masks(masks);
  auto right = training::subnet<"right">(model, {.favour = Favour::memory, .threads = 1});
  for (const std::size_t count : {1U, 70U}) {
    const data::Inputs inputs(In::shape, normals(count * 81, 9));
    const auto all = model.predict(inputs);
    auto left = training::subnet<"left">(model);
    const auto answers = left.predict(inputs);  // as model.predict(inputs).get<"left">(), up to rounding
    const auto others = right.predict(inputs);
    REQUIRE(answers.size() == count);
    REQUIRE(others.size() == count);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < 2; ++j)
        CHECK(answers[i][j] == doctest::Approx(all.get<"left">()[i][j]).epsilon(1e-5));
      for (std::size_t j = 0; j < 3; ++j)
        CHECK(others[i][j] == doctest::Approx(all.get<"right">()[i][j]).epsilon(1e-5));
    }
    CHECK(left.bytes() < left.full_bytes());
    CHECK_THROWS_WITH_AS(left.predict(data::Inputs(Shape{3, 27, 1}, normals(81, 1))),
                         "mtlx: predict: the inputs are 3 x 27 x 1, and the subnet takes 1 x 9 x 9", Error);
  }
  CHECK(right.layers()[0].out.channels == 5);
  CHECK(right.bytes() < right.full_bytes() / 2);
  CHECK(right.text().find("Conv2d       1 x 9 x 9                    5 x 7 x 7 of 6 x 7 x 7") != std::string::npos);

  const auto found = sharing::analyse(model.masks());
  const std::string table = found.text();                 // a line a layer, and the tasks in pairs
  const std::string csv = found.csv();                    // layer,measure,task,partner,count,of,share
  const std::string picture = study::mask_figure(found);  // SVG: a heat map a layer, light and dark
  CHECK(found.total.density(0) < 0.3);
  CHECK(found.layers[0].alive(1) + 9 <= found.layers[0].weights);
  CHECK(table.size() + csv.size() + picture.size() > 0);

  // The header of constants has zeros outside the mask, and the same answers.
  using Layers = nn::Sequential<Trunk, nn::Dense<2, nn::glorot_uniform>>;
  const auto blocks = training::detail::task_blocks<0, Layers>(model, "test");
  std::vector<double> parameters;
  for (const auto& block : blocks) parameters.insert(parameters.end(), block.numbers.begin(), block.numbers.end());
  const auto sample = normals(81, 4);
  const auto y = outputs<Layers, In::shape>(parameters, sample);
  const auto answer = model.predict(data::Inputs(In::shape, sample));
  for (std::size_t j = 0; j < 2; ++j) CHECK(y[j] == doctest::Approx(answer.get<"left">()[0][j]).epsilon(1e-5));
  CHECK(training::extract<"left", Layers>(model, "left").find(" 0x0p+0F,") != std::string::npos);
}
