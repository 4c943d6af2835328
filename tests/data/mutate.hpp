// SPDX-License-Identifier: MIT
// Hostile variants of a file's bytes, for tests of readers: the same stream of random numbers makes the same ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <mtlx/core/random.hpp>

namespace mutation {

inline std::size_t below(std::size_t bound, mtlx::Random& random) {
  return random.below(static_cast<std::uint32_t>(bound));
}

// Half of the places lie in the first bytes, where most formats have their structure.
inline std::size_t place(std::size_t size, mtlx::Random& random) {
  return below(random.below(2) == 0 ? std::min<std::size_t>(size, 64) : size, random);
}

// A place's run of bytes: mostly a few, now and then up to a quarter of the file.
inline std::size_t length(std::size_t size, std::size_t at, mtlx::Random& random) {
  const std::size_t most = random.below(4) == 0 ? std::max<std::size_t>(size / 4, 1) : 8;
  return std::min(1 + below(most, random), size - at);
}

// The first digit at or behind a place, or the end.
inline std::size_t number_at(std::string_view text, std::size_t at) {
  const std::size_t found = text.find_first_of("0123456789", at);
  return found == std::string_view::npos ? text.size() : found;
}

inline void edit(std::string& bytes, mtlx::Random& random) {
  static constexpr std::string_view signs[] = {"\"", "'", ",", ";", "\t", " ",  "\n",          "\r", "\r\n",
                                               "{",  "}", "[", "]", "(",  ")",  ":",           "%",  "@",
                                               "?",  "_", "-", ".", "#",  "\\", "\xEF\xBB\xBF"};
  static constexpr std::string_view numbers[] = {"0",
                                                 "-1",
                                                 "4294967295",
                                                 "4294967296",
                                                 "9223372036854775808",
                                                 "18446744073709551615",
                                                 "99999999999999999999999999",
                                                 "1e999",
                                                 "-1e-999",
                                                 "10e9223372036854775807",
                                                 "0.001e-9223372036854775808",
                                                 "nan",
                                                 "inf",
                                                 "0x10",
                                                 "1.5",
                                                 ""};
  const std::size_t at = place(bytes.size(), random), run = length(bytes.size(), at, random);
  switch (random.below(13)) {
    case 0: bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << random.below(8))); break;
    case 1: bytes[at] = static_cast<char>(random.below(random.below(2) == 0 ? 4 : 256)); break;
    case 2: bytes.resize(at); break;
    case 3: bytes.erase(0, at); break;
    case 4: bytes.insert(at, bytes.substr(at, run)); break;
    case 5: bytes.erase(at, run); break;
    case 6:
      for (std::size_t i = 0; i < run; ++i) bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), '\0');
      break;
    case 7:
      for (std::size_t i = 0; i < run; ++i) bytes[at + i] = static_cast<char>(random.below(256));
      break;
    case 8: {
      const std::size_t from = number_at(bytes, at);
      std::size_t to = bytes.find_first_not_of("0123456789", from);
      if (to == std::string::npos) to = bytes.size();
      bytes.replace(from, to - from, numbers[below(std::size(numbers), random)]);
      break;
    }
    case 9: {
      const std::size_t line = bytes.find('\n', at);
      if (line != std::string::npos) bytes.erase(line, 1);
      break;
    }
    case 10: bytes.insert(at, signs[below(std::size(signs), random)]); break;
    case 11: {  // a whole number of 1, 2, 4 or 8 bytes at its least or its most
      const char extreme = random.below(2) == 0 ? '\0' : '\xFF';
      const std::size_t width = std::size_t{1} << random.below(4), first = at / width * width;
      for (std::size_t i = first; i < std::min(first + width, bytes.size()); ++i) bytes[i] = extreme;
      break;
    }
    default: {  // a line again, elsewhere
      const std::size_t end = bytes.find('\n', at);
      const std::string line = bytes.substr(at, (end == std::string::npos ? bytes.size() : end + 1) - at);
      bytes.insert(place(bytes.size(), random), line);
    }
  }
}

}  // namespace mutation

/// The bytes after one to four edits: bits flipped, ends cut off, runs doubled, deleted, zeroed or filled with noise,
/// numbers replaced by huge ones, newlines dropped, structure signs and NULs put in. Never more than a few times as
/// long. `bytes` may be empty (and then stays so) and must be shorter than 2^32.
inline std::string mutated(std::string_view bytes, mtlx::Random& random) {
  std::string result(bytes);
  const std::uint32_t edits = 1 + random.below(4);
  for (std::uint32_t e = 0; e < edits && !result.empty(); ++e) mutation::edit(result, random);
  return result;
}
