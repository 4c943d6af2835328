// SPDX-License-Identifier: MIT
// usage: npy_copy FOLDER COUNT     reads FOLDER/0.npy and so on, and writes each anew as FOLDER/0.copy.npy, or why it
//                                  can't be read as FOLDER/0.error (for npy_check.py)
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <mtlx/core/file.hpp>
#include <mtlx/data/npy.hpp>

namespace {

using namespace mtlx;

void copy(const std::string& from, const std::string& to) {
  const data::NpyArray array = data::read_npy(from);
  switch (array.type) {
    case data::NpyArray::Type::floats: data::write_npy(to, array.shape, array.floats); break;
    case data::NpyArray::Type::doubles: data::write_npy(to, array.shape, array.doubles); break;
    case data::NpyArray::Type::bytes: data::write_npy(to, array.shape, array.bytes); break;
    case data::NpyArray::Type::integers: data::write_npy(to, array.shape, array.integers); break;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fputs("usage: npy_copy FOLDER COUNT\n", stderr);
    return 2;
  }
  try {
    for (int i = 0; i < std::atoi(arguments[2]); ++i) {
      const std::string path = join(arguments[1], "/", i);
      try {
        copy(path + ".npy", path + ".copy.npy");
      } catch (const Error& error) {
        write_file(path + ".error", error.what());
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
