// SPDX-License-Identifier: Apache-2.0
// Identities: their words, patterns that stand for many, and which of them a certificate proves
// (RFC 7296 3.5, RFC 4945 3).
#pragma once

#include <optional>
#include <string>

#include "core/crypto/x509.h"
#include "core/wire/ike/payloads.h"

namespace anyswan::ike::auth {

/// As Identification::to_string(), and distinguished names in words: "C=CH, CN=hq".
[[nodiscard]] std::string text_of(const wire::ike::Identification& id);
/// "\"hq.acme.example\" (ID_FQDN)"
[[nodiscard]] std::string quoted(const wire::ike::Identification& id);
/// The other way: a distinguished name if the text is one, else Identification::from_text().
[[nodiscard]] wire::ike::Identification identity_from(std::string_view text);

/// How an identity fits what a tunnel expects. Greater is better: an exact match beats every
/// pattern, a longer pattern a shorter one.
struct IdFit {
    enum class Kind : std::uint8_t { none, pattern, exact };
    Kind kind = Kind::none;
    std::size_t length = 0;
    auto operator<=>(const IdFit&) const = default;
    explicit operator bool() const { return kind != Kind::none; }
};
/// `expected` is an identity or a pattern: "*" (any identity), "*.branch.example" (a name of any
/// depth below), "*@example.com", a distinguished name with "*" for values. Types must be equal but
/// for "*".
[[nodiscard]] IdFit fit(const wire::ike::Identification& expected,
                        const wire::ike::Identification& claimed);
[[nodiscard]] bool is_pattern(const wire::ike::Identification& id);

/// Why the certificate doesn't prove the identity; nothing if it does. RFC 4945 3.1: addresses,
/// names and mail addresses must stand in SubjectAltName, a distinguished name must be the subject.
[[nodiscard]] std::optional<std::string> identity_problem(const crypto::Certificate& certificate,
                                                          const wire::ike::Identification& id);

}  // namespace anyswan::ike::auth
