// SPDX-License-Identifier: MIT
// Every balancer keeps the laws that it declares, and the suite catches whoever breaks one.
#include <mtlx/balancing/aligned_mtl.hpp>
#include <mtlx/balancing/ca_grad.hpp>
#include <mtlx/balancing/con_fig.hpp>
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/dual_projection.hpp>
#include <mtlx/balancing/dynamic_weight_average.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/excess_risk.hpp>
#include <mtlx/balancing/fair_grad.hpp>
#include <mtlx/balancing/famo.hpp>
#include <mtlx/balancing/fixed_weights.hpp>
#include <mtlx/balancing/geometric_mean.hpp>
#include <mtlx/balancing/go4_align.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/balancing/grad_norm.hpp>
#include <mtlx/balancing/grad_vac.hpp>
#include <mtlx/balancing/imtl_g.hpp>
#include <mtlx/balancing/imtl_l.hpp>
#include <mtlx/balancing/log_loss.hpp>
#include <mtlx/balancing/mgda.hpp>
#include <mtlx/balancing/mo_co.hpp>
#include <mtlx/balancing/mo_do.hpp>
#include <mtlx/balancing/nash_mtl.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/random_weights.hpp>
#include <mtlx/balancing/sdm_grad.hpp>
#include <mtlx/balancing/smooth_tchebycheff.hpp>
#include <mtlx/balancing/uncertainty.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/balancing/weighted.hpp>
#include <mtlx/testing/balancer_laws.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace mtlx;
using namespace mtlx::balancing;

namespace {

void check_all(std::size_t matrices) {
  std::string broken;
  const auto check = [&](const char* name, const auto& policy) {
    const testing::Report report = testing::check_balancer(policy, {.matrices = matrices}, name);
    broken += report.text();
    CHECK(report.checks() > 3 * matrices);
  };
  using Mean = Mgda::Normalisation;
  FixedWeights fixed;
  fixed.weight.fill(0.5);
  Weighted<UpGrad> preferred;
  preferred.preferences.fill(2);
  preferred.preferences[1] = 0.25;
  Weighted<NashMtl> bargain;
  bargain.preferences.fill(0.5);
  check("AlignedMtl", AlignedMtl{});
  check("CaGrad", CaGrad{});
  check("CaGrad, c = 1", CaGrad{.c = 1});
  check("ConFig", ConFig{});
  check("DbMtl", DbMtl{});
  check("DualProjection", DualProjection{});
  check("DynamicWeightAverage", DynamicWeightAverage{});
  check("EqualWeights", EqualWeights{});
  check("ExcessRisk", ExcessRisk{});
  check("FairGrad", FairGrad{});
  check("FairGrad, alpha = 0.05", FairGrad{.alpha = 0.05});
  check("FairGrad, alpha = 0.5", FairGrad{.alpha = 0.5});
  check("FairGrad, alpha = 2", FairGrad{.alpha = 2});
  check("FairGrad, alpha = 10", FairGrad{.alpha = 10});
  check("Famo", Famo{});
  check("FixedWeights", fixed);
  check("GeometricMean", GeometricMean{});
  check("Go4Align", Go4Align{});
  check("GradDrop", GradDrop{});
  check("GradNorm", GradNorm{});
  check("GradVac", GradVac{});
  check("ImtlG", ImtlG{});
  check("ImtlL", ImtlL{});
  check("LogLoss", LogLoss{});
  check("Mgda", Mgda{});
  check("Mgda, l2", Mgda{.normalisation = Mean::l2});
  check("Mgda, loss", Mgda{.normalisation = Mean::loss});
  check("Mgda, loss+", Mgda{.normalisation = Mean::loss_plus});
  check("MoCo", MoCo{});
  check("MoCo, plain", MoCo{.normalise = false});
  check("MoDo", MoDo{});
  check("NashMtl", NashMtl{});
  check("NashMtl, any norm", NashMtl{.max_norm = 0});
  check("PcGrad", PcGrad{});
  check("RandomWeights", RandomWeights{});
  check("SdmGrad", SdmGrad{});
  check("SmoothTchebycheff", SmoothTchebycheff{});
  check("SmoothTchebycheff, plain", SmoothTchebycheff{.warm_up = 0});
  check("Uncertainty", Uncertainty{});
  check("UpGrad", UpGrad{});
  check("Weighted<UpGrad>", preferred);
  check("Weighted<NashMtl>", bargain);
  INFO(broken);
  CHECK(broken.empty());
}

// A plain sum that breaks one law.
struct Broken {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;

  enum class Law {
    none,
    assigned,
    memory,
    finite,
    places,
    reset,
    scale,
    single,
    order,
    random_order,
    conflict,
    independent,
    uphill,
    unsolved
  };
  Law law = Law::none;

  struct State {
    double steps = 0;
    void reset() {}
  };
  Laws laws() const {
    Laws laws;
    if (law == Law::random_order) laws.permutation = Permutation::in_distribution;
    if (law == Law::conflict) laws.never_conflicts = NeverConflicts::yes;
    if (law == Law::independent) laws.never_conflicts = NeverConflicts::independent;
    if (law == Law::unsolved) laws.unsolved = Unsolved::zero;
    return laws;
  }

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    static double calls = 0;
    std::fill(w.begin() + (law == Law::assigned ? 1 : 0), w.end(), 1.0);
    switch (law) {
      case Law::memory: w[0] = ++calls; break;
      case Law::finite: w[0] = 1 / problem.g(0, 0); break;
      case Law::places: w[0] = static_cast<double>(problem.task(0)); break;
      case Law::reset: w[0] = ++state.steps; break;
      // As a threshold on the Gram matrix does.
      case Law::scale: std::fill(w.begin(), w.end(), problem.g(0, 0) < 1e-4 ? 1.0 : 0.5); break;
      case Law::single: w[0] = w.size() == 1 ? 2 : 1; break;
      case Law::order: w[0] = 2; break;
      case Law::random_order: w[0] = 1 + Random(problem.random).uniform() / 2; break;
      case Law::uphill: std::fill(w.begin(), w.end(), -1.0); break;
      default: break;
    }
  }
};

// Combines by itself, and the range matters.
struct BrokenRanges {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  template <class S>
  void combine(const Problem&, const NoState&, std::span<const S* const> rows, std::size_t,
               std::span<S> direction) const {
    for (std::size_t k = 0; k < direction.size(); ++k) direction[k] = rows[0][k] + (k == 0 ? rows[0][0] : 0);
  }
};

// Says nothing of its laws, and the general ones hold.
struct Silent {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;
  void weights(const Problem& problem, NoState&, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<double>(i) - problem.losses[i];
  }
};

}  // namespace

TEST_CASE("every balancer keeps its laws, on some matrices") { check_all(200); }

TEST_CASE("every balancer keeps its laws, on thousands of matrices" * doctest::test_suite("slow")) { check_all(2500); }

TEST_CASE("whoever breaks a law is caught") {
  using Law = Broken::Law;
  const auto broken = [](Law law, std::string_view named) {
    const testing::Report report = testing::check_balancer(Broken{law}, {.matrices = 300}, "mine");
    const std::string text = report.text();
    CAPTURE(named);
    CAPTURE(text);
    CHECK(report.broke(named));
    CHECK(text.find("mine: " + std::string(named) + ": ") != std::string::npos);
  };
  broken(Law::assigned, "assigned");
  broken(Law::memory, "assigned");
  broken(Law::memory, "alone");
  broken(Law::finite, "finite");
  broken(Law::places, "places");
  broken(Law::reset, "reset");
  broken(Law::scale, "scale");
  broken(Law::single, "single task");
  broken(Law::order, "permutation");
  broken(Law::random_order, "permutation");
  broken(Law::conflict, "conflict");
  broken(Law::independent, "conflict");
  broken(Law::uphill, "uphill");
  broken(Law::unsolved, "unsolved");
  CHECK(testing::check_balancer(BrokenRanges{}, {.matrices = 100}).broke("ranges"));

  // Rows of zeros that "balance": the others have a solution, and to find it is no mistake.
  CHECK(testing::check_balancer(NashMtl{}, {.seed = 77, .matrices = 110}).text().empty());

  const testing::Report right = testing::check_balancer(Broken{}, {.matrices = 300});
  CHECK(right.text().empty());
  CHECK(right.checks() > 1000);
  const testing::Report silent = testing::check_balancer(Silent{}, {.matrices = 300});
  CHECK(silent.text().empty());
}
