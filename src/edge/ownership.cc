// SPDX-License-Identifier: Apache-2.0
#include "edge/ownership.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "base/spi.h"
#include "core/ike/session_records.h"
#include "edge/log.h"
#include "edge/steering.h"

namespace anyswan::edge {

namespace {

constexpr std::size_t waiting_max = 8;
constexpr std::size_t known_max = 65536;
constexpr unsigned hops_max = 2;
constexpr unsigned tries_max = 3;
// A claim names only Child SAs that are in the store; the watch brings them to us a little later.
constexpr Duration look_again = 100ms;
constexpr unsigned looks_max = 10;
// By then all that the former owner wrote before it died is known here.
constexpr Duration tidy_after = 5s;
constexpr std::size_t verified_at_once = 256;

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
    if (to != nullptr && is_given(to->ours)) {
        std::deque<Giving::Held>& held = giving_.at(to->ours).held;
        if (held.size() < waiting_max) {
            held.push_back({std::move(datagram), hops});
        }
        return;
    }
    // A draining edge begins nothing, or it would never end.
    if (const auto other = to == nullptr && hops == 0 ? heir() : std::nullopt) {
        relay(*other, std::move(datagram), hops);
        return;
    }
    if (to == nullptr || parts_.ike.runs(to->ours)) {
        parts_.ike.on_datagram(std::move(datagram));
        return;
    }
    const EdgeId owner = owner_of(to->ours);
    // Who relayed it to us took us for the owner: only the claim knows better.
    const bool being_given = asking_.contains(to->ours) && asking_[to->ours].giver != EdgeId{};
    if (owner != parts_.self && hops == 0 && !being_given) {
        const auto instead = gone(owner) ? heir() : std::optional(owner);
        if (instead) {
            relay(*instead, std::move(datagram), hops);
            return;
        }
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
    const auto found = asking_.find(spi);
    const bool for_us = found != asking_.end() && found->second.giver == record->owner;
    if (record->owner != parts_.self && !gone(record->owner) && !for_us) {
        const auto asking = asking_.find(spi);
        if (asking != asking_.end() && asking->second.hops < hops_max) {
            for (ike::DatagramReceived& datagram : asking->second.waiting) {
                relay(record->owner, std::move(datagram), asking->second.hops);
            }
        }
        asking_.erase(spi);
        return;
    }
    const auto asking = asking_.find(spi);
    if (!knows_children(*record) && asking != asking_.end() && asking->second.looks++ < looks_max) {
        to_look_.push_back(spi);
        look_.after(look_again, [this] {
            for (const IkeSpi one : std::exchange(to_look_, {})) {
                ask(one);
            }
        });
        return;
    }
    take(*record, claim->revision);
}

bool Ownership::knows_children(const sa::IkeSaRecord& claim) const {
    return std::ranges::all_of(
        claim.children, [this](EspSpi child) { return parts_.dataplane.find(child) != nullptr; });
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
    parts_.claims.adopt(mine, revision);
    log::info("ike", "goes on with the IKE SA " + hex(spi) + " of tunnel " +
                         mine.tunnel.to_string() + " in epoch " +
                         std::to_string(mine.epoch.value()));
    parts_.tell("owner", OwnerIs{spi, parts_.self, mine.epoch});
    adopt(mine);
    to_engine(spi);
    // An IKE SA that was rekeyed and its heir work together (RFC 7296 2.25): one edge runs both.
    for (const IkeSpi kin : parts_.ike.kin(spi)) {
        if (!parts_.ike.runs(kin) && asking_.try_emplace(kin).second) {
            ask(kin);
        }
    }
}

void Ownership::adopt(const sa::IkeSaRecord& mine) {
    std::vector<sa::ChildSaRecord> children;
    for (const EspSpi spi : mine.children) {
        if (const sa::ChildSaRecord* child = parts_.dataplane.find(spi)) {
            children.push_back(child->clone());
        }
    }
    parts_.ike.adopt(mine.clone(), std::move(children));
    const IkeSpi origin = mine.origin == IkeSpi{} ? mine.our_spi : mine.origin;
    to_tidy_[origin] = parts_.loop.now().instant + tidy_after;
    if (const auto endpoint = parts_.dataplane.endpoint(origin)) {
        parts_.ike.want(ike::PeerMoved{origin, endpoint->local, endpoint->remote});
    } else {
        // Lost by a store that was put back to an earlier state.
        parts_.facts.put(sa::endpoint_key(origin), Epoch(1), ike::endpoint_of(mine),
                         [](Written) {});
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
    given(owner.ours, owner.owner);
}

void Ownership::on_lost(IkeSpi spi, std::vector<EspSpi> made) {
    made_in_vain_.emplace(spi, std::move(made));
}

// The claim of the one that has it now, and those of its heirs, name what came to be after all: our
// last compare-and-swap may have been carried out without our hearing of it.
void Ownership::judge_made(IkeSpi spi, const std::vector<EspSpi>& made) {
    parts_.store.read_claim(
        sa::ike_sa_key(spi),
        [this, spi, made](const store::StoreResult<std::optional<store::Claim>>& claim) {
            if (!claim) {
                made_in_vain_.emplace(spi, made);  // asked again in a second
                return;
            }
            const auto record = open(spi, *claim);
            if (record && record->request && !record->request->seed.empty()) {
                // One of them may be what that request asks for: who repeats it and gets the answer
                // makes the same Child SA.
                made_in_vain_.emplace(spi, made);
                return;
            }
            std::vector<EspSpi> unnamed;
            std::ranges::copy_if(made, std::back_inserter(unnamed), [&](EspSpi child) {
                return !record ||
                       std::ranges::find(record->children, child) == record->children.end();
            });
            if (record && record->successor != IkeSpi{} && !unnamed.empty()) {
                judge_made(record->successor, unnamed);
                return;
            }
            for (const EspSpi one : unnamed) {
                if (const sa::ChildSaRecord* child = parts_.dataplane.find(one)) {
                    end_child(*child);
                }
            }
        });
}

void Ownership::end_child(const sa::ChildSaRecord& child) {
    ++counters_["child_sas_never_used_ended"];
    parts_.facts.put(sa::child_sa_key(child.inbound_spi), Epoch(1),
                     ike::tombstone_of(child, ike::Drain::no), [](Written) {});
}

void Ownership::tidy() {
    std::map<IkeSpi, bool> whole;  // origin -> all IKE SAs of the chain run here
    std::set<EspSpi> named;
    for (const ike::IkeSaSummary& sa : parts_.ike.list()) {
        bool& all = whole.try_emplace(sa.origin, true).first->second;
        all =
            all && std::ranges::all_of(sa.kin, [this](IkeSpi kin) { return parts_.ike.runs(kin); });
        named.insert(sa.making);
        for (const ike::ChildSummary& child : sa.children) {
            named.insert(child.inbound_spi);
        }
    }
    const Instant now = parts_.loop.now().instant;
    std::set<IkeSpi> due;
    std::erase_if(to_tidy_, [&](const auto& entry) {
        const auto found = whole.find(entry.first);
        if (entry.second <= now && found != whole.end() && found->second) {
            due.insert(entry.first);
        }
        return entry.second <= now;
    });
    if (due.empty()) {
        return;
    }
    for (const ChildRow& row : parts_.dataplane.list()) {
        if (due.contains(row.record->ike_spi) && !named.contains(row.record->inbound_spi)) {
            end_child(*row.record);
        }
    }
}

void Ownership::on_connected() {
    to_verify_.clear();
    for (const ike::IkeSaSummary& sa : parts_.ike.list()) {
        to_verify_.push_back(sa.our_spi);
    }
    verify();
}

// While we were away others may have taken what we run, and their word did not reach us.
void Ownership::verify() {
    for (std::size_t count = 0; count < verified_at_once && !to_verify_.empty(); ++count) {
        const IkeSpi spi = to_verify_.front();
        to_verify_.pop_front();
        verify(spi);
    }
}

void Ownership::verify(IkeSpi spi) {
    parts_.store.read_claim(
        sa::ike_sa_key(spi),
        [this, spi](const store::StoreResult<std::optional<store::Claim>>& claim) {
            const auto record = claim ? open(spi, *claim) : std::nullopt;
            if (record && record->owner != parts_.self) {
                on_owner({spi, record->owner, record->epoch});
            }
        });
}

void Ownership::resume() {
    resume_wanted_ = false;
    sweep(Sweep::own);
}

void Ownership::keep_up() {
    if (resume_wanted_) {
        resume();
    }
    verify();
    for (const auto& [spi, made] : std::exchange(made_in_vain_, {})) {
        judge_made(spi, made);
    }
    if (!to_tidy_.empty()) {
        tidy();
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

// Of those that stay.
bool Ownership::first_of_the_living() const {
    if (heir()) {
        return false;
    }
    for (const FleetMember& member : parts_.fleet.members(parts_.loop.now().instant)) {
        if (member.alive && !member.last.draining && member.last.id < parts_.self) {
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
            if (wanted && knows_children(*record)) {
                take(*record, (**claim).revision);
            } else if (wanted) {
                asking_.try_emplace(record->our_spi);
                on_claim(record->our_spi, *claim);
            }
        });
}

}  // namespace anyswan::edge
