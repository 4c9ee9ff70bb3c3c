import { DroverError } from '../../../shared/contracts/drover-error.ts';
import { formatJoinToken, parseJoinToken } from '../../../shared/contracts/join-token.ts';
import { isTerminal } from '../../../shared/state/instance-states.ts';
import { hashToken } from '../authenticate.ts';
import { actorOf, type Handlers } from '../handler.ts';
import type { HandlerDeps } from './handler-deps.ts';

type ClusterHandlers = Pick<
  Handlers,
  | 'getCluster'
  | 'getCertificateAuthority'
  | 'joinNode'
  | 'listNodes'
  | 'getNode'
  | 'updateNode'
  | 'removeNode'
  | 'createJoinToken'
  | 'listJoinTokens'
  | 'revokeJoinToken'
>;

export function createClusterHandlers({
  store,
  authority,
  identity,
  leader,
  version,
  newId,
  newSecret,
  nowMs,
}: HandlerDeps): ClusterHandlers {
  const findNode = async (idOrName: string) => {
    const node = await store.nodes.get(idOrName);
    if (node !== null) return node;
    const known = (await store.nodes.list()).map(({ name }) => name).join(', ');
    throw new DroverError(
      'NODE_NOT_FOUND',
      `No node has the id or name "${idOrName}". Nodes: ${known === '' ? 'none' : known}`,
    );
  };

  return {
    async getCluster() {
      const [controllers, routers, routes, current] = await Promise.all([
        store.cluster.listControllers(),
        store.routes.routers(),
        store.routes.current(),
        leader(),
      ]);
      const leading = controllers.find(({ id }) => id === current?.controllerId);
      return {
        id: identity.id,
        version,
        generation: identity.generation,
        leader: current === null ? null : { ...current, url: leading?.url ?? '' },
        controllers: controllers.map((controller) => ({
          ...controller,
          leader: controller.id === current?.controllerId,
        })),
        routers,
        routingEpoch: routes.epoch,
        caDigest: authority.digest,
      };
    },
    getCertificateAuthority: () => ({ ca: authority.certificate }),
    async joinNode({ body }) {
      const parts = parseJoinToken(body.token);
      if (parts.caDigest !== authority.digest)
        throw new DroverError('JOIN_TOKEN_INVALID', 'The join token belongs to another cluster');
      const secretHash = hashToken(parts.secret);
      await store.joinTokens.check(parts.id, secretHash);
      // Signed before a use of the token is taken, so that a bad request costs none; until the node is written, and
      // unless it is, the certificate opens nothing and is told to nobody.
      const nodeId = newId('node');
      const certificate = await authority.issueNode(body.csr, nodeId);
      await store.nodes.join({
        tokenId: parts.id,
        secretHash,
        node: {
          ...body.facts,
          id: nodeId,
          eligibility: body.eligibility,
          state: 'disconnected',
          joinedAt: nowMs(),
          heartbeat: 0,
          heartbeatAt: 0,
        },
      });
      const controllers = (await store.cluster.listControllers()).map(({ url }) => url);
      return { nodeId, certificate, ca: authority.certificate, controllers };
    },
    listNodes: () => store.nodes.list(),
    getNode: ({ params }) => findNode(params.id),
    async updateNode({ params, body, caller }) {
      const { id } = await findNode(params.id);
      return store.nodes.update(
        id,
        {
          ...(body.eligibility === undefined ? {} : { eligibility: body.eligibility }),
          ...(body.labels === undefined ? {} : { labels: body.labels }),
        },
        actorOf(caller),
      );
    },
    async removeNode({ params, caller }) {
      const node = await findNode(params.id);
      const live = (await store.instances.list({ nodeId: node.id })).filter(({ status }) => !isTerminal(status.state));
      if (node.state === 'ready' && live.length > 0) {
        throw new DroverError(
          'STATE_CONFLICT',
          `Node ${node.name} is connected and runs ${live.length} instances; drain it first: drover node drain ${node.name}`,
        );
      }
      await store.nodes.remove(node.id, actorOf(caller));
    },
    async createJoinToken({ body, caller }) {
      const id = newId('jt').replace('jt-', '');
      const secret = newSecret();
      const token = {
        id,
        createdAt: nowMs(),
        createdBy: actorOf(caller),
        expiresAt: body.ttlMs === null ? null : nowMs() + body.ttlMs,
        usesLeft: body.uses,
        revoked: false,
        labels: body.labels,
      };
      await store.joinTokens.create(token, hashToken(secret), actorOf(caller));
      return { ...token, token: formatJoinToken({ caDigest: authority.digest, id, secret }) };
    },
    listJoinTokens: () => store.joinTokens.list(),
    async revokeJoinToken({ params, caller }) {
      await store.joinTokens.revoke(params.id, actorOf(caller));
    },
  };
}
