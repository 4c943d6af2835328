// SPDX-License-Identifier: MIT
// A chain of layers whose weights are partly 0, made as small as it can be and run on the CPU. What goes:
//   - an output unit (a filter, a neuron) whose weights are all 0, or which only reads such units: it is a constant, its bias
//     passed through the activation. What follows takes it into its bias; where that is not exact (a constant other than 0
//     beside a padding of zeros) the unit stays;
//   - a unit that no unit which is left reads, and an input that none reads;
//   - the zeros among the weights that are left, where rows of the others are faster (or smaller, if that is asked for).
// Layers of other types than those of training/subnet.hpp stay as they are, with all that they read and put out.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mtlx/backend/cpu_single.hpp>
#include <mtlx/backend/cpu_sparse.hpp>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/crew.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/geometry.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/inputs.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtlx::training {

/// What a subnet's form is chosen for: the latency of one sample, the time of many, or the bytes that it takes.
enum class Favour { latency, throughput, memory };

/// A layer of a subnet, and what became of it.
struct SubnetLayer {
  std::string name;
  Shape in, out;            ///< what is left of them
  Shape full_in, full_out;  ///< of the layer itself
  std::size_t weights = 0;  ///< that are kept, zeros of full weights included
  std::size_t full_weights = 0;
  std::size_t zeros = 0;  ///< among `weights`
  bool rows = false;      ///< whether they are kept as compressed rows
};

namespace detail {

enum class Doing { linear, elementwise, pool, other };

/// A layer as its type describes it. Spans are into the task's parameters.
template <class T>
struct ChainLayer {
  using Apply = void (*)(T* numbers, std::size_t packs);
  using Run = void (*)(const T* parameters, const T* x, T* y, T* saved);

  Doing doing = Doing::other;
  std::string_view name;
  Shape in, out;
  bool turned = false;    ///< linear: weights are (inputs, outputs), and in.size() inputs of one number each
  Window window{};        ///< linear, pool
  backend::Pooled how{};  ///< pool
  Apply apply = nullptr;
  Run slice = nullptr;   ///< other; and a convolution's own, for one that is whole
  Run single = nullptr;  ///< other
  bool tiles = false;    ///< whether the convolution's own takes fewer products than the sums have
  std::size_t saved = 0;
  std::span<const T> parameters = {};

  std::size_t taps() const { return static_cast<std::size_t>(window.kernel) * static_cast<std::size_t>(window.kernel); }
  std::size_t inputs() const { return static_cast<std::size_t>(in.channels); }
  std::size_t outputs() const { return static_cast<std::size_t>(out.channels); }
  std::size_t weights() const { return inputs() * outputs() * taps(); }
  T weight(std::size_t o, std::size_t i, std::size_t tap) const {
    return parameters[turned ? i * outputs() + o : (o * inputs() + i) * taps() + tap];
  }
};

/// See the head of this file. Not for several threads at once.
template <class T>
class PrunedNetwork {
 public:
  /// `width` samples side by side: a power of two, and a multiple of the register's lanes.
  [[gnu::cold]] PrunedNetwork(const std::vector<ChainLayer<T>>& layers, Shape in, int width, Favour favour, int threads)
      : input_(in), width_(static_cast<std::size_t>(width)), crew_(new Crew(threads)) {
    std::vector<Tensor> tensors = propagate(layers, in);
    find_readers(layers, tensors);
    build(layers, tensors, favour);
    plan();
  }

  const Shape& input() const { return input_; }
  const std::vector<SubnetLayer>& layers() const { return report_; }

  /// Of weights, biases and places.
  std::size_t bytes() const {
    std::size_t numbers = 0, places = inputs_.size(), skips = 0;
    for (const Stage& stage : stages_) {
      numbers += stage.numbers.size();
      places += stage.from.size() + stage.starts.size();
      skips += stage.skip.size();
    }
    return numbers * sizeof(T) + places * sizeof(std::uint32_t) + skips * sizeof(std::uint16_t);
  }

  /// outputs : (samples, outputs)
  [[gnu::noinline]] void predict(const data::Inputs& inputs, std::span<float> outputs) {
    const std::size_t size = inputs.size(), features = outputs.size() / std::max<std::size_t>(size, 1);
    if (size <= few) {
      for (std::size_t s = 0; s < size; ++s) one(inputs, s, outputs.data() + s * features);
      return;
    }
    crew_->run((size + width_ - 1) / width_, [&](std::size_t slice, std::size_t worker) {
      some(inputs, slice * width_, std::min(width_, size - slice * width_), outputs.data() + slice * width_ * features,
           worker);
    });
  }

 private:
  static constexpr std::size_t lane = static_cast<std::size_t>(backend::lanes<T>);
  // Up to how many samples go through one by one.
  static constexpr std::size_t few = 4;

  // What lies between two layers: units of some numbers each. Elementwise layers work in place.
  struct Tensor {
    Tensor(std::size_t units_, std::size_t numbers_)
        : units(units_),
          numbers(numbers_),
          fixed(units_, 0),
          live(units_, 0),
          value((units_ + lane - 1) / lane * lane) {}

    std::size_t units, numbers;
    std::vector<char> fixed;             // the same for every input
    std::vector<char> live;              // something reads it
    std::vector<T> value;                // of fixed ones
    std::vector<std::vector<T>> bias{};  // of the linear layer before it, with what fixed inputs add
  };

  struct Stage {
    Doing doing;
    Shape in, out;
    bool turned = false, rows = false;
    Window window{};
    backend::Pooled how{};
    typename ChainLayer<T>::Apply apply = nullptr;
    typename ChainLayer<T>::Run slice = nullptr, single = nullptr;
    std::size_t saved = 0;
    Buffer<T> numbers{};  // weights, then biases, from a cache line's start on
    std::size_t weights = 0, outputs = 0;
    std::vector<std::uint32_t> from{}, starts{};  // of full weights; of rows
    std::vector<std::uint16_t> skip{};            // of rows

    Shape padded() const { return {in.channels, in.height + 2 * window.padding, in.width + 2 * window.padding}; }
    std::size_t taps() const { return weights / std::max<std::size_t>(outputs, 1); }
    const T* weight() const { return numbers.data(); }
    const T* bias() const { return numbers.data() + weights; }
    backend::SparseRow<T> row(std::size_t o) const {
      return {skip.data() + starts[o], weight() + starts[o], starts[o + 1] - starts[o], bias()[o]};
    }
    backend::FullWeights<T> full() const {
      return {turned ? nullptr : from.data(), weight(), taps(), turned ? outputs : 1, turned ? 1 : taps(), bias()};
    }
  };

  static std::size_t plane(const Shape& shape) { return static_cast<std::size_t>(shape.height * shape.width); }
  static bool makes_tensor(const ChainLayer<T>& layer) { return layer.doing != Doing::elementwise; }
  // The unit of a tensor that a layer's input channel is of: a Dense layer's inputs are single numbers.
  static std::size_t unit(const ChainLayer<T>& layer, const Tensor& tensor, std::size_t channel) {
    return channel / (tensor.numbers / plane(layer.in));
  }
  // Whether what a fixed input adds to a linear layer's outputs is a constant, too.
  static bool folds(const ChainLayer<T>& layer, const Tensor& from, std::size_t u) {
    return from.fixed[u] != 0 && (layer.window.padding == 0 || from.value[u] == T(0));
  }

  // Which units are constants, from the first layer to the last.
  [[gnu::cold, gnu::noinline]] static std::vector<Tensor> propagate(const std::vector<ChainLayer<T>>& layers,
                                                                    Shape in) {
    std::vector<Tensor> tensors;
    // The input's units are what the first layer that reads it takes for one.
    const auto first = std::find_if(layers.begin(), layers.end(), makes_tensor);
    const Shape view = first == layers.end() ? Shape{static_cast<int>(in.size()), 1, 1} : first->in;
    tensors.emplace_back(static_cast<std::size_t>(view.channels), plane(view));
    for (const ChainLayer<T>& layer : layers) {
      if (!makes_tensor(layer)) {
        layer.apply(tensors.back().value.data(), tensors.back().value.size() / lane);
        continue;
      }
      const Tensor& from = tensors.back();
      Tensor to(layer.outputs(), plane(layer.out));
      if (layer.doing == Doing::linear) {
        to.bias.emplace_back(layer.outputs());
        for (std::size_t o = 0; o < layer.outputs(); ++o) {
          auto total = static_cast<double>(layer.parameters[layer.weights() + o]);
          bool fixed = true;
          for (std::size_t i = 0; i < layer.inputs(); ++i) {
            const std::size_t u = unit(layer, from, i);
            for (std::size_t tap = 0; tap < layer.taps(); ++tap) {
              const T weight = layer.weight(o, i, tap);
              if (weight == T(0)) continue;
              if (folds(layer, from, u))
                total += static_cast<double>(weight) * static_cast<double>(from.value[u]);
              else
                fixed = false;
            }
          }
          to.bias[0][o] = to.value[o] = static_cast<T>(total);
          to.fixed[o] = fixed;
        }
      } else if (layer.doing == Doing::pool) {
        const bool zeros = layer.how == backend::Pooled::mean && layer.window.padding > 0;
        for (std::size_t i = 0; i < layer.inputs(); ++i) {
          const std::size_t u = unit(layer, from, i);
          to.value[i] = from.value[u];
          to.fixed[i] = from.fixed[u] != 0 && (!zeros || from.value[u] == T(0));
        }
      }
      tensors.push_back(std::move(to));
    }
    return tensors;
  }

  // Which units are read, from the last layer to the first.
  [[gnu::cold, gnu::noinline]] static void find_readers(const std::vector<ChainLayer<T>>& layers,
                                                        std::vector<Tensor>& tensors) {
    std::fill(tensors.back().live.begin(), tensors.back().live.end(), 1);
    std::size_t at = tensors.size() - 1;
    for (std::size_t l = layers.size(); l-- > 0;) {
      const ChainLayer<T>& layer = layers[l];
      if (!makes_tensor(layer)) continue;
      Tensor& to = tensors[at--];
      Tensor& from = tensors[at];
      const bool whole = layer.doing == Doing::other && std::count(to.live.begin(), to.live.end(), 1) > 0;
      if (whole) std::fill(to.live.begin(), to.live.end(), 1);
      for (std::size_t i = 0; i < layer.inputs(); ++i) {
        const std::size_t u = unit(layer, from, i);
        bool read = whole;
        if (layer.doing == Doing::pool) read = to.live[i] != 0;
        if (layer.doing == Doing::linear && !folds(layer, from, u))
          for (std::size_t o = 0; o < layer.outputs() && !read; ++o)
            for (std::size_t tap = 0; tap < layer.taps() && to.live[o] != 0; ++tap)
              read = read || layer.weight(o, i, tap) != T(0);
        if (read) from.live[u] = 1;
      }
    }
  }

  [[gnu::cold, gnu::noinline]] void build(const std::vector<ChainLayer<T>>& layers, const std::vector<Tensor>& tensors,
                                          Favour favour) {
    // The numbers of the input that are read, if that is not all.
    const Tensor& input = tensors[0];
    for (std::size_t i = 0; i < input.units * input.numbers; ++i)
      if (input.live[i / input.numbers] != 0) inputs_.push_back(static_cast<std::uint32_t>(i));
    features_ = inputs_.size();
    gathers_ = features_ < input_.size();
    if (!gathers_) inputs_.clear();
    std::size_t at = 0;
    for (ChainLayer<T> layer : layers) {
      const Tensor& from = tensors[at];
      if (makes_tensor(layer)) ++at;
      const Tensor& to = tensors[at];
      // An elementwise layer on an input that a Dense layer reads: units are single numbers.
      if (!makes_tensor(layer) && from.numbers < plane(layer.in))
        layer.in = layer.out = {static_cast<int>(layer.in.size()), 1, 1};
      std::vector<std::size_t> ins, outs;
      for (std::size_t i = 0; i < layer.inputs(); ++i)
        if (from.live[unit(layer, from, i)] != 0) ins.push_back(i);
      for (std::size_t o = 0; o < layer.outputs(); ++o)
        if (to.live[makes_tensor(layer) ? o : unit(layer, to, o)] != 0) outs.push_back(o);
      Stage stage{layer.doing, layer.in, layer.out};
      stage.in.channels = static_cast<int>(ins.size());
      stage.out.channels = static_cast<int>(outs.size());
      stage.window = layer.window;
      stage.turned = layer.turned;
      stage.how = layer.how;
      stage.apply = layer.apply, stage.slice = layer.slice, stage.single = layer.single;
      stage.saved = layer.saved;
      SubnetLayer& report =
          report_.emplace_back(SubnetLayer{std::string(layer.name), stage.in, stage.out, layer.in, layer.out});
      if (layer.doing == Doing::linear) {
        report.full_weights = layer.weights();
        report.zeros = keep_weights(layer, ins, outs, favour, stage);
        report.weights = stage.weights;
        report.rows = stage.rows;
        for (std::size_t o = 0; o < outs.size(); ++o) stage.numbers[stage.weights + o] = to.bias[0][outs[o]];
        // The layer's own kernel needs all of it.
        if (stage.rows || stage.numbers.size() < layer.parameters.size()) stage.slice = nullptr;
        if (stage.slice != nullptr) stage.from = {};
      } else if (layer.doing == Doing::other) {
        stage.numbers = Buffer<T>(layer.parameters.size());
        std::copy(layer.parameters.begin(), layer.parameters.end(), stage.numbers.data());
        report.weights = report.full_weights = stage.numbers.size();
        report.zeros = static_cast<std::size_t>(std::count(layer.parameters.begin(), layer.parameters.end(), T(0)));
      }
      // A layer that puts out nothing which is read is not there.
      if (!outs.empty()) stages_.push_back(std::move(stage));
    }
  }

  // Whether `kept` weights as rows are at least as fast as all of them. Cycles are rough ones, for which rows have to pay;
  // bench/sharing/subnet.cpp measures both forms.
  static bool rows_pay(const ChainLayer<T>& layer, Favour favour, std::size_t ins, std::size_t outs, std::size_t kept) {
    const auto all = static_cast<double>(ins * outs * layer.taps()), some = static_cast<double>(kept);
    if (favour == Favour::throughput) {
      const bool whole = ins == layer.inputs() && outs == layer.outputs();
      return some < all * (!whole || !layer.tiles ? 0.5 : layer.window.kernel > 3 ? 0.35 : 0.2);
    }
    if (!layer.turned) return some < 0.6 * all;
    // One sample: full weights go through registers of outputs, four at a time where there are as many, or through the
    // cache; the others one by one.
    const std::size_t packs = outs / lane, groups = packs / 4 + packs % 4 + (outs % lane > 0);
    const double full = std::max(4.0 * static_cast<double>(ins * groups), all * sizeof(T) / 28);
    return 1.3 * some + 6 * static_cast<double>(outs) < full;
  }

  // Returns how many zeros are kept.
  [[gnu::cold, gnu::noinline]] static std::size_t keep_weights(const ChainLayer<T>& layer,
                                                               const std::vector<std::size_t>& ins,
                                                               const std::vector<std::size_t>& outs, Favour favour,
                                                               Stage& stage) {
    const Shape padded = stage.padded();
    const auto kernel = static_cast<std::size_t>(layer.window.kernel);
    const auto place = [&](std::size_t i, std::size_t tap) {
      return padded.at(static_cast<int>(i), static_cast<int>(tap / kernel), static_cast<int>(tap % kernel));
    };
    const std::size_t taps = layer.taps(), all = ins.size() * outs.size() * taps;
    std::vector<T> weights;
    bool near = true;  // the distances are numbers of 16 bits
    stage.starts.push_back(0);
    for (const std::size_t o : outs) {
      std::size_t last = 0;
      for (std::size_t i = 0; i < ins.size(); ++i)
        for (std::size_t tap = 0; tap < taps; ++tap)
          if (const T weight = layer.weight(o, ins[i], tap); weight != T(0)) {
            const std::size_t skip = place(i, tap) - last;
            near = near && skip <= 65535;
            weights.push_back(weight);
            stage.skip.push_back(static_cast<std::uint16_t>(skip));
            last += skip;
          }
      stage.starts.push_back(static_cast<std::uint32_t>(weights.size()));
    }
    const std::size_t kept = weights.size();
    const std::size_t full_bytes = (all + (layer.turned ? 0 : ins.size() * taps)) * sizeof(T);
    const std::size_t row_bytes =
        kept * (sizeof(T) + sizeof(std::uint16_t)) + (outs.size() + 1) * sizeof(std::uint32_t);
    stage.rows = near && (favour == Favour::memory ? row_bytes < full_bytes
                                                   : rows_pay(layer, favour, ins.size(), outs.size(), kept));
    stage.weights = stage.rows ? kept : all;
    stage.outputs = outs.size();
    stage.numbers = Buffer<T>(stage.weights + outs.size());
    if (stage.rows) {
      std::copy(weights.begin(), weights.end(), stage.numbers.data());
      return 0;
    }
    stage.skip.clear(), stage.starts.clear();
    for (std::size_t i = 0; i < ins.size(); ++i)
      for (std::size_t tap = 0; tap < taps; ++tap) {
        if (!layer.turned) stage.from.push_back(static_cast<std::uint32_t>(place(i, tap)));
        for (std::size_t o = 0; o < outs.size(); ++o)
          stage.numbers[layer.turned ? i * outs.size() + o : (o * ins.size() + i) * taps + tap] =
              layer.weight(outs[o], ins[i], tap);
      }
    return all - kept;
  }

  // A worker's memory: two tensors in turns, a padded one, what a layer saves, and a row of results.
  [[gnu::cold, gnu::noinline]] void plan() {
    std::size_t tensor = features_, padded = 0, saved = 0, line = input_.size();
    for (const Stage& stage : stages_) {
      tensor = std::max({tensor, stage.in.size(), stage.out.size()});
      saved = std::max(saved, stage.saved);
      if (stage.doing != Doing::linear || stage.turned) continue;
      if (stage.window.padding > 0) padded = std::max(padded, stage.padded().size());
      line = std::max(line, places(stage));
    }
    // Runs end within a pack.
    const auto room = [](std::size_t numbers) { return (numbers + 2 * lane + 15) / 16 * 16; };
    tensor_ = room(tensor * width_), padded_ = room(padded * width_), saved_ = room(saved * width_);
    line_ = room(std::max(line, input_.size() * width_));
    stride_ = 2 * tensor_ + padded_ + saved_ + line_;
    memory_ = Buffer<T>(stride_ * crew_->size());
  }

  // The places of one sample's padded plane, read as a row, from the first result to the last.
  static std::size_t places(const Stage& stage) {
    const int pitch = stage.in.width + 2 * stage.window.padding, stride = stage.window.stride;
    return static_cast<std::size_t>(stride * (stage.out.height - 1) * pitch + stride * (stage.out.width - 1) + 1);
  }

  // A worker's part of the memory.
  struct Memory {
    T *x, *y, *padded, *saved, *line;
  };
  Memory memory(std::size_t worker) {
    T* at = memory_.data() + worker * stride_;
    return {at, at + tensor_, at + 2 * tensor_, at + 2 * tensor_ + padded_, at + 2 * tensor_ + padded_ + saved_};
  }
  const T* with_padding(const Stage& stage, std::size_t width, const Memory& m) const {
    if (stage.window.padding == 0) return m.x;
    backend::pad(stage.in, stage.window.padding, static_cast<int>(width), m.x, m.padded);
    return m.padded;
  }

  void one(const data::Inputs& inputs, std::size_t sample, float* outputs) {
    Memory m = memory(0);
    inputs.copy(sample, gathers_ ? m.line : m.x);
    for (std::size_t k = 0; k < inputs_.size(); ++k) m.x[k] = m.line[inputs_[k]];
    std::size_t size = features_;
    for (const Stage& stage : stages_) {
      size = stage.out.size();
      if (stage.doing == Doing::elementwise) {
        stage.apply(m.x, (size + lane - 1) / lane);
        continue;
      }
      if (stage.doing == Doing::pool && stage.how == backend::Pooled::largest)
        backend::single_max_pool<T>({stage.in, stage.window}, m.x, m.y);
      else if (stage.doing == Doing::pool)
        backend::pool<T, T>({stage.in, stage.window}, stage.how, 1, m.x, m.y);
      else if (stage.doing == Doing::other)
        stage.single(stage.weight(), m.x, m.y, m.saved);
      else if (stage.turned)
        one_dense(stage, m);
      else
        one_convolution(stage, m);
      std::swap(m.x, m.y);
    }
    for (std::size_t i = 0; i < size; ++i) outputs[i] = static_cast<float>(m.x[i]);
  }

  static void one_dense(const Stage& stage, const Memory& m) {
    if (!stage.rows)
      return backend::SingleDense<T>::run(stage.in.channels, stage.out.channels, m.x, stage.weight(), stage.bias(),
                                          m.y);
    backend::sparse_product(stage.outputs, stage.starts.data(), stage.skip.data(), stage.weight(), stage.bias(), m.x,
                            m.y);
  }

  void one_convolution(const Stage& stage, const Memory& m) const {
    if (!stage.rows)
      return backend::SingleConvolution<T>::run(Convolution{stage.in, stage.window, stage.out.channels}, m.x,
                                                stage.weight(), stage.bias(), m.y);
    const T* x = with_padding(stage, 1, m);
    const backend::Runs runs{(places(stage) + lane - 1) / lane, lane, lane, 0};
    const int pitch = stage.in.width + 2 * stage.window.padding, stride = stage.window.stride;
    T* y = m.y;
    for (std::size_t o = 0; o < stage.outputs; ++o) {
      backend::SparseRuns<T>::run(runs, stage.row(o), x, m.line);
      for (int r = 0; r < stage.out.height; ++r, y += stage.out.width) {
        const T* from = m.line + r * stride * pitch;
        if (stride == 1)
          std::copy_n(from, stage.out.width, y);
        else
          for (int c = 0; c < stage.out.width; ++c) y[c] = from[c * stride];
      }
    }
  }

  void some(const data::Inputs& inputs, std::size_t first, std::size_t count, float* outputs, std::size_t worker) {
    Memory m = memory(worker);
    const std::size_t numbers = input_.size();
    for (std::size_t s = 0; s < count; ++s) inputs.copy(first + s, m.line + s * numbers);
    // The places left over repeat the last sample: they compute what a real one does.
    for (std::size_t k = 0; k < features_; ++k) {
      const T* from = m.line + (gathers_ ? inputs_[k] : k);
      for (std::size_t s = 0; s < width_; ++s) m.x[k * width_ + s] = from[std::min(s, count - 1) * numbers];
    }
    std::size_t size = features_;
    for (const Stage& stage : stages_) {
      size = stage.out.size();
      if (stage.doing == Doing::elementwise) {
        stage.apply(m.x, size * width_ / lane);
        continue;
      }
      if (stage.doing == Doing::pool)
        backend::pool<T, backend::Pack<T>>({stage.in, stage.window}, stage.how, static_cast<int>(width_), m.x, m.y);
      else if (stage.slice != nullptr)
        stage.slice(stage.weight(), m.x, m.y, m.saved);
      else if (stage.turned)
        products(stage, {width_ / lane, lane, lane, shift()}, m.x, m.y, width_);
      else
        convolution(stage, m);
      std::swap(m.x, m.y);
    }
    for (std::size_t s = 0; s < count; ++s)
      for (std::size_t i = 0; i < size; ++i) outputs[s * size + i] = static_cast<float>(m.x[i * width_ + s]);
  }

  int shift() const { return std::countr_zero(width_); }

  // All outputs of a linear layer over one run; y of an output begins `plane` after the one before.
  static void products(const Stage& stage, const backend::Runs& runs, const T* x, T* y, std::size_t plane) {
    if (!stage.rows) return backend::FullRuns<T>::run(runs, stage.full(), stage.outputs, x, y, plane);
    for (std::size_t o = 0; o < stage.outputs; ++o) backend::SparseRuns<T>::run(runs, stage.row(o), x, y + o * plane);
  }

  void convolution(const Stage& stage, const Memory& m) const {
    const T* x = with_padding(stage, width_, m);
    const auto columns = static_cast<std::size_t>(stage.out.width),
               stride = static_cast<std::size_t>(stage.window.stride);
    const std::size_t pitch = static_cast<std::size_t>(stage.in.width + 2 * stage.window.padding) * width_;
    const std::size_t row = columns * width_, size = static_cast<std::size_t>(stage.out.height) * row;
    for (std::size_t r = 0; r < static_cast<std::size_t>(stage.out.height); ++r) {
      if (stride == 1) {
        products(stage, {row / lane, lane, lane, shift()}, x + r * pitch, m.y + r * row, size);
        continue;
      }
      for (std::size_t part = 0; part < width_; part += lane)
        products(stage, {columns, stride * width_, width_, shift()}, x + r * stride * pitch + part,
                 m.y + r * row + part, size);
    }
  }

  Shape input_;
  std::size_t width_;
  std::size_t features_ = 0;           // numbers of a sample that are read
  bool gathers_ = false;               // whether they are fewer than there are
  std::vector<std::uint32_t> inputs_;  // and then which
  std::vector<Stage> stages_;
  std::vector<SubnetLayer> report_;
  std::size_t tensor_ = 0, padded_ = 0, saved_ = 0, line_ = 0, stride_ = 0;
  Buffer<T> memory_;
  std::unique_ptr<Crew> crew_;
};

}  // namespace detail

}  // namespace mtlx::training
