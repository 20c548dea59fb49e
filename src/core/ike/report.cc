// SPDX-License-Identifier: Apache-2.0
// The words of events.
#include "core/ike/report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "core/ike/negotiate.h"
#include "core/sa/weak.h"

namespace anyswan::ike {

using wire::ike::Proposal;
using wire::ike::Transform;
using wire::ike::TransformType;

namespace {

/// Tunnels and suites named in one event before it says "...".
constexpr std::size_t named_max = 4;
constexpr std::size_t selectors_named_max = 8;

/// A transform in configuration words, for ids that configuration may not have a word for.
struct Word {
    std::uint16_t id;
    const char* text;
};
constexpr std::array encr_words{Word{2, "des"},       Word{3, "3des"},
                                Word{11, "null"},     Word{12, "aes"},
                                Word{13, "aesctr"},   Word{18, "aesgcm8"},
                                Word{19, "aesgcm12"}, Word{20, "aesgcm16"},
                                Word{23, "camellia"}, Word{28, "chacha20poly1305"}};
constexpr std::array integ_words{Word{0, "none"},    Word{1, "md5"},     Word{2, "sha1"},
                                 Word{5, "aesxcbc"}, Word{12, "sha256"}, Word{13, "sha384"},
                                 Word{14, "sha512"}};
constexpr std::array prf_words{Word{1, "prfmd5"},    Word{2, "prfsha1"},   Word{4, "prfaesxcbc"},
                               Word{5, "prfsha256"}, Word{6, "prfsha384"}, Word{7, "prfsha512"}};
constexpr std::array ke_words{Word{0, "none"},      Word{1, "modp768"},   Word{2, "modp1024"},
                              Word{5, "modp1536"},  Word{14, "modp2048"}, Word{15, "modp3072"},
                              Word{16, "modp4096"}, Word{17, "modp6144"}, Word{18, "modp8192"},
                              Word{19, "ecp256"},   Word{20, "ecp384"},   Word{21, "ecp521"},
                              Word{31, "x25519"},   Word{32, "x448"},     Word{35, "mlkem512"},
                              Word{36, "mlkem768"}, Word{37, "mlkem1024"}};
constexpr std::array sn_words{Word{0, "noesn"}, Word{1, "esn"}, Word{2, "unspecified32"}};

template <std::size_t N>
std::string word(const std::array<Word, N>& words, const char* type, std::uint16_t id) {
    for (const Word& known : words) {
        if (known.id == id) {
            return known.text;
        }
    }
    return type + std::to_string(id);
}

std::string word(const Transform& transform) {
    const std::uint16_t bits = transform.key_length_bits();
    switch (transform.type) {
        case TransformType::encr: {
            // "aes" + bits + the mode: aes128gcm16, as in configuration.
            std::string name = word(encr_words, "encr", transform.id);
            if (bits != 0) {
                const std::size_t at = name.starts_with("aes") ? 3 : name.size();
                name.insert(at, std::to_string(bits));
            }
            return name;
        }
        case TransformType::prf:
            return word(prf_words, "prf", transform.id);
        case TransformType::integ:
            return word(integ_words, "integ", transform.id);
        case TransformType::ke:
            return word(ke_words, "group", transform.id);
        case TransformType::sn:
            return word(sn_words, "sn", transform.id);
        default:
            if (is_additional(transform.type)) {
                return "ke" + std::to_string(additional_index(transform.type) + 1) + "_" +
                       word(ke_words, "group", transform.id);
            }
            return "type" + std::to_string(static_cast<unsigned>(transform.type)) + "-" +
                   std::to_string(transform.id);
    }
}

std::vector<const Transform*> of_type(const Proposal& proposal, TransformType type) {
    std::vector<const Transform*> found;
    for (const Transform& transform : proposal.transforms) {
        if (transform.type == type) {
            found.push_back(&transform);
        }
    }
    return found;
}

/// What configuration leaves out, since it goes without saying: a PRF of the integrity's hash, and
/// sequence numbers of 32 bits.
bool goes_without_saying(const Proposal& proposal, TransformType type) {
    const auto here = of_type(proposal, type);
    if (here.size() != 1) {
        return false;
    }
    if (type == TransformType::prf) {
        const auto integ = of_type(proposal, TransformType::integ);
        return integ.size() == 1 && word(*here.front()) == "prf" + word(*integ.front());
    }
    return type == TransformType::sn && here.front()->id == 0;
}

std::string describe(const Proposal& proposal) {
    std::string text;
    const auto add = [&text, &proposal](TransformType type) {
        std::string words;
        for (const Transform* transform : of_type(proposal, type)) {
            words += (words.empty() ? "" : "/") + word(*transform);
        }
        if (!words.empty() && !goes_without_saying(proposal, type)) {
            text += (text.empty() ? "" : "-") + words;
        }
    };
    for (const TransformType type :
         {TransformType::encr, TransformType::integ, TransformType::prf, TransformType::ke,
          TransformType::addke1, TransformType::addke2, TransformType::addke3,
          TransformType::addke4, TransformType::addke5, TransformType::addke6,
          TransformType::addke7, TransformType::sn}) {
        add(type);
    }
    return text.empty() ? "nothing" : text;
}

template <class Suite>
std::string join(const std::vector<Suite>& suites) {
    std::string text;
    for (const Suite& suite : suites) {
        text += (text.empty() ? "" : ", ") + crypto::to_string(suite);
    }
    return text.empty() ? "nothing" : text;
}

std::string about(const Session& session) {
    std::string text = session.tunnel ? "tunnel " + session.tunnel->to_string() + ", " : "";
    const SpiPair spis = session.spis();
    return text + "peer " + session.path.remote.to_string() + ", SPIs " + hex(spis.initiator) +
           "_i " + hex(spis.responder) + "_r";
}

}  // namespace

void report(Context& context, const Session& session, EventKind kind, const std::string& text,
            EspSpi inbound) {
    context.out.events.push_back({kind, session.our_spi, session.peer_spi, session.tunnel,
                                  session.path.remote, inbound,
                                  printable(text + " [" + about(session) + "]")});
}

void report(Context& context, const Endpoint& remote, IkeSpi peer_spi, EventKind kind,
            const std::string& text) {
    context.out.events.push_back({kind, {}, peer_spi, std::nullopt, remote, {}, printable(text)});
}

void report_weak(Context& context, const Session& session, const std::string& what,
                 const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        const sa::Weakness* weakness = sa::weakness_of(word);
        check(weakness != nullptr, "a weak algorithm without its sentence");
        report(context, session, EventKind::weak_algorithm,
               what + " uses " + weakness->what + ", " + weakness->because +
                   ", because the tunnel allows it: give the router " + weakness->instead +
                   ", then take \"" + word + "\" off allow_weak");
    }
}

std::string printable(std::string text) {
    for (char& letter : text) {
        if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) {
            letter = '?';
        }
    }
    return text;
}

std::string describe(const wire::ike::SecurityAssociation& offer) {
    std::string text;
    for (const Proposal& proposal : offer.proposals) {
        text += (text.empty() ? "" : ", ") + describe(proposal);
    }
    return text.empty() ? "nothing" : text;
}

std::string describe(const std::vector<crypto::IkeSuite>& suites) {
    return join(suites);
}

std::string describe(const std::vector<crypto::EspSuite>& suites) {
    return join(suites);
}

std::string describe(const std::vector<wire::ike::TrafficSelector>& selectors) {
    std::string text;
    for (std::size_t i = 0; i < selectors.size(); ++i) {
        if (i == selectors_named_max) {
            return text + ", ... (" + std::to_string(selectors.size()) + " in all)";
        }
        text += (text.empty() ? "" : ", ") + selectors[i].to_string();
    }
    return text.empty() ? "nothing" : text;
}

std::string describe_accepted(const std::vector<const sa::TunnelRecord*>& tunnels) {
    std::string text;
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
        if (i == named_max) {
            return text + "; ...";
        }
        text += (text.empty() ? "tunnel " : "; tunnel ") + tunnels[i]->id.to_string() +
                " accepts " + describe(sa::ike_suites_of(*tunnels[i]));
    }
    return text;
}

}  // namespace anyswan::ike
