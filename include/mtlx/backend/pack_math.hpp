// SPDX-License-Identifier: MIT
// Vector registers, and exp, log, tanh and the square root of their numbers.
//
//   e^x:    n = round(x / ln 2), r = x - n ln 2 in two parts, e^r = 1 + r + r² p(r), times 2^n by the exponent's bits.
//   log x:  x = 2^k m with sqrt(1/2) <= m < sqrt 2, f = m - 1, s = f / (2 + f); log(1 + f) = 2 atanh(s)
//           = f - f²/2 + s (f²/2 + s² q(s²)).
//   tanh x: t / (t + 2) with t = e^(2|x|) - 1 = 2^n (r + r² p(r)) + (2^n - 1), which loses nothing near 0.
//
// The polynomials are Chebyshev expansions: scripts/oracle/pack_math.py computes them and says whether they stand here.
// Right to 1.1 units of the last place (exp), 0.9 (log) and 2.6 (tanh), for denormal numbers too. Under -ffast-math what
// is NaN, infinite or too large is seen by its bits, and where the order of additions matters `settled` keeps it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

// Programs mix translation units built with different instruction sets. Everything that depends on the register width
// lives in an inline namespace named by it, so that the linker never merges two versions into one.
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define MTLX_ISA avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define MTLX_ISA avx2
#elif defined(__AVX__)
#define MTLX_ISA avx
#elif defined(__SSE2__)
#define MTLX_ISA sse2
#else
#define MTLX_ISA generic
#endif

namespace mtlx::backend {
inline namespace MTLX_ISA {

#if defined(__AVX512F__) && defined(__AVX512DQ__)
inline constexpr std::size_t register_bytes = 64;
inline constexpr int register_count = 32;
#elif defined(__AVX__)
inline constexpr std::size_t register_bytes = 32;
inline constexpr int register_count = 16;
#else
inline constexpr std::size_t register_bytes = 16;
inline constexpr int register_count = 16;
#endif

/// Samples in one register.
template <class T>
inline constexpr int lanes = static_cast<int>(register_bytes / sizeof(T));

/// The compiler's vector types. Written out for each number, because g++ drops the attribute from a dependent type.
template <class T>
struct Register;
template <>
struct Register<float> {
  using Vector [[gnu::vector_size(register_bytes)]] = float;
  using Mask [[gnu::vector_size(register_bytes)]] = std::int32_t;
  using Bits [[gnu::vector_size(register_bytes)]] = std::uint32_t;
  using Integers [[gnu::vector_size(register_bytes)]] = std::int32_t;
  using Counts [[gnu::vector_size(register_bytes)]] = std::uint32_t;
};
template <>
struct Register<double> {
  using Vector [[gnu::vector_size(register_bytes)]] = double;
  using Mask [[gnu::vector_size(register_bytes)]] = std::int64_t;
  using Bits [[gnu::vector_size(register_bytes)]] = std::uint64_t;
  // Of 32 bits: what machines convert to and from double. Those with AVX-512 convert 64 bits too.
  using Integers [[gnu::vector_size(register_bytes / 2)]] = std::int32_t;
  using Counts [[gnu::vector_size(register_bytes / 2)]] = std::uint32_t;
};

namespace pack_detail {

// (e^r - 1 - r) / r² in powers of r, for |r| <= ln(2) / 2.
inline constexpr double exponential_of_float[] = {
    0.5000000013462298, 0.16666577002801208, 0.04166646497531993, 0.00836317562525728, 0.0013933643612136677,
};
inline constexpr double exponential_of_double[] = {
    0.5000000000000001,     0.1666666666666667,     0.04166666666662416,    0.008333333333326141,
    0.0013888888917198757,  0.00019841269874802374, 2.4801521319615554e-05, 2.755725542362447e-06,
    2.7620077041765494e-07, 2.510520717094936e-08,
};
// (2 atanh(s) / s - 2) / s² in powers of s², for |s| <= (sqrt 2 - 1) / (sqrt 2 + 1).
inline constexpr double logarithm_of_float[] = {
    0.6666668515245847,
    0.3998874974351688,
    0.29580998106224493,
};
inline constexpr double logarithm_of_double[] = {
    0.666666666666667,  0.39999999999899005, 0.28571428626173057, 0.2222221110612709,
    0.1818289100504977, 0.15331664799306263, 0.14617093237558204,
};

// What the functions must know of a number's format.
template <class T>
struct Format;
template <>
struct Format<float> {
  using Integer = std::int32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr Integer sqrt_half = 0x3F3504F3;
  // ln 2 in two parts: the first has few enough bits that its products with exponents are exact.
  static constexpr float ln2_high = 0x1.63p-1F, ln2_low = -2.12194440054690583e-4F;
  static constexpr float exponential_bound = 105, tangent_bound = 10;
  static constexpr auto& exponential = exponential_of_float;
  static constexpr auto& logarithm = logarithm_of_float;
};
template <>
struct Format<double> {
  using Integer = std::int64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr Integer sqrt_half = 0x3FE6A09E667F3BCD;
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 1.90821492927058770002e-10;
  static constexpr double exponential_bound = 750, tangent_bound = 20;
  static constexpr auto& exponential = exponential_of_double;
  static constexpr auto& logarithm = logarithm_of_double;
};

}  // namespace pack_detail

/// Functions of every number of a register.
template <class T>
struct RegisterMath {
  using Vector = typename Register<T>::Vector;

  /// e^x. Infinite where no number is large enough, through denormal numbers to 0 on the other side.
  [[gnu::always_inline]] static inline Vector exponential(Vector x) {
    const Mask given = bits(x), magnitude = given & ~sign_bit;
    const Power power(from(at_most(magnitude, Format::exponential_bound) | (given & sign_bit)));
    // Times 2^n in two steps, since 2^n may be no number where the product is one. The first is never rounded.
    const Integers half = power.n >> 1;
    const Vector scaled = from(bits(power.less_one + T(1)) + exponent(half));
    return from(less(Mask{} + infinity, magnitude, given, bits(scaled * two_to(power.n - half))));
  }

  /// The natural logarithm: -infinity of 0, NaN of what is less.
  [[gnu::always_inline]] static inline Vector logarithm(Vector x) {
    const Mask given = bits(x);
    // The bits of a denormal number count the smallest one, 2^-counted.
    constexpr int counted = Format::bias - 1 + Format::mantissa;
    const Mask smallest_normal = Mask{} + (Integer{1} << Format::mantissa);
    const Mask normal = less(given, smallest_normal, bits(number(given & mantissa_bits)), given);
    const Vector zero = from(
        less(given, smallest_normal, bits(Vector{} + T(Format::bias + counted)), bits(Vector{} + T(Format::bias))));
    // The exponent changes at sqrt(1/2), where the fraction begins.
    const Unsigned shifted = Unsigned(normal) + static_cast<Bits>(one - Format::sqrt_half);
    const Vector f = from(Mask(shifted & static_cast<Bits>(mantissa_bits)) + Format::sqrt_half) - T(1);
    const Vector k = number(Mask(shifted >> Format::mantissa)) - zero;
    const Vector s = f / (f + T(2)), square = s * s, half = f * f * T(0.5);
    const Vector tail = s * (half + square * polynomial<Format::logarithm>(square)) + k * Format::ln2_low;
    const Vector y = k * Format::ln2_high - ((half - tail) - f);
    const Mask below_infinity = less(given, Mask{} + infinity, bits(y), given);
    const Mask not_negative = less(given, Mask{}, Mask{} + not_a_number, below_infinity);
    return from(less(given & ~sign_bit, Mask{} + 1, Mask{} + (infinity | sign_bit), not_negative));
  }

  /// The hyperbolic tangent, in [-1, 1].
  [[gnu::always_inline]] static inline Vector hyperbolic_tangent(Vector x) {
    const Mask given = bits(x), magnitude = given & ~sign_bit;
    const Power power(from(at_most(magnitude, Format::tangent_bound)) * T(2));
    const Vector scale = two_to(power.n), t = scale * power.less_one + settled(scale - T(1));
    return from(less(Mask{} + infinity, magnitude, given, bits(t / (t + T(2))) | (given & sign_bit)));
  }

  /// Exact, under -ffast-math too: the instruction itself, since the header that declares it is a large one.
  [[gnu::always_inline]] static inline Vector square_root(Vector x) {
    Vector y;
#if defined(__AVX__)
    if constexpr (sizeof(T) == 4)
      asm("vsqrtps {%1, %0|%0, %1}" : "=v"(y) : "v"(x));
    else
      asm("vsqrtpd {%1, %0|%0, %1}" : "=v"(y) : "v"(x));
#elif defined(__SSE2__)
    if constexpr (sizeof(T) == 4)
      asm("sqrtps {%1, %0|%0, %1}" : "=x"(y) : "x"(x));
    else
      asm("sqrtpd {%1, %0|%0, %1}" : "=x"(y) : "x"(x));
#else
    for (int i = 0; i < lanes<T>; ++i) y[i] = std::sqrt(x[i]);
#endif
    return y;
  }

 private:
  using Format = pack_detail::Format<T>;
  using Integer = typename Format::Integer;
  using Mask = typename Register<T>::Mask;
  using Unsigned = typename Register<T>::Bits;
  using Integers = typename Register<T>::Integers;
  using Counts = typename Register<T>::Counts;
  using Bits = std::make_unsigned_t<Integer>;

  static constexpr Integer mantissa_bits = (Integer{1} << Format::mantissa) - 1;
  static constexpr Integer sign_bit = std::numeric_limits<Integer>::min();
  static constexpr Integer one = Integer{Format::bias} << Format::mantissa;
  static constexpr Integer infinity = Integer{2 * Format::bias + 1} << Format::mantissa;
  static constexpr Integer not_a_number = infinity | Integer{1} << (Format::mantissa - 1);

  // e^y as 2^n (1 + less_one): small ones are not lost.
  struct Power {
    Integers n;
    Vector less_one;

    [[gnu::always_inline]] explicit inline Power(Vector y) {
      const Vector half = from(bits(Vector{} + T(0.5)) | (bits(y) & sign_bit));
      n = __builtin_convertvector(y * T(1.44269504088896341) + half, Integers);  // cuts towards 0
      const Vector k = __builtin_convertvector(n, Vector);
      const Vector r = settled(y - k * Format::ln2_high) - k * Format::ln2_low;
      less_one = r + r * r * polynomial<Format::exponential>(r);
    }
  };

  [[gnu::always_inline]] static inline Mask bits(Vector v) { return reinterpret_cast<Mask>(v); }
  [[gnu::always_inline]] static inline Vector from(Mask v) { return reinterpret_cast<Vector>(v); }
  [[gnu::always_inline]] static inline Mask at_most(Mask magnitude, T bound) {
    const Mask most = bits(Vector{} + bound);
    return less(magnitude, most, magnitude, most);
  }
  // a < b ? yes : no, for a - b that doesn't overflow. SSE2 compares no integers of 64 bits, but has their sign.
  [[gnu::always_inline]] static inline Mask less(Mask a, Mask b, Mask yes, Mask no) {
#if defined(__SSE2__) && !defined(__SSE4_2__)
    if constexpr (sizeof(T) == 8) {
      const auto words = reinterpret_cast<Register<float>::Mask>(Unsigned(a) - Unsigned(b));
      const Mask mask = reinterpret_cast<Mask>(__builtin_shufflevector(words, words, 1, 1, 3, 3) >> 31);
      return (yes & mask) | (no & ~mask);
    }
#endif
    return a < b ? yes : no;
  }

  // 2^n's bits, less those of 1; and 2^n. Zeros go in front of what is shifted out, for that is cheaper than signs.
  [[gnu::always_inline]] static inline Mask exponent(Integers n) {
    return Mask(__builtin_convertvector(Counts(n), Unsigned) << Format::mantissa);
  }
  [[gnu::always_inline]] static inline Vector two_to(Integers n) { return from(exponent(n + Format::bias)); }

  // Integers from 0 to 2^mantissa - 1 as numbers. Before AVX-512 no machine converts those of 64 bits.
  [[gnu::always_inline]] static inline Vector number(Mask n) {
    constexpr Integer exponent = Integer{Format::bias + Format::mantissa} << Format::mantissa;
    if constexpr (register_bytes == 64 || sizeof(T) == 4)
      return __builtin_convertvector(n, Vector);
    else
      return from(n | exponent) - static_cast<T>(Integer{1} << Format::mantissa);
  }

  // v, whose additions -ffast-math won't mix with those that follow.
  [[gnu::always_inline]] static inline Vector settled(Vector v) {
#if defined(__SSE2__)
    asm("" : "+v"(v));  // g++ takes vectors through its own barrier number by number
    return v;
#elif defined(__clang__)
    return v;
#else
    return __builtin_assoc_barrier(v);
#endif
  }

  template <auto& Coefficients>
  [[gnu::always_inline]] static inline Vector polynomial(Vector x) {
    constexpr std::size_t last = sizeof(Coefficients) / sizeof(double) - 1;
    return [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
      Vector y = Vector{} + static_cast<T>(Coefficients[last]);
      ((y = y * x + static_cast<T>(Coefficients[last - 1 - I])), ...);
      return y;
    }(std::make_index_sequence<last>{});
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
