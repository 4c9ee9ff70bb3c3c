import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** About 100 ms and 16 MiB: little for a login, much for who tries all words of a dictionary. */
const cost = { N: 16_384, r: 8, p: 3 } as const;
const keyBytes = 32;
const saltBytes = 16;

/** The hash of a password, with all that is needed to check one against it later, also after a change of the costs. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const key = await derive(password, salt, cost);
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), key.toString('base64url')].join('$');
}

/**
 * Whether it is the password of the hash. Without a hash, for a user that is not there, it is not, which takes as long: the
 * time does not tell who is.
 */
export async function isPassword(password: string, hash = nobodysHash): Promise<boolean> {
  const [, N, r, p, salt = '', key = ''] = hash.split('$');
  const right = Buffer.from(key, 'base64url');
  const given = await derive(password, Buffer.from(salt, 'base64url'), { N: Number(N), r: Number(r), p: Number(p) });
  return timingSafeEqual(given, right);
}

/** Random, so no password has it. */
const nobodysHash = [
  ...['scrypt', cost.N, cost.r, cost.p],
  ...[randomBytes(saltBytes), randomBytes(keyBytes)].map((bytes) => bytes.toString('base64url')),
].join('$');

function derive(password: string, salt: Buffer, options: ScryptOptions): Promise<Buffer> {
  // The same password typed on two keyboards may come in two forms.
  const text = password.normalize('NFKC');
  return new Promise((resolve, reject) => {
    scrypt(text, salt, keyBytes, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
