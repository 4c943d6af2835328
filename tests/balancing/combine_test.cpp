// SPDX-License-Identifier: MIT
// Balancers alone, on Eigen's matrices.
#include <mtlx/balancing/aligned_mtl.hpp>
#include <mtlx/balancing/combine.hpp>
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/dual_projection.hpp>
#include <mtlx/balancing/famo.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/balancing/grad_vac.hpp>
#include <mtlx/balancing/mgda.hpp>
#include <mtlx/balancing/up_grad.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace mtlx;

namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::MatrixXd conflict() {
  Eigen::MatrixXd j(2, 3);
  j << -4, 1, 1, 6, 1, 1;
  return j;
}

}  // namespace

TEST_CASE("any matrix of gradients gives a direction, any Gram matrix weights") {
  const Eigen::MatrixXd j = conflict();
  const balancing::Mgda mgda;
  const Eigen::Vector3d expected(0, 1, 1);
  CHECK((balancing::combine(mgda, j) - expected).norm() < 1e-12);
  CHECK((balancing::combine(mgda, RowMajor(j)) - expected).norm() < 1e-12);
  CHECK((balancing::combine(mgda, 2 * j - j) - expected).norm() < 1e-12);
  CHECK((balancing::combine(mgda, Eigen::Matrix<double, 2, 3>(j)) - expected).norm() < 1e-12);
  const Eigen::VectorXf single = balancing::combine(mgda, j.cast<float>());
  CHECK((single - expected.cast<float>()).norm() < 1e-6F);
  // A part of a larger one, and columns of one.
  RowMajor wide = RowMajor::Constant(4, 5, 1e9);
  wide.block(1, 1, 2, 3) = j;
  CHECK((balancing::combine(mgda, wide.block(1, 1, 2, 3)) - expected).norm() < 1e-12);
  CHECK((balancing::combine(mgda, Eigen::MatrixXd(j.transpose()).transpose()) - expected).norm() < 1e-12);

  CHECK((balancing::weights(mgda, j * j.transpose()) - Eigen::Vector2d(0.6, 0.4)).norm() < 1e-12);
  Eigen::Matrix2i gram;
  gram << 18, -22, -22, 38;
  CHECK((balancing::weights(mgda, gram) - Eigen::Vector2d(0.6, 0.4)).norm() < 1e-12);
}

TEST_CASE("the page's example") {
  const Eigen::MatrixXd jacobian = conflict();
  const std::vector<double> losses{1, 2};

  Eigen::VectorXd d = balancing::combine(balancing::UpGrad{}, jacobian);
  Eigen::VectorXd w = balancing::weights(balancing::Mgda{}, jacobian * jacobian.transpose());

  balancing::Kept<balancing::DbMtl> kept;  // what a method remembers: one object from step to step
  d = balancing::combine(balancing::DbMtl{}, jacobian, kept, {.losses = losses, .seed = 7});

  CHECK(w.sum() == doctest::Approx(1));
  CHECK(d.size() == 3);
  CHECK(kept.state.steps == 1);
}

TEST_CASE("what is kept between calls") {
  const Eigen::MatrixXd j = conflict();
  const balancing::GradVac vaccine;
  balancing::Kept<balancing::GradVac> kept, others;
  const Eigen::VectorXd first = balancing::combine(vaccine, j, kept);
  CHECK((first - Eigen::Vector3d(0.584795321637, 3.80116959064, 3.80116959064)).norm() < 1e-8);
  const Eigen::VectorXd second = balancing::combine(vaccine, j, kept);
  CHECK((second - Eigen::Vector3d(1.00654044134, 3.2644030775, 3.2644030775)).norm() < 1e-8);
  CHECK(kept.step == 2);
  balancing::weights(vaccine, j * j.transpose(), others);
  CHECK(others.state.target == [&] {
    balancing::Kept<balancing::GradVac> again;
    balancing::combine(vaccine, j, again);
    return again.state.target;
  }());
  kept.reset();
  CHECK(balancing::combine(vaccine, j, kept) == first);
  CHECK(balancing::combine(vaccine, j) == first);
}

TEST_CASE("methods of the other shapes") {
  const Eigen::MatrixXd j = conflict();
  // Each coordinate of GradDrop keeps one sign: 6 with probability 0.6, or -4; the others have but one.
  int positive = 0;
  balancing::Kept<balancing::GradDrop> drop;
  for (int call = 0; call < 1000; ++call) {
    const Eigen::VectorXd d = balancing::combine(balancing::GradDrop{}, j, drop, {.seed = 5});
    CHECK((d[0] == 6 || d[0] == -4));
    CHECK(d[1] == 2);
    positive += d[0] == 6;
  }
  CHECK(std::abs(positive - 600) < 60);

  // DbMtl's memory: the first step is a tenth of gradients of one length.
  const std::vector<double> losses{1, 2};
  balancing::Kept<balancing::DbMtl> db;
  const Eigen::VectorXd d = balancing::combine(balancing::DbMtl{}, j, db, {.losses = losses});
  const Eigen::VectorXd a = j.row(0) / 1.0, b = j.row(1) / 2.0;
  const double longest = std::max(a.norm(), b.norm());
  CHECK((d - 0.1 * longest * (a.normalized() + b.normalized())).norm() < 1e-6);
  CHECK((db.memory.row(0).transpose() - 0.1 * a).norm() < 1e-8);

  // Famo sees losses, then those after the step.
  balancing::Kept<balancing::Famo> famo;
  CHECK((balancing::combine(balancing::Famo{}, j, famo, {.losses = losses}) -
         (2 * j.row(0) / 3 + j.row(1) / 3).transpose())
            .norm() < 1e-7);
  balancing::after(balancing::Famo{}, famo, std::vector<double>{0.9, 1.0});
  CHECK(famo.state.s[0] == doctest::Approx(0.025).epsilon(1e-3));
  CHECK(famo.state.s[1] == doctest::Approx(-0.025).epsilon(1e-3));
}

TEST_CASE("no task gets worse, though rounding in the Gram matrix says otherwise") {
  // Two rows of length 1e6 that all but cancel, and short ones: the directions that harm none are at right angles to these
  // two, all but 1e-9.
  Random random(1, Purpose::user);
  for (int n = 0; n < 200; ++n) {
    Eigen::MatrixXd j(6, 30);
    for (Eigen::Index i = 0; i < j.size(); ++i) j.data()[i] = random.normal();
    j.row(0) *= 1e6;
    j.row(1) = -j.row(0) + 1e-3 * Eigen::RowVectorXd::Unit(30, 3);
    const auto check = [&](const Eigen::VectorXd& d) {
      const Eigen::VectorXd products = j * d;
      for (Eigen::Index i = 0; i < 6; ++i) CHECK(products[i] >= -1e-9 * j.row(i).norm() * d.norm());
      CHECK(d.norm() > 0);
    };
    check(balancing::combine(balancing::UpGrad{}, j));
    check(balancing::combine(balancing::DualProjection{}, j));
    check(balancing::combine(balancing::Mgda{.normalisation = balancing::Mgda::Normalisation::l2}, j));
  }
}

TEST_CASE("wrong input is refused in a sentence") {
  Eigen::MatrixXd j = conflict();
  const std::vector<double> one{1};
  CHECK_THROWS_WITH_AS(balancing::combine(balancing::UpGrad{}, Eigen::MatrixXd(0, 3)),
                       "mtlx: balancing takes the gradients of 1 to 64 tasks, a row each, and these are 0", Error);
  CHECK_THROWS_AS(balancing::combine(balancing::UpGrad{}, Eigen::MatrixXd::Ones(65, 3).eval()), Error);
  CHECK_THROWS_WITH_AS(balancing::weights(balancing::UpGrad{}, j),
                       "mtlx: a Gram matrix has as many rows as columns, and this is 2 x 3", Error);
  CHECK_THROWS_WITH_AS(balancing::combine(balancing::Famo{}, j),
                       "mtlx: this balancer goes by the losses, and none are given: {.losses = ...}", Error);
  CHECK_THROWS_WITH_AS(balancing::combine(balancing::Famo{}, j, {.losses = one}),
                       "mtlx: balancing is given 1 losses for the gradients of 2 tasks", Error);
  CHECK_THROWS_AS(balancing::combine(balancing::UpGrad{.regularisation = -1}, j), Error);
  const std::vector<double> unknown{1, std::numeric_limits<double>::quiet_NaN()}, both{1, 1}, three{1, 1, 1};
  CHECK_THROWS_WITH_AS(balancing::combine(balancing::Famo{}, j, {.losses = unknown}),
                       "mtlx: balancing: the loss of task 1 (the first is 0) is not finite", Error);
  CHECK_THROWS_AS(balancing::weights(balancing::Famo{}, j * j.transpose(), {.losses = unknown}), Error);
  balancing::Kept<balancing::Famo> kept;
  CHECK_THROWS_AS(balancing::after(balancing::Famo{}, kept, both), Error);
  balancing::combine(balancing::Famo{}, j, kept, {.losses = both});
  for (const auto& wrong : {three, one, unknown, {}})
    CHECK_THROWS_AS(balancing::after(balancing::Famo{}, kept, wrong), Error);
  CHECK(kept.state.s == balancing::PerTask{});
  balancing::after(balancing::Famo{}, kept, both);
  j(1, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(
      balancing::combine(balancing::UpGrad{}, j),
      "mtlx: balancing: the inner product of the gradients of tasks 0 and 1 (the first is 0) is not finite in double",
      Error);
  CHECK(balancing::combine(balancing::UpGrad{}, Eigen::MatrixXd(2, 0)).size() == 0);
  // What a double can't square is refused at both ends, and not taken for 0; a gradient of zeros is one.
  j = conflict();
  j.row(1) *= 1e-160;
  CHECK_THROWS_WITH_AS(
      balancing::combine(balancing::UpGrad{}, j),
      "mtlx: balancing: the gradient of task 1 (the first is 0) is shorter than 1e-150, and the square of "
      "its length is lost in double: scale the gradients",
      Error);
  CHECK_THROWS_AS(balancing::combine(balancing::UpGrad{}, (1e155 * conflict()).eval()), Error);
  j.row(1).setZero();
  CHECK((balancing::combine(balancing::UpGrad{}, j) - j.row(0).transpose() / 2).norm() < 1e-12);
  CHECK((balancing::combine(balancing::UpGrad{}, (1e-149 * conflict()).eval()) -
         1e-149 * balancing::combine(balancing::UpGrad{}, conflict()))
            .norm() < 1e-160);
}
