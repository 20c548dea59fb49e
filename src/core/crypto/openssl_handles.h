// SPDX-License-Identifier: Apache-2.0
// Owning handles of OpenSSL objects, for the .cc files of this folder alone.
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <memory>

namespace anyswan::crypto {

template <auto Free>
struct OpensslFree {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, OpensslFree<EVP_CIPHER_CTX_free>>;
using MacAlgorithm = std::unique_ptr<EVP_MAC, OpensslFree<EVP_MAC_free>>;
using MacCtx = std::unique_ptr<EVP_MAC_CTX, OpensslFree<EVP_MAC_CTX_free>>;
using DigestCtx = std::unique_ptr<EVP_MD_CTX, OpensslFree<EVP_MD_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, OpensslFree<EVP_PKEY_CTX_free>>;
using BigNumber = std::unique_ptr<BIGNUM, OpensslFree<BN_clear_free>>;  // wiped: may be private
using BigNumberCtx = std::unique_ptr<BN_CTX, OpensslFree<BN_CTX_free>>;
using CurveGroup = std::unique_ptr<EC_GROUP, OpensslFree<EC_GROUP_free>>;
using CurvePoint = std::unique_ptr<EC_POINT, OpensslFree<EC_POINT_clear_free>>;

/// A bignum of big-endian bytes that the library treats as private: operations on it take the same
/// time for every value.
inline BigNumber private_number(const unsigned char* bytes, std::size_t size) {
    BigNumber number(BN_new());
    if (number != nullptr) {
        BN_set_flags(number.get(), BN_FLG_CONSTTIME);
        if (BN_bin2bn(bytes, static_cast<int>(size), number.get()) == nullptr) {
            number.reset();
        }
    }
    return number;
}

}  // namespace anyswan::crypto
