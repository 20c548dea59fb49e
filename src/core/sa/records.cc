// SPDX-License-Identifier: Apache-2.0
#include "core/sa/records.h"

#include <algorithm>

#include "base/spi.h"
#include "core/crypto/crypto.h"

namespace anyswan::sa {

namespace {

constexpr std::size_t name_size_max = 63;  // as a DNS label

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= name_size_max &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

}  // namespace

std::optional<TunnelId> TunnelId::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view account = text.substr(0, slash);
    const std::string_view name = text.substr(slash + 1);
    if (!is_name(account) || !is_name(name)) {
        return std::nullopt;
    }
    return TunnelId{std::string(account), std::string(name)};
}

std::string name(SenderRule rule) {
    switch (rule) {
        case SenderRule::automatic:
            return "auto";
        case SenderRule::pinned:
            return "pinned";
        case SenderRule::spread:
            return "spread";
        case SenderRule::per_edge:
            return "per-edge";
    }
    return std::to_string(static_cast<unsigned>(rule));
}

TunnelRecord TunnelRecord::clone() const {
    return {
        .id = id,
        .local_id = local_id,
        .remote_id = remote_id,
        .psk = psk.clone(),
        .credentials = credentials.clone(),
        .allow_weak = allow_weak,
        .remote_addresses = remote_addresses,
        .ike_suites = ike_suites,
        .esp_suites = esp_suites,
        .local_prefixes = local_prefixes,
        .remote_prefixes = remote_prefixes,
        .addressing = addressing,
        .sender_rule = sender_rule,
        .nat_traversal = nat_traversal,
        .child_lifetime_s = child_lifetime_s,
        .child_lifetime_bytes = child_lifetime_bytes,
        .child_lifetime_packets = child_lifetime_packets,
        .ike_lifetime_s = ike_lifetime_s,
        .dpd_s = dpd_s,
        .replay_window = replay_window,
        .initiate = initiate,
        .mobike = mobike,
        .mobike_check = mobike_check,
        .follow_redirects = follow_redirects,
        .childless = childless,
        .ended = ended,
    };
}

bool TunnelRecord::allows_weak(std::string_view what) const {
    return std::find(allow_weak.begin(), allow_weak.end(), what) != allow_weak.end();
}

std::vector<IpPrefix> TunnelRecord::routed_prefixes() const {
    std::vector<IpPrefix> routed = remote_prefixes;
    for (const IpPrefix& prefix : addressing.pool) {
        if (std::find(routed.begin(), routed.end(), prefix) == routed.end()) {
            routed.push_back(prefix);
        }
    }
    return routed;
}

ChildSaRecord ChildSaRecord::clone() const {
    return {
        .inbound_spi = inbound_spi,
        .outbound_spi = outbound_spi,
        .ike_spi = ike_spi,
        .tunnel = tunnel,
        .suite = suite,
        .inbound = inbound.clone(),
        .outbound = outbound.clone(),
        .local_ts = local_ts,
        .remote_ts = remote_ts,
        .our_addresses = our_addresses,
        .sender_rule = sender_rule,
        .made_for = made_for,
        .replay_window = replay_window,
        .negotiated_on = negotiated_on,
        .published_at = published_at,
        .expires_at = expires_at,
        .replaces = replaces,
        .outbound_waits = outbound_waits,
        .ended = ended,
        .drain = drain,
    };
}

PendingSa PendingSa::clone() const {
    return {agreement, replaces, nonce_i, nonce_r, first.clone(), additional.clone(), done, link};
}

RequestInFlight RequestInFlight::clone() const {
    return {message_id,
            datagrams,
            seed.clone(),
            rival,
            rival_nonce,
            gone,
            pending ? std::optional(pending->clone()) : std::nullopt,
            path,
            made_for};
}

IkeSaRecord IkeSaRecord::clone() const {
    std::vector<PendingSa> pending_copy;
    pending_copy.reserve(pending.size());
    for (const PendingSa& one : pending) {
        pending_copy.push_back(one.clone());
    }
    return {
        .our_spi = our_spi,
        .peer_spi = peer_spi,
        .we_initiated = we_initiated,
        .tunnel = tunnel,
        .peer_id = peer_id,
        .suite = suite,
        .sk_d = sk_d.clone(),
        .sk_ai = sk_ai.clone(),
        .sk_ar = sk_ar.clone(),
        .sk_ei = sk_ei.clone(),
        .sk_er = sk_er.clone(),
        .sk_pi = sk_pi.clone(),
        .sk_pr = sk_pr.clone(),
        .local = local,
        .remote = remote,
        .owner = owner,
        .epoch = epoch,
        .expected_request = expected_request,
        .next_request = next_request,
        .next_iv = next_iv,
        .last_response = last_response,
        .request = request ? std::optional(request->clone()) : std::nullopt,
        .children = children,
        .established_at = established_at,
        .ended = ended,
        .origin = origin,
        .origin_initiated = origin_initiated,
        .successor = successor,
        .heir_of = heir_of,
        .fragmentation = fragmentation,
        .nat = nat,
        .mobility = mobility,
        .redirect_supported = redirect_supported,
        .assigned = assigned,
        .pending = std::move(pending_copy),
    };
}

std::string tunnel_key(const TunnelId& id) {
    return "tunnel/" + id.to_string();
}

std::string child_sa_key(EspSpi inbound) {
    return "child/" + hex(inbound);
}

std::string endpoint_key(IkeSpi ours) {
    return "endpoint/" + hex(ours);
}

std::string edge_key(std::string_view name) {
    return "edge/" + std::string(name);
}

std::string ike_sa_key(IkeSpi ours) {
    return "ike/" + hex(ours);
}

std::string incarnation_key(Incarnation number) {
    return "incarnation/" + std::to_string(number.value());
}

std::string spi_block_key(std::uint32_t block) {
    return "spi-block/" + std::to_string(block);
}

std::string sequence_lease_key(EspSpi inbound) {
    return "sequence/" + hex(inbound);
}

std::string address_book_key(std::string_view account) {
    return "addresses/" + std::string(account);
}

std::string crl_key(std::string_view url) {
    return "crl/" + to_hex(crypto::sha256({as_bytes(url)}));
}

}  // namespace anyswan::sa
