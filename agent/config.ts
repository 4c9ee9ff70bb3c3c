import { z } from 'zod';
import { portRangeSchema } from '../shared/contracts/entities.ts';
import { labelsSchema } from '../shared/contracts/spec.ts';
import { logLevels } from '../shared/runtime/logger.ts';

/** What an agent is started with; each field but `environment` is an option of `drover agent join`. */
export const agentOptionsSchema = z.object({
  dataDirectory: z.string().min(1).describe('Directory of this node: identity, plan, bundles, artifacts and logs'),
  join: z
    .object({
      controllerUrl: z.url({ protocol: /^https$/ }).describe('URL of any controller'),
      token: z.string().min(1).max(256).optional().describe('Join token of the cluster'),
    })
    .optional()
    .describe('Needed once; a host that has joined keeps its identity'),
  name: z.string().min(1).max(253).optional().describe('Default: the host name'),
  address: z
    .string()
    .min(1)
    .max(253)
    .optional()
    .describe('Where routers reach the workers of this node. Default: the first IPv4 address that is not loopback'),
  ports: portRangeSchema
    .refine(({ from, to }) => from <= to, 'must not end before it begins')
    .default({ from: 20_000, to: 20_999 })
    .describe('Range from which workers get their ports'),
  labels: labelsSchema.default({}),
  ineligible: z.boolean().default(false).describe('Join as a host that gets no instances, for a router of its own'),
  router: z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'must be host:port')
    .optional()
    .describe('Run a router that listens here'),
  logLevel: z.enum(logLevels).default('info'),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe('The environment of the agent, of which workers and npm get a few variables'),
});

export type AgentOptions = z.infer<typeof agentOptionsSchema>;
export type AgentOptionsInput = z.input<typeof agentOptionsSchema>;
