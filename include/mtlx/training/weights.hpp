// SPDX-License-Identifier: MIT
// Parameters by name, on their way to and from a safetensors file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/data/safetensors.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::training::detail {

/// One tensor of a model.
struct Weight {
  std::string name;
  std::vector<std::size_t> shape;  ///< in the file
  std::size_t network, offset;     ///< in that network's flat vector
  bool turned;                     ///< a matrix that lies the other way round there
};

/// A matrix, (rows, columns), as (columns, rows).
template <class Scalar>
[[gnu::cold]] std::vector<Scalar> turned(std::span<const Scalar> matrix, std::size_t columns) {
  std::vector<Scalar> result;
  result.reserve(matrix.size());
  for (std::size_t column = 0; column < columns; ++column)
    for (std::size_t i = column; i < matrix.size(); i += columns) result.push_back(matrix[i]);
  return result;
}

inline std::string text_of(const std::vector<std::size_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += join(i == 0 ? "" : ", ", shape[i]);
  return text + ")";
}

/// Throws `Error` unless a file has the tensors of a model, each with its shape and numbers of `width` bytes, and no
/// others.
[[gnu::cold, gnu::noinline]] inline void check_tensors(const data::Safetensors& content,
                                                       const std::vector<Weight>& weights, std::size_t width,
                                                       const std::string& file) {
  for (const Weight& weight : weights) {
    const data::Tensor* tensor = content.find(weight.name);
    if (tensor == nullptr) fail(file, " has no tensor \"", weight.name, "\", which the model has");
    if (tensor->width != width)
      fail(file, " has the tensor \"", weight.name, "\" as ", tensor->type(), ", and the model's is ",
           width == 4 ? "F32" : "F64");
    if (tensor->shape != weight.shape)
      fail(file, " has the tensor \"", weight.name, "\" with shape ", text_of(tensor->shape), ", and the model's is ",
           text_of(weight.shape));
  }
  for (const data::Tensor& tensor : content.tensors)
    if (std::none_of(weights.begin(), weights.end(), [&](const Weight& weight) { return weight.name == tensor.name; }))
      fail(file, " has a tensor \"", tensor.name, "\", which the model does not have");
}

}  // namespace mtlx::training::detail
