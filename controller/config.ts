import { z } from 'zod';
import { defaultKeyPrefix } from '../shared/coordination/lease/lease-keys.ts';

/** What a controller is started with; each field is an option of `drover controller start`. */
export const controllerOptionsSchema = z.object({
  listen: z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'must be host:port')
    .default('127.0.0.1:7700')
    .describe('Where to listen'),
  advertise: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe('URL under which agents and other controllers reach this one; default from --listen'),
  data: z.string().min(1).describe('Directory for the cluster key and the admin token'),
  redisUrl: z.string().min(1).describe('redis://, rediss:// or redis+sentinel://'),
  clusterKeyFile: z
    .string()
    .min(1)
    .optional()
    .describe('Default cluster.key in the data directory; all controllers share it'),
  keyPrefix: z
    .string()
    .regex(/^[a-zA-Z0-9:_-]{1,64}$/)
    .default(defaultKeyPrefix)
    .describe('Prefix of all keys in Redis'),
  servicesRedisUrl: z
    .string()
    .min(1)
    .optional()
    .describe('Redis that services coordinate through, as their hosts reach it; default a user of its own on redisUrl'),
  servicesKeyPrefix: z
    .string()
    .regex(/^[a-zA-Z0-9:_-]{1,64}$/)
    .optional()
    .describe('Prefix of all keys that services share; default the key prefix with "-services"'),
  maxArtifactBytes: z.int().min(1_024).max(1_073_741_824).default(134_217_728).describe('Largest artifact accepted'),
  leaseTtlMs: z
    .int()
    .min(500)
    .max(60_000)
    .default(3_000)
    .describe('How long a leader that fell silent keeps its lease'),
});

export type ControllerOptions = z.infer<typeof controllerOptionsSchema>;
export type ControllerOptionsInput = z.input<typeof controllerOptionsSchema>;
