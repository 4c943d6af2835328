// SPDX-License-Identifier: MIT
// Studies of real trainings, each 10 seeds of a tiny network on generated data, 500 times with new seeds: how often do tests
// find a difference where there is none, and where there is one?
#include <doctest/doctest.h>

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/study/statistics.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace mtlx;

namespace {

using Model = MultiTask<Input<2>, Tasks<Regression<"height", 1>>,
                        sharing::Single<nn::Sequential<nn::Dense<3>, nn::Tanh>>, optim::Sgd>;

data::DataSet points(std::size_t count, std::uint64_t stream) {
  Random random(5, Purpose::user, stream);
  std::vector<float> x(2 * count), height(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < 2; ++j) x[2 * i + j] = static_cast<float>(random.normal());
    height[i] = x[2 * i] - x[2 * i + 1] + static_cast<float>(0.5 * random.normal());
  }
  return {data::Inputs({2}, x), {{"height", data::Targets::values(1, height)}}};
}

/// A study of the baseline, of the same with other streams, and of one that learns more slowly, with others again.
study::Study studied(std::size_t seeds, std::uint64_t first_seed) {
  static const data::DataSet train = points(40, 1), test = points(40, 2);
  study::Options options{.seeds = seeds, .first_seed = first_seed, .epochs = 3, .batch_size = 8};
  options.splits.validation = 0;
  const auto candidate = [](const char* name, double rate, std::uint64_t shift) {
    return study::Candidate<Model>{name, {{.optimizer = {.learning_rate = rate}, .backend = {.threads = 1}}}, shift};
  };
  return study::compare({.train = &train, .test = &test}, options, candidate("baseline", 0.05, 0),
                        candidate("again", 0.05, std::uint64_t{1} << 40),
                        candidate("slower", 0.018, std::uint64_t{1} << 41));
}

/// Differences to the baseline's error, seed by seed.
std::vector<double> differences(const study::Study& study, std::size_t candidate) {
  std::vector<double> own, baseline;
  for (const study::RunRecord& run : study.runs) {
    REQUIRE_MESSAGE(!run.failed(), run.error);
    if (run.candidate == 0) baseline.push_back(run.metrics[0]);
    if (run.candidate == candidate) own.push_back(run.metrics[0]);
  }
  return study::differences(own, baseline);
}

}  // namespace

TEST_CASE("tests err as often as they may, and find what they should" * doctest::test_suite("slow")) {
  constexpr std::size_t seeds = 10, studies = 500, pilot = 2000;
  constexpr double level = 0.05;
  // What is stated beforehand rests on runs of their own.
  const study::Mean planted = study::mean_of(differences(studied(pilot, std::uint64_t{1} << 32), 2));
  const double stated = study::paired_t_power(seeds, planted.value, planted.deviation);
  MESSAGE("the planted effect is " << planted.value << " +- " << planted.deviation << ", the stated power " << stated);
  REQUIRE(stated > 0.5);
  REQUIRE(stated < 0.9);

  std::size_t t_errors = 0, rank_errors = 0, sign_errors = 0, t_finds = 0, rank_finds = 0, sign_finds = 0;
  for (std::size_t i = 0; i < studies; ++i) {
    const study::Study study = studied(seeds, 1 + i * seeds);
    const std::vector<double> none = differences(study, 1), some = differences(study, 2);
    t_errors += study::paired_t(none).significant(level);
    rank_errors += study::wilcoxon_signed_rank(none).significant(level);
    sign_errors += study::sign_flip(none).significant(level);
    t_finds += study::paired_t(some).significant(level);
    rank_finds += study::wilcoxon_signed_rank(some).significant(level);
    sign_finds += study::sign_flip(some).significant(level);
  }
  const auto rate = [](std::size_t count) { return static_cast<double>(count) / studies; };
  MESSAGE("without an effect, rejected by t " << rate(t_errors) << ", Wilcoxon " << rate(rank_errors) << ", signs "
                                              << rate(sign_errors));
  MESSAGE("with it, found by t " << rate(t_finds) << ", Wilcoxon " << rate(rank_finds) << ", signs "
                                 << rate(sign_finds));
  CHECK(rate(t_errors) >= 0.03);
  CHECK(rate(t_errors) <= 0.07);
  // Two-sided patterns come in pairs: at most 50 of the 1024 are within 5 %. Three deviations of 500 coins more.
  CHECK(rate(rank_errors) <= 50.0 / 1024 + 0.029);
  CHECK(rate(sign_errors) <= 50.0 / 1024 + 0.029);
  // Three deviations again, and as much for the pilot's own error.
  CHECK(std::abs(rate(t_finds) - stated) < 0.09);
  CHECK(std::abs(rate(sign_finds) - stated) < 0.09);
  CHECK(rate(rank_finds) > stated - 0.12);  // ranks may find less
}
