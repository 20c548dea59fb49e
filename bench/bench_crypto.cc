// SPDX-License-Identifier: Apache-2.0
// What the algorithms cost per packet and per handshake: sealing and opening at ESP's two typical
// sizes, each key exchange, and the PRFs.
#include <benchmark/benchmark.h>

#include "core/crypto/crypto.h"

namespace anyswan::crypto {
namespace {

constexpr CipherSuite suites[] = {
    {EncrId::aes_gcm_16, 128, IntegId::none},
    {EncrId::aes_gcm_16, 256, IntegId::none},
    {EncrId::chacha20_poly1305, 0, IntegId::none},
    {EncrId::aes_cbc, 128, IntegId::hmac_sha1_96},
    {EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128},
    {EncrId::aes_cbc, 256, IntegId::hmac_sha2_512_256},
};

/// One SA's cipher and one packet's parts.
struct Packet {
    Packet(const CipherSuite& suite, std::size_t size, Random& random)
        : cipher(Cipher::make(suite, random.bytes(encr_key_size(suite)),
                              random.bytes(integ_key_size(suite)))
                     .value()),
          iv(random.bytes(iv_size(suite))),
          aad(random.bytes(8)),
          text(random.bytes(size / block_size(suite) * block_size(suite))),
          icv(icv_size(suite)) {}
    std::unique_ptr<Cipher> cipher;
    Bytes iv, aad, text, icv;
};

void count(benchmark::State& state, const Packet& packet) {
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet.text.size()));
}

void seal(benchmark::State& state, const CipherSuite& suite, std::size_t size) {
    SeededRandom random(1);
    Packet packet(suite, size, random);
    std::uint64_t counter = 0;
    for (auto _ : state) {
        store_u64(packet.iv, ++counter);
        packet.cipher->seal(packet.iv, packet.aad, {}, packet.text, packet.icv);
    }
    count(state, packet);
}

void open(benchmark::State& state, const CipherSuite& suite, std::size_t size) {
    SeededRandom random(1);
    Packet packet(suite, size, random);
    const Bytes plain = packet.text;
    packet.cipher->seal(packet.iv, packet.aad, {}, packet.text, packet.icv);
    const Bytes sealed = packet.text;
    for (auto _ : state) {
        // The copy is a few percent of the time; opening the same bytes twice would fail.
        std::copy(sealed.begin(), sealed.end(), packet.text.begin());
        if (!packet.cipher->open(packet.iv, packet.aad, {}, packet.text, packet.icv)) {
            state.SkipWithError("a packet of our own doesn't open");
        }
    }
    count(state, packet);
}

void make_cipher(benchmark::State& state, const CipherSuite& suite) {
    SeededRandom random(1);
    const Bytes encr = random.bytes(encr_key_size(suite));
    const Bytes integ = random.bytes(integ_key_size(suite));
    for (auto _ : state) {
        benchmark::DoNotOptimize(Cipher::make(suite, encr, integ).value());
    }
}

void generate(benchmark::State& state, KeMethod method) {
    SeededRandom random(1);
    for (auto _ : state) {
        benchmark::DoNotOptimize(KeyExchange::generate(method, random).value());
    }
}

void agree(benchmark::State& state, KeMethod method) {
    SeededRandom random(1);
    const auto ours = KeyExchange::generate(method, random).value();
    const auto theirs = KeyExchange::generate(method, random).value();
    for (auto _ : state) {
        benchmark::DoNotOptimize(ours->shared_secret(theirs->public_value()).value());
    }
}

void run_prf(benchmark::State& state, PrfId id) {
    const Bytes key(prf_key_size(id), 1);
    const Bytes data(64, 2);
    for (auto _ : state) {
        benchmark::DoNotOptimize(prf(id, key, {data}));
    }
}

void register_all() {
    for (const CipherSuite& suite : suites) {
        for (const std::size_t size : {64U, 1400U}) {
            const std::string name = to_string(suite) + "/" + std::to_string(size);
            benchmark::RegisterBenchmark(("seal/" + name).c_str(), seal, suite, size);
            benchmark::RegisterBenchmark(("open/" + name).c_str(), open, suite, size);
        }
        benchmark::RegisterBenchmark(("make/" + to_string(suite)).c_str(), make_cipher, suite);
    }
    constexpr std::pair<const char*, KeMethod> methods[] = {
        {"x25519", KeMethod::curve25519}, {"ecp256", KeMethod::ecp256},
        {"ecp384", KeMethod::ecp384},     {"ecp521", KeMethod::ecp521},
        {"modp2048", KeMethod::modp2048}, {"modp3072", KeMethod::modp3072},
        {"modp4096", KeMethod::modp4096},
    };
    for (const auto& [word, method] : methods) {
        benchmark::RegisterBenchmark((std::string("generate/") + word).c_str(), generate, method);
        benchmark::RegisterBenchmark((std::string("agree/") + word).c_str(), agree, method);
    }
    benchmark::RegisterBenchmark("prf/sha1", run_prf, PrfId::hmac_sha1);
    benchmark::RegisterBenchmark("prf/sha256", run_prf, PrfId::hmac_sha2_256);
    benchmark::RegisterBenchmark("prf/sha384", run_prf, PrfId::hmac_sha2_384);
}

}  // namespace
}  // namespace anyswan::crypto

int main(int argc, char** argv) {
    anyswan::crypto::register_all();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
