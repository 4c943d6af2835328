// SPDX-License-Identifier: MIT
// What people prefer: answers to "which of the two pictures is better?", read from CSV, and what follows from them. Of use with
// answers from anywhere; study/blind.hpp makes a page that asks.
//
// Two methods, w answers for the first and l for the second (ties are counted and left out): the exact binomial test of one
// half, p = min(1, 2 P(X <= min(w, l))), and Clopper and Pearson's interval of the share w / (w + l). That takes every answer
// for a new one. It is not: a judge answers often and has one taste, a photo is asked about often and has one flaw, so that a
// hundred answers of three judges tell of three judges. So there is a sign test over judges too, and one over photos: each
// counts once, for whom most of its answers are. What is claimed of other people and other photos goes by those.
//
// Several methods: strengths b with P(i is preferred over j) = 1 / (1 + exp(b_j - b_i)), sum b = 0 (Bradley and Terry), by maximum
// likelihood (Newton's method; the likelihood is concave). A tie is half a win for each: with those halves the variance
// p (1 - p) of an answer is too large rather than too small, and the intervals are wide rather than narrow. With H the
// information and s_g the score of cluster g (a judge or a photo), G of them:
//   every answer for itself   cov = H^+                                        normal quantiles
//   clusters                  cov = G/(G-1) H^+ (sum_g s_g s_g^T) H^+          t quantiles, G - 1 degrees of freedom
// There is a finite estimate if and only if, however one parts the methods in two, each part has won (or tied) once against the
// other (Ford): a method that always wins has none, and that is said.
// References: Clopper and Pearson, Biometrika 26, 1934. Bradley and Terry, Biometrika 39, 1952. Ford, "Solution of a Ranking
// Problem from Binary Comparisons", American Mathematical Monthly 64, 1957. Hunter, "MM Algorithms for Generalized
// Bradley-Terry Models", Annals of Statistics 32, 2004 (section 2; equation 3 is the likelihood). Liang and Zeger, Biometrika
// 73, 1986 (the covariance over clusters).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/data/csv.hpp>
#include <mtlx/grouping/detail/dense.hpp>
#include <mtlx/study/answer.hpp>
#include <mtlx/study/statistics.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::study {

/// Which of two pictures a judge found better.
enum class Choice { left, right, tie };

/// One answer of one judge.
struct Judgement {
  std::string pair;         ///< what was shown, such as a crop's name
  std::string photo;        ///< whose crop it is: answers about one photo hang together
  std::string judge;        ///< who answered
  std::string left, right;  ///< the methods
  Choice choice = Choice::tie;
  double seconds = detail::nan;  ///< that the answer took; NaN if not known
};

/// How a judge did where the right answer is known: did they look?
struct Attention {
  std::string judge;
  std::size_t answers = 0;  ///< on pairs of methods
  std::size_t spoilt = 0,
              missed = 0;  ///< pairs with a picture that is plainly spoilt; those where the other one was not chosen
  std::size_t same = 0, tied = 0;  ///< pairs of the same picture; those called a tie
  std::size_t left = 0;            ///< answers on pairs of methods that say left

  /// Whether no spoilt picture was missed; true if none was asked about.
  bool looked() const { return missed == 0; }
};

/// The answers to a blind page.
struct Answers {
  std::vector<Judgement> judgements;  ///< on pairs of methods, of all judges
  std::vector<Attention> judges;      ///< in the order of the files
};

/// How many clusters (judges, or photos) have more answers for the first of two methods, for the second, and as many for each.
struct Majorities {
  std::size_t first = 0, second = 0, even = 0;
  TestResult test = {};  ///< of first against second; `even` ones are left out
};

/// Two methods compared by people.
struct Preference {
  std::string first, second;
  std::size_t wins = 0, losses = 0, ties = 0;  ///< of the first
  Interval share = {};                         ///< of wins among wins and losses, every answer for itself
  TestResult pooled = {};                      ///< every answer for itself
  Majorities judges = {}, photos = {};

  /// The largest p of the tests over judges and over photos, where there are two or more of them: what may be said of others.
  /// 1 where there is one judge and one photo, where each has as many answers, and where answers, judges and photos are not all
  /// for the same method.
  double p() const;
  /// 1 if people prefer the first, -1 if the second, 0 if it cannot be told: p is at most 1 less the interval's level.
  int verdict() const { return p() <= 1 - share.level ? (wins > losses ? 1 : -1) : 0; }
};

/// What is drawn anew in thought, when one asks how sure a strength is.
enum class Clustered { answers, judges, photos };

/// How strengths are estimated.
struct BradleyTerryOptions {
  Clustered clusters = Clustered::judges;
  double level = 0.95;
};

/// Strengths of several methods.
struct BradleyTerry {
  std::vector<std::string> methods;  ///< sorted
  std::vector<double> wins;          ///< of each; a tie is half of one
  std::vector<std::size_t> answers;  ///< on each
  std::size_t ties = 0;
  Clustered clustered = Clustered::judges;  ///< what the intervals rest on
  std::size_t clusters = 0;                 ///< how many of them
  std::vector<Interval> strengths;          ///< log odds, sum 0; NaN where `note` says why
  std::vector<double> covariance;           ///< (methods, methods), of the estimates; empty without them
  double critical = 0;                      ///< the quantile of the intervals
  double level = 0.95;
  std::string note;  ///< why there is no finite estimate, or no interval; else empty

  /// Whether there are estimates.
  bool finite() const { return !covariance.empty(); }
  /// The probability that method i is preferred over j, a tie counted as half, with its interval. Throws `Error` for other
  /// numbers, or without estimates.
  Interval preferred(std::size_t i, std::size_t j) const;
};

namespace detail {

// Rows of a CSV text whose columns are found by their names, in any order.
class NamedRows {
 public:
  /// The last `optional` of the columns may be missing.
  NamedRows(std::string_view text, std::string_view name, std::vector<std::string_view> columns,
            std::size_t optional = 0)
      : rows_(text, name, ','), name_(name), columns_(std::move(columns)), places_(columns_.size(), none) {
    if (!rows_.next()) fail(name_, " is empty, expected a first row with the columns' names");
    width_ = rows_.size();
    for (std::size_t i = 0; i < width_; ++i) {
      const auto found = std::find(columns_.begin(), columns_.end(), rows_[i]);
      if (found == columns_.end()) fail(name_, ", row ", rows_.row(), ": an unknown column ", shown(rows_[i]));
      std::size_t& place = places_[static_cast<std::size_t>(found - columns_.begin())];
      if (place != none) fail(name_, ", row ", rows_.row(), ": two columns ", shown(rows_[i]));
      place = i;
    }
    for (std::size_t c = 0; c + optional < columns_.size(); ++c)
      if (places_[c] == none) fail(name_, ", row ", rows_.row(), ": no column \"", columns_[c], "\"");
  }

  bool next() {
    if (!rows_.next()) return false;
    if (rows_.size() != width_)
      fail(name_, ", row ", rows_.row(), ": ", rows_.size(), " cells, expected ", width_, " as in the first row");
    return true;
  }
  bool has(std::size_t column) const { return places_[column] != none; }
  /// A cell of the row, "" if there is no such column.
  std::string_view operator[](std::size_t column) const {
    return has(column) ? rows_[places_[column]] : std::string_view();
  }
  /// The same; an empty one throws.
  std::string filled(std::size_t column) const {
    if ((*this)[column].empty()) stop(column, "empty");
    return std::string((*this)[column]);
  }
  std::size_t index(std::size_t column) const {
    std::size_t number = 0;
    if (!data::detail::parse_index((*this)[column], number))
      stop(column, "expected a whole number, and is " + shown((*this)[column]));
    return number;
  }
  /// Seconds, NaN where the cell is empty.
  double seconds(std::size_t column) const {
    double number = 0;
    if ((*this)[column].empty()) return nan;
    if (data::detail::parse_number((*this)[column], number) != data::detail::Parsed::number || number < 0)
      stop(column, "expected a number of at least 0, and is " + shown((*this)[column]));
    return number;
  }
  Choice choice(std::size_t column) const {
    const std::string_view text = (*this)[column];
    if (text == "left") return Choice::left;
    if (text == "right") return Choice::right;
    if (text != "tie") stop(column, "expected left, right or tie, and is " + shown(text));
    return Choice::tie;
  }
  std::size_t row() const { return rows_.row(); }
  [[noreturn, gnu::cold]] void stop(std::size_t column, const std::string& what) const {
    fail(name_, ", row ", rows_.row(), ", column \"", columns_[column], "\": ", what);
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  static std::string shown(std::string_view text) { return data::detail::shown(text); }

  data::detail::CsvRows rows_;
  std::string name_;
  std::vector<std::string_view> columns_;
  std::vector<std::size_t> places_;
  std::size_t width_ = 0;
};

// Throws if two rows have the same key.
[[gnu::cold, gnu::noinline]] inline void check_once(std::string_view name, const char* what,
                                                    std::vector<std::pair<std::string, std::size_t>> keys) {
  std::sort(keys.begin(), keys.end());
  for (std::size_t i = 1; i < keys.size(); ++i)
    if (keys[i].first == keys[i - 1].first)
      fail(name, ", row ", keys[i].second, ": ", what, " as in row ", keys[i - 1].second);
}

// The different ones of some texts, sorted, and which each is.
struct Names {
  std::vector<std::string> names;
  std::vector<std::size_t> of;

  template <class Name>
  Names(const std::vector<Judgement>& judgements, const Name& name) {
    for (const Judgement& j : judgements) names.push_back(name(j));
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const Judgement& j : judgements)
      of.push_back(static_cast<std::size_t>(std::lower_bound(names.begin(), names.end(), name(j)) - names.begin()));
  }
};
inline const std::string& judge_of(const Judgement& j) { return j.judge; }
inline const std::string& photo_of(const Judgement& j) { return j.photo; }

}  // namespace detail

/// Answers of a CSV file that lies in memory; errors call it `name`. Its first row names the columns, in any order: pair, judge,
/// left, right (methods), chosen (left, right or tie), and perhaps photo (else each pair is its own) and seconds. Throws `Error`
/// with the row for a cell that is empty or none of these, a method beside itself, and a judge's second answer to one pair.
[[gnu::cold, gnu::noinline]] inline std::vector<Judgement> parse_judgements(std::string_view text,
                                                                            std::string_view name) {
  enum { pair, judge, left, right, chosen, photo, seconds };
  detail::NamedRows rows(text, name, {"pair", "judge", "left", "right", "chosen", "photo", "seconds"}, 2);
  std::vector<Judgement> judgements;
  std::vector<std::pair<std::string, std::size_t>> keys;
  while (rows.next()) {
    Judgement j{rows.filled(pair),    rows.has(photo) ? rows.filled(photo) : rows.filled(pair),
                rows.filled(judge),   rows.filled(left),
                rows.filled(right),   rows.choice(chosen),
                rows.seconds(seconds)};
    if (j.left == j.right) rows.stop(right, "the same method as on the left");
    const auto [low, high] = std::minmax(j.left, j.right);
    keys.emplace_back(join(j.judge, "\n", j.pair, "\n", low, "\n", high), rows.row());
    judgements.push_back(std::move(j));
  }
  detail::check_once(name, "the same judge, pair and methods", std::move(keys));
  return judgements;
}

/// The same from a file.
[[gnu::cold]] inline std::vector<Judgement> read_judgements(const std::string& path) {
  return parse_judgements(read_file(path), path);
}

/// Answers to a blind page (study/blind.hpp), each text a file that the page gave, with the key that was written beside it.
/// `names` and `key_name` are what errors call them. Throws `Error` with file and row for answers to another page, to a place
/// that the key doesn't have, and for two answers of one judge to one place.
[[gnu::cold, gnu::noinline]] inline Answers parse_answers(const std::vector<std::string>& texts,
                                                          const std::vector<std::string>& names, std::string_view key,
                                                          std::string_view key_name) {
  struct Place {
    std::string kind, pair, photo, left, right;
  };
  if (texts.size() != names.size())
    fail("parse_answers: ", texts.size(), " texts and ", names.size(), " names of them");
  std::string page;
  std::vector<Place> places;
  {
    enum { page_column, place, kind, pair, photo, left, right };
    detail::NamedRows rows(key, key_name, {"page", "place", "kind", "pair", "photo", "left", "right"});
    while (rows.next()) {
      const std::string of = rows.filled(page_column);
      if (places.empty()) page = of;
      if (of != page) rows.stop(page_column, "another page than in the rows above");
      if (rows.index(place) != places.size() + 1)
        rows.stop(place, join("expected ", places.size() + 1, ", the places are counted"));
      Place one{rows.filled(kind), rows.filled(pair), rows.filled(photo), rows.filled(left), rows.filled(right)};
      if (one.kind != "methods" && one.kind != "same" && one.kind != "left spoilt" && one.kind != "right spoilt")
        rows.stop(kind, "expected methods, same, left spoilt or right spoilt");
      if (one.kind == "methods" && one.left == one.right) rows.stop(right, "the same method as on the left");
      places.push_back(std::move(one));
    }
    if (places.empty()) fail(key_name, " has no row but the first, expected one for each place");
  }
  Answers answers;
  for (std::size_t f = 0; f < texts.size(); ++f) {
    enum { page_column, judge, place, choice, seconds };
    detail::NamedRows rows(texts[f], names[f], {"page", "judge", "place", "choice", "seconds"});
    std::vector<std::pair<std::string, std::size_t>> keys;
    const std::size_t before = answers.judges.size();
    while (rows.next()) {
      if (rows.filled(page_column) != page)
        rows.stop(page_column, join("an answer to another page than that of ", key_name));
      const std::string who = rows.filled(judge);
      const std::size_t at = rows.index(place);
      if (at < 1 || at > places.size()) rows.stop(place, join("expected 1 to ", places.size()));
      keys.emplace_back(join(who, "\n", at), rows.row());
      const Choice said = rows.choice(choice);
      const double took = rows.seconds(seconds);
      auto found = std::find_if(answers.judges.begin(), answers.judges.end(),
                                [&](const Attention& a) { return a.judge == who; });
      if (found == answers.judges.end())
        found = answers.judges.insert(found, {.judge = who});
      else if (static_cast<std::size_t>(found - answers.judges.begin()) < before)
        rows.stop(judge, "another file has answers of a judge of that name");
      const Place& asked = places[at - 1];
      if (asked.kind == "same") {
        found->same += 1;
        found->tied += said == Choice::tie;
      } else if (asked.kind != "methods") {
        found->spoilt += 1;
        found->missed += said != (asked.kind == "left spoilt" ? Choice::right : Choice::left);
      } else {
        found->answers += 1;
        found->left += said == Choice::left;
        answers.judgements.push_back({asked.pair, asked.photo, who, asked.left, asked.right, said, took});
      }
    }
    detail::check_once(names[f], "the same judge and place", std::move(keys));
  }
  return answers;
}

/// The same from files.
[[gnu::cold]] inline Answers read_answers(const std::vector<std::string>& paths, const std::string& key_path) {
  std::vector<std::string> texts;
  for (const std::string& path : paths) texts.push_back(read_file(path));
  return parse_answers(texts, paths, read_file(key_path), key_path);
}

/// The judgements of those who looked (Attention::looked). Say with the results how many did not: `words(answers)` does.
[[gnu::cold]] inline std::vector<Judgement> attentive(const Answers& answers) {
  std::vector<Judgement> kept;
  for (const Judgement& j : answers.judgements)
    for (const Attention& a : answers.judges)
      if (a.judge == j.judge && a.looked()) kept.push_back(j);
  return kept;
}

/// Clopper and Pearson's exact interval of a share. Its bounds are NaN without trials. Throws `Error` for more successes than trials
/// and a level outside (0, 1).
[[gnu::cold, gnu::noinline]] inline Interval clopper_pearson(std::size_t successes, std::size_t trials,
                                                             double level = 0.95) {
  detail::check_level("clopper_pearson", level);
  if (successes > trials) fail("clopper_pearson: ", successes, " successes in ", trials, " trials");
  if (trials == 0) return {detail::nan, detail::nan, detail::nan, level};
  const auto x = static_cast<double>(successes), n = static_cast<double>(trials);
  const double tail = (1 - level) / 2;
  // Both functions fall with p: from 1 to 0.
  const auto below = [&](double p) { return mtlx::detail::incomplete_beta(n - x + 1, x, 1 - p, p); };  // P(X < x)
  const auto at_most = [&](double p) { return mtlx::detail::incomplete_beta(n - x, x + 1, 1 - p, p); };
  return {x / n, successes == 0 ? 0 : mtlx::detail::critical(below, 1 - tail),
          successes == trials ? 1 : mtlx::detail::critical(at_most, tail), level};
}

/// The exact two-sided binomial test that successes and failures are equally likely. Throws `Error` for more successes than trials.
[[gnu::cold, gnu::noinline]] inline TestResult binomial_test(std::size_t successes, std::size_t trials) {
  if (successes > trials) fail("binomial_test: ", successes, " successes in ", trials, " trials");
  TestResult result{.test = "the exact binomial test", .count = trials, .statistic = static_cast<double>(successes)};
  result.smallest_p = detail::smallest_of_signs(trials, Alternative::two_sided);
  if (trials == 0) result.note = "no test: there is nothing but ties";
  const std::size_t fewer = std::min(successes, trials - successes);
  const auto x = static_cast<double>(fewer), n = static_cast<double>(trials);
  if (2 * fewer + 1 < trials) result.p = 2 * mtlx::detail::incomplete_beta(n - x, x + 1, 0.5, 0.5);  // else 1
  return result;
}

inline double Preference::p() const {
  double largest = -1;
  for (const Majorities* m : {&judges, &photos}) {
    if (m->first + m->second + m->even < 2) continue;
    const bool agrees = wins > losses ? m->first > m->second : wins < losses && m->first < m->second;
    largest = std::max(largest, agrees ? m->test.p : 1);
  }
  return largest < 0 ? 1 : largest;
}

/// The first of two methods against the second. Answers on other methods are passed over; both names must be in some answer.
/// Throws `Error` if there is none on the two.
[[gnu::cold, gnu::noinline]] inline Preference preference(const std::vector<Judgement>& judgements,
                                                          const std::string& first, const std::string& second,
                                                          double level = 0.95) {
  Preference result{.first = first, .second = second};
  std::vector<Judgement> on;
  for (const Judgement& j : judgements)
    if ((j.left == first && j.right == second) || (j.left == second && j.right == first)) on.push_back(j);
  if (on.empty()) fail("preference: no answer on \"", first, "\" and \"", second, "\"");
  std::vector<int> points;  // for the first
  for (const Judgement& j : on)
    points.push_back(j.choice == Choice::tie ? 0 : (j.choice == Choice::left) == (j.left == first) ? 1 : -1);
  const auto count = [](const std::vector<int>& numbers, int sign) {
    std::size_t found = 0;
    for (const int n : numbers) found += (n > 0) - (n < 0) == sign;
    return found;
  };
  result.wins = count(points, 1), result.losses = count(points, -1), result.ties = count(points, 0);
  result.share = clopper_pearson(result.wins, result.wins + result.losses, level);
  result.pooled = binomial_test(result.wins, result.wins + result.losses);
  for (auto [to, name] : {std::pair{&result.judges, &detail::judge_of}, std::pair{&result.photos, &detail::photo_of}}) {
    const detail::Names clusters(on, name);
    std::vector<int> sums(clusters.names.size());
    for (std::size_t i = 0; i < on.size(); ++i) sums[clusters.of[i]] += points[i];
    *to = {count(sums, 1), count(sums, -1), count(sums, 0), {}};
    to->test = binomial_test(to->first, to->first + to->second);
    if (to->test.note.empty())
      to->test.test = "the sign test";
    else
      to->test.note = "no test: none prefers either";
  }
  return result;
}

namespace detail {

// Why the likelihood of strengths has no maximum, or nothing. won(i, j): answers for i over j, ties too.
[[gnu::cold, gnu::noinline]] inline std::string no_strengths(const std::vector<std::string>& methods,
                                                             const std::vector<double>& won) {
  const std::size_t k = methods.size();
  // above[i k + j]: a chain of wins leads from i to j; known: a chain of answers.
  std::vector<bool> above(k * k), known(k * k);
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j) {
      above[i * k + j] = i == j || won[i * k + j] > 0;
      known[i * k + j] = above[i * k + j] || won[j * k + i] > 0;
    }
  for (std::size_t m = 0; m < k; ++m)
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j) {
        if (above[i * k + m] && above[m * k + j]) above[i * k + j] = true;
        if (known[i * k + m] && known[m * k + j]) known[i * k + j] = true;
      }
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j)
      if (!known[i * k + j])
        return join("\"", methods[i], "\" and \"", methods[j],
                    "\" were never compared, not even by way of others: there are no strengths on one scale");
  for (std::size_t i = 0; i < k; ++i) {
    std::vector<std::string> best;
    bool unbeaten = true;  // by anyone whom this one does not reach back to
    for (std::size_t j = 0; j < k; ++j) {
      if (above[j * k + i] && !above[i * k + j]) unbeaten = false;
      if (above[j * k + i] && above[i * k + j]) best.push_back(join("\"", methods[j], "\""));
    }
    if (unbeaten && best.size() < k)
      return join(listed(best), " won all ", best.size() == 1 ? "its" : "their",
                  " comparisons with the others: so strong that there is no finite estimate of the strengths");
  }
  return "";
}

}  // namespace detail

inline Interval BradleyTerry::preferred(std::size_t i, std::size_t j) const {
  const std::size_t k = methods.size();
  if (!finite()) fail("preferred: there are no strengths: ", note);
  if (i >= k || j >= k || i == j) fail("preferred: methods ", i, " and ", j, " of ", k, ", expected two of them");
  const double d = strengths[i].estimate - strengths[j].estimate;
  const double variance = covariance[i * k + i] + covariance[j * k + j] - 2 * covariance[i * k + j];
  const auto share = [](double b) { return 1 / (1 + std::exp(-b)); };
  const bool known = strengths[i].known();
  const double reach = critical * std::sqrt(std::max(variance, 0.0));
  return {share(d), known ? share(d - reach) : detail::nan, known ? share(d + reach) : detail::nan, level};
}

/// Bradley and Terry's strengths of all methods in the answers, see the head of this file. A method that always wins has none:
/// `note` says so, and the strengths are NaN. Throws `Error` for less than two methods and a level outside (0, 1).
[[gnu::cold, gnu::noinline]] inline BradleyTerry bradley_terry(const std::vector<Judgement>& judgements,
                                                               const BradleyTerryOptions& options = {}) {
  detail::check_level("bradley_terry", options.level);
  BradleyTerry result;
  result.level = options.level, result.clustered = options.clusters;
  for (const Judgement& j : judgements)
    for (const std::string* method : {&j.left, &j.right})
      if (std::find(result.methods.begin(), result.methods.end(), *method) == result.methods.end())
        result.methods.push_back(*method);
  std::sort(result.methods.begin(), result.methods.end());
  const std::size_t k = result.methods.size();
  if (k < 2) fail("bradley_terry: ", k, " methods in ", judgements.size(), " answers, expected two or more");

  struct Row {
    std::size_t left, right, cluster;
    double won;  // by the left one
  };
  const detail::Names clusters(judgements,
                               options.clusters == Clustered::photos ? &detail::photo_of : &detail::judge_of);
  const auto place = [&](const std::string& method) {
    return static_cast<std::size_t>(std::lower_bound(result.methods.begin(), result.methods.end(), method) -
                                    result.methods.begin());
  };
  std::vector<Row> rows;
  std::vector<double> won(k * k);
  result.wins.assign(k, 0);
  result.answers.assign(k, 0);
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    const Judgement& j = judgements[i];
    const Row row{place(j.left), place(j.right), options.clusters == Clustered::answers ? i : clusters.of[i],
                  j.choice == Choice::left    ? 1
                  : j.choice == Choice::right ? 0
                                              : 0.5};
    if (row.left == row.right) fail("bradley_terry: answer ", i, " has \"", j.left, "\" on both sides");
    won[row.left * k + row.right] += row.won, won[row.right * k + row.left] += 1 - row.won;
    result.wins[row.left] += row.won, result.wins[row.right] += 1 - row.won;
    result.answers[row.left] += 1, result.answers[row.right] += 1;
    result.ties += j.choice == Choice::tie;
    rows.push_back(row);
  }
  result.clusters = options.clusters == Clustered::answers ? rows.size() : clusters.names.size();
  result.strengths.assign(k, {detail::nan, detail::nan, detail::nan, options.level});
  result.note = detail::no_strengths(result.methods, won);
  if (!result.note.empty()) return result;

  using grouping::detail::Matrix;
  const auto at = [](std::size_t i) { return static_cast<grouping::detail::Index>(i); };
  const Matrix zeros = Matrix::Zero(at(k), 1);
  Matrix b = zeros, gradient = zeros, information = Matrix::Zero(at(k), at(k));
  const auto softplus = [](double x) { return x > 40 ? x : std::log1p(std::exp(x)); };
  const auto log_likelihood = [&](const Matrix& strengths) {
    double sum = 0;
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j)
        if (i != j && won[i * k + j] > 0) sum -= won[i * k + j] * softplus(strengths(at(j)) - strengths(at(i)));
    return sum;
  };
  double best = log_likelihood(b);
  // Where the sum of strengths is fixed, adding ones leaves it so and makes the information one that can be inverted.
  for (int step = 0; step < 200; ++step) {
    gradient = zeros;
    information.setConstant(1 / static_cast<double>(k));
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const double n = won[i * k + j] + won[j * k + i], p = 1 / (1 + std::exp(b(at(j)) - b(at(i))));
        const double residual = won[i * k + j] - n * p, weight = n * p * (1 - p);
        gradient(at(i)) += residual, gradient(at(j)) -= residual;
        information(at(i), at(i)) += weight, information(at(j), at(j)) += weight;
        information(at(i), at(j)) -= weight, information(at(j), at(i)) -= weight;
      }
    Matrix move = grouping::detail::Root(information).solve(gradient);
    if (grouping::detail::squares(move) < 1e-26) break;
    // Rounding may make the last steps look like losses.
    const double least = best - 1e-12 * std::abs(best);
    double next = log_likelihood(b + move);
    for (int halving = 0; halving < 60 && next < least; ++halving) move /= 2, next = log_likelihood(b + move);
    b += move;
    best = next;
  }
  Matrix covariance = grouping::detail::Root(information).solve(Matrix::Identity(at(k), at(k)));
  covariance.array() -= 1 / static_cast<double>(k);
  double quantile = normal_critical((1 - options.level) / 2);
  if (options.clusters != Clustered::answers) {
    Matrix scores = Matrix::Zero(at(k), at(result.clusters));
    for (const Row& row : rows) {
      const double residual = row.won - 1 / (1 + std::exp(b(at(row.right)) - b(at(row.left))));
      scores(at(row.left), at(row.cluster)) += residual;
      scores(at(row.right), at(row.cluster)) -= residual;
    }
    const auto count = static_cast<double>(result.clusters);
    const Matrix half = grouping::detail::times(covariance, scores);
    const char* const one = options.clusters == Clustered::judges ? "judge" : "photo";
    if (result.clusters < 2) {
      result.note = join("one ", one, " alone: no interval, which needs two or more of them");
    } else if (grouping::detail::squares(half) < 1e-20 * covariance.trace()) {
      result.note =
          join("all ", result.clusters, " ", one, "s answered alike: no interval, which rests on how they differ");
    } else {
      covariance = grouping::detail::times(half, half.transpose()) * (count / (count - 1));
      quantile = t_critical((1 - options.level) / 2, count - 1);
    }
  }
  result.critical = quantile;
  for (std::size_t i = 0; i < k; ++i) {
    const double reach = quantile * std::sqrt(std::max(covariance(at(i), at(i)), 0.0));
    const bool known = result.note.empty();
    result.strengths[i] = {b(at(i)), known ? b(at(i)) - reach : detail::nan, known ? b(at(i)) + reach : detail::nan,
                           options.level};
    for (std::size_t j = 0; j < k; ++j) result.covariance.push_back(covariance(at(i), at(j)));
  }
  return result;
}

/// Two methods in words: counts, share with its interval, the tests over judges and photos, and what follows at the interval's
/// level.
[[gnu::cold, gnu::noinline]] inline std::string words(const Preference& found) {
  const std::size_t decided = found.wins + found.losses;
  const double level = 1 - found.share.level;
  std::string text = join("\"", found.first, "\" was preferred over \"", found.second, "\" in ", found.wins, " of ",
                          detail::counted(decided, "answer", "answers"));
  if (found.share.known())
    text += join(" (", detail::fixed(100 * found.share.estimate, 0), " %; ", 100 * found.share.level,
                 " % interval, were all answers independent, ", detail::fixed(100 * found.share.lower, 0), " to ",
                 detail::fixed(100 * found.share.upper, 0), " %)");
  if (found.ties > 0) text += join(", with ", detail::counted(found.ties, "tie", "ties"), " beside");
  text += ". ";
  const auto majority = [&](const Majorities& m, const char* one, const char* many) {
    const std::size_t all = m.first + m.second + m.even;
    if (all < 2) return join("There is one ", one, ": nothing is known of other ", many, ". ");
    std::string part = join(m.first, " of ", all, " ", many, " prefer it, ", m.second, " the other");
    if (m.even > 0) part += join(", ", m.even, " neither");
    return part + join(" (", m.test.note.empty() ? p_text(m.test, level) : m.test.note, "). ");
  };
  text += majority(found.judges, "judge", "judges") + majority(found.photos, "photo", "photos");
  const bool alone = found.judges.first + found.judges.second + found.judges.even < 2 ||
                     found.photos.first + found.photos.second + found.photos.even < 2;
  if (found.verdict() == 0) return text + "So it cannot be told which one people prefer.";
  return text + join("So \"", found.verdict() > 0 ? found.first : found.second, "\" is preferred",
                     alone ? ", as far as these answers reach." : ".");
}

/// Strengths in words, the strongest first.
[[gnu::cold, gnu::noinline]] inline std::string words(const BradleyTerry& found) {
  if (!found.finite()) return join("No strengths: ", found.note, ".");
  std::vector<std::size_t> order(found.methods.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return found.strengths[a].estimate > found.strengths[b].estimate;
  });
  std::vector<std::string> items;
  for (const std::size_t i : order) {
    const Interval& s = found.strengths[i];
    items.push_back(join(
        "\"", found.methods[i], "\" ", detail::signed_fixed(s.estimate, 2),
        s.known() ? join(" (", detail::signed_fixed(s.lower, 2), " to ", detail::signed_fixed(s.upper, 2), ")") : ""));
  }
  std::string over;
  if (found.clustered != Clustered::answers)
    over = join(" over ", found.clusters, found.clustered == Clustered::judges ? " judges" : " photos",
                found.clusters < 10 ? " (too narrow, with fewer than ten)" : "");
  return join("Strengths in log odds, mean 0",
              found.note.empty() ? join(", ", 100 * found.level, " % intervals", over) : "",
              ", a tie as half a win: ", detail::listed(items), found.note.empty() ? "." : join("; ", found.note, "."));
}

/// Who judged, and who did not look, in words.
[[gnu::cold, gnu::noinline]] inline std::string words(const Answers& answers) {
  std::size_t missed = 0, same = 0, tied = 0, left = 0, spoilt = 0;
  std::vector<std::string> names;
  for (const Attention& a : answers.judges) {
    if (!a.looked()) names.push_back(join("\"", a.judge, "\" (", a.missed, " of ", a.spoilt, ")"));
    missed += !a.looked(), same += a.same, tied += a.tied, left += a.left, spoilt += a.spoilt;
  }
  std::string text = join(detail::counted(answers.judges.size(), "judge", "judges"), " gave ",
                          detail::counted(answers.judgements.size(), "answer", "answers"), ", ", left,
                          " of them for the picture on the left. ");
  if (same > 0) text += join("Of ", same, " pairs of the same picture ", tied, " were called a tie. ");
  if (spoilt == 0) return text + "No spoilt picture was asked about: nothing says who looked.";
  return text + (missed == 0 ? std::string("Nobody missed a spoilt picture.")
                             : join(missed, missed == 1 ? " judge" : " judges",
                                    " did not choose the sound one beside a spoilt picture, and did not look: ",
                                    detail::listed(names), "."));
}

}  // namespace mtlx::study
