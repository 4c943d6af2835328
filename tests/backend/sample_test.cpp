// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/backend/sample.hpp>

#include <doctest/doctest.h>

#include <set>
#include <vector>

using namespace mtlx;

TEST_CASE("draws of different layers, steps and samples are different numbers") {
  const backend::Draws draws{{1, 2}, 3, 0, 0};
  std::set<std::uint32_t> paths{draws.path};
  // Three levels of compounds with eight parts each.
  std::size_t count = 1;
  for (std::size_t a = 0; a < 8; ++a) {
    const backend::Draws outer = draws.child(a);
    paths.insert(outer.path), ++count;
    for (std::size_t b = 0; b < 8; ++b) {
      paths.insert(outer.child(b).path), ++count;
      for (std::size_t c = 0; c < 8; ++c) paths.insert(outer.child(b).child(c).path), ++count;
    }
  }
  CHECK(paths.size() == count);
  CHECK(draws.words(0, 0) == philox({0, 0, 3, 0}, {1, 2}));
  backend::Draws later = draws;
  later.first = 5;
  CHECK(later.words(0, 7) == draws.words(5, 7));
  CHECK(later.words(1, 7) != draws.words(1, 7));
  later.step = 4;
  CHECK(later.words(0, 7) != draws.words(5, 7));
}

TEST_CASE_TEMPLATE("places are read, set and added to", B, backend::Reference, backend::Cpu<float>) {
  using S = typename B::template Slice<1>;
  using T = typename B::Scalar;
  std::vector<T> memory(static_cast<std::size_t>(S::width) * 3), parameters{2, 3}, gradient(2);
  const typename S::View view{memory.data()};
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto x = lane.at(view);
    x[0] = typename S::Number(T(1));
    x[1] = x[0];
    x[1] += x[0];
    const backend::ParameterView<S> p{parameters.data()};
    x[2] = p[1] * x[1];
    const backend::GradientView<S> dp{gradient.data()};
    dp[1] += x[0];
    const backend::Nowhere<S> nowhere;
    nowhere[5] = p[0];
    nowhere[5] += p[0];
  });
  std::vector<T> rows(memory.size());
  S::store(view, S::width, 3, rows.data());
  for (std::size_t s = 0; s < static_cast<std::size_t>(S::width); ++s) {
    CHECK(rows[s * 3] == 1);
    CHECK(rows[s * 3 + 1] == 2);
    CHECK(rows[s * 3 + 2] == 6);
  }
  CHECK(gradient[0] == 0);
  CHECK(gradient[1] == static_cast<T>(S::width));
}
