import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analyse } from '../../../cli/preflight/analyse.ts';

/** What is found in a piece of code: the rules, in order. */
type Row = [title: string, path: string, text: string, found: string[]];

const nest =
  "import { Cron, Interval } from '@nestjs/schedule';\nimport { Injectable, Controller, Get } from '@nestjs/common';\n";
const multer = "import multer from 'multer';\n";
const end = "process.on('SIGTERM', () => server.close());\n";

const rows: Row[] = [
  [
    'a property that is made in the constructor, and emptied later',
    'a.js',
    "class P { constructor() { this.used = []; } take(p) { this.used.push(p); return this.used; } empty() { this.used = []; } }\nconst p = new P();\napp.post('/', () => p.take(1));",
    ['memory-state'],
  ],
  [
    'a loop that waits',
    'a.ts',
    'async function wait() { while (true) { if (await isReady()) return; await sleep(10); } }',
    [],
  ],
  [
    'node-cron',
    'a.mjs',
    "import cron from 'node-cron';\ncron.schedule('* * * * *', () => bill());",
    ['in-process-cron'],
  ],
  [
    'node-cron by require',
    'a.cjs',
    "const cron = require('node-cron');\ncron.schedule('* * * * *', bill);",
    ['in-process-cron'],
  ],
  ['croner', 'a.ts', "import { Cron } from 'croner';\nnew Cron('* * * * *', () => bill());", ['in-process-cron']],
  ['cron', 'a.js', "const { CronJob } = require('cron');\nnew CronJob('* * * * *', bill);", ['in-process-cron']],
  [
    'node-schedule',
    'a.js',
    "const s = require('node-schedule');\ns.scheduleJob('* * * * *', bill);",
    ['in-process-cron'],
  ],
  [
    '@Cron',
    'a.ts',
    `${nest}@Injectable() class A { @Cron('* * * * *') async bill() { await this.db.bill(); } }`,
    ['in-process-cron'],
  ],
  [
    '@Interval',
    'a.ts',
    `${nest}@Injectable() class A { @Interval(10) bill() { this.db.bill(); } }`,
    ['in-process-cron'],
  ],
  [
    '@Cron with a claim',
    'a.ts',
    `${nest}class A { @Cron('* * * * *') async b() { await drover.cronRun('b', '* * * * *', () => this.b()); } }`,
    [],
  ],
  ['cron of the SDK', 'a.js', "drover.cron('bill', '* * * * *', () => bill());", []],
  ['an interval with work', 'a.ts', 'setInterval(async () => { await db.query("x"); }, 10);', ['timer-work']],
  [
    'an interval that calls a function with work',
    'a.js',
    'function tick() { work(); }\nfunction work() { db.run(); }\nsetInterval(tick, 10);',
    ['timer-work'],
  ],
  ['an interval that logs', 'a.js', 'setInterval(() => console.log(process.memoryUsage()), 10);', []],
  ['an interval that pings sockets', 'a.js', 'setInterval(() => { for (const s of all) s.ping(); }, 10);', []],
  [
    'an interval with a lock',
    'a.js',
    "setInterval(async () => { await using l = await drover.lock('x'); await db.query(); }, 10);",
    [],
  ],
  [
    'a timeout that sets itself',
    'a.js',
    'function tick() { db.run(); setTimeout(tick, 10); }\ntick();',
    ['timer-work'],
  ],
  ['a timeout, once', 'a.js', 'setTimeout(() => db.run(), 10);', []],
  [
    'an endless loop',
    'a.js',
    'async function poll() { while (true) { await db.query("SELECT 1 FROM jobs"); } }',
    ['loop-work'],
  ],
  [
    'an endless loop with a claim',
    'a.js',
    'async function poll() { for (;;) { await db.query("SELECT 1 FROM jobs FOR UPDATE SKIP LOCKED"); } }',
    [],
  ],
  [
    'express-session',
    'a.js',
    "const session = require('express-session');\napp.use(session({ secret: 'x' }));",
    ['memory-session'],
  ],
  [
    'express-session with a store',
    'a.js',
    "const session = require('express-session');\napp.use(session({ store: redisStore }));",
    [],
  ],
  [
    'express-rate-limit',
    'a.ts',
    "import { rateLimit } from 'express-rate-limit';\napp.use(rateLimit({ limit: 5 }));",
    ['memory-rate-limit'],
  ],
  [
    'express-rate-limit, options apart',
    'a.ts',
    "import { rateLimit } from 'express-rate-limit';\nconst o = { limit: 5 };\napp.use(rateLimit(o));",
    ['memory-rate-limit'],
  ],
  ['@fastify/rate-limit', 'a.js', "app.register(require('@fastify/rate-limit'), { max: 5 });", ['memory-rate-limit']],
  [
    '@fastify/rate-limit by import()',
    'a.mjs',
    "await app.register(await import('@fastify/rate-limit'), { max: 5 });",
    ['memory-rate-limit'],
  ],
  [
    '@fastify/rate-limit with redis',
    'a.mjs',
    "import limit from '@fastify/rate-limit';\nawait app.register(limit, { redis });",
    [],
  ],
  [
    '@nestjs/throttler',
    'a.ts',
    "import { ThrottlerModule } from '@nestjs/throttler';\n@Module({ imports: [ThrottlerModule.forRoot([{ ttl: 1, limit: 1 }])] }) class A {}",
    ['memory-rate-limit'],
  ],
  [
    '@nestjs/throttler with a storage',
    'a.ts',
    "import { ThrottlerModule } from '@nestjs/throttler';\nThrottlerModule.forRoot({ storage: s, throttlers: [] });",
    [],
  ],
  [
    'a Map',
    'a.js',
    "const m = new Map();\napp.post('/', (r) => { m.set(1, r); });\napp.get('/', () => m.get(1));",
    ['memory-state'],
  ],
  [
    'a Map in the function that makes the app',
    'a.ts',
    "export function build(app) {\n  const m = new Map<string, string>();\n  app.post('/', (r) => { m.set(r.id, 'a'); });\n  app.get('/', () => [...m]);\n}",
    ['memory-state'],
  ],
  [
    'a Map of one request',
    'a.js',
    "app.post('/', (r) => { const m = new Map(); r.a.forEach((x) => m.set(x, 1)); return m.size; });",
    [],
  ],
  [
    'a Map of the same name in the handler',
    'a.js',
    "const m = new Map([[1, 2]]);\napp.get('/', () => { const m = new Map(); m.set(1, 1); return m.get(1); });",
    [],
  ],
  ['a table that nobody changes', 'a.js', "const m = new Map();\nm.set(1, 2);\napp.get('/', () => m.get(1));", []],
  [
    'an object',
    'a.cjs',
    "const users = {};\nrouter.put('/:id', function (q, s) { users[q.id] = q.body; s.json(users); });",
    ['memory-state'],
  ],
  [
    'an array',
    'a.js',
    'const all = [];\nhttp.createServer((q, s) => { all.push(q.url); s.end(all.join()); });',
    ['memory-state'],
  ],
  ['a counter', 'a.js', "const counts = {};\napp.get('/', () => { counts.x += 1; return counts; });", []],
  ['a WeakMap', 'a.js', "const m = new WeakMap();\napp.get('/', (q) => { m.set(q, 1); return m.get(q); });", []],
  [
    'sockets that only the end reads',
    'a.js',
    "const open = new Set();\nserver.on('connection', (s) => { open.add(s); s.on('close', () => open.delete(s)); });\nprocess.on('SIGTERM', stop);\nfunction stop() { for (const s of open) s.end(); }",
    [],
  ],
  [
    'a handler that is named',
    'a.js',
    "const m = new Map();\nfunction put(q) { m.set(q.id, m.size); }\napp.post('/', guard, put);",
    ['memory-state'],
  ],
  [
    'the property of a service',
    'a.ts',
    `${nest}@Injectable() export class P { private used: Set<number> = new Set(); take(p: number) { if (!this.used.has(p)) this.used.add(p); } }`,
    ['memory-state'],
  ],
  [
    'a private field of one object',
    'a.ts',
    "class P { #used = new Set(); take(p) { if (!this.#used.has(p)) this.#used.add(p); } }\nconst p = new P();\napp.post('/', () => p.take(1));",
    ['memory-state'],
  ],
  [
    'the property of an object of one request',
    'a.ts',
    "class P { used = new Set(); take(p) { this.used.add(p); return this.used; } }\napp.post('/', () => new P().take(1));",
    [],
  ],
  [
    'a queue',
    'a.js',
    "const q = [];\napp.post('/', (r) => { q.push(r.body); });\nexport function next() { return q.shift(); }",
    ['memory-queue'],
  ],
  [
    'sockets by user',
    'a.ts',
    "const by: Map<string, WebSocket> = new Map();\nwss.on('connection', (ws, q) => { by.set(q.user, ws); });\napp.post('/send', (r) => by.get(r.to)?.send(r.text));",
    ['memory-sockets'],
  ],
  [
    'sockets by user in a gateway',
    'a.ts',
    "@WebSocketGateway() class G { private c: Map<string, Socket> = new Map(); handleConnection(s: Socket) { this.c.set(s.id, s); } send(u: string) { this.c.get(u)?.emit('x'); } }",
    ['socket-no-adapter', 'memory-sockets'],
  ],
  [
    'socket.io',
    'a.js',
    "const { Server } = require('socket.io');\nconst io = new Server(server);",
    ['socket-no-adapter'],
  ],
  ['socket.io, as a function', 'a.js', "const io = require('socket.io')(server);", ['socket-no-adapter']],
  [
    'socket.io with an adapter',
    'a.ts',
    "import { Server } from 'socket.io';\nconst io = new Server(server);\nio.adapter(createAdapter(pub, sub));",
    [],
  ],
  [
    'socket.io with the SDK',
    'a.ts',
    "import { Server } from 'socket.io';\nconst io = new Server(server);\nmountSocketIo(io, drover.coordination);",
    [],
  ],
  [
    'a broadcast of ws',
    'a.js',
    "import { WebSocketServer } from 'ws';\nconst wss = new WebSocketServer({ server });\nwss.on('connection', (s) => s.on('message', (m) => wss.clients.forEach((c) => c.send(m))));",
    ['socket-no-adapter'],
  ],
  ['multer with dest', 'a.ts', `${multer}const upload = multer({ dest: 'uploads/' });`, ['local-files']],
  ['multer on the disk', 'a.ts', `${multer}const storage = multer.diskStorage({});`, ['local-files']],
  ['multer in memory', 'a.ts', `${multer}const upload = multer({ storage: multer.memoryStorage() });`, []],
  [
    'a file of a handler',
    'a.js',
    "const fs = require('fs');\napp.post('/', (r) => { fs.writeFileSync(`./uploads/${r.id}`, r.body); });",
    ['local-files'],
  ],
  [
    'a file in the temporary directory',
    'a.ts',
    "import { createWriteStream } from 'node:fs';\nimport os from 'node:os';\nconst d = os.tmpdir();\napp.post('/', (r) => r.pipe(createWriteStream(d + '/x')));",
    ['local-files'],
  ],
  [
    'a file where the environment says',
    'a.ts',
    "import { writeFile } from 'node:fs/promises';\nconst { STORE } = process.env;\napp.post('/', (r) => writeFile(`${STORE}/x`, r.body));",
    [],
  ],
  ['a file at the start', 'a.js', "require('fs').writeFileSync('./pid', '1');", []],
  ['a webhook', 'a.js', "app.post('/webhooks/payment', (r) => pay(r));", ['callback-not-once']],
  ['a webhook of NestJS', 'a.ts', "class A { @Post('webhook') pay() {} }", ['callback-not-once']],
  [
    'a webhook that is claimed',
    'a.js',
    "app.post('/webhooks/payment', droverCallback({ callbacks: drover.callbacks({}) }));",
    [],
  ],
  ['the callback of a login', 'a.js', "app.post('/auth/callback', (r) => login(r));", []],
  ['a fixed port', 'a.js', `app.listen(3000);\n${end}`, ['fixed-port']],
  ['a fixed port by name', 'a.ts', `const PORT = 3000;\nawait app.listen({ port: PORT });\n${end}`, ['fixed-port']],
  ['a port of the environment', 'a.js', `app.listen(process.env.PORT || 3000);\n${end}`, []],
  [
    'a port of the environment, taken apart',
    'a.js',
    `const { PORT = '3000' } = process.env;\napp.listen(Number(PORT));\n${end}`,
    [],
  ],
  ['any port', 'a.js', `app.listen(0);\n${end}`, []],
  [
    'a fixed port of ws',
    'a.js',
    `const { WebSocketServer } = require('ws');\nnew WebSocketServer({ port: 8080 });\n${end}`,
    ['fixed-port'],
  ],
  ['a server that nobody stops', 'a.js', 'app.listen(process.env.PORT);', ['no-shutdown']],
  [
    'signals in a loop',
    'a.js',
    "app.listen(process.env.PORT);\nfor (const s of ['SIGINT', 'SIGTERM']) process.on(s, stop);",
    [],
  ],
  [
    "PM2's message",
    'a.js',
    "app.listen(process.env.PORT);\nprocess.on('message', (m) => { if (m === 'shutdown') stop(); });",
    [],
  ],
  ['hooks of NestJS', 'a.ts', 'app.enableShutdownHooks();\nawait app.listen(process.env.PORT ?? 3000);', []],
  ['something else that listens', 'a.js', "bus.listen('orders', () => {});", []],
  ['JSX', 'a.jsx', 'const a = <div onClick={() => b()}>x</div>;', []],
];

for (const [title, path, text, found] of rows) {
  test(`${title}: ${found.join(', ') || 'nothing'}`, () => {
    assert.deepEqual(
      analyse([{ path, text }]).map(({ rule }) => rule),
      found,
    );
  });
}
