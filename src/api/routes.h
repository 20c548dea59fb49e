// SPDX-License-Identifier: Apache-2.0
// The API's requests: docs/api.md lists them. Runs on the loop; secrets never appear in an answer.
#pragma once

#include "api/http_server.h"
#include "edge/edge.h"

namespace anyswan::api {

void answer(edge::Edge& edge, const Request& request, std::function<void(Response)> respond);

}  // namespace anyswan::api
