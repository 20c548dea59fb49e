// SPDX-License-Identifier: Apache-2.0
#include "edge/capture_trace.h"

#include <set>

namespace anyswan::edge {

namespace {

using Datagrams = std::vector<wire::pcap::UdpDatagram>;

std::set<ike::SpiPair> sas_in(const Datagrams& datagrams) {
    std::set<ike::SpiPair> sas;
    for (const wire::pcap::UdpDatagram& datagram : datagrams) {
        const auto message = trace::ike_in(datagram);
        const auto view =
            message ? std::optional(wire::ike::HeaderView::read(*message)) : std::nullopt;
        if (view && *view && (*view)->header.responder_spi != IkeSpi{}) {
            sas.insert({(*view)->header.initiator_spi, (*view)->header.responder_spi});
        }
    }
    return sas;
}

/// One request: what is asked of the store is collected, then the text is made.
struct Work {
    Datagrams datagrams;
    trace::FindKeys find;
    std::function<void(std::vector<std::string>)> done;
    std::map<ike::SpiPair, ike::ReadingKeys> from_store = {};
    std::size_t outstanding = 1;  // the caller's own, until all is asked

    void settle() {
        if (--outstanding > 0) {
            return;
        }
        trace::Tracer tracer([this](ike::SpiPair spis) -> std::optional<ike::ReadingKeys> {
            const auto stored = from_store.find(spis);
            if (stored == from_store.end()) {
                return find(spis);
            }
            return ike::ReadingKeys{stored->second.tunnel, stored->second.keys.clone()};
        });
        std::vector<std::string> texts;
        for (const wire::pcap::UdpDatagram& datagram : datagrams) {
            texts.push_back(tracer.describe(datagram));
        }
        done(std::move(texts));
    }

    void learn(const sa::IkeSaRecord& record) {
        const ike::SpiPair spis = record.we_initiated
                                      ? ike::SpiPair{record.our_spi, record.peer_spi}
                                      : ike::SpiPair{record.peer_spi, record.our_spi};
        from_store[spis] = {record.tunnel,
                            {record.suite.cipher, record.sk_ei.clone(), record.sk_er.clone(),
                             record.sk_ai.clone(), record.sk_ar.clone()}};
    }
};

}  // namespace

void trace_capture(const CaptureTraceParts& parts, Datagrams datagrams,
                   std::function<void(std::vector<std::string>)> done) {
    const auto work =
        std::make_shared<Work>(Work{std::move(datagrams), parts.find, std::move(done)});
    for (const ike::SpiPair& spis : sas_in(work->datagrams)) {
        if (parts.find(spis)) {
            continue;
        }
        // Either of them may be ours.
        for (const IkeSpi spi : {spis.initiator, spis.responder}) {
            ++work->outstanding;
            const std::string key = sa::ike_sa_key(spi);
            parts.store.read_claim(key, [work, key, &keys = parts.keys](const auto& answer) {
                if (answer && *answer) {
                    const auto opened = sa::open_record(keys, key, (**answer).value);
                    if (const auto* record =
                            opened ? std::get_if<sa::IkeSaRecord>(&opened->record) : nullptr) {
                        work->learn(*record);
                    }
                }
                work->settle();
            });
        }
    }
    work->settle();
}

}  // namespace anyswan::edge
