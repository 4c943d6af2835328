// SPDX-License-Identifier: MIT
#include "layer_cases.hpp"
#include "trip.hpp"

#include <mtlx/nn/embedding.hpp>
#include <mtlx/nn/sequential.hpp>

#include <cmath>
#include <limits>

using namespace layers;

namespace {

/// Numbers to ids from 0 to 4 by thresholds, so that the laws, which draw normal numbers, hold for layers of ids. Flat:
/// its gradient is 0. NaN stays.
struct ToIds {
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    for (std::size_t i = 0; i < In.size(); ++i) {
      const Number x = s.x[i];
      Number id = x - x;
      for (const float threshold : {-0.9F, -0.3F, 0.2F, 0.8F})
        id += select(x > Number(threshold), Number(1), Number(0));
      s.y[i] = id;
    }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = Number(0);
  }
};

template <class... Layers>
struct OfIds;
template <Layer L, Shape Input>
struct OfIds<Case<L, Input>> {
  static testing::Report check() { return testing::check_layer<Sequential<ToIds, L>, Input>(); }
};

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE_TEMPLATE("embeddings obey the laws", C, OfIds<Case<Embedding<5, 3>, row>>,
                   OfIds<Case<Embedding<6, 1>, Shape{1}>>, OfIds<Case<Embedding<5, 17>, Shape{1, 2, 3}>>,
                   OfIds<Case<Sequential<Embedding<5, 2>, Conv2d<3, 3, 1, 1>, Relu, Dense<2>>, row>>) {
  expect(C::check());
}

TEST_CASE("Embedding by hand") {
  // Rows (1, 2), (3, 4) and (5, 6); a place is a pixel with two channels. Row 2 is read twice, row 1 never.
  const Trip<Embedding<3, 2>, Shape{3}> text({2, 0, 2}, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 10, 20, 30});
  CHECK(text.y == Numbers{5, 1, 5, 6, 2, 6});
  CHECK(text.dp == Numbers{2, 20, 0, 0, 4, 40});
  CHECK(text.dx == Numbers{0, 0, 0});
  static_assert(Embedding<3, 2>::output(Shape{3}) == Shape{2, 1, 3}, "mtlx: a row of ids");
  static_assert(Embedding<3, 2>::output(Shape{1, 4, 5}) == Shape{2, 4, 5}, "mtlx: an image of ids");
  static_assert(Embedding<3, 2>::output(Shape{1}) == Shape{2}, "mtlx: one id is a plain vector");
}

TEST_CASE("what is no id reads nothing, gives NaN and has no gradient") {
  using Layer = Embedding<3, 2>;
  constexpr Shape shape{2};
  const std::vector<double> wrong{-1, 3, 0.5, 1e9, 3e38, -3e38, 2.9999, -1e-30, not_a_number, infinity, -infinity};
  testing::detail::LayerInput input;
  for (const double id : wrong) {
    input.x.insert(input.x.end(), {id, 1});
    input.dy.insert(input.dy.end(), {100, 1, 100, 2});
  }
  input.parameters = {1, 2, 3, 4, 5, 6};
  const double samples = static_cast<double>(wrong.size());
  const auto check = [&]<class S>(std::type_identity<S>) {
    CAPTURE(S::width);
    const auto got = testing::detail::LayerRun<Layer, shape, S>::run(input);
    CHECK(got.intact);
    for (std::size_t s = 0; s < wrong.size(); ++s) {
      CAPTURE(wrong[s]);
      CHECK(is_nan(got.y[4 * s]));
      CHECK(got.y[4 * s + 1] == 3);
      CHECK(is_nan(got.y[4 * s + 2]));
      CHECK(got.y[4 * s + 3] == 4);
    }
    CHECK(got.dparameters == Numbers{0, 0, samples, 2 * samples, 0, 0});
    CHECK(got.dx == Numbers(input.x.size(), 0));
  };
  check(std::type_identity<backend::ReferenceSlice>{});
  check(std::type_identity<backend::Cpu<float>::Slice<1>>{});
  check(std::type_identity<backend::Cpu<float>::Slice<(std::size_t{1} << 20)>>{});
  check(std::type_identity<backend::Cpu<double>::Slice<1>>{});
}

TEST_CASE("Embedding says its parameters") {
  const auto list = parameters<Embedding<100, 7>>(Shape{5});
  CHECK(list[0].name == "weight");
  CHECK(list[0].shape == std::array{100, 7, 0, 0});
  CHECK(list[0].role == Role::embedding);
  // As PyTorch: standard normal. Five standard deviations of mean and variance.
  Random random(1, Purpose::initialise);
  double sum = 0, squares = 0;
  constexpr int count = 10000;
  for (int i = 0; i < count; ++i) {
    const double number = list[0].initialiser(random, list[0].fan_in, list[0].fan_out);
    sum += number;
    squares += number * number;
  }
  CHECK(std::abs(sum / count) < 0.05);
  CHECK(std::abs(squares / count - 1) < 0.071);
}
