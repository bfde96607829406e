#include "libcore/backend/sftp/under_way.h"

#include <algorithm>
#include <limits>

namespace reverse::sftp {

std::size_t weight_of(const Request& request) {
  constexpr std::size_t kHead = 9;  // length, type, number
  return request.body.size() + kHead;
}

UnderWay::UnderWay(Windows windows)
    : out_window_(windows.out_bytes), slots_(std::max<std::size_t>(windows.requests, 1)) {
  for (std::size_t i = slots_.size(); i-- > 0;) {
    slots_[i].number = static_cast<std::uint32_t>(i);
    free_.push_back(static_cast<std::uint32_t>(i));
  }
}

bool UnderWay::admits(const Request& request) {
  if (count_ == 0) return true;
  const bool fits_out = out_bytes_ + weight_of(request) <= out_window_.bytes();
  if (!fits_out) out_window_.note_full();
  return fits_out && !free_.empty() && reply_bytes_ + request.reply_bytes <= reply_window_;
}

std::uint32_t UnderWay::add(const Request& request, Client::Done done) {
  Slot& slot = slots_[free_.back()];
  free_.pop_back();
  // A number comes again as late as can be, so that a reply that comes twice is noticed.
  const auto step = static_cast<std::uint32_t>(slots_.size());
  const bool wraps = slot.number > std::numeric_limits<std::uint32_t>::max() - step;
  slot.number = wraps ? slot.number % step : slot.number + step;
  slot.used = true;
  slot.sent = {.type = request.type,
               .weight = weight_of(request),
               .reply_bytes = request.reply_bytes,
               .time = OutWindow::Clock::now(),
               .flight = answered_flight_ + 1,
               .done = std::move(done)};
  ++count_;
  extended_ += request.type == PacketType::extended ? 1 : 0;
  out_bytes_ += slot.sent.weight;
  reply_bytes_ += slot.sent.reply_bytes;
  return slot.number;
}

const UnderWay::Sent* UnderWay::find(std::uint32_t number) const {
  const Slot& slot = slots_[number % slots_.size()];
  return slot.used && slot.number == number ? &slot.sent : nullptr;
}

UnderWay::Sent UnderWay::take(std::uint32_t number) {
  const std::size_t index = number % slots_.size();
  Slot& slot = slots_[index];
  slot.used = false;
  free_.push_back(static_cast<std::uint32_t>(index));
  answered_flight_ = std::max(answered_flight_, slot.sent.flight);
  --count_;
  extended_ -= slot.sent.type == PacketType::extended ? 1 : 0;
  out_bytes_ -= slot.sent.weight;
  reply_bytes_ -= slot.sent.reply_bytes;
  out_window_.answered(slot.sent.weight, slot.sent.time, OutWindow::Clock::now());
  return std::move(slot.sent);
}

std::vector<UnderWay::Sent> UnderWay::take_all() {
  std::vector<Sent> all;
  for (const Slot& slot : slots_)
    if (slot.used) all.push_back(take(slot.number));
  return all;
}

bool answers(PacketType request, const Reply& reply) {
  PacketType wanted = PacketType::status;
  switch (request) {
    case PacketType::open:
    case PacketType::opendir:
      wanted = PacketType::handle;
      break;
    case PacketType::read:
      wanted = PacketType::data;
      break;
    case PacketType::readdir:
    case PacketType::realpath:
    case PacketType::readlink:
      wanted = PacketType::name;
      break;
    case PacketType::stat:
    case PacketType::lstat:
    case PacketType::fstat:
      wanted = PacketType::attrs;
      break;
    case PacketType::extended:
      return reply.type == PacketType::status || reply.type == PacketType::extended_reply;
    default:
      break;
  }
  if (reply.type == wanted) return true;
  // Anything may fail; but "ok" answers only what asks for nothing else.
  return reply.type == PacketType::status && reply.status != Status::ok;
}

}  // namespace reverse::sftp
