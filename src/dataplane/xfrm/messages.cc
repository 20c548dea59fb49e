// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/messages.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <cstring>

#include "base/check.h"

namespace anyswan::dataplane::xfrm {

namespace {

constexpr std::uint8_t esp = 50;
/// Enough for every message of ours: growing would leave copies of keys behind.
constexpr std::size_t message_size_max = 2048;

std::uint16_t family_of(const IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

xfrm_address_t to_kernel(const IpAddress& address) {
    xfrm_address_t out{};
    std::memcpy(&out, address.bytes().data(), address.bytes().size());
    return out;
}

/// A message that grows by structs and attributes.
class Message {
public:
    explicit Message(std::uint16_t type, std::uint16_t flags = NLM_F_REQUEST | NLM_F_ACK) {
        bytes_.reserve(message_size_max);
        nlmsghdr header{};
        header.nlmsg_type = type;
        header.nlmsg_flags = flags;
        append(header);
    }
    template <class T>
    void append(const T& value) {
        append(&value, sizeof value);
    }
    template <class T>
    void attribute(std::uint16_t type, const T& value) {
        begin_attribute(type, sizeof value);
        append(value);
    }
    /// `head`, then `tail`, as one attribute.
    template <class T>
    void attribute(std::uint16_t type, const T& head, ByteView tail) {
        begin_attribute(type, sizeof head + tail.size());
        append(&head, sizeof head);
        append(tail.data(), tail.size());
    }
    [[nodiscard]] Secret take() && {
        check(bytes_.size() <= message_size_max, "a message that grew");
        const auto size = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &size, sizeof size);
        return Secret(std::move(bytes_));
    }

private:
    void begin_attribute(std::uint16_t type, std::size_t size) {
        nlattr header{};
        header.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + size);
        header.nla_type = type;
        append(header);
    }
    void append(const void* data, std::size_t size) {
        const auto* from = static_cast<const std::uint8_t*>(data);
        bytes_.insert(bytes_.end(), from, from + size);
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    }
    Bytes bytes_;
};

xfrm_id id_of(const StateId& id) {
    xfrm_id out{};
    out.daddr = to_kernel(id.destination);
    out.spi = htonl(id.spi.value());
    out.proto = esp;
    return out;
}

xfrm_usersa_id usersa_id_of(const StateId& id) {
    xfrm_usersa_id out{};
    out.daddr = to_kernel(id.destination);
    out.spi = htonl(id.spi.value());
    out.family = family_of(id.destination);
    out.proto = esp;
    return out;
}

void put_name(char (&out)[64], const std::string& name) {
    check(name.size() < sizeof out, "algorithm name");
    std::memcpy(out, name.data(), name.size());
}

void put_algorithms(Message& message, const Algorithms& algorithms) {
    const auto bits = [](const Algorithm& one) {
        return static_cast<std::uint32_t>(one.key.size() * 8);
    };
    if (algorithms.aead) {
        xfrm_algo_aead head{};
        put_name(head.alg_name, algorithms.aead->name);
        head.alg_key_len = bits(*algorithms.aead);
        head.alg_icv_len = algorithms.aead->icv_bits;
        message.attribute(XFRMA_ALG_AEAD, head, algorithms.aead->key.reveal());
    }
    if (algorithms.cipher) {
        xfrm_algo head{};
        put_name(head.alg_name, algorithms.cipher->name);
        head.alg_key_len = bits(*algorithms.cipher);
        message.attribute(XFRMA_ALG_CRYPT, head, algorithms.cipher->key.reveal());
    }
    if (algorithms.integrity) {
        xfrm_algo_auth head{};
        put_name(head.alg_name, algorithms.integrity->name);
        head.alg_key_len = bits(*algorithms.integrity);
        head.alg_trunc_len = algorithms.integrity->icv_bits;
        message.attribute(XFRMA_ALG_AUTH_TRUNC, head, algorithms.integrity->key.reveal());
    }
}

/// The bitmap form serves SAs without extended numbers as well, and windows above 32. A new state
/// may leave out a bitmap of zeros; a change must not (`whole`).
void put_replay(Message& message, const Replay& replay, bool whole) {
    std::vector<std::uint32_t> bitmap = replay.bitmap;
    bitmap.resize((replay.window + 31) / 32);
    const bool left_out = !whole && replay.bitmap.empty();
    xfrm_replay_state_esn head{};
    head.bmp_len = static_cast<std::uint32_t>(bitmap.size());
    head.oseq = static_cast<std::uint32_t>(replay.sent.value());
    head.oseq_hi = static_cast<std::uint32_t>(replay.sent.value() >> 32U);
    head.seq = static_cast<std::uint32_t>(replay.received.value());
    head.seq_hi = static_cast<std::uint32_t>(replay.received.value() >> 32U);
    head.replay_window = replay.window;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(bitmap.data());
    message.attribute(XFRMA_REPLAY_ESN_VAL, head,
                      ByteView(bytes, left_out ? std::size_t{0} : bitmap.size() * 4));
}

void put_mark(Message& message, Mark mark) {
    if (mark.mask != 0) {
        message.attribute(XFRMA_MARK, xfrm_mark{mark.value, mark.mask});
    }
}

void put_if_id(Message& message, std::uint32_t if_id) {
    if (if_id != 0) {
        message.attribute(XFRMA_IF_ID, if_id);
    }
}

void put_reports(Message& message, const ReportRule& rule) {
    message.attribute(XFRMA_REPLAY_THRESH, rule.packets);
    message.attribute(XFRMA_ETIMER_THRESH, rule.tenths_s);
}

std::uint8_t flags_of(const State& state) {
    // Without AF_UNSPEC a state carries inner packets of its own family alone.
    unsigned flags = XFRM_STATE_AF_UNSPEC;
    flags |= state.esn ? XFRM_STATE_ESN : 0U;
    flags |= state.header.no_ecn ? XFRM_STATE_NOECN : 0U;
    flags |= state.header.decapsulate_dscp ? XFRM_STATE_DECAP_DSCP : 0U;
    flags |= state.header.never_df ? XFRM_STATE_NOPMTUDISC : 0U;
    return static_cast<std::uint8_t>(flags);
}

xfrm_lifetime_cfg lifetimes_of(const Limits& limits) {
    xfrm_lifetime_cfg out{};
    out.soft_byte_limit = limits.soft_bytes;
    out.hard_byte_limit = limits.hard_bytes;
    out.soft_packet_limit = limits.soft_packets;
    out.hard_packet_limit = limits.hard_packets;
    out.hard_add_expires_seconds = limits.hard_age_s;
    return out;
}

Secret encode_state(std::uint16_t type, const State& state) {
    Message message(type);
    xfrm_usersa_info info{};
    info.id = id_of(state.id);
    info.saddr = to_kernel(state.source);
    info.lft = lifetimes_of(state.limits);
    info.reqid = state.reqid;
    info.family = family_of(state.id.destination);
    info.mode = XFRM_MODE_TUNNEL;
    info.flags = flags_of(state);
    message.append(info);
    put_algorithms(message, state.algorithms);
    if (state.encapsulation) {
        xfrm_encap_tmpl encap{};
        encap.encap_type = UDP_ENCAP_ESPINUDP;
        encap.encap_sport = htons(state.encapsulation->source_port);
        encap.encap_dport = htons(state.encapsulation->destination_port);
        message.attribute(XFRMA_ENCAP, encap);
    }
    put_replay(message, state.replay, false);
    if (state.header.no_dscp) {
        message.attribute(XFRMA_SA_EXTRA_FLAGS, std::uint32_t{XFRM_SA_XFLAG_DONT_ENCAP_DSCP});
    }
    put_mark(message, state.mark);
    put_if_id(message, state.if_id);
    if (state.set_mark.mask != 0) {
        message.attribute(XFRMA_SET_MARK, state.set_mark.value);
        message.attribute(XFRMA_SET_MARK_MASK, state.set_mark.mask);
    }
    if (state.reports) {
        put_reports(message, *state.reports);
    }
    if (state.mapping_interval_s != 0) {
        message.attribute(XFRMA_MTIMER_THRESH, state.mapping_interval_s);
    }
    return std::move(message).take();
}

xfrm_selector to_kernel(const Selector& selector) {
    xfrm_selector out{};
    out.saddr = to_kernel(selector.source.address);
    out.daddr = to_kernel(selector.destination.address);
    out.prefixlen_s = selector.source.length;
    out.prefixlen_d = selector.destination.length;
    out.family = family_of(selector.destination.address);
    out.proto = selector.protocol;
    out.sport = htons(selector.source_port);
    out.sport_mask = htons(selector.source_port_mask);
    out.dport = htons(selector.destination_port);
    out.dport_mask = htons(selector.destination_port_mask);
    return out;
}

Secret encode_bare_dump(std::uint16_t type) {
    return Message(type, NLM_F_REQUEST | NLM_F_DUMP).take();
}

/// The head of NEWAE and GETAE.
xfrm_aevent_id aevent_of(const StateId& id) {
    xfrm_aevent_id out{};
    out.sa_id = usersa_id_of(id);
    return out;
}

}  // namespace

Secret encode_add(const State& state) {
    return encode_state(XFRM_MSG_NEWSA, state);
}

Secret encode_update(const State& state) {
    return encode_state(XFRM_MSG_UPDSA, state);
}

Secret encode_delete(const StateId& id, const IpAddress& source, Mark mark) {
    Message message(XFRM_MSG_DELSA);
    message.append(usersa_id_of(id));
    message.attribute(XFRMA_SRCADDR, to_kernel(source));
    put_mark(message, mark);
    return std::move(message).take();
}

Secret encode_get(const StateId& id, const IpAddress& source) {
    Message message(XFRM_MSG_GETSA, NLM_F_REQUEST);
    message.append(usersa_id_of(id));
    message.attribute(XFRMA_SRCADDR, to_kernel(source));
    return std::move(message).take();
}

Secret encode_dump_states() {
    return encode_bare_dump(XFRM_MSG_GETSA);
}

Secret encode_put(const Policy& policy) {
    Message message(XFRM_MSG_UPDPOLICY);
    xfrm_userpolicy_info info{};
    info.sel = to_kernel(policy.id.selector);
    info.lft = lifetimes_of(Limits{});
    info.priority = policy.priority;
    info.dir = static_cast<std::uint8_t>(policy.id.direction);
    info.action = policy.allow ? XFRM_POLICY_ALLOW : XFRM_POLICY_BLOCK;
    message.append(info);
    if (policy.allow) {
        xfrm_user_tmpl required{};
        required.id = id_of({policy.required.destination, policy.required.spi});
        required.family = family_of(policy.required.destination);
        required.saddr = to_kernel(policy.required.source);
        required.reqid = policy.required.reqid;
        required.mode = XFRM_MODE_TUNNEL;
        required.aalgos = required.ealgos = required.calgos = ~0U;
        message.attribute(XFRMA_TMPL, required);
    }
    put_mark(message, policy.id.mark);
    put_if_id(message, policy.id.if_id);
    return std::move(message).take();
}

Secret encode_delete(const PolicyId& id) {
    Message message(XFRM_MSG_DELPOLICY);
    xfrm_userpolicy_id out{};
    out.sel = to_kernel(id.selector);
    out.dir = static_cast<std::uint8_t>(id.direction);
    message.append(out);
    put_mark(message, id.mark);
    put_if_id(message, id.if_id);
    return std::move(message).take();
}

Secret encode_dump_policies() {
    return encode_bare_dump(XFRM_MSG_GETPOLICY);
}

Secret encode_get_replay(const StateId& id) {
    Message message(XFRM_MSG_GETAE, NLM_F_REQUEST);
    message.append(aevent_of(id));
    return std::move(message).take();
}

Secret encode_set_replay(const StateId& id, const Replay& replay) {
    Message message(XFRM_MSG_NEWAE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE);
    message.append(aevent_of(id));
    put_replay(message, replay, true);
    return std::move(message).take();
}

Secret encode_set_reports(const StateId& id, const ReportRule& rule) {
    Message message(XFRM_MSG_NEWAE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE);
    message.append(aevent_of(id));
    put_reports(message, rule);
    return std::move(message).take();
}

}  // namespace anyswan::dataplane::xfrm
