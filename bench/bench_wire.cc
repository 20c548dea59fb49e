// SPDX-License-Identifier: Apache-2.0
// The IKE codec: an IKE_SA_INIT request as a datagram (the first thing anybody can make us do), and
// the payload chain inside an IKE_AUTH request, both of strongSwan; with SK around the latter.
#include <benchmark/benchmark.h>

#include "core/ike/protect.h"

namespace {

using namespace anyswan;
using wire::ike::Message;
using wire::ike::PayloadType;

Bytes sa_init_request() {
    return *from_hex(
        "969e41d4fe8973ce00000000000000002120220800000000000000e82200002800000024010100030300000c01"
        "000014800e01000300000802000005000000080400001f28000028001f0000a9ba8b1132401c007756a23535f3"
        "b55c6d645e673ed5a7a1cb6437b5ee25e23729000024cf6cf4f0963f1831640fb50d946ee29d5c759bccacaa98"
        "18380eccce496979ba2900001c0000400405bb6f0767dbdc1713071f59170c457d17c23e8a2900001c00004005"
        "0af4b710ef366311ca2f505168108e610148b999290000080000402e290000100000402f000200030004000500"
        "00000800004016");
}

/// IDi, INITIAL_CONTACT, IDr, AUTH, SA, TSi, TSr and three notifies.
Bytes auth_chain() {
    return *from_hex(
        "2900001902000000696e69746961746f722e6578616d706c652400000800004000270000190200000072657370"
        "6f6e6465722e6578616d706c65210000280200000016582426bf36b489f7fd893207b62e2a5e9e01256e6662ac"
        "ae5a6871d88c47da2c000024000000200103040221312abb0300000c01000014800e010000000008050000002d"
        "00001801000000070000100000ffff0a0100010a0100012900001801000000070000100000ffff0a0200010a02"
        "0001290000080000401429000008000040210000000800004024");
}

void parse_sa_init(benchmark::State& state) {
    const Bytes datagram = sa_init_request();
    for (auto _ : state) {
        benchmark::DoNotOptimize(Message::parse(datagram));
    }
}
BENCHMARK(parse_sa_init);

void emit_sa_init(benchmark::State& state) {
    const auto message = Message::parse(sa_init_request());
    for (auto _ : state) {
        benchmark::DoNotOptimize(message->emit());
    }
}
BENCHMARK(emit_sa_init);

void parse_auth_chain(benchmark::State& state) {
    const Bytes chain = auth_chain();
    for (auto _ : state) {
        benchmark::DoNotOptimize(parse_chain(PayloadType::id_initiator, chain));
    }
}
BENCHMARK(parse_auth_chain);

void emit_auth_chain(benchmark::State& state) {
    const auto payloads = wire::ike::parse_chain(PayloadType::id_initiator, auth_chain());
    for (auto _ : state) {
        benchmark::DoNotOptimize(emit_chain(*payloads));
    }
}
BENCHMARK(emit_auth_chain);

ike::MessageProtector gcm_protector() {
    const crypto::CipherSuite suite{crypto::EncrId::aes_gcm_16, 256, crypto::IntegId::none};
    return {suite, Bytes(crypto::encr_key_size(suite), 1), {}};
}

void seal_auth_request(benchmark::State& state) {
    const auto payloads = wire::ike::parse_chain(PayloadType::id_initiator, auth_chain());
    auto protector = gcm_protector();
    SeededRandom random(1);
    std::uint64_t iv = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(protector.seal({}, *payloads, iv++, random));
    }
}
BENCHMARK(seal_auth_request);

void open_auth_request(benchmark::State& state) {
    const auto payloads = wire::ike::parse_chain(PayloadType::id_initiator, auth_chain());
    auto protector = gcm_protector();
    SeededRandom random(1);
    const Bytes datagram = protector.seal({}, *payloads, 1, random);
    for (auto _ : state) {
        benchmark::DoNotOptimize(protector.open(datagram));
    }
}
BENCHMARK(open_auth_request);

}  // namespace

BENCHMARK_MAIN();
