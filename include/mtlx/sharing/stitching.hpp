// SPDX-License-Identifier: MIT
// The network behind CrossStitch and Sluice: a trunk for each task, and behind every stage
//   x~_i = sum_j A_ij x_j                                 over the n = T subspaces groups of channels of all trunks
// with A a matrix for the stage, or one for each channel. What task t's head gets are the last stage's x~ of its groups,
// or, where stages are mixed,
//   h_t = sum_k beta_tk x~_t,k                            over the stages k whose output has the last one's shape.
// Adjoints: dx_j = sum_i A_ij dx~_i, dA_ij = <dx~_i, x_j>, dbeta_tk = <dh_t, x~_t,k>.
//
// Owners. All trunks serve all tasks, and so do the stitches before the last, since the last one reads every trunk. The
// last one's rows for task t, its beta and its head are the task's own. A step with some of the tasks passes through every
// trunk.
//
// Parameters. A's diagonal is `own`, the rest `others`, rows without the diagonal: so that each begins at a value of its
// own. Both have the role of a norm: a mixture is not pruned.
#pragma once

#include <mtlx/core/real.hpp>
#include <mtlx/sharing/stages.hpp>

namespace mtlx::sharing {

/// How features are stitched: what types can say of it.
struct Stitching {
  Real own = 0.9;           ///< A_ii at first; the rest of 1 is shared equally by the row's others
  bool per_channel = true;  ///< an A for each channel (of a vector: for each feature), or one for the whole stage
};

namespace detail {

/// A stitch of one stage: `groups` groups of `channels` channels of `plane` numbers.
struct StitchShape {
  std::size_t groups, channels, plane;
  bool per_channel;

  constexpr std::size_t block() const { return channels * plane; }
  /// Numbers of one A_ij, and of so many rows of A.
  constexpr std::size_t copies() const { return per_channel ? channels : 1; }
  constexpr std::size_t numbers(std::size_t rows) const { return rows * groups * copies(); }

  /// Where A_ij of copy 0 lies among the numbers of rows that begin with row `first`.
  constexpr std::size_t at(std::size_t i, std::size_t j, std::size_t first, std::size_t rows) const {
    if (i == j) return (i - first) * copies();
    return (rows + (i - first) * (groups - 1) + (j < i ? j : j - 1)) * copies();
  }

  /// The parameters of so many rows: own : (rows, channels), others : (rows, groups - 1, channels), without the channels
  /// where one A serves them all, and without others where there are none.
  template <Real Own, class Function>
  void for_each_parameter(const nn::Path& at, std::size_t offset, std::size_t rows, Function&& function) const {
    nn::Parameter p{"own", {static_cast<int>(rows)}, nn::Role::norm};
    if (per_channel) p.shape[1] = static_cast<int>(channels);
    if (groups == 1) {
      p.initialiser = nn::ones;
      return function(nn::Path{&at, p.name}, p, offset);
    }
    p.initialiser = [](Random&, double, double) { return Own.value; };
    function(nn::Path{&at, p.name}, p, offset);
    offset += p.size();
    p = {"others", {static_cast<int>(rows), static_cast<int>(groups - 1)}, nn::Role::norm};
    if (per_channel) p.shape[2] = static_cast<int>(channels);
    p.fan_in = static_cast<double>(groups);
    p.initialiser = [](Random&, double fan_in, double) { return (1 - Own.value) / (fan_in - 1); };
    function(nn::Path{&at, p.name}, p, offset);
  }
};

/// y = the rows `first` to `first + rows` of A x.  x : (groups, block) -> y : (rows, block).
template <class S>
[[gnu::noinline]] void stitch_forward(const StitchShape& shape, std::size_t first, std::size_t rows,
                                      const typename S::Scalar* weights, typename S::ConstView from,
                                      typename S::View to) {
  using Number = typename S::Number;
  const std::size_t pixels = shape.per_channel ? shape.plane : shape.block();
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto x = lane.at(from);
    const auto y = lane.at(to);
    const backend::ParameterView<S> p{weights};
    for (std::size_t i = first; i < first + rows; ++i)
      for (std::size_t c = 0; c < shape.copies(); ++c)
        for (std::size_t j = 0; j < shape.groups; ++j) {
          const Number a = p[shape.at(i, j, first, rows) + c];
          const std::size_t x_at = j * shape.block() + c * pixels, y_at = (i - first) * shape.block() + c * pixels;
          for (std::size_t k = 0; k < pixels; ++k)
            y[y_at + k] = j == 0 ? a * x[x_at + k] : Number(y[y_at + k]) + a * x[x_at + k];
        }
  });
}

/// Adds to dx and to the gradients of A.
template <class S>
[[gnu::noinline]] void stitch_backward(const StitchShape& shape, std::size_t first, std::size_t rows,
                                       const typename S::Scalar* weights, typename S::Scalar* dweights,
                                       typename S::ConstView from, typename S::ConstView dto, typename S::View dfrom) {
  using Number = typename S::Number;
  const std::size_t pixels = shape.per_channel ? shape.plane : shape.block();
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto x = lane.at(from), dy = lane.at(dto);
    const auto dx = lane.at(dfrom);
    const backend::ParameterView<S> p{weights};
    const backend::GradientView<S> dp{dweights};
    for (std::size_t i = first; i < first + rows; ++i)
      for (std::size_t c = 0; c < shape.copies(); ++c)
        for (std::size_t j = 0; j < shape.groups; ++j) {
          const std::size_t at = shape.at(i, j, first, rows) + c;
          const Number a = p[at];
          const std::size_t x_at = j * shape.block() + c * pixels, y_at = (i - first) * shape.block() + c * pixels;
          Number total(0);
          for (std::size_t k = 0; k < pixels; ++k) {
            const Number delta = dy[y_at + k];
            dx[x_at + k] += a * delta;
            total += delta * x[x_at + k];
          }
          dp[at] += total;
        }
  });
}

/// to = weight from, or is added it; the weight's gradient grows by <from, value>.
template <class S>
[[gnu::noinline]] void mix_backward(const typename S::Scalar* weight, typename S::Scalar* dweight, std::size_t size,
                                    bool add, typename S::ConstView value, typename S::ConstView from,
                                    typename S::View to) {
  using Number = typename S::Number;
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto x = lane.at(value), dy = lane.at(from);
    const auto dx = lane.at(to);
    const Number a = backend::ParameterView<S>{weight}[0];
    Number total(0);
    for (std::size_t i = 0; i < size; ++i) {
      const Number delta = dy[i];
      dx[i] = add ? Number(dx[i]) + a * delta : a * delta;
      total += delta * x[i];
    }
    backend::GradientView<S>{dweight}[0] += total;
  });
}

/// What a stitched network is, beside its trunk and heads.
struct StitchedBy {
  Stitching stitching;
  int subspaces;
  bool mixes;  ///< whether heads get a mixture of stages
};

template <Shape In, class Trunk, StitchedBy how, class TaskList, class... Heads>
struct StitchedNetwork;

template <Shape In, class Trunk, StitchedBy how, class... Task, class... Heads>
struct StitchedNetwork<In, Trunk, how, Tasks<Task...>, Heads...> {
  static constexpr Shape in = In;
  static constexpr std::size_t tasks = sizeof...(Task);

 private:
  using Trunks = StagePlan<Trunk, In>;
  static constexpr Shape hidden = Trunks::shape[Trunks::count];
  using Behind = TaskHeads<hidden, Tasks<Task...>, Heads...>;
  static constexpr std::size_t last = Trunks::last, subspaces = how.subspaces, rows = tasks * subspaces;

  static constexpr StitchShape stitch(std::size_t k) {
    const Shape s = Trunks::shape[k + 1];
    return {rows, static_cast<std::size_t>(s.channels) / subspaces, s.size() / static_cast<std::size_t>(s.channels),
            how.stitching.per_channel};
  }
  static constexpr bool mixed(std::size_t k) { return how.mixes && Trunks::shape[k + 1] == hidden; }
  // One stage alone is no mixture.
  static constexpr std::size_t mixtures = [] {
    std::size_t n = 0;
    for (std::size_t k = 0; k <= last; ++k) n += mixed(k) ? 1 : 0;
    return n > 1 ? n : 0;
  }();
  // Stage k's place in the mixture.
  static constexpr std::size_t place(std::size_t k) {
    std::size_t n = 0;
    for (std::size_t j = 0; j < k; ++j) n += mixed(j) ? 1 : 0;
    return n;
  }

  // The vector: the trunks, the stitches before the last; each task's own rows of the last one, its mixture, its head.
  static constexpr std::array<std::size_t, last + 1> stitch_at = [] {
    std::array<std::size_t, last + 1> all{tasks * Trunks::parameters};
    for (std::size_t k = 0; k < last; ++k) all[k + 1] = all[k] + stitch(k).numbers(rows);
    return all;
  }();
  static constexpr std::size_t own_rows = stitch(last).numbers(subspaces), extra = own_rows + mixtures;

 public:
  static constexpr std::array<Segment, tasks + 1> segments = Behind::segments(stitch_at[last], extra);
  static constexpr std::size_t shared = tasks > 1 ? segments[0].size : 0;
  static constexpr std::size_t parameters = segments[tasks].offset + segments[tasks].size;

 private:
  // A slice's memory: x; of every stage what its trunks save, put out, and are stitched to; the mixtures; the heads'; and
  // the gradients at a stage's stitched features, at its features and at the mixtures.
  struct Plan {
    std::array<std::size_t, last + 1> saved, features, stitched;
    std::size_t mixture, stitched_gradient, features_gradient, mixture_gradient, scratch, size;
    typename Behind::Places heads;
  };
  static constexpr Plan plan = [] {
    Plan p{};
    std::size_t at = In.size();
    const auto take = [&at](std::size_t numbers) { return std::exchange(at, at + numbers); };
    for (std::size_t k = 0; k <= last; ++k) {
      p.saved[k] = take(tasks * Trunks::saved[k]);
      p.features[k] = take(tasks * Trunks::size(k));
      p.stitched[k] = take(tasks * Trunks::size(k));
    }
    p.mixture = mixtures > 0 ? take(tasks * hidden.size()) : p.stitched[last];
    p.heads = Behind::places(at);
    p.stitched_gradient = take(tasks * Trunks::widest);
    p.features_gradient = take(tasks * Trunks::widest);
    p.mixture_gradient = mixtures > 0 ? take(tasks * hidden.size()) : p.stitched_gradient;
    p.scratch = take(std::max(Trunks::scratch, Behind::scratch));
    p.size = at;
    return p;
  }();

 public:
  static constexpr std::size_t memory = plan.size;
  static constexpr std::size_t input = 0;
  static constexpr std::array<std::size_t, tasks> output = plan.heads.output;
  static constexpr std::array<std::size_t, tasks> output_gradient = plan.heads.output_gradient;

  template <class S>
  static void forward(const NetworkPass<S>& pass) {
    const auto m = pass.memory;
    Trunks::for_each([&]<std::size_t k>() {
      for (std::size_t t = 0; t < tasks; ++t)
        nn::forward<typename Trunks::template At<k>, Trunks::shape[k]>(
            nn::Forward<S>{pass.parameters + weights(t, k), m.at(before(t, k)), m.at(features(t, k)),
                           m.at(plan.saved[k] + t * Trunks::saved[k]), draws(pass, t, k), pass.training});
      if constexpr (k < last)
        stitch_forward<S>(stitch(k), 0, rows, pass.parameters + stitch_at[k], m.at(plan.features[k]),
                          m.at(plan.stitched[k]));
    });
    for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
      stitch_forward<S>(stitch(last), t * subspaces, subspaces, pass.parameters + own(t), m.at(plan.features[last]),
                        m.at(stitched(t, last)));
      if constexpr (mixtures > 0) mix<S>(pass, t);
      Behind::template forward<t, S>(pass, plan.heads, own(t) + extra, m.at(plan.mixture + t * hidden.size()));
    });
  }

  template <class S>
  static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
    const auto m = pass.memory;
    const auto scratch = m.at(plan.scratch);
    const auto common = tasks > 1 ? to.shared : to.own;
    for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
      const std::size_t at = t * hidden.size();
      Behind::template backward<t, S>(pass, to, plan.heads, own(t) + extra, m.at(plan.mixture + at),
                                      m.at(plan.mixture_gradient + at), scratch);
    });
    Trunks::for_each_back([&]<std::size_t k>() {
      constexpr std::size_t size = Trunks::size(k);
      S::fill(m.at(plan.features_gradient), tasks * size, 0);
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!pass.tasks.has(t)) continue;
        if constexpr (mixtures > 0 && mixed(k)) {
          const std::size_t beta = own(t) + own_rows + place(k);
          mix_backward<S>(pass.parameters + beta, to.own + beta, size, k < last, m.at(stitched(t, k)),
                          m.at(plan.mixture_gradient + t * size), m.at(plan.stitched_gradient + t * size));
        }
        if constexpr (k == last)
          stitch_backward<S>(stitch(k), t * subspaces, subspaces, pass.parameters + own(t), to.own + own(t),
                             m.at(plan.features[k]), m.at(plan.stitched_gradient + t * size),
                             m.at(plan.features_gradient));
      }
      if constexpr (k < last)
        stitch_backward<S>(stitch(k), 0, rows, pass.parameters + stitch_at[k], common + stitch_at[k],
                           m.at(plan.features[k]), m.at(plan.stitched_gradient), m.at(plan.features_gradient));
      for (std::size_t t = 0; t < tasks; ++t)
        nn::backward<typename Trunks::template At<k>, Trunks::shape[k], (k > 0)>(
            nn::Backward<S>{pass.parameters + weights(t, k), m.at(before(t, k)), m.at(features(t, k)),
                            m.at(plan.saved[k] + t * Trunks::saved[k]), m.at(plan.features_gradient + t * size),
                            m.at(plan.stitched_gradient + (k > 0 ? t * Trunks::shape[k].size() : 0)),
                            common + weights(t, k), scratch, draws(pass, t, k), pass.training});
    });
  }

  template <class Function>
  static void for_each_parameter(Function&& function) {
    for (std::size_t t = 0; t < tasks; ++t) {
      const nn::Path task{nullptr, Tasks<Task...>::names[t]}, trunk{&task, "trunk"};
      for_each_weight(trunk, t, function);
    }
    const nn::Path at{nullptr, "stitch"};
    for (std::size_t k = 0; k < last; ++k)
      stitch(k).template for_each_parameter<how.stitching.own>(nn::Path{&at, {}, k}, stitch_at[k], rows, function);
    Behind::for_each_parameter(
        segments, extra,
        [&](const nn::Path& task, std::size_t t) {
          stitch(last).template for_each_parameter<how.stitching.own>(nn::Path{&task, "stitch"}, own(t), subspaces,
                                                                      function);
          if constexpr (mixtures > 0) {
            constexpr nn::Initialiser equal = [](Random&, double fan_in, double) { return 1 / fan_in; };
            const nn::Parameter beta{
                "beta", {static_cast<int>(mixtures)}, nn::Role::norm, static_cast<double>(mixtures), 1, equal};
            function(nn::Path{&task, beta.name}, beta, own(t) + own_rows);
          }
        },
        function);
  }

  template <class Function>
  static void for_each_layer(Function&& function) {
    const auto stitched_layer = [&](TaskSet owners, std::size_t k, int parts) {
      const std::size_t some = static_cast<std::size_t>(parts) * subspaces;
      Shape from = Trunks::shape[k + 1], to = from;
      from.channels *= static_cast<int>(tasks);
      to.channels *= parts;
      function(owners, std::string_view("Stitch"), from, to, stitch(k).numbers(some),
               static_cast<double>(some * rows * stitch(k).block()));
    };
    Trunks::for_each([&]<std::size_t k>() {
      for (std::size_t t = 0; t < tasks; ++t)
        nn::for_each_layer<typename Trunks::template At<k>>(
            Trunks::shape[k], [&](const auto&... layer) { function(TaskSet::first(tasks), layer...); });
      if constexpr (k < last) stitched_layer(TaskSet::first(tasks), k, static_cast<int>(tasks));
    });
    Behind::for_each_layer(
        [&](std::size_t t) {
          stitched_layer(TaskSet::only(t), last, 1);
          if constexpr (mixtures > 0) {
            Shape from = hidden;
            from.channels *= static_cast<int>(mixtures);
            function(TaskSet::only(t), std::string_view("Mixture"), from, hidden, mixtures,
                     static_cast<double>(mixtures * hidden.size()));
          }
        },
        function);
  }

 protected:
  /// Calls function(stage, path, parameter, offset) for the parameters of task t's trunk.
  template <class Function>
  static void for_each_staged(const nn::Path& trunk, std::size_t t, Function&& function) {
    Trunks::for_each([&]<std::size_t k>() {
      nn::for_each_parameter<typename Trunks::template At<k>>(
          Trunks::shape[k], nn::Path{&trunk, {}, k},
          [&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
            function(k, path, p, weights(t, k) + offset);
          });
    });
  }

 private:
  template <class Function>
  static void for_each_weight(const nn::Path& trunk, std::size_t t, Function& function) {
    for_each_staged(trunk, t, [&](std::size_t, const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
      function(path, p, offset);
    });
  }

  // In the vector: stage k of task t's trunk, and what is the task's own.
  static constexpr std::size_t weights(std::size_t t, std::size_t k) {
    return t * Trunks::parameters + Trunks::weights[k];
  }
  static constexpr std::size_t own(std::size_t t) { return segments[t + 1].offset; }
  // In a slice's memory, of task t: what stage k puts out, what is made of it, and what goes into the stage.
  static constexpr std::size_t features(std::size_t t, std::size_t k) { return plan.features[k] + t * Trunks::size(k); }
  static constexpr std::size_t stitched(std::size_t t, std::size_t k) { return plan.stitched[k] + t * Trunks::size(k); }
  static constexpr std::size_t before(std::size_t t, std::size_t k) { return k == 0 ? input : stitched(t, k - 1); }
  template <class S>
  static backend::Draws draws(const NetworkPass<S>& pass, std::size_t t, std::size_t k) {
    return pass.draws.child(0).child(t).child(k);
  }

  // h_t
  template <class S>
  static void mix(const NetworkPass<S>& pass, std::size_t t) {
    using Number = typename S::Number;
    S::for_each_lane([&](const typename S::Lane& lane) {
      const backend::ParameterView<S> beta{pass.parameters + own(t) + own_rows};
      const auto y = lane.at(pass.memory.at(plan.mixture + t * hidden.size()));
      for (std::size_t i = 0; i < hidden.size(); ++i) {
        Number total(0);
        for (std::size_t k = 0; k <= last; ++k)
          if (mixed(k)) total += beta[place(k)] * lane.at(typename S::ConstView(pass.memory.at(stitched(t, k))))[i];
        y[i] = total;
      }
    });
  }
};

/// Whether the stitching can be begun so, and stages can be cut into so many subspaces.
template <StitchedBy how, class Trunk, Shape In>
consteval bool check_stitching() {
  constexpr bool own = how.stitching.own.value >= 0 && how.stitching.own.value <= 1;
  static_assert(own, "mtlx: a stitch begins with an own weight from 0 to 1");
  if constexpr (own) {
    constexpr bool divides = [] {
      if (how.subspaces < 1) return false;
      for (std::size_t k = 1; k < StagePlan<Trunk, In>::shape.size(); ++k)
        if (StagePlan<Trunk, In>::shape[k].channels % how.subspaces != 0) return false;
      return true;
    }();
    static_assert(divides, "mtlx: the subspaces of a Sluice must divide the channels of every stage of its trunk");
    return divides;
  }
  return false;
}

/// The whole check of a stitched strategy: trunk, stitches, heads.
template <StitchedBy how, class Trunk, Shape In, class TaskList, class... Heads>
consteval bool check_stitched() {
  if constexpr (!nn::check<Trunk, In>())
    return false;
  else if constexpr (!check_stitching<how, Trunk, In>())
    return false;
  else
    return HeadCheck<Trunk::output(In), TaskList, Heads...>::run();
}

}  // namespace detail

}  // namespace mtlx::sharing
