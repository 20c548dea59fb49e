// SPDX-License-Identifier: Apache-2.0
#include "edge/ownership.h"

#include "base/spi.h"
#include "edge/log.h"
#include "edge/steering.h"

namespace anyswan::edge {

namespace {

constexpr std::size_t waiting_max = 8;
constexpr std::size_t known_max = 65536;
constexpr unsigned hops_max = 2;
constexpr unsigned tries_max = 3;

}  // namespace

EdgeId Ownership::owner_of(IkeSpi spi) const {
    const auto known = known_.find(spi);
    return known == known_.end() ? edge_of(spi) : known->second.owner;
}

bool Ownership::gone(EdgeId owner) const {
    return owner != parts_.self && !parts_.fleet.alive(parts_.loop.now().instant, owner);
}

void Ownership::receive(ike::DatagramReceived datagram, unsigned hops) {
    const Steering steering = steer(datagram.bytes);
    if (std::holds_alternative<SteerNowhere>(steering)) {
        ++counters_["ike_drop_too_short"];
        return;
    }
    const auto* to = std::get_if<SteerToOwner>(&steering);
    if (to == nullptr || parts_.ike.runs(to->ours)) {
        parts_.ike.on_datagram(std::move(datagram));
        return;
    }
    const EdgeId owner = owner_of(to->ours);
    // Who relayed it to us took us for the owner: only the claim knows better.
    if (owner != parts_.self && hops == 0 && !gone(owner)) {
        relay(owner, std::move(datagram), hops);
        return;
    }
    if (asking_.size() >= claims_asked_max && !asking_.contains(to->ours)) {
        ++counters_["ike_drop_too_many_unknown"];
        return;
    }
    const bool asked = asking_.contains(to->ours);
    Asking& asking = asking_[to->ours];
    asking.hops = std::max(asking.hops, hops);
    if (asking.waiting.size() < waiting_max) {
        asking.waiting.push_back(std::move(datagram));
    }
    if (!asked) {
        ask(to->ours);
    }
}

void Ownership::relay(EdgeId owner, ike::DatagramReceived datagram, unsigned hops) {
    ++counters_["ike_relayed_out"];
    parts_.tell(ike_subject(owner),
                RelayedIke{datagram.local, datagram.remote, std::move(datagram.bytes), hops + 1});
}

void Ownership::ask(IkeSpi spi) {
    parts_.store.read_claim(sa::ike_sa_key(spi),
                            [this, spi](store::StoreResult<std::optional<store::Claim>> answer) {
                                if (!answer) {
                                    give_up(spi, "ike_drop_owner_unknown");
                                    return;
                                }
                                on_claim(spi, *answer);
                            });
}

std::optional<sa::IkeSaRecord> Ownership::open(IkeSpi spi,
                                               const std::optional<store::Claim>& claim) const {
    if (!claim) {
        return std::nullopt;
    }
    auto opened = sa::open_record(parts_.keys, sa::ike_sa_key(spi), claim->value);
    auto* record = opened ? std::get_if<sa::IkeSaRecord>(&opened->record) : nullptr;
    return record == nullptr ? std::nullopt : std::optional(std::move(*record));
}

void Ownership::on_claim(IkeSpi spi, const std::optional<store::Claim>& claim) {
    const std::optional<sa::IkeSaRecord> record = open(spi, claim);
    if (!record || record->ended || parts_.ike.runs(spi)) {
        to_engine(spi);  // which knows it, or says that nobody does
        return;
    }
    if (known_.size() >= known_max) {
        known_.clear();
    }
    known_[spi] = {record->owner, record->epoch};
    if (record->owner != parts_.self && !gone(record->owner)) {
        const auto asking = asking_.find(spi);
        if (asking != asking_.end() && asking->second.hops < hops_max) {
            for (ike::DatagramReceived& datagram : asking->second.waiting) {
                relay(record->owner, std::move(datagram), asking->second.hops);
            }
        }
        asking_.erase(spi);
        return;
    }
    take(*record, claim->revision);
}

// Not through Claims::put: a takeover that the store does not confirm has not happened.
void Ownership::take(const sa::IkeSaRecord& claim, Revision revision) {
    auto mine = std::make_shared<sa::IkeSaRecord>(claim.clone());
    const bool from_other = mine->owner != parts_.self;
    mine->owner = parts_.self;
    mine->epoch = mine->epoch.next();
    mine->next_iv = 0;
    const std::string key = sa::ike_sa_key(mine->our_spi);
    const sa::Version version{mine->epoch,
                              mine->next_request.value() + mine->expected_request.value() + 1ULL};
    parts_.store.swap_claim(
        key, sa::seal_record(parts_.keys, parts_.random, key, version, mine->clone()), revision,
        [this, mine, from_other](const store::StoreResult<store::Swap>& answer) {
            const IkeSpi spi = mine->our_spi;
            if (!answer) {
                give_up(spi, "ike_drop_owner_unknown");
                return;
            }
            if (answer->won) {
                counters_["ike_taken_over"] += from_other ? 1 : 0;
                taken(*mine, answer->revision);
                return;
            }
            const auto asking = asking_.find(spi);
            if (asking == asking_.end() || ++asking->second.tries >= tries_max) {
                give_up(spi, "ike_drop_owner_unknown");
                return;
            }
            ask(spi);  // somebody was faster: who?
        });
}

void Ownership::taken(const sa::IkeSaRecord& mine, Revision revision) {
    const IkeSpi spi = mine.our_spi;
    known_[spi] = {parts_.self, mine.epoch};
    parts_.claims.adopt(spi, revision);
    log::info("ike", "goes on with the IKE SA " + hex(spi) + " of tunnel " +
                         mine.tunnel.to_string() + " in epoch " +
                         std::to_string(mine.epoch.value()));
    parts_.tell("owner", OwnerIs{spi, parts_.self, mine.epoch});
    parts_.ike.adopt(mine.clone(), parts_.children_of(mine));
    if (const auto endpoint = parts_.endpoint_of(mine.origin)) {
        parts_.ike.want(ike::PeerMoved{mine.origin, endpoint->local, endpoint->remote});
    }
    to_engine(spi);
    // An IKE SA that was rekeyed and its heir work together (RFC 7296 2.25): one edge runs both.
    for (const IkeSpi kin : {mine.successor, mine.heir_of}) {
        if (kin != IkeSpi{} && !parts_.ike.runs(kin) && asking_.try_emplace(kin).second) {
            ask(kin);
        }
    }
}

void Ownership::to_engine(IkeSpi spi) {
    const auto asking = asking_.find(spi);
    if (asking == asking_.end()) {
        return;
    }
    std::deque<ike::DatagramReceived> waiting = std::move(asking->second.waiting);
    asking_.erase(asking);
    for (ike::DatagramReceived& datagram : waiting) {
        parts_.ike.on_datagram(std::move(datagram));
    }
}

void Ownership::give_up(IkeSpi spi, const char* counter) {
    const auto asking = asking_.find(spi);
    if (asking != asking_.end()) {
        counters_[counter] += asking->second.waiting.size();
        asking_.erase(asking);
    }
}

void Ownership::on_owner(const OwnerIs& owner) {
    if (owner.owner == parts_.self) {
        return;
    }
    if (parts_.ike.runs(owner.ours)) {
        const auto known = known_.find(owner.ours);
        // Ours is the later term if we took it back: a word that was long under way.
        if (known != known_.end() && known->second.owner == parts_.self &&
            known->second.epoch > owner.epoch) {
            return;
        }
        parts_.ike.lost(owner.ours);
    }
    known_[owner.ours] = {owner.owner, owner.epoch};
}

void Ownership::resume() {
    resume_wanted_ = false;
    sweep(Sweep::own);
}

void Ownership::keep_up() {
    if (resume_wanted_) {
        resume();
    }
    const Instant now = parts_.loop.now().instant;
    bool orphans = false;
    for (const FleetMember& member : parts_.fleet.members(now)) {
        const bool silent = member.seen && now - *member.seen > orphaned_after;
        if (!silent || member.last.id == parts_.self) {
            swept_.erase(member.last.id);
        } else if (first_of_the_living() &&
                   swept_.emplace(member.last.id, member.last.incarnation).second) {
            orphans = true;
        }
    }
    if (orphans) {
        sweep(Sweep::orphans);
    }
}

bool Ownership::first_of_the_living() const {
    for (const FleetMember& member : parts_.fleet.members(parts_.loop.now().instant)) {
        if (member.alive && member.last.id < parts_.self) {
            return false;
        }
    }
    return true;
}

void Ownership::sweep(Sweep what) {
    parts_.store.list_claims(
        "ike/", [this, what](const store::StoreResult<std::vector<std::string>>& keys) {
            if (!keys) {
                log::warn("ike", "could not read the fleet's IKE SAs, tries again: " +
                                     keys.error().message);
                resume_wanted_ = resume_wanted_ || what == Sweep::own;
                if (what == Sweep::orphans) {
                    swept_.clear();
                }
                return;
            }
            for (const std::string& key : *keys) {
                judge(what, key);
            }
        });
}

void Ownership::judge(Sweep what, const std::string& key) {
    parts_.store.read_claim(
        key, [this, what, key](const store::StoreResult<std::optional<store::Claim>>& claim) {
            if (!claim) {
                resume_wanted_ = resume_wanted_ || what == Sweep::own;
                return;
            }
            if (!*claim) {
                return;
            }
            const auto opened = sa::open_record(parts_.keys, key, (**claim).value);
            const auto* record = opened ? std::get_if<sa::IkeSaRecord>(&opened->record) : nullptr;
            if (record == nullptr || record->ended || parts_.ike.runs(record->our_spi) ||
                asking_.contains(record->our_spi)) {
                return;
            }
            const bool wanted =
                what == Sweep::own ? record->owner == parts_.self : gone(record->owner);
            if (wanted) {
                take(*record, (**claim).revision);
            }
        });
}

}  // namespace anyswan::edge
