// SPDX-License-Identifier: MIT
#include <mtlx/backend/device_kernels.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/testing/emulated_device.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

using namespace mtlx;
using backend::ReferenceSlice;

namespace {

using Numbers = std::vector<double>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Compiled kernels and what runs them: one block of Threads threads and T samples, each kernel in several orders of the
// threads.
template <class Real, int T, unsigned Threads = testing::EmulatedDevice::threads>
class Runner {
 public:
  static constexpr int samples = T;
  static constexpr double tolerance = sizeof(Real) == 8 ? 1e-11 : 1e-4;

  explicit Runner(const std::string& kernels)
      : module_(device_.compile("typedef " + std::string(sizeof(Real) == 8 ? "double" : "float") +
                                " real;\nconstexpr int THREADS = " + std::to_string(Threads) + ";\nconstexpr int T = " +
                                std::to_string(T) + ";\n" + backend::detail::device_kernels + kernels)) {}

  /// Runs a kernel on memory, parameters and gradients (number f of sample s at f * T + s) and gives back memory and
  /// gradients.
  void run(const std::string& name, Numbers& memory, const Numbers& parameters, Numbers& gradients, bool fresh) {
    std::vector<Real> first[2];
    for (const testing::Order order : {testing::Order::forward, testing::Order::backward, testing::Order::shuffled}) {
      device_.set_order(order, 7);
      const Array m(device_, memory), p(device_, parameters), g(device_, gradients);
      Real *m_at = m.at, *p_at = p.at, *g_at = g.at;
      int is_fresh = fresh;
      void* arguments[] = {&m_at, &p_at, &g_at, &is_fresh};
      device_.launch(device_.kernel(module_, name.c_str()), {.blocks = 1, .threads = Threads}, arguments, name);
      std::vector<Real> result[2] = {m.read(), g.read()};
      if (order == testing::Order::forward) {
        std::move(result, result + 2, first);
        continue;
      }
      for (int i = 0; i < 2; ++i)
        if (!first[i].empty())
          CHECK_MESSAGE(std::memcmp(first[i].data(), result[i].data(), first[i].size() * sizeof(Real)) == 0, name);
    }
    memory.assign(first[0].begin(), first[0].end());
    gradients.assign(first[1].begin(), first[1].end());
  }

 private:
  struct Array {
    Array(testing::EmulatedDevice& device, const Numbers& numbers)
        : owner(device), size(numbers.size()), at(static_cast<Real*>(device.allocate(size * sizeof(Real)))) {
      const std::vector<Real> host(numbers.begin(), numbers.end());
      if (size > 0) owner.upload(at, host.data(), size * sizeof(Real));
    }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    ~Array() { owner.release(at); }
    std::vector<Real> read() const {
      std::vector<Real> host(size);
      if (size > 0) owner.download(host.data(), at, size * sizeof(Real));
      owner.finish();
      return host;
    }
    testing::EmulatedDevice& owner;
    std::size_t size;
    Real* at;
  };

  testing::EmulatedDevice device_;
  testing::EmulatedDevice::Module module_;
};

template <class... P>
std::string text(const P&... parts) {
  std::ostringstream out;
  ((out << parts), ...);
  return out.str();
}
std::string kernel(const std::string& name, const std::string& body) {
  return "extern \"C\" __global__ void " + name + "(real* m, const real* p, real* g, int fresh) {\n" +
         "  const int tid = (threadIdx.x + 32) % THREADS;\n  " + body + "\n}\n";
}
template <class... S>
std::string shape_name(const char* what, S... sizes) {
  std::string name = what;
  ((name += "_" + std::to_string(sizes)), ...);
  return name;
}
template <class... S>
std::string list(S... sizes) {
  std::string name;
  ((name += (name.empty() ? "" : ", ") + std::to_string(sizes)), ...);
  return "<" + name + ">";
}

Numbers random(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  Numbers numbers(count);
  // Numbers that float has.
  for (double& number : numbers) number = static_cast<double>(static_cast<int>(engine() % 4001) - 2000) / 1024;
  return numbers;
}
Numbers join(Numbers a, const Numbers& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
// Sample s of the rows that begin at number `begin` of the memory.
Numbers sample(const Numbers& memory, std::size_t begin, std::size_t count, int samples, int s) {
  Numbers numbers(count);
  for (std::size_t f = 0; f < count; ++f)
    numbers[f] = memory[(begin + f) * static_cast<std::size_t>(samples) + static_cast<std::size_t>(s)];
  return numbers;
}

void same(const std::string& what, const Numbers& got, const Numbers& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool right = std::isnan(expected[i])
                           ? std::isnan(got[i])
                           : std::abs(got[i] - expected[i]) <= tolerance * (1 + std::abs(expected[i]));
    if (right) continue;
    CHECK_MESSAGE(right, what << ": number " << i << " is " << got[i] << ", expected " << expected[i]);
    return;
  }
}

// What dense layers and convolutions have in common. L: name(), call sizes, in, out, weights, biases, and the
// reference's three primitives.
template <class L>
struct Layer : L {
  static std::string kernels() {
    const std::string t = list_of();
    return kernel(L::name() + "_f",
                  text(L::what, "_forward", t, "(tid, p, p + ", L::weights, ", m, m + ", L::in, " * T);")) +
           kernel(L::name() + "_i", text(L::what, "_backward_input", t, "(tid, p, m, m + ", L::out, " * T);")) +
           kernel(L::name() + "_p", text(L::what, "_backward_parameters", L::sizes(), "(tid, m, m + ", L::in,
                                         " * T, g, g + ", L::weights, ", fresh);"));
  }
  static std::string list_of() { return L::input_sizes(); }

  template <class R>
  static void check(R& runner) {
    constexpr int n = R::samples;
    constexpr auto count = static_cast<std::size_t>(n);
    const Numbers p = random(L::weights + L::biases, 1), x = random(L::in * count, 2), dy = random(L::out * count, 3);
    Numbers none, expected;

    Numbers m = join(x, Numbers(L::out * count, nan));
    runner.run(L::name() + "_f", m, p, none, false);
    for (int s = 0; s < n; ++s) {
      Numbers y(L::out, nan);
      const Numbers one = sample(x, 0, L::in, n, s);
      L::forward(p.data(), p.data() + L::weights, {one.data()}, {y.data()});
      same(L::name() + " forward", sample(m, L::in, L::out, n, s), y, R::tolerance);
    }
    CHECK(std::equal(x.begin(), x.end(), m.begin()));

    m = join(dy, Numbers(L::in * count, nan));
    runner.run(L::name() + "_i", m, p, none, false);
    for (int s = 0; s < n; ++s) {
      Numbers dx(L::in, nan);
      const Numbers one = sample(dy, 0, L::out, n, s);
      L::backward_input(p.data(), {one.data()}, {dx.data()});
      same(L::name() + " backward to the input", sample(m, L::out, L::in, n, s), dx, R::tolerance);
    }

    for (const bool fresh : {true, false}) {
      const Numbers before = fresh ? Numbers(p.size(), nan) : random(p.size(), 4);
      Numbers g = before;
      m = join(x, dy);
      runner.run(L::name() + "_p", m, p, g, fresh);
      expected = fresh ? Numbers(p.size(), 0.0) : before;
      for (int s = 0; s < n; ++s) {
        const Numbers one = sample(x, 0, L::in, n, s), error = sample(dy, 0, L::out, n, s);
        L::backward_parameters({one.data()}, {error.data()}, expected.data(), expected.data() + L::weights);
      }
      same(L::name() + " backward to the parameters", g, expected, R::tolerance);
    }
  }
};

template <int In, int Out, int Aligned>
struct DenseLayer {
  static constexpr const char* what = "dense";
  static constexpr std::size_t in = In, out = Out, weights = in * out, biases = out;
  static std::string name() { return shape_name("dense", In, Out, Aligned); }
  static std::string sizes() { return list(In, Out); }
  static std::string input_sizes() { return list(In, Out, Aligned); }
  static void forward(const double* w, const double* b, ReferenceSlice::ConstView x, ReferenceSlice::View y) {
    ReferenceSlice::dense_forward<In, Out>(w, b, x, y);
  }
  static void backward_input(const double* w, ReferenceSlice::ConstView dy, ReferenceSlice::View dx) {
    ReferenceSlice::dense_backward_input<In, Out>(w, dy, dx);
  }
  static void backward_parameters(ReferenceSlice::ConstView x, ReferenceSlice::ConstView dy, double* dw, double* db) {
    ReferenceSlice::dense_backward_parameters<In, Out>(x, dy, dw, db);
  }
};
template <int In, int Out, int Aligned = 1>
using Dense = Layer<DenseLayer<In, Out, Aligned>>;

template <Convolution C>
struct ConvolutionLayer {
  static constexpr const char* what = "convolution";
  static constexpr std::size_t in = C.in.size(), out = C.out().size(), weights = C.weights(),
                               biases = static_cast<std::size_t>(C.filters);
  static std::string name() {
    return shape_name("convolution", C.in.channels, C.in.height, C.in.width, C.filters, C.window.kernel,
                      C.window.stride, C.window.padding);
  }
  static std::string sizes() {
    return list(C.in.channels, C.in.height, C.in.width, C.filters, C.window.kernel, C.window.stride, C.window.padding);
  }
  static std::string input_sizes() { return sizes(); }
  static void forward(const double* w, const double* b, ReferenceSlice::ConstView x, ReferenceSlice::View y) {
    ReferenceSlice::convolution_forward<C>(w, b, x, y);
  }
  static void backward_input(const double* w, ReferenceSlice::ConstView dy, ReferenceSlice::View dx) {
    ReferenceSlice::convolution_backward_input<C>(w, dy, dx);
  }
  static void backward_parameters(ReferenceSlice::ConstView x, ReferenceSlice::ConstView dy, double* dw, double* db) {
    ReferenceSlice::convolution_backward_parameters<C>(x, dy, dw, db);
  }
};
template <Convolution C>
using Conv = Layer<ConvolutionLayer<C>>;

template <Pooling P>
struct Pool {
  static constexpr std::size_t in = P.in.size(), out = P.out().size();
  static std::string name() {
    return shape_name("pool", P.in.channels, P.in.height, P.in.width, P.window.kernel, P.window.stride,
                      P.window.padding);
  }
  static std::string kernels() {
    const std::string t =
        list(P.in.channels, P.in.height, P.in.width, P.window.kernel, P.window.stride, P.window.padding);
    return kernel(name() + "_f", text("max_pool_forward", t, "(tid, m, m + ", in, " * T, m + ", in + out, " * T);")) +
           kernel(name() + "_b", text("max_pool_backward", t, "(tid, m, m + ", out, " * T, m + ", 2 * out, " * T);"));
  }
  template <class R>
  static void check(R& runner) {
    constexpr int n = R::samples;
    constexpr auto count = static_cast<std::size_t>(n);
    // Few different numbers, so that there are ties; and, in the second round, NaN.
    for (const bool broken : {false, true}) {
      Numbers x = random(in * count, 5), none;
      for (double& number : x) number = broken && number > 1 ? nan : std::floor(number * 2);
      Numbers m = join(x, Numbers(2 * out * count, nan));
      runner.run(name() + "_f", m, none, none, false);
      const Numbers dy = random(out * count, 6);
      Numbers back = join(join(Numbers(m.end() - static_cast<std::ptrdiff_t>(out * count), m.end()), dy),
                          Numbers(in * count, nan));
      runner.run(name() + "_b", back, none, none, false);
      for (int s = 0; s < n; ++s) {
        Numbers y(out, nan), winner(out, nan), dx(in, nan);
        const Numbers one = sample(x, 0, in, n, s), error = sample(dy, 0, out, n, s);
        ReferenceSlice::max_pool_forward<P>({one.data()}, {y.data()}, {winner.data()});
        ReferenceSlice::max_pool_backward<P>({winner.data()}, {error.data()}, {dx.data()});
        same(name() + " forward", sample(m, in, out, n, s), y, 0);
        same(name() + " winner", sample(m, in + out, out, n, s), winner, 0);
        same(name() + " backward", sample(back, 2 * out, in, n, s), dx, R::tolerance);
      }
    }
  }
};

template <int Ids, int Dimensions, int Places>
struct Embed {
  static constexpr std::size_t in = Places, out = std::size_t{Places} * Dimensions,
                               weights = std::size_t{Ids} * Dimensions;
  static std::string name() { return shape_name("embedding", Ids, Dimensions, Places); }
  static std::string kernels() {
    const std::string t = list(Ids, Dimensions, Places);
    return kernel(name() + "_f", "embedding_forward" + t + text("(tid, p, m, m + ", in, " * T);")) +
           kernel(name() + "_b", "embedding_backward" + t + text("(tid, m, m + ", in, " * T, g, fresh);"));
  }
  template <class R>
  static void check(R& runner) {
    constexpr int n = R::samples;
    constexpr auto count = static_cast<std::size_t>(n);
    const Numbers p = random(weights, 7), dy = random(out * count, 8);
    Numbers x(in * count), none;
    const double odd[] = {nan, -1, Ids, 0.5, std::numeric_limits<double>::infinity(), -0.0, 1e30, 0.0};
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = i % 3 == 2 ? odd[i / 3 % 8] : static_cast<double>(i * 7 / 4 % Ids);
    Numbers m = join(x, Numbers(out * count, 3.0));
    runner.run(name() + "_f", m, p, none, false);
    for (int s = 0; s < n; ++s) {
      Numbers y(out);
      const Numbers one = sample(x, 0, in, n, s);
      ReferenceSlice::embedding_forward<Ids, Dimensions, Places>(p.data(), {one.data()}, {y.data()});
      same(name() + " forward", sample(m, in, out, n, s), y, 0);
    }
    for (const bool fresh : {true, false}) {
      const Numbers before = fresh ? Numbers(weights, nan) : random(weights, 9);
      Numbers g = before, expected = fresh ? Numbers(weights, 0.0) : before;
      m = join(x, dy);
      runner.run(name() + "_b", m, p, g, fresh);
      for (int s = 0; s < n; ++s) {
        const Numbers one = sample(x, 0, in, n, s), error = sample(dy, 0, out, n, s);
        ReferenceSlice::embedding_backward<Ids, Dimensions, Places>({one.data()}, {error.data()}, expected.data());
      }
      same(name() + " backward", g, expected, R::tolerance);
    }
  }
};

template <int N>
struct Simple {
  static std::string name() { return shape_name("simple", N); }
  static std::string kernels() {
    return kernel(name(), text("fill", list(N), "(tid, m, real(2.5)); copy", list(N), "(tid, m + ", N, " * T, m + ",
                               2 * N, " * T); add", list(N), "(tid, m + ", N, " * T, m + ", 3 * N, " * T);"));
  }
  template <class R>
  static void check(R& runner) {
    constexpr std::size_t count = std::size_t{N} * R::samples;
    const Numbers from = random(count, 10), to = random(count, 11);
    Numbers none, m = join(join(join(Numbers(count, nan), from), Numbers(count, nan)), to);
    m.push_back(9);
    runner.run(name(), m, none, none, false);
    Numbers sum = to;
    for (std::size_t i = 0; i < count; ++i) sum[i] += from[i];
    same(name(), m, join(join(join(join(Numbers(count, 2.5), from), from), sum), {9}), 1e-6);
  }
};

template <class R, class... Cases>
void check() {
  R runner((Cases::kernels() + ...));
  (Cases::check(runner), ...);
}

}  // namespace

TEST_CASE("one sample a block") {
  check<Runner<double, 1>,  //
        Simple<1>, Simple<133>, Dense<1, 1>, Dense<37, 10>, Dense<3, 70>, Dense<130, 1>, Dense<1, 9>, Dense<20, 33>,
        Dense<8, 16, 4>,  //
        Conv<Convolution{{1, 12, 12}, {5, 1, 0}, 10}>, Conv<Convolution{{3, 7, 5}, {3, 1, 1}, 5}>,
        Conv<Convolution{{2, 7, 5}, {3, 2, 1}, 3}>, Conv<Convolution{{3, 1, 1}, {1, 1, 0}, 4}>,
        Conv<Convolution{{2, 6, 6}, {6, 1, 0}, 3}>, Conv<Convolution{{3, 6, 6}, {5, 1, 2}, 5}>,
        Conv<Convolution{{1, 20, 3}, {2, 1, 2}, 2}>, Conv<Convolution{{2, 13, 14}, {13, 1, 0}, 2}>,
        Conv<Convolution{{2, 9, 9}, {2, 3, 0}, 3}>, Conv<Convolution{{4, 19, 19}, {3, 1, 1}, 11}>,  //
        Pool<Pooling{{3, 6, 8}, {2, 2, 0}}>, Pool<Pooling{{2, 7, 5}, {3, 2, 1}}>, Pool<Pooling{{1, 5, 5}, {5, 1, 2}}>,
        Pool<Pooling{{2, 5, 7}, {2, 3, 0}}>,  //
        Embed<5, 3, 7>, Embed<3, 70, 9>>();
}

// Blocks as large as a GPU's share the work out in another way.
TEST_CASE("a GPU's threads a block") {
  check<Runner<double, 1, 512>, Dense<320, 50>, Dense<50, 10>, Dense<128, 1>, Dense<64, 128>,
        Conv<Convolution{{1, 28, 28}, {5, 1, 0}, 10}>, Conv<Convolution{{10, 12, 12}, {5, 1, 0}, 20}>,
        Conv<Convolution{{7, 24, 18}, {3, 1, 1}, 9}>, Conv<Convolution{{3, 11, 30}, {3, 2, 1}, 12}>,
        Pool<Pooling{{10, 24, 24}, {2, 2, 0}}>, Embed<30, 64, 8>>();
  check<Runner<double, 2, 512>, Dense<64, 128>, Conv<Convolution{{10, 12, 12}, {5, 1, 0}, 20}>,
        Conv<Convolution{{3, 9, 11}, {3, 1, 2}, 5}>>();
  check<Runner<float, 32, 512>, Dense<64, 128, 4>, Dense<64, 128>, Dense<128, 1>, Dense<37, 50>,
        Conv<Convolution{{3, 9, 8}, {3, 1, 1}, 5}>>();
}

TEST_CASE("few samples a block") {
  check<Runner<double, 2>, Simple<3>, Dense<37, 10>, Dense<5, 66>, Dense<9, 1>,
        Conv<Convolution{{3, 9, 6}, {5, 1, 0}, 4}>, Conv<Convolution{{2, 7, 5}, {3, 2, 1}, 3}>,
        Conv<Convolution{{1, 14, 14}, {13, 1, 1}, 2}>, Pool<Pooling{{3, 6, 8}, {2, 2, 0}}>,
        Pool<Pooling{{2, 7, 5}, {3, 2, 1}}>, Embed<5, 3, 7>>();
  check<Runner<double, 4>, Dense<37, 10>, Dense<8, 72, 4>, Dense<9, 1>, Conv<Convolution{{3, 5, 6}, {3, 1, 1}, 4}>,
        Conv<Convolution{{10, 6, 4}, {3, 2, 1}, 3}>, Pool<Pooling{{1, 4, 4}, {2, 2, 0}}>, Embed<6, 4, 3>>();
}

TEST_CASE("many samples a block") {
  check<Runner<double, 32>, Simple<5>, Dense<37, 10>, Dense<6, 66>, Dense<9, 1>, Dense<12, 16, 4>,
        Conv<Convolution{{3, 7, 5}, {5, 1, 2}, 5}>, Conv<Convolution{{2, 6, 4}, {3, 2, 1}, 3}>,
        Conv<Convolution{{1, 13, 13}, {13, 1, 0}, 2}>, Pool<Pooling{{2, 7, 5}, {3, 2, 1}}>, Embed<5, 3, 7>>();
}

TEST_CASE("in float, vectors of four") {
  check<Runner<float, 32>, Dense<37, 10>, Dense<36, 12, 4>, Dense<64, 128, 4>, Dense<9, 1>, Dense<1, 33>,
        Conv<Convolution{{3, 7, 5}, {3, 1, 1}, 4}>>();
  check<Runner<float, 8>, Dense<37, 10>, Dense<36, 44, 4>, Dense<128, 1>, Dense<13, 3>,
        Conv<Convolution{{3, 7, 5}, {3, 1, 0}, 7}>, Pool<Pooling{{2, 6, 6}, {2, 2, 0}}>, Embed<5, 3, 7>>();
  check<Runner<float, 16>, Dense<12, 20, 4>, Dense<12, 3>>();
}
