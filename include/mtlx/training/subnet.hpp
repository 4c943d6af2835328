// SPDX-License-Identifier: MIT
// One task's network out of a trained model, as a model of its own that only predicts: without the weights that are not in
// the task's mask, and without the units that nothing reads (training/pruned_network.hpp says what goes).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <mtlx/backend/cpu.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/name.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/avg_pool2d.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/flatten.hpp>
#include <mtlx/nn/gelu.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/nn/max_pool2d.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/training/extract.hpp>
#include <mtlx/training/pruned_network.hpp>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::training {

template <class In, class TaskList, class Sharing, class Balancing, class Optimizing, class Grouping, class Back>
class Model;

/// How a subnet is made.
struct SubnetOptions {
  Favour favour = Favour::latency;
  int threads = 0;  ///< for more than a few samples; 0: as many as the machine has cores
};

/// One task's network under its mask, on the CPU. `predict` is not for several threads at once.
template <class Task, class T>
class Subnet {
 public:
  Subnet(detail::PrunedNetwork<T> network, std::size_t full_bytes)
      : network_(std::move(network)), full_bytes_(full_bytes) {}

  /// The task's answers, as the model gives them up to rounding. Throws `Error` if the inputs' shape is not the model's.
  [[gnu::cold]] typename Task::Prediction predict(const data::Inputs& inputs) {
    if (!(inputs.shape() == network_.input()))
      fail("predict: the inputs are ", inputs.shape(), ", and the subnet takes ", network_.input());
    std::vector<float> outputs(inputs.size() * static_cast<std::size_t>(Task::outputs));
    network_.predict(inputs, outputs);
    return typename Task::Prediction(std::move(outputs));
  }

  /// Of what the subnet keeps: weights, biases, and where compressed weights read.
  std::size_t bytes() const { return network_.bytes(); }
  /// Of the parameters that the model has for the task.
  std::size_t full_bytes() const { return full_bytes_; }
  const std::vector<SubnetLayer>& layers() const { return network_.layers(); }

  /// A line a layer: what is left, of how much.
  [[gnu::cold]] std::string text() const {
    std::string out;
    const auto line = [&](const std::string& name, const std::string& in, const std::string& result,
                          const std::string& weights, const std::string& form) {
      char buffer[160];
      std::snprintf(buffer, sizeof buffer, "%-12s %-28s %-28s %-22s %s", name.c_str(), in.c_str(), result.c_str(),
                    weights.c_str(), form.c_str());
      out += buffer;
      out.erase(out.find_last_not_of(' ') + 1);
      out += '\n';
    };
    const auto part = [](const auto& some, const auto& all) {
      return some == all ? join(all) : join(some, " of ", all);
    };
    line("layer", "in", "out", "weights", "form");
    for (const SubnetLayer& layer : layers())
      line(layer.name, part(layer.in, layer.full_in), part(layer.out, layer.full_out),
           layer.full_weights > 0 ? part(layer.weights, layer.full_weights) : "",
           layer.rows          ? "rows"
           : layer.zeros > 0   ? join("full, ", layer.zeros, " zeros")
           : layer.weights > 0 ? "full"
                               : "");
    return out + join("bytes: ", bytes(), " of ", full_bytes(), "\n");
  }

 private:
  detail::PrunedNetwork<T> network_;
  std::size_t full_bytes_;
};

namespace detail {

template <class L, class... Which>
inline constexpr bool is_one_of = (std::is_same_v<L, Which> || ...);

// What a layer's type says it is.
template <class L>
struct LayerFacts {
  static constexpr bool elementwise =
      is_one_of<L, nn::Relu, nn::Tanh, nn::Sigmoid, nn::Softplus, nn::Silu, nn::Gelu, nn::GeluTanh>;
  static constexpr bool nothing = is_one_of<L, nn::Flatten>;  // in prediction
  static constexpr bool dense = false, convolution = false, max_pool = false, mean_pool = false;
};
template <int Percent>
struct LayerFacts<nn::LeakyRelu<Percent>> : LayerFacts<nn::Relu> {};
template <int Percent>
struct LayerFacts<nn::Dropout<Percent>> : LayerFacts<nn::Flatten> {};
template <int Outputs, nn::Initialiser I>
struct LayerFacts<nn::Dense<Outputs, I>> : LayerFacts<void> {
  static constexpr bool dense = true;
};
template <int Filters, int Kernel, int Stride, int Padding, nn::Initialiser I>
struct LayerFacts<nn::Conv2d<Filters, Kernel, Stride, Padding, I>> : LayerFacts<void> {
  static constexpr bool convolution = true;
};
template <int Kernel, int Stride, int Padding>
struct LayerFacts<nn::MaxPool2d<Kernel, Stride, Padding>> : LayerFacts<void> {
  static constexpr bool max_pool = true;
};
template <int Kernel, int Stride, int Padding>
struct LayerFacts<nn::AvgPool2d<Kernel, Stride, Padding>> : LayerFacts<void> {
  static constexpr bool mean_pool = true;
};

// An elementwise layer on any numbers.
template <class L, class T>
void apply_to(T* numbers, std::size_t packs) {
  using Slice = backend::CpuSlice<T, backend::lanes<T>>;
  for (std::size_t p = 0; p < packs; ++p, numbers += backend::lanes<T>)
    nn::forward<L, Shape{1, 1, 1}>(nn::Forward<Slice>{nullptr, {numbers}, {numbers}, {}, {}, false});
}

// A layer on a slice.
template <class L, Shape In, class Slice, class T>
void run_layer(const T* parameters, const T* x, T* y, T* saved) {
  nn::forward<L, In>(nn::Forward<Slice>{parameters, {x}, {y}, {saved}, {}, false});
}

// Layers one after the other, with what is in them on the same level.
template <class T, class Slice>
struct Chain {
  std::vector<ChainLayer<T>> layers;
  const T* parameters;

  template <class L, Shape In>
  void add() {
    if constexpr (requires { typename L::LayerList; }) {
      add_all<In>(static_cast<typename L::LayerList*>(nullptr));
    } else if constexpr (!LayerFacts<L>::nothing) {
      using Facts = LayerFacts<L>;
      constexpr std::size_t count = nn::parameter_count<L>(In);
      ChainLayer<T> layer{.name = nn::name<L>(), .in = In, .out = L::output(In), .parameters = {parameters, count}};
      parameters += count;
      if constexpr (Facts::elementwise) {
        layer.doing = Doing::elementwise;
        layer.apply = apply_to<L, T>;
      } else if constexpr (Facts::dense) {
        layer.doing = Doing::linear;
        layer.in = {static_cast<int>(In.size()), 1, 1};
        layer.turned = true;
      } else if constexpr (Facts::convolution) {
        layer.doing = Doing::linear;
        layer.window = L::window;
        layer.slice = run_layer<L, In, Slice, T>;
        layer.tiles = Slice::template by_tiles<L::geometry(In)>;
      } else if constexpr (Facts::max_pool || Facts::mean_pool) {
        layer.doing = Doing::pool;
        layer.window = L::window;
        layer.how = Facts::max_pool ? backend::Pooled::largest : backend::Pooled::mean;
      } else if constexpr (std::is_same_v<L, nn::GlobalAvgPool>) {
        layer.doing = Doing::pool;
        layer.how = backend::Pooled::channel_mean;
      } else {
        layer.slice = run_layer<L, In, Slice, T>;
        layer.single = run_layer<L, In, backend::SingleSlice<T>, T>;
        layer.saved = nn::saved<L>(In);
      }
      layers.push_back(layer);
    }
  }

 private:
  template <Shape In, class First, class... Rest>
  void add_all(std::tuple<First, Rest...>*) {
    add<First, In>();
    if constexpr (sizeof...(Rest) > 0) add_all<First::output(In)>(static_cast<std::tuple<Rest...>*>(nullptr));
  }
};

// The layers that a strategy gives a task.
template <class Strategy, class Task>
struct LayersOf {
  using type = void;
};
template <class Trunk, class Task, class... Heads>
struct LayersOf<sharing::Hard<Trunk, Heads...>, Task> {
  using type = nn::Sequential<Trunk, sharing::detail::HeadLayer<Task, Heads...>>;
};
template <class Trunk, class Task, class... Heads>
struct LayersOf<sharing::Single<Trunk, Heads...>, Task> : LayersOf<sharing::Hard<Trunk, Heads...>, Task> {};
template <class Trunk, class Rule, class Task, class... Heads>
struct LayersOf<sharing::Sparse<Trunk, Rule, Heads...>, Task> : LayersOf<sharing::Hard<Trunk, Heads...>, Task> {};

template <class In, class TaskList, class Sharing, class Balancing, class Optimizing, class Grouping, class Back>
std::type_identity<Sharing> strategy_of(
    const training::Model<In, TaskList, Sharing, Balancing, Optimizing, Grouping, Back>&);

}  // namespace detail

/// One task's network as a model of its own: `auto left = training::subnet<"left">(model)`. It is a copy: training goes on
/// without it. For sharing::Hard, Single and Sparse, or for a strategy whose layers for the task are given as `Layers`, with
/// the task's parameters in the model's order. Throws `Error` if those are of other shapes than the task's.
template <Name TaskName, class Layers = void, class Trained>
[[gnu::cold]] auto subnet(const Trained& model, const SubnetOptions& options = {}) {
  using Network = typename Trained::Network;
  using TaskList = typename Trained::TaskList;
  using T = typename Trained::Scalar;
  constexpr std::size_t t = TaskList::index(TaskName.view());
  using Task = typename TaskList::template At < t<TaskList::count ? t : 0>;
  using Strategy = typename decltype(detail::strategy_of(model))::type;
  using All = typename std::conditional_t<std::is_void_v<Layers>, detail::LayersOf<Strategy, Task>,
                                          std::type_identity<Layers>>::type;
  constexpr bool known = !std::is_void_v<All>;
  static_assert(
      known, "mtlx: this strategy doesn't tell a task's layers: give them as the second template argument of subnet");
  if constexpr (known) {
    if constexpr (detail::check_extracted<TaskName, All, Network, TaskList>()) {
      using Slice = typename backend::Cpu<T>::template Slice<nn::saved<All>(Network::in)>;
      std::vector<T> parameters;
      for (const auto& block : detail::task_blocks<t, All>(model, "subnet"))
        parameters.insert(parameters.end(), block.numbers.begin(), block.numbers.end());
      detail::Chain<T, Slice> chain{{}, parameters.data()};
      chain.template add<All, Network::in>();
      return Subnet<Task, T>(
          detail::PrunedNetwork<T>(chain.layers, Network::in, Slice::width, options.favour, options.threads),
          parameters.size() * sizeof(T));
    }
  }
  // Only after an error: what follows shall not be another.
  return Subnet<Task, T>(detail::PrunedNetwork<T>({}, Network::in, 16, options.favour, options.threads), 0);
}

}  // namespace mtlx::training
