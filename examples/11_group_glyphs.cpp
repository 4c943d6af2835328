// SPDX-License-Identifier: MIT
// Which questions about a letter's picture should share a network: which letter it is, or how its font looks? Ten tasks on
// glyphs of Debian's fonts, judged on families of fonts that training has not seen.
//
//   scripts/data/glyphs.sh FOLDER         brings the fonts
//   11_group_glyphs FOLDER [GLYPHS]       GLYPHS, 4000, is how many of those to train on are used
//
// It needs FreeType (mtlx::freetype). Five short trainings say which partners help; one would not say how sure that is.
#include <cstdio>
#include <cstdlib>
#include <mtlx/data/glyphs.hpp>
#include <mtlx/grouping/task_affinity.hpp>
#include <mtlx/mtlx.hpp>
#include <string>

using namespace mtlx;

// The head of data/glyphs.hpp says what each is made of. A task of numbers is measured in deviations of the training data.
template <Name name>
using Yes = BinaryLabels<name, 1, nn::BinaryCrossEntropy, nn::RocAuc>;
template <Name name>
using Number = Regression<name, 1, nn::MeanSquaredError, nn::R2>;
using Questions = Tasks<Classification<"character", 62>, Classification<"kind", 3>, Yes<"bold">, Yes<"light">,
                        Yes<"italic">, Yes<"mono">, Yes<"serif">, Number<"width">, Number<"x_height">, Number<"ink">>;

using Trunk = nn::Sequential<nn::Conv2d<8, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<16, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<48>, nn::Relu>;
using Model = MultiTask<Input<1, 28, 28>, Questions, sharing::Hard<Trunk>, grouping::TaskAffinity<>>;

void print(const data::DataSet& data, const char* part) {
  std::printf("%s: %zu glyphs; share of yes, and of glyphs whose font says nothing:", part, data.size());
  for (const char* task : {"bold", "light", "italic", "mono", "serif"}) {
    const data::Targets& targets = *data.streams()[0].find(task);
    double yes = 0, known = 0;
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (targets.present(i)) yes += double(targets.value(i)), known += 1;
    std::printf(" %s %.2f, %.2f;", task, yes / known, 1 - known / double(targets.size()));
  }
  std::printf("\n");
}

int main(int count, char** words) try {
  if (count < 2) {
    std::fprintf(stderr, "usage: 11_group_glyphs FOLDER [GLYPHS]; scripts/data/glyphs.sh FOLDER brings the fonts\n");
    return 2;
  }
  data::Parts parts = data::glyph_parts(words[1]);
  parts.train = data::take(data::shuffled(parts.train, 1), count > 2 ? std::strtoul(words[2], nullptr, 10) : 4000);
  data::normalise(parts.train, {&parts.validation, &parts.test});
  print(parts.train, "train"), print(parts.validation, "validation"), print(parts.test, "test");

  Model model{{.optimizer = {.learning_rate = 2e-3},
               .grouping = {.groups = 3, .runs = 5, .epochs = 2, .scale = grouping::AffinityScale::standardised},
               .seed = 7}};
  model.fit(parts.train, {.epochs = 8, .batch_size = 64});
  std::printf("\n%s", model.evidence().text.c_str());

  const auto scores = model.evaluate(parts.test);
  std::printf("\nOn %zu glyphs of other families:\n", parts.test.size());
  for (const training::MetricScore& score : scores.all_metrics())
    std::printf("  %-10s %-9s %.4f\n", score.task.data(), score.metric.data(), score.value);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
