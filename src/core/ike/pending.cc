// SPDX-License-Identifier: Apache-2.0
#include "core/ike/pending.h"

#include <algorithm>

#include "core/ike/limits.h"
#include "core/ike/offer.h"
#include "core/ike/report.h"

namespace anyswan::ike {

namespace {

/// Nothing if it is a Child SA that replaces none: those don't stand in each other's way.
bool replace_the_same(const sa::PendingSa& a, const sa::PendingSa& b) {
    const bool ike = std::holds_alternative<sa::IkeAgreement>(a.agreement);
    return ike == std::holds_alternative<sa::IkeAgreement>(b.agreement) &&
           a.replaces == b.replaces && (ike || a.replaces != EspSpi{});
}

std::string words_of(const sa::PendingSa& pending) {
    if (std::holds_alternative<sa::IkeAgreement>(pending.agreement)) {
        return "the peer's rekey of the IKE SA";
    }
    return pending.replaces != EspSpi{} ? "the peer's rekey of Child SA " + hex(pending.replaces)
                                        : "the peer's request for a Child SA";
}

std::vector<crypto::KeMethod> all_methods(const sa::PendingSa& pending) {
    return std::visit(
        [](const auto& agreement) { return crypto::additional_of(agreement.suite.additional); },
        pending.agreement);
}

}  // namespace

bool can_go_on(const sa::PendingSa& pending) {
    return std::visit([](const auto& agreement) { return crypto::supported(agreement.suite); },
                      pending.agreement) &&
           pending.done < all_methods(pending).size();
}

std::vector<crypto::KeMethod> methods_left(const sa::PendingSa& pending) {
    std::vector<crypto::KeMethod> methods = all_methods(pending);
    check(pending.done <= methods.size(), "as many additional key exchanges as were agreed on");
    methods.erase(methods.begin(), methods.begin() + pending.done);
    return methods;
}

void add_secret(sa::PendingSa& pending, const Secret& shared) {
    pending.additional = Secret(concat({pending.additional.reveal(), shared.reveal()}));
    ++pending.done;
}

NoncePair nonces_of(const sa::PendingSa& pending) {
    return {pending.nonce_i, pending.nonce_r};
}

Bytes lowest_nonce(const sa::PendingSa& pending) {
    return lower_of(pending.nonce_i, pending.nonce_r);
}

std::uint64_t our_spi_of(const sa::PendingSa& pending) {
    const auto* ike = std::get_if<sa::IkeAgreement>(&pending.agreement);
    return ike != nullptr ? ike->our_spi.value()
                          : std::get<sa::ChildAgreement>(pending.agreement).inbound_spi.value();
}

bool peer_rekeys_child(const Established& sa, EspSpi inbound) {
    return std::any_of(sa.awaited.begin(), sa.awaited.end(), [inbound](const Awaited& awaited) {
        return inbound != EspSpi{} && awaited.pending.replaces == inbound;
    });
}

bool peer_rekeys_ike(const Established& sa) {
    return std::any_of(sa.awaited.begin(), sa.awaited.end(), [](const Awaited& awaited) {
        return std::holds_alternative<sa::IkeAgreement>(awaited.pending.agreement);
    });
}

bool is_awaited(const Established& sa, std::uint64_t our_spi) {
    return std::any_of(sa.awaited.begin(), sa.awaited.end(), [our_spi](const Awaited& awaited) {
        return our_spi_of(awaited.pending) == our_spi;
    });
}

void await(Established& sa, const Context& context, sa::PendingSa pending) {
    std::erase_if(sa.awaited, [&pending](const Awaited& awaited) {
        return replace_the_same(awaited.pending, pending);
    });
    sa.awaited.push_back({std::move(pending), context.now.instant + followup_timeout});
}

void forget_awaited(Established& sa, std::uint64_t our_spi) {
    std::erase_if(sa.awaited, [our_spi](const Awaited& awaited) {
        return our_spi_of(awaited.pending) == our_spi;
    });
}

Persist forget_late(Session& session, Context& context) {
    const auto late = [&](const Awaited& awaited) {
        if (awaited.expires > context.now.instant) {
            return false;
        }
        report(context, session, EventKind::peer_refused,
               words_of(awaited.pending) + " came to nothing: no IKE_FOLLOWUP_KE for " +
                   std::to_string(followup_timeout / 1s) + " s");
        return true;
    };
    return std::erase_if(session.in<Established>().awaited, late) > 0 ? Persist::claim
                                                                      : Persist::nothing;
}

}  // namespace anyswan::ike
