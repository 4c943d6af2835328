// SPDX-License-Identifier: MIT
#include <mtlx/data/image.hpp>
#include <mtlx/data/image_file.hpp>
#include <mtlx/data/resize.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <utility>
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

// The picture of scripts/oracle/images.py.
Image oracle_picture(int height = 9, int width = 13) {
  Image image{{1, height, width}, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) image.values.push_back(static_cast<float>((7 * y + 13 * x + 5 * y * x) % 32) / 31);
  return image;
}

template <class Numbers>
double largest_difference(std::span<const float> a, const Numbers& b) {
  if (a.size() != std::size(b)) return 1e9;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(double{a[i]} - double{b[i]}));
  return largest;
}

// A picture whose values are all different: 2 x 3 with three channels.
ByteImage small() {
  ByteImage picture{{3, 2, 3}, {}};
  for (std::uint8_t i = 0; i < 18; ++i) picture.values.push_back(static_cast<std::uint8_t>(i * 15));
  return picture;
}

}  // namespace

TEST_CASE("pieces, symmetries and bytes") {
  const ByteImage picture = small();
  CHECK(picture.at(1, 1, 2) == 165);
  CHECK(crop(picture, 1, 1, 1, 2).values == std::vector<std::uint8_t>{60, 75, 150, 165, 240, 255});
  CHECK(crop_to_multiple(picture, 2).shape == Shape{3, 2, 2});
  CHECK(error_of([&] { crop(picture, 1, 0, 2, 1); }) ==
        "mtlx: crop: 2 x 1 pixels from (1, 0) on, of a picture of 2 x 3");
  for (const auto& [top, left, height, width] :
       std::vector<std::array<int, 4>>{{-1, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 3, 1}, {0, 3, 1, 1}, {0, 1, 1, 2147483647}})
    CHECK(error_of([&, t = top, l = left, h = height, w = width] { crop(picture, t, l, h, w); }) == Contains("crop"));
  CHECK(error_of([&] { crop_to_multiple(picture, 3); }) == Contains("crop: 0 x 3"));
  CHECK(error_of([&] { crop_to_multiple(picture, 0); }) == Contains("expected at least 1"));

  const auto pieces = patches(oracle_picture(), 4, 3);
  REQUIRE(pieces.size() == 2 * 4);
  CHECK(pieces[5] == crop(oracle_picture(), 3, 3, 4, 4));
  CHECK(patches(picture, 3, 1).empty());
  CHECK(error_of([&] { patches(picture, 1, 0); }) == Contains("stride 0"));

  // Every place is drawn, and a piece as large as the picture is the picture.
  Random random(1, Purpose::user);
  std::vector<int> corners(6);
  for (int i = 0; i < 200; ++i) ++corners[random_crop(picture, 1, 1, random).at(0, 0, 0) / 15U];
  CHECK(*std::min_element(corners.begin(), corners.end()) > 10);
  CHECK(random_crop(picture, 2, 3, random) == picture);
  CHECK(error_of([&] { random_crop(picture, 3, 3, random); }) == Contains("crop: 3 x 3"));
  CHECK(error_of([&] { random_crop(picture, std::numeric_limits<int>::min(), 1, random); }) == Contains("crop: -2147"));

  const auto first_plane = [&](int symmetry) {
    const ByteImage t = turned(picture, symmetry);
    std::vector<int> values;
    for (int i = 0; i < 6; ++i) values.push_back(t.values[static_cast<std::size_t>(i)] / 15);
    return values;
  };
  CHECK(first_plane(0) == std::vector{0, 1, 2, 3, 4, 5});
  CHECK(first_plane(1) == std::vector{2, 1, 0, 5, 4, 3});
  CHECK(first_plane(2) == std::vector{3, 4, 5, 0, 1, 2});
  CHECK(first_plane(4) == std::vector{0, 3, 1, 4, 2, 5});
  CHECK(first_plane(5) == std::vector{2, 5, 1, 4, 0, 3});  // to the left by a quarter
  for (int s = 0; s < 8; ++s) {
    CHECK(turned(turned(picture, s), inverse_symmetry(s)) == picture);
    for (int other = 0; other < s; ++other) CHECK(turned(picture, s) != turned(picture, other));
  }
  CHECK(error_of([&] { turned(picture, 8); }) == Contains("symmetry 8, expected 0 to 7"));

  CHECK(to_bytes(to_floats(picture)) == picture);
  const Image wild{{1, 1, 5}, {-1.0F, 0.5F / 255, 0.499F / 255, 2.0F, 1.0F}};
  CHECK(to_bytes(wild).values == std::vector<std::uint8_t>{0, 1, 0, 255, 255});
  CHECK(clipped(wild).values == std::vector<float>{0, 0.5F / 255, 0.499F / 255, 1, 1});
  const Image broken{{1, 1, 2}, {0, std::numeric_limits<float>::quiet_NaN()}};
  CHECK(error_of([&] { to_bytes(broken); }) == Contains("not a number"));
  CHECK(error_of([] { to_floats({{1, 2, 2}, {0}}); }) ==
        "mtlx: to_floats: 1 values, expected 4 for the shape 1 x 2 x 2");
  CHECK(error_of([] { to_floats({}); }) == Contains("expected every side to be at least 1"));
}

TEST_CASE("colours as BT.601 has them") {
  // Black, white, red, green, blue, and a mixture; by hand from the standard's table.
  const Image image{{3, 2, 3}, {0, 1, 1, 0, 0, 0.2F, 0, 1, 0, 1, 0, 0.5F, 0, 1, 0, 0, 1, 0.8F}};
  const double y[] = {16,           235,         16 + 65.481,
                      16 + 128.553, 16 + 24.966, 16 + 0.2 * 65.481 + 0.5 * 128.553 + 0.8 * 24.966};
  const Image luminance = luma(image), all = rgb_to_ycbcr(image);
  REQUIRE(luminance.shape == Shape{1, 2, 3});
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(luminance.values[i] == doctest::Approx(y[i] / 255).epsilon(1e-6));
    CHECK(all.values[i] == luminance.values[i]);
  }
  CHECK(all.at(1, 0, 1) == doctest::Approx(128.0 / 255));  // white has no colour
  CHECK(all.at(1, 0, 2) == doctest::Approx(90.203 / 255));
  CHECK(all.at(2, 0, 2) == doctest::Approx(240.0 / 255));
  CHECK(largest_difference(ycbcr_to_rgb(all).values, image.values) < 2e-6);

  const Image grey{{1, 1, 2}, {0.25F, 1}};
  CHECK(largest_difference(luma(grey).values, luma(in_colour(grey)).values) < 1e-6);
  CHECK(in_colour(grey).values == std::vector<float>{0.25F, 1, 0.25F, 1, 0.25F, 1});
  CHECK(in_colour(image) == image);
  CHECK(in_grey(grey) == grey);
  CHECK(in_grey(image).values[5] == doctest::Approx(0.299 * 0.2 + 0.587 * 0.5 + 0.114 * 0.8));
  const Image two{{2, 1, 1}, {0, 0}};
  CHECK(error_of([&] { luma(two); }) == Contains("a picture of 2 channels, expected 1 (grey) or 3"));
  CHECK(error_of([&] { in_colour(two); }) == Contains("2 channels"));
  CHECK(error_of([&] { rgb_to_ycbcr(grey); }) == Contains("1 channels, expected 3"));
  CHECK(error_of([&] { ycbcr_to_rgb(grey); }) == Contains("1 channels, expected 3"));
}

TEST_CASE("resizing is OpenCV's, PyTorch's and MATLAB's") {
  const Image image = oracle_picture();
  const auto off = [&](std::span<const double> expected, int height, int width, ResizeOptions options) {
    return largest_difference(resize(image, height, width, options).values, expected);
  };
  using enum Interpolation;
  CHECK(off(resized_bilinear_5_4, 5, 4, {bilinear}) < 2e-6);
  CHECK(off(resized_bilinear_20_31, 20, 31, {bilinear}) < 2e-6);
  CHECK(off(resized_bilinear_4_29, 4, 29, {bilinear}) < 2e-6);
  CHECK(off(resized_bicubic_5_4, 5, 4, {bicubic}) < 2e-6);
  CHECK(off(resized_bicubic_20_31, 20, 31, {bicubic}) < 2e-6);
  CHECK(off(resized_bicubic_4_29, 4, 29, {bicubic}) < 2e-6);
  CHECK(off(resized_area_5_4, 5, 4, {area}) < 1e-6);
  CHECK(off(resized_area_20_31, 20, 31, {area}) < 1e-6);
  CHECK(off(resized_area_3_1, 3, 1, {area}) < 1e-6);
  CHECK(off(resized_nearest_5_29, 5, 29, {nearest}) < 1e-7);
  CHECK(off(resized_antialiased_bilinear_5_4, 5, 4, {bilinear, true}) < 1e-6);
  CHECK(off(resized_antialiased_bilinear_20_31, 20, 31, {bilinear, true}) < 1e-6);
  CHECK(off(resized_antialiased_bilinear_3_26, 3, 26, {bilinear, true}) < 1e-6);
  CHECK(off(resized_antialiased_bicubic_5_4, 5, 4, {bicubic, true}) < 1e-6);
  CHECK(off(resized_antialiased_bicubic_20_31, 20, 31, {bicubic, true}) < 1e-6);
  CHECK(off(resized_antialiased_bicubic_3_26, 3, 26, {bicubic, true}) < 1e-6);

  // Every way keeps a flat picture flat, whatever the sides, and a picture of the same sides as it is.
  const Image flat{{2, 3, 5}, std::vector<float>(30, 0.75F)};
  for (const Interpolation interpolation : {nearest, area, bilinear, bicubic})
    for (const bool antialias : {false, true}) {
      for (const int side : {1, 2, 3, 8, 40})
        for (const float value : resize(flat, side, 41 - side, {interpolation, antialias}).values)
          CHECK(std::fabs(value - 0.75F) < 1e-6F);
      CHECK(resize(image, 9, 13, {interpolation, antialias}) == image);
    }
  // Channels do not meet.
  Image both = in_colour(image);
  for (std::size_t i = image.values.size(); i < both.values.size(); ++i) both.values[i] = 0;
  const Image made = resize(both, 4, 5);
  CHECK(crop(resize(image, 4, 5), 0, 0, 4, 5).values ==
        std::vector<float>(made.values.begin(), made.values.begin() + 20));
  for (std::size_t i = 20; i < 60; ++i) CHECK(made.values[i] == 0);

  CHECK(downscaled(oracle_picture(8, 12), 4) == resize(oracle_picture(8, 12), 2, 3, {bicubic, true}));
  CHECK(error_of([&] { downscaled(image, 2); }) == Contains("9 x 13 by 2, expected sides that are multiples"));
  CHECK(error_of([&] { resize(image, 0, 3); }) == Contains("to 0 x 3"));
  CHECK(error_of([&] { resize(image, 3, (1 << 20) + 1); }) == Contains("expected sides from 1"));
}

#if MTLX_DATA_STB

namespace {

template <std::size_t size>
std::string text_of(const unsigned char (&bytes)[size]) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// The largest difference of two pictures' bytes.
int largest_step(const ByteImage& a, std::span<const unsigned char> b) {
  if (a.values.size() != b.size()) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < b.size(); ++i) largest = std::max(largest, std::abs(a.values[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("files as Pillow writes and reads them") {
  const auto read = [](const std::string& bytes, int channels = 3) {
    return parse_image(bytes, "picture", {.channels = channels});
  };
  const std::string png = text_of(file_png);
  CHECK(read(png).shape == Shape{3, 11, 14});
  CHECK(largest_step(read(png), pixels_png) == 0);
  CHECK(largest_step(read(text_of(file_palette_png)), pixels_palette_png) == 0);
  CHECK(largest_step(read(text_of(file_bmp)), pixels_bmp) == 0);
  CHECK(largest_step(read(text_of(file_grey_png), 1), pixels_grey_png) == 0);
  CHECK(largest_step(read(text_of(file_grey_png), 0), pixels_grey_png) == 0);
  CHECK(read(text_of(file_grey_png)) == in_colour(read(text_of(file_grey_png), 1)));
  CHECK(read(png, 1) == to_bytes(in_grey(to_floats(read(png)))));
  // Two decoders of JPEG differ by how they round and enlarge the colours.
  CHECK(largest_step(read(text_of(file_jpeg)), pixels_jpeg) <= 3);
  CHECK(largest_step(read(text_of(file_progressive_jpeg)), pixels_progressive_jpeg) <= 3);

  // What is written is read again; the path is in the errors.
  const ByteImage picture = read(png);
  for (const int channels : {1, 2, 3, 4}) {
    ByteImage some{{channels, 11, 14}, {}};
    for (std::size_t i = 0; i < some.shape.size(); ++i) some.values.push_back(static_cast<std::uint8_t>(i * 7));
    CHECK(read(encode_png(some), 0) == some);
    if (channels % 2 == 0) CHECK(error_of([&] { read(encode_png(some)); }) == Contains("transparent"));
    if (channels % 2 == 0) CHECK(error_of([&] { encode_jpeg(some, 90); }) == Contains("expected 1 or 3"));
    if (channels % 2 == 0) {
      std::fill(some.values.end() - 11 * 14, some.values.end(), std::uint8_t{255});
      CHECK(read(encode_png(some)).shape.channels == 3);
    }
  }
  const ByteImage pixel{{1, 1, 1}, {200}};
  CHECK(read(encode_png(pixel), 1) == pixel);
  CHECK(largest_step(read(encode_jpeg(pixel, 100), 1), pixel.values) <= 2);
  const Temporary folder;
  const std::string path = folder.path() + "/a.png";
  write_png(path, picture);
  CHECK(read_image(path) == picture);
  write_jpeg(path, picture);  // told by its bytes, not by its name
  CHECK(largest_step(read_image(path), picture.values) < 30);
  CHECK(error_of([&] { read_image(path + "x"); }) == Contains("a.pngx"));
  CHECK(error_of([&] { read_image(path, {.most_pixels = 153}); }) ==
        Contains("11 x 14 pixels, more than most_pixels = 153"));
  CHECK(error_of([&] { read_image(path, {.channels = 2}); }) == Contains("channels = 2"));
  CHECK(error_of([&] { encode_jpeg(picture, 0); }) == Contains("quality 0, expected 1 to 100"));
  CHECK(error_of([&] { encode_png({{1, 2, 2}, {1}}); }) == Contains("1 values, expected 4"));

  // A better quality is nearer and larger.
  double last = 1e9;
  std::size_t size = 0;
  for (const int quality : {10, 30, 60, 95}) {
    const std::string bytes = encode_jpeg(picture, quality);
    double error = 0;
    const ByteImage back = read(bytes);
    for (std::size_t i = 0; i < picture.values.size(); ++i) error += std::pow(picture.values[i] - back.values[i], 2);
    CHECK(error < last);
    CHECK(bytes.size() > size);
    last = error;
    size = bytes.size();
  }
}

TEST_CASE("no cut or broken file is a picture") {
  for (const std::string& whole : {text_of(file_png), text_of(file_jpeg), text_of(file_bmp), text_of(file_palette_png),
                                   text_of(file_progressive_jpeg)})
    for (std::size_t size = 0; size < whole.size(); ++size)
      CHECK(error_of([&] { parse_image(whole.substr(0, size), "cut.file"); }) == Contains("mtlx: cut.file"));
  const std::string png = text_of(file_png);
  for (std::size_t at = 8; at < png.size(); ++at) {
    std::string flipped = png;
    flipped[at] = static_cast<char>(flipped[at] ^ 16);
    CHECK(error_of([&] { parse_image(flipped, "flipped"); }) == Contains("flipped"));
  }
  CHECK(error_of([&] { parse_image(png + "x", "long"); }) == Contains("goes on after the end"));
  CHECK(error_of([] { parse_image("GIF89a", "a.gif"); }) == Contains("a.gif is no PNG, JPEG or BMP file"));
  // A JPEG that promises 65535 x 65535 pixels in few bytes.
  std::string huge = text_of(file_jpeg);
  const std::size_t frame = huge.find("\xFF\xC0");
  REQUIRE(frame != std::string::npos);
  for (std::size_t i = 5; i < 9; ++i) huge[frame + i] = '\xFF';
  CHECK(error_of([&] { parse_image(huge, "huge"); }) == Contains("65535 x 65535 pixels, more than a file"));
  // The same with a small second frame behind it.
  const std::size_t segment = 2 + static_cast<unsigned char>(huge[frame + 3]);
  huge.insert(frame + segment, text_of(file_jpeg).substr(frame, segment));
  CHECK(error_of([&] { parse_image(huge, "huge"); }) == Contains("its JPEG has two frames"));
  // Huffman tables of too many codes, and of first coefficients of too many bits: stb would write and shift out of bounds.
  std::string coded = text_of(file_jpeg);
  const std::size_t table = coded.find("\xFF\xC4");
  REQUIRE(table != std::string::npos);
  coded[table + 5] = coded[table + 6] = '\xFF';
  CHECK(error_of([&] { parse_image(coded, "coded"); }) == Contains("coded is broken: a Huffman table"));
  coded = text_of(file_jpeg);
  coded[table + 21] = '\x20';
  CHECK(error_of([&] { parse_image(coded, "coded"); }) == Contains("first coefficient of the JPEG has 32 bits"));
  // A table that is not there: whatever comes out, it is the same each time.
  coded = text_of(file_jpeg);
  coded[table + 1] = '\xFE';  // a comment
  const auto outcome = [&] {
    ByteImage picture;
    const std::string message = error_of([&] { picture = parse_image(coded, "coded"); }).c_str();
    return std::pair(message, picture);
  };
  CHECK(outcome() == outcome());
  std::string wide = text_of(file_bmp);
  wide[20] = '\x7F';
  CHECK(error_of([&] { parse_image(wide, "wide"); }) == Contains("wide"));

  Random random(7, Purpose::user);
  int read = 0;
  for (const std::string& whole :
       {text_of(file_jpeg), text_of(file_progressive_jpeg), text_of(file_bmp), text_of(file_grey_png)})
    for (int i = 0; i < 500; ++i) {
      const std::string bytes = mutated(whole, random);
      const std::string message = error_of([&] {
                                    const ByteImage picture = parse_image(bytes, "mutated", {.channels = 0});
                                    check_picture("mutated", picture);
                                    ++read;
                                  }).c_str();
      CHECK((message.empty() || message.starts_with("mtlx: ")));
    }
  CHECK(read > 100);  // some are pictures still
}

#else

TEST_CASE("without stb it says what to link") {
  CHECK(error_of([] { encode_png({{1, 1, 1}, {0}}); }) == Contains("link mtlx::stb"));
  CHECK(error_of([] { encode_jpeg({{1, 1, 1}, {0}}, 50); }) == Contains("link mtlx::stb"));
  CHECK(error_of([] { parse_image({reinterpret_cast<const char*>(file_png), sizeof file_png}, "a.png"); }) ==
        Contains("a.png: this program was built without stb_image"));
}

#endif
