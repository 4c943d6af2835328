// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

namespace {

template <int Ids, int Dimensions, int Places>
struct Case {
  template <class B>
  static testing::Report check() {
    return testing::check_embedding<B, Ids, Dimensions, Places>();
  }
};

/// A slice whose gather takes a wrong row for the last id, or reads row 0 for what is no id, or whose scatter forgets what
/// row 0 had.
template <int mistake>
struct WrongSlice : backend::ReferenceSlice {
  template <int Ids, int Dimensions, int Places>
  static void embedding_forward(const double* weight, ConstView x, View y) {
    backend::ReferenceSlice::embedding_forward<Ids, Dimensions, Places>(weight, x, y);
    for (int at = 0; at < Dimensions * Places; ++at) {
      if (mistake == 0 && x.data[at % Places] == Ids - 1) y.data[at] = weight[at / Places];
      if (mistake == 1 && index_of(x.data[at % Places], Ids) < 0) y.data[at] = weight[at / Places];
    }
  }
  template <int Ids, int Dimensions, int Places>
  static void embedding_backward(ConstView x, ConstView dy, double* dweight) {
    if (mistake == 2)
      for (int d = 0; d < Dimensions; ++d) dweight[d] = 0;
    backend::ReferenceSlice::embedding_backward<Ids, Dimensions, Places>(x, dy, dweight);
  }
};

template <int mistake>
struct Wrong : backend::Reference {
  template <std::size_t>
  using Slice = WrongSlice<mistake>;
};

}  // namespace

TEST_CASE_TEMPLATE("embeddings", C, Case<1, 1, 1>, Case<7, 3, 5>, Case<100, 17, 2>, Case<2, 33, 9>) {
  for (const auto& report : {C::template check<backend::Cpu<float>>(), C::template check<backend::Cpu<double>>()}) {
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 300);
  }
}

TEST_CASE("the laws of embeddings find mistakes") {
  CHECK(testing::check_embedding<backend::Reference, 7, 3, 5>().ok());
  CHECK(testing::check_embedding<Wrong<0>, 7, 3, 5>().broke("y where some are no ids"));
  CHECK(testing::check_embedding<Wrong<1>, 7, 3, 5>().broke("y where some are no ids"));
  CHECK(testing::check_embedding<Wrong<2>, 7, 3, 5>().broke("dweight"));
}
