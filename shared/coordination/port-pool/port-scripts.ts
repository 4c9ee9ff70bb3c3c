import { defineScript } from '../../redis/script.ts';

const file = (name: string) => new URL(`./scripts/${name}.lua`, import.meta.url);

export const declarePools = defineScript<{
  keys: [pools: string, participants: string, rest: string, hosts: string, boot: string];
  args: [
    host: string,
    participant: string,
    ttlMs: number,
    onlyRepeated: '0' | '1',
    guard: string,
    ...pools: (string | number)[],
  ];
  reply:
    | ['declared']
    | ['overlap', pool: string, other: string]
    | ['other-range', pool: string, from: number, to: number];
}>({ name: 'declare-pools', file: file('declare-pools'), numberOfKeys: 5 });

export const keepParticipant = defineScript<{
  keys: [participants: string, boot: string];
  args: [participant: string, ttlMs: number];
  reply: [state: 'kept' | 'late' | 'gone', dead: number];
}>({ name: 'keep-participant', file: file('keep-participant'), numberOfKeys: 2 });

export const allocatePorts = defineScript<{
  keys: [allocations: string, participants: string, rest: string, pools: string, sticky: string, boot: string];
  args: [
    id: string,
    participant: string,
    identity: string,
    owner: string,
    longestRestMs: number,
    ttlMs: number,
    ...counts: (string | number)[],
  ];
  reply:
    | ['allocated', token: string, ports: string]
    | ['held']
    | ['gone']
    | ['recovering', ms: number]
    | ['unknown', pool: string]
    | ['exhausted', pool: string, nextInMs: number];
}>({ name: 'allocate-ports', file: file('allocate-ports'), numberOfKeys: 6 });

export const replaceForeign = defineScript<{
  keys: [allocations: string, pools: string, rest: string, foreign: string, boot: string];
  args: [id: string, token: number, foreignMs: number, ttlMs: number, ...ports: (string | number)[]];
  reply:
    | ['allocated', token: string, ports: string]
    | ['recovering', ms: number]
    | ['lost']
    | ['exhausted', pool: string, nextInMs: number];
}>({ name: 'replace-foreign', file: file('replace-foreign'), numberOfKeys: 5 });

export const releasePorts = defineScript<{
  keys: [allocations: string, pools: string, rest: string];
  args: [id: string, token: number | '', participant: string, restMs: number, stickyMs: number];
  reply: 0 | 1;
}>({ name: 'release-ports', file: file('release-ports'), numberOfKeys: 3 });

export const restoreAllocation = defineScript<{
  keys: [allocations: string, rest: string];
  args: [id: string, token: number, participant: string, record: string];
  reply: 'held' | 'restored' | 'lost';
}>({ name: 'restore-allocation', file: file('restore-allocation'), numberOfKeys: 2 });

export const adoptAllocation = defineScript<{
  keys: [allocations: string, participants: string, boot: string, pools: string];
  args: [id: string, owner: string, participant: string, identity: string, ttlMs: number];
  reply:
    | ['adopted', id: string, token: string, ports: string, owner: string, sticky: string]
    | ['held', ms: number]
    | ['gone']
    | ['absent'];
}>({ name: 'adopt-allocation', file: file('adopt-allocation'), numberOfKeys: 4 });

export const findHeld = defineScript<{
  keys: [allocations: string];
  args: [participant: string];
  reply: string[];
}>({ name: 'find-held', file: file('find-held'), numberOfKeys: 1 });

export const abandonAllocation = defineScript<{
  keys: [allocations: string, participants: string];
  args: [id: string, token: string, participant: string];
  reply: 0 | 1;
}>({ name: 'abandon-allocation', file: file('abandon-allocation'), numberOfKeys: 2 });

export const findOrphans = defineScript<{
  keys: [allocations: string, participants: string];
  args: [limit: number, from: number];
  reply: [live: number, ...orphans: string[]];
}>({ name: 'find-orphans', file: file('find-orphans'), numberOfKeys: 2 });

export const reclaimAllocation = defineScript<{
  keys: [allocations: string, participants: string, pools: string, rest: string, term: string, boot: string];
  args: [id: string, token: number, restMs: number, term: number, ttlMs: number];
  reply: 'reclaimed' | 'absent' | 'alive' | 'stale';
}>({ name: 'reclaim-allocation', file: file('reclaim-allocation'), numberOfKeys: 6 });

export const readHost = defineScript<{
  keys: [pools: string, participants: string, allocations: string, rest: string, foreign: string];
  args: [];
  reply: [
    nowMs: number,
    pools: [pool: string, range: string, resting: number, notYet: string[], foreign: string[]][],
    participants: string[],
    allocations: string[],
  ];
}>({ name: 'read-host', file: file('read-host'), numberOfKeys: 5 });
