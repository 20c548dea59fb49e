// SPDX-License-Identifier: Apache-2.0
// What the kernel sends: answers, dumps and events.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "dataplane/xfrm/messages.h"

namespace anyswan::dataplane::xfrm {

namespace {

constexpr std::uint8_t esp = 50;

template <class T>
bool load(ByteView bytes, T& value) {
    if (bytes.size() < sizeof(T)) {
        return false;
    }
    std::memcpy(&value, bytes.data(), sizeof value);
    return true;
}

template <class T>
std::optional<T> read(ByteView bytes) {
    T value;
    return load(bytes, value) ? std::optional(value) : std::nullopt;
}

/// A message's fixed part and its attributes.
class Received {
public:
    static std::optional<Received> parse(ByteView message, std::size_t head_size) {
        const std::size_t begin = NLMSG_HDRLEN + NLMSG_ALIGN(head_size);
        if (message.size() < begin) {
            return std::nullopt;
        }
        Received made;
        made.head_ = message.subspan(NLMSG_HDRLEN, head_size);
        ByteView rest = message.subspan(begin);
        while (const auto attribute = read<nlattr>(rest)) {
            if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > rest.size()) {
                return std::nullopt;
            }
            const std::size_t type = attribute->nla_type & NLA_TYPE_MASK;
            if (type < made.attributes_.size()) {
                made.attributes_[type] =
                    rest.subspan(NLA_HDRLEN, attribute->nla_len - std::size_t{NLA_HDRLEN});
            }
            rest = rest.subspan(std::min<std::size_t>(NLA_ALIGN(attribute->nla_len), rest.size()));
        }
        return made;
    }
    template <class T>
    [[nodiscard]] T head() const {
        return *read<T>(head_);
    }
    [[nodiscard]] ByteView bytes(std::uint16_t type) const { return attributes_[type]; }
    template <class T>
    [[nodiscard]] std::optional<T> get(std::uint16_t type) const {
        return read<T>(attributes_[type]);
    }

private:
    ByteView head_;
    std::array<ByteView, XFRMA_MAX + 1> attributes_{};
};

IpAddress address_of(const xfrm_address_t& address, std::uint16_t family) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&address);
    return *IpAddress::from_bytes({bytes, family == AF_INET6 ? std::size_t{16} : std::size_t{4}});
}

template <class T>
StateId state_id_of(const T& id, std::uint16_t family) {
    return {address_of(id.daddr, family), EspSpi(ntohl(id.spi))};
}

SequenceNumber number(std::uint32_t high, std::uint32_t low) {
    return SequenceNumber(std::uint64_t{high} << 32U | low);
}

Replay replay_of(const Received& received, std::uint32_t plain_window) {
    Replay replay;
    const ByteView bytes = received.bytes(XFRMA_REPLAY_ESN_VAL);
    if (xfrm_replay_state_esn head{}; load(bytes, head)) {
        replay.sent = number(head.oseq_hi, head.oseq);
        replay.received = number(head.seq_hi, head.seq);
        replay.window = head.replay_window;
        replay.bitmap.resize((bytes.size() - sizeof head) / 4);
        if (!replay.bitmap.empty()) {
            std::memcpy(replay.bitmap.data(), bytes.data() + sizeof head, replay.bitmap.size() * 4);
        }
    } else if (const auto plain = received.get<xfrm_replay_state>(XFRMA_REPLAY_VAL)) {
        replay.sent = number(0, plain->oseq);
        replay.received = number(0, plain->seq);
        replay.window = plain_window;
        replay.bitmap = {plain->bitmap};
    }
    return replay;
}

/// An algorithm's head, then its key of alg_key_len bits.
template <class T>
std::optional<Algorithm> algorithm_of(ByteView bytes) {
    T head{};
    if (!load(bytes, head)) {
        return std::nullopt;
    }
    const std::size_t size = (head.alg_key_len + 7) / 8;
    const std::size_t name_size = strnlen(head.alg_name, sizeof head.alg_name);
    if (bytes.size() < sizeof head + size || name_size == sizeof head.alg_name) {
        return std::nullopt;
    }
    Algorithm out;
    out.name = std::string(head.alg_name, name_size);
    out.key = Secret::copy_of(bytes.subspan(sizeof head, size));
    if constexpr (requires { head.alg_icv_len; }) {
        out.icv_bits = head.alg_icv_len;
    } else if constexpr (requires { head.alg_trunc_len; }) {
        out.icv_bits = head.alg_trunc_len;
    }
    return out;
}

Limits limits_of(const xfrm_lifetime_cfg& lifetimes) {
    return {lifetimes.soft_byte_limit, lifetimes.hard_byte_limit, lifetimes.soft_packet_limit,
            lifetimes.hard_packet_limit, lifetimes.hard_add_expires_seconds};
}

Mark mark_of(const Received& received) {
    const auto mark = received.get<xfrm_mark>(XFRMA_MARK);
    return mark ? Mark{mark->v, mark->m} : Mark{};
}

std::optional<FromKernel> decode_state(ByteView message) {
    const auto received = Received::parse(message, sizeof(xfrm_usersa_info));
    if (!received) {
        return std::nullopt;
    }
    const auto info = received->head<xfrm_usersa_info>();
    if (info.id.proto != esp || info.mode != XFRM_MODE_TUNNEL) {
        return std::nullopt;
    }
    State state;
    state.id = state_id_of(info.id, info.family);
    state.source = address_of(info.saddr, info.family);
    state.reqid = info.reqid;
    state.if_id = received->get<std::uint32_t>(XFRMA_IF_ID).value_or(0);
    state.algorithms = {algorithm_of<xfrm_algo_aead>(received->bytes(XFRMA_ALG_AEAD)),
                        algorithm_of<xfrm_algo>(received->bytes(XFRMA_ALG_CRYPT)),
                        algorithm_of<xfrm_algo_auth>(received->bytes(XFRMA_ALG_AUTH_TRUNC))};
    state.esn = (info.flags & XFRM_STATE_ESN) != 0;
    state.replay = replay_of(*received, info.replay_window);
    if (const auto encap = received->get<xfrm_encap_tmpl>(XFRMA_ENCAP)) {
        state.encapsulation = {ntohs(encap->encap_sport), ntohs(encap->encap_dport)};
    }
    state.limits = limits_of(info.lft);
    state.mark = mark_of(*received);
    if (const auto set = received->get<std::uint32_t>(XFRMA_SET_MARK)) {
        state.set_mark = {*set,
                          received->get<std::uint32_t>(XFRMA_SET_MARK_MASK).value_or(UINT32_MAX)};
    }
    const auto extra = received->get<std::uint32_t>(XFRMA_SA_EXTRA_FLAGS).value_or(0);
    state.header = {(info.flags & XFRM_STATE_NOECN) != 0, (info.flags & XFRM_STATE_DECAP_DSCP) != 0,
                    (info.flags & XFRM_STATE_NOPMTUDISC) != 0,
                    (extra & XFRM_SA_XFLAG_DONT_ENCAP_DSCP) != 0};
    state.mapping_interval_s = received->get<std::uint32_t>(XFRMA_MTIMER_THRESH).value_or(0);
    state.bytes = info.curlft.bytes;
    state.packets = info.curlft.packets;
    return state;
}

Selector selector_of(const xfrm_selector& in) {
    const auto prefix = [&](const xfrm_address_t& address, std::uint8_t length) {
        return IpPrefix{address_of(address, in.family), length};
    };
    return {prefix(in.saddr, in.prefixlen_s),
            prefix(in.daddr, in.prefixlen_d),
            in.proto,
            ntohs(in.sport),
            ntohs(in.sport_mask),
            ntohs(in.dport),
            ntohs(in.dport_mask)};
}

Template template_of(const xfrm_user_tmpl& in) {
    return {address_of(in.saddr, in.family), address_of(in.id.daddr, in.family),
            EspSpi(ntohl(in.id.spi)), in.reqid};
}

std::optional<FromKernel> decode_policy(ByteView message) {
    const auto received = Received::parse(message, sizeof(xfrm_userpolicy_info));
    if (!received) {
        return std::nullopt;
    }
    const auto info = received->head<xfrm_userpolicy_info>();
    if (info.dir > XFRM_POLICY_FWD) {
        return std::nullopt;  // a socket's
    }
    Policy policy;
    policy.id = {selector_of(info.sel), static_cast<Direction>(info.dir),
                 received->get<std::uint32_t>(XFRMA_IF_ID).value_or(0), mark_of(*received)};
    policy.priority = info.priority;
    policy.allow = info.action == XFRM_POLICY_ALLOW;
    if (const auto required = received->get<xfrm_user_tmpl>(XFRMA_TMPL)) {
        policy.required = template_of(*required);
    }
    return policy;
}

std::optional<FromKernel> decode_expire(ByteView message) {
    const auto received = Received::parse(message, sizeof(xfrm_user_expire));
    if (!received) {
        return std::nullopt;
    }
    const auto expire = received->head<xfrm_user_expire>();
    if (expire.state.id.proto != esp) {
        return std::nullopt;
    }
    return Expired{state_id_of(expire.state.id, expire.state.family), expire.state.reqid,
                   expire.hard != 0};
}

std::optional<FromKernel> decode_acquire(ByteView message) {
    const auto received = Received::parse(message, sizeof(xfrm_user_acquire));
    if (!received) {
        return std::nullopt;
    }
    const auto acquire = received->head<xfrm_user_acquire>();
    const auto required = received->get<xfrm_user_tmpl>(XFRMA_TMPL);
    const std::uint16_t family = required ? required->family : acquire.sel.family;
    return Acquire{required ? required->reqid : 0, address_of(acquire.saddr, family),
                   address_of(acquire.id.daddr, family)};
}

std::optional<FromKernel> decode_mapping(ByteView message) {
    const auto received = Received::parse(message, sizeof(xfrm_user_mapping));
    if (!received) {
        return std::nullopt;
    }
    const auto mapping = received->head<xfrm_user_mapping>();
    const std::uint16_t family = mapping.id.family;
    return Mapping{state_id_of(mapping.id, family),
                   mapping.reqid,
                   {address_of(mapping.old_saddr, family), ntohs(mapping.old_sport)},
                   {address_of(mapping.new_saddr, family), ntohs(mapping.new_sport)}};
}

std::optional<FromKernel> decode_aevent(ByteView message) {
    const auto received = Received::parse(message, sizeof(xfrm_aevent_id));
    if (!received) {
        return std::nullopt;
    }
    const auto aevent = received->head<xfrm_aevent_id>();
    UseReport report;
    report.id = state_id_of(aevent.sa_id, aevent.sa_id.family);
    report.reqid = aevent.reqid;
    report.replay = replay_of(*received, 0);
    if (const auto used = received->get<xfrm_lifetime_cur>(XFRMA_LTIME_VAL)) {
        report.bytes = used->bytes;
        report.packets = used->packets;
    }
    return report;
}

}  // namespace

std::optional<FromKernel> decode(ByteView message) {
    const auto header = read<nlmsghdr>(message);
    if (!header || header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > message.size()) {
        return std::nullopt;
    }
    message = message.first(header->nlmsg_len);
    switch (header->nlmsg_type) {
        case XFRM_MSG_NEWSA:
            return decode_state(message);
        case XFRM_MSG_NEWPOLICY:
            return decode_policy(message);
        case XFRM_MSG_EXPIRE:
            return decode_expire(message);
        case XFRM_MSG_ACQUIRE:
            return decode_acquire(message);
        case XFRM_MSG_MAPPING:
            return decode_mapping(message);
        case XFRM_MSG_NEWAE:
            return decode_aevent(message);
        default:
            return std::nullopt;
    }
}

}  // namespace anyswan::dataplane::xfrm
