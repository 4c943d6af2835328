// SPDX-License-Identifier: MIT
// Multi-task attention network: one trunk for all tasks, and for each task t, at every stage k, a mask over its features.
//   u_k = A_k(p_(k-1)),  p_k = B_k(u_k)                                  the trunk, with p_(-1) = x
//   m_t,k = sigmoid(W'_t,k relu(W_t,k [u_k ; f_k(a_t,(k-1))]))           1x1 convolutions; [u_0] alone at the first stage
//   a_t,k = m_t,k p_k,                                                   elementwise; head t reads the last stage's
// Every W has as many filters as p_k has channels; where features are vectors it is a Dense layer. f_k brings the previous
// stage's attended features to u_k's shape: another A_k, with weights of its own, which all tasks share.
// Reference: Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, eqs. 1 to 3: W is g, W' is
// h.
// Deviations: the paper has batch norms behind W, W' and f, which would couple samples; here there are none. Its f is a
// 3x3 convolution and a pooling; here it is what the stage itself begins with, whatever the trunk is made of.
#pragma once

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/conv2d.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/sharing/stages.hpp>

namespace mtlx::sharing {

/// A stage of two parts: masks are made from what the first one puts out, and lie on what the second one does, which must
/// keep height and width. A stage that is another layer is all first part.
template <class First, class Second>
struct MtanStage : nn::Sequential<First, Second> {};

namespace detail {

/// The second part of a stage that has none.
struct NoSecond {
  static constexpr bool in_place = true;
  static constexpr Shape output(Shape in) { return in; }
};
template <class Stage>
struct MtanParts {
  using First = Stage;
  using Second = NoSecond;
};
template <class A, class B>
struct MtanParts<MtanStage<A, B>> {
  using First = A;
  using Second = B;
};

/// A task's mask at a stage: `Filters` channels of values from 0 to 1.
template <int Filters, bool vectors>
struct MaskOf {
  using type =
      nn::Sequential<nn::Conv2d<Filters, 1>, nn::Relu, nn::Conv2d<Filters, 1, 1, 0, nn::glorot_normal>, nn::Sigmoid>;
};
template <int Filters>
struct MaskOf<Filters, true> {
  using type = nn::Sequential<nn::Dense<Filters>, nn::Relu, nn::Dense<Filters, nn::glorot_normal>, nn::Sigmoid>;
};

/// y = a b, elementwise.
template <class S>
[[gnu::noinline]] void attend_forward(typename S::ConstView mask, typename S::ConstView features, typename S::View to,
                                      std::size_t size) {
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto a = lane.at(mask), b = lane.at(features);
    const auto y = lane.at(to);
    for (std::size_t i = 0; i < size; ++i) y[i] = a[i] * b[i];
  });
}
/// dmask = dy features, dfeatures += dy mask.
template <class S>
[[gnu::noinline]] void attend_backward(typename S::ConstView mask, typename S::ConstView features,
                                       typename S::ConstView dto, typename S::View dmask, typename S::View dfeatures,
                                       std::size_t size) {
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto a = lane.at(mask), b = lane.at(features), dy = lane.at(dto);
    const auto da = lane.at(dmask), db = lane.at(dfeatures);
    for (std::size_t i = 0; i < size; ++i) {
      const typename S::Number delta = dy[i];
      da[i] = delta * b[i];
      db[i] += delta * a[i];
    }
  });
}

template <class Trunk, Shape In>
consteval bool check_attention() {
  using Trunks = StagePlan<Trunk, In>;
  bool keeps = true;
  Trunks::for_each([&]<std::size_t k>() {
    const Shape u = MtanParts<typename Trunks::template At<k>>::First::output(Trunks::shape[k]);
    const Shape p = Trunks::shape[k + 1];
    keeps = keeps && u.height == p.height && u.width == p.width;
  });
  return keeps;
}

}  // namespace detail

/// Sharing policy: one trunk of `Stages<...>`, and masks for each task on every stage's features.
template <class Trunk, class... Heads>
struct Mtan {
  static constexpr auto kind = Kind::sharing;

 private:
  using Staged = typename detail::AsStages<Trunk>::type;

 public:
  template <Shape In, class TaskList>
  static consteval bool check() {
    if constexpr (!nn::check<Staged, In>()) {
      return false;
    } else {
      constexpr bool keeps = detail::check_attention<Staged, In>();
      static_assert(keeps, "mtlx: the second part of an MtanStage must keep the height and width that it is given");
      if constexpr (keeps)
        return detail::HeadCheck<Staged::output(In), TaskList, Heads...>::run();
      else
        return false;
    }
  }

  template <Shape In, class TaskList>
  struct Network {
    static constexpr Shape in = In;
    static constexpr std::size_t tasks = TaskList::count;

   private:
    using Trunks = detail::StagePlan<Staged, In>;
    static constexpr Shape hidden = Trunks::shape[Trunks::count];
    using Behind = detail::TaskHeads<hidden, TaskList, Heads...>;
    static constexpr std::size_t count = Trunks::count, last = Trunks::last;

    // Of stage k: its parts, what it is made from, and the masks' layers.
    template <std::size_t k>
    using First = typename detail::MtanParts<typename Trunks::template At<k>>::First;
    template <std::size_t k>
    using Second = typename detail::MtanParts<typename Trunks::template At<k>>::Second;
    template <std::size_t k>
    static constexpr bool split = !std::is_same_v<Second<k>, detail::NoSecond>;
    template <std::size_t k>
    static constexpr Shape from = Trunks::shape[k];
    template <std::size_t k>
    static constexpr Shape middle = First<k>::output(from<k>);
    template <std::size_t k>
    static constexpr Shape seen{middle<k>.channels * (k > 0 ? 2 : 1), middle<k>.height, middle<k>.width};
    template <std::size_t k>
    using Mask = typename detail::MaskOf<Trunks::shape[k + 1].channels, middle<k>.height * middle<k>.width == 1>::type;

    // Offsets of stage k's numbers, and how many there are at the end.
    using Offsets = std::array<std::size_t, count + 1>;
    // In the vector: the trunk, the tasks' common f; a task's own masks before its head.
    static constexpr Offsets passing_at = [] {
      Offsets all{};
      all[0] = Trunks::parameters;
      Trunks::for_each(
          [&]<std::size_t k>() { all[k + 1] = all[k] + (k > 0 ? nn::parameter_count<First<k>>(from<k>) : 0); });
      return all;
    }();
    static constexpr Offsets mask_at = [] {
      Offsets all{};
      Trunks::for_each([&]<std::size_t k>() { all[k + 1] = all[k] + nn::parameter_count<Mask<k>>(seen<k>); });
      return all;
    }();
    static constexpr std::size_t extra = mask_at[count];

   public:
    static constexpr std::array<Segment, tasks + 1> segments = Behind::segments(passing_at[count], extra);
    static constexpr std::size_t shared = tasks > 1 ? segments[0].size : 0;
    static constexpr std::size_t parameters = segments[tasks].offset + segments[tasks].size;

   private:
    // A slice's memory: x; of every stage what its parts save and put out; of every stage and task what f and the mask
    // save, what the mask sees, the mask and the features under it; the heads'; and gradients.
    struct Plan {
      Offsets first_saved, middle, second_saved, features;
      Offsets passing_saved, seen, mask_saved, mask, attended;  // of the first task
      typename Behind::Places heads;
      std::size_t attended_gradient, mask_gradient, seen_gradient, middle_gradient, features_gradient, scratch, size;
    };
    static constexpr Plan plan = [] {
      Plan p{};
      std::size_t at = In.size(), most_seen = 0, most_middle = 0, scratch = Behind::scratch;
      const auto take = [&at](std::size_t numbers) { return std::exchange(at, at + numbers); };
      Trunks::for_each([&]<std::size_t k>() {
        p.first_saved[k] = take(nn::saved<First<k>>(from<k>));
        p.middle[k] = take(middle<k>.size());
        p.second_saved[k] = take(nn::saved<Second<k>>(middle<k>));
        p.features[k] = split<k> ? take(Trunks::size(k)) : p.middle[k];
        p.passing_saved[k] = take(k > 0 ? tasks * nn::saved<First<k>>(from<k>) : 0);
        p.seen[k] = k > 0 ? take(tasks * seen<k>.size()) : p.middle[k];
        p.mask_saved[k] = take(tasks * nn::saved<Mask<k>>(seen<k>));
        p.mask[k] = take(tasks * Trunks::size(k));
        p.attended[k] = take(tasks * Trunks::size(k));
        most_seen = std::max(most_seen, seen<k>.size());
        most_middle = std::max(most_middle, middle<k>.size());
        scratch = std::max({scratch, nn::scratch<First<k>>(from<k>), nn::scratch<Second<k>>(middle<k>),
                            nn::scratch<Mask<k>>(seen<k>)});
      });
      p.heads = Behind::places(at);
      p.attended_gradient = take(tasks * Trunks::widest);
      p.mask_gradient = take(Trunks::widest);
      p.seen_gradient = take(most_seen);
      p.middle_gradient = take(most_middle);
      p.features_gradient = take(Trunks::widest);
      p.scratch = take(scratch);
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
        nn::forward<First<k>, from<k>>(nn::Forward<S>{pass.parameters + Trunks::weights[k], m.at(before(k)),
                                                      m.at(plan.middle[k]), m.at(plan.first_saved[k]),
                                                      draws(pass, k, 0), pass.training});
        if constexpr (split<k>)
          nn::forward<Second<k>, middle<k>>(nn::Forward<S>{pass.parameters + second_at<k>, m.at(plan.middle[k]),
                                                           m.at(plan.features[k]), m.at(plan.second_saved[k]),
                                                           draws(pass, k, 1), pass.training});
        for (std::size_t t = 0; t < tasks; ++t) {
          if (!pass.tasks.has(t)) continue;
          if constexpr (k > 0) {
            S::copy(m.at(plan.middle[k]), m.at(seen_at<k>(t)), middle<k>.size());
            nn::forward<First<k>, from<k>>(nn::Forward<S>{
                pass.parameters + passing_at[k], m.at(attended(t, k - 1)), m.at(seen_at<k>(t) + middle<k>.size()),
                m.at(passing_saved<k>(t)), draws(pass, k, 2 + t), pass.training});
          }
          nn::forward<Mask<k>, seen<k>>(nn::Forward<S>{pass.parameters + own(t) + mask_at[k], m.at(seen_at<k>(t)),
                                                       m.at(mask(t, k)), m.at(mask_saved<k>(t)), pass.draws,
                                                       pass.training});
          detail::attend_forward<S>(m.at(mask(t, k)), m.at(plan.features[k]), m.at(attended(t, k)), Trunks::size(k));
        }
      });
      detail::for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
        Behind::template forward<t, S>(pass, plan.heads, own(t) + extra, m.at(attended(t, last)));
      });
    }

    template <class S>
    static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
      const auto m = pass.memory;
      const auto scratch = m.at(plan.scratch);
      const auto common = tasks > 1 ? to.shared : to.own;
      const auto dmask = m.at(plan.mask_gradient), dseen = m.at(plan.seen_gradient);
      const auto dmiddle = m.at(plan.middle_gradient), dfeatures = m.at(plan.features_gradient);
      detail::for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
        Behind::template backward<t, S>(pass, to, plan.heads, own(t) + extra, m.at(attended(t, last)),
                                        m.at(attended_gradient(t)), scratch);
      });
      S::fill(dfeatures, Trunks::size(last), 0);
      Trunks::for_each_back([&]<std::size_t k>() {
        S::fill(dmiddle, middle<k>.size(), 0);
        for (std::size_t t = 0; t < tasks; ++t) {
          if (!pass.tasks.has(t)) continue;
          const std::size_t weights = own(t) + mask_at[k];
          detail::attend_backward<S>(m.at(mask(t, k)), m.at(plan.features[k]), m.at(attended_gradient(t)), dmask,
                                     dfeatures, Trunks::size(k));
          nn::backward<Mask<k>, seen<k>, true>(nn::Backward<S>{pass.parameters + weights, m.at(seen_at<k>(t)),
                                                               m.at(mask(t, k)), m.at(mask_saved<k>(t)), dmask, dseen,
                                                               to.own + weights, scratch, pass.draws, pass.training});
          S::add(dseen, dmiddle, middle<k>.size());
          if constexpr (k > 0)
            nn::backward<First<k>, from<k>, true>(nn::Backward<S>{
                pass.parameters + passing_at[k], m.at(attended(t, k - 1)), m.at(seen_at<k>(t) + middle<k>.size()),
                m.at(passing_saved<k>(t)), dseen.at(middle<k>.size()), m.at(attended_gradient(t)),
                common + passing_at[k], scratch, draws(pass, k, 2 + t), pass.training});
        }
        if constexpr (split<k>) {
          nn::backward<Second<k>, middle<k>, true>(nn::Backward<S>{
              pass.parameters + second_at<k>, m.at(plan.middle[k]), m.at(plan.features[k]), m.at(plan.second_saved[k]),
              dfeatures, dseen, common + second_at<k>, scratch, draws(pass, k, 1), pass.training});
          S::add(dseen, dmiddle, middle<k>.size());
        } else {
          S::add(dfeatures, dmiddle, middle<k>.size());
        }
        nn::backward<First<k>, from<k>, (k > 0)>(nn::Backward<S>{
            pass.parameters + Trunks::weights[k], m.at(before(k)), m.at(plan.middle[k]), m.at(plan.first_saved[k]),
            dmiddle, dfeatures, common + Trunks::weights[k], scratch, draws(pass, k, 0), pass.training});
      });
    }

    template <class Function>
    static void for_each_parameter(Function&& function) {
      const auto moved = [&](std::size_t by) {
        return [&function, by](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
          function(path, p, by + offset);
        };
      };
      const nn::Path trunk{nullptr, "trunk"}, passing{nullptr, "passing"};
      Trunks::for_each([&]<std::size_t k>() {
        nn::for_each_parameter<typename Trunks::template At<k>>(from<k>, nn::Path{&trunk, {}, k},
                                                                moved(Trunks::weights[k]));
      });
      Trunks::for_each([&]<std::size_t k>() {
        if constexpr (k > 0) nn::for_each_parameter<First<k>>(from<k>, nn::Path{&passing, {}, k}, moved(passing_at[k]));
      });
      Behind::for_each_parameter(
          segments, extra,
          [&](const nn::Path& task, std::size_t t) {
            const nn::Path attention{&task, "attention"};
            Trunks::for_each([&]<std::size_t k>() {
              nn::for_each_parameter<Mask<k>>(seen<k>, nn::Path{&attention, {}, k}, moved(own(t) + mask_at[k]));
            });
          },
          function);
    }

    template <class Function>
    static void for_each_layer(Function&& function) {
      const TaskSet all = TaskSet::first(tasks);
      Trunks::for_each([&]<std::size_t k>() {
        nn::for_each_layer<typename Trunks::template At<k>>(from<k>,
                                                            [&](const auto&... layer) { function(all, layer...); });
        if constexpr (k > 0)
          // For each task once.
          nn::for_each_layer<First<k>>(
              from<k>, [&](std::string_view name, Shape x, Shape y, std::size_t numbers, double products) {
                function(all, name, x, y, numbers, static_cast<double>(tasks) * products);
              });
      });
      Behind::for_each_layer(
          [&](std::size_t t) {
            Trunks::for_each([&]<std::size_t k>() {
              nn::for_each_layer<Mask<k>>(seen<k>, [&](const auto&... layer) { function(TaskSet::only(t), layer...); });
            });
          },
          function);
    }

   private:
    static constexpr std::size_t own(std::size_t t) { return segments[t + 1].offset; }
    template <std::size_t k>
    static constexpr std::size_t second_at = Trunks::weights[k] + nn::parameter_count<First<k>>(from<k>);
    // In a slice's memory: what goes into stage k, and what is task t's there.
    static constexpr std::size_t before(std::size_t k) { return k == 0 ? input : plan.features[k - 1]; }
    template <std::size_t k>
    static constexpr std::size_t seen_at(std::size_t t) {
      return plan.seen[k] + (k > 0 ? t * seen<k>.size() : 0);
    }
    template <std::size_t k>
    static constexpr std::size_t passing_saved(std::size_t t) {
      return plan.passing_saved[k] + t * nn::saved<First<k>>(from<k>);
    }
    template <std::size_t k>
    static constexpr std::size_t mask_saved(std::size_t t) {
      return plan.mask_saved[k] + t * nn::saved<Mask<k>>(seen<k>);
    }
    static constexpr std::size_t mask(std::size_t t, std::size_t k) { return plan.mask[k] + t * Trunks::size(k); }
    static constexpr std::size_t attended(std::size_t t, std::size_t k) {
      return plan.attended[k] + t * Trunks::size(k);
    }
    static constexpr std::size_t attended_gradient(std::size_t t) {
      return plan.attended_gradient + t * Trunks::widest;
    }
    // Of a part of stage k: 0 and 1 are the trunk's, 2 on the tasks' f.
    template <class S>
    static backend::Draws draws(const NetworkPass<S>& pass, std::size_t k, std::size_t part) {
      return pass.draws.child(0).child(k).child(part);
    }
  };
};

}  // namespace mtlx::sharing
