// SPDX-License-Identifier: MIT
// Runs that are not lost: checkpoints, resuming, early stopping, and weights that other programs read.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mtlx/mtlx.hpp>
#include <vector>

using namespace mtlx;

using Model =
    MultiTask<Input<2>, Tasks<Classification<"inside", 2>, Regression<"distance", 1>>,
              sharing::Hard<nn::Sequential<nn::Dense<32>, nn::Dropout<10>, nn::Tanh, nn::Dense<32>, nn::Tanh>>>;

// Points of the plane: are they in the ring between the circles of radius 0.4 and 0.8, and how far from its middle?
data::DataSet points(std::size_t count, std::uint64_t stream) {
  Random random(1, Purpose::user, stream);
  std::vector<float> places, distances;
  std::vector<int> inside;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = 2 * random.uniform() - 1, y = 2 * random.uniform() - 1;
    const double off = std::abs(std::sqrt(x * x + y * y) - 0.6);
    places.insert(places.end(), {static_cast<float>(x), static_cast<float>(y)});
    inside.push_back(off < 0.2 ? 1 : 0);
    distances.push_back(static_cast<float>(off));
  }
  return {data::Inputs({2}, places),
          {{"inside", data::Targets::classes(inside)}, {"distance", data::Targets::values(1, distances)}}};
}

// Stands in for a power cut: the run ends in the middle of an epoch.
struct PowerCut : training::Observer {
  void on_step(const training::Step& step) override {
    if (step.epoch == 3 && step.step == 20) throw Error("power cut");
  }
};

bool same(const Model& a, const Model& b) {
  const auto p = a.parameters(), q = b.parameters();
  return std::equal(p.begin(), p.end(), q.begin(), q.end());
}

int main() try {
  const auto train = points(2000, 1), validation = points(500, 2);
  const Model::Options options{.optimizer = {.learning_rate = 3e-3}, .seed = 5};

  // A run that keeps its state in files: run/last.mtlx after every epoch and every ten steps, run/best.mtlx whenever the
  // validation loss is lower than before. With `resume` it goes on where an earlier one stopped, if there was one.
  training::Checkpointing files{.directory = "run", .every_steps = 10, .resume = false};
  Model::FitOptions fit{.epochs = 60, .validation = &validation};
  fit.early_stopping = {.patience = 8};  // stops after 8 epochs without a better one, and takes the best one back
  PowerCut cut;
  fit.observers = {&cut};
  try {
    Model(options).fit(train, fit, files);
  } catch (const Error& error) {
    std::printf("stopped by a %s\n", error.what());
  }

  // The next start of the program: the run goes on in the middle of the epoch, and ends with the bits that it would have
  // ended with anyway.
  files.resume = true;
  training::JsonLines log("run/log.jsonl");  // a line an epoch, for whatever draws curves
  fit.observers = {&log};
  Model resumed(options);
  resumed.fit(train, fit, files);

  Model uninterrupted(options);
  fit.observers = {};
  uninterrupted.fit(train, fit);
  std::printf("resumed and uninterrupted: %s\n", same(resumed, uninterrupted) ? "the same bits" : "different");

  // The best epoch's model, by its file: everything, so that it could train on.
  Model best(options);
  best.load("run/best.mtlx");

  // Weights alone, for other programs: safetensors with PyTorch's names ("trunk.0.weight", "inside.bias").
  best.save_weights("run/weights.safetensors");
  Model shipped(Model::Options{.seed = 99});
  shipped.load_weights("run/weights.safetensors");

  const auto scores = shipped.evaluate(validation);
  std::printf("inside %.3f right, distance off by %.3f\n", scores.get<"inside">().accuracy,
              scores.get<"distance">().rmse);
  return same(resumed, uninterrupted) && same(resumed, shipped) && scores.get<"inside">().accuracy > 0.9 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
