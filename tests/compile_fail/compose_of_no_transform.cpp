// SPDX-License-Identifier: MIT
// expect: mtlx: every part of a Compose must be a transform, called as transform(std::span<T> sample, const Shape& shape, Random& random) const
#include <mtlx/data/augmentation.hpp>

struct Brighten {
#ifdef MTLX_FIXED
  template <class T>
  void operator()(std::span<T> sample, const mtlx::Shape&, mtlx::Random&) const {
    for (T& number : sample) number += T(1);
  }
#else
  template <class T>
  void operator()(std::span<T> sample) const {
    for (T& number : sample) number += T(1);
  }
#endif
};

void vary(std::span<float> sample, mtlx::Random& random) {
  const mtlx::data::Compose both{mtlx::data::RandomFlip{}, Brighten{}};
  both(sample, mtlx::Shape{1, 2, 2}, random);
}
