// SPDX-License-Identifier: Apache-2.0
// Values that may be failures. `Expected<T, E>` has the shape of C++23's std::expected, so that a
// later move is a rename. `Result<T>` is the form for environment trouble: its Error says what was
// attempted, why it failed and how to mend it, in one sentence for an operator.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace anyswan {

/// Environment trouble, worded for an operator: what was attempted, what happened, how to mend it.
struct Error {
    std::string message;
    bool operator==(const Error&) const = default;
};

template <class E>
struct Unexpected {
    E error;
};
template <class E>
Unexpected(E) -> Unexpected<E>;

template <class T, class E>
class [[nodiscard]] Expected {
public:
    Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Expected(Unexpected<E> failure) : state_(std::in_place_index<1>, std::move(failure.error)) {}

    [[nodiscard]] bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }

    [[nodiscard]] T& value() & {
        check(has_value(), "value() of a failed Expected");
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] const T& value() const& {
        check(has_value(), "value() of a failed Expected");
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] T&& value() && {
        check(has_value(), "value() of a failed Expected");
        return std::move(*std::get_if<0>(&state_));
    }
    [[nodiscard]] const E& error() const {
        check(!has_value(), "error() of a successful Expected");
        return *std::get_if<1>(&state_);
    }

    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

private:
    std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Expected<void, E> {
public:
    Expected() = default;
    Expected(Unexpected<E> failure) : state_(std::in_place_index<1>, std::move(failure.error)) {}

    [[nodiscard]] bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }
    [[nodiscard]] const E& error() const {
        check(!has_value(), "error() of a successful Expected");
        return *std::get_if<1>(&state_);
    }

private:
    std::variant<std::monostate, E> state_;
};

template <class T>
using Result = Expected<T, Error>;
using Status = Result<void>;

/// `return fail("open /dev/net/tun: permission denied; run as root");`
inline Unexpected<Error> fail(std::string message) {
    return Unexpected<Error>{{std::move(message)}};
}

}  // namespace anyswan
