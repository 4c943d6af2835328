// SPDX-License-Identifier: MIT
// The methods that go by the Gram matrix: published values and those of an exact solver, what peers get wrong, and the edges.
#include <mtlx/balancing/aligned_mtl.hpp>
#include <mtlx/balancing/ca_grad.hpp>
#include <mtlx/balancing/con_fig.hpp>
#include <mtlx/balancing/dual_projection.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/fair_grad.hpp>
#include <mtlx/balancing/grad_vac.hpp>
#include <mtlx/balancing/imtl_g.hpp>
#include <mtlx/balancing/mgda.hpp>
#include <mtlx/balancing/nash_mtl.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/balancing/weighted.hpp>

#include "support/allocation_counter.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using namespace mtlx;
using namespace mtlx::balancing;

namespace {

#include "vectors.inc"

using Vector64 = std::vector<double>;
using Matrix = std::vector<Vector64>;  // (tasks, parameters)

double inner(const Vector64& a, const Vector64& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
Vector64 gram_of(const Matrix& j) {
  Vector64 gram;
  for (const Vector64& a : j)
    for (const Vector64& b : j) gram.push_back(inner(a, b));
  return gram;
}
Vector64 combined(const Matrix& j, const Vector64& w) {
  Vector64 d(j[0].size());
  for (std::size_t i = 0; i < j.size(); ++i)
    for (std::size_t p = 0; p < d.size(); ++p) d[p] += w[i] * j[i][p];
  return d;
}

template <class P>
Vector64 weights_of(const P& policy, const Matrix& j, const Vector64& losses = {}, PolicyState<P>* kept = nullptr) {
  static_assert(Balancer<P> && Lawful<P>);
  validate(policy);
  const Vector64 gram = gram_of(j);
  Vector64 w(j.size(), -7);
  PolicyState<P> state{};
  policy.weights(Problem{.tasks = TaskSet::first(j.size()), .losses = losses, .gram = gram},
                 kept != nullptr ? *kept : state, w);
  return w;
}
template <class P>
Vector64 direction_of(const P& policy, const Matrix& j) {
  return combined(j, weights_of(policy, j));
}

Vector64 named_weights(std::string_view method, const Matrix& j) {
  if (method == "EqualWeights") return weights_of(EqualWeights{}, j);
  if (method == "PcGrad") return weights_of(PcGrad{}, j);
  if (method == "GradVac") return weights_of(GradVac{}, j);
  if (method == "Mgda") return weights_of(Mgda{}, j);
  if (method == "UpGrad") return weights_of(UpGrad{}, j);
  if (method == "UpGrad(1e-4)") return weights_of(UpGrad{.regularisation = 1e-4}, j);
  if (method == "DualProjection(1e-4)") return weights_of(DualProjection{.regularisation = 1e-4}, j);
  if (method == "ImtlG") return weights_of(ImtlG{}, j);
  if (method == "AlignedMtl(min)") return weights_of(AlignedMtl{}, j);
  if (method == "AlignedMtl(median)") return weights_of(AlignedMtl{.scale = AlignedMtl::Scale::median}, j);
  if (method == "AlignedMtl(rmse)") return weights_of(AlignedMtl{.scale = AlignedMtl::Scale::rmse}, j);
  if (method == "ConFig") return weights_of(ConFig{}, j);
  if (method == "FairGrad(1)") return weights_of(FairGrad{}, j);
  if (method == "FairGrad(2)") return weights_of(FairGrad{.alpha = 2}, j);
  if (method == "NashMtl") return weights_of(NashMtl{}, j);
  const double c = method.starts_with("CaGrad(0.4") ? 0.4 : method.starts_with("CaGrad(0.5") ? 0.5 : 1;
  REQUIRE(method.starts_with("CaGrad("));
  return weights_of(
      CaGrad{.c = c, .rescale = method.ends_with("squared)") ? CaGrad::Rescale::squared : CaGrad::Rescale::none}, j);
}

void check_numbers(const Vector64& found, const double* expected, double tolerance) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance);
  }
}
void check_near(const Vector64& found, const Vector64& expected, double tolerance = 1e-12) {
  REQUIRE(found.size() == expected.size());
  check_numbers(found, expected.data(), tolerance);
}

void check_vector(const Vector& v) {
  CAPTURE(v.method);
  Matrix j(v.tasks, Vector64(v.parameters));
  for (std::size_t i = 0; i < v.tasks; ++i)
    for (std::size_t p = 0; p < v.parameters; ++p) j[i][p] = v.rows[i * v.parameters + p];
  CAPTURE(j[0][0]);
  Vector64 w = named_weights(v.method, j);
  if (std::string_view(v.method) == "ImtlG" && v.has_weights && v.weights[2] > 5)
    for (double& weight : w) weight = -weight;  // uphill for all tasks: the next test case
  if (v.has_weights) check_numbers(w, v.weights, v.tolerance);
  if (v.has_output) check_numbers(combined(j, w), v.output, v.tolerance);
}

const Matrix conflict{{-4, 1, 1}, {6, 1, 1}};
const Matrix opposite{{1, 2}, {-2, -4}};
const Matrix no_conflict{{1, 2, 3}, {2, 1, 0.5}, {0.5, 1, 1}};

Matrix times(Matrix j, double factor) {
  for (Vector64& row : j)
    for (double& number : row) number *= factor;
  return j;
}

}  // namespace

TEST_CASE("TorchJD's published values") {
  for (const Vector& vector : published) check_vector(vector);
}

TEST_CASE("values of an exact solver") {
  for (const Vector& vector : exact) check_vector(vector);
}

TEST_CASE("GradVac, call by call") {
  GradVac::State state;
  for (const double(&call)[3] : grad_vac) {
    const Vector64 w = weights_of(GradVac{}, conflict, {}, &state);
    check_numbers(w, call, 1e-8);
    CHECK(state.target[1] == doctest::Approx(call[2]).epsilon(1e-9));
    CHECK(state.target[TaskSet::capacity] == doctest::Approx(call[2]).epsilon(1e-9));
  }
  state.reset();
  check_numbers(weights_of(GradVac{}, conflict, {}, &state), grad_vac[0], 1e-8);
  // Alike again and again: the target nears 1, and rounding would have sqrt(1 - c²) of what is above 1 (LibMTL: NaN).
  state.reset();
  for (int call = 0; call < 80; ++call)
    for (const double weight : weights_of(GradVac{}, {{0.1, 0.2, 0.3}, {0.3, 0.6, 0.9}}, {}, &state))
      CHECK(weight > 0.5);
  for (const double weight : weights_of(GradVac{}, conflict, {}, &state)) CHECK(is_finite(weight));
}

TEST_CASE("defect of a peer: tiny gradients are not taken for zeros (TorchJD zeroes a Gram matrix of trace < 1e-4)") {
  for (const double scale : {1e-3, 1e-12, 1e-100, 1e100}) {
    CAPTURE(scale);
    const Matrix tiny = times(conflict, scale);
    check_near(times({direction_of(UpGrad{}, tiny)}, 1 / scale)[0], {5.0 / 17.1, 1.90058479532, 1.90058479532}, 1e-8);
    check_near(times({direction_of(DualProjection{}, tiny)}, 1 / scale)[0], {5.0 / 9, 10.0 / 9, 10.0 / 9}, 1e-12);
    check_near(times({direction_of(CaGrad{}, tiny)}, 1 / scale)[0], {0.183503419072, 1.20412414523, 1.20412414523},
               1e-10);
    check_near(weights_of(Mgda{}, tiny), {0.6, 0.4});
    // The power that FairGrad declares; Nash's direction doesn't change.
    check_near(direction_of(NashMtl{}, tiny), direction_of(NashMtl{}, conflict));
    const FairGrad fair{.alpha = 2};
    check_near(times({direction_of(fair, tiny)}, 1 / std::pow(scale, fair.laws().scale_exponent))[0],
               direction_of(fair, conflict), 1e-11);
  }
}

TEST_CASE("defect of a peer: UPGrad doesn't conflict where rows differ much in length (TorchJD: -14.8)") {
  const Matrix j{{1, 0.5}, {-100, 100}};
  const Vector64 d = direction_of(UpGrad{}, j);
  check_near(d, {-29.625, 60.375}, 1e-12);
  CHECK(inner(j[0], d) > 0.5);
  CHECK(inner(j[0], direction_of(UpGrad{.regularisation = 1e-4}, j)) ==
        doctest::Approx(-14.8).epsilon(0.01));  // theirs
  CHECK(UpGrad{}.laws().never_conflicts == NeverConflicts::yes);
  CHECK(UpGrad{.regularisation = 1e-4}.laws().never_conflicts == NeverConflicts::no);
}

TEST_CASE("defect of a peer: IMTL-G doesn't go uphill for every task") {
  const Vector64 d = direction_of(ImtlG{}, no_conflict);
  check_near(d, {3.95003176339, 1.89139162277, 3.78133792821}, 1e-8);
  Vector64 cosines;
  for (const Vector64& row : no_conflict) cosines.push_back(inner(row, d) / std::sqrt(inner(row, row)));
  CHECK(cosines[0] > 5);
  check_near(cosines, Vector64(3, cosines[0]), 1e-10);
  // ConFIG's is the same line.
  const Vector64 line = direction_of(ConFig{}, no_conflict);
  CHECK(inner(d, line) == doctest::Approx(std::sqrt(inner(d, d) * inner(line, line))).epsilon(1e-12));
  // Weights that cancel, sum v = 0: G = {1, 2; 2, 4.0001}, v of the ratio -1 : 1 at a length between; none is beyond the limit.
  for (double length = 1; length < 8; length += 1.0 / 512) {
    double sizes = 0;
    for (const double weight : weights_of(ImtlG{}, {{1, 0}, {length * 0.8, length * 0.6}})) sizes += std::abs(weight);
    CHECK(sizes <= 100 * (1 + 1e-12));
    CHECK(sizes >= 1 - 1e-12);
  }
  // Three rows whose v all but cancels: without the limit sum |w| is above 1600.
  Matrix cancels = no_conflict;
  for (double& number : cancels[2]) number *= 1.2058;
  double sizes = 0;
  for (const double weight : weights_of(ImtlG{}, cancels)) sizes += std::abs(weight);
  CHECK(sizes == doctest::Approx(100).epsilon(1e-12));
  sizes = 0;
  for (const double weight : weights_of(ImtlG{.limit = 1e6}, cancels)) sizes += std::abs(weight);
  CHECK(sizes > 1500);
}

TEST_CASE("defect of a peer: Frank-Wolfe stops early, or spins; the active set is exact") {
  // By hand: three rows whose hull is nearest to 0 within, at (1, 1, 1) / 3.
  check_near(weights_of(Mgda{}, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}), Vector64(3, 1.0 / 3));
  // On the edge of the second and third: w = (0, 0.9, 0.1), where every row's product with the point is its square, 0.9.
  check_near(weights_of(Mgda{}, {{2, 2}, {1, 0}, {0, 3}}), {0, 0.9, 0.1});
}

TEST_CASE("MGDA's normalisations") {
  const Matrix j{{30, 0}, {0, 4}};
  const Vector64 losses{3, 2};
  using N = Mgda::Normalisation;
  // Orthogonal rows of length r have weights that go as 1 / r²; each is then divided by s, and all are times s' harmonic mean.
  check_near(weights_of(Mgda{.normalisation = N::none}, j, losses), {16.0 / 916, 900.0 / 916});
  check_near(weights_of(Mgda{.normalisation = N::l2}, j, losses), {4.0 / 34, 30.0 / 34});
  check_near(weights_of(Mgda{.normalisation = N::loss}, j, losses), {4.0 / 104 * 2.4 / 3, 100.0 / 104 * 2.4 / 2});
  const double mean = 2 / (1.0 / 90 + 1.0 / 8);
  check_near(weights_of(Mgda{.normalisation = N::loss_plus}, j, losses), {9.0 / 13 * mean / 90, 4.0 / 13 * mean / 8});
  // Weights of the unit rows on the rows as they are would make the first task worse.
  const Matrix bent{{1, 0}, {-80, 60}};
  CHECK(inner(bent[0], direction_of(Mgda{.normalisation = N::l2}, bent)) > 0);
  // A row of zeros stops all, or is left out.
  const Matrix zero{{0, 0}, {1, 2}};
  check_near(direction_of(Mgda{}, zero), {0, 0}, 0);
  check_near(weights_of(Mgda{.normalisation = N::l2}, zero), {0, 1}, 0);
  check_near(weights_of(Mgda{.normalisation = N::l2}, {{0, 0}}), {0}, 0);
  check_near(weights_of(Mgda{.normalisation = N::loss}, j, {0, 2}), {0, 1}, 0);
  CHECK_THROWS_WITH_AS(weights_of(Mgda{.normalisation = N::loss}, j, {3, -2}),
                       "mtlx: Mgda: the loss of task 1 (the first is 0) is -2, and must be at least 0", Error);
  CHECK_THROWS_WITH_AS(weights_of(Mgda{.normalisation = N::loss}, j),
                       "mtlx: Mgda: it goes by the losses too, and none are given", Error);
}

TEST_CASE("where there is no solution") {
  const Matrix triangle{{1, 0}, {-1, 2}, {-1, -2}};  // 0 is within the hull
  for (const Matrix& j : {opposite, triangle, Matrix{{0, 0}, {0, 0}}}) {
    const Vector64 nothing(j.size());
    CHECK(weights_of(NashMtl{}, j) == nothing);
    CHECK(weights_of(FairGrad{.alpha = 0.5}, j) == nothing);
    check_near(direction_of(Mgda{}, j), {0, 0}, 1e-15);
    check_near(direction_of(UpGrad{}, j), {0, 0}, 1e-15);
  }
  check_near(direction_of(ConFig{}, opposite), {0, 0}, 1e-15);
  // TorchJD's NashMTL fails on a row of zeros; here it is left out, as it is by FairGrad and ConFIG.
  check_near(direction_of(NashMtl{}, {{0, 0}, {0, 3}}), {0, 1});
  check_near(direction_of(FairGrad{}, {{0, 0}, {0, 3}}), {0, 1});
  check_near(direction_of(ConFig{}, {{0, 0}, {0, 3}}), {0, 3});
  // CAGrad: no direction helps both, and the mean is farther from the cone of those that harm none than c allows ...
  check_near(direction_of(CaGrad{.c = 0.5}, opposite), {-0.25, -0.5});
  // ... or it is near enough.
  check_near(direction_of(CaGrad{.c = 1}, opposite), {0, 0});
  check_near(direction_of(CaGrad{.c = 0.9}, {{1, 0}, {-1, 0}, {0, 3}}), {0, 1});
  check_near(direction_of(CaGrad{.c = 0}, conflict), {1, 1, 1});
  check_near(direction_of(CaGrad{}, {{0, 0}, {0, 0}}), {0, 0});
}

TEST_CASE("one task") {
  const Matrix j{{-3e5, 4e5}};
  check_near(weights_of(Mgda{}, j), {1});
  check_near(weights_of(UpGrad{}, j), {1});
  check_near(weights_of(DualProjection{}, j), {1});
  check_near(weights_of(ImtlG{}, j), {1});
  check_near(weights_of(AlignedMtl{}, j), {1});
  check_near(weights_of(ConFig{}, j), {1});
  check_near(weights_of(GradVac{}, j), {1});
  check_near(weights_of(CaGrad{}, j), {CaGrad{}.laws().single_task_scale});
  CHECK(CaGrad{.c = 0.5, .rescale = CaGrad::Rescale::linear}.laws().single_task_scale == 1);
  check_near(direction_of(NashMtl{}, j), {-0.6, 0.8});
  check_near(direction_of(NashMtl{.max_norm = 0.5}, j), {-0.3, 0.4});
  check_near(direction_of(FairGrad{.alpha = 3}, j), {-0.6 / std::sqrt(5e5), 0.8 / std::sqrt(5e5)});
  CHECK(FairGrad{.alpha = 3}.laws().scale_exponent == -0.5);
}

TEST_CASE("FairGrad from the sum's dual projection to max-min") {
  check_near(weights_of(FairGrad{.alpha = 0.01}, conflict), {22.0 / 18, 1}, 0.05);
  check_near(weights_of(FairGrad{.alpha = 0.01}, no_conflict), {1, 1, 1}, 0.05);
  Vector64 gains;
  for (const Vector64& row : conflict) gains.push_back(inner(row, direction_of(FairGrad{.alpha = 10}, conflict)));
  // Gains w^(-1/10).
  const Vector64 w = weights_of(FairGrad{.alpha = 10}, conflict);
  for (std::size_t i = 0; i < 2; ++i) CHECK(gains[i] == doctest::Approx(std::pow(w[i], -0.1)).epsilon(1e-9));
  CHECK(gains[0] == doctest::Approx(gains[1]).epsilon(0.05));
  CHECK_THROWS_AS(validate(FairGrad{.alpha = 1e-3}), Error);
  CHECK_THROWS_WITH_AS(validate(FairGrad{.alpha = 20}),
                       "mtlx: FairGrad: alpha must be at least 0.01 and at most 10, and is 20", Error);
}

TEST_CASE("Nash-MTL keeps its weights for some steps, if the tasks are the same") {
  const NashMtl nash{.max_norm = 0, .update_every = 2};
  NashMtl::State state;
  const Vector64 first = weights_of(nash, conflict, {}, &state);
  CHECK(inner(combined(conflict, first), combined(conflict, first)) == doctest::Approx(2).epsilon(1e-12));
  CHECK(weights_of(nash, times(conflict, 3), {}, &state) == first);
  check_near(weights_of(nash, times(conflict, 3), {}, &state), {first[0] / 3, first[1] / 3});
  // Other tasks: anew, each from its own place.
  const Vector64 gram{4};
  Vector64 w(1);
  nash.weights(Problem{.tasks = TaskSet::only(1), .losses = {}, .gram = gram}, state, w);
  CHECK(w[0] == 0.5);
  CHECK(state.weights[1] == 0.5);
  // No solution is not kept.
  state.reset();
  weights_of(nash, opposite, {}, &state);
  CHECK(weights_of(nash, conflict, {}, &state) == first);
}

TEST_CASE("preferences") {
  const auto prefer = [](auto method, PerTask preferences) {
    return Weighted<decltype(method)>{.method = method, .preferences = preferences};
  };
  const auto weights = [](const auto& policy, const Matrix& j, std::vector<double> losses = {}) {
    const Vector64 gram = gram_of(j);
    Vector64 w(j.size(), -7);
    PolicyState<std::remove_cvref_t<decltype(policy)>> state{};
    policy.weights(Problem{.tasks = TaskSet::first(j.size()), .losses = losses, .gram = gram}, state, w);
    return w;
  };
  // DualProjection: v >= p / m. UPGrad: sum_i p_i / m v_i, with v_0 = (1, 22/38) and v_1 = (22/18, 1) here.
  check_near(weights(prefer(DualProjection{}, {2, 1}), conflict), {1, 0.5 + (22.0 - 19) / 38});
  check_near(weights(prefer(UpGrad{}, {2, 1}), conflict), {1 + 11.0 / 18, 22.0 / 38 + 0.5});
  check_near(weights(prefer(EqualWeights{}, {2, 1}), conflict), {2, 1}, 0);
  // Losses are weighed too: g_i / l_i stays, and the harmonic mean of the losses is that of 6 and 2.
  check_near(weights(prefer(Mgda{.normalisation = Mgda::Normalisation::loss}, {2, 1}), {{30, 0}, {0, 4}}, {3, 2}),
             {4.0 / 104 * 3 / 3, 100.0 / 104 * 3 / 2});
  // Nash: G a = p / a; its gains are p.
  const Vector64 bargain = weights(prefer(NashMtl{.max_norm = 0}, {2, 1}), conflict);
  const Vector64 d = combined(conflict, bargain);
  CHECK(bargain[0] * inner(conflict[0], d) == doctest::Approx(2).epsilon(1e-12));
  CHECK(bargain[1] * inner(conflict[1], d) == doctest::Approx(1).epsilon(1e-12));
  CHECK(weights(prefer(FairGrad{}, {2, 1}), conflict) == bargain);
  // Aligned-MTL: linear in the preferences.
  const Vector64 both = weights_of(AlignedMtl{}, conflict), more = weights(prefer(AlignedMtl{}, {3, 3}), conflict);
  check_near(more, {3 * both[0], 3 * both[1]});
  CHECK_THROWS_WITH_AS(weights(prefer(UpGrad{}, {2}), conflict),
                       "mtlx: Weighted: the preference of task 1 (the first is 0) is not given", Error);
  CHECK_THROWS_AS(validate(prefer(UpGrad{}, {-1})), Error);
  const Laws laws = prefer(UpGrad{}, {2, 1}).laws();
  CHECK(laws.never_conflicts == NeverConflicts::yes);
  CHECK(laws.permutation == Permutation::none);
  CHECK(laws.single_task_scale == 2);
}

TEST_CASE("64 tasks, and nothing is allocated") {
  Random random(3, Purpose::user);
  Matrix j(64, Vector64(70));
  for (Vector64& row : j)
    for (double& number : row) number = random.normal() + 0.4;
  const Vector64 gram = gram_of(j), losses(64, 1);
  const Problem problem{.tasks = TaskSet::first(64), .losses = losses, .gram = gram};
  Vector64 w(64);
  const auto ask = [&](const auto& policy) {
    PolicyState<std::remove_cvref_t<decltype(policy)>> state{};
    CHECK(support::count_allocations([&] { policy.weights(problem, state, w); }) == 0);
    for (const double weight : w) CHECK(is_finite(weight));
    // What is not finite has no answer, but there is an end.
    for (const double poison : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      Vector64 bad = gram;
      bad[3 * 64 + 5] = bad[5 * 64 + 3] = bad[7 * 64 + 7] = poison;
      policy.weights(Problem{.tasks = problem.tasks, .losses = losses, .gram = bad}, state, w);
    }
  };
  ask(Mgda{});
  ask(UpGrad{});
  ask(DualProjection{});
  ask(CaGrad{});
  ask(ImtlG{});
  ask(AlignedMtl{});
  ask(ConFig{});
  ask(NashMtl{});
  ask(FairGrad{.alpha = 2});
  ask(GradVac{});
}
