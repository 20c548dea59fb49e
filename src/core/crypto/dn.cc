// SPDX-License-Identifier: Apache-2.0
// Distinguished names: text, DER, comparison.
#include "core/crypto/x509_handles.h"

namespace anyswan::crypto {

namespace {

Name parse(ByteView der) {
    const unsigned char* at = der.data();
    Name name(d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())));
    if (name != nullptr && at != der.data() + der.size()) {
        name.reset();
    }
    return name;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') {
        text.remove_prefix(1);
    }
    while (!text.empty() && text.back() == ' ') {
        text.remove_suffix(1);
    }
    return text;
}

/// Cuts the next "CN=value" off; backslashes are taken off the value.
std::string next_part(std::string_view& rest) {
    std::string part;
    std::size_t i = 0;
    for (; i < rest.size() && rest[i] != ','; ++i) {
        if (rest[i] == '\\' && i + 1 < rest.size()) {
            ++i;
        }
        part += rest[i];
    }
    rest.remove_prefix(std::min(i + 1, rest.size()));
    return std::string(trimmed(part));
}

bool is_star(const X509_NAME_ENTRY* entry) {
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
    return ASN1_STRING_length(value) == 1 && *ASN1_STRING_get0_data(value) == '*';
}

/// Two values compared as names are: each in a name of its own.
bool equal_entries(const X509_NAME_ENTRY* a, const X509_NAME_ENTRY* b) {
    const Name name_a(X509_NAME_new());
    const Name name_b(X509_NAME_new());
    return name_a != nullptr && name_b != nullptr &&
           X509_NAME_add_entry(name_a.get(), a, -1, 0) == 1 &&
           X509_NAME_add_entry(name_b.get(), b, -1, 0) == 1 &&
           X509_NAME_cmp(name_a.get(), name_b.get()) == 0;
}

bool same_place(const X509_NAME_ENTRY* a, const X509_NAME_ENTRY* b) {
    return X509_NAME_ENTRY_set(a) == X509_NAME_ENTRY_set(b) &&
           OBJ_cmp(X509_NAME_ENTRY_get_object(a), X509_NAME_ENTRY_get_object(b)) == 0;
}

}  // namespace

std::string text_of(const X509_NAME* name) {
    const Bio out(BIO_new(BIO_s_mem()));
    // RFC 2253's escapes (so that no control character gets through), in the order of the DER.
    constexpr unsigned long flags =
        (ASN1_STRFLGS_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) | XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN;
    if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, flags) < 0) {
        return "?";
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return size <= 0 ? std::string("an empty name")
                     : std::string(text, static_cast<std::size_t>(size));
}

std::optional<Bytes> dn_from_text(std::string_view text) {
    const Name name(X509_NAME_new());
    check(name != nullptr, "memory for a name");
    while (!text.empty()) {
        const std::string part = next_part(text);
        const std::size_t equals = part.find('=');
        if (equals == std::string::npos || equals == 0 || equals + 1 == part.size()) {
            return std::nullopt;
        }
        const std::string value(trimmed(std::string_view(part).substr(equals + 1)));
        if (X509_NAME_add_entry_by_txt(
                name.get(), std::string(trimmed(part.substr(0, equals))).c_str(), MBSTRING_UTF8,
                reinterpret_cast<const unsigned char*>(value.data()),
                static_cast<int>(value.size()), -1, 0) != 1) {
            return std::nullopt;
        }
    }
    unsigned char* der = nullptr;
    const int size = i2d_X509_NAME(name.get(), &der);
    if (size <= 0 || X509_NAME_entry_count(name.get()) == 0) {
        OPENSSL_free(der);
        return std::nullopt;
    }
    Bytes bytes(der, der + size);
    OPENSSL_free(der);
    return bytes;
}

std::string dn_to_text(ByteView der) {
    const Name name = parse(der);
    return name == nullptr ? "?" : text_of(name.get());
}

DnMatch match_dn(ByteView pattern, ByteView name) {
    const Name wanted = parse(pattern);
    const Name given = parse(name);
    if (wanted == nullptr || given == nullptr ||
        X509_NAME_entry_count(wanted.get()) != X509_NAME_entry_count(given.get())) {
        return DnMatch::none;
    }
    if (X509_NAME_cmp(wanted.get(), given.get()) == 0) {
        return DnMatch::exact;
    }
    for (int i = 0; i < X509_NAME_entry_count(wanted.get()); ++i) {
        const X509_NAME_ENTRY* a = X509_NAME_get_entry(wanted.get(), i);
        const X509_NAME_ENTRY* b = X509_NAME_get_entry(given.get(), i);
        if (!same_place(a, b) || (!is_star(a) && !equal_entries(a, b))) {
            return DnMatch::none;
        }
    }
    return DnMatch::by_wildcard;
}

}  // namespace anyswan::crypto
