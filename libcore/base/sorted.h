#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

namespace reverse {

// Sorted vectors without repetitions as sets.

template <typename T>
bool holds(const std::vector<T>& set, const T& value) {
  return std::binary_search(set.begin(), set.end(), value);
}

/// What is in `set` and not in `other`.
template <typename T>
std::vector<T> without(const std::vector<T>& set, const std::vector<T>& other) {
  std::vector<T> rest;
  std::set_difference(set.begin(), set.end(), other.begin(), other.end(), std::back_inserter(rest));
  return rest;
}

/// What is in both.
template <typename T>
std::vector<T> common(const std::vector<T>& set, const std::vector<T>& other) {
  std::vector<T> both;
  std::set_intersection(set.begin(), set.end(), other.begin(), other.end(),
                        std::back_inserter(both));
  return both;
}

/// What is in one of them or in both.
template <typename T>
std::vector<T> united(const std::vector<T>& set, const std::vector<T>& other) {
  std::vector<T> all;
  std::set_union(set.begin(), set.end(), other.begin(), other.end(), std::back_inserter(all));
  return all;
}

}  // namespace reverse
