// SPDX-License-Identifier: Apache-2.0
// IKEv2 messages as an operator reads them: a headline, then a line per payload, in the names of
// RFC 7296 and IANA's registries, suites in the words of tunnel configuration. No keys, no nonces,
// no AUTH values: what they are is told by their length.
#pragma once

#include <string>
#include <vector>

#include "core/wire/ike/message.h"

namespace anyswan::trace {

/// "IKE_AUTH request 1, SPIs 0123456789abcdef_i fedcba9876543210_r".
[[nodiscard]] std::string headline(const wire::ike::Header& header);
/// One line per payload, most of them a single one; a proposal or selector more takes a line of its
/// own. Every line is printable ASCII.
[[nodiscard]] std::vector<std::string> payload_lines(
    const std::vector<wire::ike::Payload>& payloads);

}  // namespace anyswan::trace
