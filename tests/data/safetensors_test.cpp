// SPDX-License-Identifier: MIT
#include <mtlx/data/safetensors.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mutate.hpp"
#include "temporary.hpp"

using namespace mtlx;
using data::parse_safetensors;
using data::Safetensors;
using data::Tensor;

namespace {

std::string file_of(const std::string& header, const std::string& data = "") {
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + data;
}

doctest::String refusal(const std::string& header, const std::string& data = "") {
  return error_of([&] { parse_safetensors(file_of(header, data), "f"); });
}

// One tensor "a" of two floats, or something like it.
std::string one(const std::string& inside) { return "{\"a\":{" + inside + "}}"; }

template <class T>
std::vector<T> values(const Tensor& tensor) {
  std::vector<T> numbers(tensor.size());
  tensor.copy_to(numbers.data());
  return numbers;
}

const std::vector<float> six{1, 2, 3, 4, 5, 6};
const std::vector<double> two{1.5, -2};

Safetensors small() {
  return {{Tensor::of("a.weight", {2, 3}, six), Tensor::of("b", {2}, two),
           Tensor::of("nothing", {0, 7}, std::vector<float>{}), Tensor::of("one", {}, std::vector<float>{8})},
          {{"made by", "a \"test\"\n"}, {"", "\xC3\xBC"}}};
}

}  // namespace

TEST_CASE("what is written is read again") {
  const std::string bytes = safetensors_bytes(small());
  const Safetensors found = parse_safetensors(bytes, "f");
  REQUIRE(found.tensors.size() == 4);
  CHECK(found.tensors[0].name == "a.weight");
  CHECK(found.tensors[0].shape == std::vector<std::size_t>{2, 3});
  CHECK(found.tensors[0].type() == std::string("F32"));
  CHECK(values<float>(found.tensors[0]) == six);
  CHECK(values<double>(*found.find("b")) == two);
  CHECK(found.find("nothing")->size() == 0);
  CHECK(found.find("one")->shape.empty());
  CHECK(values<float>(*found.find("one")) == std::vector<float>{8});
  CHECK(found.find("c") == nullptr);
  CHECK(found.metadata == small().metadata);
  CHECK(bytes.size() % 8 == (6 * 4 + 2 * 8 + 4) % 8);  // the numbers begin at a multiple of 8
  CHECK(parse_safetensors(data::safetensors_bytes({}), "f").tensors.empty());
  const Safetensors three = parse_safetensors(data::safetensors_bytes({{{"u", {3}, 1, "\x01\xFF."}}, {}}), "f");
  CHECK(three.find("u")->type() == std::string("U8"));
  CHECK(three.find("u")->bytes == "\x01\xFF.");

  const Temporary folder;
  write_safetensors(folder.path() + "/f", small());
  CHECK(data::read_safetensors(folder.path() + "/f").tensors.size() == 4);
  CHECK(error_of([&] { data::read_safetensors(folder.path() + "/g"); }) ==
        ("mtlx: cannot read " + folder.path() + "/g: No such file or directory").c_str());
}

TEST_CASE("numbers are read as what they are") {
  std::vector<double> numbers(6);
  CHECK(error_of([&] { small().tensors[0].copy_to(numbers.data()); }) ==
        "mtlx: the tensor \"a.weight\" is F32, and is read as numbers of 8 bytes");
}

TEST_CASE("what can't be written") {
  Safetensors doubled = small();
  doubled.tensors[1].name = "one";
  CHECK_THROWS_WITH_AS(safetensors_bytes(doubled), "mtlx: two tensors of a safetensors file are named \"one\"", Error);
  doubled.tensors[1].name = "__metadata__";
  CHECK_THROWS_AS(safetensors_bytes(doubled), Error);
  Safetensors short_of = small();
  short_of.tensors[0].bytes.pop_back();
  CHECK_THROWS_WITH_AS(safetensors_bytes(short_of),
                       "mtlx: the tensor \"a.weight\" has 23 bytes, and its shape 6 numbers of 4", Error);
}

TEST_CASE("the bytes that PyPI's safetensors 0.8.0 makes") {
  // safetensors.numpy.save({"b": [1.5, -2] (float64), "a.weight": [[1, 2, 3], [4, 5, 6]] (float32)},
  //                        metadata={"made by": "NumPy \"x\" ü"})
  const std::string header =
      R"({"__metadata__":{"made by":"NumPy \"x\" )"
      "\xC3\xBC"
      R"("},"b":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]}}     )";
  const std::vector<unsigned char> numbers{0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0x3F, 0x00, 0x00,
                                           0x00, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00, 0x80, 0x3F,
                                           0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x40, 0x40, 0x00, 0x00,
                                           0x80, 0x40, 0x00, 0x00, 0xA0, 0x40, 0x00, 0x00, 0xC0, 0x40};
  REQUIRE(header.size() == 168);
  const std::string bytes = file_of(header, std::string(numbers.begin(), numbers.end()));
  const Safetensors found = parse_safetensors(bytes, "f");
  REQUIRE(found.tensors.size() == 2);
  CHECK(values<double>(*found.find("b")) == two);
  CHECK(values<float>(*found.find("a.weight")) == six);
  CHECK(found.find("a.weight")->shape == std::vector<std::size_t>{2, 3});
  REQUIRE(found.metadata.size() == 1);
  CHECK(found.metadata[0].first == "made by");
  CHECK(found.metadata[0].second == "NumPy \"x\" \xC3\xBC");
}

TEST_CASE("JSON as others write it") {
  const std::string header =
      " {\n\t\"\\u00fc\\uD83d\\ude00\\u20ac\\/\\n\" : { \"shape\" : [ ] , \"data_offsets\" : [ 0 , 4 ] ,"
      "\r\n \"dtype\" : \"F32\" } , \"__metadata__\":{ } }  ";
  const Safetensors found = parse_safetensors(file_of(header, std::string("\0\0\x80\x3F", 4)), "f");
  REQUIRE(found.tensors.size() == 1);
  CHECK(found.tensors[0].name == "\xC3\xBC\xF0\x9F\x98\x80\xE2\x82\xAC/\n");
  CHECK(values<float>(found.tensors[0]) == std::vector<float>{1});
}

TEST_CASE("broken files are refused, one sentence each") {
  const std::string right = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", eight(8, 'x');
  CHECK(refusal(one(right), eight) == "");
  const auto unsound = [](const std::string& why) {
    return doctest::String(("mtlx: f is no sound safetensors file: " + why).c_str());
  };

  CHECK(error_of([] { parse_safetensors("1234567", "f"); }) ==
        "mtlx: f is cut: it holds 7 bytes, and a safetensors file at least 10");
  CHECK(error_of([] { parse_safetensors("", "f"); }) ==
        "mtlx: f is cut: it holds 0 bytes, and a safetensors file at least 10");
  CHECK(error_of([] { parse_safetensors(std::string("\x10\0\0\0\0\0\0\0{}", 10), "f"); }) ==
        "mtlx: f is cut: its header has 16 bytes, and only 2 follow");
  CHECK(error_of([] { parse_safetensors(std::string(20, '\x7F'), "f"); }) ==
        "mtlx: f is no safetensors file: a header of 9187201950435737471 bytes, at most 100000000 expected");

  // The header's grammar.
  CHECK(refusal("") == unsound("byte 0 of its header: expected '{'"));
  CHECK(refusal("[]") == unsound("byte 0 of its header: expected '{'"));
  CHECK(refusal("{}x") == unsound("byte 2 of its header: text after its end"));
  CHECK(refusal(std::string("{}\0", 3)) == unsound("byte 2 of its header: text after its end"));
  CHECK(refusal("{") == unsound("byte 1 of its header: expected '\"'"));
  CHECK(refusal("{\"a\"}") == unsound("byte 4 of its header: expected ':'"));
  CHECK(refusal("{\"a") == unsound("byte 3 of its header: a string without an end"));
  CHECK(refusal("{\"a\nb\":{}}") == unsound("byte 4 of its header: a control character in a string"));
  CHECK(refusal("{\"\\x\":{}}") == unsound("byte 4 of its header: an unknown escape in a string"));
  CHECK(refusal("{\"\\u12\x10"
                "4\":{}}") == unsound("byte 7 of its header: \\u needs four hexadecimal digits"));
  CHECK(refusal("{\"\\ud800x\":{}}") == unsound("byte 9 of its header: half of a surrogate pair"));
  CHECK(refusal("{\"\\udc00\":{}}") == unsound("byte 8 of its header: half of a surrogate pair"));
  CHECK(refusal(one(right) + "}", eight) == unsound("byte 54 of its header: text after its end"));
  CHECK(refusal("{\"a\":{" + right + "},}", eight) == unsound("byte 54 of its header: expected '\"'"));
  CHECK(refusal(R"({"__metadata__":{"a":1}})") == unsound("byte 21 of its header: expected '\"'"));
  CHECK(refusal(R"({"__metadata__":{},"__metadata__":{}})") ==
        unsound("byte 34 of its header: \"__metadata__\" twice"));

  // A tensor's entry.
  CHECK(refusal(one(R"("dtype":"BF16","shape":[4],"data_offsets":[0,8])"), eight) ==
        unsound(
            "byte 20 of its header: the tensor \"a\" has numbers of type \"BF16\", and only F32, F64 and U8 are read"));
  CHECK(refusal(one(right + R"(,"shape":[2])"), eight) ==
        unsound("byte 61 of its header: the tensor \"a\" has \"shape\", which is unknown or there twice"));
  CHECK(refusal(one(right + R"(,"size":[2])"), eight) ==
        unsound("byte 60 of its header: the tensor \"a\" has \"size\", which is unknown or there twice"));
  CHECK(refusal(one(R"("dtype":"F32","shape":[2])"), eight) ==
        unsound("byte 32 of its header: the tensor \"a\" needs dtype, shape and data_offsets"));
  for (const char* shape :
       {"[-2]", "[2.0]", "[2e0]", "2", "[2,]", "[,2]", "[\"2\"]", "[18446744073709551616]", "[null]"}) {
    CAPTURE(shape);
    CHECK(refusal(one(std::string(R"("dtype":"F32","data_offsets":[0,8],"shape":)") + shape), eight) != "");
  }
  CHECK(refusal(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])"), eight) != "");

  // Offsets and shapes.
  const auto at = [&](const char* shape, const char* offsets) {
    return refusal(one(std::string(R"("dtype":"F32","shape":)") + shape + R"(,"data_offsets":)" + offsets), eight);
  };
  CHECK(at("[2]", "[0,8]") == "");
  CHECK(at("[1,2,1]", "[0,8]") == "");
  CHECK(at("[3]", "[0,8]") == unsound("the tensor \"a\" has 8 bytes, which its shape does not explain"));
  CHECK(at("[2]", "[0,9]") ==
        unsound("the tensor \"a\" has the bytes from 0 to 9 of 8, expected to begin at 0, where the one before ends"));
  CHECK(at("[1]", "[4,8]") ==
        unsound("the tensor \"a\" has the bytes from 4 to 8 of 8, expected to begin at 0, where the one before ends"));
  CHECK(at("[1]", "[0,4]") == unsound("4 bytes at its end belong to no tensor"));
  CHECK(at("[1]", "[0,5]") != "");
  CHECK(at("[0]", "[8,0]") != "");
  CHECK(at("[4294967296,4294967296,2]", "[0,8]") != "");
  CHECK(at("[18446744073709551615,2]", "[0,8]") != "");
  CHECK(at("[9223372036854775809,2]", "[0,8]") != "");
  CHECK(at("[0,18446744073709551615]", "[0,8]") != "");

  const std::string a = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)";
  CHECK(refusal(a + R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight) == "");
  CHECK(refusal(a + R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight) != "");
  CHECK(refusal(a + R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", std::string(4, 'x')) != "");
  CHECK(refusal(a + R"("\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight) ==
        unsound("it has the tensor \"a\" twice"));
}

TEST_CASE("every cut and every flipped bit ends in an error or a sound file") {
  const std::string bytes = safetensors_bytes(small());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_THROWS_AS(parse_safetensors(bytes.substr(0, size), "f"), Error);
  CHECK_THROWS_AS(parse_safetensors(bytes + "x", "f"), Error);
  std::size_t sound = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = bytes;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      try {
        for (const Tensor& tensor : parse_safetensors(other, "f").tensors)
          CHECK(tensor.bytes.size() == tensor.size() * tensor.width);
        ++sound;
      } catch (const Error&) {
      }
    }
  CHECK(sound >= 8 * 44);  // flipped numbers and letters of names are nothing that the format can see
}

TEST_CASE("thousands of hostile files") {
  const std::string bytes = safetensors_bytes(small());
  Random random(1, Purpose::user);
  std::size_t sound = 0;
  for (int i = 0; i < 20000; ++i) {
    try {
      for (const Tensor& tensor : parse_safetensors(mutated(bytes, random), "f").tensors)
        REQUIRE(tensor.bytes.size() == tensor.size() * tensor.width);
      ++sound;
    } catch (const Error&) {
    }
  }
  CHECK(sound > 100);
  CHECK(sound < 19000);
}
