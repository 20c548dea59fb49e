// SPDX-License-Identifier: Apache-2.0
// Code points of the IANA "Internet Key Exchange Version 2 (IKEv2) Parameters" registry, with the
// registry's names. Unknown values are legal in every enum: what came from the wire stays what it
// is.
#pragma once

#include <cstdint>
#include <string>

namespace anyswan::wire::ike {

enum class ExchangeType : std::uint8_t {
    ike_sa_init = 34,
    ike_auth = 35,
    create_child_sa = 36,
    informational = 37,
    ike_session_resume = 38,
    ike_intermediate = 43,
    ike_followup_ke = 44,
};

enum class PayloadType : std::uint8_t {
    no_next_payload = 0,
    security_association = 33,
    key_exchange = 34,
    id_initiator = 35,
    id_responder = 36,
    certificate = 37,
    certificate_request = 38,
    authentication = 39,
    nonce = 40,
    notify = 41,
    delete_ = 42,
    vendor_id = 43,
    ts_initiator = 44,
    ts_responder = 45,
    encrypted = 46,
    configuration = 47,
    eap = 48,
    encrypted_fragment = 53,
};

enum class ProtocolId : std::uint8_t { none = 0, ike = 1, ah = 2, esp = 3 };

enum class TransformType : std::uint8_t {
    encr = 1,
    prf = 2,
    integ = 3,
    ke = 4,
    sn = 5,
    addke1 = 6,
    addke2 = 7,
    addke3 = 8,
    addke4 = 9,
    addke5 = 10,
    addke6 = 11,
    addke7 = 12,
};

/// Transform Type 1, also the names of ESP's ciphers.
enum class EncrId : std::uint16_t {
    none = 0,
    triple_des = 3,
    null = 11,
    aes_cbc = 12,
    aes_ctr = 13,
    aes_gcm_16 = 20,
    chacha20_poly1305 = 28,
};

/// Transform Type 2.
enum class PrfId : std::uint16_t {
    none = 0,
    hmac_sha1 = 2,
    hmac_sha2_256 = 5,
    hmac_sha2_384 = 6,
    hmac_sha2_512 = 7
};

/// Transform Type 3.
enum class IntegId : std::uint16_t {
    none = 0,
    hmac_sha1_96 = 2,
    hmac_sha2_256_128 = 12,
    hmac_sha2_384_192 = 13,
    hmac_sha2_512_256 = 14,
};

/// Transform Type 4, "Key Exchange Methods".
enum class KeMethod : std::uint16_t {
    none = 0,
    modp1536 = 5,
    modp2048 = 14,
    modp3072 = 15,
    modp4096 = 16,
    modp6144 = 17,
    modp8192 = 18,
    ecp256 = 19,
    ecp384 = 20,
    ecp521 = 21,
    curve25519 = 31,
    curve448 = 32,
    ml_kem_512 = 35,
    ml_kem_768 = 36,
    ml_kem_1024 = 37,
};

/// Transform Type 5, "Sequence Numbers Properties" (RFC 9827 renamed it from ESN).
enum class SnId : std::uint16_t {
    sequential_32 = 0,
    partially_transmitted_64 = 1,
    unspecified_32 = 2
};

enum class IdType : std::uint8_t {
    ipv4_addr = 1,
    fqdn = 2,
    rfc822_addr = 3,
    ipv6_addr = 5,
    der_asn1_dn = 9,
    der_asn1_gn = 10,
    key_id = 11,
};

enum class AuthMethod : std::uint8_t {
    rsa_digital_signature = 1,
    shared_key_mic = 2,
    dss_digital_signature = 3,
    ecdsa_sha256_p256 = 9,
    ecdsa_sha384_p384 = 10,
    ecdsa_sha512_p521 = 11,
    null = 13,
    digital_signature = 14,
};

/// Encodings of CERT and CERTREQ (RFC 7296 3.6).
enum class CertEncoding : std::uint8_t {
    x509_signature = 4,
    crl = 7,
    hash_and_url_x509 = 12,
    hash_and_url_bundle = 13,
    raw_public_key = 15,
};

/// "IKEv2 Hash Algorithms" (RFC 7427, RFC 8420), of SIGNATURE_HASH_ALGORITHMS.
enum class HashId : std::uint16_t {
    sha1 = 1,
    sha2_256 = 2,
    sha2_384 = 3,
    sha2_512 = 4,
    identity = 5,
};

enum class TsType : std::uint8_t { ipv4_addr_range = 7, ipv6_addr_range = 8 };

enum class CfgType : std::uint8_t { request = 1, reply = 2, set = 3, ack = 4 };

/// Notify message types: errors below 16384, status from there.
enum class NotifyType : std::uint16_t {
    unsupported_critical_payload = 1,
    invalid_ike_spi = 4,
    invalid_major_version = 5,
    invalid_syntax = 7,
    invalid_message_id = 9,
    invalid_spi = 11,
    no_proposal_chosen = 14,
    invalid_ke_payload = 17,
    authentication_failed = 24,
    single_pair_required = 34,
    no_additional_sas = 35,
    internal_address_failure = 36,
    failed_cp_required = 37,
    ts_unacceptable = 38,
    invalid_selectors = 39,
    unacceptable_addresses = 40,
    unexpected_nat_detected = 41,
    temporary_failure = 43,
    child_sa_not_found = 44,
    state_not_found = 47,
    ts_max_queue = 48,
    initial_contact = 16384,
    set_window_size = 16385,
    additional_ts_possible = 16386,
    ipcomp_supported = 16387,
    nat_detection_source_ip = 16388,
    nat_detection_destination_ip = 16389,
    cookie = 16390,
    use_transport_mode = 16391,
    http_cert_lookup_supported = 16392,
    rekey_sa = 16393,
    esp_tfc_padding_not_supported = 16394,
    non_first_fragments_also = 16395,
    mobike_supported = 16396,
    additional_ip4_address = 16397,
    additional_ip6_address = 16398,
    no_additional_addresses = 16399,
    update_sa_addresses = 16400,
    cookie2 = 16401,
    no_nats_allowed = 16402,
    auth_lifetime = 16403,
    multiple_auth_supported = 16404,
    another_auth_follows = 16405,
    redirect_supported = 16406,
    redirect = 16407,
    redirected_from = 16408,
    eap_only_authentication = 16417,
    childless_ikev2_supported = 16418,
    quick_crash_detection = 16419,
    ikev2_message_id_sync_supported = 16420,
    ipsec_replay_counter_sync_supported = 16421,
    ikev2_message_id_sync = 16422,
    ipsec_replay_counter_sync = 16423,
    ikev2_fragmentation_supported = 16430,
    signature_hash_algorithms = 16431,
    use_ppk = 16435,
    ppk_identity = 16436,
    no_ppk_auth = 16437,
    intermediate_exchange_supported = 16438,
    additional_key_exchange = 16441,
    supported_auth_methods = 16443,
    sa_resource_info = 16444,
};

/// RFC 7296 3.10.1: "Types in the range 0 - 16383 are intended for reporting errors."
[[nodiscard]] constexpr bool is_error(NotifyType type) {
    return static_cast<std::uint16_t>(type) < 16384;
}

// Registry spelling ("IKE_SA_INIT", "ENCR_AES_GCM_16" ...); unknown values print as their number.
[[nodiscard]] std::string name(ExchangeType value);
[[nodiscard]] std::string name(PayloadType value);
[[nodiscard]] std::string name(ProtocolId value);
[[nodiscard]] std::string name(TransformType value);
[[nodiscard]] std::string name(EncrId value);
[[nodiscard]] std::string name(PrfId value);
[[nodiscard]] std::string name(IntegId value);
[[nodiscard]] std::string name(KeMethod value);
[[nodiscard]] std::string name(SnId value);
[[nodiscard]] std::string name(IdType value);
[[nodiscard]] std::string name(AuthMethod value);
[[nodiscard]] std::string name(CertEncoding value);
[[nodiscard]] std::string name(HashId value);
[[nodiscard]] std::string name(NotifyType value);

}  // namespace anyswan::wire::ike
