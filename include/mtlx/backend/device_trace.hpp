// SPDX-License-Identifier: MIT
// Traces as CUDA text. A trace is one sample's arithmetic without its loops; here it gets loops again: text with a line
// for each node would be long to compile, and one thread a sample slow.
//
// rolled    Outputs whose expressions differ only in their leaves (places, parameters, constants) become one loop over
//           them; a leaf's place is computed from the loop's counter, or looked up in a table. Long sums, maxima and
//           choices (select(c, v, select(...))) whose terms differ only in their leaves become loops over their terms,
//           shared among lanes, in stages before the outputs.
// straight  What is too irregular for that: a line for each node, one thread a sample.
//
// x + 0 is taken to be x, and sums are added up in another order than the trace's: results agree to rounding. The order
// is always the same, and so are the bits.
#pragma once

#include <mtlx/backend/recording.hpp>
#include <mtlx/core/error.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mtlx::backend::detail {

/// What a trace's code calls: random numbers (as in core/random.hpp, the same bits), mathematics, the split of sums.
/// Needs `real` before it.
inline constexpr const char* device_numbers = R"mtlx(
struct Draws {
  unsigned key0, key1, step;
};
struct Words {
  unsigned word[4];
};
// Philox4x32-10.
__device__ inline Words philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned key0, unsigned key1) {
  for (int round = 0; round < 10; ++round) {
    const unsigned a_low = 0xD2511F53u * c0, a_high = __umulhi(0xD2511F53u, c0);
    const unsigned b_low = 0xCD9E8D57u * c2, b_high = __umulhi(0xCD9E8D57u, c2);
    c0 = b_high ^ c1 ^ key0;
    c1 = b_low;
    c2 = a_high ^ c3 ^ key1;
    c3 = a_low;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}
__device__ inline float unit_float(unsigned word) { return float(word >> 8) * 0x1.0p-24f; }
__device__ inline real uniform_number(const Draws& draws, unsigned path, unsigned sample, unsigned block,
                                      unsigned word) {
  const Words words = philox(sample, block, draws.step, path, draws.key0, draws.key1);
  return real(unit_float(word < 2 ? (word == 0 ? words.word[0] : words.word[1])
                                  : (word == 2 ? words.word[2] : words.word[3])));
}
__device__ inline float exponential(float x) { return expf(x); }
__device__ inline double exponential(double x) { return exp(x); }
__device__ inline float logarithm(float x) { return logf(x); }
__device__ inline double logarithm(double x) { return log(x); }
__device__ inline float square_root(float x) { return sqrtf(x); }
__device__ inline double square_root(double x) { return sqrt(x); }
__device__ inline float hyperbolic_tangent(float x) { return tanhf(x); }
__device__ inline double hyperbolic_tangent(double x) { return tanh(x); }
// A double that lies in two ints.
__device__ inline double double_at(const int* at) {
  union {
    int half[2];
    double number;
  } both;
  both.half[0] = at[0];
  both.half[1] = at[1];
  return both.number;
}
// How many lanes share a sum of `terms`, of which there are `sums` for each of `samples`: lanes of one sum lie in a
// warp, have four terms each at least, and are no more than the block's threads if that can be had.
__device__ constexpr int sum_lanes(int sums, int terms, int samples, int threads) {
  int lanes = 32 / samples;
  while (lanes > 1 && (lanes * 4 > terms || sums * samples * lanes > threads)) lanes /= 2;
  return lanes;
}
)mtlx";

/// Whether a float holds the number exactly.
inline bool in_float(double value) {
  return std::isnan(value) || std::isinf(value) ||
         (std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()) &&
          static_cast<double>(static_cast<float>(value)) == value);
}

/// A constant as text, exact.
inline std::string literal(double value) {
  if (std::isnan(value)) return "real(__uint_as_float(0x7fc00000u))";
  if (std::isinf(value)) return value > 0 ? "real(__uint_as_float(0x7f800000u))" : "real(__uint_as_float(0xff800000u))";
  char digits[64];
  if (std::abs(value) < 1e6 && std::trunc(value) == value && !(value == 0 && std::signbit(value)))
    std::snprintf(digits, sizeof digits, "real(%d)", static_cast<int>(value));
  else if (in_float(value))
    std::snprintf(digits, sizeof digits, "real(%af)", value);
  else
    std::snprintf(digits, sizeof digits, "real(%a)", value);
  return digits;
}

/// Whether a node is a condition, not a number.
constexpr bool is_condition(Node::Kind kind) { return kind >= Node::Kind::less && kind <= Node::Kind::invert; }

/// An operation as text, of its operands' texts.
inline std::string operation_text(Node::Kind kind, const std::string& a, const std::string& b, const std::string& c) {
  using enum Node::Kind;
  switch (kind) {
    case negate: return "-" + a;
    case add: return a + " + " + b;
    case subtract: return a + " - " + b;
    case multiply: return a + " * " + b;
    case divide: return a + " / " + b;
    case less: return a + " < " + b;
    case less_equal: return a + " <= " + b;
    case equal: return a + " == " + b;
    case both: return a + " && " + b;
    case either: return a + " || " + b;
    case invert: return "!" + a;
    case select: return a + " ? " + b + " : " + c;
    case exponential: return "exponential(" + a + ")";
    case logarithm: return "logarithm(" + a + ")";
    case square_root: return "square_root(" + a + ")";
    case hyperbolic_tangent: return "hyperbolic_tangent(" + a + ")";
    default: return {};
  }
}

/// A node that is no memory, parameter, control or uniform number, as text; name(number) names an earlier node.
template <class Name>
std::string node_text(const Node& node, Name&& name) {
  if (node.kind == Node::Kind::constant) return literal(node.value);
  const int count = operands(node.kind);
  return operation_text(node.kind, name(node.a), count > 1 ? name(node.b) : "", count > 2 ? name(node.c) : "");
}

/// CUDA text for a block's work on one trace.
struct TraceCode {
  /// Statements. There may be __syncthreads() between them, but none stands at the begin or the end.
  std::string code;
  /// Numbers a sample that it keeps in `scalars`: number i of sample s at scalars[i * T + s]. The block must be through
  /// with whatever used `scalars` before.
  std::size_t scalars = 0;
  /// What the code reads as `table[...]`.
  std::vector<std::int32_t> table;
};

/// Writes the text of one trace.
class TraceWriter {
 public:
  TraceWriter(const Trace& trace, const std::vector<bool>& fresh) : trace_(trace), fresh_(fresh) {
    if (fresh.size() != trace.gradients.size())
      fail("trace_code: ", fresh.size(), " gradients are said to be fresh or not, but the trace has ",
           trace.gradients.size());
    simplify();
  }

  TraceCode write() {
    roll();
    constexpr std::size_t long_text = 30000;
    const std::size_t straight = live_;  // operations of the text, and of its busiest thread
    const std::size_t rolled = too_irregular_ ? std::numeric_limits<std::size_t>::max() : rolled_;
    if (std::min(rolled, straight) > long_text)
      fail("code for one sample is too irregular for a device: ", trace_.nodes.size(), " operations, of which ",
           straight, " count, for ", trace_.stores.size(), " numbers and ", trace_.gradients.size(),
           " gradients, have too little in common to become loops of at most ", long_text, " operations");
    if (rolled <= straight + straight / 2)
      write_rolled();
    else
      write_straight();
    return std::move(out_);
  }

 private:
  using Kind = Node::Kind;
  using Index = std::uint32_t;
  using Words = std::vector<std::uint32_t>;
  static constexpr Index none = 0xFFFFFFFF;
  // What a slot's leaf is: the kind of its node, or a sum, or, from `common` on, the form of what several outputs use.
  static constexpr std::uint32_t scalar = 100, common = 1000;
  // A sum is worth a stage of its own from so many terms on, or, where there are few like it, so many operations; but
  // not where there are many of moderate length, which would take much memory and can be a thread's each.
  static constexpr std::size_t shortest = 8, long_enough = 17, costly_enough = 48, few = 64, moderate = 64, many = 512;
  static constexpr std::size_t most_groups = 100;
  static constexpr Index deepest = 200;

  /// An expression without its leaves.
  struct Form {
    Words ops;    // kind and operands, one after the other: an earlier operation times 2, or a slot times 2, plus 1
    Words slots;  // what each leaf is, and the path of a uniform number
    Words roots;  // operations or slots, as operands
    std::size_t size = 0;

    std::size_t slot_count() const { return slots.size() / 2; }
    void append_to(Words& key) const {
      for (const Words* part : {&ops, &slots, &roots}) {
        key.push_back(static_cast<std::uint32_t>(part->size()));
        key.insert(key.end(), part->begin(), part->end());
      }
    }
    Words key() const {
      Words key;
      append_to(key);
      return key;
    }
  };
  /// Expressions of one form.
  struct Family {
    Form form;
    std::size_t count = 0;
    Words leaves;  // of each expression, as many as the form has slots
  };
  /// A long sum, maximum or choice.
  struct Sum {
    enum class How : std::uint32_t { add, extreme, choice };
    How how = How::add;
    std::uint32_t variant = 0;     // of an extreme
    Index head = 0, start = none;  // `start` of an extreme or a choice
    std::vector<std::array<Index, 2>> terms;
    std::vector<Index> links;      // what becomes of the nodes between if it is no sum after all
    Family first;                  // what it starts from
    std::vector<Family> families;  // of terms
    Index level = 0, number = 0;
  };
  /// What several outputs use.
  struct Part {
    Index form = 0, depth = 0;  // parts of parts
    Words leaves;
  };
  /// Outputs of one form.
  struct Group {
    Family family;
    std::size_t roots = 1;
    Words outputs;  // of each expression, as many indices of stores or gradients as it has roots
    Words singles;  // stores that the first item does besides
  };
  /// Statements of a loop's body, and what they have made.
  struct Scope {
    struct Made {
      std::vector<Index> nodes;  // in each expression; one if it is the same in all
      std::string name;
      bool inner;
    };
    std::size_t outer_count, inner_count;
    std::string indent;
    std::string outer, inner;  // what does not depend on the loop over terms, and what does
    std::multimap<std::uint64_t, Made> made;
  };

  // ---- the graph

  /// Copies the nodes without x + 0, counts uses.
  void simplify() {
    const std::size_t size = trace_.nodes.size();
    nodes_ = trace_.nodes;
    same_.resize(size);
    for (Index n = 0; n < size; ++n) {
      same_[n] = n;
      for_each_operand(n, [&](Index& operand) { operand = same_[operand]; });
      const Node& node = nodes_[n];
      if (node.kind != Kind::add) continue;
      if (is_zero(node.a))
        same_[n] = node.b;
      else if (is_zero(node.b))
        same_[n] = node.a;
    }
    uses_.assign(size, 0);
    Words user(size, none);  // the output that leads to a node
    std::vector<bool> several(size);
    const auto use = [&](Index n, Index by) {
      ++uses_[n];
      if (user[n] != none && user[n] != by) several[n] = true;
      user[n] = by;
    };
    Index output = 0;
    for (const auto* outputs : {&trace_.stores, &trace_.gradients})
      for (const Trace::Store& store : *outputs) use(same_[store.node], output++);
    for (Index n = static_cast<Index>(size); n-- > 0;) {
      if (uses_[n] == 0) continue;
      ++live_;
      for_each_operand(n, [&](Index operand) {
        use(operand, user[n]);
        if (several[n]) several[operand] = true;
      });
    }
    common_.assign(size, false);
    linked_.assign(size, false);
    for (Index n = 0; n < size; ++n) common_[n] = several[n] && uses_[n] > 1 && operands(nodes_[n].kind) > 0;
    part_of_.assign(size, none);
    sum_of_.assign(size, none);
    level_.assign(size, 0);
    seen_.assign(size, 0);
    local_.assign(size, 0);
  }
  bool is_zero(Index n) const {
    return nodes_[n].kind == Kind::constant && std::bit_cast<std::uint64_t>(nodes_[n].value) == 0;
  }
  template <class Function>
  void for_each_operand(Index n, Function&& function) {
    Node& node = nodes_[n];
    const int count = operands(node.kind);
    if (count > 0) function(node.a);
    if (count > 1) function(node.b);
    if (count > 2) function(node.c);
  }
  bool is_leaf(Index n) const {
    return operands(nodes_[n].kind) == 0 || sum_of_[n] != none || (common_[n] && n != opened_);
  }
  std::uint32_t leaf_code(Index n) const {
    if (sum_of_[n] != none) return scalar;
    return operands(nodes_[n].kind) > 0 ? common + parts_[part_of_[n]].form
                                        : static_cast<std::uint32_t>(nodes_[n].kind);
  }

  /// The form of expressions, and their leaves behind `leaves`. What they share stands there once; what other outputs
  /// use too is a leaf. False where the trace is so irregular that this takes too long.
  bool expand(std::span<const Index> roots, Form& form, Words& leaves) {
    constexpr std::size_t patience = 8'000'000;
    ++stamp_;
    const auto reference = [&](Index n) -> std::uint32_t {
      if (!is_leaf(n)) return local_[n] * 2;
      form.slots.push_back(leaf_code(n));
      form.slots.push_back(nodes_[n].kind == Kind::uniform ? nodes_[n].a : 0);
      leaves.push_back(n);
      return static_cast<std::uint32_t>(form.slot_count() - 1) * 2 + 1;
    };
    for (const Index root : roots) {
      stack_.assign(1, root);
      while (!stack_.empty()) {
        const Index n = stack_.back();
        if (is_leaf(n) || seen_[n] == stamp_) {
          stack_.pop_back();
          continue;
        }
        bool ready = true;
        for_each_operand(n, [&](Index operand) {
          if (is_leaf(operand) || seen_[operand] == stamp_) return;
          stack_.push_back(operand);
          ready = false;
        });
        if (!ready) continue;
        stack_.pop_back();
        seen_[n] = stamp_;
        local_[n] = static_cast<Index>(form.size++);
        form.ops.push_back(static_cast<std::uint32_t>(nodes_[n].kind));
        for_each_operand(n, [&](Index operand) { form.ops.push_back(reference(operand)); });
      }
      form.roots.push_back(reference(root));
    }
    expanded_ += form.size + roots.size();
    if (expanded_ > patience) too_irregular_ = true;
    return !too_irregular_;
  }

  // ---- finding loops

  void roll() {
    std::vector<Sum> candidates = find_sums();
    std::size_t next = 0;
    for (Index n = 0; n < nodes_.size() && !too_irregular_; ++n) {
      if (uses_[n] == 0) continue;
      for_each_operand(n, [&](Index operand) { level_[n] = std::max(level_[n], level_[operand]); });
      if (next < candidates.size() && candidates[next].head == n) {
        std::vector<Index> links = std::move(candidates[next].links);
        accept(std::move(candidates[next++]));
        if (sum_of_[n] == none)
          for (std::size_t i = links.size(); i-- > 0 && !too_irregular_;) open(links[i]);
      }
      if (common_[n] && sum_of_[n] == none && !linked_[n]) open(n);
    }
    if (!too_irregular_) group_sums();
    if (!too_irregular_) group_outputs(trace_.stores, {}, stores_);
    if (!too_irregular_) group_outputs(trace_.gradients, fresh_, gradients_);
    if (!too_irregular_) fuse();
    if (!too_irregular_) attach();
    if (!too_irregular_) measure();
  }

  /// Takes down the expression of a node that several outputs use.
  void open(Index n) {
    if (!common_[n]) return;
    Form form;
    Part part;
    opened_ = n;
    const bool done = expand(std::span(&n, 1), form, part.leaves);
    opened_ = none;
    if (!done) return;
    const auto [place, is_new] = known_.try_emplace(form.key(), static_cast<Index>(forms_.size()));
    if (is_new) forms_.push_back(std::move(form));
    part.form = place->second;
    for (const Index leaf : part.leaves)
      if (leaf_code(leaf) >= common) part.depth = std::max(part.depth, parts_[part_of_[leaf]].depth + 1);
    if (part.depth > deepest) too_irregular_ = true;
    part_of_[n] = static_cast<Index>(parts_.size());
    parts_.push_back(std::move(part));
  }

  /// Chains of additions, maxima and choices that are long enough, in the order of their heads.
  std::vector<Sum> find_sums() {
    std::vector<Sum> found;
    std::vector<bool> inside(nodes_.size());
    for (Index n = static_cast<Index>(nodes_.size()); n-- > 0;) {
      if (uses_[n] == 0 || inside[n]) continue;
      Sum sum;
      sum.head = n;
      if (nodes_[n].kind == Kind::add) {
        stack_.assign(1, n);
        while (!stack_.empty()) {
          const Index at = stack_.back();
          stack_.pop_back();
          if (at != n && (nodes_[at].kind != Kind::add || uses_[at] != 1)) {
            sum.terms.push_back({at, none});
            continue;
          }
          inside[at] = true;
          stack_.push_back(nodes_[at].b);
          stack_.push_back(nodes_[at].a);
        }
      } else if (nodes_[n].kind == Kind::select && extreme(n).found) {
        sum.how = Sum::How::extreme;
        Extreme link = extreme(n);
        sum.variant = link.variant;
        for (;;) {
          sum.terms.push_back({link.term, none});
          const Extreme before = uses_[link.total] == 2 ? extreme(link.total) : Extreme{};
          if (!before.found || before.variant != sum.variant) break;
          inside[link.total] = true;
          sum.links.push_back(link.total);
          link = before;
        }
        sum.start = link.total;
      } else if (nodes_[n].kind == Kind::select) {
        sum.how = Sum::How::choice;
        Index at = n;
        for (;;) {
          sum.terms.push_back({nodes_[at].a, nodes_[at].b});
          const Index before = nodes_[at].c;
          if (nodes_[before].kind != Kind::select || uses_[before] != 1 || extreme(before).found) break;
          inside[before] = true;
          at = before;
        }
        sum.start = nodes_[at].c;
      }
      if (sum.terms.size() < shortest) continue;
      ++like_[sum.terms.size()];
      if (sum.terms.size() <= moderate) ++moderate_sums_;
      if (sum.how != Sum::How::add) std::reverse(sum.terms.begin(), sum.terms.end());
      for (const Index link : sum.links) linked_[link] = true;
      found.push_back(std::move(sum));
    }
    std::reverse(found.begin(), found.end());
    return found;
  }

  /// select(total < term, term, total) and its like; `total` is what is, or may be, an earlier one.
  struct Extreme {
    bool found = false;
    Index total = 0, term = 0;
    std::uint32_t variant = 0;  // bit 0: less_equal; bit 1: the total is on the right; bit 2: the total where it holds
  };
  Extreme extreme(Index n) const {
    const Node& node = nodes_[n];
    if (node.kind != Kind::select) return {};
    const Node& condition = nodes_[node.a];
    if ((condition.kind != Kind::less && condition.kind != Kind::less_equal) || uses_[node.a] != 1) return {};
    const bool straight = condition.a == node.b && condition.b == node.c;
    if (!straight && !(condition.a == node.c && condition.b == node.b)) return {};
    const std::uint32_t equal = condition.kind == Kind::less_equal ? 1 : 0;
    const bool right = nodes_[condition.a].kind != Kind::select && nodes_[condition.b].kind == Kind::select;
    const Index total = right ? condition.b : condition.a;
    return {true, total, right ? condition.a : condition.b, equal + (right ? 2 : 0) + (total == node.b ? 4 : 0)};
  }

  /// Makes a sum of a candidate if its terms are alike.
  void accept(Sum sum) {
    constexpr std::size_t most_forms = 4, alike = 8;
    std::map<Words, std::size_t> known;
    Index level = 0;
    for (const auto& term : sum.terms) {
      Form form;
      Words leaves;
      if (!expand(std::span(term.data(), sum.how == Sum::How::choice ? 2 : 1), form, leaves)) return;
      for (const Index leaf : leaves) level = std::max(level, level_[leaf]);
      const auto [place, is_new] = known.try_emplace(form.key(), sum.families.size());
      if (is_new) {
        if (sum.families.size() == (sum.how == Sum::How::add ? most_forms : 1)) return;
        sum.families.push_back({std::move(form), 0, {}});
      }
      Family& family = sum.families[place->second];
      ++family.count;
      family.leaves.insert(family.leaves.end(), leaves.begin(), leaves.end());
    }
    std::size_t largest = 0, cost = 0;
    for (const Family& family : sum.families) {
      largest = std::max(largest, family.count);
      cost += family.count * family.form.size;
    }
    const std::size_t terms = sum.terms.size();
    if (largest < alike || (terms < long_enough && (cost < costly_enough || like_[terms] > few))) return;
    if (terms <= moderate && moderate_sums_ > many) return;
    if (sum.start != none) {
      if (!expand(std::span(&sum.start, 1), sum.first.form, sum.first.leaves)) return;
      for (const Index leaf : sum.first.leaves) level = std::max(level, level_[leaf]);
      sum.first.count = 1;
    }
    sum.terms.clear();
    sum.level = level + 1;
    level_[sum.head] = sum.level;
    sum_of_[sum.head] = static_cast<Index>(sums_.size());
    sums_.push_back(std::move(sum));
  }

  /// Sums of one form and level, numbered in the order of their groups.
  void group_sums() {
    std::map<Words, std::vector<Index>> groups;
    for (Index i = 0; i < sums_.size(); ++i) {
      const Sum& sum = sums_[i];
      Words key{sum.level, static_cast<std::uint32_t>(sum.how), sum.variant};
      sum.first.form.append_to(key);
      for (const Family& family : sum.families) {
        key.push_back(static_cast<std::uint32_t>(family.count));
        family.form.append_to(key);
      }
      groups[key].push_back(i);
    }
    for (auto& [key, members] : groups) {
      for (const Index member : members) sums_[member].number = scalars_++;
      sum_groups_.push_back(std::move(members));
    }
  }

  void group_outputs(const std::vector<Trace::Store>& outputs, const std::vector<bool>& fresh,
                     std::vector<Group>& groups) {
    std::map<Words, std::size_t> known;
    for (Index i = 0; i < outputs.size(); ++i) {
      Form form;
      Words leaves;
      const Index node = same_[outputs[i].node];
      if (!expand(std::span(&node, 1), form, leaves)) return;
      Words key = form.key();
      if (!fresh.empty()) key.push_back(fresh[i] ? 1 : 0);
      const auto [place, is_new] = known.try_emplace(std::move(key), groups.size());
      if (is_new) {
        if (groups.size() == most_groups) {
          too_irregular_ = true;
          return;
        }
        groups.push_back({{std::move(form), 0, {}}, 1, {}, {}});
      }
      Group& group = groups[place->second];
      ++group.family.count;
      group.family.leaves.insert(group.family.leaves.end(), leaves.begin(), leaves.end());
      group.outputs.push_back(i);
    }
  }

  /// Makes one loop of two whose expressions share more than leaves.
  void fuse() {
    std::vector<Group> groups;
    std::map<std::pair<std::size_t, Index>, std::size_t> owner;  // of the inner nodes of each group's first expression
    for (Group& group : stores_) {
      const std::vector<Index> nodes = inner_nodes(group);
      std::size_t with = groups.size();
      for (const Index n : nodes)
        if (const auto found = owner.find({group.family.count, n}); found != owner.end()) {
          with = found->second;
          break;
        }
      if (with == groups.size() || !fuse(groups[with], group)) {
        with = groups.size();
        groups.push_back(std::move(group));
      }
      for (const Index n : nodes) owner.try_emplace({groups[with].family.count, n}, with);
    }
    stores_ = std::move(groups);
  }
  /// The operations in the expression of a group's first output, those that other outputs use too included.
  std::vector<Index> inner_nodes(const Group& group) {
    std::vector<Index> nodes;
    collect(same_[trace_.stores[group.outputs[0]].node], ++stamp_, nodes);
    return nodes;
  }
  void collect(Index root, Index stamp, std::vector<Index>& nodes) {
    stack_.assign(1, root);
    while (!stack_.empty()) {
      const Index n = stack_.back();
      stack_.pop_back();
      if (operands(nodes_[n].kind) == 0 || sum_of_[n] != none || seen_[n] == stamp) continue;
      seen_[n] = stamp;
      nodes.push_back(n);
      for_each_operand(n, [&](Index operand) { stack_.push_back(operand); });
    }
  }
  /// Counts the operations of the text.
  void measure() {
    std::vector<Index> nodes;
    for (const auto& group : sum_groups_) {
      const Index stamp = ++stamp_;
      const Sum& sum = sums_[group[0]];
      for (const Family& family : sum.families) {
        rolled_ += family.form.size + 1;
        for (std::size_t slot = 0; slot < family.form.slot_count(); ++slot) collect(family.leaves[slot], stamp, nodes);
      }
      rolled_ += sum.first.form.size;
    }
    for (const auto* groups : {&stores_, &gradients_})
      for (const Group& group : *groups) {
        const Index stamp = ++stamp_;
        const auto& outputs = groups == &stores_ ? trace_.stores : trace_.gradients;
        for (std::size_t r = 0; r < group.roots; ++r) collect(same_[outputs[group.outputs[r]].node], stamp, nodes);
        for (const Index single : group.singles) collect(same_[outputs[single].node], stamp, nodes);
        rolled_ += 1 + group.roots;
      }
    rolled_ += nodes.size();
  }
  /// Lets the first item of a loop store what comes once and shares operations with it.
  void attach() {
    if (has_hazard()) return;
    std::vector<Group> before = stores_, groups;
    std::map<Index, std::size_t> owner;
    for (const bool single : {false, true})
      for (Group& group : stores_) {
        if ((group.family.count == 1) != single) continue;
        const std::vector<Index> nodes = inner_nodes(group);
        if (single) {
          const auto shared = std::find_if(nodes.begin(), nodes.end(), [&](Index n) { return owner.count(n) > 0; });
          if (shared != nodes.end()) {
            Words& singles = groups[owner[*shared]].singles;
            singles.insert(singles.end(), group.outputs.begin(), group.outputs.end());
            continue;
          }
        } else {
          for (const Index n : nodes) owner.try_emplace(n, groups.size());
        }
        groups.push_back(std::move(group));
      }
    stores_ = std::move(groups);
    if (has_hazard()) stores_ = std::move(before);
  }
  bool fuse(Group& group, const Group& other) {
    Group both;
    both.roots = group.roots + 1;
    Words key;
    for (std::size_t i = 0; i < group.family.count; ++i) {
      std::vector<Index> roots;
      for (std::size_t r = 0; r < group.roots; ++r) both.outputs.push_back(group.outputs[i * group.roots + r]);
      both.outputs.push_back(other.outputs[i]);
      for (std::size_t r = 0; r < both.roots; ++r)
        roots.push_back(same_[trace_.stores[both.outputs[i * both.roots + r]].node]);
      Form form;
      if (!expand(roots, form, both.family.leaves)) {
        too_irregular_ = false;  // as two loops it is not
        expanded_ = 0;
        return false;
      }
      if (i == 0) {
        both.family.form = form;
        key = form.key();
      } else if (form.key() != key) {
        return false;
      }
    }
    both.family.count = group.family.count;
    group = std::move(both);
    return true;
  }

  // ---- places as text

  /// Where `numbers` lie in the table.
  std::size_t tabulate(const std::vector<std::int32_t>& numbers) {
    const auto [place, is_new] = tables_.try_emplace(numbers, out_.table.size());
    if (is_new) out_.table.insert(out_.table.end(), numbers.begin(), numbers.end());
    return place->second;
  }
  static std::string sum_of_texts(std::int64_t base, const std::string& rest) {
    if (rest.empty()) return std::to_string(base);
    return base == 0 ? rest : join(base, " + ", rest);
  }
  static std::string times(const std::string& factor, std::int64_t stride) {
    return stride == 1 ? factor : join(factor, " * ", stride < 0 ? join("(", stride, ")") : std::to_string(stride));
  }

  /// A sequence less its first number, as a sum of digits of its position times strides; "?" if it is none.
  static std::string digits(std::vector<std::int64_t> sequence, const std::string& position) {
    constexpr int most = 6;
    std::string text;
    std::size_t below = 1;
    for (int digit = 0; sequence.size() > 1; ++digit) {
      if (digit == most) return "?";
      const std::int64_t stride = sequence[1] - sequence[0];
      std::size_t run = 2;
      while (run < sequence.size() && sequence[run] - sequence[run - 1] == stride) ++run;
      std::vector<std::int64_t> starts;
      for (std::size_t i = 0; i < sequence.size(); ++i) {
        if (i % run == 0) starts.push_back(sequence[i]);
        if (sequence[i] != starts.back() + static_cast<std::int64_t>(i % run) * stride) return "?";
      }
      if (stride != 0) {
        std::string place = below == 1 ? position : join(position, " / ", below);
        if (starts.size() > 1) place = join(place, " % ", run);
        if (below > 1 || starts.size() > 1) place = "(" + place + ")";
        text += (text.empty() ? "" : " + ") + times(place, stride);
      }
      below *= run;
      sequence = std::move(starts);
    }
    return text;
  }
  /// numbers[position]
  std::string lookup(const std::vector<std::int64_t>& numbers, const std::string& position) {
    const std::string found = digits(numbers, position);
    if (found != "?") return sum_of_texts(numbers[0], found);
    const std::size_t period = period_of(numbers.size(), [&](std::size_t q, std::size_t p) {
      return numbers[q] == numbers[q % p] + static_cast<std::int64_t>(q / p) * (numbers[p] - numbers[0]);
    });
    std::vector<std::int32_t> entries;
    for (std::size_t q = 0; q < period; ++q) entries.push_back(static_cast<std::int32_t>(numbers[q]));
    const std::string entry = join(
        "table[",
        sum_of_texts(static_cast<std::int64_t>(tabulate(entries)), remainder(position, period, numbers.size())), "]");
    if (period == numbers.size() || numbers[period] == numbers[0]) return entry;
    return join(entry, " + ", times(join("(", position, " / ", period, ")"), numbers[period] - numbers[0]));
  }
  /// The first p that divides `size` and repeats(q, p) at every q; `size` if there is none.
  template <class Repeats>
  static std::size_t period_of(std::size_t size, Repeats repeats) {
    for (std::size_t p = 1; p * 2 <= size; ++p) {
      if (size % p != 0) continue;
      bool all = true;
      for (std::size_t q = p; q < size && all; ++q) all = repeats(q, p);
      if (all) return p;
    }
    return size;
  }
  static std::string remainder(const std::string& position, std::size_t period, std::size_t size) {
    return period == size ? position : join(position, " % ", period);
  }
  static std::string position(std::size_t inner) { return inner == 1 ? "i" : join("(i * ", inner, " + k)"); }
  /// numbers[i * inner + k], as text in i and k.
  std::string place(const std::vector<std::int64_t>& numbers, std::size_t inner) {
    if (inner == 1) return lookup(numbers, "i");
    std::vector<std::int64_t> rows, columns;
    for (std::size_t q = 0; q < numbers.size(); q += inner) rows.push_back(numbers[q]);
    for (std::size_t k = 0; k < inner; ++k) columns.push_back(numbers[k] - numbers[0]);
    bool separable = true;
    for (std::size_t q = 0; q < numbers.size() && separable; ++q)
      separable = numbers[q] == rows[q / inner] + columns[q % inner];
    if (!separable) return lookup(numbers, position(inner));
    const bool flat = std::all_of(columns.begin(), columns.end(), [](std::int64_t x) { return x == 0; });
    const std::string row = lookup(rows, "i");
    if (flat) return row;
    const std::string column = lookup(columns, "k");
    return row == "0" ? column : row + " + " + column;
  }
  /// Constants that differ, as text in i and k.
  std::string constants(const std::vector<double>& values, std::size_t inner) {
    bool whole = true, narrow = true, by_row = true, by_column = true;
    for (std::size_t q = 0; q < values.size(); ++q) {
      const double value = values[q];
      whole = whole && std::abs(value) < 0x1p24 && std::trunc(value) == value && !(value == 0 && std::signbit(value));
      narrow = narrow && in_float(value);
      by_row = by_row && bits(value) == bits(values[q / inner * inner]);
      by_column = by_column && bits(value) == bits(values[q % inner]);
    }
    if (whole) {
      std::vector<std::int64_t> numbers;
      for (const double value : values) numbers.push_back(static_cast<std::int64_t>(value));
      return join("real(", place(numbers, inner), ")");
    }
    std::vector<double> kept;
    const std::size_t step = by_row ? inner : 1, count = by_column ? inner : values.size();
    for (std::size_t q = 0; q < count; q += step) kept.push_back(values[q]);
    const std::size_t period =
        period_of(kept.size(), [&](std::size_t q, std::size_t p) { return bits(kept[q]) == bits(kept[q % p]); });
    const std::string at = remainder(by_row ? "i" : by_column ? "k" : position(inner), period, kept.size());
    std::vector<std::int32_t> entries;
    for (std::size_t q = 0; q < period; ++q) {
      if (narrow) {
        entries.push_back(std::bit_cast<std::int32_t>(static_cast<float>(kept[q])));
      } else {
        const auto halves = std::bit_cast<std::array<std::int32_t, 2>>(kept[q]);
        entries.insert(entries.end(), halves.begin(), halves.end());
      }
    }
    const auto table = static_cast<std::int64_t>(tabulate(entries));
    if (narrow) return join("real(__uint_as_float(unsigned(table[", sum_of_texts(table, at), "])))");
    return join("real(double_at(table + ", sum_of_texts(table, at + " * 2"), "))");
  }
  static std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

  /// What tells a leaf from others of its kind.
  std::int64_t payload(Index n) const {
    if (sum_of_[n] != none) return sums_[sum_of_[n]].number;
    const Node& node = nodes_[n];
    if (node.kind == Kind::constant) return 0;
    return node.kind == Kind::uniform ? std::int64_t{node.b} * 4 + node.c : node.a;
  }

  /// A leaf of the expressions i * inner + k, as text in i and k.
  std::string leaf(std::uint32_t code, const std::vector<Index>& nodes, std::size_t inner) {
    std::vector<std::int64_t> numbers;
    for (const Index n : nodes) numbers.push_back(payload(n));
    if (code == scalar) return join("scalars[(", place(numbers, inner), ") * T + s]");
    switch (static_cast<Kind>(code)) {
      case Kind::constant: {
        std::vector<double> values;
        for (const Index n : nodes) values.push_back(nodes_[n].value);
        const bool same =
            std::all_of(values.begin(), values.end(), [&](double x) { return bits(x) == bits(values[0]); });
        return same ? literal(values[0]) : constants(values, inner);
      }
      case Kind::memory: return join("m[(", place(numbers, inner), ") * T + s]");
      case Kind::parameter: return join("p[", place(numbers, inner), "]");
      case Kind::control: return join("control[", place(numbers, inner), "]");
      default: break;
    }
    std::vector<std::int64_t> blocks, words;
    for (const std::int64_t number : numbers) blocks.push_back(number / 4), words.push_back(number % 4);
    return uniform(nodes_[nodes[0]].a, place(blocks, inner), place(words, inner));
  }
  static std::string uniform(std::uint32_t path, const std::string& block, const std::string& word) {
    return join("uniform_number(draws, ", path, "u, first + unsigned(s), unsigned(", block, "), unsigned(", word, "))");
  }

  // ---- expressions as text

  static std::string line(const std::string& indent, Kind kind, const std::string& name, const std::string& value) {
    return join(indent, is_condition(kind) ? "const bool " : "const real ", name, " = ", value, ";\n");
  }
  std::string fresh_name() { return join("n", names_++); }

  static Scope scope(std::size_t outer_count, std::size_t inner_count, const std::string& indent) {
    return {outer_count, inner_count, indent, {}, {}, {}};
  }
  /// The name of a node that is `nodes[i * inner + k]` in the scope's expressions, with the statements that make it.
  std::pair<std::string, bool> value(Scope& scope, std::uint32_t code, std::vector<Index> nodes) {
    bool inner = false;
    for (std::size_t q = 0; q < nodes.size() && !inner; ++q)
      inner = nodes[q] != nodes[q / scope.inner_count * scope.inner_count];
    if (!inner && std::all_of(nodes.begin(), nodes.end(), [&](Index n) { return n == nodes[0]; })) nodes.resize(1);
    std::uint64_t hash = nodes.size();
    for (const Index n : nodes) {
      hash = (hash ^ n) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29;
    }
    const auto range = scope.made.equal_range(hash);
    for (auto made = range.first; made != range.second; ++made)
      if (made->second.nodes == nodes) return {made->second.name, made->second.inner};
    std::string name;
    if (code >= common) {
      const Form& form = forms_[code - common];
      Words leaves;
      for (const Index n : nodes) {
        const Words& more = parts_[part_of_[n]].leaves;
        leaves.insert(leaves.end(), more.begin(), more.end());
      }
      name = expression(scope, form, leaves, nodes.size())[0];
    } else {
      std::string text = leaf(code, nodes, nodes.size() == 1 ? 1 : scope.inner_count);
      if (text.starts_with("real(") && text.find("table") == std::string::npos) {
        name = std::move(text);
      } else {
        name = fresh_name();
        add_line(scope, inner, Kind::add, name, text);
      }
    }
    scope.made.insert({hash, {std::move(nodes), name, inner}});
    return {name, inner};
  }
  static void add_line(Scope& scope, bool inner, Kind kind, const std::string& name, const std::string& text) {
    (inner ? scope.inner : scope.outer) += line(inner ? scope.indent + "  " : scope.indent, kind, name, text);
  }
  /// The names of the roots of `count` expressions of one form: as many as the scope has, or one that is all of them.
  std::vector<std::string> expression(Scope& scope, const Form& form, const Words& leaves, std::size_t count) {
    const std::size_t slots = form.slot_count();
    std::vector<std::pair<std::string, bool>> leaf_names, op_names;
    for (std::size_t slot = 0; slot < slots; ++slot) {
      std::vector<Index> nodes(count);
      for (std::size_t q = 0; q < count; ++q) nodes[q] = leaves[q * slots + slot];
      leaf_names.push_back(value(scope, form.slots[slot * 2], std::move(nodes)));
    }
    const auto named = [&](std::uint32_t reference) {
      return reference % 2 == 1 ? leaf_names[reference / 2] : op_names[reference / 2];
    };
    for (std::size_t at = 0; at < form.ops.size();) {
      const auto kind = static_cast<Kind>(form.ops[at++]);
      std::array<std::string, 3> names;
      bool inner = false;
      for (int i = 0; i < operands(kind); ++i, ++at) {
        const auto [name, depends] = named(form.ops[at]);
        names[static_cast<std::size_t>(i)] = name;
        inner = inner || depends;
      }
      op_names.emplace_back(fresh_name(), inner);
      add_line(scope, inner, kind, op_names.back().first, operation_text(kind, names[0], names[1], names[2]));
    }
    std::vector<std::string> roots;
    for (const std::uint32_t root : form.roots) roots.push_back(named(root).first);
    return roots;
  }

  // ---- loops as text

  void write_rolled() {
    out_.scalars = scalars_;
    Index level = 0;
    std::string turn;
    for (std::size_t group = 0; group < sum_groups_.size(); ++group) {
      const Index at = sums_[sum_groups_[group][0]].level;
      if (level != 0 && at != level) out_.code += "__syncthreads();\n";
      if (at != level) turn = "0";
      level = at;
      write_sums(sum_groups_[group], group, turn);
    }
    if (level != 0) out_.code += "__syncthreads();\n";
    for (const Group& group : gradients_) write_gradients(group);
    const bool kept = has_hazard();
    for (std::size_t i = 0; i < stores_.size(); ++i) write_stores(stores_[i], kept ? join("kept", i) : "");
    if (kept) {
      out_.code += "__syncthreads();\n";
      for (std::size_t i = 0; i < stores_.size(); ++i) write_kept(stores_[i], join("kept", i));
    }
  }

  static std::string extreme_text(std::uint32_t variant, const std::string& total, const std::string& term) {
    const char* sign = (variant & 1) != 0 ? " <= " : " < ";
    const std::string condition = (variant & 2) != 0 ? term + sign + total : total + sign + term;
    return (variant & 4) != 0 ? condition + " ? " + total + " : " + term : condition + " ? " + term + " : " + total;
  }

  /// The expressions of one family of each of the group's sums, in an order that makes places regular.
  Words ordered(const std::vector<Index>& members, std::size_t which, bool sort) const {
    Words leaves;
    for (const Index member : members) {
      const Family& family = sums_[member].families[which];
      const std::size_t slots = family.form.slot_count();
      if (!sort || slots == 0) {
        leaves.insert(leaves.end(), family.leaves.begin(), family.leaves.end());
        continue;
      }
      std::vector<std::size_t> order(family.count);
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
        for (std::size_t slot = 0; slot < slots; ++slot) {
          const std::int64_t a = payload(family.leaves[x * slots + slot]), b = payload(family.leaves[y * slots + slot]);
          if (a != b) return a < b;
        }
        return false;
      });
      for (const std::size_t i : order)
        for (std::size_t slot = 0; slot < slots; ++slot) leaves.push_back(family.leaves[i * slots + slot]);
    }
    return leaves;
  }

  void write_sums(const std::vector<Index>& members, std::size_t group, std::string& turn) {
    const Sum& sum = sums_[members[0]];
    const std::size_t count = members.size();
    std::size_t terms = 0;
    for (const Family& family : sum.families) terms = std::max(terms, family.count);
    const std::string lanes = join("lanes", group), total = join("total", group), last = join("last", group);
    const std::string places = join(count, " * T * ", lanes);
    std::string& code = out_.code;
    code += join("constexpr int ", lanes, " = sum_lanes(", count, ", ", terms, ", T, THREADS);\n");
    // Sums of one stage lie in different warps.
    code += join("constexpr int turn", group, " = ", turn, ";\n{\n");
    turn = join("(turn", group, " + (", places, " + 31) / 32 * 32) % THREADS");
    code += join("  const int turned = (tid + THREADS - turn", group, ") % THREADS;\n");
    code += join("  for (int base = turned / 32 * 32; base < ", places, "; base += THREADS) {\n");
    code += join("    const int item = base + turned % 32, s = item % T, part = item / T % ", lanes, ";\n");
    code += join("    [[maybe_unused]] const int i = item / (T * ", lanes, ");\n");
    code += join("    const bool inside = item < ", places, ";\n");
    code += join("    real ", total, " = 0;\n");
    const bool choice = sum.how == Sum::How::choice;
    if (choice) code += join("    int ", last, " = -1;\n");
    code += "    if (inside) {\n";
    const std::string indent = "      ";
    if (sum.start != none) {
      Words leaves;
      for (const Index member : members)
        leaves.insert(leaves.end(), sums_[member].first.leaves.begin(), sums_[member].first.leaves.end());
      Scope start = scope(count, 1, indent);
      const std::string root = expression(start, sum.first.form, leaves, count)[0];
      code += start.outer + join(indent, total, " = ", root, ";\n");
    }
    for (std::size_t which = 0; which < sum.families.size(); ++which) {
      const Family& family = sum.families[which];
      Scope text = scope(count, family.count, indent);
      const std::vector<std::string> roots =
          expression(text, family.form, ordered(members, which, !choice), count * family.count);
      std::string step;
      if (choice)
        step = join("if (", roots[0], ") ", total, " = ", roots[1], ", ", last, " = k;\n");
      else if (sum.how == Sum::How::extreme)
        step = join(total, " = ", extreme_text(sum.variant, total, roots[0]), ";\n");
      else
        step = join(total, " += ", roots[0], ";\n");
      code += text.outer;
      if (family.count == 1) {
        code += join(indent, "if (part == 0) ", step);
      } else {
        code += join("#pragma unroll 4\n", indent, "for (int k = part; k < ", family.count, "; k += ", lanes, ") {\n");
        code += text.inner + indent + "  " + step + indent + "}\n";
      }
    }
    code += "    }\n";
    code += join("    for (int step = T; step < T * ", lanes, "; step *= 2) {\n");
    code += join("      const real other = __shfl_xor_sync(0xffffffffu, ", total, ", step);\n");
    if (choice) {
      code += join("      const int later = __shfl_xor_sync(0xffffffffu, ", last, ", step);\n");
      code += join("      if (later > ", last, ") ", total, " = other, ", last, " = later;\n");
    } else if (sum.how == Sum::How::extreme) {
      code += join("      ", total, " = ", extreme_text(sum.variant, total, "other"), ";\n");
    } else {
      code += join("      ", total, " += other;\n");
    }
    code += "    }\n";
    std::vector<std::int64_t> numbers;
    for (const Index member : members) numbers.push_back(sums_[member].number);
    code += join("    if (inside && part == 0) scalars[(", place(numbers, 1), ") * T + s] = ", total, ";\n  }\n}\n");
  }

  std::string target(const Group& group, const std::vector<Trace::Store>& outputs, std::size_t root) {
    std::vector<std::int64_t> places;
    for (std::size_t i = 0; i < group.family.count; ++i)
      places.push_back(outputs[group.outputs[i * group.roots + root]].place);
    return place(places, 1);
  }

  void write_gradients(const Group& group) {
    std::string& code = out_.code;
    const std::string items = join(group.family.count, " * T");
    code += join("for (int base = tid / 32 * 32; base < ", items, "; base += THREADS) {\n");
    code += "  const int item = base + tid % 32, s = item % T;\n  [[maybe_unused]] const int i = item / T;\n";
    code += join("  real total = 0;\n  if (item < ", items, ") {\n");
    Scope text = scope(group.family.count, 1, "    ");
    const std::string root = expression(text, group.family.form, group.family.leaves, group.family.count)[0];
    code += text.outer + join("    total = ", root, ";\n  }\n");
    code += "  for (int step = T / 2; step > 0; step /= 2) total += __shfl_xor_sync(0xffffffffu, total, step);\n";
    const std::string at = join("g[", target(group, trace_.gradients, 0), "]");
    code += join("  if (s == 0 && item < ", items, ") ", added(at, "total", fresh_[group.outputs[0]]), "\n}\n");
  }
  static std::string added(const std::string& at, const std::string& value, bool fresh) {
    return fresh ? join(at, " = fresh ? ", value, " : ", at, " + ", value, ";") : join(at, " += ", value, ";");
  }

  /// Whether one thread writes what another one reads.
  bool has_hazard() {
    std::unordered_map<Index, std::pair<std::size_t, std::size_t>> writer;  // of a place: loop (from 1 on) and item
    for (std::size_t g = 0; g < stores_.size(); ++g) {
      for (std::size_t q = 0; q < stores_[g].outputs.size(); ++q)
        writer[trace_.stores[stores_[g].outputs[q]].place] = {g + 1, q / stores_[g].roots};
      for (const Index single : stores_[g].singles) writer[trace_.stores[single].place] = {g + 1, 0};
    }
    const bool any = std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& node) {
      return node.kind == Kind::memory && writer.count(node.a) > 0;
    });
    if (!any) return false;
    for (const Group& group : gradients_)
      if (has_hazard(group, 0, trace_.gradients, writer)) return true;
    for (std::size_t g = 0; g < stores_.size(); ++g)
      if (has_hazard(stores_[g], g + 1, trace_.stores, writer)) return true;
    return false;
  }
  template <class Writer>
  bool has_hazard(const Group& group, std::size_t loop, const std::vector<Trace::Store>& outputs,
                  const Writer& writer) {
    for (std::size_t item = 0; item < group.family.count; ++item) {
      const Index stamp = ++stamp_;
      stack_.clear();
      for (std::size_t r = 0; r < group.roots; ++r)
        stack_.push_back(same_[outputs[group.outputs[item * group.roots + r]].node]);
      if (item == 0)
        for (const Index single : group.singles) stack_.push_back(same_[outputs[single].node]);
      while (!stack_.empty()) {
        const Index n = stack_.back();
        stack_.pop_back();
        if (sum_of_[n] != none || seen_[n] == stamp) continue;
        seen_[n] = stamp;
        for_each_operand(n, [&](Index operand) { stack_.push_back(operand); });
        if (nodes_[n].kind != Kind::memory) continue;
        const auto found = writer.find(nodes_[n].a);
        // The same item of a later loop is the same thread's, and comes later.
        if (found != writer.end() && (found->second.second != item || found->second.first < loop)) return true;
      }
    }
    return false;
  }

  /// One loop over outputs; into `kept` if it has a name.
  void write_stores(const Group& group, const std::string& kept) {
    std::string& code = out_.code;
    const std::string items = join(group.family.count, " * T");
    if (!kept.empty()) code += join("real ", kept, "[(", items, " + THREADS - 1) / THREADS][", group.roots, "];\n");
    code += join("for (int item = tid; item < ", items, "; item += THREADS) {\n");
    code += "  [[maybe_unused]] const int i = item / T, s = item % T;\n";
    Scope text = scope(group.family.count, 1, "  ");
    const std::vector<std::string> roots = expression(text, group.family.form, group.family.leaves, group.family.count);
    code += std::exchange(text.outer, {});
    for (std::size_t r = 0; r < group.roots; ++r)
      code += kept.empty() ? join("  m[(", target(group, trace_.stores, r), ") * T + s] = ", roots[r], ";\n")
                           : join("  ", kept, "[item / THREADS][", r, "] = ", roots[r], ";\n");
    if (!group.singles.empty()) {
      std::string stores;
      text.indent = "    ";
      for (const Index single : group.singles) {
        const Index node = same_[trace_.stores[single].node];
        Form form;
        Words leaves;
        expand(std::span(&node, 1), form, leaves);
        const std::string root = expression(text, form, leaves, 1)[0];
        stores += join("    m[", trace_.stores[single].place, " * T + s] = ", root, ";\n");
      }
      code += "  if (i == 0) {\n" + text.outer + stores + "  }\n";
    }
    code += "}\n";
  }
  void write_kept(const Group& group, const std::string& kept) {
    std::string& code = out_.code;
    code += join("for (int item = tid; item < ", group.family.count, " * T; item += THREADS) {\n");
    code += "  [[maybe_unused]] const int i = item / T, s = item % T;\n";
    for (std::size_t r = 0; r < group.roots; ++r)
      code += join("  m[(", target(group, trace_.stores, r), ") * T + s] = ", kept, "[item / THREADS][", r, "];\n");
    code += "}\n";
  }

  // ---- a line for each node

  void write_straight() {
    out_ = {};
    tables_.clear();
    std::string& code = out_.code;
    std::vector<std::string> name(nodes_.size());
    code += "if (tid < T) {\n  [[maybe_unused]] const int s = tid;\n";
    for (Index n = 0; n < nodes_.size(); ++n) {
      if (uses_[n] == 0) continue;
      const Node& node = nodes_[n];
      if (node.kind == Kind::constant) {
        name[n] = literal(node.value);
        continue;
      }
      name[n] = join("n", n);
      std::string value;
      switch (node.kind) {
        case Kind::memory: value = join("m[", node.a, " * T + s]"); break;
        case Kind::parameter: value = join("p[", node.a, "]"); break;
        case Kind::control: value = join("control[", node.a, "]"); break;
        case Kind::uniform: value = uniform(node.a, std::to_string(node.b), std::to_string(node.c)); break;
        default: value = node_text(node, [&](Index operand) { return name[operand]; });
      }
      code += line("  ", node.kind, name[n], value);
    }
    for (const Trace::Store& store : trace_.stores)
      code += join("  m[", store.place, " * T + s] = ", name[same_[store.node]], ";\n");
    for (std::size_t i = 0; i < trace_.gradients.size(); ++i)
      code += join("  scalars[", i, " * T + s] = ", name[same_[trace_.gradients[i].node]], ";\n");
    code += "}\n";
    out_.scalars = trace_.gradients.size();
    if (trace_.gradients.empty()) return;
    code += "__syncthreads();\n";
    for (const bool fresh : {true, false}) {
      std::vector<std::int64_t> sums, places;
      for (std::size_t i = 0; i < fresh_.size(); ++i)
        if (fresh_[i] == fresh) {
          sums.push_back(static_cast<std::int64_t>(i));
          places.push_back(trace_.gradients[i].place);
        }
      if (sums.empty()) continue;
      code += join("for (int i = tid; i < ", sums.size(), "; i += THREADS) {\n  real total = 0;\n");
      code += join("  for (int s = 0; s < T; ++s) total += scalars[(", place(sums, 1), ") * T + s];\n");
      code += join("  ", added(join("g[", place(places, 1), "]"), "total", fresh), "\n}\n");
    }
  }

  const Trace& trace_;
  const std::vector<bool>& fresh_;
  TraceCode out_;
  std::map<std::vector<std::int32_t>, std::size_t> tables_;

  std::vector<Node> nodes_;   // operands without x + 0
  Words same_;                // what stands for a node
  Words uses_;                // by nodes and outputs that count
  Words sum_of_, level_;      // the sum that a node is; sums below a node, one on the other
  std::vector<bool> common_;  // whether more than one output uses a node
  std::vector<bool> linked_;  // whether a node is within a maximum that may become a loop
  Words part_of_;
  std::vector<Part> parts_;
  std::vector<Form> forms_;  // of parts
  std::map<Words, Index> known_;
  Index opened_ = none;
  std::size_t live_ = 0;

  Words seen_, local_;
  std::vector<Index> stack_;
  Index stamp_ = 0;
  std::size_t expanded_ = 0, rolled_ = 0;
  bool too_irregular_ = false;

  std::map<std::size_t, std::size_t> like_;  // chains of so many terms
  std::size_t moderate_sums_ = 0;
  std::vector<Sum> sums_;
  std::vector<std::vector<Index>> sum_groups_;
  std::vector<Group> stores_, gradients_;
  Index scalars_ = 0;
  std::size_t names_ = 0;
};

/// The text of one trace. It may use these names: `tid` (0 to THREADS - 1, the lane of its warp in the last five bits),
/// T (samples, a power of two up to 32), THREADS, `real`; of `real*`: `m` (place f of sample s at m[f * T + s]), `p`,
/// `g`, `control`, `scalars`; `const int* table`, `bool fresh`, `Draws draws`, `unsigned first` (the place in the batch
/// of sample 0). All threads of the block run it. Number i of a loop over outputs belongs, for sample s, to the thread
/// tid = (i * T + s) % THREADS.
///
/// `fresh_gradients` says of each gradient whether nobody has written its place before: it is assigned where `fresh` is
/// true, others are always added to. Throws where the trace is too irregular.
inline TraceCode trace_code(const Trace& trace, const std::vector<bool>& fresh_gradients) {
  return TraceWriter(trace, fresh_gradients).write();
}

}  // namespace mtlx::backend::detail
