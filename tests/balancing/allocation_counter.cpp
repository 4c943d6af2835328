// SPDX-License-Identifier: MIT
// The counting operator new, for this folder's program.
#include "support/allocation_counter.cpp"  // NOLINT: a translation unit by design
