// SPDX-License-Identifier: MIT
// Sequential: y = f_n(... f_1(x)).  Residual: y = x + f_n(... f_1(x)), dx = dy + the chain's dx.
// Reference for Residual: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
#pragma once

#include <mtlx/nn/layer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

namespace mtlx::nn {

/// Layers one after the other: a layer itself. The shapes flow through at compile time.
template <class... Layers>
struct Sequential {
  static constexpr std::string_view name = "Sequential";
  static constexpr std::size_t count = sizeof...(Layers);
  using LayerList = std::tuple<Layers...>;

 private:
  template <std::size_t i>
  using LayerAt = std::tuple_element_t<i, LayerList>;
  static constexpr std::size_t last = count == 0 ? 0 : count - 1;

  // Where everything lies, for one input shape.
  struct Plan {
    std::array<Shape, count + 1> shape{};          // shape[i] goes into layer i
    std::array<std::size_t, count + 1> weights{};  // offset of layer i's parameters
    std::array<std::size_t, count + 1> saved{};    // offset of layer i's own saved numbers
    std::array<std::size_t, count> output{};       // offset of layer i's output among the saved numbers
    std::array<bool, count> caller{};              // layer i writes to the caller's y
    // Gradients between layers go to and fro between two buffers: in which layer i leaves that of its input, and their sizes.
    std::array<bool, count> second{};
    std::array<std::size_t, 2> gradient{};
    std::size_t inner_scratch = 0;
  };

  // A layer may overwrite its input if nobody reads that again.
  static constexpr std::array<bool, count> overwrites = [] {
    constexpr std::array<bool, count> may{in_place<Layers>...};
    constexpr std::array<bool, count> read{reads_output<Layers>...};
    std::array<bool, count> result{};
    for (std::size_t i = 1; i < count; ++i) result[i] = may[i] && !read[i - 1];
    return result;
  }();

  static constexpr Plan plan(Shape in) {
    Plan p;
    p.shape[0] = in;
    std::size_t i = 0;
    ((p.shape[i + 1] = Layers::output(p.shape[i]),
      p.weights[i + 1] = p.weights[i] + nn::parameter_count<Layers>(p.shape[i]),
      p.saved[i + 1] = p.saved[i] + nn::saved<Layers>(p.shape[i]),
      p.inner_scratch = std::max(p.inner_scratch, nn::scratch<Layers>(p.shape[i])), ++i),
     ...);
    for (std::size_t layer = count; layer-- > 0;)
      p.caller[layer] = layer == last || (overwrites[layer + 1] && p.caller[layer + 1]);
    constexpr std::array<bool, count> may{in_place<Layers>...};
    for (std::size_t layer = count; layer-- > 1;) {
      // A layer that may work in place does so on the gradient too, unless that is the caller's.
      p.second[layer] = layer != last && p.second[layer + 1] != !may[layer];
      std::size_t& size = p.gradient[p.second[layer] ? 1 : 0];
      size = std::max(size, p.shape[layer].size());
    }
    for (std::size_t layer = 0; layer < count; ++layer) {
      if (p.caller[layer]) continue;
      if (layer > 0 && overwrites[layer]) {
        p.output[layer] = p.output[layer - 1];
      } else {
        p.output[layer] = p.saved[count];
        p.saved[count] += p.shape[layer + 1].size();
      }
    }
    return p;
  }

 public:
  static constexpr bool reads_output = count > 0 && nn::reads_output<std::tuple_element_t<last, std::tuple<Layers...>>>;

  static constexpr Shape output(Shape in) {
    ((in = Layers::output(in)), ...);
    return in;
  }
  static constexpr std::size_t parameter_count(Shape in) { return plan(in).weights[count]; }
  static constexpr std::size_t saved(Shape in) { return plan(in).saved[count]; }
  static constexpr std::size_t scratch(Shape in) {
    const Plan p = plan(in);
    return p.gradient[0] + p.gradient[1] + p.inner_scratch;
  }
  static constexpr double multiply_adds(Shape in) {
    double total = 0;
    ((total += nn::multiply_adds<Layers>(in), in = Layers::output(in)), ...);
    return total;
  }

  template <Shape In>
  static consteval bool check() {
    static_assert(count > 0, "mtlx: a Sequential needs at least one layer");
    // More would not get random streams of their own: see backend::Draws.
    static_assert(count <= 66, "mtlx: a Sequential has at most 66 layers; nest one in another for more");
    if constexpr (count > 0 && count <= 66)
      return check_from<In, Layers...>();
    else
      return false;
  }

  /// function(Path, Parameter, offset) for every parameter of every layer.
  template <class Function>
  [[gnu::cold]] static void for_each_parameter(Shape in, const Path& at, Function&& function) {
    std::size_t i = 0, before = 0;
    const auto place = [&](const Path& path, const Parameter& parameter, std::size_t offset) {
      function(path, parameter, before + offset);
    };
    ((nn::for_each_parameter<Layers>(in, Path{&at, {}, i}, place), before += nn::parameter_count<Layers>(in),
      in = Layers::output(in), ++i),
     ...);
  }

  /// function(layer name, input shape, output shape, parameters, multiply-adds) for every layer, outer ones first.
  template <class Function>
  static void for_each_layer(Shape in, Function&& function) {
    ((nn::for_each_layer<Layers>(in, function), in = Layers::output(in)), ...);
  }

  template <Shape In, class S>
  static void forward(const Forward<S>& pass) {
    forward_layers<In>(pass, std::make_index_sequence<count>{});
  }

  template <Shape In, bool NeedInput, class S>
  static void backward(const Backward<S>& pass) {
    backward_layers<In, NeedInput>(pass, std::make_index_sequence<count>{});
  }

 private:
  template <Shape In, class First, class... Rest>
  static consteval bool check_from() {
    if constexpr (!nn::check<First, In>())
      return false;
    else if constexpr (sizeof...(Rest) == 0)
      return true;
    else
      return check_from<First::output(In), Rest...>();
  }

  template <Shape In, class S, std::size_t... i>
  static void forward_layers(const Forward<S>& pass, std::index_sequence<i...>) {
    static constexpr Plan p = plan(In);
    const auto out = [&](std::size_t layer) { return p.caller[layer] ? pass.y : pass.saved.at(p.output[layer]); };
    (nn::forward<LayerAt<i>, p.shape[i]>(
         Forward<S>{pass.parameters + p.weights[i], i == 0 ? pass.x : typename S::ConstView(out(i == 0 ? 0 : i - 1)),
                    out(i), pass.saved.at(p.saved[i]), pass.draws.child(i), pass.training}),
     ...);
  }

  template <Shape In, bool NeedInput, class S, std::size_t... i>
  static void backward_layers(const Backward<S>& pass, std::index_sequence<i...>) {
    static constexpr Plan p = plan(In);
    const auto out = [&](std::size_t layer) {
      return p.caller[layer] ? pass.y : typename S::ConstView(pass.saved.at(p.output[layer]));
    };
    typename S::ConstView dy = pass.dy;
    const auto step = [&]<std::size_t layer>(std::integral_constant<std::size_t, layer>) {
      using L = LayerAt<layer>;
      constexpr bool need = NeedInput || p.weights[layer] > 0;
      if constexpr (need || p.weights[layer + 1] > p.weights[layer]) {
        const typename S::View dx = layer == 0 ? pass.dx : pass.scratch.at(p.second[layer] ? p.gradient[0] : 0);
        nn::backward<L, p.shape[layer], need>(
            Backward<S>{pass.parameters + p.weights[layer], layer == 0 ? pass.x : out(layer == 0 ? 0 : layer - 1),
                        out(layer), pass.saved.at(p.saved[layer]), dy, dx, pass.dparameters + p.weights[layer],
                        pass.scratch.at(p.gradient[0] + p.gradient[1]), pass.draws.child(layer), pass.training});
        dy = dx;
      }
    };
    (step(std::integral_constant<std::size_t, last - i>{}), ...);
  }
};

/// x plus a chain of layers that keeps the shape. x : (in, batch) -> y : (in, batch).
template <class... Layers>
struct Residual {
  using Chain = Sequential<Layers...>;
  static constexpr std::string_view name = "Residual";

  static constexpr Shape output(Shape in) { return in; }
  static constexpr std::size_t parameter_count(Shape in) { return Chain::parameter_count(in); }
  /// The chain's own, and its output, since y is not that.
  static constexpr std::size_t saved(Shape in) { return Chain::saved(in) + in.size(); }
  static constexpr std::size_t scratch(Shape in) { return Chain::scratch(in); }
  static constexpr double multiply_adds(Shape in) { return Chain::multiply_adds(in); }

  template <Shape In>
  static consteval bool check() {
    if constexpr (!Chain::template check<In>()) {
      return false;
    } else {
      constexpr bool meets = Chain::output(In) == In;
      static_assert(meets, "mtlx: the layers of a Residual must end in the shape that they begin with");
      return meets;
    }
  }

  template <class Function>
  static void for_each_parameter(Shape in, const Path& at, Function&& function) {
    Chain::for_each_parameter(in, at, function);
  }
  template <class Function>
  static void for_each_layer(Shape in, Function&& function) {
    function(name, in, in, std::size_t{0}, 0.0);
    Chain::for_each_layer(in, function);
  }

  template <Shape In, class S>
  static void forward(const Forward<S>& pass) {
    const typename S::View inner = pass.saved.at(Chain::saved(In));
    Chain::template forward<In>(Forward<S>{pass.parameters, pass.x, inner, pass.saved, pass.draws, pass.training});
    S::copy(pass.x, pass.y, In.size());
    S::add(inner, pass.y, In.size());
  }

  template <Shape In, bool NeedInput, class S>
  static void backward(const Backward<S>& pass) {
    Chain::template backward<In, NeedInput>(Backward<S>{pass.parameters, pass.x, pass.saved.at(Chain::saved(In)),
                                                        pass.saved, pass.dy, pass.dx, pass.dparameters, pass.scratch,
                                                        pass.draws, pass.training});
    if constexpr (NeedInput) S::add(pass.dy, pass.dx, In.size());
  }
};

}  // namespace mtlx::nn
