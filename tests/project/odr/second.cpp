// SPDX-License-Identifier: MIT
#include "whole.hpp"

const void* second_view_of_shape();
const void* second_view_of_shape() { return &mtlx::Input<3, 2, 1>::shape; }
