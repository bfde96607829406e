#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

#include "libcore/base/fd.h"

namespace reverse::ssh {

/// A connection to the first of the host's addresses that accepts one, each given `timeout`. The
/// socket never waits, and sends small packets at once. `family`: AF_INET, AF_INET6, or 0 for
/// either. Throws `network`: "connect to 'HOST' port N: …". A `stop` ends it at once.
UniqueFd connect_tcp(const std::string& host, std::uint16_t port, int family,
                     std::chrono::milliseconds timeout, const std::stop_token& stop = {});

/// Has what came so far, and what comes next, acknowledged without waiting for something to send
/// along: a server that holds a small packet back until then (Nagle: sshd does) loses 40 ms a time.
void acknowledge_at_once(int fd);

}  // namespace reverse::ssh
