// SPDX-License-Identifier: MIT
// Multi-Fashion: two pictures laid over each other, one task for each. Built as in Sener and Koltun (NeurIPS 2018,
// multi_mnist_loader.py) and Pareto MTL (Lin, Zhen, Li, Zhang, Kwong, NeurIPS 2019): 36 x 36, the left picture at
// (0, 0), the right one at (6, 6), the larger of the two at each pixel. Their pairing isn't published: ours comes from
// the seed, so results are comparable, not equal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/idx.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// How pairs of pictures are built.
struct MultiFashionOptions {
  /// Side of the result in pixels: 36, or 28 (every pixel the nearest of the 36, i -> floor(36 i / 28)).
  int size = 36;
  /// Pairs in which each picture is the left one; at least 1.
  int partners = 2;
  /// Decides the pairs.
  std::uint64_t seed = 1;
  /// How many pictures of each split are used (the first ones), at least 2; 0 for all.
  std::size_t limit = 0;
};

/// Pairs of pictures with the tasks "left" and "right", ten classes each.
struct MultiFashion {
  DataSet train, test;
};

/// The same with pairs to validate on: no picture is in pairs of two of the sets.
struct MultiFashionParts {
  DataSet train, validation, test;
};

namespace detail {

struct PictureSizes {
  std::size_t count, height, width;
};
// Of pictures (n, height, width) with n labels.
[[gnu::cold, gnu::noinline]] inline PictureSizes picture_sizes(const char* what, const Idx& pictures,
                                                               std::span<const int> labels) {
  if (pictures.dimensions.size() != 3)
    fail(what, ": the pictures have ", pictures.dimensions.size(), " dimensions, expected 3 (n, height, width)");
  const std::size_t n = pictures.dimensions[0], height = pictures.dimensions[1], width = pictures.dimensions[2];
  if (height < 1 || width < 1 || pictures.bytes.size() / height / width != n ||
      n * height * width != pictures.bytes.size())
    fail(what, ": ", pictures.bytes.size(), " bytes for ", n, " pictures of ", height, " x ", width);
  if (labels.size() != n) fail(what, ": ", labels.size(), " labels, expected ", n, ", one for each picture");
  return {n, height, width};
}
[[gnu::cold]] inline void check_fashion_labels(const char* what, std::span<const int> labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || labels[i] > 9) fail(what, ": picture ", i, " has label ", labels[i], ", expected 0 to 9");
}

// Lays a picture of `height` rows of `width` bytes over what is there, `stride` bytes a row: the larger number counts.
[[gnu::noinline]] inline void lay_over(const std::uint8_t* from, std::size_t height, std::size_t width,
                                       std::uint8_t* to, std::size_t stride) {
  for (std::size_t y = 0; y < height; ++y, from += width, to += stride)
    for (std::size_t x = 0; x < width; ++x) to[x] = std::max(to[x], from[x]);
}
// Every pixel of a square of `side` the nearest of one of `canvas`.
[[gnu::noinline]] inline void shrink(const std::uint8_t* from, std::size_t canvas, std::uint8_t* to, std::size_t side) {
  for (std::size_t y = 0; y < side; ++y)
    for (std::size_t x = 0; x < side; ++x) *to++ = from[y * canvas / side * canvas + x * canvas / side];
}

}  // namespace detail

/// Lays pictures over each other in pairs. `pictures`: `(n, height, width)`, at most 30 x 30; `labels`: n classes.
/// Pair `round * n + i` has picture i on the left, and on the right one drawn uniformly from the others (never i
/// itself; it may be of the same class, and may come again in another round), so there are `partners * n` pairs.
/// `split` tells the random streams of one seed apart. Throws `Error` for other dimensions, fewer than two pictures,
/// labels that are too few, too many or not below 10, and options out of range.
[[gnu::cold]] inline DataSet pair_up(const Idx& pictures, std::span<const int> labels, std::uint64_t split,
                                     const MultiFashionOptions& options = {}) {
  constexpr std::size_t canvas = 36, offset = 6;
  if (options.size != 28 && options.size != 36) fail("multi-fashion: size ", options.size, ", expected 36 or 28");
  if (options.partners < 1) fail("multi-fashion: ", options.partners, " partners, expected at least 1");
  const auto [count, height, width] = detail::picture_sizes("multi-fashion", pictures, labels);
  if (height > canvas - offset || width > canvas - offset)
    fail("multi-fashion: pictures of ", height, " x ", width, ", expected at most 30 x 30 (28 x 28 in Fashion-MNIST)");
  const std::size_t area = height * width;
  const std::size_t n = options.limit == 0 ? count : std::min(options.limit, count);
  if (n < 2 || n > std::numeric_limits<std::uint32_t>::max())
    fail("multi-fashion: ", n, " pictures to pair, expected at least 2 (and fewer than 2^32)");
  detail::check_fashion_labels("multi-fashion", labels.first(n));

  const auto side = static_cast<std::size_t>(options.size);
  const std::size_t pairs = static_cast<std::size_t>(options.partners) * n;
  std::vector<std::uint8_t> result(pairs * side * side), both(canvas * canvas);
  std::vector<int> left_labels(pairs), right_labels(pairs);
  Random random(options.seed, Purpose::build, split);
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const std::size_t left = pair % n;
    std::size_t right = random.below(static_cast<std::uint32_t>(n - 1));
    if (right >= left) ++right;  // skips the picture itself
    std::fill(both.begin(), both.end(), std::uint8_t{0});
    detail::lay_over(pictures.bytes.data() + left * area, height, width, both.data(), canvas);
    detail::lay_over(pictures.bytes.data() + right * area, height, width, both.data() + offset * (canvas + 1), canvas);
    detail::shrink(both.data(), canvas, result.data() + pair * side * side, side);
    left_labels[pair] = labels[left];
    right_labels[pair] = labels[right];
  }
  std::vector<Column> columns;
  columns.push_back({"left", Targets::classes(left_labels)});
  columns.push_back({"right", Targets::classes(right_labels)});
  return DataSet(Inputs(Shape{1, options.size, options.size}, std::move(result)), std::move(columns));
}

// Named by what they can read, as in idx.hpp.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

/// The pictures and labels of Fashion-MNIST's "train" or "t10k" in a directory (the unpacked files if they are there, else
/// `.gz`). Throws `Error` if a file is missing or broken.
[[gnu::cold, gnu::noinline]] inline std::pair<Idx, std::vector<int>> fashion_files(const std::string& directory,
                                                                                   const std::string& split) {
  const auto find = [&](const char* name) {
    std::string path = join(directory, "/", split, name);
    if (detail::OpenFile(path.c_str()).get()) return path;
    path += ".gz";
    if (!detail::OpenFile(path.c_str()).get())
      fail(path, " is not there; on Debian, apt-get install dataset-fashion-mnist brings Fashion-MNIST");
    return path;
  };
  const std::string images = find("-images-idx3-ubyte"), labels = find("-labels-idx1-ubyte");
  return {read_idx(images), read_idx_labels(labels)};
}

/// Builds Multi-Fashion from the four files of Fashion-MNIST in a directory (`train-images-idx3-ubyte` and so on; the
/// unpacked one if it is there, else `.gz`): 120,000 pairs to train on and 20,000 to test on, in bytes. Pairs never mix
/// the two splits; their order is that of `pair_up`. Throws `Error` if a file is missing or broken.
[[gnu::cold]] inline MultiFashion multi_fashion(const std::string& directory = "/usr/share/datasets/fashion-mnist",
                                                const MultiFashionOptions& options = {}) {
  const auto build = [&](const char* split, std::uint64_t number) {
    const auto [pictures, labels] = fashion_files(directory, split);
    return pair_up(pictures, labels, number, options);
  };
  return {build("train", 0), build("t10k", 1)};
}

/// The same, with the last pictures to train on, that share of them, paired among themselves as a validation set: pairs that
/// are held out after pairing would share nearly all their pictures with those that train. 0.1 gives 108,000, 12,000 and
/// 20,000 pairs. Throws `Error` as `multi_fashion`, and if a part has fewer than two pictures.
[[gnu::cold]] inline MultiFashionParts multi_fashion_parts(
    double validation, const std::string& directory = "/usr/share/datasets/fashion-mnist",
    const MultiFashionOptions& options = {}) {
  check_option("multi-fashion: validation", validation, {.most = 1, .most_too = false});
  auto [pictures, labels] = fashion_files(directory, "train");
  const std::size_t all = options.limit == 0 ? labels.size() : std::min(options.limit, labels.size());
  const auto held = static_cast<std::size_t>(validation * static_cast<double>(all) + 0.5);
  MultiFashionOptions rest = options;
  rest.limit = std::max<std::size_t>(all - held, 1);  // 0 would be all of them
  MultiFashionParts parts;
  parts.train = pair_up(pictures, labels, 0, rest);
  const std::size_t area = pictures.bytes.size() / labels.size(), first = all - held;
  pictures.bytes.assign(pictures.bytes.begin() + static_cast<std::ptrdiff_t>(first * area),
                        pictures.bytes.begin() + static_cast<std::ptrdiff_t>(all * area));
  pictures.dimensions[0] = held;
  rest.limit = 0;
  parts.validation = pair_up(pictures, std::span(labels).subspan(first, held), 2, rest);
  const auto [tests, test_labels] = fashion_files(directory, "t10k");
  parts.test = pair_up(tests, test_labels, 1, options);
  return parts;
}

}  // inline namespace

}  // namespace mtlx::data
