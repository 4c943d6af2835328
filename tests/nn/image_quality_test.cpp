// SPDX-License-Identifier: MIT
#include <mtlx/data/image.hpp>
#include <mtlx/nn/image_quality.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/testing/metric_laws.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

using namespace mtlx;
using namespace mtlx::nn;

namespace {

/// What piq says of two pictures, see scripts/oracle/image_quality.py; -1 where it refuses them.
struct Pair {
  Shape shape;
  int kind;
  std::array<double, 10> values;
};
#include "image_quality_oracle.inc"

int triangle(int n, int half) {
  const int place = n % (2 * half);
  return std::abs((place < 0 ? place + 2 * half : place) - half);
}

int true_byte(int c, int h, int w) {
  return triangle(5 * h + 2 * w, 97) + triangle(7 * w - 3 * h + 20 * c, 60) + 30 * ((h / 9 + w / 7 + c) % 2);
}

int other_byte(int c, int h, int w, int kind) {
  if (kind == 0) return std::clamp(true_byte(c, h, w) + (h * 31 + w * 17 + c * 7 + h * w) % 47 - 23, 0, 255);
  if (kind == 1) {
    int total = 0;
    for (int i = -2; i <= 2; ++i) total += true_byte(c, h, std::max(w + i, 0));
    return total / 5;
  }
  if (kind == 2) return true_byte(c, h, w) / 40 * 40;
  return 255 - true_byte(c, h, w);
}

/// The true picture for kind -1.
data::Image picture(Shape shape, int kind = -1) {
  data::Image image{shape, {}};
  for (int c = 0; c < shape.channels; ++c)
    for (int h = 0; h < shape.height; ++h)
      for (int w = 0; w < shape.width; ++w)
        image.values.push_back(static_cast<float>(kind < 0 ? true_byte(c, h, w) : other_byte(c, h, w, kind)) / 256.0F);
  return image;
}

data::Image flat(Shape shape, float value) { return {shape, std::vector<float>(shape.size(), value)}; }

void near(const char* what, double found, double expected, double tolerance = 1e-11) {
  CAPTURE(what);
  CAPTURE(found);
  CAPTURE(expected);
  CHECK(std::abs(found - expected) <= tolerance * std::max(1.0, std::abs(expected)));
}

template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

constexpr QualityOptions colour{.luma = false};

}  // namespace

TEST_CASE("each metric is piq's") {
  for (const Pair& pair : pairs) {
    CAPTURE(pair.shape.channels);
    CAPTURE(pair.shape.height);
    CAPTURE(pair.shape.width);
    CAPTURE(pair.kind);
    const data::Image x = picture(pair.shape, pair.kind), y = picture(pair.shape);
    const std::array<double, 10>& expected = pair.values;
    // piq adds 1e-8 to the mean squared error.
    const auto with_piqs_term = [](double db) { return -10 * std::log10(std::pow(10, -db / 10) + 1e-8); };
    near("psnr", with_piqs_term(psnr(x, y, colour)), expected[0]);
    near("psnr of luma", with_piqs_term(psnr(x, y)), expected[1]);
    near("ssim", ssim(x, y, colour), expected[2]);
    near("ssim of luma", ssim(x, y, {.border = 4}), expected[3]);
    if (expected[4] != -1) {
      near("ms_ssim", ms_ssim(x, y, colour), expected[4]);
      near("ms_ssim of luma", ms_ssim(x, y), expected[5]);
    } else {
      CHECK_THROWS_AS(ms_ssim(x, y), Error);
    }
    near("gmsd", gmsd(x, y), expected[6]);
    near("mdsi", mdsi(x, y), expected[7]);
    near("haarpsi", haarpsi(x, y), expected[8]);
    near("dss", dss(x, y), expected[9]);
  }
}

TEST_CASE("equal pictures are the best there is, noise by hand, and each metric is symmetric") {
  constexpr Shape shape{3, 163, 162};
  const data::Image x = picture(shape), y = picture(shape, 0);
  for (const data::Image& image : {x, flat(shape, 0), flat(shape, 1), flat({1, 161, 161}, 0.5F)}) {
    CHECK(psnr(image, image) == psnr_limit);
    near("ssim", ssim(image, image), 1);
    near("ms_ssim", ms_ssim(image, image), 1);
    near("gmsd", gmsd(image, image), 0);
    near("mdsi", mdsi(image, image), 0, 1e-3);  // a fourth root of rounding
    near("haarpsi", haarpsi(image, image), 1);
    near("dss", dss(image, image), 1);
  }
  for (const auto metric : {gmsd, haarpsi, dss}) near("symmetric", metric(x, y), metric(y, x));
  for (const auto metric : {psnr, ssim, ms_ssim}) near("symmetric", metric(x, y, colour), metric(y, x, colour));
  // A quarter less everywhere: the mean squared error is 1/16; of luma (219/255)² of that.
  const data::Image dark = flat({3, 5, 4}, 0.25F), light = flat({3, 5, 4}, 0.5F);
  near("by hand", psnr(dark, light, colour), 10 * std::log10(16.0));
  near("by hand, luma", psnr(dark, light), 10 * std::log10(16.0) + 20 * std::log10(255.0 / 219));
  near("luma is data's", psnr(x, y), psnr(data::luma(x), data::luma(y)), 1e-6);
  // Only what lies within the border counts.
  data::Image spoilt = light;
  spoilt.at(1, 0, 2) = 1;
  spoilt.at(2, 3, 3) = 0;
  CHECK(psnr(spoilt, light) < 30);
  CHECK(psnr(spoilt, light, {.border = 1}) == psnr_limit);
  // One level of 8 bits in one of four million numbers would be more than the limit.
  data::Image almost = light;
  almost.values[7] += 1e-5F;
  CHECK(psnr(almost, light, colour) == psnr_limit);
}

TEST_CASE("what cannot be compared is refused") {
  const data::Image x = picture({3, 20, 30});
  CHECK(error_of([&] { (void)psnr(x, picture({3, 30, 20})); }) ==
        "mtlx: psnr: pictures of the shapes 3 x 20 x 30 and 3 x 30 x 20, expected the same");
  CHECK(error_of([&] { (void)ssim(x, x, {.border = 5}); }) ==
        "mtlx: ssim: pictures of 20 x 30 pixels with a border of 5, expected at least 11 on each side within it");
  CHECK(error_of([&] { (void)psnr(x, x, {.border = 10}); }).find("at least 1 on each side") != std::string::npos);
  CHECK(error_of([&] { (void)psnr(x, x, {.border = -1}); }) == "mtlx: psnr: a border of -1, expected at least 0");
  CHECK(error_of([&] { (void)psnr(x, x, {.border = std::numeric_limits<int>::max()}); }).find("at least 1") !=
        std::string::npos);
  CHECK(error_of([&] { (void)haarpsi(picture({1, 15, 30}), picture({1, 15, 30})); }).find("at least 16") !=
        std::string::npos);
  CHECK(error_of([&] { (void)dss(x, x); }) ==
        "mtlx: dss: pictures of 20 x 30 pixels have 6 blocks of 8 x 8, expected at least 11");
  CHECK(error_of([&] { (void)gmsd(picture({2, 9, 9}), picture({2, 9, 9})); }) ==
        "mtlx: gmsd: a picture of shape 2 x 9 x 9, expected 1 or 3 channels and at least one pixel");
  CHECK(error_of([&] { (void)mdsi(PictureView({}, {3, 0, 4}), x); }).find("at least one pixel") != std::string::npos);
  CHECK(error_of([&] { (void)mdsi(PictureView(x.values, {3, 20, 31}), x); }) ==
        "mtlx: mdsi: 1800 numbers, expected 1860 for the shape 3 x 20 x 31");
  data::Image broken = x;
  for (const float value : {1.25F, -0.001F, std::numeric_limits<float>::quiet_NaN()}) {
    broken.values[7] = value;
    CHECK(error_of([&] { (void)psnr(x, broken); }).find("mtlx: psnr: number 7 of a picture is ") == 0);
  }
  // The smallest.
  CHECK(psnr(flat({1, 1, 1}, 0), flat({1, 1, 1}, 1)) == 0);
  CHECK(gmsd(flat({3, 1, 1}, 0), flat({3, 1, 1}, 1)) == 0);
  CHECK(is_finite(mdsi(flat({3, 1, 1}, 0), flat({3, 1, 1}, 1))));
}

TEST_CASE("metrics of a task") {
  constexpr Shape shape{3, 12, 11};
  using MyPsnr = Psnr<shape, QualityOptions{.luma = false}>;
  static_assert(Metric<MyPsnr> && Metric<Ssim<shape>>);
  using Task = Regression<"sharp", static_cast<int>(shape.size()), MeanSquaredError, Metrics<MyPsnr, Ssim<shape>>>;
  static_assert(check_task<Task>());

  const testing::Report peak = testing::check_metric<MyPsnr, 396>(), like = testing::check_metric<Ssim<shape>, 396>();
  CHECK_MESSAGE(peak.ok(), peak.text());
  CHECK_MESSAGE(like.ok(), like.text());

  const data::Image x = picture(shape, 0), y = picture(shape), z = picture(shape, 2);
  std::vector<unsigned char> all(shape.size(), 1), some = all;
  some[5] = 0;
  MyPsnr metric;
  metric.add(x.values, y.values, all);
  metric.add(x.values, z.values, some);  // doesn't count
  metric.add(z.values, y.values, all);
  near("mean", metric.value(), (psnr(x, y, colour) + psnr(z, y, colour)) / 2);
  std::vector<float> outside = y.values;
  for (float& value : outside) value = value > 0.25F ? value : value - 1;
  data::Image cut = y;
  for (float& value : cut.values) value = value > 0.25F ? value : 0;
  Ssim<shape> clipped;
  clipped.add(outside, y.values, all);
  near("clipped", clipped.value(), ssim(cut, y));
  std::vector<float> missing = x.values;
  missing[3] = std::numeric_limits<float>::quiet_NaN();
  metric.add(missing, y.values, all);
  CHECK(is_nan(metric.value()));
  MyPsnr other;
  CHECK_THROWS_AS(other.add(y.values, outside, all), Error);
}

TEST_CASE("as the page of the documents has it") {
  constexpr Shape shape{3, 20, 24};
  const data::Image truth = picture(shape), sharp = picture(shape, 0);
  const double db = psnr(sharp, truth, {.border = 4});           // of luma, 4 pixels left out on each side
  const double in_colour = psnr(sharp, truth, {.luma = false});  // of red, green and blue together
  const double deviation = mdsi(sharp, truth);                   // lower is better
  CHECK(db > in_colour + 1.3);
  CHECK(deviation > 0.1);
}
