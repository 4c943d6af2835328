// SPDX-License-Identifier: MIT
// usage: demo DIRECTORY
//
// Writes reports of invented studies, for scripts/check_report.sh to look at: three tasks, twelve tasks and ten strategies,
// one seed, names that are out to break a page, and one report of four studies; and a page that asks people, with its key.
//
// usage: demo answers KEY FILE...
//
// Says what follows from the answers to that page.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <mtlx/core/file.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/data/image_file.hpp>
#include <mtlx/study/across.hpp>
#include <mtlx/study/blind.hpp>
#include <mtlx/study/contact_sheet.hpp>
#include <mtlx/study/preference.hpp>
#include <mtlx/study/report.hpp>
#include <string>
#include <vector>

namespace {

using namespace mtlx;

std::string fixed(double number) { return study::detail::fixed(number, 2); }

// A picture of waves: smooth ones, or the same with as much noise.
data::ByteImage waves(int height, int width, double noise, std::uint64_t seed) {
  data::ByteImage picture{{3, height, width}, {}};
  Random random(seed, Purpose::sample);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        picture.values.push_back(
            static_cast<std::uint8_t>(128 + 60 * std::sin(0.3 * x + 0.2 * y * (c + 1) + static_cast<double>(seed)) +
                                      noise * (random.uniform() - 0.5)));
  return picture;
}

std::string sheet() {
  study::ContactSheet sheet{"Waves", {"low resolution", "joint", "adaptive", "truth"}, {}};
  for (std::uint64_t seed = 0; seed < 2; ++seed)
    sheet.rows.push_back({join("Task ", seed + 1),
                          {{waves(16, 24, 0, seed), "16 x 24"},
                           {waves(64, 96, 90, seed), "PSNR 21.31 dB\nHaarPSI 0.612"},
                           {waves(64, 96, 40, seed), "PSNR 27.94 dB\nHaarPSI 0.803"},
                           {waves(64, 96, 0, seed), ""}},
                          {20, 20, 16, 32}});
  return data::encode_png(study::contact_sheet(sheet));
}

study::BlindPairs blind() {
  study::BlindPairs pairs{{"plain_continued", "adaptive_groups"}, {}};
  for (std::uint64_t c = 0; c < 4; ++c)
    pairs.crops.push_back(
        {join("crop_", c), join("photo_", c / 2), {waves(48, 64, 90, c), waves(48, 64, 40, c)}, waves(48, 64, 0, c)});
  return pairs;
}

// Invented gains of tasks in groups.
study::GainRecord gains(std::size_t tasks, std::size_t methods, const std::string& name) {
  Random random(11, Purpose::sample);
  study::GainRecord record{join("PSNR of ", tasks, " tasks"), "dB", "joint", {}, {}, {}, {}, {}, {}};
  for (std::size_t t = 0; t < tasks; ++t) {
    record.tasks.push_back(t == 0 ? name : join("blur and noise ", t + 1));
    record.groups.push_back(join("group ", t % 3 + 1));
  }
  for (std::size_t m = 0; m < methods; ++m) {
    record.methods.push_back(m == 0 ? name : join("method ", m + 1));
    for (std::size_t t = 0; t < tasks; ++t) {
      const double gain = 0.2 * random.normal() + 0.1 * static_cast<double>(m);
      record.gains.push_back(t == 3 ? std::nan("") : gain);
      record.lower.push_back(gain - 0.1), record.upper.push_back(gain + 0.1);
    }
  }
  return record;
}

study::Study invented(std::size_t tasks, std::size_t candidates, std::size_t runs, std::size_t epochs, bool hostile) {
  Random random(7, Purpose::sample);
  const auto noise = [&] { return random.uniform() + random.uniform() + random.uniform() - 1.5; };
  study::Study s;
  s.title = hostile ? "<script>alert(1)</script> & \"a title\" | *with* `signs`"
                    : "Hard sharing against single-task networks";
  s.data = "Invented numbers: 10,000 samples to train, 1,000 to validate, 2,000 to test.";
  s.margin = runs == 10 ? 0.5 : 0;
  s.test_to_train = runs == 10 ? 0.2 : 0;
  s.seconds = 83.25;
  const std::vector<std::string> names = {"single-task",       "hard sharing", "hard sharing with PCGrad",
                                          "cross-stitch",      "soft sharing", "expert mixture",
                                          "task attention",    "pruned masks", "grouped in 3",
                                          "uncertainty weight"};
  for (std::size_t t = 0; t < tasks; ++t) {
    std::string name = tasks <= 3 ? std::vector<std::string>{"left", "right", "price"}[t] : join("assay ", t + 1);
    if (hostile && t == 0) name = "<script>alert(1)</script>|,\"";
    if (hostile && t == 1)
      name = "a_name_of_one_word_that_goes_on_and_on_without_an_end_and_without_any_place_to_break_it";
    const bool error = t % 3 == 2;
    s.tasks.push_back({name, error ? "rmse" : tasks <= 3 ? "accuracy" : "roc_auc", !error});
    if (tasks <= 3 && t == 0) s.tasks.back().more = {{"f1", true}, {"log_loss", false}};
  }
  for (std::size_t c = 0; c < candidates; ++c) {
    study::CandidateRecord& candidate = s.candidates.emplace_back();
    candidate.name =
        hostile && c == 1 ? "<b>hard</b>'s_very_long_name_that_can_not_be_broken_anywhere_at_all" : names[c];
    candidate.type =
        "mtlx::MultiTask<mtlx::Input<1, 28, 28>, mtlx::sharing::Hard<mtlx::nn::Sequential<mtlx::nn::Conv2d<10, "
        "5>, mtlx::nn::Relu, mtlx::nn::Dense<50>>>, mtlx::optim::Adam>";
    candidate.settings = {{"optimizer.learning_rate", "0.001"}, {"balancer", c == 2 ? "PcGrad" : "EqualWeights"}};
    candidate.tries = 4;
    candidate.parameters = c == 0 ? 31910 * tasks : 31910 + 2000 * c * tasks;
    candidate.multiply_adds = static_cast<double>(candidate.parameters) * 21.5;
    candidate.bytes = candidate.parameters * 12;
    candidate.predict_microseconds = 31.5 + 7 * static_cast<double>(c);
    if (c == 8) candidate.groups = {{s.tasks[0].name, s.tasks[1].name}, {s.tasks[2].name}};
    for (std::size_t r = 0; r < runs; ++r) {
      study::RunRecord run{c, s.test_to_train > 0 ? r : 0, 100 + r, "", {}, {}, {}, 10.0 + noise()};
      if (c == 3 && r == 1) {
        run.error = "mtlx: the loss of the task \"right\" is not finite in epoch 2, step 17";
        s.runs.push_back(run);
        continue;
      }
      for (std::size_t e = 1; e <= epochs; ++e) {
        study::EpochRecord epoch;
        epoch.epoch = e;
        const double left = std::exp(-static_cast<double>(e) / 6);
        for (std::size_t t = 0; t < tasks; ++t) {
          const double task = static_cast<double>(t), which = static_cast<double>(c);
          epoch.losses.push_back(0.3 + left * (1.5 + 0.1 * task) + 0.02 * which + 0.02 * noise());
          epoch.validation_losses.push_back(0.4 + left * (1.4 + 0.1 * task) + 0.03 * which + 0.04 * noise());
          const double score =
              0.85 - 0.02 * task / static_cast<double>(tasks) - left * 0.4 - 0.003 * which + 0.02 * noise();
          epoch.validation_metrics.push_back(s.tasks[t].higher_is_better ? score : 30 * (1.1 - score));
        }
        if (c == 2)
          for (std::size_t i = 0; i < tasks * tasks; ++i) {
            const bool self = i / tasks == i % tasks;
            epoch.cosines.push_back(self ? 1 : 0.3 * left - 0.05 + 0.1 * noise());
            epoch.conflicts.push_back(self ? 0 : 0.4 - 0.3 * left + 0.05 * noise());
          }
        for (std::size_t t = 0; t < tasks; ++t) {
          epoch.weights.push_back(c == 2 ? 1 + 0.2 * noise() : 1);
          if (c == 2) epoch.lengths.push_back(left * (1 + static_cast<double>(t)) + 0.05 * noise());
        }
        run.epochs.push_back(epoch);
      }
      for (std::size_t t = 0; t < tasks; ++t) {
        const double shift = c == 1 ? (t == 0 ? -0.03 : 0.005) : c == 2 ? 0.01 : c == 4 ? 0.02 : -0.002;
        const double score = 0.82 + (c == 0 ? 0 : shift) + 0.01 * noise();
        run.metrics.push_back(s.tasks[t].higher_is_better ? score : 30 * (1.1 - score));
        run.losses.push_back(0.5 + 0.01 * noise());
      }
      for (std::size_t i = 0; tasks == 3 && i < 7 * tasks; ++i)
        run.cluster_metrics.push_back(0.8 + 0.01 * static_cast<double>(c * (i % tasks)) + 0.01 * noise());
      for (std::size_t m = 0; m < study::further_metrics(s); ++m) run.more_metrics.push_back(0.7 + 0.02 * noise());
      s.runs.push_back(run);
    }
  }
  if (runs > 1) s.runs.back().metrics[0] = std::nan("");
  s.settings = {{"epochs", join(epochs)}, {"batch size", "256"}, {"library", "mtlx 0.1.0"}, {"compiler", "g++ 12.2.0"}};
  study::MatrixRecord affinity{"Affinity", "affected task", "task whose step it was", {}, {}, {}};
  for (std::size_t t = 0; t < tasks; ++t) affinity.row_names.push_back(s.tasks[t].name);
  affinity.column_names = affinity.row_names;
  for (std::size_t i = 0; i < tasks * tasks; ++i) affinity.values.push_back(i == 1 ? std::nan("") : 0.02 * noise());
  s.matrices.push_back(affinity);
  affinity.title = "Gain or loss of each task by partner, in %; positive is better";
  affinity.columns = "by partner";
  for (const double gain : affinity.values)
    affinity.notes.push_back(
        join(fixed(gain - 0.5), " to ", fixed(gain + 0.5), gain < 0 ? ", worse" : ", cannot tell"));
  s.matrices.push_back(affinity);
  study::MatrixRecord masks{"Overlap of masks", "", "", affinity.row_names, affinity.row_names, {}};
  for (std::size_t i = 0; i < tasks * tasks; ++i)
    masks.values.push_back(i / tasks == i % tasks ? 1
                                                  : std::fmod(0.13 * static_cast<double>(i / tasks + i % tasks), 1));
  s.matrices.push_back(masks);
  if (tasks <= 3) {
    s.pictures.push_back({"Photo 3, four times larger", "Left to right: input, two networks, truth.", sheet()});
    s.task_gains = {gains(8, 2, "adaptive"), gains(100, 4, "adaptive")};
  }
  if (hostile) s.task_gains = {gains(5, 6, s.tasks[1].name), gains(1, 1, s.tasks[0].name)};
  if (hostile) s.people = {"\"<b>a</b>\" was preferred | over \"b\"."};
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: demo DIRECTORY | demo answers KEY FILE...\n");
    return 2;
  }
  try {
    if (argc > 3 && argv[1] == std::string("answers")) {
      const study::Answers answers = study::read_answers({argv + 3, argv + argc}, argv[2]);
      const std::vector<study::Judgement> judgements = study::attentive(answers);
      std::printf("%s\n%s\n%s\n", study::words(answers).c_str(),
                  study::words(study::preference(judgements, "adaptive_groups", "plain_continued")).c_str(),
                  study::words(study::bradley_terry(judgements)).c_str());
      return 0;
    }
    const std::string directory = argv[1];
    make_folder(directory);
    study::write_report(invented(3, 3, 5, 30, false), directory + "/three", {.start_time = 1.7e9});
    study::write_report(invented(12, 10, 10, 12, false), directory + "/twelve");
    study::write_report(invented(1, 2, 1, 1, false), directory + "/one");
    std::vector<study::Study> several(4, invented(3, 3, 5, 30, false));
    for (std::size_t s = 0; s < several.size(); ++s) several[s].title = join("Data set ", s + 1);
    make_folder(directory + "/across");
    write_file(directory + "/across/report.html",
               study::report_html({&several[0], &several[1], &several[2], &several[3]}));
    study::write_report(invented(4, 2, 3, 5, true), directory + "/hostile");
    make_folder(directory + "/blind");
    study::write_blind_page(directory + "/blind/blind.html", directory + "/blind/key.csv", blind(), {.seed = 3});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
