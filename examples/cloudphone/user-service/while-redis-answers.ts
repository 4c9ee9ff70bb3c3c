import { Refusal } from '../shared/refusal.ts';

/**
 * What Redis answers. Sessions and keys are there only, so without it nobody can log in or out: better said at once.
 * @throws Refusal 503
 */
export async function whileRedisAnswers<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    console.error(`Redis: ${(error as Error).message}`);
    throw new Refusal(503, 'SESSIONS_UNAVAILABLE', 'Sessions cannot be read or written now. Try again soon.', {
      retryAfterSeconds: 1,
    });
  }
}
