import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { checkCallbackCall } from '../../../shared/coordination/callback/callback-call.ts';
import { callbackKeys } from '../../../shared/coordination/callback/callback-keys.ts';
import { channelKeys } from '../../../shared/coordination/channel/channel-keys.ts';
import { assertName } from '../../../shared/coordination/channel/message-format.ts';
import { defineCron } from '../../../shared/coordination/cron/cron-definition.ts';
import { cronKeys } from '../../../shared/coordination/cron/cron-keys.ts';
import { discoveryKeys } from '../../../shared/coordination/discovery/address-book.ts';
import { checkFenceToken } from '../../../shared/coordination/fence/fence-token.ts';
import { isLeaseName, leaseKeys } from '../../../shared/coordination/lease/lease-keys.ts';
import { checkName } from '../../../shared/coordination/lock/check-lock.ts';
import { lockKeys } from '../../../shared/coordination/lock/lock-keys.ts';
import { checkPools, checkRequest } from '../../../shared/coordination/port-pool/check-request.ts';
import { portKeys } from '../../../shared/coordination/port-pool/port-keys.ts';

const prefix = 'p';

interface Primitive {
  /** How many names something of it has. */
  readonly arity: number;
  /** Throws where it takes no such names. */
  check(...names: string[]): void;
  /** All keys and channels, by their meaning. */
  keys(...names: string[]): Record<string, string>;
}

const texts = (record: object) =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => typeof value === 'string')) as Record<string, string>;

const primitives: Record<string, Primitive> = {
  lease: {
    arity: 1,
    check: (name) => assert.ok(isLeaseName(name)),
    keys: (name) => texts(leaseKeys(name, prefix)),
  },
  lock: {
    arity: 1,
    check: (name) => void checkName(name),
    keys(name) {
      const keys = lockKeys(prefix);
      const { holders, info, queue } = keys.shared('rw', name);
      const permits = keys.shared('semaphore', name);
      return {
        ...texts(keys),
        ...{ lock: keys.lock(name), queue: keys.queue(name), wake: keys.wake(name), waiter: keys.waiter(name) },
        ...{ rw: holders, rwInfo: info, rwQueue: queue, quorum: keys.quorum(name) },
        ...{ permits: permits.holders, permitsInfo: permits.info, permitsQueue: permits.queue },
      };
    },
  },
  fence: {
    arity: 1,
    check: (name) => checkFenceToken({ name, token: 1 }),
    keys: (name) => ({ fence: `${prefix}:fence:${name}` }),
  },
  cron: {
    arity: 1,
    check: (name) => void defineCron(name, '* * * * *'),
    keys: (name) => texts(cronKeys(prefix, name)),
  },
  callback: {
    arity: 2,
    check: (scope, key) => checkCallbackCall({ scope: scope!, key: key!, body: '' }),
    keys: (scope, key) => texts(callbackKeys(prefix, scope!, key!)),
  },
  ports: {
    arity: 3,
    check(host, pool, owner) {
      checkPools({ host: host!, pools: { [pool!]: { from: 1, to: 2 } }, quarantineMs: 0, ownerTtlMs: 300 });
      checkRequest({ counts: { [pool!]: 1 }, requestId: 'request-1', owner: owner! });
    },
    keys(host, pool, owner) {
      const { rest, foreign, sticky, ...others } = portKeys(prefix, host!);
      return { ...others, rest: rest + pool, foreign: foreign + pool, sticky: sticky + owner };
    },
  },
  channel: {
    arity: 3,
    check: (...names) => names.forEach((name) => void assertName('name', name)),
    keys(name, user, id) {
      const keys = channelKeys(prefix);
      const made = Object.entries(keys).map(([meaning, value]) => {
        return [
          meaning,
          typeof value === 'string' ? value : (value as (...names: unknown[]) => string)(name, user, id),
        ];
      });
      return Object.fromEntries(made) as Record<string, string>;
    },
  },
  discovery: { arity: 0, check() {}, keys: () => texts(discoveryKeys(prefix)) },
};

/** What keys are made of. */
const parts = [
  'a',
  'b',
  'epoch',
  'wake',
  'history',
  'hosts',
  'info',
  'queue',
  'rest',
  'foreign',
  'sticky',
  'boot',
  'pools',
];
/** Two beginnings, so that many names of a list differ in their end alone. */
const beginning = fc.constantFrom('a', 'b');
const part = fc.oneof({ weight: 2, arbitrary: beginning }, { weight: 1, arbitrary: fc.constantFrom(...parts) });
/** What would part a name in two, and halves of characters, which become the same bytes. */
const joint = fc.constantFrom(':', ':', ' ', '/', '\ud83d', '\ude00');
const joined = fc.tuple(beginning, joint, fc.oneof(fc.constant(''), part, fc.constantFrom(...parts)));
const name = fc.oneof(
  part,
  joined.map((words) => words.join('')),
);
const nameLists = fc.array(name, { minLength: 12, maxLength: 24 });

/** Which names a key depends on: those that change it when they change. */
function namesBehind(primitive: Primitive, meaning: string, names: readonly string[]): string {
  const key = primitive.keys(...names)[meaning];
  return names.filter((_, at) => primitive.keys(...names.with(at, 'other'))[meaning] !== key).join('\n');
}

test('whatever names are allowed, no two things share a key or a channel', () => {
  const counts = new Map<string, number>();
  fc.assert(
    fc.property(nameLists, (names) => {
      const meanings = new Map<string, string>();
      for (const [kind, primitive] of Object.entries(primitives)) {
        for (let at = 0; at + primitive.arity <= names.length; at++) {
          const own = names.slice(at, at + primitive.arity);
          try {
            primitive.check(...own);
          } catch {
            continue;
          }
          counts.set(kind, (counts.get(kind) ?? 0) + 1);
          for (const [meaning, text] of Object.entries(primitive.keys(...own))) {
            // As Redis sees it: in bytes.
            const key = Buffer.from(text).toString('latin1');
            const names = namesBehind(primitive, meaning, own);
            const isForAll = names === '' || meaning === 'boot';
            const whole = isForAll ? meaning : `${kind} ${meaning} of ${JSON.stringify(names)}`;
            assert.equal(meanings.get(key) ?? whole, whole, `${text} has two meanings`);
            meanings.set(key, whole);
          }
        }
      }
    }),
    { numRuns: 200 },
  );
  for (const kind of Object.keys(primitives)) assert.ok(counts.get(kind)! > 20, `${kind} was hardly tried`);
});
