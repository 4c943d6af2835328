// SPDX-License-Identifier: MIT
#include <mtlx/data/npy.hpp>

#include "mutate.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

// A .npy file of these pieces, its length right unless `length` says another.
std::string npy(const std::string& dictionary, const std::string& numbers, char version = 1, long length = -1) {
  std::string bytes("\x93NUMPY", 6);
  bytes += version;
  bytes += '\0';
  std::size_t size = length < 0 ? dictionary.size() : static_cast<std::size_t>(length);
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i, size >>= 8) bytes += static_cast<char>(size & 0xFF);
  return bytes + dictionary + numbers;
}

std::string dictionary(const std::string& descr, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape +
         ", }\n";
}

std::string bytes(std::initializer_list<int> values) {
  std::string result;
  for (const int value : values) result += static_cast<char>(value);
  return result;
}

doctest::String error(const std::string& file) {
  return error_of([&] { parse_npy(file, "a.npy"); });
}

using Shapes = std::vector<std::size_t>;

}  // namespace

// What numpy.save(f, numpy.array([[1, -2, 0.5], [4, 5, 6]], numpy.float32)) writes: NumPy 2.
TEST_CASE("a file of NumPy is read") {
  std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  head.append(117 - head.size(), ' ');
  head += '\n';
  const std::string file = npy(head, bytes({0, 0, 0x80, 0x3F, 0, 0, 0,    0xC0, 0, 0, 0,    0x3F,  //
                                            0, 0, 0x80, 0x40, 0, 0, 0xA0, 0x40, 0, 0, 0xC0, 0x40}));
  REQUIRE(file.size() == 128 + 24);
  const NpyArray array = parse_npy(file, "a.npy");
  CHECK(array.shape == Shapes{2, 3});
  CHECK(array.type == NpyArray::Type::floats);
  CHECK(array.floats == std::vector<float>{1, -2, 0.5F, 4, 5, 6});
  CHECK(array.name == "a.npy");

  const Temporary folder;
  CHECK(read_npy(folder.file("a", {file.begin(), file.end()})).floats == array.floats);

  const NpyHeader header = parse_npy_header(file, "a.npy");
  CHECK(header.offset == 128);
  CHECK(header.count == 6);
  CHECK(header.kind == 'f');
  CHECK(header.width == 4);
  CHECK_FALSE(header.big_endian);
  CHECK_FALSE(header.fortran_order);
}

TEST_CASE("every type is read, in either byte order") {
  using Integers = std::vector<std::int64_t>;
  const auto integers = [](const std::string& descr, const std::string& numbers) {
    const NpyArray array = parse_npy(npy(dictionary(descr, "(2,)"), numbers), "a.npy");
    CHECK(array.type == NpyArray::Type::integers);
    return array.integers;
  };
  CHECK(integers("|i1", bytes({0xFF, 0x7F})) == Integers{-1, 127});
  CHECK(integers("<i1", bytes({0x80, 1})) == Integers{-128, 1});
  CHECK(integers("|b1", bytes({1, 0})) == Integers{1, 0});
  CHECK(integers("<i2", bytes({0xFE, 0xFF, 1, 2})) == Integers{-2, 513});
  CHECK(integers(">i2", bytes({0xFF, 0xFE, 1, 2})) == Integers{-2, 258});
  CHECK(integers("<u2", bytes({0xFE, 0xFF, 1, 2})) == Integers{65534, 513});
  CHECK(integers("<i4", bytes({0xFD, 0xFF, 0xFF, 0xFF, 1, 0, 0, 1})) == Integers{-3, 16777217});
  CHECK(integers(">u4", bytes({0xFF, 0xFF, 0xFF, 0xFD, 1, 0, 0, 1})) == Integers{4294967293, 16777217});
  CHECK(integers("<i8", bytes({0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 1})) ==
        Integers{-4, 72057594037927937});
  CHECK(integers(">u8", bytes({0, 0, 0, 0, 0, 0, 0, 9, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})) ==
        Integers{9, std::numeric_limits<std::int64_t>::max()});
  CHECK(parse_npy(npy(dictionary("|u1", "(2,)"), bytes({0, 255})), "a").bytes == std::vector<std::uint8_t>{0, 255});
  CHECK(parse_npy(npy(dictionary(">f4", "(1,)"), bytes({0xC0, 0x20, 0, 0})), "a").floats == std::vector<float>{-2.5F});
  CHECK(parse_npy(npy(dictionary(">f8", "(1,)"), bytes({0xC0, 4, 0, 0, 0, 0, 0, 0})), "a").doubles ==
        std::vector<double>{-2.5});
}

TEST_CASE("Fortran's order is turned into C's") {
  // [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]] with the first index fastest.
  const NpyArray array =
      parse_npy(npy(dictionary("|u1", "(2, 2, 3)", true), bytes({0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11})), "a");
  CHECK(array.bytes == std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(array.shape == Shapes{2, 2, 3});
  // Longer than the reader's buffer, not a multiple of it.
  std::string column_major;
  for (int x = 0; x < 100; ++x)
    for (int y = 0; y < 77; ++y) column_major += static_cast<char>((y * 100 + x) % 251);
  const NpyArray large = parse_npy(npy(dictionary("|u1", "(77, 100)", true), column_major), "a");
  bool right = true;
  for (std::size_t i = 0; i < large.bytes.size(); ++i) right = right && large.bytes[i] == i % 251;
  CHECK(right);
}

TEST_CASE("a header may be written in other ways than NumPy's") {
  const auto shape = [](const std::string& text, const std::string& numbers, char version = 1) {
    return parse_npy(npy(text, numbers, version), "a").shape;
  };
  CHECK(shape("{\"shape\":(1,2),\"fortran_order\":False,\"descr\":\"|u1\"}", "ab") == Shapes{1, 2});
  CHECK(shape("{'descr':'|u1','fortran_order':False,'shape':(2L,),}  \n", "ab", 2) == Shapes{2});
  CHECK(shape(dictionary("|u1", "(2)"), "ab", 3) == Shapes{2});
  CHECK(shape(dictionary("|u1", "()"), "a") == Shapes{});
  CHECK(shape(dictionary("|u1", "(0, 18446744073709551615)"), "") == Shapes{0, 18446744073709551615U});
}

TEST_CASE("a hostile .npy file ends in a sentence") {
  const std::string good = dictionary("<f4", "(1,)");
  CHECK(error("") == "mtlx: a.npy is no .npy file: it does not start with \\x93NUMPY");
  CHECK(error("\x93NUMP") == Contains("is no .npy file"));
  CHECK(error("\x93NUMPY\x01") == Contains("is cut: it ends inside the .npy header"));
  CHECK(error(std::string("\x93NUMPY\x01\0\x05", 9)) == Contains("is cut: it ends inside the .npy header"));
  CHECK(error(npy(good, "abcd", 4)) == Contains("is of .npy version 4.0, expected 1.0, 2.0 or 3.0"));
  CHECK(error(npy(good, "abcd", 2, 0x7FFFFFFF)) ==
        Contains("is cut: its header is said to have 2147483647 bytes, but the whole file has"));
  CHECK(error(npy(good, "abc")) == Contains("is cut: it promises 1 numbers of 4 bytes, but holds 3 bytes of data"));
  CHECK(error(npy(good, "abcde")) == Contains("goes on after its data"));
  CHECK(error(npy(dictionary("<f8", "(4294967296, 4294967296)"), "")) == Contains("more bytes than can be counted"));
  CHECK(error(npy(dictionary("<f8", "(2305843009213693952,)"), "")) == Contains("more bytes than can be counted"));
  CHECK(error(npy(dictionary("<f8", "(1000000000000,)"), "ab")) == Contains("promises 1000000000000 numbers"));
  CHECK(error(npy(dictionary("<f8", "(18446744073709551616,)"), "")) == Contains("expected a dimension"));
  CHECK(error(npy(dictionary("<f8", "(-1,)"), "")) == Contains("expected a dimension"));
  CHECK(error(npy(dictionary("<f8", "(1.0,)"), "")) == Contains("expected ')'"));
  CHECK(error(npy(dictionary("<f8", "3"), "")) == Contains("expected '('"));
  std::string deep = "(";
  for (int i = 0; i < 65; ++i) deep += "1,";
  CHECK(error(npy(dictionary("|u1", deep + ")"), "a")) == Contains("more than 64 dimensions"));

  for (const char* descr :
       {"<f2", "<c8", "|O", "<U3", "|S4", "<M8[ns]", "f4", "=f4", "|f4", "<f16", "<i3", "<b1x", "", "<"}) {
    CAPTURE(descr);
    CHECK(error(npy(dictionary(descr, "(1,)"), "abcd")) == Contains("holds numbers of dtype"));
  }
  CHECK(error(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "abcd")) ==
        Contains("holds records"));
  CHECK(error(npy("{'descr': '<f4', 'shape': (1,), }", "abcd")) == Contains("has no fortran_order in its header"));
  CHECK(error(npy("{}", "")) == Contains("has no descr"));
  CHECK(error(npy("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", "abcd")) ==
        Contains("has \"descr\" in its header"));
  CHECK(error(npy("{'descr': '<f4', 'other': 1}", "abcd")) == Contains("has \"other\" in its header"));
  CHECK(error(npy("{'descr': '<f4", "abcd")) == Contains("a string without an end"));
  CHECK(error(npy("{'descr' '<f4'", "abcd")) == Contains("expected ':'"));
  CHECK(error(npy("", "")) == Contains("has a broken header: it ends, expected '{'"));
  CHECK(error(npy("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", "abcd")) ==
        Contains("neither True nor False"));
  CHECK(error(npy(good + "x", "abcd")) == Contains("goes on after its dictionary"));
  CHECK(error(npy(dictionary("|b1", "(1,)"), "\x02")) == Contains("has a boolean of 2, expected 0 or 1"));
  CHECK(error(npy(dictionary("<u8", "(1,)"), std::string(8, '\xFF'))) ==
        Contains("has the number 18446744073709551615, above 2^63 - 1"));

  const Temporary folder;
  CHECK(error_of([&] { read_npy(folder.path() + "/none"); }) == Contains("/none can't be opened"));
}

TEST_CASE("arrays become inputs and targets") {
  const auto array = [](const std::string& descr, const std::string& shape, const std::string& numbers) {
    return parse_npy(npy(dictionary(descr, shape), numbers), "a.npy");
  };
  const Inputs images = inputs_from(array("|u1", "(2, 1, 2, 1)", bytes({1, 2, 3, 255})));
  CHECK(images.size() == 2);
  CHECK(images.shape() == Shape{1, 2, 1});
  CHECK(images.holds_bytes());
  CHECK(images.bytes(1)[1] == 255);
  const Inputs features = inputs_from(array("<i2", "(1, 2)", bytes({0xFF, 0xFF, 5, 0})));
  CHECK(features.shape() == Shape{2, 1, 1});
  CHECK(features.floats(0)[0] == -1);
  CHECK(features.floats(0)[1] == 5);
  CHECK(inputs_from(array(">f8", "(1, 1)", bytes({0xC0, 4, 0, 0, 0, 0, 0, 0}))).floats(0)[0] == -2.5F);

  const auto message = [](auto&& act) { return error_of(act); };
  CHECK(message([&] { inputs_from(array("|u1", "(2,)", "ab")); }) == Contains("a.npy has 1 dimensions, expected 2"));
  CHECK(message([&] { inputs_from(array("|u1", "(0, 3)", "")); }) == Contains("a.npy has no samples"));
  CHECK(message([&] { inputs_from(array("|u1", "(1, 0)", "")); }) ==
        "mtlx: a.npy: shape 0, expected every side to be at least 1");
  CHECK(message([&] { inputs_from(array("<f4", "(3, 0)", "")); }) == Contains("mtlx: a.npy: shape 0, expected"));
  CHECK(message([&] { inputs_from(array("|u1", "(0, 4294967296)", "")); }) ==
        Contains("dimension 1 of size 4294967296"));
  CHECK(message([&] { inputs_from(array("<f4", "(1, 1)", bytes({0, 0, 0xC0, 0x7F}))); }) ==
        "mtlx: a.npy: sample 0 has feature 0 not a number; inputs must be finite");
  CHECK(message([&] { inputs_from(array("<f8", "(1, 1)", bytes({0, 0, 0, 0, 0, 0, 0, 0x7E}))); }) ==
        "mtlx: a.npy: sample 0 has feature 0 infinite; inputs must be finite");

  const Targets labels = classes_from(array("<i2", "(3,)", bytes({0xFF, 0xFF, 5, 0, 0, 1})));
  CHECK(labels.size() == 3);
  CHECK_FALSE(labels.present(0));
  CHECK(labels.value(1) == 5);
  CHECK(labels.value(2) == 256);
  CHECK(classes_from(array("|u1", "(2,)", bytes({7, 255}))).value(1) == 255);
  CHECK(message([&] { classes_from(array("<i2", "(1, 1)", "ab")); }) == Contains("has 2 dimensions, expected 1"));
  CHECK(message([&] { classes_from(array("<f4", "(1,)", "abcd")); }) == Contains("holds floating-point numbers"));
  CHECK(message([&] { classes_from(array("<i8", "(1,)", bytes({0, 0, 0, 0, 1, 0, 0, 0}))); }) ==
        "mtlx: a.npy has label 4294967296 in row 0, expected a class from 0 to 2^24, or -1 where the label is missing");
  CHECK(message([&] { classes_from(array("<i4", "(2,)", bytes({0, 0, 0, 1, 1, 0, 0, 1}))); }) ==
        Contains("mtlx: a.npy has label 16777217 in row 1"));
  CHECK(message([&] { classes_from(array("|i1", "(2,)", bytes({0xFF, 0xFB}))); }) ==
        Contains("mtlx: a.npy has label -5 in row 1, expected a class"));

  const Targets values = values_from(array("<f4", "(1, 2)", bytes({0, 0, 0xC0, 0x7F, 0, 0, 0x80, 0x3F})));
  CHECK(values.width() == 2);
  CHECK_FALSE(values.present(0, 0));
  CHECK(values.value(0, 1) == 1);
  CHECK(values_from(array("|b1", "(2,)", bytes({0, 1}))).value(1) == 1);
  CHECK(values_from(array("|u1", "(2,)", bytes({0, 9}))).value(1) == 9);
  CHECK(values_from(array(">f8", "(1,)", bytes({0xC0, 4, 0, 0, 0, 0, 0, 0}))).value(0) == -2.5F);
  CHECK(message([&] { values_from(array("|u1", "(1, 1, 1)", "a")); }) == Contains("has 3 dimensions, expected 1"));
  CHECK(message([&] {
          values_from(array("<f8", "(1, 2)", bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7E})));
        }) == "mtlx: a.npy has an infinite value 1 in row 0 (as float); NaN is a missing value");
  CHECK(message([&] { values_from(array("<f4", "(3, 0)", "")); }) ==
        "mtlx: a.npy has width 0, expected at least one value per sample");
}

TEST_CASE("errors about content name the file") {
  const Temporary folder;
  const std::string path = folder.path() + "/F.npy";
  const auto begins = [&](auto&& act) { return error_of(act) == Contains(("mtlx: " + path).c_str()); };
  write_npy(path, {1, 1}, std::vector<double>{1e300});
  CHECK(begins([&] { inputs_from(read_npy(path)); }));
  CHECK(begins([&] { values_from(read_npy(path)); }));
  write_npy(path, {1, 1}, std::vector<float>{std::numeric_limits<float>::quiet_NaN()});
  CHECK(begins([&] { inputs_from(read_npy(path)); }));
  write_npy(path, {3, 0}, std::vector<float>{});
  CHECK(begins([&] { inputs_from(read_npy(path)); }));
  CHECK(begins([&] { values_from(read_npy(path)); }));
  write_npy(path, {1}, std::vector<int>{-5});
  CHECK(begins([&] { classes_from(read_npy(path)); }));
}

TEST_CASE("what is written is read back, bit by bit") {
  const auto back = [](const auto& shape, const auto& numbers) {
    using Number = typename std::decay_t<decltype(numbers)>::value_type;
    const std::string file = npy_bytes(shape, std::span<const Number>(numbers));
    CHECK(parse_npy_header(file, "a").offset % 64 == 0);
    const NpyArray array = parse_npy(file, "a");
    CHECK(array.shape == shape);
    return array;
  };
  const std::vector<float> floats{1, -0.0F, 1e-45F, 3.4e38F, 5, 6};
  CHECK(back(Shapes{3, 2}, floats).floats == floats);
  CHECK(std::signbit(back(Shapes{6}, floats).floats[1]));
  CHECK(back(Shapes{1, 1, 2}, std::vector<double>{0.1, -1e300}).doubles == std::vector<double>{0.1, -1e300});
  CHECK(back(Shapes{2}, std::vector<std::uint8_t>{0, 255}).bytes == std::vector<std::uint8_t>{0, 255});
  CHECK(back(Shapes{2}, std::vector<int>{-1, 7}).integers == std::vector<std::int64_t>{-1, 7});
  CHECK(back(Shapes{1}, std::vector<std::int64_t>{-5000000000}).integers == std::vector<std::int64_t>{-5000000000});
  CHECK(back(Shapes{}, std::vector<float>{7}).floats == std::vector<float>{7});
  CHECK(back(Shapes{0, 3}, std::vector<float>{}).floats.empty());

  const std::vector<float> three(3);
  CHECK(error_of([&] { npy_bytes({2, 2}, std::span<const float>(three)); }) == Contains("3 numbers for a shape of 4"));
  CHECK(error_of([&] { npy_bytes({1U << 31, 1U << 31, 4}, std::span<const float>(three)); }) ==
        Contains("the shape is too large"));
}

TEST_CASE("inputs, targets and answers are written as NumPy arrays") {
  const Temporary folder;
  const std::string path = folder.path() + "/a.npy";
  Inputs inputs(Shape{1, 2, 1}, std::vector<float>{1, 2, 3, 4, 5, 6});
  inputs.normalise({{3}, {2}});
  write_npy(path, inputs.subset(std::vector<std::size_t>{2, 0}));
  CHECK(read_npy(path).shape == Shapes{2, 1, 2, 1});
  CHECK(read_npy(path).floats == std::vector<float>{5, 6, 1, 2});
  write_npy(path, Inputs(Shape{3, 1, 1}, std::vector<std::uint8_t>{7, 8, 9}));
  CHECK(read_npy(path).shape == Shapes{1, 3});
  CHECK(read_npy(path).bytes == std::vector<std::uint8_t>{7, 8, 9});
  write_npy(path, Targets::values(2, {1, std::numeric_limits<float>::quiet_NaN()}));
  CHECK(read_npy(path).shape == Shapes{1, 2});
  CHECK_FALSE(values_from(read_npy(path)).present(0, 1));
  CHECK(values_from(read_npy(path)).value(0, 0) == 1);
  const std::vector<float> answers{0.25F, 0.75F};
  write_npy(path, {1, 2}, std::span<const float>(answers));
  CHECK(read_npy(path).floats == answers);
  CHECK(error_of([&] { write_npy(folder.path() + "/no/where.npy", {1, 2}, answers); }) == Contains("where.npy"));
}

TEST_CASE("mutations of a .npy file are refused or read soundly") {
  const std::string files[] = {npy(dictionary("<i4", "(2, 3)", true), std::string(24, '\x05')),
                               npy(dictionary(">f8", "(3,)"), std::string(24, '\x41'), 2),
                               npy(dictionary("|b1", "(2, 1, 3, 1)"), std::string(6, '\x01'), 3)};
  Random random(7, Purpose::user, 3);
  int read = 0, refused = 0;
  for (int round = 0; round < 9000; ++round) {
    const std::string file = mutated(files[round % 3], random);
    NpyArray array;
    const doctest::String message = error_of([&] { array = parse_npy(file, "a.npy"); });
    if (message != "") {
      CHECK(message == Contains("mtlx: a.npy "));
      ++refused;
      continue;
    }
    ++read;
    std::size_t count = 1;
    for (const std::size_t side : array.shape) count *= side;
    CHECK(array.floats.size() + array.doubles.size() + array.bytes.size() + array.integers.size() == count);
    CHECK(count <= file.size());
    error_of([&] { inputs_from(array); });
    error_of([&] { classes_from(array); });
    error_of([&] { values_from(array); });
  }
  CHECK(read > 50);
  CHECK(refused > 3000);
}
