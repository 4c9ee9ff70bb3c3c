// What both ecosystem files have in common: which services there are, how many of each, and where they are reached.

/** @param {Record<string, string>} env for all services; `forService` adds to it */
export function cloudphone(env, forService = () => ({})) {
  const firstPort = Number(process.env.PLATFORM_PORT ?? 30_000);
  const service = (name, port, more) => ({
    name,
    script: `${name}/main.ts`,
    exec_mode: 'fork',
    route: { port: firstPort + port },
    health: { path: '/health', interval: '2s', timeout: '2s', failures: 3 },
    max_memory_restart: '512M',
    // Requests in flight may take so long; then the instance is asked to end, and has `kill_timeout` for that.
    drain_timeout: '15s',
    kill_timeout: '10s',
    ...more,
    env: { ...env, ...forService(name), ...more.env },
  });

  return [
    service('api-gateway', 0, { instances: 4 }),
    service('user-service', 1, { instances: 2 }),
    // Devices live on the host of the instance that made them, so each host has one. They outlive it, on purpose: a new
    // instance finds them again, and only the worker itself is to be signalled in a deploy.
    service('device-service', 2, { hosts: 'all', instances: 1, treekill: false }),
    // A part of an upload may take its time.
    service('app-service', 3, { instances: 2, drain_timeout: '60s' }),
    service('billing-service', 5, { instances: 2 }),
    // Sockets are sent elsewhere a batch at a time, which has to end before the worker is killed.
    service('notification-service', 6, { instances: 2, kill_timeout: '20s' }),
  ];
}
