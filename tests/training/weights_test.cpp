// SPDX-License-Identifier: MIT
#include <mtlx/training/weights.hpp>

#include <mtlx/sharing/single.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "interrupted.hpp"

using namespace interrupted;
using data::Safetensors;
using data::Tensor;

namespace {

std::vector<std::string> names_in(const std::string& file) {
  std::vector<std::string> names;
  for (const Tensor& tensor : data::read_safetensors(file).tensors) {
    std::string name = tensor.name;
    for (const std::size_t side : tensor.shape) name += " " + std::to_string(side);
    names.push_back(name);
  }
  return names;
}

}  // namespace

TEST_CASE("parameters go by their paths, with their shapes") {
  const Folder folder;
  const std::string file = folder.path() + "/weights";
  make<Surgery>().save_weights(file);
  CHECK(names_in(file) == std::vector<std::string>{"trunk.0.weight 5 4", "trunk.0.bias 5", "kind.weight 3 5",
                                                   "kind.bias 3", "flags.weight 3 5", "flags.bias 3",
                                                   "place.weight 2 5", "place.bias 2"});
  // A Dense layer's weight is kept as (inputs, outputs), and written as (outputs, inputs).
  const Surgery model = make<Surgery>();
  const auto content = data::read_safetensors(file);
  std::vector<float> written(20);
  content.find("trunk.0.weight")->copy_to(written.data());
  for (std::size_t in = 0; in < 4; ++in)
    for (std::size_t out = 0; out < 5; ++out) CHECK(written[out * 4 + in] == model.parameters()[in * 5 + out]);
  make<Surgery>(true).save_weights(file);
  const auto two = names_in(file);
  REQUIRE(two.size() == 16);
  CHECK(two[0] == "network.0.trunk.0.weight 5 4");
  CHECK(two[15] == "network.1.place.bias 2");
}

TEST_CASE("saved and loaded weights are the same, and the optimizer's state stays") {
  const Folder folder;
  const std::string file = folder.path() + "/weights";
  const auto data = small::shared(21, 0.3);
  for (const bool apart : {false, true}) {
    Surgery first = make<Surgery>(apart), second = make<Surgery>(apart, 1, 9);
    first.fit(data, {.epochs = 2, .batch_size = 8});
    first.save_weights(file);
    second.load_weights(file);
    for (std::size_t g = 0; g < second.plan().size(); ++g)
      CHECK(small::same_bits(first.parameters(g), second.parameters(g)));
    CHECK(small::same_bits(first.predict(small::inputs(5)).get<"place">().values(),
                           second.predict(small::inputs(5)).get<"place">().values()));
    // Its own weights, loaded, change nothing at all.
    const auto before = bytes_of(first);
    first.load_weights(file);
    CHECK(bytes_of(first) == before);
  }
}

TEST_CASE("weights that are not exactly the model's are refused by name, and change nothing") {
  const Folder folder;
  const std::string file = folder.path() + "/weights";
  Surgery model = make<Surgery>(), other = make<Surgery>(false, 1, 9);
  other.save_weights(file);
  const Safetensors right = data::read_safetensors(file);
  const auto before = bytes_of(model);
  const auto refusal = [&](auto&& change) {
    Safetensors content = right;
    change(content.tensors);
    write_safetensors(file, content);
    std::string message = error_of([&] { model.load_weights(file); }).c_str();
    CHECK(bytes_of(model) == before);
    if (const auto at = message.find(file); at != std::string::npos) message.replace(at, file.size(), "f");
    return doctest::String(message.c_str());
  };
  using Tensors = std::vector<Tensor>;
  CHECK(refusal([](Tensors& t) { t.pop_back(); }) == "mtlx: f has no tensor \"place.bias\", which the model has");
  CHECK(refusal([](Tensors& t) { t[0].name = "trunk.1.weight"; }) ==
        "mtlx: f has no tensor \"trunk.0.weight\", which the model has");
  CHECK(refusal([](Tensors& t) { t.push_back(Tensor::of("more", {1}, std::vector<float>{1})); }) ==
        "mtlx: f has a tensor \"more\", which the model does not have");
  CHECK(refusal([](Tensors& t) { t[0].shape = {4, 5}; }) ==
        "mtlx: f has the tensor \"trunk.0.weight\" with shape (4, 5), and the model's is (5, 4)");
  CHECK(refusal([](Tensors& t) { t[1].shape = {5, 1}; }) ==
        "mtlx: f has the tensor \"trunk.0.bias\" with shape (5, 1), and the model's is (5)");
  CHECK(refusal([](Tensors& t) { t[1] = Tensor::of("trunk.0.bias", {5}, std::vector<double>(5)); }) ==
        "mtlx: f has the tensor \"trunk.0.bias\" as F64, and the model's is F32");
  write_file(file, "not safetensors at all");
  CHECK_THROWS_AS(model.load_weights(file), Error);
  CHECK_THROWS_AS(model.load_weights("/no such file"), Error);
  CHECK(bytes_of(model) == before);

  // In any order, and with metadata.
  Safetensors turned{{right.tensors.rbegin(), right.tensors.rend()}, {{"made by", "a test"}}};
  write_safetensors(file, turned);
  model.load_weights(file);
  CHECK(small::same_bits(model.parameters(), other.parameters()));
}

TEST_CASE("models in double have weights in double") {
  using Exact = MultiTask<Input<4>, Tasks<Regression<"a", 1>>, sharing::Single<nn::Dense<1>>, backend::Reference>;
  const Folder folder;
  const std::string file = folder.path() + "/weights";
  Exact model;
  model.save_weights(file);
  CHECK(names_in(file) == std::vector<std::string>{"a.0.weight 1 4", "a.0.bias 1", "a.1.weight 1 1", "a.1.bias 1"});
  CHECK(data::read_safetensors(file).tensors[0].type() == std::string("F64"));
  Exact other{{.seed = 5}};
  other.load_weights(file);
  CHECK(small::same_bits(model.parameters(), other.parameters()));
}

TEST_CASE("two parameters of one name can't be saved") {
  // A task of the trunk's name, where both are one layer.
  using Odd = MultiTask<Input<4>, Tasks<Regression<"trunk", 1>, Regression<"b", 1>>, sharing::Hard<nn::Dense<2>>,
                        backend::Reference>;
  Odd model;
  CHECK(error_of([&] { model.save_weights("/dev/null"); }) ==
        "mtlx: two tensors of a safetensors file are named \"trunk.bias\"");
}
