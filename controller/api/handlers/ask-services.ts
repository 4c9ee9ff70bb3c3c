import { DroverError, isDroverError } from '../../../shared/contracts/drover-error.ts';

/**
 * A question to the Redis of services. Whatever the client makes of a server that is away, callers hear one thing.
 * @throws DroverError STORE_UNREACHABLE, or what the question itself throws of ours
 */
export async function askServices<T>(question: Promise<T>): Promise<T> {
  try {
    return await question;
  } catch (cause) {
    if (isDroverError(cause)) throw cause;
    throw new DroverError(
      'STORE_UNREACHABLE',
      'The Redis that services coordinate through did not answer. Ask again.',
      {
        cause,
      },
    );
  }
}
