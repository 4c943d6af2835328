// SPDX-License-Identifier: MIT
// Studies of many trainings that may be killed: every training is a line of a CSV file in a folder, and a study goes on after
// the last whole line.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace resumable {

using namespace mtlx;

// Makes the folder. `settings` says how much is trained: runs of other settings are refused, not gone on with.
inline void open_folder(const std::string& folder, const std::string& settings) {
  make_folder(folder);
  const std::string kept = folder + "/settings.txt";
  if (!file_exists(kept))
    write_file(kept, settings + "\n");
  else if (const std::string older = read_file(kept); older != settings + "\n")
    fail(folder, " has runs of other settings than ", settings, " (see ", kept, "): give another --folder");
}

// The lines of a file, those that were there and those that are added, by any thread.
class Lines {
 public:
  // The first line is `header`.
  Lines(std::string file, const std::string& header) : file_(std::move(file)) {
    std::string text = file_exists(file_) ? read_file(file_) : std::string();
    const bool cut = !text.empty() && text.back() != '\n';
    text.resize(text.rfind('\n') + 1);
    if (text.empty())
      write_file(file_, header + "\n");
    else if (cut)
      write_file(file_, text);
    if (!text.empty() && !text.starts_with(header + "\n")) fail(file_, " has other columns: give another --folder");
    std::istringstream in(text);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) found_.push_back(cells_of(line));
  }
  // What the file had at first, cell by cell.
  const std::vector<std::vector<std::string>>& found() const { return found_; }
  void add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    append_file(file_, line + "\n");
  }

 private:
  static std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells(1);
    for (const char c : line)
      if (c == ',')
        cells.emplace_back();
      else
        cells.back() += c;
    return cells;
  }

  std::string file_;
  std::vector<std::vector<std::string>> found_;
  std::mutex mutex_;
};

// Jobs on so many threads, in order. What goes wrong in one ends that one.
inline void run_all(std::vector<std::function<void()>> jobs, std::size_t threads) {
  std::mutex mutex;
  std::size_t next = 0;
  std::vector<std::thread> crew;
  for (std::size_t i = 0; i < threads; ++i)
    crew.emplace_back([&] {
      for (;;) {
        std::size_t job;
        {
          const std::lock_guard lock(mutex);
          if (next == jobs.size()) return;
          job = next++;
        }
        try {
          jobs[job]();
        } catch (const std::exception& error) {
          std::fprintf(stderr, "%s\n", error.what());
        }
      }
    });
  for (auto& thread : crew) thread.join();
}

}  // namespace resumable
