// SPDX-License-Identifier: Apache-2.0
// The face of the JetStream store: checks arguments, then hands over to Core.
#include "store/jetstream/jetstream.h"

#include "store/jetstream/core.h"

namespace anyswan::store {

Result<std::unique_ptr<JetStreamStore>> JetStreamStore::open(JetStreamConfig config,
                                                             Executor executor) {
    if (config.urls.empty()) {
        return fail("open the JetStream store: no server given; name at least one nats:// URL");
    }
    if (!valid_subject(config.fleet) || config.fleet.find('.') != std::string::npos) {
        return fail("open the JetStream store: fleet name \"" + config.fleet +
                    "\" must be of [a-z0-9-]");
    }
    if (config.replicas < 1 || config.replicas > 5) {
        return fail("open the JetStream store: replicas must be 1 to 5, not " +
                    std::to_string(config.replicas));
    }
    if (config.certificate_file.empty() != config.key_file.empty()) {
        return fail(
            "open the JetStream store: a certificate needs its key and a key its "
            "certificate");
    }
    auto core = std::make_shared<js::Core>(std::move(config), std::move(executor));
    core->start();
    return std::unique_ptr<JetStreamStore>(new JetStreamStore(std::move(core)));
}

JetStreamStore::JetStreamStore(std::shared_ptr<js::Core> core) : core_(std::move(core)) {}

JetStreamStore::~JetStreamStore() {
    core_->close();
}

void JetStreamStore::put_fact(const std::string& key, Bytes value,
                              Completion<StoreResult<Revision>> done) {
    const auto refusal = refuse_write(key, ByteView(value));
    if (!refusal || core_->accept(refusal, done)) {
        core_->put(key, std::move(value), std::move(done));
    }
}

void JetStreamStore::delete_fact(const std::string& key, Completion<StoreResult<Revision>> done) {
    const auto refusal = refuse_write(key, std::nullopt);
    if (!refusal || core_->accept(refusal, done)) {
        core_->put(key, {}, std::move(done));
    }
}

void JetStreamStore::watch_facts(Revision after, FactSink sink) {
    core_->watch(after, std::move(sink));
}

void JetStreamStore::read_claim(const std::string& key,
                                Completion<StoreResult<std::optional<Claim>>> done) {
    if (core_->accept(refuse_read(key), done)) {
        core_->claims().read(key, std::move(done));
    }
}

void JetStreamStore::swap_claim(const std::string& key, Bytes value, Revision expected,
                                Completion<StoreResult<Swap>> done) {
    if (core_->accept(refuse_write(key, ByteView(value)), done)) {
        core_->claims().swap(key, std::move(value), expected, std::move(done));
    }
}

void JetStreamStore::delete_claim(const std::string& key, Revision expected,
                                  Completion<StoreResult<Swap>> done) {
    if (!core_->accept(refuse_write(key, std::nullopt), done)) {
        return;
    }
    if (expected == Revision{0}) {
        core_->claims().refuse_erase(std::move(done));
    } else {
        core_->claims().erase(key, expected, std::move(done));
    }
}

void JetStreamStore::list_claims(const std::string& prefix,
                                 Completion<StoreResult<std::vector<std::string>>> done) {
    if (core_->accept(refuse_list(prefix), done)) {
        core_->claims().list(prefix, std::move(done));
    }
}

void JetStreamStore::publish(const std::string& subject, Bytes payload) {
    check(valid_subject(subject), "publish: bad subject");
    core_->publish(subject, std::move(payload));
}

void JetStreamStore::subscribe(const std::string& pattern,
                               std::function<void(BusMessage)> handler) {
    check(valid_pattern(pattern), "subscribe: bad pattern");
    core_->subscribe(pattern, std::move(handler));
}

void JetStreamStore::on_link_state(std::function<void(LinkState, std::string why)> handler) {
    core_->set_state_handler(std::move(handler));
}

LinkState JetStreamStore::link_state() const {
    return core_->state();
}

std::string JetStreamStore::describe() const {
    return core_->describe();
}

void JetStreamStore::close() {
    core_->close();
}

}  // namespace anyswan::store
