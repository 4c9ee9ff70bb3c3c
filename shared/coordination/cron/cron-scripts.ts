import { defineScript } from '../../redis/script.ts';

type Milliseconds = number | string;

/** Six arguments a job: key, tick, token, definition, ttl in ms, about. Two values a job in the reply: outcome and value. */
export const claimTicks = defineScript<{
  keys: [];
  args: [maxSkewMs: number, ...claims: (string | number)[]];
  reply: [serverMs: string, ...answers: string[]];
}>({ name: 'claim-ticks', file: new URL('./scripts/claim-ticks.lua', import.meta.url), numberOfKeys: 0 });

export const settleTick = defineScript<{
  keys: [job: string, history: string];
  args: [
    tick: number,
    token: string,
    definition: string,
    ttlMs: number,
    overlap: string,
    maxSkewMs: number,
    about: string,
    lastKnownTick: number,
    missed: number,
    wakeChannel: string,
    name: string,
    guardsFailover: '0' | '1',
  ];
  reply: [
    outcome: 'claimed' | 'early' | 'taken' | 'running' | 'skipped' | 'paused' | 'superseded',
    value: Milliseconds,
    serverMs: Milliseconds,
  ];
}>({ name: 'settle-tick', file: new URL('./scripts/settle-tick.lua', import.meta.url), numberOfKeys: 2 });

export const claimRequest = defineScript<{
  keys: [job: string, history: string, requests: string];
  args: [
    token: string,
    ttlMs: number,
    overlap: string,
    identity: string,
    wakeChannel: string,
    name: string,
    maxWaitMs: number,
  ];
  reply: [outcome: 'claimed' | 'running' | 'none', value: Milliseconds, serverMs: Milliseconds, about: string];
}>({ name: 'claim-request', file: new URL('./scripts/claim-request.lua', import.meta.url), numberOfKeys: 3 });

export const heartbeatRun = defineScript<{
  keys: [job: string];
  args: [token: string, ttlMs: number];
  reply: 'renewed' | 'expired' | 'taken';
}>({ name: 'heartbeat-run', file: new URL('./scripts/heartbeat-run.lua', import.meta.url), numberOfKeys: 1 });

export const finishRun = defineScript<{
  keys: [job: string, history: string, requests: string];
  args: [
    token: string,
    outcome: string,
    durationMs: number,
    resultJson: string,
    errorJson: string,
    wakeChannel: string,
    name: string,
    mayBeWaitedFor: '0' | '1',
  ];
  reply: 'finished' | 'lost';
}>({ name: 'finish-run', file: new URL('./scripts/finish-run.lua', import.meta.url), numberOfKeys: 3 });

export const passTicks = defineScript<{
  keys: [job: string];
  args: [upToTick: number, lastKnownTick: number, missed: number, definition: string, maxSkewMs: number];
  reply: [outcome: 'passed' | 'superseded', lastTick: Milliseconds, serverMs: Milliseconds];
}>({ name: 'pass-ticks', file: new URL('./scripts/pass-ticks.lua', import.meta.url), numberOfKeys: 1 });

export const declareJob = defineScript<{
  keys: [job: string, jobs: string, hosts: string, requests: string];
  args: [
    name: string,
    member: string,
    ttlMs: number,
    definition: string,
    declaredAt: string,
    wakeChannel: string,
    guardsFailover: '0' | '1',
  ];
  reply: [
    declaredAt: string,
    lastTick: Milliseconds,
    paused: 0 | 1,
    isInForce: 0 | 1,
    asked: 0 | 1,
    serverMs: Milliseconds,
  ];
}>({ name: 'declare-job', file: new URL('./scripts/declare-job.lua', import.meta.url), numberOfKeys: 4 });

export const pauseJob = defineScript<{
  keys: [job: string];
  args: [paused: '0' | '1', wakeChannel: string, name: string];
  reply: 0 | 1;
}>({ name: 'pause-job', file: new URL('./scripts/pause-job.lua', import.meta.url), numberOfKeys: 1 });

export const requestRun = defineScript<{
  keys: [job: string, requests: string];
  args: [wakeChannel: string, name: string, maxWaiting: number];
  reply: [outcome: 'asked' | 'full' | 'unknown', instant: Milliseconds];
}>({ name: 'request-run', file: new URL('./scripts/request-run.lua', import.meta.url), numberOfKeys: 2 });
