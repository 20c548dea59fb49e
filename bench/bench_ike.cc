// SPDX-License-Identifier: Apache-2.0
// Handshakes per second of one responder core: IKE_SA_INIT, IKE_INTERMEDIATE if there is a second
// key exchange, IKE_AUTH with a pre-shared key and the first Child SA. The time of the initiator, a
// second engine, isn't counted; nor are the store and the sockets, which the engine doesn't know.
#include <benchmark/benchmark.h>

#include <chrono>

#include "core/ike/engine.h"
#include "core/ike/keys.h"
#include "core/ike/protect.h"

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

/// Gives the datagrams to the responder, whose time is added to `spent`.
std::vector<Datagram> timed_step(Engine& responder, std::vector<Datagram> datagrams,
                                 Duration& spent, Outputs& last) {
    std::vector<Datagram> answers;
    for (Datagram& datagram : datagrams) {
        const auto begin = std::chrono::steady_clock::now();
        last = responder.step(now, DatagramReceived{anycast, router, std::move(datagram.bytes)});
        spent += std::chrono::steady_clock::now() - begin;
        for (const Action& action : last.actions) {
            answers.insert(answers.end(), action.send.begin(), action.send.end());
        }
    }
    return answers;
}

std::vector<Datagram> step(Engine& initiator, std::vector<Datagram> datagrams) {
    std::vector<Datagram> answers;
    for (Datagram& datagram : datagrams) {
        const Outputs out =
            initiator.step(now, DatagramReceived{router, anycast, std::move(datagram.bytes)});
        for (const Action& action : out.actions) {
            answers.insert(answers.end(), action.send.begin(), action.send.end());
        }
    }
    return answers;
}

void handshakes(benchmark::State& state, const char* ike_suite) {
    Peer responder(tunnel(ike_suite), 1);
    sa::TunnelRecord theirs = tunnel(ike_suite);
    std::swap(theirs.local_id, theirs.remote_id);
    std::swap(theirs.local_prefixes, theirs.remote_prefixes);
    Peer initiator(std::move(theirs), 2);
    for (auto _ : state) {
        Duration spent{0};
        Outputs last;
        const Outputs init = initiator.engine.step(now, Initiate{{"bench", "hq"}, router, anycast});
        std::vector<Datagram> to_responder = init.actions[0].send;
        while (!to_responder.empty()) {
            to_responder = step(initiator.engine,
                                timed_step(responder.engine, std::move(to_responder), spent, last));
        }
        if (last.actions.at(0).writes.size() != 3) {
            state.SkipWithError("the handshake failed");
        }
        (void)responder.engine.step(now, LostOwnership{last.actions[0].our_spi});
        (void)initiator.engine.step(now, LostOwnership{init.actions[0].our_spi});
        state.SetIterationTime(std::chrono::duration<double>(spent).count());
    }
    state.counters["handshakes/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

/// What a responder asks of the cryptographic library in such a handshake, and nothing else: the
/// share of the above that is not ours to make faster.
void library(benchmark::State& state, const char* ike_suite) {
    const crypto::IkeSuite suite = *crypto::parse_ike_suite(ike_suite);
    std::vector<crypto::KeMethod> methods{suite.ke};
    for (const crypto::KeMethod method : crypto::additional_of(suite.additional)) {
        methods.push_back(method);
    }
    SeededRandom random(4);
    std::vector<Bytes> offers;
    for (const crypto::KeMethod method : methods) {
        offers.push_back(
            to_bytes(crypto::KeyExchange::generate(method, random).value()->public_value()));
    }
    const Bytes nonce = random.bytes(32);
    const NoncePair nonces{nonce, nonce};
    const SpiPair spis{IkeSpi(1), IkeSpi(2)};
    const Bytes psk(31, 7);
    const Bytes message = random.bytes(500);
    wire::ike::Header header;
    header.exchange = wire::ike::ExchangeType::ike_auth;
    const std::vector<wire::ike::Payload> payloads{{wire::ike::Nonce{random.bytes(150)}}};
    for (auto _ : state) {
        IkeKeys keys;
        for (std::size_t i = 0; i < methods.size(); ++i) {
            const auto answer = crypto::KeyExchange::respond(methods[i], offers[i], random);
            const ByteView secret = answer->shared_secret.reveal();
            const Secret seed = i == 0 ? skeyseed(suite.prf, nonces, secret)
                                       : skeyseed_rekey(suite.prf, keys.d.reveal(), nonces, secret);
            keys = derive_ike_keys(suite, seed.reveal(), nonces, spis);
            MessageProtector theirs(suite.cipher, keys.ei.reveal(), keys.ai.reveal());
            MessageProtector ours(suite.cipher, keys.er.reveal(), keys.ar.reveal());
            const Bytes request = theirs.seal(header, payloads, i, random);
            benchmark::DoNotOptimize(ours.seal(header, payloads, i, random));
            benchmark::DoNotOptimize(theirs.open(request));
        }
        for (int side = 0; side < 2; ++side) {
            benchmark::DoNotOptimize(psk_auth(
                suite.prf, psk, auth_octets(suite.prf, {message, nonce, keys.pi.reveal(), nonce})));
        }
        const crypto::CipherSuite esp = crypto::parse_esp_suite("aes128gcm16")->cipher;
        benchmark::DoNotOptimize(derive_child_keys(suite.prf, esp, keys.d.reveal(), nonces, {}));
    }
    state.counters["handshakes/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

constexpr std::pair<const char*, const char*> suites[] = {
    {"x25519", "aes128gcm16-prfsha256-x25519"},
    {"ecp256", "aes128gcm16-prfsha256-ecp256"},
    {"ecp384", "aes256gcm16-prfsha384-ecp384"},
    {"modp2048", "aes256-sha256-modp2048"},
    {"x25519_mlkem768", "aes256gcm16-prfsha384-x25519-ke1_mlkem768"},
};

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

void register_all() {
    for (const auto& [word, suite] : suites) {
        benchmark::RegisterBenchmark((std::string("handshakes/") + word).c_str(), handshakes, suite)
            ->UseManualTime();
        benchmark::RegisterBenchmark((std::string("library/") + word).c_str(), library, suite);
    }
}

}  // namespace
}  // namespace anyswan::ike

int main(int argc, char** argv) {
    anyswan::ike::register_all();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
