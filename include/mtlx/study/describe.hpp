// SPDX-License-Identifier: MIT
// Options as text: what a study writes down, and knows its finished runs by.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mtlx/core/error.hpp>
#include <mtlx/core/name.hpp>
#include <mtlx/core/task_set.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::study {

/// Names and values, in order.
using Settings = std::vector<std::pair<std::string, std::string>>;

namespace detail {

/// A number in the fewest digits that give it back.
[[gnu::cold, gnu::noinline]] inline std::string shortest(double number) {
  char digits[40];
  for (int places = 6; places <= 17; ++places) {
    std::snprintf(digits, sizeof digits, "%.*g", places, number);
    if (std::bit_cast<std::uint64_t>(std::strtod(digits, nullptr)) == std::bit_cast<std::uint64_t>(number)) break;
  }
  return digits;
}

/// Numbers in order, such as "1, 2, 62 times 0".
[[gnu::cold, gnu::noinline]] inline std::string numbers_text(const std::vector<double>& numbers) {
  std::string text;
  for (std::size_t i = 0, end = 0; i < numbers.size(); i = end) {
    const std::string number = shortest(numbers[i]);
    while (end < numbers.size() && shortest(numbers[end]) == number) ++end;
    text += join(i == 0 ? "" : ", ", end - i > 1 ? join(end - i, " times ") : "", number);
  }
  return text;
}

// Stands for any member of an aggregate while they are counted.
struct AnyMember {
  template <class T>
  operator T() const;  // NOLINT: becomes everything
};

inline constexpr std::size_t most_members = 16;

template <class T, class... Member>
consteval std::size_t member_count() {
  if constexpr (sizeof...(Member) > most_members)
    return sizeof...(Member);
  else if constexpr (requires { T{Member{}..., AnyMember{}}; })
    return member_count<T, Member..., AnyMember>();
  else
    return sizeof...(Member);
}

// References to the members of an aggregate.
template <class T>
constexpr auto members(const T& object) {
  constexpr std::size_t count = member_count<T>();
  if constexpr (count == 0) {
    return std::tie();
  } else if constexpr (count == 1) {
    auto& [a] = object;
    return std::tie(a);
  } else if constexpr (count == 2) {
    auto& [a, b] = object;
    return std::tie(a, b);
  } else if constexpr (count == 3) {
    auto& [a, b, c] = object;
    return std::tie(a, b, c);
  } else if constexpr (count == 4) {
    auto& [a, b, c, d] = object;
    return std::tie(a, b, c, d);
  } else if constexpr (count == 5) {
    auto& [a, b, c, d, e] = object;
    return std::tie(a, b, c, d, e);
  } else if constexpr (count == 6) {
    auto& [a, b, c, d, e, f] = object;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (count == 7) {
    auto& [a, b, c, d, e, f, g] = object;
    return std::tie(a, b, c, d, e, f, g);
  } else if constexpr (count == 8) {
    auto& [a, b, c, d, e, f, g, h] = object;
    return std::tie(a, b, c, d, e, f, g, h);
  } else if constexpr (count == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = object;
    return std::tie(a, b, c, d, e, f, g, h, i);
  } else if constexpr (count == 10) {
    auto& [a, b, c, d, e, f, g, h, i, j] = object;
    return std::tie(a, b, c, d, e, f, g, h, i, j);
  } else if constexpr (count == 11) {
    auto& [a, b, c, d, e, f, g, h, i, j, k] = object;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k);
  } else if constexpr (count == 12) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = object;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l);
  } else if constexpr (count == 13) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = object;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m);
  } else if constexpr (count == 14) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = object;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  } else if constexpr (count == 15) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = object;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
  } else {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = object;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  }
}

// Holds an object that is never made: only its members' addresses are asked for.
template <class T>
union Unmade {
  char nothing;
  T object;

  constexpr Unmade() : nothing() {}
  constexpr ~Unmade() {}
};
template <class T>
inline constexpr Unmade<T> unmade{};

template <class T>
struct Address {
  const T* member;
};
template <class T>
Address(const T*) -> Address<T>;

// How the compiler spells the address of a member ends in the member's name: "...Adam::beta1)}]" or "...object.beta1}]".
template <Address address>
consteval std::string_view member_name() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const auto word = [&](std::size_t i) {
    const char c = text[i];
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  // g++ adds the types that it has abbreviated behind a semicolon.
  std::size_t end = text.find(';');
  if (end == std::string_view::npos) end = text.size();
  while (!word(end - 1)) --end;
  std::size_t begin = end;
  while (word(begin - 1)) --begin;
  return text.substr(begin, end - begin);
}

template <class T, std::size_t i>
consteval std::string_view name_of_member() {
  return member_name<Address{&std::get<i>(members(unmade<T>.object))}>();
}

// "...value = mtlx::Mode::fast; ...]", or "...value = (mtlx::Mode)5]" for a number that is no enumerator.
template <class E, E value>
consteval std::string_view enumerator_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.rfind("value = ") + 8);
  text = text.substr(0, text.find_first_of(";]"));
  text = text.substr(text.find_last_of(":)") + 1);
  return text[0] == '-' || (text[0] >= '0' && text[0] <= '9') ? std::string_view() : text;
}
/// An enumerator by name if it is one of the first 16, else its number.
template <class E>
[[gnu::cold]] std::string enumerator(E value) {
  const auto number = static_cast<long long>(value);
  std::string_view name;
  if constexpr (!std::is_convertible_v<E, long long>) {
    constexpr auto names = []<int... i>(std::integer_sequence<int, i...>) {
      return std::array{enumerator_name<E, static_cast<E>(i)>()...};
    }(std::make_integer_sequence<int, 16>{});
    if (number >= 0 && number < 16) name = names[static_cast<std::size_t>(number)];
  }
  return name.empty() ? join(number) : std::string(name);
}

/// A type's own name, without namespaces and arguments.
[[gnu::cold, gnu::noinline]] inline std::string short_name(std::string_view type) {
  type = type.substr(0, type.find('<'));
  const std::size_t colon = type.rfind(':');
  return std::string(colon == std::string_view::npos ? type : type.substr(colon + 1));
}

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;
template <class T, std::size_t n>
inline constexpr bool is_list<std::array<T, n>> = true;

template <class T>
concept Written = requires(const T& value) {
  { value.settings() } -> std::same_as<Settings>;
};
template <class T>
consteval bool few_members() {
  if constexpr (std::is_aggregate_v<T>)
    return member_count<T>() <= most_members;
  else
    return false;
}

// Adds "name: value", or a line for each member where the value is an aggregate, or for each item of a list.
template <class T>
[[gnu::cold]] void describe(Settings& to, const std::string& name, const T& value) {
  if constexpr (Written<T>) {
    for (auto& [member, text] : value.settings()) to.emplace_back(name + "." + member, text);
  } else if constexpr (std::is_same_v<T, bool>) {
    to.emplace_back(name, value ? "true" : "false");
  } else if constexpr (std::is_enum_v<T>) {
    to.emplace_back(name, enumerator(value));
  } else if constexpr (std::is_integral_v<T>) {
    to.emplace_back(name, join(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    to.emplace_back(name, shortest(static_cast<double>(value)));
  } else if constexpr (std::is_same_v<T, TaskSet>) {
    to.emplace_back(name, join(value.bits()));
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    to.emplace_back(name, std::string(std::string_view(value)));
  } else if constexpr (is_list<T>) {
    if constexpr (std::is_arithmetic_v<typename T::value_type>) {
      to.emplace_back(name, numbers_text({value.begin(), value.end()}));
    } else {
      to.emplace_back(name, join(value.size(), " items"));
      for (std::size_t i = 0; i < value.size(); ++i) describe(to, join(name, "[", i, "]"), value[i]);
    }
  } else if constexpr (few_members<T>()) {
    const auto all = members(value);
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      (describe(to, name + "." + std::string(name_of_member<T, i>()), std::get<i>(all)), ...);
    }(std::make_index_sequence<std::tuple_size_v<decltype(all)>>{});
  } else {
    static_assert(
        sizeof(T) == 0,
        "mtlx: a study writes options down: one that is no number, text, list or aggregate of up to 16 of such "
        "needs `study::Settings settings() const`");
  }
}

}  // namespace detail

/// A policy's options as names and values: "optimizer": "Adam", "optimizer.learning_rate": "0.001", ... A type of your own
/// that is no aggregate of numbers and texts says its own by `study::Settings settings() const`.
template <class P>
[[gnu::cold]] void describe_policy(Settings& to, const std::string& kind, const P& policy) {
  to.emplace_back(kind, detail::short_name(type_name<P>()));
  detail::describe(to, kind, policy);
}

}  // namespace mtlx::study
