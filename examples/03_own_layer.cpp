// SPDX-License-Identifier: MIT
// Your own layer, written for one sample over any number type, checked by the library's law suite, and trained.
#include <cstdio>
#include <mtlx/mtlx.hpp>
#include <mtlx/testing/layer_laws.hpp>
#include <vector>

using namespace mtlx;

/// Swish with a learned slope b for each channel: y = x sigmoid(b x).
/// dy/dx = s + b x s (1 - s) and dy/db = x² s (1 - s), with s = sigmoid(b x).
struct Swish {
  static constexpr std::string_view name = "Swish";

  static constexpr Shape output(Shape in) { return in; }

  static constexpr std::array<nn::Parameter, 1> parameters(Shape in) {
    return {nn::Parameter{.name = "slope", .shape = {in.channels}, .initialiser = nn::ones}};
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    constexpr std::size_t plane = In.size() / In.channels;
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.x[i] * sigmoid(s.p[i / plane] * s.x[i]);
  }

  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    constexpr std::size_t plane = In.size() / In.channels;
    for (std::size_t channel = 0; channel < In.channels; ++channel) {
      const Number slope = s.p[channel];
      Number dslope(0);
      for (std::size_t i = channel * plane; i < (channel + 1) * plane; ++i) {
        const Number x = s.x[i];
        const Number gate = sigmoid(slope * x);
        const Number turn = gate * (Number(1) - gate);
        s.dx[i] = s.dy[i] * (gate + slope * x * turn);
        dslope += s.dy[i] * x * x * turn;
      }
      s.dp[channel] += dslope;
    }
  }
};

using Trunk = nn::Sequential<nn::Dense<16>, Swish, nn::Residual<nn::Dense<16>, Swish>>;
using Model = MultiTask<Input<2>, Tasks<Regression<"product", 1>, BinaryLabels<"same sign", 1>>, sharing::Hard<Trunk>>;

int main() try {
  const testing::Report laws = testing::check_layer<Swish, Shape{3, 2, 2}>();
  if (!laws.ok()) {
    std::printf("%s", laws.text().c_str());
    return 1;
  }
  std::printf("Swish keeps every law of a layer\n");

  // Two numbers; one task is their product, the other whether they have the same sign.
  Random random(1, Purpose::user);
  std::vector<float> inputs, product, sign;
  for (int i = 0; i < 2000; ++i) {
    const auto a = static_cast<float>(random.normal()), b = static_cast<float>(random.normal());
    inputs.insert(inputs.end(), {a, b});
    product.push_back(a * b);
    sign.push_back(a * b > 0 ? 1.0F : 0.0F);
  }
  const data::DataSet data(data::Inputs({2}, inputs), {{"product", data::Targets::values(1, product)},
                                                       {"same sign", data::Targets::values(1, sign)}});
  const auto [train, test] = data::split(data, 0.8, 1);

  Model model{{.optimizer = {.learning_rate = 1e-2}}};
  model.fit(train, {.epochs = 30});
  const auto scores = model.evaluate(test);
  std::printf("product: error %.3f; same sign: %.3f right\n", scores.get<"product">().rmse,
              scores.get<"same sign">().accuracy);
  return scores.get<"same sign">().accuracy > 0.9 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
