// SPDX-License-Identifier: Apache-2.0
// Proposal choice and traffic selector narrowing.
#include "core/ike/negotiate.h"

#include <algorithm>

#include "core/ike/limits.h"

namespace anyswan::ike {

using wire::ike::Proposal;
using wire::ike::ProtocolId;
using wire::ike::SecurityAssociation;
using wire::ike::TrafficSelector;
using wire::ike::Transform;
using wire::ike::TransformType;

namespace {

/// What a suite demands of one transform type.
struct Demand {
    TransformType type{};
    std::uint16_t id = 0;
    std::uint16_t key_bits = 0;
    /// The type may be missing from a proposal: then the demanded value is what absence means.
    bool may_be_absent = false;
};

std::uint16_t number(auto value) {
    return static_cast<std::uint16_t>(value);
}

/// The Key Length attribute a cipher travels with: 0 for ciphers with one key size (RFC 7634
/// section 4: ChaCha20-Poly1305 has none).
std::uint16_t wire_key_bits(const crypto::CipherSuite& cipher) {
    switch (cipher.encr) {
        case crypto::EncrId::chacha20_poly1305:
        case crypto::EncrId::triple_des:
        case crypto::EncrId::null:
            return 0;
        default:
            return cipher.key_bits;
    }
}

void demand_cipher(const crypto::CipherSuite& cipher, std::vector<Demand>& demands) {
    demands.push_back({TransformType::encr, number(cipher.encr), wire_key_bits(cipher), false});
    // RFC 7296 3.3: combined-mode ciphers "MUST either offer no integrity algorithm or a single
    // integrity algorithm of "NONE"".
    const bool none = cipher.integ == crypto::IntegId::none;
    demands.push_back({TransformType::integ, number(cipher.integ), 0, none});
}

TransformType additional_type(std::size_t index) {
    return static_cast<TransformType>(number(TransformType::addke1) + index);
}

/// RFC 9370 2.2.1: "The responder MUST treat all of the omitted ADDKE transforms as if they were
/// proposed with Transform ID NONE."
void demand_additional(const crypto::AdditionalKe& additional, std::vector<Demand>& demands) {
    for (std::size_t i = 0; i < additional.size(); ++i) {
        demands.push_back({additional_type(i), number(additional[i]), 0,
                           additional[i] == crypto::KeMethod::none});
    }
}

std::vector<Demand> demands_of(const crypto::IkeSuite& suite) {
    std::vector<Demand> demands;
    demand_cipher(suite.cipher, demands);
    demands.push_back({TransformType::prf, number(suite.prf), 0, false});
    demands.push_back({TransformType::ke, number(suite.ke), 0, false});
    demand_additional(suite.additional, demands);
    return demands;
}

std::vector<Demand> demands_of(const crypto::EspSuite& suite, ChildKe ke) {
    std::vector<Demand> demands;
    demand_cipher(suite.cipher, demands);
    // RFC 4303 2.2.1: extended sequence numbers are only used when negotiated, so that absence
    // means the 32-bit ones.
    const bool sequential = suite.sn == crypto::SnId::sequential_32;
    demands.push_back({TransformType::sn, number(suite.sn), 0, sequential});
    if (ke == ChildKe::negotiated) {
        // RFC 7296 3.3.3: the key exchange is an optional type of ESP; absence means NONE.
        demands.push_back(
            {TransformType::ke, number(suite.ke), 0, suite.ke == crypto::KeMethod::none});
        demand_additional(suite.additional, demands);
    }
    return demands;
}

bool satisfies(const Transform& transform, const Demand& demand) {
    // RFC 7296 3.3.6: "if the responder receives a transform ... that contains a Transform
    // Attribute it does not understand, it MUST consider this transform unacceptable".
    const auto known = [](const wire::ike::Attribute& attribute) {
        return attribute.type == wire::ike::attribute_key_length && !attribute.tlv;
    };
    return transform.type == demand.type && transform.id == demand.id &&
           transform.key_length_bits() == demand.key_bits &&
           std::all_of(transform.attributes.begin(), transform.attributes.end(), known);
}

bool has_type(const Proposal& proposal, TransformType type) {
    return std::any_of(proposal.transforms.begin(), proposal.transforms.end(),
                       [type](const Transform& transform) { return transform.type == type; });
}

/// RFC 7296 3.3.6: "If the responder receives a proposal that contains a Transform Type it does not
/// understand, or a proposal that is missing a mandatory Transform Type, it MUST consider this
/// proposal unacceptable".
bool only_known_types(const Proposal& proposal, const std::vector<Demand>& demands, ChildKe ke) {
    const auto ignored = [ke](TransformType type) {
        return ke == ChildKe::ignored && (type == TransformType::ke || is_additional(type));
    };
    return std::all_of(
        proposal.transforms.begin(), proposal.transforms.end(), [&](const Transform& transform) {
            return ignored(transform.type) ||
                   std::any_of(demands.begin(), demands.end(),
                               [&](const Demand& demand) { return demand.type == transform.type; });
        });
}

std::optional<Proposal> match_demands(const std::vector<Demand>& demands, const Proposal& offered,
                                      ChildKe ke) {
    if (!only_known_types(offered, demands, ke)) {
        return std::nullopt;
    }
    Proposal reply{offered.number, offered.protocol, offered.spi, {}};
    for (const Demand& demand : demands) {
        if (!has_type(offered, demand.type)) {
            if (demand.may_be_absent) {
                continue;
            }
            return std::nullopt;
        }
        const auto found = std::find_if(
            offered.transforms.begin(), offered.transforms.end(),
            [&demand](const Transform& transform) { return satisfies(transform, demand); });
        if (found == offered.transforms.end()) {
            return std::nullopt;
        }
        reply.transforms.push_back(*found);
    }
    return reply;
}

/// `matching(suite, proposal)`: the reply, if the proposal contains the suite.
template <class Suite, class Matching>
std::optional<Chosen<Suite>> choose_suite(std::span<const Suite> preferred,
                                          const SecurityAssociation& offered, Matching matching) {
    for (const Suite& suite : preferred) {
        for (const Proposal& proposal : offered.proposals) {
            if (auto reply = matching(suite, proposal)) {
                return Chosen<Suite>{suite, std::move(*reply)};
            }
        }
    }
    return std::nullopt;
}

Proposal propose(const std::vector<Demand>& demands, std::size_t index, ProtocolId protocol,
                 Bytes spi) {
    Proposal proposal{static_cast<std::uint8_t>(index + 1), protocol, std::move(spi), {}};
    for (const Demand& demand : demands) {
        if (demand.type != TransformType::sn && demand.may_be_absent) {
            continue;
        }
        proposal.transforms.push_back(Transform::make(demand.type, demand.id, demand.key_bits));
    }
    return proposal;
}

template <class Suite, class Matching>
std::optional<Suite> accepted_suite(std::span<const Suite> offered,
                                    const SecurityAssociation& answer, Matching matching) {
    // RFC 7296 3.3.6: "The initiator of an exchange MUST check that the accepted offer is
    // consistent with one of its proposals"; 3.3.1: the proposal number "MUST match the number on
    // the proposal sent that was accepted".
    if (answer.proposals.size() != 1) {
        return std::nullopt;
    }
    const Proposal& chosen = answer.proposals.front();
    const std::size_t index = chosen.number;
    if (index < 1 || index > offered.size()) {
        return std::nullopt;
    }
    const Suite& suite = offered[index - 1];
    const auto matched = matching(suite, chosen);
    if (!matched || matched->transforms.size() != chosen.transforms.size()) {
        return std::nullopt;
    }
    return suite;
}

std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b) {
    if (a.first.family() != b.first.family()) {
        return std::nullopt;
    }
    if (a.ip_protocol != 0 && b.ip_protocol != 0 && a.ip_protocol != b.ip_protocol) {
        return std::nullopt;
    }
    TrafficSelector both;
    both.ip_protocol = a.ip_protocol != 0 ? a.ip_protocol : b.ip_protocol;
    both.first = std::max(a.first, b.first);
    both.last = std::min(a.last, b.last);
    both.start_port = std::max(a.start_port, b.start_port);
    both.end_port = std::min(a.end_port, b.end_port);
    // RFC 7296 3.13.1: start 65535, end 0 is OPAQUE: ports that can't be seen. It meets itself and
    // "any".
    const auto opaque = [](const TrafficSelector& ts) {
        return ts.start_port == 65535 && ts.end_port == 0;
    };
    const auto any = [](const TrafficSelector& ts) {
        return ts.start_port == 0 && ts.end_port == 65535;
    };
    if (opaque(a) || opaque(b)) {
        const TrafficSelector& other = opaque(a) ? b : a;
        if (!opaque(other) && !any(other)) {
            return std::nullopt;
        }
        both.start_port = 65535;
        both.end_port = 0;
    } else if (both.start_port > both.end_port) {
        return std::nullopt;
    }
    if (both.first > both.last) {
        return std::nullopt;
    }
    return both;
}

bool contains(const TrafficSelector& outer, const TrafficSelector& inner) {
    return intersect(outer, inner) == inner;
}

}  // namespace

bool is_additional(TransformType type) {
    return type >= TransformType::addke1 && type <= TransformType::addke7;
}

std::size_t additional_index(TransformType type) {
    check(is_additional(type), "an additional key exchange");
    return static_cast<std::size_t>(number(type) - number(TransformType::addke1));
}

SecurityAssociation without_additional(const SecurityAssociation& offered) {
    SecurityAssociation rest = offered;
    std::erase_if(rest.proposals, [](const Proposal& proposal) {
        return std::any_of(
            proposal.transforms.begin(), proposal.transforms.end(),
            [](const Transform& transform) { return is_additional(transform.type); });
    });
    return rest;
}

std::optional<Proposal> match(const crypto::IkeSuite& suite, const Proposal& offered) {
    if (offered.protocol != ProtocolId::ike) {
        return std::nullopt;
    }
    return match_demands(demands_of(suite), offered, ChildKe::negotiated);
}

std::optional<Proposal> match(const crypto::EspSuite& suite, const Proposal& offered, ChildKe ke) {
    if (offered.protocol != ProtocolId::esp || !esp_spi(offered)) {
        return std::nullopt;
    }
    // RFC 7296 1.2: "The SA payloads in the IKE_AUTH exchange cannot contain Transform Type 4
    // (Diffie-Hellman group) with any value other than NONE." Peers that send one anyway, or an
    // additional one, mean their later rekeys: read over it.
    return match_demands(demands_of(suite, ke), offered, ke);
}

namespace {

std::optional<Proposal> match_ike(const crypto::IkeSuite& suite, const Proposal& offered) {
    return match(suite, offered);
}

auto match_esp(ChildKe ke) {
    return [ke](const crypto::EspSuite& suite, const Proposal& offered) {
        return match(suite, offered, ke);
    };
}

}  // namespace

std::optional<Chosen<crypto::IkeSuite>> choose(std::span<const crypto::IkeSuite> preferred,
                                               const SecurityAssociation& offered) {
    return choose_suite(preferred, offered, match_ike);
}

std::optional<Chosen<crypto::EspSuite>> choose(std::span<const crypto::EspSuite> preferred,
                                               const SecurityAssociation& offered, ChildKe ke) {
    return choose_suite(preferred, offered, match_esp(ke));
}

SecurityAssociation offer(std::span<const crypto::IkeSuite> suites, IkeSpi spi) {
    SecurityAssociation sa;
    Writer writer;
    if (spi != IkeSpi{}) {
        writer.u64(spi.value());
    }
    const Bytes bytes = std::move(writer).take();
    for (std::size_t i = 0; i < suites.size(); ++i) {
        sa.proposals.push_back(propose(demands_of(suites[i]), i, ProtocolId::ike, bytes));
    }
    return sa;
}

SecurityAssociation offer(std::span<const crypto::EspSuite> suites, EspSpi spi) {
    SecurityAssociation sa;
    Writer writer;
    writer.u32(spi.value());
    const Bytes bytes = std::move(writer).take();
    for (std::size_t i = 0; i < suites.size(); ++i) {
        sa.proposals.push_back(
            propose(demands_of(suites[i], ChildKe::negotiated), i, ProtocolId::esp, bytes));
    }
    return sa;
}

std::optional<crypto::IkeSuite> accepted(std::span<const crypto::IkeSuite> offered,
                                         const SecurityAssociation& answer) {
    return accepted_suite(offered, answer, match_ike);
}

std::optional<crypto::EspSuite> accepted(std::span<const crypto::EspSuite> offered,
                                         const SecurityAssociation& answer, ChildKe ke) {
    return accepted_suite(offered, answer, match_esp(ke));
}

std::optional<IkeSpi> ike_spi(const Proposal& proposal) {
    if (proposal.spi.size() != 8) {
        return std::nullopt;
    }
    const IkeSpi spi(load_u64(proposal.spi));
    return spi == IkeSpi{} ? std::nullopt : std::optional(spi);
}

std::optional<EspSpi> esp_spi(const Proposal& proposal) {
    if (proposal.spi.size() != 4) {
        return std::nullopt;
    }
    const EspSpi spi(load_u32(proposal.spi));
    return spi.value() < esp_spi_min ? std::nullopt : std::optional(spi);
}

std::vector<TrafficSelector> narrow(const std::vector<TrafficSelector>& offered,
                                    const std::vector<TrafficSelector>& allowed) {
    // RFC 7296 2.9: "it narrows the Traffic Selectors to some subset of the initiator's proposal
    // (provided the set does not become the null set)". All intersections are kept, so the
    // initiator's first selector, the one of the packet that asked for the SA, is covered whenever
    // policy allows it, as it MUST be.
    std::vector<TrafficSelector> result;
    for (const TrafficSelector& wanted : offered) {
        for (const TrafficSelector& limit : allowed) {
            const auto both = intersect(wanted, limit);
            if (both && result.size() < traffic_selectors_max && !within({*both}, result)) {
                result.push_back(*both);
            }
        }
    }
    return result;
}

bool within(const std::vector<TrafficSelector>& inner, const std::vector<TrafficSelector>& outer) {
    return std::all_of(inner.begin(), inner.end(), [&outer](const TrafficSelector& ts) {
        return std::any_of(outer.begin(), outer.end(),
                           [&ts](const TrafficSelector& limit) { return contains(limit, ts); });
    });
}

void keep_common_families(std::vector<TrafficSelector>& a, std::vector<TrafficSelector>& b) {
    const auto has = [](const std::vector<TrafficSelector>& list, IpFamily family) {
        return std::any_of(list.begin(), list.end(), [family](const TrafficSelector& ts) {
            return ts.first.family() == family;
        });
    };
    for (const IpFamily family : {IpFamily::v4, IpFamily::v6}) {
        if (has(a, family) && has(b, family)) {
            continue;
        }
        const auto of_family = [family](const TrafficSelector& ts) {
            return ts.first.family() == family;
        };
        std::erase_if(a, of_family);
        std::erase_if(b, of_family);
    }
}

std::vector<TrafficSelector> selectors_of(const std::vector<IpPrefix>& prefixes) {
    std::vector<TrafficSelector> selectors;
    selectors.reserve(prefixes.size());
    for (const IpPrefix& prefix : prefixes) {
        selectors.push_back(TrafficSelector::from_prefix(prefix));
    }
    return selectors;
}

}  // namespace anyswan::ike
