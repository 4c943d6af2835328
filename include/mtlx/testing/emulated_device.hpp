// SPDX-License-Identifier: MIT
// A device (backend/device.hpp) without a GPU: CUDA C++ text runs on the CPU, compiled by the machine's C++ compiler.
//
//   testing::EmulatedDevice device({.order = testing::Order::backward});
//   const auto module = device.compile(R"(extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2; })");
//   device.launch(device.kernel(module, "twice"), {.blocks = 1, .threads = 64}, arguments, "twice");
//   device.finish();
//
// It is a debugger rather than a simulator. Each thread of a block is a fiber; one block runs after the other, one warp
// until all of it waits for the block, one thread until it waits for its warp. So what kernels do wrong shows at once:
//
//   a barrier forgotten   other bits when the fibers run in another order: run the kernel in several
//   a barrier missed      Error: "a barrier that not all threads reach", or two different ones
//   shared memory unset   it holds NaN (every bit set) when a block starts
//   written beyond        Error: guard zones around every allocation and around shared memory are looked at after each
//                         launch
//   finish() forgotten    nothing runs before `finish`, not even a download
//
// Of CUDA there are: __device__ __global__ __host__ __forceinline__ __noinline__ __restrict__ __launch_bounds__
// __constant__, threadIdx blockIdx blockDim gridDim (x; y and z are 0 and 1), __syncthreads, __syncwarp, __shfl_sync,
// __shfl_xor_sync, __shfl_down_sync and __shfl_up_sync for whole warps of 32, __ldg, __float_as_uint and its like,
// __umulhi, __umul64hi, __popc, __clz, __ffs, __fmaf_rn, rsqrt, min, max, atomicOr and atomicAdd on whole numbers,
// printf, and the math of <cmath>. Kernels are `extern "C"`, in no namespace, and no templates.
//
// The compiler is $CXX, or c++. What is compiled stays loaded and is used again for equal text in this process.
#pragma once

#include <mtlx/backend/device.hpp>
#include <mtlx/core/error.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MTLX_EMULATOR_ASAN
#endif
#if __has_feature(thread_sanitizer)
#define MTLX_EMULATOR_TSAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(MTLX_EMULATOR_ASAN)
#define MTLX_EMULATOR_ASAN
#endif
#if defined(__SANITIZE_THREAD__) && !defined(MTLX_EMULATOR_TSAN)
#define MTLX_EMULATOR_TSAN
#endif

#ifdef MTLX_EMULATOR_ASAN
extern "C" void __sanitizer_start_switch_fiber(void** fake_stack_save, const void* bottom, std::size_t size);
extern "C" void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom_old, std::size_t* size_old);
extern "C" void __asan_unpoison_memory_region(const volatile void* place, std::size_t size);
#endif
#ifdef MTLX_EMULATOR_TSAN
extern "C" void* __tsan_get_current_fiber(void);
extern "C" void* __tsan_create_fiber(unsigned flags);
extern "C" void __tsan_destroy_fiber(void* fiber);
extern "C" void __tsan_switch_to_fiber(void* fiber, unsigned flags);
#endif

namespace mtlx::testing {

/// The order in which the threads of a block, the warps and the blocks run where the kernel leaves it open. `shuffled`
/// draws a new one for every round.
enum class Order { forward, backward, shuffled };

namespace detail {

// What the loaded code and its runner share; the same lines stand in the preamble.
struct Machine {
  unsigned thread, block, threads, blocks;
  unsigned char* shared;
  // 0: the block's barrier, 1: the warp's, 2: a call that the emulator refuses (`text` says why)
  void (*wait)(void* runner, int what, unsigned line, const char* text);
  void* runner;
  // Of every thread two places for what a shuffle hands on, used in turn: one barrier a shuffle is enough.
  unsigned long long* exchange;
  unsigned char* turn;
};

inline constexpr const char* emulator_preamble = R"mtlx(
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utility>
struct mtlx_Machine {
  unsigned thread, block, threads, blocks;
  unsigned char* shared;
  void (*wait)(void* runner, int what, unsigned line, const char* text);
  void* runner;
  unsigned long long* exchange;
  unsigned char* turn;
};
static mtlx_Machine mtlx_machine;
extern "C" mtlx_Machine* mtlx_get_machine() { return &mtlx_machine; }

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };
#define threadIdx (uint3{mtlx_machine.thread, 0, 0})
#define blockIdx (uint3{mtlx_machine.block, 0, 0})
#define blockDim (dim3{mtlx_machine.threads, 1, 1})
#define gridDim (dim3{mtlx_machine.blocks, 1, 1})
#define warpSize 32
#define MTLX_EMULATED 1
#define MTLX_SHARED(type, name) type* name = reinterpret_cast<type*>(mtlx_machine.shared)
#define __device__
#define __host__
#define __global__
#define __constant__
#define __forceinline__ __attribute__((unused))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __syncthreads() mtlx_machine.wait(mtlx_machine.runner, 0, __LINE__, nullptr)
#define __syncwarp(...) mtlx_sync_warp(__LINE__ __VA_OPT__(,) __VA_ARGS__)
#define __shfl_sync(...) mtlx_shuffle_at(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) mtlx_shuffle_xor(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) mtlx_shuffle_down(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) mtlx_shuffle_up(__LINE__, __VA_ARGS__)

static inline void mtlx_check_warp(unsigned line, unsigned mask) {
  if (mask != 0xffffffffu)
    mtlx_machine.wait(mtlx_machine.runner, 2, line, "a mask that is not of all 32 lanes");
  if (mtlx_machine.threads % 32 != 0 && mtlx_machine.thread / 32 == mtlx_machine.threads / 32)
    mtlx_machine.wait(mtlx_machine.runner, 2, line, "a warp of fewer than 32 threads");
}
static inline void mtlx_sync_warp(unsigned line, unsigned mask = 0xffffffffu) {
  mtlx_check_warp(line, mask);
  mtlx_machine.wait(mtlx_machine.runner, 1, line, nullptr);
}
template <class V>
V mtlx_shuffle(unsigned line, unsigned mask, V value, int lane) {
  static_assert(sizeof(V) <= sizeof(unsigned long long), "numbers of up to 8 bytes are shuffled");
  mtlx_check_warp(line, mask);
  const unsigned thread = mtlx_machine.thread;
  const int turn = mtlx_machine.turn[thread] ^= 1;
  memcpy(&mtlx_machine.exchange[2 * thread + turn], &value, sizeof value);
  mtlx_machine.wait(mtlx_machine.runner, 1, line, nullptr);
  memcpy(&value, &mtlx_machine.exchange[2 * (thread / 32 * 32 + (unsigned)lane) + turn], sizeof value);
  return value;
}
template <class V>
V mtlx_shuffle_at(unsigned line, unsigned mask, V value, int from, int width = 32) {
  const int lane = int(mtlx_machine.thread % 32);
  return mtlx_shuffle(line, mask, value, (lane & ~(width - 1)) | (from & (width - 1)));
}
template <class V>
V mtlx_shuffle_xor(unsigned line, unsigned mask, V value, int other, int width = 32) {
  const int lane = int(mtlx_machine.thread % 32), from = lane ^ other;
  return mtlx_shuffle(line, mask, value, from > (lane | (width - 1)) ? lane : from);
}
template <class V>
V mtlx_shuffle_down(unsigned line, unsigned mask, V value, unsigned by, int width = 32) {
  const int lane = int(mtlx_machine.thread % 32), from = lane + int(by);
  return mtlx_shuffle(line, mask, value, from > (lane | (width - 1)) ? lane : from);
}
template <class V>
V mtlx_shuffle_up(unsigned line, unsigned mask, V value, unsigned by, int width = 32) {
  const int lane = int(mtlx_machine.thread % 32), from = lane - int(by);
  return mtlx_shuffle(line, mask, value, from < (lane & ~(width - 1)) ? lane : from);
}

template <class To, class From>
static inline To mtlx_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
static inline unsigned __float_as_uint(float x) { return mtlx_bits<unsigned>(x); }
static inline float __uint_as_float(unsigned x) { return mtlx_bits<float>(x); }
static inline int __float_as_int(float x) { return mtlx_bits<int>(x); }
static inline float __int_as_float(int x) { return mtlx_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return mtlx_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return mtlx_bits<double>(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline int min(int a, int b) { return b < a ? b : a; }
static inline int max(int a, int b) { return a < b ? b : a; }
static inline unsigned min(unsigned a, unsigned b) { return b < a ? b : a; }
static inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
static inline long long min(long long a, long long b) { return b < a ? b : a; }
static inline long long max(long long a, long long b) { return a < b ? b : a; }
static inline size_t min(size_t a, size_t b) { return b < a ? b : a; }
static inline size_t max(size_t a, size_t b) { return a < b ? b : a; }
template <class V> V __ldg(const V* x) { return *x; }
template <class V> V atomicOr(V* x, V y) { const V old = *x; *x = V(old | y); return old; }
template <class V> V atomicAdd(V* x, V y) {
  static_assert(V(0.5) == 0, "atomicAdd on whole numbers only: sums of others would depend on timing");
  const V old = *x; *x = V(old + y); return old;
}

// Calls a kernel with its arguments, and says how long they are.
template <class... A, size_t... I>
static void mtlx_apply(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<A*>(arguments[I])...);
}
template <class... A>
static void mtlx_apply_all(void (*kernel)(A...), void** arguments) {
  mtlx_apply(kernel, arguments, std::index_sequence_for<A...>());
}
template <class... A>
static size_t mtlx_sizes_of(void (*)(A...), size_t* sizes) {
  static_assert(sizeof...(A) <= 64, "a kernel has up to 64 arguments");
  size_t count = 0;
  ((sizes[count++] = sizeof(A)), ...);
  return count;
}
#define MTLX_KERNEL(name)                                                                                \
  extern "C" void mtlx_call_##name(void** arguments) { mtlx_apply_all(name, arguments); }                \
  extern "C" size_t mtlx_sizes_##name(size_t* sizes) { return mtlx_sizes_of(name, sizes); }
)mtlx";

inline constexpr std::size_t guard_bytes = 256, most_threads = 1024;
inline constexpr unsigned char guard_byte = 0xA5;

/// The names of the kernels of a text: what stands before the first bracket after each __global__.
inline std::vector<std::string> kernel_names(const std::string& source) {
  const auto part_of_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  std::vector<std::string> names;
  std::string word;
  bool sought = false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source.compare(i, 2, "//") == 0) {
      i = std::min(source.find('\n', i), source.size());
    } else if (source.compare(i, 2, "/*") == 0) {
      i = std::min(source.find("*/", i + 2), source.size() - 1) + 1;
    } else if (part_of_word(source[i])) {
      const std::size_t begin = i;
      while (i + 1 < source.size() && part_of_word(source[i + 1])) ++i;
      word = source.substr(begin, i + 1 - begin);
      if (word == "__global__") sought = true;
    } else if (source[i] == '(' && sought) {
      if (word == "__launch_bounds__") {
        for (int depth = 1; depth > 0 && ++i < source.size();)
          depth += source[i] == '(' ? 1 : source[i] == ')' ? -1 : 0;
      } else {
        // A declaration may come before the definition.
        if (std::find(names.begin(), names.end(), word) == names.end()) names.push_back(word);
        sought = false;
      }
    }
  }
  return names;
}

/// The first lines of a compiler's log.
inline std::string first_lines(const std::string& text, int most = 12) {
  std::istringstream lines(text);
  std::string line, result;
  for (int i = 0; i < most && std::getline(lines, line); ++i) result += "\n  " + line;
  return result;
}

// What was compiled and loaded.
class Library {
 public:
  using Call = void (*)(void** arguments);
  using Sizes = std::size_t (*)(std::size_t* sizes);

  explicit Library(const std::string& source) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    std::string folder = (fs::temp_directory_path(ignored) / "mtlx_kernels_XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) fail("the emulated device can't make the folder ", folder);
    struct Removed {
      fs::path path;
      ~Removed() {
        std::error_code failed;
        fs::remove_all(path, failed);
      }
    };
    const Removed removed{folder};
    {
      std::ofstream file(folder + "/kernels.cpp");
      file << emulator_preamble << "#line 1 \"source\"\n" << source << '\n';
      for (const std::string& name : kernel_names(source)) file << "MTLX_KERNEL(" << name << ")\n";
    }
    const char* given = std::getenv("CXX");
    const std::string compiler = given != nullptr && *given != '\0' ? given : "c++";
    // Sums must not depend on which machine contracts a product and a sum.
    const std::string command =
        "cd '" + folder + "' && " + compiler +
        " -std=c++20 -O1 -ffp-contract=off -fPIC -shared -Wl,-Bsymbolic -w -o kernels.so kernels.cpp >log 2>&1";
    if (std::system(command.c_str()) != 0) {  // NOLINT: the compiler is the user's own
      std::ifstream file(folder + "/log");
      std::ostringstream log;
      log << file.rdbuf();
      fail("the source given to compile() for the emulated device does not compile with ", compiler, ":",
           first_lines(log.str()));
    }
    handle_ = dlopen((folder + "/kernels.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) fail("what was compiled for the emulated device can't be loaded: ", dlerror());
    machine = reinterpret_cast<Machine* (*)()>(dlsym(handle_, "mtlx_get_machine"))();
  }
  Library(const Library&) = delete;
  ~Library() = default;  // what was loaded stays

  Call call(const std::string& name) const {
    return reinterpret_cast<Call>(dlsym(handle_, ("mtlx_call_" + name).c_str()));
  }
  Sizes sizes(const std::string& name) const {
    return reinterpret_cast<Sizes>(dlsym(handle_, ("mtlx_sizes_" + name).c_str()));
  }

  Machine* machine = nullptr;
  std::mutex running;  // one launch at a time: the machine is the library's

 private:
  void* handle_ = nullptr;
};

inline Library& library_of(const std::string& source) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Library>> libraries;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Library>& library = libraries[source];
  if (library == nullptr) library = std::make_unique<Library>(source);
  return *library;
}

#ifdef __x86_64__
// What swapcontext does, without its two system calls: puts this stack's place in *from and goes on where `to` was
// left. A new stack's place holds an address to go to. A function of its own, which callers can't look into: it changes
// every register that a call may change.
[[gnu::noinline]]
#if !defined(__clang__)
[[gnu::noipa]]
#endif
inline void switch_stack(void** from, void* to) {
  asm volatile(
      "leaq -128(%%rsp), %%rsp\n\t"  // the red zone
      "pushq %%rbp\n\t"
      "pushq %%rbx\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "movq %%rsp, (%[from])\n\t"
      "movq %[to], %%rsp\n\t"
      "popq %%rax\n\t"
      "jmpq *%%rax\n\t"
      "1:\n\t"
      "popq %%rbx\n\t"
      "popq %%rbp\n\t"
      "leaq 128(%%rsp), %%rsp\n\t"
      : [from] "+D"(from), [to] "+S"(to)
      :
      : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
}
#endif

/// The threads of a block, as fibers on stacks of their own.
class Fibers {
 public:
  enum class State { ready, at_block, at_warp, refused, ended };

  Fibers() = default;
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;
  ~Fibers() { clear(); }

  /// Runs all blocks of a launch. Throws an Error that names `what`.
  void run(Library::Call call, void** arguments, Machine& machine, const backend::Launch& launch, Order order,
           std::uint64_t& seed, const std::string& what) {
    make(launch.threads);
    call_ = call;
    arguments_ = arguments;
    machine_ = &machine;
    launch_ = launch;
    order_ = order;
    seed_ = &seed;
    machine = {.thread = 0,
               .block = 0,
               .threads = launch.threads,
               .blocks = launch.blocks,
               .shared = nullptr,
               .wait = &wait,
               .runner = this,
               .exchange = exchange_.data(),
               .turn = turns_.data()};
    shared_.resize((launch.shared + 2 * guard_bytes) / sizeof(Line) + 1);
    unsigned char* const shared = shared_.front().bytes + guard_bytes;
    machine.shared = shared;
    std::memset(shared - guard_bytes, guard_byte, shared_.size() * sizeof(Line));
    std::vector<unsigned> blocks;
    put_in_order(blocks, launch.blocks);
    for (const unsigned block : blocks) {
      machine.block = block;
      std::memset(shared, 0xFF, launch.shared);
      std::memset(turns_.data(), 0, turns_.size());
      std::string mistake = run_block();
      if (mistake.empty()) mistake = check_shared(shared);
      if (!mistake.empty()) fail("the kernel ", what, " on the emulated device, block ", block, ": ", mistake);
    }
  }

 private:
  struct Line {
    alignas(256) unsigned char bytes[256];
  };
#ifdef __x86_64__
  using Place = void*;
#else
  using Place = ucontext_t;
#endif
  struct Fiber {
    State state = State::ended;
    unsigned line = 0;
    const char* text = nullptr;
    void* stack = nullptr;  // with the page below it that stops who goes too deep
    Place place{};
    void* fake_stack = nullptr;  // the sanitizers'
    void* fiber = nullptr;
  };
  static constexpr std::size_t page = 65536, stack_bytes = 4 * page;

  void make(unsigned count) {
    while (fibers_.size() < count) {
      Fiber& fiber = fibers_.emplace_back();
      void* const memory =
          mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) {
        fibers_.pop_back();
        fail("the emulated device can't have the stacks of ", count, " threads");
      }
      mprotect(memory, page, PROT_NONE);
      fiber.stack = memory;
      unsigned char* const bottom = static_cast<unsigned char*>(memory) + page;
#ifdef __x86_64__
      // What is popped is where to go; the stack is then as a call leaves it, with zeros for a return address.
      void** const top = reinterpret_cast<void**>(bottom + stack_bytes - 64);
      top[0] = reinterpret_cast<void*>(&enter);
      fiber.place = top;
#else
      getcontext(&fiber.place);
      fiber.place.uc_stack.ss_sp = bottom;
      fiber.place.uc_stack.ss_size = stack_bytes;
      fiber.place.uc_link = nullptr;
      makecontext(&fiber.place, &enter, 0);
#endif
#ifdef MTLX_EMULATOR_TSAN
      fiber.fiber = __tsan_create_fiber(0);
#endif
    }
    if (turns_.size() < count) {
      exchange_.resize(2 * std::size_t{count});
      turns_.resize(count);
    }
  }

  void clear() {
    for (Fiber& fiber : fibers_) {
#ifdef MTLX_EMULATOR_TSAN
      __tsan_destroy_fiber(fiber.fiber);
#endif
#ifdef MTLX_EMULATOR_ASAN
      __asan_unpoison_memory_region(fiber.stack, page + stack_bytes);
#endif
      munmap(fiber.stack, page + stack_bytes);
    }
    fibers_.clear();
  }

  // The numbers below `count` in the order that was asked for.
  void put_in_order(std::vector<unsigned>& numbers, unsigned count) {
    numbers.resize(count);
    for (unsigned i = 0; i < count; ++i) numbers[i] = order_ == Order::backward ? count - 1 - i : i;
    if (order_ != Order::shuffled) return;
    for (unsigned i = count; i > 1; --i) {
      *seed_ = *seed_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's, good enough for an order
      std::swap(numbers[i - 1], numbers[(*seed_ >> 33) % i]);
    }
  }

  // Runs a block; returns what is wrong, or nothing.
  std::string run_block() {
    const unsigned threads = launch_.threads, warps = (threads + 31) / 32;
    for (unsigned i = 0; i < threads; ++i) fibers_[i].state = State::ready;
    while (true) {
      put_in_order(warps_, warps);
      for (const unsigned warp : warps_) {
        const std::string mistake = run_warp(warp * 32, std::min(32u, threads - warp * 32));
        if (!mistake.empty()) return clear(), mistake;
      }
      const unsigned ended = count(0, threads, State::ended);
      if (ended == threads) return {};
      const std::string mistake = release(0, threads, State::at_block);
      if (!mistake.empty()) return clear(), mistake;
    }
  }

  // Runs a warp until all of it has ended or waits for the block.
  std::string run_warp(unsigned first, unsigned lanes) {
    while (true) {
      put_in_order(lanes_, lanes);
      for (const unsigned lane : lanes_) {
        Fiber& fiber = fibers_[first + lane];
        if (fiber.state != State::ready) continue;
        machine_->thread = first + lane;
        resume(fiber);
        if (fiber.state == State::refused)
          return join("thread ", first + lane, ", line ", fiber.line, " of the source: ", fiber.text);
      }
      if (count(first, lanes, State::at_warp) == 0) return {};
      std::string mistake = release(first, lanes, State::at_warp);
      if (!mistake.empty()) return mistake;
    }
  }

  unsigned count(unsigned first, unsigned threads, State state) const {
    unsigned result = 0;
    for (unsigned i = 0; i < threads; ++i) result += fibers_[first + i].state == state ? 1 : 0;
    return result;
  }

  // Lets all go on that wait at a barrier, if all of them do.
  std::string release(unsigned first, unsigned threads, State barrier) {
    const Fiber* one = nullptr;
    for (unsigned i = 0; i < threads; ++i) {
      const Fiber& fiber = fibers_[first + i];
      if (fiber.state != barrier) continue;
      if (one == nullptr) one = &fiber;
      if (fiber.line != one->line) {
        return join("threads wait at two different barriers, in lines ", one->line, " and ", fiber.line,
                    " of the source");
      }
    }
    const unsigned waiting = count(first, threads, barrier);
    if (waiting != threads) {
      return join("a barrier that not all threads reach: of threads ", first, " to ", first + threads - 1, ", ",
                  count(first, threads, State::at_block), " wait at __syncthreads, ",
                  count(first, threads, State::at_warp), " for their warp, ", count(first, threads, State::ended),
                  " have ended (one waits in line ", one->line, " of the source)");
    }
    for (unsigned i = 0; i < threads; ++i) fibers_[first + i].state = State::ready;
    return {};
  }

  std::string check_shared(unsigned char* shared) {
    const unsigned char* const end = reinterpret_cast<const unsigned char*>(shared_.data() + shared_.size());
    const auto whole = [](unsigned char byte) { return byte == guard_byte; };
    if (!std::all_of(shared - guard_bytes, shared, whole)) return "it wrote before its shared memory";
    if (!std::all_of(const_cast<const unsigned char*>(shared + launch_.shared), end, whole))
      return join("it wrote beyond its ", launch_.shared, " bytes of shared memory");
    return {};
  }

  static Fibers*& starting() {
    static thread_local Fibers* fibers = nullptr;
    return fibers;
  }

  // Where a fiber begins: it runs thread after thread, of block after block.
  static void enter() {
    Fibers& self = *starting();
#ifdef MTLX_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self.home_.bottom, &self.home_.bytes);
#endif
    while (true) {
      self.call_(self.arguments_);
      self.leave(State::ended);
    }
  }

  static void wait(void* runner, int what, unsigned line, const char* text) {
    Fibers& self = *static_cast<Fibers*>(runner);
    self.current_->line = line;
    self.current_->text = text;
    self.leave(what == 0 ? State::at_block : what == 1 ? State::at_warp : State::refused);
  }

  void resume(Fiber& fiber) {
    current_ = &fiber;
    starting() = this;
#ifdef MTLX_EMULATOR_TSAN
    home_.fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber.fiber, 0);
#endif
#ifdef MTLX_EMULATOR_ASAN
    __sanitizer_start_switch_fiber(&home_.fake_stack, static_cast<unsigned char*>(fiber.stack) + page, stack_bytes);
#endif
    switch_context(home_.place, fiber.place);
#ifdef MTLX_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(home_.fake_stack, nullptr, nullptr);
#endif
  }

  void leave(State state) {
    Fiber& fiber = *current_;
    fiber.state = state;
#ifdef MTLX_EMULATOR_TSAN
    __tsan_switch_to_fiber(home_.fiber, 0);
#endif
#ifdef MTLX_EMULATOR_ASAN
    __sanitizer_start_switch_fiber(&fiber.fake_stack, home_.bottom, home_.bytes);
#endif
    switch_context(fiber.place, home_.place);
#ifdef MTLX_EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(fiber.fake_stack, &home_.bottom, &home_.bytes);
#endif
  }

#ifdef __x86_64__
  static void switch_context(Place& from, Place& to) { switch_stack(&from, to); }
#else
  static void switch_context(Place& from, Place& to) { swapcontext(&from, &to); }
#endif

  std::deque<Fiber> fibers_;
  // Where the launch itself runs.
  struct Home {
    Place place{};
    void* fake_stack = nullptr;
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    void* fiber = nullptr;
  } home_;
  Fiber* current_ = nullptr;
  std::vector<unsigned long long> exchange_;
  std::vector<unsigned char> turns_;
  std::vector<Line> shared_;
  std::vector<unsigned> warps_, lanes_;
  Library::Call call_ = nullptr;
  void** arguments_ = nullptr;
  Machine* machine_ = nullptr;
  backend::Launch launch_;
  Order order_ = Order::forward;
  std::uint64_t* seed_ = nullptr;
};

}  // namespace detail

/// A device that runs kernels on the CPU. See the head of this file.
class EmulatedDevice {
 public:
  struct Options {
    int index = 0;
    Order order = Order::forward;
    std::uint64_t seed = 1;                     ///< of `shuffled`
    std::size_t shared_memory = 227 * 1024;     ///< what a block can have
    std::size_t memory = std::size_t{4} << 30;  ///< what the device has
  };
  static constexpr unsigned threads = 64;

  /// The compiled kernels of a text.
  class Module {
   public:
    Module() = default;
    Module(Module&& other) noexcept : library_(std::exchange(other.library_, nullptr)) {}
    Module& operator=(Module&& other) noexcept {
      library_ = std::exchange(other.library_, nullptr);
      return *this;
    }

   private:
    friend class EmulatedDevice;
    detail::Library* library_ = nullptr;
  };

  class Kernel {
    friend class EmulatedDevice;
    detail::Library* library_ = nullptr;
    detail::Library::Call call_ = nullptr;
    std::vector<std::size_t> sizes_;
  };

  /// Work that was recorded.
  class Graph {
   public:
    Graph() = default;
    Graph(Graph&&) = default;
    Graph& operator=(Graph&&) = default;

   private:
    friend class EmulatedDevice;
    std::vector<std::function<void()>> work_;
  };

  EmulatedDevice() : EmulatedDevice(Options{}) {}
  /// Throws where there is no such device: there is one, 0.
  explicit EmulatedDevice(Options options) : options_(options), seed_(options.seed) {
    if (options.index != 0) fail("the emulated device ", options.index, " was asked for, there is only 0");
  }
  EmulatedDevice(const EmulatedDevice&) = delete;
  EmulatedDevice& operator=(const EmulatedDevice&) = delete;
  /// What is still in the stream is not run.
  ~EmulatedDevice() {
    for (auto& [place, allocation] : allocations_) std::free(allocation.begin);
    for (auto& [place, bytes] : staging_) std::free(place);
  }

  std::string name() const { return "emulated on the CPU"; }
  std::size_t shared_memory() const { return options_.shared_memory; }
  std::size_t free_memory() const {
    std::size_t used = 0;
    for (const auto& [place, allocation] : allocations_) used += allocation.bytes;
    return options_.memory - used;
  }
  /// The order of what runs from now on.
  void set_order(Order order, std::uint64_t seed = 1) {
    options_.order = order;
    seed_ = seed;
  }

  /// Zeroed device memory; nullptr for no bytes. Throws if there is too little.
  void* allocate(std::size_t bytes) {
    refuse_in_graph("allocate");
    if (bytes == 0) return nullptr;
    const std::size_t free = free_memory();
    const std::size_t whole = (bytes + 255) / 256 * 256 + 2 * detail::guard_bytes;
    unsigned char* begin = nullptr;
    if (bytes <= free) begin = static_cast<unsigned char*>(std::aligned_alloc(256, whole));
    if (begin == nullptr)
      fail("the emulated device has no ", bytes, " bytes, ", free, " of ", options_.memory, " are free");
    std::memset(begin, detail::guard_byte, whole);
    unsigned char* const place = begin + detail::guard_bytes;
    std::memset(place, 0, bytes);
    allocations_[place] = {begin, bytes, whole};
    return place;
  }
  /// Ends the program if the place is none of allocate's, or if somebody wrote beside it.
  void release(void* place) noexcept {
    if (place == nullptr) return;
    // As a GPU does, after the work that may still use it; what goes wrong there is for finish() to tell.
    run_all(false);
    const auto found = allocations_.find(static_cast<unsigned char*>(place));
    if (found == allocations_.end()) end("release() of what is not allocated");
    if (!whole(found->first, found->second)) end("release() of memory that somebody wrote beside");
    std::free(found->second.begin);
    allocations_.erase(found);
  }
  /// Zeroed host memory; nullptr for no bytes.
  void* allocate_staging(std::size_t bytes) {
    refuse_in_graph("allocate_staging");
    if (bytes == 0) return nullptr;
    void* const place = std::calloc(1, bytes);
    if (place == nullptr) fail("the emulated device has no ", bytes, " bytes of staging memory");
    staging_[static_cast<unsigned char*>(place)] = bytes;
    return place;
  }
  void release_staging(void* place) noexcept {
    if (place == nullptr) return;
    run_all(false);
    if (staging_.erase(static_cast<unsigned char*>(place)) == 0) end("release_staging() of what is not allocated");
    std::free(place);
  }

  /// Host to device.
  void upload(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    check_device(to, bytes, "upload");
    if (check_staging(from, bytes, "upload")) return put([=] { std::memcpy(to, from, bytes); });
    const unsigned char* const begin = static_cast<const unsigned char*>(from);
    put([to, kept = std::vector<unsigned char>(begin, begin + bytes)] { std::memcpy(to, kept.data(), kept.size()); });
  }
  /// Device to host; done after finish().
  void download(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    check_device(from, bytes, "download");
    check_staging(to, bytes, "download");
    put([=] { std::memcpy(to, from, bytes); });
  }
  /// Device to device.
  void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    check_device(to, bytes, "copy");
    check_device(from, bytes, "copy");
    put([=] { std::memmove(to, from, bytes); });
  }
  /// Runs all that is in the stream.
  void finish() {
    refuse_in_graph("finish");
    run_all(true);
  }

  Module compile(const std::string& source) {
    refuse_in_graph("compile");
    Module module;
    module.library_ = &detail::library_of(source);
    return module;
  }
  Kernel kernel(const Module& module, const char* name) const {
    Kernel kernel;
    kernel.library_ = module.library_;
    kernel.call_ = module.library_->call(name);
    if (kernel.call_ == nullptr) fail("the compiled source has no kernel ", name);
    std::size_t sizes[64];
    kernel.sizes_.assign(sizes, sizes + module.library_->sizes(name)(sizes));
    return kernel;
  }
  void launch(const Kernel& kernel, const backend::Launch& launch, void** arguments, std::string_view what) {
    if (launch.blocks == 0 || launch.threads == 0 || launch.threads > detail::most_threads ||
        launch.shared > options_.shared_memory) {
      fail("the kernel ", what, " can't be launched with ", launch.blocks, " blocks of ", launch.threads,
           " threads and ", launch.shared, " bytes of shared memory; at most ", detail::most_threads, " threads and ",
           options_.shared_memory, " bytes");
    }
    // Kept by value, each at a place of its own.
    struct Kept {
      std::vector<std::max_align_t> numbers;
      std::vector<void*> arguments;
    };
    auto kept = std::make_shared<Kept>();
    constexpr std::size_t unit = sizeof(std::max_align_t);
    std::size_t units = 0;
    for (const std::size_t size : kernel.sizes_) units += (size + unit - 1) / unit;
    kept->numbers.resize(units);
    units = 0;
    for (std::size_t i = 0; i < kernel.sizes_.size(); ++i) {
      kept->arguments.push_back(&kept->numbers[units]);
      std::memcpy(kept->arguments.back(), arguments[i], kernel.sizes_[i]);
      units += (kernel.sizes_[i] + unit - 1) / unit;
    }
    put([this, library = kernel.library_, call = kernel.call_, launch, kept, name = std::string(what)] {
      const std::lock_guard lock(library->running);
      fibers_.run(call, kept->arguments.data(), *library->machine, launch, options_.order, seed_, name);
      for (auto& [place, allocation] : allocations_) {
        if (whole(place, allocation)) continue;
        repair(place, allocation);
        fail("the kernel ", name, " on the emulated device wrote beside an allocation of ", allocation.bytes, " bytes");
      }
    });
  }

  void begin_graph() {
    refuse_in_graph("begin_graph");
    recording_ = true;
    recorded_ = Graph();
  }
  Graph end_graph() {
    if (!recording_) fail("end_graph() without begin_graph()");
    recording_ = false;
    return std::move(recorded_);
  }
  void replay(const Graph& graph) {
    refuse_in_graph("replay");
    for (const auto& work : graph.work_) put(work);
  }

  void note(int which) {
    refuse_in_graph("note");
    const std::size_t i = static_cast<std::size_t>(which);
    ++notes_.at(i);
    put([this, i] { --notes_[i]; });
  }
  /// Runs no more than it must: what comes after the note still waits.
  void wait_for(int which) {
    refuse_in_graph("wait_for");
    run_until([&] { return notes_.at(static_cast<std::size_t>(which)) == 0; });
  }
  void mark(int which) {
    refuse_in_graph("mark");
    put([this, which] { marks_.at(static_cast<std::size_t>(which)) = std::chrono::steady_clock::now(); });
  }
  double milliseconds() {
    finish();
    return std::chrono::duration<double, std::milli>(marks_[1] - marks_[0]).count();
  }

 private:
  struct Allocation {
    unsigned char* begin = nullptr;  // with the guards
    std::size_t bytes = 0, whole = 0;
  };

  [[noreturn]] static void end(const char* text) {
    std::fprintf(stderr, "mtlx: the emulated device: %s\n", text);
    std::abort();
  }
  static bool whole(const unsigned char* place, const Allocation& allocation) {
    const auto kept = [](unsigned char byte) { return byte == detail::guard_byte; };
    return std::all_of(static_cast<const unsigned char*>(allocation.begin), place, kept) &&
           std::all_of(place + allocation.bytes, static_cast<const unsigned char*>(allocation.begin) + allocation.whole,
                       kept);
  }
  static void repair(unsigned char* place, const Allocation& allocation) {
    std::fill(allocation.begin, place, detail::guard_byte);
    std::fill(place + allocation.bytes, allocation.begin + allocation.whole, detail::guard_byte);
  }
  void refuse_in_graph(const char* what) const {
    if (recording_) fail(what, "() between begin_graph() and end_graph()");
  }

  void put(std::function<void()> work) {
    if (recording_)
      recorded_.work_.push_back(std::move(work));
    else
      stream_.push_back(std::move(work));
  }
  void run_all(bool may_throw) {
    run([] { return false; });
    if (mistake_ != nullptr && may_throw) std::rethrow_exception(std::exchange(mistake_, nullptr));
  }
  template <class Enough>
  void run_until(Enough enough) {
    run(enough);
    if (mistake_ != nullptr) std::rethrow_exception(std::exchange(mistake_, nullptr));
  }
  template <class Enough>
  void run(Enough enough) {
    while (mistake_ == nullptr && !stream_.empty() && !enough()) {
      const std::function<void()> work = std::move(stream_.front());
      stream_.pop_front();
      try {
        work();
      } catch (...) {
        mistake_ = std::current_exception();
      }
    }
    if (mistake_ != nullptr) stream_.clear(), notes_.fill(0);
  }

  // Whether `bytes` from `place` lie in one of `places`.
  template <class Places, class Bytes>
  static bool lies_in(const Places& places, const void* place, std::size_t bytes, Bytes bytes_of) {
    unsigned char* const begin = static_cast<unsigned char*>(const_cast<void*>(place));
    auto found = places.upper_bound(begin);
    if (found == places.begin()) return false;
    --found;
    const std::size_t offset = static_cast<std::size_t>(begin - found->first);
    return offset <= bytes_of(found->second) && bytes <= bytes_of(found->second) - offset;
  }
  void check_device(const void* place, std::size_t bytes, const char* what) const {
    if (lies_in(allocations_, place, bytes, [](const Allocation& allocation) { return allocation.bytes; })) return;
    fail(what, " of ", bytes, " bytes on the emulated device: they do not lie in one allocation");
  }
  bool check_staging(const void* place, std::size_t bytes, const char* what) const {
    const bool staging = lies_in(staging_, place, bytes, [](std::size_t length) { return length; });
    if (!staging && recording_) fail(what, " of ", bytes, " bytes in a graph: the host's are no staging memory");
    return staging;
  }

  Options options_;
  std::uint64_t seed_;
  std::map<unsigned char*, Allocation> allocations_;
  std::map<unsigned char*, std::size_t> staging_;
  std::deque<std::function<void()>> stream_;
  bool recording_ = false;
  Graph recorded_;
  std::exception_ptr mistake_;
  std::array<std::chrono::steady_clock::time_point, 2> marks_{};
  std::array<int, 2> notes_{};  // that have not been passed
  detail::Fibers fibers_;
};

static_assert(backend::Device<EmulatedDevice>);

}  // namespace mtlx::testing

#undef MTLX_EMULATOR_ASAN
#undef MTLX_EMULATOR_TSAN
