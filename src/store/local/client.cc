// SPDX-License-Identifier: Apache-2.0
#include "store/local/client.h"

namespace anyswan::store {

LocalStore::LocalStore(std::shared_ptr<LocalHub> hub, Executor executor)
    : hub_(std::move(hub)), outlet_(std::move(executor)), id_(hub_->attach(outlet_)) {}

LocalStore::~LocalStore() {
    close();
}

void LocalStore::put_fact(const std::string& key, Bytes value,
                          Completion<StoreResult<Revision>> done) {
    if (auto refusal = refuse_write(key, ByteView(value))) {
        complete<Revision>(outlet_, done, Unexpected{*refusal});
        return;
    }
    hub_->submit(id_, PutFact{key, std::move(value), std::move(done)});
}

void LocalStore::delete_fact(const std::string& key, Completion<StoreResult<Revision>> done) {
    if (auto refusal = refuse_write(key, std::nullopt)) {
        complete<Revision>(outlet_, done, Unexpected{*refusal});
        return;
    }
    hub_->submit(id_, PutFact{key, {}, std::move(done)});
}

void LocalStore::watch_facts(Revision after, FactSink sink) {
    hub_->set_sink(id_, after, std::move(sink));
    hub_->submit(id_, WatchFacts{});
}

void LocalStore::read_claim(const std::string& key,
                            Completion<StoreResult<std::optional<Claim>>> done) {
    if (auto refusal = refuse_read(key)) {
        complete<std::optional<Claim>>(outlet_, done, Unexpected{*refusal});
        return;
    }
    hub_->submit(id_, ReadClaim{key, std::move(done)});
}

void LocalStore::swap_claim(const std::string& key, Bytes value, Revision expected,
                            Completion<StoreResult<Swap>> done) {
    if (auto refusal = refuse_write(key, ByteView(value))) {
        complete<Swap>(outlet_, done, Unexpected{*refusal});
        return;
    }
    hub_->submit(id_, SwapClaim{key, std::move(value), expected, std::move(done)});
}

void LocalStore::delete_claim(const std::string& key, Revision expected,
                              Completion<StoreResult<Swap>> done) {
    if (auto refusal = refuse_write(key, std::nullopt)) {
        complete<Swap>(outlet_, done, Unexpected{*refusal});
        return;
    }
    if (expected == Revision{0}) {
        complete<Swap>(outlet_, done, Swap{});
        return;
    }
    hub_->submit(id_, SwapClaim{key, {}, expected, std::move(done)});
}

void LocalStore::list_claims(const std::string& prefix,
                             Completion<StoreResult<std::vector<std::string>>> done) {
    if (auto refusal = refuse_list(prefix)) {
        complete<std::vector<std::string>>(outlet_, done, Unexpected{*refusal});
        return;
    }
    hub_->submit(id_, ListClaims{prefix, std::move(done)});
}

void LocalStore::publish(const std::string& subject, Bytes payload) {
    check(valid_subject(subject), "publish: bad subject");
    hub_->publish(id_, subject, payload);
}

void LocalStore::subscribe(const std::string& pattern, std::function<void(BusMessage)> handler) {
    check(valid_pattern(pattern), "subscribe: bad pattern");
    hub_->subscribe(id_, pattern, std::move(handler));
}

void LocalStore::on_link_state(std::function<void(LinkState, std::string why)> handler) {
    hub_->set_link_handler(id_, std::move(handler));
}

LinkState LocalStore::link_state() const {
    return outlet_.is_open() ? hub_->link_state(id_) : LinkState::closed;
}

std::string LocalStore::describe() const {
    return hub_->describe();
}

void LocalStore::close() {
    outlet_.close();
    hub_->detach(id_);
}

}  // namespace anyswan::store
