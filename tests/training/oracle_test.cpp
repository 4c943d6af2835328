// SPDX-License-Identifier: MIT
// The first 100 steps of training against PyTorch's: same network, parameters, batches. oracle_lenet28.csv and
// oracle_lenet36.csv hold its losses; scripts/oracle/lenet_adam.py wrote them (scripts/check_python.sh makes sure).
#include "training/oracle_lenet.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

using Losses = std::vector<std::array<double, 2>>;

/// PyTorch's losses, of training in float and of training in double.
struct Stored {
  Losses in_float, in_double;
};

Stored stored(const std::string& name) {
  std::ifstream file(MTLX_SOURCE_DIR "/tests/training/" + name);
  REQUIRE(file);
  Stored found;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#') || line.starts_with("step")) continue;
    std::array<double, 4> numbers;
    const char* at = line.c_str() + line.find(',');
    for (double& number : numbers) {
      REQUIRE(*at == ',');
      char* end = nullptr;
      number = std::strtod(at + 1, &end);
      at = end;
    }
    found.in_float.push_back({numbers[0], numbers[1]});
    found.in_double.push_back({numbers[2], numbers[3]});
  }
  return found;
}

struct Recorder : mtlx::training::Observer {
  Losses losses;
  void on_step(const mtlx::training::Step& step) override { losses.push_back({step.losses[0], step.losses[1]}); }
};

template <int side, class T>
Losses trained() {
  const auto pairs = oracle::pairs<side>();
  oracle::Start<side, T> start;
  Recorder recorder;
  start.model.fit(pairs.train, {.batch_size = oracle::batch_size, .observers = {&recorder}});
  return recorder.losses;
}

/// The largest relative deviation in the first `steps` steps.
double deviation(const Losses& found, const Losses& expected, std::size_t steps) {
  REQUIRE(found.size() == oracle::steps);
  REQUIRE(expected.size() == oracle::steps);
  double largest = 0;
  for (std::size_t step = 0; step < steps; ++step)
    for (std::size_t t = 0; t < 2; ++t) largest = std::max(largest, std::abs(found[step][t] / expected[step][t] - 1));
  return largest;
}

}  // namespace

// In double all 100 steps agree to rounding: the algorithm is the same. In float Adam makes a step of full size from a
// gradient that is nothing but rounding, so later losses tell of chance: PyTorch's own, in float and in double, are
// 3.6e-3 (LeNet28) and 1.1e-2 (LeNet36) apart within 100 steps.
constexpr double double_tolerance = 1e-10;
constexpr double float_tolerance = 1e-5;
constexpr std::size_t float_steps = 20;

TEST_CASE("100 steps of LeNet28 have PyTorch's losses, in double" * doctest::test_suite("slow")) {
  const double largest = deviation(trained<28, double>(), stored("oracle_lenet28.csv").in_double, oracle::steps);
  INFO("largest relative deviation: ", largest);
  CHECK(largest < double_tolerance);
}

TEST_CASE("the first steps of LeNet28 have PyTorch's losses, in float" * doctest::test_suite("slow")) {
  const double largest = deviation(trained<28, float>(), stored("oracle_lenet28.csv").in_float, float_steps);
  INFO("largest relative deviation: ", largest);
  CHECK(largest < float_tolerance);
}

TEST_CASE("100 steps of LeNet36 have PyTorch's losses, in double" * doctest::test_suite("slow")) {
  const double largest = deviation(trained<36, double>(), stored("oracle_lenet36.csv").in_double, oracle::steps);
  INFO("largest relative deviation: ", largest);
  CHECK(largest < double_tolerance);
}

TEST_CASE("the first steps of LeNet36 have PyTorch's losses, in float" * doctest::test_suite("slow")) {
  const double largest = deviation(trained<36, float>(), stored("oracle_lenet36.csv").in_float, float_steps);
  INFO("largest relative deviation: ", largest);
  CHECK(largest < float_tolerance);
}
