// SPDX-License-Identifier: MIT
#pragma once

namespace mtlx::backend::detail {

/// The device's primitives as CUDA C++ text: function templates that all threads of a block call, with what
/// `PlainSlice` says as their meaning. The text before it defines `real`, `T` (samples a block works on: a power of two
/// up to 32) and `THREADS` (threads a block: a multiple of 32). Number f of sample s of the block lies at m[f * T + s],
/// where m is a multiple of T numbers or of 16 bytes, whichever is less. `tid` is the thread's number, turned by whole
/// warps or not. No barriers inside: the caller puts them between calls that depend on each other. Sums have a fixed
/// order. Weight gradients are sums over the block's samples, assigned where `fresh`, else added. A kernel with
/// __launch_bounds__(THREADS, 1) has the registers for many loads under way at once.
inline constexpr const char* device_kernels =
    R"mtlx(
namespace parts {

[[maybe_unused]] constexpr int warps = THREADS / 32;
// Samples in a vector load, and loads for all of them.
[[maybe_unused]] constexpr int quad = T * int(sizeof(real)) <= 16 ? T : 16 / int(sizeof(real));
[[maybe_unused]] constexpr int quads = T / quad;

__device__ constexpr int least(int a, int b) { return a < b ? a : b; }
__device__ constexpr int most(int a, int b) { return a < b ? b : a; }
// a / b, upwards
__device__ constexpr int ceiling(int a, int b) { return (a + b - 1) / b; }
// The least power of two that is no less.
__device__ constexpr int power(int a) {
  int p = 1;
  while (p < a) p *= 2;
  return p;
}
__device__ constexpr int logarithm(int a) {
  int p = 0;
  while ((1 << p) < a) ++p;
  return p;
}
// How often a loop of `turns` is unrolled, at most `limit`.
__device__ constexpr int unrolled(int turns, int limit) { return most(1, least(turns, limit)); }

template <int N>
struct alignas(N * sizeof(real)) Pack {
  real number[N];
};
template <int N>
__device__ __forceinline__ Pack<N> load(const real* from) {
  return *reinterpret_cast<const Pack<N>*>(from);
}
template <int N>
__device__ __forceinline__ void store(const Pack<N>& pack, real* to) {
  *reinterpret_cast<Pack<N>*>(to) = pack;
}

__device__ __forceinline__ real from_lane(real number, int mask) { return __shfl_xor_sync(0xffffffffu, number, mask); }

// The numbers that a lane has after `sums`: `count` of them, the first one number `begin`.
struct Share {
  int begin, count;
};
// Sums over Lanes lanes, those whose numbers differ in the bits Step .. Step * Lanes / 2, of each of M numbers. The
// lanes share the sums out, as long as there is more than one: a lane ends with at most `kept`.
template <int M, int Lanes, int Step, int N>
__device__ __forceinline__ Share sums(real (&number)[N], int lane, Share share = {0, M}) {
  if constexpr (Lanes == 1) {
    return share;
  } else if constexpr (M > 1) {
    constexpr int half = (M + 1) / 2;
    const bool upper = (lane & Step) != 0;
#pragma unroll
    for (int i = 0; i < half; ++i) {
      const real high = i + half < M ? number[i + half] : real(0);
      const real given = upper ? number[i] : high, own = upper ? high : number[i];
      number[i] = own + from_lane(given, Step);
    }
    share =
        upper ? Share{share.begin + half, most(share.count - half, 0)} : Share{share.begin, least(share.count, half)};
    return sums<half, Lanes / 2, Step * 2>(number, lane, share);
  } else {
    number[0] += from_lane(number[0], Step);
    return sums<1, Lanes / 2, Step * 2>(number, lane, share);
  }
}
__device__ constexpr int kept(int m, int lanes) {
  for (; lanes > 1; lanes /= 2) m = (m + 1) / 2;
  return m;
}
// Shuffles of a lane in `sums`.
__device__ constexpr int shuffles(int m, int lanes) {
  int count = 0;
  for (; lanes > 1; lanes /= 2) count += m = (m + 1) / 2;
  return count;
}
// The bits of the lane's number in which lanes end with the same sums.
__device__ constexpr int same(int m, int lanes, int step) {
  for (; lanes > 1 && m > 1; lanes /= 2, step *= 2) m = (m + 1) / 2;
  return step * (lanes - 1);
}

__device__ __forceinline__ void put(real* to, real number, bool fresh) { *to = fresh ? number : *to + number; }

// Which vector of a row of samples a lane reads in turn c, so that lanes with neighbouring rows meet different banks.
__device__ __forceinline__ int turned(int c, int lane) { return quads == 1 ? 0 : (c + lane * T / 32) % quads; }

// db[n] = sum of dy[n] over the samples. The last warps first: the first have most other work.
template <int N>
__device__ __forceinline__ void sum_rows(int tid, const real* dy, real* db, bool fresh) {
  for (int n = (warps - 1 - tid / 32) * 32 + tid % 32; n < N; n += THREADS) {
    real sum = 0;
#pragma unroll
    for (int c = 0; c < quads; ++c) {
      const Pack<quad> pack = load<quad>(dy + n * T + turned(c, tid) * quad);
#pragma unroll
      for (int q = 0; q < quad; ++q) sum += pack.number[q];
    }
    put(db + n, sum, fresh);
  }
}

}  // namespace parts

template <int N>
__device__ __forceinline__ void fill(int tid, real* to, real value) {
#pragma unroll 4
  for (int i = tid; i < N * T; i += THREADS) to[i] = value;
}
template <int N>
__device__ __forceinline__ void copy(int tid, const real* from, real* to) {
#pragma unroll 4
  for (int i = tid; i < N * T; i += THREADS) to[i] = from[i];
}
template <int N>
__device__ __forceinline__ void add(int tid, const real* from, real* to) {
#pragma unroll 4
  for (int i = tid; i < N * T; i += THREADS) to[i] += from[i];
}
)mtlx"
    // Dense layers. Aligned: w lies at a multiple of so many numbers; 4 or more makes large groups of samples faster.
    R"mtlx(
namespace parts {

// How a product of a matrix and the samples' vectors is shared out: a warp works on quads x rows x split lanes, a lane
// on `tile` rows for `quad` samples, every split'th (group of) terms. In a group are `terms` neighbouring terms.
struct ProductPlan {
  int rows, split, tile, terms;
  bool wide;  // neighbouring rows are read at once
};

// Rows sums of Terms products; ByRow: the matrix has neighbouring rows side by side, else neighbouring terms.
__device__ constexpr ProductPlan product_plan(int rows, int terms, bool by_row, bool aligned) {
  ProductPlan best{32 / quads, 1, 1, 1, false};
  long long least_time = -1;
  for (int lanes = 1; lanes <= 32 / quads; lanes *= 2)
    for (int tile = 1; tile <= 8 && tile * quad <= 32; tile *= 2) {
      const int split = 32 / quads / lanes;
      // Vectors of the matrix pay where loads, not their latency, are what takes time.
      const bool vectors = aligned && T >= 8 && sizeof(real) == 4;
      const bool wide = vectors && by_row && tile % 4 == 0;
      const int group = vectors && !by_row ? 4 : 1;
      const int items = ceiling(rows, lanes * tile), rounds = ceiling(items, warps), busy = least(items, warps);
      const int steps = ceiling(terms, split * group);
      const int loads = wide ? tile / 4 : tile, lines = by_row ? split : lanes;
      const long long memory =
          loads * most(1, ceiling(lines, 2)) + group * most(1, group == 1 ? split * T / 32 : split);
      const long long issue = tile * group * quad + loads + group + 2;
      const long long work = most(int(steps * issue * ceiling(busy, 4)), int(steps * memory * busy));
      const long long wait = 6 * steps * group + 10 * steps * loads + 24 * logarithm(split) + 100;
      const long long time = rounds * (work + wait + 2 * shuffles(tile * quad, split));
      if (least_time >= 0 && time >= least_time) continue;
      least_time = time;
      best = {lanes, split, tile, group, wide};
    }
  return best;
}

// out[r][s] = bias[r] + sum of weight(r, m) * in[m][s] over m
template <int Rows, int Terms, bool ByRow, bool Bias, bool Aligned>
__device__ __forceinline__ void product(int tid, const real* __restrict__ w, const real* __restrict__ bias,
                                        const real* in, real* out) {
  constexpr ProductPlan plan = product_plan(Rows, Terms, ByRow, Aligned);
  constexpr int lanes = plan.rows, split = plan.split, tile = plan.tile, group = plan.terms;
  constexpr int row_step = ByRow ? 1 : Terms, term_step = ByRow ? Rows : 1;
  constexpr int items = ceiling(Rows, lanes * tile);
  constexpr bool whole = Rows % (lanes * tile) == 0, wide = plan.wide && whole;
  const int lane = tid % 32, part = lane / quads / lanes;
  const int s = lane % quads * quad;
  for (int item = tid / 32; item < items; item += warps) {
    const int first = item * lanes * tile + lane / quads % lanes * (wide ? tile : 1);
    constexpr int next = wide ? 1 : lanes;
    // A lane's place in the rows, and in the vectors. Where all rows exist one place is enough.
    const real* row[whole ? 1 : tile];
    const real* from = in + part * group * T + s;
    real sum[tile * quad];
#pragma unroll
    for (int j = 0; j < tile; ++j) {
      // A row beyond the last is computed as the last and not written.
      const int r = whole ? first + j * next : least(first + j * next, Rows - 1);
      if (!whole || j == 0) row[whole ? 0 : j] = w + r * row_step + part * group * term_step;
      real start = 0;
      if constexpr (Bias)
        if (part == 0) start = bias[r];
#pragma unroll
      for (int q = 0; q < quad; ++q) sum[j * quad + q] = start;
    }
    const auto place = [&](int j) { return whole ? row[0] + j * next * row_step : row[whole ? 0 : j]; };
    const auto step = [&] {
      real weight[tile * group];
      if constexpr (wide) {
#pragma unroll
        for (int j = 0; j < tile; j += 4) {
          const Pack<4> pack = load<4>(place(j));
#pragma unroll
          for (int i = 0; i < 4; ++i) weight[j + i] = pack.number[i];
        }
      } else if constexpr (group == 4) {
#pragma unroll
        for (int j = 0; j < tile; ++j) {
          const Pack<4> pack = load<4>(place(j));
#pragma unroll
          for (int i = 0; i < 4; ++i) weight[j * 4 + i] = pack.number[i];
        }
      } else {
#pragma unroll
        for (int j = 0; j < tile; ++j) weight[j] = *place(j);
      }
#pragma unroll
      for (int i = 0; i < group; ++i) {
        const Pack<quad> numbers = load<quad>(from + i * T);
#pragma unroll
        for (int j = 0; j < tile; ++j)
#pragma unroll
          for (int q = 0; q < quad; ++q) sum[j * quad + q] += weight[j * group + i] * numbers.number[q];
      }
#pragma unroll
      for (int j = 0; j < (whole ? 1 : tile); ++j) row[j] += split * group * term_step;
      from += split * group * T;
    };
    constexpr int whole_steps = Terms / (split * group), rest = Terms % (split * group);
    constexpr int turns =
        unrolled(whole_steps, quad <= 2 ? most(4, 64 / tile) : most(2, least(16, 32 / (tile * group))));
#pragma unroll(turns)
    for (int i = 0; i < whole_steps; ++i) step();
    // The plan takes groups of more than one only where they divide the terms.
    if constexpr (rest != 0)
      if (part * group < rest) step();

    if constexpr (split == 1) {
#pragma unroll
      for (int j = 0; j < tile; ++j) {
        const int r = first + j * next;
        Pack<quad> pack;
#pragma unroll
        for (int q = 0; q < quad; ++q) pack.number[q] = sum[j * quad + q];
        if (whole || r < Rows) store<quad>(pack, out + r * T + s);
      }
    } else {
      constexpr int count = kept(tile * quad, split), twins = same(tile * quad, split, quads * lanes);
      const Share share = sums<tile * quad, split, quads * lanes>(sum, lane);
#pragma unroll
      for (int i = 0; i < count; ++i) {
        const int j = (share.begin + i) / quad, q = (share.begin + i) % quad, r = first + j * next;
        if (i < share.count && (lane & twins) == 0 && (whole || r < Rows)) out[r * T + s + q] = sum[i];
      }
    }
  }
}

}  // namespace parts

template <int In, int Out, int Aligned = 1>
__device__ __forceinline__ void dense_forward(int tid, const real* __restrict__ w, const real* __restrict__ b,
                                              const real* x, real* y) {
  parts::product<Out, In, true, true, Aligned % 4 == 0 && Out % 4 == 0>(tid, w, b, x, y);
}
template <int In, int Out, int Aligned = 1>
__device__ __forceinline__ void dense_backward_input(int tid, const real* __restrict__ w, const real* dy, real* dx) {
  parts::product<In, Out, false, false, Aligned % 4 == 0 && Out % 4 == 0>(tid, w, nullptr, dy, dx);
}

template <int In, int Out>
__device__ __forceinline__ void dense_backward_parameters(int tid, const real* x, const real* dy, real* dw, real* db,
                                                          bool fresh) {
  using namespace parts;
  sum_rows<Out>(tid, dy, db, fresh);
  if constexpr (In == 0 || Out == 0) {
  } else if constexpr (quads == 1) {
    // A thread has one column, or every THREADS'th, and keeps its dy.
    constexpr int groups = most(1, THREADS / Out);
    const int part = Out < THREADS ? tid / Out : 0;
    if (part >= groups) return;
    for (int n = Out < THREADS ? tid % Out : tid; n < Out; n += THREADS) {
      const Pack<T> error = load<T>(dy + n * T);
      const auto element = [&](int k) {
        const Pack<T> number = load<T>(x + k * T);
        real sum = 0;
#pragma unroll
        for (int q = 0; q < T; ++q) sum += number.number[q] * error.number[q];
        return sum;
      };
      if (fresh) {
#pragma unroll 8
        for (int k = part; k < In; k += groups) dw[k * Out + n] = element(k);
      } else {
#pragma unroll 8
        for (int k = part; k < In; k += groups) dw[k * Out + n] += element(k);
      }
    }
  } else {
    // A lane has columns x lines of the matrix; samples come in an order of the lane's own (`turned`).
    constexpr int lanes = least(32, power(Out)), lines = 32 / lanes;
    constexpr int columns = least(4, power(ceiling(Out, lanes)));
    constexpr int deep = [] {
      int best = 1, least_time = 1 << 30;
      for (int tile = 1; tile <= (sizeof(real) == 4 ? 8 : 4); tile *= 2) {
        const int items = ceiling(Out, lanes * columns) * ceiling(In, lines * tile);
        const int time = ceiling(items, warps) * (tile + 1);
        if (time > least_time) continue;
        least_time = time;
        best = tile;
      }
      return best;
    }();
    constexpr int across = ceiling(Out, lanes * columns), down = ceiling(In, lines * deep);
    constexpr bool whole_n = Out % (lanes * columns) == 0, whole_k = In % (lines * deep) == 0;
    const int lane = tid % 32;
    for (int item = tid / 32; item < across * down; item += warps) {
      const int n0 = item % across * lanes * columns + lane % lanes, k0 = item / across * lines * deep + lane / lanes;
      real* const to = dw + k0 * Out + n0;
      real sum[deep * columns];
#pragma unroll
      for (int i = 0; i < deep * columns; ++i) sum[i] = 0;
#pragma unroll(unrolled(quads, 2))
      for (int c = 0; c < quads; ++c) {
        const int s = turned(c, lane) * quad;
        Pack<quad> error[columns];
#pragma unroll
        for (int j = 0; j < columns; ++j)
          error[j] = load<quad>(dy + (whole_n ? n0 + j * lanes : least(n0 + j * lanes, Out - 1)) * T + s);
#pragma unroll
        for (int i = 0; i < deep; ++i) {
          const Pack<quad> number = load<quad>(x + (whole_k ? k0 + i * lines : least(k0 + i * lines, In - 1)) * T + s);
#pragma unroll
          for (int j = 0; j < columns; ++j)
#pragma unroll
            for (int q = 0; q < quad; ++q) sum[i * columns + j] += number.number[q] * error[j].number[q];
        }
      }
      const auto write = [&](bool assign) {
#pragma unroll
        for (int i = 0; i < deep; ++i)
#pragma unroll
          for (int j = 0; j < columns; ++j)
            if ((whole_k || k0 + i * lines < In) && (whole_n || n0 + j * lanes < Out))
              put(to + i * lines * Out + j * lanes, sum[i * columns + j], assign);
      };
      if (fresh)
        write(true);
      else
        write(false);
    }
  }
}
)mtlx"
    // Convolutions: C channels of H x W numbers, F filters of K x K, stride S, padding P.
    R"mtlx(
namespace parts {

__device__ constexpr int places(int extent, int kernel, int stride, int padding) {
  return extent + 2 * padding < kernel ? 0 : (extent + 2 * padding - kernel) / stride + 1;
}
// Kernels up to so many numbers wide have their columns in registers.
[[maybe_unused]] constexpr int narrow = 12;

// A lane works on `filters` filters x `tall` neighbouring rows of a column, on every split'th column of the taps. For
// weights it works on the taps of `filters` filters, one column of them or all `columns`, on every split'th stretch of
// `tall` rows.
struct SlidePlan {
  int filters, tall, columns, split;
};

// What a step of a tile takes; how many tiles, and steps of each, there are. Memory: turns of the cache, of which a load
// of weights takes two. Spread: loads by lanes that have several channels, of which `side` lie in different banks.
struct SlideStep {
  int registers, sums;
  long long items, units;
  int products, loads, memory, other, spread, side;
};

// Weighs up the tiles. count(filters, tall, columns) is what a step of such a tile takes.
template <class Count>
__device__ constexpr SlidePlan slide_plan(int all_filters, int height, int kernel, const Count& count) {
  SlidePlan best{1, 1, 1, 1};
  long long least_time = -1;
  const int talls[] = {1, 2, 3, 4, 6, 8, 12, 16};
  for (int t = 0; t < 8; ++t) {
    if (t > 0 && talls[t - 1] >= height) break;
    const int tall = most(1, least(talls[t], height));
    for (int filters = 1; filters <= least(10, all_filters); ++filters) {
      if (filters > 6 && filters % 2 != 0) continue;
      for (int columns = 1; columns <= kernel; columns += most(1, kernel - 1)) {
        const SlideStep step = count(filters, tall, columns);
        if ((step.registers > 104 || step.sums > 60) && (tall > 1 || filters > 1 || columns > 1)) continue;
        for (int split = 1; split <= 32; split *= 2) {
          const long long needed = (step.items * split + 31) / 32;
          const long long rounds = (needed + warps - 1) / warps;
          const long long busy = needed < warps ? needed : warps, deep = (busy + 3) / 4;
          const long long steps = (step.units + split - 1) / split;
          const long long alone = step.products + step.loads + step.other, issue = alone * deep;
          const long long memory = (step.memory + step.spread * ((32 / split - 1) / step.side)) * busy;
          // Measured: half of the lesser of the two does not hide behind the other.
          const long long both = issue < memory ? memory + issue / 2 : issue + memory / 2;
          const long long wait = alone / 4 + 160 / deep + 20;
          const long long end = (150 + 5 * shuffles(step.sums, split)) * deep + 24 * logarithm(split);
          const long long time = rounds * (steps * (both + wait) + end);
          if (least_time >= 0 && time >= least_time) continue;
          least_time = time;
          best = {filters, tall, columns, split};
        }
      }
    }
  }
  return best;
}
// Columns of taps that meet the image, summed over the columns of the output.
__device__ constexpr int met(int width, int out, int kernel, int stride, int padding) {
  int sum = 0;
  for (int c = 0; c < out; ++c)
    sum += most(0, least(kernel, width + padding - c * stride) - most(0, padding - c * stride));
  return sum;
}
template <int C, int H, int W, int F, int HO, int WO, int K, int S, int P>
struct SlideCount {
  __device__ constexpr SlideStep operator()(int filters, int tall, int columns) const {
    const int groups = ceiling(HO, tall), rows = (tall - 1) * S + K;
    int products = tall * K * columns, loads = rows;
    if (groups == 1) {  // what lies in the padding is known beforehand
      products = loads = 0;
      for (int r = 0; r < rows; ++r) loads += r >= P && r - P < H;
      for (int p = 0; p < tall; ++p)
        for (int a = 0; a < K; ++a) products += p * S + a >= P && p * S + a - P < H;
    }
    return {filters * (tall + K) + rows,
            filters * tall,
            (long long)ceiling(F, filters) * groups * WO * T,
            ceiling(C * met(W, WO, K, S, P), most(1, WO)),
            products * filters,
            loads + filters * K,
            loads + 2 * filters * K,
            22 + (groups > 1 && P > 0 ? 2 * rows : 0),
            0,
            1};
  }
};
template <int C, int H, int W, int F, int HO, int WO, int K, int S, int P>
struct WeightCount {
  __device__ constexpr SlideStep operator()(int filters, int tall, int columns) const {
    const int groups = ceiling(HO, tall), rows = (tall - 1) * S + K, plane = H * W * T;
    return {filters * K * columns + rows * columns * quad + 16,
            filters * K * columns,
            (long long)ceiling(F, filters) * C * (K / columns),
            (long long)groups * WO * quads,
            filters * K * columns * tall * quad,
            rows * columns + filters * tall,
            rows * columns * quad + filters * tall,
            22 + (P > 0 || HO % tall != 0 ? 2 * rows * columns : 0),
            rows * columns,
            K / columns * (32 / most(1, least(32, plane & -plane)))};
  }
};
)mtlx"
    R"mtlx(
// Images of C x H x W to F x HO x WO. Turned: w is that of the convolution whose gradient this is (channels and filters
// change places, the kernel is turned round).
template <int C, int H, int W, int F, int HO, int WO, int K, int S, int P, bool Turned>
__device__ __forceinline__ void slide(int tid, const real* __restrict__ w, const real* __restrict__ bias, const real* x,
                                      real* y) {
  constexpr SlidePlan plan = slide_plan(F, HO, 1, SlideCount<C, H, W, F, HO, WO, K, S, P>());
  constexpr int filters = plan.filters, tall = plan.tall, split = plan.split;
  constexpr int groups = ceiling(HO, tall), blocks = ceiling(F, filters), items = blocks * groups * WO * T;
  constexpr int filter_step = (Turned ? 1 : C) * K * K, channel_step = (Turned ? F : 1) * K * K;
  constexpr int rows = (tall - 1) * S + K;
  constexpr bool check_columns = P > 0 || (WO - 1) * S + K - P > W;
  constexpr bool check_rows = P > 0 || (groups * tall - 1) * S + K - P > H;
  // The order of the sums: that in which a lane ends with whole rows or filters, where there is one.
  constexpr bool by_row = filters % split != 0 && tall % split == 0;
  constexpr bool regular = by_row || filters % split == 0;
  constexpr int inner = by_row ? filters : tall;
  const int lane = tid % 32, part = lane % split;
  for (int base = tid - lane; base < items * split; base += THREADS) {
    const bool present = base + lane < items * split;
    const int item = present ? (base + lane) / split : items - 1;
    const int s = item % T, c = item / T % WO, r0 = groups == 1 ? 0 : item / (T * WO) % groups * tall;
    const int f0 = item / (T * WO * groups) * filters, top = r0 * S - P;
    real sum[filters * tall];
#pragma unroll
    for (int f = 0; f < filters; ++f) {
      real start = 0;
      if constexpr (!Turned)
        if (part == 0) start = bias[(F % filters == 0 ? f0 + f : least(f0 + f, F - 1))];
#pragma unroll
      for (int p = 0; p < tall; ++p) sum[by_row ? p * filters + f : f * tall + p] = start;
    }
    // Of the columns of taps those that meet the image: `begin` .. before `end`.
    const int begin = check_columns ? most(0, P - c * S) : 0, end = check_columns ? least(K, W + P - c * S) : K;
    const int there = check_columns ? most(1, end - begin) : K, jump = split / there, rest = split % there;
    int i = begin < end ? part / there : C, b = begin + part % there;
    // Small steps two at a time: the loads of the second hide behind the products of the first.
    constexpr int turns = filters * (tall + 2 * K) + 2 * rows <= 80 && C * K > split ? 2 : 1;
#pragma unroll(turns)
    for (; i < C; i += jump, b += rest, i += b >= end, b -= b >= end ? there : 0) {
      const int column = c * S + b - P;
      real weight[filters * K];
#pragma unroll
      for (int f = 0; f < filters; ++f) {
        const real* const from = w + (F % filters == 0 ? f0 + f : least(f0 + f, F - 1)) * filter_step +
                                 i * channel_step + (Turned ? K * K - 1 - b : b);
#pragma unroll
        for (int a = 0; a < K; ++a) weight[f * K + a] = from[Turned ? -a * K : a * K];
      }
      real number[rows];
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        // With one group of rows the compiler knows which lie in the padding.
        const int h = groups == 1 ? r - P : top + r;
        number[r] = 0;
        if (!check_rows || (h >= 0 && h < H)) number[r] = x[((i * H + h) * W + column) * T + s];
      }
#pragma unroll
      for (int a = 0; a < K; ++a)
#pragma unroll
        for (int p = 0; p < tall; ++p) {
          if (groups == 1 && (p * S + a < P || p * S + a - P >= H)) continue;
#pragma unroll
          for (int f = 0; f < filters; ++f)
            sum[by_row ? p * filters + f : f * tall + p] += weight[f * K + a] * number[p * S + a];
        }
    }
    constexpr int numbers = filters * tall, count = kept(numbers, split), twins = same(numbers, split, 1);
    const Share share = sums<numbers, split, 1>(sum, lane);
    const auto write = [&](int f, int r, real number) {
      if ((F % filters == 0 || f < F) && (HO % tall == 0 || r < HO)) y[((f * HO + r) * WO + c) * T + s] = number;
    };
    if (!present || (lane & twins) != 0) continue;
    // Whole rows or whole filters for a lane: places that the compiler knows.
    const int first = share.begin / inner;
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const int at = share.begin + i, major = regular ? first + i / inner : at / inner;
      const int minor = regular ? i % inner : at % inner;
      if (numbers % split == 0 || i < share.count)
        by_row ? write(f0 + minor, r0 + major, sum[i]) : write(f0 + major, r0 + minor, sum[i]);
    }
  }
}

}  // namespace parts

template <int C, int H, int W, int F, int K, int S, int P>
__device__ __forceinline__ void convolution_forward(int tid, const real* __restrict__ w, const real* __restrict__ b,
                                                    const real* x, real* y) {
  using namespace parts;
  constexpr int HO = places(H, K, S, P), WO = places(W, K, S, P);
  if constexpr (K <= narrow) {
    slide<C, H, W, F, HO, WO, K, S, P, false>(tid, w, b, x, y);
  } else {
    // A warp has one pixel of all samples, its lanes share the taps.
    const int s = tid % T;
    for (int at = tid / 32; at < F * HO * WO; at += warps) {
      const int c = at % WO, r = at / WO % HO, o = at / (WO * HO);
      real sum[1] = {tid % 32 < T ? b[o] : real(0)};
#pragma unroll 4
      for (int u = tid % 32 / T; u < C * K * K; u += 32 / T) {
        const int column = c * S + u % K - P, h = r * S + u / K % K - P, i = u / (K * K);
        if (h >= 0 && h < H && column >= 0 && column < W)
          sum[0] += w[o * C * K * K + u] * x[((i * H + h) * W + column) * T + s];
      }
      sums<1, 32 / T, T>(sum, tid % 32);
      if (tid % 32 < T) y[at * T + s] = sum[0];
    }
  }
}

template <int C, int H, int W, int F, int K, int S, int P>
__device__ __forceinline__ void convolution_backward_input(int tid, const real* __restrict__ w, const real* dy,
                                                           real* dx) {
  using namespace parts;
  constexpr int HO = places(H, K, S, P), WO = places(W, K, S, P);
  if constexpr (S == 1 && K <= narrow) {
    slide<F, HO, WO, C, H, W, K, 1, K - 1 - P, true>(tid, w, nullptr, dy, dx);
  } else {
    for (int at = tid; at < C * H * W * T; at += THREADS) {
      const int s = at % T, column = at / T % W + P, h = at / (T * W) % H + P, i = at / (T * W * H);
      real sum = 0;
      for (int o = 0; o < F; ++o)
        for (int a = h % S; a < K && a <= h; a += S) {
          const int r = (h - a) / S;
          if (r >= HO) continue;
          for (int b = column % S; b < K && b <= column; b += S) {
            const int c = (column - b) / S;
            if (c < WO) sum += w[((o * C + i) * K + a) * K + b] * dy[((o * HO + r) * WO + c) * T + s];
          }
        }
      dx[at] = sum;
    }
  }
}

template <int C, int H, int W, int F, int K, int S, int P>
__device__ __forceinline__ void convolution_backward_parameters(int tid, const real* x, const real* dy, real* dw,
                                                                real* db, bool fresh) {
  using namespace parts;
  constexpr int HO = places(H, K, S, P), WO = places(W, K, S, P), plane = HO * WO * T;
  const int lane = tid % 32;
  for (int o = warps - 1 - tid / 32; o < F; o += warps) {
    real sum[1] = {0};
#pragma unroll 4
    for (int i = lane; i < plane; i += 32) sum[0] += dy[o * plane + i];
    sums<1, 32, 1>(sum, lane);
    if (lane == 0) put(db + o, sum[0], fresh);
  }
  if constexpr (K <= narrow) {
    // A lane has a column of K taps of some filters, or all columns, and slides them down the image.
    constexpr SlidePlan plan = slide_plan(F, HO, K, WeightCount<C, H, W, F, HO, WO, K, S, P>());
    constexpr int filters = plan.filters, tall = plan.tall, columns = plan.columns, split = plan.split;
    constexpr int groups = ceiling(HO, tall), strips = K / columns, items = ceiling(F, filters) * C * strips;
    constexpr int rows = (tall - 1) * S + K, units = groups * WO * quads;
    constexpr bool check_rows = P > 0 || HO % tall != 0;
    const int part = lane % split;
    for (int base = tid - lane; base < items * split; base += THREADS) {
      const bool present = base + lane < items * split;
      const int item = present ? (base + lane) / split : items - 1;
      const int b0 = item % strips, i = item / strips % C, f0 = item / (strips * C) * filters;
      real sum[filters * columns * K];
#pragma unroll
      for (int j = 0; j < filters * columns * K; ++j) sum[j] = 0;
#pragma unroll 1
      for (int u = part; u < units; u += split) {
        const int s = u % quads * quad, c = u / quads % WO, r0 = groups == 1 ? 0 : u / (quads * WO) * tall;
        Pack<quad> number[columns * rows];
#pragma unroll
        for (int b = 0; b < columns; ++b) {
          const int column = c * S + b0 + b - P;
          const bool inside = P == 0 || (column >= 0 && column < W);
#pragma unroll
          for (int r = 0; r < rows; ++r) {
            const int h = groups == 1 ? r - P : r0 * S - P + r;
            const bool there = check_rows ? inside && h >= 0 && h < H : inside;
            number[b * rows + r] = {};
            if (there) number[b * rows + r] = load<quad>(x + ((i * H + h) * W + column) * T + s);
          }
        }
#pragma unroll
        for (int f = 0; f < filters; ++f) {
          const real* const from =
              dy + (((F % filters == 0 ? f0 + f : least(f0 + f, F - 1)) * HO + r0) * WO + c) * T + s;
#pragma unroll
          for (int p = 0; p < tall; ++p) {
            Pack<quad> error = {};
            if (HO % tall == 0 || r0 + p < HO) error = load<quad>(from + p * WO * T);
#pragma unroll
            for (int a = 0; a < K; ++a) {
              if (groups == 1 && (p * S + a < P || p * S + a - P >= H)) continue;
#pragma unroll
              for (int b = 0; b < columns; ++b)
#pragma unroll
                for (int q = 0; q < quad; ++q)
                  sum[(f * columns + b) * K + a] += number[b * rows + p * S + a].number[q] * error.number[q];
            }
          }
        }
      }
      constexpr int taps = columns * K, numbers = filters * taps, count = kept(numbers, split);
      constexpr int twins = same(numbers, split, 1);
      constexpr bool regular = filters % split == 0;  // a lane ends with whole filters
      const Share share = sums<numbers, split, 1>(sum, lane);
      if (!present || (lane & twins) != 0) continue;
      const int f1 = regular ? f0 + share.begin / taps : f0;
      real* const to = dw + (f1 * C + i) * K * K + b0;
      const auto write = [&](bool assign) {
#pragma unroll
        for (int j = 0; j < count; ++j) {
          const int at = regular ? j : share.begin + j, f = at / taps;
          if ((numbers % split == 0 || j < share.count) && (F % filters == 0 || f1 + f < F))
            put(to + f * C * K * K + at % K * K + at / K % columns, sum[j], assign);
        }
      };
      if (fresh)
        write(true);
      else
        write(false);
    }
  } else {
    // A warp has one weight, its lanes share the pixels.
    for (int at = tid / 32; at < F * C * K * K; at += warps) {
      const int b = at % K, a = at / K % K, i = at / (K * K) % C, o = at / (K * K * C);
      real sum[1] = {0};
#pragma unroll 4
      for (int u = lane; u < plane; u += 32) {
        const int column = u / T % WO * S + b - P, h = u / (T * WO) * S + a - P;
        if (h >= 0 && h < H && column >= 0 && column < W)
          sum[0] += dy[o * plane + u] * x[((i * H + h) * W + column) * T + u % T];
      }
      sums<1, 32, 1>(sum, lane);
      if (lane == 0) put(dw + at, sum[0], fresh);
    }
  }
}
)mtlx"
    R"mtlx(
template <int C, int H, int W, int K, int S, int P>
__device__ __forceinline__ void max_pool_forward(int tid, const real* x, real* y, real* winner) {
  constexpr int HO = parts::places(H, K, S, P), WO = parts::places(W, K, S, P);
#pragma unroll 2
  for (int at = tid; at < C * HO * WO * T; at += THREADS) {
    const int s = at % T, c = at / T % WO, r = at / (T * WO) % HO, i = at / (T * WO * HO);
    real best = 0;
    int place = -1;
#pragma unroll(K <= 3 ? K : 1)
    for (int a = 0; a < K; ++a)
#pragma unroll(K <= 3 ? K : 1)
      for (int b = 0; b < K; ++b) {
        const int h = r * S + a - P, w = c * S + b - P;
        if (P > 0 && (h < 0 || h >= H || w < 0 || w >= W)) continue;
        const real number = x[((i * H + h) * W + w) * T + s];
        // NaN wins, and stays until the next NaN.
        if (place >= 0 && !(number > best) && number == number) continue;
        best = number;
        place = a * K + b;
      }
    if (place >= 0) y[at] = best;
    winner[at] = real(place);
  }
}

template <int C, int H, int W, int K, int S, int P>
__device__ __forceinline__ void max_pool_backward(int tid, const real* winner, const real* dy, real* dx) {
  constexpr int HO = parts::places(H, K, S, P), WO = parts::places(W, K, S, P);
  if constexpr (K == S && P == 0 && HO * K == H && WO * K == W && K <= 4) {
    // The windows tile the image.
#pragma unroll 2
    for (int at = tid; at < C * HO * WO * T; at += THREADS) {
      const int s = at % T, c = at / T % WO, r = at / (T * WO);
      const real error = dy[at];
      const int place = int(winner[at]);
#pragma unroll
      for (int a = 0; a < K; ++a)
#pragma unroll
        for (int b = 0; b < K; ++b) dx[((r * K + a) * W + c * K + b) * T + s] = place == a * K + b ? error : real(0);
    }
  } else {
    for (int at = tid; at < C * H * W * T; at += THREADS) {
      const int s = at % T, w = at / T % W + P, h = at / (T * W) % H + P, i = at / (T * W * H);
      real sum = 0;
      for (int r = h < K ? 0 : (h - K) / S + 1; r < HO && r * S <= h; ++r)
        for (int c = w < K ? 0 : (w - K) / S + 1; c < WO && c * S <= w; ++c) {
          const int from = ((i * HO + r) * WO + c) * T + s;
          if (winner[from] == real((h - r * S) * K + w - c * S)) sum += dy[from];
        }
      dx[at] = sum;
    }
  }
}

namespace parts {

// The index that a number names, or -1.
template <int Count>
__device__ __forceinline__ int index_of(real number) {
  if (!(number >= real(0)) || !(number < real(Count))) return -1;
  const int index = int(number);
  return real(index) == number ? index : -1;
}

}  // namespace parts

template <int Ids, int Dimensions, int Places>
__device__ __forceinline__ void embedding_forward(int tid, const real* __restrict__ w, const real* x, real* y) {
#pragma unroll 2
  for (int at = tid; at < Dimensions * Places * T; at += THREADS) {
    const int d = at / (Places * T);
    const int id = parts::index_of<Ids>(x[at % (Places * T)]);
    y[at] = id < 0 ? real(__uint_as_float(0x7fc00000u)) : w[id * Dimensions + d];
  }
}

template <int Ids, int Dimensions, int Places>
__device__ __forceinline__ void embedding_backward(int tid, const real* x, const real* dy, real* dw, bool fresh) {
  // A thread owns dimension d of every groups'th id.
  constexpr int groups = Dimensions < THREADS ? THREADS / Dimensions : 1;
  const int part = Dimensions < THREADS ? tid / Dimensions : 0;
  if (part >= groups) return;
  for (int d = Dimensions < THREADS ? tid % Dimensions : tid; d < Dimensions; d += THREADS) {
    if (fresh) {
#pragma unroll 8
      for (int id = part; id < Ids; id += groups) dw[id * Dimensions + d] = 0;
    }
    for (int i = 0; i < Places * T; ++i) {
      const int id = parts::index_of<Ids>(x[i]);
      if (id >= 0 && id % groups == part) dw[id * Dimensions + d] += dy[d * Places * T + i];
    }
  }
}
)mtlx";

}  // namespace mtlx::backend::detail
