// SPDX-License-Identifier: MIT
// Which of nine questions about a picture should share a network? Pictures of clothes, and a grouping rule that looks, while
// one network trains on all nine, how the step of each task changes the others' losses.
//
//   10_group_fashion_attributes [FOLDER [PICTURES]]
//
// FOLDER has Fashion-MNIST's files (/usr/share/datasets/fashion-mnist, where Debian's package dataset-fashion-mnist puts
// them); PICTURES, 6000, is how many of them are used, 0 for all.
#include <cstdio>
#include <cstdlib>
#include <mtlx/data/fashion_attributes.hpp>
#include <mtlx/grouping/task_affinity.hpp>
#include <mtlx/mtlx.hpp>
#include <string>

using namespace mtlx;

// What is asked; the head of data/fashion_attributes.hpp says what counts as yes.
template <Name name>
using Yes = BinaryLabels<name, 1>;
using Questions = Tasks<Classification<"region", 4>, Classification<"shoe", 3>, Yes<"long_sleeves">, Yes<"opens">,
                        Yes<"ink">, Yes<"bright">, Yes<"left">, Yes<"tall">, Yes<"textured">>;

using Trunk = nn::Sequential<nn::Conv2d<8, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<16, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<32>, nn::Relu>;
using Model = MultiTask<Input<1, 28, 28>, Questions, sharing::Hard<Trunk>, grouping::TaskAffinity<grouping::Lookahead>>;

// Row: the task that is affected; column: the task whose step it was; in thousandths of the affected task's loss.
void print(const grouping::Table& table) {
  std::printf("\n%s\n%-14s", table.title.c_str(), "");
  for (const std::string& task : table.tasks) std::printf(" %7.7s", task.c_str());
  for (std::size_t affected = 0; affected < table.tasks.size(); ++affected) {
    std::printf("\n%-14s", table.tasks[affected].c_str());
    for (std::size_t acting = 0; acting < table.tasks.size(); ++acting)
      if (const double share = table.at(affected, acting); is_nan(share))
        std::printf("       .");
      else
        std::printf(" %7.2f", 1000 * share);
  }
  std::printf("\n");
}

int main(int count, char** words) try {
  const std::string folder = count > 1 ? words[1] : "/usr/share/datasets/fashion-mnist";
  const std::size_t pictures = count > 2 ? std::strtoul(words[2], nullptr, 10) : 6000;
  data::Parts parts = data::fashion_attribute_parts(0.2, folder, pictures);
  data::normalise(parts.train, {&parts.validation, &parts.test});

  std::printf("%zu pictures to learn from; mean answer, and share of pictures that have one:\n", parts.train.size());
  for (const data::Column& column : parts.train.streams()[0].columns) {
    double sum = 0, known = 0;
    for (std::size_t i = 0; i < column.targets.size(); ++i)
      if (column.targets.present(i)) sum += static_cast<double>(column.targets.value(i)), known += 1;
    std::printf("  %-14s %.3f  %.3f\n", column.task.c_str(), sum / known, known / double(parts.train.size()));
  }

  // Five short trainings say which partners help: one would not say how sure that is.
  Model model{{.optimizer = {.learning_rate = 1e-3}, .grouping = {.groups = 3, .runs = 5, .epochs = 2}, .seed = 7}};
  const training::FitOptions<float> options{.epochs = 6, .batch_size = 64};
  const grouping::Evidence& evidence = model.find_plan(parts.train, options);
  std::printf("%s", evidence.text.c_str());
  for (const grouping::Table& table : evidence.tables) print(table);

  // The same model with one network for all, to compare with: a plan can also be given.
  Model together = model;
  const TaskSet all = TaskSet::first(Questions::count);
  together.set_plan({{all, all}});
  model.fit(parts.train, options);
  together.fit(parts.train, options);
  const auto grouped = model.evaluate(parts.test), one = together.evaluate(parts.test);
  std::printf("\nLosses on %zu other pictures (one seed, and three networks against one):\n%-14s %9s %9s\n",
              parts.test.size(), "", "in groups", "all in 1");
  for (const auto name : Questions::names)
    std::printf("%-14s %9.4f %9.4f\n", name.data(), grouped.value(name, "loss"), one.value(name, "loss"));
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
