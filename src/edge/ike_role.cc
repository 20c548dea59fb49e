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
    feed(ike::Adopt{std::move(record), std::move(children)});
}

bool IkeRole::runs(IkeSpi spi) const {
    const std::vector<ike::IkeSaSummary> sas = engine_.list();
    return std::ranges::any_of(sas,
                               [spi](const ike::IkeSaSummary& sa) { return sa.our_spi == spi; });
}

void IkeRole::lost(IkeSpi spi) {
    ++counters_["ike_ownership_lost"];
    queues_.erase(spi);
    feed(ike::LostOwnership{spi});
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
        const auto pending = std::make_shared<Pending>();
        pending->send = std::move(action.send);
        pending->outstanding = action.writes.size();
        queues_[action.our_spi].push_back(pending);
        for (const ike::Write& write : action.writes) {
            persist(action.our_spi, write, pending);
        }
        drain(action.our_spi);
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

void IkeRole::persist(IkeSpi spi, const ike::Write& write, const PendingPtr& pending) {
    if (const auto* claim = std::get_if<sa::IkeSaRecord>(&write)) {
        parts_.claims.put(*claim, [this, spi, pending](ClaimOutcome outcome) {
            if (outcome == ClaimOutcome::lost) {
                pending->lost = true;
            }
            written(spi, pending);
        });
        return;
    }
    const auto done = [this, spi, pending](Written) { written(spi, pending); };
    if (const auto* child = std::get_if<sa::ChildSaRecord>(&write)) {
        sa::ChildSaRecord record = child->clone();
        record.negotiated_on = parts_.edge_name;
        record.published_at = parts_.loop.now().wall;
        const std::string key = sa::child_sa_key(record.inbound_spi);
        parts_.facts.put(key, Epoch(1), std::move(record), done);
        return;
    }
    const auto& endpoint = std::get<sa::EndpointRecord>(write);
    parts_.facts.put(sa::endpoint_key(endpoint.ike_spi), Epoch(1), endpoint, done);
}

void IkeRole::written(IkeSpi spi, const PendingPtr& pending) {
    check(pending->outstanding > 0, "a write completed twice");
    --pending->outstanding;
    drain(spi);
}

// Sends what is due: an action's datagrams leave when its writes, and all earlier ones of the same
// IKE SA, are settled. If the claim was lost, nothing of this SA leaves any more (N4).
void IkeRole::drain(IkeSpi spi) {
    const auto found = queues_.find(spi);
    if (found == queues_.end()) {
        return;
    }
    std::deque<PendingPtr>& queue = found->second;
    while (!queue.empty() && queue.front()->outstanding == 0) {
        const PendingPtr pending = queue.front();
        if (pending->lost) {
            lost(spi);
            return;
        }
        queue.pop_front();
        if (!pending->send.empty()) {
            counters_["ike_datagrams_out"] += pending->send.size();
            const Now now = parts_.loop.now();
            for (const ike::Datagram& datagram : pending->send) {
                live_trace_.sent(now, datagram);
            }
            parts_.send(std::move(pending->send));
        }
    }
    if (queue.empty()) {
        queues_.erase(found);
    }
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
