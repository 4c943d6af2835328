// SPDX-License-Identifier: MIT
// Built without exceptions: an error prints its sentence and calls the handler that the program has set.
#include <mtlx/core/error.hpp>

#include <cstdlib>
#include <exception>

int main() {
  std::set_terminate([] { std::_Exit(0); });
  mtlx::fail(3, " is too many");
}
