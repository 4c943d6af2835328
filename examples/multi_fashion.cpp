// SPDX-License-Identifier: MIT
// Is one network for two tasks better than two? Trains both on Multi-Fashion (pairs of real Fashion-MNIST pictures that
// lie over each other) and prints a table.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mtlx/mtlx.hpp>
#include <string>
#include <string_view>

using namespace mtlx;

// The LeNet of the Multi-Fashion papers for 36 x 36 pictures.
using Trunk = nn::Sequential<nn::Conv2d<10, 9>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
using Single = MultiTask<Input<1, 36, 36>, Pair, sharing::Single<Trunk>, optim::Adam>;
using Hard = MultiTask<Input<1, 36, 36>, Pair, sharing::Hard<Trunk>, optim::Adam>;

struct Settings {
  std::string data = "/usr/share/datasets/fashion-mnist", json;
  std::size_t epochs = 3, seeds = 2, limit = 0;
  int threads = 0;
};

constexpr const char* usage =
    "usage: multi_fashion [--full] [--seeds N] [--epochs N] [--threads N] [--data DIR] [--json FILE] [--smoke]\n"
    "  --full   20 epochs, 3 seeds (about 10 minutes); without it 3 epochs, 2 seeds (about one)\n"
    "  --json   writes the results to FILE too\n"
    "  --smoke  a few hundred pictures: only whether it works\n";

Settings read(int count, char** words) {
  Settings s;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const auto text = [&]() -> std::string {
      return i + 1 < count ? words[++i] : throw Error(join("mtlx: ", word, " needs a value\n", usage));
    };
    const auto number = [&](unsigned least) {
      const std::string value = text();
      unsigned n = 0;
      const auto end = value.data() + value.size();
      if (std::from_chars(value.data(), end, n).ptr != end || n < least || n > 10000)
        fail(word, " takes a whole number from ", least, " to 10000, not \"", value, "\"");
      return n;
    };
    if (word == "--full")
      s.epochs = 20, s.seeds = 3;
    else if (word == "--smoke")
      s.epochs = 1, s.seeds = 1, s.limit = 300;
    else if (word == "--seeds")
      s.seeds = number(1);
    else if (word == "--epochs")
      s.epochs = number(1);
    else if (word == "--threads")
      s.threads = static_cast<int>(number(0));
    else if (word == "--data")
      s.data = text();
    else if (word == "--json")
      s.json = text();
    else if (word == "--help")
      std::fputs(usage, stdout), std::exit(0);
    else
      fail("unknown option ", word, "\n", usage);
  }
  return s;
}

template <class Model>
study::Result run(const char* strategy, const Settings& s, std::uint64_t seed, const data::MultiFashion& data) {
  Model model{{.optimizer = {.learning_rate = 1e-3}, .backend = {.threads = s.threads}, .seed = seed}};
  training::Progress progress(join(strategy, ", seed ", seed, ": "));
  const auto start = std::chrono::steady_clock::now();
  model.fit(data.train, {.epochs = s.epochs, .batch_size = 256, .observers = {&progress}});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {strategy, seed, study::task_results(model.evaluate(data.test)), model.parameter_count(), seconds};
}

int main(int count, char** words) try {
  const Settings s = read(count, words);
  data::MultiFashion data = data::multi_fashion(s.data, {.limit = s.limit});
  data::normalise(data.train, {&data.test});
  std::printf("Multi-Fashion: %zu pairs to train on, %zu to test on; %zu epochs, batch 256, Adam 1e-3\n",
              data.train.size(), data.test.size(), s.epochs);
  std::fflush(stdout);

  study::Results results;
  for (std::uint64_t seed = 1; seed <= s.seeds; ++seed) {
    results.add(run<Single>("single-task", s, seed, data));
    results.add(run<Hard>("hard sharing", s, seed, data));
  }
  std::printf("\n%s", results.table().c_str());
  if (!s.json.empty()) results.write_json(s.json);
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
