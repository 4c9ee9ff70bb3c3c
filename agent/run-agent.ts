import { DroverError } from '../shared/contracts/drover-error.ts';
import { parseJoinToken } from '../shared/contracts/join-token.ts';
import { createLogger, type Logger, type LoggerOptions } from '../shared/runtime/logger.ts';
import { Agent } from './agent.ts';
import { acquireAgentLock } from './agent-lock.ts';
import { type AgentOptions, type AgentOptionsInput, agentOptionsSchema } from './config.ts';
import { type DataPaths, openDataDirectory } from './data-paths.ts';
import { forgetIdentity, loadIdentity, type NodeIdentity } from './join/identity.ts';
import { join } from './join/join.ts';
import { readNodeFacts } from './join/node-facts.ts';
import { stopOtherRouter } from './routing/stop-other-router.ts';
import { stopRouter } from './stop-everything.ts';

/**
 * Joins if this host has not joined yet, then runs the agent until the signal aborts or the node is removed from its cluster.
 * Workers, shims and router are left running when it ends: that is what they are for.
 *
 * @throws DroverError NODE_ALREADY_JOINED when an agent runs on the data directory, or the host is of another cluster;
 *   REQUIREMENT_MISSING when it has not joined and no token is given; else as `join`.
 */
export async function runAgent(
  input: AgentOptionsInput,
  signal: AbortSignal,
  log: LoggerOptions['stream'] = process.stderr,
): Promise<void> {
  const options = agentOptionsSchema.parse(input);
  const logger = createLogger({ stream: log, level: options.logLevel });
  const paths = openDataDirectory(options.dataDirectory);
  if (paths.socketsElsewhere) {
    logger.info('the path of the data directory is too long for sockets; they are elsewhere', {
      at: paths.routerSocket,
    });
  }
  const lock = await acquireAgentLock(paths, ({ message }) =>
    logger.error('which process this agent is could not be saved', { reason: message }),
  );
  try {
    const identity = await joinOnce(options, paths, logger);
    await stopOtherRouter(paths, options.router, logger);
    const agent = new Agent({ identity, facts: readNodeFacts(options), options, paths, logger });
    const end = await agent.run(signal);
    if (end !== 'removed') return;
    await stopRouter(paths);
    forgetIdentity(paths);
    logger.warn('this node was removed from its cluster; nothing of it runs here any more', {
      nodeId: identity.nodeId,
    });
  } finally {
    await lock.release();
  }
}

/** Whether the data directory holds the identity of a node. */
export function hasJoined(dataDirectory: string): boolean {
  return loadIdentity(openDataDirectory(dataDirectory)) !== null;
}

async function joinOnce(options: AgentOptions, paths: DataPaths, logger: Logger): Promise<NodeIdentity> {
  const known = loadIdentity(paths);
  if (known === null) {
    const { controllerUrl, token } = options.join ?? {};
    if (controllerUrl === undefined || token === undefined) {
      throw new DroverError(
        'REQUIREMENT_MISSING',
        'This host has not joined a cluster. Make a token with "drover token create", then run here: ' +
          'drover agent join <controller url> --token-file <file>',
      );
    }
    const identity = await join({
      ...{ controllerUrl, token },
      facts: readNodeFacts(options),
      ineligible: options.ineligible,
      paths,
    });
    logger.info('this host has joined', { nodeId: identity.nodeId, controllers: identity.controllers });
    return identity;
  }
  const { controllerUrl, token } = options.join ?? {};
  if (token !== undefined && parseJoinToken(token).caDigest !== known.clusterCaDigest) {
    throw new DroverError(
      'NODE_ALREADY_JOINED',
      `This host is node ${known.nodeId} of another cluster (authority ${known.clusterCaDigest.slice(0, 12)}…). ` +
        'Remove it there first, or name another data directory with --data',
      { details: { nodeId: known.nodeId, clusterCaDigest: known.clusterCaDigest } },
    );
  }
  logger.info(`this host has joined already as ${known.nodeId}; starting`, { nodeId: known.nodeId });
  if (controllerUrl === undefined) return known;
  // All that it knows may have moved.
  return { ...known, controllers: [...new Set([controllerUrl, ...known.controllers])] };
}
