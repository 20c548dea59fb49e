// SPDX-License-Identifier: Apache-2.0
// What a packet costs in the userspace dataplane: sealing and opening batches per suite, route
// lookups, the replay window, and the whole forwarder from inner packet to inner packet.
#include <benchmark/benchmark.h>

#include "core/esp/inbound_sa.h"
#include "core/esp/outbound_sa.h"
#include "core/route/route_table.h"
#include "core/wire/ip/compose.h"
#include "dataplane/forward/forwarder.h"

namespace anyswan {
namespace {

constexpr std::size_t batch = 32;
constexpr std::size_t inner_size = 1400;
constexpr std::size_t capacity = 2048;

std::vector<wire::ike::TrafficSelector> selectors(std::string_view text) {
    const IpPrefix prefix = *IpPrefix::parse(text);
    return {{.first = prefix.first(), .last = prefix.last()}};
}

/// Both directions have the same key, so that what one half seals the other opens.
sa::ChildSaRecord record_of(std::string_view suite) {
    sa::ChildSaRecord record;
    record.inbound_spi = EspSpi(0x1000);
    record.outbound_spi = EspSpi(0x1000);
    record.tunnel = {"acme", "hq"};
    record.suite = *crypto::parse_esp_suite(suite);
    record.inbound = {Secret(crypto::encr_key_size(record.suite.cipher)),
                      Secret(crypto::integ_key_size(record.suite.cipher))};
    record.outbound = record.inbound.clone();
    record.local_ts = selectors("10.0.0.0/8");
    record.remote_ts = record.local_ts;
    record.sender_rule = sa::SenderRule::spread;
    return record;
}

const Bytes inner = wire::ip::compose_udp(
    {.source = *IpAddress::parse("10.1.0.1"), .destination = *IpAddress::parse("10.2.0.1")}, {1, 2},
    Bytes(inner_size - 28));

void refill(esp::Packet& packet) {
    packet.reset();
    packet.resize(inner.size());
    std::ranges::copy(inner, packet.bytes().begin());
}

void count_packets(benchmark::State& state) {
    const auto packets = state.iterations() * static_cast<std::int64_t>(batch);
    state.SetItemsProcessed(packets);
    state.SetBytesProcessed(packets * static_cast<std::int64_t>(inner_size));
}

void seal(benchmark::State& state, std::string_view suite) {
    auto sa = esp::OutboundSa::make(record_of(suite));
    esp::IvAllocator ivs(Incarnation(1));
    SeededRandom random(1);
    std::vector<esp::Packet> packets;
    for (std::size_t i = 0; i < batch; ++i) {
        packets.emplace_back(capacity);
    }
    for ([[maybe_unused]] auto _ : state) {
        for (esp::Packet& packet : packets) {
            refill(packet);
        }
        benchmark::DoNotOptimize(sa->seal(packets, ivs, random));
    }
    count_packets(state);
}

void seal_and_open(benchmark::State& state, std::string_view suite) {
    auto out = esp::OutboundSa::make(record_of(suite));
    auto in = esp::InboundSa::make(record_of(suite));
    esp::IvAllocator ivs(Incarnation(1));
    SeededRandom random(1);
    std::vector<esp::OuterPacket> packets(batch);
    for (esp::OuterPacket& packet : packets) {
        packet.packet = esp::Packet(capacity);
    }
    std::vector<esp::Opened> opened(batch);
    for ([[maybe_unused]] auto _ : state) {
        for (esp::OuterPacket& packet : packets) {
            refill(packet.packet);
            check(out->seal({&packet.packet, 1}, ivs, random) == 1, "sealed");
        }
        in->open(packets, opened);
        check(!opened.front().drop, "opened");
    }
    count_packets(state);
}

void forward(benchmark::State& state) {
    SeededRandom random(1);
    esp::PacketPool pool(capacity, 4 * batch);
    dataplane::Forwarder forwarder({.inner_mtu = inner_size}, random, pool);
    dataplane::ForwarderOutput out;
    const Now now{};
    forwarder.apply(dataplane::AddDomain{"acme"}, now, out);
    forwarder.apply(dataplane::AddRoute{{"acme", "hq"}, *IpPrefix::parse("10.0.0.0/8")}, now, out);
    forwarder.apply(dataplane::InstallSa{record_of("aes128gcm16"), {}, {}, true}, now, out);
    const dataplane::DomainId domain = *forwarder.find_domain("acme");
    std::vector<esp::Packet> packets(batch);
    std::vector<esp::OuterPacket> outer;
    for ([[maybe_unused]] auto _ : state) {
        for (esp::Packet& packet : packets) {
            packet = pool.take();
            refill(packet);
        }
        forwarder.send(domain, packets, now, out);
        outer.swap(out.outer);
        forwarder.receive(outer, now, out);
        check(out.inner.size() == batch, "all arrived");
        for (dataplane::InnerPacket& packet : out.inner) {
            pool.give(std::move(packet.packet));
        }
        outer.clear();
        out.clear();
    }
    count_packets(state);
}

void lookup(benchmark::State& state) {
    SeededRandom random(1);
    route::RouteTable<int> table;
    std::vector<IpAddress> addresses;
    for (int i = 0; i < state.range(0); ++i) {
        const auto bits = static_cast<std::uint32_t>(random.u64());
        const auto length = static_cast<std::uint8_t>(16 + random.below(4) * 4);
        const IpAddress address = IpAddress::v4(bits & ~((1U << (32U - length)) - 1U));
        table.add(i, {address, length});
        addresses.push_back(IpAddress::v4(bits));
    }
    std::size_t next = 0;
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(table.lookup(addresses[next]));
        next = (next + 1) % addresses.size();
    }
    state.SetItemsProcessed(state.iterations());
}

void replay_window(benchmark::State& state) {
    esp::ReplayWindow window(1024);
    std::uint64_t number = 0;
    for ([[maybe_unused]] auto _ : state) {
        const SequenceNumber next(++number);
        benchmark::DoNotOptimize(window.check(next));
        benchmark::DoNotOptimize(window.commit(next));
    }
    state.SetItemsProcessed(state.iterations());
}

constexpr const char* suites[] = {"aes128gcm16",   "aes256gcm16",   "chacha20poly1305",
                                  "aes128-sha256", "aes256-sha512", "aes128gcm16-esn"};

void register_all() {
    for (const char* suite : suites) {
        benchmark::RegisterBenchmark((std::string("seal/") + suite).c_str(),
                                     [suite](benchmark::State& state) { seal(state, suite); });
        benchmark::RegisterBenchmark(
            (std::string("seal_and_open/") + suite).c_str(),
            [suite](benchmark::State& state) { seal_and_open(state, suite); });
    }
    benchmark::RegisterBenchmark("forward/aes128gcm16", forward);
    benchmark::RegisterBenchmark("lookup/prefixes", lookup)->Arg(100)->Arg(10000)->Arg(100000);
    benchmark::RegisterBenchmark("replay_window", replay_window);
}

}  // namespace
}  // namespace anyswan

int main(int argc, char** argv) {
    anyswan::register_all();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
