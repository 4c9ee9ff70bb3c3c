// Preloaded into each test file: the runner's own limit ends a test, but waits for a process that does not end after its tests.

const limitMs = Number(process.env.DROVER_TEST_FILE_LIMIT_MS);
if (process.env.NODE_TEST_CONTEXT !== undefined && limitMs > 0) {
  const timer = setTimeout(() => {
    const resources = process.getActiveResourcesInfo().join(', ');
    process.stderr.write(`${process.argv[1]} still runs after ${limitMs / 1000} s; what keeps it: ${resources}\n`);
    process.exit(1);
  }, limitMs);
  timer.unref();
}
