// SPDX-License-Identifier: Apache-2.0
#include "core/trace/message_text.h"

#include <algorithm>

#include "base/spi.h"
#include "core/ike/report.h"

namespace anyswan::trace {

using namespace wire::ike;

namespace {

std::string octets(std::size_t count) {
    return std::to_string(count) + (count == 1 ? " octet" : " octets");
}

/// Text if it is, else hexadecimal; long values are cut.
std::string data_text(ByteView data) {
    constexpr std::size_t shown_max = 32;
    const bool text = !data.empty() && std::all_of(data.begin(), data.end(), [](std::uint8_t c) {
        return c >= 0x20 && c < 0x7f;
    });
    const ByteView shown = data.first(std::min(data.size(), shown_max));
    return (text ? "\"" + to_string(shown) + "\"" : to_hex(shown)) +
           (shown.size() < data.size() ? "... (" + octets(data.size()) + ")" : "");
}

/// A payload's name as messages are written in RFC 7296, and its lines.
struct Lines {
    std::string name;
    std::vector<std::string> texts;
};

Lines lines_of(const SecurityAssociation& sa) {
    Lines lines{"SA", {}};
    for (const Proposal& proposal : sa.proposals) {
        SecurityAssociation alone{{proposal}};
        lines.texts.push_back("proposal " + std::to_string(proposal.number) + ": " +
                              name(proposal.protocol) + " " + ike::describe(alone) +
                              (proposal.spi.empty() ? "" : ", SPI " + to_hex(proposal.spi)));
    }
    return lines;
}

Lines lines_of(const KeyExchange& ke) {
    return {"KE", {name(ke.method) + ", " + octets(ke.data.size())}};
}

std::string identity(const Identification& id) {
    return "\"" + id.to_string() + "\" (" + name(id.type) + ")";
}
Lines lines_of(const IdInitiator& id) {
    return {"IDi", {identity(id)}};
}
Lines lines_of(const IdResponder& id) {
    return {"IDr", {identity(id)}};
}

std::string encoding(std::uint8_t value) {
    // RFC 7296 3.6.
    switch (value) {
        case 4:
            return "X.509 certificate, signature";
        case 12:
            return "hash and URL of X.509 certificate";
        case 13:
            return "hash and URL of X.509 bundle";
        default:
            return "encoding " + std::to_string(value);
    }
}
Lines lines_of(const Certificate& certificate) {
    return {"CERT", {encoding(certificate.encoding) + ", " + octets(certificate.data.size())}};
}
Lines lines_of(const CertificateRequest& request) {
    // RFC 7296 3.7: concatenated SHA-1 hashes of the public keys of trusted authorities.
    constexpr std::size_t hash_size = 20;
    const std::size_t count = request.authority.size() / hash_size;
    return {"CERTREQ",
            {encoding(request.encoding) + ", " + std::to_string(count) +
             (count == 1 ? " authority" : " authorities")}};
}

Lines lines_of(const Authentication& auth) {
    return {"AUTH", {name(auth.method) + ", " + octets(auth.data.size())}};
}

Lines lines_of(const Nonce& nonce) {
    return {"Nonce", {octets(nonce.data.size())}};
}

Lines lines_of(const Notify& notify) {
    std::string text = name(notify.type);
    if (!notify.spi.empty()) {
        text += ", " + name(notify.protocol) + " SPI " + to_hex(notify.spi);
    }
    // What an operator can act on; cookies, hashes and the like stay a length.
    if (notify.type == NotifyType::invalid_ke_payload && notify.data.size() == 2) {
        text += ", wants " + name(static_cast<KeMethod>(load_u16(notify.data)));
    } else if (!notify.data.empty()) {
        text += ", " + octets(notify.data.size());
    }
    return {"N", {text}};
}

Lines lines_of(const Delete& gone) {
    std::string text = name(gone.protocol);
    for (const Bytes& spi : gone.spis) {
        text += " " + to_hex(spi);
    }
    return {"D", {text}};
}

Lines lines_of(const VendorId& vendor) {
    return {"V", {data_text(vendor.data)}};
}

std::vector<std::string> texts_of(const TrafficSelectors& selectors) {
    std::vector<std::string> texts;
    for (const TrafficSelector& selector : selectors.selectors) {
        texts.push_back(selector.to_string());
    }
    for (const Bytes& opaque : selectors.opaque) {
        texts.push_back("selector of type " + std::to_string(opaque.empty() ? 0 : opaque.front()));
    }
    return texts;
}
Lines lines_of(const TsInitiator& selectors) {
    return {"TSi", texts_of(selectors)};
}
Lines lines_of(const TsResponder& selectors) {
    return {"TSr", texts_of(selectors)};
}

Lines lines_of(const Encrypted& encrypted) {
    return {"SK", {octets(encrypted.body.size()) + " encrypted"}};
}
Lines lines_of(const EncryptedFragment& fragment) {
    return {"SKF",
            {"fragment " + std::to_string(fragment.number) + " of " +
             std::to_string(fragment.total) + ", " + octets(fragment.body.size()) + " encrypted"}};
}

std::string attribute_name(std::uint16_t type) {
    // RFC 7296 3.15.1, RFC 8598.
    switch (type) {
        case 1:
            return "INTERNAL_IP4_ADDRESS";
        case 2:
            return "INTERNAL_IP4_NETMASK";
        case 3:
            return "INTERNAL_IP4_DNS";
        case 7:
            return "APPLICATION_VERSION";
        case 8:
            return "INTERNAL_IP6_ADDRESS";
        case 10:
            return "INTERNAL_IP6_DNS";
        case 13:
            return "INTERNAL_IP4_SUBNET";
        case 15:
            return "INTERNAL_IP6_SUBNET";
        case 25:
            return "INTERNAL_DNS_DOMAIN";
        default:
            return "attribute " + std::to_string(type);
    }
}

std::string attribute_value(ByteView value) {
    // INTERNAL_IP6_ADDRESS and the subnets have a prefix length or mask behind the address.
    const std::size_t address_size = value.size() >= 16 ? 16 : 4;
    if (value.size() >= address_size) {
        const auto address = IpAddress::from_bytes(value.first(address_size));
        const ByteView rest = value.subspan(address_size);
        if (address && rest.size() <= 4) {
            return address->to_string() + (rest.size() == 1 ? "/" + std::to_string(rest[0]) : "") +
                   (rest.size() == 4 ? "/" + IpAddress::from_bytes(rest)->to_string() : "");
        }
    }
    return data_text(value);
}

Lines lines_of(const Configuration& configuration) {
    constexpr const char* types[] = {"CFG_REQUEST", "CFG_REPLY", "CFG_SET", "CFG_ACK"};
    const auto type = static_cast<std::size_t>(configuration.type);
    Lines lines{"CP", {type >= 1 && type <= 4 ? types[type - 1] : "CFG " + std::to_string(type)}};
    for (const ConfigurationAttribute& attribute : configuration.attributes) {
        lines.texts.push_back(
            attribute_name(attribute.type) +
            (attribute.value.empty() ? "" : " " + attribute_value(attribute.value)));
    }
    return lines;
}

Lines lines_of(const Eap& eap) {
    return {"EAP", {octets(eap.message.size())}};
}

Lines lines_of(const UnknownPayload& unknown) {
    return {name(unknown.type), {octets(unknown.body.size())}};
}

}  // namespace

std::string headline(const Header& header) {
    return name(header.exchange) + (header.response ? " response " : " request ") +
           std::to_string(header.message_id.value()) + ", SPIs " + hex(header.initiator_spi) +
           "_i " + hex(header.responder_spi) + "_r";
}

std::vector<std::string> payload_lines(const std::vector<Payload>& payloads) {
    constexpr std::size_t name_width = 8;
    std::vector<std::string> all;
    for (const Payload& payload : payloads) {
        const Lines lines =
            std::visit([](const auto& body) { return lines_of(body); }, payload.body);
        std::string label = lines.name + (payload.critical ? "!" : "");
        for (const std::string& text : lines.texts) {
            label.resize(std::max(label.size() + 1, name_width), ' ');
            all.push_back(ike::printable(label + text));
            label.clear();
        }
    }
    return all;
}

}  // namespace anyswan::trace
