// SPDX-License-Identifier: MIT
// One task's network out of a trained model, as a C++ header of constants: for a program on a small device, which runs
// the same layers on backend::PlainSlice<float> with no heap, no files and no exceptions (examples/small_device). Weights
// that are not in the task's mask are 0. For a smaller network in this process see training/subnet.hpp.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/name.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/segment.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/core/version.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace mtlx::training {

namespace detail {

// A block of parameters: where it is, and its numbers.
template <class Scalar>
struct ExtractedBlock {
  std::string path;
  std::array<int, 4> shape;
  std::vector<Scalar> numbers;
};

inline bool is_identifier(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  for (const char c : text)
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  return !text.empty() && letter(text.front());
}

// A number as C++ writes it with no digit lost, in base 16: -0x1.8p-4F.
template <class Scalar>
void append_literal(std::string& out, Scalar number) {
  char digits[40];
  const char* from = digits;
  const char* end = std::to_chars(digits, digits + sizeof digits, number, std::chars_format::hex).ptr;
  if (*from == '-') out += *from++;
  out += "0x";
  out.append(from, end);
  if (std::is_same_v<Scalar, float>) out += 'F';
}

// Numbers that serve a task.
template <class Network>
consteval std::size_t numbers_of(std::size_t task) {
  std::size_t count = 0;
  for (const Segment& segment : Network::segments)
    if (segment.owners.has(task)) count += segment.size;
  return count;
}

// Whether a model has a task of that name whose network `Layers` can be; if not, one sentence has said why.
template <Name TaskName, class Layers, class Network, class TaskList>
consteval bool check_extracted() {
  constexpr std::size_t t = TaskList::index(TaskName.view());
  static_assert(t < TaskList::count, "mtlx: the model has no task of the name that is to be extracted");
  if constexpr (t < TaskList::count && nn::check<Layers, Network::in>()) {
    constexpr bool fits =
        nn::parameter_count<Layers>(Network::in) == numbers_of<Network>(t) &&
        Layers::output(Network::in).size() == static_cast<std::size_t>(TaskList::template At<t>::outputs);
    static_assert(fits, "mtlx: the layers that are to be extracted are not those of the task's network");
    return fits;
  }
  return false;
}

// The parameters that serve a task, in order and under its mask: those of `Layers`, which this checks.
template <std::size_t t, class Layers, class Model>
[[gnu::cold]] std::vector<ExtractedBlock<typename Model::Scalar>> task_blocks(const Model& model,
                                                                              std::string_view what) {
  using Network = typename Model::Network;
  using Scalar = typename Model::Scalar;
  std::size_t network = 0;
  while (!model.plan()[network].serves.has(t)) ++network;
  const std::span<const Scalar> parameters = model.parameters(network);
  std::vector<TaskSet> owners;
  if constexpr (sharing::masked<Network>) owners = model.masks(network).owners;
  std::vector<ExtractedBlock<Scalar>> blocks;
  for (const Segment& segment : Network::segments) {
    if (!segment.owners.has(t)) continue;
    Network::for_each_parameter([&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
      if (offset < segment.offset || offset - segment.offset >= segment.size) return;
      const auto numbers = parameters.subspan(offset, p.size());
      blocks.push_back({path.text(), p.shape, {numbers.begin(), numbers.end()}});
      for (std::size_t i = 0; i < p.size() && offset + i < owners.size(); ++i)
        if (!owners[offset + i].has(t)) blocks.back().numbers[i] = Scalar(0);
    });
  }
  std::size_t i = 0;
  nn::for_each_parameter<Layers>(
      Network::in, nn::Path{nullptr, "layers"}, [&](const nn::Path& path, const nn::Parameter& p, std::size_t) {
        if (i >= blocks.size() || blocks[i].shape != p.shape)
          fail(what, ": ", path.text(), " of the layers is not what the model has at that place",
               i < blocks.size() ? ": " + blocks[i].path : "");
        ++i;
      });
  return blocks;
}

template <class Scalar>
[[gnu::cold, gnu::noinline]] std::string extracted_header(std::string_view task, std::string_view name_space, Shape in,
                                                          int outputs,
                                                          const std::vector<ExtractedBlock<Scalar>>& blocks) {
  if (!is_identifier(name_space)) fail("extract: \"", name_space, "\" can't name a namespace of C++");
  std::size_t count = 0;
  for (const auto& block : blocks) count += block.numbers.size();
  std::string out =
      join("// The network of the task \"", task, "\" alone: ", count, " numbers. Made by mtlx ", MTLX_VERSION_MAJOR,
           ".", MTLX_VERSION_MINOR, ".", MTLX_VERSION_PATCH, ", training/extract.hpp.\n#pragma once\n\nnamespace ",
           name_space, " {\n\n/// The shape of one sample: channels, height, width.\ninline constexpr int input[3] = {",
           in.channels, ", ", in.height, ", ", in.width, "};\ninline constexpr int outputs = ", outputs,
           ";\n/// One block after the other, as the layers take them.\ninline constexpr ",
           std::is_same_v<Scalar, float> ? "float" : "double", " parameters[", count, "] = {");
  for (const auto& block : blocks) {
    out += "\n    // " + block.path + " (";
    for (std::size_t i = 0; i < block.shape.size() && block.shape[i] != 0; ++i)
      out += join(i == 0 ? "" : ", ", block.shape[i]);
    out += ")";
    for (std::size_t i = 0; i < block.numbers.size(); ++i) {
      if (!is_finite(block.numbers[i])) fail("extract: ", block.path, " has a number that is not finite, at ", i);
      out += i % 8 == 0 ? "\n    " : " ";
      append_literal(out, block.numbers[i]);
      out += ',';
    }
  }
  return out + join("\n};\n\n}  // namespace ", name_space, "\n");
}

}  // namespace detail

/// The text of a header with the network that predicts one task: the parameters that serve it, in order, as a constexpr
/// array in the namespace `name_space`, with shapes and names in comments and no digit lost; 0 outside the task's mask.
/// `Layers` is what the device will run on them, for sharing::Hard, Single and Sparse `nn::Sequential<Trunk, head>`, where
/// the head that no one gave is `nn::Dense<outputs, nn::glorot_uniform>`. Throws `Error` if the layers' parameters are other ones than the task's,
/// a number is not finite, or the namespace is no identifier.
template <Name TaskName, class Layers, class Model>
[[gnu::cold]] std::string extract(const Model& model, std::string_view name_space) {
  using Network = typename Model::Network;
  using TaskList = typename Model::TaskList;
  if constexpr (detail::check_extracted<TaskName, Layers, Network, TaskList>()) {
    constexpr std::size_t t = TaskList::index(TaskName.view());
    const auto blocks = detail::task_blocks<t, Layers>(model, "extract");
    return detail::extracted_header(TaskName.view(), name_space, Network::in, TaskList::template At<t>::outputs,
                                    blocks);
  }
  return {};
}

/// The same as a file.
template <Name TaskName, class Layers, class Model>
void write_extract(const std::string& path, const Model& model, std::string_view name_space) {
  write_file(path, extract<TaskName, Layers>(model, name_space));
}

}  // namespace mtlx::training
