// SPDX-License-Identifier: MIT
// Runs on the host at build time: trains a model of two tasks, and writes what one of them needs on the device
// (weights.hpp) and the samples that the device will see (samples.hpp) into the folder it is given.
#include "network.hpp"

#include <cstdio>
#include <mtlx/mtlx.hpp>
#include <mtlx/training/extract.hpp>
#include <string>
#include <vector>

using namespace mtlx;

using Model = MultiTask<Input<1, 14, 14>, Tasks<Classification<"garment", classes>, BinaryLabels<"footwear", 1>>,
                        sharing::Hard<Trunk>>;

constexpr std::size_t side = 14, pixels = side * side;

struct Pictures {
  std::vector<unsigned char> bytes;
  std::vector<int> labels;
};

// Fashion-MNIST at half its size, or else made pictures: a bright corner, more to the right for each class, and noise.
Pictures pictures(const std::string& split, std::size_t count) {
  Pictures all;
  try {
    const std::string folder = "/usr/share/datasets/fashion-mnist/" + split;
    const auto large = data::read_idx(folder + "-images-idx3-ubyte.gz").bytes;
    all.labels = data::read_idx_labels(folder + "-labels-idx1-ubyte.gz");
    all.labels.resize(std::min(count, all.labels.size()));
    for (std::size_t i = 0; i < all.labels.size() * pixels; ++i) {
      const unsigned char* p = &large[i / pixels * 4 * pixels + i % pixels / side * 4 * side + i % side * 2];
      all.bytes.push_back(static_cast<unsigned char>((p[0] + p[1] + p[2 * side] + p[2 * side + 1]) / 4));
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\nmade pictures take the place of real ones\n", error.what());
    Random random(1, Purpose::user, split.size());
    for (std::size_t i = 0; i < count; ++i) {
      all.labels.push_back(static_cast<int>(random.below(classes)));
      for (std::size_t at = 0; at < pixels; ++at) {
        const bool bright = at % side < static_cast<std::size_t>(all.labels.back()) + 3 && at / side < 5;
        all.bytes.push_back(static_cast<unsigned char>(random.below(100) + (bright ? 150 : 0)));
      }
    }
  }
  return all;
}

int main(int count, char** words) try {
  if (count != 2) fail("usage: ", words[0], " FOLDER");
  const std::string folder = words[1];

  const Pictures train = pictures("train", 10000);
  std::vector<float> brightnesses, footwear;
  for (const unsigned char byte : train.bytes) brightnesses.push_back(brightness(byte));
  for (const int label : train.labels) footwear.push_back(label == 5 || label == 7 || label == 9 ? 1.0F : 0.0F);
  Model model{{.optimizer = {.learning_rate = 2e-3}, .seed = 1}};
  model.fit({data::Inputs(picture, std::move(brightnesses)),
             {{"garment", data::Targets::classes(train.labels)}, {"footwear", data::Targets::values(1, footwear)}}},
            {.epochs = 6});
  training::write_extract<"garment", nn::Sequential<Trunk, Head>>(folder + "/weights.hpp", model, "garment");

  const Pictures seen = pictures("t10k", 400);
  std::string text =
      "#pragma once\n\nnamespace samples {\n\ninline constexpr int count = " + std::to_string(seen.labels.size()) +
      ";\ninline constexpr int labels[count] = {";
  for (const int label : seen.labels) text += std::to_string(label) + ",";
  text += "};\ninline constexpr unsigned char pictures[count][196] = {";
  for (std::size_t i = 0; i < seen.bytes.size(); ++i) {
    const std::size_t mirrored = i + side - 1 - 2 * (i % side);
    text +=
        (i % pixels == 0 ? "\n{" : "") + std::to_string(seen.bytes[mirrored]) + (i % pixels == pixels - 1 ? "}," : ",");
  }
  write_file(folder + "/samples.hpp", text + "};\n\n}  // namespace samples\n");
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
