// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a NATS server answers. The first byte chooses what was asked for.
#include "base/check.h"
#include "store/jetstream/api.h"
#include "targets.h"

namespace {

using namespace anyswan;
using namespace anyswan::store;

template <class T>
std::optional<T> taken(js::ApiResult<T> answer) {
    if (!answer) {
        check(!answer.error().text.empty(), "a refusal has words");
        return std::nullopt;
    }
    return std::move(*answer);
}

}  // namespace

int anyswan::fuzz::fuzz_jetstream(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    static const js::Names names{JetStreamConfig{}};
    const ByteView bytes(data + 1, size - 1);
    switch (data[0] % 7) {
        case 0:
        case 1: {
            const auto bucket = data[0] % 7 == 0 ? js::Bucket::facts : js::Bucket::claims;
            (void)taken(js::parse_stream_info(bytes, names, bucket, 3));
            break;
        }
        case 2:
            if (const auto revision = taken(js::parse_publish_ack(bytes))) {
                check(*revision != Revision{}, "a publication has a number");
            }
            break;
        case 3:
            if (const auto message = taken(js::parse_stored_message(bytes))) {
                check(message->value.size() <= bytes.size(), "a value lies in its message");
                check(js::to_tokens(js::to_key(js::to_tokens(message->subject))) ==
                          js::to_tokens(message->subject),
                      "keys and tokens");
            }
            break;
        case 4:
            if (const auto consumer = taken(js::parse_consumer(bytes))) {
                check(!consumer->name.empty(), "a consumer has a name");
            }
            break;
        case 5:
            (void)js::parse_delivery(to_string(bytes));
            (void)taken(js::parse_success(bytes));
            break;
        default:
            if (const auto server = js::parse_ping(bytes)) {
                check(js::ServerVersion::parse(server->version.to_string()) == server->version,
                      "a version that is read, written");
                (void)js::refuse_servers({*server, *server}, 3);
            }
            break;
    }
    return 0;
}
