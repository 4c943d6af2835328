// SPDX-License-Identifier: MIT
// Every balancer as a candidate of a study. A model's type takes seconds to compile, so that those that ask for the same
// things share one: which method it is, is an option.
#pragma once

#include <mtlx/balancing/aligned_mtl.hpp>
#include <mtlx/balancing/ca_grad.hpp>
#include <mtlx/balancing/con_fig.hpp>
#include <mtlx/balancing/db_mtl.hpp>
#include <mtlx/balancing/dual_projection.hpp>
#include <mtlx/balancing/dynamic_weight_average.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/balancing/excess_risk.hpp>
#include <mtlx/balancing/fair_grad.hpp>
#include <mtlx/balancing/famo.hpp>
#include <mtlx/balancing/geometric_mean.hpp>
#include <mtlx/balancing/go4_align.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/balancing/grad_norm.hpp>
#include <mtlx/balancing/grad_vac.hpp>
#include <mtlx/balancing/imtl_g.hpp>
#include <mtlx/balancing/imtl_l.hpp>
#include <mtlx/balancing/log_loss.hpp>
#include <mtlx/balancing/mgda.hpp>
#include <mtlx/balancing/mo_co.hpp>
#include <mtlx/balancing/mo_do.hpp>
#include <mtlx/balancing/nash_mtl.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/random_weights.hpp>
#include <mtlx/balancing/sdm_grad.hpp>
#include <mtlx/balancing/smooth_tchebycheff.hpp>
#include <mtlx/balancing/uncertainty.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <variant>

namespace methods {

using namespace mtlx;
using namespace mtlx::balancing;

/// What the program's command line says.
struct Arguments {
  std::string data;
  std::string keep;  ///< where finished runs are kept; empty: nowhere
  std::size_t seeds = 5, epochs = 0, samples = 0;
  int jobs = 0;
};

study::Study fashion(const Arguments&);
study::Study yeast(const Arguments&);

/// One of several methods, and its state.
template <class... M>
struct OneOf {
  struct State {
    std::variant<PolicyState<M>...> any{};
  };

  std::variant<M...> method{};

  study::Settings settings() const {
    study::Settings all;
    std::visit([&](const auto& one) { study::describe_policy(all, "method", one); }, method);
    return all;
  }

  // function(method, its state)
  template <class Function>
  decltype(auto) with(State& state, Function function) const {
    return std::visit(
        [&]<class One>(const One& one) -> decltype(auto) {
          constexpr std::size_t index = [] {
            std::size_t at = 0;
            static_cast<void>(((std::is_same_v<One, M> ? true : (++at, false)) || ...));
            return at;
          }();
          if (state.any.index() != index) state.any.template emplace<index>();
          return function(one, std::get<index>(state.any));
        },
        method);
  }
};

/// Those that go by losses alone. That some of them could do without the pass that others need is no matter here.
template <class... M>
struct ByLosses {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::losses;
  using State = typename OneOf<M...>::State;

  OneOf<M...> which{};

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    which.with(state, [&](const auto& one, auto& own) { one.weights(problem, own, w); });
  }
  void observe(const Problem& problem, State& state) const {
    which.with(state, [&]<class One>(const One& one, auto& own) {
      if constexpr (Observes<One>) one.observe(problem, own);
    });
  }
  void after(const Problem& problem, State& state) const {
    which.with(state, [&]<class One>(const One& one, auto& own) {
      if constexpr (LooksBack<One>) one.after(problem, own);
    });
  }
};

/// Those whose weights follow from the Gram matrix.
template <class... M>
struct ByGram {
  static constexpr auto kind = Kind::balancer;
  static constexpr Needs needs = Needs::gradients;
  struct State {
    typename OneOf<M...>::State inner{};
    PerTask weights{};  // the last ones
  };

  OneOf<M...> which{};

  void weights(const Problem& problem, State& state, std::span<double> w) const {
    which.with(state.inner, [&](const auto& one, auto& own) { one.weights(problem, own, w); });
    std::copy(w.begin(), w.end(), state.weights.begin());
  }
  void own_weights(const Problem& problem, const State& state, std::span<double> w) const {
    std::fill(w.begin(), w.end(), 1.0);
    State copy = state;
    which.with(copy.inner, [&]<class One>(const One& one, auto& own) {
      if constexpr (WeighsOwn<One>)
        one.own_weights(problem, own, w);
      else if constexpr (weighs_own<One>)
        std::copy_n(state.weights.begin(), w.size(), w.begin());
    });
  }
};

/// Those that keep a number for each task and parameter, besides.
template <class... M>
struct ByRows : ByGram<M...> {
  template <class S>
  double absorb(const Problem& problem, const typename ByGram<M...>::State& state, std::size_t i, std::span<S> gradient,
                std::span<S> memory) const {
    auto copy = state.inner;
    return this->which.with(copy, [&](const auto& one, auto& own) {
      return one.template absorb<S>(problem, std::as_const(own), i, gradient, memory);
    });
  }
};

using Losses = ByLosses<EqualWeights, RandomWeights, LogLoss, GeometricMean, Uncertainty, ImtlL, DynamicWeightAverage,
                        SmoothTchebycheff, Famo, Go4Align>;
using Grams = ByGram<PcGrad, GradVac, CaGrad, ImtlG, Mgda, NashMtl, FairGrad, AlignedMtl, UpGrad, DualProjection,
                     ConFig, GradNorm>;
using Rows = ByRows<ExcessRisk, DbMtl, MoCo>;

/// The study of all methods with one trunk on one data set. All train with Adam at one learning rate, to which the scale of
/// a direction is nothing.
template <class In, class TaskList, class Trunk>
study::Study compare_all(const study::Data& data, const study::Options& options) {
  using Baseline = MultiTask<In, TaskList, sharing::Single<Trunk>, optim::Adam>;
  const auto candidate = []<class B>(const char* name, const B& balancer) {
    using Model = MultiTask<In, TaskList, sharing::Hard<Trunk>, B, optim::Adam>;
    study::Candidate<Model> one{.name = name};
    one.tries.push_back({.balancer = balancer});
    return one;
  };
  const auto losses = [&](const char* name, const auto& method) { return candidate(name, Losses{{method}}); };
  const auto gram = [&](const char* name, const auto& method) { return candidate(name, Grams{{method}}); };
  const auto rows = [&](const char* name, const auto& method) { return candidate(name, Rows{{{method}}}); };
  using Mean = Mgda::Normalisation;
  return study::compare(
      data, options, study::Candidate<Baseline>{.name = "single-task"}, losses("EqualWeights", EqualWeights{}),
      losses("RandomWeights", RandomWeights{}), losses("LogLoss", LogLoss{}), losses("GeometricMean", GeometricMean{}),
      losses("Uncertainty", Uncertainty{}), losses("ImtlL", ImtlL{}),
      losses("DynamicWeightAverage", DynamicWeightAverage{}),
      losses("SmoothTchebycheff", SmoothTchebycheff{.warm_up = 1}), losses("Famo", Famo{}),
      losses("Go4Align", Go4Align{}), gram("GradNorm", GradNorm{}), gram("PcGrad", PcGrad{}),
      gram("GradVac", GradVac{}), gram("CaGrad", CaGrad{}), gram("ImtlG", ImtlG{}), gram("Mgda", Mgda{}),
      gram("Mgda, l2", Mgda{.normalisation = Mean::l2}), gram("NashMtl", NashMtl{}), gram("FairGrad", FairGrad{}),
      gram("AlignedMtl", AlignedMtl{}), gram("UpGrad", UpGrad{}), gram("DualProjection", DualProjection{}),
      gram("ConFig", ConFig{}), rows("ExcessRisk", ExcessRisk{}), rows("DbMtl", DbMtl{}), rows("MoCo", MoCo{}),
      candidate("GradDrop", GradDrop{}), candidate("MoDo", MoDo{}), candidate("SdmGrad", SdmGrad{}));
}

}  // namespace methods
