// SPDX-License-Identifier: Apache-2.0
// ML-KEM against Wycheproof's and CCTV's vectors, through the KeyExchange interface wherever it
// shows the values, and what a misbehaving peer may send.
#include "core/crypto/ml_kem.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <sstream>

#include "core/crypto/openssl_handles.h"
#include "core/crypto/vectors_test.h"

namespace anyswan::crypto {
namespace {

using vectors::FixedRandom;
using vectors::hex_field;

/// tests/data/`path`, decompressed if it is. A missing file fails the test.
std::string read_text(const std::string& path) {
    std::string text;
    gzFile file = gzopen((std::string(ANYSWAN_TEST_DATA) + "/" + path).c_str(), "rb");
    if (file == nullptr) {
        ADD_FAILURE() << "can't read tests/data/" << path;
        return text;
    }
    std::array<char, 65536> part{};
    for (int got = 1; got > 0;) {
        got = gzread(file, part.data(), static_cast<unsigned>(part.size()));
        text.append(part.data(), static_cast<std::size_t>(std::max(got, 0)));
    }
    gzclose(file);
    return text;
}

/// "name = hex" lines; what isn't hex is left out, of a name that comes twice the first counts.
std::map<std::string, Bytes> read_values(const std::string& path) {
    std::map<std::string, Bytes> values;
    std::istringstream lines(read_text(path));
    for (std::string line; std::getline(lines, line);) {
        const std::size_t equals = line.find(" = ");
        if (equals != std::string::npos) {
            if (auto bytes = from_hex(line.substr(equals + 3))) {
                values.emplace(line.substr(0, equals), std::move(*bytes));
            }
        }
    }
    return values;
}

struct Set {
    KeMethod method;
    const char* name;
    const char* accumulated;  // SHAKE-128 over 10,000 runs of the standard, as CCTV defines it
};

class MlKem : public testing::TestWithParam<Set> {
protected:
    [[nodiscard]] std::string cctv(const std::string& folder, const std::string& ending) const {
        return "cctv-ml-kem/" + folder + "/" + GetParam().name + ending;
    }
};

TEST_P(MlKem, BothRolesAgree) {
    const KeMethod method = GetParam().method;
    ASSERT_TRUE(supported(method)) << "this build has no ML-KEM: see CMake's warning";
    SeededRandom random(1);
    const auto ours = KeyExchange::generate(method, random);
    ASSERT_TRUE(ours);
    const auto theirs = KeyExchange::respond(method, (*ours)->public_value(), random);
    ASSERT_TRUE(theirs);
    EXPECT_EQ((*ours)->public_value().size(), ml_kem::sizes_of(method).encapsulation_key);
    EXPECT_EQ(theirs->public_value.size(), ml_kem::sizes_of(method).ciphertext);
    const auto shared = (*ours)->shared_secret(theirs->public_value);
    ASSERT_TRUE(shared);
    EXPECT_EQ(*shared, theirs->shared_secret);
    EXPECT_EQ(shared->size(), 32U);
}

TEST_P(MlKem, WrongLengthsAreRefused) {
    const KeMethod method = GetParam().method;
    SeededRandom random(2);
    const auto ours = KeyExchange::generate(method, random);
    ASSERT_TRUE(ours);
    const Bytes key = to_bytes((*ours)->public_value());
    auto answer = KeyExchange::respond(method, key, random);
    ASSERT_TRUE(answer);
    const auto refusals = [&](ByteView as_key, ByteView as_ciphertext) {
        const auto responded = KeyExchange::respond(method, as_key, random);
        const auto opened = (*ours)->shared_secret(as_ciphertext);
        return !responded && responded.error() == CryptoError::bad_public_value && !opened &&
               opened.error() == CryptoError::bad_public_value;
    };
    const Bytes zero{0};
    const ByteView ciphertext(answer->public_value);
    EXPECT_TRUE(refusals({}, {}));
    EXPECT_TRUE(
        refusals(ByteView(key).first(key.size() - 1), ciphertext.first(ciphertext.size() - 1)));
    EXPECT_TRUE(refusals(concat({key, zero}), concat({ciphertext, zero})));
}

TEST_P(MlKem, AChangedCiphertextGivesAnotherSecret) {
    const KeMethod method = GetParam().method;
    SeededRandom random(3);
    const auto ours = KeyExchange::generate(method, random);
    ASSERT_TRUE(ours);
    auto answer = KeyExchange::respond(method, (*ours)->public_value(), random);
    ASSERT_TRUE(answer);
    answer->public_value[100] ^= 1U;
    const auto shared = (*ours)->shared_secret(answer->public_value);
    ASSERT_TRUE(shared);
    EXPECT_FALSE(*shared == answer->shared_secret);
}

TEST_P(MlKem, UnreducedKeysOfCctvAreRefused) {
    std::istringstream lines(read_text(cctv("modulus", ".txt.gz")));
    SeededRandom random(4);
    std::size_t refused = 0;
    for (std::string line; std::getline(lines, line);) {
        const std::optional<Bytes> key = from_hex(line);
        ASSERT_TRUE(key && key->size() == ml_kem::sizes_of(GetParam().method).encapsulation_key);
        const auto made = KeyExchange::respond(GetParam().method, *key, random);
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error(), CryptoError::bad_public_value);
        ++refused;
    }
    // Every value from q to 2^12-1, more than every place once.
    EXPECT_GE(refused, 767U);
}

// CCTV's vectors follow FIPS 203's draft, in which key generation alone differs from the standard:
// it hashes d, not d | k. So keys are taken as they stand, not made from their seeds.
TEST_P(MlKem, CctvValuesAgree) {
    for (const char* const folder : {"intermediate", "unluckysample"}) {
        SCOPED_TRACE(folder);
        const bool compressed = std::string_view(folder) == "intermediate";
        auto values = read_values(cctv(folder, compressed ? ".txt.gz" : ".txt"));
        FixedRandom random(values["m"]);
        const auto made = KeyExchange::respond(GetParam().method, values["ek"], random);
        ASSERT_TRUE(made);
        EXPECT_EQ(made->public_value, values["c"]);
        EXPECT_TRUE(equal(made->shared_secret.reveal(), values["K"]));
        const auto opened = ml_kem::decapsulate(GetParam().method, values["dk"], values["c"]);
        ASSERT_TRUE(opened);
        EXPECT_TRUE(equal(opened->reveal(), values["K"]));
    }
}

TEST_P(MlKem, CctvCiphertextThatStrcmpWouldTakeIsRejected) {
    auto values = read_values(cctv("strcmp", ".txt"));
    const auto secret = ml_kem::decapsulate(GetParam().method, values["dk"], values["c"]);
    ASSERT_TRUE(secret);
    EXPECT_TRUE(equal(secret->reveal(), values["K"]));
}

Bytes shake128(ByteView input, std::size_t size) {
    const DigestCtx ctx(EVP_MD_CTX_new());
    Bytes out(size);
    EXPECT_EQ(EVP_DigestInit_ex(ctx.get(), EVP_shake128(), nullptr), 1);
    EXPECT_EQ(EVP_DigestUpdate(ctx.get(), input.data(), input.size()), 1);
    EXPECT_EQ(EVP_DigestFinalXOF(ctx.get(), out.data(), out.size()), 1);
    return out;
}

TEST_P(MlKem, TenThousandRunsHashAsTheyShould) {
    const KeMethod method = GetParam().method;
    constexpr std::size_t runs = 10000;
    const ml_kem::Sizes sizes = ml_kem::sizes_of(method);
    const Bytes stream =
        shake128({}, runs * (ml_kem::seed_size + ml_kem::message_size + sizes.ciphertext));
    Reader drawn(stream);
    Bytes results;
    for (std::size_t i = 0; i < runs; ++i) {
        const ByteView seed = *drawn.take(ml_kem::seed_size);
        const ByteView message = *drawn.take(ml_kem::message_size);
        const ByteView invalid = *drawn.take(sizes.ciphertext);
        const auto keys = ml_kem::key_pair(method, seed);
        ASSERT_TRUE(keys);
        const ByteView private_key = keys->decapsulation_key.reveal();
        const auto made = ml_kem::encapsulate(method, keys->encapsulation_key, message);
        const auto rejected = ml_kem::decapsulate(method, private_key, invalid);
        ASSERT_TRUE(made && rejected);
        ASSERT_EQ(ml_kem::decapsulate(method, private_key, made->ciphertext), made->secret);
        for (const ByteView part :
             {ByteView(keys->encapsulation_key), private_key, ByteView(made->ciphertext),
              made->secret.reveal(), rejected->reveal()}) {
            results.insert(results.end(), part.begin(), part.end());
        }
    }
    EXPECT_EQ(to_hex(shake128(results, 32)), GetParam().accumulated);
}

INSTANTIATE_TEST_SUITE_P(
    Sets, MlKem,
    testing::Values(Set{KeMethod::ml_kem_512, "ML-KEM-512",
                        "705dcffc87f4e67e35a09dcaa31772e86f3341bd3ccf1e78a5fef99ae6a35a13"},
                    Set{KeMethod::ml_kem_768, "ML-KEM-768",
                        "f959d18d3d1180121433bf0e05f11e7908cf9d03edc150b2b07cb90bef5bc1c1"},
                    Set{KeMethod::ml_kem_1024, "ML-KEM-1024",
                        "e3bf82b013307b2e9d47dde791ff6dfc82e694e6382404abdb948b908b75bad5"}),
    [](const auto& set) { return "Set" + std::string(set.param.name).substr(7); });

struct File {
    KeMethod method;
    const char* path;
    int agreed;
    int refused;
};

class WycheproofMlKem : public testing::TestWithParam<File> {
protected:
    [[nodiscard]] nlohmann::json tests() const {
        auto all = nlohmann::json::array();
        const auto file = nlohmann::json::parse(
            read_text(std::string("wycheproof/") + GetParam().path), nullptr, false);
        EXPECT_FALSE(file.is_discarded());
        for (const auto& group : file.value("testGroups", nlohmann::json::array())) {
            for (const auto& test : group.at("tests")) {
                all.push_back(test);
            }
        }
        return all;
    }
    /// Counts an outcome, which must be the one that the vector states.
    void count(const nlohmann::json& test, bool agrees) {
        EXPECT_EQ(agrees, test.at("result") == "valid");
        ++(agrees ? agreed_ : refused_);
    }
    void TearDown() override {
        EXPECT_EQ(agreed_, GetParam().agreed);
        EXPECT_EQ(refused_, GetParam().refused);
    }

private:
    int agreed_ = 0;
    int refused_ = 0;
};

class WycheproofEncapsulation : public WycheproofMlKem {};
TEST_P(WycheproofEncapsulation, Agrees) {
    for (const auto& test : tests()) {
        SCOPED_TRACE(test.at("tcId"));
        FixedRandom random(hex_field(test, "m"));
        const auto made = KeyExchange::respond(GetParam().method, hex_field(test, "ek"), random);
        count(test, made && made->public_value == hex_field(test, "c") &&
                        equal(made->shared_secret.reveal(), hex_field(test, "K")));
    }
}
INSTANTIATE_TEST_SUITE_P(
    Files, WycheproofEncapsulation,
    testing::Values(File{KeMethod::ml_kem_768, "mlkem_768_encaps_test.json.gz", 133, 132},
                    File{KeMethod::ml_kem_1024, "mlkem_1024_encaps_test.json.gz", 133, 136}));

class WycheproofDecapsulation : public WycheproofMlKem {};
TEST_P(WycheproofDecapsulation, Agrees) {
    for (const auto& test : tests()) {
        SCOPED_TRACE(test.at("tcId"));
        const Bytes seed = hex_field(test, "seed");
        if (seed.size() != ml_kem::seed_size) {
            count(test, false);  // our seeds are drawn: there is no way in for one of another size
            continue;
        }
        FixedRandom random(seed);
        const auto ours = KeyExchange::generate(GetParam().method, random);
        ASSERT_TRUE(ours);
        const auto shared = (*ours)->shared_secret(hex_field(test, "c"));
        count(test, shared && equal(shared->reveal(), hex_field(test, "K")) &&
                        equal((*ours)->public_value(), hex_field(test, "ek")));
    }
}
INSTANTIATE_TEST_SUITE_P(
    Files, WycheproofDecapsulation,
    testing::Values(File{KeMethod::ml_kem_768, "mlkem_768_test.json.gz", 153, 40},
                    File{KeMethod::ml_kem_1024, "mlkem_1024_test.json.gz", 153, 40}));

class WycheproofKeyPair : public WycheproofMlKem {};
TEST_P(WycheproofKeyPair, Agrees) {
    for (const auto& test : tests()) {
        SCOPED_TRACE(test.at("tcId"));
        const auto keys = ml_kem::key_pair(GetParam().method, hex_field(test, "seed"));
        count(test, keys && keys->encapsulation_key == hex_field(test, "ek") &&
                        equal(keys->decapsulation_key.reveal(), hex_field(test, "dk")));
    }
}
INSTANTIATE_TEST_SUITE_P(
    Files, WycheproofKeyPair,
    testing::Values(File{KeMethod::ml_kem_768, "mlkem_768_keygen_seed_test.json.gz", 100, 0},
                    File{KeMethod::ml_kem_1024, "mlkem_1024_keygen_seed_test.json.gz", 100, 0}));

}  // namespace
}  // namespace anyswan::crypto
