// SPDX-License-Identifier: MIT
#include <mtlx/backend/device.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/testing/emulated_device.hpp>
#ifdef MTLX_USE_CUDA
#include <mtlx/backend/cuda_device.hpp>
#endif

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace mtlx;
using testing::EmulatedDevice;
using testing::Order;

namespace {

// The kernels of this file: one text, compiled once. `pair` sees whether arguments of any size arrive.
constexpr const char* kernels = R"mtlx(
struct pair { double first; int second; };

// A comment about __global__ void nothing(int) is none.
extern "C" __global__ void __launch_bounds__(64) fill(float* y, int n, pair value) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    y[i] = float(value.first) * value.second;
}

extern "C" __global__ void scale(float* x, float by) { x[threadIdx.x] *= by; }

// Sums n numbers: lanes by shuffles, warps through shared memory.
extern "C" __global__ __launch_bounds__(64) void sum(const float* __restrict__ x, float* y, int n) {
  MTLX_SHARED(float, shared);
  float t = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) t += x[i];
  for (int other = 16; other > 0; other /= 2) t += __shfl_xor_sync(0xffffffffu, t, other);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = t;
  __syncthreads();
  if (threadIdx.x == 0) {
    t = 0;
    for (int warp = 0; warp < int(blockDim.x) / 32; ++warp) t += shared[warp];
    y[blockIdx.x] = t;
  }
}

// Turns n numbers round within shared memory.
extern "C" __global__ void turn(float* x, int n) {
  MTLX_SHARED(float, shared);
  for (int i = threadIdx.x; i < n; i += blockDim.x) shared[i] = x[i];
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) x[i] = shared[n - 1 - i];
}

extern "C" __global__ void lanes(int* y, double* z, unsigned* bits) {
  const int lane = threadIdx.x % 32, all = blockDim.x;
  y += threadIdx.x;
  y[0 * all] = __shfl_sync(0xffffffffu, lane, 5);
  y[1 * all] = __shfl_sync(0xffffffffu, lane, 3, 8);
  y[2 * all] = __shfl_xor_sync(0xffffffffu, lane, 9);
  y[3 * all] = __shfl_xor_sync(0xffffffffu, lane, 3, 4);
  y[4 * all] = __shfl_down_sync(0xffffffffu, lane, 4);
  y[5 * all] = __shfl_down_sync(0xffffffffu, lane, 3, 8);
  y[6 * all] = __shfl_up_sync(0xffffffffu, lane, 2, 16);
  z[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0 / (1 + lane), 1);
  __syncwarp();
  if (threadIdx.x == 0) {
    bits[0] = __float_as_uint(-2.5f);
    bits[1] = __float_as_uint(__uint_as_float(0x7fc00001u));
    bits[2] = __umulhi(0xdeadbeefu, 0xcafebabeu);
    bits[3] = (unsigned)__clz(1) * 100 + (unsigned)__popc(255);
    bits[4] = __float_as_uint(min(__uint_as_float(0x7fc00000u), 2.0f));
  }
  int* flags = (int*)bits + 5;
  atomicOr(flags, 1 << lane);
}
)mtlx";

struct Pair {
  double first;
  int second;
};

// Device memory that is given back.
template <class D>
struct Held {
  Held(D& device, std::size_t bytes) : device_(device), place(device.allocate(bytes)) {}
  Held(const Held&) = delete;
  ~Held() { device_.release(place); }
  D& device_;
  void* place;
};
template <class D>
struct HeldStaging {
  HeldStaging(D& device, std::size_t bytes) : device_(device), place(device.allocate_staging(bytes)) {}
  HeldStaging(const HeldStaging&) = delete;
  ~HeldStaging() { device_.release_staging(place); }
  float* numbers() { return static_cast<float*>(place); }
  D& device_;
  void* place;
};

template <class D>
std::vector<float> numbers_at(D& device, const void* place, std::size_t count) {
  std::vector<float> numbers(count);
  device.download(numbers.data(), place, count * sizeof(float));
  device.finish();
  return numbers;
}

std::vector<float> counted(std::size_t count, float first = 0) {
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = first + static_cast<float>(i);
  return numbers;
}

template <class D, class... A>
void launch(D& device, const typename D::Module& module, const char* name, const backend::Launch& how, A... arguments) {
  std::array<void*, sizeof...(A)> places{&arguments...};
  device.launch(device.kernel(module, name), how, places.data(), name);
}

// What the function's Error says, or nothing.
template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class D>
void check_memory(D& device) {
  constexpr std::size_t count = 1000, bytes = count * sizeof(float);
  Held<D> a(device, bytes), b(device, bytes);
  CHECK(a.place != b.place);
  CHECK(reinterpret_cast<std::uintptr_t>(a.place) % 256 == 0);
  CHECK(numbers_at(device, a.place, count) == std::vector<float>(count, 0.0f));

  std::vector<float> numbers = counted(count);
  device.upload(a.place, numbers.data(), bytes);
  numbers.assign(count, -1);  // its bytes were taken
  device.copy(b.place, a.place, bytes);
  device.upload(a.place, numbers.data(), bytes);
  CHECK(numbers_at(device, b.place, count) == counted(count));
  CHECK(numbers_at(device, a.place, count) == numbers);

  HeldStaging<D> staging(device, bytes);
  CHECK(std::vector<float>(staging.numbers(), staging.numbers() + count) == std::vector<float>(count, 0.0f));
  device.download(staging.place, b.place, bytes);
  device.finish();
  CHECK(std::vector<float>(staging.numbers(), staging.numbers() + count) == counted(count));

  CHECK(device.allocate(0) == nullptr);
  device.upload(nullptr, nullptr, 0);
  device.release(nullptr);
  device.release_staging(nullptr);
  const std::string text = error_of([&] { device.allocate(std::size_t{1} << 50); });
  CHECK(contains(text, "has no 1125899906842624 bytes, "));
  CHECK(contains(text, " are free"));
  CHECK(numbers_at(device, b.place, count) == counted(count));
}

template <class D>
void check_kernels(D& device) {
  const auto module = device.compile(kernels);
  constexpr int count = 1000;
  Held<D> x(device, count * sizeof(float)), y(device, 3 * sizeof(float));
  launch(device, module, "fill", {.blocks = 3, .threads = 64}, x.place, count, Pair{0.5, 7});
  CHECK(numbers_at(device, x.place, count) == std::vector<float>(count, 3.5f));

  const std::vector<float> numbers = counted(count);
  device.upload(x.place, numbers.data(), count * sizeof(float));
  launch(device, module, "sum", {.blocks = 3, .threads = 64, .shared = 8}, x.place, y.place, count);
  CHECK(numbers_at(device, y.place, 3) == std::vector<float>(3, 499500.0f));

  // More than 48 KB of shared memory; all that there is.
  const std::size_t most = device.shared_memory();
  CHECK(most > 48 * 1024);
  const int many = static_cast<int>(most / sizeof(float));
  Held<D> z(device, most);
  std::vector<float> turned = counted(static_cast<std::size_t>(many));
  device.upload(z.place, turned.data(), turned.size() * sizeof(float));
  launch(device, module, "turn", {.blocks = 1, .threads = D::threads, .shared = turned.size() * sizeof(float)}, z.place,
         many);
  std::reverse(turned.begin(), turned.end());
  CHECK(numbers_at(device, z.place, turned.size()) == turned);

  Held<D> lanes(device, 7 * 64 * sizeof(int)), halves(device, 64 * sizeof(double)), bits(device, 6 * sizeof(unsigned));
  launch(device, module, "lanes", {.blocks = 1, .threads = 64}, lanes.place, halves.place, bits.place);
  std::array<std::array<int, 64>, 7> got{};
  std::array<double, 64> got_halves{};
  std::array<unsigned, 6> got_bits{};
  device.download(got.data(), lanes.place, sizeof got);
  device.download(got_halves.data(), halves.place, sizeof got_halves);
  device.download(got_bits.data(), bits.place, sizeof got_bits);
  device.finish();
  for (std::size_t thread = 0; thread < 64; ++thread) {
    CAPTURE(thread);
    const int lane = static_cast<int>(thread % 32);
    CHECK(got[0][thread] == 5);
    CHECK(got[1][thread] == lane / 8 * 8 + 3);
    CHECK(got[2][thread] == (lane ^ 9));
    CHECK(got[3][thread] == (lane ^ 3));
    CHECK(got[4][thread] == (lane + 4 < 32 ? lane + 4 : lane));
    CHECK(got[5][thread] == (lane % 8 + 3 < 8 ? lane + 3 : lane));
    CHECK(got[6][thread] == (lane % 16 >= 2 ? lane - 2 : lane));
    CHECK(got_halves[thread] == 1.0 / (1 + (lane ^ 1)));
  }
  CHECK(got_bits == std::array<unsigned, 6>{0xc0200000u, 0x7fc00001u, 0xb092ab7bu, 3108u, 0x40000000u, 0xffffffffu});

  CHECK(contains(error_of([&] { device.kernel(module, "nonesuch"); }), "nonesuch"));
  const std::string text = error_of(
      [&] { launch(device, module, "turn", {.blocks = 1, .threads = 64, .shared = most + 4}, z.place, many); });
  CHECK(contains(text, "turn"));
  CHECK(contains(text, std::to_string(most + 4) + " bytes of shared memory"));
  CHECK(contains(error_of([&] { launch(device, module, "turn", {.blocks = 0}, z.place, many); }), "0 blocks"));
  // A call that was refused did no harm.
  CHECK(numbers_at(device, z.place, turned.size()) == turned);
}

template <class D>
void check_graphs(D& device) {
  const auto module = device.compile(kernels);
  constexpr std::size_t count = 64, bytes = count * sizeof(float);
  Held<D> x(device, bytes), kept(device, bytes);
  HeldStaging<D> in(device, bytes), out(device, bytes);
  typename D::Graph graph;
  {
    float by = 2;
    void* place = x.place;
    std::array<void*, 2> arguments{&place, &by};
    const auto kernel = device.kernel(module, "scale");
    device.begin_graph();
    device.upload(x.place, in.place, bytes);
    device.launch(kernel, {.blocks = 1, .threads = count}, arguments.data(), "scale");
    by = 10;
    device.launch(kernel, {.blocks = 1, .threads = count}, arguments.data(), "scale");
    by = 1000;  // arguments were taken
    device.copy(kept.place, x.place, bytes);
    device.download(out.place, kept.place, bytes);
    graph = device.end_graph();
  }
  CHECK(numbers_at(device, x.place, count) == std::vector<float>(count, 0.0f));  // recorded, not run
  const auto replayed = [&](float value) {
    std::fill(in.numbers(), in.numbers() + count, value);
    device.replay(graph);
    device.finish();
    return std::vector<float>(out.numbers(), out.numbers() + count);
  };
  CHECK(replayed(1) == std::vector<float>(count, 20.0f));
  CHECK(replayed(-3) == std::vector<float>(count, -60.0f));
  const typename D::Graph moved = std::move(graph);
  std::fill(in.numbers(), in.numbers() + count, 4.0f);
  device.replay(moved);
  launch(device, module, "scale", {.blocks = 1, .threads = count}, kept.place, 0.5f);  // after the replay
  CHECK(numbers_at(device, kept.place, count) == std::vector<float>(count, 40.0f));

  const std::vector<float> elsewhere(count);
  device.begin_graph();
  const std::string text = error_of([&] { device.upload(x.place, elsewhere.data(), bytes); });
  CHECK(contains(text, "upload of 256 bytes in a graph"));
  const auto empty = device.end_graph();
  device.replay(empty);
  device.finish();
}

template <class D>
void check_times(D& device) {
  const auto module = device.compile(kernels);
  Held<D> x(device, std::size_t{64} * sizeof(float));
  device.mark(0);
  for (int i = 0; i < 10; ++i) launch(device, module, "scale", {.blocks = 10, .threads = 64}, x.place, 1.0f);
  device.mark(1);
  const double forth = device.milliseconds();
  CHECK(forth > 0);
  CHECK(forth < 10'000);
  device.mark(0);  // now the later one
  CHECK(device.milliseconds() < 0);
}

template <class D>
void check_mistakes(D& device) {
  const std::string broken =
      error_of([&] { device.compile("\nextern \"C\" __global__ void f(int* x) {\n  x[0] = nonesuch;\n}\n"); });
  CHECK(broken.rfind("mtlx: the source ", 0) == 0);
  CHECK(contains(broken, "nonesuch"));
  CHECK((contains(broken, "source(3)") || contains(broken, "source:3")));
}

template <class D>
void check_device(D& device) {
  CHECK(!device.name().empty());
  check_memory(device);
  check_kernels(device);
  check_graphs(device);
  check_times(device);
}

// Kernels that are wrong, and some that are right.
constexpr const char* wrong_kernels = R"mtlx(
#line 1
extern "C" __global__ void some_wait() {
  if (threadIdx.x < 40) __syncthreads();
}
extern "C" __global__ void half_a_warp() { if (threadIdx.x % 2) __syncwarp(); }
extern "C" __global__ void block_and_warp() { if (threadIdx.x % 2) __syncwarp(); else __syncthreads(); }
extern "C" __global__ void two_barriers() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}
extern "C" __global__ void half_a_mask(float* x) { x[threadIdx.x] = __shfl_xor_sync(0xffffu, 1.0f, 1); }
extern "C" __global__ void sync_warp() { __syncwarp(); }
extern "C" __global__ void sync_all() { __syncthreads(); }
extern "C" __global__ void write(float* x, int at) { x[at] = 1; }
extern "C" __global__ void write_shared(float*, int at) { MTLX_SHARED(float, s); s[at] = 1; }
extern "C" __global__ void peek(unsigned* x) { MTLX_SHARED(unsigned, s); x[blockIdx.x] = s[0]; s[0] = 1; }
extern "C" __global__ void shift(float* x, int by) {
  MTLX_SHARED(float, s);
  s[threadIdx.x] = threadIdx.x;
  __syncthreads();
  x[threadIdx.x] = s[(threadIdx.x + by) % 64];
}
extern "C" __global__ void shift_early(float* x, int by) {
  MTLX_SHARED(float, s);
  s[threadIdx.x] = threadIdx.x;
  x[threadIdx.x] = s[(threadIdx.x + by) % 64];
}
)mtlx";

// What goes wrong when one of them runs on an allocation of 64 floats.
std::string emulated_error(const char* name, int at = 0, std::size_t shared = 0, unsigned threads = 64) {
  EmulatedDevice device;
  Held<EmulatedDevice> x(device, 256);
  return error_of([&] {
    const auto module = device.compile(wrong_kernels);
    launch(device, module, name, {.blocks = 2, .threads = threads, .shared = shared}, x.place, at);
    device.finish();
  });
}

}  // namespace

TEST_CASE("the emulated device keeps the laws of devices, in every order") {
  for (const Order order : {Order::forward, Order::backward, Order::shuffled}) {
    CAPTURE(static_cast<int>(order));
    EmulatedDevice device({.order = order});
    check_device(device);
  }
  EmulatedDevice device;
  check_mistakes(device);
  CHECK(EmulatedDevice().name() == "emulated on the CPU");
  CHECK(error_of([] { EmulatedDevice({.index = 1}); }) == "mtlx: the emulated device 1 was asked for, there is only 0");
}

TEST_CASE("the emulated device runs nothing before finish") {
  EmulatedDevice device;
  Held<EmulatedDevice> x(device, 4);
  HeldStaging<EmulatedDevice> staging(device, 4);
  staging.numbers()[0] = 1;
  device.upload(x.place, staging.place, 4);
  staging.numbers()[0] = 2;  // too early: the upload takes what stands there when it runs
  float got = -1;
  device.download(&got, x.place, 4);
  CHECK(got == -1);
  device.finish();
  CHECK(got == 2);
}

TEST_CASE("the emulated device names barriers that not all threads reach") {
  CHECK(
      emulated_error("some_wait") ==
      "mtlx: the kernel some_wait on the emulated device, block 0: a barrier that not all threads reach: of threads 0 "
      "to 63, 40 wait at __syncthreads, 0 for their warp, 24 have ended (one waits in line 2 of the source)");
  CHECK(contains(emulated_error("half_a_warp"), "16 for their warp, 16 have ended"));
  CHECK(contains(emulated_error("block_and_warp"), "16 wait at __syncthreads, 16 for their warp"));
  CHECK(contains(emulated_error("two_barriers"), "two different barriers, in lines 8 and 10"));
  CHECK(contains(emulated_error("half_a_mask"), "a mask that is not of all 32 lanes"));
  CHECK(contains(emulated_error("sync_warp", 0, 0, 40),
                 "thread 32, line 13 of the source: a warp of fewer than 32 threads"));
  CHECK(emulated_error("sync_warp").empty());
  CHECK(emulated_error("sync_all", 0, 0, 40).empty());
}

TEST_CASE("the emulated device sees what is written beyond, and poisons shared memory") {
  CHECK(emulated_error("write", 63).empty());
  CHECK(emulated_error("write", 64) ==
        "mtlx: the kernel write on the emulated device wrote beside an allocation of 256 bytes");
  CHECK(contains(emulated_error("write", -1), "wrote beside an allocation"));
  CHECK(emulated_error("write_shared", 1, 8).empty());
  CHECK(contains(emulated_error("write_shared", 2, 8), "wrote beyond its 8 bytes of shared memory"));
  CHECK(contains(emulated_error("write_shared", -1, 8), "wrote before its shared memory"));

  EmulatedDevice device;
  Held<EmulatedDevice> x(device, 8);
  launch(device, device.compile(wrong_kernels), "peek", {.blocks = 2, .threads = 1, .shared = 4}, x.place);
  std::array<unsigned, 2> got{};
  device.download(got.data(), x.place, sizeof got);
  device.finish();
  CHECK(got == std::array<unsigned, 2>{0xffffffffu, 0xffffffffu});
}

TEST_CASE("the order of the emulated device shows a barrier that is missing") {
  EmulatedDevice device;
  Held<EmulatedDevice> x(device, 256);
  const auto module = device.compile(wrong_kernels);
  const auto bits = [&](const char* name, Order order, std::uint64_t seed) {
    device.set_order(order, seed);
    launch(device, module, name, {.blocks = 1, .threads = 64, .shared = 256}, x.place, 33);
    std::array<std::uint32_t, 64> numbers{};
    device.download(numbers.data(), x.place, sizeof numbers);
    device.finish();
    return numbers;
  };
  const auto right = bits("shift", Order::forward, 1), wrong = bits("shift_early", Order::forward, 1);
  CHECK(wrong != right);
  for (const auto& [order, seed] : {std::pair(Order::backward, 1u), {Order::shuffled, 1u}, {Order::shuffled, 2u}}) {
    CHECK(bits("shift", order, seed) == right);
    CHECK(bits("shift_early", order, seed) != wrong);
  }
}

TEST_CASE("the emulated device refuses what a GPU would not survive") {
  EmulatedDevice device({.memory = 1000});
  Held<EmulatedDevice> x(device, 600);
  CHECK(error_of([&] { device.allocate(500); }) == "mtlx: the emulated device has no 500 bytes, 400 of 1000 are free");
  std::array<unsigned char, 700> host{};
  CHECK(contains(error_of([&] { device.upload(x.place, host.data(), 601); }), "upload of 601 bytes"));
  CHECK(contains(error_of([&] { device.download(host.data(), host.data(), 1); }), "download of 1 bytes"));
  CHECK(contains(error_of([&] { device.copy(x.place, host.data(), 1); }), "copy of 1 bytes"));
  CHECK(contains(error_of([&] { device.end_graph(); }), "without begin_graph"));
  device.begin_graph();
  CHECK(contains(error_of([&] { device.finish(); }), "finish() between begin_graph() and end_graph()"));
  device.end_graph();
  // What goes wrong in a kernel is told by finish(), whatever is released before.
  const auto module = device.compile(wrong_kernels);
  device.launch(device.kernel(module, "half_a_warp"), {.blocks = 1, .threads = 32}, nullptr, "half a barrier");
  device.release(device.allocate(8));
  CHECK(contains(error_of([&] { device.finish(); }), "half a barrier"));
  device.finish();
}

#ifdef MTLX_USE_CUDA

TEST_CASE("CUDA code compiles without a GPU") {
  const std::string cubin = backend::compile_for(kernels, "sm_90");
  CHECK(cubin.size() > 1000);
  CHECK(cubin.substr(0, 4) == "\177ELF");
  const std::string broken =
      error_of([] { backend::compile_for("\n\nextern \"C\" __global__ void f() { a = 1; }", "sm_90"); });
  CHECK(broken.rfind("mtlx: the source does not compile for sm_90 ", 0) == 0);
  CHECK(contains(broken, "source(3): error: identifier \"a\" is undefined"));
  const std::string warned =
      error_of([] { backend::compile_for("extern \"C\" __global__ void f() { int unused; }", "sm_90"); });
  CHECK(warned.rfind("mtlx: the source compiles for sm_90 with warnings:", 0) == 0);
  CHECK(contains(warned, "source(1): warning"));
  CHECK(contains(error_of([] { backend::compile_for("", "sm_1"); }), "--gpu-architecture"));
}

TEST_CASE("a GPU keeps the laws of devices, or its absence is told in a sentence") {
  std::optional<backend::CudaDevice> device;
  const std::string text = error_of([&] { device.emplace(); });
  if (device.has_value()) {
    check_device(*device);
    check_mistakes(*device);
    CHECK(contains(error_of([] { backend::CudaDevice({.index = 1000}); }), "GPU 1000 was asked for"));
  } else {
    MESSAGE(text);
    CHECK(text.rfind("mtlx: there is no GPU to compute on: ", 0) == 0);
    CHECK(text.find('\n') == std::string::npos);
  }
}

#endif
