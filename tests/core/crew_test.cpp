// SPDX-License-Identifier: MIT
#include <mtlx/core/crew.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>

using namespace mtlx;

TEST_CASE("each job is done once, by any number of threads") {
  for (const int threads : {1, 2, 3, 8}) {
    Crew crew(threads);
    CHECK(crew.size() == static_cast<std::size_t>(threads));
    for (const std::size_t jobs : std::initializer_list<std::size_t>{0, 1, 2, 3, 7, 1000}) {
      CAPTURE(threads);
      CAPTURE(jobs);
      std::vector<std::atomic<int>> calls(jobs);
      std::atomic<bool> strange{false};
      crew.run(jobs, [&](std::size_t job, std::size_t worker) {
        if (worker >= crew.size()) strange = true;
        ++calls[job];
      });
      CHECK_FALSE(strange);
      CHECK(std::all_of(calls.begin(), calls.end(), [](const auto& n) { return n == 1; }));
    }
  }
}

TEST_CASE("what workers write is there when run returns, round after round") {
  for (const int threads : {2, 3, 8}) {
    Crew crew(threads);
    std::vector<long> numbers(13);
    for (long round = 1; round <= 3000; ++round) {
      crew.run(numbers.size(), [&](std::size_t job, std::size_t) { numbers[job] += round; });
      const long expected = round * (round + 1) / 2 * static_cast<long>(numbers.size());
      REQUIRE(std::accumulate(numbers.begin(), numbers.end(), 0L) == expected);
    }
  }
}

TEST_CASE("a worker's place is its own while a job runs") {
  Crew crew(3);
  std::vector<std::atomic<int>> inside(crew.size());
  std::atomic<bool> shared{false};
  crew.run(500, [&](std::size_t, std::size_t worker) {
    if (inside[worker].fetch_add(1) != 0) shared = true;
    inside[worker].fetch_sub(1);
  });
  CHECK_FALSE(shared);
}

TEST_CASE("the exception of the first job that threw is thrown on, and the crew works on") {
  for (const int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    Crew crew(threads);
    for (int round = 0; round < 50; ++round) {
      std::string thrown;
      try {
        crew.run(40, [](std::size_t job, std::size_t) {
          if (job >= 5 && job % 2 == 1) throw Error(std::to_string(job));
        });
      } catch (const Error& error) {
        thrown = error.what();
      }
      CHECK(thrown == "5");
      std::atomic<int> done{0};
      CHECK_NOTHROW(crew.run(10, [&](std::size_t, std::size_t) { ++done; }));
      CHECK(done == 10);
    }
  }
}

TEST_CASE("crews wake after a sleep") {
  Crew crew(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> done{0};
    crew.run(10, [&](std::size_t, std::size_t) { ++done; });
    CHECK(done == 10);
  }
}

TEST_CASE("crews come and go") {
  for (int i = 0; i < 100; ++i) {
    Crew crew(2 + i % 3);
    if (i % 2 == 0) crew.run(2, [](std::size_t, std::size_t) {});
  }
  CHECK(Crew(0).size() >= 1);
}

TEST_CASE("fewer than no threads are refused") {
  CHECK_THROWS_WITH_AS(Crew(-1), "mtlx: the number of threads must be 0 (all cores) or more, and is -1", Error);
}

TEST_CASE("jobs may be const, mutable and copied from nowhere") {
  Crew crew(2);
  std::atomic<int> calls{0};
  struct Work {
    std::atomic<int>* calls;
    Work(std::atomic<int>* to) : calls(to) {}  // NOLINT: a test
    Work(const Work&) = delete;
    void operator()(std::size_t, std::size_t) const { ++*calls; }
  };
  const Work work(&calls);
  crew.run(5, work);
  crew.run(5, Work(&calls));
  CHECK(calls == 10);
}
