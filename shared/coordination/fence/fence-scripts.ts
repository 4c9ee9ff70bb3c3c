import { defineScript } from '../../redis/script.ts';

export const raiseFence = defineScript<{
  keys: [highest: string];
  args: [token: number, keepMs: number];
  reply: 0 | 1;
}>({ name: 'raise-fence', file: new URL('./scripts/raise-fence.lua', import.meta.url), numberOfKeys: 1 });

export const liftEpoch = defineScript<{
  keys: [epoch: string];
  args: [highest: number];
  reply: 0 | 1;
}>({ name: 'lift-epoch', file: new URL('./scripts/lift-epoch.lua', import.meta.url), numberOfKeys: 1 });
