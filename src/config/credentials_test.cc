// SPDX-License-Identifier: Apache-2.0
// Authentication options: what is read, and for each mistake the file and the fix.
#include "config/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/config.h"
#include "core/crypto/test_pki.h"

namespace anyswan::config {
namespace {

using crypto::test::issue;
using crypto::test::Issued;
using crypto::test::self_signed;
using sa::AuthKind;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t day_ns = 86'400'000'000'000;

/// These tests meet the machine's own clock: certificates are good from the year 2000 to 2200.
constexpr WallTime year_2000{946'684'800'000'000'000};
constexpr WallTime year_2200{7'258'118'400'000'000'000};

struct Files : testing::Test {
    Files() {
        std::filesystem::create_directories(folder);
        root = self_signed({.subject = "O=Acme, CN=Root",
                            .ca = true,
                            .not_before = year_2000,
                            .not_after = year_2200});
        leaf = make("anycast.example");
        write("ca.pem", crypto::test::pem(root.certificate));
        write("edge.pem", crypto::test::pem(leaf.certificate));
        write("edge.key", crypto::test::pem(leaf.key));
    }
    ~Files() override { std::filesystem::remove_all(folder); }

    [[nodiscard]] Issued make(const std::string& name, WallTime until = year_2200) const {
        return issue({.subject = "O=Acme, CN=" + name,
                      .alternative_names = "DNS:" + name,
                      .not_before = year_2000,
                      .not_after = until},
                     root);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return folder / name; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(folder / name, std::ios::binary) << text;
    }
    void write(const std::string& name, const Bytes& bytes) const {
        write(name, to_string(ByteView(bytes)));
    }
    [[nodiscard]] static std::string tunnel(const std::string& more) {
        return "[[tunnel]]\nid = \"acme/hq\"\nremote_id = \"hq.example\"\n"
               "local_prefixes = [\"10.0.0.0/8\"]\nremote_prefixes = [\"10.1.0.0/16\"]\n" +
               more;
    }
    [[nodiscard]] std::string certified(const std::string& more = {}) const {
        return tunnel("local_id = \"anycast.example\"\ncertificate = \"" + path("edge.pem") +
                      "\"\nprivate_key = \"" + path("edge.key") + "\"\nca = \"" + path("ca.pem") +
                      "\"\n" + more);
    }
    static sa::TunnelRecord read(const std::string& text) {
        auto tunnels = parse_tunnels(text, "t.toml");
        EXPECT_TRUE(tunnels) << (tunnels ? "" : tunnels.error().message);
        return tunnels ? std::move(tunnels->front()) : sa::TunnelRecord{};
    }
    static std::string mistake(const std::string& text) {
        const auto tunnels = parse_tunnels(text, "t.toml");
        EXPECT_FALSE(tunnels);
        return tunnels ? "" : tunnels.error().message;
    }

    std::filesystem::path folder = std::filesystem::path(testing::TempDir()) /
                                   ("anyswan-credentials-" + std::to_string(getpid()));
    Issued root, leaf;
};

TEST_F(Files, CertificatesAreReadWhole) {
    write("chain.pem", crypto::test::pem(leaf.certificate) + crypto::test::pem(root.certificate));
    const sa::TunnelRecord made = read(certified());
    EXPECT_EQ(made.credentials.local, AuthKind::certificate);
    EXPECT_EQ(made.credentials.remote, AuthKind::certificate);
    EXPECT_EQ(made.credentials.certificates, std::vector<Bytes>{leaf.certificate});
    EXPECT_TRUE(crypto::PrivateKey::parse(made.credentials.private_key.reveal())
                    .value()
                    .belongs_to(*leaf.parsed().public_key()));
    ASSERT_EQ(made.credentials.anchors.size(), 1U);
    EXPECT_EQ(made.credentials.anchors[0].key_hash, root.parsed().key_hash());
    EXPECT_EQ(made.credentials.crl_check, crypto::CrlCheck::off);
    EXPECT_TRUE(made.psk.empty());
    EXPECT_EQ(made.local_id, wire::ike::Identification::from_text("anycast.example"));
}

TEST_F(Files, WhatIsInlinedReadsTheSame) {
    write("root.crl", crypto::test::make_crl(root, {}));
    write("ppk", "0x000102030405060708090a0b0c0d0e0f\n");
    const std::string text =
        certified("crl_file = [\"" + path("root.crl") +
                  "\"]\ncrl = \"strict\"\nppk_id = \"p1\"\nppk_file = \"" + path("ppk") + "\"\n");
    auto table = parse_toml(text, "t.toml");
    ASSERT_TRUE(table);
    inline_files(*table);
    std::stringstream inlined;
    inlined << *table;
    EXPECT_THAT(inlined.str(), Not(HasSubstr(folder.string())));
    EXPECT_TRUE(read(inlined.str()) == read(text));
    EXPECT_EQ(read(text).credentials.ppk.key.size(), 16U);
}

TEST_F(Files, TheSidesMayDiffer) {
    const std::string psk = "psk = \"long enough\"\n";
    const sa::TunnelRecord ours =
        read(tunnel("local_id = \"anycast.example\"\ncertificate = \"" + path("edge.pem") +
                    "\"\nprivate_key = \"" + path("edge.key") + "\"\n" + psk));
    EXPECT_EQ(ours.credentials.local, AuthKind::certificate);
    EXPECT_EQ(ours.credentials.remote, AuthKind::psk);
    const sa::TunnelRecord theirs =
        read(tunnel("local_id = \"anycast.example\"\nca = \"" + path("ca.pem") + "\"\n" + psk));
    EXPECT_EQ(theirs.credentials.local, AuthKind::psk);
    EXPECT_EQ(theirs.credentials.remote, AuthKind::certificate);
}

TEST_F(Files, IdentitiesFollowTheCertificate) {
    std::string without = certified();
    without.erase(without.find("local_id = \"anycast.example\"\n"), 29);
    EXPECT_EQ(read(without).local_id.data, leaf.parsed().subject_der());
    EXPECT_THAT(mistake(tunnel("local_id = \"other.example\"\ncertificate = \"" + path("edge.pem") +
                               "\"\nprivate_key = \"" + path("edge.key") + "\"\nca = \"" +
                               path("ca.pem") + "\"\n")),
                HasSubstr("tunnel[1].local_id: certificate \"O=Acme, CN=anycast.example\" names "
                          "\"anycast.example\", not \"other.example\""));
    EXPECT_THAT(mistake(tunnel("local_id = \"*.example\"\npsk = \"long enough\"\n")),
                HasSubstr("only remote_id may be one"));
}

TEST_F(Files, MistakesNameTheFile) {
    const auto with = [&](const std::string& name, const std::string& replaced) {
        std::string text = certified();
        const std::size_t at = text.find(path(name));
        text.replace(at, path(name).size(), path(replaced));
        return mistake(text);
    };
    EXPECT_THAT(with("edge.pem", "none.pem"),
                HasSubstr("tunnel[1].certificate: cannot read " + path("none.pem")));
    EXPECT_THAT(with("edge.pem", "edge.key"), HasSubstr(path("edge.key") + " has no certificate"));
    EXPECT_THAT(with("edge.key", "edge.pem"), HasSubstr(path("edge.pem") + " has no private key"));
    EXPECT_THAT(with("ca.pem", "none.pem"), HasSubstr("tunnel[1].ca: cannot read"));
    const Issued other = make("anycast.example");
    write("other.key", crypto::test::pem(other.key));
    EXPECT_THAT(with("edge.key", "other.key"),
                HasSubstr(path("other.key") +
                          " does not belong to the certificate \"O=Acme, "
                          "CN=anycast.example\" in " +
                          path("edge.pem")));
    write("old.pem",
          crypto::test::pem(
              make("anycast.example", WallTime{year_2000.unix_ns + day_ns}).certificate));
    EXPECT_THAT(with("edge.pem", "old.pem"), HasSubstr("expired on 2000-01-02 00:00 UTC; renew"));
}

TEST_F(Files, RevocationNeedsAList) {
    EXPECT_THAT(mistake(certified("crl = \"strict\"\n")),
                HasSubstr("needs a crl_file, a crl_url or crl_points"));
    EXPECT_THAT(mistake(certified("crl_file = \"" + path("ca.pem") + "\"\n")),
                HasSubstr("has no revocation list"));
    EXPECT_THAT(mistake(certified("crl = \"maybe\"\n")), HasSubstr("is none of \"off\""));
    write("root.crl", crypto::test::make_crl(root, {}));
    EXPECT_EQ(read(certified("crl_file = \"" + path("root.crl") + "\"\n")).credentials.crl_check,
              crypto::CrlCheck::soft);
}

TEST_F(Files, RevocationListsComeByUrl) {
    const auto by_url = read(certified("crl_url = \"http://ca.example/ca.crl\"\n")).credentials;
    EXPECT_EQ(by_url.crl_urls, std::vector<std::string>{"http://ca.example/ca.crl"});
    EXPECT_EQ(by_url.crl_check, crypto::CrlCheck::soft);
    EXPECT_FALSE(by_url.crl_points);
    const auto by_points = read(certified("crl_points = true\ncrl = \"strict\"\n")).credentials;
    EXPECT_TRUE(by_points.crl_points);
    EXPECT_EQ(by_points.crl_check, crypto::CrlCheck::strict);
    EXPECT_THAT(mistake(certified("crl_url = \"ldap://ca.example/ca\"\n")),
                HasSubstr("is not a URL"));
    EXPECT_THAT(mistake(certified("crl_url = \"http://ca.example/a b\"\n")),
                HasSubstr("is not a URL"));
    EXPECT_THAT(mistake(certified("crl_url = \"http://ca.example/ca.crl\"\ncrl = \"off\"\n")),
                HasSubstr("\"off\" looks at no list"));
    EXPECT_THAT(mistake(tunnel("local_id = \"a.example\"\npsk = \"long enough\"\n"
                               "crl_points = true\n")),
                HasSubstr("crl_points: is of no use"));
}

TEST_F(Files, WhatWouldDoNothingIsAMistake) {
    EXPECT_THAT(mistake(certified("psk = \"long enough\"\n")),
                HasSubstr("psk: is of no use: both sides authenticate by certificate"));
    EXPECT_THAT(
        mistake(tunnel("local_id = \"a.example\"\npsk = \"long enough\"\ncrl = \"soft\"\n")),
        HasSubstr("crl: is of no use with remote_auth = \"psk\""));
    EXPECT_THAT(mistake(tunnel("local_id = \"a.example\"\npsk = \"long enough\"\n"
                               "private_key = \"x\"\n")),
                HasSubstr("private_key: is of no use with local_auth = \"psk\""));
    EXPECT_THAT(mistake(tunnel("local_id = \"a.example\"\npsk = \"long enough\"\n"
                               "ppk = \"0123456789abcdef\"\n")),
                HasSubstr("ppk: needs a ppk_id"));
    EXPECT_THAT(mistake(tunnel("local_id = \"a.example\"\npsk = \"long enough\"\n"
                               "allow_weak = [\"md5\"]\n")),
                HasSubstr("\"md5\" is unknown"));
    EXPECT_THAT(mistake(tunnel("local_id = \"a.example\"\nlocal_auth = \"eap\"\n")),
                HasSubstr("\"eap\" is neither \"psk\" nor \"certificate\""));
}

TEST_F(Files, MistakesNeverShowAKey) {
    const std::string key = crypto::test::pem(leaf.key);
    const std::string text = mistake(certified("nonsense = 1\n") + "private_key2 = '''" + key +
                                     "'''\nppk_id = \"p\"\nppk = \"topsecret\"\n");
    EXPECT_THAT(text, Not(HasSubstr("topsecret")));
    EXPECT_THAT(text, Not(HasSubstr(key.substr(40, 30))));
}

}  // namespace
}  // namespace anyswan::config
