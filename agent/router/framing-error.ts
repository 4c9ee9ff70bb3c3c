/** A message that is no valid HTTP/1.1, or that two readers could take in two ways. Its connection must not be used again. */
export class FramingError extends Error {
  override name = 'FramingError';
  /** Whether the only thing wrong is the length of something. */
  readonly isTooLong: boolean;

  constructor(message: string, isTooLong = false) {
    super(message);
    this.isTooLong = isTooLong;
  }
}
