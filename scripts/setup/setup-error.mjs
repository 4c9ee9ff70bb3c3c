/** Set-up cannot go on. The message is for a person and says what to do next; an empty one was already said. */
export class SetupError extends Error {
  constructor(message, { exitCode = 1 } = {}) {
    super(message);
    this.name = 'SetupError';
    this.exitCode = exitCode;
  }
}
