// SPDX-License-Identifier: MIT
// The concept of a layer: a stateless type, a pair of pure functions over a slice of samples and a slice of the flat
// parameter vector.
//
// Shapes. x : (in, batch), y : (out, batch); every gradient has its value's shape.
//
// Minimal definition, with `Shape in` known at compile time:
//   static constexpr Shape output(Shape in);            what comes out
//   either, for layers of one sample, over any number type (ForwardSample and BackwardSample below):
//     template <Shape In> static void forward_sample(const auto& s);     sets s.y from s.x and s.p
//     template <Shape In> static void backward_sample(const auto& s);    sets s.dx and adds to s.dp from s.dy
//   or, for layers made of the backend's primitives:
//     template <Shape In, class Pass> static void forward(const Pass&);
//     template <Shape In, bool NeedInput, class Pass> static void backward(const Pass&);
//
// Optional:
//   static constexpr auto parameters(Shape in);         std::array of Parameter; none if absent
//   static constexpr std::size_t saved(Shape in);       numbers a sample that forward leaves for backward
//   static constexpr std::size_t scratch(Shape in);     numbers a sample that backward may scribble on
//   static constexpr std::string_view name;             for summary
//   template <Shape In> static consteval bool check();  refuses an input shape, with one static_assert
//   static constexpr bool in_place = true;              may run with y = x and dx = dy; backward must not read x
//   static constexpr bool reads_output = true;          backward reads s.y
//   static constexpr double multiply_adds(Shape in);    a sample, forward; for summary
//
// The adjoint, by an inner product: with phi(p, x) = <dy, forward(p, x)>, backward assigns dx = grad_x phi and ADDS
// grad_p phi to dp.
//
// Laws, checked by testing/layer_laws.hpp: backward agrees with finite differences; y and dx are assigned whatever they
// held, dp is added to; a sample's result doesn't depend on the batch around it; every backend agrees with Reference.
//
// The smallest type that models it:
//   struct Twice {
//     static constexpr Shape output(Shape in) { return in; }
//     template <Shape In> static void forward_sample(const auto& s) {
//       for (std::size_t i = 0; i < In.size(); ++i) s.y[i] = s.x[i] + s.x[i];
//     }
//     template <Shape In> static void backward_sample(const auto& s) {
//       for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i] + s.dy[i];
//     }
//   };
#pragma once

#include <mtlx/backend/sample.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/nn/initialiser.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace mtlx::nn {

/// What a parameter is to its layer: decay, pruning and extraction ask for it.
enum class Role { weight, bias, norm, embedding };

/// One block of a layer's parameters.
struct Parameter {
  std::string_view name;
  std::array<int, 4> shape{};  ///< extents, 0 after the last
  Role role = Role::weight;
  double fan_in = 1;
  double fan_out = 1;
  Initialiser initialiser = zeros;
  bool turned = false;  ///< kept as (inputs, outputs), where files of weights have (outputs, inputs)
  int neurons_at = 0;   ///< which extent counts the neurons that weights lead to

  constexpr std::size_t rank() const {
    std::size_t extents = 0;
    while (extents < shape.size() && shape[extents] != 0) ++extents;
    return extents;
  }
  constexpr std::size_t size() const {
    std::size_t numbers = 1;
    for (std::size_t i = 0; i < rank(); ++i) numbers *= static_cast<std::size_t>(shape[i]);
    return numbers;
  }
};

/// Where a parameter is in a network: a name or a place for each level, the innermost last. A list of what lies on the
/// stack, valid during a call of for_each_parameter.
struct Path {
  const Path* parent = nullptr;
  std::string_view name{};  ///< empty: the place counts
  std::size_t place = 0;    ///< in a Sequential

  /// The levels with points between them, as in PyTorch's state_dict: "trunk.3.1.bias".
  [[gnu::cold, gnu::noinline]] std::string text() const {
    const std::string own = name.empty() ? join(place) : std::string(name);
    return parent == nullptr ? own : join(parent->text(), ".", own);
  }
};

/// What a forward pass is given: parameters, x, and where to put y and what backward will want.
template <class S>
struct Forward {
  using Slice = S;
  const typename S::Scalar* parameters;
  typename S::ConstView x;
  typename S::View y;
  typename S::View saved;
  backend::Draws draws;
  bool training;
};

/// What a backward pass is given. `dx` is not to be touched where nobody needs it.
template <class S>
struct Backward {
  using Slice = S;
  const typename S::Scalar* parameters;
  typename S::ConstView x;
  typename S::ConstView y;
  typename S::ConstView saved;
  typename S::ConstView dy;
  typename S::View dx;
  typename S::Scalar* dparameters;
  typename S::View scratch;
  backend::Draws draws;
  bool training;
};

/// One lane of a forward pass, for layers written for one sample.
template <class S>
struct ForwardSample {
  using Number = typename S::Number;
  backend::ConstLaneView<S> x;
  backend::LaneView<S> y;
  backend::LaneView<S> saved;
  backend::ParameterView<S> p;
  bool training;
  typename S::Lane lane;
  backend::Draws draws;

  /// Four numbers in [0, 1) for the units 4 * block to 4 * block + 3; the same in every pass of one step.
  std::array<Number, 4> uniform(std::uint32_t block) const { return lane.uniform(draws, block); }
};

/// One lane of a backward pass. `dp[i] += g` sums g over the lane's samples.
template <class S, class Input>
struct BackwardSample {
  using Number = typename S::Number;
  backend::ConstLaneView<S> x;
  backend::ConstLaneView<S> y;
  backend::ConstLaneView<S> saved;
  backend::ConstLaneView<S> dy;
  Input dx;
  backend::ParameterView<S> p;
  backend::GradientView<S> dp;
  bool training;
};

/// A layer; see the head of this file.
template <class L>
concept Layer = requires {
  { L::output(Shape{1, 1, 1}) } -> std::convertible_to<Shape>;
};

// The optional members with their defaults.

template <Layer L>
constexpr auto parameters(Shape in) {
  if constexpr (requires { L::parameters(in); })
    return L::parameters(in);
  else
    return std::array<Parameter, 0>{};
}

/// Numbers in a layer's slice of the flat vector.
template <Layer L>
constexpr std::size_t parameter_count(Shape in) {
  if constexpr (requires { L::parameter_count(in); }) {
    return L::parameter_count(in);
  } else {
    std::size_t count = 0;
    for (const Parameter& parameter : parameters<L>(in)) count += parameter.size();
    return count;
  }
}

template <Layer L>
constexpr std::size_t saved(Shape in) {
  if constexpr (requires { L::saved(in); })
    return L::saved(in);
  else
    return 0;
}

template <Layer L>
constexpr std::size_t scratch(Shape in) {
  if constexpr (requires { L::scratch(in); })
    return L::scratch(in);
  else
    return 0;
}

template <Layer L>
constexpr double multiply_adds(Shape in) {
  if constexpr (requires { L::multiply_adds(in); })
    return L::multiply_adds(in);
  else
    return 0;
}

template <Layer L>
inline constexpr bool in_place = requires { requires L::in_place; };

template <Layer L>
inline constexpr bool reads_output = requires { requires L::reads_output; };

template <Layer L>
constexpr std::string_view name() {
  if constexpr (requires { L::name; })
    return L::name;
  else
    return "Layer";
}

/// Whether L takes inputs of shape `In`; if not, one sentence has said why.
template <class L, Shape In>
consteval bool check() {
  static_assert(Layer<L>, "mtlx: a layer needs `static constexpr Shape output(Shape in)`: see nn/layer.hpp");
  if constexpr (!Layer<L>)
    return false;
  else if constexpr (requires { L::template check<In>(); })
    return L::template check<In>();
  else
    return true;
}

/// Calls function(Path, Parameter, offset in the layer's slice) for every parameter of a layer and its parts. `at` is
/// where the layer itself is.
template <Layer L, class Function>
[[gnu::cold]] void for_each_parameter(Shape in, const Path& at, Function&& function) {
  if constexpr (requires { L::for_each_parameter(in, at, function); }) {
    L::for_each_parameter(in, at, function);
  } else {
    std::size_t offset = 0;
    for (const Parameter& parameter : parameters<L>(in)) {
      function(Path{&at, parameter.name}, parameter, offset);
      offset += parameter.size();
    }
  }
}

/// Calls function(layer name, input shape, output shape, parameters, multiply-adds) for a layer or its parts.
template <Layer L, class Function>
void for_each_layer(Shape in, Function&& function) {
  if constexpr (requires { L::for_each_layer(in, function); })
    L::for_each_layer(in, function);
  else
    function(name<L>(), in, L::output(in), parameter_count<L>(in), multiply_adds<L>(in));
}

/// y from x.
template <Layer L, Shape In, class S>
void forward(const Forward<S>& pass) {
  if constexpr (requires { L::template forward<In>(pass); }) {
    L::template forward<In>(pass);
  } else {
    S::for_each_lane([&](const typename S::Lane& lane) {
      L::template forward_sample<In>(ForwardSample<S>{
          lane.at(pass.x), lane.at(pass.y), lane.at(pass.saved), {pass.parameters}, pass.training, lane, pass.draws});
    });
  }
}

/// dx (where needed) and what is added to the parameters' gradients, from dy.
template <Layer L, Shape In, bool NeedInput, class S>
void backward(const Backward<S>& pass) {
  if constexpr (requires { L::template backward<In, NeedInput>(pass); }) {
    L::template backward<In, NeedInput>(pass);
  } else if constexpr (NeedInput || parameter_count<L>(In) > 0) {
    S::for_each_lane([&](const typename S::Lane& lane) {
      const auto sample = [&](auto dx) {
        return BackwardSample<S, decltype(dx)>{
            lane.at(pass.x),   lane.at(pass.y),    lane.at(pass.saved), lane.at(pass.dy), dx,
            {pass.parameters}, {pass.dparameters}, pass.training};
      };
      if constexpr (NeedInput)
        L::template backward_sample<In>(sample(lane.at(pass.dx)));
      else
        L::template backward_sample<In>(sample(backend::Nowhere<S>{}));
    });
  }
}

}  // namespace mtlx::nn
