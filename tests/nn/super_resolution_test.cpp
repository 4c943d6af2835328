// SPDX-License-Identifier: MIT
#include "layer_cases.hpp"
#include "trip.hpp"

#include <mtlx/data/data_set.hpp>
#include <mtlx/nn/flatten.hpp>
#include <mtlx/nn/super_resolution.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/testing/task_laws.hpp>
#include <mtlx/training/multi_task.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>

using namespace layers;

namespace {

/// y, dx and <dp, dy> of one sample.
template <std::size_t outputs, std::size_t inputs, std::size_t products>
struct Values {
  std::array<double, outputs> y;
  std::array<double, inputs> dx;
  std::array<double, products> product;
};

namespace stored {
#include "super_resolution_oracle.inc"
}

// The formulas of scripts/oracle/layers.py.
double x_at(int i) { return (i * 7 % 25 - 12) / 4.0; }
double dy_at(int i) { return (i * 5 % 13 - 6) / 8.0; }
double parameter_at(int i) { return (i * 3 % 11 - 4) / 64.0; }

Numbers numbers(double (*formula)(int), std::size_t count) {
  Numbers result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(formula(static_cast<int>(i)));
  return result;
}

void near(const char* what, std::span<const double> expected, const Numbers& got) {
  CAPTURE(what);
  REQUIRE(expected.size() == got.size());
  double largest = 0, apart = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    apart = std::max(apart, std::abs(expected[i] - got[i]));
    CHECK_FALSE(is_nan(got[i]));
  }
  CHECK(apart <= 1e-13 * largest);
}

/// Whether a network gives PyTorch's y and gradients.
template <Layer L, Shape In, std::size_t outputs, std::size_t inputs>
void agrees(const Values<outputs, inputs, 1>& expected) {
  const std::size_t count = parameter_count<L>(In);
  const Trip<L, In> trip(numbers(x_at, inputs), numbers(parameter_at, count), numbers(dy_at, outputs));
  near("y", expected.y, trip.y);
  near("dx", expected.dx, trip.dx);
  double product = 0;
  for (std::size_t i = 0; i < count; ++i) product += trip.dp[i] * dy_at(static_cast<int>(i));
  near("dp", expected.product, {product});
}

template <template <int, int> class Network>
void has_counts(std::size_t first) {
  CHECK(parameter_count<Network<2, 1>>(Shape{1, 8, 8}) == stored::parameters[first]);
  CHECK(parameter_count<Network<2, 3>>(Shape{3, 8, 8}) == stored::parameters[first + 1]);
  CHECK(parameter_count<Network<4, 1>>(Shape{1, 8, 8}) == stored::parameters[first + 2]);
  CHECK(parameter_count<Network<4, 3>>(Shape{3, 8, 8}) == stored::parameters[first + 3]);
  CHECK(Network<2, 1>::output(Shape{1, 5, 7}) == Shape{1, 10, 14});
  CHECK(Network<4, 3>::output(Shape{3, 5, 7}) == Shape{3, 20, 28});
}

// In full size, by scale and channels.
template <int scale, int channels>
using FullEspcn = Espcn<scale, channels>;
template <int scale, int channels>
using FullFsrcnn = Fsrcnn<scale, channels>;
template <int scale, int channels>
using FullEdsr = Edsr<scale, channels>;
template <int scale, int channels>
using FullMsrResNet = MsrResNet<scale, channels>;

using Float = backend::Cpu<float>;

}  // namespace

// Networks in few cases: the laws cost more to compile than all else here, and PyTorch has the gradients too.
TEST_CASE_TEMPLATE("long skips and networks obey the laws", C,
                   Case<LongSkip<Neighbours, Conv2d<2, 1>, Tanh>, image, Float>,
                   Case<MsrResNet<2, 1, 2, 1>, Shape{1, 3, 2}, Float>) {
  expect(C::check());
}

TEST_CASE("networks give PyTorch's values and gradients") {
  agrees<Espcn<4, 1, 4>, Shape{1, 2, 3}>(stored::espcn_4_1);
  agrees<Fsrcnn<2, 3, 6, 3, 2>, Shape{3, 2, 3}>(stored::fsrcnn_2_3);
  agrees<Fsrcnn<4, 1, 6, 3, 2>, Shape{1, 1, 3}>(stored::fsrcnn_4_1);
  agrees<Edsr<2, 3, 4, 2>, Shape{3, 2, 3}>(stored::edsr_2_3);
  agrees<MsrResNet<4, 1, 4, 2>, Shape{1, 3, 2}>(stored::msr_res_net_4_1);
  agrees<MsrResNet<2, 3, 4, 2>, Shape{3, 2, 3}>(stored::msr_res_net_2_3);
}

TEST_CASE("networks have the papers' numbers of parameters") {
  has_counts<FullEspcn>(0);
  has_counts<FullFsrcnn>(4);
  has_counts<FullEdsr>(8);
  has_counts<FullMsrResNet>(12);
  // FSRCNN(56, 12, 4): the paper's 12,464 weights, 173 biases and 172 slopes.
  CHECK(parameter_count<Fsrcnn<4, 1>>(Shape{1, 8, 8}) == 12464 + 173 + 172);
  CHECK(parameter_count<Repeated<Conv2d<2, 1>, 5>>(Shape{2, 3, 3}) == 5 * 6);
  CHECK(check<Edsr<4>, Shape{3, 9, 7}>());
  CHECK(check<MsrResNet<2, 1>, Shape{1, 9, 7}>());
}

TEST_CASE("a long skip by hand") {
  // y = nearest(x) + a x + b for each of the four fine pixels; dx = their sum of dy (1 + a).
  using Layer = LongSkip<Upsample<2>, ConvTranspose2d<1, 2, 2>>;
  const Trip<Layer, Shape{1, 1, 2}> trip({2, 4}, {1, 2, 3, 4, 0.5}, {1, 0, 1, 0, 0, 0, 0, 2});
  CHECK(trip.y == Numbers{4.5, 6.5, 8.5, 12.5, 8.5, 10.5, 16.5, 20.5});
  CHECK(trip.dx == Numbers{1 + 1, 1 + 2 + 1 + 8});
  CHECK(trip.dp == Numbers{2 + 4, 0, 0, 8, 4});
}

TEST_CASE("a task of pictures") {
  using Task = ImageToImage<"x2", Shape{1, 3, 4}, Charbonnier<>>;
  const testing::Report report = testing::check_task<Task>();
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(Task::accepts(0));
  CHECK(Task::accepts(1));
  for (const float target : {-0.01F, 1.01F, std::numeric_limits<float>::quiet_NaN()})
    CHECK_FALSE(Task::accepts(target));
}

TEST_CASE("a small network learns to make pictures larger") {
  constexpr Shape small{1, 4, 5}, large{1, 8, 10};
  using Sharp = ImageToImage<"x2", large, Charbonnier<>, Metrics<Psnr<large>, RootMeanSquaredError>>;
  using Model = MultiTask<Input<1, 4, 5>, Tasks<Sharp>, sharing::Hard<Espcn<2, 1, 8>, sharing::Head<"x2", Flatten>>>;
  // Slopes, of which the small picture has the means of 2 x 2 pixels.
  std::vector<float> inputs, targets;
  Random random(1, Purpose::user);
  for (int sample = 0; sample < 40; ++sample) {
    const double down = random.uniform() / 20, across = random.uniform() / 20, at = random.uniform() / 5;
    for (int h = 0; h < large.height; ++h)
      for (int w = 0; w < large.width; ++w) targets.push_back(static_cast<float>(at + down * h + across * w));
    for (int h = 0; h < small.height; ++h)
      for (int w = 0; w < small.width; ++w)
        inputs.push_back(static_cast<float>(at + down * (2 * h + 0.5) + across * (2 * w + 0.5)));
  }
  const data::DataSet data(data::Inputs(small, inputs),
                           {{"x2", data::Targets::values(static_cast<int>(large.size()), targets)}});
  Model model{{.optimizer = {.learning_rate = 1e-2}, .seed = 1}};
  const double before = model.evaluate(data).get<"x2">().psnr;
  model.fit(data, {.epochs = 40, .batch_size = 8});
  const auto after = model.evaluate(data).get<"x2">();
  CHECK(after.psnr > before + 10);
  CHECK(after.rmse < 0.05);
}
