// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

namespace {

// The sums are those of a full slice, in its order: the same bits, whatever the place held before.
template <class T>
struct Checks {
  using Full = backend::CpuSlice<T, 16, backend::Convolving::direct>;
  using Single = backend::SingleSlice<T>;
  using Numbers = std::vector<double>;

  template <class S, Convolution C>
  static Numbers convolve(const Numbers& x, const std::vector<T>& weight, double poison, bool& intact) {
    return testing::detail::Primitives<S>::map(
        x, C.in.size(), C.out().size(), poison, intact, [&](auto& from, auto& to, std::size_t, std::size_t) {
          S::template convolution_forward<C>(weight.data(), weight.data() + C.weights(), from.view(), to.view());
        });
  }
  template <Convolution C>
  static void convolution() {
    CAPTURE(testing::detail::ConvolutionKernel<C>::text());
    compare<C.in.size(), C.weights() + C.filters>(&convolve<Full, C>, &convolve<Single, C>);
  }

  template <class S, int In, int Out>
  static Numbers multiply(const Numbers& x, const std::vector<T>& weight, double poison, bool& intact) {
    return testing::detail::Primitives<S>::map(
        x, In, Out, poison, intact, [&](auto& from, auto& to, std::size_t, std::size_t) {
          S::template dense_forward<In, Out>(weight.data(), weight.data() + In * Out, from.view(), to.view());
        });
  }
  template <int In, int Out>
  static void dense() {
    CAPTURE(Out);
    compare<In, In * Out + Out>(&multiply<Full, In, Out>, &multiply<Single, In, Out>);
  }

  template <class S, Pooling P>
  static Numbers pool(const Numbers& x, const std::vector<T>&, double poison, bool& intact) {
    return testing::detail::Primitives<S>::map(x, P.in.size(), P.out().size(), poison, intact,
                                               [](auto& from, auto& to, std::size_t, std::size_t) {
                                                 testing::detail::Guarded<S> winner(P.out().size());
                                                 S::template max_pool_forward<P>(from.view(), to.view(), winner.view());
                                               });
  }
  template <Pooling P>
  static void pooling() {
    CAPTURE(testing::detail::text(P.in) + testing::detail::text(P.window));
    compare<P.in.size(), 0>(&pool<Full, P>, &pool<Single, P>);
  }

  template <std::size_t in, std::size_t weights, class Run>
  static void compare(Run full, Run single) {
    Numbers x = testing::detail::normals(2 * in, 1, 1);
    const auto weight = testing::detail::Primitives<Full>::scalars(testing::detail::normals(weights, 1, 2));
    for (const bool broken : {false, true}) {
      if (broken) x[in + in / 2] = testing::detail::not_a_number;
      bool intact = true;
      testing::Report report("one sample");
      const Numbers right = full(x, weight, 0, intact);
      CHECK(right.size() > 0);
      report.expect_same("y", right, single(x, weight, testing::detail::not_a_number, intact), right.size() / 2);
      CHECK_MESSAGE(report.ok(), report.text());
      CHECK(intact);
    }
  }
};

}  // namespace

TEST_CASE_TEMPLATE("one sample alone gives what it gives in a slice", T, float, double) {
  using C = Checks<T>;
  // one pixel; rows of less than a register and of more; strides and padding; filters that no tile divides
  C::template convolution<Convolution{{1, 1, 1}, {1, 1, 0}, 1}>();
  C::template convolution<Convolution{{3, 7, 5}, {3, 1, 0}, 7}>();
  C::template convolution<Convolution{{2, 20, 37}, {5, 1, 2}, 11}>();
  C::template convolution<Convolution{{4, 9, 8}, {3, 3, 1}, 5}>();
  C::template convolution<Convolution{{3, 6, 9}, {5, 2, 2}, 13}>();
  C::template dense<37, 1>();
  C::template dense<3, 10>();
  C::template dense<5, 16>();
  C::template dense<20, 200>();
  C::template pooling<Pooling{{3, 8, 6}, {2, 2, 0}}>();
  C::template pooling<Pooling{{2, 7, 9}, {3, 2, 1}}>();
}
