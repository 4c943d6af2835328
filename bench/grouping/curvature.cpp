// SPDX-License-Identifier: MIT
// usage: curvature [--data DIR] [--pairs N] [--epochs N] [--seed N]
//
// How tight the bounds of docs/theory.md are along real runs: Multi-Fashion (DIR has Fashion-MNIST's four files) with four
// tasks, LeNet in double, plain gradient descent at three learning rates. Every ten steps each task's loss of the step's
// batch is looked at after steps of other lengths of each task alone and of all tasks together. Prints Markdown tables.
//
//   g++ -std=c++20 -O3 -DNDEBUG -march=native -Iinclude -isystem /usr/include/eigen3 -DMTLX_USE_ZLIB
//     bench/grouping/curvature.cpp -o build/curvature -pthread -lz
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mtlx/data/multi_fashion.hpp>
#include <mtlx/mtlx.hpp>
#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;

namespace {

/// Equal weights, with the tasks' gradients computed all the same: the probe looks at them.
struct EqualGradients {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::gradients;
  void weights(const balancing::Problem&, NoState&, std::span<double> w) const { std::fill(w.begin(), w.end(), 1.0); }
};

using Trunk = nn::Sequential<nn::Conv2d<10, 9>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using Four = Tasks<Classification<"left", 10>, Classification<"right", 10>, BinaryLabels<"left_shoe", 1>,
                   BinaryLabels<"right_shoe", 1>>;
using Model = MultiTask<Input<1, 36, 36>, Four, sharing::Hard<Trunk>, EqualGradients, optim::Sgd, backend::Cpu<double>>;
constexpr std::size_t tasks = 4;
constexpr std::array<double, 4> lengths{0.5, 1, 2, 4};

double quantile(std::vector<double> of, double share) {
  std::sort(of.begin(), of.end());
  return of.empty() ? std::nan("") : of[static_cast<std::size_t>(share * static_cast<double>(of.size() - 1) + 0.5)];
}

/// Looks at L_j(theta + t step of i) and L_j(theta + t step of all), i and j any task.
class Looker final : public training::Probe<double> {
 public:
  explicit Looker(double rate) : rate_(rate) {}

  // One task's curvature and what it is compared with, in one look.
  struct Seen {
    double first, exact;  // the fall with another task's whole step: F and A
    double square;        // |step|^2
    double curvature;     // 2 |F - A| / |step|^2
    double largest;       // the largest curvature of this task in this look
  };
  std::vector<Seen> pairs;
  std::array<double, tasks> largest{};                          // over the run
  std::array<std::vector<double>, lengths.size()> first_error;  // |F - A| / |A|, pairs
  std::array<std::vector<double>, lengths.size()> sum_error;    // |A of all - sum of A| / sum of |A|
  struct Sum {
    double error, products, largest;  // of adding up, sum of |step i| |step k|, largest curvature in this look
    std::size_t task;
  };
  std::vector<Sum> sums;
  std::size_t bent_down = 0, looks = 0;  // curvatures below 0

  bool wants(const training::Step& step) override { return step.step % 10 == 0; }

  void look(training::ProbeSession<double>& session) override {
    ++looks;
    std::array<double, tasks> now;
    std::copy_n(session.step().losses.begin(), tasks, now.begin());
    std::array<std::array<double, tasks>, tasks> gram{};
    for (std::size_t i = 0; i < tasks; ++i)
      for (std::size_t j = 0; j < tasks; ++j) {
        const auto a = session.gradient(i), b = session.gradient(j);
        for (std::size_t k = 0; k < a.size(); ++k) gram[i][j] += a[k] * b[k];
      }
    // L_j(theta) - L_j(theta - rate sum_i amounts[i] g_i), each j.
    const auto falls = [&](const std::array<double, tasks>& amounts) {
      const auto there = session.losses_at([&](std::span<double> parameters) {
        for (std::size_t i = 0; i < tasks; ++i) {
          const auto gradient = session.gradient(i);
          if (amounts[i] != 0)
            for (std::size_t k = 0; k < gradient.size(); ++k) parameters[k] -= rate_ * amounts[i] * gradient[k];
        }
      });
      std::array<double, tasks> fall;
      for (std::size_t j = 0; j < tasks; ++j) fall[j] = now[j] - there[j];
      return fall;
    };

    std::array<double, tasks> most{};
    const std::size_t begin = pairs.size();
    for (std::size_t l = 0; l < lengths.size(); ++l) {
      const double t = lengths[l];
      std::array<double, tasks> alone_sum{}, sizes{};
      for (std::size_t i = 0; i < tasks; ++i) {
        std::array<double, tasks> amounts{};
        amounts[i] = t;
        const auto fall = falls(amounts);
        for (std::size_t j = 0; j < tasks; ++j) {
          const double first = t * rate_ * gram[j][i], square = t * t * rate_ * rate_ * gram[i][i];
          const double curvature = 2 * (first - fall[j]) / square;
          most[j] = std::max(most[j], std::abs(curvature));
          bent_down += t == 1 && curvature < 0 ? 1 : 0;
          alone_sum[j] += fall[j];
          sizes[j] += std::abs(fall[j]);
          if (i != j) first_error[l].push_back(std::abs(first - fall[j]) / std::abs(fall[j]));
          if (t == 1) pairs.push_back({first, fall[j], square, std::abs(curvature), 0});
        }
      }
      std::array<double, tasks> all;
      all.fill(t);
      const auto fall = falls(all);
      double products = 0;
      for (std::size_t i = 0; i < tasks; ++i)
        for (std::size_t k = 0; k < i; ++k) products += rate_ * rate_ * std::sqrt(gram[i][i] * gram[k][k]);
      for (std::size_t j = 0; j < tasks; ++j) {
        sum_error[l].push_back(std::abs(fall[j] - alone_sum[j]) / sizes[j]);
        if (t == 1) sums.push_back({std::abs(fall[j] - alone_sum[j]), products, 0, j});
      }
    }
    for (std::size_t p = begin; p < pairs.size(); ++p) pairs[p].largest = most[(p - begin) % tasks];
    for (std::size_t s = sums.size() - tasks; s < sums.size(); ++s) sums[s].largest = most[sums[s].task];
    for (std::size_t j = 0; j < tasks; ++j) largest[j] = std::max(largest[j], most[j]);
  }

 private:
  double rate_;
};

data::DataSet four_tasks(const data::DataSet& pairs) {
  std::vector<data::Column> columns = pairs.streams()[0].columns;
  for (const std::size_t side : {0, 1}) {
    std::vector<float> shoe;
    for (std::size_t s = 0; s < columns[side].targets.size(); ++s) {
      const int kind = static_cast<int>(columns[side].targets.value(s));
      shoe.push_back(kind == 5 || kind == 7 || kind == 9 ? 1.0F : 0.0F);  // sandal, sneaker, ankle boot
    }
    columns.push_back({side == 0 ? "left_shoe" : "right_shoe", data::Targets::values(1, std::move(shoe))});
  }
  return {pairs.streams()[0].inputs, columns};
}

}  // namespace

int main(int count, char** words) try {
  std::string folder = "/usr/share/datasets/fashion-mnist";
  std::size_t pairs = 10000, epochs = 3, seed = 1;
  for (int i = 1; i < count; i += 2) {
    const std::string_view word = words[i];
    if (i + 1 == count) fail("usage: curvature [--data DIR] [--pairs N] [--epochs N] [--seed N]");
    if (word == "--data")
      folder = words[i + 1];
    else if (word == "--pairs")
      pairs = std::strtoul(words[i + 1], nullptr, 10);
    else if (word == "--epochs")
      epochs = std::strtoul(words[i + 1], nullptr, 10);
    else if (word == "--seed")
      seed = std::strtoul(words[i + 1], nullptr, 10);
    else
      fail("unknown option ", word);
  }
  const auto data = four_tasks(data::multi_fashion(folder, {.partners = 1, .limit = pairs}).train);
  std::printf(
      "| rate | looks | final losses | curvature along steps: median, 90 %%, largest | bent down | \\|A - F\\| of its "
      "bound: median, 90 %% (look's), median (run's) | sign of A = sign of F | sign sure by bound | sums' error of its "
      "bound: median, 90 %% |\n|---|---|---|---|---|---|---|---|---|\n");
  std::string by_length, by_time;
  for (const double rate : {0.01, 0.03, 0.1}) {
    Looker looker(rate);
    Model model{{.optimizer = {.learning_rate = rate}, .seed = seed}};
    model.fit(data, {.epochs = epochs, .batch_size = 128, .probes = {&looker}});
    std::vector<double> curvatures, by_look, by_run, sums;
    double right = 0, sure = 0, others = 0;
    for (std::size_t p = 0; p < looker.pairs.size(); ++p) {
      const auto& seen = looker.pairs[p];
      const std::size_t acting = p / tasks % tasks, affected = p % tasks;
      curvatures.push_back(seen.curvature);
      by_look.push_back(seen.curvature / seen.largest);
      by_run.push_back(seen.curvature / looker.largest[affected]);
      if (acting == affected) continue;
      others += 1;
      right += (seen.first > 0) == (seen.exact > 0) ? 1 : 0;
      sure += std::abs(seen.first) > seen.largest / 2 * seen.square ? 1 : 0;
    }
    for (const auto& sum : looker.sums) sums.push_back(sum.error / (sum.largest * sum.products));
    const auto scores = model.evaluate(data);
    std::printf(
        "| %g | %zu | %.3f %.3f %.3f %.3f | %.3g, %.3g, %.3g | %.0f %% | %.2f, %.2f, %.3f | %.1f %% | %.1f %% | %.2f, "
        "%.2f |\n",
        rate, looker.looks, scores.get<"left">().loss, scores.get<"right">().loss, scores.get<"left_shoe">().loss,
        scores.get<"right_shoe">().loss, quantile(curvatures, 0.5), quantile(curvatures, 0.9), quantile(curvatures, 1),
        100 * static_cast<double>(looker.bent_down) / static_cast<double>(curvatures.size()), quantile(by_look, 0.5),
        quantile(by_look, 0.9), quantile(by_run, 0.5), 100 * right / others, 100 * sure / others, quantile(sums, 0.5),
        quantile(sums, 0.9));
    for (std::size_t third = 0; third < 3; ++third) {
      const std::vector<double> part(curvatures.begin() + static_cast<long>(third * curvatures.size() / 3),
                                     curvatures.begin() + static_cast<long>((third + 1) * curvatures.size() / 3));
      by_time += join("| ", rate, " | ", third + 1, " | ", quantile(part, 0.5), " | ", quantile(part, 0.9), " | ",
                      quantile(part, 1), " |\n");
    }
    for (std::size_t l = 0; l < lengths.size(); ++l)
      by_length += join("| ", rate, " | ", lengths[l], " | ", quantile(looker.first_error[l], 0.5), " | ",
                        quantile(looker.sum_error[l], 0.5), " |\n");
  }
  std::printf(
      "\n| rate | length of step | first order: median of \\|A - F\\| / \\|A\\| of pairs | sum: median of \\|A of all "
      "- sum of A\\| / sum of \\|A\\| |\n|---|---|---|---|\n%s",
      by_length.c_str());
  std::printf("\n| rate | third of the run | curvature: median | 90 %% | largest |\n|---|---|---|---|---|\n%s",
              by_time.c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
