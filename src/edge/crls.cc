// SPDX-License-Identifier: Apache-2.0
#include "edge/crls.h"

#include <algorithm>

#include "core/crypto/crl_points.h"
#include "edge/log.h"

namespace anyswan::edge {

namespace {

// A list is fetched anew when half of the time to its nextUpdate has passed, so that a server that
// is away for a while does no harm; at most this often, and at least once a day.
constexpr Duration refresh_min = 60s;
constexpr Duration refresh_max = 24h;
constexpr Duration refresh_unknown = 1h;  // it names no nextUpdate
// The first try after it became known waits for what the store has, and for another edge's list.
constexpr Duration first_wait = 2s;
constexpr Duration retry_first = 30s;
constexpr Duration retry_max = 1h;
constexpr std::size_t points_kept_max = 64;

Duration jittered(Duration time, Random& random) {
    const auto tenth = static_cast<std::uint64_t>(time.count() / 10);
    return time + Duration(static_cast<std::int64_t>(random.below(tenth + 1)));
}

Duration refresh_after(const sa::CrlRecord& record) {
    const auto crl = crypto::Crl::from_der(record.der);
    const auto next = crl ? crl->next_update() : std::nullopt;
    if (!next) {
        return refresh_unknown;
    }
    const Duration half((next->unix_ns - record.fetched_at.unix_ns) / 2);
    return std::clamp(half, refresh_min, refresh_max);
}

/// A body may be PEM or DER; the first list counts.
std::optional<Bytes> list_in(const Bytes& body) {
    auto lists = crypto::read_crls(body);
    return lists && !lists->empty() ? std::optional(std::move(lists->front())) : std::nullopt;
}

}  // namespace

std::set<std::string> Crls::wanted() const {
    std::set<std::string> urls;
    bool points = false;
    for (const auto& [id, tunnel] : parts_.tunnels.all()) {
        urls.insert(tunnel.credentials.crl_urls.begin(), tunnel.credentials.crl_urls.end());
        points = points || tunnel.credentials.crl_points;
    }
    if (points) {
        std::size_t left = points_kept_max;
        for (auto url = points_.begin(); url != points_.end() && left > 0; ++url, --left) {
            urls.insert(*url);
        }
    }
    return urls;
}

void Crls::look(Now now) {
    for (const std::string& url : wanted()) {
        List& list = lists_[url];
        if (!list.planned) {
            list.planned = true;
            if (list.record) {
                plan(list, now);
            } else {
                list.next_try = now.instant + jittered(first_wait, parts_.random);
            }
        }
        if (list.busy || now.instant < list.next_try) {
            continue;
        }
        list.busy = true;
        parts_.fetch(url, [this, url](Result<Bytes> body) { on_fetched(url, std::move(body)); });
    }
}

void Crls::plan(List& list, Now now) {
    const Duration age(now.wall.unix_ns - list.record->fetched_at.unix_ns);
    const Duration after = jittered(refresh_after(*list.record), parts_.random);
    list.next_try = now.instant + std::max(Duration{}, after - std::max(Duration{}, age));
}

void Crls::on_record(const sa::CrlRecord& record) {
    List& list = lists_[record.url];
    list.record = record;
    list.failures = 0;
    list.planned = true;
    plan(list, parts_.clock());
    parts_.tunnels.put_crl(record.url, record.der);
}

std::optional<std::string> Crls::problem(const std::string& url, const crypto::Crl& crl) const {
    // A list of an intermediate CA can only be judged beside its chain: OpenSSL does that.
    for (const auto& [id, tunnel] : parts_.tunnels.all()) {
        const auto& urls = tunnel.credentials.crl_urls;
        if (std::find(urls.begin(), urls.end(), url) == urls.end()) {
            continue;
        }
        for (const sa::TrustAnchor& anchor : tunnel.credentials.anchors) {
            const auto ca = crypto::Certificate::from_der(anchor.certificate);
            if (ca && ca->subject() == crl.issuer() && !crl.signed_by(*ca)) {
                return "it is not signed by \"" + ca->subject() + "\", the CA of tunnel " +
                       id.to_string() + ": somebody altered it, or the CA has a new key";
            }
        }
    }
    const auto known = lists_.find(url);
    const auto before = known != lists_.end() && known->second.record
                            ? crypto::Crl::from_der(known->second.record->der)
                            : std::nullopt;
    if (before && crypto::this_update(crl) < crypto::this_update(*before)) {
        return "it is older (" + crypto::utc(crypto::this_update(crl)) + ") than the one of " +
               crypto::utc(crypto::this_update(*before)) + " that is here already";
    }
    return std::nullopt;
}

void Crls::on_fetched(const std::string& url, Result<Bytes> body) {
    List& list = lists_[url];
    list.busy = false;
    std::optional<Bytes> der = body ? list_in(*body) : std::nullopt;
    const auto crl = der ? crypto::Crl::from_der(*der) : std::nullopt;
    std::optional<std::string> why;
    if (!body) {
        why = body.error().message;
    } else if (!crl) {
        why = "what is there is no revocation list in PEM or DER form";
    } else {
        why = problem(url, *crl);
    }
    const Now now = parts_.clock();
    if (!why) {
        ++counters_["crl_fetched"];
        log::info("crl", "fetched the list of " + crl->issuer() + " from " + url);
        parts_.put({url, std::move(*der), now.wall, false});
        return;
    }
    ++counters_["crl_fetch_failed"];
    const Duration pause = std::min(retry_first * (1U << std::min(list.failures, 10U)), retry_max);
    ++list.failures;
    list.next_try = now.instant + jittered(pause, parts_.random);
    log::warn(
        "crl",
        "the revocation list " + url + " could not be had: " + *why +
            "; check the URL, and that this edge reaches it. " +
            (list.record
                 ? "The list fetched " + crypto::utc(list.record->fetched_at) + " counts until then"
                 : std::string("None is here, so tunnels with crl = \"strict\" "
                               "refuse their peers")) +
            "; next try in " +
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(pause).count()) + " s");
}

}  // namespace anyswan::edge
