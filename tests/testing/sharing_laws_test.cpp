// SPDX-License-Identifier: MIT
// The suite for sharing strategies catches whoever breaks a law.
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/testing/sharing_laws.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace mtlx;

namespace {

template <Name TaskName, int Outputs>
struct Numbers {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Outputs;
};
using Pair = Tasks<Numbers<"a", 2>, Numbers<"b", 1>>;
using Trunk = nn::Sequential<nn::Dense<3>, nn::Tanh, nn::Dropout<20>>;
using Right = sharing::Hard<Trunk>;

enum class Mistake {
  none,
  wrong_gradient,
  reads_absent,
  touches_absent,
  wrong_place,
  assigns,
  minds_others,
  reads_memory,
  writes_beyond,
  spoils_memory,
  half,
  slice,
  wrong_penalty,
  penalty_assigns,
  pulls_absent,
  moves_absent,
};
Mistake mistake = Mistake::none;  // one network serves all

struct Broken {
  static constexpr auto kind = Kind::sharing;

  template <Shape In, class TaskList>
  static consteval bool check() {
    return Right::check<In, TaskList>();
  }

  template <Shape In, class TaskList>
  struct Network : Right::Network<In, TaskList> {
    using Base = Right::Network<In, TaskList>;
    static constexpr std::size_t head = Base::shared;  // a's first weight

    template <class S>
    static void forward(const sharing::NetworkPass<S>& pass) {
      Base::forward(pass);
      const auto m = pass.memory;
      const auto b = m.at(Base::output[1]);
      if (!pass.tasks.has(1)) return;
      // 0 times a number: NaN if that is NaN.
      if (mistake == Mistake::reads_absent) S::fill(m.at(Base::representation.gradient), 1, 0 * pass.parameters[head]);
      if (mistake == Mistake::reads_absent) S::add(m.at(Base::representation.gradient), b, 1);
      if (mistake == Mistake::minds_others && pass.tasks.count() > 1) S::add(b, b, 1);
      if (mistake == Mistake::reads_memory) S::add(m.at(Base::output_gradient[0]), b, 1);
      if (mistake == Mistake::writes_beyond) S::fill(m.at(Base::memory), 1, 0);
      if (mistake == Mistake::slice && S::width > 1) S::add(b, b, 1);
    }
    template <class S>
    static void backward(const sharing::NetworkPass<S>& pass, const sharing::Gradients<S>& to) {
      if (mistake == Mistake::assigns) std::fill_n(to.shared, Base::shared, 0);
      if (mistake == Mistake::wrong_place)
        Base::backward(pass, {to.own, to.own});
      else
        Base::backward(pass, to);
      if (mistake == Mistake::wrong_gradient) to.shared[1] += 0.001 * pass.parameters[2];
      if (mistake == Mistake::touches_absent && !pass.tasks.has(0)) to.own[head] += 1;
      if (mistake == Mistake::spoils_memory) S::fill(pass.memory.at(Base::input), 1, 0);
    }
    template <class S>
    static void backward_from_representation(const sharing::NetworkPass<S>& pass, const sharing::Gradients<S>& to) {
      Base::backward_from_representation(pass, to);
      if (mistake == Mistake::half) to.shared[0] += 1;
    }
  };

  // |p|² of what the present tasks own.
  template <class Net, class S>
  double penalty(std::span<const S> p, TaskSet present) const {
    double sum = 0;
    for_each<Net>(present, [&](std::size_t i) { sum += p[i] * p[i]; });
    return sum;
  }
  template <class Net, class S>
  void regularise(std::span<const S> p, TaskSet present, std::span<S> gradient) const {
    for_each<Net>(present, [&](std::size_t i) {
      if (mistake == Mistake::penalty_assigns) gradient[i] = 0;
      gradient[i] += (mistake == Mistake::wrong_penalty ? 1.99 : 2) * p[i];
    });
    if (mistake == Mistake::pulls_absent && !present.has(0)) gradient[Net::head] += p[Net::head];
  }
  template <class Net, class S>
  void project(std::span<S> p, TaskSet present, double learning_rate) const {
    for_each<Net>(present, [&](std::size_t i) { p[i] *= 1 - learning_rate; });
    if (mistake == Mistake::moves_absent && !present.has(0)) p[Net::head] += 1;
  }

 private:
  template <class Net, class Function>
  static void for_each(TaskSet present, Function function) {
    for (const Segment& s : Net::segments)
      for (std::size_t i = s.offset; i < s.offset + s.size; ++i)
        if (s.owners.meets(present)) function(i);
  }
};

// Training would never call this `regularise`: it is not const.
struct Unheard : Right {
  template <class Net, class S>
  double penalty(std::span<const S>, TaskSet) const {
    return 0;
  }
  template <class Net, class S>
  void regularise(std::span<const S>, TaskSet, std::span<S>) {}
};

testing::Report check() { return testing::check_sharing<Broken, Shape{3}, Pair>({}, {.samples = 5}); }

// Layouts that are wrong; their passes are not asked for.
using Net = Right::Network<Shape{3}, Pair>;
struct OwnFirst : Net {
  static constexpr std::array<Segment, 3> segments{Segment{0, Net::segments[1].size, TaskSet::only(0)},
                                                   Segment{Net::segments[1].size, Net::shared, TaskSet::first(2)},
                                                   Net::segments[2]};
};
struct Overlap : Net {
  static constexpr std::array<std::size_t, 2> output{Net::output[0], Net::output[0] + 1};
};
struct SamePath : Net {
  template <class Function>
  static void for_each_parameter(Function&& function) {
    Net::for_each_parameter([&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
      function(path.parent->name == "b" ? nn::Path{nullptr, "b"} : path, p, offset);
    });
  }
};
struct LayerOfOthers : Net {
  template <class Function>
  static void for_each_layer(Function&& function) {
    Net::for_each_layer([&](TaskSet, auto... layer) { function(TaskSet::first(2), layer...); });
  }
};
template <class Wrong>
bool caught(std::string_view law) {
  testing::Report report;
  testing::detail::layout_of<Wrong, Pair>(report, {});
  return report.broke(law);
}

struct NoRule {
  [[maybe_unused]] static constexpr std::size_t memory = 0;
};
// A masked network that reads past its masks.
struct PastMasks : sharing::Sparse<Trunk, NoRule>::Network<Shape{3}, Pair> {
  template <class S>
  static void forward(sharing::NetworkPass<S> pass) {
    std::vector<typename S::Scalar> twice(pass.parameters, pass.parameters + PastMasks::shared);
    for (int t = 0; t < 2; ++t) twice.insert(twice.end(), pass.parameters, pass.parameters + PastMasks::shared);
    pass.masked = twice.data();
    sharing::Sparse<Trunk, NoRule>::Network<Shape{3}, Pair>::forward(pass);
  }
};

}  // namespace

TEST_CASE("the laws of sharing: who keeps them passes, who breaks one is caught") {
  const testing::Report right = check();
  CHECK(right.text() == "");
  CHECK(right.checks() > 2000);
  const std::pair<Mistake, const char*> laws[] = {
      {Mistake::wrong_gradient, "gradient (tasks"},
      {Mistake::reads_absent, "absent tasks' parameters are not read"},
      {Mistake::touches_absent, "absent tasks' gradients are not touched"},
      {Mistake::wrong_place, "gradients go to their place"},
      {Mistake::assigns, "shared gradients are added to"},
      {Mistake::minds_others, "an output is as if its task was alone"},
      {Mistake::reads_memory, "what memory held doesn't matter"},
      {Mistake::writes_beyond, "nothing beyond its place is written"},
      {Mistake::spoils_memory, "the tasks go backward one after the other"},
      {Mistake::half, "from the sum at the representation"},
      {Mistake::slice, "outputs agree with Reference"},
      {Mistake::wrong_penalty, "regularise is the gradient of penalty"},
      {Mistake::penalty_assigns, "regularise adds"},
      {Mistake::pulls_absent, "regularise leaves absent tasks alone"},
      {Mistake::moves_absent, "project leaves absent tasks alone"},
  };
  for (const auto& [made, broken] : laws) {
    mistake = made;
    const std::string law = broken;
    const testing::Report report = check();
    INFO(law << ":\n" << report.text());
    CHECK(report.broke(law));
  }
  mistake = Mistake::none;
  CHECK(testing::check_sharing<Unheard, Shape{3}, Pair>().broke("policy"));
}

TEST_CASE("the laws of sharing: layouts") {
  testing::Report report;
  testing::detail::layout_of<Net, Pair>(report, {});
  CHECK(report.text() == "");
  CHECK(caught<OwnFirst>("segments of several owners come first"));
  CHECK(caught<OwnFirst>("each parameter lies in one segment"));
  CHECK(caught<Overlap>("places of their own"));
  CHECK(caught<SamePath>("no path twice"));
  CHECK(caught<LayerOfOthers>("layers' parameters are their segments'"));
}

TEST_CASE("the laws of sharing: masks, and a gradient that is an estimate") {
  CHECK(testing::check_network<sharing::Sparse<Trunk, NoRule>::Network<Shape{3}, Pair>, Pair>().text() == "");
  CHECK_FALSE(testing::check_network<PastMasks, Pair>().ok());
  mistake = Mistake::wrong_gradient;
  using Estimated = Broken::Network<Shape{3}, Pair>;
  CHECK(testing::check_network<Estimated, Pair>().broke("gradient (tasks"));
  CHECK_FALSE(testing::check_network<Estimated, Pair>({.exact_gradient = false}).broke("gradient (tasks"));
  mistake = Mistake::none;
}

TEST_CASE("the laws of sharing: sets of many tasks") {
  const auto sets = testing::detail::some_sets(40, 1);
  CHECK(sets.size() == 40 + 2 + 4);
  for (const TaskSet set : sets) CHECK((set & TaskSet::first(40)) == set);
  CHECK(testing::detail::some_sets(3, 1).size() == 7);
  CHECK(testing::detail::some_sets(64, 1)[64] == TaskSet::first(64));
}
