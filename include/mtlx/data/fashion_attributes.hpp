// SPDX-License-Identifier: MIT
// Fashion-MNIST with nine questions about each picture instead of one, as CelebA has of faces. Four follow from the picture's
// class by what its name means, and are missing where the name doesn't say; five are counted in the pixels, and vary within
// the classes (but no sneaker is "tall", and one ankle boot of 6,000 "left").
//
//   task          answers                          of
//   region        upper body, legs or whole body,  0 T-shirt/top, 2 pullover, 4 coat, 6 shirt; 1 trouser, 3 dress;
//                 feet, carried                    5 sandal, 7 sneaker, 9 ankle boot; 8 bag
//   shoe          sandal, sneaker, boot            5; 7; 9; missing for all others
//   long_sleeves  yes                              2 pullover, 4 coat
//                 no                               0 T-shirt/top; missing for all others (shirts and dresses have either)
//   opens         yes: it opens in front           4 coat, 6 shirt
//                 no                               0 T-shirt/top, 2 pullover; missing for all others
//   ink           yes                              more than 45 % of the pixels are 32 or more
//   bright        yes                              the pixels that aren't 0 have a mean of more than 150
//   left          yes                              the left half's sum is larger than the right's
//   tall          yes                              the box around the pixels of 32 or more is taller than wide
//   textured      yes                              the differences between neighbours, right and below, sum to more than 0.54
//                                                  of the pixels' sum
//
// 45 %, 150 and 0.54 are close to the medians of the 60,000 training pictures. Of those, 24 % are "left" and 64 % "tall".
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/idx.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/multi_fashion.hpp>
#include <mtlx/data/parts.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

namespace detail {

// Of each class of Fashion-MNIST.
struct FashionAnswers {
  int region, shoe, long_sleeves, opens;
};
inline constexpr std::array<FashionAnswers, 10> fashion_answers{{{0, -1, 0, 0},
                                                                 {1, -1, -1, -1},
                                                                 {0, -1, 1, 0},
                                                                 {1, -1, -1, -1},
                                                                 {0, -1, 1, 1},
                                                                 {2, 0, -1, -1},
                                                                 {0, -1, -1, 1},
                                                                 {2, 1, -1, -1},
                                                                 {3, -1, -1, -1},
                                                                 {2, 2, -1, -1}}};

// What is counted in the pixels of one picture.
struct PixelAnswers {
  bool ink, bright, left, tall, textured;
};

[[gnu::cold, gnu::noinline]] inline PixelAnswers pixel_answers(const std::uint8_t* pixels, std::size_t height,
                                                               std::size_t width) {
  constexpr std::uint8_t drawn = 32;
  std::size_t count = 0, lit = 0, sum = 0, left = 0, right = 0, differences = 0;
  std::size_t top = height, bottom = 0, first = width, last = 0;
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint8_t pixel = pixels[y * width + x];
      const auto apart = [&](std::size_t other) {
        return static_cast<std::size_t>(std::max(pixel, pixels[other]) - std::min(pixel, pixels[other]));
      };
      sum += pixel, lit += pixel != 0;
      if (x < width / 2) left += pixel;
      if (x >= width - width / 2) right += pixel;  // of an odd width, the middle is in neither half
      if (x + 1 < width) differences += apart(y * width + x + 1);
      if (y + 1 < height) differences += apart((y + 1) * width + x);
      if (pixel < drawn) continue;
      ++count;
      top = std::min(top, y), bottom = std::max(bottom, y + 1);
      first = std::min(first, x), last = std::max(last, x + 1);
    }
  return {count * 100 > height * width * 45, sum > lit * 150, left > right, count > 0 && bottom - top > last - first,
          differences * 100 > sum * 54};
}

}  // namespace detail

/// Pictures with the nine tasks above: "region" of 4 classes, "shoe" of 3, the others of yes (1) or no (0). `pictures`:
/// `(n, height, width)`; `labels`: Fashion-MNIST's n classes. Inputs are `(1, height, width)` bytes. Throws `Error` for other
/// dimensions, and labels that are too few, too many or not from 0 to 9 (naming the picture).
[[gnu::cold, gnu::noinline]] inline DataSet fashion_attributes(const Idx& pictures, std::span<const int> labels) {
  const auto [n, height, width] = detail::picture_sizes("fashion attributes", pictures, labels);
  detail::check_fashion_labels("fashion attributes", labels);
  std::array<std::vector<int>, 2> classes;
  std::array<std::vector<float>, 7> answers;
  const auto answer = [](int known) {
    return known == missing_label ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(known);
  };
  for (std::size_t i = 0; i < n; ++i) {
    const detail::FashionAnswers& of_class = detail::fashion_answers[static_cast<std::size_t>(labels[i])];
    const auto seen = detail::pixel_answers(pictures.bytes.data() + i * height * width, height, width);
    classes[0].push_back(of_class.region), classes[1].push_back(of_class.shoe);
    const std::array all{of_class.long_sleeves, of_class.opens, int{seen.ink},     int{seen.bright},
                         int{seen.left},        int{seen.tall}, int{seen.textured}};
    for (std::size_t a = 0; a < all.size(); ++a) answers[a].push_back(answer(all[a]));
  }
  std::vector<Column> columns{{"region", Targets::classes(classes[0])}, {"shoe", Targets::classes(classes[1])}};
  constexpr std::array names{"long_sleeves", "opens", "ink", "bright", "left", "tall", "textured"};
  for (std::size_t a = 0; a < names.size(); ++a)
    columns.push_back({names[a], Targets::values(1, std::move(answers[a]))});
  return DataSet(Inputs(Shape{1, static_cast<int>(height), static_cast<int>(width)}, pictures.bytes),
                 std::move(columns));
}

// Named by what they can read, as in idx.hpp.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

/// Fashion-MNIST's files in a directory (see `fashion_files`) with the nine tasks: 60,000 pictures, of which the last ones,
/// that share of them, validate, and 10,000 to test on. `limit`: the first so many of each split alone; 0 for all. Throws
/// `Error` if a file is missing or broken, or a part would be empty.
[[gnu::cold, gnu::noinline]] inline Parts fashion_attribute_parts(
    double validation, const std::string& directory = "/usr/share/datasets/fashion-mnist", std::size_t limit = 0) {
  check_option("fashion attributes: validation", validation, {.most = 1, .most_too = false});
  const auto load = [&](const char* split) {
    const auto [pictures, labels] = fashion_files(directory, split);
    const DataSet all = fashion_attributes(pictures, labels);
    return limit == 0 ? all : take(all, limit);
  };
  const DataSet all = load("train");
  const auto held = static_cast<std::size_t>(validation * static_cast<double>(all.size()) + 0.5);
  if (held == 0 || held >= all.size())
    fail("fashion attributes: ", all.size(), " pictures can't be split at ", validation, ": a part would be empty");
  const std::vector<std::size_t> order = detail::counted(all.size());
  Parts parts;
  detail::add_part(parts.train, all.streams()[0], std::span(order).first(all.size() - held));
  detail::add_part(parts.validation, all.streams()[0], std::span(order).last(held));
  parts.test = load("t10k");
  return parts;
}

}  // inline namespace

}  // namespace mtlx::data
