// SPDX-License-Identifier: MIT
// Event files as TensorBoard reads them: records of TFRecord, each an Event of TensorFlow's event.proto in the wire format
// of protocol buffers.
//   record = length (u64), crc(length) (u32), bytes, crc(bytes) (u32), all little-endian
//   crc(x) = rotate_right(crc32c(x), 15) + 0xA282EAD8 mod 2^32
//   Event = {1: wall_time (double), 2: step (int64), 3: file_version (string), 5: Summary}
//   Summary = {1: Value...}, Value = {1: tag (string), 2: simple_value (float)}
// Reference: tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto; CRC-32C is that of RFC 3720.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::study {

namespace detail {

inline constexpr std::array<std::uint32_t, 256> crc32c_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}();

}  // namespace detail

/// CRC-32C (Castagnoli) of some bytes: 0xE3069283 for "123456789".
constexpr std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) crc = (crc >> 8) ^ detail::crc32c_table[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

/// An event file in memory. Times are the caller's, so that the same scalars give the same bytes.
class EventFile {
 public:
  /// `wall_time` in seconds since 1970.
  [[gnu::cold]] explicit EventFile(double wall_time = 0) {
    std::string event = double_field(1, wall_time);
    event += bytes_field(3, "brain.Event:2");
    add_record(event);
  }

  /// Numbers of one step, a tag each, such as "left/loss": TensorBoard puts tags of one prefix together. They are kept in
  /// single precision; those that it can't hold, such as NaN, are left out.
  [[gnu::cold]] void add(double wall_time, std::int64_t step,
                         const std::vector<std::pair<std::string, double>>& scalars) {
    std::string summary;
    for (const auto& [tag, number] : scalars) {
      if (!is_finite(number) || number > 3.4e38 || number < -3.4e38) continue;
      std::string value = bytes_field(1, detail::valid_utf8(tag));
      value += '\x15';  // field 2, four bytes
      append(value, std::bit_cast<std::uint32_t>(static_cast<float>(number)), 4);
      summary += bytes_field(1, value);
    }
    if (summary.empty()) return;
    std::string event = double_field(1, wall_time);
    event += '\x10';  // field 2, a number of variable length
    append_varint(event, static_cast<std::uint64_t>(step));
    event += bytes_field(5, summary);
    add_record(event);
  }

  const std::string& bytes() const { return bytes_; }
  /// Writes `bytes()` to a file; TensorBoard looks for "tfevents" in its name. Throws `Error` if that fails.
  void write(const std::string& path) const { write_file(path, bytes_); }

 private:
  static void append(std::string& out, std::uint64_t number, int count) {
    for (int i = 0; i < count; ++i) out += static_cast<char>(static_cast<unsigned char>(number >> (8 * i)));
  }
  static void append_varint(std::string& out, std::uint64_t number) {
    for (; number > 127; number >>= 7) out += static_cast<char>(static_cast<unsigned char>(number | 128));
    out += static_cast<char>(number);
  }
  static std::string double_field(unsigned field, double number) {
    std::string out(1, static_cast<char>(field << 3 | 1));
    append(out, std::bit_cast<std::uint64_t>(number), 8);
    return out;
  }
  static std::string bytes_field(unsigned field, std::string_view bytes) {
    std::string out(1, static_cast<char>(field << 3 | 2));
    append_varint(out, bytes.size());
    return out.append(bytes);
  }
  static std::uint32_t masked(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8; }

  [[gnu::cold]] void add_record(std::string_view event) {
    std::string length;
    append(length, event.size(), 8);
    bytes_ += length;
    append(bytes_, masked(length), 4);
    bytes_ += event;
    append(bytes_, masked(event), 4);
  }

  std::string bytes_;
};

}  // namespace mtlx::study
