// SPDX-License-Identifier: Apache-2.0
// Claims on JetStream: a compare-and-swap is a publication with the header
// Nats-Expected-Last-Subject-Sequence; reads go through the stream's leader (STREAM.MSG.GET: a
// direct get would ask any replica, and was stale in one of eight reads).
//
// A deletion is a swap to an empty value, which only one can win, and then the removal of that
// empty message. A client that dies in between leaves the empty message: readers take it for "no
// claim", and who creates the claim swaps it away.
#pragma once

#include "store/jetstream/context.h"

namespace anyswan::store::js {

class Claims {
public:
    explicit Claims(const Context& context) : context_(context) {}

    void read(const std::string& key, Completion<StoreResult<std::optional<Claim>>> done);
    void swap(const std::string& key, Bytes value, Revision expected,
              Completion<StoreResult<Swap>> done);
    void erase(const std::string& key, Revision expected, Completion<StoreResult<Swap>> done);
    /// The outcome of erasing "no claim": never won.
    void refuse_erase(const Completion<StoreResult<Swap>>& done) const {
        complete<Swap>(context_.outlet, done, Swap{});
    }
    void list(const std::string& prefix, Completion<StoreResult<std::vector<std::string>>> done);

    /// The highest revision of a claim that we know of.
    [[nodiscard]] Revision seen() const { return seen_; }
    void forget_seen() { seen_ = Revision{0}; }

private:
    struct Swapping;
    struct Listing;
    void attempt(const std::shared_ptr<Swapping>& swapping, Revision expected);
    void on_swapped(const std::shared_ptr<Swapping>& swapping, const Answer& answer);
    void look_for_empty(const std::shared_ptr<Swapping>& swapping);
    void list_page(const std::shared_ptr<Listing>& listing);
    void on_page(const std::shared_ptr<Listing>& listing, const Answer& answer);

    const Context& context_;
    Revision seen_;
};

}  // namespace anyswan::store::js
