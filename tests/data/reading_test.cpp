// SPDX-License-Identifier: MIT
#include <mtlx/data/detail/reading.hpp>

#include "mutate.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

using namespace mtlx;
using namespace mtlx::data::detail;
using doctest::Contains;

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> found;
  Lines lines(text, "text");
  while (lines.next()) {
    found.emplace_back(lines.line());
    CHECK(lines.row() == found.size());
  }
  return found;
}

// The number that a text is read as, as text; or what it is instead.
std::string number(std::string_view text) {
  double value = -7;
  switch (parse_number(text, value)) {
    case Parsed::text: CHECK(value == -7); return "text";
    case Parsed::not_finite: CHECK(value == -7); return "not finite";
    default: return join(value);
  }
}

}  // namespace

TEST_CASE("lines end with LF, CRLF or the text") {
  using All = std::vector<std::string>;
  CHECK(lines_of("") == All{});
  CHECK(lines_of("\n") == All{""});
  CHECK(lines_of("a") == All{"a"});
  CHECK(lines_of("a\nb\r\n\r\nc") == All{"a", "b", "", "c"});
  CHECK(lines_of("a\n\n") == All{"a", ""});
  CHECK(lines_of("\xEF\xBB\xBF"
                 "a\nb") == All{"a", "b"});
  CHECK(lines_of("\xEF\xBB\xBF") == All{});
  CHECK(lines_of("a\n\xEF\xBB\xBF") == All{"a", "\xEF\xBB\xBF"});
}

TEST_CASE("what is no line says where") {
  CHECK(error_of([] { lines_of({"a\nb\0c", 5}); }) == "mtlx: text, row 2: a zero byte, expected text (in UTF-8)");
  CHECK(error_of([] { lines_of("a\nb\rc\n"); }) == Contains("text, row 2: a carriage return that ends no line"));
  CHECK(error_of([] { lines_of("a\r\r\n"); }) == Contains("row 1: a carriage return"));
  CHECK(error_of([] { lines_of("a\r"); }) == Contains("row 1: a carriage return"));
}

TEST_CASE("numbers are read whole, whatever surrounds them") {
  for (const auto& each : {std::pair{"1.5", "1.5"},
                           {"-2", "-2"},
                           {" +3e2\t", "300"},
                           {".5", "0.5"},
                           {"7.", "7"},
                           {"-0.25E-1", "-0.025"},
                           {"1e308", "1e+308"},
                           {"4.9e-324", "4.94066e-324"},
                           {"1e309", "not finite"},
                           {"-1e99999999999999999999", "not finite"},
                           {"1000000e304", "not finite"},
                           {"inf", "not finite"},
                           {"-Infinity", "not finite"},
                           {"nan", "not finite"},
                           {"-NAN", "not finite"},
                           {"", "text"},
                           {"  ", "text"},
                           {"+", "text"},
                           {"+-1", "text"},
                           {"--1", "text"},
                           {"- 1", "text"},
                           {"1 2", "text"},
                           {"1,5", "text"},
                           {"1e", "text"},
                           {"0x10", "text"},
                           {"1.5.2", "text"},
                           {"12a", "text"},
                           {"1f", "text"},
                           {"infinite", "text"}}) {
    CAPTURE(each.first);
    CHECK(number(each.first) == each.second);
  }
}

TEST_CASE("a number too small for a double is 0, and one too large never is") {
  CHECK(number("1e-400") == "0");
  CHECK(number("-1e-400") == "0");
  CHECK(number("1e-99999999999999999999") == "0");
  CHECK(number(std::string("0.") + std::string(400, '0') + "1") == "0");
  CHECK(number(std::string("0.") + std::string(400, '0') + "1e401") == "1");
  CHECK(number(std::string("0.") + std::string(400, '0') + "1e1000") == "not finite");
  CHECK(number(std::string("1") + std::string(400, '0')) == "not finite");
  CHECK(number(std::string("1") + std::string(400, '0') + "e-400") == "1");
  CHECK(number(std::string("1") + std::string(400, '0') + "e-1000") == "0");
  CHECK(number(std::string("000") + std::string(400, '0') + "2") == "2");
  CHECK(number("0e99999999999999999999") == "0");
  // Exponents at the ends of a long long, which the places of the point go beyond.
  CHECK(number("10e9223372036854775807") == "not finite");
  CHECK(number("-10e9223372036854775807") == "not finite");
  CHECK(number("0.001e-9223372036854775808") == "0");
  CHECK(number(std::string("0.") + std::string(400, '0') + "1e9223372036854775807") == "not finite");
  CHECK(number(std::string("1") + std::string(400, '0') + "e-9223372036854775808") == "0");
}

TEST_CASE("a whole number from 0 on is digits and nothing else") {
  std::size_t value = 0;
  CHECK(parse_index("0", value));
  CHECK(parse_index("18446744073709551615", value));
  CHECK(value == 18446744073709551615U);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1.0", "1e3", "18446744073709551616", "x"}) {
    CAPTURE(bad);
    CHECK(!parse_index(bad, value));
  }
}

TEST_CASE("errors show a piece of the file, cut and made harmless") {
  CHECK(shown("") == "\"\"");
  CHECK(shown("a b") == "\"a b\"");
  CHECK(shown("a\n\x1B[31m") == "\"a??[31m\"");
  CHECK(shown(std::string(40, 'x')) == "\"" + std::string(40, 'x') + "\"");
  CHECK(shown(std::string(41, 'x')) == "\"" + std::string(40, 'x') + "...\"");
  // A letter of three bytes that would be cut goes whole.
  CHECK(shown(std::string(39, 'x') + "\xE2\x82\xAC" + "y") == "\"" + std::string(39, 'x') + "...\"");
}

TEST_CASE("a whole file is read, whatever its size") {
  const Temporary folder;
  for (const std::size_t size : {0U, 1U, 2U, 65534U, 65535U, 65536U, 65537U, 131072U, 200000U}) {
    CAPTURE(size);
    std::vector<std::uint8_t> bytes(size);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{7});
    const std::string text = data::detail::read_file(folder.file("file", bytes));
    CHECK(text == std::string(bytes.begin(), bytes.end()));
  }
  CHECK(error_of([&] { data::detail::read_file(folder.path() + "/none"); }) == Contains("/none: No such file"));
  CHECK(error_of([&] { data::detail::read_file(folder.path()); }) == Contains(": Is a directory"));
}

TEST_CASE("memory is a source like a file") {
  Memory memory("abcde", "name");
  std::uint8_t to[4] = {};
  CHECK(memory.capacity() == 5);
  CHECK(memory.read(to, 3) == 3);
  CHECK(to[2] == 'c');
  CHECK(memory.read(to, 4) == 2);
  CHECK(to[1] == 'e');
  CHECK(memory.read(to, 4) == 0);
  CHECK(memory.name() == "name");
}

#if MTLX_DATA_ZLIB
TEST_CASE("a packed file is read unpacked") {
  const Temporary folder;
  for (const std::size_t size : {0U, 1U, 65535U, 65536U, 65537U, 3000000U}) {
    CAPTURE(size);
    const std::string plain(size, 'x'), path = folder.path() + "/packed.gz";
    gzFile file = gzopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    REQUIRE(gzwrite(file, plain.data(), static_cast<unsigned>(size)) == static_cast<int>(size));
    REQUIRE(gzclose(file) == Z_OK);
    CHECK(data::detail::read_file(path) == plain);
  }
  CHECK(error_of([&] { data::detail::read_file(folder.file("cut", {0x1F, 0x8B, 8})); }) ==
        Contains("is cut: the gzip file ends"));
}
#endif

TEST_CASE("mutations are the same for the same stream, and of all sorts") {
  const std::string text = "a,b\n1,2\n3,\"x y\"\n";
  Random first(1, Purpose::user), second(1, Purpose::user);
  bool shorter = false, longer = false, nul = false, huge = false;
  std::size_t most = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::string one = mutated(text, first);
    CHECK(one == mutated(text, second));
    shorter = shorter || one.size() < text.size() / 2;
    longer = longer || one.size() > text.size() * 2;
    nul = nul || one.find('\0') != std::string::npos;
    huge = huge || one.find("18446744073709551615") != std::string::npos;
    most = std::max(most, one.size());
  }
  CHECK((shorter && longer && nul && huge));
  CHECK(most < 2000);
  CHECK(mutated("", first) == "");
}
