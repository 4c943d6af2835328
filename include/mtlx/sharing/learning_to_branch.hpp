// SPDX-License-Identifier: MIT
// Learning to branch: a tree is found while it is trained. Each level has nodes, copies of the same layers; a node of
// the first level reads the input, any other one node of the level before, its parent, and a task's head one node of the
// last. A child keeps a logit a_p for each parent that it might have. In a step of training, with one draw of Gumbel
// noise e for the whole batch,
//   p = softmax((a + e) / tau),   d = one-hot(argmax p),   x_child = sum_p d_p y_p
// and backward as if d were p (straight through): da_p = p_p (D_p - sum_q p_q D_q) / tau with D_p = <dx_child, y_p>.
//   tau = epochs / 20 / sqrt(epoch + 1)
// For the first hundredth of the epochs, and where nobody says how long training is, children read the mean of all
// parents instead. Outside training, no noise: the parent of the largest logit, and only nodes that a task leads to are
// computed.
//
// Reference: Guo, Lee and Ulbricht, "Learning to Branch for Multi-Task Learning", ICML 2020, section 3. The schedule of
// tau and the length of the warm-up are those of LibMTL's code; there, the warm-up sums the parents, which makes numbers
// grow with each level.
#pragma once

#include <mtlx/sharing/experts.hpp>

#include <cmath>
#include <span>

namespace mtlx::sharing {

/// A level of `LearningToBranch`: `Nodes` copies of the layers.
template <class Layers, int Nodes>
struct BranchLevel {
  using Layer = Layers;
  static constexpr int nodes = Nodes;
};

namespace detail {

template <class F, class... L, class... H, class Layers, int nodes, class... Rest>
struct Sorted<F, List<L...>, List<H...>, BranchLevel<Layers, nodes>, Rest...>
    : Sorted<F, List<L..., BranchLevel<Layers, nodes>>, List<H...>, Rest...> {};

template <class Part>
inline constexpr bool is_branch_level = requires { Part::nodes; };

/// The place of the largest of p; p becomes softmax(p / tau).
[[gnu::noinline]] inline std::size_t choose(std::span<double> p, double tau) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < p.size(); ++i)
    if (p[i] > p[best]) best = i;
  const double largest = p[best];
  double total = 0;
  for (double& number : p) total += number = std::exp((number - largest) / tau);
  for (double& number : p) number /= total;
  return best;
}

/// The numbers -log(-log u) for four random words.
[[gnu::noinline]] inline std::array<double, 4> gumbel(const std::array<std::uint32_t, 4>& words) {
  std::array<double, 4> noise;
  for (std::size_t i = 0; i < 4; ++i) noise[i] = -std::log(-std::log((words[i] + 0.5) * 0x1p-32));
  return noise;
}

/// dlogits += p (D - <p, D>) / tau with D_i = <dx, parents[i]>, summed over the samples.
template <std::size_t size, class S, std::size_t n>
void choice_backward(const double* p, double tau, const std::array<typename S::ConstView, n>& parents,
                     typename S::ConstView dx, typename S::Scalar* dlogits) {
  using Number = typename S::Number;
  using Scalar = typename S::Scalar;
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto sum = inner_products<size, S>(parents, dx, lane);
    Number mean(0);
    for (std::size_t i = 0; i < n; ++i) mean += Number(static_cast<Scalar>(p[i])) * sum[i];
    for (std::size_t i = 0; i < n; ++i)
      S::accumulate(dlogits + i, Number(static_cast<Scalar>(p[i] / tau)) * (sum[i] - mean));
  });
}

template <Shape In, class TaskList, class LevelList, class HeadList>
struct BranchNetwork;

template <Shape In, class... Task, class... Levels, class... Heads>
struct BranchNetwork<In, Tasks<Task...>, List<Levels...>, List<Heads...>> {
  static constexpr Shape in = In;
  static constexpr bool uses_time = true;
  static constexpr std::size_t tasks = sizeof...(Task), depth = sizeof...(Levels);

 private:
  template <std::size_t l>
  using Node = typename std::tuple_element_t<l, std::tuple<Levels...>>::Layer;
  template <std::size_t t>
  using HeadAt = HeadLayer<std::tuple_element_t<t, std::tuple<Task...>>, Heads...>;

  // The tasks' heads are the children after the last level.
  static constexpr std::array<std::size_t, depth + 1> nodes{static_cast<std::size_t>(Levels::nodes)..., tasks};
  static constexpr std::size_t most = std::max({nodes[0], tasks, static_cast<std::size_t>(Levels::nodes)...});
  static constexpr std::array<Shape, depth + 1> shape = [] {
    std::array<Shape, depth + 1> all{In};
    std::size_t l = 0;
    ((all[l + 1] = Levels::Layer::output(all[l]), ++l), ...);
    return all;
  }();
  static constexpr Shape hidden = shape[depth];

  struct Plan {
    std::array<std::size_t, depth> node{}, choice{};  // parameters
    std::array<std::size_t, tasks> task_choice{}, head{};
    std::array<Segment, tasks + 1> segments{};
    std::array<std::size_t, depth> saved{}, out{}, gradient{};  // memory
    std::array<std::size_t, depth + 1> mean{}, share{};
    std::array<std::size_t, tasks> head_saved{}, output{}, output_gradient{};
    std::size_t input_gradient = 0, scratch = 0, size = 0;
  };
  static constexpr Plan plan = [] {
    Plan p{};
    std::size_t at = 0;
    const auto take = [&at](std::size_t numbers) { return std::exchange(at, at + numbers); };
    for_each_index<depth>([&]<std::size_t l>() {
      p.node[l] = take(nodes[l] * nn::parameter_count<Node<l>>(shape[l]));
      p.choice[l] = take(l > 0 && nodes[l > 0 ? l - 1 : 0] > 1 ? nodes[l] * nodes[l > 0 ? l - 1 : 0] : 0);
    });
    p.segments[0] = {0, at, TaskSet::first(tasks)};
    for_each_index<tasks>([&]<std::size_t t>() {
      const std::size_t begin = at;
      p.task_choice[t] = take(nodes[depth - 1] > 1 ? nodes[depth - 1] : 0);
      p.head[t] = take(nn::parameter_count<HeadAt<t>>(hidden));
      p.segments[t + 1] = {begin, at - begin, TaskSet::only(t)};
    });

    at = In.size();
    std::size_t scratch = 0, largest = 0;
    for_each_index<depth>([&]<std::size_t l>() {
      p.saved[l] = take(nodes[l] * nn::saved<Node<l>>(shape[l]));
      p.out[l] = take(nodes[l] * shape[l + 1].size());
      p.gradient[l] = take(nodes[l] * shape[l + 1].size());
      p.mean[l + 1] = take(nodes[l] > 1 ? shape[l + 1].size() : 0);
      p.share[l + 1] = take(nodes[l] > 1 ? nodes[l] : 0);
      scratch = std::max(scratch, nn::scratch<Node<l>>(shape[l]));
      largest = std::max(largest, shape[l + 1].size());
    });
    for_each_index<tasks>([&]<std::size_t t>() {
      p.head_saved[t] = take(nn::saved<HeadAt<t>>(hidden));
      p.output[t] = take(HeadAt<t>::output(hidden).size());
      p.output_gradient[t] = take(HeadAt<t>::output(hidden).size());
      scratch = std::max(scratch, nn::scratch<HeadAt<t>>(hidden));
    });
    p.input_gradient = take(largest);
    p.scratch = take(scratch);
    p.size = at;
    return p;
  }();

  using NodeSet = TaskSet;  // a level's nodes, at most 64

  // Whom a child reads, and the softmax that its logits' gradient goes through.
  struct Choice {
    std::size_t parent = 0;
    double tau = 1;
    std::array<double, most> p{};
  };
  // Who reads whom in a pass, and which nodes its tasks lead to.
  struct Tree {
    std::array<std::array<Choice, most>, depth + 1> choice{};
    std::array<NodeSet, depth + 1> alive{};
    bool warm_up = false;  // children read all parents

    constexpr bool all(std::size_t l) const { return warm_up && l > 0 && nodes[l > 0 ? l - 1 : 0] > 1; }
  };

 public:
  static constexpr std::array<Segment, tasks + 1> segments = plan.segments;
  static constexpr std::size_t parameters = segments[tasks].offset + segments[tasks].size;
  static constexpr std::size_t shared = tasks > 1 ? segments[0].size : 0;
  static constexpr std::size_t memory = plan.size;
  static constexpr std::size_t input = 0;
  static constexpr std::array<std::size_t, tasks> output = plan.output;
  static constexpr std::array<std::size_t, tasks> output_gradient = plan.output_gradient;

  /// Where the logits of a child begin: of a node of level 1, 2, ..., or of a task at level `depth`.
  static constexpr std::size_t logits(std::size_t level, std::size_t child) {
    return level == depth ? plan.task_choice[child] : plan.choice[level] + child * nodes[level - 1];
  }
  /// The parent that a child reads outside training: a node of the level before. With equal logits the first.
  template <class Number>
  static std::size_t parent(std::span<Number> values, std::size_t level, std::size_t child) {
    std::size_t best = 0;
    const std::size_t first = logits(level, child);
    for (std::size_t i = 1; i < nodes[level - 1]; ++i)
      if (values[first + i] > values[first + best]) best = i;
    return best;
  }

  template <class S>
  static void forward(const NetworkPass<S>& pass) {
    const auto m = pass.memory;
    const Tree tree = grow(pass);
    for_each_index<depth>([&]<std::size_t l>() {
      prepare_mean<l>(pass, tree);
      for (std::size_t i = 0; i < nodes[l]; ++i)
        // In training, parents that were not chosen are needed for the gradient of the choice.
        if (pass.training || tree.alive[l].has(i))
          nn::forward<Node<l>, shape[l]>(
              nn::Forward<S>{pass.parameters + node_parameters<l>(i), m.at(read_by<l>(tree, i)), m.at(out<l>(i)),
                             m.at(node_saved<l>(i)), pass.draws.child(l + 1).child(i), pass.training});
    });
    prepare_mean<depth>(pass, tree);
    for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
      nn::forward<HeadAt<t>, hidden>(nn::Forward<S>{pass.parameters + plan.head[t], m.at(read_by<depth>(tree, t)),
                                                    m.at(plan.output[t]), m.at(plan.head_saved[t]),
                                                    pass.draws.child(depth + 1).child(t), pass.training});
    });
  }

  template <class S>
  static void backward(const NetworkPass<S>& pass, const Gradients<S>& to) {
    const auto m = pass.memory;
    const Tree tree = grow(pass);
    const auto dx = m.at(plan.input_gradient);
    const auto common = tasks > 1 ? to.shared : to.own;
    std::array<NodeSet, depth> begun{};  // nodes whose output's gradient has been put there
    for_each_task<tasks>(pass.tasks, [&]<std::size_t t>() {
      nn::backward<HeadAt<t>, hidden, true>(
          nn::Backward<S>{pass.parameters + plan.head[t], m.at(read_by<depth>(tree, t)), m.at(plan.output[t]),
                          m.at(plan.head_saved[t]), m.at(plan.output_gradient[t]), dx, to.own + plan.head[t],
                          m.at(plan.scratch), pass.draws.child(depth + 1).child(t), pass.training});
      pass_on<depth>(pass, tree, t, begun[depth - 1], to.own + plan.task_choice[t]);
    });
    for_each_index<depth>([&]<std::size_t back>() {
      constexpr std::size_t l = depth - 1 - back;
      for (std::size_t i = 0; i < nodes[l]; ++i) {
        if (!tree.alive[l].has(i)) continue;
        nn::backward<Node<l>, shape[l], (l > 0)>(
            nn::Backward<S>{pass.parameters + node_parameters<l>(i), m.at(read_by<l>(tree, i)), m.at(out<l>(i)),
                            m.at(node_saved<l>(i)), m.at(node_gradient<l>(i)), dx, common + node_parameters<l>(i),
                            m.at(plan.scratch), pass.draws.child(l + 1).child(i), pass.training});
        if constexpr (l > 0) pass_on<l>(pass, tree, i, begun[l - 1], common + logits(l, i));
      }
    });
  }

  template <class Function>
  static void for_each_parameter(Function&& function) {
    const auto part = [&]<class Layer>(std::type_identity<Layer>, Shape from, const nn::Path& path, std::size_t begin) {
      nn::for_each_parameter<Layer>(from, path, [&](const nn::Path& at, const nn::Parameter& p, std::size_t offset) {
        function(at, p, begin + offset);
      });
    };
    // Logits are no weights that could be pruned: their role is that of a norm's scale.
    const nn::Path all{nullptr, "levels"};
    for_each_index<depth>([&]<std::size_t l>() {
      const nn::Path level{&all, {}, l}, of_level{&level, "nodes"};
      for (std::size_t i = 0; i < nodes[l]; ++i)
        part(std::type_identity<Node<l>>{}, shape[l], nn::Path{&of_level, {}, i}, node_parameters<l>(i));
      if constexpr (l > 0)
        if (nodes[l - 1] > 1)
          function(nn::Path{&level, "choice"},
                   nn::Parameter{"choice",
                                 {static_cast<int>(nodes[l]), static_cast<int>(nodes[l - 1])},
                                 nn::Role::norm,
                                 1,
                                 1,
                                 nn::ones},
                   plan.choice[l]);
    });
    for_each_index<tasks>([&]<std::size_t t>() {
      const nn::Path task{nullptr, Tasks<Task...>::names[t]};
      if (nodes[depth - 1] > 1)
        function(nn::Path{&task, "choice"},
                 nn::Parameter{"choice", {static_cast<int>(nodes[depth - 1])}, nn::Role::norm, 1, 1, nn::ones},
                 plan.task_choice[t]);
      part(std::type_identity<HeadAt<t>>{}, hidden, task, plan.head[t]);
    });
  }

  template <class Function>
  static void for_each_layer(Function&& function) {
    constexpr auto everyone = TaskSet::first(tasks);
    for_each_index<depth>([&]<std::size_t l>() {
      for (std::size_t i = 0; i < nodes[l]; ++i)
        nn::for_each_layer<Node<l>>(shape[l], [&](const auto&... layer) { function(everyone, layer...); });
      if constexpr (l > 0)
        if (nodes[l - 1] > 1)
          function(everyone, std::string_view("Choice"), shape[l], shape[l], nodes[l] * nodes[l - 1], 0.0);
    });
    for_each_index<tasks>([&]<std::size_t t>() {
      if (nodes[depth - 1] > 1)
        function(TaskSet::only(t), std::string_view("Choice"), hidden, hidden, nodes[depth - 1], 0.0);
      nn::for_each_layer<HeadAt<t>>(hidden, [&](const auto&... layer) { function(TaskSet::only(t), layer...); });
    });
  }

 private:
  template <std::size_t l>
  static constexpr std::size_t node_parameters(std::size_t i) {
    return plan.node[l] + i * nn::parameter_count<Node<l>>(shape[l]);
  }
  template <std::size_t l>
  static constexpr std::size_t node_saved(std::size_t i) {
    return plan.saved[l] + i * nn::saved<Node<l>>(shape[l]);
  }
  template <std::size_t l>
  static constexpr std::size_t out(std::size_t i) {
    return plan.out[l] + i * shape[l + 1].size();
  }
  template <std::size_t l>
  static constexpr std::size_t node_gradient(std::size_t i) {
    return plan.gradient[l] + i * shape[l + 1].size();
  }
  // Where a child of level l finds its input.
  template <std::size_t l>
  static std::size_t read_by(const Tree& tree, std::size_t child) {
    if constexpr (l == 0)
      return input;
    else
      return tree.all(l) ? plan.mean[l] : out<l - 1>(tree.choice[l][child].parent);
  }
  template <std::size_t l, class S>
  static auto parents_of(const NetworkPass<S>& pass) {
    std::array<typename S::ConstView, nodes[l - 1]> views{};
    for (std::size_t i = 0; i < views.size(); ++i) views[i] = pass.memory.at(out<l - 1>(i));
    return views;
  }

  // Where children of level l read all parents in equal parts: their mean.
  template <std::size_t l, class S>
  static void prepare_mean(const NetworkPass<S>& pass, const Tree& tree) {
    if constexpr (l > 0)
      if (tree.all(l)) {
        const auto share = pass.memory.at(plan.share[l]);
        S::fill(share, nodes[l - 1], typename S::Scalar(1) / typename S::Scalar(nodes[l - 1]));
        mix<shape[l].size(), S>(share, parents_of<l>(pass), pass.memory.at(plan.mean[l]));
      }
  }

  // From the gradient at a child's input to those at its parents' outputs and at its logits.
  template <std::size_t l, class S>
  static void pass_on(const NetworkPass<S>& pass, const Tree& tree, std::size_t child, NodeSet& begun,
                      typename S::Scalar* dlogits) {
    const Choice& choice = tree.choice[l][child];
    const bool all = tree.all(l);
    const auto m = pass.memory;
    const auto dx = m.at(plan.input_gradient);
    for (std::size_t i = 0; i < nodes[l - 1]; ++i) {
      if (!all && i != choice.parent) continue;
      const auto dy = m.at(node_gradient<l - 1>(i));
      if (all)
        mix_backward_expert<shape[l].size(), S>(m.at(plan.share[l]), dx, dy, begun.has(i));
      else if (begun.has(i))
        S::add(dx, dy, shape[l].size());
      else
        S::copy(dx, dy, shape[l].size());
      begun = begun.with(i);
    }
    if constexpr (nodes[l - 1] > 1)
      if (pass.training && !all)
        choice_backward<shape[l].size(), S>(choice.p.data(), choice.tau, parents_of<l>(pass), dx, dlogits);
  }

  template <class S>
  static Tree grow(const NetworkPass<S>& pass) {
    Tree tree;
    tree.warm_up = pass.training && !(pass.time.epoch >= pass.time.epochs / 100 && pass.time.epochs > 0);
    const double tau = pass.time.epochs / 20 / std::sqrt(pass.time.epoch + 1);
    backend::Draws draws = pass.draws.child(0);
    draws.first = 0;  // one draw for the whole batch
    std::uint32_t block = 0;
    for (std::size_t l = depth; l > 0; --l) {
      const std::size_t parents = nodes[l - 1];
      for (std::size_t i = 0; i < nodes[l]; ++i) {
        Choice& choice = tree.choice[l][i];
        const bool reads = l < depth ? true : pass.tasks.has(i);
        const std::uint32_t first = block;
        block += static_cast<std::uint32_t>((parents + 3) / 4);
        if (!reads || parents == 1 || tree.warm_up) continue;
        const auto* const a = pass.parameters + logits(l, i);
        for (std::size_t p = 0; p < parents; ++p) choice.p[p] = static_cast<double>(a[p]);
        if (pass.training) {
          choice.tau = tau;
          for (std::size_t p = 0; p < parents; p += 4) {
            const auto noise = gumbel(draws.words(0, first + static_cast<std::uint32_t>(p / 4)));
            for (std::size_t q = p; q < std::min(parents, p + 4); ++q) choice.p[q] += noise[q - p];
          }
        }
        choice.parent = choose(std::span(choice.p).first(parents), choice.tau);
      }
    }
    tree.alive[depth] = pass.tasks;
    for (std::size_t l = depth; l > 0; --l)
      for (std::size_t i = 0; i < nodes[l]; ++i) {
        if (!tree.alive[l].has(i)) continue;
        tree.alive[l - 1] =
            tree.all(l) ? NodeSet::first(nodes[l - 1]) : tree.alive[l - 1].with(tree.choice[l][i].parent);
      }
    return tree;
  }
};

template <class Parts, bool fit>
struct BranchStrategy;
template <class Front, class... Levels, class... Heads, bool fit>
struct BranchStrategy<Sorted<Front, List<Levels...>, List<Heads...>>, fit> {
  static constexpr auto kind = Kind::sharing;

  template <Shape In, class TaskList>
  static consteval bool check() {
    if constexpr (check_parts<fit>())
      return check_levels<In, TaskList>();
    else
      return false;
  }

  template <Shape In, class TaskList>
  using Network = BranchNetwork<In, TaskList, List<Levels...>, List<Heads...>>;

 private:
  template <Shape In, class TaskList>
  static consteval bool check_levels() {
    constexpr bool counts =
        sizeof...(Levels) > 0 && sizeof...(Levels) <= 64 && ((Levels::nodes > 0 && Levels::nodes <= 64) && ...);
    static_assert(counts, "mtlx: LearningToBranch needs at least one BranchLevel, and each has from 1 to 64 nodes");
    if constexpr (counts)
      return check_from<In, TaskList, Levels...>();
    else
      return false;
  }

  template <Shape In, class TaskList, class First, class... Rest>
  static consteval bool check_from() {
    if constexpr (!nn::check<typename First::Layer, In>())
      return false;
    else if constexpr (sizeof...(Rest) == 0)
      return HeadCheck<First::Layer::output(In), TaskList, Heads...>::run();
    else
      return check_from<First::Layer::output(In), TaskList, Rest...>();
  }
};

}  // namespace detail

/// Sharing policy: parts are at least one `BranchLevel<Layers, nodes>`, in order, and heads. All tasks own all nodes and
/// the nodes' choices; a task's choice of a node of the last level is its own. `Network::parent` reads the tree that was
/// found. On the processor only. Levels of one node are `Hard`.
template <class... Parts>
struct LearningToBranch
    : detail::BranchStrategy<typename detail::Sorted<void, detail::List<>, detail::List<>, Parts...>::type,
                             ((detail::is_head<Parts> || detail::is_branch_level<Parts>) && ...)> {};

}  // namespace mtlx::sharing
