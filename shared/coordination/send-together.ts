interface Waiting<I, O> {
  readonly item: I;
  resolve(answer: O): void;
  reject(error: unknown): void;
}

/**
 * Puts what is asked for in the same turn of this process into one question, of at most `most` items: a command costs a
 * busy process and Redis several times what a further item in a script costs. A lone item waits for nothing. Each gets
 * the answer at its place; when `send` rejects, all do. With `setImmediate` as `whenDone` also what is asked for in several
 * timers that are due at once goes together: the default ends with each of them.
 */
export function sendTogether<I, O>(
  most: number,
  send: (items: readonly I[]) => Promise<readonly O[]>,
  whenDone: (send: () => void) => void = process.nextTick,
): (item: I) => Promise<O> {
  let waiting: Waiting<I, O>[] = [];

  async function sendWaiting(): Promise<void> {
    const sent = waiting;
    // They were as many as may go together, and have gone.
    if (sent.length === 0) return;
    waiting = [];
    try {
      const answers = await send(sent.map(({ item }) => item));
      for (let index = 0; index < sent.length; index++) sent[index]!.resolve(answers[index]!);
    } catch (error) {
      for (const { reject } of sent) reject(error);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      // After all that was already due: the answers that came with one packet are acted on before.
      if (waiting.length === 1) whenDone(() => void sendWaiting());
      else if (waiting.length === most) void sendWaiting();
    });
}
