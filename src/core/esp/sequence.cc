// SPDX-License-Identifier: Apache-2.0
#include "core/esp/sequence.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace anyswan::esp {

SequenceAllocator::SequenceAllocator(crypto::SnId sn, Rule rule) : sn_(sn), rule_(rule) {
    if (rule == Rule::free_running) {
        last_ = number_max();
        granted_ = last_;
    }
}

std::uint64_t SequenceAllocator::number_max() const {
    switch (sn_) {
        case crypto::SnId::sequential_32:
            return std::numeric_limits<std::uint32_t>::max();
        case crypto::SnId::partially_transmitted_64:
            return std::numeric_limits<std::uint64_t>::max();
        case crypto::SnId::unspecified_32:
            // RFC 9827: the numbers have no meaning, so they may repeat. Counted in 64 bits; the
            // low 32 travel.
            return std::numeric_limits<std::uint64_t>::max();
    }
    return std::numeric_limits<std::uint32_t>::max();
}

bool SequenceAllocator::grant(SequenceNumber first, SequenceNumber last) {
    if (rule_ == Rule::free_running) {
        return true;
    }
    if (first.value() == 0 || first > last || last.value() > number_max()) {
        return false;
    }
    // N2: never below what was used, whatever the grant says.
    const std::uint64_t start = std::max(first.value(), used_ + 1);
    if (used_ == number_max() || start > last.value()) {
        return true;  // an old grant, seen late: nothing of it is left
    }
    const bool extends = next_ <= last_ && first.value() - 1 <= last_;
    if (extends) {
        last_ = std::max(last_, last.value());
    } else {
        next_ = start;
        last_ = last.value();
    }
    granted_ = available();
    return true;
}

void SequenceAllocator::revoke() {
    if (rule_ == Rule::granted) {
        last_ = 0;
        granted_ = 0;
        next_ = 1;
    }
}

std::optional<SequenceNumber> SequenceAllocator::take() {
    if (next_ > last_ || exhausted()) {
        return std::nullopt;
    }
    check(next_ > used_, "N2: a sequence number would be used twice");
    used_ = next_;
    if (next_ == number_max()) {
        last_ = 0;  // exhausted; next_ can't be advanced
    } else {
        ++next_;
    }
    return SequenceNumber(used_);
}

std::uint64_t SequenceAllocator::available() const {
    return next_ > last_ || exhausted() ? 0 : last_ - next_ + 1;
}

bool SequenceAllocator::running_low() const {
    return rule_ == Rule::granted && available() <= granted_ / 2 && last_ != number_max() &&
           !exhausted();
}

bool SequenceAllocator::exhausted() const {
    return used_ == number_max();
}

}  // namespace anyswan::esp
