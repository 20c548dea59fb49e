// SPDX-License-Identifier: Apache-2.0
// What stands in a certificate and in a CRL.
#include "core/crypto/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

#include "core/crypto/x509_handles.h"

namespace anyswan::crypto {

namespace {

Bytes bytes_of(const ASN1_STRING* text) {
    return to_bytes(
        ByteView(ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text))));
}

/// DER of what `encode` (an i2d function) writes.
template <class Encode, class Object>
Bytes der_of(Encode encode, Object* object) {
    const int size = encode(object, nullptr);
    check(size > 0, "a parsed object that can't be encoded");
    Bytes der(static_cast<std::size_t>(size));
    unsigned char* at = der.data();
    encode(object, &at);
    return der;
}

/// Purposes that let a certificate authenticate an IKE peer. RFC 4945 5.1.3.12 names ipsecIKE and
/// any; CAs issue gateways' certificates for TLS servers and clients as well, and the three of 1999
/// (end system, tunnel, user) are still around.
bool purpose_for_ike(const ASN1_OBJECT* purpose) {
    switch (OBJ_obj2nid(purpose)) {
        case NID_ipsec_IKE:
        case NID_anyExtendedKeyUsage:
        case NID_server_auth:
        case NID_client_auth:
        case NID_ipsecEndSystem:
        case NID_ipsecTunnel:
        case NID_ipsecUser:
            return true;
        default:
            return false;
    }
}

/// Reads PEM blocks of one kind one after another, or one DER object.
template <class Parsed, class ReadPem, class Free>
std::vector<Bytes> read_all(ByteView file, ReadPem read_pem, Parsed from_der, Free free_object) {
    std::vector<Bytes> found;
    const Bio in = reader_of(file);
    while (auto* object = read_pem(in.get())) {
        found.push_back(from_der(object));
        free_object(object);
    }
    ERR_clear_error();  // the end of a PEM file is an error to the library
    return found;
}

/// What PEM gave, else the file as one DER object; each must be an `Object`, or the file is refused
/// with the words of `otherwise`.
template <class Object>
Expected<std::vector<Bytes>, std::string> checked(ByteView file, std::vector<Bytes> from_pem,
                                                  const char* otherwise) {
    if (from_pem.empty()) {
        from_pem.push_back(to_bytes(file));
    }
    for (const Bytes& der : from_pem) {
        if (!Object::from_der(der)) {
            return Unexpected{std::string(otherwise)};
        }
    }
    return from_pem;
}

}  // namespace

Bio reader_of(ByteView bytes) {
    Bio in(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    check(in != nullptr, "memory to read from");
    return in;
}

WallTime time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
        return {};
    }
    constexpr std::int64_t ns_per_s = 1'000'000'000;
    constexpr std::int64_t s_max = INT64_MAX / ns_per_s;  // the year 2262
    const std::int64_t seconds = timegm(&parts);
    return WallTime{std::min(std::max(seconds, -s_max), s_max) * ns_per_s};
}

std::string utc(WallTime time) {
    const std::time_t seconds = time.unix_ns / 1'000'000'000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
    return {text.data(), size};
}

std::string AlternativeName::to_string() const {
    if (type == NameType::ip) {
        const auto address = IpAddress::from_bytes(value);
        return address ? address->to_string() : "?";
    }
    std::string text = anyswan::to_string(value);
    for (char& letter : text) {
        letter = letter > ' ' && letter < 0x7f ? letter : '?';
    }
    return text;
}

std::optional<Certificate> Certificate::from_der(ByteView der) {
    const unsigned char* at = der.data();
    std::shared_ptr<x509_st> parsed(d2i_X509(nullptr, &at, static_cast<long>(der.size())),
                                    X509_free);
    // The extension cache is filled here, once; X509_get_extension_flags tells if one is broken.
    if (parsed == nullptr || at != der.data() + der.size() ||
        (X509_get_extension_flags(parsed.get()) & EXFLAG_INVALID) != 0) {
        return std::nullopt;
    }
    return Certificate(std::move(parsed));
}

Bytes Certificate::der() const {
    return der_of(i2d_X509, certificate_.get());
}

std::string Certificate::subject() const {
    return text_of(X509_get_subject_name(certificate_.get()));
}

std::string Certificate::issuer() const {
    return text_of(X509_get_issuer_name(certificate_.get()));
}

Bytes Certificate::subject_der() const {
    return der_of(i2d_X509_NAME, X509_get_subject_name(certificate_.get()));
}

std::vector<AlternativeName> Certificate::alternative_names() const {
    const GeneralNames all(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate_.get(), NID_subject_alt_name, nullptr, nullptr)));
    std::vector<AlternativeName> names;
    for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
        switch (name->type) {
            case GEN_DNS:
                names.push_back({NameType::dns, bytes_of(name->d.dNSName)});
                break;
            case GEN_EMAIL:
                names.push_back({NameType::email, bytes_of(name->d.rfc822Name)});
                break;
            case GEN_IPADD:
                names.push_back({NameType::ip, bytes_of(name->d.iPAddress)});
                break;
            default:
                break;
        }
    }
    return names;
}

std::optional<PublicKey> Certificate::public_key() const {
    std::shared_ptr<evp_pkey_st> key(X509_get_pubkey(certificate_.get()), EVP_PKEY_free);
    return key == nullptr ? std::nullopt : std::optional(PublicKey(std::move(key)));
}

bool Certificate::is_ca() const {
    return X509_check_ca(certificate_.get()) > 0;
}

bool Certificate::self_issued() const {
    return X509_NAME_cmp(X509_get_subject_name(certificate_.get()),
                         X509_get_issuer_name(certificate_.get())) == 0;
}

WallTime Certificate::not_before() const {
    return time_of(X509_get0_notBefore(certificate_.get()));
}

WallTime Certificate::not_after() const {
    return time_of(X509_get0_notAfter(certificate_.get()));
}

std::string Certificate::serial() const {
    return to_hex(bytes_of(X509_get0_serialNumber(certificate_.get())));
}

Bytes Certificate::fingerprint() const {
    return sha256({der()});
}

Bytes Certificate::key_hash() const {
    const Bytes spki = der_of(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(certificate_.get()));
    return sha1({spki});
}

std::optional<std::string> Certificate::usage_problem() const {
    const std::uint32_t usage = X509_get_key_usage(certificate_.get());  // all bits if absent
    // RFC 4945 5.1.3.2: "If KeyUsage is present and doesn't mention digitalSignature or
    // nonRepudiation", the certificate doesn't authenticate.
    if ((usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0) {
        return "its key usage lacks digitalSignature";
    }
    const KeyPurposes purposes(static_cast<EXTENDED_KEY_USAGE*>(
        X509_get_ext_d2i(certificate_.get(), NID_ext_key_usage, nullptr, nullptr)));
    if (purposes == nullptr) {
        return std::nullopt;
    }
    for (int i = 0; i < sk_ASN1_OBJECT_num(purposes.get()); ++i) {
        if (purpose_for_ike(sk_ASN1_OBJECT_value(purposes.get(), i))) {
            return std::nullopt;
        }
    }
    return "its extended key usage has none of ipsecIKE, serverAuth, clientAuth and any";
}

std::optional<Crl> Crl::from_der(ByteView der) {
    const unsigned char* at = der.data();
    std::shared_ptr<X509_crl_st> parsed(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())),
                                        X509_CRL_free);
    if (parsed == nullptr || at != der.data() + der.size()) {
        return std::nullopt;
    }
    return Crl(std::move(parsed));
}

std::string Crl::issuer() const {
    return text_of(X509_CRL_get_issuer(crl_.get()));
}

std::optional<WallTime> Crl::next_update() const {
    const ASN1_TIME* time = X509_CRL_get0_nextUpdate(crl_.get());
    return time == nullptr ? std::nullopt : std::optional(time_of(time));
}

bool Crl::signed_by(const Certificate& issuer) const {
    const auto key = issuer.public_key();
    return key &&
           X509_NAME_cmp(X509_CRL_get_issuer(crl_.get()), X509_get_subject_name(issuer.handle())) ==
               0 &&
           X509_CRL_verify(crl_.get(), const_cast<EVP_PKEY*>(key->handle())) == 1;
}

Expected<std::vector<Bytes>, std::string> read_certificates(ByteView file) {
    return checked<Certificate>(
        file,
        read_all(
            file, [](BIO* in) { return PEM_read_bio_X509(in, nullptr, nullptr, nullptr); },
            [](X509* object) { return der_of(i2d_X509, object); }, X509_free),
        "has no certificate in PEM or DER form; it begins with \"-----BEGIN CERTIFICATE-----\"");
}

Expected<std::vector<Bytes>, std::string> read_crls(ByteView file) {
    return checked<Crl>(
        file,
        read_all(
            file, [](BIO* in) { return PEM_read_bio_X509_CRL(in, nullptr, nullptr, nullptr); },
            [](X509_CRL* object) { return der_of(i2d_X509_CRL, object); }, X509_CRL_free),
        "has no revocation list in PEM or DER form; it begins with \"-----BEGIN X509 CRL-----\"");
}

}  // namespace anyswan::crypto
