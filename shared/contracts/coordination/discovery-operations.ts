import { z } from 'zod';
import type { Operation } from '../operation.ts';
import { byName } from './fields.ts';

export const discoveryOperations = {
  getServiceAddresses: {
    method: 'GET',
    path: '/v1/services/:name/addresses',
    auth: 'services',
    params: byName,
    query: z.object({ node: z.string().max(253).default('').describe('Of the caller: its own router comes first') }),
    status: 200,
    response: z.object({ urls: z.array(z.string()).describe('Base URLs on the routers, the nearest first') }),
    errors: ['SERVICE_NOT_FOUND'],
    summary: 'Where a service is reached by other services',
  },
} as const satisfies Record<string, Operation>;
