// SPDX-License-Identifier: Apache-2.0
// The CLI's side of the API: one request over the unix socket.
#pragma once

#include "api/http_server.h"

namespace anyswan::api {

/// Fails if nobody answers on the socket; an HTTP error status is a Response like any other.
[[nodiscard]] Result<Response> call(const std::string& socket_path, const Request& request);

}  // namespace anyswan::api
