// SPDX-License-Identifier: MIT
// Trains with every balancer, several seeds each, and prints how they did. bench/methods/table.sh builds and runs it.
#include <mtlx/study/report_text.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "methods.hpp"

using namespace mtlx;

namespace {

// Mean and standard deviation over seeds, "0.1234 ± 0.0012".
std::string spread(const std::vector<double>& numbers, const char* format) {
  if (numbers.empty()) return "none";
  const auto n = static_cast<double>(numbers.size());
  double mean = 0, square = 0;
  for (const double x : numbers) mean += x / n;
  for (const double x : numbers) square += (x - mean) * (x - mean);
  char text[80];
  std::snprintf(text, sizeof text, format, mean, n > 1 ? std::sqrt(square / (n - 1)) : 0.0);
  return text;
}

// A row for each method: what the study's own table has in columns.
void print(const study::Study& study) {
  std::printf("%s\n\n| method | mean %s of the tasks | delta_m, %% | failed |\n|---|---:|---:|---:|\n",
              study.data.c_str(), study.tasks[0].metric.c_str());
  for (std::size_t c = 0; c < study.candidates.size(); ++c) {
    std::vector<double> means;
    std::size_t failed = 0;
    for (const study::RunRecord& run : study.runs) {
      if (run.candidate != c) continue;
      failed += run.failed() ? 1 : 0;
      if (run.failed()) continue;
      means.push_back(0);
      for (const double metric : run.metrics) means.back() += metric / static_cast<double>(run.metrics.size());
    }
    std::printf("| %s | %s | %s | %zu |\n", study.candidates[c].name.c_str(), spread(means, "%.4f ± %.4f").c_str(),
                c == 0 ? "" : spread(study::delta_m(study, c).differences, "%+.2f ± %.2f").c_str(), failed);
  }
}

}  // namespace

int main(int count, char** words) try {
  constexpr const char* usage =
      "usage: methods fashion|yeast [--data PATH] [--seeds N] [--epochs N] [--samples N] [--jobs N] [--keep DIR] "
      "[--report DIR]\n";
  methods::Arguments arguments;
  std::string report;
  const std::string_view which = count > 1 ? words[1] : "";
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string_view word = words[i];
    const std::string value = words[i + 1];
    const std::size_t number = std::strtoul(value.c_str(), nullptr, 10);
    if (word == "--data")
      arguments.data = value;
    else if (word == "--keep")
      arguments.keep = value;
    else if (word == "--report")
      report = value;
    else if (std::to_string(number) != value)
      fail(word, " ", value, "\n", usage);
    else if (word == "--seeds")
      arguments.seeds = number;
    else if (word == "--epochs")
      arguments.epochs = number;
    else if (word == "--samples")
      arguments.samples = number;
    else if (word == "--jobs")
      arguments.jobs = static_cast<int>(number);
    else
      fail(word, " is no option\n", usage);
  }
  if ((which != "fashion" && which != "yeast") || count % 2 != 0) fail(usage);
  const study::Study study = which == "yeast" ? methods::yeast(arguments) : methods::fashion(arguments);
  print(study);
  if (!report.empty()) study::write_report(study, report);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
