// SPDX-License-Identifier: Apache-2.0
#include "edge/ike_role.h"

#include <algorithm>

#include "edge/log.h"

namespace anyswan::edge {

IkeRole::IkeRole(Parts parts, ike::EngineConfig config)
    : parts_(std::move(parts)),
      engine_(std::move(config), parts_.random, parts_.spis, parts_.tunnels),
      live_trace_([this](ike::SpiPair spis) { return reading_keys(spis); }),
      timer_(parts_.loop) {}

void IkeRole::on_datagram(ike::DatagramReceived datagram) {
    ++counters_["ike_datagrams_in"];
    const Now now = parts_.loop.now();
    live_trace_.arriving(now, datagram);
    ike::Outputs outputs = engine_.step(now, datagram);
    live_trace_.received(now, datagram);
    execute(std::move(outputs));
    arm();
}

void IkeRole::terminate(const sa::TunnelId& tunnel) {
    feed(ike::Terminate{tunnel});
}

void IkeRole::adopt(sa::IkeSaRecord record, std::vector<sa::ChildSaRecord> children) {
    chains_[record.our_spi] = record.origin == IkeSpi{} ? record.our_spi : record.origin;
    feed(ike::Adopt{std::move(record), std::move(children)});
}

// The IKE SAs of a chain work together (RFC 7296 2.25), so they are lost together. Those that were
// not taken by another edge are found by their claims again.
void IkeRole::lost(IkeSpi spi) {
    ++counters_["ike_ownership_lost"];
    const Chain chain = chain_of(spi);
    std::vector<EspSpi> made;
    if (const auto queue = queues_.extract(chain)) {
        for (const PendingPtr& pending : queue.mapped()) {
            for (const ike::Write& write : pending->made) {
                const auto* child = std::get_if<sa::ChildSaRecord>(&write);
                if (child != nullptr && pending->step != Pending::Step::queued) {
                    made.push_back(child->inbound_spi);
                }
            }
        }
    }
    std::vector<IkeSpi> kin{spi};
    for (const auto& [one, of] : chains_) {
        if (of == chain && one != spi) {
            kin.push_back(one);
        }
    }
    for (const IkeSpi one : kin) {
        parts_.claims.forget(one);
        chains_.erase(one);
        feed(ike::LostOwnership{one});
    }
    if (!made.empty() && parts_.on_lost) {
        parts_.on_lost(spi, std::move(made));
    }
}

void IkeRole::feed(ike::Input input) {
    execute(engine_.step(parts_.loop.now(), std::move(input)));
    arm();
}

void IkeRole::arm() {
    if (const auto deadline = engine_.next_deadline()) {
        timer_.at(*deadline, [this] { feed(ike::TimePassed{}); });
    } else {
        timer_.cancel();
    }
}

void IkeRole::execute(ike::Outputs outputs) {
    for (const ike::EngineEvent& event : outputs.events) {
        report(event);
    }
    for (const ike::Dropped& drop : outputs.drops) {
        ++counters_[std::string("ike_drop_") + ike::name(drop.reason)];
        log::debug("ike", std::string("dropped a datagram from ") + drop.remote.to_string() + ": " +
                              ike::name(drop.reason) + " " + drop.detail);
    }
    for (ike::Action& action : outputs.actions) {
        enqueue(std::move(action));
    }
    for (const ike::Redirected& away : outputs.redirected) {
        if (parts_.on_redirected) {
            parts_.on_redirected(away);
        }
    }
    for (const std::string& url : outputs.crls_wanted) {
        if (parts_.want_crl) {
            parts_.want_crl(url);
        }
    }
    for (ike::AddressesWanted& wanted : outputs.addresses_wanted) {
        lease_addresses(std::move(wanted));
    }
}

void IkeRole::lease_addresses(ike::AddressesWanted wanted) {
    if (parts_.lease_addresses == nullptr) {
        feed(ike::AddressesGiven{wanted.our_spi, wanted.tunnel, {}, "this side leases none"});
        return;
    }
    parts_.lease_addresses(std::move(wanted),
                           [this](ike::AddressesGiven given) { feed(std::move(given)); });
}

IkeRole::Chain IkeRole::chain_of(IkeSpi spi) const {
    const auto found = chains_.find(spi);
    return found == chains_.end() ? spi : found->second;
}

void IkeRole::enqueue(ike::Action action) {
    const auto pending = std::make_shared<Pending>();
    pending->send = std::move(action.send);
    for (ike::Write& write : action.writes) {
        if (auto* claim = std::get_if<sa::IkeSaRecord>(&write)) {
            chains_[claim->our_spi] = claim->origin == IkeSpi{} ? claim->our_spi : claim->origin;
            pending->claims.push_back(std::move(*claim));
            continue;
        }
        if (auto* child = std::get_if<sa::ChildSaRecord>(&write)) {
            child->negotiated_on = parts_.edge_name;
            child->published_at = parts_.loop.now().wall;
        }
        const bool ended = std::visit([](const auto& record) { return record.ended; }, write);
        (ended ? pending->ended : pending->made).push_back(std::move(write));
    }
    const Chain chain = chain_of(action.our_spi);
    queues_[chain].push_back(pending);
    advance(chain);
}

void IkeRole::put_fact(Chain chain, const ike::Write& write, const PendingPtr& pending,
                       Patience patience) {
    const auto done = [this, chain, pending](Written what) {
        pending->deferred = pending->deferred || what == Written::deferred;
        written(chain, pending);
    };
    if (const auto* child = std::get_if<sa::ChildSaRecord>(&write)) {
        parts_.facts.put(sa::child_sa_key(child->inbound_spi), Epoch(1), child->clone(), done,
                         patience);
    } else {
        const auto& endpoint = std::get<sa::EndpointRecord>(write);
        parts_.facts.put(sa::endpoint_key(endpoint.ike_spi), Epoch(1), endpoint, done, patience);
    }
}

void IkeRole::put_claim(Chain chain, const sa::IkeSaRecord& claim, const PendingPtr& pending) {
    const IkeSpi spi = claim.our_spi;
    const bool over = claim.ended;
    parts_.claims.put(claim, !pending->deferred,
                      [this, chain, spi, over, pending](ClaimOutcome outcome) {
                          pending->lost = pending->lost || outcome == ClaimOutcome::lost;
                          if (over) {
                              chains_.erase(spi);
                          }
                          written(chain, pending);
                      });
}

void IkeRole::written(Chain chain, const PendingPtr& pending) {
    check(pending->outstanding > 0, "a write completed twice");
    --pending->outstanding;
    advance(chain);
}

// Takes the chain's oldest action through its steps. Called from within itself too, when a write is
// settled at once: then the outer call goes on.
void IkeRole::advance(Chain chain) {
    to_advance_.push_back(chain);
    if (std::exchange(advancing_, true)) {
        return;
    }
    while (!to_advance_.empty()) {
        const Chain next = to_advance_.front();
        to_advance_.pop_front();
        for (auto found = queues_.find(next);
             found != queues_.end() && found->second.front()->outstanding == 0;
             found = queues_.find(next)) {
            step(next, PendingPtr(found->second.front()));
        }
    }
    advancing_ = false;
}

void IkeRole::step(Chain chain, const PendingPtr& pending) {
    using Step = Pending::Step;
    const bool waits = std::ranges::any_of(pending->claims, [this](const sa::IkeSaRecord& claim) {
        return parts_.claims.stored(claim.our_spi);
    });
    const Patience patience = waits ? Patience::until_durable : Patience::until_deferred;
    switch (pending->step) {
        case Step::queued:
            pending->step = Step::making;
            pending->outstanding = pending->made.size();
            for (const ike::Write& write : pending->made) {
                put_fact(chain, write, pending, patience);
            }
            return;
        case Step::making:
            pending->step = Step::claiming;
            pending->outstanding = pending->claims.size();
            for (const sa::IkeSaRecord& claim : pending->claims) {
                put_claim(chain, claim, pending);
            }
            return;
        case Step::claiming:
            if (pending->lost) {
                // Nothing of these IKE SAs leaves any more (N4).
                const IkeSpi spi = pending->claims.front().our_spi;
                chains_[spi] = chain;
                lost(spi);
                return;
            }
            pending->step = Step::ending;
            pending->outstanding = pending->ended.size();
            for (const ike::Write& write : pending->ended) {
                put_fact(chain, write, pending, patience);
            }
            return;
        case Step::ending:
            queues_.at(chain).pop_front();
            if (queues_.at(chain).empty()) {
                queues_.erase(chain);
            }
            send(std::move(pending->send));
            return;
    }
}

void IkeRole::send(std::vector<ike::Datagram> datagrams) {
    if (datagrams.empty()) {
        return;
    }
    counters_["ike_datagrams_out"] += datagrams.size();
    const Now now = parts_.loop.now();
    for (const ike::Datagram& datagram : datagrams) {
        live_trace_.sent(now, datagram);
    }
    parts_.send(std::move(datagrams));
}

void IkeRole::report(const ike::EngineEvent& event) {
    ++counters_[std::string("ike_") + ike::name(event.kind)];
    const bool trouble = event.kind == ike::EventKind::we_refused ||
                         event.kind == ike::EventKind::peer_refused ||
                         event.kind == ike::EventKind::authentication_failed ||
                         event.kind == ike::EventKind::weak_algorithm ||
                         event.kind == ike::EventKind::peer_unreachable;
    const bool chatter = event.kind == ike::EventKind::retransmission ||
                         event.kind == ike::EventKind::cookie_demanded;
    log::write(trouble   ? log::Level::warn
               : chatter ? log::Level::debug
                         : log::Level::info,
               "ike", std::string(ike::name(event.kind)) + ": " + event.text);
}

}  // namespace anyswan::edge
