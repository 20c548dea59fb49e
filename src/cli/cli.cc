// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/daemon.h"
#include "cli/drain.h"
#include "cli/trace.h"

namespace anyswan::cli {

namespace {

constexpr const char* intro =
    "anyswan: one IPsec tunnel to one anycast address reaches every edge of a fleet.\n\n"
    "First steps, on one machine:\n"
    "  anyswan keygen > fleet.key && chmod 600 fleet.key   a fleet key, the same for all edges\n"
    "  anyswan config check edge.toml                      is my configuration good?\n"
    "  anyswan edge -c edge.toml                           run an edge\n"
    "  anyswan apply -f tunnels.toml                       give the fleet its tunnels\n"
    "  anyswan fleet status; anyswan sa list               see what it does\n\n"
    "docs/configuration.md shows every option of every file; docs/api.md the HTTP API behind these "
    "commands.";

/// What the parsed words will run; set by the subcommands' callbacks.
struct Invocation {
    Common common;
    std::string path;
    std::string tunnel;
    std::string shell;
    std::string spi;
    Redirect redirect;
    DrainOptions drain;
    TraceOptions trace;
    std::function<int()> action;
};

/// Wants a word that JSON can carry.
std::string wants_utf8(const std::string& word) {
    try {
        static_cast<void>(nlohmann::json(word).dump());
        return "";
    } catch (const nlohmann::json::exception&) {
        return "is not UTF-8 text; type it again, or look at what made the command line";
    }
}

CLI::App* command(CLI::App& parent, const char* name, const char* text, Invocation& call,
                  std::function<int()> action) {
    CLI::App* app = parent.add_subcommand(name, text);
    app->callback([&call, action = std::move(action)] { call.action = action; });
    app->add_flag("--json", call.common.json, "Print JSON, for machines");
    app->add_option("--api", call.common.api, "Socket of the daemon to ask")
        ->envname("ANYSWAN_API");
    return app;
}

void add_daemons(CLI::App& app, Invocation& call) {
    CLI::App* edge = app.add_subcommand(
        "edge", "Run an edge of the fleet (in the foreground; logs to standard error)");
    edge->add_option("-c,--config", call.path, "Its configuration (TOML)")->required();
    edge->callback([&call] { call.action = [&call] { return run_edge(call.path); }; });
    CLI::App* peer = app.add_subcommand(
        "peer", "Run a branch connector: bring up tunnels to a fleet, or to any IKEv2 gateway");
    peer->add_option("-c,--config", call.path, "Its configuration (TOML)")->required();
    peer->callback([&call] { call.action = [&call] { return run_peer(call.path); }; });
}

void add_questions(CLI::App& app, Invocation& call) {
    CLI::App* apply_command = command(app, "apply", "Give the fleet new or changed tunnels", call,
                                      [&call] { return cli::apply(call.common, call.path); });
    apply_command->add_option("-f,--file", call.path, "File with [[tunnel]] tables (TOML)")
        ->required();

    CLI::App* tunnel =
        app.add_subcommand("tunnel", "Look at tunnels, delete one")->require_subcommand(1);
    command(*tunnel, "list", "All tunnels", call, [&call] { return tunnel_list(call.common); });
    command(*tunnel, "show", "One tunnel and its SAs", call,
            [&call] { return tunnel_show(call.common, call.tunnel); })
        ->add_option("tunnel", call.tunnel, "account/tunnel")
        ->required();
    command(*tunnel, "delete", "End a tunnel's SAs on every edge and forget it", call,
            [&call] { return tunnel_delete(call.common, call.tunnel); })
        ->add_option("tunnel", call.tunnel, "account/tunnel")
        ->required();

    CLI::App* sa = app.add_subcommand("sa", "Look at security associations, rekey or end one")
                       ->require_subcommand(1);
    command(*sa, "list", "Child SAs in force on this edge, IKE SAs it owns", call,
            [&call] { return sa_list(call.common); });
    for (const auto& [name, text, order] :
         {std::tuple{"rekey", "Rekey a Child SA (its inbound SPI) or an IKE SA (our SPI)",
                     &sa_rekey},
          std::tuple{"delete", "End a Child SA or an IKE SA; the peer is told", &sa_delete}}) {
        command(*sa, name, text, call, [&call, run = order] { return run(call.common, call.spi); })
            ->add_option("spi", call.spi, "As `anyswan sa list` shows it")
            ->required();
    }
    CLI::App* away = command(app, "redirect",
                             "Send peers that support it (RFC 5685) from this edge to another "
                             "gateway; without one, no longer",
                             call, [&call] { return cli::redirect(call.common, call.redirect); });
    away->add_option("gateway", call.redirect.to, "Its address or DNS name")->check(wants_utf8);
    away->add_option("--tunnel", call.redirect.tunnel, "Only the peer of this tunnel")
        ->check(wants_utf8);
    away->add_flag("--existing", call.redirect.existing,
                   "Also those whose IKE SAs this edge runs now, not only new ones");
    CLI::App* fleet = app.add_subcommand("fleet", "Look at the fleet")->require_subcommand(1);
    command(*fleet, "status", "Each edge: alive, in step, applied revision, lag, SAs", call,
            [&call] { return fleet_status(call.common); });
    command(app, "counters", "What this edge has counted, drops with their reasons among it", call,
            [&call] { return cli::counters(call.common); });
}

void add_maintenance(CLI::App& app, Invocation& call) {
    command(app, "health",
            "Whether this edge is ready for traffic, and what it lacks; status 0: ready, 1: not",
            call, [&call] { return health(call.common); });
    CLI::App* drain = command(
        app, "drain",
        "Take this edge out of the fleet without a loss: routers are told (edge.announce_hook), "
        "its "
        "IKE SAs go to other edges, what still comes is served. Then stop the daemon.\n  anyswan "
        "drain --wait && systemctl restart anyswan",
        call, [&call] { return cli::drain(call.common, call.drain); });
    drain->add_flag("--wait", call.drain.wait,
                    "Until it is drained (status 0), or serves again because it could not be (1)");
    drain
        ->add_option("--timeout", call.drain.timeout_s,
                     "Seconds after which an unfinished drain is given up (default 60)")
        ->check(CLI::Range(1, 86400));
    drain->add_flag("--cancel", call.drain.cancel, "End a drain: the edge serves again");
}

void add_trace(CLI::App& app, Invocation& call) {
    CLI::App* trace = command(
        app, "trace",
        "IKE exchanges in readable lines: of a capture, or live as this edge receives and sends "
        "them.\nThe daemon opens what is encrypted; its keys stay with it. It knows the IKE SAs of "
        "the whole fleet, as long as they live.\n  anyswan trace\n  anyswan trace outage.pcap "
        "--peer 198.51.100.7\n  tcpdump -i any -c 20 -w - udp port 500 or udp port 4500 | anyswan "
        "trace -",
        call, [&call] { return cli::trace(call.common, call.trace); });
    trace->add_option("capture", call.trace.capture,
                      "A pcap or pcapng file, - for standard input; none: live");
    trace->add_option("--peer", call.trace.peer, "Only messages from and to this IP address");
    trace->add_option("--keys", call.trace.keys,
                      "Take keys from this file (Wireshark's ikev2_decryption_table), ask nobody");
    trace->add_option("--count", call.trace.count, "Live: end after so many messages");
}

void add_files(CLI::App& app, Invocation& call) {
    CLI::App* config =
        app.add_subcommand("config", "Check configuration files")->require_subcommand(1);
    command(*config, "check", "Say whether an edge, peer or tunnels file is good, or what to mend",
            call, [&call] { return config_check(call.common, call.path); })
        ->add_option("file", call.path, "The file")
        ->required();
    command(app, "doctor",
            "Try what this kernel can do for the kernel dataplane, and how to mend it", call,
            [&call] { return doctor(call.common); });
    app.add_subcommand("keygen", "Print a new fleet key file (keep it secret)")->callback([&call] {
        call.action = [] { return keygen(); };
    });
    CLI::App* completion = app.add_subcommand(
        "completion", "Print a shell completion script: source <(anyswan completion bash)");
    completion->add_option("shell", call.shell, "bash")->required()->check(CLI::IsMember({"bash"}));
    completion->callback(
        [&app, &call] { call.action = [&app] { return print_bash_completion(app); }; });
}

}  // namespace

int run(int argc, char** argv) {
    CLI::App app(intro, "anyswan");
    app.set_version_flag("--version", "anyswan " ANYSWAN_VERSION);
    app.require_subcommand(1);
    Invocation call;
    add_daemons(app, call);
    add_questions(app, call);
    add_maintenance(app, call);
    add_trace(app, call);
    add_files(app, call);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error);
        return status == 0 ? 0 : 2;
    }
    return call.action();
}

}  // namespace anyswan::cli
