// SPDX-License-Identifier: MIT
#include <mtlx/mtlx.hpp>

static_assert(mtlx::Input<1, 28, 28>::shape.size() == 784, "the library's own types are there");

int main() {}
