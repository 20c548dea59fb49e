// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/translate.h"

#include <algorithm>

namespace anyswan::dataplane::xfrm {

namespace {

using crypto::EncrId;
using crypto::IntegId;
using wire::ike::TrafficSelector;
using Number = unsigned __int128;

constexpr std::uint8_t icmp = 1;
constexpr std::uint8_t icmp_v6 = 58;

struct Name {
    const char* kernel = "";
    std::uint32_t icv_bits = 0;
    const char* modules = "";
};

Name encryption(EncrId encr) {
    switch (encr) {
        case EncrId::aes_gcm_16:
            return {"rfc4106(gcm(aes))", 128, "gcm seqiv"};
        case EncrId::chacha20_poly1305:
            return {"rfc7539esp(chacha20,poly1305)", 128, "chacha20poly1305 seqiv"};
        case EncrId::aes_cbc:
            return {"cbc(aes)", 0, "cbc authenc echainiv"};
        case EncrId::null:
            return {"ecb(cipher_null)", 0, "crypto_null authenc"};
        default:
            return {};
    }
}

Name integrity(IntegId integ) {
    switch (integ) {
        case IntegId::hmac_sha1_96:
            return {"hmac(sha1)", 96, "hmac sha1_generic"};
        case IntegId::hmac_sha2_256_128:
            return {"hmac(sha256)", 128, "hmac sha256_generic"};
        case IntegId::hmac_sha2_384_192:
            return {"hmac(sha384)", 192, "hmac sha512_generic"};
        case IntegId::hmac_sha2_512_256:
            return {"hmac(sha512)", 256, "hmac sha512_generic"};
        default:
            return {};
    }
}

/// A block of `1 << bits` numbers that starts at `start`.
struct Block {
    Number start;
    unsigned bits;
};

/// The fewest aligned blocks that make up first..last.
std::vector<Block> blocks_of(Number first, Number last, unsigned width) {
    std::vector<Block> blocks;
    for (Number at = first; at <= last;) {
        unsigned bits = 0;
        while (bits < width && ((at >> bits) & 1U) == 0 &&
               (bits + 1 == 128 ? last == ~Number{0} && at == 0
                                : last - at >= (Number{1} << (bits + 1)) - 1)) {
            ++bits;
        }
        blocks.push_back({at, bits});
        if (bits == 128) {
            break;
        }
        const Number next = at + (Number{1} << bits);
        if (next <= at) {
            break;  // past the biggest number there is
        }
        at = next;
    }
    return blocks;
}

Number number_of(const IpAddress& address) {
    Number number = 0;
    for (const std::uint8_t byte : address.bytes()) {
        number = number << 8U | byte;
    }
    return number;
}

IpAddress address_of(Number number, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = size; i-- > 0; number >>= 8U) {
        bytes[i] = static_cast<std::uint8_t>(number);
    }
    return *IpAddress::from_bytes(bytes);
}

struct Ports {
    std::uint16_t port = 0;
    std::uint16_t mask = 0;
};

std::vector<Ports> ports_of(const TrafficSelector& selector) {
    std::vector<Ports> ports;
    for (const Block& block : blocks_of(selector.start_port, selector.end_port, 16)) {
        ports.push_back({static_cast<std::uint16_t>(block.start),
                         static_cast<std::uint16_t>(0xffffU << block.bits)});
    }
    return ports;
}

bool any_port(const TrafficSelector& selector) {
    return selector.start_port == 0 && selector.end_port == 0xffff;
}

Status check_ports(const TrafficSelector& selector) {
    // RFC 7296 3.13.1: OPAQUE ports are written as start 65535, end 0.
    if (selector.start_port > selector.end_port) {
        return fail("traffic selector " + selector.to_string() +
                    " has OPAQUE ports, which the kernel can't match; use the userspace dataplane");
    }
    const bool is_icmp = selector.ip_protocol == icmp || selector.ip_protocol == icmp_v6;
    if (!any_port(selector) && (is_icmp || selector.ip_protocol == 0)) {
        return fail("traffic selector " + selector.to_string() +
                    " has ICMP types or ports without a protocol, which this driver doesn't give "
                    "to the kernel; use the userspace dataplane");
    }
    return {};
}

void append_pair(const TrafficSelector& source, const TrafficSelector& destination,
                 std::vector<Selector>& out) {
    for (const IpPrefix& from : prefixes_of_range(source.first, source.last)) {
        for (const IpPrefix& to : prefixes_of_range(destination.first, destination.last)) {
            for (const Ports& from_port : ports_of(source)) {
                for (const Ports& to_port : ports_of(destination)) {
                    out.push_back({from, to, std::max(source.ip_protocol, destination.ip_protocol),
                                   from_port.port, from_port.mask, to_port.port, to_port.mask});
                }
            }
        }
    }
}

}  // namespace

Result<Algorithms> algorithms_of(const crypto::CipherSuite& suite, const sa::ChildKeys& keys) {
    const Name encr = encryption(suite.encr);
    if (*encr.kernel == '\0' || !crypto::supported(suite)) {
        return fail("this driver has no kernel name for cipher " + crypto::to_string(suite));
    }
    if (keys.encr.size() != crypto::encr_key_size(suite) ||
        keys.integ.size() != crypto::integ_key_size(suite)) {
        return fail("the SA's keys have the wrong length for " + crypto::to_string(suite));
    }
    Algorithms out;
    Algorithm main{encr.kernel, keys.encr.clone(), encr.icv_bits};
    if (crypto::is_aead(suite.encr)) {
        out.aead = std::move(main);
    } else {
        const Name integ = integrity(suite.integ);
        out.cipher = std::move(main);
        out.integrity = Algorithm{integ.kernel, keys.integ.clone(), integ.icv_bits};
    }
    return out;
}

std::string modules_of(const crypto::CipherSuite& suite) {
    const std::string extra = integrity(suite.integ).modules;
    return std::string("esp4 esp6 ") + encryption(suite.encr).modules +
           (extra.empty() ? "" : " " + extra);
}

std::vector<IpPrefix> prefixes_of_range(const IpAddress& first, const IpAddress& last) {
    std::vector<IpPrefix> prefixes;
    const unsigned width = first.bit_length();
    for (const Block& block : blocks_of(number_of(first), number_of(last), width)) {
        prefixes.push_back({address_of(block.start, first.bytes().size()),
                            static_cast<std::uint8_t>(width - block.bits)});
    }
    return prefixes;
}

Result<std::vector<Selector>> selectors_of(std::span<const TrafficSelector> source,
                                           std::span<const TrafficSelector> destination) {
    std::vector<Selector> out;
    for (const TrafficSelector& from : source) {
        for (const TrafficSelector& to : destination) {
            for (const TrafficSelector* one : {&from, &to}) {
                if (const Status good = check_ports(*one); !good) {
                    return Unexpected{good.error()};
                }
            }
            const bool together = from.first.family() == to.first.family() &&
                                  (from.ip_protocol == 0 || to.ip_protocol == 0 ||
                                   from.ip_protocol == to.ip_protocol);
            if (together) {
                append_pair(from, to, out);
            }
            if (out.size() > selectors_max) {
                return fail("the SA's traffic selectors make more than " +
                            std::to_string(selectors_max) +
                            " kernel policies; use fewer or aligned prefixes, or the userspace "
                            "dataplane");
            }
        }
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

}  // namespace anyswan::dataplane::xfrm
