// SPDX-License-Identifier: MIT
#include <mtlx/data/degradation.hpp>
#include <mtlx/data/inputs.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "mutate.hpp"
#include "temporary.hpp"

namespace {
#include "image_oracle.inc"
}  // namespace

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

double largest_difference(std::span<const float> a, std::span<const double> b) {
  if (a.size() != b.size()) return 1e9;
  double largest = 0;
  for (std::size_t i = 0; i < b.size(); ++i) largest = std::max(largest, std::fabs(double{a[i]} - b[i]));
  return largest;
}

Image flat(int channels, int height, int width, float value) {
  const Shape shape{channels, height, width};
  return {shape, std::vector<float>(shape.size(), value)};
}

// Something like a photo: slopes, an edge, and a little texture.
Image scene(int channels, int height, int width) {
  Image image{{channels, height, width}, {}};
  for (int c = 0; c < channels; ++c)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const double wave = std::sin(0.31 * x + 0.12 * y + c) * std::cos(0.23 * y - 0.05 * x);
        const double edge = x + 2 * y > width + c ? 0.35 : 0;
        image.values.push_back(static_cast<float>(0.3 + 0.2 * wave + edge + 0.05 * std::sin(2.1 * x + 1.7 * y)));
      }
  return image;
}

struct Moments {
  double mean = 0, variance = 0;
};

template <class Values>
Moments moments(const Values& values) {
  Moments m;
  for (const auto value : values) m.mean += value;
  m.mean /= static_cast<double>(std::size(values));
  for (const auto value : values) m.variance += (value - m.mean) * (value - m.mean);
  m.variance /= static_cast<double>(std::size(values));
  return m;
}

}  // namespace

TEST_CASE("blurs are those of the formulas, filtering is OpenCV's") {
  const BlurParameters blurs[] = {
      {.kind = Blur::isotropic, .size = 7, .sigma_x = 1.3, .sigma_y = 9},
      {.kind = Blur::anisotropic, .size = 7, .sigma_x = 2.5, .sigma_y = 0.8, .rotation = 0.7},
      {.kind = Blur::generalised_isotropic, .size = 7, .sigma_x = 1.3, .beta = 0.6},
      {.kind = Blur::generalised_anisotropic, .size = 7, .sigma_x = 2.5, .sigma_y = 0.8, .rotation = 0.7, .beta = 2.5},
      {.kind = Blur::plateau_isotropic, .size = 7, .sigma_x = 1.3, .beta = 1.7},
      {.kind = Blur::plateau_anisotropic, .size = 7, .sigma_x = 2.5, .sigma_y = 0.8, .rotation = 0.7, .beta = 1.7},
      {.kind = Blur::sinc, .size = 7, .cutoff = 2.1},
      {.kind = Blur::sinc, .size = 21, .cutoff = 0.9}};
  const std::span<const double> expected[] = {blur_kernel_1, blur_kernel_2, blur_kernel_3, blur_kernel_4,
                                              blur_kernel_5, blur_kernel_6, blur_kernel_7, blur_kernel_8};
  for (std::size_t i = 0; i < std::size(blurs); ++i) {
    CAPTURE(i);
    CHECK(largest_difference(blur_kernel(blurs[i]), expected[i]) < 2e-8);
    // A flat picture stays flat, also one that is smaller than the kernel.
    for (const int side : {1, 3, 9})
      for (const float value : blurred(flat(2, side, 2, 0.5F), blurs[i]).values) CHECK(std::fabs(value - 0.5F) < 1e-6F);
  }
  Image picture{{1, 9, 13}, {}};  // as in scripts/oracle/images.py
  for (int y = 0; y < 9; ++y)
    for (int x = 0; x < 13; ++x) picture.values.push_back(static_cast<float>((7 * y + 13 * x + 5 * y * x) % 32) / 31);
  CHECK(largest_difference(blurred(picture, blurs[1]).values, filtered) < 1e-6);
  CHECK(blurred(picture, {}) == picture);
  CHECK(blur_kernel({}) == std::vector<float>{1});

  const auto refused = [](const BlurParameters& blur) { return error_of([&] { blur_kernel(blur); }); };
  CHECK(refused({.kind = Blur::isotropic, .size = 4}) == Contains("size is 4, expected an odd number from 1 to 51"));
  CHECK(refused({.kind = Blur::isotropic, .size = 53}) == Contains("size is 53"));
  CHECK(refused({.kind = Blur::isotropic, .sigma_x = 0}) == Contains("blur: sigma_x must be at least 0.01"));
  CHECK(refused({.kind = Blur::plateau_isotropic, .beta = 11}) == Contains("blur: beta"));
  CHECK(refused({.kind = Blur::anisotropic, .sigma_y = -1}) == Contains("blur: sigma_y"));
  CHECK(refused({.kind = Blur::anisotropic, .rotation = std::numeric_limits<double>::quiet_NaN()}) ==
        Contains("blur: rotation"));
  CHECK(refused({.kind = Blur::sinc, .cutoff = 3.2}) == Contains("blur: cutoff"));
  CHECK(error_of([&] { filter2d(picture, std::vector<float>(8)); }) == Contains("the square of an odd number"));
}

TEST_CASE("noise has the mean and the spread that it says") {
  // 3 x 100 x 100 numbers: a mean is known to 1 / sqrt(30000), a variance to sqrt(2 / 30000), each times the deviation.
  const Image grey_tone = flat(3, 100, 100, 102.0F / 255);
  const auto noisy = [&](Noise kind, double strength, bool grey) {
    Random random(3, Purpose::user);
    return with_noise(grey_tone, {kind, strength, grey}, random);
  };
  const double x = 0.4, sigma = 12.0 / 255;
  for (const bool grey : {false, true}) {
    const double n = grey ? 1e4 : 3e4;
    const Image gaussian = noisy(Noise::gaussian, 12, grey);
    const Moments g = moments(gaussian.values);
    CHECK(std::fabs(g.mean - x) < 4 * sigma / std::sqrt(n));
    CHECK(std::fabs(g.variance / (sigma * sigma) - 1) < 4 * std::sqrt(2 / n));
    // One value only: v = 1, so P(0.4) - 0.4 times the scale, of variance 0.4 scale^2.
    const Image poisson = noisy(Noise::poisson, 0.1, grey);
    const Moments p = moments(poisson.values);
    CHECK(std::fabs(p.mean - x) < 4 * 0.1 * std::sqrt(x / n));
    CHECK(std::fabs(p.variance / (0.01 * x) - 1) < 4 * std::sqrt((2 + 1 / x) / n));
    for (const Image* image : {&gaussian, &poisson}) {
      const auto plane = [&](int c) { return crop(Image{{1, 300, 100}, image->values}, 100 * c, 0, 100, 100); };
      CHECK((plane(0) == plane(1)) == grey);
      CHECK((plane(1) == plane(2)) == grey);
    }
  }
  CHECK(noisy(Noise::none, 0, false) == grey_tone);
  for (const float value : noisy(Noise::gaussian, 255, false).values) CHECK((value >= 0 && value <= 1));

  // Many values: v is a power of 2 from their number on, so that bright parts are noisier, as x / v.
  Image ramp = flat(1, 128, 256, 0);
  for (int y = 0; y < 128; ++y)
    for (int i = 0; i < 256; ++i) ramp.at(0, y, i) = static_cast<float>(i % 200) / 255;
  Random random(4, Purpose::user);
  const Image shot = with_noise(ramp, {Noise::poisson, 1, false}, random);
  double ratio = 0;  // of the variance of a column of one level to x / v, with v = 256
  for (int level = 20; level < 200; ++level) {
    const Moments m = moments(crop(shot, 0, level, 128, 1).values);
    CHECK(std::fabs(m.mean - level / 255.0) < 5 * std::sqrt(level / 255.0 / 256 / 128));
    ratio += m.variance / (level / 255.0 / 256) / 180;
  }
  CHECK(std::fabs(ratio - 127.0 / 128) < 4 * std::sqrt(2 / 128.0 / 180));

  // The draws themselves, against e^-m m^k / k!: chi-square with 9 degrees of freedom, 27.9 at 0.001.
  data::detail::PoissonDraws draw(2.55);
  std::array<double, 10> counts{};
  for (int i = 0; i < 20000; ++i) ++counts[std::min<std::size_t>(draw(255, random), 9)];
  double p = std::exp(-2.55), left = 1, chi = 0;
  for (int k = 0; k < 10; ++k) {
    const double expected = 20000 * (k == 9 ? left : p);
    chi += std::pow(counts[static_cast<std::size_t>(k)] - expected, 2) / expected;
    left -= p;
    p *= 2.55 / (k + 1);
  }
  CHECK(chi < 27.9);
  CHECK(draw(0, random) == 0);
  data::detail::PoissonDraws large(256);
  double mean = 0;
  for (int i = 0; i < 4000; ++i) mean += static_cast<double>(large(255, random)) / 4000;
  CHECK(std::fabs(mean - 256) < 4 * 16 / std::sqrt(4000.0));

  CHECK(error_of([&] { with_noise(flat(2, 1, 1, 0), {}, random); }) == Contains("expected 1 (grey) or 3"));
  CHECK(error_of([&] { with_noise(grey_tone, {Noise::gaussian, 256, false}, random); }) == Contains("strength"));
}

TEST_CASE("tasks are drawn from Real-ESRGAN's ranges, and each from its own number") {
  constexpr std::size_t count = 4000;
  const std::vector<DegradationTask> tasks = draw_degradations(count, 11);
  CHECK(draw_degradations(3, 11)[2] == tasks[2]);
  CHECK(draw_degradations(3, 12)[2].parameters != tasks[2].parameters);
  CHECK(tasks[0].name == "task0000");
  CHECK(tasks[3999].name == "task3999");

  // How often something holds, in deviations of a binomial from what is expected.
  const auto off = [&](double probability, auto holds) {
    double times = 0;
    for (const DegradationTask& task : tasks) times += holds(task.parameters) ? 1 : 0;
    return std::fabs(times - count * probability) / std::sqrt(count * probability * (1 - probability));
  };
  const double kinds[] = {0.45, 0.25, 0.12, 0.03, 0.12, 0.03};
  for (std::size_t k = 0; k < 6; ++k) {
    const auto kind = static_cast<Blur>(k + 1);
    CHECK(off(0.9 * kinds[k], [&](const auto& of) { return of.first.blur.kind == kind; }) < 4);
    CHECK(off(0.8 * 0.9 * kinds[k], [&](const auto& of) { return of.second.blur.kind == kind; }) < 4);
  }
  CHECK(off(0.1, [](const auto& of) { return of.first.blur.kind == Blur::sinc; }) < 4);
  CHECK(off(0.2, [](const auto& of) { return of.second.blur.kind == Blur::none; }) < 4);
  CHECK(off(0.8, [](const auto& of) { return of.last_blur.kind == Blur::sinc; }) < 4);
  CHECK(off(0.5, [](const auto& of) { return of.jpeg_last; }) < 4);
  CHECK(off(0.125, [](const auto& of) { return of.first.blur.size == 13; }) < 4);
  CHECK(off(0.2, [](const auto& of) { return of.first.resize > 1; }) < 4);
  CHECK(off(0.1, [](const auto& of) { return of.first.resize == 1; }) < 4);
  CHECK(off(0.3, [](const auto& of) { return of.second.resize > 1; }) < 4);
  CHECK(off(1 / 3.0, [](const auto& of) { return of.first.interpolation == Interpolation::area; }) < 4);
  CHECK(off(0.5, [](const auto& of) { return of.first.noise.kind == Noise::gaussian; }) < 4);
  CHECK(off(0.4, [](const auto& of) { return of.second.noise.grey; }) < 4);
  CHECK(off(1 / 66.0, [](const auto& of) { return of.first.jpeg == 30; }) < 4);
  CHECK(off(1 / 66.0, [](const auto& of) { return of.second.jpeg == 95; }) < 4);

  double least_small = 9, least_large = 9;  // cutoffs of the small and the large sinc kernels
  const auto between = [](double value, double least, double most) { return value >= least && value <= most; };
  for (const DegradationTask& task : tasks) {
    const auto check = [&](const DegradationStage& of, double sigma, double least, double most, double gaussian,
                           double poisson) {
      const bool right = (of.blur.kind == Blur::none || (between(of.blur.size, 7, 21) && of.blur.size % 2 == 1)) &&
                         (of.blur.kind == Blur::none || of.blur.kind == Blur::sinc ||
                          (between(of.blur.sigma_x, 0.2, sigma) && between(of.blur.sigma_y, 0.2, sigma))) &&
                         between(of.blur.beta, 0.5, 4) && between(of.resize, least, most) &&
                         (of.noise.kind == Noise::gaussian ? between(of.noise.strength, 1, gaussian)
                                                           : between(of.noise.strength, 0.05, poisson)) &&
                         between(of.jpeg, 30, 95) && of.interpolation != Interpolation::nearest;
      CHECK(right);
    };
    for (const BlurParameters* of : {&task.parameters.first.blur, &task.parameters.second.blur})
      if (of->kind == Blur::sinc) {
        CHECK(of->cutoff >= std::numbers::pi / (of->size < 13 ? 3 : 5));
        if (of->size < 13) least_small = std::min(least_small, of->cutoff);
        if (of->size >= 13) least_large = std::min(least_large, of->cutoff);
      }
    if (task.parameters.last_blur.kind == Blur::sinc) CHECK(task.parameters.last_blur.cutoff >= std::numbers::pi / 3);
    check(task.parameters.first, 3, 0.15, 1.5, 30, 3);
    check(task.parameters.second, 1.5, 0.3, 1.2, 25, 2.5);
    validate(task.parameters);
  }
  CHECK(least_small < std::numbers::pi / 3 + 0.05);
  CHECK(least_large < std::numbers::pi / 5 + 0.05);

  DegradationRanges wrong;
  wrong.first.kinds = {};
  CHECK(error_of([&] { draw_degradations(1, 1, wrong); }) == Contains("all weights are 0"));
  wrong = {.sizes = {6, 21}};
  CHECK(error_of([&] { draw_degradations(1, 1, wrong); }) == Contains("sizes are 6 to 21"));
  wrong = {};
  wrong.second.jpeg = {90, 30};
  CHECK(error_of([&] { draw_degradations(1, 1, wrong); }) == Contains("degradation: jpeg"));
  // Half of the draws are below 1 and half above, so that ranges without it have no meaning.
  wrong = {};
  wrong.first.generalised_beta = {2, 4};
  CHECK(error_of([&] { draw_degradations(1, 1, wrong); }) ==
        Contains("generalised_beta must be at least 0.1 and at most 1"));
  wrong = {};
  wrong.second.plateau_beta = {0.5, 0.9};
  CHECK(error_of([&] { draw_degradations(1, 1, wrong); }) == Contains("plateau_beta must be at least 1"));
  wrong = {};
  wrong.second.resize_range = {0.3, 0.8};
  CHECK(error_of([&] { draw_degradations(1, 1, wrong); }) == Contains("resize_range must be at least 1"));
  wrong = {.last_sinc_probability = 1.5};
  CHECK(error_of([&] { draw_degradations(1, 1, wrong); }) == Contains("last_sinc_probability"));
}

TEST_CASE("tasks are saved to their last bits, and nothing else is read") {
  std::vector<DegradationTask> tasks = draw_degradations(40, 5);
  tasks[3].name = "rain, \"heavy\"";
  tasks[4].name = "NA";
  const Temporary folder;
  const std::string path = folder.path() + "/tasks.csv";
  write_degradations(path, tasks);
  CHECK(read_degradations(path) == tasks);
  CHECK(error_of([&] { read_degradations(path + "x"); }) == Contains("tasks.csvx"));
  // What could not be read again is not written.
  for (const char* name : {"", "task0001"}) {
    std::vector<DegradationTask> unnamed = tasks;
    unnamed[0].name = name;
    CHECK(error_of([&] { write_degradations(path, unnamed); }) == Contains("tasks.csv"));
  }
  CHECK(error_of([&] { write_degradations(path, {}); }) == Contains("no rows"));
  CHECK(read_degradations(path) == tasks);

  const std::string text = degradations_text(std::span(tasks).first(2));
  CHECK(parse_degradations(text, "tasks") == std::vector<DegradationTask>{tasks[0], tasks[1]});
  CHECK(text.starts_with("name,first_blur,first_size,first_sigma_x,"));
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    REQUIRE(at != std::string::npos);
    changed.replace(at, from.size(), to);
    return error_of([&] { parse_degradations(changed, "tasks"); });
  };
  CHECK(refused("task0001", "task0000") == "mtlx: tasks: two tasks of the name \"task0000\"");
  CHECK(refused("task0001", "") == Contains("tasks, row 3, column \"name\": expected a name"));
  CHECK(refused("first_size", "first_side") == Contains("no column \"first_size\""));
  CHECK(refused(",first_size", ",more,first_size") == Contains("row 2"));
  CHECK(refused(",jpeg_last", "") == Contains("row 2"));
  const std::string cell = "," + std::string(data::detail::name_of(tasks[0].parameters.last_interpolation)) + ",";
  CHECK(refused(cell, ",cubic,") == Contains("expected one of the kinds that there are"));
  CHECK(refused(cell, ",1,") == Contains("row"));

  Random random(9, Purpose::user);
  int read = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = mutated(text, random);
    const std::string message = error_of([&] {
                                  for (const DegradationTask& task : parse_degradations(bytes, "tasks"))
                                    validate(task.parameters);
                                  ++read;
                                }).c_str();
    CHECK((message.empty() || message.starts_with("mtlx: ")));
  }
  CHECK(read > 20);
  CHECK(describe(tasks[0].parameters).find("jpeg") != std::string::npos);
  CHECK(describe({}) == "no blur, x1 bicubic, none 0, no jpeg; no blur, x1 bicubic, none 0; bicubic, no blur, no jpeg");
}

TEST_CASE("without a JPEG a degradation is the sum of its parts") {
  const Image image = scene(3, 24, 36);
  // Nothing but the resizing.
  for (const int scale : {1, 2, 4})
    CHECK(degrade(image, {}, scale, Random(1, Purpose::user)) ==
          to_floats(to_bytes(resize(image, 24 / scale, 36 / scale))));
  DegradationParameters some;
  some.first = {.blur = {.kind = Blur::anisotropic, .size = 9, .sigma_x = 2, .sigma_y = 0.5, .rotation = 1},
                .resize = 0.63,
                .interpolation = Interpolation::area,
                .noise = {Noise::poisson, 0.5, true}};
  some.second = {.blur = {.kind = Blur::isotropic, .size = 7, .sigma_x = 0.6},
                 .resize = 1.15,
                 .interpolation = Interpolation::bilinear,
                 .noise = {Noise::gaussian, 9, false}};
  some.last_interpolation = Interpolation::area;
  some.last_blur = {.kind = Blur::sinc, .size = 13, .cutoff = 2};
  Random random = degradation_noise(1, 2, 3);
  Image by_hand = resize(blurred(image, some.first.blur), 15, 22, {Interpolation::area});  // 15.12 x 22.68
  by_hand = with_noise(by_hand, some.first.noise, random);
  by_hand = resize(blurred(by_hand, some.second.blur), 6, 10, {Interpolation::bilinear});  // 6.9 x 10.35
  by_hand = with_noise(by_hand, some.second.noise, random);
  by_hand = blurred(resize(by_hand, 6, 9, {Interpolation::area}), some.last_blur);
  CHECK(degrade(image, some, 4, degradation_noise(1, 2, 3)) == to_floats(to_bytes(by_hand)));
  for (const auto& other : {degradation_noise(2, 2, 3), degradation_noise(1, 3, 3), degradation_noise(1, 2, 4)})
    CHECK(degrade(image, some, 4, other) != to_floats(to_bytes(by_hand)));

  const Random any(1, Purpose::user);
  CHECK(error_of([&] { degrade(image, some, 5, any); }) == Contains("24 x 36 by 5, expected sides that are multiples"));
  CHECK(error_of([&] { degrade(flat(2, 4, 4, 0), some, 4, any); }) == Contains("expected 1 (grey) or 3"));
  Image broken = flat(1, 4, 4, 0);
  broken.values[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(error_of([&] { degrade(broken, some, 4, any); }) == Contains("not a number"));
  some.second.resize = 0;
  CHECK(error_of([&] { degrade(image, some, 4, any); }) == Contains("degradation: resize"));
  some.second.resize = 1;
  some.first.jpeg = 101;
  CHECK(error_of([&] { degrade(image, some, 4, any); }) == Contains("jpeg is 101"));
}

#if MTLX_DATA_STB

namespace {

// Steps across the borders of 8 x 8 blocks over steps within them.
double blockiness(const Image& image) {
  double across = 0, within = 0;
  int borders = 0, others = 0;
  for (int y = 0; y < image.shape.height; ++y)
    for (int x = 1; x < image.shape.width; ++x) {
      const double step = std::fabs(image.at(0, y, x) - image.at(0, y, x - 1));
      (x % 8 == 0 ? across : within) += step;
      ++(x % 8 == 0 ? borders : others);
    }
  return across / borders / (within / others);
}

}  // namespace

TEST_CASE("JPEG of a low quality shows its blocks") {
  const Image image = scene(1, 64, 96), colour = scene(3, 64, 96);
  const double before = blockiness(image), at_30 = blockiness(through_jpeg(image, 30)),
               at_95 = blockiness(through_jpeg(image, 95));
  MESSAGE("blockiness: " << before << ", at quality 95 " << at_95 << ", at 30 " << at_30);
  CHECK(std::fabs(before - 1) < 0.1);
  CHECK(std::fabs(at_95 - before) < 0.1);
  CHECK(at_30 > 1.2 * before);
  CHECK(blockiness(through_jpeg(colour, 30)) > 1.2 * blockiness(colour));
  CHECK(through_jpeg(colour, 30).shape == colour.shape);
}

TEST_CASE("whole degradations") {
  const std::vector<DegradationTask> tasks = draw_degradations(60, 21);
  for (const int channels : {1, 3}) {
    const Image image = scene(channels, 32, 40);
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const int scale = t % 2 == 0 ? 4 : 2;
      const Image low = degrade(image, tasks[t].parameters, scale, degradation_noise(1, t, 0));
      REQUIRE(low.shape == Shape{channels, 32 / scale, 40 / scale});
      CHECK(to_floats(to_bytes(low)) == low);
      CHECK(degrade(image, tasks[t].parameters, scale, degradation_noise(1, t, 0)) == low);
      // Worse than the picture made smaller, but still that picture.
      const Image clean = downscaled(image, scale);
      double error = 0, spread = 0;
      const double mean = moments(clean.values).mean;
      for (std::size_t i = 0; i < clean.values.size(); ++i) {
        error += std::pow(low.values[i] - clean.values[i], 2);
        spread += std::pow(clean.values[i] - mean, 2);
      }
      CHECK(error > 0);
      CHECK(error < 2 * spread);
    }
  }
  // The smallest pictures that there are.
  for (const DegradationTask& task : tasks)
    CHECK(degrade(scene(3, 4, 4), task.parameters, 4, degradation_noise(1, 0, 0)).shape == Shape{3, 1, 1});
  // The second JPEG before or after the last resizing and blur.
  const Image image = scene(3, 32, 40);
  DegradationParameters order;
  order.first = {.resize = 0.5, .interpolation = Interpolation::area, .jpeg = 60};
  order.second.jpeg = 35;
  order.last_blur = {.kind = Blur::sinc, .size = 7, .cutoff = 1.2};
  const Image middle = resize(through_jpeg(resize(image, 16, 20, {Interpolation::area}), 60), 8, 10);
  for (const bool last : {false, true}) {
    order.jpeg_last = last;
    const Image by_hand =
        last ? through_jpeg(blurred(middle, order.last_blur), 35) : blurred(through_jpeg(middle, 35), order.last_blur);
    CHECK(degrade(image, order, 4, degradation_noise(1, 0, 0)) == to_floats(to_bytes(by_hand)));
  }
}

TEST_CASE("from a photo to inputs") {
  const Temporary folder;
  const std::string path = folder.path() + "/photo.png";
  write_png(path, to_bytes(scene(3, 80, 100)));

  const std::vector<DegradationTask> tasks = draw_degradations(100, 7);  // Real-ESRGAN's ranges, seed 7
  const Image photo = to_floats(read_image(path));
  Random places(7, Purpose::sample);
  const Image high = random_crop(photo, 64, 64, places);
  const Image low = degrade(high, tasks[3].parameters, 4, degradation_noise(7, 3, 0));  // 3 x 16 x 16
  const Inputs inputs(low.shape, to_bytes(low).values);

  CHECK(high.shape == Shape{3, 64, 64});
  CHECK(inputs.shape() == Shape{3, 16, 16});
  CHECK(inputs.size() == 1);
}

#else

TEST_CASE("without stb a degradation with JPEG says what to link") {
  DegradationParameters packed;
  packed.second.jpeg = 50;
  CHECK(error_of([&] { degrade(scene(3, 8, 8), packed, 4, Random(1, Purpose::user)); }) == Contains("link mtlx::stb"));
}

#endif
