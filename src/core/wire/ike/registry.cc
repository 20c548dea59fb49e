// SPDX-License-Identifier: Apache-2.0
// Names of the IANA "Internet Key Exchange Version 2 (IKEv2) Parameters" registry, for logs, labels
// and the command line. Payload and transform types go by their notation column (SA, TSi, ENCR).
#include "core/wire/ike/registry.h"

#include <iterator>

namespace anyswan::wire::ike {

namespace {

template <class T>
struct Entry {
    T value;
    const char* text;
};

template <class T, std::size_t Size>
std::string look_up(const Entry<T> (&table)[Size], T value) {
    for (const Entry<T>& entry : table) {
        if (entry.value == value) {
            return entry.text;
        }
    }
    return std::to_string(static_cast<unsigned>(value));
}

constexpr Entry<ExchangeType> exchange_types[] = {
    {ExchangeType::ike_sa_init, "IKE_SA_INIT"},
    {ExchangeType::ike_auth, "IKE_AUTH"},
    {ExchangeType::create_child_sa, "CREATE_CHILD_SA"},
    {ExchangeType::informational, "INFORMATIONAL"},
    {ExchangeType::ike_session_resume, "IKE_SESSION_RESUME"},
    {ExchangeType::ike_intermediate, "IKE_INTERMEDIATE"},
    {ExchangeType::ike_followup_ke, "IKE_FOLLOWUP_KE"},
};

constexpr Entry<PayloadType> payload_types[] = {
    {PayloadType::no_next_payload, "No Next Payload"},
    {PayloadType::security_association, "SA"},
    {PayloadType::key_exchange, "KE"},
    {PayloadType::id_initiator, "IDi"},
    {PayloadType::id_responder, "IDr"},
    {PayloadType::certificate, "CERT"},
    {PayloadType::certificate_request, "CERTREQ"},
    {PayloadType::authentication, "AUTH"},
    {PayloadType::nonce, "Nonce"},
    {PayloadType::notify, "N"},
    {PayloadType::delete_, "D"},
    {PayloadType::vendor_id, "V"},
    {PayloadType::ts_initiator, "TSi"},
    {PayloadType::ts_responder, "TSr"},
    {PayloadType::encrypted, "SK"},
    {PayloadType::configuration, "CP"},
    {PayloadType::eap, "EAP"},
    {PayloadType::encrypted_fragment, "SKF"},
};

constexpr Entry<ProtocolId> protocols[] = {
    {ProtocolId::none, "NONE"},
    {ProtocolId::ike, "IKE"},
    {ProtocolId::ah, "AH"},
    {ProtocolId::esp, "ESP"},
};

constexpr Entry<TransformType> transform_types[] = {
    {TransformType::encr, "ENCR"},     {TransformType::prf, "PRF"},
    {TransformType::integ, "INTEG"},   {TransformType::ke, "KE"},
    {TransformType::sn, "SN"},         {TransformType::addke1, "ADDKE1"},
    {TransformType::addke2, "ADDKE2"}, {TransformType::addke3, "ADDKE3"},
    {TransformType::addke4, "ADDKE4"}, {TransformType::addke5, "ADDKE5"},
    {TransformType::addke6, "ADDKE6"}, {TransformType::addke7, "ADDKE7"},
};

constexpr Entry<EncrId> ciphers[] = {
    {EncrId::none, "NONE"},
    {EncrId::triple_des, "ENCR_3DES"},
    {EncrId::null, "ENCR_NULL"},
    {EncrId::aes_cbc, "ENCR_AES_CBC"},
    {EncrId::aes_ctr, "ENCR_AES_CTR"},
    {EncrId::aes_gcm_16, "ENCR_AES_GCM_16"},
    {EncrId::chacha20_poly1305, "ENCR_CHACHA20_POLY1305"},
};

constexpr Entry<PrfId> prfs[] = {
    {PrfId::none, "NONE"},
    {PrfId::hmac_sha1, "PRF_HMAC_SHA1"},
    {PrfId::hmac_sha2_256, "PRF_HMAC_SHA2_256"},
    {PrfId::hmac_sha2_384, "PRF_HMAC_SHA2_384"},
    {PrfId::hmac_sha2_512, "PRF_HMAC_SHA2_512"},
};

constexpr Entry<IntegId> integs[] = {
    {IntegId::none, "NONE"},
    {IntegId::hmac_sha1_96, "AUTH_HMAC_SHA1_96"},
    {IntegId::hmac_sha2_256_128, "AUTH_HMAC_SHA2_256_128"},
    {IntegId::hmac_sha2_384_192, "AUTH_HMAC_SHA2_384_192"},
    {IntegId::hmac_sha2_512_256, "AUTH_HMAC_SHA2_512_256"},
};

constexpr Entry<KeMethod> ke_methods[] = {
    {KeMethod::none, "NONE"},
    {KeMethod::modp1536, "1536-bit MODP Group"},
    {KeMethod::modp2048, "2048-bit MODP Group"},
    {KeMethod::modp3072, "3072-bit MODP Group"},
    {KeMethod::modp4096, "4096-bit MODP Group"},
    {KeMethod::modp6144, "6144-bit MODP Group"},
    {KeMethod::modp8192, "8192-bit MODP Group"},
    {KeMethod::ecp256, "256-bit random ECP group"},
    {KeMethod::ecp384, "384-bit random ECP group"},
    {KeMethod::ecp521, "521-bit random ECP group"},
    {KeMethod::curve25519, "Curve25519"},
    {KeMethod::curve448, "Curve448"},
    {KeMethod::ml_kem_512, "ml-kem-512"},
    {KeMethod::ml_kem_768, "ml-kem-768"},
    {KeMethod::ml_kem_1024, "ml-kem-1024"},
};

constexpr Entry<SnId> sequence_numbers[] = {
    {SnId::sequential_32, "32-bit Sequential Numbers"},
    {SnId::partially_transmitted_64, "Partially Transmitted 64-bit Sequential Numbers"},
    {SnId::unspecified_32, "32-bit Unspecified Numbers"},
};

constexpr Entry<IdType> id_types[] = {
    {IdType::ipv4_addr, "ID_IPV4_ADDR"},     {IdType::fqdn, "ID_FQDN"},
    {IdType::rfc822_addr, "ID_RFC822_ADDR"}, {IdType::ipv6_addr, "ID_IPV6_ADDR"},
    {IdType::der_asn1_dn, "ID_DER_ASN1_DN"}, {IdType::der_asn1_gn, "ID_DER_ASN1_GN"},
    {IdType::key_id, "ID_KEY_ID"},
};

constexpr Entry<AuthMethod> auth_methods[] = {
    {AuthMethod::rsa_digital_signature, "RSA Digital Signature"},
    {AuthMethod::shared_key_mic, "Shared Key Message Integrity Code"},
    {AuthMethod::dss_digital_signature, "DSS Digital Signature"},
    {AuthMethod::ecdsa_sha256_p256, "ECDSA with SHA-256 on the P-256 curve"},
    {AuthMethod::ecdsa_sha384_p384, "ECDSA with SHA-384 on the P-384 curve"},
    {AuthMethod::ecdsa_sha512_p521, "ECDSA with SHA-512 on the P-521 curve"},
    {AuthMethod::null, "NULL Authentication"},
    {AuthMethod::digital_signature, "Digital Signature"},
};

constexpr Entry<CertEncoding> cert_encodings[] = {
    {CertEncoding::x509_signature, "X.509 Certificate - Signature"},
    {CertEncoding::crl, "Certificate Revocation List"},
    {CertEncoding::hash_and_url_x509, "Hash and URL of X.509 certificate"},
    {CertEncoding::hash_and_url_bundle, "Hash and URL of X.509 bundle"},
    {CertEncoding::raw_public_key, "Raw Public Key"},
};

constexpr Entry<HashId> hashes[] = {
    {HashId::sha1, "SHA1"},         {HashId::sha2_256, "SHA2-256"}, {HashId::sha2_384, "SHA2-384"},
    {HashId::sha2_512, "SHA2-512"}, {HashId::identity, "Identity"},
};

constexpr Entry<NotifyType> notify_types[] = {
    {NotifyType::unsupported_critical_payload, "UNSUPPORTED_CRITICAL_PAYLOAD"},
    {NotifyType::invalid_ike_spi, "INVALID_IKE_SPI"},
    {NotifyType::invalid_major_version, "INVALID_MAJOR_VERSION"},
    {NotifyType::invalid_syntax, "INVALID_SYNTAX"},
    {NotifyType::invalid_message_id, "INVALID_MESSAGE_ID"},
    {NotifyType::invalid_spi, "INVALID_SPI"},
    {NotifyType::no_proposal_chosen, "NO_PROPOSAL_CHOSEN"},
    {NotifyType::invalid_ke_payload, "INVALID_KE_PAYLOAD"},
    {NotifyType::authentication_failed, "AUTHENTICATION_FAILED"},
    {NotifyType::single_pair_required, "SINGLE_PAIR_REQUIRED"},
    {NotifyType::no_additional_sas, "NO_ADDITIONAL_SAS"},
    {NotifyType::internal_address_failure, "INTERNAL_ADDRESS_FAILURE"},
    {NotifyType::failed_cp_required, "FAILED_CP_REQUIRED"},
    {NotifyType::ts_unacceptable, "TS_UNACCEPTABLE"},
    {NotifyType::invalid_selectors, "INVALID_SELECTORS"},
    {NotifyType::unacceptable_addresses, "UNACCEPTABLE_ADDRESSES"},
    {NotifyType::unexpected_nat_detected, "UNEXPECTED_NAT_DETECTED"},
    {NotifyType::temporary_failure, "TEMPORARY_FAILURE"},
    {NotifyType::child_sa_not_found, "CHILD_SA_NOT_FOUND"},
    {NotifyType::state_not_found, "STATE_NOT_FOUND"},
    {NotifyType::ts_max_queue, "TS_MAX_QUEUE"},
    {NotifyType::initial_contact, "INITIAL_CONTACT"},
    {NotifyType::set_window_size, "SET_WINDOW_SIZE"},
    {NotifyType::additional_ts_possible, "ADDITIONAL_TS_POSSIBLE"},
    {NotifyType::ipcomp_supported, "IPCOMP_SUPPORTED"},
    {NotifyType::nat_detection_source_ip, "NAT_DETECTION_SOURCE_IP"},
    {NotifyType::nat_detection_destination_ip, "NAT_DETECTION_DESTINATION_IP"},
    {NotifyType::cookie, "COOKIE"},
    {NotifyType::use_transport_mode, "USE_TRANSPORT_MODE"},
    {NotifyType::http_cert_lookup_supported, "HTTP_CERT_LOOKUP_SUPPORTED"},
    {NotifyType::rekey_sa, "REKEY_SA"},
    {NotifyType::esp_tfc_padding_not_supported, "ESP_TFC_PADDING_NOT_SUPPORTED"},
    {NotifyType::non_first_fragments_also, "NON_FIRST_FRAGMENTS_ALSO"},
    {NotifyType::mobike_supported, "MOBIKE_SUPPORTED"},
    {NotifyType::additional_ip4_address, "ADDITIONAL_IP4_ADDRESS"},
    {NotifyType::additional_ip6_address, "ADDITIONAL_IP6_ADDRESS"},
    {NotifyType::no_additional_addresses, "NO_ADDITIONAL_ADDRESSES"},
    {NotifyType::update_sa_addresses, "UPDATE_SA_ADDRESSES"},
    {NotifyType::cookie2, "COOKIE2"},
    {NotifyType::no_nats_allowed, "NO_NATS_ALLOWED"},
    {NotifyType::auth_lifetime, "AUTH_LIFETIME"},
    {NotifyType::multiple_auth_supported, "MULTIPLE_AUTH_SUPPORTED"},
    {NotifyType::another_auth_follows, "ANOTHER_AUTH_FOLLOWS"},
    {NotifyType::redirect_supported, "REDIRECT_SUPPORTED"},
    {NotifyType::redirect, "REDIRECT"},
    {NotifyType::redirected_from, "REDIRECTED_FROM"},
    {NotifyType::eap_only_authentication, "EAP_ONLY_AUTHENTICATION"},
    {NotifyType::childless_ikev2_supported, "CHILDLESS_IKEV2_SUPPORTED"},
    {NotifyType::quick_crash_detection, "QUICK_CRASH_DETECTION"},
    {NotifyType::ikev2_message_id_sync_supported, "IKEV2_MESSAGE_ID_SYNC_SUPPORTED"},
    {NotifyType::ipsec_replay_counter_sync_supported, "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED"},
    {NotifyType::ikev2_message_id_sync, "IKEV2_MESSAGE_ID_SYNC"},
    {NotifyType::ipsec_replay_counter_sync, "IPSEC_REPLAY_COUNTER_SYNC"},
    {NotifyType::ikev2_fragmentation_supported, "IKEV2_FRAGMENTATION_SUPPORTED"},
    {NotifyType::signature_hash_algorithms, "SIGNATURE_HASH_ALGORITHMS"},
    {NotifyType::use_ppk, "USE_PPK"},
    {NotifyType::ppk_identity, "PPK_IDENTITY"},
    {NotifyType::no_ppk_auth, "NO_PPK_AUTH"},
    {NotifyType::intermediate_exchange_supported, "INTERMEDIATE_EXCHANGE_SUPPORTED"},
    {NotifyType::additional_key_exchange, "ADDITIONAL_KEY_EXCHANGE"},
    {NotifyType::supported_auth_methods, "SUPPORTED_AUTH_METHODS"},
    {NotifyType::sa_resource_info, "SA_RESOURCE_INFO"},
};

}  // namespace

std::string name(ExchangeType value) {
    return look_up(exchange_types, value);
}
std::string name(PayloadType value) {
    return look_up(payload_types, value);
}
std::string name(ProtocolId value) {
    return look_up(protocols, value);
}
std::string name(TransformType value) {
    return look_up(transform_types, value);
}
std::string name(EncrId value) {
    return look_up(ciphers, value);
}
std::string name(PrfId value) {
    return look_up(prfs, value);
}
std::string name(IntegId value) {
    return look_up(integs, value);
}
std::string name(KeMethod value) {
    return look_up(ke_methods, value);
}
std::string name(SnId value) {
    return look_up(sequence_numbers, value);
}
std::string name(IdType value) {
    return look_up(id_types, value);
}
std::string name(AuthMethod value) {
    return look_up(auth_methods, value);
}
std::string name(CertEncoding value) {
    return look_up(cert_encodings, value);
}
std::string name(HashId value) {
    return look_up(hashes, value);
}
std::string name(NotifyType value) {
    return look_up(notify_types, value);
}

}  // namespace anyswan::wire::ike
