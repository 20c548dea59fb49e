// SPDX-License-Identifier: Apache-2.0
// HTTP over a unix socket (mode 0600): what the CLI, `curl --unix-socket` and collectors speak. The
// server has a thread of its own and only moves bytes: every request is answered by a handler on
// the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace anyswan::api {

struct Request {
    std::string method;
    std::string path;
    std::string body;
};
struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
};
/// Called on the server's thread; calls `respond` once, from any thread.
using Handler = std::function<void(Request, std::function<void(Response)> respond)>;

class HttpServer {
public:
    /// Binds `socket_path`, replacing a socket that nobody serves any more.
    static Result<std::unique_ptr<HttpServer>> start(const std::string& socket_path,
                                                     Handler handler);
    ~HttpServer();

private:
    HttpServer() = default;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace anyswan::api
