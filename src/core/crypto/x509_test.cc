// SPDX-License-Identifier: Apache-2.0
// Certificates, names, chains: what is good, and for what is not the words that say what to change.
#include "core/crypto/x509.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/crypto/crl_points.h"
#include "core/crypto/test_pki.h"

namespace anyswan::crypto {
namespace {

using test::days_from_now;
using test::issue;
using test::Issued;
using test::self_signed;
using test::test_now;
using testing::HasSubstr;

struct Pki : testing::Test {
    Issued root = self_signed({.subject = "O=Acme, CN=Root", .ca = true});
    Issued middle = issue({.subject = "O=Acme, CN=Middle", .ca = true}, root);
    Issued leaf =
        issue({.subject = "C=CH, O=Acme, CN=hq",
               .alternative_names = "DNS:hq.acme.example,IP:198.51.100.7,email:hq@acme.example"},
              middle);

    [[nodiscard]] Trust trust_root() const { return {{root.parsed()}, {}, CrlCheck::off}; }
    [[nodiscard]] std::optional<std::string> problem(const Trust& trust,
                                                     WallTime at = test_now) const {
        return chain_problem(leaf.parsed(), {middle.parsed()}, trust, at);
    }
};

TEST_F(Pki, ACertificateTellsWhereItsListsAre) {
    EXPECT_TRUE(crl_points(leaf.parsed()).empty());
    const Issued pointed = issue({.subject = "CN=hq",
                                  .crl_points = "URI:http://ca.example/a.crl,"
                                                "URI:ldap://ca.example/cn=a,"
                                                "URI:https://ca.example/b.crl"},
                                 root);
    EXPECT_EQ(crl_points(pointed.parsed()),
              (std::vector<std::string>{"http://ca.example/a.crl", "https://ca.example/b.crl"}))
        << "what can be fetched";
    const auto list = Crl::from_der(test::make_crl(root, {}));
    EXPECT_EQ(this_update(*list), days_from_now(-60));
}

TEST_F(Pki, ACertificateTellsWhatStandsInIt) {
    const Certificate certificate = leaf.parsed();
    EXPECT_EQ(certificate.subject(), "C=CH, O=Acme, CN=hq");
    EXPECT_EQ(certificate.issuer(), "O=Acme, CN=Middle");
    EXPECT_EQ(dn_to_text(certificate.subject_der()), certificate.subject());
    const auto names = certificate.alternative_names();
    ASSERT_EQ(names.size(), 3U);
    EXPECT_EQ(names[0].to_string(), "hq.acme.example");
    EXPECT_EQ(names[1].to_string(), "198.51.100.7");
    EXPECT_EQ(names[2].to_string(), "hq@acme.example");
    EXPECT_FALSE(certificate.is_ca());
    EXPECT_FALSE(certificate.self_issued());
    EXPECT_TRUE(root.parsed().is_ca());
    EXPECT_TRUE(root.parsed().self_issued());
    EXPECT_EQ(certificate.public_key()->kind(), KeyKind::ecdsa_p256);
    EXPECT_EQ(certificate.not_after(), days_from_now(3650));
    EXPECT_EQ(utc(certificate.not_before()), "2023-10-15 22:13 UTC");
    EXPECT_EQ(certificate.der(), leaf.certificate);
    EXPECT_EQ(certificate.fingerprint(), sha256({leaf.certificate}));
    EXPECT_EQ(certificate.key_hash().size(), 20U);
    EXPECT_NE(certificate.key_hash(), root.parsed().key_hash());
}

TEST_F(Pki, NoiseIsNoCertificate) {
    EXPECT_FALSE(Certificate::from_der({}).has_value());
    EXPECT_FALSE(Certificate::from_der(to_bytes("noise")).has_value());
    Bytes longer = leaf.certificate;
    longer.push_back(0);
    EXPECT_FALSE(Certificate::from_der(longer).has_value());
    for (std::size_t size = 0; size < leaf.certificate.size(); ++size) {
        EXPECT_FALSE(Certificate::from_der(ByteView(leaf.certificate).first(size)).has_value());
    }
}

TEST_F(Pki, KeyUsageDecidesWhetherItAuthenticates) {
    EXPECT_FALSE(leaf.parsed().usage_problem().has_value());
    const auto usage = [&](const char* key_usage, const char* extended) {
        return issue({.subject = "CN=a", .key_usage = key_usage, .extended_key_usage = extended},
                     root)
            .parsed()
            .usage_problem()
            .value_or("");
    };
    EXPECT_EQ(usage("digitalSignature", "ipsecIKE"), "");
    EXPECT_EQ(usage("nonRepudiation", ""), "");
    EXPECT_EQ(usage("", "serverAuth"), "");
    EXPECT_EQ(usage("", "codeSigning,anyExtendedKeyUsage"), "");
    EXPECT_THAT(usage("keyEncipherment", ""), HasSubstr("lacks digitalSignature"));
    EXPECT_THAT(usage("digitalSignature", "codeSigning"), HasSubstr("extended key usage"));
}

TEST_F(Pki, AChainToAnAnchorIsGood) {
    EXPECT_EQ(problem(trust_root()), std::nullopt);
    // Any certificate may be the anchor: an intermediate, or the peer's own.
    EXPECT_EQ(problem({{middle.parsed()}, {}, CrlCheck::off}), std::nullopt);
    EXPECT_EQ(problem({{leaf.parsed()}, {}, CrlCheck::off}), std::nullopt);
}

TEST_F(Pki, AnotherCaOrAGapIsNot) {
    const Issued stranger = self_signed({.subject = "CN=Stranger", .ca = true});
    EXPECT_THAT(*problem({{stranger.parsed()}, {}, CrlCheck::off}),
                HasSubstr("certificate \"O=Acme, CN=Middle\" is signed by \"O=Acme, CN=Root\"; the "
                          "tunnel trusts \"CN=Stranger\""));
    EXPECT_THAT(*chain_problem(leaf.parsed(), {}, trust_root(), test_now),
                HasSubstr("\"C=CH, O=Acme, CN=hq\" is signed by \"O=Acme, CN=Middle\"; the tunnel "
                          "trusts \"O=Acme, CN=Root\": add that CA"));
    EXPECT_THAT(*chain_problem(stranger.parsed(), {}, trust_root(), test_now),
                HasSubstr("is self-signed"));
    // The same name with another key.
    const Issued double_of_root = self_signed({.subject = "O=Acme, CN=Root", .ca = true});
    EXPECT_TRUE(problem({{double_of_root.parsed()}, {}, CrlCheck::off}).has_value());
}

TEST_F(Pki, TimeCounts) {
    EXPECT_THAT(*problem(trust_root(), days_from_now(4000)),
                HasSubstr("expired on 2033-11-11 22:13 UTC"));
    EXPECT_THAT(*problem(trust_root(), days_from_now(-31)),
                HasSubstr("is not valid before 2023-10-15 22:13 UTC"));
}

TEST_F(Pki, OnlyACaSigns) {
    const Issued child = issue({.subject = "CN=child"}, leaf);
    EXPECT_TRUE(
        chain_problem(child.parsed(), {leaf.parsed(), middle.parsed()}, trust_root(), test_now)
            .has_value());
}

TEST_F(Pki, WeakKeysAndHashesAreRefused) {
    const Issued short_key =
        issue({.subject = "CN=short", .kind = KeyKind::rsa, .rsa_bits = 1024}, root);
    EXPECT_THAT(*chain_problem(short_key.parsed(), {}, trust_root(), test_now),
                HasSubstr("has a key that is too short"));
    const Issued sha1 = issue({.subject = "CN=old", .digest = "SHA1"}, root);
    EXPECT_THAT(*chain_problem(sha1.parsed(), {}, trust_root(), test_now),
                HasSubstr("allow_weak = [\"sha1-signatures\"]"));
    Trust allowing = trust_root();
    allowing.sha1 = Sha1Signatures::allow;
    EXPECT_EQ(chain_problem(sha1.parsed(), {}, allowing, test_now), std::nullopt);
    const Issued rsa = self_signed({.subject = "CN=RSA", .kind = KeyKind::rsa, .ca = true});
    const Issued md5 = issue({.subject = "CN=older", .digest = "MD5"}, rsa);
    allowing.anchors = {rsa.parsed()};
    EXPECT_THAT(*chain_problem(md5.parsed(), {}, allowing, test_now),
                HasSubstr("is signed with a broken hash"));
}

struct Revocation : Pki {
    [[nodiscard]] std::optional<std::string> problem_with(CrlCheck how, std::vector<Bytes> crls,
                                                          WallTime at = test_now) const {
        Trust trust = trust_root();
        trust.crl_check = how;
        for (const Bytes& der : crls) {
            trust.crls.push_back(*Crl::from_der(der));
        }
        return problem(trust, at);
    }
    Bytes of_root = test::make_crl(root, {});
    Bytes of_middle = test::make_crl(middle, {});
    Bytes revoking = test::make_crl(middle, {leaf.certificate});
};

TEST_F(Revocation, StrictWantsACrlOfEveryIssuer) {
    EXPECT_EQ(problem_with(CrlCheck::strict, {of_root, of_middle}), std::nullopt);
    EXPECT_THAT(*problem_with(CrlCheck::strict, {of_root}),
                HasSubstr("there is no CRL of \"O=Acme, CN=Middle\""));
    EXPECT_TRUE(problem_with(CrlCheck::strict, {of_middle}).has_value());
    EXPECT_THAT(*problem_with(CrlCheck::strict, {of_root, of_middle}, days_from_now(40)),
                HasSubstr("out of date since 2023-12-14 22:13 UTC"));
}

TEST_F(Revocation, SoftMindsOnlyWhatACrlSays) {
    EXPECT_EQ(problem_with(CrlCheck::soft, {}), std::nullopt);
    EXPECT_EQ(problem_with(CrlCheck::soft, {of_middle}, days_from_now(40)), std::nullopt);
    EXPECT_THAT(
        *problem_with(CrlCheck::soft, {revoking}),
        HasSubstr("\"C=CH, O=Acme, CN=hq\" is revoked by the CRL of \"O=Acme, CN=Middle\""));
    EXPECT_THAT(*problem_with(CrlCheck::soft, {revoking}, days_from_now(40)),
                HasSubstr("is revoked"))
        << "an old list still counts";
    EXPECT_THAT(*problem_with(CrlCheck::strict, {of_root, revoking}), HasSubstr("is revoked"));
    EXPECT_EQ(problem_with(CrlCheck::off, {revoking}), std::nullopt);
}

TEST_F(Revocation, AnAnchorNeedsNoCrl) {
    Trust trust{{middle.parsed()}, {*Crl::from_der(of_middle)}, CrlCheck::strict};
    EXPECT_EQ(problem(trust), std::nullopt);
}

TEST_F(Revocation, ACrlOfSomebodyElseSaysNothing) {
    const Issued stranger = self_signed({.subject = "O=Acme, CN=Middle", .ca = true});
    EXPECT_TRUE(
        problem_with(CrlCheck::strict, {of_root, test::make_crl(stranger, {})}).has_value());
    EXPECT_EQ(Crl::from_der(revoking)->issuer(), "O=Acme, CN=Middle");
    EXPECT_TRUE(Crl::from_der(revoking)->signed_by(middle.parsed()));
    EXPECT_FALSE(Crl::from_der(revoking)->signed_by(root.parsed()));
    EXPECT_FALSE(Crl::from_der(to_bytes("noise")).has_value());
}

TEST_F(Pki, FilesMayHoldSeveral) {
    const std::string two = test::pem(leaf.certificate) + test::pem(middle.certificate);
    const auto both = read_certificates(as_bytes(two));
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(both.value(), (std::vector<Bytes>{leaf.certificate, middle.certificate}));
    EXPECT_EQ(read_certificates(leaf.certificate).value(), std::vector<Bytes>{leaf.certificate});
    EXPECT_THAT(read_certificates(as_bytes("nothing")).error(), HasSubstr("has no certificate"));
    const Bytes crl = test::make_crl(root, {});
    EXPECT_EQ(read_crls(crl).value(), std::vector<Bytes>{crl});
    EXPECT_THAT(read_crls(leaf.certificate).error(), HasSubstr("has no revocation list"));
}

TEST(DistinguishedName, GoesToTextAndBack) {
    for (const char* text : {"CN=hq", "C=CH, ST=Zug, L=Zug, O=Acme, OU=Net, CN=hq.acme.example",
                             "O=Acme\\, Inc., CN=a", "DC=example, DC=acme, CN=x"}) {
        const auto der = dn_from_text(text);
        ASSERT_TRUE(der.has_value()) << text;
        EXPECT_EQ(dn_to_text(*der), text);
    }
    EXPECT_EQ(dn_from_text("C = CH , CN = hq"), dn_from_text("C=CH,CN=hq"));
    for (const char* text : {"", "hq.acme.example", "CN=", "=x", "NOSUCH=x", "CN=a,,CN=b"}) {
        EXPECT_FALSE(dn_from_text(text).has_value()) << text;
    }
    EXPECT_EQ(dn_to_text(to_bytes("noise")), "?");
}

TEST(DistinguishedName, MatchesExactlyOrByWildcard) {
    const auto match = [](const char* pattern, const char* name) {
        return match_dn(*dn_from_text(pattern), *dn_from_text(name));
    };
    EXPECT_EQ(match("C=CH, CN=hq", "C=CH, CN=hq"), DnMatch::exact);
    EXPECT_EQ(match("C=CH, CN=HQ  one", "C=CH, CN=hq One"), DnMatch::exact) << "RFC 5280 7.1";
    EXPECT_EQ(match("C=CH, CN=*", "C=CH, CN=hq"), DnMatch::by_wildcard);
    EXPECT_EQ(match("C=CH, CN=*", "C=DE, CN=hq"), DnMatch::none);
    EXPECT_EQ(match("C=CH, CN=*", "C=CH, O=hq"), DnMatch::none);
    EXPECT_EQ(match("C=CH, CN=*", "C=CH, O=Acme, CN=hq"), DnMatch::none);
    EXPECT_EQ(match("CN=*, C=CH", "C=CH, CN=hq"), DnMatch::none) << "order counts";
    EXPECT_EQ(match("C=CH, CN=h*", "C=CH, CN=hq"), DnMatch::none) << "whole values only";
    EXPECT_EQ(match_dn(*dn_from_text("CN=a"), to_bytes("noise")), DnMatch::none);
}

}  // namespace
}  // namespace anyswan::crypto
