// SPDX-License-Identifier: MIT
// Losses of real numbers that forgive large errors, for e = z - t:
//
// MeanAbsoluteError:  l = |e|,                                     dl/dz = sign(e), 0 at 0
// Huber<d>:           l = e²/2 if |e| <= d, else d (|e| - d/2),    dl/dz = e, else d sign(e)
// SmoothL1<b>:        l = e²/(2b) if |e| <= b, else |e| - b/2,     dl/dz = e/b, else sign(e)     (Huber<b> / b)
// Charbonnier<c>:     l = sqrt(e² + c²),                           dl/dz = e / sqrt(e² + c²)
//
// Reference: PyTorch's L1Loss, HuberLoss and SmoothL1Loss; Charbonnier et al., "Two Deterministic Half-Quadratic
// Regularization Algorithms for Computed Imaging", ICIP 1994.
#pragma once

#include <mtlx/core/real.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/loss.hpp>

#include <cstddef>
#include <type_traits>

namespace mtlx::nn {

namespace detail {

// The sum over a sample's present targets of a loss of the error: one(error) is its {value, slope}.
template <int Outputs, class One>
auto sum_of_errors(const auto& s, One one) {
  return sum_over_targets<Outputs>(s,
                                   [&]<class Number>(std::size_t, Number z, Number t) { return one(Number(z - t)); });
}

template <class Number>
Number sign(Number x) {
  return select(x > Number(0), Number(1), select(x < Number(0), Number(-1), Number(0)));
}

}  // namespace detail

/// Distance to the target; mean over the targets that are present.
struct MeanAbsoluteError {
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    return detail::sum_of_errors<Outputs>(
        s, []<class Number>(Number e) { return detail::ValueAndSlope<Number>{absolute(e), detail::sign(e)}; });
  }
};

/// Half the squared distance up to `delta`, linear beyond; mean over the targets that are present.
template <mtlx::Real delta = 1>
struct Huber {
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static consteval bool check() {
    static_assert(delta.value > 0 && is_finite(delta.value), "mtlx: Huber takes a delta above 0");
    return delta.value > 0 && is_finite(delta.value);
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    return detail::sum_of_errors<Outputs>(s, []<class Number>(Number e) {
      const Number far(delta.value), half(0.5), distance = absolute(e);
      const auto beyond = distance > far;
      return detail::ValueAndSlope<Number>{select(beyond, far * (distance - half * far), half * e * e),
                                           select(beyond, far * detail::sign(e), e)};
    });
  }
};

/// Distance to the target, rounded off below `beta`; mean over the targets that are present.
template <mtlx::Real beta = 1>
struct SmoothL1 {
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static consteval bool check() {
    static_assert(beta.value > 0 && is_finite(beta.value), "mtlx: SmoothL1 takes a beta above 0");
    return beta.value > 0 && is_finite(beta.value);
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    return detail::sum_of_errors<Outputs>(s, []<class Number>(Number e) {
      const Number near(beta.value), half(0.5), distance = absolute(e), slope = e / near;
      const auto beyond = distance > near;
      return detail::ValueAndSlope<Number>{select(beyond, distance - half * near, half * e * slope),
                                           select(beyond, detail::sign(e), slope)};
    });
  }
};

/// Distance to the target, rounded off by `epsilon`, with a slope everywhere; mean over the targets that are present.
template <mtlx::Real epsilon = 1e-3>
struct Charbonnier {
  static constexpr auto meaning = Meaning::numbers;
  static constexpr int targets(int outputs) { return outputs; }

  template <int Outputs>
  static consteval bool check() {
    // In single precision the square of less than that is 0.
    constexpr bool sound = epsilon.value >= 1e-18 && is_finite(epsilon.value);
    static_assert(sound, "mtlx: Charbonnier takes an epsilon from 1e-18 on");
    return sound;
  }

  template <int Outputs>
  static auto evaluate(const auto& s) {
    return detail::sum_of_errors<Outputs>(s, []<class Number>(Number e) {
      const Number value = square_root(Number(e * e + Number(epsilon.value * epsilon.value)));
      return detail::ValueAndSlope<Number>{value, e / value};
    });
  }
};

}  // namespace mtlx::nn
