// SPDX-License-Identifier: MIT
// The checker is checked: layers and losses with one mistake each, which the law suites must name.
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/testing/layer_laws.hpp>
#include <mtlx/testing/loss_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;
using namespace mtlx::nn;

namespace {

template <class S>
using NumberOf = typename std::remove_cvref_t<S>::Number;

/// y_i = w_i x_i + x_i², right in everything. The mistakes below are this layer, but for one thing.
struct Right {
  static constexpr Shape output(Shape in) { return in; }
  static constexpr std::array<Parameter, 1> parameters(Shape in) {
    return {Parameter{"weight", {static_cast<int>(in.size())}, Role::weight, 1, 1, ones}};
  }
  template <Shape In>
  static void forward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.p[i] * s.x[i] + s.x[i] * s.x[i];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) {
      s.dx[i] = s.dy[i] * (s.p[i] + s.x[i] + s.x[i]);
      s.dp[i] += s.dy[i] * s.x[i];
    }
  }
};

struct WrongInputGradient : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    Right::backward_sample<In>(s);
    s.dx[1] = s.dy[1] * (s.p[1] + s.x[1]);
  }
};
struct WrongSign : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) {
      s.dx[i] = s.dy[i] * (s.p[i] + s.x[i] + s.x[i]);
      s.dp[i] += s.dy[i] * -s.x[i];
    }
  }
};
/// Wrong by a thousandth in one place.
struct SlightlyWrong : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    Right::backward_sample<In>(s);
    s.dp[2] += s.dy[2] * s.x[2] * 0.001F;
  }
};
struct ForgetsParameterGradient : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i] * (s.p[i] + s.x[i] + s.x[i]);
  }
};
struct AssignsParameters : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) *s.dp[i].at = 0;
    Right::backward_sample<In>(s);
  }
};
struct AddsToInputGradient : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) {
      s.dx[i] += s.dy[i] * (s.p[i] + s.x[i] + s.x[i]);
      s.dp[i] += s.dy[i] * s.x[i];
    }
  }
};
struct ForgetsOneOutput : Right {
  template <Shape In>
  static void forward_sample(const auto& s) {
    for (std::size_t i = 0; i + 1 < In.size(); ++i) s.y[i] = s.p[i] * s.x[i] + s.x[i] * s.x[i];
  }
};
struct ForgetsOneGradient : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) {
      if (i > 0) s.dx[i] = s.dy[i] * (s.p[i] + s.x[i] + s.x[i]);
      s.dp[i] += s.dy[i] * s.x[i];
    }
  }
};
struct ReadsWhatItNeverSaved : Right {
  static constexpr std::size_t saved(Shape) { return 1; }
  template <Shape In>
  static void backward_sample(const auto& s) {
    Right::backward_sample<In>(s);
    s.dx[0] = s.dy[0] * (s.p[0] + s.x[0] + s.x[0]) + s.saved[0];
  }
};
struct ReadsItsOutputInSecret : Right {
  template <Shape In>
  static void backward_sample(const auto& s) {
    Right::backward_sample<In>(s);
    s.dx[0] = s.dy[0] * (s.p[0] + s.x[0] + s.x[0]) + (s.y[0] - s.y[0]);
  }
};
struct SaysInPlaceButReadsInput : Right {
  static constexpr bool in_place = true;
};
struct SavesMoreThanItSays : Right {
  static constexpr std::size_t saved(Shape) { return 1; }
  template <Shape In>
  static void forward_sample(const auto& s) {
    Right::forward_sample<In>(s);
    s.saved[0] = s.x[0];
    s.saved[1] = s.x[1];
  }
};
struct MovesParameters : Right {
  template <Shape In>
  static void forward_sample(const auto& s) {
    using Scalar = std::remove_const_t<std::remove_pointer_t<decltype(s.p.base)>>;
    Right::forward_sample<In>(s);
    const_cast<Scalar&>(s.p.base[0]) += Scalar(1);  // NOLINT: the mistake
  }
};
/// Takes the largest feature by std::max's way, which swallows NaN.
struct SwallowsNaN {
  static constexpr Shape output(Shape) { return {1}; }
  static constexpr std::size_t saved(Shape in) { return in.size(); }
  template <Shape In>
  static void forward_sample(const auto& s) {
    NumberOf<decltype(s)> best = s.x[0];
    for (std::size_t i = 1; i < In.size(); ++i) best = select(s.x[i] > best, s.x[i], best);
    s.y[0] = best;
    for (std::size_t i = 0; i < In.size(); ++i)
      s.saved[i] = select(s.x[i] == best, NumberOf<decltype(s)>(1), NumberOf<decltype(s)>(0));
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[0] * s.saved[i];
  }
};
/// Has no derivative anywhere that says anything.
struct Steps {
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = NumberOf<decltype(s)>;
    for (std::size_t i = 0; i < In.size(); ++i) {
      // A sawtooth finer than any step of a finite difference.
      const Number fine = s.x[i] * Number(1e9F);
      s.y[i] = fine - Number(1) / fine;
    }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i];
  }
};

/// x less its mean over the slice: samples depend on each other.
struct BatchMean {
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In, class Pass>
  static void forward(const Pass& pass) {
    using S = typename Pass::Slice;
    for (std::size_t i = 0; i < In.size(); ++i) {
      typename S::Scalar total = 0;
      S::for_each_lane([&](const typename S::Lane& lane) { S::accumulate(&total, lane.at(pass.x)[i]); });
      const typename S::Number mean(total / typename S::Scalar(S::width + 1));
      S::for_each_lane([&](const typename S::Lane& lane) { lane.at(pass.y)[i] = lane.at(pass.x)[i] - mean; });
    }
  }
  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    if constexpr (NeedInput) Pass::Slice::copy(pass.dy, pass.dx, In.size());
  }
};
/// y = 2x, but each sample but the first takes its neighbour's first feature.
struct NeighboursSample {
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In, class Pass>
  static void forward(const Pass& pass) {
    using S = typename Pass::Slice;
    S::copy(pass.x, pass.y, In.size());
    S::add(pass.x, pass.y, In.size());
    if constexpr (S::width > 1)
      for (int s = 1; s < S::width; ++s) pass.y.data[s] = 2 * pass.x.data[s - 1];
  }
  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    using S = typename Pass::Slice;
    if constexpr (!NeedInput) return;
    S::copy(pass.dy, pass.dx, In.size());
    S::add(pass.dy, pass.dx, In.size());
  }
};
/// Writes dx though nobody asked, and has other parameter gradients then.
struct HandyDense : Dense<3> {
  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    Dense<3>::backward<In, true>(pass);
    if constexpr (!NeedInput) pass.dparameters[0] += 1;
  }
};
/// Counts one parameter too few.
struct Miscounts : Right {
  static constexpr std::size_t parameter_count(Shape in) { return in.size() - 1; }
};
/// In training it drops by its own clock.
struct Restless {
  static constexpr Shape output(Shape in) { return in; }
  template <Shape In>
  static void forward_sample(const auto& s) {
    static int calls = 0;
    ++calls;
    for (std::size_t i = 0; i < In.size(); ++i)
      s.y[i] = s.training && calls % 3 == 0 ? NumberOf<decltype(s)>(0) : s.x[i];
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i];
  }
};

template <Layer L>
void finds(std::initializer_list<const char*> laws) {
  const testing::Report report = testing::check_layer<L, Shape{5}>();
  for (const char* law : laws) {
    CAPTURE(law);
    CAPTURE(report.text());
    CHECK(report.broke(law));
  }
}

// Losses with mistakes.

struct RightLoss {
  static constexpr int targets(int outputs) { return outputs; }
  template <int Outputs>
  static auto evaluate(const auto& s) {
    return MeanSquaredError::evaluate<Outputs>(s);
  }
};
struct ForgetsScale : RightLoss {
  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = NumberOf<decltype(s)>;
    const Number total = MeanSquaredError::evaluate<Outputs>(s);
    for (std::size_t i = 0; i < Outputs; ++i) s.dz[i] = s.dz[i] / s.scale;
    return total;
  }
};
struct CountsMissing : RightLoss {
  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = NumberOf<decltype(s)>;
    Number total(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const Number error = s.z[i] - s.target[i];
      total += error * error;
      s.dz[i] = s.scale * (error + error);
    }
    return total;
  }
};
/// Right for finite numbers, but 0 times infinity is NaN.
struct MultipliesByPresence : RightLoss {
  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = NumberOf<decltype(s)>;
    Number total(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const Number error = (s.z[i] - s.target[i]) * s.present[i];
      total += error * error;
      s.dz[i] = s.scale * (error + error);
    }
    return total;
  }
};
struct LeavesGradientOfMissing : RightLoss {
  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = NumberOf<decltype(s)>;
    Number total(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const auto there = s.present[i] > Number(0);
      const Number error = s.z[i] - s.target[i];
      total += select(there, error * error, Number(0));
      s.dz[i] = select(there, s.scale * (error + error), Number(s.dz[i]));
    }
    return total;
  }
};
struct Overflows : RightLoss {
  template <int Outputs>
  static auto evaluate(const auto& s) {
    using Number = NumberOf<decltype(s)>;
    Number total(0);
    for (std::size_t i = 0; i < Outputs; ++i) {
      const auto there = s.present[i] > Number(0);
      const Number power = exponential(Number(s.z[i]));
      total += select(there, logarithm(Number(1) + power) - s.target[i] * s.z[i], Number(0));
      s.dz[i] = select(there, s.scale * (power / (Number(1) + power) - s.target[i]), Number(0));
    }
    return total;
  }
};

template <class L>
void loss_finds(std::initializer_list<const char*> laws) {
  const testing::Report report = testing::check_loss<L, 3>();
  for (const char* law : laws) {
    CAPTURE(law);
    CAPTURE(report.text());
    CHECK(report.broke(law));
  }
}

}  // namespace

TEST_CASE("a right layer and a right loss pass") {
  const auto layer = testing::check_layer<Right, Shape{5}>();
  CHECK_MESSAGE(layer.ok(), layer.text());
  const auto loss = testing::check_loss<RightLoss, 3>();
  CHECK_MESSAGE(loss.ok(), loss.text());
}

TEST_CASE("wrong gradients are found") {
  finds<WrongInputGradient>({"gradient of x"});
  finds<WrongSign>({"gradient of the parameters"});
  finds<SlightlyWrong>({"gradient of the parameters"});
  finds<ForgetsParameterGradient>({"gradient of the parameters"});
  finds<Restless>({"(training)"});
}

TEST_CASE("a layer without slopes is not taken for a right one") { finds<Steps>({"gradient of x"}); }

TEST_CASE("adding where to assign and assigning where to add are found") {
  finds<AssignsParameters>({"dp is added to"});
  finds<AddsToInputGradient>({"dx is assigned"});
  finds<ForgetsOneOutput>({"y is assigned"});
  finds<ForgetsOneGradient>({"dx is assigned"});
  finds<ReadsWhatItNeverSaved>({"dx is assigned"});
}

TEST_CASE("broken promises are found") {
  finds<ReadsItsOutputInSecret>({"reads only what it declares"});
  finds<SaysInPlaceButReadsInput>({"in place: dx on dy", "reads only what it declares"});
  finds<SavesMoreThanItSays>({"nothing beyond its place"});
  finds<MovesParameters>({"left alone"});
  finds<HandyDense>({"dx is not touched", "dp is the same where nobody needs dx"});
  finds<Miscounts>({"parameters end at parameter_count"});
}

TEST_CASE("samples that meet are found") {
  finds<BatchMean>({"y doesn't depend on its neighbours", "agrees with Reference"});
  finds<NeighboursSample>({"y doesn't depend on its neighbours", "y doesn't depend on its place", "NaN in x"});
}

TEST_CASE("NaN that is swallowed is found") { finds<SwallowsNaN>({"NaN in x"}); }

TEST_CASE("wrong losses are found") {
  loss_finds<ForgetsScale>({"gradient", "dz grows with scale"});
  loss_finds<CountsMissing>({"missing targets have no influence", "a sample without targets"});
  loss_finds<MultipliesByPresence>({"missing targets have no influence", "a sample without targets"});
  loss_finds<LeavesGradientOfMissing>({"assigned, whatever dz held", "a sample without targets"});
  loss_finds<Overflows>({"stay finite"});
}

TEST_CASE("a report is a line for each broken law") {
  testing::Report report("subject");
  CHECK(report.ok());
  CHECK(report.text().empty());
  report.expect_same("law", {1, 2, 3, 4}, {1, 5, 3, 6}, 2);
  report.expect(false, "other law", "detail");
  report.expect_near("near law", {100, 0}, {100.5, 0.5}, 0.01);
  CHECK_FALSE(report.ok());
  CHECK(report.checks() == 5 + 1 + 3);
  CHECK(report.text() ==
        "subject: law: sample 0, at 1: expected 2, got 5 (and at 1 more)\n"
        "subject: other law: detail\n");
  CHECK(report.broke("other"));
  CHECK_FALSE(report.broke("near"));
  testing::Report whole("whole");
  whole.merge(report);
  CHECK(whole.text() == report.text());
  CHECK(whole.checks() == report.checks());
  report.expect_near("sizes", {1}, {}, 1);
  CHECK(report.broke("sizes"));
}
