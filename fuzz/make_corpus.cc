// SPDX-License-Identifier: Apache-2.0
// make_corpus TESTDATA OUT: seeds for the fuzz targets, from the captures' datagrams and
// plaintexts, IKE's and ESP's, and from a kernel's messages.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "fixed_keys.h"

namespace {

using namespace anyswan;

/// Writes seeds of one target as numbered files.
class Corpus {
public:
    explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {
        std::filesystem::create_directories(folder_);
    }
    void add(ByteView seed) {
        std::ofstream file(folder_ / std::to_string(count_++), std::ios::binary);
        file.write(reinterpret_cast<const char*>(seed.data()),
                   static_cast<std::streamsize>(seed.size()));
    }

private:
    std::filesystem::path folder_;
    std::size_t count_ = 0;
};

/// `plain` cut into three fragments, in the form of reassembly_fuzz.cc.
Bytes fragments_of(std::uint8_t first, ByteView plain) {
    constexpr std::uint8_t total = 3;
    Writer out;
    for (std::uint8_t number = 1; number <= total; ++number) {
        const std::size_t begin = plain.size() * (number - 1U) / total;
        const std::size_t end = plain.size() * number / total;
        out.u8(number);
        out.u8(total);
        out.u8(number == 1 ? first : 0);
        out.u16(static_cast<std::uint16_t>(end - begin));
        out.append(plain.subspan(begin, end - begin));
    }
    return std::move(out).take();
}

/// A script (core/ike/conformance/script.cc): two sides with an IKE SA, and one says what stands in
/// a captured message. Its payloads are cut at what a script can hold.
Bytes said(const std::string& exchange, std::uint8_t first, ByteView plain) {
    constexpr std::size_t body_max = 127;
    const std::uint8_t number = exchange == "IKE_AUTH"          ? 35
                                : exchange == "CREATE_CHILD_SA" ? 36
                                                                : 37;
    Writer payloads;
    std::uint8_t count = 0;
    for (std::uint8_t type = first; type != 0; ++count) {
        const std::size_t length = load_u16(plain.subspan(2));
        const ByteView body = plain.first(length).subspan(4);
        const ByteView kept = body.first(std::min(body.size(), body_max));
        payloads.u8(static_cast<std::uint8_t>(type - 33));
        payloads.u8(static_cast<std::uint8_t>(kept.size()));
        payloads.append(kept);
        type = plain[0];
        plain = plain.subspan(length);
    }
    return concat({Bytes{0xc0, 10, 0, 0x08, static_cast<std::uint8_t>(number - 34), 2, count},
                   payloads.view()});
}

struct Corpora {
    explicit Corpora(const std::filesystem::path& out)
        : message(out / "message"),
          chain(out / "chain"),
          open(out / "open"),
          reassembly(out / "reassembly"),
          ip(out / "ip"),
          esp(out / "esp"),
          pcap(out / "pcap"),
          session(out / "session"),
          x509(out / "x509") {}
    Corpus message, chain, open, reassembly, ip, esp, pcap, session, x509;

    void add_certificates(wire::ike::PayloadType first, ByteView plain) {
        const auto payloads = wire::ike::parse_chain(first, plain);
        check(payloads.has_value(), "a captured chain of payloads");
        for (const wire::ike::Payload& payload : *payloads) {
            if (const auto* found = std::get_if<wire::ike::Certificate>(&payload.body)) {
                x509.add(concat({Bytes{0}, found->data}));
            }
            if (const auto* id = std::get_if<wire::ike::IdInitiator>(&payload.body)) {
                x509.add(concat({Bytes{5}, id->data, id->data}));
            }
        }
    }
    void add_capture(const std::filesystem::path& path) {
        std::ifstream file(path, std::ios::binary);
        const Bytes bytes{std::istreambuf_iterator<char>(file), {}};
        pcap.add(bytes);
    }
    void add_event(const nlohmann::json& event) {
        if (event.contains("wire") && event["wire"].is_string()) {
            message.add(*from_hex(event["wire"].get<std::string>()));
        }
        if (event["event"] == "esp") {
            const Bytes plain = *from_hex(event["plain"].get<std::string>());
            ip.add(plain);  // with ESP's trailer behind it
            for (std::uint8_t choice = 0; choice < 4; ++choice) {
                esp.add(concat({Bytes{choice}, plain}));
            }
        }
        if (!event.contains("first_payload")) {
            return;
        }
        const auto first = event["first_payload"].get<std::uint8_t>();
        const Bytes plain = *from_hex(event["plain"].get<std::string>());
        chain.add(concat({Bytes{first}, plain}));
        add_certificates(wire::ike::PayloadType(first), plain);
        session.add(said(event["exchange"].get<std::string>(), first, plain));
        reassembly.add(fragments_of(first, plain));
        for (const std::uint8_t choice : {std::uint8_t{0}, std::uint8_t{1}}) {
            const Bytes iv(choice == 0 ? 8 : 16);
            const Bytes padding(choice == 0 ? 0 : 15 - plain.size() % 16);
            const Bytes sealed = fuzz::fixed_protector(choice).seal_with_iv(
                {}, wire::ike::PayloadType(first), plain, iv, padding);
            open.add(concat({Bytes{choice}, sealed}));
            open.add(concat({Bytes{choice, first}, plain, padding,
                             Bytes{static_cast<std::uint8_t>(padding.size())}}));
        }
    }
};

/// Netlink messages in hex, each behind a line that names it.
void add_netlink(Corpus& xfrm, const std::filesystem::path& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (const auto message = line.starts_with("#") ? std::nullopt : from_hex(line)) {
            xfrm.add(*message);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    check(argc == 3, "usage: make_corpus TESTDATA OUT");
    const std::filesystem::path data(argv[1]);
    Corpora corpora(argv[2]);
    Corpus xfrm(std::filesystem::path(argv[2]) / "xfrm");
    add_netlink(xfrm, data / "xfrm" / "kernel.hex");
    add_netlink(xfrm, data / "xfrm" / "requests.hex");
    for (const auto& folder : std::filesystem::directory_iterator(data / "captures")) {
        if (!folder.is_directory()) {
            continue;
        }
        corpora.add_capture(folder.path() / "capture.pcap");
        std::ifstream file(folder.path() / "vector.json");
        const auto vector = nlohmann::json::parse(file);
        for (const auto& event : vector.at("events")) {
            corpora.add_event(event);
        }
    }
    return 0;
}
