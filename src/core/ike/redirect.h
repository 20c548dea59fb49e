// SPDX-License-Identifier: Apache-2.0
// The words of RFC 5685: whom a gateway sends a peer to, and how that travels. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/ip.h"

namespace anyswan::ike {

/// A gateway: its address, or its name.
using Gateway = std::variant<IpAddress, std::string>;
[[nodiscard]] std::string text_of(const Gateway& gateway);
/// An address, or a DNS name.
[[nodiscard]] std::optional<Gateway> parse_gateway(std::string_view text);

/// Data of REDIRECT (9.2; `nonce` only in IKE_SA_INIT) and of REDIRECTED_FROM (9.3).
[[nodiscard]] Bytes redirect_data(const Gateway& gateway, ByteView nonce = {});
struct RedirectWords {
    Gateway gateway;
    Bytes nonce;
};
/// Nothing if it is malformed.
[[nodiscard]] std::optional<RedirectWords> read_redirect(ByteView data);

}  // namespace anyswan::ike
