// Cloud phones, each a process with three ports. Right with one instance: the ports that are taken are known to this process alone.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import Fastify from 'fastify';

const { PORT = '30002', HOST = '127.0.0.1' } = process.env;
const { ADB_FROM = '5555', WEBRTC_FROM = '8080', SCRCPY_FROM = '27183' } = process.env;
const program = fileURLToPath(new URL('device-process.js', import.meta.url));

// hazard: memory-state
const usedAdbPorts = new Set();
// hazard: memory-state
const usedWebrtcPorts = new Set();
// hazard: memory-state
const usedScrcpyPorts = new Set();
// hazard: memory-state
const devices = new Map();

function allocatePort(used, from) {
  let port = Number(from);
  while (used.has(port)) port += 1;
  used.add(port);
  return port;
}

function deviceView({ id, userId, name, ports, state }) {
  return { id, userId, name, ports, state, servedBy: process.pid };
}

const app = Fastify();

app.post('/devices', async (request, reply) => {
  const { userId, name } = request.body;
  const ports = {
    adb: allocatePort(usedAdbPorts, ADB_FROM),
    webrtc: allocatePort(usedWebrtcPorts, WEBRTC_FROM),
    scrcpy: allocatePort(usedScrcpyPorts, SCRCPY_FROM),
  };
  const child = spawn(process.execPath, [program, HOST, ...Object.values(ports).map(String)], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const device = { id: randomUUID(), userId, name, ports, state: 'running', child };
  child.once('exit', (code) => {
    device.state = `exited with ${code}`;
  });
  devices.set(device.id, device);
  console.log(`Allocated ports: ADB=${ports.adb}, WebRTC=${ports.webrtc}`);
  return reply.code(201).send(deviceView(device));
});

app.get('/devices', async () => [...devices.values()].map(deviceView));

app.delete('/devices/:id', async (request, reply) => {
  const device = devices.get(request.params.id);
  if (device === undefined) return reply.code(404).send({ error: 'there is no such device' });
  device.child.kill();
  devices.delete(device.id);
  usedAdbPorts.delete(device.ports.adb);
  usedWebrtcPorts.delete(device.ports.webrtc);
  usedScrcpyPorts.delete(device.ports.scrcpy);
  return reply.code(204).send();
});

app.get('/health', async () => ({ status: 'ok', pid: process.pid }));

// hazard: no-shutdown
await app.listen({ port: Number(PORT), host: HOST });
