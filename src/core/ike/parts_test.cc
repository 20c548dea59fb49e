// SPDX-License-Identifier: Apache-2.0
// The small parts: message window, cookies, NAT detection, states, drop reasons.
#include <gtest/gtest.h>

#include <set>

#include "core/ike/cookie.h"
#include "core/ike/limits.h"
#include "core/ike/nat.h"
#include "core/ike/negotiate.h"
#include "core/ike/report.h"
#include "core/ike/states.h"
#include "core/ike/window.h"

namespace anyswan::ike {
namespace {

using wire::ike::Notify;
using wire::ike::NotifyType;
using wire::ike::Payload;

constexpr RetransmitPolicy policy{1s, 3};

TEST(Window, TakesTheNextRequestAndRepeatsTheLast) {
    Window window;
    EXPECT_EQ(window.judge(MessageId(0)), Freshness::fresh);
    EXPECT_EQ(window.judge(MessageId(1)), Freshness::outside);
    window.answered({MessageId(0), {{1}}});
    EXPECT_EQ(window.judge(MessageId(0)), Freshness::repeated);
    EXPECT_EQ(window.judge(MessageId(1)), Freshness::fresh);
    window.answered({MessageId(1), {{2}}});
    EXPECT_EQ(window.judge(MessageId(0)), Freshness::outside);
    EXPECT_EQ(window.last_response(), std::vector<Bytes>{{2}});
}

TEST(Window, FromAClaimIsOpenUpwardsUntilFixed) {
    Window window({MessageId(5), MessageId(3), {{9}}});
    EXPECT_EQ(window.judge(MessageId(3)), Freshness::outside);
    EXPECT_EQ(window.judge(MessageId(4)), Freshness::repeated);
    EXPECT_EQ(window.judge(MessageId(5)), Freshness::fresh);
    EXPECT_EQ(window.judge(MessageId(500)), Freshness::fresh);
    window.answered({MessageId(8), {{1}}, false});
    EXPECT_EQ(window.judge(MessageId(7)), Freshness::outside);
    EXPECT_EQ(window.judge(MessageId(8)), Freshness::repeated);
    EXPECT_EQ(window.judge(MessageId(11)), Freshness::fresh);
    window.answered({MessageId(11), {{1}}, true});
    EXPECT_EQ(window.judge(MessageId(13)), Freshness::outside);
    EXPECT_EQ(window.judge(MessageId(12)), Freshness::fresh);
}

TEST(Window, CountsOurRequestsAndBacksOff) {
    Window window;
    const Instant start{10s};
    window.sent(wire::ike::ExchangeType::informational, {{1}}, start, policy);
    EXPECT_EQ(window.next_request(), MessageId(1));
    EXPECT_EQ(window.outstanding()->due, start + 1s);
    EXPECT_TRUE(window.retry(start + 1s, policy));
    EXPECT_EQ(window.outstanding()->due, start + 2800ms);
    EXPECT_TRUE(window.retry(start + 2800ms, policy));
    EXPECT_TRUE(window.retry(start + 6s, policy));
    EXPECT_FALSE(window.retry(start + 20s, policy));
}

TEST(Cookie, IsBoundToEveryPartOfItsSubject) {
    const Secret secret(Bytes(32, 7));
    const Bytes nonce(32, 1);
    const CookieSubject subject{nonce, *IpAddress::parse("192.0.2.1"), IkeSpi(5)};
    const WallTime now{1'000'000'000'000'000'000};
    const Bytes cookie = make_cookie(secret, subject, now);
    EXPECT_LE(cookie.size(), cookie_size_max);
    EXPECT_TRUE(cookie_valid(secret, subject, now, cookie));

    const Bytes other_nonce(32, 2);
    EXPECT_FALSE(cookie_valid(secret, {other_nonce, subject.address, IkeSpi(5)}, now, cookie));
    EXPECT_FALSE(
        cookie_valid(secret, {nonce, *IpAddress::parse("192.0.2.2"), IkeSpi(5)}, now, cookie));
    EXPECT_FALSE(cookie_valid(secret, {nonce, subject.address, IkeSpi(6)}, now, cookie));
    EXPECT_FALSE(cookie_valid(Secret(Bytes(32, 8)), subject, now, cookie));
    EXPECT_FALSE(cookie_valid(secret, subject, now, {}));

    const auto later = [&now](Duration by) { return WallTime{now.unix_ns + by.count()}; };
    EXPECT_TRUE(cookie_valid(secret, subject, later(60s), cookie));
    EXPECT_FALSE(cookie_valid(secret, subject, later(120s), cookie));
}

// NAT detection.

const Path at_responder{{*IpAddress::parse("192.0.2.1"), 500},
                        {*IpAddress::parse("198.51.100.7"), 500}};
const Path at_initiator{at_responder.remote, at_responder.local};
constexpr SpiPair spis{IkeSpi(1), IkeSpi(0)};

NatStatus seen(const Path& sender, const Path& receiver, Announce announce = Announce::truth) {
    std::vector<Payload> payloads;
    append_nat_detection(payloads, spis, sender, announce);
    return detect_nat(payloads, spis, receiver, Announce::truth);
}

TEST(NatDetection, SeesWhoIsBehindOne) {
    NatStatus status = seen(at_initiator, at_responder);
    EXPECT_EQ(status, (NatStatus{true, false, false, false}));

    Path translated = at_responder;
    translated.remote = {*IpAddress::parse("203.0.113.5"), 500};
    EXPECT_EQ(seen(at_initiator, translated), (NatStatus{true, false, true, true}));
    translated.remote = {at_responder.remote.address, 1024};
    EXPECT_EQ(seen(at_initiator, translated), (NatStatus{true, false, true, true}))
        << "a changed port alone";

    translated = at_responder;
    translated.local = {*IpAddress::parse("10.0.0.1"), 500};
    EXPECT_EQ(seen(at_initiator, translated), (NatStatus{true, true, false, true}));
    EXPECT_EQ(seen(at_initiator, at_responder, Announce::behind_nat),
              (NatStatus{true, false, true, true}));
}

TEST(NatDetection, OneOfSeveralSourcesIsEnough) {
    std::vector<Payload> payloads;
    append_nat_detection(payloads, spis, at_initiator, Announce::behind_nat);
    append_nat_detection(payloads, spis, at_initiator, Announce::truth);
    EXPECT_FALSE(detect_nat(payloads, spis, at_responder, Announce::truth).peer_is_behind);
}

TEST(NatDetection, WithoutNotifiesThereIsNoEncapsulationOnWhateverPort) {
    for (const Path& path : {at_responder, moved_to_nat_port(at_responder)}) {
        EXPECT_EQ(detect_nat({}, spis, path, Announce::behind_nat), NatStatus{});
    }
}

TEST(NatDetection, OurAnnouncementMakesThePeerEncapsulateSoWeDoToo) {
    std::vector<Payload> payloads;
    append_nat_detection(payloads, spis, at_initiator, Announce::truth);
    EXPECT_TRUE(detect_nat(payloads, spis, at_responder, Announce::behind_nat).udp_encapsulation);
}

// The words of an offer are those of configuration.

TEST(Words, OfAProposal) {
    using wire::ike::Transform;
    using wire::ike::TransformType;
    const auto words = [](std::vector<Transform> transforms) {
        return describe(wire::ike::SecurityAssociation{
            {{1, wire::ike::ProtocolId::ike, {}, std::move(transforms)}}});
    };
    const auto made = [](TransformType type, std::uint16_t id, std::uint16_t bits = 0) {
        return Transform::make(type, id, bits);
    };
    EXPECT_EQ(words({made(TransformType::ke, 2), made(TransformType::encr, 3),
                     made(TransformType::prf, 2), made(TransformType::integ, 2)}),
              "3des-sha1-modp1024");
    EXPECT_EQ(words({made(TransformType::encr, 12, 128), made(TransformType::encr, 12, 256),
                     made(TransformType::integ, 12), made(TransformType::integ, 2),
                     made(TransformType::prf, 5), made(TransformType::ke, 14)}),
              "aes128/aes256-sha256/sha1-prfsha256-modp2048");
    EXPECT_EQ(words({made(TransformType::encr, 20, 256), made(TransformType::prf, 6),
                     made(TransformType::ke, 31), made(TransformType::addke1, 36)}),
              "aes256gcm16-prfsha384-x25519-ke1_mlkem768");
    EXPECT_EQ(words({made(TransformType::encr, 77, 192), made(TransformType::sn, 1)}),
              "encr77192-esn");
    EXPECT_EQ(words({}), "nothing");
    for (const char* suite : {"aes128-sha1-modp1536", "aes256gcm16-prfsha384-ecp384",
                              "chacha20poly1305-prfsha256-x25519", "aes192-sha512-ecp521"}) {
        EXPECT_EQ(describe(offer(std::vector{*crypto::parse_ike_suite(suite)})), suite);
    }
}

TEST(Words, StayOnOneLine) {
    EXPECT_EQ(printable("a\nb\x7f\x1b[31m"), "a?b??[31m");
}

// The table of transitions against the drawing.

TEST(States, OnlyForwardAndEndedIsFinal) {
    for (std::size_t from = 0; from < transitions.size(); ++from) {
        EXPECT_FALSE(transitions[from][from]);
        const bool final_state = from + 1 == transitions.size();
        EXPECT_EQ(transitions[from].back(), !final_state) << state_names[from];
        for (std::size_t to = 0; to < from; ++to) {
            EXPECT_FALSE(transitions[from][to]) << state_names[from] << " " << state_names[to];
        }
    }
}

TEST(DropReasons, HaveDistinctNamesAndSentences) {
    const std::vector<DropReason> all{
#define ANYSWAN_DROP(name, sentence) DropReason::name,
#include "core/ike/drop_reason.def"
#undef ANYSWAN_DROP
    };
    std::set<std::string> names;
    for (const DropReason reason : all) {
        names.insert(name(reason));
        const std::string sentence = explain(reason);
        EXPECT_GT(sentence.size(), 40U) << name(reason);
        EXPECT_EQ(sentence.back(), '.') << name(reason);
    }
    EXPECT_EQ(names.size(), all.size());
}

}  // namespace
}  // namespace anyswan::ike
