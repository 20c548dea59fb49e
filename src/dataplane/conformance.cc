// SPDX-License-Identifier: Apache-2.0
#include "dataplane/conformance.h"

#include <algorithm>
#include <functional>

#include "core/wire/esp/esp.h"
#include "core/wire/ip/ip_view.h"
#include "dataplane/test_peer.h"

namespace anyswan::dataplane::conformance {

namespace {

using esp::testing::address;
using esp::testing::datagram;
using esp::testing::far_to_near;
using esp::testing::far_to_near_v6;
using esp::testing::make_record;
using esp::testing::near_to_far;
using esp::testing::near_to_far_v6;
using testing::batch;
using testing::grant;
using testing::Peer;
using testing::tunnel_id;

// How often wait_a_little() is called before a test gives up: seconds, in any host.
constexpr int patience = 500;
constexpr std::uint64_t many = 100000;

/// Where the peer is and how it speaks.
struct Path {
    const char* name;
    Endpoint local;
    Endpoint remote;
    bool udp = true;
};

Path udp_v4() {
    return {"UDP over IPv4", {address(driver_v4), natt_port}, {address("192.0.2.2"), natt_port}};
}
std::vector<Path> all_paths() {
    return {
        udp_v4(),
        {"UDP over IPv6", {address(driver_v6), natt_port}, {address("2001:db8:ff::2"), natt_port}},
        {"ESP over IPv4", {address(driver_v4), 0}, {address("192.0.2.2"), 0}, false},
        {"ESP over IPv6", {address(driver_v6), 0}, {address("2001:db8:ff::2"), 0}, false}};
}

InstallSa install(const sa::ChildSaRecord& record, const Path& path = udp_v4()) {
    return {record.clone(), path.local, path.remote, path.udp};
}

/// One host with account acme set up, and what it produced so far.
class Scene {
public:
    explicit Scene(MakeHost make) {
        auto made = make();
        if (!made) {
            ADD_FAILURE() << made.error().message;
            return;
        }
        host_ = std::move(*made);
        apply(AddDomain{"acme"}, AddRoute{tunnel_id, *IpPrefix::parse("10.2.0.0/16")},
              AddRoute{tunnel_id, *IpPrefix::parse("2001:db8:2::/48")});
    }
    [[nodiscard]] bool ready() const { return host_ != nullptr; }

    template <class... Changes>
    void apply(Changes&&... changes) {
        host_->driver().apply(batch(std::forward<Changes>(changes)...));
    }
    void receive(const Bytes& esp, const Path& path = udp_v4(), std::uint8_t traffic_class = 0) {
        host_->send_esp(path.remote, path.local, esp, traffic_class);
    }
    void send(const Bytes& inner) { host_->send_inner(inner); }

    /// Waits until `done`, or for too long.
    bool eventually(const std::function<bool()>& done) {
        for (int i = 0; i < patience; ++i) {
            collect();
            if (done()) {
                return true;
            }
            host_->wait_a_little();
        }
        return done();
    }
    /// The next inner packet that reached the stack.
    std::optional<Bytes> next_inner() { return next(inner_); }
    std::optional<esp::OuterPacket> next_esp() { return next(esp_); }
    std::optional<IkeDatagram> next_ike() { return next(ike_); }
    std::optional<IkeDatagram> next_ike_at_peers() { return next(ike_at_peers_); }
    template <class T>
    std::optional<T> next_event() {
        std::optional<T> found;
        eventually([&] {
            const auto at = std::ranges::find_if(
                events_, [](const Event& event) { return std::holds_alternative<T>(event); });
            if (at != events_.end()) {
                found = std::get<T>(std::move(*at));
                events_.erase(at);
            }
            return found.has_value();
        });
        return found;
    }
    template <class T>
    std::size_t events_so_far() {
        collect();
        return static_cast<std::size_t>(std::ranges::count_if(
            events_, [](const Event& event) { return std::holds_alternative<T>(event); }));
    }
    bool counts(const std::string& name, std::uint64_t value) {
        return eventually([&] { return host_->driver().counters().at(name) >= value; });
    }
    Host& host() { return *host_; }

private:
    void collect() {
        host_->collect_esp(esp_);
        host_->collect_inner(inner_);
        host_->collect_ike(ike_);
        host_->collect_ike_at_peers(ike_at_peers_);
        host_->collect_events(events_);
    }
    template <class T>
    std::optional<T> next(std::vector<T>& list) {
        eventually([&] { return !list.empty(); });
        if (list.empty()) {
            return std::nullopt;
        }
        T first = std::move(list.front());
        list.erase(list.begin());
        return first;
    }

    std::unique_ptr<Host> host_;
    std::vector<esp::OuterPacket> esp_;
    std::vector<Bytes> inner_;
    std::vector<IkeDatagram> ike_;
    std::vector<IkeDatagram> ike_at_peers_;
    std::vector<Event> events_;
};

#define MAKE_SCENE(scene)    \
    Scene scene(GetParam()); \
    if (!scene.ready()) {    \
        return;              \
    }

/// The inner packet in the next ESP packet that reaches the peer.
std::optional<Bytes> next_opened(Scene& scene, Peer& peer) {
    const auto outer = scene.next_esp();
    return outer ? peer.open(outer->packet.bytes()) : std::nullopt;
}

TEST_P(DriverConformance, CarriesPacketsBothWaysOnEveryPath) {
    MAKE_SCENE(scene);
    std::uint32_t spi = 0x1000;
    for (const Path& path : all_paths()) {
        SCOPED_TRACE(path.name);
        const auto record = make_record("aes128gcm16-esn", spi += 0x100);
        scene.apply(install(record, path), grant(record.inbound_spi, 1, many));
        Peer peer(record);
        for (const auto& [in, out] :
             {std::pair{far_to_near, near_to_far}, std::pair{far_to_near_v6, near_to_far_v6}}) {
            const Bytes inbound = datagram(in, path.name);
            scene.receive(peer.seal(in.source.is_v4() ? 1 : 2, inbound), path);
            EXPECT_EQ(scene.next_inner(), inbound);
            const Bytes outbound = datagram(out, path.name);
            scene.send(outbound);
            const auto sent = scene.next_esp();
            ASSERT_TRUE(sent.has_value());
            EXPECT_EQ(sent->remote.address, path.local.address)
                << "answers from where it was asked";
            EXPECT_EQ(sent->local, path.remote);
            EXPECT_EQ(sent->udp_encapsulation, path.udp);
            const auto opened = peer.open(sent->packet.bytes());
            ASSERT_TRUE(opened.has_value());
            EXPECT_EQ(wire::ip::parse_ip(*opened)->destination, out.destination);
            EXPECT_TRUE(equal(ByteView(*opened).last(8), ByteView(outbound).last(8)));
        }
        scene.apply(RemoveSa{record.inbound_spi});
    }
}

TEST_P(DriverConformance, CarriesEcnBothWays) {
    MAKE_SCENE(scene);
    std::uint32_t spi = 0x1000;
    for (const Path& path : all_paths()) {
        SCOPED_TRACE(path.name);
        const auto record = make_record("aes128gcm16", spi += 0x100);
        scene.apply(install(record, path), grant(record.inbound_spi, 1, many));
        Peer peer(record);
        auto fields = far_to_near;
        fields.traffic_class = 0x02;  // ECT(0)
        scene.receive(peer.seal(1, datagram(fields, "x")), path, 0x03);
        const auto inner = scene.next_inner();
        ASSERT_TRUE(inner.has_value());
        EXPECT_EQ(wire::ip::parse_ip(*inner)->traffic_class, 0x03) << "congestion met outside";
        fields = near_to_far;
        fields.traffic_class = 0xb9;
        scene.send(datagram(fields, "x"));
        const auto sent = scene.next_esp();
        ASSERT_TRUE(sent.has_value());
        EXPECT_EQ(sent->traffic_class, 0xb9);
        scene.apply(RemoveSa{record.inbound_spi});
    }
}

TEST_P(DriverConformance, PacketsWaitForNumbersInOrder) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16");
    scene.apply(install(record));
    for (const char* text : {"one", "two", "six"}) {
        scene.send(datagram(near_to_far, text));
    }
    const auto asked = scene.next_event<NeedSequence>();
    ASSERT_TRUE(asked.has_value());
    EXPECT_EQ(asked->inbound_spi, record.inbound_spi);
    EXPECT_EQ(asked->used_up_to, SequenceNumber(0));
    ASSERT_TRUE(scene.counts("waited_for_sequence", 3));
    scene.apply(grant(record.inbound_spi, 41, 42), grant(record.inbound_spi, 43, 60));
    Peer peer(record);
    std::uint32_t number = 41;
    for (const char* text : {"one", "two", "six"}) {
        const auto sent = scene.next_esp();
        ASSERT_TRUE(sent.has_value());
        EXPECT_EQ(wire::esp::read_header(sent->packet.bytes())->sequence_low, number++);
        const auto opened = peer.open(sent->packet.bytes());
        ASSERT_TRUE(opened.has_value());
        EXPECT_EQ(to_string(ByteView(*opened).last(3)), text);
    }
}

TEST_P(DriverConformance, RevokedNumbersAreNotUsed) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16");
    scene.apply(install(record), grant(record.inbound_spi, 1, many));
    Peer peer(record);
    scene.send(datagram(near_to_far, "before"));
    ASSERT_TRUE(next_opened(scene, peer).has_value());
    scene.apply(RevokeSequence{record.inbound_spi});
    scene.send(datagram(near_to_far, "after"));
    const auto asked = scene.next_event<NeedSequence>();
    ASSERT_TRUE(asked.has_value());
    EXPECT_EQ(asked->used_up_to, SequenceNumber(1));
    scene.apply(grant(record.inbound_spi, 7000, 7010));
    const auto sent = scene.next_esp();
    ASSERT_TRUE(sent.has_value());
    EXPECT_EQ(wire::esp::read_header(sent->packet.bytes())->sequence_low, 7000U);
}

/// Where the driver can't look at what comes in, the kernel counts, and that is all.
bool only_counts_unknown_spis(Scene& scene) {
    if (scene.host().holds_unknown_spis()) {
        return false;
    }
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    scene.receive(peer.seal(1, datagram(far_to_near, "x")));
    EXPECT_TRUE(scene.counts("drop_unknown_spi", 1));
    EXPECT_EQ(scene.events_so_far<UnknownSpi>(), 0U);
    scene.apply(install(record));
    scene.receive(peer.seal(2, datagram(far_to_near, "known")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "known"));
    return true;
}

TEST_P(DriverConformance, HoldsUnknownSpisUntilTheirSaComes) {
    MAKE_SCENE(scene);
    if (only_counts_unknown_spis(scene)) {
        return;
    }
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    for (std::uint64_t number = 1; number <= 3; ++number) {
        scene.receive(peer.seal(number, datagram(far_to_near, std::to_string(number))));
    }
    const auto asked = scene.next_event<UnknownSpi>();
    ASSERT_TRUE(asked.has_value());
    EXPECT_EQ(asked->inbound_spi, record.inbound_spi);
    EXPECT_EQ(asked->remote, udp_v4().remote);
    ASSERT_TRUE(scene.counts("held_unknown_spi", 3));
    EXPECT_EQ(scene.events_so_far<UnknownSpi>(), 0U) << "asked once";
    scene.apply(install(record));
    for (int number = 1; number <= 3; ++number) {
        EXPECT_EQ(scene.next_inner(), datagram(far_to_near, std::to_string(number)));
    }
}

TEST_P(DriverConformance, DropsWhatNobodyKnows) {
    MAKE_SCENE(scene);
    if (only_counts_unknown_spis(scene)) {
        return;
    }
    const auto record = make_record("aes128gcm16");
    Peer peer(record);
    scene.receive(peer.seal(1, datagram(far_to_near, "denied")));
    ASSERT_TRUE(scene.next_event<UnknownSpi>().has_value());
    scene.apply(DenySpi{record.inbound_spi});
    EXPECT_TRUE(scene.counts("drop_unknown_spi_denied", 1));
    const auto late = make_record("aes128gcm16", 0x7000);
    Peer late_peer(late);
    scene.receive(late_peer.seal(1, datagram(far_to_near, "too late")));
    EXPECT_TRUE(scene.counts("drop_unknown_spi_timeout", 1));
    scene.apply(install(record), install(late));
    scene.receive(peer.seal(2, datagram(far_to_near, "known")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "known")) << "and nothing before it";
}

TEST_P(DriverConformance, DropsReplaysAndForgeries) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes256-sha256");
    scene.apply(install(record));
    Peer peer(record);
    const Bytes packet = peer.seal(1, datagram(far_to_near, "once"));
    scene.receive(packet);
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "once"));
    scene.receive(packet);
    Bytes forged = peer.seal(2, datagram(far_to_near, "forged"));
    forged[30] ^= 1;
    scene.receive(forged);
    scene.receive(peer.seal(2, datagram(far_to_near, "fence")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "fence"));
    EXPECT_TRUE(scene.counts("drop_replay_seen", 1));
    EXPECT_TRUE(scene.counts("drop_integrity", 1));
}

TEST_P(DriverConformance, AnSaThatTheFleetHasUsedStartsAtItsMark) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16-esn");
    const std::uint64_t high = std::uint64_t{5} << 32U;
    InstallSa late = install(record);
    late.mark = {SequenceNumber(high + 100), SequenceNumber(high + 90)};
    Peer peer(record);
    scene.apply(std::move(late));
    scene.receive(peer.seal(high + 90, datagram(far_to_near, "replayed")));
    scene.receive(peer.seal(high + 95, datagram(far_to_near, "a longer way")));
    scene.receive(peer.seal(high + 101, datagram(far_to_near, "next")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "a longer way"));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "next"));
}

TEST_P(DriverConformance, AWindowFollowsTheFleetsMarks) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16");
    scene.apply(install(record));
    Peer peer(record);
    const auto passes = [&](std::uint64_t number, const char* text) {
        scene.receive(peer.seal(number, datagram(far_to_near, text)));
        return scene.next_inner() == datagram(far_to_near, text);
    };
    const auto lift = [&](std::uint64_t highest, std::uint64_t settled) {
        scene.apply(
            LiftReplay{record.inbound_spi, {SequenceNumber(highest), SequenceNumber(settled)}});
        for (int i = 0; i < 30; ++i) {
            scene.host().wait_a_little();
        }
    };
    EXPECT_TRUE(passes(7, "here"));
    const auto received = scene.next_event<Received>();
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(received->inbound_spi, record.inbound_spi);
    EXPECT_EQ(received->highest, SequenceNumber(7));
    lift(20, 5);
    scene.receive(peer.seal(5, datagram(far_to_near, "settled")));
    scene.receive(peer.seal(7, datagram(far_to_near, "seen")));
    EXPECT_TRUE(passes(19, "a longer way"));
    const auto below = scene.next_event<Received>();
    ASSERT_TRUE(below.has_value()) << "another edge lacks it, and must come to refuse it";
    EXPECT_EQ(below->highest, SequenceNumber(20));
    lift(20, 20);
    scene.receive(peer.seal(18, datagram(far_to_near, "settled")));
    EXPECT_TRUE(passes(21, "next"));
}

TEST_P(DriverConformance, HoldsBothSidesToTheSelectors) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16");
    scene.apply(install(record), grant(record.inbound_spi, 1, many));
    Peer peer(record);
    auto spoofed = far_to_near;
    spoofed.source = address("10.3.0.1");
    scene.receive(peer.seal(1, datagram(spoofed, "spoofed")));
    scene.receive(peer.seal(2, datagram(far_to_near, "honest")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "honest"));
    EXPECT_TRUE(scene.counts("drop_inner_selector", 1));
    spoofed = near_to_far;
    spoofed.source = address("10.3.0.1");
    scene.send(datagram(spoofed, "spoofed"));
    EXPECT_TRUE(scene.counts("drop_outbound_selector", 1));
}

/// Two Child SAs of one tunnel, the second published later.
std::pair<sa::ChildSaRecord, sa::ChildSaRecord> old_and_new() {
    auto old_one = make_record("aes128gcm16", 0x1000);
    auto new_one = make_record("aes256gcm16", 0x2000);
    old_one.published_at = WallTime{100};
    new_one.published_at = WallTime{200};
    return {std::move(old_one), std::move(new_one)};
}

TEST_P(DriverConformance, SendsOnTheNewestSaAndReceivesOnAll) {
    MAKE_SCENE(scene);
    const auto [old_one, new_one] = old_and_new();
    scene.apply(install(old_one), grant(old_one.inbound_spi, 1, many), install(new_one),
                grant(new_one.inbound_spi, 1, many));
    Peer old_peer(old_one);
    Peer new_peer(new_one);
    scene.send(datagram(near_to_far, "x"));
    EXPECT_TRUE(next_opened(scene, new_peer).has_value());
    scene.receive(old_peer.seal(1, datagram(far_to_near, "old")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "old"));
    scene.receive(new_peer.seal(1, datagram(far_to_near, "new")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "new"));
    scene.apply(RemoveSa{new_one.inbound_spi});
    scene.send(datagram(near_to_far, "x"));
    EXPECT_TRUE(next_opened(scene, old_peer).has_value());
}

TEST_P(DriverConformance, ARekeyByThePeerLosesNothing) {
    MAKE_SCENE(scene);
    auto [before, after] = old_and_new();
    after.replaces = before.inbound_spi;
    after.outbound_waits = true;
    scene.apply(install(before), grant(before.inbound_spi, 1, many), install(after),
                grant(after.inbound_spi, 1, many));
    Peer old_peer(before);
    Peer new_peer(after);
    scene.send(datagram(near_to_far, "the peer may not have our response yet"));
    EXPECT_TRUE(next_opened(scene, old_peer).has_value());
    scene.receive(new_peer.seal(1, datagram(far_to_near, "new")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "new"));
    scene.send(datagram(near_to_far, "it has"));
    bool switched = next_opened(scene, new_peer).has_value();
    // Where the kernel reports it, the switch comes a moment after the packet.
    for (int i = 0; !switched && scene.host().kernel_opens_esp() && i < patience; ++i) {
        scene.host().wait_a_little();
        scene.send(datagram(near_to_far, "it has"));
        switched = next_opened(scene, new_peer).has_value();
    }
    EXPECT_TRUE(switched);
    scene.apply(RemoveSa{before.inbound_spi, true});
    scene.receive(old_peer.seal(1, datagram(far_to_near, "late")));
    EXPECT_EQ(scene.next_inner(), datagram(far_to_near, "late"));
}

TEST_P(DriverConformance, AReauthenticationByThePeerLosesNothing) {
    MAKE_SCENE(scene);
    auto [before, after] = old_and_new();
    after.outbound_waits = true;
    scene.apply(install(before), grant(before.inbound_spi, 1, many), install(after),
                grant(after.inbound_spi, 1, many));
    Peer old_peer(before);
    Peer new_peer(after);
    scene.send(datagram(near_to_far, "the peer may not have our response yet"));
    EXPECT_TRUE(next_opened(scene, old_peer).has_value());
    scene.apply(RemoveSa{before.inbound_spi});
    scene.send(datagram(near_to_far, "there is no other"));
    EXPECT_TRUE(next_opened(scene, new_peer).has_value());
}

TEST_P(DriverConformance, FollowsAMovedPeerAndAMoveCommand) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16");
    scene.apply(install(record), grant(record.inbound_spi, 1, many));
    Peer peer(record);
    Path moved = udp_v4();
    moved.remote = {address("192.0.2.3"), natt_port};
    scene.receive(peer.seal(5, datagram(far_to_near, "x")), moved);
    const auto event = scene.next_event<EndpointMoved>();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->inbound_spi, record.inbound_spi);
    EXPECT_EQ(event->remote, moved.remote);
    EXPECT_EQ(event->local, moved.local);
    scene.send(datagram(near_to_far, "x"));
    EXPECT_EQ(scene.next_esp()->local, moved.remote);
    scene.apply(MoveEndpoint{record.ike_spi, udp_v4().local, udp_v4().remote, true});
    scene.send(datagram(near_to_far, "x"));
    EXPECT_EQ(scene.next_esp()->local, udp_v4().remote);
}

TEST_P(DriverConformance, ReportsUsage) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16");
    scene.apply(install(record), grant(record.inbound_spi, 10, many));
    Peer peer(record);
    scene.receive(peer.seal(33, datagram(far_to_near, "in")));
    scene.send(datagram(near_to_far, "out"));
    Usage sum;
    EXPECT_TRUE(scene.eventually([&] {
        if (scene.events_so_far<Usage>() > 0) {
            const Usage usage = *scene.next_event<Usage>();
            sum.packets_in += usage.packets_in;
            sum.packets_out += usage.packets_out;
            sum.bytes_out += usage.bytes_out;
            sum.highest_in = usage.highest_in;
            sum.highest_out = usage.highest_out;
        }
        return sum.packets_in == 1 && sum.packets_out == 1;
    }));
    EXPECT_EQ(sum.bytes_out, datagram(near_to_far, "out").size());
    EXPECT_EQ(sum.highest_in, SequenceNumber(33));
    EXPECT_EQ(sum.highest_out, SequenceNumber(10));
}

TEST_P(DriverConformance, CarriesIkeOnBothPorts) {
    MAKE_SCENE(scene);
    for (const std::uint16_t port : {ike_port, natt_port}) {
        for (const auto& [local, remote] :
             {std::pair{driver_v4, "192.0.2.2"}, std::pair{driver_v6, "2001:db8:ff::2"}}) {
            const Endpoint ours{address(local), port};
            const Endpoint theirs{address(remote), port};
            SCOPED_TRACE(ours.to_string());
            scene.host().send_ike(theirs, ours, as_bytes("a request"));
            const auto arrived = scene.next_ike();
            ASSERT_TRUE(arrived.has_value());
            EXPECT_EQ(arrived->local, ours);
            EXPECT_EQ(arrived->remote, theirs);
            EXPECT_EQ(to_string(arrived->bytes), "a request");
            const Bytes long_answer(3000, 0x55);  // certificates make such datagrams
            scene.host().driver().send_ike(std::vector<IkeDatagram>{{ours, theirs, long_answer}});
            const auto answered = scene.next_ike_at_peers();
            ASSERT_TRUE(answered.has_value());
            EXPECT_EQ(answered->local, theirs);
            EXPECT_EQ(answered->remote, ours);
            EXPECT_EQ(answered->bytes, long_answer);
        }
    }
}

TEST_P(DriverConformance, ReportsWhatItCantApply) {
    MAKE_SCENE(scene);
    auto broken = make_record("aes128gcm16");
    broken.outbound.encr = Secret();
    scene.apply(install(broken));
    const auto failed = scene.next_event<SaFailed>();
    ASSERT_TRUE(failed.has_value());
    EXPECT_EQ(failed->inbound_spi, broken.inbound_spi);
    EXPECT_FALSE(failed->why.empty());
}

TEST_P(DriverConformance, ForgetsARemovedDomain) {
    MAKE_SCENE(scene);
    const auto record = make_record("aes128gcm16");
    scene.apply(install(record), RemoveDomain{"acme"});
    Peer peer(record);
    scene.receive(peer.seal(1, datagram(far_to_near, "x")));
    const bool holds = scene.host().holds_unknown_spis();
    EXPECT_TRUE(holds ? scene.next_event<UnknownSpi>().has_value()
                      : scene.counts("drop_unknown_spi", 1));
    scene.apply(AddDomain{"acme"}, install(record));
    if (!holds) {
        scene.receive(peer.seal(2, datagram(far_to_near, "x")));
    }
    EXPECT_TRUE(scene.counts("packets_in", 1)) << "the account can come back";
}

TEST_P(DriverConformance, StopsAndStaysStopped) {
    MAKE_SCENE(scene);
    EXPECT_FALSE(scene.host().driver().describe().empty());
    scene.host().driver().stop();
    scene.host().driver().stop();
    scene.apply(AddDomain{"late"});
    EXPECT_FALSE(scene.host().driver().counters().empty());
}

}  // namespace

}  // namespace anyswan::dataplane::conformance
