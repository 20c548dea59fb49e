// SPDX-License-Identifier: Apache-2.0
// IKEv2 payloads as plain values (RFC 7296 section 3). A value holds just what travels, and
// parse(emit(value)) == value. emit(parse(bytes)) are the same bytes too, but for what RFC 7296
// tells a receiver to ignore (reserved fields) and for opaque traffic selectors, which move behind
// the others.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/strong.h"
#include "core/wire/ike/registry.h"

namespace anyswan::wire::ike {

/// RFC 7296 3.3.5. `value` is two bytes for the TV form (`tlv` false), anything for TLV.
struct Attribute {
    std::uint16_t type = 0;  // 15 bits
    bool tlv = false;
    Bytes value;
    bool operator==(const Attribute&) const = default;
};
inline constexpr std::uint16_t attribute_key_length = 14;

/// RFC 7296 3.3.2.
struct Transform {
    TransformType type{};
    std::uint16_t id = 0;
    std::vector<Attribute> attributes;
    /// The Key Length attribute, in bits; 0 if absent.
    [[nodiscard]] std::uint16_t key_length_bits() const;
    static Transform make(TransformType type, std::uint16_t id, std::uint16_t key_length_bits = 0);
    bool operator==(const Transform&) const = default;
};

/// RFC 7296 3.3.1. `spi`: empty (IKE_SA_INIT), 4 bytes (ESP) or 8 (IKE rekey).
struct Proposal {
    std::uint8_t number = 1;
    ProtocolId protocol = ProtocolId::ike;
    Bytes spi;
    std::vector<Transform> transforms;
    bool operator==(const Proposal&) const = default;
};

/// At least one proposal, numbered in ascending order from 1 (an answer: the number it accepts).
struct SecurityAssociation {
    std::vector<Proposal> proposals;
    bool operator==(const SecurityAssociation&) const = default;
};

struct KeyExchange {
    KeMethod method{};
    Bytes data;
    bool operator==(const KeyExchange&) const = default;
};

/// IDi and IDr (RFC 7296 3.5).
struct Identification {
    IdType type{};
    Bytes data;
    /// The payload body as it travels, from the ID Type octet on: what AUTH signs
    /// ("RestOfInitIDPayload").
    [[nodiscard]] Bytes rest_of_payload() const;
    /// "cust.example", "10.0.0.1", "user@host", "@#0a0b" (key_id); other types, and text with
    /// characters that don't belong into a log, as "ID_DER_ASN1_DN:3045...".
    [[nodiscard]] std::string to_string() const;
    /// Address text gives an address type, text with '@' rfc822_addr, "@#hex" key_id, other text
    /// fqdn.
    static Identification from_text(std::string_view text);
    auto operator<=>(const Identification&) const = default;
};

struct Certificate {
    std::uint8_t encoding = 0;
    Bytes data;
    bool operator==(const Certificate&) const = default;
};

struct CertificateRequest {
    std::uint8_t encoding = 0;
    Bytes authority;
    bool operator==(const CertificateRequest&) const = default;
};

struct Authentication {
    AuthMethod method{};
    Bytes data;
    bool operator==(const Authentication&) const = default;
};

/// 16 to 256 bytes (RFC 7296 3.9).
struct Nonce {
    Bytes data;
    bool operator==(const Nonce&) const = default;
};

struct Notify {
    ProtocolId protocol = ProtocolId::none;
    Bytes spi;
    NotifyType type{};
    Bytes data;
    bool operator==(const Notify&) const = default;
};

/// RFC 7296 3.11. For IKE: no SPIs (size 0); for ESP and AH 4-byte ones.
struct Delete {
    ProtocolId protocol{};
    std::uint8_t spi_size = 0;
    std::vector<Bytes> spis;
    bool operator==(const Delete&) const = default;
};

struct VendorId {
    Bytes data;
    bool operator==(const VendorId&) const = default;
};

/// RFC 7296 3.13.1. `first` and `last` are of one family, which gives the TS type. Ports 65535..0
/// (in that order) mean OPAQUE.
struct TrafficSelector {
    std::uint8_t ip_protocol = 0;  // 0: any
    std::uint16_t start_port = 0;
    std::uint16_t end_port = 65535;
    IpAddress first;
    IpAddress last;
    static TrafficSelector from_prefix(const IpPrefix& prefix);
    /// "10.1.0.0/16", "10.1.0.1-10.1.0.9[udp/53]".
    [[nodiscard]] std::string to_string() const;
    bool operator==(const TrafficSelector&) const = default;
};

/// TSi and TSr: at least one selector. Those of types other than the two address ranges are kept in
/// `opaque`, whole.
struct TrafficSelectors {
    std::vector<TrafficSelector> selectors;
    std::vector<Bytes> opaque;  // emitted after the known ones
    bool operator==(const TrafficSelectors&) const = default;
};

struct ConfigurationAttribute {
    std::uint16_t type = 0;  // 15 bits
    Bytes value;
    bool operator==(const ConfigurationAttribute&) const = default;
};

struct Configuration {
    CfgType type{};
    std::vector<ConfigurationAttribute> attributes;
    bool operator==(const Configuration&) const = default;
};

struct Eap {
    Bytes message;
    bool operator==(const Eap&) const = default;
};

/// SK (RFC 7296 3.14): still encrypted; `body` is IV, ciphertext and ICV. Always the last payload.
struct Encrypted {
    PayloadType first_inner = PayloadType::no_next_payload;
    Bytes body;
    bool operator==(const Encrypted&) const = default;
};

/// SKF (RFC 7383 2.5). `first_inner` is zero in all fragments but the first.
struct EncryptedFragment {
    PayloadType first_inner = PayloadType::no_next_payload;
    std::uint16_t number = 1;
    std::uint16_t total = 1;
    Bytes body;
    bool operator==(const EncryptedFragment&) const = default;
};

/// A payload type this version doesn't know; its critical bit decides what the receiver does.
struct UnknownPayload {
    PayloadType type{};
    Bytes body;
    bool operator==(const UnknownPayload&) const = default;
};

/// IDi/IDr and TSi/TSr share a format; the role tells which payload type it is.
struct IdInitiator : Identification {
    bool operator==(const IdInitiator&) const = default;
};
struct IdResponder : Identification {
    bool operator==(const IdResponder&) const = default;
};
struct TsInitiator : TrafficSelectors {
    bool operator==(const TsInitiator&) const = default;
};
struct TsResponder : TrafficSelectors {
    bool operator==(const TsResponder&) const = default;
};

using PayloadBody =
    std::variant<SecurityAssociation, KeyExchange, IdInitiator, IdResponder, Certificate,
                 CertificateRequest, Authentication, Nonce, Notify, Delete, VendorId, TsInitiator,
                 TsResponder, Encrypted, Configuration, Eap, EncryptedFragment, UnknownPayload>;

struct Payload {
    PayloadBody body;
    bool critical = false;
    [[nodiscard]] PayloadType type() const;
    bool operator==(const Payload&) const = default;
};

}  // namespace anyswan::wire::ike
