// SPDX-License-Identifier: MIT
#include <mtlx/core/buffer.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <numeric>
#include <type_traits>

using namespace mtlx;

namespace {

static_assert(std::is_nothrow_move_constructible_v<Buffer<float>>);
static_assert(std::is_nothrow_move_assignable_v<Buffer<float>>);

}  // namespace

TEST_CASE_TEMPLATE("a buffer starts at a cache line, with zeros", T, float, double, unsigned char) {
  for (const std::size_t size : {1U, 3U, 64U, 1000U}) {
    const Buffer<T> buffer(size);
    CHECK(buffer.size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
    for (const T number : buffer.span()) CHECK(number == T(0));
  }
}

TEST_CASE("empty buffers") {
  const Buffer<float> none, zero(0), copy = zero;
  for (const Buffer<float>* buffer : {&none, &zero, &copy}) {
    CHECK(buffer->size() == 0);
    CHECK(buffer->span().empty());
  }
}

TEST_CASE("copies are deep, moves leave nothing behind") {
  Buffer<int> a(5);
  std::iota(a.data(), a.data() + 5, 1);
  Buffer<int> b = a;
  b[0] = 9;
  CHECK(a[0] == 1);
  CHECK(b[4] == 5);
  const int* const place = a.data();
  Buffer<int> c = std::move(a);
  CHECK(c.data() == place);
  CHECK(a.size() == 0);  // NOLINT: what a move leaves is promised
  CHECK(a.data() == nullptr);
  b = std::move(c);
  CHECK(b.data() == place);
  const Buffer<int>& itself = b;
  b = itself;
  CHECK(b[1] == 2);
  a = b;
  CHECK(a.size() == 5);
  CHECK(a[4] == 5);
}
