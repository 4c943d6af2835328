// SPDX-License-Identifier: MIT
// The workloads of ours.cpp in LibTorch: the same networks, losses, optimizer and protocol. Settings, after a colon:
// adam (torch::optim::Adam, the default), fused (one kernel for all parameters), last (channels last, fused).
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using torch::Tensor;

constexpr int batches = 4, check_steps = 5;

struct Setting {
  bool fused = false, last = false;
};

// What a network is made of: parameters by layer, weight and bias; the last `heads` pairs are one task's each.
class Net {
 public:
  virtual ~Net() = default;
  virtual std::vector<Tensor> outputs(const Tensor& x) const = 0;
  virtual Tensor loss(const Tensor& output, const Tensor& target) const = 0;
  /// Raw targets as they lie in a file, (tasks, samples, width), of one task.
  virtual Tensor target(const Tensor& rows) const = 0;
  virtual Tensor random_targets(std::int64_t samples) const = 0;

  std::vector<Tensor> parameters;
  std::vector<std::int64_t> in;
  std::size_t heads = 0;
  std::int64_t batch = 0;

  std::vector<Tensor> losses(const Tensor& x, const std::vector<Tensor>& y) const {
    std::vector<Tensor> each = outputs(x);
    for (std::size_t t = 0; t < each.size(); ++t) each[t] = loss(each[t], y[t]);
    return each;
  }
  std::size_t shared() const { return parameters.size() - 2 * heads; }

 protected:
  void layer(std::vector<std::int64_t> shape) {
    double fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
    const double bound = 1 / std::sqrt(fan_in);
    for (const auto& sides : {shape, std::vector<std::int64_t>{shape[0]}})
      parameters.push_back(torch::empty(sides).uniform_(-bound, bound).requires_grad_());
  }
  const Tensor& weight(std::size_t i) const { return parameters[2 * i]; }
  const Tensor& bias(std::size_t i) const { return parameters[2 * i + 1]; }
  Tensor dense(const Tensor& x, std::size_t i) const { return torch::linear(x, weight(i), bias(i)); }
  Tensor convolution(const Tensor& x, std::size_t i, std::int64_t padding = 0) const {
    return torch::conv2d(x, weight(i), bias(i), 1, padding);
  }
};

struct LeNet : Net {
  LeNet(std::int64_t batch_size, std::int64_t channels) {
    batch = batch_size;
    in = {channels, 28, 28};
    heads = 2;
    for (const auto& shape :
         std::vector<std::vector<std::int64_t>>{{10, channels, 5, 5}, {20, 10, 5, 5}, {50, 320}, {10, 50}, {10, 50}})
      layer(shape);
  }
  std::vector<Tensor> outputs(const Tensor& x) const override {
    Tensor h = torch::relu(torch::max_pool2d(convolution(x, 0), 2));
    h = torch::relu(torch::max_pool2d(convolution(h, 1), 2));
    h = torch::relu(dense(h.flatten(1), 2));
    return {dense(h, 3), dense(h, 4)};
  }
  Tensor loss(const Tensor& output, const Tensor& target) const override {
    return torch::nn::functional::cross_entropy(output, target);
  }
  Tensor target(const Tensor& rows) const override { return rows.flatten().to(torch::kLong); }
  Tensor random_targets(std::int64_t samples) const override {
    return torch::randint(0, 10, {2, samples, 1}).to(torch::kFloat);
  }
};

struct Mlp : Net {
  Mlp(std::int64_t batch_size, std::int64_t inputs) {
    batch = batch_size;
    in = {inputs};
    heads = 9;
    layer({128, inputs});
    layer({128, 128});
    for (int t = 0; t < 9; ++t) layer({1, 128});
  }
  std::vector<Tensor> outputs(const Tensor& x) const override {
    const Tensor h = torch::relu(dense(torch::relu(dense(x, 0)), 1));
    std::vector<Tensor> each;
    for (std::size_t t = 0; t < heads; ++t) each.push_back(dense(h, 2 + t));
    return each;
  }
  Tensor loss(const Tensor& output, const Tensor& target) const override {
    return torch::binary_cross_entropy_with_logits(output, target);
  }
  Tensor target(const Tensor& rows) const override { return rows.clone(); }
  // Tasks `first` to `last`, each with its own mask over the trunk; half of the weights, as ours.cpp has it.
  std::vector<Tensor> masked_losses(const Tensor& x, const std::vector<Tensor>& y, std::size_t first,
                                    std::size_t last) {
    for (std::size_t t = masks_.size() / 2; t < heads; ++t)
      for (std::size_t i = 0; i < 2; ++i) {
        const Tensor place = 31 * torch::arange(weight(i).size(0)).unsqueeze(1) +
                             17 * torch::arange(weight(i).size(1)) + 7 * static_cast<std::int64_t>(t);
        masks_.push_back(torch::floor_divide(place, 2).remainder(2).eq(0).to(torch::kFloat));
      }
    std::vector<Tensor> each;
    for (std::size_t t = first; t < last; ++t) {
      Tensor h = x;
      for (std::size_t i = 0; i < 2; ++i) h = torch::relu(torch::linear(h, weight(i) * masks_[2 * t + i], bias(i)));
      each.push_back(loss(dense(h, 2 + t), y[t]));
    }
    return each;
  }
  // The tasks' losses with other weights of the trunk : (tasks).
  Tensor losses_at(const std::vector<Tensor>& shared, const Tensor& x, const std::vector<Tensor>& y) const {
    const Tensor h =
        torch::relu(torch::linear(torch::relu(torch::linear(x, shared[0], shared[1])), shared[2], shared[3]));
    std::vector<Tensor> each;
    for (std::size_t t = 0; t < heads; ++t) each.push_back(loss(dense(h, 2 + t), y[t]));
    return torch::stack(each);
  }
  Tensor random_targets(std::int64_t samples) const override {
    return torch::randint(0, 2, {9, samples, 1}).to(torch::kFloat);
  }

 private:
  std::vector<Tensor> masks_;
};

struct SuperResolution : Net {
  SuperResolution() {
    batch = 16;
    in = {1, 48, 48};
    heads = 1;
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{64, 1, 3, 3}, {32, 64, 3, 3}, {1, 32, 3, 3}})
      layer(shape);
  }
  std::vector<Tensor> outputs(const Tensor& x) const override {
    return {convolution(torch::relu(convolution(torch::relu(convolution(x, 0, 1)), 1, 1)), 2, 1)};
  }
  Tensor loss(const Tensor& output, const Tensor& target) const override { return torch::mse_loss(output, target); }
  Tensor target(const Tensor& rows) const override { return rows.reshape({-1, 1, 48, 48}).clone(); }
  Tensor random_targets(std::int64_t samples) const override { return torch::randn({1, samples, 48 * 48}); }
};

struct Fsrcnn : Net {
  Fsrcnn() {
    batch = 16;
    in = {1, 24, 24};
    heads = 1;
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{
             {32, 1, 5, 5}, {8, 32, 1, 1}, {8, 8, 3, 3}, {8, 8, 3, 3}, {32, 8, 1, 1}, {32, 1, 9, 9}}) {
      layer(shape);
      if (shape[2] < 9) parameters.push_back(torch::full({shape[0]}, 0.25).requires_grad_());
    }
    parameters.back() = torch::zeros({1}).requires_grad_();  // the transposed convolution has one output
  }
  std::vector<Tensor> outputs(const Tensor& x) const override {
    Tensor h = x;
    for (std::size_t i = 0; i < 15; i += 3)
      h = torch::prelu(torch::conv2d(h, parameters[i], parameters[i + 1], 1, parameters[i].size(2) / 2),
                       parameters[i + 2]);
    const Tensor more = torch::conv_transpose2d(h, parameters[15], parameters[16], 4, 4, 3);
    return {more + torch::upsample_bilinear2d(x, {96, 96}, false)};
  }
  Tensor loss(const Tensor& output, const Tensor& target) const override { return torch::l1_loss(output, target); }
  Tensor target(const Tensor& rows) const override { return rows.reshape({-1, 1, 96, 96}).clone(); }
  Tensor random_targets(std::int64_t samples) const override { return torch::randn({1, samples, 96 * 96}); }
};

// Adam with the settings that PyTorch has by default.
class Adam {
 public:
  Adam(const std::vector<Tensor>& parameters, bool fused) : parameters_(parameters) {
    if (!fused) {
      plain_ = std::make_unique<torch::optim::Adam>(parameters, torch::optim::AdamOptions(1e-3));
      return;
    }
    for (const Tensor& parameter : parameters) {
      mean_.push_back(torch::zeros_like(parameter));
      square_.push_back(torch::zeros_like(parameter));
      steps_.push_back(torch::zeros({}));
    }
  }
  void step() {
    if (plain_) return void(plain_->step());
    const torch::NoGradGuard none;
    // Heads of tasks that have no turn have no gradient.
    std::vector<Tensor> parameters, gradients, mean, square, steps;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (!parameters_[i].grad().defined()) continue;
      parameters.push_back(parameters_[i]);
      gradients.push_back(parameters_[i].grad());
      mean.push_back(mean_[i]);
      square.push_back(square_[i]);
      steps.push_back(steps_[i]);
    }
    for (Tensor& step : steps) step += 1;
    at::_fused_adam_(parameters, gradients, mean, square, {}, steps, 1e-3, 0.9, 0.999, 0.0, 1e-8, false, false);
  }
  void drop_gradients() {
    for (Tensor& parameter : parameters_) parameter.mutable_grad() = Tensor();
  }

 private:
  std::vector<Tensor> parameters_, mean_, square_, steps_;
  std::unique_ptr<torch::optim::Adam> plain_;
};

// One task's gradient after another, their Gram matrix, and PCGrad's combination of them found on it.
class PcGrad {
 public:
  explicit PcGrad(const Net& net) : net_(net) {}

  Tensor gradients(const std::vector<Tensor>& losses) {
    const std::size_t shared = net_.shared();
    std::vector<Tensor> rows, wanted(net_.parameters.begin(), net_.parameters.begin() + static_cast<long>(shared) + 2);
    for (std::size_t t = 0; t < losses.size(); ++t) {
      for (std::size_t i = 0; i < 2; ++i) wanted[shared + i] = net_.parameters[shared + 2 * t + i];
      std::vector<Tensor> found = torch::autograd::grad({losses[t]}, wanted, {}, t + 1 < losses.size());
      for (std::size_t i = 0; i < 2; ++i) wanted[shared + i].mutable_grad() = found[shared + i];
      for (std::size_t i = 0; i < shared; ++i) found[i] = found[i].reshape({-1});
      found.resize(shared);
      rows.push_back(torch::cat(found));
    }
    return torch::stack(rows);
  }
  void backward(const std::vector<Tensor>& losses) {
    const std::size_t tasks = losses.size();
    const Tensor all = gradients(losses), gram = torch::mm(all, all.t());
    const auto g = gram.accessor<float, 2>();
    std::vector<float> weights(tasks), c(tasks);
    std::vector<std::int64_t> order(tasks);
    for (std::size_t i = 0; i < tasks; ++i) {
      std::fill(c.begin(), c.end(), 0.0F);
      c[i] = 1;
      for (std::size_t j = 0; j < tasks; ++j) order[j] = static_cast<std::int64_t>(j);
      std::shuffle(order.begin(), order.end(), random_);
      for (const std::int64_t j : order) {
        if (j == static_cast<std::int64_t>(i)) continue;
        float inner = 0;
        for (std::size_t k = 0; k < tasks; ++k) inner += c[k] * g[j][static_cast<std::int64_t>(k)];
        if (inner < 0 && g[j][j] > 0) c[static_cast<std::size_t>(j)] -= inner / g[j][j];
      }
      for (std::size_t k = 0; k < tasks; ++k) weights[k] += c[k];
    }
    follow(torch::mv(all.t(), torch::from_blob(weights.data(), {static_cast<std::int64_t>(tasks)})));
  }
  // The direction becomes the shared parameters' gradient.
  void follow(const Tensor& direction) {
    std::int64_t at = 0;
    for (std::size_t i = 0; i < net_.shared(); ++i) {
      const Tensor& parameter = net_.parameters[i];
      net_.parameters[i].mutable_grad() = direction.narrow(0, at, parameter.numel()).view_as(parameter);
      at += parameter.numel();
    }
  }

 private:
  const Net& net_;
  std::mt19937 random_{1};
};

class Workload {
 public:
  Workload(const std::string& name, Setting setting) : name_(name), setting_(setting) {
    if (name == "lenet_b64" || name == "predict_1") net_ = std::make_unique<LeNet>(64, 1);
    if (name == "lenet_b256") net_ = std::make_unique<LeNet>(256, 1);
    if (name == "odd_lenet") net_ = std::make_unique<LeNet>(50, 3);
    if (name == "mlp_plain" || name == "mlp_pcgrad" || name == "mlp_lookahead" || name == "mlp_first_order" ||
        name.starts_with("mlp_masked"))
      net_ = std::make_unique<Mlp>(128, 64);
    if (name == "odd_mlp" || name == "odd_mlp_pcgrad") net_ = std::make_unique<Mlp>(50, 37);
    if (name == "sr_cnn") net_ = std::make_unique<SuperResolution>();
    if (name == "sr_fsrcnn") net_ = std::make_unique<Fsrcnn>();
    if (!net_) throw std::runtime_error("no workload " + name);
    if (setting.last && net_->in.size() != 3) throw std::runtime_error("channels last is for pictures");
    pcgrad_ = name.ends_with("pcgrad");
    affine_ = name == "mlp_lookahead" || name == "mlp_first_order";
    std::vector<std::int64_t> shape{batches * net_->batch};
    shape.insert(shape.end(), net_->in.begin(), net_->in.end());
    set(torch::randn(shape), net_->random_targets(batches * net_->batch));
  }

  double microseconds(std::int64_t steps) {
    std::vector<Tensor> results;
    const auto start = std::chrono::steady_clock::now();
    if (name_ == "predict_1") {
      const c10::InferenceMode guard;
      for (std::int64_t i = 0; i < steps; ++i) results = net_->outputs(one_);
    } else {
      for (std::int64_t i = 0; i < steps; ++i) step(static_cast<std::size_t>(i % batches));
    }
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    return time.count() / static_cast<double>(steps);
  }

  std::string check(const std::string& folder) {
    const std::vector<float> weights = numbers(folder + "/weights.f32");
    std::vector<std::int64_t> shape{-1};
    shape.insert(shape.end(), net_->in.begin(), net_->in.end());
    const Tensor x = tensor(numbers(folder + "/inputs.f32")).reshape(shape);
    std::size_t at = 0;
    {
      const torch::NoGradGuard none;
      for (Tensor& parameter : net_->parameters) {
        const auto count = static_cast<std::size_t>(parameter.numel());
        if (at + count > weights.size()) throw std::runtime_error("too few weights");
        parameter.copy_(
            tensor({weights.begin() + static_cast<long>(at), weights.begin() + static_cast<long>(at + count)})
                .view_as(parameter));
        at += count;
      }
    }
    if (at != weights.size()) throw std::runtime_error("too many weights");
    set(x, tensor(numbers(folder + "/targets.f32")).reshape({static_cast<std::int64_t>(net_->heads), x.size(0), -1}));
    std::ostringstream text;
    text.precision(9);
    if (name_ == "predict_1") {
      const c10::InferenceMode guard;
      text << "{\"outputs\": ";
      std::vector<Tensor> each = net_->outputs(one_);
      for (Tensor& output : each) output = torch::softmax(output, 1).flatten();
      list(text, torch::cat(each));
    } else if (affine_) {
      // Longer steps than those that are timed: the affinities stand out from the losses' rounding.
      text << "{\"affinities\": ";
      list(text, affinities(0, 0.1).first.flatten());
    } else if (pcgrad_) {
      const Tensor all = PcGrad(*net_).gradients(net_->losses(x_[0], y_[0]));
      text << "{\"gram\": ";
      list(text, torch::mm(all, all.t()).flatten());
    } else {
      std::vector<Tensor> each;
      // In turns, Adam moves here what the step's task doesn't own.
      const std::size_t steps = name_ == "mlp_masked_1" ? 1 : check_steps;
      for (std::size_t i = 0; i < steps; ++i) each.push_back(step(i));
      text << "{\"losses\": ";
      list(text, torch::stack(each));
    }
    text << "}";
    return text.str();
  }

 private:
  static Tensor tensor(std::vector<float> values) {
    return torch::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}).clone();
  }
  static std::vector<float> numbers(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) throw std::runtime_error("can't read " + path);
    std::vector<float> values(static_cast<std::size_t>(file.tellg()) / sizeof(float));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
    return values;
  }
  static void list(std::ostream& out, const Tensor& values) {
    out << "[";
    for (std::int64_t i = 0; i < values.numel(); ++i) out << (i > 0 ? ", " : "") << values[i].item<float>();
    out << "]";
  }

  // x : (samples, ...), y : (tasks, samples, width)
  void set(const Tensor& x, const Tensor& y) {
    x_.clear();
    y_.clear();
    const auto layout = setting_.last ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
    if (setting_.last) {
      const torch::NoGradGuard none;
      for (Tensor& parameter : net_->parameters)
        if (parameter.dim() == 4) parameter.set_data(parameter.detach().contiguous(layout));
    }
    for (std::int64_t at = 0; at < x.size(0); at += net_->batch) {
      x_.push_back(x.narrow(0, at, net_->batch).clone(layout));
      y_.emplace_back();
      for (std::size_t t = 0; t < net_->heads; ++t)
        y_.back().push_back(net_->target(y[static_cast<std::int64_t>(t)].narrow(0, at, net_->batch)));
    }
    one_ = x.narrow(0, 0, 1).clone(layout);
    adam_ = std::make_unique<Adam>(net_->parameters, setting_.fused);
    balancer_ = std::make_unique<PcGrad>(*net_);
  }

  // (affected task, acting task), by trying each task's step or to first order; and the tasks' gradients.
  std::pair<Tensor, Tensor> affinities(std::size_t i, double rate) {
    const std::vector<Tensor> losses = net_->losses(x_[i], y_[i]);
    const Tensor rows = balancer_->gradients(losses);
    const torch::NoGradGuard none;
    const Tensor before = torch::stack(losses).unsqueeze(1);
    if (name_ == "mlp_first_order") return {rate * torch::mm(rows, rows.t()) / before, rows};
    std::vector<Tensor> after;
    for (std::size_t t = 0; t < net_->heads; ++t) {
      std::vector<Tensor> moved;
      std::int64_t at = 0;
      for (std::size_t p = 0; p < net_->shared(); ++p) {
        const Tensor& parameter = net_->parameters[p];
        const Tensor gradient = rows[static_cast<std::int64_t>(t)].narrow(0, at, parameter.numel());
        moved.push_back(torch::add(parameter, gradient.view_as(parameter), -rate));
        at += parameter.numel();
      }
      after.push_back(static_cast<Mlp&>(*net_).losses_at(moved, x_[i], y_[i]));
    }
    return {1 - torch::stack(after).t() / before, rows};
  }

  Tensor step(std::size_t i) {
    adam_->drop_gradients();
    std::vector<Tensor> losses;
    if (affine_) {
      const Tensor rows = affinities(i, 1e-3).second;
      balancer_->follow(rows.sum(0));
      adam_->step();
      return {};
    }
    if (name_.starts_with("mlp_masked")) {
      const bool turns = name_.ends_with("1");
      losses = static_cast<Mlp&>(*net_).masked_losses(x_[i], y_[i], turns ? i % batches : 0,
                                                      turns ? i % batches + 1 : net_->heads);
    } else {
      losses = net_->losses(x_[i], y_[i]);
    }
    if (pcgrad_) {
      balancer_->backward(losses);
      adam_->step();
      return {};
    }
    Tensor sum = losses[0];
    for (std::size_t t = 1; t < losses.size(); ++t) sum = sum + losses[t];
    sum.backward();
    adam_->step();
    return sum.detach();
  }

  std::string name_;
  Setting setting_;
  std::unique_ptr<Net> net_;
  std::unique_ptr<Adam> adam_;
  std::unique_ptr<PcGrad> balancer_;
  bool pcgrad_ = false, affine_ = false;
  std::vector<Tensor> x_;
  std::vector<std::vector<Tensor>> y_;
  Tensor one_;
};

Setting setting_of(const std::string& name) {
  if (name == "adam") return {};
  if (name == "fused") return {.fused = true};
  if (name == "last") return {.fused = true, .last = true};
  throw std::runtime_error("no setting " + name);
}

// WORKLOAD or WORKLOAD:SETTING
std::unique_ptr<Workload> made(const std::string& what) {
  const std::size_t colon = what.find(':');
  return std::make_unique<Workload>(what.substr(0, colon),
                                    setting_of(colon == std::string::npos ? "adam" : what.substr(colon + 1)));
}

}  // namespace

int main(int count, char** words) {
  at::set_num_threads(count > 1 ? std::atoi(words[1]) : 1);
  at::set_num_interop_threads(1);
  at::globalContext().setFlushDenormal(true);
  torch::manual_seed(1);
  std::string line;
  std::map<std::string, std::unique_ptr<Workload>> workloads;
  while (std::getline(std::cin, line)) try {
      std::istringstream in(line);
      std::string what, argument;
      in >> what >> argument;
      if (what == "check") {
        std::string folder;
        std::getline(in >> std::ws, folder);
        std::cout << made(argument)->check(folder) << std::endl;
        continue;
      }
      std::unique_ptr<Workload>& workload = workloads[what];
      if (!workload) workload = made(what);
      std::cout << workload->microseconds(std::stoll(argument)) << std::endl;
    } catch (const std::exception& error) {
      std::string text = error.what();
      std::replace(text.begin(), text.end(), '\n', ' ');
      std::cout << "error " << text.substr(0, 300) << std::endl;
    }
}
