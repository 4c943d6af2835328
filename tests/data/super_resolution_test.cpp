// SPDX-License-Identifier: MIT
#include <mtlx/data/super_resolution.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/flatten.hpp>
#include <mtlx/nn/super_resolution.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/study/splits.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "temporary.hpp"

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

// Three "photos" of odd sides: no two places look the same.
std::vector<Photo> photos() {
  std::vector<Photo> all;
  for (const auto& [name, id, shape] :
       {std::tuple{"a", 5, Shape{3, 37, 53}}, {"b", 0, Shape{1, 41, 29}}, {"c", 900, Shape{3, 32, 31}}}) {
    Image image{shape, {}};
    for (int c = 0; c < shape.channels; ++c)
      for (int y = 0; y < shape.height; ++y)
        for (int x = 0; x < shape.width; ++x)
          image.values.push_back(
              static_cast<float>(0.5 + 0.3 * std::sin(0.4 * x + 0.1 * y * y / (1 + id % 7) + c) * std::cos(0.3 * y) +
                                 0.15 * std::sin(1.1 * x * (c + 1) + 2.3 * y)));
    all.push_back({name, static_cast<std::size_t>(id), to_bytes(image)});
  }
  return all;
}

std::vector<DegradationTask> tasks(std::size_t count) {
  std::vector<DegradationTask> all = draw_degradations(count, 3);
#if !MTLX_DATA_STB
  for (DegradationTask& task : all) task.parameters.first.jpeg = task.parameters.second.jpeg = 0;
#endif
  return all;
}

// Each pixel is the mean of those that it stands for.
DegradationTask area() {
  DegradationTask task{"area"};
  task.parameters.second.interpolation = task.parameters.last_interpolation = Interpolation::area;
  return task;
}

std::vector<std::uint8_t> bytes_of(const Inputs& inputs) {
  std::vector<std::uint8_t> all;
  for (std::size_t i = 0; i < inputs.size(); ++i) all.insert(all.end(), inputs.bytes(i).begin(), inputs.bytes(i).end());
  return all;
}
std::vector<std::uint8_t> targets_of(const Stream& stream) {
  std::vector<std::uint8_t> all;
  const Targets& targets = stream.columns[0].targets;
  for (std::size_t i = 0; i < targets.size(); ++i)
    all.insert(all.end(), targets.bytes(i).begin(), targets.bytes(i).end());
  return all;
}

ByteImage picture(std::span<const std::uint8_t> bytes, Shape shape) { return {shape, {bytes.begin(), bytes.end()}}; }

// How often a piece lies in a picture.
std::size_t found(const ByteImage& piece, const ByteImage& in) {
  std::size_t times = 0;
  for (int top = 0; top + piece.shape.height <= in.shape.height; ++top)
    for (int left = 0; left + piece.shape.width <= in.shape.width; ++left)
      times += crop(in, top, left, piece.shape.height, piece.shape.width) == piece;
  return times;
}

const DegradedOptions small{
    .scale = 4, .piece = 28, .pieces = 3, .patch = 12, .patches = 2, .luma = false, .symmetries = true, .seed = 11};

}  // namespace

TEST_CASE("inputs are what a degradation leaves of the targets, which all streams share") {
  const std::vector<Photo> all = photos();
  std::vector<DegradationTask> some = tasks(3);
  some[1] = area();
  const auto [data, clusters] = degraded(all, some, small);
  REQUIRE(data.streams().size() == 3);
  CHECK(data.shape() == Shape{3, 3, 3});
  const Targets& targets = data.streams()[0].columns[0].targets;
  CHECK(data.streams()[0].columns[0].task == "x4");
  REQUIRE(targets.size() == 3 * 3 * 2);
  CHECK(targets.width() == 3 * 12 * 12);
  std::set<std::string> different;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    for (const Stream& stream : data.streams())
      CHECK(stream.columns[0].targets.bytes(i).data() == targets.bytes(i).data());
    // Photo by photo; each target is a piece of its photo, in one of the eight ways.
    const Photo& photo = all[i / 6];
    for (const std::vector<std::size_t>& of_stream : clusters) CHECK(of_stream[i] == photo.id);
    const ByteImage high = picture(targets.bytes(i), {3, 12, 12});
    different.insert(std::string(high.values.begin(), high.values.end()));
    std::size_t ways = 0;
    for (int symmetry = 0; symmetry < 8; ++symmetry) ways += found(turned(high, symmetry), in_colour(photo.picture));
    CHECK(ways == 1);
    CHECK(picture_of(targets, i, high.shape) == to_floats(high));
    // The mean of 4 x 4 pixels shows that the low resolution lies where the high one does, and that both are turned.
    const Image mean = resize(to_floats(high), 3, 3, {.interpolation = Interpolation::area});
    CHECK(to_bytes(mean) == picture(data.streams()[1].inputs.bytes(i), {3, 3, 3}));
    CHECK(to_bytes(mean) == to_bytes(picture_of(data.streams()[1].inputs, i)));
  }
  CHECK(different.size() == targets.size());
  CHECK(error_of([&] { picture_of(targets, 0, {1, 12, 12}); }) ==
        "mtlx: picture_of: targets of width 432 are no pictures of 1 x 12 x 12");
  CHECK(picture_of(Inputs({1, 1, 2}, std::vector<float>{1, 2, 3, 4}), 1).values == std::vector<float>{3, 4});
  CHECK(clusters.size() == 3);
  CHECK(distinct(clusters, data) == std::vector<std::size_t>{0, 5, 900});
  // What is made of it shares, too.
  CHECK(take(data, 2).streams()[2].columns[0].targets.bytes(1).data() == targets.bytes(1).data());
  const auto [first, second] = split(data, clusters, 0.5, 1);
  CHECK(first.data.size() + second.data.size() == data.size());
}

TEST_CASE("a patch as large as its piece is that piece degraded") {
  const std::vector<Photo> all = photos();
  const std::vector<DegradationTask> some = tasks(2);
  const DegradedOptions whole{.scale = 2, .piece = 22, .pieces = 2, .patch = 22, .seed = 4, .task = "sharp"};
  const ClusterPart in_luma = degraded(all, some, whole);
  DegradedOptions colours = whole;
  colours.luma = false;
  const ClusterPart in_colours = degraded(all, some, colours);
  CHECK(in_luma.data.shape() == Shape{1, 11, 11});
  CHECK(in_luma.data.streams()[1].columns[0].task == "sharp");
  for (std::size_t t = 0; t < 2; ++t)
    for (std::size_t i = 0; i < 6; ++i) {
      const Stream &grey = in_luma.data.streams()[t], &colour = in_colours.data.streams()[t];
      const ByteImage piece = picture(colour.columns[0].targets.bytes(i), {3, 22, 22});
      CHECK(found(piece, in_colour(all[i / 2].picture)) == 1);
      CHECK(picture(grey.columns[0].targets.bytes(i), {1, 22, 22}) == to_bytes(luma(to_floats(piece))));
      const Image low =
          degrade(to_floats(piece), some[t].parameters, 2, degradation_noise(4, t, all[i / 2].id * 4096 + i % 2));
      CHECK(picture(colour.inputs.bytes(i), {3, 11, 11}) == to_bytes(low));
      CHECK(picture(grey.inputs.bytes(i), {1, 11, 11}) == to_bytes(luma(low)));
    }
}

TEST_CASE("the same bytes for any number of threads, and fewer are the first of more") {
  const std::vector<Photo> all = photos();
  const std::vector<DegradationTask> twenty = tasks(20);
  DegradedOptions options = small;
  options.jobs = 1;
  const DataSet one = degraded(all, twenty, options).data;
  options.jobs = 3;
  const DataSet three = degraded(all, twenty, options).data;
  const DataSet ten = degraded(all, std::span(twenty).first(10), options).data;
  for (std::size_t t = 0; t < 20; ++t) {
    CHECK(bytes_of(one.streams()[t].inputs) == bytes_of(three.streams()[t].inputs));
    CHECK(targets_of(one.streams()[t]) == targets_of(three.streams()[t]));
    if (t < 10) CHECK(bytes_of(ten.streams()[t].inputs) == bytes_of(one.streams()[t].inputs));
  }
  const auto begins_with = [](const std::vector<std::uint8_t>& long_one, const std::vector<std::uint8_t>& short_one) {
    return std::equal(short_one.begin(), short_one.end(), long_one.begin());
  };
  // Fewer photos; fewer pieces of the first photo; fewer patches of its first piece.
  const std::vector<std::uint8_t> inputs = bytes_of(one.streams()[4].inputs), targets = targets_of(one.streams()[4]);
  const auto check_first = [&](std::size_t count, const DegradedOptions& fewer, std::size_t samples) {
    const DataSet data = degraded(std::span(all).first(count), std::span(twenty).first(5), fewer).data;
    const std::vector<std::uint8_t> part = bytes_of(data.streams()[4].inputs);
    CHECK(begins_with(inputs, {part.begin(), part.begin() + static_cast<std::ptrdiff_t>(samples * 27)}));
    const std::vector<std::uint8_t> high = targets_of(data.streams()[4]);
    CHECK(begins_with(targets, {high.begin(), high.begin() + static_cast<std::ptrdiff_t>(samples * 432)}));
  };
  check_first(2, options, 12);
  options.pieces = 2;
  check_first(1, options, 4);
  options.patches = 1;
  check_first(1, options, 1);
  // Another seed: other places and other noise.
  options = small;
  options.seed = 12;
  CHECK(targets_of(degraded(all, twenty, options).data.streams()[4]) != targets);
}

TEST_CASE("a file of them is read if it is of the same, and a stale or damaged one is named") {
  const Temporary folder;
  const std::string path = folder.path() + "/degraded.safetensors";
  std::vector<Photo> all = photos();
  std::vector<DegradationTask> some = tasks(3);
  const ClusterPart made = degraded(path, all, some, small);
  const std::string text = read_file(path);
  DegradedOptions options = small;
  options.jobs = 2;
  options.task = "other";  // neither is in the bytes
  const ClusterPart again = degraded(path, all, some, options);
  CHECK(read_file(path) == text);
  CHECK(again.clusters == made.clusters);
  CHECK(again.data.streams()[2].columns[0].task == "other");
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(bytes_of(again.data.streams()[t].inputs) == bytes_of(made.data.streams()[t].inputs));
    CHECK(targets_of(again.data.streams()[t]) == targets_of(made.data.streams()[t]));
  }
  CHECK(again.data.streams()[0].columns[0].targets.bytes(0).data() ==
        again.data.streams()[2].columns[0].targets.bytes(0).data());
  Safetensors file = read_safetensors(path);
  CHECK(file.find("low")->shape == std::vector<std::size_t>{3, 18, 3, 3, 3});
  CHECK(file.find("high")->shape == std::vector<std::size_t>{18, 3, 12, 12});

  const auto refused = [&] { return error_of([&] { degraded(path, all, some, options); }); };
  options.seed = 12;
  CHECK(refused() ==
        Contains("degraded.safetensors is stale: it was made with \"seed 11\", and is asked for with \"seed "
                 "12\"; delete it"));
  options.pieces = 30;
  CHECK(refused() == Contains("with \"pieces 3\", and is asked for with \"pieces 30\""));
  options.scale = 2;
  CHECK(refused() == Contains("with \"scale 4\", and is asked for with \"scale 2\""));
  options.scale = 4;
  options.pieces = 3;
  options.symmetries = false;
  CHECK(refused() == Contains("with \"symmetries\", and is asked for with \"seed 12\""));
  options = small;
  some[2].parameters.first.noise.strength += 1e-9;
  CHECK(refused() == Contains("it was made of other tasks than it is asked for; delete it"));
  some = tasks(4);
  CHECK(refused() == Contains("of other tasks"));
  some = tasks(3);
  all[1].picture.values[77] ^= 1;
  CHECK(refused() == Contains("of other photos"));
  all = photos();
  CHECK(refused() == "");

  const auto with = [&](auto&& change) {
    Safetensors changed = file;
    change(changed);
    write_safetensors(path, changed);
    return refused();
  };
  CHECK(with([](Safetensors& f) { f.tensors[1].bytes[40] ^= 4; }) == Contains("degraded.safetensors is damaged"));
  CHECK(with([](Safetensors& f) { f.tensors[0].name = "hi"; }) == Contains("is damaged"));
  CHECK(with([](Safetensors& f) { f.tensors.pop_back(); }) == Contains("is damaged"));
  CHECK(with([](Safetensors& f) { std::swap(f.tensors[0].name, f.tensors[1].name); }) == Contains("is damaged"));
  CHECK(with([](Safetensors& f) { f.metadata.clear(); }) == Contains("is no file of degraded photos"));
  write_file(path, text.substr(0, text.size() - 1));
  CHECK(refused() == Contains("degraded.safetensors"));
  write_file(path, text);
  CHECK(refused() == "");
  CHECK(error_of([&] { degraded(folder.path() + "/no/file", all, some, small); }) == Contains("cannot write"));
}

TEST_CASE("options that don't fit are refused") {
  const std::vector<Photo> all = photos();
  const std::vector<DegradationTask> some = tasks(1);
  const auto refused = [&](auto&& change) {
    DegradedOptions options = small;
    change(options);
    return error_of([&] { degraded(all, some, options); });
  };
  CHECK(refused([](DegradedOptions& o) { o.scale = 0; }) == "mtlx: degraded: scale is 0, expected 1 to 16");
  CHECK(refused([](DegradedOptions& o) { o.piece = 30; }) ==
        "mtlx: degraded: pieces of side 30 and patches of 12, expected multiples of 4, the scale");
  CHECK(refused([](DegradedOptions& o) { o.patch = 0; }) == Contains("patches of 0"));
  CHECK(refused([](DegradedOptions& o) { o.patch = 32; }) == Contains("patches of side 32 don't lie in pieces of 28"));
  CHECK(refused([](DegradedOptions& o) { o.piece = 32; }) ==
        "mtlx: degraded: \"b\" is 41 x 29, smaller than a piece of 32 x 32");
  CHECK(refused([](DegradedOptions& o) { o.patches = 0; }) == Contains("3 pieces of 0 patches, expected 1 to 4096"));
  CHECK(refused([](DegradedOptions& o) { o.pieces = 4097; }) == Contains("4097 pieces"));
  CHECK(refused([](DegradedOptions& o) { o.jobs = -1; }) == Contains("number of threads"));
  const auto with = [&](auto&& change) {
    std::vector<Photo> changed = all;
    change(changed);
    return error_of([&] { degraded(changed, some, small); });
  };
  CHECK(with([](std::vector<Photo>& p) { p[2].id = 5; }) == "mtlx: degraded: two photos have the id 5; one is \"c\"");
  CHECK(with([](std::vector<Photo>& p) { p[2].id = 1 << 20; }) == Contains("expected below 2^20"));
  CHECK(with([](std::vector<Photo>& p) { p.clear(); }) == Contains("no photo is given"));
  CHECK(with([](std::vector<Photo>& p) { p[0].picture.values.pop_back(); }) ==
        Contains("degraded: \"a\": 5882 values"));
  CHECK(with([](std::vector<Photo>& p) { p[1].picture = {{2, 40, 40}, std::vector<std::uint8_t>(3200)}; }) ==
        Contains("\"b\" has 2 channels"));
  CHECK(error_of([&] { degraded(all, {}, small); }) == Contains("no degradation is given"));
}

TEST_CASE("a model learns the same bits from bytes as from floats") {
  constexpr Shape high{1, 12, 12};
  using Model = MultiTask<Input<1, 6, 6>, Tasks<ImageToImage<"x2", high>>,
                          sharing::Hard<nn::Espcn<2, 1, 8>, sharing::Head<"x2", nn::Flatten>>>;
  DegradedOptions options{.scale = 2, .piece = 24, .pieces = 2, .patch = 12, .patches = 3, .seed = 5, .jobs = 1};
  const DataSet bytes = degraded(photos(), tasks(3), options).data;
  DataSet floats;
  for (const Stream& stream : bytes.streams()) {
    const Targets& targets = stream.columns[0].targets;
    std::vector<float> values(targets.size() * targets.width());
    for (std::size_t i = 0; i < targets.size(); ++i) targets.copy(i, values.data() + i * targets.width());
    floats.add(stream.inputs, {{"x2", Targets::values(targets.width(), values)}});
  }
  std::array<std::vector<float>, 2> parameters;
  std::array<double, 2> loss{}, psnr{};
  for (std::size_t which = 0; which < 2; ++which) {
    const DataSet& data = which == 0 ? bytes : floats;
    Model model{{.optimizer = {.learning_rate = 1e-3}, .seed = 3}};
    const double before = model.evaluate(data).get<"x2">().loss;
    model.fit(data, {.epochs = 3, .batch_size = 7});
    for (const auto p : model.parameters()) parameters[which].push_back(static_cast<float>(p));
    loss[which] = model.evaluate(data).get<"x2">().loss;
    psnr[which] = model.evaluate(data).get<"x2">().psnr;
    CHECK(loss[which] < before);
  }
  CHECK(parameters[0] == parameters[1]);
  CHECK(loss[0] == loss[1]);
  CHECK(psnr[0] == psnr[1]);

  // What a study knows its data by.
  const auto sum = [](const DataSet& data) { return study::detail::data_checksum(data); };
  DataSet changed;
  for (const Stream& stream : bytes.streams()) {
    std::vector<std::uint8_t> all = targets_of(stream);
    all.back() ^= 1;
    changed.add(stream.inputs, {{"x2", Targets::bytes(Inputs(high, all))}});
  }
  CHECK(sum(bytes) == sum(degraded(photos(), tasks(3), options).data));
  CHECK(sum(bytes) != sum(changed));
  // Bytes that a task does not take are named as floats are.
  CHECK(error_of([&] {
          training::detail::check_targets(Targets::bytes(Inputs({2}, std::vector<std::uint8_t>{7, 0, 9, 200})), "t", 2,
                                          "little", [](float target) { return target < 0.5F; });
        }) == "mtlx: the task \"t\" takes little, and row 1 has 0.784314");
}

TEST_CASE("photos are read from a folder with a table") {
  const Temporary folder;
  const auto table = [&](const std::string& rows) {
    write_file(folder.path() + "/photos.csv", "split,file,licence\n" + rows);
  };
  const auto refused = [&](const std::string& split, PhotoOptions options = {}) {
    return error_of([&] { read_photos(folder.path(), split, options); });
  };
  CHECK(refused("train") == Contains("cannot read"));
  table("train,a.png,1\ntest,b.png,2\n");
  CHECK(refused("validation") == Contains("photos.csv has no photo of the split \"validation\""));
  CHECK(refused("test") == Contains("photos.csv, row 3: cannot read"));
  CHECK(refused("test", {.shorter_side = -1}) == Contains("shorter_side is -1"));
  table("train,,1\n");
  CHECK(refused("train") == Contains("row 2: no split or no file"));
  write_file(folder.path() + "/photos.csv", "file\na.png\n");
  CHECK(refused("train") == Contains("has no column \"split\""));
#if MTLX_DATA_STB
  const std::vector<Photo> all = photos();
  write_png(folder.path() + "/a.png", all[0].picture);
  write_png(folder.path() + "/b.png", all[1].picture);
  table("train,a.png,1\ntest,b.png,2\ntrain,b.png,3\n");
  const std::vector<Photo> train = read_photos(folder.path(), "train");
  REQUIRE(train.size() == 2);
  CHECK(train[0].name == "a.png");
  CHECK(train[0].id == 0);
  CHECK(train[0].picture == all[0].picture);
  CHECK(train[1].id == 2);
  CHECK(train[1].picture == in_colour(all[1].picture));
  const std::vector<Photo> smaller = read_photos(folder.path(), "train", {.shorter_side = 30});
  CHECK(smaller[0].picture.shape == Shape{3, 30, 43});  // 53 x 30 / 37 = 42.97
  CHECK(smaller[0].picture == to_bytes(resize(to_floats(all[0].picture), 30, 43, {.antialias = true})));
  CHECK(smaller[1].picture == train[1].picture);
#endif
}
