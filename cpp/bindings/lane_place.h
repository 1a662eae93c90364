// The lane of a job: that of the first network, head, tensor or placement among its arguments.
#pragma once

#include <concepts>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "models/replica.h"

namespace dinov3_seg {

/// Of a value; nothing for one that is on no device.
template <typename T>
struct PlaceOf {
  static std::optional<LanePlace> find(const T&) { return {}; }
};

template <typename T>
std::optional<LanePlace> place_of(const T& value) {
  return PlaceOf<T>::find(value);
}

/// Of the first value that has one.
template <typename... T>
std::optional<LanePlace> first_place(const T&... values) {
  std::optional<LanePlace> found;
  ((found = found ? found : place_of(values)), ...);
  return found;
}

template <>
struct PlaceOf<c10::Device> {
  static std::optional<LanePlace> find(c10::Device device) { return LanePlace{device}; }
};

template <>
struct PlaceOf<at::Tensor> {
  static std::optional<LanePlace> find(const at::Tensor& tensor) {
    if (!tensor.defined()) return {};
    return LanePlace{tensor.device()};
  }
};

/// Of a function that takes a tensor's handle itself.
template <>
struct PlaceOf<Napi::Value> {
  static std::optional<LanePlace> find(const Napi::Value& value) {
    if (!is_handle<at::Tensor>(value)) return {};
    return place_of(*unwrap<at::Tensor>(value));
  }
};

template <typename T>
  requires std::derived_from<T, NetworkModule> || std::derived_from<T, TrainedHeads>
struct PlaceOf<std::shared_ptr<T>> {
  static std::optional<LanePlace> find(const std::shared_ptr<T>& object) {
    return LanePlace{object->device(), object->replica()};
  }
};

template <>
struct PlaceOf<std::shared_ptr<RecordStore>> {
  static std::optional<LanePlace> find(const std::shared_ptr<RecordStore>& store) {
    return LanePlace{store->device()};
  }
};

template <>
struct PlaceOf<std::shared_ptr<HostCopies>> {
  static std::optional<LanePlace> find(const std::shared_ptr<HostCopies>& copies) {
    return LanePlace{copies->device()};
  }
};

template <>
struct PlaceOf<std::shared_ptr<FiniteWatch>> {
  static std::optional<LanePlace> find(const std::shared_ptr<FiniteWatch>& watch) {
    return LanePlace{watch->device()};
  }
};

template <std::derived_from<ModelPlacement> T>
struct PlaceOf<T> {
  static std::optional<LanePlace> find(const T& placement) {
    return LanePlace{placement.device, placement.replica};
  }
};

template <std::derived_from<NetworkOutputs> T>
struct PlaceOf<T> {
  static std::optional<LanePlace> find(const T& outputs) {
    return first_place(outputs.queries, outputs.masks, outputs.features);
  }
};

template <>
struct PlaceOf<NamedTensor> {
  static std::optional<LanePlace> find(const NamedTensor& named) { return place_of(named.tensor); }
};

template <typename First, typename Second>
struct PlaceOf<std::pair<First, Second>> {
  static std::optional<LanePlace> find(const std::pair<First, Second>& both) {
    return first_place(both.first, both.second);
  }
};

template <typename T>
std::optional<LanePlace> first_place_in(const T& items) {
  for (const auto& item : items)
    if (const auto found = place_of(item)) return found;
  return {};
}
template <typename T>
struct PlaceOf<std::vector<T>> {
  static std::optional<LanePlace> find(const std::vector<T>& items) { return first_place_in(items); }
};
template <typename T>
struct PlaceOf<std::map<std::string, T>> {
  static std::optional<LanePlace> find(const std::map<std::string, T>& items) {
    for (const auto& [name, item] : items)
      if (const auto found = place_of(item)) return found;
    return {};
  }
};

template <typename... T>
struct PlaceOf<std::tuple<T...>> {
  static std::optional<LanePlace> find(const std::tuple<T...>& values) {
    return std::apply([](const T&... value) { return first_place(value...); }, values);
  }
};

}  // namespace dinov3_seg
