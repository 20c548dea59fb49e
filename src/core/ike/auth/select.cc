// SPDX-License-Identifier: Apache-2.0
#include "core/ike/auth/select.h"

#include <algorithm>

#include "core/ike/auth/identity.h"
#include "core/ike/auth/ppk.h"
#include "core/sa/weak.h"

namespace anyswan::ike::auth {

using sa::TunnelRecord;
using wire::ike::Authentication;
using wire::ike::Notify;
using wire::ike::NotifyType;

namespace {

using Tunnels = std::vector<const TunnelRecord*>;

std::string expected_ids(const Tunnels& tunnels) {
    constexpr std::size_t named_max = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(tunnels.size(), named_max); ++i) {
        text += (text.empty() ? "" : ", ") + quoted(tunnels[i]->remote_id) + " for tunnel " +
                tunnels[i]->id.to_string();
    }
    return text + (tunnels.size() > named_max ? ", ..." : "");
}

std::string why_no_tunnel(const Session& session, const IpAddress& remote,
                          const Tunnels& of_address, const Claimed& claimed) {
    if (of_address.empty()) {
        return "no tunnel allows the address " + remote.to_string() +
               " any more; add it to the tunnel's remote addresses";
    }
    const TunnelRecord* same_id = nullptr;
    for (const TunnelRecord* tunnel : of_address) {
        if (fit(tunnel->remote_id, claimed.id_i)) {
            same_id = tunnel;
            if (claimed.id_r != nullptr && !fit(tunnel->local_id, *claimed.id_r)) {
                return "the router asks for our identity " + quoted(*claimed.id_r) + "; tunnel " +
                       tunnel->id.to_string() + " has " + quoted(tunnel->local_id) +
                       ": set the router's remote identity to that";
            }
        }
    }
    if (same_id != nullptr) {
        return "tunnel " + same_id->id.to_string() + " does not accept " +
               crypto::to_string(session.channel->suite()) +
               ", which other tunnels of this address made us choose; give tunnels that share an "
               "address the same IKE suites";
    }
    return "the router calls itself " + quoted(claimed.id_i) + "; expected " +
           expected_ids(of_address) +
           ": set the router's local identity to that, or the tunnel's remote id to the router's";
}

/// The tunnels that the identities fit best: equally good ones, those of the right kind of
/// authentication first.
Tunnels matching(const Session& session, const Tunnels& of_address, const Claimed& claimed) {
    Tunnels found;
    IdFit best;
    for (const TunnelRecord* tunnel : of_address) {
        const auto suites = sa::ike_suites_of(*tunnel);
        const bool suite =
            std::find(suites.begin(), suites.end(), session.channel->suite()) != suites.end();
        const IdFit fits = fit(tunnel->remote_id, claimed.id_i);
        if (!suite || !fits || fits < best ||
            (claimed.id_r != nullptr && !fit(tunnel->local_id, *claimed.id_r))) {
            continue;
        }
        if (fits > best) {
            found.clear();
            best = fits;
        }
        found.push_back(tunnel);
    }
    std::stable_partition(found.begin(), found.end(), [&claimed](const TunnelRecord* tunnel) {
        return expected_method(*tunnel, claimed.auth.method);
    });
    return found;
}

std::string why_bad_proof(const TunnelRecord& tunnel, const Claimed& claimed, bool with_ppk,
                          const ProofFailure& failure) {
    switch (failure.kind) {
        case ProofFailure::Kind::method:
            return "the router authenticates with " + name(claimed.auth.method) + "; tunnel " +
                   tunnel.id.to_string() + " needs " + words_for(tunnel.credentials.remote) +
                   ": set the router to that";
        case ProofFailure::Kind::shared_key:
            return "identity " + quoted(claimed.id_i) + " is right for tunnel " +
                   tunnel.id.to_string() + ", the pre-shared key differs" +
                   (with_ppk ? " (or the PPK does)" : "") +
                   ": set the same key on the router and on the tunnel";
        case ProofFailure::Kind::certificate:
            break;
    }
    return "the router, for tunnel " + tunnel.id.to_string() + ": " + failure.words;
}

/// Which proof of the request counts for a tunnel, and under which keys (RFC 8784 3).
struct Offered {
    Authentication auth;
    bool with_ppk = false;
};
Expected<Offered, std::string> offered(const TunnelRecord& tunnel, const Terms& terms,
                                       const Claimed& claimed) {
    const sa::Ppk& ppk = tunnel.credentials.ppk;
    const Notify* identity = find_notify(claimed.payloads, NotifyType::ppk_identity);
    const std::string about = "tunnel " + tunnel.id.to_string() + " ";
    if (terms.ppk && identity != nullptr && names(*identity, ppk)) {
        return Offered{claimed.auth, true};
    }
    if (ppk.configured() && ppk.required) {
        return Unexpected{about + "requires the PPK \"" + to_string(ppk.id) + "\"; the router " +
                          (identity == nullptr
                               ? std::string("uses none: configure it there")
                               : "has one " + describe_ppk(*identity) + ": give it the same id")};
    }
    if (!terms.ppk || identity == nullptr) {
        return Offered{claimed.auth, false};
    }
    // RFC 8784 3: an initiator that can do without sends NO_PPK_AUTH, "the content of the AUTH
    // payload" as it were without a PPK.
    const Notify* without = find_notify(claimed.payloads, NotifyType::no_ppk_auth);
    if (without == nullptr) {
        return Unexpected{"the router insists on a PPK " + describe_ppk(*identity) + "; " + about +
                          (ppk.configured() ? "has the PPK \"" + to_string(ppk.id) + "\""
                                            : std::string("has none")) +
                          ": give both the same ppk_id and ppk"};
    }
    return Offered{{claimed.auth.method, without->data}, false};
}

}  // namespace

Expected<Selected, std::string> select_tunnel(Session& session, const Context& context,
                                              const IpAddress& remote, const Claimed& claimed) {
    HalfOpen& state = session.in<HalfOpen>();
    const Tunnels of_address = context.tunnels.by_address(remote);
    const Tunnels candidates = matching(session, of_address, claimed);
    if (candidates.empty()) {
        return Unexpected{why_no_tunnel(session, remote, of_address, claimed)};
    }
    const crypto::PrfId prf = session.channel->suite().prf;
    const Secret& plain_key = session.channel->keys().pi;
    const Bytes tail = auth_tail(state.int_auth, session.window.expected_request());
    std::optional<std::string> why;  // of the likeliest tunnel
    for (const TunnelRecord* tunnel : candidates) {
        const auto offer = offered(*tunnel, state.terms, claimed);
        if (!offer) {
            why = why.value_or(offer.error());
            continue;
        }
        const Secret key =
            offer->with_ppk ? mixed(prf, tunnel->credentials.ppk, plain_key) : plain_key.clone();
        auto proved =
            judge(prf, *tunnel, {offer->auth, claimed.payloads},
                  {state.init_request, state.nonce_r, key, claimed.id_i, tail}, context.now.wall);
        if (proved) {
            return Selected{tunnel, std::move(*proved), offer->with_ppk};
        }
        why = why.value_or(why_bad_proof(*tunnel, claimed, offer->with_ppk, proved.error()));
    }
    return Unexpected{*why};
}

}  // namespace anyswan::ike::auth
