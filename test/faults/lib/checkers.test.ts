import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SeededRandom } from '../../simulation/seeded-random.ts';
import { parseCommands } from './aof.ts';
import { measureLateness } from './check-aborts.ts';
import { findEpochsThatFell } from './check-epochs.ts';
import { findSharingMistakes } from './check-sharing.ts';
import { findStaleEffects } from './check-stale-effects.ts';
import { joinLines, type Line, type Operation, type Share } from './history.ts';
import { judgePartition } from './judge-partition.ts';
import { viewLeases } from './lease-view.ts';
import { checkLocks } from './lock-model.ts';
import { viewShared } from './shared-view.ts';

function operation(part: Partial<Operation> & Pick<Operation, 'type' | 'invokeAt'>): Operation {
  const { invokeAt } = part;
  const rest = { process: 'p', id: `${part.type}@${invokeAt}`, key: 'k', outcome: 'ok', epoch: undefined } as const;
  return { ...rest, completeAt: invokeAt + 1, ...part };
}

/** A true history: holds one after the other, seen by several processes that begin early and hear of it late. */
function trueHistory(seed: number, holds: number): Operation[] {
  const random = new SeededRandom(seed);
  const operations: Operation[] = [];
  let at = 0;
  /** An operation that took effect at `at`. */
  const add = (type: Operation['type'], epoch: number | undefined, outcome: Operation['outcome'] = 'ok') => {
    at += 10;
    const process = `p${random.between(0, 4)}`;
    const window = { invokeAt: at - random.between(1, 40), completeAt: at + random.between(1, 40) };
    operations.push({ process, id: `o${operations.length}`, type, key: 'k', outcome, epoch, ...window });
  };
  for (let hold = 1; hold <= holds; hold++) {
    const epoch = hold * 1000;
    add('acquire', epoch);
    if (random.chance(0.5)) add('acquire', undefined, 'fail');
    for (let looks = random.between(0, 3); looks > 0; looks--) {
      at += 10;
      operations.push(operation({ type: 'assert', id: `o${operations.length}`, invokeAt: at, completeAt: at, epoch }));
    }
    if (random.chance(0.8)) add('release', epoch);
  }
  return operations;
}

function verdictOf(operations: readonly Operation[]): string | undefined {
  return checkLocks(operations).get('k')?.verdict;
}

test('true histories of 2,000 operations are accepted, in whatever order their operations overlap', () => {
  for (let seed = 1; seed <= 10; seed++)
    assert.equal(verdictOf(trueHistory(seed, 450)), 'linearizable', `seed ${seed}`);
});

const mutations: Record<string, (operations: Operation[], random: SeededRandom) => Operation[]> = {
  'two grants with one epoch': (operations) => {
    const [first, second] = operations.filter(({ type, outcome }) => type === 'acquire' && outcome === 'ok').slice(100);
    return operations.map((one) => (one === second ? { ...one, epoch: first!.epoch } : one));
  },
  'an epoch that fell': (operations) => {
    const late = operations.filter(({ type, outcome }) => type === 'acquire' && outcome === 'ok').at(-1)!;
    return operations.map((one) => (one === late ? { ...one, epoch: 1 } : one));
  },
  'a holder that still asserts after the next was told that it holds': (operations) => {
    const holds = operations.filter(({ type, outcome }) => type === 'acquire' && outcome === 'ok');
    const [first, second] = holds.slice(200);
    const at = second!.completeAt + 100;
    return [...operations, operation({ type: 'assert', invokeAt: at, completeAt: at, epoch: first!.epoch })];
  },
  'a refusal while nobody can hold': () => [
    operation({ type: 'acquire', invokeAt: 10, epoch: 5 }),
    operation({ type: 'release', invokeAt: 20, epoch: 5 }),
    operation({ type: 'acquire', invokeAt: 30, outcome: 'fail' }),
  ],
};

for (const [name, mutate] of Object.entries(mutations)) {
  test(`a history with ${name} is refused`, () => {
    for (let seed = 1; seed <= 5; seed++) {
      const history = mutate(trueHistory(seed, 300), new SeededRandom(seed));
      assert.equal(verdictOf(history), 'violated', `seed ${seed}`);
    }
  });
}

test('an acquisition without an answer may explain refusals, but no assertion', () => {
  const lost = operation({ type: 'acquire', invokeAt: 10, completeAt: Number.POSITIVE_INFINITY, outcome: 'info' });
  const refused = operation({ type: 'acquire', invokeAt: 30, outcome: 'fail' });
  assert.equal(verdictOf([lost, refused]), 'linearizable');
  assert.equal(verdictOf([lost, operation({ type: 'assert', invokeAt: 30, epoch: 7 })]), 'violated');
});

test('what a killed process began stays open, and what says nothing is left out', () => {
  const begun = { phase: 'invoke', process: 'p', type: 'acquire', key: 'k' } as const;
  const lines: Line[] = [
    { ...begun, id: 'a', at: 1 },
    { ...begun, id: 'b', at: 2 },
    { ...begun, id: 'c', at: 3 },
    { phase: 'ok', id: 'a', at: 4, epoch: 9 },
    { phase: 'void', id: 'b', at: 5 },
  ];
  const { operations } = joinLines(lines);
  assert.deepEqual(
    operations.map(({ id, outcome, completeAt, epoch }) => [id, outcome, completeAt, epoch]),
    [
      ['a', 'ok', 4, 9],
      ['c', 'info', Number.POSITIVE_INFINITY, undefined],
    ],
  );
});

const granted = (token: string, epoch: number) => [
  ['SET', 'x:lease:k:epoch', String(epoch)],
  ['SET', 'x:lease:k', token, 'PXAT', '5000'],
];

test('commands are read from an append-only file up to where it was cut', () => {
  const whole = '#TS:1\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n';
  assert.deepEqual(parseCommands(Buffer.from(`${whole}*2\r\n$3\r\nDEL\r\n$5\r\nab`)), [['DEL', 'a']]);
});

test('a grant over one that is there is an overlap; after its deletion or a flush it is none', () => {
  const between = (...commands: string[][]) =>
    viewLeases([...granted('a', 1), ...commands, ...granted('b', 2)], 'x').overlaps.length;
  assert.equal(between(), 1);
  assert.equal(between(['DEL', 'x:lease:k']), 0);
  assert.equal(between(['FLUSHALL']), 0);
  assert.equal(between(['DEL', 'x:lease:other']), 1);
});

test('locks are followed as leases are; a reservation that its holder takes up is one grant', () => {
  const lock = (holder: string, epoch: number, until: number) => [
    'SET',
    'x:lock:k',
    `${holder} ${epoch} somebody`,
    'PXAT',
    String(until),
  ];
  const { grants, overlaps } = viewLeases([lock('a', 1, 100), lock('a', 1, 900), lock('b', 2, 950)], 'x');
  assert.deepEqual(
    grants.map(({ key, epoch, expiresAtMs }) => [key, epoch, expiresAtMs]),
    [
      ['k', 1, 900],
      ['k', 2, 950],
    ],
  );
  assert.equal(overlaps.length, 1);
});

test('an epoch that is not above the last is found', () => {
  const grants = [1, 3, 3, 2, 4].map((epoch) => ({ key: 'k', epoch }));
  assert.equal(findEpochsThatFell(grants).length, 2);
});

test('an effect of an earlier holder after one of a later holder is found, per key', () => {
  const effects = [1, 2, 1, 2, 3].map((epoch) => ({ key: 'k', epoch }));
  assert.deepEqual(findStaleEffects([...effects, { key: 'other', epoch: 1 }]), [{ key: 'k', epoch: 1 }]);
});

test('an abort after the end of the lease is late, and counts from the last renewal', () => {
  const commands = [...granted('a', 1), ['PEXPIREAT', 'x:lease:k', '6000']];
  const { grants } = viewLeases(commands, 'x');
  const loss = { process: 'p', key: 'k', epoch: 1, reason: 'unreachable', at: 0, wallMs: 5900 };
  assert.equal(measureLateness([loss], grants).maxMs, -100);
  assert.equal(measureLateness([{ ...loss, wallMs: 6001 }], grants).late.length, 1);
  assert.equal(measureLateness([{ ...loss, assertedMs: 6001 }], grants).late.length, 1);
  assert.equal(measureLateness([{ ...loss, epoch: 2 }], grants).unknown, 1);
});

const twoPermits = 2;

/** A true history of what several hold: each comes when there is room, is asserted now and then, and goes. */
function trueSharing(seed: number, grants: number): Operation[] {
  const random = new SeededRandom(seed);
  const operations: Operation[] = [];
  let present: { epoch: number; share: Share }[] = [];
  let at = 0;
  const isPermits = random.chance(0.5);
  const look = (epoch: number) => {
    at += 10;
    operations.push(operation({ type: 'assert', id: `o${operations.length}`, invokeAt: at, completeAt: at, epoch }));
  };
  for (let epoch = 1; epoch <= grants; epoch++) {
    const share = isPermits ? 'permit' : random.chance(0.3) ? 'write' : 'read';
    const hasRoom = () =>
      isPermits
        ? present.length < twoPermits
        : share === 'read'
          ? !present.some((one) => one.share === 'write')
          : present.length === 0;
    while (!hasRoom()) present = present.filter(() => random.chance(0.6));
    at += 10;
    const grant = operation({
      type: 'acquire',
      id: `o${operations.length}`,
      invokeAt: at - random.between(1, 60),
      epoch,
    });
    operations.push({ ...grant, completeAt: at, share });
    present.push({ epoch, share });
    for (const one of present) if (random.chance(0.7)) look(one.epoch);
  }
  return operations;
}

test('true histories of readers and writers, and of permits, are accepted', () => {
  for (let seed = 1; seed <= 20; seed++) assert.deepEqual(findSharingMistakes(trueSharing(seed, 300), twoPermits), []);
});

test('a holder that still asserts while there is no room for it is found, and so is an epoch that fell or came twice', () => {
  const grant = (share: Share, epoch: number, at: number) => ({
    ...operation({ type: 'acquire', invokeAt: at, epoch }),
    share,
  });
  const look = (epoch: number, at: number) => operation({ type: 'assert', invokeAt: at, completeAt: at, epoch });
  const found = (...operations: Operation[]) => findSharingMistakes(operations, twoPermits).length;
  assert.equal(found(grant('read', 1, 10), grant('read', 2, 20), look(1, 40), look(2, 40)), 0);
  assert.equal(found(grant('read', 1, 10), grant('write', 2, 20), look(1, 40), look(2, 40)), 1);
  assert.equal(found(grant('write', 1, 10), grant('read', 2, 20), look(1, 40), look(2, 40)), 1);
  assert.equal(found(grant('write', 1, 10), grant('write', 2, 20), look(1, 15), look(2, 40)), 0, 'the first was over');
  assert.equal(
    found(grant('write', 1, 10), grant('write', 2, 20), look(1, 40)),
    0,
    'the second is not known to have been held',
  );
  const three = [1, 2, 3].map((epoch) => grant('permit', epoch, epoch * 10));
  assert.equal(found(...three, look(1, 25), look(2, 50), look(3, 50)), 0);
  assert.equal(found(...three, look(1, 50), look(2, 50), look(3, 50)), 1);
  assert.equal(found(grant('read', 2, 10), grant('read', 1, 20)), 1);
  assert.equal(found(grant('read', 2, 10), grant('read', 2, 10)), 1);
});

test('a permit too many, a reader beside a writer, and one who overtakes are seen in what Redis did', () => {
  const came = (kind: string, share: string, holder: string, epoch: number) => [
    ['ZADD', `x:${kind}:k`, '5000', holder],
    ['HSET', `x:${kind}-info:k`, holder, `${share} ${epoch} somebody 300`],
  ];
  const permit = (holder: string, epoch: number) => came('semaphore', 'semaphore', holder, epoch);
  const seen = (...commands: string[][]) => {
    const { grants, overlaps, overtakings } = viewShared(commands, 'x', twoPermits);
    return [grants.length, overlaps.length, overtakings.length];
  };
  const both = [...permit('a', 1), ...permit('b', 2)];
  assert.deepEqual(seen(...both, ...permit('c', 3)), [3, 1, 0]);
  assert.deepEqual(seen(...both, ['ZREM', 'x:semaphore:k', 'a'], ...permit('c', 3)), [3, 0, 0]);
  assert.deepEqual(seen(...both, ['DEL', 'x:semaphore:k'], ...permit('c', 3)), [3, 0, 0]);
  assert.deepEqual(seen(...both, ['ZADD', 'x:semaphore:k', '9000', 'a']), [2, 0, 0], 'a renewal is no grant');
  const [reader, writer] = [came('rw', 'read', 'a', 1), came('rw', 'write', 'b', 2)];
  assert.deepEqual(seen(...reader, ...came('rw', 'read', 'c', 2)), [2, 0, 0]);
  assert.deepEqual(seen(...reader, ...writer), [2, 1, 0]);
  assert.deepEqual(seen(...writer, ...came('rw', 'read', 'c', 3)), [2, 1, 0]);
  const waits = (holder: string, ticket: number) => ['ZADD', 'x:rw-queue:k', String(ticket), holder];
  assert.deepEqual(seen(waits('w', 7), ...reader), [1, 0, 1], 'one that never waited');
  assert.deepEqual(seen(waits('w', 7), waits('a', 8), ['ZREM', 'x:rw-queue:k', 'a'], ...reader), [1, 0, 1]);
  assert.deepEqual(seen(waits('w', 7), waits('a', 6), ['ZREM', 'x:rw-queue:k', 'a'], ...reader), [1, 0, 0]);
});

test('a key that both sides of a partition believe in, a token that is not above, and a stale write are found', () => {
  const belief = { key: 'k', epoch: 1, grantedMs: 0, assertedMs: 90, lostMs: 95, reason: 'unreachable' };
  const next = { ...belief, epoch: 2, grantedMs: 100 };
  const [none, one] = [
    { written: 1, refused: 0 },
    { written: 0, refused: 1 },
  ];
  const right = { lost: [belief], granted: [next], after: none, stale: one };
  assert.deepEqual(judgePartition(right), { overlaps: 0, marginMs: 5, violations: [] });
  const wrong = {
    'asserted until too late': { ...right, lost: [{ ...belief, assertedMs: 101 }] },
    'told too late': { ...right, lost: [{ ...belief, lostMs: 101 }] },
    'a token that did not rise': { ...right, granted: [{ ...next, epoch: 1 }] },
    'a stale write': { ...right, stale: none },
    'a new holder refused': { ...right, after: one },
  };
  for (const [what, evidence] of Object.entries(wrong))
    assert.equal(judgePartition(evidence).violations.length, 1, what);
});
