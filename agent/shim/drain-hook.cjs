// Preloaded into every Node worker (`--require`). Plain CommonJS, because a service may run on an older Node than ours,
// and because `--import` would load a CommonJS entry file through the ES module loader, which changes what it sees.
//
// Until the shim asks for a drain it only remembers which servers listen and which responses are open. It speaks on the
// worker's IPC channel with messages whose `cmd` starts with NODE_: Node hands those to no 'message' listener, does not
// queue them for one, and listening to them does not keep the process alive.
'use strict';

const { subscribe } = require('node:diagnostics_channel');
const { isMainThread } = require('node:worker_threads');

const COMMAND = 'NODE_DROVER';
const REPORT_INTERVAL_MS = 50;

/** Servers that accept connections, of any kind. */
const servers = new Set();
/** The response that each HTTP socket is busy with. */
const inFlight = new Map();
/** Every connection accepted, because a server tells only how many it has. */
const sockets = new Set();
const watched = new WeakSet();
let draining = false;

function onRequest({ response, socket, server }) {
  if (!watched.has(socket)) {
    watched.add(socket);
    socket.once('close', () => inFlight.delete(socket));
  }
  inFlight.set(socket, response);
  if (!draining) return;
  endConnectionAfter(response);
  // On a Node without the listen channel a server is first seen here.
  closeToNewConnections(server);
}

function onResponse({ response, socket }) {
  if (inFlight.get(socket) === response) inFlight.delete(socket);
}

function endConnectionAfter(response) {
  if (!response.headersSent) response.shouldKeepAlive = false;
}

/**
 * Closes the listening handle and nothing else. `http.Server.close` would also cut idle keep-alive connections, on
 * which a request may be on the wire already.
 */
function closeToNewConnections(server) {
  if (!server.listening) return;
  servers.add(server);
  require('node:net').Server.prototype.close.call(server);
  // The service's own close must still succeed, although its server no longer listens.
  server.close = function close(callback) {
    delete server.close;
    if (typeof callback === 'function') server.once('close', () => callback());
    return server.close();
  };
}

/** Connections that have left HTTP. Node takes the parser from them; one of any other protocol has never had one. */
function countUpgraded() {
  let upgraded = 0;
  for (const socket of sockets) if (socket.parser === null) upgraded += 1;
  return upgraded;
}

function drain(send) {
  if (draining) return;
  draining = true;
  for (const response of inFlight.values()) endConnectionAfter(response);
  for (const server of servers) closeToNewConnections(server);
  let reported = '';
  const report = () => {
    let connections = 0;
    let waiting = servers.size;
    const done = () => {
      // A WebSocket never ends by itself: it is told to by the service when that is stopped.
      const drained = connections <= countUpgraded() && inFlight.size === 0;
      const message = { cmd: COMMAND, type: 'draining', inFlight: inFlight.size, connections, drained };
      const text = JSON.stringify(message);
      if (text !== reported) send(message);
      reported = text;
      if (!drained) setTimeout(report, REPORT_INTERVAL_MS).unref();
    };
    if (waiting === 0) done();
    for (const server of servers) {
      server.getConnections((_error, count) => {
        connections += count || 0;
        waiting -= 1;
        if (waiting === 0) done();
      });
    }
  };
  report();
}

if (isMainThread && process.send) {
  // Programs that the service forks inherit `execArgv`; the hook is not for them.
  const at = process.execArgv.indexOf(__filename);
  if (at > 0) process.execArgv.splice(at - 1, 2);
  const send = (message) => {
    if (process.connected) process.send(message, () => {});
  };
  subscribe('http.server.request.start', onRequest);
  subscribe('http.server.response.finish', onResponse);
  subscribe('net.server.socket', ({ socket }) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  subscribe('tracing:net.server.listen:asyncEnd', ({ server }) => {
    servers.add(server);
    server.once('close', () => {
      if (!draining) servers.delete(server);
    });
  });
  process.on('internalMessage', (message) => {
    if (message.cmd === COMMAND && message.type === 'drain') drain(send);
  });
}
