// SPDX-License-Identifier: Apache-2.0
// What `anyswan trace` is answered with: live messages while somebody watches, and captures opened
// with the keys of engine and store.
#include <gtest/gtest.h>

#include "core/sa/samples_test.h"
#include "edge/asio_loop.h"
#include "edge/capture_trace.h"
#include "edge/live_trace.h"
#include "store/memory/memory.h"

namespace anyswan::edge {
namespace {

constexpr ike::SpiPair spis{IkeSpi(0x1111), IkeSpi(0x2222)};
const Endpoint router{*IpAddress::parse("198.51.100.7"), 500};
const Endpoint fleet{*IpAddress::parse("192.0.2.1"), 500};

sa::IkeSaRecord claim_of(std::uint8_t key) {
    sa::IkeSaRecord record = sa::samples::ike_sa();
    record.our_spi = record.origin = spis.responder;
    record.peer_spi = spis.initiator;
    record.we_initiated = record.origin_initiated = false;
    record.tunnel = {"acme", "hq"};
    record.suite = *crypto::parse_ike_suite("aes256gcm16-prfsha256-x25519");
    record.sk_ei = Secret(Bytes(36, key));
    record.sk_er = Secret(Bytes(36, key));
    record.sk_ai = {};
    record.sk_ar = {};
    record.sk_d = Secret(Bytes(32, key));
    record.sk_pi = Secret(Bytes(32, key));
    record.sk_pr = Secret(Bytes(32, key));
    return record;
}

ike::ReadingKeys keys_of(std::uint8_t key) {
    const sa::IkeSaRecord record = claim_of(key);
    return {record.tunnel,
            {record.suite.cipher, record.sk_ei.clone(), record.sk_er.clone(), {}, {}}};
}

/// A request of the router's with one notify in it.
Bytes sealed(std::uint8_t key) {
    const sa::IkeSaRecord record = claim_of(key);
    ike::MessageProtector protector(record.suite.cipher, record.sk_ei.reveal(), {});
    wire::ike::Header header;
    header.initiator_spi = spis.initiator;
    header.responder_spi = spis.responder;
    header.exchange = wire::ike::ExchangeType::informational;
    header.from_initiator = true;
    header.message_id = MessageId(7);
    wire::ike::Notify notify;
    notify.type = wire::ike::NotifyType::initial_contact;
    SeededRandom random(1);
    return protector.seal(header, {{notify}}, 1, random);
}

constexpr Now at(std::int64_t seconds) {
    return {Instant{std::chrono::seconds(seconds)}, WallTime{seconds * 1'000'000'000}};
}

TEST(LiveTrace, ShowsWhatPassesWhileSomebodyAsks) {
    LiveTrace live([](ike::SpiPair) { return keys_of(1); });
    const ike::DatagramReceived datagram{fleet, router, sealed(1)};
    live.received(at(1), datagram);  // nobody watches
    const LiveTrace::Page start = live.after(at(2).instant, 0);
    EXPECT_TRUE(start.messages.empty());
    live.received(at(3), datagram);
    live.sent(at(3), {fleet, router, sealed(1)});
    const LiveTrace::Page page = live.after(at(4).instant, start.next);
    ASSERT_EQ(page.messages.size(), 2U);
    EXPECT_EQ(page.missed, 0U);
    EXPECT_EQ(page.messages[0].peer, router);
    EXPECT_NE(page.messages[0].text.find("198.51.100.7:500 > 192.0.2.1:500"), std::string::npos);
    EXPECT_NE(page.messages[0].text.find("INITIAL_CONTACT"), std::string::npos);
    EXPECT_NE(page.messages[0].text.find("tunnel acme/hq"), std::string::npos);
    EXPECT_NE(page.messages[1].text.find("192.0.2.1:500 > 198.51.100.7:500"), std::string::npos);
    EXPECT_TRUE(live.after(at(5).instant, page.next).messages.empty());
    live.received(at(16), datagram);  // nobody has asked for eleven seconds
    EXPECT_TRUE(live.after(at(16).instant, page.next).messages.empty());
}

TEST(LiveTrace, OpensWithKeysThatTheStepReplaced) {
    std::uint8_t key = 1;
    LiveTrace live([&key](ike::SpiPair) { return keys_of(key); });
    const std::uint64_t next = live.after(at(1).instant, 0).next;
    const ike::DatagramReceived intermediate{fleet, router, sealed(1)};
    live.arriving(at(1), intermediate);
    key = 2;  // as IKE_INTERMEDIATE does
    live.received(at(1), intermediate);
    live.sent(at(1), {fleet, router, sealed(2)});
    const LiveTrace::Page page = live.after(at(1).instant, next);
    ASSERT_EQ(page.messages.size(), 2U);
    for (const LiveTrace::Message& message : page.messages) {
        EXPECT_NE(message.text.find("INITIAL_CONTACT"), std::string::npos) << message.text;
    }
}

TEST(LiveTrace, SaysHowManyItForgot) {
    LiveTrace live([](ike::SpiPair) { return std::nullopt; });
    const std::uint64_t next = live.after(at(1).instant, 0).next;
    for (int i = 0; i < 2010; ++i) {
        live.sent(at(1), {fleet, router, Bytes(10)});
    }
    const LiveTrace::Page page = live.after(at(1).instant, next);
    EXPECT_EQ(page.messages.size(), 2000U);
    EXPECT_EQ(page.missed, 10U);
}

class CaptureTrace : public testing::Test {
protected:
    CaptureTrace() {
        keys_.current = 1;
        keys_.keys.emplace(1, random_.secret(32));
    }
    std::vector<std::string> explain(trace::FindKeys find) {
        std::vector<std::string> texts;
        trace_capture({*store_, keys_, std::move(find)},
                      {{{}, router, fleet, sealed(1)},
                       {{}, {router.address, 9999}, {fleet.address, 53}, Bytes(9)}},
                      [&texts](std::vector<std::string> answer) { texts = std::move(answer); });
        loop_.run_ready();
        return texts;
    }
    SeededRandom random_{5};
    AsioLoop loop_;
    sa::FleetKeys keys_;
    std::shared_ptr<store::MemoryHub> hub_ = store::MemoryHub::create();
    std::unique_ptr<store::LocalStore> store_ =
        hub_->connect([this](auto task) { loop_.post(std::move(task)); });
};

TEST_F(CaptureTrace, OpensWithTheClaimOfAnotherEdge) {
    const auto nothing = [](ike::SpiPair) { return std::nullopt; };
    EXPECT_NE(explain(nothing).at(0).find("no keys for these SPIs"), std::string::npos);
    const std::string key = sa::ike_sa_key(spis.responder);
    store_->swap_claim(key, sa::seal_record(keys_, random_, key, {Epoch(1), 1}, claim_of(1)),
                       Revision{0}, [](const auto&) {});
    loop_.run_ready();
    const std::vector<std::string> texts = explain(nothing);
    ASSERT_EQ(texts.size(), 2U);
    EXPECT_NE(texts[0].find("INITIAL_CONTACT"), std::string::npos) << texts[0];
    EXPECT_EQ(texts[1], "");
}

TEST_F(CaptureTrace, OpensWithTheKeysOfThisEdge) {
    EXPECT_NE(explain([](ike::SpiPair) { return keys_of(1); }).at(0).find("INITIAL_CONTACT"),
              std::string::npos);
}

}  // namespace
}  // namespace anyswan::edge
