// A small test harness: TEST registers a case, CHECK and CHECK_EQ end it when they do not hold, and run_tests prints
// every failure and `N passed, N failed`.
#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace check {

struct Case {
  const char* name;
  std::function<void()> body;
};

// Every case of the program.
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

struct Registration {
  Registration(const char* name, std::function<void()> body) { cases().push_back({name, std::move(body)}); }
};

// What a check that does not hold throws; it ends its case.
struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] inline void fail(const std::string& text, const char* file, int line) {
  throw Mismatch(std::string(file) + ":" + std::to_string(line) + ": " + text);
}

// Text of a value: numbers of one byte as numbers, enumerators as their value.
template <typename T>
std::string shown(const T& value) {
  std::ostringstream out;
  if constexpr (std::is_enum_v<T>)
    out << +static_cast<std::underlying_type_t<T>>(value);
  else if constexpr (std::is_arithmetic_v<T>)
    out << +value;
  else
    out << value;
  return out.str();
}

template <typename Actual, typename Expected>
void equal(const Actual& actual, const Expected& expected, const char* text, const char* file, int line) {
  if (!(actual == expected)) fail(text + (": got " + shown(actual)) + ", expected " + shown(expected), file, line);
}

// Runs the cases whose name holds `filter`, all when it is empty; 0 when none failed.
int run_tests(const std::string& filter);

}  // namespace check

// TEST("what it shows") { body }
#define TEST(name) CHECK_CASE(name, __LINE__)
#define CHECK_CASE(name, line) CHECK_CASE_AT(name, line)
#define CHECK_CASE_AT(name, line)                                              \
  static void check_body_##line();                                             \
  static const check::Registration check_case_##line(name, check_body_##line); \
  static void check_body_##line()

#define CHECK(condition)                                           \
  do {                                                             \
    if (!(condition)) check::fail(#condition, __FILE__, __LINE__); \
  } while (false)

#define CHECK_EQ(actual, expected) check::equal(actual, expected, #actual " == " #expected, __FILE__, __LINE__)
