// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/backend/backend.hpp>
#include <mtlx/backend/device.hpp>
#include <mtlx/backend/recording.hpp>
#include <mtlx/core/kind.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

namespace mtlx::backend {

/// Backend policy: the network is recorded, and a device runs it. `backend::Cuda` is one.
template <Device D, std::floating_point T>
class Recorded {
 public:
  static constexpr auto kind = Kind::backend;
  using Scalar = T;
  using Device = D;
  using Options = typename D::Options;
  template <std::size_t>
  using Slice = RecordingSlice<T>;

  /// Throws `Error` if there is no such device.
  explicit Recorded(Options options = {}) : device_(std::make_shared<D>(options)) {}

  const std::shared_ptr<D>& device() const { return device_; }

 private:
  std::shared_ptr<D> device_;
};

/// Numbers on a device, or (staging) on the host where the device reads and writes them. Zero at first.
template <class D, class T, bool staging = false>
class DeviceArray {
 public:
  DeviceArray() = default;
  /// Throws `Error` if the memory is not there.
  DeviceArray(std::shared_ptr<D> device, std::size_t size) : device_(std::move(device)), size_(size) {
    if (size == 0) return;
    data_ =
        static_cast<T*>(staging ? device_->allocate_staging(size * sizeof(T)) : device_->allocate(size * sizeof(T)));
  }
  DeviceArray(DeviceArray&& other) noexcept { swap(other); }
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    DeviceArray old(std::move(*this));
    swap(other);
    return *this;
  }
  ~DeviceArray() {
    if (data_ == nullptr) return;
    if constexpr (staging)
      device_->release_staging(data_);
    else
      device_->release(data_);
  }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  void swap(DeviceArray& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::shared_ptr<D> device_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The same on the host.
template <class D, class T>
using StagingArray = DeviceArray<D, T, true>;

}  // namespace mtlx::backend
