import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { Server, type Socket } from 'socket.io';
import {
  type AgentToController,
  type Assignment,
  type ControllerToAgent,
  heartbeatSchema,
  type LogChunk,
  type LogQuery,
  type Plan,
  type PlanRevision,
  planSchema,
  type Report,
  reportSchema,
  sessionPath,
} from '../../shared/contracts/agent-session.ts';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { type InstanceStatus, nodeFactsSchema } from '../../shared/contracts/entities.ts';
import { formatJoinToken } from '../../shared/contracts/join-token.ts';
import { toProblem } from '../../shared/contracts/problem.ts';
import { type ServiceSpecInput, serviceSpecSchema } from '../../shared/contracts/spec.ts';
import type { Lifetime } from './lifetime.ts';
import { ownPort } from './own-port.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;

/** A controller that speaks the real contract over real TLS, with what a test wants in place of a store. */
export interface FakeController {
  readonly url: string;
  /** Cuts all connections and stops listening, as a killed process would. */
  kill(): Promise<void>;
}

export interface WantedInstance extends Partial<Assignment> {
  readonly instanceId: string;
  readonly service: string;
}

/** What the controllers of one fake cluster share. Make it with `startFakeCluster`. */
export class FakeCluster {
  readonly nodeId = 'node-1';
  readonly artifacts = new Map<string, Buffer>();
  readonly reports: Report[] = [];
  /** The newest status of each instance ever reported. */
  readonly statuses = new Map<string, InstanceStatus>();
  /** Each state an instance was reported in, in order and without repetitions. */
  readonly states = new Map<string, string[]>();
  hellos = 0;
  artifactRequests = 0;
  /** What answers to heartbeats name; absent as from a controller that is a version older. */
  controllersInHeartbeats: readonly string[] | undefined;
  readonly artifactsUploadedAt = Date.UTC(2026, 0, 2, 3, 4, 5);
  plan: Plan;
  readonly token: string;
  readonly digest: string;
  readonly #t: Lifetime;
  readonly #ca: { certificate: x509.X509Certificate; keys: webcrypto.CryptoKeyPair };
  #shownAuthority: string | null = null;
  readonly #controllers = new Map<string, Server<AgentToController, ControllerToAgent>>();

  constructor(t: Lifetime, ca: { certificate: x509.X509Certificate; keys: webcrypto.CryptoKeyPair }) {
    this.#t = t;
    this.#ca = ca;
    this.digest = createHash('sha256').update(Buffer.from(ca.certificate.rawData)).digest('hex');
    this.token = formatJoinToken({ caDigest: this.digest, id: 'abcdefgh', secret: 's'.repeat(32) });
    this.plan = {
      nodeId: this.nodeId,
      generation: 'g1',
      term: 1,
      version: 1,
      assignments: [],
      revisions: [],
      runs: [],
      routes: null,
      controllers: [],
      coordination: null,
      removed: false,
    };
  }

  get caPem(): string {
    return this.#ca.certificate.toString('pem');
  }

  /** Pretends to be another cluster, as one who knows its public certificate can. */
  showAuthorityOf(other: FakeCluster): void {
    this.#shownAuthority = other.caPem;
  }

  /** At a port that stays its own, so that another may come there when it is gone. */
  async startController(port?: number): Promise<FakeController> {
    const { certificate, key } = await this.#issueServer();
    const server = createServer({
      cert: certificate,
      key,
      ca: this.caPem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    const sockets = new Set<Duplex>();
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    const io = this.#serveSessions(server);
    this.#serveRest(server);
    server.listen(port ?? (await ownPort()), '127.0.0.1');
    await once(server, 'listening');
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#controllers.set(url, io);
    const kill = async () => {
      if (!server.listening) return;
      this.#controllers.delete(url);
      const closed = once(server, 'close');
      server.close();
      io.engine.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    };
    this.#t.after(kill);
    this.updatePlan({ controllers: [...this.#controllers.keys()] });
    return { url, kill };
  }

  /** Changes the plan and tells the agents, as a leader would. */
  updatePlan(change: Partial<Plan>): void {
    this.plan = planSchema.parse({ ...this.plan, version: this.plan.version + 1, ...change });
    for (const io of this.#controllers.values()) io.emit('planChanged', { version: this.plan.version });
  }

  /** Makes these instances, and no others, the wish of the leader. */
  want(instances: readonly WantedInstance[]): void {
    this.updatePlan({
      assignments: instances.map((instance) => ({
        slot: 0,
        revision: 1,
        port: null,
        desired: 'run',
        failFast: false,
        createdAt: 0,
        ...instance,
      })),
    });
  }

  addRevision(
    service: string,
    spec: Omit<ServiceSpecInput, 'name'>,
    options: { revision?: number; artifact?: string } = {},
  ): void {
    const { revision = 1, artifact = null } = options;
    const added: PlanRevision = {
      service,
      revision,
      artifact,
      spec: serviceSpecSchema.parse({ name: service, ...spec }),
    };
    this.updatePlan({ revisions: [...this.plan.revisions, added] });
  }

  status(instanceId: string): InstanceStatus {
    const status = this.statuses.get(instanceId);
    if (status === undefined) throw new Error(`${instanceId} was not reported yet`);
    return status;
  }

  async readLogs(query: LogQuery): Promise<LogChunk> {
    for (const io of this.#controllers.values()) {
      const [reply] = await io.timeout(5_000).emitWithAck('logs', query);
      if (reply === undefined) continue;
      if (!reply.ok) throw new Error(`${reply.problem.code}: ${reply.problem.detail}`);
      return reply.value;
    }
    throw new Error('no agent is connected');
  }

  #serveSessions(server: HttpsServer): Server<AgentToController, ControllerToAgent> {
    const io = new Server<AgentToController, ControllerToAgent>(server, {
      path: sessionPath,
      transports: ['websocket'],
      pingInterval: 2_000,
      pingTimeout: 2_000,
      serveClient: false,
    });
    io.use((socket, next) => {
      const { authorized } = socket.request.socket as TLSSocket;
      next(authorized ? undefined : new Error('CERTIFICATE_INVALID'));
    });
    io.on('connection', (socket) => this.#serveSession(socket));
    return io;
  }

  #serveSession(socket: Socket<AgentToController, ControllerToAgent>): void {
    socket.on('hello', ({ facts }, ack) => {
      nodeFactsSchema.parse(facts);
      this.hellos += 1;
      ack({ ok: true, value: this.plan });
    });
    socket.on('plan', (_message, ack) => ack({ ok: true, value: this.plan }));
    socket.on('heartbeat', (message, ack) => {
      heartbeatSchema.parse(message);
      const controllers = this.controllersInHeartbeats;
      ack({ ok: true, value: { planVersion: this.plan.version, ...(controllers && { controllers }) } });
    });
    socket.on('report', (message, ack) => {
      const report = reportSchema.parse(message);
      this.reports.push(report);
      for (const { instanceId, status } of report.instances) this.#note(instanceId, status);
      ack({ ok: true, value: { planVersion: this.plan.version } });
    });
  }

  #note(instanceId: string, status: InstanceStatus): void {
    this.statuses.set(instanceId, status);
    const states = this.states.get(instanceId) ?? [];
    if (states.at(-1) !== status.state) states.push(status.state);
    this.states.set(instanceId, states);
  }

  #serveRest(server: HttpsServer): void {
    server.on('request', (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'https://fake');
      if (pathname.startsWith(sessionPath)) return;
      const answer = (status: number, body: unknown) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      const refuse = (error: DroverError) => answer(error.status, toProblem(error));
      const digest = /^\/v1\/artifacts\/([0-9a-f]{64})\/content$/.exec(pathname)?.[1];
      if (pathname === '/v1/ca') answer(200, { ca: this.#shownAuthority ?? this.caPem });
      else if (digest !== undefined) {
        this.artifactRequests += 1;
        const content = this.artifacts.get(digest);
        if (!(request.socket as TLSSocket).authorized) refuse(new DroverError('CERTIFICATE_INVALID', 'no certificate'));
        else if (content === undefined) refuse(new DroverError('ARTIFACT_NOT_FOUND', `No artifact ${digest}`));
        else {
          const uploadedAt = new Date(this.artifactsUploadedAt).toUTCString();
          response.writeHead(200, { 'content-type': 'application/octet-stream', 'last-modified': uploadedAt });
          response.end(content);
        }
      } else if (pathname === '/v1/nodes') {
        void this.#join(request).then(
          (result) => answer(201, result),
          (error) => refuse(error as DroverError),
        );
      } else refuse(new DroverError('ROUTE_NOT_FOUND', pathname));
    });
  }

  async #join(request: AsyncIterable<Buffer>): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { token, csr, facts } = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>;
    nodeFactsSchema.parse(facts);
    if (token !== this.token) throw new DroverError('JOIN_TOKEN_INVALID', 'The join token is not known');
    const pkcs10 = new x509.Pkcs10CertificateRequest(csr ?? '');
    const certificate = await this.#issue(`CN=${this.nodeId}, O=drover:agent`, pkcs10.publicKey, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    ]);
    return {
      nodeId: this.nodeId,
      certificate: certificate.toString('pem'),
      ca: this.caPem,
      controllers: [...this.#controllers.keys()],
    };
  }

  async #issueServer(): Promise<{ certificate: string; key: string }> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await this.#issue('CN=controller', keys.publicKey, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
    ]);
    const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
    return { certificate: certificate.toString('pem'), key };
  }

  #issue(subject: string, publicKey: x509.PublicKeyType, extensions: x509.Extension[]): Promise<x509.X509Certificate> {
    return x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(8).toString('hex'),
      subject,
      issuer: this.#ca.certificate.subject,
      notBefore: new Date(Date.now() - dayMs),
      notAfter: new Date(Date.now() + dayMs),
      signingAlgorithm: algorithm,
      publicKey,
      signingKey: this.#ca.keys.privateKey,
      extensions,
    });
  }
}

/** A cluster without controllers; start them with `startController`. All of it goes when the test ends. */
export async function startFakeCluster(t: Lifetime): Promise<FakeCluster> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(8).toString('hex'),
    name: 'CN=Fake cluster',
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  return new FakeCluster(t, { certificate, keys });
}
