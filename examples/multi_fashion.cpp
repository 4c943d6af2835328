// SPDX-License-Identifier: MIT
// Is one network for two tasks better than two? A study on Multi-Fashion, pairs of pictures, answers, and writes a report.
#include <cstdio>
#include <cstdlib>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/study/report_text.hpp>
#include <string_view>
#ifdef MTLX_USE_CUDA
#include <mtlx/cuda.hpp>
#endif
using namespace mtlx;

// The LeNet of the Multi-Fashion papers for 36 x 36 pictures, with PyTorch's first weights: from He's it was worse.
using Trunk = nn::Sequential<nn::Conv2d<10, 9, 1, 0, nn::pytorch_uniform>, nn::MaxPool2d<2>, nn::Relu,
                             nn::Conv2d<20, 5, 1, 0, nn::pytorch_uniform>, nn::MaxPool2d<2>, nn::Relu,
                             nn::Dense<50, nn::pytorch_uniform>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
template <class Sharing, class Backend>
using Model = MultiTask<Input<1, 36, 36>, Pair, Sharing, optim::Adam, Backend>;

struct Settings {
  std::string data = "/usr/share/datasets/fashion-mnist", json, report, keep, backend = "cpu";
  std::size_t epochs = 3, seeds = 3, limit = 0, threads = 0, gpu = 0;
  std::vector<double> rates{1e-3};
};
constexpr const char* usage =
    "usage: multi_fashion [--full] [--seeds N] [--epochs N] [--backend cpu|cuda] [--threads N] [--gpu N] [--data DIR]\n"
    "                     [--report DIR] [--json FILE] [--keep DIR] [--smoke]\n"
    "  --full    5 epochs, 5 seeds, the best of 3 learning rates; without it 3 epochs, 3 seeds, Adam 1e-3\n"
    "  --report  writes report.html, tables and curves into DIR;  --json  the results alone into FILE\n"
    "  --keep    finished runs stay in DIR, for a study that goes on;  --threads  trainings side by side (all cores)\n"
    "  --smoke   a few hundred pictures: only whether it works\n";

Settings read(int count, char** words) {
  Settings s;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const auto text = [&](std::string_view name, std::string& to) {
      if (word == name) to = i + 1 < count ? words[++i] : throw Error(join("mtlx: ", word, " needs a value\n", usage));
      return word == name;
    };
    const auto number = [&](std::string_view name, std::size_t& to, std::size_t least) {
      std::string value;
      if (!text(name, value)) return false;
      to = std::strtoul(value.c_str(), nullptr, 10);
      if (std::to_string(to) != value || to < least || to > 10000)
        fail(word, " takes a whole number from ", least, " to 10000, not \"", value, "\"");
      return true;
    };
    if (word == "--help") std::fputs(usage, stdout), std::exit(0);
    if (word == "--full")
      s.epochs = 5, s.seeds = 5, s.rates = {3e-4, 1e-3, 3e-3};
    else if (word == "--smoke")
      s.epochs = 1, s.seeds = 2, s.limit = 300;
    else if (!number("--seeds", s.seeds, 1) && !number("--epochs", s.epochs, 1) && !number("--threads", s.threads, 0) &&
             !number("--gpu", s.gpu, 0) && !text("--backend", s.backend) && !text("--data", s.data) &&
             !text("--json", s.json) && !text("--report", s.report) && !text("--keep", s.keep))
      fail("unknown option ", word, "\n", usage);
  }
  return s;
}

template <class Backend>
study::Study compare(const Settings& s, typename Backend::Options where, int jobs) {
  const data::MultiFashionParts data = data::multi_fashion_parts(0.1, s.data, {.limit = s.limit});
  const auto candidate = [&]<class M>(const char* name) {
    study::Candidate<M> one{.name = name};
    for (const double rate : s.rates) one.tries.push_back({.optimizer = {.learning_rate = rate}, .backend = where});
    return one;
  };
  study::Progress progress;
  study::Options options{.title = "Multi-Fashion: a network for each task, or one for both"};
  options.seeds = s.seeds, options.epochs = s.epochs, options.batch_size = 256, options.jobs = jobs;
  options.splits.normalise = true, options.directory = s.keep, options.observer = &progress;
  return study::compare(
      {.name = "Multi-Fashion", .train = &data.train, .test = &data.test, .validation = &data.validation}, options,
      candidate.template operator()<Model<sharing::Single<Trunk>, Backend>>("single-task"),
      candidate.template operator()<Model<sharing::Hard<Trunk>, Backend>>("hard sharing"));
}

int main(int count, char** words) try {
  const Settings s = read(count, words);
  study::Study study;
  if (s.backend == "cpu") study = compare<backend::Cpu<>>(s, {}, static_cast<int>(s.threads));
#ifdef MTLX_USE_CUDA
  else if (s.backend == "cuda")
    study = compare<backend::Cuda<>>(s, {.index = static_cast<int>(s.gpu)}, 1);
#endif
  else
    fail("this program has no backend \"", s.backend, "\": cpu, or cuda where it was built with the CUDA toolkit");
  if (!s.json.empty()) write_file(s.json, study::report_json(study));
  std::printf("%s", study::report_text(study).c_str());
  if (!s.report.empty())
    study::write_report(study, s.report), std::printf("report: %s/report.html\n", s.report.c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
