// SPDX-License-Identifier: MIT
// What the fuzz targets share; scripts/fuzz.sh builds and runs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <mtlx/core/error.hpp>

namespace fuzz {

/// Runs `read` on the bytes. An `mtlx::Error` is a good end; anything else that is thrown is a crash.
template <class Read>
int run(const std::uint8_t* data, std::size_t size, Read&& read) {
  try {
    read(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const mtlx::Error& error) {
    if (!std::string_view(error.what()).starts_with("mtlx: ")) __builtin_trap();
  }
  return 0;
}

/// Runs `act`, whose `mtlx::Error` is as good as its result.
template <class Act>
void attempt(Act&& act) {
  run(nullptr, 0, [&](std::string_view) { act(); });
}

/// Stops the fuzzer if something that must hold does not.
inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace fuzz
