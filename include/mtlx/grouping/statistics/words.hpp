// SPDX-License-Identifier: MIT
// What tests of affinities found, in words, as CSV and as a table: what is certain, what isn't, and of which runs it holds.
#pragma once

#include <cstddef>
#include <limits>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/statistics/intervals.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtlx::grouping {

/// The last sentence of everything that is said of affinities and groups.
inline constexpr std::string_view no_cause =
    "This says what steps and trainings did to losses in these runs, with these data and this network. It is no cause, "
    "and "
    "no likeness of tasks, people or diseases.\n";

namespace detail {

[[gnu::cold, gnu::noinline]] inline void check_names(const char* of, std::span<const std::string_view> names,
                                                     std::size_t tasks) {
  if (names.size() != tasks) fail(of, ": ", names.size(), " names for ", tasks, " tasks");
}

/// `left + right`.
[[gnu::cold, gnu::noinline]] inline std::string names_of(TaskSet set, std::span<const std::string_view> names) {
  std::string text;
  for (std::size_t t = 0; t < names.size(); ++t)
    if (set.has(t)) text += (text.empty() ? "" : " + ") + std::string(names[t]);
  return text;
}
[[gnu::cold]] inline std::string partners_of(const Relation& r, std::span<const std::string_view> names) {
  return r.partners.empty() ? std::string(names[r.acting]) : names_of(r.partners, names);
}

/// Of which runs it holds.
[[gnu::cold]] inline std::string kind_of(const Relations& relations) {
  return relations.within_run ? "within this run" : join("over ", relations.runs, " runs");
}
[[gnu::cold]] inline const char* word_of(Verdict verdict, bool contrasts) {
  if (verdict == Verdict::cannot_tell) return "cannot tell";
  if (contrasts) return verdict == Verdict::helps ? "helps more" : "helps less";
  return verdict == Verdict::helps ? "helps" : "hurts";
}

}  // namespace detail

/// The relations in words: the ones that are told, with their intervals and adjusted p; how many are not, and why.
[[gnu::cold, gnu::noinline]] inline std::string relations_words(const Relations& relations,
                                                                std::span<const std::string_view> names) {
  detail::check_names("relations_words", names, relations.tasks);
  const std::size_t told = relations.told(), count = relations.all.size();
  const bool pairs = count == 0 || relations.all[0].partners.empty();
  std::string text = join(relations.within_run ? "Within this run" : join("Over ", relations.runs, " runs"), ", ",
                          told > 0 ? join(told) : std::string("none"), " of ", count, pairs ? " pairs" : " questions",
                          " can be told from chance (Holm's correction, ", 100 * relations.level,
                          " % over all of them)", told > 0 ? ":" : ".", "\n");
  for (const Relation& r : relations.all) {
    if (r.verdict == Verdict::cannot_tell) continue;
    const bool more = r.verdict == Verdict::helps;
    text += join("  ", detail::partners_of(r, names), more || relations.contrasts ? " helps " : " hurts ",
                 names[r.affected]);
    if (relations.contrasts) text += more ? " more than its other partners do" : " less than its other partners do";
    text += join(": ", r.mean, ", from ", r.lower, " to ", r.upper, " (", 100 * (1 - relations.level),
                 " %), adjusted p ", r.p_holm, relations.within_run ? ", within this run" : "", "\n");
  }
  if (told < count)
    text += join(told > 0 ? "Nothing can be said of the rest: " : "Nothing can be said of them: ",
                 "that is no evidence that there is no difference. A mean has to be ", relations.needed,
                 " standard deviations of ", relations.within_run ? "block means" : "runs", " from 0 to be told.\n");
  if (!relations.contrasts)
    text += "These are values as measured, not contrasts: what all partners have in common is in them.\n";
  if (!relations.note.empty()) text += "Mind: " + relations.note + ".\n";
  return text + std::string(no_cause);
}

/// One line a relation; the first line names the columns. A number that isn't there is empty.
[[gnu::cold, gnu::noinline]] inline std::string relations_csv(const Relations& relations,
                                                              std::span<const std::string_view> names) {
  detail::check_names("relations_csv", names, relations.tasks);
  std::string text =
      "affected,acting,holds,values,numbers,mean,lower,upper,level,t,p,p_holm,p_bh,autocorrelation_time,"
      "blocks_too_short,verdict\n";
  const std::string kind = detail::kind_of(relations);
  for (const Relation& r : relations.all) {
    text += csv_text(names[r.affected]) + ',' + csv_text(detail::partners_of(r, names)) + ',' + kind + ',' +
            (relations.contrasts ? "row contrast" : "as measured") + ',' + join(r.count);
    for (const double number : {r.mean, r.lower, r.upper, 1 - relations.level, r.t, r.p, r.p_holm, r.p_bh})
      text += ',' + csv_number(number);
    text += ',' + (relations.within_run ? csv_number(r.autocorrelation_time) : "") + ',' +
            (relations.within_run ? (r.blocks_too_short ? "yes" : "no") : "") + ',' +
            detail::word_of(r.verdict, relations.contrasts) + '\n';
  }
  return text;
}

/// Relations of all pairs as a table for people: means, intervals and Holm's p. Its title says of which runs it holds.
/// Throws `Error` for relations that are not of all pairs.
[[gnu::cold, gnu::noinline]] inline Table relations_table(const Relations& relations,
                                                          std::span<const std::string_view> names) {
  detail::check_names("relations_table", names, relations.tasks);
  const std::size_t tasks = relations.tasks;
  Table table{.title = (relations.contrasts ? "row contrasts, " : "affinities, ") + detail::kind_of(relations),
              .tasks = {names.begin(), names.end()},
              .values = std::vector<double>(tasks * tasks, std::numeric_limits<double>::quiet_NaN())};
  table.lower = table.upper = table.p = table.values;
  for (std::size_t affected = 0; affected < tasks; ++affected)
    for (std::size_t acting = 0; acting < tasks; ++acting) {
      if (affected == acting) continue;
      const Relation& r = relations.at(affected, acting);
      const std::size_t cell = affected * tasks + acting;
      table.values[cell] = r.mean, table.lower[cell] = r.lower, table.upper[cell] = r.upper, table.p[cell] = r.p_holm;
    }
  return table;
}

}  // namespace mtlx::grouping
