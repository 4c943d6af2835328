// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/avg_pool2d.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/conv_transpose2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/embedding.hpp>
#include <mtlx/nn/flatten.hpp>
#include <mtlx/nn/gelu.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/nn/norm.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/nn/upsample.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/testing/device_laws.hpp>
#include <mtlx/testing/emulated_device.hpp>

#include <memory>
#include <string>
#include <type_traits>

using namespace mtlx;
using namespace mtlx::nn;

namespace {

using testing::EmulatedDevice;

// g++ 12 forgets the default initialiser of one that is named within a template.
using Table = Embedding<5, 3>;

testing::DeviceOptions few(std::vector<unsigned> widths = {1, 4, 32}) {
  testing::DeviceOptions options;
  options.samples = 5;
  options.widths = std::move(widths);
  return options;
}

template <class T>
testing::Report check_all() {
  testing::DeviceSuite<EmulatedDevice, T> suite(few());
  suite.template add_layer<Dense<5>, Shape{7}>();
  suite.template add_layer<Conv2d<3, 3, 2, 1>, Shape{2, 5, 6}>();
  suite.template add_layer<ConvTranspose2d<2, 3, 2, 1>, Shape{3, 3, 2}>();
  suite.template add_layer<MaxPool2d<3, 2, 1>, Shape{2, 5, 4}>();
  suite.template add_layer<AvgPool2d<2>, Shape{2, 4, 5}>();
  suite.template add_layer<Table, Shape{4}>("Embedding", 5);
  suite.template add_layer<Relu, Shape{11}>();
  suite.template add_layer<PRelu, Shape{2, 3, 2}>();
  suite.template add_layer<Gelu, Shape{7}>();
  suite.template add_layer<LayerNorm, Shape{2, 3, 3}>();
  suite.template add_layer<GroupNorm<2>, Shape{4, 3, 2}>();
  suite.template add_layer<Dropout<30>, Shape{13}>();
  suite.template add_layer<PixelShuffle<2>, Shape{8, 2, 3}>();
  suite.template add_layer<UpsampleBilinear<2>, Shape{2, 3, 2}>();
  suite.template add_layer<Sequential<Conv2d<2, 3>, Relu, Residual<Conv2d<2, 1>, Tanh>, Flatten, Dense<3>>,
                           Shape{1, 5, 4}>();
  suite.template add_loss<SoftmaxCrossEntropy, 5>("softmax", {.target = testing::class_target});
  suite.template add_loss<BinaryCrossEntropy, 3>("binary");
  suite.add_rule("Adam", optim::Adam{.learning_rate = 0.05, .weight_decay = 0.01}, {1, 31, 500});
  suite.add_rule(
      "clipped, averaged Sgd",
      optim::Clipped<optim::Averaged<optim::Sgd>>{
          .optimizer = {.optimizer = {.learning_rate = 0.1, .momentum = 0.9}, .decay = 0.5}, .norm = 3, .value = 0.5},
      {31});
  return suite.run(std::make_shared<EmulatedDevice>());
}

/// Another function in double than on a device.
struct Split {
  static constexpr std::string_view name = "Split";
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr float factor = std::is_same_v<Number, double> ? 1.0F : 1.01F;
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.x[i] * Number(factor);
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i];
  }
};
/// The same for a loss's slope.
struct SplitLoss {
  static constexpr int targets(int outputs) { return outputs; }
  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    const auto value = MeanSquaredError::evaluate<Outputs>(s);
    if constexpr (!std::is_same_v<Number, double>) s.dz[0] += s.dz[0];
    return value;
  }
};
/// And for an optimizer.
struct SplitRule {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 0;
  double learning_rate = 0.1;
  auto rule(const optim::Now&) const {
    return [rate = learning_rate](auto& parameter, auto gradient, auto&) {
      using Number = decltype(gradient);
      parameter -= Number(std::is_same_v<Number, double> ? rate : 2 * rate) * gradient;
    };
  }
};

/// An emulated device that changes the text before it compiles it: every `from` becomes `to`.
template <class Change>
struct Changed : EmulatedDevice {
  using EmulatedDevice::EmulatedDevice;
  Module compile(std::string source) {
    std::size_t changes = 0;
    for (std::size_t at = source.find(Change::from); at != std::string::npos; at = source.find(Change::from, at)) {
      source.replace(at, std::string_view(Change::from).size(), Change::to);
      at += std::string_view(Change::to).size();
      ++changes;
    }
    CHECK(changes > 0);
    return EmulatedDevice::compile(source);
  }
};
struct NoBarriers {
  static constexpr const char *from = "    __syncthreads();\n", *to = "";
};
struct OtherSamples {
  static constexpr const char *from = "const unsigned first = group * T;",
                              *to = "const unsigned first = group * T + 1;";
};
struct NeverFresh {
  static constexpr const char *from = "bool fresh = true;", *to = "bool fresh = false;";
};
struct AlwaysFresh {
  static constexpr const char *from = "fresh = false;", *to = "fresh = true;";
};
struct WrongText {
  static constexpr const char *from = "typedef float real;", *to = "typedef flaot real;";
};

template <class Change, class L, Shape In>
testing::Report check_changed() {
  return testing::check_layer_on<L, In, float>(std::make_shared<Changed<Change>>(), few({4}));
}

}  // namespace

TEST_CASE_TEMPLATE("layers, losses and optimizers on the emulated device agree with Reference", T, float, double) {
  const testing::Report report = check_all<T>();
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.checks() > 100000);
}

TEST_CASE("what a device computes otherwise than Reference is found") {
  const auto device = std::make_shared<EmulatedDevice>();
  const testing::Report layer = testing::check_layer_on<Split, Shape{5}, float>(device, few({4}));
  CHECK(layer.broke("y agrees"));
  CHECK_FALSE(layer.broke("dx agrees"));
  const testing::Report loss =
      testing::check_loss_on<SplitLoss, 3, float>(device, {.target = testing::real_target}, few({4}));
  CHECK(loss.broke("dz agrees"));
  CHECK_FALSE(loss.broke("value agrees"));
  const testing::Report rule = testing::check_rule_on<float>(device, SplitRule{}, few());
  CHECK(rule.broke("parameters agree"));
  CHECK_FALSE(rule.broke("added up"));
}

TEST_CASE("what is wrong in a kernel is found") {
  using Two = Sequential<Dense<9>, Tanh, Dense<3>>;
  CHECK(check_changed<NoBarriers, Two, Shape{7}>().broke("the same bits"));
  CHECK(check_changed<OtherSamples, Dropout<50>, Shape{13}>().broke("y is 0 where"));
  CHECK(check_changed<NeverFresh, Two, Shape{7}>().broke("dp agrees"));
  CHECK(check_changed<AlwaysFresh, Two, Shape{7}>().broke("dp agrees"));
  const testing::Report wrong = check_changed<WrongText, Two, Shape{7}>();
  CHECK(wrong.broke("runs"));
  CHECK(wrong.text().find("flaot") != std::string::npos);
}
