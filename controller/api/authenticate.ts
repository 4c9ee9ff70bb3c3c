import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { Operation } from '../../shared/contracts/operation.ts';
import type { Store } from '../../shared/redis/store/store.ts';
import { agentRole } from '../authority/certificate-authority.ts';
import type { Caller } from './handler.ts';

/** A token that was good stays good this long without asking the store, so that a short outage locks nobody out of reading. */
const rememberMs = 10_000;
/** Bounds the memory of remembered tokens against a flood of different ones (only good ones are kept). */
const rememberMost = 1_000;

export interface Authenticator {
  /** @throws DroverError TOKEN_MISSING, TOKEN_INVALID or CERTIFICATE_INVALID. */
  authenticate(request: FastifyRequest, auth: Operation['auth']): Promise<Caller>;
}

export function createAuthenticator(
  { cluster, nodes }: Pick<Store, 'cluster' | 'nodes'>,
  servicesTokenHash: string,
  monotonicMs: () => number,
): Authenticator {
  const remembered = new Map<string, { name: string; untilMs: number }>();

  const bearer = async (request: FastifyRequest, auth: Operation['auth']): Promise<Caller> => {
    const token = /^Bearer ([\x21-\x7e]{16,512})$/.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) {
      throw new DroverError(
        'TOKEN_MISSING',
        'This operation needs a bearer token: send "Authorization: Bearer <token>", or run the CLI with a configured context',
      );
    }
    const hash = hashToken(token);
    if (hash === servicesTokenHash) {
      if (auth === 'services') return { kind: 'service' };
      throw new DroverError(
        'TOKEN_INVALID',
        'The token that services are given is good for coordination only; this operation needs one of a person',
      );
    }
    const known = remembered.get(hash);
    if (known !== undefined && known.untilMs > monotonicMs()) return { kind: 'user', name: known.name };
    const found = await cluster.findToken(hash);
    if (found === null) {
      remembered.delete(hash);
      throw new DroverError(
        'TOKEN_INVALID',
        'The bearer token is not one of this cluster; the admin token is in the data directory of the first controller',
      );
    }
    if (remembered.size >= rememberMost) remembered.clear();
    remembered.set(hash, { name: found.name, untilMs: monotonicMs() + rememberMs });
    return { kind: 'user', name: found.name };
  };

  /** A certificate outlives the membership of its node, and ends with it (I16). */
  const member = async (request: FastifyRequest): Promise<Caller> => {
    const nodeId = nodeIdOf(request.raw.socket as TLSSocket);
    if ((await nodes.get(nodeId))?.id === nodeId) return { kind: 'node', nodeId };
    throw new DroverError(
      'CERTIFICATE_INVALID',
      `Node ${nodeId} was removed from this cluster; join the host again with: drover agent join`,
    );
  };

  return {
    async authenticate(request, auth) {
      switch (auth) {
        case 'none':
          return { kind: 'anonymous' };
        case 'token':
        case 'services':
          return bearer(request, auth);
        case 'node':
          return member(request);
        case 'any':
          return request.headers.authorization === undefined ? member(request) : bearer(request, auth);
      }
    },
  };
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The node a connection authenticated as. @throws DroverError CERTIFICATE_INVALID */
export function nodeIdOf(socket: TLSSocket): string {
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
  const { CN, O } = certificate?.subject ?? {};
  if (O !== agentRole || typeof CN !== 'string' || CN === '') {
    throw new DroverError(
      'CERTIFICATE_INVALID',
      'This connection shows no certificate of a node of this cluster; join the host with: drover agent join',
    );
  }
  return CN;
}
