// SPDX-License-Identifier: MIT
// expect: mtlx: a .npy file is written from float, double, std::uint8_t, int or std::int64_t
#include <mtlx/data/npy.hpp>

#include <vector>

#ifdef MTLX_FIXED
using Number = float;
#else
using Number = short;
#endif

void save(const std::vector<Number>& numbers) { mtlx::data::write_npy("a.npy", {numbers.size()}, numbers); }
