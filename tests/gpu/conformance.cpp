// SPDX-License-Identifier: MIT
// Whether a GPU computes what the library means: every layer at odd shapes, compositions, every loss and every
// optimizer, in float and in double, against Reference (mtlx/testing/device_laws.hpp). Not a part of the test suite: it
// needs the toolkit, and a GPU to run.
//
//   g++ -std=c++20 -O2 -Iinclude -isystem $CUDA/include tests/gpu/conformance.cpp -o conformance -L$CUDA/lib64 -lnvrtc
//       -lcudart_static -ldl -lrt -lpthread                                       (scripts/gpu_check.sh does)
//   ./conformance              runs all of it; 0: right, 1: something is wrong (told), 77: no GPU
//   ./conformance --compile    compiles its sources in float for sm_90 without a GPU; warnings are errors
//
// With -DMTLX_EMULATED it runs on the CPU and needs no toolkit: add -ldl.

#include <mtlx/backend/cpu.hpp>

#ifdef MTLX_EMULATED
#include <mtlx/testing/emulated_device.hpp>
#else
#include <mtlx/backend/cuda_device.hpp>
#endif

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/avg_pool2d.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/conv_transpose2d.hpp>
#include <mtlx/nn/cross_entropy.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/embedding.hpp>
#include <mtlx/nn/flatten.hpp>
#include <mtlx/nn/focal.hpp>
#include <mtlx/nn/gelu.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/nn/norm.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>
#include <mtlx/nn/regression_loss.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/nn/upsample.hpp>
#include <mtlx/optim/adagrad.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/optim/adam_w.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/rms_prop.hpp>
#include <mtlx/optim/schedule.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/testing/device_laws.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

using namespace mtlx;
using namespace mtlx::nn;

namespace {

#ifdef MTLX_EMULATED
using Device = testing::EmulatedDevice;
#else
using Device = backend::CudaDevice;
#endif

// g++ 12 forgets the default initialiser of an embedding that is named within a template.
using Word = Embedding<5, 3>;
using Letters = Embedding<6, 1>;
using Pixels = Embedding<5, 17>;
using Words = Embedding<300, 10>;
using Text = Sequential<Embedding<5, 2>, Conv2d<3, 3, 1, 1>, Relu, Dense<2>>;

constexpr Shape row{7}, image{2, 5, 6};

template <class T>
testing::DeviceSuite<Device, T> make_suite() {
  testing::DeviceSuite<Device, T> suite;

  suite.group("dense");
  suite.template add_layer<Dense<1>, Shape{1}>("Dense 1 to 1");
  suite.template add_layer<Dense<10>, Shape{37}>("Dense 37 to 10");
  suite.template add_layer<Dense<33>, Shape{3, 2, 2}>("Dense 12 to 33");
  suite.template add_layer<Dense<128>, Shape{64}>("Dense 64 to 128");
  suite.template add_layer<Dense<1>, Shape{130}>("Dense 130 to 1");
  suite.template add_layer<Dense<50>, Shape{320}>("Dense 320 to 50");

  suite.group("convolution");
  suite.template add_layer<Conv2d<3, 3>, image>("Conv2d 3 of 3");
  suite.template add_layer<Conv2d<5, 3, 2, 1>, Shape{3, 7, 5}>("Conv2d 5 of 3, stride 2, padding 1");
  suite.template add_layer<Conv2d<1, 1>, image>("Conv2d 1 of 1");
  suite.template add_layer<Conv2d<2, 5, 1, 2>, image>("Conv2d 2 of 5, padding 2");
  suite.template add_layer<Conv2d<2, 7, 2, 1>, Shape{1, 5, 5}>("Conv2d as large as the image");
  suite.template add_layer<Conv2d<3, 2, 3>, Shape{2, 7, 8}>("Conv2d 3 of 2, stride 3");
  suite.template add_layer<Conv2d<4, 3, 1, 1>, Shape{1, 1, 1}>("Conv2d of one pixel");
  suite.template add_layer<Conv2d<10, 5>, Shape{1, 28, 28}>("Conv2d 10 of 5 on 28 x 28");
  suite.template add_layer<Conv2d<20, 5>, Shape{10, 12, 12}>("Conv2d 20 of 5 on 10 x 12 x 12");
  suite.template add_layer<ConvTranspose2d<3, 3>, image>("ConvTranspose2d 3 of 3");
  suite.template add_layer<ConvTranspose2d<5, 4, 2, 1>, Shape{3, 3, 7}>("ConvTranspose2d, stride 2, padding 1");
  suite.template add_layer<ConvTranspose2d<2, 2, 3, 0, 2>, image>("ConvTranspose2d, stride 3, wider");
  suite.template add_layer<ConvTranspose2d<1, 3, 2, 1, 1>, Shape{7, 1, 1}>("ConvTranspose2d of a row");

  suite.group("pooling");
  suite.template add_layer<MaxPool2d<2>, image>("MaxPool2d 2");
  suite.template add_layer<MaxPool2d<3, 2, 1>, Shape{3, 7, 5}>("MaxPool2d 3, stride 2, padding 1");
  suite.template add_layer<MaxPool2d<2, 3>, image>("MaxPool2d 2, stride 3");
  suite.template add_layer<MaxPool2d<3, 1>, Shape{1, 5, 4}>("MaxPool2d 3, stride 1");
  suite.template add_layer<MaxPool2d<2>, Shape{10, 24, 24}>("MaxPool2d 2 on 10 x 24 x 24");
  suite.template add_layer<AvgPool2d<2>, image>("AvgPool2d 2");
  suite.template add_layer<AvgPool2d<3, 2, 1>, image>("AvgPool2d 3, stride 2, padding 1");
  suite.template add_layer<AvgPool2d<2, 3>, image>("AvgPool2d 2, stride 3");
  suite.template add_layer<GlobalAvgPool, image>("GlobalAvgPool of 30");
  suite.template add_layer<GlobalAvgPool, Shape{5, 1, 1}>("GlobalAvgPool of one");

  suite.group("activations");
  suite.template add_layer<Relu, row>("Relu 7");
  suite.template add_layer<Relu, Shape{3, 11, 13}>("Relu 429");
  suite.template add_layer<LeakyRelu<>, row>("LeakyRelu 7");
  suite.template add_layer<LeakyRelu<30>, image>("LeakyRelu 60");
  suite.template add_layer<PRelu, row>("PRelu 7");
  suite.template add_layer<PRelu, image>("PRelu 60");
  suite.template add_layer<Tanh, row>("Tanh 7");
  suite.template add_layer<Tanh, image>("Tanh 60");
  suite.template add_layer<Sigmoid, row>("Sigmoid 7");
  suite.template add_layer<Sigmoid, image>("Sigmoid 60");
  suite.template add_layer<Softplus, row>("Softplus 7");
  suite.template add_layer<Softplus, image>("Softplus 60");
  suite.template add_layer<Silu, row>("Silu 7");
  suite.template add_layer<Silu, image>("Silu 60");
  suite.template add_layer<Gelu, row>("Gelu 7");
  suite.template add_layer<Gelu, image>("Gelu 60");
  suite.template add_layer<GeluTanh, row>("GeluTanh 7");
  suite.template add_layer<GeluTanh, image>("GeluTanh 60");

  suite.group("norms");
  suite.template add_layer<LayerNorm, row>("LayerNorm 7");
  suite.template add_layer<LayerNorm, image>("LayerNorm 60");
  suite.template add_layer<LayerNorm, Shape{130}>("LayerNorm 130");
  suite.template add_layer<GroupNorm<2>, Shape{4, 3, 5}>("GroupNorm 2 of 4 x 3 x 5");
  suite.template add_layer<GroupNorm<3>, Shape{3, 1, 2}>("GroupNorm 3 of 3 x 1 x 2");
  suite.template add_layer<GroupNorm<1>, Shape{3, 2, 1}>("GroupNorm 1 of 3 x 2 x 1");

  suite.group("dropout");
  suite.template add_layer<Dropout<50>, row>("Dropout 50 % of 7");
  suite.template add_layer<Dropout<30>, image>("Dropout 30 % of 60");
  suite.template add_layer<Dropout<0>, row>("Dropout 0 % of 7");

  suite.group("shapes");
  suite.template add_layer<Flatten, image>("Flatten");
  suite.template add_layer<Flatten, row>("Flatten of a row");
  suite.template add_layer<PixelShuffle<2>, Shape{8, 2, 3}>("PixelShuffle 2");
  suite.template add_layer<PixelShuffle<3>, Shape{9}>("PixelShuffle 3");
  suite.template add_layer<Upsample<2>, Shape{2, 3, 2}>("Upsample 2");
  suite.template add_layer<Upsample<3>, row>("Upsample 3");
  suite.template add_layer<UpsampleBilinear<2>, Shape{2, 3, 2}>("UpsampleBilinear 2");
  suite.template add_layer<UpsampleBilinear<3>, Shape{2, 2, 3}>("UpsampleBilinear 3");

  suite.group("embedding");
  suite.template add_layer<Word, row>("Embedding 5 x 3", 5);
  suite.template add_layer<Letters, Shape{1}>("Embedding 6 x 1", 6);
  suite.template add_layer<Pixels, Shape{1, 2, 3}>("Embedding 5 x 17", 5);
  suite.template add_layer<Words, Shape{21}>("Embedding 300 x 10", 300);
  suite.template add_layer<Text, row>("Embedding and convolution", 5);

  suite.group("compositions");
  suite.template add_layer<Sequential<Dense<5>, Relu, Dropout<50>, Tanh, Relu>, row>("row of five");
  suite.template add_layer<Sequential<Dropout<30>, Dropout<30>, Dense<4>, Dropout<30>>, row>("three Dropouts");
  suite.template add_layer<Sequential<Sequential<Dense<5>, Relu>, Dropout<50>, Sequential<Dense<4>, Dropout<50>>, Relu>,
                           row>("chains in a chain");
  suite.template add_layer<Sequential<Conv2d<3, 3, 1, 1>, MaxPool2d<2>, Relu, Conv2d<2, 2>, Tanh, Dense<4>>, image>(
      "small image network");
  suite.template add_layer<Sequential<Conv2d<2, 3, 2>, Relu, ConvTranspose2d<1, 3, 2>, Tanh>, Shape{1, 5, 7}>(
      "there and back");
  suite.template add_layer<Sequential<Dense<6>, GroupNorm<2>, Relu, Dense<2>>, row>("norm between");
  suite.template add_layer<Residual<Dense<7>, Relu>, row>("Residual of a row");
  suite.template add_layer<Residual<Dropout<50>>, row>("Residual of a Dropout");
  suite.template add_layer<Residual<Residual<Dense<7>, Relu>, Relu, Dense<7>>, row>("Residual in a Residual");
  suite.template add_layer<Residual<Conv2d<2, 3, 1, 1>, Relu>, image>("Residual of an image");
  suite.template add_layer<
      Sequential<Dense<4>, Residual<Dense<4>, Relu>, Relu, Dropout<50>, Residual<Tanh, Dense<4>>, Tanh>, row>(
      "Residuals in a chain");
  suite.template add_layer<Sequential<Conv2d<10, 5>, MaxPool2d<2>, Relu, Conv2d<20, 5>, MaxPool2d<2>, Relu, Flatten,
                                      Dense<50>, Relu, Dense<10>>,
                           Shape{1, 28, 28}>("LeNet");
  suite.template add_layer<Sequential<Dense<128>, Relu, Dense<128>, Relu, Dense<1>>, Shape{64}>("MLP");

  suite.group("losses");
  using testing::class_target, testing::real_target;
  const testing::LossOptions of_class{.target = class_target}, of_number{.target = real_target}, of_label{};
  suite.template add_loss<SoftmaxCrossEntropy, 1>("SoftmaxCrossEntropy", of_class);
  suite.template add_loss<SoftmaxCrossEntropy, 2>("SoftmaxCrossEntropy", of_class);
  suite.template add_loss<SoftmaxCrossEntropy, 10>("SoftmaxCrossEntropy", of_class);
  suite.template add_loss<SoftmaxCrossEntropy, 101>("SoftmaxCrossEntropy", of_class);
  suite.template add_loss<BinaryCrossEntropy, 1>("BinaryCrossEntropy", of_label);
  suite.template add_loss<BinaryCrossEntropy, 7>("BinaryCrossEntropy", of_label);
  suite.template add_loss<MeanSquaredError, 1>("MeanSquaredError", of_number);
  suite.template add_loss<MeanSquaredError, 5>("MeanSquaredError", of_number);
  suite.template add_loss<LabelSmoothing<10>, 5>("LabelSmoothing", of_class);
  suite.template add_loss<ClassWeights<std::array{1.0, 5.0, 0.5, 2.0}>, 4>("ClassWeights", of_class);
  suite.template add_loss<PositiveWeights<std::array{1.0, 5.0, 0.5, 2.0}>, 4>("PositiveWeights", of_label);
  suite.template add_loss<PositiveWeights<std::array{9.0}>, 1>("PositiveWeights", of_label);
  suite.template add_loss<Focal<>, 3>("Focal", of_label);
  suite.template add_loss<Focal<0.5, -1>, 3>("Focal, exponent 0.5", of_label);
  suite.template add_loss<SoftmaxFocal<>, 5>("SoftmaxFocal", of_class);
  suite.template add_loss<SoftmaxFocal<0.5>, 2>("SoftmaxFocal, exponent 0.5", of_class);
  suite.template add_loss<MeanAbsoluteError, 3>("MeanAbsoluteError", of_number);
  suite.template add_loss<Huber<0.5>, 1>("Huber", of_number);
  suite.template add_loss<Huber<>, 4>("Huber", of_number);
  suite.template add_loss<SmoothL1<>, 3>("SmoothL1", of_number);
  suite.template add_loss<Charbonnier<>, 3>("Charbonnier", of_number);

  suite.group("optimizers");
  using namespace optim;
  suite.add_rule("Sgd", Sgd{.learning_rate = 0.1});
  suite.add_rule("Sgd with momentum",
                 Sgd{.learning_rate = 0.1, .momentum = 0.9, .dampening = 0.2, .weight_decay = 0.01});
  suite.add_rule("Sgd of Nesterov", Sgd{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
  suite.add_rule("Adam", Adam{.learning_rate = 0.05, .weight_decay = 0.01});
  suite.add_rule("AdamW", AdamW{.learning_rate = 0.05});
  suite.add_rule("Adagrad", Adagrad{.learning_rate = 0.1, .learning_rate_decay = 0.1, .initial_accumulator = 0.1});
  suite.add_rule("RmsProp", RmsProp{.learning_rate = 0.02, .momentum = 0.5});
  suite.add_rule("CentredRmsProp", CentredRmsProp{.learning_rate = 0.02, .alpha = 0.9, .epsilon = 1e-2});
  suite.add_rule("Clipped by norm", Clipped<Adam>{.optimizer = {.learning_rate = 0.05}, .norm = 0.5});
  suite.add_rule("Clipped by value", Clipped<Sgd>{.optimizer = {.learning_rate = 0.1}, .value = 0.3});
  suite.add_rule("Averaged", Averaged<Adam>{.optimizer = {.learning_rate = 0.05}, .decay = 0.6});
  suite.add_rule("Scheduled by Cosine", Scheduled<Adam, Cosine>{.optimizer = {.learning_rate = 0.05}});
  suite.add_rule("Scheduled by OneCycle", Scheduled<Sgd, OneCycle>{.optimizer = {.learning_rate = 0.1}});
  suite.add_rule("Scheduled by Step", Scheduled<AdamW, WarmUp<Step>>{.optimizer = {.learning_rate = 0.05},
                                                                     .schedule = {.next = {.step_size = 1}}});
  suite.add_rule("Scheduled by MultiStep",
                 Scheduled<Sgd, MultiStep>{.optimizer = {.learning_rate = 0.1}, .schedule = {.milestones = {1}}});
  suite.add_rule("Scheduled by ReduceOnPlateau",
                 Scheduled<Sgd, ReduceOnPlateau>{.optimizer = {.learning_rate = 0.1}, .schedule = {.patience = 0}});
  suite.add_rule(
      "all wrappers",
      Clipped<Scheduled<Averaged<Adam>, Cosine>>{
          .optimizer = {.optimizer = {.optimizer = {.learning_rate = 0.05}, .decay = 0.5}}, .norm = 2, .value = 0.4});
  return suite;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class T>
bool run(const std::shared_ptr<Device>& device, const char* scalar) {
  const auto begin = std::chrono::steady_clock::now();
  bool ok = true;
  for (const auto& [name, report] : make_suite<T>().run_groups(device)) {
    const bool sound = report.ok() && report.checks() > 0;
    std::printf("%s, %s: %s, %zu checks\n", name.c_str(), scalar, sound ? "ok" : "WRONG", report.checks());
    std::fputs(report.text().c_str(), stdout);
    ok = ok && sound;
  }
  std::printf("%s: %.1f s\n", scalar, seconds_since(begin));
  return ok;
}

template <class T>
bool compile(const char* scalar) {
  const auto begin = std::chrono::steady_clock::now();
  testing::Report report;
  bool ok = true;
  std::size_t bytes = 0;
  constexpr std::size_t shared_memory = 227 * 1024;  // of sm_90
  const auto sources = make_suite<T>().sources(shared_memory, report);
  for (const std::string& source : sources) {
    bytes += source.size();
    try {
#ifdef MTLX_EMULATED
      Device().compile(source);
#else
      backend::compile_for(source, "sm_90");
#endif
    } catch (const Error& error) {
      std::printf("%s\n", error.what());
      ok = false;
    }
  }
  std::fputs(report.text().c_str(), stdout);
  ok = ok && report.ok() && !sources.empty();
  std::printf("%s: %s, %zu sources of %zu bytes in %.1f s\n", scalar, ok ? "compile" : "DO NOT COMPILE", sources.size(),
              bytes, seconds_since(begin));
  return ok;
}

}  // namespace

int main(int count, char** arguments) try {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const std::string_view given = count > 1 ? arguments[1] : "";
  if (count > 2 || (count == 2 && given != "--compile")) {
    std::fputs("usage: conformance [--compile]\n", stderr);
    return 2;
  }
  if (given == "--compile") {
    return compile<float>("float") ? 0 : 1;  // in double it is the same text but for a typedef
  }
  std::shared_ptr<Device> device;
  try {
    device = std::make_shared<Device>();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 77;
  }
  std::printf("on %s\n", device->name().c_str());
  const bool single = run<float>(device, "float");
  return run<double>(device, "double") && single ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
