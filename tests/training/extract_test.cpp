// SPDX-License-Identifier: MIT
#include <mtlx/training/extract.hpp>

#include <doctest/doctest.h>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/training/multi_task.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <vector>

using namespace mtlx;

namespace {

using In = Input<1, 5, 5>;
using Both = Tasks<Regression<"sum", 2>, Classification<"kind", 3>>;
using Trunk = nn::Sequential<nn::Conv2d<2, 3>, nn::Tanh, nn::Dense<4>>;
using KindHead = nn::Sequential<nn::Relu, nn::Dense<3>>;
using KindLayers = nn::Sequential<Trunk, KindHead>;
using SumLayers = nn::Sequential<Trunk, nn::Dense<2, nn::glorot_uniform>>;
using Hard = MultiTask<In, Both, sharing::Hard<Trunk, sharing::Head<"kind", KindHead>>, backend::Reference>;
using Single = MultiTask<In, Both, sharing::Single<Trunk, sharing::Head<"kind", KindHead>>, backend::Reference>;

/// The numbers of the array in an extracted header, read back as the compiler would.
template <class Scalar>
std::vector<Scalar> numbers_of(const std::string& header) {
  std::vector<Scalar> numbers;
  std::size_t at = header.find("] = {\n");
  REQUIRE(at != std::string::npos);
  const std::size_t end = header.find("\n};", at);
  for (at = header.find('\n', at); at < end; at = header.find('\n', at + 1)) {
    if (header.compare(at + 1, 6, "    //") == 0) continue;
    const char* from = header.c_str() + at + 1;
    while (from < header.c_str() + end) {
      char* rest = nullptr;
      const Scalar number = std::is_same_v<Scalar, float> ? std::strtof(from, &rest) : Scalar(std::strtod(from, &rest));
      if (rest == from || (std::is_same_v<Scalar, float> && *rest++ != 'F') || *rest != ',') break;
      numbers.push_back(number);
      from = rest + 1;
      if (*from == '\n') break;
    }
  }
  return numbers;
}

/// What the layers alone put out for one picture, on any slice of plain numbers.
template <class Layers, class T>
std::vector<T> outputs(const std::vector<T>& parameters, std::span<const float> picture) {
  using Slice = backend::PlainSlice<T>;
  std::vector<T> x(picture.begin(), picture.end()), y(Layers::output(In::shape).size());
  std::vector<T> saved(nn::saved<Layers>(In::shape));
  nn::forward<Layers, In::shape>(
      nn::Forward<Slice>{parameters.data(), {x.data()}, {y.data()}, {saved.data()}, {}, false});
  return y;
}

/// The parameters' gradient where every output has the gradient 1.
template <class Layers, class T>
std::vector<T> gradients(const std::vector<T>& parameters, std::span<const float> picture) {
  using Slice = backend::PlainSlice<T>;
  std::vector<T> x(picture.begin(), picture.end()), y(Layers::output(In::shape).size()), dy(y.size(), 1);
  std::vector<T> saved(nn::saved<Layers>(In::shape)), scratch(nn::scratch<Layers>(In::shape));
  std::vector<T> gradient(parameters.size());
  nn::forward<Layers, In::shape>(
      nn::Forward<Slice>{parameters.data(), {x.data()}, {y.data()}, {saved.data()}, {}, true});
  nn::backward<Layers, In::shape, false>(nn::Backward<Slice>{parameters.data(),
                                                             {x.data()},
                                                             {y.data()},
                                                             {saved.data()},
                                                             {dy.data()},
                                                             {},
                                                             gradient.data(),
                                                             {scratch.data()},
                                                             {},
                                                             true});
  return gradient;
}

std::vector<float> pictures() {
  std::vector<float> numbers(3 * 25);
  Random random(1, Purpose::user);
  for (float& number : numbers) number = static_cast<float>(random.normal());
  return numbers;
}

/// Both tasks, extracted, predict as the model does, to the last bit.
template <class Model>
void check_bits() {
  Model model{{.seed = 3}};
  const auto inputs = pictures();
  const auto answers = model.predict(data::Inputs(In::shape, inputs));
  const auto sum = numbers_of<double>(training::extract<"sum", SumLayers>(model, "sum"));
  const auto kind = numbers_of<double>(training::extract<"kind", KindLayers>(model, "kind"));
  REQUIRE(sum.size() == nn::parameter_count<SumLayers>(In::shape));
  REQUIRE(kind.size() == nn::parameter_count<KindLayers>(In::shape));
  for (std::size_t i = 0; i < 3; ++i) {
    const std::span<const float> picture(inputs.data() + i * 25, 25);
    const auto y = outputs<SumLayers>(sum, picture);
    for (std::size_t j = 0; j < 2; ++j) CHECK(static_cast<float>(y[j]) == answers.template get<"sum">()[i][j]);
    const auto z = outputs<KindLayers>(kind, picture);
    const Classification<"kind", 3>::Prediction probabilities({z.begin(), z.end()});
    for (std::size_t j = 0; j < 3; ++j) CHECK(probabilities[0][j] == answers.template get<"kind">()[i][j]);
  }
}

}  // namespace

TEST_CASE("an extracted network predicts as the model does, bit for bit") {
  check_bits<Hard>();
  check_bits<Single>();
}

TEST_CASE("a device in float predicts and learns as the oracle does, up to rounding") {
  using Model = MultiTask<In, Both, sharing::Hard<Trunk, sharing::Head<"kind", KindHead>>>;
  Model model{{.seed = 4}};
  const auto numbers = numbers_of<float>(training::extract<"kind", KindLayers>(model, "kind"));
  const std::vector<double> exact(numbers.begin(), numbers.end());
  REQUIRE(numbers.size() == nn::parameter_count<KindLayers>(In::shape));
  const auto inputs = pictures();
  for (std::size_t i = 0; i < 3; ++i) {
    const std::span<const float> picture(inputs.data() + i * 25, 25);
    const auto y = outputs<KindLayers>(numbers, picture);
    const auto z = outputs<KindLayers>(exact, picture);
    for (std::size_t j = 0; j < 3; ++j) CHECK(static_cast<double>(y[j]) == doctest::Approx(z[j]).epsilon(1e-5));
    const auto dy = gradients<KindLayers>(numbers, picture);
    const auto dz = gradients<KindLayers>(exact, picture);
    for (std::size_t j = 0; j < dz.size(); ++j) {
      CAPTURE(j);
      CHECK(static_cast<double>(dy[j]) == doctest::Approx(dz[j]).epsilon(1e-5));
    }
  }
}

TEST_CASE("the text of an extracted network") {
  using Model = MultiTask<Input<2>, Tasks<Regression<"y", 1>>, sharing::Hard<nn::Dense<1>>>;
  using Layers = nn::Sequential<nn::Dense<1>, nn::Dense<1, nn::glorot_uniform>>;
  Model model;
  const std::array<float, 5> numbers{1.0F, -0.0F, 0.1F, 1e-45F, -3.4028235e38F};
  std::copy(numbers.begin(), numbers.end(), model.parameters().begin());
  const std::string version = join(MTLX_VERSION_MAJOR, ".", MTLX_VERSION_MINOR, ".", MTLX_VERSION_PATCH);
  CHECK(training::extract<"y", Layers>(model, "small") ==
        "// The network of the task \"y\" alone: 5 numbers. Made by mtlx " + version +
            ", training/extract.hpp.\n"
            "#pragma once\n\n"
            "namespace small {\n\n"
            "/// The shape of one sample: channels, height, width.\n"
            "inline constexpr int input[3] = {2, 1, 1};\n"
            "inline constexpr int outputs = 1;\n"
            "/// One block after the other, as the layers take them.\n"
            "inline constexpr float parameters[5] = {\n"
            "    // trunk.weight (2, 1)\n"
            "    0x1p+0F, -0x0p+0F,\n"
            "    // trunk.bias (1)\n"
            "    0x1.99999ap-4F,\n"
            "    // y.weight (1, 1)\n"
            "    0x0.000002p-126F,\n"
            "    // y.bias (1)\n"
            "    -0x1.fffffep+127F,\n"
            "};\n\n"
            "}  // namespace small\n");
  const auto back = numbers_of<float>(training::extract<"y", Layers>(model, "small"));
  REQUIRE(back.size() == numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i)
    CHECK(std::bit_cast<std::uint32_t>(back[i]) == std::bit_cast<std::uint32_t>(numbers[i]));
}

TEST_CASE("what can't be extracted is refused") {
  using Model = MultiTask<Input<4>, Tasks<Regression<"y", 3>>, sharing::Hard<nn::Dense<2>>>;
  using Layers = nn::Sequential<nn::Dense<2>, nn::Dense<3, nn::glorot_uniform>>;
  Model model;
  CHECK_THROWS_WITH_AS((training::extract<"y", Layers>(model, "no-name")),
                       "mtlx: extract: \"no-name\" can't name a namespace of C++", Error);
  CHECK_THROWS_AS((training::extract<"y", Layers>(model, "")), Error);
  CHECK_THROWS_AS((training::extract<"y", Layers>(model, "1st")), Error);
  model.parameters()[3] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH_AS((training::extract<"y", Layers>(model, "y")),
                       "mtlx: extract: trunk.weight has a number that is not finite, at 3", Error);
  // As many numbers, in other places.
  using One = MultiTask<Input<3>, Tasks<Regression<"y", 3>>, sharing::Hard<nn::Sequential<nn::Dense<1>, nn::Dense<2>>>>;
  using Turned = nn::Sequential<nn::Dense<2>, nn::Dense<1>, nn::Dense<3>>;
  CHECK_THROWS_WITH_AS(
      (training::extract<"y", Turned>(One(), "y")),
      "mtlx: extract: layers.0.weight of the layers is not what the model has at that place: trunk.0.weight", Error);
}

TEST_CASE("an extracted network is written as a file") {
  using Model = MultiTask<Input<2>, Tasks<Regression<"y", 1>>, sharing::Single<nn::Dense<1>>>;
  using Layers = nn::Sequential<nn::Dense<1>, nn::Dense<1, nn::glorot_uniform>>;
  const Model model;
  const std::string path = "mtlx_extract_test.hpp";
  training::write_extract<"y", Layers>(path, model, "net");
  std::FILE* file = std::fopen(path.c_str(), "rb");
  REQUIRE(file != nullptr);
  char text[2000];
  const std::size_t size = std::fread(text, 1, sizeof text, file);
  std::fclose(file);
  std::remove(path.c_str());
  CHECK(std::string(text, size) == training::extract<"y", Layers>(model, "net"));
}
