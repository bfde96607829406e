#pragma once

#include <memory>

struct ssh_session_struct;
struct ssh_channel_struct;
struct ssh_event_struct;
struct ssh_key_struct;

namespace reverse::ssh {

/// Frees what libssh made.
struct Free {
  void operator()(ssh_session_struct* session) const;
  void operator()(ssh_channel_struct* channel) const;
  void operator()(ssh_event_struct* event) const;
  void operator()(ssh_key_struct* key) const;
};

/// Declare them in this order: channels and events go before their session.
using SessionHandle = std::unique_ptr<ssh_session_struct, Free>;
using EventHandle = std::unique_ptr<ssh_event_struct, Free>;
using ChannelHandle = std::unique_ptr<ssh_channel_struct, Free>;
using KeyHandle = std::unique_ptr<ssh_key_struct, Free>;

}  // namespace reverse::ssh
