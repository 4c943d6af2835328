// SPDX-License-Identifier: MIT
// A network's passes as a program: what a backend needs that does not run on the processor that the program runs on.
//
// Layers, losses and sharing strategies are templates over a slice. Run once with `RecordingSlice`, they compute nothing:
// every primitive that they call becomes an `Operation`, and code that is written for one sample becomes a `Trace`, a
// graph of its arithmetic. A user's own layer and loss are recorded like any other, because they branch by `select` alone.
//
// Where numbers lie is told by addresses: the recorder is given a stand-in for a slice's memory, for the parameters and for
// their gradients, as many numbers as there will be, and sees which place of which one a pointer is. Nothing there is read.
#pragma once

#include <mtlx/backend/backend.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/backend/sample.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/geometry.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mtlx::backend {

/// One number of a sample in a trace, made from earlier ones.
struct Node {
  enum class Kind : std::uint8_t {
    constant,    // value
    memory,      // what place `a` of the sample's memory holds before the trace runs
    parameter,   // number `a` of the flat vector
    control,     // number `a` of those that are known only when the program runs
    uniform,     // word `c` of block `b` of the draws of path `a`, in [0, 1)
    negate,      // of a
    add,         // a + b
    subtract,    // a - b
    multiply,    // a b
    divide,      // a / b
    less,        // a < b: a condition, as are the next five
    less_equal,  // a <= b
    equal,       // a == b
    both,        // a and b
    either,      // a or b
    invert,      // not a
    select,      // b where a holds, else c
    exponential,
    logarithm,
    square_root,
    hyperbolic_tangent
  };
  Kind kind = Kind::constant;
  std::uint32_t a = 0, b = 0, c = 0;
  double value = 0;

  friend bool operator==(const Node&, const Node&) = default;
};

/// How many of a node's a, b, c are nodes.
constexpr int operands(Node::Kind kind) {
  using enum Node::Kind;
  if (kind <= uniform) return 0;
  if (kind == negate || kind == invert || kind >= exponential) return 1;
  return kind == select ? 3 : 2;
}

/// Code for one sample, without its control flow: which numbers are stored, and how each comes about.
struct Trace {
  /// A place and the node whose number goes there.
  struct Store {
    std::uint32_t place, node;
    friend bool operator==(const Store&, const Store&) = default;
  };
  std::vector<Node> nodes;       ///< operands before what is made of them
  std::vector<Store> stores;     ///< into the sample's memory, after all has been read; each place once
  std::vector<Store> gradients;  ///< added to the gradients, summed over the samples; each place once
};

/// Some neighbouring numbers of a program's memory, parameters or gradients; or of a layer's own array of weights (nowhere),
/// which is zeros where it is read and dropped where it is written.
struct Range {
  enum class Region : std::uint8_t { memory, parameters, gradients, nowhere };
  Region region = Region::memory;
  std::size_t begin = 0, size = 0;
  bool written = false;  ///< assigned (memory) or added to (gradients); if not, read

  friend bool operator==(const Range&, const Range&) = default;
  /// Whether one of the two must be over before the other begins.
  friend bool conflict(const Range& x, const Range& y) {
    return (x.written || y.written) && x.region == y.region && x.region != Region::nowhere &&
           x.begin < y.begin + y.size && y.begin < x.begin + x.size;
  }
};

/// One primitive on a slice, or a trace.
struct Operation {
  std::string_view name;      ///< of the primitive in backend.hpp; "trace"
  std::vector<int> sizes;     ///< its template arguments, shapes and windows flattened
  std::vector<Range> ranges;  ///< its arguments in order, scalars left out; of a trace: all that it reads and writes
  double value = 0;           ///< of `fill`
  std::size_t trace = 0;      ///< index into Program::traces

  friend bool operator==(const Operation&, const Operation&) = default;
};

/// What a slice goes through, in order.
struct Program {
  std::vector<Operation> operations;
  std::vector<Trace> traces;
};

/// Takes down what is called on RecordingSlice<T> in this thread while it lives.
template <class T>
class Recorder {
 public:
  /// Stand-ins for a slice's memory, the flat vector and its gradients: only their addresses count.
  Recorder(std::span<const T> memory, std::span<const T> parameters, std::span<const T> gradients)
      : regions_{memory, parameters, gradients}, outer_(std::exchange(current_, this)) {}
  ~Recorder() { current_ = outer_; }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// The one of this thread.
  static Recorder* current() { return current_; }

  /// What has been recorded.
  Program take() { return std::exchange(program_, {}); }

  void operation(std::string_view name, std::vector<int> sizes, std::vector<Range> ranges, double value = 0) {
    program_.operations.push_back({name, std::move(sizes), std::move(ranges), value, 0});
  }
  /// The place of `size` numbers from `at` on.
  Range range(const T* at, std::size_t size, bool written) const {
    for (std::size_t r = 0; r < regions_.size(); ++r)
      if (inside(regions_[r], at) && size <= regions_[r].size() - index(regions_[r], at))
        return {static_cast<Range::Region>(r), index(regions_[r], at), size, written};
    if (!written && std::any_of(at, at + size, [](T number) { return number != 0; }))
      fail("a layer reads weights of its own that are no parameters: a device has none but zeros");
    return {Range::Region::nowhere, 0, size, written};
  }

  void begin_trace() { trace_ = {}, seen_.clear(), stored_.clear(), added_.clear(); }
  void end_trace() {
    Operation operation{"trace", {}, {}, 0, program_.traces.size()};
    for (const auto& [place, node] : stored_) trace_.stores.push_back({place, node});
    for (const auto& [place, node] : added_) trace_.gradients.push_back({place, node});
    std::vector<std::uint32_t> reads, parameters, writes, gradients;
    for (const Node& node : trace_.nodes) {
      if (node.kind == Node::Kind::memory) reads.push_back(node.a);
      if (node.kind == Node::Kind::parameter) parameters.push_back(node.a);
    }
    for (const Trace::Store& store : trace_.stores) writes.push_back(store.place);
    for (const Trace::Store& store : trace_.gradients) gradients.push_back(store.place);
    add_ranges(operation.ranges, Range::Region::memory, reads, false);
    add_ranges(operation.ranges, Range::Region::parameters, parameters, false);
    add_ranges(operation.ranges, Range::Region::memory, writes, true);
    add_ranges(operation.ranges, Range::Region::gradients, gradients, true);
    if (writes.empty() && gradients.empty()) return;
    program_.operations.push_back(std::move(operation));
    program_.traces.push_back(std::move(trace_));
  }

  /// From now on constants are controls, numbered in their order; their values go to `values`.
  void collect_constants(std::vector<double>& values) { constants_ = &values; }

  /// The node that is this, made if it is new.
  std::uint32_t node(const Node& node) {
    if (constants_ != nullptr && node.kind == Node::Kind::constant) {
      constants_->push_back(node.value);
      trace_.nodes.push_back({Node::Kind::control, static_cast<std::uint32_t>(constants_->size() - 1)});
      return static_cast<std::uint32_t>(trace_.nodes.size() - 1);
    }
    // -0 and 0 are equal and differ, and NaN is not equal to itself: constants go by their bits.
    const auto key = std::tuple(node.kind, node.a, node.b, node.c, std::bit_cast<std::uint64_t>(node.value));
    const auto [found, is_new] = seen_.try_emplace(key, static_cast<std::uint32_t>(trace_.nodes.size()));
    if (is_new) trace_.nodes.push_back(node);
    return found->second;
  }
  std::uint32_t load(const T* from) {
    const std::uint32_t place = place_of(from, Range::Region::memory);
    const auto stored = stored_.find(place);
    return stored != stored_.end() ? stored->second : node({Node::Kind::memory, place});
  }
  void store(const T* to, std::uint32_t node) { stored_[place_of(to, Range::Region::memory)] = node; }
  void accumulate(const T* to, std::uint32_t term) {
    const auto [found, is_new] = added_.try_emplace(place_of(to, Range::Region::gradients), term);
    if (!is_new) found->second = node({Node::Kind::add, found->second, term});
  }
  /// Whether a number lies among the parameters.
  bool is_parameter(const T* at) const { return inside(regions_[1], at); }
  std::uint32_t parameter(const T* at) {
    return node({Node::Kind::parameter, static_cast<std::uint32_t>(index(regions_[1], at))});
  }
  const Trace& trace() const { return trace_; }

 private:
  static bool inside(std::span<const T> region, const T* at) {
    return !std::less<>()(at, region.data()) && std::less<>()(at, region.data() + region.size());
  }
  static std::size_t index(std::span<const T> region, const T* at) {
    return static_cast<std::size_t>(at - region.data());
  }
  std::uint32_t place_of(const T* at, Range::Region region) const {
    const Range place = range(at, 1, false);
    if (place.region != region) fail("code for one sample uses numbers outside its memory and gradients");
    return static_cast<std::uint32_t>(place.begin);
  }
  static void add_ranges(std::vector<Range>& ranges, Range::Region region, std::vector<std::uint32_t>& places,
                         bool written) {
    std::sort(places.begin(), places.end());
    for (const std::uint32_t place : places) {
      if (!ranges.empty() && ranges.back().region == region && ranges.back().written == written) {
        Range& last = ranges.back();
        if (place < last.begin + last.size) continue;
        if (place == last.begin + last.size) {
          ++last.size;
          continue;
        }
      }
      ranges.push_back({region, place, 1, written});
    }
  }

  struct Hash {
    template <class Key>
    std::size_t operator()(const Key& key) const {
      std::uint64_t hash = 0;
      std::apply(
          [&](auto... part) {
            ((hash = (hash ^ static_cast<std::uint64_t>(part)) * 0x9E3779B97F4A7C15U, hash ^= hash >> 29), ...);
          },
          key);
      return static_cast<std::size_t>(hash);
    }
  };

  inline static thread_local Recorder* current_ = nullptr;

  std::array<std::span<const T>, 3> regions_;
  Recorder* outer_;
  Program program_;
  Trace trace_;
  std::vector<double>* constants_ = nullptr;
  std::unordered_map<std::tuple<Node::Kind, std::uint32_t, std::uint32_t, std::uint32_t, std::uint64_t>, std::uint32_t,
                     Hash>
      seen_;
  std::map<std::uint32_t, std::uint32_t> stored_, added_;
};

/// A number of a sample that is being recorded: a node of the trace, or a constant that is in none yet.
template <class T>
class Traced {
 public:
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  /// Which comparisons hold.
  struct Mask {
    std::uint32_t node;
    friend Mask operator&(Mask a, Mask b) { return of(Node::Kind::both, a.node, b.node); }
    friend Mask operator|(Mask a, Mask b) { return of(Node::Kind::either, a.node, b.node); }
    friend Mask operator!(Mask a) { return of(Node::Kind::invert, a.node); }

   private:
    static Mask of(Node::Kind kind, std::uint32_t a, std::uint32_t b = 0) { return {made(kind, a, b)}; }
  };

  Traced() = default;
  /// A constant, or the parameter that lies at that address.
  template <class Scalar>
    requires std::is_arithmetic_v<Scalar>
  Traced(const Scalar& scalar) : value_(static_cast<T>(scalar)) {  // NOLINT: a number stands for itself
    if constexpr (std::is_same_v<Scalar, T>) {
      Recorder<T>* recorder = Recorder<T>::current();
      if (recorder != nullptr && recorder->is_parameter(&scalar)) node_ = recorder->parameter(&scalar);
    }
  }
  /// A node of the trace.
  static Traced of(std::uint32_t node) {
    Traced traced;
    traced.node_ = node;
    return traced;
  }
  /// A number that is known only when the program runs.
  static Traced control(std::uint32_t number) {
    return of(Recorder<T>::current()->node({Node::Kind::control, number}));
  }
  /// Its node; a constant gets one.
  std::uint32_t node() const {
    if (node_ != none) return node_;
    return Recorder<T>::current()->node({Node::Kind::constant, 0, 0, 0, static_cast<double>(value_)});
  }

  friend Traced operator+(Traced a, Traced b) {
    return fold(a, b) ? Traced(a.value_ + b.value_) : of(made(Node::Kind::add, a, b));
  }
  friend Traced operator-(Traced a, Traced b) {
    return fold(a, b) ? Traced(a.value_ - b.value_) : of(made(Node::Kind::subtract, a, b));
  }
  friend Traced operator*(Traced a, Traced b) {
    return fold(a, b) ? Traced(a.value_ * b.value_) : of(made(Node::Kind::multiply, a, b));
  }
  friend Traced operator/(Traced a, Traced b) {
    return fold(a, b) ? Traced(a.value_ / b.value_) : of(made(Node::Kind::divide, a, b));
  }
  friend Traced operator-(Traced a) {
    return a.node_ == none ? Traced(-a.value_) : of(made(Node::Kind::negate, a.node_));
  }
  Traced& operator+=(Traced b) { return *this = *this + b; }
  Traced& operator-=(Traced b) { return *this = *this - b; }
  Traced& operator*=(Traced b) { return *this = *this * b; }
  friend Mask operator<(Traced a, Traced b) { return {made(Node::Kind::less, a, b)}; }
  friend Mask operator<=(Traced a, Traced b) { return {made(Node::Kind::less_equal, a, b)}; }
  friend Mask operator>(Traced a, Traced b) { return b < a; }
  friend Mask operator>=(Traced a, Traced b) { return b <= a; }
  friend Mask operator==(Traced a, Traced b) { return {made(Node::Kind::equal, a, b)}; }
  friend Mask operator!=(Traced a, Traced b) { return !(a == b); }
  friend Traced select(Mask mask, Traced yes, Traced no) {
    const std::uint32_t first = yes.node(), second = no.node();
    return of(made(Node::Kind::select, mask.node, first, second));
  }

  friend Traced exponential(Traced x) { return of(made(Node::Kind::exponential, x.node())); }
  friend Traced logarithm(Traced x) { return of(made(Node::Kind::logarithm, x.node())); }
  friend Traced square_root(Traced x) { return of(made(Node::Kind::square_root, x.node())); }
  friend Traced hyperbolic_tangent(Traced x) { return of(made(Node::Kind::hyperbolic_tangent, x.node())); }

 private:
  static bool fold(const Traced& a, const Traced& b) { return a.node_ == none && b.node_ == none; }
  static std::uint32_t made(Node::Kind kind, std::uint32_t a, std::uint32_t b = 0, std::uint32_t c = 0) {
    return Recorder<T>::current()->node({kind, a, b, c});
  }
  // Operands become nodes in their order, whatever the compiler's.
  static std::uint32_t made(Node::Kind kind, Traced a, Traced b) {
    const std::uint32_t first = a.node(), second = b.node();
    return made(kind, first, second);
  }

  T value_{};
  std::uint32_t node_ = none;
};

/// The slice that records. Needs a Recorder<T> in this thread.
template <class T>
struct RecordingSlice {
  using Scalar = T;
  using Number = Traced<T>;
  static constexpr int width = 1;

  using ConstView = typename PlainSlice<T>::ConstView;
  using View = typename PlainSlice<T>::View;

  static Number read(const T* from) { return Number::of(recorder().load(from)); }
  static void write(T* to, Number number) { recorder().store(to, number.node()); }
  static void accumulate(T* to, Number number) { recorder().accumulate(to, number.node()); }

  static void load(const T*, int, std::size_t, View) { fail("a recording slice has no numbers to load"); }
  static void store(ConstView, int, std::size_t, T*) { fail("a recording slice has no numbers to store"); }
  static void fill(View to, std::size_t features, T value) {
    record("fill", {static_cast<int>(features)}, {out(to, features)}, static_cast<double>(value));
  }
  static void copy(ConstView from, View to, std::size_t features) {
    record("copy", {static_cast<int>(features)}, {in(from, features), out(to, features)});
  }
  static void add(ConstView from, View to, std::size_t features) {
    record("add", {static_cast<int>(features)}, {in(from, features), out(to, features)});
  }

  template <int In, int Out>
  static void dense_forward(const T* weight, const T* bias, ConstView x, View y) {
    record("dense_forward", {In, Out}, {read_at(weight, In * Out), read_at(bias, Out), in(x, In), out(y, Out)});
  }
  template <int In, int Out>
  static void dense_backward_input(const T* weight, ConstView dy, View dx) {
    record("dense_backward_input", {In, Out}, {read_at(weight, In * Out), in(dy, Out), out(dx, In)});
  }
  template <int In, int Out>
  static void dense_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    record("dense_backward_parameters", {In, Out},
           {in(x, In), in(dy, Out), written_at(dweight, In * Out), written_at(dbias, Out)});
  }
  template <Convolution C>
  static void convolution_forward(const T* weight, const T* bias, ConstView x, View y) {
    record("convolution_forward", sizes<C>(),
           {read_at(weight, C.weights()), read_at(bias, C.filters), in(x, C.in.size()), out(y, C.out().size())});
  }
  template <Convolution C>
  static void convolution_backward_input(const T* weight, ConstView dy, View dx) {
    record("convolution_backward_input", sizes<C>(),
           {read_at(weight, C.weights()), in(dy, C.out().size()), out(dx, C.in.size())});
  }
  template <Convolution C>
  static void convolution_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    record(
        "convolution_backward_parameters", sizes<C>(),
        {in(x, C.in.size()), in(dy, C.out().size()), written_at(dweight, C.weights()), written_at(dbias, C.filters)});
  }
  template <Pooling P>
  static void max_pool_forward(ConstView x, View y, View winner) {
    record("max_pool_forward", sizes<P>(), {in(x, P.in.size()), out(y, P.out().size()), out(winner, P.out().size())});
  }
  template <Pooling P>
  static void max_pool_backward(ConstView winner, ConstView dy, View dx) {
    record("max_pool_backward", sizes<P>(), {in(winner, P.out().size()), in(dy, P.out().size()), out(dx, P.in.size())});
  }
  template <int Ids, int Dimensions, int Places>
  static void embedding_forward(const T* weight, ConstView x, View y) {
    record("embedding_forward", {Ids, Dimensions, Places},
           {read_at(weight, table<Ids, Dimensions>), in(x, Places), out(y, std::size_t{Dimensions} * Places)});
  }
  template <int Ids, int Dimensions, int Places>
  static void embedding_backward(ConstView x, ConstView dy, T* dweight) {
    record("embedding_backward", {Ids, Dimensions, Places},
           {in(x, Places), in(dy, std::size_t{Dimensions} * Places), written_at(dweight, table<Ids, Dimensions>)});
  }

  /// The one sample that stands for all.
  struct Lane {
    LaneView<RecordingSlice> at(View view) const { return {view.data}; }
    ConstLaneView<RecordingSlice> at(ConstView view) const { return {view.data}; }
    std::array<Number, 4> uniform(const Draws& draws, std::uint32_t block) const {
      std::array<Number, 4> all;
      for (std::uint32_t word = 0; word < 4; ++word)
        all[word] = Number::of(recorder().node({Node::Kind::uniform, draws.path, block, word}));
      return all;
    }
  };
  template <class Function>
  static void for_each_lane(Function&& function) {
    recorder().begin_trace();
    function(Lane{});
    recorder().end_trace();
  }

 private:
  template <int Ids, int Dimensions>
  static constexpr std::size_t table = std::size_t{Ids} * Dimensions;

  static Recorder<T>& recorder() { return *Recorder<T>::current(); }
  static Range in(ConstView view, std::size_t features) { return recorder().range(view.data, features, false); }
  static Range out(View view, std::size_t features) { return recorder().range(view.data, features, true); }
  static Range read_at(const T* at, std::size_t size) { return recorder().range(at, size, false); }
  static Range written_at(const T* at, std::size_t size) { return recorder().range(at, size, true); }
  static void record(std::string_view name, std::vector<int> sizes, std::vector<Range> ranges, double value = 0) {
    recorder().operation(name, std::move(sizes), std::move(ranges), value);
  }
  template <auto W>
  static std::vector<int> sizes() {
    std::vector<int> all{W.in.channels, W.in.height, W.in.width};
    if constexpr (requires { W.filters; }) all.push_back(W.filters);
    for (const int size : {W.window.kernel, W.window.stride, W.window.padding}) all.push_back(size);
    return all;
  }
};

/// What rule(parameter, gradient, row) does with one number, for `states` numbers of a row: places 0, 1, 2 and on of the
/// trace's memory. Its constants become controls in their order, and their values go to `constants`.
template <class T, std::size_t states, class Rule>
Trace record_rule(const Rule& rule, std::vector<double>& constants) {
  using S = RecordingSlice<T>;
  std::array<T, 2 + states> place{};
  Recorder<T> recorder(place, {}, {});
  recorder.collect_constants(constants);
  recorder.begin_trace();
  typename S::Number parameter = S::read(&place[0]);
  const typename S::Number gradient = S::read(&place[1]);
  std::array<typename S::Number, states> row;
  for (std::size_t i = 0; i < states; ++i) row[i] = S::read(&place[2 + i]);
  rule(parameter, gradient, row);
  S::write(&place[0], parameter);
  for (std::size_t i = 0; i < states; ++i) S::write(&place[2 + i], row[i]);
  recorder.end_trace();
  return recorder.take().traces.at(0);
}

}  // namespace mtlx::backend
