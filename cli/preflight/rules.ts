/** What is unsafe at more than one instance: one row for each kind of finding. */
export const rules = {
  'in-process-cron': {
    what: 'a schedule that runs in this process',
    failure: 'Each instance has the schedule, so the job runs once per instance at every tick.',
    mend: 'drover.cron(name, schedule, handler)',
    guide: 'guides/cron.md',
  },
  'timer-work': {
    what: 'work on a timer of this process',
    failure: 'Each instance has the timer, so the work is done once per instance each time.',
    mend: 'drover.cron(name, schedule, handler)',
    guide: 'guides/cron.md',
  },
  'loop-work': {
    what: 'a loop that takes work without claiming it',
    failure: 'Two instances find the same piece of work, and both do it.',
    mend: 'drover.stream(name).consume(group, handler), or drover.lock(name) around the piece',
    guide: 'guides/channels.md#streams',
  },
  'memory-session': {
    what: 'sessions in the memory of this process',
    failure: 'A user who has logged in at one instance is a stranger at the other.',
    mend: 'give the session store a shared one, such as Redis (option "store")',
    guide: 'guides/preflight.md#sessions-and-rate-limits',
  },
  'memory-rate-limit': {
    what: 'a rate limit that is counted in this process',
    failure: 'Each instance counts by itself, so a client may do as many times more as there are instances.',
    mend: 'give the limiter a shared store, such as Redis (option "store", "redis" or "storage")',
    guide: 'guides/preflight.md#sessions-and-rate-limits',
  },
  'memory-state': {
    what: 'state in memory that requests change',
    failure: 'Each instance has a copy of its own: what one request changes here, the next one does not find there.',
    mend: 'keep it in the database; ports: drover.ports(); one holder at a time: drover.lock(name)',
    guide: 'guides/coordination.md#which-primitive-for-which-problem',
  },
  'memory-queue': {
    what: 'a queue in the memory of this process',
    failure: 'What waits in it is lost with the instance, and no other instance can do it.',
    mend: 'drover.stream(name).publish(message) and .consume(group, handler)',
    guide: 'guides/channels.md#streams',
  },
  'memory-sockets': {
    what: 'connections by which users are found, in memory',
    failure: 'A user who is connected to another instance is not found, and the message is lost.',
    mend: 'drover.presence(name) says who is where; drover.inbox(name) keeps what is for somebody; rooms of Socket.IO',
    guide: 'guides/channels.md',
  },
  'socket-no-adapter': {
    what: 'sockets that do not know those of other instances',
    failure: 'What is sent to all, or to a room, reaches the clients of this instance only.',
    mend: 'mountSocketIo(io, drover.coordination); plain WebSockets: drover.topic(name)',
    guide: 'guides/channels.md#socketio',
  },
  'local-files': {
    what: 'files of requests on the disk of this host',
    failure: 'The next request about the file reaches another host, where it is not.',
    mend: 'write to a shared store, such as a mounted directory named in the environment, or S3',
    guide: 'guides/preflight.md#files',
  },
  'callback-not-once': {
    what: 'a callback without a claim',
    failure: 'Two deliveries of one event at two instances at once both take effect: a payment is credited twice.',
    mend: 'droverCallback(app, { callbacks: drover.callbacks({ database }) })',
    guide: 'guides/callbacks.md',
  },
  'fixed-port': {
    what: 'a port that is written in the code',
    failure: 'The second instance on a host cannot listen (EADDRINUSE).',
    mend: 'listen on process.env.PORT, and on process.env.HOST',
    guide: 'guides/first-service.md#what-your-program-has-to-do',
  },
  'no-shutdown': {
    what: 'a server that does not end in order',
    failure: 'Requests that are under way when an instance is replaced break off.',
    mend: 'on SIGTERM and SIGINT close the server, then drover.close()',
    guide: 'guides/first-service.md#what-your-program-has-to-do',
  },
  'bad-ignore': {
    what: 'a drover-ignore-next-line that says too little',
    failure: 'Nobody will know why this was thought to be safe.',
    mend: '// drover-ignore-next-line <rule>: <reason>',
    guide: 'guides/preflight.md#what-is-safe-all-the-same',
  },
  unreadable: {
    what: 'a file that could not be parsed',
    failure: 'Nothing in this file was looked at.',
    mend: 'mend the syntax, or name the file in .droverignore',
    guide: 'guides/preflight.md#what-is-looked-at',
  },
} as const satisfies Record<string, { what: string; failure: string; mend: string; guide: string }>;

export type RuleId = keyof typeof rules;

export function isRuleId(text: string): text is RuleId {
  return Object.hasOwn(rules, text);
}
