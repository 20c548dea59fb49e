// SPDX-License-Identifier: Apache-2.0
#include "edge/leases.h"

#include "edge/log.h"

namespace anyswan::edge {

namespace {

// Each lost round means that another edge won one: it will have told us by then.
constexpr int tries_max = 8;

}  // namespace

void Leases::want(const dataplane::NeedSequence& need, crypto::SnId sn, Grant grant) {
    State& state = states_[need.inbound_spi];
    if (state.busy) {
        return;
    }
    state.busy = true;
    Want want{need, sn, std::move(grant)};
    if (state.known) {
        reserve(std::move(want));
    } else {
        read(std::move(want));
    }
}

void Leases::read(Want want) {
    const std::string key = sa::sequence_lease_key(want.need.inbound_spi);
    parts_.store.read_claim(key, [this, key, want = std::move(want)](
                                     store::StoreResult<std::optional<store::Claim>> answer) {
        const EspSpi spi = want.need.inbound_spi;
        if (!answer) {
            ++counters_["lease_store_unavailable"];
            done(spi);
            return;
        }
        const auto found = states_.find(spi);
        if (found == states_.end()) {
            return;  // the SA has ended meanwhile
        }
        State& state = found->second;
        state.claim.reset();
        state.revision = Revision{};
        if (*answer) {
            const auto opened = sa::open_record(parts_.keys, key, (**answer).value);
            const auto* claim =
                opened ? std::get_if<sa::SequenceLeaseRecord>(&opened->record) : nullptr;
            if (claim == nullptr) {
                ++counters_["lease_not_understood"];
                done(spi);
                return;
            }
            state.claim = *claim;
            state.revision = (**answer).revision;
        }
        state.known = true;
        reserve(want);
    });
}

void Leases::reserve(Want want) {
    const EspSpi spi = want.need.inbound_spi;
    const State& state = states_.at(spi);
    const auto next = sa::next_lease(state.claim, {spi, parts_.edge, parts_.incarnation, want.sn,
                                                   want.need.used_up_to, want.need.rate_per_s});
    if (!next) {
        ++counters_[std::string("lease_") + sa::name(next.error())];
        log::error("lease", "no sequence numbers for an SA: " +
                                std::string(sa::name(next.error())) + "; it must be rekeyed");
        done(spi);
        return;
    }
    const std::string key = sa::sequence_lease_key(spi);
    const sa::Version version{next->claim.epoch, next->claim.reserved_up_to.value()};
    Bytes sealed = sa::seal_record(parts_.keys, parts_.random, key, version, next->claim);
    parts_.store.swap_claim(key, std::move(sealed), state.revision,
                            [this, want = std::move(want),
                             next = *next](store::StoreResult<store::Swap> answer) mutable {
                                on_swap(std::move(want), next, answer);
                            });
}

void Leases::on_swap(Want want, const sa::LeaseGrant& next,
                     const store::StoreResult<store::Swap>& answer) {
    const EspSpi spi = want.need.inbound_spi;
    const auto found = states_.find(spi);
    if (found == states_.end()) {
        return;  // the SA has ended meanwhile
    }
    State& state = found->second;
    if (!answer || !answer->won) {
        // Unanswered counts as lost: what it may have reserved stays unused.
        state.known = false;
        if (answer && ++want.tries < tries_max) {
            ++counters_["lease_lost_rounds"];
            read(std::move(want));
            return;
        }
        ++counters_[answer ? "lease_gave_up" : "lease_store_unavailable"];
        done(spi);
        return;
    }
    const bool new_sender = !state.held;
    state.claim = next.claim;
    state.revision = answer->revision;
    state.held = true;
    ++counters_[new_sender ? "lease_claimed" : "lease_extended"];
    if (new_sender) {
        parts_.tell("lease", LeaseTaken{spi, parts_.edge, parts_.incarnation, next.claim.epoch});
    }
    want.grant(dataplane::GrantSequence{spi, next.first, next.last});
    done(spi);
}

void Leases::done(EspSpi spi) {
    const auto found = states_.find(spi);
    if (found != states_.end()) {
        found->second.busy = false;
    }
}

bool Leases::taken_by_other(const LeaseTaken& lease) {
    if (lease.incarnation == parts_.incarnation) {
        return false;
    }
    const auto found = states_.find(lease.inbound_spi);
    if (found == states_.end()) {
        return false;
    }
    State& state = found->second;
    // A late message about a sender before us must not stop us.
    if (state.claim && lease.epoch < state.claim->epoch) {
        return false;
    }
    state.known = false;
    return std::exchange(state.held, false);
}

bool Leases::held(EspSpi spi) const {
    const auto found = states_.find(spi);
    return found != states_.end() && found->second.held;
}

}  // namespace anyswan::edge
