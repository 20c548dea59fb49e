// SPDX-License-Identifier: Apache-2.0
// MOBIKE (RFC 4555): the addresses of an IKE SA and its Child SAs change. Both roles.
//
//   IKE_AUTH: ..., N(MOBIKE_SUPPORTED), N(ADDITIONAL_IP*_ADDRESS) or N(NO_ADDITIONAL_ADDRESSES)
//
//   HDR, SK {N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*), N(COOKIE2)}  -->      from the new address
//                                     <--  HDR, SK {N(NAT_DETECTION_*), N(COOKIE2)}
//                                     <--  HDR, SK {N(COOKIE2)}   return routability, to the new
//                                     one
//   HDR, SK {N(COOKIE2)}  -->
//
// "The initiator" here is the side that initiated the first IKE SA of the chain of rekeys; it alone
// decides which addresses are used. What is known of the path belongs to the whole chain: while an
// IKE SA is rekeyed, each change is made to the old one and to its heirs.
//
// The initiator uses its new address at once, for ESP too (`update_owed` until the peer knows). The
// responder moves IKE at once, and ESP (the Endpoint fact) when the peer has answered at its new
// address (`unchecked` until then). Both flags are in the claim, so an adopter goes on.
#include <algorithm>

#include "core/ike/exchange/mobike.h"
#include "core/ike/limits.h"
#include "core/ike/queue.h"
#include "core/ike/report.h"
#include "core/ike/session_records.h"

namespace anyswan::ike {

using wire::ike::ExchangeType;
using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

namespace {

Payload notify(NotifyType type, Bytes data = {}) {
    return {Notify{{}, {}, type, std::move(data)}};
}

/// RFC 4555 4.2.6: source and destination address, then source and destination port.
Bytes no_nats_data(const Path& sent) {
    Writer data;
    data.append(sent.local.address.bytes());
    data.append(sent.remote.address.bytes());
    data.u16(sent.local.port);
    data.u16(sent.remote.port);
    return std::move(data).take();
}

/// What every message that may change addresses says about NATs: the detection hashes, or
/// (RFC 4555 3.9: "when NAT Traversal is not enabled") that there must not be one.
void append_nat_words(std::vector<Payload>& payloads, const Session& session, const Path& path,
                      Announce announce) {
    if (session.nat.peer_supports) {
        append_nat_detection(payloads, session.spis(), path, announce);
    } else {
        payloads.push_back(notify(NotifyType::no_nats_allowed, no_nats_data(path)));
    }
}

void append_addresses(std::vector<Payload>& payloads, const std::vector<IpAddress>& ours,
                      const IpAddress& used) {
    const std::size_t before = payloads.size();
    for (const IpAddress& address : ours) {
        if (address != used) {
            payloads.push_back(notify(address.is_v4() ? NotifyType::additional_ip4_address
                                                      : NotifyType::additional_ip6_address,
                                      to_bytes(address.bytes())));
        }
    }
    if (payloads.size() == before) {
        payloads.push_back(notify(NotifyType::no_additional_addresses));
    }
}

/// The peer's list, if the message has one: it replaces what it said before (RFC 4555 3.6).
std::optional<std::vector<IpAddress>> addresses_in(const std::vector<Payload>& payloads) {
    bool listed = false;
    std::vector<IpAddress> addresses;
    for (const Payload& payload : payloads) {
        const auto* found = std::get_if<Notify>(&payload.body);
        if (found == nullptr) {
            continue;
        }
        const bool v4 = found->type == NotifyType::additional_ip4_address;
        const bool v6 = found->type == NotifyType::additional_ip6_address;
        listed = listed || v4 || v6 || found->type == NotifyType::no_additional_addresses;
        const auto address =
            v4 || v6 ? IpAddress::from_bytes(found->data) : std::optional<IpAddress>();
        if (address && address->is_v4() == v4 && addresses.size() < peer_addresses_max) {
            addresses.push_back(*address);
        }
    }
    return listed ? std::optional(std::move(addresses)) : std::nullopt;
}

/// RFC 4555 4.2.5: "The data associated with this notification MUST be between 8 and 64 octets in
/// length (inclusive)".
const Notify* cookie2_in(const std::vector<Payload>& payloads) {
    const Notify* found = find_notify(payloads, NotifyType::cookie2);
    return found != nullptr && found->data.size() >= 8 && found->data.size() <= 64 ? found
                                                                                   : nullptr;
}

bool has_nat_detection(const std::vector<Payload>& payloads) {
    return find_notify(payloads, NotifyType::nat_detection_source_ip) != nullptr &&
           find_notify(payloads, NotifyType::nat_detection_destination_ip) != nullptr;
}

Announce announce_of(const Session& session, const Context& context) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    return tunnel != nullptr && tunnel->nat_traversal == sa::NatTraversal::force
               ? Announce::behind_nat
               : Announce::truth;
}

/// RFC 4555 3.5: "enables or disables NAT Traversal".
NatStatus nat_of(const Session& session, const Context& context, const Inbound& in) {
    if (!session.nat.peer_supports || !has_nat_detection(in.payloads)) {
        return session.nat;
    }
    return detect_nat(in.payloads, session.spis(), in.path, announce_of(session, context));
}

/// The IKE SA of the chain that new requests go on: the one that was rekeyed has a successor.
Session& newest_of(Session& session, Context& context) {
    const Established* sa = established(session);
    Session* heir =
        sa != nullptr && sa->successor != IkeSpi{} ? context.sessions.find(sa->successor) : nullptr;
    return heir != nullptr && heir->is<Established>() ? *heir : session;
}

/// The IKE SA that the peer rekeyed, while the peer has not spoken on its heir: our last answer may
/// be lost, and then the peer asks again where we no longer are, and knows no heir.
Session* known_to_peer(const Session& newest, Context& context) {
    Session* old = newest.heir_of != IkeSpi{} ? context.sessions.find(newest.heir_of) : nullptr;
    return old != nullptr && old->is<Established>() ? old : nullptr;
}

/// The IKE SAs on which the peer hears where we are.
std::vector<Session*> to_update(Session& session, Context& context) {
    std::vector<Session*> found{&newest_of(session, context)};
    if (Session* old = known_to_peer(*found.front(), context)) {
        found.push_back(old);
    }
    return found;
}

/// Changes each IKE SA of the chain. The claims of the others go into `writes`; the caller writes
/// that of `session`.
template <class Change>
void change_chain(Session& session, Context& context, std::vector<Write>& writes,
                  const Change& change) {
    for (Session* one : context.sessions.of_origin(session.origin)) {
        change(*one);
        if (one != &session && established(*one) != nullptr) {
            writes.emplace_back(claim_of(*one, context.config));
        }
    }
}

/// The Endpoint fact follows, unless the IKE SA is one that has nothing any more and whose heirs are
/// gone: nobody would end the fact again.
void write_endpoint(const Session& session, Context& context, std::vector<Write>& writes) {
    const auto all = context.sessions.of_origin(session.origin);
    if (std::any_of(all.begin(), all.end(), [&context](const Session* one) {
            return established(*one) != nullptr && rekey_ike::owns_estate(*one, context);
        })) {
        writes.emplace_back(endpoint_of(session));
    }
}

/// A request in flight goes over the new path at once: RFC 4555 3.5: "continues retransmitting them
/// using the addresses in the IKE_SA (the new addresses)".
void take_path(Session& session, const Context& context, const Path& path) {
    if (session.path != path) {
        session.path = path;
        session.window.hurry(context.now.instant, retransmit_policy(session, context.config));
    }
}

bool allowed(const Session& session, const Context& context, const IpAddress& remote) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    return tunnel != nullptr &&
           (tunnel->remote_addresses.empty() ||
            std::any_of(tunnel->remote_addresses.begin(), tunnel->remote_addresses.end(),
                        [&remote](const IpPrefix& prefix) { return prefix.contains(remote); }));
}

std::string move_words(const Path& from, const Path& to) {
    return from.remote.to_string() + " (to " + from.local.to_string() + ") to " +
           to.remote.to_string() + " (to " + to.local.to_string() + ")";
}

/// Responder: UPDATE_SA_ADDRESSES of a path that the tunnel allows.
void update(Session& session, Context& context, const Inbound& in, std::vector<Write>& writes) {
    const sa::TunnelRecord* tunnel = context.tunnels.by_id(*session.tunnel);
    const NatStatus nat = nat_of(session, context, in);
    const Path before = session.path;
    // RFC 4555 3.7: "By default, this "return routability check" SHOULD be performed." A port that
    // a NAT changed needs none: the address is the same.
    const bool check_first =
        tunnel->mobike_check &&
        (session.mobility.unchecked || before.remote.address != in.path.remote.address);
    change_chain(session, context, writes, [&](Session& one) {
        take_path(one, context, in.path);
        one.nat = nat;
        one.mobility.unchecked = check_first;
    });
    if (before != in.path) {
        report(context, session, EventKind::peer_moved,
               "the peer moved from " + move_words(before, in.path) +
                   (check_first ? "; ESP follows when it has answered there" : ""));
    }
    if (!check_first) {
        write_endpoint(session, context, writes);
    }
}

/// RFC 4555 3.7: "When processing the response, the original sender MUST verify that the value is
/// the same one as sent. If the values do not match, the IKE_SA MUST be closed."
bool cookie2_fits(Session& session, Context& context, const Inbound& in, const Bytes& sent) {
    const Notify* found = find_notify(in.payloads, NotifyType::cookie2);
    if (found != nullptr && found->data == sent) {
        return true;
    }
    report(
        context, session, EventKind::peer_refused,
        found != nullptr
            ? "the peer's answer has another COOKIE2 than ours; the IKE SA ends"
            : "the peer's answer has no COOKIE2, so nothing shows that it is at its new address; "
              "the IKE SA ends; mobike_check = false lets this tunnel's router move without");
    wish_next(session, task::DeleteIke{});
    return false;
}

void disconnect(Session& session, Context& context, const std::string& why) {
    report(context, session, EventKind::peer_refused, why + "; the IKE SA ends");
    wish_next(session, task::DeleteIke{});
}

const Bytes* seen_as_in(const std::vector<Payload>& payloads) {
    const Notify* found = find_notify(payloads, NotifyType::nat_detection_destination_ip);
    return found != nullptr ? &found->data : nullptr;
}

}  // namespace

namespace mobike {

void append_to_auth_request(std::vector<Payload>& payloads, const Session& session,
                            const EngineConfig& config, const sa::TunnelRecord& tunnel) {
    if (!tunnel.mobike) {
        return;
    }
    payloads.push_back(notify(NotifyType::mobike_supported));
    append_addresses(payloads, config.addresses, session.path.local.address);
    if (!session.nat.peer_supports) {
        payloads.push_back(notify(NotifyType::no_nats_allowed, no_nats_data(session.path)));
    }
}

void answer_auth(Session& session, const EngineConfig& config, const sa::TunnelRecord& tunnel,
                 const Inbound& in, std::vector<Payload>& answer) {
    if (!tunnel.mobike || find_notify(in.payloads, NotifyType::mobike_supported) == nullptr) {
        return;
    }
    session.mobility.supported = true;
    session.mobility.peer_addresses = addresses_in(in.payloads).value_or(std::vector<IpAddress>{});
    answer.push_back(notify(NotifyType::mobike_supported));
    append_addresses(answer, config.addresses, session.path.local.address);
}

void read_auth_response(Session& session, const sa::TunnelRecord& tunnel,
                        const std::vector<Payload>& payloads) {
    if (tunnel.mobike && find_notify(payloads, NotifyType::mobike_supported) != nullptr) {
        session.mobility.supported = true;
        session.mobility.peer_addresses = addresses_in(payloads).value_or(std::vector<IpAddress>{});
    }
}

bool nat_prohibited(const Inbound& in) {
    const Notify* found = find_notify(in.payloads, NotifyType::no_nats_allowed);
    return found != nullptr && found->data != no_nats_data({in.path.remote, in.path.local});
}

std::vector<Payload> on_request(Session& session, Context& context, const Inbound& in,
                                std::vector<Write>& writes) {
    std::vector<Payload> answer;
    if (!session.mobility.supported) {
        return answer;
    }
    const bool update_wanted = session.is<Established>() && !session.origin_initiated &&
                               find_notify(in.payloads, NotifyType::update_sa_addresses) != nullptr;
    if (nat_prohibited(in)) {
        // RFC 4555 3.9: "The exchange responder MUST verify that the contents of the
        // NO_NATS_ALLOWED notification match the addresses in the IP header."
        report(context, session, EventKind::we_refused,
               "UNEXPECTED_NAT_DETECTED: the peer allows no NAT, and one is in the way");
        answer.push_back(notify(NotifyType::unexpected_nat_detected));
    } else if (update_wanted && !allowed(session, context, in.path.remote.address)) {
        report(context, session, EventKind::we_refused,
               "UNACCEPTABLE_ADDRESSES: the peer moved to " + in.path.remote.to_string() +
                   ", which the tunnel's remote_addresses don't allow");
        answer.push_back(notify(NotifyType::unacceptable_addresses));
    } else {
        if (update_wanted) {
            update(session, context, in, writes);
        }
        if (auto listed = addresses_in(in.payloads)) {
            change_chain(session, context, writes,
                         [&](Session& one) { one.mobility.peer_addresses = *listed; });
        }
        // RFC 4555 3.8: "if the request includes them, the responder MUST also include them in the
        // response".
        if (has_nat_detection(in.payloads)) {
            append_nat_detection(answer, session.spis(), in.path, announce_of(session, context));
        }
    }
    // RFC 4555 3.7: "the recipient of an INFORMATIONAL request MUST copy the notification as-is to
    // the response".
    if (const Notify* cookie = cookie2_in(in.payloads)) {
        answer.push_back({*cookie});
    }
    return answer;
}

void go_on(Session& session, Context& context) {
    if (!session.mobility.unchecked && !session.mobility.update_owed) {
        return;
    }
    if (session.mobility.unchecked) {
        return wish(newest_of(session, context), context, task::CheckPath{});
    }
    for (Session* one : to_update(session, context)) {
        wish(*one, context, task::UpdateAddresses{});
    }
}

void move(Session& session, Context& context, const Path& path) {
    if (session.path == path || session.is<Ended>() || session.is<Deleting>()) {
        return;
    }
    if (!session.is<Established>() || !session.mobility.supported) {
        report(context, session, EventKind::ike_sa_ended,
               "our address changed from " + session.path.local.to_string() + " to " +
                   path.local.to_string() +
                   (session.is<Established>()
                        ? ", and the peer does not support MOBIKE: the tunnel must be made anew"
                        : " before the IKE SA was established: it must begin anew"));
        return end_now(session, context);
    }
    report(context, session, EventKind::we_moved,
           "our address changed from " + session.path.local.to_string() + " to " +
               path.local.to_string() + ": telling the peer (MOBIKE)");
    std::vector<Write> writes;
    change_chain(session, context, writes, [&](Session& one) {
        take_path(one, context, path);
        one.mobility.update_owed = true;
    });
    write_endpoint(session, context, writes);
    writes.emplace_back(claim_of(session, context.config));
    act(session, context, std::move(writes), {});
    go_on(session, context);
}

void append_to_probe(std::vector<Payload>& payloads, const Session& session,
                     const Context& context) {
    if (session.mobility.supported && session.origin_initiated && session.nat.we_are_behind) {
        append_nat_detection(payloads, session.spis(), session.path, announce_of(session, context));
    }
}

void on_probe_answer(Session& session, const Inbound& in) {
    const Bytes* now = seen_as_in(in.payloads);
    if (now == nullptr || !session.mobility.supported || !session.origin_initiated) {
        return;
    }
    // RFC 4555 3.8: "compare the received NAT_DETECTION_DESTINATION_IP notifications with the
    // value from the previous UPDATE_SA_ADDRESSES response": another one is another mapping.
    sa::Mobility& mobility = session.mobility;
    if (!mobility.seen_as.empty() && mobility.seen_as != *now) {
        mobility.update_owed = true;
        wish_next(session, task::UpdateAddresses{});
    }
    mobility.seen_as = *now;
}

std::optional<InFlight> resume(const sa::RequestInFlight& request,
                               const std::vector<Payload>& payloads) {
    const Notify* cookie = find_notify(payloads, NotifyType::cookie2);
    if (cookie == nullptr || !request.path) {
        return std::nullopt;
    }
    const Path path{request.path->local, request.path->remote};
    if (find_notify(payloads, NotifyType::update_sa_addresses) != nullptr) {
        return in_flight::UpdateAddresses{{task::UpdateAddresses{}}, cookie->data, path};
    }
    return in_flight::CheckPath{cookie->data, path};
}

}  // namespace mobike

namespace tasks {

Started start(Session& session, Context& context, const task::UpdateAddresses&, Wish& wish,
              std::vector<Write>& writes) {
    if (!session.mobility.update_owed) {
        return Started::moot;
    }
    // RFC 4555 4.2.5: "chosen by the exchange initiator in a way that is unpredictable to the
    // exchange responder".
    Bytes cookie = context.random.bytes(our_cookie2_size);
    std::vector<Payload> payloads{notify(NotifyType::update_sa_addresses)};
    append_nat_words(payloads, session, session.path, announce_of(session, context));
    payloads.push_back(notify(NotifyType::cookie2, cookie));
    session.in<Established>().asked =
        in_flight::UpdateAddresses{std::move(wish), std::move(cookie), session.path};
    request(session, context, ExchangeType::informational, payloads, std::move(writes),
            Persist::claim);
    return Started::yes;
}

void finish(Session& session, Context& context, const Inbound& in,
            in_flight::UpdateAddresses& asked, std::vector<Write>& writes) {
    if (!cookie2_fits(session, context, in, asked.cookie)) {
        return;
    }
    // RFC 4555 3.5: "If an address change has occurred after the request was first sent, no further
    // processing is done for the reply message because a new UPDATE_SA_ADDRESSES is going to be
    // sent".
    if (asked.path != session.path) {
        for (Session* one : to_update(session, context)) {
            wish_next(*one, task::UpdateAddresses{});
        }
        return;
    }
    if (find_notify(in.payloads, NotifyType::unacceptable_addresses) != nullptr) {
        return disconnect(session, context,
                          "UNACCEPTABLE_ADDRESSES by the peer: it doesn't accept us at " +
                              session.path.local.to_string());
    }
    if (find_notify(in.payloads, NotifyType::unexpected_nat_detected) != nullptr) {
        // RFC 4555 3.9: "it SHOULD retry the operation several times using new INFORMATIONAL
        // requests".
        if (asked.wish.tries >= update_tries_max) {
            return disconnect(session, context,
                              "UNEXPECTED_NAT_DETECTED by the peer, which doesn't support NATs");
        }
        ++asked.wish.tries;
        asked.wish.not_before = context.now.instant + update_retry_pause;
        return wish_first(session, std::move(asked.wish));
    }
    if (&newest_of(session, context) != &session) {
        return;  // A peer that is deleting this one has not followed; what the heir asks tells.
    }
    const NatStatus nat = nat_of(session, context, in);
    change_chain(session, context, writes, [&](Session& one) {
        one.nat = nat;
        one.mobility.update_owed = false;
    });
    if (const Bytes* seen = seen_as_in(in.payloads)) {
        session.mobility.seen_as = *seen;
    }
    write_endpoint(session, context, writes);
}

Started start(Session& session, Context& context, const task::CheckPath&, Wish&,
              std::vector<Write>& writes) {
    if (!session.mobility.unchecked) {
        return Started::moot;
    }
    Bytes cookie = context.random.bytes(our_cookie2_size);
    const std::vector<Payload> payloads{notify(NotifyType::cookie2, cookie)};
    session.in<Established>().asked = in_flight::CheckPath{std::move(cookie), session.path};
    request(session, context, ExchangeType::informational, payloads, std::move(writes),
            Persist::claim);
    return Started::yes;
}

void finish(Session& session, Context& context, const Inbound& in, in_flight::CheckPath& asked,
            std::vector<Write>& writes) {
    if (!cookie2_fits(session, context, in, asked.cookie)) {
        return;
    }
    // The answer may be to what was sent before the peer moved on: it tells nothing about the new
    // address.
    if (asked.path != session.path) {
        return wish_next(newest_of(session, context), task::CheckPath{});
    }
    if (session.mobility.unchecked) {
        change_chain(session, context, writes,
                     [](Session& one) { one.mobility.unchecked = false; });
        write_endpoint(session, context, writes);
    }
}

}  // namespace tasks

}  // namespace anyswan::ike
