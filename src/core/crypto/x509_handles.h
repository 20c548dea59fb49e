// SPDX-License-Identifier: Apache-2.0
// Owning handles of OpenSSL's X.509 objects. Internal to this folder.
#pragma once

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "core/crypto/openssl_handles.h"
#include "core/crypto/x509.h"

namespace anyswan::crypto {

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
using Name = std::unique_ptr<X509_NAME, OpensslFree<X509_NAME_free>>;
using Store = std::unique_ptr<X509_STORE, OpensslFree<X509_STORE_free>>;
using StoreCtx = std::unique_ptr<X509_STORE_CTX, OpensslFree<X509_STORE_CTX_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;
using KeyPurposes = std::unique_ptr<EXTENDED_KEY_USAGE, OpensslFree<EXTENDED_KEY_USAGE_free>>;

/// Borrowed; shared by all that read `bytes`.
[[nodiscard]] Bio reader_of(ByteView bytes);
[[nodiscard]] std::string text_of(const X509_NAME* name);
[[nodiscard]] WallTime time_of(const ASN1_TIME* time);

}  // namespace anyswan::crypto
