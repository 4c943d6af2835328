// SPDX-License-Identifier: MIT
// Missing labels, and tasks with data of their own. A missing label is NaN (or missing_label for a class): it takes no
// part in the loss, the gradient or the score. Tasks whose labels come from different places are streams of one data
// set, and a sampler says which of them take part in a step.
#include <cmath>
#include <cstdio>
#include <limits>
#include <mtlx/mtlx.hpp>
#include <vector>

using namespace mtlx;

using Model =
    MultiTask<Input<3>, Tasks<Regression<"volume", 1>, Regression<"surface", 1>, Classification<"longest", 3>>,
              sharing::Hard<nn::Sequential<nn::Dense<32>, nn::Relu, nn::Dense<32>, nn::Relu>>>;

// Boxes by their three sides, with the logarithms of volume and surface and the longest side as targets.
struct Boxes {
  std::vector<float> sides, volume, surface;
  std::vector<int> longest;

  Boxes(int count, std::uint64_t stream) {
    Random random(3, Purpose::user, stream);
    for (int i = 0; i < count; ++i) {
      float side[3];
      for (float& s : side) s = static_cast<float>(0.2 + random.uniform());
      sides.insert(sides.end(), side, side + 3);
      volume.push_back(std::log(side[0] * side[1] * side[2]));
      surface.push_back(std::log(2 * (side[0] * side[1] + side[1] * side[2] + side[2] * side[0])));
      longest.push_back(side[0] > side[1] ? (side[0] > side[2] ? 0 : 2) : (side[1] > side[2] ? 1 : 2));
    }
  }
  data::Inputs inputs() const { return data::Inputs({3}, sides); }
};

int main() try {
  const Boxes test_boxes(1000, 2);
  const data::DataSet test(test_boxes.inputs(), {{"volume", data::Targets::values(1, test_boxes.volume)},
                                                 {"surface", data::Targets::values(1, test_boxes.surface)},
                                                 {"longest", data::Targets::classes(test_boxes.longest)}});
  const auto report = [&](const char* how, Model& model) {
    const auto scores = model.evaluate(test);
    std::printf("%s: volume %.3f, surface %.3f (errors), longest side %.3f right\n", how, scores.get<"volume">().rmse,
                scores.get<"surface">().rmse, scores.get<"longest">().accuracy);
    return scores.get<"longest">().accuracy;
  };

  // One table with holes: half of the volumes and two thirds of the classes are not known.
  Boxes boxes(2000, 1);
  for (std::size_t i = 0; i < boxes.volume.size(); ++i) {
    if (i % 2 == 0) boxes.volume[i] = std::numeric_limits<float>::quiet_NaN();
    if (i % 3 != 0) boxes.longest[i] = data::missing_label;
  }
  const data::DataSet holes(boxes.inputs(), {{"volume", data::Targets::values(1, boxes.volume)},
                                             {"surface", data::Targets::values(1, boxes.surface)},
                                             {"longest", data::Targets::classes(boxes.longest)}});
  Model first{{.optimizer = {.learning_rate = 3e-3}, .seed = 1}};
  first.fit(holes, {.epochs = 40});
  const double with_holes = report("missing labels", first);

  // Data of their own: one source measured volume and surface, another and smaller one the longest side.
  const Boxes measured(1500, 3), sorted(500, 4);
  data::DataSet sources;
  sources.add(measured.inputs(), {{"volume", data::Targets::values(1, measured.volume)},
                                  {"surface", data::Targets::values(1, measured.surface)}});
  sources.add(sorted.inputs(), {{"longest", data::Targets::classes(sorted.longest)}});
  Model second{{.optimizer = {.learning_rate = 3e-3}, .seed = 1}};
  second.fit(sources, {.epochs = 40, .sampling = training::Sampling::proportional});
  const double with_sources = report("own data      ", second);
  return with_holes > 0.85 && with_sources > 0.85 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
