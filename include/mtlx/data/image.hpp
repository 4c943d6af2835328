// SPDX-License-Identifier: MIT
// Pictures in memory: as numbers to work on, as bytes to keep. Pieces of them, their eight symmetries, and their colours:
//   Y  = ( 65.481 R + 128.553 G +  24.966 B +  16) / 255
//   Cb = (-37.797 R -  74.203 G + 112     B + 128) / 255
//   Cr = (112     R -  93.786 G -  18.214 B + 128) / 255        R, G, B in [0, 1]
// Reference: ITU-R BT.601, as MATLAB's rgb2ycbcr has it: Y goes from 16/255 to 235/255. Papers on super-resolution measure on
// this Y, not on the full-range luma of JPEG and OpenCV.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/checks.hpp>

namespace mtlx::data {

/// A picture: `shape.size()` numbers, channel by channel, row by row, as the inputs of a model lie. One channel is grey,
/// three are red, green and blue.
template <class T>
struct Picture {
  Shape shape;
  std::vector<T> values;

  /// The number of a pixel; not checked.
  T& at(int channel, int row, int column) { return values[shape.at(channel, row, column)]; }
  const T& at(int channel, int row, int column) const { return values[shape.at(channel, row, column)]; }

  friend bool operator==(const Picture&, const Picture&) = default;
};

/// A picture to work on: 0 is black, 1 is white. What is computed may lie outside, until it is `clipped`.
using Image = Picture<float>;
/// A picture to keep: 0 is black, 255 is white. The values may become `Inputs`, which read them as b / 255 too.
using ByteImage = Picture<std::uint8_t>;

/// Throws `Error`, which begins with `what`, unless every side is at least 1 and there are as many values as the shape says.
template <class T>
void check_picture(std::string_view what, const Picture<T>& picture) {
  detail::check_shape(what, picture.shape);
  if (picture.values.size() != picture.shape.size())
    fail(what, ": ", picture.values.size(), " values, expected ", picture.shape.size(), " for the shape ",
         picture.shape);
}

namespace detail {

[[gnu::cold, gnu::noinline]] inline void check_channels(std::string_view what, const Image& image) {
  check_picture(what, image);
  if (image.shape.channels != 1 && image.shape.channels != 3)
    fail(what, ": a picture of ", image.shape.channels, " channels, expected 1 (grey) or 3 (red, green, blue)");
}

// Three weights and a constant of a colour.
using Mix = std::array<float, 4>;
inline constexpr Mix luma_mix = {65.481F / 255, 128.553F / 255, 24.966F / 255, 16.0F / 255};
inline constexpr Mix grey_mix = {0.299F, 0.587F, 0.114F, 0};

// One channel of a new picture out of the three of another.
inline void mix(const Image& image, const Mix& by, float* to) {
  const std::size_t plane = image.values.size() / 3;
  const float* from = image.values.data();
  for (std::size_t i = 0; i < plane; ++i)
    to[i] = by[0] * from[i] + by[1] * from[plane + i] + by[2] * from[2 * plane + i] + by[3];
}

inline Image mixed(const Image& image, std::span<const Mix> by) {
  Image result{{static_cast<int>(by.size()), image.shape.height, image.shape.width}, {}};
  result.values.resize(result.shape.size());
  for (std::size_t c = 0; c < by.size(); ++c) mix(image, by[c], result.values.data() + c * image.values.size() / 3);
  return result;
}

}  // namespace detail

/// The picture as numbers: b / 255. Throws `Error` as `check_picture`.
[[gnu::noinline]] inline Image to_floats(const ByteImage& picture) {
  check_picture("to_floats", picture);
  Image image{picture.shape, std::vector<float>(picture.values.size())};
  for (std::size_t i = 0; i < image.values.size(); ++i)
    image.values[i] = static_cast<float>(picture.values[i]) / 255.0F;
  return image;
}

/// The picture as bytes: clipped to [0, 1], then 255 x rounded, halves up. Throws `Error` as `check_picture`, and for a
/// number that is not finite.
[[gnu::noinline]] inline ByteImage to_bytes(const Image& image) {
  check_picture("to_bytes", image);
  detail::check_finite("to_bytes", image.values, 0, image.values.size());
  ByteImage picture{image.shape, std::vector<std::uint8_t>(image.values.size())};
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    const float value = image.values[i] < 0 ? 0.0F : image.values[i] > 1 ? 1.0F : image.values[i];
    picture.values[i] = static_cast<std::uint8_t>(255 * value + 0.5F);
  }
  return picture;
}

/// The picture with what is below 0 as 0 and what is above 1 as 1.
[[gnu::noinline]] inline Image clipped(Image image) {
  for (float& value : image.values) value = value < 0 ? 0.0F : value > 1 ? 1.0F : value;
  return image;
}

/// A piece of a picture, `height` x `width` pixels with (top, left) as its first one. Throws `Error` if it is empty or not
/// all within.
template <class T>
Picture<T> crop(const Picture<T>& picture, int top, int left, int height, int width) {
  check_picture("crop", picture);
  const Shape& shape = picture.shape;
  if (height < 1 || width < 1 || top < 0 || left < 0 || height > shape.height || width > shape.width ||
      top > shape.height - height || left > shape.width - width)
    fail("crop: ", height, " x ", width, " pixels from (", top, ", ", left, ") on, of a picture of ", shape.height,
         " x ", shape.width);
  Picture<T> piece{{shape.channels, height, width}, {}};
  piece.values.reserve(piece.shape.size());
  for (int c = 0; c < shape.channels; ++c)
    for (int y = 0; y < height; ++y) {
      const T* row = picture.values.data() + shape.at(c, top + y, left);
      piece.values.insert(piece.values.end(), row, row + width);
    }
  return piece;
}

/// The picture without its last rows and columns, so that both sides are multiples of a number (`mod_crop` elsewhere).
/// Throws `Error` if nothing is left.
template <class T>
Picture<T> crop_to_multiple(const Picture<T>& picture, int of) {
  if (of < 1) fail("crop_to_multiple: of ", of, ", expected at least 1");
  return crop(picture, 0, 0, picture.shape.height / of * of, picture.shape.width / of * of);
}

/// A piece anywhere in the picture, each place equally likely. Throws `Error` if the picture is smaller.
template <class T>
Picture<T> random_crop(const Picture<T>& picture, int height, int width, Random& random) {
  const auto place = [&](int all, int part) {
    return part > 0 && all > part ? static_cast<int>(random.below(static_cast<std::uint32_t>(all - part) + 1)) : 0;
  };
  const int top = place(picture.shape.height, height);
  return crop(picture, top, place(picture.shape.width, width), height, width);
}

/// All square pieces of that size whose corners are `stride` apart, row by row, from the first pixel on; what is left over at
/// the right and at the bottom is in none. Throws `Error` if size or stride is below 1.
template <class T>
std::vector<Picture<T>> patches(const Picture<T>& picture, int size, int stride) {
  check_picture("patches", picture);
  if (size < 1 || stride < 1) fail("patches: size ", size, " and stride ", stride, ", expected at least 1");
  std::vector<Picture<T>> pieces;
  for (int top = 0; top <= picture.shape.height - size; top += stride)
    for (int left = 0; left <= picture.shape.width - size; left += stride)
      pieces.push_back(crop(picture, top, left, size, size));
  return pieces;
}

/// One of the eight symmetries of the square: bit 0 mirrors left and right, then bit 1 top and bottom, then bit 2 makes rows
/// of columns. 0 leaves all as it is; with bit 2, height and width change places. Throws `Error` if `symmetry` is not 0 to 7.
template <class T>
Picture<T> turned(const Picture<T>& picture, int symmetry) {
  check_picture("turned", picture);
  if (symmetry < 0 || symmetry > 7) fail("turned: symmetry ", symmetry, ", expected 0 to 7");
  const Shape& shape = picture.shape;
  const bool transpose = (symmetry & 4) != 0;
  Picture<T> result{{shape.channels, transpose ? shape.width : shape.height, transpose ? shape.height : shape.width},
                    {}};
  result.values.resize(picture.values.size());
  for (int c = 0; c < shape.channels; ++c)
    for (int y = 0; y < shape.height; ++y)
      for (int x = 0; x < shape.width; ++x) {
        const int row = (symmetry & 2) != 0 ? shape.height - 1 - y : y;
        const int column = (symmetry & 1) != 0 ? shape.width - 1 - x : x;
        (transpose ? result.at(c, column, row) : result.at(c, row, column)) = picture.at(c, y, x);
      }
  return result;
}

/// The symmetry that undoes another: turned(turned(p, s), inverse_symmetry(s)) is p.
constexpr int inverse_symmetry(int symmetry) {
  return (symmetry & 4) == 0 ? symmetry : 4 | (symmetry & 1) << 1 | (symmetry & 2) >> 1;
}

/// The channel Y, (1, height, width), see the head of this file; a grey picture counts as one of three equal channels.
/// Throws `Error` for other than 1 or 3 channels.
[[gnu::noinline]] inline Image luma(const Image& image) {
  detail::check_channels("luma", image);
  if (image.shape.channels == 3) return detail::mixed(image, {&detail::luma_mix, 1});
  Image y = image;
  for (float& value : y.values) value = (219 * value + 16) / 255;
  return y;
}

/// Y, Cb and Cr of a colour picture, see the head of this file. Throws `Error` for other than 3 channels.
[[gnu::noinline]] inline Image rgb_to_ycbcr(const Image& image) {
  check_picture("rgb_to_ycbcr", image);
  if (image.shape.channels != 3) fail("rgb_to_ycbcr: a picture of ", image.shape.channels, " channels, expected 3");
  static constexpr detail::Mix mixes[] = {detail::luma_mix,
                                          {-37.797F / 255, -74.203F / 255, 112.0F / 255, 128.0F / 255},
                                          {112.0F / 255, -93.786F / 255, -18.214F / 255, 128.0F / 255}};
  return detail::mixed(image, mixes);
}

/// Back from Y, Cb and Cr to red, green and blue. Throws `Error` for other than 3 channels.
[[gnu::noinline]] inline Image ycbcr_to_rgb(const Image& image) {
  check_picture("ycbcr_to_rgb", image);
  if (image.shape.channels != 3) fail("ycbcr_to_rgb: a picture of ", image.shape.channels, " channels, expected 3");
  // The inverse of the matrix above, times 255.
  static constexpr float luma = 1.164383562F, red = 1.596026786F, green_b = -0.391762290F, green_r = -0.812967647F,
                         blue = 2.017232143F;
  static constexpr auto constant = [](float cb, float cr) { return (-16 * luma - 128 * (cb + cr)) / 255; };
  static constexpr detail::Mix mixes[] = {{luma, 0, red, constant(0, red)},
                                          {luma, green_b, green_r, constant(green_b, green_r)},
                                          {luma, blue, 0, constant(blue, 0)}};
  return detail::mixed(image, mixes);
}

/// 0.299 R + 0.587 G + 0.114 B, (1, height, width): the grey that has the picture's full range. A grey picture stays. Throws
/// `Error` for other than 1 or 3 channels.
[[gnu::noinline]] inline Image in_grey(const Image& image) {
  detail::check_channels("in_grey", image);
  return image.shape.channels == 1 ? image : detail::mixed(image, {&detail::grey_mix, 1});
}

/// Three channels: those of a colour picture, three times that of a grey one. Throws `Error` for other than 1 or 3 channels.
template <class T>
Picture<T> in_colour(Picture<T> picture) {
  check_picture("in_colour", picture);
  if (picture.shape.channels == 3) return picture;
  if (picture.shape.channels != 1)
    fail("in_colour: a picture of ", picture.shape.channels, " channels, expected 1 (grey) or 3 (red, green, blue)");
  const std::size_t plane = picture.values.size();
  picture.shape.channels = 3;
  picture.values.reserve(3 * plane);
  for (std::size_t i = 0; i < 2 * plane; ++i) picture.values.push_back(picture.values[i]);
  return picture;
}

}  // namespace mtlx::data
