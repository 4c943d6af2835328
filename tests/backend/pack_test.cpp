// SPDX-License-Identifier: MIT
#include <mtlx/backend/pack.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>

using namespace mtlx;
using backend::Pack;

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

template <class T>
using Numbers = std::array<T, static_cast<std::size_t>(backend::lanes<T>)>;

template <class T>
Numbers<T> numbers(std::uint64_t stream) {
  Random random(1, Purpose::user, stream);
  Numbers<T> result;
  for (T& number : result) number = static_cast<T>(random.normal());
  return result;
}
template <class T>
Pack<T> pack(const Numbers<T>& from) {
  return Pack<T>::load(from.data());
}

/// The distance in units of the last place of `expected`.
template <class T>
double ulps(T got, double expected) {
  const auto nearest = static_cast<T>(expected);
  if (!is_finite(nearest)) return got == nearest || (std::isnan(got) && std::isnan(nearest)) ? 0 : 1e30;
  const T ulp = std::max(std::nextafter(std::abs(nearest), infinity<T>) - std::abs(nearest),
                         std::numeric_limits<T>::denorm_min());
  return std::abs(static_cast<double>(got) - expected) / static_cast<double>(ulp);
}

/// The largest distance in ulps between a pack's function and the exact one, over numbers from `low` to `high`.
template <class T>
double worst(double low, double high, Pack<T> (*function)(Pack<T>), double (*exact)(double)) {
  double most = 0;
  Random random(2, Purpose::user);
  for (int round = 0; round < 3000; ++round) {
    Numbers<T> x;
    for (T& number : x) number = static_cast<T>(low + (high - low) * random.uniform());
    const Pack<T> y = function(pack(x));
    for (int i = 0; i < Pack<T>::size; ++i)
      most = std::max(most, ulps(y[i], exact(static_cast<double>(x[static_cast<std::size_t>(i)]))));
  }
  return most;
}

}  // namespace

TEST_CASE_TEMPLATE("as many sums as lanes, taken together", T, float, double) {
  Pack<T> packs[backend::lanes<T>];
  std::array<double, static_cast<std::size_t>(backend::lanes<T>)> expected{};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Numbers<T> row = numbers<T>(i);
    packs[i] = pack(row);
    for (const T number : row) expected[i] += static_cast<double>(number);
  }
  const Pack<T> sums = Pack<T>::sums(packs);
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(std::abs(static_cast<double>(sums[static_cast<int>(i)]) - expected[i]) <=
          50 * static_cast<double>(std::numeric_limits<T>::epsilon()));
}

TEST_CASE_TEMPLATE("rows become columns", T, float, double) {
  constexpr int size = backend::lanes<T>;
  Pack<T> packs[size];
  for (int i = 0; i < size; ++i) {
    Numbers<T> row;
    for (int j = 0; j < size; ++j) row[static_cast<std::size_t>(j)] = static_cast<T>(100 * i + j);
    packs[i] = pack(row);
  }
  Pack<T>::transpose(packs);
  for (int i = 0; i < size; ++i)
    for (int j = 0; j < size; ++j) CHECK(packs[i][j] == static_cast<T>(100 * j + i));
}

TEST_CASE_TEMPLATE("arithmetic is that of single numbers", T, float, double) {
  for (std::uint64_t round = 0; round < 100; ++round) {
    const Numbers<T> a = numbers<T>(3 * round), b = numbers<T>(3 * round + 1), c = numbers<T>(3 * round + 2);
    const Pack<T> x = pack(a), y = pack(b), z = pack(c);
    Pack<T> sum = x, difference = x, product = x;
    sum += y;
    difference -= y;
    product *= y;
    for (int i = 0; i < Pack<T>::size; ++i) {
      const auto s = static_cast<std::size_t>(i);
      CHECK(x[i] == a[s]);
      CHECK((x + y)[i] == a[s] + b[s]);
      CHECK((x - y)[i] == a[s] - b[s]);
      CHECK((x * y)[i] == a[s] * b[s]);
      CHECK((x / y)[i] == a[s] / b[s]);
      CHECK((-x)[i] == -a[s]);
      CHECK(sum[i] == a[s] + b[s]);
      CHECK(difference[i] == a[s] - b[s]);
      CHECK(product[i] == a[s] * b[s]);
      CHECK((x + T(2))[i] == a[s] + 2);
      CHECK((T(2) / x)[i] == 2 / a[s]);
      const double exact = double(a[s]) * double(b[s]) + double(c[s]);
      const double bound = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                           (std::abs(double(a[s]) * double(b[s])) + std::abs(double(c[s])));
      CHECK(std::abs(double(fused(x, y, z)[i]) - exact) <= bound);
    }
  }
}

TEST_CASE_TEMPLATE("a number stands for itself in every lane", T, float, double) {
  for (const T number : {T(0), -T(0), T(1.5), infinity<T>, not_a_number<T>, std::numeric_limits<T>::denorm_min()})
    for (int i = 0; i < Pack<T>::size; ++i) {
      const T lane = Pack<T>(number)[i];
      CHECK((lane == number || (std::isnan(lane) && std::isnan(number))));
      CHECK(std::signbit(lane) == std::signbit(number));
    }
}

TEST_CASE_TEMPLATE("comparisons, masks and select", T, float, double) {
  const std::initializer_list<T> some{T(-1), -T(0), T(0), T(2), infinity<T>, not_a_number<T>};
  const auto both = [](typename Pack<T>::Mask mask) {
    const Pack<T> chosen = select(mask, Pack<T>(T(1)), Pack<T>(T(0)));
    for (int i = 1; i < Pack<T>::size; ++i) CHECK(chosen[i] == chosen[0]);
    return chosen[0] == T(1);
  };
  for (const T a : some)
    for (const T b : some) {
      const Pack<T> x(a), y(b);
      CHECK(both(x < y) == (a < b));
      CHECK(both(x <= y) == (a <= b));
      CHECK(both(x > y) == (a > b));
      CHECK(both(x >= y) == (a >= b));
      CHECK(both(x == y) == (a == b));
      CHECK(both(x != y) == (a != b));
      CHECK(both(!(x < y)) == !(a < b));
      CHECK(both((x < y) & (x != y)) == (a < b));
      CHECK(both((x < y) | (x > y)) == (a < b || a > b));
    }
  // Lane by lane, and nothing of the other side comes through.
  Numbers<T> sides{};
  for (std::size_t i = 0; i < sides.size(); ++i) sides[i] = i % 3 == 0 ? T(-1) : T(1);
  const Pack<T> chosen = select(pack(sides) < Pack<T>(T(0)), Pack<T>(T(5)), Pack<T>(not_a_number<T>));
  for (std::size_t i = 0; i < sides.size(); ++i)
    CHECK((i % 3 == 0 ? chosen[static_cast<int>(i)] == 5 : std::isnan(chosen[static_cast<int>(i)])));
}

TEST_CASE_TEMPLATE("load and store need no alignment", T, float, double) {
  std::array<T, 3 * static_cast<std::size_t>(Pack<T>::size)> from{}, to{};
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<T>(i);
  Pack<T>::load(from.data() + 1).store(to.data() + 3);
  for (std::size_t i = 0; i < to.size(); ++i) {
    const bool inside = i >= 3 && i < 3 + static_cast<std::size_t>(Pack<T>::size);
    CHECK(to[i] == (inside ? static_cast<T>(i - 2) : T(0)));
  }
}

TEST_CASE_TEMPLATE("sum adds every lane once", T, float, double) {
  Numbers<T> powers{};
  T total(0);
  for (std::size_t i = 0; i < powers.size(); ++i) total += powers[i] = static_cast<T>(1 << i);
  CHECK(sum(pack(powers)) == total);
  CHECK(std::isnan(sum(select(pack(powers) == Pack<T>(T(1)), Pack<T>(not_a_number<T>), pack(powers)))));
}

TEST_CASE_TEMPLATE("functions are right to some units of the last place", T, float, double) {
  // What they are against, from <cmath>, has half a unit of its own in double.
  constexpr double most = sizeof(T) == 4 ? 88.7 : 709.7;
  CHECK(worst<T>(sizeof(T) == 4 ? -87 : -708, most, [](Pack<T> x) { return exponential(x); }, std::exp) < 1.6);
  CHECK(worst<T>(-1, 1, [](Pack<T> x) { return exponential(x); }, std::exp) < 1.6);
  CHECK(worst<T>(1e-30, 1e-3, [](Pack<T> x) { return logarithm(x); }, std::log) < 1.4);
  CHECK(worst<T>(1e-3, 1e3, [](Pack<T> x) { return logarithm(x); }, std::log) < 1.4);
  CHECK(worst<T>(0.5, 2, [](Pack<T> x) { return logarithm(x); }, std::log) < 1.4);
  CHECK(worst<T>(0, 1e10, [](Pack<T> x) { return square_root(x); }, std::sqrt) <= 0.5);
  CHECK(worst<T>(-1e-3, 1e-3, [](Pack<T> x) { return hyperbolic_tangent(x); }, std::tanh) < 3.2);
  CHECK(worst<T>(-1, 1, [](Pack<T> x) { return hyperbolic_tangent(x); }, std::tanh) < 3.2);
  CHECK(worst<T>(-12, 12, [](Pack<T> x) { return hyperbolic_tangent(x); }, std::tanh) < 3.2);
}

TEST_CASE_TEMPLATE("the vocabulary of losses is right for packs too", T, float, double) {
  const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  Random random(4, Purpose::user);
  for (int round = 0; round < 1000; ++round) {
    Numbers<T> x;
    for (T& number : x) number = static_cast<T>(60 * random.uniform() - 30);
    const Pack<T> plus = softplus(pack(x)), share = sigmoid(pack(x)), size = absolute(pack(x));
    const Pack<T> most = maximum(pack(x), Pack<T>(T(1))), cdf = normal_cdf(pack(x) / T(3));
    for (int i = 0; i < Pack<T>::size; ++i) {
      const double at = static_cast<double>(x[static_cast<std::size_t>(i)]);
      const double expected = std::max(at, 0.0) + std::log1p(std::exp(-std::abs(at)));
      CHECK(std::abs(static_cast<double>(plus[i]) / expected - 1) <= 8 * epsilon);
      const double normal = std::erfc(-at / 3 * std::sqrt(0.5)) / 2;
      const double allowed = (8 + at * at / 9) * epsilon;
      CHECK(std::abs(static_cast<double>(cdf[i]) / normal - 1) <= allowed);
      CHECK(std::abs(static_cast<double>(share[i]) * (1 + std::exp(-at)) - 1) <= 8 * epsilon);
      CHECK(static_cast<double>(size[i]) == std::abs(at));
      CHECK(static_cast<double>(most[i]) == std::max(at, 1.0));
    }
  }
}

TEST_CASE_TEMPLATE("functions at the edges", T, float, double) {
  const auto at = [](auto function, T x) { return function(Pack<T>(x))[Pack<T>::size - 1]; };
  const auto e = [](Pack<T> x) { return exponential(x); };
  const auto l = [](Pack<T> x) { return logarithm(x); };
  const auto r = [](Pack<T> x) { return square_root(x); };
  const auto t = [](Pack<T> x) { return hyperbolic_tangent(x); };
  CHECK(at(e, T(0)) == 1);
  CHECK(at(e, -infinity<T>) == 0);
  CHECK(at(e, T(-1e4)) == 0);
  CHECK(at(e, T(1e4)) == infinity<T>);
  CHECK(at(e, infinity<T>) == infinity<T>);
  // The last that are numbers, and a denormal one.
  constexpr bool narrow = sizeof(T) == 4;
  CHECK(is_finite(at(e, T(narrow ? 88.72 : 709.78))));
  CHECK(at(e, T(narrow ? 88.73 : 709.79)) == infinity<T>);
  CHECK(ulps(at(e, T(narrow ? -100 : -740)), std::exp(narrow ? -100.0 : -740.0)) <= 1);
  CHECK(at(e, T(narrow ? -104 : -746)) == 0);
  CHECK(std::isnan(at(e, not_a_number<T>)));
  CHECK(at(l, T(1)) == 0);
  CHECK(at(l, T(0)) == -infinity<T>);
  CHECK(at(l, -T(0)) == -infinity<T>);
  CHECK(ulps(at(l, std::numeric_limits<T>::denorm_min()), narrow ? std::log(0x1p-149) : std::log(0x1p-1074)) < 1.4);
  CHECK(ulps(at(l, std::numeric_limits<T>::min()), narrow ? std::log(0x1p-126) : std::log(0x1p-1022)) < 1.4);
  CHECK(std::isnan(at(l, -std::numeric_limits<T>::denorm_min())));
  CHECK(std::isnan(at(l, -infinity<T>)));
  CHECK(at(l, infinity<T>) == infinity<T>);
  CHECK(std::isnan(at(l, T(-1))));
  CHECK(std::isnan(at(l, not_a_number<T>)));
  CHECK(at(r, T(0)) == 0);
  CHECK(at(r, T(9)) == 3);
  CHECK(std::isnan(at(r, T(-1))));
  CHECK(std::isnan(at(r, not_a_number<T>)));
  CHECK(at(t, T(0)) == 0);
  CHECK(std::signbit(at(t, -T(0))));
  CHECK(at(t, std::numeric_limits<T>::denorm_min()) == std::numeric_limits<T>::denorm_min());
  for (const T large : {T(20), T(1e4), infinity<T>}) {
    CHECK(at(t, large) == 1);
    CHECK(at(t, -large) == -1);
  }
  CHECK(std::isnan(at(t, not_a_number<T>)));
}

TEST_CASE_TEMPLATE("a lane's result doesn't depend on its neighbours", T, float, double) {
  const Numbers<T> a = numbers<T>(1), b = numbers<T>(2);
  const std::initializer_list<Pack<T> (*)(Pack<T>)> functions{
      [](Pack<T> x) { return exponential(x); }, [](Pack<T> x) { return hyperbolic_tangent(x); },
      [](Pack<T> x) { return logarithm(x * x); }, [](Pack<T> x) { return square_root(x * x + T(1)); }};
  for (const auto function : functions) {
    Numbers<T> mixed = b;
    const std::size_t kept = mixed.size() / 2;
    mixed[kept] = a[kept];
    CHECK(function(pack(a))[static_cast<int>(kept)] == function(pack(mixed))[static_cast<int>(kept)]);
  }
}
