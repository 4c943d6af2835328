// SPDX-License-Identifier: MIT
// A test that may be looked at after every block, and stopped at any time: is one plan better than another?
//
// D_b is by how much the candidate beats the present plan on block b, clipped to [-c, c]. As long as the candidate isn't
// better, E[D_b | all earlier blocks] <= 0, and then
//   M = prod_b (1 + lambda D_b / c),   0 < lambda <= 1/2,
// is a non-negative supermartingale that starts at 1 (an e-process): the probability that M ever reaches 1/alpha is at most
// alpha (Ville's inequality), however long one looks on and whenever one stops. After a rejection it starts anew against
// 1/alpha_k, k = 1, 2, ..., with alpha_k = alpha / (k (k+1)), whose sum is alpha: so the probability of even one wrong
// rejection in a whole training is at most alpha.
//
// What the caller must see to: the candidate on block b is chosen from earlier blocks alone (it may change from block to
// block), and a block is long enough for its difference not to follow from the last one's: at least twice the
// autocorrelation time (grouping/statistics/intervals.hpp). Clipping changes the question to that of the clipped
// difference's mean: take c so large that it is rare.
// References: Ville, "Etude critique de la notion de collectif", 1939.
// Shafer, "Testing by Betting", JRSS A 184, 2021. Ramdas, Grunwald, Vovk, Shafer, "Game-Theoretic Statistics and Safe
// Anytime-Valid Inference", Statistical Science 38, 2023.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>

namespace mtlx::grouping {

/// What an `EProcess` bets.
struct EProcessOptions {
  double bound = 1;  ///< c, above 0: differences are clipped to [-c, c]
  double lambda =
      0.5;  ///< the share that is bet, above 0 and at most 1/2. Small: surer of small differences, but slower
  double alpha = 0.05;  ///< the probability of a wrong rejection, over all restarts together

  void validate() const {
    check_option("EProcessOptions::bound", bound);
    if (!(bound > 0)) fail("EProcessOptions::bound must be above 0");
    check_option("EProcessOptions::lambda", lambda, {.most = 0.5});
    if (!(lambda > 0)) fail("EProcessOptions::lambda must be above 0");
    check_option("EProcessOptions::alpha", alpha, {.most = 1, .most_too = false});
    if (!(alpha > 0)) fail("EProcessOptions::alpha must be above 0");
  }
};

/// The e-process of the head of this file. Trivially copyable: its bytes are its state.
class EProcess {
 public:
  /// Throws `Error` if an option is out of range.
  explicit EProcess(const EProcessOptions& options = {}) : options_(options) { options_.validate(); }

  /// Takes one block's difference: how much better the candidate was, in the unit of `bound`. Returns `rejects()`. Throws
  /// `Error` at a number that is not finite.
  bool add(double difference) {
    if (!is_finite(difference))
      fail("EProcess: block ", blocks_, " after the restart has a difference that is not finite");
    const double clipped = std::clamp(difference, -options_.bound, options_.bound);
    log_value_ += std::log1p(options_.lambda * clipped / options_.bound);
    ++blocks_;
    return rejects();
  }

  /// log M.
  double log_value() const { return log_value_; }
  /// M, the evidence so far: the candidate's odds after a bet of 1. Below 1e300, whatever log M.
  double value() const { return std::exp(std::min(log_value_, 690.0)); }
  /// 1/alpha_k, which M must reach.
  double threshold() const { return k_ * (k_ + 1) / options_.alpha; }
  /// Whether M has reached its threshold: the candidate is better.
  bool rejects() const { return log_value_ >= std::log(threshold()); }
  /// Blocks since the last restart.
  std::size_t blocks() const { return blocks_; }
  const EProcessOptions& options() const { return options_; }

  /// Begins anew with M = 1 and the next alpha_k: after a rejection.
  void restart() {
    log_value_ = 0;
    blocks_ = 0;
    k_ += 1;
  }

 private:
  EProcessOptions options_;
  double log_value_ = 0;
  double k_ = 1;
  std::size_t blocks_ = 0;
};

}  // namespace mtlx::grouping
