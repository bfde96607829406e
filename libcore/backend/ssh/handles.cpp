#include "libcore/backend/ssh/handles.h"

#include <libssh/libssh.h>

namespace reverse::ssh {

void Free::operator()(ssh_session_struct* session) const {
  ssh_disconnect(session);
  ssh_free(session);
}
void Free::operator()(ssh_channel_struct* channel) const {
  ssh_channel_free(channel);
}
void Free::operator()(ssh_event_struct* event) const {
  ssh_event_free(event);
}
void Free::operator()(ssh_key_struct* key) const {
  ssh_key_free(key);
}

}  // namespace reverse::ssh
