// SPDX-License-Identifier: Apache-2.0
// Postquantum pre-shared keys (RFC 8784): mixed into SK_d, SK_pi and SK_pr, so that whoever breaks
// the key exchange later still can't read the Child SAs.
#pragma once

#include "core/ike/keys.h"
#include "core/sa/credentials.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::ike::auth {

/// RFC 8784 3: SK_x = prf+ (PPK, SK_x'), of the same size.
[[nodiscard]] Secret mixed(crypto::PrfId prf, const sa::Ppk& ppk, const Secret& key);
/// The Notification Data of PPK_IDENTITY in the request: PPK_ID_FIXED and the id.
[[nodiscard]] Bytes ppk_identity(const sa::Ppk& ppk);
/// Whether a PPK_IDENTITY of an IKE_AUTH request names this one.
[[nodiscard]] bool names(const wire::ike::Notify& identity, const sa::Ppk& ppk);
/// For events: the id in a PPK_IDENTITY.
[[nodiscard]] std::string describe_ppk(const wire::ike::Notify& identity);

}  // namespace anyswan::ike::auth
