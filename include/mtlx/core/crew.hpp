// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <exception>
#include <mtlx/core/error.hpp>
#include <type_traits>
#include <vector>

namespace mtlx {

/// Threads that work on numbered jobs together. Between two calls they spin for some microseconds (a training step's
/// pause) and then sleep. Which thread does which job is left open: results must not depend on it. (POSIX threads: to
/// include <thread> takes a program longer to compile than all of this.)
class Crew {
 public:
  /// `threads` in all, the caller's included; 0 takes as many as the machine has cores. Throws `Error` below 0.
  [[gnu::cold]] explicit Crew(int threads = 0) : threads_(wanted(threads)), helpers_(threads_ - 1) {
    for (std::size_t started = 0; started < helpers_.size(); ++started)
      if (const int error = pthread_create(&helpers_[started], nullptr, help, &shared_); error != 0) {
        leave(started);
        fail("cannot start a thread: ", std::strerror(error));
      }
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  [[gnu::cold]] ~Crew() { leave(helpers_.size()); }

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
    std::atomic<std::size_t> workers{1};  // that there are so far: gives each a number
    std::atomic<std::size_t> round{0};
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> busy{0};
    std::atomic<std::size_t> asleep{0};
    std::atomic<bool> leave{false};
    pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t bell = PTHREAD_COND_INITIALIZER;
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
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : static_cast<std::size_t>(cores);
  }

  // Waits while `value` is `seen`: some thousand looks, about 20 microseconds, then asleep until `wake` is called.
  static void rest(Shared& s, const std::atomic<std::size_t>& value, std::size_t seen) {
    for (int looks = 0; looks < 4000; ++looks) {
      if (value.load(std::memory_order_acquire) != seen) return;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
    pthread_mutex_lock(&s.door);
    // In one order with what `wake` does: either this sees the new value, or that sees this one asleep.
    s.asleep.fetch_add(1);
    while (value.load() == seen) pthread_cond_wait(&s.bell, &s.door);
    s.asleep.fetch_sub(1);
    pthread_mutex_unlock(&s.door);
  }
  // Follows a change of a value that somebody may wait for.
  static void wake(Shared& s) {
    if (s.asleep.load() == 0) return;
    pthread_mutex_lock(&s.door);
    pthread_cond_broadcast(&s.bell);
    pthread_mutex_unlock(&s.door);
  }

  [[gnu::cold]] void leave(std::size_t helpers) {
    shared_.leave = true;
    shared_.round.fetch_add(1);
    wake(shared_);
    for (std::size_t helper = 0; helper < helpers; ++helper) pthread_join(helpers_[helper], nullptr);
  }

  // One function for work of every type: little to compile.
  [[gnu::noinline]] void share_out(std::size_t jobs, Call call, const void* work) {
    if (threads_ == 1 || jobs <= 1) {
      for (std::size_t job = 0; job < jobs; ++job) call(work, job, 0);
      return;
    }
    Shared& s = shared_;
    s.call = call;
    s.work = work;
    s.jobs = jobs;
    s.failed_job = jobs;
    s.failure = nullptr;
    s.next.store(0, std::memory_order_relaxed);
    s.busy.store(threads_ - 1, std::memory_order_relaxed);
    s.round.fetch_add(1);
    wake(s);
    take_jobs(s, 0);
    for (std::size_t left = s.busy.load(std::memory_order_acquire); left != 0;
         left = s.busy.load(std::memory_order_acquire))
      rest(s, s.busy, left);
    if (s.failure) std::rethrow_exception(s.failure);
  }

  static void take_jobs(Shared& s, std::size_t worker) {
    for (std::size_t job = s.next.fetch_add(1); job < s.jobs; job = s.next.fetch_add(1)) {
      try {
        s.call(s.work, job, worker);
      } catch (...) {
        while (s.failing.test_and_set(std::memory_order_acquire)) sched_yield();
        if (job < s.failed_job) s.failed_job = job, s.failure = std::current_exception();
        s.failing.clear(std::memory_order_release);
      }
    }
  }

  // A helper's life.
  static void* help(void* shared) {
    Shared& s = *static_cast<Shared*>(shared);
    const std::size_t worker = s.workers.fetch_add(1);
    for (std::size_t seen = 0;;) {
      while (s.round.load(std::memory_order_acquire) == seen) rest(s, s.round, seen);
      ++seen;
      if (s.leave) return nullptr;
      take_jobs(s, worker);
      s.busy.fetch_sub(1);
      wake(s);
    }
  }

  std::size_t threads_;
  Shared shared_;
  std::vector<pthread_t> helpers_;
};

}  // namespace mtlx
