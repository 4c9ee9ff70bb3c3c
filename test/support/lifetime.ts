/** What support code needs of a test: a place to leave its clean-up. A `TestContext` is one, and so is `{ after }` of node:test. */
export interface Lifetime {
  after(cleanUp: () => void | Promise<void>): void;
}
