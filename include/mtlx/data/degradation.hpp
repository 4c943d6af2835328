// SPDX-License-Identifier: MIT
// How good pictures become bad ones: the second-order degradation of Real-ESRGAN, with its ranges. Twice over, a picture is
// blurred, resized, made noisy and packed as JPEG; then comes the last resizing, and mostly a last sinc filter, before or after
// the second JPEG. A task of super-resolution is one fixed draw of all these numbers: noise alone is drawn for each picture.
//
// Kernels at (x, y), with q = (x, y) S^-1 (x, y)' and S = R diag(sigma_x^2, sigma_y^2) R', R the turn by `rotation`; each is then
// divided by its sum:
//   Gaussian exp(-q / 2);  generalised exp(-q^beta / 2);  plateau 1 / (1 + q^beta)
//   sinc     w J1(w r) / (2 pi r), w^2 / (4 pi) at the centre: the ideal low pass of cutoff w, which rings at edges
// Noise on values in [0, 1]: Gaussian N(0, (strength / 255)^2); Poisson strength (P(v x) / v - x) with x the picture at 8 bits
// and v its number of different values, up to a power of 2. Either is drawn for each channel, or once for all (`grey`).
// Reference: Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW
// 2021, section 3, and the options and code of its authors. Differences: JPEG is a real encoder and decoder with whole qualities
// (theirs is differentiable), resizing goes by the sizes, and the picture is not sharpened first.
// Tasks: Zhang et al., "Real-World Image Super-Resolution as Multi-Task Learning" (TGSR), NeurIPS 2023, section 3.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/augmentation.hpp>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/detail/text_index.hpp>
#include <mtlx/data/image.hpp>
#include <mtlx/data/image_file.hpp>
#include <mtlx/data/resize.hpp>
#include <mtlx/data/table.hpp>

namespace mtlx::data {

/// The kinds of blur, see the head of this file; `none` leaves the picture as it is.
enum class Blur {
  none,
  isotropic,
  anisotropic,
  generalised_isotropic,
  generalised_anisotropic,
  plateau_isotropic,
  plateau_anisotropic,
  sinc
};

/// A blur. What a kind does not need is not looked at.
struct BlurParameters {
  Blur kind = Blur::none;
  int size = 21;         ///< side of the kernel, odd, 1 to 51
  double sigma_x = 1;    ///< pixels, 0.01 to 100; of all kinds but sinc
  double sigma_y = 1;    ///< the same across; of the anisotropic kinds
  double rotation = 0;   ///< radians, -2 pi to 2 pi; of the anisotropic kinds
  double beta = 1;       ///< 0.1 to 10; of generalised and plateau
  double cutoff = 1.57;  ///< radians a pixel, 0.01 to pi; of sinc

  friend bool operator==(const BlurParameters&, const BlurParameters&) = default;
};

/// The kinds of noise.
enum class Noise { none, gaussian, poisson };

/// Noise, see the head of this file.
struct NoiseParameters {
  Noise kind = Noise::none;
  double strength = 0;  ///< Gaussian: the deviation in steps of 8 bits, 0 to 255; Poisson: its scale, 0 to 255
  bool grey = false;    ///< the same for all channels

  friend bool operator==(const NoiseParameters&, const NoiseParameters&) = default;
};

/// One of the two rounds of a degradation, in the order of its members.
struct DegradationStage {
  BlurParameters blur = {};
  double resize = 1;  ///< 0.05 to 4; the first round's as a part of the picture, the second's as a part of the target
  Interpolation interpolation = Interpolation::bicubic;
  NoiseParameters noise = {};
  int jpeg = 0;  ///< quality, 1 to 100; 0 for none

  friend bool operator==(const DegradationStage&, const DegradationStage&) = default;
};

/// A whole degradation: all of it but the noise's draws, which come with the picture.
struct DegradationParameters {
  DegradationStage first = {};
  DegradationStage second = {};  ///< its JPEG comes before or after what is below
  Interpolation last_interpolation = Interpolation::bicubic;
  BlurParameters last_blur = {};
  bool jpeg_last = true;  ///< whether the second JPEG comes after the last resizing and blur

  friend bool operator==(const DegradationParameters&, const DegradationParameters&) = default;
};

/// A degradation with a name: a task of super-resolution.
struct DegradationTask {
  std::string name;
  DegradationParameters parameters = {};

  friend bool operator==(const DegradationTask&, const DegradationTask&) = default;
};

namespace detail {

inline constexpr std::string_view blur_names[] = {"none",
                                                  "isotropic",
                                                  "anisotropic",
                                                  "generalised_isotropic",
                                                  "generalised_anisotropic",
                                                  "plateau_isotropic",
                                                  "plateau_anisotropic",
                                                  "sinc"};
inline constexpr std::string_view noise_names[] = {"none", "gaussian", "poisson"};
inline constexpr std::string_view interpolation_names[] = {"nearest", "area", "bilinear", "bicubic"};
constexpr std::span<const std::string_view> names_of(Blur) { return blur_names; }
constexpr std::span<const std::string_view> names_of(Noise) { return noise_names; }
constexpr std::span<const std::string_view> names_of(Interpolation) { return interpolation_names; }
template <class Kind>
constexpr std::string_view name_of(Kind kind) {
  return names_of(kind)[static_cast<std::size_t>(kind)];
}

constexpr bool is_anisotropic(Blur kind) {
  return kind == Blur::anisotropic || kind == Blur::generalised_anisotropic || kind == Blur::plateau_anisotropic;
}
constexpr bool is_plateau(Blur kind) { return kind == Blur::plateau_isotropic || kind == Blur::plateau_anisotropic; }
constexpr bool has_beta(Blur kind) {
  return is_plateau(kind) || kind == Blur::generalised_isotropic || kind == Blur::generalised_anisotropic;
}

[[gnu::cold, gnu::noinline]] inline void check_blur(const BlurParameters& blur) {
  if (blur.kind == Blur::none) return;
  if (blur.size < 1 || blur.size > 51 || blur.size % 2 == 0)
    fail("blur: size is ", blur.size, ", expected an odd number from 1 to 51");
  if (blur.kind == Blur::sinc) {
    check_option("blur: cutoff", blur.cutoff, {.least = 0.01, .most = std::numbers::pi});
    return;
  }
  check_option("blur: sigma_x", blur.sigma_x, {.least = 0.01, .most = 100});
  if (has_beta(blur.kind)) check_option("blur: beta", blur.beta, {.least = 0.1, .most = 10});
  if (!is_anisotropic(blur.kind)) return;
  check_option("blur: sigma_y", blur.sigma_y, {.least = 0.01, .most = 100});
  check_option("blur: rotation", blur.rotation, {.least = -2 * std::numbers::pi, .most = 2 * std::numbers::pi});
}

[[gnu::cold, gnu::noinline]] inline void check_stage(const DegradationStage& stage) {
  check_blur(stage.blur);
  check_option("degradation: resize", stage.resize, {.least = 0.05, .most = 4});
  check_option("degradation: the noise's strength", stage.noise.strength, {.most = 255});
  if (stage.jpeg < 0 || stage.jpeg > 100)
    fail("degradation: jpeg is ", stage.jpeg, ", expected a quality from 1 to 100, or 0 for none");
}

// The Bessel function J1 as its integral, 1 / (2 pi) of cos(t - x sin t) over a turn, by the trapezoidal rule: what that leaves
// is J of order `steps` - 1 and above, less than a double's last place for x to 130.
[[gnu::cold]] inline double bessel_j1(double x) {
  const int steps = 64 + static_cast<int>(x);
  double sum = 0;
  for (int i = 0; i < steps; ++i) {
    const double t = 2 * std::numbers::pi * i / steps;
    sum += std::cos(t - x * std::sin(t));
  }
  return sum / steps;
}

// The kernel at a pixel, before it is divided by the sum.
[[gnu::cold]] inline double kernel_at(const BlurParameters& blur, double x, double y) {
  if (blur.kind == Blur::sinc) {
    const double w = blur.cutoff, r = std::sqrt(x * x + y * y);
    return r == 0 ? w * w / (4 * std::numbers::pi) : w * bessel_j1(w * r) / (2 * std::numbers::pi * r);
  }
  const bool turned = is_anisotropic(blur.kind);
  const double c = turned ? std::cos(blur.rotation) : 1, s = turned ? std::sin(blur.rotation) : 0;
  const double along = (c * x + s * y) / blur.sigma_x;
  const double across = (c * y - s * x) / (turned ? blur.sigma_y : blur.sigma_x);
  const double q = along * along + across * across;
  const double power = has_beta(blur.kind) ? std::pow(q, blur.beta) : q;
  return is_plateau(blur.kind) ? 1 / (1 + power) : std::exp(-0.5 * power);
}

// The place of a pixel outside, mirrored at the border's pixel as often as it takes.
constexpr int reflected(int at, int size) {
  if (size == 1) return 0;
  const int period = 2 * (size - 1);
  at = (at % period + period) % period;
  return at < size ? at : period - at;
}

// A row of sums, `width` of them, over the rows from `from` on, which are `stride` apart and `side` - 1 longer.
[[gnu::noinline]] inline void filter_row(const float* from, std::size_t stride, const float* kernel, std::size_t side,
                                         float* to, std::size_t width) {
  constexpr std::size_t most = 64;  // so many sums stay in registers
  for (std::size_t first = 0; first < width; first += most) {
    const std::size_t count = std::min(most, width - first);
    float sums[most] = {};
    for (std::size_t k = 0; k < side * side; ++k) {
      const float* row = from + k / side * stride + k % side + first;
      const float weight = kernel[k];
      if (weight == 0) continue;
      if (count == most)
        for (std::size_t x = 0; x < most; ++x) sums[x] += weight * row[x];
      else
        for (std::size_t x = 0; x < count; ++x) sums[x] += weight * row[x];
    }
    std::copy_n(sums, count, to + first);
  }
}

}  // namespace detail

/// Throws `Error` unless every number is in its range.
[[gnu::cold, gnu::noinline]] inline void validate(const DegradationParameters& parameters) {
  detail::check_stage(parameters.first);
  detail::check_stage(parameters.second);
  detail::check_blur(parameters.last_blur);
}

/// The kernel of a blur, (size, size), row-major, of sum 1; one pixel for `Blur::none`. Throws `Error` if a number is out of
/// its range.
[[gnu::cold, gnu::noinline]] inline std::vector<float> blur_kernel(const BlurParameters& blur) {
  detail::check_blur(blur);
  if (blur.kind == Blur::none) return {1.0F};
  std::vector<double> kernel;
  const int radius = blur.size / 2;
  double sum = 0;
  for (int y = -radius; y <= radius; ++y)
    for (int x = -radius; x <= radius; ++x) {
      kernel.push_back(detail::kernel_at(blur, x, y));
      sum += kernel.back();
    }
  std::vector<float> result(kernel.size());
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    const double weight = kernel[i] / sum;
    // No picture shows less, and numbers at a float's lower end are slow.
    if (std::fabs(weight) > 1e-12) result[i] = static_cast<float>(weight);
  }
  return result;
}

/// Each pixel as the sum of its neighbours by a kernel, (side, side), row-major, side odd; pixels outside are those mirrored at
/// the border's (OpenCV's filter2D). Throws `Error` if the kernel is no odd square.
[[gnu::noinline]] inline Image filter2d(const Image& image, std::span<const float> kernel) {
  check_picture("filter2d", image);
  int side = 1;
  while (static_cast<std::size_t>(side) * static_cast<std::size_t>(side) < kernel.size()) side += 2;
  if (static_cast<std::size_t>(side) * static_cast<std::size_t>(side) != kernel.size())
    fail("filter2d: a kernel of ", kernel.size(), " numbers, expected the square of an odd number");
  const int radius = side / 2, height = image.shape.height, width = image.shape.width;
  const Shape padded{1, height + 2 * radius, width + 2 * radius};
  std::vector<float> plane(padded.size());
  Image result{image.shape, std::vector<float>(image.values.size())};
  for (int c = 0; c < image.shape.channels; ++c) {
    for (int y = 0; y < padded.height; ++y)
      for (int x = 0; x < padded.width; ++x)
        plane[padded.at(0, y, x)] =
            image.at(c, detail::reflected(y - radius, height), detail::reflected(x - radius, width));
    for (int y = 0; y < height; ++y)
      detail::filter_row(plane.data() + padded.at(0, y, 0), static_cast<std::size_t>(padded.width), kernel.data(),
                         static_cast<std::size_t>(side), result.values.data() + image.shape.at(c, y, 0),
                         static_cast<std::size_t>(width));
  }
  return result;
}

/// The picture blurred. Throws `Error` if a number is out of its range.
inline Image blurred(const Image& image, const BlurParameters& blur) {
  return blur.kind == Blur::none ? image : filter2d(image, blur_kernel(blur));
}

namespace detail {

// Draws Poisson numbers of few different means: by their distribution functions, one random word a number, so that all draws cost
// the same.
class PoissonDraws {
 public:
  // The means are `scale` times each level / 255.
  explicit PoissonDraws(double scale) : scale_(scale), below_(256) {}

  std::size_t operator()(std::uint8_t level, Random& random) {
    std::vector<double>& below = below_[level];
    if (below.empty()) prepare(scale_ * level / 255, below);
    const double u = (static_cast<double>(random.bits()) + 0.5) * 0x1.0p-32;
    return static_cast<std::size_t>(std::upper_bound(below.begin(), below.end(), u) - below.begin());
  }

 private:
  // P(number <= k) for all k that 32 bits can tell apart. Means are at most 256, so that e^-mean is a normal double.
  static void prepare(double mean, std::vector<double>& below) {
    double p = std::exp(-mean), sum = p;
    below.push_back(sum);
    const double most = mean + 10 * std::sqrt(mean) + 20;
    for (int k = 1; k < most; ++k) {
      p *= mean / k;
      sum += p;
      below.push_back(sum);
    }
  }

  double scale_;
  std::vector<std::vector<double>> below_;
};

// P(v x) / v - x in place of a picture, x at 8 bits.
inline void poisson_noise(Image& image, Random& random) {
  const ByteImage levels = to_bytes(clipped(image));
  std::array<bool, 256> there{};
  for (const std::uint8_t level : levels.values) there[level] = true;
  const auto different = static_cast<std::size_t>(std::count(there.begin(), there.end(), true));
  double v = 1;
  while (v < static_cast<double>(different)) v *= 2;
  PoissonDraws draw(v);
  for (std::size_t i = 0; i < levels.values.size(); ++i)
    image.values[i] =
        static_cast<float>(static_cast<double>(draw(levels.values[i], random)) / v - levels.values[i] / 255.0);
}

}  // namespace detail

/// The picture with noise, clipped to [0, 1]; 1 or 3 channels. Throws `Error` for others, and for a strength out of its range.
[[gnu::noinline]] inline Image with_noise(Image image, const NoiseParameters& noise, Random& random) {
  detail::check_channels("with_noise", image);
  check_option("degradation: the noise's strength", noise.strength, {.most = 255});
  if (noise.kind == Noise::none) return image;
  Image drawn = noise.grey ? in_grey(image) : image;
  if (noise.kind == Noise::gaussian) {
    std::fill(drawn.values.begin(), drawn.values.end(), 0.0F);
    GaussianNoise{.deviation = noise.strength / 255}(std::span(drawn.values), drawn.shape, random);
  } else {
    detail::poisson_noise(drawn, random);
    for (float& value : drawn.values) value *= static_cast<float>(noise.strength);
  }
  for (std::size_t i = 0; i < image.values.size(); ++i) image.values[i] += drawn.values[i % drawn.values.size()];
  return clipped(std::move(image));
}

/// The stream that the noise of an image comes from, in a task: all three numbers tell streams apart. `task` and `image` are
/// below 2^32.
inline Random degradation_noise(std::uint64_t seed, std::size_t task, std::size_t image) {
  return Random(seed, Purpose::augment, std::uint64_t{task} << 32 | std::uint64_t{image});
}

// Named by what they can do, as in image_file.hpp.
#if MTLX_DATA_STB
inline namespace with_stb {
#else
inline namespace without_stb {
#endif

/// What a JPEG of that quality, 1 to 100, leaves of a picture of 1 or 3 channels; clipped, and at 8 bits. Throws `Error` as
/// `encode_jpeg`.
inline Image through_jpeg(const Image& image, int quality) {
  return to_floats(
      parse_image(encode_jpeg(to_bytes(image), quality), "through_jpeg", {.channels = image.shape.channels}));
}

/// The low resolution of a picture: (channels, height, width), 1 or 3 channels, to (channels, height / scale, width / scale), in
/// [0, 1] at 8 bits (`to_bytes` loses nothing). Depends on what is given alone, for any number of threads. Throws `Error` for
/// other channels, sides that are no multiples of `scale` (2 or 4, say), numbers that are not finite, parameters out of range,
/// and, if there is a JPEG in it, without stb.
[[gnu::noinline]] inline Image degrade(const Image& image, const DegradationParameters& parameters, int scale,
                                       Random random) {
  detail::check_channels("degrade", image);
  detail::check_finite("degrade", image.values, 0, image.values.size());
  validate(parameters);
  const int height = image.shape.height, width = image.shape.width;
  if (scale < 1 || height % scale != 0 || width % scale != 0)
    fail("degrade: a picture of ", height, " x ", width, " by ", scale,
         ", expected sides that are multiples of it (crop_to_multiple)");
  const auto resized = [](const Image& from, double h, double w, Interpolation interpolation) {
    const auto side = [](double size) { return std::max(static_cast<int>(size), 1); };
    return resize(from, side(h), side(w), {.interpolation = interpolation});
  };
  const auto pack = [](Image from, int quality) { return quality == 0 ? from : through_jpeg(from, quality); };

  const DegradationStage &first = parameters.first, &second = parameters.second;
  Image now = blurred(image, first.blur);
  now = resized(now, height * first.resize, width * first.resize, first.interpolation);
  now = pack(with_noise(std::move(now), first.noise, random), first.jpeg);

  const int low_height = height / scale, low_width = width / scale;
  now = blurred(now, second.blur);
  now = resized(now, low_height * second.resize, low_width * second.resize, second.interpolation);
  now = with_noise(std::move(now), second.noise, random);
  if (!parameters.jpeg_last) now = pack(std::move(now), second.jpeg);
  now = resized(now, low_height, low_width, parameters.last_interpolation);
  now = blurred(now, parameters.last_blur);
  if (parameters.jpeg_last) now = pack(std::move(now), second.jpeg);
  return to_floats(to_bytes(now));
}

}  // inline namespace

/// What one round of a degradation is drawn from. The defaults are Real-ESRGAN's first round.
struct DegradationStageRanges {
  double blur_probability = 1;  ///< of any blur
  double sinc_probability = 0.1;
  /// Weights of isotropic, anisotropic, generalised isotropic and anisotropic, plateau isotropic and anisotropic.
  std::array<double, 6> kinds = {0.45, 0.25, 0.12, 0.03, 0.12, 0.03};
  std::array<double, 2> sigma = {0.2, 3};
  std::array<double, 2> generalised_beta = {0.5, 4};  ///< half of the draws below 1; 1 lies between
  std::array<double, 2> plateau_beta = {1, 2};        ///< the same; in Real-ESRGAN half of them are 1
  std::array<double, 3> resize = {0.2, 0.7, 0.1};     ///< weights of larger, smaller, same size
  std::array<double, 2> resize_range = {0.15, 1.5};   ///< the smallest and the largest; 1 lies between
  double gaussian_probability = 0.5;                  ///< if not, the noise is Poisson's
  std::array<double, 2> gaussian = {1, 30};
  std::array<double, 2> poisson = {0.05, 3};
  double grey_probability = 0.4;
  std::array<int, 2> jpeg = {30, 95};
};

/// What degradations are drawn from. The defaults are Real-ESRGAN's.
struct DegradationRanges {
  DegradationStageRanges first = {};
  DegradationStageRanges second = {.blur_probability = 0.8,
                                   .sigma = {0.2, 1.5},
                                   .resize = {0.3, 0.4, 0.3},
                                   .resize_range = {0.3, 1.2},
                                   .gaussian = {1, 25},
                                   .poisson = {0.05, 2.5}};
  double last_sinc_probability = 0.8;
  std::array<int, 2> sizes = {7, 21};  ///< of all kernels; odd ones between them, each equally likely
};

namespace detail {

inline double draw_between(double least, double most, Random& random) {
  return least + (most - least) * random.uniform();
}

// The place of a weight, each as likely as it is large.
inline std::size_t draw_place(std::span<const double> weights, Random& random) {
  double left = 0;
  for (const double weight : weights) left += weight;
  left *= random.uniform();
  std::size_t place = 0;
  while (place + 1 < weights.size() && left >= weights[place]) left -= weights[place++];
  return place;
}

inline int draw_whole(const std::array<int, 2>& range, int step, Random& random) {
  return range[0] + step * static_cast<int>(random.below(static_cast<std::uint32_t>((range[1] - range[0]) / step + 1)));
}

inline Interpolation draw_interpolation(Random& random) {
  return static_cast<Interpolation>(1 + random.below(3));  // all but nearest
}

// Half of the draws below 1, half above.
inline double draw_beta(const std::array<double, 2>& range, Random& random) {
  const bool below = random.uniform() < 0.5;
  return below ? draw_between(range[0], 1, random) : draw_between(1, range[1], random);
}

inline BlurParameters draw_sinc(int size, double least, Random& random) {
  return {.kind = Blur::sinc, .size = size, .cutoff = draw_between(least, std::numbers::pi, random)};
}

inline BlurParameters draw_blur(const DegradationStageRanges& ranges, const std::array<int, 2>& sizes, Random& random) {
  const int size = draw_whole(sizes, 2, random);
  if (random.uniform() < ranges.sinc_probability)
    return draw_sinc(size, std::numbers::pi / (size < 13 ? 3 : 5), random);
  BlurParameters blur{.kind = static_cast<Blur>(1 + draw_place(ranges.kinds, random)), .size = size};
  blur.sigma_x = blur.sigma_y = draw_between(ranges.sigma[0], ranges.sigma[1], random);
  if (is_anisotropic(blur.kind)) {
    blur.sigma_y = draw_between(ranges.sigma[0], ranges.sigma[1], random);
    blur.rotation = draw_between(-std::numbers::pi, std::numbers::pi, random);
  }
  if (has_beta(blur.kind))
    blur.beta = draw_beta(is_plateau(blur.kind) ? ranges.plateau_beta : ranges.generalised_beta, random);
  return blur;
}

inline DegradationStage draw_stage(const DegradationStageRanges& ranges, const std::array<int, 2>& sizes,
                                   Random& random) {
  DegradationStage stage;
  if (random.uniform() < ranges.blur_probability) stage.blur = draw_blur(ranges, sizes, random);
  const std::size_t way = draw_place(ranges.resize, random);
  if (way == 0) stage.resize = draw_between(1, ranges.resize_range[1], random);
  if (way == 1) stage.resize = draw_between(ranges.resize_range[0], 1, random);
  stage.interpolation = draw_interpolation(random);
  const bool gaussian = random.uniform() < ranges.gaussian_probability;
  const std::array<double, 2>& strength = gaussian ? ranges.gaussian : ranges.poisson;
  stage.noise = {.kind = gaussian ? Noise::gaussian : Noise::poisson,
                 .strength = draw_between(strength[0], strength[1], random)};
  stage.noise.grey = random.uniform() < ranges.grey_probability;
  stage.jpeg = draw_whole(ranges.jpeg, 1, random);
  return stage;
}

[[gnu::cold]] inline void check_ranges(const DegradationStageRanges& ranges) {
  for (const double probability :
       {ranges.blur_probability, ranges.sinc_probability, ranges.gaussian_probability, ranges.grey_probability})
    check_option("degradation: a probability", probability, {.most = 1});
  const auto check_weights = [](std::span<const double> weights) {
    double sum = 0;
    for (const double weight : weights) check_option("degradation: a weight", weight), sum += weight;
    if (!(sum > 0)) fail("degradation: all weights are 0");
  };
  check_weights(ranges.kinds);
  check_weights(ranges.resize);
  const auto check_range = [](const char* what, const auto& range, double least, double most) {
    check_option(what, static_cast<double>(range[0]), {.least = least, .most = most});
    check_option(what, static_cast<double>(range[1]), {.least = static_cast<double>(range[0]), .most = most});
  };
  check_range("degradation: sigma", ranges.sigma, 0.01, 100);
  // Draws are below 1 or above it, so that 1 must lie between the two.
  const auto check_around_1 = [](const char* what, const std::array<double, 2>& range, double least, double most) {
    check_option(what, range[0], {.least = least, .most = 1});
    check_option(what, range[1], {.least = 1, .most = most});
  };
  check_around_1("degradation: generalised_beta", ranges.generalised_beta, 0.1, 10);
  check_around_1("degradation: plateau_beta", ranges.plateau_beta, 0.1, 10);
  check_around_1("degradation: resize_range", ranges.resize_range, 0.05, 4);
  check_range("degradation: gaussian", ranges.gaussian, 0, 255);
  check_range("degradation: poisson", ranges.poisson, 0, 255);
  check_range("degradation: jpeg", ranges.jpeg, 1, 100);
}

}  // namespace detail

/// Throws `Error` unless every number is one that a degradation may have.
[[gnu::cold, gnu::noinline]] inline void validate(const DegradationRanges& ranges) {
  detail::check_ranges(ranges.first);
  detail::check_ranges(ranges.second);
  check_option("degradation: last_sinc_probability", ranges.last_sinc_probability, {.most = 1});
  const auto [least, most] = ranges.sizes;
  if (least < 1 || most > 51 || least > most || least % 2 == 0 || most % 2 == 0)
    fail("degradation: sizes are ", least, " to ", most, ", expected odd numbers from 1 to 51, the smaller one first");
}

/// One degradation. Throws `Error` as `validate`.
[[gnu::cold, gnu::noinline]] inline DegradationParameters draw_degradation(Random& random,
                                                                           const DegradationRanges& ranges = {}) {
  validate(ranges);
  DegradationParameters drawn;
  drawn.first = detail::draw_stage(ranges.first, ranges.sizes, random);
  drawn.second = detail::draw_stage(ranges.second, ranges.sizes, random);
  drawn.jpeg_last = random.uniform() < 0.5;
  drawn.last_interpolation = detail::draw_interpolation(random);
  if (random.uniform() < ranges.last_sinc_probability)
    drawn.last_blur = detail::draw_sinc(detail::draw_whole(ranges.sizes, 2, random), std::numbers::pi / 3, random);
  return drawn;
}

/// Tasks `task0000`, `task0001` and so on. Each depends on its number and the seed alone: fewer of them are the first of more.
/// (TGSR has 4,000 at scale 4.) Throws `Error` as `validate`.
[[gnu::cold, gnu::noinline]] inline std::vector<DegradationTask> draw_degradations(
    std::size_t count, std::uint64_t seed, const DegradationRanges& ranges = {}) {
  std::vector<DegradationTask> tasks(count);
  for (std::size_t i = 0; i < count; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "task%04zu", i);
    Random random(seed, Purpose::build, i);
    tasks[i] = {name, draw_degradation(random, ranges)};
  }
  return tasks;
}

namespace detail {

// Calls visit(name, member) for every number of a degradation, in the order of the columns of a file.
template <class Parameters, class Visit>
void for_each_number(Parameters& parameters, Visit&& visit) {
  const auto blur = [&](const std::string& head, auto& of) {
    visit(head + "blur", of.kind);
    visit(head + "size", of.size);
    visit(head + "sigma_x", of.sigma_x);
    visit(head + "sigma_y", of.sigma_y);
    visit(head + "rotation", of.rotation);
    visit(head + "beta", of.beta);
    visit(head + "cutoff", of.cutoff);
  };
  const auto stage = [&](const std::string& head, auto& of) {
    blur(head, of.blur);
    visit(head + "resize", of.resize);
    visit(head + "interpolation", of.interpolation);
    visit(head + "noise", of.noise.kind);
    visit(head + "strength", of.noise.strength);
    visit(head + "grey", of.noise.grey);
    visit(head + "jpeg", of.jpeg);
  };
  stage("first_", parameters.first);
  stage("second_", parameters.second);
  visit("last_interpolation", parameters.last_interpolation);
  blur("last_", parameters.last_blur);
  visit("jpeg_last", parameters.jpeg_last);
}

inline constexpr auto degradation_cell = [](const auto& member) -> std::string {
  using Member = std::remove_cvref_t<decltype(member)>;
  if constexpr (std::is_enum_v<Member>) {
    return std::string(name_of(member));
  } else {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", static_cast<double>(member));
    return digits;
  }
};

// A cell of a file as the member that it is, or an error with its place.
struct DegradationCells {
  const Table& table;
  std::size_t row;

  [[noreturn, gnu::cold]] void refuse(const std::string& column, const char* expected) const {
    fail(table.name(), ", row ", table.file_row(row), ", column ", shown(column), ": expected ", expected);
  }
  const TableColumn& column(const std::string& name, bool numeric) const {
    const TableColumn& found = table.column(name);
    if (found.numeric != numeric || found.missing(row)) refuse(name, numeric ? "a number" : "a word");
    return found;
  }
  template <class Member>
  void operator()(const std::string& name, Member& member) const {
    if constexpr (std::is_enum_v<Member>) {
      const TableColumn& found = column(name, false);
      const std::string& text = found.texts[static_cast<std::size_t>(found.codes[row])];
      const auto names = names_of(member);
      const auto at = std::find(names.begin(), names.end(), text);
      if (at == names.end()) refuse(name, "one of the kinds that there are");
      member = static_cast<Member>(at - names.begin());
    } else {
      const double number = column(name, true).numbers[row];
      if constexpr (!std::is_same_v<Member, double>) {
        constexpr double most = std::is_same_v<Member, bool> ? 1 : 1000;
        if (!(number >= 0 && number <= most) || number != std::floor(number))
          refuse(name, most == 1 ? "0 or 1" : "a whole number from 0 to 1000");
      }
      member = static_cast<Member>(number);
    }
  }
};

}  // namespace detail

/// The tasks as CSV, one a row, with every number to its last place.
[[gnu::cold, gnu::noinline]] inline std::string degradations_text(std::span<const DegradationTask> tasks) {
  std::string text = "name";
  const DegradationParameters any;
  detail::for_each_number(any, [&](const std::string& name, const auto&) { text += "," + name; });
  for (const DegradationTask& task : tasks) {
    text += "\n" + csv_text(task.name);
    detail::for_each_number(task.parameters, [&](const std::string&, const auto& member) {
      text += "," + detail::degradation_cell(member);
    });
  }
  return text + "\n";
}

/// Reads what `degradations_text` writes; errors call it `name`. The same tasks come back, bit for bit. Throws `Error` with the
/// row for anything else: a column too few or too many, a name that is missing or comes twice, a number out of its range.
[[gnu::cold, gnu::noinline]] inline std::vector<DegradationTask> parse_degradations(std::string_view text,
                                                                                    std::string_view name) {
  const Table table = parse_csv(text, name, {.missing = {}, .text_columns = {"name"}});
  std::size_t columns = 1;
  const DegradationParameters any;
  detail::for_each_number(any, [&](const std::string&, const auto&) { ++columns; });
  if (table.columns().size() != columns)
    fail(name, " has ", table.columns().size(), " columns, expected the ", columns, " of degradations");
  std::vector<DegradationTask> tasks(table.rows());
  for (std::size_t row = 0; row < tasks.size(); ++row) {
    const detail::DegradationCells cells{table, row};
    const TableColumn& names = cells.column("name", false);
    tasks[row].name = names.texts[static_cast<std::size_t>(names.codes[row])];
    if (tasks[row].name.empty()) cells.refuse("name", "a name");
    detail::for_each_number(tasks[row].parameters, cells);
    try {
      validate(tasks[row].parameters);
    } catch (const Error& error) {
      fail(name, ", row ", table.file_row(row), ": ", std::string_view(error.what()).substr(6));
    }
  }
  const auto name_at = [&](std::size_t i) { return std::string_view(tasks[i].name); };
  const std::size_t twice = detail::TextIndex(tasks.size(), name_at).twice(name_at);
  if (twice != detail::TextIndex::none) fail(name, ": two tasks of the name ", detail::shown(tasks[twice].name));
  return tasks;
}

/// Writes tasks to a file, and reads them. Throw `Error` as `parse_degradations` (writing too: what could not be read again is
/// not written) and `write_file`.
[[gnu::cold]] inline void write_degradations(const std::string& path, std::span<const DegradationTask> tasks) {
  const std::string text = degradations_text(tasks);
  parse_degradations(text, path);
  write_file(path, text);
}
[[gnu::cold]] inline std::vector<DegradationTask> read_degradations(const std::string& path) {
  return parse_degradations(mtlx::read_file(path), path);
}

/// A degradation in words, for tables and captions: "isotropic 1.3, x0.42 area, gaussian 12 grey, jpeg 57; ...".
[[gnu::cold, gnu::noinline]] inline std::string describe(const DegradationParameters& parameters) {
  const auto blur = [](const BlurParameters& of) {
    if (of.kind == Blur::none) return std::string("no blur");
    if (of.kind == Blur::sinc) return join("sinc ", of.cutoff);
    std::string text = join(detail::name_of(of.kind), " ", of.sigma_x);
    if (detail::is_anisotropic(of.kind)) text += join(" ", of.sigma_y);
    if (detail::has_beta(of.kind)) text += join(" beta ", of.beta);
    return text;
  };
  const auto jpeg = [](int quality) { return quality == 0 ? std::string("no jpeg") : join("jpeg ", quality); };
  const auto stage = [&](const DegradationStage& of) {
    return join(blur(of.blur), ", x", of.resize, " ", detail::name_of(of.interpolation), ", ",
                detail::name_of(of.noise.kind), " ", of.noise.strength, of.noise.grey ? " grey" : "");
  };
  const std::string last = join(detail::name_of(parameters.last_interpolation), ", ", blur(parameters.last_blur));
  const std::string pack = jpeg(parameters.second.jpeg);
  return join(stage(parameters.first), ", ", jpeg(parameters.first.jpeg), "; ", stage(parameters.second), "; ",
              parameters.jpeg_last ? last : pack, ", ", parameters.jpeg_last ? pack : last);
}

}  // namespace mtlx::data
