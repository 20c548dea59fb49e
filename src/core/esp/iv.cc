// SPDX-License-Identifier: Apache-2.0
#include "core/esp/iv.h"

#include "base/check.h"

namespace anyswan::esp {

static_assert(IvAllocator::counter_bits + IvAllocator::incarnation_bits == 64);

IvAllocator::IvAllocator(Incarnation incarnation, unsigned worker, unsigned workers) {
    check(incarnation.value() >= 1 && incarnation.value() < (1U << incarnation_bits),
          "incarnation out of range");
    check(workers >= 1 && worker < workers, "no such worker");
    const std::uint64_t base = std::uint64_t{incarnation.value()} << counter_bits;
    const std::uint64_t slice = (std::uint64_t{1} << counter_bits) / workers;
    next_ = base + worker * slice;
    end_ = next_ + slice;
}

std::uint64_t IvAllocator::take() {
    check(next_ < end_, "N1: the IV counter of this incarnation is exhausted");
    return next_++;
}

}  // namespace anyswan::esp
