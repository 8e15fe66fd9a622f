"""What a pod does in which somebody debugs a step: nothing, until it is asked to end."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # the first process of a container heeds no signal by default
    signal.sigwait(ends)
