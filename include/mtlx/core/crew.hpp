// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mtlx/core/error.hpp>
#include <thread>
#include <type_traits>
#include <vector>

namespace mtlx {

/// Threads that work on numbered jobs together. Between two calls they spin for some microseconds (a training step's
/// pause) and then sleep. Which thread does which job is left open: results must not depend on it.
class Crew {
 public:
  /// `threads` in all, the caller's included; 0 takes as many as the machine has cores. Throws `Error` below 0.
  explicit Crew(int threads = 0) : threads_(wanted(threads)) {
    if (threads_ > 1) shared_ = std::make_unique<Shared>();
    for (std::size_t worker = 1; worker < threads_; ++worker)
      helpers_.emplace_back([shared = shared_.get(), worker] { help(*shared, worker); });
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    if (!shared_) return;
    shared_->leave = true;
    shared_->round.fetch_add(1);
    shared_->round.notify_all();
    for (std::thread& helper : helpers_) helper.join();
  }

  std::size_t size() const { return threads_; }

  /// Calls work(job, worker) once for each job below `jobs`, worker below `size()`. If calls throw, the exception of
  /// the first such job is thrown on; jobs after it may or may not have been done.
  template <class Work>
  void run(std::size_t jobs, Work&& work) {
    const auto call = [](const void* function, std::size_t job, std::size_t worker) {
      (*static_cast<const std::remove_reference_t<Work>*>(function))(job, worker);
    };
    share_out(jobs, call, &work);
  }

 private:
  using Call = void (*)(const void* work, std::size_t job, std::size_t worker);

  struct Shared {
    std::atomic<std::size_t> round{0};
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> busy{0};
    std::atomic<bool> leave{false};
    std::size_t jobs = 0;
    Call call = nullptr;
    const void* work = nullptr;
    std::atomic_flag failing;
    std::size_t failed_job = 0;
    std::exception_ptr failure;
  };

  static std::size_t wanted(int threads) {
    if (threads < 0) fail("the number of threads must be 0 (all cores) or more, and is ", threads);
    if (threads > 0) return static_cast<std::size_t>(threads);
    const unsigned cores = std::thread::hardware_concurrency();
    return cores == 0 ? 1 : cores;
  }

  // Waits while `value` is `seen`: some thousand looks, about 20 microseconds, then asleep until it is notified.
  static void rest(std::atomic<std::size_t>& value, std::size_t seen) {
    for (int looks = 0; looks < 4000; ++looks) {
      if (value.load(std::memory_order_acquire) != seen) return;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
    value.wait(seen, std::memory_order_acquire);
  }

  // One function for work of every type: little to compile.
  [[gnu::noinline]] void share_out(std::size_t jobs, Call call, const void* work) {
    if (threads_ == 1 || jobs <= 1) {
      for (std::size_t job = 0; job < jobs; ++job) call(work, job, 0);
      return;
    }
    Shared& s = *shared_;
    s.call = call;
    s.work = work;
    s.jobs = jobs;
    s.failed_job = jobs;
    s.failure = nullptr;
    s.next.store(0, std::memory_order_relaxed);
    s.busy.store(threads_ - 1, std::memory_order_relaxed);
    s.round.fetch_add(1, std::memory_order_release);
    s.round.notify_all();
    take_jobs(s, 0);
    for (std::size_t left = s.busy.load(std::memory_order_acquire); left != 0;
         left = s.busy.load(std::memory_order_acquire))
      rest(s.busy, left);
    if (s.failure) std::rethrow_exception(s.failure);
  }

  static void take_jobs(Shared& s, std::size_t worker) {
    for (std::size_t job = s.next.fetch_add(1); job < s.jobs; job = s.next.fetch_add(1)) {
      try {
        s.call(s.work, job, worker);
      } catch (...) {
        while (s.failing.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
        if (job < s.failed_job) s.failed_job = job, s.failure = std::current_exception();
        s.failing.clear(std::memory_order_release);
      }
    }
  }

  static void help(Shared& s, std::size_t worker) {
    for (std::size_t seen = 0;;) {
      while (s.round.load(std::memory_order_acquire) == seen) rest(s.round, seen);
      ++seen;
      if (s.leave) return;
      take_jobs(s, worker);
      s.busy.fetch_sub(1, std::memory_order_acq_rel);
      s.busy.notify_all();
    }
  }

  std::size_t threads_;
  std::unique_ptr<Shared> shared_;
  std::vector<std::thread> helpers_;
};

}  // namespace mtlx
