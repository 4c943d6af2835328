// SPDX-License-Identifier: MIT
// A GPU as a device (device.hpp): the CUDA runtime for memory and launches, NVRTC to compile text for the very GPU that
// runs it. Plain C++, no nvcc. Link the CMake target mtlx::cuda: the static runtime and libnvrtc; CUDA 12.8 or later.
//
// The device's GPU is made the calling thread's current one, and stays so.
//
// Sources: the reference manuals of the CUDA runtime API and of NVRTC, 13.0.
#pragma once

#if !__has_include(<cuda_runtime_api.h>) || !__has_include(<nvrtc.h>)
#error mtlx: mtlx/backend/cuda_device.hpp needs the CUDA toolkit; link the CMake target mtlx::cuda, which finds it
#endif

#include <mtlx/backend/device.hpp>
#include <mtlx/core/error.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <cuda_runtime_api.h>
#include <nvrtc.h>

#if CUDART_VERSION < 12080
#error mtlx: mtlx/backend/cuda_device.hpp needs CUDA 12.8 or later
#endif

namespace mtlx::backend {

namespace detail {

inline constexpr const char* cuda_preamble = R"mtlx(
#define MTLX_SHARED(type, name)                            \
  extern __shared__ __align__(16) unsigned char name##_bytes[]; \
  type* name = reinterpret_cast<type*>(name##_bytes)
#line 1 "source"
)mtlx";

/// The lines of a compiler's log that begin with the first that says "error", or "warning" if none does.
inline std::string first_mistakes(const std::string& log, int most = 12) {
  std::size_t begin = log.find("error");
  if (begin == std::string::npos) begin = log.find("warning");
  if (begin == std::string::npos) begin = 0;
  begin = log.rfind('\n', begin);
  std::istringstream lines(log.substr(begin == std::string::npos ? 0 : begin + 1));
  std::string line, result;
  for (int i = 0; i < most && std::getline(lines, line); ++i) {
    // NVRTC ends its log with a zero.
    while (!line.empty() && line.back() == '\0') line.pop_back();
    if (!line.empty()) result += "\n  " + line;
  }
  return result;
}

inline void check_nvrtc(nvrtcResult result, const char* what) {
  if (result != NVRTC_SUCCESS) fail("NVRTC can't ", what, ": ", nvrtcGetErrorString(result));
}

/// The CUBIN of a source, and what the compiler said of it.
struct Compiled {
  std::string cubin, log;
};

inline Compiled compile_cuda(const std::string& source, const std::string& architecture) {
  struct Program {
    nvrtcProgram handle = nullptr;
    ~Program() { nvrtcDestroyProgram(&handle); }
  } program;
  const std::string text = cuda_preamble + source;
  check_nvrtc(nvrtcCreateProgram(&program.handle, text.c_str(), "source", 0, nullptr, nullptr), "take the source");
  const std::string target = "--gpu-architecture=" + architecture;
  const std::array<const char*, 3> options{target.c_str(), "--std=c++20", "--fmad=true"};
  const nvrtcResult result = nvrtcCompileProgram(program.handle, static_cast<int>(options.size()), options.data());
  Compiled compiled;
  std::size_t bytes = 0;
  check_nvrtc(nvrtcGetProgramLogSize(program.handle, &bytes), "give its log");
  compiled.log.resize(bytes);
  if (bytes > 0) check_nvrtc(nvrtcGetProgramLog(program.handle, compiled.log.data()), "give its log");
  if (result != NVRTC_SUCCESS) {
    fail("the source does not compile for ", architecture, " (", nvrtcGetErrorString(result),
         "):", first_mistakes(compiled.log));
  }
  check_nvrtc(nvrtcGetCUBINSize(program.handle, &bytes), "give the CUBIN");
  compiled.cubin.resize(bytes);
  check_nvrtc(nvrtcGetCUBIN(program.handle, compiled.cubin.data()), "give the CUBIN");
  return compiled;
}

/// The same, compiled once in a process.
inline const Compiled& compiled_cuda(const std::string& source, const std::string& architecture) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::string>, Compiled> all;
  const std::lock_guard lock(mutex);
  const auto key = std::pair(architecture, source);
  auto found = all.find(key);
  if (found == all.end()) found = all.emplace(key, compile_cuda(source, architecture)).first;
  return found->second;
}

/// Owns what CUDA gives a handle to.
template <class T, cudaError_t (*destroy)(T)>
struct Handle {
  T handle = nullptr;

  Handle() = default;
  Handle(Handle&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~Handle() {
    if (handle != nullptr) destroy(handle);
  }
};

}  // namespace detail

/// The CUBIN of CUDA C++ text for an architecture (`sm_90`); no GPU is needed. Throws an Error with the compiler's
/// first lines if it has an error or a warning to tell.
inline std::string compile_for(const std::string& source, const std::string& architecture) {
  const detail::Compiled& compiled = detail::compiled_cuda(source, architecture);
  if (compiled.log.find("warning") != std::string::npos)
    fail("the source compiles for ", architecture, " with warnings:", detail::first_mistakes(compiled.log));
  return compiled.cubin;
}

/// A GPU of NVIDIA. See the head of this file and of device.hpp.
class CudaDevice {
 public:
  struct Options {
    int index = 0;
  };
  static constexpr unsigned threads = 512;

  /// Loaded code.
  class Module {
    friend class CudaDevice;
    detail::Handle<cudaLibrary_t, cudaLibraryUnload> library_;
  };

  class Kernel {
    friend class CudaDevice;
    cudaKernel_t kernel_ = nullptr;
  };

  /// Work that was recorded.
  class Graph {
    friend class CudaDevice;
    detail::Handle<cudaGraphExec_t, cudaGraphExecDestroy> graph_;
  };

  CudaDevice() : CudaDevice(Options{}) {}
  /// Throws if there is no such GPU, or no driver for it.
  explicit CudaDevice(Options options) : index_(options.index) {
    int count = 0;
    const cudaError_t found = cudaGetDeviceCount(&count);
    if (found != cudaSuccess) {
      cudaGetLastError();
      fail("there is no GPU to compute on: ", cudaGetErrorString(found));
    }
    if (index_ < 0 || index_ >= count) fail("GPU ", index_, " was asked for, there are ", count, ", from 0 on");
    use();
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index_), "asking for its properties");
    name_ = properties.name;
    shared_memory_ = properties.sharedMemPerBlockOptin;
    architecture_ = join("sm_", properties.major, properties.minor);
    check(cudaStreamCreateWithFlags(&stream_.handle, cudaStreamNonBlocking), "making a stream");
    for (Event& event : events_) check(cudaEventCreate(&event.handle), "making an event");
    for (Event& event : notes_)
      check(cudaEventCreateWithFlags(&event.handle, cudaEventDisableTiming), "making an event");
  }
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;
  ~CudaDevice() = default;

  /// "NVIDIA H100 80GB HBM3".
  std::string name() const { return name_; }
  /// "sm_90".
  const std::string& architecture() const { return architecture_; }
  std::size_t shared_memory() const { return shared_memory_; }
  std::size_t free_memory() const {
    use();
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for the free memory");
    return free;
  }

  /// Zeroed device memory; nullptr for no bytes. Throws if there is too little.
  void* allocate(std::size_t bytes) {
    if (bytes == 0) return nullptr;
    use();
    void* place = nullptr;
    const cudaError_t result = cudaMalloc(&place, bytes);
    if (result == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      std::size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      fail("the GPU ", name_, " has no ", bytes, " bytes, ", free, " of ", total, " are free");
    }
    check(result, "allocating ", bytes, " bytes");
    const cudaError_t zeroed = cudaMemsetAsync(place, 0, bytes, stream_.handle);
    if (zeroed != cudaSuccess) {
      cudaFree(place);
      check(zeroed, "zeroing ", bytes, " bytes");
    }
    return place;
  }
  /// Waits for the work that may use it.
  void release(void* place) noexcept {
    if (place == nullptr) return;
    cudaSetDevice(index_);
    cudaStreamSynchronize(stream_.handle);
    cudaFree(place);
  }
  /// Zeroed pinned host memory; nullptr for no bytes.
  void* allocate_staging(std::size_t bytes) {
    if (bytes == 0) return nullptr;
    use();
    void* place = nullptr;
    check(cudaMallocHost(&place, bytes), "allocating ", bytes, " bytes of pinned host memory");
    std::memset(place, 0, bytes);
    return place;
  }
  void release_staging(void* place) noexcept {
    if (place == nullptr) return;
    cudaSetDevice(index_);
    cudaStreamSynchronize(stream_.handle);
    cudaFreeHost(place);
  }

  /// Host to device.
  void upload(void* to, const void* from, std::size_t bytes) {
    check_staging(from, bytes, "upload");
    move(to, from, bytes, cudaMemcpyHostToDevice, "the upload");
  }
  /// Device to host; done after finish().
  void download(void* to, const void* from, std::size_t bytes) {
    check_staging(to, bytes, "download");
    move(to, from, bytes, cudaMemcpyDeviceToHost, "the download");
  }
  /// Device to device.
  void copy(void* to, const void* from, std::size_t bytes) {
    move(to, from, bytes, cudaMemcpyDeviceToDevice, "the copy");
  }

  /// Waits for all that is in the stream.
  void finish() {
    use();
    const cudaError_t result = cudaStreamSynchronize(stream_.handle);
    if (result != cudaSuccess) [[unlikely]] {
      fail("the GPU ", name_, " failed at what it was given, last of all ", last_.empty() ? "no kernel" : last_, ": ",
           cudaGetErrorString(result), " (with CUDA_LAUNCH_BLOCKING=1 in the environment the launch itself tells)");
    }
  }

  /// Compiles for this GPU, once for equal text in a process.
  Module compile(const std::string& source) {
    use();
    const std::string& cubin = detail::compiled_cuda(source, architecture_).cubin;
    Module module;
    check(cudaLibraryLoadData(&module.library_.handle, cubin.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
          "loading compiled code of ", cubin.size(), " bytes");
    return module;
  }
  Kernel kernel(const Module& module, const char* name) const {
    use();
    Kernel kernel;
    check(cudaLibraryGetKernel(&kernel.kernel_, module.library_.handle, name), "looking for the kernel ", name);
    // Loads the code now: CUDA would do so at the first launch, which may be in a graph.
    check(cudaFuncSetAttribute(address(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_memory_)),
          "giving the kernel ", name, " ", shared_memory_, " bytes of shared memory");
    return kernel;
  }
  void launch(const Kernel& kernel, const Launch& launch, void** arguments, std::string_view what) {
    use();
    const cudaError_t result = cudaLaunchKernel(address(kernel), dim3(launch.blocks), dim3(launch.threads), arguments,
                                                launch.shared, stream_.handle);
    check(result, "launching ", what, " with ", launch.blocks, " blocks of ", launch.threads, " threads and ",
          launch.shared, " bytes of shared memory");
    last_ = what;
  }

  void begin_graph() {
    use();
    check(cudaStreamBeginCapture(stream_.handle, cudaStreamCaptureModeThreadLocal), "beginning a graph");
    recording_ = true;
  }
  Graph end_graph() {
    use();
    recording_ = false;
    detail::Handle<cudaGraph_t, cudaGraphDestroy> recorded;
    check(cudaStreamEndCapture(stream_.handle, &recorded.handle), "ending a graph");
    Graph graph;
    check(cudaGraphInstantiate(&graph.graph_.handle, recorded.handle, 0), "making a graph");
    check(cudaGraphUpload(graph.graph_.handle, stream_.handle), "making a graph");
    return graph;
  }
  void replay(const Graph& graph) {
    use();
    check(cudaGraphLaunch(graph.graph_.handle, stream_.handle), "replaying a graph");
    last_ = "a graph";
  }

  void note(int which) {
    use();
    check(cudaEventRecord(notes_.at(static_cast<std::size_t>(which)).handle, stream_.handle), "noting a place");
  }
  void wait_for(int which) {
    const cudaError_t result = cudaEventSynchronize(notes_.at(static_cast<std::size_t>(which)).handle);
    check(result, "running ", last_);
  }
  void mark(int which) {
    use();
    check(cudaEventRecord(events_.at(static_cast<std::size_t>(which)).handle, stream_.handle), "marking the time");
  }
  double milliseconds() {
    use();
    float time = 0;
    for (const Event& event : events_) check(cudaEventSynchronize(event.handle), "waiting for a time");
    check(cudaEventElapsedTime(&time, events_[0].handle, events_[1].handle), "taking the time");
    return static_cast<double>(time);
  }

 private:
  using Event = detail::Handle<cudaEvent_t, cudaEventDestroy>;

  static const void* address(const Kernel& kernel) { return reinterpret_cast<const void*>(kernel.kernel_); }

  template <class... What>
  void check(cudaError_t result, const What&... what) const {
    if (result != cudaSuccess) [[unlikely]] {
      cudaGetLastError();  // told here, so not to whoever asks next
      fail("the GPU ", name_.empty() ? join(index_) : name_, ": ", what..., " failed: ", cudaGetErrorString(result));
    }
  }
  void use() const { check(cudaSetDevice(index_), "using it"); }
  void move(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, const char* what) {
    if (bytes == 0) return;
    use();
    check(cudaMemcpyAsync(to, from, bytes, kind, stream_.handle), what, " of ", bytes, " bytes");
  }
  void check_staging(const void* place, std::size_t bytes, const char* what) const {
    if (!recording_ || bytes == 0) return;
    cudaPointerAttributes attributes{};
    check(cudaPointerGetAttributes(&attributes, place), "asking about host memory");
    if (attributes.type != cudaMemoryTypeHost)
      fail(what, " of ", bytes, " bytes in a graph: the host's are no staging memory");
  }

  int index_;
  std::string name_, architecture_;
  std::size_t shared_memory_ = 0;
  detail::Handle<cudaStream_t, cudaStreamDestroy> stream_;
  std::array<Event, 2> events_, notes_;
  bool recording_ = false;
  std::string last_;  // what was launched last
};

static_assert(Device<CudaDevice>);

}  // namespace mtlx::backend
