// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <utility>

namespace mtlx {

/// A fixed block of numbers at a cache line's start, zero at first. Moves, never grows.
template <class T>
class Buffer {
 public:
  static constexpr std::align_val_t alignment{64};

  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size), data_(size == 0 ? nullptr : allocate(size)) {
    std::fill_n(data_, size_, T{});
  }
  Buffer(const Buffer& other) : Buffer(other.size_) { std::copy_n(other.data_, size_, data_); }
  Buffer(Buffer&& other) noexcept : size_(std::exchange(other.size_, 0)), data_(std::exchange(other.data_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Buffer() { ::operator delete(data_, alignment); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  static T* allocate(std::size_t size) { return static_cast<T*>(::operator new(size * sizeof(T), alignment)); }

  std::size_t size_ = 0;
  T* data_ = nullptr;
};

}  // namespace mtlx
