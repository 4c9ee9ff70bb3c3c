// All examples as services of one cluster, each behind a port of the router.
const service = (script, port, more = {}) => ({
  name: script.replace(/\.\w+$/, ''),
  script,
  // Two instances each, wherever there is room.
  instances: 2,
  exec_mode: 'fork',
  route: { port },
  health: '/',
  // What close() is given to end: runs in progress, a farewell to clients.
  kill_timeout: '8s',
  ...more,
});

/** These have SQLite, a file, so all their instances are on one host. With PostgreSQL they may be anywhere. */
const onOneHost = (database) => ({ hosts: 1, env: { DATABASE_FILE: `/tmp/drover-example-${database}.db` } });

export default {
  apps: [
    service('lock.js', 30_010, onOneHost('orders')),
    service('election.js', 30_011),
    service('cron.js', 30_012, { env: { SCHEDULE: '*/5 * * * * *' } }),
    service('callback.js', 30_013, onOneHost('payments')),
    service('ports.js', 30_014),
    service('channels.js', 30_015),
    service('socket-io.js', 30_016),
    service('inbox.cjs', 30_017),
    // Needs python3 on the host.
    service('rest.py', 30_018, { instances: 1 }),
  ],
};
