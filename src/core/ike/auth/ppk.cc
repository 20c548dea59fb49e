// SPDX-License-Identifier: Apache-2.0
#include "core/ike/auth/ppk.h"

#include "core/crypto/crypto.h"

namespace anyswan::ike::auth {

namespace {

/// "PPK_ID Types" of the IANA registry: an id that both sides have configured.
constexpr std::uint8_t ppk_id_fixed = 2;

}  // namespace

Secret mixed(crypto::PrfId prf, const sa::Ppk& ppk, const Secret& key) {
    return crypto::prf_plus(prf, ppk.key.reveal(), key.reveal(), key.size());
}

Bytes ppk_identity(const sa::Ppk& ppk) {
    return concat({ByteView(&ppk_id_fixed, 1), ppk.id});
}

bool names(const wire::ike::Notify& identity, const sa::Ppk& ppk) {
    return ppk.configured() && identity.data == ppk_identity(ppk);
}

std::string describe_ppk(const wire::ike::Notify& identity) {
    if (identity.data.empty()) {
        return "without an id";
    }
    const ByteView id = ByteView(identity.data).subspan(1);
    return identity.data[0] == ppk_id_fixed ? "\"" + to_string(id) + "\""
                                            : "of another type than PPK_ID_FIXED";
}

}  // namespace anyswan::ike::auth
