// SPDX-License-Identifier: Apache-2.0
// NAT detection (RFC 7296 2.23).
#include "core/ike/nat.h"

#include "core/crypto/crypto.h"

namespace anyswan::ike {

using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;
using wire::ike::ProtocolId;

namespace {

/// "if a NAT is detected, both devices MUST use UDP encapsulation for ESP." A peer to which we
/// announced a NAT has detected one. IKE on port 4500 alone is no reason: a peer that begins there
/// (strongSwan re-authenticating) expects raw ESP, and Linux drops what it doesn't expect.
bool nat_seen(const NatStatus& status, Announce ours) {
    return status.peer_is_behind || status.we_are_behind ||
           (status.peer_supports && ours == Announce::behind_nat);
}

}  // namespace

Bytes nat_hash(SpiPair spis, const Endpoint& endpoint) {
    // "a SHA-1 digest of the SPIs (in the order they appear in the header), IP address, and port"
    Writer writer;
    writer.u64(spis.initiator.value());
    writer.u64(spis.responder.value());
    writer.append(endpoint.address.bytes());
    writer.u16(endpoint.port);
    return crypto::sha1({writer.view()});
}

void append_nat_detection(std::vector<Payload>& payloads, SpiPair spis, const Path& path,
                          Announce announce) {
    const Endpoint source = announce == Announce::truth ? path.local : Endpoint{};
    payloads.push_back({Notify{
        ProtocolId::none, {}, NotifyType::nat_detection_source_ip, nat_hash(spis, source)}});
    payloads.push_back({Notify{ProtocolId::none,
                               {},
                               NotifyType::nat_detection_destination_ip,
                               nat_hash(spis, path.remote)}});
}

NatStatus detect_nat(const std::vector<Payload>& payloads, SpiPair spis, const Path& path,
                     Announce ours) {
    const Bytes peer_hash = nat_hash(spis, path.remote);
    const Bytes our_hash = nat_hash(spis, path.local);
    NatStatus status;
    bool source_seen = false;
    bool source_matches = false;
    bool destination_seen = false;
    bool destination_matches = false;
    for (const Payload& payload : payloads) {
        const auto* notify = std::get_if<Notify>(&payload.body);
        if (notify == nullptr) {
            continue;
        }
        // "There MAY be multiple NAT_DETECTION_SOURCE_IP payloads"; "If none of the
        // NAT_DETECTION_SOURCE_IP payload(s) received matches ..., it means that the system sending
        // those payloads is behind a NAT".
        if (notify->type == NotifyType::nat_detection_source_ip) {
            source_seen = true;
            source_matches = source_matches || notify->data == peer_hash;
        } else if (notify->type == NotifyType::nat_detection_destination_ip) {
            destination_seen = true;
            destination_matches = destination_matches || notify->data == our_hash;
        }
    }
    status.peer_supports = source_seen && destination_seen;
    status.peer_is_behind = source_seen && !source_matches;
    status.we_are_behind = destination_seen && !destination_matches;
    status.udp_encapsulation = nat_seen(status, ours);
    return status;
}

Path moved_to_nat_port(Path path) {
    for (Endpoint* end : {&path.local, &path.remote}) {
        if (end->port == ike_port) {
            end->port = nat_port;
        }
    }
    return path;
}

}  // namespace anyswan::ike
