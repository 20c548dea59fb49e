// SPDX-License-Identifier: Apache-2.0
#include "api/http_server.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <future>

namespace anyswan::api {

namespace {

constexpr std::size_t body_size_max = 4U << 20U;
constexpr std::chrono::seconds answer_timeout{30};

Result<int> listen_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail("API socket path " + path + " is longer than " +
                    std::to_string(sizeof address.sun_path - 1) +
                    " characters; choose a shorter one");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (fd >= 0 && connect(fd, generic, sizeof address) == 0) {
        close(fd);
        return fail("API socket " + path +
                    " is in use: another anyswan runs with it; stop it or set another path");
    }
    unlink(path.c_str());
    const mode_t before = umask(0177);
    const bool bound = fd >= 0 && bind(fd, generic, sizeof address) == 0 && listen(fd, 64) == 0;
    umask(before);
    if (!bound) {
        const std::string why = std::strerror(errno);
        if (fd >= 0) {
            close(fd);
        }
        return fail("cannot listen on API socket " + path + ": " + why +
                    "; check that its folder exists and is writable");
    }
    return fd;
}

/// The body of one request as it comes in, piece by piece.
struct Incoming {
    std::string body;
    bool too_big = false;
};

MHD_Result reply(MHD_Connection* connection, const Response& response) {
    MHD_Response* out = MHD_create_response_from_buffer(
        response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(out, "Content-Type", response.content_type.c_str());
    const MHD_Result queued =
        MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
    MHD_destroy_response(out);
    return queued;
}

MHD_Result on_request(void* context, MHD_Connection* connection, const char* url,
                      const char* method, const char*, const char* data, size_t* data_size,
                      void** state) {
    if (*state == nullptr) {
        *state = new Incoming;
        return MHD_YES;
    }
    auto* incoming = static_cast<Incoming*>(*state);
    if (*data_size > 0) {
        incoming->too_big = incoming->too_big || incoming->body.size() + *data_size > body_size_max;
        if (!incoming->too_big) {
            incoming->body.append(data, *data_size);
        }
        *data_size = 0;
        return MHD_YES;
    }
    if (incoming->too_big) {
        return reply(connection,
                     {413, "application/json",
                      R"({"error":"body is larger than 4 MiB; send fewer tunnels at a time"})"});
    }
    auto promise = std::make_shared<std::promise<Response>>();
    std::future<Response> answer = promise->get_future();
    (*static_cast<const Handler*>(context))(
        {method, url, std::move(incoming->body)},
        [promise](Response response) { promise->set_value(std::move(response)); });
    if (answer.wait_for(answer_timeout) != std::future_status::ready) {
        return reply(connection,
                     {504, "application/json", R"({"error":"the edge did not answer in time"})"});
    }
    return reply(connection, answer.get());
}

void on_completed(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    delete static_cast<Incoming*>(*state);
    *state = nullptr;
}

}  // namespace

struct HttpServer::Impl {
    Handler handler;
    std::string path;
    MHD_Daemon* daemon = nullptr;
};

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& socket_path,
                                                      Handler handler) {
    Result<int> fd = listen_unix(socket_path);
    if (!fd) {
        return Unexpected{fd.error()};
    }
    auto server = std::unique_ptr<HttpServer>(new HttpServer);
    server->impl_ = std::make_unique<Impl>();
    server->impl_->handler = std::move(handler);
    server->impl_->path = socket_path;
    server->impl_->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0, nullptr,
        nullptr, &on_request, &server->impl_->handler, MHD_OPTION_LISTEN_SOCKET, *fd,
        MHD_OPTION_NOTIFY_COMPLETED, &on_completed, nullptr, MHD_OPTION_CONNECTION_LIMIT, 64U,
        MHD_OPTION_END);
    if (server->impl_->daemon == nullptr) {
        close(*fd);
        return fail("cannot start the API server on " + socket_path);
    }
    return server;
}

HttpServer::~HttpServer() {
    if (impl_ && impl_->daemon != nullptr) {
        MHD_stop_daemon(impl_->daemon);
        unlink(impl_->path.c_str());
    }
}

}  // namespace anyswan::api
