// SPDX-License-Identifier: MIT
// usage: dump FOLDER steps 28|36            what tests/training/oracle_test.cpp trains on, for lenet_adam.py
//        dump FOLDER pairs 28|36 SEEDS      whole Multi-Fashion and SEEDS first parameters, for lenet36_accuracy.py
//        dump FOLDER accuracy SEEDS EPOCHS  trains LeNet36 on the whole of it here: one line a seed
//
// Arrays are written row by row in the machine's own byte order, one file each, and numbers that describe them as
// `name value` lines in FOLDER/about.
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "training/oracle_lenet.hpp"

namespace {

using namespace mtlx;

template <class T>
void write(const std::string& path, std::span<const T> numbers) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(numbers.data()), static_cast<std::streamsize>(numbers.size_bytes()));
  if (!file) fail("cannot write ", path);
}

// NAME_inputs : (n, side, side) bytes;  NAME_labels : (n, 2) bytes, left and right.
void write_data(const std::string& folder, const std::string& name, const data::DataSet& data,
                std::span<const std::uint32_t> order) {
  const data::Stream& stream = data.streams().front();
  const std::size_t size = data.shape().size();
  std::vector<std::uint8_t> inputs, labels;
  for (const std::uint32_t i : order) {
    const auto picture = stream.inputs.bytes().subspan(i * size, size);
    inputs.insert(inputs.end(), picture.begin(), picture.end());
    for (const char* task : {"left", "right"})
      labels.push_back(static_cast<std::uint8_t>(stream.find(task)->value(i, 0)));
  }
  write<std::uint8_t>(folder + "/" + name + "_inputs", inputs);
  write<std::uint8_t>(folder + "/" + name + "_labels", labels);
}

void write_data(const std::string& folder, const std::string& name, const data::DataSet& data) {
  std::vector<std::uint32_t> order(data.size());
  std::iota(order.begin(), order.end(), 0U);
  write_data(folder, name, data, order);
}

void write_about(const std::string& folder, int side, const data::DataSet& train, std::size_t batch_size) {
  const data::Normalisation& by = train.streams().front().inputs.normalisation();
  std::ofstream file(folder + "/about");
  file.precision(17);
  file << "side " << side << "\nmean " << by.mean[0] << "\ndeviation " << by.deviation[0] << "\nbatch_size "
       << batch_size << "\n";
  if (!file) fail("cannot write ", folder, "/about");
}

template <int side>
void write_steps(const std::string& folder) {
  const auto both = oracle::pairs<side>();
  const std::size_t size = both.train.size();
  training::Sampler sampler(std::span(&size, 1), {.batch_size = oracle::batch_size, .seed = oracle::seed});
  if (sampler.steps() != oracle::steps) fail("an epoch has ", sampler.steps(), " steps, expected ", oracle::steps);
  sampler.begin(0);
  std::vector<std::uint32_t> order;
  for (std::size_t step = 0; step < oracle::steps; ++step) {
    const auto samples = sampler.next()[0].samples;
    order.insert(order.end(), samples.begin(), samples.end());
  }
  write_data(folder, "train", both.train, order);
  const oracle::Start<side> start;
  write<float>(folder + "/parameters", start.model.parameters());
  write_about(folder, side, both.train, oracle::batch_size);
}

template <int side>
oracle::LeNet<side> first_model(std::uint64_t seed) {
  return oracle::LeNet<side>{{.backend = {.threads = 1}, .seed = seed}};
}

constexpr std::size_t accuracy_batch = 256;

template <int side>
void write_pairs(const std::string& folder, int seeds) {
  auto both = data::multi_fashion("/usr/share/datasets/fashion-mnist", {.size = side});
  data::normalise(both.train, {&both.test});
  write_data(folder, "train", both.train);
  write_data(folder, "test", both.test);
  std::vector<float> parameters;
  for (int seed = 1; seed <= seeds; ++seed) {
    const auto model = first_model<side>(static_cast<std::uint64_t>(seed));
    parameters.insert(parameters.end(), model.parameters().begin(), model.parameters().end());
  }
  write<float>(folder + "/parameters", parameters);
  write_about(folder, side, both.train, accuracy_batch);
}

void accuracy(int seeds, int epochs) {
  auto both = data::multi_fashion();
  data::normalise(both.train, {&both.test});
  struct Progress : training::Observer {
    void on_epoch(const training::Epoch& epoch) override {
      std::fprintf(stderr, "epoch %zu: %.1f s, losses %.4f %.4f\n", epoch.epoch + 1, epoch.seconds, epoch.losses[0],
                   epoch.losses[1]);
    }
  } progress;
  for (int seed = 1; seed <= seeds; ++seed) {
    auto model = first_model<36>(static_cast<std::uint64_t>(seed));
    model.fit(both.train,
              {.epochs = static_cast<std::size_t>(epochs), .batch_size = accuracy_batch, .observers = {&progress}});
    const auto scores = model.evaluate(both.test);
    std::printf("mtlx seed %d: left %.2f right %.2f\n", seed, 100 * scores.value("left", "accuracy"),
                100 * scores.value("right", "accuracy"));
    std::fflush(stdout);
  }
}

int number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1)
    fail("'", text, "', expected a positive number");
  return value;
}

}  // namespace

int main(int count, char** arguments) try {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.size() == 3 && words[1] == "steps" && words[2] == "28") {
    write_steps<28>(words[0]);
  } else if (words.size() == 3 && words[1] == "steps" && words[2] == "36") {
    write_steps<36>(words[0]);
  } else if (words.size() == 4 && words[1] == "pairs" && words[2] == "28") {
    write_pairs<28>(words[0], number(words[3]));
  } else if (words.size() == 4 && words[1] == "pairs" && words[2] == "36") {
    write_pairs<36>(words[0], number(words[3]));
  } else if (words.size() == 4 && words[1] == "accuracy") {
    accuracy(number(words[2]), number(words[3]));
  } else {
    std::fprintf(stderr, "usage: dump FOLDER steps 28|36 | pairs 28|36 SEEDS | accuracy SEEDS EPOCHS\n");
    return 2;
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "dump: %s\n", error.what());
  return 1;
}
