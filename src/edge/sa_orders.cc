// SPDX-License-Identifier: Apache-2.0
#include "edge/sa_orders.h"

#include <algorithm>

namespace anyswan::edge {

namespace {

Unexpected<Error> not_owned(const std::string& spi) {
    return fail("this edge runs no IKE SA that " + spi +
                " is or belongs to; `anyswan sa list` on the edge that runs it names its IKE SAs");
}

}  // namespace

Result<ike::Input> order_input(SaOrder order, const std::string& spi,
                               const std::vector<ike::IkeSaSummary>& owned) {
    const std::optional<Bytes> raw = from_hex(spi);
    if (raw && raw->size() == 4) {
        const EspSpi inbound(load_u32(*raw));
        for (const ike::IkeSaSummary& sa : owned) {
            if (std::ranges::find(sa.children, inbound, &ike::ChildSummary::inbound_spi) ==
                sa.children.end()) {
                continue;
            }
            return order == SaOrder::rekey
                       ? Result<ike::Input>(ike::RekeyChild{sa.our_spi, inbound})
                       : Result<ike::Input>(ike::DeleteChild{sa.our_spi, inbound});
        }
        return not_owned(spi);
    }
    if (raw && raw->size() == 8) {
        const IkeSpi ours(load_u64(*raw));
        for (const ike::IkeSaSummary& sa : owned) {
            if (sa.our_spi == ours) {
                return order == SaOrder::rekey
                           ? Result<ike::Input>(ike::RekeyIke{ours})
                           : Result<ike::Input>(ike::Terminate{sa.tunnel, ours});
            }
        }
        return not_owned(spi);
    }
    return fail("\"" + spi +
                "\" is no SPI; write the 8 hex digits of a Child SA's inbound SPI, or the 16 of an "
                "IKE SA's, as `anyswan sa list` shows them");
}

}  // namespace anyswan::edge
