// SPDX-License-Identifier: MIT
// Super-resolution of pictures that became bad in different ways: each way is a stream of the data, and one small network learns
// all of them together. What does it win back of each, beside plain bicubic enlarging, and what does each lose by sharing? The
// network trained on with one stream alone shows it.
//
//   scripts/data/photos.sh FOLDER           brings the photos
//   14_super_resolution FOLDER [EPOCHS]     writes super_resolution.png; EPOCHS, 30, are trained together, and alone
// It needs stb (mtlx::stb).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mtlx/data/super_resolution.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/super_resolution.hpp>
#include <vector>

using namespace mtlx;

// The same network for small patches, to train on, and for large ones, to look at: its parameters are the same.
template <int side>
using Model = MultiTask<
    Input<1, side, side>, Tasks<ImageToImage<"x4", Shape{1, 4 * side, 4 * side}>>,
    sharing::Hard<nn::LongSkip<nn::UpsampleBilinear<4>, nn::Espcn<4, 1, 32>>, sharing::Head<"x4", nn::Flatten>>>;
constexpr int small = 24, large = 48;
constexpr Shape high{1, 4 * large, 4 * large};

data::Image bicubic(const data::Inputs& inputs, std::size_t sample) {
  return data::clipped(data::resize(data::picture_of(inputs, sample), 4 * large, 4 * large));
}

Model<large> enlarged(const Model<small>& model) {
  Model<large> result;
  std::copy(model.parameters().begin(), model.parameters().end(), result.parameters().begin());
  return result;
}

// Pictures side by side, so many a row.
data::Image tiled(const std::vector<data::Image>& pictures, int columns) {
  data::Image sheet{{1, 4 * large * int(pictures.size()) / columns, 4 * large * columns}, {}};
  sheet.values.resize(sheet.shape.size());
  for (int i = 0; i < int(pictures.size()); ++i)
    for (int y = 0; y < 4 * large; ++y)
      std::copy_n(&pictures[std::size_t(i)].at(0, y, 0), 4 * large,
                  &sheet.at(0, i / columns * 4 * large + y, i % columns * 4 * large));
  return sheet;
}

int main(int count, char** words) try {
  if (count < 2) {
    std::fprintf(stderr, "usage: 14_super_resolution FOLDER [EPOCHS]; scripts/data/photos.sh FOLDER brings photos\n");
    return 2;
  }
  const std::vector<data::DegradationTask> tasks = data::draw_degradations(6, 7);
  const std::vector<data::Photo> train_photos = data::read_photos(words[1], "train", {.shorter_side = 720});
  const std::vector<data::Photo> test_photos = data::read_photos(words[1], "test");
  const data::ClusterPart train =
      data::degraded(train_photos, tasks, {.piece = 160, .pieces = 8, .patch = 4 * small, .patches = 2, .seed = 1});
  const data::ClusterPart test =
      data::degraded(test_photos, tasks, {.piece = 4 * large, .pieces = 1, .patch = 4 * large, .seed = 1});
  std::printf("%zu patches to train on and %zu pictures to test on, of %zu degradations each\n",
              train.clusters[0].size(), test.clusters[0].size(), tasks.size());
  const std::size_t epochs = count > 2 ? std::strtoul(words[2], nullptr, 10) : 30;
  Model<small> together{{.optimizer = {.learning_rate = 2e-3}, .seed = 1}};
  together.fit(train.data, {.epochs = epochs, .batch_size = 16});

  std::printf(
      "\nPSNR of luma on %zu photos that training has not seen, in dB:\n            bicubic  together    alone\n",
      test_photos.size());
  std::vector<data::Image> sheet;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const data::Stream& stream = test.data.streams()[t];
    const data::Targets& truth = stream.columns[0].targets;
    double plain = 0;
    for (std::size_t i = 0; i < truth.size(); ++i)
      plain += nn::psnr(bicubic(stream.inputs, i), data::picture_of(truth, i, high)) / double(truth.size());
    const data::DataSet tested(stream.inputs, stream.columns);
    const data::Stream& own = train.data.streams()[t];
    Model<small> alone = together;
    alone.fit(data::DataSet(own.inputs, own.columns), {.epochs = epochs, .batch_size = 16});
    Model<large> model = enlarged(together), other = enlarged(alone);
    std::printf("  %s  %7.2f  %8.2f  %7.2f   %s\n", tasks[t].name.c_str(), plain,
                model.evaluate(tested).get<"x4">().psnr, other.evaluate(tested).get<"x4">().psnr,
                data::describe(tasks[t].parameters).c_str());
    // Pictures for the sheet; each degradation shows another photo.
    const std::size_t shown = t % truth.size();
    const auto shared = model.predict(stream.inputs), single = other.predict(stream.inputs);
    sheet.push_back(bicubic(stream.inputs, shown));
    for (const auto* outputs : {&shared, &single}) {
      const std::span<const float> values = outputs->get<"x4">()[shown];
      sheet.push_back(data::clipped({high, {values.begin(), values.end()}}));
    }
    sheet.push_back(data::picture_of(truth, shown, high));
  }
  data::write_png("super_resolution.png", data::to_bytes(tiled(sheet, 4)));
  std::printf("\nsuper_resolution.png: bicubic, together, alone and the truth, a degradation a row\n");
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
