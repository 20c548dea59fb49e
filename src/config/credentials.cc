// SPDX-License-Identifier: Apache-2.0
// Authentication options of a [[tunnel]]. An option that names a file may hold its contents
// instead: PEM text, or "0x..." for DER.
#include "config/credentials.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

#include "core/ike/auth/identity.h"
#include "core/sa/weak.h"

namespace anyswan::config {

using crypto::Certificate;
using sa::AuthKind;
using sa::Credentials;
using sa::TunnelRecord;
using wire::ike::Identification;

namespace {

/// What a tunnel's certificates and CRLs may take together; the record must fit into the store.
constexpr std::size_t blobs_size_max = std::size_t{600} << 10U;

WallTime now() {
    return WallTime{std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count()};
}

void wipe_text(std::string& text) {
    wipe(MutableBytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size()));
}

bool is_inline(const std::string& value) {
    return value.starts_with("-----BEGIN") || value.starts_with("0x");
}

/// The contents that an option holds or names; nothing if the file can't be read.
std::optional<Secret> contents_of(const std::string& value) {
    if (value.starts_with("0x")) {
        auto bytes = from_hex(std::string_view(value).substr(2));
        return bytes ? std::optional(Secret(std::move(*bytes))) : std::nullopt;
    }
    if (is_inline(value)) {
        return Secret::copy_of(as_bytes(value));
    }
    std::ifstream file(value, std::ios::binary);
    if (!file) {
        return std::nullopt;
    }
    return Secret(Bytes(std::istreambuf_iterator<char>(file), {}));
}

std::string shown(const std::string& value) {
    return is_inline(value) ? "the text" : value;
}

/// A secret of one line, given as itself or by a file; "0x..." is hex.
Secret read_line_secret(TableReader& table, const char* key, const char* file_key) {
    std::string value;
    if (table.has(key)) {
        (void)table.text(file_key, "");
        value = table.text(key);
    } else {
        (void)table.text(key, "");
        const std::string path = table.text(file_key);
        std::ifstream file(path);
        if (!std::getline(file, value)) {
            table.mistake(file_key, "cannot read a first line from " + path);
        }
    }
    // strongSwan's convention, known to operators: 0x... is hex, 0s... would be Base64 (not
    // offered).
    std::optional<Bytes> hex;
    if (value.starts_with("0x")) {
        hex = from_hex(std::string_view(value).substr(2));
    }
    Secret secret = hex ? Secret(std::move(*hex)) : Secret::copy_of(as_bytes(value));
    wipe_text(value);
    return secret;
}

void leave_out(TableReader& table, const char* key, const char* file_key, const char* why) {
    for (const char* given : {key, file_key}) {
        if (table.has(given)) {
            table.mistake(given, why);
        }
        (void)table.text(given, "");
    }
}

Secret read_psk(TableReader& table, const Credentials& credentials) {
    if (credentials.local == AuthKind::certificate && credentials.remote == AuthKind::certificate) {
        leave_out(table, "psk", "psk_file",
                  "is of no use: both sides authenticate by certificate; remove it");
        return {};
    }
    const bool both = table.has("psk") && table.has("psk_file");
    const bool none = !table.has("psk") && !table.has("psk_file");
    if (both || none) {
        table.mistake("psk", both ? "stands beside psk_file; keep one of the two"
                                  : "is missing; give psk = \"...\" or psk_file = \"PATH\"");
        (void)table.text("psk", "");
        (void)table.text("psk_file", "");
        return {};
    }
    Secret psk = read_line_secret(table, "psk", "psk_file");
    if (psk.size() < 6) {
        table.mistake("psk",
                      "is shorter than 6 octets; use a long random one, e.g. 24 octets from "
                      "`openssl rand -base64 24`");
    }
    return psk;
}

sa::Ppk read_ppk(TableReader& table) {
    sa::Ppk ppk;
    ppk.required = table.flag("ppk_required", false);
    const std::string id = table.text("ppk_id", "");
    const bool key = table.has("ppk") || table.has("ppk_file");
    if (id.empty()) {
        leave_out(table, "ppk", "ppk_file", "needs a ppk_id beside it: the name of that key");
        if (ppk.required) {
            table.mistake("ppk_required", "needs ppk_id and ppk beside it");
        }
        return {};
    }
    if (!key || (table.has("ppk") && table.has("ppk_file"))) {
        table.mistake("ppk_id", "needs one of ppk = \"...\" and ppk_file = \"PATH\" beside it");
        (void)table.text("ppk", "");
        (void)table.text("ppk_file", "");
        return {};
    }
    ppk.id = to_bytes(id);
    ppk.key = read_line_secret(table, "ppk", "ppk_file");
    constexpr std::size_t ppk_size_min = 16;  // RFC 8784 6: 256 bits of entropy are recommended
    if (ppk.key.size() < ppk_size_min) {
        table.mistake("ppk", "is shorter than 16 octets; RFC 8784 recommends 32 random ones");
    }
    return ppk;
}

AuthKind read_kind(TableReader& table, const char* key, AuthKind fallback) {
    const std::string word = table.text(key, sa::name(fallback));
    if (word == "psk" || word == "certificate") {
        return word == "psk" ? AuthKind::psk : AuthKind::certificate;
    }
    table.mistake(key, "\"" + word + "\" is neither \"psk\" nor \"certificate\"");
    return fallback;
}

/// The DER objects that `read` finds in what the option holds or names.
template <class Read>
std::vector<Bytes> read_blobs(TableReader& table, const char* key, const std::string& value,
                              Read read) {
    const auto contents = contents_of(value);
    if (!contents) {
        table.mistake(key, "cannot read " + shown(value) +
                               ": no such file or no permission; give the right path");
        return {};
    }
    auto found = read(contents->reveal());
    if (!found) {
        table.mistake(key, shown(value) + " " + found.error());
        return {};
    }
    return std::move(*found);
}

void check_time(TableReader& table, const char* key, const std::string& value,
                const Certificate& certificate) {
    const std::string about = shown(value) + ": certificate \"" + certificate.subject() + "\" ";
    if (certificate.not_after() < now()) {
        table.mistake(key,
                      about + "expired on " + crypto::utc(certificate.not_after()) + "; renew it");
    } else if (certificate.not_before() > now()) {
        table.mistake(key, about + "is not valid before " + crypto::utc(certificate.not_before()) +
                               "; compare this machine's clock with the CA's");
    }
}

void read_private_key(TableReader& table, const std::string& certificate_file,
                      Credentials& credentials) {
    std::string value = table.text("private_key");
    if (value.empty()) {
        return;
    }
    const auto contents = contents_of(value);
    const std::string file = shown(value);
    wipe_text(value);
    if (!contents) {
        return table.mistake("private_key", "cannot read " + file +
                                                ": no such file or no permission; give the right "
                                                "path, or make it readable");
    }
    const auto key = crypto::PrivateKey::parse(contents->reveal());
    if (!key) {
        return table.mistake("private_key", file + " " + key.error());
    }
    const auto leaf = credentials.certificates.empty()
                          ? std::nullopt
                          : Certificate::from_der(credentials.certificates.front());
    if (leaf && !key->belongs_to(*leaf->public_key())) {
        return table.mistake("private_key", file + " does not belong to the certificate \"" +
                                                leaf->subject() + "\" in " +
                                                shown(certificate_file) +
                                                " (the peer's own certificate comes first there)");
    }
    credentials.private_key = key->to_der();
}

/// Our certificate and key.
void read_ours(TableReader& table, Credentials& credentials) {
    if (credentials.local == AuthKind::psk) {
        for (const char* key : {"certificate", "private_key"}) {
            if (table.has(key)) {
                table.mistake(key, "is of no use with local_auth = \"psk\"; remove one of the two");
            }
            (void)table.text(key, "");
        }
        (void)table.text("rsa_signature", "");
        return;
    }
    const std::string file = table.text("certificate");
    if (!file.empty()) {
        credentials.certificates =
            read_blobs(table, "certificate", file, crypto::read_certificates);
    }
    for (std::size_t i = 0; i < credentials.certificates.size(); ++i) {
        check_time(table, "certificate", file, *Certificate::from_der(credentials.certificates[i]));
    }
    // A root is of no use on the wire: the peer has it or doesn't trust it.
    while (credentials.certificates.size() > 1 &&
           Certificate::from_der(credentials.certificates.back())->self_issued()) {
        credentials.certificates.pop_back();
    }
    read_private_key(table, file, credentials);
    const std::string padding = table.text("rsa_signature", "pss");
    if (padding != "pss" && padding != "pkcs1") {
        table.mistake("rsa_signature", "\"" + padding + "\" is neither \"pss\" nor \"pkcs1\"");
    }
    credentials.rsa_padding = padding == "pkcs1" ? sa::RsaPadding::pkcs1 : sa::RsaPadding::pss;
}

std::optional<std::string> parse_url(const std::string& text) {
    const bool printable =
        std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    const bool scheme = text.starts_with("http://") || text.starts_with("https://");
    return printable && scheme && text.size() <= 255 ? std::optional(text) : std::nullopt;
}

void read_crls(TableReader& table, Credentials& credentials) {
    for (const std::string& file : table.texts("crl_file", std::vector<std::string>{})) {
        for (Bytes& der : read_blobs(table, "crl_file", file, crypto::read_crls)) {
            credentials.crls.push_back(std::move(der));
        }
    }
    credentials.crl_urls = table.parsed_list<std::string>(
        "crl_url", "a URL; write it like \"http://ca.example/ca.crl\"", parse_url,
        std::vector<std::string>{});
    credentials.crl_points = table.flag("crl_points", false);
    const bool none =
        credentials.crls.empty() && credentials.crl_urls.empty() && !credentials.crl_points;
    const std::string word = table.text("crl", none ? "off" : "soft");
    if (word == "soft" || word == "strict") {
        credentials.crl_check = word == "soft" ? crypto::CrlCheck::soft : crypto::CrlCheck::strict;
        if (none && !table.has("crl_file") && !table.has("crl_url")) {
            table.mistake("crl", "\"" + word + "\" needs a crl_file, a crl_url or crl_points");
        }
    } else if (word == "off" && (!credentials.crl_urls.empty() || credentials.crl_points)) {
        table.mistake("crl",
                      "\"off\" looks at no list; take crl_url and crl_points away, or write "
                      "\"soft\" or \"strict\"");
    } else if (word != "off") {
        table.mistake("crl", "\"" + word + "\" is none of \"off\", \"soft\", \"strict\"");
    }
}

/// What the peer's certificate is held against.
void read_trust(TableReader& table, Credentials& credentials) {
    if (credentials.remote == AuthKind::psk) {
        for (const char* key : {"ca", "crl_file", "crl_url", "crl"}) {
            if (table.has(key)) {
                table.mistake(key,
                              "is of no use with remote_auth = \"psk\"; remove one of the two");
            }
            (void)table.texts(key, std::vector<std::string>{});
        }
        if (table.flag("crl_points", false)) {
            table.mistake("crl_points",
                          "is of no use with remote_auth = \"psk\"; remove one of the two");
        }
        return;
    }
    for (const std::string& file : table.texts("ca")) {
        for (Bytes& der : read_blobs(table, "ca", file, crypto::read_certificates)) {
            const Certificate anchor = *Certificate::from_der(der);
            check_time(table, "ca", file, anchor);
            credentials.anchors.push_back({std::move(der), anchor.key_hash()});
        }
    }
    if (table.has("ca") && table.texts("ca").empty()) {
        table.mistake("ca", "is empty; name a file of the CAs that sign the peers' certificates");
    }
    read_crls(table, credentials);
}

std::optional<Identification> identity(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(ike::auth::identity_from(text));
}
constexpr const char* id_form =
    "an identity; write a name, user@host, an address, a distinguished name like \"O=Acme, CN=hq\" "
    "or \"@#hex\"";

/// Ours must be what our certificate says: a peer would refuse anything else.
void read_local_id(TableReader& table, TunnelRecord& tunnel) {
    const auto& chain = tunnel.credentials.certificates;
    const auto leaf = chain.empty() ? std::nullopt : Certificate::from_der(chain.front());
    if (!table.has("local_id") && tunnel.credentials.local == AuthKind::certificate) {
        (void)table.text("local_id", "");
        if (leaf) {
            tunnel.local_id = {wire::ike::IdType::der_asn1_dn, leaf->subject_der()};
        }
        return;
    }
    tunnel.local_id = table.parsed<Identification>("local_id", id_form, identity);
    if (ike::auth::is_pattern(tunnel.local_id)) {
        table.mistake("local_id", "is a pattern; only remote_id may be one");
    }
    if (!leaf || !table.has("local_id")) {
        return;
    }
    if (const auto problem = ike::auth::identity_problem(*leaf, tunnel.local_id)) {
        table.mistake("local_id", *problem);
    } else if (tunnel.local_id.type == wire::ike::IdType::der_asn1_dn) {
        tunnel.local_id.data = leaf->subject_der();  // byte for byte what the peer finds there
    }
    if (const auto problem = leaf->usage_problem()) {
        table.mistake("certificate",
                      "\"" + leaf->subject() + "\" must not be used for IKE: " + *problem);
    }
}

void read_allow_weak(TableReader& table, TunnelRecord& tunnel) {
    tunnel.allow_weak = table.texts("allow_weak", std::vector<std::string>{});
    std::string known;
    for (const sa::Weakness& weakness : sa::weaknesses()) {
        known += (known.empty() ? "\"" : ", \"") + std::string(weakness.word) + "\"";
    }
    for (const std::string& word : tunnel.allow_weak) {
        if (sa::weakness_of(word) == nullptr) {
            table.mistake("allow_weak", "\"" + word + "\" is unknown; this version has " + known);
        }
    }
}

std::size_t size_of(const Credentials& credentials) {
    std::size_t size = 0;
    for (const auto* blobs : {&credentials.certificates, &credentials.crls}) {
        for (const Bytes& der : *blobs) {
            size += der.size();
        }
    }
    for (const sa::TrustAnchor& anchor : credentials.anchors) {
        size += anchor.certificate.size();
    }
    return size;
}

}  // namespace

void read_authentication(TableReader& table, TunnelRecord& tunnel) {
    Credentials& credentials = tunnel.credentials;
    credentials.local = read_kind(table, "local_auth",
                                  table.has("certificate") ? AuthKind::certificate : AuthKind::psk);
    credentials.remote =
        read_kind(table, "remote_auth", table.has("ca") ? AuthKind::certificate : AuthKind::psk);
    read_ours(table, credentials);
    read_trust(table, credentials);
    tunnel.psk = read_psk(table, credentials);
    credentials.ppk = read_ppk(table);
    read_local_id(table, tunnel);
    tunnel.remote_id = table.parsed<Identification>("remote_id", id_form, identity);
    read_allow_weak(table, tunnel);
    if (size_of(credentials) > blobs_size_max) {
        table.mistake(credentials.crls.empty() ? "ca" : "crl_file",
                      "certificates and CRLs of a tunnel are larger than 600 KB together; leave "
                      "out what its peer does not need");
    }
}

namespace {

/// PEM text as it is, anything else as hex.
std::optional<std::string> inlined(const std::string& value) {
    const auto contents = is_inline(value) ? std::nullopt : contents_of(value);
    if (!contents) {
        return std::nullopt;
    }
    const std::string text = to_string(contents->reveal());
    const std::size_t pem = text.find("-----BEGIN");
    return pem == std::string::npos ? "0x" + to_hex(contents->reveal()) : text.substr(pem);
}

void inline_line(toml::table& tunnel, const char* key, const char* file_key) {
    const auto path = tunnel[file_key].value<std::string>();
    if (path) {
        std::string line;
        std::ifstream in(*path);
        std::getline(in, line);
        tunnel.erase(file_key);
        tunnel.insert_or_assign(key, line);
        wipe_text(line);
    }
}

void inline_blob(toml::node& node) {
    if (toml::value<std::string>* value = node.as_string()) {
        if (auto contents = inlined(value->get())) {
            *value = std::move(*contents);
        }
    }
}

}  // namespace

void inline_files(toml::table& root) {
    toml::array* tunnels = root["tunnel"].as_array();
    if (tunnels == nullptr) {
        return;
    }
    for (toml::node& element : *tunnels) {
        toml::table* tunnel = element.as_table();
        if (tunnel == nullptr) {
            continue;
        }
        inline_line(*tunnel, "psk", "psk_file");
        inline_line(*tunnel, "ppk", "ppk_file");
        for (const char* key : {"certificate", "private_key", "ca", "crl_file"}) {
            if (toml::array* list = (*tunnel)[key].as_array()) {
                for (toml::node& item : *list) {
                    inline_blob(item);
                }
            } else if (toml::node* single = tunnel->get(key)) {
                inline_blob(*single);
            }
        }
    }
}

}  // namespace anyswan::config
