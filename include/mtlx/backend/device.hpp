// SPDX-License-Identifier: MIT
// The concept of a device: memory, code compiled at run time, and one stream that does what it is told in order.
//
// A device works for one thread at a time. `upload`, `download`, `copy`, `launch` and `replay` only put work into its
// stream and return; `finish` waits until all of it is done. Host memory of `allocate_staging` is read and written when
// the work runs: it must not be touched before `finish` or `wait_for`. From other host memory an upload takes its bytes at once.
// Memory is released after the work that may use it.
//
// Code is CUDA C++ text in one piece, its kernels `extern "C" __global__`. `compile` puts the device's own few lines in
// front: they define MTLX_SHARED(type, name), which declares `name` as a pointer to the block's dynamic shared memory.
//
// Graphs. What is put into the stream between `begin_graph` and `end_graph` is recorded, not run; the arguments of
// kernels are recorded by value, addresses as they are. Host memory must be staging memory there, and nothing but
// uploads, downloads, copies and launches may be called.
//
// Laws. Work runs in the order in which it was put in, each piece seeing all that the one before it wrote. Memory is
// zeros at first. A replay does what its recording would have done, with what memory holds then. A kernel that goes
// wrong makes `finish` (or a call before it) throw an Error that says which; the device is of no use after that.
//
// Minimal definition: all below. Devices are not copied. Modules and graphs are owned by their handles, which only move
// and die before their device; a kernel is a small value that lives as long as its module.
//
// Models: `CudaDevice` (cuda_device.hpp), and `testing::EmulatedDevice`, which runs the same text on the CPU.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace mtlx::backend {

/// How a kernel is launched: blocks, threads a block, bytes of dynamic shared memory a block.
struct Launch {
  unsigned blocks = 1, threads = 1;
  std::size_t shared = 0;
};

/// A device. See the head of this file.
template <class D>
concept Device =
    std::constructible_from<D, typename D::Options> && !std::copy_constructible<D> &&
    std::movable<typename D::Module> && std::movable<typename D::Graph> && std::copyable<typename D::Kernel> &&
    requires(D& d, const D& device, typename D::Options options, const typename D::Module& module,
             const typename D::Kernel& kernel, const typename D::Graph& graph, const Launch& launch, void* to,
             const void* from, void** arguments, std::size_t bytes, const std::string& source, std::string_view what) {
      { options.index } -> std::convertible_to<int>;            // which device
      { device.name() } -> std::same_as<std::string>;           // for people
      { device.shared_memory() } -> std::same_as<std::size_t>;  // the most dynamic shared bytes that a block can have
      { device.free_memory() } -> std::same_as<std::size_t>;    // bytes that nobody has yet
      { D::threads } -> std::convertible_to<unsigned>;          // threads of a block that kernels are written for
      { d.allocate(bytes) } -> std::same_as<void*>;             // aligned for any number, zeroed; throws
      { d.release(to) } noexcept;                               // nullptr is nothing
      { d.allocate_staging(bytes) } -> std::same_as<void*>;     // host memory, zeroed; throws
      { d.release_staging(to) } noexcept;
      d.upload(to, from, bytes);
      d.download(to, from, bytes);
      d.copy(to, from, bytes);
      d.finish();
      { d.compile(source) } -> std::same_as<typename D::Module>;  // throws what the compiler says
      { d.kernel(module, "name") } -> std::same_as<typename D::Kernel>;
      d.launch(kernel, launch, arguments, what);  // `what` names it in errors
      d.begin_graph();
      { d.end_graph() } -> std::same_as<typename D::Graph>;
      d.replay(graph);
      d.note(0);      // 0 or 1: a place in the stream
      d.wait_for(0);  // until all before the last note(0) is done; what follows may go on
      d.mark(0);      // 0 or 1: the time here, in the stream
      { d.milliseconds() } -> std::convertible_to<double>;  // between mark(0) and mark(1); waits for them
    };

}  // namespace mtlx::backend
