// SPDX-License-Identifier: MIT
// One number for each of several samples, in one vector register: the number type that the CPU backend puts into
// layers and losses written for one sample. `double` and `float` satisfy the same vocabulary (`select`, `maximum`,
// `exponential`, ...), so one source serves every backend.
//
// The storage is the compilers' vector type at the machine's native width, not Eigen::Array: comparisons and `select`
// become masked instructions (Eigen 3.4 evaluates them lane by lane), and a kernel instantiates no expression
// templates. Wider than native these types are slow with g++, which is why Pack never is. Transcendental functions
// are Eigen's.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

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
};
template <>
struct Register<double> {
  using Vector [[gnu::vector_size(register_bytes)]] = double;
  using Mask [[gnu::vector_size(register_bytes)]] = std::int64_t;
};

/// One T for each of `lanes<T>` samples, with elementwise arithmetic.
template <class T>
struct Pack {
  using Vector = typename Register<T>::Vector;
  using MaskVector = typename Register<T>::Mask;
  static constexpr int size = lanes<T>;

  /// Which of the samples a comparison holds for.
  struct Mask {
    MaskVector bits;
    friend Mask operator&(Mask a, Mask b) { return {a.bits & b.bits}; }
    friend Mask operator|(Mask a, Mask b) { return {a.bits | b.bits}; }
    friend Mask operator!(Mask a) { return {~a.bits}; }
  };

  Vector v;

  Pack() = default;
  template <class Scalar>
    requires std::is_arithmetic_v<Scalar>
  // Less 0, not plus: x - 0 is x for -0 too, so compilers drop it and spread the number with no addition.
  Pack(Scalar scalar) : v(static_cast<T>(scalar) - Vector{}) {}  // NOLINT: a number stands for itself in every lane
  explicit Pack(Vector vector) : v(vector) {}

  /// Reads `size` neighbours; no alignment is asked for.
  static Pack load(const T* from) {
    Pack p;
    std::memcpy(&p.v, from, sizeof(Vector));
    return p;
  }
  void store(T* to) const { std::memcpy(to, &v, sizeof(Vector)); }
  T operator[](int lane) const { return v[lane]; }

  friend Pack operator+(Pack a, Pack b) { return Pack(a.v + b.v); }
  friend Pack operator-(Pack a, Pack b) { return Pack(a.v - b.v); }
  friend Pack operator*(Pack a, Pack b) { return Pack(a.v * b.v); }
  friend Pack operator/(Pack a, Pack b) { return Pack(a.v / b.v); }
  friend Pack operator-(Pack a) { return Pack(-a.v); }
  Pack& operator+=(Pack b) { return v += b.v, *this; }
  Pack& operator-=(Pack b) { return v -= b.v, *this; }
  Pack& operator*=(Pack b) { return v *= b.v, *this; }
  friend Mask operator<(Pack a, Pack b) { return {a.v < b.v}; }
  friend Mask operator<=(Pack a, Pack b) { return {a.v <= b.v}; }
  friend Mask operator>(Pack a, Pack b) { return {a.v > b.v}; }
  friend Mask operator>=(Pack a, Pack b) { return {a.v >= b.v}; }
  friend Mask operator==(Pack a, Pack b) { return {a.v == b.v}; }
  friend Mask operator!=(Pack a, Pack b) { return {a.v != b.v}; }

  /// a * b + c in one rounding where the machine has it. One expression, because clang fuses only within one.
  friend Pack fused(Pack a, Pack b, Pack c) { return Pack(a.v * b.v + c.v); }
  friend Pack select(Mask mask, Pack yes, Pack no) { return Pack(mask.bits ? yes.v : no.v); }

  friend Pack exponential(Pack x) {
    return x.apply([](const auto& a) { return a.exp(); });
  }
  friend Pack logarithm(Pack x) {
    return x.apply([](const auto& a) { return a.log(); });
  }
  // Exact, as Eigen's for float is not: an optimizer's denominator should be the same everywhere.
  friend Pack square_root(Pack x) {
    return x.apply([](const auto& a) {
      auto roots = a;
      exact_roots(roots.data());
      return roots;
    });
  }
  friend Pack hyperbolic_tangent(Pack x) {
    return x.apply([](const auto& a) { return a.tanh(); });
  }

  /// The sum over the samples, in a fixed order: halves are added until one number is left.
  friend T sum(Pack x) { return fold<size / 2>(x.v)[0]; }

 private:
  template <int half>
  static Vector fold(Vector v) {
    if constexpr (half == 0)
      return v;
    else
      return fold<half / 2>(v + rotated<half>(v, std::make_integer_sequence<int, size>{}));
  }
  template <int by, int... lane>
  static Vector rotated(Vector v, std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(v, v, ((lane + by) % size)...);
  }

  // Square roots of as many numbers as `apply` hands on, in place.
  static void exact_roots(T* numbers) {
#if defined(__AVX__)
    if constexpr (sizeof(T) == 4)
      _mm256_storeu_ps(numbers, _mm256_sqrt_ps(_mm256_loadu_ps(numbers)));
    else
      _mm256_storeu_pd(numbers, _mm256_sqrt_pd(_mm256_loadu_pd(numbers)));
#elif defined(__SSE2__)
    if constexpr (sizeof(T) == 4)
      _mm_storeu_ps(numbers, _mm_sqrt_ps(_mm_loadu_ps(numbers)));
    else
      _mm_storeu_pd(numbers, _mm_sqrt_pd(_mm_loadu_pd(numbers)));
#else
    for (int i = 0; i < size; ++i) numbers[i] = std::sqrt(numbers[i]);
#endif
  }

  // In halves where a register has 64 bytes: g++ 12 warns of its own header where Eigen's functions are that wide.
  template <class Function>
  Pack apply(Function function) const {
    constexpr int part = register_bytes == 64 ? size / 2 : size;
    Pack result;
    for (std::size_t first = 0; first < size; first += part) {
      Eigen::Array<T, part, 1> numbers;
      std::memcpy(numbers.data(), reinterpret_cast<const char*>(&v) + first * sizeof(T), part * sizeof(T));
      numbers = function(numbers).eval();
      std::memcpy(reinterpret_cast<char*>(&result.v) + first * sizeof(T), numbers.data(), part * sizeof(T));
    }
    return result;
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
