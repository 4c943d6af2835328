// SPDX-License-Identifier: MIT
// Pictures in files: PNG, JPEG and BMP are read, PNG and JPEG are written, by stb_image and stb_image_write (Debian:
// libstb-dev; CMake: mtlx::stb, which defines MTLX_USE_STB). A program without them compiles, and an Error says what to link.
//
// stb is compiled into every translation unit that includes this header, with internal linkage, so that there is no library to
// link and nothing meets another copy of it in the program. Within one translation unit there can be one only: leave stb to
// this header there.
//
// stb reads BMPs that are cut, looks at no checksum of a PNG and trusts the tables of a JPEG. So files are looked through
// before stb sees them: the parts of a PNG with their checksums, the segments and tables of a JPEG up to its end, the rows of
// a BMP; and what the head promises is held against the size before memory is asked for. What EXIF says of which side of a
// photo is up is not followed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/data/image.hpp>

#if defined(MTLX_USE_STB) && (__has_include(<stb/stb_image.h>) || __has_include(<stb_image.h>))
#define MTLX_DATA_STB 1
#else
#define MTLX_DATA_STB 0
#endif

#if MTLX_DATA_STB
#if defined(STBI_INCLUDE_STB_IMAGE_H) || defined(INCLUDE_STB_IMAGE_WRITE_H)
#error "mtlx: this translation unit includes stb_image before mtlx/data/image_file.hpp, which brings its own"
#endif

namespace mtlx::data::detail {
// stb gets no piece of memory above 1 GiB: what unpacks to more is no picture. Zeros, since it reads tables that a broken JPEG
// uses and does not have.
inline constexpr std::size_t stb_most = std::size_t{1} << 30;
inline void* stb_allocate(std::size_t size) { return size > stb_most ? nullptr : std::calloc(size, 1); }
inline void* stb_allocate(void* old, std::size_t size) { return size > stb_most ? nullptr : std::realloc(old, size); }
}  // namespace mtlx::data::detail

#define STBI_MALLOC(size) mtlx::data::detail::stb_allocate(size)
#define STBI_REALLOC(old, size) mtlx::data::detail::stb_allocate(old, size)
#define STBI_FREE(old) std::free(old)
#define STBI_ASSERT(holds) ((holds) ? void() : mtlx::fail("an image that stb_image does not understand: " #holds))
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_FREE
#undef STBI_ASSERT
#undef STB_IMAGE_STATIC
#undef STB_IMAGE_IMPLEMENTATION
#undef STBI_ONLY_PNG
#undef STBI_ONLY_JPEG
#undef STBI_ONLY_BMP
#undef STBI_NO_STDIO
#undef STBI_NO_LINEAR
#undef STB_IMAGE_WRITE_STATIC
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STBI_WRITE_NO_STDIO
#endif

namespace mtlx::data {

/// How a picture file is read.
struct ImageFileOptions {
  /// 3 makes colours of grey, 1 grey of colours (`in_grey`'s, rounded), 0 leaves the file's number: 1 to 4, the second or
  /// fourth being opacity.
  int channels = 3;
  /// The most pixels that are read, up to 2^28.
  std::size_t most_pixels = std::size_t{1} << 26;
};

namespace detail {

// Numbers at a place of a file; the place must be within.
inline std::size_t big_endian(std::string_view bytes, std::size_t at, std::size_t count) {
  std::size_t number = 0;
  for (std::size_t i = 0; i < count; ++i) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}
inline std::size_t little_endian(std::string_view bytes, std::size_t at, std::size_t count) {
  std::size_t number = 0;
  for (std::size_t i = count; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

// CRC-32 of PNG (ISO 3309).
[[gnu::cold, gnu::noinline]] inline std::uint32_t crc32(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> numbers{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      numbers[i] = i;
      for (int bit = 0; bit < 8; ++bit) numbers[i] = numbers[i] >> 1 ^ ((numbers[i] & 1) != 0 ? 0xEDB88320U : 0U);
    }
    return numbers;
  }();
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ crc >> 8;
  return ~crc;
}

// What a file's head promises.
struct ImageHead {
  std::size_t height = 0, width = 0;
  std::size_t most_pixels = 0;  // that a file of this size can hold
};

inline constexpr std::string_view png_mark = "\x89PNG\r\n\x1A\n";

// Looks through the parts of a PNG, up to its end.
[[gnu::cold, gnu::noinline]] inline ImageHead png_head(std::string_view bytes, std::string_view name) {
  ImageHead head;
  std::size_t data = 0, bits = 1;  // bytes of pixels, bits of each
  for (std::size_t at = 8;;) {
    if (bytes.size() - at < 12) fail(name, " is cut: the PNG ends before its last part");
    const std::size_t size = big_endian(bytes, at, 4);
    if (size > bytes.size() - at - 12) fail(name, " is cut: the PNG ends inside a part, at byte ", at);
    const std::string_view kind = bytes.substr(at + 4, 4);
    if (crc32(bytes.substr(at + 4, size + 4)) != big_endian(bytes, at + 8 + size, 4))
      fail(name, " is broken: the checksum of the PNG's part at byte ", at, " is wrong");
    if (at == 8) {
      if (kind != "IHDR" || size != 13) fail(name, " is no PNG: it does not begin with a head (IHDR)");
      head.width = big_endian(bytes, at + 8, 4);
      head.height = big_endian(bytes, at + 12, 4);
      const auto depth = static_cast<unsigned char>(bytes[at + 16]);
      const auto colour = static_cast<unsigned char>(bytes[at + 17]);
      bits = std::size_t{depth} * (colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1);
      if (depth == 16) fail(name, " is a PNG of 16 bits a channel, expected at most 8: the rest would be lost");
    }
    at += 12 + size;
    if (kind == "IDAT") data += size;
    if (kind == "IEND") {
      if (at != bytes.size()) fail(name, " goes on after the end of its PNG");
      // Deflate packs at most 1032 to 1.
      head.most_pixels = bits == 0 ? 0 : data * 1032 * 8 / bits;
      return head;
    }
  }
}

// Looks through the Huffman tables of a segment of a JPEG: at most 256 codes each, and those of a first coefficient say how many
// bits follow, at most 15. stb of 2022 trusts both.
[[gnu::cold, gnu::noinline]] inline void check_huffman(std::string_view tables, std::string_view name) {
  while (!tables.empty()) {
    std::size_t codes = 0;
    for (std::size_t i = 1; i < 17 && i < tables.size(); ++i) codes += static_cast<unsigned char>(tables[i]);
    if (tables.size() < 17 || codes > 256 || codes > tables.size() - 17)
      fail(name, " is broken: a Huffman table of the JPEG has ", codes, " codes in a segment that ends before them");
    if (static_cast<unsigned char>(tables[0]) < 16)
      for (const char bits : tables.substr(17, codes))
        if (static_cast<unsigned char>(bits) > 15)
          fail(name, " is broken: a first coefficient of the JPEG has ", static_cast<unsigned char>(bits), " bits");
    tables.remove_prefix(17 + codes);
  }
}

// Looks through the segments of a JPEG, up to its end.
[[gnu::cold, gnu::noinline]] inline ImageHead jpeg_head(std::string_view bytes, std::string_view name) {
  ImageHead head;
  // A block of 8 x 8 pixels takes a bit or more.
  head.most_pixels = bytes.size() * 8 * 64;
  for (std::size_t at = 2;;) {
    // The next marker: what lies before it is the picture's data, in which a 0xFF is followed by 0 or a restart.
    at = bytes.find('\xFF', at);
    if (at == std::string_view::npos || at + 1 >= bytes.size()) fail(name, " is cut: the JPEG has no end");
    const auto marker = static_cast<unsigned char>(bytes[++at]);
    if (marker == 0xFF) continue;  // filling
    ++at;
    if (marker == 0 || (marker >= 0xD0 && marker <= 0xD8)) continue;
    if (marker == 0xD9) break;
    if (bytes.size() - at < 2) fail(name, " is cut: the JPEG ends inside a segment");
    const std::size_t size = big_endian(bytes, at, 2);
    if (size < 2 || size > bytes.size() - at) fail(name, " is cut: the JPEG ends inside a segment, at byte ", at);
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (marker == 0xC4) check_huffman(bytes.substr(at + 2, size - 2), name);
    if (frame && size >= 8) {
      // A decoder takes the first, so that a second would only hide its sides.
      if (head.height != 0 || head.width != 0) fail(name, " is no picture: its JPEG has two frames");
      head.height = big_endian(bytes, at + 3, 2);
      head.width = big_endian(bytes, at + 5, 2);
    }
    at += size;
  }
  return head;
}

// Looks at the head of a BMP and whether its rows are all there.
[[gnu::cold, gnu::noinline]] inline ImageHead bmp_head(std::string_view bytes, std::string_view name) {
  if (bytes.size() < 30) fail(name, " is cut: the BMP ends inside its head");
  const bool old = little_endian(bytes, 14, 4) == 12;
  const std::size_t size = old ? 2 : 4, at = 18;
  ImageHead head;
  head.width = little_endian(bytes, at, size);
  head.height = little_endian(bytes, at + size, size);
  if (!old && head.height > 0x7FFFFFFF) head.height = 0x100000000 - head.height;  // from top to bottom
  const std::size_t bits = little_endian(bytes, at + 2 * size + 2, 2), offset = little_endian(bytes, 10, 4);
  if (bits == 0 || bits > 32) fail(name, " is no BMP: ", bits, " bits a pixel");
  head.most_pixels = bytes.size() * 8;
  if (head.width > head.most_pixels || head.height > head.most_pixels) return head;
  const std::size_t row = (head.width * bits + 31) / 32 * 4;
  if (offset > bytes.size() || (row != 0 && head.height > (bytes.size() - offset) / row))
    fail(name, " is cut: a BMP of ", head.height, " x ", head.width, " pixels of ", bits, " bits in ", bytes.size(),
         " bytes");
  return head;
}

[[gnu::cold, gnu::noinline]] inline void check_image_head(std::string_view bytes, std::string_view name,
                                                          const ImageFileOptions& options) {
  if (options.channels != 0 && options.channels != 1 && options.channels != 3)
    fail("image file: channels = ", options.channels, ", expected 0, 1 or 3");
  constexpr std::size_t most = std::size_t{1} << 28;
  if (options.most_pixels > most) fail("image file: most_pixels = ", options.most_pixels, ", expected at most ", most);
  ImageHead head;
  if (bytes.starts_with(png_mark))
    head = png_head(bytes, name);
  else if (bytes.starts_with("\xFF\xD8\xFF"))
    head = jpeg_head(bytes, name);
  else if (bytes.starts_with("BM"))
    head = bmp_head(bytes, name);
  else
    fail(name, " is no PNG, JPEG or BMP file");
  if (head.height == 0 || head.width == 0) fail(name, " is a picture of ", head.height, " x ", head.width, " pixels");
  const auto above = [&](std::size_t limit) { return head.height > limit / head.width; };
  if (above(head.most_pixels))
    fail(name, " promises ", head.height, " x ", head.width, " pixels, more than a file of ", bytes.size(),
         " bytes can hold");
  if (above(options.most_pixels))
    fail(name, " is a picture of ", head.height, " x ", head.width,
         " pixels, more than most_pixels = ", options.most_pixels, " of ImageFileOptions");
}

// A picture of pixels one after the other, as files have them, and how many channels the file has.
struct Pixels {
  int height = 0, width = 0, channels = 0;
  const std::uint8_t* bytes = nullptr;
};

// Channel by channel, with as many as are wanted.
[[gnu::noinline]] inline ByteImage planes(const Pixels& pixels, std::string_view name, int wanted) {
  const auto plane = static_cast<std::size_t>(pixels.height) * static_cast<std::size_t>(pixels.width);
  auto channels = static_cast<std::size_t>(pixels.channels);
  if (wanted != 0 && channels % 2 == 0) {
    --channels;
    for (std::size_t i = 0; i < plane; ++i)
      if (pixels.bytes[i * (channels + 1) + channels] != 255)
        fail(name, " has transparent pixels, expected an opaque picture (ImageFileOptions::channels = 0 keeps them)");
  }
  ByteImage picture{{static_cast<int>(channels), pixels.height, pixels.width}, {}};
  picture.values.resize(channels * plane);
  const auto stride = static_cast<std::size_t>(pixels.channels);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < plane; ++i) picture.values[c * plane + i] = pixels.bytes[i * stride + c];
  if (wanted == 3) return in_colour(std::move(picture));
  if (wanted == 1 && channels == 3) return to_bytes(in_grey(to_floats(picture)));
  return picture;
}

// Pixel by pixel, as files have them.
[[gnu::noinline]] inline std::vector<std::uint8_t> interleaved(const ByteImage& picture) {
  const auto channels = static_cast<std::size_t>(picture.shape.channels);
  const std::size_t plane = picture.values.size() / channels;
  std::vector<std::uint8_t> pixels(picture.values.size());
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < plane; ++i) pixels[i * channels + c] = picture.values[c * plane + i];
  return pixels;
}

// What encoders ask of a picture.
[[gnu::cold, gnu::noinline]] inline void check_writable(std::string_view what, const ByteImage& picture, int side,
                                                        bool opacity) {
  check_picture(what, picture);
  const Shape& shape = picture.shape;
  const bool grey_or_colour = shape.channels == 1 || shape.channels == 3;
  if (!grey_or_colour && (!opacity || shape.channels > 4))
    fail(what, ": a picture of ", shape.channels, " channels, expected ", opacity ? "1 to 4" : "1 or 3");
  if (shape.height > side || shape.width > side || picture.values.size() > std::size_t{1} << 28)
    fail(what, ": a picture of ", shape, ", expected sides of at most ", side, " and at most 2^28 numbers");
}

#if MTLX_DATA_STB
// Called by stb with a piece of what it writes.
inline void append_piece(void* text, void* bytes, int size) {
  static_cast<std::string*>(text)->append(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

// Frees what stb has read, whatever happens.
struct StbPixels {
  explicit StbPixels(std::uint8_t* read) : bytes(read) {}
  StbPixels(const StbPixels&) = delete;
  StbPixels& operator=(const StbPixels&) = delete;
  ~StbPixels() { std::free(bytes); }
  std::uint8_t* bytes;
};
#else
[[noreturn, gnu::cold, gnu::noinline]] inline void no_stb(std::string_view what) {
  fail(what, ": this program was built without stb_image (Debian: libstb-dev): link mtlx::stb, which defines ",
       "MTLX_USE_STB");
}
#endif

}  // namespace detail

// Named by what they can do, since programs mix translation units built with stb and without.
#if MTLX_DATA_STB
inline namespace with_stb {
#else
inline namespace without_stb {
#endif

/// Reads a PNG, JPEG or BMP file that lies in memory; errors call it `name`. Throws `Error` as `read_image` does.
[[gnu::cold, gnu::noinline]] inline ByteImage parse_image(std::string_view bytes, std::string_view name,
                                                          const ImageFileOptions& options = {}) {
  detail::check_image_head(bytes, name, options);
#if MTLX_DATA_STB
  if (bytes.size() > 0x7FFFFFFF) fail(name, " has ", bytes.size(), " bytes, expected less than 2^31");
  detail::Pixels pixels;
  const detail::StbPixels read(stbi_load_from_memory(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                                     static_cast<int>(bytes.size()), &pixels.width, &pixels.height,
                                                     &pixels.channels, 0));
  if (read.bytes == nullptr) fail(name, " is broken: stb_image says \"", stbi_failure_reason(), "\"");
  pixels.bytes = read.bytes;
  return detail::planes(pixels, name, options.channels);
#else
  detail::no_stb(name);
#endif
}

/// Reads a PNG (at most 8 bits a channel), JPEG or BMP file, told apart by their first bytes. Throws `Error` naming the file if
/// it is missing, unreadable, of another format, cut, broken or larger than the options allow; if it has transparent pixels
/// that the options leave no room for; and without stb. (A JPEG that stops early and yet has an end is not found out: the rest
/// of it says nothing.)
[[gnu::cold]] inline ByteImage read_image(const std::string& path, const ImageFileOptions& options = {}) {
  return parse_image(mtlx::read_file(path), path, options);
}

/// The bytes of a PNG file, from which the same picture is read. 1 to 4 channels, as read. Throws `Error` for others, and
/// without stb.
[[gnu::cold, gnu::noinline]] inline std::string encode_png(const ByteImage& picture) {
  detail::check_writable("encode_png", picture, 1 << 20, true);
#if MTLX_DATA_STB
  const std::vector<std::uint8_t> pixels = detail::interleaved(picture);
  const Shape& shape = picture.shape;
  std::string bytes;
  if (stbi_write_png_to_func(detail::append_piece, &bytes, shape.width, shape.height, shape.channels, pixels.data(),
                             shape.width * shape.channels) == 0)
    fail("encode_png: no memory for a picture of ", shape);
  return bytes;
#else
  detail::no_stb("encode_png");
#endif
}

/// The bytes of a baseline JPEG file (JFIF), 1 or 3 channels. `quality` is 1 to 100 and scales the tables of the standard as
/// libjpeg does; colours have half the resolution up to 90. Throws `Error` for other channels, sides above 65535, another
/// quality, and without stb.
[[gnu::noinline]] inline std::string encode_jpeg(const ByteImage& picture, int quality) {
  detail::check_writable("encode_jpeg", picture, 65535, false);
  if (quality < 1 || quality > 100) fail("encode_jpeg: quality ", quality, ", expected 1 to 100");
#if MTLX_DATA_STB
  const std::vector<std::uint8_t> pixels = detail::interleaved(picture);
  const Shape& shape = picture.shape;
  std::string bytes;
  stbi_write_jpg_to_func(detail::append_piece, &bytes, shape.width, shape.height, shape.channels, pixels.data(),
                         quality);
  return bytes;
#else
  detail::no_stb("encode_jpeg");
#endif
}

/// Writes a PNG file. Throws `Error` as `encode_png` and `write_file`.
[[gnu::cold]] inline void write_png(const std::string& path, const ByteImage& picture) {
  write_file(path, encode_png(picture));
}

/// Writes a JPEG file. Throws `Error` as `encode_jpeg` and `write_file`.
[[gnu::cold]] inline void write_jpeg(const std::string& path, const ByteImage& picture, int quality = 95) {
  write_file(path, encode_jpeg(picture, quality));
}

}  // inline namespace

}  // namespace mtlx::data
