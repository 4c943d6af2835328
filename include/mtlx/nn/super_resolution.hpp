// SPDX-License-Identifier: MIT
// Networks that make pictures `scale` times as large, as chains of layers, and the task that trains them:
//
// Espcn      three convolutions at the small size, then PixelShuffle: Shi et al., "Real-Time Single Image and Video
//            Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016.
// Fsrcnn     to d channels, shrink to s, m convolutions, expand to d, transposed convolution: Dong et al., "Accelerating the
//            Super-Resolution Convolutional Neural Network", ECCV 2016. PRelu after each convolution.
// Edsr       residual blocks without batch norm under one long skip: Lim et al., "Enhanced Deep Residual Networks for Single
//            Image Super-Resolution", CVPR Workshops 2017 (the baseline; residuals are not scaled).
// MsrResNet  the same blocks, and the picture itself, made larger by straight lines, added at the end: Wang et al., "ESRGAN",
//            ECCV Workshops 2018, as BasicSR has it. The TGSR of "Real-World Image Super-Resolution as Multi-Task Learning",
//            NeurIPS 2023, trains it too.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include <mtlx/core/name.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/conv_transpose2d.hpp>
#include <mtlx/nn/image_quality.hpp>
#include <mtlx/nn/pixel_shuffle.hpp>
#include <mtlx/nn/regression_loss.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/nn/upsample.hpp>

namespace mtlx {

namespace nn {

/// A chain of layers and, around all of it, a layer without parameters, added up: y = Skip(x) + f_n(... f_1(x)). With
/// `Upsample` or `UpsampleBilinear` the chain has only the difference to learn. x : (in, batch) -> y : (out, batch).
template <class Skip, class... Layers>
struct LongSkip {
  using Chain = Sequential<Layers...>;
  static constexpr std::string_view name = "LongSkip";

  static constexpr Shape output(Shape in) { return Chain::output(in); }
  static constexpr std::size_t parameter_count(Shape in) { return Chain::parameter_count(in); }
  /// The chain's own, its output, since y is not that, and the skip's.
  static constexpr std::size_t saved(Shape in) { return Chain::saved(in) + output(in).size() + nn::saved<Skip>(in); }
  /// The skip's dx, and what either wants.
  static constexpr std::size_t scratch(Shape in) {
    return in.size() + std::max(Chain::scratch(in), nn::scratch<Skip>(in));
  }
  static constexpr double multiply_adds(Shape in) { return Chain::multiply_adds(in) + nn::multiply_adds<Skip>(in); }

  template <Shape In>
  static consteval bool check() {
    if constexpr (nn::check<Skip, In>()) {
      if constexpr (Chain::template check<In>()) {
        // Backward finds the sum where the skip's own output would be.
        constexpr bool bare = nn::parameter_count<Skip>(In) == 0 && !nn::reads_output<Skip>;
        static_assert(bare,
                      "mtlx: the skip of a LongSkip must be a layer without parameters that never reads its output");
        constexpr bool meets = Chain::output(In) == Skip::output(In);
        static_assert(!bare || meets, "mtlx: the layers of a LongSkip must end in the shape that its skip ends in");
        return bare && meets;
      }
    }
    return false;
  }

  template <class Function>
  static void for_each_parameter(Shape in, const Path& at, Function&& function) {
    Chain::for_each_parameter(in, at, function);
  }
  template <class Function>
  static void for_each_layer(Shape in, Function&& function) {
    function(name, in, output(in), std::size_t{0}, nn::multiply_adds<Skip>(in));
    Chain::for_each_layer(in, function);
  }

  template <Shape In, class S>
  static void forward(const Forward<S>& pass) {
    const typename S::View inner = pass.saved.at(Chain::saved(In));
    Chain::template forward<In>(Forward<S>{pass.parameters, pass.x, inner, pass.saved, pass.draws, pass.training});
    nn::forward<Skip, In>(Forward<S>{pass.parameters, pass.x, pass.y, skips<In>(pass), pass.draws, pass.training});
    S::add(inner, pass.y, output(In).size());
  }

  template <Shape In, bool NeedInput, class S>
  static void backward(const Backward<S>& pass) {
    const typename S::View rest = pass.scratch.at(In.size());
    Chain::template backward<In, NeedInput>(Backward<S>{pass.parameters, pass.x, pass.saved.at(Chain::saved(In)),
                                                        pass.saved, pass.dy, pass.dx, pass.dparameters, rest,
                                                        pass.draws, pass.training});
    if constexpr (NeedInput) {
      nn::backward<Skip, In, true>(Backward<S>{pass.parameters, pass.x, pass.y, skips<In>(pass), pass.dy, pass.scratch,
                                               pass.dparameters, rest, pass.draws, pass.training});
      S::add(pass.scratch, pass.dx, In.size());
    }
  }

 private:
  template <Shape In>
  static auto skips(const auto& pass) {
    return pass.saved.at(Chain::saved(In) + output(In).size());
  }
};

namespace detail {

template <class Layer, class Places>
struct Copies;
template <class Layer, std::size_t... i>
struct Copies<Layer, std::index_sequence<i...>> {
  template <std::size_t>
  using Each = Layer;
  using type = Sequential<Each<i>...>;
};

}  // namespace detail

/// The same layer `count` times, each with parameters of its own; at most 66 times.
template <class Layer, int count>
using Repeated =
    typename detail::Copies<Layer, std::make_index_sequence<static_cast<std::size_t>(count < 0 ? 0 : count)>>::type;

namespace detail {

/// A tenth of he_normal, so that residual blocks begin near the identity: as BasicSR has it.
inline double tenth_of_he_normal(Random& random, double fan_in, double fan_out) {
  return 0.1 * he_normal(random, fan_in, fan_out);
}

template <int width, Initialiser weight = he_normal>
using Same3x3 = Conv2d<width, 3, 1, 1, weight>;

template <int width>
using PlainBlock = Residual<Same3x3<width, tenth_of_he_normal>, Relu, Same3x3<width, tenth_of_he_normal>>;

template <int width, class... Between>
using EnlargeTwice = Sequential<Same3x3<4 * width>, PixelShuffle<2>, Between...>;

// Twice as large as often as the scale asks for, with `Between` after each.
template <int scale, int width, class... Between>
struct Enlarge
    : std::conditional_t<scale == 4, Sequential<EnlargeTwice<width, Between...>, EnlargeTwice<width, Between...>>,
                         EnlargeTwice<width, Between...>> {
  template <Shape In>
  static consteval bool check() {
    static_assert(scale == 2 || scale == 4, "mtlx: Edsr and MsrResNet make pictures 2 or 4 times as large");
    return scale == 2 || scale == 4;
  }
};

}  // namespace detail

/// ESPCN, by its `width` and half of it. x : (channels, height, width, batch) -> y : (channels, height scale, width scale,
/// batch); so the others.
template <int scale, int channels = 3, int width = 64>
using Espcn = Sequential<Conv2d<width, 5, 1, 2, glorot_uniform>, Tanh, detail::Same3x3<width / 2, glorot_uniform>, Tanh,
                         detail::Same3x3<channels * scale * scale, glorot_uniform>, PixelShuffle<scale>>;

/// FSRCNN(d, s, m).
template <int scale, int channels = 3, int d = 56, int s = 12, int m = 4>
using Fsrcnn =
    Sequential<Conv2d<d, 5, 1, 2>, PRelu, Conv2d<s, 1>, PRelu, Repeated<Sequential<detail::Same3x3<s>, PRelu>, m>,
               Conv2d<d, 1>, PRelu, ConvTranspose2d<channels, 9, scale, 4, scale - 1, normal<0.001>>>;

/// EDSR, the baseline: scale 2 or 4.
template <int scale, int channels = 3, int width = 64, int blocks = 16>
using Edsr =
    Sequential<detail::Same3x3<width>, Residual<Repeated<detail::PlainBlock<width>, blocks>, detail::Same3x3<width>>,
               detail::Enlarge<scale, width>, detail::Same3x3<channels>>;

/// MSRResNet: scale 2 or 4.
template <int scale, int channels = 3, int width = 64, int blocks = 16>
using MsrResNet = LongSkip<UpsampleBilinear<scale>, detail::Same3x3<width, detail::tenth_of_he_normal>, LeakyRelu<10>,
                           Repeated<detail::PlainBlock<width>, blocks>, detail::Enlarge<scale, width, LeakyRelu<10>>,
                           detail::Same3x3<width, detail::tenth_of_he_normal>, LeakyRelu<10>,
                           detail::Same3x3<channels, detail::tenth_of_he_normal>>;

}  // namespace nn

/// A picture of that shape for each sample. Targets: numbers from 0 to 1. Loss: mean absolute error; metric: PSNR of luma; or
/// others, such as `ImageToImage<"x4", shape, nn::Charbonnier<>, nn::Metrics<nn::Psnr<shape>, nn::Ssim<shape>>>`. Predictions
/// are the network's numbers, not clipped. Its head must end in as many numbers: see Head in sharing/sharing.hpp.
template <Name TaskName, Shape shape, class L = nn::MeanAbsoluteError, class M = nn::Psnr<shape>>
struct ImageToImage {
  static constexpr auto name = TaskName;
  static constexpr int outputs = static_cast<int>(shape.size());
  static constexpr auto meaning = nn::Meaning::numbers;
  using Loss = L;
  using Metric = M;
  static constexpr std::string_view targets_are = "numbers from 0 to 1";
  static constexpr bool accepts(float target) { return target >= 0 && target <= 1; }
  using Prediction = Answers<outputs>;
};

}  // namespace mtlx
