// SPDX-License-Identifier: MIT
// Data of super-resolution as multi-task learning: a stream for each degradation, of the same patches of the same photos. The
// targets of all streams are the same bytes, kept once; the inputs are what each degradation leaves of them.
//
// What is degraded is a piece of a photo that is larger than a patch, so that blur, resizing and the blocks of JPEG see what lies
// around; the patches are cut out of it afterwards, at multiples of the scale. Pieces, patches and symmetries depend on the seed,
// the photo's number and their own, the noise on the degradation's place in the list too: fewer degradations are the first of
// more, and so are fewer photos, pieces and patches.
// Reference: Zhang et al., "Real-World Image Super-Resolution as Multi-Task Learning" (TGSR), NeurIPS 2023, section 3.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/checksum.hpp>
#include <mtlx/core/crew.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/clusters.hpp>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/degradation.hpp>
#include <mtlx/data/image.hpp>
#include <mtlx/data/image_file.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/resize.hpp>
#include <mtlx/data/safetensors.hpp>
#include <mtlx/data/table.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// A photo of high resolution, and whose patches are its own.
struct Photo {
  std::string name;  ///< its file's
  /// The cluster of its patches, below 2^20; different for all photos of a program, those of other splits too.
  std::size_t id = 0;
  ByteImage picture;
};

/// How photos are read.
struct PhotoOptions {
  /// A photo whose shorter side has more pixels is made smaller (antialiased, bicubic), as far as that; 0 leaves all as they are.
  int shorter_side = 0;
};

/// What is made of photos, the same for every degradation.
struct DegradedOptions {
  int scale = 4;
  int piece = 160;   ///< side of what is degraded at once, pixels of the photo
  int pieces = 16;   ///< of each photo, at places that are drawn
  int patch = 96;    ///< side of what is cut out of a piece, pixels of the photo
  int patches = 1;   ///< of each piece, at places that are drawn
  bool luma = true;  ///< inputs and targets are the channel Y (what is degraded has its colours), else red, green, blue
  bool symmetries = false;  ///< each patch is turned in one of the eight ways, which is drawn
  std::uint64_t seed = 0;
  std::string task = {};  ///< name of the model's task; "x4" if it is empty and the scale is 4
  int jobs = 0;           ///< threads, 0 for as many as the machine has cores; the same bytes for any number
};

/// A sample of inputs as a picture, as it is stored (a normalisation doesn't show). `sample` is below `size()`.
[[gnu::noinline]] inline Image picture_of(const Inputs& inputs, std::size_t sample) {
  const auto bytes = inputs.bytes(sample);
  if (inputs.holds_bytes()) return to_floats({inputs.shape(), {bytes.begin(), bytes.end()}});
  const auto floats = inputs.floats(sample);
  return {inputs.shape(), {floats.begin(), floats.end()}};
}

/// A sample of targets as a picture of that shape. `sample` is below `size()`. Throws `Error` if the shape is of another width.
[[gnu::noinline]] inline Image picture_of(const Targets& targets, std::size_t sample, const Shape& shape) {
  if (shape.size() != targets.width())
    fail("picture_of: targets of width ", targets.width(), " are no pictures of ", shape);
  Image image{shape, std::vector<float>(targets.width())};
  targets.copy(sample, image.values.data());
  return image;
}

namespace detail {

// Where patches lie. A patch's place is within its piece.
struct Place {
  std::size_t photo = 0;
  int top = 0, left = 0;
  int symmetry = 0;
};
struct Places {
  std::vector<Place> pieces;
  std::vector<Place> patches;  // those of the first piece, of the second, ...
};

[[gnu::cold, gnu::noinline]] inline void check_degraded(std::span<const Photo> photos,
                                                        std::span<const DegradationTask> tasks,
                                                        const DegradedOptions& options) {
  const int scale = options.scale;
  if (scale < 1 || scale > 16) fail("degraded: scale is ", scale, ", expected 1 to 16");
  if (options.piece < scale || options.patch < scale || options.piece % scale != 0 || options.patch % scale != 0)
    fail("degraded: pieces of side ", options.piece, " and patches of ", options.patch, ", expected multiples of ",
         scale, ", the scale");
  if (options.patch > options.piece)
    fail("degraded: patches of side ", options.patch, " don't lie in pieces of ", options.piece);
  constexpr int most = 1 << 12;
  if (options.pieces < 1 || options.patches < 1 || options.pieces > most || options.patches > most)
    fail("degraded: ", options.pieces, " pieces of ", options.patches, " patches, expected 1 to ", most, " of each");
  if (tasks.empty()) fail("degraded: no degradation is given");
  if (photos.empty()) fail("degraded: no photo is given");
  std::vector<std::size_t> ids;
  for (const Photo& photo : photos) {
    check_picture(join("degraded: ", shown(photo.name)), photo.picture);
    const Shape& shape = photo.picture.shape;
    if (shape.channels != 1 && shape.channels != 3)
      fail("degraded: ", shown(photo.name), " has ", shape.channels, " channels, expected 1 (grey) or 3");
    if (shape.height < options.piece || shape.width < options.piece)
      fail("degraded: ", shown(photo.name), " is ", shape.height, " x ", shape.width, ", smaller than a piece of ",
           options.piece, " x ", options.piece);
    if (photo.id >> 20 != 0) fail("degraded: ", shown(photo.name), " has the id ", photo.id, ", expected below 2^20");
    if (std::find(ids.begin(), ids.end(), photo.id) != ids.end())
      fail("degraded: two photos have the id ", photo.id, "; one is ", shown(photo.name));
    ids.push_back(photo.id);
  }
}

[[gnu::cold, gnu::noinline]] inline Places places(std::span<const Photo> photos, const DegradedOptions& options) {
  Places all;
  const auto draw = [](int from, int part, Random& random) {
    return static_cast<int>(random.below(static_cast<std::uint32_t>(from - part) + 1));
  };
  for (std::size_t p = 0; p < photos.size(); ++p)
    for (int i = 0; i < options.pieces; ++i) {
      // A stream of its own for each piece: more patches in one move nothing in the next.
      Random random(options.seed, Purpose::sample, photos[p].id << 12 | static_cast<std::size_t>(i));
      const Shape& shape = photos[p].picture.shape;
      const int top = draw(shape.height, options.piece, random);
      all.pieces.push_back({p, top, draw(shape.width, options.piece, random)});
      for (int j = 0; j < options.patches; ++j) {
        Place patch{p};
        patch.top = options.scale * draw(options.piece / options.scale, options.patch / options.scale, random);
        patch.left = options.scale * draw(options.piece / options.scale, options.patch / options.scale, random);
        const auto symmetry = static_cast<int>(random.below(8));
        if (options.symmetries) patch.symmetry = symmetry;
        all.patches.push_back(patch);
      }
    }
  return all;
}

// A patch of a piece that is `scale` times smaller than the photo.
inline void cut(const ByteImage& piece, const Place& place, int side, int scale, std::uint8_t* to) {
  const ByteImage patch =
      turned(crop(piece, place.top / scale, place.left / scale, side / scale, side / scale), place.symmetry);
  std::copy(patch.values.begin(), patch.values.end(), to);
}

// The bytes of all patches as cut from the photos, and of what each degradation leaves of them.
struct DegradedBytes {
  std::vector<std::uint8_t> high;  // (samples, channels, patch, patch)
  std::vector<std::uint8_t> low;   // (tasks, samples, channels, patch / scale, patch / scale)
};

inline Shape patch_shape(const DegradedOptions& options, int scale) {
  return {options.luma ? 1 : 3, options.patch / scale, options.patch / scale};
}

inline std::string degraded_task(const DegradedOptions& options) {
  return options.task.empty() ? join("x", options.scale) : options.task;
}

// A stream for each task, all with the targets of one.
[[gnu::cold, gnu::noinline]] inline ClusterPart degraded_data(std::span<const Photo> photos, std::size_t tasks,
                                                              const DegradedOptions& options, DegradedBytes bytes) {
  ClusterPart result;
  std::vector<std::size_t> ids;
  for (const Place& patch : places(photos, options).patches) ids.push_back(photos[patch.photo].id);
  const Targets targets = Targets::bytes(Inputs(patch_shape(options, 1), std::move(bytes.high)));
  const Inputs inputs(patch_shape(options, options.scale), std::move(bytes.low));
  std::vector<std::size_t> samples(ids.size());
  for (std::size_t t = 0; t < tasks; ++t) {
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = t * samples.size() + i;
    result.data.add(inputs.subset(samples), {{degraded_task(options), targets}});
    result.clusters.push_back(ids);
  }
  return result;
}

// What a file of degraded photos was made of, as text: the head of the file and what names a stale one.
struct DegradedHead {
  std::string options, photos, tasks;
};

[[gnu::cold, gnu::noinline]] inline DegradedHead degraded_head(std::span<const Photo> photos,
                                                               std::span<const DegradationTask> tasks,
                                                               const DegradedOptions& options) {
  DegradedHead head;
  head.options = join("scale ", options.scale, ", piece ", options.piece, ", pieces ", options.pieces, ", patch ",
                      options.patch, ", patches ", options.patches, options.luma ? ", luma" : ", colours",
                      options.symmetries ? ", symmetries" : "", ", seed ", options.seed);
  head.photos = "id,name,channels,height,width,checksum\n";
  for (const Photo& photo : photos) {
    const Shape& shape = photo.picture.shape;
    const std::vector<std::uint8_t>& bytes = photo.picture.values;
    head.photos += join(photo.id, ",", csv_text(photo.name), ",", shape.channels, ",", shape.height, ",", shape.width,
                        ",", checksum({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), "\n");
  }
  head.tasks = degradations_text(tasks);
  return head;
}

inline constexpr std::string_view degraded_format = "mtlx degraded 1";

// Both tensors as one number.
inline std::string degraded_checksum(const Tensor& high, const Tensor& low) {
  return join(checksum(high.bytes) ^ checksum(low.bytes) << 1);
}

[[gnu::cold, gnu::noinline]] inline void write_degraded(const std::string& path, const DegradedHead& head,
                                                        const DegradedBytes& bytes, std::size_t tasks,
                                                        const DegradedOptions& options) {
  const auto tensor = [&](const char* name, const std::vector<std::uint8_t>& numbers, int scale, bool by_task) {
    const Shape shape = patch_shape(options, scale);
    const std::size_t samples = numbers.size() / shape.size() / (by_task ? tasks : 1);
    Tensor made{name, {samples}, 1, {reinterpret_cast<const char*>(numbers.data()), numbers.size()}};
    if (by_task) made.shape.insert(made.shape.begin(), tasks);
    for (const int side : {shape.channels, shape.height, shape.width})
      made.shape.push_back(static_cast<std::size_t>(side));
    return made;
  };
  Safetensors file;
  file.tensors = {tensor("high", bytes.high, 1, false), tensor("low", bytes.low, options.scale, true)};
  file.metadata = {{"format", std::string(degraded_format)},
                   {"options", head.options},
                   {"photos", head.photos},
                   {"tasks", head.tasks},
                   {"checksum", degraded_checksum(file.tensors[0], file.tensors[1])}};
  write_safetensors(path, file);
}

// The bytes of a file, if it was made of all this.
[[gnu::cold, gnu::noinline]] inline DegradedBytes read_degraded(const std::string& path, const DegradedHead& head,
                                                                std::size_t samples, std::size_t tasks,
                                                                const DegradedOptions& options) {
  const Safetensors file = read_safetensors(path);
  const auto text = [&](std::string_view key) {
    for (const auto& [name, value] : file.metadata)
      if (name == key) return value;
    return std::string();
  };
  if (text("format") != degraded_format)
    fail(path, " is no file of degraded photos (", degraded_format, "), or of another version");
  if (const std::string there = text("options"); there != head.options) {
    // The first option that differs: it begins after the last comma of what the two have in common.
    const auto apart = std::mismatch(there.begin(), there.end(), head.options.begin(), head.options.end()).first;
    const std::string common(there.begin(), apart);
    const std::size_t before = common.rfind(", ");
    const auto option = [at = before == std::string::npos ? 0 : before + 2](const std::string& all) {
      return shown(all.substr(at, all.find(", ", at) - at));
    };
    fail(path, " is stale: it was made with ", option(there), ", and is asked for with ", option(head.options),
         "; delete it to have it made anew");
  }
  for (const auto& [key, wanted] : {std::pair{"photos", &head.photos}, std::pair{"tasks", &head.tasks}})
    if (text(key) != *wanted)
      fail(path, " is stale: it was made of other ", key, " than it is asked for; delete it to have it made anew");
  const Tensor *high = file.find("high"), *low = file.find("low");
  if (high == nullptr || low == nullptr || high->width != 1 || low->width != 1 ||
      high->bytes.size() != samples * patch_shape(options, 1).size() ||
      low->bytes.size() != tasks * samples * patch_shape(options, options.scale).size() ||
      text("checksum") != degraded_checksum(*high, *low))
    fail(path, " is damaged: its bytes are not those that its head speaks of; delete it to have it made anew");
  return {{high->bytes.begin(), high->bytes.end()}, {low->bytes.begin(), low->bytes.end()}};
}

// Named by what they can do, as in image_file.hpp.
#if MTLX_DATA_STB
inline namespace with_stb {
#else
inline namespace without_stb {
#endif

[[gnu::noinline]] inline DegradedBytes degraded_bytes(std::span<const Photo> photos,
                                                      std::span<const DegradationTask> tasks,
                                                      const DegradedOptions& options) {
  const Places where = places(photos, options);
  const std::size_t count = where.patches.size(), pieces = where.pieces.size(), each = count / pieces;
  const std::size_t high = patch_shape(options, 1).size(), low = patch_shape(options, options.scale).size();
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max() / 2;
  if (count > most / high || tasks.size() > most / (count * low)) fail("degraded: more bytes than can be counted");
  DegradedBytes bytes{std::vector<std::uint8_t>(count * high), std::vector<std::uint8_t>(tasks.size() * count * low)};
  const auto kept = [&](const Image& colours) { return to_bytes(options.luma ? luma(colours) : colours); };
  Crew crew(options.jobs);
  crew.run(pieces * (tasks.size() + 1), [&](std::size_t job, std::size_t) {
    const std::size_t p = job % pieces, round = job / pieces;  // round 0 cuts the targets
    const Place& at = where.pieces[p];
    const Photo& photo = photos[at.photo];
    const Image piece = to_floats(in_colour(crop(photo.picture, at.top, at.left, options.piece, options.piece)));
    const std::size_t size = round == 0 ? high : low;
    const int scale = round == 0 ? 1 : options.scale;
    std::uint8_t* to = round == 0 ? bytes.high.data() : bytes.low.data() + (round - 1) * count * low;
    const ByteImage whole =
        kept(round == 0 ? piece
                        : degrade(piece, tasks[round - 1].parameters, options.scale,
                                  degradation_noise(options.seed, round - 1,
                                                    photo.id << 12 | p % static_cast<std::size_t>(options.pieces))));
    for (std::size_t j = p * each; j < (p + 1) * each; ++j)
      cut(whole, where.patches[j], options.patch, scale, to + j * size);
  });
  return bytes;
}

}  // inline namespace

}  // namespace detail

#if MTLX_DATA_STB
inline namespace with_stb {
#else
inline namespace without_stb {
#endif

/// The photos of one split, such as "train", in the order of FOLDER/photos.csv, a table with the columns `split` and `file`
/// (within the folder): scripts/data/photos.sh makes one. Their ids are rows of that table, so that photos of two splits never
/// have the same; grey ones are read in colour. Throws `Error` naming file and row if the table or a photo can't be read, and if
/// there is no photo of that split.
[[gnu::cold, gnu::noinline]] inline std::vector<Photo> read_photos(const std::string& folder, std::string_view split,
                                                                   const PhotoOptions& options = {}) {
  if (options.shorter_side < 0)
    fail("read_photos: shorter_side is ", options.shorter_side, ", expected pixels, or 0 for no limit");
  const Table table =
      parse_csv(mtlx::read_file(folder + "/photos.csv"), folder + "/photos.csv", {.text_columns = {"split", "file"}});
  const TableColumn &splits = table.column("split"), &files = table.column("file");
  std::vector<Photo> photos;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (splits.missing(row) || files.missing(row))
      fail(table.name(), ", row ", table.file_row(row), ": no split or no file, expected both");
    if (splits.texts[static_cast<std::size_t>(splits.codes[row])] != split) continue;
    Photo photo{files.texts[static_cast<std::size_t>(files.codes[row])], row, {}};
    try {
      photo.picture = read_image(folder + "/" + photo.name);
    } catch (const Error& error) {
      fail(table.name(), ", row ", table.file_row(row), ": ", std::string_view(error.what()).substr(6));
    }
    const Shape& shape = photo.picture.shape;
    if (const int side = std::min(shape.height, shape.width); options.shorter_side > 0 && side > options.shorter_side) {
      const auto smaller = [&](int all) {
        return static_cast<int>((2LL * all * options.shorter_side + side) / (2LL * side));
      };
      photo.picture =
          to_bytes(resize(to_floats(photo.picture), smaller(shape.height), smaller(shape.width), {.antialias = true}));
    }
    photos.push_back(std::move(photo));
  }
  if (photos.empty()) fail(table.name(), " has no photo of the split ", detail::shown(split));
  return photos;
}

/// Patches of photos and what degradations leave of them: stream t is that of `tasks[t]`, and its sample i the same patch in all
/// streams: (channels, patch / scale, patch / scale), with (channels, patch, patch) numbers as targets of `options.task`, in
/// bytes that all streams share. Samples lie photo by photo, piece by piece. The clusters are the photos' ids. Throws `Error` for
/// options that don't fit each other or the photos, and as `degrade`.
[[gnu::cold, gnu::noinline]] inline ClusterPart degraded(std::span<const Photo> photos,
                                                         std::span<const DegradationTask> tasks,
                                                         const DegradedOptions& options = {}) {
  detail::check_degraded(photos, tasks, options);
  return detail::degraded_data(photos, tasks.size(), options, detail::degraded_bytes(photos, tasks, options));
}

/// The same by way of a file: read from it if it is there, otherwise made and written. The file is one of safetensors, with
/// "high", (samples, channels, patch, patch), and "low", (tasks, samples, channels, patch / scale, patch / scale), as U8, and
/// what it was made of as text. Throws `Error` as above and, naming the file, if it is stale (made of other photos, other
/// degradations, other options), damaged, or can't be read or written.
[[gnu::cold, gnu::noinline]] inline ClusterPart degraded(const std::string& path, std::span<const Photo> photos,
                                                         std::span<const DegradationTask> tasks,
                                                         const DegradedOptions& options = {}) {
  detail::check_degraded(photos, tasks, options);
  const detail::DegradedHead head = detail::degraded_head(photos, tasks, options);
  if (file_exists(path)) {
    const std::size_t samples = detail::places(photos, options).patches.size();
    return detail::degraded_data(photos, tasks.size(), options,
                                 detail::read_degraded(path, head, samples, tasks.size(), options));
  }
  detail::DegradedBytes bytes = detail::degraded_bytes(photos, tasks, options);
  detail::write_degraded(path, head, bytes, tasks.size(), options);
  return detail::degraded_data(photos, tasks.size(), options, std::move(bytes));
}

}  // inline namespace

}  // namespace mtlx::data
