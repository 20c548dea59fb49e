// SPDX-License-Identifier: Apache-2.0
// Against what `ip xfrm` sends for the same request, and what a real kernel answers;
// tests/data/xfrm says how both were captured.
#include "dataplane/xfrm/messages.h"

#include <gtest/gtest.h>

#include <fstream>

namespace anyswan::dataplane::xfrm {
namespace {

IpAddress address(std::string_view text) {
    return *IpAddress::parse(text);
}
IpPrefix prefix(std::string_view text) {
    return *IpPrefix::parse(text);
}
Secret counted(std::uint8_t first, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(first + i);
    }
    return Secret(std::move(bytes));
}

struct Golden {
    std::string title;
    Bytes message;
};

std::vector<Golden> read_goldens(const std::string& name) {
    std::ifstream file(std::string(ANYSWAN_TEST_DATA "/xfrm/") + name);
    std::vector<Golden> goldens;
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with("# ")) {
            goldens.push_back({line.substr(2), {}});
        } else if (!line.empty()) {
            goldens.back().message = from_hex(line).value();
        }
    }
    EXPECT_FALSE(goldens.empty()) << name;
    return goldens;
}

/// The one whose title has `words`; without its sequence number, which is the clock's.
Bytes golden(const std::string& file, const std::string& words) {
    for (const Golden& one : read_goldens(file)) {
        if (one.title.find(words) != std::string::npos) {
            Bytes message = one.message;
            std::fill(message.begin() + 8, message.begin() + 12, std::uint8_t{0});
            return message;
        }
    }
    ADD_FAILURE() << "no golden of: " << words;
    return {};
}

Algorithms gcm() {
    return {.aead = Algorithm{"rfc4106(gcm(aes))", counted(0, 20), 128}};
}

State inbound() {
    State state;
    state.id = {address("192.0.2.1"), EspSpi(0x1000)};
    state.source = address("198.51.100.2");
    state.reqid = 0x40000001;
    state.algorithms = gcm();
    state.replay.window = 64;
    return state;
}

State inbound_natt() {
    State state = inbound();
    state.esn = true;
    state.replay.window = 1024;
    state.encapsulation = {4500, 4500};
    state.set_mark = {7, UINT32_MAX};
    state.if_id = 0x40000001;
    return state;
}

State outbound(std::uint32_t spi) {
    State state = inbound();
    state.id = {address("198.51.100.2"), EspSpi(spi)};
    state.source = address("192.0.2.1");
    return state;
}

std::string hex_of(const Secret& message) {
    return to_hex(message.reveal());
}

TEST(XfrmMessages, AddAState) {
    EXPECT_EQ(hex_of(encode_add(inbound())), to_hex(golden("requests.hex", "replay-window 64")));
    EXPECT_EQ(hex_of(encode_add(inbound_natt())),
              to_hex(golden("requests.hex",
                            "state add src 198.51.100.2 dst 192.0.2.1 proto esp spi "
                            "0x1000 reqid 0x40000001 mode tunnel flag af-unspec "
                            "flag esn")));
    State state = outbound(0x1001);
    state.esn = true;
    state.algorithms = {.cipher = Algorithm{"cbc(aes)", counted(0, 16), 0},
                        .integrity = Algorithm{"hmac(sha256)", counted(0x20, 32), 128}};
    state.replay.window = 32;
    state.replay.sent = SequenceNumber(0x1000003e7);
    EXPECT_EQ(hex_of(encode_add(state)), to_hex(golden("requests.hex", "enc cbc(aes)")));
    state = outbound(0x1002);
    state.algorithms = {.aead = Algorithm{"rfc7539esp(chacha20,poly1305)", counted(0, 36), 128}};
    state.replay.sent = SequenceNumber(41);
    EXPECT_EQ(hex_of(encode_add(state)), to_hex(golden("requests.hex", "chacha20")));
}

TEST(XfrmMessages, AddAStateOverIpv6) {
    State state = inbound();
    state.id = {address("2001:db8::2"), EspSpi(0x1003)};
    state.source = address("2001:db8::1");
    state.header.no_dscp = true;
    EXPECT_EQ(hex_of(encode_add(state)), to_hex(golden("requests.hex", "dont-encap-dscp")));
}

TEST(XfrmMessages, UpdateGetAndDeleteAState) {
    State state = inbound_natt();
    state.encapsulation->destination_port = 4501;
    state.limits = {.soft_packets = 100, .hard_packets = 200, .hard_age_s = 3600};
    EXPECT_EQ(hex_of(encode_update(state)), to_hex(golden("requests.hex", "state update")));
    EXPECT_EQ(hex_of(encode_delete(state.id, state.source)),
              to_hex(golden("requests.hex", "state delete")));
    Bytes get = golden("requests.hex", "state get");
    EXPECT_EQ(hex_of(encode_get(state.id, state.source)), to_hex(get));
}

TEST(XfrmMessages, PutAndDeletePolicies) {
    Policy policy;
    policy.id = {{prefix("10.1.0.0/16"), prefix("10.2.0.0/16")}, Direction::out, 0x40000001, {}};
    policy.priority = 100;
    policy.required = {address("192.0.2.1"), address("198.51.100.2"), EspSpi(0x1001), 0x40000001};
    EXPECT_EQ(hex_of(encode_put(policy)), to_hex(golden("requests.hex", "dir out priority")));
    EXPECT_EQ(hex_of(encode_delete(policy.id)),
              to_hex(golden("requests.hex", "policy delete src 10.1")));
    policy.id = {{prefix("10.2.0.0/16"), prefix("10.1.0.0/16")}, Direction::in, 0x40000001, {}};
    policy.required = {address("0.0.0.0"), address("0.0.0.0"), EspSpi(0), 0x40000001};
    EXPECT_EQ(hex_of(encode_put(policy)), to_hex(golden("requests.hex", "dir in priority")));
    policy.id = {{prefix("2001:db8:1::/48"), prefix("2001:db8:2::/48"), 17, 0, 0, 53, 0xffff},
                 Direction::forward,
                 0,
                 {0x7, 0xff}};
    policy.required = {address("2001:db8::1"), address("2001:db8::2"), EspSpi(0), 0x40000001};
    EXPECT_EQ(hex_of(encode_put(policy)), to_hex(golden("requests.hex", "dir fwd priority")));
    EXPECT_EQ(hex_of(encode_delete(policy.id)),
              to_hex(golden("requests.hex", "policy delete src 2001")));
}

template <class T>
T decoded(const std::string& words) {
    const auto message = decode(golden("kernel.hex", words));
    const T* value = message ? std::get_if<T>(&*message) : nullptr;
    EXPECT_NE(value, nullptr) << words;
    if constexpr (std::is_same_v<T, State>) {
        return value == nullptr ? T{} : std::move(const_cast<T&>(*value));
    } else {
        return value == nullptr ? T{} : *value;
    }
}

TEST(XfrmMessages, ReadEvents) {
    const StateId outbound_id{address("192.0.2.2"), EspSpi(0x1001)};
    EXPECT_EQ(decoded<Acquire>("event acquire"),
              (Acquire{0x40000001, address("192.0.2.1"), address("192.0.2.2")}));
    EXPECT_EQ(decoded<Expired>("expire soft"), (Expired{outbound_id, 0x40000001, false}));
    EXPECT_EQ(decoded<Expired>("expire hard"), (Expired{outbound_id, 0x40000001, true}));
    const StateId inbound_id{address("192.0.2.1"), EspSpi(0x1000)};
    EXPECT_EQ(decoded<Mapping>("event mapping"),
              (Mapping{inbound_id, 1, {address("192.0.2.2"), 4500}, {address("192.0.2.2"), 4777}}));
    const auto report = decoded<UseReport>("event aevent");
    EXPECT_EQ(report.id, inbound_id);
    EXPECT_EQ(report.replay.received, SequenceNumber(1));
    EXPECT_EQ(report.replay.window, 64U);
    EXPECT_EQ(report.replay.bitmap.size(), 2U);
}

TEST(XfrmMessages, ReadAnswers) {
    const auto report = decoded<UseReport>("answer to GETAE");
    EXPECT_EQ(report.id, (StateId{address("192.0.2.2"), EspSpi(0x1001)}));
    EXPECT_EQ(report.replay.sent, SequenceNumber(0x100000007));
}

/// What the kernel dumps of a state is what was asked for; so an encoded one read back is itself.
TEST(XfrmMessages, ReadDumps) {
    const auto state = decoded<State>("dump state");
    EXPECT_EQ(state.id, (StateId{address("192.0.2.2"), EspSpi(0x1001)}));
    EXPECT_EQ(state.source, address("192.0.2.1"));
    EXPECT_EQ(state.algorithms, gcm());
    EXPECT_TRUE(state.esn);
    EXPECT_EQ(state.reqid, 0x40000001U);
    EXPECT_EQ(state.if_id, 0x40000001U);
    EXPECT_EQ(state.encapsulation, (UdpEncapsulation{4500, 4501}));
    EXPECT_EQ(state.replay.sent, SequenceNumber(0x100000007));
    EXPECT_EQ(state.limits, Limits{});
    const auto policy = decoded<Policy>("dump policy");
    EXPECT_EQ(policy.id.direction, Direction::out);
    EXPECT_EQ(policy.required,
              (Template{address("192.0.2.1"), address("192.0.2.2"), EspSpi(0), 0x40000001}));
}

TEST(XfrmMessages, ReadsBackWhatItWrites) {
    State state = inbound_natt();
    state.replay = {SequenceNumber(5), SequenceNumber(0x200000009), 64, {0x0f, 0x1000}};
    state.header = {true, true, true, true};
    state.mark = {1, 0xff};
    state.mapping_interval_s = 1;
    state.limits.hard_age_s = 77;
    const auto again = decode(encode_add(state).reveal());
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(std::get<State>(*again), state);
}

TEST(XfrmMessages, EveryTruncationIsRefused) {
    for (const Golden& one : read_goldens("kernel.hex")) {
        for (std::size_t size = 0; size < one.message.size(); ++size) {
            Bytes cut(one.message.begin(), one.message.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(decode(cut).has_value()) << one.title << " at " << size;
            if (size >= 4) {  // a length that fits: attributes end early
                const auto length = static_cast<std::uint32_t>(size);
                std::copy_n(reinterpret_cast<const std::uint8_t*>(&length), 4, cut.begin());
                (void)decode(cut);
            }
        }
    }
}

}  // namespace
}  // namespace anyswan::dataplane::xfrm
