// SPDX-License-Identifier: Apache-2.0
// What the parts of a JetStream client share. All of it is used on the loop thread.
#pragma once

#include "store/jetstream/api.h"
#include "store/jetstream/requests.h"

namespace anyswan::store::js {

struct Context {
    const JetStreamConfig& config;
    const Names& names;
    const Outlet& outlet;
    Link& link;
    Requests& requests;

    /// A call of the JetStream API, e.g. ask_api("STREAM.INFO." + stream, "{}", 2s, ...).
    void ask_api(const std::string& call, std::string_view json, Duration timeout,
                 std::function<void(Answer)> done) const {
        requests.ask({.subject = names.api + call,
                      .reply = {},
                      .payload = to_bytes(json),
                      .header = {},
                      .header_value = {}},
                     timeout, std::move(done));
    }
    [[nodiscard]] const std::string& stream(Bucket bucket) const {
        return bucket == Bucket::facts ? names.facts_stream : names.claims_stream;
    }
};

/// "swap ike/1: no answer in time" as the caller of a store wants it.
[[nodiscard]] inline StoreError to_store_error(const std::string& what, const NoAnswer& silence) {
    return {silence.silence == Silence::not_permitted ? Failure::refused : Failure::unavailable,
            what + ": " + silence.text};
}
[[nodiscard]] inline StoreError to_store_error(const std::string& what, const ApiError& error) {
    return {error.kind == ApiErrorKind::unavailable ? Failure::unavailable : Failure::refused,
            what + ": " + error.text};
}

}  // namespace anyswan::store::js
