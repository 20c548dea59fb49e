// SPDX-License-Identifier: Apache-2.0
#include "core/ike/seed_stream.h"

#include <algorithm>

#include "core/crypto/crypto.h"

namespace anyswan::ike {

void SeedStream::fill(MutableBytes out) {
    while (!out.empty()) {
        if (used_ == block_.size()) {
            Writer input;
            input.append(as_bytes("anyswan exchange"));
            input.u64(counter_++);
            block_ = crypto::prf(crypto::PrfId::hmac_sha2_256, seed_.reveal(), {input.view()});
            used_ = 0;
        }
        const std::size_t size = std::min(out.size(), block_.size() - used_);
        std::copy_n(block_.reveal().subspan(used_).begin(), size, out.begin());
        used_ += size;
        out = out.subspan(size);
    }
}

}  // namespace anyswan::ike
