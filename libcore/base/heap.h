#pragma once

namespace reverse {

/// Has the heap begin at a huge page and be made of such where the kernel gives them: a page that
/// is touched first costs a fault, some 15 µs on virtual machines without nested page tables, and a
/// run of a tenth of a second touches a thousand. Keeps what is freed. For `main`, before there are
/// threads, whose own arenas stay as they are. What cannot be had is done without.
void prepare_heap();

}  // namespace reverse
