// SPDX-License-Identifier: Apache-2.0
#include "sim/oracle.h"

#include <algorithm>

#include "base/spi.h"
#include "core/wire/ike/message.h"

namespace anyswan::sim {

using wire::ike::ExchangeType;
using wire::ike::HeaderView;
using wire::ike::PayloadType;

namespace {

constexpr std::size_t esp_header_size = 8;
constexpr std::size_t iv_size = 8;

std::string as_text(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

std::string words_of(const wire::ike::Header& header) {
    return std::string(header.response ? "response " : "request ") +
           std::to_string(header.message_id.value()) + " of IKE SA " + hex(header.initiator_spi) +
           "_i " + hex(header.responder_spi) + "_r by " +
           (header.from_initiator ? "the initiator" : "the responder");
}

}  // namespace

void Oracle::report(std::string invariant, std::string what) {
    if (!violation_) {
        violation_ = Violation{std::move(invariant), std::move(what)};
    }
}

void Oracle::esp_sent(const Endpoint& to, EspSpi inbound, ByteView packet,
                      const std::string& sender) {
    ++counts_.esp;
    if (packet.size() < esp_header_size + iv_size) {
        return;
    }
    const std::string name = to.address.to_string() + "/" +
                             hex(EspSpi(static_cast<std::uint32_t>(load_u64(packet) >> 32U))) +
                             "/" + hex(inbound);
    const auto sequence = static_cast<std::uint32_t>(load_u64(packet));
    const std::uint64_t iv = load_u64(packet.subspan(esp_header_size));
    EspKey& key = esp_keys_[name];
    if (const auto [at, fresh] = key.ivs.try_emplace(iv, sender); !fresh) {
        report("N1", "IV " + to_hex(packet.subspan(esp_header_size, iv_size)) + " on " + name +
                         " by " + at->second + " and by " + sender);
    }
    if (const auto [at, fresh] = key.sequences.try_emplace(sequence, sender); !fresh) {
        report("N2", "sequence number " + std::to_string(sequence) + " on " + name + " by " +
                         at->second + " and by " + sender);
    }
}

void Oracle::ike_sent(ByteView datagram, const std::string& sender) {
    ++counts_.ike;
    const auto view = HeaderView::read(datagram);
    // IKE_SA_INIT is repeated with other content: COOKIE, another KE (RFC 7296 1.2, 2.6).
    if (!view || view->header.exchange == ExchangeType::ike_sa_init) {
        return;
    }
    std::size_t offset = wire::ike::header_size + wire::ike::payload_header_size;
    const bool fragment = view->first_payload == PayloadType::encrypted_fragment;
    if (!fragment && view->first_payload != PayloadType::encrypted) {
        return;
    }
    const std::size_t content = std::hash<std::string>{}(as_text(datagram));
    const std::string direction =
        as_text(datagram.first(16)) + (view->header.from_initiator ? "i" : "r");
    std::string message = direction + (view->header.response ? "R" : "Q") +
                          std::to_string(view->header.message_id.value());
    if (fragment) {
        message += "f" + as_text(datagram.subspan(offset, 4));
        offset += 4;
    }
    if (const auto [at, fresh] = ike_contents_.try_emplace(message, content);
        !fresh && at->second != content) {
        report("N4", words_of(view->header) + " had another content before; now sent by " + sender);
    }
    if (datagram.size() >= offset + iv_size) {
        const std::string iv = as_text(datagram.subspan(offset, iv_size));
        if (const auto [at, fresh] = ike_ivs_.try_emplace(direction + iv, content);
            !fresh && at->second != content) {
            report("N1",
                   "the IV of " + words_of(view->header) + " was used before; sent by " + sender);
        }
    }
}

void Oracle::inner_received(Instant now, const std::string& receiver, std::uint64_t life,
                            std::uint64_t number) {
    ++counts_.inner;
    const std::string here = receiver + "." + std::to_string(life) + "/" + std::to_string(number);
    if (!received_.insert(here).second) {
        report("N3", "inner packet " + std::to_string(number) + " came out twice at " + receiver);
    }
    const auto [first, fresh] = first_receiver_.try_emplace(number, Receiver{receiver, life, now});
    if (fresh || (first->second.name == receiver && first->second.life == life)) {
        return;
    }
    ++counts_.replayed_elsewhere;
    if (!may_succeed(first->second, now)) {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(now - first->second.at).count();
        report("N3", "inner packet " + std::to_string(number) + " came out at " + receiver + " " +
                         std::to_string(ms) + " ms after " + first->second.name);
    }
}

void Oracle::sa_answered(Instant now, EspSpi fleets_spi, bool stored) {
    if (store_troubled_ && now - *store_troubled_ < store_aftermath) {
        return;
    }
    if (!stored) {
        report("N5", "a customer was answered that there is a Child SA " + hex(fleets_spi) +
                         ", and the store doesn't have it");
    }
    ++counts_.durable;
}

void Oracle::seen(ByteView bytes, const std::string& where) {
    if (secrets_.in(bytes)) {
        report("N7", "a key was seen " + where);
    }
}

bool Oracle::may_succeed(const Receiver& first, Instant now) const {
    if (now - first.at < replay_exposure || first.at <= marks_kept_since_) {
        return true;
    }
    // It may have crashed before it told.
    const auto [begin, end] = crashes_.equal_range(first.name);
    return std::any_of(begin, end, [&](const auto& crash) {
        return crash.second >= first.at && crash.second - first.at < replay_exposure;
    });
}

}  // namespace anyswan::sim
