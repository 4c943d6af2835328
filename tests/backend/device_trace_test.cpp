// SPDX-License-Identifier: MIT
// Every layer and loss that is written for one sample, recorded, turned into text and run on the emulated device,
// against the same code on the reference.
#include <mtlx/backend/device_trace.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/avg_pool2d.hpp>
#include <mtlx/nn/cross_entropy.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/focal.hpp>
#include <mtlx/nn/gelu.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/nn/norm.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>
#include <mtlx/nn/regression_loss.hpp>
#include <mtlx/nn/upsample.hpp>
#include <mtlx/testing/emulated_device.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using namespace mtlx;
using backend::Node;
using backend::ReferenceSlice;
using backend::Trace;
using backend::detail::trace_code;
using backend::detail::TraceCode;

namespace {

constexpr std::array<int, 3> widths{1, 4, 32};
constexpr std::size_t most = 32;
constexpr std::array twenty_weights{1.5, 0.1, 3.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8,
                                    0.9, 1.1, 1.2, 1.3, 1.4, 1.6, 1.7, 1.8, 1.9, 2.1};
constexpr std::uint32_t first_sample = 5;

backend::Draws draws_of(std::uint32_t sample) { return {{11, 22}, 33, 44, first_sample + sample}; }

/// Code for one sample, recorded, and the same code on the reference.
struct Case {
  std::string name;
  Trace trace;
  std::size_t memory, parameters;
  std::function<void(double* m, const double* p, double* g, const backend::Draws&)> expected;
  std::function<void(double* m, std::size_t sample)> prepare;  // what memory must hold before, if not any numbers
};

/// `run` is called as run.template operator()<S>(m, p, g, draws), with memory, parameters and gradients of one sample.
template <class T, class Run>
void add(std::vector<Case>& cases, const std::string& name, std::size_t memory, std::size_t parameters, Run run,
         std::function<void(double*, std::size_t)> prepare = {}) {
  using S = backend::RecordingSlice<T>;
  std::vector<T> m(memory), p(parameters), g(parameters);
  backend::Recorder<T> recorder(m, p, g);
  run.template operator()<S>(m.data(), p.data(), g.data(), draws_of(0));
  backend::Program program = recorder.take();
  REQUIRE(program.traces.size() == 1);
  REQUIRE(program.operations.size() == 1);
  cases.push_back({name, std::move(program.traces[0]), memory, parameters,
                   [run](double* to, const double* weights, double* gradients, const backend::Draws& draws) {
                     run.template operator()<ReferenceSlice>(to, weights, gradients, draws);
                   },
                   std::move(prepare)});
}

/// A layer's passes. Memory: x, y, saved, dy, dx, as the layer reads and writes them.
template <class L, Shape In, class T>
void add_layer(std::vector<Case>& cases, const std::string& name, bool training = true) {
  constexpr std::size_t in = In.size(), out = L::output(In).size(), saved = nn::saved<L>(In);
  constexpr std::size_t memory = 2 * (in + out) + saved, parameters = nn::parameter_count<L>(In);
  add<T>(cases, name + " forward", memory, parameters,
         [training]<class S, class Real>(Real* m, const Real* p, Real*, const backend::Draws& draws) {
           nn::forward<L, In>(nn::Forward<S>{p, {m}, {m + in}, {m + in + out}, draws, training});
         });
  add<T>(cases, name + " backward", memory, parameters,
         [training]<class S, class Real>(Real* m, const Real* p, Real* g, const backend::Draws& draws) {
           typename S::Scalar *const x = m, *const y = x + in, *const kept = y + out, *const dy = kept + saved;
           nn::backward<L, In, true>(
               nn::Backward<S>{p, {x}, {y}, {kept}, {dy}, {dy + out}, g, {nullptr}, draws, training});
         });
  if constexpr (nn::in_place<L>)
    add<T>(cases, name + " forward in place", memory, parameters,
           [training]<class S, class Real>(Real* m, const Real* p, Real*, const backend::Draws& draws) {
             nn::forward<L, In>(nn::Forward<S>{p, {m}, {m}, {m + in + out}, draws, training});
           });
}

/// A loss. Memory: z, targets, which are present, dz, the value.
template <class L, int Outputs, class T>
void add_loss(std::vector<Case>& cases, const std::string& name) {
  constexpr std::size_t targets = static_cast<std::size_t>(L::targets(Outputs));
  add<T>(
      cases, name, 2 * Outputs + 2 * targets + 1, 0,
      []<class S, class Real>(Real* m, const Real*, Real*, const backend::Draws&) {
        S::for_each_lane([&](const typename S::Lane& lane) {
          const auto at = [&](std::size_t place) { return lane.at(typename S::View{m + place}); };
          const auto read = [&](std::size_t place) { return lane.at(typename S::ConstView{m + place}); };
          using Number = typename S::Number;
          at(2 * Outputs + 2 * targets)[0] = L::template evaluate<Outputs>(nn::LossSample<S>{
              read(0), read(Outputs), read(Outputs + targets), at(Outputs + 2 * targets), Number(0.5)});
        });
      },
      [](double* m, std::size_t sample) {
        const bool classes = L::meaning == nn::Meaning::classes, labels = L::meaning == nn::Meaning::labels;
        for (std::size_t i = 0; i < targets; ++i) {
          double& target = m[Outputs + i];
          if (classes) target = static_cast<double>(sample * 7 % Outputs);
          if (labels) target = static_cast<double>((sample + i) % 2);
          const bool present = (sample + i) % 5 != 3;
          m[Outputs + targets + i] = present ? 1 : 0;
          if (!present) target = std::numeric_limits<double>::quiet_NaN();
        }
      });
}

template <class T>
std::vector<Case> layer_cases() {
  std::vector<Case> cases;
  add_layer<nn::Relu, Shape{37}, T>(cases, "Relu");
  add_layer<nn::LeakyRelu<20>, Shape{5}, T>(cases, "LeakyRelu");
  add_layer<nn::PRelu, Shape{3, 2, 5}, T>(cases, "PRelu");
  add_layer<nn::PRelu, Shape{2, 5, 7}, T>(cases, "PRelu of large planes");
  add_layer<nn::Tanh, Shape{3, 3, 1}, T>(cases, "Tanh");
  add_layer<nn::Sigmoid, Shape{9}, T>(cases, "Sigmoid");
  add_layer<nn::Softplus, Shape{9}, T>(cases, "Softplus");
  add_layer<nn::Silu, Shape{11}, T>(cases, "Silu");
  add_layer<nn::Gelu, Shape{70}, T>(cases, "Gelu");
  add_layer<nn::GeluTanh, Shape{1}, T>(cases, "GeluTanh");
  add_layer<nn::LayerNorm, Shape{7}, T>(cases, "LayerNorm of few");
  add_layer<nn::LayerNorm, Shape{50}, T>(cases, "LayerNorm");
  add_layer<nn::LayerNorm, Shape{3, 7, 11}, T>(cases, "LayerNorm of an image");
  add_layer<nn::GroupNorm<2>, Shape{4, 3, 5}, T>(cases, "GroupNorm");
  add_layer<nn::GroupNorm<3>, Shape{6, 5, 5}, T>(cases, "GroupNorm of large planes");
  add_layer<nn::AvgPool2d<2>, Shape{2, 5, 7}, T>(cases, "AvgPool2d");
  add_layer<nn::AvgPool2d<3, 2, 1>, Shape{3, 7, 5}, T>(cases, "AvgPool2d with padding");
  add_layer<nn::AvgPool2d<5, 1, 2>, Shape{2, 7, 9}, T>(cases, "AvgPool2d of large windows");
  add_layer<nn::GlobalAvgPool, Shape{5, 6, 7}, T>(cases, "GlobalAvgPool");
  add_layer<nn::Dropout<30>, Shape{50}, T>(cases, "Dropout");
  add_layer<nn::Dropout<30>, Shape{2, 3, 7}, T>(cases, "Dropout of an evaluation", false);
  add_layer<nn::PixelShuffle<2>, Shape{8, 3, 5}, T>(cases, "PixelShuffle");
  add_layer<nn::Upsample<3>, Shape{2, 3, 4}, T>(cases, "Upsample");
  add_layer<nn::Upsample<5>, Shape{2, 3, 2}, T>(cases, "Upsample by much");
  add_layer<nn::UpsampleBilinear<2>, Shape{2, 5, 4}, T>(cases, "UpsampleBilinear");
  add_layer<nn::UpsampleBilinear<3>, Shape{1, 4, 4}, T>(cases, "UpsampleBilinear by 3");
  return cases;
}

template <class T>
std::vector<Case> loss_cases() {
  std::vector<Case> cases;
  add_loss<nn::SoftmaxCrossEntropy, 2, T>(cases, "SoftmaxCrossEntropy of 2");
  add_loss<nn::SoftmaxCrossEntropy, 10, T>(cases, "SoftmaxCrossEntropy of 10");
  add_loss<nn::SoftmaxCrossEntropy, 150, T>(cases, "SoftmaxCrossEntropy of 150");
  add_loss<nn::LabelSmoothing<10>, 5, T>(cases, "LabelSmoothing");
  add_loss<nn::LabelSmoothing<10>, 23, T>(cases, "LabelSmoothing of 23");
  add_loss<nn::ClassWeights<std::array{0.5, 0.1, 3.0}>, 3, T>(cases, "ClassWeights");
  add_loss<nn::ClassWeights<twenty_weights>, 20, T>(cases, "ClassWeights of 20");
  add_loss<nn::SoftmaxFocal<2>, 4, T>(cases, "SoftmaxFocal");
  add_loss<nn::SoftmaxFocal<1.5>, 30, T>(cases, "SoftmaxFocal of 30");
  add_loss<nn::BinaryCrossEntropy, 1, T>(cases, "BinaryCrossEntropy");
  add_loss<nn::BinaryCrossEntropy, 9, T>(cases, "BinaryCrossEntropy of 9");
  add_loss<nn::BinaryCrossEntropy, 33, T>(cases, "BinaryCrossEntropy of 33");
  add_loss<nn::PositiveWeights<std::array{9.0, 0.7, 2.0}>, 3, T>(cases, "PositiveWeights");
  add_loss<nn::Focal<>, 5, T>(cases, "Focal");
  add_loss<nn::MeanSquaredError, 40, T>(cases, "MeanSquaredError");
  add_loss<nn::MeanAbsoluteError, 3, T>(cases, "MeanAbsoluteError");
  add_loss<nn::Huber<>, 3, T>(cases, "Huber");
  add_loss<nn::SmoothL1<>, 18, T>(cases, "SmoothL1");
  add_loss<nn::Charbonnier<>, 2, T>(cases, "Charbonnier");
  return cases;
}

/// Code that nobody's layer is like, but could be. Memory: 60 numbers; parameters: 40.
template <class T>
std::vector<Case> odd_cases() {
  std::vector<Case> cases;
  const auto sample = [&](const std::string& name, auto code) {
    add<T>(cases, name, 60, 40, [code]<class S, class Real>(Real* m, const Real* p, Real* g, const backend::Draws& d) {
      S::for_each_lane([&](const typename S::Lane& lane) {
        code.template operator()<typename S::Number>(lane.at(typename S::View{m}), backend::ParameterView<S>{p},
                                                     backend::GradientView<S>{g}, lane, d);
      });
    });
  };
  sample("reversed in place", []<class N>(auto m, auto, auto g, auto, auto) {
    for (std::size_t i = 0; i < 30; ++i) {
      const N low = m[i], high = m[59 - i];
      m[i] = high;
      m[59 - i] = low * N(3);
      g[i] += low;
    }
  });
  sample("a softmax in place", []<class N>(auto m, auto, auto, auto, auto) {
    N total(0);
    for (std::size_t i = 0; i < 40; ++i) total += exponential(N(m[i]));
    for (std::size_t i = 0; i < 40; ++i) m[i] = exponential(N(m[i])) / total;
  });
  sample("running sums", []<class N>(auto m, auto p, auto g, auto, auto) {
    for (std::size_t i = 1; i < 30; ++i) m[i] = N(m[i]) * p[i] + m[i - 1];
    for (std::size_t i = 0; i < 25; ++i) g[i] += N(m[i]) * m[29 - i];
  });
  sample("the least, the most and the last", []<class N>(auto m, auto, auto, auto, auto) {
    N least = m[0], most_of(-1e30), low_or_equal = m[2], last(7);
    for (std::size_t i = 1; i < 40; ++i) {
      least = select(N(m[i]) < least, N(m[i]), least);
      most_of = select(most_of <= N(m[i]), N(m[i]), most_of);
      low_or_equal = select(low_or_equal <= N(m[i]) * N(2), low_or_equal, N(m[i]) * N(2));
      last = select(N(m[i]) > N(1), N(m[i]) - N(1), last);
    }
    m[50] = least;
    m[51] = most_of;
    m[52] = low_or_equal;
    m[53] = last;
    m[54] = N(-0.0) * least;
  });
  sample("the sum of different terms", []<class N>(auto m, auto p, auto g, auto, auto) {
    N total = p[3];
    for (std::size_t i = 0; i < 20; ++i) total += N(m[i]) * p[i];
    for (std::size_t i = 0; i < 20; ++i) total = square_root(N(m[i + 20]) * m[i + 20]) + total;
    total += N(m[41]) - m[42];
    m[59] = total;
    g[39] += total;
    N squares(0);
    for (std::size_t i = 0; i < 20; ++i) squares += (N(m[i]) - total) * (N(m[i]) - total);
    g[2] += squares;
    g[5] += squares * total;
  });
  sample("conditions", []<class N>(auto m, auto, auto, auto, auto) {
    for (std::size_t i = 0; i < 20; ++i) {
      const N x = m[i];
      m[i + 20] = select(((x >= N(-1)) & (x <= N(0.5))) | !(x != N(m[0])), N(1), -x);
    }
  });
  sample("constants and draws", []<class N>(auto m, auto, auto, auto lane, auto draws) {
    for (std::size_t i = 0; i < 20; ++i) m[i] = N(m[i + 20]) * N(std::sqrt(static_cast<double>(i)) - 2);
    for (std::size_t i = 0; i < 20; ++i)
      m[i] = N(m[i]) + lane.uniform(draws, static_cast<std::uint32_t>(i * i))[i * 3 % 4];
    m[58] = N(std::numeric_limits<double>::infinity());
    m[59] = N(-std::numeric_limits<double>::infinity());
    m[57] = N(123456789);
  });
  return cases;
}

/// What a trace means, in so many words.
void interpret(const Trace& trace, double* m, const double* p, double* g, const backend::Draws& draws) {
  std::vector<double> value;
  for (const Node& node : trace.nodes) {
    const auto a = [&] { return value[node.a]; };
    const auto b = [&] { return value[node.b]; };
    double made = 0;
    switch (node.kind) {
      case Node::Kind::constant: made = node.value; break;
      case Node::Kind::memory: made = m[node.a]; break;
      case Node::Kind::parameter: made = p[node.a]; break;
      case Node::Kind::control: FAIL("no layer has controls"); break;
      case Node::Kind::uniform: {
        backend::Draws path = draws;
        path.path = node.a;
        made = static_cast<double>(unit_float(path.words(0, node.b)[node.c]));
        break;
      }
      case Node::Kind::negate: made = -a(); break;
      case Node::Kind::add: made = a() + b(); break;
      case Node::Kind::subtract: made = a() - b(); break;
      case Node::Kind::multiply: made = a() * b(); break;
      case Node::Kind::divide: made = a() / b(); break;
      case Node::Kind::less: made = a() < b(); break;
      case Node::Kind::less_equal: made = a() <= b(); break;
      case Node::Kind::equal: made = a() == b(); break;
      case Node::Kind::both: made = a() != 0 && b() != 0; break;
      case Node::Kind::either: made = a() != 0 || b() != 0; break;
      case Node::Kind::invert: made = a() == 0; break;
      case Node::Kind::select: made = a() != 0 ? b() : value[node.c]; break;
      case Node::Kind::exponential: made = std::exp(a()); break;
      case Node::Kind::logarithm: made = std::log(a()); break;
      case Node::Kind::square_root: made = std::sqrt(a()); break;
      case Node::Kind::hyperbolic_tangent: made = std::tanh(a()); break;
    }
    value.push_back(made);
  }
  for (const Trace::Store& store : trace.stores) m[store.place] = value[store.node];
  for (const Trace::Store& store : trace.gradients) g[store.place] += value[store.node];
}

/// A case's numbers before and after, in double.
struct Numbers {
  std::vector<double> p, g;                // `g` before
  std::vector<std::vector<double>> m;      // of each sample
  std::vector<std::vector<double>> after;  // m and each sample's own gradients
  std::vector<std::vector<double>> slopes;
};
Numbers numbers_of(const Case& c) {
  Numbers numbers;
  Random random(7, Purpose::user, c.memory);
  const auto draw = [&](std::size_t count) {
    std::vector<double> all(count);
    for (double& number : all) number = static_cast<double>(static_cast<float>(random.normal()));
    return all;
  };
  numbers.p = draw(c.parameters);
  numbers.g = draw(c.parameters);
  for (std::size_t s = 0; s < most; ++s) {
    numbers.m.push_back(draw(c.memory));
    if (c.prepare) c.prepare(numbers.m[s].data(), s);
    numbers.after.push_back(numbers.m[s]);
    numbers.slopes.emplace_back(c.parameters);
    c.expected(numbers.after[s].data(), numbers.p.data(), numbers.slopes[s].data(),
               draws_of(static_cast<std::uint32_t>(s)));
  }
  return numbers;
}

bool same(double found, double wanted, double tolerance) {
  if (std::isnan(wanted) || std::isinf(wanted)) return std::isnan(wanted) ? std::isnan(found) : found == wanted;
  return std::abs(found - wanted) <= tolerance * (1 + std::abs(wanted));
}

/// Which of a trace's gradients are taken to be new: none, all, or every third not.
std::vector<bool> fresh_of(const Trace& trace, std::size_t width) {
  std::vector<bool> fresh;
  for (std::size_t i = 0; i < trace.gradients.size(); ++i) fresh.push_back(width == 1 || (width == 4 && i % 3 != 2));
  return fresh;
}

/// Whether a kernel is left out to save time: loops over outputs alone are alike for all numbers of samples.
bool is_spared(const TraceCode& code, const Trace& trace, std::size_t width) {
  return width == 1 && code.scalars == 0 && trace.gradients.empty();
}

std::string kernel_name(std::size_t index, int width) { return join("trace", index, "_of_", width); }

/// All cases' kernels in one text.
template <class T>
std::string source(const std::vector<Case>& cases, const std::vector<std::vector<TraceCode>>& codes) {
  std::string text = join("typedef ", sizeof(T) == 4 ? "float" : "double", " real;\nconstexpr int THREADS = 64;\n",
                          backend::detail::device_numbers);
  for (std::size_t i = 0; i < cases.size(); ++i)
    for (std::size_t w = 0; w < widths.size(); ++w) {
      if (is_spared(codes[i][w], cases[i].trace, w)) continue;
      text += join(
          "// ", cases[i].name, "\nextern \"C\" __global__ void ", kernel_name(i, widths[w]),
          "(real* m, const real* p, real* g, const real* control, real* scalars, const int* table, int is_fresh) {\n"
          "constexpr int T = ",
          widths[w], ";\nconst int tid = (threadIdx.x + 32) % THREADS;\nconst unsigned first = ", first_sample,
          ";\nconst bool fresh = is_fresh != 0;\nconst Draws draws{11, 22, 33};\n"
          "(void)p, (void)g, (void)control, (void)scalars, (void)table, (void)first, (void)fresh, (void)draws;\n"
          "(void)tid, (void)m;\n",
          codes[i][w].code, "}\n");
    }
  return text;
}

/// Memory of a device, from numbers and back.
template <class T>
class Array {
 public:
  Array(testing::EmulatedDevice& device, const std::vector<T>& numbers)
      : device_(device), size_(numbers.size()), at_(device.allocate(sizeof(T) * (size_ + 1))) {
    device.upload(at_, numbers.data(), sizeof(T) * size_);
  }
  ~Array() { device_.release(at_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  void*& at() { return at_; }
  std::vector<T> numbers() {
    std::vector<T> all(size_);
    device_.download(all.data(), at_, sizeof(T) * size_);
    device_.finish();
    return all;
  }

 private:
  testing::EmulatedDevice& device_;
  std::size_t size_;
  void* at_;
};

template <class T>
std::vector<T> as(const std::vector<double>& numbers) {
  return {numbers.begin(), numbers.end()};
}

/// Runs a case's kernel and compares; returns what it left, for comparisons of bits.
template <class T>
std::vector<T> run(testing::EmulatedDevice& device, const testing::EmulatedDevice::Kernel& kernel, const Case& c,
                   const TraceCode& code, const Numbers& numbers, std::size_t width, bool fresh, double tolerance) {
  std::vector<T> m(c.memory * width);
  for (std::size_t f = 0; f < c.memory; ++f)
    for (std::size_t s = 0; s < width; ++s) m[f * width + s] = static_cast<T>(numbers.m[s][f]);
  Array<T> memory(device, m), p(device, as<T>(numbers.p)), g(device, as<T>(numbers.g)), control(device, {});
  Array<T> scalars(device, std::vector<T>(code.scalars * width, std::numeric_limits<T>::quiet_NaN()));
  Array<int> table(device, code.table);
  int is_fresh = fresh ? 1 : 0;
  void* arguments[] = {&memory.at(), &p.at(), &g.at(), &control.at(), &scalars.at(), &table.at(), &is_fresh};
  device.launch(kernel, {1, testing::EmulatedDevice::threads, 0}, arguments, c.name);
  std::vector<T> after = memory.numbers();
  for (std::size_t f = 0; f < c.memory; ++f)
    for (std::size_t s = 0; s < width; ++s) {
      CAPTURE(f);
      CAPTURE(s);
      const auto found = static_cast<double>(after[f * width + s]);
      if (!same(found, numbers.after[s][f], tolerance)) CHECK(found == numbers.after[s][f]);
    }
  std::vector<double> wanted = numbers.g;
  const std::vector<bool> first = fresh_of(c.trace, width);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const std::size_t place = c.trace.gradients[i].place;
    if (first[i] && fresh) wanted[place] = 0;
    for (std::size_t s = 0; s < width; ++s) wanted[place] += numbers.slopes[s][place];
  }
  const std::vector<T> gradients = g.numbers();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(i);
    const auto found = static_cast<double>(gradients[i]);
    if (!same(found, wanted[i], tolerance)) CHECK(found == wanted[i]);
  }
  after.insert(after.end(), gradients.begin(), gradients.end());
  return after;
}

std::vector<std::vector<TraceCode>> codes_of(const std::vector<Case>& cases) {
  std::vector<std::vector<TraceCode>> codes(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i)
    for (const int width : widths)
      codes[i].push_back(trace_code(cases[i].trace, fresh_of(cases[i].trace, static_cast<std::size_t>(width))));
  return codes;
}

/// Whether all cases come out as on the reference, in any order of the threads.
template <class T>
void check_all(const std::vector<Case>& cases, double tolerance) {
  const std::vector<std::vector<TraceCode>> codes = codes_of(cases);
  const std::string text = source<T>(cases, codes);
  using testing::Order;
  testing::EmulatedDevice forward({.order = Order::forward}), backward({.order = Order::backward});
  const auto module = forward.compile(text), again = backward.compile(text);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Numbers numbers = numbers_of(cases[i]);
    CAPTURE(cases[i].name);
    for (std::size_t w = 0; w < widths.size(); ++w) {
      if (is_spared(codes[i][w], cases[i].trace, w)) continue;
      CAPTURE(widths[w]);
      const auto width = static_cast<std::size_t>(widths[w]);
      const std::string name = kernel_name(i, widths[w]);
      for (const bool fresh : {true, false}) {
        const auto one = run<T>(forward, forward.kernel(module, name.c_str()), cases[i], codes[i][w], numbers, width,
                                fresh, tolerance);
        const auto other = run<T>(backward, backward.kernel(again, name.c_str()), cases[i], codes[i][w], numbers, width,
                                  fresh, tolerance);
        CHECK(std::equal(one.begin(), one.end(), other.begin(),
                         [](T x, T y) { return x == y || (std::isnan(x) && std::isnan(y)); }));
        if (cases[i].trace.gradients.empty()) break;
      }
    }
  }
}

}  // namespace

TEST_CASE("a trace says what the code for one sample does") {
  for (const auto& cases : {layer_cases<double>(), loss_cases<double>(), odd_cases<double>()})
    for (const Case& c : cases) {
      CAPTURE(c.name);
      const Numbers numbers = numbers_of(c);
      for (const std::uint32_t s : {0U, 3U, 8U}) {
        std::vector<double> m = numbers.m[s], g(c.parameters);
        interpret(c.trace, m.data(), numbers.p.data(), g.data(), draws_of(s));
        for (std::size_t f = 0; f < m.size(); ++f) CHECK(same(m[f], numbers.after[s][f], 1e-14));
        for (std::size_t i = 0; i < g.size(); ++i) CHECK(same(g[i], numbers.slopes[s][i], 1e-14));
      }
    }
}

TEST_CASE("traces run on a device as on the reference") {
  std::vector<Case> cases = layer_cases<double>();
  for (const auto& more : {loss_cases<double>(), odd_cases<double>()})
    cases.insert(cases.end(), more.begin(), more.end());
  check_all<double>(cases, 1e-11);
}

TEST_CASE("traces run in single precision") {
  std::vector<Case> cases = odd_cases<float>();
  add_layer<nn::Gelu, Shape{5}, float>(cases, "Gelu");
  add_layer<nn::LayerNorm, Shape{50}, float>(cases, "LayerNorm");
  add_layer<nn::UpsampleBilinear<3>, Shape{1, 3, 2}, float>(cases, "UpsampleBilinear");
  add_layer<nn::Dropout<30>, Shape{9}, float>(cases, "Dropout");
  add_loss<nn::SoftmaxCrossEntropy, 10, float>(cases, "SoftmaxCrossEntropy");
  add_loss<nn::ClassWeights<std::array{0.5, 0.1, 3.0}>, 3, float>(cases, "ClassWeights");
  check_all<float>(cases, 2e-4);
}

namespace {

/// A node of a trace made by hand.
std::uint32_t node(Trace& trace, Node node) {
  trace.nodes.push_back(node);
  return static_cast<std::uint32_t>(trace.nodes.size() - 1);
}

/// One number that so many operations make, each of another kind, or on another place, than the one before.
Trace irregular(std::uint32_t operations) {
  Trace trace;
  Random random(1, Purpose::user);
  std::uint32_t at = node(trace, {Node::Kind::memory, 0});
  for (std::uint32_t i = 0; i < operations; ++i) {
    const std::uint32_t other = node(trace, {Node::Kind::memory, random.below(50)});
    const bool multiply = random.below(2) == 1;
    at = node(trace, {multiply ? Node::Kind::multiply : Node::Kind::subtract, at, other});
  }
  trace.stores.push_back({59, at});
  return trace;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("regular traces have short texts, however many numbers they make") {
  const auto lines = [](const std::vector<Case>& cases, std::size_t which) {
    const Trace& trace = cases[which].trace;
    const std::string code = trace_code(trace, std::vector<bool>(trace.gradients.size())).code;
    return std::count(code.begin(), code.end(), '\n');
  };
  std::vector<Case> small, large;
  add_layer<nn::Relu, Shape{20, 3, 4}, double>(small, "");
  add_layer<nn::Relu, Shape{20, 24, 24}, double>(large, "");
  add_layer<nn::LayerNorm, Shape{50}, double>(small, "");
  add_layer<nn::LayerNorm, Shape{2000}, double>(large, "");
  add_layer<nn::Upsample<2>, Shape{2, 5, 7}, double>(small, "");
  add_layer<nn::Upsample<2>, Shape{9, 12, 20}, double>(large, "");
  add_layer<nn::PixelShuffle<2>, Shape{8, 5, 7}, double>(small, "");
  add_layer<nn::PixelShuffle<2>, Shape{16, 12, 20}, double>(large, "");
  add_loss<nn::SoftmaxCrossEntropy, 40, double>(small, "");
  add_loss<nn::SoftmaxCrossEntropy, 1000, double>(large, "");
  REQUIRE(small.size() == large.size());
  for (std::size_t i = 0; i < small.size(); ++i) {
    CAPTURE(i);
    CHECK(lines(small, i) == lines(large, i));
    CHECK(lines(large, i) < 160);
    CHECK(trace_code(large[i].trace, std::vector<bool>(large[i].trace.gradients.size())).table.empty());
  }
}

TEST_CASE("many sums of moderate length need no memory") {
  std::vector<Case> cases;
  add_layer<nn::AvgPool2d<5, 1, 2>, Shape{4, 20, 20}, double>(cases, "");
  add_layer<nn::AvgPool2d<5, 1, 2>, Shape{1, 9, 9}, double>(cases, "");
  CHECK(trace_code(cases[0].trace, {}).scalars == 0);
  CHECK(trace_code(cases[2].trace, {}).scalars >= 25);
}

TEST_CASE("operations that are made from the same draws draw once") {
  std::vector<Case> cases;
  add_layer<nn::Dropout<10>, Shape{50}, double>(cases, "");
  const std::string code = trace_code(cases[0].trace, {}).code;
  const std::size_t first = code.find("uniform_number");
  REQUIRE(first != std::string::npos);
  CHECK(code.find("uniform_number", first + 1) == std::string::npos);
}

TEST_CASE("controls and constants are exact") {
  Trace trace;
  const std::array values{0.1, -0.0, 3.0, -7.0, 1e300, 5e-324, 16777217.0, std::numeric_limits<double>::infinity()};
  for (std::uint32_t i = 0; i < values.size(); ++i)
    trace.stores.push_back({i, node(trace, {Node::Kind::constant, 0, 0, 0, values[i]})});
  trace.stores.push_back({8, node(trace, {Node::Kind::control, 1})});
  const std::string code = trace_code(trace, {}).code;
  testing::EmulatedDevice device(testing::EmulatedDevice::Options{});
  const auto module =
      device.compile(join("typedef double real;\nconstexpr int THREADS = 64, T = 1;\n", backend::detail::device_numbers,
                          "extern \"C\" __global__ void kernel(real* m, const real* control, const int* table) {\n"
                          "(void)table;\nconst int tid = threadIdx.x;\n",
                          code, "}\n"));
  Array<double> memory(device, std::vector<double>(9)), control(device, {0.5, 0.25});
  Array<int> table(device, trace_code(trace, {}).table);
  void* arguments[] = {&memory.at(), &control.at(), &table.at()};
  device.launch(device.kernel(module, "kernel"), {1, 64, 0}, arguments, "constants");
  const std::vector<double> found = memory.numbers();
  for (std::size_t i = 0; i < values.size(); ++i)
    CHECK(std::bit_cast<std::uint64_t>(found[i]) == std::bit_cast<std::uint64_t>(values[i]));
  CHECK(found[8] == 0.25);
}

TEST_CASE("the device's random numbers are the library's") {
  testing::EmulatedDevice device(testing::EmulatedDevice::Options{});
  const auto module = device.compile(
      join("typedef float real;\n", backend::detail::device_numbers,
           "extern \"C\" __global__ void kernel(float* to, unsigned* words) {\n"
           "const Draws draws{0xa4093822u, 0x299f31d0u, 0x13198a2eu};\n"
           "const unsigned word = threadIdx.x % 4, sample = threadIdx.x / 4;\n"
           "to[threadIdx.x] = uniform_number(draws, 0x03707344u, 0x243f6a88u + sample, 0x85a308d3u, word);\n"
           "words[threadIdx.x] = philox(0x243f6a88u + sample, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u,\n"
           "                            0x299f31d0u).word[word];\n}\n"));
  Array<float> numbers(device, std::vector<float>(64));
  Array<std::uint32_t> words(device, std::vector<std::uint32_t>(64));
  void* arguments[] = {&numbers.at(), &words.at()};
  device.launch(device.kernel(module, "kernel"), {1, 64, 0}, arguments, "draws");
  const std::vector<float> found = numbers.numbers();
  const std::vector<std::uint32_t> bits = words.numbers();
  // The paper's third test vector.
  CHECK(bits[0] == 0xd16cfe09);
  CHECK(bits[1] == 0x94fdcceb);
  CHECK(bits[2] == 0x5001e420);
  CHECK(bits[3] == 0x24126ea1);
  for (std::uint32_t i = 0; i < 64; ++i) {
    const auto wanted = philox({0x243f6a88 + i / 4, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
    CHECK(bits[i] == wanted[i % 4]);
    CHECK(found[i] == unit_float(wanted[i % 4]));
  }
}

TEST_CASE("what no loops can be made of") {
  for (const Case& c : odd_cases<double>()) {
    const std::string code = trace_code(c.trace, std::vector<bool>(c.trace.gradients.size())).code;
    CAPTURE(c.name);
    CHECK(has(code, "if (tid < T)") == (c.name == "running sums"));
    CHECK(has(code, "kept") == (c.name == "reversed in place"));
  }
  const auto message = [](const Trace& trace, const std::vector<bool>& fresh) -> std::string {
    try {
      trace_code(trace, fresh);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string irregular_message = message(irregular(40000), {});
  CHECK(has(irregular_message, "too irregular"));
  CHECK(has(irregular_message, "80001"));
  CHECK(has(message(irregular(5), {true}), "1 gradients"));
}
