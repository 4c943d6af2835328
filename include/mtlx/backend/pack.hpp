// SPDX-License-Identifier: MIT
// One number for each of several samples, in one vector register: the number type that the CPU backend puts into
// layers and losses written for one sample. `double` and `float` satisfy the same vocabulary (`select`, `maximum`,
// `exponential`, ...), so one source serves every backend.
//
// The storage is the compilers' vector type at the machine's native width: comparisons and `select` become masked
// instructions, and a kernel instantiates no expression templates. Wider than native these types are slow with g++,
// which is why Pack never is.
#pragma once

#include <mtlx/backend/pack_math.hpp>

#include <cstring>
#include <type_traits>
#include <utility>

namespace mtlx::backend {
inline namespace MTLX_ISA {

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
  /// The same, kept in a register: g++ takes what it loaded from memory anew for each multiply-add, and a loop that uses a
  /// number twice or more then waits for memory.
  static Pack hold(const T* from) {
    Pack p = load(from);
#if defined(__x86_64__)
    asm("" : "+v"(p.v));
#endif
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

  friend Pack exponential(Pack x) { return Pack(RegisterMath<T>::exponential(x.v)); }
  friend Pack logarithm(Pack x) { return Pack(RegisterMath<T>::logarithm(x.v)); }
  // Exact: an optimizer's denominator should be the same everywhere.
  friend Pack square_root(Pack x) { return Pack(RegisterMath<T>::square_root(x.v)); }
  friend Pack hyperbolic_tangent(Pack x) { return Pack(RegisterMath<T>::hyperbolic_tangent(x.v)); }

  /// The sum over the samples, in a fixed order: halves are added until one number is left.
  friend T sum(Pack x) { return fold<size / 2>(x.v)[0]; }
  /// Lane i: the sum over the lanes of packs[i], in a fixed order. Overwrites the packs.
  static Pack sums(Pack (&packs)[size]) {
    gather<size / 2>(packs);
    return packs[0];
  }
  /// Lane j of pack i becomes lane i of pack j.
  static void transpose(Pack (&packs)[size]) { exchange<size / 2>(packs); }

 private:
  // Packs i and i + half exchange the lanes with the bit `half` of the first for those without it of the second.
  template <int half>
  [[gnu::always_inline]] static void exchange(Pack (&packs)[size]) {
    if constexpr (half > 0) {
#pragma GCC unroll 16
      for (int i = 0; i < size; ++i)
        if ((i & half) == 0) {
          const Vector a = packs[i].v, b = packs[i + half].v;
          packs[i].v = exchanged<half, false>(a, b, std::make_integer_sequence<int, size>{});
          packs[i + half].v = exchanged<half, true>(a, b, std::make_integer_sequence<int, size>{});
        }
      exchange<half / 2>(packs);
    }
  }
  template <int half, bool second, int... lane>
  static Vector exchanged(Vector a, Vector b, std::integer_sequence<int, lane...>) {
    constexpr int by = second ? half : 0;
    return __builtin_shufflevector(a, b, ((lane & half) == 0 ? lane + by : lane - half + by + size)...);
  }
  // Adds the halves of packs i and i + half into one: lanes with the bit `half` are the second's from then on.
  template <int half>
  [[gnu::always_inline]] static void gather(Pack (&packs)[size]) {
    if constexpr (half > 0) {
#pragma GCC unroll 8
      for (int i = 0; i < half; ++i)
        packs[i].v = halves<half>(packs[i].v, packs[i + half].v, std::make_integer_sequence<int, size>{});
      gather<half / 2>(packs);
    }
  }
  template <int half, int... lane>
  static Vector halves(Vector a, Vector b, std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(a, b, ((lane & half) == 0 ? lane : lane + size)...) +
           __builtin_shufflevector(a, b, ((lane & half) == 0 ? lane + half : lane - half + size)...);
  }
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
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
