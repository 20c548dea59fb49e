// SPDX-License-Identifier: Apache-2.0
// Authentication between two engines: certificates of every kind on either side, mixed with
// pre-shared keys, PPKs, identities by pattern; and for each refusal the words for the operator,
// the same answer on the wire, and no state left behind.
#include <gmock/gmock.h>

#include <functional>

#include "core/crypto/test_pki.h"
#include "core/ike/auth/identity.h"
#include "core/ike/auth/signature.h"
#include "core/ike/helpers.h"

namespace anyswan::ike::test {
namespace {

using crypto::HashId;
using crypto::KeyKind;
using crypto::test::Issued;
using sa::AuthKind;
using testing::HasSubstr;
using wire::ike::AuthMethod;
using wire::ike::Identification;

/// A root, an intermediate CA below it, a stranger; certificates are made once for all tests.
struct Pki {
    Issued root = crypto::test::self_signed({.subject = "O=Acme, CN=Root", .ca = true});
    Issued middle = crypto::test::issue({.subject = "O=Acme, CN=Middle", .ca = true}, root);
    Issued stranger = crypto::test::self_signed({.subject = "CN=Stranger", .ca = true});
    Issued edge = of("edge", KeyKind::ecdsa_p256);
    Issued hq = of("hq.acme", KeyKind::ecdsa_p256);

    [[nodiscard]] Issued of(const std::string& name, KeyKind kind) const {
        return crypto::test::issue({.subject = "O=Acme, CN=" + name,
                                    .kind = kind,
                                    .alternative_names = "DNS:" + name + ".example"},
                                   root);
    }
};
const Pki& pki() {
    static const Pki made;
    return made;
}

sa::TrustAnchor anchor(const Issued& ca) {
    return {ca.certificate, ca.parsed().key_hash()};
}

/// The tunnel proves itself by this certificate.
void prove_by(sa::TunnelRecord& tunnel, const Issued& leaf,
              const std::vector<Bytes>& intermediates = {}) {
    tunnel.credentials.local = AuthKind::certificate;
    tunnel.credentials.certificates = {leaf.certificate};
    for (const Bytes& der : intermediates) {
        tunnel.credentials.certificates.push_back(der);
    }
    tunnel.credentials.private_key = leaf.key.clone();
}

/// The tunnel wants a certificate of its peer.
void trust(sa::TunnelRecord& tunnel, const std::vector<const Issued*>& cas) {
    tunnel.credentials.remote = AuthKind::certificate;
    tunnel.credentials.anchors.clear();
    for (const Issued* ca : cas) {
        tunnel.credentials.anchors.push_back(anchor(*ca));
    }
}

struct Certificates : testing::Test {
    Certificates() {
        for (sa::TunnelRecord* tunnel : {&router(), &fleet()}) {
            tunnel->psk = Secret();
            trust(*tunnel, {&pki().root});
        }
        prove_by(router(), pki().hq);
        prove_by(fleet(), pki().edge);
    }
    sa::TunnelRecord& router() { return world.customer.directory.tunnels[0]; }
    sa::TunnelRecord& fleet() { return world.fleet.directory.tunnels[0]; }
    std::string fleet_said() { return world.fleet.text(EventKind::ike_sa_established); }
    std::string router_said() { return world.customer.text(EventKind::ike_sa_established); }

    /// The fleet refuses the router: AUTHENTICATION_FAILED, no state, nothing written.
    std::string refused() {
        world.initiate();
        EXPECT_EQ(world.fleet.count(EventKind::authentication_failed), 1);
        EXPECT_EQ(world.fleet.state(), "none");
        EXPECT_EQ(world.customer.state(), "none");
        EXPECT_TRUE(world.fleet.ike_sas.empty());
        EXPECT_TRUE(world.fleet.children.empty());
        EXPECT_TRUE(world.fleet.endpoints.empty());
        EXPECT_TRUE(world.customer.ike_sas.empty());
        EXPECT_THAT(world.customer.text(EventKind::peer_refused),
                    HasSubstr("AUTHENTICATION_FAILED"));
        EXPECT_EQ(world.trace.back().datagram.bytes.size(), refusal_size());
        return world.fleet.text(EventKind::authentication_failed);
    }
    /// What an answer to a wrong pre-shared key measures.
    static std::size_t refusal_size() {
        World other;
        other.customer.directory.tunnels[0].psk = Secret::copy_of(as_bytes("wrong"));
        other.initiate();
        return other.trace.back().datagram.bytes.size();
    }
    /// The router refuses the fleet, and tells it: nothing stays on either side.
    std::string router_refused() {
        world.initiate();
        EXPECT_EQ(world.customer.count(EventKind::authentication_failed), 1);
        EXPECT_EQ(world.customer.state(), "none");
        EXPECT_EQ(world.fleet.state(), "none");
        EXPECT_TRUE(world.customer.ike_sas.empty());
        EXPECT_EQ(world.fleet.live_children(), 0U);
        return world.customer.text(EventKind::authentication_failed);
    }
    World world;
};

struct KindCase {
    KeyKind kind;
    sa::RsaPadding padding;
    const char* how;
};

class EveryKey : public Certificates, public testing::WithParamInterface<KindCase> {};

TEST_P(EveryKey, OnBothSides) {
    prove_by(router(), pki().of("hq.acme", GetParam().kind));
    prove_by(fleet(), pki().of("edge", GetParam().kind));
    router().credentials.rsa_padding = fleet().credentials.rsa_padding = GetParam().padding;
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_THAT(fleet_said(),
                HasSubstr("by certificate \"O=Acme, CN=hq.acme\", " + std::string(GetParam().how)));
    EXPECT_THAT(router_said(),
                HasSubstr("by certificate \"O=Acme, CN=edge\", " + std::string(GetParam().how)));
    EXPECT_EQ(world.fleet.count(EventKind::weak_algorithm), 0);
}

TEST_P(EveryKey, FromTheFleetsSide) {
    prove_by(router(), pki().of("hq.acme", GetParam().kind));
    prove_by(fleet(), pki().of("edge", GetParam().kind));
    world.initiate_from_fleet();
    EXPECT_TRUE(world.up());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, EveryKey,
    testing::Values(KindCase{KeyKind::rsa, sa::RsaPadding::pss, "RSA-PSS with SHA2-256"},
                    KindCase{KeyKind::rsa, sa::RsaPadding::pkcs1, "RSA PKCS#1 v1.5 with SHA2-256"},
                    KindCase{KeyKind::ecdsa_p256, {}, "ECDSA with SHA2-256"},
                    KindCase{KeyKind::ecdsa_p384, {}, "ECDSA with SHA2-384"},
                    KindCase{KeyKind::ecdsa_p521, {}, "ECDSA with SHA2-512"},
                    KindCase{KeyKind::ed25519, {}, "Ed25519"}));

TEST_F(Certificates, TheSidesMayUseDifferentKinds) {
    for (const bool router_by_psk : {true, false}) {
        World mixed;
        sa::TunnelRecord& ours = mixed.fleet.directory.tunnels[0];
        sa::TunnelRecord& theirs = mixed.customer.directory.tunnels[0];
        prove_by(router_by_psk ? ours : theirs, router_by_psk ? pki().edge : pki().hq);
        trust(router_by_psk ? theirs : ours, {&pki().root});
        mixed.initiate();
        EXPECT_TRUE(mixed.up()) << router_by_psk;
    }
}

TEST_F(Certificates, IntermediatesAreSentAndUsed) {
    const Issued leaf = crypto::test::issue(
        {.subject = "CN=below", .alternative_names = "DNS:hq.acme.example"}, pki().middle);
    prove_by(router(), leaf, {pki().middle.certificate});
    world.initiate();
    EXPECT_TRUE(world.up());
}

TEST_F(Certificates, OfADistinguishedNameOrAnAddress) {
    const Issued by_name = crypto::test::issue({.subject = "C=CH, O=Acme, CN=hq"}, pki().root);
    prove_by(router(), by_name);
    router().local_id = fleet().remote_id = auth::identity_from("C=CH, O=Acme, CN=hq");
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_THAT(fleet_said(), HasSubstr("IKE SA established with C=CH, O=Acme, CN=hq,"));
    const Issued by_address = crypto::test::issue(
        {.subject = "CN=a", .alternative_names = "IP:198.51.100.7"}, pki().root);
    World other;
    other.customer.directory.tunnels[0] = router().clone();
    other.fleet.directory.tunnels[0] = fleet().clone();
    prove_by(other.customer.directory.tunnels[0], by_address);
    other.customer.directory.tunnels[0].local_id = other.fleet.directory.tunnels[0].remote_id =
        Identification::from_text("198.51.100.7");
    other.initiate();
    EXPECT_TRUE(other.up());
}

TEST_F(Certificates, APeersOwnCertificateMayBeTheAnchor) {
    const Issued alone = crypto::test::self_signed(
        {.subject = "CN=alone", .alternative_names = "DNS:hq.acme.example"});
    prove_by(router(), alone);
    trust(fleet(), {&alone});
    world.initiate();
    EXPECT_TRUE(world.up());
}

TEST_F(Certificates, CertreqNamesTheAnchorsKeys) {
    world.initiate();
    const auto response = *wire::ike::Message::parse(world.trace[1].datagram.bytes);
    const auto* asked = response.find<wire::ike::CertificateRequest>();
    ASSERT_NE(asked, nullptr);
    EXPECT_EQ(asked->encoding, 4);
    EXPECT_EQ(asked->authority, pki().root.parsed().key_hash());
    EXPECT_NE(find_notify(response.payloads, wire::ike::NotifyType::supported_auth_methods),
              nullptr);
}

TEST_F(Certificates, PskTunnelsSayNothingOfCertificates) {
    World plain;
    plain.initiate();
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
        const auto message = *wire::ike::Message::parse(plain.trace[i].datagram.bytes);
        EXPECT_EQ(message.find<wire::ike::CertificateRequest>(), nullptr);
        for (const auto type :
             {wire::ike::NotifyType::signature_hash_algorithms,
              wire::ike::NotifyType::supported_auth_methods, wire::ike::NotifyType::use_ppk}) {
            EXPECT_EQ(find_notify(message.payloads, type), nullptr);
        }
    }
}

// Refusals by the responder.

TEST_F(Certificates, OfAnotherCa) {
    prove_by(router(), crypto::test::issue(
                           {.subject = "CN=hq.acme", .alternative_names = "DNS:hq.acme.example"},
                           pki().stranger));
    EXPECT_THAT(refused(), HasSubstr("for tunnel acme/hq: certificate \"CN=hq.acme\" is signed by "
                                     "\"CN=Stranger\"; the tunnel trusts \"O=Acme, CN=Root\": add "
                                     "that CA to the tunnel's trust anchors"));
}

TEST_F(Certificates, WithoutItsIntermediate) {
    prove_by(router(), crypto::test::issue(
                           {.subject = "CN=below", .alternative_names = "DNS:hq.acme.example"},
                           pki().middle));
    EXPECT_THAT(refused(), HasSubstr("if it is an intermediate CA, have the peer send its"));
}

TEST_F(Certificates, Expired) {
    prove_by(router(), crypto::test::issue({.subject = "CN=old",
                                            .alternative_names = "DNS:hq.acme.example",
                                            .not_after = crypto::test::days_from_now(-1)},
                                           pki().root));
    EXPECT_THAT(refused(), HasSubstr("certificate \"CN=old\" expired on 2023-11-13 22:13 UTC"));
}

TEST_F(Certificates, NotYetValid) {
    prove_by(router(), crypto::test::issue({.subject = "CN=new",
                                            .alternative_names = "DNS:hq.acme.example",
                                            .not_before = crypto::test::days_from_now(1)},
                                           pki().root));
    EXPECT_THAT(refused(), HasSubstr("is not valid before 2023-11-15 22:13 UTC"));
}

TEST_F(Certificates, OfAnotherName) {
    prove_by(router(), pki().of("dc.acme", KeyKind::ecdsa_p256));
    EXPECT_THAT(refused(), HasSubstr("certificate \"O=Acme, CN=dc.acme\" names "
                                     "\"dc.acme.example\", not \"hq.acme.example\" (ID_FQDN)"));
}

TEST_F(Certificates, WhoseCommonNameAloneIsRight) {
    prove_by(router(), crypto::test::issue({.subject = "CN=hq.acme.example"}, pki().root));
    EXPECT_THAT(refused(), HasSubstr("names no SubjectAltName"));
}

TEST_F(Certificates, Revoked) {
    fleet().credentials.crl_check = crypto::CrlCheck::soft;
    fleet().credentials.crls = {crypto::test::make_crl(pki().root, {pki().hq.certificate})};
    EXPECT_THAT(refused(), HasSubstr("is revoked by the CRL of \"O=Acme, CN=Root\""));
}

TEST_F(Certificates, WithoutACrlWhereOneIsDemanded) {
    fleet().credentials.crl_check = crypto::CrlCheck::strict;
    EXPECT_THAT(refused(), HasSubstr("there is no CRL of \"O=Acme, CN=Root\""));
}

TEST_F(Certificates, WhoseListsAreWantedIfTheyLeadToAnAnchor) {
    const std::string url = "http://ca.example/a.crl";
    const auto pointed = [&url](const Issued& issuer) {
        return crypto::test::issue({.subject = "CN=hq.acme",
                                    .alternative_names = "DNS:hq.acme.example",
                                    .crl_points = "URI:" + url},
                                   issuer);
    };
    fleet().credentials.crl_check = crypto::CrlCheck::strict;
    prove_by(router(), pointed(pki().root));
    EXPECT_THAT(refused(), HasSubstr("there is no CRL of \"O=Acme, CN=Root\""));
    EXPECT_TRUE(world.fleet.crls_wanted.empty()) << "the tunnel doesn't go by them";
    fleet().credentials.crl_points = true;
    world.initiate();
    EXPECT_EQ(world.fleet.crls_wanted, std::vector<std::string>{url});
    prove_by(router(), pointed(pki().stranger));
    world.initiate();
    EXPECT_EQ(world.fleet.crls_wanted.size(), 1U) << "a stranger has us fetch nothing";
}

TEST_F(Certificates, ForAnotherPurpose) {
    prove_by(router(), crypto::test::issue({.subject = "CN=mail",
                                            .alternative_names = "DNS:hq.acme.example",
                                            .key_usage = "keyEncipherment"},
                                           pki().root));
    EXPECT_THAT(refused(), HasSubstr("must not be used for IKE: its key usage lacks"));
}

TEST_F(Certificates, WithAnothersPrivateKey) {
    router().credentials.private_key = pki().edge.key.clone();
    EXPECT_THAT(refused(), HasSubstr("the private key does not belong to the certificate"));
}

TEST_F(Certificates, WhereAPskIsExpected) {
    fleet().credentials.remote = AuthKind::psk;
    fleet().psk = Secret::copy_of(as_bytes("some shared key"));
    EXPECT_THAT(refused(), HasSubstr("needs a pre-shared key: set the router to that"));
}

TEST_F(Certificates, APskWhereACertificateIsExpected) {
    router().credentials.local = AuthKind::psk;
    router().psk = Secret::copy_of(as_bytes("some shared key"));
    EXPECT_THAT(refused(), HasSubstr("authenticates with Shared Key Message Integrity Code"));
    EXPECT_THAT(world.fleet.text(EventKind::authentication_failed),
                HasSubstr("tunnel acme/hq needs a certificate"));
}

// Refusals by the initiator.

TEST_F(Certificates, AResponderOfAnotherCaIsRefused) {
    trust(router(), {&pki().stranger});
    EXPECT_THAT(router_refused(),
                HasSubstr("certificate \"O=Acme, CN=edge\" is signed by \"O=Acme, CN=Root\"; the "
                          "tunnel trusts \"CN=Stranger\""));
}

TEST_F(Certificates, AResponderOfAnotherNameIsRefused) {
    prove_by(fleet(), pki().of("mallory", KeyKind::ecdsa_p256));
    EXPECT_THAT(router_refused(), HasSubstr("names \"mallory.example\", not \"edge.example\""));
}

TEST_F(Certificates, AResponderWhoCantSignFails) {
    fleet().credentials.private_key = Secret::copy_of(as_bytes("no key"));
    EXPECT_THAT(refused(), HasSubstr("the tunnel's private key can't be used"));
}

// RFC 7427, its predecessors, SHA-1.

struct Signing : testing::Test {
    Signing() {
        trust(verifier, {&pki().root});
        octets = to_bytes("what AUTH covers");
    }
    /// What the verifier says of a signature made under these terms.
    Expected<auth::AcceptedCertificate, std::string> exchange(KeyKind kind,
                                                              const auth::Terms& terms) {
        const Issued leaf = pki().of("hq.acme", kind);
        prove_by(signer, leaf);
        const auto made = auth::sign_auth(signer, terms, octets);
        if (!made) {
            return Unexpected{made.error()};
        }
        method = made.value().method;
        std::vector<wire::ike::Payload> payloads;
        auth::append_certificates(payloads, signer);
        return auth::check_signature(verifier, *made, verifier.remote_id, payloads, octets,
                                     crypto::test::test_now);
    }
    sa::TunnelRecord signer = customer_tunnel();
    sa::TunnelRecord verifier = fleet_tunnel();
    Bytes octets;
    AuthMethod method{};
};

TEST_F(Signing, WithoutRfc7427TakesTheOldMethods) {
    const std::pair<KeyKind, AuthMethod> old[] = {
        {KeyKind::rsa, AuthMethod::rsa_digital_signature},
        {KeyKind::ecdsa_p256, AuthMethod::ecdsa_sha256_p256},
        {KeyKind::ecdsa_p384, AuthMethod::ecdsa_sha384_p384},
        {KeyKind::ecdsa_p521, AuthMethod::ecdsa_sha512_p521}};
    for (const auto& [kind, expected] : old) {
        const auto accepted = exchange(kind, {});
        EXPECT_TRUE(accepted.has_value()) << name(kind) << ": " << accepted.error();
        EXPECT_EQ(method, expected);
    }
    const auto none = exchange(KeyKind::ed25519, {});
    ASSERT_FALSE(none.has_value());
    EXPECT_THAT(none.error(), HasSubstr("Ed25519, which the peer can't verify (it does not know"));
}

TEST_F(Signing, TakesAHashThatThePeerAnnounced) {
    auth::Terms terms;
    terms.hashes = {{HashId::sha2_512}};
    EXPECT_THAT(exchange(KeyKind::ecdsa_p256, terms).value().text, HasSubstr("with SHA2-512"));
    EXPECT_EQ(method, AuthMethod::digital_signature);
    const auto none = exchange(KeyKind::ed25519, terms);
    ASSERT_FALSE(none.has_value());
    EXPECT_THAT(none.error(), HasSubstr("it announced the hashes SHA2-512"));
    terms.hashes = {{HashId::identity}};
    EXPECT_TRUE(exchange(KeyKind::ed25519, terms).has_value());
    EXPECT_TRUE(exchange(KeyKind::rsa, terms).has_value());
    EXPECT_EQ(method, AuthMethod::rsa_digital_signature) << "no hash in common: the old method";
}

TEST_F(Signing, HonoursWhatThePeerAnnounced) {
    auth::Terms terms;
    terms.hashes = {{HashId::sha2_256, HashId::sha2_384}};
    terms.methods = {
        {AuthMethod::shared_key_mic, {}},
        {AuthMethod::digital_signature,
         crypto::SignatureAlgorithm{crypto::SignatureScheme::rsa_pkcs1, HashId::sha2_384}}};
    EXPECT_THAT(exchange(KeyKind::rsa, terms).value().text,
                HasSubstr("RSA PKCS#1 v1.5 with SHA2-384"));
    terms.methods.clear();
    EXPECT_THAT(exchange(KeyKind::rsa, terms).value().text, HasSubstr("RSA-PSS with SHA2-256"));
    signer.credentials.rsa_padding = sa::RsaPadding::pkcs1;
    EXPECT_THAT(exchange(KeyKind::rsa, terms).value().text,
                HasSubstr("RSA PKCS#1 v1.5 with SHA2-256"));
}

TEST_F(Signing, Sha1OnlyWhereTheTunnelAllowsIt) {
    signer.allow_weak = {sa::weak_sha1_signatures};
    for (const bool knows_rfc7427 : {false, true}) {
        auth::Terms terms;
        if (knows_rfc7427) {
            terms.hashes = {{HashId::sha1}};
        }
        verifier.allow_weak.clear();
        const auto refused = exchange(KeyKind::rsa, terms);
        ASSERT_FALSE(refused.has_value());
        EXPECT_THAT(refused.error(), HasSubstr("SHA-1 is broken"));
        EXPECT_THAT(refused.error(), HasSubstr("allow_weak = [\"sha1-signatures\"]"));
        verifier.allow_weak = {sa::weak_sha1_signatures};
        const auto accepted = exchange(KeyKind::rsa, terms);
        ASSERT_TRUE(accepted.has_value());
        EXPECT_TRUE(accepted.value().sha1);
    }
}

TEST_F(Signing, ASha1CertificateIsReported) {
    const Issued old = crypto::test::issue(
        {.subject = "CN=old", .alternative_names = "DNS:hq.acme.example", .digest = "SHA1"},
        pki().root);
    for (const bool allowed : {false, true}) {
        World world;
        prove_by(world.customer.directory.tunnels[0], old);
        trust(world.fleet.directory.tunnels[0], {&pki().root});
        if (allowed) {
            world.fleet.directory.tunnels[0].allow_weak = {sa::weak_sha1_signatures};
        }
        world.initiate();
        EXPECT_EQ(world.up(), allowed);
        EXPECT_EQ(world.fleet.count(EventKind::weak_algorithm), allowed ? 1 : 0);
    }
}

TEST_F(Signing, AnAnchorCanBeThePeersUnsentCertificate) {
    trust(verifier, {&pki().stranger, &pki().hq});
    prove_by(signer, pki().hq);
    const auto made = auth::sign_auth(signer, {}, octets);
    ASSERT_TRUE(made.has_value());
    const auto with_id = [&](std::string_view claimed) {
        return auth::check_signature(verifier, made.value(), auth::identity_from(claimed), {},
                                     octets, crypto::test::test_now);
    };
    EXPECT_TRUE(with_id("hq.acme.example").has_value());
    EXPECT_THAT(with_id("dc.acme.example").error(), HasSubstr("it sent no certificate"));
}

TEST_F(Signing, WhatIsNoCertificateIsNamed) {
    const wire::ike::Authentication proof{AuthMethod::digital_signature, Bytes(20, 1)};
    const auto said = [&](std::vector<wire::ike::Payload> payloads) {
        return auth::check_signature(verifier, proof, verifier.remote_id, payloads, octets,
                                     crypto::test::test_now)
            .error();
    };
    EXPECT_THAT(said({}), HasSubstr("it sent no certificate"));
    EXPECT_THAT(said({{wire::ike::Certificate{12, Bytes(40)}}}),
                HasSubstr("\"Hash and URL of X.509 certificate\", which is not supported"));
    EXPECT_THAT(said({{wire::ike::Certificate{4, Bytes(40)}}}),
                HasSubstr("is no X.509 certificate"));
    EXPECT_THAT(said({{wire::ike::Certificate{4, pki().hq.certificate}}}),
                HasSubstr("signs with the algorithm 01, which is unknown"));
    verifier.remote_id = {wire::ike::IdType::key_id, {1, 2}};
    EXPECT_THAT(said({{wire::ike::Certificate{4, pki().hq.certificate}}}),
                HasSubstr("of type ID_KEY_ID can't be proved by a certificate"));
}

// PPK (RFC 8784).

struct Ppks : Certificates {
    Ppks() {
        world.customer.directory.tunnels[0] = customer_tunnel();
        world.fleet.directory.tunnels[0] = fleet_tunnel();
    }
    static sa::Ppk ppk(std::string_view id, std::string_view key, bool required = false) {
        return {to_bytes(id), Secret::copy_of(as_bytes(key)), required};
    }
    bool both_used() {
        return fleet_said().find("with a PPK") != std::string::npos &&
               router_said().find("with a PPK") != std::string::npos;
    }
};

TEST_F(Ppks, AreMixedInOnBothSides) {
    for (const bool required : {false, true}) {
        World fresh;
        fresh.customer.directory.tunnels[0].credentials.ppk = ppk("ppk1", "a long key", required);
        fresh.fleet.directory.tunnels[0].credentials.ppk = ppk("ppk1", "a long key", required);
        fresh.initiate();
        EXPECT_TRUE(fresh.up());
        EXPECT_THAT(fresh.fleet.text(EventKind::ike_sa_established), HasSubstr("with a PPK"));
        EXPECT_EQ(fresh.customer.ike_sa()->sk_d, fresh.fleet.ike_sa()->sk_d);
        // A request of the established SA needs the keys that PPKs leave alone.
        fresh.tell(fresh.customer, ProbeLiveness{fresh.customer.ike_sa()->our_spi});
        fresh.deliver();
        EXPECT_EQ(fresh.customer.state(), "established");
    }
}

TEST_F(Ppks, ChangeTheKeys) {
    World plain;
    plain.initiate();
    router().credentials.ppk = ppk("ppk1", "a long key");
    fleet().credentials.ppk = ppk("ppk1", "a long key");
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_TRUE(both_used());
    EXPECT_NE(world.fleet.ike_sa()->sk_d, plain.fleet.ike_sa()->sk_d);
}

TEST_F(Ppks, OptionalOnesMayBeMissingOnEitherSide) {
    for (const bool at_router : {false, true}) {
        World fresh;
        (at_router ? fresh.customer : fresh.fleet).directory.tunnels[0].credentials.ppk =
            ppk("ppk1", "a long key");
        fresh.initiate();
        EXPECT_TRUE(fresh.up());
        EXPECT_THAT(fresh.fleet.text(EventKind::ike_sa_established),
                    testing::Not(HasSubstr("PPK")));
    }
}

TEST_F(Ppks, OptionalOnesOfDifferentNameGoUnused) {
    router().credentials.ppk = ppk("ppk1", "a long key");
    fleet().credentials.ppk = ppk("ppk2", "another key");
    world.initiate();
    ASSERT_TRUE(world.up());
    EXPECT_FALSE(both_used());
}

TEST_F(Ppks, OptionalOnesWorkWithCertificates) {
    prove_by(router(), pki().of("hq.acme", KeyKind::rsa));
    trust(fleet(), {&pki().root});
    router().credentials.ppk = ppk("ppk1", "a long key");
    fleet().credentials.ppk = ppk("ppk2", "another key");
    world.initiate();
    EXPECT_TRUE(world.up());
}

TEST_F(Ppks, RequiredByTheFleetAndMissing) {
    fleet().credentials.ppk = ppk("ppk1", "a long key", true);
    EXPECT_THAT(refused(), HasSubstr("tunnel acme/hq requires the PPK \"ppk1\"; the router uses "
                                     "none: configure it there"));
}

TEST_F(Ppks, RequiredByTheFleetAndOfAnotherName) {
    fleet().credentials.ppk = ppk("ppk1", "a long key", true);
    router().credentials.ppk = ppk("ppk2", "a long key");
    EXPECT_THAT(refused(), HasSubstr("the router has one \"ppk2\": give it the same id"));
}

TEST_F(Ppks, RequiredByTheRouterAndOfAnotherName) {
    fleet().credentials.ppk = ppk("ppk1", "a long key");
    router().credentials.ppk = ppk("ppk2", "a long key", true);
    EXPECT_THAT(refused(), HasSubstr("the router insists on a PPK \"ppk2\"; tunnel acme/hq has "
                                     "the PPK \"ppk1\""));
}

TEST_F(Ppks, OfAnotherValue) {
    fleet().credentials.ppk = ppk("ppk1", "a long key");
    router().credentials.ppk = ppk("ppk1", "another key");
    EXPECT_THAT(refused(), HasSubstr("the pre-shared key differs (or the PPK does)"));
}

TEST_F(Ppks, RequiredByTheRouterAndUnknownToTheFleet) {
    router().credentials.ppk = ppk("ppk1", "a long key", true);
    world.initiate();
    EXPECT_EQ(world.customer.state(), "none");
    EXPECT_THAT(world.customer.text(EventKind::ike_sa_ended),
                HasSubstr("the peer does not know PPKs (no USE_PPK)"));
    EXPECT_EQ(world.trace.size(), 2U) << "IKE_AUTH was never sent";
}

// Identities.

Identification id(std::string_view text) {
    return auth::identity_from(text);
}

TEST(IdentityFit, ExactOrByPattern) {
    using Kind = auth::IdFit::Kind;
    const auto kind = [](std::string_view expected, std::string_view claimed) {
        return auth::fit(id(expected), id(claimed)).kind;
    };
    EXPECT_EQ(kind("hq.example", "hq.example"), Kind::exact);
    EXPECT_EQ(kind("*", "hq.example"), Kind::pattern);
    EXPECT_EQ(kind("*", "192.0.2.1"), Kind::pattern);
    EXPECT_EQ(kind("*.branch.example", "a.branch.example"), Kind::pattern);
    EXPECT_EQ(kind("*.branch.example", "a.b.BRANCH.example"), Kind::pattern);
    EXPECT_EQ(kind("*.branch.example", "branch.example"), Kind::none);
    EXPECT_EQ(kind("*.branch.example", ".branch.example"), Kind::none);
    EXPECT_EQ(kind("*.branch.example", "a.branch.example.org"), Kind::none);
    EXPECT_EQ(kind("*.branch.example", "x@a.branch.example"), Kind::none) << "another type";
    EXPECT_EQ(kind("*@example.com", "router@example.com"), Kind::pattern);
    EXPECT_EQ(kind("*@example.com", "router@sub.example.com"), Kind::none);
    EXPECT_EQ(kind("C=CH, CN=*", "C=CH, CN=hq"), Kind::pattern);
    EXPECT_EQ(kind("C=CH, CN=HQ", "C=CH, CN=hq"), Kind::exact);
    EXPECT_EQ(kind("hq.example", "dc.example"), Kind::none);
    EXPECT_GT(auth::fit(id("*.branch.example"), id("a.branch.example")),
              auth::fit(id("*.example"), id("a.branch.example")));
    EXPECT_GT(auth::fit(id("a.branch.example"), id("a.branch.example")),
              auth::fit(id("*.branch.example"), id("a.branch.example")));
    EXPECT_TRUE(auth::is_pattern(id("*")));
    EXPECT_TRUE(auth::is_pattern(id("C=CH, CN=*")));
    EXPECT_FALSE(auth::is_pattern(id("hq.example")));
}

struct Patterns : testing::Test {
    /// Adds a tunnel at the router's address with this identity and key.
    void add(const std::string& name, std::string_view remote_id, std::string_view key) {
        sa::TunnelRecord tunnel = fleet_tunnel();
        tunnel.id = {"acme", name};
        tunnel.remote_id = id(remote_id);
        tunnel.psk = Secret::copy_of(as_bytes(key));
        world.fleet.directory.tunnels.push_back(std::move(tunnel));
    }
    /// The router calls itself so and has this key; which tunnel it got, or why not.
    std::string connect(std::string_view local_id, std::string_view key) {
        sa::TunnelRecord& router = world.customer.directory.tunnels[0];
        router.local_id = id(local_id);
        router.psk = Secret::copy_of(as_bytes(key));
        world.initiate();
        return world.fleet.ike_sa() != nullptr ? world.fleet.ike_sa()->tunnel.name
                                               : world.fleet.text(EventKind::authentication_failed);
    }
    Patterns() { world.fleet.directory.tunnels.clear(); }
    World world;
};

TEST_F(Patterns, AnExactIdentityBeatsPatterns) {
    add("any", "*", "key-any");
    add("branches", "*.branch.example", "key-branches");
    add("seven", "seven.branch.example", "key-seven");
    EXPECT_EQ(connect("seven.branch.example", "key-seven"), "seven");
}

TEST_F(Patterns, ALongerPatternBeatsAShorter) {
    add("any", "*", "key-any");
    add("branches", "*.branch.example", "key-branches");
    add("examples", "*.example", "key-examples");
    EXPECT_EQ(connect("eight.branch.example", "key-branches"), "branches");
    EXPECT_EQ(world.fleet.ike_sa()->peer_id, id("eight.branch.example"))
        << "the identity itself, not the pattern";
}

TEST_F(Patterns, TheBestFitDecidesEvenIfItsKeyIsWrong) {
    add("any", "*", "key-any");
    add("seven", "seven.branch.example", "key-seven");
    EXPECT_THAT(connect("seven.branch.example", "key-any"), HasSubstr("key differs"));
}

TEST_F(Patterns, AmongEqualsTheProofDecides) {
    add("first", "*", "key-one");
    add("second", "*", "key-two");
    EXPECT_EQ(connect("anyone.example", "key-two"), "second");
}

TEST_F(Patterns, AmongEqualsTheKindOfAuthenticationDecides) {
    add("by-certificate", "hq.acme.example", "");
    trust(world.fleet.directory.tunnels[0], {&pki().root});
    add("by-psk", "hq.acme.example", "key-psk");
    EXPECT_EQ(connect("hq.acme.example", "key-psk"), "by-psk");
}

TEST_F(Patterns, AnInitiatorWithAPatternLeavesTheResponderOut) {
    add("hq", "hq.acme.example", "key-hq");
    world.customer.directory.tunnels[0].remote_id = id("*");
    EXPECT_EQ(connect("hq.acme.example", "key-hq"), "hq");
    EXPECT_EQ(world.customer.ike_sa()->peer_id, id("edge.example"));
}

}  // namespace
}  // namespace anyswan::ike::test
