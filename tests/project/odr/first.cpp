// SPDX-License-Identifier: MIT
// Includes the whole library, as second.cpp does: a function that is not inline, or a variable that is not, fails to
// link.
#include "whole.hpp"

const void* second_view_of_shape();

namespace {
const void* first_view_of_shape() { return &mtlx::Input<3, 2, 1>::shape; }
}  // namespace

int main() { return first_view_of_shape() == second_view_of_shape() ? 0 : 1; }
