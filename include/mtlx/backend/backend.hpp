// SPDX-License-Identifier: MIT
// The concept of a backend: where numbers live and how they are computed with.
//
// A backend names its scalar and, for a model that needs n numbers a sample, a `Slice<n>`: a group of samples, the
// layout of their features behind opaque views, and the primitives on them. The training loop cuts a batch into slices
// and lets `run` spread them over the workers; nothing above this floor touches memory by itself or names a backend.
//
// Shapes. A view holds (features, width). Parameters are plain pointers into the flat vector; weight of a dense layer
// (inputs, outputs), of a convolution (filters, channels, kernel, kernel), of an embedding (ids, dimensions), whose x are
// ids : (places, width), whole numbers held as scalars. What is no id reads nothing: its y is NaN, its row has no gradient.
//
// Assign or accumulate. Primitives assign y and dx, and add to dweight and dbias.
//
// Laws, checked by testing/backend_laws.hpp against `Reference`: every primitive agrees to rounding, at any number of
// samples in the slice; a sample's result does not depend on its neighbours; `update` gives the same bits however its
// range is cut; `gram` and `run` give the same bits for any number of workers.
//
// Optional: `FewSlice` and `few`, a slice of one sample that only goes forward, and up to how many samples are predicted
// with it one by one.
//
// A backend may also compute elsewhere: its slices then record what they are asked for, and its device runs the program
// (recording.hpp, device.hpp). Everything above is the same for both but the learner.
//
// The smallest type that models it is `Reference` (reference.hpp): plain loops over one sample.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <mtlx/core/geometry.hpp>
#include <mtlx/core/kind.hpp>
#include <span>

namespace mtlx {

namespace backend {

/// The primitives on a group of samples.
template <class S>
concept SliceOf =
    requires(typename S::View v, typename S::ConstView c, typename S::Scalar* p, const typename S::Scalar* q) {
      typename S::Number;
      { S::width } -> std::convertible_to<int>;
      S::load(q, 1, std::size_t{}, v);
      S::store(c, 1, std::size_t{}, p);
      S::fill(v, std::size_t{}, typename S::Scalar{});
      S::copy(c, v, std::size_t{});
      S::add(c, v, std::size_t{});
      S::template dense_forward<1, 1>(q, q, c, v);
      S::template dense_backward_input<1, 1>(q, c, v);
      S::template dense_backward_parameters<1, 1>(c, c, p, p);
      S::template convolution_forward<Convolution{{1, 1, 1}, {}, 1}>(q, q, c, v);
      S::template convolution_backward_input<Convolution{{1, 1, 1}, {}, 1}>(q, c, v);
      S::template convolution_backward_parameters<Convolution{{1, 1, 1}, {}, 1}>(c, c, p, p);
      S::template max_pool_forward<Pooling{{1, 1, 1}, {}}>(c, v, v);
      S::template max_pool_backward<Pooling{{1, 1, 1}, {}}>(c, c, v);
      S::template embedding_forward<1, 1, 1>(q, c, v);
      S::template embedding_backward<1, 1, 1>(c, c, p);
      S::for_each_lane([](auto) {});
    };

}  // namespace backend

namespace backend {

/// What a backend brings whose slices compute where they are called.
template <class B>
concept OnHost = requires(B& b, std::span<typename B::Scalar> v, std::span<const typename B::Scalar> c,
                          std::span<const typename B::Scalar* const> rows, double* g) {
  { b.workers() } -> std::convertible_to<std::size_t>;
  b.run(std::size_t{}, [](std::size_t, std::size_t) {});
  B::gram(rows, std::size_t{}, g);
  B::axpy(typename B::Scalar{}, c, v);
  B::template update<1>(std::size_t{}, v.data(), c.data(), v.data(), std::size_t{}, [](auto&, auto, auto&) {});
};

/// What a backend brings whose slices record (recording.hpp): a device that runs what they recorded (device.hpp).
template <class B>
concept OnDevice = requires(B& b) {
  typename B::Device;
  { b.device() } -> std::same_as<const std::shared_ptr<typename B::Device>&>;
};

}  // namespace backend

/// A backend policy. See the head of this file.
template <class B>
concept Backend = Policy<B> && B::kind == Kind::backend && backend::SliceOf<typename B::template Slice<1>> &&
                  requires { typename B::Options; } && (backend::OnHost<B> || backend::OnDevice<B>);

}  // namespace mtlx
