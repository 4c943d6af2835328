// SPDX-License-Identifier: MIT
// usage: bench/studies/super_resolution.sh [--quick] [--photos FOLDER] [OPTION...]
//
// Super-resolution as multi-task learning: 100 degradations, a small network on luma, scale 4. From the same joint network and
// with as many steps each: the joint network going on, the tasks of TGSR's groups drawn more often without groups, random groups
// of the same sizes, TGSR, adaptive groups; and each task alone, which is the ceiling. Every training is kept in a folder; a
// study that was killed goes on after the last that was finished. docs/super_resolution.md says what came out.
#include "super_resolution.hpp"

#include <chrono>
#include <cmath>
#include <mtlx/data/degradation.hpp>
#include <mtlx/data/image.hpp>
#include <mtlx/data/resize.hpp>
#include <mtlx/data/super_resolution.hpp>
#include <mtlx/grouping/adaptive_groups.hpp>
#include <mtlx/grouping/tgsr.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/image_quality.hpp>
#include <mtlx/nn/super_resolution.hpp>
#include <mtlx/study/blind.hpp>
#include <mtlx/study/contact_sheet.hpp>
#include <mtlx/study/gain_figure.hpp>
#include <span>
#include <string>
#include <vector>

using namespace mtlx;
using namespace super_resolution_study;

namespace {

constexpr int scale = 4, patch = 96, crop_side = 256;
constexpr Shape patch_shape{1, patch, patch}, crop_shape{1, crop_side, crop_side};

using OnPatch =
    ImageToImage<"x4", patch_shape, nn::MeanAbsoluteError,
                 nn::Metrics<nn::Psnr<patch_shape, {.border = scale}>, nn::Ssim<patch_shape, {.border = scale}>>>;
using OnCrop = ImageToImage<"x4", crop_shape>;
template <class Net, class... Rule>
using Trained = MultiTask<Input<1, patch / scale, patch / scale>, Tasks<OnPatch>,
                          sharing::Hard<Net, sharing::Head<"x4", nn::Flatten>>, optim::Averaged<optim::Adam>, Rule...>;
// The same parameters at the size of the test.
template <class Net>
using Tested = MultiTask<Input<1, crop_side / scale, crop_side / scale>, Tasks<OnCrop>,
                         sharing::Hard<Net, sharing::Head<"x4", nn::Flatten>>, optim::Adam>;
// FSRCNN of two sizes around a straight enlargement, which shortens the joint training.
using Small = nn::LongSkip<nn::UpsampleBilinear<scale>, nn::Fsrcnn<scale, 1, 32, 8, 2>>;
using Large = nn::LongSkip<nn::UpsampleBilinear<scale>, nn::Fsrcnn<scale, 1>>;

// Pictures without a camera, to try the program: waves, edges and dots.
std::vector<data::Photo> made_photos(std::size_t count, std::size_t first) {
  std::vector<data::Photo> photos;
  for (std::size_t i = 0; i < count; ++i) {
    Random random(1, Purpose::user, first + i);
    data::Image picture{Shape{3, 300, 320}, std::vector<float>(3 * 300 * 320)};
    const double a = 0.02 + 0.3 * random.uniform(), b = 0.02 + 0.3 * random.uniform(),
                 cut = 100 + 100 * random.uniform();
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < 300; ++y)
        for (int x = 0; x < 320; ++x) {
          const double wave = 0.5 + 0.2 * std::sin(a * x + c) * std::cos(b * y) + (x + y < 2 * cut ? 0.15 : -0.1);
          picture.values[picture.shape.at(c, y, x)] = static_cast<float>((x / 7 + y / 5) % 9 == 0 ? 0.9 : wave);
        }
    photos.push_back({join("made ", first + i), first + i, data::to_bytes(picture)});
  }
  return photos;
}

// What is trained, judged and tested on.
struct Parts {
  std::vector<data::DegradationTask> tasks;
  std::vector<std::string> names, photos;
  data::ClusterPart train, validation, test;
};

Parts parts_of(const Settings& s) {
  Parts parts;
  parts.tasks = data::draw_degradations(s.tasks, 1);
  data::write_degradations(s.folder + "/tasks.csv", parts.tasks);
  for (const auto& task : parts.tasks) parts.names.push_back(task.name);
  std::vector<data::Photo> train, validation, test;
  if (s.made) {
    train = made_photos(4, 1), validation = made_photos(3, 10), test = made_photos(4, 20);
  } else {
    train = data::read_photos(s.photos, "train", {.shorter_side = 400});
    validation = data::read_photos(s.photos, "validation", {.shorter_side = 400});
    test = data::read_photos(s.photos, "test");
  }
  for (data::Photo& photo : test) {
    const Shape shape = photo.picture.shape;
    photo.picture =
        data::crop(photo.picture, (shape.height - crop_side) / 2, (shape.width - crop_side) / 2, crop_side, crop_side);
    parts.photos.push_back(photo.name);
  }
  const int jobs = static_cast<int>(s.jobs);
  const auto pieces = [](std::size_t number) { return static_cast<int>(number); };
  parts.train = data::degraded(s.folder + "/train.safetensors", train, parts.tasks,
                               {.scale = scale,
                                .piece = 160,
                                .pieces = pieces(s.pieces),
                                .patch = patch,
                                .patches = pieces(s.patches),
                                .symmetries = true,
                                .seed = 1,
                                .jobs = jobs});
  parts.validation = data::degraded(
      s.folder + "/validation.safetensors", validation, parts.tasks,
      {.scale = scale, .piece = 160, .pieces = pieces(s.validation_pieces), .patch = patch, .seed = 2, .jobs = jobs});
  parts.test =
      data::degraded(s.folder + "/test.safetensors", test, parts.tasks,
                     {.scale = scale, .piece = crop_side, .pieces = 1, .patch = crop_side, .seed = 3, .jobs = jobs});
  return parts;
}

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// All numbers of a picture that a network (or a filter) made.
Quality quality(std::span<const float> made, std::span<const std::uint8_t> truth) {
  std::vector<float> x(made.size()), y(truth.size());
  for (std::size_t i = 0; i < made.size(); ++i) x[i] = std::clamp(made[i], 0.0F, 1.0F);
  for (std::size_t i = 0; i < truth.size(); ++i) y[i] = static_cast<float>(truth[i]) / 255.0F;
  const nn::PictureView a(x, crop_shape), b(y, crop_shape);
  return {nn::psnr(a, b, {.border = scale}), nn::ssim(a, b, {.border = scale}), nn::mdsi(a, b), nn::haarpsi(a, b)};
}

data::Image bicubic(const data::Inputs& inputs, std::size_t sample) {
  data::Image low{inputs.shape(), std::vector<float>(inputs.shape().size())};
  inputs.copy(sample, low.values.data());
  return data::clipped(data::resize(low, crop_side, crop_side, {.antialias = true}));
}

std::vector<std::size_t> all_of(std::size_t count) {
  std::vector<std::size_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

std::string weights_file(const Settings& s, const RunName& run) {
  return join(s.folder, "/weights/", run.network, " ", run.arm, " ", run.seed, ".safetensors");
}

// Trainings of one network.
template <class Net>
class Bench {
 public:
  using Test = Tested<Net>;

  Bench(const Settings& s, const Parts& parts, Kept& kept, std::string network)
      : s_(s), parts_(parts), kept_(kept), network_(std::move(network)) {}

  RunName name(const std::string& arm, std::size_t seed) const { return {network_, arm, seed}; }

  void joint(std::size_t seed) {
    const RunName run = name("joint", seed);
    if (kept_.has(run)) return;
    const auto start = Clock::now();
    // Most of it at ten times the rate that fine-tuning goes on with.
    const std::size_t fast = s_.joint_steps * 3 / 4;
    Trained<Net> first(options<Trained<Net>>(10 * s_.rate, seed + 1000));
    first.fit(parts_.train.data, how<Trained<Net>>({}, fast));
    Trained<Net> model(options<Trained<Net>>(s_.rate, seed + 2000));
    copy(first.averaged(), model);
    model.fit(parts_.train.data, how<Trained<Net>>({}, s_.joint_steps - fast));
    finish(run, model.averaged(), "all", {}, s_.joint_steps, 0, start);
  }

  // Fine-tuning by chances that stay.
  void tune(const std::string& arm, std::size_t seed, const std::vector<double>& chances) {
    const RunName run = name(arm, seed);
    if (kept_.has(run)) return;
    const auto start = Clock::now();
    Trained<Net> model = begun<Trained<Net>>(seed);
    model.fit(parts_.train.data, how<Trained<Net>>(chances, s_.steps));
    finish(run, model.averaged(), "all", {}, s_.steps, 0, start);
  }

  // Chances as one over the joint network's mean absolute error on the validation photos.
  std::vector<double> by_loss(std::size_t seed) const {
    Trained<Net> model = begun<Trained<Net>>(seed);
    std::vector<double> chances;
    for (const data::Stream& stream : parts_.validation.data.streams()) {
      const auto made = model.predict(stream.inputs);
      double sum = 0, count = 0;
      for (std::size_t p = 0; p < stream.inputs.size(); ++p) {
        const auto truth = stream.columns[0].targets.bytes(p);
        for (std::size_t i = 0; i < truth.size(); ++i)
          sum += std::abs(static_cast<double>(made.template get<"x4">()[p][i]) - static_cast<double>(truth[i]) / 255);
        count += static_cast<double>(truth.size());
      }
      chances.push_back(count / sum);
    }
    return chances;
  }

  // Some tasks, each alone.
  void own(const std::string& arm, std::size_t seed, std::size_t first, std::size_t count, std::size_t steps) {
    const RunName run = name(arm, seed);
    const std::string part = join("from ", first);
    if (kept_.has(run, part)) return;
    const auto start = Clock::now();
    std::vector<std::size_t> tasks;
    std::vector<Quality> scores;
    for (std::size_t t = first; t < first + count; ++t) {
      Trained<Net> model = begun<Trained<Net>>(seed);
      std::vector<double> chances(s_.tasks);
      chances[t] = 1;
      model.fit(parts_.train.data, how<Trained<Net>>(chances, steps));
      const auto found = scored(model.averaged(), {t});
      tasks.push_back(t);
      scores.insert(scores.end(), found.begin(), found.end());
    }
    kept_.add(run, part, tasks, scores, {count * steps, 0, since(start)});
  }

  // Fine-tuning by a rule that says which streams are drawn.
  template <class Rule>
  void by_rule(const std::string& arm, std::size_t seed, const Rule& rule) {
    const RunName run = name(arm, seed);
    if (kept_.has(run)) return;
    const auto start = Clock::now();
    using Model = Trained<Net, Rule>;
    auto with = options<Model>(s_.rate, seed);
    with.grouping = rule;
    Model model = begun<Model>(seed, &with);
    auto fit = how<Model>({}, s_.steps);
    fit.validation = &parts_.validation.data;
    fit.validation_clusters = &parts_.validation.clusters;
    model.fit(parts_.train.data, fit);
    const grouping::Drawn drawn = model.drawn();
    write_file(join(s_.folder, "/", network_, " ", arm, " ", seed, ".txt"), rule.text(drawn, parts_.names));
    if constexpr (requires { rule.found(drawn).scores; }) {
      const auto found = rule.found(drawn);
      std::string lines = "task,indicator,score\n";
      for (std::size_t t = 0; t < s_.tasks; ++t) lines += join(t, ",", found.indicators[t], ",", found.scores[t], "\n");
      write_file(join(s_.folder, "/", network_, " ", arm, " ", seed, ".csv"), lines);
    }
    kept_.add_groups(arm, seed, drawn);
    finish(run, model.averaged(), "all", {}, s_.steps, drawn.measuring, start);
  }

 private:
  template <class Model>
  typename Model::Options options(double rate, std::size_t seed) const {
    return {
        .optimizer = {.optimizer = {.learning_rate = rate}, .decay = 0.995}, .backend = {.threads = 1}, .seed = seed};
  }
  template <class Model>
  typename Model::FitOptions how(const std::vector<double>& chances, std::size_t steps) const {
    return {.batch_size = s_.batch,
            .sampling = training::Sampling::drawn,
            .drawn = {.chances = chances, .draws = s_.draws, .steps = steps}};
  }
  static void copy(const auto& from, auto& to) {
    std::copy(from.parameters().begin(), from.parameters().end(), to.parameters().begin());
  }
  // The joint network, with an optimizer that begins anew.
  template <class Model>
  Model begun(std::size_t seed, const typename Model::Options* with = nullptr) const {
    Model model(with != nullptr ? *with : options<Model>(s_.rate, seed));
    model.load_weights(weights_file(s_, name("joint", seed)));
    return model;
  }

  // scores : (tasks named, photos)
  std::vector<Quality> scored(const auto& model, const std::vector<std::size_t>& tasks) const {
    Test test({.backend = {.threads = 1}});
    copy(model, test);
    std::vector<Quality> scores;
    for (const std::size_t t : tasks) {
      const data::Stream& stream = parts_.test.data.streams()[t];
      const auto made = test.predict(stream.inputs);
      for (std::size_t p = 0; p < stream.inputs.size(); ++p)
        scores.push_back(quality(made.template get<"x4">()[p], stream.columns[0].targets.bytes(p)));
    }
    return scores;
  }
  void finish(const RunName& run, const auto& model, const std::string& part, std::vector<std::size_t> tasks,
              std::size_t steps, std::size_t measuring, Clock::time_point start) {
    model.save_weights(weights_file(s_, run));
    if (tasks.empty()) tasks = all_of(s_.tasks);
    const double seconds = since(start);
    kept_.add(run, part, tasks, scored(model, tasks), {steps, measuring, seconds});
  }

  const Settings& s_;
  const Parts& parts_;
  Kept& kept_;
  std::string network_;
};

void add_bicubic(const Settings& s, const Parts& parts, Kept& kept) {
  const RunName run{"none", "bicubic", 0};
  if (kept.has(run)) return;
  const auto start = Clock::now();
  std::vector<Quality> scores;
  for (std::size_t t = 0; t < s.tasks; ++t) {
    const data::Stream& stream = parts.test.data.streams()[t];
    for (std::size_t p = 0; p < stream.inputs.size(); ++p)
      scores.push_back(quality(bicubic(stream.inputs, p).values, stream.columns[0].targets.bytes(p)));
  }
  kept.add(run, "all", all_of(s.tasks), scores, {0, 0, since(start)});
}

// Random groups of those sizes.
grouping::StreamGroups random_groups(const grouping::StreamGroups& like, std::size_t tasks, std::size_t seed,
                                     std::size_t draw) {
  std::vector<std::size_t> order = all_of(tasks);
  Random random(seed, Purpose::user, draw);
  random.shuffle(std::span(order));
  grouping::StreamGroups groups;
  std::size_t at = 0;
  for (const auto& group : like) {
    groups.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(at),
                        order.begin() + static_cast<std::ptrdiff_t>(at + group.size()));
    at += group.size();
  }
  return groups;
}

// Chances where one of the groups and the group of all are drawn.
std::vector<double> with_all(grouping::StreamGroups groups, std::size_t tasks) {
  groups.push_back(all_of(tasks));
  return grouping::chances_of(groups, tasks);
}

// The adaptive rule with a part of it changed or left out, named as in ablated_arms.
std::vector<std::pair<std::string, grouping::AdaptiveGroups>> ablations() {
  using Rule = grouping::AdaptiveGroups;
  const Rule rules[] = {{.by = Rule::By::clusters},
                        {.by = Rule::By::both},
                        {.by = Rule::By::none},
                        {.rho = 0},
                        {.relative = 0},
                        {.relative = 0, .guard = false},
                        {.guard = false},
                        {.indicator = Rule::Indicator::pull}};
  static_assert(std::size(rules) == std::size(ablated_arms));
  std::vector<std::pair<std::string, Rule>> named;
  for (std::size_t i = 0; i < std::size(rules); ++i) named.emplace_back(ablated_arms[i], rules[i]);
  return named;
}

void train(const Settings& s, const Parts& parts, Kept& kept) {
  make_folder(s.folder + "/weights");
  Bench<Small> small(s, parts, kept, "small");
  Bench<Large> large(s, parts, kept, "large");
  std::vector<std::function<void()>> jobs;
  const auto finish = [&] {
    resumable::run_all(std::move(jobs), s.jobs);
    jobs.clear();
  };
  // The longest first.
  for (std::size_t seed = 1; seed <= s.large_seeds; ++seed) jobs.push_back([&large, seed] { large.joint(seed); });
  for (std::size_t seed = 1; seed <= s.seeds; ++seed) jobs.push_back([&small, seed] { small.joint(seed); });
  jobs.push_back([&] { add_bicubic(s, parts, kept); });
  finish();

  const grouping::Tgsr tgsr{.indicator_steps = s.indicator_steps,
                            .indicator_last = std::min<std::size_t>(10, s.indicator_steps),
                            .group_steps = s.group_steps,
                            .quantiles = true};
  for (std::size_t seed = 1; seed <= s.seeds; ++seed)
    jobs.push_back([&small, &tgsr, seed] { small.by_rule("TGSR", seed, tgsr); });
  for (std::size_t seed = 1; seed <= s.seeds; ++seed)
    jobs.push_back([&small, seed] { small.by_rule("adaptive", seed, grouping::AdaptiveGroups{}); });
  for (std::size_t seed = 1; seed <= s.seeds; ++seed) {
    jobs.push_back([&small, seed] { small.tune("joint continued", seed, {}); });
    jobs.push_back([&small, seed] { small.tune("by loss", seed, small.by_loss(seed)); });
  }
  finish();

  for (std::size_t seed = 1; seed <= s.seeds; ++seed) {
    const grouping::StreamGroups groups = kept.groups("TGSR", seed);
    // As large a share of the draws as TGSR gives to its groups, for all tasks in them alike.
    std::vector<std::size_t> grouped;
    for (const auto& group : groups) grouped.insert(grouped.end(), group.begin(), group.end());
    const auto some = std::count_if(groups.begin(), groups.end(), [](const auto& group) { return !group.empty(); });
    const grouping::StreamGroups chosen(static_cast<std::size_t>(some), grouped);
    jobs.push_back([&, seed, chosen] { small.tune("up-weighted", seed, with_all(chosen, s.tasks)); });
    for (std::size_t draw = 1; draw <= s.random_draws; ++draw)
      jobs.push_back([&, seed, groups, draw] {
        small.tune(join("random ", draw), seed, with_all(random_groups(groups, s.tasks, seed, draw), s.tasks));
      });
  }
  // The ceilings come last: they take longest, and most of the tables do without.
  const std::size_t each = 10;
  const auto own = [&](auto& network, std::size_t seed) {
    for (std::size_t first = 0; first < s.tasks; first += each)
      jobs.push_back(
          [&, seed, first] { network.own("own", seed, first, std::min(each, s.tasks - first), s.own_steps); });
  };
  own(small, 1);
  for (std::size_t seed = 1; seed <= s.large_seeds; ++seed) own(large, seed);
  for (std::size_t first = 0; first < s.long_tasks; first += 2)
    jobs.push_back(
        [&, first] { small.own("own long", 1, first, std::min<std::size_t>(2, s.long_tasks - first), s.long_steps); });
  for (std::size_t seed = 1; seed <= s.ablated_seeds; ++seed)
    for (const auto& [arm, rule] : ablations())
      jobs.push_back([&small, seed, arm = arm, rule = rule] { small.by_rule(arm, seed, rule); });
  for (std::size_t seed = 2; seed <= s.seeds; ++seed) own(small, seed);
  finish();
}

std::string number(double x, int digits, bool sign = false) {
  char text[48];
  std::snprintf(text, sizeof text, sign ? "%+.*f" : "%.*f", digits, x);
  return text;
}

// What the first seed's networks make of single pictures.
class Gallery {
 public:
  Gallery(const Settings& s, const Parts& parts, const Kept& kept) : s_(s), parts_(parts), kept_(kept) {
    for (const char* arm : {"joint", "joint continued", "TGSR", "adaptive"})
      if (kept.has({"small", arm, 1})) arms_.emplace_back(arm);
  }
  const std::vector<std::string>& arms() const { return arms_; }

  data::ByteImage made(const std::string& arm, std::size_t task, std::size_t photo) const {
    const data::Inputs& inputs = parts_.test.data.streams()[task].inputs;
    if (arm == "bicubic") return data::to_bytes(bicubic(inputs, photo));
    Tested<Small> net({.backend = {.threads = 1}});
    net.load_weights(weights_file(s_, {"small", arm, 1}));
    const auto answers = net.predict(inputs.subset(std::vector{photo}));
    const auto values = answers.get<"x4">().values();
    return data::to_bytes(data::clipped({crop_shape, {values.begin(), values.end()}}));
  }
  data::ByteImage input(std::size_t task, std::size_t photo) const {
    const data::Inputs& inputs = parts_.test.data.streams()[task].inputs;
    const auto bytes = inputs.bytes(photo);
    return {inputs.shape(), {bytes.begin(), bytes.end()}};
  }
  data::ByteImage truth(std::size_t photo) const {
    const auto bytes = parts_.test.data.streams()[0].columns[0].targets.bytes(photo);
    return {crop_shape, {bytes.begin(), bytes.end()}};
  }
  std::string scores(const std::string& arm, std::size_t task, std::size_t photo) const {
    const RunName run = arm == "bicubic" ? RunName{"none", arm, 0} : RunName{"small", arm, 1};
    return join(number(kept_.at(run, task, photo, 0), 2), " dB\nSSIM ", number(kept_.at(run, task, photo, 1), 3),
                "\nMDSI ", number(kept_.at(run, task, photo, 2), 3), "\nHaarPSI ",
                number(kept_.at(run, task, photo, 3), 3));
  }
  double gain(const std::string& arm, std::size_t task, std::size_t photo) const {
    return kept_.at({"small", arm, 1}, task, photo, 0) - kept_.at({"small", "joint", 1}, task, photo, 0);
  }

 private:
  const Settings& s_;
  const Parts& parts_;
  const Kept& kept_;
  std::vector<std::string> arms_;
};

// Where two pictures differ most.
study::SheetPiece most_different(const data::ByteImage& a, const data::ByteImage& b, int side) {
  study::SheetPiece best{0, 0, side, side};
  double most = -1;
  for (int top = 0; top + side <= a.shape.height; top += side / 2)
    for (int left = 0; left + side <= a.shape.width; left += side / 2) {
      double sum = 0;
      for (int y = top; y < top + side; ++y)
        for (int x = left; x < left + side; ++x) sum += std::abs(a.at(0, y, x) - b.at(0, y, x));
      if (sum > most) most = sum, best.top = top, best.left = left;
    }
  return best;
}

// Two tasks that gained most by a method and two that lost most (or gained least), each on the photo whose gain is the
// middle one.
void write_sheet(const Settings& s, const Parts& parts, const Gallery& gallery) {
  const std::string method = gallery.arms().back();
  std::vector<std::pair<double, std::size_t>> order;
  const std::size_t photos = parts.photos.size();
  for (std::size_t t = 0; t < s.tasks; ++t) {
    double sum = 0;
    for (std::size_t p = 0; p < photos; ++p) sum += gallery.gain(method, t, p) / static_cast<double>(photos);
    order.emplace_back(-sum, t);
  }
  std::sort(order.begin(), order.end());
  study::ContactSheet sheet{.title = join("Scale 4, luma, seed 1: tasks that ", method,
                                          " gained most and least on, each on the photo of its median gain"),
                            .columns = {"input", "bicubic"},
                            .rows = {}};
  for (const std::string& arm : gallery.arms()) sheet.columns.push_back(arm);
  sheet.columns.emplace_back("truth");
  const std::size_t count = std::min<std::size_t>(2, s.tasks / 2);
  for (std::size_t i = 0; i < 2 * count; ++i) {
    const auto& [loss, task] = order[i < count ? i : order.size() - 2 * count + i];
    std::vector<std::pair<double, std::size_t>> gains;
    for (std::size_t p = 0; p < photos; ++p) gains.emplace_back(gallery.gain(method, task, p), p);
    std::sort(gains.begin(), gains.end());
    const std::size_t photo = gains[photos / 2].second;
    study::SheetRow row{join(parts.names[task], ", mean gain ", number(-loss, 2, true), " dB, ", parts.photos[photo],
                             ": ", data::describe(parts.tasks[task].parameters)),
                        {{gallery.input(task, photo), "64 x 64"}}};
    row.cells.push_back({gallery.made("bicubic", task, photo), gallery.scores("bicubic", task, photo)});
    for (const std::string& arm : gallery.arms())
      row.cells.push_back({gallery.made(arm, task, photo), gallery.scores(arm, task, photo)});
    row.cells.push_back({gallery.truth(photo), ""});
    row.piece = most_different(gallery.made("joint", task, photo), gallery.made(method, task, photo), 64);
    sheet.rows.push_back(std::move(row));
  }
  data::write_png(s.folder + "/sheet.png", study::contact_sheet(sheet));
}

// A task for each photo, drawn from those in TGSR's groups, if there are any.
void write_blind(const Settings& s, const Parts& parts, const Kept& kept, const Gallery& gallery) {
  std::vector<std::size_t> grouped, label = kept.labels("TGSR", 1);
  for (std::size_t t = 0; t < label.size(); ++t)
    if (label[t] > 0) grouped.push_back(t);
  if (grouped.empty()) grouped = all_of(s.tasks);
  study::BlindPairs pairs;
  for (const std::string& arm : gallery.arms())
    if (arm != "joint continued") pairs.methods.push_back(arm);
  if (pairs.methods.size() < 2) return;
  Random random(1, Purpose::user, 100);
  for (std::size_t p = 0; p < parts.photos.size(); ++p) {
    const std::size_t task = grouped[random.below(static_cast<std::uint32_t>(grouped.size()))];
    study::BlindCrop crop{join(parts.names[task], " ", parts.photos[p]), parts.photos[p], {}, gallery.truth(p)};
    for (const std::string& arm : pairs.methods) crop.pictures.push_back(gallery.made(arm, task, p));
    pairs.crops.push_back(std::move(crop));
  }
  study::write_blind_page(s.folder + "/blind.html", s.folder + "/blind_key.csv", pairs, {.seed = 1});
}

// Gain of each task over the joint network, over all seeds, with intervals over photos.
void write_gains(const Settings& s, const Parts& parts, const Kept& kept, const Tables& tables) {
  study::GainRecord gains{.title = "PSNR on the test photos",
                          .unit = "dB",
                          .baseline = "joint",
                          .tasks = parts.names,
                          .methods = {},
                          .gains = {}};
  const auto label = kept.labels("TGSR", 1);
  for (std::size_t t = 0; t < label.size(); ++t)
    gains.groups.push_back(label[t] > 0 ? join("TGSR's group ", label[t], ", seed 1") : std::string("in no group"));
  for (const char* arm : {"adaptive", "TGSR", "joint continued", "own"}) {
    if (!kept.knows({"small", arm, 1})) continue;
    gains.methods.emplace_back(arm);
    for (std::size_t t = 0; t < s.tasks; ++t) {
      std::vector<double> photos;
      for (std::size_t p = 0; p < parts.photos.size(); ++p)
        if (const double g = tables.less("small", arm, "joint", t, p); !is_nan(g)) photos.push_back(g);
      const study::Interval i = photos.empty() ? study::Interval{unknown, unknown, unknown} : study::t_interval(photos);
      gains.gains.push_back(i.estimate), gains.lower.push_back(i.lower), gains.upper.push_back(i.upper);
    }
  }
  if (gains.methods.empty()) return;
  write_file(s.folder + "/gains.svg", study::gain_figure(gains));
  write_file(s.folder + "/gains.csv", study::csv(gains));
}

}  // namespace

int main(int count, char** words) try {
  const Settings s = settings_of(count, words);
  const auto start = Clock::now();
  resumable::open_folder(s.folder, settings_text(s));
  const Parts parts = parts_of(s);
  std::fprintf(stderr, "%zu tasks; %zu training, %zu validation, %zu test samples each: %.0f s\n", s.tasks,
               parts.train.clusters[0].size(), parts.validation.clusters[0].size(), parts.photos.size(), since(start));
  Kept kept(s, parts.photos.size());
  if (!s.tables) train(s, parts, kept);
  const Tables tables(s, kept);
  const std::string text = tables.text();
  write_file(s.folder + "/tables.md", text);
  if (const Gallery gallery(s, parts, kept); gallery.arms().size() > 1) {
    write_sheet(s, parts, gallery);
    write_blind(s, parts, kept, gallery);
    write_gains(s, parts, kept, tables);
  }
  std::printf("%s\n%s\nThis call took %.1f minutes.\n", text.c_str(), study::no_people, since(start) / 60);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
