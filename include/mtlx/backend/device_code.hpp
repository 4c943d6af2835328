// SPDX-License-Identifier: MIT
// From a recorded program to the text of a device's kernels.
//
// pass     one block works on a group of T samples, goes through all operations of the program with the group's memory
//          beside it, and takes its next group. Weights' gradients and losses go to the block's own slot.
// reduce   adds the slots up, in their order.
// apply    the optimizer's rule, for every parameter of the segments that take part.
// gram, squares   inner products of rows of the gradient, in parts that the host adds up.
//
// All shapes are constants of the text; what changes from step to step (learning rate, counts, weights, indices) is data.
#pragma once

#include <mtlx/backend/device_kernels.hpp>
#include <mtlx/backend/device_trace.hpp>
#include <mtlx/backend/recording.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/segment.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::backend {

/// Where one task's numbers lie in a sample's memory.
struct DeviceTask {
  std::size_t target, present, loss, targets;  ///< places; how many targets
  std::size_t output, outputs;                 ///< place; how many outputs
};

/// What a pass does with its program.
enum class PassKind : std::uint8_t { losses, learn, predict };

/// A pass over a batch, as the kernels' text is made from it.
struct PassPlan {
  PassKind kind = PassKind::losses;
  Program program;
  std::size_t memory = 0;           ///< numbers a sample
  std::size_t input = 0, size = 0;  ///< where the inputs lie, and how many
  std::vector<DeviceTask> tasks;    ///< all of the model's
  TaskSet set;                      ///< those that take part
  std::size_t slot = 0;             ///< numbers of a slot of gradients
};

/// The text of a pass, and what a launch of it needs.
struct PassCode {
  std::string text;
  std::size_t memory = 0;           ///< numbers a sample, room for sums included
  std::vector<std::int32_t> table;  ///< constants that it reads
  std::size_t nowhere = 1;          ///< numbers that `zeros` and `nowhere` must have
};

namespace detail {

/// What a pass does besides its program: takes samples in and hands results out.
inline constexpr const char* device_passes = R"mtlx(
// N features of the samples index[0] to index[here - 1] of rows; places left over repeat the last.
template <int N>
__device__ void load_rows(int tid, const real* __restrict__ rows, size_t stride, const unsigned* __restrict__ index,
                          int here, real* to) {
  // Eight neighbours of a row in neighbouring threads: a row is read in whole sectors, whatever T is.
  constexpr int run = T == 1 ? 32 : 8, runs = (N + run - 1) / run;
  for (int item = tid; item < runs * run * T; item += THREADS) {
    const int s = item / run % T, f = item / (run * T) * run + item % run;
    if (f < N) to[f * T + s] = rows[index[s < here ? s : here - 1] * stride + f];
  }
}
// N targets of each sample, and which of them are there; none where there is no sample.
template <int N>
__device__ void load_labels(int tid, const real* __restrict__ labels, size_t stride, const unsigned* __restrict__ index,
                            int here, real* target, real* present) {
  for (int item = tid; item < N * T; item += THREADS) {
    const int s = item % T, i = item / T;
    const real* const row = labels + index[s < here ? s : here - 1] * stride;
    target[item] = row[i];
    present[item] = s < here ? row[N + i] : real(0);
  }
}
template <int N>
__device__ void store_rows(int tid, const real* from, int here, real* rows, size_t stride) {
  for (int item = tid; item < N * here; item += THREADS) rows[item / N * stride + item % N] = from[item % N * T + item / N];
}
// The sum of a task's losses goes to the block's slot.
__device__ inline void sum_loss(bool mine, const real* losses, int here, double* slot, bool fresh, int* bad) {
  if (!mine) return;
  double total = 0;
  for (int s = 0; s < here; ++s) total += losses[s];
  if (!(total - total == 0)) atomicOr(bad, 1);
  *slot = fresh ? total : *slot + total;
}
)mtlx";

/// What every kernel's text begins with.
inline std::string device_head(std::string_view real, unsigned threads, unsigned samples) {
  return join("typedef ", real, " real;\nconstexpr int THREADS = ", threads, ";\nconstexpr int T = ", samples, ";\n",
              device_numbers, device_kernels, device_passes);
}

// One argument of a primitive.
inline std::string argument(const Range& range) {
  switch (range.region) {
    case Range::Region::memory: return join("m + ", range.begin, " * T");
    case Range::Region::parameters: return join("p + ", range.begin);
    case Range::Region::gradients: return join("g + ", range.begin);
    default: return range.written ? "nowhere" : "zeros";
  }
}

/// Which numbers of a slot have been written so far.
class Written {
 public:
  explicit Written(std::size_t size) : written_(size) {}
  /// Marks a range; returns whether it is new. Throws if a part of it is and a part is not.
  bool mark(std::size_t begin, std::size_t size) {
    const auto first = written_.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = std::count(first, first + static_cast<std::ptrdiff_t>(size), true);
    if (count != 0 && count != static_cast<std::ptrdiff_t>(size))
      fail("two layers' gradients overlap in part, at number ", begin, " of the flat vector");
    std::fill_n(first, size, true);
    return count == 0;
  }
  /// Calls function(begin, size) for every run of numbers that nothing has written.
  template <class Function>
  void for_each_gap(Function function) const {
    for (std::size_t i = 0; i < written_.size();) {
      std::size_t end = i;
      while (end < written_.size() && !written_[end]) ++end;
      if (end > i) function(i, end - i);
      i = std::max(end, i + 1);
    }
  }

 private:
  std::vector<bool> written_;
};

/// Statements of a program with the barriers that they need.
class Body {
 public:
  explicit Body(unsigned threads) : threads_(threads) {}
  /// Adds statements that use the ranges.
  void add(const std::string& code, const std::vector<Range>& ranges) {
    for (const Range& mine : ranges)
      if (std::any_of(pending_.begin(), pending_.end(), [&](const Range& other) { return conflict(mine, other); })) {
        barrier();
        break;
      }
    // Neighbours that need no barrier begin at different warps, so that they run side by side.
    const unsigned step = std::max(32u, threads_ / 4 / 32 * 32);
    text_ += join("    { const int tid = (threadIdx.x + ", members_++ * step % threads_, "u) % THREADS; (void)tid;\n",
                  code, "    }\n");
    pending_.insert(pending_.end(), ranges.begin(), ranges.end());
  }
  void barrier() {
    text_ += "    __syncthreads();\n";
    pending_.clear();
    members_ = 0;
  }
  const std::string& text() const { return text_; }

 private:
  unsigned threads_;
  unsigned members_ = 0;
  std::string text_;
  std::vector<Range> pending_;
};

/// The call of a primitive.
inline std::string call(const Operation& operation, Written& written) {
  std::string text = join("      ", operation.name, "<");
  for (std::size_t i = 0; i < operation.sizes.size(); ++i) text += join(i == 0 ? "" : ", ", operation.sizes[i]);
  // Weights that begin at a multiple of four are read four at a time.
  const bool reads_weights = operation.name == "dense_forward" || operation.name == "dense_backward_input";
  if (reads_weights && operation.ranges[0].region == Range::Region::parameters && operation.ranges[0].begin % 4 == 0)
    text += ", 4";
  text += ">(tid";
  bool gradients = false, fresh = true;
  for (const Range& range : operation.ranges) {
    text += ", " + argument(range);
    if (range.region != Range::Region::gradients || range.size == 0) continue;
    fresh = written.mark(range.begin, range.size) && fresh;
    gradients = true;
  }
  if (operation.name == "fill") text += join(", real(", operation.value, ")");
  if (operation.name.ends_with("backward_parameters") || operation.name == "embedding_backward")
    text += gradients && fresh ? ", fresh" : ", false";
  return text + ");\n";
}

/// Adds the operations of a program whose samples have so many numbers in memory. Marks the gradients that it writes,
/// puts what its traces read at the end of `table`, and returns how many numbers a sample they need behind the memory.
inline std::size_t program_body(const Program& program, std::size_t memory, Body& body, Written& written,
                                std::vector<std::int32_t>& table) {
  std::size_t scalars = 0;
  for (const Operation& operation : program.operations) {
    std::vector<Range> ranges = operation.ranges;
    if (operation.name != "trace") {
      body.add(call(operation, written), ranges);
      continue;
    }
    const Trace& trace = program.traces[operation.trace];
    std::vector<bool> fresh;
    for (const Trace::Store& store : trace.gradients) fresh.push_back(written.mark(store.place, 1));
    TraceCode part = trace_code(trace, fresh);
    std::string text;
    if (!part.table.empty()) {
      text = join("      const int* const table = tables + ", table.size(), ";\n");
      table.insert(table.end(), part.table.begin(), part.table.end());
    }
    if (part.scalars > 0) ranges.push_back({Range::Region::memory, memory, part.scalars, true});
    scalars = std::max(scalars, part.scalars);
    body.add(text + part.code, ranges);
  }
  return scalars;
}

}  // namespace detail

/// The text of a pass, for blocks of `threads` threads and `samples` samples. Their memory is the block's shared memory if
/// that has room for so many numbers.
inline PassCode pass_code(const PassPlan& plan, std::string_view real, unsigned threads, unsigned samples,
                          std::size_t shared_numbers) {
  PassCode code;
  detail::Body body(threads);
  detail::Written written(plan.kind == PassKind::learn ? plan.slot : 0);
  const auto range = [](std::size_t begin, std::size_t size, bool write) {
    return Range{Range::Region::memory, begin, size, write};
  };

  // Inputs and targets.
  body.add(join("      load_rows<", plan.size, ">(tid, rows, ", plan.size, ", index + begin, here, m + ", plan.input,
                " * T);\n"),
           {range(plan.input, plan.size, true)});
  std::size_t stride = 0, column = 0;
  for (const DeviceTask& task : plan.tasks) stride += 2 * task.targets;
  const bool labels = plan.kind != PassKind::predict;
  std::vector<Range> losses;
  for (std::size_t t = 0; t < plan.tasks.size(); ++t) {
    const DeviceTask& task = plan.tasks[t];
    if (labels && plan.set.has(t)) {
      body.add(join("      load_labels<", task.targets, ">(tid, labels + ", column, ", ", stride,
                    ", index + begin, here, m + ", task.target, " * T, m + ", task.present, " * T);\n"),
               {range(task.target, task.targets, true), range(task.present, task.targets, true)});
      losses.push_back(range(task.loss, 1, false));
    }
    column += 2 * task.targets;
  }

  const std::size_t scalars = detail::program_body(plan.program, plan.memory, body, written, code.table);
  for (const Operation& operation : plan.program.operations)
    for (const Range& used : operation.ranges)
      if (used.region == Range::Region::nowhere) code.nowhere = std::max(code.nowhere, used.size);
  code.memory = plan.memory + scalars;

  if (labels) {
    std::string text;
    for (std::size_t t = 0; t < plan.tasks.size(); ++t)
      text += plan.set.has(t) ? join("      sum_loss(tid == ", t, ", m + ", plan.tasks[t].loss,
                                     " * T, here, loss_slot + ", t, ", fresh, bad);\n")
                              : join("      if (tid == ", t, ") loss_slot[", t, "] = 0;\n");
    body.add(text, losses);
  } else {
    std::size_t outputs = 0, at = 0;
    for (std::size_t t = 0; t < plan.tasks.size(); ++t) outputs += plan.set.has(t) ? plan.tasks[t].outputs : 0;
    for (std::size_t t = 0; t < plan.tasks.size(); ++t) {
      if (!plan.set.has(t)) continue;
      const DeviceTask& task = plan.tasks[t];
      body.add(join("      store_rows<", task.outputs, ">(tid, m + ", task.output, " * T, here, outputs + ", at,
                    " + size_t(begin) * ", outputs, ", ", outputs, ");\n"),
               {range(task.output, task.outputs, false)});
      at += task.outputs;
    }
  }
  std::string gaps;
  if (plan.kind == PassKind::learn)
    written.for_each_gap([&](std::size_t begin, std::size_t size) {
      gaps += join("    if (fresh) for (int i = threadIdx.x; i < ", size, "; i += THREADS) g[", begin, " + i] = 0;\n");
    });

  code.text = detail::device_head(real, threads, samples);
  const bool shared = code.memory * samples <= shared_numbers;
  code.text += join(
      "extern \"C\" __global__ void __launch_bounds__(", threads,
      ", 1) pass(const real* __restrict__ p, const real* __restrict__ rows, const real* __restrict__ labels,\n"
      "    const unsigned* __restrict__ index, const unsigned* __restrict__ job, const real* __restrict__ control,\n"
      "    const int* __restrict__ tables, real* arena, real* slots, double* losses, int* bad, real* outputs,\n"
      "    const real* __restrict__ zeros, real* nowhere) {\n"
      "  (void)labels, (void)control, (void)tables, (void)arena, (void)slots, (void)losses, (void)bad, (void)outputs;\n"
      "  (void)zeros, (void)nowhere;\n",
      shared ? "  MTLX_SHARED(real, m);\n"
             : join("  real* const m = arena + size_t(blockIdx.x) * ", code.memory, " * T;\n"),
      "  real* const scalars = m + size_t(", plan.memory,
      ") * T;\n"
      "  const unsigned count = job[0], groups = (count + T - 1) / T;\n"
      "  real* const g = slots + size_t(job[2] + blockIdx.x) * ",
      plan.slot, ";\n  double* const loss_slot = losses + size_t(job[2] + blockIdx.x) * ", plan.tasks.size(),
      ";\n"
      "  const Draws draws{job[3], job[4], job[5]};\n"
      "  (void)scalars, (void)g, (void)loss_slot, (void)draws;\n"
      "  [[maybe_unused]] bool fresh = true;\n"
      "  for (unsigned group = blockIdx.x; group < groups; group += gridDim.x) {\n"
      "    const unsigned begin = group * T, first = job[1] + begin;\n"
      "    const int here = count - begin < T ? int(count - begin) : T;\n"
      "    (void)first;\n",
      gaps, body.text(), "    __syncthreads();\n    fresh = false;\n  }\n}\n");
  return code;
}

namespace detail {

/// The kernels that a balancer needs which sees each task's gradient: the rows behind the parameters.
inline constexpr const char* device_rows = R"mtlx(
// The shared part of the direction: the rows' weighted sum.
extern "C" __global__ void __launch_bounds__(THREADS) combine(real* gradient, const real* weights) {
  const size_t at = size_t(blockIdx.x) * THREADS + threadIdx.x;
  if (at >= SHARED) return;
  real total = gradient[at];
  for (size_t t = 0; t < TASKS; ++t)
    if (weights[t] != 0) total += weights[t] * gradient[PARAMETERS + t * SHARED + at];
  gradient[at] = total;
}
// Inner products of all pairs of rows i <= j over a part of the columns: part blockIdx.x at parts[blockIdx.x][i][j].
extern "C" __global__ void __launch_bounds__(THREADS) gram(const real* __restrict__ gradient, double* parts) {
  const size_t begin = SHARED * blockIdx.x / gridDim.x, end = SHARED * (blockIdx.x + 1) / gridDim.x;
  const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (unsigned pair = warp; pair < TASKS * TASKS; pair += THREADS / 32) {
    const unsigned i = pair / TASKS, j = pair % TASKS;
    if (i > j) continue;
    const real* const x = gradient + PARAMETERS + i * SHARED;
    const real* const y = gradient + PARAMETERS + j * SHARED;
    double total = 0;
    for (size_t at = begin + lane; at < end; at += 32) total += double(x[at]) * double(y[at]);
    total = warp_sum(total);
    if (lane == 0) parts[size_t(blockIdx.x) * TASKS * TASKS + pair] = total;
  }
}
)mtlx";

}  // namespace detail

/// What becomes of the slots, as the text of the other kernels is made from it.
struct UpdatePlan {
  std::size_t parameters = 0;
  std::size_t slot = 0;  ///< numbers of a slot: the parameters, then a row of `shared` for each task or nothing
  std::size_t shared = 0, tasks = 0;
  std::vector<std::size_t> ends;  ///< where each segment ends
  std::size_t states = 0;
  Trace rule;                 ///< places 0: the parameter, 1: its gradient, then its states; controls: its constants
  std::size_t constants = 0;  ///< of the rule
};

/// The text of reduce, apply, reduce_apply, combine, gram and squares.
inline std::string update_code(const UpdatePlan& plan, std::string_view real, unsigned threads) {
  std::string rule, ends;
  const auto name = [](std::uint32_t node) { return join("n", node); };
  std::vector<bool> used(plan.rule.nodes.size());
  for (const Trace::Store& store : plan.rule.stores) used[store.node] = true;
  for (std::size_t i = used.size(); i-- > 0;) {
    const Node& node = plan.rule.nodes[i];
    const std::uint32_t from[] = {node.a, node.b, node.c};
    for (int operand = 0; used[i] && operand < operands(node.kind); ++operand) used[from[operand]] = true;
  }
  for (std::size_t i = 0; i < plan.rule.nodes.size(); ++i) {
    if (!used[i]) continue;
    const Node& node = plan.rule.nodes[i];
    std::string value;
    if (node.kind == Node::Kind::memory)
      value = node.a == 0   ? "p[i]"
              : node.a == 1 ? "slope"
                            : join("state[i + size_t(", node.a - 2, ") * ", plan.parameters, "]");
    else if (node.kind == Node::Kind::control)
      value = join("c[", node.a, "]");
    else
      value = detail::node_text(node, name);
    rule += join("  const ", detail::is_condition(node.kind) ? "bool" : "real", " n", i, " = ", value, ";\n");
  }
  for (const Trace::Store& store : plan.rule.stores)
    rule += store.place == 0
                ? join("  p[i] = n", store.node, ";\n")
                : join("  state[i + size_t(", store.place - 2, ") * ", plan.parameters, "] = n", store.node, ";\n");
  for (std::size_t s = 0; s + 1 < plan.ends.size(); ++s)
    ends += plan.ends[s] > 0 ? join("  if (i >= ", plan.ends[s], ") ++segment;\n") : "  ++segment;\n";

  return detail::device_head(real, threads, 1) +
         join("[[maybe_unused]] constexpr size_t SLOT = ", plan.slot, ", PARAMETERS = ", plan.parameters,
              ", SHARED = ", plan.shared, ", TASKS = ", plan.tasks, ", SEGMENTS = ", plan.ends.size(),
              ", CONSTANTS = ", plan.constants, ";\n",
              "__device__ inline void step(size_t i, real slope, real* __restrict__ p, real* __restrict__ state, const "
              "real* "
              "__restrict__ on) {\n  int segment = 0;\n",
              ends,
              "  if (on[segment] == 0) return;\n  const real* const c = on + SEGMENTS + segment * CONSTANTS;\n  "
              "(void)c;\n",
              "  (void)state;\n", rule, "}\n", R"mtlx(
// Number `at` of the slots' sum: 32 numbers a row of 32 threads, the rows sharing the slots between them.
__device__ inline real sum_slots(real* shared, const real* __restrict__ slots, unsigned count, size_t at, size_t size) {
  constexpr unsigned parts = THREADS / 32;
  const unsigned part = threadIdx.x / 32, lane = threadIdx.x % 32;
  const unsigned begin = part * count / parts, end = (part + 1) * count / parts;
  real total = 0;
  if (at < size) {
#pragma unroll 8
    for (unsigned s = begin; s < end; ++s) total += slots[s * SLOT + at];
  }
  shared[threadIdx.x] = total;
  __syncthreads();
  total = 0;
  if (part == 0)
    for (unsigned i = 0; i < parts; ++i) total += shared[i * 32 + lane];
  return total;
}
extern "C" __global__ void __launch_bounds__(THREADS) reduce(const real* __restrict__ slots, const unsigned* words,
                                                            real* gradient) {
  MTLX_SHARED(real, shared);
  const size_t at = size_t(blockIdx.x) * 32 + threadIdx.x % 32;
  const real total = sum_slots(shared, slots, words[0], at, SLOT);
  if (threadIdx.x < 32 && at < SLOT) gradient[at] = total;
}
extern "C" __global__ void __launch_bounds__(THREADS) reduce_apply(const real* __restrict__ slots, const unsigned* words,
                                                                  real* gradient, real* p, real* state, const real* on,
                                                                  const int* bad) {
  MTLX_SHARED(real, shared);
  const size_t at = size_t(blockIdx.x) * 32 + threadIdx.x % 32;
  const real total = sum_slots(shared, slots, words[0], at, PARAMETERS);
  if (threadIdx.x >= 32 || at >= PARAMETERS) return;
  gradient[at] = total;
  if (*bad == 0) step(at, total, p, state, on);
}
extern "C" __global__ void __launch_bounds__(THREADS) apply(const real* __restrict__ gradient, real* p, real* state,
                                                           const real* on, const int* bad) {
  const size_t at = size_t(blockIdx.x) * THREADS + threadIdx.x;
  if (at < PARAMETERS && *bad == 0) step(at, gradient[at], p, state, on);
}
__device__ inline double warp_sum(double x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}
// The squares of the numbers of all segments that take part, over a part of them.
extern "C" __global__ void __launch_bounds__(THREADS) squares(const real* __restrict__ gradient, const real* on,
                                                             double* parts) {
  MTLX_SHARED(double, sums);
  double total = 0;
  const size_t begin = PARAMETERS * blockIdx.x / gridDim.x, end = PARAMETERS * (blockIdx.x + 1) / gridDim.x;
  for (size_t i = begin + threadIdx.x; i < end; i += THREADS) {
    int segment = 0;
)mtlx",
              ends, R"mtlx(
    if (on[segment] != 0) total += double(gradient[i]) * double(gradient[i]);
  }
  total = warp_sum(total);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = total;
  __syncthreads();
  if (threadIdx.x != 0) return;
  total = 0;
  for (unsigned w = 0; w < THREADS / 32; ++w) total += sums[w];
  parts[blockIdx.x] = total;
}
)mtlx",
              plan.slot > plan.parameters ? detail::device_rows : "");
}

}  // namespace mtlx::backend
