// SPDX-License-Identifier: MIT
// A study as files: for people (HTML, Markdown), for programs (CSV, JSON) and for TensorBoard.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/json.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/document.hpp>
#include <mtlx/study/findings.hpp>
#include <mtlx/study/html.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/tensorboard.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if MTLX_CORE_POSIX
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace mtlx::study {

struct ReportOptions {
  double level = 0.95;      ///< of intervals; tests reject below 1 - level
  double start_time = 0;    ///< seconds since 1970, for TensorBoard; each epoch counts as a second more
  bool tensorboard = true;  ///< whether event files are written
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline std::string markdown(const Table& table) {
  std::string out = table.caption.empty() ? "" : join("**", markdown_text(table.caption), "**\n\n");
  std::vector<bool> shown;
  for (std::size_t c = 0; c < table.header.size(); ++c) {
    bool picture = false;
    for (const auto& row : table.rows) picture = picture || (c < row.size() && !row[c].svg.empty());
    shown.push_back(!picture);
  }
  std::string rule = "|";
  out += "|";
  for (std::size_t c = 0; c < table.header.size(); ++c) {
    if (!shown[c]) continue;
    out += join(" ", markdown_text(table.header[c]), " |");
    rule += !table.rows.empty() && c < table.rows[0].size() && table.rows[0][c].is_number ? "---:|" : "---|";
  }
  out += join("\n", rule, "\n");
  for (const auto& row : table.rows) {
    out += "|";
    for (std::size_t c = 0; c < table.header.size(); ++c) {
      if (c >= shown.size() || !shown[c]) continue;
      const Cell cell = c < row.size() ? row[c] : Cell{};
      out += join(" ", markdown_text(cell.text), cell.note.empty() ? "" : " (", markdown_text(cell.note),
                  cell.note.empty() ? "" : ")", cell.mark.empty() || cell.text.empty() ? "" : ", ", cell.mark, " |");
    }
    out += "\n";
  }
  return out + "\n";
}

/// The report as Markdown; charts as their numbers.
[[gnu::cold, gnu::noinline]] inline std::string markdown(const Document& document) {
  std::string out = join("# ", markdown_text(document.title), "\n\n");
  if (!document.data.empty()) out += join(markdown_text(document.data), "\n\n");
  for (const std::string& sentence : document.answer) out += join(markdown_text(sentence), "\n\n");
  for (const std::string& remark : document.remarks) out += join(markdown_text(remark), "\n\n");
  for (const Section& section : document.sections) {
    out += join("## ", markdown_text(section.title), "\n\n");
    if (section.pictures) out += "Pictures stand in report.html.\n\n";
    for (const std::string& text : section.paragraphs) out += join(markdown_text(text), "\n\n");
    for (const Table& table : section.tables) out += markdown(table);
    for (const Figure& figure : section.figures)
      out += join("**", markdown_text(figure.chart.title), "**\n\n", markdown(figure.numbers));
    for (const std::string& text : section.notes) out += join(markdown_text(text), "\n\n");
  }
  return out;
}

// A row a candidate and metric of a task, and one for either kind of delta.
[[gnu::cold, gnu::noinline]] inline std::string results_csv(const Study& study, const Findings& found) {
  std::string out =
      "strategy,task,metric,higher_is_better,runs,mean,lower,upper,pairs,gain_positive_is_better,gain_lower,gain_upper,"
      "p,p_holm,p_no_worse_holm,no_worse_lower,missing_pairs,verdict\n";
  const auto numbers = [](const Estimate& e) {
    return join(csv_number(e.mean), ",", csv_number(e.lower), ",", csv_number(e.upper));
  };
  constexpr const char* no_test = ",,,,,,,,,,\n";
  for (std::size_t c = 0; c < study.candidates.size(); ++c) {
    const std::string name = csv_name(study.candidates[c].name);
    std::size_t further = 0;
    const auto compared = [&](const Comparison& d) {
      if (c == 0) return std::string(",,,,,,,,,baseline\n");
      return join(d.difference.count, ",", numbers(d.difference), ",", csv_number(d.p), ",", csv_number(d.adjusted_p),
                  ",", csv_number(d.no_worse_p), ",", csv_number(d.no_worse_lower), ",", d.missing.size(), ",",
                  words(d.verdict), "\n");
    };
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      const TaskRecord& task = study.tasks[t];
      out += join(name, ",", csv_name(task.name), ",", csv_name(task.metric), ",", task.higher_is_better ? "1," : "0,",
                  found.metrics[c][t].count, ",", numbers(found.metrics[c][t]), ",", compared(found.gains[c][t]));
      for (const MetricRecord& metric : task.more) {
        const Estimate& e = found.more[c][further++];
        out += join(name, ",", csv_name(task.name), ",", csv_name(metric.name), ",",
                    metric.higher_is_better ? "1," : "0,", e.count, ",", numbers(e), no_test);
      }
    }
    if (c == 0) continue;
    const Comparison& d = found.delta[c];
    const Estimate& flat = found.delta_flat[c];
    out += join(name, ",,", csv_name(delta_m_header), ",1,", d.difference.count, ",", numbers(d.difference), ",",
                compared(d));
    out += join(name, ",,", csv_name(delta_m_flat_header), ",0,", flat.count, ",", numbers(flat), no_test);
  }
  return out;
}

[[gnu::cold, gnu::noinline]] inline std::string runs_csv(const Study& study, const Findings& found) {
  std::string out = "strategy,split,seed";
  for (const TaskRecord& task : study.tasks) {
    out += join(",", csv_name(join(task.name, " ", task.metric)), ",", csv_name(join(task.name, " loss")), ",",
                csv_name(join(task.name, " validation ", task.metric)));
    for (const MetricRecord& more : task.more) out += join(",", csv_name(join(task.name, " ", more.name)));
  }
  out += join(",", csv_name(delta_m_header), ",", csv_name(delta_m_flat_header), ",error\n");
  for (std::size_t r = 0; r < study.runs.size(); ++r) {
    const RunRecord& run = study.runs[r];
    out += join(csv_name(study.candidates[run.candidate].name), ",", run.split, ",", run.seed);
    const auto number = [](const std::vector<double>& numbers, std::size_t i) {
      return join(",", i < numbers.size() ? csv_number(numbers[i]) : "");
    };
    std::size_t further = 0;
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      out += number(run.metrics, t) + number(run.losses, t) + number(run.validation_metrics, t);
      for (std::size_t m = 0; m < study.tasks[t].more.size(); ++m) out += number(run.more_metrics, further++);
    }
    out += join(",", csv_number(found.run_delta[r]), ",", csv_number(found.run_delta_flat[r]), ",", csv_name(run.error),
                "\n");
  }
  return out;
}

[[gnu::cold, gnu::noinline]] inline std::string curves_csv(const Study& study) {
  std::string out =
      "strategy,split,seed,epoch,task,metric,loss,validation_loss,validation_metric,weight,gradient_length\n";
  const auto number = [](const std::vector<double>& numbers, std::size_t t) {
    return t < numbers.size() ? csv_number(numbers[t]) : std::string();
  };
  for (const RunRecord& run : study.runs)
    for (const EpochRecord& epoch : run.epochs)
      for (std::size_t t = 0; t < study.tasks.size(); ++t)
        out +=
            join(csv_name(study.candidates[run.candidate].name), ",", run.split, ",", run.seed, ",", epoch.epoch, ",",
                 csv_name(study.tasks[t].name), ",", csv_name(study.tasks[t].metric), ",", number(epoch.losses, t), ",",
                 number(epoch.validation_losses, t), ",", number(epoch.validation_metrics, t), ",",
                 number(epoch.weights, t), ",", number(epoch.lengths, t), "\n");
  return out;
}

// A row a pair of tasks, each pair in both orders, where an epoch has a number of it.
[[gnu::cold, gnu::noinline]] inline std::string conflicts_csv(const Study& study) {
  std::string out = "strategy,split,seed,epoch,task,other_task,cosine,conflicts\n";
  const std::size_t tasks = study.tasks.size();
  const auto number = [](const std::vector<double>& numbers, std::size_t i) {
    return i < numbers.size() ? csv_number(numbers[i]) : std::string();
  };
  for (const RunRecord& run : study.runs)
    for (const EpochRecord& epoch : run.epochs)
      for (std::size_t i = 0; i < tasks * tasks; ++i) {
        const std::string cosine = number(epoch.cosines, i), conflicts = number(epoch.conflicts, i);
        if (i / tasks == i % tasks || (cosine.empty() && conflicts.empty())) continue;
        out += join(csv_name(study.candidates[run.candidate].name), ",", run.split, ",", run.seed, ",", epoch.epoch,
                    ",", csv_name(study.tasks[i / tasks].name), ",", csv_name(study.tasks[i % tasks].name), ",", cosine,
                    ",", conflicts, "\n");
      }
  return out;
}

// A row a strategy and task, where the test set has clusters.
[[gnu::cold, gnu::noinline]] inline std::string clusters_csv(const Study& study, const Findings& found) {
  std::string out =
      "strategy,task,metric,clusters,gain_positive_is_better,lower,upper,p,p_holm,missing_pairs,verdict\n";
  for (std::size_t c = 1; c < found.cluster_gains.size(); ++c)
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      const Comparison& gain = found.cluster_gains[c][t];
      out +=
          join(csv_name(study.candidates[c].name), ",", csv_name(study.tasks[t].name), ",",
               csv_name(study.tasks[t].metric), ",", gain.difference.count, ",", csv_number(gain.difference.mean), ",",
               csv_number(gain.difference.lower), ",", csv_number(gain.difference.upper), ",", csv_number(gain.p), ",",
               csv_number(gain.adjusted_p), ",", gain.missing.size(), ",", words(gain.verdict), "\n");
    }
  return out;
}

// A row a task and method of each figure of gains.
[[gnu::cold, gnu::noinline]] inline std::string gains_csv(const Study& study) {
  std::string out = join("title,", gain_header);
  for (const GainRecord& record : study.task_gains) out += gain_rows(record, csv_name(record.title) + ",");
  return out;
}

[[gnu::cold, gnu::noinline]] inline std::string times_csv(const Study& study) {
  std::string out = "strategy,split,seed,train_seconds,predict_microseconds\n";
  for (const RunRecord& run : study.runs) {
    const CandidateRecord& candidate = study.candidates[run.candidate];
    out += join(csv_name(candidate.name), ",", run.split, ",", run.seed, ",", csv_number(run.train_seconds), ",",
                csv_number(candidate.predict_microseconds), "\n");
  }
  return out;
}

/// "[1, 2]", of whatever `item` writes.
template <class Items, class Write>
std::string json_list(const Items& items, const Write& item, const char* between = ", ") {
  std::string out = "[";
  bool first = true;
  for (const auto& one : items) {
    out += first ? "" : between;
    out += item(one);
    first = false;
  }
  return out + "]";
}
[[gnu::cold]] inline std::string json_safe(const std::string& text) { return json_text(valid_utf8(text)); }
[[gnu::cold]] inline std::string json_numbers(const std::vector<double>& numbers) {
  return json_list(numbers, json_number);
}
[[gnu::cold]] inline std::string json_settings(const std::vector<std::pair<std::string, std::string>>& settings) {
  return json_list(
      settings, [](const auto& pair) { return join("[", json_safe(pair.first), ", ", json_safe(pair.second), "]"); });
}
[[gnu::cold]] inline std::string json_estimate(const Estimate& e) {
  return join("\"count\": ", e.count, ", \"mean\": ", json_number(e.mean), ", \"lower\": ", json_number(e.lower),
              ", \"upper\": ", json_number(e.upper));
}
[[gnu::cold]] inline std::string json_comparison(const Comparison& c) {
  return join("{", json_estimate(c.difference), ", \"p\": ", json_number(c.p),
              ", \"p_holm\": ", json_number(c.adjusted_p), ", \"p_no_worse_holm\": ", json_number(c.no_worse_p),
              ", \"no_worse_lower\": ", json_number(c.no_worse_lower), ", \"pairs\": ", c.pairs,
              ", \"missing\": ", json_list(c.missing, [](const std::string& why) { return json_safe(why); }),
              ", \"verdict\": \"", words(c.verdict), "\"}");
}

/// All of the study but pictures and times, and what follows from it.
[[gnu::cold, gnu::noinline]] inline std::string json(const Study& study, const Findings& found) {
  const auto text = [](const std::string& t) { return json_safe(t); };
  std::string out =
      join("{\"title\": ", text(study.title), ",\n\"data\": ", text(study.data),
           ",\n\"test_to_train\": ", json_number(study.test_to_train), ", \"margin\": ", json_number(study.margin),
           ", \"level\": ", json_number(found.level), ",\n\"answer\": ", json_list(answer(study, found), text),
           ",\n\"settings\": ", json_settings(study.settings), ",\n\"tasks\": ");
  out += json_list(
      study.tasks,
      [&](const TaskRecord& task) {
        return join("{\"name\": ", text(task.name), ", \"metric\": ", text(task.metric),
                    ", \"higher_is_better\": ", task.higher_is_better ? "true" : "false", ", \"more\": ",
                    json_list(task.more,
                              [&](const MetricRecord& more) {
                                return join("{\"name\": ", text(more.name),
                                            ", \"higher_is_better\": ", more.higher_is_better ? "true}" : "false}");
                              }),
                    "}");
      },
      ",\n  ");
  out += ",\n\"candidates\": ";
  std::size_t c = 0;
  out += json_list(
      study.candidates,
      [&](const CandidateRecord& candidate) {
        std::string one = join(
            "{\"name\": ", text(candidate.name), ", \"type\": ", text(candidate.type),
            ", \"settings\": ", json_settings(candidate.settings), ", \"tries\": ", candidate.tries,
            ", \"try_scores\": ", json_numbers(candidate.try_scores), ", \"parameters\": ", candidate.parameters,
            ", \"multiply_adds\": ", json_number(candidate.multiply_adds), ", \"bytes\": ", candidate.bytes,
            ", \"groups\": ", json_list(candidate.groups, [&](const auto& group) { return json_list(group, text); }),
            ",\n    \"rank\": ", json_number(found.ranks[c]), ", \"failed\": ", found.failed[c],
            ", \"delta_m_percent_positive_is_better\": ", json_comparison(found.delta[c]),
            ", \"delta_m_flat_percent_negative_is_better\": {", json_estimate(found.delta_flat[c]),
            "},\n    \"metrics\": ",
            json_list(found.metrics[c], [](const Estimate& e) { return join("{", json_estimate(e), "}"); }),
            ", \"more_metrics\": ",
            json_list(found.more[c], [](const Estimate& e) { return join("{", json_estimate(e), "}"); }),
            ",\n    \"gradient_cosines\": ", json_numbers(pair_means(study, c, &EpochRecord::cosines)),
            ", \"gradient_conflicts\": ", json_numbers(pair_means(study, c, &EpochRecord::conflicts)),
            ",\n    \"gains_positive_is_better\": ", json_list(found.gains[c], json_comparison));
        if (!found.cluster_gains.empty())
          one +=
              join(",\n    \"cluster_gains_positive_is_better\": ", json_list(found.cluster_gains[c], json_comparison));
        one += '}';
        ++c;
        return one;
      },
      ",\n  ");
  out += ",\n\"runs\": ";
  out += json_list(
      study.runs,
      [&](const RunRecord& run) {
        const auto r = static_cast<std::size_t>(&run - study.runs.data());
        return join("{\"candidate\": ", run.candidate, ", \"split\": ", run.split, ", \"seed\": ", run.seed,
                    ", \"error\": ", run.failed() ? text(run.error) : "null",
                    ", \"groups\": ", run.groups.empty() ? "null" : text(run.groups),
                    ", \"grouping_steps\": ", json_number(run.grouping_steps),
                    ", \"metrics\": ", json_numbers(run.metrics),
                    ", \"more_metrics\": ", json_numbers(run.more_metrics), ", \"losses\": ", json_numbers(run.losses),
                    ", \"delta_m_percent_positive_is_better\": ", json_number(found.run_delta[r]),
                    ", \"delta_m_flat_percent_negative_is_better\": ", json_number(found.run_delta_flat[r]), "}");
      },
      ",\n  ");
  out += ",\n\"matrices\": ";
  out += json_list(
      study.matrices,
      [&](const MatrixRecord& m) {
        return join("{\"title\": ", text(m.title), ", \"rows\": ", text(m.rows), ", \"columns\": ", text(m.columns),
                    ", \"row_names\": ", json_list(m.row_names, text),
                    ", \"column_names\": ", json_list(m.column_names, text), ", \"values\": ", json_numbers(m.values),
                    "}");
      },
      ",\n  ");
  out += ",\n\"task_gains_positive_is_better\": ";
  out += json_list(
      study.task_gains,
      [&](const GainRecord& g) {
        return join("{\"title\": ", text(g.title), ", \"unit\": ", text(g.unit), ", \"over\": ", text(g.baseline),
                    ", \"methods\": ", json_list(g.methods, text), ", \"tasks\": ", json_list(g.tasks, text),
                    ", \"groups\": ", json_list(g.groups, text), ", \"gains\": ", json_numbers(g.gains)) +
               join(", \"lower\": ", json_numbers(g.lower), ", \"upper\": ", json_numbers(g.upper), "}");
      },
      ",\n  ");
  out += join(",\n\"people\": ", json_list(study.people, text));
  return out + "}\n";
}

/// A run's event file.
[[gnu::cold, gnu::noinline]] inline EventFile events(const Study& study, const RunRecord& run, double start_time) {
  EventFile file(start_time);
  std::size_t last = 0;
  for (const EpochRecord& epoch : run.epochs) {
    std::vector<std::pair<std::string, double>> scalars;
    const auto add = [&](std::size_t t, const std::string& what, const std::vector<double>& numbers) {
      if (t < numbers.size()) scalars.emplace_back(join(study.tasks[t].name, "/", what), numbers[t]);
    };
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      add(t, "loss", epoch.losses);
      add(t, "validation_loss", epoch.validation_losses);
      add(t, "validation_" + study.tasks[t].metric, epoch.validation_metrics);
      add(t, "weight", epoch.weights);
      add(t, "gradient_length", epoch.lengths);
    }
    scalars.emplace_back("gradients/cosine", mean_of_pairs(epoch.cosines, study.tasks.size()));
    scalars.emplace_back("gradients/conflicts", mean_of_pairs(epoch.conflicts, study.tasks.size()));
    last = std::max(last, epoch.epoch);
    file.add(start_time + static_cast<double>(epoch.epoch), static_cast<std::int64_t>(epoch.epoch), scalars);
  }
  std::vector<std::pair<std::string, double>> scalars;
  for (std::size_t t = 0; t < run.metrics.size(); ++t)
    scalars.emplace_back(join(study.tasks[t].name, "/test_", study.tasks[t].metric), run.metrics[t]);
  file.add(start_time + static_cast<double>(last), static_cast<std::int64_t>(last), scalars);
  return file;
}

/// The names in a folder; none if there is no such folder, or a link in its place.
[[gnu::cold, gnu::noinline]] inline std::vector<std::string> names_in([[maybe_unused]] const std::string& folder) {
  std::vector<std::string> names;
#if MTLX_CORE_POSIX
  struct stat found{};
  if (lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return names;
  DIR* const open = opendir(folder.c_str());
  if (open == nullptr) fail("cannot read the folder ", folder, ": ", std::strerror(errno));
  while (const dirent* const entry = readdir(open)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(open);
#endif
  return names;
}

/// Removes the event files that a report wrote below tensorboard/, or a run that is no more would still be shown: those of
/// the names that write_report gives, in folders of such names, and the folders if nothing else is in them. (Where there is
/// no POSIX it does nothing.)
[[gnu::cold, gnu::noinline]] inline void clear_events([[maybe_unused]] const std::string& root) {
#if MTLX_CORE_POSIX
  // "split0_seed12" is "split#_seed#".
  const auto shape = [](std::string_view name) {
    std::string out;
    for (const char c : name)
      if (c < '0' || c > '9')
        out += c;
      else if (out.empty() || out.back() != '#')
        out += '#';
    return out;
  };
  for (const std::string& strategy : names_in(root)) {
    if (!shape(strategy).starts_with("#_")) continue;
    const std::string above = join(root, "/", strategy);
    for (const std::string& run : names_in(above)) {
      if (shape(run) != "split#_seed#") continue;
      const std::string folder = join(above, "/", run);
      for (const std::string& name : names_in(folder)) {
        if (!name.starts_with("events.out.tfevents.") || !name.ends_with(".mtlx")) continue;
        const std::string file = join(folder, "/", name);
        if (unlink(file.c_str()) != 0) fail("cannot remove ", file, ": ", std::strerror(errno));
      }
      rmdir(folder.c_str());  // unless something else is in it
    }
    rmdir(above.c_str());
  }
#endif
}

}  // namespace detail

/// The report as one HTML file, which needs nothing else. Throws `Error` if the study's parts don't fit each other.
[[gnu::cold]] inline std::string report_html(const Study& study, const ReportOptions& options = {}) {
  return detail::html(detail::document(study, findings(study, options.level)), study);
}

/// The report as Markdown. Throws `Error` if the study's parts don't fit each other.
[[gnu::cold]] inline std::string report_markdown(const Study& study, const ReportOptions& options = {}) {
  return detail::markdown(detail::document(study, findings(study, options.level)));
}

/// The study without its curves, pictures and times, and what follows from it, as JSON. Throws `Error` as above.
[[gnu::cold]] inline std::string report_json(const Study& study, const ReportOptions& options = {}) {
  return detail::json(study, findings(study, options.level));
}

/// Writes a study's files into a folder, which is made if it is not there:
///   report.html, report.md        for people
///   results.csv                   a row a strategy and task, with intervals and p-values
///   runs.csv, curves.csv          a row a run; a row an epoch and task of a run
///   conflicts.csv                 a row an epoch and pair of tasks of a run, where the balancer saw gradients
///   clusters.csv                  a row a strategy and task, where the test set has clusters
///   gains.csv                     a row a task and method of Study::task_gains
///   study.json                    the study without its curves and pictures, and what follows from it
///   times.csv                     seconds, apart from all else
///   tensorboard/<strategy>/<run>  an event file a run
/// Files of an older report are replaced, and its event files go; nothing else in the folder is touched.
/// The same study gives the same bytes. Times of this machine stand only in times.csv and in the last section of
/// report.html and report.md. Throws `Error` if the study's parts don't fit each other, or if writing fails.
[[gnu::cold, gnu::noinline]] inline void write_report(const Study& study, const std::string& directory,
                                                      const ReportOptions& options = {}) {
  const Findings found = findings(study, options.level);
  const detail::Document document = detail::document(study, found);
  make_folder(directory);
  write_file(directory + "/report.html", detail::html(document, study));
  write_file(directory + "/report.md", detail::markdown(document));
  write_file(directory + "/results.csv", detail::results_csv(study, found));
  write_file(directory + "/runs.csv", detail::runs_csv(study, found));
  write_file(directory + "/curves.csv", detail::curves_csv(study));
  write_file(directory + "/conflicts.csv", detail::conflicts_csv(study));
  write_file(directory + "/clusters.csv", detail::clusters_csv(study, found));
  write_file(directory + "/study.json", detail::json(study, found));
  write_file(directory + "/gains.csv", detail::gains_csv(study));
  write_file(directory + "/times.csv", detail::times_csv(study));
  const std::string root = directory + "/tensorboard";
  detail::clear_events(root);
  if (!options.tensorboard) return;
  make_folder(root);
  for (const RunRecord& run : study.runs) {
    const std::string strategy =
        join(root, "/", run.candidate, "_", detail::folder_name(study.candidates[run.candidate].name));
    const std::string folder = join(strategy, "/split", run.split, "_seed", run.seed);
    make_folder(strategy);
    make_folder(folder);
    detail::events(study, run, options.start_time)
        .write(join(folder, "/events.out.tfevents.", detail::fixed(options.start_time, 0), ".mtlx"));
  }
}

}  // namespace mtlx::study
