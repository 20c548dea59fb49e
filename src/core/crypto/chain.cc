// SPDX-License-Identifier: Apache-2.0
// Judging a chain: OpenSSL walks it, we choose what it insists on and put its verdict in words.
#include <openssl/err.h>

#include "core/crypto/x509_handles.h"

namespace anyswan::crypto {

namespace {

/// What the callback knows and finds out during one walk.
struct Walk {
    const Trust& trust;
    std::optional<std::string> problem;  // the first that counts
};

std::string quoted(const X509_NAME* name) {
    return "\"" + text_of(name) + "\"";
}

std::string quoted_subject(const X509* certificate) {
    return certificate == nullptr ? "?" : quoted(X509_get_subject_name(certificate));
}

std::string trusted_names(const Trust& trust) {
    constexpr std::size_t named_max = 4;
    std::string text;
    for (std::size_t i = 0; i < trust.anchors.size(); ++i) {
        if (i == named_max) {
            return text + ", ...";
        }
        text += (text.empty() ? "\"" : ", \"") + trust.anchors[i].subject() + "\"";
    }
    return text.empty() ? "no CA" : text;
}

bool signed_with_sha1(const X509* certificate) {
    int digest = NID_undef;
    return X509_get_signature_info(const_cast<X509*>(certificate), &digest, nullptr, nullptr,
                                   nullptr) == 1 &&
           digest == NID_sha1;
}

std::string untrusted(const X509* certificate, const Walk& walk) {
    const std::string trusts = "; the tunnel trusts " + trusted_names(walk.trust);
    const X509_NAME* issuer = X509_get_issuer_name(certificate);
    if (X509_NAME_cmp(issuer, X509_get_subject_name(certificate)) == 0) {
        return "certificate " + quoted_subject(certificate) + " is self-signed" + trusts +
               ": add that CA to the tunnel's trust anchors, or give the peer a certificate of one "
               "that is there";
    }
    return "certificate " + quoted_subject(certificate) + " is signed by " + quoted(issuer) +
           trusts +
           ": add that CA to the tunnel's trust anchors, or, if it is an intermediate CA, have the "
           "peer send its certificate too";
}

std::string crl_issuer(const X509* certificate) {
    return certificate == nullptr ? "?" : quoted(X509_get_issuer_name(certificate));
}

std::string words_for(int error, const X509* certificate, X509_STORE_CTX* ctx, const Walk& walk) {
    const std::string about = "certificate " + quoted_subject(certificate);
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return about + " expired on " + utc(time_of(X509_get0_notAfter(certificate))) +
                   ": renew it";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return about + " is not valid before " +
                   utc(time_of(X509_get0_notBefore(certificate))) +
                   ": compare the clocks of the CA and of this edge";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_CERT_UNTRUSTED:
            return untrusted(certificate, walk);
        case X509_V_ERR_CERT_REVOKED:
            return about + " is revoked by the CRL of " + crl_issuer(certificate) +
                   ": give the peer a new one";
        case X509_V_ERR_UNABLE_TO_GET_CRL:
            return "there is no CRL of " + crl_issuer(certificate) +
                   ", and the tunnel wants one (crl = \"strict\"): configure it (crl_file, "
                   "crl_url), "
                   "or crl = \"soft\"";
        case X509_V_ERR_CRL_HAS_EXPIRED: {
            const X509_CRL* crl = X509_STORE_CTX_get0_current_crl(ctx);
            return "the CRL of " + crl_issuer(certificate) + " is out of date" +
                   (crl == nullptr ? std::string()
                                   : " since " + utc(time_of(X509_CRL_get0_nextUpdate(crl)))) +
                   ": configure a newer one";
        }
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
            return about + " has a key that is too short: use RSA of 2048 bits or more, or ECDSA";
        case X509_V_ERR_CA_MD_TOO_WEAK:
            return about +
                   " is signed with a broken hash: have it signed with SHA-256, or, for SHA-1, set "
                   "allow_weak = [\"sha1-signatures\"]";
        case X509_V_ERR_INVALID_CA:
        case X509_V_ERR_INVALID_NON_CA:
        case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
            return about + " signs others but is no CA certificate (basic constraints, key usage)";
        default:
            return about + ": " + X509_verify_cert_error_string(error);
    }
}

/// An anchor is trusted because the operator says so: nobody's CRL has to vouch for it.
bool about_an_anchor(X509_STORE_CTX* ctx, const Walk& walk) {
    const X509* certificate = X509_STORE_CTX_get_current_cert(ctx);
    for (const Certificate& anchor : walk.trust.anchors) {
        if (certificate != nullptr && X509_cmp(anchor.handle(), certificate) == 0) {
            return true;
        }
    }
    return false;
}

bool tolerated(int error, X509_STORE_CTX* ctx, const Walk& walk) {
    switch (error) {
        case X509_V_ERR_UNABLE_TO_GET_CRL:
        case X509_V_ERR_CRL_HAS_EXPIRED:
        case X509_V_ERR_CRL_NOT_YET_VALID:
            return walk.trust.crl_check == CrlCheck::soft || about_an_anchor(ctx, walk);
        case X509_V_ERR_CA_MD_TOO_WEAK:
            return walk.trust.sha1 == Sha1Signatures::allow &&
                   signed_with_sha1(X509_STORE_CTX_get_current_cert(ctx));
        default:
            return false;
    }
}

int on_verdict(int good, X509_STORE_CTX* ctx) {
    auto& walk = *static_cast<Walk*>(X509_STORE_CTX_get_app_data(ctx));
    const int error = X509_STORE_CTX_get_error(ctx);
    if (good == 1 || tolerated(error, ctx, walk)) {
        return 1;
    }
    if (!walk.problem) {
        walk.problem = words_for(error, X509_STORE_CTX_get_current_cert(ctx), ctx, walk);
    }
    return 0;
}

Store store_of(const Trust& trust) {
    Store store(X509_STORE_new());
    check(store != nullptr, "memory for trust anchors");
    for (const Certificate& anchor : trust.anchors) {
        X509_STORE_add_cert(store.get(), anchor.handle());
    }
    for (const Crl& crl : trust.crls) {
        X509_STORE_add_crl(store.get(), crl.handle());
    }
    return store;
}

struct StackFree {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }  // the elements stay
};

}  // namespace

const char* name(CrlCheck check) {
    return check == CrlCheck::strict ? "strict" : check == CrlCheck::soft ? "soft" : "off";
}

std::optional<std::string> chain_problem(const Certificate& leaf,
                                         const std::vector<Certificate>& intermediates,
                                         const Trust& trust, WallTime at) {
    const Store store = store_of(trust);
    const std::unique_ptr<STACK_OF(X509), StackFree> untrusted(sk_X509_new_null());
    for (const Certificate& intermediate : intermediates) {
        sk_X509_push(untrusted.get(), intermediate.handle());
    }
    const StoreCtx ctx(X509_STORE_CTX_new());
    check(ctx != nullptr &&
              X509_STORE_CTX_init(ctx.get(), store.get(), leaf.handle(), untrusted.get()) == 1,
          "memory to verify a chain");
    Walk walk{trust, std::nullopt};
    X509_STORE_CTX_set_app_data(ctx.get(), &walk);
    X509_STORE_CTX_set_verify_cb(ctx.get(), on_verdict);
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_time(param, at.unix_ns / 1'000'000'000);
    constexpr int bits_112 = 2;
    X509_VERIFY_PARAM_set_auth_level(param, bits_112);
    constexpr int intermediates_max = 8;
    X509_VERIFY_PARAM_set_depth(param, intermediates_max);
    // Any certificate of the trust anchors ends the chain, whether it is a root or not.
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
    if (trust.crl_check != CrlCheck::off) {
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    }
    X509_VERIFY_PARAM_set_flags(param, flags);
    const bool good = X509_verify_cert(ctx.get()) == 1;
    ERR_clear_error();
    if (good) {
        return std::nullopt;
    }
    return walk.problem.value_or(
        std::string("the chain can't be verified: ") +
        X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx.get())));
}

}  // namespace anyswan::crypto
