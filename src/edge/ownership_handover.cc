// SPDX-License-Identifier: Apache-2.0
// How a draining edge gives its IKE SAs to others.
#include "base/spi.h"
#include "edge/log.h"
#include "edge/ownership.h"

namespace anyswan::edge {

namespace {

// The heir needs two round trips to the store.
constexpr Duration answer_within = 1s;

}  // namespace

std::optional<EdgeId> Ownership::heir() const {
    return parts_.heir ? parts_.heir() : std::nullopt;
}

void Ownership::give(const std::vector<IkeSpi>& spis, EdgeId heir) {
    for (const IkeSpi spi : spis) {
        giving_[spi] = {heir, parts_.loop.now().instant, {}};
    }
    parts_.tell(hand_over_subject(heir), HandOver{parts_.self, spis});
}

// The owner is known: what was held goes there.
void Ownership::given(IkeSpi spi, EdgeId owner) {
    const auto giving = giving_.extract(spi);
    if (!giving) {
        return;
    }
    ++counters_["ike_handed_over"];
    for (Giving::Held& held : giving.mapped().held) {
        relay(owner, std::move(held.datagram), held.hops);
    }
}

// It is still ours.
void Ownership::not_given(IkeSpi spi) {
    const auto giving = giving_.extract(spi);
    if (!giving) {
        return;
    }
    ++counters_["ike_hand_over_in_vain"];
    for (Giving::Held& held : giving.mapped().held) {
        receive(std::move(held.datagram), held.hops);
    }
}

void Ownership::give_up_late() {
    const Instant now = parts_.loop.now().instant;
    for (auto& [spi, giving] : giving_) {
        if (now - giving.since < answer_within) {
            continue;
        }
        giving.since = now;
        parts_.store.read_claim(
            sa::ike_sa_key(spi),
            [this, spi = spi](const store::StoreResult<std::optional<store::Claim>>& claim) {
                const auto record = claim ? open(spi, *claim) : std::nullopt;
                if (record && record->owner != parts_.self) {
                    on_owner({spi, record->owner, record->epoch});
                } else {
                    not_given(spi);
                }
            });
    }
}

void Ownership::keep_all() {
    while (!giving_.empty()) {
        not_given(giving_.begin()->first);
    }
}

void Ownership::on_hand_over(const HandOver& hand_over) {
    log::info("ike", "another edge drains and gives us " + std::to_string(hand_over.spis.size()) +
                         " IKE SAs, " +
                         (hand_over.spis.empty() ? "" : hex(hand_over.spis.front())));
    for (const IkeSpi spi : hand_over.spis) {
        if (parts_.ike.runs(spi)) {
            continue;
        }
        const auto [asking, added] = asking_.try_emplace(spi);
        asking->second.giver = hand_over.from;
        if (added) {
            ask(spi);
        }
    }
}

}  // namespace anyswan::edge
