// SPDX-License-Identifier: Apache-2.0
#include "core/esp/drop_reason.h"

namespace anyswan::esp {

const char* name(DropReason reason) {
    switch (reason) {
#define DROP_REASON(name, sentence) \
    case DropReason::name:          \
        return #name;
#include "core/esp/drop_reason.def"
#undef DROP_REASON
    }
    return "unknown";
}

const char* sentence(DropReason reason) {
    switch (reason) {
#define DROP_REASON(name, sentence) \
    case DropReason::name:          \
        return sentence;
#include "core/esp/drop_reason.def"
#undef DROP_REASON
    }
    return "unknown";
}

}  // namespace anyswan::esp
