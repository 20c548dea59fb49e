// SPDX-License-Identifier: Apache-2.0
// X.509 certificates, revocation lists and distinguished names, over OpenSSL, and the judgement of
// a chain. Time is an argument, so that a test can be in any year.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "core/crypto/signature.h"

struct x509_st;
struct X509_crl_st;

namespace anyswan::crypto {

// Distinguished names, as DER.

/// "C=CH, O=Acme, CN=hq"; a value's commas are escaped by a backslash. Nothing: unknown attribute
/// or no such form.
[[nodiscard]] std::optional<Bytes> dn_from_text(std::string_view text);
/// The same form back; "?" for what isn't a name.
[[nodiscard]] std::string dn_to_text(ByteView der);
/// How a pattern fits a name. Comparison is RFC 5280 7.1's: case and repeated blanks don't count. A
/// pattern's value "*" stands for any value of that attribute.
enum class DnMatch : std::uint8_t { none, by_wildcard, exact };
[[nodiscard]] DnMatch match_dn(ByteView pattern, ByteView name);

enum class NameType : std::uint8_t { dns, email, ip };
/// A SubjectAltName of a type that IKE can name; others are left out.
struct AlternativeName {
    NameType type{};
    Bytes value;
    [[nodiscard]] std::string to_string() const;
};

/// Immutable; copies share the certificate.
class Certificate {
public:
    static std::optional<Certificate> from_der(ByteView der);

    [[nodiscard]] Bytes der() const;
    [[nodiscard]] std::string subject() const;
    [[nodiscard]] std::string issuer() const;
    [[nodiscard]] Bytes subject_der() const;
    [[nodiscard]] std::vector<AlternativeName> alternative_names() const;
    [[nodiscard]] std::optional<PublicKey> public_key() const;
    [[nodiscard]] bool is_ca() const;
    [[nodiscard]] bool self_issued() const;
    [[nodiscard]] WallTime not_before() const;
    [[nodiscard]] WallTime not_after() const;
    [[nodiscard]] std::string serial() const;  // hex
    /// SHA-256 of the certificate.
    [[nodiscard]] Bytes fingerprint() const;
    /// SHA-1 of the SubjectPublicKeyInfo, as CERTREQ carries it (RFC 7296 3.7).
    [[nodiscard]] Bytes key_hash() const;
    /// Why its key usage forbids to authenticate in IKE with it (RFC 4945 5.1.3.2, 5.1.3.12).
    [[nodiscard]] std::optional<std::string> usage_problem() const;
    /// Internal to this folder.
    [[nodiscard]] x509_st* handle() const { return certificate_.get(); }

private:
    explicit Certificate(std::shared_ptr<x509_st> certificate)
        : certificate_(std::move(certificate)) {}
    std::shared_ptr<x509_st> certificate_;
};

class Crl {
public:
    static std::optional<Crl> from_der(ByteView der);
    [[nodiscard]] std::string issuer() const;
    /// Nothing: it doesn't say.
    [[nodiscard]] std::optional<WallTime> next_update() const;
    /// Whether `issuer` signed it.
    [[nodiscard]] bool signed_by(const Certificate& issuer) const;
    [[nodiscard]] X509_crl_st* handle() const { return crl_.get(); }

private:
    explicit Crl(std::shared_ptr<X509_crl_st> crl) : crl_(std::move(crl)) {}
    std::shared_ptr<X509_crl_st> crl_;
};

/// The certificates of a file: several in PEM, or one in DER; as DER each. The failure's words are
/// for operators.
[[nodiscard]] Expected<std::vector<Bytes>, std::string> read_certificates(ByteView file);
/// Likewise the CRLs.
[[nodiscard]] Expected<std::vector<Bytes>, std::string> read_crls(ByteView file);

/// "2026-11-23 09:16 UTC"
[[nodiscard]] std::string utc(WallTime time);

enum class CrlCheck : std::uint8_t {
    off,
    soft,    // a certificate that a CRL names is refused; a missing or outdated CRL is not held
             // against it
    strict,  // a valid CRL of every issuer must be there
};

[[nodiscard]] const char* name(CrlCheck check);  // as configuration has it

/// SHA-1 in a certificate's signature: refused unless the operator wants it.
enum class Sha1Signatures : std::uint8_t { refuse, allow };

struct Trust {
    std::vector<Certificate> anchors;  // CAs, or the peer's own certificate
    std::vector<Crl> crls;
    CrlCheck crl_check = CrlCheck::off;
    Sha1Signatures sha1 = Sha1Signatures::refuse;
};

/// Why `leaf` isn't good at `at`, in words for operators; nothing if it is. Checks the path
/// (RFC 5280 6.1), validity, key sizes (112 bits of strength) and revocation; not names, not key
/// usage of the leaf.
[[nodiscard]] std::optional<std::string> chain_problem(
    const Certificate& leaf, const std::vector<Certificate>& intermediates, const Trust& trust,
    WallTime at);

}  // namespace anyswan::crypto
