// SPDX-License-Identifier: Apache-2.0
#include "core/ike/offer.h"

#include <algorithm>

#include "core/ike/limits.h"
#include "core/ike/seed_stream.h"
#include "core/wire/ike/message.h"

namespace anyswan::ike {

using crypto::KeMethod;
using wire::ike::Nonce;
using wire::ike::Payload;

in_flight::Offer make_offer(Random& random, KeMethod method) {
    return remake_offer(random.secret(exchange_seed_size), method);
}

in_flight::Offer remake_offer(Secret seed, KeMethod method) {
    in_flight::Offer offer;
    offer.seed = std::move(seed);
    SeedStream stream(offer.seed);
    offer.nonce = stream.bytes(our_nonce_size);
    offer.method = method;
    if (method != KeMethod::none) {
        auto made = crypto::KeyExchange::generate(method, stream);
        check(made.has_value(), "a supported key exchange can be generated");
        offer.key_exchange = std::move(*made);
    }
    return offer;
}

std::vector<Payload> payloads_of(const in_flight::Offer& offer) {
    std::vector<Payload> payloads{{Nonce{offer.nonce}}};
    if (offer.key_exchange) {
        payloads.push_back(
            {wire::ike::KeyExchange{offer.method, to_bytes(offer.key_exchange->public_value())}});
    }
    return payloads;
}

std::optional<Secret> shared_secret(const in_flight::Offer& offer,
                                    const wire::ike::KeyExchange* theirs) {
    if (!offer.key_exchange) {
        return Secret{};
    }
    if (theirs == nullptr || theirs->method != offer.method) {
        return std::nullopt;
    }
    auto shared = offer.key_exchange->shared_secret(theirs->data);
    return shared ? std::optional(std::move(*shared)) : std::nullopt;
}

const Nonce* find_nonce(const std::vector<Payload>& payloads) {
    const auto* nonce = wire::ike::Message::find_in<Nonce>(payloads);
    const bool fits = nonce != nullptr && nonce->data.size() >= nonce_size_min &&
                      nonce->data.size() <= nonce_size_max;
    return fits ? nonce : nullptr;
}

KeMethod group_asked(const wire::ike::Notify& invalid_ke) {
    return invalid_ke.data.size() == 2 ? static_cast<KeMethod>(load_u16(invalid_ke.data))
                                       : KeMethod::none;
}

std::optional<Response> make_response(Random& random, KeMethod method,
                                      const wire::ike::KeyExchange* theirs) {
    Response response;
    response.nonce = random.bytes(our_nonce_size);
    response.payloads.push_back({Nonce{response.nonce}});
    if (method == KeMethod::none) {
        return response;
    }
    if (theirs == nullptr || theirs->method != method) {
        return std::nullopt;
    }
    auto agreed = crypto::KeyExchange::respond(method, theirs->data, random);
    if (!agreed) {
        return std::nullopt;
    }
    response.shared = std::move(agreed->shared_secret);
    response.payloads.push_back({wire::ike::KeyExchange{method, std::move(agreed->public_value)}});
    return response;
}

Bytes lower_of(const Bytes& a, const Bytes& b) {
    return std::min(a, b);
}

}  // namespace anyswan::ike
