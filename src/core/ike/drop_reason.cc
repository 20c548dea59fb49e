// SPDX-License-Identifier: Apache-2.0
// Names and sentences of the drop reasons, generated from drop_reason.def.
#include "core/ike/drop_reason.h"

namespace anyswan::ike {

const char* name(DropReason reason) {
    switch (reason) {
#define ANYSWAN_DROP(name, sentence) \
    case DropReason::name:           \
        return #name;
#include "core/ike/drop_reason.def"
#undef ANYSWAN_DROP
    }
    return "unknown";
}

const char* explain(DropReason reason) {
    switch (reason) {
#define ANYSWAN_DROP(name, sentence) \
    case DropReason::name:           \
        return sentence;
#include "core/ike/drop_reason.def"
#undef ANYSWAN_DROP
    }
    return "";
}

}  // namespace anyswan::ike
