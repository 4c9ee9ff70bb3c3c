// A small service that behaves well: it listens where it is told, says who it is, and leaves without hurting anybody.
const http = require('node:http');
const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const path = require('node:path');

const { PORT = '3000', HOST = '127.0.0.1', DROVER_SERVICE, DROVER_REVISION, DROVER_INSTANCE_ID } = process.env;
const version = process.env.APP_VERSION ?? readFileSync(path.join(__dirname, 'version.txt'), 'utf8').trim();

function whoAmI() {
  return {
    greeting: process.env.GREETING ?? 'hello',
    service: DROVER_SERVICE ?? 'hello',
    revision: Number(DROVER_REVISION ?? 0),
    instance: DROVER_INSTANCE_ID ?? 'none',
    host: HOST,
    pid: process.pid,
    version,
  };
}

function answer(response, status, body) {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://service');
  switch (url.pathname) {
    case '/health':
      return answer(response, 200, { status: 'ok' });
    case '/slow':
      return void setTimeout(
        () => answer(response, 200, whoAmI()),
        Math.min(Number(url.searchParams.get('ms') ?? 1000), 60_000),
      );
    case '/upload': {
      const hash = createHash('sha256');
      let bytes = 0;
      request.on('data', (chunk) => {
        bytes += chunk.length;
        hash.update(chunk);
      });
      return void request.on('end', () => answer(response, 200, { ...whoAmI(), bytes, sha256: hash.digest('hex') }));
    }
    default:
      return answer(response, 200, whoAmI());
  }
});

// ---- WebSocket: an echo, without a library (RFC 6455; single frames up to 64 KiB) -------------------------------------------
const sockets = new Set();
const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 };
const goingAway = 1001;

server.on('upgrade', (request, socket) => {
  const key = request.headers['sec-websocket-key'];
  if (request.headers.upgrade?.toLowerCase() !== 'websocket' || key === undefined) return socket.destroy();
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  sockets.add(socket);
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = readFrame(pending); frame !== undefined; frame = readFrame(pending)) {
      pending = pending.subarray(frame.length);
      if (frame.opcode === opcodes.close) return void socket.end(writeFrame(opcodes.close, frame.payload));
      if (frame.opcode === opcodes.ping) socket.write(writeFrame(opcodes.pong, frame.payload));
      if (frame.opcode === opcodes.text || frame.opcode === opcodes.binary) {
        socket.write(writeFrame(frame.opcode, frame.payload));
      }
    }
  });
  socket.on('close', () => sockets.delete(socket));
  socket.on('error', () => socket.destroy());
});

/** The first frame of `bytes`, or undefined while it is incomplete. Frames of clients are always masked. */
function readFrame(bytes) {
  if (bytes.length < 6) return undefined;
  const isLong = (bytes[1] & 0x7f) === 126;
  const payloadLength = isLong ? bytes.readUInt16BE(2) : bytes[1] & 0x7f;
  const start = isLong ? 8 : 6;
  const length = start + payloadLength;
  if (bytes.length < length) return undefined;
  const mask = bytes.subarray(start - 4, start);
  const payload = Buffer.from(bytes.subarray(start, length)).map((byte, index) => byte ^ mask[index % 4]);
  return { opcode: bytes[0] & 0x0f, payload, length };
}

function writeFrame(opcode, payload) {
  const head =
    payload.length < 126 ? Buffer.from([0x80 | opcode, payload.length]) : Buffer.from([0x80 | opcode, 126, 0, 0]);
  if (payload.length >= 126) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

// ---- Leaving ---------------------------------------------------------------------------------------------------------------
let leaving = false;

/** No new connections, a proper goodbye to WebSockets, and the end when the last request has its answer. */
function leave(signal) {
  if (leaving) return;
  leaving = true;
  console.log(`${signal}: finishing what is under way`);
  server.close(() => process.exit(0));
  const code = Buffer.alloc(2);
  code.writeUInt16BE(goingAway);
  for (const socket of sockets) socket.end(writeFrame(opcodes.close, code));
}

process.on('SIGINT', leave);
process.on('SIGTERM', leave);

server.listen(Number(PORT), HOST, () => {
  console.log(`${version} listens on ${HOST}:${PORT}`);
  // PM2's way of saying "ready", for wait_ready: true.
  process.send?.('ready');
});
