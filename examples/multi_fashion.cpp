// SPDX-License-Identifier: MIT
// Is one network for two tasks better than two? Trains both on Multi-Fashion (pairs of real Fashion-MNIST pictures that
// lie over each other) and prints a table.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mtlx/mtlx.hpp>
#include <string>
#include <string_view>
#ifdef MTLX_USE_CUDA
#include <mtlx/cuda.hpp>
#endif

using namespace mtlx;

// The LeNet of the Multi-Fashion papers for 36 x 36 pictures.
using Trunk = nn::Sequential<nn::Conv2d<10, 9>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
template <class Sharing, class Backend>
using Model = MultiTask<Input<1, 36, 36>, Pair, Sharing, optim::Adam, Backend>;

struct Settings {
  std::string data = "/usr/share/datasets/fashion-mnist", json, backend = "cpu";
  std::size_t epochs = 3, seeds = 2, limit = 0, threads = 0, gpu = 0;
};
constexpr const char* usage =
    "usage: multi_fashion [--full] [--seeds N] [--epochs N] [--backend cpu|cuda] [--threads N] [--gpu N] [--data DIR]\n"
    "                     [--json FILE] [--smoke]\n"
    "  --full   20 epochs, 3 seeds (about 10 minutes); without it 3 epochs, 2 seeds (about one)\n"
    "  --json   writes the results to FILE too\n"
    "  --smoke  a few hundred pictures: only whether it works\n";

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
      s.epochs = 20, s.seeds = 3;
    else if (word == "--smoke")
      s.epochs = 1, s.seeds = 1, s.limit = 300;
    else if (!number("--seeds", s.seeds, 1) && !number("--epochs", s.epochs, 1) && !number("--threads", s.threads, 0) &&
             !number("--gpu", s.gpu, 0) && !text("--backend", s.backend) && !text("--data", s.data) &&
             !text("--json", s.json))
      fail("unknown option ", word, "\n", usage);
  }
  return s;
}

template <class Backend>
study::Results compare(const Settings& s, typename Backend::Options where) {
  data::MultiFashion data = data::multi_fashion(s.data, {.limit = s.limit});
  data::normalise(data.train, {&data.test});
  std::printf("Multi-Fashion: %zu pairs to train on, %zu to test on; %zu epochs, batch 256, Adam 1e-3\n",
              data.train.size(), data.test.size(), s.epochs);
  std::fflush(stdout);
  study::Results results;
  const auto run = [&]<class Sharing>(const char* strategy, std::uint64_t seed, Sharing) {
    Model<Sharing, Backend> model{{.optimizer = {.learning_rate = 1e-3}, .backend = where, .seed = seed}};
    training::Progress progress(join(strategy, ", seed ", seed, ": "));
    const auto start = std::chrono::steady_clock::now();
    model.fit(data.train, {.epochs = s.epochs, .batch_size = 256, .observers = {&progress}});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    results.add({strategy, seed, study::task_results(model.evaluate(data.test)), model.parameter_count(), seconds});
  };
  for (std::uint64_t seed = 1; seed <= s.seeds; ++seed)
    run("single-task", seed, sharing::Single<Trunk>{}), run("hard sharing", seed, sharing::Hard<Trunk>{});
  return results;
}

int main(int count, char** words) try {
  const Settings s = read(count, words);
  study::Results results;
  if (s.backend == "cpu") results = compare<backend::Cpu<>>(s, {.threads = static_cast<int>(s.threads)});
#ifdef MTLX_USE_CUDA
  else if (s.backend == "cuda")
    results = compare<backend::Cuda<>>(s, {.index = static_cast<int>(s.gpu)});
#endif
  else
    fail("this program has no backend \"", s.backend, "\": cpu, or cuda where it was built with the CUDA toolkit");
  std::printf("\n%s", results.table().c_str());
  if (!s.json.empty()) results.write_json(s.json);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
