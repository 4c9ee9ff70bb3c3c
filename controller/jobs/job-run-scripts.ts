import { defineScript } from '../../shared/redis/script.ts';

export const createRun = defineScript<{
  keys: [runs: string, version: string, wake: string];
  args: [runId: string, document: string, nodes: string, maxRuns: number];
  reply: 'created' | 'exists' | 'full';
}>({ name: 'create-run', file: new URL('./scripts/create-run.lua', import.meta.url), numberOfKeys: 3 });

export const stopRun = defineScript<{
  keys: [runs: string, stops: string, version: string, wake: string];
  args: [runId: string, why: string, nodes: string];
  reply: 0 | 1;
}>({ name: 'stop-run', file: new URL('./scripts/stop-run.lua', import.meta.url), numberOfKeys: 4 });

export const removeRun = defineScript<{
  keys: [runs: string, stops: string, statuses: string, version: string, wake: string];
  args: [runId: string, nodes: string];
  reply: 0 | 1;
}>({ name: 'remove-run', file: new URL('./scripts/remove-run.lua', import.meta.url), numberOfKeys: 5 });

export const reportRuns = defineScript<{
  keys: [runs: string, statuses: string, version: string, wake: string];
  args: [nodeId: string, nodes: string, ...reports: (string | number)[]];
  reply: number;
}>({ name: 'report-runs', file: new URL('./scripts/report-runs.lua', import.meta.url), numberOfKeys: 4 });

export const readRuns = defineScript<{
  keys: [runs: string, stops: string, statuses: string];
  args: [];
  reply: [runs: string[], stops: string[], statuses: string[]];
}>({ name: 'read-runs', file: new URL('./scripts/read-runs.lua', import.meta.url), numberOfKeys: 3 });
