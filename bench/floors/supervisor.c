#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

struct process {
  const struct role *role;
  /* 0: it has ended. */
  pid_t pid;
};

static const int ENDING_SIGNALS[] = { SIGINT, SIGTERM, SIGHUP };

#define ENDING_SIGNALS_COUNT (sizeof ENDING_SIGNALS / sizeof ENDING_SIGNALS[0])

static sigset_t ending_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t index = 0; index < ENDING_SIGNALS_COUNT; index++) sigaddset(&set, ENDING_SIGNALS[index]);
  return set;
}

/* Those, and what says that a process has ended. */
static sigset_t watched_signals(void) {
  sigset_t set = ending_signals();
  sigaddset(&set, SIGCHLD);
  return set;
}

enum status supervise_signals(void) {
  const sigset_t watched = watched_signals();
  if (sigprocmask(SIG_BLOCK, &watched, NULL) != 0) return failed("sigprocmask");
  /* Who has started this program wants nothing more of it once it is gone itself. */
  if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) return failed("prctl");
  return STATUS_OK;
}

/* The processor at this place among those that the process may use, or where there are fewer, the first again. */
static void stay_on(size_t place) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) die("sched_getaffinity");
  size_t left = place % (size_t)CPU_COUNT(&allowed);
  int processor = 0;
  while (!CPU_ISSET(processor, &allowed) || left-- > 0) processor++;
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  CPU_SET(processor, &chosen);
  if (sched_setaffinity(0, sizeof chosen, &chosen) != 0) die("sched_setaffinity");
}

_Noreturn static void run_role(const struct role *roles, size_t place, void *task, pid_t supervisor) {
  const struct role *role = &roles[place];
  const sigset_t watched = watched_signals();
  sigprocmask(SIG_UNBLOCK, &watched, NULL);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) die("prctl");
  if (getppid() != supervisor) die_because("the supervisor has ended");
  if (role->is_apart) stay_on(place);
  prctl(PR_SET_NAME, role->name);
  role->run(task);
  _exit(STATUS_OK);
}

static enum status start(struct process *processes, const struct role *roles, size_t count, void *task) {
  const pid_t supervisor = getpid();
  for (size_t index = 0; index < count; index++) {
    const pid_t pid = fork();
    if (pid < 0) return failed("fork");
    if (pid == 0) run_role(roles, index, task, supervisor);
    processes[index] = (struct process){ .role = &roles[index], .pid = pid };
  }
  return STATUS_OK;
}

static enum status judge(const struct role *role, int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return refused(STATUS_FAILED, "the %s was ended by signal %d", role->name, WTERMSIG(wait_status));
  }
  if (WEXITSTATUS(wait_status) != STATUS_OK) {
    return refused(STATUS_FAILED, "the %s ended with status %d", role->name, WEXITSTATUS(wait_status));
  }
  return role->is_endless ? refused(STATUS_FAILED, "the %s has ended", role->name) : STATUS_OK;
}

/* Looks who has ended: one SIGCHLD may stand for several. */
static enum status reap(struct process *processes, size_t count) {
  for (size_t index = 0; index < count; index++) {
    struct process *process = &processes[index];
    int wait_status;
    if (process->pid == 0 || waitpid(process->pid, &wait_status, WNOHANG) != process->pid) continue;
    process->pid = 0;
    const enum status status = judge(process->role, wait_status);
    if (status != STATUS_OK) return status;
  }
  return STATUS_OK;
}

static bool is_done(const struct process *processes, size_t count) {
  for (size_t index = 0; index < count; index++) {
    if (processes[index].pid != 0 && !processes[index].role->is_endless) return false;
  }
  return true;
}

/* The next watched signal, or -1 past the time. One that ends the program stays pending, for `end_as_told`. */
static int next_signal(uint64_t deadline_ns) {
  const sigset_t watched = watched_signals();
  for (;;) {
    const uint64_t now = now_ns();
    const uint64_t left_ns = now < deadline_ns ? deadline_ns - now : 0;
    const struct timespec left = {
      .tv_sec = (time_t)(left_ns / NS_PER_S),
      .tv_nsec = (long)(left_ns % NS_PER_S),
    };
    const int signal_number = sigtimedwait(&watched, NULL, &left);
    if (signal_number == SIGCHLD) return SIGCHLD;
    if (signal_number > 0) {
      raise(signal_number);
      return signal_number;
    }
    if (errno != EINTR) return -1;
  }
}

static enum status watch(struct process *processes, size_t count, unsigned timeout_s) {
  const uint64_t deadline_ns = now_ns() + timeout_s * NS_PER_S;
  while (!is_done(processes, count)) {
    const int signal_number = next_signal(deadline_ns);
    if (signal_number < 0) return refused(STATUS_FAILED, "not done within %u s", timeout_s);
    if (signal_number != SIGCHLD) return refused(STATUS_FAILED, "ended by signal %d", signal_number);
    const enum status status = reap(processes, count);
    if (status != STATUS_OK) return status;
  }
  return STATUS_OK;
}

static void end_all(struct process *processes, size_t count) {
  for (size_t index = 0; index < count; index++) {
    if (processes[index].pid == 0) continue;
    kill(processes[index].pid, SIGKILL);
    while (waitpid(processes[index].pid, NULL, 0) < 0 && errno == EINTR) continue;
    processes[index].pid = 0;
  }
}

enum status supervise(const struct role *roles, size_t count, void *task, unsigned timeout_s) {
  struct process processes[ROLES_MAX] = { 0 };
  if (count > ROLES_MAX) return refused(STATUS_FAILED, "%zu roles are too many", count);
  enum status status = start(processes, roles, count, task);
  if (status == STATUS_OK) status = watch(processes, count, timeout_s);
  end_all(processes, count);
  return status;
}

void end_as_told(void) {
  const sigset_t ending = ending_signals();
  sigprocmask(SIG_UNBLOCK, &ending, NULL);
}

void *map_for_all(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}
