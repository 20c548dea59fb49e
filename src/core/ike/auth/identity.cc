// SPDX-License-Identifier: Apache-2.0
#include "core/ike/auth/identity.h"

#include <algorithm>

namespace anyswan::ike::auth {

using crypto::AlternativeName;
using crypto::NameType;
using wire::ike::Identification;
using wire::ike::IdType;

namespace {

std::string lower(ByteView text) {
    std::string out = to_string(text);
    for (char& letter : out) {
        if (letter >= 'A' && letter <= 'Z') {
            letter = static_cast<char>(letter - 'A' + 'a');
        }
    }
    return out;
}

/// A mail address with its domain in lower case; the local part counts as written (RFC 5280 7.5).
std::string mail(ByteView text) {
    const std::string address = to_string(text);
    const std::size_t at = address.rfind('@');
    return at == std::string::npos
               ? address
               : address.substr(0, at) + lower(text.subspan(std::min(at, text.size())));
}

bool any(const Identification& id) {
    return id.type == IdType::fqdn && id.data == Bytes{'*'};
}

/// "*.branch.example" or "*@example.com" against a claimed name: the rest behind '*' must be its
/// end, with something ahead of it.
bool ends_as(const Identification& pattern, const Identification& claimed) {
    const std::string end = lower(ByteView(pattern.data).subspan(1));
    const std::string name = lower(claimed.data);
    return name.size() > end.size() && name.ends_with(end);
}

/// The certificate's name of the type that the identity has.
std::optional<NameType> name_type(IdType type) {
    switch (type) {
        case IdType::fqdn:
            return NameType::dns;
        case IdType::rfc822_addr:
            return NameType::email;
        case IdType::ipv4_addr:
        case IdType::ipv6_addr:
            return NameType::ip;
        default:
            return std::nullopt;
    }
}

bool same(const AlternativeName& name, const Identification& id) {
    switch (name.type) {
        case NameType::dns:
            // RFC 4945 3.1.2: compared without regard to case; a "*" in dNSName is no wildcard.
            return lower(name.value) == lower(id.data);
        case NameType::email:
            return mail(name.value) == mail(id.data);
        case NameType::ip:
            return name.value == id.data;
    }
    return false;
}

std::string names_in(const crypto::Certificate& certificate) {
    constexpr std::size_t named_max = 6;
    std::string text;
    const auto names = certificate.alternative_names();
    for (std::size_t i = 0; i < std::min(names.size(), named_max); ++i) {
        text += (text.empty() ? "\"" : ", \"") + names[i].to_string() + "\"";
    }
    return text.empty() ? "no SubjectAltName" : text;
}

}  // namespace

std::string text_of(const Identification& id) {
    return id.type == IdType::der_asn1_dn ? crypto::dn_to_text(id.data) : id.to_string();
}

std::string quoted(const Identification& id) {
    return "\"" + text_of(id) + "\" (" + name(id.type) + ")";
}

Identification identity_from(std::string_view text) {
    if (text.find('=') != std::string_view::npos) {
        if (auto dn = crypto::dn_from_text(text)) {
            return {IdType::der_asn1_dn, std::move(*dn)};
        }
    }
    return Identification::from_text(text);
}

bool is_pattern(const Identification& id) {
    if (id.type == IdType::der_asn1_dn) {
        const std::string text = crypto::dn_to_text(id.data);
        return text.find("=*,") != std::string::npos || text.ends_with("=*");
    }
    return any(id) || ((id.type == IdType::fqdn || id.type == IdType::rfc822_addr) &&
                       id.data.size() > 2 && id.data[0] == '*');
}

IdFit fit(const Identification& expected, const Identification& claimed) {
    constexpr IdFit exact{IdFit::Kind::exact, 0};
    if (expected == claimed) {
        return exact;
    }
    if (any(expected)) {
        return {IdFit::Kind::pattern, 0};
    }
    if (expected.type != claimed.type) {
        return {};
    }
    switch (expected.type) {
        case IdType::der_asn1_dn:
            switch (crypto::match_dn(expected.data, claimed.data)) {
                case crypto::DnMatch::exact:
                    return exact;
                case crypto::DnMatch::by_wildcard:
                    return {IdFit::Kind::pattern, expected.data.size()};
                case crypto::DnMatch::none:
                    return {};
            }
            return {};
        case IdType::fqdn:
        case IdType::rfc822_addr:
            return is_pattern(expected) && ends_as(expected, claimed)
                       ? IdFit{IdFit::Kind::pattern, expected.data.size()}
                       : IdFit{};
        default:
            return {};
    }
}

std::optional<std::string> identity_problem(const crypto::Certificate& certificate,
                                            const Identification& id) {
    const std::string about = "certificate \"" + certificate.subject() + "\" ";
    if (id.type == IdType::der_asn1_dn) {
        return crypto::match_dn(certificate.subject_der(), id.data) == crypto::DnMatch::exact
                   ? std::nullopt
                   : std::optional(about + "is not of the name " + quoted(id) +
                                   ": the identity must be the certificate's subject");
    }
    const auto type = name_type(id.type);
    if (!type) {
        return "an identity of type " + name(id.type) +
               " can't be proved by a certificate: use one that stands in the certificate";
    }
    for (const AlternativeName& name : certificate.alternative_names()) {
        if (name.type == *type && same(name, id)) {
            return std::nullopt;
        }
    }
    return about + "names " + names_in(certificate) + ", not " + quoted(id) +
           ": use an identity that it names (its subject, as a distinguished name, counts too), or "
           "a certificate with that SubjectAltName";
}

}  // namespace anyswan::ike::auth
