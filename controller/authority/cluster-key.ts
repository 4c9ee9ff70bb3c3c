import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import { writeSecretFileOnce } from './secret-file.ts';

/**
 * The cluster key seals the private key of the certificate authority, so that a copy of Redis alone cannot issue
 * certificates. It lives in a file of mode 0600 that all controllers of a cluster share.
 */
export type ClusterKey = Buffer;

const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;

/** @throws DroverError FILE_INVALID or FILE_UNREADABLE. Null when there is no such file. */
export async function readClusterKey(file: string): Promise<ClusterKey | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new DroverError(
      'FILE_UNREADABLE',
      `The cluster key file ${file} cannot be read: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== keyBytes) {
    throw new DroverError(
      'FILE_INVALID',
      `The cluster key file ${file} must hold ${keyBytes} bytes in base64; copy it from the first controller`,
    );
  }
  return key;
}

/** Makes the key file, or reads the one that somebody else made in the same moment. */
export async function createClusterKey(file: string): Promise<ClusterKey> {
  await writeSecretFileOnce(file, `${randomBytes(keyBytes).toString('base64')}\n`);
  return (await readClusterKey(file)) as ClusterKey;
}

/** AES-256-GCM: base64 of iv, tag and ciphertext. */
export function seal(key: ClusterKey, text: string): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
}

/** @throws DroverError FILE_INVALID when it was sealed with another key. */
export function unseal(key: ClusterKey, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes));
  decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8');
  } catch (error) {
    throw new DroverError(
      'FILE_INVALID',
      'The cluster key does not open this cluster: the store was set up with another key. Copy the key file of the first controller, or use another DROVER_REDIS_URL',
      { cause: error },
    );
  }
}
