// SPDX-License-Identifier: Apache-2.0
// AlgorithmIdentifiers of signatures: what RFC 7427 puts ahead of the signature in AUTH.
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/crypto/openssl_handles.h"
#include "core/crypto/signature.h"

namespace anyswan::crypto {

namespace {

using Algorithm = std::unique_ptr<X509_ALGOR, OpensslFree<X509_ALGOR_free>>;
using PssParams = std::unique_ptr<RSA_PSS_PARAMS, OpensslFree<RSA_PSS_PARAMS_free>>;

struct Known {
    int nid;
    SignatureScheme scheme;
    HashId hash;
};
constexpr Known known[] = {
    {NID_sha1WithRSAEncryption, SignatureScheme::rsa_pkcs1, HashId::sha1},
    {NID_sha256WithRSAEncryption, SignatureScheme::rsa_pkcs1, HashId::sha2_256},
    {NID_sha384WithRSAEncryption, SignatureScheme::rsa_pkcs1, HashId::sha2_384},
    {NID_sha512WithRSAEncryption, SignatureScheme::rsa_pkcs1, HashId::sha2_512},
    {NID_ecdsa_with_SHA1, SignatureScheme::ecdsa, HashId::sha1},
    {NID_ecdsa_with_SHA256, SignatureScheme::ecdsa, HashId::sha2_256},
    {NID_ecdsa_with_SHA384, SignatureScheme::ecdsa, HashId::sha2_384},
    {NID_ecdsa_with_SHA512, SignatureScheme::ecdsa, HashId::sha2_512},
    {NID_ED25519, SignatureScheme::ed25519, HashId::identity},
};

constexpr struct {
    int nid;
    HashId hash;
    std::uint16_t size;
} hashes[] = {
    {NID_sha1, HashId::sha1, 20},
    {NID_sha256, HashId::sha2_256, 32},
    {NID_sha384, HashId::sha2_384, 48},
    {NID_sha512, HashId::sha2_512, 64},
};

std::optional<HashId> hash_of(const X509_ALGOR* algorithm) {
    const ASN1_OBJECT* oid = nullptr;
    X509_ALGOR_get0(&oid, nullptr, nullptr, algorithm);
    for (const auto& entry : hashes) {
        if (OBJ_obj2nid(oid) == entry.nid) {
            return entry.hash;
        }
    }
    return std::nullopt;
}

Algorithm parse_algorithm(ByteView der) {
    const unsigned char* at = der.data();
    Algorithm parsed(d2i_X509_ALGOR(nullptr, &at, static_cast<long>(der.size())));
    if (parsed != nullptr && at != der.data() + der.size()) {
        parsed.reset();
    }
    return parsed;
}

ByteView bytes_of(const ASN1_STRING* text) {
    return {ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// RFC 8017 A.2.3: absent fields mean SHA-1, MGF1 with SHA-1, 20 octets.
std::optional<SignatureAlgorithm> read_pss(const ASN1_STRING* sequence) {
    const ByteView der = bytes_of(sequence);
    const unsigned char* at = der.data();
    const PssParams params(d2i_RSA_PSS_PARAMS(nullptr, &at, static_cast<long>(der.size())));
    if (params == nullptr || at != der.data() + der.size()) {
        return std::nullopt;
    }
    const auto hash =
        params->hashAlgorithm == nullptr ? HashId::sha1 : hash_of(params->hashAlgorithm);
    std::optional<HashId> mask_hash = HashId::sha1;
    if (params->maskGenAlgorithm != nullptr) {
        const ASN1_OBJECT* oid = nullptr;
        const void* value = nullptr;
        int type = V_ASN1_UNDEF;
        X509_ALGOR_get0(&oid, &type, &value, params->maskGenAlgorithm);
        if (OBJ_obj2nid(oid) != NID_mgf1 || type != V_ASN1_SEQUENCE) {
            return std::nullopt;
        }
        const Algorithm inner = parse_algorithm(bytes_of(static_cast<const ASN1_STRING*>(value)));
        mask_hash = inner == nullptr ? std::nullopt : hash_of(inner.get());
    }
    const long salt = params->saltLength == nullptr ? 20 : ASN1_INTEGER_get(params->saltLength);
    constexpr long salt_max = 512;
    if (!hash || hash != mask_hash || salt < 0 || salt > salt_max) {
        return std::nullopt;
    }
    return SignatureAlgorithm{SignatureScheme::rsa_pss, *hash, static_cast<std::uint16_t>(salt)};
}

/// RFC 7427 A.4.3, with what differs between the hashes left open.
Bytes encode_pss(HashId hash, std::uint16_t salt_size) {
    Bytes hash_algorithm = *from_hex("300d06096086480165030402000500");
    hash_algorithm[12] = static_cast<std::uint8_t>(hash == HashId::sha2_256   ? 1
                                                   : hash == HashId::sha2_384 ? 2
                                                                              : 3);
    Writer out;
    out.append(*from_hex("304106092a864886f70d01010a3034a00f"));
    out.append(hash_algorithm);
    out.append(*from_hex("a11c301a06092a864886f70d010108"));
    out.append(hash_algorithm);
    out.append(*from_hex("a2030201"));
    out.u8(static_cast<std::uint8_t>(salt_size));
    return std::move(out).take();
}

Bytes encode_plain(int nid, SignatureScheme scheme) {
    const Algorithm algorithm(X509_ALGOR_new());
    // RFC 4055 5: the parameters of PKCS #1 v1.5 MUST be NULL; RFC 5758 3.2 and RFC 8410 3: absent.
    const int parameters = scheme == SignatureScheme::rsa_pkcs1 ? V_ASN1_NULL : V_ASN1_UNDEF;
    check(algorithm != nullptr &&
              X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(nid), parameters, nullptr) == 1,
          "memory for an AlgorithmIdentifier");
    Bytes der(static_cast<std::size_t>(i2d_X509_ALGOR(algorithm.get(), nullptr)));
    unsigned char* at = der.data();
    i2d_X509_ALGOR(algorithm.get(), &at);
    return der;
}

}  // namespace

SignatureAlgorithm SignatureAlgorithm::pss(HashId hash) {
    for (const auto& entry : hashes) {
        if (entry.hash == hash) {
            return {SignatureScheme::rsa_pss, hash, entry.size};
        }
    }
    check(false, "PSS without a hash");
    return {};
}

std::string to_string(const SignatureAlgorithm& algorithm) {
    switch (algorithm.scheme) {
        case SignatureScheme::rsa_pkcs1:
            return "RSA PKCS#1 v1.5 with " + name(algorithm.hash);
        case SignatureScheme::rsa_pss:
            return "RSA-PSS with " + name(algorithm.hash);
        case SignatureScheme::ecdsa:
            return "ECDSA with " + name(algorithm.hash);
        case SignatureScheme::ed25519:
            break;
    }
    return "Ed25519";
}

Bytes encode_algorithm(const SignatureAlgorithm& algorithm) {
    if (algorithm.scheme == SignatureScheme::rsa_pss) {
        check(algorithm.hash != HashId::sha1 && algorithm.salt_size < 128, "PSS as we sign it");
        return encode_pss(algorithm.hash, algorithm.salt_size);
    }
    for (const Known& entry : known) {
        if (entry.scheme == algorithm.scheme && entry.hash == algorithm.hash) {
            return encode_plain(entry.nid, entry.scheme);
        }
    }
    check(false, "an AlgorithmIdentifier for this algorithm");
    return {};
}

std::optional<SignatureAlgorithm> decode_algorithm(ByteView der) {
    const Algorithm algorithm = parse_algorithm(der);
    if (algorithm == nullptr) {
        return std::nullopt;
    }
    const ASN1_OBJECT* oid = nullptr;
    const void* value = nullptr;
    int type = V_ASN1_UNDEF;
    X509_ALGOR_get0(&oid, &type, &value, algorithm.get());
    const int nid = OBJ_obj2nid(oid);
    if (nid == NID_rsassaPss) {
        return type == V_ASN1_SEQUENCE ? read_pss(static_cast<const ASN1_STRING*>(value))
                                       : std::nullopt;
    }
    for (const Known& entry : known) {
        if (entry.nid == nid && (type == V_ASN1_UNDEF || type == V_ASN1_NULL)) {
            return SignatureAlgorithm{entry.scheme, entry.hash, 0};
        }
    }
    return std::nullopt;
}

}  // namespace anyswan::crypto
