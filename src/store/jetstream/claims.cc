// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/claims.h"

#include <algorithm>

namespace anyswan::store::js {
namespace {

/// Completions run on the loop, and only while the store is open.
template <class T>
void finish(const Outlet& outlet, const Completion<StoreResult<T>>& done, StoreResult<T> result) {
    if (outlet.is_open()) {
        done(std::move(result));
    }
}

/// How often an empty message of a dead client may get in the way of one creation.
constexpr int attempts_max = 3;

}  // namespace

struct Claims::Swapping {
    std::string key;
    Bytes value;
    Revision asked;  // what the caller expects
    Completion<StoreResult<Swap>> done;
    Clock::time_point deadline;
    int attempts = 0;
};

struct Claims::Listing {
    std::string prefix;
    std::string filter;
    std::vector<std::string> keys;
    std::uint64_t received = 0;
    Completion<StoreResult<std::vector<std::string>>> done;
};

void Claims::read(const std::string& key, Completion<StoreResult<std::optional<Claim>>> done) {
    const std::string subject = context_.names.claims_subjects + to_tokens(key);
    context_.ask_api(
        "STREAM.MSG.GET." + context_.names.claims_stream,
        R"({"last_by_subj":")" + subject + R"("})", context_.config.timeout,
        [this, key, done = std::move(done)](const Answer& answer) {
            using Found = std::optional<Claim>;
            if (!answer) {
                finish<Found>(context_.outlet, done,
                              Unexpected{to_store_error("read " + key, answer.error())});
                return;
            }
            auto stored = parse_stored_message(answer->payload);
            if (!stored && stored.error().kind != ApiErrorKind::not_found) {
                finish<Found>(context_.outlet, done,
                              Unexpected{to_store_error("read " + key, stored.error())});
                return;
            }
            Found claim;
            if (stored) {
                seen_ = std::max(seen_, stored->revision);
                if (!stored->value.empty()) {
                    claim = Claim{std::move(stored->value), stored->revision};
                }
            }
            finish<Found>(context_.outlet, done, std::move(claim));
        });
}

void Claims::swap(const std::string& key, Bytes value, Revision expected,
                  Completion<StoreResult<Swap>> done) {
    auto swapping = std::make_shared<Swapping>();
    *swapping = {.key = key,
                 .value = std::move(value),
                 .asked = expected,
                 .done = std::move(done),
                 .deadline = Clock::now() + context_.config.timeout};
    attempt(swapping, expected);
}

void Claims::attempt(const std::shared_ptr<Swapping>& swapping, Revision expected) {
    ++swapping->attempts;
    context_.requests.ask({.subject = context_.names.publish_prefix +
                                      context_.names.claims_subjects + to_tokens(swapping->key),
                           .reply = {},
                           .payload = swapping->value,
                           .header = "Nats-Expected-Last-Subject-Sequence",
                           .header_value = std::to_string(expected.value())},
                          swapping->deadline - Clock::now(),
                          [this, swapping](const Answer& answer) { on_swapped(swapping, answer); });
}

void Claims::on_swapped(const std::shared_ptr<Swapping>& swapping, const Answer& answer) {
    if (!answer) {
        finish<Swap>(context_.outlet, swapping->done,
                     Unexpected{to_store_error("swap " + swapping->key, answer.error())});
        return;
    }
    const auto revision = parse_publish_ack(answer->payload);
    if (revision) {
        seen_ = std::max(seen_, *revision);
        finish<Swap>(context_.outlet, swapping->done, Swap{true, *revision});
    } else if (revision.error().kind != ApiErrorKind::wrong_revision) {
        finish<Swap>(context_.outlet, swapping->done,
                     Unexpected{to_store_error("swap " + swapping->key, revision.error())});
    } else if (swapping->asked == Revision{0} && swapping->attempts < attempts_max) {
        look_for_empty(swapping);
    } else {
        finish<Swap>(context_.outlet, swapping->done, Swap{});
    }
}

void Claims::look_for_empty(const std::shared_ptr<Swapping>& swapping) {
    const std::string subject = context_.names.claims_subjects + to_tokens(swapping->key);
    context_.ask_api("STREAM.MSG.GET." + context_.names.claims_stream,
                     R"({"last_by_subj":")" + subject + R"("})", swapping->deadline - Clock::now(),
                     [this, swapping](const Answer& answer) {
                         const auto stored = answer
                                                 ? parse_stored_message(answer->payload)
                                                 : ApiResult<StoredMessage>(Unexpected{ApiError{}});
                         if (stored && stored->value.empty()) {
                             attempt(swapping, stored->revision);
                         } else if (!stored && stored.error().kind == ApiErrorKind::not_found) {
                             attempt(swapping, Revision{0});  // just removed
                         } else {
                             finish<Swap>(context_.outlet, swapping->done, Swap{});
                         }
                     });
}

void Claims::erase(const std::string& key, Revision expected, Completion<StoreResult<Swap>> done) {
    swap(key, {}, expected, [this, done = std::move(done)](const StoreResult<Swap>& result) {
        if (!result || !result->won) {
            finish<Swap>(context_.outlet, done, result);
            return;
        }
        // Won; what follows only tidies up.
        const Duration tidy_timeout = std::min<Duration>(context_.config.timeout, 1s);
        context_.ask_api(
            "STREAM.MSG.DELETE." + context_.names.claims_stream,
            R"({"seq":)" + std::to_string(result->revision.value()) + R"(,"no_erase":true})",
            tidy_timeout, [this, done, won = *result](const Answer&) {
                finish<Swap>(context_.outlet, done, won);
            });
    });
}

void Claims::list(const std::string& prefix,
                  Completion<StoreResult<std::vector<std::string>>> done) {
    auto listing = std::make_shared<Listing>();
    // The server filters by whole tokens, we by the rest.
    const std::size_t slash = prefix.rfind('/');
    const std::string tokens = slash == std::string::npos ? "" : prefix.substr(0, slash + 1);
    *listing = {.prefix = prefix,
                .filter = context_.names.claims_subjects + to_tokens(tokens) + ">",
                .keys = {},
                .done = std::move(done)};
    list_page(listing);
}

void Claims::list_page(const std::shared_ptr<Listing>& listing) {
    context_.ask_api("STREAM.INFO." + context_.names.claims_stream,
                     R"({"subjects_filter":")" + listing->filter + R"(","offset":)" +
                         std::to_string(listing->received) + "}",
                     context_.config.timeout,
                     [this, listing](const Answer& answer) { on_page(listing, answer); });
}

void Claims::on_page(const std::shared_ptr<Listing>& listing, const Answer& answer) {
    using Keys = std::vector<std::string>;
    const std::string what = "list claims " + listing->prefix;
    if (!answer) {
        finish<Keys>(context_.outlet, listing->done,
                     Unexpected{to_store_error(what, answer.error())});
        return;
    }
    const auto info = parse_stream_info(answer->payload, context_.names, Bucket::claims,
                                        context_.config.replicas);
    if (!info) {
        finish<Keys>(context_.outlet, listing->done,
                     Unexpected{to_store_error(what, info.error())});
        return;
    }
    for (const std::string& subject : info->subjects) {
        std::string key =
            to_key(std::string_view(subject).substr(context_.names.claims_subjects.size()));
        if (key.starts_with(listing->prefix)) {
            listing->keys.push_back(std::move(key));
        }
    }
    listing->received += info->subjects.size();
    if (!info->subjects.empty() && listing->received < info->subjects_total) {
        list_page(listing);
        return;
    }
    std::sort(listing->keys.begin(), listing->keys.end());
    const auto last = std::unique(listing->keys.begin(), listing->keys.end());
    listing->keys.erase(last, listing->keys.end());
    finish<Keys>(context_.outlet, listing->done, std::move(listing->keys));
}

}  // namespace anyswan::store::js
