// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <mtlx/core/error.hpp>
#include <mtlx/sharing/di_sparse.hpp>
#include <mtlx/sharing/dynamic_sparse.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/iterative_magnitude.hpp>
#include <mtlx/sharing/magnitude.hpp>
#include <mtlx/sharing/random_masks.hpp>
#include <mtlx/sharing/snip.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <vector>

using namespace mtlx;
using sharing::MaskBlock;
using sharing::MaskStep;
using sharing::detail::highest_first;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

MaskBlock block(std::size_t offset, std::array<int, 4> shape, int neurons_at, nn::Role role = nn::Role::weight) {
  MaskBlock made{"block", {.name = "block", .shape = shape}, offset};
  made.parameter.role = role;
  made.parameter.neurons_at = neurons_at;
  return made;
}

// The shared part of a made-up network in training: two states of an optimizer, and gradients as they are set.
struct Made {
  std::size_t tasks;
  std::vector<MaskBlock> blocks;
  std::vector<double> parameters{}, memory{}, moments{};
  std::vector<TaskSet> owners{};
  std::vector<std::vector<double>> gradients{};
  std::vector<double> labels{};
  TaskSet labelled{}, present{};
  sharing::Time time{};
  std::size_t step = 0;
  std::vector<const double*> rows{};

  template <class Rule>
  static Made of(const Rule&, std::size_t tasks, std::vector<MaskBlock> blocks) {
    std::size_t shared = 0;
    for (const MaskBlock& b : blocks) shared += b.parameter.size();
    Made made{tasks, std::move(blocks)};
    made.parameters.resize(shared, 1);
    made.memory.resize(tasks * Rule::memory * shared);
    made.moments.resize(2 * (shared + 3), 7);
    made.owners.resize(shared, TaskSet::first(tasks));
    made.gradients.resize(tasks, std::vector<double>(shared));
    made.labels.resize(tasks, 1);
    made.labelled = made.present = TaskSet::first(tasks);
    return made;
  }
  MaskStep<double> look() {
    rows.clear();
    for (std::size_t t = 0; t < tasks; ++t) rows.push_back(present.has(t) ? gradients[t].data() : nullptr);
    MaskStep<double> s;
    s.tasks = tasks;
    s.labelled = labelled;
    s.present = present;
    s.labels = labels;
    s.blocks = blocks;
    s.parameters = parameters;
    s.owners = owners;
    s.gradients = rows;
    s.memory = memory;
    s.moments = moments;
    s.stride = parameters.size() + 3;
    s.time = time;
    s.step = step;
    s.random = Random(5, Purpose::mask);
    return s;
  }
  // "101": which of [begin, begin + count) the task owns
  std::string mask(std::size_t t, std::size_t begin = 0, std::size_t count = 999) const {
    std::string text;
    for (std::size_t i = begin; i < std::min(begin + count, owners.size()); ++i) text += owners[i].has(t) ? '1' : '0';
    return text;
  }
  std::size_t owned(std::size_t t) const {
    std::size_t count = 0;
    for (const std::size_t i : sharing::detail::prunable(blocks)) count += owners[i].has(t) ? 1 : 0;
    return count;
  }
};

// Weights (inputs, units) = (2, 3), then three biases, then weights (units, inputs) = (2, 2).
std::vector<MaskBlock> small() { return {block(0, {2, 3}, 1), block(6, {3}, 0, nn::Role::bias), block(9, {2, 2}, 0)}; }

}  // namespace

TEST_CASE("the highest scores, of equal ones the first") {
  const std::vector<double> scores{1, 3, 3, -2, 3, 0};
  for (const std::size_t count : {0UL, 1UL, 2UL, 3UL, 4UL, 6UL, 9UL}) {
    std::vector<std::size_t> places{5, 4, 3, 2, 1, 0};
    const std::vector<std::size_t> order{1, 2, 4, 0, 5, 3};
    highest_first(places, count, scores);
    const std::size_t given = std::min(count, places.size());
    const auto front = [&](const std::vector<std::size_t>& all) {
      return std::set<std::size_t>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(given));
    };
    CHECK(front(places) == front(order));
    CHECK(std::set<std::size_t>(places.begin(), places.end()).size() == 6);
  }
  CHECK(sharing::detail::share_of(0.5, 5) == 2);  // as NumPy: halves to the even number
  CHECK(sharing::detail::share_of(0.5, 7) == 4);
  CHECK(sharing::detail::share_of(1, 7) == 7);
}

TEST_CASE("Magnitude: the largest of all blocks, dead weights are 0 and forgotten, biases stay") {
  const sharing::Magnitude rule{.density = 0.5};
  Made made = Made::of(rule, 3, small());
  made.parameters = {3, -4, 0.5, not_a_number, 1, -1, 0, 0, 0, 2, 1, -9, 0};
  made.labelled = TaskSet::first(2);
  rule.begin(made.look());
  // 5 of 10 weights: 9, 4, 3, 2 and the first of three of size 1.
  for (std::size_t t = 0; t < 2; ++t) CHECK(made.mask(t) == "1100101111010");
  CHECK(made.mask(2) == "1111111111111");
  CHECK(is_nan(made.parameters[3]));  // task 2 still owns it
  made.labelled = TaskSet::first(3);
  rule.begin(made.look());
  CHECK(made.mask(2) == "1100101111010");
  CHECK(made.parameters == std::vector<double>{3, -4, 0, 0, 1, 0, 0, 0, 0, 2, 0, -9, 0});
  for (std::size_t i = 0; i < 13; ++i)
    for (const std::size_t row : {0UL, 1UL}) CHECK(made.moments[row * 16 + i] == (made.owners[i].empty() ? 0 : 7));
  CHECK(made.moments[13] == 7);
  const auto again = made.owners;
  rule.begin(made.look());
  CHECK(made.owners == again);
  CHECK_THROWS_AS((sharing::Magnitude{.density = 1.1}.validate()), Error);
}

TEST_CASE("RandomMasks: exact in every block, each task its own or one for all") {
  const std::vector<MaskBlock> blocks{block(0, {10, 10}, 1), block(100, {10}, 0, nn::Role::bias),
                                      block(110, {5, 7}, 0)};
  sharing::RandomMasks rule{.density = 0.3};
  Made made = Made::of(rule, 2, blocks), again = made;
  rule.begin(made.look());
  rule.begin(again.look());
  CHECK(made.owners == again.owners);
  for (std::size_t t = 0; t < 2; ++t) {
    const std::string mask = made.mask(t);
    CHECK(std::count(mask.begin(), mask.begin() + 100, '1') == 30);
    CHECK(std::count(mask.begin() + 100, mask.begin() + 110, '1') == 10);
    CHECK(std::count(mask.begin() + 110, mask.end(), '1') == 10);  // 10.5, to the even number
  }
  CHECK(made.mask(0) != made.mask(1));
  rule.common = true;
  rule.begin(again.look());
  CHECK(again.mask(0) == again.mask(1));
  CHECK(again.owned(0) == 40);
}

TEST_CASE("Snip: the summed loss's saliency, tasks one at a time, nothing moves until all were seen") {
  const sharing::Snip rule{.density = 0.3, .batches = 2};
  Made made = Made::of(rule, 2, small());
  made.parameters = {1, 1, 2, 1, 1, 1, 5, 5, 5, 1, 1, 1, 1};
  sharing::Snip::State state;
  const auto see = [&](std::size_t t, std::vector<double> gradient) {
    made.present = TaskSet::only(t);
    made.gradients[t] = std::move(gradient);
    rule.step(made.look(), state);
  };
  see(0, {3, 1, 1, 0, 0, -2, 9, 9, 9, 0, 0, 0, 0});
  see(0, {3, 1, 1, 0, 0, -2, 9, 9, 9, 0, 0, 0, 0});
  see(0, {99, 99, 99, 99, 99, 99, 9, 9, 9, 99, 99, 99, 99});  // a third one isn't looked at
  CHECK(rule.holds(2, state));
  CHECK(made.mask(0) == "1111111111111");
  see(1, {-3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1.5});
  see(1, {-3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1.5});
  CHECK(rule.holds(4, state));
  // |w (g_0 + g_1)| : 0 2 8 0 0 4 . . . 0 0 0 3, three of ten stay
  for (std::size_t t = 0; t < 2; ++t) CHECK(made.mask(t) == "0010011110001");
  const auto found = made.owners;
  see(1, {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9});
  CHECK_FALSE(rule.holds(5, state));
  CHECK(made.owners == found);
  CHECK_THROWS_AS((sharing::Snip{.batches = 0}.validate()), Error);
}

TEST_CASE("DiSparse: a ranking for each task, and their union") {
  for (const bool unite : {true, false}) {
    const sharing::DiSparse rule{.density = 0.2, .batches = 2, .unite = unite};
    Made made = Made::of(rule, 2, small());
    made.parameters = {1, 1, 2, 1, 1, 1, 5, 5, 5, 1, 1, 1, 1};
    sharing::DiSparse::State state;
    // Signs don't cancel: task 0 sums to 2 2 0 ..., task 1 to 0 0 800 0 0 0 . . . 0 0 0 500, however large it is.
    made.gradients = {{1, 1, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 250}};
    rule.step(made.look(), state);
    CHECK(made.mask(0) == "1111111111111");
    made.gradients[0][0] = -1;
    rule.step(made.look(), state);
    CHECK(made.mask(0) == (unite ? "1110001110001" : "1100001110000"));
    CHECK(made.mask(1) == (unite ? "1110001110001" : "0010001110001"));
    CHECK(made.parameters[3] == 0);
    CHECK(rule.holds(1, state));
    rule.step(made.look(), state);
    CHECK_FALSE(rule.holds(2, state));
  }
}

TEST_CASE("IterativeMagnitude: rewinds, cuts as NumPy rounds, and counts its trainings") {
  using Rule = sharing::IterativeMagnitude;
  // Two tasks, a block of 5 weights and one of bias, then a head of one number.
  const std::vector<MaskBlock> blocks{block(0, {1, 5}, 1), block(5, {1}, 0, nn::Role::bias)};
  const std::vector<double> start{0.5, 0.5, 0.5, 0.5, 0.5, 0, 3};
  const std::vector<std::vector<double>> ends{{5, 1, -4, 2, 3, 0.1, 3}, {2, 2, 2, not_a_number, 7, 0.1, 3}};
  std::vector<std::string> seen;
  std::vector<double> single{0.5, 0.7, 0.7}, level{0.4, 0.6, 0.5};
  const auto train = [&](TaskSet tasks, std::span<const double> from, std::span<const TaskSet> owners,
                         std::size_t epochs) {
    std::string line = std::to_string(tasks.bits()) + ":" + std::to_string(from[0]).substr(0, 3) + ":";
    for (const TaskSet& set : owners.first(5)) line += std::to_string((set & tasks).bits());
    CHECK(owners[5] == TaskSet::first(3));
    CHECK(owners.size() == 6);
    CHECK(from.size() == 7);
    seen.push_back(line);
    if (epochs > 0) {
      CHECK(epochs == 4);
      std::vector<double> warm(from.begin(), from.end());
      warm[0] = 0.9;
      return sharing::TrainedMasks<double>{warm, {}};
    }
    const std::size_t alive = static_cast<std::size_t>(std::count(line.begin() + 6, line.end(), '1'));
    const std::size_t z = alive == 5 ? 0 : alive == 3 ? 1 : 2;
    if (tasks == TaskSet::only(0)) return sharing::TrainedMasks<double>{ends[0], {single[z], not_a_number}};
    if (tasks == TaskSet::only(1))
      return sharing::TrainedMasks<double>{ends[1], {not_a_number, 1 - 0.1 * double(seen.size())}};
    return sharing::TrainedMasks<double>{ends[0], {level[0], 0.5}};
  };
  const sharing::MaskSearch<double> search{3, TaskSet::first(2), blocks, start};
  Rule rule{.iterations = 2, .final_density = 0.25};  // r = 1/2
  auto found = rule.find(search, train);
  CHECK(found.trainings == 6);
  // Task 0: 2.5 rounds to 2, the threshold is 3; then of {3, 4, 5} 1.5 rounds to 2, the threshold is 5.
  // Task 1: of {0, 2, 2, 2, 7} the threshold is 2, and all twos stay; then of {2, 2, 2, 7} it is 2 again.
  CHECK(seen == std::vector<std::string>{"1:0.5:11111", "1:0.5:10101", "1:0.5:10000", "2:0.5:22222", "2:0.5:22202",
                                         "2:0.5:22202"});
  // Equal scores: the sparser. Task 1's scores fall: its first prune. Task 2 has no data.
  std::vector<std::uint64_t> bits;
  for (const TaskSet& set : found.owners) bits.push_back(set.bits());
  CHECK(bits == std::vector<std::uint64_t>{7, 6, 6, 4, 6, 7});
  CHECK(found.start == start);

  seen.clear();
  rule.warm_up_epochs = 4;
  rule.select = sharing::IterativeMagnitude::Select::density;
  rule.density = 0.5;
  found = rule.find(search, train);
  CHECK(seen == std::vector<std::string>{"3:0.5:33333", "1:0.9:11111", "2:0.9:22222"});
  CHECK(found.trainings == 3);
  CHECK(found.start[0] == 0.9);
  CHECK(found.owners[0] == TaskSet::first(3));
  CHECK(found.owners[1] == TaskSet::first(3).without(0));

  // Together: the single choice (2 and 1 prunes), one prune of both, two of both. The second is best.
  seen.clear();
  rule = {.iterations = 2, .final_density = 0.25, .select = sharing::IterativeMagnitude::Select::joint};
  std::size_t joint = 0;
  found = rule.find(
      search, [&](TaskSet tasks, std::span<const double> from, std::span<const TaskSet> owners, std::size_t epochs) {
        auto trained = train(tasks, from, owners, epochs);
        if (tasks.count() == 2) trained.scores[0] = level[joint++];
        return trained;
      });
  CHECK(joint == 3);
  CHECK(found.trainings == 9);
  CHECK(seen[7] == "3:0.5:32303");
  CHECK(found.owners[2].has(0));

  single[1] = not_a_number;
  CHECK_THROWS_WITH_AS(rule.find(search, train),
                       "mtlx: IterativeMagnitude chooses masks by validation scores, and task 0 has none: give fit "
                       "options.validation, or use Select::density",
                       Error);
}

TEST_CASE("IterativeMagnitude: 100, 89.13, 79.43 ... 10 % are left") {
  const sharing::IterativeMagnitude rule{};
  std::vector<float> start(20001);
  Random random(3, Purpose::user);
  for (float& w : start) w = static_cast<float>(random.normal());
  const std::vector<MaskBlock> blocks{block(0, {200, 100}, 1), block(20000, {1}, 0, nn::Role::bias)};
  std::vector<double> left;
  const auto found = rule.find(sharing::MaskSearch<float>{1, TaskSet::first(1), blocks, start},
                               [&](TaskSet, std::span<const float> from, std::span<const TaskSet> owners, std::size_t) {
                                 std::size_t alive = 0;
                                 for (const TaskSet& set : owners.first(20000)) alive += set.count();
                                 left.push_back(static_cast<double>(alive) / 200);
                                 return sharing::TrainedMasks<float>{{from.begin(), from.end()}, {1}};
                               });
  REQUIRE(left.size() == 21);
  for (std::size_t z = 0; z <= 20; ++z) CHECK(left[z] == doctest::Approx(100 * rule.density_after(z)).epsilon(1e-3));
  CHECK(left[1] == doctest::Approx(89.13).epsilon(1e-4));
  CHECK(left[2] == doctest::Approx(79.43).epsilon(1e-4));
  CHECK(left[10] == doctest::Approx(31.62).epsilon(1e-3));
  CHECK(rule.prunes_to_density() == 10);
  // The largest stay, and they are as they began.
  double kept = 9, dropped = 0;
  for (std::size_t i = 0; i < 20000; ++i) {
    const double size = std::fabs(static_cast<double>(start[i]));
    if (found.owners[i].empty()) {
      dropped = std::max(dropped, size);
      CHECK(found.start[i] == 0);
    } else {
      kept = std::min(kept, size);
      CHECK(found.start[i] == start[i]);
    }
  }
  CHECK(dropped < kept);
}

namespace {

using Dynamic = sharing::DynamicSparse;

// A fit of `steps` steps over made-up gradients: at(step, task, place).
template <class At, class Each>
void run(const Dynamic& rule, Made& made, Dynamic::State& state, std::size_t steps, At&& at, Each&& each) {
  rule.begin(made.look());
  for (std::size_t step = 0; step < steps; ++step) {
    made.step = step;
    made.time = {static_cast<double>(step), static_cast<double>(steps)};
    for (std::size_t t = 0; t < made.tasks; ++t)
      for (std::size_t i = 0; i < made.parameters.size(); ++i) made.gradients[t][i] = at(step, t, i);
    if (rule.wants(made.time, step)) rule.step(made.look(), state);
    each(step);
  }
}

double noise(std::size_t step, std::size_t t, std::size_t i) {
  return Random(step * 31 + t, Purpose::user, i).normal();
}

}  // namespace

TEST_CASE("DynamicSparse: densities follow the cubic, masks freeze, live inputs stay, dead weights are 0") {
  // Every option, odd numbers of steps, tasks in turns.
  for (const std::size_t steps : {4UL, 7UL, 61UL, 400UL})
    for (const int variant : {0, 1, 2, 3, 4, 5, 6}) {
      CAPTURE(steps);
      CAPTURE(variant);
      Dynamic rule{.density = 0.2};
      rule.score = variant == 1 ? sharing::DynamicSparse::Score::magnitude : sharing::DynamicSparse::Score::saliency;
      rule.regrow = variant != 2;
      rule.unshare = variant != 3;
      rule.common = variant == 4;
      rule.start = variant == 6 ? Dynamic::Start::random : Dynamic::Start::dense;
      Made made = Made::of(rule, 2, {block(0, {20, 5}, 1), block(100, {5}, 0, nn::Role::bias), block(105, {4, 5}, 0)});
      for (std::size_t i = 0; i < made.parameters.size(); ++i) made.parameters[i] = noise(1, 9, i);
      Dynamic::State state;
      std::vector<TaskSet> frozen;
      std::size_t changed = 0, last = 120;
      auto before = made.owners;
      Made turned = made;  // the same with the tasks the other way round
      Dynamic::State turned_state;
      run(
          rule, made, state, steps,
          [&](std::size_t step, std::size_t t, std::size_t i) {
            if (variant == 5) made.present = TaskSet::only(step % 2);
            return noise(step, t, i) * (1 + static_cast<double>(i % 7));
          },
          [&](std::size_t step) {
            const double progress = static_cast<double>(step) / static_cast<double>(steps);
            if (progress < rule.warm_up) CHECK(made.owned(0) == (variant == 6 ? 24 : 120));
            const auto least = sharing::detail::share_of(rule.density_at(progress), 120);
            for (std::size_t t = 0; t < 2; ++t) {
              CHECK(made.owned(t) <= last);
              if (rule.regrow && !rule.unshare) CHECK(made.owned(t) >= least);
              CHECK(made.mask(t, 100, 5) == "11111");
              if (!rule.unshare || rule.common)
                for (std::size_t u = 0; u < 5; ++u) {  // the inputs of a unit of the first block
                  bool live = false;
                  for (std::size_t i = u; i < 100; i += 5) live = live || made.owners[i].has(t);
                  CHECK(live);
                }
            }
            for (std::size_t i = 0; i < 120; ++i)
              if (made.owners[i].empty()) {
                CHECK(made.parameters[i] == 0);
                CHECK(made.moments[i] == 0);
              } else {
                // What an optimizer would do: weights move, moments fill.
                made.parameters[i] += 0.01 * noise(step, 5, i);
                made.moments[i] = made.moments[made.parameters.size() + 3 + i] = 3;
              }
            if (rule.common) CHECK(made.mask(0) == made.mask(1));
            if (made.owners != before) ++changed;
            before = made.owners;
            if (progress >= rule.prune_until + (steps < 10 ? 0.25 : 0.1) && rule.regrow &&
                rule.score == sharing::DynamicSparse::Score::magnitude)
              for (std::size_t t = 0; t < 2; ++t) CHECK(made.owned(t) == 24);
            if (progress >= rule.freeze_after) {
              if (frozen.empty()) frozen = made.owners;
              CHECK(made.owners == frozen);
            }
          });
      run(
          rule, turned, turned_state, steps,
          [&](std::size_t step, std::size_t t, std::size_t i) {
            if (variant == 5) turned.present = TaskSet::only(1 - step % 2);
            return noise(step, 1 - t, i) * (1 + static_cast<double>(i % 7));
          },
          [&](std::size_t step) {
            for (std::size_t i = 0; i < 120; ++i)
              if (!turned.owners[i].empty()) turned.parameters[i] += 0.01 * noise(step, 5, i);
          });
      for (std::size_t t = 0; t < 2; ++t) {
        CHECK(made.owned(t) <= 26);
        if (variant != 6) CHECK(made.mask(t) == turned.mask(1 - t));
      }
      CHECK(changed <= rule.changes + 1);
      if (steps >= 61) CHECK(changed >= 4);
    }
}

TEST_CASE("DynamicSparse: costs and gains by hand") {
  // One task, six inputs to one unit; then with another task that trains no more and keeps what it has.
  for (const std::size_t tasks : {1UL, 2UL})
    for (const double pull : {0.0, 0.15, 0.156, -0.15, -0.156, -0.25, -0.27}) {
      CAPTURE(tasks);
      CAPTURE(pull);
      const Dynamic rule{.density = 0.5,
                         .warm_up = 0,
                         .prune_until = 0.2,
                         .freeze_after = 1,
                         .changes = 10,
                         .looks = 1,
                         .decay = 0.5,
                         .swap = 1,
                         .start = Dynamic::Start::dense};
      Made made = Made::of(rule, tasks, {block(0, {6, 1}, 1)});
      made.labelled = made.present = TaskSet::first(1);
      made.labels[0] = 10;
      made.parameters = {4, 1, 3, 2, 5, 0.1};
      Dynamic::State state;
      const auto see = [&](double progress, std::vector<double> gradient) {
        made.gradients[0] = std::move(gradient);
        made.time = {progress, 1};
        rule.step(made.look(), state);
      };
      for (const double sign : {1.0, -1.0}) see(0, {0.1 * sign, sign, 0.2 * sign, sign, 0.01 * sign, 2 * sign});
      CHECK(made.mask(0) == "111111");  // density 1
      // Costs go by s² w²: 0.16, 1, 0.36, 4, 0.0025, 0.04. Three stay.
      see(0.2, {0.1, 1, 0.2, 1, 0.01, 2});
      CHECK(made.mask(0) == "011100");
      CHECK(made.parameters[4] == (tasks == 1 ? 0 : 5));
      CHECK(made.moments[4] == (tasks == 1 ? 0 : 7));
      CHECK(made.moments[1] == 7);
      see(0.25, {0, 0, 0, 0, 0, 0});
      CHECK(made.mask(0) == "011100");  // no change is due
      // Averages that the next look, half of which counts, makes into means m and variances 0.01: the average reaches 3
      // looks back, so a variance is 3/2 of the mean square. h = 0.1, the cheapest weight costs 0.05.
      std::vector<double> means{0.01, 0, 0, 0, pull, 0};
      for (std::size_t i = 0; i < 6; ++i) {
        made.memory[i] = means[i];
        made.memory[6 + i] = means[i] * means[i] + 0.01 / 0.75;
      }
      see(0.4, means);
      // Entering at 0 it gains (m² - 0.01 / 3) / 0.4, which is 0.0479 and 0.0525; at its value 5: -5 m - 1.25.
      const bool swapped = tasks == 1 ? std::fabs(pull) > 0.153 : pull < -0.26;
      CHECK(made.mask(0) == (swapped ? "001110" : "011100"));
      CHECK(made.parameters[4] == (tasks == 1 ? 0 : 5));
      CHECK(made.parameters[1] == (swapped && tasks == 1 ? 0 : 1));
    }
}

TEST_CASE("DynamicSparse: a unit is given up where a pull is more than noise, not where gradients merely disagree") {
  for (const bool pull : {false, true}) {
    Dynamic rule{
        .density = 0.8, .warm_up = 0.2, .looks = 1, .every = 1, .start = Dynamic::Start::dense, .regrow = false};
    Made made = Made::of(rule, 2, {block(0, {4, 3}, 1)});
    made.labels = {32, 32};
    Dynamic::State state;
    // The summed gradient is 0 in every step: perfect disagreement. Unit 1 is pulled at, or only shaken.
    run(
        rule, made, state, 20,
        [&](std::size_t step, std::size_t t, std::size_t i) {
          const double shake = step % 2 == 0 ? 1 : -1;
          const double g = i % 3 == 1 && pull ? 30 + 0.1 * shake : shake;
          return (t == 0 ? g : -g) * 0.1;
        },
        [](std::size_t) {});
    for (std::size_t t = 0; t < 2; ++t)
      for (std::size_t u = 0; u < 3; ++u) {
        bool live = false;
        for (std::size_t i = u; i < 12; i += 3) live = live || made.owners[i].has(t);
        CHECK(live == !(pull && u == 1 && t == 0));
      }
  }
}

TEST_CASE("rules refuse options out of range") {
  CHECK_THROWS_AS((Dynamic{.density = 0}.validate()), Error);
  CHECK_THROWS_AS((Dynamic{.prune_until = 0.05}.validate()), Error);
  CHECK_THROWS_AS((Dynamic{.every = 0}.validate()), Error);
  CHECK_THROWS_AS((sharing::IterativeMagnitude{.iterations = 0}.validate()), Error);
  CHECK_THROWS_AS((sharing::IterativeMagnitude{.final_density = 1}.validate()), Error);
  Dynamic{}.validate();
  sharing::IterativeMagnitude{}.validate();
  CHECK(sharing::GivenMasks::given);
}
