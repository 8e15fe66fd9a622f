/* The first process of every pod: it holds the pod's namespaces, and buries processes that lost their parent. */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void) {
    sigset_t everything;
    sigfillset(&everything);
    sigprocmask(SIG_BLOCK, &everything, NULL);
    for (int received = 0; received != SIGTERM && received != SIGINT;) {
        if (sigwait(&everything, &received) == 0 && received == SIGCHLD)
            while (waitpid(-1, NULL, WNOHANG) > 0)
                continue;
    }
    return 0;
}
