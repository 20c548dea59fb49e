// SPDX-License-Identifier: Apache-2.0
// What servers said, as recorded from nats-server 2.9.10 and 2.10.27, and what they must not say.
#include "store/jetstream/api.h"

#include <gtest/gtest.h>

#include <map>

namespace anyswan::store::js {
namespace {

JetStreamConfig fleet() {
    JetStreamConfig config;
    config.fleet = "f";
    return config;
}
const Names& names() {
    static const Names made{fleet()};
    return made;
}

TEST(JetStreamApi, NamesFollowTheFleetAndTheDomain) {
    EXPECT_EQ(names().facts_stream, "KV_f_facts");
    EXPECT_EQ(names().claims_subjects + to_tokens("ike/00ff"), "$KV.f_claims.ike.00ff");
    EXPECT_EQ(to_key("ike.00ff"), "ike/00ff");
    EXPECT_EQ(names().api, "$JS.API.");
    JetStreamConfig leaf = fleet();
    leaf.domain = "hub";
    EXPECT_EQ(Names(leaf).api, "$JS.hub.API.");
    EXPECT_EQ(Names(leaf).publish_prefix, "$JS.hub.API.");
}

TEST(JetStreamApi, VersionsAreComparedAsNumbers) {
    EXPECT_EQ(ServerVersion::parse("2.9.10"), (ServerVersion{2, 9, 10}));
    EXPECT_EQ(ServerVersion::parse("2.10.27-RC.1"), (ServerVersion{2, 10, 27}));
    EXPECT_LT((ServerVersion{2, 9, 10}), replicated_swap_since);
    EXPECT_LT((ServerVersion{2, 9, 20}), replicated_swap_since);
    EXPECT_GE((ServerVersion{2, 9, 21}), replicated_swap_since);
    EXPECT_GE((ServerVersion{2, 10, 0}), replicated_swap_since);
    for (const char* bad : {"", "2", "2.9", "2.9.", "2..9", "a.b.c", "-1.2.3"}) {
        EXPECT_FALSE(ServerVersion::parse(bad).has_value()) << bad;
    }
}

TEST(JetStreamApi, OneOldServerAmongThreeIsEnoughToRefuseReplicas) {
    const ServerSeen old{"a", {2, 9, 10}};
    const ServerSeen good{"b", {2, 10, 27}};
    EXPECT_FALSE(refuse_servers({old}, 1).has_value());
    EXPECT_FALSE(refuse_servers({good, good, good}, 3).has_value());
    EXPECT_FALSE(refuse_servers({good, good}, 3).has_value()) << "one may be down";
    EXPECT_TRUE(refuse_servers({good, good, old}, 3).has_value());
    EXPECT_TRUE(refuse_servers({good}, 3).has_value()) << "the others may be anything";
    EXPECT_TRUE(refuse_servers({}, 3).has_value());
}

TEST(JetStreamApi, PingsOfServersWithoutStreamsDontCount) {
    const auto seen = parse_ping(as_bytes(
        R"({"server":{"name":"c1","ver":"2.10.27","jetstream":true},"data":{"server_id":"N"}})"));
    ASSERT_TRUE(seen.has_value());
    EXPECT_EQ(seen->name, "c1");
    EXPECT_EQ(seen->version, (ServerVersion{2, 10, 27}));
    EXPECT_FALSE(parse_ping(as_bytes(R"({"server":{"name":"leaf","ver":"2.9.10"}})")).has_value());
    EXPECT_FALSE(parse_ping(as_bytes("not json")).has_value());
}

TEST(JetStreamApi, AcknowledgementsAndRefusals) {
    EXPECT_EQ(parse_publish_ack(as_bytes(R"({"stream":"KV_f", "domain":"hub", "seq":7})")).value(),
              Revision{7});
    const auto lost = parse_publish_ack(as_bytes(
        R"({"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"}})"));
    ASSERT_FALSE(lost.has_value());
    EXPECT_EQ(lost.error().kind, ApiErrorKind::wrong_revision);
    const auto full = parse_publish_ack(as_bytes(
        R"({"error":{"code":503,"err_code":10023,"description":"insufficient resources"}})"));
    EXPECT_EQ(full.error().kind, ApiErrorKind::unavailable);
    for (const char* bad : {"", "{}", "[]", "7", R"({"seq":"7"})", R"({"seq":0})",
                            R"({"error":{"code":"x","description":3}})"}) {
        EXPECT_FALSE(parse_publish_ack(as_bytes(bad)).has_value()) << bad;
    }
}

TEST(JetStreamApi, StoredMessagesCarryBase64) {
    const auto message = parse_stored_message(as_bytes(
        R"({"message":{"subject":"$KV.f_facts.a.b","seq":3,"data":"aGVsbG8=","time":"t"}})"));
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(to_string(message->value), "hello");
    EXPECT_EQ(message->revision, Revision{3});
    for (const auto& [encoded, plain] : std::map<std::string, std::string>{
             {"", ""}, {"AA==", std::string(1, '\0')}, {"+/8=", "\xfb\xff"}, {"YWJj", "abc"}}) {
        const std::string json =
            R"({"message":{"subject":"s","seq":1,"data":")" + encoded + R"("}})";
        EXPECT_EQ(to_string(parse_stored_message(as_bytes(json)).value().value), plain) << encoded;
    }
    const auto none = parse_stored_message(
        as_bytes(R"({"error":{"code":404,"err_code":10037,"description":"no message found"}})"));
    EXPECT_EQ(none.error().kind, ApiErrorKind::not_found);
}

std::string info_of(const std::string& config) {
    return R"({"config":)" + config +
           R"(,"created":"2026-11-23T06:18:26Z","state":{"messages":2,"last_seq":9}})";
}

TEST(JetStreamApi, AStreamAsWeWouldMakeItIsRightAndDifferencesAreNamed) {
    for (const Bucket bucket : {Bucket::facts, Bucket::claims}) {
        const std::string wanted = create_stream(names(), bucket, 1);
        const auto info = parse_stream_info(as_bytes(info_of(wanted)), names(), bucket, 1);
        ASSERT_TRUE(info.has_value());
        EXPECT_TRUE(info->wrong.empty()) << info->wrong[0];
        EXPECT_EQ(info->last_sequence, 9U);
        EXPECT_EQ(info->replicas, 1);
        const auto more = parse_stream_info(as_bytes(info_of(wanted)), names(), bucket, 3);
        ASSERT_EQ(more->wrong.size(), 1U) << "fewer replicas than wanted";
        EXPECT_NE(more->wrong[0].find("num_replicas"), std::string::npos);
    }
    const std::string facts = create_stream(names(), Bucket::facts, 3);
    EXPECT_TRUE(
        parse_stream_info(as_bytes(info_of(facts)), names(), Bucket::facts, 1)->wrong.empty())
        << "more replicas than wanted are welcome";
    EXPECT_FALSE(
        parse_stream_info(as_bytes(info_of(facts)), names(), Bucket::claims, 1)->wrong.empty());
}

TEST(JetStreamApi, ReplySubjectsOfConsumersOfBothForms) {
    const auto old = parse_delivery("$JS.ACK.KV_f_facts.Ab12.1.42.7.1700000000.3");
    ASSERT_TRUE(old.has_value());
    EXPECT_EQ(old->stream_sequence, 42U);
    EXPECT_EQ(old->consumer_sequence, 7U);
    EXPECT_EQ(old->pending, 3U);
    const auto newer = parse_delivery("$JS.ACK.hub.hash.KV_f_facts.Ab12.1.42.7.1700000000.3.x");
    ASSERT_TRUE(newer.has_value());
    EXPECT_EQ(newer->stream_sequence, 42U);
    EXPECT_EQ(newer->pending, 3U);
    for (const char* bad : {"", "$JS.ACK", "a.b.c.d.1.42.7.17.3", "$JS.ACK.s.c.1.x.7.17.3"}) {
        EXPECT_FALSE(parse_delivery(bad).has_value()) << bad;
    }
}

}  // namespace
}  // namespace anyswan::store::js
