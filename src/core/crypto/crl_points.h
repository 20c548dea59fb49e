// SPDX-License-Identifier: Apache-2.0
// Where revocation lists come from and how old they are.
#pragma once

#include "core/crypto/x509.h"

namespace anyswan::crypto {

/// The http and https URLs of a certificate's CRL distribution points (RFC 5280 4.2.1.13) whose
/// list the certificate's own issuer signs; others are left out.
[[nodiscard]] std::vector<std::string> crl_points(const Certificate& certificate);
[[nodiscard]] WallTime this_update(const Crl& crl);

}  // namespace anyswan::crypto
