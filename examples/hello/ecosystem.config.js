// A PM2 file as it is. The keys below the line are Drover's own, and PM2 ignores them.
module.exports = {
  apps: [
    {
      name: 'hello',
      script: 'server.js',
      instances: 6,
      exec_mode: 'fork',
      wait_ready: false,
      listen_timeout: 8000,
      kill_timeout: 5000,
      max_memory_restart: '256M',
      env: { NODE_ENV: 'production', GREETING: 'hello' },
      // ----
      health: { path: '/health', interval: '1s', timeout: '2s', failures: 3 },
      route: { port: 30000 },
      drain_timeout: '15s',
    },
  ],
};
