// SPDX-License-Identifier: Apache-2.0
// Handshakes per second of one responder core: IKE_SA_INIT, IKE_AUTH with a pre-shared key and the
// first Child SA, per key exchange method. The time of the initiator, a second engine, isn't
// counted; nor are the store and the sockets, which the engine doesn't know.
#include <benchmark/benchmark.h>

#include <chrono>

#include "core/ike/engine.h"

namespace anyswan::ike {
namespace {

const Endpoint anycast{*IpAddress::parse("192.0.2.1"), 500};
const Endpoint router{*IpAddress::parse("198.51.100.7"), 500};
constexpr Now now{Instant{1s}, {1'700'000'000'000'000'000}};

sa::TunnelRecord tunnel(const char* ike_suite) {
    sa::TunnelRecord made;
    made.id = {"bench", "hq"};
    made.local_id = wire::ike::Identification::from_text("edge.example");
    made.remote_id = wire::ike::Identification::from_text("hq.example");
    made.psk = Secret::copy_of(as_bytes("a pre-shared key of some length"));
    made.ike_suites = {*crypto::parse_ike_suite(ike_suite)};
    made.esp_suites = {*crypto::parse_esp_suite("aes128gcm16")};
    made.local_prefixes = {*IpPrefix::parse("10.0.0.0/8")};
    made.remote_prefixes = {*IpPrefix::parse("10.1.0.0/16")};
    return made;
}

class OneTunnel final : public TunnelDirectory {
public:
    explicit OneTunnel(sa::TunnelRecord only) : only_(std::move(only)) {}
    [[nodiscard]] std::vector<const sa::TunnelRecord*> by_address(const IpAddress&) const override {
        return {&only_};
    }
    [[nodiscard]] const sa::TunnelRecord* by_id(const sa::TunnelId&) const override {
        return &only_;
    }

private:
    sa::TunnelRecord only_;
};

class Spis final : public SpiSource {
public:
    std::optional<EspSpi> allocate() override { return EspSpi(++last_); }

private:
    std::uint32_t last_ = 4096;
};

struct Peer {
    Peer(sa::TunnelRecord configured, std::uint64_t seed)
        : random(seed),
          directory(std::move(configured)),
          engine(config(), random, spis, directory) {}
    static EngineConfig config() {
        EngineConfig made;
        made.edge_name = "bench";
        made.edge_id = EdgeId(1);
        made.cookie_secret = Secret(Bytes(32));
        return made;
    }
    SeededRandom random;
    Spis spis;
    OneTunnel directory;
    Engine engine;
};

/// Gives the datagram to the responder; its time is added to `spent`.
Outputs timed_step(Engine& responder, Bytes datagram, Duration& spent) {
    const auto begin = std::chrono::steady_clock::now();
    Outputs out = responder.step(now, DatagramReceived{anycast, router, std::move(datagram)});
    spent += std::chrono::steady_clock::now() - begin;
    return out;
}

void handshakes(benchmark::State& state, const char* ike_suite) {
    Peer responder(tunnel(ike_suite), 1);
    sa::TunnelRecord theirs = tunnel(ike_suite);
    std::swap(theirs.local_id, theirs.remote_id);
    std::swap(theirs.local_prefixes, theirs.remote_prefixes);
    Peer initiator(std::move(theirs), 2);
    for (auto _ : state) {
        Duration spent{0};
        Outputs init = initiator.engine.step(now, Initiate{{"bench", "hq"}, router, anycast});
        Outputs answer =
            timed_step(responder.engine, std::move(init.actions[0].send[0].bytes), spent);
        Outputs auth = initiator.engine.step(
            now, DatagramReceived{router, anycast, std::move(answer.actions[0].send[0].bytes)});
        Outputs done =
            timed_step(responder.engine, std::move(auth.actions[0].send[0].bytes), spent);
        if (done.actions.at(0).writes.size() != 3) {
            state.SkipWithError("the handshake failed");
        }
        (void)responder.engine.step(now, LostOwnership{done.actions[0].our_spi});
        (void)initiator.engine.step(now, LostOwnership{init.actions[0].our_spi});
        state.SetIterationTime(std::chrono::duration<double>(spent).count());
    }
    state.counters["handshakes/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(handshakes, x25519, "aes128gcm16-prfsha256-x25519")->UseManualTime();
BENCHMARK_CAPTURE(handshakes, ecp256, "aes128gcm16-prfsha256-ecp256")->UseManualTime();
BENCHMARK_CAPTURE(handshakes, ecp384, "aes256gcm16-prfsha384-ecp384")->UseManualTime();
BENCHMARK_CAPTURE(handshakes, modp2048, "aes256-sha256-modp2048")->UseManualTime();

/// What a flood costs: an IKE_SA_INIT that gets a COOKIE.
void cookies(benchmark::State& state) {
    sa::TunnelRecord configured = tunnel("aes128gcm16-prfsha256-x25519");
    EngineConfig config = Peer::config();
    config.cookie_threshold = 0;
    Peer initiator(tunnel("aes128gcm16-prfsha256-x25519"), 2);
    SeededRandom random(3);
    Spis spis;
    OneTunnel directory(std::move(configured));
    Engine responder(std::move(config), random, spis, directory);
    const Outputs init = initiator.engine.step(now, Initiate{{"bench", "hq"}, router, anycast});
    const Bytes& request = init.actions[0].send[0].bytes;
    for (auto _ : state) {
        benchmark::DoNotOptimize(responder.step(now, DatagramReceived{anycast, router, request}));
    }
}
BENCHMARK(cookies);

}  // namespace
}  // namespace anyswan::ike

BENCHMARK_MAIN();
