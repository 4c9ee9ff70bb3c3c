// Every key that Drover reads from an ecosystem file. PM2's own come first and mean what PM2 means by them, except where
// a comment says otherwise; snake_case and camelCase are both accepted. Durations are milliseconds or texts such as "10s", sizes are
// bytes or texts such as "512M". An unknown key is an error; a key of PM2 that has no meaning here is accepted with a note.
// (In a CommonJS project, write module.exports = in place of export default.)
export default {
  apps: [
    {
      // ---- What runs ------------------------------------------------------------------------------------------------
      name: 'api',
      // Below the directory of this file, or a command on the PATH of the nodes.
      script: 'dist/server.js',
      args: ['--verbose', 'two words'],
      // Below the directory of this file, or an absolute path on the nodes.
      cwd: '.',
      // Default by file ending; "none" executes the script itself.
      interpreter: 'node',
      node_args: '--max-old-space-size=512',
      source_map_support: true,

      // ---- How many -------------------------------------------------------------------------------------------------
      // The total over the fleet; "max" is one per core of every eligible node.
      instances: 6,
      // A count or "all" makes `instances` a count for each host.
      // hosts: 3,
      // fork: each instance has a PORT of its own, also when instances is given (PM2 would use cluster then).
      // cluster: the instances of one node share one PORT.
      exec_mode: 'fork',
      // Cluster mode only: 'shared' is fastest, 'round-robin' is most even.
      scheduling_policy: 'shared',
      instance_var: 'NODE_APP_INSTANCE',
      increment_var: 'WORKER_NUMBER',

      // ---- Environment ----------------------------------------------------------------------------------------------
      // PORT and HOST are Drover's: a PORT written here becomes the route { port } instead.
      env: { NODE_ENV: 'production', LOG_LEVEL: 'info' },
      // Laid over env by --env staging.
      env_staging: { LOG_LEVEL: 'debug' },

      // ---- Start, stop and restart ----------------------------------------------------------------------------------
      // Ready when the program says process.send('ready'); otherwise when it listens.
      wait_ready: true,
      // Not ready by then is a failed start (PM2 would go on).
      listen_timeout: '10s',
      // Default: true where there is a route or a probe.
      expect_listen: true,
      kill_signal: 'SIGINT',
      kill_timeout: '5s',
      treekill: true,
      shutdown_with_message: false,
      autorestart: true,
      max_restarts: 16,
      min_uptime: '1s',
      restart_delay: 0,
      exp_backoff_restart_delay: 100,
      stop_exit_codes: [0],
      max_memory_restart: '512M',

      // ---- Traffic --------------------------------------------------------------------------------------------------
      // Where routers listen for it: a port of its own, or host and path on their shared listener.
      routes: [{ port: 30000 }, { host: 'api.example.com', path: '/v1' }],
      // How long requests in flight may take after the routes are gone.
      drain_timeout: '30s',
      // Or { tcp: true }, or only a path.
      health: { path: '/health', status: 200, interval: '2s', timeout: '2s', failures: 3, restart_after: '30s' },

      // ---- Jobs ---------------------------------------------------------------------------------------------------
      // Run by the controllers, each tick at most once, while this revision is the stable one.
      jobs: {
        'cancel-expired-orders': {
          // Five fields, or six with seconds first.
          schedule: '*/5 * * * *',
          time_zone: 'Europe/Berlin',
          // A tick that is due while an earlier one runs: 'skip', 'queue' or 'replace'.
          overlap: 'skip',
          // Ticks that nobody could run: 'none', 'last', or all within a time such as '10m'.
          catch_up: 'last',
          max_run: '5m',
          // Calls one healthy instance; 2xx is success. A body that is no text is sent as JSON.
          run: {
            http: {
              method: 'POST',
              path: '/jobs/cancel-expired-orders',
              headers: { 'x-reason': 'schedule' },
              body: { olderThanMinutes: 30 },
            },
          },
        },
        'nightly-report': {
          schedule: '30 2 * * *',
          // A process of the same artifact on an eligible node; exit code 0 is success.
          run: { script: 'dist/report.js', args: ['--yesterday'], env: { LOG_LEVEL: 'debug' } },
        },
      },

      // ---- Rolling deploys ------------------------------------------------------------------------------------------
      update: {
        order: 'start-first',
        max_parallel: 2,
        min_healthy: '500ms',
        healthy_deadline: '60s',
        monitor: '3s',
        max_failures: 0,
        failure_action: 'rollback',
        route_ack_timeout: '15s',
      },

      // ---- Placement ------------------------------------------------------------------------------------------------
      placement: {
        max_per_node: 4,
        constraints: ['node.labels.zone == a', 'node.name != db-1'],
        resources: { cpu: 0.5, memory: '256M' },
        // "stop" is for services that must never run twice: stopped by the node itself when it is cut off.
        on_disconnect: 'keep',
        stop_after: '10s',
      },

      // ---- Files and logs -------------------------------------------------------------------------------------------
      // install: npm ci once per node and lock file. shipped: node_modules is packed. none: neither.
      dependencies: 'install',
      logs: { max_size: '10M', max_files: 5, time: true },
    },
  ],
};
