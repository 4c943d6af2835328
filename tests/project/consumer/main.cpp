// SPDX-License-Identifier: MIT
#include <mtlx/mtlx.hpp>

static_assert(mtlx::Input<1, 28, 28>::shape.size() == 784, "the library's own types are there");
#ifdef MTLX_EXPECT_NEWER
static_assert(__cplusplus > 202002L, "the project's newer standard stays");
#else
static_assert(__cplusplus >= 202002L, "mtlx brings C++20, whatever the project's own standard is");
#endif

// Runs code that the installed headers, Eigen and the thread library must agree on.
int main() {
  using Model =
      mtlx::MultiTask<mtlx::Input<2>, mtlx::Tasks<mtlx::Regression<"sum", 1>>, mtlx::sharing::Hard<mtlx::nn::Dense<4>>>;
  Model model{{.backend = {.threads = 2}}};
  return model.parameter_count() == 17 ? 0 : 1;
}
