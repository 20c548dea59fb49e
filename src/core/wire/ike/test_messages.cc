// SPDX-License-Identifier: Apache-2.0
#include "core/wire/ike/test_messages.h"

#include <algorithm>

namespace anyswan::wire::ike::test {

Bytes hex(std::string_view text) {
    std::string digits;
    std::copy_if(text.begin(), text.end(), std::back_inserter(digits),
                 [](char c) { return c != ' '; });
    auto bytes = from_hex(digits);
    check(bytes.has_value(), "a hex literal with a typing error");
    return *bytes;
}

Bytes strongswan_sa_init() {
    return hex(
        "969e41d4fe8973ce00000000000000002120220800000000000000e8"
        "22000028 00000024010100030300000c01000014800e010003000008020000050000000804 00001f"
        "28000028 001f0000a9ba8b1132401c007756a23535f3b55c6d645e673ed5a7a1cb6437b5ee25e237"
        "29000024 cf6cf4f0963f1831640fb50d946ee29d5c759bccacaa9818380eccce496979ba"
        "2900001c 000040 0405bb6f0767dbdc1713071f59170c457d17c23e8a"
        "2900001c 000040 050af4b710ef366311ca2f505168108e610148b999"
        "29000008 0000402e"
        "29000010 0000402f0002000300040005"
        "00000008 00004016");
}

Header some_header() {
    Header header;
    header.initiator_spi = IkeSpi(0x0102030405060708U);
    header.responder_spi = IkeSpi(0x1112131415161718U);
    header.exchange = ExchangeType::informational;
    header.from_initiator = true;
    header.message_id = MessageId(0x21222324U);
    return header;
}

namespace {

template <class T>
T any(Random& random) {
    return static_cast<T>(random.u64());
}

Bytes up_to(Random& random, std::size_t max_size) {
    return random.bytes(random.below(max_size + 1));
}

SecurityAssociation random_sa(Random& random) {
    SecurityAssociation sa;
    std::uint8_t number = 0;
    for (std::uint64_t i = 0; i <= random.below(4); ++i) {
        Proposal proposal;
        number = static_cast<std::uint8_t>(number + 1 + random.below(3));
        proposal.number = number;
        proposal.protocol = any<ProtocolId>(random);
        proposal.spi = up_to(random, 20);
        for (std::uint64_t j = random.below(5); j > 0; --j) {
            auto transform = Transform::make(any<TransformType>(random), any<std::uint16_t>(random),
                                             any<std::uint16_t>(random));
            if (random.below(3) == 0) {
                transform.attributes.push_back(
                    {static_cast<std::uint16_t>(random.below(0x8000)), true, up_to(random, 9)});
            }
            proposal.transforms.push_back(std::move(transform));
        }
        sa.proposals.push_back(std::move(proposal));
    }
    return sa;
}

TrafficSelectors random_selectors(Random& random) {
    TrafficSelectors all;
    for (std::uint64_t i = 0; i <= random.below(4); ++i) {
        TrafficSelector selector;
        const std::size_t size = random.below(2) == 0 ? 4 : 16;
        const IpAddress a = *IpAddress::from_bytes(random.bytes(size));
        const IpAddress b = *IpAddress::from_bytes(random.bytes(size));
        selector.first = std::min(a, b);
        selector.last = std::max(a, b);
        selector.ip_protocol = any<std::uint8_t>(random);
        if (random.below(4) == 0) {
            selector.start_port = 65535;
            selector.end_port = 0;
        } else {
            selector.end_port = any<std::uint16_t>(random);
            selector.start_port = static_cast<std::uint16_t>(random.below(selector.end_port + 1U));
        }
        all.selectors.push_back(selector);
    }
    if (random.below(3) == 0) {
        all.opaque.push_back(hex("0a 00 0008 deadbeef"));
    }
    return all;
}

Identification random_id(Random& random) {
    return {any<IdType>(random), up_to(random, 40)};
}

Notify random_notify(Random& random) {
    return {any<ProtocolId>(random), up_to(random, 8), any<NotifyType>(random), up_to(random, 40)};
}

Delete random_delete(Random& random) {
    Delete result{any<ProtocolId>(random), static_cast<std::uint8_t>(random.below(9)), {}};
    for (std::uint64_t i = random.below(5); result.spi_size != 0 && i > 0; --i) {
        result.spis.push_back(random.bytes(result.spi_size));
    }
    return result;
}

Configuration random_configuration(Random& random) {
    Configuration configuration{any<CfgType>(random), {}};
    for (std::uint64_t i = random.below(5); i > 0; --i) {
        configuration.attributes.push_back(
            {static_cast<std::uint16_t>(random.below(0x8000)), up_to(random, 17)});
    }
    return configuration;
}

UnknownPayload random_unknown(Random& random) {
    // 54..255 are free or private use; 1..32 belong to IKEv1.
    const std::uint64_t type = random.below(2) == 0 ? 54 + random.below(202) : 1 + random.below(32);
    return {static_cast<PayloadType>(type), up_to(random, 30)};
}

PayloadBody random_body(Random& random) {
    switch (random.below(16)) {
        case 0:
            return random_sa(random);
        case 1:
            return KeyExchange{any<KeMethod>(random), up_to(random, 300)};
        case 2:
            return IdInitiator{random_id(random)};
        case 3:
            return IdResponder{random_id(random)};
        case 4:
            return Certificate{any<std::uint8_t>(random), up_to(random, 500)};
        case 5:
            return CertificateRequest{any<std::uint8_t>(random), up_to(random, 60)};
        case 6:
            return Authentication{any<AuthMethod>(random), up_to(random, 80)};
        case 7:
            return Nonce{random.bytes(16 + random.below(241))};
        case 8:
            return random_notify(random);
        case 9:
            return random_delete(random);
        case 10:
            return VendorId{up_to(random, 40)};
        case 11:
            return TsInitiator{random_selectors(random)};
        case 12:
            return TsResponder{random_selectors(random)};
        case 13:
            return random_configuration(random);
        case 14:
            return Eap{up_to(random, 40)};
        default:
            return random_unknown(random);
    }
}

}  // namespace

Payload random_payload(Random& random) {
    return {random_body(random), random.below(2) == 0};
}

Message random_message(Random& random) {
    Message message;
    message.header = some_header();
    message.header.exchange = any<ExchangeType>(random);
    message.header.minor_version = static_cast<std::uint8_t>(random.below(16));
    message.header.from_initiator = random.below(2) == 0;
    message.header.higher_version = random.below(2) == 0;
    message.header.response = random.below(2) == 0;
    for (std::uint64_t i = random.below(9); i > 0; --i) {
        message.payloads.push_back(random_payload(random));
    }
    const std::uint64_t end = random.below(3);
    if (end == 0) {
        message.payloads.push_back({Encrypted{any<PayloadType>(random), up_to(random, 90)}, false});
    } else if (end == 1) {
        const auto total = static_cast<std::uint16_t>(1 + random.below(65535));
        const auto number = static_cast<std::uint16_t>(1 + random.below(total));
        message.payloads.push_back(
            {EncryptedFragment{any<PayloadType>(random), number, total, up_to(random, 90)}, false});
    }
    return message;
}

}  // namespace anyswan::wire::ike::test
