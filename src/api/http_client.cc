// SPDX-License-Identifier: Apache-2.0
#include "api/http_client.h"

#include <curl/curl.h>

namespace anyswan::api {

namespace {

std::size_t append(char* data, std::size_t size, std::size_t count, void* body) {
    static_cast<std::string*>(body)->append(data, size * count);
    return size * count;
}

}  // namespace

Result<Response> call(const std::string& socket_path, const Request& request) {
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
    if (!curl) {
        return fail("cannot set up an HTTP request");
    }
    Response response;
    const std::string url = "http://edge" + request.path;
    curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, socket_path.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!request.body.empty()) {
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body.c_str());
    }
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &response.body);
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 40L);
    const CURLcode code = curl_easy_perform(curl.get());
    if (code != CURLE_OK) {
        return fail("no answer from an anyswan daemon on " + socket_path + ": " +
                    curl_easy_strerror(code) +
                    "; is it running, and is --api (or ANYSWAN_API) the path that its "
                    "configuration names?");
    }
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    return response;
}

}  // namespace anyswan::api
