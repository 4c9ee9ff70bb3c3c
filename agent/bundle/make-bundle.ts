import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Plan, PlanRevision } from '../../shared/contracts/agent-session.ts';
import type { DataPaths } from '../data-paths.ts';
import { type Bundle, PROTOCOL_VERSION } from '../shim/protocol.ts';

export interface MakeBundleOptions {
  readonly revision: PlanRevision;
  readonly paths: DataPaths;
  /** Of the node, as in the facts. */
  readonly nodeName: string;
  readonly address: string;
  /** How workers reach what services coordinate through, or null before the first plan. */
  readonly plan: Pick<Plan, 'coordination' | 'controllers'> | null;
  /** What every worker of this host has in its environment. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
}

/** All that the shim of one revision is told. Secrets of the spec are in it, so it goes to a file of mode 0600. */
export function makeBundle(options: MakeBundleOptions): Bundle {
  const { revision, paths, nodeName, address, plan, baseEnvironment } = options;
  const { spec, service } = revision;
  return {
    version: PROTOCOL_VERSION,
    service,
    revision: revision.revision,
    socketPath: paths.shimSocket(service, revision.revision),
    cwd: workingDirectory(revision, paths),
    script: spec.script,
    args: spec.args,
    ...(spec.interpreter === undefined ? {} : { interpreter: spec.interpreter }),
    nodeArgs: spec.nodeArgs,
    execMode: spec.execMode,
    schedulingPolicy: spec.schedulingPolicy,
    env: {
      ...baseEnvironment,
      ...coordinationEnvironment(plan, paths),
      ...spec.env,
      HOST: address,
      DROVER_NODE: nodeName,
    },
    instanceVar: spec.instanceVar,
    waitReady: spec.waitReady,
    expectListen: spec.expectListen ?? (spec.routes.length > 0 || spec.health.probe !== undefined),
    listenTimeoutMs: spec.listenTimeoutMs,
    killSignal: spec.killSignal,
    killTimeoutMs: spec.killTimeoutMs,
    treekill: spec.treekill,
    shutdownWithMessage: spec.shutdownWithMessage,
    restart: spec.restart,
    maxMemoryBytes: spec.maxMemoryBytes,
    logs: { ...spec.logs, directory: paths.serviceLogs(service) },
  };
}

/** Relative to the artifact; without one, to where an absolute script is. */
export function workingDirectory({ artifact, spec }: PlanRevision, paths: Pick<DataPaths, 'artifacts'>): string {
  if (isAbsolute(spec.cwd)) return spec.cwd;
  if (artifact !== null) return join(paths.artifacts, artifact, spec.cwd);
  return resolve(isAbsolute(spec.script) ? dirname(spec.script) : '/', spec.cwd);
}

/**
 * What the SDK connects with, and the CLI and plain HTTP clients in a worker as well. A spec may set them otherwise, for a
 * service with a Redis of its own. The token is good for coordination only.
 */
function coordinationEnvironment(plan: MakeBundleOptions['plan'], paths: DataPaths): Record<string, string> {
  if (!plan?.coordination) return {};
  const { redisUrl, prefix, apiToken } = plan.coordination;
  return {
    ...(redisUrl === null ? {} : { DROVER_COORDINATION_URL: redisUrl }),
    DROVER_COORDINATION_PREFIX: prefix,
    DROVER_URL: plan.controllers.join(','),
    DROVER_TOKEN: apiToken,
    DROVER_CA: paths.authority,
  };
}
