import { createCipheriv, createDecipheriv, randomBytes, randomUUID, scryptSync } from 'node:crypto';
import type { Drover } from 'drover';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { type PublishedKey, publicKeys, tokenRecords, tokenRules } from '../shared/tokens.ts';
import { whileRedisAnswers } from './while-redis-answers.ts';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

export interface SigningKeys {
  /** The key to sign with now. Makes the first one. @throws Refusal 503 */
  current(): Promise<SigningKey>;
  /** All keys that a token may be signed with that is still good. @throws Refusal 503 */
  published(): Promise<JSONWebKeySet>;
  /** From here on all instances sign with a new key. Answers its id. @throws Refusal 503 */
  rotate(): Promise<string>;
}

/** As it is in Redis: whoever may read there has the public half, and the private one only with TOKEN_SECRET. */
interface KeyRecord extends PublishedKey {
  readonly sealedKey: string;
  readonly createdAt: number;
}

export interface SigningKeysOptions {
  readonly drover: Drover;
  /** Seals private keys; the same on all instances. A new one may be rolled out: each signs with the newest key it can open. */
  readonly secret: string;
  readonly tokenTtlMs: number;
}

/**
 * Adds a key unless somebody else has meanwhile, and drops old ones.
 * KEYS[1] keys  ARGV[1] the current id that was seen, or ''  ARGV[2] new id  ARGV[3] its record  ARGV[4…] ids to drop
 */
const addKey = `
if (redis.call('HGET', KEYS[1], 'current') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'current', ARGV[2], ARGV[2], ARGV[3])
if #ARGV > 3 then redis.call('HDEL', KEYS[1], unpack(ARGV, 4)) end
return 1`;

/** Old keys stay for as long as tokens signed with them, and once more for clocks that differ. */
const keepForTtls = 2;

export function createSigningKeys({ drover, secret, tokenTtlMs }: SigningKeysOptions): SigningKeys {
  const { redis, prefix } = drover.coordination;
  const key = tokenRecords(prefix).keys;
  const seal = createSeal(secret);

  const read = () => whileRedisAnswers(redis.hgetall(key));

  async function add(fields: Readonly<Record<string, string>>): Promise<boolean> {
    const kid = randomUUID();
    const pair = await generateKeyPair(tokenRules.algorithm, { extractable: true });
    const named = { kid, alg: tokenRules.algorithm, use: 'sig' };
    const record: KeyRecord = {
      publicKey: { ...(await exportJWK(pair.publicKey)), ...named },
      sealedKey: seal.close(kid, JSON.stringify(await exportJWK(pair.privateKey))),
      createdAt: Date.now(),
    };
    const dropped = outlived(fields, Date.now() - keepForTtls * tokenTtlMs);
    const args = [fields.current ?? '', kid, JSON.stringify(record), ...dropped];
    return (await whileRedisAnswers(redis.eval(addKey, 1, key, ...args))) === 1;
  }

  async function open(fields: Readonly<Record<string, string>>): Promise<SigningKey | null> {
    for (const [kid, { sealedKey }] of newestFirst(fields)) {
      const text = seal.open(kid, sealedKey);
      if (text === null) continue;
      return { kid, privateKey: (await importJWK(JSON.parse(text) as JWK, tokenRules.algorithm)) as CryptoKey };
    }
    return null;
  }

  /** Whoever is first adds a key; the others find that one. */
  async function current(): Promise<SigningKey> {
    for (;;) {
      const fields = await read();
      const found = await open(fields);
      if (found !== null) return found;
      await add(fields);
    }
  }

  return {
    current,
    async published() {
      await current();
      return publicKeys(await read());
    },
    async rotate() {
      await add(await read());
      return (await current()).kid;
    },
  };
}

function newestFirst(fields: Readonly<Record<string, string>>): [kid: string, record: KeyRecord][] {
  const { current, ...records } = fields;
  return Object.entries(records)
    .map(([kid, text]): [string, KeyRecord] => [kid, JSON.parse(text) as KeyRecord])
    .sort(([a, { createdAt: x }], [b, { createdAt: y }]) => Number(b === current) - Number(a === current) || y - x);
}

/** Keys that were followed by another one before that time. */
function outlived(fields: Readonly<Record<string, string>>, beforeAt: number): string[] {
  const newest = newestFirst(fields);
  return newest.flatMap(([kid], index) => {
    const next = newest[index - 1];
    return next !== undefined && next[1].createdAt < beforeAt ? [kid] : [];
  });
}

/** AES-256-GCM. What is sealed for one key id does not open as that of another. */
function createSeal(secret: string) {
  const key = scryptSync(secret, 'cloudphone signing keys', 32);
  const ivBytes = 12;
  const tagBytes = 16;
  return {
    close(kid: string, text: string): string {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(kid));
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
    },
    /** Null when it was sealed with another secret. */
    open(kid: string, sealedText: string): string | null {
      const bytes = Buffer.from(sealedText, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(kid)).setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8');
      } catch {
        return null;
      }
    },
  };
}
