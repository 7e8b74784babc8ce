#!/bin/sh
# Compares the tool's cost of one run with that of a bare posix_spawn + wait4, on a static program that does nothing.
#   sh examples/overhead.sh [BLOCKS] [RUNS_PER_BLOCK]
# Needs a C compiler. PROFILE=dev measures a debug build, which compiles faster.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
cat >"$dir/true.c" <<'C'
int main(void) { return 0; }
C
cat >"$dir/bare.c" <<'C'
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
extern char **environ;
static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int runs = atoi(argv[2]);
  double *took = calloc(runs, sizeof *took);
  for (int i = 0; i < runs; i++) {
    char *args[] = {argv[1], NULL};
    pid_t pid;
    int status;
    struct rusage usage;
    double started = now();
    if (posix_spawn(&pid, argv[1], NULL, NULL, args, environ)) return 1;
    if (wait4(pid, &status, 0, &usage) != pid || status) return 1;
    took[i] = now() - started;
  }
  qsort(took, runs, sizeof *took, by_value);
  printf("%.3f\n", runs % 2 ? took[runs / 2] : (took[runs / 2 - 1] + took[runs / 2]) / 2);
}
C
${CC:-cc} -O2 -o "$dir/bare" "$dir/bare.c"
# Links dynamically where there is no static C library; both sides then include the dynamic linker's time.
${CC:-cc} -O2 -static -o "$dir/true" "$dir/true.c" 2>/dev/null || ${CC:-cc} -O2 -o "$dir/true" "$dir/true.c"
cargo run --quiet --profile "${PROFILE:-release}" --example overhead -- "$dir/true" "$dir/bare" "$@"
