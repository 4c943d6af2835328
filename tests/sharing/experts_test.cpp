// SPDX-License-Identifier: MIT
// Mmoe, Cgc, Ple, DSelectK and LearningToBranch: one network and its relatives.
#include <mtlx/nn/avg_pool2d.hpp>
#include <mtlx/sharing/cgc.hpp>
#include <mtlx/sharing/d_select_k.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/learning_to_branch.hpp>
#include <mtlx/sharing/mmoe.hpp>
#include <mtlx/sharing/ple.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/training/multi_task.hpp>

#include "network_laws.hpp"

#include <cmath>
#include <map>
#include <span>
#include <string>

using namespace mtlx;
using namespace network_laws;
using sharing::BranchLevel, sharing::GateOn, sharing::PleLevel;

namespace {

constexpr Shape four{4};
using Small = nn::Sequential<nn::Dense<3>, nn::Tanh>;
using ThenGate = GateOn<nn::Dense<3>, nn::Tanh>;

using Mmoe = sharing::Mmoe<Trunk, 3, HeadB>;
using Cgc = sharing::Cgc<Trunk, 2, 1, HeadB>;
// Levels without shared experts, without own, and with other numbers of both.
using Ple = sharing::Ple<PleLevel<Trunk, 1, 2>, PleLevel<Small, 0, 1>, HeadB, ThenGate, PleLevel<Trunk, 2, 0>,
                         PleLevel<Small, 0, 1>>;
using Selects = sharing::DSelectK<Trunk, 3, 2, HeadB>;
using SelectsForSample = sharing::DSelectK<Small, 4, 2, HeadB, GateOn<>>;
using Branches = sharing::LearningToBranch<BranchLevel<Trunk, 2>, BranchLevel<Small, 3>, HeadB, BranchLevel<Small, 1>,
                                           BranchLevel<Small, 2>>;

template <class Strategy, class TaskList = Three>
using NetOf = typename Strategy::template Network<four, TaskList>;

struct Ran {
  std::vector<double> z, gradient;
  friend bool operator==(const Ran&, const Ran&) = default;
};

// One sample: all outputs, and the gradient of the sum of (1, 2, ...) . z, counted over all tasks.
template <class Net>
Ran run(std::span<const double> parameters, std::span<const double> x, std::span<const std::size_t> outputs,
        const sharing::NetworkPass<Slice>& like) {
  std::vector<double> memory(Net::memory, network_laws::nan);
  std::copy(x.begin(), x.end(), memory.begin() + static_cast<std::ptrdiff_t>(Net::input));
  Ran ran{{}, std::vector<double>(Net::parameters)};
  auto pass = like;
  pass.parameters = parameters.data();
  pass.memory = {memory.data()};
  pass.tasks = TaskSet::first(outputs.size());
  Net::template forward<Slice>(pass);
  for (std::size_t t = 0; t < outputs.size(); ++t)
    for (std::size_t i = 0; i < outputs[t]; ++i) {
      ran.z.push_back(memory[Net::output[t] + i]);
      memory[Net::output_gradient[t] + i] = static_cast<double>(ran.z.size());
    }
  Net::template backward<Slice>(pass, {ran.gradient.data(), ran.gradient.data()});
  return ran;
}
sharing::NetworkPass<Slice> at(bool training, sharing::Time time = {}, backend::Draws draws = {}) {
  return {nullptr, {}, {}, draws, training, time};
}
template <class Net>
Ran run(const std::vector<double>& parameters, const sharing::NetworkPass<Slice>& like = at(true)) {
  static constexpr std::size_t outputs[] = {3, 2, 1};
  return run<Net>(parameters, numbers(Net::in.size(), 100), outputs, like);
}

std::vector<double> part(const std::vector<double>& all, std::size_t begin, std::size_t size) {
  const auto from = all.begin() + static_cast<std::ptrdiff_t>(begin);
  return {from, from + static_cast<std::ptrdiff_t>(size)};
}
std::vector<double> joined(std::vector<double> a, const std::vector<double>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Sizes of Trunk and of the heads on 5 numbers.
constexpr std::size_t trunk_size = 25;
constexpr std::array<std::size_t, 3> head_size{18, 34, 6};

namespace oracle {

#include "experts_oracle.inc"

using Two = Tasks<Outputs_<"a", 2>, Outputs_<"b", 1>>;
using Expert = nn::Sequential<nn::Dense<2>, nn::Tanh>;

// Against scripts/oracle/sharing_experts.py.
template <class Net>
void agrees(std::span<const double> z, std::span<const double> gradient,
            const sharing::NetworkPass<Slice>& like = at(true), double scale = 1,
            void (*penalise)(std::span<const double>, std::span<double>) = nullptr) {
  std::vector<double> parameters;
  for (std::size_t i = 0; i < Net::parameters; ++i)
    parameters.push_back(scale * (static_cast<int>(i * 7 % 23) - 11) / 16.0);
  static constexpr double x[] = {0.75, -0.5, 1.25};
  static constexpr std::size_t outputs[] = {2, 1};
  Ran ran = run<Net>(parameters, x, outputs, like);
  if (penalise != nullptr) penalise(parameters, ran.gradient);
  const auto near = [](std::span<const double> expected, std::span<const double> got) {
    REQUIRE(expected.size() == got.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(got[i] - expected[i]) < 1e-10);
    }
  };
  near(z, ran.z);
  near(gradient, ran.gradient);
}

}  // namespace oracle

}  // namespace

static_assert(SharingStrategy<Mmoe> && SharingStrategy<Cgc> && SharingStrategy<Ple> && SharingStrategy<Selects> &&
              SharingStrategy<Branches>);
static_assert(Mmoe::check<four, Three>() && Cgc::check<four, Three>() && Ple::check<four, Three>() &&
              Selects::check<four, Three>() && SelectsForSample::check<four, Three>() &&
              Branches::check<four, Three>());

// Cgc without own experts is Mmoe, and a Ple of one level is Cgc: the same network.
static_assert(std::is_same_v<NetOf<sharing::Cgc<Trunk, 3, 0, HeadB>>, NetOf<Mmoe>>);
static_assert(std::is_same_v<NetOf<sharing::Ple<HeadB, PleLevel<Trunk, 2, 1>>>, NetOf<Cgc>>);

// What reaches several tasks is shared. Ple: until the third level's shared experts everything, and the gates of the first
// that feed the second level's own experts.
static_assert(NetOf<Mmoe>::shared == 3 * trunk_size);
static_assert(NetOf<Cgc>::shared == 2 * trunk_size);
static_assert(NetOf<Ple>::shared == (7 * 25 + (15 + 28) + 3 * (15 + 12)) + (3 * 18 + (18 + 12)) + 2 * (3 * 5 + 5));
static_assert(NetOf<Selects>::shared == 3 * trunk_size);
static_assert(NetOf<Mmoe, Tasks<Three::At<0>>>::shared == 0);
// A gate need not have a weight for every pixel of an image: 2 x 2 x 2 of them here.
static_assert(
    sharing::Mmoe<Trunk, 3, GateOn<nn::AvgPool2d<8>>>::Network<Shape{2, 16, 16}, Tasks<Three::At<0>>>::parameters ==
    3 * (512 * 5 + 5) + (8 * 3 + 3) + 18);

TEST_CASE("experts: laws") {
  check_passes<NetOf<Ple>>();
  check_passes<NetOf<Selects>>();
  check_passes<NetOf<SelectsForSample>>();
  CHECK(parameters<NetOf<sharing::Cgc<Trunk, 1, 1, HeadB>, Tasks<Three::At<1>>>>() ==
        std::vector<std::string>{"experts.0.0.weight", "experts.0.0.bias", "b.experts.0.0.weight", "b.experts.0.0.bias",
                                 "b.gate.0.weight", "b.gate.0.bias", "b.0.weight", "b.0.bias", "b.2.weight",
                                 "b.2.bias"});
  using Levels = NetOf<sharing::Ple<PleLevel<Small, 1, 1>, PleLevel<Small, 1, 0>>, Tasks<Three::At<0>>>;
  CHECK(layers<Levels>() == std::vector<std::string>{"a:Dense", "a:Tanh", "a:Dense", "a:Softmax", "a:Dense", "a:Tanh",
                                                     "a:Dense", "a:Tanh", "a:Dense", "a:Softmax", "a:Dense",
                                                     "a:Softmax", "a:Dense"});
  CHECK(parameters<Levels>()[2] == "levels.0.gate.0.weight");
  CHECK(parameters<Levels>()[4] == "a.levels.0.experts.0.0.weight");
}

TEST_CASE("LearningToBranch: laws, where children read the mean of their parents and where they choose") {
  check_passes<NetOf<Branches>>();
  check_passes<NetOf<Branches>>({.exact_gradient = false, .time = {3, 40}});
}

TEST_CASE("experts: Mmoe of one expert is Hard, Cgc of one own expert is Single, to the bit") {
  using One = NetOf<sharing::Mmoe<Trunk, 1, HeadB>>;
  using Hard = NetOf<sharing::Hard<Trunk, HeadB>>;
  using Own = NetOf<sharing::Cgc<Trunk, 0, 1, HeadB>>;
  using Single = NetOf<sharing::Single<Trunk, HeadB>>;
  const auto p = numbers(One::parameters, 1);
  constexpr std::size_t gate = 4 + 1;
  const auto without_gates = [&](const std::vector<double>& all, bool own_trunks) {
    std::vector<double> result;
    std::size_t from = own_trunks ? 0 : trunk_size;
    if (!own_trunks) result = part(all, 0, trunk_size);
    for (std::size_t t = 0; t < 3; ++t) {
      if (own_trunks) result = joined(result, part(all, from, trunk_size)), from += trunk_size;
      // A softmax of one number has no slope.
      result = joined(result, part(all, from + gate, head_size[t]));
      from += gate + head_size[t];
    }
    return result;
  };
  const Ran one = run<One>(p);
  CHECK(run<Hard>(without_gates(p, false)) == Ran{one.z, without_gates(one.gradient, false)});
  for (std::size_t i = 0; i < gate; ++i) CHECK(one.gradient[trunk_size + i] == 0);
  const auto q = numbers(Own::parameters, 2);
  const Ran own = run<Own>(q);
  CHECK(run<Single>(without_gates(q, true)) == Ran{own.z, without_gates(own.gradient, true)});
}

TEST_CASE("experts: PyTorch's outputs and gradients") {
  using namespace oracle;
  // Shared experts of the second level run once, on the mixture of all experts that their own gate makes.
  using Levels = sharing::Ple<PleLevel<Expert, 1, 2>, PleLevel<Expert, 2, 1>>;
  agrees<Levels::Network<Shape{3}, Two>>(ple_z, ple_gradient);
  using Gated = sharing::Cgc<Expert, 1, 1, GateOn<nn::Dense<2>, nn::Tanh>>;
  agrees<Gated::Network<Shape{3}, Two>>(cgc_z, cgc_gradient);

  using Static = sharing::DSelectK<Expert, 3, 2>;
  using StaticNet = Static::Network<Shape{3}, Two>;
  agrees<StaticNet>(d_select_k_z, d_select_k_gradient, at(true), 0.5,
                    [](std::span<const double> p, std::span<double> gradient) {
                      Static{.entropy = 0.5, .reach = 0.25}.regularise<StaticNet>(p, TaskSet::first(2), gradient);
                    });
  using PerSample = sharing::DSelectK<Expert, 4, 2, GateOn<>>;
  agrees<PerSample::Network<Shape{3}, Two>>(d_select_k_of_sample_z, d_select_k_of_sample_gradient);

  using Tree = sharing::LearningToBranch<BranchLevel<Expert, 2>, BranchLevel<Expert, 3>>;
  // The noise is the step's, whichever sample of the batch comes first.
  agrees<Tree::Network<Shape{3}, Two>>(learning_to_branch_1_z, learning_to_branch_1_gradient,
                                       at(true, {2.5, 30}, {{5, 6}, 1, 0, 48}));
  agrees<Tree::Network<Shape{3}, Two>>(learning_to_branch_2_z, learning_to_branch_2_gradient,
                                       at(true, {20, 30}, {{5, 6}, 2, 0, 0}));
}

TEST_CASE("DSelectK: finished codes take one expert, and stay") {
  using OfFour = NetOf<sharing::DSelectK<Trunk, 4, 1, HeadB>>;
  using Hard = NetOf<sharing::Hard<Trunk, HeadB>>;
  auto p = numbers(OfFour::parameters, 1);
  // Every gate at expert 2: one, zero; the edge of the step is outside.
  for (std::size_t t = 0; t < 3; ++t) p[OfFour::gate_of(t)] = 0.75, p[OfFour::gate_of(t) + 1] = -0.5;
  std::vector<double> hard = part(p, 2 * trunk_size, trunk_size);
  for (std::size_t t = 0; t < 3; ++t) hard = joined(hard, part(p, OfFour::gate_of(t) + 3, head_size[t]));
  const Ran mixed = run<OfFour>(p), one = run<Hard>(hard);
  CHECK(mixed.z == one.z);
  CHECK(part(mixed.gradient, 2 * trunk_size, trunk_size) == part(one.gradient, 0, trunk_size));
  for (const std::size_t idle : {0U, 1U, 3U})
    for (const double slope : part(mixed.gradient, idle * trunk_size, trunk_size)) CHECK(slope == 0);
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t i = 0; i < 3; ++i) CHECK(mixed.gradient[OfFour::gate_of(t) + i] == 0);
}

TEST_CASE("DSelectK: the penalty is every present task's, and finite where codes have no expert") {
  using Net = NetOf<Selects>;
  auto p = numbers(Net::parameters, 1);
  for (double& number : p) number *= 0.2;
  const Selects options{.entropy = 0.1, .reach = 0.3};
  const auto penalty = [&](TaskSet set) { return options.penalty<Net>(std::span<const double>(p), set); };
  double sum = 0;
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(penalty(TaskSet::only(t)) > 0.1);
    sum += penalty(TaskSet::only(t));
  }
  CHECK(penalty(TaskSet::first(3)) == doctest::Approx(sum).epsilon(1e-14));
  const TaskSet two = TaskSet::only(0).with(2);
  std::vector<double> gradient(p.size(), 5);
  options.regularise<Net>(std::span<const double>(p), two, std::span(gradient));
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double kept = p[i];
    const auto moved = [&](double by) { return p[i] = kept + by, penalty(two); };
    const double slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
    p[i] = kept;
    CHECK(std::abs(gradient[i] - 5 - slope) < 1e-8);
  }
  // 11 is the number of no expert; 00 is the first's: no entropy left.
  for (std::size_t i = 0; i < 4; ++i) p[Net::gate_of(0) + i] = i < 2 ? 1 : -1;
  std::fill(gradient.begin(), gradient.end(), 0.0);
  options.regularise<Net>(std::span<const double>(p), TaskSet::only(0), std::span(gradient));
  for (const double slope : gradient) CHECK(slope == 0);
  CHECK(penalty(TaskSet::only(0)) == doctest::Approx(0.3 * (1e6 + 1)));
  CHECK_THROWS_WITH_AS((Selects{.entropy = -1}.validate()),
                       "mtlx: sharing::DSelectK: entropy must be a number of at least 0, and is -1", Error);
  CHECK_NOTHROW(SelectsForSample{}.validate());
  CHECK_THROWS_AS((SelectsForSample{.entropy = 1e-6}.validate()), Error);
}

TEST_CASE("LearningToBranch: a chain of single nodes is Hard, to the bit") {
  using Chain = NetOf<sharing::LearningToBranch<BranchLevel<Small, 1>, BranchLevel<Trunk, 1>, HeadB>>;
  using Hard = NetOf<sharing::Hard<nn::Sequential<Small, Trunk>, HeadB>>;
  static_assert(Chain::parameters == Hard::parameters);
  const auto p = numbers(Chain::parameters, 1);
  for (const bool training : {false, true}) CHECK(run<Chain>(p, at(training, {5, 9})) == run<Hard>(p, at(training)));
}

TEST_CASE("LearningToBranch: the warm-up keeps the scale, evaluation draws nothing, every choice learns") {
  using Net = NetOf<Branches>;
  // Equal nodes: the mean of the parents is each of them, not their sum.
  using Hard = NetOf<sharing::Hard<nn::Sequential<Trunk, Small, Small, Small>, HeadB>>;
  const auto h = numbers(Hard::parameters, 1);
  std::vector<double> p;
  std::size_t from = 0;
  std::map<std::string, std::vector<double>> of_first;  // the nodes' numbers, by path without the node
  Net::for_each_parameter([&](const nn::Path& path, const nn::Parameter& parameter, std::size_t) {
    std::string text = path.text();
    if (text.find("choice") != std::string::npos) {
      p = joined(p, numbers(parameter.size(), 3));
      return;
    }
    if (const std::size_t nodes = text.find(".nodes."); nodes != std::string::npos) text.erase(nodes + 7, 1);
    const auto [known, is_new] = of_first.try_emplace(text);
    if (is_new) known->second = part(h, from, parameter.size()), from += parameter.size();
    p = joined(p, known->second);
  });
  REQUIRE(from == h.size());
  const Ran mean = run<Net>(p, at(true, {0.3, 40})), alone = run<Hard>(h);
  for (std::size_t i = 0; i < 6; ++i) CHECK(mean.z[i] == doctest::Approx(alone.z[i]).epsilon(1e-13));

  const auto q = numbers(Net::parameters, 1);
  const auto draws = [](std::uint32_t step) { return backend::Draws{{1, 2}, step}; };
  const auto z = [&](bool training, std::uint32_t step) { return run<Net>(q, at(training, {10, 40}, draws(step))).z; };
  std::vector<double> moved(Net::parameters);
  bool differ = false;
  for (std::uint32_t step = 1; step < 30; ++step) {
    CHECK(z(false, step) == z(false, 0));
    differ = differ || z(true, step) != z(true, 0);
    const auto gradient = run<Net>(q, at(true, {10, 40}, draws(step))).gradient;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += std::abs(gradient[i]);
  }
  CHECK(differ);
  CHECK(*std::min_element(moved.begin(), moved.end()) > 0);

  // The tree is the largest logits'.
  for (std::size_t child = 0; child < 3; ++child) {
    const std::size_t first = Net::logits(1, child);
    CHECK(Net::parent(std::span(q), 1, child) == (q[first + 1] > q[first] ? 1 : 0));
    CHECK(Net::parent(std::span(q), 4, child) == (q[Net::logits(4, child) + 1] > q[Net::logits(4, child)] ? 1 : 0));
  }
}

TEST_CASE("experts: models learn") {
  using Both = Tasks<Classification<"side", 2>, Regression<"height", 1>>;
  std::vector<float> x(4 * 60), height;
  std::vector<int> side;
  Random random(3, Purpose::user);
  for (float& number : x) number = static_cast<float>(random.normal());
  for (std::size_t s = 0; s < 60; ++s) {
    side.push_back(x[4 * s] > x[4 * s + 1] ? 1 : 0);
    height.push_back(x[4 * s + 2] * 0.5F + x[4 * s]);
  }
  const data::DataSet data(data::Inputs(four, x),
                           {{"side", data::Targets::classes(side)}, {"height", data::Targets::values(1, height)}});
  const auto learns = [&]<class Strategy>(std::type_identity<Strategy>) {
    using Model = MultiTask<Input<4>, Both, Strategy>;
    Model model{{.optimizer = {.learning_rate = 0.01}, .backend = {.threads = 1}, .seed = 1}};
    const std::vector<float> before(model.parameters().begin(), model.parameters().end());
    const auto first = model.evaluate(data);
    model.fit(data, {.epochs = 20, .batch_size = 16});
    const auto last = model.evaluate(data);
    CHECK(last.template get<"side">().loss < 0.6 * first.template get<"side">().loss);
    CHECK(last.template get<"height">().loss < 0.6 * first.template get<"height">().loss);
    std::size_t still = 0;
    for (std::size_t i = 0; i < before.size(); ++i) still += before[i] == model.parameters()[i] ? 1 : 0;
    CHECK(still == 0);
    if constexpr (requires { Model::Network::logits(1, 0); })
      for (std::size_t child = 0; child < 2; ++child) {
        const auto a = model.parameters().subspan(Model::Network::logits(1, child), 2);
        CHECK(Model::Network::parent(model.parameters(), 1, child) == (a[1] > a[0] ? 1 : 0));
      }
  };
  learns(std::type_identity<sharing::Ple<PleLevel<Trunk, 1, 1>, PleLevel<Small, 1, 1>>>{});
  learns(std::type_identity<sharing::DSelectK<Trunk, 3, 2>>{});
  learns(std::type_identity<sharing::LearningToBranch<BranchLevel<Trunk, 2>, BranchLevel<Small, 2>>>{});
}
