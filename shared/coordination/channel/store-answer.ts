import { DroverError } from '../../contracts/drover-error.ts';

/**
 * The answer of Redis, or a named error. After it nobody knows whether the command took effect.
 * @throws DroverError STORE_UNREACHABLE, with the client's error as its cause
 */
export async function storeAnswer<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new DroverError('STORE_UNREACHABLE', `${what}: Redis has not answered. It may have taken effect.`, { cause });
  }
}
