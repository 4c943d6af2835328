// SPDX-License-Identifier: MIT
// DSelect-k: a mixture of experts whose gates can put all weight on k of n experts, and have a derivative all the same.
//   S(t) = 0 for t <= -1/2,  -2 t³ + 3 t / 2 + 1/2 between,  1 for t >= 1/2          the smooth step
//   r_e(z) = product over the bits j of e's number: S(z_j) where it is 1, 1 - S(z_j) where it is 0
//   g = sum over i < k of softmax(a)_i r(z_i),      z_t = head_t(sum_e g_te E_e(x))
// with ceil(log2 n) numbers in each code z_i, the highest bit first. Outside (-1/2, 1/2) the step's derivative is
// exactly 0, so a finished code stays. The paper's width gamma of the step is 1: another one is the same as codes, their
// first values and their learning rate in another unit.
//
// Added to the loss, for each gate of a present task:
//   entropy * sum_i sum_e -r_ie log r_ie  +  reach * sum_i 1 / sum_e r_ie
// The second only where n is no power of 2: codes of no expert take weight away then.
// Reference: Hazimeh, Zhao, Chowdhery, Sathiamoorthy, Chen, Mazumder, Hong and Chi, "DSelect-k: Differentiable Selection
// in the Mixture of Experts with Applications to Multi-Task Learning", NeurIPS 2021; the first values, and the second
// term's factor of 1, as in the authors' code.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/sharing/experts.hpp>

#include <cmath>
#include <limits>
#include <span>

namespace mtlx::sharing {

namespace detail {

/// The weights of `n` experts from k codes, z : (k, bits), and the k codes' logits behind them.
template <std::size_t n, std::size_t k>
struct Selection {
  static constexpr std::size_t bits = [] {
    std::size_t b = 0;
    while ((std::size_t{1} << b) < n) ++b;
    return b;
  }();
  static constexpr std::size_t inputs = k * (bits + 1);
  static constexpr bool all_reachable = n == std::size_t{1} << bits;

  template <class Number>
  static Number step(Number t) {
    return select(t <= Number(-0.5), Number(0),
                  select(t >= Number(0.5), Number(1), t * (Number(1.5) - Number(2) * t * t) + Number(0.5)));
  }
  template <class Number>
  static Number slope(Number t) {
    return select(absolute(t) < Number(0.5), Number(1.5) - Number(6) * t * t, Number(0));
  }

  /// Bit j of expert e's code is its (bits - 1 - j)-th.
  static constexpr bool is_one(std::size_t e, std::size_t j) { return (e >> (bits - 1 - j) & 1) != 0; }

  /// r of the code at z[first...].
  template <class Number>
  static std::array<Number, n> one(const auto& z, std::size_t first) {
    std::array<Number, n> r{};
    for (std::size_t e = 0; e < n; ++e) r[e] = Number(1);
    for (std::size_t j = 0; j < bits; ++j) {
      const Number s = step(Number(z[first + j]));
      for (std::size_t e = 0; e < n; ++e) r[e] = r[e] * (is_one(e, j) ? s : Number(1) - s);
    }
    return r;
  }
  /// dz[first + j] = factor * sum_e dr_e r_e's derivative by it, put by put(place, number).
  template <class Number>
  static void one_backward(const auto& z, std::size_t first, Number factor, const std::array<Number, n>& dr,
                           const auto& put) {
    std::array<Number, bits> steps{};
    for (std::size_t j = 0; j < bits; ++j) steps[j] = step(Number(z[first + j]));
    for (std::size_t j = 0; j < bits; ++j) {
      Number sum(0);
      for (std::size_t e = 0; e < n; ++e) {
        Number others = is_one(e, j) ? dr[e] : -dr[e];
        for (std::size_t i = 0; i < bits; ++i)
          if (i != j) others = others * (is_one(e, i) ? steps[i] : Number(1) - steps[i]);
        sum += others;
      }
      put(first + j, factor * sum * slope(Number(z[first + j])));
    }
  }

  /// softmax(a)
  template <class Number>
  static std::array<Number, k> shares(const auto& z) {
    constexpr std::size_t first = k * bits;
    Number largest = z[first];
    for (std::size_t i = 1; i < k; ++i) largest = maximum(largest, Number(z[first + i]));
    std::array<Number, k> share{};
    Number total(0);
    for (std::size_t i = 0; i < k; ++i) total += share[i] = exponential(z[first + i] - largest);
    for (std::size_t i = 0; i < k; ++i) share[i] = share[i] / total;
    return share;
  }

  template <class Number>
  static void forward(const auto& z, const auto& y) {
    const auto share = shares<Number>(z);
    std::array<Number, n> g{};
    for (std::size_t i = 0; i < k; ++i) {
      const auto r = one<Number>(z, i * bits);
      for (std::size_t e = 0; e < n; ++e) g[e] = i == 0 ? share[i] * r[e] : g[e] + share[i] * r[e];
    }
    for (std::size_t e = 0; e < n; ++e) y[e] = g[e];
  }
  /// put(place, number) for the gradient at every input.
  template <class Number>
  static void backward(const auto& z, const auto& dy, const auto& put) {
    const auto share = shares<Number>(z);
    std::array<Number, n> slopes{};
    for (std::size_t e = 0; e < n; ++e) slopes[e] = dy[e];
    std::array<Number, k> dshare{};
    Number mean(0);
    for (std::size_t i = 0; i < k; ++i) {
      const auto r = one<Number>(z, i * bits);
      dshare[i] = Number(0);
      for (std::size_t e = 0; e < n; ++e) dshare[i] += slopes[e] * r[e];
      mean += share[i] * dshare[i];
      one_backward(z, i * bits, share[i], slopes, put);
    }
    for (std::size_t i = 0; i < k; ++i) put(k * bits + i, share[i] * (dshare[i] - mean));
  }
};

/// A gate that is the same for every sample. code : (k, bits), choice : (k). They are no weights that could be pruned, so
/// their role is that of a norm's scale.
template <std::size_t n, std::size_t k>
struct StaticSelection {
  using Math = Selection<n, k>;
  static constexpr std::string_view name = "DSelectK";
  static constexpr Shape output(Shape) { return {static_cast<int>(n), 1, 1}; }

  static constexpr auto parameters(Shape) {
    constexpr int codes = static_cast<int>(k);
    const nn::Parameter choice{"choice", {codes}, nn::Role::norm, 1, 1, nn::uniform<-0.05, 0.05>};
    if constexpr (Math::bits == 0)
      return std::array{choice};
    else
      return std::array{
          nn::Parameter{"code", {codes, static_cast<int>(Math::bits)}, nn::Role::norm, 1, 1, nn::uniform<-0.01, 0.01>},
          choice};
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Math::template forward<Number>(s.p, s.y);
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Math::template backward<Number>(s.p, s.dy, [&](std::size_t i, Number number) { s.dp[i] += number; });
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = Number(0);
  }
};

/// A gate's weights from codes that are its input.
template <std::size_t n, std::size_t k>
struct SampleSelection {
  using Math = Selection<n, k>;
  static constexpr std::string_view name = "DSelectK";
  static constexpr Shape output(Shape) { return {static_cast<int>(n), 1, 1}; }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Math::template forward<Number>(s.x, s.y);
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    Math::template backward<Number>(s.x, s.dy, [&](std::size_t i, Number number) { s.dx[i] = number; });
  }
};

template <int k>
struct SelectionGate {
  template <class Front>
  struct Of {
    static constexpr bool per_sample = false;
    template <std::size_t n>
    using Layer = StaticSelection<n, k>;
  };
  template <class... Layers>
  struct Of<GateOn<Layers...>> {
    static constexpr bool per_sample = true;
    template <std::size_t n>
    using Layer = nn::Sequential<
        Layers...,
        nn::Dense<static_cast<int>(Selection<n, static_cast<std::size_t>(k)>::inputs), nn::uniform<-0.01, 0.01>>,
        SampleSelection<n, k>>;
  };
};

}  // namespace detail

/// Sharing policy: `Experts` copies of the layers that all tasks train, of which each task comes to use at most `K`.
/// Parts are heads, and at most one `GateOn<Layers...>`: then a gate chooses for each sample, by codes that a Dense layer
/// makes of the layers' output (`GateOn<>`: of the flattened input); else its codes are parameters. A gate of each sample
/// needs 2, 4, 8, ... experts, and its entropy is not penalised: a penalty sees parameters alone.
template <class Expert, int Experts, int K, class... Parts>
struct DSelectK {
 private:
  using Plain = detail::ExpertsOf<detail::SelectionGate<(K > 0 ? K : 1)>::template Of,
                                  detail::List<PleLevel<Expert, Experts, 0>>, Parts...>;
  using Gate = typename Plain::Gate;
  using Math =
      detail::Selection<static_cast<std::size_t>(Experts > 0 ? Experts : 1), static_cast<std::size_t>(K > 0 ? K : 1)>;

 public:
  static constexpr auto kind = Kind::sharing;
  static constexpr bool per_sample = Gate::per_sample;

  double entropy = per_sample ? 0 : 1e-6;  ///< weight of the codes' entropy, from 0 on
  double reach = 1;  ///< weight of what keeps codes at existing experts, from 0 on; only where they are no power of 2

  [[gnu::cold]] void validate() const {
    check_option("sharing::DSelectK: entropy", entropy, per_sample ? Range{0, 0} : Range{});
    check_option("sharing::DSelectK: reach", reach);
  }

  template <Shape In, class TaskList>
  static consteval bool check() {
    constexpr bool number = K > 0 && K <= Experts;
    static_assert(number, "mtlx: DSelectK selects at least one expert and at most as many as there are");
    constexpr bool reachable = !number || !per_sample || Math::all_reachable;
    static_assert(reachable, "mtlx: DSelectK with gates for each sample needs 2, 4, 8, 16, 32 or 64 experts");
    if constexpr (number && reachable)
      return Plain::template check<In, TaskList>();
    else
      return false;
  }

  template <Shape In, class TaskList>
  struct Network : Plain::template Network<In, TaskList> {
    using Strategy = DSelectK;
  };

  template <class Net, class Scalar>
    requires(!per_sample)
  [[gnu::cold]] double penalty(std::span<const Scalar> parameters, TaskSet present) const {
    double sum = 0;
    for_each_code<Net>(parameters, present, [&](const auto& z, std::size_t) {
      double total = 0;
      for (const double r : Math::template one<double>(z, 0)) {
        total += r;
        if (r > 0) sum -= entropy * r * std::log(r);
      }
      if (!Math::all_reachable) sum += reach / std::max(total, least);
    });
    return sum;
  }

  template <class Net, class Scalar>
    requires(!per_sample)
  [[gnu::noinline]] void regularise(std::span<const Scalar> parameters, TaskSet present,
                                    std::span<Scalar> gradient) const {
    for_each_code<Net>(parameters, present, [&](const auto& z, std::size_t offset) {
      auto r = Math::template one<double>(z, 0);
      double total = 0;
      for (const double number : r) total += number;
      // Where every code reaches an expert the total is 1 whatever the codes.
      const double pull = Math::all_reachable || total < least ? 0 : -reach / (total * total);
      for (double& number : r) number = pull - (number > 0 ? entropy * (std::log(number) + 1) : 0);
      Math::template one_backward<double>(
          z, 0, 1.0, r, [&](std::size_t j, double number) { gradient[offset + j] += static_cast<Scalar>(number); });
    });
  }

 private:
  static constexpr double least = 1e-6;

  // function(code, its offset) for every code of the present tasks.
  template <class Net, class Scalar, class Function>
  static void for_each_code(std::span<const Scalar> parameters, TaskSet present, const Function& function) {
    if constexpr (Math::bits > 0)
      for (std::size_t t = 0; t < Net::tasks; ++t) {
        if (!present.has(t)) continue;
        for (std::size_t i = 0; i < static_cast<std::size_t>(K); ++i) {
          std::array<double, Math::bits> z{};
          const std::size_t offset = Net::gate_of(t) + i * Math::bits;
          for (std::size_t j = 0; j < Math::bits; ++j) z[j] = static_cast<double>(parameters[offset + j]);
          function(z, offset);
        }
      }
  }
};

}  // namespace mtlx::sharing
