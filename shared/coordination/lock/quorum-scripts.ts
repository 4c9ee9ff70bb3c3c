import { defineScript } from '../../redis/script.ts';

type QuorumKeys = [lock: string, boot: string];

/** These three are run by redlock, which counts an answer equal to the number of keys as a vote. */
export const acquireQuorum = defineScript<{ keys: QuorumKeys; args: [value: string, ttlMs: number]; reply: number }>({
  name: 'acquire-quorum',
  file: new URL('./scripts/acquire-quorum.lua', import.meta.url),
  numberOfKeys: 2,
});

export const extendQuorum = defineScript<{ keys: QuorumKeys; args: [value: string, ttlMs: number]; reply: number }>({
  name: 'extend-quorum',
  file: new URL('./scripts/extend-quorum.lua', import.meta.url),
  numberOfKeys: 2,
});

export const releaseQuorum = defineScript<{ keys: QuorumKeys; args: [value: string]; reply: number }>({
  name: 'release-quorum',
  file: new URL('./scripts/release-quorum.lua', import.meta.url),
  numberOfKeys: 2,
});

export const proposeEpoch = defineScript<{ keys: [epoch: string]; args: []; reply: string }>({
  name: 'propose-epoch',
  file: new URL('./scripts/propose-epoch.lua', import.meta.url),
  numberOfKeys: 1,
});

export const acceptEpoch = defineScript<{ keys: [epoch: string]; args: [epoch: string]; reply: 0 | 1 }>({
  name: 'accept-epoch',
  file: new URL('./scripts/accept-epoch.lua', import.meta.url),
  numberOfKeys: 1,
});
